/* How far it is: one line on a terminal, drawn over again. */
#ifndef RAFTSC_CTL_PROGRESS_H
#define RAFTSC_CTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool enabled; /* false: nothing is ever drawn */
    bool drawn;   /* it is on the screen now */
    uint64_t started_us;
    uint64_t drawn_us;
    uint64_t total_bytes; /* 0: not known */
};

/* Draws to standard error, if that is a terminal. */
void progress_start(struct progress *progress, uint64_t total_bytes);
/* Draws, at most ten times a second. */
void progress_draw(struct progress *progress, uint64_t done_bytes,
                   uint64_t done_lines);
/* The same for bytes alone. */
void progress_draw_bytes(struct progress *progress, uint64_t done_bytes);
/* Takes it off the screen, so that something else can be printed. */
void progress_hide(struct progress *progress);
/* The same, whichever one is on it: what is complained of has its own line. */
void progress_hide_any(void);

/* Draws a line of the caller's.  `line` has at most progress_width()
 * characters; progress_due() says whether it is time for another one. */
bool progress_due(const struct progress *progress);
size_t progress_width(void);
void progress_show(struct progress *progress, const char *line);

/* "[###---]", `width` (at most PROGRESS_BAR_MAX) characters and the ends. */
#define PROGRESS_BAR_MAX 40
void progress_bar(char out[PROGRESS_BAR_MAX + 3], size_t width, uint64_t done,
                  uint64_t total);
/* "1:02:03" or "2:03". */
#define PROGRESS_CLOCK_SIZE 32
void progress_clock(char out[PROGRESS_CLOCK_SIZE], uint64_t seconds);

/* The line itself, at most `width` characters: a bar, per cent and the time
 * left where the total is known; lines and lines a second.  Where it is narrow
 * whole fields are left out. */
void progress_line(char *out, size_t out_size, size_t width,
                   uint64_t done_bytes, uint64_t total_bytes,
                   uint64_t done_lines, uint64_t elapsed_us);
/* The same for bytes: MiB, and MiB a second. */
void progress_bytes_line(char *out, size_t out_size, size_t width,
                         uint64_t done_bytes, uint64_t total_bytes,
                         uint64_t elapsed_us);

#endif
