/* replay.h - what a program printed earlier, for somebody who comes to see it now: without the questions.
 *
 * Programs ask their terminal where the cursor is, what it can do, which colours it has. A terminal that is shown such a question again answers it again, and the
 * program gets answers, as keys, to what it asked hours ago. Sources: ECMA-48 (DSR, DA), xterm's ctlseqs, kitty's keyboard and graphics protocols.
 * Thread: the holder's one; pure. */
#pragma once

#include "proto/value.h"

enum { REPLAY_HELD_BYTES_MAX = 256 }; /* longer sequences are no questions */

/* Zeroed: at the beginning. */
struct replay {
    enum { REPLAY_TEXT, REPLAY_ESCAPE, REPLAY_CONTROL, REPLAY_STRING, REPLAY_STRING_ESCAPE } state;
    char held[REPLAY_HELD_BYTES_MAX]; /* of a sequence that may be a question */
    size_t held_len;
};

/* Append `bytes` to `out`, questions left out, also those that are cut in two by two calls. */
void replay_put(struct replay *self, cccc_buf_t *out, const char *bytes, size_t len);
/* What is live begins here: a sequence that has not ended goes out as it is. */
void replay_end(struct replay *self, cccc_buf_t *out);
