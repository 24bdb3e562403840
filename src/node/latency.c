#include "node/latency.h"

#include <stddef.h>

/* 0..15 us have a bucket each; above, each power of two has eight. */
#define EXACT 16
#define PARTS 8

static size_t bucket_of(uint64_t us)
{
    if (us < EXACT) {
        return (size_t)us;
    }
    unsigned power = 63 - (unsigned)__builtin_clzll(us);
    size_t part = (size_t)(us >> (power - 3)) & (PARTS - 1);
    size_t bucket = EXACT + (size_t)(power - 4) * PARTS + part;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest time that counts in this bucket. */
static uint64_t end_of(size_t bucket)
{
    if (bucket < EXACT) {
        return bucket;
    }
    size_t power = (bucket - EXACT) / PARTS + 4;
    uint64_t part = (bucket - EXACT) % PARTS;
    return ((PARTS + part + 1) << (power - 3)) - 1;
}

void latency_add(struct latency *latency, uint64_t us)
{
    latency->counts[bucket_of(us)]++;
    latency->count++;
    latency->sum_us += us;
    latency->max_us = us > latency->max_us ? us : latency->max_us;
}

uint64_t latency_percentile_us(const struct latency *latency, double percent)
{
    double wanted = (double)latency->count * percent / 100;
    uint64_t seen = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->counts[i];
        if (latency->counts[i] > 0 && (double)seen >= wanted) {
            uint64_t end = end_of(i);
            return end < latency->max_us ? end : latency->max_us;
        }
    }
    return 0;
}

uint64_t latency_count_below(const struct latency *latency, uint64_t us)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS && end_of(i) <= us; i++) {
        seen += latency->counts[i];
    }
    return seen;
}
