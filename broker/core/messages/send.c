/* send.c - send, reply and send_batch: the ops around message.c.
 *
 * All three are answered when what they stored is durable. A repeat of a client_id is answered with the event it repeats; while that one is pending, the
 * answer waits for the same durability.
 * Thread: the core's. */
#include "broker/core/messages/ladder.h"

static struct cccc_message *message_new(call_t *call, const char *verb)
{
    struct cccc_message *m = cccc_arena_alloc(call->arena, sizeof *m);
    memset(m, 0, sizeof *m);
    m->group = call->group;
    m->by = call->by;
    m->verb = verb;
    return m;
}

/* The arguments of op send, from the request or from one item of a batch. */
static struct cccc_message *message_of_send(call_t *call, const struct cccc_args *args)
{
    struct cccc_message *m = message_new(call, "send");
    m->text = cccc_arg_str(args, CCCC_A_send_text);
    m->priority = cccc_arg_str(args, CCCC_A_send_priority);
    m->path = cccc_arg_str(args, CCCC_A_send_path);
    m->client_id = cccc_arg_str(args, CCCC_A_send_client_id);
    m->src_group_id = cccc_arg_str(args, CCCC_A_send_src_group_id);
    m->src_event_id = cccc_arg_str(args, CCCC_A_send_src_event_id);
    m->dst_group_id = cccc_arg_str(args, CCCC_A_send_dst_group_id);
    m->to = cccc_arg(args, CCCC_A_send_to);
    m->dst_to = cccc_arg(args, CCCC_A_send_dst_to);
    m->attachments = cccc_arg(args, CCCC_A_send_attachments);
    m->reply_required = cccc_arg_bool(args, CCCC_A_send_reply_required, false);
    m->due_seconds = cccc_arg_uint(args, CCCC_A_send_due_seconds, 0);
    m->expires_seconds = cccc_arg_uint(args, CCCC_A_send_expires_seconds, 0);
    m->cause = cccc_arg_str(args, CCCC_A_send_cause);
    m->wait_seconds = cccc_arg_uint(args, CCCC_A_send_wait_seconds, 0);
    m->ignored = args->ignored;
    return m;
}

/* ---- one message ---- */

/* What will happen per recipient: said when asked for, when a copy waits for something, or when nobody gets one. False: nothing is to be said. */
static bool outlook(call_t *call, const struct cccc_message *m, cccc_value_t *rows)
{
    const struct cccc_group *group = call->group;
    bool reply = call->request.op == CCCC_OP_reply, waits;
    bool asked = cccc_arg_bool(&call->request.args, reply ? CCCC_A_reply_outlook : CCCC_A_send_outlook, false);
    bool nobody = m->audience.via.array.size == 0;
    /* The usual case costs next to nothing: programs of their own, enabled. */
    if (m->duplicate || (!asked && !nobody && !group->config.terminals && m->reach.disabled + m->reach.disabled_by_id == 0))
        return false;
    *rows = outlook_rows(call, group, m, &waits);
    return asked || nobody || waits;
}

static void send_answer(call_t *call)
{
    struct cccc_message *m = call->state;
    bool is_reply = call->request.op == CCCC_OP_reply;
    cccc_value_t rows;
    message_settle(call, m);
    bool said = outlook(call, m, &rows);
    bool circle = cccc_is_array(&m->cycle) && !m->duplicate;
    cccc_buf_t *out = call_reply_begin(call, 1u + is_reply + m->duplicate + said + circle);
    cccc_pack_text(out, "event");
    message_pack_event(m, out);
    if (is_reply) {
        cccc_pack_text(out, "ack_event");
        if (m->duplicate && m->repeated_ack.len > 0)
            cccc_buf_put(out, m->repeated_ack.ptr, m->repeated_ack.len);
        else if (m->ack && !m->duplicate)
            cccc_buf_put(out, m->ack->wire->data, m->ack->wire->len);
        else
            cccc_pack_nil(out);
    }
    if (m->duplicate) {
        cccc_pack_text(out, "duplicate");
        cccc_pack_bool(out, true);
    }
    if (said) {
        cccc_pack_text(out, "recipients");
        cccc_pack_value(out, &rows);
    }
    if (circle) {
        cccc_pack_text(out, "cycle");
        cccc_pack_value(out, &m->cycle);
    }
    call_reply_end(call, out);
}

