/* index.c - a sorted array and binary search. */
#include "broker/ledger/index.h"

#include "broker/ledger/file.h"

#include <stdlib.h>

void cccc_index_fini(struct cccc_index *self)
{
    free(self->entries);
    *self = (struct cccc_index){0};
}

void cccc_index_add(struct cccc_index *self, uint64_t seq, uint64_t offset)
{
    bool follows = self->count > 0 && seq == self->last_seq + 1;
    self->last_seq = seq;
    if (follows && seq - self->entries[self->count - 1].seq < CCCC_INDEX_STRIDE)
        return;
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->entries = cccc_room_again(self->entries, self->room, sizeof *self->entries);
    }
    self->entries[self->count++] = (struct cccc_index_entry){seq, offset};
}

void cccc_index_cut(struct cccc_index *self, uint64_t seq)
{
    while (self->count > 0 && self->entries[self->count - 1].seq > seq)
        self->count--;
    if (self->last_seq > seq)
        self->last_seq = seq;
}

void cccc_index_move(struct cccc_index *self, uint64_t bytes)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++)
        if (self->entries[i].offset >= bytes)
            self->entries[kept++] = (struct cccc_index_entry){self->entries[i].seq, self->entries[i].offset - bytes};
    self->count = kept;
}

size_t cccc_index_find(const struct cccc_index *self, uint64_t seq)
{
    size_t low = 0, high = self->count; /* entries below `low` are at most seq, entries from `high` on are above */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->entries[middle].seq <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : 0;
}
