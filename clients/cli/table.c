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

struct cell {
    char *text; /* in the arena */
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
    self->cells[self->count++] = (struct cell){(char *)(uintptr_t)shown.ptr, escape_width(shown), style};
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

static void print_tabs(const cli_table_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        const char *style = cli_style(self->cli, self->cells[i].style);
        printf("%s%s%s%c", style, self->cells[i].text, *style ? cli_plain(self->cli) : "", (i + 1) % self->columns ? '\t' : '\n');
    }
}

static size_t column_width(const cli_table_t *self, size_t column)
{
    size_t width = escape_width(cccc_str(self->headings[column]));
    for (size_t i = column; i < self->count; i += self->columns)
        width = self->cells[i].width > width ? self->cells[i].width : width;
    return width;
}

static void print_aligned(const cli_table_t *self)
{
    const struct cli *cli = self->cli;
    size_t widths[16];
    CCCC_ASSERT(self->columns <= 16);
    for (size_t c = 0; c < self->columns; c++)
        widths[c] = column_width(self, c);
    for (size_t c = 0; c < self->columns; c++) {
        bool last = c + 1 == self->columns;
        printf("%s%s%s%*s", cli_style(cli, STYLE_BOLD), self->headings[c], cli_plain(cli),
               last ? 0 : (int)(widths[c] - strlen(self->headings[c]) + 2), "");
    }
    putchar('\n');
    for (size_t i = 0; i < self->count; i++) {
        const struct cell *cell = &self->cells[i];
        bool last = (i + 1) % self->columns == 0;
        const char *style = cell->style == STYLE_NONE ? "" : cli_style(cli, cell->style);
        printf("%s%s%s%*s", style, cell->text, *style ? cli_plain(cli) : "", last ? 0 : (int)(widths[i % self->columns] - cell->width + 2),
               "");
        if (last)
            putchar('\n');
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
