/* Keys, against a list that is searched from its end. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/prng.h"
#include "check.h"
#include "core/keys.h"

#define ENTRIES_MAX 4000

/* The log as one would look at it by hand. */
struct plain {
    struct blob *keys[ENTRIES_MAX + 1]; /* from 1; NULL: none */
    raft_index last;
    raft_index commit;
};

static struct blob *key_of(uint64_t number)
{
    uint8_t bytes[RAFT_KEY_MAX];
    size_t size = 1 + (size_t)(number * 7 % RAFT_KEY_MAX);
    memset(bytes, 'k', sizeof(bytes));
    memcpy(bytes, &number, size < sizeof(number) ? size : sizeof(number));
    return blob_copy(bytes, size);
}

static bool same(const struct blob *a, const struct blob *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* The newest entry that is not among the newest `window` with a key. */
static raft_index plain_forgotten(const struct plain *plain, raft_index last,
                                  size_t window)
{
    size_t count = 0;
    while (last > 0 && (plain->keys[last] == NULL || ++count <= window)) {
        last--;
    }
    return last;
}

static raft_index plain_find(const struct plain *plain, const struct blob *key,
                             raft_index last, raft_index forgotten)
{
    while (last > forgotten &&
           (plain->keys[last] == NULL || !same(plain->keys[last], key))) {
        last--;
    }
    return last > forgotten ? last : 0;
}

static void compare(const struct raft_keys *keys, const struct plain *plain,
                    const struct blob *key)
{
    size_t window = keys->window;
    raft_index forgotten = plain_forgotten(plain, plain->last, window);
    assert_int_equal(keys_forgotten(keys), forgotten);
    assert_int_equal(keys_find(keys, key),
                     plain_find(plain, key, plain->last, forgotten));
    /* What is dropped is what the committed entries alone push out. */
    forgotten = plain_forgotten(plain, plain->commit, window);
    assert_int_equal(keys->forgotten, forgotten);
    assert_int_equal(keys_find_upto(keys, key, plain->commit),
                     plain_find(plain, key, plain->commit, forgotten));
}

static void append(struct raft_keys *keys, struct plain *plain,
                   struct blob *key)
{
    struct raft_entry entry = {
        .index = ++plain->last, .kind = RAFT_KIND_APP, .key = key};
    plain->keys[plain->last] = key;
    keys_add(keys, &entry);
}

/* Of closed keys too: then only the entries go. */
static void truncate(struct raft_keys *keys, struct plain *plain,
                     raft_index from)
{
    keys_truncate(keys, from);
    while (plain->last >= from) {
        blob_free(plain->keys[plain->last--]);
    }
}

static void run(uint64_t seed, size_t window, uint64_t names)
{
    struct plain *plain = x_calloc(1, sizeof(*plain));
    struct raft_keys keys;
    struct prng prng;
    prng_seed(&prng, seed);
    keys_open(&keys, window, seed);
    while (plain->last < ENTRIES_MAX) {
        uint64_t choice = prng_below(&prng, 20);
        struct blob *key = key_of(prng_below(&prng, names));
        if (choice < 14) {
            append(&keys, plain, choice < 11 ? blob_share(key) : NULL);
        } else if (choice < 18) {
            plain->commit += prng_below(&prng, plain->last - plain->commit + 1);
            keys_commit(&keys, plain->commit);
        } else if (choice == 18 && plain->last > plain->commit) {
            truncate(&keys, plain,
                     plain->commit + 1 +
                         prng_below(&prng, plain->last - plain->commit));
        }
        compare(&keys, plain, key);
        blob_free(key);
    }
    keys_close(&keys);
    truncate(&keys, plain, 1);
    free(plain);
}

static void what_is_remembered_follows_from_the_log(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        run(seed, 1 + seed * seed * 3, 20 * seed * seed);
        run(seed, 500, 100000);
        run(seed, 1, 3);
    }
}

/* ---- one by one --------------------------------------------------------- */

static void a_truncation_brings_back_what_the_tail_had_pushed_out(void **state)
{
    (void)state;
    struct plain plain = {0};
    struct raft_keys keys;
    keys_open(&keys, 2, 0);
    struct blob *a = key_of(1);
    append(&keys, &plain, blob_share(a));
    keys_commit(&keys, 1);
    append(&keys, &plain, key_of(2));
    append(&keys, &plain, key_of(3));
    assert_int_equal(keys_find(&keys, a), 0);
    assert_int_equal(keys_forgotten(&keys), 1);
    append(&keys, &plain, blob_share(a));
    assert_int_equal(keys_find(&keys, a), 4);
    assert_int_equal(keys_find_upto(&keys, a, 1), 1);
    truncate(&keys, &plain, 2);
    assert_int_equal(keys_find(&keys, a), 1);
    assert_int_equal(keys_forgotten(&keys), 0);
    keys_close(&keys);
    truncate(&keys, &plain, 1);
    blob_free(a);
}

