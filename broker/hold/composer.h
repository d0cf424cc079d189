/* composer.h - where a text that was typed stands on the screen, and whether it still stands there.
 *
 * Agents show what they were given in an input line until it is submitted, and often once more above it then, in the same words. So it is not the words that tell but
 * their place: the row they end in, the next row with anything in it, and where the cursor is from there.
 * Thread: the holder's one. */
#pragma once

#include "broker/hold/screen.h"

enum { COMPOSER_TAIL_BYTES_MAX = 24, COMPOSER_ROW_BYTES_MAX = 512 };

/* The end of a text as it is looked for: without blanks and frames, which wrapping puts between its words. */
struct composer_tail {
    char bytes[COMPOSER_TAIL_BYTES_MAX];
    size_t len;
};

/* A place on the screen. Zeroed: the text is not shown. */
struct composer_place {
    bool shown;
    int cursor_rows, cursor_col; /* how far below the row the cursor is; its column */
    cccc_buf_t row, next;        /* of the text's end; the first below it that is not empty */
    bool restless;               /* `next` changes by itself, as a clock does, and tells nothing */
    bool steady;                 /* the look before found it in the same place: it was not half of a redraw */
};

void composer_tail_of(struct composer_tail *out, cccc_str_t text);
/* Its beginning, as far as that is ASCII: what programs that know no more show as it is. */
void composer_head_of(struct composer_tail *out, cccc_str_t text);
/* How often it stands on the screen, however wrapped. */
unsigned composer_count(screen_t *screen, const struct composer_tail *piece);
void composer_place_init(struct composer_place *self);
void composer_place_fini(struct composer_place *self);
/* Where the text ends on the screen, nearest to the bottom; or what a program shows for a long paste. */
void composer_find(struct composer_place *out, screen_t *screen, const struct composer_tail *tail);
/* Look again at what composer_find found: where the text stands now, and whether the row below it changes by itself. */
void composer_look_again(struct composer_place *self, screen_t *screen, const struct composer_tail *tail);
/* Both shown, at the same place? */
bool composer_is_same(const struct composer_place *a, const struct composer_place *b);
