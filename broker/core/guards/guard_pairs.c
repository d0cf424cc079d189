/* guard_pairs.c - see guard_pairs.h: the times and pairs themselves, and what a snapshot keeps of them.
 *
 * Thread: the core's. */
#include "broker/core/guards/guard_pairs.h"

#include "broker/core/change.h"
#include "broker/core/snapshot.h"
#include "broker/mutant.h"

#include <stdlib.h>

/* ---- rings ---- */

void ring_push(struct ring *ring, int64_t us)
{
    if (ring->count == ring->capacity && ring->capacity < ring->max) {
        uint32_t wider = ring->capacity ? 2 * ring->capacity : 8;
        wider = wider < ring->max ? wider : ring->max;
        int64_t *times = calloc(wider, sizeof *times);
        CCCC_ASSERT(times, "(out of memory)");
        for (uint32_t i = 0; i < ring->count; i++)
            times[i] = ring->times[(ring->begin + i) % ring->capacity];
        free(ring->times);
        ring->times = times;
        ring->begin = 0;
        ring->capacity = wider;
    }
    if (ring->count == ring->capacity)
        ring->begin = (ring->begin + 1) % ring->capacity;
    else
        ring->count++;
    ring->times[(ring->begin + ring->count - 1) % ring->capacity] = us;
}

bool ring_is_full(const struct ring *ring, uint64_t most, int64_t window_us, int64_t now_us)
{
    if (most == 0 || ring->count < most)
        return false;
    int64_t age = now_us - ring->times[(ring->begin + ring->count - (uint32_t)most) % ring->capacity];
    return age >= 0 && age < window_us;
}

void ring_clear(struct ring *ring)
{
    free(ring->times);
    *ring = (struct ring){.max = ring->max};
}

void ring_copy(struct ring *to, const struct ring *from)
{
    *to = (struct ring){.max = from->max};
    for (uint32_t i = 0; i < from->count; i++)
        ring_push(to, from->times[(from->begin + i) % from->capacity]);
}

/* ---- pairs ---- */

static struct pair *pair_new(cccc_str_t one, cccc_str_t other)
{
    size_t n = one.len < other.len ? one.len : other.len;
    int order = memcmp(one.ptr, other.ptr, n);
    bool first = order < 0 || (order == 0 && one.len <= other.len);
    cccc_str_t a = first ? one : other, b = first ? other : one;
    struct pair *pair = calloc(1, sizeof *pair + a.len + b.len + 2);
    CCCC_ASSERT(pair, "(out of memory)");
    pair->a = (char *)(pair + 1);
    pair->b = pair->a + a.len + 1;
    memcpy(pair->a, a.ptr, a.len);
    memcpy(pair->b, b.ptr, b.len);
    pair->key_len = (uint32_t)(a.len + 1 + b.len);
    pair->typed.max = CCCC_GUARD_TIMES_MAX;
    return pair;
}

static void pair_free(struct pair **self)
{
    if (!*self)
        return;
    ring_clear(&(*self)->typed);
    free((*self)->held);
    free(*self);
    *self = NULL;
}

static struct pair *pair_copy(const struct pair *from)
{
    struct pair *pair = pair_new(cccc_str(from->a), cccc_str(from->b));
    ring_copy(&pair->typed, &from->typed);
    pair->over = from->over;
    pair->last_seq = from->last_seq;
    pair->hold_seq = from->hold_seq;
    memcpy(pair->hold_id, from->hold_id, sizeof pair->hold_id);
    memcpy(pair->hold_ts, from->hold_ts, sizeof pair->hold_ts);
    pair->held = calloc(from->held_count + 1, sizeof *pair->held);
    CCCC_ASSERT(pair->held, "(out of memory)");
    if (from->held_count > 0)
        memcpy(pair->held, from->held, from->held_count * sizeof *pair->held);
    pair->held_count = from->held_count;
    return pair;
}

static struct pair *pair_in(const struct cccc_guards *guards, const struct pair *like)
{
    struct pair *pair = NULL;
    if (guards)
        HASH_FIND(hh, guards->pairs, like->a, like->key_len, pair);
    return pair;
}

static void pair_link(struct cccc_guards *guards, struct pair *pair)
{
    HASH_ADD_KEYPTR(hh, guards->pairs, pair->a, pair->key_len, pair);
}

