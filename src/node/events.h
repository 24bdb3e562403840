/* What EVENTS tells, and what a session that watches keeps: see events.c. */
#ifndef RAFTSC_NODE_EVENTS_H
#define RAFTSC_NODE_EVENTS_H

#include "base/digest.h"
#include "base/list.h"
#include "core/types.h"

enum event_bit {
    EVENT_ROLE = 1,
    EVENT_LEADER = 2,
    EVENT_CONFIG = 4,
    EVENT_CLUSTER = 8,
    EVENT_ALL = 15,
    EVENT_CHANGE = 16, /* both only where a change is open */
    EVENT_CATCH_UP = 32
};

struct events {
    struct list in_list; /* of node->watchers */
    bool on;
    unsigned due; /* bits of what is not told yet */
};

/* The state that watchers have been told, or are about to be told. */
struct events_seen {
    const char *role;
    raft_term term;
    raft_id leader;
    raft_term leader_term;
    raft_index config;
    bool joint;
    struct digest cluster_id;
    uint64_t epoch;
    const char *change; /* progress_stage() … */
    raft_index change_index;
};

#endif
