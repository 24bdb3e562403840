/* Verifying a database at rest.
 *
 * A row's checksum covers what is in it, the chain where it stands, and the
 * tables are compared with each other.  One wrong byte is told as one problem
 * where that can be done: behind a row that cannot be believed the chain goes
 * on from what that row says. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/carry.h"

struct check {
    struct offline *offline;
    offline_problem *tell;
    void *context;
    struct offline_verdict *verdict;
    /* As the rows so far have left it. */
    struct digest chain;
    raft_index last;
    raft_term term;
    uint64_t unix_ms;
    raft_index commit;
};

static void problem(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void problem(struct check *check, const char *format, ...)
{
    char text[640];
    va_list arguments;
    check->verdict->problems++;
    if (check->verdict->problems > OFFLINE_PROBLEMS_TOLD) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    check->tell(check->context, text);
}

static unsigned long long number(uint64_t value)
{
    return (unsigned long long)value;
}

/* ---- SQLite's own structures -------------------------------------------- */

static bool check_structure(struct check *check, struct store_error *error)
{
    struct store *store = &check->offline->store;
    sqlite3_stmt *statement =
        schema_prepare(store->writer, "PRAGMA integrity_check(100)");
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (text == NULL || strcmp(text, "ok") != 0) {
            problem(check, "SQLite: %s", text == NULL ? "?" : text);
        }
    }
    sqlite3_finalize(statement);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
        problem(check, "SQLite: %s", sqlite3_errmsg(store->writer));
        return true;
    }
    return code == SQLITE_DONE ||
           schema_failed(store, store->writer, error, "it cannot be read");
}

/* How the file may be written and read, which SQLite's own check does not look
 * at: 1 is a rollback journal, 2 a WAL, and whatever writes refuses another. */
static void check_header(struct check *check)
{
    sqlite3_file *file = NULL;
    uint8_t header[100] = {0};
    sqlite3_file_control(check->offline->store.writer, "main",
                         SQLITE_FCNTL_FILE_POINTER, &file);
    if (file == NULL || file->pMethods == NULL ||
        file->pMethods->xRead(file, header, sizeof(header), 0) != SQLITE_OK) {
        problem(check, "SQLite: the file has no header");
    } else if (header[18] != header[19] || header[18] < 1 || header[18] > 2) {
        problem(check,
                "SQLite: the header says %u and %u of how it is written "
                "and read",
                header[18], header[19]);
    }
}

#define SELECT_SCHEMA                                                          \
    "SELECT type || ' ' || name || ' ' || tbl_name || ': ' || coalesce(sql,"   \
    " '') FROM sqlite_schema ORDER BY name"

static void schema_text(sqlite3 *db, struct buf *text)
{
    sqlite3_stmt *row = schema_prepare(db, SELECT_SCHEMA);
    while (row != NULL && sqlite3_step(row) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(row, 0);
        buf_append(text, line == NULL ? "?" : line,
                   line == NULL ? 1 : strlen(line));
        buf_append(text, "\n", 1);
    }
    sqlite3_finalize(row);
}

/* Tables and indexes are the very ones that this program makes. */
static void check_schema(struct check *check)
{
    sqlite3 *fresh = NULL;
    struct buf has = {0};
    struct buf should = {0};
    bool with_snapshot =
        check->offline->is_backup &&
        sweep_number(check->offline->store.writer,
                     "SELECT count(*) FROM sqlite_schema"
                     " WHERE name IN ('chunk', 'snapshot')") > 0;
    bool made = sqlite3_open_v2(":memory:", &fresh,
                                SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                NULL) == SQLITE_OK &&
                checksum_define(fresh) && upgrade_run(fresh, 0) &&
                (!with_snapshot || sqlite3_exec(fresh, snapshot_schema, NULL,
                                                NULL, NULL) == SQLITE_OK);
    schema_text(check->offline->store.writer, &has);
    if (made) {
        schema_text(fresh, &should);
    }
    if (!made || has.size != should.size ||
        memcmp(has.data, should.data, has.size) != 0) {
        problem(check, "its tables and indexes are not those of version %d",
                SCHEMA_VERSION);
    }
    buf_free(&has);
    buf_free(&should);
    sqlite3_close(fresh);
}

/* ---- rows --------------------------------------------------------------- */

