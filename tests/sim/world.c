#include "world.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- time --------------------------------------------------------------- */

struct event {
    uint64_t time_us;
    uint64_t number; /* of the same time, the first noted is first */
    event_run *run;
    void *subject;
    uint64_t life;
    bool owned; /* the subject is the event's own */
};

static bool sooner(const struct event *a, const struct event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us
                                    : a->number < b->number;
}

static void add_event(struct world *world, struct event event)
{
    world->events = x_grow(world->events, &world->event_capacity,
                           world->event_count + 1, sizeof(*world->events));
    event.number = world->event_number++;
    size_t at = world->event_count++;
    while (at > 0 && sooner(&event, &world->events[(at - 1) / 2])) {
        world->events[at] = world->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->events[at] = event;
}

void world_at(struct world *world, uint64_t time_us, event_run *run,
              void *subject, uint64_t life)
{
    add_event(world, (struct event){.time_us = time_us,
                                    .run = run,
                                    .subject = subject,
                                    .life = life});
}

void world_give(struct world *world, uint64_t delay_us, event_run *run,
                void *subject, uint64_t life)
{
    add_event(world, (struct event){.time_us = world->now_us + delay_us,
                                    .run = run,
                                    .subject = subject,
                                    .life = life,
                                    .owned = true});
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

void world_run(struct world *world, uint64_t us)
{
    run_until(world, world->now_us + us);
}

/* ---- what it says ------------------------------------------------------- */

bool world_shows(const struct world *world, const struct host *host)
{
    const struct sim_options *options = world->options;
    double now_s = (double)world->now_us / 1e6;
    return options->trace && now_s >= options->from_s &&
           (options->to_s <= 0 || now_s <= options->to_s) &&
           (options->node < 0 || host == NULL ||
            (raft_id)options->node == host->id);
}

static void make_line(const struct world *world, const struct host *host,
                      char *line, size_t size, const char *format,
                      va_list arguments) __attribute__((format(printf, 5, 0)));

static void make_line(const struct world *world, const struct host *host,
                      char *line, size_t size, const char *format,
                      va_list arguments)
{
    int used = snprintf(line, size, "%10.3f n%c ", (double)world->now_us / 1e3,
                        host == NULL ? '-' : (char)('0' + host->id));
    vsnprintf(line + used, size - (size_t)used, format, arguments);
}

void world_trace(struct world *world, const struct host *host,
                 const char *format, ...)
{
    char line[1152];
    va_list arguments;
    va_start(arguments, format);
    make_line(world, host, line, sizeof(line), format, arguments);
    va_end(arguments);
    world->digest =
        digest_chain(world->digest, line, strlen(line), NULL, 0, NULL, 0);
    if (world_shows(world, host)) {
        puts(line);
    }
}

void world_show(const struct world *world, const struct host *host,
                const char *format, ...)
{
    if (!world_shows(world, host)) {
        return;
    }
    char line[1152];
    va_list arguments;
    va_start(arguments, format);
    make_line(world, host, line, sizeof(line), format, arguments);
    va_end(arguments);
    puts(line);
}

void world_happened(struct world *world, enum happening what)
{
    world->happened[what]++;
}

static void print_failure(const struct world *world, const char *rule,
                          const char *text)
{
    char arguments[1024] = "";
    sim_arguments(world->options, arguments, sizeof(arguments));
    double now_s = (double)world->now_us / 1e6;
    printf("FAIL seed=%llu at %.3f s: %s: %s\n"
           "again:  tests/sim/sim%s\n"
           "look:   tests/sim/sim%s --from=%.1f --trace\n"
           "shrink: tests/sim/sim%s --shrink\n",
           (unsigned long long)world->seed, now_s, rule, text, arguments,
           arguments, now_s > 0.5 ? now_s - 0.5 : 0.0, arguments);
    fflush(stdout);
}

void world_fail(struct world *world, const char *rule, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    print_failure(world, rule, text);
    exit(1);
}

/* An assertion of the code that runs here is a violation like any other. */
static struct world *world_now;

static void on_abort(int signal)
{
    (void)signal;
    print_failure(world_now, "assertion", "see the line above");
    _exit(1);
}

/* ---- a run -------------------------------------------------------------- */

static void make_hosts(struct world *world)
{
    struct prng *prng = &world->prng;
    size_t at = 0;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        struct host *host = &world->hosts[i];
        host->world = world;
        host->id = i;
        host->may_start = true;
        host->next_conn = 1;
        host->listed = i < world->mix.listed;
        host->wall_us = prng_below(prng, 100000000);
        host_place(host, 0, host->address, sizeof(host->address));
        world_at(world, prng_below(prng, 2000000), host_start_again, host, 0);
        if (!host->listed) {
            continue;
        }
        at += (size_t)snprintf(world->bootstrap + at,
                               sizeof(world->bootstrap) - at, "%s%u=%s%s",
                               i == 0 ? "" : ", ", i, host->address,
                               i < world->mix.voters ? "" : "/learner");
    }
}

static struct world *world_new(const struct sim_options *options)
{
    struct world *world = x_calloc(1, sizeof(*world));
    world->options = options;
    world->seed = options->seed;
    world_now = world;
    signal(SIGABRT, on_abort);
    prng_seed(&world->prng, world->seed);
    if (options->play == NULL) {
        mix_draw(&world->mix, &world->prng, options);
    } else {
        mix_play(&world->mix, options);
        world->calm = true;
    }
    mix_show(world);
    make_hosts(world);
    for (unsigned i = 0; i < world->mix.apps; i++) {
        world->apps[i] = app_new(world, i);
        app_start(world->apps[i]);
    }
    for (unsigned i = 0; i < world->mix.operators; i++) {
        world->operators[i] = operator_new(world, i);
        app_start(world->operators[i]);
    }
    world_in(world, 1000000, fault_next, NULL, 0);
    if (world->mix.rots) {
        world_in(world, 1000000, fault_rot, NULL, 0);
    }
    return world;
}

static void free_wires(struct world *world)
{
    while (world->wires != NULL) {
        struct wire *next = world->wires->next;
        for (int i = 0; i < 2; i++) {
            buf_free(&world->wires->end[i].bytes);
            buf_free(&world->wires->end[i].held);
            buf_free(&world->wires->end[i].unframed);
        }
        free(world->wires);
        world->wires = next;
    }
}

static void free_events(struct world *world)
{
    for (size_t i = 0; i < world->event_count; i++) {
        if (world->events[i].owned) {
            free(world->events[i].subject);
        }
    }
    free(world->events);
}

static void world_free(struct world *world)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        struct host *host = &world->hosts[i];
        if (host->node != NULL) {
            struct node *node = host->node;
            net_host_gone(host);
            host->node = NULL; /* nobody hears its last words */
            node_free(node);
        }
        files_forget(host);
        shelf_close(&host->shelf);
        shelf_close(&host->other_shelf);
        disk_free(&host->disk);
        disk_free(&host->other_disk);
        map_free(&host->wires);
    }
    for (unsigned i = 0; i < world->mix.apps; i++) {
        app_free(world->apps[i]);
    }
    for (unsigned i = 0; i < world->mix.operators; i++) {
        app_free(world->operators[i]);
    }
    free_wires(world);
    check_free(&world->checks);
    free_events(world);
    free(world);
}

