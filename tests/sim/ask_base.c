/* COMPACT, and what is said of entries that are gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

static raft_index first_of(const struct host *host)
{
    struct raft_status status;
    raft_status(node_raft(host->node), &status);
    return status.first;
}

raft_index ask_compacted(struct app *app, const struct channel *channel,
                         const struct resp_value *value, raft_index asked)
{
    unsigned long long first = 0;
    if (sscanf(ask_text(value), "COMPACTED %llu ", &first) != 1) {
        return 0;
    }
    const struct host *host = app->host;
    bool lives = host->node != NULL && host->life == channel->life;
    if (asked >= first || (lives && first > first_of(host))) {
        ask_wrong(app, "what is gone", value);
    }
    world_happened(app->world, HAPPENED_GONE);
    return first;
}

static bool was_rotten(const struct disk *disk, raft_index index)
{
    for (size_t i = 0; i < ROTTEN_MAX; i++) {
        if (disk->were_rotten[i] == index && index != 0) {
            return true;
        }
    }
    return false;
}

bool ask_corrupt(struct app *app, const struct resp_value *value)
{
    unsigned long long index = 0;
    if (sscanf(ask_text(value), "CORRUPT %llu ", &index) != 1) {
        return false;
    }
    const struct world *world = app->world;
    bool file = strstr(ask_text(value), "snapshot") != NULL;
    if (file ? world->happened[HAPPENED_FILE_ROT] == 0
             : !was_rotten(&app->host->disk, index)) {
        ask_wrong(app, "what is sound", value);
    }
    world_happened(app->world, HAPPENED_CORRUPT);
    return true;
}

/* ---- COMPACT ------------------------------------------------------------ */

static void compact_answered(struct app *app, const struct asked *asked,
                             const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        if (!ask_is_error(value, "ERR") && !ask_is_error(value, "DISK") &&
            !ask_is_error(value, "CORRUPT")) {
            ask_wrong(app, "COMPACT", value);
        }
        return;
    }
    /* Others may have cut more than was asked for, and keep more. */
    (void)asked;
    raft_index base = (raft_index)value->integer - 1;
    const struct host *host = app->host;
    if (host->life == app->ask.life && base > host->disk.base.index) {
        world_fail(app->world, "COMPACT is done when it is answered",
                   "app %u: up to %llu, and the base of n%lu is %llu",
                   app->number, (unsigned long long)base,
                   (unsigned long)host->id,
                   (unsigned long long)host->disk.base.index);
    }
    world_happened(app->world, HAPPENED_COMPACT);
}

/* Mostly a little behind what is known, and often so little that whoever has
 * been away, with a tail of his own, finds nothing that he knows. */
static raft_index some_index(struct world *world)
{
    struct prng *prng = &world->prng;
    raft_index known = world->checks.known_max;
    if (prng_chance(prng, 4)) {
        return prng_below(prng, world->checks.count + 2);
    }
    raft_index tail = prng_below(prng, prng_chance(prng, 2) ? 3 : 30);
    return known > tail ? known - tail : 0;
}

void ask_cut(struct app *app, struct buf *buf)
{
    ask_note(app, compact_answered);
    buf_printf(buf, "COMPACT %llu FORCE\r\n",
               (unsigned long long)app->world->checks.known_max);
}

void ask_compact(struct app *app, struct buf *buf)
{
    struct world *world = app->world;
    if (world->mix.compact == COMPACT_NEVER) {
        ask_ping(app, buf);
        return;
    }
    ask_note(app, compact_answered);
    bool forces =
        world->mix.compact == COMPACT_FORCES && prng_chance(&world->prng, 2);
    buf_printf(buf, "COMPACT %llu%s\r\n", (unsigned long long)some_index(world),
               forces ? " FORCE" : "");
}
