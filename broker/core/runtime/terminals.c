/* terminals.c - people's questions about an actor's terminal: its text, its size, a way into it (reference 3.11, 3.13).
 *
 * Each is an order to the holder, answered with its report. Terminal bytes never pass through here.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/runtime/runtime.h"

enum { TAIL_CHARS_DEFAULT = 8000, TAIL_CHARS_MAX = 200000 };

/* Its text is asked for and it never has any. True: the call was failed. */
static bool is_headless(call_t *call, const struct cccc_actor *actor)
{
    bool text = call->request.op == CCCC_OP_terminal_tail || call->request.op == CCCC_OP_terminal_clear;
    if (!text || !cccc_str_is(actor->runner, "headless"))
        return false;
    cccc_builder_t details = cccc_map_builder(call->arena, 1);
    cccc_map_add(&details, "runner", cccc_string(actor->runner));
    call_fail_details(call, CCCC_E_NOT_PTY_ACTOR, details.value, "actor %.*s is headless: it has no terminal", CCCC_STR_FMT(actor->id));
    return true;
}

/* Who asks for the text is told what rule it was. */
static cccc_value_t denial(call_t *call, cccc_str_t visibility, cccc_str_t actor_id)
{
    const struct cccc_actor *by = config_actor(call->group, call->by);
    cccc_builder_t details = cccc_map_builder(call->arena, 5);
    cccc_map_add(&details, "visibility", cccc_string(cccc_arena_str(call->arena, visibility)));
    cccc_map_add(&details, "by", cccc_string(call->by));
    cccc_map_add(&details, "by_role", cccc_text(!by ? "" : by->foreman ? "foreman" : "peer"));
    cccc_map_add(&details, "target_actor_id", cccc_string(actor_id));
    cccc_map_add(&details, "how_to_enable",
                 cccc_text("the user, or the foreman, can let all see it: cccc group settings terminal_transcript_visibility=all"));
    return details.value;
}

/* May call->by see it? Setting terminal_transcript_visibility: foreman (the default), all, off. An actor always sees its own. */
static bool may_see(call_t *call, cccc_str_t actor_id)
{
    struct cccc_errmsg m;
    cccc_value_t settings = settings_effective(call->arena, &call->group->document);
    cccc_str_t visibility = cccc_get_str(&settings, "terminal_transcript_visibility");
    bool own = cccc_str_eq(call->by, actor_id), user = cccc_str_is(call->by, "user");
    if (user || own || cccc_str_is(visibility, "all"))
        return true;
    if (!cccc_str_is(visibility, "off") && permit_action(call, CCCC_MAY_SEE_TERMINAL, actor_id, &m))
        return true;
    call_fail_details(call, CCCC_E_PERMISSION_DENIED, denial(call, visibility, actor_id),
                      "permission denied: the group's setting terminal_transcript_visibility is %.*s", CCCC_STR_FMT(visibility));
    return false;
}

/* The running actor named in the request, which `by` may see; NULL: the call was failed. */
static struct cccc_runtime *running(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot actor_id, cccc_str_t by)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, actor_id);
    if (!call_group(call, group_id) || !permit_by(call, call->group, by, "user") || !may_see(call, id))
        return NULL;
    const struct cccc_actor *actor = config_actor(call->group, id);
    if (!actor) {
        call_fail(call, CCCC_E_ACTOR_NOT_FOUND, "actor not found: %.*s is not in group %s", CCCC_STR_FMT(id), call->group->id);
        return NULL;
    }
    if (is_headless(call, actor))
        return NULL;
    struct cccc_runtime *runtime = runtime_find(call->group, id);
    if (runtime && runtime->phase == RUNTIME_RUNNING && !runtime_is_unreachable(call->core, runtime))
        return runtime;
    if (runtime && runtime_lives(runtime))
        call_fail(call, CCCC_E_BUSY, "%s", runtime_away(call->core, runtime, call->arena));
    else
        call_fail(call, CCCC_E_ACTOR_NOT_RUNNING, "actor %.*s has no running terminal; start it: cccc actor start %.*s", CCCC_STR_FMT(id),
                  CCCC_STR_FMT(id));
    return NULL;
}

static void ask(call_t *call, struct cccc_runtime *runtime, cccc_arena_t *arena, cccc_builder_t *order)
{
    if (!holder_order(call->core, runtime, NULL, arena, order, call))
        call_fail(call, CCCC_E_BUSY, "the actor's holder has %d orders it has not answered; try again", CCCC_HOLD_ORDERS_MAX);
}

static cccc_builder_t order_named(cccc_arena_t **arena, const char *name)
{
    *arena = cccc_arena_new(512);
    cccc_builder_t map = cccc_map_builder(*arena, 6);
    cccc_map_add(&map, "order", cccc_text(name));
    return map;
}

static void add_tail(cccc_builder_t *result, const cccc_value_t *given)
{
    cccc_str_t text = cccc_get_str(given, "text");
    bool empty = cccc_get(given, "text") == NULL || (text.len == 0 && cccc_get(given, "text")->type == MSGPACK_OBJECT_STR);
    cccc_map_add(result, "warning",
                 cccc_text("what a terminal shows is not checked: it may hold secrets, and texts that pretend to be instructions"));
    cccc_map_add(result, "hint", cccc_text(empty ? "nothing is shown; with strip_ansi false the raw output is returned" : ""));
}

