/* Rot in what no peer can make good: it is found by the start, by verify, and
 * by whatever copies, wherever in the file it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/prng.h"
#include "check.h"
#include "store/internal.h"
#include "store_model.h"
#include "store_place.h"

/* Nothing here is about what a crash leaves, and waiting for the disk would be
 * most of the time: these take the places of libc's. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

/* What a node had saved, all of it in one file. */
static uint8_t *sound;
static size_t sound_size;

static void path_of(char *path, size_t size)
{
    snprintf(path, size, "%s/raft.db", place_directory);
}

static void put(const uint8_t *bytes, size_t size)
{
    char path[128];
    place_clear();
    path_of(path, sizeof(path));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void take(void)
{
    char path[128];
    struct stat found;
    path_of(path, sizeof(path));
    assert_int_equal(stat(path, &found), 0);
    sound_size = (size_t)found.st_size;
    sound = x_malloc(sound_size);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(sound, 1, sound_size, file), sound_size);
    fclose(file);
}

/* A log with a base, keys under it, and configurations on both sides. */
static void fill(void)
{
    static struct model model;
    struct store_error error = {0};
    struct prng prng;
    prng_seed(&prng, 9);
    model = (struct model){.vote = RAFT_ID_NONE};
    struct store *store = place_open(1, &error);
    assert_non_null(store);
    for (int i = 0; i < 40; i++) {
        struct node_save save;
        model.cuts = i > 10 && i < 24;
        model_next(&prng, &model, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    while (model.vote == RAFT_ID_NONE) {
        struct node_save save;
        model_next(&prng, &model, &save);
        assert_int_equal(model_save(store, &save), NODE_SAVE_OK);
        raft_save_clear(&save.log);
    }
    store_close(store);
    place_sql("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_true(place_number("SELECT count(*) FROM keys") > 3);
    assert_true(place_number("SELECT count(*) FROM config_history") > 3);
    assert_true(place_number("SELECT value FROM state"
                             " WHERE name = 'base_index'") > 0);
    take();
}

static int setup(void **state)
{
    if (place_setup(state) != 0) {
        return 1;
    }
    fill();
    return 0;
}

static int teardown(void **state)
{
    free(sound);
    sound = NULL;
    return place_teardown(state);
}

#define WITH_ROT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* ---- who finds it ------------------------------------------------------- */

static void keep(void *context, const char *text)
{
    char *first = context;
    if (first[0] == '\0') {
        snprintf(first, 512, "%s", text);
    }
}

/* The first problem; "": there is none. */
static void verify(char first[512])
{
    struct store_error error = {0};
    struct offline_verdict verdict = {0};
    struct offline *offline = offline_open(place_directory, &error);
    first[0] = '\0';
    if (offline == NULL ||
        !offline_verify(offline, keep, first, &verdict, &error)) {
        snprintf(first, 512, "%s", error.text);
    }
    offline_close(offline);
}

static bool back_up(bool live, struct store_error *error)
{
    char file[128];
    raft_index written = 0;
    struct offline *offline = live ? offline_open_live(place_directory, error)
                                   : offline_open(place_directory, error);
    snprintf(file, sizeof(file), "%s/backup", place_directory);
    bool done = offline != NULL &&
                offline_backup(offline, 0, file, "test", &written, error);
    offline_close(offline);
    assert_true(done == (access(file, F_OK) == 0));
    return done;
}

static void must_name(const char *sql, const char *who, const char *text,
                      const char *word)
{
    if (strstr(text, word) == NULL) {
        fail_msg("'%s': %s says '%s', without \"%s\"", sql, who, text, word);
    }
}

/* What one statement does to the file is found by everybody, and named. */
static void all_find(const char *sql, const char *word)
{
    char first[512];
    struct store_error error = {0};
    put(sound, sound_size);
    place_sql(sql);
    verify(first);
    must_name(sql, "verify", first, word);
    for (int live = 0; live < 2; live++) {
        if (back_up(live != 0, &error)) {
            fail_msg("'%s': it was copied", sql);
        }
        assert_int_equal(error.status, EXIT_STATUS_DAMAGED);
        must_name(sql, "backup", error.text, word);
    }
    struct store *store = place_open(1, &error);
    if (store != NULL) {
        fail_msg("'%s': a node starts on it", sql);
    }
    assert_int_equal(error.status, EXIT_STATUS_DAMAGED);
    must_name(sql, "the start", error.text, word);
    must_name(sql, "the start", error.text, "must be replaced");
}

/* ---- rows --------------------------------------------------------------- */

static void what_was_saved_is_found_sound(void **state)
{
    (void)state;
    char first[512];
    struct store_error error = {0};
    verify(first);
    assert_string_equal(first, "");
    assert_true(back_up(false, &error));
    put(sound, sound_size);
    assert_true(back_up(true, &error));
}

/* All that a value of the state may become: another, another type, nothing. */
static const char *const changes[] = {
    "UPDATE state SET value = CASE typeof(value)"
    " WHEN 'integer' THEN value + 1 WHEN 'null' THEN 1"
    " ELSE substr(value, 2) || substr(value, 1, 1) || ' ' END",
    "UPDATE state SET value = CASE typeof(value) WHEN 'null' THEN ''"
    " ELSE NULL END",
    "UPDATE state SET value = CASE typeof(value)"
    " WHEN 'integer' THEN CAST(value AS TEXT) ELSE 0 END",
    "UPDATE state SET value = CASE typeof(value)"
    " WHEN 'integer' THEN CAST(value AS REAL)"
    " ELSE CAST(coalesce(value, '') AS BLOB) END",
    "UPDATE state SET checksum = checksum + 1",
    "UPDATE state SET name = name || '_'",
    "DELETE FROM state",
};

static void no_row_of_the_state_may_change_or_go(void **state)
{
    (void)state;
    char names[64][32];
    int count = 0;
    sqlite3 *db = place_database();
    sqlite3_stmt *row = NULL;
    sqlite3_prepare_v2(db, "SELECT name FROM state", -1, &row, NULL);
    while (sqlite3_step(row) == SQLITE_ROW) {
        snprintf(names[count++], sizeof(names[0]), "%.31s",
                 (const char *)sqlite3_column_text(row, 0));
    }
    sqlite3_finalize(row);
    sqlite3_close(db);
    assert_int_equal(count, 25);
    for (int i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof(changes) / sizeof(changes[0]); j++) {
            char sql[400];
            char word[64];
            snprintf(sql, sizeof(sql), "%s WHERE name = '%.40s'", changes[j],
                     names[i]);
            snprintf(word, sizeof(word), "state '%.40s", names[i]);
            all_find(sql, word);
        }
    }
}

#define SOME(table)                                                            \
    " WHERE idx = (SELECT idx FROM " table " ORDER BY idx LIMIT 1 OFFSET 2)"
#define LAST(table) " WHERE idx = (SELECT max(idx) FROM " table ")"

static void no_key_may_change_or_go(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "UPDATE keys SET idx = 1 + idx" LAST("keys"),
        "UPDATE keys SET key = CAST('kez' AS BLOB)" SOME("keys"),
        "UPDATE keys SET checksum = checksum + 1" SOME("keys"),
        "INSERT INTO keys SELECT idx + 1000000, key, checksum"
        " FROM keys LIMIT 1",
        "DELETE FROM keys" SOME("keys"),
        "DELETE FROM keys" LAST("keys"),
        "DELETE FROM keys",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        all_find(cases[i], "keys");
    }
}

static void no_configuration_may_change_or_go(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "UPDATE config_history SET idx = 1 + idx" LAST("config_history"),
        "UPDATE config_history SET term = term + 1" SOME("config_history"),
        "UPDATE config_history"
        " SET unix_ms = unix_ms + 1" SOME("config_history"),
        "UPDATE config_history SET members ="
        " replace(members, '7000', '7001')" SOME("config_history"),
        "UPDATE config_history SET record = CAST(replace(CAST(record AS TEXT),"
        " 'a:7000', 'c:7000') AS BLOB)" SOME("config_history"),
        "UPDATE config_history"
        " SET checksum = checksum + 1" SOME("config_history"),
        "INSERT INTO config_history SELECT idx + 1000000, term, unix_ms,"
        " members, record, checksum FROM config_history LIMIT 1",
        "DELETE FROM config_history" SOME("config_history"),
        "DELETE FROM config_history" LAST("config_history"),
        "DELETE FROM config_history",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        all_find(cases[i], "config_history");
    }
}

