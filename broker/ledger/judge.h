/* judge.h - what a ledger's bytes mean, line by line: the one rule that recovery, readers and verification share.
 *
 * A line counts if its checksum holds and it continues the line before it: seq one higher, `prev` the checksum of that line. Anything else is
 * damage while the last counted seq is below the `floor` (the highest seq known to have been durable), and a torn tail from there on
 * otherwise. FORMAT.md has the rule and why it is safe.
 * Pure but for reading through the scan. Thread: the caller's. */
#pragma once

#include "broker/ledger/ledger.h"
#include "broker/ledger/scan.h"

enum cccc_finding_kind {
    CCCC_FOUND_EVENT, /* `line`, `seq`: a line that counts */
    CCCC_FOUND_GAP,   /* `gap`: seqs that are damaged or missing, before the next event or at the end */
    CCCC_FOUND_STRAY, /* `gap`: bytes that belong to nobody although no seq is missing */
    CCCC_FOUND_TORN,  /* `gap.offset`: from here to the end nothing was known durable; nothing follows */
    CCCC_FOUND_END,   /* nothing more */
    CCCC_FOUND_ERROR  /* a read failed: `err` */
};

struct cccc_finding {
    enum cccc_finding_kind kind;
    struct cccc_raw_line line; /* EVENT; valid until the next call */
    uint64_t seq;
    bool legacy; /* EVENT: a line without integrity fields */
    bool forked; /* EVENT: sound, but it names another line before it than the one that is there */
    bool last;   /* GAP: nothing that counts follows: the head is lost */
    struct cccc_seal seal;
    struct cccc_gap gap;
    uint64_t number;    /* of the line in the file, from 1; of a gap's first bad line */
    uint64_t bad_lines; /* GAP, STRAY: unreadable ones in it */
    int err;
};

/* Where judging starts. All zero but `floor`: at the beginning of a file, knowing nothing else. */
struct cccc_judge_start {
    uint64_t seq;         /* the last seq before the first line */
    bool inside;          /* not the beginning of the ledger: what the first line's `prev` must be is not known */
    uint32_t crc;         /* without `inside`: what it must be */
    uint64_t floor;       /* highest seq known durable so far */
    bool floor_final;     /* lines to come cannot raise it: nobody need look ahead */
    uint64_t legacy_last; /* with floor_final: lines up to this seq are of the older format */
};

struct cccc_judge {
    struct cccc_scan *scan;
    uint64_t head; /* last seq that counted, or was lost in the older format's stretch */
    uint32_t crc;  /* what the next sealed line's `prev` must be */
    bool crc_known;
    uint64_t floor;
    bool floor_final;
    uint64_t legacy_last;
    bool sealed;     /* a line with integrity fields has counted: the older format's stretch is over */
    uint64_t number; /* lines seen */
    struct {
        bool open; /* bad lines not yet reported */
        uint64_t from_seq, offset, bytes, number, lines;
    } hurt;
    bool holding; /* `held` is the event behind the gap just reported */
    struct cccc_finding held;
    bool over;
};

/* Borrows `scan`, which must stand at the first line to judge. */
void cccc_judge_init(struct cccc_judge *self, struct cccc_scan *scan, const struct cccc_judge_start *start);
/* The next finding. After TORN, END and ERROR only END follows. */
void cccc_judge_next(struct cccc_judge *self, struct cccc_finding *out);
