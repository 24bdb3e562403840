#include "node/wheel.h"

#include <assert.h>
#include <string.h>

/* A timer sits in the slot of the first tick at or after its time, so that it
 * never fires early; one that is further away than the wheel reaches is met
 * again each time round, and left. */
static uint64_t tick_of(uint64_t at_us)
{
    return (at_us + WHEEL_SLOT_US - 1) / WHEEL_SLOT_US;
}

void wheel_init(struct wheel *wheel, uint64_t now_us)
{
    wheel->now_us = now_us;
    wheel->count = 0;
    wheel->next_us = UINT64_MAX;
    for (size_t i = 0; i < WHEEL_SLOTS; i++) {
        list_init(&wheel->slots[i]);
    }
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t at_us,
               wheel_fire *fire)
{
    wheel_cancel(wheel, timer);
    if (at_us <= wheel->now_us) {
        at_us = wheel->now_us + 1;
    }
    timer->at_us = at_us;
    timer->fire = fire;
    uint64_t tick = tick_of(at_us);
    list_push_back(&wheel->slots[tick % WHEEL_SLOTS], &timer->in_slot);
    wheel->count++;
    if (tick * WHEEL_SLOT_US < wheel->next_us) {
        wheel->next_us = tick * WHEEL_SLOT_US;
    }
}

void wheel_fire_nothing(struct node *node, struct wheel_timer *timer)
{
    (void)node;
    (void)timer;
}

void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer)
{
    if (timer->at_us != 0) {
        assert(wheel->count > 0);
        list_remove(&timer->in_slot);
        timer->at_us = 0;
        wheel->count--;
    }
}

static void run_slot(struct wheel *wheel, struct node *node, size_t slot,
                     uint64_t now_us)
{
    /* Those that fire may set others, in this slot too: take the due ones out
     * first, so that each is looked at once. */
    struct list due;
    list_init(&due);
    list_each(at, following, &wheel->slots[slot])
    {
        struct wheel_timer *timer = list_entry(at, struct wheel_timer, in_slot);
        if (timer->at_us <= now_us) {
            list_remove(at);
            list_push_back(&due, at);
        }
    }
    while (!list_empty(&due)) {
        struct wheel_timer *timer =
            list_entry(due.next, struct wheel_timer, in_slot);
        wheel_cancel(wheel, timer);
        timer->fire(node, timer);
    }
}

/* Whether a timer of this slot is due at `tick`, this time round. */
static bool slot_is_due(const struct list *slot, uint64_t tick)
{
    for (const struct list *at = slot->next; at != slot; at = at->next) {
        const char *node = (const char *)at;
        const struct wheel_timer *timer =
            (const void *)(node - offsetof(struct wheel_timer, in_slot));
        if (tick_of(timer->at_us) <= tick) {
            return true;
        }
    }
    return false;
}

/* The first due slot; or, where all are further away, the whole way round. */
static uint64_t next_due_us(const struct wheel *wheel)
{
    if (wheel->count == 0) {
        return UINT64_MAX;
    }
    uint64_t tick = wheel->now_us / WHEEL_SLOT_US;
    uint64_t end = tick + WHEEL_SLOTS;
    while (tick < end &&
           !slot_is_due(&wheel->slots[tick % WHEEL_SLOTS], tick)) {
        tick++;
    }
    return tick * WHEEL_SLOT_US;
}

void wheel_run(struct wheel *wheel, struct node *node, uint64_t now_us)
{
    assert(now_us >= wheel->now_us);
    uint64_t first = wheel->now_us / WHEEL_SLOT_US;
    uint64_t last = now_us / WHEEL_SLOT_US;
    if (last - first >= WHEEL_SLOTS) {
        first = last - WHEEL_SLOTS + 1; /* all slots, once */
    }
    wheel->now_us = now_us;
    if (now_us < wheel->next_us) {
        return;
    }
    wheel->next_us = UINT64_MAX;
    for (uint64_t tick = first; tick <= last; tick++) {
        run_slot(wheel, node, (size_t)(tick % WHEEL_SLOTS), now_us);
    }
    wheel->next_us = next_due_us(wheel);
}

uint64_t wheel_deadline_us(const struct wheel *wheel)
{
    return wheel->next_us;
}
