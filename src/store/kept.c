/* Keys: of rows, and those that outlive their rows.
 *
 * Table `keys` holds what is remembered of the entries up to `keys_upto` (of
 * the state): their rows are gone, or were never here, or are about to go, or
 * are of a log that was replaced, and are not asked.  At most key-window rows;
 * what is not behind `keys_forgotten` is forgotten. */
#include <assert.h>
#include <stdio.h>

#include "core/keys.h"
#include "store/internal.h"

/* One statement with up to two numbers.  Gives SQLite's code, and the index in
 * column 0 of the first row; 0: there is none. */
static int find(struct store *store, const char *sql, uint64_t a, uint64_t b,
                raft_index *index)
{
    sqlite3_stmt *statement = schema_prepare(store->writer, sql);
    sqlite3_bind_int64(statement, 1, (int64_t)a);
    sqlite3_bind_int64(statement, 2, (int64_t)b);
    int code = sqlite3_step(statement);
    *index =
        code == SQLITE_ROW ? (raft_index)sqlite3_column_int64(statement, 0) : 0;
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        code = SQLITE_OK;
    } else {
        store->failure = sqlite3_system_errno(store->writer);
        code = sqlite3_extended_errcode(store->writer);
    }
    sqlite3_finalize(statement);
    return code;
}

/* One that gives no rows. */
static int run(struct store *store, const char *sql, uint64_t a, uint64_t b)
{
    raft_index none;
    return find(store, sql, a, b, &none);
}

/* ---- at the start ------------------------------------------------------- */

static bool no_key(const struct store *store, raft_index index,
                   struct store_error *error)
{
    return schema_damaged(store, error,
                          "the key of entry %llu is not one to %zu bytes",
                          (unsigned long long)index, RAFT_KEY_MAX);
}

static bool pack_rows(struct store *store, struct buf *packed, const char *sql,
                      raft_index behind, raft_index before,
                      struct store_error *error)
{
    sqlite3_stmt *statement = schema_prepare(store->writer, sql);
    sqlite3_bind_int64(statement, 1, (int64_t)behind);
    sqlite3_bind_int64(statement, 2, (int64_t)before);
    raft_index bad = 0;
    int code = SQLITE_DONE;
    while (bad == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        raft_index index = (raft_index)sqlite3_column_int64(statement, 0);
        const void *key = sqlite3_column_blob(statement, 1);
        int size = sqlite3_column_bytes(statement, 1);
        if (key != NULL && size > 0 && (size_t)size <= RAFT_KEY_MAX) {
            keys_pack_add(packed, index, key, (size_t)size);
        } else {
            bad = index;
        }
    }
    sqlite3_finalize(statement);
    if (bad != 0) {
        return no_key(store, bad, error);
    }
    return code == SQLITE_DONE || schema_unread(store, error);
}

/* The newest committed entry with a key that need not be remembered, of those
 * whose rows are asked; 0: none. */
static bool old_enough(struct store *store, raft_index commit, raft_index *old,
                       struct store_error *error)
{
    int code =
        find(store,
             "SELECT idx FROM log INDEXED BY log_keys"
             " WHERE key IS NOT NULL AND kind = 1 AND idx <= ?"
             " AND idx > (SELECT value FROM state WHERE name = 'keys_upto')"
             " ORDER BY idx DESC LIMIT 1 OFFSET ?",
             commit, store->options.key_window, old);
    return code == SQLITE_OK || schema_unread(store, error);
}

bool kept_load(struct store *store, raft_index before,
               struct store_error *error)
{
    struct raft_start *raft = &store->start.raft;
    struct buf packed = {0};
    raft_index forgotten;
    raft_index upto;
    raft_index old;
    if (!state_number(store, "keys_forgotten", 0, &forgotten, error) ||
        !state_number(store, "keys_upto", 0, &upto, error) ||
        !old_enough(store, raft->commit, &old, error)) {
        return false;
    }
    forgotten = old > forgotten ? old : forgotten;
    /* The tail brings its keys in any case, also more than are remembered. */
    forgotten = forgotten < before ? forgotten : before - 1;
    keys_pack_begin(&packed, forgotten);
    bool done = pack_rows(store, &packed,
                          "SELECT idx, key FROM keys WHERE idx > ? AND idx < ?"
                          " ORDER BY idx",
                          forgotten, before, error) &&
                pack_rows(store, &packed,
                          "SELECT idx, key FROM log INDEXED BY log_keys"
                          " WHERE key IS NOT NULL AND kind = 1"
                          " AND idx > ? AND idx < ? ORDER BY idx",
                          upto > forgotten ? upto : forgotten, before, error);
    raft->keys = packed.data;
    raft->keys_size = packed.size;
    store->kept_count = KEPT_NOT_COUNTED;
    return done;
}

