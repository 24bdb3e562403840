#include "ctl/info.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* One line, ended by NUL.  Returns the section that holds from here on. */
static const char *info_line_read(struct info *info, const char *section,
                                  char *line)
{
    char *colon;

    if (line[0] == '#') {
        line++;
        while (*line == ' ')
            line++;
        return line;
    }
    colon = strchr(line, ':');
    if (colon == NULL || colon == line)
        return section;
    *colon = 0;
    info->lines = x_grow(info->lines, &info->capacity, info->count + 1,
                         sizeof(*info->lines));
    info->lines[info->count++] =
        (struct info_line){.section = section, .key = line, .value = colon + 1};
    return section;
}

/* What a terminal must never see becomes '?'; the ends of lines stay. */
static void make_printable(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];

        if ((byte < 0x20 && byte != '\n' && byte != '\r') || byte == 0x7f)
            text[i] = '?';
    }
}

void info_read(struct info *info, const char *text, size_t size)
{
    const char *section = "";
    char *at;

    info->text = x_malloc(size + 1);
    memcpy(info->text, text, size);
    info->text[size] = 0;
    make_printable(info->text, size);
    at = info->text;
    while (*at != 0) {
        char *line = at;

        at += strcspn(at, "\r\n");
        while (*at == '\r' || *at == '\n')
            *at++ = 0;
        section = info_line_read(info, section, line);
    }
}

void info_clear(struct info *info)
{
    free(info->text);
    free(info->lines);
    *info = (struct info){0};
}

const char *info_get(const struct info *info, const char *section,
                     const char *key)
{
    for (size_t i = 0; i < info->count; i++) {
        const struct info_line *line = &info->lines[i];

        if (strcmp(line->section, section) == 0 && strcmp(line->key, key) == 0)
            return line->value;
    }
    return NULL;
}

bool info_u64(const struct info *info, const char *section, const char *key,
              uint64_t *value)
{
    const char *text = info_get(info, section, key);

    return text != NULL && text_to_u64(text, strlen(text), value);
}

bool info_field(const char *fields, const char *name, char *out,
                size_t out_size)
{
    size_t name_size = strlen(name);

    while (*fields != 0) {
        size_t size = strcspn(fields, ",");

        if (size > name_size && fields[name_size] == '=' &&
            strncmp(fields, name, name_size) == 0) {
            size_t value_size = size - name_size - 1;

            if (value_size >= out_size)
                return false;
            memcpy(out, fields + name_size + 1, value_size);
            out[value_size] = 0;
            return true;
        }
        fields += size;
        if (*fields == ',')
            fields++;
    }
    return false;
}
