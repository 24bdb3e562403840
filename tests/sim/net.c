/* The network: bytes arrive in order on a connection, late, and cut anywhere;
 * connections break, hang while two hosts are parted, are clogged or half open,
 * and end with a crash. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

static void move_bytes(struct world *world, void *subject, uint64_t life);

/* No connection holds more: its sender's budget and one reply or frame. */
#define APP_UNREAD_MAX ((size_t)5 * 1024 * 1024)
#define PEER_UNREAD_MAX ((size_t)18 * 1024 * 1024)
/* How often a way that is blocked is tried. */
#define BLOCKED_US ((uint64_t)20000)
#define CLOGGED_BYTES ((size_t)400)
/* Bytes that have waited longer are old. */
#define OLD_US ((uint64_t)1000000)

bool net_parted(const struct world *world, const struct host *a,
                const struct host *b)
{
    if (a == NULL || b == NULL || a == b) {
        return false;
    }
    return (world->parted[a - world->hosts] >> (b - world->hosts) & 1) != 0;
}

static struct wire *new_wire(struct world *world)
{
    struct wire *wire = world->wires;
    while (wire != NULL && !wire->is_free) {
        wire = wire->next;
    }
    if (wire == NULL) {
        wire = x_calloc(1, sizeof(*wire));
        wire->next = world->wires;
        world->wires = wire;
    }
    wire->is_free = false;
    wire->connected = false;
    wire->hangs = false;
    wire->broken = false;
    wire->spoke = false;
    wire->offered = false;
    wire->clogged_until_us = 0;
    wire->life++;
    for (int i = 0; i < 2; i++) {
        struct buf bytes = wire->end[i].bytes;
        struct buf held = wire->end[i].held;
        struct buf unframed = wire->end[i].unframed;
        buf_clear(&bytes);
        buf_clear(&held);
        buf_clear(&unframed);
        wire->end[i] = (struct wire_end){
            .bytes = bytes, .held = held, .unframed = unframed};
    }
    return wire;
}

static void end_gone(struct wire *wire, int at)
{
    struct wire_end *end = &wire->end[at];
    if (!end->gone) {
        end->gone = true;
        buf_clear(&end->bytes);
        buf_clear(&end->held);
        if (end->host != NULL) {
            map_remove(&end->host->wires, end->conn);
        }
    }
    if (wire->end[0].gone && wire->end[1].gone) {
        wire->is_free = true;
        wire->life++;
    }
}

/* An event names a wire and, in the lowest bit of its life, an end. */
static void move_in(struct world *world, struct wire *wire, int to,
                    uint64_t delay_us)
{
    if (!wire->end[to].moving) {
        wire->end[to].moving = true;
        world_in(world, delay_us, move_bytes, wire,
                 wire->life << 1 | (uint64_t)to);
    }
}

static struct world *world_of(const struct wire *wire)
{
    for (int i = 0; i < 2; i++) {
        if (wire->end[i].host != NULL) {
            return wire->end[i].host->world;
        }
    }
    return NULL;
}

static uint64_t some_delay(struct world *world)
{
    return prng_range(&world->prng, 10, world->mix.delay_us);
}

void net_moves(struct world *world, struct wire *wire, struct wire_end *to)
{
    move_in(world, wire, to == &wire->end[0] ? 0 : 1, some_delay(world));
}

static void tell_closed(struct wire *wire, int to)
{
    struct wire_end *end = &wire->end[to];
    struct host *host = end->host;
    struct app *app = end->app;
    node_conn conn = end->conn;
    end_gone(wire, to);
    if (host != NULL) {
        struct node_input input = {.type = NODE_INPUT_CLOSED,
                                   .conn = conn,
                                   .text = "connection reset"};
        node_input(host->node, &input);
        host_wake(host);
    } else {
        app_closed(app, conn, !wire->broken);
    }
}

/* The sender hears that bytes have left: of what was lost on the way, too. */
static void tell_drained(struct wire *wire, int to, size_t size)
{
    struct wire_end *end = &wire->end[to];
    struct wire_end *from = &wire->end[1 - to];
    if (from->host == NULL || from->gone) {
        return;
    }
    bool all = end->bytes.size == 0 && end->held.size == 0;
    uint64_t left = all || size > end->owed ? end->owed : size;
    end->owed -= left;
    struct node_input drained = {
        .type = NODE_INPUT_DRAINED, .conn = from->conn, .size = (size_t)left};
    node_input(from->host->node, &drained);
    host_wake(from->host);
}

