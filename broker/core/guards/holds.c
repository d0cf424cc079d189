/* holds.c - holds_list and hold_release, and handing on what was held (guards.h).
 *
 * A release is one event; from then on the tick hands on what was held, oldest first, as copies by the same sender that name their original. A copy that
 * is durable is out of the fold's list, so a restart in between neither repeats nor loses one.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/guards/guards.h"

/* A handover that is not done by then is begun again. */
#define HAND_ON_MAX_US 5000000ULL

/* ---- ops ---- */

void op_holds_list(call_t *call)
{
    if (!call_group(call, CCCC_A_holds_list_group_id))
        return;
    cccc_builder_t result = cccc_map_builder(call->arena, 2);
    cccc_map_add(&result, "holds", guards_holds(call->arena, call->group));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

static cccc_err_t write_release(call_t *call, cccc_value_t between, bool drop, cccc_str_t by, call_next_fn next, struct cccc_errmsg *why)
{
    cccc_builder_t data = cccc_map_builder(call->arena, 2);
    cccc_map_add(&data, "between", between);
    cccc_map_add(&data, "drop", cccc_bool(drop));
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_GUARD_RELEASE, by, CCCC_STR(""), data.value, next, why);
    if (err == CCCC_OK)
        guards_decided(call->group, call->appended);
    return err;
}

void op_hold_release(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    const cccc_value_t *between = cccc_arg(args, CCCC_A_hold_release_between);
    cccc_str_t one = CCCC_STR(""), other = CCCC_STR("");
    struct cccc_errmsg why;
    if (!call_group(call, CCCC_A_hold_release_group_id) ||
        !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_hold_release_by), "user"))
        return;
    if (!cccc_str_is(call->by, "user")) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: only the user releases what is held; %.*s may not",
                  CCCC_STR_FMT(call->by));
        return;
    }
    if (between->via.array.size == 2) {
        cccc_as_str(&between->via.array.ptr[0], &one);
        cccc_as_str(&between->via.array.ptr[1], &other);
    }
    if (one.len == 0 || other.len == 0 || !guards_is_held(call->group, one, other)) {
        call_fail(call, CCCC_E_NOT_FOUND, "nothing is held between these two in group %s; `cccc holds` lists what is", call->group->id);
        return;
    }
    cccc_err_t err = write_release(call, *between, cccc_arg_bool(args, CCCC_A_hold_release_drop, false), call->by, call_reply_event, &why);
    if (err)
        call_fail(call, err, "%s", why.text);
}

/* ---- handing on ---- */

/* The copy for `id`: as the original, without what concerns only that. Its members keep their places (message_field, message_extra). */
static cccc_value_t copy_data(call_t *call, const struct cccc_event *event, cccc_str_t id)
{
    static const char *const left_out[] = {"client_digest", "guard", "hops", "waits_until"};
    cccc_value_t data = event->data;
    cccc_builder_t audience = cccc_array_builder(call->arena, 1), guard = cccc_map_builder(call->arena, 1);
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        data = cccc_map_without(call->arena, &data, cccc_str(left_out[i]));
    cccc_array_add(&audience, cccc_string(id));
    cccc_map_add_key(&guard, id, cccc_text(guard_word(guards_judge_released(call->core, call->group, event->by, id))));
    data = cccc_map_with(call->arena, &data, CCCC_STR("client_id"), cccc_nil());
    data = cccc_map_with(call->arena, &data, CCCC_STR("audience"), audience.value);
    data = cccc_map_with(call->arena, &data, CCCC_STR("guard"), guard.value);
    return cccc_map_with(call->arena, &data, CCCC_STR("released_from"), cccc_string(event->id));
}

static void hand_on_done(call_t *call)
{
    call->group->release_us = 0;
    call_finish(call);
}

static void hand_on(call_t *call, const struct cccc_event *event, cccc_str_t id)
{
    struct cccc_errmsg why;
    const struct cccc_group *view = group_view(call, call->group);
    bool stays = config_actor(view, id) && (!principal_is_actor(event->by) || config_actor(view, event->by));
    if (!stays || !guards_is_to_release(call->group, event->by, id, event->seq))
        return;
    cccc_err_t err =
        call_append(call, call->group, CCCC_KIND_CHAT_MESSAGE, event->by, event->scope_key, copy_data(call, event, id), hand_on_done, &why);
    if (err == CCCC_OK)
        guards_decided(call->group, call->appended);
}

/* What cannot be read cannot be handed on: it is given up, so that the rest is not stuck behind it. */
static void give_up(call_t *call, const struct guard_release *release)
{
    struct cccc_errmsg why;
    core_log(call->core, 4, "HELD-LOST", "messages that were held cannot be read, and are not handed on group=%s messages=%u",
             call->group->id, release->count);
    write_release(call, release->between, true, CCCC_STR("system"), hand_on_done, &why);
}

static void held_read(call_t *call)
{
    const struct guard_release *release = call->state;
    struct cccc_group *group = call->group;
    cccc_str_t one = CCCC_STR(""), other = CCCC_STR("");
    struct cccc_event event;
    cccc_as_str(&release->between.via.array.ptr[0], &one);
    cccc_as_str(&release->between.via.array.ptr[1], &other);
    if (call->read->err != CCCC_OK || group->deleted || group->folding) {
        call_finish(call);
        return;
    }
    for (uint32_t i = 0; call_read_event(call, i, &event); i++)
        hand_on(call, &event, cccc_str_eq(event.by, one) ? other : one);
    if (call->read->event_count == 0 && call->read->gap_count > 0)
        give_up(call, release);
    if (call->appends_open == 0)
        hand_on_done(call);
}

static void hand_on_group(struct cccc_core *core, struct cccc_group *group)
{
    call_t *call = core_call(core);
    struct guard_release *release = cccc_arena_alloc(call->arena, sizeof *release);
    guards_to_release(group, call->arena, release);
    call->group = group;
    call->state = release;
    group->release_us = core->now->mono_us + HAND_ON_MAX_US;
    struct cccc_read_query query = {.mode = CCCC_READ_SEQS,
                                    .seqs = release->seqs,
                                    .seq_count = release->count,
                                    .limit = release->count,
                                    .bytes_max = CCCC_LEDGER_READ_BYTES_MAX};
    call_read(call, group, &query, held_read);
}

void holds_tick(struct cccc_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++) {
        struct cccc_group *group = core->groups[i];
        if (core_may_write(core, group) && core->now->mono_us >= group->release_us && guards_release_waits(group))
            hand_on_group(core, group);
    }
}