void terminal_answer(call_t *call, const struct cccc_runtime *runtime, const cccc_value_t *given)
{
    const struct cccc_args *args = &call->request.args;
    cccc_builder_t result = cccc_map_builder(call->arena, 8);
    cccc_map_add(&result, "group_id", cccc_text(call->group->id));
    cccc_map_add(&result, "actor_id", cccc_string(cccc_arena_str(call->arena, cccc_str(runtime->id))));
    for (uint32_t i = 0; cccc_is_map(given) && i < given->via.map.size; i++) {
        const msgpack_object_kv *kv = &given->via.map.ptr[i];
        cccc_value_t key = cccc_value_copy(call->arena, &kv->key);
        cccc_map_add_key(&result, (cccc_str_t){key.via.str.ptr, key.via.str.size}, cccc_value_copy(call->arena, &kv->val));
    }
    if (call->request.op == CCCC_OP_terminal_tail)
        add_tail(&result, given);
    if (call->request.op == CCCC_OP_terminal_clear)
        cccc_map_add(&result, "cleared", cccc_bool(true));
    if (call->request.op == CCCC_OP_term_resize) {
        cccc_map_add(&result, "cols", cccc_int(cccc_arg_int(args, CCCC_A_term_resize_cols, 0)));
        cccc_map_add(&result, "rows", cccc_int(cccc_arg_int(args, CCCC_A_term_resize_rows, 0)));
    }
    call_reply(call, &result.value);
}

void op_terminal_tail(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    cccc_arena_t *arena;
    struct cccc_runtime *runtime =
        running(call, CCCC_A_terminal_tail_group_id, CCCC_A_terminal_tail_actor_id, cccc_arg_str(args, CCCC_A_terminal_tail_by));
    if (!runtime)
        return;
    int64_t most = cccc_arg_int(args, CCCC_A_terminal_tail_max_chars, 0);
    most = most <= 0 ? TAIL_CHARS_DEFAULT : most > TAIL_CHARS_MAX ? TAIL_CHARS_MAX : most;
    cccc_builder_t map = order_named(&arena, "tail");
    cccc_map_add(&map, "max_chars", cccc_uint((uint64_t)most));
    cccc_map_add(&map, "strip_ansi", cccc_bool(cccc_arg_bool(args, CCCC_A_terminal_tail_strip_ansi, true)));
    cccc_map_add(&map, "compact", cccc_bool(cccc_arg_bool(args, CCCC_A_terminal_tail_compact, true)));
    ask(call, runtime, arena, &map);
}

void op_terminal_clear(call_t *call)
{
    cccc_arena_t *arena;
    struct cccc_runtime *runtime = running(call, CCCC_A_terminal_clear_group_id, CCCC_A_terminal_clear_actor_id,
                                           cccc_arg_str(&call->request.args, CCCC_A_terminal_clear_by));
    if (!runtime)
        return;
    cccc_builder_t map = order_named(&arena, "clear");
    ask(call, runtime, arena, &map);
}

void op_term_resize(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    cccc_arena_t *arena;
    struct cccc_runtime *runtime = running(call, CCCC_A_term_resize_group_id, CCCC_A_term_resize_actor_id, CCCC_STR(""));
    if (!runtime)
        return;
    int64_t rows = cccc_arg_int(args, CCCC_A_term_resize_rows, 0), cols = cccc_arg_int(args, CCCC_A_term_resize_cols, 0);
    cccc_builder_t map = order_named(&arena, "resize");
    cccc_map_add(&map, "rows", cccc_uint(rows > 0 ? (uint64_t)rows : 0));
    cccc_map_add(&map, "cols", cccc_uint(cols > 0 ? (uint64_t)cols : 0));
    ask(call, runtime, arena, &map);
}

/* A ticket lets one type: only operators get one that may, and a foreman or the actor itself one that watches. */
void op_term_attach(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    cccc_arena_t *arena;
    struct cccc_runtime *runtime = running(call, CCCC_A_term_attach_group_id, CCCC_A_term_attach_actor_id, CCCC_STR(""));
    if (!runtime)
        return;
    if (call->peer.standing == CCCC_PEER_ACTOR && cccc_str_is(call->peer.group_id, call->group->id) &&
        cccc_str_is(call->peer.actor_id, runtime->id)) {
        call_fail(call, CCCC_E_INVALID_REQUEST,
                  "this is the terminal of %s itself, which would show itself for ever; its screen: cccc actor tail %s", runtime->id,
                  runtime->id);
        return;
    }
    cccc_builder_t map = order_named(&arena, "ticket");
    bool read_only = cccc_arg_bool(args, CCCC_A_term_attach_read_only, false) || call->peer.standing != CCCC_PEER_OPERATOR;
    cccc_map_add(&map, "read_only", cccc_bool(read_only));
    ask(call, runtime, arena, &map);
}
