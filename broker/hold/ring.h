/* ring.h - the last bytes a terminal printed.
 *
 * Bytes are named by their position since the start, so that several readers keep a number each and nothing is copied for them. The memory grows
 * with what is printed, up to the bound.
 * Thread: the holder's one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ring {
    char *bytes;
    size_t capacity, capacity_max;
    uint64_t start, end; /* positions kept: [start, end) */
};

void ring_init(struct ring *self, size_t capacity_max);
void ring_fini(struct ring *self);
/* The oldest bytes make room when it is full. */
void ring_put(struct ring *self, const char *bytes, size_t len);
/* Forget what is kept; positions go on. */
void ring_clear(struct ring *self);
/* The bytes from `position` on that lie in one piece: returns how many, 0 at the end. A position that was overwritten is moved to the start, into the middle of whatever
 * stands there. *bytes is valid until the next put. */
size_t ring_peek(const struct ring *self, uint64_t *position, const char **bytes);
