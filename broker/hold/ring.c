/* ring.c - see ring.h. */
#include "broker/hold/ring.h"

#include "proto/err.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 * 1024 };

void ring_init(struct ring *self, size_t capacity_max)
{
    *self = (struct ring){.capacity_max = capacity_max > 0 ? capacity_max : 1};
}

void ring_fini(struct ring *self)
{
    free(self->bytes);
    *self = (struct ring){0};
}

/* Copy `len` bytes, at most `capacity`, to where `position` lies in memory of that size. */
static void place(char *bytes, size_t capacity, uint64_t position, const char *from, size_t len)
{
    size_t at = (size_t)(position % capacity);
    size_t first = len < capacity - at ? len : capacity - at;
    memcpy(bytes + at, from, first);
    memcpy(bytes, from + first, len - first);
}

static void grow(struct ring *self, size_t wanted)
{
    size_t capacity = self->capacity ? self->capacity : FIRST_CAPACITY;
    while (capacity < wanted && capacity < self->capacity_max)
        capacity *= 2;
    capacity = capacity < self->capacity_max ? capacity : self->capacity_max;
    if (capacity == self->capacity)
        return;
    char *bytes = malloc(capacity);
    CCCC_ASSERT(bytes, "(out of memory)");
    const char *piece;
    size_t n;
    for (uint64_t position = self->start; (n = ring_peek(self, &position, &piece)) > 0; position += n)
        place(bytes, capacity, position, piece, n);
    free(self->bytes);
    self->bytes = bytes;
    self->capacity = capacity;
}

void ring_put(struct ring *self, const char *bytes, size_t len)
{
    grow(self, (size_t)(self->end - self->start) + len);
    if (len > self->capacity) {
        self->end += len - self->capacity;
        bytes += len - self->capacity;
        len = self->capacity;
    }
    place(self->bytes, self->capacity, self->end, bytes, len);
    self->end += len;
    if (self->end - self->start > self->capacity)
        self->start = self->end - self->capacity;
}

void ring_clear(struct ring *self)
{
    self->start = self->end;
}

size_t ring_peek(const struct ring *self, uint64_t *position, const char **bytes)
{
    if (*position < self->start)
        *position = self->start;
    if (*position >= self->end || self->capacity == 0)
        return 0;
    size_t at = (size_t)(*position % self->capacity);
    size_t len = (size_t)(self->end - *position);
    *bytes = self->bytes + at;
    return len < self->capacity - at ? len : self->capacity - at;
}
