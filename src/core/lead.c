/* A leader: replication, the commit rule, heartbeats and check-quorum.
 * Sections 5.3 and 5.4.2; thesis 6.2 and 10.2. */
#include "core/internal.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

/* ---- coming and going --------------------------------------------------- */

void lead_reset_peer(struct raft *raft, struct peer *peer)
{
    peer->state = RAFT_PEER_PROBE;
    peer->agreed = false;
    peer->probed = false;
    peer->match = 0;
    peer->next = raft->log.last + 1;
    peer->sent = 0;
    peer->commit = 0;
    peer->round = 0;
    peer->heard_us = raft->now.mono_us;
    peer->proof_round = 0;
    peer->proof_match = 0;
    peer->lost = false;
    peer->patient = false;
    peer->owed_us = 0;
    peer->flight_first = 0;
    peer->flight_count = 0;
    peer->flight_bytes = 0;
}

raft_index lead_append(struct raft *raft, struct raft_entry *entry)
{
    entry->index = raft->log.last + 1;
    entry->term = raft->term;
    entry->unix_ms = raft->now.unix_ms > raft->log.unix_ms ? raft->now.unix_ms
                                                           : raft->log.unix_ms;
    size_t weight = raft_entry_weight(entry);
    bool waits = entry->kind == RAFT_KIND_APP;
    raft_append(raft, entry);
    raft->batch.bytes += weight;
    if (!waits) {
        batch_release(raft);
    }
    return raft->log.last;
}

void become_leader(struct raft *raft)
{
    assert(raft->role == RAFT_ROLE_CANDIDATE);
    raft->role = RAFT_ROLE_LEADER;
    raft->leader = raft->settings.id;
    raft->uncommitted_bytes = 0;
    raft->batch = (struct batch){.last = raft->log.last};
    trial_lead(raft);
    raft->heartbeat_due_us = raft->now.mono_us + raft->settings.heartbeat_us;
    for (size_t i = 0; i < raft->peer_count; i++) {
        lead_reset_peer(raft, &raft->peers[i]);
    }
    /* Entries of earlier terms commit only together with one of this term
     * (5.4.2): so there is one at once. */
    member_lead(raft);
    struct raft_entry noop = {.kind = RAFT_KIND_NOOP};
    raft->term_first = lead_append(raft, &noop);
    raft_tell(raft, &(struct raft_tell){.type = RAFT_TELL_ROLE});
    raft_note(raft, LOG_LEVEL_INFO, "leads term %llu from entry %llu on",
              (unsigned long long)raft->term,
              (unsigned long long)raft->term_first);
    read_role(raft);
}

void lead_end(struct raft *raft)
{
    raft->uncommitted_bytes = 0;
    raft_note(raft, LOG_LEVEL_INFO, "no longer leads");
    member_end(raft);
    transfer_end(raft);
}

/* ---- proposals ---------------------------------------------------------- */

void lead_refuse(struct raft *raft, const struct raft_event *event,
                 enum raft_refusal refusal)
{
    struct raft_tell tell = {.type = RAFT_TELL_REFUSED,
                             .ticket = event->propose.ticket,
                             .refusal = refusal,
                             .term = raft->term};
    raft_tell(raft, &tell);
}

void lead_propose(struct raft *raft, const struct raft_event *event)
{
    if (raft->role != RAFT_ROLE_LEADER) {
        lead_refuse(raft, event, RAFT_REFUSED_NOT_LEADER);
        return;
    }
    if (transfer_open(raft)) {
        transfer_hold(raft, event);
        return;
    }
    struct raft_tell decision;
    if (propose_decided(raft, event, &decision)) {
        raft_tell(raft, &decision);
        return;
    }
    struct raft_entry entry = {.kind = RAFT_KIND_APP,
                               .flags = RAFT_FLAG_REQUIRED,
                               .key = event->propose.key,
                               .payload = event->propose.payload};
    size_t weight = raft_entry_weight(&entry);
    if (raft->uncommitted_bytes > 0 &&
        raft->uncommitted_bytes + weight >
            raft->settings.uncommitted_bytes_max) {
        lead_refuse(raft, event, RAFT_REFUSED_BUSY);
        return;
    }
    raft->uncommitted_bytes += weight;
    blob_share(entry.key);
    blob_share(entry.payload);
    struct raft_tell tell = {.type = RAFT_TELL_ACCEPTED,
                             .ticket = event->propose.ticket};
    tell.index = lead_append(raft, &entry);
    tell.term = raft->term;
    raft_tell(raft, &tell);
}

