/* message.c - from what was asked to a decided chat.message: the rules that send, reply, send_batch and send_cross_group share.
 *
 * Order of evaluation (reference 3.9): priority, repeat of a client_id, the original of a reply, recipients, does anybody get it, scope,
 * attachments, emptiness, size. Nothing is changed before all of it holds; an idle group is woken only by a message that is taken.
 * Invariant I5: a client_id that was decided is found, pending or durable, and confirmed on the event itself.
 * Thread: the core's. */
#include "broker/core/message.h"

#include "broker/core/change.h"
#include "broker/core/guards.h"
#include "broker/core/obligations.h"
#include "broker/mutant.h"
#include "proto/hex.h"
#include "proto/keys.h"

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

/* ---- repeats ---- */

static uint64_t digest_value(call_t *call, uint64_t digest, const cccc_value_t *v)
{
    cccc_buf_t *out = &call->core->scratch;
    out->size = 0;
    cccc_pack_value(out, v);
    return cccc_hash64(digest, (cccc_str_t){out->data, out->size});
}

/* The digest of what was asked, as it was asked: a repeat is the same even when roles have changed in between. Each argument counts with its
 * place; those that were left out count nothing. */
static void digest_make(call_t *call, struct cccc_message *m)
{
    const cccc_str_t texts[] = {cccc_str(m->verb), m->text,         m->priority,     m->path,
                                m->reply_to,       m->src_group_id, m->src_event_id, m->dst_group_id};
    const cccc_value_t *const lists[] = {m->to, m->attachments, m->dst_to};
    uint64_t digest = m->reply_required + 2 * m->due_seconds + (m->expires_seconds << 32), place = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++, place += 2)
        if (texts[i].len > 0)
            digest = cccc_hash64(digest + place, texts[i]);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++, place += 2)
        if (lists[i])
            digest = digest_value(call, digest + place, lists[i]);
    if (m->cause.len > 0)
        digest = cccc_hash64(digest + place, m->cause);
    cccc_put_hex8(cccc_put_hex8(m->digest, (uint32_t)(digest >> 32)), (uint32_t)digest);
}

static bool is_same_client_id(const struct cccc_message *m, const struct cccc_event *event)
{
    return cccc_str_eq(event->by, m->by) && cccc_str_eq(cccc_get_str(&event->data, "client_id"), m->client_id);
}

/* `event` has this message's client_id: is it this message? Events without a digest are from before there was one. */
static bool repeat_agrees(call_t *call, struct cccc_message *m, const struct cccc_event *event)
{
    cccc_str_t digest = cccc_get_str(&event->data, "client_digest");
    m->duplicate = digest.len == 0 || cccc_str_is(digest, m->digest);
    if (m->duplicate)
        return true;
    message_refuse(call, m, CCCC_E_CLIENT_ID_CONFLICT,
                   "client_id %.*s was used by %.*s for another message (event %.*s); a new message needs a new client_id",
                   CCCC_STR_FMT(m->client_id), CCCC_STR_FMT(m->by), CCCC_STR_FMT(event->id));
    message_refuse_detail(call, m, "event_id", cccc_string(cccc_arena_str(call->arena, event->id)));
    return false;
}

/* Keep the event that is repeated: this call may live longer than the other one, and than a read. */
static void take_wire(call_t *call, struct cccc_message *m, const char *bytes, size_t len)
{
    struct cccc_errmsg why;
    m->repeated_wire = cccc_arena_str(call->arena, (cccc_str_t){bytes, len});
    m->repeated = cccc_arena_alloc(call->arena, sizeof *m->repeated);
    cccc_err_t err = cccc_event_unpack(m->repeated_wire.ptr, len, call->arena, m->repeated, &why);
    CCCC_ASSERT(err == CCCC_OK, "(an event of ours: %s)", why.text);
}

/* The acknowledgement that a reply implies is decided right behind it. */
static bool is_implied_ack(const struct cccc_message *m, const struct cccc_event *event)
{
    return cccc_kind_find(event->kind) == CCCC_KIND_CHAT_ACK && event->seq == m->repeated->seq + 1 && cccc_str_eq(event->by, m->by) &&
           cccc_str_eq(cccc_get_str(&event->data, "event_id"), m->reply_to);
}

