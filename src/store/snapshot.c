/* Snapshots that are whole: which one is valid, dropping, and what a start
 * finds of them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "store/internal.h"

/* ---- files -------------------------------------------------------------- */

void snapshot_path(const struct store *store, uint64_t file,
                   char path[SNAPSHOT_PATH_SIZE])
{
    snprintf(path, SNAPSHOT_PATH_SIZE, "%s/snapshot-%llu.db", store->directory,
             (unsigned long long)file);
}

static void unlink_path(const struct store *store, const char *path)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(store->options.vfs);
    int exists = 0;
    vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &exists);
    if (exists && vfs->xDelete(vfs, path, 0) != SQLITE_OK) {
        log_line(LOG_LEVEL_WARNING, "%s cannot be removed", path);
    }
}

void snapshot_unlink_journal(const struct store *store, uint64_t file)
{
    char path[SNAPSHOT_PATH_SIZE + 16];
    snapshot_path(store, file, path);
    strcat(path, "-journal");
    unlink_path(store, path);
}

/* The database first: a journal without one is nothing. */
void snapshot_unlink(const struct store *store, uint64_t file)
{
    char path[SNAPSHOT_PATH_SIZE];
    snapshot_path(store, file, path);
    unlink_path(store, path);
    snapshot_unlink_journal(store, file);
}

uint64_t snapshot_number(sqlite3 *db, const char *sql)
{
    int64_t value;
    return db != NULL && schema_number(db, sql, 0, &value) == SQLITE_OK &&
                   value > 0
               ? (uint64_t)value
               : 0;
}

int snapshot_named(sqlite3 *db, const char *name, uint64_t *value)
{
    char sql[80];
    int64_t number;
    snprintf(sql, sizeof(sql), "SELECT value FROM snapshot WHERE name = '%s'",
             name);
    int code = schema_number(db, sql, 0, &number);
    *value = number < 0 ? 0 : (uint64_t)number;
    return code;
}

int snapshot_open(const struct store *store, uint64_t file, sqlite3 **db)
{
    char path[SNAPSHOT_PATH_SIZE];
    snapshot_path(store, file, path);
    int code =
        sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                        store->options.vfs);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(*db, 1);
        code = sqlite3_exec(*db,
                            "PRAGMA trusted_schema = OFF;"
                            "PRAGMA mmap_size = 0;"
                            "PRAGMA cache_size = -256",
                            NULL, NULL, NULL);
    }
    return code;
}

static int describe_hash(sqlite3 *db, struct node_snapshot *snapshot)
{
    sqlite3_stmt *statement =
        schema_prepare(db, "SELECT value FROM snapshot WHERE name = 'sha256'");
    int code = statement == NULL ? sqlite3_extended_errcode(db)
                                 : sqlite3_step(statement);
    const char *hex = NULL;
    if (code == SQLITE_ROW) {
        hex = (const char *)sqlite3_column_text(statement, 0);
    }
    if (hex == NULL || !sha256_from_hex(hex, snapshot->sha256)) {
        snapshot->index = 0;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int snapshot_describe(sqlite3 *db, struct node_snapshot *snapshot)
{
    int code = snapshot_named(db, "idx", &snapshot->index);
    code =
        code != SQLITE_OK ? code : snapshot_named(db, "term", &snapshot->term);
    code =
        code != SQLITE_OK ? code : snapshot_named(db, "size", &snapshot->size);
    return code != SQLITE_OK ? code : describe_hash(db, snapshot);
}

/* ---- one request -------------------------------------------------------- */

bool snapshot_work(struct store *store, struct file_job *job)
{
    const struct node_file_request *request = &job->request;
    struct stage *stage = &store->stages[request->received ? 1 : 0];
    job->answer.request = request->request;
    switch (request->work) {
    case NODE_FILE_BEGIN:
        return stage_begin(store, stage, job);
    case NODE_FILE_WRITE:
        stage_write(store, stage, job);
        break;
    case NODE_FILE_END:
        stage_end(store, stage, job);
        break;
    case NODE_FILE_ABORT:
        stage_drop(store, stage);
        if (request->received) {
            stage_drop_leftover(store);
        }
        break;
    case NODE_FILE_READ:
        reader_read(store, job);
        break;
    case NODE_FILE_VERIFY:
        return reader_verify(store, job);
    case NODE_FILE_DROP:
        reader_close(store, request->snapshot.file);
        snapshot_unlink(store, request->snapshot.file);
        break;
    }
    return true;
}

bool snapshot_is_answered(const struct file_job *job)
{
    return job->request.work != NODE_FILE_ABORT &&
           job->request.work != NODE_FILE_DROP;
}

void snapshot_close(struct store *store)
{
    /* An upload ends with its process; what a node sends is gone on with. */
    stage_drop(store, &store->stages[0]);
    stage_leave(&store->stages[1]);
    reader_close_all(store);
}

/* ---- a start ------------------------------------------------------------ */

bool snapshot_load(struct store *store, struct store_error *error)
{
    struct node_snapshot *snapshot = &store->start.snapshot;
    char hex[SHA256_HEX_SIZE + 1];
    bool there;
    *snapshot = (struct node_snapshot){0};
    if (!state_text(store, "snapshot_index", hex, sizeof(hex), &there, error)) {
        return false;
    }
    if (!there) {
        return true; /* a backup of an older schema, without one */
    }
    return state_number(store, "snapshot_index", 0, &snapshot->index, error) &&
           state_number(store, "snapshot_term", 0, &snapshot->term, error) &&
           state_number(store, "snapshot_size", 0, &snapshot->size, error) &&
           state_number(store, "snapshot_file", 0, &snapshot->file, error) &&
           state_hex(store, "snapshot_sha256", snapshot->sha256, SHA256_SIZE,
                     error);
}

/* Which says nothing about what is in it. */
static bool valid_unread(const struct store *store, int code,
                         struct store_error *error)
{
    error->status = EXIT_STATUS_DISK;
    snprintf(error->text, sizeof(error->text),
             "%s/snapshot-%llu.db: it cannot be read: %s", store->directory,
             (unsigned long long)store->start.snapshot.file,
             sqlite3_errstr(code));
    return false;
}

/* What raft.db names must be there, and be what it says. */
static bool check_valid(struct store *store, struct store_error *error)
{
    const struct node_snapshot *valid = &store->start.snapshot;
    struct node_snapshot found = {0};
    sqlite3 *db = NULL;
    if (valid->index == 0) {
        return true;
    }
    int code = snapshot_open(store, valid->file, &db);
    code = code != SQLITE_OK ? code : snapshot_describe(db, &found);
    sqlite3_close(db);
    if ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_NOMEM) {
        return valid_unread(store, code, error);
    }
    if (found.index == valid->index && found.size == valid->size &&
        memcmp(found.sha256, valid->sha256, SHA256_SIZE) == 0) {
        return true;
    }
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%s/snapshot-%llu.db is damaged or gone: it is the valid snapshot "
             "of entry %llu; this node must be replaced by one with an empty "
             "data directory",
             store->directory, (unsigned long long)valid->file,
             (unsigned long long)valid->index);
    return false;
}

