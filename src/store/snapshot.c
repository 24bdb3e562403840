/* Snapshots that are whole: which one is valid, reading, dropping, and what a
 * start finds of them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "base/text.h"
#include "store/internal.h"

/* A file that is read: open until it is dropped.  The chunk that was read last
 * is kept, for readers who take it in small pieces. */
struct reader {
    struct list in_store;
    uint64_t file;
    uint64_t size;
    uint64_t chunk_bytes;
    sqlite3 *db;
    sqlite3_stmt *select;
    struct buf chunk;
    uint64_t chunk_seq; /* SNAPSHOT_NO_CHUNK: none */
};

#define SNAPSHOT_NO_CHUNK UINT64_MAX

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
    sqlite3_stmt *statement = db == NULL ? NULL : schema_prepare(db, sql);
    int64_t value = 0;
    if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
        value = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return value < 0 ? 0 : (uint64_t)value;
}

static uint64_t named(sqlite3 *db, const char *name)
{
    char sql[80];
    snprintf(sql, sizeof(sql), "SELECT value FROM snapshot WHERE name = '%s'",
             name);
    return snapshot_number(db, sql);
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

void snapshot_describe(sqlite3 *db, struct node_snapshot *snapshot)
{
    sqlite3_stmt *statement =
        schema_prepare(db, "SELECT value FROM snapshot WHERE name = 'sha256'");
    snapshot->index = named(db, "idx");
    snapshot->term = named(db, "term");
    snapshot->size = named(db, "size");
    const char *hex = NULL;
    if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
        hex = (const char *)sqlite3_column_text(statement, 0);
    }
    if (hex == NULL || !sha256_from_hex(hex, snapshot->sha256)) {
        snapshot->index = 0;
    }
    sqlite3_finalize(statement);
}

/* ---- reading ------------------------------------------------------------ */

static void close_reader(struct reader *reader)
{
    list_remove(&reader->in_store);
    sqlite3_finalize(reader->select);
    sqlite3_close(reader->db);
    buf_free(&reader->chunk);
    free(reader);
}

static struct reader *find_reader(struct store *store, uint64_t file)
{
    list_each(at, following, &store->readers)
    {
        struct reader *reader = list_entry(at, struct reader, in_store);
        if (reader->file == file) {
            return reader;
        }
    }
    return NULL;
}

static struct reader *open_reader(struct store *store, uint64_t file)
{
    struct reader *reader = x_calloc(1, sizeof(*reader));
    reader->file = file;
    reader->chunk_seq = SNAPSHOT_NO_CHUNK;
    list_push_back(&store->readers, &reader->in_store);
    if (snapshot_open(store, file, &reader->db) == SQLITE_OK) {
        reader->size = named(reader->db, "size");
        reader->chunk_bytes = named(reader->db, "chunk_bytes");
        reader->select = schema_prepare(
            reader->db, "SELECT checksum, data FROM chunk WHERE seq = ?");
    }
    if (reader->select == NULL || reader->chunk_bytes == 0) {
        close_reader(reader);
        return NULL;
    }
    return reader;
}

static enum node_file_result load_chunk(struct reader *reader, uint64_t seq)
{
    if (reader->chunk_seq == seq) {
        return NODE_FILE_OK;
    }
    buf_clear(&reader->chunk);
    reader->chunk_seq = SNAPSHOT_NO_CHUNK;
    sqlite3_bind_int64(reader->select, 1, (int64_t)seq);
    int code = sqlite3_step(reader->select);
    bool sound = false;
    if (code == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(reader->select, 1);
        size_t size = (size_t)sqlite3_column_bytes(reader->select, 1);
        sound = sqlite3_column_int64(reader->select, 0) ==
                (int64_t)crc32c(0, data, size);
        buf_append(&reader->chunk, data, size);
    }
    sqlite3_reset(reader->select);
    if (sound) {
        reader->chunk_seq = seq;
        return NODE_FILE_OK;
    }
    return (code & 0xff) == SQLITE_IOERR ? NODE_FILE_FAILED : NODE_FILE_CORRUPT;
}

