#include "core/quorum.h"

static uint8_t role_in(const struct raft_member *member, bool next)
{
    return next ? member->next : member->role;
}

static enum raft_vote_result vote_of_set(const struct raft_config *config,
                                         bool next, raft_vote_of *vote_of,
                                         const void *context)
{
    size_t yes = 0;
    size_t no = 0;
    size_t voters = 0;
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        if (role_in(member, next) == RAFT_MEMBER_VOTER) {
            int vote = vote_of(context, member->id);
            voters++;
            yes += vote > 0;
            no += vote < 0;
        }
    }
    size_t majority = voters / 2 + 1;
    if (voters == 0 || yes >= majority) {
        return RAFT_VOTE_WON;
    }
    return voters - no >= majority ? RAFT_VOTE_PENDING : RAFT_VOTE_LOST;
}

enum raft_vote_result raft_quorum_vote(const struct raft_config *config,
                                       raft_vote_of *vote_of,
                                       const void *context)
{
    enum raft_vote_result old = vote_of_set(config, false, vote_of, context);
    enum raft_vote_result next = vote_of_set(config, true, vote_of, context);
    if (old == RAFT_VOTE_LOST || next == RAFT_VOTE_LOST) {
        return RAFT_VOTE_LOST;
    }
    return old == RAFT_VOTE_WON && next == RAFT_VOTE_WON ? RAFT_VOTE_WON
                                                         : RAFT_VOTE_PENDING;
}

/* The value that the voter at the edge of a majority has: descending order,
 * the voters / 2 + 1st. */
uint64_t raft_quorum_side(const struct raft_config *config, bool next,
                          raft_value_of *value_of, const void *context)
{
    uint64_t values[RAFT_MEMBERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        if (role_in(member, next) != RAFT_MEMBER_VOTER) {
            continue;
        }
        uint64_t value = value_of(context, member->id);
        size_t at = count++;
        while (at > 0 && values[at - 1] < value) {
            values[at] = values[at - 1];
            at--;
        }
        values[at] = value;
    }
    return count == 0 ? UINT64_MAX : values[count / 2];
}

uint64_t raft_quorum_value(const struct raft_config *config,
                           raft_value_of *value_of, const void *context)
{
    uint64_t old = raft_quorum_side(config, false, value_of, context);
    uint64_t next = raft_quorum_side(config, true, value_of, context);
    return old < next ? old : next;
}
