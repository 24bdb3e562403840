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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_what_rfc_3720_says),
        cmocka_unit_test(table_and_instruction_agree_in_pieces_and_whole),
    };
    return RUN(tests);
}
