/* snapshot.c - what the fold of a group's ledger has yielded, as bytes, and back into a group that has just been begun.
 *
 * The bytes are a cache: the executor keeps them with the position they are of (ledger/snapshot.h) and offers them at the next start; whatever is not as this
 * version writes it is refused, and the ledger is folded from its beginning. The payload is a map of all parts, in the order of the table.
 * Invariant: I11 (a group that was loaded, and folded from there, is the group that was folded from the beginning).
 * Thread: the core's. */
#include "broker/core/snapshot.h"
#include "proto/unpack.h"

#include <stdlib.h>

/* A member of the map. The order is that of loading: readers find their runtimes, and those their actors in the document. */
static const struct part {
    const char *name;
    void (*save)(const struct cccc_group *group, cccc_buf_t *out);
    bool (*load)(struct cccc_group *group, const cccc_value_t *v);
} parts[] = {
    {"head", head_save, head_load},
    {"document", document_save, document_load},
    {"runtimes", runtimes_save, runtimes_load},
    {"readers", readers_save, readers_load},
    {"tables", tables_save, tables_load},
    {"relays", relays_save, relays_load},
    {"obligations", obligations_save, obligations_load},
    {"expiring", expiries_save, expiries_load},
    {"reminders", reminders_save, reminders_load},
    {"nudges", nudges_save, nudges_load},
    {"automation", automation_save, automation_load},
    {"guards", guards_save, guards_load},
    {"gaps", gaps_save, gaps_load},
    {"context", context_save, context_load},
};
enum { PART_COUNT = sizeof parts / sizeof *parts };

/* ---- saving ---- */

bool cccc_core_snapshot_due(const cccc_core_t *self, cccc_slot_t slot, uint64_t *seq)
{
    const struct cccc_group *group = self->groups[slot];
    *seq = group->head_seq;
    return group->head_seq > 0 && !group->deleted && !group->folding && !group->offline && !group->legacy && !group->edited &&
           !config_is_unrecorded(group);
}

void cccc_core_snapshot(const cccc_core_t *self, cccc_slot_t slot, cccc_buf_t *out)
{
    const struct cccc_group *group = self->groups[slot];
    cccc_pack_map(out, PART_COUNT);
    for (size_t i = 0; i < PART_COUNT; i++) {
        cccc_pack_text(out, parts[i].name);
        parts[i].save(group, out);
    }
}

/* ---- loading ---- */

const cccc_value_t *snapshot_row(const cccc_value_t *v, uint32_t count)
{
    return cccc_is_array(v) && v->via.array.size == count ? v->via.array.ptr : NULL;
}

const cccc_value_t *snapshot_row_grown(const cccc_value_t *v, uint32_t least, uint32_t most)
{
    return cccc_is_array(v) && v->via.array.size >= least && v->via.array.size <= most ? v->via.array.ptr : NULL;
}

bool snapshot_text(const cccc_value_t *v, char *out, size_t size)
{
    cccc_str_t s;
    if (!cccc_as_str(v, &s) || s.len >= size)
        return false;
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return true;
}

static bool load_parts(struct cccc_group *group, const cccc_value_t *payload)
{
    if (!cccc_is_map(payload) || payload->via.map.size != PART_COUNT)
        return false;
    for (size_t i = 0; i < PART_COUNT; i++) {
        const msgpack_object_kv *kv = &payload->via.map.ptr[i];
        cccc_str_t name;
        if (!cccc_as_str(&kv->key, &name) || !cccc_str_is(name, parts[i].name) || !parts[i].load(group, &kv->val))
            return false;
    }
    return true;
}

bool cccc_core_fold_snapshot(cccc_core_t *self, cccc_slot_t slot, uint64_t seq, const char *bytes, size_t len)
{
    /* As many values as bytes at most: whatever was written can be read. The group's own limits bound what that is. */
    static const struct cccc_msgpack_limits limits = {.bytes = CCCC_SNAPSHOT_BYTES_MAX,
                                                      .depth = CCCC_DECODE_DEPTH_MAX,
                                                      .items = CCCC_SNAPSHOT_BYTES_MAX,
                                                      .key_bytes = CCCC_MAP_KEY_BYTES_MAX};
    struct cccc_group *group = self->groups[slot];
    cccc_arena_t *arena = cccc_arena_new(8192);
    cccc_value_t payload;
    struct cccc_errmsg m;
    CCCC_ASSERT(group->head_seq == 0 && group->folding, "(%s is not just begun)", group->id);
    bool good = cccc_msgpack_read_limited(bytes, len, &limits, arena, &payload, &m) == CCCC_OK && load_parts(group, &payload) &&
                group->head_seq == seq;
    cccc_arena_destroy(&arena);
    return good;
}

bool cccc_core_fold_base(cccc_core_t *self, cccc_slot_t slot, uint64_t seq, const char *bytes, size_t len, bool *edit_lost)
{
    struct cccc_group *group = self->groups[slot];
    bool edited = group->edited;
    group->from_base = true;
    bool good = cccc_core_fold_snapshot(self, slot, seq, bytes, len);
    group->from_base = false;
    *edit_lost = edited && !group->edited;
    return good;
}
