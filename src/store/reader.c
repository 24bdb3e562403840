/* Reading of snapshots that are whole. */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
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
/* So much is verified in one go. */
#define VERIFY_CHUNKS 128

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
    if (snapshot_open(store, file, &reader->db) == SQLITE_OK &&
        snapshot_named(reader->db, "size", &reader->size) == SQLITE_OK &&
        snapshot_named(reader->db, "chunk_bytes", &reader->chunk_bytes) ==
            SQLITE_OK) {
        reader->select = schema_prepare(
            reader->db, "SELECT checksum, data FROM chunk WHERE seq = ?");
    }
    if (reader->select == NULL || reader->chunk_bytes == 0) {
        close_reader(reader);
        return NULL;
    }
    return reader;
}

static struct reader *reader_of(struct store *store, uint64_t file)
{
    struct reader *reader = find_reader(store, file);
    return reader != NULL ? reader : open_reader(store, file);
}

void reader_close(struct store *store, uint64_t file)
{
    struct reader *reader = find_reader(store, file);
    if (reader != NULL) {
        close_reader(reader);
    }
}

void reader_close_all(struct store *store)
{
    while (!list_empty(&store->readers)) {
        close_reader(list_entry(store->readers.next, struct reader, in_store));
    }
}

/* The row of a chunk, borrowed until the statement is reset. */
static enum node_file_result find_chunk(struct reader *reader, uint64_t seq,
                                        const void **data, size_t *size)
{
    sqlite3_bind_int64(reader->select, 1, (int64_t)seq);
    int code = sqlite3_step(reader->select);
    if (code == SQLITE_ROW) {
        *data = sqlite3_column_blob(reader->select, 1);
        *size = (size_t)sqlite3_column_bytes(reader->select, 1);
        if (sqlite3_column_int64(reader->select, 0) ==
            (int64_t)crc32c(0, *data, *size)) {
            return NODE_FILE_OK;
        }
    }
    return (code & 0xff) == SQLITE_IOERR ? NODE_FILE_FAILED : NODE_FILE_CORRUPT;
}

static enum node_file_result load_chunk(struct reader *reader, uint64_t seq)
{
    const void *data;
    size_t size;
    if (reader->chunk_seq == seq) {
        return NODE_FILE_OK;
    }
    buf_clear(&reader->chunk);
    reader->chunk_seq = SNAPSHOT_NO_CHUNK;
    enum node_file_result result = find_chunk(reader, seq, &data, &size);
    if (result == NODE_FILE_OK) {
        buf_append(&reader->chunk, data, size);
        reader->chunk_seq = seq;
    }
    sqlite3_reset(reader->select);
    return result;
}

/* All of one, straight to where it is wanted. */
static enum node_file_result copy_chunk(struct reader *reader, uint64_t seq,
                                        uint8_t *to)
{
    const void *data;
    size_t size;
    enum node_file_result result = find_chunk(reader, seq, &data, &size);
    if (result == NODE_FILE_OK && size != reader->chunk_bytes) {
        result = NODE_FILE_CORRUPT; /* only the last one may be shorter */
    } else if (result == NODE_FILE_OK) {
        memcpy(to, data, size);
    }
    sqlite3_reset(reader->select);
    return result;
}

/* A part of one, which is kept: who reads in small pieces comes again. */
static enum node_file_result copy_part(struct reader *reader, uint64_t offset,
                                       uint8_t *to, size_t *part)
{
    enum node_file_result result =
        load_chunk(reader, offset / reader->chunk_bytes);
    size_t at = (size_t)(offset % reader->chunk_bytes);
    if (result != NODE_FILE_OK) {
        return result;
    }
    if (reader->chunk.size <= at) {
        return NODE_FILE_CORRUPT;
    }
    size_t have = reader->chunk.size - at;
    *part = *part < have ? *part : have;
    memcpy(to, reader->chunk.data + at, *part);
    return NODE_FILE_OK;
}

static enum node_file_result copy_out(struct reader *reader, uint64_t offset,
                                      uint8_t *to, size_t size)
{
    enum node_file_result result = NODE_FILE_OK;
    while (size > 0 && result == NODE_FILE_OK) {
        size_t part = size;
        if (offset % reader->chunk_bytes == 0 && size >= reader->chunk_bytes) {
            part = (size_t)reader->chunk_bytes;
            result = copy_chunk(reader, offset / reader->chunk_bytes, to);
        } else {
            result = copy_part(reader, offset, to, &part);
        }
        to += part;
        offset += part;
        size -= part;
    }
    return result;
}

void reader_read(struct store *store, struct file_job *job)
{
    const struct node_file_request *request = &job->request;
    struct reader *reader = reader_of(store, request->snapshot.file);
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

/* ---- the whole of it ----------------------------------------------------- */

static bool verified(struct file_job *job, enum node_file_result result)
{
    sha256_free(job->sha);
    job->sha = NULL;
    job->answer.result = result;
    return true;
}

static enum node_file_result compare(struct file_job *job, uint64_t size)
{
    const struct node_snapshot *said = &job->request.snapshot;
    uint8_t hash[SHA256_SIZE];
    sha256_end(job->sha, hash);
    return size == said->size && memcmp(hash, said->sha256, SHA256_SIZE) == 0
               ? NODE_FILE_OK
               : NODE_FILE_CORRUPT;
}

bool reader_verify(struct store *store, struct file_job *job)
{
    struct reader *reader = reader_of(store, job->request.snapshot.file);
    if (job->sha == NULL) {
        job->sha = sha256_new();
        if (reader != NULL) {
            reader->chunk_seq = SNAPSHOT_NO_CHUNK; /* as it is on disk now */
        }
    }
    for (int i = 0; reader != NULL && i < VERIFY_CHUNKS; i++) {
        if (job->seq * reader->chunk_bytes >= reader->size) {
            return verified(job, compare(job, reader->size));
        }
        enum node_file_result result = load_chunk(reader, job->seq);
        if (result != NODE_FILE_OK) {
            return verified(job, result);
        }
        sha256_add(job->sha, reader->chunk.data, reader->chunk.size);
        job->seq++;
    }
    return reader == NULL ? verified(job, NODE_FILE_FAILED) : false;
}
