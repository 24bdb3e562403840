/* Whether `state`, `keys` and `config_history` are what was saved.
 *
 * No peer can say what was in them, so that a node whose disk has changed one
 * of them must be replaced.  Each row has a checksum; a row that is gone is
 * missed by its name, or by the counts that the state keeps; and configurations
 * are in the log too, as far as it goes back.  All of it is looked at before
 * anything is made of it: at every start, and before a backup. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/internal.h"

struct rot {
    struct store *store;
    rot_tell *tell;
    void *context;
    size_t found;
    bool unread;
    struct store_error *error; /* where unread: why */
};

static void tell(struct rot *rot, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct rot *rot, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    rot->found++;
    rot->tell(rot->context, text);
}

static void note_unread(struct rot *rot)
{
    if (!rot->unread) {
        rot->unread = true;
        schema_unread(rot->store, rot->error);
    }
}

static void end(struct rot *rot, sqlite3_stmt *statement, int code)
{
    if (code != SQLITE_DONE) {
        note_unread(rot);
    }
    sqlite3_finalize(statement);
}

/* ---- rows --------------------------------------------------------------- */

/* What a row says: its columns but the first and the last two. */
static void describe(sqlite3_stmt *row, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 1; i < sqlite3_column_count(row) - 2 && used < size; i++) {
        const char *name = sqlite3_column_name(row, i);
        char *value =
            sqlite3_column_type(row, i) == SQLITE_BLOB
                ? sqlite3_mprintf("%d bytes", sqlite3_column_bytes(row, i))
            : sqlite3_column_type(row, i) == SQLITE_TEXT
                ? sqlite3_mprintf("%Q", sqlite3_column_text(row, i))
                : sqlite3_mprintf("%s", sqlite3_column_text(row, i));
        int more =
            snprintf(text + used, size - used, "%s%s %.80s", i == 1 ? "" : ", ",
                     name, value == NULL || value[0] == '\0' ? "NULL" : value);
        used += more < 0 ? size : (size_t)more;
        sqlite3_free(value);
    }
}

/* The last two columns are the checksum that it has, and that of its content.
 */
static void check_row(struct rot *rot, const char *table, sqlite3_stmt *row)
{
    char text[240];
    int at = sqlite3_column_count(row) - 2;
    int64_t has = sqlite3_column_int64(row, at);
    int64_t should = sqlite3_column_int64(row, at + 1);
    if (has == should && sqlite3_column_type(row, at) == SQLITE_INTEGER) {
        return;
    }
    describe(row, text, sizeof(text));
    tell(rot,
         "%s '%.40s' is not what was saved: it has %s, and checksum %lld "
         "instead of %lld",
         table, (const char *)sqlite3_column_text(row, 0), text, (long long)has,
         (long long)should);
}

/* Rows of `keys` or of `config_history`. */
struct rows {
    uint64_t count;
    raft_index first;
    raft_index last;
};

