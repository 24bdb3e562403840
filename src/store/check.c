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
    if (row->commit < check->commit) {
        problem(check, "entry %llu: its commit index goes back",
                number(entry->index));
    } else {
        check->commit = row->commit;
    }
    check->last = entry->index;
    return true;
}

/* ---- configurations ----------------------------------------------------- */

/* Tells each index that the query gives. */
static void check_query(struct check *check, const char *sql, raft_index base,
                        const char *what)
{
    sqlite3_stmt *statement = schema_prepare(check->offline->store.writer, sql);
    sqlite3_bind_int64(statement, 1, (int64_t)base);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        problem(check, "entry %llu: %s",
                number((uint64_t)sqlite3_column_int64(statement, 0)), what);
    }
    sqlite3_finalize(statement);
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
    while (sqlite3_step(statement) == SQLITE_ROW) {
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
    sqlite3_finalize(statement);
}

static void check_configs(struct check *check, raft_index base)
{
    check_query(check,
                "SELECT idx FROM log WHERE kind = 2 AND idx > ?"
                " AND NOT EXISTS (SELECT 1 FROM config_history AS c"
                " WHERE c.idx = log.idx AND c.term = log.term"
                " AND c.unix_ms = log.unix_ms AND c.record = log.payload)",
                base, "config_history does not hold this configuration");
    check_query(check,
                "SELECT idx FROM config_history AS c WHERE idx > ?"
                " AND NOT EXISTS (SELECT 1 FROM log"
                " WHERE log.idx = c.idx AND kind = 2)",
                base, "config_history has it, and it is no configuration");
    check_history(check);
}

/* ---- keys --------------------------------------------------------------- */

static void check_keys(struct check *check, raft_index base)
{
    check_query(check,
                "SELECT idx FROM keys"
                " WHERE idx > ? OR length(key) NOT BETWEEN 1 AND 128",
                base,
                "keys has it, and it is no key of what lies under the "
                "log");
    check_query(check,
                "SELECT value FROM state WHERE value > ?"
                " AND name IN ('keys_forgotten', 'keys_upto')",
                base, "keys_forgotten or keys_upto is not under the log");
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

static void check_content(struct check *check)
{
    struct store_error error = {0};
    const struct node_start *start = offline_start(check->offline, &error);
    if (start == NULL) {
        /* Its own words; the rows are looked at all the same. */
        problem(check, "%s", error.text);
        start = &check->offline->store.start;
    }
    const struct raft_start *raft = &start->raft;
    check->last = raft->base.index;
    check->term = raft->base.term;
    check->unix_ms = raft->base.unix_ms;
    check->chain = raft->base.chain;
    bool sound = error.text[0] == '\0';
    if (!offline_entries(check->offline, 0, INT64_MAX, check_row, check,
                         &error)) {
        problem(check, "%s", error.text);
        sound = false;
    }
    check_configs(check, raft->base.index);
    check_keys(check, raft->base.index);
    if (sound) {
        check_state(check, start);
        check_snapshot(check, start);
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
    check_content(&check);
    verdict->last = check.last;
    verdict->chain = check.chain;
    return true;
}
