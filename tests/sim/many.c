/* Many seeds: processes that take the next seed as they come free, and a
 * parent that sums up what they report, shows how far they are, and stops all
 * of them at the first failure.
 *
 * A worker that fails says so itself (world_fail) and ends; one that dies in
 * any other way, or does not end, is named by the seed that it last took. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "sim.h"

/* No seed takes as much of a processor, not even under the sanitizers. */
#define SEED_CPU_MAX_S 300
/* Where nobody watches, how far it is is said so often. */
#define PROGRESS_LOG_S 60

/* What the workers share. */
struct shared {
    atomic_uint_fast64_t next; /* the number of seeds that were taken */
    atomic_uint_fast64_t under_way[SIM_JOBS_MAX]; /* the seed of each worker */
};

struct report {
    uint64_t seed;
    struct sim_result result;
};

struct many {
    const struct sim_many *wanted;
    struct shared *shared;
    pid_t workers[SIM_JOBS_MAX];
    int reports; /* the reading end of what all workers write to */
    struct sim_result sum;
    uint64_t done;
    bool failed;
    double begun_s;
    double shown_s;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- a worker ----------------------------------------------------------- */

static void limit_seed(void)
{
    struct itimerval limit = {.it_value = {.tv_sec = SEED_CPU_MAX_S}};
    setitimer(ITIMER_PROF, &limit, NULL);
}

static bool time_is_left(const struct many *many)
{
    double seconds = many->wanted->seconds;
    return seconds <= 0 || now_s() < many->begun_s + seconds;
}

static void run_one(const struct many *many, uint64_t seed, int output)
{
    struct sim_options options = many->wanted->options;
    options.seed = seed;
    limit_seed();
    struct report report = {.seed = seed, .result = sim_run(&options)};
    if (many->wanted->twice) {
        limit_seed();
        struct sim_result again = sim_run(&options);
        if (!digest_equal(report.result.digest, again.digest)) {
            printf("FAIL seed=%llu: replay: two runs differ\n",
                   (unsigned long long)seed);
            exit(1);
        }
    }
    if (write(output, &report, sizeof(report)) != sizeof(report)) {
        exit(1); /* the parent is gone */
    }
}

static void work(const struct many *many, unsigned number, int output)
{
    while (time_is_left(many)) {
        uint64_t at = atomic_fetch_add(&many->shared->next, 1);
        if (at >= many->wanted->seeds) {
            break;
        }
        uint64_t seed = many->wanted->first + at;
        atomic_store(&many->shared->under_way[number], seed);
        run_one(many, seed, output);
    }
    exit(0);
}

/* ---- summing up --------------------------------------------------------- */

/* The sum does not depend on which seed ended first. */
static void add_digest(struct digest *sum, const struct report *report)
{
    struct digest one = digest_chain(report->result.digest, &report->seed,
                                     sizeof(report->seed), NULL, 0, NULL, 0);
    for (int i = 0; i < DIGEST_SIZE; i++) {
        sum->bytes[i] ^= one.bytes[i];
    }
}

static void add(struct many *many, const struct report *report)
{
    many->done++;
    many->sum.simulated_us += report->result.simulated_us;
    many->sum.faults += report->result.faults;
    add_digest(&many->sum.digest, report);
    for (int i = 0; i < HAPPENINGS; i++) {
        many->sum.happened[i] += report->result.happened[i];
    }
}

static void show_speed(const struct many *many)
{
    struct rusage used; /* of all workers: others may be busy here, too */
    getrusage(RUSAGE_CHILDREN, &used);
    double cpu_s =
        (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
        (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    double hours = (double)many->sum.simulated_us / 3.6e9;
    printf("%llu seeds from %llu, %.2f simulated hours in %.1f s, %.0f in an "
           "hour of one core\n",
           (unsigned long long)many->done,
           (unsigned long long)many->wanted->first, hours,
           now_s() - many->begun_s, hours * 3600 / cpu_s);
}

static void show_sum(const struct many *many)
{
    for (int i = 0; i < HAPPENINGS && !many->wanted->options.trace; i++) {
        printf("  %-32s %12llu\n", happened_names[i],
               (unsigned long long)many->sum.happened[i]);
    }
    show_speed(many);
    char hex[DIGEST_SIZE * 2 + 1];
    digest_to_hex(many->sum.digest, hex);
    printf("digest %s\n", hex);
}

/* What a mix can draw and no run ever did was not tested at all. */
static bool all_happened(const struct many *many)
{
    bool all = true;
    for (int i = 0; i < HAPPENINGS && many->wanted->every; i++) {
        if (many->sum.happened[i] == 0) {
            printf("FAIL: never happened: %s\n", happened_names[i]);
            all = false;
        }
    }
    return all;
}

static void show_progress(struct many *many)
{
    if (!many->wanted->progress) {
        return;
    }
    bool watched = isatty(STDERR_FILENO);
    double now = now_s();
    if (now < many->shown_s + (watched ? 0.5 : PROGRESS_LOG_S)) {
        return;
    }
    many->shown_s = now;
    fprintf(stderr, "%s%llu seeds, %.1f simulated hours, %.0f s%s",
            watched ? "\r" : "", (unsigned long long)many->done,
            (double)many->sum.simulated_us / 3.6e9, now - many->begun_s,
            watched ? " \b" : "\n");
}

/* ---- the parent --------------------------------------------------------- */

static void start_workers(struct many *many)
{
    int ends[2];
    if (pipe(ends) != 0) {
        perror("pipe");
        exit(1);
    }
    fflush(stdout);
    for (unsigned i = 0; i < many->wanted->jobs; i++) {
        pid_t worker = fork();
        if (worker == 0) {
            close(ends[0]);
            work(many, i, ends[1]);
        }
        many->workers[i] = worker;
    }
    close(ends[1]);
    many->reports = ends[0];
}

/* A worker has ended: by itself, or because of what it ran.  Status 1 is a
 * violation, which has told its story. */
static void look_at_end(struct many *many, unsigned number, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    uint64_t seed = atomic_load(&many->shared->under_way[number]);
    if (WIFSIGNALED(status) && !many->failed) {
        bool endless = WTERMSIG(status) == SIGPROF;
        printf("FAIL seed=%llu at ? s: %s: signal %d\n"
               "again:  tests/sim/sim --seed=%llu\n",
               (unsigned long long)seed,
               endless ? "a run that does not end" : "the process dies",
               WTERMSIG(status), (unsigned long long)seed);
    } else if (!many->failed && !WIFSIGNALED(status) &&
               WEXITSTATUS(status) != 1) {
        printf("FAIL seed=%llu at ? s: the process exits: status %d\n",
               (unsigned long long)seed, WEXITSTATUS(status));
    }
    many->failed = true;
}

static void reap(struct many *many, bool wait)
{
    for (unsigned i = 0; i < many->wanted->jobs; i++) {
        int status = 0;
        if (many->workers[i] != 0 &&
            waitpid(many->workers[i], &status, wait ? 0 : WNOHANG) > 0) {
            many->workers[i] = 0;
            look_at_end(many, i, status);
        }
    }
}

static void stop_workers(struct many *many)
{
    for (unsigned i = 0; i < many->wanted->jobs; i++) {
        if (many->workers[i] != 0) {
            kill(many->workers[i], SIGTERM);
        }
    }
}

/* False: all workers have ended. */
static bool take_report(struct many *many)
{
    struct report report;
    ssize_t size = read(many->reports, &report, sizeof(report));
    if (size == sizeof(report)) { /* they are written as a whole */
        add(many, &report);
    }
    return size > 0 || (size < 0 && errno == EINTR);
}

static void watch(struct many *many)
{
    struct pollfd some = {.fd = many->reports, .events = POLLIN};
    bool more = true;
    while (more && !many->failed) {
        if (poll(&some, 1, 500) > 0) {
            more = take_report(many);
        }
        reap(many, false);
        show_progress(many);
    }
    if (many->failed) {
        stop_workers(many);
    }
    reap(many, true);
}

int sim_many(const struct sim_many *wanted)
{
    struct many many = {
        .wanted = wanted, .begun_s = now_s(), .shown_s = now_s()};
    many.shared = mmap(NULL, sizeof(*many.shared), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (many.shared == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    start_workers(&many);
    watch(&many);
    if (wanted->progress && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K");
    }
    show_sum(&many);
    bool good = !many.failed && all_happened(&many);
    printf("%llu passed, %d failed\n", (unsigned long long)many.done, !good);
    return good ? 0 : 1;
}
