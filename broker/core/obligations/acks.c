/* acks.c - chat_ack, notify_ack, reply_cancel, obligations_list: the ops around what is owed (obligations.h; reference 3.10, 5.3, 5.4).
 *
 * Everybody acknowledges for themselves; what is asked for is cancelled by who asked for it, or by the user. A repeat of either writes nothing. What is owed no
 * more is not therefore acknowledged: whether it was, the ledger says.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/messages/ladder.h"
#include "broker/core/messages/message.h"
#include "broker/core/obligations/obligations.h"

#define LIST_DEFAULT 100

/* ---- chat_ack, notify_ack ---- */

struct ack {
    cccc_kind_t of, kind; /* of the event acknowledged, and of the acknowledgement */
    enum cccc_owed what;
    const char *key; /* the member that names the event */
    cccc_str_t actor_id, event_id;
    struct cccc_pending *decided;
};

static void ack_answer(call_t *call)
{
    const struct ack *ack = call->state;
    cccc_buf_t *out = call_reply_begin(call, 4);
    cccc_pack_text(out, "acked");
    cccc_pack_bool(out, true);
    cccc_pack_text(out, "already");
    cccc_pack_bool(out, ack->decided == NULL);
    cccc_pack_text(out, "event");
    if (ack->decided)
        cccc_buf_put(out, ack->decided->wire->data, ack->decided->wire->len);
    else
        cccc_pack_nil(out);
    cccc_pack_text(out, "as_of_seq");
    cccc_pack_uint(out, call->group->head_seq);
    call_reply_end(call, out);
}

/* Nothing is owed for it, and the ledger says why: it is there that an acknowledgement of theirs is, or what else ended it. */
static const char *ack_ended(const struct cccc_ladders *all, uint64_t *seq)
{
    const struct cccc_ladder *l = all->of;
    const struct {
        const char *why;
        uint64_t seq;
    } ends[] = {{"replied", l->replied.seq},
                {l->expired ? "expired" : "recalled", l->recalled.seq},
                {"cancelled", l->cancelled.seq},
                {"left", l->left.seq}};
    const char *why = all->partial || all->gaps ? "unknown" : "sender_left"; /* which is told by no event about the message */
    *seq = 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends[i].seq > 0 && (*seq == 0 || ends[i].seq < *seq)) {
            why = ends[i].why;
            *seq = ends[i].seq;
        }
    return why;
}

