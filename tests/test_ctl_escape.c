#include "ctl/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void escaped(const char *data, size_t size, const char *expected)
{
    struct buf out = {0};

    escape_bytes(&out, data, size);
    assert_int_equal(out.size, strlen(expected));
    if (out.size > 0)
        assert_memory_equal(out.data, expected, out.size);
    buf_free(&out);
}

static void bytes_are_escaped_as_redis_cli_does(void **state)
{
    (void)state;
    escaped("", 0, "");
    escaped("plain \"text\" ~", 14, "plain \"text\" ~");
    escaped("\n\r\t\a\b\\", 6, "\\n\\r\\t\\a\\b\\\\");
    escaped("a\0b\x7f\xff\x1b[", 7, "a\\x00b\\x7f\\xff\\x1b[");
}

static void coded(const char *text, const char *expected)
{
    struct buf out = {0};

    escape_base64(&out, text, strlen(text));
    assert_int_equal(out.size, strlen(expected));
    if (out.size > 0)
        assert_memory_equal(out.data, expected, out.size);
    buf_free(&out);
}

/* The examples of RFC 4648, section 10. */
static void base64_is_that_of_the_rfc(void **state)
{
    (void)state;
    coded("", "");
    coded("f", "Zg==");
    coded("fo", "Zm8=");
    coded("foo", "Zm9v");
    coded("foob", "Zm9vYg==");
    coded("fooba", "Zm9vYmE=");
    coded("foobar", "Zm9vYmFy");
    coded("\xfb\xff\xfe", "+//+");
}

static void well_formed_utf8_is_told_from_the_rest(void **state)
{
    static const char *const good[] = {
        "",
        "plain",
        "\xc3\xa9",
        "\xe2\x82\xac",
        "\xf0\x9f\x98\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "\xc2\x80",
    };
    static const char *const bad[] = {
        "\x80",             /* a tail alone */
        "\xc3",             /* a lead alone */
        "\xc3(",            /* no tail behind it */
        "\xe2\x82",         /* cut */
        "\xc0\x80",         /* overlong */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80", /* above U+10FFFF */
        "\xff",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(escape_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(escape_is_utf8(bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_escaped_as_redis_cli_does),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(well_formed_utf8_is_told_from_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
