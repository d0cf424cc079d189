/* scopes.c - the project directories of a group: attach, group_use, group_detach_scope (reference 1.3, 3.7).
 *
 * A scope is known by a hash of its git remote, else of its directory; the same seed names the group that attaching makes when none is given, so
 * that attaching one project twice finds the same group. What is at a path is found out by the executor (CCCC_STORE_GIT).
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/messages/message.h"

/* ---- paths ---- */

bool path_clean(cccc_arena_t *arena, cccc_str_t path, cccc_str_t *out)
{
    if (path.len == 0 || path.ptr[0] != '/' || memchr(path.ptr, '\0', path.len) != NULL)
        return false;
    char *clean = cccc_arena_alloc(arena, path.len + 2);
    size_t n = 0;
    for (size_t at = 0; at < path.len;) {
        const char *slash = memchr(path.ptr + at, '/', path.len - at);
        cccc_str_t part = {path.ptr + at, (slash != NULL ? (size_t)(slash - path.ptr) : path.len) - at};
        at += part.len + 1;
        if (part.len == 0 || cccc_str_is(part, "."))
            continue;
        if (cccc_str_is(part, "..")) {
            while (n > 0 && clean[--n] != '/')
                ;
            continue;
        }
        clean[n++] = '/';
        memcpy(clean + n, part.ptr, part.len);
        n += part.len;
    }
    if (n == 0)
        clean[n++] = '/';
    *out = (cccc_str_t){clean, n};
    return true;
}

bool path_argument(call_t *call, enum cccc_arg_slot slot, cccc_str_t *out)
{
    cccc_str_t path = cccc_arg_str(&call->request.args, slot);
    if (path_clean(call->arena, path, out))
        return true;
    call_fail(call, CCCC_E_INVALID_PATH, "a path must be absolute, and %.*s is not; the broker cannot know what it is relative to",
              CCCC_STR_FMT(path));
    return false;
}

void place_ask(call_t *call, cccc_str_t path, call_next_fn next)
{
    struct cccc_store store = {.kind = CCCC_STORE_GIT, .arena = cccc_arena_new(CCCC_PATH_BYTES_MAX + 256)};
    store.name = cccc_arena_str(store.arena, path);
    call->state = cccc_arena_alloc(call->arena, sizeof(cccc_str_t));
    *(cccc_str_t *)call->state = path;
    call_store(call, &store, next);
}

/* In the continuation of place_ask. A path that does not exist, or is in no repository, is its own root. */
struct place place_answer(call_t *call)
{
    struct place p = {.root = *(const cccc_str_t *)call->state};
    if (call->stored.err == CCCC_OK) {
        p.directory = cccc_get_bool(call->stored.value, "directory", false);
        cccc_str_t root = cccc_get_str(call->stored.value, "root");
        if (root.len > 0)
            p.root = cccc_arena_str(call->arena, root);
        cccc_str_t remote = cccc_arena_str(call->arena, cccc_get_str(call->stored.value, "git_remote"));
        p.git_remote = git_remote_normalise(call->arena, remote);
    }
    cccc_str_t seed = p.git_remote.len > 0 ? p.git_remote : p.root;
    scope_hash_id(p.key, 's', seed);
    scope_hash_id(p.group_id, 'g', seed);
    const char *slash = memrchr(p.root.ptr, '/', p.root.len);
    size_t start = slash != NULL ? (size_t)(slash - p.root.ptr) + 1 : 0;
    p.label = start < p.root.len ? (cccc_str_t){p.root.ptr + start, p.root.len - start} : CCCC_STR("scope");
    return p;
}

/* ---- attach ---- */

static void scope_file(call_t *call, const struct cccc_scope *scope, bool present)
{
    struct cccc_store store = {.kind = CCCC_STORE_SCOPE, .arena = cccc_arena_new(1024), .document = cccc_nil()};
    store.group_id = cccc_arena_str(store.arena, cccc_str(call->group->id));
    store.name = cccc_arena_str(store.arena, scope->key);
    if (present) {
        char ts[28];
        core_ts(call->core, ts);
        cccc_builder_t b = cccc_map_builder(store.arena, 7);
        cccc_map_add(&b, "v", cccc_uint(1));
        cccc_map_add(&b, "scope_key", cccc_string(scope->key));
        cccc_map_add(&b, "url", cccc_string(scope->url));
        cccc_map_add(&b, "label", cccc_string(scope->label));
        cccc_map_add(&b, "git_remote", cccc_string(scope->git_remote));
        cccc_map_add(&b, "created_at", cccc_text(ts));
        cccc_map_add(&b, "updated_at", cccc_text(ts));
        store.document = cccc_value_copy(store.arena, &b.value);
    }
    core_store(call->core, &store);
}

