/* Saves into rows, and rows into entries. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "store/internal.h"

/* No read keeps the WAL from starting over for longer. */
#define READ_US ((uint64_t)10 * 1000)
/* Looks at where the files are, once in so long while there are saves. */
#define LOOK_US ((uint64_t)10 * 1000)

uint64_t store_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- the checksum of a row ---------------------------------------------- */

static uint32_t add_blob(uint32_t crc, const struct blob *blob)
{
    return blob == NULL ? crc : crc32c(crc, blob->data, blob->size);
}

/* Schema versions 1 and 2 wrote rows whose checksum is of the entry alone. */
static int64_t checksum_of_entry(const struct raft_entry *entry)
{
    uint8_t head[RAFT_ENTRY_HEAD];
    raft_entry_head(entry, head);
    uint32_t crc = crc32c(0, head, sizeof(head));
    return add_blob(add_blob(crc, entry->key), entry->payload);
}

int64_t rows_checksum(const struct raft_entry *entry, raft_index commit)
{
    uint8_t bytes[8];
    be_put_u64(bytes, commit);
    return ROW_CHECKSUM_OF_ALL +
           crc32c((uint32_t)checksum_of_entry(entry), bytes, sizeof(bytes));
}

/* ---- saving ------------------------------------------------------------- */

static void bind_blob(sqlite3_stmt *statement, int at, const struct blob *blob)
{
    /* An empty payload is an empty blob, not NULL. */
    const void *data = blob == NULL ? "" : (const void *)blob->data;
    sqlite3_bind_blob64(statement, at, data, blob == NULL ? 0 : blob->size,
                        SQLITE_STATIC);
}

static int insert_config(struct store *store,
                         const struct raft_config_entry *entry)
{
    struct raft_config config;
    struct buf text = {0};
    bool sound =
        raft_config_decode(entry->payload->data, entry->payload->size, &config);
    assert(sound);
    raft_config_text(&config, &text);
    sqlite3_stmt *statement = store->statements[STATEMENT_CONFIG];
    sqlite3_bind_int64(statement, 1, (int64_t)entry->index);
    sqlite3_bind_int64(statement, 2, (int64_t)entry->term);
    sqlite3_bind_int64(statement, 3, (int64_t)entry->unix_ms);
    sqlite3_bind_text(statement, 4, (const char *)text.data, (int)text.size,
                      SQLITE_STATIC);
    bind_blob(statement, 5, entry->payload);
    int code = schema_run(store, STATEMENT_CONFIG);
    buf_free(&text);
    return code;
}

static int truncate_log(struct store *store, raft_index from)
{
    sqlite3_bind_int64(store->statements[STATEMENT_TRUNCATE], 1, (int64_t)from);
    sqlite3_bind_int64(store->statements[STATEMENT_CONFIG_TRUNCATE], 1,
                       (int64_t)from);
    int code = schema_run(store, STATEMENT_TRUNCATE);
    return code != SQLITE_OK ? code
                             : schema_run(store, STATEMENT_CONFIG_TRUNCATE);
}

static int set_vote(struct store *store, raft_id vote)
{
    return vote == RAFT_ID_NONE ? state_set_null(store, "vote")
                                : state_set_number(store, "vote", vote);
}

static int set_snapshot(struct store *store,
                        const struct node_snapshot *snapshot)
{
    char hex[SHA256_HEX_SIZE];
    sha256_to_hex(snapshot->sha256, hex);
    int code = state_set_number(store, "snapshot_index", snapshot->index);
    code = code != SQLITE_OK
               ? code
               : state_set_number(store, "snapshot_term", snapshot->term);
    code = code != SQLITE_OK
               ? code
               : state_set_number(store, "snapshot_size", snapshot->size);
    code = code != SQLITE_OK
               ? code
               : state_set_number(store, "snapshot_file", snapshot->file);
    return code != SQLITE_OK ? code
                             : state_set_text(store, "snapshot_sha256", hex);
}

