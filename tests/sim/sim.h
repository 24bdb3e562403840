/* One run of the simulator, and what it exercised. */
#ifndef RAFTSC_TESTS_SIM_SIM_H
#define RAFTSC_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

struct sim_result {
    struct digest digest; /* of all that happened: equal for equal runs */
    uint64_t simulated_us;
    uint64_t elections;
    uint64_t crashes;
    uint64_t lost_saves;
    uint64_t truncations;
    uint64_t store_reads;
    uint64_t acked;
    uint64_t refused;
    uint64_t uncertain;
    uint64_t barriers;
    uint64_t followed;
};

/* Any fault first, then none: a violation ends the process with its story. */
struct sim_result sim_run(uint64_t seed, bool trace);

#endif
