#include "world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim.h"

/* ---- time --------------------------------------------------------------- */

struct event {
    uint64_t time_us;
    uint64_t number; /* of the same time, the first noted is first */
    event_run *run;
    void *subject;
    uint64_t life;
};

static bool sooner(const struct event *a, const struct event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us
                                    : a->number < b->number;
}

void world_at(struct world *world, uint64_t time_us, event_run *run,
              void *subject, uint64_t life)
{
    world->events = x_grow(world->events, &world->event_capacity,
                           world->event_count + 1, sizeof(*world->events));
    struct event event = {time_us, world->event_number++, run, subject, life};
    size_t at = world->event_count++;
    while (at > 0 && sooner(&event, &world->events[(at - 1) / 2])) {
        world->events[at] = world->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->events[at] = event;
}

void world_in(struct world *world, uint64_t delay_us, event_run *run,
              void *subject, uint64_t life)
{
    world_at(world, world->now_us + delay_us, run, subject, life);
}

static struct event take_first(struct world *world)
{
    struct event first = world->events[0];
    struct event last = world->events[--world->event_count];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child + 1 < world->event_count &&
            sooner(&world->events[child + 1], &world->events[child])) {
            child++;
        }
        if (child >= world->event_count ||
            !sooner(&world->events[child], &last)) {
            break;
        }
        world->events[at] = world->events[child];
        at = child;
    }
    if (world->event_count > 0) {
        world->events[at] = last;
    }
    return first;
}

static void run_until(struct world *world, uint64_t end_us)
{
    while (world->event_count > 0 && world->events[0].time_us <= end_us) {
        struct event event = take_first(world);
        assert(event.time_us >= world->now_us);
        world->now_us = event.time_us;
        event.run(world, event.subject, event.life);
    }
    world->now_us = end_us;
}

/* ---- what it says ------------------------------------------------------- */

void world_trace(struct world *world, const struct host *host,
                 const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    char line[1152];
    snprintf(line, sizeof(line), "%10.3f n%c %s\n", (double)world->now_us / 1e3,
             host == NULL ? '-' : (char)('0' + host->id), text);
    world->digest =
        digest_chain(world->digest, line, strlen(line), NULL, 0, NULL, 0);
    if (world->trace) {
        fputs(line, stdout);
    }
}

void world_fail(struct world *world, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    printf("FAIL seed=%llu at %.3f s: %s\n"
           "again: tests/sim/sim --seed=%llu\n"
           "look:  tests/sim/sim --seed=%llu --trace\n",
           (unsigned long long)world->seed, (double)world->now_us / 1e6, text,
           (unsigned long long)world->seed, (unsigned long long)world->seed);
    fflush(stdout);
    exit(1);
}

/* ---- hosts -------------------------------------------------------------- */

static struct raft_now host_now(const struct host *host)
{
    return (struct raft_now){.mono_us = host->world->now_us + 1000,
                             .unix_ms =
                                 UINT64_C(1700000000000) +
                                 (host->world->now_us + host->clock_us) / 1000};
}

bool host_paused(const struct host *host)
{
    return host->paused_until_us > host->world->now_us;
}

static void turn(struct world *world, void *subject, uint64_t life);

static void turn_at(struct host *host, uint64_t time_us)
{
    if (host->turn_at_us == 0 || time_us < host->turn_at_us) {
        host->turn_at_us = time_us;
        world_at(host->world, time_us, turn, host, host->life);
    }
}

void host_wake(struct host *host)
{
    turn_at(host, host->world->now_us);
}

static void turn(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    if (host->life != life || host->turn_at_us != world->now_us) {
        return; /* an earlier one has been noted since */
    }
    host->turn_at_us = 0;
    if (host_paused(host)) {
        turn_at(host, host->paused_until_us);
        return;
    }
    uint64_t deadline_us = node_turn(host->node, host_now(host));
    check_turn(host);
    if (world->trace) {
        struct buf buf = {0};
        raft_show(node_raft(host->node), &buf);
        world_trace(world, host, "%.*s", (int)buf.size, (char *)buf.data);
        buf_free(&buf);
    }
    /* The node's clock is 1000 us ahead of the world's, so that it is never 0.
     */
    deadline_us = deadline_us > 1000 ? deadline_us - 1000 : 0;
    turn_at(host,
            deadline_us > world->now_us ? deadline_us : world->now_us + 1);
}

