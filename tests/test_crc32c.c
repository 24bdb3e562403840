#include "base/crc32c.h"

#include "base/prng.h"
#include "check.h"

/* The examples of RFC 3720, B.4. */
static void it_gives_what_rfc_3720_says(void **state)
{
    (void)state;
    uint8_t data[32] = {0};
    assert_int_equal(crc32c(0, data, 32), 0x8A9136AA);
    memset(data, 0xff, 32);
    assert_int_equal(crc32c(0, data, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++) {
        data[i] = (uint8_t)i;
    }
    assert_int_equal(crc32c(0, data, 32), 0x46DD794E);
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
}

static void table_and_instruction_agree_in_pieces_and_whole(void **state)
{
    (void)state;
    struct prng prng;
    uint8_t data[300];
    prng_seed(&prng, 1);
    for (int round = 0; round < 1000; round++) {
        size_t size = (size_t)prng_below(&prng, sizeof(data));
        size_t cut = (size_t)prng_range(&prng, 0, size);
        for (size_t i = 0; i < size; i++) {
            data[i] = (uint8_t)prng_u64(&prng);
        }
        uint32_t whole = crc32c(0, data, size);
        assert_int_equal(whole, crc32c_by_table(0, data, size));
        uint32_t first = crc32c(0, data, cut);
        assert_int_equal(whole, crc32c(first, data + cut, size - cut));
    }
}

/* Sizes about those that are taken side by side. */
static void long_ones_are_the_same(void **state)
{
    (void)state;
    static uint8_t data[40000];
    struct prng prng;
    prng_seed(&prng, 2);
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)prng_u64(&prng);
    }
    for (size_t size = 6100; size < 6200; size++) {
        assert_int_equal(crc32c(7, data, size), crc32c_by_table(7, data, size));
    }
    for (int round = 0; round < 1000; round++) {
        size_t from = (size_t)prng_below(&prng, 100);
        size_t size = (size_t)prng_below(&prng, sizeof(data) - from);
        uint32_t crc = (uint32_t)prng_u64(&prng);
        assert_int_equal(crc32c(crc, data + from, size),
                         crc32c_by_table(crc, data + from, size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_what_rfc_3720_says),
        cmocka_unit_test(long_ones_are_the_same),
        cmocka_unit_test(table_and_instruction_agree_in_pieces_and_whole),
    };
    return RUN(tests);
}
