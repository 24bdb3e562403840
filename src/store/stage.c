/* Snapshots in the making: files that nobody reads yet.
 *
 * Each is a database of its own, so that dropping it is an unlink and none of
 * its bytes pass through raft.db or its WAL:
 *
 *   snapshot (name, value)        idx, term, chunk_bytes; of one that another
 *                                 node sends, from the start: received, size,
 *                                 sha256; once it is whole: size, sha256, whole
 *   chunk (seq, checksum, data)   its bytes, chunk_bytes in each row but the
 *                                 last; checksum is the CRC32C of data
 *
 * What is written is committed in steps of a few MiB, and goes to the disk with
 * them, so that a sync of raft.db never finds gigabytes of dirty pages in its
 * way.  What another node sent is synced with each step, and is still there
 * after a crash: a rollback journal does that for the price of some syncs and a
 * few pages, as what is appended needs no undoing.  An upload that is cut off
 * is removed: it has no journal, and is synced at its end. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/internal.h"

/* As a node sends it, so that a piece is a row, and a row a piece. */
#define CHUNK_BYTES ((size_t)256 * 1024)
#define STEP_CHUNKS 32 /* in a transaction */
/* So much of one that is gone on with is read for its hash in one go. */
#define REHASH_CHUNKS 128

/* ---- errors ------------------------------------------------------------- */

static enum node_file_result result_of(sqlite3 *db, int code)
{
    int system = db == NULL ? 0 : sqlite3_system_errno(db);
    if (code == SQLITE_OK) {
        return NODE_FILE_OK;
    }
    return place_want_of_room(code, system) ? NODE_FILE_NO_ROOM
                                            : NODE_FILE_FAILED;
}

static void close_stage(struct stage *stage)
{
    sqlite3_finalize(stage->insert);
    sqlite3_close(stage->db);
    if (stage->fd >= 0) {
        close(stage->fd); /* with it go all locks of this process on the file */
    }
    hasher_free(stage->hasher);
    buf_free(&stage->chunk);
    *stage = (struct stage){.fd = -1};
}

void stage_drop(struct store *store, struct stage *stage)
{
    uint64_t file = stage->snapshot.file;
    if (stage->db != NULL) {
        close_stage(stage);
        snapshot_unlink(store, file);
    }
}

void stage_leave(struct stage *stage)
{
    if (stage->db != NULL) {
        close_stage(stage);
    }
}

void stage_drop_leftover(struct store *store)
{
    if (store->leftover.file != 0) {
        snapshot_unlink(store, store->leftover.file);
        store->leftover = (struct node_snapshot){0};
    }
}

/* ---- rows --------------------------------------------------------------- */