static const char *no_parameter(void *context, size_t at, char *value,
                                size_t size)
{
    (void)context;
    (void)at;
    snprintf(value, size, "%s", "");
    return "";
}

static bool set_nothing(void *context, const char *name, const char *value,
                        char *why, size_t why_size)
{
    (void)context;
    (void)name;
    (void)value;
    snprintf(why, why_size, "there are no parameters here");
    return false;
}

void host_start(struct host *host)
{
    struct world *world = host->world;
    assert(host->node == NULL);
    struct node_settings settings = {
        .id = host->id,
        .cluster = "sim",
        .advertise = host->address,
        .version = "sim",
        .bootstrap = world->bootstrap,
        .election_timeout_us = 1000000,
        .heartbeat_us = 100000,
        .request_timeout_us = 5000000,
        .disk_stall_us = 5000000,
        .max_payload = 1024 * 1024,
        .max_clients = 100,
        .max_pending_bytes = 256 * 1024,
        .cache_bytes = world->mix.cache_bytes,
        .forward = world->mix.forward,
    };
    struct node_start start;
    disk_start(&host->disk, host, &start);
    struct node_parameters none = {.get = no_parameter, .set = set_nothing};
    char why[256] = "";
    host->life++;
    host->saving = NULL;
    host->turn_at_us = 0;
    host->paused_until_us = 0;
    host->node = node_new(&settings, &start, disk_store(host), net_of(host),
                          none, prng_u64(&world->prng), host_now(host), why);
    disk_started(&host->disk);
    if (host->node == NULL) {
        world_fail(world, "node %u does not start: %s", host->id, why);
    }
    world_trace(world, host, "!  starts, %zu entries", host->disk.count);
    host_wake(host);
}

void host_crash(struct host *host)
{
    struct world *world = host->world;
    if (host->saving != NULL && !host->disk.full) {
        if (prng_chance(&world->prng, 2)) {
            disk_apply(&host->disk, host->saving);
        } else {
            world->checks.lost_saves++;
        }
    }
    world_trace(world, host, "!  crashes");
    world->checks.crashes++;
    struct node *node = host->node;
    host->life++;
    host->saving = NULL;
    net_host_gone(host);
    host->node = NULL;
    host->checked = 0;
    /* Its last words go nowhere: all its connections are gone. */
    node_free(node);
}

/* ---- faults ------------------------------------------------------------- */

static struct host *some_host(struct world *world)
{
    return &world->hosts[prng_below(&world->prng, world->mix.hosts)];
}

static void start_again(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    if (host->life == life && host->node == NULL) {
        (void)world;
        host_start(host);
    }
}

void host_restart_later(struct host *host)
{
    world_in(host->world, prng_range(&host->world->prng, 1000, 4000000),
             start_again, host, host->life);
}

static void fault_crash(struct world *world)
{
    struct host *host = some_host(world);
    bool all = prng_chance(&world->prng, 12);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        struct host *victim = &world->hosts[i];
        if ((victim == host || all) && victim->node != NULL) {
            host_crash(victim);
            host_restart_later(victim);
        }
    }
}

static void heal(struct world *world, void *subject, uint64_t life)
{
    (void)subject;
    (void)life;
    memset(world->parted, 0, sizeof(world->parted));
    world_trace(world, NULL, "!  the network is whole");
}

