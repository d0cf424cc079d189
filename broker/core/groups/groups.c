/* groups.c - making, showing, changing, starting, stopping and deleting groups (reference 3.7).
 *
 * A group exists once its group.create (or, attached implicitly, its first event) is durable. Deleting moves the folder to the trash and frees the
 * place; the id may be used again.
 * Thread: the core's. */
#include "broker/core/automation/rules.h"
#include "broker/core/change.h"
#include "broker/core/guards/guards.h"
#include "broker/core/messages/message.h"
#include "broker/core/obligations/obligations.h"
#include "broker/core/runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>

/* What a list leaves free in a reply for the rest of it. */
#define LIST_ROOM_BYTES 65536

/* ---- common ---- */

/* Group, speaker and, unless `err` is 0, the right to manage. NULL: the call was failed. The result is what the change is checked against. */
static struct cccc_group *manage(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot by, cccc_err_t err)
{
    if (!call_group(call, group_id))
        return NULL;
    struct cccc_group *ahead = config_ahead(call, call->group);
    if (!permit_by(call, ahead, cccc_arg_str(&call->request.args, by), "user"))
        return NULL;
    struct cccc_errmsg m;
    if (err != CCCC_OK && !permit_in(ahead, call->by, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), &m)) {
        call_fail_cause(call, err, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return NULL;
    }
    return ahead;
}

uint64_t reader_unread(const struct cccc_group *group, cccc_str_t id)
{
    const struct cccc_reader *reader = reader_find(group, id);
    return reader != NULL ? reader->unread[CCCC_LANE_CHAT].count + reader->unread[CCCC_LANE_NOTIFY].count : 0;
}

uint64_t reader_owes(const struct cccc_group *group, cccc_str_t id)
{
    const struct cccc_reader *reader = reader_find(group, id);
    return reader != NULL ? reader->owes.count : 0;
}

static const char *state_word(enum cccc_group_state state)
{
    static const char *const words[] = {[CCCC_GROUP_ACTIVE] = "active", [CCCC_GROUP_IDLE] = "idle", [CCCC_GROUP_PAUSED] = "paused"};
    return words[state];
}

cccc_str_t group_activity(const struct cccc_group *group)
{
    cccc_str_t head = cccc_str(group->head_ts), document = group->config.updated_at;
    size_t n = head.len < document.len ? head.len : document.len;
    int order = n > 0 ? memcmp(head.ptr, document.ptr, n) : 0;
    return order > 0 || (order == 0 && head.len > document.len) ? head : document;
}

/* ---- group_create ---- */

cccc_value_t group_create_data(cccc_arena_t *arena, cccc_str_t title, cccc_str_t topic)
{
    cccc_builder_t data = cccc_map_builder(arena, 3);
    cccc_map_add(&data, "title", cccc_string(title));
    cccc_map_add(&data, "topic", cccc_string(topic));
    cccc_map_add(&data, "automation", rules_baseline(arena));
    return data.value;
}

static cccc_str_t create_title(const call_t *call)
{
    cccc_str_t title = cccc_arg_str(&call->request.args, CCCC_A_group_create_title);
    return title.len > 0 ? title : CCCC_STR("working-group");
}

static void create_finish(call_t *call, cccc_builder_t *result)
{
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, "title", cccc_string(call->group->config.title));
}

/* A repeat of a client_id: the same if the group began with the same title and topic. */
static void create_repeated(call_t *call)
{
    struct cccc_event first;
    if (!call_read_event(call, 0, &first)) {
        call_fail(call, CCCC_E_DAMAGED, "the first event of group %s, made for this client_id, cannot be read; `cccc doctor` says more",
                  call->group->id);
        return;
    }
    cccc_str_t topic = cccc_arg_str(&call->request.args, CCCC_A_group_create_topic);
    if (!cccc_str_eq(cccc_get_str(&first.data, "title"), create_title(call)) || !cccc_str_eq(cccc_get_str(&first.data, "topic"), topic)) {
        call_fail(call, CCCC_E_CLIENT_ID_CONFLICT, "this client_id made group %s with another title or topic; use a new client_id",
                  call->group->id);
        return;
    }
    cccc_buf_t packed;
    cccc_buf_init(&packed);
    cccc_event_pack(&first, &packed);
    cccc_value_t event;
    struct cccc_errmsg m;
    CCCC_ASSERT(cccc_msgpack_read(packed.data, packed.size, packed.size, call->arena, &event, &m) == CCCC_OK, "(our own event: %s)",
                m.text);
    event = cccc_value_copy(call->arena, &event);
    cccc_buf_fini(&packed);
    cccc_builder_t result = cccc_map_builder(call->arena, 5);
    create_finish(call, &result);
    cccc_map_add(&result, "event", event);
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    cccc_map_add(&result, "duplicate", cccc_bool(true));
    call_reply(call, &result.value);
}

