/* Lines out of a stream of bytes that comes in pieces. */
#ifndef RAFTSC_CTL_LINES_H
#define RAFTSC_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* No node takes a larger payload. */
#define LINES_SIZE_MAX ((size_t)64 * 1024 * 1024)

/* All zeros: nothing has come. */
struct lines {
    struct buf buf;
    size_t start;   /* where the next line begins */
    size_t scanned; /* no line end lies before this */
    bool ended;     /* all has come: what is left is a line as well */
};

enum lines_result {
    LINES_ONE,  /* here is one */
    LINES_NONE, /* it is not whole yet, or there are no more */
    LINES_LONG  /* it is over LINES_SIZE_MAX, and there is no way on */
};

/* Room for the next piece, of `size` bytes; lines_came() says how many of
 * them came, 0 for the end. */
uint8_t *lines_room(struct lines *lines, size_t size);
void lines_came(struct lines *lines, size_t size);

/* The next line without its '\n', borrowed until lines_room(). */
enum lines_result lines_next(struct lines *lines, const char **data,
                             size_t *size);
void lines_free(struct lines *lines);

#endif
