/* An app: it speaks RESP to a node, asks in bursts, remembers what it asked
 * and what it heard, and follows the log on a second connection. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/resp.h"
#include "world.h"

#define OPEN_MAX 64

enum ask { ASK_SUBMIT, ASK_BARRIER, ASK_WAIT, ASK_READ, ASK_PING };

struct asked {
    enum ask ask;
    uint64_t number;         /* ASK_SUBMIT */
    raft_index acked_before; /* the largest index acknowledged to anybody
                                when this was asked */
    raft_index argument;
};

struct channel {
    struct wire *wire; /* NULL: not connected */
    node_conn conn;
    struct buf heard;
};

struct app {
    struct world *world;
    unsigned number;
    struct host *host;
    struct channel ask;
    struct channel follow;
    struct asked open[OPEN_MAX];
    size_t open_count;
    bool half_closed;
    raft_index last_of_connection; /* SUBMITs of one connection keep order */
    raft_index followed;           /* the last entry that the stream gave */
    node_conn next_conn;
    uint64_t acknowledged;
    bool stopping;
    struct host *told; /* NOTLEADER named it: ask there */
};

static void next_step(struct app *app, uint64_t delay_us);

/* ---- fates -------------------------------------------------------------- */

static void forget_open(struct app *app)
{
    for (size_t i = 0; i < app->open_count; i++) {
        if (app->open[i].ask == ASK_SUBMIT) {
            app->world->checks.submits[app->open[i].number].fate = FATE_UNKNOWN;
        }
    }
    app->open_count = 0;
}

/* An error that says 'no' must be true: raftsc-app(7). */
static bool says_no(const char *text, size_t size)
{
    static const char *const words[] = {"NOTLEADER ", "NOLEADER ", "BUSY ",
                                        "TOOBIG ",    "DISK ",     "NOCONFIG ",
                                        "FENCED ",    "ERR "};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t length = strlen(words[i]);
        if (size >= length && memcmp(text, words[i], length) == 0) {
            return true;
        }
    }
    return false;
}

static void submit_answered(struct app *app, const struct asked *asked,
                            const struct resp_value *value)
{
    struct checks *checks = &app->world->checks;
    if (value->type == RESP_INTEGER) {
        raft_index index = (raft_index)value->integer;
        check_acked(app->world, asked->number, index, asked->acked_before);
        if (index <= app->last_of_connection) {
            world_fail(app->world,
                       "app %u: a later SUBMIT is entry %llu, an earlier one "
                       "%llu",
                       app->number, (unsigned long long)index,
                       (unsigned long long)app->last_of_connection);
        }
        app->last_of_connection = index;
        app->acknowledged++;
        return;
    }
    if (value->type != RESP_ERROR) {
        world_fail(app->world, "app %u: SUBMIT is answered %.*s", app->number,
                   (int)value->size, value->data);
    }
    unsigned leader;
    if (sscanf(value->data, "NOTLEADER %u ", &leader) == 1) {
        app->told = &app->world->hosts[leader];
    }
    if (says_no(value->data, value->size)) {
        checks->submits[asked->number].fate = FATE_REFUSED;
        checks->refused++;
    } else {
        checks->submits[asked->number].fate = FATE_UNKNOWN;
        checks->uncertain++;
    }
}

static void barrier_answered(struct app *app, const struct asked *asked,
                             const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        return;
    }
    if ((raft_index)value->integer < asked->acked_before) {
        world_fail(app->world,
                   "app %u: BARRIER gives %lld, but %llu was acknowledged "
                   "before it was asked",
                   app->number, (long long)value->integer,
                   (unsigned long long)asked->acked_before);
    }
    app->world->checks.barriers++;
}

/* [index, term, payload] against what is committed. */
static void check_entry(struct app *app, const struct resp_value *fields)
{
    const struct checks *checks = &app->world->checks;
    raft_index index = (raft_index)fields[0].integer;
    if (index == 0 || index > checks->count) {
        world_fail(app->world, "app %u got entry %llu, which is not committed",
                   app->number, (unsigned long long)index);
    }
    const struct committed *committed = &checks->log[index - 1];
    uint64_t number = check_payload_number(fields[2].data, fields[2].size);
    if (committed->submit != number ||
        committed->term != (raft_term)fields[1].integer ||
        checks->submits[number].size != fields[2].size) {
        world_fail(app->world, "app %u got another entry %llu than committed",
                   app->number, (unsigned long long)index);
    }
}

/* No app entry lies between `after` and `index`. */
static void check_no_gap(struct app *app, raft_index after, raft_index index)
{
    const struct checks *checks = &app->world->checks;
    for (raft_index at = after + 1; at < index; at++) {
        if (checks->log[at - 1].kind == RAFT_KIND_APP) {
            world_fail(app->world,
                       "app %u got entry %llu after %llu: %llu is "
                       "missing",
                       app->number, (unsigned long long)index,
                       (unsigned long long)after, (unsigned long long)at);
        }
    }
    if (index <= after) {
        world_fail(app->world, "app %u got entry %llu after %llu", app->number,
                   (unsigned long long)index, (unsigned long long)after);
    }
}

