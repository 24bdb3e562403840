/* SNAPSHOT: uploads, in one go or broken off, and downloads, piece by piece. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

#define SIZE_MIN 32 /* of its head */
#define SMALL_MAX 20000
#define LARGE_MAX 700000

static bool no_upload(const struct resp_value *value)
{
    static const char *const words[] = {"ERR", "CONFLICT", "DISK", "NOCONFIG"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ask_is_error(value, words[i])) {
            return true;
        }
    }
    return false;
}

/* ---- uploads ------------------------------------------------------------ */

static void begun(struct app *app, const struct asked *asked,
                  const struct resp_value *value)
{
    (void)asked;
    app->uploads = value->type == RESP_SIMPLE;
    if (!app->uploads && !no_upload(value)) {
        ask_wrong(app, "SNAPSHOT BEGIN", value);
    }
}

static void written(struct app *app, const struct asked *asked,
                    const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        app->uploads = false;
        if (!no_upload(value)) {
            ask_wrong(app, "SNAPSHOT WRITE", value);
        }
    } else if (!app->uploads || (raft_index)value->integer != asked->argument) {
        ask_wrong(app, "SNAPSHOT WRITE", value);
    }
}

static void ended(struct app *app, const struct asked *asked,
                  const struct resp_value *value)
{
    const struct host *host = app->host;
    if (value->type != RESP_SIMPLE) {
        app->uploads = false;
        if (!no_upload(value)) {
            ask_wrong(app, "SNAPSHOT END", value);
        }
        return;
    }
    /* A base that is above it may have come since. */
    if (!app->uploads || (host->life == app->ask.life &&
                          host->disk.snapshot.index < asked->argument &&
                          host->disk.base.index < asked->argument)) {
        world_fail(app->world, "a snapshot is durable when it is answered",
                   "app %u: n%lu has one of %llu, not of %llu", app->number,
                   (unsigned long)host->id,
                   (unsigned long long)host->disk.snapshot.index,
                   (unsigned long long)asked->argument);
    }
    app->uploads = false;
    world_happened(app->world, HAPPENED_UPLOADED);
}

static void aborted(struct app *app, const struct asked *asked,
                    const struct resp_value *value)
{
    (void)asked;
    app->uploads = false;
    if (value->type != RESP_SIMPLE && !no_upload(value)) {
        ask_wrong(app, "SNAPSHOT ABORT", value);
    }
}

static void add_chunks(struct app *app, struct buf *buf, raft_index index)
{
    struct prng *prng = &app->world->prng;
    struct buf bytes = {0};
    /* Larger than a piece that is sent to another node, now and then. */
    size_t most = prng_chance(prng, 8) ? LARGE_MAX : SMALL_MAX;
    files_fill(index, (size_t)prng_range(prng, SIZE_MIN, most), &bytes);
    size_t at = 0;
    for (int left = 5; at < bytes.size; left--) {
        size_t count = left <= 1 ? bytes.size - at
                                 : (size_t)prng_range(prng, 1, bytes.size - at);
        ask_note(app, written)->argument = at + count;
        buf_printf(buf, "*3\r\n$8\r\nSNAPSHOT\r\n$5\r\nWRITE\r\n$%zu\r\n",
                   count);
        buf_append(buf, bytes.data + at, count);
        buf_append_text(buf, "\r\n");
        at += count;
    }
    buf_free(&bytes);
}

static raft_index some_known(struct world *world)
{
    struct prng *prng = &world->prng;
    raft_index tail = prng_below(prng, prng_chance(prng, 2) ? 3 : 20);
    raft_index known = world->checks.known_max;
    return known > tail ? known - tail : known;
}

static void upload(struct app *app, struct buf *buf, raft_index index)
{
    struct world *world = app->world;
    struct prng *prng = &world->prng;
    ask_note(app, begun);
    buf_printf(buf, "SNAPSHOT BEGIN %llu\r\n", (unsigned long long)index);
    add_chunks(app, buf, index);
    if (prng_chance(prng, 8)) {
        ask_note(app, aborted);
        buf_append_text(buf, "SNAPSHOT ABORT\r\n");
    } else if (prng_chance(prng, 8) && !world->calm) {
        app->vanishes = true; /* in the midst of it */
    } else {
        ask_note(app, ended)->argument = index;
        buf_append_text(buf, "SNAPSHOT END\r\n");
    }
}

