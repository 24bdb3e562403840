/* A backup takes the app's snapshot along, and a restore puts it back. */
#include "store_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "store/offline.h"
#include "store_model.h"

/* More than one chunk, and the last one not whole. */
#define CHUNK ((size_t)1000)
#define SIZE ((size_t)4700)

static char file[128];     /* the backup */
static char directory[64]; /* restored */
static struct model model;
static struct node_file_answer answer;

static int setup(void **state)
{
    snprintf(directory, sizeof(directory), "/tmp/raftsc-carried-XXXXXX");
    if (place_setup(state) != 0 || mkdtemp(directory) == NULL) {
        return 1;
    }
    snprintf(file, sizeof(file), "%s.backup", place_directory);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    unlink(file);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return place_teardown(state) != 0 || system(command) != 0;
}

#define WITH_BOTH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* ---- a node with a snapshot --------------------------------------------- */

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

static void on_file(void *context, struct node_file_answer *got)
{
    (void)context;
    answer = *got;
}

static void on_saved(void *context, enum node_save_result result)
{
    (void)context;
    assert_int_equal(result, NODE_SAVE_OK);
}

static void ask_file(struct store *store, struct node_file_request *request)
{
    struct node_store asked = store_node(store);
    struct store_answers answers = {.file = on_file, .saved = on_saved};
    asked.file(asked.context, request);
    store_poll(store, &answers);
    assert_int_equal(answer.result, NODE_FILE_OK);
}

static void write_bytes(struct store *store)
{
    struct node_file_request request = {.work = NODE_FILE_WRITE};
    uint8_t *data;
    struct blob *bytes = blob_new(SIZE, &data);
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = byte_at(i);
    }
    request.bytes = bytes;
    ask_file(store, &request);
    blob_free(bytes);
}

static void upload(struct store *store, raft_index index)
{
    struct node_store asked = store_node(store);
    struct store_answers answers = {.file = on_file, .saved = on_saved};
    struct node_save save = {.snapshot_dirty = true};
    ask_file(store,
             &(struct node_file_request){
                 .work = NODE_FILE_BEGIN,
                 .snapshot = {.index = index, .term = model.terms[index - 1]}});
    write_bytes(store);
    ask_file(store, &(struct node_file_request){.work = NODE_FILE_END});
    save.snapshot = answer.snapshot;
    save.log.commit = model.commit;
    asked.save(asked.context, &save);
    store_poll(store, &answers);
}

