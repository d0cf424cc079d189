/* cross.c - send_cross_group: a record in the source group, the message in the destination, and a record of how that went.
 *
 * The source event is durable first; it is the promise. The second step carries a client_id made from the source event's id, so that repeating it never
 * sends twice. chat.relayed or chat.relay_refused in the source group ends it; until one of them is there the relay is open and is tried
 * again, also after a restart.
 * In the destination the speaker is svc:<source group>/<actor>: no actor there can be taken for it, and no client may speak as it. `user` and services
 * are the same principals in every group and stay as they are.
 * Thread: the core's. */
#include "broker/core/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

/* A source event whose second step is not recorded as over. */
struct cccc_relay {
    struct cccc_relay *next;
    uint64_t seq;
    uint64_t retry_mono_us; /* when the tick may begin the second step (again) */
    char event_id[33];
};

/* An attempt that has not ended by then is repeated; repeating is harmless. */
#define RETRY_US         (10u * 1000000u)
#define RETRIES_PER_TICK 16
/* chat.relay_refused events looked at to answer a repeat. */
#define REFUSALS_READ 100

/* ---- state ---- */

static struct cccc_relay **relay_find(struct cccc_group *group, cccc_str_t event_id)
{
    struct cccc_relay **at = &group->relays;
    while (*at && !cccc_str_is(event_id, (*at)->event_id))
        at = &(*at)->next;
    return at;
}

void relay_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    if (kind == CCCC_KIND_CHAT_MESSAGE) {
        if (!cccc_get_bool(&event->data, "relay", false) || event->id.len > 32)
            return;
        struct cccc_relay *relay = calloc(1, sizeof *relay);
        CCCC_ASSERT(relay, "(out of memory)");
        relay->seq = event->seq;
        memcpy(relay->event_id, event->id.ptr, event->id.len);
        *relay_find(group, CCCC_STR("")) = relay;
        return;
    }
    struct cccc_relay **at = relay_find(group, cccc_get_str(&event->data, "src_event_id"));
    struct cccc_relay *over = *at;
    if (over) {
        *at = over->next;
        free(over);
    }
}

void relays_fini(struct cccc_group *group)
{
    while (group->relays) {
        struct cccc_relay *relay = group->relays;
        group->relays = relay->next;
        free(relay);
    }
}

cccc_value_t relays_dump(const struct cccc_group *group, cccc_arena_t *arena)
{
    cccc_builder_t list = cccc_array_builder(arena, 0);
    for (const struct cccc_relay *relay = group->relays; relay; relay = relay->next)
        cccc_array_add(&list, cccc_string(cccc_arena_str(arena, cccc_str(relay->event_id))));
    return list.value;
}

uint64_t relays_oldest(const struct cccc_group *group)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct cccc_relay *relay = group->relays; relay; relay = relay->next)
        oldest = relay->seq < oldest ? relay->seq : oldest;
    return oldest;
}

void relays_save(const struct cccc_group *group, cccc_buf_t *out)
{
    uint32_t count = 0;
    for (const struct cccc_relay *relay = group->relays; relay; relay = relay->next)
        count++;
    cccc_pack_array(out, count);
    for (const struct cccc_relay *relay = group->relays; relay; relay = relay->next) {
        cccc_pack_array(out, 2);
        cccc_pack_uint(out, relay->seq);
        cccc_pack_text(out, relay->event_id);
    }
}

bool relays_load(struct cccc_group *group, const cccc_value_t *v)
{
    struct cccc_relay **end = &group->relays;
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++) {
        const cccc_value_t *row = snapshot_row(&v->via.array.ptr[i], 2);
        struct cccc_relay *relay = calloc(1, sizeof *relay);
        CCCC_ASSERT(relay, "(out of memory)");
        *end = relay;
        end = &relay->next;
        if (!row || !cccc_as_uint(&row[0], &relay->seq) || relay->seq > group->head_seq ||
            !snapshot_text(&row[1], relay->event_id, sizeof relay->event_id))
            return false;
    }
    return cccc_is_array(v);
}

/* ---- one cross-group send ---- */

