/* scratch.h - a scratch home for one test. */
#pragma once

/* A new directory below $TMPDIR or /tmp, short enough for sockets. `out` has 256 bytes. */
void scratch_make(char *out);
/* Remove it and all in it. */
void scratch_remove(const char *home);
