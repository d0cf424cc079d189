/* index.h - where lines are: one (seq, offset) pair for about every sixteenth line, in memory, one byte per event.
 *
 * A pair stands at each line behind a gap, so that a search never has to cross one. Thread: the ledger's owner. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { CCCC_INDEX_STRIDE = 16 };

struct cccc_index_entry {
    uint64_t seq;
    uint64_t offset;
};

struct cccc_index {
    struct cccc_index_entry *entries; /* rising in both */
    size_t count, room;
    uint64_t last_seq; /* of the last line added */
};

/* Free it. One of zeros is empty and needs no init. */
void cccc_index_fini(struct cccc_index *self);
/* A line more, of a higher seq than all before. */
void cccc_index_add(struct cccc_index *self, uint64_t seq, uint64_t offset);
/* Forget lines above `seq`. */
void cccc_index_cut(struct cccc_index *self, uint64_t seq);
/* The first `bytes` of the file are gone: places are that much smaller, and lines in there are forgotten. */
void cccc_index_move(struct cccc_index *self, uint64_t bytes);
/* Position of the last entry whose seq is at most `seq`; 0 when there is none before it. The index must not be empty. */
size_t cccc_index_find(const struct cccc_index *self, uint64_t seq);
