/* registry.c - registry.json: which groups there are, and which group a scope opens by default (reference 1.1).
 *
 * The group folders are the truth. What is kept here is only what they do not say: defaults, keys others wrote, entries whose folder is gone. An
 * entry is computed from its group whenever it is shown or written, so that a message costs the registry nothing.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/messages/message.h"

#include <stdlib.h>

#define STORE_CHUNK_BYTES 8192
/* Changes write the file at once in a home of up to this many groups; beyond, once a second: the file grows with the home. */
#define REGISTRY_EAGER_GROUPS 512
#define REGISTRY_EAGER_US     1000000u
/* How old the times of last activity in the file may become. */
#define REGISTRY_ACTIVITY_US 30000000u

/* ---- the document ---- */

static int compare_strs(cccc_str_t a, cccc_str_t b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 && a.ptr && b.ptr ? memcmp(a.ptr, b.ptr, n) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static cccc_str_t text_of(const cccc_value_t *v)
{
    cccc_str_t s = {0};
    cccc_as_str(v, &s);
    return s;
}

static int by_key(const void *a, const void *b)
{
    const msgpack_object_kv *const *x = a, *const *y = b;
    return compare_strs(text_of(&(*x)->key), text_of(&(*y)->key));
}

/* Entries by id, so that ten thousand of them can be looked up while ten thousand groups are listed. */
static void registry_index(struct cccc_core *core)
{
    const cccc_value_t *groups = cccc_get(&core->registry, "groups");
    uint32_t count = groups->via.map.size;
    core->registry_entries = cccc_arena_alloc(core->registry_arena, (count + 1) * sizeof(msgpack_object_kv *));
    core->registry_entry_count = count;
    for (uint32_t i = 0; i < count; i++)
        core->registry_entries[i] = &groups->via.map.ptr[i];
    qsort(core->registry_entries, count, sizeof(msgpack_object_kv *), by_key);
}

static void registry_set(struct cccc_core *core, const cccc_value_t *registry)
{
    cccc_arena_t *old = core->registry_arena; /* `registry` may live in it */
    core->registry_arena = cccc_arena_new(STORE_CHUNK_BYTES);
    core->registry = cccc_value_copy(core->registry_arena, registry);
    cccc_arena_destroy(&old);
    registry_index(core);
}

/* `map` with member `key` of the right shape. */
static cccc_value_t shaped(cccc_arena_t *arena, const cccc_value_t *map, const char *key, bool good, cccc_value_t otherwise)
{
    return good ? *map : cccc_map_with(arena, map, cccc_str(key), otherwise);
}

void registry_load(struct cccc_core *core, const cccc_value_t *registry)
{
    cccc_arena_t *arena = cccc_arena_new(STORE_CHUNK_BYTES);
    cccc_value_t empty = cccc_map_builder(arena, 0).value, doc = registry != NULL && cccc_is_map(registry) ? *registry : empty;
    uint64_t version;
    doc = shaped(arena, &doc, "v", cccc_as_uint(cccc_get(&doc, "v"), &version), cccc_uint(1));
    doc = shaped(arena, &doc, "created_at", cccc_get_str(&doc, "created_at").len > 0, cccc_text(""));
    doc = shaped(arena, &doc, "updated_at", cccc_get_str(&doc, "updated_at").len > 0, cccc_text(""));
    doc = shaped(arena, &doc, "groups", cccc_is_map(cccc_get(&doc, "groups")), empty);
    doc = shaped(arena, &doc, "defaults", cccc_is_map(cccc_get(&doc, "defaults")), empty);
    registry_set(core, &doc);
    core->registry_dirty = registry == NULL || !cccc_value_eq(&doc, registry);
    cccc_arena_destroy(&arena);
}

/* The document, also when nothing was loaded. */
static const cccc_value_t *registry_now(struct cccc_core *core)
{
    if (!cccc_is_map(&core->registry))
        registry_load(core, NULL);
    return &core->registry;
}

/* Put `v` (NULL: nothing) under section.key. */
static void registry_put(struct cccc_core *core, const char *section, cccc_str_t key, const cccc_value_t *v)
{
    const cccc_value_t *doc = registry_now(core), *map = cccc_get(doc, section);
    cccc_arena_t *arena = cccc_arena_new(STORE_CHUNK_BYTES);
    cccc_value_t changed = v != NULL ? cccc_map_with(arena, map, key, *v) : cccc_map_without(arena, map, key);
    cccc_value_t whole = cccc_map_with(arena, doc, cccc_str(section), changed);
    registry_set(core, &whole);
    core->registry_dirty = true;
    cccc_arena_destroy(&arena);
}

/* ---- defaults ---- */

/* What the registry says, also of a group that is not there; "" when nothing. */
static cccc_str_t default_id(struct cccc_core *core, cccc_str_t scope_key)
{
    const cccc_value_t *defaults = cccc_get(registry_now(core), "defaults");
    for (uint32_t i = 0; i < defaults->via.map.size; i++) {
        cccc_str_t key, id;
        if (cccc_as_str(&defaults->via.map.ptr[i].key, &key) && cccc_str_eq(key, scope_key) &&
            cccc_as_str(&defaults->via.map.ptr[i].val, &id))
            return id;
    }
    return CCCC_STR("");
}

cccc_str_t registry_lost_default(struct cccc_core *core, cccc_str_t scope_key)
{
    cccc_str_t id = default_id(core, scope_key);
    return id.len > 0 && core_group_any(core, id) == NULL && registry_has(core, id) ? id : CCCC_STR("");
}

struct cccc_group *registry_default(struct cccc_core *core, cccc_str_t scope_key)
{
    cccc_str_t id = default_id(core, scope_key);
    if (id.len > 0)
        return core_group(core, id);
    /* The file was lost, or not written in time: a group that has the scope is as good a default as there is. */
    for (uint32_t i = 0; i < core->group_count; i++) {
        if (!core->groups[i]->deleted && config_scope(core->groups[i], scope_key) != NULL)
            return core->groups[i];
    }
    return NULL;
}

void registry_set_default(struct cccc_core *core, cccc_str_t scope_key, cccc_str_t group_id)
{
    cccc_value_t id = cccc_string(group_id);
    registry_put(core, "defaults", scope_key, &id);
}

void registry_drop_default(struct cccc_core *core, cccc_str_t scope_key, const struct cccc_group *group)
{
    const cccc_value_t *defaults = cccc_get(registry_now(core), "defaults");
    for (uint32_t i = 0; i < defaults->via.map.size; i++) {
        cccc_str_t key, id;
        if (cccc_as_str(&defaults->via.map.ptr[i].key, &key) && cccc_str_eq(key, scope_key) &&
            cccc_as_str(&defaults->via.map.ptr[i].val, &id) && cccc_str_is(id, group->id)) {
            registry_put(core, "defaults", scope_key, NULL);
            return;
        }
    }
}

/* Drops the defaults that name the group; their scope keys are added to `dropped` when it is given. */
static void drop_defaults(struct cccc_core *core, cccc_str_t group_id, cccc_builder_t *dropped)
{
    cccc_arena_t *arena = cccc_arena_new(STORE_CHUNK_BYTES);
    const cccc_value_t *doc = registry_now(core), *defaults = cccc_get(doc, "defaults");
    cccc_builder_t kept = cccc_map_builder(arena, defaults->via.map.size);
    for (uint32_t i = 0; i < defaults->via.map.size; i++) {
        const msgpack_object_kv *kv = &defaults->via.map.ptr[i];
        cccc_str_t key = {0}, id = {0};
        cccc_as_str(&kv->key, &key);
        if (!cccc_as_str(&kv->val, &id) || !cccc_str_eq(id, group_id))
            cccc_map_add_key(&kept, key, kv->val);
        else if (dropped != NULL)
            cccc_array_add(dropped, cccc_string(cccc_arena_str(dropped->arena, key)));
    }
    cccc_value_t whole = cccc_map_with(arena, doc, CCCC_STR("defaults"), kept.value);
    registry_set(core, &whole);
    cccc_arena_destroy(&arena);
}

static void forget(struct cccc_core *core, cccc_str_t group_id, cccc_builder_t *dropped)
{
    drop_defaults(core, group_id, dropped);
    registry_put(core, "groups", group_id, NULL);
}

void registry_forget(struct cccc_core *core, cccc_str_t group_id)
{
    forget(core, group_id, NULL);
}

/* ---- entries ---- */

static const cccc_value_t *entry_of(const struct cccc_core *core, cccc_str_t id)
{
    const msgpack_object_kv wanted = {.key = cccc_string(id)}, *key = &wanted, **found = NULL;
    if (core->registry_entry_count > 0)
        found = bsearch(&key, core->registry_entries, core->registry_entry_count, sizeof(msgpack_object_kv *), by_key);
    return found != NULL && cccc_is_map(&(*found)->val) ? &(*found)->val : NULL;
}

bool registry_has(const struct cccc_core *core, cccc_str_t group_id)
{
    return entry_of(core, group_id) != NULL;
}

static cccc_str_t group_path(const struct cccc_core *core, cccc_arena_t *arena, const struct cccc_group *group)
{
    const char *home = core->facts != NULL && core->facts->home != NULL ? core->facts->home : "";
    return cccc_arena_printf(arena, "%s%sgroups/%s", home, home[0] != '\0' ? "/" : "", group->id);
}

void registry_meta(const struct cccc_core *core, cccc_builder_t *meta, const struct cccc_group *group)
{
    cccc_map_add(meta, "group_id", cccc_text(group->id));
    cccc_map_add(meta, "title", cccc_string(group->config.title));
    cccc_map_add(meta, "topic", cccc_string(group->config.topic));
    cccc_map_add(meta, "path", cccc_string(group_path(core, meta->arena, group)));
    cccc_map_add(meta, "default_scope_key", cccc_string(group->config.active_scope_key));
    cccc_map_add(meta, "created_at", cccc_string(group->config.created_at));
    cccc_map_add(meta, "updated_at", cccc_string(group_activity(group)));
}

void registry_kept(const struct cccc_core *core, cccc_builder_t *meta, const struct cccc_group *group)
{
    const cccc_value_t *kept = entry_of(core, cccc_str(group->id));
    for (uint32_t i = 0; kept != NULL && i < kept->via.map.size; i++) {
        const msgpack_object_kv *kv = &kept->via.map.ptr[i];
        bool ours = false;
        for (uint32_t j = 0; j < meta->value.via.map.size; j++)
            ours |= cccc_str_eq(text_of(&meta->value.via.map.ptr[j].key), text_of(&kv->key));
        if (!ours)
            cccc_map_add_key(meta, text_of(&kv->key), kv->val);
    }
}

static cccc_value_t meta_value(const struct cccc_core *core, cccc_arena_t *arena, const struct cccc_group *group)
{
    cccc_builder_t meta = cccc_map_builder(arena, 8);
    registry_meta(core, &meta, group);
    registry_kept(core, &meta, group);
    return meta.value;
}

void registry_remember(struct cccc_core *core, const struct cccc_group *group)
{
    cccc_arena_t *arena = cccc_arena_new(STORE_CHUNK_BYTES);
    cccc_value_t entry = meta_value(core, arena, group);
    registry_put(core, "groups", cccc_str(group->id), &entry);
    cccc_arena_destroy(&arena);
}

void cccc_core_load_deleted(cccc_core_t *self, cccc_str_t group_id)
{
    if (entry_of(self, group_id) == NULL)
        return;
    core_log(self, 5, "GROUP-DELETED", "the group is in the trash; its deletion was interrupted and is done now group=%.*s",
             CCCC_STR_FMT(group_id));
    registry_forget(self, group_id);
}

cccc_value_t registry_document(struct cccc_core *core, cccc_arena_t *arena)
{
    const cccc_value_t *doc = registry_now(core), *kept = cccc_get(doc, "groups");
    cccc_builder_t groups = cccc_map_builder(arena, core->group_count + kept->via.map.size);
    for (uint32_t i = 0; i < core->group_count; i++) {
        const struct cccc_group *group = core->groups[i];
        if (!group->deleted && cccc_is_map(&group->document))
            cccc_map_add(&groups, group->id, meta_value(core, arena, group));
    }
    for (uint32_t i = 0; i < kept->via.map.size; i++) {
        const msgpack_object_kv *kv = &kept->via.map.ptr[i];
        cccc_str_t key = text_of(&kv->key);
        const struct cccc_group *group = core_group_any(core, key);
        if (group == NULL || !cccc_is_map(&group->document))
            cccc_map_add_key(&groups, key, kv->val);
    }
    char ts[28];
    core_ts(core, ts);
    cccc_value_t now = cccc_string(cccc_arena_str(arena, cccc_str(ts)));
    cccc_value_t whole = cccc_map_with(arena, doc, CCCC_STR("groups"), groups.value);
    whole = cccc_map_with(arena, &whole, CCCC_STR("updated_at"), now);
    return shaped(arena, &whole, "created_at", cccc_get_str(&whole, "created_at").len > 0, now);
}

/* ---- writing ---- */

bool registry_due(const struct cccc_core *core)
{
    return core->group_count <= REGISTRY_EAGER_GROUPS || core->now->mono_us - core->registry_stored_mono_us >= REGISTRY_EAGER_US;
}

void registry_store(struct cccc_core *core, struct cccc_store *store)
{
    *store = (struct cccc_store){.kind = CCCC_STORE_REGISTRY, .arena = cccc_arena_new(STORE_CHUNK_BYTES)};
    cccc_value_t document = registry_document(core, store->arena);
    store->document = cccc_value_copy(store->arena, &document);
    if (cccc_get_str(&core->registry, "created_at").len == 0) {
        cccc_value_t born = cccc_map_with(store->arena, &core->registry, CCCC_STR("created_at"), *cccc_get(&document, "created_at"));
        registry_set(core, &born);
    }
    core->registry_dirty = false;
    core->registry_stored_mono_us = core->now->mono_us;
}

/* The end of a write of the registry that no change of a group waits for. */
static void registry_written(call_t *call)
{
    bool failed = call->stored.err != CCCC_OK;
    if (failed && !call->core->registry_failed)
        core_log(call->core, 4, "REGISTRY-STORE-FAILED", "registry.json could not be written; it is tried again every second why=%s",
                 call->stored.message);
    call->core->registry_failed = failed;
    call->core->registry_dirty |= failed;
}

static void registry_stored(call_t *call)
{
    registry_written(call);
    cccc_builder_t nothing = cccc_map_builder(call->arena, 0);
    call_reply(call, &nothing.value);
}

static bool activity_is_newer(const struct cccc_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++) {
        if (core->groups[i]->changed_mono_us > core->registry_stored_mono_us)
            return true;
    }
    return false;
}