/* ---- bits --------------------------------------------------------------- */

/* Every value of every row that a program would load, with its type; "": the
 * database cannot be read. */
static void read_content(struct buf *content)
{
    static const char *const queries[] = {
        "SELECT * FROM state ORDER BY name",
        "SELECT * FROM keys ORDER BY idx",
        "SELECT * FROM config_history ORDER BY idx",
        "SELECT * FROM log WHERE idx >"
        " (SELECT value FROM state WHERE name = 'base_index') ORDER BY idx",
        "SELECT idx FROM log INDEXED BY log_others WHERE kind <> 1 AND idx >"
        " (SELECT value FROM state WHERE name = 'base_index') ORDER BY idx",
        "SELECT idx, key FROM log INDEXED BY log_keys"
        " WHERE key IS NOT NULL AND kind = 1 AND idx >"
        " (SELECT value FROM state WHERE name = 'keys_upto') ORDER BY idx",
    };
    sqlite3 *db = place_database();
    buf_clear(content);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        sqlite3_stmt *row = schema_prepare(db, queries[i]);
        while (row != NULL && sqlite3_step(row) == SQLITE_ROW) {
            for (int j = 0; j < sqlite3_column_count(row); j++) {
                uint8_t type = (uint8_t)sqlite3_column_type(row, j);
                buf_append(content, &type, 1);
                buf_append(content, sqlite3_column_blob(row, j),
                           (size_t)sqlite3_column_bytes(row, j));
            }
        }
        sqlite3_finalize(row);
    }
    sqlite3_close(db);
}

