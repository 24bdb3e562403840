#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
}

uint8_t *buf_reserve(struct buf *buf, size_t size)
{
    buf->data = x_grow(buf->data, &buf->capacity, buf->size + size, 1);
    return buf->data + buf->size;
}

void buf_append(struct buf *buf, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(buf_reserve(buf, size), data, size);
        buf->size += size;
    }
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_append_u8(struct buf *buf, uint8_t value)
{
    buf_append(buf, &value, 1);
}

void buf_append_u16(struct buf *buf, uint16_t value)
{
    be_put_u16(buf_reserve(buf, 2), value);
    buf->size += 2;
}

void buf_append_u32(struct buf *buf, uint32_t value)
{
    be_put_u32(buf_reserve(buf, 4), value);
    buf->size += 4;
}

void buf_append_u64(struct buf *buf, uint64_t value)
{
    be_put_u64(buf_reserve(buf, 8), value);
    buf->size += 8;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    uint8_t *at = buf_reserve(buf, (size_t)size + 1);
    vsnprintf((char *)at, (size_t)size + 1, format, again);
    va_end(again);
    buf->size += (size_t)size;
}

void buf_consume(struct buf *buf, size_t size)
{
    assert(size <= buf->size);
    if (size > 0) {
        memmove(buf->data, buf->data + size, buf->size - size);
        buf->size -= size;
    }
}

uint16_t be_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t be_get_u32(const uint8_t *at)
{
    return (uint32_t)be_get_u16(at) << 16 | be_get_u16(at + 2);
}

uint64_t be_get_u64(const uint8_t *at)
{
    return (uint64_t)be_get_u32(at) << 32 | be_get_u32(at + 4);
}

void be_put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

void be_put_u32(uint8_t *at, uint32_t value)
{
    be_put_u16(at, (uint16_t)(value >> 16));
    be_put_u16(at + 2, (uint16_t)value);
}

void be_put_u64(uint8_t *at, uint64_t value)
{
    be_put_u32(at, (uint32_t)(value >> 32));
    be_put_u32(at + 4, (uint32_t)value);
}

struct cursor cursor_of(const void *data, size_t size)
{
    const uint8_t *at = data;
    return (struct cursor){.at = at, .end = size == 0 ? at : at + size};
}

size_t cursor_left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

const uint8_t *cursor_bytes(struct cursor *cursor, size_t size)
{
    if (cursor->bad || cursor_left(cursor) < size) {
        cursor->bad = true;
        return NULL;
    }
    const uint8_t *at = cursor->at;
    cursor->at = size == 0 ? at : at + size;
    return at;
}

uint8_t cursor_u8(struct cursor *cursor)
{
    const uint8_t *at = cursor_bytes(cursor, 1);
    return at == NULL ? 0 : *at;
}

uint16_t cursor_u16(struct cursor *cursor)
{
    const uint8_t *at = cursor_bytes(cursor, 2);
    return at == NULL ? 0 : be_get_u16(at);
}

uint32_t cursor_u32(struct cursor *cursor)
{
    const uint8_t *at = cursor_bytes(cursor, 4);
    return at == NULL ? 0 : be_get_u32(at);
}

uint64_t cursor_u64(struct cursor *cursor)
{
    const uint8_t *at = cursor_bytes(cursor, 8);
    return at == NULL ? 0 : be_get_u64(at);
}

struct cursor cursor_part(struct cursor *cursor, size_t size)
{
    const uint8_t *at = cursor_bytes(cursor, size);
    struct cursor part = cursor_of(at, at == NULL ? 0 : size);
    part.bad = at == NULL;
    return part;
}
