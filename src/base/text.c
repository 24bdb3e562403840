#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- numbers ------------------------------------------------------------ */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_to_u64(const char *text, size_t size, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    if (size > 0) {
        *value = sum;
    }
    return size > 0;
}

bool text_to_i64(const char *text, size_t size, int64_t *value)
{
    bool minus = size > 0 && text[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + minus;
    uint64_t number;
    if (!text_to_u64(text + minus, size - minus, &number) || number > limit) {
        return false;
    }
    *value = minus ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {
    {"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {NULL, 0}};

static const struct unit sizes[] = {{"KiB", UINT64_C(1) << 10},
                                    {"MiB", UINT64_C(1) << 20},
                                    {"GiB", UINT64_C(1) << 30},
                                    {"", 1},
                                    {NULL, 0}};

/* Digits, perhaps a point and at most 9 more digits, then a unit; what is
 * smaller than 1 of the smallest unit is an error, not rounded away. */
static bool with_unit(const char *text, size_t size, const struct unit *units,
                      uint64_t *value)
{
    size_t whole = 0;
    while (whole < size && is_digit(text[whole])) {
        whole++;
    }
    size_t end = whole;
    if (end < size && text[end] == '.') {
        end++;
        while (end < size && is_digit(text[end])) {
            end++;
        }
        if (end == whole + 1 || end - whole > 10) {
            return false;
        }
    }
    const struct unit *unit = units;
    while (unit->name != NULL &&
           (strlen(unit->name) != size - end ||
            strncmp(unit->name, text + end, size - end) != 0)) {
        unit++;
    }
    uint64_t number;
    if (unit->name == NULL || !text_to_u64(text, whole, &number) ||
        number > UINT64_MAX / unit->factor / 2) {
        return false;
    }
    uint64_t part = 0;
    uint64_t scale = 1;
    for (size_t i = whole + 1; i < end; i++) {
        part = part * 10 + (uint64_t)(text[i] - '0');
        scale *= 10;
    }
    if (part * unit->factor % scale != 0) {
        return false;
    }
    *value = number * unit->factor + part * unit->factor / scale;
    return true;
}

bool text_to_duration_us(const char *text, size_t size, uint64_t *value_us)
{
    return with_unit(text, size, durations, value_us);
}

bool text_to_size_bytes(const char *text, size_t size, uint64_t *value_bytes)
{
    return with_unit(text, size, sizes, value_bytes);
}

static char *from_units(uint64_t value, const struct unit *units,
                        char out[TEXT_UNIT_SIZE])
{
    struct unit best = {"", 1};
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (value % unit->factor == 0 && unit->factor >= best.factor) {
            best = *unit;
        }
    }
    snprintf(out, TEXT_UNIT_SIZE, "%llu%s",
             (unsigned long long)(value / best.factor), best.name);
    return out;
}

char *text_from_duration_us(uint64_t us, char out[TEXT_UNIT_SIZE])
{
    if (us == 0) {
        snprintf(out, TEXT_UNIT_SIZE, "0s");
        return out;
    }
    return from_units(us, durations, out);
}

char *text_from_size_bytes(uint64_t bytes, char out[TEXT_UNIT_SIZE])
{
    if (bytes == 0) {
        snprintf(out, TEXT_UNIT_SIZE, "0");
        return out;
    }
    return from_units(bytes, sizes, out);
}

/* ---- addresses ---------------------------------------------------------- */

static bool is_host(const char *text, size_t size)
{
    if (size == 0 || size > 253) {
        return false;
    }
    bool bracketed = text[0] == '[';
    if (bracketed != (text[size - 1] == ']') || (bracketed && size < 4)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        bool colon = text[i] == ':' && bracketed;
        bool bracket = bracketed && (i == 0 || i == size - 1);
        if (text[i] <= ' ' || text[i] == 0x7f ||
            (strchr(",/=[]:", text[i]) != NULL && !colon && !bracket)) {
            return false;
        }
    }
    return true;
}

bool text_is_address(const char *text, size_t size, bool zero_port,
                     size_t *host_size, uint16_t *port)
{
    size_t at = size;
    while (at > 0 && text[at - 1] != ':') {
        at--;
    }
    uint64_t number;
    if (at == 0 || !is_host(text, at - 1) || size - at > 5 ||
        !text_to_u64(text + at, size - at, &number) || number > UINT16_MAX ||
        (number == 0 && !zero_port)) {
        return false;
    }
    *host_size = at - 1;
    *port = (uint16_t)number;
    return true;
}

/* ---- words -------------------------------------------------------------- */

bool text_is(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Whether `c` is in the set that begins behind the [ at `at`; *next is where
 * the pattern goes on. */
static bool in_set(const char *pattern, size_t size, size_t at, char c,
                   size_t *next)
{
    bool inverse = at < size && pattern[at] == '^';
    bool found = false;
    at += inverse;
    while (at < size && pattern[at] != ']') {
        if (pattern[at] == '\\' && at + 1 < size) {
            at++;
        }
        char first = lower(pattern[at]);
        char last = first;
        if (at + 2 < size && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
            last = lower(pattern[at + 2]);
            at += 2;
        }
        found = found || (c >= first && c <= last) || (c >= last && c <= first);
        at++;
    }
    *next = at < size ? at + 1 : size;
    return found != inverse;
}

/* One character of text against the pattern at `at`, which is no star. */
static bool matches_one(const char *pattern, size_t size, size_t at, char c,
                        size_t *next)
{
    *next = at + 1;
    if (pattern[at] == '?') {
        return true;
    }
    if (pattern[at] == '[') {
        return in_set(pattern, size, at + 1, lower(c), next);
    }
    if (pattern[at] == '\\' && at + 1 < size) {
        at++;
        *next = at + 1;
    }
    return lower(pattern[at]) == lower(c);
}

/* After a mismatch only the last star can take one more character: that makes
 * it quadratic at worst, never exponential. */
bool text_matches(const char *pattern, size_t pattern_size, const char *text,
                  size_t size)
{
    size_t at = 0;
    size_t i = 0;
    size_t star = SIZE_MAX;
    size_t star_i = 0;
    while (i < size) {
        size_t next;
        if (at < pattern_size && pattern[at] == '*') {
            star = at++;
            star_i = i;
        } else if (at < pattern_size &&
                   matches_one(pattern, pattern_size, at, text[i], &next)) {
            at = next;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++star_i;
        } else {
            return false;
        }
    }
    while (at < pattern_size && pattern[at] == '*') {
        at++;
    }
    return at == pattern_size;
}

char *text_printable(char *out, size_t out_size, const void *data,
                     size_t data_size)
{
    const char *from = data;
    size_t size = data_size < out_size - 1 ? data_size : out_size - 1;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)from[i];
        out[i] = c < ' ' || c == 0x7f ? '?' : from[i];
    }
    out[size] = '\0';
    return out;
}
