/* bench_private.h - what the files of the bench share: bench_core.c (its life: ledgers, time, effects, requests, durability), bench_values.c (values and the trace),
 * bench_reads.c (the reader threads), bench_files.c (the store thread: documents, blobs, holders).
 *
 * Thread: one. */
#pragma once

#include "tests/support/bench_core.h"

#include <stdarg.h>

struct line {
    char *bytes;
    size_t len;
};

struct ledger {
    char id[16];
    char alias[16];
    cccc_slot_t slot;
    bool has_slot;
    struct line *lines;
    uint32_t count, durable, capacity;
    cccc_value_t document; /* as last stored; in the bench's arena */
    cccc_value_t first;    /* group.yaml as it was before any line */
    bool trashed;
    bool edited; /* by hand */
    bool lost;   /* a scan does not find its folder */
};

struct job {
    struct job *next;
    struct cccc_effect effect;
};

struct queue {
    struct job *first, **end;
};

struct answer {
    struct answer *next;
    uint64_t conn;
    cccc_value_t value;
};

struct blob {
    struct blob *next;
    char *key; /* <gid>/<name>, or <gid>/upload/<sha256> */
    char *bytes;
    size_t len;
};

/* state/runners/pty/<actor>.json of a group, and whether its process lives. */
struct holder {
    struct holder *next;
    char group_id[16];
    char actor_id[64];
    uint64_t generation;
    bool alive;
};

struct bench {
    cccc_core_t *core;
    cccc_arena_t *arena;
    uint64_t seed;
    int64_t unix_us;
    uint64_t mono_us;
    struct cccc_peer peer;
    struct ledger *ledgers[64];
    uint32_t ledger_count;
    cccc_ticket_t kept; /* of the last KEEP */
    struct queue reads, stores;
    cccc_slot_t refolds[64];
    uint32_t refold_count;
    struct answer *answers, **answers_end;
    struct blob *blobs;
    struct holder *holders;
    bool holds;
    const char *prompt;
    uint64_t next_conn;
    struct cccc_daemon_facts facts;
    cccc_value_t stored[CCCC_STORE_SECRETS + 1]; /* of one-file kinds; in the arena */
    const char *root, *remote;                   /* what CCCC_STORE_GIT finds */
    cccc_buf_t trace, shown;
    const char *const *quiet;
};

/* ---- bench_values.c ---- */

/* JSON with ' for ". */
cccc_value_t bench_json_of(bench_t *self, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Add a line to the trace. */
void bench_narrate(bench_t *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- bench_core.c ---- */

/* NULL: there is none. */
struct ledger *bench_ledger_find(bench_t *self, cccc_str_t id);
/* Ends the test when there is none. */
struct ledger *bench_ledger_need(bench_t *self, const char *id);
void bench_line_event(const struct line *line, cccc_arena_t *arena, struct cccc_event *event);
struct cccc_moment *bench_moment(bench_t *self);
/* The first job, which is the caller's; NULL: there is none. */
struct job *bench_queue_take(struct queue *queue);
/* Carry out what the core has decided. */
void bench_take_effects(bench_t *self);

/* ---- bench_files.c ---- */

/* Where its record hangs; never NULL. */
struct holder **bench_holder_find(bench_t *self, cccc_str_t group_id, cccc_str_t actor_id);
void bench_holder_drop(struct holder **at);
/* Tell a core that starts which holders there are. */
void bench_fold_holders(bench_t *self, const struct ledger *ledger, bool offline);
