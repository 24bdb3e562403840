#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

static enum log_level level_now = LOG_LEVEL_INFO;
static enum log_format format_now = LOG_FORMAT_TEXT;
static bool waits = true;

/* Of standard error, where lines of threads do not mix, and of what follows. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t lost; /* lines, that nobody was told of yet */
static bool cut;      /* what was written last has no end of line */

static const char *const names[] = {"error", "warning", "info", "debug",
                                    "trace"};

const char *log_level_name(enum log_level level)
{
    return names[level];
}

bool log_level_from_name(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set(enum log_level level, enum log_format format)
{
    level_now = level;
    format_now = format;
}

void log_never_waits(void)
{
    waits = false;
}

bool log_wants(enum log_level level)
{
    return level <= level_now;
}

/* UTC, with milliseconds: "2026-01-31T12:00:00.123Z". */
static void append_time(struct buf *line)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char text[32];
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    buf_printf(line, "%s.%03dZ", text, (int)(now.tv_nsec / 1000000));
}

/* One line stays one line: control characters become spaces. */
static void append_plain(struct buf *line, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        buf_append_u8(line, c < ' ' || c == 0x7f ? ' ' : c);
    }
}

static void append_json(struct buf *line, const char *text)
{
    buf_append_u8(line, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            buf_append_u8(line, '\\');
            buf_append_u8(line, c);
        } else if (c < ' ' || c == 0x7f) {
            buf_printf(line, "\\u%04x", c);
        } else {
            buf_append_u8(line, c);
        }
    }
    buf_append_u8(line, '"');
}

static void append_line(struct buf *line, enum log_level level,
                        const char *text)
{
    if (format_now == LOG_FORMAT_JSON) {
        buf_append_text(line, "{\"time\":\"");
        append_time(line);
        buf_printf(line, "\",\"level\":\"%s\",\"message\":", names[level]);
        append_json(line, text);
        buf_append_text(line, "}\n");
        return;
    }
    append_time(line);
    buf_printf(line, " %s ", names[level]);
    append_plain(line, text);
    buf_append_u8(line, '\n');
}

/* ---- writing ------------------------------------------------------------ */

/* A pipe that has any takes PIPE_BUF bytes at once. */
static bool has_room(void)
{
    struct pollfd look = {.fd = STDERR_FILENO, .events = POLLOUT};
    return waits || (poll(&look, 1, 0) == 1 && (look.revents & POLLOUT) != 0);
}

/* What cannot be written is lost; false: some of it is. */
static bool write_all(const struct buf *line)
{
    size_t at = 0;
    while (at < line->size && has_room()) {
        size_t size = line->size - at < PIPE_BUF ? line->size - at : PIPE_BUF;
        ssize_t wrote = write(STDERR_FILENO, line->data + at, size);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            break;
        }
        at += (size_t)wrote;
    }
    if (at > 0) {
        cut = at < line->size;
    }
    return at == line->size;
}

/* True: nothing that was lost has yet to be told. */
static bool tell_lost(void)
{
    if (lost == 0) {
        return true;
    }
    struct buf line = {0};
    char text[96];
    snprintf(text, sizeof(text),
             "%llu lines of this log are lost: they were not read in time",
             (unsigned long long)lost);
    if (cut) {
        buf_append_u8(&line, '\n');
    }
    append_line(&line, LOG_LEVEL_WARNING, text);
    bool told = write_all(&line);
    buf_free(&line);
    if (told) {
        lost = 0;
    }
    return told;
}

void log_line(enum log_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line_v(level, format, arguments);
    va_end(arguments);
}

void log_line_v(enum log_level level, const char *format, va_list arguments)
{
    if (!log_wants(level)) {
        return;
    }
    char text[2048];
    vsnprintf(text, sizeof(text), format, arguments);
    struct buf line = {0};
    append_line(&line, level, text);
    pthread_mutex_lock(&mutex);
    if (!tell_lost() || !write_all(&line)) {
        lost++;
    }
    pthread_mutex_unlock(&mutex);
    buf_free(&line);
}
