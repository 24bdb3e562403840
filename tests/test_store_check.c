/* Looking into a directory at rest, and finding what is wrong with it. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "store/offline.h"
#include "store_model.h"
#include "store_place.h"

static struct model model;

/* Some entries and configurations, saved and closed. */
static void fill(void)
{
    struct store_error error = {0};
    struct prng prng;
    prng_seed(&prng, 1);
    model = (struct model){.vote = RAFT_ID_NONE};
    struct store *store = place_open(1, &error);
    assert_non_null(store);
    for (int i = 0; i < 60; i++) {
        struct node_save save;
        model_next(&prng, &model, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    store_close(store);
    assert_true(model.count > 30);
    place_set_cluster();
}

struct told {
    char text[8192];
};

static void hear(void *context, const char *text)
{
    struct told *told = context;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof(told->text) - used, "%s\n", text);
}

/* All problems as text; false: it could not be opened or checked. */
static bool verify(struct told *told, struct offline_verdict *verdict)
{
    struct store_error error = {0};
    struct offline *offline = offline_open(place_directory, &error);
    told->text[0] = '\0';
    bool done =
        offline != NULL && offline_verify(offline, hear, told, verdict, &error);
    offline_close(offline);
    if (!done) {
        hear(told, error.text);
    }
    return done;
}

static void what_was_saved_is_sound(void **state)
{
    (void)state;
    struct told told;
    struct offline_verdict verdict;
    fill();
    assert_true(verify(&told, &verdict));
    assert_string_equal(told.text, "");
    assert_int_equal(verdict.rows, model.count);
    assert_int_equal(verdict.last, model.count);
    assert_true(digest_equal(verdict.chain, model.chains[model.count - 1]));
}

static void finds(const char *sql, const char *word)
{
    struct told told;
    struct offline_verdict verdict = {0};
    if (!verify(&told, &verdict) || verdict.problems == 0) {
        fail_msg("'%s' was not found", sql);
    }
    if (strstr(told.text, word) == NULL) {
        fail_msg("'%s' is told as\n%s", sql, told.text);
    }
}

/* One line of SQL does what a bad disk might. */
static void every_wrong_byte_is_found_and_named(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        const char *word;
    } cases[] = {
        {"UPDATE log SET term = term + 1 WHERE idx = 10", "entry 10: its che"},
        {"UPDATE log SET kind = 3 WHERE idx = 10", "entry 10: its checksum"},
        {"UPDATE log SET flags = 0 WHERE idx = 10", "entry 10: its checksum"},
        {"UPDATE log SET unix_ms = 1 WHERE idx = 10", "entry 10: its check"},
        {"UPDATE log SET key = x'61' WHERE idx = 10", "entry 10: its checksum"},
        {"UPDATE log SET payload = CAST(payload || 'x' AS BLOB) WHERE idx = 10",
         "entry 10: its checksum"},
        {"UPDATE log SET checksum = checksum + 1 WHERE idx = 10",
         "entry 10: its checksum"},
        {"UPDATE log SET chain = zeroblob(16) WHERE idx = 10",
         "entry 10: the chain of digests breaks"},
        {"UPDATE log SET commit_idx = 0 WHERE idx = 50", "entry 50: its che"},
        {"DELETE FROM log WHERE idx = 10", "entry 10 is missing"},
        {"DELETE FROM log WHERE idx = 1", "entry 1 is missing"},
        {"UPDATE log SET idx = 100000 WHERE idx = 10", "entry 10 is missing"},
        {"UPDATE log SET commit_idx = commit_idx + 1 WHERE idx ="
         " (SELECT max(idx) FROM log)",
         "its checksum"},
        {"DROP INDEX log_keys", "tables and indexes are not those"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill();
        place_sql(cases[i].sql);
        finds(cases[i].sql, cases[i].word);
        place_clear();
    }
}

/* Also what no checksum can tell: a program that saved nonsense. */
static void tables_that_do_not_agree_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        const char *word;
    } cases[] = {
        {"UPDATE state SET value = '00112233445566778899aabbccddeeff'"
         " WHERE name = 'cluster_id'",
         "the cluster's id is not that of entry 1"},
        {"UPDATE config_history SET members = 'x'", "members are not those"},
        {"UPDATE config_history SET term = term + 1",
         "is a configuration that config_history does not hold"},
        {"UPDATE config_history SET unix_ms = unix_ms + 1",
         "is a configuration that config_history does not hold"},
        {"DELETE FROM config_history WHERE idx ="
         " (SELECT min(idx) FROM config_history)",
         "is a configuration that config_history does not hold"},
        {"UPDATE config_history SET idx = 100000 WHERE idx ="
         " (SELECT max(idx) FROM config_history)",
         "entry 100000 is missing, or no configuration"},
        {"UPDATE config_history SET record = CAST(record || 'x' AS BLOB)",
         "is a configuration that config_history does not hold"},
        {"UPDATE state SET value = 1 WHERE name = 'term'", "state: its term"},
        {"UPDATE state SET value = 9999999 WHERE name = 'ack'",
         "the app acknowledged"},
        {"UPDATE state SET value = 'abc' WHERE name = 'instance'",
         "'instance'"},
        {"INSERT INTO keys VALUES (7, x'61', 0)",
         "keys: entries 7..7 are not all between 0 and 0"},
        {"UPDATE state SET value = 3 WHERE name = 'keys_forgotten'",
         "keys_forgotten"},
        {"UPDATE state SET value = 1000000 WHERE name = 'commit'",
         "entry 1000000 is missing, though it was committed"},
        {"UPDATE state SET value = 5 WHERE name = 'base_index'", "entry 6"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill();
        place_saved(cases[i].sql);
        finds(cases[i].sql, cases[i].word);
        place_clear();
    }
}

