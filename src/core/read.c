/* Read indexes: thesis 6.4, on both sides.
 *
 * A leader notes its commit index, and confirms by a round of heartbeats that
 * began afterwards that it led when the question was asked.  Before an entry
 * of its own term is committed it does not know the commit index, and waits. */
#include "core/internal.h"

#include <string.h>

#include "base/mem.h"

static void add_read(struct raft *raft, const struct read *read)
{
    raft->reads = x_grow(raft->reads, &raft->read_capacity,
                         raft->read_count + 1, sizeof(*raft->reads));
    raft->reads[raft->read_count++] = *read;
}

static void remove_read(struct raft *raft, size_t at)
{
    raft->read_count--;
    memmove(&raft->reads[at], &raft->reads[at + 1],
            (raft->read_count - at) * sizeof(*raft->reads));
}

static bool term_committed(const struct raft *raft)
{
    return raft->commit >= raft->term_first;
}

/* The read begins with the round that the next flush sends. */
static void begin(struct raft *raft, struct read *read)
{
    read->index = raft->commit;
    read->round = raft->round + 1;
    raft->reads_new = true;
}

void read_ask(struct raft *raft, struct raft_ticket ticket)
{
    struct read read = {.peer = RAFT_ID_NONE, .ticket = ticket};
    add_read(raft, &read);
}

void read_forget(struct raft *raft, struct raft_ticket ticket)
{
    for (size_t i = 0; i < raft->read_count; i++) {
        const struct read *read = &raft->reads[i];
        if (read->peer == RAFT_ID_NONE && read->ticket.owner == ticket.owner &&
            read->ticket.number == ticket.number) {
            remove_read(raft, i);
            return;
        }
    }
}

static void answer_peer(struct raft *raft, const struct read *read, bool ok)
{
    struct raft_message answer =
        raft_message_to(raft, RAFT_MESSAGE_READ_ANSWER, read->peer);
    answer.read_answer.context = read->context;
    answer.read_answer.index = read->index;
    answer.read_answer.ok = ok;
    raft_send_saved(raft, &answer, 0);
}

void read_message(struct raft *raft, const struct raft_message *message)
{
    struct read read = {.peer = message->from,
                        .context = message->read.context};
    if (raft->role != RAFT_ROLE_LEADER || raft->read_count >= READS_MAX) {
        answer_peer(raft, &read, false);
        return;
    }
    struct peer *peer = raft_peer(raft, message->from);
    if (peer != NULL) {
        peer->heard_us = raft->now.mono_us;
    }
    add_read(raft, &read);
}

static void done(struct raft *raft, const struct read *read)
{
    if (read->peer != RAFT_ID_NONE) {
        answer_peer(raft, read, true);
        return;
    }
    struct raft_tell tell = {
        .type = RAFT_TELL_READ, .ticket = read->ticket, .index = read->index};
    raft_tell(raft, &tell);
}

static uint64_t round_of(const void *context, raft_id id)
{
    const struct raft *raft = context;
    if (id == raft->settings.id) {
        return raft->round;
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == id) {
            return raft->peers[i].round;
        }
    }
    return 0;
}

/* The last round that no later leader can have come before.  Whoever would
 * lead needs the majorities that check-quorum asks, too (see member.c). */
static uint64_t confirmed_round(const struct raft *raft)
{
    const struct raft_config *config = raft_config_of(raft);
    return member_counts_old(raft)
               ? raft_quorum_side(config, false, round_of, raft)
               : raft_quorum_value(config, round_of, raft);
}

void read_confirm(struct raft *raft)
{
    if (raft->role != RAFT_ROLE_LEADER || raft->read_count == 0) {
        return;
    }
    uint64_t round = confirmed_round(raft);
    size_t kept = 0;
    for (size_t i = 0; i < raft->read_count; i++) {
        const struct read *read = &raft->reads[i];
        if (read->round != 0 && read->round <= round) {
            done(raft, read);
        } else {
            raft->reads[kept++] = *read;
        }
    }
    raft->read_count = kept;
}

/* ---- a follower asks ---------------------------------------------------- */

/* One question for all that were not asked yet, or (`anew`) for all that wait:
 * an index that is later than it need be answers them as well. */
static void ask_leader(struct raft *raft, bool anew)
{
    raft->read_context++;
    for (size_t i = 0; i < raft->read_count; i++) {
        if (anew || raft->reads[i].context == 0) {
            raft->reads[i].context = raft->read_context;
        }
    }
    struct raft_message ask =
        raft_message_to(raft, RAFT_MESSAGE_READ, raft->leader);
    ask.read.context = raft->read_context;
    raft_send(raft, &ask);
    if (anew) {
        raft->read_retry_us =
            raft->now.mono_us + raft->settings.heartbeat_us * 2;
    }
}

static bool has_unasked(const struct raft *raft)
{
    return raft->read_count > 0 &&
           raft->reads[raft->read_count - 1].context == 0;
}

void read_answer(struct raft *raft, const struct raft_message *message)
{
    uint64_t context = message->read_answer.context;
    if (raft->role == RAFT_ROLE_LEADER || message->from != raft->leader ||
        !message->read_answer.ok) {
        return; /* it is asked again when the retry is due */
    }
    if (context <= raft->read_origin || context > raft->read_context) {
        return; /* asked before this node was started anew */
    }
    size_t kept = 0;
    for (size_t i = 0; i < raft->read_count; i++) {
        struct read *read = &raft->reads[i];
        if (read->context != 0 && read->context <= context) {
            read->index = message->read_answer.index;
            done(raft, read);
        } else {
            raft->reads[kept++] = *read;
        }
    }
    raft->read_count = kept;
}

void read_flush(struct raft *raft)
{
    if (raft->role == RAFT_ROLE_LEADER) {
        raft->read_retry_us = 0;
        for (size_t i = 0; term_committed(raft) && i < raft->read_count; i++) {
            if (raft->reads[i].round == 0) {
                begin(raft, &raft->reads[i]);
            }
        }
        return;
    }
    bool due =
        raft->read_retry_us != 0 && raft->now.mono_us >= raft->read_retry_us;
    if (raft->read_count == 0 || raft->leader == RAFT_ID_NONE) {
        raft->read_retry_us = 0;
    } else if (due || raft->read_retry_us == 0) {
        ask_leader(raft, true);
    } else if (has_unasked(raft)) {
        ask_leader(raft, false);
    }
}

/* Questions of peers are for a leader only; those of this node begin anew. */
void read_role(struct raft *raft)
{
    size_t kept = 0;
    for (size_t i = 0; i < raft->read_count; i++) {
        struct read *read = &raft->reads[i];
        if (read->peer != RAFT_ID_NONE) {
            answer_peer(raft, read, false);
            continue;
        }
        read->round = 0;
        read->context = 0;
        raft->reads[kept++] = *read;
    }
    raft->read_count = kept;
    raft->read_retry_us = 0;
}

/* What a restarted node asked in its earlier life is not answered in this one:
 * the answer would be older than the question. */
void read_drop(struct raft *raft, raft_id peer)
{
    size_t kept = 0;
    for (size_t i = 0; i < raft->read_count; i++) {
        if (raft->reads[i].peer != peer) {
            raft->reads[kept++] = raft->reads[i];
        }
    }
    raft->read_count = kept;
}

/* For the same reason, no two lives number their questions alike. */
void read_init(struct raft *raft)
{
    struct prng prng;
    prng_seed(&prng, ~raft->settings.seed);
    raft->read_origin = prng_u64(&prng) >> 32;
    raft->read_context = raft->read_origin;
}
