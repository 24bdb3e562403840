/* Membership: joint consensus (section 6), with a catch-up before it (thesis
 * 4.2.1).  The stages are drawn in core/change.h.
 *
 * Turning back.  A leader of a joint configuration (entry j) may append the
 * old configuration again (entry k), which then commits by the old majority
 * alone.  That is safe in two cases:
 *
 *  - It appended j itself, in this term.  Then no other log has entry j with
 *    the new configuration behind it: only a leader appends that one, only
 *    behind j, and a later leader has been elected by an old majority too.  If
 *    that majority has k, so has the later leader (5.4.1), and the change is
 *    over; if not, k is not committed.
 *  - An entry of its term is committed under both majorities.  An earlier
 *    leader of j may have appended the new configuration, and with it others
 *    could elect somebody by the new majority alone.  But a majority of the
 *    new set now has an entry of this term behind j, in a log without the new
 *    configuration: it votes for no log that ends in an earlier term (5.4.1).
 *
 * In any other case the new configuration may be in force somewhere, and the
 * order is refused.
 *
 * A leader that appended j itself asks the old majority alone whether it may
 * go on to lead, and whether it led when a read was asked: whoever else would
 * lead needs that majority too.  It commits nothing without the new one, and
 * turns back after catch_up_us without it. */
#include "core/internal.h"

#include <assert.h>
#include <string.h>

/* A new voter that is not close behind after so many rounds never will be. */
#define ROUNDS_MAX 10

/* ---- the ends of a change ----------------------------------------------- */

static void tell_end(struct raft *raft, struct raft_ticket ticket,
                     enum raft_change_end end, raft_id peer, raft_index index)
{
    if (ticket.owner == 0 && ticket.number == 0) {
        return; /* nobody asked */
    }
    struct raft_tell tell = {.type = RAFT_TELL_CHANGE,
                             .ticket = ticket,
                             .change = end,
                             .peer = peer,
                             .index = index};
    raft_tell(raft, &tell);
}

static void close_change(struct raft *raft)
{
    raft->change.stage = RAFT_CHANGE_NONE;
    raft->change.own = false;
    raft->change.ticket = (struct raft_ticket){0};
    raft->change.abort_ticket = (struct raft_ticket){0};
    if (raft->change.catching_count > 0) {
        raft->change.catching_count = 0;
        contact_changed(raft);
    }
}

/* Nothing has changed. */
static void fail(struct raft *raft, enum raft_change_end end, raft_id peer)
{
    assert(raft->change.stage == RAFT_CHANGE_CATCH_UP);
    raft_index index = 0;
    raft_config_now(raft, &index);
    tell_end(raft, raft->change.ticket, end, peer, index);
    close_change(raft);
}

/* ---- asking ------------------------------------------------------------- */

bool raft_is_alive(const struct raft *raft, raft_id id)
{
    if (id == raft->settings.id) {
        return true;
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct peer *peer = &raft->peers[i];
        if (peer->id == id) {
            bool heard = raft->now.mono_us - peer->heard_us <=
                         raft->settings.election_timeout_us;
            return peer->up && !peer->lost &&
                   (heard || !contact_wants(raft, id));
        }
    }
    return false;
}

static int alive_of(const void *context, raft_id id)
{
    return raft_is_alive(context, id) ? 1 : 0;
}

bool raft_config_alive(const struct raft *raft,
                       const struct raft_config *config)
{
    return raft_quorum_vote(config, alive_of, raft) == RAFT_VOTE_WON;
}

static void begin_round(struct raft *raft, struct catching *catching)
{
    catching->way.round++;
    catching->way.round_end = raft->log.last;
    catching->round_begun_us = raft->now.mono_us;
}

/* Whoever comes with that id may be another one than the one who left: what it
 * acknowledged before counts for nothing. */
static void become_unknown(struct raft *raft, struct peer *peer)
{
    lead_reset_peer(raft, peer);
    contact_back(raft, peer->id);
}

/* Those that will vote and do not yet are caught up first. */
static bool begin_catch_up(struct raft *raft)
{
    struct change *change = &raft->change;
    const struct raft_config *config = raft_config_of(raft);
    change->catching_count = 0;
    for (size_t i = 0; i < change->target.count; i++) {
        const struct raft_member *member = &change->target.members[i];
        if (member->role != RAFT_MEMBER_VOTER ||
            raft_config_votes(config, member->id)) {
            continue;
        }
        struct peer *peer = raft_peer_add(raft, member->id);
        if (peer == NULL) {
            change->catching_count = 0;
            return false;
        }
        if (raft_config_find(config, member->id) == NULL) {
            become_unknown(raft, peer);
        }
        struct catching *catching = &change->catching[change->catching_count++];
        *catching = (struct catching){.id = member->id, .match = peer->match};
        catching->way.progress_us = raft->now.mono_us;
        begin_round(raft, catching);
    }
    return true;
}

