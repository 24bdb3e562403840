#include "core/log.h"

#include "base/mem.h"

#include "check.h"

static struct raft_entry entry_of(raft_index index, raft_term term,
                                  uint8_t kind)
{
    return (struct raft_entry){.index = index,
                               .term = term,
                               .unix_ms = index * 10,
                               .kind = kind,
                               .payload = blob_copy("0123456789", 10)};
}

static void put(struct raft_log *log, raft_term term, uint8_t kind)
{
    struct raft_entry entry = entry_of(log->last + 1, term, kind);
    entry.chain = raft_entry_chain(log_chain(log, log->last), &entry);
    log_append(log, &entry);
}

/* Terms 1 1 1 4 4 5 5 6: entry 4 and 8 are no app's. */
static void fill(struct raft_log *log)
{
    static const raft_term terms[] = {1, 1, 1, 4, 4, 5, 5, 6};
    struct raft_start start = {.vote = RAFT_ID_NONE};
    *log = (struct raft_log){0};
    assert_null(log_open(log, &start));
    for (size_t i = 0; i < 8; i++) {
        put(log, terms[i], i == 3 || i == 7 ? RAFT_KIND_NOOP : RAFT_KIND_APP);
    }
}

static void terms_are_found_by_index(void **state)
{
    (void)state;
    struct raft_log log;
    fill(&log);
    static const raft_term terms[] = {0, 1, 1, 1, 4, 4, 5, 5, 6, 0};
    for (raft_index i = 0; i < 10; i++) {
        assert_int_equal(log_term(&log, i), terms[i]);
    }
    assert_int_equal(log_last_term(&log), 6);
    assert_int_equal(log.run_count, 4);
    assert_null(log_entry(&log, 0));
    assert_null(log_entry(&log, 9));
    assert_int_equal(log_entry(&log, 5)->index, 5);
    log_close(&log);
}

static void the_last_entry_of_a_term_or_an_older_one_is_found(void **state)
{
    (void)state;
    struct raft_log log;
    fill(&log);
    assert_int_equal(log_last_of(&log, 8, 6), 8);
    assert_int_equal(log_last_of(&log, 99, 6), 8);
    assert_int_equal(log_last_of(&log, 8, 5), 7);
    assert_int_equal(log_last_of(&log, 6, 5), 6);
    assert_int_equal(log_last_of(&log, 8, 3), 3);
    assert_int_equal(log_last_of(&log, 5, 0), 0);
    assert_int_equal(log_last_of(&log, 0, 9), 0);
    log_close(&log);
}

static void only_entries_of_apps_are_counted_as_such(void **state)
{
    (void)state;
    struct raft_log log;
    fill(&log);
    assert_int_equal(log_last_app(&log, 8), 7);
    assert_int_equal(log_last_app(&log, 5), 5);
    assert_int_equal(log_last_app(&log, 4), 3);
    assert_int_equal(log_last_app(&log, 0), 0);
    log_close(&log);
}

static void a_truncated_log_is_as_if_it_had_never_been_longer(void **state)
{
    (void)state;
    struct raft_log log;
    fill(&log);
    struct digest chain = log_chain(&log, 3);
    struct digest next = log_chain(&log, 4);
    log_truncate(&log, 4);
    assert_int_equal(log.last, 3);
    assert_int_equal(log.other_count, 0);
    assert_int_equal(log.run_count, 1);
    assert_int_equal(log.unix_ms, 30);
    assert_int_equal(log_term(&log, 4), 0);
    assert_memory_equal(&chain, &log.ring[3].chain, sizeof(chain));
    put(&log, 4, RAFT_KIND_NOOP);
    assert_memory_equal(&next, &log.ring[4].chain, sizeof(next));
    log_truncate(&log, 1);
    assert_int_equal(log.last, 0);
    assert_int_equal(log.window_bytes, 0);
    put(&log, 7, RAFT_KIND_APP);
    assert_int_equal(log_term(&log, 1), 7);
    log_close(&log);
}

static void
what_leaves_memory_keeps_its_term_and_the_chain_goes_on(void **state)
{
    (void)state;
    struct raft_log log;
    fill(&log);
    struct digest chain = log_chain(&log, 5);
    log_shrink(&log, 5, 0);
    assert_int_equal(log.window, 6);
    assert_null(log_entry(&log, 5));
    assert_int_equal(log_entry(&log, 6)->index, 6);
    assert_int_equal(log_term(&log, 2), 1);
    struct digest kept = log_chain(&log, 5);
    assert_memory_equal(&chain, &kept, sizeof(chain));
    log_shrink(&log, 8, 0);
    assert_int_equal(log.window, 9);
    assert_int_equal(log.window_bytes, 0);
    for (size_t i = 0; i < 1000; i++) {
        put(&log, 6, RAFT_KIND_APP);
    }
    assert_int_equal(log_entry(&log, 9)->index, 9);
    assert_int_equal(log_entry(&log, 1008)->index, 1008);
    log_close(&log);
}

