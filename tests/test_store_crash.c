/* The store, crashed at every write, truncation and sync of a workload. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "crash_vfs.h"
#include "store/internal.h"
#include "store_model.h"
#include "store_place.h"

#define SAVES 60

static char live[40];
static char image[64];

struct walk {
    struct model before; /* what was answered */
    struct model after;  /* with the save under way */
    uint64_t seed;
    unsigned images;
    bool inside; /* an image is being looked at */
};

static struct store *try_open(const char *directory, raft_id id,
                              struct store_error *error)
{
    struct store_options options = {.directory = directory,
                                    .id = id,
                                    .address = "here:7000",
                                    .version = "test",
                                    .tail_bytes_max = 5000,
                                    .key_window = 100,
                                    .vfs = "crash",
                                    .checkpoint_pages = 25,
                                    .instance_seed = 77};
    return store_open(&options, error);
}

static struct store *open_as(const char *directory, raft_id id)
{
    struct store_error error = {0};
    struct store *store = try_open(directory, id, &error);
    if (store == NULL) {
        fprintf(stderr, "%s\n", error.text);
    }
    return store;
}

static struct store *open_in(const char *directory)
{
    return open_as(directory, 1);
}

/* What a crash at this moment leaves is what was answered, or that and the
 * whole save that was under way. */
static void look(void *context, unsigned operation)
{
    struct walk *walk = context;
    if (walk->inside) {
        return;
    }
    walk->inside = true;
    for (uint64_t i = 0; i < 3; i++) {
        crash_vfs_image(live, image, walk->seed * 1000003 + operation * 3 + i);
        struct store *store = open_in(image);
        assert_non_null(store);
        bool old = model_matches(store, &walk->before);
        bool fresh = model_matches(store, &walk->after);
        if (!old && !fresh) {
            fprintf(stderr, "seed %llu, operation %u, image %llu\n",
                    (unsigned long long)walk->seed, operation,
                    (unsigned long long)i);
        }
        assert_true(old || fresh);
        store_close(store);
        walk->images++;
    }
    walk->inside = false;
}

static void make_directories(void)
{
    snprintf(live, sizeof(live), "/tmp/raftsc-store-XXXXXX");
    assert_non_null(mkdtemp(live));
    snprintf(image, sizeof(image), "%s-image", live);
    assert_int_equal(mkdir(image, 0700), 0);
    crash_vfs_register();
}

static void remove_directories(void)
{
    char path[128];
    const char *both[] = {live, image};
    for (int i = 0; i < 2; i++) {
        crash_vfs_forget(both[i]);
        snprintf(path, sizeof(path), "%s/lock", both[i]);
        unlink(path);
        rmdir(both[i]);
    }
}

