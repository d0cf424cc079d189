/* crew.h - a team in terminals, and what its holders say, for tests of programs: `lead` and `dev` run in terminals, `off` would if it were not stopped, `bus` is a program of
 * its own.
 *
 * Values and texts that are returned are the bench's. Thread: one. */
#pragma once

#include "tests/core/team.h"

/* group.yaml of the team: `running` true or false, `state` active, idle or paused. Static; until the next call. */
const char *crew_document(const char *running, const char *state);
/* A bench with TEAM in it, settled; it narrates what is typed, stored and started only. */
bench_t *crew_new(const char *running, const char *state);
/* The same at the end: the fold of everything that happened gives the state everybody saw (I11). */
void crew_end(bench_t **b);

/* Members of a holder's request: group_id, actor_id, generation. */
const char *crew_id(bench_t *b, const char *actor, uint64_t generation);
/* The actor's holder, started last, registers. */
void crew_hello(bench_t *b, const char *actor);
/* A hold_wait of the actor's holder with these reports; NULL when it is parked, else the orders. Orders that its earlier, parked wait was answered with meanwhile count too. */
const cccc_value_t *crew_wait(bench_t *b, const char *actor, const char *reports, int typed);
/* The same, which must bring one order to type; its id. */
const char *crew_order(bench_t *b, const char *actor, const char *reports, int typed);
/* A report for crew_wait. */
const char *crew_report(bench_t *b, const char *order_id, const char *outcome);
/* Started, registered, its preamble typed: ready for messages. */
void crew_ready(bench_t *b, const char *actor);
/* Its program has exited; `how` as in hold_wait. */
void crew_exits(bench_t *b, const char *actor, const char *how);

/* The actor as actor_list has it, and its runtime_state. */
const cccc_value_t *crew_row(bench_t *b, const char *actor);
const char *crew_state(bench_t *b, const char *actor);
void crew_send(bench_t *b, const char *who, const char *text);
/* How many events of the kind have data.`key` equal to `value`. */
int crew_count(bench_t *b, const char *kind, const char *key, const char *value);