/* Symmetric, one way only, one host alone, or any pattern at all. */
static void fault_part(struct world *world)
{
    uint64_t side = prng_u64(&world->prng);
    bool one_way = prng_chance(&world->prng, 3);
    bool alone = prng_chance(&world->prng, 3);
    bool any = prng_chance(&world->prng, 6);
    unsigned single = (unsigned)prng_below(&world->prng, world->mix.hosts);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        for (unsigned j = 0; j < world->mix.hosts; j++) {
            bool a = alone ? i == single : (side >> i & 1) != 0;
            bool b = alone ? j == single : (side >> j & 1) != 0;
            bool cut =
                any ? prng_chance(&world->prng, 3) : a != b && (!one_way || a);
            if (cut && i != j) {
                world->parted[i] |= UINT64_C(1) << j;
            }
        }
    }
    world_trace(world, NULL, "!  the network is parted");
    world_in(world, prng_range(&world->prng, 100000, 6000000), heal, NULL, 0);
}

static void fault_break(struct world *world)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (prng_chance(&world->prng, 3)) {
            net_break(wire);
        }
    }
}

static void fault_pause(struct world *world)
{
    struct host *host = some_host(world);
    if (host->node != NULL) {
        host->paused_until_us =
            world->now_us + prng_range(&world->prng, 10000, 4000000);
        world_trace(world, host, "!  pauses");
    }
}

static void disk_well(struct world *world, void *subject, uint64_t life)
{
    (void)world;
    (void)life;
    struct host *host = subject;
    host->disk.full = false;
    host->disk.slow = false;
}

static void fault_disk(struct world *world, bool full)
{
    struct host *host = some_host(world);
    host->disk.full = full;
    host->disk.slow = !full;
    world_trace(world, host, "!  disk is %s", full ? "full" : "slow");
    world_in(world, prng_range(&world->prng, 100000, 3000000), disk_well, host,
             0);
}

static void fault(struct world *world, void *subject, uint64_t life)
{
    const struct mix *mix = &world->mix;
    if (world->calm) {
        return;
    }
    unsigned weights[] = {mix->crash_weight, mix->part_weight,
                          mix->break_weight, mix->pause_weight,
                          mix->full_weight,  mix->slow_weight};
    unsigned sum = 0;
    for (size_t i = 0; i < 6; i++) {
        sum += weights[i];
    }
    uint64_t drawn = sum == 0 ? 0 : prng_below(&world->prng, sum);
    unsigned kind = 0;
    while (sum > 0 && drawn >= weights[kind]) {
        drawn -= weights[kind++];
    }
    if (sum > 0) {
        switch (kind) {
        case 0:
            fault_crash(world);
            break;
        case 1:
            fault_part(world);
            break;
        case 2:
            fault_break(world);
            break;
        case 3:
            fault_pause(world);
            break;
        case 4:
            fault_disk(world, true);
            break;
        case 5:
            fault_disk(world, false);
            break;
        }
    }
    world_in(world, prng_range(&world->prng, 1, mix->fault_gap_us * 2), fault,
             subject, life);
}

/* ---- a run -------------------------------------------------------------- */

static unsigned weight(struct world *world)
{
    return prng_chance(&world->prng, 3)
               ? 0
               : (unsigned)prng_range(&world->prng, 1, 10);
}

/* Each seed has its own kind of bad weather (swarm testing). */
static void draw_mix(struct world *world)
{
    struct prng *prng = &world->prng;
    static const unsigned sizes[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 7};
    world->mix = (struct mix){
        .hosts = sizes[prng_below(prng, 10)],
        .apps = (unsigned)prng_range(prng, 1, 4),
        .faults_us = prng_range(prng, 20, 60) * 1000000,
        .delay_us = prng_chance(prng, 3) ? 40000 : 1000,
        .crash_weight = weight(world),
        .part_weight = weight(world),
        .break_weight = weight(world),
        .pause_weight = weight(world),
        .full_weight = weight(world),
        .slow_weight = weight(world),
        .fault_gap_us = prng_range(prng, 300, 5000) * 1000,
        .save_us = prng_chance(prng, 4) ? 20000 : 1000,
        .cache_bytes = prng_chance(prng, 2) ? 4096 : 1024 * 1024,
        .forward = !prng_chance(prng, 5),
    };
}

