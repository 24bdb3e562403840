/* Backups, what is restored from them, and a history that begins anew. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "store/internal.h"
#include "store_model.h"
#include "store_place.h"

static struct model model;
static char file[128];     /* the backup */
static char directory[64]; /* restored */

static int setup(void **state)
{
    snprintf(directory, sizeof(directory), "/tmp/raftsc-restored-XXXXXX");
    if (place_setup(state) != 0 || mkdtemp(directory) == NULL) {
        return 1;
    }
    snprintf(file, sizeof(file), "%s.backup", place_directory);
    return 0;
}

static void clear_restored(void)
{
    static const char *const names[] = {"raft.db", "raft.db-wal", "raft.db-shm",
                                        "lock"};
    char path[128];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
}

static int teardown(void **state)
{
    unlink(file);
    clear_restored();
    return place_teardown(state) != 0 || rmdir(directory) != 0;
}

#define WITH_BOTH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void fill(int saves)
{
    struct store_error error = {0};
    struct prng prng;
    prng_seed(&prng, 1);
    model = (struct model){.vote = RAFT_ID_NONE};
    struct store *store = place_open(1, &error);
    assert_non_null(store);
    for (int i = 0; i < saves; i++) {
        struct node_save save;
        model_next(&prng, &model, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    store_close(store);
    place_set_cluster();
}

/* Rows up to `index` are gone, and the base says so. */
static void compact(raft_index index)
{
    char sql[1024];
    snprintf(sql, sizeof(sql),
             "UPDATE state SET value = %llu WHERE name = 'base_index';"
             "UPDATE state SET value = (SELECT term FROM log WHERE idx = %llu)"
             " WHERE name = 'base_term';"
             "UPDATE state SET value = (SELECT lower(hex(chain)) FROM log"
             " WHERE idx = %llu) WHERE name = 'base_chain';"
             "UPDATE state SET value = (SELECT unix_ms FROM log"
             " WHERE idx = %llu) WHERE name = 'base_unix_ms';"
             "DELETE FROM log WHERE idx <= %llu;",
             (unsigned long long)index, (unsigned long long)index,
             (unsigned long long)index, (unsigned long long)index,
             (unsigned long long)index);
    place_saved(sql);
}

static void hear(void *context, const char *text)
{
    (void)context;
    fail_msg("%s", text);
}

/* It is sound; what it ends with. */
static struct offline_verdict sound(const char *path)
{
    struct store_error error = {0};
    struct offline_verdict verdict = {0};
    struct offline *offline = offline_open(path, &error);
    if (offline == NULL ||
        !offline_verify(offline, hear, NULL, &verdict, &error)) {
        fail_msg("%s", error.text);
    }
    offline_close(offline);
    return verdict;
}

static bool back_up(raft_index last, raft_index *written,
                    struct store_error *error)
{
    struct offline *offline = offline_open(place_directory, error);
    assert_non_null(offline);
    bool done = offline_backup(offline, last, file, "test", written, error);
    offline_close(offline);
    return done;
}

static struct store *open_restored(raft_id id, struct store_error *error)
{
    struct store_options options = {.directory = directory,
                                    .id = id,
                                    .address = "here:7000",
                                    .version = "test",
                                    .tail_bytes_max = 1000};
    return store_open(&options, error);
}

/* ---- backup ------------------------------------------------------------- */

static void a_backup_has_the_log_and_no_identity(void **state)
{
    (void)state;
    struct store_error error = {0};
    raft_index written = 0;
    fill(60);
    assert_true(back_up(0, &written, &error));
    assert_int_equal(written, model.count);
    struct offline_verdict verdict = sound(file);
    assert_int_equal(verdict.rows, model.count);
    assert_true(digest_equal(verdict.chain, model.chains[model.count - 1]));
    struct offline *offline = offline_open(file, &error);
    const struct node_start *start = offline_start(offline, &error);
    assert_non_null(start);
    assert_int_equal(start->identity.instance, 0);
    assert_int_equal(start->identity.boot, 0);
    assert_true(start->identity.id == RAFT_ID_NONE);
    assert_true(start->raft.vote == RAFT_ID_NONE);
    assert_int_equal(start->raft.term, model.term);
    assert_int_equal(start->raft.commit, model.commit);
    assert_int_equal(start->ack, 0);
    offline_close(offline);
}

static void a_backup_ends_where_it_should(void **state)
{
    (void)state;
    struct store_error error = {0};
    raft_index written = 0;
    fill(60);
    raft_index last = model.count / 2;
    assert_true(back_up(last, &written, &error));
    assert_int_equal(written, last);
    struct offline_verdict verdict = sound(file);
    assert_int_equal(verdict.last, last);
    assert_true(digest_equal(verdict.chain, model.chains[last - 1]));
    assert_false(back_up(last, &written, &error));
    assert_non_null(strstr(error.text, "there already"));
    unlink(file);
    assert_false(back_up(model.count + 1, &written, &error));
    assert_non_null(strstr(error.text, "not in it"));
    assert_int_equal(access(file, F_OK), -1);
}

static void a_backup_of_a_compacted_log_has_its_base(void **state)
{
    (void)state;
    struct store_error error = {0};
    raft_index written = 0;
    fill(60);
    compact(20);
    sound(place_directory);
    assert_true(back_up(0, &written, &error));
    struct offline_verdict verdict = sound(file);
    assert_int_equal(verdict.rows, model.count - 20);
    assert_true(digest_equal(verdict.chain, model.chains[model.count - 1]));
    assert_true(offline_restore(file, directory, "", "test", &error));
    struct store *store = open_restored(5, &error);
    if (store == NULL) {
        fail_msg("%s", error.text);
    }
    const struct node_start *start = store_start(store);
    assert_int_equal(start->raft.base.index, 20);
    assert_int_equal(start->raft.last, model.count + 1);
    assert_true(start->raft.config_count > 1);
    assert_true(start->raft.configs[0].index <= 20);
    store_close(store);
    sound(directory);
}

static void nothing_is_left_of_a_backup_that_fails(void **state)
{
    (void)state;
    struct store_error error = {0};
    raft_index written = 0;
    fill(60);
    place_sql("UPDATE log SET unix_ms = 1 WHERE idx = 15");
    assert_false(back_up(0, &written, &error));
    assert_non_null(strstr(error.text, "entry 15 is damaged"));
    place_sql("DELETE FROM log WHERE idx = 15");
    assert_false(back_up(0, &written, &error));
    assert_non_null(strstr(error.text, "entry 15 is missing"));
    char command[256];
    snprintf(command, sizeof(command), "test -z \"$(ls -d %s* 2>/dev/null)\"",
             file);
    assert_int_not_equal(access(file, F_OK), 0);
    assert_int_equal(system(command), 0);
}

/* ---- restore ------------------------------------------------------------ */

static void check_new_beginning(const struct node_start *start, raft_id id)
{
    struct raft_config config;
    const struct raft_start *raft = &start->raft;
    assert_int_equal(start->identity.id, id);
    assert_true(start->identity.instance != 0);
    assert_true(start->identity.epoch != 0);
    assert_true(start->identity.epoch < (uint64_t)1 << 53);
    assert_int_equal(raft->term, model.term + OFFLINE_TERM_LEAP);
    assert_true(raft->vote == RAFT_ID_NONE);
    assert_int_equal(raft->last, model.count + 1);
    const struct raft_config_entry *last =
        &raft->configs[raft->config_count - 1];
    assert_int_equal(last->index, raft->last);
    assert_int_equal(last->term, raft->term);
    assert_true(
        raft_config_decode(last->payload->data, last->payload->size, &config));
    assert_int_equal(raft_config_voters(&config, false), 1);
    const struct raft_member *self = raft_config_find(&config, id);
    assert_non_null(self);
    assert_int_equal(self->role, RAFT_MEMBER_VOTER);
    assert_true(self->instance == start->identity.instance);
}

static void a_restored_directory_is_the_first_nodes_that_starts(void **state)
{
    (void)state;
    struct store_error error = {0};
    raft_index written = 0;
    fill(60);
    assert_true(back_up(0, &written, &error));
    assert_true(offline_restore(file, directory, "", "test", &error));
    assert_false(offline_restore(file, directory, "", "test", &error));
    assert_non_null(strstr(error.text, "is not empty"));
    sound(directory);
    struct store *store = open_restored(5, &error);
    if (store == NULL) {
        fail_msg("%s", error.text);
    }
    check_new_beginning(store_start(store), 5);
    uint64_t epoch = store_start(store)->identity.epoch;
    store_close(store);
    sound(directory);
    store = open_restored(5, &error);
    assert_non_null(store);
    check_new_beginning(store_start(store), 5);
    assert_true(store_start(store)->identity.epoch == epoch);
    store_close(store);
    assert_null(open_restored(6, &error));
    assert_non_null(strstr(error.text, "belongs to node 5"));
}

static void two_restored_directories_are_two_clusters(void **state)
{
    (void)state;
    struct store_error error = {0};
    raft_index written = 0;
    uint64_t epochs[2];
    uint64_t instances[2];
    fill(60);
    assert_true(back_up(0, &written, &error));
    for (int i = 0; i < 2; i++) {
        clear_restored();
        assert_true(offline_restore(file, directory, "", "test", &error));
        struct store *store = open_restored(5, &error);
        assert_non_null(store);
        epochs[i] = store_start(store)->identity.epoch;
        instances[i] = store_start(store)->identity.instance;
        store_close(store);
    }
    assert_true(epochs[0] != epochs[1]);
    assert_true(instances[0] != instances[1]);
}

static void a_restored_node_must_be_among_its_members(void **state)
{
    (void)state;
    struct store_error error = {0};
    raft_index written = 0;
    fill(60);
    assert_true(back_up(0, &written, &error));
    assert_true(offline_restore(file, directory, "5=a:1, 6=b:1, 7=c:1/learner",
                                "test", &error));
    assert_null(open_restored(4, &error));
    assert_int_equal(error.status, EXIT_STATUS_CONFIG);
    assert_non_null(strstr(error.text, "node 4 is not a voter"));
    assert_null(open_restored(7, &error));
    struct store *store = open_restored(6, &error);
    assert_non_null(store);
    const struct node_start *start = store_start(store);
    check_new_beginning(start, 6);
    struct raft_config config;
    const struct blob *payload =
        start->raft.configs[start->raft.config_count - 1].payload;
    assert_true(raft_config_decode(payload->data, payload->size, &config));
    assert_int_equal(config.count, 3);
    assert_int_equal(config.members[0].role, RAFT_MEMBER_LEARNER);
    assert_int_equal(config.members[0].instance, 0);
    store_close(store);
}

/* The database of a node becomes a backup of it. */
static void strip(int version)
{
    place_sql("DELETE FROM state WHERE name IN ('instance', 'boot');"
              "UPDATE state SET value = NULL"
              " WHERE name IN ('node_id', 'vote')");
    if (version < 3) {
        place_sql("INSERT INTO state VALUES ('backup', 1)");
    } else {
        place_saved("INSERT INTO state VALUES ('backup', 1, 0)");
    }
    place_sql("PRAGMA journal_mode = DELETE");
}

static void backups_of_every_version_are_restored(void **state)
{
    (void)state;
    for (int version = 1; version <= SCHEMA_VERSION; version++) {
        struct store_error error = {0};
        char path[128];
        place_schema(version);
        strip(version);
        snprintf(path, sizeof(path), "%s/raft.db", place_directory);
        if (!offline_restore(path, directory, "", "test", &error)) {
            fail_msg("version %d: %s", version, error.text);
        }
        struct store *store = open_restored(3, &error);
        assert_non_null(store);
        assert_int_equal(store_start(store)->raft.last, 7);
        store_close(store);
        sound(directory);
        place_clear();
        clear_restored();
    }
}

static void what_is_no_sound_backup_is_not_restored(void **state)
{
    (void)state;
    struct store_error error = {0};
    raft_index written = 0;
    char path[128];
    fill(60);
    snprintf(path, sizeof(path), "%s/raft.db", place_directory);
    place_sql("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_false(offline_restore(path, directory, "", "test", &error));
    assert_non_null(strstr(error.text, "is not a backup"));
    assert_false(offline_restore("/dev/null", directory, "", "test", &error));
    assert_true(back_up(0, &written, &error));
    assert_int_equal(truncate(file, 8192), 0);
    assert_false(offline_restore(file, directory, "", "test", &error));
    snprintf(path, sizeof(path), "%s/raft.db", directory);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* ---- recover ------------------------------------------------------------ */

static void a_recovered_node_votes_alone_in_a_new_epoch(void **state)
{
    (void)state;
    struct store_error error = {0};
    struct raft_config members;
    char why[256];
    fill(60);
    assert_true(
        raft_config_parse("1=a:1, 2=b:1, 3=c:1", &members, why, sizeof(why)));
    assert_true(offline_recover(place_directory, 1, &members,
                                model.term + OFFLINE_TERM_LEAP,
                                offline_new_epoch(), "test", &error));
    struct offline_verdict verdict = sound(place_directory);
    assert_int_equal(verdict.last, model.count + 1);
    struct store *store = place_open(1, &error);
    assert_non_null(store);
    const struct node_start *start = store_start(store);
    check_new_beginning(start, 1);
    assert_int_equal(start->raft.commit, model.commit);
    assert_int_equal(start->ack, model.ack);
    store_close(store);
}

static void
a_node_that_is_no_voter_of_the_new_members_is_left_alone(void **state)
{
    (void)state;
    struct store_error error = {0};
    struct raft_config members;
    char why[256];
    fill(60);
    assert_true(
        raft_config_parse("1=a:1/learner, 2=b:1", &members, why, sizeof(why)));
    assert_false(offline_recover(place_directory, 1, &members, 1000000, 1,
                                 "test", &error));
    assert_int_equal(sound(place_directory).last, model.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOTH(a_backup_has_the_log_and_no_identity),
        WITH_BOTH(a_backup_ends_where_it_should),
        WITH_BOTH(a_backup_of_a_compacted_log_has_its_base),
        WITH_BOTH(nothing_is_left_of_a_backup_that_fails),
        WITH_BOTH(a_restored_directory_is_the_first_nodes_that_starts),
        WITH_BOTH(two_restored_directories_are_two_clusters),
        WITH_BOTH(a_restored_node_must_be_among_its_members),
        WITH_BOTH(backups_of_every_version_are_restored),
        WITH_BOTH(what_is_no_sound_backup_is_not_restored),
        WITH_BOTH(a_recovered_node_votes_alone_in_a_new_epoch),
        WITH_BOTH(a_node_that_is_no_voter_of_the_new_members_is_left_alone),
    };
    return RUN(tests);
}
