/* screen.c - see screen.h. */
#include "broker/hold/screen.h"

#include <stdlib.h>
#include <vterm.h>

/* Text of scrolled-off lines: cut to half of this when it is reached. */
enum { HISTORY_BYTES_MAX = 1024 * 1024, COLS_MAX = 1000 };

struct screen {
    VTerm *vterm;
    VTermScreen *cells;
    VTermState *state;
    uint64_t changes;
    bool alternate, cursor_hidden;
    bool probing; /* what libvterm would send is being looked at, not sent */
    bool would_bracket;
    VTermPos cursor;
    cccc_buf_t answers;
    bool answers_taken;
    cccc_buf_t history;
};

/* ---- what libvterm tells ---- */

static int on_damage(VTermRect rect, void *user)
{
    (void)rect;
    ((screen_t *)user)->changes++;
    return 1;
}

static int on_move_cursor(VTermPos pos, VTermPos before, int visible, void *user)
{
    (void)before;
    (void)visible;
    screen_t *self = user;
    self->cursor = pos;
    self->changes++;
    return 1;
}

static int on_property(VTermProp property, VTermValue *value, void *user)
{
    screen_t *self = user;
    if (property == VTERM_PROP_ALTSCREEN)
        self->alternate = value->boolean != 0;
    else if (property == VTERM_PROP_CURSORVISIBLE)
        self->cursor_hidden = value->boolean == 0;
    return 1;
}

static void on_output(const char *bytes, size_t len, void *user)
{
    enum { ANSWERS_BYTES_MAX = 4096 };
    screen_t *self = user;
    if (self->probing)
        self->would_bracket = len > 0;
    else if (self->answers.size + len <= ANSWERS_BYTES_MAX)
        cccc_buf_put(&self->answers, bytes, len);
}

/* ---- text ---- */

