/* A copy of a log, without the identity of the node that it comes from.
 *
 * The copy is made by the same code that saves a log: a store of its own in a
 * directory beside the file, which becomes the file at the end.  Entries that
 * are committed never change, so that a log under load can be read in slices,
 * each a transaction of its own of about 10 ms: a longer one would keep the
 * node's WAL from starting over.  Where the node compacts its log meanwhile,
 * the copy begins anew. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/carry.h"

#define SLICE_BYTES ((size_t)4 * 1024 * 1024)
#define SLICE_US ((uint64_t)10 * 1000)
#define ATTEMPTS 5

struct copy {
    struct offline *from;
    struct store *to;
    raft_index last; /* the one that is wanted */
    raft_index next; /* the one that comes next */
    struct digest chain;
    /* Of the slice. */
    struct node_save save;
    size_t capacity;
    size_t bytes;
    uint64_t end_us;
    bool damaged;
    bool gone;    /* the node has dropped what comes next */
    bool dropped; /* … the snapshot */
    /* The app's; index 0: there is none. */
    struct node_snapshot snapshot;
    sqlite3 *snapshot_db; /* NULL: it is in the backup that is copied */
};

static bool failed(struct store_error *error, enum exit_status status,
                   const char *path, const char *what)
{
    error->status = status;
    snprintf(error->text, sizeof(error->text), "%.400s: %s", path, what);
    return false;
}

static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* ---- what lies under the log -------------------------------------------- */

/* Cluster and base; not who the node is, nor for whom it voted. */
#define COPIED_STATE                                                           \
    "SELECT * FROM state WHERE name NOT IN"                                    \
    " ('schema_version', 'written_by', 'node_id', 'instance', 'boot', 'vote'," \
    " 'ack', 'commit', 'restored', 'backup', 'config_count')"

static bool copy_rows(struct copy *copy, const char *select, const char *table,
                      struct store_error *error)
{
    struct carry_end from = {&copy->from->store, copy->from->store.writer};
    struct carry_end to = {copy->to, copy->to->writer};
    return carry_rows(&from, &to, select, table, copy->next - 1, error);
}

/* Those that outlive their rows, and those whose rows are about to go. */
static bool copy_keys(struct copy *copy, struct store_error *error)
{
    return copy_rows(copy, "SELECT * FROM keys", "keys", error) &&
           copy_rows(copy,
                     "SELECT idx, key, raft_checksum(idx, key)"
                     " FROM log INDEXED BY log_keys"
                     " WHERE key IS NOT NULL AND kind = 1 AND idx <= ?"
                     " AND idx > (SELECT value FROM state"
                     " WHERE name = 'keys_upto')",
                     "keys", error) &&
           copy_rows(copy,
                     "SELECT 'keys_upto', ?1,"
                     " raft_checksum('keys_upto', ?1)",
                     "state", error);
}

/* The node may drop the file of its snapshot, but what is open stays. */
static bool open_snapshot(struct copy *copy, const struct node_start *start,
                          struct store_error *error)
{
    const struct store *from = &copy->from->store;
    copy->snapshot = start->snapshot;
    if (copy->snapshot.index == 0) {
        return true;
    }
    int code = copy->from->is_backup ? SQLITE_OK
                                     : snapshot_open(from, copy->snapshot.file,
                                                     &copy->snapshot_db);
    copy->dropped = code == SQLITE_CANTOPEN && copy->from->is_live;
    copy->gone = copy->dropped;
    return code == SQLITE_OK || copy->dropped ||
           schema_failed(from, copy->snapshot_db, error,
                         "the app's snapshot cannot be opened");
}

/* What is under the log of a running node was committed, and so was what its
 * snapshot has, perhaps since the node said up to where. */
static raft_index wanted_last(const struct copy *copy,
                              const struct node_start *start)
{
    raft_index least = start->raft.base.index;
    if (least < start->snapshot.index) {
        least = start->snapshot.index;
    }
    if (copy->last == 0) {
        return start->raft.last;
    }
    return copy->from->is_live && copy->last < least ? least : copy->last;
}

static const struct node_start *sound_start(struct offline *offline,
                                            struct store_error *error)
{
    return rot_refuse(&offline->store, error) ? offline_start(offline, error)
                                              : NULL;
}

