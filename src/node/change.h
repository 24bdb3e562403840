/* Orders about the members, carried out by the leader's node.
 *
 *   CLOSED --order--> REACHING --all met--> ASKED --core tells--> CLOSED
 *     ^  \------- nobody is new ------------^  |
 *     |                  ^                     | REPLACE: the old one is
 *     |                  '---------------------' out, the new one may come
 *     '-- not met in time, ABORT, leadership lost
 *
 * Core (core/change.h) wants to know of each member the instance of its data
 * directory: this file finds it out, by dialling.  One change is open at a
 * time.  A PLAN goes from CLOSED to PLANNING and back, and gives way to any
 * order. */
#ifndef RAFTSC_NODE_CHANGE_H
#define RAFTSC_NODE_CHANGE_H

#include "core/raft.h"
#include "node/request.h"
#include "node/wheel.h"

struct frame_control;
struct peer;

enum change_stage {
    CHANGE_CLOSED,
    CHANGE_PLANNING, /* PLAN: new members are dialled, to see if they answer */
    CHANGE_REACHING, /* until the new members have said who they are */
    CHANGE_ASKED     /* core has it */
};

struct change {
    enum change_stage stage;
    struct raft_ticket asker; /* zeros: nobody */
    uint64_t serial;          /* core's ticket has it */
    bool force;
    bool aborted; /* CONFIG ABORT was asked */
    uint64_t begun_us;
    raft_index base;           /* the configuration before it */
    struct raft_config target; /* the one after it */
    struct raft_member comers[RAFT_MEMBERS_MAX]; /* those that are new */
    size_t comer_count;
    struct wheel_timer timer; /* PLANNING, REACHING: until when */
    bool hopeless;            /* one can never be met: `why` */
    char why[TEXT_ADDRESS_SIZE + 320];
    /* REPLACE: */
    bool replaces;
    raft_index removed;       /* the entry that removed the old one; 0: none */
    struct raft_member again; /* the old one, at the address of the new one */
};

/* Takes an order, for which `ticket` is answered (control_answer()), now or
 * later.  Borrows it. */
void change_order(struct node *node, struct raft_ticket ticket,
                  const struct frame_control *order);

/* RAFT_TELL_CHANGE, RAFT_TELL_TRANSFER. */
void change_told(struct node *node, const struct raft_tell *tell);
void change_transferred(struct node *node, const struct raft_tell *tell);

/* In each turn: a leadership may have ended while new members are reached. */
void change_tick(struct node *node);

/* Who is to become a member, and is not in core's hands yet; NULL: `id` is
 * not. */
const struct raft_member *change_comer(const struct node *node, raft_id id);
/* A link stands: perhaps the last one that was waited for. */
void change_reached(struct node *node);
/* A dial of `peer` failed. */
void change_refused(struct node *node, const struct peer *peer);

/* What is open, appended: "node 3 is being reached at b:1".  False: nothing
 * is. */
bool change_open_text(const struct node *node, struct buf *buf);

/* ---- change.c, for plan.c ----------------------------------------------- */

/* Those of change->target that are new. */
void change_find_comers(struct node *node);
/* Why this one is not met yet; NULL: it is. */
const char *change_missing_why(const struct node *node,
                               const struct raft_member *comer);
/* Nothing is open any more, and nobody is told. */
void change_close(struct node *node);
/* True where this node leads no longer: the asker has been told. */
bool change_lost(struct node *node);

/* ---- plan.c ------------------------------------------------------------- */

/* CONFIG PLAN: `ticket` is answered with lines, now or soon. */
void plan_order(struct node *node, struct raft_ticket ticket,
                const struct frame_control *order);
/* PLANNING, in each turn: it may be time to answer. */
void plan_tick(struct node *node);
/* PLANNING: answers with what is known now. */
void plan_end(struct node *node);

/* ---- change_end.c: how it ended, for people ----------------------------- */

enum error_code change_end_why(const struct node *node,
                               const struct raft_tell *tell,
                               const struct change *change, char *why,
                               size_t size);
void change_abort_ended(struct node *node, const struct raft_tell *tell);
/* "1, 2": voters of the set that are not alive, as this leader sees it. */
void change_missing(const struct node *node, const struct raft_config *config,
                    bool next, struct buf *buf);

#endif
