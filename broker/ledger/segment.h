/* segment.h - one sealed segment: writing it from lines, and reading any of its bytes with one frame. FORMAT.md has the format.
 *
 * Thread: a writer and a reader belong to one thread each. */
#pragma once

#include "broker/ledger/archive.h"
#include "proto/text.h"

struct cccc_frame {
    uint64_t seq;         /* first event that begins in it; 0 = none */
    uint64_t raw_offset;  /* in the segment, uncompressed */
    uint64_t file_offset; /* in its file */
};

/* ---- writing ---- */

struct cccc_segment_writer;

/* Begin `<first>-...tmp` in `dir`. Frames take about `frame_bytes`. Borrows `vfs` and `dir`. NULL: -errno in *err. */
struct cccc_segment_writer *cccc_segment_begin(const struct cccc_vfs *vfs, const char *dir, size_t frame_bytes, int *err);
/* Bytes of lines, in order; `seq` of the event that is first in them, or 0 when none begins here; a frame may begin with them. 0 or -errno. */
int cccc_segment_put(struct cccc_segment_writer *self, const char *bytes, size_t len, uint64_t seq);
/* Raw bytes so far. */
uint64_t cccc_segment_raw(const struct cccc_segment_writer *self);
/* End it: table, sync, rename. `part` has first, last, prev, crc and legacy_last, and gets raw, bytes and hash. The directory is the caller's to
 * sync. 0 or -errno; destroys the writer in any case, and its file on an error. */
int cccc_segment_end(struct cccc_segment_writer **self, struct cccc_part *part, uint64_t events);
/* Give up: the file goes. Takes and nulls. NULL is fine. */
void cccc_segment_drop(struct cccc_segment_writer **self);

/* ---- reading ---- */

struct cccc_segment_reader {
    const struct cccc_vfs *vfs;
    int fd; /* -1: not open */
    struct cccc_frame *frames;
    uint32_t count;
    uint64_t raw;          /* of all frames */
    uint64_t frames_end;   /* in the file */
    bool table_damaged;    /* the frames were looked through instead */
    uint32_t bad_frames;   /* met so far that could not be read */
    struct cccc_part says; /* what the table says of itself; all 0 when it is damaged */
    /* the frame at hand */
    char *bytes;
    size_t bytes_room;
    uint32_t at;
    bool have;
    cccc_buf_t packed;
};

/* Open the file of `part` in `dir`. A table that does not say what `part` says (first, last, and raw unless that is 0) is not believed. 0, or -errno (-EBADMSG: it
 * is no segment). On an error nothing is open. */
int cccc_segment_open(struct cccc_segment_reader *self, const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part);
void cccc_segment_close(struct cccc_segment_reader *self);
/* Up to `len` uncompressed bytes from `offset`, at most to the end of a frame; 0 at the end. Bytes that cannot be read are NULs, with a newline at the end of their
 * frame. -errno: the device failed. */
ssize_t cccc_segment_read(struct cccc_segment_reader *self, char *buf, size_t len, uint64_t offset);
/* The last frame with an event of at most `seq`, or the first one; the segment has frames. */
uint32_t cccc_segment_frame(const struct cccc_segment_reader *self, uint64_t seq);
/* BLAKE2b-256 of a file. 0 or -errno. */
int cccc_hash_file(const struct cccc_vfs *vfs, const char *path, unsigned char out[CCCC_HASH_BYTES]);