void pair_drop(struct cccc_guards *guards, struct pair *pair)
{
    HASH_DELETE(hh, guards->pairs, pair); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    pair_free(&pair);
}

void pair_end(struct pair *pair)
{
    ring_clear(&pair->typed);
    pair->over = pair->held_count = 0;
    pair->hold_seq = 0;
}

bool pair_is_open(const struct pair *pair)
{
    return pair->hold_seq > 0 || pair->held_count > 0;
}

bool pair_names(const struct pair *pair, cccc_str_t id)
{
    return cccc_str_is(id, pair->a) || cccc_str_is(id, pair->b);
}

static const struct pair *pair_view(const struct cccc_group *group, const struct pair *key)
{
    const struct pair *pair = CCCC_MUTANT_IS(GUARD_BLIND) ? NULL : pair_in(group->guards_ahead, key);
    return pair ? pair : pair_in(group->guards, key);
}

const struct pair *pair_find(const struct cccc_group *group, cccc_str_t one, cccc_str_t other)
{
    struct pair *key = pair_new(one, other);
    const struct pair *pair = pair_view(group, key);
    pair_free(&key);
    return pair;
}

/* Room for one more: the pair that was quiet longest goes, unless somebody waits for its release. */
static void make_room(struct cccc_guards *guards)
{
    struct pair *quietest = NULL;
    if (HASH_COUNT(guards->pairs) < CCCC_GUARD_PAIRS_MAX)
        return;
    for (struct pair *pair = guards->pairs; pair; pair = pair->hh.next)
        if (!pair_is_open(pair) && (!quietest || pair->last_seq < quietest->last_seq))
            quietest = pair;
    if (quietest)
        pair_drop(guards, quietest);
}

struct cccc_guards *guards_new(void)
{
    struct cccc_guards *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    self->typed.max = CCCC_GUARD_GROUP_TIMES_MAX;
    return self;
}

void guards_free(struct cccc_guards **self)
{
    struct pair *pair = *self ? (*self)->pairs : NULL;
    if (pair)
        HASH_CLEAR(hh, (*self)->pairs);
    while (pair) {
        struct pair *next = pair->hh.next;
        pair_free(&pair);
        pair = next;
    }
    if (*self)
        ring_clear(&(*self)->typed);
    free(*self);
    *self = NULL;
}

struct pair *pair_make(struct cccc_group *group, struct cccc_guards *guards, cccc_str_t one, cccc_str_t other, uint64_t seq)
{
    struct pair *key = pair_new(one, other), *pair = pair_in(guards, key);
    const struct pair *applied = guards == group->guards_ahead ? pair_in(group->guards, key) : NULL;
    if (pair) {
        pair_free(&key);
    } else {
        make_room(guards);
        pair = applied ? pair_copy(applied) : key;
        if (applied)
            pair_free(&key);
        pair_link(guards, pair);
    }
    pair->last_seq = seq;
    return pair;
}

void hold_add(struct pair *pair, uint64_t seq)
{
    if (pair->held_count >= CCCC_GUARD_HELD_MAX)
        return; /* such a message was refused */
    uint64_t *wider = realloc(pair->held, (pair->held_count + 1) * sizeof *wider);
    CCCC_ASSERT(wider, "(out of memory)");
    pair->held = wider;
    pair->held[pair->held_count++] = seq;
}

void hold_remove(struct pair *pair, uint64_t seq)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pair->held_count; i++)
        if (pair->held[i] != seq)
            pair->held[kept++] = pair->held[i];
    pair->held_count = kept;
}

cccc_value_t pair_both(cccc_arena_t *arena, const struct pair *pair)
{
    cccc_builder_t list = cccc_array_builder(arena, 2);
    cccc_array_add(&list, cccc_string(cccc_arena_str(arena, cccc_str(pair->a))));
    cccc_array_add(&list, cccc_string(cccc_arena_str(arena, cccc_str(pair->b))));
    return list.value;
}

bool pair_names_said(const cccc_value_t *list, cccc_str_t *one, cccc_str_t *other)
{
    return cccc_is_array(list) && list->via.array.size == 2 && cccc_as_str(&list->via.array.ptr[0], one) &&
           cccc_as_str(&list->via.array.ptr[1], other) && one->len > 0 && other->len > 0;
}

/* ---- the whole as a value, which is what a snapshot keeps ---- */

