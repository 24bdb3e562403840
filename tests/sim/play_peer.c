/* Plays of what comes to a peer port, or answers where a node dials, and does
 * not keep to the protocol. */
#include <string.h>

#include "base/crc32c.h"
#include "play.h"
#include "wire/frame.h"

/* In a HELLO, behind all but its texts and its process. */
#define PURPOSE_AT (FRAME_HEAD_SIZE + 2 + 92)

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

static bool has_answered(struct world *world, const struct host *host)
{
    (void)host;
    return world->happened[HAPPENED_LOST_FRAME] > 0;
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
    play_await(world, has_answered, NULL, LONG_US, "a first greeting");
    world_run(world, 20000);
    if (!are_connected(world)) {
        world_fail(world, "play", "an answer ends its connection");
    }
    play_begin(world);
}
