/* Group commit at the leader.
 *
 * What is appended while a batch is on its way waits here, and leaves as one
 * batch when that one is committed: one message for each peer and one save for
 * each node, instead of many small ones that all cost the same.  A lone client
 * never waits.  Where a commit takes long (a far network, a slow disk), batches
 * leave all the same, one in each batch_hold_us, and several are under way.
 *
 * The commit index waits as long, for peers where nobody waits for it.
 *
 * Only when entries leave is decided here: an entry that waits has its index,
 * is a part of the log, and has gone nowhere. */
#include "core/internal.h"

/* So much does not wait for company. */
#define BATCH_BYTES ((size_t)256 * 1024)

raft_index batch_last(const struct raft *raft)
{
    return raft->role == RAFT_ROLE_LEADER ? raft->batch_last : raft->log.last;
}

void batch_release(struct raft *raft)
{
    raft->batch_last = raft->log.last;
    raft->batch_us = raft->now.mono_us;
    raft->batch_bytes = 0;
}

static bool is_due(const struct raft *raft)
{
    return raft->commit >= raft->batch_last ||
           raft->batch_bytes >= BATCH_BYTES || transfer_open(raft) ||
           raft->now.mono_us - raft->batch_us >= raft->settings.batch_hold_us;
}

void batch_tick(struct raft *raft)
{
    if (raft->role == RAFT_ROLE_LEADER && raft->batch_last < raft->log.last &&
        is_due(raft)) {
        batch_release(raft);
    }
}

/* ---- what is committed -------------------------------------------------- */

/* A peer that does not know all that it could: it is told with the next batch,
 * or by a message of its own.  Where somebody waits for it there, at once. */
bool batch_notice(struct raft *raft, struct peer *peer, raft_index commit)
{
    if (peer->commit >= commit) {
        peer->owed_us = 0;
        return false;
    }
    if (peer->owed_us == 0) {
        peer->owed_us = raft->now.mono_us;
    }
    return !peer->patient ||
           raft->now.mono_us - peer->owed_us >= raft->settings.batch_hold_us;
}

uint64_t batch_deadline_us(const struct raft *raft)
{
    uint64_t from_us = UINT64_MAX;
    if (raft->role != RAFT_ROLE_LEADER) {
        return from_us;
    }
    if (raft->batch_last < raft->log.last) {
        from_us = raft->batch_us;
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        uint64_t owed_us = raft->peers[i].owed_us;
        if (owed_us != 0 && owed_us < from_us) {
            from_us = owed_us;
        }
    }
    return from_us == UINT64_MAX ? from_us
                                 : from_us + raft->settings.batch_hold_us;
}