/* ---- flights ------------------------------------------------------------ */

static void add_flight(struct raft *raft, struct peer *peer, raft_index last,
                       size_t bytes)
{
    size_t max = raft->settings.inflight_messages_max;
    assert(peer->flight_count < max);
    size_t at = (peer->flight_first + peer->flight_count++) % max;
    peer->flights[at] = (struct flight){.last = last, .bytes = bytes};
    peer->flight_bytes += bytes;
}

static void end_flights(struct raft *raft, struct peer *peer, raft_index match)
{
    while (peer->flight_count > 0 &&
           peer->flights[peer->flight_first].last <= match) {
        peer->flight_bytes -= peer->flights[peer->flight_first].bytes;
        peer->flight_first =
            (peer->flight_first + 1) % raft->settings.inflight_messages_max;
        peer->flight_count--;
    }
}

static void drop_flights(struct peer *peer)
{
    peer->flight_count = 0;
    peer->flight_bytes = 0;
}

/* ---- sending ------------------------------------------------------------ */

/* From `next` on, or from the first entry that is still there: for whoever has
 * less that is a question, and no more. */
static struct raft_message append_to(struct raft *raft, struct peer *peer)
{
    struct raft_message message =
        raft_message_to(raft, RAFT_MESSAGE_APPEND, peer->id);
    raft_index prev = peer->next - 1 > raft->log.base.index
                          ? peer->next - 1
                          : raft->log.base.index;
    message.append.prev_index = prev;
    message.append.prev_term = log_term(&raft->log, prev);
    message.append.prev_chain = log_chain(&raft->log, prev);
    message.append.commit = raft->commit;
    message.append.needed = lead_needed(raft);
    message.append.round = raft->round;
    return message;
}

/* What a follower takes for committed when it is told so with an append that
 * ends with entry `last` (5.3). */
static raft_index commit_for(const struct raft *raft, raft_index last)
{
    return raft->commit < last ? raft->commit : last;
}

static void send_append(struct raft *raft, struct peer *peer,
                        const struct raft_message *message)
{
    raft_index last = message->append.prev_index + message->append.entry_count;
    if (last > peer->sent) {
        peer->sent = last;
    }
    peer->commit = commit_for(raft, last);
    peer->owed_us = 0;
    raft_send(raft, message);
}

/* Sends the entries that *message carries, and notes that they are under way.
 */
static void send_entries(struct raft *raft, struct peer *peer,
                         struct raft_message *message, size_t bytes)
{
    raft_index last = message->append.prev_index + message->append.entry_count;
    if (peer->state == RAFT_PEER_PIPELINE) {
        add_flight(raft, peer, last, bytes);
        peer->next = last + 1;
    } else {
        peer->probed = true;
    }
    send_append(raft, peer, message);
}

static size_t gather(struct raft *raft, raft_index first,
                     struct raft_message *message)
{
    size_t bytes = 0;
    size_t count = 0;
    while (first + count <= raft->batch.last &&
           count < raft->settings.append_entries_max) {
        size_t weight = raft_entry_weight(log_entry(&raft->log, first + count));
        if (count > 0 && bytes + weight > raft->settings.append_bytes_max) {
            break;
        }
        bytes += weight;
        count++;
    }
    message->append.entries =
        x_malloc(count * sizeof(*message->append.entries));
    message->append.entry_count = count;
    for (size_t i = 0; i < count; i++) {
        message->append.entries[i] =
            raft_entry_share(log_entry(&raft->log, first + i));
    }
    return bytes;
}

