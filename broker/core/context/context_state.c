/* context_state.c - the state of a group's context, as a fold. See context.h. */
#include "broker/core/context/context.h"
#include "broker/core/snapshot.h"
#include "proto/json.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>
#include <stdlib.h>

/* ---- parts ---- */

cccc_value_t context_part(cccc_arena_t *arena, const cccc_value_t *state, const char *name)
{
    const cccc_value_t *part = cccc_get(state, name);
    return cccc_is_map(part) ? *part : cccc_map_builder(arena, 0).value;
}

int64_t context_find(const cccc_value_t *list, cccc_str_t id)
{
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size; i++)
        if (cccc_str_eq(cccc_get_str(&list->via.array.ptr[i], "id"), id))
            return i;
    return -1;
}

/* ---- the applied state and the one ahead of it ---- */

static struct cccc_context *context_new(const cccc_value_t *state, uint64_t seq)
{
    struct cccc_context *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    self->arena = cccc_arena_new(2048);
    self->state = cccc_value_copy(self->arena, state);
    self->seq = seq;
    return self;
}

static void context_free(struct cccc_context **self)
{
    if (!*self)
        return;
    cccc_arena_destroy(&(*self)->arena);
    free(*self);
    *self = NULL;
}

/* Put a state in the place of another, which it may still borrow from. */
static struct cccc_context *replace(struct cccc_context **place, const cccc_value_t *state, uint64_t seq)
{
    struct cccc_context *fresh = context_new(state, seq);
    context_free(place);
    *place = fresh;
    return fresh;
}

const cccc_value_t *context_ahead(const struct cccc_group *group)
{
    const struct cccc_context *context = group->context_ahead ? group->context_ahead : group->context;
    return context ? &context->state : NULL;
}

void context_drop_ahead(struct cccc_group *group)
{
    context_free(&group->context_ahead);
}

void context_fini(struct cccc_group *group)
{
    context_free(&group->context_ahead);
    context_free(&group->context);
}

void context_decided(call_t *call, const cccc_value_t *state)
{
    replace(&call->group->context_ahead, state, call->appended->event.seq);
}

void cccc_core_fold_context(cccc_core_t *self, cccc_slot_t slot, const cccc_value_t *files)
{
    struct cccc_group *group = self->groups[slot];
    const cccc_value_t *context = cccc_get(files, "context");
    if (!cccc_is_map(files) || files->via.map.size == 0)
        return;
    cccc_arena_t *arena = cccc_arena_new(2048);
    cccc_value_t without = context_part(arena, files, "context");
    without = cccc_map_without(arena, &without, CCCC_STR("ledger_seq"));
    cccc_value_t state = cccc_map_with(arena, files, CCCC_STR("context"), without);
    replace(&group->context, &state, cccc_get_uint(context, "ledger_seq", UINT64_MAX));
    cccc_arena_destroy(&arena);
}

/* ---- the fold ---- */

static cccc_value_t with_tasks(cccc_arena_t *arena, cccc_value_t tasks, const cccc_value_t *changed)
{
    for (uint32_t i = 0; cccc_is_map(changed) && i < changed->via.map.size; i++) {
        const msgpack_object_kv *kv = &changed->via.map.ptr[i];
        tasks = cccc_map_with(arena, &tasks, (cccc_str_t){kv->key.via.str.ptr, kv->key.via.str.size}, kv->val);
    }
    return tasks;
}

static cccc_value_t merged(cccc_arena_t *arena, const cccc_value_t *state, const cccc_value_t *changed)
{
    cccc_value_t out = cccc_is_map(state) ? *state : cccc_map_builder(arena, 3).value;
    const cccc_value_t *context = cccc_get(changed, "context"), *tasks = cccc_get(changed, "tasks"),
                       *presence = cccc_get(changed, "presence");
    if (cccc_is_map(context))
        out = cccc_map_with(arena, &out, CCCC_STR("context"), *context);
    if (cccc_is_map(tasks))
        out = cccc_map_with(arena, &out, CCCC_STR("tasks"), with_tasks(arena, context_part(arena, &out, "tasks"), tasks));
    if (cccc_is_map(presence))
        out = cccc_map_with(arena, &out, CCCC_STR("presence"), *presence);
    return out;
}

