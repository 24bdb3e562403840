/* How far a change of the members is, for EVENTS, INFO and WHY.  Only the
 * leader knows: on all other nodes there is none. */
#ifndef RAFTSC_NODE_PROGRESS_H
#define RAFTSC_NODE_PROGRESS_H

#include "core/raft.h"

struct node;

/* A new voter on its way. */
struct progress {
    const struct raft_member *member; /* borrowed until the next step */
    raft_index match;                 /* it has the log to here … */
    raft_index target;                /* … of so much */
    struct raft_catch_up way;
};

/* "none", "reaching", "catch-up", "joint", "new", "back": as EVENTS says it,
 * a constant.  *index is the configuration's: with joint, new and back the one
 * on its way, else the one in force. */
const char *progress_stage(const struct node *node, raft_index *index);

/* Those who are caught up now, at most `max`; none in any other stage. */
size_t progress_list(const struct node *node, struct progress *list,
                     size_t max);

#endif
