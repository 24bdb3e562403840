#include "core/raft.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/internal.h"

/* ---- peers -------------------------------------------------------------- */

struct peer *raft_peer(struct raft *raft, raft_id id)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == id) {
            return &raft->peers[i];
        }
    }
    return NULL;
}

/* A place that nobody needs any more: no member, and no link. */
static struct peer *unused_peer(struct raft *raft)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct peer *peer = &raft->peers[i];
        if (!peer->up && !contact_wants(raft, peer->id)) {
            return peer;
        }
    }
    return NULL;
}

struct peer *raft_peer_add(struct raft *raft, raft_id id)
{
    struct peer *peer = raft_peer(raft, id);
    if (peer != NULL || id == raft->settings.id) {
        return peer;
    }
    if (raft->peer_count < PEERS_MAX) {
        peer = &raft->peers[raft->peer_count++];
    } else {
        peer = unused_peer(raft);
        if (peer == NULL) {
            return NULL; /* more links than members, all of them up */
        }
        free(peer->flights);
    }
    *peer = (struct peer){.id = id};
    peer->flights =
        x_calloc(raft->settings.inflight_messages_max, sizeof(*peer->flights));
    lead_reset_peer(raft, peer);
    return peer;
}

/* ---- the log and what hangs on it --------------------------------------- */

const struct raft_config *raft_config_of(const struct raft *raft)
{
    return raft->log.config_count == 0 ? NULL : &raft->log.config;
}

/* While the log of a node whose disk was replaced is brought up to date, older
 * configurations come to be in force, in which the id is that of the data
 * directory before.  That one's vote is not this one's: the only voter of such
 * a configuration would elect itself, and commit alone. */
const struct raft_member *raft_self(const struct raft *raft,
                                    const struct raft_config *config)
{
    uint64_t own = raft->settings.instance;
    const struct raft_member *member =
        config == NULL ? NULL : raft_config_find(config, raft->settings.id);
    bool other = member != NULL && own != 0 && member->instance != 0 &&
                 member->instance != own;
    return other ? NULL : member;
}

static bool votes_in(const struct raft *raft, const struct raft_config *config)
{
    return raft_self(raft, config) != NULL &&
           raft_config_votes(config, raft->settings.id);
}

bool raft_is_member(const struct raft *raft)
{
    return raft_self(raft, raft_config_of(raft)) != NULL;
}

bool raft_is_voter(const struct raft *raft)
{
    return votes_in(raft, raft_config_of(raft));
}

bool raft_may_campaign(const struct raft *raft)
{
    raft_index index = 0;
    raft_config_now(raft, &index);
    return raft_is_voter(raft) || (raft->was_voter && index > raft->commit);
}

static void note_voter(struct raft *raft)
{
    struct raft_config before;
    size_t count = raft->log.config_count;
    raft->was_voter = false;
    if (count > 1 && raft_config_decode(
                         raft->log.configs[count - 2].payload->data,
                         raft->log.configs[count - 2].payload->size, &before)) {
        raft->was_voter = votes_in(raft, &before);
    }
}

void raft_config_changed(struct raft *raft)
{
    note_voter(raft);
    const struct raft_config *config = raft_config_of(raft);
    for (size_t i = 0; config != NULL && i < config->count; i++) {
        raft_peer_add(raft, config->members[i].id);
    }
    raft_tell(raft, &(struct raft_tell){.type = RAFT_TELL_CONFIG});
}

void raft_append(struct raft *raft, struct raft_entry *entry)
{
    entry->chain =
        raft_entry_chain(log_chain(&raft->log, raft->log.last), entry);
    keys_add(&raft->keys, entry);
    if (log_append(&raft->log, entry)) {
        raft_config_changed(raft);
    }
}

void raft_truncate(struct raft *raft, raft_index from)
{
    assert(from > raft->commit);
    bool config = log_truncate(&raft->log, from);
    keys_truncate(&raft->keys, from);
    if (raft->handed >= from) {
        raft->handed = from - 1;
        if (raft->truncate_from == 0 || from < raft->truncate_from) {
            raft->truncate_from = from;
        }
    }
    if (raft->saved >= from) {
        raft->saved = from - 1;
    }
    if (config) {
        raft_config_changed(raft);
    }
}

