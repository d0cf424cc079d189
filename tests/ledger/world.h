/* world.h - one ledger on a simulated disk, with a model of what its file must hold: the bench all ledger tests work on.
 *
 * The model: `acked` are the bytes that were acknowledged, `maybe` those of a batch whose outcome is unknown. After any stop the file must be `acked`
 * and then whole lines from the beginning of `maybe`. Checks end the test with the seed in the message. */
#pragma once

#include "broker/ledger/seal.h"
#include "tests/support/simdisk.h"

#define WORLD_GROUP  "/home/groups/g_000000000001"
#define WORLD_LEDGER WORLD_GROUP "/ledger.jsonl"
#define WORLD_MARK   WORLD_GROUP "/state/ledger/mark"
#define WORLD_TORN   WORLD_GROUP "/state/ledger/torn"

enum { WORLD_GAPS_MAX = 64 };

struct world {
    uint64_t seed;
    simdisk_t *disk;
    const struct cccc_vfs *vfs;
    cccc_ledger_t *ledger;
    uint64_t epoch;
    cccc_arena_t *arena;
    cccc_buf_t acked, maybe;
    cccc_buf_t whole; /* of world_bytes */
    /* of the last opening */
    struct cccc_recovery report;
    struct cccc_errmsg message;
    uint64_t folded, last_seq;
    struct cccc_gap gaps[WORLD_GAPS_MAX];
    unsigned gap_count;
};

/* A fresh disk with an empty, durable /home/groups. */
void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w);

/* Open the ledger (creating it if need be). Folded events must have rising seqs. */
cccc_err_t world_open(struct world *w);
void world_close(struct world *w);
/* The process dies (its memory is freed, nothing is written); then the power goes too, if `loss` is not NULL. */
void world_die(struct world *w, const enum simdisk_loss *loss);

/* Append `count` events with texts of up to `bytes_max` bytes. */
void world_append(struct world *w, unsigned count, unsigned bytes_max);
/* Commit the next batch; the model learns the outcome. False when there was nothing to commit. */
bool world_commit(struct world *w, struct cccc_commit *result);
/* world_commit of all there is, each of which must succeed. */
void world_commit_all(struct world *w);
void world_mark(struct world *w);
/* Take a seal's result in, and forget its filters of client ids: nobody here looks for any. */
void world_seal_done(struct world *w, cccc_sealing_t *seal, struct cccc_seal_result *result);

/* Seal all but `keep` lines, in small segments and frames, with some appends while the seal is under way. False when it came to nothing; the result says whether the
 * ledger must be opened again. */
bool world_seal(struct world *w, uint64_t keep);

/* All lines of the ledger as they are on the disk, sealed or not; empty when there are none. */
void world_bytes(struct world *w, const char **bytes, size_t *len);
/* The file against the model, which then takes the file's word for `maybe`. */
void world_check_file(struct world *w);
/* Open without faults and check everything recovery promises: the file against the model, the fold, what was cut is kept aside, opening again
 * and even a power cut change nothing. Leaves the ledger open. */
void world_recover(struct world *w);

/* Ends the test unless `cond`. */
#define WORLD_REQUIRE(w, cond, ...)                                                                                                        \
    do {                                                                                                                                   \
        if (!(cond))                                                                                                                       \
            world_fail((w), __FILE__, __LINE__, #cond " " __VA_ARGS__);                                                                    \
    } while (0)
_Noreturn void world_fail(const struct world *w, const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* `--seed N` and `--histories N` of a test program. */
struct world_arguments {
    uint64_t seed;
    uint64_t histories;
};
struct world_arguments world_arguments(int argc, char **argv);