static bool copy_base(struct copy *copy, struct store_error *error)
{
    sqlite3 *from = copy->from->store.writer;
    if (!run(from, "BEGIN")) {
        return schema_failed(&copy->from->store, from, error,
                             "it cannot be read");
    }
    const struct node_start *start = sound_start(copy->from, error);
    bool done = start != NULL;
    if (done) {
        copy->next = start->raft.base.index + 1;
        copy->chain = start->raft.base.chain;
        copy->last = wanted_last(copy, start);
        copy->save.log.commit = start->raft.commit;
        done = copy_rows(copy, COPIED_STATE, "state", error) &&
               copy_rows(copy, "SELECT * FROM config_history WHERE idx <= ?",
                         "config_history", error) &&
               copy_keys(copy, error) && open_snapshot(copy, start, error);
    }
    run(from, "COMMIT");
    if (done && (copy->last > start->raft.last || copy->last + 1 < copy->next ||
                 copy->last < copy->snapshot.index || copy->last == 0)) {
        return failed(error, EXIT_STATUS_DISK, copy->from->store.path,
                      start->raft.last == 0
                          ? "there is nothing in it"
                          : "the wanted entries are not in it");
    }
    return done;
}

/* ---- the log ------------------------------------------------------------ */

static bool take_row(void *context, const struct offline_entry *row)
{
    struct copy *copy = context;
    const struct raft_entry *entry = &row->entry;
    struct raft_save *log = &copy->save.log;
    copy->gone = entry->index != copy->next;
    if (copy->gone) {
        return false;
    }
    struct digest chain = raft_entry_chain(copy->chain, entry);
    copy->damaged = !row->sound || !digest_equal(chain, entry->chain);
    if (copy->damaged) {
        return false;
    }
    log->entries = x_grow(log->entries, &copy->capacity, log->entry_count + 1,
                          sizeof(*log->entries));
    log->entries[log->entry_count++] = raft_entry_share(entry);
    copy->bytes += raft_entry_weight(entry);
    copy->chain = chain;
    copy->next++;
    return copy->bytes < SLICE_BYTES && store_now_us() < copy->end_us;
}

/* One read of the source, and then one save. */
static bool copy_slice(struct copy *copy, struct store_error *error)
{
    struct raft_save *log = &copy->save.log;
    copy->bytes = 0;
    copy->capacity = 0;
    copy->end_us = store_now_us() + SLICE_US;
    raft_index commit = log->commit;
    bool done = offline_entries(copy->from, copy->next, copy->last, take_row,
                                copy, error);
    copy->gone = copy->gone || (done && log->entry_count == 0);
    /* The copy's commit index is told at its end. */
    log->commit = 0;
    if (done && log->entry_count > 0 &&
        rows_save(copy->to, &copy->save) != NODE_SAVE_OK) {
        done =
            failed(error, EXIT_STATUS_DISK, copy->to->path, "the disk is full");
    }
    raft_save_clear(log);
    log->commit = commit;
    return done;
}

static bool damaged(const struct copy *copy, const char *how,
                    struct store_error *error)
{
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%.300s: entry %llu is %s; there is no backup of it, take one of "
             "another node",
             copy->from->store.path, (unsigned long long)copy->next, how);
    return false;
}

static bool copy_log(struct copy *copy, struct store_error *error)
{
    while (!copy->gone && copy->next <= copy->last) {
        if (!copy_slice(copy, error)) {
            return false;
        }
        if (copy->damaged) {
            return damaged(copy, "damaged", error);
        }
    }
    return true;
}

/* ---- the end ------------------------------------------------------------ */

/* Behind the log in the same file.  It is synced once, at the end. */
static bool copy_snapshot(struct copy *copy, struct store_error *error)
{
    const struct store *store = &copy->from->store;
    struct carry_end from = {
        store, copy->snapshot_db == NULL ? store->writer : copy->snapshot_db};
    struct carry_end to = {copy->to, copy->to->writer};
    return copy->snapshot.index == 0 ||
           (run(copy->to->writer, "PRAGMA synchronous = OFF") &&
            carry_snapshot(&from, &to, &copy->snapshot, error));
}