/* ---- the second phase --------------------------------------------------- */

#define PROGRESS_MAX_US ((uint64_t)30000000)
#define CONVERGE_MAX_US ((uint64_t)15000000)
#define CHANGES_MAX_US ((uint64_t)60000000)
#define STEP_US ((uint64_t)500000)
#define PROGRESS 5 /* requests of each app */

static bool all_go_on(const struct world *world, const uint64_t *before,
                      unsigned *stuck)
{
    for (unsigned i = 0; i < world->mix.apps; i++) {
        if (app_acknowledged(world->apps[i]) < before[i] + PROGRESS) {
            *stuck = i;
            return false;
        }
    }
    return true;
}

static void demand_progress(struct world *world)
{
    uint64_t before[APPS_MAX] = {0};
    for (unsigned i = 0; i < world->mix.apps; i++) {
        before[i] = app_acknowledged(world->apps[i]);
    }
    unsigned stuck = 0;
    uint64_t end_us = world->now_us + PROGRESS_MAX_US;
    while (!all_go_on(world, before, &stuck) ||
           world->happened[HAPPENED_ACKED] < 200) {
        if (world->now_us >= end_us && !all_go_on(world, before, &stuck)) {
            world_fail(world, "progress",
                       "app %u had not %d requests acknowledged within %.0f s "
                       "after a majority was healed",
                       stuck, PROGRESS, (double)PROGRESS_MAX_US / 1e6);
        }
        if (world->now_us >= end_us + 10 * PROGRESS_MAX_US) {
            world_fail(world, "progress", "%llu requests were acknowledged",
                       (unsigned long long)world->happened[HAPPENED_ACKED]);
        }
        run_until(world, world->now_us + STEP_US);
        settle_more(world);
    }
}

