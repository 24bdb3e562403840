#include "ctl/histogram.h"

static size_t bucket_of(uint64_t us)
{
    unsigned power;
    size_t bucket;

    if (us < HISTOGRAM_EXACT)
        return (size_t)us;
    power = 63 - (unsigned)__builtin_clzll(us);
    bucket = HISTOGRAM_EXACT + (size_t)(power - 7) * HISTOGRAM_PARTS +
             ((size_t)(us >> (power - 6)) & (HISTOGRAM_PARTS - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The longest time that counts in this bucket. */
static uint64_t end_of(size_t bucket)
{
    size_t power, part;

    if (bucket < HISTOGRAM_EXACT)
        return bucket;
    power = (bucket - HISTOGRAM_EXACT) / HISTOGRAM_PARTS + 7;
    part = (bucket - HISTOGRAM_EXACT) % HISTOGRAM_PARTS;
    return ((uint64_t)(HISTOGRAM_PARTS + part + 1) << (power - 6)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
    histogram->buckets[bucket_of(us)]++;
    if (histogram->count == 0 || us < histogram->min_us)
        histogram->min_us = us;
    if (us > histogram->max_us)
        histogram->max_us = us;
    histogram->count++;
    histogram->sum_us += us;
}

uint64_t histogram_percentile_us(const struct histogram *histogram,
                                 double percent)
{
    double wanted = (double)histogram->count * percent / 100;
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t end = end_of(i);

        seen += histogram->buckets[i];
        if (histogram->buckets[i] > 0 && (double)seen >= wanted)
            return end < histogram->max_us ? end : histogram->max_us;
    }
    return histogram->max_us;
}

uint64_t histogram_between(const struct histogram *histogram, uint64_t first_us,
                           uint64_t last_us)
{
    uint64_t seen = 0;

    for (size_t i = bucket_of(first_us); i < HISTOGRAM_BUCKETS; i++) {
        if (end_of(i) > last_us)
            break;
        seen += histogram->buckets[i];
    }
    return seen;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    if (other->count == 0)
        return;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += other->buckets[i];
    if (histogram->count == 0 || other->min_us < histogram->min_us)
        histogram->min_us = other->min_us;
    if (other->max_us > histogram->max_us)
        histogram->max_us = other->max_us;
    histogram->count += other->count;
    histogram->sum_us += other->sum_us;
}
