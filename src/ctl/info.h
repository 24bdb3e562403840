/* The text of INFO: "# Section" lines and "key:value" lines.  Keys that a
 * later node adds are kept like all others; keys that are missing read as
 * NULL, and whoever shows them shows nothing. */
#ifndef RAFTSC_CTL_INFO_H
#define RAFTSC_CTL_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct info_line {
    const char *section; /* in the node's letters: "Raft" */
    const char *key;
    const char *value; /* printable */
};

struct info {
    char *text; /* what the lines point into */
    struct info_line *lines;
    size_t count;
    size_t capacity;
};

/* Copies `text`.  *info was all zeros, or cleared. */
void info_read(struct info *info, const char *text, size_t size);
void info_clear(struct info *info);

/* NULL: there is no such line. */
const char *info_get(const struct info *info, const char *section,
                     const char *key);
/* False: it is not there, or is not a number of that kind. */
bool info_u64(const struct info *info, const char *section, const char *key,
              uint64_t *value);

/* The value of `name` in "a=1,b=2", as a text in `out`.  False: not there,
 * or it does not fit. */
bool info_field(const char *fields, const char *name, char *out,
                size_t out_size);

#endif
