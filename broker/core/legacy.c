/* legacy.c - who has read how far, taken over from CCCC 0.4.0.
 *
 * 0.4.0 kept cursors in read_cursors.json, and compared times: what is not newer than the cursor's time is read (reference 5.1). Ours are in the ledger and
 * compare seqs. When such a home is first opened, each reader's cursor becomes a chat.read event, in front of the group.edit that ends the
 * older format's time: as long as that one is not durable, the next start does it again, and does nothing twice.
 * Invariant: nothing that 0.4.0 held to be unread becomes read. Where times are out of order the cursor stays in front of the first unread event.
 * Thread: the core's. */
#include "broker/core/messages/message.h"

#include <stdlib.h>

struct legacy_cursor {
    int64_t read_until_us;
    cccc_str_t reader;
    bool unread_seen; /* an event for the reader that is newer than its cursor */
    uint64_t seq;     /* of the last event in front of that one which is for the reader; 0 = none */
    cccc_str_t event_id, ts;
};

struct cccc_legacy {
    cccc_arena_t *arena;
    struct legacy_cursor *cursors;
    uint32_t count;
};

void legacy_fini(struct cccc_group *group)
{
    if (!group->legacy)
        return;
    cccc_arena_destroy(&group->legacy->arena);
    free(group->legacy);
    group->legacy = NULL;
}

void cccc_core_fold_cursors(cccc_core_t *self, cccc_slot_t slot, const cccc_value_t *cursors)
{
    struct cccc_group *group = self->groups[slot];
    if (!cccc_is_map(cursors) || group->document_seq != UINT64_MAX)
        return;
    legacy_fini(group);
    struct cccc_legacy *legacy = calloc(1, sizeof *legacy);
    CCCC_ASSERT(legacy, "(out of memory)");
    legacy->arena = cccc_arena_new(1024);
    legacy->cursors = cccc_arena_alloc(legacy->arena, (cursors->via.map.size + 1) * sizeof *legacy->cursors);
    for (uint32_t i = 0; i < cursors->via.map.size; i++) {
        const msgpack_object_kv *entry = &cursors->via.map.ptr[i];
        struct legacy_cursor cursor = {0};
        if (cccc_as_str(&entry->key, &cursor.reader) && cccc_ts_parse(cccc_get_str(&entry->val, "ts"), &cursor.read_until_us)) {
            cursor.reader = cccc_arena_str(legacy->arena, cursor.reader);
            legacy->cursors[legacy->count++] = cursor;
        }
    }
    group->legacy = legacy;
}

void legacy_event_for(struct cccc_group *group, cccc_str_t reader, const struct cccc_event *event)
{
    struct cccc_legacy *legacy = group->legacy;
    int64_t us;
    for (uint32_t i = 0; i < legacy->count; i++) {
        struct legacy_cursor *cursor = &legacy->cursors[i];
        if (cursor->unread_seen || !cccc_str_eq(cursor->reader, reader))
            continue;
        cursor->unread_seen = !cccc_ts_parse(event->ts, &us) || us > cursor->read_until_us;
        if (!cursor->unread_seen) {
            cursor->seq = event->seq;
            cursor->event_id = cccc_arena_str(legacy->arena, event->id);
            cursor->ts = cccc_arena_str(legacy->arena, event->ts);
        }
    }
}

static void record(struct cccc_core *core, struct cccc_group *group, const struct legacy_cursor *cursor)
{
    const struct cccc_reader *reader = reader_find(group, cursor->reader);
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_builder_t lanes = cccc_array_builder(arena, CCCC_LANES), data = cccc_map_builder(arena, 5);
    for (int lane = 0; reader && lane < CCCC_LANES; lane++) {
        if (cursor->seq > reader->cursor[lane].seq)
            cccc_array_add(&lanes, cccc_text(lane_words[lane]));
    }
    if (lanes.value.via.array.size == 0) {
        cccc_arena_destroy(&arena);
        return;
    }
    cccc_map_add(&data, "actor_id", cccc_string(cccc_arena_str(arena, cursor->reader)));
    cccc_map_add(&data, "event_id", cccc_string(cccc_arena_str(arena, cursor->event_id)));
    cccc_map_add(&data, "seq", cccc_uint(cursor->seq));
    cccc_map_add(&data, "ts", cccc_string(cccc_arena_str(arena, cursor->ts)));
    cccc_map_add(&data, "lanes", lanes.value);
    struct cccc_errmsg m;
    if (core_append(core, group, CCCC_KIND_CHAT_READ, CCCC_STR("system"), CCCC_STR(""), data.value, &arena, &m))
        core_log(core, 4, "CURSOR-NOT-TAKEN-OVER", "a cursor of CCCC 0.4.0 was not taken over group=%s reader=%.*s why=%s", group->id,
                 CCCC_STR_FMT(cursor->reader), m.text);
}

void legacy_take_over(struct cccc_core *core, struct cccc_group *group)
{
    for (uint32_t i = 0; group->legacy && i < group->legacy->count; i++)
        record(core, group, &group->legacy->cursors[i]);
    legacy_fini(group);
}