static int set(struct stage *stage, const char *name, const char *sql_value)
{
    char *sql = sqlite3_mprintf("INSERT OR REPLACE INTO snapshot"
                                " VALUES (%Q, %s)",
                                name, sql_value);
    int code = sqlite3_exec(stage->db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    return code;
}

static int set_number(struct stage *stage, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return set(stage, name, text);
}

static int set_hash(struct stage *stage, const uint8_t hash[SHA256_SIZE])
{
    char hex[SHA256_HEX_SIZE];
    char text[SHA256_HEX_SIZE + 2];
    sha256_to_hex(hash, hex);
    snprintf(text, sizeof(text), "'%s'", hex);
    return set(stage, "sha256", text);
}

static int run(struct stage *stage, const char *sql)
{
    return sqlite3_exec(stage->db, sql, NULL, NULL, NULL);
}

/* What an upload has written is on its way to the disk, and what the step
 * before had written has got there: nobody waits for an fsync, and what is
 * dirty is two steps at most. */
static void push_out(struct stage *stage)
{
    struct stat found;
    if (stage->fd < 0 || fstat(stage->fd, &found) != 0) {
        return;
    }
    uint64_t end = (uint64_t)found.st_size;
    sync_file_range(stage->fd, (off_t)stage->pushed,
                    (off_t)(end - stage->pushed), SYNC_FILE_RANGE_WRITE);
    if (stage->pushed > stage->pushed_by) {
        sync_file_range(stage->fd, (off_t)stage->pushed_by,
                        (off_t)(stage->pushed - stage->pushed_by),
                        SYNC_FILE_RANGE_WAIT_BEFORE);
    }
    stage->pushed_by = stage->pushed;
    stage->pushed = end;
}

static int end_step(struct stage *stage)
{
    int code = run(stage, "COMMIT; BEGIN");
    push_out(stage);
    return code;
}

static int put_row(struct stage *stage, const void *data, size_t size)
{
    sqlite3_bind_int64(stage->insert, 1, (int64_t)stage->seq);
    sqlite3_bind_int64(stage->insert, 2, crc32c(0, data, size));
    sqlite3_bind_blob64(stage->insert, 3, data, size, SQLITE_STATIC);
    int code = sqlite3_step(stage->insert);
    sqlite3_reset(stage->insert);
    if (code != SQLITE_DONE) {
        return code;
    }
    stage->seq++;
    return stage->seq % STEP_CHUNKS == 0 ? end_step(stage) : SQLITE_OK;
}

/* A whole chunk goes straight into its row; what is less is gathered. */
static int put_bytes(struct stage *stage, const uint8_t *data, size_t size)
{
    int code = SQLITE_OK;
    while (code == SQLITE_OK && size > 0) {
        size_t room = stage->chunk_bytes - stage->chunk.size;
        size_t part = size < room ? size : room;
        if (part == stage->chunk_bytes) {
            code = put_row(stage, data, part);
        } else {
            buf_append(&stage->chunk, data, part);
        }
        if (stage->chunk.size == stage->chunk_bytes) {
            code = put_row(stage, stage->chunk.data, stage->chunk.size);
            buf_clear(&stage->chunk);
        }
        data += part;
        size -= part;
    }
    return code;
}

/* ---- beginning ---------------------------------------------------------- */

const char snapshot_schema[] = "CREATE TABLE snapshot ("
                               " name TEXT PRIMARY KEY,"
                               " value ANY"
                               ") STRICT, WITHOUT ROWID;"
                               "CREATE TABLE chunk ("
                               " seq INTEGER PRIMARY KEY,"
                               " checksum INTEGER NOT NULL,"
                               " data BLOB NOT NULL"
                               ") STRICT;";

const char snapshot_version[] = "PRAGMA application_id = " APPLICATION_ID ";"
                                "PRAGMA user_version = 1;";

static const char pragmas[] = "PRAGMA page_size = 65536;"
                              "PRAGMA locking_mode = EXCLUSIVE;"
                              "PRAGMA trusted_schema = OFF;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA mmap_size = 0;"
                              "PRAGMA cache_size = -12288;"
                              "PRAGMA cache_spill = OFF;";

static int open_file(struct store *store, struct stage *stage, uint64_t file)
{
    char path[SNAPSHOT_PATH_SIZE];
    snapshot_path(store, file, path);
    stage->snapshot.file = file;
    int code = sqlite3_open_v2(path, &stage->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                   SQLITE_OPEN_NOMUTEX,
                               store->options.vfs);
    if (code != SQLITE_OK) {
        return code;
    }
    sqlite3_extended_result_codes(stage->db, 1);
    stage->hasher = hasher_new(store->options.threads);
    if (!stage->received && store->options.vfs == NULL) {
        stage->fd = open(path, O_RDWR | O_CLOEXEC);
    }
    int pragma = run(stage, pragmas);
    return pragma != SQLITE_OK
               ? pragma
               : run(stage, stage->received ? "PRAGMA journal_mode = PERSIST;"
                                              "PRAGMA synchronous = FULL"
                                            : "PRAGMA journal_mode = OFF;"
                                              "PRAGMA synchronous = OFF");
}

static int prepare(struct stage *stage)
{
    return sqlite3_prepare_v3(stage->db, "INSERT INTO chunk VALUES (?,?,?)", -1,
                              SQLITE_PREPARE_PERSISTENT, &stage->insert, NULL);
}

/* The first transaction of one that another node sends says what it will be,
 * so that a later start knows what it may go on with. */
static int make_file(struct store *store, struct stage *stage)
{
    const struct node_snapshot *snapshot = &stage->snapshot;
    int code = open_file(store, stage, store->next_file++);
    stage->chunk_bytes = store->options.chunk_bytes == 0
                             ? CHUNK_BYTES
                             : store->options.chunk_bytes;
    code = code != SQLITE_OK ? code : run(stage, "BEGIN");
    code = code != SQLITE_OK ? code : run(stage, snapshot_version);
    code = code != SQLITE_OK ? code : run(stage, snapshot_schema);
    code = code != SQLITE_OK ? code : set_number(stage, "idx", snapshot->index);
    code = code != SQLITE_OK ? code : set_number(stage, "term", snapshot->term);
    code = code != SQLITE_OK
               ? code
               : set_number(stage, "chunk_bytes", stage->chunk_bytes);
    if (code == SQLITE_OK && stage->received) {
        code = set_number(stage, "size", snapshot->size);
        code = code != SQLITE_OK ? code : set_hash(stage, snapshot->sha256);
        code = code != SQLITE_OK ? code : set_number(stage, "received", 1);
    }
    code = code != SQLITE_OK ? code : run(stage, "COMMIT; BEGIN");
    return code != SQLITE_OK ? code : prepare(stage);
}

static bool is_same(const struct node_snapshot *a,
                    const struct node_snapshot *b)
{
    return a->index == b->index && a->term == b->term && a->size == b->size &&
           memcmp(a->sha256, b->sha256, SHA256_SIZE) == 0;
}

/* Where an earlier process has left it: only whole steps are there, but for
 * the very end. */
static int open_leftover(struct store *store, struct stage *stage)
{
    uint64_t last = 0;
    int code = open_file(store, stage, store->leftover.file);
    store->leftover = (struct node_snapshot){0};
    stage->chunk_bytes =
        (size_t)snapshot_number(stage->db, "SELECT value FROM snapshot"
                                           " WHERE name = 'chunk_bytes'");
    stage->seq = snapshot_number(stage->db, "SELECT count(*) FROM chunk");
    last = snapshot_number(stage->db, "SELECT length(data) FROM chunk"
                                      " ORDER BY seq DESC LIMIT 1");
    if (stage->seq > 0) {
        stage->have = (stage->seq - 1) * stage->chunk_bytes + last;
    }
    code = code != SQLITE_OK ? code : run(stage, "BEGIN");
    code = code != SQLITE_OK ? code : prepare(stage);
    bool sound = stage->chunk_bytes > 0 && last <= stage->chunk_bytes &&
                 stage->have <= stage->snapshot.size;
    return code == SQLITE_OK && !sound ? SQLITE_CORRUPT : code;
}

/* The hash of what is there already, some of it a call.  False: there is more
 * to be read. */
static bool rehash(struct stage *stage, int *code)
{
    sqlite3_stmt *select =
        schema_prepare(stage->db, "SELECT checksum, data FROM chunk"
                                  " WHERE seq BETWEEN ? AND ? ORDER BY seq");
    sqlite3_bind_int64(select, 1, (int64_t)stage->hashed);
    sqlite3_bind_int64(select, 2, (int64_t)stage->hashed + REHASH_CHUNKS - 1);
    int step = SQLITE_DONE;
    while (select != NULL && (step = sqlite3_step(select)) == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(select, 1);
        size_t size = (size_t)sqlite3_column_bytes(select, 1);
        hasher_add(stage->hasher, data, size);
        uint32_t sum = crc32c(0, data, size);
        hasher_wait(stage->hasher);
        if (sum != sqlite3_column_int64(select, 0)) {
            step = SQLITE_CORRUPT;
            break;
        }
        stage->hashed++;
    }
    sqlite3_finalize(select);
    *code = step == SQLITE_DONE ? SQLITE_OK : step;
    return *code != SQLITE_OK || stage->hashed >= stage->seq;
}

static void begin_anew(struct store *store, struct stage *stage,
                       struct file_job *job)
{
    const struct node_file_request *request = &job->request;
    *stage = (struct stage){
        .snapshot = request->snapshot, .received = request->received, .fd = -1};
    int code = make_file(store, stage);
    job->answer.result = result_of(stage->db, code);
    job->answer.snapshot = stage->snapshot;
    if (code != SQLITE_OK) {
        stage_drop(store, stage);
    }
}

static void go_on(struct stage *stage, struct file_job *job)
{
    job->answer.have = stage->have;
    job->answer.snapshot = stage->snapshot;
}

/* Better now than after gigabytes that fill the disk of a node that works. */
static bool has_room(const struct store *store, uint64_t bytes)
{
    return store->options.vfs != NULL || place_has_room(store, bytes);
}

bool stage_begin(struct store *store, struct stage *stage, struct file_job *job)
{
    const struct node_snapshot *wanted = &job->request.snapshot;
    bool received = job->request.received;
    bool same =
        stage->db != NULL && received && is_same(&stage->snapshot, wanted);
    if (!same && job->goes_on) {
        /* Others had their turn meanwhile: it was given up. */
        job->answer.result = NODE_FILE_FAILED;
        return true;
    }
    if (!same) {
        stage_drop(store, stage);
        if (received && store->leftover.file != 0 &&
            is_same(&store->leftover, wanted)) {
            *stage =
                (struct stage){.snapshot = *wanted, .received = true, .fd = -1};
            same = open_leftover(store, stage) == SQLITE_OK;
        }
    }
    int code = SQLITE_OK;
    if (same && stage->hashed < stage->seq && !rehash(stage, &code)) {
        job->goes_on = true;
        return false;
    }
    if (same && code == SQLITE_OK &&
        has_room(store, wanted->size - stage->have)) {
        go_on(stage, job);
        return true;
    }
    stage_drop(store, stage);
    if (received) {
        stage_drop_leftover(store);
    }
    if (received && !has_room(store, wanted->size)) {
        job->answer.result = NODE_FILE_NO_ROOM;
    } else {
        begin_anew(store, stage, job);
    }
    return true;
}

/* ---- going on ----------------------------------------------------------- */

void stage_write(struct store *store, struct stage *stage, struct file_job *job)
{
    const struct blob *bytes = job->request.bytes;
    if (stage->db == NULL) {
        job->answer.result = NODE_FILE_FAILED;
        return;
    }
    hasher_add(stage->hasher, bytes->data, bytes->size);
    int code = put_bytes(stage, bytes->data, bytes->size);
    hasher_wait(stage->hasher);
    stage->have += bytes->size;
    stage->hashed = stage->seq;
    job->answer.have = stage->have;
    job->answer.result = result_of(stage->db, code);
    if (code != SQLITE_OK) {
        stage_drop(store, stage);
    }
}

/* With its last transaction all of the file is synced, whatever was before. */
static int finish(struct stage *stage)
{
    int code = SQLITE_OK;
    if (stage->chunk.size > 0) {
        code = put_row(stage, stage->chunk.data, stage->chunk.size);
    }
    code = code != SQLITE_OK
               ? code
               : run(stage, "COMMIT; PRAGMA synchronous = FULL; BEGIN");
    code = code != SQLITE_OK ? code
                             : set_number(stage, "size", stage->snapshot.size);
    code = code != SQLITE_OK ? code : set_hash(stage, stage->snapshot.sha256);
    code = code != SQLITE_OK ? code : set_number(stage, "whole", 1);
    return code != SQLITE_OK ? code : run(stage, "COMMIT");
}

static bool is_as_announced(const struct stage *stage,
                            const uint8_t hash[SHA256_SIZE])
{
    return !stage->received ||
           (stage->have == stage->snapshot.size &&
            memcmp(hash, stage->snapshot.sha256, SHA256_SIZE) == 0);
}

void stage_end(struct store *store, struct stage *stage, struct file_job *job)
{
    uint8_t hash[SHA256_SIZE];
    struct store_error error;
    job->answer.result = NODE_FILE_FAILED;
    if (stage->db == NULL) {
        return;
    }
    hasher_end(stage->hasher, hash);
    if (!is_as_announced(stage, hash)) {
        job->answer.result = NODE_FILE_MISMATCH;
        stage_drop(store, stage);
        return;
    }
    stage->snapshot.size = stage->have;
    memcpy(stage->snapshot.sha256, hash, SHA256_SIZE);
    int code = finish(stage);
    if (code != SQLITE_OK) {
        job->answer.result = result_of(stage->db, code);
        stage_drop(store, stage);
        return;
    }
    job->answer.snapshot = stage->snapshot;
    close_stage(stage);
    /* The journal is empty, and the file's name must last like its bytes. */
    snapshot_unlink_journal(store, job->answer.snapshot.file);
    if (place_sync(store, &error)) {
        job->answer.result = NODE_FILE_OK;
    } else {
        snapshot_unlink(store, job->answer.snapshot.file);
    }
}
