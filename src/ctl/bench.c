#include "ctl/bench.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/interrupt.h"
#include "ctl/progress.h"

#define EVENTS_MAX 256
#define LOOK_US ((uint64_t)250000) /* for the clock and the bar */
#define DRAIN_US ((uint64_t)10000000)
#define LINE_SIZE 256

const char *const bench_names[BENCH_KINDS] = {
    [BENCH_SUBMIT] = "submit",
    [BENCH_BARRIER] = "barrier",
    [BENCH_READ] = "read",
};

struct bench {
    const struct bench_plan *plan;
    struct bench_result *result;
    struct bench_requests requests;
    struct channel **channels;
    size_t count;
    size_t next; /* with a rate: whose turn it is */
    int epoll;
    struct prng prng;
    uint64_t share_total;
    uint64_t started_us;
    uint64_t now_us;
    uint64_t ended_us; /* no more is sent since; 0: it goes on */
    struct progress progress;
    uint64_t drawn_us;
    uint64_t drawn_answers;
};

/* ---- connections -------------------------------------------------------- */

/* As many descriptors as this process may have. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool connect_one(struct bench *bench)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct channel *channel;
    int error = 0;
    int fd =
        client_connect(bench->plan->socket, bench->plan->timeout_us, &error);

    if (fd < 0) {
        snprintf(bench->result->trouble, sizeof(bench->result->trouble),
                 "cannot reach the node at %s: %s", bench->plan->socket,
                 strerror(error));
        return false;
    }
    channel = channel_new(fd, (size_t)bench->plan->depth, &bench->requests);
    bench->channels[bench->count++] = channel;
    event.data.ptr = channel;
    if (epoll_ctl(bench->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die(EXIT_STATUS_SOFTWARE, "epoll_ctl: %s", strerror(errno));
    return true;
}

static bool connect_all(struct bench *bench)
{
    struct epoll_event event = {.events = EPOLLIN}; /* no channel: a signal */

    bench->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (bench->epoll < 0)
        die(EXIT_STATUS_SOFTWARE, "epoll_create1: %s", strerror(errno));
    if (epoll_ctl(bench->epoll, EPOLL_CTL_ADD, interrupt_descriptor(),
                  &event) != 0)
        die(EXIT_STATUS_SOFTWARE, "epoll_ctl: %s", strerror(errno));
    raise_limit();
    while (bench->count < bench->plan->clients) {
        if (!connect_one(bench))
            return false;
    }
    return true;
}

static void wants_to_write(struct bench *bench, struct channel *channel,
                           bool wants)
{
    struct epoll_event event = {.events = EPOLLIN | (wants ? EPOLLOUT : 0)};

    event.data.ptr = channel;
    if (epoll_ctl(bench->epoll, EPOLL_CTL_MOD, channel_descriptor(channel),
                  &event) != 0)
        die(EXIT_STATUS_SOFTWARE, "epoll_ctl: %s", strerror(errno));
}

/* ---- sending ------------------------------------------------------------ */

static enum bench_kind choose(struct bench *bench)
{
    uint64_t at = prng_below(&bench->prng, bench->share_total);
    unsigned kind = 0;

    while (at >= bench->plan->shares[kind]) {
        at -= bench->plan->shares[kind];
        kind++;
    }
    return (enum bench_kind)kind;
}

static void add_request(struct bench *bench, struct channel *channel,
                        uint64_t due_us)
{
    enum bench_kind kind = choose(bench);
    uint64_t number = bench->result->sent;

    if (kind == BENCH_READ)
        number = prng_range(&bench->prng, bench->plan->read_first,
                            bench->plan->read_last);
    channel_add(channel, kind, due_us, number);
    bench->result->sent++;
}

static bool may_send(const struct bench *bench)
{
    return bench->ended_us == 0 &&
           (bench->plan->requests == 0 ||
            bench->result->sent < bench->plan->requests);
}

static void send_now(struct bench *bench, struct channel *channel)
{
    if (!channel_send(channel))
        wants_to_write(bench, channel, true);
}

