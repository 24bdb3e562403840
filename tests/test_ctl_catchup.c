#include "ctl/catchup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND ((uint64_t)1000000)

/* Takes a push that is written as RESP. */
static void hear(struct catchup *catchup, const char *text, uint64_t now_us)
{
    struct resp_value push;
    size_t used;

    assert_int_equal(resp_reply_parse(text, strlen(text), &push, &used),
                     RESP_REPLY);
    catchup_note(catchup, &push, now_us);
    resp_value_clear(&push);
}

static void shows(const struct catchup *catchup, size_t width, uint64_t now_us,
                  const char *expected)
{
    char line[256];

    catchup_line(catchup, line, sizeof(line), width, now_us);
    assert_string_equal(line, expected);
}

static void nothing_heard_says_whom_it_waits_for(void **state)
{
    struct catchup catchup = {.leader = -1};

    (void)state;
    shows(&catchup, 79, 65 * SECOND, "waits for a leader  1:05");
    hear(&catchup, "*4\r\n$6\r\nleader\r\n:2\r\n$3\r\na:1\r\n:7\r\n", 1);
    shows(&catchup, 79, 0,
          "waits for node 2, which leads: there one sees how far it is  0:00");
    hear(&catchup, "*3\r\n$4\r\nrole\r\n$6\r\nleader\r\n:7\r\n", 1);
    shows(&catchup, 79, 0, "waits for the change  0:00");
}

static void a_copy_shows_a_bar_a_rate_and_the_time_left(void **state)
{
    struct catchup catchup = {.leader = 0};

    (void)state;
    hear(&catchup, "*3\r\n$6\r\nchange\r\n$8\r\nreaching\r\n:0\r\n", 0);
    shows(&catchup, 79, SECOND, "new members are dialled  0:01");
    hear(&catchup, "*3\r\n$6\r\nchange\r\n$8\r\ncatch-up\r\n:0\r\n", 0);
    shows(&catchup, 79, 0, "new voters are caught up");
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:0\r\n:1000\r\n:1\r\n",
         1 * SECOND);
    shows(&catchup, 79, 0,
          "node 3 [---------------]   0%  0 of 1000  0/s  -:-- left");
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:100\r\n:1000\r\n:1\r\n",
         2 * SECOND);
    shows(&catchup, 79, 0,
          "node 3 [#--------------]  10%  100 of 1000  100/s  0:09 left");
    /* A log that grows as fast as it is copied has no end in sight. */
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:200\r\n:1400\r\n:1\r\n",
         1000 * SECOND);
    shows(&catchup, 79, 0,
          "node 3 [##-------------]  14%  200 of 1400  0/s  -:-- left");
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:1400\r\n:1400\r\n:2\r\n",
         1001 * SECOND);
    assert_int_equal(catchup.members[0].round, 2);
}

static void the_last_of_many_is_shown(void **state)
{
    struct catchup catchup = {.leader = 0};

    (void)state;
    hear(&catchup, "*3\r\n$6\r\nchange\r\n$8\r\ncatch-up\r\n:0\r\n", 0);
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:900\r\n:900\r\n:2\r\n", 1);
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:4\r\n:450\r\n:900\r\n:1\r\n", 1);
    shows(&catchup, 79, 0,
          "node 4 [#######--------]  50%  450 of 900  0/s  -:-- left; "
          "1 of 2 are there");
    shows(&catchup, 10, 0, "node 4 [#-");
}

static void a_member_that_begins_anew_has_no_rate(void **state)
{
    struct catchup catchup = {.leader = 0};

    (void)state;
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:10\r\n:90\r\n:1\r\n", 1);
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:80\r\n:90\r\n:1\r\n",
         SECOND);
    assert_true(catchup.members[0].rate > 0);
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:0\r\n:90\r\n:1\r\n",
         2 * SECOND);
    assert_true(catchup.members[0].rate == 0);
    assert_int_equal(catchup.count, 1);
}

static void the_stages_behind_the_copy_are_words(void **state)
{
    struct catchup catchup = {.leader = 0};

    (void)state;
    hear(&catchup, "*3\r\n$6\r\nchange\r\n$5\r\njoint\r\n:12\r\n", 1);
    shows(&catchup, 79, 2 * SECOND,
          "joint configuration, entry 12: waits for both majorities  0:02");
    hear(&catchup, "*3\r\n$6\r\nchange\r\n$3\r\nnew\r\n:13\r\n", 1);
    shows(&catchup, 79, 0,
          "new configuration, entry 13: waits for its majority  0:00");
    hear(&catchup, "*3\r\n$6\r\nchange\r\n$4\r\nback\r\n:13\r\n", 1);
    shows(&catchup, 79, 0,
          "the old configuration, entry 13: waits for its majority  0:00");
}

static void pushes_of_another_shape_are_passed_over(void **state)
{
    struct catchup catchup = {.leader = -1};

    (void)state;
    hear(&catchup, "*0\r\n", 1);
    hear(&catchup, "+OK\r\n", 1);
    hear(&catchup, "*1\r\n$6\r\nchange\r\n", 1);
    hear(&catchup, "*2\r\n$6\r\nchange\r\n$5\r\nlater\r\n", 1);
    hear(&catchup, "*2\r\n$8\r\ncatch-up\r\n:3\r\n", 1);
    hear(&catchup, "*5\r\n$8\r\ncatch-up\r\n:3\r\n:-1\r\n:1\r\n:1\r\n", 1);
    hear(&catchup, "*2\r\n$6\r\nleader\r\n$1\r\nx\r\n", 1);
    assert_int_equal(catchup.count, 0);
    assert_int_equal(catchup.stage, CATCHUP_UNKNOWN);
    assert_int_equal(catchup.leader, -1);
}

static void more_members_than_there_can_be_are_passed_over(void **state)
{
    struct catchup catchup = {.leader = 0};

    (void)state;
    for (int i = 0; i < 2 * CATCHUP_MEMBERS_MAX; i++) {
        char text[80];

        snprintf(text, sizeof(text),
                 "*5\r\n$8\r\ncatch-up\r\n:%d\r\n:1\r\n:2\r\n:1\r\n", i);
        hear(&catchup, text, 1);
    }
    assert_int_equal(catchup.count, CATCHUP_MEMBERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_heard_says_whom_it_waits_for),
        cmocka_unit_test(a_copy_shows_a_bar_a_rate_and_the_time_left),
        cmocka_unit_test(the_last_of_many_is_shown),
        cmocka_unit_test(a_member_that_begins_anew_has_no_rate),
        cmocka_unit_test(the_stages_behind_the_copy_are_words),
        cmocka_unit_test(pushes_of_another_shape_are_passed_over),
        cmocka_unit_test(more_members_than_there_can_be_are_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
