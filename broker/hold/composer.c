/* composer.c - see composer.h. */
#include "broker/hold/composer.h"

#include "proto/utf8.h"

#include <string.h>

/* Rows a line may be wrapped over and still be found. */
enum { WRAPPED_ROWS = 3 };

/* What agents show for a paste of many lines: "[Pasted text #1 +12 lines]", "[Pasted ~5 lines]", "[Pasted Content 1024 chars]". */
static const char pasted[] = "[Pasted ";

/* ---- text without blanks and frames ---- */

static bool is_frame(uint32_t code)
{
    return code <= ' ' || code == '|' || code == 0xa0 || (code >= 0x2500 && code <= 0x259f);
}

static void squeeze(cccc_buf_t *out, cccc_str_t text)
{
    while (text.len > 0) {
        uint32_t code;
        size_t length;
        cccc_utf8_decode(text, &code, &length);
        if (!is_frame(code))
            cccc_buf_put(out, text.ptr, length);
        text.ptr += length;
        text.len -= length;
    }
}

void composer_tail_of(struct composer_tail *out, cccc_str_t text)
{
    cccc_buf_t squeezed;
    cccc_buf_init(&squeezed);
    squeeze(&squeezed, text);
    out->len = squeezed.size < sizeof out->bytes ? squeezed.size : sizeof out->bytes;
    if (out->len > 0)
        memcpy(out->bytes, squeezed.data + squeezed.size - out->len, out->len);
    cccc_buf_fini(&squeezed);
}

void composer_head_of(struct composer_tail *out, cccc_str_t text)
{
    cccc_buf_t squeezed;
    cccc_buf_init(&squeezed);
    squeeze(&squeezed, text);
    out->len = 0;
    while (out->len < squeezed.size && out->len < sizeof out->bytes && (signed char)squeezed.data[out->len] > 0)
        out->len++;
    if (out->len > 0)
        memcpy(out->bytes, squeezed.data, out->len);
    cccc_buf_fini(&squeezed);
}

unsigned composer_count(screen_t *screen, const struct composer_tail *piece)
{
    cccc_buf_t shown, squeezed;
    unsigned count = 0;
    cccc_buf_init(&shown);
    cccc_buf_init(&squeezed);
    screen_text(screen, 0, &shown);
    squeeze(&squeezed, (cccc_str_t){shown.data, shown.size});
    const char *at = squeezed.data, *end = at + squeezed.size;
    while (piece->len > 0 && at < end && (at = memmem(at, (size_t)(end - at), piece->bytes, piece->len)) != NULL) {
        count++;
        at += piece->len;
    }
    cccc_buf_fini(&squeezed);
    cccc_buf_fini(&shown);
    return count;
}

/* ---- rows ---- */

/* The last rows that were read, squeezed one behind the other. */
struct window {
    cccc_buf_t text;
    size_t starts[WRAPPED_ROWS];
};

static void window_add(struct window *self, cccc_str_t row)
{
    size_t drop = self->starts[1];
    if (drop > 0) {
        self->text.size -= drop;
        memmove(self->text.data, self->text.data + drop, self->text.size);
    }
    for (int i = 0; i + 1 < WRAPPED_ROWS; i++)
        self->starts[i] = self->starts[i + 1] - drop;
    self->starts[WRAPPED_ROWS - 1] = self->text.size;
    squeeze(&self->text, row);
}

/* Does the text end in the row added last? */
static bool window_ends_with(const struct window *self, const struct composer_tail *tail)
{
    size_t own = self->starts[WRAPPED_ROWS - 1];
    size_t from = own + 1 > tail->len ? own + 1 - tail->len : 0; /* at least one byte of it lies in that row */
    if (tail->len == 0 || self->text.size < from + tail->len)
        return false;
    return memmem(self->text.data + from, self->text.size - from, tail->bytes, tail->len) != NULL;
}

static void keep(cccc_buf_t *out, cccc_str_t row)
{
    out->size = 0;
    cccc_buf_put(out, row.ptr, row.len < COMPOSER_ROW_BYTES_MAX ? row.len : COMPOSER_ROW_BYTES_MAX);
}

/* ---- the place ---- */

void composer_place_init(struct composer_place *self)
{
    *self = (struct composer_place){0};
    cccc_buf_init(&self->row);
    cccc_buf_init(&self->next);
}

void composer_place_fini(struct composer_place *self)
{
    cccc_buf_fini(&self->row);
    cccc_buf_fini(&self->next);
}

static void look_at(struct composer_place *out, const struct window *window, cccc_str_t row, int number, int cursor_row,
                    const struct composer_tail *tail)
{
    if (window_ends_with(window, tail) || memmem(row.ptr, row.len, pasted, sizeof pasted - 1)) {
        out->shown = true;
        out->cursor_rows = cursor_row - number;
        keep(&out->row, row);
        out->next.size = 0;
    } else if (out->shown && out->next.size == 0) {
        keep(&out->next, row);
    }
}

void composer_find(struct composer_place *out, screen_t *screen, const struct composer_tail *tail)
{
    struct window window = {0};
    cccc_buf_t shown;
    int number = 0, cursor_row = screen_cursor(screen, &out->cursor_col);
    cccc_buf_init(&shown);
    cccc_buf_init(&window.text);
    screen_text(screen, 0, &shown);
    out->shown = false;
    for (cccc_str_t rest = {shown.data, shown.size}; rest.len > 0; number++) {
        cccc_str_t row = cccc_str_next(&rest, '\n');
        window_add(&window, row);
        look_at(out, &window, row, number, cursor_row, tail);
    }
    cccc_buf_fini(&window.text);
    cccc_buf_fini(&shown);
}

static bool same_bytes(const cccc_buf_t *a, const cccc_buf_t *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static bool same_row(const struct composer_place *a, const struct composer_place *b)
{
    return a->shown && b->shown && a->cursor_rows == b->cursor_rows && a->cursor_col == b->cursor_col && same_bytes(&a->row, &b->row);
}

bool composer_is_same(const struct composer_place *a, const struct composer_place *b)
{
    return same_row(a, b) && (a->restless || b->restless || same_bytes(&a->next, &b->next));
}

void composer_look_again(struct composer_place *self, screen_t *screen, const struct composer_tail *tail)
{
    struct composer_place now;
    composer_place_init(&now);
    composer_find(&now, screen, tail);
    now.steady = same_row(self, &now);
    now.restless = now.steady && (self->restless || !same_bytes(&self->next, &now.next));
    composer_place_fini(self);
    *self = now;
}