static void walk_with(uint64_t seed, unsigned *images)
{
    static struct walk walk;
    struct prng prng;
    prng_seed(&prng, seed);
    walk = (struct walk){.seed = seed};
    walk.before.vote = RAFT_ID_NONE;
    walk.before.cuts = true;
    walk.before.installs = true;
    walk.after = walk.before;
    struct store *store = open_in(live);
    assert_non_null(store);
    crash_vfs_watcher(live, look, &walk);
    for (int i = 0; i < SAVES; i++) {
        struct node_save save;
        model_next(&prng, &walk.after, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        walk.before = walk.after;
        raft_save_clear(&save.log);
    }
    crash_vfs_watcher("", NULL, NULL);
    store_close(store);
    store = open_in(live);
    assert_true(model_matches(store, &walk.before));
    store_close(store);
    *images += walk.images;
}

static void no_crash_loses_or_halves_what_was_answered(void **state)
{
    (void)state;
    unsigned images = 0;
    make_directories();
    for (uint64_t seed = 1; seed <= 3; seed++) {
        crash_vfs_forget(live);
        walk_with(seed, &images);
    }
    printf("%u crashes\n", images);
    assert_true(images > 1000);
    remove_directories();
}

/* Also the very first start, and every later one, can be cut off anywhere. */
static void look_at_start(void *context, unsigned operation)
{
    struct walk *walk = context;
    if (walk->inside) {
        return;
    }
    walk->inside = true;
    crash_vfs_image(live, image, operation);
    struct store *store = open_in(image);
    assert_non_null(store);
    assert_true(model_matches(store, &walk->before));
    store_close(store);
    walk->images++;
    walk->inside = false;
}

static void a_start_can_be_cut_off_anywhere(void **state)
{
    (void)state;
    static struct walk walk;
    make_directories();
    walk = (struct walk){0};
    walk.before.vote = RAFT_ID_NONE;
    crash_vfs_watcher(live, look_at_start, &walk);
    store_close(open_in(live));
    store_close(open_in(live));
    crash_vfs_watcher("", NULL, NULL);
    assert_true(walk.images > 10);
    remove_directories();
}

/* A save that finds no room, at any write, leaves what was; the same save
 * succeeds later. */
static void a_full_disk_is_survived_at_every_write(void **state)
{
    (void)state;
    static struct model model;
    struct prng prng;
    unsigned refused = 0;
    make_directories();
    prng_seed(&prng, 4);
    model =
        (struct model){.vote = RAFT_ID_NONE, .cuts = true, .installs = true};
    struct store *store = open_in(live);
    for (unsigned i = 0; i < 200; i++) {
        struct node_save save;
        model_next(&prng, &model, &save);
        crash_vfs_fill(i % 12 + 1);
        enum node_save_result result = model_save(store, &save);
        refused += result == NODE_SAVE_NO_ROOM;
        crash_vfs_fill(0);
        if (result == NODE_SAVE_NO_ROOM) {
            assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        }
        raft_save_clear(&save.log);
    }
    store_close(store);
    store = open_in(live);
    assert_true(model_matches(store, &model));
    store_close(store);
    assert_true(refused > 50);
    remove_directories();
}

/* ---- a sync that fails -------------------------------------------------- */

static struct walk doomed;
static struct store *doomed_store;

static bool is_as_answered(const char *directory)
{
    struct store *store = open_in(directory);
    bool as_answered = store != NULL && (model_matches(store, &doomed.before) ||
                                         model_matches(store, &doomed.after));
    store_close(store);
    return as_answered;
}

/* The process is about to end.  What was answered is there after a power loss
 * now; and after one that comes when the next process has started on what only
 * the cache has. */
static void look_behind_the_end(void)
{
    crash_vfs_image(live, image, doomed.seed);
    bool now = is_as_answered(image);
    place_release(doomed_store);
    crash_vfs_end_process(live);
    bool restarted = is_as_answered(live);
    crash_vfs_image(live, image, doomed.seed);
    if (!now || !restarted || !is_as_answered(image)) {
        fprintf(stderr, "sync %llu\n", (unsigned long long)doomed.seed);
        _exit(EXIT_FAILURE);
    }
}

static void save_with_failing_sync(unsigned sync)
{
    struct prng prng;
    prng_seed(&prng, 7);
    doomed = (struct walk){.seed = sync};
    doomed.before.vote = RAFT_ID_NONE;
    doomed.before.cuts = true;
    doomed.before.installs = true;
    doomed.after = doomed.before;
    doomed_store = open_in(live);
    atexit(look_behind_the_end);
    crash_vfs_fail_sync(sync);
    for (int i = 0; i < SAVES && doomed_store != NULL; i++) {
        struct node_save save;
        model_next(&prng, &doomed.after, &save);
        if (model_save(doomed_store, &save) != NODE_SAVE_OK) {
            _exit(EXIT_FAILURE);
        }
        doomed.before = doomed.after;
        raft_save_clear(&save.log);
    }
    /* Where it failed, there is no process any more that could get here. */
    _exit(crash_vfs_fail_sync(0) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int status_with_failing_sync(unsigned sync)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        save_with_failing_sync(sync);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_failed_sync_is_final_wherever_it_fails(void **state)
{
    (void)state;
    unsigned sync = 1;
    make_directories();
    while (status_with_failing_sync(sync) == EXIT_STATUS_DISK) {
        sync++;
    }
    assert_int_equal(status_with_failing_sync(sync), EXIT_SUCCESS);
    printf("%u syncs\n", sync - 1);
    assert_true(sync > SAVES);
    remove_directories();
}

/* ---- a read that fails -------------------------------------------------- */

static void crash_sql(const char *sql)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/raft.db", live);
    assert_int_equal(sqlite3_open_v2(path, &db,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     "crash"),
                     SQLITE_OK);
    assert_true(checksum_define(db));
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_failed_read_is_not_taken_for_damage(void **state)
{
    (void)state;
    static struct model model;
    struct prng prng;
    make_directories();
    prng_seed(&prng, 5);
    model = (struct model){.vote = RAFT_ID_NONE};
    struct store *store = open_in(live);
    while (model.count < 20) {
        struct node_save save;
        model_next(&prng, &model, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    crash_vfs_fail_reads(true);
    assert_int_equal(model_read_one(store, 1), NODE_READ_FAILED);
    assert_int_equal(model_read_one(store, 10), NODE_READ_FAILED);
    crash_vfs_fail_reads(false);
    assert_int_equal(model_read_one(store, 1), NODE_READ_OK);
    assert_int_equal(model_read_one(store, 10), NODE_READ_OK);
    store_close(store);
    remove_directories();
}

/* What a start has found, apart from what model_matches() compares. */
static struct digest found_at_start(const struct store *store)
{
    const struct raft_start *raft = &store_start(store)->raft;
    struct buf found = {0};
    buf_append(&found, raft->keys, raft->keys_size);
    buf_append(&found, raft->others, raft->other_count * sizeof(raft_index));
    buf_append(&found, raft->runs, raft->run_count * sizeof(struct raft_run));
    for (size_t i = 0; i < raft->config_count; i++) {
        const struct raft_config_entry *config = &raft->configs[i];
        buf_append(&found, &config->index, sizeof(config->index));
        buf_append(&found, config->payload->data, config->payload->size);
    }
    for (size_t i = 0; i < raft->tail_count; i++) {
        buf_append(&found, raft->tail[i].chain.bytes, DIGEST_SIZE);
    }
    struct digest digest = digest_of(found.data, found.size);
    buf_free(&found);
    return digest;
}

/* One that fails to read knows nothing: it neither begins with less than there
 * is, nor calls it damaged.  SQLite keeps so few pages that it reads most of
 * them more than once. */
static void a_read_that_fails_fails_the_start(void **state)
{
    (void)state;
    static struct model model;
    struct store_error error = {0};
    struct prng prng;
    unsigned read = 0;
    unsigned refused = 0;
    bool failed = true;
    make_directories();
    crash_sql("PRAGMA page_size = 512; VACUUM; PRAGMA default_cache_size = 1");
    prng_seed(&prng, 8);
    model =
        (struct model){.vote = RAFT_ID_NONE, .cuts = true, .installs = true};
    struct store *store = open_in(live);
    for (int i = 0; i < 2 * SAVES; i++) {
        struct node_save save;
        model_next(&prng, &model, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    store_close(store);
    store = open_in(live);
    struct digest found = found_at_start(store);
    store_close(store);
    while (failed) {
        crash_vfs_fail_read(++read);
        store = try_open(live, 1, &error);
        failed = !crash_vfs_fail_read(0);
        assert_true(store != NULL || error.status == EXIT_STATUS_DISK);
        refused += store == NULL;
        if (store != NULL) {
            assert_true(digest_equal(found_at_start(store), found));
            assert_true(model_matches(store, &model));
        }
        store_close(store);
    }
    printf("%u of %u reads\n", refused, read - 1);
    assert_true(refused > 100);
    store = open_in(live);
    assert_true(digest_equal(found_at_start(store), found));
    assert_true(model_matches(store, &model));
    store_close(store);
    remove_directories();
}

/* ---- a restored directory ----------------------------------------------- */

/* Whenever its first start is cut off, the next one makes this node, and
 * nobody else, the voter of the same epoch. */
static void look_at_restored(void *context, unsigned operation)
{
    struct walk *walk = context;
    struct raft_config config;
    if (walk->inside) {
        return;
    }
    walk->inside = true;
    crash_vfs_image(live, image, operation);
    struct store *store = open_in(image);
    assert_non_null(store);
    const struct node_start *start = store_start(store);
    const struct raft_start *raft = &start->raft;
    const struct raft_config_entry *last =
        &raft->configs[raft->config_count - 1];
    assert_int_equal(start->identity.id, 1);
    assert_true(start->identity.epoch == 7);
    assert_int_equal(raft->term, 1000);
    assert_int_equal(last->index, raft->last);
    assert_true(raft->last == walk->before.count + 1 ||
                raft->last == walk->before.count + 2);
    assert_true(
        raft_config_decode(last->payload->data, last->payload->size, &config));
    assert_int_equal(config.count, 1);
    assert_true(config.members[0].instance == start->identity.instance);
    store_close(store);
    walk->images++;
    walk->inside = false;
}

static void
the_first_start_after_a_restore_can_be_cut_off_anywhere(void **state)
{
    (void)state;
    static struct walk walk;
    struct prng prng;
    make_directories();
    prng_seed(&prng, 6);
    walk = (struct walk){0};
    walk.before.vote = RAFT_ID_NONE;
    struct store *store = open_in(live);
    while (walk.before.count < 20) {
        struct node_save save;
        model_next(&prng, &walk.before, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    store_close(store);
    crash_sql(STATE_PUT("('node_id', NULL), ('vote', NULL), ('term', 1000),"
                        " ('epoch', '0000000000000007'), ('restored', '')"));
    crash_vfs_watcher(live, look_at_restored, &walk);
    store_close(open_in(live));
    crash_vfs_watcher("", NULL, NULL);
    assert_true(walk.images > 10);
    remove_directories();
}

/* ---- an older schema ---------------------------------------------------- */

/* What tests/store/ holds is there, as it was or upgraded: the next start makes
 * the same of both. */
static void look_at_upgraded(void *context, unsigned operation)
{
    struct walk *walk = context;
    if (walk->inside) {
        return;
    }
    walk->inside = true;
    crash_vfs_image(live, image, operation);
    struct store *store = open_as(image, 0);
    assert_non_null(store);
    const struct raft_start *raft = &store_start(store)->raft;
    assert_int_equal(raft->term, 2);
    assert_int_equal(raft->last, 6);
    assert_int_equal(raft->commit, 6);
    assert_int_equal(raft->config_count, 1);
    assert_int_equal(store_start(store)->ack, 3);
    store_close(store);
    walk->images++;
    walk->inside = false;
}

static void an_upgrade_can_be_cut_off_anywhere(void **state)
{
    (void)state;
    static struct walk walk;
    for (int version = 1; version < SCHEMA_VERSION; version++) {
        char *sql = place_schema_sql(version);
        make_directories();
        crash_sql(sql);
        free(sql);
        walk = (struct walk){0};
        crash_vfs_watcher(live, look_at_upgraded, &walk);
        struct store *store = open_as(live, 0);
        assert_non_null(store);
        store_close(store);
        crash_vfs_watcher("", NULL, NULL);
        assert_true(walk.images > 10);
        remove_directories();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_crash_loses_or_halves_what_was_answered),
        cmocka_unit_test(a_start_can_be_cut_off_anywhere),
        cmocka_unit_test(a_full_disk_is_survived_at_every_write),
        cmocka_unit_test(a_failed_sync_is_final_wherever_it_fails),
        cmocka_unit_test(a_failed_read_is_not_taken_for_damage),
        cmocka_unit_test(a_read_that_fails_fails_the_start),
        cmocka_unit_test(
            the_first_start_after_a_restore_can_be_cut_off_anywhere),
        cmocka_unit_test(an_upgrade_can_be_cut_off_anywhere),
    };
    return RUN(tests);
}
