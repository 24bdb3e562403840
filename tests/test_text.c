#include "base/text.h"

#include "check.h"

static bool u64(const char *text, uint64_t *value)
{
    return text_to_u64(text, strlen(text), value);
}

static void numbers_are_whole_words_without_surprises(void **state)
{
    (void)state;
    uint64_t value = 7;
    int64_t number = 7;
    assert_true(u64("0", &value));
    assert_int_equal(value, 0);
    assert_true(u64("18446744073709551615", &value));
    assert_true(value == UINT64_MAX);
    static const char *const wrong[] = {
        "", " 1", "1 ", "+1", "-1", "0x1", "18446744073709551616", "1e3"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(u64(wrong[i], &value));
    }
    assert_true(value == UINT64_MAX);
    assert_true(text_to_i64("-9223372036854775808", 20, &number));
    assert_true(number == INT64_MIN);
    assert_false(text_to_i64("9223372036854775808", 19, &number));
    assert_false(text_to_i64("-", 1, &number));
}

static void durations_and_sizes_have_units_and_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t us;
        const char *shown;
    } durations[] = {{"1500ms", 1500000, "1500ms"},
                     {"0.5s", 500000, "500ms"},
                     {"2m", 120000000, "2m"},
                     {"7us", 7, "7us"},
                     {"0s", 0, "0s"}};
    char out[TEXT_UNIT_SIZE];
    uint64_t value;
    for (size_t i = 0; i < 5; i++) {
        assert_true(text_to_duration_us(durations[i].text,
                                        strlen(durations[i].text), &value));
        assert_int_equal(value, durations[i].us);
        assert_string_equal(text_from_duration_us(value, out),
                            durations[i].shown);
    }
    static const char *const wrong[] = {
        "5", "s", "1.s", ".5s", "1 s", "1h", "0.0000001s", "-1s", "1.5us"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(text_to_duration_us(wrong[i], strlen(wrong[i]), &value));
    }
    assert_true(text_to_size_bytes("1.5KiB", 6, &value));
    assert_int_equal(value, 1536);
    assert_string_equal(text_from_size_bytes(64 << 20, out), "64MiB");
    assert_false(text_to_size_bytes("1kb", 3, &value));
}

static void addresses_are_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t host_size; /* 0: no address */
    } cases[] = {{"host:7000", 4},  {"[::1]:7000", 5}, {"10.0.0.1:1", 8},
                 {"host:65535", 4}, {"host", 0},       {":7000", 0},
                 {"host:", 0},      {"host:0", 0},     {"host:65536", 0},
                 {"::1:7000", 0},   {"[::1:7000", 0},  {"a b:7000", 0},
                 {"a,b:7000", 0},   {"a=b:7000", 0},   {"", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t host_size = 0;
        uint16_t port = 0;
        bool sound = text_is_address(cases[i].text, strlen(cases[i].text),
                                     false, &host_size, &port);
        assert_int_equal(sound, cases[i].host_size > 0);
        assert_int_equal(sound ? host_size : 0, cases[i].host_size);
    }
}

static bool match(const char *pattern, const char *text)
{
    return text_matches(pattern, strlen(pattern), text, strlen(text));
}

static void patterns_match_as_in_redis(void **state)
{
    (void)state;
    assert_true(match("*", ""));
    assert_true(match("max-*", "max-payload"));
    assert_true(match("MAX-?ayload", "max-payload"));
    assert_true(match("*a*o*", "max-payload"));
    assert_true(match("m[a-c]x", "mbx"));
    assert_true(match("m[^a-c]x", "mdx"));
    assert_true(match("a\\*b", "a*b"));
    assert_false(match("a\\*b", "axb"));
    assert_false(match("max", "max-payload"));
    assert_false(match("m[^a-c]x", "max"));
    assert_false(match("", "a"));
    /* Many stars stay cheap. */
    assert_false(match("*a*a*a*a*a*a*a*a*a*b",
                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void what_a_stranger_sent_is_made_printable(void **state)
{
    (void)state;
    char out[5];
    assert_string_equal(text_printable(out, sizeof(out),
                                       "a\n\x7f"
                                       "bcd",
                                       6),
                        "a??b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_whole_words_without_surprises),
        cmocka_unit_test(durations_and_sizes_have_units_and_come_back),
        cmocka_unit_test(addresses_are_host_and_port),
        cmocka_unit_test(patterns_match_as_in_redis),
        cmocka_unit_test(what_a_stranger_sent_is_made_printable),
    };
    return RUN(tests);
}
