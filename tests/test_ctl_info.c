#include "ctl/info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char example[] = "before:1\r\n"
                              "# Server\r\n"
                              "version:1.2:3\r\n"
                              "node_id:0\r\n"
                              "\r\n"
                              "no colon here\r\n"
                              ":no key\r\n"
                              "# Raft\n"
                              "role:leader\n"
                              "empty:\n"
                              "evil:a\033b\n"
                              "last:x";

static void lines_are_found_in_their_sections(void **state)
{
    struct info info = {0};

    (void)state;
    info_read(&info, example, strlen(example));
    assert_int_equal(info.count, 7);
    assert_string_equal(info_get(&info, "", "before"), "1");
    assert_string_equal(info_get(&info, "Server", "version"), "1.2:3");
    assert_string_equal(info_get(&info, "Raft", "role"), "leader");
    assert_string_equal(info_get(&info, "Raft", "empty"), "");
    assert_string_equal(info_get(&info, "Raft", "evil"), "a?b");
    assert_string_equal(info_get(&info, "Raft", "last"), "x");
    assert_null(info_get(&info, "Server", "role"));
    assert_null(info_get(&info, "Raft", "version"));
    info_clear(&info);
}

static void numbers_are_numbers_only(void **state)
{
    struct info info = {0};
    uint64_t value = 9;

    (void)state;
    info_read(&info, example, strlen(example));
    assert_true(info_u64(&info, "Server", "node_id", &value));
    assert_int_equal(value, 0);
    assert_false(info_u64(&info, "Server", "version", &value));
    assert_false(info_u64(&info, "Raft", "empty", &value));
    assert_false(info_u64(&info, "Raft", "none", &value));
    info_clear(&info);
}

static void no_text_has_no_lines(void **state)
{
    struct info info = {0};

    (void)state;
    info_read(&info, "", 0);
    assert_int_equal(info.count, 0);
    info_clear(&info);
}

static void fields_are_found_by_their_whole_name(void **state)
{
    static const char fields[] = "address=[::1]:7,inflight_bytes=1,inflight=2,"
                                 "empty=";
    char text[16];

    (void)state;
    assert_true(info_field(fields, "inflight", text, sizeof(text)));
    assert_string_equal(text, "2");
    assert_true(info_field(fields, "address", text, sizeof(text)));
    assert_string_equal(text, "[::1]:7");
    assert_false(info_field(fields, "flight", text, sizeof(text)));
    assert_true(info_field(fields, "empty", text, sizeof(text)));
    assert_string_equal(text, "");
    assert_false(info_field(fields, "address", text, 7));
    assert_false(info_field("", "a", text, sizeof(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_found_in_their_sections),
        cmocka_unit_test(numbers_are_numbers_only),
        cmocka_unit_test(no_text_has_no_lines),
        cmocka_unit_test(fields_are_found_by_their_whole_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
