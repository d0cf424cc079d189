/* sealed.c - where the client ids of sealed events are looked for: a filter for each segment, here; the ids themselves lie beside the segment.
 *
 * A group's table (dedupe.c) has the ids of events in ledger.jsonl only, so that memory does not grow with the ledger. "No" of a filter is certain. "Maybe", and a segment whose filter
 * is not known, is answered by a reader thread (CCCC_READ_ID), and confirmed on the line like every hit.
 * Invariant: I5 (every durable id is in the table, or in a segment at or below `last`).
 * Thread: the core's. */
#include "broker/core/call.h"

#include <stdlib.h>

void sealed_fini(struct cccc_sealed *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        free(self->rows[i].filter);
    free(self->rows);
    *self = (struct cccc_sealed){0};
}

static uint64_t bytes_of(const struct cccc_sealed *self)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < self->count; i++)
        bytes += self->rows[i].filter ? cccc_id_filter_bytes(self->rows[i].filter) : 0;
    return bytes;
}

void sealed_fit(struct cccc_core *core, struct cccc_group *group)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < core->group_count && group->sealed.count > 0; i++)
        bytes += bytes_of(&core->groups[i]->sealed);
    for (uint32_t i = 0; i < group->sealed.count && bytes > CCCC_CLIENT_ID_FILTER_BYTES_MAX; i++) {
        struct cccc_sealed_ids *row = &group->sealed.rows[i];
        bytes -= row->filter ? cccc_id_filter_bytes(row->filter) : 0;
        free(row->filter);
        row->filter = NULL;
    }
}

/* Rows that are known already stay as they are. */
void cccc_core_sealed(cccc_core_t *self, cccc_slot_t slot, const struct cccc_sealed_ids *rows, uint32_t count)
{
    struct cccc_group *group = self->groups[slot];
    struct cccc_sealed *sealed = &group->sealed;
    sealed->rows = realloc(sealed->rows, (sealed->count + count + 1u) * sizeof *rows);
    CCCC_ASSERT(sealed->rows, "(out of memory)");
    for (uint32_t i = 0; i < count; i++) {
        CCCC_ASSERT(sealed->count == 0 || rows[i].first > sealed->rows[sealed->count - 1].last, "(%s: segments out of order)", group->id);
        sealed->rows[sealed->count++] = rows[i];
        if (sealed->last < rows[i].last)
            sealed->last = rows[i].last;
    }
    dedupe_drop_through(group->dedupe, sealed->last);
    sealed_fit(self, group);
}

void cccc_core_retired(cccc_core_t *self, cccc_slot_t slot, uint64_t last)
{
    struct cccc_sealed *sealed = &self->groups[slot]->sealed;
    uint32_t gone = 0;
    while (gone < sealed->count && sealed->rows[gone].last <= last)
        free(sealed->rows[gone++].filter);
    sealed->count -= gone;
    memmove(sealed->rows, sealed->rows + gone, sealed->count * sizeof *sealed->rows);
}

bool cccc_core_fold_sealed(cccc_core_t *self, cccc_slot_t slot, uint64_t last)
{
    struct cccc_group *group = self->groups[slot];
    if (group->sealed.last > last)
        return false;
    group->sealed.last = last;
    dedupe_drop_through(group->dedupe, last);
    return true;
}

void cccc_core_id_filter(cccc_core_t *self, cccc_slot_t slot, struct cccc_id_filter *filter)
{
    struct cccc_group *group = self->groups[slot];
    for (uint32_t i = 0; i < group->sealed.count; i++) {
        struct cccc_sealed_ids *row = &group->sealed.rows[i];
        if (row->first != filter->first || row->last != filter->last)
            continue;
        free(row->filter);
        row->filter = filter;
        sealed_fit(self, group);
        return;
    }
    free(filter); /* the segment is gone meanwhile */
}

uint32_t cccc_core_unfiltered(const cccc_core_t *self, cccc_slot_t slot, cccc_arena_t *arena, uint64_t **firsts)
{
    const struct cccc_sealed *sealed = &self->groups[slot]->sealed;
    uint32_t n = 0;
    *firsts = cccc_arena_alloc(arena, (sealed->count + 1u) * sizeof **firsts);
    for (uint32_t i = 0; i < sealed->count; i++)
        if (!sealed->rows[i].filter)
            (*firsts)[n++] = sealed->rows[i].first;
    return n;
}

uint64_t cccc_core_sealed_last(const cccc_core_t *self, cccc_slot_t slot)
{
    return self->groups[slot]->sealed.last;
}

uint32_t sealed_may_have(const struct cccc_sealed *self, uint64_t hash, uint64_t through, cccc_arena_t *arena, uint64_t **firsts)
{
    uint32_t n = 0;
    for (uint32_t i = self->count; i-- > 0 && self->rows[i].last > through;) {
        const struct cccc_id_filter *filter = self->rows[i].filter;
        if (filter && !cccc_id_filter_may_have(filter, hash))
            continue;
        if (n == 0)
            *firsts = cccc_arena_alloc(arena, (i + 1u) * sizeof **firsts);
        (*firsts)[n++] = self->rows[i].first;
    }
    for (uint32_t i = 0; i < n / 2; i++) {
        uint64_t first = (*firsts)[i];
        (*firsts)[i] = (*firsts)[n - 1 - i];
        (*firsts)[n - 1 - i] = first;
    }
    return n;
}
