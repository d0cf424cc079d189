/* message_data.c - the data of a chat.message: its members and their places (reference 2.3, then ours).
 *
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/messages/message.h"
#include "proto/keys.h"

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

cccc_value_t message_data(call_t *call, const struct cccc_message *m)
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
        kv[MESSAGE_DST_TO].val = list_count(m->dst_to) > 0 ? *m->dst_to : kv[MESSAGE_REFS].val;
    if (list_count(&m->files) > 0)
        kv[MESSAGE_ATTACHMENTS].val = m->files;
    kv[MESSAGE_CLIENT_ID].val = string_or_nil(m->client_id);
    kv[MESSAGE_AUDIENCE].val = m->audience;
    return (cccc_value_t){.type = MSGPACK_OBJECT_MAP, .via.map = {add_extras(call, m, kv), kv}};
}
