/* snapshots.h - when the state of a group is saved (core/snapshot.c), so that the next start need not fold its whole ledger.
 *
 * The bytes are made on the loop, which takes as long as copying them, and written by the sealing thread. Written after SNAPSHOT_EVENTS events, after a seal and when a group becomes
 * quiet if enough is behind the last one, and at an orderly stop. A write that fails costs the next start its time, nothing else.
 * Thread: the loop's. */
#pragma once

#include "broker/bus/shelf.h"

/* Events became durable. */
void cccc_snapshots_look(struct cccc_bus *bus, struct cccc_shelf *shelf);
/* The group has been quiet for a while, or older events of it were sealed. */
void cccc_snapshots_rest(struct cccc_bus *bus, struct cccc_shelf *shelf);
/* Somebody asked for it: the call with that ticket is told when it is written. False: not now. */
bool cccc_snapshots_save_now(struct cccc_bus *bus, struct cccc_shelf *shelf, cccc_ticket_t ticket);
/* Is it so large that copying it is felt by those who are served? */
bool cccc_snapshots_is_large(const struct cccc_shelf *shelf);
/* Append the state as it is now to `out`, however large, and say of which event it is. False: not now. */
bool cccc_snapshots_copy(struct cccc_bus *bus, struct cccc_shelf *shelf, struct cccc_snapshot *of, cccc_buf_t *out);
/* The daemon stops: save the next ones. False: all are saved. */
bool cccc_snapshots_save_all(struct cccc_bus *bus);
/* The group was read again: with a snapshot up to `seq` whose file has `bytes` (0: without one). */
void cccc_snapshots_loaded(struct cccc_shelf *shelf, uint64_t seq, uint64_t bytes);