struct cross {
    struct cccc_group *src_group, *dst_group;
    struct cccc_message src, dst;
    cccc_str_t dst_group_id;
    struct cccc_event source; /* as stored */
    bool closed;              /* a repeat of one whose second step is over */
};

static cccc_str_t relayed_by(call_t *call, const struct cccc_group *src_group, cccc_str_t by)
{
    if (cccc_str_is(by, "user") || (by.len > 4 && memcmp(by.ptr, "svc:", 4) == 0))
        return by;
    return cccc_arena_printf(call->arena, "svc:%s/%.*s", src_group->id, CCCC_STR_FMT(by));
}

static void cross_answer(call_t *call)
{
    struct cross *cross = call->state;
    bool duplicate = cross->src.duplicate;
    cccc_buf_t *out = call_reply_begin(call, duplicate ? 3 : 2);
    cccc_pack_text(out, "src_event");
    message_pack_event(&cross->src, out);
    cccc_pack_text(out, "dst_event");
    message_pack_event(&cross->dst, out);
    if (duplicate) {
        cccc_pack_text(out, "duplicate");
        cccc_pack_bool(out, true);
    }
    call_reply_end(call, out);
}

/* ---- the end: relayed or refused ---- */

static void record_relayed(call_t *call)
{
    struct cross *cross = call->state;
    const struct cccc_event *dst = cross->dst.duplicate ? cross->dst.repeated : &cross->dst.pending->event;
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_builder_t data = cccc_map_builder(arena, 3);
    cccc_map_add(&data, "src_event_id", cccc_string(cccc_arena_str(arena, cross->source.id)));
    cccc_map_add(&data, "dst_group_id", cccc_string(cccc_arena_str(arena, cross->dst_group_id)));
    cccc_map_add(&data, "dst_event_id", cccc_string(cccc_arena_str(arena, dst->id)));
    struct cccc_errmsg why;
    /* When it is not taken now, the relay stays open: the next attempt finds the message sent and records that. */
    if (core_append(call->core, cross->src_group, CCCC_KIND_CHAT_RELAYED, CCCC_STR("system"), CCCC_STR(""), data.value, &arena, &why))
        core_log(call->core, 4, "RELAY-NOT-RECORDED",
                 "a message reached the other group, and that could not be recorded yet group=%s event=%.*s why=%s", cross->src_group->id,
                 CCCC_STR_FMT(cross->source.id), why.text);
}

static void second_done(call_t *call)
{
    struct cross *cross = call->state;
    call->group = cross->src_group;
    message_settle(call, &cross->dst);
    if (*relay_find(cross->src_group, cross->source.id))
        record_relayed(call);
    if (call->conn == 0)
        call_finish(call); /* resumed: nobody asks any more */
    else
        cross_answer(call);
}

static void refused_answer(call_t *call)
{
    struct cross *cross = call->state;
    const struct cccc_refusal *refusal = cross->dst.refusal;
    cccc_builder_t details = cccc_map_builder(call->arena, 2);
    cccc_map_add(&details, "src_event_id", cccc_string(cross->source.id));
    if (cccc_is_map(&refusal->details))
        cccc_map_add(&details, "destination", refusal->details);
    call_fail_details(call, refusal->err, details.value, "recorded in group %s as event %.*s, but group %.*s refused it: %s",
                      cross->src_group->id, CCCC_STR_FMT(cross->source.id), CCCC_STR_FMT(cross->dst_group_id), refusal->message.text);
}

/* Not a refusal of the message: the group or the disk cannot take anything now. */
static bool is_passing(cccc_err_t err)
{
    return err == CCCC_E_BUSY || err == CCCC_E_STORAGE || err == CCCC_E_NO_SPACE;
}

static void passing_answer(call_t *call)
{
    struct cross *cross = call->state;
    cccc_builder_t details = cccc_map_builder(call->arena, 2);
    cccc_map_add(&details, "src_event_id", cccc_string(cross->source.id));
    cccc_map_add(&details, "outcome", cccc_text("unknown"));
    call_fail_details(call, cross->dst.refusal->err, details.value,
                      "recorded in group %s as event %.*s; group %.*s could not take it now and it is tried again: %s",
                      cross->src_group->id, CCCC_STR_FMT(cross->source.id), CCCC_STR_FMT(cross->dst_group_id),
                      cross->dst.refusal->message.text);
}