static bool strip_identity(struct copy *copy, struct store_error *error)
{
    struct store *to = copy->to;
    raft_index commit = copy->save.log.commit;
    if (copy->from->is_live || commit > copy->last) {
        commit = copy->last;
    }
    char *sql = sqlite3_mprintf(
        "BEGIN IMMEDIATE;"
        "DELETE FROM state WHERE name IN ('instance', 'boot');"
        "%z"
        "COMMIT;"
        "PRAGMA wal_checkpoint(TRUNCATE);"
        "PRAGMA journal_mode = DELETE;",
        sqlite3_mprintf(
            STATE_PUT("('node_id', NULL), ('vote', NULL), ('ack', 0),"
                      " ('commit', %lld), ('backup', %lld),"
                      " ('keys_count', (SELECT count(*) FROM keys)),"
                      " ('config_count',"
                      " (SELECT count(*) FROM config_history))"),
            (long long)commit, (long long)time(NULL) * 1000));
    schema_alone(to);
    bool done = run(to->writer, sql);
    sqlite3_free(sql);
    return done ||
           schema_failed(to, to->writer, error, "its state cannot be written");
}

static bool sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

static bool sync_parent(const char *file)
{
    char parent[4096];
    snprintf(parent, sizeof(parent), "%s", file);
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        return sync_file(".");
    }
    slash[slash == parent ? 1 : 0] = '\0';
    return sync_file(parent);
}

/* A link, unlike a rename, never takes the place of a file that is there; some
 * file systems have none. */
static bool name_file(const char *path, const char *file)
{
    return link(path, file) == 0 ||
           ((errno == EPERM || errno == ENOTSUP) && rename(path, file) == 0);
}

static bool put_in_place(const char *path, const char *file,
                         struct store_error *error)
{
    return (sync_file(path) && name_file(path, file) && sync_parent(file)) ||
           failed(error, EXIT_STATUS_DISK, file, strerror(errno));
}

static void remove_all(const char *directory)
{
    static const char *const names[] = {"raft.db", "raft.db-wal", "raft.db-shm",
                                        "raft.db-journal", "lock"};
    char path[4200];
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

/* ---- all of it ---------------------------------------------------------- */

/* *again: the log was compacted under the copy. */
static bool copy_into(struct copy *copy, const char *directory,
                      const char *file, bool *again, struct store_error *error)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/raft.db", directory);
    bool done = copy_base(copy, error) && copy_log(copy, error);
    *again = done && copy->gone;
    done = done && !copy->gone && strip_identity(copy, error) &&
           copy_snapshot(copy, error);
    store_close(copy->to);
    sqlite3_close(copy->snapshot_db);
    return done && put_in_place(path, file, error);
}

static bool attempt(struct offline *offline, raft_index last, const char *file,
                    const char *version, struct copy *copy, bool *again,
                    struct store_error *error)
{
    char directory[4096];
    snprintf(directory, sizeof(directory), "%s.XXXXXX", file);
    if (mkdtemp(directory) == NULL) {
        return failed(error, EXIT_STATUS_DISK, file, strerror(errno));
    }
    struct store_options options = {
        .directory = directory, .version = version, .key_window = INT32_MAX};
    *copy = (struct copy){.from = offline, .last = last};
    copy->to = store_open(&options, error);
    bool done =
        copy->to != NULL && copy_into(copy, directory, file, again, error);
    remove_all(directory);
    return done;
}

bool offline_backup(struct offline *offline, raft_index last, const char *file,
                    const char *version, raft_index *written,
                    struct store_error *error)
{
    struct stat found;
    struct copy copy;
    raft_index missing = 0;
    if (lstat(file, &found) == 0) {
        return failed(error, EXIT_STATUS_DISK, file,
                      "the file is there already");
    }
    for (int i = 0; i < ATTEMPTS; i++) {
        bool again = false;
        bool done = attempt(offline, last, file, version, &copy, &again, error);
        *written = copy.last;
        if (done || !again) {
            return done;
        }
        /* Only what is below a base may go away. */
        if (!offline->is_live || (!copy.dropped && copy.next == missing)) {
            return damaged(&copy, "missing", error);
        }
        missing = copy.dropped ? 0 : copy.next;
    }
    return failed(error, EXIT_STATUS_DISK, offline->store.path,
                  "the node compacts its log faster than it can be read");
}
