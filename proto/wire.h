/* wire.h - requests and replies: one msgpack map per message, bounded before it is unpacked, checked against the op table.
 *
 * Request {v:1, id?, op, args}; reply {v, id?, ok, result, error?{code,message,details}}, keys in this order.
 * Thread: none; pure. */
#pragma once

#include "proto/err.h"
#include "proto/ops.h"
#include "proto/value.h"

#define CCCC_WIRE_VERSION 1
/* What ping answers to clients that speak lines: 0.4.0's command line replaces a daemon that says anything else. */
#define CCCC_IPC_VERSION "0.4.0"

/* Decode exactly one msgpack value into `arena`; strings borrow `bytes`. Everything is checked before memory is taken for it: depth, item count
 * against remaining bytes and limits, string sizes, strict UTF-8, string map keys without duplicates, no ext, no NaN or infinities (DECODE_* of
 * limits.def; requests have the narrower VALUE_*). Integers come out as integers whatever their encoding, floats as doubles.
 * CCCC_E_TOO_LARGE: more than `max_bytes`. CCCC_E_INVALID_REQUEST: *m says what and at which byte. */
cccc_err_t cccc_msgpack_read(const char *bytes, size_t len, size_t max_bytes, cccc_arena_t *arena, cccc_value_t *out,
                             struct cccc_errmsg *m);

/* An id of a request, echoed verbatim: an integer or a string of at most CCCC_REQUEST_ID_BYTES_MAX, kept packed. len 0 = none. */
struct cccc_request_id {
    unsigned char len;
    char packed[71];
};

struct cccc_request {
    struct cccc_request_id id;
    cccc_op_t op;
    cccc_str_t op_name;    /* as sent */
    struct cccc_args args; /* checked, in table order */
};

/* Why a request was refused before it reached the core; becomes the error of its reply. */
struct cccc_refusal {
    cccc_err_t err;
    struct cccc_errmsg message;
    cccc_value_t details; /* map in the arena, or nil */
};

/* Decode and check one request frame: bounds, envelope, op, arguments (missing, mistyped, oversized). Borrows `bytes` for strings.
 * On failure *refusal is filled and req->id still holds the id if it could be read. */
cccc_err_t cccc_request_read(const char *bytes, size_t len, cccc_arena_t *arena, struct cccc_request *req, struct cccc_refusal *refusal);
/* The same for an already decoded envelope (the JSON gateway). */
cccc_err_t cccc_request_from_value(const cccc_value_t *envelope, cccc_arena_t *arena, struct cccc_request *req,
                                   struct cccc_refusal *refusal);

/* Start a good reply: packs everything up to and including the key `result`. The caller then packs exactly one map. */
void cccc_reply_begin(cccc_buf_t *out, const struct cccc_request_id *id);
/* A whole error reply. `details` NULL or a map. Bytes of `message` that are not UTF-8 become question marks. */
void cccc_reply_error(cccc_buf_t *out, const struct cccc_request_id *id, cccc_err_t err, const char *message, const cccc_value_t *details);
/* Client side: pack a request with `args` already packed as one map. */
void cccc_request_write(cccc_buf_t *out, uint64_t id, const char *op, const char *args, size_t args_len);
