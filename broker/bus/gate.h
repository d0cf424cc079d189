/* gate.h - the loop's end of the gateway (broker/gateway): its requests come in here, on the way that those of the bus take, and its replies leave here.
 *
 * Owns the sockets between the two threads, the listening ones, and what is known of the processes that call.
 * Thread: the loop's; the bytes lent are also given back by the gateway's. */
#pragma once

#include "broker/bus/identity.h"
#include "broker/gateway/gateway.h"

#include <czmq.h>
#include <stdatomic.h>

struct cccc_bus;
struct identity;

struct cccc_gate {
    zsock_t *ours_sock, *theirs_sock, *events_sock;
    void *ours;
    struct cccc_listener local, tcp;
    cccc_gateway_t *gateway;
    cccc_gateway_order_t to_loop, to_gateway;
    struct identity *identities; /* by pid */
    atomic_size_t lent;          /* bytes of replies the gateway has not taken */
    uint64_t dropped;            /* connections, since the start, whose replies were too much */
};

/* Listen on `path`, with `tcp_port` >= 0 on loopback TCP too (0: any port), and start the thread. On failure nothing is left. */
cccc_err_t cccc_gate_open(struct cccc_gate *self, const char *path, int tcp_port, struct cccc_errmsg *m);
/* Take in at most GATEWAY_REQUESTS_PER_TURN_MAX requests. */
void cccc_gate_take(struct cccc_bus *bus);
/* Takes `bytes`. */
void cccc_gate_reply(struct cccc_gate *self, uint64_t conn, cccc_bytes_t *bytes);
/* Holders have come or gone: who is whose process is found out anew. */
void cccc_gate_forget_identities(struct cccc_gate *self);
/* What has been answered is written; then everything is closed. */
void cccc_gate_close(struct cccc_gate *self);
