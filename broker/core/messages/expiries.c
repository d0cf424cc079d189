/* expiries.c - messages that expire are recalled by the broker when their time has come: the fold knows no clock.
 *
 * The fold keeps for each who has not taken it yet, so nothing is read back, however many expire together. What is kept is who was addressed, or held from it,
 * without those who replied, acknowledged it or had it claimed for their terminal; that it was read says the cursor. An actor that leaves takes its copies with
 * it. Where a part of the ledger behind the message cannot be read nobody knows who has taken it, and it is not recalled.
 * Many that expire together take turns: a group has EXPIRING_AT_A_TIME of them on their way to the disk, and one look decides for LOOK_COST_MAX copies at most.
 * Thread: the core's. */
#include "broker/core/messages/expiries.h"
#include "broker/core/snapshot.h"

#include <stdlib.h>
#include <utlist.h>

/* A message that will be withdrawn by itself. */
struct cccc_expiry {
    uint64_t seq;
    int64_t at_us;
    uint64_t not_before_us; /* monotonic: a disk refused, or a part of the ledger is damaged */
    bool asked;             /* the broker is recalling it */
    bool decided;           /* a recall of it, by whomever, is on its way to the disk */
    struct cccc_expiry *prev, *next;
    UT_hash_handle hh; /* by seq */
    char *open;        /* who has not taken it: lengths (uint16_t) and bytes; heap */
    uint32_t open_bytes;
    uint16_t open_count;
    char id[65];
    char by[CCCC_PRINCIPAL_BYTES_MAX + 1];
};

/* What could not be withdrawn is tried again after this. */
#define AGAIN_US (60 * 1000000ull)
/* What one look may cost: each message 1, each copy of it 1, and what is on its way to the disk, and has to be looked at for each message, 1 for so many events. */
#define LOOK_COST_MAX   2048
#define EVENTS_PER_COST 32

/* ---- who has not taken it ---- */

static cccc_str_t open_name(const struct cccc_expiry *expiry, uint32_t at)
{
    uint16_t len;
    memcpy(&len, expiry->open + at, sizeof len);
    return (cccc_str_t){expiry->open + at + sizeof len, len};
}

static uint32_t open_end(cccc_str_t name, uint32_t at)
{
    return at + (uint32_t)(sizeof(uint16_t) + name.len);
}

/* Where the name stands; open_bytes: nowhere. */
static uint32_t open_find(const struct cccc_expiry *expiry, cccc_str_t id)
{
    uint32_t at = 0;
    while (at < expiry->open_bytes) {
        cccc_str_t name = open_name(expiry, at);
        if (cccc_str_eq(name, id))
            break;
        at = open_end(name, at);
    }
    return at;
}

/* Room for all was made. */
static void open_add(struct cccc_expiry *expiry, cccc_str_t id)
{
    uint16_t len = (uint16_t)id.len;
    if (id.len == 0 || id.len > CCCC_PRINCIPAL_BYTES_MAX || open_find(expiry, id) < expiry->open_bytes)
        return;
    memcpy(expiry->open + expiry->open_bytes, &len, sizeof len);
    memcpy(expiry->open + expiry->open_bytes + sizeof len, id.ptr, id.len);
    expiry->open_bytes = open_end(id, expiry->open_bytes);
    expiry->open_count++;
}

static void open_room(struct cccc_expiry *expiry, uint32_t names, size_t bytes)
{
    expiry->open = malloc(names * sizeof(uint16_t) + bytes + 1);
    CCCC_ASSERT(expiry->open, "(out of memory)");
}

static void open_remove(struct cccc_expiry *expiry, cccc_str_t id)
{
    uint32_t at = open_find(expiry, id);
    if (at == expiry->open_bytes)
        return;
    uint32_t end = open_end(id, at);
    memmove(expiry->open + at, expiry->open + end, expiry->open_bytes - end);
    expiry->open_bytes -= end - at;
    expiry->open_count--;
}

static bool has_read(const struct cccc_group *group, cccc_str_t id, uint64_t seq)
{
    const struct cccc_reader *reader = reader_find(group, id);
    return reader && reader->cursor[CCCC_LANE_CHAT].seq >= seq;
}

/* ---- the list ---- */

static struct cccc_expiry *expiry_find(const struct cccc_group *group, uint64_t seq)
{
    struct cccc_expiry *expiry;
    HASH_FIND(hh, group->expiries, &seq, sizeof seq, expiry);
    return expiry;
}

static int by_time(const struct cccc_expiry *a, const struct cccc_expiry *b)
{
    return a->at_us != b->at_us ? (a->at_us > b->at_us) - (a->at_us < b->at_us) : (a->seq > b->seq) - (a->seq < b->seq);
}

