/* sessions.c - starting, stopping and restarting actors, and their private environment (reference 3.8).
 *
 * An op is a change of configuration; what runs follows from it (runtime.c). The answer waits for the program to run or to be gone, so that it can say which.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/runtime/runtime.h"

#include <stdio.h>

#define STORE_CHUNK_BYTES 2048

/* ---- what the three have in common ---- */

struct session_op {
    cccc_kind_t kind;
    enum cccc_action action;
    cccc_err_t failed;
    enum cccc_arg_slot group_id, actor_id, by;
};

static void session_finish(call_t *call, cccc_builder_t *result)
{
    const struct change *change = call->state;
    const struct session_op *op = change->own;
    const struct cccc_actor *actor = config_actor(call->group, cccc_arg_str(&call->request.args, op->actor_id));
    const struct cccc_runtime *runtime = actor ? runtime_find(call->group, actor->id) : NULL;
    cccc_map_add(result, "actor", actor ? actor_shown(call->arena, actor) : cccc_nil());
    cccc_map_add(result, "running", cccc_bool(runtime && runtime_runs(runtime)));
    const cccc_value_t *data = cccc_get(&change->event, "data"), *others = cccc_get(data, "left_stopped");
    if (cccc_get_bool(data, "group_started", false))
        cccc_map_add(result, "group_started", cccc_bool(true));
    if (others)
        cccc_map_add(result, "left_stopped", *others);
    if (runtime && runtime_runs(runtime) && runtime->pid)
        cccc_map_add(result, "pid", cccc_int(runtime->pid));
}

/* One that runs and cannot be reached was not started a second time. */
static const char *why_not(const call_t *call, const struct cccc_runtime *runtime)
{
    if (runtime_runs(runtime))
        return runtime_away(call->core, runtime, call->arena);
    if (runtime->failure[0])
        return cccc_arena_printf(call->arena, "%s does not run: %s", runtime->id, runtime->failure).ptr;
    const char *why = runtime->phase == RUNTIME_ABSENT && runtime->exit.known && runtime->generation == runtime->current
                          ? "its program has exited again; `cccc actor show` has its last screen"
                          : "it did not start within 15 s; `cccc actor list` shows what is known of it";
    return cccc_arena_printf(call->arena, "%s does not run: %s", runtime->id, why).ptr;
}

/* {cause, path}: of a start that failed before there was a program. */
static cccc_value_t start_details(const call_t *call, const struct cccc_runtime *runtime)
{
    cccc_builder_t details = cccc_map_builder(call->arena, 2);
    const struct cccc_actor *actor = config_actor(call->group, cccc_str(runtime->id));
    const struct cccc_scope *scope = actor ? runtime_scope(call->group, actor) : NULL;
    if (runtime->cause != CCCC_OK)
        cccc_map_add(&details, "cause", cccc_text(cccc_err_code(runtime->cause)));
    if (runtime->cause == CCCC_E_INVALID_PROJECT_ROOT && scope)
        cccc_map_add(&details, "path", cccc_string(cccc_arena_str(call->arena, scope->url)));
    return details.value;
}

/* A program that was wanted and does not run is an error, though the wish is recorded. */
static void session_settled(call_t *call)
{
    struct change *change = call->state;
    const struct session_op *op = change->own;
    const struct cccc_runtime *runtime = runtime_find(call->group, cccc_arg_str(&call->request.args, op->actor_id));
    bool wanted = op->kind != CCCC_KIND_ACTOR_STOP && call->group->config.running;
    if (wanted && runtime && runtime_runs(runtime) && op->kind == CCCC_KIND_ACTOR_RESTART && runtime->failure[0])
        call_fail_details(call, op->failed, start_details(call, runtime), "%s was not restarted, and its program runs on: %s", runtime->id,
                          runtime->failure);
    else if (wanted && runtime && runtime->phase != RUNTIME_RUNNING)
        call_fail_details(call, op->failed, start_details(call, runtime), "%s", why_not(call, runtime));
    else
        change_reply(call);
}

