#include "base/prng.h"

#include <assert.h>

/* splitmix64, as the authors of xoshiro advise for seeding. */
static uint64_t mix(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void prng_seed(struct prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        prng->state[i] = mix(&seed);
    }
}

static uint64_t rotate(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

uint64_t prng_u64(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t below)
{
    assert(below > 0);
    /* Values of the last, incomplete round would favour the small ones. */
    uint64_t first = (0 - below) % below;
    uint64_t drawn = prng_u64(prng);
    while (drawn < first) {
        drawn = prng_u64(prng);
    }
    return drawn % below;
}

uint64_t prng_range(struct prng *prng, uint64_t first, uint64_t last)
{
    assert(first <= last);
    if (first == 0 && last == UINT64_MAX) {
        return prng_u64(prng);
    }
    return first + prng_below(prng, last - first + 1);
}

bool prng_chance(struct prng *prng, uint64_t one_in)
{
    return one_in != 0 && prng_below(prng, one_in) == 0;
}
