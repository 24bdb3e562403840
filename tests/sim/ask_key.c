/* OUTCOME and DIGEST: what the log says, without its entries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

/* ---- OUTCOME ------------------------------------------------------------ */

/* What was known of the key when this was asked is the least. */
static void outcome_is(struct app *app, const struct asked *asked,
                       raft_index index)
{
    struct checks *checks = &app->world->checks;
    if (index < asked->key_known) {
        world_fail(app->world, "OUTCOME is linearizable",
                   "app %u: key %llu is at %llu, and %llu was known before it "
                   "asked",
                   app->number, (unsigned long long)asked->key,
                   (unsigned long long)index,
                   (unsigned long long)asked->key_known);
    }
    if (index > checks->count || keys_at(checks, index) != asked->key) {
        world_fail(app->world, "OUTCOME is committed",
                   "app %u: key %llu is said to be at %llu", app->number,
                   (unsigned long long)asked->key, (unsigned long long)index);
    }
    history_known(app->world, index);
    keys_known(checks, index);
    world_happened(app->world, HAPPENED_OUTCOME);
}

static void outcome_answered(struct app *app, const struct asked *asked,
                             const struct resp_value *value)
{
    if (value->type == RESP_INTEGER) {
        outcome_is(app, asked, (raft_index)value->integer);
    } else if (value->type == RESP_NIL) {
        if (asked->key_known > asked->argument) {
            world_fail(app->world, "OUTCOME is linearizable",
                       "app %u: key %llu has none, and %llu was known before "
                       "it asked",
                       app->number, (unsigned long long)asked->key,
                       (unsigned long long)asked->key_known);
        }
        world_happened(app->world, HAPPENED_OUTCOME_NIL);
    } else if (ask_is_error(value, "FORGOTTEN")) {
        keys_forgotten_now(app->world, ask_text(value), asked->argument);
        world_happened(app->world, HAPPENED_OUTCOME_FORGOTTEN);
    } else {
        ask_timed_out(app, "OUTCOME", value);
    }
}

/* Without SINCE any key that is forgotten counts. */
void ask_outcome(struct app *app, struct buf *buf)
{
    struct world *world = app->world;
    uint64_t key = keys_some(world);
    struct asked *asked = ask_note(app, outcome_answered);
    char text[RAFT_KEY_MAX + 1];
    keys_text(key, text);
    asked->key = key;
    asked->key_known = world->checks.keys[key].known;
    buf_printf(buf, "OUTCOME %s", text);
    if (prng_chance(&world->prng, 2)) {
        asked->argument = prng_below(&world->prng, world->checks.count + 2);
        buf_printf(buf, " SINCE %llu", (unsigned long long)asked->argument);
    }
    buf_append_text(buf, "\r\n");
}

/* ---- DIGEST ------------------------------------------------------------- */

static void digest_answered(struct app *app, const struct asked *asked,
                            const struct resp_value *value)
{
    const struct checks *checks = &app->world->checks;
    if (ask_is_error(value, "ERR") || ask_is_error(value, "DISK") ||
        ask_corrupt(app, value)) {
        return; /* not committed here yet, or not to be read now */
    }
    if (value->type == RESP_ERROR &&
        ask_compacted(app, &app->ask, value, asked->argument + 1) != 0) {
        return;
    }
    if (value->type != RESP_ARRAY || value->count < 2) {
        ask_wrong(app, "DIGEST", value);
    }
    raft_index index = (raft_index)value->children[0].integer;
    char hex[DIGEST_SIZE * 2 + 1];
    digest_to_hex(index == 0 || index > checks->count
                      ? (struct digest){{0}}
                      : checks->log[index - 1].chain,
                  hex);
    bool given = asked->argument != RAFT_INDEX_NONE;
    if (index > checks->count || (given && index != asked->argument) ||
        !ask_is_text(&value->children[1], hex)) {
        world_fail(app->world, "DIGEST",
                   "app %u: that of %llu is %.*s, and should be %s",
                   app->number, (unsigned long long)index,
                   (int)value->children[1].size, value->children[1].data, hex);
    }
    history_known(app->world, index);
    world_happened(app->world, HAPPENED_DIGEST);
}

void ask_digest(struct app *app, struct buf *buf)
{
    struct prng *prng = &app->world->prng;
    struct asked *asked = ask_note(app, digest_answered);
    asked->argument = RAFT_INDEX_NONE;
    if (prng_chance(prng, 3)) {
        buf_append_text(buf, "DIGEST\r\n");
        return;
    }
    asked->argument = prng_below(prng, app->world->checks.count + 2);
    buf_printf(buf, "DIGEST %llu\r\n", (unsigned long long)asked->argument);
}
