#include "node/wheel.h"

#include "base/prng.h"
#include "check.h"

#define TIMERS 200

static struct wheel wheel;
static struct wheel_timer timers[TIMERS];
static uint64_t wanted_us[TIMERS];
static uint64_t now_us;
static unsigned fired;

static void fire(struct node *node, struct wheel_timer *timer)
{
    (void)node;
    size_t at = (size_t)(timer - timers);
    assert_true(now_us >= wanted_us[at]);
    wanted_us[at] = 0;
    fired++;
}

static void timers_fire_never_early_and_at_most_a_slot_late(void **state)
{
    (void)state;
    struct prng prng;
    prng_seed(&prng, 9);
    now_us = 12345;
    wheel_init(&wheel, now_us);
    for (int step = 0; step < 200000; step++) {
        size_t at = (size_t)prng_below(&prng, TIMERS);
        if (prng_chance(&prng, 3)) {
            wheel_cancel(&wheel, &timers[at]);
            wanted_us[at] = 0;
        } else if (prng_chance(&prng, 2)) {
            uint64_t far = prng_chance(&prng, 10) ? 20000000 : 100000;
            wanted_us[at] = now_us + prng_range(&prng, 1, far);
            wheel_set(&wheel, &timers[at], wanted_us[at], fire);
        }
        uint64_t next_us = now_us + prng_below(&prng, 3000);
        for (size_t i = 0; i < TIMERS; i++) {
            if (wanted_us[i] != 0) {
                assert_true(wheel_deadline_us(&wheel) <=
                            wanted_us[i] + WHEEL_SLOT_US);
            }
        }
        now_us = next_us;
        wheel_run(&wheel, NULL, now_us);
        for (size_t i = 0; i < TIMERS; i++) {
            assert_true(wanted_us[i] == 0 ||
                        now_us < wanted_us[i] + WHEEL_SLOT_US);
        }
    }
    assert_true(fired > 10000);
}

static void with_no_timer_there_is_no_deadline(void **state)
{
    (void)state;
    struct wheel_timer timer = {.at_us = 0};
    wheel_init(&wheel, 0);
    assert_true(wheel_deadline_us(&wheel) == UINT64_MAX);
    wheel_set(&wheel, &timer, 1000000, fire);
    wheel_cancel(&wheel, &timer);
    wheel_run(&wheel, NULL, 2000000);
    assert_true(wheel_deadline_us(&wheel) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_never_early_and_at_most_a_slot_late),
        cmocka_unit_test(with_no_timer_there_is_no_deadline),
    };
    return RUN(tests);
}
