#include "ctl/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Whole after `whole` bytes, however they are cut. */
static void ends_at(const char *text, size_t size, size_t whole)
{
    struct scan scan = {0};

    for (size_t i = 0; i < whole; i++)
        assert_int_equal(scan_reply(&scan, text, i), SCAN_MORE);
    assert_int_equal(scan_reply(&scan, text, whole), SCAN_WHOLE);
    assert_int_equal(scan.offset, whole);
    scan = (struct scan){0};
    assert_int_equal(scan_reply(&scan, text, size), SCAN_WHOLE);
    assert_int_equal(scan.offset, whole);
}

static void a_reply_ends_where_its_last_element_does(void **state)
{
    static const char nested[] = "*3\r\n:1\r\n*2\r\n$3\r\na\r\n\r\n$0\r\n\r\n"
                                 "$-1\r\n+next\r\n";

    (void)state;
    ends_at("+OK\r\n+OK\r\n", 10, 5);
    ends_at("-ERR what\r\n", 11, 11);
    ends_at(":-12\r\n:", 7, 6);
    ends_at("$5\r\nab\r\nc\r\n*", 12, 11);
    ends_at("$-1\r\n", 5, 5);
    ends_at("*0\r\n:", 5, 4);
    ends_at("*-1\r\n", 5, 5);
    ends_at(nested, sizeof(nested) - 1, sizeof(nested) - 1 - 7);
    ends_at(">1\r\n%1\r\n+a\r\n~1\r\n+b\r\n:", 21, 20);
}

static void lengths_that_cannot_be_are_refused(void **state)
{
    static const char *const bad[] = {
        "$x\r\n",
        "$\r\n",
        "*-2\r\n",
        "$268435457\r\n",
        "*18446744073709551615\r\n",
        "*9000000\r\n",
        "*1\r\n$1x\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct scan scan = {0};

        assert_int_equal(scan_reply(&scan, bad[i], strlen(bad[i])), SCAN_BAD);
    }
}

static void a_line_without_end_is_refused(void **state)
{
    static char text[70000];
    struct scan scan = {0};

    (void)state;
    memset(text, '+', sizeof(text));
    assert_int_equal(scan_reply(&scan, text, 60000), SCAN_MORE);
    assert_int_equal(scan_reply(&scan, text, sizeof(text)), SCAN_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_ends_where_its_last_element_does),
        cmocka_unit_test(lengths_that_cannot_be_are_refused),
        cmocka_unit_test(a_line_without_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
