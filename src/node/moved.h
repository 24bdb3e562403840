/* Addresses: a member is its id, and where it is may change.
 *
 * A node announces its address in the handshake, and is dialled there from then
 * on, if it answers there (peers.c).  The leader also records it, by an entry
 * of its own with the same members at other addresses: never while a change is
 * open, and at most one for each member in MOVED_EVERY_US.  An order about the
 * members that comes while that entry is on its way waits for it. */
#ifndef RAFTSC_NODE_MOVED_H
#define RAFTSC_NODE_MOVED_H

#include "base/list.h"
#include "core/raft.h"
#include "node/wheel.h"

#define MOVED_EVERY_US ((uint64_t)10 * 1000 * 1000)

struct node;
struct frame_control;

struct moved {
    bool open;       /* core has an entry of ours, and has not told its end */
    uint64_t serial; /* core's ticket has it */
    struct wheel_timer look;  /* on, while this node leads */
    struct list waiting;      /* orders */
    uint64_t own_recorded_us; /* as in struct peer, of this node; 0: never */
};

void moved_init(struct node *node);
void moved_free(struct node *node);

/* The role may be another one. */
void moved_role(struct node *node);

/* True: the order waits, and is given to change_order() again. */
bool moved_defers(struct node *node, struct raft_ticket ticket,
                  const struct frame_control *order);

/* RAFT_TELL_CHANGE.  False: it is not about an entry of ours. */
bool moved_told(struct node *node, const struct raft_tell *tell);

#endif
