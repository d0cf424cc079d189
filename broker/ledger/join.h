/* join.h - which sealed segments count beside a ledger.jsonl, and whether one of them is whole.
 *
 * Thread: the caller's. */
#pragma once

#include "broker/ledger/source.h"

/* Segments that begin at or behind the first sound line of ledger.jsonl (`active`, of `size` bytes) do not count: the file has their lines, as after a seal that was
 * interrupted. *begin: where the file goes on behind those that do: 0, unless it begins with lines that are sealed, or with what is left of them. Takes and replaces *archive. 0 or -errno. */
int cccc_join(struct cccc_archive **archive, struct cccc_source *active, uint64_t size, uint64_t *begin);

/* Does the file of `part` hold, in frames without damage, lines that end with part->last and part->crc? 0, -EBADMSG, or -errno of the device. */
int cccc_segment_check(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part);
