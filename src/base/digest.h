/* The chained digest of the log: XXH3, 128 bits, over the digest before and
 * the whole entry.  Against accidents, not against attackers. */
#ifndef RAFTSC_BASE_DIGEST_H
#define RAFTSC_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 16

struct digest {
    uint8_t bytes[DIGEST_SIZE]; /* canonical: most significant byte first */
};

struct digest digest_of(const void *data, size_t size);

/* The digest of `before`, then `head`, then `key`, then `payload`.  Any part
 * may be empty (NULL, 0); the caller's `head` tells the lengths. */
struct digest digest_chain(struct digest before, const void *head,
                           size_t head_size, const void *key, size_t key_size,
                           const void *payload, size_t payload_size);

/* 32 bits, for a table in memory: they go nowhere else. */
uint32_t digest_short(const void *data, size_t size, uint64_t seed);

bool digest_equal(struct digest a, struct digest b);
bool digest_is_zero(struct digest digest);

/* 32 hexadecimal digits and a NUL. */
void digest_to_hex(struct digest digest, char hex[DIGEST_SIZE * 2 + 1]);

#endif