static int save_state(struct store *store, const struct node_save *save)
{
    int code = SQLITE_OK;
    if (save->log.state_dirty) {
        code = state_set_number(store, "term", save->log.term);
        code = code != SQLITE_OK ? code : set_vote(store, save->log.vote);
    }
    /* With rows the commit index rides in them. */
    if (code == SQLITE_OK && save->log.entry_count == 0) {
        code = state_set_number(store, "commit", save->log.commit);
    }
    if (code == SQLITE_OK && save->ack_dirty) {
        code = state_set_number(store, "ack", save->ack);
    }
    if (code == SQLITE_OK && save->cluster_dirty) {
        char hex[DIGEST_SIZE * 2 + 1];
        char epoch[17];
        digest_to_hex(save->cluster_id, hex);
        snprintf(epoch, sizeof(epoch), "%016llx",
                 (unsigned long long)save->epoch);
        code = state_set_text(store, "cluster_id", hex);
        code = code != SQLITE_OK ? code : state_set_text(store, "epoch", epoch);
    }
    if (code == SQLITE_OK && save->snapshot_dirty) {
        code = set_snapshot(store, &save->snapshot);
    }
    return code;
}

/* Another node's base: no row that is here belongs to what is behind it. */
static int save_install(struct store *store, const struct raft_install *install)
{
    int code = truncate_log(store, install->base.index + 1);
    sqlite3_bind_int64(store->statements[STATEMENT_CONFIG_TRUNCATE], 1, 0);
    code =
        code != SQLITE_OK ? code : schema_run(store, STATEMENT_CONFIG_TRUNCATE);
    for (size_t i = 0; code == SQLITE_OK && i < install->config_count; i++) {
        code = insert_config(store, &install->configs[i]);
    }
    return code != SQLITE_OK
               ? code
               : kept_replace(store, install->base.index, install->keys->data,
                              install->keys->size);
}

/* Rows up to the base stay for now (sweep.c): they are of no log any more. */
static int save_base(struct store *store, const struct raft_save *log)
{
    const struct raft_base *base = &log->base;
    char hex[DIGEST_SIZE * 2 + 1];
    digest_to_hex(base->chain, hex);
    int code = log->install == NULL ? kept_add(store, base->index)
                                    : save_install(store, log->install);
    code = code != SQLITE_OK
               ? code
               : state_set_number(store, "base_index", base->index);
    code = code != SQLITE_OK ? code
                             : state_set_number(store, "base_term", base->term);
    code = code != SQLITE_OK ? code : state_set_text(store, "base_chain", hex);
    code = code != SQLITE_OK
               ? code
               : state_set_number(store, "base_unix_ms", base->unix_ms);
    return code != SQLITE_OK
               ? code
               : state_set_number(store, "base_last_app", base->last_app);
}

/* A snapshot of before the base is of no use: no log goes on from there. */
static int forget_snapshot_below(struct store *store, raft_index base)
{
    char *sql =
        sqlite3_mprintf("UPDATE state SET value = 0,"
                        " checksum = raft_checksum(name, 0)"
                        " WHERE name = 'snapshot_index' AND value < %lld"
                        " AND checksum IS raft_checksum(name, value)",
                        (long long)base);
    int code = sqlite3_exec(store->writer, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        store->failure = sqlite3_system_errno(store->writer);
    }
    sqlite3_free(sql);
    return code;
}

static int save_log(struct store *store, const struct raft_save *log)
{
    int code = SQLITE_OK;
    bool configs_dirty = log->install != NULL || log->truncate_from != 0;
    if (log->base_dirty) {
        code = save_base(store, log);
        code = code != SQLITE_OK
                   ? code
                   : forget_snapshot_below(store, log->base.index);
    }
    if (code == SQLITE_OK && log->truncate_from != 0) {
        code = truncate_log(store, log->truncate_from);
    }
    if (code == SQLITE_OK && log->entry_count > 0) {
        store->given = log;
        code = schema_run(store, STATEMENT_INSERT);
        store->given = NULL;
    }
    for (size_t i = 0; code == SQLITE_OK && i < log->entry_count; i++) {
        const struct raft_entry *entry = &log->entries[i];
        if (entry->kind == RAFT_KIND_CONFIG) {
            struct raft_config_entry config = {.index = entry->index,
                                               .term = entry->term,
                                               .unix_ms = entry->unix_ms,
                                               .payload = entry->payload};
            code = insert_config(store, &config);
            configs_dirty = true;
        }
    }
    return code == SQLITE_OK && configs_dirty
               ? schema_run(store, STATEMENT_CONFIG_COUNT)
               : code;
}

