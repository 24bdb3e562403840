/* Changes of membership and transfers of leadership: the words that core and
 * its driver share.
 *
 * A change leads from one configuration to any other (section 6):
 *
 *   NONE --asked--> CATCH_UP --caught up--> JOINT --committed--> LAST --+
 *    ^                  |                     |  by both             |  |
 *    |                  | too slow, ABORT     | turned back          |  |
 *    +------------------+                     +-------> LAST --------+  |
 *    +-----------------------------------------------committed----------+
 *
 * CATCH_UP  Nothing has changed yet.  The leader replicates to the new voters,
 *           which count nowhere, in rounds (thesis 4.2.1).
 * JOINT     An entry with both sets of voters is appended, and is in force.
 * LAST      A simple configuration is appended, not committed yet: the new
 *           one, or the old one again.
 *
 * Where old and new have the same voters (a learner comes or goes, an address
 * is another one), no majority changes, and CATCH_UP leads to LAST at once. */
#ifndef RAFTSC_CORE_CHANGE_H
#define RAFTSC_CORE_CHANGE_H

#include "core/config.h"

enum raft_change_stage {
    RAFT_CHANGE_NONE,
    RAFT_CHANGE_CATCH_UP,
    RAFT_CHANGE_JOINT,
    RAFT_CHANGE_LAST
};

/* How a change, or an order to turn one back, ended. */
enum raft_change_end {
    RAFT_CHANGE_DONE, /* `index` is the configuration in force, committed */
    /* Nothing has changed: */
    RAFT_CHANGE_NOT_LEADER,
    RAFT_CHANGE_CONFLICT,  /* another change, or a transfer, is open */
    RAFT_CHANGE_INSTANCE,  /* `peer` cannot change its instance in one change */
    RAFT_CHANGE_TOO_MANY,  /* members, old and new together */
    RAFT_CHANGE_DEAD,      /* a majority of the new voters is not alive */
    RAFT_CHANGE_SILENT,    /* `peer` made no progress for catch_up_us */
    RAFT_CHANGE_TOO_SLOW,  /* `peer` is still behind after many rounds */
    RAFT_CHANGE_ABORTED,   /* turned back: `index` is the old one, again */
    RAFT_CHANGE_NONE_OPEN, /* there is nothing to be turned back */
    RAFT_CHANGE_TOO_LATE,  /* to be turned back; it goes on */
    /* The leadership ended: the next leader finishes it or rolls it back. */
    RAFT_CHANGE_LOST
};

/* How a transfer of leadership ended. */
enum raft_transfer_end {
    RAFT_TRANSFER_DONE, /* `peer` leads, in another term */
    RAFT_TRANSFER_NOT_LEADER,
    RAFT_TRANSFER_CONFLICT, /* another transfer is open */
    RAFT_TRANSFER_NO_VOTER, /* `peer` is no voter, or none is to be reached */
    RAFT_TRANSFER_TIMEOUT,  /* this node leads on */
    RAFT_TRANSFER_LOST      /* another node leads, or nobody is known to */
};

/* What is under way, as the leader sees it; elsewhere the stage is NONE. */
struct raft_change_status {
    enum raft_change_stage stage;
    raft_index index;    /* JOINT, LAST: of the entry in force */
    bool own;            /* JOINT: this leader appended it, in this term */
    bool back;           /* LAST: it is the old one, again */
    bool transfers;      /* leadership is about to be handed over … */
    raft_id transfer_to; /* … to this one */
    uint64_t begun_us;   /* mono */
    const struct raft_config *target; /* CATCH_UP; borrowed for the step */
};

/* A new voter's way, while the stage is CATCH_UP. */
struct raft_catch_up {
    unsigned round;       /* from 1 */
    raft_index round_end; /* the round ends with this entry */
    bool done;
    uint64_t progress_us; /* mono; when it last got further */
};

#endif
