/* Text to numbers and back: whole words only, no surprises.  Every parser
 * takes a text of a given size (it need not end in NUL), accepts nothing
 * before or after the number, and leaves *value alone where it returns
 * false. */
#ifndef RAFTSC_BASE_TEXT_H
#define RAFTSC_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits only, no sign, no overflow. */
bool text_to_u64(const char *text, size_t size, uint64_t *value);
/* An optional minus sign, then digits. */
bool text_to_i64(const char *text, size_t size, int64_t *value);
/* A number with a unit us, ms, s or m: "1500ms", "0.5s".  Microseconds. */
bool text_to_duration_us(const char *text, size_t size, uint64_t *value_us);
/* A number, alone (bytes) or with KiB, MiB or GiB: "1MiB".  Bytes. */
bool text_to_size_bytes(const char *text, size_t size, uint64_t *value_bytes);

/* The shortest exact form: "1s", "1500ms", "64MiB", "1000".  At most 31
 * characters and a NUL into `out`; returns `out`. */
#define TEXT_UNIT_SIZE 32
char *text_from_duration_us(uint64_t us, char out[TEXT_UNIT_SIZE]);
char *text_from_size_bytes(uint64_t bytes, char out[TEXT_UNIT_SIZE]);

/* "host:port" or "[v6]:port" with a host of 1 to 253 characters without white
 * space, commas, slashes or '=', and a port of 1 to 65535 (0 too, where
 * `zero_port` is true).  On success *host_size is the host's length as
 * written (brackets included) and *port the port. */
bool text_is_address(const char *text, size_t size, bool zero_port,
                     size_t *host_size, uint16_t *port);
#define TEXT_ADDRESS_SIZE 264 /* the longest address and a NUL */

/* As strcmp(3) == 0, without case, of a text of a given size and a word. */
bool text_is(const char *text, size_t size, const char *word);

/* Redis-style patterns: *, ?, [a-z], [^a], backslash.  Without case. */
bool text_matches(const char *pattern, size_t pattern_size, const char *text,
                  size_t size);

/* Copies at most size - 1 characters, replaces control characters by '?', and
 * ends with NUL: for what a stranger sent and a log shows.  Returns `out`. */
char *text_printable(char *out, size_t out_size, const void *data,
                     size_t data_size);

#endif
