/* What comes on a stream: FOLLOW with its ACKs, and EVENTS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

/* ---- FOLLOW ------------------------------------------------------------- */

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
    return app->acks_open > 0 && status.first > status.told + 1;
}

/* Its own node drops nothing that an app which follows has not acknowledged. */
static void check_kept(struct app *app, raft_index first)
{
    const struct world *world = app->world;
    const struct host *host = app->host;
    if (app->flows && app->followed >= host->acked && !has_anothers_base(app) &&
        world->checks.count <= world->mix.keep_unacked) {
        world_fail(app->world, "what an app needs is kept",
                   "app %u has followed up to %llu, acknowledged are %llu, and "
                   "n%lu begins at %llu",
                   app->number, (unsigned long long)app->followed,
                   (unsigned long long)host->acked, (unsigned long)host->id,
                   (unsigned long long)first);
    }
}

/* A base is told once it is saved: before that a stream waits for what comes
 * with it. */
static void check_told(const struct app *app, raft_index first)
{
    const struct host *host = app->host;
    struct raft_status status;
    if (host->node == NULL || host->life != app->follow.life ||
        app->acks_open > 0) { /* it may be the answer to one */
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

/* What is gone is of no use to this app: it goes on behind it. */
static bool follow_compacted(struct app *app, const struct resp_value *value)
{
    const struct host *host = app->host;
    if (!ask_is_error(value, "COMPACTED")) {
        return false;
    }
    /* Of an ACK, it is as old as that. */
    raft_index first = ask_compacted(
        app, &app->follow, value, app->acks_open > 0 ? 0 : app->followed + 1);
    if (app->acks_open > 0 && app->followed + 1 >= first) {
        return false;
    }
    check_kept(app, first);
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
    if (index <= app->followed || index > app->world->checks.count) {
        ask_wrong(app, "FOLLOW", &value->children[1]);
    }
    check_kept(app, index + 1);
    history_known(app->world, index);
    app->followed = index;
    app->flows = true;
    world_happened(app->world, HAPPENED_ANNOUNCED);
    return true;
}

void ask_followed(struct app *app, const struct resp_value *value)
{
    if (follow_compacted(app, value) || follow_snapshot(app, value)) {
        return;
    }
    bool error = value->type == RESP_ERROR; /* not committed here yet */
    if (ask_is_error(value, "DISK")) {
        app->follow.ended = true;
        return;
    }
    if (app->acks_open > 0 && (error || value->type == RESP_SIMPLE)) {
        app->acks_open--;
        world_happened(app->world, HAPPENED_ACK);
        return;
    }
    if (value->count < 4) {
        ask_wrong(app, "FOLLOW", value);
    }
    ask_check_entry(app, &value->children[1]);
    raft_index index = (raft_index)value->children[1].integer;
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
