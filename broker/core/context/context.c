/* context.c - the operations on a group's context: context_get, context_sync, task_list, presence_get (reference 12).
 *
 * Nobody is refused here: what a group works on is everybody's in it. What is read is what is durable.
 * Thread: the core's. */
#include "broker/core/context/context.h"

#include "broker/core/change.h"
#include "broker/core/context/context_ops.h"

#include <stdlib.h>

enum { HEARTBEAT_TIMEOUT_S = 300 };

static const cccc_value_t *state_of(const struct cccc_group *group)
{
    return group->context ? &group->context->state : NULL;
}

/* What CCCC 0.4.0's files leave out, and it shows all the same: each of `names` (NULL-ended) that `map` lacks is `otherwise`. */
static cccc_value_t completed(cccc_arena_t *arena, cccc_value_t map, const char *const *names, cccc_value_t otherwise)
{
    for (; *names; names++)
        if (!cccc_get(&map, *names))
            map = cccc_map_with(arena, &map, cccc_str(*names), otherwise);
    return map;
}

/* The maps of a list that may be missing, each completed. */
static cccc_value_t list_completed(cccc_arena_t *arena, const cccc_value_t *list, const char *const *names, cccc_value_t otherwise)
{
    uint32_t count = cccc_is_array(list) ? list->via.array.size : 0;
    cccc_builder_t shown = cccc_array_builder(arena, count);
    for (uint32_t i = 0; i < count; i++)
        if (cccc_is_map(&list->via.array.ptr[i]))
            cccc_array_add(&shown, completed(arena, list->via.array.ptr[i], names, otherwise));
    return shown.value;
}

static cccc_value_t milestones_shown(cccc_arena_t *arena, const cccc_value_t *context)
{
    static const char *const always[] = {"started", "completed", "outcomes", NULL};
    return list_completed(arena, cccc_get(context, "milestones"), always, cccc_nil());
}

static cccc_value_t agents_shown(cccc_arena_t *arena, const cccc_value_t *presence)
{
    static const char *const always[] = {"status", NULL};
    return list_completed(arena, cccc_get(presence, "agents"), always, cccc_text(""));
}

/* ---- tasks as they are shown ---- */

/* The first step that is not done, and how much of the task is. */
static cccc_value_t task_shown(cccc_arena_t *arena, const cccc_value_t *task)
{
    const cccc_value_t *steps = cccc_get(task, "steps");
    uint32_t count = cccc_is_array(steps) ? steps->via.array.size : 0, finished = 0;
    cccc_value_t current = cccc_nil();
    for (uint32_t i = 0; i < count; i++) {
        bool is_done = cccc_str_is(cccc_get_str(&steps->via.array.ptr[i], "status"), "done");
        finished += is_done;
        if (!is_done && cccc_is_nil(&current))
            current = cccc_string(cccc_get_str(&steps->via.array.ptr[i], "id"));
    }
    double progress = count > 0 ? (double)finished / count : cccc_str_is(cccc_get_str(task, "status"), "done") ? 1 : 0;
    static const char *const always[] = {"milestone", "assignee", NULL};
    cccc_value_t shown = completed(arena, *task, always, cccc_nil());
    shown = cccc_map_with(arena, &shown, CCCC_STR("current_step"), current);
    return cccc_map_with(arena, &shown, CCCC_STR("progress"), (cccc_value_t){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = progress});
}

static int by_id(const void *a, const void *b)
{
    cccc_str_t x = cccc_get_str(&((const msgpack_object_kv *)a)->val, "id"), y = cccc_get_str(&((const msgpack_object_kv *)b)->val, "id");
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

/* All tasks in the order of their ids. */
static cccc_value_t tasks_sorted(cccc_arena_t *arena, const cccc_value_t *state)
{
    cccc_value_t tasks = context_part(arena, state, "tasks");
    cccc_builder_t list = cccc_array_builder(arena, tasks.via.map.size);
    size_t bytes = tasks.via.map.size * sizeof *tasks.via.map.ptr;
    msgpack_object_kv *copy = cccc_arena_alloc(arena, bytes + 1);
    if (bytes > 0)
        memcpy(copy, tasks.via.map.ptr, bytes);
    qsort(copy, tasks.via.map.size, sizeof *copy, by_id);
    for (uint32_t i = 0; i < tasks.via.map.size; i++)
        cccc_array_add(&list, task_shown(arena, &copy[i].val));
    return list.value;
}

static uint64_t count_status(const cccc_value_t *tasks, const char *status)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < tasks->via.array.size; i++)
        n += cccc_str_is(cccc_get_str(&tasks->via.array.ptr[i], "status"), status);
    return n;
}

