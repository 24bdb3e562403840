/* Keys in the database: of rows, and those that outlive their rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "core/keys.h"
#include "crash_vfs.h"
#include "store/internal.h"
#include "store_model.h"
#include "store_place.h"

#define WINDOW 100 /* of place_open() */

static struct blob *key_of(raft_index index)
{
    char text[32];
    snprintf(text, sizeof(text), "key of %llu", (unsigned long long)index);
    return blob_copy(text, strlen(text));
}

/* Saves entries first .. last: a configuration, then an app's, every third
 * without a key.  Each has 100 bytes, so that few are in the tail. */
static void save(struct store *store, raft_index first, raft_index last,
                 raft_index commit)
{
    struct node_save save = {.log = {.term = 1, .commit = commit}};
    save.log.state_dirty = true;
    save.log.vote = RAFT_ID_NONE;
    save.log.entry_count = (size_t)(last - first) + 1;
    save.log.entries =
        x_calloc(save.log.entry_count, sizeof(*save.log.entries));
    for (raft_index i = first; i <= last; i++) {
        char payload[100] = {0};
        struct raft_entry *entry = &save.log.entries[i - first];
        entry->index = i;
        entry->term = 1;
        entry->kind = RAFT_KIND_APP;
        entry->flags = RAFT_FLAG_REQUIRED;
        entry->payload = blob_copy(payload, sizeof(payload));
        entry->key = i % 3 == 0 ? NULL : key_of(i);
        entry->chain = raft_entry_chain(
            i == first ? (struct digest){{0}} : entry[-1].chain, entry);
    }
    assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
    raft_save_clear(&save.log);
}

static struct store *open_place(void)
{
    struct store_error error = {0};
    struct store *store = place_open(0, &error);
    if (store == NULL) {
        fail_msg("%s", error.text);
    }
    return store;
}

/* What core makes of a start. */
static void take_start(struct store *store, struct raft_keys *keys)
{
    const struct raft_start *raft = &store_start(store)->raft;
    keys_open(keys, WINDOW, 1);
    assert_null(keys_unpack(keys, raft->keys, raft->keys_size,
                            raft->last + 1 - raft->tail_count));
    for (size_t i = 0; i < raft->tail_count; i++) {
        keys_add(keys, &raft->tail[i]);
    }
    keys_commit(keys, raft->commit);
}

/* Exactly the keys of entries behind `forgotten`, up to `last`, are there. */
static bool has_keys(struct store *store, raft_index forgotten, raft_index last)
{
    struct raft_keys keys;
    take_start(store, &keys);
    bool all = keys.forgotten == forgotten;
    for (raft_index i = 1; i <= last + 3; i++) {
        struct blob *key = key_of(i);
        bool held = i > forgotten && i <= last && i % 3 != 0;
        all = all && keys_find_upto(&keys, key, last) == (held ? i : 0);
        blob_free(key);
    }
    keys_close(&keys);
    return all;
}

static void check_keys(struct store *store, raft_index forgotten,
                       raft_index last)
{
    assert_true(has_keys(store, forgotten, last));
}

static void a_start_brings_the_newest_keys(void **state)
{
    (void)state;
    struct store *store = open_place();
    check_keys(store, 0, 0);
    save(store, 1, 120, 120);
    store_close(store);
    store = open_place();
    assert_true(store_start(store)->raft.tail_count < 20);
    check_keys(store, 0, 120);
    store_close(store);
    store = open_place();
    save(store, 121, 400, 390);
    store_close(store);
    store = open_place();
    /* 100 of the committed ones, and the tail's: 390 is the last one. */
    check_keys(store, 239, 400);
    store_close(store);
}

/* Nothing but the tail's keys is to be remembered, and not even all of those:
 * what is packed ends before the tail. */
static void a_tail_may_have_more_keys_than_are_remembered(void **state)
{
    (void)state;
    struct store_error error = {0};
    struct store_options options = {.directory = place_directory,
                                    .version = "test",
                                    .tail_bytes_max = 100000,
                                    .key_window = 2};
    struct store *store = open_place();
    save(store, 1, 120, 120);
    store_close(store);
    store = store_open(&options, &error);
    assert_non_null(store);
    assert_true(store_start(store)->raft.tail_count > 50);
    check_keys(store,
               store_start(store)->raft.last -
                   store_start(store)->raft.tail_count,
               120);
    store_close(store);
}