static void second_refused(call_t *call)
{
    struct cross *cross = call->state;
    const struct cccc_refusal *refusal = cross->dst.refusal;
    call->group = cross->src_group;
    if (is_passing(refusal->err)) {
        passing_answer(call);
        return;
    }
    cccc_builder_t data = cccc_map_builder(call->arena, 4);
    cccc_map_add(&data, "src_event_id", cccc_string(cross->source.id));
    cccc_map_add(&data, "dst_group_id", cccc_string(cross->dst_group_id));
    cccc_map_add(&data, "code", cccc_text(cccc_err_code(refusal->err)));
    cccc_map_add(&data, "message", cccc_text(refusal->message.text));
    struct cccc_errmsg why;
    if (call_append(call, cross->src_group, CCCC_KIND_CHAT_RELAY_REFUSED, CCCC_STR("system"), CCCC_STR(""), data.value, refused_answer,
                    &why) != CCCC_OK)
        refused_answer(call);
}

/* ---- a repeat of what was refused ---- */

static void refusal_read(call_t *call)
{
    struct cross *cross = call->state;
    struct cccc_event event;
    for (uint32_t i = 0; !call->read->err && call_read_event(call, i, &event); i++) {
        if (!cccc_str_eq(cccc_get_str(&event.data, "src_event_id"), cross->source.id))
            continue;
        cccc_str_t code = cccc_get_str(&event.data, "code"), message = cccc_get_str(&event.data, "message");
        message_refuse(call, &cross->dst, cccc_err_from_code(code.ptr, code.len), "%.*s", CCCC_STR_FMT(message));
        refused_answer(call);
        return;
    }
    message_refuse(call, &cross->dst, CCCC_E_EVENT_NOT_FOUND, "what became of it there can no longer be read");
    refused_answer(call);
}

static void read_refusal(call_t *call)
{
    struct cross *cross = call->state;
    call->group = cross->src_group;
    cccc_builder_t kinds = cccc_array_builder(call->arena, 1);
    cccc_array_add(&kinds, cccc_text("chat.relay_refused"));
    cccc_value_t *list = cccc_arena_alloc(call->arena, sizeof *list);
    *list = kinds.value;
    struct cccc_read_query query = {
        .mode = CCCC_READ_AFTER, .seq = cross->source.seq, .limit = REFUSALS_READ, .bytes_max = CCCC_LEDGER_READ_BYTES_MAX, .kinds = list};
    call_read(call, cross->src_group, &query, refusal_read);
}

/* ---- the second step ---- */

static void second_step(call_t *call)
{
    struct cross *cross = call->state;
    enum cccc_message_step step = message_prepare(call, &cross->dst, second_step);
    if (step == CCCC_MESSAGE_PARKED)
        return;
    if (cross->dst.duplicate && cross->dst.pending)
        call_wait(call, cross->dst.pending, second_done);
    else if (cross->dst.duplicate)
        second_done(call);
    else if (cross->closed)
        read_refusal(call);
    else if (step == CCCC_MESSAGE_ENDED || !message_decide(call, &cross->dst, second_done))
        second_refused(call);
}

/* Begin the second step from what the source event says, so that every attempt asks for the same. */
static void second_begin(call_t *call, cccc_str_t text)
{
    struct cross *cross = call->state;
    const cccc_value_t *data = &cross->source.data;
    struct cccc_relay *relay = *relay_find(cross->src_group, cross->source.id);
    if (relay)
        relay->retry_mono_us = call->core->now->mono_us + RETRY_US;
    cross->closed = relay == NULL;
    cross->dst = (struct cccc_message){.group = cross->dst_group,
                                       .by = relayed_by(call, cross->src_group, cross->source.by),
                                       .verb = "relay",
                                       .text = text,
                                       .priority = cccc_get_str(data, "priority"),
                                       .client_id = cccc_arena_printf(call->arena, "x:%.*s", CCCC_STR_FMT(cross->source.id)),
                                       .src_group_id = cccc_str(cross->src_group->id),
                                       .src_event_id = cross->source.id,
                                       .to = cccc_get(data, "dst_to"),
                                       .reply_required = cccc_get_bool(data, "reply_required", false)};
    call->group = cross->dst_group; /* the event is attested for where it goes */
    second_step(call);
}