void registry_tick(struct cccc_core *core, bool all)
{
    config_tick(core);
    uint64_t age = core->now->mono_us - core->registry_stored_mono_us;
    bool due = core->registry_dirty || ((all || age >= REGISTRY_ACTIVITY_US) && activity_is_newer(core));
    if (!due || (!all && !registry_due(core)))
        return;
    struct cccc_store store;
    registry_store(core, &store);
    call_store(core_call(core), &store, registry_stored);
}

/* ---- health and reconciling ---- */

static int by_text(const void *a, const void *b)
{
    return compare_strs(text_of(a), text_of(b));
}

static cccc_value_t sorted(cccc_builder_t *b)
{
    qsort(b->value.via.array.ptr, b->value.via.array.size, sizeof(cccc_value_t), by_text);
    return b->value;
}

void registry_health(struct cccc_core *core, cccc_arena_t *arena, cccc_value_t *missing, cccc_value_t *corrupt)
{
    const cccc_value_t *groups = cccc_get(registry_now(core), "groups");
    cccc_builder_t gone = cccc_array_builder(arena, 4), bad = cccc_array_builder(arena, 4);
    for (uint32_t i = 0; i < groups->via.map.size; i++) {
        cccc_str_t id = {0};
        cccc_as_str(&groups->via.map.ptr[i].key, &id);
        const struct cccc_group *group = core_group_any(core, id);
        if (group == NULL || group->missing)
            cccc_array_add(&gone, cccc_string(id));
    }
    for (uint32_t i = 0; i < core->group_count; i++) {
        const struct cccc_group *group = core->groups[i];
        if (!group->deleted && group->offline != NULL && !group->missing && !cccc_is_map(&group->document))
            cccc_array_add(&bad, cccc_text(group->id));
    }
    *missing = sorted(&gone);
    *corrupt = sorted(&bad);
}

