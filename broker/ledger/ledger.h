/* ledger.h - one group's ledger: an append-only file of sealed JSON lines, its durability, its recovery and its reading.
 *
 * Owns everything in <group>/ledger.jsonl and <group>/state/ledger/. Knows lines, seqs and offsets; knows kinds, recipients and senders only
 * as words to filter by. FORMAT.md has the file format and the recovery rule.
 * A ledger object belongs to one thread (the loop). Work that blocks leaves it as owned messages that any thread may run: a batch
 * (cccc_batch_commit), a read (cccc_read_run), a mark (cccc_mark_write). Results come back to the owner.
 * To the broker this is the contract of any storage engine: open leads, append continues, done says what became of it, reads go by seq.
 * Invariants: I1, I2, I4 of ARCHITECTURE.md. */
#pragma once

#include "broker/ledger/id_filter.h"
#include "broker/ledger/vfs.h"
#include "proto/err.h"
#include "proto/event.h"

typedef struct cccc_ledger cccc_ledger_t;
struct cccc_snapshot; /* snapshot.h */

/* What a ledger can do now. */
typedef enum cccc_ledger_health {
    CCCC_LEDGER_OK,
    CCCC_LEDGER_NO_SPACE,  /* disk full; the next batch tries again */
    CCCC_LEDGER_READ_ONLY, /* served, appends refused: truncated, damaged at the head */
    CCCC_LEDGER_FAILED     /* a write or sync failed; refold (close and open again) before writing */
} cccc_ledger_health_t;

/* A damaged or missing stretch, as readers and doctor are told about it. */
struct cccc_gap {
    uint64_t from_seq;
    uint64_t to_seq;    /* inclusive; 0 = unknown */
    uint64_t offset;    /* in `file` */
    uint64_t length;    /* bytes, 0 when missing */
    const char *reason; /* "damaged", "missing", "truncated", "retired"; static */
};

/* What opening found and did. */
struct cccc_recovery {
    uint64_t events;        /* sound and legacy lines judged: all but sealed ones that the caller knew */
    uint64_t legacy;        /* of them without integrity fields */
    uint64_t head_seq;      /* last seq */
    uint64_t torn_bytes;    /* cut from the tail; kept aside under state/ledger/torn/ */
    uint64_t foreign_bytes; /* of another program's lines: left in place amid ours, cut and kept aside behind ours */
    uint64_t epoch;         /* highest instance epoch of any line; 0 = none */
    uint32_t gap_count;
    struct cccc_gap gaps[16]; /* the first ones */
    bool read_only;
    bool may_pass;  /* with read_only: the disk is full or read-only; opening again later may do better */
    bool restored;  /* another file than the mark's: a restored copy */
    char note[256]; /* one sentence for the log and for doctor; "" when all is well */
};

/* Called for every accepted line in order while opening; borrows `event`. */
typedef void (*cccc_fold_fn)(void *arg, const struct cccc_event *event);
/* Called where lines are missing or damaged, between the folds around it; of what is known (below), where opening comes by. */
typedef void (*cccc_fold_gap_fn)(void *arg, const struct cccc_gap *gap);

struct cccc_ledger_options {
    const struct cccc_vfs *vfs;
    const char *group_dir; /* absolute */
    const char *group_id;
    uint64_t epoch;            /* of this instance; rises at each start */
    uint64_t at;               /* seconds since 1970, for the note about what it goes on without (loss.h); 0: not known */
    const char *by;            /* the program that opens it, for the same; NULL: not known */
    bool create;               /* a new group: files are made by the first commit */
    cccc_fold_fn fold;         /* may be NULL */
    cccc_fold_gap_fn fold_gap; /* may be NULL */
    void *arg;
    /* What the caller knows already: events up to known_seq (0: nothing), whose line has that crc, are not folded. If the ledger has no such line, `forget` is
     * called, and everything is folded (and every gap told) from the beginning. */
    uint64_t known_seq;
    uint32_t known_crc;
    void (*forget)(void *arg);
    /* Called before anything is folded: events up to `last` (0: none) are in sealed segments. False: what the caller knows does not fit to that; `forget` is called. May
     * be NULL. */
    bool (*sealed)(void *arg, uint64_t last);
    /* Called in place of the fold of events up to of->seq, when older ones were retired and the caller knows less: `state` is what the retirement saved (FORMAT.md). False: it cannot be
     * used, and the ledger is not opened. May be NULL: then only what is left is folded. */
    bool (*base)(void *arg, const struct cccc_snapshot *of, cccc_str_t state);
};

