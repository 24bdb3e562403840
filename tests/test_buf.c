#include "base/buf.h"

#include "check.h"

static void numbers_are_big_endian_and_come_back(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_append_u8(&buf, 1);
    buf_append_u16(&buf, 0x0203);
    buf_append_u32(&buf, 0x04050607);
    buf_append_u64(&buf, UINT64_C(0x08090a0b0c0d0e0f));
    for (size_t i = 0; i < buf.size; i++) {
        assert_int_equal(buf.data[i], i + 1);
    }
    struct cursor cursor = cursor_of(buf.data, buf.size);
    assert_int_equal(cursor_u8(&cursor), 1);
    assert_int_equal(cursor_u16(&cursor), 0x0203);
    assert_int_equal(cursor_u32(&cursor), 0x04050607);
    assert_true(cursor_u64(&cursor) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(cursor_left(&cursor), 0);
    assert_false(cursor.bad);
    buf_free(&buf);
}

static void past_the_end_come_zeros_and_bad_stays(void **state)
{
    (void)state;
    struct cursor cursor = cursor_of("\x01\x02\x03", 3);
    assert_int_equal(cursor_u32(&cursor), 0);
    assert_true(cursor.bad);
    assert_int_equal(cursor_u8(&cursor), 0);
    assert_null(cursor_bytes(&cursor, 1));
}

static void a_part_is_skipped_and_cannot_be_left(void **state)
{
    (void)state;
    struct cursor cursor = cursor_of("abcdef", 6);
    struct cursor part = cursor_part(&cursor, 4);
    assert_int_equal(cursor_u8(&part), 'a');
    assert_int_equal(cursor_u32(&part), 0);
    assert_true(part.bad);
    assert_int_equal(cursor_u8(&cursor), 'e');
    part = cursor_part(&cursor, 2);
    assert_true(part.bad);
    assert_true(cursor.bad);
}

static void it_grows_prints_and_consumes(void **state)
{
    (void)state;
    struct buf buf = {0};
    for (int i = 0; i < 1000; i++) {
        buf_printf(&buf, "%03d,", i);
    }
    assert_int_equal(buf.size, 4000);
    buf_consume(&buf, 3996);
    assert_memory_equal(buf.data, "999,", 4);
    buf_append_text(&buf, "end");
    assert_memory_equal(buf.data, "999,end", 7);
    buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    buf_free(&buf);
    assert_null(buf.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_big_endian_and_come_back),
        cmocka_unit_test(past_the_end_come_zeros_and_bad_stays),
        cmocka_unit_test(a_part_is_skipped_and_cannot_be_left),
        cmocka_unit_test(it_grows_prints_and_consumes),
    };
    return RUN(tests);
}
