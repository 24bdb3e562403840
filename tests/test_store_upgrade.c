/* Databases that older programs made, and steps that fail half-way. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "store/internal.h"
#include "store_place.h"

/* What each of these databases holds. */
static void check_content(struct store *store)
{
    const struct node_start *start = store_start(store);
    assert_int_equal(start->identity.id, 0);
    assert_true(start->identity.instance == 0xc10ad304cea317f7);
    assert_int_equal(start->identity.boot, 2);
    assert_int_equal(start->raft.term, 2);
    assert_int_equal(start->raft.vote, 0);
    assert_int_equal(start->raft.commit, 6);
    assert_int_equal(start->raft.last, 6);
    assert_int_equal(start->ack, 3);
    assert_int_equal(start->raft.config_count, 1);
    assert_int_equal(start->raft.tail_count, 6);
    assert_memory_equal(start->raft.tail[4].payload->data,
                        "a\0\xff"
                        "b",
                        4);
}

static void a_database_of_every_version_opens_as_the_present_one(void **state)
{
    (void)state;
    for (int version = 1; version <= SCHEMA_VERSION; version++) {
        struct store_error error = {0};
        place_schema(version);
        struct store *store = place_open(0, &error);
        if (store == NULL) {
            fail_msg("version %d: %s", version, error.text);
        }
        check_content(store);
        store_close(store);
        assert_int_equal(place_number("PRAGMA user_version"), SCHEMA_VERSION);
        assert_int_equal(place_number("SELECT value FROM state"
                                      " WHERE name = 'schema_version'"),
                         SCHEMA_VERSION);
        place_clear();
    }
}

/* The text of all tables and indexes, in order. */
static void schema_text(char *text, size_t size)
{
    sqlite3 *db = place_database();
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema ORDER BY name", -1,
                       &statement, NULL);
    text[0] = '\0';
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(statement, 0);
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s\n", sql == NULL ? "-" : sql);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static void an_upgraded_database_has_the_tables_of_a_new_one(void **state)
{
    (void)state;
    static char fresh[16384];
    static char upgraded[16384];
    struct store_error error = {0};
    store_close(place_open(0, &error));
    schema_text(fresh, sizeof(fresh));
    place_clear();
    place_schema(1);
    store_close(place_open(0, &error));
    schema_text(upgraded, sizeof(upgraded));
    assert_true(strlen(fresh) > 100);
    assert_string_equal(fresh, upgraded);
}

static void steps_are_taken_together_or_not_at_all(void **state)
{
    (void)state;
    const char *good[SCHEMA_VERSION + 2] = {NULL};
    const char *bad[SCHEMA_VERSION + 2] = {NULL};
    good[SCHEMA_VERSION] = bad[SCHEMA_VERSION] = "CREATE TABLE a (x);";
    good[SCHEMA_VERSION + 1] = "INSERT INTO a VALUES (7);";
    bad[SCHEMA_VERSION + 1] = "INSERT INTO b VALUES (7);";
    place_schema(SCHEMA_VERSION);
    sqlite3 *db = place_database();
    assert_false(upgrade_along(db, SCHEMA_VERSION, bad, SCHEMA_VERSION + 2));
    assert_non_null(strstr(sqlite3_errmsg(db), "no such table: b"));
    sqlite3_close(db);
    assert_int_equal(place_number("PRAGMA user_version"), SCHEMA_VERSION);
    assert_int_equal(place_number("SELECT count(*) FROM sqlite_schema"
                                  " WHERE name = 'a'"),
                     0);
    db = place_database();
    assert_true(upgrade_along(db, SCHEMA_VERSION, good, SCHEMA_VERSION + 2));
    sqlite3_close(db);
    assert_int_equal(place_number("PRAGMA user_version"), SCHEMA_VERSION + 2);
    assert_int_equal(place_number("SELECT x FROM a"), 7);
    assert_int_equal(place_number("SELECT value FROM state"
                                  " WHERE name = 'schema_version'"
                                  " AND checksum = raft_checksum(name, value)"),
                     SCHEMA_VERSION + 2);
}

static void a_newer_version_is_refused_and_its_writer_named(void **state)
{
    (void)state;
    struct store_error error = {0};
    char sql[160];
    store_close(place_open(0, &error));
    snprintf(sql, sizeof(sql),
             "PRAGMA user_version = %d;"
             "UPDATE state SET value = '9.9' WHERE name = 'written_by'",
             SCHEMA_VERSION + 1);
    place_sql(sql);
    assert_null(place_open(0, &error));
    assert_int_equal(error.status, EXIT_STATUS_DAMAGED);
    assert_non_null(strstr(error.text, "raftsc 9.9"));
    assert_int_equal(place_number("PRAGMA user_version"), SCHEMA_VERSION + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(a_database_of_every_version_opens_as_the_present_one),
        WITH_PLACE(an_upgraded_database_has_the_tables_of_a_new_one),
        WITH_PLACE(steps_are_taken_together_or_not_at_all),
        WITH_PLACE(a_newer_version_is_refused_and_its_writer_named),
    };
    return RUN(tests);
}