/* Each changes a start that is sound, and says what is wrong with it then. */
static void a_start_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    struct raft_run runs[] = {{1, 1}, {3, 2}};
    raft_index others[] = {1, 3};
    struct raft_entry tail[] = {entry_of(2, 1, RAFT_KIND_APP),
                                entry_of(3, 2, RAFT_KIND_NOOP)};
    const struct raft_start sound = {.term = 2,
                                     .vote = 1,
                                     .commit = 2,
                                     .last = 3,
                                     .runs = runs,
                                     .run_count = 2,
                                     .others = others,
                                     .other_count = 2,
                                     .tail = tail,
                                     .tail_count = 2};
    struct raft_start starts[8];
    for (size_t i = 0; i < 8; i++) {
        starts[i] = sound;
    }
    starts[0].commit = 4;
    starts[1].term = 1;
    starts[2].run_count = 0;
    starts[3].last = 2; /* the runs and the tail go on */
    starts[4].tail_count = 1;
    starts[5].other_count = 2;
    starts[5].others = (const raft_index[]){3, 1};
    starts[6].runs = (const struct raft_run[]){{1, 1}, {2, 2}};
    starts[7].base.index = 2; /* the runs begin before it */
    for (size_t i = 0; i < 8; i++) {
        struct raft_log log = {0};
        assert_non_null(log_open(&log, &starts[i]));
        log_close(&log);
    }
    struct raft_log log = {0};
    assert_null(log_open(&log, &sound));
    assert_int_equal(log.window, 2);
    assert_int_equal(log_last_app(&log, 3), 2);
    log_close(&log);
    raft_entry_clear(&tail[0]);
    raft_entry_clear(&tail[1]);
}

/* The same answers as before, for all that is behind the base. */
static void a_log_can_be_cut_anywhere(void **state)
{
    (void)state;
    for (raft_index cut = 0; cut <= 8; cut++) {
        struct raft_log whole;
        struct raft_log log;
        fill(&whole);
        fill(&log);
        log_compact(&log, cut, log_chain(&whole, cut), cut * 10);
        assert_int_equal(log.base.index, cut);
        assert_int_equal(log.base.last_app, log_last_app(&whole, cut));
        assert_int_equal(log.base.unix_ms, cut * 10);
        for (raft_index i = 0; i <= 9; i++) {
            raft_term term = i < cut ? 0 : log_term(&whole, i);
            assert_int_equal(log_term(&log, i), term);
            assert_true((log_entry(&log, i) == NULL) ==
                        (i <= cut || log_entry(&whole, i) == NULL));
        }
        for (raft_index i = cut; i <= 8; i++) {
            assert_int_equal(log_last_app(&log, i), log_last_app(&whole, i));
            assert_true(digest_equal(log_chain(&log, i), log_chain(&whole, i)));
        }
        put(&log, 6, RAFT_KIND_APP);
        put(&whole, 6, RAFT_KIND_APP);
        assert_true(digest_equal(log_chain(&log, 9), log_chain(&whole, 9)));
        log_truncate(&log, 9);
        assert_int_equal(log.last, 8);
        assert_int_equal(log_last_term(&log), 6);
        log_close(&log);
        log_close(&whole);
    }
}

static void a_log_is_cut_below_what_is_in_memory(void **state)
{
    (void)state;
    struct raft_log log;
    fill(&log);
    struct digest chain = log_chain(&log, 3);
    log_shrink(&log, 5, 0);
    log_compact(&log, 3, chain, 30);
    assert_int_equal(log.window, 6);
    assert_true(digest_equal(log_chain(&log, 3), chain));
    assert_int_equal(log_term(&log, 4), 4);
    assert_true(digest_is_zero(log_chain(&log, 4)));
    log_close(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_are_found_by_index),
        cmocka_unit_test(the_last_entry_of_a_term_or_an_older_one_is_found),
        cmocka_unit_test(only_entries_of_apps_are_counted_as_such),
        cmocka_unit_test(a_truncated_log_is_as_if_it_had_never_been_longer),
        cmocka_unit_test(
            what_leaves_memory_keeps_its_term_and_the_chain_goes_on),
        cmocka_unit_test(a_start_that_contradicts_itself_is_refused),
        cmocka_unit_test(a_log_can_be_cut_anywhere),
        cmocka_unit_test(a_log_is_cut_below_what_is_in_memory)};
    return RUN(tests);
}
