/* What is decided about a proposal when it would be appended, against the whole
 * log, the uncommitted tail included: KEY, then TERM, then AFTER.  What is
 * refused here never enters the log; what passes is decided for good, for the
 * log before an entry is the same on every node that has the entry.
 *
 * Nothing here asks whether this leader still leads.  What it says of committed
 * entries is true in any case; what it says of others names index and term, and
 * whoever waits finds out at that index whether it came to be. */
#include "core/internal.h"

/* What stands at a committed index is final, whoever led when it came there. */
static raft_term term_to_wait_for(const struct raft *raft, raft_index index)
{
    return index <= raft->commit ? 0 : log_term(&raft->log, index);
}

static bool key_decides(const struct raft *raft, const struct raft_event *event,
                        struct raft_tell *tell)
{
    if (event->propose.key == NULL) {
        return false;
    }
    raft_index index = keys_find(&raft->keys, event->propose.key);
    if (index != 0) {
        tell->type = RAFT_TELL_FOUND;
        tell->index = index;
        tell->term = term_to_wait_for(raft, index);
        return true;
    }
    index = keys_forgotten(&raft->keys);
    if (index <= event->propose.since) {
        return false; /* no index is behind RAFT_INDEX_NONE */
    }
    tell->refusal = RAFT_REFUSED_FORGOTTEN;
    tell->index = index;
    return true;
}

static bool after_decides(const struct raft *raft,
                          const struct raft_event *event,
                          struct raft_tell *tell)
{
    raft_index last = log_last_app(&raft->log, raft->log.last);
    if (last <= event->propose.after) {
        return false;
    }
    tell->refusal = RAFT_REFUSED_STALE;
    tell->index = last;
    tell->term = term_to_wait_for(raft, last);
    return true;
}

bool propose_decided(const struct raft *raft, const struct raft_event *event,
                     struct raft_tell *tell)
{
    *tell = (struct raft_tell){.type = RAFT_TELL_REFUSED,
                               .ticket = event->propose.ticket,
                               .term = raft->term};
    if (key_decides(raft, event, tell)) {
        return true;
    }
    if (event->propose.fence != 0 && event->propose.fence != raft->term) {
        tell->refusal = RAFT_REFUSED_FENCED;
        return true;
    }
    return after_decides(raft, event, tell);
}
