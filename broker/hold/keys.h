/* keys.h - what a person's keys mean to us: has somebody left a line half typed?
 *
 * What comes from a person's terminal is not all typed: it answers the program's questions, and reports where the mouse is and who has the focus. Letters make a line, and
 * so do keys that fetch one: earlier lines, a search, a completion, what was deleted. It ends with return or an interrupt, or, of letters alone, once as many were deleted as
 * were typed; that it is empty otherwise only the screen tells (prompt.h). Sources: xterm's ctlseqs, kitty's keyboard protocol.
 * Thread: the holder's one; pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: nobody has typed anything. */
struct keys {
    enum { KEYS_PLAIN, KEYS_ESCAPE, KEYS_CONTROL, KEYS_LETTER, KEYS_STRING, KEYS_STRING_ESCAPE, KEYS_MOUSE } state;
    char first;        /* of a control sequence's parameters: a private one belongs to an answer */
    unsigned number;   /* ... the first number in them */
    bool numbered;     /* ... which has ended */
    unsigned mouse;    /* bytes of an old mouse report that are to come */
    bool pasting;      /* between the marks of a paste, where a return ends nothing */
    uint32_t letters;  /* of the line that is open */
    bool fetched;      /* a key was pressed that may have put text into the line, nobody here knows how much */
    bool escaped;      /* the escape key was the last one: the next may be part of a command */
    bool moved;        /* a key was pressed behind which neither deletions can be counted nor letters be known for text */
    uint32_t last;     /* the letter typed last, a code point; 0 when another key came behind it */
    uint32_t building; /* ... and its bytes so far */
    int64_t typed_ms;  /* when a key was pressed last; 0 = never */
};

/* Somebody's terminal sent `bytes`. */
void keys_take(struct keys *self, const char *bytes, size_t len, int64_t now_ms);
/* Is there a line that somebody has begun and not finished? */
bool keys_line_is_open(const struct keys *self);
/* The line is empty, or the keys were none: they answered a question, or were commands. */
void keys_forget_line(struct keys *self);