static void ack_closed(call_t *call)
{
    const struct cccc_ladders *all = call->state;
    uint64_t seq;
    if (all->of[0].acked.seq > 0) {
        call->state = all->own;
        ack_answer(call);
        return;
    }
    const char *why = ack_ended(all, &seq);
    cccc_builder_t result = cccc_map_builder(call->arena, 7);
    cccc_map_add(&result, "acked", cccc_bool(false));
    cccc_map_add(&result, "already", cccc_bool(false));
    cccc_map_add(&result, "event", cccc_nil());
    cccc_map_add(&result, "owed", cccc_bool(false));
    cccc_map_add(&result, "why", cccc_text(why));
    cccc_map_add(&result, "ended_seq", seq ? cccc_uint(seq) : cccc_nil());
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

static void ack_write(call_t *call, struct ack *ack)
{
    struct cccc_errmsg why;
    cccc_builder_t data = cccc_map_builder(call->arena, 2);
    cccc_map_add(&data, "actor_id", cccc_string(ack->actor_id));
    cccc_map_add(&data, ack->key, cccc_string(ack->event_id));
    cccc_err_t err = call_append(call, call->group, ack->kind, ack->actor_id, CCCC_STR(""), data.value, ack_answer, &why);
    if (err)
        call_fail(call, err, "%s", why.text);
    else
        ack->decided = call->appended;
}

/* Reference 3.10's checks, in its order. False: the call was failed. */
static bool ack_allowed(call_t *call, const struct ack *ack, const struct cccc_event *event)
{
    cccc_kind_t kind = cccc_kind_find(event->kind);
    if (kind != ack->of)
        call_fail(call, CCCC_E_INVALID_EVENT_KIND, "event %.*s is of kind %.*s; %s takes %s", CCCC_STR_FMT(ack->event_id),
                  CCCC_STR_FMT(event->kind), cccc_op_def(call->request.op)->name, cccc_kind_word(ack->of));
    else if (kind == CCCC_KIND_CHAT_MESSAGE && cccc_str_eq(event->by, ack->actor_id))
        call_fail(call, CCCC_E_CANNOT_ACK_OWN_MESSAGE, "message %.*s is by %.*s itself; its recipients acknowledge it",
                  CCCC_STR_FMT(ack->event_id), CCCC_STR_FMT(ack->actor_id));
    else if (kind == CCCC_KIND_CHAT_MESSAGE && !(obligations_asked(event, kind) & CCCC_OWED_ACK))
        call_fail(call, CCCC_E_NOT_AN_ATTENTION_MESSAGE,
                  "message %.*s asks for no acknowledgement (priority attention does); `cccc read` marks it as read",
                  CCCC_STR_FMT(ack->event_id));
    else if (!event_is_for(call, event, ack->actor_id) || (kind == CCCC_KIND_CHAT_MESSAGE && !obligations_asks(event, ack->actor_id)))
        call_fail(call, CCCC_E_EVENT_NOT_FOR_ACTOR, "event %.*s is not addressed to %.*s", CCCC_STR_FMT(ack->event_id),
                  CCCC_STR_FMT(ack->actor_id));
    else
        return true;
    return false;
}

static void ack_found(call_t *call)
{
    struct ack *ack = call->state;
    struct cccc_event event;
    if (read_failed(call))
        return;
    if (!call_read_event(call, 0, &event) || !cccc_str_eq(event.id, ack->event_id)) {
        event_refuse(call, ack->event_id);
        return;
    }
    if (!ack_allowed(call, ack, &event))
        return;
    bool asked = obligations_asked(&event, ack->of) & ack->what,
         open = obligations_owed(call->group, ack->actor_id, ack->event_id) & ack->what;
    struct cccc_pending *pending = ack_pending(call->group, ack->actor_id, ack->event_id);
    if (pending)
        call_wait(call, pending, ack_answer);
    else if (open || !asked) /* a notice that asks for nothing may be acknowledged, too */
        ack_write(call, ack);
    else
        ladders_begin(
            call, (struct cccc_climb){.event_id = ack->event_id, .only = ack->actor_id, .until_it_is_over = true, .then = ack_closed}, ack);
}

static void ack_begin(call_t *call, struct ack ask, enum cccc_arg_slot group_id, enum cccc_arg_slot by)
{
    cccc_str_t claimed = cccc_arg_str(&call->request.args, by);
    if (!call_group(call, group_id))
        return;
    const char *self = cccc_arena_str(call->arena, ask.actor_id).ptr;
    bool known = cccc_str_is(ask.actor_id, "user") || config_actor(call->group, ask.actor_id);
    if (!known && (claimed.len == 0 || cccc_str_eq(claimed, ask.actor_id))) {
        call_fail(call, CCCC_E_UNKNOWN_ACTOR, "no actor %.*s in group %s", CCCC_STR_FMT(ask.actor_id), call->group->id);
        return;
    }
    if (!permit_by(call, call->group, claimed, self))
        return;
    if (!cccc_str_eq(call->by, ask.actor_id)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: everybody acknowledges for themselves; %.*s cannot for %.*s",
                  CCCC_STR_FMT(call->by), CCCC_STR_FMT(ask.actor_id));
        return;
    }
    struct ack *ack = cccc_arena_alloc(call->arena, sizeof *ack);
    *ack = ask;
    call->state = ack;
    event_find(call, ack->event_id, ack_found);
}

void op_chat_ack(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct ack ack = {.of = CCCC_KIND_CHAT_MESSAGE,
                      .kind = CCCC_KIND_CHAT_ACK,
                      .what = CCCC_OWED_ACK,
                      .key = "event_id",
                      .actor_id = cccc_arg_str(args, CCCC_A_chat_ack_actor_id),
                      .event_id = cccc_arg_str(args, CCCC_A_chat_ack_event_id)};
    ack_begin(call, ack, CCCC_A_chat_ack_group_id, CCCC_A_chat_ack_by);
}

void op_notify_ack(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct ack ack = {.of = CCCC_KIND_SYSTEM_NOTIFY,
                      .kind = CCCC_KIND_SYSTEM_NOTIFY_ACK,
                      .what = CCCC_OWED_NOTICE,
                      .key = "notify_event_id",
                      .actor_id = cccc_arg_str(args, CCCC_A_notify_ack_actor_id),
                      .event_id = cccc_arg_str(args, CCCC_A_notify_ack_notify_event_id)};
    ack_begin(call, ack, CCCC_A_notify_ack_group_id, CCCC_A_notify_ack_by);
}

