/* Log lines: one for each thing that an operator would act on.
 *
 * Only the daemon and the tool write lines; core and node leave notes among
 * their effects, and the daemon logs those.  Lines go to standard error. */
#ifndef RAFTSC_BASE_LOG_H
#define RAFTSC_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_TRACE
};

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

const char *log_level_name(enum log_level level);
/* False for a name that there is not. */
bool log_level_from_name(const char *name, enum log_level *level);

/* Thread-safe only before other threads start. */
void log_set(enum log_level level, enum log_format format);
bool log_wants(enum log_level level);
/* From now on a line for which standard error has no room, as of a pipe that
 * nobody reads, is dropped; how many were is the first line for which there is
 * room again.  Before other threads start. */
void log_never_waits(void);

/* One line, whatever the message holds.  Text: "2026-01-31T12:00:00.123Z info
 * message"; JSON: {"time":…,"level":…,"message":…}.  Any thread. */
void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void log_line_v(enum log_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

#endif
