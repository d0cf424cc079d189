/* wire.c - the envelope of requests and replies. */
#include "proto/wire.h"

#include "proto/json.h"
#include "proto/limits.h"
#include "proto/text.h"
#include "proto/unpack.h"

/* ---- requests ---- */

static cccc_err_t refuse(struct cccc_refusal *refusal, cccc_err_t err)
{
    refusal->err = err;
    return err;
}

#define REFUSE(refusal, err, ...) refuse((refusal), cccc_fail(&(refusal)->message, (err), __VA_ARGS__))

struct envelope {
    const cccc_value_t *v, *id, *op, *args;
};

static cccc_err_t sort_envelope(const cccc_value_t *map, struct envelope *out, struct cccc_refusal *refusal)
{
    *out = (struct envelope){0};
    cccc_str_t unknown = {0};
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        cccc_str_t key = {kv->key.via.str.ptr, kv->key.via.str.size};
        if (cccc_str_eq(key, CCCC_STR("op")))
            out->op = &kv->val;
        else if (cccc_str_eq(key, CCCC_STR("args")))
            out->args = &kv->val;
        else if (cccc_str_eq(key, CCCC_STR("id")))
            out->id = &kv->val;
        else if (cccc_str_eq(key, CCCC_STR("v")))
            out->v = &kv->val;
        else
            unknown = key;
    }
    if (unknown.ptr != NULL)
        return REFUSE(refusal, CCCC_E_INVALID_REQUEST, "a request has v, id, op and args, not \"%.*s\"",
                      CCCC_STR_FMT(cccc_str_cut(unknown, 40)));
    return CCCC_OK;
}