static void send_step(call_t *call)
{
    struct cccc_message *m = call->state;
    enum cccc_message_step step = message_prepare(call, m, send_step);
    if (step == CCCC_MESSAGE_PARKED)
        return;
    if (step == CCCC_MESSAGE_READY && message_decide(call, m, send_answer))
        return;
    if (m->refusal) {
        message_fail(call, m);
        return;
    }
    if (m->pending)
        call_wait(call, m->pending, send_answer);
    if (m->ack)
        call_wait(call, m->ack, send_answer);
    if (!m->pending && !m->ack)
        send_answer(call);
}

void op_send(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_send_group_id) || !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_send_by), "user"))
        return;
    call->state = message_of_send(call, args);
    send_step(call);
}

void op_reply(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_reply_group_id) || !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_reply_by), "user"))
        return;
    struct cccc_message *m = message_new(call, "reply");
    m->text = cccc_arg_str(args, CCCC_A_reply_text);
    m->priority = cccc_arg_str(args, CCCC_A_reply_priority);
    m->client_id = cccc_arg_str(args, CCCC_A_reply_client_id);
    m->reply_to = cccc_arg_str(args, CCCC_A_reply_reply_to);
    m->to = cccc_arg(args, CCCC_A_reply_to);
    m->attachments = cccc_arg(args, CCCC_A_reply_attachments);
    m->reply_required = cccc_arg_bool(args, CCCC_A_reply_reply_required, false);
    m->due_seconds = cccc_arg_uint(args, CCCC_A_reply_due_seconds, 0);
    m->expires_seconds = cccc_arg_uint(args, CCCC_A_reply_expires_seconds, 0);
    m->wait_seconds = cccc_arg_uint(args, CCCC_A_reply_wait_seconds, 0);
    call->state = m;
    send_step(call);
}

/* ---- many ---- */

struct batch {
    struct cccc_message **messages;
    uint32_t count;
    uint32_t next; /* of this pass */
    bool parked;   /* somewhere in this pass: what was checked before may have changed, for every item */
};

static void pack_refusal(const struct cccc_refusal *refusal, cccc_buf_t *out)
{
    bool details = cccc_is_map(&refusal->details);
    cccc_pack_map(out, 2);
    cccc_pack_text(out, "ok");
    cccc_pack_bool(out, false);
    cccc_pack_text(out, "error");
    cccc_pack_map(out, details ? 3 : 2);
    cccc_pack_text(out, "code");
    cccc_pack_text(out, cccc_err_code(refusal->err));
    cccc_pack_text(out, "message");
    cccc_pack_text(out, refusal->message.text);
    if (details) {
        cccc_pack_text(out, "details");
        cccc_pack_value(out, &refusal->details);
    }
}

static void pack_result(const struct cccc_message *m, cccc_buf_t *out)
{
    if (m->refusal) {
        pack_refusal(m->refusal, out);
        return;
    }
    const struct cccc_event *event = m->duplicate ? m->repeated : &m->pending->event;
    bool ignored = cccc_is_array(&m->ignored);
    cccc_pack_map(out, 3u + m->duplicate + ignored);
    cccc_pack_text(out, "ok");
    cccc_pack_bool(out, true);
    cccc_pack_text(out, "event_id");
    cccc_pack_str(out, event->id);
    cccc_pack_text(out, "seq");
    cccc_pack_uint(out, event->seq);
    if (m->duplicate) {
        cccc_pack_text(out, "duplicate");
        cccc_pack_bool(out, true);
    }
    if (ignored) {
        cccc_pack_text(out, "ignored");
        cccc_pack_value(out, &m->ignored);
    }
}