void kept_rolled_back(struct store *store)
{
    store->kept_count = KEPT_NOT_COUNTED;
}

/* ---- in a transaction --------------------------------------------------- */

/* The oldest go, until there are no more than are remembered. */
static int forget_oldest(struct store *store)
{
    int64_t over = store->kept_count - (int64_t)store->options.key_window;
    if (over <= 0) {
        return SQLITE_OK;
    }
    raft_index last;
    int code = find(store, "SELECT idx FROM keys ORDER BY idx LIMIT 1 OFFSET ?",
                    (uint64_t)over - 1, 0, &last);
    if (code == SQLITE_OK && last == 0) {
        code = SQLITE_CORRUPT; /* there are not so many as were counted */
    }
    code = code != SQLITE_OK
               ? code
               : run(store, "DELETE FROM keys WHERE idx <= ?", last, 0);
    if (code == SQLITE_OK) {
        store->kept_count -= over;
        code = state_set_number(store, "keys_forgotten", last);
    }
    return code;
}

static int end(struct store *store)
{
    int code = forget_oldest(store);
    return code != SQLITE_OK ? code
                             : state_set_number(store, "keys_count",
                                                (uint64_t)store->kept_count);
}

int kept_add(struct store *store, raft_index upto)
{
    raft_index before = state_still(store, "keys_upto");
    if (upto <= before) {
        return SQLITE_OK;
    }
    int code = run(store,
                   "INSERT INTO keys SELECT idx, key, raft_checksum(idx, key)"
                   " FROM log INDEXED BY log_keys"
                   " WHERE key IS NOT NULL AND kind = 1"
                   " AND idx > ? AND idx <= ?",
                   before, upto);
    if (code != SQLITE_OK) {
        return code;
    }
    if (store->kept_count == KEPT_NOT_COUNTED) {
        store->kept_count = (int64_t)state_still(store, "keys_count");
    }
    store->kept_count += sqlite3_changes64(store->writer);
    code = state_set_number(store, "keys_upto", upto);
    return code != SQLITE_OK ? code : end(store);
}

static int insert_packed(struct store *store, struct cursor *cursor)
{
    int code = SQLITE_OK;
    sqlite3_stmt *statement = schema_prepare(
        store->writer, "INSERT INTO keys"
                       " VALUES (?1, ?2, raft_checksum(?1, ?2))");
    while (code == SQLITE_OK && cursor_left(cursor) > 0) {
        struct cursor part = cursor_part(cursor, cursor_u16(cursor));
        sqlite3_bind_int64(statement, 1, (int64_t)cursor_u64(&part));
        sqlite3_bind_blob64(statement, 2, part.at, cursor_left(&part),
                            SQLITE_STATIC);
        assert(!part.bad); /* core has read it before */
        code =
            sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
        sqlite3_reset(statement);
        store->kept_count++;
    }
    if (code != SQLITE_OK) {
        store->failure = sqlite3_system_errno(store->writer);
        code = sqlite3_extended_errcode(store->writer);
    }
    sqlite3_finalize(statement);
    return code;
}

int kept_replace(struct store *store, raft_index upto, const void *packed,
                 size_t size)
{
    struct cursor cursor = cursor_of(packed, size);
    struct cursor fixed = cursor_part(&cursor, cursor_u16(&cursor));
    raft_index forgotten = cursor_u64(&fixed);
    assert(!fixed.bad);
    int code = run(store, "DELETE FROM keys", 0, 0);
    store->kept_count = 0;
    code = code != SQLITE_OK
               ? code
               : state_set_number(store, "keys_forgotten", forgotten);
    code =
        code != SQLITE_OK ? code : state_set_number(store, "keys_upto", upto);
    code = code != SQLITE_OK ? code : insert_packed(store, &cursor);
    return code != SQLITE_OK ? code : end(store);
}
