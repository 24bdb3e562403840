#include "ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/client.h"

#define PROGRESS_PERIOD_US ((uint64_t)100000)
#define PROGRESS_WIDTH_MAX 200

static struct progress *shown; /* NULL: none is on the screen */

void progress_start(struct progress *progress, uint64_t total_bytes)
{
    *progress = (struct progress){.enabled = isatty(STDERR_FILENO),
                                  .started_us = client_now_us(),
                                  .total_bytes = total_bytes};
}

size_t progress_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 79;
    return size.ws_col < PROGRESS_WIDTH_MAX ? size.ws_col - 1U
                                            : PROGRESS_WIDTH_MAX;
}

bool progress_due(const struct progress *progress)
{
    return progress->enabled &&
           (progress->drawn_us == 0 ||
            client_now_us() - progress->drawn_us >= PROGRESS_PERIOD_US);
}

void progress_show(struct progress *progress, const char *line)
{
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    progress->drawn = true;
    shown = progress;
    progress->drawn_us = client_now_us();
}

void progress_draw(struct progress *progress, uint64_t done_bytes,
                   uint64_t done_lines)
{
    char line[PROGRESS_WIDTH_MAX + 1];

    if (!progress_due(progress))
        return;
    progress_line(line, sizeof(line), progress_width(), done_bytes,
                  progress->total_bytes, done_lines,
                  client_now_us() - progress->started_us);
    progress_show(progress, line);
}

void progress_draw_bytes(struct progress *progress, uint64_t done_bytes)
{
    char line[PROGRESS_WIDTH_MAX + 1];

    if (!progress_due(progress))
        return;
    progress_bytes_line(line, sizeof(line), progress_width(), done_bytes,
                        progress->total_bytes,
                        client_now_us() - progress->started_us);
    progress_show(progress, line);
}

void progress_hide(struct progress *progress)
{
    if (!progress->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->drawn = false;
    shown = NULL;
}

void progress_hide_any(void)
{
    if (shown != NULL)
        progress_hide(shown);
}

void progress_bar(char out[PROGRESS_BAR_MAX + 3], size_t width, uint64_t done,
                  uint64_t total)
{
    size_t full = (size_t)((double)done / (double)total * (double)width);

    out[0] = '[';
    memset(out + 1, '#', full);
    memset(out + 1 + full, '-', width - full);
    out[width + 1] = ']';
    out[width + 2] = 0;
}

void progress_clock(char out[PROGRESS_CLOCK_SIZE], uint64_t seconds)
{
    if (seconds >= 3600)
        snprintf(out, PROGRESS_CLOCK_SIZE, "%" PRIu64 ":%02u:%02u",
                 seconds / 3600, (unsigned)(seconds / 60 % 60),
                 (unsigned)(seconds % 60));
    else
        snprintf(out, PROGRESS_CLOCK_SIZE, "%u:%02u", (unsigned)(seconds / 60),
                 (unsigned)(seconds % 60));
}

/* Fields of a line, from the one that is dropped first where it is narrow. */
struct fields {
    char done[48];
    char rate[32];
    char left[PROGRESS_CLOCK_SIZE + 8];
};

/* The same while the fields grow. */
static size_t bar_width_of(size_t width)
{
    if (width > 80)
        return PROGRESS_BAR_MAX;
    return width >= 60 ? width / 3 : width / 5;
}

static void lay_out(char *out, size_t out_size, size_t width, double share,
                    const struct fields *fields)
{
    const char *const dropped[][3] = {
        {fields->done, fields->rate, fields->left},
        {"", fields->rate, fields->left},
        {"", "", fields->left},
        {"", "", ""},
    };
    size_t limit = width + 1 < out_size ? width + 1 : out_size;
    char bar[PROGRESS_BAR_MAX + 3];
    char rest[160];
    size_t bar_width = bar_width_of(width);
    unsigned percent = (unsigned)(share * 100);

    for (size_t i = 0; i < 4; i++) {
        snprintf(rest, sizeof(rest), " %3u%%%s%s%s", percent, dropped[i][0],
                 dropped[i][1], dropped[i][2]);
        if (bar_width + 2 + strlen(rest) <= width)
            break;
    }
    progress_bar(bar, bar_width, (uint64_t)(share * 1000000), 1000000);
    if (bar_width + 2 + strlen(rest) <= width)
        snprintf(out, limit, "%s%s", bar, rest);
    else
        snprintf(out, limit, "%3u%%", percent);
}

/* Where the end is not known there is no bar. */
static void lay_out_plain(char *out, size_t out_size, size_t width,
                          const struct fields *fields)
{
    size_t limit = width + 1 < out_size ? width + 1 : out_size;
    const char *done = fields->done + 2;

    if (strlen(done) + strlen(fields->rate) <= width)
        snprintf(out, limit, "%s%s", done, fields->rate);
    else
        snprintf(out, limit, "%s", done);
}

static double share_of(uint64_t done, uint64_t total)
{
    /* More than all: a file that grows. */
    return done < total ? (double)done / (double)total : 1.0;
}

static void put_left(struct fields *fields, double share, uint64_t elapsed_us)
{
    char clock[PROGRESS_CLOCK_SIZE] = "-:--";

    if (share > 0)
        progress_clock(
            clock, (uint64_t)((double)elapsed_us / 1e6 * (1 - share) / share));
    snprintf(fields->left, sizeof(fields->left), "  %s left", clock);
}

static double per_second(double count, uint64_t elapsed_us)
{
    return elapsed_us > 0 ? count * 1e6 / (double)elapsed_us : 0;
}

static void lay_out_either(char *out, size_t out_size, size_t width,
                           struct fields *fields, uint64_t done, uint64_t total,
                           uint64_t elapsed_us)
{
    double share;

    if (total == 0) {
        lay_out_plain(out, out_size, width, fields);
        return;
    }
    share = share_of(done, total);
    put_left(fields, share, elapsed_us);
    lay_out(out, out_size, width, share, fields);
}

void progress_line(char *out, size_t out_size, size_t width,
                   uint64_t done_bytes, uint64_t total_bytes,
                   uint64_t done_lines, uint64_t elapsed_us)
{
    struct fields fields;

    snprintf(fields.done, sizeof(fields.done), "  %" PRIu64 " lines",
             done_lines);
    snprintf(fields.rate, sizeof(fields.rate), "  %.0f/s",
             per_second((double)done_lines, elapsed_us));
    lay_out_either(out, out_size, width, &fields, done_bytes, total_bytes,
                   elapsed_us);
}

void progress_bytes_line(char *out, size_t out_size, size_t width,
                         uint64_t done_bytes, uint64_t total_bytes,
                         uint64_t elapsed_us)
{
    struct fields fields;
    double done_mib = (double)done_bytes / (1 << 20);

    snprintf(fields.done, sizeof(fields.done), "  %.1f MiB", done_mib);
    snprintf(fields.rate, sizeof(fields.rate), "  %.0f MiB/s",
             per_second(done_mib, elapsed_us));
    lay_out_either(out, out_size, width, &fields, done_bytes, total_bytes,
                   elapsed_us);
}