static struct rows check_rows(struct rot *rot, const char *table,
                              const char *sql)
{
    struct rows rows = {0};
    int64_t before = 0;
    int code = SQLITE_ERROR;
    sqlite3_stmt *row = schema_prepare(rot->store->writer, sql);
    while (row != NULL && (code = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t index = sqlite3_column_int64(row, 0);
        check_row(rot, table, row);
        if (index <= before) {
            tell(rot, "%s '%lld' is not in its place", table, (long long)index);
        }
        before = index;
        rows.first = rows.count == 0 ? (raft_index)index : rows.first;
        rows.last = (raft_index)index;
        rows.count++;
    }
    end(rot, row, code);
    return rows;
}

/* ---- state -------------------------------------------------------------- */

/* A backup has none of `of_node`. */
static const struct {
    const char *name;
    bool of_node;
} names[] = {
    {"ack", false},
    {"base_chain", false},
    {"base_index", false},
    {"base_last_app", false},
    {"base_term", false},
    {"base_unix_ms", false},
    {"boot", true},
    {"cluster_id", false},
    {"commit", false},
    {"config_count", false},
    {"epoch", false},
    {"instance", true},
    {"keys_count", false},
    {"keys_forgotten", false},
    {"keys_upto", false},
    {"node_id", false},
    {"schema_version", false},
    {"snapshot_file", false},
    {"snapshot_index", false},
    {"snapshot_sha256", false},
    {"snapshot_size", false},
    {"snapshot_term", false},
    {"term", false},
    {"vote", false},
    {"written_by", false},
};

#define NAMES (sizeof(names) / sizeof(names[0]))

struct seen {
    bool names[NAMES];
    bool backup;
    bool restored;
    bool no_node; /* node_id is NULL */
};

static void note_name(struct seen *seen, const char *name, bool is_null)
{
    for (size_t i = 0; i < NAMES; i++) {
        seen->names[i] = seen->names[i] || strcmp(names[i].name, name) == 0;
    }
    seen->backup = seen->backup || strcmp(name, "backup") == 0;
    seen->restored = seen->restored || strcmp(name, "restored") == 0;
    seen->no_node = seen->no_node || (is_null && strcmp(name, "node_id") == 0);
}

static void check_names(struct rot *rot, const struct seen *seen)
{
    for (size_t i = 0; i < NAMES; i++) {
        if (!seen->names[i] && !(seen->backup && names[i].of_node)) {
            tell(rot, "state '%s' is missing", names[i].name);
        }
    }
    if (seen->no_node && !seen->backup && !seen->restored) {
        tell(rot, "state 'restored' is missing, and there is no node_id");
    }
}

static void check_state(struct rot *rot)
{
    struct seen seen = {0};
    char before[64] = "";
    int code = SQLITE_ERROR;
    sqlite3_stmt *row =
        schema_prepare(rot->store->writer, "SELECT name, value, checksum,"
                                           " raft_checksum(name, value)"
                                           " FROM state ORDER BY name");
    while (row != NULL && (code = sqlite3_step(row)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(row, 0);
        name = name == NULL ? "" : name;
        check_row(rot, "state", row);
        if (strcmp(name, before) <= 0) {
            tell(rot, "state '%.40s' is not in its place", name);
        }
        snprintf(before, sizeof(before), "%s", name);
        note_name(&seen, name, sqlite3_column_type(row, 1) == SQLITE_NULL);
    }
    if (code == SQLITE_DONE) {
        check_names(rot, &seen);
    }
    end(rot, row, code);
}

/* ---- the tables and each other ------------------------------------------ */

static uint64_t number(struct rot *rot, const char *name)
{
    char sql[80];
    snprintf(sql, sizeof(sql), "SELECT value FROM state WHERE name = '%s'",
             name);
    int64_t value;
    if (schema_number(rot->store->writer, sql, 0, &value) != SQLITE_OK) {
        note_unread(rot);
    }
    return (uint64_t)value;
}

static void check_count(struct rot *rot, const char *table, uint64_t found,
                        uint64_t wanted)
{
    if (found != wanted) {
        tell(rot, "%s has %llu rows, and %llu were saved", table,
             (unsigned long long)found, (unsigned long long)wanted);
    }
}

static void check_keys(struct rot *rot, const struct rows *keys)
{
    raft_index forgotten = number(rot, "keys_forgotten");
    raft_index upto = number(rot, "keys_upto");
    raft_index base = number(rot, "base_index");
    uint64_t count = number(rot, "keys_count");
    if (rot->unread) {
        return;
    }
    check_count(rot, "keys", keys->count, count);
    if (forgotten > upto || upto > base) {
        tell(rot, "state: keys_forgotten or keys_upto is not under the log");
    }
    if (keys->count > 0 && (keys->first <= forgotten || keys->last > upto)) {
        tell(rot, "keys: entries %llu..%llu are not all between %llu and %llu",
             (unsigned long long)keys->first, (unsigned long long)keys->last,
             (unsigned long long)forgotten, (unsigned long long)upto);
    }
}

/* Tells each entry above the base that the query gives. */
static void check_query(struct rot *rot, const char *sql, const char *what)
{
    int code = SQLITE_ERROR;
    sqlite3_stmt *row = schema_prepare(rot->store->writer, sql);
    while (row != NULL && (code = sqlite3_step(row)) == SQLITE_ROW) {
        tell(rot, "entry %lld %s", (long long)sqlite3_column_int64(row, 0),
             what);
    }
    end(rot, row, code);
}

#define ABOVE_BASE " idx > (SELECT value FROM state WHERE name = 'base_index')"

static void check_configs(struct rot *rot, const struct rows *configs)
{
    uint64_t count = number(rot, "config_count");
    if (rot->unread) {
        return;
    }
    check_count(rot, "config_history", configs->count, count);
    check_query(rot,
                "SELECT idx FROM log INDEXED BY log_others"
                " WHERE kind <> 1 AND kind = 2 AND" ABOVE_BASE
                " AND NOT EXISTS (SELECT 1 FROM config_history AS c"
                " WHERE c.idx = log.idx AND c.term = log.term"
                " AND c.unix_ms = log.unix_ms AND c.record = log.payload)",
                "is a configuration that config_history does not hold");
    check_query(rot,
                "SELECT idx FROM config_history AS c WHERE" ABOVE_BASE
                " AND NOT EXISTS (SELECT 1 FROM log"
                " WHERE log.idx = c.idx AND kind = 2)",
                "is missing, or no configuration: config_history has it");
}

/* ---- all of it ---------------------------------------------------------- */

bool rot_find(struct store *store, rot_tell *how, void *context, size_t *found,
              struct store_error *error)
{
    struct rot rot = {
        .store = store, .tell = how, .context = context, .error = error};
    check_state(&rot);
    struct rows keys = check_rows(
        &rot, "keys",
        "SELECT idx, key, checksum, raft_checksum(idx, key) FROM keys"
        " ORDER BY idx");
    struct rows configs =
        check_rows(&rot, "config_history",
                   "SELECT idx, term, unix_ms, members, record, checksum,"
                   " raft_checksum(idx, term, unix_ms, members, record)"
                   " FROM config_history ORDER BY idx");
    /* One that is not sound itself cannot be compared. */
    if (rot.found == 0 && !rot.unread) {
        check_keys(&rot, &keys);
        check_configs(&rot, &configs);
    }
    *found = rot.found;
    return !rot.unread;
}

static void keep_first(void *context, const char *text)
{
    char *first = context;
    if (first[0] == '\0') {
        snprintf(first, 400, "%s", text);
    }
}

bool rot_refuse(struct store *store, struct store_error *error)
{
    char first[400] = "";
    size_t found = 0;
    return rot_find(store, keep_first, first, &found, error) &&
           (found == 0 || schema_damaged(store, error, "%s", first));
}