/* Keep the id as it will be echoed: packed. */
static cccc_err_t keep_id(const cccc_value_t *id, struct cccc_request_id *out, struct cccc_refusal *refusal)
{
    if (id == NULL)
        return CCCC_OK;
    bool whole = id->type == MSGPACK_OBJECT_POSITIVE_INTEGER || id->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    if (!whole && id->type != MSGPACK_OBJECT_STR)
        return REFUSE(refusal, CCCC_E_INVALID_REQUEST, "id must be an integer or a string");
    if (!whole && id->via.str.size > CCCC_REQUEST_ID_BYTES_MAX)
        return REFUSE(refusal, CCCC_E_INVALID_REQUEST, "id has %u bytes; at most %d are allowed", id->via.str.size,
                      CCCC_REQUEST_ID_BYTES_MAX);
    char *p = out->packed;
    if (id->type == MSGPACK_OBJECT_STR)
        p = pack_str_at(p, id->via.str.ptr, id->via.str.size);
    else if (id->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        PACK_WITH(p, msgpack_pack_uint64(&pk, id->via.u64));
    else
        PACK_WITH(p, msgpack_pack_int64(&pk, id->via.i64));
    out->len = (unsigned char)(p - out->packed);
    return CCCC_OK;
}

/* Version 1, given as 1 or "1", or not given at all as older clients may. */
static cccc_err_t check_version(const cccc_value_t *v, struct cccc_refusal *refusal)
{
    cccc_str_t text;
    uint64_t number = CCCC_WIRE_VERSION;
    bool known = v == NULL || (cccc_as_str(v, &text) && cccc_str_eq(text, CCCC_STR("1"))) ||
                 (cccc_as_uint(v, &number) && number == CCCC_WIRE_VERSION);
    return known ? CCCC_OK
                 : REFUSE(refusal, CCCC_E_INVALID_REQUEST, "v must be %d: this daemon speaks that version of the protocol",
                          CCCC_WIRE_VERSION);
}

cccc_err_t cccc_request_from_value(const cccc_value_t *envelope, cccc_arena_t *arena, struct cccc_request *req,
                                   struct cccc_refusal *refusal)
{
    struct envelope e;
    req->id.len = 0;
    refusal->details = cccc_nil();
    if (!cccc_is_map(envelope))
        return REFUSE(refusal, CCCC_E_INVALID_REQUEST, "a request is a map");
    cccc_err_t extra = sort_envelope(envelope, &e, refusal);
    cccc_err_t err = keep_id(e.id, &req->id, refusal);
    if (extra != CCCC_OK || err != CCCC_OK)
        return refusal->err;
    if (check_version(e.v, refusal) != CCCC_OK)
        return refusal->err;
    if (!cccc_as_str(e.op, &req->op_name))
        return REFUSE(refusal, CCCC_E_INVALID_REQUEST, e.op == NULL ? "op is missing" : "op must be a string");
    if (e.args != NULL && !cccc_is_map(e.args))
        return REFUSE(refusal, CCCC_E_INVALID_REQUEST, "args must be a map");
    if (!cccc_op_find(req->op_name, &req->op))
        return REFUSE(refusal, CCCC_E_UNKNOWN_OP, "unknown op: %.*s", CCCC_STR_FMT(cccc_str_cut(req->op_name, 64)));
    return cccc_args_check(req->op, e.args, arena, &req->args, refusal);
}

cccc_err_t cccc_request_read(const char *bytes, size_t len, cccc_arena_t *arena, struct cccc_request *req, struct cccc_refusal *refusal)
{
    static const struct cccc_msgpack_limits limits = {CCCC_REQUEST_BYTES_MAX, CCCC_VALUE_DEPTH_MAX, CCCC_VALUE_ITEMS_MAX,
                                                      CCCC_MAP_KEY_BYTES_MAX};
    cccc_value_t envelope;
    req->id.len = 0;
    refusal->details = cccc_nil();
    cccc_err_t err = cccc_msgpack_read_limited(bytes, len, &limits, arena, &envelope, &refusal->message);
    if (err != CCCC_OK)
        return refuse(refusal, err);
    return cccc_request_from_value(&envelope, arena, req, refusal);
}

void cccc_request_write(cccc_buf_t *out, uint64_t id, const char *op, const char *args, size_t args_len)
{
    cccc_pack_map(out, 4);
    cccc_pack_str(out, CCCC_STR("v"));
    cccc_pack_uint(out, CCCC_WIRE_VERSION);
    cccc_pack_str(out, CCCC_STR("id"));
    cccc_pack_uint(out, id);
    cccc_pack_str(out, CCCC_STR("op"));
    cccc_pack_text(out, op);
    cccc_pack_str(out, CCCC_STR("args"));
    cccc_buf_put(out, args, args_len);
}

/* ---- replies ---- */

/* `members` behind v and id. */
static void reply_head(cccc_buf_t *out, const struct cccc_request_id *id, uint32_t members, bool ok)
{
    bool has_id = id != NULL && id->len > 0;
    cccc_pack_map(out, 1 + has_id + members);
    cccc_pack_str(out, CCCC_STR("v"));
    cccc_pack_uint(out, CCCC_WIRE_VERSION);
    if (has_id) {
        cccc_pack_str(out, CCCC_STR("id"));
        cccc_buf_put(out, id->packed, id->len);
    }
    cccc_pack_str(out, CCCC_STR("ok"));
    cccc_pack_bool(out, ok);
    cccc_pack_str(out, CCCC_STR("result"));
}

void cccc_reply_begin(cccc_buf_t *out, const struct cccc_request_id *id)
{
    reply_head(out, id, 2, true);
}

/* A message may quote bytes that were cut, or came from a file: what is not UTF-8 becomes question marks, so that every reply decodes. */
static void pack_message(cccc_buf_t *out, const char *message)
{
    cccc_str_t s = cccc_str(message);
    if (cccc_utf8_valid(s)) {
        cccc_pack_str(out, s);
        return;
    }
    char *p = cccc_buf_reserve(out, s.len + PACK_HEAD_BYTES);
    PACK_WITH(p, msgpack_pack_str(&pk, s.len));
    for (size_t i = 0; i < s.len; i++)
        *p++ = (unsigned char)s.ptr[i] < 0x80 ? s.ptr[i] : '?';
    cursor_end(out, p);
}

void cccc_reply_error(cccc_buf_t *out, const struct cccc_request_id *id, cccc_err_t err, const char *message, const cccc_value_t *details)
{
    reply_head(out, id, 3, false);
    cccc_pack_map(out, 0);
    cccc_pack_str(out, CCCC_STR("error"));
    cccc_pack_map(out, 3);
    cccc_pack_str(out, CCCC_STR("code"));
    cccc_pack_text(out, cccc_err_code(err));
    cccc_pack_str(out, CCCC_STR("message"));
    pack_message(out, message);
    cccc_pack_str(out, CCCC_STR("details"));
    if (cccc_is_map(details))
        cccc_pack_value(out, details);
    else
        cccc_pack_map(out, 0);
}
