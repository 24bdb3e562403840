#include "node/pace.h"

#include "check.h"

#define SECOND ((uint64_t)1000000)

static void nothing_noted_has_no_pace(void **state)
{
    (void)state;
    struct pace pace = {0};
    assert_int_equal(pace_rate(&pace, 5 * SECOND), 0);
    assert_int_equal(pace_still_us(&pace, 5 * SECOND), 0);
    pace_note(&pace, SECOND, 100);
    assert_int_equal(pace_rate(&pace, SECOND), 0);
}

static void the_rate_is_that_of_the_last_few_seconds(void **state)
{
    (void)state;
    struct pace pace = {0};
    uint64_t now_us = SECOND;
    uint64_t bytes = 5000;
    pace_note(&pace, now_us, bytes);
    for (int i = 0; i < 100; i++) {
        now_us += SECOND / 10;
        bytes += 1000;
        pace_note(&pace, now_us, bytes);
        assert_int_equal(pace_rate(&pace, now_us), 10000);
        assert_int_equal(pace_still_us(&pace, now_us), 0);
    }
    for (int i = 0; i < 60; i++) {
        now_us += SECOND / 10;
        bytes += 100;
        pace_note(&pace, now_us, bytes);
    }
    assert_int_equal(pace_rate(&pace, now_us), 1000);
}

static void what_stands_still_has_none_in_the_end(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_note(&pace, SECOND, 0);
    pace_note(&pace, 2 * SECOND, 1000);
    pace_note(&pace, 3 * SECOND, 1000);
    assert_int_equal(pace_rate(&pace, 3 * SECOND), 500);
    assert_int_equal(pace_still_us(&pace, 3 * SECOND), SECOND);
    assert_int_equal(pace_rate(&pace, 20 * SECOND), 0);
}

static void fewer_bytes_begin_it_anew(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_note(&pace, SECOND, 0);
    pace_note(&pace, 2 * SECOND, 900000);
    pace_note(&pace, 3 * SECOND, 0);
    pace_note(&pace, 4 * SECOND, 70);
    assert_int_equal(pace_rate(&pace, 4 * SECOND), 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_noted_has_no_pace),
        cmocka_unit_test(the_rate_is_that_of_the_last_few_seconds),
        cmocka_unit_test(what_stands_still_has_none_in_the_end),
        cmocka_unit_test(fewer_bytes_begin_it_anew),
    };
    return RUN(tests);
}
