/* How long something took: counts in buckets that grow with the time, so that
 * each is known to an eighth of itself, for ever and in little memory.
 * Percentiles are of all that was measured since the start. */
#ifndef RAFTSC_NODE_LATENCY_H
#define RAFTSC_NODE_LATENCY_H

#include <stdint.h>

/* Up to 2^36 us, 19 hours; what takes longer counts as that. */
#define LATENCY_BUCKETS 272

struct latency {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
};

void latency_add(struct latency *latency, uint64_t us);

/* The time within which `percent` of a hundred were done, at most an eighth
 * too large; 0 where nothing was measured. */
uint64_t latency_percentile_us(const struct latency *latency, double percent);

/* How many took at most `us`, rounded down to the end of a bucket. */
uint64_t latency_count_below(const struct latency *latency, uint64_t us);

#endif