static void start_fetch(struct raft *raft, struct peer *peer)
{
    struct raft_effects *effects = &raft->effects;
    peer->agreed = peer->state == RAFT_PEER_PIPELINE;
    peer->state = RAFT_PEER_FETCH;
    if (peer->fetching) {
        return; /* an older one is open: its end begins this one */
    }
    peer->fetching = true;
    effects->fetches =
        x_grow(effects->fetches, &raft->fetch_capacity,
               effects->fetch_count + 1, sizeof(*effects->fetches));
    effects->fetches[effects->fetch_count++] = (struct raft_fetch){
        .peer = peer->id,
        .first = peer->next,
        .last = raft->log.window - 1,
        .bytes_max = raft->settings.append_bytes_max,
    };
}

static bool may_send(const struct raft *raft, const struct peer *peer)
{
    switch (peer->state) {
    case RAFT_PEER_PROBE:
        return !peer->probed;
    case RAFT_PEER_PIPELINE:
        return peer->flight_count < raft->settings.inflight_messages_max &&
               peer->flight_bytes < raft->settings.inflight_bytes_max;
    case RAFT_PEER_FETCH:
    case RAFT_PEER_SNAPSHOT:
        return false;
    }
    return false;
}

/* What it needs is gone.  Heartbeats go on, and ask whether it has the base. */
static void start_install(struct raft *raft, struct peer *peer)
{
    peer->state = RAFT_PEER_SNAPSHOT;
    drop_flights(peer);
    raft_tell(raft,
              &(struct raft_tell){.type = RAFT_TELL_INSTALL, .peer = peer->id});
}

void lead_installed(struct raft *raft, const struct raft_event *event)
{
    struct peer *peer = raft_peer(raft, event->installed.peer);
    if (raft->role != RAFT_ROLE_LEADER || peer == NULL ||
        peer->state != RAFT_PEER_SNAPSHOT) {
        return;
    }
    member_progress(raft, peer->id);
    if (event->installed.index >= raft->log.base.index) {
        /* Its word is not taken for it: an append finds out. */
        peer->state = RAFT_PEER_PROBE;
        peer->probed = false;
        peer->next =
            (event->installed.index < raft->log.last ? event->installed.index
                                                     : raft->log.last) +
            1;
    } else if (event->installed.index != 0) {
        /* The base has moved up meanwhile: what it has now is gone, too. */
        start_install(raft, peer);
    }
}

static void replicate(struct raft *raft, struct peer *peer)
{
    while (peer->up && !peer->lost && peer->next <= raft->batch.last &&
           may_send(raft, peer)) {
        if (peer->next <= raft->log.base.index) {
            start_install(raft, peer);
            return;
        }
        if (peer->next < raft->log.window) {
            start_fetch(raft, peer);
            return;
        }
        struct raft_message message = append_to(raft, peer);
        size_t bytes = gather(raft, peer->next, &message);
        send_entries(raft, peer, &message, bytes);
    }
}

/* What comes from a disk is looked at before it goes to a peer. */
static bool is_of_log(struct raft *raft, const struct raft_event *event)
{
    for (size_t i = 0; i < event->fetched.entry_count; i++) {
        const struct raft_entry *entry = &event->fetched.entries[i];
        if (entry->index != event->fetched.first + i ||
            entry->term != log_term(&raft->log, entry->index)) {
            raft_note(raft, LOG_LEVEL_ERROR,
                      "entry %llu:%llu was read where entry %llu should be",
                      (unsigned long long)entry->index,
                      (unsigned long long)entry->term,
                      (unsigned long long)(event->fetched.first + i));
            return false;
        }
    }
    return true;
}

void lead_fetched(struct raft *raft, const struct raft_event *event)
{
    struct peer *peer = raft_peer(raft, event->fetched.peer);
    if (peer == NULL) {
        return;
    }
    peer->fetching = false;
    if (raft->role != RAFT_ROLE_LEADER || peer->state != RAFT_PEER_FETCH) {
        return;
    }
    peer->state = peer->agreed ? RAFT_PEER_PIPELINE : RAFT_PEER_PROBE;
    size_t count = event->fetched.entry_count;
    if (event->fetched.first != peer->next || !peer->up ||
        peer->next <= raft->log.base.index) {
        return; /* asked before something changed: the flush asks anew */
    }
    if (count == 0 || !is_of_log(raft, event)) {
        peer->state = RAFT_PEER_PROBE; /* the next heartbeat tries again */
        peer->probed = true;
        return;
    }
    struct raft_message message = append_to(raft, peer);
    message.append.prev_chain = event->fetched.prev_chain;
    message.append.entries = x_malloc(count * sizeof(*message.append.entries));
    message.append.entry_count = count;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const struct raft_entry *entry = &event->fetched.entries[i];
        message.append.entries[i] = raft_entry_share(entry);
        bytes += raft_entry_weight(entry);
    }
    send_entries(raft, peer, &message, bytes);
}

