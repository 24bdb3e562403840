#include "ctl/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/members.h"

static void is_text(struct json *json, const char *expected)
{
    assert_int_equal(json->text.size, strlen(expected));
    assert_memory_equal(json->text.data, expected, json->text.size);
    json_free(json);
}

static void commas_stand_between_values(void **state)
{
    struct json json = {0};

    (void)state;
    json_open(&json, '{');
    json_named_u64(&json, "a", UINT64_MAX);
    json_named_i64(&json, "b", INT64_MIN);
    json_name(&json, "c");
    json_open(&json, '[');
    json_bool(&json, true);
    json_open(&json, '[');
    json_close(&json, ']');
    json_null(&json);
    json_close(&json, ']');
    json_named_text(&json, "d", NULL);
    json_name(&json, "e");
    json_open(&json, '{');
    json_close(&json, '}');
    json_close(&json, '}');
    is_text(&json, "{\"a\":18446744073709551615,"
                   "\"b\":-9223372036854775808,"
                   "\"c\":[true,[],null],\"d\":null,\"e\":{}}");
}

static void text_is_always_valid_json(void **state)
{
    static const char text[] = "\"\\/\n\r\t\b\f\x01\x7f\xc3\xa9\xff!\xc3";
    struct json json = {0};

    (void)state;
    json_text(&json, text, sizeof(text)); /* the NUL as well */
    is_text(&json, "\"\\\"\\\\/\\n\\r\\t\\b\\f\\u0001\\u007f\xc3\xa9"
                   "\xef\xbf\xbd!\xef\xbf\xbd\\u0000\"");
}

static void a_payload_is_text_or_base64(void **state)
{
    struct json json = {0};

    (void)state;
    json_open(&json, '{');
    json_named_payload(&json, "caf\xc3\xa9", 5);
    json_named_payload(&json, "\xff", 1);
    json_named_payload(&json, "", 0);
    json_close(&json, '}');
    is_text(&json, "{\"payload\":\"caf\xc3\xa9\",\"payload_base64\":\"/w==\","
                   "\"payload\":\"\"}");
}

static void members_are_objects_or_else_one_text(void **state)
{
    static const char good[] = "0=a:1 voter, 4294967294=[::1]:2 learner";
    static const char bad[] = "0=a:1 voter, what";
    struct json json = {0};

    (void)state;
    members_json(&json, good, strlen(good));
    members_json(&json, bad, strlen(bad));
    members_json(&json, "", 0);
    is_text(&json, "[{\"id\":0,\"address\":\"a:1\",\"role\":\"voter\"},"
                   "{\"id\":4294967294,\"address\":\"[::1]:2\","
                   "\"role\":\"learner\"}],\"0=a:1 voter, what\",[]");
}

static void what_is_no_member_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "0", "0=a:1", "=a:1 voter", "x=a v", "0= voter", "0=a:1 "};
    struct member member;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(member_read(bad[i], strlen(bad[i]), &member));
    assert_true(member_read("7=a:1 incoming", 14, &member));
    assert_int_equal(member.id, 7);
    assert_string_equal(member.address, "a:1");
    assert_string_equal(member.role, "incoming");
}

static void a_member_too_long_is_refused(void **state)
{
    char text[600];
    struct member member;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "0=", 2);
    memcpy(text + 300, " voter", 6);
    assert_false(member_read(text, 306, &member));
    memcpy(text + 100, " voter", 6);
    assert_true(member_read(text, 106, &member));
    assert_false(member_read(text, 200, &member));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_values),
        cmocka_unit_test(text_is_always_valid_json),
        cmocka_unit_test(a_payload_is_text_or_base64),
        cmocka_unit_test(members_are_objects_or_else_one_text),
        cmocka_unit_test(what_is_no_member_is_refused),
        cmocka_unit_test(a_member_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
