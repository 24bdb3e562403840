/* Chance that a seed decides (xoshiro256**).  Not for secrets. */
#ifndef RAFTSC_BASE_PRNG_H
#define RAFTSC_BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_seed(struct prng *prng, uint64_t seed);
uint64_t prng_u64(struct prng *prng);
/* Uniform in 0 .. below - 1; `below` is at least 1. */
uint64_t prng_below(struct prng *prng, uint64_t below);
/* Uniform in first .. last, inclusive. */
uint64_t prng_range(struct prng *prng, uint64_t first, uint64_t last);
/* True once in `one_in` times on average; false always for 0. */
bool prng_chance(struct prng *prng, uint64_t one_in);

#endif
