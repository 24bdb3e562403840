/* Orders about the members: from the app that asks, to the leader, and back.
 *
 *   QUEUED --> HANDED --answer--> answered
 *      ^         |  \--lost with the leadership--> WATCHING --> answered
 *      '---------'
 *       not the leader
 *
 * The leader carries it out (change.h).  An order goes to one leader at a
 * time, and a second time only after an explicit refusal.  One whose leader was
 * lost half-way is watched: the next leader finishes the change or rolls it
 * back, and the log tells which. */
#ifndef RAFTSC_NODE_CONTROL_H
#define RAFTSC_NODE_CONTROL_H

#include "node/internal.h"
#include "wire/frame.h"

void control_init(struct node *node);
void control_free(struct node *node);

/* Takes a request that passed the door. */
void control_ask(struct node *node, struct request *request,
                 const struct frame_control *order);
/* Hands what is queued to the leader, if there is one to be reached. */
void control_pump(struct node *node);
/* node->told has moved on: what is watched may be decided. */
void control_told(struct node *node);
/* The node stops: what was never handed over is answered NOLEADER. */
void control_stop(struct node *node);

/* ---- at the leader ------------------------------------------------------ */

/* An order of a peer's app.  Borrows it. */
void control_forwarded(struct node *node, raft_id peer,
                       const struct frame_control *order);
/* The answer to whoever asked, here or there; a ticket of zeros asks nothing.
 * answer->number is filled in. */
void control_answer(struct node *node, struct raft_ticket ticket,
                    struct frame_control_answer *answer);
void control_done(struct node *node, struct raft_ticket ticket,
                  raft_index index);
void control_error(struct node *node, struct raft_ticket ticket,
                   enum error_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- at the asker ------------------------------------------------------- */

void control_answered(struct node *node, raft_id peer,
                      const struct frame_control_answer *answer);

#endif
