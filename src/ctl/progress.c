#include "ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/client.h"

#define PROGRESS_PERIOD_US ((uint64_t)100000)
#define PROGRESS_WIDTH_MAX 200

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

void progress_line(char *out, size_t out_size, size_t width,
                   uint64_t done_bytes, uint64_t total_bytes,
                   uint64_t done_lines, uint64_t elapsed_us)
{
    double seconds = (double)elapsed_us / 1e6;
    double rate = seconds > 0 ? (double)done_lines / seconds : 0;
    size_t limit = width + 1 < out_size ? width + 1 : out_size;
    char bar[PROGRESS_BAR_MAX + 3];
    char left[PROGRESS_CLOCK_SIZE] = "-:--";
    size_t bar_width;

    if (total_bytes == 0) {
        snprintf(out, limit, "%" PRIu64 " lines  %.0f/s", done_lines, rate);
        return;
    }
    if (done_bytes > total_bytes)
        done_bytes = total_bytes; /* a file that grows */
    if (done_bytes > 0)
        progress_clock(left,
                       (uint64_t)(seconds * (double)(total_bytes - done_bytes) /
                                  (double)done_bytes));
    bar_width = width > 80 ? PROGRESS_BAR_MAX : width / 3;
    progress_bar(bar, bar_width, done_bytes, total_bytes);
    snprintf(out, limit, "%s %3u%%  %" PRIu64 " lines  %.0f/s  %s left", bar,
             (unsigned)((double)done_bytes * 100 / (double)total_bytes),
             done_lines, rate, left);
}

void progress_bytes_line(char *out, size_t out_size, size_t width,
                         uint64_t done_bytes, uint64_t total_bytes,
                         uint64_t elapsed_us)
{
    double seconds = (double)elapsed_us / 1e6;
    double done_mib = (double)done_bytes / (1 << 20);
    double rate = seconds > 0 ? done_mib / seconds : 0;
    size_t limit = width + 1 < out_size ? width + 1 : out_size;
    char bar[PROGRESS_BAR_MAX + 3];
    char left[PROGRESS_CLOCK_SIZE] = "-:--";

    if (total_bytes == 0) {
        snprintf(out, limit, "%.1f MiB  %.0f MiB/s", done_mib, rate);
        return;
    }
    if (done_bytes > total_bytes)
        done_bytes = total_bytes; /* a file that grows */
    if (done_bytes > 0)
        progress_clock(left,
                       (uint64_t)(seconds * (double)(total_bytes - done_bytes) /
                                  (double)done_bytes));
    progress_bar(bar, width > 80 ? PROGRESS_BAR_MAX : width / 3, done_bytes,
                 total_bytes);
    snprintf(out, limit, "%s %3u%%  %.1f MiB  %.0f MiB/s  %s left", bar,
             (unsigned)((double)done_bytes * 100 / (double)total_bytes),
             done_mib, rate, left);
}