/* Without a rate: as much as there is room for. */
static void fill(struct bench *bench, struct channel *channel)
{
    while (may_send(bench) && channel_has_room(channel))
        add_request(bench, channel, bench->now_us);
    send_now(bench, channel);
}

/* With a rate: when request number `number`, from 0 on, is due. */
static uint64_t due_us(const struct bench *bench, uint64_t number)
{
    uint64_t rate = bench->plan->rate;

    return bench->started_us + number / rate * 1000000 +
           number % rate * 1000000 / rate;
}

/* The next connection with room; NULL: none has any. */
static struct channel *next_channel(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++) {
        struct channel *channel = bench->channels[bench->next];

        bench->next = (bench->next + 1) % bench->count;
        if (channel_has_room(channel))
            return channel;
    }
    return NULL;
}

/* All that is due, as far as there is room; the rest waits, and its time runs.
 */
static void send_due(struct bench *bench)
{
    while (may_send(bench)) {
        uint64_t due = due_us(bench, bench->result->sent);
        struct channel *channel;

        if (due > bench->now_us)
            return;
        channel = next_channel(bench);
        if (channel == NULL)
            return;
        add_request(bench, channel, due);
        send_now(bench, channel);
    }
}

/* ---- the loop ----------------------------------------------------------- */

static uint64_t under_way(const struct bench *bench)
{
    uint64_t count = 0;

    for (size_t i = 0; i < bench->count; i++)
        count += channel_under_way(bench->channels[i]);
    return count;
}

static uint64_t answers(const struct bench *bench)
{
    uint64_t count = 0;

    for (unsigned kind = 0; kind < BENCH_KINDS; kind++)
        count +=
            bench->result->answered[kind].count + bench->result->errors[kind];
    return count;
}

static void draw(struct bench *bench)
{
    const struct bench_plan *plan = bench->plan;
    uint64_t passed_us = bench->now_us - bench->started_us;
    uint64_t done = answers(bench);
    char line[LINE_SIZE], bar[PROGRESS_BAR_MAX + 3], clock[PROGRESS_CLOCK_SIZE];
    char p50[BENCH_TIME_SIZE], p99[BENCH_TIME_SIZE];
    struct histogram *all;
    double part, rate;

    if (!bench->progress.enabled || bench->now_us - bench->drawn_us < LOOK_US)
        return;
    part = plan->duration_us == 0
               ? 0
               : (double)passed_us / (double)plan->duration_us;
    if (plan->requests != 0 && (double)done / (double)plan->requests > part)
        part = (double)done / (double)plan->requests;
    part = part > 1 ? 1 : part;
    rate = (double)(done - bench->drawn_answers) * 1e6 /
           (double)(bench->now_us - bench->drawn_us);
    all = x_calloc(1, sizeof(*all));
    for (unsigned kind = 0; kind < BENCH_KINDS; kind++)
        histogram_merge(all, &bench->result->answered[kind]);
    progress_bar(bar, 20, (uint64_t)(part * 1000), 1000);
    progress_clock(
        clock,
        part > 0 ? (uint64_t)((double)passed_us * (1 - part) / part / 1e6) : 0);
    snprintf(line,
             progress_width() + 1 < sizeof(line) ? progress_width() + 1
                                                 : sizeof(line),
             "%s %3.0f%%  %.0f/s  p50 %s  p99 %s ms  %s left", bar, part * 100,
             rate, bench_time(p50, histogram_percentile_us(all, 50)),
             bench_time(p99, histogram_percentile_us(all, 99)), clock);
    free(all);
    progress_show(&bench->progress, line);
    bench->drawn_us = bench->now_us;
    bench->drawn_answers = done;
}

/* How long nothing needs to be done, at most. */
static uint64_t patience_us(const struct bench *bench)
{
    uint64_t until_us = bench->now_us + LOOK_US;
    uint64_t end_us = bench->started_us + bench->plan->duration_us;

    if (bench->ended_us == 0 && bench->plan->duration_us != 0 &&
        end_us < until_us)
        until_us = end_us;
    /* Where the next one is late there is no room: an answer wakes us. */
    if (bench->plan->rate != 0 && may_send(bench)) {
        uint64_t due = due_us(bench, bench->result->sent);

        if (due > bench->now_us && due < until_us)
            until_us = due;
    }
    return until_us > bench->now_us ? until_us - bench->now_us : 0;
}