/* The repeat of a reply is answered with the acknowledgement of the first one, too: here when that is not durable yet. */
static void take_pending_ack(call_t *call, struct cccc_message *m)
{
    struct cccc_pending *p = m->reply_to.len > 0 ? group_pending(m->group, m->repeated->seq + 1) : NULL;
    if (!p || !is_implied_ack(m, &p->event))
        return;
    m->ack = p;
    m->repeated_ack = cccc_arena_str(call->arena, (cccc_str_t){p->wire->data, p->wire->len});
}

#define REPEAT_CANDIDATES_MAX 8

/* Put `seq` into its place of a rising list without doubles. */
static uint32_t add_rising(uint64_t *list, uint32_t count, uint64_t seq)
{
    uint32_t at = count;
    while (at > 0 && list[at - 1] > seq)
        at--;
    if (at > 0 && list[at - 1] == seq)
        return count;
    memmove(list + at + 1, list + at, (count - at) * sizeof *list);
    list[at] = seq;
    return count + 1;
}

/* Look for the client_id in sealed segments. What was sealed stays as it is, so nothing is asked twice. */
static enum cccc_message_step find_sealed_repeat(call_t *call, struct cccc_message *m, call_next_fn next)
{
    const struct cccc_sealed *sealed = &m->group->sealed;
    uint64_t *firsts = NULL;
    if (sealed->count == 0 || m->sealed_read_through >= sealed->last || CCCC_MUTANT_IS(SEALED_IDS_FORGOTTEN))
        return CCCC_MESSAGE_READY;
    uint32_t count = sealed_may_have(sealed, m->client_hash, m->sealed_read_through, call->arena, &firsts);
    m->sealed_read_through = sealed->last;
    if (count == 0)
        return CCCC_MESSAGE_READY;
    m->repeats_read_head = m->group->head_seq;
    m->awaits = CCCC_AWAITS_REPEAT;
    struct cccc_read_query query = {.mode = CCCC_READ_ID,
                                    .hash = m->client_hash,
                                    .seqs = firsts,
                                    .seq_count = count,
                                    .behind = m->reply_to.len > 0,
                                    .limit = 2 * CCCC_READ_ID_MATCHES_MAX,
                                    .bytes_max = CCCC_LEDGER_READ_BYTES_MAX};
    call_read(call, m->group, &query, next);
    return CCCC_MESSAGE_PARKED;
}

void message_expect(struct cccc_message *m)
{
    if (m->client_id.len == 0)
        return;
    m->client_hash = dedupe_hash(m->by, m->client_id);
    dedupe_prepare(m->group->dedupe, m->client_hash);
}

/* Look for the client_id among what is decided. A candidate that is durable has to be read to be sure. */
static enum cccc_message_step find_repeat(call_t *call, struct cccc_message *m, call_next_fn next)
{
    if (m->client_id.len == 0)
        return CCCC_MESSAGE_READY;
    if (m->client_hash == 0)
        message_expect(m);
    if (m->digest[0] == '\0')
        digest_make(call, m);
    uint64_t seqs[REPEAT_CANDIDATES_MAX];
    uint32_t count = dedupe_find(m->group->dedupe, m->client_hash, seqs, REPEAT_CANDIDATES_MAX), to_read = 0;
    uint64_t *rising = NULL, through = m->repeats_read_through;
    for (uint32_t i = 0; i < count; i++) {
        struct cccc_pending *p = seqs[i] > m->group->head_seq ? group_pending(m->group, seqs[i]) : NULL;
        if (p && is_same_client_id(m, &p->event)) {
            if (repeat_agrees(call, m, &p->event)) {
                m->pending = p;
                take_wire(call, m, p->wire->data, p->wire->len);
                take_pending_ack(call, m);
            }
            return CCCC_MESSAGE_ENDED;
        }
        if (p || seqs[i] <= m->repeats_read_through)
            continue;
        if (!rising)
            rising = cccc_arena_alloc(call->arena, 2 * REPEAT_CANDIDATES_MAX * sizeof *rising);
        to_read = add_rising(rising, to_read, seqs[i]);
        if (m->reply_to.len > 0 && seqs[i] < m->group->head_seq)
            to_read = add_rising(rising, to_read, seqs[i] + 1);
        if (seqs[i] > through)
            through = seqs[i];
    }
    if (to_read == 0)
        return find_sealed_repeat(call, m, next);
    m->repeats_read_through = through;
    m->repeats_read_head = m->group->head_seq;
    m->awaits = CCCC_AWAITS_REPEAT;
    struct cccc_read_query query = {
        .mode = CCCC_READ_SEQS, .seqs = rising, .seq_count = to_read, .limit = to_read, .bytes_max = CCCC_LEDGER_READ_BYTES_MAX};
    call_read(call, m->group, &query, next);
    return CCCC_MESSAGE_PARKED;
}

