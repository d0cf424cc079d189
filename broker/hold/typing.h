/* typing.h - hand one text over to the program in the terminal, and find out what became of it.
 *
 * Steps: nothing is typed while a person is, or a dialog is open; the text goes in as one paste (or bare, when the program does not know pastes); once the screen
 * has taken it in, the submit key follows as a write of its own, unless a question came up meanwhile; then the screen is watched. As long as the text still stands in
 * the input line the key may be repeated, the text never.
 * Outcomes are those of runtime.delivery. Thread: the holder's one; the owner calls typing_step when the terminal can be written, the screen
 * changed, or typing_due has come. */
#pragma once

#include "broker/hold/composer.h"

enum typing_outcome {
    TYPING_OPEN,
    TYPING_ACCEPTED,
    TYPING_FAILED,   /* not one byte was typed */
    TYPING_AMBIGUOUS /* some of it may have been */
};

enum typing_submit { TYPING_ENTER, TYPING_NEWLINE, TYPING_NO_KEY };

enum typing_phase { TYPING_IDLE, TYPING_TEXT, TYPING_SETTLE, TYPING_KEY, TYPING_WATCH, TYPING_UNREAD, TYPING_DONE };

struct typing {
    enum typing_phase phase;
    enum typing_submit submit;
    cccc_buf_t bytes; /* what is written, brackets included */
    size_t written;
    struct composer_tail tail; /* of the text, to look for on the screen */
    struct composer_tail head; /* its beginning, likewise */
    bool takes_keys;           /* the program may take a text for keys: what it does not show was not certainly taken as text */
    bool head_matters;         /* ... and its beginning too, all of which has room on the screen */
    unsigned heads_before;     /* how often such a beginning stood on the screen before */
    bool head_seen;
    struct composer_place before, stands; /* where such a text stood before it was typed, and where it stood when the key was sent */
    int keys;                             /* submit keys sent */
    int64_t looked_ms;                    /* when the screen was looked at last, while it does not come to rest */
    int gone;                             /* looks in a row at which the text had left its place */
    uint64_t changes;                     /* of the screen, as seen last */
    bool changed;                         /* since this phase began, last at changed_ms */
    int64_t since_ms, changed_ms, progress_ms, due_ms;
    enum typing_outcome outcome;
    const char *reason;   /* "" or why; static */
    const char *evidence; /* what the screen showed; static */
};

/* What the terminal is like now. */
struct typing_terminal {
    int fd; /* PTY master, non-blocking */
    screen_t *screen;
    int64_t now_ms;          /* monotonic */
    bool shows_text;         /* the program is one that shows what it is given, so it is waited for longer */
    bool is_agent;           /* one of the runtime table, which takes text as text */
    bool (*asks)(void *arg); /* is a question of the program's own open? */
    void *arg;
};

/* Idle; and free a text that was not typed to its end. */
void typing_init(struct typing *self);
void typing_fini(struct typing *self);
/* Does the terminal take so long a text? One that edits lines itself forgets what is beyond 4095 bytes of a line. */
bool typing_fits(const struct typing_terminal *terminal, cccc_str_t text);
/* Begin; idle before. The text is made safe here. CCCC_OK even when it fails at once: look at the outcome. */
void typing_begin(struct typing *self, const struct typing_terminal *terminal, cccc_str_t text, enum typing_submit submit);
/* Go on. */
void typing_step(struct typing *self, const struct typing_terminal *terminal);
/* Give up: the program is gone, or about to. */
void typing_abandon(struct typing *self, const char *reason);
bool typing_is_busy(const struct typing *self);
/* Does a text whose submit key had no effect still stand in the input line? The next one would be typed behind it. */
bool typing_left_text(struct typing *self, screen_t *screen);
/* Would a person's keys get into the text? Not any more once all of it, and the key, were typed. */
bool typing_wants_keys_to_wait(const struct typing *self);
/* Waiting for room in the terminal? */
bool typing_wants_to_write(const struct typing *self);
/* When to step at the latest (monotonic ms), INT64_MAX: only when something happens. */
int64_t typing_due(const struct typing *self);