static void create_repeat(call_t *call)
{
    static const uint64_t first = 1;
    struct cccc_read_query query = {
        .mode = CCCC_READ_SEQS, .seqs = &first, .seq_count = 1, .limit = 1, .bytes_max = CCCC_EVENT_BYTES_MAX * 2};
    call_read(call, call->group, &query, create_repeated);
}

struct cccc_group *group_place(call_t *call, cccc_str_t id)
{
    struct cccc_group *group = core_group_any(call->core, id);
    if (group == NULL && registry_has(call->core, id)) {
        call_fail(
            call, CCCC_E_GROUP_OFFLINE,
            "group %.*s is registered, but its files are gone; put them back (`cccc backup list`) and `cccc daemon restart`, or forget "
            "it: `cccc groups --forget-missing`",
            CCCC_STR_FMT(id));
        return NULL;
    }
    if (group == NULL && HASH_COUNT(call->core->groups_by_id) < CCCC_GROUPS_MAX)
        group = core_group_make(call->core, id);
    if (group == NULL)
        call_fail(call, CCCC_E_BUSY, "this home has %d groups already, which is as many as it keeps; delete one first", CCCC_GROUPS_MAX);
    else if (group->offline != NULL)
        call_fail(call, CCCC_E_GROUP_OFFLINE, "group %s is offline: %s; `cccc doctor` says more", group->id, group->offline);
    else if (group->folding)
        call_fail(call, CCCC_E_BUSY, "group %s is being read from its ledger; try again in a moment", group->id);
    else
        return group;
    return NULL;
}

void group_new_id(struct cccc_core *core, char id[15])
{
    char made[15];
    do
        snprintf(made, sizeof made, "g_%012llx", (unsigned long long)(core_random(core) >> 16));
    while (core_group_any(core, cccc_str(made)) != NULL);
    memcpy(id, made, sizeof made);
}

static struct cccc_group *create_place(call_t *call)
{
    char id[15];
    cccc_str_t client_id = cccc_arg_str(&call->request.args, CCCC_A_group_create_client_id);
    if (client_id.len > 0)
        scope_hash_id(id, 'g', cccc_arena_printf(call->arena, "client_id:%.*s", CCCC_STR_FMT(client_id)));
    else
        group_new_id(call->core, id);
    return group_place(call, cccc_str(id));
}

/* Clients of CCCC 0.4.0 ask whether there is an operation by calling it without any argument; nothing may happen then. */
static bool is_probe(const struct cccc_args *args)
{
    for (uint32_t i = 0; i < args->def->arg_count; i++)
        if (args->values[i])
            return false;
    return true;
}

void op_group_create(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!permit_by(call, NULL, cccc_arg_str(args, CCCC_A_group_create_by), "cli"))
        return;
    if (is_probe(args)) {
        call_fail(call, CCCC_E_MISSING_ARGUMENT, "without any argument no group is made; give a title, which may be blank");
        return;
    }
    struct cccc_group *group = create_place(call);
    if (group == NULL)
        return;
    call->group = group;
    if (group->pending != NULL && core_group(call->core, cccc_str(group->id)) == NULL) {
        call_wait(call, group->pending, create_repeat); /* the first request with this client_id is on its way to the disk */
        return;
    }
    if (core_group(call->core, cccc_str(group->id)) != NULL) {
        create_repeat(call);
        return;
    }
    cccc_value_t data = group_create_data(call->arena, create_title(call), cccc_arg_str(args, CCCC_A_group_create_topic));
    change_begin(call, CCCC_KIND_GROUP_CREATE, CCCC_STR(""), data, create_finish, NULL);
}

/* ---- group_show ---- */

static bool ends_with(cccc_str_t s, const char *end)
{
    size_t n = strlen(end);
    return s.len >= n && memcmp(s.ptr + s.len - n, end, n) == 0;
}

static bool is_secret(cccc_str_t key)
{
    return ends_with(key, "token") || ends_with(key, "secret") || ends_with(key, "_key");
}

