/* What must hold after every step: asserted always, cheap. */
#include <assert.h>

#include "core/internal.h"

/* Of a change: terms and what is committed only grow, a vote is cast once in a
 * term, a leader only appends (Figure 3). */
static void check_change(const struct raft *raft, const struct checked *before)
{
    assert(raft->term >= before->term);
    assert(raft->commit >= before->commit);
    assert(raft->told >= before->told);
    assert(raft->log.last >= before->commit);
    if (raft->term == before->term) {
        assert(before->vote == RAFT_ID_NONE || raft->vote == before->vote);
        assert(raft->role != RAFT_ROLE_LEADER ||
               before->role != RAFT_ROLE_LEADER ||
               raft->log.last >= before->last);
    }
}

static void check_state(const struct raft *raft)
{
    const struct raft_log *log = &raft->log;
    /* Another node's base is in force before it is durable. */
    assert(log->base.index <= raft->told || raft->saved == raft->told);
    assert(log->base.index <= raft->commit);
    assert(raft->told <= raft->commit);
    assert(raft->commit <= log->last);
    assert(raft->told <= raft->saved);
    assert(raft->saved <= raft->handed);
    assert(raft->handed <= log->last);
    assert(log->window > log->base.index);
    assert(log->window <= log->last + 1);
    assert(log->window <= raft->told + 1 || log->window == log->base.index + 1);
    assert(log_last_term(log) <= raft->term);
    assert(raft->state_saved <= raft->state_handed);
    assert(raft->state_handed <= raft->state);
    assert(raft->keys.forgotten <= raft->commit);
    assert(raft->keys.committed <= raft->keys.window);
    if (raft->role == RAFT_ROLE_LEADER) {
        assert(raft->leader == raft->settings.id);
        assert(raft->state_saved == raft->state);
        assert(raft->term_first <= log->base.index ||
               log_term(log, raft->term_first) == raft->term);
    }
    if (raft->role == RAFT_ROLE_CANDIDATE) {
        assert(raft->vote == raft->settings.id);
    }
}

void raft_check(struct raft *raft)
{
    check_state(raft);
    check_change(raft, &raft->checked);
    raft->checked = (struct checked){.term = raft->term,
                                     .vote = raft->vote,
                                     .role = raft->role,
                                     .commit = raft->commit,
                                     .told = raft->told,
                                     .last = raft->log.last};
}
