/* What comes on a stream: FOLLOW with its ACKs, and EVENTS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

/* ---- FOLLOW ------------------------------------------------------------- */

static void note(struct app *app, enum stream_word word)
{
    app->stream_open[app->stream_open_count++] = (struct stream_asked){
        .word = word, .acks_saved = app->host->acks_saved};
}

/* ---- what is asked ------------------------------------------------------ */

/* Without an index it begins behind what its node has saved of the ACKs of all
 * its apps. */
static void begin_blind(struct app *app, struct buf *buf)
{
    app->blind = true;
    app->blind_saved = app->host->acks_saved;
    app->followed = app->host->disk.ack;
    world_trace(app->world, app->host, "app %u: follows, acknowledged are %llu",
                app->number, (unsigned long long)app->followed);
    buf_append_text(buf, "FOLLOW\r\n");
}

void ask_follow(struct app *app, struct buf *buf)
{
    struct prng *prng = &app->world->prng;
    bool curious = app->world->mix.curious;
    app->push_type = RESP_ARRAY;
    if (curious && prng_chance(prng, 3)) {
        note(app, STREAM_HELLO);
        app->push_type = RESP_PUSH;
        buf_append_text(buf, "HELLO 3\r\n");
    }
    if (curious && prng_chance(prng, 3)) {
        begin_blind(app, buf);
    } else {
        world_trace(app->world, app->host, "app %u: follows from %llu",
                    app->number, (unsigned long long)app->followed + 1);
        buf_printf(buf, "FOLLOW %llu\r\n",
                   (unsigned long long)app->followed + 1);
    }
    if (curious && !app->watches && prng_chance(prng, 2)) {
        app->event_term = 0;
        buf_append_text(buf, "EVENTS\r\n");
    }
}

static void acknowledge(struct app *app, raft_index index, struct buf *buf)
{
    note(app, STREAM_ACK);
    buf_printf(buf, "ACK %llu\r\n", (unsigned long long)index);
    if (index > app->host->acked) {
        app->host->acked = index;
    }
}

/* It begins again, not behind an entry that it gave: which tells the one from
 * the other when that comes once more. */
static void begin_again(struct app *app, struct buf *buf)
{
    const struct checks *checks = &app->world->checks;
    for (size_t i = 0; i < app->stream_open_count; i++) {
        if (app->stream_open[i].word == STREAM_AGAIN) {
            return; /* the one before is still to be answered */
        }
    }
    if (app->stopping || !app->flows || app->restarts || app->blind ||
        app->followed == 0 ||
        checks->log[app->followed - 1].kind != RAFT_KIND_APP) {
        return;
    }
    app->restarts = true;
    app->restarts_unsure = false;
    app->restarts_at = prng_range(&app->world->prng, 1, app->followed);
    world_trace(app->world, app->host, "app %u: follows again from %llu",
                app->number, (unsigned long long)app->restarts_at);
    note(app, STREAM_AGAIN);
    buf_printf(buf, "FOLLOW %llu\r\nPING\r\n",
               (unsigned long long)app->restarts_at);
}

/* Whatever a stream may be asked, and what it may not: nothing that changes
 * anything, since it may have ended meanwhile. */
static void ask_anything(struct app *app, struct buf *buf)
{
    static const char *const others[] = {"ROLE", "READ 1", "INFO", "RESET",
                                         "ECHO x"};
    struct prng *prng = &app->world->prng;
    switch (prng_below(prng, 4)) {
    case 0:
        note(app, STREAM_PING);
        buf_append_text(buf, "PING\r\n");
        break;
    case 1:
        note(app, STREAM_REFUSED);
        buf_printf(buf, "%s\r\n", others[prng_below(prng, 5)]);
        break;
    case 2: /* it may go back */
        acknowledge(app, prng_below(prng, app->followed + 1), buf);
        break;
    case 3:
        begin_again(app, buf);
        break;
    }
}

void ask_on_stream(struct app *app, struct buf *buf)
{
    struct prng *prng = &app->world->prng;
    bool room = app->stream_open_count + 2 < STREAM_OPEN_MAX;
    if (app->followed > 0 && prng_chance(prng, 5) && room) {
        acknowledge(app, app->followed, buf);
    }
    if (app->world->mix.curious && prng_chance(prng, 8) && room) {
        ask_anything(app, buf);
    }
}

/* ---- what is gone ------------------------------------------------------- */

/* What is answered next, beside the pushes. */
static bool is_next(const struct app *app, enum stream_word word)
{
    return app->stream_open_count > 0 && app->stream_open[0].word == word;
}

/* It is saved by the time that a stream hears of it; an ACK is told before. */
static bool has_anothers_base(const struct app *app)
{
    const struct host *host = app->host;
    if (host->disk.installed || host->node == NULL ||
        host->life != app->follow.life) {
        return true;
    }
    struct raft_status status;
    raft_status(node_raft(host->node), &status);
    return is_next(app, STREAM_ACK) && status.first > status.told + 1;
}

