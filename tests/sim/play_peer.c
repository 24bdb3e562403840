/* Plays of what comes to a peer port, or answers where a node dials, and does
 * not keep to the protocol. */
#include <string.h>

#include "app.h"
#include "base/crc32c.h"
#include "play.h"
#include "wire/frame.h"

/* In a HELLO, behind all but its texts and its process. */
#define PURPOSE_AT (FRAME_HEAD_SIZE + 2 + 92)
/* So long it waits for an offer. */
#define STALL_US ((uint64_t)3000000)

/* ---- greetings ---------------------------------------------------------- */

/* The same for another purpose comes in its stead. */
static void answer(struct wire *wire, const uint8_t *frame, size_t size)
{
    size_t at = wire->end[0].bytes.size;
    buf_append(&wire->end[0].bytes, frame, size);
    uint8_t *copy = wire->end[0].bytes.data + at;
    be_put_u32(copy + PURPOSE_AT, FRAME_PURPOSE_INSTALL);
    be_put_u32(copy + 4, crc32c(0, copy + 8, size - 8));
}

static bool answer_for_base(struct world *world, struct wire *wire,
                            const struct host *from, const uint8_t *frame)
{
    (void)world;
    if (frame[TYPE_AT] != FRAME_HELLO || wire->end[1].host != from) {
        return false;
    }
    answer(wire, frame, 4 + (size_t)be_get_u32(frame));
    return true;
}

static bool are_connected(const struct world *world)
{
    const struct wire *wire = world->wires;
    while (wire != NULL &&
           (wire->is_free || !wire->connected || wire->end[0].gone ||
            wire->end[1].gone || wire->end[0].host == NULL)) {
        wire = wire->next;
    }
    return wire != NULL;
}

/* Whoever dialled has said what for: what the answer says about it is of no
 * interest. */
void play_purpose(struct world *world)
{
    world->loses = answer_for_base;
    play_await(world, play_has_lost, NULL, LONG_US, "a first greeting");
    world_run(world, 20000);
    if (!are_connected(world)) {
        world_fail(world, "play", "an answer ends its connection");
    }
    play_begin(world);
}

/* ---- refusals ----------------------------------------------------------- */

static void write_removed(struct buf *buf, raft_index index)
{
    struct out out = {0};
    struct out_span span;
    struct frame_refusal refusal = {
        .code = FRAME_REFUSED_REMOVED, .text = "removed", .index = index};
    frame_write_refusal(&out, &refusal);
    while (out_spans(&out, &span, 1) > 0) {
        buf_append(buf, span.data, span.size);
        out_drain(&out, span.size);
    }
    out_free(&out);
}

static bool is_ready(struct world *world, const struct host *host)
{
    (void)world;
    struct buf buf = {0};
    bool ready = node_ready(host->node, &buf);
    buf_free(&buf);
    return ready;
}

static bool is_not_ready(struct world *world, const struct host *host)
{
    return !is_ready(world, host);
}

/* Somebody connects, says this, and no more. */
static void say(struct host *host, const struct buf *bytes)
{
    struct node_input input = {.type = NODE_INPUT_PEER_OPEN,
                               .conn = host->next_conn};
    host->next_conn += 2;
    node_input(host->node, &input);
    input.type = NODE_INPUT_BYTES;
    input.data = bytes->data;
    input.size = bytes->size;
    node_input(host->node, &input);
    host_wake(host);
}

/* Who has not said who it is cannot say that a node is no member. */
void play_stranger(struct world *world)
{
    play_begin(world);
    struct buf bytes = {0};
    write_removed(&bytes, INT64_MAX);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        say(&world->hosts[i], &bytes);
        world_run(world, 100000);
        if (!is_ready(world, &world->hosts[i])) {
            world_fail(world, "play", "n%u heeds a stranger", i);
        }
    }
    buf_free(&bytes);
}

/* Whoever answers says that it was removed a little later than is known. */
static bool answer_removed(struct world *world, struct wire *wire,
                           const struct host *from, const uint8_t *frame)
{
    (void)world;
    const struct host *to = wire->end[0].host;
    if (frame[TYPE_AT] != FRAME_HELLO || to == from || to->led) {
        return false;
    }
    write_removed(&wire->end[0].bytes, to->commit + 20);
    return true;
}

/* What a node is told of its removal it believes, and no longer than until it
 * has that entry itself. */
void play_slander(struct world *world)
{
    struct host *first = play_begin(world);
    struct host *host = play_another(first);
    app_go(world->apps[0], first);
    world->loses = answer_removed;
    play_cut(host, play_another(host));
    play_await(world, is_not_ready, host, SOON_US, "it is idle");
    world->loses = NULL;
    play_await(world, is_ready, host, LONG_US, "it is ready again");
}

/* ---- bases -------------------------------------------------------------- */

/* No chunk arrives, and what comes back first on a connection for them does so
 * late. */
static bool stall_bases(struct world *world, struct wire *wire,
                        const struct host *from, const uint8_t *frame)
{
    if (frame[TYPE_AT] == FRAME_HELLO && wire->end[1].host == from &&
        be_get_u32(frame + PURPOSE_AT) == FRAME_PURPOSE_INSTALL) {
        wire->end[0].stalls_until_us = world->now_us + STALL_US;
    }
    return frame[TYPE_AT] == FRAME_CHUNK;
}

/* These two have dropped all that they know, and `host` was away meanwhile. */
static void leave_behind(struct host *host, struct host *a, struct host *b)
{
    struct world *world = host->world;
    world->mix.compact = COMPACT_FORCES;
    app_go(world->apps[0], a);
    app_go(world->apps[1], b);
    host_crash(host);
    world_run(world, 3000000);
    for (unsigned i = 0; i < 2; i++) {
        world->apps[i]->only = ask_cut;
    }
    world_run(world, 500000);
    host_start(host);
}

/* While a node is sent a base another one leads, and what of it is there it
 * says once the new leader has offered it: here that takes long. */
void play_offered(struct world *world)
{
    struct host *first = play_begin(world);
    struct host *host = play_another(first);
    struct host *other = play_another(host);
    leave_behind(host, first, other);
    world->loses = stall_bases;
    play_await(world, play_has_lost, NULL, LONG_US, "it is sent a base");
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        fault_cut(world, i, (unsigned)first->id);
        fault_cut(world, (unsigned)first->id, i);
    }
    play_await(world, play_other_leads, first, LONG_US, "another one leads");
    world_run(world, STALL_US);
    world->loses = NULL;
    play_cut(other, host);
    play_await(world, play_has_base, host, LONG_US, "it has a base");
}
