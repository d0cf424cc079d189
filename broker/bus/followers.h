/* followers.h - what followers have not taken yet, and which of them does not read.
 *
 * The XPUB's high-water mark counts messages, and libzmq keeps every message that one follower has not taken. So the bytes lent to it are
 * counted here, and over PUBLICATION_BYTES_MAX events are withheld from all followers: heads and figures still go out, and who misses something
 * repairs it from the ledger. That would let one follower that stands still cost all others their live stream; therefore the
 * connections are looked at while much is lent, and over the bound those that took nothing at each look of FOLLOWER_STUCK_MS are disconnected, which
 * gives back what they held. libzmq does not say who is behind. The kernel does: a socket whose reader is behind does not take more.
 * Thread: the loop's; `lent` is also lowered by libzmq's I/O thread. */
#pragma once

#include "broker/core/core.h"

#include <stdatomic.h>
#include <zmq.h>

struct cccc_laggard;

struct cccc_followers {
    char path[112];                /* of the events socket */
    _Atomic uint64_t lent;         /* bytes libzmq holds for followers */
    struct cccc_laggard *laggards; /* by descriptor */
    int laggard_count;
    uint64_t looked_us;            /* at the connections, last; monotonic */
    uint64_t withheld_since_start; /* publications */
    uint64_t withheld_before;      /* of them, before this time of withholding began */
    uint64_t dropped;              /* followers disconnected since the start */
    bool withholding;
    bool swollen; /* so much was lent that the allocator may keep pages nobody needs */
};

/* `endpoint` is the XPUB's, an ipc:// one. */
void cccc_followers_init(struct cccc_followers *self, const char *endpoint);
/* The ZeroMQ context must have ended: what is lent is counted until then. */
void cccc_followers_fini(struct cccc_followers *self);
/* A message that lends `bytes` to libzmq, keeping a reference until the last follower has it. False: there is no room, *msg is untouched. */
bool cccc_followers_lend(struct cccc_followers *self, cccc_bytes_t *bytes, zmq_msg_t *msg);
/* Look who is behind, when there is reason to: in every turn of the loop. */
void cccc_followers_tend(struct cccc_followers *self, uint64_t now_us);
/* When to be called next, in monotonic microseconds; UINT64_MAX: no hurry. */
uint64_t cccc_followers_next_look_us(const struct cccc_followers *self);
/* Once a second: give back to the system what a time of much lent has left behind. */
void cccc_followers_trim(struct cccc_followers *self);
uint64_t cccc_followers_lent(const struct cccc_followers *self);
