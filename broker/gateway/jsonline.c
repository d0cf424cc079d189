/* jsonline.c - see jsonline.h. */
#include "broker/gateway/jsonline.h"

#include "proto/json.h"
#include "proto/limits.h"
#include "proto/utf8.h"
#include "proto/wire.h"

#include <sodium.h>

cccc_err_t cccc_jsonline_request(cccc_str_t line, cccc_arena_t *arena, cccc_buf_t *frame, cccc_str_t *op, struct cccc_errmsg *m)
{
    cccc_value_t request;
    struct cccc_errmsg why;
    if (cccc_json_read(line.ptr, line.len, arena, &request, &why) != CCCC_OK)
        return cccc_fail(m, CCCC_E_INVALID_REQUEST, "a request is a line with one JSON object: %s", why.text);
    if (!cccc_is_map(&request))
        return cccc_fail(m, CCCC_E_INVALID_REQUEST, "a request is a line with one JSON object");
    *op = cccc_get_str(&request, "op");
    cccc_pack_value(frame, &request);
    return CCCC_OK;
}

/* ---- ASCII ---- */

static size_t put_unit(char *p, unsigned unit)
{
    static const char hex[] = "0123456789abcdef";
    p[0] = '\\';
    p[1] = 'u';
    for (int i = 0; i < 4; i++)
        p[2 + i] = hex[unit >> (12 - 4 * i) & 15];
    return 6;
}

static size_t escape(cccc_str_t s, char *p, size_t *taken)
{
    uint32_t character;
    cccc_utf8_decode(s, &character, taken);
    if (character < 0x10000)
        return put_unit(p, character);
    character -= 0x10000;
    return put_unit(p, 0xd800 + (character >> 10)) + put_unit(p + 6, 0xdc00 + (character & 0x3ff));
}

static bool is_ascii(const char *s, size_t len)
{
    unsigned char any = 0;
    for (size_t i = 0; i < len; i++)
        any |= (unsigned char)s[i];
    return any < 0x80;
}

/* Append JSON text with its other characters escaped: outside of strings there are none. */
static void put_ascii(cccc_buf_t *out, const char *s, size_t len)
{
    if (is_ascii(s, len)) {
        cccc_buf_put(out, s, len);
        return;
    }
    for (size_t i = 0, taken = 1; i < len; i += taken) {
        char *p = cccc_buf_reserve(out, 12);
        taken = 1;
        if ((unsigned char)s[i] < 0x80) {
            *p = s[i];
            out->size++;
        } else {
            out->size += escape((cccc_str_t){s + i, len - i}, p, &taken);
        }
    }
}

/* ---- binary ---- */

static void as_base64(cccc_value_t *v, cccc_arena_t *arena)
{
    size_t size = sodium_base64_ENCODED_LEN(v->via.bin.size, sodium_base64_VARIANT_ORIGINAL);
    char *text = cccc_arena_alloc(arena, size);
    sodium_bin2base64(text, size, (const unsigned char *)v->via.bin.ptr, v->via.bin.size, sodium_base64_VARIANT_ORIGINAL);
    *v = cccc_text(text);
}

/* JSON has no binary: in place, since the tree was decoded for this line alone. */
static void without_binary(cccc_value_t *v, cccc_arena_t *arena)
{
    if (v->type == MSGPACK_OBJECT_BIN)
        as_base64(v, arena);
    for (uint32_t i = 0; v->type == MSGPACK_OBJECT_ARRAY && i < v->via.array.size; i++)
        without_binary(&v->via.array.ptr[i], arena);
    for (uint32_t i = 0; v->type == MSGPACK_OBJECT_MAP && i < v->via.map.size; i++)
        without_binary(&v->via.map.ptr[i].val, arena);
}

/* ---- lines ---- */

void cccc_jsonline_value(const cccc_value_t *v, cccc_buf_t *out)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write(v, &text);
    put_ascii(out, text.data, text.size);
    cccc_buf_put(out, "\n", 1);
    cccc_buf_fini(&text);
}

/* What `reply` says, with all four keys. */
static cccc_value_t completed(const cccc_value_t *reply, cccc_arena_t *arena)
{
    const cccc_value_t *id = cccc_get(reply, "id"), *result = cccc_get(reply, "result"), *error = cccc_get(reply, "error");
    cccc_builder_t map = cccc_map_builder(arena, 5);
    cccc_map_add(&map, "v", cccc_uint(CCCC_WIRE_VERSION));
    if (id)
        cccc_map_add(&map, "id", *id);
    cccc_map_add(&map, "ok", cccc_bool(cccc_get_bool(reply, "ok", false)));
    cccc_map_add(&map, "result", result ? *result : cccc_map_builder(arena, 0).value);
    cccc_map_add(&map, "error", error ? *error : cccc_nil());
    return map.value;
}

static cccc_value_t refusal(cccc_err_t err, const char *message, uint64_t limit, const cccc_value_t *id, cccc_arena_t *arena)
{
    cccc_builder_t error = cccc_map_builder(arena, 3), reply = cccc_map_builder(arena, 2), details = cccc_map_builder(arena, 1);
    if (limit > 0)
        cccc_map_add(&details, "limit", cccc_uint(limit));
    cccc_map_add(&error, "code", cccc_text(cccc_err_code(err)));
    cccc_map_add(&error, "message", cccc_text(message));
    cccc_map_add(&error, "details", details.value);
    if (id)
        cccc_map_add(&reply, "id", *id);
    cccc_map_add(&reply, "error", error.value);
    return completed(&reply.value, arena);
}

void cccc_jsonline_error(cccc_err_t err, const char *message, uint64_t limit, cccc_buf_t *out)
{
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_value_t line = refusal(err, cccc_utf8_valid(cccc_str(message)) ? message : "the request is not UTF-8", limit, NULL, arena);
    cccc_jsonline_value(&line, out);
    cccc_arena_destroy(&arena);
}

const cccc_value_t *cccc_jsonline_reply(const char *bytes, size_t len, cccc_arena_t *arena, cccc_buf_t *out)
{
    struct cccc_errmsg m;
    cccc_value_t *reply = cccc_arena_alloc(arena, sizeof *reply);
    cccc_err_t err = cccc_msgpack_read(bytes, len, CCCC_FRAME_BYTES_MAX, arena, reply, &m);
    CCCC_ASSERT(err == CCCC_OK, "a reply of the loop does not decode: %s", m.text);
    without_binary(reply, arena);
    size_t before = out->size;
    cccc_value_t line = completed(reply, arena);
    cccc_jsonline_value(&line, out);
    if (out->size - before <= CCCC_GATEWAY_REPLY_BYTES_MAX)
        return cccc_get_bool(reply, "ok", false) ? cccc_get(reply, "result") : NULL;
    out->size = before;
    line = refusal(CCCC_E_TOO_LARGE, "the answer is longer than a line may be; ask for less (limit), or use the bus",
                   CCCC_GATEWAY_REPLY_BYTES_MAX, cccc_get(reply, "id"), arena);
    cccc_jsonline_value(&line, out);
    return NULL;
}
