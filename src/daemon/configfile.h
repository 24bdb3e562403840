/* The configuration file, and the options that override it.
 *
 * A line is `key = value`; `#` at the start of a line, or behind white space,
 * begins a comment; nothing is quoted.  ${NAME} in a value is the environment
 * variable NAME.  Each error names file, line, key and what was expected; all
 * of them are reported, not only the first. */
#ifndef RAFTSC_DAEMON_CONFIGFILE_H
#define RAFTSC_DAEMON_CONFIGFILE_H

#include "base/buf.h"
#include "daemon/settings.h"

struct configfile {
    const char *path;
    const char *const *overrides; /* -o key=value, in their order */
    size_t override_count;
};

/* False: `errors` holds a line for each. */
bool configfile_read(const struct configfile *file, struct settings *settings,
                     struct buf *errors);

#endif
