/* notify.c - system_notify: a notice to an actor, or to all of them (reference 2.4, 3.10).
 *
 * Words of kind and priority that nobody knows count as info and normal, as in CCCC 0.4.0. Its `by` is who asked: only the broker itself is system.
 * Thread: the core's. */
#include "broker/core/messages/message.h"
#include "broker/core/obligations/obligations.h"

static const char *const kinds[] = {"nudge",      "keepalive",     "help_nudge", "actor_idle", "silence_check",
                                    "automation", "status_change", "error",      "info",       NULL};
static const char *const priorities[] = {"low", "high", "urgent", "normal", NULL};

/* The word of the list that `word` is; the list's last one when it is none. */
static const char *known(const char *const *list, cccc_str_t word)
{
    while (list[1] && !cccc_str_is(word, *list))
        list++;
    return *list;
}

cccc_value_t notice_data(cccc_arena_t *arena, const struct cccc_group *group, const struct cccc_notice *notice)
{
    cccc_builder_t data = cccc_map_builder(arena, 10), one = cccc_array_builder(arena, 1);
    cccc_value_t empty = cccc_map_builder(arena, 0).value;
    cccc_map_add(&data, "kind", cccc_text(known(kinds, notice->kind)));
    cccc_map_add(&data, "priority", cccc_text(known(priorities, notice->priority)));
    cccc_map_add(&data, "title", cccc_string(notice->title));
    cccc_map_add(&data, "message", cccc_string(notice->message));
    cccc_map_add(&data, "target_actor_id", notice->target.len ? cccc_string(notice->target) : cccc_nil());
    cccc_map_add(&data, "context", notice->context ? *notice->context : empty);
    cccc_map_add(&data, "requires_ack", cccc_bool(notice->requires_ack));
    cccc_map_add(&data, "related_event_id", notice->related.len ? cccc_string(notice->related) : cccc_nil());
    if (notice->target.len > 0)
        cccc_array_add(&one, cccc_string(notice->target));
    cccc_map_add(&data, "audience", notice->target.len > 0 ? one.value : recipients_everyone(arena, group));
    return data.value;
}

/* Clients of CCCC 0.4.0 say `system` for want of a name; here that is nobody's but the broker's. */
static cccc_str_t claimed_by(const call_t *call)
{
    cccc_str_t by = cccc_arg_str(&call->request.args, CCCC_A_system_notify_by);
    return cccc_str_is(by, "system") ? CCCC_STR("") : by;
}

void op_system_notify(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct cccc_errmsg why;
    if (!call_group(call, CCCC_A_system_notify_group_id) || !permit_by(call, call->group, claimed_by(call), "user"))
        return;
    const struct cccc_group *view = group_view(call, call->group);
    struct cccc_notice notice = {.kind = cccc_arg_str(args, CCCC_A_system_notify_kind),
                                 .priority = cccc_arg_str(args, CCCC_A_system_notify_priority),
                                 .title = cccc_arg_str(args, CCCC_A_system_notify_title),
                                 .message = cccc_arg_str(args, CCCC_A_system_notify_message),
                                 .target = cccc_arg_str(args, CCCC_A_system_notify_target_actor_id),
                                 .context = cccc_arg(args, CCCC_A_system_notify_context),
                                 .requires_ack = cccc_arg_bool(args, CCCC_A_system_notify_requires_ack, false)};
    if (notice.target.len > 0 && !cccc_str_is(notice.target, "user") && !config_actor(view, notice.target)) {
        call_fail(call, CCCC_E_UNKNOWN_ACTOR, "no actor %.*s in group %s; nobody was notified", CCCC_STR_FMT(notice.target), view->id);
        return;
    }
    if (notice.title.len == 0 && notice.message.len == 0) {
        call_fail(call, CCCC_E_EMPTY_MESSAGE, "the notice has neither title nor message");
        return;
    }
    cccc_value_t data = notice_data(call->arena, view, &notice);
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_SYSTEM_NOTIFY, call->by, CCCC_STR(""), data, call_reply_event, &why);
    if (err)
        call_fail(call, err, "%s", why.text);
}