/* The client ids of a sealed segment: its seqs, and its filter, which belongs to whoever has this; NULL: not known, so it may hold any. */
struct cccc_sealed_ids {
    uint64_t first, last;
    struct cccc_id_filter *filter;
};

/* Open and recover, or prepare a new one. What recovery accepts is synced before this returns. Blocks.
 * CCCC_E_LOCKED: another process has state/ledger/ledger.lock. CCCC_E_NOT_FOUND: no such group folder, and not `create`. CCCC_E_STORAGE,
 * CCCC_E_DAMAGED: not opened, *m says why.
 * *report is filled in every case. */
cccc_err_t cccc_ledger_open(const struct cccc_ledger_options *options, cccc_ledger_t **out, struct cccc_recovery *report,
                            struct cccc_errmsg *m);
/* Close without writing. Batches and reads taken from it must have been returned or destroyed. Takes and nulls. */
void cccc_ledger_close(cccc_ledger_t **self);

uint64_t cccc_ledger_head(const cccc_ledger_t *self);    /* last appended seq, durable or not; 0 = empty */
uint64_t cccc_ledger_durable(const cccc_ledger_t *self); /* last durable seq */
/* The durable head and the `crc` of its line. False: there is none, or the line is of the older format, which has no checksum. */
bool cccc_ledger_position(const cccc_ledger_t *self, uint64_t *seq, uint32_t *crc);
uint64_t cccc_ledger_size(const cccc_ledger_t *self); /* durable bytes of the active file */
cccc_ledger_health_t cccc_ledger_health(const cccc_ledger_t *self);
const char *cccc_ledger_note(const cccc_ledger_t *self); /* one sentence on why health is not OK; "" otherwise */
/* Bytes appended and not yet durable. */
uint64_t cccc_ledger_backlog(const cccc_ledger_t *self);

/* One for each sealed segment that is there, rising; *out is malloc'd, and it and the filters are the caller's. How many. Blocks. */
uint32_t cccc_ledger_sealed_ids(const cccc_ledger_t *self, struct cccc_sealed_ids **out);

/* Seal `event` as a line of the open batch. Borrows. No I/O. Asserted: its seq is head+1, health is OK or NO_SPACE, and the line is at most
 * CCCC_LINE_BYTES_MAX (an event of at most CCCC_EVENT_BYTES_MAX packed bytes always is). */
void cccc_ledger_append(cccc_ledger_t *self, const struct cccc_event *event);

/* A closed batch on its way to the disk: owned by whoever holds it. */
typedef struct cccc_batch cccc_batch_t;
/* The open batch, closed (at most CCCC_COMMIT_BATCH_*; the rest stays open), or NULL when there is nothing to write or one is out already. */
cccc_batch_t *cccc_ledger_take(cccc_ledger_t *self);
/* Any thread: create what a new group needs, compare the file size (foreign bytes are kept aside and reported), write, sync. The result
 * stays in the batch. Never retries a sync. */
void cccc_batch_commit(cccc_batch_t *batch);
/* Microseconds the sync took; 0 when it did not come to that. */
uint64_t cccc_batch_sync_us(const cccc_batch_t *batch);
uint32_t cccc_batch_lines(const cccc_batch_t *batch);

