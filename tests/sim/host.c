/* Nodes: they start, have turns when they want them, and crash. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* ---- clocks ------------------------------------------------------------- */

/* A node's monotonic clock is never 0, and a little too fast or too slow. */
#define CLOCK_FIRST_US 1000

static uint64_t rate_of(const struct host *host)
{
    return (uint64_t)(1000000 + host->drift_ppm);
}

static uint64_t mono_of(const struct host *host, uint64_t world_us)
{
    return CLOCK_FIRST_US + world_us * rate_of(host) / 1000000;
}

/* The first moment of the world at which the host's clock shows that time. */
static uint64_t world_of(const struct host *host, uint64_t mono_us)
{
    if (mono_us <= CLOCK_FIRST_US) {
        return 0;
    }
    uint64_t elapsed_us = mono_us - CLOCK_FIRST_US;
    if (elapsed_us > UINT64_MAX / 2000000) {
        return UINT64_MAX; /* never */
    }
    return (elapsed_us * 1000000 + rate_of(host) - 1) / rate_of(host);
}

static struct raft_now host_now(const struct host *host)
{
    uint64_t now_us = host->world->now_us;
    return (struct raft_now){.mono_us = mono_of(host, now_us),
                             .unix_ms = UINT64_C(1700000000000) +
                                        (now_us + host->wall_us) / 1000};
}

/* ---- turns -------------------------------------------------------------- */

bool host_paused(const struct host *host)
{
    return host->paused_until_us > host->world->now_us;
}

static void turn(struct world *world, void *subject, uint64_t life);

static void turn_at(struct host *host, uint64_t time_us)
{
    if (time_us == UINT64_MAX) {
        return;
    }
    if (host->turn_at_us == 0 || time_us < host->turn_at_us) {
        host->turn_at_us = time_us;
        world_at(host->world, time_us, turn, host, host->life);
    }
}

void host_wake(struct host *host)
{
    turn_at(host, host->world->now_us);
}

/* What waited for a node that slept comes in one batch with its first turn, or
 * does not. */
static uint64_t awake_at(struct host *host)
{
    if (host->paused_until_us == UINT64_MAX) {
        return UINT64_MAX; /* for good */
    }
    return host->paused_until_us + prng_below(&host->world->prng, 30000);
}

static void turn(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    if (host->life != life || host->turn_at_us != world->now_us) {
        return; /* an earlier one has been noted since */
    }
    host->turn_at_us = 0;
    if (host_paused(host)) {
        turn_at(host, awake_at(host));
        return;
    }
    uint64_t deadline_us = node_turn(host->node, host_now(host));
    check_turn(host);
    uint64_t at_us = world_of(host, deadline_us);
    turn_at(host, at_us > world->now_us ? at_us : world->now_us + 1);
}

/* ---- starting ----------------------------------------------------------- */

/* What is odd in a mix ends with the first phase; a play has no other one. */
static uint64_t at_first(const struct world *world, uint64_t drawn)
{
    return world->calm && world->options->play == NULL ? 0 : drawn;
}

/* What an operator may make of them; nodes need not agree. */
static void draw_settings(struct node_settings *settings, uint64_t mood)
{
    struct prng prng;
    prng_seed(&prng, mood);
    settings->election_timeout_us = prng_range(&prng, 300, 1500) * 1000;
    settings->heartbeat_us =
        settings->election_timeout_us / prng_range(&prng, 3, 10);
    settings->request_timeout_us = prng_range(&prng, 200, 5000) * 1000;
    settings->catch_up_us = prng_range(&prng, 1000, 5000) * 1000;
    settings->disk_stall_us = prng_range(&prng, 500, 8000) * 1000;
    settings->max_payload = prng_range(&prng, 300, MAX_PAYLOAD);
    settings->max_pending_bytes = prng_range(&prng, 1000, MAX_PENDING_BYTES);
    settings->cache_bytes = prng_range(&prng, 1, 64) * 1024;
    settings->keep_unacked += prng_below(&prng, 100);
    settings->snapshot_tail = prng_below(&prng, 50);
    settings->snapshot_hold_us = prng_range(&prng, 100, 20000) * 1000;
    settings->send_rate =
        prng_chance(&prng, 2) ? 0 : prng_range(&prng, 50000, 2000000);
    settings->append_entries_max = prng_below(&prng, 5);
    settings->inflight_messages_max = prng_below(&prng, 6);
    settings->save_bytes_max = prng_below(&prng, 2000);
    settings->forward = !prng_chance(&prng, 4);
}

static struct node_settings usual_settings(const struct host *host)
{
    const struct world *world = host->world;
    return (struct node_settings){
        .id = host->id,
        .cluster = "sim",
        .advertise = host->address,
        .version = "sim",
        .process_id = host->life + 1,
        .bootstrap = host->listed ? world->bootstrap : "",
        .election_timeout_us = 1000000,
        .heartbeat_us = 100000,
        .request_timeout_us = 5000000,
        .catch_up_us = 3000000,
        .disk_stall_us = 5000000,
        .max_payload = MAX_PAYLOAD,
        .max_clients = 100,
        .max_pending_bytes = MAX_PENDING_BYTES,
        .cache_bytes = world->mix.cache_bytes,
        .key_window = host->key_window,
        .keep_unacked = world->mix.keep_unacked,
        .snapshot_tail = world->mix.snapshot_tail,
        .snapshot_hold_us = world->mix.snapshot_hold_us,
        .append_entries_max = at_first(world, world->mix.append_entries_max),
        .inflight_messages_max =
            at_first(world, world->mix.inflight_messages_max),
        .save_bytes_max = at_first(world, world->mix.save_bytes_max),
        .forward = world->mix.forward,
        .trace = world->options->trace,
    };
}