#define PAIR_MEMBERS 9

static cccc_value_t ring_value(cccc_arena_t *arena, const struct ring *ring)
{
    cccc_builder_t list = cccc_array_builder(arena, ring->count);
    for (uint32_t i = 0; i < ring->count; i++)
        cccc_array_add(&list, cccc_int(ring->times[(ring->begin + i) % ring->capacity]));
    return list.value;
}

static cccc_value_t pair_value(cccc_arena_t *arena, const struct pair *pair)
{
    cccc_builder_t row = cccc_array_builder(arena, PAIR_MEMBERS), held = cccc_array_builder(arena, pair->held_count);
    for (uint32_t i = 0; i < pair->held_count; i++)
        cccc_array_add(&held, cccc_uint(pair->held[i]));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(pair->a))));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(pair->b))));
    cccc_array_add(&row, cccc_uint(pair->over));
    cccc_array_add(&row, cccc_uint(pair->last_seq));
    cccc_array_add(&row, cccc_uint(pair->hold_seq));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(pair->hold_id))));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(pair->hold_ts))));
    cccc_array_add(&row, ring_value(arena, &pair->typed));
    cccc_array_add(&row, held.value);
    return row.value;
}

/* [typed in the group, pair, ...]; nil: nothing happened yet. */
cccc_value_t guards_dump(const struct cccc_group *group, cccc_arena_t *arena)
{
    if (!group->guards)
        return cccc_nil();
    cccc_builder_t list = cccc_array_builder(arena, 1 + HASH_COUNT(group->guards->pairs));
    cccc_array_add(&list, ring_value(arena, &group->guards->typed));
    for (const struct pair *pair = group->guards->pairs; pair; pair = pair->hh.next)
        cccc_array_add(&list, pair_value(arena, pair));
    return list.value;
}

void guards_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t value = guards_dump(group, arena);
    cccc_pack_value(out, &value);
    cccc_arena_destroy(&arena);
}

static bool ring_load(struct ring *ring, const cccc_value_t *v)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++) {
        int64_t us;
        if (!cccc_as_int(&v->via.array.ptr[i], &us) || ring->count >= ring->max)
            return false;
        ring_push(ring, us);
    }
    return cccc_is_array(v);
}

static bool held_load(struct pair *pair, const cccc_value_t *v, uint64_t head)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++) {
        uint64_t seq;
        if (!cccc_as_uint(&v->via.array.ptr[i], &seq) || seq == 0 || seq > head || pair->held_count >= CCCC_GUARD_HELD_MAX)
            return false;
        hold_add(pair, seq);
    }
    return cccc_is_array(v);
}

static bool pair_load(struct cccc_group *group, const cccc_value_t *row)
{
    cccc_str_t a, b;
    uint64_t over;
    if (!row || !cccc_as_str(&row[0], &a) || !cccc_as_str(&row[1], &b) || a.len == 0 || b.len == 0 || a.len > CCCC_PRINCIPAL_BYTES_MAX ||
        b.len > CCCC_PRINCIPAL_BYTES_MAX || HASH_COUNT(group->guards->pairs) >= CCCC_GUARD_PAIRS_MAX)
        return false;
    struct pair *pair = pair_make(group, group->guards, a, b, 0);
    if (!cccc_as_uint(&row[2], &over) || over > UINT32_MAX || !cccc_as_uint(&row[3], &pair->last_seq) ||
        !cccc_as_uint(&row[4], &pair->hold_seq) || !snapshot_text(&row[5], pair->hold_id, sizeof pair->hold_id) ||
        !snapshot_text(&row[6], pair->hold_ts, sizeof pair->hold_ts))
        return false;
    pair->over = (uint32_t)over;
    return ring_load(&pair->typed, &row[7]) && held_load(pair, &row[8], group->head_seq);
}

bool guards_load(struct cccc_group *group, const cccc_value_t *v)
{
    if (cccc_is_nil(v))
        return true;
    group->guards = guards_new();
    if (!cccc_is_array(v) || v->via.array.size == 0 || !ring_load(&group->guards->typed, &v->via.array.ptr[0]))
        return false;
    for (uint32_t i = 1; i < v->via.array.size; i++)
        if (!pair_load(group, snapshot_row(&v->via.array.ptr[i], PAIR_MEMBERS)))
            return false;
    return true;
}
