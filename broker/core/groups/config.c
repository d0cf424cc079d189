/* config.c - a group's configuration: the document that is group.yaml, what is derived from it, and how each event changes it.
 *
 * The document is a generic map, so keys nobody here knows survive every change. Each change makes a new document in a fresh arena and derives
 * struct cccc_config from it; nothing is patched in place. A value of the wrong type reads as its default and stays as it was written.
 * Invariants: I11 (the document equals the fold of the events up to its ledger_seq).
 * Thread: the core's. */
#include "broker/core/automation/rules.h"
#include "broker/core/change.h"
#include "broker/core/groups/schema.h"
#include "broker/core/snapshot.h"
#include "proto/json.h"

#define DOCUMENT_CHUNK_BYTES 8192
#define CONFIG_CHUNK_BYTES   2048

/* ---- deriving ---- */

static const cccc_value_t *items(const cccc_value_t *array, uint32_t *count)
{
    *count = array != NULL && cccc_is_array(array) ? array->via.array.size : 0;
    return *count > 0 ? array->via.array.ptr : NULL;
}

static enum cccc_group_state state_of(cccc_str_t word)
{
    if (cccc_str_is(word, "idle"))
        return CCCC_GROUP_IDLE;
    return cccc_str_is(word, "paused") ? CCCC_GROUP_PAUSED : CCCC_GROUP_ACTIVE;
}

static cccc_str_t str_or(const cccc_value_t *map, const char *key, const char *otherwise)
{
    cccc_str_t s = cccc_get_str(map, key);
    return s.len > 0 ? s : cccc_str(otherwise);
}

static void derive_actors(struct cccc_config *config, const cccc_value_t *list, cccc_arena_t *arena)
{
    uint32_t count;
    const cccc_value_t *entry = items(list, &count);
    config->actors = cccc_arena_alloc(arena, (count + 1) * sizeof *config->actors);
    bool have_foreman = false;
    for (uint32_t i = 0; i < count && config->actor_count < CCCC_ACTORS_PER_GROUP_MAX; i++, entry++) {
        struct cccc_actor a = {.id = cccc_get_str(entry, "id"), .entry = entry};
        bool twice = false;
        for (uint32_t j = 0; j < config->actor_count; j++)
            twice |= cccc_str_eq(config->actors[j].id, a.id);
        if (twice || !actor_id_valid(a.id, NULL))
            continue;
        a.title = cccc_get_str(entry, "title");
        a.runner = cccc_str_is(cccc_get_str(entry, "runner"), "headless") ? CCCC_STR("headless") : CCCC_STR("pty");
        config->terminals |= cccc_str_is(a.runner, "pty");
        a.runtime = str_or(entry, "runtime", "codex");
        a.enabled = cccc_coerce_bool(cccc_get(entry, "enabled"), true);
        a.left_stopped = a.enabled && cccc_coerce_bool(cccc_get(entry, "left_stopped"), false);
        a.foreman = a.enabled && !have_foreman;
        have_foreman |= a.enabled;
        config->actors[config->actor_count++] = a;
    }
}

static void derive_scopes(struct cccc_config *config, const cccc_value_t *list, cccc_arena_t *arena)
{
    uint32_t count;
    const cccc_value_t *entry = items(list, &count);
    config->scopes = cccc_arena_alloc(arena, (count + 1) * sizeof *config->scopes);
    for (uint32_t i = 0; i < count && config->scope_count < CCCC_SCOPES_PER_GROUP_MAX; i++, entry++) {
        struct cccc_scope s = {.key = cccc_get_str(entry, "scope_key"),
                               .url = cccc_get_str(entry, "url"),
                               .label = cccc_get_str(entry, "label"),
                               .git_remote = cccc_get_str(entry, "git_remote")};
        if (s.key.len > 0)
            config->scopes[config->scope_count++] = s;
    }
}