/* The map without members that hold credentials, at every level. Names of environment variables (*_env) stay. */
static cccc_value_t without_secrets(cccc_arena_t *arena, const cccc_value_t *map)
{
    cccc_builder_t b = cccc_map_builder(arena, map->via.map.size);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        cccc_str_t key;
        if (cccc_as_str(&kv->key, &key) && !is_secret(key))
            cccc_map_add_key(&b, key, cccc_is_map(&kv->val) ? without_secrets(arena, &kv->val) : kv->val);
    }
    return b.value;
}

static cccc_value_t shown(call_t *call)
{
    const cccc_value_t *document = &call->group->document, *im = cccc_get(document, "im");
    return cccc_is_map(im) ? cccc_map_with(call->arena, document, CCCC_STR("im"), without_secrets(call->arena, im)) : *document;
}

void op_group_show(call_t *call)
{
    if (!call_group(call, CCCC_A_group_show_group_id))
        return;
    cccc_builder_t result = cccc_map_builder(call->arena, 5);
    cccc_map_add(&result, "group", shown(call));
    cccc_map_add(&result, "settings", settings_effective(call->arena, &call->group->document));
    cccc_map_add(&result, "settings_set", settings_set(call->arena, &call->group->document));
    if (call->group->read_only != NULL)
        cccc_map_add(&result, "read_only", cccc_text(call->group->read_only));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

/* ---- group_update ---- */

static void update_finish(call_t *call, cccc_builder_t *result)
{
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, "group", shown(call));
}

/* A text of the patch: nil when it is not to change. False: the call was failed. */
static bool patch_text(call_t *call, const cccc_value_t *patch, const char *key, size_t max, bool blank_counts, cccc_value_t *out)
{
    const cccc_value_t *v = cccc_get(patch, key);
    cccc_str_t s;
    *out = cccc_nil();
    if (v == NULL || cccc_is_nil(v))
        return true;
    int64_t number;
    if (cccc_as_int(v, &number)) { /* as everywhere where text is wanted */
        s = cccc_arena_printf(call->arena, "%lld", (long long)number);
    } else if (!cccc_as_str(v, &s)) {
        call_fail(call, CCCC_E_INVALID_PATCH, "%s must be text; nothing was changed", key);
        return false;
    }
    s = cccc_str_trim(s);
    if (s.len > max) {
        call_fail(call, CCCC_E_TOO_LARGE, "%s has %zu bytes; at most %zu are kept", key, s.len, max);
        return false;
    }
    if (s.len > 0 || blank_counts)
        *out = cccc_string(s);
    return true;
}

void op_group_update(call_t *call)
{
    static const char *const known[] = {"title", "topic", NULL};
    struct cccc_group *ahead = manage(call, CCCC_A_group_update_group_id, CCCC_A_group_update_by, CCCC_E_GROUP_UPDATE_FAILED);
    if (ahead == NULL)
        return;
    const cccc_value_t *given = cccc_arg(&call->request.args, CCCC_A_group_update_patch);
    cccc_value_t title, topic;
    if (!patch_checked(call, given, known) || !patch_text(call, given, "title", CCCC_TITLE_BYTES_MAX, false, &title) ||
        !patch_text(call, given, "topic", CCCC_TOPIC_TEXT_BYTES_MAX, true, &topic))
        return;
    if (cccc_is_nil(&title) && cccc_is_nil(&topic)) {
        call_fail(call, CCCC_E_INVALID_PATCH, "the patch changes nothing: a blank title does not count; name a title or a topic");
        return;
    }
    cccc_builder_t patch = cccc_map_builder(call->arena, 2), data = cccc_map_builder(call->arena, 1);
    cccc_map_add(&patch, "title", title);
    cccc_map_add(&patch, "topic", topic);
    cccc_map_add(&data, "patch", patch.value);
    change_begin(call, CCCC_KIND_GROUP_UPDATE, CCCC_STR(""), data.value, update_finish, NULL);
}

/* ---- group_set_state, group_start, group_stop ---- */

static void state_finish(call_t *call, cccc_builder_t *result)
{
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, "state", cccc_text(state_word(call->group->config.state)));
}