static void make_hosts(struct world *world)
{
    size_t at = 0;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        struct host *host = &world->hosts[i];
        host->world = world;
        host->id = i;
        host->next_conn = 1;
        host->clock_us = prng_below(&world->prng, 100000000);
        snprintf(host->address, sizeof(host->address), "host%u:7000", i);
        at += (size_t)snprintf(world->bootstrap + at,
                               sizeof(world->bootstrap) - at, "%s%u=%s",
                               i == 0 ? "" : ", ", i, host->address);
        world_at(world, prng_below(&world->prng, 2000000), start_again, host,
                 0);
    }
}

static struct world *world_new(uint64_t seed, bool trace)
{
    struct world *world = x_calloc(1, sizeof(*world));
    world->seed = seed;
    world->trace = trace;
    prng_seed(&world->prng, seed);
    draw_mix(world);
    make_hosts(world);
    for (unsigned i = 0; i < world->mix.apps; i++) {
        world->apps[i] = app_new(world, i);
        app_start(world->apps[i]);
    }
    world_in(world, 1000000, fault, NULL, 0);
    return world;
}

static void world_free(struct world *world)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        struct host *host = &world->hosts[i];
        if (host->node != NULL) {
            net_host_gone(host);
            node_free(host->node);
        }
        disk_free(&host->disk);
        map_free(&host->wires);
    }
    for (unsigned i = 0; i < world->mix.apps; i++) {
        app_free(world->apps[i]);
    }
    while (world->wires != NULL) {
        struct wire *next = world->wires->next;
        buf_free(&world->wires->end[0].bytes);
        buf_free(&world->wires->end[1].bytes);
        free(world->wires);
        world->wires = next;
    }
    free(world->checks.log);
    free(world->checks.submits);
    free(world->events);
    free(world);
}

/* The second phase: everything works again, for good. */
static void calm_down(struct world *world)
{
    world->calm = true;
    heal(world, NULL, 0);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        struct host *host = &world->hosts[i];
        host->disk.full = false;
        host->disk.slow = false;
        if (host->node == NULL) {
            host_start(host);
        }
        host->paused_until_us = 0;
        host_wake(host);
    }
}

static void expect_progress(struct world *world, const uint64_t *before)
{
    for (unsigned i = 0; i < world->mix.apps; i++) {
        if (app_acknowledged(world->apps[i]) <= before[i] + 5) {
            world_fail(world,
                       "app %u got nothing acknowledged for 30 s after "
                       "everything was healed",
                       i);
        }
    }
}

static void expect_answers(struct world *world)
{
    for (unsigned i = 0; i < world->mix.apps; i++) {
        size_t open = app_open_requests(world->apps[i]);
        if (open > 0) {
            world_fail(world, "%zu requests of app %u are not answered", open,
                       i);
        }
    }
}

struct sim_result sim_run(uint64_t seed, bool trace)
{
    struct world *world = world_new(seed, trace);
    run_until(world, world->mix.faults_us);
    calm_down(world);
    run_until(world, world->now_us + 10000000);
    uint64_t before[APPS_MAX] = {0};
    for (unsigned i = 0; i < world->mix.apps; i++) {
        before[i] = app_acknowledged(world->apps[i]);
    }
    run_until(world, world->now_us + 20000000);
    expect_progress(world, before);
    for (unsigned i = 0; i < world->mix.apps; i++) {
        app_stop(world->apps[i]);
    }
    run_until(world, world->now_us + 10000000);
    expect_answers(world);
    check_end(world);
    struct sim_result result = {
        .digest = world->digest,
        .simulated_us = world->now_us,
        .elections = world->checks.elections,
        .crashes = world->checks.crashes,
        .lost_saves = world->checks.lost_saves,
        .truncations = world->checks.truncations,
        .store_reads = world->checks.store_reads,
        .acked = world->checks.acked,
        .refused = world->checks.refused,
        .uncertain = world->checks.uncertain,
        .barriers = world->checks.barriers,
        .followed = world->checks.followed,
    };
    world_free(world);
    return result;
}
