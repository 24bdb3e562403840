/* An app: it speaks RESP to a node, asks in bursts, remembers what it asked
 * and what it heard, and follows the log and the events on connections of
 * their own.  It misbehaves as apps do. */
#include "app.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* No request has a longer time-out: who hears nothing goes elsewhere. */
#define PATIENCE_US ((uint64_t)12000000)
/* … and a change of members takes what it takes. */
#define OPERATOR_PATIENCE_US ((uint64_t)40000000)
/* Between two bursts in the second phase, at most. */
#define CALM_GAP_US ((uint64_t)200000)

static void next_step(struct app *app, uint64_t delay_us);
static void hang_up(struct app *app, struct channel *channel);

/* ---- replies ------------------------------------------------------------ */

static void take(struct app *app, struct channel *channel,
                 const struct resp_value *value)
{
    if (channel == &app->ask) {
        ask_answered(app, value);
    } else if (channel == &app->follow) {
        ask_followed(app, value);
    } else {
        ask_event(app, value);
    }
}

static void take_replies(struct app *app, struct channel *channel)
{
    size_t used_all = 0;
    while (!channel->ended) {
        struct resp_value value = {0};
        size_t used = 0;
        enum resp_reply_result result =
            resp_reply_parse((const char *)channel->heard.data + used_all,
                             channel->heard.size - used_all, &value, &used);
        if (result == RESP_REPLY_BAD) {
            world_fail(app->world, "answers", "app %u: a malformed reply",
                       app->number);
        }
        if (result == RESP_REPLY_MORE) {
            break;
        }
        take(app, channel, &value);
        resp_value_clear(&value);
        used_all += used;
    }
    buf_consume(&channel->heard, used_all);
    if (channel->ended) {
        hang_up(app, channel);
    }
}

static struct channel *channel_of(struct app *app, node_conn conn)
{
    if (conn == app->ask.conn) {
        return &app->ask;
    }
    return conn == app->follow.conn ? &app->follow : &app->events;
}

void app_bytes(struct app *app, node_conn conn, const uint8_t *data,
               size_t size)
{
    struct channel *channel = channel_of(app, conn);
    assert(conn == channel->conn);
    buf_append(&channel->heard, data, size);
    take_replies(app, channel);
}

/* ---- connections -------------------------------------------------------- */

/* A node closes an app's connection only once all is answered. */
static void check_lost(struct app *app)
{
    if (app->open_count > 0) {
        world_fail(app->world, "every request is answered",
                   "app %u: closed, and %zu requests were never answered",
                   app->number, app->open_count);
    }
}

static void lost(struct app *app, struct channel *channel)
{
    channel->wire = NULL;
    channel->conn = 0;
    channel->ended = false;
    buf_clear(&channel->heard);
    if (channel == &app->ask) {
        ask_forget(app);
        app->half_closed = false;
        app->spoilt = false;
        app->last_of_connection = 0;
        app->uploads = false;
        app->reads_index = 0;
    } else if (channel == &app->follow) {
        app->stream_open_count = 0;
        app->flows = false;
        app->blind = false;
        app->restarts = false;
        app->restarted = false;
    } else {
        app->event_term = 0;
    }
}

void app_closed(struct app *app, node_conn conn, bool by_node)
{
    struct channel *channel = channel_of(app, conn);
    if (conn != channel->conn) {
        return;
    }
    if (channel == &app->ask && by_node) {
        check_lost(app);
    }
    lost(app, channel);
}

static void hang_up(struct app *app, struct channel *channel)
{
    struct wire *wire = channel->wire;
    if (wire != NULL) {
        lost(app, channel);
        net_app_close(wire, false);
    }
}

static void leave_host(struct app *app)
{
    hang_up(app, &app->ask);
    hang_up(app, &app->follow);
    hang_up(app, &app->events);
}

static bool connect(struct app *app, struct channel *channel)
{
    if (channel->wire == NULL) {
        channel->conn = app->next_conn++;
        channel->life = app->host->life;
        channel->wire = net_connect(app, app->host, channel->conn);
    }
    return channel->wire != NULL;
}

