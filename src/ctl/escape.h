/* Bytes on a line of text: payloads as redis-cli shows them, without its
 * quotes.  Used by read and follow. */
#ifndef RAFTSC_CTL_ESCAPE_H
#define RAFTSC_CTL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends `data` to `out`, printable ASCII as it is, the rest as \n, \r, \t,
 * \a, \b, \\ or \xHH: one line whatever the bytes are, and reversible. */
void escape_bytes(struct buf *out, const char *data, size_t size);

/* True where all of `data` is well-formed UTF-8 (RFC 3629: no surrogates, no
 * overlong forms, nothing above U+10FFFF). */
bool escape_is_utf8(const char *data, size_t size);

/* Bytes (1..4) of the well-formed character at the start of `data`; 0 where
 * there is none. */
size_t escape_utf8_length(const char *data, size_t size);

/* Appends `data` in base64 (RFC 4648, with padding). */
void escape_base64(struct buf *out, const char *data, size_t size);

#endif