void config_derive(struct cccc_group *group)
{
    const cccc_value_t *doc = &group->document;
    struct cccc_config c = {.title = cccc_get_str(doc, "title"),
                            .topic = cccc_get_str(doc, "topic"),
                            .created_at = cccc_get_str(doc, "created_at"),
                            .updated_at = cccc_get_str(doc, "updated_at"),
                            .state = state_of(cccc_get_str(doc, "state")),
                            .running = cccc_coerce_bool(cccc_get(doc, "running"), false)};
    cccc_arena_destroy(&group->config_arena);
    group->config_arena = cccc_arena_new(CONFIG_CHUNK_BYTES);
    c.broadcast_by_default = cccc_str_is(cccc_get_str(cccc_get(doc, "messaging"), "default_send_to"), "broadcast");
    derive_actors(&c, cccc_get(doc, "actors"), group->config_arena);
    derive_scopes(&c, cccc_get(doc, "scopes"), group->config_arena);
    c.rules = rules_read(group->config_arena, doc, &c.rule_count);
    group->config = c;
    cccc_str_t active = cccc_get_str(doc, "active_scope_key");
    if (config_scope(group, active) != NULL)
        group->config.active_scope_key = active;
}

void config_set_document(struct cccc_group *group, const cccc_value_t *document)
{
    cccc_arena_t *old = group->document_arena; /* `document` may live in it */
    group->document_arena = cccc_arena_new(DOCUMENT_CHUNK_BYTES);
    group->document = cccc_is_map(document) ? cccc_value_copy(group->document_arena, document) : cccc_nil();
    cccc_arena_destroy(&old);
    group->document_seq = cccc_is_map(&group->document) ? cccc_get_uint(&group->document, "ledger_seq", UINT64_MAX) : 0;
    config_derive(group);
}

const struct cccc_actor *config_actor(const struct cccc_group *group, cccc_str_t id)
{
    for (uint32_t i = 0; i < group->config.actor_count; i++) {
        if (cccc_str_eq(group->config.actors[i].id, id))
            return &group->config.actors[i];
    }
    return NULL;
}

const struct cccc_actor *config_foreman(const struct cccc_group *group)
{
    for (uint32_t i = 0; i < group->config.actor_count; i++) {
        if (group->config.actors[i].foreman)
            return &group->config.actors[i];
    }
    return NULL;
}

const struct cccc_scope *config_scope(const struct cccc_group *group, cccc_str_t key)
{
    for (uint32_t i = 0; i < group->config.scope_count; i++) {
        if (cccc_str_eq(group->config.scopes[i].key, key))
            return &group->config.scopes[i];
    }
    return NULL;
}

/* ---- applying events ---- */

/* One event being worked into a document. */
struct edit {
    cccc_arena_t *arena;
    cccc_value_t doc;
    const struct cccc_event *event;
};

static void put(struct edit *e, const char *key, cccc_value_t v)
{
    e->doc = cccc_map_with(e->arena, &e->doc, cccc_str(key), v);
}

static void put_str(struct edit *e, const char *key, cccc_str_t s)
{
    put(e, key, cccc_string(s));
}

static const cccc_value_t *data(const struct edit *e, const char *key)
{
    return cccc_get(&e->event->data, key);
}

/* What a group without a document starts from. */
static cccc_value_t fresh(cccc_arena_t *arena, const struct cccc_event *event)
{
    cccc_builder_t b = cccc_map_builder(arena, 16);
    cccc_map_add(&b, "v", cccc_uint(1));
    cccc_map_add(&b, "group_id", cccc_string(event->group_id));
    cccc_map_add(&b, "title", cccc_text("working-group"));
    cccc_map_add(&b, "topic", cccc_text(""));
    cccc_map_add(&b, "created_at", cccc_string(event->ts));
    cccc_map_add(&b, "updated_at", cccc_string(event->ts));
    cccc_map_add(&b, "running", cccc_bool(false));
    cccc_map_add(&b, "state", cccc_text("active"));
    cccc_map_add(&b, "active_scope_key", cccc_text(""));
    cccc_map_add(&b, "scopes", cccc_array_builder(arena, 0).value);
    cccc_map_add(&b, "actors", cccc_array_builder(arena, 0).value);
    return b.value;
}

/* `list` of `doc` with the map whose `id_key` is `id` replaced by `entry` (appended when there is none), or left out when `entry` is NULL. */
static void put_in_list(struct edit *e, const char *list, const char *id_key, cccc_str_t id, const cccc_value_t *entry)
{
    uint32_t count;
    const cccc_value_t *item = items(cccc_get(&e->doc, list), &count);
    cccc_builder_t b = cccc_array_builder(e->arena, count + 1);
    bool placed = false;
    for (uint32_t i = 0; i < count; i++, item++) {
        bool same = cccc_is_map(item) && cccc_str_eq(cccc_get_str(item, id_key), id);
        if (!same)
            cccc_array_add(&b, *item);
        else if (entry != NULL && !placed)
            cccc_array_add(&b, *entry);
        placed |= same;
    }
    if (entry != NULL && !placed)
        cccc_array_add(&b, *entry);
    put(e, list, b.value);
}