/* Soonest first. Its place is looked for from the end, where that of a new one mostly is. Takes what `draft` owns. */
static void expiry_add(struct cccc_group *group, const struct cccc_expiry *draft)
{
    struct cccc_expiry *expiry = malloc(sizeof *expiry), *head = group->expiring;
    CCCC_ASSERT(expiry, "(out of memory)");
    *expiry = *draft;
    struct cccc_expiry *before = head ? head->prev : NULL;
    while (before && by_time(before, expiry) > 0)
        before = before == head ? NULL : before->prev;
    DL_APPEND_ELEM(group->expiring, before, expiry);
    HASH_ADD(hh, group->expiries, seq, sizeof expiry->seq, expiry);
    group->expiry_count++;
}

static void expiry_free(struct cccc_expiry *expiry)
{
    free(expiry->open);
    free(expiry);
}

void expiries_fini(struct cccc_group *group)
{
    HASH_CLEAR(hh, group->expiries);
    for (struct cccc_expiry *expiry = group->expiring, *next; expiry; expiry = next) {
        next = expiry->next;
        expiry_free(expiry);
    }
    group->expiring = NULL;
    group->expiry_count = group->expiries_asked = 0;
}

uint64_t expiries_oldest(const struct cccc_group *group)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct cccc_expiry *expiry = group->expiring; expiry; expiry = expiry->next)
        oldest = expiry->seq < oldest ? expiry->seq : oldest;
    return oldest;
}

/* ---- the fold ---- */

bool expiry_is_in(const struct cccc_event *event, cccc_kind_t kind)
{
    return kind == CCCC_KIND_CHAT_MESSAGE && message_extra(&event->data, MESSAGE_EXPIRES_TS) != NULL;
}

/* The sizes of the names in a list, or of the keys of a map. */
static size_t bytes_of(const cccc_value_t *names)
{
    cccc_str_t id;
    size_t bytes = 0;
    for (uint32_t i = 0; cccc_is_array(names) && i < names->via.array.size; i++)
        bytes += cccc_as_str(&names->via.array.ptr[i], &id) ? id.len : 0;
    for (uint32_t i = 0; cccc_is_map(names) && i < names->via.map.size; i++)
        bytes += cccc_as_str(&names->via.map.ptr[i].key, &id) ? id.len : 0;
    return bytes;
}

/* Everybody it is for, and everybody it is held from. */
static void open_all(struct cccc_expiry *expiry, const cccc_value_t *audience, const cccc_value_t *guard)
{
    uint32_t guarded = cccc_is_map(guard) ? guard->via.map.size : 0;
    cccc_str_t id;
    open_room(expiry, audience->via.array.size + guarded, bytes_of(audience) + bytes_of(guard));
    for (uint32_t i = 0; i < audience->via.array.size; i++)
        if (cccc_as_str(&audience->via.array.ptr[i], &id))
            open_add(expiry, id);
    for (uint32_t i = 0; i < guarded; i++)
        if (cccc_as_str(&guard->via.map.ptr[i].key, &id))
            open_add(expiry, id);
}

void expiry_apply(struct cccc_group *group, const struct cccc_event *event)
{
    struct cccc_expiry expiry = {.seq = event->seq};
    const cccc_value_t *audience = message_field(&event->data, MESSAGE_AUDIENCE);
    if (!cccc_ts_parse(cccc_get_str(&event->data, "expires_ts"), &expiry.at_us) || event->id.len >= sizeof expiry.id ||
        event->by.len >= sizeof expiry.by)
        return;
    memcpy(expiry.id, event->id.ptr, event->id.len);
    memcpy(expiry.by, event->by.ptr, event->by.len);
    cccc_arena_t *arena = cccc_is_array(audience) ? NULL : cccc_arena_new(1024);
    cccc_value_t made = arena ? recipients_legacy_audience(arena, group, event) : *audience;
    open_all(&expiry, &made, message_extra(&event->data, MESSAGE_GUARD));
    cccc_arena_destroy(&arena);
    expiry_add(group, &expiry);
}

/* The one with that event id, which carries its seq. */
static struct cccc_expiry *expiry_named(const struct cccc_group *group, cccc_str_t event_id)
{
    struct cccc_expiry *expiry = group->expiries && event_id.len > 0 ? expiry_find(group, group_event_seq(group, event_id)) : NULL;
    return expiry && cccc_str_is(event_id, expiry->id) ? expiry : NULL;
}

void expiries_acked(struct cccc_group *group, const struct cccc_event *event)
{
    struct cccc_expiry *expiry = expiry_named(group, cccc_get_str(&event->data, "event_id"));
    if (expiry)
        open_remove(expiry, cccc_get_str(&event->data, "actor_id"));
}

