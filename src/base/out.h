/* A queue of bytes on their way out: pieces of shared blobs and of memory of
 * its own, in order, never one flat copy.  Small pieces are gathered. */
#ifndef RAFTSC_BASE_OUT_H
#define RAFTSC_BASE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"

struct out_piece; /* private */

struct out {
    struct out_piece *first;
    struct out_piece *last;
    size_t size; /* bytes in the queue, those of blobs included */
};

struct out_span {
    const uint8_t *data;
    size_t size;
};

/* All zeros is an empty queue. */
void out_free(struct out *out); /* frees all, leaves it empty */

void out_append(struct out *out, const void *data, size_t size);
void out_append_text(struct out *out, const char *text);
void out_printf(struct out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Shares `blob` (or copies it, where it is small). */
void out_append_blob(struct out *out, struct blob *blob);

/* Where `size` (at most 64) contiguous bytes can be written; the caller then
 * tells with out_commit() how many of them it wrote. */
uint8_t *out_reserve(struct out *out, size_t size);
void out_commit(struct out *out, size_t size);

/* All of `from` moves behind what is in `out`; `from` is empty then. */
void out_move(struct out *out, struct out *from);

/* The first pieces, at most `max`, for writev(2).  Borrowed until the queue
 * changes.  Returns how many. */
size_t out_spans(const struct out *out, struct out_span *spans, size_t max);

/* All pieces, one after the other; false at the end. */
struct out_cursor {
    const struct out_piece *at;
};
struct out_cursor out_begin(const struct out *out);
bool out_next(struct out_cursor *cursor, struct out_span *span);

/* Drop the first `size` bytes (at most out->size): they are written. */
void out_drain(struct out *out, size_t size);

#endif
