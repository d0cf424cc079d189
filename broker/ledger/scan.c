/* scan.c - lines out of blocks. */
#include "broker/ledger/scan.h"

#include "broker/ledger/file.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

void cccc_scan_init(struct cccc_scan *self, struct cccc_source *source, uint64_t from, uint64_t end, size_t block_bytes)
{
    *self = (struct cccc_scan){.source = source, .offset = from, .end = end, .room = block_bytes};
}

void cccc_scan_fini(struct cccc_scan *self)
{
    free(self->block);
    self->block = NULL;
}

/* Read on behind the bytes at hand, moved to the front first. False when there is nothing more to read. */
static bool fill(struct cccc_scan *self)
{
    size_t kept = self->filled - self->from;
    if (!self->block)
        self->block = cccc_room(self->room);
    else if (kept > 0 && self->from > 0)
        memmove(self->block, self->block + self->from, kept);
    self->from = 0;
    self->filled = kept;
    uint64_t at = self->offset + kept;
    if (at >= self->end)
        return false;
    size_t want = self->room - kept;
    if (want > self->end - at)
        want = (size_t)(self->end - at);
    ssize_t n = cccc_source_read(self->source, self->block + kept, want, at);
    if (n <= 0) {
        self->err = (int)n;
        return false;
    }
    self->filled += (size_t)n;
    return true;
}

/* Let go of an overlong line's bytes up to its newline, counting them. */
static bool skip_overlong(struct cccc_scan *self, struct cccc_raw_line *line)
{
    CCCC_ASSERT(self->block);
    *line = (struct cccc_raw_line){.offset = self->offset};
    for (;;) {
        size_t have = self->filled - self->from;
        const char *newline = have ? memchr(self->block + self->from, '\n', have) : NULL;
        size_t used = newline ? (size_t)(newline - (self->block + self->from)) + 1 : have;
        self->from += used;
        self->offset += used;
        line->size += used;
        if (newline) {
            line->terminated = true;
            return true;
        }
        if (!fill(self))
            return self->err == 0;
    }
}

/* A full block holds one unfinished line: twice the room, up to what the longest good line needs. */
static void grow(struct cccc_scan *self)
{
    size_t most = CCCC_LINE_BYTES_MAX + 1;
    self->room = self->room * 2 < most ? self->room * 2 : most;
    self->block = cccc_room_again(self->block, self->room, 1);
}

bool cccc_scan_next(struct cccc_scan *self, struct cccc_raw_line *line)
{
    size_t searched = 0;
    for (;;) {
        size_t have = self->filled - self->from;
        const char *start = self->block ? self->block + self->from : NULL;
        const char *newline = start && have > searched ? memchr(start + searched, '\n', have - searched) : NULL;
        if (have > CCCC_LINE_BYTES_MAX && (!newline || newline - start > CCCC_LINE_BYTES_MAX))
            return skip_overlong(self, line);
        if (newline) {
            size_t len = (size_t)(newline - start);
            *line = (struct cccc_raw_line){.ptr = start, .len = len, .offset = self->offset, .size = len + 1, .terminated = true};
            self->from += len + 1;
            self->offset += len + 1;
            return true;
        }
        searched = have;
        if (have == self->room)
            grow(self);
        if (!fill(self)) {
            if (self->err < 0 || have == 0)
                return false;
            *line = (struct cccc_raw_line){.ptr = self->block + self->from, .len = have, .offset = self->offset, .size = have};
            self->from += have;
            self->offset += have;
            return true;
        }
    }
}

void cccc_scan_back(struct cccc_scan *self, uint64_t bytes)
{
    self->from -= (size_t)bytes;
    self->offset -= bytes;
}