/* ---- the source record ---- */

static void source_durable(call_t *call)
{
    struct cross *cross = call->state;
    call->partly_stored = true;
    message_settle(call, &cross->src);
    cross->source = cross->src.duplicate ? *cross->src.repeated : cross->src.pending->event;
    second_begin(call, cross->src.text);
}

/* Would the destination take it? Asked before anything is written; the second step asks again. False: the call was failed. */
static bool destination_takes(call_t *call)
{
    struct cross *cross = call->state;
    struct cccc_message probe = {.group = cross->dst_group,
                                 .by = relayed_by(call, cross->src_group, call->by),
                                 .text = cross->src.text,
                                 .to = cccc_arg(&call->request.args, CCCC_A_send_cross_group_to)};
    if (cross->dst_group->read_only)
        message_refuse(call, &probe, CCCC_E_GROUP_READ_ONLY, "group %s takes no events: %s", cross->dst_group->id,
                       cross->dst_group->read_only);
    else
        message_check_recipients(call, &probe);
    if (probe.refusal) {
        message_fail(call, &probe);
        return false;
    }
    cccc_value_t *tokens = cccc_arena_alloc(call->arena, sizeof *tokens);
    *tokens = probe.tokens;
    cross->src.dst_to = tokens;
    return true;
}

static void source_step(call_t *call)
{
    struct cross *cross = call->state;
    enum cccc_message_step step = message_prepare(call, &cross->src, source_step);
    if (step == CCCC_MESSAGE_PARKED)
        return;
    if (cross->src.duplicate && cross->src.pending) {
        call_wait(call, cross->src.pending, source_durable);
    } else if (cross->src.duplicate) {
        source_durable(call);
    } else if (step == CCCC_MESSAGE_ENDED) {
        message_fail(call, &cross->src);
    } else if (destination_takes(call) && !message_decide(call, &cross->src, source_durable)) {
        message_fail(call, &cross->src);
    }
}

static struct cccc_group *destination(call_t *call)
{
    struct cccc_group *source = call->group;
    if (!call_group(call, CCCC_A_send_cross_group_dst_group_id))
        return NULL;
    struct cccc_group *dst = call->group;
    call->group = source;
    return dst;
}

static bool cross_allowed(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    const cccc_value_t *attachments = cccc_arg(args, CCCC_A_send_cross_group_attachments);
    cccc_str_t group_id = cccc_arg_str(args, CCCC_A_send_cross_group_group_id);
    if (attachments && attachments->via.array.size > 0) {
        call_fail(call, CCCC_E_ATTACHMENTS_NOT_SUPPORTED,
                  "attachments do not cross groups; store the file in the other group with blob_put");
        return false;
    }
    if (cccc_str_eq(group_id, cccc_arg_str(args, CCCC_A_send_cross_group_dst_group_id))) {
        call_fail(call, CCCC_E_INVALID_DST_GROUP_ID, "the destination is the source group; use send");
        return false;
    }
    return call_group(call, CCCC_A_send_cross_group_group_id) &&
           permit_by(call, call->group, cccc_arg_str(args, CCCC_A_send_cross_group_by), "user");
}

