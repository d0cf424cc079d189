/* envelope.h - what the gateway's thread and the loop say to each other over their inproc pair.
 *
 * A message is this envelope and, where there is one, a body: a request or a reply exactly as on the bus. The kernel's word on who speaks travels in the
 * envelope, which nobody outside of the process can write.
 * Thread: none. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CCCC_GATEWAY_ENDPOINT "inproc://gateway"

enum cccc_gateway_what {
    CCCC_GATEWAY_REQUEST, /* to the loop, with a body */
    CCCC_GATEWAY_GONE,    /* to the loop: the connection is no more */
    CCCC_GATEWAY_REPLY,   /* to the gateway, with a body */
    CCCC_GATEWAY_DROP,    /* to the gateway: end the connection, its replies are too much */
    CCCC_GATEWAY_FINISH   /* to the gateway: write what is there and end */
};

/* The process at the other end, by the kernel; pid 0: it does not say. */
struct cccc_gateway_caller {
    uint32_t uid, gid;
    int32_t pid;
    uint64_t started; /* clock ticks since boot: with the pid, one process for ever; 0: it was gone already */
};

struct cccc_gateway_envelope {
    uint64_t conn; /* of the core's names for connections: those with the highest bit are the gateway's */
    enum cccc_gateway_what what;
    struct cccc_gateway_caller caller;
};

/* libzmq orders what one thread did before it sent and the other does after it received; this says so to whoever cannot see into libzmq (the thread
 * sanitizer). One for each direction. */
typedef atomic_uint cccc_gateway_order_t;

static inline void cccc_gateway_before_send(cccc_gateway_order_t *order)
{
    atomic_fetch_add_explicit(order, 1, memory_order_release);
}

static inline void cccc_gateway_after_receive(cccc_gateway_order_t *order)
{
    (void)atomic_load_explicit(order, memory_order_acquire);
}

static inline bool cccc_gateway_owns(uint64_t conn)
{
    return conn >> 63;
}
