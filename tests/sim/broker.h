/* broker.h - the daemon with another world beneath: the real core, ledgers, store, loading and carrying out of effects (broker/bus/effects.c,
 * ledgers.c, load.c) over a simulated disk; its threads, sockets, log and clock are played by the simulation.
 *
 * Work given to a pool of threads waits until broker_work runs it, in any order that the pool's threads could produce, and then until a turn of the
 * loop finishes it. One piece of work runs at a time, from beginning to end; a crash may stop it at any call to the disk.
 * Thread: one. */
#pragma once

#include "broker/core/core.h"
#include "tests/sim/sim.h"

typedef struct broker broker_t;

/* Who hears what leaves the daemon. */
struct broker_ears {
    void *arg;
    void (*reply)(void *arg, uint64_t conn, const char *bytes, size_t len);
    void (*publication)(void *arg, const char *topic, size_t topic_len, const char *bytes, size_t len);
};

/* Start a daemon on /home. NULL: it refused (a disk error); it says why in the trace. */
broker_t *broker_start(struct sim *sim, const struct broker_ears *ears);
/* This start's epoch. */
uint64_t broker_epoch(const broker_t *self);
cccc_core_t *broker_core(broker_t *self);

/* One frame of `conn`, whose process the kernel knows as `peer`. */
void broker_request(broker_t *self, uint64_t conn, const struct cccc_peer *peer, const char *bytes, size_t len);
void broker_gone(broker_t *self, uint64_t conn);

/* A holder it watches has ended. */
void broker_holder_gone(broker_t *self, cccc_slot_t slot, cccc_str_t actor_id, uint64_t generation);

/* A thread does one piece of work, if there is any: true. */
bool broker_work(broker_t *self);
/* One turn of the loop: some of the finished work, the tick when it is due, batches and marks to the threads. */
void broker_turn(broker_t *self);
/* Turns and work until there is nothing left to do. */
void broker_settle(broker_t *self);
/* Let `seconds` pass, with a turn and all the work of each. */
void broker_idle(broker_t *self, unsigned seconds);

/* An orderly stop, as SIGTERM's. Takes and nulls. */
void broker_stop(broker_t **self);
/* Its memory is given back and nothing is written or heard any more: the rest of kill -9 is simdisk_kill or simdisk_power_cut. Takes and nulls. */
void broker_kill(broker_t **self);