static void only_keys_of_apps_count(void **state)
{
    (void)state;
    struct raft_keys keys;
    struct blob *key = key_of(1);
    keys_open(&keys, 10, 0);
    struct raft_entry entry = {.index = 1, .kind = 77, .key = key};
    keys_add(&keys, &entry);
    assert_int_equal(keys_find(&keys, key), 0);
    blob_free(key);
    keys_close(&keys);
}

/* ---- packed ------------------------------------------------------------- */

static void a_packed_set_comes_back(void **state)
{
    (void)state;
    struct plain plain = {0};
    struct raft_keys keys;
    struct raft_keys back;
    struct buf buf = {0};
    keys_open(&keys, 50, 1);
    keys_open(&back, 50, 2);
    for (uint64_t i = 1; i <= 100; i++) {
        append(&keys, &plain, key_of(i));
    }
    keys_commit(&keys, 90);
    keys_pack(&keys, 80, &buf);
    assert_null(keys_unpack(&back, buf.data, buf.size, 81));
    assert_int_equal(back.count, 40);
    assert_int_equal(keys_forgotten(&back), 40);
    for (uint64_t i = 1; i <= 100; i++) {
        struct blob *key = key_of(i);
        assert_int_equal(keys_find(&back, key), i > 40 && i <= 80 ? i : 0);
        blob_free(key);
    }
    /* A base below all that is held knows of nothing before itself. */
    keys_close(&back);
    keys_open(&back, 50, 2);
    buf_clear(&buf);
    keys_pack(&keys, 7, &buf);
    assert_null(keys_unpack(&back, buf.data, buf.size, 8));
    assert_int_equal(keys_forgotten(&back), 7);
    buf_free(&buf);
    keys_close(&back);
    keys_close(&keys);
    truncate(&keys, &plain, 1);
}

static void a_base_of_another_node_replaces_what_is_before_it(void **state)
{
    (void)state;
    struct plain plain = {0};
    struct raft_keys keys;
    struct buf buf = {0};
    keys_open(&keys, 3, 1);
    for (uint64_t i = 1; i <= 6; i++) {
        append(&keys, &plain, key_of(i));
    }
    keys_commit(&keys, 2);
    keys_pack_begin(&buf, 2);
    keys_pack_add(&buf, 3, "three", 5);
    keys_pack_add(&buf, 4, "four", 4);
    assert_non_null(keys_rebase(&keys, buf.data, buf.size - 1, 4));
    assert_int_equal(keys.count, 6);
    assert_null(keys_rebase(&keys, buf.data, buf.size, 4));
    assert_int_equal(keys.count, 4);
    assert_int_equal(keys.committed, 2);
    assert_int_equal(keys.forgotten, 2);
    assert_int_equal(keys_forgotten(&keys), 3);
    struct blob *four = blob_copy("four", 4);
    assert_int_equal(keys_find(&keys, four), 4);
    assert_int_equal(keys_find(&keys, plain.keys[4]), 0);
    assert_int_equal(keys_find(&keys, plain.keys[5]), 5);
    blob_free(four);
    buf_free(&buf);
    keys_close(&keys);
    truncate(&keys, &plain, 1);
}

static const char *unpack(const struct buf *buf, raft_index end)
{
    struct raft_keys keys;
    keys_open(&keys, 10, 0);
    const char *why = keys_unpack(&keys, buf->data, buf->size, end);
    keys_close(&keys);
    return why;
}

static void a_packed_set_is_not_believed(void **state)
{
    (void)state;
    struct buf buf = {0};
    uint8_t key[RAFT_KEY_MAX + 1] = {0};
    assert_non_null(unpack(&buf, 10));
    keys_pack_begin(&buf, 3);
    assert_null(unpack(&buf, 4));
    assert_non_null(unpack(&buf, 3));
    keys_pack_add(&buf, 4, key, RAFT_KEY_MAX);
    assert_null(unpack(&buf, 5));
    assert_non_null(unpack(&buf, 4));
    keys_pack_add(&buf, 4, key, 1);
    assert_non_null(unpack(&buf, 10));
    buf.size -= 11;
    keys_pack_add(&buf, 5, key, 0);
    assert_non_null(unpack(&buf, 10));
    buf.size -= 10;
    keys_pack_add(&buf, 5, key, RAFT_KEY_MAX + 1);
    assert_non_null(unpack(&buf, 10));
    buf.size -= 1;
    assert_non_null(unpack(&buf, 10));
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_remembered_follows_from_the_log),
        cmocka_unit_test(a_truncation_brings_back_what_the_tail_had_pushed_out),
        cmocka_unit_test(only_keys_of_apps_count),
        cmocka_unit_test(a_packed_set_comes_back),
        cmocka_unit_test(a_base_of_another_node_replaces_what_is_before_it),
        cmocka_unit_test(a_packed_set_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