/* Where it stands, after the row before it. */
static void check_place(struct check *check, const struct raft_entry *entry)
{
    raft_index wanted = check->last + 1;
    if (entry->index != wanted) {
        problem(check, "entry %llu is missing%s", number(wanted),
                entry->index > wanted + 1 ? ", and more behind it" : "");
    }
    if (entry->term < check->term) {
        problem(check, "entry %llu: its term %llu is below the one before it",
                number(entry->index), number(entry->term));
    }
    if (entry->unix_ms < check->unix_ms) {
        problem(check, "entry %llu: its time is before that of the one before",
                number(entry->index));
    }
    if (entry->kind > RAFT_KIND_CONFIG &&
        (entry->flags & RAFT_FLAG_REQUIRED) != 0) {
        problem(check,
                "entry %llu is of a kind, %u, that this program does "
                "not know",
                number(entry->index), entry->kind);
    }
}

static void check_chain(struct check *check, const struct offline_entry *row)
{
    const struct raft_entry *entry = &row->entry;
    struct digest chain = raft_entry_chain(check->chain, entry);
    if (!row->sound) {
        problem(check, "entry %llu: its checksum is wrong",
                number(entry->index));
        chain = entry->chain;
    } else if (entry->index != check->last + 1) {
        chain = entry->chain;
    } else if (!digest_equal(chain, entry->chain)) {
        problem(check, "entry %llu: the chain of digests breaks here",
                number(entry->index));
    }
    check->chain = chain;
}

static bool check_row(void *context, const struct offline_entry *row)
{
    struct check *check = context;
    const struct raft_entry *entry = &row->entry;
    check->verdict->rows++;
    if (row->sound) {
        check_place(check, entry);
        check->term = entry->term;
        check->unix_ms = entry->unix_ms;
    }
    check_chain(check, row);
    if (row->sound && row->commit < check->commit) {
        problem(check, "entry %llu: its commit index goes back",
                number(entry->index));
    } else if (row->sound) {
        check->commit = row->commit;
    }
    check->last = entry->index;
    return true;
}

/* ---- tables beside the log ---------------------------------------------- */

/* What could not be read is not known to be sound. */
static void was_read(struct check *check, const char *table, int code)
{
    if (code != SQLITE_OK && code != SQLITE_DONE) {
        problem(check, "%s: it cannot be read: %s", table,
                sqlite3_errmsg(check->offline->store.writer));
    }
}

static bool says_the_same(const struct raft_config *config, const char *members)
{
    struct buf text = {0};
    raft_config_text(config, &text);
    bool same = members != NULL && strlen(members) == text.size &&
                memcmp(members, text.data, text.size) == 0;
    buf_free(&text);
    return same;
}

static void check_history(struct check *check)
{
    sqlite3_stmt *statement =
        schema_prepare(check->offline->store.writer,
                       "SELECT idx, record, members FROM config_history"
                       " ORDER BY idx");
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        uint64_t index = (uint64_t)sqlite3_column_int64(statement, 0);
        const void *record = sqlite3_column_blob(statement, 1);
        size_t size = (size_t)sqlite3_column_bytes(statement, 1);
        struct raft_config config;
        if (record == NULL || !raft_config_decode(record, size, &config)) {
            problem(check, "config_history %llu: this is no configuration",
                    number(index));
        } else if (!says_the_same(&config, (const char *)sqlite3_column_text(
                                               statement, 2))) {
            problem(check,
                    "config_history %llu: members are not those of the record",
                    number(index));
        }
    }
    was_read(check, "config_history", code);
    sqlite3_finalize(statement);
}

static void check_key_sizes(struct check *check)
{
    int64_t wrong;
    int code = schema_number(check->offline->store.writer,
                             "SELECT count(*) FROM keys"
                             " WHERE length(key) NOT BETWEEN 1 AND 128",
                             0, &wrong);
    was_read(check, "keys", code);
    if (wrong != 0) {
        problem(check, "keys: there is one of no size that a key has");
    }
}

/* ---- state -------------------------------------------------------------- */

/* The id of a cluster is the hash of entry 1, where that is there. */
static void check_cluster(struct check *check, const struct node_start *start)
{
    const struct raft_start *raft = &start->raft;
    if (raft->base.index > 0 || raft->config_count == 0 ||
        raft->configs[0].index != 1) {
        return;
    }
    const struct blob *map = raft->configs[0].payload;
    if (!digest_equal(start->identity.cluster_id,
                      digest_of(map->data, map->size))) {
        problem(check, "state: the cluster's id is not that of entry 1");
    }
}