struct found {
    struct store *store;
    uint64_t *files;
    size_t count;
    size_t capacity;
};

/* "snapshot-12.db" and its journal. */
static void note_name(void *context, const char *name)
{
    struct found *found = context;
    static const char prefix[] = "snapshot-";
    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0) {
        return;
    }
    const char *digits = name + sizeof(prefix) - 1;
    size_t count = strspn(digits, "0123456789");
    const char *rest = digits + count;
    uint64_t file;
    if (!text_to_u64(digits, count, &file) ||
        (strcmp(rest, ".db") != 0 && strcmp(rest, ".db-journal") != 0)) {
        return;
    }
    found->files = x_grow(found->files, &found->capacity, found->count + 1,
                          sizeof(*found->files));
    found->files[found->count++] = file;
    if (file >= found->store->next_file) {
        found->store->next_file = file + 1;
    }
}

void snapshot_list(const char *directory,
                   void (*each)(void *context, const char *name), void *context)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        each(context, entry->d_name);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

/* What another node was sending may be gone on with, where it is still of use.
 * SQLite undoes the step that was cut off, so it has to be opened as its writer
 * opens it. */
static bool is_leftover(struct store *store, uint64_t file)
{
    char path[SNAPSHOT_PATH_SIZE];
    sqlite3 *db = NULL;
    struct node_snapshot found = {.file = file};
    snapshot_path(store, file, path);
    int code =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        store->options.vfs);
    uint64_t received = 0;
    code = code != SQLITE_OK ? code : snapshot_named(db, "received", &received);
    code = code != SQLITE_OK ? code : snapshot_describe(db, &found);
    sqlite3_close(db);
    if (code != SQLITE_OK || received != 1 ||
        found.index <= store->start.raft.commit || store->leftover.file != 0) {
        return false;
    }
    store->leftover = found;
    return true;
}

bool snapshot_tidy(struct store *store, struct store_error *error)
{
    struct found found = {.store = store};
    store->next_file = store->start.snapshot.file + 1;
    if (store->options.list == NULL) {
        snapshot_list(store->directory, note_name, &found);
    } else {
        store->options.list(store->directory, note_name, &found);
    }
    for (size_t i = 0; i < found.count; i++) {
        uint64_t file = found.files[i];
        bool valid = store->start.snapshot.index != 0 &&
                     file == store->start.snapshot.file;
        if (!valid && file != store->leftover.file &&
            !is_leftover(store, file)) {
            snapshot_unlink(store, file);
        }
    }
    free(found.files);
    return check_valid(store, error);
}
