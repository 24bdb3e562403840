#include "base/digest.h"

#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#define XXH_INLINE_ALL
#include <xxhash.h>
#pragma GCC diagnostic pop

/* What fits is gathered and hashed in one piece: cheaper than a stream. */
#define GATHER_MAX 1024

static struct digest canonical(XXH128_hash_t hash)
{
    XXH128_canonical_t form;
    XXH128_canonicalFromHash(&form, hash);
    struct digest digest;
    memcpy(digest.bytes, form.digest, DIGEST_SIZE);
    return digest;
}

struct digest digest_of(const void *data, size_t size)
{
    return canonical(XXH3_128bits(data, size));
}

uint32_t digest_short(const void *data, size_t size, uint64_t seed)
{
    return (uint32_t)XXH3_64bits_withSeed(data, size, seed);
}

static size_t gather(uint8_t *to, size_t at, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(to + at, data, size);
    }
    return at + size;
}

static void feed(XXH3_state_t *state, const void *data, size_t size)
{
    if (size > 0) {
        XXH3_128bits_update(state, data, size);
    }
}

struct digest digest_chain(struct digest before, const void *head,
                           size_t head_size, const void *key, size_t key_size,
                           const void *payload, size_t payload_size)
{
    if (payload_size < GATHER_MAX && key_size < GATHER_MAX &&
        DIGEST_SIZE + head_size + key_size + payload_size <= GATHER_MAX) {
        uint8_t all[GATHER_MAX];
        size_t size = gather(all, 0, before.bytes, DIGEST_SIZE);
        size = gather(all, size, head, head_size);
        size = gather(all, size, key, key_size);
        size = gather(all, size, payload, payload_size);
        return digest_of(all, size);
    }
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    feed(&state, before.bytes, DIGEST_SIZE);
    feed(&state, head, head_size);
    feed(&state, key, key_size);
    feed(&state, payload, payload_size);
    return canonical(XXH3_128bits_digest(&state));
}

bool digest_equal(struct digest a, struct digest b)
{
    return memcmp(a.bytes, b.bytes, DIGEST_SIZE) == 0;
}

bool digest_is_zero(struct digest digest)
{
    return digest_equal(digest, (struct digest){{0}});
}

void digest_to_hex(struct digest digest, char hex[DIGEST_SIZE * 2 + 1])
{
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        snprintf(hex + i * 2, 3, "%02x", digest.bytes[i]);
    }
}