void context_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    (void)kind;
    const cccc_value_t *changed = cccc_get(&event->data, "after");
    if (!cccc_is_map(changed) || (group->folding && group->context && event->seq <= group->context->seq))
        return; /* of CCCC 0.4.0, whose events say only that something changed; or in the files already */
    cccc_arena_t *arena = cccc_arena_new(2048);
    cccc_value_t state = merged(arena, group->context ? &group->context->state : NULL, changed);
    replace(&group->context, &state, event->seq)->unstored = group->folding;
    cccc_arena_destroy(&arena);
    if (group->context_ahead && group->context_ahead->seq <= event->seq)
        context_free(&group->context_ahead);
}

/* ---- the part of a snapshot: [seq, state], or nil ---- */

void context_save(const struct cccc_group *group, cccc_buf_t *out)
{
    if (!group->context || group->context->seq == UINT64_MAX) {
        cccc_pack_nil(out); /* the files have all of it */
        return;
    }
    cccc_pack_array(out, 2);
    cccc_pack_uint(out, group->context->seq);
    cccc_pack_value(out, &group->context->state);
}

/* Files that are newer, or changed since, count as they are. */
bool context_load(struct cccc_group *group, const cccc_value_t *v)
{
    uint64_t seq;
    if (cccc_is_nil(v))
        return true;
    const cccc_value_t *row = snapshot_row(v, 2);
    if (!row || !cccc_as_uint(&row[0], &seq) || !cccc_is_map(&row[1]))
        return false;
    if (group->context && group->context->seq >= seq)
        return true;
    replace(&group->context, &row[1], seq)->unstored = true;
    return true;
}

/* ---- files ---- */

struct cccc_store context_files(const struct cccc_group *group, const cccc_value_t *changed, uint64_t seq)
{
    struct cccc_store store = {.kind = CCCC_STORE_CONTEXT, .arena = cccc_arena_new(2048)};
    cccc_value_t context = context_part(store.arena, &group->context->state, "context");
    context = cccc_map_with(store.arena, &context, CCCC_STR("ledger_seq"), cccc_uint(seq));
    cccc_value_t document = cccc_map_with(store.arena, changed, CCCC_STR("context"), context);
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.document = cccc_value_copy(store.arena, &document);
    return store;
}

void context_resume(struct cccc_core *core, struct cccc_group *group)
{
    if (!group->context || !group->context->unstored)
        return;
    group->context->unstored = false;
    struct cccc_store store = context_files(group, &group->context->state, group->context->seq);
    core_store(core, &store);
}

/* ---- version ---- */

static int by_key(const void *a, const void *b)
{
    const msgpack_object_str *x = &((const msgpack_object_kv *)a)->key.via.str, *y = &((const msgpack_object_kv *)b)->key.via.str;
    int order = memcmp(x->ptr, y->ptr, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* A copy with the keys of every map in order, so that what is the same has the same text. */
static cccc_value_t sorted(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_value_t out = *v;
    if (v->type == MSGPACK_OBJECT_MAP) {
        cccc_builder_t map = cccc_map_builder(arena, v->via.map.size);
        for (uint32_t i = 0; i < v->via.map.size; i++)
            cccc_map_add_key(&map, (cccc_str_t){v->via.map.ptr[i].key.via.str.ptr, v->via.map.ptr[i].key.via.str.size},
                             sorted(arena, &v->via.map.ptr[i].val));
        out = map.value;
        if (out.via.map.size > 1)
            qsort(out.via.map.ptr, out.via.map.size, sizeof *out.via.map.ptr, by_key);
    } else if (v->type == MSGPACK_OBJECT_ARRAY) {
        cccc_builder_t list = cccc_array_builder(arena, v->via.array.size);
        for (uint32_t i = 0; i < v->via.array.size; i++)
            cccc_array_add(&list, sorted(arena, &v->via.array.ptr[i]));
        out = list.value;
    }
    return out;
}

cccc_value_t context_version(cccc_arena_t *arena, const cccc_value_t *state)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof hash + 1];
    cccc_builder_t whole = cccc_map_builder(arena, 2);
    cccc_map_add(&whole, "context", context_part(arena, state, "context"));
    cccc_map_add(&whole, "tasks", context_part(arena, state, "tasks"));
    cccc_value_t canonical = sorted(arena, &whole.value);
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write(&canonical, &text);
    crypto_hash_sha256(hash, (const unsigned char *)text.data, text.size);
    cccc_buf_fini(&text);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    return cccc_string(cccc_arena_str(arena, (cccc_str_t){hex, 12}));
}
