/* id_filter.h - does a sealed segment hold a client id? "No" is certain; "maybe" is wrong about once in a thousand times.
 *
 * A Bloom filter in blocks of 32 bytes, so that asking costs one line of cache: the hash picks a block, and in each of its eight words one bit (Putze, Sanders and
 * Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007). Two bytes an id. Uses the upper 56 bits of a hash, which is what a table of ids keeps.
 * Made by ids.c, asked by whoever holds one. Thread: none; immutable once made. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CCCC_ID_BLOCK_WORDS = 8 };

struct cccc_id_filter {
    uint64_t first, last; /* seqs of the segment */
    uint32_t blocks;
    uint32_t words[]; /* blocks * CCCC_ID_BLOCK_WORDS */
};

/* Where the words of `hash` are, and in *low what picks their bits. */
static inline const uint32_t *cccc_id_filter_block(const struct cccc_id_filter *self, uint64_t hash, uint32_t *low)
{
    uint64_t mixed = (hash >> 8) * UINT64_C(0xd6e8feb86659fd93);
    mixed ^= mixed >> 32;
    mixed *= UINT64_C(0xa0761d6478bd642f);
    *low = (uint32_t)mixed;
    return self->words + CCCC_ID_BLOCK_WORDS * (((mixed >> 32) * self->blocks) >> 32);
}

static inline uint32_t cccc_id_filter_bit(uint32_t low, unsigned word)
{
    static const uint32_t odd[CCCC_ID_BLOCK_WORDS] = {0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f,
                                                      0x165667b1, 0xb5297a4d, 0x68e31da5, 0x1b56c4e9};
    return UINT32_C(1) << ((low * odd[word]) >> 27);
}

static inline bool cccc_id_filter_may_have(const struct cccc_id_filter *self, uint64_t hash)
{
    uint32_t low;
    const uint32_t *words = cccc_id_filter_block(self, hash, &low);
    for (unsigned i = 0; i < CCCC_ID_BLOCK_WORDS; i++)
        if (!(words[i] & cccc_id_filter_bit(low, i)))
            return false;
    return true;
}

static inline uint64_t cccc_id_filter_bytes(const struct cccc_id_filter *self)
{
    return sizeof *self + (uint64_t)self->blocks * CCCC_ID_BLOCK_WORDS * sizeof self->words[0];
}
