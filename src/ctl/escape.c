#include "ctl/escape.h"

#include <stdint.h>

/* The letter behind the backslash; 0: this byte has none. */
static char escape_letter(unsigned char byte)
{
    switch (byte) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\a':
        return 'a';
    case '\b':
        return 'b';
    case '\\':
        return '\\';
    default:
        return 0;
    }
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '\\';
}

static void escape_byte(struct buf *out, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char letter = escape_letter(byte);

    buf_append_u8(out, '\\');
    if (letter != 0) {
        buf_append_u8(out, (uint8_t)letter);
        return;
    }
    buf_append_u8(out, 'x');
    buf_append_u8(out, (uint8_t)digits[byte >> 4]);
    buf_append_u8(out, (uint8_t)digits[byte & 15]);
}

void escape_bytes(struct buf *out, const char *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t first = at;

        while (at < size && is_plain((unsigned char)data[at]))
            at++;
        if (at > first)
            buf_append(out, data + first, at - first);
        if (at < size)
            escape_byte(out, (unsigned char)data[at++]);
    }
}

/* How many bytes follow a lead byte, and the range of the first of them:
 * that range is what forbids overlong forms, surrogates and more than
 * U+10FFFF (RFC 3629, section 4). */
static bool utf8_lead(unsigned char lead, size_t *tail, unsigned char *low,
                      unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        *tail = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        *tail = 2;
        *low = lead == 0xe0 ? 0xa0 : 0x80;
        *high = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        *tail = 3;
        *low = lead == 0xf0 ? 0x90 : 0x80;
        *high = lead == 0xf4 ? 0x8f : 0xbf;
    } else {
        return false;
    }
    return true;
}

size_t escape_utf8_length(const char *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    unsigned char low, high;
    size_t tail;

    if (size == 0)
        return 0;
    if (bytes[0] < 0x80)
        return 1;
    if (!utf8_lead(bytes[0], &tail, &low, &high) || size < tail + 1)
        return 0;
    if (bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i <= tail; i++) {
        if (bytes[i] < 0x80 || bytes[i] > 0xbf)
            return 0;
    }
    return tail + 1;
}

bool escape_is_utf8(const char *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t length = escape_utf8_length(data + at, size - at);

        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

void escape_base64(struct buf *out, const char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)data;

    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at;
        uint32_t group = (uint32_t)bytes[at] << 16;
        char text[4];

        if (left > 1)
            group |= (uint32_t)bytes[at + 1] << 8;
        if (left > 2)
            group |= bytes[at + 2];
        text[0] = digits[group >> 18];
        text[1] = digits[group >> 12 & 63];
        text[2] = left > 1 ? digits[group >> 6 & 63] : '=';
        text[3] = left > 2 ? digits[group & 63] : '=';
        buf_append(out, text, sizeof(text));
    }
}
