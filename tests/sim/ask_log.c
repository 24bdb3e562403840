/* BARRIER, WAIT and READ: what is committed, and since when. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

void ask_timed_out(struct app *app, const char *what,
                   const struct resp_value *value)
{
    static const char *const words[] = {"TIMEOUT", "NOLEADER", "NOTLEADER",
                                        "NOCONFIG", "BUSY"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ask_is_error(value, words[i])) {
            world_happened(app->world, HAPPENED_TIMEOUT);
            return;
        }
    }
    ask_wrong(app, what, value);
}

static void barrier_answered(struct app *app, const struct asked *asked,
                             const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        ask_timed_out(app, "BARRIER", value);
        return;
    }
    if ((raft_index)value->integer < asked->known_before) {
        world_fail(app->world, "BARRIER is linearizable",
                   "app %u gets %lld, but %llu was known to be committed "
                   "before it asked",
                   app->number, (long long)value->integer,
                   (unsigned long long)asked->known_before);
    }
    if ((raft_index)value->integer > app->world->checks.count) {
        ask_wrong(app, "BARRIER", value);
    }
    history_known(app->world, (raft_index)value->integer);
    world_happened(app->world, HAPPENED_BARRIER);
}

void ask_barrier(struct app *app, struct buf *buf)
{
    ask_note(app, barrier_answered);
    buf_append_text(buf, "BARRIER\r\n");
}

static void wait_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        ask_timed_out(app, "WAIT", value);
        return;
    }
    raft_index index = (raft_index)value->integer;
    if (index < asked->argument || index > app->world->checks.count) {
        ask_wrong(app, "WAIT", value);
    }
    history_known(app->world, index);
    world_happened(app->world, HAPPENED_WAIT);
}

void ask_wait(struct app *app, struct buf *buf)
{
    struct asked *asked = ask_note(app, wait_answered);
    asked->argument =
        app->world->checks.count + prng_below(&app->world->prng, 3);
    buf_printf(buf, "WAIT %llu 1000\n", (unsigned long long)asked->argument);
}

/* ---- entries ------------------------------------------------------------ */

/* [index, term, payload] against what is committed. */
void ask_check_entry(struct app *app, const struct resp_value *fields)
{
    const struct checks *checks = &app->world->checks;
    raft_index index = (raft_index)fields[0].integer;
    if (index == 0 || index > checks->count) {
        world_fail(app->world, "delivered is committed",
                   "app %u got entry %llu, which is not", app->number,
                   (unsigned long long)index);
    }
    history_known(app->world, index);
    keys_known(&app->world->checks, index);
    const struct committed *committed = &checks->log[index - 1];
    uint64_t number = history_number(fields[2].data, fields[2].size);
    if (committed->submit != number ||
        committed->term != (raft_term)fields[1].integer ||
        checks->submits[number].size != fields[2].size) {
        world_fail(app->world, "delivered is committed",
                   "app %u got another entry %llu", app->number,
                   (unsigned long long)index);
    }
}

/* No app entry lies between `after` and `index`. */
void ask_check_no_gap(struct app *app, raft_index after, raft_index index)
{
    const struct checks *checks = &app->world->checks;
    for (raft_index at = after + 1; at < index; at++) {
        if (checks->log[at - 1].kind == RAFT_KIND_APP) {
            world_fail(app->world, "no gap and no repeat",
                       "app %u got entry %llu after %llu: %llu is missing",
                       app->number, (unsigned long long)index,
                       (unsigned long long)after, (unsigned long long)at);
        }
    }
    if (index <= after) {
        world_fail(app->world, "no gap and no repeat",
                   "app %u got entry %llu after %llu", app->number,
                   (unsigned long long)index, (unsigned long long)after);
    }
}

/* Behind what is gone, or cannot be read just then, nothing comes. */
static bool may_stop(const struct app *app, raft_index last)
{
    const struct world *world = app->world;
    const struct host *host = app->host;
    struct raft_status status;
    if (world->mix.rots || world->mix.weights[FAULT_READ] > 0 ||
        host->node == NULL || host->life != app->ask.life) {
        return true;
    }
    raft_status(node_raft(host->node), &status);
    return status.first > last + 1;
}

/* Where not all that was asked for comes, there was no more. */
static void check_all_read(struct app *app, const struct asked *asked,
                           const struct resp_value *value, raft_index last)
{
    if (last < asked->told && value->count < asked->count &&
        !(value->count > 0 && may_stop(app, last))) {
        ask_check_no_gap(app, last, asked->told + 1);
    }
}

static void read_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    raft_index after = asked->argument - 1;
    if (value->type != RESP_ARRAY) {
        if (!ask_is_error(value, "ERR") && !ask_is_error(value, "DISK") &&
            !ask_corrupt(app, value) &&
            ask_compacted(app, &app->ask, value, asked->argument) == 0) {
            ask_wrong(app, "READ", value);
        }
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        const struct resp_value *fields = value->children[i].children;
        ask_check_entry(app, fields);
        raft_index index = (raft_index)fields[0].integer;
        ask_check_no_gap(app, after, index);
        after = index;
        world_happened(app->world, HAPPENED_READ);
    }
    check_all_read(app, asked, value, after);
}

static struct asked *note_read(struct app *app, raft_index from, uint64_t count)
{
    struct asked *asked = ask_note(app, read_answered);
    asked->argument = from;
    asked->count = count;
    if (app->host->life == app->ask.life) {
        asked->told = app->host->checked;
    }
    return asked;
}

/* Up to 100 entries; many of them; or, while there is none, for ever: of
 * what is known to come. */
static void ask_much(struct app *app, struct buf *buf)
{
    static const char *const counts[] = {"", " COUNT 500", " BLOCK 0"};
    struct prng *prng = &app->world->prng;
    raft_index known = app->world->checks.known_max;
    bool waits = known > 0 && prng_chance(prng, 4);
    bool many = !waits && prng_chance(prng, 2);
    raft_index from =
        prng_range(prng, 1, waits ? known : app->world->checks.count + 2);
    note_read(app, from, many ? 500 : 100);
    buf_printf(buf, "READ %llu%s\r\n", (unsigned long long)from,
               counts[waits  ? 2
                      : many ? 1
                             : 0]);
}

void ask_read_all(struct app *app, struct buf *buf)
{
    note_read(app, 1, 500);
    buf_append_text(buf, "READ 1 COUNT 500\r\n");
}

void ask_read_next(struct app *app, struct buf *buf)
{
    raft_index next = app->world->checks.count + 1;
    note_read(app, next, 100);
    buf_printf(buf, "READ %llu BLOCK 0\r\n", (unsigned long long)next);
}

void ask_read(struct app *app, struct buf *buf)
{
    struct prng *prng = &app->world->prng;
    if (app->world->mix.curious && prng_chance(prng, 3)) {
        ask_much(app, buf);
        return;
    }
    raft_index from = prng_range(prng, 1, app->world->checks.count + 2);
    uint64_t count = prng_range(prng, 1, 50);
    note_read(app, from, count);
    buf_printf(buf, "READ %llu COUNT %llu BLOCK 300\r\n",
               (unsigned long long)from, (unsigned long long)count);
}