/* Only with a rate are microseconds needed, for one more system call. */
static int wait_events(struct bench *bench, struct epoll_event *events)
{
    uint64_t wait_us = patience_us(bench);
    int timeout_ms = (int)((wait_us + 999) / 1000);

    if (bench->plan->rate != 0) {
        struct pollfd file = {.fd = bench->epoll, .events = POLLIN};
        struct timespec time = {.tv_sec = (time_t)(wait_us / 1000000),
                                .tv_nsec = (long)(wait_us % 1000000) * 1000};

        ppoll(&file, 1, &time, NULL);
        timeout_ms = 0;
    }
    return epoll_wait(bench->epoll, events, EVENTS_MAX, timeout_ms);
}

/* False: the connection is gone. */
static bool serve(struct bench *bench, const struct epoll_event *event)
{
    struct channel *channel = event->data.ptr;

    if (channel == NULL) { /* ^C; a second one ends the process */
        interrupt_accept();
        bench->result->interrupted = true;
        return true;
    }
    if ((event->events & EPOLLOUT) != 0 && channel_send(channel))
        wants_to_write(bench, channel, false);
    if ((event->events & (unsigned)~EPOLLOUT) != 0 &&
        !channel_receive(channel, bench->result))
        return false;
    if (bench->plan->rate == 0)
        fill(bench, channel);
    return true;
}

/* False: it is over. */
static bool goes_on(struct bench *bench)
{
    const struct bench_plan *plan = bench->plan;
    uint64_t drain_us = plan->timeout_us != 0 ? plan->timeout_us : DRAIN_US;

    if (bench->ended_us == 0 &&
        (bench->result->interrupted ||
         (plan->duration_us != 0 &&
          bench->now_us - bench->started_us >= plan->duration_us) ||
         (plan->requests != 0 && bench->result->sent == plan->requests)))
        bench->ended_us = bench->now_us;
    if (bench->ended_us == 0)
        return true;
    return under_way(bench) > 0 && bench->now_us - bench->ended_us < drain_us;
}

static void loop(struct bench *bench)
{
    struct epoll_event events[EVENTS_MAX];

    for (size_t i = 0; bench->plan->rate == 0 && i < bench->count; i++)
        fill(bench, bench->channels[i]);
    while (goes_on(bench)) {
        int count;

        if (bench->plan->rate != 0)
            send_due(bench);
        draw(bench);
        count = wait_events(bench, events);
        bench->now_us = client_now_us();
        for (int i = 0; i < count; i++) {
            if (!serve(bench, &events[i]))
                return;
        }
    }
}

bool bench_run(const struct bench_plan *plan, struct bench_result *result)
{
    struct bench bench = {.plan = plan, .result = result, .epoll = -1};
    bool connected;

    *result = (struct bench_result){0};
    interrupt_catch();
    prng_seed(&bench.prng, 1);
    for (unsigned kind = 0; kind < BENCH_KINDS; kind++)
        bench.share_total += plan->shares[kind];
    bench_requests_make(&bench.requests, plan);
    bench.channels = x_calloc((size_t)plan->clients, sizeof(*bench.channels));
    connected = connect_all(&bench);
    if (connected) {
        bench.started_us = client_now_us();
        bench.now_us = bench.started_us;
        bench.drawn_us = bench.started_us;
        progress_start(&bench.progress, 0);
        loop(&bench);
        progress_hide(&bench.progress);
        result->elapsed_us = bench.now_us - bench.started_us;
        result->unanswered = under_way(&bench);
    }
    for (size_t i = 0; i < bench.count; i++)
        channel_free(bench.channels[i]);
    free(bench.channels);
    close(bench.epoll);
    bench_requests_free(&bench.requests);
    return connected;
}