static int transaction(struct store *store, const struct node_save *save)
{
    int code = schema_run(store, STATEMENT_BEGIN);
    code = code != SQLITE_OK ? code : save_log(store, &save->log);
    code = code != SQLITE_OK ? code : save_state(store, save);
    if (code != SQLITE_OK) {
        return code;
    }
    /* Whatever makes SQLite roll it back was seen, and ended it: a statement
     * behind it would be a transaction of its own. */
    assert(sqlite3_get_autocommit(store->writer) == 0);
    return schema_run(store, STATEMENT_COMMIT);
}

static bool is_want_of_room(struct store *store, int code)
{
    return place_want_of_room(code, store->failure);
}

/* Nobody knows what is on disk now; whoever starts again will look. */
static void die_of(struct store *store, int code)
{
    bool damaged =
        (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
    die(damaged ? EXIT_STATUS_DAMAGED : EXIT_STATUS_DISK,
        "%s cannot be written: %s (code %d, errno %d): the process ends "
        "rather than promise what is not on disk",
        store->path, sqlite3_errmsg(store->writer), code, store->failure);
}

void rows_must_be_room(struct store *store, int code)
{
    if (!is_want_of_room(store, code)) {
        die_of(store, code);
    }
}

/* What is saved must be found by the next start: it is not where somebody has
 * removed or replaced the data directory, or a file of it.  That may happen at
 * any time after a save, so nothing is lost by not looking after each. */
static void must_be_in_place(struct store *store)
{
    uint64_t now_us = store_now_us();
    if (now_us < store->looked_us + LOOK_US) {
        return;
    }
    store->looked_us = now_us;
    const char *name = place_lost(store);
    if (name != NULL) {
        die(EXIT_STATUS_DISK,
            "%s/%s is not the file any more that was opened: it was removed "
            "or replaced; the process ends rather than promise what nobody "
            "will find",
            store->directory, name);
    }
}

enum node_save_result rows_save(struct store *store,
                                const struct node_save *save)
{
    int code = transaction(store, save);
    if (code == SQLITE_OK) {
        must_be_in_place(store);
        if (save->log.base_dirty) {
            sweep_moved(store, save->log.base.index);
        }
        store->sweep_due = store->sweep_due || store->sweep_halted;
        store->sweep_halted = false;
        return NODE_SAVE_OK;
    }
    rows_must_be_room(store, code);
    /* Mostly SQLite has rolled it back by itself. */
    if (sqlite3_get_autocommit(store->writer) == 0) {
        schema_run(store, STATEMENT_ROLLBACK);
    }
    kept_rolled_back(store);
    return NODE_SAVE_NO_ROOM;
}

/* ---- reading ------------------------------------------------------------ */

static struct blob *column_blob(sqlite3_stmt *statement, int at)
{
    if (sqlite3_column_type(statement, at) == SQLITE_NULL) {
        return NULL;
    }
    const void *data = sqlite3_column_blob(statement, at);
    int size = sqlite3_column_bytes(statement, at);
    return blob_copy(data, size < 0 ? 0 : (size_t)size);
}

static bool column_digest(sqlite3_stmt *statement, int at,
                          struct digest *digest)
{
    const void *data = sqlite3_column_blob(statement, at);
    if (data == NULL || sqlite3_column_bytes(statement, at) != DIGEST_SIZE) {
        return false;
    }
    memcpy(digest->bytes, data, DIGEST_SIZE);
    return true;
}

/* A kind or flags; *small is false where they are more than these have. */
static uint8_t column_u8(sqlite3_stmt *statement, int at, bool *small)
{
    int64_t value = sqlite3_column_int64(statement, at);
    *small = *small && value >= 0 && value <= UINT8_MAX;
    return (uint8_t)value;
}

bool rows_entry(sqlite3_stmt *statement, struct raft_entry *entry)
{
    bool small = true;
    *entry = (struct raft_entry){
        .index = (raft_index)sqlite3_column_int64(statement, 0),
        .term = (raft_term)sqlite3_column_int64(statement, 1),
        .kind = column_u8(statement, 2, &small),
        .flags = column_u8(statement, 3, &small),
        .unix_ms = (uint64_t)sqlite3_column_int64(statement, 4),
        .key = column_blob(statement, 5),
        .payload = column_blob(statement, 6)};
    bool chained = column_digest(statement, 8, &entry->chain);
    int64_t checksum = sqlite3_column_int64(statement, 7);
    raft_index commit = (raft_index)sqlite3_column_int64(statement, 9);
    return small && chained &&
           checksum == (checksum < ROW_CHECKSUM_OF_ALL
                            ? checksum_of_entry(entry)
                            : rows_checksum(entry, commit));
}

/* The chain before the first row: NODE_READ_GONE where the base is above it,
 * NODE_READ_CORRUPT where that row should be there and is not. */
static enum node_read_result read_chain(struct store *store, raft_index index,
                                        struct digest *chain)
{
    sqlite3_stmt *base = store->select_base;
    bool known = sqlite3_step(base) == SQLITE_ROW;
    raft_index base_index =
        known ? (raft_index)sqlite3_column_int64(base, 0) : 0;
    bool is_base =
        known && index == base_index &&
        state_digest((const char *)sqlite3_column_text(base, 1), chain);
    sqlite3_reset(base);
    if (!known || is_base || index <= base_index) {
        return !known    ? NODE_READ_FAILED
               : is_base ? NODE_READ_OK
                         : NODE_READ_GONE;
    }
    sqlite3_bind_int64(store->select_chain, 1, (int64_t)index);
    int code = sqlite3_step(store->select_chain);
    bool found =
        code == SQLITE_ROW && column_digest(store->select_chain, 0, chain);
    sqlite3_reset(store->select_chain);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return NODE_READ_FAILED;
    }
    return found ? NODE_READ_OK : NODE_READ_CORRUPT;
}