static size_t some_size(struct world *world, const struct wire *wire,
                        size_t size)
{
    if (prng_chance(&world->prng, 3)) {
        size = (size_t)prng_range(&world->prng, 1, size);
    }
    size_t most =
        wire->clogged_until_us > world->now_us ? CLOGGED_BYTES : 65536;
    return size < most ? size : most;
}

static void deliver(struct world *world, struct wire *wire, int to)
{
    struct wire_end *end = &wire->end[to];
    size_t size = some_size(world, wire, end->bytes.size);
    uint8_t *copy = x_malloc(size);
    memcpy(copy, end->bytes.data, size);
    buf_consume(&end->bytes, size);
    tell_drained(wire, to, size);
    if (end->host != NULL) {
        if (end->waits_us != 0 && world->now_us - end->waits_us > OLD_US) {
            end->host->old_us = world->now_us;
        }
        struct node_input input = {.type = NODE_INPUT_BYTES,
                                   .conn = end->conn,
                                   .data = copy,
                                   .size = size};
        node_input(end->host->node, &input);
        host_wake(end->host);
    } else {
        app_bytes(end->app, end->conn, copy, size);
    }
    free(copy);
}

static void end_of_stream(struct wire *wire, int to)
{
    struct wire_end *end = &wire->end[to];
    if (wire->end[1 - to].gone) {
        tell_closed(wire, to);
    } else if (wire->end[1 - to].shut && !end->told && end->host != NULL) {
        end->told = true;
        struct node_input input = {.type = NODE_INPUT_EOF, .conn = end->conn};
        node_input(end->host->node, &input);
        host_wake(end->host);
    }
}

static void move_bytes(struct world *world, void *subject, uint64_t life)
{
    struct wire *wire = subject;
    if (wire->life != life >> 1) {
        return;
    }
    int to = (int)(life & 1);
    struct wire_end *end = &wire->end[to];
    end->moving = false;
    if (end->gone) {
        return;
    }
    struct host *host = end->host;
    bool blocked = end->paused || (host != NULL && host_paused(host)) ||
                   net_parted(world, wire->end[1 - to].host, host);
    if (wire->hangs) {
        return; /* give_up() ends it */
    }
    if (blocked || end->stalls_until_us > world->now_us) {
        if (end->bytes.size > 0 && end->waits_us == 0) {
            end->waits_us = world->now_us;
        }
        move_in(world, wire, to, BLOCKED_US);
        return;
    }
    if (end->bytes.size == 0) {
        mangle_release(end);
    }
    if (end->bytes.size > 0) {
        deliver(world, wire, to);
        if (wire->life == life >> 1 && !end->gone) {
            end->waits_us = end->bytes.size == 0 ? 0 : end->waits_us;
            bool clogged = wire->clogged_until_us > world->now_us;
            move_in(world, wire, to, clogged ? BLOCKED_US : some_delay(world));
        }
        return;
    }
    end_of_stream(wire, to);
}

/* ---- what a node asks for ----------------------------------------------- */

static struct wire *wire_of(struct host *host, node_conn conn, int *at)
{
    struct wire *wire = map_get(&host->wires, conn);
    if (wire != NULL) {
        *at = wire->end[0].host == host && wire->end[0].conn == conn ? 0 : 1;
    }
    return wire;
}

static void append(struct world *world, struct wire *wire, int to,
                   const struct out_span *span)
{
    struct wire_end *end = &wire->end[to];
    bool frames = wire->end[0].host != NULL && wire->end[1].host != NULL;
    if (frames && (world->loses != NULL ||
                   (world->mix.lost | world->mix.doubled |
                    world->mix.reordered | world->mix.late) != 0)) {
        buf_append(&end->unframed, span->data, span->size);
    } else {
        buf_append(&end->bytes, span->data, span->size);
    }
    end->owed += span->size;
    size_t most = frames ? PEER_UNREAD_MAX : APP_UNREAD_MAX;
    if (end->owed > most) {
        world_fail(world, "limits", "%llu bytes wait for one reader",
                   (unsigned long long)end->owed);
    }
}