static void check_state(struct check *check, const struct node_start *start)
{
    const struct raft_start *raft = &start->raft;
    if (check->term > raft->term) {
        problem(check, "state: its term %llu is below that of the last entry",
                number(raft->term));
    }
    if (raft->vote != RAFT_ID_NONE && raft->term == 0) {
        problem(check, "state: there is a vote, and no term");
    }
    if (start->ack > raft->last) {
        problem(check, "state: the app acknowledged %llu, which is not there",
                number(start->ack));
    }
    if (check->commit > raft->last) {
        problem(check, "entry %llu was committed, and is missing",
                number(check->commit));
    }
    if (start->identity.instance == 0 && !check->offline->is_backup) {
        problem(check, "state: the instance is 0");
    }
    check_cluster(check, start);
}

/* ---- the app's snapshot ------------------------------------------------- */

static raft_term term_at(const struct raft_start *raft, raft_index index)
{
    raft_term term = raft->base.term;
    for (size_t i = 0; i < raft->run_count && raft->runs[i].first <= index;
         i++) {
        term = raft->runs[i].term;
    }
    return term;
}

static void check_bytes(struct check *check,
                        const struct node_snapshot *snapshot)
{
    const struct store *store = &check->offline->store;
    bool inside = check->offline->is_backup;
    sqlite3 *own = NULL;
    char why[160];
    int code = inside ? SQLITE_OK : snapshot_open(store, snapshot->file, &own);
    if (code != SQLITE_OK) {
        problem(check, "snapshot of entry %llu: its file cannot be opened: %s",
                number(snapshot->index), sqlite3_errstr(code));
    } else if (!carry_check(inside ? store->writer : own, snapshot, why,
                            sizeof(why))) {
        problem(check, "snapshot of entry %llu: %s", number(snapshot->index),
                why);
    }
    sqlite3_close(own);
}

static void check_snapshot(struct check *check, const struct node_start *start)
{
    const struct node_snapshot *snapshot = &start->snapshot;
    const struct raft_start *raft = &start->raft;
    if (snapshot->index == 0 || check->offline->no_snapshot) {
        return;
    }
    if (snapshot->index < raft->base.index || snapshot->index > raft->last) {
        problem(check, "snapshot of entry %llu: no log goes on from there",
                number(snapshot->index));
    } else if (snapshot->term != term_at(raft, snapshot->index)) {
        problem(check, "snapshot of entry %llu: the entry has another term",
                number(snapshot->index));
    }
    check_bytes(check, snapshot);
}

/* ---- all of it ---------------------------------------------------------- */

static void tell_rot(void *context, const char *text)
{
    problem(context, "%s", text);
}

/* The tables that no peer can make good. */
static bool has_no_rot(struct check *check)
{
    struct store_error error = {0};
    size_t found = 0;
    if (!rot_find(&check->offline->store, tell_rot, check, &found, &error)) {
        problem(check, "%s", error.text);
        return false;
    }
    return found == 0;
}

/* What the rows of the log are compared with. */
static bool begin_rows(struct check *check, bool sound)
{
    struct store_error error = {0};
    const struct node_start *start = offline_start(check->offline, &error);
    if (start == NULL) {
        /* Its own words, unless they were said; the rows are looked at all the
         * same. */
        if (sound) {
            problem(check, "%s", error.text);
        }
        start = &check->offline->store.start;
        sound = false;
    }
    const struct raft_start *raft = &start->raft;
    check->last = raft->base.index;
    check->term = raft->base.term;
    check->unix_ms = raft->base.unix_ms;
    check->chain = raft->base.chain;
    return sound;
}

static void check_content(struct check *check)
{
    struct store_error error = {0};
    bool sound = begin_rows(check, has_no_rot(check));
    if (!offline_entries(check->offline, 0, INT64_MAX, check_row, check,
                         &error)) {
        problem(check, "%s", error.text);
        sound = false;
    }
    if (sound) {
        check_history(check);
        check_key_sizes(check);
        check_state(check, &check->offline->store.start);
        check_snapshot(check, &check->offline->store.start);
    }
}

bool offline_verify(struct offline *offline, offline_problem *tell,
                    void *context, struct offline_verdict *verdict,
                    struct store_error *error)
{
    struct check check = {.offline = offline,
                          .tell = tell,
                          .context = context,
                          .verdict = verdict};
    *verdict = (struct offline_verdict){0};
    if (!check_structure(&check, error)) {
        return false;
    }
    check_header(&check);
    check_schema(&check);
    check_content(&check);
    verdict->last = check.last;
    verdict->chain = check.chain;
    return true;
}
