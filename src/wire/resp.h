/* RESP, the protocol of the apps: requests in, replies out, incremental.
 *
 * A request is an array of bulk strings, or one line of words ("inline":
 * separated by spaces, quoted as in redis-cli, ended by LF or CRLF).  Replies
 * are RESP2, or RESP3 after HELLO 3.  Nothing here knows a command. */
#ifndef RAFTSC_WIRE_RESP_H
#define RAFTSC_WIRE_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/out.h"

/* ---- requests ----------------------------------------------------------- */

#define RESP_WORDS_MAX 1024                         /* words of a request */
#define RESP_BULK_MAX ((uint64_t)512 * 1024 * 1024) /* above: an error */
#define RESP_INLINE_MAX ((size_t)64 * 1024)         /* above: an error */

struct resp_word {
    const uint8_t *data; /* NULL: longer than the limit, read, thrown away */
    size_t size;         /* its true size, also where data is NULL */
    struct blob *blob;   /* not NULL: the word is this whole blob */
};

struct resp_request {
    struct resp_word *words;
    size_t count; /* at least 1 */
};

enum resp_result {
    RESP_MORE,    /* all input is taken; there is no whole request yet */
    RESP_REQUEST, /* *request is the next one */
    RESP_BAD      /* the stream is malformed: resp_parser_error() */
};

struct resp_parser;

/* Words longer than `word_max` bytes, and all words of a request once its
 * kept words exceed `request_max` bytes together, are read and thrown away:
 * they come with data == NULL. */
struct resp_parser *resp_parser_new(size_t word_max, size_t request_max);
void resp_parser_free(struct resp_parser *parser);
void resp_parser_limit(struct resp_parser *parser, size_t word_max,
                       size_t request_max);

/* Take bytes from *data and move it forward by what was used; call again with
 * the rest until RESP_MORE.  *request, its words included, is valid until the
 * next call.  Empty lines and empty arrays are passed over, as Redis does.
 * After RESP_BAD every call gives RESP_BAD. */
enum resp_result resp_parser_next(struct resp_parser *parser,
                                  const uint8_t **data, size_t *size,
                                  struct resp_request *request);

/* "Protocol error: …", what was wrong and what was expected, printable. */
const char *resp_parser_error(const struct resp_parser *parser);

/* Bytes that an unfinished request holds now. */
size_t resp_parser_held(const struct resp_parser *parser);

/* The word as a blob of one reference, the caller's: shared where the parser
 * made one, copied elsewhere.  data must not be NULL. */
struct blob *resp_word_blob(const struct resp_word *word);

/* ---- replies: writing --------------------------------------------------- */

/* `version` is 2 or 3 everywhere. */
void resp_write_ok(struct out *out);
void resp_write_simple(struct out *out, const char *text);
/* `text` is "CODE words for people"; line ends in it become spaces. */
void resp_write_error(struct out *out, const char *text);
void resp_write_integer(struct out *out, int64_t value);
void resp_write_bulk(struct out *out, const void *data, size_t size);
void resp_write_text(struct out *out, const char *text); /* as a bulk string */
void resp_write_blob(struct out *out, struct blob *blob);
void resp_write_nil(struct out *out, int version);
void resp_write_array(struct out *out, size_t count);
/* `pairs` pairs follow; in RESP2 an array of twice as many. */
void resp_write_map(struct out *out, size_t pairs, int version);
/* A push of `count` elements; in RESP2 an array. */
void resp_write_push(struct out *out, size_t count, int version);

/* ---- replies: reading (raftctl, tests) ---------------------------------- */

enum resp_type {
    RESP_SIMPLE,
    RESP_ERROR,
    RESP_INTEGER,
    RESP_BULK,
    RESP_NIL,
    RESP_ARRAY, /* and sets */
    RESP_MAP,   /* children: key, value, key, value … */
    RESP_PUSH,
    RESP_BOOLEAN, /* integer is 0 or 1 */
    RESP_DOUBLE   /* as text */
};

struct resp_value {
    enum resp_type type;
    int64_t integer;  /* RESP_INTEGER, RESP_BOOLEAN */
    const char *data; /* text of the others; not ended by NUL */
    size_t size;
    struct resp_value *children;
    size_t count; /* children */
};

enum resp_reply_result { RESP_REPLY_MORE, RESP_REPLY, RESP_REPLY_BAD };

/* Parse one whole reply from the start of `data`.  RESP_REPLY: *value is it
 * (text borrowed from `data`, children owned: resp_value_clear()) and *used
 * the bytes it took.  RESP_REPLY_MORE: it is not whole yet.  Arrays nest at
 * most 8 deep and have at most 2^20 children. */
enum resp_reply_result resp_reply_parse(const char *data, size_t size,
                                        struct resp_value *value, size_t *used);
void resp_value_clear(struct resp_value *value);

#endif
