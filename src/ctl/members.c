#include "ctl/members.h"

#include <string.h>

bool member_read(const char *text, size_t size, struct member *member)
{
    const char *equals = memchr(text, '=', size);
    const char *space = memchr(text, ' ', size);
    const char *end = text + size;

    if (equals == NULL || space == NULL || space < equals)
        return false;
    if (!text_to_u64(text, (size_t)(equals - text), &member->id))
        return false;
    if (space == equals + 1 || space + 1 == end)
        return false;
    if ((size_t)(space - equals) > sizeof(member->address) ||
        (size_t)(end - space) > sizeof(member->role))
        return false;
    text_printable(member->address, sizeof(member->address), equals + 1,
                   (size_t)(space - equals) - 1);
    text_printable(member->role, sizeof(member->role), space + 1,
                   (size_t)(end - space) - 1);
    return true;
}

bool member_next(const char **text, size_t *size, struct member *member)
{
    const char *comma = memchr(*text, ',', *size);
    size_t length = comma == NULL ? *size : (size_t)(comma - *text);

    if (*size == 0 || !member_read(*text, length, member))
        return false;
    *text += length;
    *size -= length;
    while (*size > 0 && (**text == ',' || **text == ' ')) {
        (*text)++;
        (*size)--;
    }
    return true;
}

void member_json(struct json *json, const struct member *member)
{
    json_open(json, '{');
    json_named_u64(json, "id", member->id);
    json_named_text(json, "address", member->address);
    json_named_text(json, "role", member->role);
    json_close(json, '}');
}

static bool members_are_readable(const char *text, size_t size)
{
    struct member member;

    while (member_next(&text, &size, &member))
        ;
    return size == 0;
}

void members_json(struct json *json, const char *text, size_t size)
{
    struct member member;

    if (!members_are_readable(text, size)) {
        json_text(json, text, size);
        return;
    }
    json_open(json, '[');
    while (member_next(&text, &size, &member))
        member_json(json, &member);
    json_close(json, ']');
}