static cccc_str_t read_wire(const call_t *call, uint32_t index)
{
    uint32_t start = index ? call->read->event_ends[index - 1] : 0;
    return (cccc_str_t){call->read->events + start, call->read->event_ends[index] - start};
}

static void take_repeat(call_t *call, struct cccc_message *m)
{
    if (call->read->err) {
        message_refuse(call, m, call->read->err, "the ledger could not be read to look for client_id %.*s: %s", CCCC_STR_FMT(m->client_id),
                       call->read->message.text);
        return;
    }
    struct cccc_event event;
    for (uint32_t i = 0; call_read_event(call, i, &event); i++) {
        if (!is_same_client_id(m, &event))
            continue;
        if (m->reply_to.len > 0 && event.seq == m->repeats_read_head && event.seq < m->group->head_seq) {
            m->repeats_read_through = event.seq - 1; /* what stands behind it was not durable then and is now: read both */
            return;
        }
        if (repeat_agrees(call, m, &event)) {
            cccc_str_t wire = read_wire(call, i);
            take_wire(call, m, wire.ptr, wire.len);
            if (call_read_event(call, i + 1, &event) && is_implied_ack(m, &event))
                m->repeated_ack = cccc_arena_str(call->arena, read_wire(call, i + 1));
            else
                take_pending_ack(call, m);
        }
        return;
    }
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

static uint32_t count_of(const cccc_value_t *list)
{
    return cccc_is_array(list) ? list->via.array.size : 0;
}

static enum cccc_message_step find_files(call_t *call, struct cccc_message *m, call_next_fn next)
{
    if (m->files_known == count_of(m->attachments))
        return CCCC_MESSAGE_READY;
    m->awaits = CCCC_AWAITS_FILE;
    blob_stat(call, m->group, blob_file(cccc_get_str(&m->attachments->via.array.ptr[m->files_known], "path")), next);
    return CCCC_MESSAGE_PARKED;
}

static void add_file(call_t *call, struct cccc_message *m, cccc_value_t descriptor)
{
    cccc_builder_t list = cccc_array_builder(call->arena, 1);
    for (uint32_t i = 0; i < count_of(&m->files); i++)
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
        [CCCC_AWAITS_REPEAT] = take_repeat,
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

bool message_is_repeat(call_t *call, struct cccc_message *m)
{
    enum cccc_message_step step = find_repeat(call, m, NULL);
    CCCC_ASSERT(step != CCCC_MESSAGE_PARKED, "client_id %.*s was looked up in this input", CCCC_STR_FMT(m->client_id));
    return step == CCCC_MESSAGE_ENDED;
}

enum cccc_message_step message_prepare(call_t *call, struct cccc_message *m, call_next_fn next)
{
    take_result(call, m);
    if (m->refusal || m->duplicate || !message_check_priority(call, m))
        return CCCC_MESSAGE_ENDED;
    enum cccc_message_step step = find_repeat(call, m, next);
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

/* The first QUOTE_CHARS_MAX characters of the original's text, or nil. */
static cccc_value_t quote(call_t *call, const struct cccc_message *m)
{
    cccc_str_t text = m->original ? cccc_get_str(&m->original->data, "text") : CCCC_STR("");
    while (text.len > 0 && strchr(" \t\r\n\v\f", text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r\n\v\f", text.ptr[text.len - 1]))
        text.len--;
    if (text.len == 0)
        return cccc_nil();
    size_t at = 0, chars = 0;
    for (; at < text.len; at++) {
        bool starts = ((unsigned char)text.ptr[at] & 0xc0) != 0x80;
        if (starts && chars++ == CCCC_QUOTE_CHARS_MAX)
            break;
    }
    return cccc_string(at == text.len ? text : cccc_arena_printf(call->arena, "%.*s...", (int)at, text.ptr));
}

static cccc_value_t string_or_nil(cccc_str_t s)
{
    return s.len ? cccc_string(s) : cccc_nil();
}

/* Every field of reference 2.3, in its order, then ours; those behind the audience only where they say something. */
static const msgpack_object_kv message_template[] = {
    [MESSAGE_TEXT] = {.key = CCCC_KEY_VALUE(text)},
    [MESSAGE_FORMAT] = {.key = CCCC_KEY_VALUE(format), .val = {.type = MSGPACK_OBJECT_STR, .via.str = {5, "plain"}}},
    [MESSAGE_PRIORITY] = {.key = CCCC_KEY_VALUE(priority)},
    [MESSAGE_REPLY_REQUIRED] = {.key = CCCC_KEY_VALUE(reply_required)},
    [MESSAGE_TO] = {.key = CCCC_KEY_VALUE(to)},
    [MESSAGE_REPLY_TO] = {.key = CCCC_KEY_VALUE(reply_to)},
    [MESSAGE_QUOTE_TEXT] = {.key = CCCC_KEY_VALUE(quote_text)},
    [MESSAGE_SRC_GROUP_ID] = {.key = CCCC_KEY_VALUE(src_group_id)},
    [MESSAGE_SRC_EVENT_ID] = {.key = CCCC_KEY_VALUE(src_event_id)},
    [MESSAGE_DST_GROUP_ID] = {.key = CCCC_KEY_VALUE(dst_group_id)},
    [MESSAGE_DST_TO] = {.key = CCCC_KEY_VALUE(dst_to)},
    [MESSAGE_REFS] = {.key = CCCC_KEY_VALUE(refs), .val = {.type = MSGPACK_OBJECT_ARRAY}},
    [MESSAGE_ATTACHMENTS] = {.key = CCCC_KEY_VALUE(attachments), .val = {.type = MSGPACK_OBJECT_ARRAY}},
    [MESSAGE_THREAD] = {.key = CCCC_KEY_VALUE(thread), .val = {.type = MSGPACK_OBJECT_STR, .via.str = {0, ""}}},
    [MESSAGE_CLIENT_ID] = {.key = CCCC_KEY_VALUE(client_id)},
    [MESSAGE_AUDIENCE] = {.key = CCCC_KEY_VALUE(audience)},
    [MESSAGE_CLIENT_DIGEST] = {.key = CCCC_KEY_VALUE(client_digest)},
    [MESSAGE_RELAY] = {.key = CCCC_KEY_VALUE(relay), .val = {.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true}},
    [MESSAGE_DUE_TS] = {.key = CCCC_KEY_VALUE(due_ts)},
    [MESSAGE_EXPIRES_TS] = {.key = CCCC_KEY_VALUE(expires_ts)},
    [MESSAGE_CAUSE] = {.key = CCCC_KEY_VALUE(cause)},
    [MESSAGE_HOPS] = {.key = CCCC_KEY_VALUE(hops)},
    [MESSAGE_GUARD] = {.key = CCCC_KEY_VALUE(guard)},
    [MESSAGE_WAITS_UNTIL] = {.key = CCCC_KEY_VALUE(waits_until)},
    [MESSAGE_RELEASED_FROM] = {.key = CCCC_KEY_VALUE(released_from)},
};

const cccc_value_t *message_field(const cccc_value_t *data, enum cccc_message_field field)
{
    const msgpack_object *key = &message_template[field].key;
    if (cccc_is_map(data) && field < data->via.map.size) {
        const msgpack_object_kv *kv = &data->via.map.ptr[field];
        if (kv->key.via.str.ptr == key->via.str.ptr) /* decided here */
            return &kv->val;
        if (kv->key.via.str.size == key->via.str.size && memcmp(kv->key.via.str.ptr, key->via.str.ptr, key->via.str.size) == 0)
            return &kv->val;
    }
    return cccc_get_key(data, (cccc_str_t){key->via.str.ptr, key->via.str.size});
}

const cccc_value_t *message_extra(const cccc_value_t *data, enum cccc_message_field field)
{
    const msgpack_object *key = &message_template[field].key;
    for (uint32_t i = MESSAGE_AUDIENCE + 1; cccc_is_map(data) && i < data->via.map.size; i++) {
        const msgpack_object_kv *kv = &data->via.map.ptr[i];
        if (kv->key.via.str.size == key->via.str.size && memcmp(kv->key.via.str.ptr, key->via.str.ptr, key->via.str.size) == 0)
            return &kv->val;
    }
    return NULL;
}

static cccc_value_t seconds_from_now(call_t *call, uint64_t seconds)
{
    char ts[28];
    cccc_ts_format(ts, call->core->now->unix_us + (int64_t)seconds * 1000000);
    return cccc_string(cccc_arena_str(call->arena, cccc_str(ts)));
}

/* Put one behind the others. */
static void add_extra(msgpack_object_kv *kv, uint32_t *size, enum cccc_message_field field, cccc_value_t value)
{
    kv[*size] = message_template[field];
    kv[(*size)++].val = value;
}

/* The members that most messages do not have; how many there are then. */
static uint32_t add_extras(call_t *call, const struct cccc_message *m, msgpack_object_kv *kv)
{
    uint32_t size = MESSAGE_AUDIENCE + 1;
    if (m->client_id.len)
        add_extra(kv, &size, MESSAGE_CLIENT_DIGEST, cccc_text(m->digest));
    if (m->relays)
        add_extra(kv, &size, MESSAGE_RELAY, cccc_bool(true));
    if (m->due_seconds)
        add_extra(kv, &size, MESSAGE_DUE_TS, seconds_from_now(call, m->due_seconds));
    if (m->expires_seconds)
        add_extra(kv, &size, MESSAGE_EXPIRES_TS, seconds_from_now(call, m->expires_seconds));
    if (m->cause.len)
        add_extra(kv, &size, MESSAGE_CAUSE, cccc_string(m->cause));
    if (m->hops > 1)
        add_extra(kv, &size, MESSAGE_HOPS, cccc_uint(m->hops));
    if (cccc_is_map(&m->guard))
        add_extra(kv, &size, MESSAGE_GUARD, m->guard);
    if (m->wait_seconds)
        add_extra(kv, &size, MESSAGE_WAITS_UNTIL, seconds_from_now(call, m->wait_seconds));
    return size;
}

static cccc_value_t message_data(call_t *call, const struct cccc_message *m)
{
    msgpack_object_kv *kv = cccc_arena_alloc(call->arena, sizeof message_template);
    memcpy(kv, message_template, (MESSAGE_AUDIENCE + 1) * sizeof *kv);
    kv[MESSAGE_TEXT].val = cccc_string(m->stored_text);
    kv[MESSAGE_PRIORITY].val = cccc_string(m->priority);
    kv[MESSAGE_REPLY_REQUIRED].val = cccc_bool(m->reply_required);
    kv[MESSAGE_TO].val = m->tokens;
    kv[MESSAGE_REPLY_TO].val = string_or_nil(m->reply_to);
    kv[MESSAGE_QUOTE_TEXT].val = quote(call, m);
    kv[MESSAGE_SRC_GROUP_ID].val = string_or_nil(m->src_group_id);
    kv[MESSAGE_SRC_EVENT_ID].val = string_or_nil(m->src_event_id);
    kv[MESSAGE_DST_GROUP_ID].val = string_or_nil(m->dst_group_id);
    if (m->dst_group_id.len)
        kv[MESSAGE_DST_TO].val = count_of(m->dst_to) > 0 ? *m->dst_to : kv[MESSAGE_REFS].val;
    if (count_of(&m->files) > 0)
        kv[MESSAGE_ATTACHMENTS].val = m->files;
    kv[MESSAGE_CLIENT_ID].val = string_or_nil(m->client_id);
    kv[MESSAGE_AUDIENCE].val = m->audience;
    return (cccc_value_t){.type = MSGPACK_OBJECT_MAP, .via.map = {add_extras(call, m, kv), kv}};
}

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
    uint32_t holds = count_of(&m->new_holds), count = group + holds;
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
