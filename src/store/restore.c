/* A data directory from a backup: its tables into a raft.db, and the app's
 * snapshot, which lies in the same file, into one of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/carry.h"

/* What is being made has this name until it is whole. */
#define PARTIAL "raft.db.restoring"
#define SNAPSHOT ".snapshot" /* behind it: what the app's snapshot has */

static bool failed(struct store_error *error, const char *path,
                   const char *what)
{
    error->status = EXIT_STATUS_DISK;
    snprintf(error->text, sizeof(error->text), "%.400s %s", path, what);
    return false;
}

static bool failed_errno(struct store_error *error, const char *path)
{
    error->status = EXIT_STATUS_DISK;
    snprintf(error->text, sizeof(error->text), "%.400s: %s", path,
             strerror(errno));
    return false;
}

/* ---- the directory ------------------------------------------------------ */

/* A new file system has lost+found, and a restore that failed may have left
 * what it made. */
static bool may_be_there(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           strcmp(name, "lost+found") == 0 || strcmp(name, "lock") == 0 ||
           strncmp(name, PARTIAL, sizeof(PARTIAL) - 1) == 0;
}

static bool is_empty(const char *directory, struct store_error *error)
{
    const struct dirent *entry;
    bool empty = true;
    DIR *open = opendir(directory);
    if (open == NULL) {
        return failed_errno(error, directory);
    }
    while (empty && (entry = readdir(open)) != NULL) {
        empty = may_be_there(entry->d_name);
    }
    closedir(open);
    return empty || failed(error, directory, "is not empty");
}

static bool make_directory(const char *directory, struct store_error *error)
{
    if (mkdir(directory, 0750) != 0 && errno != EEXIST) {
        return failed_errno(error, directory);
    }
    return is_empty(directory, error);
}

/* ---- the file ----------------------------------------------------------- */