/* An import of a template says which place an actor has from now on, 0 first. */
static void put_in_place(struct edit *e, cccc_str_t id, uint64_t place)
{
    uint32_t count, at = 0;
    const cccc_value_t *item = items(cccc_get(&e->doc, "actors"), &count), *moved = NULL;
    for (uint32_t i = 0; i < count && !moved; i++)
        moved = cccc_str_eq(cccc_get_str(&item[i], "id"), id) ? &item[i] : NULL;
    cccc_builder_t b = cccc_array_builder(e->arena, count);
    for (uint32_t i = 0; moved && i < count; i++) {
        if (&item[i] == moved)
            continue;
        if (at++ == place)
            cccc_array_add(&b, *moved);
        cccc_array_add(&b, item[i]);
    }
    if (moved && at <= place)
        cccc_array_add(&b, *moved);
    if (moved)
        put(e, "actors", b.value);
}

/* The entry as it is now, its role left out, which is computed and never stored. */
static void put_actor(struct edit *e, cccc_str_t id, const cccc_value_t *actor)
{
    cccc_value_t entry = cccc_map_without(e->arena, actor, CCCC_STR("role"));
    uint64_t place;
    put_in_list(e, "actors", "id", id, &entry);
    if (cccc_as_uint(data(e, "place"), &place))
        put_in_place(e, id, place);
}

static void apply_create(struct edit *e)
{
    e->doc = fresh(e->arena, e->event);
    put_str(e, "title", cccc_get_str(&e->event->data, "title"));
    put_str(e, "topic", cccc_get_str(&e->event->data, "topic"));
    const cccc_value_t *automation = data(e, "automation");
    if (cccc_is_map(automation))
        put(e, "automation", *automation);
}

static void apply_update(struct edit *e)
{
    static const char *const keys[] = {"title", "topic"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cccc_str_t s;
        if (cccc_as_str(cccc_get(data(e, "patch"), keys[i]), &s))
            put_str(e, keys[i], s);
    }
}

static void apply_attach(struct edit *e)
{
    static const char *const keys[] = {"url", "label", "git_remote"};
    cccc_builder_t b = cccc_map_builder(e->arena, 4);
    cccc_map_add(&b, "scope_key", cccc_string(e->event->scope_key));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cccc_map_add(&b, keys[i], cccc_string(cccc_get_str(&e->event->data, keys[i])));
    if (e->event->scope_key.len == 0)
        return;
    put_in_list(e, "scopes", "scope_key", e->event->scope_key, &b.value);
    put_str(e, "active_scope_key", e->event->scope_key);
}

static void apply_detach(struct edit *e)
{
    cccc_str_t key = cccc_get_str(&e->event->data, "scope_key");
    put_in_list(e, "scopes", "scope_key", key, NULL);
    if (!cccc_str_eq(cccc_get_str(&e->doc, "active_scope_key"), key))
        return;
    uint32_t count;
    const cccc_value_t *first = items(cccc_get(&e->doc, "scopes"), &count);
    put_str(e, "active_scope_key", cccc_get_str(first, "scope_key"));
}

static void apply_active_scope(struct edit *e)
{
    put_str(e, "active_scope_key", e->event->scope_key);
}

/* `ids`, and no others, are left stopped in a group that runs. */
static void leave_stopped(struct edit *e, const cccc_value_t *ids)
{
    uint32_t count;
    const cccc_value_t *entry = items(cccc_get(&e->doc, "actors"), &count);
    cccc_builder_t list = cccc_array_builder(e->arena, count);
    for (; count > 0; entry++, count--) {
        cccc_value_t now = *entry;
        if (cccc_is_map(entry) && recipients_name(ids, cccc_get_str(entry, "id")))
            now = cccc_map_with(e->arena, entry, CCCC_STR("left_stopped"), cccc_bool(true));
        else if (cccc_is_map(entry) && cccc_get(entry, "left_stopped"))
            now = cccc_map_without(e->arena, entry, CCCC_STR("left_stopped"));
        cccc_array_add(&list, now);
    }
    if (list.value.via.array.size > 0)
        put(e, "actors", list.value);
}