/* ---- answers ------------------------------------------------------------ */

static void agreed(struct raft *raft, struct peer *peer,
                   const struct raft_message *message)
{
    raft_index match = message->append_answer.match;
    if (match > peer->sent) {
        raft_note(raft, LOG_LEVEL_WARNING,
                  "node %lu says that it has entry %llu, which it was never "
                  "sent: ignored",
                  (unsigned long)peer->id, (unsigned long long)match);
        return;
    }
    if (match > peer->match) {
        peer->match = match;
    }
    end_flights(raft, peer, peer->match);
    bool has_base = peer->state == RAFT_PEER_SNAPSHOT &&
                    peer->match >= raft->log.base.index;
    if (peer->state == RAFT_PEER_PROBE || has_base) {
        peer->state = RAFT_PEER_PIPELINE;
        peer->next = peer->match + 1;
        drop_flights(peer);
    } else if (peer->next <= peer->match) {
        peer->next = peer->match + 1;
    }
}

static void refused(struct raft *raft, struct peer *peer,
                    const struct raft_message *message)
{
    raft_index prev = message->append_answer.match;
    if (prev <= peer->match || peer->state == RAFT_PEER_SNAPSHOT ||
        (peer->state == RAFT_PEER_PROBE && prev != peer->next - 1)) {
        return; /* stale: it has been answered better since */
    }
    raft_index hint = message->append_answer.hint_index;
    hint = log_last_of(&raft->log, hint < prev ? hint : prev - 1,
                       message->append_answer.hint_term);
    peer->next = (hint > peer->match ? hint : peer->match) + 1;
    peer->state = RAFT_PEER_PROBE;
    peer->probed = false;
    drop_flights(peer);
}

/* A log that ends below what it once acknowledged in this very term: what was
 * durable there is gone, and with it perhaps a vote.  An answer that is late
 * proves nothing: it is to a round that began before the acknowledgement. */
static bool has_lost(struct raft *raft, struct peer *peer,
                     const struct raft_message *message)
{
    if (!peer->lost && message->append_answer.round >= peer->proof_round &&
        message->append_answer.last < peer->proof_match) {
        peer->lost = true;
        raft_note(raft, LOG_LEVEL_ERROR,
                  "node %lu has lost entries that it had acknowledged (its log "
                  "ends with %llu, it had %llu): it is not counted on; replace "
                  "it",
                  (unsigned long)peer->id,
                  (unsigned long long)message->append_answer.last,
                  (unsigned long long)peer->proof_match);
    }
    return peer->lost;
}

void lead_answer(struct raft *raft, const struct raft_message *message)
{
    struct peer *peer = raft_peer(raft, message->from);
    if (raft->role != RAFT_ROLE_LEADER || peer == NULL ||
        has_lost(raft, peer, message)) {
        return;
    }
    peer->heard_us = raft->now.mono_us;
    peer->patient = message->append_answer.patient;
    uint64_t round = message->append_answer.round;
    if (round > peer->round && round <= raft->round) {
        peer->round = round;
    }
    if (message->append_answer.ok) {
        agreed(raft, peer, message);
    } else {
        refused(raft, peer, message);
    }
}

/* ---- committing --------------------------------------------------------- */

static const struct peer *peer_of(const struct raft *raft, raft_id id)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == id) {
            return &raft->peers[i];
        }
    }
    return NULL;
}

/* The leader counts itself by what it has saved (thesis 10.2.1). */
static uint64_t match_of(const void *context, raft_id id)
{
    const struct raft *raft = context;
    if (id == raft->settings.id) {
        return raft->saved;
    }
    const struct peer *peer = peer_of(raft, id);
    return peer == NULL ? 0 : peer->match;
}

/* What was acknowledged and is lost again is on no disk: an entry that is
 * committed with the help of that would be on a minority. */
