/* automation_run.c - what a rule does when it runs: notices, a state of the group, actors that start or stop.
 *
 * All of it is by `system`. What can fail is checked before anything is decided.
 * Thread: the core's. */
#include "broker/core/automation/automation.h"
#include "broker/core/messages/message.h"
#include "broker/core/runtime/runtime.h"

const char *const rule_variables[] = {"interval_minutes", "group_title", "actor_names", "scheduled_at", NULL};

/* ---- texts ---- */

static cccc_str_t actor_names(cccc_arena_t *arena, const struct cccc_group *group)
{
    cccc_str_t names = CCCC_STR("");
    for (uint32_t i = 0; i < group->config.actor_count; i++) {
        const struct cccc_actor *actor = &group->config.actors[i];
        cccc_str_t name = actor->title.len > 0 ? actor->title : actor->id;
        if (actor->enabled)
            names = cccc_arena_printf(arena, "%.*s%s%.*s", CCCC_STR_FMT(names), names.len ? ", " : "", CCCC_STR_FMT(name));
    }
    return names;
}

static cccc_str_t time_text(cccc_arena_t *arena, int64_t us)
{
    char ts[28];
    cccc_ts_format(ts, us);
    return cccc_arena_str(arena, cccc_str(ts));
}

/* What {{name}} stands for; nothing for a name nobody knows. */
static cccc_str_t variable(call_t *call, const struct cccc_run *run, cccc_str_t name)
{
    int64_t minutes = run->rule->trigger == RULE_INTERVAL ? run->rule->every_us / 60000000 : 0;
    if (cccc_str_is(name, rule_variables[0]))
        return cccc_arena_printf(call->arena, "%lld", (long long)minutes);
    if (cccc_str_is(name, rule_variables[1]))
        return run->view->config.title;
    if (cccc_str_is(name, rule_variables[2]))
        return actor_names(call->arena, run->view);
    if (cccc_str_is(name, rule_variables[3]))
        return time_text(call->arena, run->due_us ? run->due_us : call->core->now->unix_us);
    return CCCC_STR("");
}

static const char *find(const char *p, const char *end, const char *two)
{
    for (; end - p >= 2; p++)
        if (p[0] == two[0] && p[1] == two[1])
            return p;
    return NULL;
}

static cccc_str_t filled(call_t *call, const struct cccc_run *run, cccc_str_t text)
{
    const char *p = text.ptr, *end = text.ptr + text.len, *open, *close;
    cccc_buf_t out;
    cccc_buf_init(&out);
    while ((open = find(p, end, "{{")) && (close = find(open + 2, end, "}}"))) {
        cccc_str_t value = variable(call, run, cccc_str_trim((cccc_str_t){open + 2, (size_t)(close - open - 2)}));
        cccc_buf_put(&out, p, (size_t)(open - p));
        cccc_buf_put(&out, value.ptr, value.len);
        p = close + 2;
    }
    cccc_buf_put(&out, p, (size_t)(end - p));
    cccc_str_t all = cccc_str_cut((cccc_str_t){out.data, out.size}, CCCC_NOTICE_BYTES_MAX);
    all = cccc_arena_str(call->arena, all);
    cccc_buf_fini(&out);
    return all;
}

/* ---- whom it is about ---- */

static bool is_meant(const cccc_value_t *to, const struct cccc_actor *actor)
{
    return recipients_name(to, CCCC_STR("@all")) || recipients_name(to, actor->id) ||
           recipients_name(to, actor->foreman ? CCCC_STR("@foreman") : CCCC_STR("@peers"));
}

/* The list in words. */
static cccc_str_t words(cccc_arena_t *arena, const cccc_value_t *list)
{
    cccc_str_t all = CCCC_STR(""), word = CCCC_STR("");
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size; i++)
        if (cccc_as_str(&list->via.array.ptr[i], &word))
            all = cccc_arena_printf(arena, "%.*s%s%.*s", CCCC_STR_FMT(all), all.len ? ", " : "", CCCC_STR_FMT(word));
    return all;
}