static bool array_has(const cccc_value_t *array, cccc_str_t s)
{
    for (uint32_t i = 0; cccc_is_array(array) && i < array->via.array.size; i++) {
        cccc_str_t item;
        if (cccc_as_str(&array->via.array.ptr[i], &item) && cccc_str_eq(item, s))
            return true;
    }
    return false;
}

/* What reconcile found and did. */
struct reconcile {
    uint64_t asked_mono_us;
    uint64_t scanned;
    cccc_builder_t missing, corrupt, removed, dropped;
};

static void reconcile_one(call_t *call, struct reconcile *r, cccc_str_t id)
{
    const cccc_value_t *present = cccc_get(call->stored.value, "present"), *corrupt = cccc_get(call->stored.value, "corrupt");
    const struct cccc_group *group = core_group_any(call->core, id);
    bool newer = group != NULL && group->changed_mono_us >= r->asked_mono_us; /* perhaps made after its folder was looked for */
    r->scanned++;
    id = cccc_arena_str(call->arena, id); /* the registry may change below */
    if (array_has(corrupt, id))
        cccc_array_add(&r->corrupt, cccc_string(id));
    else if (!array_has(present, id) && !newer)
        cccc_array_add(&r->missing, cccc_string(id));
}

static void reconcile_remove(call_t *call, struct reconcile *r)
{
    for (uint32_t i = 0; i < r->missing.value.via.array.size; i++) {
        cccc_str_t id = {0};
        cccc_as_str(&r->missing.value.via.array.ptr[i], &id);
        struct cccc_group *group = core_group_any(call->core, id);
        if (group != NULL && group->pending != NULL)
            continue; /* its folder is just being made */
        forget(call->core, id, &r->dropped);
        active_forget(call->core, id);
        if (group != NULL)
            group_forget(call->core, group);
        cccc_array_add(&r->removed, cccc_string(id));
    }
}