/* An id keeps its instance: another one is another node, and has to leave and
 * to come in two changes, so that no vote is cast twice. */
static raft_id other_instance(const struct raft_config *from,
                              const struct raft_config *to)
{
    for (size_t i = 0; i < to->count; i++) {
        const struct raft_member *old =
            raft_config_find(from, to->members[i].id);
        if (old != NULL && old->instance != to->members[i].instance) {
            return old->id;
        }
    }
    return RAFT_ID_NONE;
}

/* RAFT_CHANGE_DONE: nothing speaks against it. */
static enum raft_change_end check_change(const struct raft *raft,
                                         const struct raft_config *target,
                                         bool force, raft_id *peer)
{
    raft_index index;
    const struct raft_config *config = raft_config_now(raft, &index);
    struct raft_config joint;
    *peer = RAFT_ID_NONE;
    if (raft->change.stage != RAFT_CHANGE_NONE || raft->change_ended.open ||
        transfer_open(raft)) {
        return RAFT_CHANGE_CONFLICT;
    }
    assert(!config->joint && index <= raft->commit);
    if (!raft_config_join(config, target, &joint)) {
        return RAFT_CHANGE_TOO_MANY;
    }
    *peer = other_instance(config, target);
    if (*peer != RAFT_ID_NONE) {
        return RAFT_CHANGE_INSTANCE;
    }
    return force || raft_config_same_voters(config, target) ||
                   raft_config_alive(raft, target)
               ? RAFT_CHANGE_DONE
               : RAFT_CHANGE_DEAD;
}

void member_change(struct raft *raft, const struct raft_event *event)
{
    struct raft_ticket ticket = event->change.ticket;
    if (raft->role != RAFT_ROLE_LEADER) {
        tell_end(raft, ticket, RAFT_CHANGE_NOT_LEADER, RAFT_ID_NONE, 0);
        return;
    }
    struct raft_config target;
    bool sound = raft_config_decode(event->change.payload->data,
                                    event->change.payload->size, &target);
    assert(sound && !target.joint);
    raft_id peer;
    enum raft_change_end end =
        check_change(raft, &target, event->change.force, &peer);
    raft_index index;
    const struct raft_config *config = raft_config_now(raft, &index);
    if (end != RAFT_CHANGE_DONE) {
        tell_end(raft, ticket, end, peer, index);
        return;
    }
    if (raft_config_equal(config, &target)) {
        raft->change_ended = (struct change_ended){
            .open = true, .ticket = ticket, .index = index};
        return;
    }
    raft->change = (struct change){.stage = RAFT_CHANGE_CATCH_UP,
                                   .ticket = ticket,
                                   .force = event->change.force,
                                   .begun_us = raft->now.mono_us,
                                   .target = target};
    if (!begin_catch_up(raft)) {
        fail(raft, RAFT_CHANGE_TOO_MANY, RAFT_ID_NONE);
        return;
    }
    if (raft->change.catching_count > 0) {
        raft->heartbeat_due_us = raft->now.mono_us; /* find out at once */
        contact_changed(raft);
    }
}

/* ---- appending ---------------------------------------------------------- */

static void reset_comers(struct raft *raft, const struct raft_config *before,
                         const struct raft_config *after)
{
    for (size_t i = 0; i < after->count; i++) {
        raft_id id = after->members[i].id;
        struct peer *peer = raft_peer(raft, id);
        if (peer != NULL && raft_config_find(before, id) == NULL &&
            contact_catching(raft, id) == NULL) {
            become_unknown(raft, peer);
        }
    }
}

static void append_config(struct raft *raft, const struct raft_config *config)
{
    struct raft_config before = *raft_config_of(raft);
    reset_comers(raft, &before, config);
    struct buf bytes = {0};
    raft_config_encode(config, &bytes);
    struct raft_entry entry = {.kind = RAFT_KIND_CONFIG,
                               .flags = RAFT_FLAG_REQUIRED,
                               .payload = blob_copy(bytes.data, bytes.size)};
    buf_free(&bytes);
    raft->change.index = lead_append(raft, &entry);
    contact_left(raft, &before, config, raft->change.index);
    bytes = (struct buf){0};
    raft_config_text(config, &bytes);
    raft_note(raft, LOG_LEVEL_INFO, "%s configuration, entry %llu: %.*s",
              config->joint ? "joint" : "new",
              (unsigned long long)raft->change.index, (int)bytes.size,
              (const char *)bytes.data);
    buf_free(&bytes);
}