static cccc_value_t summary(cccc_arena_t *arena, const cccc_value_t *tasks)
{
    static const char *const statuses[] = {"done", "active", "planned"};
    cccc_builder_t map = cccc_map_builder(arena, 4);
    cccc_map_add(&map, "total", cccc_uint(tasks->via.array.size));
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        cccc_map_add(&map, statuses[i], cccc_uint(count_status(tasks, statuses[i])));
    return map.value;
}

static cccc_value_t active_task(const cccc_value_t *tasks)
{
    for (uint32_t i = 0; i < tasks->via.array.size; i++)
        if (cccc_str_is(cccc_get_str(&tasks->via.array.ptr[i], "status"), "active"))
            return tasks->via.array.ptr[i];
    return cccc_nil();
}

/* ---- reading ---- */

static cccc_value_t list_or_empty(cccc_arena_t *arena, const cccc_value_t *map, const char *name)
{
    const cccc_value_t *list = cccc_get(map, name);
    return cccc_is_array(list) ? *list : cccc_array_builder(arena, 0).value;
}

static cccc_value_t text_or_nil(const cccc_value_t *map, const char *name)
{
    const cccc_value_t *v = cccc_get(map, name);
    return v ? *v : cccc_nil();
}

static cccc_value_t presence_value(cccc_arena_t *arena, const cccc_value_t *state)
{
    cccc_value_t presence = context_part(arena, state, "presence");
    cccc_builder_t map = cccc_map_builder(arena, 1);
    cccc_map_add(&map, "agents", agents_shown(arena, &presence));
    return map.value;
}

