/* screen.h - a mirror of what an agent's terminal shows, and what the program behind it asked for.
 *
 * libvterm does the emulation. The screen is asked for text (tail, exit, the checks before and after typing), for modes, and answers the program's
 * questions (cursor position, device attributes) when no person's terminal is there to do it. Lines that scrolled off are kept as text, bounded.
 * Thread: the holder's one. */
#pragma once

#include "proto/value.h"

typedef struct screen screen_t;

/* An empty one of that size, in cells; what is shown moves with a change of it. */
screen_t *screen_new(int rows, int cols);
void screen_destroy(screen_t **self);
void screen_resize(screen_t *self, int rows, int cols);
void screen_size(const screen_t *self, int *rows, int *cols);
/* What the program printed. */
void screen_feed(screen_t *self, const char *bytes, size_t len);
/* Rises with every change of what is shown, the cursor's place included. */
uint64_t screen_changes(const screen_t *self);
/* Did the program ask for pastes to be bracketed (DEC mode 2004)? */
bool screen_wants_brackets(screen_t *self);
bool screen_is_alternate(const screen_t *self);
/* Answers to the program's questions since the last call; the caller writes them to it or drops them. Valid until the next feed. */
cccc_str_t screen_answers(screen_t *self);
/* The shown lines from `row` on as UTF-8, trailing blanks off, each with a line feed. */
void screen_text(screen_t *self, int row, cccc_buf_t *out);
/* Where the cursor is: its row, and *col. */
int screen_cursor(const screen_t *self, int *col);
/* Is the cursor shown? Programs that draw one of their own hide it, and leave it anywhere. */
bool screen_shows_cursor(const screen_t *self);
/* The cursor's row left of it and from it on, as UTF-8 appended, trailing blanks off. */
void screen_around_cursor(screen_t *self, cccc_buf_t *left, cccc_buf_t *right);
/* What stands left of the cursor, a code point; 0 when the cursor is hidden or at an edge, and so says nothing about what was typed. */
uint32_t screen_left_of_cursor(const screen_t *self);
/* Nothing at all to be seen? */
bool screen_is_blank(screen_t *self);
/* Scrolled-off lines, then the shown ones without the empty ones at the end. */
void screen_history(screen_t *self, cccc_buf_t *out);
void screen_forget_history(screen_t *self);
