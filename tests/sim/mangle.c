/* Messages between nodes that are lost, come twice, in another order, or once
 * more much later.
 *
 * A connection does nothing of this; but a message of Raft's can be lost with
 * a connection and arrive late through another one, when both ends have been
 * started anew since, and core promises to bear all of it.  So do answers to
 * forwarded requests.  Handshakes and forwarded requests themselves belong to
 * their connection: they are lost with it, and never come twice.  An answer may
 * also be one that only a newer version knows.  Nor does a
 * message outlive the disk of either end: a connection is one between two
 * instances, as its handshake says. */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "wire/frame.h"
#include "world.h"

/* A message comes once more after at most so long, or much sooner. */
#define LATE_US ((uint64_t)8000000)
#define LATE_SOON_US ((uint64_t)500000)

#define TYPE_AT 8
#define MESSAGE_AT (FRAME_HEAD_SIZE + 2)

static bool drawn(struct world *world, unsigned per_mille)
{
    return per_mille > 0 && prng_below(&world->prng, 1000) < per_mille;
}

void mangle_release(struct wire_end *to)
{
    buf_append(&to->bytes, to->held.data, to->held.size);
    buf_clear(&to->held);
}

/* ---- once more ---------------------------------------------------------- */

struct late {
    struct host *from;
    struct host *to;
    uint64_t from_instance;
    uint64_t to_instance;
    size_t size;
    uint8_t frame[];
};

static bool same_ends(const struct late *late)
{
    return late->from->disk.identity.instance == late->from_instance &&
           late->to->disk.identity.instance == late->to_instance;
}

/* Each node speaks only where it has dialled. */
static struct wire *way(struct world *world, const struct late *late)
{
    struct wire *wire = world->wires;
    while (wire != NULL &&
           (wire->is_free || !wire->spoke || wire->end[0].host != late->from ||
            wire->end[1].host != late->to || wire->end[1].gone)) {
        wire = wire->next;
    }
    return wire;
}

static void arrive_late(struct world *world, void *subject, uint64_t life)
{
    (void)life;
    struct late *late = subject;
    struct wire *wire = same_ends(late) ? way(world, late) : NULL;
    if (wire != NULL) {
        struct wire_end *to = &wire->end[1];
        world_happened(world, HAPPENED_LATE_FRAME);
        buf_append(&to->bytes, late->frame, late->size);
        net_moves(world, wire, to);
    }
    free(late);
}

static void send_late(struct world *world, const struct wire *wire,
                      const uint8_t *frame, size_t size)
{
    struct late *late = x_malloc(sizeof(*late) + size);
    late->from = wire->end[0].host;
    late->to = wire->end[1].host;
    late->from_instance = late->from->disk.identity.instance;
    late->to_instance = late->to->disk.identity.instance;
    late->size = size;
    memcpy(late->frame, frame, size);
    uint64_t most = prng_chance(&world->prng, 2) ? LATE_US : LATE_SOON_US;
    world_give(world, prng_range(&world->prng, 1000, most), arrive_late, late,
               0);
}

/* Answers that are few, and each of which decides something, come again more
 * often than appends and what is said to them. */
static bool draws_late(struct world *world, const uint8_t *frame)
{
    if (world->mix.late == 0) {
        return false;
    }
    bool decides = frame[TYPE_AT] == FRAME_FORWARD_ANSWER ||
                   frame[MESSAGE_AT] == RAFT_MESSAGE_READ_ANSWER ||
                   frame[MESSAGE_AT] == RAFT_MESSAGE_VOTE_ANSWER;
    return decides ? prng_chance(&world->prng, 2)
                   : drawn(world, world->mix.late);
}

/* ---- of a newer version ------------------------------------------------- */

#define RESULT_AT (FRAME_HEAD_SIZE + 6 + 2 + 8)
#define RESULT_UNKNOWN 999

/* The first of the answers in it is one that this version does not know: what
 * became of the request, the asker cannot say. */
static void answer_as_newer(struct world *world, uint8_t *frame, size_t size)
{
    be_put_u16(frame + RESULT_AT, RESULT_UNKNOWN);
    be_put_u32(frame + 4, crc32c(0, frame + 8, size - 8));
    world_happened(world, HAPPENED_ANSWER_UNKNOWN);
}

/* ---- bases -------------------------------------------------------------- */

/* On a new connection nobody knows what the other one has, before that has
 * offered it.  That nothing is wanted any more may be said at once. */
static void check_wanted(struct world *world, struct wire *wire,
                         const uint8_t *frame, size_t size)
{
    struct frame_want want;
    struct frame view = {.body = frame + FRAME_HEAD_SIZE,
                         .size = size - FRAME_HEAD_SIZE};
    wire->offered = wire->offered || frame[TYPE_AT] == FRAME_OFFER;
    if (frame[TYPE_AT] == FRAME_WANT && !wire->offered &&
        frame_read_want(&view, &want) && !want.done &&
        want.decline == FRAME_DECLINE_NOT) {
        world_fail(world, "a base is wanted once it is offered",
                   "n%lu wants that of entry %llu from %llu on",
                   (unsigned long)wire->end[1].host->id,
                   (unsigned long long)want.index,
                   (unsigned long long)want.offset);
    }
}

/* ---- one after the other ------------------------------------------------ */

static void pass(struct world *world, struct wire *wire, struct wire_end *to,
                 const uint8_t *frame, size_t size)
{
    const struct mix *mix = &world->mix;
    const struct host *from = wire->end[to == &wire->end[0] ? 1 : 0].host;
    if (world->loses != NULL && world->loses(world, wire, from, frame)) {
        world_happened(world, HAPPENED_LOST_FRAME);
        return;
    }
    check_wanted(world, wire, frame, size);
    bool message = frame[TYPE_AT] == FRAME_MESSAGE && !world->calm;
    bool answer = frame[TYPE_AT] == FRAME_FORWARD_ANSWER && !world->calm;
    wire->spoke = wire->spoke || message || answer;
    if ((message || answer) && draws_late(world, frame)) {
        send_late(world, wire, frame, size);
    }
    if (message && drawn(world, mix->lost)) {
        world_happened(world, HAPPENED_LOST_FRAME);
        return;
    }
    if (message && to->held.size == 0 && drawn(world, mix->reordered)) {
        buf_append(&to->held, frame, size);
        return;
    }
    buf_append(&to->bytes, frame, size);
    if (answer && drawn(world, mix->lost)) {
        answer_as_newer(world, to->bytes.data + to->bytes.size - size, size);
    }
    if (message && drawn(world, mix->doubled)) {
        world_happened(world, HAPPENED_DOUBLED_FRAME);
        buf_append(&to->bytes, frame, size);
    }
    if (to->held.size > 0) {
        world_happened(world, HAPPENED_REORDERED_FRAME);
        mangle_release(to);
    }
}

void mangle(struct world *world, struct wire *wire, struct wire_end *to)
{
    size_t at = 0;
    while (at < to->unframed.size) {
        const uint8_t *frame = to->unframed.data + at;
        size_t size = 4 + (size_t)be_get_u32(frame);
        pass(world, wire, to, frame, size);
        at += size;
    }
    buf_clear(&to->unframed);
}