static cccc_value_t mark(call_t *call, const struct cccc_run *run)
{
    cccc_builder_t map = cccc_map_builder(call->arena, 2);
    cccc_map_add(&map, "rule_id", cccc_string(cccc_arena_str(call->arena, run->rule->id)));
    if (run->due_us)
        cccc_map_add(&map, "due", cccc_string(time_text(call->arena, run->due_us)));
    else
        cccc_map_add(&map, "by", cccc_string(run->by));
    return map.value;
}

static cccc_err_t append(call_t *call, struct cccc_run *run, cccc_kind_t kind, cccc_builder_t *data, struct cccc_errmsg *m)
{
    cccc_map_add(data, "rule", mark(call, run));
    return call_append(call, call->group, kind, CCCC_STR("system"), CCCC_STR(""), data->value, run->done, m);
}

/* ---- notify ---- */

/* The rule's words: of its snippet when that says something, else its own. */
static cccc_str_t template_of(const struct cccc_run *run, const cccc_value_t *action)
{
    const cccc_value_t *snippets = cccc_get(cccc_get(&run->view->document, "automation"), "snippets");
    cccc_str_t text = CCCC_STR(""), name = cccc_get_str(action, "snippet_ref");
    if (name.len > 0)
        cccc_as_str(cccc_get_key(snippets, name), &text);
    return !cccc_str_is_blank(text) ? text : cccc_get_str(action, "message");
}

static cccc_err_t notify_one(call_t *call, struct cccc_run *run, const struct cccc_notice *notice, struct cccc_errmsg *m)
{
    cccc_value_t data = notice_data(call->arena, run->view, notice);
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_SYSTEM_NOTIFY, CCCC_STR("system"), CCCC_STR(""), data, run->done, m);
    if (err == CCCC_OK)
        cccc_array_add(&run->told, cccc_string(notice->target));
    return err;
}

static cccc_err_t notify(call_t *call, struct cccc_run *run, const cccc_value_t *action, struct cccc_errmsg *m)
{
    const cccc_value_t *to = cccc_get(&run->rule->entry, "to");
    cccc_str_t title = cccc_str_trim(filled(call, run, cccc_get_str(action, "title")));
    cccc_value_t context = mark(call, run);
    struct cccc_notice notice = {.kind = CCCC_STR("automation"),
                                 .priority = cccc_get_str(action, "priority"),
                                 .title = title.len > 0 ? title : CCCC_STR("Reminder"),
                                 .message = filled(call, run, template_of(run, action)),
                                 .context = &context,
                                 .requires_ack = cccc_get_bool(action, "requires_ack", false)};
    cccc_err_t err = CCCC_OK;
    if (cccc_str_is_blank(notice.message))
        return cccc_fail(m, CCCC_E_EMPTY_MESSAGE, "it has nothing to say: neither its snippet nor its message has a text");
    notice.priority = cccc_arena_str(call->arena, notice.priority);
    for (uint32_t i = 0; !err && i < run->view->config.actor_count; i++) {
        const struct cccc_actor *actor = &run->view->config.actors[i];
        if (!is_meant(to, actor) || !runtime_is_there(call->group, actor))
            continue;
        notice.target = cccc_arena_str(call->arena, actor->id);
        err = notify_one(call, run, &notice, m);
    }
    if (run->told.value.via.array.size > 0)
        return CCCC_OK; /* the disk, or a limit, stood in the way of the rest */
    return err ? err
               : cccc_fail(m, CCCC_E_NO_ENABLED_RECIPIENTS, "nobody of %.*s is enabled and runs", CCCC_STR_FMT(words(call->arena, to)));
}

/* ---- group_state ---- */

