/* Rows and snapshots, carried from one database into another: a backup is one
 * file, and a data directory is several. */
#ifndef RAFTSC_STORE_CARRY_H
#define RAFTSC_STORE_CARRY_H

#include "store/internal.h"

/* One database, and what errors call it. */
struct carry_end {
    const struct store *store;
    sqlite3 *db;
};

/* The rows that `select` gives, into a table of as many columns, in the place
 * of those that have the same key; `upto` is bound to it where it has a
 * parameter. */
bool carry_rows(const struct carry_end *from, const struct carry_end *to,
                const char *select, const char *table, raft_index upto,
                struct store_error *error);

/* The tables of a snapshot, into a database that has none, in transactions of
 * its own.  Every chunk is checked, and all of it against *snapshot. */
bool carry_snapshot(const struct carry_end *from, const struct carry_end *to,
                    const struct node_snapshot *snapshot,
                    struct store_error *error);

/* Whether the tables of `db` are *snapshot; false: *why says what is wrong. */
bool carry_check(sqlite3 *db, const struct node_snapshot *snapshot, char *why,
                 size_t size);

#endif
