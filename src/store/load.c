/* What was on disk: checked as far as it must be sound, and no further, for a
 * log of millions of entries must not make a start slow. */
#include <stdio.h>
#include <stdlib.h>

#include "store/internal.h"

/* ---- the log ------------------------------------------------------------ */

/* SQLITE_OK, and the term of an entry; SQLITE_NOTFOUND: it has no row; or what
 * made the read fail. */
static int find_term(sqlite3_stmt *term_of, raft_index index, raft_term *term)
{
    sqlite3_bind_int64(term_of, 1, (int64_t)index);
    int code = sqlite3_step(term_of);
    bool found =
        code == SQLITE_ROW && sqlite3_column_type(term_of, 0) == SQLITE_INTEGER;
    *term = found ? (raft_term)sqlite3_column_int64(term_of, 0) : 0;
    sqlite3_reset(term_of);
    return found                                       ? SQLITE_OK
           : code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_NOTFOUND
                                                       : code;
}

/* Terms never go down: the last entry of a term is found by halving.  *at is
 * the first one of it, and becomes the last; or the one that was not found. */
static int end_of_run(sqlite3_stmt *term_of, raft_index *at, raft_index last,
                      raft_term term)
{
    raft_index low = *at;
    raft_index high = last;
    while (low < high) {
        raft_index middle = low + (high - low + 1) / 2;
        raft_term found;
        int code = find_term(term_of, middle, &found);
        if (code != SQLITE_OK) {
            *at = middle;
            return code;
        }
        if (found == term) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    *at = low;
    return SQLITE_OK;
}

static bool load_runs(struct store *store, raft_index first, raft_index last,
                      struct store_error *error)
{
    struct raft_start *raft = &store->start.raft;
    struct raft_run *runs = NULL;
    size_t capacity = 0;
    sqlite3_stmt *term_of =
        schema_prepare(store->writer, "SELECT term FROM log WHERE idx = ?");
    raft_index at = first;
    int code = term_of == NULL ? SQLITE_ERROR : SQLITE_OK;
    while (at <= last && code == SQLITE_OK) {
        struct raft_run run = {.first = at};
        code = find_term(term_of, at, &run.term);
        code =
            code != SQLITE_OK ? code : end_of_run(term_of, &at, last, run.term);
        if (code == SQLITE_OK) {
            runs = x_grow(runs, &capacity, raft->run_count + 1, sizeof(*runs));
            runs[raft->run_count++] = run;
            at++;
        }
    }
    raft->runs = runs;
    bool read = code == SQLITE_OK || code == SQLITE_NOTFOUND ||
                schema_unread(store, error);
    sqlite3_finalize(term_of);
    return read && (code == SQLITE_OK ||
                    schema_damaged(store, error, "entry %llu is missing",
                                   (unsigned long long)at));
}

static bool load_others(struct store *store, struct store_error *error)
{
    struct raft_start *raft = &store->start.raft;
    raft_index *others = NULL;
    size_t capacity = 0;
    sqlite3_stmt *statement = schema_prepare(
        store->writer, "SELECT idx FROM log INDEXED BY log_others"
                       " WHERE kind <> 1 AND idx > ? ORDER BY idx");
    sqlite3_bind_int64(statement, 1, (int64_t)raft->base.index);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        others =
            x_grow(others, &capacity, raft->other_count + 1, sizeof(*others));
        others[raft->other_count++] =
            (raft_index)sqlite3_column_int64(statement, 0);
    }
    raft->others = others;
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || schema_unread(store, error);
}

static bool load_configs(struct store *store, struct store_error *error)
{
    struct raft_start *raft = &store->start.raft;
    struct raft_config_entry *configs = NULL;
    size_t capacity = 0;
    bool sound = true;
    int code = SQLITE_DONE;
    sqlite3_stmt *statement = schema_prepare(
        store->writer, "SELECT idx, term, unix_ms, record FROM config_history"
                       " ORDER BY idx");
    while (sound && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const void *record = sqlite3_column_blob(statement, 3);
        size_t size = (size_t)sqlite3_column_bytes(statement, 3);
        struct raft_config config;
        configs = x_grow(configs, &capacity, raft->config_count + 1,
                         sizeof(*configs));
        configs[raft->config_count++] = (struct raft_config_entry){
            .index = (raft_index)sqlite3_column_int64(statement, 0),
            .term = (raft_term)sqlite3_column_int64(statement, 1),
            .unix_ms = (uint64_t)sqlite3_column_int64(statement, 2),
            .payload = blob_copy(record, size)};
        sound = record != NULL && raft_config_decode(record, size, &config);
    }
    raft->configs = configs;
    raft_index last =
        raft->config_count == 0 ? 0 : configs[raft->config_count - 1].index;
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return schema_unread(store, error);
    }
    return sound ||
           schema_damaged(store, error,
                          "the configuration of entry %llu cannot be read",
                          (unsigned long long)last);
}

