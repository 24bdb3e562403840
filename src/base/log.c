#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

static enum log_level level_now = LOG_LEVEL_INFO;
static enum log_format format_now = LOG_FORMAT_TEXT;

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

void log_line(enum log_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line_v(level, format, arguments);
    va_end(arguments);
}

/* One write for a line, so that lines of threads do not mix; what cannot be
 * written is lost, for there is nobody to tell. */
void log_line_v(enum log_level level, const char *format, va_list arguments)
{
    if (!log_wants(level)) {
        return;
    }
    char text[2048];
    vsnprintf(text, sizeof(text), format, arguments);
    struct buf line = {0};
    append_line(&line, level, text);
    size_t at = 0;
    while (at < line.size) {
        ssize_t wrote = write(STDERR_FILENO, line.data + at, line.size - at);
        if (wrote <= 0) {
            break;
        }
        at += (size_t)wrote;
    }
    buf_free(&line);
}
