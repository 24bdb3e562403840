#include "ctl/lines.h"

#include <string.h>

uint8_t *lines_room(struct lines *lines, size_t size)
{
    buf_consume(&lines->buf, lines->start);
    lines->scanned -= lines->start;
    lines->start = 0;
    return buf_reserve(&lines->buf, size);
}

void lines_came(struct lines *lines, size_t size)
{
    lines->buf.size += size;
    lines->ended = lines->ended || size == 0;
}

enum lines_result lines_next(struct lines *lines, const char **data,
                             size_t *size)
{
    const char *text = (const char *)lines->buf.data;
    size_t left = lines->buf.size - lines->scanned;
    const char *end =
        left == 0 ? NULL : memchr(text + lines->scanned, '\n', left);
    size_t stop = end == NULL ? lines->buf.size : (size_t)(end - text);

    lines->scanned = stop;
    if (stop - lines->start > LINES_SIZE_MAX)
        return LINES_LONG;
    if (end == NULL && (!lines->ended || stop == lines->start))
        return LINES_NONE;
    *data = text + lines->start;
    *size = stop - lines->start;
    lines->start = end == NULL ? stop : stop + 1;
    lines->scanned = lines->start;
    return LINES_ONE;
}

void lines_free(struct lines *lines)
{
    buf_free(&lines->buf);
    *lines = (struct lines){0};
}