/* ---- the newest entries ------------------------------------------------- */

static void reverse(struct raft_entry *entries, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct raft_entry entry = entries[i];
        entries[i] = entries[count - 1 - i];
        entries[count - 1 - i] = entry;
    }
}

static bool check_chain(struct store *store, const struct raft_entry *entries,
                        size_t count, struct store_error *error)
{
    for (size_t i = 1; i < count; i++) {
        struct digest chain =
            raft_entry_chain(entries[i - 1].chain, &entries[i]);
        if (!digest_equal(chain, entries[i].chain)) {
            return schema_damaged(store, error,
                                  "the chain of digests breaks at entry %llu",
                                  (unsigned long long)entries[i].index);
        }
    }
    return true;
}

/* From the last entry down: all that are not known to be committed, the one at
 * the commit index, and more while there is room. */
static bool load_tail(struct store *store, struct store_error *error)
{
    struct raft_start *raft = &store->start.raft;
    struct raft_entry *entries = NULL;
    size_t capacity = 0;
    size_t bytes = 0;
    raft_index wanted = raft->last;
    bool sound = true;
    int code = SQLITE_ROW;
    sqlite3_stmt *statement = schema_prepare(
        store->writer, "SELECT " ROW_COLUMNS " FROM log ORDER BY idx DESC");
    while (wanted > raft->base.index &&
           (wanted >= raft->commit || bytes < store->options.tail_bytes_max) &&
           sound && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        entries =
            x_grow(entries, &capacity, raft->tail_count + 1, sizeof(*entries));
        struct raft_entry *entry = &entries[raft->tail_count++];
        sound = rows_entry(statement, entry) && entry->index == wanted;
        bytes += raft_entry_weight(entry);
        wanted -= sound;
    }
    raft->tail = entries;
    sqlite3_finalize(statement);
    reverse(entries, raft->tail_count);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return schema_unread(store, error);
    }
    return ((sound && code == SQLITE_ROW) ||
            schema_damaged(store, error, "entry %llu is not what was saved",
                           (unsigned long long)wanted)) &&
           check_chain(store, entries, raft->tail_count, error);
}

/* ---- all of it ---------------------------------------------------------- */

static bool load_cluster(struct store *store, struct store_error *error)
{
    struct node_identity *identity = &store->start.identity;
    return state_hex_number(store, "epoch", &identity->epoch, error) &&
           state_hex(store, "cluster_id", identity->cluster_id.bytes,
                     DIGEST_SIZE, error);
}

/* NULL as node_id: the directory was restored, and no node has used it yet. */
static bool load_node(struct store *store, struct store_error *error)
{
    struct node_identity *identity = &store->start.identity;
    uint64_t id;
    if (!state_number(store, "node_id", RAFT_ID_NONE, &id, error) ||
        !state_number(store, "boot", 0, &identity->boot, error) ||
        !state_hex_number(store, "instance", &identity->instance, error)) {
        return false;
    }
    identity->id = (raft_id)id;
    return true;
}

static bool check_id(const struct store *store, struct store_error *error)
{
    raft_id id = store->start.identity.id;
    if (id == store->options.id) {
        return true;
    }
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%s belongs to node %lu, and this is node %lu: data-dir or id is "
             "wrong",
             store->path, (unsigned long)id, (unsigned long)store->options.id);
    return false;
}

static bool load_state(struct store *store, struct store_error *error)
{
    struct raft_start *raft = &store->start.raft;
    uint64_t vote;
    if (!state_number(store, "term", 0, &raft->term, error) ||
        !state_number(store, "vote", RAFT_ID_NONE, &vote, error) ||
        !state_number(store, "ack", 0, &store->start.ack, error) ||
        !state_number(store, "commit", 0, &raft->commit, error) ||
        !state_number(store, "base_index", 0, &raft->base.index, error) ||
        !state_number(store, "base_term", 0, &raft->base.term, error) ||
        !state_number(store, "base_unix_ms", 0, &raft->base.unix_ms, error) ||
        !state_number(store, "base_last_app", 0, &raft->base.last_app, error) ||
        !state_hex(store, "base_chain", raft->base.chain.bytes, DIGEST_SIZE,
                   error)) {
        return false;
    }
    raft->vote = (raft_id)vote;
    return true;
}

