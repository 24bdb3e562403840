/* A data directory from a backup. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

/* What is being made has this name until it is whole. */
#define PARTIAL "raft.db.restoring"

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

static bool copy_bytes(int from, int to)
{
    static char bytes[1 << 16];
    ssize_t got;
    while ((got = read(from, bytes, sizeof(bytes))) > 0) {
        for (ssize_t done = 0; done < got;) {
            ssize_t wrote = write(to, bytes + done, (size_t)(got - done));
            if (wrote < 0) {
                return false;
            }
            done += wrote;
        }
    }
    return got == 0 && fsync(to) == 0;
}

static bool copy_file(const char *file, const char *path,
                      struct store_error *error)
{
    int from = open(file, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        return failed_errno(error, file);
    }
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool done = to >= 0 && copy_bytes(from, to);
    if (!done) {
        failed_errno(error, path);
    }
    close(from);
    if (to >= 0) {
        close(to);
    }
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
        "INSERT OR REPLACE INTO state VALUES ('node_id', NULL),"
        " ('instance', '%016llx'), ('boot', 0), ('vote', NULL), ('ack', 0),"
        " ('epoch', '%016llx'), ('written_by', %Q), ('restored', %Q);"
        "UPDATE state SET value = value + %d WHERE name = 'term';"
        "COMMIT;"
        "PRAGMA journal_mode = DELETE;",
        (unsigned long long)load_new_instance(store),
        (unsigned long long)offline_new_epoch(), store->options.version,
        members, OFFLINE_TERM_LEAP);
    bool done = sqlite3_exec(store->writer, sql, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_free(sql);
    return done || schema_failed(store, store->writer, error,
                                 "its state cannot be written");
}

static bool is_backup(struct store *store, const char *file,
                      struct store_error *error)
{
    char made[32];
    if (load_text(store, "backup", made, sizeof(made))) {
        return true;
    }
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%s is not a backup: raftctl backup makes one", file);
    return false;
}

static bool restore(struct store *store, const char *file, const char *members,
                    struct store_error *error)
{
    char name[4096];
    snprintf(name, sizeof(name), "%s/raft.db", store->directory);
    if (!copy_file(file, store->path, error) || !schema_open(store, error) ||
        !is_backup(store, file, error) || !is_sound(store->path, file, error)) {
        return false;
    }
    schema_alone(store);
    if (!set_state(store, members, error)) {
        return false;
    }
    schema_close(store);
    return (rename(store->path, name) == 0 || failed_errno(error, name)) &&
           place_sync(store, error);
}

static void remove_partial(const struct store *store)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char name[4096];
    for (int i = 0; i < 4; i++) {
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
