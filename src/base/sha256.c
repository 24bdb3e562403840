#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config.h"

#ifdef HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

#define BLOCK ((size_t)64)
#define LENGTH_SIZE ((size_t)8) /* of the message, in bits, at its end */

/* ---- in plain C --------------------------------------------------------- */

struct plain {
    uint32_t state[8];
    uint64_t size;
    uint8_t block[BLOCK]; /* the last size % BLOCK bytes */
};

/* The first 32 bits of the fractional parts of the cube roots of the first 64
 * primes (FIPS 180-4, 4.2.2). */
static const uint32_t round_constants[BLOCK] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const struct plain plain_first = {
    .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
              0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};

static uint32_t turned(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

/* FIPS 180-4, 6.2.2, step 1. */
static void schedule(const uint8_t *block, uint32_t words[BLOCK])
{
    for (size_t i = 0; i < 16; i++) {
        words[i] = be_get_u32(block + i * 4);
    }
    for (size_t i = 16; i < BLOCK; i++) {
        uint32_t early = words[i - 15];
        uint32_t late = words[i - 2];
        words[i] = words[i - 16] + words[i - 7] +
                   (turned(early, 7) ^ turned(early, 18) ^ early >> 3) +
                   (turned(late, 17) ^ turned(late, 19) ^ late >> 10);
    }
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t words[BLOCK];
    uint32_t s[8];
    schedule(block, words);
    memcpy(s, state, sizeof(s));
    for (size_t i = 0; i < BLOCK; i++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t one = s[7] + choice + round_constants[i] + words[i] +
                       (turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25));
        uint32_t two =
            majority + (turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22));
        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += one;
        s[0] = one + two;
    }
    for (size_t i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

static void plain_add(struct plain *plain, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t used = (size_t)(plain->size % BLOCK);
        size_t part = size < BLOCK - used ? size : BLOCK - used;
        if (part == BLOCK) {
            compress(plain->state, data);
        } else {
            memcpy(plain->block + used, data, part);
            if (used + part == BLOCK) {
                compress(plain->state, plain->block);
            }
        }
        plain->size += part;
        data += part;
        size -= part;
    }
}

/* A 1, zeros up to the end of a block, and there the length (5.1.1). */
static void plain_end(struct plain *plain, uint8_t hash[SHA256_SIZE])
{
    uint8_t tail[BLOCK * 2] = {0x80};
    uint64_t bits = plain->size * 8;
    size_t used = (size_t)(plain->size % BLOCK);
    size_t room = used + 1 + LENGTH_SIZE <= BLOCK ? BLOCK : BLOCK * 2;
    be_put_u64(tail + room - used - LENGTH_SIZE, bits);
    plain_add(plain, tail, room - used);
    for (size_t i = 0; i < 8; i++) {
        be_put_u32(hash + i * 4, plain->state[i]);
    }
}

void sha256_plain(const void *data, size_t size, uint8_t hash[SHA256_SIZE])
{
    struct plain plain = plain_first;
    plain_add(&plain, data, size);
    plain_end(&plain, hash);
}

/* ---- by whoever does it ------------------------------------------------- */

#ifdef HAVE_LIBCRYPTO

struct sha256 {
    EVP_MD_CTX *context;
};

static void must(int done)
{
    if (done != 1) {
        die(EXIT_STATUS_SOFTWARE, "OpenSSL's SHA-256 fails");
    }
}

static void begin(struct sha256 *sha)
{
    must(EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL));
}

struct sha256 *sha256_new(void)
{
    struct sha256 *sha = x_calloc(1, sizeof(*sha));
    sha->context = EVP_MD_CTX_new();
    must(sha->context != NULL);
    begin(sha);
    return sha;
}

void sha256_free(struct sha256 *sha)
{
    if (sha != NULL) {
        EVP_MD_CTX_free(sha->context);
        free(sha);
    }
}

void sha256_add(struct sha256 *sha, const void *data, size_t size)
{
    must(EVP_DigestUpdate(sha->context, data, size));
}

void sha256_end(struct sha256 *sha, uint8_t hash[SHA256_SIZE])
{
    must(EVP_DigestFinal_ex(sha->context, hash, NULL));
    begin(sha);
}

#else

struct sha256 {
    struct plain plain;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *sha = x_malloc(sizeof(*sha));
    sha->plain = plain_first;
    return sha;
}

void sha256_free(struct sha256 *sha)
{
    free(sha);
}

void sha256_add(struct sha256 *sha, const void *data, size_t size)
{
    plain_add(&sha->plain, data, size);
}

void sha256_end(struct sha256 *sha, uint8_t hash[SHA256_SIZE])
{
    plain_end(&sha->plain, hash);
    sha->plain = plain_first;
}

#endif

/* ---- as text ------------------------------------------------------------ */

static const char digits[] = "0123456789abcdef";

void sha256_to_hex(const uint8_t hash[SHA256_SIZE], char hex[SHA256_HEX_SIZE])
{
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        hex[i * 2] = digits[hash[i] >> 4];
        hex[i * 2 + 1] = digits[hash[i] & 15];
    }
    hex[SHA256_SIZE * 2] = '\0';
}

bool sha256_from_hex(const char *hex, uint8_t hash[SHA256_SIZE])
{
    if (strlen(hex) != SHA256_SIZE * 2 ||
        strspn(hex, digits) != SHA256_SIZE * 2) {
        return false;
    }
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        size_t high = (size_t)(strchr(digits, hex[i * 2]) - digits);
        size_t low = (size_t)(strchr(digits, hex[i * 2 + 1]) - digits);
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
