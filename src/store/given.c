/* The entries of a save as a table that SQLite reads, so that one INSERT takes
 * all of them: a statement for each row costs as much again as its row.
 *
 * A virtual table with the columns of `log` and no place on disk: only the
 * writer's connection knows it, and it has rows while a save is carried out. */
#include <stdlib.h>

#include "store/internal.h"

struct given_table {
    sqlite3_vtab base;
    const struct store *store; /* whose `given` its rows are */
};

struct given_cursor {
    sqlite3_vtab_cursor base;
    const struct raft_save *log;
    size_t at;
};

enum column {
    COLUMN_IDX,
    COLUMN_TERM,
    COLUMN_KIND,
    COLUMN_FLAGS,
    COLUMN_UNIX_MS,
    COLUMN_KEY,
    COLUMN_PAYLOAD,
    COLUMN_CHECKSUM,
    COLUMN_CHAIN,
    COLUMN_COMMIT_IDX
};

static int on_connect(sqlite3 *db, void *store, int argc,
                      const char *const *argv, sqlite3_vtab **out, char **error)
{
    (void)argc, (void)argv, (void)error;
    struct given_table *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        return SQLITE_NOMEM;
    }
    table->store = store;
    *out = &table->base;
    return sqlite3_declare_vtab(
        db, "CREATE TABLE given (idx, term, kind, flags, unix_ms, key, payload,"
            " checksum, chain, commit_idx)");
}

static int on_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

/* There is one way to read it: from its first row to its last. */
static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table, (void)info;
    return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct given_cursor *cursor = calloc(1, sizeof(*cursor));
    *out = cursor == NULL ? NULL : &cursor->base;
    return cursor == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *base, int number, const char *text,
                     int argc, sqlite3_value **argv)
{
    (void)number, (void)text, (void)argc, (void)argv;
    struct given_cursor *cursor = (struct given_cursor *)base;
    cursor->log = ((struct given_table *)base->pVtab)->store->given;
    cursor->at = 0;
    return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *cursor)
{
    ((struct given_cursor *)cursor)->at++;
    return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *base)
{
    const struct given_cursor *cursor = (struct given_cursor *)base;
    return cursor->log == NULL || cursor->at >= cursor->log->entry_count;
}

/* The blob outlives the statement. */
static void give_blob(sqlite3_context *context, const struct blob *blob)
{
    /* An empty payload is an empty blob, not NULL. */
    const void *data = blob == NULL ? "" : (const void *)blob->data;
    sqlite3_result_blob64(context, data, blob == NULL ? 0 : blob->size,
                          SQLITE_STATIC);
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context,
                     int column)
{
    const struct given_cursor *cursor = (struct given_cursor *)base;
    const struct raft_entry *entry = &cursor->log->entries[cursor->at];
    switch ((enum column)column) {
    case COLUMN_IDX:
        sqlite3_result_int64(context, (int64_t)entry->index);
        break;
    case COLUMN_TERM:
        sqlite3_result_int64(context, (int64_t)entry->term);
        break;
    case COLUMN_KIND:
        sqlite3_result_int(context, entry->kind);
        break;
    case COLUMN_FLAGS:
        sqlite3_result_int(context, entry->flags);
        break;
    case COLUMN_UNIX_MS:
        sqlite3_result_int64(context, (int64_t)entry->unix_ms);
        break;
    case COLUMN_KEY:
        if (entry->key != NULL) {
            give_blob(context, entry->key);
        }
        break;
    case COLUMN_PAYLOAD:
        give_blob(context, entry->payload);
        break;
    case COLUMN_CHECKSUM:
        sqlite3_result_int64(context,
                             rows_checksum(entry, cursor->log->commit));
        break;
    case COLUMN_CHAIN:
        sqlite3_result_blob(context, entry->chain.bytes, DIGEST_SIZE,
                            SQLITE_STATIC);
        break;
    case COLUMN_COMMIT_IDX:
        sqlite3_result_int64(context, (int64_t)cursor->log->commit);
        break;
    }
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = (sqlite3_int64)((const struct given_cursor *)base)->at;
    return SQLITE_OK;
}

/* Without xCreate it is there by its name alone, and in no schema. */
static const sqlite3_module module = {
    .xConnect = on_connect,
    .xDisconnect = on_disconnect,
    .xBestIndex = on_best_index,
    .xOpen = on_open,
    .xClose = on_close,
    .xFilter = on_filter,
    .xNext = on_next,
    .xEof = on_eof,
    .xColumn = on_column,
    .xRowid = on_rowid,
};

bool given_register(struct store *store)
{
    return sqlite3_create_module(store->writer, "given", &module, store) ==
           SQLITE_OK;
}
