/* Writing JSON (RFC 8259): values one after the other, commas set where they
 * belong.  Whatever bytes go in, what comes out is UTF-8 on one line. */
#ifndef RAFTSC_CTL_JSON_H
#define RAFTSC_CTL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

/* All zeros is an empty text. */
struct json {
    struct buf text;
    bool follows; /* a value stands before, in this object or array */
};

void json_free(struct json *json);

void json_open(struct json *json, char bracket);  /* '{' or '[' */
void json_close(struct json *json, char bracket); /* '}' or ']' */
/* The name of the next value. */
void json_name(struct json *json, const char *name);

/* Bytes that are not UTF-8 become U+FFFD. */
void json_text(struct json *json, const char *data, size_t size);
void json_u64(struct json *json, uint64_t value);
void json_i64(struct json *json, int64_t value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);

/* A name and its value; NULL text gives null. */
void json_named_text(struct json *json, const char *name, const char *text);
void json_named_u64(struct json *json, const char *name, uint64_t value);
void json_named_i64(struct json *json, const char *name, int64_t value);
/* "payload": text, or "payload_base64": text where it is not UTF-8. */
void json_named_payload(struct json *json, const char *data, size_t size);

/* Writes the text and a line end, and empties it for the next one. */
void json_print(struct json *json, FILE *file);

#endif
