/* Messages between nodes that are lost, come twice, or in another order.
 *
 * A connection does nothing of this; but a message of Raft's can be lost with
 * a connection and arrive late through another one, and core promises to bear
 * all of it.  Handshakes and forwarded requests belong to their connection:
 * they are lost with it, and never doubled. */
#include "wire/frame.h"
#include "world.h"

#define TYPE_AT 8

static bool drawn(struct world *world, unsigned per_mille)
{
    return per_mille > 0 && prng_below(&world->prng, 1000) < per_mille;
}

void mangle_release(struct wire_end *to)
{
    buf_append(&to->bytes, to->held.data, to->held.size);
    buf_clear(&to->held);
}

static void pass(struct world *world, struct wire_end *to, const uint8_t *frame,
                 size_t size)
{
    const struct mix *mix = &world->mix;
    bool message = frame[TYPE_AT] == FRAME_MESSAGE && !world->calm;
    if (message && drawn(world, mix->lost)) {
        world_happened(world, HAPPENED_LOST_FRAME);
        return;
    }
    if (message && to->held.size == 0 && drawn(world, mix->reordered)) {
        buf_append(&to->held, frame, size);
        return;
    }
    buf_append(&to->bytes, frame, size);
    if (message && drawn(world, mix->doubled)) {
        world_happened(world, HAPPENED_DOUBLED_FRAME);
        buf_append(&to->bytes, frame, size);
    }
    if (to->held.size > 0) {
        world_happened(world, HAPPENED_REORDERED_FRAME);
        mangle_release(to);
    }
}

void mangle(struct world *world, struct wire_end *to)
{
    size_t at = 0;
    while (at < to->unframed.size) {
        const uint8_t *frame = to->unframed.data + at;
        size_t size = 4 + (size_t)be_get_u32(frame);
        pass(world, to, frame, size);
        at += size;
    }
    buf_clear(&to->unframed);
}
