/* How often which latency came, exact to 2 per cent, in little memory whatever
 * comes.  Used by bench. */
#ifndef RAFTSC_CTL_HISTOGRAM_H
#define RAFTSC_CTL_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* 0..127 us have a bucket each; above, each power of two has 64, up to 2^40 us,
 * which is 12 days. */
#define HISTOGRAM_EXACT 128
#define HISTOGRAM_PARTS 64
#define HISTOGRAM_BUCKETS (HISTOGRAM_EXACT + (40 - 7) * HISTOGRAM_PARTS)

/* All zeros: nothing came. */
struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum_us;
    uint64_t min_us; /* where count > 0 */
    uint64_t max_us;
};

void histogram_add(struct histogram *histogram, uint64_t us);

/* So many per cent took at most this long; 0 where nothing came. */
uint64_t histogram_percentile_us(const struct histogram *histogram,
                                 double percent);

/* How many took first_us..last_us, to the width of a bucket. */
uint64_t histogram_between(const struct histogram *histogram, uint64_t first_us,
                           uint64_t last_us);

/* All that is in `other` comes to *histogram. */
void histogram_merge(struct histogram *histogram,
                     const struct histogram *other);

#endif
