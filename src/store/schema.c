/* The database: opened as durability needs it, and of a version that this
 * program knows.  Its tables are in upgrade.c. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/internal.h"

#define BUSY_MS 2000

static const char *const sql[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_INSERT] = "INSERT OR FAIL INTO log SELECT * FROM given",
    [STATEMENT_TRUNCATE] = "DELETE FROM log WHERE idx >= ?",
    [STATEMENT_CONFIG] =
        "INSERT INTO config_history VALUES (?1, ?2, ?3, ?4, ?5,"
        " raft_checksum(?1, ?2, ?3, ?4, ?5))",
    [STATEMENT_CONFIG_TRUNCATE] = "DELETE FROM config_history WHERE idx >= ?",
    [STATEMENT_CONFIG_COUNT] =
        STATE_PUT("('config_count', (SELECT count(*) FROM config_history))"),
    [STATEMENT_STATE] = "INSERT OR REPLACE INTO state"
                        " VALUES (?1, ?2, raft_checksum(?1, ?2))",
};

/* ---- errors ------------------------------------------------------------- */

/* A backup, unlike a data directory, is a file of its own. */
static const char *remedy(const struct store *store)
{
    return store->directory == NULL ||
                   strcmp(store->directory, store->path) == 0
               ? "take another backup"
               : "this node must be replaced by one with an empty data "
                 "directory";
}

bool schema_failed(const struct store *store, sqlite3 *db,
                   struct store_error *error, const char *what)
{
    int code = db == NULL ? SQLITE_NOMEM : sqlite3_errcode(db) & 0xff;
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    error->status = damaged ? EXIT_STATUS_DAMAGED : EXIT_STATUS_DISK;
    snprintf(error->text, sizeof(error->text), "%s: %s: %s%s%s", store->path,
             what, db == NULL ? "out of memory" : sqlite3_errmsg(db),
             damaged ? "; the file is damaged: " : "",
             damaged ? remedy(store) : "");
    return false;
}

bool schema_damaged(const struct store *store, struct store_error *error,
                    const char *format, ...)
{
    char what[300]; /* and the remedy still fits */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text), "%s is damaged: %s; %s",
             store->path, what, remedy(store));
    return false;
}

bool schema_unread(const struct store *store, struct store_error *error)
{
    return schema_failed(store, store->writer, error, "it cannot be read");
}

int schema_run(struct store *store, enum statement which)
{
    sqlite3_stmt *statement = store->statements[which];
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE) {
        store->failure = sqlite3_system_errno(store->writer);
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

sqlite3_stmt *schema_prepare(sqlite3 *db, const char *text)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                       NULL);
    return statement;
}

int schema_number(sqlite3 *db, const char *text, int64_t none, int64_t *value)
{
    sqlite3_stmt *statement = schema_prepare(db, text);
    int code = statement == NULL ? sqlite3_extended_errcode(db)
                                 : sqlite3_step(statement);
    *value = none;
    if (code == SQLITE_ROW &&
        sqlite3_column_type(statement, 0) == SQLITE_INTEGER) {
        *value = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ---- pragmas ------------------------------------------------------------ */

/* The value that a pragma gives; -1: none. */
static int64_t query_number(sqlite3 *db, const char *text)
{
    int64_t value;
    return schema_number(db, text, -1, &value) == SQLITE_OK ? value : -1;
}

static bool is_wal(sqlite3 *db)
{
    sqlite3_stmt *statement = schema_prepare(db, "PRAGMA journal_mode = WAL");
    bool wal =
        statement != NULL && sqlite3_step(statement) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
    sqlite3_finalize(statement);
    return wal;
}

/* What durability rests on is read back, not believed. */
static bool set_pragmas(struct store *store, struct store_error *error)
{
    sqlite3 *db = store->writer;
    int keep = 1;
    /* For raftctl, which may be reading for some milliseconds. */
    sqlite3_busy_timeout(db, BUSY_MS);
    if (!is_wal(db)) {
        return schema_failed(store, db, error, "it does not go into WAL mode");
    }
    /* Debian's SQLite overwrites what is deleted, which costs the sweep a
     * fourth of its time. */
    sqlite3_exec(db,
                 "PRAGMA synchronous = FULL;"
                 "PRAGMA wal_autocheckpoint = 0;"
                 "PRAGMA journal_size_limit = -1;"
                 "PRAGMA trusted_schema = OFF;"
                 "PRAGMA secure_delete = OFF;"
                 "PRAGMA mmap_size = 0;",
                 NULL, NULL, NULL);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    if (query_number(db, "PRAGMA synchronous") != 2 ||
        query_number(db, "PRAGMA wal_autocheckpoint") != 0) {
        return schema_failed(store, db, error, "it does not sync as it must");
    }
    return true;
}

/* How long the WAL is, after every commit. */
static int note_wal(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct store *store = context;
    store->wal_pages = pages;
    return SQLITE_OK;
}

int schema_checkpoint(struct store *store, int mode)
{
    int pages = 0;
    int done = 0;
    int code =
        sqlite3_wal_checkpoint_v2(store->writer, "main", mode, &pages, &done);
    if (code != SQLITE_OK) {
        store->failure = sqlite3_system_errno(store->writer);
        return code;
    }
    if (pages != done) {
        return SQLITE_BUSY;
    }
    store->wal_pages = 0;
    return SQLITE_OK;
}

/* ---- tables ------------------------------------------------------------- */

static bool refuse_version(struct store *store, int64_t version,
                           struct store_error *error)
{
    sqlite3_stmt *statement = schema_prepare(
        store->writer, "SELECT value FROM state WHERE name = 'written_by'");
    const char *writer = NULL;
    if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
        writer = (const char *)sqlite3_column_text(statement, 0);
    }
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%s has schema version %lld, written by raftsc %s: this program "
             "knows versions 1 to %d",
             store->path, (long long)version, writer == NULL ? "?" : writer,
             SCHEMA_VERSION);
    sqlite3_finalize(statement);
    return false;
}

