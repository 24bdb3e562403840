#include "daemon/configfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static const char base[] = "id = 1\n"
                           "data-dir = /tmp\n"
                           "peer-listen = a:7000\n";

/* Reads the base and `more`; returns what it says, "" for nothing. */
static char *read_text(const char *more, const char *override,
                       struct settings *settings)
{
    char path[] = "/tmp/raftsc-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, base, strlen(base)), strlen(base));
    assert_int_equal(write(fd, more, strlen(more)), strlen(more));
    close(fd);
    struct buf errors = {0};
    struct configfile file = {.path = path,
                              .overrides = &override,
                              .override_count = override != NULL};
    bool sound = configfile_read(&file, settings, &errors);
    assert_int_equal(sound, errors.size == 0);
    buf_append_u8(&errors, '\0');
    /* The name of the file differs each time: it is cut off. */
    for (char *at; (at = strstr((char *)errors.data, path)) != NULL;) {
        memmove(at, at + strlen(path), strlen(at + strlen(path)) + 1);
    }
    unlink(path);
    return (char *)errors.data;
}

static void says(const char *more, const char *expected)
{
    static struct settings settings;
    char *said = read_text(more, NULL, &settings);
    assert_string_equal(said, expected);
    free(said);
}

static void defaults_and_values_are_in_their_places(void **state)
{
    (void)state;
    static struct settings settings;
    char *said = read_text("cluster = shop  # a comment\n"
                           "  # another\n"
                           "election-timeout = 2s\n"
                           "max-payload = 64MiB\n"
                           "forward = no\n",
                           "id=7", &settings);
    assert_string_equal(said, "");
    free(said);
    assert_int_equal(settings.id, 7);
    assert_string_equal(settings.cluster, "shop");
    assert_string_equal(settings.peer_advertise, "a:7000");
    assert_string_equal(settings.app_socket, "/run/raft.sock");
    assert_int_equal(settings.app_socket_mode, 0660);
    assert_int_equal(settings.election_timeout_us, 2000000);
    assert_int_equal(settings.heartbeat_us, 100000);
    assert_int_equal(settings.max_payload, 64 << 20);
    assert_false(settings.forward);
}

static void every_error_names_line_key_and_what_was_expected(void **state)
{
    (void)state;
    says("colour = blue\n", ":4: colour: there is no such key: raftsc.conf(5) "
                            "names those that there are\n");
    says("id = 2\n", ":4: id: it was given before, in line 1\n");
    says("nonsense\n", ":4: 'nonsense': expected key = value\n");
    says("[section]\n", ":4: '[section]': expected key = value\n");
    says("cluster: shop\n", ":4: 'cluster: shop': expected key = value\n");
    says("; no comment\n", ":4: '; no comment': expected key = value\n");
    says("# one = 1\n\n  # two\n = 5\n", ":7: '= 5': expected key = value\n");
    says("forward = yes\n   and more\n",
         ":5: 'and more': expected key = value\n");
    says("forward = maybe\n", ":4: forward: 'maybe': expected yes or no\n");
    says("max-payload = 1GiB\n", ":4: max-payload: '1GiB': expected a size "
                                 "(bytes, KiB, MiB, GiB) from 1 to 64MiB\n");
    says("election-timeout = 5\n",
         ":4: election-timeout: '5': expected a duration (us, ms, s, m) from "
         "10ms to 1m\n");
    says("app-socket-mode = 999\n", ":4: app-socket-mode: '999': expected "
                                    "permissions in octal, such as 0660\n");
    says("cluster = a b\n", ":4: cluster: 'a b': expected letters, digits, "
                            "'.', '_' and '-'\n");
    says("app-socket-group = no-such-group\n",
         ":4: app-socket-group: 'no-such-group': expected the name of a group "
         "that this system knows\n");
    says("cluster =\n", ":4: cluster: it has no value\n");
    says("heartbeat-interval = 400ms\n",
         ":4: heartbeat-interval: expected at most a third of "
         "election-timeout, which is 1s\n");
    says("bootstrap = 0=b:7000\n",
         ":4: bootstrap: this node, 1, is not in its own list: expected "
         "1=host:port in it\n");
    says("peer-advertise = 0.0.0.0:7000\n",
         ":4: peer-advertise: '0.0.0.0:7000' is every address: expected the "
         "one that the other nodes dial\n");
    static const char *const any[] = {"0:7000", "*:7000", "[::]:7000",
                                      "[0::0]:7000", "0.0:7000"};
    for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
        char line[64];
        char said[128];
        snprintf(line, sizeof(line), "peer-advertise = %s\n", any[i]);
        snprintf(said, sizeof(said),
                 ":4: peer-advertise: '%s' is every address: expected the one "
                 "that the other nodes dial\n",
                 any[i]);
        says(line, said);
    }
    says("cluster = ${NO_SUCH_THING}\n",
         ":4: cluster: ${NO_SUCH_THING}: the environment has no variable of "
         "that name\n");
    /* All of them, not only the first. */
    says("a = 1\nb = 2\n",
         ":4: a: there is no such key: raftsc.conf(5) names those that there "
         "are\n:5: b: there is no such key: raftsc.conf(5) names those that "
         "there are\n");
}