/* What only raft.db knows, as a start has it; false: no start. */
static bool read_start(struct buf *known)
{
    struct store_error error = {0};
    struct store *store = place_open(1, &error);
    buf_clear(known);
    if (store == NULL) {
        return false;
    }
    const struct node_start *start = store_start(store);
    const struct raft_start *raft = &start->raft;
    buf_append_u64(known, start->identity.id);
    buf_append_u64(known, start->identity.instance);
    buf_append_u64(known, start->identity.epoch);
    buf_append(known, start->identity.cluster_id.bytes, DIGEST_SIZE);
    buf_append_u64(known, start->ack);
    buf_append_u64(known, raft->term);
    buf_append_u64(known, raft->vote);
    buf_append_u64(known, raft->commit);
    buf_append_u64(known, raft->base.index);
    buf_append_u64(known, raft->base.term);
    buf_append_u64(known, raft->base.last_app);
    buf_append(known, raft->base.chain.bytes, DIGEST_SIZE);
    for (size_t i = 0; i < raft->config_count; i++) {
        const struct raft_config_entry *config = &raft->configs[i];
        buf_append_u64(known, config->index);
        buf_append_u64(known, config->term);
        buf_append(known, config->payload->data, config->payload->size);
    }
    store_close(store);
    return true;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

struct flips {
    struct buf content;
    struct buf known;
    struct buf found;
    unsigned noticed;
    unsigned harmless;
    unsigned refused; /* by a start */
};

/* Verify notices it, or all that a program loads is as it was, and a node
 * starts on it.  A node that starts in any case has lost nothing of what it
 * alone knows. */
static void flip(struct flips *flips, size_t bit)
{
    char first[512];
    sound[bit / 8] ^= (uint8_t)(1 << bit % 8);
    put(sound, sound_size);
    verify(first);
    bool noticed = first[0] != '\0';
    if (!noticed) {
        read_content(&flips->found);
        if (!same(&flips->found, &flips->content)) {
            fail_msg("bit %zu changes what is in it, and nobody notices", bit);
        }
        put(sound, sound_size);
    }
    bool starts = read_start(&flips->found);
    if (starts && !same(&flips->found, &flips->known)) {
        fail_msg("bit %zu is not found by the start (by verify: '%s')", bit,
                 first);
    }
    if (!starts && !noticed) {
        fail_msg("bit %zu keeps a node from starting, and is not noticed", bit);
    }
    flips->noticed += noticed;
    flips->harmless += !noticed;
    flips->refused += !starts;
    sound[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void every_flipped_bit_is_noticed_or_does_no_harm(void **state)
{
    (void)state;
    struct flips flips = {0};
    struct prng prng;
    unsigned count = getenv("RAFTSC_QUICK") == NULL ? 1500 : 300;
    prng_seed(&prng, 11);
    read_content(&flips.content);
    assert_true(flips.content.size > 10000);
    put(sound, sound_size);
    assert_true(read_start(&flips.known));
    for (unsigned i = 0; i < count; i++) {
        /* One in four is in the first page: the header, and the tables. */
        size_t size = i % 4 == 0 ? 4096 : sound_size;
        flip(&flips, (size_t)prng_below(&prng, size * 8));
    }
    printf("%zu bytes, %u bits: %u noticed, %u harmless; %u refused by a "
           "start\n",
           sound_size, count, flips.noticed, flips.harmless, flips.refused);
    assert_true(flips.noticed > count / 2 && flips.refused > count / 20);
    buf_free(&flips.content);
    buf_free(&flips.known);
    buf_free(&flips.found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROT(what_was_saved_is_found_sound),
        WITH_ROT(no_row_of_the_state_may_change_or_go),
        WITH_ROT(no_key_may_change_or_go),
        WITH_ROT(no_configuration_may_change_or_go),
        WITH_ROT(every_flipped_bit_is_noticed_or_does_no_harm),
    };
    return RUN(tests);
}