static cccc_err_t group_state(call_t *call, struct cccc_run *run, const cccc_value_t *action, struct cccc_errmsg *m)
{
    static const char *const known[] = {[CCCC_GROUP_ACTIVE] = "active", [CCCC_GROUP_IDLE] = "idle", [CCCC_GROUP_PAUSED] = "paused"};
    const struct cccc_config *config = &run->view->config;
    cccc_str_t state = cccc_arena_str(call->arena, cccc_get_str(action, "state"));
    cccc_builder_t data = cccc_map_builder(call->arena, 3);
    cccc_err_t err = CCCC_OK;
    if (cccc_str_is(state, "stopped")) {
        cccc_map_add(&data, "stopped", config->running ? actors_enabled(call->arena, run->view) : cccc_array_builder(call->arena, 0).value);
        return append(call, run, CCCC_KIND_GROUP_STOP, &data, m);
    }
    if (cccc_str_is(state, "active") && !config->running) {
        cccc_builder_t start = cccc_map_builder(call->arena, 3);
        if (config->active_scope_key.len == 0)
            return cccc_fail(m, CCCC_E_MISSING_PROJECT_ROOT, "group %s has no scope to work in; attach a path first", call->group->id);
        cccc_map_add(&start, "started", actors_enabled(call->arena, run->view));
        cccc_map_add(&start, "forced_headless", cccc_array_builder(call->arena, 0).value);
        err = append(call, run, CCCC_KIND_GROUP_START, &start, m);
    }
    cccc_map_add(&data, "old_state", cccc_text(known[config->state]));
    cccc_map_add(&data, "new_state", cccc_string(state));
    return err ? err : append(call, run, CCCC_KIND_GROUP_SET_STATE, &data, m);
}

/* ---- actor_control ---- */

/* The wishes are durable: what runs follows (runtime.c). */
static void controlled(call_t *call)
{
    const struct cccc_run *run = call->state;
    cccc_str_t id = CCCC_STR("");
    cccc_kind_t kind = call->appended->kind;
    for (uint32_t i = 0; i < run->told.value.via.array.size; i++) {
        cccc_as_str(&run->told.value.via.array.ptr[i], &id);
        struct cccc_runtime *runtime = runtime_find(call->group, id);
        if (!runtime || kind == CCCC_KIND_ACTOR_STOP)
            continue;
        runtime_encourage(runtime, RUNTIME_ASKED);
        runtime->restart = runtime->restart || (kind == CCCC_KIND_ACTOR_RESTART && runtime_lives(runtime));
    }
    runtimes_changed(call->core, call->group);
    run->done(call);
}

static cccc_err_t actor_control(call_t *call, struct cccc_run *run, const cccc_value_t *action, struct cccc_errmsg *m)
{
    cccc_str_t operation = cccc_get_str(action, "operation");
    cccc_kind_t kind = cccc_str_is(operation, "start")  ? CCCC_KIND_ACTOR_START
                       : cccc_str_is(operation, "stop") ? CCCC_KIND_ACTOR_STOP
                                                        : CCCC_KIND_ACTOR_RESTART;
    const cccc_value_t *targets = cccc_get(action, "targets");
    cccc_value_t rule = mark(call, run);
    cccc_err_t err = cccc_fail(m, CCCC_E_ACTOR_NOT_FOUND, "%.*s is nobody of this group", CCCC_STR_FMT(words(call->arena, targets)));
    call->state = run;
    for (uint32_t i = 0; i < run->view->config.actor_count; i++) {
        const struct cccc_actor *actor = &run->view->config.actors[i];
        if (!is_meant(targets, actor))
            continue;
        err = session_decide(call, run->view, actor, kind, &rule, controlled, m);
        if (err == CCCC_OK)
            cccc_array_add(&run->told, cccc_string(cccc_arena_str(call->arena, actor->id)));
    }
    return run->told.value.via.array.size > 0 ? CCCC_OK : err;
}

cccc_err_t rule_run(call_t *call, struct cccc_run *run, struct cccc_errmsg *m)
{
    static cccc_err_t (*const kinds[])(call_t *, struct cccc_run *, const cccc_value_t *, struct cccc_errmsg *) = {
        [RULE_NOTIFY] = notify, [RULE_GROUP_STATE] = group_state, [RULE_ACTOR_CONTROL] = actor_control};
    run->told = cccc_array_builder(call->arena, 4);
    if (run->rule->broken.len > 0)
        return cccc_fail(m, CCCC_E_INVALID_RULE, "%.*s", CCCC_STR_FMT(run->rule->broken));
    return kinds[run->rule->action](call, run, cccc_get(&run->rule->entry, "action"), m);
}
