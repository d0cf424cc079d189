/* message.c - from what was asked to a decided chat.message: the rules that send, reply, send_batch and send_cross_group share.
 *
 * Order of evaluation (reference 3.9): priority, repeat of a client_id, the original of a reply, recipients, does anybody get it, scope,
 * attachments, emptiness, size. Nothing is changed before all of it holds; an idle group is woken only by a message that is taken.
 * Thread: the core's. */
#include "broker/core/messages/message.h"

#include "broker/core/change.h"
#include "broker/core/guards/guards.h"
#include "broker/core/obligations/obligations.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- refusing ---- */

static struct cccc_refusal *refusal_new(call_t *call, struct cccc_message *m, cccc_err_t err)
{
    m->refusal = cccc_arena_alloc(call->arena, sizeof *m->refusal);
    m->refusal->err = err;
    m->refusal->details = cccc_nil();
    return m->refusal;
}

void message_refuse(call_t *call, struct cccc_message *m, cccc_err_t err, const char *fmt, ...)
{
    struct cccc_refusal *refusal = refusal_new(call, m, err);
    va_list args;
    va_start(args, fmt);
    vsnprintf(refusal->message.text, sizeof refusal->message.text, fmt, args);
    va_end(args);
}

void message_refuse_detail(call_t *call, struct cccc_message *m, const char *key, cccc_value_t value)
{
    cccc_builder_t details = cccc_map_builder(call->arena, 2);
    if (cccc_is_map(&m->refusal->details))
        details.value = cccc_map_with(call->arena, &m->refusal->details, cccc_str(key), value);
    else
        cccc_map_add(&details, key, value);
    m->refusal->details = details.value;
}

void message_fail(call_t *call, const struct cccc_message *m)
{
    if (cccc_is_map(&m->refusal->details))
        call_fail_details(call, m->refusal->err, m->refusal->details, "%s", m->refusal->message.text);
    else
        call_fail(call, m->refusal->err, "%s", m->refusal->message.text);
}

/* ---- what it replies to, or follows from ---- */

static cccc_str_t followed_id(const struct cccc_message *m)
{
    return m->reply_to.len > 0 ? m->reply_to : m->cause;
}

static void refuse_followed(call_t *call, struct cccc_message *m)
{
    message_refuse(call, m, CCCC_E_EVENT_NOT_FOUND, "%.*s: nothing to %s", CCCC_STR_FMT(event_absence(call, m->group, followed_id(m))),
                   m->reply_to.len > 0 ? "reply to" : "follow from");
}

static enum cccc_message_step find_followed(call_t *call, struct cccc_message *m, call_next_fn next)
{
    if (followed_id(m).len == 0 || m->followed)
        return CCCC_MESSAGE_READY;
    uint64_t seq = group_event_seq(m->group, followed_id(m));
    if (seq == 0 || seq > m->group->head_seq) {
        refuse_followed(call, m);
        return CCCC_MESSAGE_ENDED;
    }
    uint64_t *seqs = cccc_arena_alloc(call->arena, sizeof *seqs);
    *seqs = seq;
    m->awaits = CCCC_AWAITS_ORIGINAL;
    struct cccc_read_query query = {.mode = CCCC_READ_SEQS, .seqs = seqs, .seq_count = 1, .limit = 1, .bytes_max = CCCC_EVENT_BYTES_MAX};
    call_read(call, m->group, &query, next);
    return CCCC_MESSAGE_PARKED;
}

static void take_followed(call_t *call, struct cccc_message *m)
{
    struct cccc_event *event = cccc_arena_alloc(call->arena, sizeof *event);
    if (call->read->err) {
        message_refuse(call, m, call->read->err, "event %.*s could not be read: %s", CCCC_STR_FMT(followed_id(m)),
                       call->read->message.text);
    } else if (!call_read_event(call, 0, event) || !cccc_str_eq(event->id, followed_id(m))) {
        refuse_followed(call, m);
    } else {
        m->followed = event;
        m->original = m->reply_to.len > 0 ? event : NULL;
    }
}

/* ---- file work ---- */

static enum cccc_message_step find_files(call_t *call, struct cccc_message *m, call_next_fn next)
{
    if (m->files_known == list_count(m->attachments))
        return CCCC_MESSAGE_READY;
    m->awaits = CCCC_AWAITS_FILE;
    blob_stat(call, m->group, blob_file(cccc_get_str(&m->attachments->via.array.ptr[m->files_known], "path")), next);
    return CCCC_MESSAGE_PARKED;
}

