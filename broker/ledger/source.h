/* source.h - the bytes of a ledger as one stretch: its sealed segments, uncompressed, one behind the other, and then ledger.jsonl.
 *
 * A place in it is an offset as if nothing had ever been sealed, but for segments that are not there: they take no room. Bytes of a segment that cannot be read
 * (a frame fails its checksum) are NULs that end with a newline: the judge finds damage there, in just the lines that suffer.
 * Keeps one segment open and one frame at hand. Thread: one per source. */
#pragma once

#include "broker/ledger/archive.h"
#include "broker/ledger/index.h"
#include "broker/ledger/segment.h"

struct cccc_source {
    const struct cccc_vfs *vfs;
    int fd;                             /* ledger.jsonl, or -1 */
    const struct cccc_archive *archive; /* NULL: ledger.jsonl is all there is */
    uint64_t begin;                     /* in ledger.jsonl: bytes in front are sealed */
    struct cccc_segment_reader reader;  /* of `part` */
    uint32_t part;
    bool reading;
};

/* Borrows `vfs`, `fd` and `archive`. */
void cccc_source_init(struct cccc_source *self, const struct cccc_vfs *vfs, int fd, const struct cccc_archive *archive, uint64_t begin);
void cccc_source_fini(struct cccc_source *self);
/* Up to `len` bytes from `offset`; fewer at the end of ledger.jsonl and of a segment, 0 at the end of it all. -errno: the device failed. */
ssize_t cccc_source_read(struct cccc_source *self, char *buf, size_t len, uint64_t offset);
/* Where to begin in order to meet sealed event `seq`, or the gap it is in: a line at or in front of it. A device that fails shows when reading from there. */
struct cccc_index_entry cccc_source_way(struct cccc_source *self, uint64_t seq);
/* The reader of part `part`, opened, in *out; NULL when it is not there or no segment. Valid until the next call. 0, or -errno of the device. */
int cccc_source_part(struct cccc_source *self, uint32_t part, struct cccc_segment_reader **out);