static const struct app *on_errand(const struct world *world)
{
    for (unsigned i = 0; i < world->mix.operators; i++) {
        if (!operator_is_back(world->operators[i])) {
            return world->operators[i];
        }
    }
    return NULL;
}

/* Operators have the members changed, to others that are well; then the apps
 * must get on again. */
static void demand_changes(struct world *world)
{
    for (unsigned i = 0; i < world->mix.operators; i++) {
        operator_send(world->operators[i]);
    }
    uint64_t end_us = world->now_us + CHANGES_MAX_US;
    while (on_errand(world) != NULL) {
        if (world->now_us >= end_us) {
            world_fail(world, "changes are made",
                       "an operator had no change made within %.0f s",
                       (double)CHANGES_MAX_US / 1e6);
        }
        run_until(world, world->now_us + STEP_US);
        settle_more(world);
    }
}

static const struct app *unanswered(const struct world *world)
{
    for (unsigned i = 0; i < world->mix.operators; i++) {
        if (app_open_requests(world->operators[i]) > 0) {
            return world->operators[i];
        }
    }
    for (unsigned i = 0; i < world->mix.apps; i++) {
        if (app_open_requests(world->apps[i]) > 0) {
            return world->apps[i];
        }
    }
    return NULL;
}

static void demand_rest(struct world *world)
{
    char why[256] = "";
    for (unsigned i = 0; i < world->mix.apps; i++) {
        app_flee(world->apps[i]);
        app_stop(world->apps[i]);
    }
    for (unsigned i = 0; i < world->mix.operators; i++) {
        app_flee(world->operators[i]);
        app_stop(world->operators[i]);
    }
    uint64_t end_us = world->now_us + CONVERGE_MAX_US;
    while (unanswered(world) != NULL ||
           !check_converged(world, why, sizeof(why))) {
        if (world->now_us >= end_us) {
            const struct app *app = unanswered(world);
            if (app != NULL) {
                world_fail(world, "every request is answered",
                           "%zu requests of an app are not",
                           app_open_requests(app));
            }
            world_fail(world, "convergence", "%s", why);
        }
        run_until(world, world->now_us + STEP_US);
        settle_more(world);
    }
}

static void run_phases(struct world *world)
{
    run_until(world, world->mix.faults_us);
    fault_settle(world);
    demand_progress(world);
    if (world->mix.operators > 0) {
        demand_changes(world);
        demand_progress(world);
    }
    demand_rest(world);
    check_end(world);
    history_end(world);
    order_end(world);
}

struct sim_result sim_run(const struct sim_options *options)
{
    struct world *world = world_new(options);
    if (options->play == NULL) {
        run_phases(world);
    } else {
        play_find(options->play)(world);
    }
    struct sim_result result = {.digest = world->digest,
                                .simulated_us = world->now_us,
                                .faults = world->fault_number};
    memcpy(result.happened, world->happened, sizeof(result.happened));
    world_free(world);
    return result;
}