static void apply_start(struct edit *e)
{
    leave_stopped(e, NULL);
    put(e, "running", cccc_bool(true));
}

static void apply_stop(struct edit *e)
{
    leave_stopped(e, NULL);
    put(e, "running", cccc_bool(false));
}

static void apply_state(struct edit *e)
{
    cccc_str_t state = cccc_get_str(&e->event->data, "new_state");
    if (state.len > 0)
        put_str(e, "state", state);
}

static void apply_settings(struct edit *e)
{
    e->doc = settings_merge(e->arena, &e->doc, data(e, "patch"));
}

/* The item of a list of maps that has this id, or NULL. */
static const cccc_value_t *item_find(const cccc_value_t *list, cccc_str_t id)
{
    uint32_t count;
    const cccc_value_t *item = items(list, &count);
    for (; count > 0; item++, count--)
        if (cccc_str_eq(cccc_get_str(item, "id"), id))
            return item;
    return NULL;
}

/* The event names what there is, and has what is new of it. */
static void apply_automation(struct edit *e)
{
    const cccc_value_t *old = cccc_get(&e->doc, "automation"), *old_snippets = cccc_get(old, "snippets");
    uint32_t count, names;
    const cccc_value_t *id = items(data(e, "rules"), &count), *name = items(data(e, "snippets"), &names);
    cccc_builder_t rules = cccc_array_builder(e->arena, count), snippets = cccc_map_builder(e->arena, names);
    cccc_str_t s = CCCC_STR("");
    for (; count > 0 && cccc_as_str(id, &s); id++, count--) {
        const cccc_value_t *rule = item_find(data(e, "put"), s);
        rule = rule ? rule : item_find(cccc_get(old, "rules"), s);
        if (rule)
            cccc_array_add(&rules, *rule);
    }
    for (; names > 0 && cccc_as_str(name, &s); name++, names--) {
        const cccc_value_t *text = cccc_get_key(data(e, "put_snippets"), s);
        text = text ? text : cccc_get_key(old_snippets, s);
        if (text)
            cccc_map_add_key(&snippets, s, *text);
    }
    cccc_value_t automation = cccc_is_map(old) ? *old : cccc_map_builder(e->arena, 3).value;
    automation = cccc_map_with(e->arena, &automation, CCCC_STR("version"), cccc_uint(cccc_get_uint(&e->event->data, "version", 0)));
    automation = cccc_map_with(e->arena, &automation, CCCC_STR("rules"), rules.value);
    put(e, "automation", cccc_map_with(e->arena, &automation, CCCC_STR("snippets"), snippets.value));
}

/* A hand may change everything but which group this is. */
static void apply_edit(struct edit *e)
{
    const cccc_value_t *document = data(e, "document");
    cccc_value_t created = cccc_string(cccc_get_str(&e->doc, "created_at"));
    if (!cccc_is_map(document))
        return;
    e->doc = *document;
    put_str(e, "group_id", e->event->group_id);
    if (cccc_get_str(document, "created_at").len == 0)
        put(e, "created_at", created);
}

static bool any_enabled(const cccc_value_t *doc)
{
    uint32_t count;
    const cccc_value_t *entry = items(cccc_get(doc, "actors"), &count);
    for (uint32_t i = 0; i < count; i++, entry++) {
        if (cccc_is_map(entry) && cccc_coerce_bool(cccc_get(entry, "enabled"), true))
            return true;
    }
    return false;
}

/* A group in which nobody is left to run does not run (reference 13: 12, 14). */
static void stop_when_empty(struct edit *e, bool had_enabled)
{
    if (had_enabled && !any_enabled(&e->doc))
        put(e, "running", cccc_bool(false));
}

static void apply_actor_add(struct edit *e)
{
    const cccc_value_t *actor = data(e, "actor");
    cccc_str_t id = cccc_get_str(actor, "id");
    if (id.len == 0)
        return;
    put_actor(e, id, actor);
}

