/* fuzz_request.c - any bytes as a request frame: decoded or refused, and either way there is a reply that decodes.
 *
 * What is accepted has arguments within their limits; packing the decoded envelope again gives a frame that means the same. */
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A reply to `req` decodes, and its id is the id sent. */
static void check_reply(cccc_arena_t *arena, const struct cccc_request_id *id, const struct cccc_refusal *refusal)
{
    cccc_buf_t out;
    cccc_value_t reply;
    struct cccc_errmsg m = {""};
    cccc_buf_init(&out);
    cccc_reply_error(&out, id, refusal->err, refusal->message.text, &refusal->details);
    CCCC_ASSERT(cccc_msgpack_read(out.data, out.size, CCCC_REPLY_BYTES_MAX, arena, &reply, &m) == CCCC_OK, "%s", m.text);
    CCCC_ASSERT(refusal->message.text[0] != '\0' && cccc_get_str(cccc_get(&reply, "error"), "code").len > 0);
    CCCC_ASSERT((cccc_get(&reply, "id") != NULL) == (id->len > 0));
    cccc_buf_fini(&out);
}

static void check_args(const struct cccc_args *args)
{
    for (uint32_t i = 0; i < args->def->arg_count; i++) {
        const struct cccc_arg_def *arg = &args->def->args[i];
        const cccc_value_t *v = args->values[i];
        cccc_str_t s;
        CCCC_ASSERT(v != NULL || arg->need == CCCC_OPTIONAL, "%s", arg->name);
        CCCC_ASSERT(!cccc_as_str(v, &s) || (s.len <= arg->max && cccc_utf8_valid(s)), "%s", arg->name);
        CCCC_ASSERT(!cccc_is_array(v) || v->via.array.size <= arg->max, "%s", arg->name);
    }
}

/* The same frame in canonical form is read as the same value. */
static void check_canonical(cccc_arena_t *arena, const char *bytes, size_t size)
{
    cccc_value_t v, again;
    cccc_buf_t packed;
    CCCC_ASSERT(cccc_msgpack_read(bytes, size, CCCC_REQUEST_BYTES_MAX, arena, &v, NULL) == CCCC_OK);
    cccc_buf_init(&packed);
    cccc_pack_value(&packed, &v);
    CCCC_ASSERT(packed.size <= size + size / 2, "the canonical form of %zu bytes has %zu", size, packed.size);
    CCCC_ASSERT(cccc_msgpack_read(packed.data, packed.size, CCCC_FRAME_BYTES_MAX, arena, &again, NULL) == CCCC_OK);
    CCCC_ASSERT(cccc_value_eq(&v, &again));
    cccc_buf_fini(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_request req;
    struct cccc_refusal refusal;
    cccc_err_t err = cccc_request_read((const char *)data, size, arena, &req, &refusal);
    if (err == CCCC_OK) {
        check_args(&req.args);
        check_canonical(arena, (const char *)data, size);
    } else {
        CCCC_ASSERT(err == refusal.err);
        check_reply(arena, &req.id, &refusal);
    }
    cccc_arena_destroy(&arena);
    return 0;
}