static void reconcile_reply(call_t *call)
{
    struct reconcile *r = call->state;
    cccc_builder_t result = cccc_map_builder(call->arena, 6);
    cccc_map_add(&result, "dry_run", cccc_bool(!cccc_arg_bool(&call->request.args, CCCC_A_registry_reconcile_remove_missing, false)));
    cccc_map_add(&result, "scanned_groups", cccc_uint(r->scanned));
    cccc_map_add(&result, "missing_group_ids", sorted(&r->missing));
    cccc_map_add(&result, "corrupt_group_ids", sorted(&r->corrupt));
    cccc_map_add(&result, "removed_group_ids", sorted(&r->removed));
    cccc_map_add(&result, "removed_default_scope_keys", sorted(&r->dropped));
    call_reply(call, &result.value);
}

static void reconcile_stored(call_t *call)
{
    registry_written(call);
    reconcile_reply(call);
}

static void reconcile_scanned(call_t *call)
{
    if (call->stored.err != CCCC_OK) {
        call_fail(call, call->stored.err, "the group folders could not be listed: %s; nothing was changed", call->stored.message);
        return;
    }
    struct cccc_core *core = call->core;
    cccc_arena_t *arena = call->arena;
    struct reconcile *r = call->state;
    const cccc_value_t document = registry_document(core, arena), *groups = cccc_get(&document, "groups");
    for (uint32_t i = 0; i < groups->via.map.size; i++) {
        cccc_str_t id = {0};
        cccc_as_str(&groups->via.map.ptr[i].key, &id);
        reconcile_one(call, r, id);
    }
    if (!cccc_arg_bool(&call->request.args, CCCC_A_registry_reconcile_remove_missing, false)) {
        reconcile_reply(call);
        return;
    }
    reconcile_remove(call, r);
    call->committed = true;
    struct cccc_store store;
    registry_store(core, &store);
    call_store(call, &store, reconcile_stored);
}

void op_registry_reconcile(call_t *call)
{
    if (!permit_by(call, NULL, cccc_arg_str(&call->request.args, CCCC_A_registry_reconcile_by), "user"))
        return;
    cccc_arena_t *arena = call->arena;
    struct reconcile *r = cccc_arena_alloc(arena, sizeof *r);
    *r = (struct reconcile){.asked_mono_us = call->core->now->mono_us,
                            .missing = cccc_array_builder(arena, 4),
                            .corrupt = cccc_array_builder(arena, 4),
                            .removed = cccc_array_builder(arena, 4),
                            .dropped = cccc_array_builder(arena, 4)};
    call->state = r;
    struct cccc_store store = {.kind = CCCC_STORE_SCAN, .arena = cccc_arena_new(64)};
    call_store(call, &store, reconcile_scanned);
}
