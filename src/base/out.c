#include "base/out.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PIECE_MIN ((size_t)512)
#define PIECE_MAX ((size_t)16384)
/* A blob smaller than this is copied: a piece of its own costs more. */
#define SHARE_MIN ((size_t)1024)

struct out_piece {
    struct out_piece *next;
    struct blob *blob; /* NULL: the bytes are `own` */
    size_t start;      /* what is before it has left */
    size_t end;
    size_t capacity;
    uint8_t own[];
};

static void free_first(struct out *out)
{
    struct out_piece *first = out->first;
    out->first = first->next;
    if (out->first == NULL) {
        out->last = NULL;
    }
    blob_free(first->blob);
    free(first);
}

void out_free(struct out *out)
{
    while (out->first != NULL) {
        free_first(out);
    }
    out->size = 0;
}

static struct out_piece *add_piece(struct out *out, size_t capacity)
{
    struct out_piece *piece = x_malloc(sizeof(*piece) + capacity);
    *piece = (struct out_piece){.capacity = capacity};
    if (out->last == NULL) {
        out->first = piece;
    } else {
        out->last->next = piece;
    }
    out->last = piece;
    return piece;
}

/* A last piece with room for at least one byte: small at first, for most
 * queues hold little. */
static struct out_piece *writable(struct out *out)
{
    struct out_piece *last = out->last;
    if (last != NULL && last->blob == NULL && last->end < last->capacity) {
        return last;
    }
    return add_piece(out, last == NULL ? PIECE_MIN : PIECE_MAX);
}

void out_append(struct out *out, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        struct out_piece *piece = writable(out);
        size_t room = piece->capacity - piece->end;
        size_t part = size < room ? size : room;
        memcpy(piece->own + piece->end, at, part);
        piece->end += part;
        out->size += part;
        at += part;
        size -= part;
    }
}

void out_append_text(struct out *out, const char *text)
{
    out_append(out, text, strlen(text));
}

void out_printf(struct out *out, const char *format, ...)
{
    char small[512];
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    assert(size >= 0);
    if ((size_t)size < sizeof(small)) {
        out_append(out, small, (size_t)size);
    } else {
        char *large = x_malloc((size_t)size + 1);
        vsnprintf(large, (size_t)size + 1, format, again);
        out_append(out, large, (size_t)size);
        free(large);
    }
    va_end(again);
}

void out_append_blob(struct out *out, struct blob *blob)
{
    if (blob->size < SHARE_MIN) {
        out_append(out, blob->data, blob->size);
        return;
    }
    struct out_piece *piece = add_piece(out, 0);
    piece->blob = blob_share(blob);
    piece->end = blob->size;
    out->size += blob->size;
}

uint8_t *out_reserve(struct out *out, size_t size)
{
    assert(size <= 64);
    struct out_piece *last = out->last;
    if (last == NULL || last->blob != NULL ||
        last->capacity - last->end < size) {
        last = add_piece(out, last == NULL ? PIECE_MIN : PIECE_MAX);
    }
    return last->own + last->end;
}

void out_commit(struct out *out, size_t size)
{
    assert(size <= out->last->capacity - out->last->end);
    out->last->end += size;
    out->size += size;
}

void out_move(struct out *out, struct out *from)
{
    if (from->first == NULL) {
        return;
    }
    if (out->last == NULL) {
        out->first = from->first;
    } else {
        out->last->next = from->first;
    }
    out->last = from->last;
    out->size += from->size;
    *from = (struct out){0};
}

static const uint8_t *bytes_of(const struct out_piece *piece)
{
    return piece->blob == NULL ? piece->own : piece->blob->data;
}

size_t out_spans(const struct out *out, struct out_span *spans, size_t max)
{
    size_t count = 0;
    for (const struct out_piece *piece = out->first;
         piece != NULL && count < max; piece = piece->next) {
        if (piece->end > piece->start) {
            spans[count].data = bytes_of(piece) + piece->start;
            spans[count].size = piece->end - piece->start;
            count++;
        }
    }
    return count;
}

struct out_cursor out_begin(const struct out *out)
{
    return (struct out_cursor){.at = out->first};
}

bool out_next(struct out_cursor *cursor, struct out_span *span)
{
    const struct out_piece *piece = cursor->at;
    if (piece == NULL) {
        return false;
    }
    span->data = bytes_of(piece) + piece->start;
    span->size = piece->end - piece->start;
    cursor->at = piece->next;
    return true;
}

void out_drain(struct out *out, size_t size)
{
    assert(size <= out->size);
    out->size -= size;
    while (out->first != NULL) {
        struct out_piece *first = out->first;
        size_t left = first->end - first->start;
        if (size < left) {
            first->start += size;
            return;
        }
        size -= left;
        free_first(out);
    }
}
