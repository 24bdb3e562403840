/* Quorums: pure arithmetic over one or two sets of voters.
 *
 * Every function asks `value` for each voter and decides for both sets: what
 * is decided holds in the old set and in the coming one (section 6).  An empty
 * set decides nothing, and stands in nobody's way. */
#ifndef RAFTSC_CORE_QUORUM_H
#define RAFTSC_CORE_QUORUM_H

#include "core/config.h"

enum raft_vote_result { RAFT_VOTE_PENDING, RAFT_VOTE_WON, RAFT_VOTE_LOST };

/* What a voter said: 0 nothing yet, 1 yes, -1 no. */
typedef int raft_vote_of(const void *context, raft_id id);
/* The largest value that a voter has reached: an index, a time, a round. */
typedef uint64_t raft_value_of(const void *context, raft_id id);

enum raft_vote_result raft_quorum_vote(const struct raft_config *config,
                                       raft_vote_of *vote_of,
                                       const void *context);

/* The largest value that a majority of each set has reached; UINT64_MAX where
 * both are empty. */
uint64_t raft_quorum_value(const struct raft_config *config,
                           raft_value_of *value_of, const void *context);

/* The same of one set alone: the old one, or the coming one. */
uint64_t raft_quorum_side(const struct raft_config *config, bool next,
                          raft_value_of *value_of, const void *context);

#endif
