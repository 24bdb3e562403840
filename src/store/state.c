/* Rows of `state`: what there is only one of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/prng.h"
#include "store/internal.h"

/* ---- reading ------------------------------------------------------------ */

/* *row: it, to be finalized; NULL: there is none. */
static bool find_row(struct store *store, const char *name, sqlite3_stmt **row,
                     struct store_error *error)
{
    sqlite3_stmt *statement =
        schema_prepare(store->writer, "SELECT value FROM state WHERE name = ?");
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);
    *row = code == SQLITE_ROW ? statement : NULL;
    if (code == SQLITE_ROW) {
        return true;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || schema_unread(store, error);
}

bool state_text(struct store *store, const char *name, char *text, size_t size,
                bool *there, struct store_error *error)
{
    sqlite3_stmt *row;
    if (!find_row(store, name, &row, error)) {
        return false;
    }
    const char *found =
        row == NULL ? NULL : (const char *)sqlite3_column_text(row, 0);
    *there = found != NULL;
    snprintf(text, size, "%s", *there ? found : "");
    sqlite3_finalize(row);
    return true;
}

bool state_number(struct store *store, const char *name, uint64_t none,
                  uint64_t *value, struct store_error *error)
{
    sqlite3_stmt *row;
    if (!find_row(store, name, &row, error)) {
        return false;
    }
    int type = row == NULL ? SQLITE_TEXT : sqlite3_column_type(row, 0);
    int64_t number = row == NULL ? -1 : sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    if (type == SQLITE_NULL && none != 0) {
        *value = none;
        return true;
    }
    if (type != SQLITE_INTEGER || number < 0) {
        return schema_damaged(store, error, "its state has no sound '%s'",
                              name);
    }
    *value = (uint64_t)number;
    return true;
}

static bool hex_bytes(const char *text, uint8_t *bytes, size_t size)
{
    if (text == NULL || strlen(text) != size * 2 ||
        strspn(text, "0123456789abcdef") != size * 2) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        char pair[3] = {text[i * 2], text[i * 2 + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

bool state_digest(const char *text, struct digest *digest)
{
    return hex_bytes(text, digest->bytes, DIGEST_SIZE);
}

bool state_hex(struct store *store, const char *name, uint8_t *bytes,
               size_t size, struct store_error *error)
{
    sqlite3_stmt *row;
    if (!find_row(store, name, &row, error)) {
        return false;
    }
    bool sound =
        row != NULL &&
        hex_bytes((const char *)sqlite3_column_text(row, 0), bytes, size);
    sqlite3_finalize(row);
    return sound ||
           schema_damaged(store, error, "its state has no sound '%s'", name);
}

bool state_hex_number(struct store *store, const char *name, uint64_t *value,
                      struct store_error *error)
{
    uint8_t bytes[8];
    if (!state_hex(store, name, bytes, sizeof(bytes), error)) {
        return false;
    }
    *value = be_get_u64(bytes);
    return true;
}

uint64_t state_still(struct store *store, const char *name)
{
    sqlite3_stmt *statement = schema_prepare(
        store->writer, "SELECT value FROM state WHERE name = ?1"
                       " AND checksum IS raft_checksum(name, value)");
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    uint64_t value = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        die(EXIT_STATUS_DISK, "%s cannot be read: %s", store->path,
            sqlite3_errstr(code));
    }
    if (code == SQLITE_DONE) {
        die(EXIT_STATUS_DAMAGED,
            "%s is damaged: state '%s' is not what was saved; this node must "
            "be replaced by one with an empty data directory",
            store->path, name);
    }
    return value;
}

/* ---- writing ------------------------------------------------------------ */

static sqlite3_stmt *bind_name(struct store *store, const char *name)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_STATE];
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    return statement;
}

int state_set_number(struct store *store, const char *name, uint64_t value)
{
    sqlite3_bind_int64(bind_name(store, name), 2, (int64_t)value);
    return schema_run(store, STATEMENT_STATE);
}

int state_set_text(struct store *store, const char *name, const char *value)
{
    sqlite3_bind_text(bind_name(store, name), 2, value, -1, SQLITE_STATIC);
    return schema_run(store, STATEMENT_STATE);
}

int state_set_null(struct store *store, const char *name)
{
    sqlite3_bind_null(bind_name(store, name), 2);
    return schema_run(store, STATEMENT_STATE);
}

/* ---- a start ------------------------------------------------------------ */

/* Of a database that no node has begun with: what its schema brought along. */
static bool look_if_new(struct store *store, int64_t *is_new,
                        struct store_error *error)
{
    static const char text[] =
        "SELECT NOT EXISTS (SELECT 1 FROM log)"
        " AND NOT EXISTS (SELECT 1 FROM config_history)"
        " AND NOT EXISTS (SELECT 1 FROM state WHERE name NOT IN"
        " ('keys_forgotten', 'keys_upto', 'keys_count',"
        " 'config_count', 'snapshot_index', 'snapshot_term',"
        " 'snapshot_size', 'snapshot_file',"
        " 'snapshot_sha256'))";
    return schema_number(store->writer, text, 0, is_new) == SQLITE_OK ||
           schema_unread(store, error);
}

uint64_t state_new_instance(const struct store *store)
{
    uint64_t instance = store->options.instance_seed;
    while (instance == 0) {
        if (getrandom(&instance, sizeof(instance), 0) !=
            (ssize_t)sizeof(instance)) {
            instance = 0;
        }
    }
    return instance;
}

static bool run_sql(struct store *store, const char *sql,
                    struct store_error *error)
{
    return sqlite3_exec(store->writer, sql, NULL, NULL, NULL) == SQLITE_OK ||
           schema_failed(store, store->writer, error,
                         "its state cannot be written");
}

bool state_begin(struct store *store, struct store_error *error)
{
    int64_t is_new;
    if (!look_if_new(store, &is_new, error)) {
        return false;
    }
    if (is_new == 0) {
        return true;
    }
    char *sql = sqlite3_mprintf(
        STATE_PUT("('schema_version', %d), ('written_by', %Q),"
                  " ('node_id', %lld), ('instance', '%016llx'), ('boot', 0),"
                  " ('cluster_id', '00000000000000000000000000000000'),"
                  " ('epoch', '0000000000000000'), ('term', 0), ('vote', NULL),"
                  " ('ack', 0), ('commit', 0), ('base_index', 0),"
                  " ('base_term', 0),"
                  " ('base_chain', '00000000000000000000000000000000'),"
                  " ('base_unix_ms', 0), ('base_last_app', 0)"),
        SCHEMA_VERSION, store->options.version, (long long)store->options.id,
        (unsigned long long)state_new_instance(store));
    bool done = run_sql(store, sql, error);
    sqlite3_free(sql);
    return done;
}

bool state_count_boot(struct store *store, struct store_error *error)
{
    char *sql = sqlite3_mprintf(
        STATE_PUT("('boot', 1 + (SELECT value FROM state WHERE name = 'boot')),"
                  " ('written_by', %Q)"),
        store->options.version);
    bool done = run_sql(store, sql, error);
    sqlite3_free(sql);
    return done;
}
