/* stream.h - a connection that follows a group: events as they become durable, heartbeats, and a row where events are missing (reference 3.14).
 *
 * A stream has a position in the ledger and goes on from it as every follower does (PROTOCOL.md): an event published right behind it is taken as it comes; for all else it
 * reads a page. While its client has GATEWAY_STREAM_BYTES to take it does neither: the ledger waits, nothing is kept here, and nothing is lost.
 * Thread: the gateway's. */
#pragma once

#include "broker/gateway/private.h"

/* `result` of events_stream: from now on the connection follows. The reply itself has been written. */
void stream_begin(struct cccc_gateway *gateway, struct connection *c, const cccc_value_t *result);
/* A reply to the stream's own ledger_read. */
void stream_page(struct cccc_gateway *gateway, struct connection *c, const char *bytes, size_t len, cccc_arena_t *arena);
/* Read on if there is more, and room for it. */
void stream_go_on(struct cccc_gateway *gateway, struct connection *c);
/* Once a second: heartbeats. */
void stream_look(struct cccc_gateway *gateway, struct connection *c);
/* Nothing happens when the connection is no stream. */
void stream_end(struct cccc_gateway *gateway, struct connection *c);
/* Take what was published. False: nothing was. */
bool streams_take_events(struct cccc_gateway *gateway);