/* Rows 1 .. `last` go, as compaction does it. */
static void compact(struct store *store, raft_index last)
{
    char sql[640];
    sqlite3_exec(store->writer, "BEGIN", NULL, NULL, NULL);
    assert_int_equal(kept_add(store, last), SQLITE_OK);
    snprintf(
        sql, sizeof(sql),
        STATE_PUT("('base_index', %llu), ('base_term', 1),"
                  " ('base_chain', (SELECT lower(hex(chain)) FROM log"
                  " WHERE idx = %llu))") "DELETE FROM log WHERE idx <= %llu;"
                                         "COMMIT",
        (unsigned long long)last, (unsigned long long)last,
        (unsigned long long)last);
    assert_int_equal(sqlite3_exec(store->writer, sql, NULL, NULL, NULL),
                     SQLITE_OK);
}

static int64_t number_in(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static void keys_outlive_their_rows(void **state)
{
    (void)state;
    struct store *store = open_place();
    save(store, 1, 150, 150);
    compact(store, 30);
    store_close(store);
    store = open_place();
    check_keys(store, 0, 150);
    compact(store, 140);
    store_close(store);
    store = open_place();
    check_keys(store, 0, 150);
    save(store, 151, 220, 220);
    compact(store, 220);
    assert_int_equal(place_number("SELECT count(*) FROM keys"), WINDOW);
    assert_int_equal(place_number("SELECT value FROM state"
                                  " WHERE name = 'keys_forgotten'"),
                     70);
    store_close(store);
    store = open_place();
    check_keys(store, 70, 220);
    store_close(store);
}

static void what_is_undone_is_not_counted(void **state)
{
    (void)state;
    struct store *store = open_place();
    save(store, 1, 220, 220);
    sqlite3_exec(store->writer, "BEGIN", NULL, NULL, NULL);
    assert_int_equal(kept_add(store, 220), SQLITE_OK);
    sqlite3_exec(store->writer, "ROLLBACK", NULL, NULL, NULL);
    kept_rolled_back(store);
    compact(store, 30);
    assert_int_equal(place_number("SELECT count(*) FROM keys"), 20);
    assert_int_equal(place_number("SELECT value FROM state"
                                  " WHERE name = 'keys_forgotten'"),
                     0);
    store_close(store);
}

/* The store takes its base up to an entry of those that save() makes. */
static enum node_save_result move_base(struct store *store, raft_index index)
{
    struct node_save save = {.log = {.term = 1,
                                     .vote = RAFT_ID_NONE,
                                     .commit = index,
                                     .base_dirty = true,
                                     .base = {.index = index, .term = 1}}};
    return model_save(store, &save);
}

/* The same place, in the memory of the crash VFS. */
static struct store *open_crash(void)
{
    struct store_error error = {0};
    struct store_options options = {.directory = place_directory,
                                    .version = "test",
                                    .tail_bytes_max = 1000,
                                    .key_window = WINDOW,
                                    .vfs = "crash",
                                    .list = crash_vfs_list};
    struct store *store = store_open(&options, &error);
    if (store == NULL) {
        fprintf(stderr, "%s\n", error.text);
    }
    return store;
}

static void a_save_that_finds_no_room_forgets_nothing(void **state)
{
    (void)state;
    crash_vfs_register();
    struct store *store = open_crash();
    assert_non_null(store);
    save(store, 1, 120, 120);
    for (int i = 0; i < 3; i++) {
        crash_vfs_fill(1);
        assert_int_equal(move_base(store, 120), NODE_SAVE_NO_ROOM);
        crash_vfs_fill(0);
    }
    assert_int_equal(move_base(store, 120), NODE_SAVE_OK);
    store_close(store);
    store = open_crash();
    assert_non_null(store);
    check_keys(store, 0, 120);
    store_close(store);
    crash_vfs_forget(place_directory);
}

static struct store *doomed;

/* The process is about to end, in a save that forgets keys.  The next one has
 * all that are to be remembered, and still has them when that save was done
 * and the rows are gone. */
static void look_behind_the_end(void)
{
    place_release(doomed);
    crash_vfs_end_process(place_directory);
    crash_vfs_fail_read(0);
    struct store *store = open_crash();
    bool before = store != NULL && has_keys(store, 29, 180) &&
                  move_base(store, 180) == NODE_SAVE_OK;
    store_close(store);
    store = before ? open_crash() : NULL;
    bool after = store != NULL && has_keys(store, 29, 180);
    store_close(store);
    if (!after) {
        _exit(EXIT_FAILURE);
    }
}

static void forget_with_failing_read(unsigned read)
{
    doomed = open_crash();
    if (doomed == NULL || move_base(doomed, 120) != NODE_SAVE_OK) {
        _exit(EXIT_FAILURE);
    }
    sqlite3_db_release_memory(doomed->writer);
    atexit(look_behind_the_end);
    crash_vfs_fail_read(read);
    if (move_base(doomed, 180) != NODE_SAVE_OK) {
        _exit(EXIT_FAILURE);
    }
    /* It was not part of the save, or is there no read of this number? */
    exit(crash_vfs_fail_read(0) ? EXIT_SUCCESS : EXIT_STATUS_DISK);
}

static int status_with_failing_read(unsigned read)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        forget_with_failing_read(read);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Small pages, that a few keys may need some. */
static void make_small_pages(void)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/raft.db", place_directory);
    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                    "crash");
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA page_size = 512; VACUUM", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
}

