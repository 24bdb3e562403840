#include "core/config.h"

#include "check.h"

static void a_list_is_read_and_shown(void **state)
{
    (void)state;
    struct raft_config config;
    struct buf text = {0};
    char why[256];
    assert_true(raft_config_parse("2=[::1]:7002/learner, 0=a:7000,1=b:7001",
                                  &config, why, sizeof(why)));
    raft_config_text(&config, &text);
    buf_append_u8(&text, '\0');
    assert_string_equal((char *)text.data,
                        "0=a:7000 voter, 1=b:7001 voter, 2=[::1]:7002 learner");
    assert_true(raft_config_votes(&config, 0));
    assert_false(raft_config_votes(&config, 2));
    assert_false(raft_config_votes(&config, 3));
    assert_int_equal(raft_config_voters(&config, false), 2);
    buf_free(&text);
}

static void what_is_no_list_is_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",         "0",       "a=b:1",          "0=b",  "0=b:1, 0=c:2",
        "-1=b:1",   "0=b:1/x", "4294967295=b:1", "0=:1", "0=b:1/learner",
        "0=b:99999"};
    struct raft_config config;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char why[256] = "";
        assert_false(raft_config_parse(wrong[i], &config, why, sizeof(why)));
        assert_true(why[0] != '\0');
    }
}

static struct raft_config joint(void)
{
    struct raft_config config = {.joint = true};
    struct raft_member member = {.instance = 5, .priority = 100};
    for (raft_id id = 0; id < 4; id++) {
        member.id = id;
        member.role = id < 2 ? RAFT_MEMBER_VOTER : RAFT_MEMBER_NONE;
        member.next = id > 0 ? RAFT_MEMBER_VOTER : RAFT_MEMBER_NONE;
        strcpy(member.address, "host:7000");
        raft_config_add(&config, &member);
    }
    return config;
}

static void a_joint_one_comes_back_from_its_bytes(void **state)
{
    (void)state;
    struct raft_config config = joint();
    struct raft_config back;
    struct buf bytes = {0};
    struct buf again = {0};
    raft_config_encode(&config, &bytes);
    assert_true(raft_config_decode(bytes.data, bytes.size, &back));
    assert_true(back.joint);
    assert_string_equal(raft_member_word(&back, &back.members[0]), "outgoing");
    assert_string_equal(raft_member_word(&back, &back.members[1]), "voter");
    assert_string_equal(raft_member_word(&back, &back.members[2]), "incoming");
    raft_config_encode(&back, &again);
    assert_int_equal(bytes.size, again.size);
    assert_memory_equal(bytes.data, again.data, bytes.size);
    buf_free(&bytes);
    buf_free(&again);
}

/* A later version may add fields behind a member's; they are passed over. */
static void fields_of_later_versions_are_passed_over(void **state)
{
    (void)state;
    struct raft_config config = joint();
    struct raft_config back;
    struct buf bytes = {0};
    struct buf longer = {0};
    raft_config_encode(&config, &bytes);
    struct cursor cursor = cursor_of(bytes.data, bytes.size);
    buf_append(&longer, cursor_bytes(&cursor, 6), 6);
    for (int i = 0; i < 4; i++) {
        uint16_t size = cursor_u16(&cursor);
        buf_append_u16(&longer, (uint16_t)(size + 3));
        buf_append(&longer, cursor_bytes(&cursor, size), size);
        buf_append(&longer, "new", 3);
    }
    assert_true(raft_config_decode(longer.data, longer.size, &back));
    assert_int_equal(back.count, 4);
    buf_free(&bytes);
    buf_free(&longer);
}

static void bytes_that_are_none_are_refused(void **state)
{
    (void)state;
    struct raft_config config = joint();
    struct raft_config back;
    struct buf bytes = {0};
    raft_config_encode(&config, &bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        assert_false(raft_config_decode(bytes.data, size, &back));
    }
    buf_append_u8(&bytes, 0);
    assert_false(raft_config_decode(bytes.data, bytes.size, &back));
    bytes.size--;
    bytes.data[3] = 0; /* no longer joint: roles that differ cannot be */
    assert_false(raft_config_decode(bytes.data, bytes.size, &back));
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_and_shown),
        cmocka_unit_test(what_is_no_list_is_named),
        cmocka_unit_test(a_joint_one_comes_back_from_its_bytes),
        cmocka_unit_test(fields_of_later_versions_are_passed_over),
        cmocka_unit_test(bytes_that_are_none_are_refused),
    };
    return RUN(tests);
}
