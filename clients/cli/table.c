/* table.c - rows of cells: aligned for people, tab-separated for programs.
 *
 * Cells are escaped when they come in, so widths are those of what is shown. The last column is never padded and never cut.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16

struct cell {
    const char *text; /* in the arena */
    size_t width;
    enum cli_style style;
};

struct cli_table {
    struct cli *cli;
    const char *const *headings;
    size_t columns;
    struct cell *cells;
    size_t count, capacity;
};

cli_table_t *cli_table_new(struct cli *cli, const char *const *headings, size_t columns)
{
    CCCC_ASSERT(columns > 0 && columns <= COLUMNS_MAX);
    cli_table_t *self = calloc(1, sizeof *self);
    if (!self)
        abort();
    *self = (cli_table_t){.cli = cli, .headings = headings, .columns = columns};
    return self;
}

void cli_cell(cli_table_t *self, cccc_str_t text, enum cli_style style)
{
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 64;
        self->cells = realloc(self->cells, self->capacity * sizeof *self->cells);
        if (!self->cells)
            abort();
    }
    cccc_buf_t safe;
    cccc_buf_init(&safe);
    escape_text(&safe, text, ESCAPE_ONE_LINE);
    cccc_str_t shown = cccc_arena_str(self->cli->arena, (cccc_str_t){safe.data, safe.size});
    cccc_buf_fini(&safe);
    self->cells[self->count++] = (struct cell){shown.ptr, escape_width(shown), style};
}

void cli_cell_fmt(cli_table_t *self, enum cli_style style, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cli_cell(self, cccc_str(text), style);
}

void cli_cell_time(cli_table_t *self, cccc_str_t ts)
{
    int64_t then;
    char text[32];
    if (ts.len == 0) {
        cli_cell(self, CCCC_STR("-"), STYLE_DIM);
    } else if (!self->cli->tty || !cccc_ts_parse(ts, &then)) {
        cli_cell(self, ts, STYLE_NONE);
    } else {
        cli_relative_time(text, sizeof text, then, self->cli->now_us);
        cli_cell(self, cccc_str(text), STYLE_NONE);
    }
}

void cli_cell_of(cli_table_t *self, const cccc_value_t *map, const char *key, enum cli_style style)
{
    cccc_str_t text = cccc_get_str(map, key);
    cli_cell(self, text.len ? text : CCCC_STR("-"), text.len ? style : STYLE_DIM);
}

static void print_styled(const struct cli *cli, const char *text, enum cli_style style)
{
    const char *on = style == STYLE_NONE ? "" : cli_style(cli, style);
    printf("%s%s%s", on, text, *on ? cli_plain(cli) : "");
}

static void print_tabs(const cli_table_t *self)
{
    size_t column = 0;
    for (size_t i = 0; i < self->count; i++) {
        print_styled(self->cli, self->cells[i].text, self->cells[i].style);
        column = column + 1 < self->columns ? column + 1 : 0;
        putchar(column ? '\t' : '\n');
    }
}

static size_t column_width(const cli_table_t *self, size_t column)
{
    size_t width = escape_width(cccc_str(self->headings[column]));
    for (size_t i = column; i < self->count; i += self->columns)
        width = self->cells[i].width > width ? self->cells[i].width : width;
    return width;
}

/* A cell and the blanks up to the next one; the last of a row ends the line instead. */
static void print_padded(const struct cli *cli, const struct cell *cell, size_t width, bool last)
{
    print_styled(cli, cell->text, cell->style);
    if (last)
        putchar('\n');
    else
        printf("%*s", (int)(width - cell->width + 2), "");
}

static void print_aligned(const cli_table_t *self)
{
    size_t widths[COLUMNS_MAX] = {0}, column = 0;
    for (size_t c = 0; c < self->columns; c++) {
        struct cell heading = {self->headings[c], strlen(self->headings[c]), STYLE_BOLD};
        widths[c] = column_width(self, c);
        print_padded(self->cli, &heading, widths[c], c + 1 == self->columns);
    }
    for (size_t i = 0; i < self->count; i++) {
        print_padded(self->cli, &self->cells[i], widths[column], column + 1 == self->columns);
        column = column + 1 < self->columns ? column + 1 : 0;
    }
}

void cli_table_print(cli_table_t **self)
{
    if ((*self)->cli->tty)
        print_aligned(*self);
    else
        print_tabs(*self);
    cli_table_free(self);
}

void cli_table_free(cli_table_t **self)
{
    free((*self)->cells);
    free(*self);
    *self = NULL;
}
