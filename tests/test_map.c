#include "base/map.h"

#include <stdlib.h>

#include "base/prng.h"
#include "check.h"

#define KEYS 500

static void it_agrees_with_an_array_over_many_random_steps(void **state)
{
    (void)state;
    static int values[KEYS];
    bool there[KEYS] = {false};
    struct map map = {0};
    struct prng prng;
    size_t count = 0;
    prng_seed(&prng, 7);
    for (int step = 0; step < 100000; step++) {
        size_t at = (size_t)prng_below(&prng, KEYS);
        uint64_t key = at * 1000003; /* far apart, and some of them collide */
        if (prng_chance(&prng, 2)) {
            assert_ptr_equal(map_get(&map, key),
                             there[at] ? &values[at] : NULL);
        } else if (there[at]) {
            assert_ptr_equal(map_remove(&map, key), &values[at]);
            there[at] = false;
            count--;
        } else {
            map_put(&map, key, &values[at]);
            there[at] = true;
            count++;
        }
        assert_int_equal(map.count, count);
    }
    assert_null(map_remove(&map, 123));
    map_free(&map);
    assert_null(map_get(&map, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_an_array_over_many_random_steps),
    };
    return RUN(tests);
}