struct cccc_commit {
    cccc_err_t err;       /* CCCC_OK: durable up to `durable` */
    bool outcome_unknown; /* with an error: true = unknown, false = not stored */
    uint64_t durable;
    struct cccc_errmsg message;
};
/* Owner thread: take the result in. On an error every appended but not durable line is forgotten: for CCCC_E_NO_SPACE (not stored, the
 * file is cut back and synced) appending may go on from the durable head; otherwise health is FAILED. Takes and nulls *batch. */
void cccc_ledger_done(cccc_ledger_t *self, cccc_batch_t **batch, struct cccc_commit *result);

/* The mark: what is known durable, so that recovery never cuts it. */
typedef struct cccc_mark cccc_mark_t;
/* A mark to write, or NULL when the file has the newest, one is out, or the ledger is read-only (its mark is the evidence). Also worth asking for
 * before closing a FAILED ledger: what was durable stays known. Called when the ledger is quiet, it gives spare buffers back. */
cccc_mark_t *cccc_ledger_take_mark(cccc_ledger_t *self);
/* Any thread: write the older of the two slots and sync it. */
void cccc_mark_write(cccc_mark_t *mark);
void cccc_ledger_mark_done(cccc_ledger_t *self, cccc_mark_t **mark);

/* Reading. A plan is made by the owner (it knows offsets), run by any thread, and then holds its results. */
struct cccc_read_query {
    enum { CCCC_READ_AFTER, CCCC_READ_BEFORE, CCCC_READ_SEQS, CCCC_READ_ID } mode;
    uint64_t seq;         /* AFTER: events > seq; BEFORE: the last ones < seq (0 = from the durable head) */
    const uint64_t *seqs; /* SEQS: rising; copied into the plan. ID: the first seqs of the sealed segments to look into */
    uint32_t seq_count;
    uint64_t hash;             /* ID: events whose client id has this hash (56 bits of it: confirm them), at most READ_ID_MATCHES_MAX */
    bool behind;               /* ID: and for each the event behind it */
    uint32_t limit;            /* events; 0 = none */
    uint32_t bytes_max;        /* packed bytes; at least one event is always given */
    const cccc_value_t *kinds; /* array of strings or NULL; copied */
    cccc_str_t by;             /* "" = any */
    cccc_str_t recipient;      /* "" = any; matches data.audience, or data.target_actor_id, or to ["@all"]/[] of older lines */
    /* "" = any; else only events that say something about the one with this id and seq: they name it (reply_to, event_id, notify_event_id, released_from), move a cursor to it or
     * past it (seq), claim it for a terminal (seqs), say what became of a claim (delivery_id), or make an actor leave, whoever it is (actor.remove, group.edit). */
    cccc_str_t about;
    uint64_t about_seq;
};
typedef struct cccc_read cccc_read_t;
cccc_read_t *cccc_ledger_plan_read(cccc_ledger_t *self, const struct cccc_read_query *query);
void cccc_read_run(cccc_read_t *self);
struct cccc_read_result {
    cccc_err_t err;
    struct cccc_errmsg message;
    const char *events; /* packed wire forms, back to back */
    size_t events_len;
    uint32_t event_count;
    const uint64_t *event_seqs; /* event_count of them */
    const uint32_t *event_ends; /* event i is events[ends[i-1]..ends[i]) */
    const struct cccc_gap *gaps;
    uint32_t gap_count;
    uint64_t
        checked_seq; /* every event up to here (AFTER) or from here (BEFORE) has been considered; AFTER: never behind the last one, or the last one lost */
    bool more;
};
/* Events rise in seq in every mode. To go on: AFTER and BEFORE with seq = checked_seq, SEQS with those above checked_seq. A run looks at no more than
 * CCCC_READ_SCAN_BYTES_MAX of the ledger, so a narrow filter may find nothing and still say `more`. A wanted seq that is not there is a gap.
 * Borrowed from the read; valid until it is destroyed. */
const struct cccc_read_result *cccc_read_result(const cccc_read_t *self);
enum { CCCC_READ_ID_MATCHES_MAX = 8 };
/* ID: the filter of a segment whose ids were made anew by the way, which is the caller's then; NULL: no more. */
struct cccc_id_filter *cccc_read_take_filter(cccc_read_t *self);
/* Takes and nulls. Owner thread. */
void cccc_read_destroy(cccc_read_t **self);