static uint64_t counted_match_of(const void *context, raft_id id)
{
    const struct raft *raft = context;
    const struct peer *peer = peer_of(raft, id);
    return peer != NULL && peer->lost ? 0 : match_of(context, id);
}

raft_index lead_needed(const struct raft *raft)
{
    if (raft->role != RAFT_ROLE_LEADER) {
        return raft->needed;
    }
    const struct raft_config *config = raft_config_of(raft);
    raft_index needed = raft->told;
    for (size_t i = 0; i < config->count; i++) {
        raft_index match = match_of(raft, config->members[i].id);
        needed = match < needed ? match : needed;
    }
    for (size_t i = 0; i < raft->change.catching_count; i++) {
        raft_index match = match_of(raft, raft->change.catching[i].id);
        needed = match < needed ? match : needed;
    }
    return needed;
}

void lead_commit(struct raft *raft)
{
    if (raft->role != RAFT_ROLE_LEADER) {
        return;
    }
    raft_index index =
        raft_quorum_value(raft_config_of(raft), counted_match_of, raft);
    /* Only entries of the own term commit by counting (5.4.2). */
    if (index > raft->commit && index <= raft->log.last &&
        log_term(&raft->log, index) == raft->term) {
        raft_set_commit(raft, index);
    }
}

/* ---- time --------------------------------------------------------------- */

uint64_t lead_heard_of(const void *context, raft_id id)
{
    const struct raft *raft = context;
    if (id == raft->settings.id) {
        return raft->now.mono_us;
    }
    const struct peer *peer = peer_of(raft, id);
    return peer == NULL ? 0 : peer->heard_us;
}

static bool hears_quorum(const struct raft *raft)
{
    const struct raft_config *config = raft_config_of(raft);
    uint64_t heard_us =
        member_counts_old(raft)
            ? raft_quorum_side(config, false, lead_heard_of, raft)
            : raft_quorum_value(config, lead_heard_of, raft);
    return heard_us == UINT64_MAX ||
           raft->now.mono_us - heard_us <= raft->settings.election_timeout_us;
}

/* A heartbeat is an append without entries: it also finds out, in its place,
 * that one before it was lost. */
void lead_heartbeat(struct raft *raft)
{
    raft->heartbeat_due_us = raft->now.mono_us + raft->settings.heartbeat_us;
    raft->round++;
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct peer *peer = &raft->peers[i];
        if (!peer->up || !contact_wants(raft, peer->id)) {
            continue;
        }
        peer->proof_round = raft->round;
        peer->proof_match = peer->match;
        struct raft_message message = append_to(raft, peer);
        send_append(raft, peer, &message);
    }
}

void lead_tick(struct raft *raft)
{
    if (raft->role != RAFT_ROLE_LEADER) {
        return;
    }
    if (!hears_quorum(raft)) {
        raft_note(raft, LOG_LEVEL_WARNING,
                  "steps down: no quorum was heard for %llu ms",
                  (unsigned long long)raft->settings.election_timeout_us /
                      1000);
        become_follower(raft, raft->term, RAFT_ID_NONE);
        return;
    }
    if (raft->now.mono_us >= raft->heartbeat_due_us) {
        for (size_t i = 0; i < raft->peer_count; i++) {
            raft->peers[i].probed = false; /* a probe that was lost */
        }
        lead_heartbeat(raft);
    }
}

void lead_flush(struct raft *raft)
{
    if (raft->role != RAFT_ROLE_LEADER) {
        return;
    }
    if (raft->reads_new) {
        raft->reads_new = false;
        lead_heartbeat(raft);
    }
    batch_tick(raft);
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct peer *peer = &raft->peers[i];
        if (!contact_wants(raft, peer->id)) {
            peer->owed_us = 0;
            continue;
        }
        replicate(raft, peer);
        if (!peer->up || peer->state != RAFT_PEER_PIPELINE) {
            peer->owed_us = 0;
        } else if (batch_notice(raft, peer, commit_for(raft, peer->next - 1))) {
            /* Nothing else goes there now: let it know what is committed. */
            struct raft_message message = append_to(raft, peer);
            message.append.quiet = true;
            send_append(raft, peer, &message);
        }
    }
}