static struct node_settings settings_of(const struct host *host)
{
    struct node_settings settings = usual_settings(host);
    if (host->mood != 0 && !host->world->calm) {
        draw_settings(&settings, host->mood);
        /* Of a node that runs it stays what it was at its start. */
        settings.key_window =
            host->node == NULL ? settings.key_window : host->mood % 10 + 1;
    }
    return settings;
}

void host_set(struct host *host)
{
    struct node_settings settings = settings_of(host);
    node_set(host->node, &settings);
}

/* The one parameter that there is: a number, of which all settings follow. */
static const char *get_mood(void *context, size_t at, char *value, size_t size)
{
    const struct host *host = context;
    (void)at;
    snprintf(value, size, "%llu", (unsigned long long)host->mood);
    return "mood";
}

static bool set_mood(void *context, const struct node_parameter *wanted,
                     size_t count, char *why, size_t why_size)
{
    struct host *host = context;
    if (count != 1 || strcmp(wanted->name, "mood") != 0) {
        snprintf(why, why_size, "there is no such parameter");
        return false;
    }
    host->mood = strtoull(wanted->value, NULL, 10);
    world_trace(host->world, host, "!  is in mood %llu",
                (unsigned long long)host->mood);
    host_set(host);
    return true;
}

/* Half of the clocks are right, where any are wrong. */
static int64_t some_drift(struct world *world)
{
    uint64_t most = world->mix.drift_ppm;
    if (most == 0 || prng_chance(&world->prng, 2)) {
        return 0;
    }
    return (int64_t)prng_below(&world->prng, most * 2 + 1) - (int64_t)most;
}

/* The nodes of a cluster should agree, and sometimes do not. */
static uint64_t some_window(struct world *world)
{
    uint64_t window = world->mix.key_window;
    return world->mix.key_windows ? prng_range(&world->prng, window, window + 9)
                                  : window;
}

void host_start(struct host *host)
{
    struct world *world = host->world;
    assert(host->node == NULL);
    host->key_window = some_window(world);
    host->mood = 0;
    if (world->mix.moody && prng_chance(&world->prng, 2)) {
        host->mood = prng_range(&world->prng, 1, 1000000);
    }
    struct node_settings settings = settings_of(host);
    struct node_start start;
    disk_start(host, &start);
    if (host->named && start.raft.config_count > 0) {
        settings.bootstrap = world->bootstrap;
    }
    struct node_parameters parameters = {
        .context = host, .count = 1, .get = get_mood, .set = set_mood};
    char why[256] = "";
    host->life++;
    host->saving = NULL;
    host->save_waits = false;
    host->turn_at_us = 0;
    host->paused_until_us = 0;
    host->stops_by_us = 0;
    host->drift_ppm = some_drift(world);
    host->commit = host->disk.commit;
    host->term = host->disk.term;
    host->vote = host->disk.vote;
    host->prepares = false;
    host->begun_us = 0;
    host->change_serial = 0;
    host->config_index =
        start.raft.config_count == 0
            ? 0
            : start.raft.configs[start.raft.config_count - 1].index;
    host->node =
        node_new(&settings, &start, disk_store(host), net_of(host), parameters,
                 prng_u64(&world->prng), host_now(host), why);
    disk_started(host);
    if (host->node == NULL) {
        world_fail(world, "start", "node %lu does not start: %s",
                   (unsigned long)host->id, why);
    }
    world_trace(world, host, "!  starts, %zu entries", host->disk.count);
    host_wake(host);
}

/* ---- crashing ----------------------------------------------------------- */

void host_crash(struct host *host)
{
    struct world *world = host->world;
    world_trace(world, host, "!  crashes");
    world_happened(world, HAPPENED_CRASH);
    disk_crash(host);
    struct node *node = host->node;
    host->life++;
    host->saving = NULL;
    host->save_waits = false;
    net_host_gone(host);
    assert(host->wires.count == 0);
    host->config_index = 0;
    host->node = NULL;
    host->checked = 0;
    host->led = false;
    /* Its last words go nowhere: all its connections are gone. */
    node_free(node);
}

void host_start_again(struct world *world, void *subject, uint64_t life)
{
    (void)world;
    struct host *host = subject;
    if (host->life == life && host->node == NULL && host->may_start) {
        host_start(host);
    }
}

void host_restart_later(struct host *host, uint64_t most_us)
{
    struct prng *prng = &host->world->prng;
    uint64_t most = prng_chance(prng, 3) ? 10000 : most_us; /* … or at once */
    world_in(host->world, prng_range(prng, 1000, most), host_start_again, host,
             host->life);
}