static void put_code(cccc_buf_t *out, uint32_t code)
{
    char bytes[4];
    size_t n = 0;
    if (code < 0x80) {
        bytes[n++] = (char)code;
    } else if (code < 0x800) {
        bytes[n++] = (char)(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        bytes[n++] = (char)(0xE0 | code >> 12);
        bytes[n++] = (char)(0x80 | (code >> 6 & 0x3F));
    } else {
        bytes[n++] = (char)(0xF0 | code >> 18);
        bytes[n++] = (char)(0x80 | (code >> 12 & 0x3F));
        bytes[n++] = (char)(0x80 | (code >> 6 & 0x3F));
    }
    if (code >= 0x80)
        bytes[n++] = (char)(0x80 | (code & 0x3F));
    cccc_buf_put(out, bytes, n);
}

/* One line of cells as text; the cell behind a wide one holds -1 and is skipped. */
static void put_cells(cccc_buf_t *out, const VTermScreenCell *cells, int count)
{
    size_t kept = out->size;
    for (int i = 0; i < count; i++) {
        uint32_t first = cells[i].chars[0];
        if (first == (uint32_t)-1)
            continue;
        if (first == 0)
            cccc_buf_put(out, " ", 1);
        for (int k = 0; first != 0 && k < VTERM_MAX_CHARS_PER_CELL && cells[i].chars[k]; k++)
            put_code(out, cells[i].chars[k]);
        if (first != 0 && first != ' ')
            kept = out->size;
    }
    out->size = kept;
    cccc_buf_put(out, "\n", 1);
}

static int get_row(const screen_t *self, int row, VTermScreenCell cells[COLS_MAX])
{
    int rows, cols;
    vterm_get_size(self->vterm, &rows, &cols);
    for (int col = 0; col < cols; col++)
        vterm_screen_get_cell(self->cells, (VTermPos){.row = row, .col = col}, &cells[col]);
    return cols;
}

static void put_row(screen_t *self, int row, cccc_buf_t *out)
{
    VTermScreenCell cells[COLS_MAX];
    put_cells(out, cells, get_row(self, row, cells));
}

static int on_scrolled_off(int cols, const VTermScreenCell *cells, void *user)
{
    screen_t *self = user;
    cccc_buf_t *history = &self->history;
    if (history->size >= HISTORY_BYTES_MAX) {
        const char *half = memchr(history->data + history->size / 2, '\n', history->size - history->size / 2);
        size_t cut = half ? (size_t)(half - history->data) + 1 : history->size;
        memmove(history->data, history->data + cut, history->size - cut);
        history->size -= cut;
    }
    put_cells(history, cells, cols);
    return 1;
}

/* ---- the mirror ---- */

static int within(int n, int most)
{
    return n < 1 ? 1 : n > most ? most : n;
}

screen_t *screen_new(int rows, int cols)
{
    static const VTermScreenCallbacks callbacks = {
        .damage = on_damage, .movecursor = on_move_cursor, .settermprop = on_property, .sb_pushline = on_scrolled_off};
    screen_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    self->vterm = vterm_new(within(rows, COLS_MAX), within(cols, COLS_MAX));
    CCCC_ASSERT(self->vterm, "(out of memory)");
    cccc_buf_init(&self->answers);
    cccc_buf_init(&self->history);
    vterm_set_utf8(self->vterm, 1);
    vterm_output_set_callback(self->vterm, on_output, self);
    self->state = vterm_obtain_state(self->vterm);
    self->cells = vterm_obtain_screen(self->vterm);
    vterm_screen_set_callbacks(self->cells, &callbacks, self);
    vterm_screen_set_damage_merge(self->cells, VTERM_DAMAGE_SCREEN);
    vterm_screen_enable_altscreen(self->cells, 1);
    vterm_screen_reset(self->cells, 1);
    return self;
}

void screen_destroy(screen_t **taken)
{
    screen_t *self = *taken;
    *taken = NULL;
    if (!self)
        return;
    vterm_free(self->vterm);
    cccc_buf_fini(&self->answers);
    cccc_buf_fini(&self->history);
    free(self);
}

void screen_resize(screen_t *self, int rows, int cols)
{
    vterm_set_size(self->vterm, within(rows, COLS_MAX), within(cols, COLS_MAX));
    vterm_screen_flush_damage(self->cells);
}

void screen_size(const screen_t *self, int *rows, int *cols)
{
    vterm_get_size(self->vterm, rows, cols);
}

void screen_feed(screen_t *self, const char *bytes, size_t len)
{
    if (self->answers_taken)
        self->answers.size = 0;
    self->answers_taken = false;
    vterm_input_write(self->vterm, bytes, len);
    vterm_screen_flush_damage(self->cells);
}

uint64_t screen_changes(const screen_t *self)
{
    return self->changes;
}

/* libvterm keeps the mode to itself, but what it would send before a paste tells it. */
bool screen_wants_brackets(screen_t *self)
{
    self->probing = true;
    self->would_bracket = false;
    vterm_keyboard_start_paste(self->vterm);
    self->probing = false;
    return self->would_bracket;
}

bool screen_is_alternate(const screen_t *self)
{
    return self->alternate;
}

cccc_str_t screen_answers(screen_t *self)
{
    if (self->answers_taken)
        return (cccc_str_t){0};
    self->answers_taken = true;
    return (cccc_str_t){self->answers.data, self->answers.size};
}

int screen_cursor(const screen_t *self, int *col)
{
    *col = self->cursor.col;
    return self->cursor.row;
}

bool screen_shows_cursor(const screen_t *self)
{
    return !self->cursor_hidden;
}

void screen_around_cursor(screen_t *self, cccc_buf_t *left, cccc_buf_t *right)
{
    VTermScreenCell cells[COLS_MAX];
    int cols = get_row(self, self->cursor.row, cells), col = self->cursor.col < cols ? self->cursor.col : cols;
    put_cells(left, cells, col);
    put_cells(right, cells + col, cols - col);
    left->size--; /* the line feeds */
    right->size--;
}

uint32_t screen_left_of_cursor(const screen_t *self)
{
    VTermScreenCell cell = {0};
    int rows, cols, col = self->cursor.col;
    vterm_get_size(self->vterm, &rows, &cols);
    if (self->cursor_hidden || col == 0 || col + 1 == cols)
        return 0;
    vterm_screen_get_cell(self->cells, (VTermPos){.row = self->cursor.row, .col = col - 1}, &cell);
    if (cell.chars[0] == (uint32_t)-1 && col >= 2) /* the second half of a wide one */
        vterm_screen_get_cell(self->cells, (VTermPos){.row = self->cursor.row, .col = col - 2}, &cell);
    return cell.chars[0] ? cell.chars[0] : ' ';
}

bool screen_is_blank(screen_t *self)
{
    cccc_buf_t shown;
    bool blank = true;
    cccc_buf_init(&shown);
    screen_text(self, 0, &shown);
    for (size_t i = 0; i < shown.size && blank; i++)
        blank = shown.data[i] == '\n' || shown.data[i] == ' ';
    cccc_buf_fini(&shown);
    return blank;
}

void screen_text(screen_t *self, int row, cccc_buf_t *out)
{
    int rows, cols;
    vterm_get_size(self->vterm, &rows, &cols);
    for (int r = row < 0 ? 0 : row; r < rows; r++)
        put_row(self, r, out);
}

void screen_history(screen_t *self, cccc_buf_t *out)
{
    if (!self->alternate)
        cccc_buf_put(out, self->history.data, self->history.size);
    screen_text(self, 0, out);
    while (out->size > 1 && out->data[out->size - 1] == '\n' && out->data[out->size - 2] == '\n')
        out->size--;
}

void screen_forget_history(screen_t *self)
{
    self->history.size = 0;
}
