/* agents.h - the holders of a simulated machine: processes that take orders from a daemon, outlive it, die, exit, and come back to the next one.
 *
 * They stand in for broker/store/holder.c and cccc-hold: a start writes the record to the simulated disk, and from then on the holder lives apart from the daemon.
 * What they check while they run: a claim is durable before they hear of it, and an order is carried out once.
 * Thread: one. */
#pragma once

#include "tests/sim/broker.h"
#include "tests/sim/oracle.h"

typedef struct agents agents_t;

agents_t *agents_new(struct sim *sim, oracle_t *oracle);
void agents_destroy(agents_t **self);

/* From now on they talk to `broker`; NULL: it is gone, and what was on its way is lost. */
void agents_meet(agents_t *self, broker_t *broker);
/* One of them does something. */
void agents_step(agents_t *self);
/* The machine is off: none of them lives. */
void agents_power_cut(agents_t *self);
/* Everybody is in order, says what it has to say, and takes its orders. */
void agents_work(agents_t *self);

/* Is the connection one of theirs? Then the reply is too. */
bool agents_hear(agents_t *self, uint64_t conn, const char *bytes, size_t len);

/* What became of an order to type, as its holder knows it: "" when none has carried it out. Its report was answered: *heard. */
const char *agents_outcome(const agents_t *self, cccc_str_t order_id, bool *heard);
