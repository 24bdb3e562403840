/* Timers: a wheel of lists, so that hundreds of thousands of requests can each
 * have a time-out that is nearly always cancelled. */
#ifndef RAFTSC_NODE_WHEEL_H
#define RAFTSC_NODE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct node;
struct wheel_timer;

/* Called from node_turn(); the timer is off and may be set again or freed. */
typedef void wheel_fire(struct node *node, struct wheel_timer *timer);

struct wheel_timer {
    struct list in_slot;
    uint64_t at_us; /* 0: off */
    wheel_fire *fire;
};

#define WHEEL_SLOTS 1024
#define WHEEL_SLOT_US ((uint64_t)4096) /* how exact it is: never early */

struct wheel {
    uint64_t now_us;  /* up to here all have fired */
    uint64_t next_us; /* no timer is due before; UINT64_MAX: none is on */
    uint64_t count;
    struct list slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now_us);

/* Fires at `at_us` or up to a slot later; if that has passed, in the next
 * wheel_run().  A timer that is on is moved. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t at_us,
               wheel_fire *fire);
/* For a timer whose turn is all that is wanted of it. */
void wheel_fire_nothing(struct node *node, struct wheel_timer *timer);
void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer);

/* Fires all that are due.  They may set and cancel any timer. */
void wheel_run(struct wheel *wheel, struct node *node, uint64_t now_us);

/* When wheel_run() is wanted at the latest; UINT64_MAX: no timer is on.  It
 * may be early, where what was due then was cancelled. */
uint64_t wheel_deadline_us(const struct wheel *wheel);

#endif
