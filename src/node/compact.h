/* The base under the log moves up: on COMPACT's order, or behind a snapshot.
 *
 * A step is one read of the last entry that is to go, where it is not in
 * memory, and a part of the next save; the next step begins when that is
 * durable, and while the log grows there is a rest before it.  So ten million
 * entries neither make one long transaction nor keep a commit waiting.  The
 * rows go afterwards (store/sweep.c). */
#ifndef RAFTSC_NODE_COMPACT_H
#define RAFTSC_NODE_COMPACT_H

#include "base/list.h"
#include "core/raft.h"
#include "node/wheel.h"

struct node;
struct node_read_answer;
struct request;

struct compact {
    raft_index target; /* the base is to get there */
    raft_index saved;  /* the base that is durable */
    bool stepping;     /* a step is under way … */
    raft_index step;   /* … to here … */
    uint64_t reading;  /* … and waits for this node_read; 0: for its save */
    uint64_t begun_us; /* it began then … */
    raft_index end;    /* … and this was the last entry of the log */
    struct wheel_timer rest; /* on: no step yet */
    struct list waiting;     /* requests, by the index that they wait for */
};

void compact_init(struct node *node);
/* How far the log may be cut: at most to `index`, which is told; not what a
 * member needs, unless `force`; not what the own app, while it follows, has not
 * acknowledged, up to keep-unacked entries. */
raft_index compact_limit(const struct node *node, raft_index index, bool force);
/* A snapshot of the app at `index` is valid: the log before it goes, but for
 * snapshot-tail entries, and for those that a peer will need once it has what
 * is being sent to it. */
void compact_behind(struct node *node, raft_index index);
/* Cuts it up to there; without a request, nobody is answered. */
void compact_to(struct node *node, raft_index index, struct request *request);
/* The base is where it is to be. */
bool compact_rests(const struct node *node);
/* Each round of a turn: the next step, if it is its time. */
void compact_pump(struct node *node);
/* True: the answer was a step's, which takes it. */
bool compact_read(struct node *node, struct node_read_answer *answer);
/* The base of a save is durable; or a save found no room. */
void compact_saved(struct node *node, raft_index base);
void compact_no_room(struct node *node);

#endif