/* Its own node drops nothing that an app which follows has not acknowledged,
 * of the newest so many.  A snapshot may end above the log's beginning, of
 * which nothing is said with it: it proves something where all is kept. */
static void check_kept(struct app *app, raft_index first, bool exact)
{
    const struct world *world = app->world;
    const struct host *host = app->host;
    if (!app->flows || app->restarts || app->followed < host->acked ||
        has_anothers_base(app)) {
        return;
    }
    struct raft_status status;
    raft_status(node_raft(host->node), &status);
    uint64_t keep = world->mix.keep_unacked;
    if (exact ? first + keep > status.told + 1 : keep > status.told) {
        world_fail(app->world, "what an app needs is kept",
                   "app %u has followed up to %llu, acknowledged are %llu, and "
                   "n%lu, which has told %llu, begins at %llu",
                   app->number, (unsigned long long)app->followed,
                   (unsigned long long)host->acked, (unsigned long)host->id,
                   (unsigned long long)status.told, (unsigned long long)first);
    }
}

/* A base is told once it is saved: before that a stream waits for what comes
 * with it. */
static void check_told(const struct app *app, raft_index first)
{
    const struct host *host = app->host;
    struct raft_status status;
    if (host->node == NULL || host->life != app->follow.life ||
        is_next(app, STREAM_ACK)) { /* it may be the answer to it */
        return;
    }
    raft_status(node_raft(host->node), &status);
    if (first > status.told + 1) {
        world_fail(app->world, "what is gone was told",
                   "app %u: n%lu begins at %llu, and has told %llu",
                   app->number, (unsigned long)host->id,
                   (unsigned long long)first, (unsigned long long)status.told);
    }
}

/* Behind which entry the stream goes on, now that it gives entry `index`, or a
 * snapshot of that. */
static void see_begin(struct app *app, raft_index index)
{
    if (app->blind) {
        bool known = app->blind_saved == app->host->acks_saved;
        app->followed = known ? app->followed : index - 1;
        app->blind = false;
        world_happened(app->world, HAPPENED_FOLLOW_BLIND);
    }
    if (app->restarts && index <= app->followed) {
        app->followed = app->restarts_at - 1;
        app->restarts = false;
        app->restarted = false;
        world_happened(app->world, HAPPENED_FOLLOW_AGAIN);
    }
}

/* The least that it asked for. */
static raft_index asked_for(const struct app *app)
{
    if (is_next(app, STREAM_ACK) || app->blind) {
        return 0; /* … or as an ACK of another index */
    }
    return app->restarts ? app->restarts_at : app->followed + 1;
}

/* What is gone is of no use to this app: it goes on behind it. */
static bool follow_compacted(struct app *app, const struct resp_value *value)
{
    const struct host *host = app->host;
    if (!ask_is_error(value, "COMPACTED")) {
        return false;
    }
    raft_index first = ask_compacted(app, &app->follow, value, asked_for(app));
    bool may_end = app->restarts || app->blind || app->followed + 1 < first;
    if (first == 0 || (is_next(app, STREAM_ACK) && !may_end)) {
        return false;
    }
    check_kept(app, first, true);
    check_told(app, first);
    world_trace(app->world, host, "app %u: a stream ends, COMPACTED %llu",
                app->number, (unsigned long long)first);
    app->followed = first - 1;
    app->follow.ended = true;
    world_happened(app->world, HAPPENED_FOLLOW_GONE);
    return true;
}

/* It is loaded at once, as it were. */
static bool follow_snapshot(struct app *app, const struct resp_value *value)
{
    if (value->count < 3 || !ask_is_text(&value->children[0], "snapshot")) {
        return false;
    }
    raft_index index = (raft_index)value->children[1].integer;
    see_begin(app, index);
    if (index <= app->followed || index > app->world->checks.count) {
        ask_wrong(app, "FOLLOW", &value->children[1]);
    }
    check_kept(app, index + 1, false);
    history_known(app->world, index);
    app->restarts = app->restarts && !app->restarted;
    app->restarts_unsure = app->restarts;
    app->restarted = false;
    app->followed = index;
    app->flows = true;
    world_happened(app->world, HAPPENED_ANNOUNCED);
    return true;
}

/* ---- what is answered --------------------------------------------------- */

