/* debug.c - what the daemon shows to developers (reference 3.6), and only in developer mode.
 *
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/runtime/runtime.h"

static cccc_value_t daemon_value(call_t *call)
{
    const struct cccc_daemon_facts *facts = call->core->facts;
    cccc_builder_t map = cccc_map_builder(call->arena, 4);
    char ts[28];
    core_ts(call->core, ts);
    cccc_map_add(&map, "pid", cccc_int(facts ? facts->pid : 0));
    cccc_map_add(&map, "version", cccc_text(call->gateway || !facts ? CCCC_IPC_VERSION : facts->version));
    cccc_map_add(&map, "ts", cccc_string(cccc_arena_str(call->arena, cccc_str(ts))));
    return map.value;
}

static cccc_value_t actor_row(call_t *call, const struct cccc_actor *actor)
{
    cccc_builder_t row = cccc_map_builder(call->arena, 10);
    const struct cccc_runtime *runtime = runtime_find(call->group, actor->id);
    cccc_map_add(&row, "id", cccc_string(actor->id));
    cccc_map_add(&row, "role", cccc_text(actor->foreman ? "foreman" : "peer"));
    cccc_map_add(&row, "runtime", cccc_string(actor->runtime));
    cccc_map_add(&row, "runner", cccc_string(actor->runner));
    cccc_map_add(&row, "runner_effective", cccc_string(actor->runner));
    cccc_map_add(&row, "enabled", cccc_bool(actor->enabled));
    cccc_map_add(&row, "running", cccc_bool(runtime && runtime_lives(runtime)));
    cccc_map_add(&row, "unread_count", cccc_uint(reader_unread(call->group, actor->id)));
    return row.value;
}

enum { KINDS_SHOWN = 20 };

/* The kinds of what waits first, in order. */
static cccc_value_t kinds_waiting(cccc_arena_t *arena, const struct cccc_runtime *runtime)
{
    uint64_t chat[KINDS_SHOWN], notify[KINDS_SHOWN];
    uint32_t chats = unread_peek(&runtime->queue[CCCC_LANE_CHAT], chat, KINDS_SHOWN), c = 0;
    uint32_t notices = unread_peek(&runtime->queue[CCCC_LANE_NOTIFY], notify, KINDS_SHOWN), n = 0;
    cccc_builder_t kinds = cccc_array_builder(arena, KINDS_SHOWN);
    while (c + n < KINDS_SHOWN && (c < chats || n < notices)) {
        bool is_chat = c < chats && (n == notices || chat[c] < notify[n]);
        cccc_array_add(&kinds, cccc_text(cccc_kind_word(is_chat ? CCCC_KIND_CHAT_MESSAGE : CCCC_KIND_SYSTEM_NOTIFY)));
        c += is_chat;
        n += !is_chat;
    }
    return kinds.value;
}

static cccc_value_t delivery_row(cccc_arena_t *arena, const struct cccc_runtime *runtime, uint64_t pending)
{
    const struct cccc_delivery *last = &runtime->delivery;
    cccc_value_t ts = last->ts[0] ? cccc_text(last->ts) : cccc_nil();
    cccc_builder_t row = cccc_map_builder(arena, 5);
    cccc_map_add(&row, "pending", cccc_uint(pending));
    cccc_map_add(&row, "pending_kinds_preview", kinds_waiting(arena, runtime));
    cccc_map_add(&row, "last_delivery_at", last->state == DELIVERY_ACCEPTED ? ts : cccc_nil());
    cccc_map_add(&row, "last_attempt_at", ts);
    cccc_map_add(&row, "reason", cccc_text(last->reason));
    return row.value;
}

static cccc_value_t delivery_value(call_t *call)
{
    cccc_builder_t delivery = cccc_map_builder(call->arena, 3), actors = cccc_map_builder(call->arena, 16);
    uint64_t total = 0;
    for (const struct cccc_runtime *runtime = call->group->runtimes; runtime; runtime = runtime->hh.next) {
        uint64_t pending = runtime->queue[CCCC_LANE_CHAT].count + runtime->queue[CCCC_LANE_NOTIFY].count;
        total += pending;
        cccc_map_add(&actors, runtime->id, delivery_row(call->arena, runtime, pending));
    }
    cccc_map_add(&delivery, "group_id", cccc_text(call->group->id));
    cccc_map_add(&delivery, "actors", actors.value);
    cccc_map_add(&delivery, "pending_total", cccc_uint(total));
    return delivery.value;
}

static void add_group(call_t *call, cccc_builder_t *result)
{
    static const char *const states[] = {[CCCC_GROUP_ACTIVE] = "active", [CCCC_GROUP_IDLE] = "idle", [CCCC_GROUP_PAUSED] = "paused"};
    const struct cccc_config *config = &call->group->config;
    cccc_builder_t group = cccc_map_builder(call->arena, 4), actors = cccc_array_builder(call->arena, config->actor_count);
    cccc_map_add(&group, "group_id", cccc_text(call->group->id));
    cccc_map_add(&group, "state", cccc_text(states[config->state]));
    cccc_map_add(&group, "active_scope_key", cccc_string(config->active_scope_key));
    cccc_map_add(&group, "title", cccc_string(config->title));
    for (uint32_t i = 0; i < config->actor_count; i++)
        cccc_array_add(&actors, actor_row(call, &config->actors[i]));
    cccc_map_add(result, "group", group.value);
    cccc_map_add(result, "actors", actors.value);
    cccc_map_add(result, "delivery", delivery_value(call));
    cccc_map_add(result, "as_of_seq", cccc_uint(call->group->head_seq));
}