static void read_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    raft_index after = asked->argument - 1;
    for (size_t i = 0; value->type == RESP_ARRAY && i < value->count; i++) {
        const struct resp_value *fields = value->children[i].children;
        check_entry(app, fields);
        raft_index index = (raft_index)fields[0].integer;
        check_no_gap(app, after, index);
        after = index;
    }
}

static void answered(struct app *app, const struct resp_value *value)
{
    if (app->open_count == 0) {
        world_fail(app->world, "app %u got a reply to nothing", app->number);
    }
    struct asked asked = app->open[0];
    app->open_count--;
    memmove(&app->open[0], &app->open[1],
            app->open_count * sizeof(app->open[0]));
    world_trace(app->world, app->host, "app %u: ask %d -> %d %lld %.*s",
                app->number, (int)asked.ask, (int)value->type,
                (long long)value->integer,
                value->type == RESP_ERROR ? (int)value->size : 0,
                value->data == NULL ? "" : value->data);
    switch (asked.ask) {
    case ASK_SUBMIT:
        submit_answered(app, &asked, value);
        break;
    case ASK_BARRIER:
        barrier_answered(app, &asked, value);
        break;
    case ASK_READ:
        read_answered(app, &asked, value);
        break;
    case ASK_WAIT:
        if (value->type == RESP_INTEGER &&
            (raft_index)value->integer < asked.argument) {
            world_fail(app->world, "app %u: WAIT %llu gives %lld", app->number,
                       (unsigned long long)asked.argument,
                       (long long)value->integer);
        }
        break;
    case ASK_PING:
        if (value->type != RESP_SIMPLE) {
            world_fail(app->world, "app %u: PING has no PONG", app->number);
        }
        break;
    }
}

static void pushed(struct app *app, const struct resp_value *value)
{
    if (value->type != RESP_PUSH && value->type != RESP_ARRAY) {
        return; /* +OK of an ACK, or an error of one */
    }
    if (value->count < 4) {
        world_fail(app->world, "app %u: a push of %zu", app->number,
                   value->count);
    }
    check_entry(app, &value->children[1]);
    raft_index index = (raft_index)value->children[1].integer;
    check_no_gap(app, app->followed, index);
    app->followed = index;
    app->world->checks.followed++;
}

static void take_replies(struct app *app, struct channel *channel)
{
    size_t used_all = 0;
    for (;;) {
        struct resp_value value = {0};
        size_t used = 0;
        enum resp_reply_result result =
            resp_reply_parse((const char *)channel->heard.data + used_all,
                             channel->heard.size - used_all, &value, &used);
        if (result == RESP_REPLY_BAD) {
            world_fail(app->world, "app %u: a malformed reply", app->number);
        }
        if (result == RESP_REPLY_MORE) {
            break;
        }
        if (channel == &app->ask) {
            answered(app, &value);
        } else {
            pushed(app, &value);
        }
        resp_value_clear(&value);
        used_all += used;
    }
    buf_consume(&channel->heard, used_all);
}

void app_bytes(struct app *app, node_conn conn, const uint8_t *data,
               size_t size)
{
    struct channel *channel = conn == app->ask.conn ? &app->ask : &app->follow;
    assert(conn == channel->conn);
    buf_append(&channel->heard, data, size);
    take_replies(app, channel);
}

/* ---- connections -------------------------------------------------------- */

static void lost(struct app *app, struct channel *channel)
{
    channel->wire = NULL;
    channel->conn = 0;
    buf_clear(&channel->heard);
    if (channel == &app->ask) {
        if (app->half_closed && app->open_count > 0 &&
            app->host->node != NULL && app->world->calm) {
            world_fail(app->world,
                       "app %u: half closed, and %zu requests were never "
                       "answered",
                       app->number, app->open_count);
        }
        forget_open(app);
        app->half_closed = false;
        app->last_of_connection = 0;
    }
}

void app_closed(struct app *app, node_conn conn)
{
    if (conn == app->ask.conn) {
        lost(app, &app->ask);
    } else if (conn == app->follow.conn) {
        lost(app, &app->follow);
    }
}

static void hang_up(struct app *app, struct channel *channel)
{
    struct wire *wire = channel->wire;
    lost(app, channel);
    net_app_close(wire, false);
}