/* Offline: judge a ledger without changing anything (doctor, `cccc ledger verify`). `each` per finding, in the order of the file, once all of it has been
 * read; `progress` (may be NULL) with bytes done and in all. */
enum cccc_verify_kind {
    CCCC_VERIFY_DAMAGED,  /* events are damaged or missing; the ones behind them are served */
    CCCC_VERIFY_LOST,     /* the same at the head: nothing is appended until `cccc ledger repair` */
    CCCC_VERIFY_GIVEN_UP, /* damaged or lost once, and given up by the operator: a ledger.repair event says so */
    CCCC_VERIFY_STRAY,    /* bytes that belong to no event */
    CCCC_VERIFY_FORKED,   /* a sound line that does not continue the one before it */
    CCCC_VERIFY_TORN,     /* a tail nobody was told of; the next start keeps it aside */
    CCCC_VERIFY_BASE, /* the state that stands for retired events cannot be read: the group is not served, and there is nothing to give up */
    CCCC_VERIFY_MANIFEST, /* the manifest is unreadable: manifest.prev and the segments stand in for it until the next seal writes it */
    CCCC_VERIFY_MARK      /* the mark is unreadable: the next one takes its place, and until then only `dur` protects the tail */
};
struct cccc_verify_finding {
    enum cccc_verify_kind kind;
    const char *file; /* absolute */
    uint64_t line;
    struct cccc_gap gap;
    const char *what; /* one phrase; static */
    char more[200];   /* GIVEN_UP: when, with what, and where a copy of what was cut is; else "" */
};
typedef void (*cccc_verify_fn)(void *arg, const struct cccc_verify_finding *finding);
struct cccc_verify_report {
    uint64_t bytes, lines, sound, legacy, broken, head_seq, first_seq;
    uint64_t torn_bytes; /* tail above every mark: would be cut at the next start */
    uint64_t chain_breaks, seq_breaks;
    uint64_t damaged;               /* findings DAMAGED, LOST, STRAY, FORKED and BASE */
    uint64_t sealed_bytes, retired; /* bytes of lines in sealed segments; events a retention rule removed */
    uint32_t segments;
    char head_id[33];
    uint32_t head_crc; /* 0: the last line is of the older format */
};
cccc_err_t cccc_ledger_verify(const struct cccc_vfs *vfs, const char *group_dir, cccc_verify_fn each,
                              void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg, struct cccc_verify_report *report,
                              struct cccc_errmsg *m);

/* Offline, for an operator who has no backup: give up the events that are damaged or lost, so that the ledger is whole again in what it says. Needs the
 * daemon's lock, which the caller holds. Bytes at a lost head are copied to state/ledger/torn/damaged.* and then cut; damage that sound lines
 * follow stays where it is. Each stretch that no ledger.repair names yet gets one, behind the head; seqs are never used again.
 * Stopped anywhere, it can be run again, and what was given up stays given up. Sealed lines are of `options->epoch`; `fold` and `fold_gap` are not called. */
struct cccc_repair {
    uint64_t given_up;    /* stretches that got an event now; 0: there was nothing to give up */
    uint64_t bytes_aside; /* copied and cut at the head */
    char copy[64];        /* the file in state/ledger/torn/ that has them; "" when none were */
    uint64_t head_seq;    /* afterwards */
    struct cccc_gap head; /* what was lost at the head; reason NULL: nothing */
};
/* The event that gives `gap` up: fill in all but seq, which is given. Borrowed until the next call. */
typedef void (*cccc_repair_event_fn)(void *arg, uint64_t seq, const struct cccc_gap *gap, struct cccc_event *out);
cccc_err_t cccc_ledger_repair(const struct cccc_ledger_options *options, cccc_repair_event_fn describe, void *arg, struct cccc_repair *out,
                              struct cccc_errmsg *m);