/* Apps see what is committed and durable here. */
static void update_told(struct raft *raft)
{
    raft_index told = raft->commit < raft->saved ? raft->commit : raft->saved;
    if (told > raft->told) {
        raft->told = told;
        raft_tell(raft,
                  &(struct raft_tell){.type = RAFT_TELL_COMMIT, .index = told});
        log_shrink(&raft->log, told, raft->settings.window_bytes_max);
    }
}

void raft_set_commit(struct raft *raft, raft_index commit)
{
    assert(commit <= raft->log.last);
    if (commit <= raft->commit) {
        return;
    }
    if (raft->role == RAFT_ROLE_LEADER) {
        raft_index at = raft->commit + 1;
        at = at < raft->term_first ? raft->term_first : at;
        for (; at <= commit; at++) {
            const struct raft_entry *entry = log_entry(&raft->log, at);
            if (entry->kind == RAFT_KIND_APP) {
                raft->uncommitted_bytes -= raft_entry_weight(entry);
            }
        }
    }
    bool may_campaign = raft_may_campaign(raft);
    raft->commit = commit;
    keys_commit(&raft->keys, commit);
    if (may_campaign != raft_may_campaign(raft)) {
        raft_tell(raft, &(struct raft_tell){.type = RAFT_TELL_CONFIG});
    }
}

/* ---- life --------------------------------------------------------------- */

/* What was remembered before the tail, and what the tail brings. */
static const char *open_keys(struct raft *raft, const struct raft_start *start)
{
    raft_index first = start->last + 1 - start->tail_count;
    keys_open(&raft->keys, raft->settings.key_window, raft->settings.seed);
    if (start->keys_size > 0) {
        const char *why =
            keys_unpack(&raft->keys, start->keys, start->keys_size, first);
        if (why != NULL) {
            return why;
        }
    }
    for (size_t i = 0; i < start->tail_count; i++) {
        keys_add(&raft->keys, &start->tail[i]);
    }
    return NULL;
}

struct raft *raft_new(const struct raft_settings *settings,
                      const struct raft_start *start, struct raft_now now,
                      const char **why)
{
    struct raft *raft = x_calloc(1, sizeof(*raft));
    raft->settings = *settings;
    raft->now = now;
    prng_seed(&raft->prng, settings->seed);
    raft->term = start->term;
    raft->vote = start->vote;
    raft->leader = RAFT_ID_NONE;
    *why = log_open(&raft->log, start);
    if (*why == NULL) {
        *why = open_keys(raft, start);
    }
    if (*why != NULL) {
        raft_free(raft);
        return NULL;
    }
    raft->commit =
        start->commit > start->base.index ? start->commit : start->base.index;
    keys_commit(&raft->keys, raft->commit);
    raft->told = raft->commit;
    raft->commit_handed = raft->commit;
    raft->saved = raft->log.last;
    raft->handed = raft->log.last;
    const struct raft_config *config = raft_config_of(raft);
    for (size_t i = 0; config != NULL && i < config->count; i++) {
        raft_peer_add(raft, config->members[i].id);
    }
    note_voter(raft);
    election_reset(raft);
    read_init(raft);
    raft->checked.vote = RAFT_ID_NONE;
    raft_check(raft);
    return raft;
}

void raft_free(struct raft *raft)
{
    if (raft == NULL) {
        return;
    }
    raft_effects_clear(raft);
    free(raft->effects.messages);
    free(raft->effects.tells);
    free(raft->effects.fetches);
    free(raft->effects.notes);
    for (size_t i = 0; i < raft->held_count; i++) {
        raft_message_clear(&raft->held[i].message);
    }
    free(raft->held);
    for (size_t i = 0; i < raft->peer_count; i++) {
        free(raft->peers[i].flights);
    }
    free(raft->reads);
    transfer_free(raft);
    base_drop(raft->install);
    log_close(&raft->log);
    keys_close(&raft->keys);
    free(raft);
}

void raft_set_patient(struct raft *raft, bool patient)
{
    raft->patient = patient;
}