/* Lines of CCCC 0.4.0 carry only the patch, with null for what was not touched. */
static cccc_value_t entry_patched(struct edit *e, cccc_str_t id)
{
    uint32_t count;
    const cccc_value_t *entry = items(cccc_get(&e->doc, "actors"), &count);
    while (count > 0 && !cccc_str_eq(cccc_get_str(entry, "id"), id)) {
        entry++;
        count--;
    }
    const cccc_value_t *patch = data(e, "patch");
    if (count == 0 || !cccc_is_map(patch))
        return cccc_nil();
    cccc_value_t patched = *entry;
    for (uint32_t i = 0; i < patch->via.map.size; i++) {
        const msgpack_object_kv *kv = &patch->via.map.ptr[i];
        cccc_str_t key;
        if (cccc_as_str(&kv->key, &key) && !cccc_is_nil(&kv->val) && !cccc_str_is(key, "role") && !cccc_str_is(key, "id"))
            patched = cccc_map_with(e->arena, &patched, key, kv->val);
    }
    return patched;
}

static void apply_actor_update(struct edit *e)
{
    cccc_str_t id = cccc_get_str(&e->event->data, "actor_id");
    const cccc_value_t *actor = data(e, "actor");
    cccc_value_t entry = cccc_is_map(actor) ? *actor : entry_patched(e, id);
    bool had_enabled = any_enabled(&e->doc);
    if (id.len > 0 && cccc_is_map(&entry))
        put_actor(e, id, &entry);
    stop_when_empty(e, had_enabled);
}

static void apply_actor_remove(struct edit *e)
{
    bool had_enabled = any_enabled(&e->doc);
    put_in_list(e, "actors", "id", cccc_get_str(&e->event->data, "actor_id"), NULL);
    stop_when_empty(e, had_enabled);
}

/* actor.start and actor.restart enable, actor.stop disables; a start makes the group run. */
static void actor_enabled(struct edit *e, bool enabled)
{
    cccc_str_t id = cccc_get_str(&e->event->data, "actor_id");
    uint32_t count;
    const cccc_value_t *entry = items(cccc_get(&e->doc, "actors"), &count);
    while (count > 0 && !cccc_str_eq(cccc_get_str(entry, "id"), id)) {
        entry++;
        count--;
    }
    if (count == 0 || !cccc_is_map(entry))
        return;
    cccc_value_t changed = cccc_map_with(e->arena, entry, CCCC_STR("enabled"), cccc_bool(enabled));
    changed = cccc_map_without(e->arena, &changed, CCCC_STR("left_stopped"));
    put_in_list(e, "actors", "id", id, &changed);
}

static void apply_actor_start(struct edit *e)
{
    if (!cccc_coerce_bool(cccc_get(&e->doc, "running"), false))
        leave_stopped(e, data(e, "left_stopped"));
    actor_enabled(e, true);
    put(e, "running", cccc_bool(true));
}

static void apply_actor_restart(struct edit *e)
{
    actor_enabled(e, true);
}

static void apply_actor_stop(struct edit *e)
{
    bool had_enabled = any_enabled(&e->doc);
    actor_enabled(e, false);
    stop_when_empty(e, had_enabled);
}

static void (*const appliers[CCCC_KIND_COUNT])(struct edit *) = {
    [CCCC_KIND_GROUP_CREATE] = apply_create,
    [CCCC_KIND_GROUP_UPDATE] = apply_update,
    [CCCC_KIND_GROUP_ATTACH] = apply_attach,
    [CCCC_KIND_GROUP_DETACH_SCOPE] = apply_detach,
    [CCCC_KIND_GROUP_SET_ACTIVE_SCOPE] = apply_active_scope,
    [CCCC_KIND_GROUP_START] = apply_start,
    [CCCC_KIND_GROUP_STOP] = apply_stop,
    [CCCC_KIND_GROUP_SET_STATE] = apply_state,
    [CCCC_KIND_GROUP_SETTINGS_UPDATE] = apply_settings,
    [CCCC_KIND_GROUP_AUTOMATION_UPDATE] = apply_automation,
    [CCCC_KIND_GROUP_EDIT] = apply_edit,
    [CCCC_KIND_ACTOR_ADD] = apply_actor_add,
    [CCCC_KIND_ACTOR_UPDATE] = apply_actor_update,
    [CCCC_KIND_ACTOR_REMOVE] = apply_actor_remove,
    [CCCC_KIND_ACTOR_START] = apply_actor_start,
    [CCCC_KIND_ACTOR_STOP] = apply_actor_stop,
    [CCCC_KIND_ACTOR_RESTART] = apply_actor_restart,
};