void op_context_get(call_t *call)
{
    if (!call_group(call, CCCC_A_context_get_group_id))
        return;
    const cccc_value_t *state = state_of(call->group);
    cccc_value_t context = context_part(call->arena, state, "context"), tasks = tasks_sorted(call->arena, state);
    cccc_builder_t result = cccc_map_builder(call->arena, 12);
    cccc_map_add(&result, "version", context_version(call->arena, state));
    cccc_map_add(&result, "vision", text_or_nil(&context, "vision"));
    cccc_map_add(&result, "sketch", text_or_nil(&context, "sketch"));
    cccc_map_add(&result, "milestones", milestones_shown(call->arena, &context));
    cccc_map_add(&result, "notes", list_or_empty(call->arena, &context, "notes"));
    cccc_map_add(&result, "references", list_or_empty(call->arena, &context, "references"));
    cccc_map_add(&result, "tasks_summary", summary(call->arena, &tasks));
    cccc_map_add(&result, "active_task", active_task(&tasks));
    cccc_map_add(&result, "presence", presence_value(call->arena, state));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

void op_task_list(call_t *call)
{
    if (!call_group(call, CCCC_A_task_list_group_id))
        return;
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_task_list_task_id);
    cccc_builder_t result = cccc_map_builder(call->arena, 3);
    cccc_value_t tasks = tasks_sorted(call->arena, state_of(call->group));
    int64_t at = id.len > 0 ? context_find(&tasks, id) : 0;
    if (at < 0) {
        call_fail(call, CCCC_E_TASK_NOT_FOUND, "there is no task %.*s in group %s; task_list names them", CCCC_STR_FMT(id),
                  call->group->id);
        return;
    }
    if (id.len > 0)
        cccc_map_add(&result, "task", tasks.via.array.ptr[at]);
    else
        cccc_map_add(&result, "tasks", tasks);
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

void op_presence_get(call_t *call)
{
    if (!call_group(call, CCCC_A_presence_get_group_id))
        return;
    cccc_value_t presence = context_part(call->arena, state_of(call->group), "presence");
    cccc_builder_t result = cccc_map_builder(call->arena, 3);
    cccc_map_add(&result, "agents", agents_shown(call->arena, &presence));
    cccc_map_add(&result, "heartbeat_timeout_seconds",
                 cccc_uint(cccc_get_uint(&presence, "heartbeat_timeout_seconds", HEARTBEAT_TIMEOUT_S)));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

/* ---- changing ---- */

/* What a context_sync keeps until its event is durable. */
struct synced {
    cccc_value_t changes, version, after;
    bool dry_run;
};

static void sync_reply(call_t *call)
{
    const struct synced *self = call->state;
    cccc_builder_t result = cccc_map_builder(call->arena, 6);
    cccc_map_add(&result, "success", cccc_bool(true));
    cccc_map_add(&result, "dry_run", cccc_bool(self->dry_run));
    cccc_map_add(&result, "changes", self->changes);
    cccc_map_add(&result, "version", self->version);
    if (call->stored.err != CCCC_OK)
        cccc_map_add(&result, "warning", cccc_text("the change is recorded, but the files under context/ could not be written"));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

static void sync_applied(call_t *call)
{
    const struct synced *self = call->state;
    struct cccc_store store = context_files(call->group, &self->after, call->appended->event.seq);
    call_store(call, &store, sync_reply);
}

static cccc_value_t after_of(const struct sync *s)
{
    cccc_builder_t after = cccc_map_builder(s->arena, 3);
    if (s->context_changed)
        cccc_map_add(&after, "context", s->context);
    if (s->tasks_changed.via.map.size > 0)
        cccc_map_add(&after, "tasks", s->tasks_changed);
    if (s->presence_changed)
        cccc_map_add(&after, "presence", s->presence);
    return after.value;
}

static cccc_value_t state_after(const struct sync *s)
{
    cccc_builder_t state = cccc_map_builder(s->arena, 3);
    cccc_map_add(&state, "context", s->context);
    cccc_map_add(&state, "tasks", s->tasks);
    cccc_map_add(&state, "presence", s->presence);
    return state.value;
}

static void sync_begin(call_t *call, struct sync *s)
{
    const cccc_value_t *state = context_ahead(call->group);
    char *ts = cccc_arena_alloc(call->arena, 28);
    core_ts(call->core, ts);
    *s = (struct sync){.group = call->group, .arena = call->arena, .ts = {ts, 27}, .today = {ts, 10}};
    s->context = context_part(call->arena, state, "context");
    s->tasks = context_part(call->arena, state, "tasks");
    s->presence = context_part(call->arena, state, "presence");
    s->tasks_changed = cccc_map_builder(call->arena, 0).value;
}

/* Apply all; false: the call was failed. */
static bool sync_all(call_t *call, struct sync *s, const cccc_value_t *ops, struct synced *out)
{
    cccc_builder_t changes = cccc_array_builder(call->arena, 8);
    for (uint32_t i = 0; ops && i < ops->via.array.size; i++) {
        if (!context_change(s, &ops->via.array.ptr[i])) {
            const char *which = ops->via.array.size > 1 ? cccc_arena_printf(call->arena, "op %u: ", i).ptr : "";
            call_fail(call, CCCC_E_CONTEXT_SYNC, "%s%s; nothing was changed", which, s->why.text);
            return false;
        }
        cccc_builder_t change = cccc_map_builder(call->arena, 3);
        cccc_map_add(&change, "index", cccc_uint(i));
        cccc_map_add(&change, "op", cccc_string(cccc_get_str(&ops->via.array.ptr[i], "op")));
        cccc_map_add(&change, "detail", cccc_string(s->detail));
        cccc_array_add(&changes, change.value);
    }
    cccc_value_t state = state_after(s);
    out->changes = changes.value;
    out->version = context_version(call->arena, &state);
    cccc_value_t after = after_of(s);
    out->after = cccc_value_copy(call->arena, &after); /* what it borrows from may be replaced before the event is durable */
    return true;
}

static void sync_append(call_t *call, const struct sync *s)
{
    const struct synced *self = call->state;
    struct cccc_errmsg m;
    cccc_builder_t data = cccc_map_builder(call->arena, 3);
    cccc_map_add(&data, "version", self->version);
    cccc_map_add(&data, "changes", self->changes);
    cccc_map_add(&data, "after", self->after);
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_CONTEXT_SYNC, call->by, CCCC_STR(""), data.value, sync_applied, &m);
    if (err != CCCC_OK) {
        call_fail(call, err, "%s; nothing was changed", m.text);
        return;
    }
    cccc_value_t state = state_after(s);
    context_decided(call, &state);
}

void op_context_sync(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    const cccc_value_t *ops = cccc_arg(args, CCCC_A_context_sync_ops);
    cccc_str_t by = cccc_arg_str(args, CCCC_A_context_sync_by);
    if (ops && !cccc_is_array(ops)) {
        call_fail(call, CCCC_E_INVALID_OPS, "ops must be a list of ops; nothing was changed");
        return;
    }
    /* Clients of 0.4.0 say `system` here, which nobody may be; they are who they are. */
    if (!call_group(call, CCCC_A_context_sync_group_id) ||
        !permit_by(call, call->group, cccc_str_is(by, "system") ? CCCC_STR("") : by, "user"))
        return;
    struct synced *self = cccc_arena_alloc(call->arena, sizeof *self);
    struct sync s;
    call->state = self;
    self->dry_run = cccc_arg_bool(args, CCCC_A_context_sync_dry_run, false);
    sync_begin(call, &s);
    if (!sync_all(call, &s, ops, self))
        return;
    if (self->dry_run || self->changes.via.array.size == 0)
        sync_reply(call);
    else
        sync_append(call, &s);
}