/* inih has limits of its own: none of them may cut a line without a word. */
static void a_line_may_be_long_but_not_endless(void **state)
{
    (void)state;
    static char more[60000];
    static struct settings settings;
    size_t size = 0;
    for (int i = 0; i < 60; i++) {
        size += (size_t)snprintf(more + size, sizeof(more) - size,
                                 "%s%d=node-%d.of-a-long-domain.example:7000",
                                 i == 0 ? "bootstrap = " : ", ", i, i);
    }
    snprintf(more + size, sizeof(more) - size, "\ncolour = blue");
    char *said = read_text(more, NULL, &settings);
    assert_string_equal(said, ":5: colour: there is no such key: "
                              "raftsc.conf(5) names those that there are\n");
    assert_non_null(strstr(settings.bootstrap, "59=node-59"));
    free(said);
    memset(more, 'x', 50000);
    memcpy(more + 50000, "\ncolour = blue\n", 16);
    said = read_text(more, NULL, &settings);
    assert_non_null(strstr(said, "': the line is too long: expected"));
    assert_non_null(strstr(said, "\n:5: colour: there is no such key"));
    free(said);
}

static void variables_of_the_environment_are_put_in(void **state)
{
    (void)state;
    static struct settings settings;
    setenv("RAFTSC_TEST_NAME", "shop", 1);
    char *said =
        read_text("cluster = my-${RAFTSC_TEST_NAME}\n", NULL, &settings);
    assert_string_equal(said, "");
    assert_string_equal(settings.cluster, "my-shop");
    free(said);
}

static void an_option_with_an_error_is_named(void **state)
{
    (void)state;
    static struct settings settings;
    char *said = read_text("", "forward=perhaps", &settings);
    assert_string_equal(said, "-o: forward: 'perhaps': expected yes or no\n");
    free(said);
}

/* What a file says wrongly is no error where it does not count. */
static void an_option_stands_for_what_the_file_says(void **state)
{
    (void)state;
    static struct settings settings;
    char *said = read_text("forward = perhaps\nbootstrap = 1=a:1\n",
                           "forward=no", &settings);
    assert_string_equal(said, "");
    assert_false(settings.forward);
    free(said);
    said = read_text("bootstrap = 1=a:1\n", "bootstrap=", &settings);
    assert_string_equal(said, "");
    assert_string_equal(settings.bootstrap, "");
    free(said);
    said = read_text("", "heartbeat-interval=900ms", &settings);
    assert_string_equal(said, "-o: heartbeat-interval: expected at most a "
                              "third of election-timeout, which is 1s\n");
    free(said);
    said = read_text("forward = no\nforward = no\n", "forward=no", &settings);
    assert_string_equal(said, ":5: forward: it was given before, in line 4\n");
    free(said);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    static struct settings settings;
    struct buf errors = {0};
    struct configfile file = {.path = "/dev/null"};
    assert_false(configfile_read(&file, &settings, &errors));
    buf_append_u8(&errors, '\0');
    assert_string_equal(
        (char *)errors.data,
        "/dev/null: data-dir: it is missing, and has no default\n"
        "/dev/null: id: it is missing, and has no default\n"
        "/dev/null: peer-listen: it is missing, and has no default\n");
    buf_free(&errors);
}

static void every_value_is_shown_as_it_would_be_written(void **state)
{
    (void)state;
    static struct settings settings;
    static struct settings back;
    char *said = read_text("", NULL, &settings);
    free(said);
    size_t count;
    const struct setting *table = settings_table(&count);
    for (size_t i = 0; i < count; i++) {
        static char value[SETTINGS_VALUE_MAX];
        static char again[SETTINGS_VALUE_MAX];
        char why[256];
        settings_show(&settings, &table[i], value, sizeof(value));
        assert_true(settings_read(&back, &table[i], value, why, sizeof(why)));
        settings_show(&back, &table[i], again, sizeof(again));
        assert_string_equal(value, again);
    }
}

/* The manual names every key, and whether it changes at run time. */
static void the_manual_has_every_key(void **state)
{
    (void)state;
    const char *source = getenv("srcdir");
    char path[4096];
    static char page[100000];
    snprintf(path, sizeof(path), "%s/man/raftsc.conf.5",
             source == NULL ? "." : source);
    FILE *stream = fopen(path, "re");
    assert_non_null(stream);
    page[fread(page, 1, sizeof(page) - 1, stream)] = '\0';
    fclose(stream);
    size_t count;
    const struct setting *table = settings_table(&count);
    for (size_t i = 0; i < count; i++) {
        char heading[64];
        snprintf(heading, sizeof(heading), ".It Cm %s ", table[i].name);
        const char *at = strstr(page, heading);
        assert_non_null(at);
        const char *end = strstr(at + 1, "\n.It ");
        const char *mark = strstr(at, ".Em \\&At run time");
        bool marked = mark != NULL && (end == NULL || mark < end);
        assert_int_equal(marked, table[i].at_run_time);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_and_values_are_in_their_places),
        cmocka_unit_test(every_error_names_line_key_and_what_was_expected),
        cmocka_unit_test(a_line_may_be_long_but_not_endless),
        cmocka_unit_test(variables_of_the_environment_are_put_in),
        cmocka_unit_test(an_option_with_an_error_is_named),
        cmocka_unit_test(an_option_stands_for_what_the_file_says),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(every_value_is_shown_as_it_would_be_written),
        cmocka_unit_test(the_manual_has_every_key),
    };
    return RUN(tests);
}
