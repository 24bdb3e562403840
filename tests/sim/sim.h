/* One run of the simulator, and what it exercised.
 *
 * A seed first draws its own mix of trouble (mix.c), then runs a cluster of the
 * code that ships through two phases: any fault, and then a majority that is
 * healed for good while the rest stays broken (settle.c).  What must hold is
 * checked after each turn of a node (check.c, limits.c, history.c) and with
 * each reply to an app (ask*.c).  The same seed gives the same trace to the
 * byte, whatever the compiler; but a seed means another run as soon as the
 * simulator draws anything else, so that a bug found gets a smaller test of its
 * own beside its line in found.txt.
 *
 * A play (play.c) is a run in which only one thing breaks, at the worst time.
 *
 * README ("Building and testing") says how it is used; main.c has all options;
 * world.h is the map of the files, and says how a new operation joins. */
#ifndef RAFTSC_TESTS_SIM_SIM_H
#define RAFTSC_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "happened.h"

/* Faults first .. last of a run do not happen. */
struct sim_skip {
    uint64_t first;
    uint64_t last;
};

#define SIM_SKIPS_MAX 256

/* The name of the play of this number, from 0; NULL: there are no more. */
const char *sim_play_name(unsigned at);

/* How a run is looked at, and how it is made smaller than its seed wants it.
 * 0: as the seed draws it. */
struct sim_options {
    uint64_t seed;
    bool trace;
    double from_s; /* of the trace */
    double to_s;
    int node; /* only this one's lines; -1: all */
    double faults_s;
    unsigned apps;
    const char *play; /* NULL: what the seed draws */
    int operators;    /* -1: as the seed draws it */
    enum { SIM_STORE_DRAWN, SIM_STORE_MODEL, SIM_STORE_SQLITE } store;
    struct sim_skip skips[SIM_SKIPS_MAX];
    unsigned skip_count;
};

struct sim_result {
    struct digest digest; /* of all that happened: equal for equal runs */
    uint64_t simulated_us;
    uint64_t faults;
    uint64_t happened[HAPPENINGS];
};

/* Any fault first, then a majority that is healed for good; or a play.  A
 * violation ends the process with its story (exit status 1). */
struct sim_result sim_run(const struct sim_options *options);

#define SIM_JOBS_MAX 64

/* Seeds first, first + 1 and so on. */
struct sim_many {
    struct sim_options options;
    uint64_t first;
    uint64_t seeds;
    unsigned jobs;  /* processes */
    double seconds; /* no seed is begun later; 0: all are run */
    bool twice;     /* each a second time: the digests are compared */
    bool every;     /* fails where a kind of happening never happened */
    bool progress;
};

/* Runs them until one fails, and prints what happened in all of them.  The
 * exit status. */
int sim_many(const struct sim_many *wanted);

/* The arguments that make this run, appended to a command. */
void sim_arguments(const struct sim_options *options, char *text, size_t size);

/* Finds a smaller run that violates the same rule, and prints it. */
int sim_shrink(const struct sim_options *options);

#endif