void op_group_set_state(call_t *call)
{
    struct cccc_group *ahead = manage(call, CCCC_A_group_set_state_group_id, CCCC_A_group_set_state_by, CCCC_E_INVALID_STATE);
    if (ahead == NULL)
        return;
    cccc_str_t given = cccc_arg_str(&call->request.args, CCCC_A_group_set_state_state);
    const char *word = NULL;
    for (enum cccc_group_state s = CCCC_GROUP_ACTIVE; s <= CCCC_GROUP_PAUSED; s++) {
        if (strlen(state_word(s)) == given.len && strncasecmp(state_word(s), given.ptr, given.len) == 0)
            word = state_word(s);
    }
    if (word == NULL) {
        call_fail(call, CCCC_E_INVALID_STATE, "a group's state is active, idle or paused, not %.*s%s", CCCC_STR_FMT(given),
                  cccc_str_is(given, "stopped") ? "; to stop it use group_stop" : "");
        return;
    }
    cccc_builder_t data = cccc_map_builder(call->arena, 2);
    cccc_map_add(&data, "old_state", cccc_text(state_word(ahead->config.state)));
    cccc_map_add(&data, "new_state", cccc_text(word));
    change_begin(call, CCCC_KIND_GROUP_SET_STATE, CCCC_STR(""), data.value, state_finish, NULL);
}

/* Who was to start and did not, and why. */
static void add_failures(call_t *call, cccc_builder_t *result)
{
    cccc_builder_t failed = cccc_array_builder(call->arena, 2);
    for (uint32_t i = 0; i < call->group->config.actor_count; i++) {
        const struct cccc_actor *actor = &call->group->config.actors[i];
        const struct cccc_runtime *runtime = runtime_find(call->group, actor->id);
        if (!runtime || !actor->enabled || runtime_runs(runtime))
            continue;
        cccc_builder_t one = cccc_map_builder(call->arena, 2);
        cccc_map_add(&one, "actor_id", cccc_string(cccc_arena_str(call->arena, actor->id)));
        cccc_map_add(&one, "reason",
                     cccc_string(cccc_arena_str(call->arena, cccc_str(runtime->failure[0] ? runtime->failure : "it has not started yet"))));
        cccc_array_add(&failed, one.value);
    }
    if (failed.value.via.array.size > 0)
        cccc_map_add(result, "failed", failed.value);
}

/* The member of the event that both replies repeat. */
static void start_finish(call_t *call, cccc_builder_t *result)
{
    const struct change *change = call->state;
    const char *member = change->own;
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, member, *cccc_get(cccc_get(&change->event, "data"), member));
    if (call->request.op == CCCC_OP_group_start)
        add_failures(call, result);
}

/* Wait for one program after the other to run, or not to; then answer. */
static void start_wait(call_t *call)
{
    for (uint32_t i = 0; i < call->group->config.actor_count; i++) {
        struct cccc_runtime *runtime = runtime_find(call->group, call->group->config.actors[i].id);
        bool starting = runtime && (runtime->phase == RUNTIME_SPAWNING || runtime->phase == RUNTIME_STARTING || runtime->restart);
        if (starting && !runtime_is_overdue(call->core, runtime)) {
            runtime_await(call, runtime, false, start_wait);
            return;
        }
    }
    change_reply(call);
}

static void start_applied(call_t *call)
{
    for (uint32_t i = 0; i < call->group->config.actor_count; i++) {
        struct cccc_runtime *runtime = runtime_find(call->group, call->group->config.actors[i].id);
        if (runtime)
            runtime_encourage(runtime, RUNTIME_ASKED);
    }
    runtimes_reconcile(call->core, call->group);
    start_wait(call);
}

static void stop_wait(call_t *call)
{
    for (uint32_t i = 0; i < call->group->config.actor_count; i++) {
        struct cccc_runtime *runtime = runtime_find(call->group, call->group->config.actors[i].id);
        if (runtime && runtime_lives(runtime) && !runtime_is_overdue(call->core, runtime)) {
            runtime_await(call, runtime, true, stop_wait);
            return;
        }
    }
    change_reply(call);
}

static void stop_applied(call_t *call)
{
    runtimes_reconcile(call->core, call->group);
    stop_wait(call);
}

void op_group_start(call_t *call)
{
    static char started[] = "started";
    if (!call_group(call, CCCC_A_group_start_group_id))
        return;
    if (config_ahead(call, call->group)->config.active_scope_key.len == 0) {
        call_fail(call, CCCC_E_MISSING_PROJECT_ROOT, "group %s has no scope to work in; attach a path first (cccc attach PATH --group %s)",
                  call->group->id, call->group->id);
        return;
    }
    struct cccc_group *ahead = manage(call, CCCC_A_group_start_group_id, CCCC_A_group_start_by, CCCC_E_GROUP_START_FAILED);
    if (ahead == NULL)
        return;
    cccc_builder_t data = cccc_map_builder(call->arena, 2);
    cccc_map_add(&data, started, actors_enabled(call->arena, ahead));
    cccc_map_add(&data, "forced_headless", cccc_array_builder(call->arena, 0).value);
    change_begin_then(call, CCCC_KIND_GROUP_START, data.value, start_finish, started, start_applied);
}