/* Is what the event says in the document already? Asked while folding only. A document without a ledger_seq was written by CCCC 0.4.0 and holds all
 * that 0.4.0 recorded; the first thing recorded after it is a group.edit with the whole of it (config_resume), which therefore counts. The same holds for a document that was newer
 * than its ledger (a copy that caught the two at different moments): the seqs it names were used again, and replaces_seq says up to where. */
static bool is_in_document(const struct cccc_group *group, cccc_kind_t kind, const struct cccc_event *event)
{
    if (!cccc_is_map(&group->document) || event->seq > group->document_seq)
        return false;
    if (kind != CCCC_KIND_GROUP_EDIT || group->edited)
        return true;
    return group->document_seq != UINT64_MAX && cccc_get_uint(&event->data, "replaces_seq", 0) < group->document_seq;
}

bool config_edit_is_recorded(const struct cccc_group *group, const struct cccc_event *event)
{
    if (!group->folding)
        return true;
    return event->seq > group->document_seq && cccc_schema_same(&group->document, cccc_get(&event->data, "document"));
}

bool config_apply(struct cccc_group *group, const struct cccc_event *event)
{
    cccc_kind_t kind = cccc_kind_find(event->kind);
    if (appliers[kind] == NULL)
        return false;
    if (group->created_ts[0] == '\0' && event->ts.len < sizeof group->created_ts)
        memcpy(group->created_ts, event->ts.ptr, event->ts.len);
    if (group->folding && is_in_document(group, kind, event))
        return true;
    bool has_document = cccc_is_map(&group->document);
    struct edit e = {.arena = cccc_arena_new(DOCUMENT_CHUNK_BYTES), .event = event};
    e.doc = has_document ? group->document : fresh(e.arena, event);
    /* A file that was edited again after an edit was recorded has both: the recorded one must not undo the later one. */
    bool outdated = kind == CCCC_KIND_GROUP_EDIT && has_document && group->edited && !config_edit_is_recorded(group, event);
    if (!outdated)
        appliers[kind](&e);
    put_str(&e, "updated_at", event->ts);
    put(&e, "ledger_seq", cccc_uint(event->seq));
    config_set_document(group, &e.doc);
    cccc_arena_destroy(&e.arena);
    group->unstored = true; /* until config_store: of the op that caused it, or of the tick */
    return true;
}

/* Record the document as it is now: what a hand made of it, or what CCCC 0.4.0 left. */
static void take_over(struct cccc_core *core, struct cccc_group *group)
{
    cccc_arena_t *arena = cccc_arena_new(DOCUMENT_CHUNK_BYTES);
    cccc_value_t document = cccc_map_without(arena, &group->document, CCCC_STR("ledger_seq"));
    if (group->config.created_at.len == 0 && group->created_ts[0] != '\0')
        document = cccc_map_with(arena, &document, CCCC_STR("created_at"), cccc_text(group->created_ts));
    cccc_builder_t b = cccc_map_builder(arena, 2);
    cccc_map_add(&b, "document", cccc_value_copy(arena, &document));
    if (group->document_seq != UINT64_MAX && group->document_seq > group->head_seq)
        cccc_map_add(&b, "replaces_seq", cccc_uint(group->document_seq));
    struct cccc_errmsg m;
    cccc_err_t err = core_append(core, group, CCCC_KIND_GROUP_EDIT, CCCC_STR("user"), CCCC_STR(""), b.value, &arena, &m);
    if (err == CCCC_OK) {
        core_log(core, 5, "GROUP-EDITED",
                 "group.yaml is not as cccc wrote it; it is taken over, and changes it has not seen are kept group=%s", group->id);
        return;
    }
    core_log(core, 4, "GROUP-EDIT-NOT-RECORDED", "an edited group.yaml could not be recorded yet group=%s why=%s", group->id, m.text);
    readers_sync(group); /* no event will bring them */
}

bool config_is_unrecorded(const struct cccc_group *group)
{
    return cccc_is_map(&group->document) && (group->edited || group->document_seq > group->head_seq);
}

