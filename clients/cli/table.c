/* table.c - rows of cells: aligned for people, tab-separated for programs.
 *
 * Cells are escaped when they come in, so widths are those of what is shown. The last column is never padded; it is folded at the edge of the terminal.
 * Where the columns do not fit side by side, those are left out that say nothing in any row; and where that is not enough, each row is printed as a block.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16
#define GAP         2  /* blanks between columns */
#define LAST_MIN    24 /* a last column of long texts needs this much, or the cells are stacked */

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

static struct cell *next_cell(cli_table_t *self)
{
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 64;
        self->cells = realloc(self->cells, self->capacity * sizeof *self->cells);
        if (!self->cells)
            abort();
    }
    return &self->cells[self->count++];
}

void cli_cell(cli_table_t *self, cccc_str_t text, enum cli_style style)
{
    cccc_buf_t safe;
    cccc_buf_init(&safe);
    escape_text(&safe, text, ESCAPE_ONE_LINE);
    cccc_str_t shown = cccc_arena_str(self->cli->arena, (cccc_str_t){safe.data, safe.size});
    cccc_buf_fini(&safe);
    *next_cell(self) = (struct cell){shown.ptr, escape_width(shown), style};
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

/* Rows that would not fit side by side: one below the other, each cell behind its heading. */
static void print_stacked(const cli_table_t *self)
{
    size_t width = 0;
    for (size_t c = 0; c < self->columns; c++)
        width = strlen(self->headings[c]) > width ? strlen(self->headings[c]) : width;
    for (size_t i = 0; i < self->count; i++) {
        const struct cell *cell = &self->cells[i];
        size_t column = i % self->columns;
        if (column == 0 && i > 0)
            putchar('\n');
        printf("%s%-*s%s  %s", cli_style(self->cli, STYLE_BOLD), (int)width, self->headings[column], cli_plain(self->cli),
               cli_style(self->cli, cell->style));
        cli_print_folded(self->cli, cccc_str(cell->text), width + 2, 0, "", false);
        printf("%s\n", cell->style == STYLE_NONE ? "" : cli_plain(self->cli));
    }
}

/* A cell and the blanks up to the next one; the last of a row is folded in its column and ends the line. */
static void print_padded(struct cli *cli, const struct cell *cell, size_t column, size_t width, bool last)
{
    if (!last) {
        print_styled(cli, cell->text, cell->style);
        printf("%*s", (int)(width - cell->width + GAP), "");
        return;
    }
    const char *on = cell->style == STYLE_NONE ? "" : cli_style(cli, cell->style);
    fputs(on, stdout);
    cli_print_folded(cli, cccc_str(cell->text), column, 0, "", false);
    printf("%s\n", *on ? cli_plain(cli) : "");
}

/* Where the columns begin. False: they do not fit side by side. */
static bool lay_out(const cli_table_t *self, size_t widths[COLUMNS_MAX], size_t starts[COLUMNS_MAX])
{
    size_t last = self->columns - 1;
    for (size_t c = 0; c < self->columns; c++) {
        widths[c] = column_width(self, c);
        starts[c] = c > 0 ? starts[c - 1] + widths[c - 1] + GAP : 0;
    }
    size_t least = widths[last] < LAST_MIN ? widths[last] : LAST_MIN;
    return starts[last] + least <= (size_t)self->cli->width;
}

static void print_aligned(const cli_table_t *self, const size_t widths[COLUMNS_MAX], const size_t starts[COLUMNS_MAX])
{
    CCCC_ASSERT(self->columns > 0);
    size_t last = self->columns - 1;
    for (size_t c = 0; c < self->columns; c++) {
        struct cell heading = {self->headings[c], strlen(self->headings[c]), STYLE_BOLD};
        print_padded(self->cli, &heading, starts[c], widths[c], c == last);
    }
    for (size_t i = 0; i < self->count; i++)
        print_padded(self->cli, &self->cells[i], starts[i % self->columns], widths[i % self->columns], i % self->columns == last);
}

static bool says_nothing(const cli_table_t *self, size_t column)
{
    bool nothing = true;
    for (size_t i = column; i < self->count && nothing; i += self->columns)
        nothing = strcmp(self->cells[i].text, "-") == 0 || strcmp(self->cells[i].text, "0") == 0;
    return nothing;
}

/* The same table without the columns that say nothing; the first one, which names the rows, stays. */
static cli_table_t *narrowed(const cli_table_t *self, const char *headings[COLUMNS_MAX])
{
    bool kept[COLUMNS_MAX];
    size_t columns = 0;
    for (size_t c = 0; c < self->columns; c++) {
        kept[c] = c == 0 || !says_nothing(self, c);
        if (kept[c])
            headings[columns++] = self->headings[c];
    }
    cli_table_t *less = cli_table_new(self->cli, headings, columns);
    for (size_t i = 0; i < self->count; i++)
        if (kept[i % self->columns])
            *next_cell(less) = self->cells[i];
    return less;
}

static void print_on_terminal(const cli_table_t *self)
{
    size_t widths[COLUMNS_MAX] = {0}, starts[COLUMNS_MAX] = {0};
    const char *headings[COLUMNS_MAX];
    if (lay_out(self, widths, starts)) {
        print_aligned(self, widths, starts);
        return;
    }
    cli_table_t *less = narrowed(self, headings);
    if (lay_out(less, widths, starts))
        print_aligned(less, widths, starts);
    else
        print_stacked(less);
    cli_table_free(&less);
}

void cli_table_print(cli_table_t **self)
{
    if ((*self)->cli->tty)
        print_on_terminal(*self);
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