static void follow(struct app *app)
{
    if (app->follow.wire != NULL || !connect(app, &app->follow)) {
        return;
    }
    if (prng_chance(&app->world->prng, 3)) {
        app->followed = 0; /* a new life of the app: all over again */
    }
    struct buf buf = {0};
    ask_follow(app, &buf);
    net_app_send(app->follow.wire, buf.data, buf.size);
    buf_free(&buf);
}

static void watch(struct app *app)
{
    if (app->watches && app->events.wire == NULL &&
        connect(app, &app->events)) {
        static const char text[] = "EVENTS\r\n";
        app->event_term = 0;
        net_app_send(app->events.wire, text, strlen(text));
    }
}

/* ---- behaviour ---------------------------------------------------------- */

static void burst(struct app *app)
{
    struct prng *prng = &app->world->prng;
    size_t count = (size_t)prng_range(prng, 1, app->world->mix.burst);
    struct buf buf = {0};
    if (app->operates) {
        count = 0;
        operator_ask(app, &buf);
    }
    while (count-- > 0 && app->open_count < OPEN_MAX - 1) {
        if (app->only != NULL) {
            app->only(app, &buf);
        } else {
            ask_one(app, &buf);
        }
    }
    /* Not in the second phase: whoever is sent one base after the other counts
     * as getting on, also if its disk is full for good. */
    if (!app->operates && !app->world->calm && app->open_count < OPEN_MAX - 1 &&
        prng_chance(prng, app->world->mix.cut)) {
        ask_cut(app, &buf);
    }
    if (prng_chance(prng, 200) && !app->world->calm) {
        ask_garbage(app, &buf);
    } else if (app->world->mix.curious && !app->operates &&
               prng_chance(prng, 100)) {
        ask_quit(app, &buf);
    }
    if (buf.size > 0) {
        net_app_send(app->ask.wire, buf.data, buf.size);
    }
    buf_free(&buf);
}

static void read_again(struct world *world, void *subject, uint64_t life)
{
    (void)world;
    struct app *app = subject;
    const struct channel *channel = channel_of(app, life);
    if (channel->wire != NULL && channel->conn == life) {
        net_app_pause(channel->wire, false);
    }
}

static void stop_reading(struct app *app, const struct channel *channel)
{
    struct world *world = app->world;
    if (channel->wire != NULL) {
        world_happened(world, HAPPENED_SLOW_READER);
        net_app_pause(channel->wire, true);
        world_in(world, prng_range(&world->prng, 100000, 8000000), read_again,
                 app, channel->conn);
    }
}

static void misbehave(struct app *app)
{
    struct prng *prng = &app->world->prng;
    if (app->world->calm) {
        return;
    }
    if (app->vanishes || prng_chance(prng, 60)) {
        app->vanishes = false;
        world_happened(app->world, HAPPENED_VANISHED);
        hang_up(app, &app->ask);
    } else if (prng_chance(prng, 60)) {
        world_happened(app->world, HAPPENED_HALF_CLOSED);
        app->half_closed = true;
        net_app_close(app->ask.wire, true);
    } else if (prng_chance(prng, 60)) {
        stop_reading(app, &app->ask);
    }
    if (prng_chance(prng, 100)) {
        hang_up(app, &app->follow);
    } else if (prng_chance(prng, 100)) {
        stop_reading(app, &app->follow);
    }
    if (prng_chance(prng, 200)) {
        hang_up(app, &app->events);
    }
}

static void speak_on_stream(struct app *app)
{
    if (app->follow.wire != NULL) {
        struct buf buf = {0};
        ask_on_stream(app, &buf);
        if (buf.size > 0) {
            net_app_send(app->follow.wire, buf.data, buf.size);
        }
        buf_free(&buf);
    }
}