static void become_last(struct raft *raft, const struct raft_config *config,
                        bool back)
{
    raft->change.stage = RAFT_CHANGE_LAST;
    raft->change.back = back;
    raft->change.own = false;
    append_config(raft, config);
}

/* All are caught up: out with it. */
static void begin_change(struct raft *raft)
{
    struct change *change = &raft->change;
    const struct raft_config *config = raft_config_of(raft);
    if (raft_config_same_voters(config, &change->target)) {
        become_last(raft, &change->target, false);
        return;
    }
    if (!change->force && !raft_config_alive(raft, &change->target)) {
        fail(raft, RAFT_CHANGE_DEAD, RAFT_ID_NONE);
        return;
    }
    struct raft_config joint;
    bool fits = raft_config_join(config, &change->target, &joint);
    assert(fits);
    change->stage = RAFT_CHANGE_JOINT;
    change->own = true;
    change->coming_us = raft->now.mono_us;
    append_config(raft, &joint);
    change->catching_count = 0; /* they are members now */
}

/* ---- the stages --------------------------------------------------------- */

/* RAFT_CHANGE_DONE: it goes on. */
static enum raft_change_end tick_catching(struct raft *raft,
                                          struct catching *catching)
{
    const struct peer *peer = raft_peer(raft, catching->id);
    uint64_t now_us = raft->now.mono_us;
    if (peer->match > catching->match) {
        catching->match = peer->match;
        catching->way.progress_us = now_us;
    }
    if (catching->way.done) {
        return RAFT_CHANGE_DONE;
    }
    if (peer->match >= catching->way.round_end) {
        uint64_t took_us = now_us - catching->round_begun_us;
        if (took_us <= raft->settings.election_timeout_us) {
            catching->way.done = true;
        } else if (catching->way.round == ROUNDS_MAX) {
            return RAFT_CHANGE_TOO_SLOW;
        } else {
            begin_round(raft, catching);
        }
    } else if (now_us - catching->way.progress_us >=
               raft->settings.catch_up_us) {
        return RAFT_CHANGE_SILENT;
    }
    return RAFT_CHANGE_DONE;
}

static void tick_catch_up(struct raft *raft)
{
    struct change *change = &raft->change;
    bool done = true;
    for (size_t i = 0; i < change->catching_count; i++) {
        struct catching *catching = &change->catching[i];
        enum raft_change_end end = tick_catching(raft, catching);
        if (end != RAFT_CHANGE_DONE) {
            fail(raft, end, catching->id);
            return;
        }
        done = done && catching->way.done;
    }
    /* No configuration before an entry of the own term is committed: what an
     * earlier leader began may still be in force elsewhere. */
    if (done && raft->commit >= raft->term_first && !transfer_open(raft)) {
        begin_change(raft);
    }
}

static void turn_back(struct raft *raft)
{
    struct raft_config old;
    raft_config_side(raft_config_of(raft), false, &old);
    become_last(raft, &old, true);
}

static void tick_joint(struct raft *raft)
{
    struct change *change = &raft->change;
    const struct raft_config *config = raft_config_of(raft);
    if (raft->commit >= change->index && raft->commit >= raft->term_first) {
        /* Committed in this term, so under both majorities. */
        struct raft_config coming;
        raft_config_side(config, true, &coming);
        become_last(raft, &coming, false);
        return;
    }
    uint64_t heard_us = raft_quorum_side(config, true, lead_heard_of, raft);
    if (heard_us > change->coming_us) {
        change->coming_us = heard_us;
    }
    if (change->own &&
        raft->now.mono_us - change->coming_us >= raft->settings.catch_up_us) {
        raft_note(raft, LOG_LEVEL_WARNING,
                  "turns the change of members back: no majority of the new "
                  "voters was heard for %llu ms",
                  (unsigned long long)raft->settings.catch_up_us / 1000);
        turn_back(raft);
    }
}

static void tick_last(struct raft *raft)
{
    struct change *change = &raft->change;
    if (raft->commit < change->index) {
        return;
    }
    raft->change_ended =
        (struct change_ended){.open = true,
                              .back = change->back,
                              .ticket = change->ticket,
                              .abort_ticket = change->abort_ticket,
                              .index = change->index};
    close_change(raft);
    if (!raft_is_voter(raft)) {
        transfer_leave(raft);
    }
}

void member_tick(struct raft *raft)
{
    if (raft->role != RAFT_ROLE_LEADER) {
        return;
    }
    switch (raft->change.stage) {
    case RAFT_CHANGE_NONE:
        break;
    case RAFT_CHANGE_CATCH_UP:
        tick_catch_up(raft);
        break;
    case RAFT_CHANGE_JOINT:
        tick_joint(raft);
        break;
    case RAFT_CHANGE_LAST:
        tick_last(raft);
        break;
    }
    contact_tick(raft);
}

