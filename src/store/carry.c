#include "store/carry.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"

/* In one transaction: some 64 MiB. */
#define STEP_CHUNKS 64

/* ---- rows --------------------------------------------------------------- */

static bool cannot_read(const struct carry_end *from, struct store_error *error)
{
    return schema_failed(from->store, from->db, error, "it cannot be read");
}

static bool cannot_write(const struct carry_end *to, struct store_error *error)
{
    return schema_failed(to->store, to->db, error, "it cannot be written");
}

static bool carry_row(sqlite3_stmt *row, sqlite3_stmt *insert)
{
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        sqlite3_bind_value(insert, i + 1, sqlite3_column_value(row, i));
    }
    bool done = sqlite3_step(insert) == SQLITE_DONE;
    sqlite3_reset(insert);
    return done;
}

/* NULL for every column of `row`; NULL: it cannot be prepared. */
static sqlite3_stmt *prepare_insert(sqlite3 *db, const char *table,
                                    sqlite3_stmt *row)
{
    char sql[160];
    int size = snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO %s VALUES (?",
                        table);
    for (int i = 1; i < sqlite3_column_count(row); i++) {
        size += snprintf(sql + size, sizeof(sql) - (size_t)size, ",?");
    }
    snprintf(sql + size, sizeof(sql) - (size_t)size, ")");
    return schema_prepare(db, sql);
}

bool carry_rows(const struct carry_end *from, const struct carry_end *to,
                const char *select, const char *table, raft_index upto,
                struct store_error *error)
{
    sqlite3_stmt *row = schema_prepare(from->db, select);
    sqlite3_stmt *into = prepare_insert(to->db, table, row);
    int code = SQLITE_ERROR;
    bool written = into != NULL;
    if (row != NULL && sqlite3_bind_parameter_count(row) == 1) {
        sqlite3_bind_int64(row, 1, (int64_t)upto);
    }
    while (row != NULL && written && (code = sqlite3_step(row)) == SQLITE_ROW) {
        written = carry_row(row, into);
    }
    bool done = written ? code == SQLITE_DONE || cannot_read(from, error)
                        : cannot_write(to, error);
    sqlite3_finalize(row);
    sqlite3_finalize(into);
    return done;
}

/* ---- chunks of a snapshot ----------------------------------------------- */

/* Goes over the chunks of a snapshot, in order, and checks them. */
struct chunks {
    const struct node_snapshot *snapshot;
    sqlite3_stmt *rows;
    struct sha256 *sha;
    uint64_t seq; /* of the next one */
    uint64_t size;
    char *why;
    size_t why_size;
};

