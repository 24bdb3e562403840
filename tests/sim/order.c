/* What operators were told, against the configurations that are committed.
 *
 * Each order that brings addresses marks them with its number: so the log
 * tells which orders are in it, whatever their answers were. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

uint64_t order_new(struct world *world, const struct order *order)
{
    struct checks *checks = &world->checks;
    checks->orders = x_grow(checks->orders, &checks->order_capacity,
                            checks->order_count + 2, sizeof(*checks->orders));
    checks->orders[++checks->order_count] = *order;
    /* Whatever is answered, and if nothing is. */
    checks->orders[checks->order_count].untouched = order->kind == ORDER_PLAN;
    return checks->order_count;
}

/* ---- marks -------------------------------------------------------------- */

static uint64_t mark_of(const struct raft_member *member)
{
    const char *dash = strchr(member->address, '-');
    return dash == NULL ? 0 : strtoull(dash + 1, NULL, 10);
}

static bool is_marked(const struct raft_config *config, uint64_t number)
{
    for (size_t i = 0; i < config->count; i++) {
        if (mark_of(&config->members[i]) == number) {
            return true;
        }
    }
    return false;
}

/* ---- what was asked for ------------------------------------------------- */

static bool is_as_named(const struct order *order, size_t at, uint64_t number,
                        const struct raft_member *member)
{
    uint8_t role = order->learner[at] ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER;
    return member != NULL && member->role == role && mark_of(member) == number;
}

/* Whether the simple configuration is what this order asked for. */
static bool is_fulfilled(const struct order *order, uint64_t number,
                         const struct raft_config *config)
{
    for (size_t i = 0; i < order->count; i++) {
        const struct raft_member *member =
            raft_config_find(config, order->ids[i]);
        bool right = true;
        switch (order->kind) {
        case ORDER_CHANGE:
        case ORDER_ADD:
        case ORDER_BOOTSTRAP:
            right = is_as_named(order, i, number, member);
            break;
        case ORDER_REMOVE:
            right = member == NULL;
            break;
        case ORDER_PROMOTE:
            right = member != NULL && member->role == RAFT_MEMBER_VOTER;
            break;
        case ORDER_DEMOTE:
            right = member != NULL && member->role == RAFT_MEMBER_LEARNER;
            break;
        case ORDER_REPLACE:
            right = member != NULL && mark_of(member) == number;
            break;
        case ORDER_ABORT:
        case ORDER_TRANSFER:
        case ORDER_PLAN:
        case ORDER_KINDS:
            break;
        }
        if (!right) {
            return false;
        }
    }
    return order->kind != ORDER_CHANGE || config->count == order->count;
}

/* The member that had the id before has another instance. */
static bool is_replaced(const struct world *world, const struct order *order,
                        const struct config_seen *seen)
{
    const struct raft_member *now =
        raft_config_find(&seen->config, order->ids[0]);
    bool was_out = false;
    while (seen > world->checks.configs) {
        seen--;
        const struct raft_member *before =
            raft_config_find(&seen->config, order->ids[0]);
        was_out = was_out || before == NULL;
        if (before != NULL && was_out) {
            return before->instance != now->instance;
        }
    }
    return false;
}

/* It is the old one of the joint configuration before it. */
static bool is_turned_back(const struct world *world,
                           const struct config_seen *seen)
{
    if (seen == world->checks.configs || !(seen - 1)->config.joint) {
        return false;
    }
    struct raft_config old;
    raft_config_side(&(seen - 1)->config, false, &old);
    return raft_config_equal(&old, &seen->config);
}

/* What CONFIG ABORT says is done: the entry is the old configuration of a
 * change that was turned back since, by this order, or the one that was in
 * force while a change was prepared, of which nothing is in any log.
 *
 * The second is so only where a leader had a change in preparation after the
 * order was asked, and had this very configuration (config.c notes both, for
 * changes that are begun and given up in a single turn, too).  Without one, the
 * answer is an error.  Whether another leader has got further since is no
 * matter: one that is deposed, and does not know it, gives up a change of its
 * own, and knows of no newer configuration. */
static bool is_aborted(const struct world *world, uint64_t asked_us,
                       const struct config_seen *seen)
{
    bool back = is_turned_back(world, seen) && seen->at_us >= asked_us;
    return back || seen->prepared_us >= asked_us;
}

/* ---- done --------------------------------------------------------------- */

static const enum happening done[ORDER_KINDS] = {
    [ORDER_CHANGE] = HAPPENED_CHANGED,
    [ORDER_ADD] = HAPPENED_ADDED,
    [ORDER_REMOVE] = HAPPENED_REMOVED,
    [ORDER_PROMOTE] = HAPPENED_PROMOTED,
    [ORDER_DEMOTE] = HAPPENED_DEMOTED,
    [ORDER_REPLACE] = HAPPENED_REPLACED,
    [ORDER_ABORT] = HAPPENED_ABORTED,
    [ORDER_TRANSFER] = HAPPENED_TRANSFERRED,
    [ORDER_BOOTSTRAP] = HAPPENED_BOOTSTRAPPED,
    [ORDER_PLAN] = HAPPENED_PLANNED,
};

static void check_done(struct app *app, uint64_t number, uint64_t asked_us,
                       raft_index index)
{
    struct world *world = app->world;
    const struct order *order = &world->checks.orders[number];
    const struct config_seen *seen = config_find(world, index);
    bool right = seen != NULL && !seen->config.joint &&
                 is_fulfilled(order, number, &seen->config);
    if (right && order->kind == ORDER_REPLACE) {
        right = is_replaced(world, order, seen);
    }
    if (right && order->kind == ORDER_ABORT) {
        right = is_aborted(world, asked_us, seen);
    }
    if (!right) {
        world_fail(world, "an operator's answer is true",
                   "order %llu is done as entry %llu, which is not it",
                   (unsigned long long)number, (unsigned long long)index);
    }
}