void op_group_stop(call_t *call)
{
    static char stopped[] = "stopped";
    struct cccc_group *ahead = manage(call, CCCC_A_group_stop_group_id, CCCC_A_group_stop_by, CCCC_E_GROUP_STOP_FAILED);
    if (ahead == NULL)
        return;
    cccc_builder_t data = cccc_map_builder(call->arena, 1);
    cccc_value_t nobody = cccc_array_builder(call->arena, 0).value;
    cccc_map_add(&data, stopped, ahead->config.running ? actors_enabled(call->arena, ahead) : nobody);
    change_begin_then(call, CCCC_KIND_GROUP_STOP, data.value, start_finish, stopped, stop_applied);
}

/* ---- group_delete ---- */

void group_forget(struct cccc_core *core, struct cccc_group *group)
{
    cccc_str_t id = cccc_str(group->id);
    publish_deleted(core, group);
    core_group_drop(core, group);
    registry_forget(core, id);
    active_forget(core, id);
}

static void delete_replied(call_t *call)
{
    cccc_builder_t result = cccc_map_builder(call->arena, 2);
    cccc_map_add(&result, "group_id", cccc_text(call->group->id));
    if (call->stored.err != CCCC_OK) {
        call->core->registry_dirty = true;
        cccc_map_add(&result, "warning",
                     cccc_text("the group is gone, but registry.json could not be written yet; it is tried again every second"));
    }
    call_reply(call, &result.value);
}

/* The folder is in the trash as far as anybody can see, but not for certain: the group is no longer served, so that nothing is acknowledged in a folder
 * that a power failure may move either way. */
static void delete_unsynced(call_t *call)
{
    struct cccc_group *group = call->group;
    cccc_builder_t details = cccc_map_builder(call->arena, 2);
    cccc_map_add(&details, "outcome", cccc_text("unknown"));
    cccc_map_add(&details, "cause", cccc_text(cccc_err_code(call->stored.err)));
    core_log(call->core, 4, "GROUP-DELETED-UNSYNCED", "a deleted group is in the trash, but the disk did not confirm it group=%s why=%s",
             group->id, call->stored.message);
    group_forget(call->core, group);
    call->core->registry_dirty = true;
    call_fail_details(call, CCCC_E_GROUP_DELETE_FAILED, details.value,
                      "the folder of group %s is in the trash, but the disk did not confirm it (%s); after a power failure it may be back",
                      group->id, call->stored.message);
}

static void delete_trashed(call_t *call)
{
    struct cccc_group *group = call->group;
    if (call->stored.err != CCCC_OK && cccc_get_bool(call->stored.value, "moved", false)) {
        delete_unsynced(call);
        return;
    }
    if (call->stored.err != CCCC_OK) {
        /* The executor has closed the ledger: reading it again is the way back. */
        core_effect(call->core, CCCC_DO_REFOLD)->slot = group->slot;
        call_fail_cause(call, CCCC_E_GROUP_DELETE_FAILED, call->stored.err,
                        "the folder of group %s could not be moved to the trash: %s; the group is kept", group->id, call->stored.message);
        return;
    }
    core_log(call->core, 5, "GROUP-DELETED", "the group is in the trash group=%s by=%.*s", group->id, CCCC_STR_FMT(call->by));
    group_forget(call->core, group);
    struct cccc_store store;
    registry_store(call->core, &store);
    call_store(call, &store, delete_replied);
}

void op_group_delete(call_t *call)
{
    struct cccc_group *ahead = manage(call, CCCC_A_group_delete_group_id, CCCC_A_group_delete_by, CCCC_E_GROUP_DELETE_FAILED);
    if (ahead == NULL)
        return;
    struct cccc_group *group = call->group;
    if (call->core->serve_only) {
        call_fail(call, CCCC_E_GROUP_READ_ONLY, "group %s is not deleted: %s", group->id, SERVE_ONLY_WHY);
        return;
    }
    cccc_str_t confirm = cccc_arg_str(&call->request.args, CCCC_A_group_delete_confirm);
    if (cccc_arg_given(&call->request.args, CCCC_A_group_delete_confirm) && !cccc_str_is(confirm, group->id)) {
        call_fail(call, CCCC_E_CONFIRMATION_REQUIRED, "confirm must be %s, exactly; nothing was deleted", group->id);
        return;
    }
    if (group->pending != NULL) {
        call_fail(call, CCCC_E_BUSY, "%u events of group %s wait for the disk; try again when they are answered", group->pending_count,
                  group->id);
        return;
    }
    struct cccc_store store = {.kind = CCCC_STORE_TRASH, .arena = cccc_arena_new(256)};
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    group->folding = true; /* takes nothing until the folder is moved, or found again */
    call->committed = true;
    call_store(call, &store, delete_trashed);
}

