/* Who waits for which index to be told: SUBMITs that are appended, WAIT, and
 * BARRIERs and OUTCOMEs that know their read index.  A heap, smallest index
 * first. */
#ifndef RAFTSC_NODE_PENDING_H
#define RAFTSC_NODE_PENDING_H

#include "core/types.h"

struct node;
struct request;

struct pending {
    struct request **heap; /* by request->index */
    size_t count;
    size_t capacity;
};

void pending_free(struct pending *pending);

/* `request` waits for request->index; pending_told() answers it by its stage.
 * The caller has set a timer if there is a time-out. */
void pending_add(struct node *node, struct request *request);
void pending_remove(struct node *node, struct request *request);

/* node->told has moved on: answers all that waited for an index up to it. */
void pending_told(struct node *node);

/* WAIT: answered with the told index once it reaches `index`; TIMEOUT after
 * timeout_us, 0: never. */
void pending_wait(struct node *node, struct request *request, raft_index index,
                  uint64_t timeout_us);

/* BARRIER, that passed the door: answered with the last app entry's index at
 * or before the read index, once it is told here; TIMEOUT or NOLEADER.  With a
 * key it is an OUTCOME: answered then by command_outcome_told(). */
void pending_barrier(struct node *node, struct request *request,
                     uint64_t timeout_us);
/* The read index of a BARRIER is known. */
void pending_read(struct node *node, struct raft_ticket ticket,
                  raft_index index);

#endif