/* ---- downloads ---------------------------------------------------------- */

/* From the head of a snapshot it is known what the rest must be. */
static bool take_head(struct app *app, const struct resp_value *value)
{
    char head[SIZE_MIN + 1] = "";
    unsigned long long index = 0;
    size_t size = 0;
    size_t length = value->size < SIZE_MIN ? value->size : SIZE_MIN;
    memcpy(head, value->data, length);
    if (sscanf(head, "%llu %zu", &index, &size) != 2 ||
        index > app->world->checks.count) {
        return false;
    }
    app->reads_index = index;
    app->reads_size = size;
    app->reads_at = 0;
    return true;
}

static void piece_read(struct app *app, const struct asked *asked,
                       const struct resp_value *value)
{
    if (value->type == RESP_ERROR &&
        (ask_is_error(value, "ERR") || ask_is_error(value, "DISK") ||
         ask_corrupt(app, value))) {
        app->reads_index = 0; /* there is none */
        return;
    }
    bool first = asked->argument == 0;
    if (value->type != RESP_BULK || (first && !take_head(app, value)) ||
        (asked->snapshot != 0 && asked->snapshot != app->reads_index) ||
        app->reads_at != asked->argument ||
        !files_are(app->reads_index, app->reads_size, app->reads_at,
                   value->data, value->size)) {
        world_fail(app->world, "a snapshot is read as it was written",
                   "app %u: %zu bytes from %llu of that of entry %llu, of %zu",
                   app->number, value->size,
                   (unsigned long long)asked->argument,
                   (unsigned long long)app->reads_index, app->reads_size);
    }
    if (asked->snapshot != 0) {
        world_happened(app->world, HAPPENED_READ_OF_INDEX);
    }
    app->reads_at += value->size;
    if (value->size == 0) {
        if (app->reads_at != app->reads_size) {
            ask_wrong(app, "the end of a snapshot", value);
        }
        app->reads_index = 0;
        world_happened(app->world, HAPPENED_DOWNLOADED);
    }
}

/* A piece that is asked for waits for the one before it. */
static void download(struct app *app, struct buf *buf)
{
    for (size_t i = 0; i < app->open_count; i++) {
        if (app->open[i].check == piece_read || app->open[i].resets) {
            ask_ping(app, buf);
            return;
        }
    }
    size_t offset = app->reads_index == 0 ? 0 : app->reads_at;
    struct asked *asked = ask_note(app, piece_read);
    asked->argument = offset;
    buf_printf(buf, "SNAPSHOT READ %zu %llu", offset,
               (unsigned long long)prng_range(&app->world->prng, SIZE_MIN,
                                              LARGE_MAX / 4));
    if (app->world->mix.curious && prng_chance(&app->world->prng, 2)) {
        asked->snapshot =
            offset == 0 ? app->host->disk.snapshot.index : app->reads_index;
        buf_printf(buf, " INDEX %llu", (unsigned long long)asked->snapshot);
    }
    buf_append_text(buf, "\r\n");
}

/* ---- which one ---------------------------------------------------------- */

static void info(struct app *app, const struct asked *asked,
                 const struct resp_value *value)
{
    const struct checks *checks = &app->world->checks;
    (void)asked;
    if (value->type == RESP_NIL) {
        return;
    }
    raft_index index = value->type == RESP_ARRAY && value->count >= 4
                           ? (raft_index)value->children[0].integer
                           : 0;
    if (index == 0 || index > checks->count ||
        checks->log[index - 1].term != (raft_term)value->children[1].integer) {
        ask_wrong(app, "SNAPSHOT INFO", value);
    }
}

void ask_upload(struct app *app, struct buf *buf)
{
    if (app->open_count + 8 < OPEN_MAX) {
        upload(app, buf, app->world->checks.known_max);
    }
}

void ask_snapshot(struct app *app, struct buf *buf)
{
    struct world *world = app->world;
    /* BEGIN, up to five chunks, END. */
    if (!world->mix.snapshots || app->vanishes ||
        app->open_count + 8 >= OPEN_MAX) {
        ask_ping(app, buf);
    } else if (prng_chance(&world->prng, 3)) {
        upload(app, buf, some_known(world));
    } else if (prng_chance(&world->prng, 5)) {
        ask_note(app, info);
        buf_append_text(buf, "SNAPSHOT INFO\r\n");
    } else {
        download(app, buf);
    }
}
