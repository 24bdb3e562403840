#include "base/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLYNOMIAL UINT32_C(0x82F63B78) /* reflected */

/* table[k][b] is the CRC of byte b followed by k zero bytes: eight bytes are
 * taken in one go. */
static uint32_t table[8][256];

#if defined(__x86_64__)
static void make_behind(void);
#endif

/* Before main() and before any thread. */
__attribute__((constructor)) static void make_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
        }
        table[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int k = 1; k < 8; k++) {
            uint32_t before = table[k - 1][byte];
            table[k][byte] = (before >> 8) ^ table[0][before & 0xff];
        }
    }
#if defined(__x86_64__)
    make_behind();
#endif
}

static uint32_t little_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *at = data;
    crc = ~crc;
    for (; size >= 8; size -= 8, at += 8) {
        uint32_t low = crc ^ little_u32(at);
        uint32_t high = little_u32(at + 4);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^
              table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
              table[3][high & 0xff] ^ table[2][high >> 8 & 0xff] ^
              table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
    }
    for (; size > 0; size--, at++) {
        crc = (crc >> 8) ^ table[0][(crc ^ *at) & 0xff];
    }
    return ~crc;
}

#if defined(__x86_64__)

/* The instruction takes three cycles and a new one may begin in each: three
 * parts of this size are summed side by side. */
#define PART ((size_t)2048)

/* behind[k][b] is byte k of a sum, b, after PART zero bytes: what a part's sum
 * is once the part behind it is there. */
static uint32_t behind[4][256];

static uint32_t after_zeros(uint32_t sum)
{
    for (size_t i = 0; i < PART; i++) {
        sum = (sum >> 8) ^ table[0][sum & 0xff];
    }
    return sum;
}

/* It is linear: the bits' sums make all others. */
static void make_behind(void)
{
    for (unsigned k = 0; k < 4; k++) {
        for (uint32_t bit = 1; bit < 256; bit *= 2) {
            uint32_t sum = after_zeros(bit << (8 * k));
            for (uint32_t rest = 0; rest < bit; rest++) {
                behind[k][bit + rest] = behind[k][rest] ^ sum;
            }
        }
    }
}

static uint32_t pass_part(uint32_t sum)
{
    return behind[0][sum & 0xff] ^ behind[1][sum >> 8 & 0xff] ^
           behind[2][sum >> 16 & 0xff] ^ behind[3][sum >> 24];
}

static uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

__attribute__((target("sse4.2"))) static uint32_t three_parts(uint32_t before,
                                                              const uint8_t *at)
{
    uint64_t first = before;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const uint8_t *end = at + PART; at < end; at += 8) {
        first = _mm_crc32_u64(first, word_at(at));
        second = _mm_crc32_u64(second, word_at(at + PART));
        third = _mm_crc32_u64(third, word_at(at + 2 * PART));
    }
    uint32_t sum = pass_part((uint32_t)first) ^ (uint32_t)second;
    return pass_part(sum) ^ (uint32_t)third;
}

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t sum = (uint32_t)~crc;
    for (; size >= 3 * PART; size -= 3 * PART, at += 3 * PART) {
        sum = three_parts((uint32_t)sum, at);
    }
    for (; size >= 8; size -= 8, at += 8) {
        sum = _mm_crc32_u64(sum, word_at(at));
    }
    for (; size > 0; size--, at++) {
        sum = _mm_crc32_u8((uint32_t)sum, *at);
    }
    return ~(uint32_t)sum;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, data, size)
                                            : crc32c_by_table(crc, data, size);
}

#else

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return crc32c_by_table(crc, data, size);
}

#endif
