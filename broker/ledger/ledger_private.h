/* ledger_private.h - the ledger object and the messages it hands out, as the files of this folder see them.
 *
 * The object is its owner's alone. A batch, a read and a mark are owned by whoever holds them, and carry all they need; the paths they borrow
 * live as long as the ledger, which outlives them. */
#pragma once

#include "broker/ledger/archive.h"
#include "broker/ledger/file.h"
#include "broker/ledger/index.h"
#include "broker/ledger/ledger.h"
#include "broker/ledger/mark.h"
#include "proto/limits.h"

/* ledger.jsonl: the newest part of the events. What is older is in `archive`. */
struct cccc_segment {
    cccc_file_t *file;    /* NULL until a new group's first commit */
    uint64_t first_seq;   /* of its first readable event; 0 = empty */
    uint64_t legacy_last; /* lines up to this seq are of the older format */
    struct cccc_index index;
};

struct cccc_batch {
    cccc_batch_t *next;
    /* what to write */
    cccc_buf_t bytes;
    uint32_t lines;
    uint64_t last_seq;
    uint32_t last_crc;
    /* where; a batch of a new group also makes the place (`create`) and brings back what it opened */
    const struct cccc_vfs *vfs;
    const char *group_dir, *path, *state_dir, *lock_path;
    bool create;
    int fd, lock_fd;
    uint64_t device, inode, birth_ns;
    uint64_t offset; /* the size the file must have */
    /* what came of it */
    cccc_err_t err;
    bool outcome_unknown;
    uint64_t sync_us;
    struct cccc_errmsg message;
};

struct cccc_mark {
    const struct cccc_vfs *vfs;
    const char *path;
    unsigned slot;
    struct cccc_mark_value value;
    int err;
};

struct cccc_ledger {
    const struct cccc_vfs *vfs;
    char *group_dir, *path, *state_dir, *lock_path, *mark_path;
    uint64_t epoch;
    int lock_fd;                      /* -1 until a new group's first commit */
    uint64_t device, inode, birth_ns; /* of ledger.jsonl */
    struct cccc_segment active;
    struct cccc_archive *archive; /* sealed segments; never NULL once open */
    uint64_t begin;               /* in ledger.jsonl: lines in front of it are sealed already; 0 but after an interrupted seal */

    uint64_t head, durable;    /* last seq appended, last seq durable */
    uint64_t end, size;        /* bytes up to them */
    uint32_t crc, durable_crc; /* what the next line's `prev` is, after each */
    bool fresh;                /* a new group: the first commit makes and syncs its place */
    bool unterminated;         /* the last durable line lacks its newline: the next batch begins with one */

    cccc_ledger_health_t health;
    char note[256];
    struct cccc_gap lost; /* what is missing behind the head of a read-only ledger; reason NULL = nothing */

    cccc_batch_t *open;                   /* being filled, or NULL */
    cccc_batch_t *waiting, **waiting_end; /* closed, oldest first */
    cccc_batch_t *out;                    /* with a commit thread */
    cccc_batch_t *spare;                  /* emptied, for use again */

    struct cccc_mark_value mark; /* as in the file */
    unsigned mark_slot;          /* where it is */
    uint64_t mark_turn;
    bool mark_out;

    bool seal_out;  /* a seal is under way */
    bool switching; /* and about to replace the file: no batch and no mark may go out */
};

/* Give back memory that a quiet ledger does not need. */
void cccc_ledger_rest(cccc_ledger_t *self);

/* <dir>/<name>, allocated. */
char *cccc_path_join(const char *dir, const char *name);

enum { CCCC_ASIDE_NAME_ROOM = 64 };

/* Copy `length` bytes of ledger file `fd` from `offset` into state_dir/torn/<kind>.<offset>.<crc>, durably. The same bytes get the same name (in `name`, which may be NULL), so
 * doing it again after a crash changes nothing. 0 or -errno. */
int cccc_keep_aside(const struct cccc_vfs *vfs, const char *state_dir, int fd, const char *kind, uint64_t offset, uint64_t length,
                    char name[CCCC_ASIDE_NAME_ROOM]);

/* Sync the directory entries on the way to a ledger, innermost first. The home's own folders are there before any group. */
int cccc_sync_place(const struct cccc_vfs *vfs, const char *group_dir, const char *state_dir);

/* Open state/ledger/ledger.lock and take it. The descriptor, or -errno; -EWOULDBLOCK: another process has it. */
int cccc_take_lock(const struct cccc_vfs *vfs, const char *lock_path);
