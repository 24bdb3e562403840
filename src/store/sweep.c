/* Rows that the base has left behind.
 *
 * The base moves up in the transaction of a save; the rows under it are of no
 * log from then on, and whoever reads knows it.  They go afterwards, in slices
 * so small that a save hardly waits for one, whenever the writer has nothing
 * better to do, and with rests while it has (worker.c).  A slice is not synced:
 * one that a crash undoes is done again, and the next save's sync covers it.
 * The file does not shrink: new rows take the pages that become free. */
#include <assert.h>
#include <stdio.h>

#include "store/internal.h"

#define SLICE_BYTES ((int64_t)256 * 1024)

int64_t sweep_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = schema_prepare(db, sql);
    int64_t value = 0;
    if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
        value = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return value;
}

void sweep_moved(struct store *store, raft_index base)
{
    store->sweep_upto = base;
    store->sweep_due = true;
}

void sweep_begin(struct store *store)
{
    raft_index base = store->start.raft.base.index;
    store->sweep_upto = base;
    store->sweep_due =
        base > 0 && (raft_index)sweep_number(
                        store->writer, "SELECT coalesce(min(idx), 1 << 62)"
                                       " FROM log") <= base;
    store->free_pages = sweep_number(store->writer, "PRAGMA freelist_count");
    store->page_bytes = sweep_number(store->writer, "PRAGMA page_size");
}

/* The last row of a slice; 0: there is none.  Gives SQLite's code. */
static int end_of_slice(struct store *store, raft_index *last)
{
    int64_t bytes = 0;
    int code = SQLITE_ROW;
    sqlite3_stmt *rows =
        schema_prepare(store->writer, "SELECT idx, length(payload) FROM log"
                                      " WHERE idx <= ? ORDER BY idx LIMIT ?");
    sqlite3_bind_int64(rows, 1, (int64_t)store->sweep_upto);
    sqlite3_bind_int(rows, 2, SWEEP_SLICE_ROWS);
    *last = 0;
    while (bytes < SLICE_BYTES && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        *last = (raft_index)sqlite3_column_int64(rows, 0);
        bytes += sqlite3_column_int64(rows, 1);
    }
    sqlite3_finalize(rows);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int run_slice(struct store *store, raft_index last)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
             "PRAGMA synchronous = NORMAL;"
             "BEGIN IMMEDIATE;"
             "DELETE FROM log WHERE idx <= %llu;"
             "COMMIT",
             (unsigned long long)last);
    int code = sqlite3_exec(store->writer, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        store->failure = sqlite3_system_errno(store->writer);
    }
    if (sqlite3_get_autocommit(store->writer) == 0) {
        sqlite3_exec(store->writer, "ROLLBACK", NULL, NULL, NULL);
    }
    sqlite3_exec(store->writer, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
    assert(sweep_number(store->writer, "PRAGMA synchronous") == 2);
    return code;
}

void sweep_slice(struct store *store)
{
    raft_index last;
    int code = end_of_slice(store, &last);
    if (code == SQLITE_OK && last != 0) {
        code = run_slice(store, last);
    }
    if (code != SQLITE_OK) {
        rows_must_be_room(store, code);
    }
    /* Without room it goes on behind the next save that found some. */
    store->sweep_due = last != 0 && code == SQLITE_OK;
    store->sweep_halted = code != SQLITE_OK;
}
