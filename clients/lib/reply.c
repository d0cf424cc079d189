/* reply.c - what the daemon answered: a received frame, and the value unpacked from it, which borrows the frame's bytes.
 *
 * Replies come from the user's own daemon over a socket only they can open, and may hold a thousand events: they are bounded by the frame's size and
 * msgpack-c's nesting limit, not by the limits of requests. */
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

cccc_reply_t *reply_parse(cccc_t *self, zmq_msg_t *frame)
{
    cccc_reply_t *reply = reply_new(self);
    zmq_msg_move(&reply->frame, frame);
    size_t offset = 0;
    bool good = msgpack_unpack(zmq_msg_data(&reply->frame), zmq_msg_size(&reply->frame), &offset, &reply->zone, &reply->root) ==
                    MSGPACK_UNPACK_SUCCESS &&
                cccc_as_uint(cccc_get(&reply->root, "id"), &reply->id) && cccc_as_bool(cccc_get(&reply->root, "ok"), &reply->ok);
    if (good) {
        reply->result = cccc_get(&reply->root, "result");
        good = !reply->ok || cccc_is_map(reply->result);
    }
    if (!good)
        reply_recycle(self, &reply);
    return reply;
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
    msgpack_zone_clear(&reply->zone);
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
    err->exit_status = cccc_err_exit_status(cccc_err_from_code(code.ptr, code.len));
}

const msgpack_object *cccc_reply_result(const cccc_reply_t *self)
{
    return self->result;
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