/* ---- lists of groups ---- */

static int compare_strs(cccc_str_t a, cccc_str_t b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int newest_first(const void *a, const void *b)
{
    const struct cccc_group *x = *(struct cccc_group *const *)a, *y = *(struct cccc_group *const *)b;
    int order = compare_strs(group_activity(y), group_activity(x));
    if (order == 0)
        order = compare_strs(y->config.created_at, x->config.created_at);
    return order != 0 ? order : strcmp(x->id, y->id);
}

struct cccc_group **groups_sorted(call_t *call, uint32_t *count)
{
    struct cccc_core *core = call->core;
    struct cccc_group **list = cccc_arena_alloc(call->arena, (core->group_count + 1) * sizeof(struct cccc_group *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < core->group_count; i++) {
        struct cccc_group *group = core->groups[i];
        if (!group->deleted && cccc_is_map(&group->document))
            list[n++] = group;
    }
    qsort(list, n, sizeof(struct cccc_group *), newest_first);
    *count = n;
    return list;
}

cccc_value_t groups_array(call_t *call, cccc_value_t (*make)(call_t *call, struct cccc_group *group), bool *more)
{
    uint32_t count;
    struct cccc_group **list = groups_sorted(call, &count);
    cccc_builder_t b = cccc_array_builder(call->arena, count);
    cccc_buf_t packed;
    cccc_buf_init(&packed);
    *more = false;
    for (uint32_t i = 0; i < count && !*more; i++) {
        cccc_value_t row = make(call, list[i]);
        cccc_pack_value(&packed, &row);
        *more = packed.size > CCCC_REPLY_BYTES_MAX - LIST_ROOM_BYTES;
        if (!*more)
            cccc_array_add(&b, row);
    }
    cccc_buf_fini(&packed);
    return b.value;
}

void group_row(const struct cccc_core *core, cccc_builder_t *row, const struct cccc_group *group)
{
    cccc_map_add(row, "state", cccc_text(state_word(group->config.state)));
    cccc_map_add(row, "running", cccc_bool(group->config.running));
    cccc_map_add(row, "head_seq", cccc_uint(group->head_seq));
    cccc_map_add(row, "actor_count", cccc_uint(group->config.actor_count));
    runtimes_show(core, row, group);
    cccc_map_add(row, "unread_count", cccc_uint(reader_unread(group, CCCC_STR("user"))));
    cccc_map_add(row, "owed_by_user", cccc_uint(reader_owes(group, CCCC_STR("user"))));
    cccc_map_add(row, "obligation_count", cccc_uint(group->obligations->open));
    cccc_value_t holds = guards_holds(row->arena, group);
    if (holds.via.array.size > 0)
        cccc_map_add(row, "holds", holds);
    if (group->offline != NULL)
        cccc_map_add(row, "offline", cccc_text(group->offline));
    if (group->read_only != NULL)
        cccc_map_add(row, "read_only", cccc_text(group->read_only));
}

static cccc_value_t groups_row(call_t *call, struct cccc_group *group)
{
    cccc_builder_t row = cccc_map_builder(call->arena, 16);
    registry_meta(call->core, &row, group);
    cccc_map_add(&row, "registry_health", cccc_text(group->offline != NULL ? "offline" : "ok"));
    group_row(call->core, &row, group);
    registry_kept(call->core, &row, group);
    return row.value;
}

void op_groups(call_t *call)
{
    bool more;
    cccc_builder_t result = cccc_map_builder(call->arena, 3), health = cccc_map_builder(call->arena, 2);
    cccc_value_t missing, corrupt;
    cccc_map_add(&result, "groups", groups_array(call, groups_row, &more));
    registry_health(call->core, call->arena, &missing, &corrupt);
    cccc_map_add(&health, "missing_group_ids", missing);
    cccc_map_add(&health, "corrupt_group_ids", corrupt);
    cccc_map_add(&result, "registry_health", health.value);
    if (more)
        cccc_map_add(&result, "more", cccc_bool(true));
    call_reply(call, &result.value);
}