/* ---- reply_cancel ---- */

struct cancel {
    cccc_str_t event_id;
    cccc_value_t debtors; /* whose obligations end */
    struct cccc_pending *decided;
};

static void cancel_answer(call_t *call)
{
    const struct cancel *cancel = call->state;
    cccc_buf_t *out = call_reply_begin(call, 4);
    cccc_pack_text(out, "cancelled");
    cccc_pack_value(out, &cancel->debtors);
    cccc_pack_text(out, "already");
    cccc_pack_bool(out, cancel->decided == NULL);
    cccc_pack_text(out, "event");
    if (cancel->decided)
        cccc_buf_put(out, cancel->decided->wire->data, cancel->decided->wire->len);
    else
        cccc_pack_nil(out);
    cccc_pack_text(out, "as_of_seq");
    cccc_pack_uint(out, call->group->head_seq);
    call_reply_end(call, out);
}

static bool is_named(const cccc_value_t *ids, const char *id)
{
    cccc_str_t s;
    for (uint32_t i = 0; cccc_is_array(ids) && i < ids->via.array.size; i++)
        if (cccc_as_str(&ids->via.array.ptr[i], &s) && cccc_str_is(s, id))
            return true;
    return !cccc_is_array(ids) || ids->via.array.size == 0;
}

/* Who still owes something for it, of those named. */
static cccc_value_t cancel_debtors(call_t *call, cccc_str_t event_id)
{
    const cccc_value_t *named = cccc_arg(&call->request.args, CCCC_A_reply_cancel_actor_ids);
    const struct cccc_ask *ask = obligations_find(call->group, event_id);
    cccc_builder_t list = cccc_array_builder(call->arena, ask ? ask->open : 0);
    for (uint32_t i = 0; ask && i < ask->count; i++)
        if (ask->duties[i].owes && is_named(named, ask->duties[i].debtor->id))
            cccc_array_add(&list, cccc_string(cccc_arena_str(call->arena, cccc_str(ask->duties[i].debtor->id))));
    return list.value;
}

/* A name that is nobody's is a typing mistake; who was asked and left since is none. False: the call was failed. */
static bool cancel_names_somebody(call_t *call, const struct cccc_event *event)
{
    const cccc_value_t *named = cccc_arg(&call->request.args, CCCC_A_reply_cancel_actor_ids);
    cccc_str_t id;
    for (uint32_t i = 0; cccc_is_array(named) && i < named->via.array.size; i++) {
        if (!cccc_as_str(&named->via.array.ptr[i], &id) || cccc_str_is(id, "user") || config_actor(call->group, id) ||
            event_is_for(call, event, id))
            continue;
        call_fail(call, CCCC_E_UNKNOWN_ACTOR, "no actor %.*s in group %s, and event %.*s is not addressed to one; nothing was cancelled",
                  CCCC_STR_FMT(id), call->group->id, CCCC_STR_FMT(event->id));
        return false;
    }
    return true;
}

static void cancel_write(call_t *call, struct cancel *cancel)
{
    struct cccc_errmsg why;
    cccc_builder_t data = cccc_map_builder(call->arena, 3);
    cccc_map_add(&data, "event_id", cccc_string(cancel->event_id));
    cccc_map_add(&data, "actor_ids", cancel->debtors);
    cccc_map_add(&data, "reason", cccc_string(cccc_arg_str(&call->request.args, CCCC_A_reply_cancel_reason)));
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_CHAT_CANCEL, call->by, CCCC_STR(""), data.value, cancel_answer, &why);
    if (err)
        call_fail(call, err, "%s", why.text);
    else
        cancel->decided = call->appended;
}

static void cancel_found(call_t *call)
{
    struct cancel *cancel = call->state;
    struct cccc_event event;
    if (read_failed(call))
        return;
    if (!call_read_event(call, 0, &event) || !cccc_str_eq(event.id, cancel->event_id)) {
        event_refuse(call, cancel->event_id);
        return;
    }
    cccc_kind_t kind = cccc_kind_find(event.kind);
    if (kind != CCCC_KIND_CHAT_MESSAGE && kind != CCCC_KIND_SYSTEM_NOTIFY) {
        call_fail(call, CCCC_E_INVALID_EVENT_KIND, "event %.*s is of kind %.*s; only messages and notices ask for anything",
                  CCCC_STR_FMT(cancel->event_id), CCCC_STR_FMT(event.kind));
        return;
    }
    if (!cccc_str_is(call->by, "user") && !cccc_str_eq(call->by, event.by)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: only its sender %.*s or the user cancels what message %.*s asks for",
                  CCCC_STR_FMT(event.by), CCCC_STR_FMT(cancel->event_id));
        return;
    }
    if (!cancel_names_somebody(call, &event))
        return;
    cancel->debtors = cancel_debtors(call, cancel->event_id);
    if (cancel->debtors.via.array.size > 0)
        cancel_write(call, cancel);
    else
        cancel_answer(call);
}

