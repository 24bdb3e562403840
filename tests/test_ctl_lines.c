#include "ctl/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/progress.h"

static void feed(struct lines *lines, const char *text, size_t size)
{
    memcpy(lines_room(lines, size + 1), text, size);
    lines_came(lines, size);
}

static void next_is(struct lines *lines, const char *expected)
{
    const char *data = NULL;
    size_t size = 0;

    assert_int_equal(lines_next(lines, &data, &size), LINES_ONE);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(data, expected, size);
}

static void next_is_none(struct lines *lines)
{
    const char *data = NULL;
    size_t size = 0;

    assert_int_equal(lines_next(lines, &data, &size), LINES_NONE);
}

static void lines_are_the_same_however_they_are_cut(void **state)
{
    static const char text[] = "one\n\nthree\r\nlast";

    (void)state;
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        struct lines lines = {0};

        feed(&lines, text, cut);
        if (cut >= 4)
            next_is(&lines, "one");
        feed(&lines, text + cut, sizeof(text) - 1 - cut);
        if (cut < 4)
            next_is(&lines, "one");
        next_is(&lines, "");
        next_is(&lines, "three\r");
        next_is_none(&lines);
        feed(&lines, "", 0);
        next_is(&lines, "last");
        next_is_none(&lines);
        lines_free(&lines);
    }
}

static void a_line_end_at_the_end_makes_no_empty_line(void **state)
{
    struct lines lines = {0};

    (void)state;
    next_is_none(&lines);
    feed(&lines, "a\n", 2);
    feed(&lines, "", 0);
    next_is(&lines, "a");
    next_is_none(&lines);
    lines_free(&lines);
}

static void a_line_that_no_node_takes_is_told(void **state)
{
    static char piece[1024 * 1024];
    struct lines lines = {0};
    const char *data;
    size_t size;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    for (size_t i = 0; i < 64; i++)
        feed(&lines, piece, sizeof(piece));
    next_is_none(&lines);
    feed(&lines, "x", 1);
    assert_int_equal(lines_next(&lines, &data, &size), LINES_LONG);
    lines_free(&lines);
}

static void progress_is_one_line_that_fits(void **state)
{
    char line[201];

    (void)state;
    progress_line(line, sizeof(line), 79, 50, 200, 10, 2000000);
    assert_string_equal(line, "[######--------------------]  25%  10 lines  "
                              "5/s  0:06 left");
    progress_line(line, sizeof(line), 79, 0, 200, 0, 0);
    assert_string_equal(line, "[--------------------------]   0%  0 lines  "
                              "0/s  -:-- left");
    progress_line(line, sizeof(line), 79, 300, 200, 9, 1000000);
    assert_string_equal(line, "[##########################] 100%  9 lines  "
                              "9/s  0:00 left");
    progress_line(line, sizeof(line), 79, 300, 0, 9, 1000000);
    assert_string_equal(line, "9 lines  9/s");
    progress_line(line, sizeof(line), 79, 1, 36000, 9, 1000000);
    assert_non_null(strstr(line, " 9:59:59 left"));
    for (size_t width = 1; width <= 200; width++) {
        progress_line(line, sizeof(line), width, 1, 2, UINT64_MAX, 1000);
        assert_true(strlen(line) <= width);
    }
}

static void a_narrow_line_leaves_whole_fields_out(void **state)
{
    static const uint64_t mib = 1 << 20;
    static const struct {
        size_t width;
        uint64_t total;
        const char *line;
    } cases[] = {
        {100, 1024,
         "[######----------------------------------]  17%"
         "  176.0 MiB  88 MiB/s  0:09 left"},
        {79, 1024,
         "[####----------------------]  17%  176.0 MiB  88 MiB/s"
         "  0:09 left"},
        {39, 1024, "[#------]  17%  88 MiB/s  0:09 left"},
        {24, 1024, "[----]  17%  0:09 left"},
        {12, 1024, "[--]  17%"},
        {8, 1024, "[-]  17%"},
        {5, 1024, " 17%"},
        {39, 0, "176.0 MiB  88 MiB/s"},
        {12, 0, "176.0 MiB"},
    };
    char line[201];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        progress_bytes_line(line, sizeof(line), cases[i].width, 176 * mib,
                            cases[i].total * mib, 2000000);
        assert_string_equal(line, cases[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_however_they_are_cut),
        cmocka_unit_test(a_line_end_at_the_end_makes_no_empty_line),
        cmocka_unit_test(a_line_that_no_node_takes_is_told),
        cmocka_unit_test(progress_is_one_line_that_fits),
        cmocka_unit_test(a_narrow_line_leaves_whole_fields_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
