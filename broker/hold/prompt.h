/* prompt.h - the prompt as it stood before a person's keys, and whether it stands there again, with nothing behind it.
 *
 * What a line editor has done with keys only the screen tells: a line may be fetched, completed, deleted by words. Of the cursor's row the part left of the cursor is the
 * prompt, as long as nobody has typed. This cannot be told where the cursor is hidden, where the terminal shows no keys (passwords), or where the keys came before the
 * program asked for them, so that its prompt came later.
 * Thread: the holder's one. */
#pragma once

#include "broker/hold/keys.h"
#include "broker/hold/screen.h"

struct prompt {
    bool wanted, known;     /* to be remembered before the next key is passed on; it was, and can be told */
    bool edits_lines;       /* the terminal did it then, not the program */
    int col;                /* of the cursor */
    cccc_buf_t left, right; /* of the cursor in its row; to the right there may be a frame, a clock or a hint */
    uint64_t changes;       /* of the screen when a letter was typed last: until it changes, the letter is not shown */
    int64_t back_ms;        /* since when it has stood there again, in monotonic ms; 0 = it does not */
};

void prompt_init(struct prompt *self);
void prompt_fini(struct prompt *self);
/* Remember what the terminal `fd` shows now. */
void prompt_remember(struct prompt *self, screen_t *screen, int fd);
/* Look whether it stands there again; after each change of the screen. */
void prompt_look(struct prompt *self, screen_t *screen, int fd, const struct keys *keys, int64_t now_ms);
/* It has stood there for long enough to be no half of a redraw. */
bool prompt_is_back(const struct prompt *self, int64_t now_ms);
/* Nothing but blanks and frames from the cursor on, or what stood there before the keys. */
bool prompt_has_nothing_behind(const struct prompt *self, screen_t *screen);