/* The version is said twice; which steps lead to the present one must not hang
 * on one bit. */
static bool agrees(const struct store *store, int64_t version,
                   struct store_error *error)
{
    int64_t said;
    if (schema_number(store->writer,
                      "SELECT value FROM state WHERE name = 'schema_version'",
                      -1, &said) != SQLITE_OK) {
        return schema_unread(store, error);
    }
    return said < 0 || said == version ||
           schema_damaged(store, error,
                          "state 'schema_version' is %lld, and user_version "
                          "%lld",
                          (long long)said, (long long)version);
}

bool schema_version(struct store *store, int64_t *version,
                    struct store_error *error)
{
    sqlite3 *db = store->writer;
    int64_t tables;
    int64_t application;
    if (schema_number(db, "PRAGMA user_version", 0, version) != SQLITE_OK ||
        schema_number(db, "SELECT count(*) FROM sqlite_schema", 0, &tables) !=
            SQLITE_OK ||
        schema_number(db, "PRAGMA application_id", 0, &application) !=
            SQLITE_OK) {
        return schema_unread(store, error);
    }
    if (*version == 0 && tables == 0) {
        return true;
    }
    if (application != strtoll(APPLICATION_ID, NULL, 10)) {
        error->status = EXIT_STATUS_DAMAGED;
        snprintf(error->text, sizeof(error->text),
                 "%s is not a database of raftsc", store->path);
        return false;
    }
    return *version >= 1 && *version <= SCHEMA_VERSION
               ? agrees(store, *version, error)
               : refuse_version(store, *version, error);
}

static bool upgrade(struct store *store, struct store_error *error)
{
    int64_t version;
    if (!schema_version(store, &version, error)) {
        return false;
    }
    if (version == SCHEMA_VERSION) {
        return true;
    }
    if (!upgrade_run(store->writer, (int)version)) {
        return schema_failed(store, store->writer, error,
                             version == 0 ? "its tables cannot be made"
                                          : "its tables cannot be upgraded");
    }
    if (version > 0) {
        log_line(LOG_LEVEL_INFO,
                 "%s was upgraded from schema version %lld to %d: an older "
                 "program cannot open it any more",
                 store->path, (long long)version, SCHEMA_VERSION);
    }
    return true;
}

static bool open_one(struct store *store, sqlite3 **db, int flags,
                     struct store_error *error)
{
    int code = sqlite3_open_v2(store->path, db, flags | SQLITE_OPEN_NOMUTEX,
                               store->options.vfs);
    if (code != SQLITE_OK || !checksum_define(*db)) {
        return schema_failed(store, *db, error, "it cannot be opened");
    }
    sqlite3_extended_result_codes(*db, 1);
    return true;
}

static bool prepare_all(struct store *store, struct store_error *error)
{
    if (!given_register(store)) {
        return schema_failed(store, store->writer, error, "no memory");
    }
    for (int i = 0; i < STATEMENTS; i++) {
        store->statements[i] = schema_prepare(store->writer, sql[i]);
        if (store->statements[i] == NULL) {
            return schema_failed(store, store->writer, error,
                                 "its tables are not as they should be");
        }
    }
    store->select =
        schema_prepare(store->reader, "SELECT " ROW_COLUMNS " FROM log"
                                      " WHERE idx BETWEEN ? AND ?"
                                      " ORDER BY idx");
    store->select_chain =
        schema_prepare(store->reader, "SELECT chain FROM log WHERE idx = ?");
    store->select_base = schema_prepare(
        store->reader,
        "SELECT (SELECT value FROM state WHERE name = 'base_index'),"
        " (SELECT value FROM state WHERE name = 'base_chain')");
    if (store->select == NULL || store->select_chain == NULL ||
        store->select_base == NULL) {
        return schema_failed(store, store->reader, error,
                             "its tables are not as they should be");
    }
    return true;
}

bool schema_open(struct store *store, struct store_error *error)
{
    if (!open_one(store, &store->writer,
                  SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error)) {
        return false;
    }
    sqlite3_wal_hook(store->writer, note_wal, store);
    if (query_number(store->writer, "PRAGMA schema_version") < 0) {
        return schema_failed(store, store->writer, error, "it cannot be read");
    }
    if (!set_pragmas(store, error)) {
        return false;
    }
    sqlite3_wal_hook(store->writer, note_wal, store);
    /* The names of the files must last as long as what is in them. */
    return upgrade(store, error) && place_sync(store, error) &&
           open_one(store, &store->reader, SQLITE_OPEN_READONLY, error) &&
           prepare_all(store, error);
}

void schema_alone(struct store *store)
{
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    sqlite3_finalize(store->select);
    sqlite3_finalize(store->select_chain);
    sqlite3_finalize(store->select_base);
    store->select = NULL;
    store->select_base = NULL;
    store->select_chain = NULL;
    sqlite3_close(store->reader);
    store->reader = NULL;
}

void schema_close(struct store *store)
{
    schema_alone(store);
    sqlite3_close(store->writer);
    store->writer = NULL;
}
