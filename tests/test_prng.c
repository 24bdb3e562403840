#include "base/prng.h"

#include "check.h"

static void a_seed_always_gives_the_same(void **state)
{
    (void)state;
    struct prng a;
    struct prng b;
    prng_seed(&a, 42);
    prng_seed(&b, 42);
    for (int i = 0; i < 100; i++) {
        assert_true(prng_u64(&a) == prng_u64(&b));
    }
    prng_seed(&b, 43);
    assert_true(prng_u64(&a) != prng_u64(&b));
}

static void what_is_drawn_is_within_bounds_and_reaches_them(void **state)
{
    (void)state;
    struct prng prng;
    unsigned seen = 0;
    prng_seed(&prng, 1);
    for (int i = 0; i < 1000; i++) {
        uint64_t drawn = prng_range(&prng, 3, 6);
        assert_in_range(drawn, 3, 6);
        seen |= 1u << drawn;
        assert_int_equal(prng_below(&prng, 1), 0);
        assert_false(prng_chance(&prng, 0));
        assert_true(prng_chance(&prng, 1));
    }
    assert_int_equal(seen, 0x78);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_always_gives_the_same),
        cmocka_unit_test(what_is_drawn_is_within_bounds_and_reaches_them),
    };
    return RUN(tests);
}
