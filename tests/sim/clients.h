/* clients.h - the people at the other end: several connections, operators and actors, that ask for many things at once, repeat what was not answered, and
 * tell the oracle what they were told.
 *
 * Thread: one. */
#pragma once

#include "tests/sim/broker.h"
#include "tests/sim/oracle.h"

typedef struct clients clients_t;

clients_t *clients_new(struct sim *sim, oracle_t *oracle);
void clients_destroy(clients_t **self);
/* To be given to broker_start. */
struct broker_ears clients_ears(clients_t *self);

/* From now on requests go to `broker`. NULL: it is gone, and what was asked and not answered will never be. */
void clients_meet(clients_t *self, broker_t *broker);

/* Some client asks for something. */
void clients_ask(clients_t *self);
/* Some client goes away, and another one comes. */
void clients_leave(clients_t *self);
/* A group with actors, to begin with. */
void clients_set_up(clients_t *self);

/* Read everything the way clients do, from a daemon at rest, and compare: every group is served, its whole ledger listed without a gap that has
 * no row, every cursor where it was. */
void clients_read_all(clients_t *self);
