/* gateway.h - the door for clients that speak lines of JSON (Daemon IPC v1): a thread between their connections and the loop.
 *
 * The thread owns the connections and their buffers. It makes a request of the bus of each line, passes it to the loop with the kernel's word on who speaks, and
 * makes a line of the reply. It decides nothing and knows nothing of groups: there is no second way to state. Everything it holds is bounded by
 * the GATEWAY_* of limits.def, and a client that does not read, or does not finish its line, costs its own connection.
 * Threads: start, finish and end are the loop's; the counters may be read from any; all else is the gateway's own thread. */
#pragma once

#include "broker/gateway/envelope.h"
#include "broker/gateway/listen.h"

typedef struct cccc_gateway cccc_gateway_t;

struct cccc_gateway_options {
    struct cccc_listener *local; /* borrowed; closed by their owner after the end */
    struct cccc_listener *tcp;   /* NULL or fd -1: none */
    void *pair;                  /* PAIR, connected to the loop's; the thread's own until the end */
    void *events;                /* SUB, connected to the XPUB; the same */
    cccc_gateway_order_t *to_loop, *to_gateway;
};

struct cccc_gateway_counters {
    uint64_t connections; /* now */
    uint64_t taken;       /* since the start */
    uint64_t shed;        /* of them closed by us: too many, too slow, too much */
    uint64_t requests;    /* lines passed on */
    uint64_t streams;     /* and attached terminals, now */
};

cccc_gateway_t *cccc_gateway_start(const struct cccc_gateway_options *options);
/* Wait for the thread, which has been told to finish over the pair, and free everything. Takes and nulls; NULL is fine. */
void cccc_gateway_end(cccc_gateway_t **self);
void cccc_gateway_count(const cccc_gateway_t *self, struct cccc_gateway_counters *out);