/* First and last entry, and the commit index that rides in the last row. */
static bool load_range(struct store *store, raft_index *first,
                       struct store_error *error)
{
    struct raft_start *raft = &store->start.raft;
    sqlite3_stmt *statement = schema_prepare(
        store->writer,
        "SELECT (SELECT min(idx) FROM log WHERE idx > ?1), idx, " ROW_COMMIT
        " FROM log WHERE idx > ?1 ORDER BY idx DESC LIMIT 1");
    sqlite3_bind_int64(statement, 1, (int64_t)raft->base.index);
    int code = sqlite3_step(statement);
    *first = raft->base.index + 1;
    raft->last = raft->base.index;
    if (code == SQLITE_ROW) {
        *first = (raft_index)sqlite3_column_int64(statement, 0);
        raft->last = (raft_index)sqlite3_column_int64(statement, 1);
        raft_index commit = (raft_index)sqlite3_column_int64(statement, 2);
        raft->commit = commit > raft->commit ? commit : raft->commit;
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return schema_unread(store, error);
    }
    /* What is under the log was committed. */
    if (raft->commit < raft->base.index) {
        raft->commit = raft->base.index;
    }
    if (*first != raft->base.index + 1) {
        return schema_damaged(store, error, "entry %llu is missing",
                              (unsigned long long)raft->base.index + 1);
    }
    return raft->commit <= raft->last ||
           schema_damaged(store, error,
                          "entry %llu is missing, though it was committed",
                          (unsigned long long)raft->commit);
}

static bool load_log(struct store *store, struct store_error *error)
{
    raft_index first;
    return load_range(store, &first, error) &&
           load_runs(store, first, store->start.raft.last, error) &&
           load_others(store, error) && load_configs(store, error);
}

/* A backup has no identity, and gets none by being started on. */
static bool is_no_backup(struct store *store, struct store_error *error)
{
    char made[32];
    bool there;
    if (!state_text(store, "backup", made, sizeof(made), &there, error)) {
        return false;
    }
    if (!there) {
        return true;
    }
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%s is a backup: raftctl restore makes a data directory of it",
             store->path);
    return false;
}

static bool load_all(struct store *store, struct store_error *error)
{
    const struct raft_start *raft = &store->start.raft;
    return load_node(store, error) && load_cluster(store, error) &&
           load_state(store, error) && load_log(store, error) &&
           load_tail(store, error) &&
           kept_load(store, raft->last + 1 - raft->tail_count, error);
}

bool load_start(struct store *store, struct store_error *error)
{
    /* Nothing is written before all that is there is known to be sound. */
    if (!is_no_backup(store, error) || !state_begin(store, error) ||
        !rot_refuse(store, error) || !state_count_boot(store, error) ||
        !load_all(store, error)) {
        return false;
    }
    if (store->start.identity.id != RAFT_ID_NONE) {
        return check_id(store, error);
    }
    if (!recover_restored(store, error)) {
        return false;
    }
    load_clear(store);
    store->start = (struct node_start){0};
    return load_all(store, error);
}

bool load_look(struct store *store, bool is_backup, struct store_error *error)
{
    store->start.identity.id = RAFT_ID_NONE;
    return (is_backup || load_node(store, error)) &&
           load_cluster(store, error) && load_state(store, error) &&
           load_log(store, error) && snapshot_load(store, error);
}

/* The arrays are const only for those who look at them. */
static void free_array(const void *array)
{
    free((void *)(uintptr_t)array);
}

void load_clear(struct store *store)
{
    struct raft_start *raft = &store->start.raft;
    for (size_t i = 0; i < raft->config_count; i++) {
        blob_free(raft->configs[i].payload);
    }
    for (size_t i = 0; i < raft->tail_count; i++) {
        struct raft_entry entry = raft->tail[i];
        raft_entry_clear(&entry);
    }
    free_array(raft->runs);
    free_array(raft->configs);
    free_array(raft->others);
    free_array(raft->tail);
    free_array(raft->keys);
    raft->runs = NULL;
    raft->configs = NULL;
    raft->others = NULL;
    raft->tail = NULL;
    raft->keys = NULL;
    raft->keys_size = 0;
    raft->run_count = 0;
    raft->config_count = 0;
    raft->other_count = 0;
    raft->tail_count = 0;
}