static void batch_answer(call_t *call)
{
    struct batch *batch = call->state;
    for (uint32_t i = 0; i < batch->count; i++)
        message_settle(call, batch->messages[i]);
    cccc_buf_t *out = call_reply_begin(call, 1);
    cccc_pack_text(out, "results");
    cccc_pack_array(out, batch->count);
    for (uint32_t i = 0; i < batch->count; i++)
        pack_result(batch->messages[i], out);
    call_reply_end(call, out);
}

/* Everything is looked up: decide all in this input, in order. A client_id given twice finds its first one pending. */
static void batch_decide(call_t *call)
{
    struct batch *batch = call->state;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct cccc_message *m = batch->messages[i];
        if (!m->refusal && !m->duplicate && !message_is_repeat(call, m))
            message_decide(call, m, batch_answer);
        else if (m->duplicate && m->pending)
            call_wait(call, m->pending, batch_answer);
        else if (m->duplicate)
            call->partly_stored = true;
    }
    if (call->appends_open == 0)
        batch_answer(call);
}

static void batch_step(call_t *call)
{
    struct batch *batch = call->state;
    for (;;) {
        while (batch->next < batch->count) {
            if (message_prepare(call, batch->messages[batch->next], batch_step) == CCCC_MESSAGE_PARKED) {
                batch->parked = true;
                return;
            }
            batch->next++;
        }
        if (!batch->parked)
            break;
        batch->parked = false;
        batch->next = 0;
        for (uint32_t i = 0; i < batch->count; i++)
            batch->messages[i]->parked = true;
    }
    batch_decide(call);
}

/* An item need not name its group; when it does, it must be the batch's. */
static bool is_of_group(const call_t *call, const cccc_value_t *item)
{
    const cccc_value_t *named = cccc_get(item, "group_id");
    return named == NULL || cccc_is_nil(named) || cccc_str_is(cccc_get_str(item, "group_id"), call->group->id);
}

/* One item, checked against the arguments of op send. */
static struct cccc_message *batch_item(call_t *call, const cccc_value_t *item)
{
    cccc_value_t map = cccc_map_with(call->arena, item, CCCC_STR("group_id"), cccc_text(call->group->id));
    struct cccc_args args;
    struct cccc_refusal refusal = {.details = cccc_nil()};
    if (cccc_args_check(CCCC_OP_send, &map, call->arena, &args, &refusal) == CCCC_OK) {
        cccc_str_t by = cccc_arg_str(&args, CCCC_A_send_by);
        struct cccc_message *m = message_of_send(call, &args);
        if (by.len > 0 && !cccc_str_eq(by, call->by))
            message_refuse(call, m, CCCC_E_INVALID_REQUEST, "`by` is given once, for the whole batch");
        else if (!is_of_group(call, item))
            message_refuse(call, m, CCCC_E_INVALID_REQUEST, "`group_id` is given once, for the whole batch");
        message_expect(m);
        return m;
    }
    struct cccc_message *m = message_new(call, "send");
    message_refuse(call, m, refusal.err, "%s", refusal.message.text);
    m->refusal->details = refusal.details;
    return m;
}

void op_send_batch(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_send_batch_group_id) || !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_send_batch_by), "user"))
        return;
    const cccc_value_t *items = cccc_arg(args, CCCC_A_send_batch_messages);
    struct batch *batch = cccc_arena_alloc(call->arena, sizeof *batch);
    *batch = (struct batch){.count = items->via.array.size};
    batch->messages = cccc_arena_alloc(call->arena, (batch->count + 1) * sizeof(void *));
    for (uint32_t i = 0; i < batch->count; i++)
        batch->messages[i] = batch_item(call, &items->via.array.ptr[i]);
    call->state = batch;
    batch_step(call);
}