static void session_wait(call_t *call)
{
    struct change *change = call->state;
    const struct session_op *op = change->own;
    struct cccc_runtime *runtime = runtime_find(call->group, cccc_arg_str(&call->request.args, op->actor_id));
    if (!runtime) {
        change_reply(call); /* headless: nothing runs that could be waited for */
        return;
    }
    if (op->kind != CCCC_KIND_ACTOR_STOP)
        runtime_encourage(runtime, RUNTIME_ASKED);
    if (op->kind == CCCC_KIND_ACTOR_RESTART)
        runtime->restart = runtime_lives(runtime);
    runtimes_reconcile(call->core, call->group);
    bool to_stop = op->kind == CCCC_KIND_ACTOR_STOP || !call->group->config.running;
    runtime_await(call, runtime, to_stop, session_settled);
}

/* Its start makes a group run that did not: for it alone, the others stay as they are. */
static void starts_group(call_t *call, cccc_builder_t *data, const struct cccc_group *view, cccc_str_t actor_id)
{
    cccc_builder_t list = cccc_array_builder(call->arena, view->config.actor_count);
    for (uint32_t i = 0; i < view->config.actor_count; i++) {
        const struct cccc_actor *other = &view->config.actors[i];
        if (other->enabled && runtime_has_terminal(other) && !cccc_str_eq(other->id, actor_id))
            cccc_array_add(&list, cccc_string(cccc_arena_str(call->arena, other->id)));
    }
    cccc_map_add(data, "group_started", cccc_bool(true));
    if (list.value.via.array.size > 0)
        cccc_map_add(data, "left_stopped", list.value);
}

/* `stopped`: the group, when it does not run. */
static cccc_value_t session_data(call_t *call, const struct cccc_group *stopped, cccc_kind_t kind, const struct cccc_actor *actor)
{
    cccc_builder_t data = cccc_map_builder(call->arena, 5);
    cccc_str_t actor_id = cccc_arena_str(call->arena, actor->id);
    cccc_value_t runner = cccc_string(cccc_arena_str(call->arena, actor->runner));
    cccc_map_add(&data, "actor_id", cccc_string(actor_id));
    cccc_map_add(&data, "runner", runner);
    cccc_map_add(&data, "runner_effective", runner);
    if (kind == CCCC_KIND_ACTOR_START && stopped)
        starts_group(call, &data, stopped, actor_id);
    return data.value;
}

/* Why it cannot be started at all. */
static cccc_err_t startable(call_t *call, const struct cccc_group *ahead, const struct cccc_actor *actor, struct cccc_errmsg *m)
{
    if (!runtime_has_terminal(actor))
        return CCCC_OK;
    cccc_str_t key = cccc_get_str(actor->entry, "default_scope_key");
    if (key.len == 0 && ahead->config.active_scope_key.len == 0)
        return cccc_fail(m, CCCC_E_MISSING_PROJECT_ROOT, "group %s has no directory to work in; attach one first: cccc attach PATH",
                         ahead->id);
    if (key.len > 0 && !config_scope(ahead, key))
        return cccc_fail(m, CCCC_E_SCOPE_NOT_ATTACHED, "scope %.*s of actor %.*s is not attached to group %s", CCCC_STR_FMT(key),
                         CCCC_STR_FMT(actor->id), ahead->id);
    if (actor_command(call->arena, actor).via.array.size == 0)
        return cccc_fail(m, CCCC_E_MISSING_COMMAND,
                         "actor %.*s has runtime custom and no command; give it one: cccc actor update %.*s --command ...",
                         CCCC_STR_FMT(actor->id), CCCC_STR_FMT(actor->id));
    return CCCC_OK;
}