static void a_read_that_fails_in_a_save_forgets_nothing(void **state)
{
    (void)state;
    unsigned read = 1;
    crash_vfs_register();
    make_small_pages();
    struct store *store = open_crash();
    assert_non_null(store);
    save(store, 1, 180, 180);
    store_close(store);
    while (status_with_failing_read(read) == EXIT_STATUS_DISK) {
        read++;
    }
    assert_int_equal(status_with_failing_read(read), EXIT_SUCCESS);
    printf("%u reads\n", read - 1);
    assert_true(read > 10);
    crash_vfs_forget(place_directory);
}

static void another_base_brings_its_own_keys(void **state)
{
    (void)state;
    struct buf packed = {0};
    struct store *store = open_place();
    save(store, 1, 60, 60);
    keys_pack_begin(&packed, 500);
    for (raft_index i = 501; i <= 600; i++) {
        struct blob *key = key_of(i);
        if (i % 3 != 0) {
            keys_pack_add(&packed, i, key->data, key->size);
        }
        blob_free(key);
    }
    sqlite3_exec(store->writer, "BEGIN", NULL, NULL, NULL);
    /* The rows that are still there are of a log that was replaced. */
    assert_int_equal(kept_replace(store, 600, packed.data, packed.size),
                     SQLITE_OK);
    sqlite3_exec(store->writer, "COMMIT", NULL, NULL, NULL);
    compact(store, 60);
    store_close(store);
    place_sql(STATE_PUT("('base_index', 600)"));
    store = open_place();
    check_keys(store, 500, 600);
    store_close(store);
    buf_free(&packed);
}

static void a_backup_has_the_keys_of_what_lies_under_its_log(void **state)
{
    (void)state;
    struct store_error error = {0};
    char file[128];
    raft_index last = 0;
    struct store *store = open_place();
    save(store, 1, 60, 60);
    compact(store, 30);
    store_close(store);
    snprintf(file, sizeof(file), "%s/copy", place_directory);
    struct offline *offline = offline_open(place_directory, &error);
    assert_non_null(offline);
    if (!offline_backup(offline, 0, file, "1", &last, &error)) {
        fail_msg("%s", error.text);
    }
    offline_close(offline);
    assert_int_equal(last, 60);
    sqlite3 *db = NULL;
    sqlite3_open(file, &db);
    assert_int_equal(number_in(db, "SELECT count(*) FROM keys"), 20);
    assert_int_equal(number_in(db, "SELECT value FROM state"
                                   " WHERE name = 'keys_upto'"),
                     30);
    assert_int_equal(number_in(db, "SELECT count(*) FROM log"
                                   " WHERE key IS NOT NULL"),
                     20);
    sqlite3_close(db);
}

static void a_key_that_cannot_be_is_found(void **state)
{
    (void)state;
    struct store_error error = {0};
    struct store *store = open_place();
    save(store, 1, 60, 60);
    store_close(store);
    place_sql("UPDATE log SET key = x'' WHERE idx = 5");
    assert_null(place_open(0, &error));
    assert_int_equal(error.status, EXIT_STATUS_DAMAGED);
    assert_non_null(strstr(error.text, "the key of entry 5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(a_start_brings_the_newest_keys),
        WITH_PLACE(a_tail_may_have_more_keys_than_are_remembered),
        WITH_PLACE(keys_outlive_their_rows),
        WITH_PLACE(what_is_undone_is_not_counted),
        WITH_PLACE(a_save_that_finds_no_room_forgets_nothing),
        WITH_PLACE(a_read_that_fails_in_a_save_forgets_nothing),
        WITH_PLACE(another_base_brings_its_own_keys),
        WITH_PLACE(a_backup_has_the_keys_of_what_lies_under_its_log),
        WITH_PLACE(a_key_that_cannot_be_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
