/* Aligned tables for people, and the few colours that go with them.
 *
 * A colour only repeats what a word says: without it nothing is lost. */
#ifndef RAFTSC_CTL_TABLE_H
#define RAFTSC_CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum style { STYLE_PLAIN, STYLE_TITLE, STYLE_GOOD, STYLE_BAD };

/* Where something is shown. */
struct screen {
    FILE *file;
    size_t width; /* columns; 0: as wide as it gets */
    bool colour;
};

/* Standard output.  On a terminal its width, and colours unless NO_COLOR is
 * set or TERM is dumb. */
struct screen screen_of_stdout(void);

void screen_text(const struct screen *screen, enum style style,
                 const char *text);

struct table_column {
    const char *title;
    bool right;   /* numbers */
    bool shrinks; /* may be cut in its middle where the screen is narrow */
};

struct table;

/* Borrows `columns`. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *table);

/* The next cell, row by row.  Copies `text`; one byte of it is one column of
 * the screen, so it is printable ASCII. */
void table_add(struct table *table, enum style style, const char *text);

/* All rows under the titles.  The last row is whole.  A cut cell has a '~'
 * where characters are missing; no line ends in spaces. */
void table_print(const struct table *table, const struct screen *screen);

#endif
