#include "ctl/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 16

/* Reads a command line of words that one space separates. */
static bool reads(struct options *options, char *line, char *why)
{
    char *words[WORDS_MAX + 1] = {0};
    char *rest = NULL;
    int count = 0;

    for (char *word = strtok_r(line, " ", &rest);
         word != NULL && count < WORDS_MAX; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    return options_read(options, count, words, why, 256);
}

static void options_stand_before_and_behind_the_command(void **state)
{
    char line[] = "raftctl -s /a.sock submit -q --json - --file=x";
    struct options options;
    char why[256];

    (void)state;
    assert_true(reads(&options, line, why));
    assert_string_equal(options.socket, "/a.sock");
    assert_string_equal(options.file, "x");
    assert_true(options.json);
    assert_int_equal(options.given, OPTION_QUIET | OPTION_FILE);
    assert_int_equal(options.word_count, 2);
    assert_string_equal(options.words[0], "submit");
    assert_string_equal(options.words[1], "-");
    assert_null(options.words[2]);
    options_clear(&options);
}

static void two_dashes_end_the_options(void **state)
{
    char line[] = "raftctl submit -- --json -s";
    struct options options;
    char why[256];

    (void)state;
    assert_true(reads(&options, line, why));
    assert_false(options.json);
    assert_int_equal(options.word_count, 3);
    assert_string_equal(options.words[1], "--json");
    assert_string_equal(options.words[2], "-s");
    options_clear(&options);
}

static void the_socket_has_a_default_and_a_variable(void **state)
{
    char line[] = "raftctl status";
    char again[] = "raftctl status";
    char named[] = "raftctl status -s c";
    struct options options;
    char why[256];

    (void)state;
    unsetenv("RAFTSC_SOCKET");
    assert_true(reads(&options, line, why));
    assert_string_equal(options.socket, "/run/raft.sock");
    options_clear(&options);
    setenv("RAFTSC_SOCKET", "/b.sock", 1);
    assert_true(reads(&options, again, why));
    assert_string_equal(options.socket, "/b.sock");
    options_clear(&options);
    assert_true(reads(&options, named, why));
    assert_string_equal(options.socket, "c");
    options_clear(&options);
    unsetenv("RAFTSC_SOCKET");
}

static void options_of_an_entry_are_numbers_and_a_key(void **state)
{
    char line[] = "raftctl submit --key k --since 0 --after 12 --term 3 x";
    struct options options;
    char why[256];

    (void)state;
    assert_true(reads(&options, line, why));
    assert_int_equal(options.given, OPTION_ENTRY);
    assert_string_equal(options.entry.key, "k");
    assert_int_equal(options.entry.since, 0);
    assert_int_equal(options.entry.after, 12);
    assert_int_equal(options.entry.term, 3);
    options_clear(&options);
}

static uint64_t timeout_of(const char *text)
{
    char line[64];
    struct options options;
    char why[256];
    bool read;
    uint64_t timeout_us;

    snprintf(line, sizeof(line), "raftctl --timeout %s x", text);
    read = reads(&options, line, why);
    timeout_us = read ? options.timeout_us : 0;
    options_clear(&options);
    return timeout_us;
}

static void seconds_may_have_a_unit(void **state)
{
    (void)state;
    assert_int_equal(timeout_of("2"), 2000000);
    assert_int_equal(timeout_of("0.25"), 250000);
    assert_int_equal(timeout_of("250ms"), 250000);
    assert_int_equal(timeout_of("1m"), 60000000);
    assert_int_equal(timeout_of("0"), 0);
    assert_int_equal(timeout_of("0s"), 0);
    assert_int_equal(timeout_of("-1"), 0);
    assert_int_equal(timeout_of("soon"), 0);
    assert_int_equal(timeout_of("1h"), 0);
}

static void refused(const char *text, const char *expected)
{
    char line[64];
    struct options options;
    char why[256] = "";

    snprintf(line, sizeof(line), "%s", text);
    assert_false(reads(&options, line, why));
    assert_string_equal(why, expected);
    options_clear(&options);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    refused("raftctl -x status", "there is no option '-x'");
    refused("raftctl status --nonsense", "there is no option '--nonsense'");
    refused("raftctl status -s", "option '-s' needs a value");
    refused("raftctl status --timeout", "option '--timeout' needs a value");
    refused("raftctl watch -n soon",
            "option --interval: expected a number of seconds, not 'soon'");
    refused("raftctl submit --key= x",
            "option --key: expected 1 to 128 bytes, not ''");
    refused("raftctl submit --term 0 x",
            "option --term: expected a term, not '0'");
    refused("raftctl submit --after -1 x",
            "option --after: expected an index, not '-1'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_and_behind_the_command),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(the_socket_has_a_default_and_a_variable),
        cmocka_unit_test(options_of_an_entry_are_numbers_and_a_key),
        cmocka_unit_test(seconds_may_have_a_unit),
        cmocka_unit_test(what_is_wrong_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
