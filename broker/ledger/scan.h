/* scan.h - the lines of a stretch of a ledger, in order, without judging them.
 *
 * Reads large blocks and hands out lines in place. A line longer than CCCC_LINE_BYTES_MAX is handed out without its bytes: it is damage,
 * and however long it is, memory stays bounded.
 * Thread: the caller's. */
#pragma once

#include "broker/ledger/source.h"

struct cccc_scan {
    struct cccc_source *source;
    uint64_t offset; /* of the next line */
    uint64_t end;    /* nothing at or after it is read */
    char *block;
    size_t room; /* bytes `block` has */
    size_t from; /* block[from..filled) are the file's bytes from `offset` */
    size_t filled;
    int err; /* -errno of a read that failed; the scan is over then */
};

struct cccc_raw_line {
    const char *ptr; /* NULL for an overlong line; valid until the next call */
    size_t len;      /* without the newline */
    uint64_t offset;
    uint64_t size;   /* bytes it takes in the file, with the newline */
    bool terminated; /* false only for a last line without a newline */
};

/* Lines that start in [from, end) of `source`. `block_bytes` at a time; the block is allocated with the first read. Borrows `source`. */
void cccc_scan_init(struct cccc_scan *self, struct cccc_source *source, uint64_t from, uint64_t end, size_t block_bytes);
void cccc_scan_fini(struct cccc_scan *self);
/* False at the end of the stretch or of the file, and when a read fails (self->err). */
bool cccc_scan_next(struct cccc_scan *self, struct cccc_raw_line *line);
/* Hand out the last `bytes` bytes of the line just handed out (not an overlong one) once more, as the beginning of the next. */
void cccc_scan_back(struct cccc_scan *self, uint64_t bytes);
