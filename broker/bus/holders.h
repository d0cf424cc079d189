/* holders.h - the holders that live, as processes: noticed when they end, and asked whose process a caller is.
 *
 * A holder is known by pid and start time. Its pidfd tells the loop of its end at once; whether it is our child (started by this daemon) or not (by an earlier one)
 * makes no difference but that a child is collected.
 * Thread: the loop's. */
#pragma once

#include "broker/core/core.h"

struct cccc_holder {
    cccc_slot_t slot;
    char group_id[16];
    char actor_id[260];
    uint64_t generation;
    int32_t pid;
    uint64_t started; /* clock ticks since boot */
    int pidfd;
};

struct cccc_holders {
    int epoll;                /* readable when a holder ended */
    struct cccc_holder **all; /* each on the heap: identities point into them */
    uint32_t count, capacity;
};

/* False when the system gives no epoll descriptor (errno says why). */
bool cccc_holders_init(struct cccc_holders *self);
void cccc_holders_fini(struct cccc_holders *self);
/* Watch it. A process that has ended already is reported by the next take. */
void cccc_holders_add(struct cccc_holders *self, cccc_slot_t slot, cccc_str_t group_id, cccc_str_t actor_id, uint64_t generation,
                      int32_t pid, uint64_t started);
/* The next one that has ended, taken out; the caller frees it. NULL: none. */
struct cccc_holder *cccc_holders_take_ended(struct cccc_holders *self);
/* Whose process is `peer` (an OPERATOR as far as is known)? Becomes HOLDER, ACTOR or UNKNOWN by who is above it (HOLD.md, Who speaks); group_id and actor_id then point into *self, until the
 * holder has ended. */
void cccc_holders_place(const struct cccc_holders *self, const char *home, struct cccc_peer *peer);