static void net_send(void *context, node_conn conn, struct out *out)
{
    struct host *host = context;
    int at = 0;
    struct wire *wire = wire_of(host, conn, &at);
    bool heard = wire != NULL && !wire->end[1 - at].gone;
    struct out_span spans[16];
    while (out->size > 0) {
        size_t count = out_spans(out, spans, 16);
        for (size_t i = 0; i < count; i++) {
            if (heard) {
                append(host->world, wire, 1 - at, &spans[i]);
            }
            out_drain(out, spans[i].size);
        }
    }
    if (heard) {
        mangle(host->world, wire, &wire->end[1 - at]);
    }
    if (wire != NULL) {
        move_in(host->world, wire, 1 - at, some_delay(host->world));
    }
}

static void net_close(void *context, node_conn conn, bool flush)
{
    struct host *host = context;
    int at = 0;
    struct wire *wire = wire_of(host, conn, &at);
    if (wire == NULL) {
        return;
    }
    if (!flush) {
        buf_clear(&wire->end[1 - at].bytes);
        buf_clear(&wire->end[1 - at].held);
    }
    bool other = !wire->end[1 - at].gone && wire->connected;
    end_gone(wire, at);
    if (other) {
        move_in(host->world, wire, 1 - at, some_delay(host->world));
    } else {
        end_gone(wire, 1 - at);
    }
}

static void net_pause(void *context, node_conn conn, bool paused)
{
    int at = 0;
    struct wire *wire = wire_of(context, conn, &at);
    if (wire != NULL) {
        wire->end[at].paused = paused;
    }
}

static void net_note(void *context, enum log_level level, const char *text)
{
    const struct host *host = context;
    if (level == LOG_LEVEL_TRACE) {
        world_show(host->world, host, "%s", text);
        return;
    }
    world_trace(host->world, host, "%s: %s", log_level_name(level), text);
    if (strstr(text, "another data directory") != NULL) {
        world_happened(host->world, HAPPENED_REFUSED_DISK);
    }
    if (strstr(text, "given up") != NULL) {
        world_happened(host->world, HAPPENED_STALL);
    }
    if (level == LOG_LEVEL_ERROR && strstr(text, "disk") == NULL &&
        strstr(text, "had not the hash that was said") == NULL) {
        world_fail(host->world, "no error is logged", "node %lu: %s",
                   (unsigned long)host->id, text);
    }
}

static void dial_fails(struct wire *wire, const char *why)
{
    struct host *host = wire->end[0].host;
    struct node_input input = {.type = NODE_INPUT_DIALLED,
                               .conn = wire->end[0].conn,
                               .ok = false,
                               .text = why};
    end_gone(wire, 0);
    end_gone(wire, 1);
    node_input(host->node, &input);
    host_wake(host);
}

static void dial_done(struct world *world, void *subject, uint64_t life)
{
    struct wire *wire = subject;
    if (wire->life != life || wire->end[0].gone) {
        return;
    }
    struct host *host = wire->end[0].host;
    struct host *target = wire->end[1].host;
    if (host_paused(host) ||
        (target != NULL &&
         (net_parted(world, host, target) || net_parted(world, target, host) ||
          host_paused(target)))) {
        world_in(world, 50000, dial_done, wire, life); /* it hangs */
        return;
    }
    if (target == NULL || target->node == NULL) {
        dial_fails(wire,
                   target == NULL ? "no route to host" : "connection refused");
        return;
    }
    wire->connected = true;
    wire->end[1].conn = target->next_conn;
    target->next_conn += 2;
    map_put(&target->wires, wire->end[1].conn, wire);
    struct node_input open = {.type = NODE_INPUT_PEER_OPEN,
                              .conn = wire->end[1].conn};
    node_input(target->node, &open);
    host_wake(target);
    struct node_input done = {
        .type = NODE_INPUT_DIALLED, .conn = wire->end[0].conn, .ok = true};
    node_input(host->node, &done);
    host_wake(host);
}

static void net_dial(void *context, node_conn conn, const char *address)
{
    struct host *host = context;
    struct world *world = host->world;
    struct wire *wire = new_wire(world);
    wire->end[0].host = host;
    wire->end[0].conn = conn;
    wire->end[1].host = host_at(world, address); /* NULL: nobody */
    map_put(&host->wires, conn, wire);
    world_in(world, some_delay(world) * 2, dial_done, wire, wire->life);
}

struct node_net net_of(struct host *host)
{
    return (struct node_net){.context = host,
                             .send = net_send,
                             .close = net_close,
                             .pause = net_pause,
                             .dial = net_dial,
                             .note = net_note};
}

