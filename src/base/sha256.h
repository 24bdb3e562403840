/* SHA-256 (FIPS 180-4), of bytes that come in pieces: what an app and its node
 * both know of a snapshot.  OpenSSL's where it is linked, which is fast. */
#ifndef RAFTSC_BASE_SHA256_H
#define RAFTSC_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_HEX_SIZE (SHA256_SIZE * 2 + 1) /* its NUL included */

struct sha256;

struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *sha); /* NULL is fine */
void sha256_add(struct sha256 *sha, const void *data, size_t size);
/* Of all that was added; the next sha256_add() begins anew. */
void sha256_end(struct sha256 *sha, uint8_t hash[SHA256_SIZE]);

void sha256_to_hex(const uint8_t hash[SHA256_SIZE], char hex[SHA256_HEX_SIZE]);
/* False: it is not 64 hexadecimal digits in lower case. */
bool sha256_from_hex(const char *hex, uint8_t hash[SHA256_SIZE]);

/* The code that runs where there is no OpenSSL: one whole message.  For its
 * test. */
void sha256_plain(const void *data, size_t size, uint8_t hash[SHA256_SIZE]);

#endif