void op_send_cross_group(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct cccc_group *dst = cross_allowed(call) ? destination(call) : NULL;
    if (!dst)
        return;
    struct cross *cross = cccc_arena_alloc(call->arena, sizeof *cross);
    memset(cross, 0, sizeof *cross);
    cross->src_group = call->group;
    cross->dst_group = dst;
    cross->dst_group_id = cccc_str(dst->id);
    cccc_builder_t user = cccc_array_builder(call->arena, 1);
    cccc_array_add(&user, cccc_text("user"));
    cccc_value_t *to = cccc_arena_alloc(call->arena, sizeof *to);
    *to = user.value;
    cross->src = (struct cccc_message){.group = call->group,
                                       .by = call->by,
                                       .verb = "send_cross_group",
                                       .text = cccc_arg_str(args, CCCC_A_send_cross_group_text),
                                       .priority = cccc_arg_str(args, CCCC_A_send_cross_group_priority),
                                       .client_id = cccc_arg_str(args, CCCC_A_send_cross_group_client_id),
                                       .dst_group_id = cross->dst_group_id,
                                       .to = to,
                                       .dst_to = cccc_arg(args, CCCC_A_send_cross_group_to),
                                       .reply_required = cccc_arg_bool(args, CCCC_A_send_cross_group_reply_required, false),
                                       .relays = true};
    call->state = cross;
    source_step(call);
}

/* ---- resuming ---- */

static void resume_text_read(call_t *call)
{
    const cccc_value_t *data = cccc_get(call->stored.value, "data");
    if (call->stored.err || !data || data->type != MSGPACK_OBJECT_BIN) {
        call_fail(call, CCCC_E_STORAGE, "the text of the source event cannot be read: %s", call->stored.message);
        return;
    }
    second_begin(call, cccc_arena_str(call->arena, (cccc_str_t){data->via.bin.ptr, data->via.bin.size}));
}

/* The source event is read: find the destination, and the whole text. */
static void resume_read(call_t *call)
{
    struct cross *cross = call->state;
    struct cccc_relay *relay = NULL;
    if (!call->read->err && call_read_event(call, 0, &cross->source))
        relay = *relay_find(cross->src_group, cross->source.id);
    if (!relay) {
        call_fail(call, CCCC_E_EVENT_NOT_FOUND, "the source event is gone");
        return;
    }
    cross->dst_group_id = cccc_get_str(&cross->source.data, "dst_group_id");
    cross->dst_group = core_group(call->core, cross->dst_group_id);
    if (!cross->dst_group) {
        message_refuse(call, &cross->dst, CCCC_E_GROUP_NOT_FOUND, "there is no such group any more");
        second_refused(call);
        return;
    }
    const cccc_value_t *files = cccc_get(&cross->source.data, "attachments");
    if (!cccc_is_array(files) || files->via.array.size == 0) {
        second_begin(call, cccc_get_str(&cross->source.data, "text"));
        return;
    }
    /* Attachments do not cross groups: the one there is, is the long text. */
    blob_read(call, cross->src_group, blob_file(cccc_get_str(&files->via.array.ptr[0], "path")), CCCC_TEXT_BYTES_MAX, resume_text_read);
}

static void resume(struct cccc_core *core, struct cccc_group *group, struct cccc_relay *relay)
{
    call_t *call = core_call(core);
    struct cross *cross = cccc_arena_alloc(call->arena, sizeof *cross);
    memset(cross, 0, sizeof *cross);
    cross->src_group = call->group = group;
    call->state = cross;
    relay->retry_mono_us = core->now->mono_us + RETRY_US;
    uint64_t *seq = cccc_arena_alloc(call->arena, sizeof *seq);
    *seq = relay->seq;
    struct cccc_read_query query = {.mode = CCCC_READ_SEQS, .seqs = seq, .seq_count = 1, .limit = 1, .bytes_max = CCCC_EVENT_BYTES_MAX};
    call_read(call, group, &query, resume_read);
}

void relays_tick(struct cccc_core *core)
{
    uint32_t begun = 0;
    if (core->stopping)
        return;
    for (uint32_t i = 0; i < core->group_count && begun < RETRIES_PER_TICK; i++) {
        struct cccc_group *group = core->groups[i];
        if (group->deleted || group->folding || group->offline || group->read_only)
            continue;
        for (struct cccc_relay *relay = group->relays; relay && begun < RETRIES_PER_TICK; relay = relay->next) {
            if (relay->retry_mono_us <= core->now->mono_us) {
                resume(core, group, relay);
                begun++;
            }
        }
    }
}