static void check_answer(struct app *app, const struct stream_asked *asked,
                         const struct resp_value *value)
{
    bool error = value->type == RESP_ERROR;
    bool ok = value->type == RESP_SIMPLE;
    bool right = false;
    switch (asked->word) {
    case STREAM_ACK: /* an error: it is not committed here yet, or gone */
        right = (error && (ask_is_error(value, "ERR") ||
                           ask_is_error(value, "COMPACTED"))) ||
                (ok && ask_is_text(value, "OK"));
        world_happened(app->world, HAPPENED_ACK);
        break;
    case STREAM_AGAIN:
        app->restarted = app->restarts && !app->restarts_unsure;
        right = ok && ask_is_text(value, "PONG");
        break;
    case STREAM_PING:
        right = ok && ask_is_text(value, "PONG");
        break;
    case STREAM_HELLO:
        right = value->type == RESP_MAP;
        break;
    case STREAM_REFUSED:
        right = ask_is_error(value, "ERR");
        world_happened(app->world, HAPPENED_STREAM_REFUSED);
        break;
    }
    if (!right) {
        ask_wrong(app, "what was asked on a stream", value);
    }
    if (asked->word == STREAM_ACK && ok &&
        app->host->life == app->follow.life &&
        app->host->acks_saved == asked->acks_saved) {
        world_fail(app->world, "an ACK is durable when it is answered",
                   "app %u: none was saved by n%lu since it was asked",
                   app->number, (unsigned long)app->host->id);
    }
}

static bool follow_answered(struct app *app, const struct resp_value *value)
{
    if (app->stream_open_count == 0 ||
        !(is_next(app, STREAM_HELLO) || value->type == RESP_ERROR ||
          value->type == RESP_SIMPLE)) {
        return false;
    }
    struct stream_asked asked = app->stream_open[0];
    app->stream_open_count--;
    memmove(&app->stream_open[0], &app->stream_open[1],
            app->stream_open_count * sizeof(app->stream_open[0]));
    check_answer(app, &asked, value);
    return true;
}

/* The state of the node, where EVENTS was asked on this stream. */
static bool follow_event(struct app *app, const struct resp_value *value)
{
    static const char *const names[] = {"role",    "leader", "config",
                                        "cluster", "change", "catch-up"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (value->count > 0 && ask_is_text(&value->children[0], names[i])) {
            ask_event(app, value);
            return true;
        }
    }
    return false;
}

void ask_followed(struct app *app, const struct resp_value *value)
{
    if (follow_compacted(app, value)) {
        return;
    }
    if (ask_is_error(value, "DISK") || ask_corrupt(app, value)) {
        app->follow.ended = true;
        return;
    }
    if (follow_answered(app, value)) {
        return;
    }
    if (value->type != app->push_type) {
        ask_wrong(app, "FOLLOW", value);
    }
    if (follow_event(app, value) || follow_snapshot(app, value)) {
        return;
    }
    if (value->count < 4 || !ask_is_text(&value->children[0], "entry")) {
        ask_wrong(app, "FOLLOW", value);
    }
    ask_check_entry(app, &value->children[1]);
    raft_index index = (raft_index)value->children[1].integer;
    see_begin(app, index);
    if (app->restarted) {
        world_fail(app->world, "a stream begins where it is told to",
                   "app %u got entry %llu, not one from %llu on", app->number,
                   (unsigned long long)index,
                   (unsigned long long)app->restarts_at);
    }
    ask_check_no_gap(app, app->followed, index);
    app->followed = index;
    app->flows = true;
    world_happened(app->world, HAPPENED_FOLLOWED);
}

/* ---- EVENTS ------------------------------------------------------------- */

static void leader_event(struct app *app, const struct resp_value *fields)
{
    raft_term term = (raft_term)fields[3].integer;
    const struct host *leader = check_leader_of(app->world, term);
    if (fields[1].integer >= 0 &&
        (leader == NULL || leader->id != (raft_id)fields[1].integer)) {
        world_fail(app->world, "events",
                   "app %u hears that n%lld leads term %llu", app->number,
                   (long long)fields[1].integer, (unsigned long long)term);
    }
}

static void role_event(struct app *app, const struct resp_value *fields)
{
    raft_term term = (raft_term)fields[2].integer;
    if (term < app->event_term) {
        world_fail(app->world, "events",
                   "app %u hears of term %llu after term %llu", app->number,
                   (unsigned long long)term,
                   (unsigned long long)app->event_term);
    }
    app->event_term = term;
    if (!ask_is_text(&fields[1], "leader")) {
        return;
    }
    if (check_leader_of(app->world, term) != app->host) {
        world_fail(app->world, "events",
                   "app %u hears that its node leads term %llu", app->number,
                   (unsigned long long)term);
    }
    app->token = term;
}

void ask_event(struct app *app, const struct resp_value *value)
{
    if (value->count < 3) {
        ask_wrong(app, "EVENTS", value);
    }
    world_happened(app->world, HAPPENED_EVENT);
    if (ask_is_text(&value->children[0], "role")) {
        role_event(app, value->children);
    } else if (ask_is_text(&value->children[0], "leader")) {
        leader_event(app, value->children);
    }
}