void expiries_answered(struct cccc_group *group, const struct cccc_event *event)
{
    cccc_str_t text = CCCC_STR(""), id;
    if (!group->expiries)
        return;
    struct cccc_expiry *expiry = cccc_as_str(message_field(&event->data, MESSAGE_REPLY_TO), &text) ? expiry_named(group, text) : NULL;
    if (expiry)
        open_remove(expiry, event->by);
    const cccc_value_t *audience = message_field(&event->data, MESSAGE_AUDIENCE);
    expiry = cccc_as_str(message_extra(&event->data, MESSAGE_RELEASED_FROM), &text) ? expiry_named(group, text) : NULL;
    for (uint32_t i = 0; expiry && cccc_is_array(audience) && i < audience->via.array.size; i++)
        if (cccc_as_str(&audience->via.array.ptr[i], &id))
            open_remove(expiry, id);
}

void expiries_claimed(struct cccc_group *group, const struct cccc_event *event)
{
    const cccc_value_t *seqs = cccc_get(&event->data, "seqs");
    uint64_t seq;
    if (!group->expiries || !cccc_str_is(cccc_get_str(&event->data, "state"), "claimed"))
        return;
    for (uint32_t i = 0; cccc_is_array(seqs) && i < seqs->via.array.size; i++) {
        struct cccc_expiry *expiry = cccc_as_uint(&seqs->via.array.ptr[i], &seq) ? expiry_find(group, seq) : NULL;
        if (expiry)
            open_remove(expiry, cccc_get_str(&event->data, "actor_id"));
    }
}

void expiries_left(struct cccc_group *group, cccc_str_t id)
{
    for (struct cccc_expiry *expiry = group->expiring; expiry; expiry = expiry->next)
        open_remove(expiry, id);
}

void expiry_recalled(struct cccc_group *group, uint64_t seq)
{
    struct cccc_expiry *expiry = expiry_find(group, seq);
    if (!expiry)
        return;
    group->expiries_asked -= expiry->asked;
    group->expiry_count--;
    DL_DELETE(group->expiring, expiry);
    HASH_DELETE(hh, group->expiries, expiry);
    expiry_free(expiry);
}

/* ---- the snapshot ---- */

cccc_value_t expiries_dump(const struct cccc_group *group, cccc_arena_t *arena)
{
    cccc_builder_t list = cccc_array_builder(arena, group->expiry_count);
    for (const struct cccc_expiry *expiry = group->expiring; expiry; expiry = expiry->next)
        cccc_array_add(&list, cccc_uint(expiry->seq));
    return list.value;
}

cccc_value_t expiries_dump_open(const struct cccc_group *group, cccc_arena_t *arena)
{
    cccc_builder_t list = cccc_array_builder(arena, group->expiry_count);
    for (const struct cccc_expiry *expiry = group->expiring; expiry; expiry = expiry->next) {
        cccc_builder_t names = cccc_array_builder(arena, expiry->open_count);
        for (uint32_t at = 0; at < expiry->open_bytes; at = open_end(open_name(expiry, at), at))
            cccc_array_add(&names, cccc_string(cccc_arena_str(arena, open_name(expiry, at))));
        cccc_array_add(&list, names.value);
    }
    return list.value;
}

void expiries_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, group->expiry_count);
    for (const struct cccc_expiry *expiry = group->expiring; expiry; expiry = expiry->next) {
        cccc_pack_array(out, 5);
        cccc_pack_uint(out, expiry->seq);
        cccc_pack_uint(out, expiry->at_us > 0 ? (uint64_t)expiry->at_us : 0);
        cccc_pack_text(out, expiry->id);
        cccc_pack_text(out, expiry->by);
        cccc_pack_array(out, expiry->open_count);
        for (uint32_t at = 0; at < expiry->open_bytes; at = open_end(open_name(expiry, at), at))
            cccc_pack_str(out, open_name(expiry, at));
    }
}

static bool open_load(struct cccc_expiry *expiry, const cccc_value_t *names)
{
    cccc_str_t id;
    if (!cccc_is_array(names))
        return false;
    open_room(expiry, names->via.array.size, bytes_of(names));
    for (uint32_t i = 0; i < names->via.array.size; i++)
        if (cccc_as_str(&names->via.array.ptr[i], &id))
            open_add(expiry, id);
    return expiry->open_count == names->via.array.size;
}

/* A row of before says not who has taken it: the ledger has to be folded. Behind a base that cannot be done, nor has it to: what was retired had been recalled when
 * it was, by an event that is still there to be folded. */