static void add_file(call_t *call, struct cccc_message *m, cccc_value_t descriptor)
{
    cccc_builder_t list = cccc_array_builder(call->arena, 1);
    for (uint32_t i = 0; i < list_count(&m->files); i++)
        cccc_array_add(&list, m->files.via.array.ptr[i]);
    cccc_array_add(&list, descriptor);
    m->files = list.value;
}

static void take_file(call_t *call, struct cccc_message *m)
{
    const cccc_value_t *asked = &m->attachments->via.array.ptr[m->files_known];
    cccc_str_t path = cccc_get_str(asked, "path");
    if (call->stored.err) {
        message_refuse(call, m, call->stored.err == CCCC_E_BLOB_NOT_FOUND ? CCCC_E_INVALID_ATTACHMENTS : call->stored.err,
                       "attachment %u: %.*s: %s", m->files_known + 1, CCCC_STR_FMT(path),
                       call->stored.err == CCCC_E_BLOB_NOT_FOUND ? "no such blob in this group; store the file with blob_put first"
                                                                 : call->stored.message);
        return;
    }
    m->files_known++;
    add_file(call, m,
             blob_descriptor(call->arena, NULL, blob_file(path), cccc_get_str(asked, "title"), cccc_get_str(asked, "mime_type"),
                             cccc_get_uint(call->stored.value, "bytes", 0)));
}

static enum cccc_message_step keep_text(call_t *call, struct cccc_message *m, call_next_fn next)
{
    if (m->text.len <= CCCC_TEXT_INLINE_BYTES_MAX || m->text_stored) {
        if (!m->text_stored)
            m->stored_text = m->text;
        return CCCC_MESSAGE_READY;
    }
    m->awaits = CCCC_AWAITS_TEXT;
    /* Until it is on the disk, stored_text holds the file's name. */
    m->stored_text = blob_store_text(call, m->group, m->text, next);
    return CCCC_MESSAGE_PARKED;
}

static void take_text(call_t *call, struct cccc_message *m)
{
    if (call->stored.err) {
        message_refuse(call, m, call->stored.err, "the text of %zu bytes could not be stored: %s", m->text.len, call->stored.message);
        message_refuse_detail(call, m, "outcome", cccc_text("not_stored"));
        return;
    }
    cccc_str_t file = m->stored_text;
    m->text_stored = true;
    add_file(call, m, blob_descriptor(call->arena, "text", file, CCCC_STR("chat.txt"), CCCC_STR("text/plain"), m->text.len));
    m->stored_text = cccc_arena_printf(call->arena, "[long text of %zu bytes: state/blobs/%.*s]", m->text.len, CCCC_STR_FMT(file));
}

/* ---- preparing ---- */

static void take_result(call_t *call, struct cccc_message *m)
{
    static void (*const takers[])(call_t *, struct cccc_message *) = {
        [CCCC_AWAITS_REPEAT] = message_take_repeat,
        [CCCC_AWAITS_ORIGINAL] = take_followed,
        [CCCC_AWAITS_FILE] = take_file,
        [CCCC_AWAITS_TEXT] = take_text,
    };
    int awaited = (int)m->awaits;
    m->awaits = CCCC_AWAITS_NOTHING;
    m->parked |= awaited != CCCC_AWAITS_NOTHING;
    if (awaited != CCCC_AWAITS_NOTHING)
        takers[awaited](call, m);
}

enum cccc_message_step message_prepare(call_t *call, struct cccc_message *m, call_next_fn next)
{
    take_result(call, m);
    if (m->refusal || m->duplicate || !message_check_priority(call, m))
        return CCCC_MESSAGE_ENDED;
    enum cccc_message_step step = message_find_repeat(call, m, next);
    if (step == CCCC_MESSAGE_READY)
        step = find_followed(call, m, next);
    if (step != CCCC_MESSAGE_READY)
        return step;
    if (!message_check(call, m))
        return CCCC_MESSAGE_ENDED;
    step = find_files(call, m, next);
    return step == CCCC_MESSAGE_READY ? keep_text(call, m, next) : step;
}

/* ---- deciding ---- */

/* A person, or a program, that speaks into an idle group wakes it; its own actors and the system do not (reference 3.9). */
static bool wakes(const struct cccc_message *m, const struct cccc_group *view)
{
    return view->config.state == CCCC_GROUP_IDLE && !cccc_str_is(m->by, "system") && !config_actor(view, m->by);
}

static cccc_err_t wake_group(call_t *call, struct cccc_group *group, struct cccc_errmsg *why)
{
    cccc_builder_t state = cccc_map_builder(call->arena, 2);
    cccc_map_add(&state, "old_state", cccc_text("idle"));
    cccc_map_add(&state, "new_state", cccc_text("active"));
    return call_append(call, group, CCCC_KIND_GROUP_SET_STATE, CCCC_STR("system"), CCCC_STR(""), state.value, NULL, why);
}

