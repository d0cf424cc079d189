/* scrollback.c - see scrollback.h. */
#include "broker/hold/scrollback.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void scrollback_close(struct scrollback *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

static void give_up(struct scrollback *self)
{
    fprintf(stderr, "cccc-hold: the scrollback cannot be written any more and ends here: %s\n", strerror(errno));
    scrollback_close(self);
}

/* At the file's `self->size`, which grows. */
static bool add(struct scrollback *self, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = pwrite(self->fd, bytes, len, (off_t)self->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        self->size += (uint64_t)n;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* Only what the ring holds stays. */
static bool shorten(struct scrollback *self, const struct ring *ring)
{
    const char *piece;
    size_t n;
    self->size = 0;
    for (uint64_t position = ring->start; (n = ring_peek(ring, &position, &piece)) > 0; position += n)
        if (!add(self, piece, n))
            return false;
    return ftruncate(self->fd, (off_t)self->size) == 0;
}

void scrollback_put(struct scrollback *self, const struct ring *ring, const char *bytes, size_t len)
{
    if (self->fd < 0)
        return;
    bool full = self->size + len > 2 * ring->capacity_max;
    if (!(full ? shorten(self, ring) : add(self, bytes, len)))
        give_up(self);
}

void scrollback_clear(struct scrollback *self)
{
    self->size = 0;
    if (self->fd >= 0 && ftruncate(self->fd, 0) < 0)
        give_up(self);
}
