/* scrollback.h - the scrollback on disk, for who wants to know what a program printed before it, or its holder, came to an end.
 *
 * The file is ccccd's, which hands it over open (HOLD.md, Files): bytes as they were printed, the newest last. It is written before a person sees them and never
 * synced. It grows to twice what the ring holds; then what the ring holds is all that stays.
 * Thread: the holder's one. */
#pragma once

#include "broker/hold/ring.h"

#include <stdbool.h>

/* .fd -1: none is kept. */
struct scrollback {
    int fd;
    uint64_t size;
};

/* Add what the ring was just given. A file that cannot be written is given up, which the log is told. */
void scrollback_put(struct scrollback *self, const struct ring *ring, const char *bytes, size_t len);
/* Nothing of before is to be found any more. */
void scrollback_clear(struct scrollback *self);
void scrollback_close(struct scrollback *self);