static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool sync_file(const char *path, struct store_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (!done) {
        failed_errno(error, path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

static bool is_backup(struct store *backup, struct store_error *error)
{
    char made[32];
    bool there;
    if (!state_text(backup, "backup", made, sizeof(made), &there, error)) {
        return false;
    }
    if (there) {
        return true;
    }
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%s is not a backup: raftctl backup makes one", backup->path);
    return false;
}

static bool open_backup(struct store *backup, int64_t *version,
                        struct store_error *error)
{
    if (sqlite3_open_v2(backup->path, &backup->writer,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        !run(backup->writer, "PRAGMA trusted_schema = OFF;"
                             "SELECT count(*) FROM sqlite_schema")) {
        return schema_failed(backup, backup->writer, error,
                             "it cannot be read");
    }
    return schema_version(backup, version, error) && is_backup(backup, error);
}

/* A new database, synced when it is whole. */
static bool create(const struct store *store, sqlite3 **db,
                   struct store_error *error)
{
    return (sqlite3_open_v2(store->path, db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                SQLITE_OPEN_NOMUTEX,
                            NULL) == SQLITE_OK &&
            checksum_define(*db) && run(*db, "PRAGMA synchronous = OFF")) ||
           schema_failed(store, *db, error, "it cannot be made");
}

/* What an older program had in its tables; they are upgraded later, as those of
 * an older node are. */
static bool copy_tables(const struct store *backup, const struct store *store,
                        sqlite3 *db, int version, struct store_error *error)
{
    struct carry_end from = {backup, backup->writer};
    struct carry_end to = {store, db};
    if (!upgrade_to(db, 0, version) || !run(db, "BEGIN; DELETE FROM state")) {
        return schema_failed(store, db, error, "its tables cannot be made");
    }
    if (!carry_rows(&from, &to, "SELECT * FROM log", "log", 0, error) ||
        !carry_rows(&from, &to, "SELECT * FROM state", "state", 0, error) ||
        !carry_rows(&from, &to, "SELECT * FROM config_history",
                    "config_history", 0, error) ||
        (version > 1 &&
         !carry_rows(&from, &to, "SELECT * FROM keys", "keys", 0, error))) {
        return false;
    }
    return run(db, "COMMIT") ||
           schema_failed(store, db, error, "it cannot be written");
}

static bool copy_log(const struct store *backup, const struct store *store,
                     int64_t version, struct store_error *error)
{
    sqlite3 *db = NULL;
    bool done = create(store, &db, error) &&
                copy_tables(backup, store, db, (int)version, error);
    sqlite3_close(db);
    return done && sync_file(store->path, error);
}

/* It is of this number in the directory that is being made. */
#define SNAPSHOT_FILE 1

static bool copy_snapshot(struct store *backup, struct store *store,
                          struct store_error *error)
{
    char path[SNAPSHOT_PATH_SIZE];
    struct store partial = {.path = path};
    sqlite3 *db = NULL;
    if (!snapshot_load(backup, error)) {
        return false;
    }
    store->start.snapshot = backup->start.snapshot;
    if (backup->start.snapshot.index == 0) {
        return true;
    }
    snprintf(path, sizeof(path), "%s" SNAPSHOT, store->path);
    struct carry_end from = {backup, backup->writer};
    bool done = create(&partial, &db, error) &&
                (run(db, snapshot_version) ||
                 schema_failed(&partial, db, error, "it cannot be written"));
    struct carry_end to = {&partial, db};
    done = done && carry_snapshot(&from, &to, &backup->start.snapshot, error);
    sqlite3_close(db);
    return done && sync_file(path, error);
}

static bool copy_all(const char *file, struct store *store,
                     struct store_error *error)
{
    struct store backup = {.lock_fd = -1, .event_fd = -1};
    int64_t version = 0;
    backup.path = x_strdup(file);
    bool done = open_backup(&backup, &version, error) &&
                copy_log(&backup, store, version, error) &&
                copy_snapshot(&backup, store, error);
    sqlite3_close(backup.writer);
    free(backup.path);
    return done;
}

/* ---- what is in it ------------------------------------------------------ */

static void keep_first(void *context, const char *text)
{
    char *first = context;
    if (first[0] == '\0') {
        snprintf(first, 256, "%s", text);
    }
}

/* Behind an upgrade, if it was made by an older program. */
static bool is_sound(const char *path, const char *file,
                     struct store_error *error)
{
    char first[256] = "";
    struct offline_verdict verdict;
    struct offline *offline = offline_open(path, error);
    if (offline != NULL) {
        offline->no_snapshot = true; /* it was checked on its way */
        /* What is wrong with the copy is so with what was given. */
        free(offline->store.path);
        offline->store.path = x_strdup(file);
    }
    bool done = offline != NULL &&
                offline_verify(offline, keep_first, first, &verdict, error);
    offline_close(offline);
    if (done && verdict.problems > 0) {
        error->status = EXIT_STATUS_DAMAGED;
        snprintf(error->text, sizeof(error->text), "%s is damaged: %s", file,
                 first);
        return false;
    }
    return done;
}

static bool set_state(struct store *store, const char *members,
                      struct store_error *error)
{
    char *sql = sqlite3_mprintf(
        "BEGIN IMMEDIATE;"
        "DELETE FROM state WHERE name = 'backup';"
        "%z"
        "COMMIT;"
        "PRAGMA journal_mode = DELETE;",
        sqlite3_mprintf(
            STATE_PUT("('node_id', NULL), ('instance', '%016llx'),"
                      " ('boot', 0), ('vote', NULL), ('ack', 0),"
                      " ('epoch', '%016llx'), ('written_by', %Q),"
                      " ('restored', %Q), ('term', %d + (SELECT value"
                      " FROM state WHERE name = 'term')),"
                      " ('snapshot_file', %d)"),
            (unsigned long long)state_new_instance(store),
            (unsigned long long)offline_new_epoch(), store->options.version,
            members, OFFLINE_TERM_LEAP, SNAPSHOT_FILE));
    bool done = sqlite3_exec(store->writer, sql, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_free(sql);
    return done || schema_failed(store, store->writer, error,
                                 "its state cannot be written");
}

/* raft.db comes last: without it there is no data directory. */
static bool put_in_place(const struct store *store, struct store_error *error)
{
    char name[4096];
    char partial[SNAPSHOT_PATH_SIZE];
    snprintf(partial, sizeof(partial), "%s" SNAPSHOT, store->path);
    snapshot_path(store, SNAPSHOT_FILE, name);
    if (store->start.snapshot.index != 0 &&
        (rename(partial, name) != 0 || !place_sync(store, error))) {
        return failed_errno(error, name);
    }
    snprintf(name, sizeof(name), "%s/raft.db", store->directory);
    return (rename(store->path, name) == 0 || failed_errno(error, name)) &&
           place_sync(store, error);
}

static bool restore(struct store *store, const char *file, const char *members,
                    struct store_error *error)
{
    if (!copy_all(file, store, error) || !schema_open(store, error) ||
        !is_sound(store->path, file, error)) {
        return false;
    }
    schema_alone(store);
    if (!set_state(store, members, error)) {
        return false;
    }
    schema_close(store);
    return put_in_place(store, error);
}

static void remove_partial(const struct store *store)
{
    static const char *const suffixes[] = {
        "", "-wal", "-shm", "-journal", SNAPSHOT, SNAPSHOT "-journal"};
    char name[4096];
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "%s%s", store->path, suffixes[i]);
        unlink(name);
    }
}

bool offline_restore(const char *file, const char *directory,
                     const char *members, const char *version,
                     struct store_error *error)
{
    struct store store = {.lock_fd = -1, .event_fd = -1};
    char path[4096];
    if (!make_directory(directory, error)) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/" PARTIAL, directory);
    store.directory = x_strdup(directory);
    store.path = x_strdup(path);
    store.options.version = version;
    bool done = place_take(&store, error) && is_empty(directory, error) &&
                restore(&store, file, members, error);
    schema_close(&store);
    remove_partial(&store);
    place_release(&store);
    free(store.directory);
    free(store.path);
    return done;
}