/* Its state is the app's as of entry `index`. */
static void fill(raft_index index)
{
    struct store_options options = {.directory = place_directory,
                                    .id = 1,
                                    .version = "test",
                                    .tail_bytes_max = 1000,
                                    .chunk_bytes = CHUNK,
                                    .key_window = 100};
    struct store_error error = {0};
    struct prng prng;
    prng_seed(&prng, 3);
    model = (struct model){.vote = RAFT_ID_NONE};
    struct store *store = store_open(&options, &error);
    assert_non_null(store);
    for (int i = 0; i < 60; i++) {
        struct node_save save;
        model_next(&prng, &model, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    upload(store, index);
    store_close(store);
    place_set_cluster();
}

/* ---- looking ------------------------------------------------------------ */

static void keep(void *context, const char *text)
{
    char *first = context;
    if (first[0] == '\0') {
        snprintf(first, 300, "%s", text);
    }
}

/* The first problem; "": there is none. */
static const char *verify(const char *path)
{
    static char first[300];
    struct store_error error = {0};
    struct offline_verdict verdict = {0};
    struct offline *offline = offline_open(path, &error);
    first[0] = '\0';
    if (offline == NULL ||
        !offline_verify(offline, keep, first, &verdict, &error)) {
        fail_msg("%s", error.text);
    }
    offline_close(offline);
    return first;
}

static bool back_up(struct store_error *error)
{
    raft_index written = 0;
    struct offline *offline = offline_open(place_directory, error);
    assert_non_null(offline);
    bool done = offline_backup(offline, 0, file, "test", &written, error);
    offline_close(offline);
    return done;
}

/* A database that some test damages. */
static void damage(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

static void check_bytes(struct store *store, const struct node_snapshot *of)
{
    ask_file(store, &(struct node_file_request){.work = NODE_FILE_READ,
                                                .snapshot = *of,
                                                .size = SIZE + 1});
    assert_int_equal(answer.bytes->size, SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        assert_int_equal(answer.bytes->data[i], byte_at(i));
    }
    blob_free(answer.bytes);
}

/* ---- tests -------------------------------------------------------------- */

static void a_snapshot_is_restored_with_its_log(void **state)
{
    (void)state;
    struct store_error error = {0};
    fill(20);
    assert_string_equal(verify(place_directory), "");
    assert_true(back_up(&error));
    assert_string_equal(verify(file), "");
    if (!offline_restore(file, directory, "", "test", &error)) {
        fail_msg("%s", error.text);
    }
    assert_string_equal(verify(directory), "");
    struct store_options options = {.directory = directory,
                                    .id = 9,
                                    .address = "here:7000",
                                    .version = "test",
                                    .tail_bytes_max = 1000};
    struct store *store = store_open(&options, &error);
    assert_non_null(store);
    const struct node_start *start = store_start(store);
    assert_int_equal(start->snapshot.index, 20);
    assert_int_equal(start->snapshot.term, model.terms[19]);
    assert_int_equal(start->snapshot.size, SIZE);
    check_bytes(store, &start->snapshot);
    store_close(store);
    assert_string_equal(verify(directory), "");
}

static void a_damaged_snapshot_is_found_and_not_copied(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        const char *word;
    } cases[] = {
        {"UPDATE chunk SET data = zeroblob(1000) WHERE seq = 2",
         "the checksum of its chunk 2 is wrong"},
        {"UPDATE chunk SET checksum = 1 WHERE seq = 0",
         "the checksum of its chunk 0 is wrong"},
        {"DELETE FROM chunk WHERE seq = 3", "its chunk 3 is missing"},
        {"DELETE FROM chunk WHERE seq = 4", "it has 4000 bytes, and should"},
        {"UPDATE snapshot SET value = 21 WHERE name = 'idx'",
         "it does not say of itself"},
        {"UPDATE snapshot SET value = lower(hex(zeroblob(32)))"
         " WHERE name = 'sha256'",
         "it does not say of itself"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_error error = {0};
        char path[128];
        fill(20);
        snprintf(path, sizeof(path), "%s/snapshot-1.db", place_directory);
        damage(path, cases[i].sql);
        const char *said = verify(place_directory);
        if (strstr(said, cases[i].word) == NULL) {
            fail_msg("'%s' says: %s", cases[i].sql, said);
        }
        assert_false(back_up(&error));
        assert_non_null(strstr(error.text, "snapshot"));
        assert_int_not_equal(access(file, F_OK), 0);
        place_clear();
    }
}

static void a_missing_or_senseless_snapshot_is_found(void **state)
{
    (void)state;
    char path[128];
    fill(20);
    snprintf(path, sizeof(path), "%s/snapshot-1.db", place_directory);
    place_saved("UPDATE state SET value = 1000000"
                " WHERE name = 'snapshot_index'");
    assert_non_null(strstr(verify(place_directory), "no log goes on"));
    place_saved("UPDATE state SET value = 20 WHERE name = 'snapshot_index';"
                "UPDATE state SET value = 77 WHERE name = 'snapshot_term'");
    assert_non_null(strstr(verify(place_directory), "has another term"));
    place_saved("UPDATE state SET value = 'x' WHERE name = 'snapshot_sha256'");
    assert_non_null(strstr(verify(place_directory), "snapshot_sha256"));
    unlink(path);
    place_clear();
    fill(20);
    unlink(path);
    assert_non_null(strstr(verify(place_directory), "cannot be opened"));
}

static void a_damaged_backup_of_a_snapshot_is_not_restored(void **state)
{
    (void)state;
    struct store_error error = {0};
    char path[128];
    fill(20);
    assert_true(back_up(&error));
    damage(file, "UPDATE chunk SET data = zeroblob(1000) WHERE seq = 2");
    assert_non_null(strstr(verify(file), "chunk 2"));
    assert_false(offline_restore(file, directory, "", "test", &error));
    assert_non_null(strstr(error.text, "chunk 2"));
    snprintf(path, sizeof(path), "test -z \"$(ls %s | grep -v lock)\"",
             directory);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOTH(a_snapshot_is_restored_with_its_log),
        WITH_BOTH(a_damaged_snapshot_is_found_and_not_copied),
        WITH_BOTH(a_missing_or_senseless_snapshot_is_found),
        WITH_BOTH(a_damaged_backup_of_a_snapshot_is_not_restored),
    };
    return RUN(tests);
}
