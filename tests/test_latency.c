#include "node/latency.h"

#include <stdlib.h>

#include "check.h"

static void nothing_measured_is_zero(void **state)
{
    (void)state;
    struct latency latency = {0};
    assert_int_equal(latency_percentile_us(&latency, 99), 0);
    assert_int_equal(latency_count_below(&latency, 1000), 0);
}

static void percentiles_are_at_most_an_eighth_too_large(void **state)
{
    (void)state;
    struct latency *latency = calloc(1, sizeof(*latency));
    assert_non_null(latency);
    for (uint64_t us = 1; us <= 100000; us++) {
        latency_add(latency, us);
    }
    for (unsigned percent = 1; percent <= 100; percent++) {
        uint64_t exact = percent * UINT64_C(1000);
        uint64_t told = latency_percentile_us(latency, percent);
        assert_true(told >= exact);
        assert_true(told <= exact + exact / 8);
    }
    assert_int_equal(latency->max_us, 100000);
    assert_int_equal(latency_percentile_us(latency, 100), 100000);
    assert_int_equal(latency_count_below(latency, 15), 15);
    uint64_t below = latency_count_below(latency, 50000);
    assert_true(below <= 50000 && below >= 50000 - 50000 / 8);
    free(latency);
}

static void the_longest_times_have_a_place(void **state)
{
    (void)state;
    struct latency latency = {0};
    latency_add(&latency, UINT64_MAX);
    latency_add(&latency, UINT64_C(1) << 36);
    latency_add(&latency, 0);
    assert_int_equal(latency.count, 3);
    assert_int_equal(latency_percentile_us(&latency, 1), 0);
    assert_true(latency_percentile_us(&latency, 99) > UINT64_C(1) << 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_measured_is_zero),
        cmocka_unit_test(percentiles_are_at_most_an_eighth_too_large),
        cmocka_unit_test(the_longest_times_have_a_place),
    };
    return RUN(tests);
}
