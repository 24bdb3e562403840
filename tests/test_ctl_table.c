#include "ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct table_column columns[] = {
    {"ID", true, false}, {"ADDRESS", false, true}, {"LAG", true, false}};

static void printed(const struct table *table, size_t width, bool colour,
                    const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    struct screen screen = {.width = width, .colour = colour};

    screen.file = open_memstream(&text, &size);
    assert_non_null(screen.file);
    table_print(table, &screen);
    fclose(screen.file);
    assert_string_equal(text, expected);
    free(text);
}

static struct table *example(void)
{
    struct table *table = table_new(columns, 3);

    table_add(table, STYLE_PLAIN, "0");
    table_add(table, STYLE_PLAIN, "raft-0.example.com:7000");
    table_add(table, STYLE_PLAIN, "12345");
    table_add(table, STYLE_PLAIN, "10");
    table_add(table, STYLE_BAD, "b:1");
    table_add(table, STYLE_PLAIN, "-");
    return table;
}

static void columns_are_aligned(void **state)
{
    struct table *table = example();

    (void)state;
    printed(table, 0, false,
            "ID  ADDRESS                    LAG\n"
            " 0  raft-0.example.com:7000  12345\n"
            "10  b:1                          -\n");
    table_free(table);
}

static void a_narrow_screen_cuts_what_may_be_cut_in_its_middle(void **state)
{
    struct table *table = example();

    (void)state;
    printed(table, 26, false,
            "ID  ADDRESS            LAG\n"
            " 0  raft-0.~om:7000  12345\n"
            "10  b:1                  -\n");
    /* Eight characters stay, even where that is too wide. */
    printed(table, 5, false,
            "ID  ADDRESS     LAG\n"
            " 0  raft~000  12345\n"
            "10  b:1           -\n");
    table_free(table);
}

static void colours_do_not_move_the_columns(void **state)
{
    struct table *table = example();

    (void)state;
    printed(table, 0, true,
            "\033[1mID\033[0m  \033[1mADDRESS\033[0m                    "
            "\033[1mLAG\033[0m\n"
            " 0  raft-0.example.com:7000  12345\n"
            "10  \033[31mb:1\033[0m                          -\n");
    table_free(table);
}

static void a_table_without_rows_is_its_titles(void **state)
{
    struct table *table = table_new(columns, 3);

    (void)state;
    printed(table, 80, false, "ID  ADDRESS  LAG\n");
    table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(a_narrow_screen_cuts_what_may_be_cut_in_its_middle),
        cmocka_unit_test(colours_do_not_move_the_columns),
        cmocka_unit_test(a_table_without_rows_is_its_titles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
