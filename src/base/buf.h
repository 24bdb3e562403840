/* A growing buffer of bytes, with big-endian numbers, and a cursor that reads
 * them back without ever reading past the end. */
#ifndef RAFTSC_BASE_BUF_H
#define RAFTSC_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* All zeros is an empty buffer. */
void buf_free(struct buf *buf);  /* frees the memory, leaves it empty */
void buf_clear(struct buf *buf); /* size 0, keeps the memory */

/* Room for `size` more bytes: returns where they go.  The caller then adds
 * what it wrote to buf->size. */
uint8_t *buf_reserve(struct buf *buf, size_t size);

void buf_append(struct buf *buf, const void *data, size_t size);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_u8(struct buf *buf, uint8_t value);
void buf_append_u16(struct buf *buf, uint16_t value);
void buf_append_u32(struct buf *buf, uint32_t value);
void buf_append_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drop the first `size` bytes (at most all). */
void buf_consume(struct buf *buf, size_t size);

/* Big-endian numbers in place. */
uint16_t be_get_u16(const uint8_t *at);
uint32_t be_get_u32(const uint8_t *at);
uint64_t be_get_u64(const uint8_t *at);
void be_put_u16(uint8_t *at, uint16_t value);
void be_put_u32(uint8_t *at, uint32_t value);
void be_put_u64(uint8_t *at, uint64_t value);

/* Reads numbers one after the other.  Past the end every read gives zeros and
 * `bad` stays set: check it once, at the end. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

struct cursor cursor_of(const void *data, size_t size);
size_t cursor_left(const struct cursor *cursor);
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
/* The next `size` bytes, borrowed from what the cursor reads; NULL and `bad`
 * where there are fewer. */
const uint8_t *cursor_bytes(struct cursor *cursor, size_t size);
/* A cursor over the next `size` bytes, which this one skips: how records that
 * can grow are read.  Where there are fewer both turn bad. */
struct cursor cursor_part(struct cursor *cursor, size_t size);

#endif
