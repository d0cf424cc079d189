/* reply.c - what the daemon answered: a received frame, and the value unpacked from it, which borrows the frame's bytes.
 *
 * Replies come from the user's own daemon over a socket only they can open, and may hold a thousand events: they are bounded by the frame's
 * size and msgpack-c's nesting limit, not by the limits of requests. */
#include "clients/lib/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* Unpacked values of a usual reply fit in this; longer ones grow. */
#define REPLY_ZONE_BYTES 2048

static cccc_reply_t *reply_new(cccc_t *self)
{
    cccc_reply_t *reply = self->spare;
    self->spare = NULL;
    if (!reply) {
        reply = calloc(1, sizeof *reply);
        CCCC_ASSERT(reply && msgpack_zone_init(&reply->zone, REPLY_ZONE_BYTES), "out of memory");
    }
    zmq_msg_init(&reply->frame);
    return reply;
}

/* An integer at *p, in the forms that positive numbers have. */
static bool head_uint(const unsigned char **p, const unsigned char *end, uint64_t *out)
{
    unsigned char tag = *(*p)++;
    if (tag < 0x80) {
        *out = tag;
        return true;
    }
    if (tag < 0xcc || tag > 0xcf)
        return false;
    size_t width = (size_t)1 << (tag - 0xcc);
    if ((size_t)(end - *p) < width)
        return false;
    uint64_t u = 0;
    for (size_t i = 0; i < width; i++)
        u = u << 8 | *(*p)++;
    *out = u;
    return true;
}

static bool head_key(const unsigned char **p, const unsigned char *end, const char *key, size_t len)
{
    /* One byte more than the key, so that there is one to read behind it. */
    if ((size_t)(end - *p) < len + 2 || **p != (0xa0 | len) || memcmp(*p + 1, key, len) != 0)
        return false;
    *p += len + 1;
    return true;
}

/* Replies begin {v, id, ok, ...} in this order (PROTOCOL.md), so what matters first needs no unpacking. */
static bool read_head(cccc_reply_t *reply)
{
    const unsigned char *p = zmq_msg_data(&reply->frame), *end = p + zmq_msg_size(&reply->frame);
    uint64_t version;
    if (p == end || (*p & 0xf0) != 0x80)
        return false;
    p++;
    if (!head_key(&p, end, "v", 1) || !head_uint(&p, end, &version) || version != CCCC_WIRE_VERSION)
        return false;
    if (!head_key(&p, end, "id", 2) || !head_uint(&p, end, &reply->id))
        return false;
    if (!head_key(&p, end, "ok", 2) || (*p & 0xfe) != 0xc2)
        return false;
    reply->ok = *p == 0xc3;
    return true;
}

cccc_reply_t *reply_parse(cccc_t *self, zmq_msg_t *frame)
{
    cccc_reply_t *reply = reply_new(self);
    zmq_msg_move(&reply->frame, frame);
    if (!read_head(reply))
        reply_recycle(self, &reply);
    return reply;
}

bool reply_unpack(cccc_reply_t *reply)
{
    if (!reply->unpacked) {
        size_t offset = 0;
        const char *bytes = zmq_msg_data(&reply->frame);
        if (msgpack_unpack(bytes, zmq_msg_size(&reply->frame), &offset, &reply->zone, &reply->root) != MSGPACK_UNPACK_SUCCESS)
            return false;
        reply->result = cccc_get(&reply->root, "result");
        reply->unpacked = true;
    }
    return !reply->ok || cccc_is_map(reply->result);
}

void reply_recycle(cccc_t *self, cccc_reply_t **taken)
{
    cccc_reply_t *reply = *taken;
    if (!reply)
        return;
    if (self->spare) {
        cccc_reply_free(taken);
        return;
    }
    *taken = NULL;
    zmq_msg_close(&reply->frame);
    if (reply->unpacked)
        msgpack_zone_clear(&reply->zone);
    reply->unpacked = false;
    self->spare = reply;
}

void reply_error(const cccc_reply_t *reply, struct cccc_error *err)
{
    if (!err)
        return;
    const msgpack_object *error = cccc_get(&reply->root, "error");
    cccc_str_t code = cccc_get_str(error, "code");
    cccc_str_t message = cccc_get_str(error, "message");
    cccc_str_t outcome = cccc_get_str(cccc_get(error, "details"), "outcome");
    *err = (struct cccc_error){0};
    snprintf(err->code, sizeof err->code, "%.*s", CCCC_STR_FMT(code));
    snprintf(err->message, sizeof err->message, "%.*s", CCCC_STR_FMT(message));
    snprintf(err->outcome, sizeof err->outcome, "%.*s", CCCC_STR_FMT(outcome));
    cccc_str_t cause = cccc_get_str(cccc_get(error, "details"), "cause");
    snprintf(err->cause, sizeof err->cause, "%.*s", CCCC_STR_FMT(cause));
    if (cause.len > 0)
        code = cause;
    err->exit_status = cccc_err_exit_status(cccc_err_from_code(code.ptr, code.len));
}

const msgpack_object *cccc_reply_result(const cccc_reply_t *self)
{
    /* Unpacking is not seen from outside: every reply was made by reply_new, not const. */
    cccc_reply_t *reply = (cccc_reply_t *)(uintptr_t)self;
    return reply_unpack(reply) ? reply->result : NULL;
}

void cccc_reply_free(cccc_reply_t **self)
{
    if (!self || !*self)
        return;
    zmq_msg_close(&(*self)->frame);
    msgpack_zone_destroy(&(*self)->zone);
    free(*self);
    *self = NULL;
}