static bool connect(struct app *app, struct channel *channel)
{
    if (channel->wire == NULL) {
        channel->conn = app->next_conn++;
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
    char text[64];
    int size = snprintf(text, sizeof(text), "FOLLOW %llu\r\n",
                        (unsigned long long)app->followed + 1);
    net_app_send(app->follow.wire, text, (size_t)size);
}

/* ---- asking ------------------------------------------------------------- */

static struct asked *new_asked(struct app *app, enum ask ask)
{
    struct asked *asked = &app->open[app->open_count++];
    *asked = (struct asked){.ask = ask,
                            .acked_before = app->world->checks.acked_max};
    return asked;
}

static void ask_submit(struct app *app, struct buf *buf)
{
    struct prng *prng = &app->world->prng;
    size_t size = prng_chance(prng, 50) ? (size_t)prng_range(prng, 24, 100000)
                                        : (size_t)prng_range(prng, 24, 300);
    struct asked *asked = new_asked(app, ASK_SUBMIT);
    asked->number = check_submit_new(app->world, size);
    char *payload = x_malloc(size + 1);
    memset(payload, '.', size);
    int length =
        snprintf(payload, size, "%020llu", (unsigned long long)asked->number);
    payload[length] = ' ';
    if (prng_chance(prng, 10)) {
        buf_printf(buf, "*4\r\n$6\r\nSUBMIT\r\n$%zu\r\n", size);
        buf_append(buf, payload, size);
        buf_append_text(buf, "\r\n$7\r\nTIMEOUT\r\n$3\r\n500\r\n");
    } else {
        buf_printf(buf, "*2\r\n$6\r\nsubmit\r\n$%zu\r\n", size);
        buf_append(buf, payload, size);
        buf_append_text(buf, "\r\n");
    }
    free(payload);
}

static void ask_one(struct app *app, struct buf *buf)
{
    struct prng *prng = &app->world->prng;
    struct asked *asked;
    switch (prng_below(prng, 10)) {
    case 0:
    case 1:
        new_asked(app, ASK_BARRIER);
        buf_append_text(buf, "BARRIER\r\n");
        break;
    case 2:
        asked = new_asked(app, ASK_WAIT);
        asked->argument = app->world->checks.count + prng_below(prng, 3);
        buf_printf(buf, "WAIT %llu 1000\n",
                   (unsigned long long)asked->argument);
        break;
    case 3:
        asked = new_asked(app, ASK_READ);
        asked->argument = prng_range(prng, 1, app->world->checks.count + 2);
        buf_printf(buf, "READ %llu COUNT %llu BLOCK 300\r\n",
                   (unsigned long long)asked->argument,
                   (unsigned long long)prng_range(prng, 1, 50));
        break;
    case 4:
        new_asked(app, ASK_PING);
        buf_append_text(buf, "PING\r\n");
        break;
    default:
        ask_submit(app, buf);
        break;
    }
}

static void burst(struct app *app)
{
    struct prng *prng = &app->world->prng;
    size_t count = (size_t)prng_range(prng, 1, 20);
    struct buf buf = {0};
    while (count-- > 0 && app->open_count < OPEN_MAX) {
        ask_one(app, &buf);
    }
    net_app_send(app->ask.wire, buf.data, buf.size);
    buf_free(&buf);
}

static void misbehave(struct app *app)
{
    struct prng *prng = &app->world->prng;
    if (app->world->calm) {
        return;
    }
    if (prng_chance(prng, 60)) {
        hang_up(app, &app->ask);
    } else if (prng_chance(prng, 60)) {
        app->half_closed = true;
        net_app_close(app->ask.wire, true);
    }
    if (app->follow.wire != NULL && prng_chance(prng, 100)) {
        hang_up(app, &app->follow);
    }
}

static void acknowledge(struct app *app)
{
    if (app->follow.wire != NULL && app->followed > 0 &&
        prng_chance(&app->world->prng, 5)) {
        char text[64];
        int size = snprintf(text, sizeof(text), "ACK %llu\r\n",
                            (unsigned long long)app->followed);
        net_app_send(app->follow.wire, text, (size_t)size);
    }
}

/* Where nothing is forwarded an app goes to the leader itself. */
static void move(struct app *app)
{
    if (app->told == NULL || app->told == app->host || app->half_closed) {
        return;
    }
    if (app->ask.wire != NULL) {
        hang_up(app, &app->ask);
    }
    if (app->follow.wire != NULL) {
        hang_up(app, &app->follow);
    }
    app->host = app->told;
    app->told = NULL;
}

static void step(struct world *world, void *subject, uint64_t life)
{
    (void)life;
    struct app *app = subject;
    move(app);
    follow(app);
    acknowledge(app);
    if (!app->stopping && !app->half_closed && connect(app, &app->ask)) {
        burst(app);
        misbehave(app);
    }
    if (app->ask.wire == NULL && prng_chance(&world->prng, 4) &&
        app->follow.wire == NULL) {
        /* An app that moves to another replica. */
        app->host = &world->hosts[prng_below(&world->prng, world->mix.hosts)];
    }
    next_step(app, prng_range(&world->prng, 1000, 400000));
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
