/* Requests in: arrays of bulk strings, and inline lines.
 *
 * A request that lies whole in the caller's input is parsed in place: its
 * words point into the input.  What is left over is kept and parsed again
 * together with what comes next; a long word is gathered on its own instead,
 * so that no byte of it is looked at twice. */
#include "wire/resp.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

/* A word longer than this is gathered into a blob of its own. */
#define GATHER_MIN ((size_t)16 * 1024)
/* "*1024\r\n", "$536870912\r\n": no head is longer. */
#define HEAD_MAX ((size_t)32)

struct resp_parser {
    size_t word_max;
    size_t request_max;
    char error[160]; /* "": none yet */

    /* The request under way. */
    bool open;         /* its *N is read */
    size_t expected;   /* words */
    size_t count;      /* of them, whole */
    size_t kept_bytes; /* of those that are kept */
    struct resp_word words[RESP_WORDS_MAX];
    size_t offsets[RESP_WORDS_MAX]; /* of words in `store`, SIZE_MAX: not */
    bool in_word;                   /* its $N is read */
    size_t word_size;
    size_t word_done;  /* bytes of it that have come */
    bool word_skipped; /* too long: thrown away */
    bool word_ill;     /* no CRLF behind it */
    struct buf word;   /* a long one, gathered */
    struct buf store;  /* short words of a request that came in pieces */
    struct buf head;   /* a line that came in pieces */
    bool whole;        /* the last call gave a request: forget it now */
};

struct resp_parser *resp_parser_new(size_t word_max, size_t request_max)
{
    struct resp_parser *parser = x_calloc(1, sizeof(*parser));
    resp_parser_limit(parser, word_max, request_max);
    return parser;
}

static void forget_request(struct resp_parser *parser)
{
    for (size_t i = 0; i < parser->count; i++) {
        blob_free(parser->words[i].blob);
    }
    parser->count = 0;
    parser->expected = 0;
    parser->kept_bytes = 0;
    parser->open = false;
    parser->in_word = false;
    parser->whole = false;
    buf_clear(&parser->store);
}

void resp_parser_free(struct resp_parser *parser)
{
    if (parser != NULL) {
        forget_request(parser);
        buf_free(&parser->word);
        buf_free(&parser->store);
        buf_free(&parser->head);
        free(parser);
    }
}

void resp_parser_limit(struct resp_parser *parser, size_t word_max,
                       size_t request_max)
{
    parser->word_max = word_max;
    parser->request_max = request_max;
}

size_t resp_parser_held(const struct resp_parser *parser)
{
    size_t held = parser->word.size + parser->store.size + parser->head.size;
    for (size_t i = 0; i < parser->count; i++) {
        held += parser->words[i].blob == NULL ? 0 : parser->words[i].size;
    }
    return held;
}

const char *resp_parser_error(const struct resp_parser *parser)
{
    return parser->error;
}