/* An actor that was stopped on purpose is started by a message that names it by its own id; one to @all or @peers waits for it in its inbox. */
static bool wakes_actor(const struct cccc_message *m, const struct cccc_group *view, const struct cccc_actor *actor)
{
    return recipients_name(&m->tokens, actor->id) && !cccc_str_eq(actor->id, m->by) && session_may_wake(view, actor) &&
           recipients_name(&m->audience, actor->id); /* not when its copy is held */
}

/* What the message wakes, and whom it makes held, is decided before it: a message that is stored has done so, so its repeat need not. */
static cccc_err_t decide_before(call_t *call, struct cccc_message *m, cccc_value_t data, struct cccc_errmsg *why)
{
    const struct cccc_group *view = group_view(call, m->group);
    const struct cccc_config *config = &view->config;
    bool group = wakes(m, view);
    uint32_t holds = list_count(&m->new_holds), count = group + holds;
    for (uint32_t i = 0; m->reach.disabled_by_id > 0 && i < config->actor_count; i++)
        count += wakes_actor(m, view, &config->actors[i]);
    if (count == 0)
        return CCCC_OK;
    cccc_err_t err = call_append_check(call, m->group, CCCC_KIND_CHAT_MESSAGE, m->by, m->scope_key, data, count, why);
    if (!err && group)
        err = wake_group(call, m->group, why);
    for (uint32_t i = 0; !err && m->reach.disabled_by_id > 0 && i < config->actor_count; i++)
        if (wakes_actor(m, view, &config->actors[i]))
            err = session_wake(call, m->group, &config->actors[i], why);
    m->woke = err == CCCC_OK && count > holds;
    return err ? err : guards_announce(call, m, why);
}

struct cccc_pending *ack_pending(const struct cccc_group *group, cccc_str_t reader, cccc_str_t event_id)
{
    for (struct cccc_pending *p = group->pending; p; p = p->next) {
        if (p->kind == CCCC_KIND_CHAT_ACK && cccc_str_eq(cccc_get_str(&p->event.data, "actor_id"), reader) &&
            cccc_str_eq(cccc_get_str(&p->event.data, "event_id"), event_id))
            return p;
    }
    return NULL;
}

struct cccc_pending *ack_decide(call_t *call, struct cccc_group *group, cccc_str_t reader, cccc_str_t event_id, call_next_fn next)
{
    if (!(obligations_owed(group, reader, event_id) & CCCC_OWED_ACK) || ack_pending(group, reader, event_id))
        return NULL;
    cccc_builder_t data = cccc_map_builder(call->arena, 2);
    cccc_map_add(&data, "actor_id", cccc_string(reader));
    cccc_map_add(&data, "event_id", cccc_string(event_id));
    struct cccc_errmsg why;
    if (call_append(call, group, CCCC_KIND_CHAT_ACK, reader, CCCC_STR(""), data.value, next, &why) != CCCC_OK)
        return NULL;
    return call->appended;
}

bool message_decide(call_t *call, struct cccc_message *m, call_next_fn next)
{
    struct cccc_errmsg why;
    m->hops = cccc_str_is(m->by, "user") ? 0 : 1 + (m->followed ? guard_hops(m->followed) : 0);
    if (!guards_judge(call, m))
        return false;
    cccc_value_t data = message_data(call, m);
    cccc_err_t err = decide_before(call, m, data, &why);
    if (err == CCCC_OK)
        err = call_append(call, m->group, CCCC_KIND_CHAT_MESSAGE, m->by, m->scope_key, data, next, &why);
    if (err) {
        message_refuse(call, m, err, "%s", why.text);
        return false;
    }
    m->pending = call->appended;
    m->pending->client_hash = m->client_hash;
    if (cccc_is_map(&m->guard))
        guards_decided(m->group, m->pending);
    if (m->client_hash)
        dedupe_add(m->group->dedupe, m->client_hash, m->pending->event.seq);
    if (m->original)
        m->ack = ack_decide(call, m->group, m->by, m->original->id, next);
    return true;
}

/* ---- afterwards ---- */

void message_pack_event(const struct cccc_message *m, cccc_buf_t *out)
{
    if (m->duplicate)
        cccc_buf_put(out, m->repeated_wire.ptr, m->repeated_wire.len);
    else
        cccc_buf_put(out, m->pending->wire->data, m->pending->wire->len);
}

void message_settle(call_t *call, struct cccc_message *m)
{
    if (m->woke)
        config_store_later(call->core, m->group);
    m->woke = false;
}
