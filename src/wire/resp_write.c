/* Replies out. */
#include "wire/resp.h"

#include <string.h>

/* A type, a number, CRLF: the heads of nearly all replies. */
static void write_head(struct out *out, char type, uint64_t value, bool minus)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    uint8_t *at = out_reserve(out, count + 4);
    size_t size = 0;
    at[size++] = (uint8_t)type;
    if (minus) {
        at[size++] = '-';
    }
    while (count > 0) {
        at[size++] = (uint8_t)digits[--count];
    }
    at[size++] = '\r';
    at[size++] = '\n';
    out_commit(out, size);
}

void resp_write_ok(struct out *out)
{
    out_append(out, "+OK\r\n", 5);
}

void resp_write_simple(struct out *out, const char *text)
{
    out_append(out, "+", 1);
    out_append_text(out, text);
    out_append(out, "\r\n", 2);
}

void resp_write_error(struct out *out, const char *text)
{
    out_append(out, "-", 1);
    while (*text != '\0') {
        size_t plain = strcspn(text, "\r\n");
        out_append(out, text, plain);
        text += plain;
        if (*text != '\0') {
            out_append(out, " ", 1);
            text++;
        }
    }
    out_append(out, "\r\n", 2);
}

void resp_write_integer(struct out *out, int64_t value)
{
    bool minus = value < 0;
    write_head(out, ':', minus ? 0 - (uint64_t)value : (uint64_t)value, minus);
}

void resp_write_bulk(struct out *out, const void *data, size_t size)
{
    write_head(out, '$', size, false);
    out_append(out, data, size);
    out_append(out, "\r\n", 2);
}

void resp_write_text(struct out *out, const char *text)
{
    resp_write_bulk(out, text, strlen(text));
}

void resp_write_blob(struct out *out, struct blob *blob)
{
    write_head(out, '$', blob == NULL ? 0 : blob->size, false);
    if (blob != NULL) {
        out_append_blob(out, blob);
    }
    out_append(out, "\r\n", 2);
}

void resp_write_nil(struct out *out, int version)
{
    out_append_text(out, version >= 3 ? "_\r\n" : "$-1\r\n");
}

void resp_write_array(struct out *out, size_t count)
{
    write_head(out, '*', count, false);
}

void resp_write_map(struct out *out, size_t pairs, int version)
{
    if (version >= 3) {
        write_head(out, '%', pairs, false);
    } else {
        write_head(out, '*', pairs * 2, false);
    }
}

void resp_write_push(struct out *out, size_t count, int version)
{
    write_head(out, version >= 3 ? '>' : '*', count, false);
}
