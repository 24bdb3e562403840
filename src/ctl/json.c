#include "ctl/json.h"

#include <inttypes.h>
#include <string.h>

#include "ctl/escape.h"

void json_free(struct json *json)
{
    buf_free(&json->text);
    json->follows = false;
}

static void json_separate(struct json *json)
{
    if (json->follows)
        buf_append_u8(&json->text, ',');
    json->follows = true;
}

void json_open(struct json *json, char bracket)
{
    json_separate(json);
    buf_append_u8(&json->text, (uint8_t)bracket);
    json->follows = false;
}

void json_close(struct json *json, char bracket)
{
    buf_append_u8(&json->text, (uint8_t)bracket);
    json->follows = true;
}

static void json_special(struct json *json, unsigned char byte)
{
    static const char from[] = "\"\\\n\r\t\b\f";
    static const char to[] = "\"\\nrtbf";
    const char *at = byte == 0 ? NULL : strchr(from, byte);

    if (at != NULL) {
        buf_append_u8(&json->text, '\\');
        buf_append_u8(&json->text, (uint8_t)to[at - from]);
        return;
    }
    buf_printf(&json->text, "\\u%04x", byte);
}

static bool json_is_special(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f || byte == '"' || byte == '\\';
}

void json_text(struct json *json, const char *data, size_t size)
{
    size_t first = 0;
    size_t at = 0;

    json_separate(json);
    buf_append_u8(&json->text, '"');
    while (at < size) {
        size_t length = escape_utf8_length(data + at, size - at);

        if (length > 0 && !json_is_special((unsigned char)data[at])) {
            at += length;
            continue;
        }
        buf_append(&json->text, data + first, at - first);
        if (length == 0)
            buf_append_text(&json->text, "\xef\xbf\xbd");
        else
            json_special(json, (unsigned char)data[at]);
        first = ++at;
    }
    buf_append(&json->text, data + first, at - first);
    buf_append_u8(&json->text, '"');
}

void json_name(struct json *json, const char *name)
{
    json_text(json, name, strlen(name));
    buf_append_u8(&json->text, ':');
    json->follows = false;
}

void json_u64(struct json *json, uint64_t value)
{
    json_separate(json);
    buf_printf(&json->text, "%" PRIu64, value);
}

void json_i64(struct json *json, int64_t value)
{
    json_separate(json);
    buf_printf(&json->text, "%" PRId64, value);
}

void json_bool(struct json *json, bool value)
{
    json_separate(json);
    buf_append_text(&json->text, value ? "true" : "false");
}

void json_null(struct json *json)
{
    json_separate(json);
    buf_append_text(&json->text, "null");
}

void json_named_text(struct json *json, const char *name, const char *text)
{
    json_name(json, name);
    if (text == NULL)
        json_null(json);
    else
        json_text(json, text, strlen(text));
}

void json_named_u64(struct json *json, const char *name, uint64_t value)
{
    json_name(json, name);
    json_u64(json, value);
}

void json_named_i64(struct json *json, const char *name, int64_t value)
{
    json_name(json, name);
    json_i64(json, value);
}

void json_named_payload(struct json *json, const char *data, size_t size)
{
    if (escape_is_utf8(data, size)) {
        json_name(json, "payload");
        json_text(json, data, size);
        return;
    }
    json_name(json, "payload_base64");
    buf_append_u8(&json->text, '"');
    escape_base64(&json->text, data, size);
    buf_append_u8(&json->text, '"');
    json->follows = true;
}

void json_print(struct json *json, FILE *file)
{
    buf_append_u8(&json->text, '\n');
    fwrite(json->text.data, 1, json->text.size, file);
    buf_clear(&json->text);
    json->follows = false;
}
