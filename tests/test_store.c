/* The store with real files: who may open it, what it refuses, its threads. */
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "store_model.h"

static char directory[64];

static struct store *open_as(raft_id id, bool threads,
                             struct store_error *error)
{
    struct store_options options = {.directory = directory,
                                    .id = id,
                                    .version = "test",
                                    .tail_bytes_max = 1000,
                                    .key_window = 100,
                                    .threads = threads};
    return store_open(&options, error);
}

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/raftsc-store-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"raft.db", "raft.db-wal", "raft.db-shm",
                                        "lock"};
    char path[128];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    return rmdir(directory);
}

static void run_sql(const char *sql)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/raft.db", directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Saves a few random ones, and closes. */
static void fill(struct model *model, int saves)
{
    struct store_error error = {0};
    struct prng prng;
    prng_seed(&prng, 1);
    *model = (struct model){.vote = RAFT_ID_NONE};
    struct store *store = open_as(1, false, &error);
    assert_non_null(store);
    for (int i = 0; i < saves; i++) {
        struct node_save save;
        model_next(&prng, model, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    store_close(store);
}

static void refuses(enum exit_status status, const char *word)
{
    struct store_error error = {0};
    assert_null(open_as(1, false, &error));
    assert_int_equal(error.status, status);
    if (strstr(error.text, word) == NULL) {
        fail_msg("'%s' does not name %s", error.text, word);
    }
}

static void what_was_saved_is_there_again(void **state)
{
    (void)state;
    static struct model model;
    struct store_error error = {0};
    fill(&model, 100);
    struct store *store = open_as(1, false, &error);
    assert_non_null(store);
    assert_true(model_matches(store, &model));
    assert_int_equal(store_start(store)->identity.boot, 2);
    store_close(store);
}

static void a_second_process_is_told_who_holds_it(void **state)
{
    (void)state;
    struct store_error error = {0};
    struct store *store = open_as(1, false, &error);
    assert_non_null(store);
    pid_t child = fork();
    if (child == 0) {
        char holder[32];
        snprintf(holder, sizeof(holder), "process %ld on", (long)getppid());
        bool refused = open_as(1, false, &error) == NULL;
        _exit(refused && error.status == EXIT_STATUS_IN_USE &&
                      strstr(error.text, holder) != NULL
                  ? 0
                  : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store_close(store);
}

static void another_nodes_data_is_refused(void **state)
{
    (void)state;
    struct store_error error = {0};
    store_close(open_as(1, false, &error));
    assert_null(open_as(2, false, &error));
    assert_int_equal(error.status, EXIT_STATUS_DAMAGED);
    assert_non_null(strstr(error.text, "belongs to node 1"));
}

static void a_foreign_or_damaged_file_is_refused(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/raft.db", directory);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    char rubbish[8192];
    memset(rubbish, 'x', sizeof(rubbish));
    assert_int_equal(write(fd, rubbish, sizeof(rubbish)), sizeof(rubbish));
    close(fd);
    refuses(EXIT_STATUS_DAMAGED, "damaged");
}

static void what_must_be_sound_is_checked_at_start(void **state)
{
    (void)state;
    static struct model model;
    static const struct {
        const char *sql;
        const char *word;
    } cases[] = {
        {"UPDATE log SET payload = x'78' WHERE idx ="
         " (SELECT max(idx) FROM log)",
         "is not what was saved"},
        {"UPDATE log SET chain = zeroblob(16) WHERE idx ="
         " (SELECT max(idx) FROM log)",
         "entry"},
        {"DELETE FROM log WHERE idx = 1", "entry 1 is missing"},
        {"DELETE FROM state WHERE name = 'term'", "'term'"},
        {"UPDATE state SET value = 'x' WHERE name = 'instance'", "'instance'"},
        {"DELETE FROM log WHERE idx > 3", "is missing"},
        {"UPDATE config_history SET record = x'78'", "config_history '"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill(&model, 40);
        run_sql(cases[i].sql);
        refuses(EXIT_STATUS_DAMAGED, cases[i].word);
        teardown(NULL);
        setup(NULL);
    }
}

/* ---- reading ------------------------------------------------------------ */

struct heard {
    unsigned saves;
    unsigned reads;
    enum node_read_result result;
    raft_index index;
    size_t count;
};

static void on_saved(void *context, enum node_save_result result)
{
    struct heard *heard = context;
    assert_int_equal(result, NODE_SAVE_OK);
    heard->saves++;
}

static void on_read(void *context, struct node_read_answer *answer)
{
    struct heard *heard = context;
    heard->reads++;
    heard->result = answer->result;
    heard->index = answer->index;
    heard->count = answer->entry_count;
    for (size_t i = 0; i < answer->entry_count; i++) {
        raft_entry_clear(&answer->entries[i]);
    }
    free(answer->entries);
}

static void wait_for(struct store *store, struct heard *heard,
                     const unsigned *count, unsigned wanted)
{
    struct store_answers answers = {
        .context = heard, .saved = on_saved, .read = on_read};
    while (*count < wanted) {
        struct pollfd ready = {.fd = store_fd(store), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 30000), 1);
        store_poll(store, &answers);
    }
}

static void a_flipped_bit_in_an_old_entry_is_found_when_it_is_read(void **state)
{
    (void)state;
    static struct model model;
    struct store_error error = {0};
    struct heard heard = {0};
    fill(&model, 200);
    assert_true(model.count > 100 && model.commit > 50);
    run_sql("UPDATE log SET unix_ms = unix_ms + 1 WHERE idx = 10");
    struct store *store = open_as(1, true, &error);
    assert_non_null(store);
    struct node_store node = store_node(store);
    struct node_read read = {
        .request = 1, .first = 5, .last = 20, .bytes_max = 1 << 20};
    node.read(node.context, &read);
    wait_for(store, &heard, &heard.reads, 1);
    assert_int_equal(heard.result, NODE_READ_CORRUPT);
    assert_int_equal(heard.index, 10);
    assert_int_equal(heard.count, 5);
    store_close(store);
}

static void threads_save_and_read_side_by_side(void **state)
{
    (void)state;
    static struct model model;
    struct store_error error = {0};
    struct heard heard = {0};
    struct prng prng;
    prng_seed(&prng, 2);
    model = (struct model){.vote = RAFT_ID_NONE};
    struct store *store = open_as(1, true, &error);
    assert_non_null(store);
    struct node_store node = store_node(store);
    for (unsigned i = 0; i < 200; i++) {
        struct node_save save;
        model_next(&prng, &model, &save);
        node.save(node.context, &save);
        struct node_read read = {
            .request = i, .first = 1, .last = 100, .bytes_max = 5000};
        node.read(node.context, &read);
        wait_for(store, &heard, &heard.saves, i + 1);
        raft_save_clear(&save.log);
    }
    wait_for(store, &heard, &heard.reads, 200);
    struct node_store_stats stats;
    node.stats(node.context, &stats);
    assert_int_equal(stats.saves, 200);
    assert_true(stats.save_p50_us <= stats.save_p99_us);
    assert_true(stats.db_bytes > 0);
    store_close(store);
    store = open_as(1, false, &error);
    assert_true(model_matches(store, &model));
    store_close(store);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(what_was_saved_is_there_again),
        WITH_FILES(a_second_process_is_told_who_holds_it),
        WITH_FILES(another_nodes_data_is_refused),
        WITH_FILES(a_foreign_or_damaged_file_is_refused),
        WITH_FILES(what_must_be_sound_is_checked_at_start),
        WITH_FILES(a_flipped_bit_in_an_old_entry_is_found_when_it_is_read),
        WITH_FILES(threads_save_and_read_side_by_side),
    };
    return RUN(tests);
}
