/* An operator: it asks for changes of the members, at any node, over the
 * ordinary connection of an app.  There may be two, who do not know of each
 * other.  They see who is a member, and whose disk was exchanged; nothing that
 * they ask in the first phase needs to make sense.  In the second one each of
 * them has a change made. */
#include <stdio.h>
#include <string.h>

#include "app.h"

/* ---- whom it names ------------------------------------------------------ */

static void name(struct order *order, raft_id id, bool learner)
{
    for (size_t i = 0; i < order->count; i++) {
        if (order->ids[i] == id) {
            return;
        }
    }
    order->ids[order->count] = id;
    order->learner[order->count++] = learner;
}

static const struct raft_config *members(const struct world *world)
{
    return &config_newest(world)->config;
}

static raft_id some_member(struct world *world)
{
    const struct raft_config *config = members(world);
    return config->members[prng_below(&world->prng, config->count)].id;
}

/* RAFT_ID_NONE: nobody. */
static raft_id some_other(struct world *world)
{
    for (int i = 0; i < 8; i++) {
        raft_id id = (raft_id)prng_below(&world->prng, world->mix.hosts);
        if (raft_config_find(members(world), id) == NULL) {
            return id;
        }
    }
    return RAFT_ID_NONE;
}

/* Who leads has most to lose. */
static raft_id some_victim(struct world *world)
{
    for (unsigned i = 0; i < world->mix.hosts && prng_chance(&world->prng, 2);
         i++) {
        if (world->hosts[i].led) {
            return world->hosts[i].id;
        }
    }
    return some_member(world);
}

/* Another set: most stay, some come; now and then all others. */
static void name_set(struct world *world, struct order *order)
{
    struct prng *prng = &world->prng;
    bool disjoint = prng_chance(prng, 8);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        bool in = raft_config_find(members(world), i) != NULL;
        bool stays = disjoint ? !in : prng_below(prng, 8) < (in ? 6 : 3);
        if (stays) {
            name(order, i, prng_chance(prng, 5));
        }
    }
    if (order->count == 0) {
        name(order, (raft_id)prng_below(prng, world->mix.hosts), false);
    }
    order->learner[prng_below(prng, order->count)] = false;
}

/* The member whose disk is not there any more; RAFT_ID_NONE: there is none. */
static raft_id some_lost(const struct world *world)
{
    const struct raft_config *config = members(world);
    for (size_t i = 0; i < config->count; i++) {
        raft_id id = config->members[i].id;
        if (!force_member(world, &world->hosts[id])) {
            return id;
        }
    }
    return RAFT_ID_NONE;
}

static void name_for(struct world *world, struct order *order)
{
    struct prng *prng = &world->prng;
    unsigned most = prng_chance(prng, 3) ? 3 : 1;
    switch (order->kind) {
    case ORDER_CHANGE:
    case ORDER_PLAN:
        name_set(world, order);
        break;
    case ORDER_ADD:
        for (unsigned i = 0; i < most; i++) {
            raft_id id = some_other(world);
            if (id != RAFT_ID_NONE) {
                name(order, id, prng_chance(prng, 3));
            }
        }
        break;
    case ORDER_REMOVE:
    case ORDER_PROMOTE:
    case ORDER_DEMOTE:
        for (unsigned i = 0; i < most; i++) {
            name(order, some_victim(world), false);
        }
        break;
    case ORDER_REPLACE:
        name(order,
             some_lost(world) != RAFT_ID_NONE ? some_lost(world)
                                              : some_member(world),
             false);
        break;
    case ORDER_TRANSFER:
        if (prng_chance(prng, 2)) {
            name(order, some_member(world), false);
        }
        break;
    case ORDER_BOOTSTRAP:
        name(order, 0, false);
        break;
    case ORDER_ABORT:
    case ORDER_KINDS:
        break;
    }
}

/* ---- what it asks ------------------------------------------------------- */

static const struct {
    const char *word;
    unsigned weight;
    bool addresses; /* it names members with their addresses */
    bool force;     /* it may be forced */
} orders[ORDER_KINDS] = {
    [ORDER_CHANGE] = {"CONFIG CHANGE", 5, true, true},
    [ORDER_ADD] = {"CONFIG ADD", 4, true, true},
    [ORDER_REMOVE] = {"CONFIG REMOVE", 3, false, true},
    [ORDER_PROMOTE] = {"CONFIG PROMOTE", 2, false, true},
    [ORDER_DEMOTE] = {"CONFIG DEMOTE", 2, false, true},
    [ORDER_REPLACE] = {"CONFIG REPLACE", 1, true, true},
    [ORDER_ABORT] = {"CONFIG ABORT", 3, false, false},
    [ORDER_TRANSFER] = {"TRANSFER", 3, false, false},
    [ORDER_BOOTSTRAP] = {"CONFIG BOOTSTRAP", 0, true, false},
    [ORDER_PLAN] = {"CONFIG PLAN", 2, true, false},
};

static enum order_kind some_kind(struct world *world)
{
    struct prng *prng = &world->prng;
    if (some_lost(world) != RAFT_ID_NONE && prng_chance(prng, 3)) {
        return ORDER_REPLACE;
    }
    unsigned sum = 0;
    for (int i = 0; i < ORDER_KINDS; i++) {
        sum += orders[i].weight;
    }
    uint64_t drawn = prng_below(prng, sum);
    int kind = 0;
    while (drawn >= orders[kind].weight) {
        drawn -= orders[kind++].weight;
    }
    return (enum order_kind)kind;
}

