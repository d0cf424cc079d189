/* jsonline.h - a line of JSON as a request of the bus, and a reply of the bus as a line of JSON.
 *
 * Lines are ASCII: other characters are written as \u escapes, because there are clients that decode each piece of a line by itself. Binary is base64
 * text. All four keys of a reply are always there (reference 3.2).
 * Thread: none; pure. */
#pragma once

#include "proto/value.h"

/* Pack the request in `line` into `frame`; *op is its op, "" when it has none. Nothing about it is checked but that it is JSON and an object: the
 * loop does that, as for every client. CCCC_E_INVALID_REQUEST: *m says why. `line` must live as long as `arena`. */
cccc_err_t cccc_jsonline_request(cccc_str_t line, cccc_arena_t *arena, cccc_buf_t *frame, cccc_str_t *op, struct cccc_errmsg *m);
/* Append a reply and its newline, and tell what it says: its result (in the arena), NULL when it is an error. One that would be longer than
 * GATEWAY_REPLY_BYTES_MAX becomes the error too_large. */
const cccc_value_t *cccc_jsonline_reply(const char *bytes, size_t len, cccc_arena_t *arena, cccc_buf_t *out);
/* Append an error and its newline; its details name the limit that was passed, 0: none was. */
void cccc_jsonline_error(cccc_err_t err, const char *message, uint64_t limit, cccc_buf_t *out);
/* Append `v` and a newline. */
void cccc_jsonline_value(const cccc_value_t *v, cccc_buf_t *out);
