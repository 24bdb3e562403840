/* Group commit at the leader.
 *
 * What is appended while a batch is on its way waits here, and leaves as one
 * batch when that one is answered: one message for each peer and one save for
 * each node, instead of many small ones that all cost the same.  Where a commit
 * takes long (a far network, a slow disk), batches leave all the same, one in
 * each batch_hold_us, and several are under way.
 *
 * Whoever is answered asks again at once, mostly.  Where that was found to be
 * worth it (trial.c), the next batch also waits for as many as the last one
 * had, for three times as long as that took, but for a few times batch_hold_us
 * at most; so it does for the one before it, while that is being saved here: it
 * could not be saved earlier anyway.  A lone client never waits.
 *
 * The commit index waits for batch_hold_us, for peers where nobody waits for
 * it.
 *
 * Only when entries leave is decided here: an entry that waits has its index,
 * is a part of the log, and has gone nowhere. */
#include "core/internal.h"

/* So much does not wait for company. */
#define BATCH_BYTES ((size_t)256 * 1024)
/* The longest wait, where it pays to wait, in batch_hold_us. */
#define BATCH_PATIENCE 4

raft_index batch_last(const struct raft *raft)
{
    return raft->role == RAFT_ROLE_LEADER ? raft->batch.last : raft->log.last;
}

void batch_release(struct raft *raft)
{
    struct batch *batch = &raft->batch;
    bool complete = batch->answered && raft->log.last >= batch->company;
    batch->count = raft->log.last - batch->last;
    batch->last = raft->log.last;
    batch->left_us = raft->now.mono_us;
    batch->bytes = 0;
    batch->answered = false;
    trial_batch_left(raft, complete);
}

/* What has left is committed, and saved here: everybody hears of it now. */
static void note_answered(struct raft *raft)
{
    struct batch *batch = &raft->batch;
    uint64_t now_us = raft->now.mono_us;
    raft_index told = raft->commit < raft->saved ? raft->commit : raft->saved;
    if (batch->answered || told < batch->last) {
        return;
    }
    batch->answered = true;
    batch->company = raft->log.last + batch->count;
    batch->until_us = now_us;
    if (raft->trial.waits) {
        uint64_t wait_us = (now_us - batch->left_us) * 3;
        uint64_t most_us = raft->settings.batch_hold_us * BATCH_PATIENCE;
        batch->until_us += wait_us < most_us ? wait_us : most_us;
    }
}

/* When the next one leaves at the latest, whatever has become of the last. */
static uint64_t due_us(const struct raft *raft)
{
    const struct batch *batch = &raft->batch;
    uint64_t hold_us = raft->settings.batch_hold_us;
    bool saving = raft->saved < batch->last;
    if (batch->answered) {
        return batch->until_us;
    }
    return batch->left_us +
           (raft->trial.waits && saving ? hold_us * BATCH_PATIENCE : hold_us);
}

static bool is_due(struct raft *raft)
{
    const struct batch *batch = &raft->batch;
    if (batch->bytes >= BATCH_BYTES || transfer_open(raft)) {
        return true;
    }
    return (batch->answered && raft->log.last >= batch->company) ||
           raft->now.mono_us >= due_us(raft);
}

void batch_tick(struct raft *raft)
{
    if (raft->role != RAFT_ROLE_LEADER) {
        return;
    }
    note_answered(raft);
    if (raft->batch.last < raft->log.last && is_due(raft)) {
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
    const struct batch *batch = &raft->batch;
    uint64_t hold_us = raft->settings.batch_hold_us;
    uint64_t deadline_us = UINT64_MAX;
    if (raft->role != RAFT_ROLE_LEADER) {
        return deadline_us;
    }
    if (batch->last < raft->log.last) {
        deadline_us = due_us(raft);
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        uint64_t owed_us = raft->peers[i].owed_us;
        if (owed_us != 0 && owed_us + hold_us < deadline_us) {
            deadline_us = owed_us + hold_us;
        }
    }
    return deadline_us;
}
