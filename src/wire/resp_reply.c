/* Replies in: for raftctl and the tests. */
#include "wire/resp.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define NEST_MAX 8
#define CHILDREN_MAX ((int64_t)1 << 20)

/* An array that is being filled, and how much of it is. */
struct level {
    struct resp_value *value;
    size_t filled;
};

struct reader {
    const char *data;
    size_t size;
    size_t at;
    struct level levels[NEST_MAX];
    size_t depth;
};

void resp_value_clear(struct resp_value *value)
{
    /* Depth first, without recursion: a child's children are moved up. */
    struct resp_value *stack[NEST_MAX + 1];
    size_t counts[NEST_MAX + 1];
    size_t depth = 0;
    stack[0] = value->children;
    counts[0] = value->count;
    for (;;) {
        if (counts[depth] > 0) {
            struct resp_value *child = &stack[depth][--counts[depth]];
            if (child->children != NULL && depth < NEST_MAX) {
                depth++;
                stack[depth] = child->children;
                counts[depth] = child->count;
            }
            continue;
        }
        free(stack[depth]);
        if (depth == 0) {
            break;
        }
        depth--;
    }
    *value = (struct resp_value){.type = RESP_NIL};
}

static bool next_line(struct reader *reader, const char **line, size_t *length)
{
    const char *start = reader->data + reader->at;
    const char *end = memchr(start, '\n', reader->size - reader->at);
    if (end == NULL) {
        return false;
    }
    *line = start;
    *length = (size_t)(end - start);
    if (*length > 0 && start[*length - 1] == '\r') {
        *length -= 1;
    }
    reader->at += (size_t)(end - start) + 1;
    return true;
}

static enum resp_reply_result bulk(struct reader *reader, int64_t size,
                                   struct resp_value *value)
{
    if (size < 0) {
        value->type = RESP_NIL;
        return size == -1 ? RESP_REPLY : RESP_REPLY_BAD;
    }
    if ((uint64_t)size > RESP_BULK_MAX) {
        return RESP_REPLY_BAD;
    }
    if (reader->size - reader->at < (size_t)size + 2) {
        return RESP_REPLY_MORE;
    }
    value->type = RESP_BULK;
    value->data = reader->data + reader->at;
    value->size = (size_t)size;
    reader->at += (size_t)size + 2;
    return memcmp(value->data + size, "\r\n", 2) == 0 ? RESP_REPLY
                                                      : RESP_REPLY_BAD;
}

/* An array begins: its children come next. */
static enum resp_reply_result open_array(struct reader *reader, char type,
                                         int64_t count,
                                         struct resp_value *value)
{
    if (count == -1) {
        value->type = RESP_NIL;
        return RESP_REPLY;
    }
    value->type = type == '%' ? RESP_MAP : type == '>' ? RESP_PUSH : RESP_ARRAY;
    count = type == '%' ? count * 2 : count;
    if (count < 0 || count > CHILDREN_MAX) {
        return RESP_REPLY_BAD;
    }
    /* Each child takes at least 3 bytes: do not believe in more. */
    if ((size_t)count > (reader->size - reader->at) / 3) {
        return RESP_REPLY_MORE;
    }
    if (count > 0 && reader->depth == NEST_MAX) {
        return RESP_REPLY_BAD;
    }
    if (count > 0) {
        value->children = x_calloc((size_t)count, sizeof(*value->children));
        value->count = (size_t)count;
        reader->levels[reader->depth++] = (struct level){.value = value};
    }
    return RESP_REPLY;
}

static enum resp_reply_result text_value(const char *line, size_t length,
                                         enum resp_type type,
                                         struct resp_value *value)
{
    value->type = type;
    value->data = line;
    value->size = length;
    return RESP_REPLY;
}

static enum resp_reply_result one(struct reader *reader,
                                  struct resp_value *value)
{
    const char *line;
    size_t length;
    if (!next_line(reader, &line, &length)) {
        return RESP_REPLY_MORE;
    }
    char type = length == 0 ? '\0' : line[0];
    line++;
    length -= length > 0;
    int64_t number = 0;
    bool numeric = text_to_i64(line, length, &number);
    switch (type) {
    case '+':
        return text_value(line, length, RESP_SIMPLE, value);
    case '-':
        return text_value(line, length, RESP_ERROR, value);
    case ',':
        return text_value(line, length, RESP_DOUBLE, value);
    case '_':
        value->type = RESP_NIL;
        return RESP_REPLY;
    case '#':
        value->type = RESP_BOOLEAN;
        value->integer = length == 1 && line[0] == 't';
        return RESP_REPLY;
    case ':':
        value->type = RESP_INTEGER;
        value->integer = number;
        return numeric ? RESP_REPLY : RESP_REPLY_BAD;
    case '$':
        return numeric ? bulk(reader, number, value) : RESP_REPLY_BAD;
    case '*':
    case '~':
    case '%':
    case '>':
        return numeric ? open_array(reader, type, number, value)
                       : RESP_REPLY_BAD;
    default: /* a character from outside, not an enum of ours */
        return RESP_REPLY_BAD;
    }
}

/* Where the next value goes; NULL: everything is filled. */
static struct resp_value *next_place(struct reader *reader)
{
    while (reader->depth > 0) {
        struct level *top = &reader->levels[reader->depth - 1];
        if (top->filled < top->value->count) {
            return &top->value->children[top->filled++];
        }
        reader->depth--;
    }
    return NULL;
}

enum resp_reply_result resp_reply_parse(const char *data, size_t size,
                                        struct resp_value *value, size_t *used)
{
    struct reader reader = {.data = data, .size = size};
    *value = (struct resp_value){.type = RESP_NIL};
    if (size == 0) {
        return RESP_REPLY_MORE;
    }
    struct resp_value *place = value;
    while (place != NULL) {
        enum resp_reply_result result = one(&reader, place);
        if (result != RESP_REPLY) {
            resp_value_clear(value);
            return result;
        }
        place = next_place(&reader);
    }
    *used = reader.at;
    return RESP_REPLY;
}