static bool wrong(struct chunks *chunks, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool wrong(struct chunks *chunks, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(chunks->why, chunks->why_size, format, arguments);
    va_end(arguments);
    return false;
}

static void begin_chunks(struct chunks *chunks, sqlite3 *db,
                         const struct node_snapshot *snapshot, char *why,
                         size_t why_size)
{
    *chunks =
        (struct chunks){.snapshot = snapshot, .why = why, .why_size = why_size};
    chunks->sha = sha256_new();
    chunks->rows = schema_prepare(
        db, "SELECT seq, checksum, data FROM chunk ORDER BY seq");
}

static bool check_chunk(struct chunks *chunks)
{
    const void *data = sqlite3_column_blob(chunks->rows, 2);
    size_t size = (size_t)sqlite3_column_bytes(chunks->rows, 2);
    if (sqlite3_column_int64(chunks->rows, 0) != (int64_t)chunks->seq) {
        return wrong(chunks, "its chunk %llu is missing",
                     (unsigned long long)chunks->seq);
    }
    if (sqlite3_column_int64(chunks->rows, 1) !=
        (int64_t)crc32c(0, data, size)) {
        return wrong(chunks, "the checksum of its chunk %llu is wrong",
                     (unsigned long long)chunks->seq);
    }
    sha256_add(chunks->sha, data, size);
    chunks->seq++;
    chunks->size += size;
    return true;
}

/* The next one is there and sound.  False: that was the last, or one is wrong,
 * and *why is not empty. */
static bool next_chunk(struct chunks *chunks)
{
    int code =
        chunks->rows == NULL ? SQLITE_CORRUPT : sqlite3_step(chunks->rows);
    if (code == SQLITE_ROW) {
        return check_chunk(chunks);
    }
    return code == SQLITE_DONE ? false
                               : wrong(chunks, "its chunks cannot be read: %s",
                                       sqlite3_errstr(code));
}

/* They are all of it. */
static bool end_chunks(struct chunks *chunks)
{
    uint8_t hash[SHA256_SIZE];
    sha256_end(chunks->sha, hash);
    sha256_free(chunks->sha);
    sqlite3_finalize(chunks->rows);
    if (chunks->why[0] != '\0') {
        return false;
    }
    if (chunks->size != chunks->snapshot->size) {
        return wrong(chunks, "it has %llu bytes, and should have %llu",
                     (unsigned long long)chunks->size,
                     (unsigned long long)chunks->snapshot->size);
    }
    return memcmp(hash, chunks->snapshot->sha256, SHA256_SIZE) == 0 ||
           wrong(chunks, "its SHA-256 is wrong");
}

/* ---- snapshots ---------------------------------------------------------- */

static bool describes(sqlite3 *db, const struct node_snapshot *snapshot)
{
    struct node_snapshot said;
    return snapshot_describe(db, &said) == SQLITE_OK &&
           said.index == snapshot->index && said.term == snapshot->term &&
           said.size == snapshot->size &&
           memcmp(said.sha256, snapshot->sha256, SHA256_SIZE) == 0;
}

bool carry_check(sqlite3 *db, const struct node_snapshot *snapshot, char *why,
                 size_t size)
{
    struct chunks chunks;
    why[0] = '\0';
    begin_chunks(&chunks, db, snapshot, why, size);
    if (!describes(db, snapshot)) {
        wrong(&chunks, "it does not say of itself what the state says of it");
    }
    while (why[0] == '\0' && next_chunk(&chunks)) {
    }
    return end_chunks(&chunks);
}

static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* False: it cannot be written.  What is wrong with a chunk is in *why. */
static bool carry_chunks(struct chunks *chunks, sqlite3 *to)
{
    sqlite3_stmt *insert =
        schema_prepare(to, "INSERT INTO chunk VALUES (?, ?, ?)");
    bool written = insert != NULL;
    while (written && next_chunk(chunks)) {
        written = carry_row(chunks->rows, insert) &&
                  (chunks->seq % STEP_CHUNKS != 0 || run(to, "COMMIT; BEGIN"));
    }
    sqlite3_finalize(insert);
    return written;
}

static bool damaged(const struct carry_end *from, const char *why,
                    struct store_error *error)
{
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%.300s: the app's snapshot is damaged: %s", from->store->path,
             why);
    return false;
}

bool carry_snapshot(const struct carry_end *from, const struct carry_end *to,
                    const struct node_snapshot *snapshot,
                    struct store_error *error)
{
    struct chunks chunks;
    char why[160] = "";
    if (!run(to->db, "BEGIN") || !run(to->db, snapshot_schema)) {
        return cannot_write(to, error);
    }
    if (!carry_rows(from, to,
                    "SELECT name, value FROM snapshot WHERE name <> 'received'",
                    "snapshot", 0, error)) {
        return false;
    }
    begin_chunks(&chunks, from->db, snapshot, why, sizeof(why));
    bool written = carry_chunks(&chunks, to->db);
    bool sound = end_chunks(&chunks);
    if (!written || !run(to->db, "COMMIT")) {
        return cannot_write(to, error);
    }
    return (sound && describes(to->db, snapshot)) || damaged(from, why, error);
}