static enum resp_result bad(struct resp_parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum resp_result bad(struct resp_parser *parser, const char *format, ...)
{
    va_list arguments;
    size_t used = (size_t)snprintf(parser->error, sizeof(parser->error),
                                   "Protocol error: ");
    va_start(arguments, format);
    vsnprintf(parser->error + used, sizeof(parser->error) - used, format,
              arguments);
    va_end(arguments);
    return RESP_BAD;
}

/* ---- lines -------------------------------------------------------------- */

/* The next line, without its end, in the input or gathered in `head`.  False:
 * it is not whole yet, and all input is taken. */
static bool next_line(struct resp_parser *parser, const uint8_t **data,
                      size_t *size, const char **line, size_t *length)
{
    const uint8_t *end = memchr(*data, '\n', *size);
    size_t part = end == NULL ? *size : (size_t)(end - *data) + 1;
    *line = (const char *)*data;
    *length = part;
    if (end == NULL || parser->head.size > 0) {
        buf_append(&parser->head, *data, part);
        *line = (const char *)parser->head.data;
        *length = parser->head.size;
    }
    *data += part;
    *size -= part;
    if (end == NULL) {
        return false;
    }
    buf_clear(&parser->head); /* its bytes stay until the next append */
    *length -= 1;
    if (*length > 0 && (*line)[*length - 1] == '\r') {
        *length -= 1;
    }
    return true;
}

/* "*3" or "$5": -1 and below mean none, as Redis takes them. */
static bool head_number(const char *line, size_t length, int64_t *number)
{
    return length > 1 && text_to_i64(line + 1, length - 1, number);
}

/* ---- inline requests ---------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What stands behind a backslash inside double quotes; returns how many
 * characters it took. */
static size_t unescape(const char *at, const char *end, char *c)
{
    static const char from[] = "nrtba";
    static const char to[] = "\n\r\t\b\a";
    if (end - at >= 3 && at[0] == 'x' && hex_digit(at[1]) >= 0 &&
        hex_digit(at[2]) >= 0) {
        *c = (char)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
        return 3;
    }
    const char *known = strchr(from, at[0]);
    *c = known != NULL && at[0] != '\0' ? to[known - from] : at[0];
    return 1;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

/* A quoted part that begins behind its quote; NULL: it does not end, or more
 * than white space follows.  Returns what is behind it. */
static const char *quoted(struct buf *store, const char *at, const char *end,
                          char quote)
{
    while (at < end && *at != quote) {
        char c = *at++;
        if (c == '\\' && at < end && quote == '"') {
            at += unescape(at, end, &c);
        } else if (c == '\\' && at < end && *at == '\'') {
            c = *at++;
        }
        buf_append_u8(store, (uint8_t)c);
    }
    if (at == end || (at + 1 < end && !is_space(at[1]))) {
        return NULL;
    }
    return at + 1;
}

static const char *inline_word(struct buf *store, const char *at,
                               const char *end)
{
    while (at < end && !is_space(*at)) {
        if (*at == '"' || *at == '\'') {
            return quoted(store, at + 1, end, *at);
        }
        buf_append_u8(store, (uint8_t)*at++);
    }
    return at;
}

static enum resp_result finish(struct resp_parser *parser,
                               struct resp_request *request);

static bool keep_word(struct resp_parser *parser, size_t size)
{
    bool kept = size <= parser->word_max &&
                parser->kept_bytes + size <= parser->request_max;
    parser->kept_bytes += kept ? size : 0;
    return kept;
}

static enum resp_result parse_inline(struct resp_parser *parser,
                                     const char *line, size_t length,
                                     struct resp_request *request)
{
    if (length > RESP_INLINE_MAX) {
        return bad(parser, "an inline request is longer than 64 KiB");
    }
    const char *at = line;
    const char *end = line + length;
    while (at < end && is_space(*at)) {
        at++;
    }
    while (at < end) {
        if (parser->count == RESP_WORDS_MAX) {
            return bad(parser, "a request has more than %d words",
                       RESP_WORDS_MAX);
        }
        size_t start = parser->store.size;
        at = inline_word(&parser->store, at, end);
        if (at == NULL) {
            return bad(parser, "unbalanced quotes in request");
        }
        size_t size = parser->store.size - start;
        parser->offsets[parser->count] =
            keep_word(parser, size) ? start : SIZE_MAX;
        parser->words[parser->count++] = (struct resp_word){.size = size};
        while (at < end && is_space(*at)) {
            at++;
        }
    }
    return parser->count == 0 ? RESP_MORE : finish(parser, request);
}

/* ---- arrays of bulk strings --------------------------------------------- */

/* The words that are in `store` get their place now that it moves no more. */
static enum resp_result finish(struct resp_parser *parser,
                               struct resp_request *request)
{
    for (size_t i = 0; i < parser->count; i++) {
        if (parser->offsets[i] != SIZE_MAX) {
            /* An empty word has a place too: NULL means thrown away. */
            buf_reserve(&parser->store, 1);
        }
    }
    for (size_t i = 0; i < parser->count; i++) {
        if (parser->offsets[i] != SIZE_MAX) {
            parser->words[i].data = parser->store.data + parser->offsets[i];
        }
    }
    request->words = parser->words;
    request->count = parser->count;
    parser->whole = true;
    return RESP_REQUEST;
}

/* Words that point into the caller's input must outlive it, if the request
 * does not end with it. */
static void keep_input_words(struct resp_parser *parser)
{
    for (size_t i = 0; i < parser->count; i++) {
        struct resp_word *word = &parser->words[i];
        if (word->data != NULL && word->blob == NULL &&
            parser->offsets[i] == SIZE_MAX) {
            parser->offsets[i] = parser->store.size;
            buf_append(&parser->store, word->data, word->size);
        }
    }
}

static void add_word(struct resp_parser *parser, struct resp_word word,
                     size_t offset)
{
    parser->offsets[parser->count] = offset;
    parser->words[parser->count++] = word;
    parser->in_word = false;
}

/* The whole word and its end lie in the input: nothing is copied. */
static bool take_in_place(struct resp_parser *parser, const uint8_t **data,
                          size_t *size)
{
    size_t needed = parser->word_size + 2;
    if (parser->word_done > 0 || parser->word_skipped || *size < needed ||
        parser->word_size > GATHER_MIN ||
        memcmp(*data + parser->word_size, "\r\n", 2) != 0) {
        return false;
    }
    struct resp_word word = {.data = *data, .size = parser->word_size};
    add_word(parser, word, SIZE_MAX);
    *data += needed;
    *size -= needed;
    return true;
}

/* Takes bytes of a word, and of the CRLF behind it; true once it is whole. */
static bool gather_word(struct resp_parser *parser, const uint8_t **data,
                        size_t *size)
{
    size_t needed = parser->word_size + 2 - parser->word_done;
    size_t part = *size < needed ? *size : needed;
    size_t of_word = parser->word_done >= parser->word_size
                         ? 0
                         : parser->word_size - parser->word_done;
    if (!parser->word_skipped) {
        buf_append(&parser->word, *data, part < of_word ? part : of_word);
    }
    for (size_t i = of_word; i < part; i++) {
        size_t at = parser->word_done + i - parser->word_size;
        parser->word_ill = parser->word_ill || (*data)[i] != "\r\n"[at];
    }
    parser->word_done += part;
    *data += part;
    *size -= part;
    return parser->word_done == parser->word_size + 2;
}

static void end_word(struct resp_parser *parser)
{
    struct resp_word word = {.size = parser->word_size};
    size_t offset = SIZE_MAX;
    if (!parser->word_skipped && parser->word_size > GATHER_MIN) {
        word.blob = blob_take(&parser->word);
        word.data = word.blob->data;
    } else if (!parser->word_skipped) {
        offset = parser->store.size;
        buf_append(&parser->store, parser->word.data, parser->word.size);
    }
    if (parser->word.capacity > GATHER_MIN * 4) {
        buf_free(&parser->word);
    }
    buf_clear(&parser->word);
    add_word(parser, word, offset);
}

static enum resp_result begin_word(struct resp_parser *parser, const char *line,
                                   size_t length)
{
    int64_t number;
    if (length == 0 || line[0] != '$') {
        return bad(parser, "expected '$', got '%c'",
                   length == 0 || line[0] < ' ' ? '?' : line[0]);
    }
    if (!head_number(line, length, &number) || number < 0 ||
        (uint64_t)number > RESP_BULK_MAX) {
        return bad(parser, "invalid bulk length: expected 0 to %llu",
                   (unsigned long long)RESP_BULK_MAX);
    }
    parser->in_word = true;
    parser->word_size = (size_t)number;
    parser->word_done = 0;
    parser->word_skipped = !keep_word(parser, parser->word_size);
    return RESP_MORE;
}

static enum resp_result begin_array(struct resp_parser *parser,
                                    const char *line, size_t length)
{
    int64_t number;
    if (!head_number(line, length, &number) || number > RESP_WORDS_MAX) {
        return bad(parser, "invalid multibulk length: expected at most %d",
                   RESP_WORDS_MAX);
    }
    if (number > 0) {
        parser->open = true;
        parser->expected = (size_t)number;
    }
    return RESP_MORE;
}

static enum resp_result take_line(struct resp_parser *parser, const char *line,
                                  size_t length, struct resp_request *request)
{
    if (parser->open) {
        return begin_word(parser, line, length);
    }
    if (length > 0 && line[0] == '*') {
        return begin_array(parser, line, length);
    }
    return parse_inline(parser, line, length, request);
}

static enum resp_result line_too_long(struct resp_parser *parser)
{
    bool head =
        parser->open || (parser->head.size > 0 && parser->head.data[0] == '*');
    if (head && parser->head.size > HEAD_MAX) {
        return bad(parser, "a length is too long: expected at most 10 digits");
    }
    if (parser->head.size > RESP_INLINE_MAX) {
        return bad(parser, "an inline request is longer than 64 KiB");
    }
    return RESP_MORE;
}

/* One step: a word's bytes, or a line.  RESP_MORE with input left: go on. */
static enum resp_result step(struct resp_parser *parser, const uint8_t **data,
                             size_t *size, struct resp_request *request)
{
    if (parser->in_word) {
        if (!take_in_place(parser, data, size)) {
            bool whole = gather_word(parser, data, size);
            if (parser->word_ill) {
                return bad(parser, "expected CRLF behind a bulk string");
            }
            if (!whole) {
                return RESP_MORE;
            }
            end_word(parser);
        }
        return parser->count == parser->expected ? finish(parser, request)
                                                 : RESP_MORE;
    }
    const char *line;
    size_t length;
    if (!next_line(parser, data, size, &line, &length)) {
        return line_too_long(parser);
    }
    return take_line(parser, line, length, request);
}

enum resp_result resp_parser_next(struct resp_parser *parser,
                                  const uint8_t **data, size_t *size,
                                  struct resp_request *request)
{
    if (parser->error[0] != '\0') {
        return RESP_BAD;
    }
    if (parser->whole) {
        forget_request(parser);
    }
    while (*size > 0) {
        enum resp_result result = step(parser, data, size, request);
        if (result != RESP_MORE) {
            return result;
        }
    }
    keep_input_words(parser);
    return RESP_MORE;
}

struct blob *resp_word_blob(const struct resp_word *word)
{
    assert(word->data != NULL);
    return word->blob != NULL ? blob_share(word->blob)
                              : blob_copy(word->data, word->size);
}
