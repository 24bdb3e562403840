#include "ctl/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"

#define TABLE_COLUMNS_MAX 16
#define TABLE_GAP 2        /* spaces between two columns */
#define TABLE_SHRUNK_MIN 8 /* a cut cell keeps at least so much */

struct table_cell {
    char *text;
    enum style style;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    struct table_cell *cells;
    size_t count;
    size_t capacity;
};

struct screen screen_of_stdout(void)
{
    struct screen screen = {.file = stdout};
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return screen;
    screen.width = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        screen.width = size.ws_col;
    screen.colour = (no_color == NULL || no_color[0] == 0) && term != NULL &&
                    strcmp(term, "dumb") != 0;
    return screen;
}

static const char *style_code(enum style style)
{
    switch (style) {
    case STYLE_PLAIN:
        return "";
    case STYLE_TITLE:
        return "\033[1m";
    case STYLE_GOOD:
        return "\033[32m";
    case STYLE_BAD:
        return "\033[31m";
    }
    return "";
}

void screen_text(const struct screen *screen, enum style style,
                 const char *text)
{
    if (screen->colour && style != STYLE_PLAIN)
        fprintf(screen->file, "%s%s\033[0m", style_code(style), text);
    else
        fputs(text, screen->file);
}

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *table = x_calloc(1, sizeof(*table));

    assert(count > 0 && count <= TABLE_COLUMNS_MAX);
    table->columns = columns;
    table->column_count = count;
    return table;
}

void table_free(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
}

void table_add(struct table *table, enum style style, const char *text)
{
    table->cells = x_grow(table->cells, &table->capacity, table->count + 1,
                          sizeof(*table->cells));
    table->cells[table->count].text = x_strdup(text);
    table->cells[table->count].style = style;
    table->count++;
}

static void table_measure(const struct table *table, size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = strlen(table->columns[i].title);
    for (size_t i = 0; i < table->count; i++) {
        size_t length = strlen(table->cells[i].text);
        size_t *width = &widths[i % table->column_count];

        if (length > *width)
            *width = length;
    }
}

/* Takes from the columns that may shrink what is too much, the first first. */
static void table_shrink(const struct table *table, size_t screen_width,
                         size_t *widths)
{
    size_t total = (table->column_count - 1) * TABLE_GAP;

    for (size_t i = 0; i < table->column_count; i++)
        total += widths[i];
    for (size_t i = 0; i < table->column_count; i++) {
        size_t spare, excess;

        if (screen_width == 0 || total <= screen_width)
            return;
        if (!table->columns[i].shrinks || widths[i] <= TABLE_SHRUNK_MIN)
            continue;
        spare = widths[i] - TABLE_SHRUNK_MIN;
        excess = total - screen_width;
        if (excess > spare)
            excess = spare;
        widths[i] -= excess;
        total -= excess;
    }
}

/* What of `text` fits: all, or its head, a '~', and its tail.  An address
 * tells most at its two ends. */
static const char *table_fit(const char *text, size_t width, char *space,
                             size_t space_size)
{
    size_t length = strlen(text);
    size_t head, tail;

    if (length <= width || width + 1 > space_size)
        return text;
    head = width / 2;
    tail = width - head - 1;
    memcpy(space, text, head);
    space[head] = '~';
    memcpy(space + head + 1, text + length - tail, tail);
    space[width] = 0;
    return space;
}

static void pad(FILE *file, size_t count)
{
    fprintf(file, "%*s", (int)count, "");
}

static void table_print_cell(const struct table *table,
                             const struct screen *screen, size_t column,
                             const struct table_cell *cell, size_t width)
{
    char space[512];
    const char *text = table_fit(cell->text, width, space, sizeof(space));
    size_t length = strlen(text);
    size_t fill = length < width ? width - length : 0;
    bool last = column + 1 == table->column_count;

    if (table->columns[column].right)
        pad(screen->file, fill);
    screen_text(screen, cell->style, text);
    if (last)
        return;
    pad(screen->file, TABLE_GAP);
    if (!table->columns[column].right)
        pad(screen->file, fill);
}

void table_print(const struct table *table, const struct screen *screen)
{
    size_t widths[TABLE_COLUMNS_MAX];

    assert(table->count % table->column_count == 0);
    table_measure(table, widths);
    table_shrink(table, screen->width, widths);
    for (size_t i = 0; i < table->column_count; i++) {
        char title[64];
        struct table_cell cell = {title, STYLE_TITLE};

        snprintf(title, sizeof(title), "%s", table->columns[i].title);
        table_print_cell(table, screen, i, &cell, widths[i]);
    }
    fputc('\n', screen->file);
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->column_count;

        table_print_cell(table, screen, column, &table->cells[i],
                         widths[column]);
        if (column + 1 == table->column_count)
            fputc('\n', screen->file);
    }
}