static void add_words(struct world *world, const struct order *order,
                      uint64_t number, struct buf *buf)
{
    buf_append_text(buf, orders[order->kind].word);
    for (size_t i = 0; i < order->count; i++) {
        char place[48];
        host_place(&world->hosts[order->ids[i]], number, place, sizeof(place));
        buf_printf(buf, " %lu%s%s%s", (unsigned long)order->ids[i],
                   orders[order->kind].addresses ? "=" : "",
                   orders[order->kind].addresses ? place : "",
                   order->learner[i] && orders[order->kind].addresses
                       ? "/learner"
                       : "");
    }
    bool force = orders[order->kind].force && prng_chance(&world->prng, 5);
    buf_append_text(buf, force ? " FORCE\r\n" : "\r\n");
}

/* Whoever hears that a node has no leader turns to another one, at last: it may
 * have moved together with those whom it knew. */
static void turn_to_leader(struct app *app)
{
    struct world *world = app->world;
    for (unsigned i = 0; i < world->mix.hosts && world->calm; i++) {
        if (world->hosts[i].node != NULL && world->hosts[i].led) {
            app->told = &world->hosts[i];
        }
    }
}

static void answered(struct app *app, const struct asked *asked,
                     const struct resp_value *value)
{
    unsigned leader;
    if (ask_is_error(value, "NOLEADER")) {
        turn_to_leader(app);
    }
    if (ask_is_error(value, "NOTLEADER") &&
        sscanf(ask_text(value), "NOTLEADER %u ", &leader) == 1) {
        app->told = &app->world->hosts[leader];
    }
    order_answered(app, asked->order, asked->asked_us, value);
}

static void ask_for(struct app *app, const struct order *order,
                    answer_check *check, struct buf *buf)
{
    struct world *world = app->world;
    struct asked *asked = ask_note(app, check);
    asked->order = order_new(world, order);
    size_t before = buf->size;
    add_words(world, order, asked->order, buf);
    world_trace(world, app->host, "operator %u: %.*s", app->number,
                (int)(buf->size - before - 2),
                (const char *)buf->data + before);
}

static void ask(struct app *app, enum order_kind kind, struct buf *buf)
{
    struct order order = {.kind = kind};
    name_for(app->world, &order);
    if (order.count > 0 || kind == ORDER_ABORT || kind == ORDER_TRANSFER) {
        ask_for(app, &order, answered, buf);
    }
}

/* The first node is told so; all others wait. */
static void begin(struct app *app, struct buf *buf)
{
    struct world *world = app->world;
    if (!world->mix.alone || app->open_count > 0) {
        return;
    }
    if (app->host->id == 0) {
        ask(app, ORDER_BOOTSTRAP, buf);
    } else {
        app->told = &world->hosts[0];
    }
}

/* ---- the second phase --------------------------------------------------- */

/* A change that nothing speaks against: to nodes that are well, and have the
 * disk that is known or are no members. */
static void name_well(struct world *world, struct order *order)
{
    struct prng *prng = &world->prng;
    for (int tries = 0; tries < 100 && order->count == 0; tries++) {
        for (unsigned i = 0; i < world->mix.hosts; i++) {
            const struct host *host = &world->hosts[i];
            bool in = raft_config_find(members(world), i) != NULL;
            bool may = !host->left && (!in || force_member(world, host));
            if (may && prng_below(prng, 8) < (in ? 6 : 2)) {
                name(order, i, prng_chance(prng, 5));
            }
        }
    }
    if (order->count > 0) {
        order->learner[prng_below(prng, order->count)] = false;
    }
}

static void last_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    answered(app, asked, value);
    if (value->type == RESP_INTEGER) {
        world_happened(app->world, HAPPENED_CHANGED_AT_LAST);
        app->errand = 0;
    }
}

static void go_on(struct app *app, struct buf *buf)
{
    struct world *world = app->world;
    if (app->errand > 1) {
        app->errand--;
        ask(app, some_kind(world), buf);
        return;
    }
    struct order order = {.kind = ORDER_CHANGE};
    name_well(world, &order);
    if (order.count > 0) {
        ask_for(app, &order, last_answered, buf);
    }
}

static void wish_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    app->wish = WISH_ANSWERED;
    app->wish_uncertain = ask_is_error(value, "UNCERTAIN");
    answered(app, asked, value);
}

void operator_wish(struct app *app, struct host *host,
                   const struct order *order)
{
    app_go(app, host);
    app->wished = *order;
    app->wish = WISH_NOTED;
}

void operator_send(struct app *app)
{
    app->errand = (unsigned)prng_range(&app->world->prng, 1, 4);
}

bool operator_is_back(const struct app *app)
{
    return app->errand == 0;
}

/* ---- one after the other ------------------------------------------------ */

void operator_ask(struct app *app, struct buf *buf)
{
    struct world *world = app->world;
    if (app->wish == WISH_NOTED) {
        ask_for(app, &app->wished, wish_answered, buf);
        app->wish = WISH_ASKED;
    } else if (config_newest(world) == NULL) {
        begin(app, buf);
    } else if (world->calm) {
        if (app->errand > 0 && app->open_count == 0) {
            go_on(app, buf);
        }
    } else if (app->open_count == 0 || prng_chance(&world->prng, 4)) {
        ask(app, some_kind(world), buf);
    }
}

struct app *operator_new(struct world *world, unsigned number)
{
    struct app *app = app_new(world, 100 + number);
    app->operates = true;
    return app;
}