static void attach_finish(call_t *call, cccc_builder_t *result)
{
    const struct change *change = call->state;
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, "scope_key", *cccc_get(&change->event, "scope_key"));
    cccc_map_add(result, "title", cccc_string(call->group->config.title));
}

void scope_attached(call_t *call, cccc_str_t key)
{
    const struct cccc_scope *scope = config_scope(call->group, key);
    registry_set_default(call->core, key, cccc_str(call->group->id));
    if (scope != NULL)
        scope_file(call, scope, true);
}

static void attach_applied(call_t *call)
{
    scope_attached(call, call->appended->event.scope_key);
    change_applied(call);
}

cccc_value_t attach_data(call_t *call, const struct place *place)
{
    cccc_builder_t data = cccc_map_builder(call->arena, 3);
    cccc_map_add(&data, "url", cccc_string(place->root));
    cccc_map_add(&data, "label", cccc_string(place->label));
    cccc_map_add(&data, "git_remote", cccc_string(place->git_remote));
    return data.value;
}

static void attach_to(call_t *call, struct cccc_group *group, const struct place *place)
{
    struct cccc_errmsg m;
    call->group = group;
    struct cccc_group *ahead = config_ahead(call, group);
    bool exists = cccc_is_map(&ahead->document);
    /* A group that attaching makes has no actors yet who could speak. */
    if (!permit_by(call, exists ? ahead : NULL, cccc_arg_str(&call->request.args, CCCC_A_attach_by), "cli"))
        return;
    if (ahead->config.scope_count >= CCCC_SCOPES_PER_GROUP_MAX && config_scope(ahead, cccc_str(place->key)) == NULL) {
        call_fail(call, CCCC_E_TOO_LARGE, "group %s has %d scopes, which is as many as it keeps; detach one first", group->id,
                  CCCC_SCOPES_PER_GROUP_MAX);
        return;
    }
    cccc_value_t data = attach_data(call, place);
    change_new(call, attach_finish, NULL);
    cccc_err_t err = change_fits(ahead, &data, &m);
    if (err == CCCC_OK && !exists)
        err = call_append(call, group, CCCC_KIND_GROUP_CREATE, call->by, CCCC_STR(""),
                          group_create_data(call->arena, place->label, CCCC_STR("")), NULL, &m);
    if (err == CCCC_OK)
        err = call_append(call, group, CCCC_KIND_GROUP_ATTACH, call->by, cccc_arena_str(call->arena, cccc_str(place->key)), data,
                          attach_applied, &m);
    if (err != CCCC_OK)
        call_fail(call, err, "%s", m.text);
}

static void attach_placed(call_t *call)
{
    struct place place = place_answer(call);
    struct cccc_group *group;
    if (cccc_arg_given(&call->request.args, CCCC_A_attach_group_id)) {
        /* Found before the question was asked; it may be gone by now. */
        if (!call_group(call, CCCC_A_attach_group_id))
            return;
        group = call->group;
    } else {
        cccc_str_t lost = registry_lost_default(call->core, cccc_str(place.key));
        group = lost.len > 0 ? NULL : registry_default(call->core, cccc_str(place.key));
        group = group_place(call, lost.len > 0 ? lost : group != NULL ? cccc_str(group->id) : cccc_str(place.group_id));
    }
    if (group != NULL)
        attach_to(call, group, &place);
}

void op_attach(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    cccc_str_t path;
    if (cccc_arg_given(args, CCCC_A_attach_group_id) && !call_group(call, CCCC_A_attach_group_id))
        return;
    struct cccc_group *ahead = call->group != NULL ? config_ahead(call, call->group) : NULL;
    if (permit_by(call, ahead, cccc_arg_str(args, CCCC_A_attach_by), "cli") && path_argument(call, CCCC_A_attach_path, &path))
        place_ask(call, path, attach_placed);
}

/* ---- group_use ---- */

static void use_finish(call_t *call, cccc_builder_t *result)
{
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, "active_scope_key", cccc_string(call->group->config.active_scope_key));
}

static void use_scope(call_t *call, const struct cccc_scope *scope)
{
    cccc_builder_t data = cccc_map_builder(call->arena, 1);
    cccc_map_add(&data, "path", cccc_string(cccc_arena_str(call->arena, scope->url)));
    change_begin(call, CCCC_KIND_GROUP_SET_ACTIVE_SCOPE, cccc_arena_str(call->arena, scope->key), data.value, use_finish, NULL);
}

static bool contains(cccc_str_t url, cccc_str_t path)
{
    if (url.len == 0 || path.len < url.len || memcmp(path.ptr, url.ptr, url.len) != 0)
        return false;
    return path.len == url.len || path.ptr[url.len] == '/' || url.ptr[url.len - 1] == '/';
}

