/* The log in memory: the terms of all of it as runs, its newest entries
 * whole, its configurations, and which entries are not an app's. */
#ifndef RAFTSC_CORE_LOG_H
#define RAFTSC_CORE_LOG_H

#include "core/raft.h"

struct raft_log {
    struct raft_base base;
    raft_index last;
    uint64_t unix_ms; /* of the last entry: time does not go back */

    struct raft_run *runs;
    size_t run_count;
    size_t run_capacity;

    raft_index *others; /* ascending: entries that are not an app's */
    size_t other_count;
    size_t other_capacity;

    struct raft_config_entry *configs;
    size_t config_count;
    size_t config_capacity;
    struct raft_config config; /* the newest, decoded */

    /* The window: entries window .. last, in a ring. */
    struct raft_entry *ring;
    size_t ring_capacity; /* a power of two */
    raft_index window;
    struct digest window_chain; /* of entry window - 1 */
    uint64_t window_bytes;
};

/* NULL: fine; else why `start` cannot be. */
const char *log_open(struct raft_log *log, const struct raft_start *start);
void log_close(struct raft_log *log);

/* base .. last; 0 elsewhere. */
raft_term log_term(const struct raft_log *log, raft_index index);
raft_term log_last_term(const struct raft_log *log);
/* NULL: not in the window. */
const struct raft_entry *log_entry(const struct raft_log *log,
                                   raft_index index);
/* Zeros where it is not in memory. */
struct digest log_chain(const struct raft_log *log, raft_index index);
/* The largest index up to `index` whose term is at most `term`. */
raft_index log_last_of(const struct raft_log *log, raft_index index,
                       raft_term term);
raft_index log_last_app(const struct raft_log *log, raft_index index);

/* Takes the entry's references; index must be last + 1.  True: it is a
 * configuration. */
bool log_append(struct raft_log *log, struct raft_entry *entry);
/* Drops `from` and all behind it.  True: a configuration was among them. */
bool log_truncate(struct raft_log *log, raft_index from);
/* Drops all entries up to `index`, which becomes the base: base .. last.  Chain
 * and time are that entry's. */
void log_compact(struct raft_log *log, raft_index index, struct digest chain,
                 uint64_t unix_ms);
/* Drops everything; another node's base lies under an empty log. */
void log_install(struct raft_log *log, const struct raft_install *install);
/* Forgets entries of the window up to `upto` while it holds more bytes. */
void log_shrink(struct raft_log *log, raft_index upto, uint64_t bytes_max);

#endif