void member_told(struct raft *raft)
{
    struct change_ended *ended = &raft->change_ended;
    if (!ended->open || raft->told < ended->index) {
        return;
    }
    ended->open = false;
    tell_end(raft, ended->ticket,
             ended->back ? RAFT_CHANGE_ABORTED : RAFT_CHANGE_DONE, RAFT_ID_NONE,
             ended->index);
    tell_end(raft, ended->abort_ticket, RAFT_CHANGE_DONE, RAFT_ID_NONE,
             ended->index);
}

void member_progress(struct raft *raft, raft_id id)
{
    for (size_t i = 0; i < raft->change.catching_count; i++) {
        if (raft->change.catching[i].id == id) {
            raft->change.catching[i].way.progress_us = raft->now.mono_us;
        }
    }
}

bool member_counts_old(const struct raft *raft)
{
    return raft->change.stage == RAFT_CHANGE_JOINT && raft->change.own;
}

/* ---- turning back ------------------------------------------------------- */

void member_abort(struct raft *raft, const struct raft_event *event)
{
    struct change *change = &raft->change;
    struct raft_ticket ticket = event->abort.ticket;
    enum raft_change_end end = RAFT_CHANGE_TOO_LATE;
    raft_index index = 0;
    raft_config_now(raft, &index);
    if (raft->role != RAFT_ROLE_LEADER) {
        end = RAFT_CHANGE_NOT_LEADER;
    } else if (change->stage == RAFT_CHANGE_NONE) {
        end = RAFT_CHANGE_NONE_OPEN;
    } else if (change->stage == RAFT_CHANGE_CATCH_UP) {
        fail(raft, RAFT_CHANGE_ABORTED, RAFT_ID_NONE);
        end = RAFT_CHANGE_DONE;
    } else if (change->stage == RAFT_CHANGE_JOINT &&
               (change->own || raft->commit >= raft->term_first)) {
        change->abort_ticket = ticket;
        turn_back(raft);
        return;
    }
    tell_end(raft, ticket, end, RAFT_ID_NONE, index);
}

/* ---- coming and going --------------------------------------------------- */

/* What the log says is under way, is under way. */
void member_lead(struct raft *raft)
{
    raft_index index = 0;
    const struct raft_config *config = raft_config_now(raft, &index);
    raft->change = (struct change){.begun_us = raft->now.mono_us,
                                   .coming_us = raft->now.mono_us,
                                   .index = index};
    raft->leaver_count = 0;
    if (config->joint) {
        raft->change.stage = RAFT_CHANGE_JOINT;
    } else if (index > raft->commit) {
        raft->change.stage = RAFT_CHANGE_LAST;
        size_t count = raft->log.config_count;
        struct raft_config before;
        if (count > 1 &&
            raft_config_decode(raft->log.configs[count - 2].payload->data,
                               raft->log.configs[count - 2].payload->size,
                               &before)) {
            contact_left(raft, &before, config, index);
        }
    }
    if (raft->leaver_count > 0) {
        contact_changed(raft);
    }
}

void member_end(struct raft *raft)
{
    struct change *change = &raft->change;
    if (change->stage == RAFT_CHANGE_CATCH_UP) {
        fail(raft, RAFT_CHANGE_NOT_LEADER, RAFT_ID_NONE);
    } else if (change->stage != RAFT_CHANGE_NONE) {
        tell_end(raft, change->ticket, RAFT_CHANGE_LOST, RAFT_ID_NONE,
                 change->index);
        tell_end(raft, change->abort_ticket, RAFT_CHANGE_LOST, RAFT_ID_NONE,
                 change->index);
        close_change(raft);
    }
    if (raft->leaver_count > 0 || !raft_is_member(raft)) {
        raft->leaver_count = 0;
        contact_changed(raft);
    }
}

/* ---- looking in --------------------------------------------------------- */

void raft_change_status(const struct raft *raft,
                        struct raft_change_status *status)
{
    const struct change *change = &raft->change;
    *status = (struct raft_change_status){
        .stage = change->stage,
        .index = change->index,
        .own = change->own,
        .back = change->stage == RAFT_CHANGE_LAST && change->back,
        .transfers = transfer_open(raft),
        .transfer_to = transfer_open(raft) ? raft->transfer.to : RAFT_ID_NONE,
        .begun_us = change->begun_us,
        .target =
            change->stage == RAFT_CHANGE_CATCH_UP ? &change->target : NULL};
}

bool raft_catch_up(const struct raft *raft, raft_id id,
                   struct raft_catch_up *catch_up)
{
    const struct catching *catching = contact_catching(raft, id);
    if (catching == NULL) {
        return false;
    }
    *catch_up = catching->way;
    return true;
}