static void session_begin(call_t *call, const struct session_op *op)
{
    const struct cccc_args *args = &call->request.args;
    struct cccc_errmsg m;
    if (!call_group(call, op->group_id))
        return;
    struct cccc_group *ahead = config_ahead(call, call->group);
    if (!permit_by(call, ahead, cccc_arg_str(args, op->by), "user"))
        return;
    cccc_str_t id = cccc_arg_str(args, op->actor_id);
    const struct cccc_actor *actor = config_actor(ahead, id);
    if (!permit_in(ahead, call->by, op->action, id, &m)) {
        call_fail_cause(call, op->failed, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return;
    }
    if (!actor) {
        call_fail_cause(call, op->failed, CCCC_E_ACTOR_NOT_FOUND, "actor not found: %.*s is not in group %s", CCCC_STR_FMT(id), ahead->id);
        return;
    }
    cccc_err_t err = op->kind != CCCC_KIND_ACTOR_STOP ? startable(call, ahead, actor, &m) : CCCC_OK;
    if (err != CCCC_OK) {
        call_fail(call, err, "%s", m.text);
        return;
    }
    struct change *change = change_new(call, session_finish, (void *)(uintptr_t)op);
    change->meanwhile = session_wait;
    cccc_value_t data = session_data(call, ahead->config.running ? NULL : ahead, op->kind, actor);
    err = call_append(call, call->group, op->kind, call->by, CCCC_STR(""), data, change_applied, &m);
    if (err != CCCC_OK)
        call_fail(call, err, "%s", m.text);
}

void op_actor_start(call_t *call)
{
    static const struct session_op op = {CCCC_KIND_ACTOR_START,       CCCC_MAY_ACTOR_START,        CCCC_E_ACTOR_START_FAILED,
                                         CCCC_A_actor_start_group_id, CCCC_A_actor_start_actor_id, CCCC_A_actor_start_by};
    session_begin(call, &op);
}

void op_actor_stop(call_t *call)
{
    static const struct session_op op = {CCCC_KIND_ACTOR_STOP,       CCCC_MAY_ACTOR_STOP,        CCCC_E_ACTOR_STOP_FAILED,
                                         CCCC_A_actor_stop_group_id, CCCC_A_actor_stop_actor_id, CCCC_A_actor_stop_by};
    session_begin(call, &op);
}

void op_actor_restart(call_t *call)
{
    static const struct session_op op = {CCCC_KIND_ACTOR_RESTART,       CCCC_MAY_ACTOR_STOP,           CCCC_E_ACTOR_RESTART_FAILED,
                                         CCCC_A_actor_restart_group_id, CCCC_A_actor_restart_actor_id, CCCC_A_actor_restart_by};
    session_begin(call, &op);
}

/* ---- by a rule ---- */

cccc_err_t session_decide(call_t *call, const struct cccc_group *view, const struct cccc_actor *actor, cccc_kind_t kind,
                          const cccc_value_t *rule, call_next_fn next, struct cccc_errmsg *m)
{
    cccc_err_t err = kind != CCCC_KIND_ACTOR_STOP ? startable(call, view, actor, m) : CCCC_OK;
    if (err)
        return err;
    bool runs = view->config.running || call->appended; /* of a rule's starts the first makes the group run */
    cccc_value_t data = session_data(call, runs ? NULL : view, kind, actor);
    data = cccc_map_with(call->arena, &data, CCCC_STR("rule"), *rule);
    return call_append(call, call->group, kind, CCCC_STR("system"), CCCC_STR(""), data, next, m);
}

/* ---- woken by a message ---- */

bool session_may_wake(const struct cccc_group *view, const struct cccc_actor *actor)
{
    return (!actor->enabled || actor->left_stopped) && runtime_has_terminal(actor) && view->config.running &&
           view->config.state != CCCC_GROUP_PAUSED;
}

cccc_err_t session_wake(call_t *call, struct cccc_group *group, const struct cccc_actor *actor, struct cccc_errmsg *m)
{
    struct cccc_runtime *runtime = runtime_find(group, actor->id);
    if (runtime)
        runtime_encourage(runtime, RUNTIME_WOKEN);
    return call_append(call, group, CCCC_KIND_ACTOR_START, CCCC_STR("system"), CCCC_STR(""),
                       session_data(call, NULL, CCCC_KIND_ACTOR_START, actor), NULL, m);
}

/* ---- the private environment: in files of the store's, never here ---- */

static void secrets_done(call_t *call)
{
    if (call->stored.err != CCCC_OK) {
        call_fail(call, call->stored.err, "%s", call->stored.message);
        return;
    }
    const cccc_value_t *keys = cccc_get(call->stored.value, "keys");
    cccc_builder_t result = cccc_map_builder(call->arena, 3);
    cccc_map_add(&result, "group_id", cccc_text(call->group->id));
    cccc_map_add(&result, "actor_id", cccc_string(*(const cccc_str_t *)call->state));
    cccc_map_add(&result, "keys", cccc_is_array(keys) ? *keys : cccc_array_builder(call->arena, 0).value);
    call_reply(call, &result.value);
}

/* `document`: what cccc_store's SECRETS takes. */
static void secrets_begin(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot actor_id, enum cccc_arg_slot by,
                          cccc_value_t document)
{
    struct cccc_errmsg m;
    if (!call_group(call, group_id) || !permit_by(call, call->group, cccc_arg_str(&call->request.args, by), "user"))
        return;
    cccc_str_t *id = cccc_arena_alloc(call->arena, sizeof *id);
    *id = cccc_arg_str(&call->request.args, actor_id);
    if (!permit_action(call, CCCC_MAY_KEEP_SECRETS, *id, &m)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return;
    }
    if (!config_actor(call->group, *id)) {
        call_fail(call, CCCC_E_ACTOR_NOT_FOUND, "actor not found: %.*s is not in group %s", CCCC_STR_FMT(*id), call->group->id);
        return;
    }
    struct cccc_store store = {.kind = CCCC_STORE_SECRETS, .arena = cccc_arena_new(STORE_CHUNK_BYTES)};
    store.group_id = cccc_arena_str(store.arena, cccc_str(call->group->id));
    store.name = cccc_arena_str(store.arena, *id);
    store.document = cccc_value_copy(store.arena, &document);
    call->state = id;
    call->committed = !cccc_is_nil(&document);
    call_store(call, &store, secrets_done);
}

void op_actor_env_private_keys(call_t *call)
{
    secrets_begin(call, CCCC_A_actor_env_private_keys_group_id, CCCC_A_actor_env_private_keys_actor_id, CCCC_A_actor_env_private_keys_by,
                  cccc_nil());
}

void op_actor_env_private_update(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    cccc_builder_t document = cccc_map_builder(call->arena, 3);
    const cccc_value_t *set = cccc_arg(args, CCCC_A_actor_env_private_update_set),
                       *unset = cccc_arg(args, CCCC_A_actor_env_private_update_unset);
    cccc_map_add(&document, "clear", cccc_bool(cccc_arg_bool(args, CCCC_A_actor_env_private_update_clear, false)));
    if (unset)
        cccc_map_add(&document, "unset", *unset);
    if (set)
        cccc_map_add(&document, "set", *set);
    secrets_begin(call, CCCC_A_actor_env_private_update_group_id, CCCC_A_actor_env_private_update_actor_id,
                  CCCC_A_actor_env_private_update_by, document.value);
}

/* ---- what a program is told first ---- */

/* NULL: the call was failed. */
static const struct cccc_actor *prompted(call_t *call)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_actor_prompt_actor_id);
    if (!call_group(call, CCCC_A_actor_prompt_group_id))
        return NULL;
    const struct cccc_actor *actor = config_actor(call->group, id);
    if (!actor)
        call_fail(call, CCCC_E_ACTOR_NOT_FOUND, "actor not found: %.*s is not in group %s", CCCC_STR_FMT(id), call->group->id);
    return actor;
}

static void prompt_read(call_t *call)
{
    const struct cccc_actor *actor = prompted(call);
    if (!actor)
        return;
    if (call->stored.err != CCCC_OK) {
        call_fail(call, call->stored.err, "%s", call->stored.message);
        return;
    }
    cccc_str_t words = cccc_get_str(call->stored.value, "text");
    cccc_builder_t result = cccc_map_builder(call->arena, 4);
    cccc_map_add(&result, "group_id", cccc_text(call->group->id));
    cccc_map_add(&result, "actor_id", cccc_string(cccc_arena_str(call->arena, actor->id)));
    cccc_map_add(&result, "prompt", cccc_string(render_preamble(call->arena, call->group, actor, words)));
    call_reply(call, &result.value);
}

void op_actor_prompt(call_t *call)
{
    if (!prompted(call))
        return;
    struct cccc_store store = {.kind = CCCC_STORE_PROMPT, .arena = cccc_arena_new(STORE_CHUNK_BYTES), .document = cccc_nil()};
    store.group_id = cccc_arena_str(store.arena, cccc_str(call->group->id));
    store.name = CCCC_STR("CCCC_PREAMBLE.md");
    call_store(call, &store, prompt_read);
}