void config_take_foreign(struct cccc_group *group, const cccc_value_t *theirs)
{
    cccc_arena_t *arena = cccc_arena_new(DOCUMENT_CHUNK_BYTES);
    cccc_value_t document = cccc_schema_carry(arena, &group->document, theirs);
    if (!cccc_schema_same(&document, &group->document)) {
        config_set_document(group, &document);
        group->edited = true;
    }
    cccc_arena_destroy(&arena);
}

void config_resume(struct cccc_core *core, struct cccc_group *group)
{
    legacy_take_over(core, group);
    if (config_is_unrecorded(group))
        take_over(core, group);
}

/* ---- the snapshot ---- */

void document_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, 2);
    cccc_pack_text(out, group->created_ts);
    cccc_pack_value(out, &group->document);
}

/* The group has what group.yaml says. As recent as the snapshot, or newer, that counts, as in a fold from the beginning; older, the snapshot does, and group.yaml
 * is written anew. Where the fold itself would have to weigh an edit by hand against events, or find what CCCC 0.4.0 recorded, it does; a base has no such fold behind it, and counts for
 * more than an older edit. */
bool document_load(struct cccc_group *group, const cccc_value_t *v)
{
    const cccc_value_t *row = snapshot_row(v, 2);
    if (!row || !snapshot_text(&row[0], group->created_ts, sizeof group->created_ts) || (!cccc_is_map(&row[1]) && !cccc_is_nil(&row[1])))
        return false;
    uint64_t seq = cccc_is_map(&row[1]) ? cccc_get_uint(&row[1], "ledger_seq", UINT64_MAX) : 0;
    bool from_file = cccc_is_map(&group->document);
    if (seq > group->head_seq || (from_file && group->document_seq == UINT64_MAX && !group->from_base))
        return false;
    if (from_file && group->document_seq >= seq)
        return true;
    if (group->edited && !group->from_base)
        return false;
    group->edited = false;
    config_set_document(group, &row[1]);
    group->unstored = group->unstored || seq > 0;
    return true;
}

/* ---- looking ahead ---- */

static void view_free(void *arg)
{
    struct cccc_group *view = arg;
    cccc_arena_destroy(&view->document_arena);
    cccc_arena_destroy(&view->config_arena);
}

static struct cccc_group *view_make(call_t *call, const struct cccc_group *group)
{
    struct cccc_group *view = cccc_arena_alloc(call->arena, sizeof *view);
    *view = (struct cccc_group){.slot = group->slot, .next_seq = group->next_seq};
    memcpy(view->id, group->id, sizeof view->id);
    config_set_document(view, &group->document);
    CCCC_ASSERT(msgpack_zone_push_finalizer(call->arena, view_free, view), "no memory");
    return view;
}

struct cccc_group *config_ahead(call_t *call, struct cccc_group *group)
{
    struct cccc_group *view = group;
    for (const struct cccc_pending *p = group->pending; p != NULL; p = p->next) {
        if (appliers[p->kind] == NULL)
            continue;
        if (view == group)
            view = view_make(call, group);
        config_apply(view, &p->event);
    }
    return view;
}

/* ---- to the disk ---- */

/* group.yaml is about as long as the same map as indented JSON; a quarter is left for YAML's own ways of quoting. */
#define CONFIG_ROOM_BYTES (CCCC_CONFIG_BYTES_MAX / 4 * 3)
/* A line end inside a string may cost YAML an empty line and an indent more. */
#define LINE_END_BYTES 8

static size_t written_bytes(const cccc_value_t *v)
{
    cccc_buf_t buf;
    cccc_buf_init(&buf);
    cccc_json_write_pretty(v, &buf);
    size_t bytes = buf.size;
    for (size_t i = 1; i < buf.size; i++)
        bytes += buf.data[i - 1] == '\\' && buf.data[i] == 'n' ? LINE_END_BYTES : 0;
    cccc_buf_fini(&buf);
    return bytes;
}

cccc_err_t change_fits(const struct cccc_group *group, const cccc_value_t *data_, struct cccc_errmsg *m)
{
    size_t bytes = written_bytes(&group->document) + written_bytes(data_);
    if (bytes <= CONFIG_ROOM_BYTES)
        return CCCC_OK;
    return cccc_fail(m, CCCC_E_TOO_LARGE,
                     "the group's configuration would take about %zu bytes; at most %d are kept. Shorten titles, commands or environments",
                     bytes, CONFIG_ROOM_BYTES);
}
