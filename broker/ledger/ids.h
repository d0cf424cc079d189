/* ids.h - the client ids of a sealed segment: `<first>-<last>.ids` beside it, sorted hashes with their seqs. A cache; FORMAT.md has the format.
 *
 * It is tied to the segment by the segment's hash. One that is missing, damaged or of another segment is made anew from the segment, by whoever wants to look into it.
 * Thread: any; two threads that make the same file at once write the same bytes. */
#pragma once

#include "broker/ledger/archive.h"
#include "broker/ledger/id_filter.h"
#include "broker/ledger/ledger.h"

/* Ids on their way into a file. */
struct cccc_ids {
    unsigned char *entries;
    uint32_t count, room;
};

/* Note the client id of the event `seq` that a sound line (without its newline; `legacy`: of CCCC 0.4.0) is, if it has one. `arena` is for one line, and empty again afterwards. */
void cccc_ids_take(struct cccc_ids *self, const char *line, size_t len, bool legacy, uint64_t seq, cccc_arena_t *arena);
void cccc_ids_fini(struct cccc_ids *self);

/* Sort them, write the file of `part` in `dir`, and give the filter, which the caller frees. A file that cannot be written is no error: it is a cache. */
struct cccc_id_filter *cccc_ids_write(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part, struct cccc_ids *ids);
/* The filter of the file of `part`, which the caller frees; NULL when there is none that can be believed. */
struct cccc_id_filter *cccc_ids_filter(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part);
/* Add the seqs of ids with that hash to `seqs`, as long as *count is below `max`. When the file is of no use it is made anew, and *made is its filter, which the caller frees;
 * else *made is NULL. 0, or -errno: the segment cannot be read. */
int cccc_ids_find(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part, uint64_t hash, uint64_t *seqs, uint32_t *count,
                  uint32_t max, struct cccc_id_filter **made);
/* The file name. */
void cccc_ids_name(const struct cccc_part *part, char out[CCCC_PART_NAME_ROOM]);
/* False unless `name` is one; fills first and last. */
bool cccc_ids_parse_name(const char *name, struct cccc_part *out);
