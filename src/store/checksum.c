/* The checksum of a row of `state`, `keys` and `config_history`.
 *
 * It is an SQL function, so that whatever writes such a row, in C or in one
 * statement over many, has it from here:
 *
 *   raft_checksum(column, …)   of all columns but `checksum`, in the order of
 *                              the table
 *
 * It gives the CRC32C of these bytes, of one column after the other:
 *
 *   u8 type: 1 integer, 2 real, 3 text, 4 blob, 5 NULL
 *   of an integer: i64; of a real: its 64 bits (IEEE 754)
 *   of a text (UTF-8) and of a blob: u64 size, and so many bytes
 *
 * Numbers are big-endian.  Types and sizes are in it, so that no two rows give
 * the same bytes.  The function is for statements alone: a schema that named it
 * could not be read by sqlite3(1). */
#include <string.h>

#include "base/crc32c.h"
#include "store/internal.h"

static uint32_t add_bytes(uint32_t crc, const void *data, int size)
{
    uint8_t head[8];
    be_put_u64(head, (uint64_t)size);
    crc = crc32c(crc, head, sizeof(head));
    return size == 0 ? crc : crc32c(crc, data, (size_t)size);
}

static uint32_t add_u64(uint32_t crc, uint64_t number)
{
    uint8_t bytes[8];
    be_put_u64(bytes, number);
    return crc32c(crc, bytes, sizeof(bytes));
}

static uint32_t add_real(uint32_t crc, double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    return add_u64(crc, bits);
}

static uint32_t add_value(uint32_t crc, sqlite3_value *value)
{
    uint8_t type = (uint8_t)sqlite3_value_type(value);
    crc = crc32c(crc, &type, sizeof(type));
    switch (type) {
    case SQLITE_INTEGER:
        return add_u64(crc, (uint64_t)sqlite3_value_int64(value));
    case SQLITE_FLOAT:
        return add_real(crc, sqlite3_value_double(value));
    case SQLITE_TEXT:
        return add_bytes(crc, sqlite3_value_text(value),
                         sqlite3_value_bytes(value));
    case SQLITE_BLOB:
        return add_bytes(crc, sqlite3_value_blob(value),
                         sqlite3_value_bytes(value));
    default:
        return crc;
    }
}

static void raft_checksum(sqlite3_context *context, int count,
                          sqlite3_value **values)
{
    uint32_t crc = 0;
    for (int i = 0; i < count; i++) {
        crc = add_value(crc, values[i]);
    }
    sqlite3_result_int64(context, crc);
}

bool checksum_define(sqlite3 *db)
{
    return sqlite3_create_function_v2(
               db, "raft_checksum", -1,
               SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
               raft_checksum, NULL, NULL, NULL) == SQLITE_OK;
}
