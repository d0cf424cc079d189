/* terminal.h - a connection that is attached to an actor's terminal: raw bytes both ways (reference 3.13), in front of the holder's own socket (HOLD.md).
 *
 * Only for clients that know no other way; ours connect to the holder themselves. At most GATEWAY_STREAM_BYTES wait in either direction; then the faster side
 * is not read.
 * Thread: the gateway's. */
#pragma once

#include "broker/gateway/private.h"

/* `result` of term_attach: connect to the holder and answer the client. When nobody is there, the answer says so. */
void terminal_begin(struct cccc_gateway *gateway, struct connection *c, const cccc_value_t *result);
/* Pass on what the client sent. */
void terminal_type(struct cccc_gateway *gateway, struct terminal *self, const char *bytes, size_t len);
bool terminal_wants_input(const struct terminal *self);
/* Write to the holder what can be written, and read from it if the client takes it. */
void terminal_go_on(struct cccc_gateway *gateway, struct terminal *self);
/* Nothing happens when the connection is no terminal. */
void terminal_end(struct cccc_gateway *gateway, struct connection *c);
/* At the end of a turn: free those that ended in it. */
void terminals_bury(struct cccc_gateway *gateway);