void raft_set(struct raft *raft, const struct raft_settings *settings)
{
    uint64_t old_timeout_us = raft->settings.election_timeout_us;
    struct raft_settings kept = raft->settings;
    raft->settings = *settings;
    raft->settings.id = kept.id;
    raft->settings.instance = kept.instance;
    raft->settings.seed = kept.seed;
    /* The rings of flights are as long as they were made. */
    raft->settings.inflight_messages_max = kept.inflight_messages_max;
    /* What is on disk was chosen with the window of the start. */
    raft->settings.key_window = kept.key_window;
    if (settings->election_timeout_us != old_timeout_us) {
        election_reset(raft);
    }
}

/* ---- a step ------------------------------------------------------------- */

static void take_link(struct raft *raft, raft_id id, bool up)
{
    struct peer *peer = raft_peer_add(raft, id);
    if (peer == NULL) {
        return;
    }
    peer->up = up;
    read_drop(raft, id);
    transfer_link(raft, id);
    /* Who has left may come back as another one. */
    if (!contact_counts(raft, id)) {
        lead_reset_peer(raft, peer);
    }
    if (raft->role == RAFT_ROLE_LEADER) {
        /* What was in flight may be lost: find out where the logs agree.  A
         * log of which nothing is known is asked from the end, not sent whole.
         */
        peer->state = RAFT_PEER_PROBE;
        peer->probed = false;
        peer->next = (peer->match > 0 ? peer->match : raft->log.last) + 1;
        peer->commit = 0;
        peer->flight_count = 0;
        peer->flight_bytes = 0;
    }
}

static void take_birth(struct raft *raft, struct blob *payload)
{
    struct raft_config config;
    if (raft->log.last != 0 || raft->log.config_count != 0) {
        raft_note(raft, LOG_LEVEL_INFO,
                  "the log has its first configuration already");
        return;
    }
    bool sound = raft_config_decode(payload->data, payload->size, &config);
    assert(sound);
    if (raft->term == 0) {
        become_follower(raft, 1, RAFT_ID_NONE);
    }
    election_reset(raft); /* until now there was nobody to be elected by */
    /* The same bytes on every node: no clock, and a term of its own. */
    struct raft_entry entry = {.index = 1,
                               .term = 1,
                               .kind = RAFT_KIND_CONFIG,
                               .flags = RAFT_FLAG_REQUIRED,
                               .payload = blob_share(payload)};
    raft_append(raft, &entry);
}

/* The answer to a question of an older term carries the newer one, and the
 * asker becomes a follower. */
static void answer_old_term(struct raft *raft,
                            const struct raft_message *message)
{
    if (message->type == RAFT_MESSAGE_APPEND) {
        follow_refuse(raft, message);
    } else if (message->type == RAFT_MESSAGE_VOTE) {
        struct raft_message answer =
            raft_message_to(raft, RAFT_MESSAGE_VOTE_ANSWER, message->from);
        answer.vote_answer.pre = message->vote.pre;
        raft_send_saved(raft, &answer, 0);
    }
}

/* Whether a message of a later term makes this node a follower of that term:
 * not a pre-vote's, which only asks, and not one that is withheld. */
static bool obeys(const struct raft_message *message)
{
    if (message->type == RAFT_MESSAGE_VOTE) {
        return !message->vote.pre;
    }
    return message->type != RAFT_MESSAGE_VOTE_ANSWER ||
           !message->vote_answer.pre || !message->vote_answer.granted;
}

static void take_message(struct raft *raft, struct raft_message *message)
{
    if (message->to != raft->settings.id ||
        message->from == raft->settings.id || message->term == 0 ||
        message->term > TERM_MAX) {
        raft_note(raft, LOG_LEVEL_WARNING,
                  "a message of node %lu for node %lu, term %llu, is ignored",
                  (unsigned long)message->from, (unsigned long)message->to,
                  (unsigned long long)message->term);
        return;
    }
    if (message->type == RAFT_MESSAGE_VOTE && !message->vote.transfer &&
        message->term > raft->term && election_withheld(raft)) {
        election_withhold(raft, message);
        return;
    }
    if (message->term > raft->term && obeys(message)) {
        become_follower(raft, message->term,
                        message->type == RAFT_MESSAGE_APPEND ? message->from
                                                             : RAFT_ID_NONE);
    }
    if (message->term < raft->term) {
        answer_old_term(raft, message);
        return;
    }
    switch (message->type) {
    case RAFT_MESSAGE_VOTE:
        election_vote(raft, message);
        break;
    case RAFT_MESSAGE_VOTE_ANSWER:
        election_answer(raft, message);
        break;
    case RAFT_MESSAGE_APPEND:
        follow_append(raft, message);
        break;
    case RAFT_MESSAGE_APPEND_ANSWER:
        lead_answer(raft, message);
        break;
    case RAFT_MESSAGE_READ:
        read_message(raft, message);
        break;
    case RAFT_MESSAGE_READ_ANSWER:
        read_answer(raft, message);
        break;
    case RAFT_MESSAGE_TIMEOUT_NOW:
        election_now(raft, message);
        break;
    }
}