/* Where nothing is forwarded an app goes to the leader itself. */
static void move(struct app *app)
{
    if (app->told == NULL || app->told == app->host || app->half_closed ||
        app->told->cut_off) {
        return;
    }
    leave_host(app);
    app->host = app->told;
    app->told = NULL;
}

/* In the second phase an app goes to those that can serve it. */
static bool is_home(const struct world *world, const struct host *host)
{
    return !host->left && (!world->calm || force_member(world, host));
}

static struct host *some_host(struct world *world)
{
    struct host *host = NULL;
    for (int i = 0; i < 1000 && (host == NULL || !is_home(world, host)); i++) {
        host = &world->hosts[prng_below(&world->prng, world->mix.hosts)];
    }
    return host;
}

void app_go(struct app *app, struct host *host)
{
    leave_host(app);
    app->host = host;
}

void app_flee(struct app *app)
{
    if (!is_home(app->world, app->host)) {
        leave_host(app);
        app->host = some_host(app->world);
    }
}

static void lose_patience(struct app *app)
{
    uint64_t now_us = app->world->now_us;
    uint64_t most_us = app->operates ? OPERATOR_PATIENCE_US : PATIENCE_US;
    if (app->open_count == 0 || now_us - app->open[0].asked_us < most_us) {
        return;
    }
    if (app->world->calm && !app->host->left &&
        app->host->life == app->ask.life &&
        app->open[0].asked_us > app->world->calm_us) {
        world_fail(app->world, "every request is answered",
                   "app %u waits since %.3f s", app->number,
                   (double)app->open[0].asked_us / 1e6);
    }
    leave_host(app);
    app->host = some_host(app->world);
}

static void step(struct world *world, void *subject, uint64_t life)
{
    (void)life;
    struct app *app = subject;
    move(app);
    lose_patience(app);
    /* It was told to go to a leader that is left: which may lead on, or not. */
    if (app->host->left && prng_chance(&world->prng, 20)) {
        app_flee(app);
    }
    /* Who has an order open waits for its answer where it asked. */
    if (world->calm && !force_member(world, app->host) &&
        !(app->operates && app->open_count > 0)) {
        app_flee(app);
    }
    if (!app->operates) {
        follow(app);
        watch(app);
        speak_on_stream(app);
    }
    if (!app->stopping && !app->half_closed && !app->spoilt &&
        connect(app, &app->ask)) {
        burst(app);
        misbehave(app);
    }
    if (app->ask.wire == NULL && app->follow.wire == NULL &&
        prng_chance(&world->prng, 4)) {
        leave_host(app); /* an app that moves to another replica */
        app->host = some_host(world);
    }
    uint64_t gap_us =
        app->operates ? world->mix.order_gap_us : world->mix.ask_gap_us;
    if (world->calm && gap_us > CALM_GAP_US) {
        gap_us = CALM_GAP_US;
    }
    next_step(app, prng_range(&world->prng, 1000, gap_us * 2));
}

static void next_step(struct app *app, uint64_t delay_us)
{
    world_in(app->world, delay_us, step, app, 0);
}

/* ---- life --------------------------------------------------------------- */

struct app *app_new(struct world *world, unsigned number)
{
    struct app *app = x_calloc(1, sizeof(*app));
    app->world = world;
    app->number = number;
    app->host = &world->hosts[number % world->mix.hosts];
    app->watches = prng_chance(&world->prng, 3);
    app->next_conn = 1;
    return app;
}

void app_start(struct app *app)
{
    next_step(app, prng_range(&app->world->prng, 1000, 1000000));
}

void app_stop(struct app *app)
{
    app->stopping = true;
}

void app_free(struct app *app)
{
    buf_free(&app->ask.heard);
    buf_free(&app->follow.heard);
    buf_free(&app->events.heard);
    free(app);
}

size_t app_open_requests(const struct app *app)
{
    return app->open_count;
}

uint64_t app_acknowledged(const struct app *app)
{
    return app->acknowledged;
}

raft_index app_followed(const struct app *app)
{
    return app->followed;
}
