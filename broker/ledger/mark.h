/* mark.h - state/ledger/mark: what is known durable. Recovery cuts nothing at or below it; it allows nothing.
 *
 * The file is two slots of CCCC_MARK_SLOT_BYTES, each one line of text padded with spaces:
 *     cccc-mark 1 turn=7 device=2049 inode=131 seq=1204 offset=611880 birth=1767604500000000000 crc=9ab3c1d2
 * `birth` (when ledger.jsonl was made) is left out where the file system does not say; marks of older versions have none.
 * `crc` is CRC32C of the text before " crc=". The slot with the higher `turn` counts; the other one is written next, so a torn write leaves one. */
#pragma once

#include "broker/ledger/ledger.h"

enum { CCCC_MARK_SLOT_BYTES = 4096, CCCC_MARK_SLOTS = 2 };

struct cccc_mark_value {
    uint64_t turn;   /* 0 = no mark */
    uint64_t device; /* of ledger.jsonl */
    uint64_t inode;
    uint64_t birth_ns; /* 0 = not known */
    uint64_t seq;      /* highest durable one */
    uint64_t offset;   /* end of its line */
};

/* Is the mark about the file `st` is of? The device number does not matter: it changes with the order in which disks are found. The inode alone is
 * not enough: a home that is removed and copied back often gets the same numbers again. */
bool cccc_mark_is_about(const struct cccc_mark_value *mark, const struct cccc_stat *st);
/* Do the two slots speak of different files? Then one of them took the other's place not long ago (seal.c), and its name may not be durable. */
bool cccc_mark_names_two(const struct cccc_vfs *vfs, const char *path);
/* What the file says, first of the file `st` is of (NULL: of any); turn 0 when there is none or neither slot is valid (then *damaged). 0 or -errno. */
int cccc_mark_read(const struct cccc_vfs *vfs, const char *path, const struct cccc_stat *st, struct cccc_mark_value *out, unsigned *slot,
                   bool *damaged);