/* Developer mode, the group if one is named, and that the user or the foreman asks. False: the call was failed. */
static bool permitted(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot by)
{
    const struct cccc_args *args = &call->request.args;
    struct cccc_errmsg why;
    if (!observability_developer(call) || (cccc_arg_given(args, group_id) && !call_group(call, group_id)) ||
        !permit_by(call, call->group, cccc_arg_str(args, by), "user"))
        return false;
    if (!call->group || permit_action(call, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), &why))
        return true;
    call_fail(call, CCCC_E_PERMISSION_DENIED, "%s", why.text);
    return false;
}

void op_debug_snapshot(call_t *call)
{
    if (!permitted(call, CCCC_A_debug_snapshot_group_id, CCCC_A_debug_snapshot_by))
        return;
    cccc_builder_t result = cccc_map_builder(call->arena, 8);
    cccc_map_add(&result, "developer_mode", cccc_bool(true));
    cccc_map_add(&result, "observability", observability_effective(call->arena, call->core));
    cccc_map_add(&result, "daemon", daemon_value(call));
    if (call->group)
        add_group(call, &result);
    call_reply(call, &result.value);
}

/* ---- logs ---- */

enum { LINES_DEFAULT = 200, LINES_MAX = 2000 };

static cccc_str_t word_asked(const call_t *call)
{
    bool tail = call->request.op == CCCC_OP_debug_tail_logs;
    return cccc_arg_str(&call->request.args, tail ? CCCC_A_debug_tail_logs_component : CCCC_A_debug_clear_logs_component);
}

/* The log that is asked for; NULL: there is none of that name. `web` and `im` are those of CCCC 0.4.0's own programs, which may run beside this daemon. */
static const char *component_asked(const call_t *call)
{
    static const struct {
        const char *word, *component;
    } logs[] = {{"daemon", "daemon"}, {"ccccd", "daemon"}, {"web", "web"}, {"im", "im"}, {"im_bridge", "im"}};
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
        if (cccc_str_is(word_asked(call), logs[i].word))
            return logs[i].component;
    return NULL;
}

static void log_answer(call_t *call)
{
    cccc_builder_t result = cccc_map_builder(call->arena, 6);
    const cccc_value_t *path = cccc_get(call->stored.value, "path"), *lines = cccc_get(call->stored.value, "lines");
    if (call->stored.err != CCCC_OK) {
        call_fail(call, call->stored.err, "the log could not be used: %s", call->stored.message);
        return;
    }
    cccc_map_add(&result, "component", cccc_string(word_asked(call)));
    cccc_map_add(&result, "group_id", cccc_text(call->group ? call->group->id : ""));
    cccc_map_add(&result, "path", path ? cccc_value_copy(call->arena, path) : cccc_text(""));
    if (call->request.op == CCCC_OP_debug_tail_logs)
        cccc_map_add(&result, "lines", lines ? cccc_value_copy(call->arena, lines) : cccc_array_builder(call->arena, 0).value);
    else
        cccc_map_add(&result, "cleared", cccc_bool(true));
    call_reply(call, &result.value);
}

/* The file work on the log that is asked for, in *store. False: the call was failed. */
static bool log_store(call_t *call, struct cccc_store *store)
{
    const char *component = component_asked(call);
    if (!component) {
        cccc_builder_t details = cccc_map_builder(call->arena, 1);
        cccc_map_add(&details, "component", cccc_string(word_asked(call)));
        call_fail_details(call, CCCC_E_INVALID_COMPONENT, details.value, "there is no log of \"%.*s\"; use daemon, web or im",
                          CCCC_STR_FMT(cccc_str_cut(word_asked(call), 32)));
        return false;
    }
    if (strcmp(component, "im") == 0 && !call->group) {
        call_fail(call, CCCC_E_MISSING_GROUP_ID, "each group has a log of im of its own; name the group");
        return false;
    }
    *store =
        (struct cccc_store){.kind = CCCC_STORE_LOG_TAIL, .arena = cccc_arena_new(256), .document = cccc_nil(), .name = cccc_str(component)};
    if (call->group)
        store->group_id = cccc_arena_str(store->arena, cccc_str(call->group->id));
    return true;
}

void op_debug_tail_logs(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    int64_t lines = cccc_arg_int(args, CCCC_A_debug_tail_logs_lines, LINES_DEFAULT);
    struct cccc_store store;
    if (!permitted(call, CCCC_A_debug_tail_logs_group_id, CCCC_A_debug_tail_logs_by) || !log_store(call, &store))
        return;
    store.total = lines <= 0 ? LINES_DEFAULT : lines < LINES_MAX ? (uint64_t)lines : LINES_MAX;
    call_store(call, &store, log_answer);
}

void op_debug_clear_logs(call_t *call)
{
    struct cccc_store store;
    if (!permitted(call, CCCC_A_debug_clear_logs_group_id, CCCC_A_debug_clear_logs_by) || !log_store(call, &store))
        return;
    cccc_builder_t document = cccc_map_builder(store.arena, 1);
    cccc_map_add(&document, "clear", cccc_bool(true));
    store.document = document.value;
    call_store(call, &store, log_answer);
}