static bool row_load(struct cccc_group *group, const cccc_value_t *v)
{
    const cccc_value_t *row = snapshot_row_grown(v, 3, 5);
    struct cccc_expiry expiry = {0};
    if (!row || !cccc_as_uint(&row[0], &expiry.seq) || expiry.seq == 0 || expiry.seq > group->head_seq || expiry_find(group, expiry.seq) ||
        !cccc_as_int(&row[1], &expiry.at_us) || !snapshot_text(&row[2], expiry.id, sizeof expiry.id))
        return false;
    bool good = v->via.array.size == 5 ? snapshot_text(&row[3], expiry.by, sizeof expiry.by) && open_load(&expiry, &row[4])
                                       : v->via.array.size == 3 && group->from_base;
    if (good)
        expiry_add(group, &expiry);
    else
        free(expiry.open);
    return good;
}

bool expiries_load(struct cccc_group *group, const cccc_value_t *v)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++)
        if (!row_load(group, &v->via.array.ptr[i]))
            return false;
    return cccc_is_array(v);
}

/* ---- deciding ---- */

void expiry_decided(struct cccc_group *group, uint64_t seq)
{
    struct cccc_expiry *expiry = expiry_find(group, seq);
    if (expiry)
        expiry->decided = true;
}

void expiry_ended(struct cccc_core *core, struct cccc_group *group, uint64_t seq)
{
    struct cccc_expiry *expiry = expiry_find(group, seq);
    core->to_expire = true;
    if (!expiry)
        return; /* it is withdrawn */
    expiry->decided = false;
    group->expiries_asked -= expiry->asked;
    expiry->asked = false;
    expiry->not_before_us = core->now->mono_us + AGAIN_US;
}

bool expiry_is_due(const struct cccc_core *core, const struct cccc_group *group, uint64_t seq)
{
    const struct cccc_expiry *expiry = expiry_find(group, seq);
    return expiry && expiry->at_us <= core->now->unix_us;
}

/* ---- time ---- */

/* Of each who has not taken it one that stands at the foot. The texts are copied: the expiry goes before its call does. */
static struct cccc_ladders *ladders_of(call_t *call, const struct cccc_expiry *expiry)
{
    struct cccc_ladders *all = cccc_arena_alloc(call->arena, sizeof *all);
    *all = (struct cccc_ladders){.arena = call->arena, .kind = CCCC_KIND_CHAT_MESSAGE};
    all->event.seq = expiry->seq;
    all->event.id = cccc_arena_str(call->arena, cccc_str(expiry->id));
    all->event.by = cccc_arena_str(call->arena, cccc_str(expiry->by));
    all->of = cccc_arena_alloc(call->arena, (expiry->open_count + 1u) * sizeof *all->of);
    memset(all->of, 0, (expiry->open_count + 1u) * sizeof *all->of);
    for (uint32_t at = 0; at < expiry->open_bytes; at = open_end(open_name(expiry, at), at))
        if (!has_read(call->group, open_name(expiry, at), expiry->seq))
            all->of[all->count++].actor_id = cccc_arena_str(call->arena, open_name(expiry, at));
    return all;
}

/* False: no more of them now. */
static bool expire(struct cccc_core *core, struct cccc_group *group, struct cccc_expiry *expiry)
{
    cccc_err_t err = CCCC_E_DAMAGED;
    if (!gaps_behind(group, expiry->seq)) {
        call_t *call = core_call(core);
        call->group = group;
        err = recall_expired(call, ladders_of(call, expiry));
    }
    if (err && err != CCCC_E_BUSY)
        expiry->not_before_us = core->now->mono_us + AGAIN_US;
    expiry->asked = err == CCCC_OK;
    group->expiries_asked += expiry->asked;
    return err != CCCC_E_BUSY;
}

/* What of `cost` is left. */
static uint32_t expire_due(struct cccc_core *core, struct cccc_group *group, uint32_t cost)
{
    for (struct cccc_expiry *expiry = group->expiring, *next; expiry && expiry->at_us <= core->now->unix_us; expiry = next) {
        next = expiry->next;
        if (group->expiries_asked >= CCCC_EXPIRING_AT_A_TIME || cost == 0)
            break;
        if (expiry->asked || expiry->decided || expiry->not_before_us > core->now->mono_us)
            continue;
        uint32_t each = 1u + expiry->open_count + group->pending_count / EVENTS_PER_COST;
        cost -= each < cost ? each : cost;
        if (!expire(core, group, expiry))
            break;
    }
    return cost;
}

/* Each look begins behind the group that the one before ended with. */
void expiries_go_on(struct cccc_core *core)
{
    uint32_t cost = LOOK_COST_MAX, begin = core->expire_next;
    core->to_expire = false;
    for (uint32_t i = 0; i < core->group_count && cost > 0; i++) {
        struct cccc_group *group = core->groups[(begin + i) % core->group_count];
        if (!group->expiring || !core_may_write(core, group))
            continue;
        cost = expire_due(core, group, cost);
        if (cost == 0)
            core->expire_next = (begin + i + 1) % core->group_count;
    }
}
