/* archive.h - which sealed segments a ledger has: the manifest in memory.
 *
 * Immutable once it is made, and counted: the ledger and the reads that are under way share it, so a seal or a retirement makes a new one. FORMAT.md has the
 * manifest's format.
 * Thread: any; holders are added by the ledger's owner, any thread may let go. */
#pragma once

#include "broker/ledger/vfs.h"

#include <stdatomic.h>

enum { CCCC_HASH_BYTES = 32, CCCC_PART_NAME_ROOM = 48 };

/* A row of the manifest. */
struct cccc_part {
    uint64_t first, last; /* seqs */
    uint64_t raw;         /* bytes, uncompressed */
    uint64_t bytes;       /* of the file */
    uint32_t prev, crc;   /* what its first line continues; of its last line */
    uint64_t legacy_last;
    unsigned char hash[CCCC_HASH_BYTES]; /* BLAKE2b-256 of the file */
    bool retired;
    uint64_t retired_at; /* seconds since 1970 */
    /* not in the manifest */
    bool there;   /* there is such a file; retired ones have none */
    bool resized; /* and it has not the size it should have */
    uint64_t at;  /* where its bytes begin in the ledger's stretch (source.h) */
};

/* The state a retirement saved, in `<seq>.base`: what the fold of all events up to `seq` has yielded. seq 0: nothing was retired yet. */
struct cccc_base {
    uint64_t seq;
    uint32_t crc; /* of that event's line */
};

struct cccc_archive {
    _Atomic uint32_t holders;
    const struct cccc_vfs *vfs;
    char *dir;               /* state/ledger */
    struct cccc_part *parts; /* rising */
    uint32_t count;
    uint64_t raw; /* bytes of the parts that are there */
    struct cccc_base base;
    bool as_stored; /* it is what the manifest says, no more and no less */
    bool unlisted;  /* the manifest cannot be read, or is gone: this stands in for it */
    /* No manifest is there that could say which events were retired, but the newest base, of this event, says that there are some. 0: not so. */
    uint64_t unclaimed_base;
};

/* Read the manifest, or what stands for it, and look for its files. Never fails but for the device: an empty archive when nothing was sealed. Adds to `note` (of
 * `note_room` bytes) that the manifest is damaged or gone. 0 or -errno. */
int cccc_archive_load(const struct cccc_vfs *vfs, const char *state_dir, struct cccc_archive **out, char *note, size_t note_room);
/* A new one with these parts (copied), of which `there` is known, and no base. Never NULL. */
struct cccc_archive *cccc_archive_new(const struct cccc_vfs *vfs, const char *state_dir, const struct cccc_part *parts, uint32_t count);
/* The same with other parts. Never NULL. */
struct cccc_archive *cccc_archive_with(const struct cccc_archive *self, const struct cccc_part *parts, uint32_t count);
struct cccc_archive *cccc_archive_keep(struct cccc_archive *self);
/* Takes and nulls. NULL is fine. */
void cccc_archive_release(struct cccc_archive **self);
/* Make the manifest say what `self` says, durably. 0 or -errno. */
int cccc_archive_write(const struct cccc_archive *self);
/* Is there something for cccc_archive_sweep? */
bool cccc_archive_has_needless(const struct cccc_archive *self);
/* Remove what it needs no more: files of retired segments, bases but its own. Both manifests say so already. 0 or -errno; what could not be removed may be tried again. */
int cccc_archive_sweep(const struct cccc_archive *self);

/* The same without the parts from `first_seq` on: ledger.jsonl has their lines. Takes `self`. */
struct cccc_archive *cccc_archive_trim(struct cccc_archive *self, uint64_t first_seq);

/* Add to `note` which of its files are gone or damaged at first sight. */
void cccc_archive_describe(const struct cccc_archive *self, char *note, size_t note_room);

/* Last seq sealed, or retired; 0 = none. */
uint64_t cccc_archive_last(const struct cccc_archive *self);
/* First seq that can be read from it; last + 1 when none can. */
uint64_t cccc_archive_first(const struct cccc_archive *self);
uint64_t cccc_archive_legacy_last(const struct cccc_archive *self);
/* The part that has `seq`, or else the first one behind it; count when there is none. */
uint32_t cccc_archive_find(const struct cccc_archive *self, uint64_t seq);
/* The file name of a base. */
void cccc_base_name(uint64_t seq, char out[CCCC_PART_NAME_ROOM]);
/* Why [*from, ...] is not there: the reason of the gap that begins at `from`, and in *to, at most its value, how far that reason holds. */
const char *cccc_archive_why_missing(const struct cccc_archive *self, uint64_t from, uint64_t *to, const char *otherwise);
/* The file name of a segment. */
void cccc_part_name(const struct cccc_part *part, char out[CCCC_PART_NAME_ROOM]);
/* False unless `name` is one; fills first and last. */
bool cccc_part_parse_name(const char *name, struct cccc_part *out);
