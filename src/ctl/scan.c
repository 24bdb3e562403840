#include "ctl/scan.h"

#include <string.h>

#include "base/text.h"

#define SCAN_LINE_MAX ((size_t)64 * 1024)
#define SCAN_PENDING_MAX ((uint64_t)8 * 1024 * 1024)

/* The number behind the type byte: -1 (nil) counts as nothing. */
static bool scan_length(const char *line, size_t size, uint64_t *length)
{
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size == 2 && memcmp(line, "-1", 2) == 0) {
        *length = 0;
        return true;
    }
    return text_to_u64(line, size, length) && *length <= SCAN_REPLY_MAX;
}

/* One element: its line, which begins at `line`, and for a bulk string the
 * bytes behind it. */
static bool scan_element(struct scan *scan, const char *line, size_t size)
{
    uint64_t length = 0;

    scan->pending--;
    switch (line[0]) {
    case '$':
    case '=':
    case '!':
        if (!scan_length(line + 1, size - 1, &length))
            return false;
        if (line[1] != '-')
            scan->offset += (size_t)length + 2;
        return scan->offset <= SCAN_REPLY_MAX;
    case '*':
    case '~':
    case '>':
    case '%':
        if (!scan_length(line + 1, size - 1, &length))
            return false;
        scan->pending += line[0] == '%' ? 2 * length : length;
        return scan->pending <= SCAN_PENDING_MAX;
    default:
        return true;
    }
}

enum scan_result scan_reply(struct scan *scan, const char *data, size_t size)
{
    if (scan->offset == 0 && scan->pending == 0)
        scan->pending = 1;
    while (scan->pending > 0) {
        const char *line, *end;

        if (scan->offset >= size)
            return SCAN_MORE;
        line = data + scan->offset;
        end = memchr(line, '\n', size - scan->offset);
        if (end == NULL)
            return size - scan->offset > SCAN_LINE_MAX ? SCAN_BAD : SCAN_MORE;
        scan->offset = (size_t)(end - data) + 1;
        if (!scan_element(scan, line, (size_t)(end - line)))
            return SCAN_BAD;
    }
    return scan->offset <= size ? SCAN_WHOLE : SCAN_MORE;
}