/* ---- faults ------------------------------------------------------------- */

/* Whoever is told may dial at once, and be given this very wire. */
static void tell_both(struct wire *wire)
{
    uint64_t life = wire->life;
    for (int i = 0; i < 2 && wire->life == life; i++) {
        struct wire_end *end = &wire->end[i];
        if (!end->gone && (end->host == NULL || end->host->node != NULL)) {
            tell_closed(wire, i);
        }
    }
}

/* Some of what was sent may still arrive; then both ends hear of it. */
void net_break(struct wire *wire)
{
    if (wire->is_free || !wire->connected) {
        return;
    }
    struct world *world = world_of(wire);
    wire->broken = true;
    for (int i = 0; i < 2; i++) {
        struct wire_end *end = &wire->end[i];
        if (end->gone) {
            continue;
        }
        if (prng_chance(&world->prng, 2)) {
            buf_clear(&end->bytes);
            buf_clear(&end->held);
        }
    }
    tell_both(wire);
}

static void give_up(struct world *world, void *subject, uint64_t life)
{
    (void)world;
    struct wire *wire = subject;
    if (wire->life != life) {
        return;
    }
    tell_both(wire);
}

void net_half_open(struct wire *wire)
{
    struct world *world = world_of(wire);
    wire->hangs = true;
    world_in(world, prng_range(&world->prng, 1000000, USER_TIMEOUT_US * 2),
             give_up, wire, wire->life);
}

/* What had not left the sender's machine when it died never arrives. */
static void cut_short(struct world *world, struct wire_end *end)
{
    if (prng_chance(&world->prng, 2)) {
        buf_clear(&end->held);
        end->bytes.size =
            (size_t)prng_below(&world->prng, end->bytes.size + 1) *
            prng_below(&world->prng, 2);
    }
}

void net_host_gone(struct host *host)
{
    for (struct wire *wire = host->world->wires; wire != NULL;
         wire = wire->next) {
        for (int i = 0; i < 2 && !wire->is_free; i++) {
            if (wire->end[i].host != host || wire->end[i].gone) {
                continue;
            }
            if (!wire->connected) {
                if (i == 0) { /* the one that dials: nobody heard of it */
                    end_gone(wire, 0);
                    end_gone(wire, 1);
                }
                continue;
            }
            bool other = !wire->end[1 - i].gone;
            wire->broken = true;
            end_gone(wire, i);
            if (!other) {
                continue;
            }
            cut_short(host->world, &wire->end[1 - i]);
            /* The other end hears of it at once, or much later: a machine
             * that died sends no word. */
            uint64_t late = wire->end[1 - i].host != NULL &&
                                    prng_chance(&host->world->prng, 4)
                                ? 3000000
                                : 20000;
            wire->life++; /* nothing that was noted before moves any more */
            wire->hangs = false;
            wire->end[1 - i].moving = false;
            move_in(host->world, wire, 1 - i,
                    prng_range(&host->world->prng, 100, late));
        }
    }
    assert(host->wires.count == 0);
}

/* ---- apps --------------------------------------------------------------- */

struct wire *net_connect(struct app *app, struct host *host, node_conn conn)
{
    if (host->node == NULL) {
        return NULL;
    }
    struct wire *wire = new_wire(host->world);
    wire->connected = true;
    wire->end[0].app = app;
    wire->end[0].conn = conn;
    wire->end[1].host = host;
    wire->end[1].conn = host->next_conn;
    host->next_conn += 2;
    map_put(&host->wires, wire->end[1].conn, wire);
    struct node_input open = {.type = NODE_INPUT_APP_OPEN,
                              .conn = wire->end[1].conn};
    node_input(host->node, &open);
    host_wake(host);
    return wire;
}

void net_app_send(struct wire *wire, const void *data, size_t size)
{
    struct world *world = world_of(wire);
    if (!wire->end[1].gone) {
        buf_append(&wire->end[1].bytes, data, size);
        move_in(world, wire, 1, prng_range(&world->prng, 5, 100));
    }
}

void net_app_pause(struct wire *wire, bool paused)
{
    wire->end[0].paused = paused;
}

void net_app_close(struct wire *wire, bool half)
{
    struct world *world = world_of(wire);
    wire->end[0].shut = true;
    if (!wire->end[1].gone) {
        move_in(world, wire, 1, prng_range(&world->prng, 5, 100));
    }
    if (!half) {
        end_gone(wire, 0);
    }
}