static enum node_file_result copy_out(struct reader *reader, uint64_t offset,
                                      uint8_t *to, size_t size)
{
    while (size > 0) {
        enum node_file_result result =
            load_chunk(reader, offset / reader->chunk_bytes);
        size_t at = (size_t)(offset % reader->chunk_bytes);
        if (result == NODE_FILE_OK && reader->chunk.size <= at) {
            result = NODE_FILE_CORRUPT;
        }
        if (result != NODE_FILE_OK) {
            return result;
        }
        size_t have = reader->chunk.size - at;
        size_t part = size < have ? size : have;
        memcpy(to, reader->chunk.data + at, part);
        to += part;
        offset += part;
        size -= part;
    }
    return NODE_FILE_OK;
}

static void read_file(struct store *store, struct file_job *job)
{
    const struct node_file_request *request = &job->request;
    struct reader *reader = find_reader(store, request->snapshot.file);
    if (reader == NULL) {
        reader = open_reader(store, request->snapshot.file);
    }
    if (reader == NULL) {
        job->answer.result = NODE_FILE_FAILED;
        return;
    }
    uint64_t left =
        request->offset < reader->size ? reader->size - request->offset : 0;
    size_t size = request->size < left ? request->size : (size_t)left;
    uint8_t *data;
    struct blob *blob = blob_new(size, &data);
    job->answer.result = copy_out(reader, request->offset, data, size);
    if (job->answer.result == NODE_FILE_OK) {
        job->answer.bytes = blob;
    } else {
        blob_free(blob);
    }
}

static void drop(struct store *store, uint64_t file)
{
    struct reader *reader = find_reader(store, file);
    if (reader != NULL) {
        close_reader(reader);
    }
    snapshot_unlink(store, file);
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
        break;
    case NODE_FILE_READ:
        read_file(store, job);
        break;
    case NODE_FILE_DROP:
        drop(store, request->snapshot.file);
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
    while (!list_empty(&store->readers)) {
        close_reader(list_entry(store->readers.next, struct reader, in_store));
    }
}

/* ---- a start ------------------------------------------------------------ */

static bool state_number(struct store *store, const char *name, uint64_t *value)
{
    char text[32];
    return load_text(store, name, text, sizeof(text)) &&
           text_to_u64(text, strlen(text), value);
}

bool snapshot_load(struct store *store, struct store_error *error)
{
    struct node_snapshot *snapshot = &store->start.snapshot;
    char hex[SHA256_HEX_SIZE + 1];
    *snapshot = (struct node_snapshot){0};
    if (!load_text(store, "snapshot_index", hex, sizeof(hex))) {
        return true; /* there has never been one */
    }
    bool sound = state_number(store, "snapshot_index", &snapshot->index) &&
                 state_number(store, "snapshot_term", &snapshot->term) &&
                 state_number(store, "snapshot_size", &snapshot->size) &&
                 state_number(store, "snapshot_file", &snapshot->file) &&
                 load_text(store, "snapshot_sha256", hex, sizeof(hex)) &&
                 sha256_from_hex(hex, snapshot->sha256);
    if (!sound) {
        error->status = EXIT_STATUS_DAMAGED;
        snprintf(error->text, sizeof(error->text),
                 "%s is damaged: its state does not say soundly which snapshot "
                 "is valid; this node must be replaced by one with an empty "
                 "data directory",
                 store->path);
    }
    return sound;
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
    if (snapshot_open(store, valid->file, &db) == SQLITE_OK) {
        snapshot_describe(db, &found);
    }
    sqlite3_close(db);
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

/* What another node was sending may be gone on with.  SQLite undoes the step
 * that was cut off, so it has to be opened as its writer opens it. */
static bool is_leftover(struct store *store, uint64_t file)
{
    char path[SNAPSHOT_PATH_SIZE];
    sqlite3 *db = NULL;
    struct node_snapshot found = {.file = file};
    snapshot_path(store, file, path);
    int code =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        store->options.vfs);
    bool received = code == SQLITE_OK && named(db, "received") == 1;
    if (received) {
        snapshot_describe(db, &found);
    }
    sqlite3_close(db);
    if (!received || found.index == 0 || store->leftover.file != 0) {
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