/* The innermost scope that holds the path. */
static const struct cccc_scope *scope_of_path(const struct cccc_group *group, cccc_str_t path)
{
    const struct cccc_scope *best = NULL;
    for (uint32_t i = 0; i < group->config.scope_count; i++) {
        const struct cccc_scope *scope = &group->config.scopes[i];
        if (contains(scope->url, path) && (best == NULL || scope->url.len > best->url.len))
            best = scope;
    }
    return best;
}

/* "its scopes are /a, /b": what a path could have been in. */
cccc_str_t scopes_said(cccc_arena_t *arena, const struct cccc_group *group)
{
    enum { NAMED_MAX = 5 };
    cccc_str_t said = CCCC_STR("it has no scope yet");
    uint32_t count = group->config.scope_count;
    for (uint32_t i = 0; i < count && i < NAMED_MAX; i++)
        said = i == 0 ? cccc_arena_printf(arena, "its scopes: %.*s", CCCC_STR_FMT(group->config.scopes[i].url))
                      : cccc_arena_printf(arena, "%.*s, %.*s", CCCC_STR_FMT(said), CCCC_STR_FMT(group->config.scopes[i].url));
    return count > NAMED_MAX ? cccc_arena_printf(arena, "%.*s and %u more", CCCC_STR_FMT(said), count - NAMED_MAX) : said;
}

/* No scope holds the path by its name; another clone of an attached repository is that scope too. */
static void use_placed(call_t *call)
{
    struct place place = place_answer(call);
    if (!call_group(call, CCCC_A_group_use_group_id))
        return;
    const struct cccc_scope *scope = config_scope(config_ahead(call, call->group), cccc_str(place.key));
    if (scope != NULL) {
        use_scope(call, scope);
        return;
    }
    cccc_builder_t details = cccc_map_builder(call->arena, 1);
    cccc_map_add(&details, "hint",
                 cccc_string(cccc_arena_printf(call->arena, "cccc attach %.*s --group %s", CCCC_STR_FMT(place.root), call->group->id)));
    call_fail_details(call, CCCC_E_SCOPE_NOT_ATTACHED, details.value, "%.*s is in no scope of group %s (%.*s)", CCCC_STR_FMT(place.root),
                      call->group->id, CCCC_STR_FMT(scopes_said(call->arena, call->group)));
}

void op_group_use(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    cccc_str_t path;
    if (!call_group(call, CCCC_A_group_use_group_id))
        return;
    struct cccc_group *ahead = config_ahead(call, call->group);
    if (!permit_by(call, ahead, cccc_arg_str(args, CCCC_A_group_use_by), "cli") || !path_argument(call, CCCC_A_group_use_path, &path))
        return;
    const struct cccc_scope *scope = scope_of_path(ahead, path);
    if (scope != NULL)
        use_scope(call, scope);
    else
        place_ask(call, path, use_placed);
}

/* ---- group_detach_scope ---- */

static void detach_finish(call_t *call, cccc_builder_t *result)
{
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
}

static void detach_applied(call_t *call)
{
    struct cccc_scope gone = {.key = call->appended->event.scope_key};
    registry_drop_default(call->core, gone.key, call->group);
    scope_file(call, &gone, false);
    change_applied(call);
}

void op_group_detach_scope(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct cccc_errmsg m;
    if (!call_group(call, CCCC_A_group_detach_scope_group_id))
        return;
    struct cccc_group *ahead = config_ahead(call, call->group);
    if (!permit_by(call, ahead, cccc_arg_str(args, CCCC_A_group_detach_scope_by), "user"))
        return;
    cccc_str_t key = cccc_arg_str(args, CCCC_A_group_detach_scope_scope_key);
    if (!permit_in(ahead, call->by, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), &m)) {
        call_fail_cause(call, CCCC_E_GROUP_DETACH_SCOPE_FAILED, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return;
    }
    if (config_scope(ahead, key) == NULL) {
        call_fail_cause(call, CCCC_E_GROUP_DETACH_SCOPE_FAILED, CCCC_E_SCOPE_NOT_ATTACHED,
                        "scope not attached: %.*s is no scope of group %s", CCCC_STR_FMT(key), call->group->id);
        return;
    }
    cccc_builder_t data = cccc_map_builder(call->arena, 1);
    cccc_map_add(&data, "scope_key", cccc_string(key));
    change_new(call, detach_finish, NULL);
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_GROUP_DETACH_SCOPE, call->by, key, data.value, detach_applied, &m);
    if (err != CCCC_OK)
        call_fail(call, err, "%s", m.text);
}
