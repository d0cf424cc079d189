/* ledger_bytes.h - a ledger's lines as they lie on a simulated disk, sealed segments and ledger.jsonl put together.
 *
 * Knows FORMAT.md, not the product's reader: a manifest is read with sscanf, frames are decompressed in one go. */
#pragma once

#include "proto/value.h"
#include "tests/support/simdisk.h"

/* The seq of the first line of ledger.jsonl's `bytes` that is whole: 1 if it is of the older format; 0 when none is. */
unsigned long long ledger_first_seq(const char *bytes, size_t len);

/* Append to `out` every line of the ledger in `group_dir`, also those that were retired: their files are dug up by the hashes of the tombstones. False when it has no ledger.jsonl. *sealed
 * (may be NULL): how many of the bytes are, or were, in segments. Segments whose lines ledger.jsonl still has do not count. Ends the program when a segment that counts is not whole. */
bool ledger_bytes(simdisk_t *disk, const char *group_dir, cccc_buf_t *out, size_t *sealed);
/* The last seq that has a tombstone; 0: nothing was retired. */
unsigned long long ledger_retired(simdisk_t *disk, const char *group_dir);

/* Is every segment that manifest and manifest.prev have not as retired there, as it was named (size and hash)? Else its path is in `missing`. */
bool ledger_named_are_there(simdisk_t *disk, const char *group_dir, char missing[256]);