/* What is told is durable here, and no peer's entry can ever replace it. */
static void take_compact(struct raft *raft, const struct raft_event *event)
{
    raft_index index = event->compact.index;
    assert(index <= raft->told);
    if (index > raft->log.base.index) {
        log_compact(&raft->log, index, event->compact.chain,
                    event->compact.unix_ms);
        raft->base_dirty = true;
    }
}

static void take_event(struct raft *raft, const struct raft_event *event)
{
    switch (event->type) {
    case RAFT_EVENT_MESSAGE: {
        struct raft_message message = *event->message;
        take_message(raft, &message);
        break;
    }
    case RAFT_EVENT_PROPOSE:
        lead_propose(raft, event);
        break;
    case RAFT_EVENT_READ:
        read_ask(raft, event->read.ticket);
        break;
    case RAFT_EVENT_SAVED:
        raft_saved(raft, event);
        break;
    case RAFT_EVENT_FETCHED:
        lead_fetched(raft, event);
        break;
    case RAFT_EVENT_LINK:
        take_link(raft, event->link.peer, event->link.up);
        break;
    case RAFT_EVENT_BIRTH:
        take_birth(raft, event->birth.payload);
        break;
    case RAFT_EVENT_FORGET_READ:
        read_forget(raft, event->read.ticket);
        break;
    case RAFT_EVENT_DISK:
        election_stall(raft, event->disk.stalls);
        break;
    case RAFT_EVENT_CHANGE:
        member_change(raft, event);
        break;
    case RAFT_EVENT_ABORT:
        member_abort(raft, event);
        break;
    case RAFT_EVENT_TRANSFER:
        transfer_ask(raft, event);
        break;
    case RAFT_EVENT_GONE:
        election_gone(raft, event->gone.peer);
        break;
    case RAFT_EVENT_COMPACT:
        take_compact(raft, event);
        break;
    case RAFT_EVENT_INSTALL:
        base_install(raft, event->install);
        break;
    case RAFT_EVENT_INSTALLED:
        lead_installed(raft, event);
        break;
    }
}

void raft_step(struct raft *raft, struct raft_now now,
               const struct raft_event *events, size_t count)
{
    assert(now.mono_us >= raft->now.mono_us);
    raft->now = now;
    for (size_t i = 0; i < count; i++) {
        take_event(raft, &events[i]);
    }
    election_tick(raft);
    lead_tick(raft);
    lead_commit(raft);
    member_tick(raft);
    transfer_tick(raft);
    read_flush(raft);
    lead_flush(raft);
    read_confirm(raft);
    update_told(raft);
    member_told(raft);
    raft_check(raft);
}

uint64_t raft_deadline_us(const struct raft *raft)
{
    uint64_t deadline_us = UINT64_MAX;
    if (raft->role == RAFT_ROLE_LEADER) {
        deadline_us = raft->heartbeat_due_us;
    } else {
        deadline_us = election_deadline_us(raft);
    }
    if (raft->read_retry_us != 0 && raft->read_retry_us < deadline_us) {
        deadline_us = raft->read_retry_us;
    }
    if (batch_deadline_us(raft) < deadline_us) {
        deadline_us = batch_deadline_us(raft);
    }
    uint64_t transfer_us = transfer_deadline_us(raft);
    if (transfer_us < deadline_us) {
        deadline_us = transfer_us;
    }
    return deadline_us;
}
