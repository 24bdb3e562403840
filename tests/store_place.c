#include "store_place.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "store/internal.h"

char place_directory[64];

int place_setup(void **state)
{
    (void)state;
    snprintf(place_directory, sizeof(place_directory),
             "/tmp/raftsc-store-XXXXXX");
    return mkdtemp(place_directory) == NULL;
}

void place_clear(void)
{
    DIR *directory = opendir(place_directory);
    const struct dirent *entry;
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        char path[512];
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s", place_directory,
                     entry->d_name);
            unlink(path);
        }
    }
    closedir(directory);
}

int place_teardown(void **state)
{
    (void)state;
    place_clear();
    return rmdir(place_directory);
}

struct store *place_open(raft_id id, struct store_error *error)
{
    struct store_options options = {.directory = place_directory,
                                    .id = id,
                                    .version = "test",
                                    .tail_bytes_max = 1000,
                                    .key_window = 100};
    return store_open(&options, error);
}

sqlite3 *place_database(void)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/raft.db", place_directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_true(checksum_define(db));
    return db;
}

void place_sql(const char *sql)
{
    sqlite3 *db = place_database();
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
        fail_msg("%s: %s", sql, why);
    }
    sqlite3_close(db);
}

void place_bless(sqlite3 *db)
{
    static const char sql[] =
        "UPDATE keys SET checksum = raft_checksum(idx, key);"
        "UPDATE config_history"
        " SET checksum = raft_checksum(idx, term, unix_ms, members, record);"
        "UPDATE state SET value = (SELECT count(*) FROM keys)"
        " WHERE name = 'keys_count';"
        "UPDATE state SET value = (SELECT count(*) FROM config_history)"
        " WHERE name = 'config_count';"
        "UPDATE state SET checksum = raft_checksum(name, value);";
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

void place_saved(const char *sql)
{
    place_sql(sql);
    sqlite3 *db = place_database();
    place_bless(db);
    sqlite3_close(db);
}

int64_t place_number(const char *sql)
{
    sqlite3 *db = place_database();
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

void place_set_cluster(void)
{
    sqlite3 *db = place_database();
    sqlite3_stmt *statement = NULL;
    char hex[DIGEST_SIZE * 2 + 1];
    char sql[160];
    sqlite3_prepare_v2(db, "SELECT payload FROM log WHERE idx = 1", -1,
                       &statement, NULL);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    digest_to_hex(digest_of(sqlite3_column_blob(statement, 0),
                            (size_t)sqlite3_column_bytes(statement, 0)),
                  hex);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    snprintf(sql, sizeof(sql),
             "UPDATE state SET value = '%s' WHERE name = 'cluster_id'", hex);
    place_saved(sql);
}

/* The whole text of tests/store/NAME. */
static char *text_of(const char *name)
{
    const char *srcdir = getenv("srcdir");
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/store/%s",
             srcdir == NULL ? "." : srcdir, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size_max = 1024 * 1024;
    char *text = x_malloc(size_max);
    size_t size = fread(text, 1, size_max - 1, file);
    fclose(file);
    text[size] = '\0';
    return text;
}

char *place_schema_sql(int version)
{
    char name[32];
    snprintf(name, sizeof(name), "schema-%d.sql", version);
    return text_of(name);
}

void place_schema(int version)
{
    char *sql = place_schema_sql(version);
    place_sql(sql);
    free(sql);
}