/* Who was named leads, or has led since. */
static void check_transferred(struct app *app, uint64_t number,
                              uint64_t asked_us)
{
    const struct order *order = &app->world->checks.orders[number];
    const struct host *host = &app->world->hosts[order->ids[0]];
    if (order->count > 0 && !host->led && host->led_us < asked_us) {
        world_fail(app->world, "an operator's answer is true",
                   "order %llu: n%lu does not lead", (unsigned long long)number,
                   (unsigned long)host->id);
    }
}

/* ---- planned ------------------------------------------------------------ */

/* Lines of the kinds that there are. */
static bool is_plan(const struct resp_value *value)
{
    static const char *const begins[] = {
        "step ", "quorum ", "note: ", "refused: ", "nothing to be done: "};
    bool right = value->type == RESP_ARRAY && value->count > 0;
    for (size_t i = 0; right && i < value->count; i++) {
        const struct resp_value *line = &value->children[i];
        right = false;
        for (size_t j = 0; j < sizeof(begins) / sizeof(begins[0]); j++) {
            size_t length = strlen(begins[j]);
            right = right || (line->type == RESP_BULK && line->size > length &&
                              memcmp(line->data, begins[j], length) == 0);
        }
    }
    return right;
}

/* What speaks against the change is a line; an error is one of the way. */
static void planned(struct app *app, const struct resp_value *value)
{
    static const char *const errors[] = {"UNCERTAIN", "NOTLEADER", "NOLEADER",
                                         "NOCONFIG", "BUSY"};
    bool right = is_plan(value);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        right = right || ask_is_error(value, errors[i]);
    }
    if (!right) {
        ask_wrong(app, "CONFIG PLAN", value);
    }
    if (value->type == RESP_ARRAY) {
        world_happened(app->world, HAPPENED_PLANNED);
    }
}

/* ---- refused ------------------------------------------------------------ */

static bool says(const struct resp_value *value, const char *words)
{
    size_t length = strlen(words);
    for (size_t i = 0; i + length <= value->size; i++) {
        if (memcmp(value->data + i, words, length) == 0) {
            return true;
        }
    }
    return false;
}

static const struct {
    const char *word;
    enum happening counts;
} errors[] = {
    {"ERR", HAPPENED_ORDER_REFUSED},
    {"CONFLICT", HAPPENED_ORDER_CONFLICT},
    {"TIMEOUT", HAPPENED_ORDER_TIMEOUT},
    {"UNCERTAIN", HAPPENED_ORDER_LOST},
    {"NOTLEADER", HAPPENED_NOT_LEADER},
    {"NOLEADER", HAPPENED_NO_LEADER},
    {"NOCONFIG", HAPPENED_NO_CONFIG},
    {"BUSY", HAPPENED_BUSY},
    {"DISK", HAPPENED_DISK},
};

/* All but UNCERTAIN say that it was not done: turned back, or not begun. */
static void refused(struct app *app, uint64_t number,
                    const struct resp_value *value)
{
    struct order *order = &app->world->checks.orders[number];
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (!ask_is_error(value, errors[i].word)) {
            continue;
        }
        world_happened(app->world, errors[i].counts);
        if (errors[i].counts != HAPPENED_ORDER_LOST &&
            order->kind != ORDER_BOOTSTRAP) {
            order->undone = says(value, "turned back");
            order->untouched = !order->undone;
        }
        return;
    }
    ask_wrong(app, "an order", value);
}

void order_answered(struct app *app, uint64_t number, uint64_t asked_us,
                    const struct resp_value *value)
{
    const struct order *order = &app->world->checks.orders[number];
    if (order->kind == ORDER_PLAN) {
        planned(app, value);
        return;
    }
    if (value->type == RESP_ERROR) {
        refused(app, number, value);
        return;
    }
    bool transfer = order->kind == ORDER_TRANSFER;
    if (transfer ? value->type != RESP_SIMPLE || !ask_is_text(value, "OK")
                 : value->type != RESP_INTEGER) {
        ask_wrong(app, "an order", value);
    }
    if (transfer) {
        check_transferred(app, number, asked_us);
    } else {
        check_done(app, number, asked_us, (raft_index)value->integer);
    }
    world_happened(app->world, done[order->kind]);
}

/* ---- the end ------------------------------------------------------------ */

/* An order that was turned back went no further than its joint configuration;
 * one that changed nothing is nowhere. */
static bool is_true(const struct world *world, uint64_t number)
{
    const struct checks *checks = &world->checks;
    const struct order *order = &checks->orders[number];
    for (size_t i = 0; i < checks->config_count; i++) {
        const struct raft_config *config = &checks->configs[i].config;
        if (!is_marked(config, number)) {
            continue;
        }
        bool behind = i + 1 < checks->config_count;
        return order->undone && config->joint && behind &&
               is_turned_back(world, &checks->configs[i + 1]);
    }
    return true;
}

void order_end(struct world *world)
{
    const struct checks *checks = &world->checks;
    for (uint64_t number = 1; number <= checks->order_count; number++) {
        const struct order *order = &checks->orders[number];
        if ((order->untouched || order->undone) && !is_true(world, number)) {
            world_fail(world, "an operator's answer is true",
                       "order %llu was refused, and is in the log",
                       (unsigned long long)number);
        }
    }
}