static void one_wrong_byte_in_an_entry_is_one_problem(void **state)
{
    (void)state;
    struct told told;
    struct offline_verdict verdict;
    fill();
    place_sql("UPDATE log SET payload = x'78' WHERE idx IN"
              " (SELECT idx FROM log WHERE kind = 1 LIMIT 2 OFFSET 5)");
    assert_true(verify(&told, &verdict));
    assert_int_equal(verdict.problems, 2);
    assert_non_null(strstr(told.text, ": its checksum is wrong\nentry "));
}

/* A page of the file that is not what SQLite wrote. */
static void a_damaged_file_is_found(void **state)
{
    (void)state;
    struct told told;
    struct offline_verdict verdict = {0};
    char path[128];
    fill();
    place_sql("PRAGMA wal_checkpoint(TRUNCATE)");
    snprintf(path, sizeof(path), "%s/raft.db", place_directory);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 3 * 4096, SEEK_SET);
    for (int i = 0; i < 4096; i++) {
        fputc(0x55, file);
    }
    fclose(file);
    bool done = verify(&told, &verdict);
    assert_true(!done || verdict.problems > 0);
    assert_true(strlen(told.text) > 0);
}

static void looking_changes_no_file(void **state)
{
    (void)state;
    struct told told;
    struct offline_verdict verdict;
    struct stat before;
    struct stat after;
    char path[128];
    fill();
    snprintf(path, sizeof(path), "%s/raft.db", place_directory);
    assert_int_equal(stat(path, &before), 0);
    assert_true(verify(&told, &verdict));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void
a_directory_in_use_and_one_without_a_database_are_refused(void **state)
{
    (void)state;
    struct store_error error = {0};
    assert_null(offline_open(place_directory, &error));
    assert_non_null(strstr(error.text, "raft.db"));
    struct store *store = place_open(1, &error);
    assert_null(offline_open(place_directory, &error));
    assert_int_equal(error.status, EXIT_STATUS_IN_USE);
    store_close(store);
    struct offline *offline = offline_open(place_directory, &error);
    assert_non_null(offline);
    assert_null(place_open(1, &error));
    assert_int_equal(error.status, EXIT_STATUS_IN_USE);
    offline_close(offline);
}

/* ---- a disk that does not give what is on it ---------------------------- */

/* SQLite's own file system, but for a read that fails: the one that this counts
 * down to. */
static unsigned fails_in;
static const sqlite3_io_methods *sound_methods;
static sqlite3_io_methods failing_methods;
static sqlite3_vfs *sound_vfs;

static int read_or_fail(sqlite3_file *file, void *buffer, int size,
                        sqlite3_int64 offset)
{
    if (fails_in > 0 && --fails_in == 0) {
        return SQLITE_IOERR_READ;
    }
    return sound_methods->xRead(file, buffer, size, offset);
}

static int open_failing(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                        int flags, int *out_flags)
{
    int code = sound_vfs->xOpen(vfs, name, file, flags, out_flags);
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
        sound_methods = file->pMethods;
        failing_methods = *sound_methods;
        failing_methods.xRead = read_or_fail;
        file->pMethods = &failing_methods;
    }
    return code;
}

/* What could not be looked at is not sound. */
static void a_read_that_fails_is_told(void **state)
{
    (void)state;
    struct told told;
    struct offline_verdict verdict;
    sqlite3_vfs failing;
    fill();
    sound_vfs = sqlite3_vfs_find(NULL);
    failing = *sound_vfs;
    failing.zName = "failing";
    failing.xOpen = open_failing;
    sqlite3_vfs_register(&failing, 1);
    sqlite3_soft_heap_limit64(1); /* no page stays in memory */
    unsigned read = 0;
    bool came = true;
    bool told_all = true;
    while (came && told_all) {
        fails_in = ++read;
        told_all = !verify(&told, &verdict) || verdict.problems > 0;
        came = fails_in == 0;
    }
    fails_in = 0;
    sqlite3_soft_heap_limit64(0);
    sqlite3_vfs_unregister(&failing);
    sqlite3_vfs_register(sound_vfs, 1);
    if (came) {
        fail_msg("read %u failed, and all is said to be sound", read);
    }
    assert_true(read > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(what_was_saved_is_sound),
        WITH_PLACE(every_wrong_byte_is_found_and_named),
        WITH_PLACE(tables_that_do_not_agree_are_found),
        WITH_PLACE(one_wrong_byte_in_an_entry_is_one_problem),
        WITH_PLACE(a_damaged_file_is_found),
        WITH_PLACE(looking_changes_no_file),
        WITH_PLACE(a_read_that_fails_is_told),
        WITH_PLACE(a_directory_in_use_and_one_without_a_database_are_refused),
    };
    return RUN(tests);
}
