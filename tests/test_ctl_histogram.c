#include "ctl/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ctl/bench.h"

static void nothing_is_nothing(void **state)
{
    static struct histogram empty, other;

    (void)state;
    assert_int_equal(histogram_percentile_us(&empty, 99), 0);
    assert_int_equal(histogram_between(&empty, 0, UINT64_MAX), 0);
    histogram_merge(&other, &empty);
    assert_int_equal(other.count, 0);
}

static void percentiles_are_exact_to_two_per_cent(void **state)
{
    static struct histogram histogram;

    (void)state;
    for (uint64_t us = 1; us <= 1000000; us++)
        histogram_add(&histogram, us);
    assert_int_equal(histogram.count, 1000000);
    assert_int_equal(histogram.min_us, 1);
    assert_int_equal(histogram.max_us, 1000000);
    assert_int_equal(histogram.sum_us, (uint64_t)500000 * 1000001);
    for (unsigned percent = 1; percent <= 100; percent++) {
        uint64_t exact = (uint64_t)percent * 10000;
        uint64_t is = histogram_percentile_us(&histogram, percent);

        assert_in_range(is, exact, exact + exact / 50);
    }
    assert_int_equal(histogram_percentile_us(&histogram, 100), 1000000);
    assert_int_equal(histogram_percentile_us(&histogram, 0.01), 100);
}

static void every_time_is_in_one_bucket(void **state)
{
    static const uint64_t times[] = {0,
                                     1,
                                     127,
                                     128,
                                     129,
                                     255,
                                     256,
                                     511,
                                     8191,
                                     8192,
                                     (1UL << 40) - 1,
                                     (uint64_t)1 << 41,
                                     UINT64_MAX};
    size_t count = sizeof(times) / sizeof(times[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct histogram *histogram = calloc(1, sizeof(*histogram));

        assert_non_null(histogram);
        histogram_add(histogram, times[i]);
        assert_int_equal(histogram_percentile_us(histogram, 50),
                         i + 2 < count ? times[i]
                                       : histogram_percentile_us(histogram, 1));
        assert_int_equal(histogram_between(histogram, 0, UINT64_MAX), 1);
        free(histogram);
    }
}

static void ranges_that_touch_count_each_time_once(void **state)
{
    static struct histogram histogram;
    uint64_t seen = 0;

    (void)state;
    for (uint64_t us = 1; us < 100000; us += 7)
        histogram_add(&histogram, us);
    /* Quarters of powers of two, as the report has them. */
    for (uint64_t base = 4; base < 1 << 20; base *= 2) {
        for (uint64_t part = 0; part < 4; part++)
            seen += histogram_between(&histogram, base + part * base / 4,
                                      base + (part + 1) * base / 4 - 1);
    }
    seen += histogram_between(&histogram, 0, 3);
    assert_int_equal(seen, histogram.count);
}

static void two_become_one(void **state)
{
    static struct histogram a, b;

    (void)state;
    histogram_add(&a, 50);
    histogram_add(&b, 10);
    histogram_add(&b, 3000);
    histogram_merge(&a, &b);
    assert_int_equal(a.count, 3);
    assert_int_equal(a.min_us, 10);
    assert_int_equal(a.max_us, 3000);
    assert_int_equal(a.sum_us, 3060);
    assert_int_equal(histogram_percentile_us(&a, 50), 50);
}

static void times_have_the_digits_that_count(void **state)
{
    char out[BENCH_TIME_SIZE];

    (void)state;
    assert_string_equal(bench_time(out, 0), "0.000");
    assert_string_equal(bench_time(out, 512), "0.512");
    assert_string_equal(bench_time(out, 1536), "1.54");
    assert_string_equal(bench_time(out, 24576), "24.6");
    assert_string_equal(bench_time(out, 1083000), "1083");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(percentiles_are_exact_to_two_per_cent),
        cmocka_unit_test(every_time_is_in_one_bucket),
        cmocka_unit_test(ranges_that_touch_count_each_time_once),
        cmocka_unit_test(two_become_one),
        cmocka_unit_test(times_have_the_digits_that_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