void op_reply_cancel(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_reply_cancel_group_id) ||
        !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_reply_cancel_by), "user"))
        return;
    struct cancel *cancel = cccc_arena_alloc(call->arena, sizeof *cancel);
    *cancel = (struct cancel){.event_id = cccc_arg_str(args, CCCC_A_reply_cancel_event_id)};
    call->state = cancel;
    event_find(call, cancel->event_id, cancel_found);
}

/* ---- obligations_list ---- */

/* What is asked for, and the page so far. */
struct listing {
    cccc_str_t to;
    bool overdue;
    uint64_t after, limit;
    struct cccc_patience patience;
    int64_t now_us;
    cccc_builder_t rows;
    bool more;
};

static void list_duty(struct listing *list, const struct cccc_duty *duty)
{
    bool overdue = obligation_is_overdue(duty, &list->patience, list->now_us);
    if (duty->owes && (overdue || !list->overdue) && (list->to.len == 0 || cccc_str_is(list->to, duty->ask->by)))
        cccc_array_add(&list->rows, obligation_row(list->rows.arena, duty, overdue));
}

static void list_of(struct listing *list, const struct cccc_reader *reader)
{
    for (const struct cccc_duty *duty = reader ? reader->owes.first : NULL; duty && !list->more; duty = duty->after) {
        if (duty->ask->seq <= list->after)
            continue;
        list->more = list->rows.value.via.array.size >= list->limit;
        if (!list->more)
            list_duty(list, duty);
    }
}

/* An event is listed with all its debtors or not at all, so that its seq can name where the next page begins. */
static void list_all(struct listing *list, const struct cccc_group *group)
{
    for (const struct cccc_ask *ask = group->obligations->asks; ask && !list->more; ask = ask->hh.next) {
        if (ask->seq <= list->after)
            continue;
        uint32_t listed = list->rows.value.via.array.size;
        list->more = listed > 0 && listed + ask->open > list->limit;
        for (uint32_t i = 0; i < ask->count && !list->more; i++)
            list_duty(list, &ask->duties[i]);
    }
}

void op_obligations_list(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_obligations_list_group_id))
        return;
    const struct cccc_group *group = call->group;
    cccc_str_t actor_id = cccc_arg_str(args, CCCC_A_obligations_list_actor_id);
    if (actor_id.len > 0 && !cccc_str_is(actor_id, "user") && !config_actor(group, actor_id)) {
        call_fail(call, CCCC_E_UNKNOWN_ACTOR, "no actor %.*s in group %s", CCCC_STR_FMT(actor_id), group->id);
        return;
    }
    const struct cccc_reader *reader = reader_find(group, actor_id);
    struct listing list = {.to = cccc_arg_str(args, CCCC_A_obligations_list_to),
                           .overdue = cccc_arg_bool(args, CCCC_A_obligations_list_overdue, false),
                           .after = cccc_arg_uint(args, CCCC_A_obligations_list_after_seq, 0),
                           .limit = cccc_arg_uint(args, CCCC_A_obligations_list_limit, LIST_DEFAULT),
                           .patience = obligations_patience(call->arena, group),
                           .now_us = call->core->now->unix_us,
                           .rows = cccc_array_builder(call->arena, LIST_DEFAULT)};
    if (list.limit == 0 || list.limit > CCCC_OBLIGATIONS_LIST_MAX)
        list.limit = CCCC_OBLIGATIONS_LIST_MAX;
    if (actor_id.len > 0)
        list_of(&list, reader);
    else
        list_all(&list, group);
    uint64_t total = actor_id.len == 0 ? group->obligations->open : reader ? reader->owes.count : 0;
    cccc_builder_t result = cccc_map_builder(call->arena, 4);
    cccc_map_add(&result, "obligations", list.rows.value);
    cccc_map_add(&result, "open", cccc_uint(total));
    cccc_map_add(&result, "more", cccc_bool(list.more));
    cccc_map_add(&result, "as_of_seq", cccc_uint(group->head_seq));
    call_reply(call, &result.value);
}
