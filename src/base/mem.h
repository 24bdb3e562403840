/* Memory and the end of the process.
 *
 * Memory that cannot be had ends the process: a node that has none is better
 * restarted than half alive.  Everything that a stranger can make large has a
 * limit long before that, at the place where it grows. */
#ifndef RAFTSC_BASE_MEM_H
#define RAFTSC_BASE_MEM_H

#include <stddef.h>

/* What an assert rules out is worse than an end: see the README, "Hacking". */
#ifdef NDEBUG
#error "the asserts stay on: build without -DNDEBUG"
#endif

/* Exit statuses, after sysexits(3). */
enum exit_status {
    EXIT_STATUS_OK = 0,
    EXIT_STATUS_USAGE = 64,    /* the command line */
    EXIT_STATUS_DAMAGED = 65,  /* what is on disk is damaged, or another's */
    EXIT_STATUS_SOFTWARE = 70, /* out of memory, a library that fails */
    EXIT_STATUS_ADDRESS = 71,  /* an address or a socket cannot be had */
    EXIT_STATUS_DISK = 74,     /* the disk failed, or the output */
    EXIT_STATUS_IN_USE = 75,   /* the data directory is in use */
    EXIT_STATUS_CONFIG = 78    /* the configuration */
};

/* Never NULL, also for a size of 0.  The caller owns the memory; free(3). */
void *x_malloc(size_t size);
void *x_calloc(size_t count, size_t size);
void *x_realloc(void *old, size_t size);
char *x_strdup(const char *text);

/* An array that is full grows to at least `need` elements of `size` bytes:
 * doubles *capacity until it fits.  Returns the new place of `array`. */
void *x_grow(void *array, size_t *capacity, size_t need, size_t size);

/* Log the message at level error and exit(status).  Never returns. */
void die(enum exit_status status, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

#endif