/* Takes rows until there are enough, the time is over, or one is damaged. */
static void read_rows(struct store *store, struct read_request *request)
{
    struct node_read_answer *answer = &request->answer;
    const struct node_read *read = &request->read;
    uint64_t end_us = store_now_us() + READ_US;
    struct digest before = answer->prev_chain;
    raft_index wanted = read->first;
    size_t capacity = 0;
    size_t bytes = 0;
    int code;
    while ((code = sqlite3_step(store->select)) == SQLITE_ROW) {
        struct raft_entry entry;
        bool sound = rows_entry(store->select, &entry);
        sound = sound && entry.index == wanted &&
                digest_equal(entry.chain, raft_entry_chain(before, &entry));
        if (!sound) {
            raft_entry_clear(&entry);
            answer->result = NODE_READ_CORRUPT;
            answer->index = wanted;
            return;
        }
        bytes += raft_entry_weight(&entry);
        if (answer->entry_count > 0 && bytes > read->bytes_max) {
            raft_entry_clear(&entry);
            return;
        }
        answer->entries =
            x_grow(answer->entries, &capacity, answer->entry_count + 1,
                   sizeof(*answer->entries));
        answer->entries[answer->entry_count++] = entry;
        before = entry.chain;
        wanted++;
        if (store->options.threads && store_now_us() > end_us) {
            return;
        }
    }
    if (code != SQLITE_DONE) {
        answer->result = NODE_READ_FAILED;
    }
}

static void read_all(struct store *store, struct read_request *request)
{
    struct node_read_answer *answer = &request->answer;
    const struct node_read *read = &request->read;
    answer->result = read_chain(store, read->first - 1, &answer->prev_chain);
    if (answer->result != NODE_READ_OK) {
        answer->index = read->first - 1;
        return;
    }
    sqlite3_bind_int64(store->select, 1, (int64_t)read->first);
    sqlite3_bind_int64(store->select, 2, (int64_t)read->last);
    read_rows(store, request);
    sqlite3_reset(store->select);
}

/* In one transaction, lest the base moves between its statements. */
void rows_read(struct store *store, struct read_request *request)
{
    struct node_read_answer *answer = &request->answer;
    *answer = (struct node_read_answer){.request = request->read.request,
                                        .result = NODE_READ_FAILED,
                                        .first = request->read.first};
    if (sqlite3_exec(store->reader, "BEGIN", NULL, NULL, NULL) == SQLITE_OK) {
        read_all(store, request);
    }
    sqlite3_exec(store->reader, "COMMIT", NULL, NULL, NULL);
}
