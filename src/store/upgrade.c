/* The schema, as the way from each version to the next.
 *
 * A new database begins as version 0, which is an empty file, and goes the
 * same way as one that an older program made: there is no second description
 * of the tables that could come to differ.  Steps that have been released are
 * never changed; what comes later adds one at the end, raises SCHEMA_VERSION,
 * and tells raftsc-db(5).  tests/store/ keeps a database of each version.
 *
 * A step from 3 on that rewrites rows with a checksum looks at them first: it
 * must not make rot look sound.
 *
 * All steps of one start are one transaction: after a crash the database is of
 * the old version or of the new one. */
#include <assert.h>
#include <stdio.h>

#include "store/internal.h"

static const char *const steps[] = {
    /* 0 to 1.
     *
     * One row of `log` is one entry; `commit_idx` is the commit index that
     * was known when the row was saved, so that it costs no write of its own.
     * `checksum` is the CRC32C of the row's other fields but `chain` and
     * `commit_idx`, `chain` the digest of the log up to and including the
     * entry.  `state` holds what there is only one of.  `record` in
     * config_history is the configuration's bytes (core/config.h), `members`
     * the same for people. */
    "CREATE TABLE log ("
    " idx INTEGER PRIMARY KEY,"
    " term INTEGER NOT NULL,"
    " kind INTEGER NOT NULL,"
    " flags INTEGER NOT NULL,"
    " unix_ms INTEGER NOT NULL,"
    " key BLOB,"
    " payload BLOB NOT NULL,"
    " checksum INTEGER NOT NULL,"
    " chain BLOB NOT NULL,"
    " commit_idx INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX log_others ON log (idx) WHERE kind <> 1;"
    "CREATE TABLE state ("
    " name TEXT PRIMARY KEY,"
    " value ANY"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE config_history ("
    " idx INTEGER PRIMARY KEY,"
    " term INTEGER NOT NULL,"
    " unix_ms INTEGER NOT NULL,"
    " members TEXT NOT NULL,"
    " record BLOB NOT NULL"
    ") STRICT;"
    "PRAGMA application_id = " APPLICATION_ID ";",

    /* 1 to 2.
     *
     * Entries with keys are found without reading all others; `keys` holds
     * those of entries whose rows are gone (kept.c). */
    "CREATE INDEX log_keys ON log (idx) WHERE key IS NOT NULL AND kind = 1;"
    "CREATE TABLE keys ("
    " idx INTEGER PRIMARY KEY,"
    " key BLOB NOT NULL"
    ") STRICT;"
    "INSERT INTO state VALUES ('keys_forgotten', 0), ('keys_upto', 0);",

    /* 2 to 3.
     *
     * Rows of these three tables, which no peer can make good, have a checksum
     * (checksum.c), and the state counts the rows of the other two.  It always
     * says which snapshot is valid: none, with an index of 0.  What commit_idx
     * said in rows whose checksum is not of it goes into the state. */
    "ALTER TABLE state RENAME TO state_2;"
    "CREATE TABLE state ("
    " name TEXT PRIMARY KEY,"
    " value ANY,"
    " checksum INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO state SELECT name, value, raft_checksum(name, value)"
    " FROM state_2;"
    "DROP TABLE state_2;"
    "ALTER TABLE config_history RENAME TO config_history_2;"
    "CREATE TABLE config_history ("
    " idx INTEGER PRIMARY KEY,"
    " term INTEGER NOT NULL,"
    " unix_ms INTEGER NOT NULL,"
    " members TEXT NOT NULL,"
    " record BLOB NOT NULL,"
    " checksum INTEGER NOT NULL"
    ") STRICT;"
    "INSERT INTO config_history SELECT idx, term, unix_ms, members, record,"
    " raft_checksum(idx, term, unix_ms, members, record)"
    " FROM config_history_2;"
    "DROP TABLE config_history_2;"
    "ALTER TABLE keys RENAME TO keys_2;"
    "CREATE TABLE keys ("
    " idx INTEGER PRIMARY KEY,"
    " key BLOB NOT NULL,"
    " checksum INTEGER NOT NULL"
    ") STRICT;"
    "INSERT INTO keys SELECT idx, key, raft_checksum(idx, key) FROM keys_2;"
    "DROP TABLE keys_2;"
    "INSERT OR IGNORE INTO state SELECT column1, column2,"
    " raft_checksum(column1, column2) FROM (VALUES"
    " ('keys_count', (SELECT count(*) FROM keys)),"
    " ('config_count', (SELECT count(*) FROM config_history)),"
    " ('snapshot_index', 0), ('snapshot_term', 0), ('snapshot_size', 0),"
    " ('snapshot_file', 0),"
    " ('snapshot_sha256', lower(hex(zeroblob(32)))));"
    "INSERT OR REPLACE INTO state SELECT name, value,"
    " raft_checksum(name, value) FROM (SELECT name, max(value, coalesce("
    "(SELECT commit_idx FROM log WHERE idx >"
    " (SELECT value FROM state WHERE name = 'base_index')"
    " ORDER BY idx DESC LIMIT 1), 0)) AS value"
    " FROM state WHERE name = 'commit');",
};

/* Rows of `state` have a checksum from this version on. */
#define CHECKSUMS_SINCE 3

static_assert(sizeof(steps) / sizeof(steps[0]) == SCHEMA_VERSION,
              "each version has the step that leads to it");

static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool run_steps(sqlite3 *db, int version, const char *const *list,
                      int count)
{
    char sql[240];
    for (int i = version; i < count; i++) {
        if (!run(db, list[i])) {
            return false;
        }
    }
    /* The pragma counts; the row is for whoever looks with SQL.  A new
     * database has no rows yet. */
    snprintf(sql, sizeof(sql),
             "PRAGMA user_version = %d;"
             "UPDATE state SET value = %d WHERE name = 'schema_version';%s",
             count, count,
             count < CHECKSUMS_SINCE
                 ? ""
                 : "UPDATE state SET checksum = raft_checksum(name, value)"
                   " WHERE name = 'schema_version';");
    return run(db, sql);
}

bool upgrade_along(sqlite3 *db, int version, const char *const *list, int count)
{
    if (!run(db, "BEGIN IMMEDIATE")) {
        return false;
    }
    /* Where it fails the caller closes the connection, which rolls back: the
     * connection keeps the message of what failed until then. */
    return run_steps(db, version, list, count) && run(db, "COMMIT");
}

bool upgrade_to(sqlite3 *db, int from, int to)
{
    assert(to <= SCHEMA_VERSION);
    return upgrade_along(db, from, steps, to);
}

bool upgrade_run(sqlite3 *db, int version)
{
    return upgrade_to(db, version, SCHEMA_VERSION);
}
