/* bench_core.h - a broker in memory for core tests: carries out the core's effects against ledgers that are arrays, step by step.
 *
 * The test decides when appends become durable or are lost, and when reads and file work finish; everything is narrated into a trace. Time and chance come
 * from the seed: the same test gives the same trace. Requests and expectations are JSON written with single quotes.
 * Thread: one. */
#pragma once

#include "broker/core/core.h"

typedef struct bench bench_t;

bench_t *bench_new(uint64_t seed);
void bench_free(bench_t **self);
cccc_core_t *bench_core(bench_t *self);
/* Lives as long as the bench. */
cccc_arena_t *bench_arena(bench_t *self);

/* ---- groups ---- */

/* A group that is there from the start: `document` as JSON (NULL: none). Shown as `alias` in the trace. */
void bench_group(bench_t *self, const char *group_id, const char *alias, const char *document);
/* Put a line into its ledger as if it had been there (before bench_restart): an event as JSON, without v, seq and group_id. */
void bench_line(bench_t *self, const char *group_id, const char *event);
/* Stop as by kill -9 and start again: what is durable, and the documents as last stored, are folded by a new core. */
void bench_restart(bench_t *self);
/* Its events up to `through` are sealed now, with that filter (taken; NULL: none is known). */
void bench_seal(bench_t *self, const char *group_id, uint64_t through, struct cccc_id_filter *filter);
/* The last KEEP has come to this (JSON, or NULL). */
void bench_keep(bench_t *self, cccc_err_t err, const char *value);
/* Fold the group again as offline or read-only (NULL: not). */
void bench_reopen(bench_t *self, const char *group_id, const char *offline, const char *read_only);
/* What the fold of the durable ledger gives in a core of its own, from nothing but the lines (`documents`: and the stored group.yaml). */
cccc_value_t bench_refolded(bench_t *self, const char *group_id, bool documents);
/* The same from the state as saved after its first `lines` lines, and the fold of what is behind them. */
cccc_value_t bench_reloaded(bench_t *self, const char *group_id, uint32_t lines, bool documents);
cccc_value_t bench_dump(bench_t *self, const char *group_id);
uint64_t bench_durable(bench_t *self, const char *group_id);
/* Write group.yaml by hand (JSON): the next bench_restart finds it edited. */
void bench_hand(bench_t *self, const char *group_id, const char *document);
/* registry.json and active.json as start-up reads them (JSON; NULL: missing). bench_restart uses what was stored last. */
void bench_home(bench_t *self, const char *registry, const char *active);
/* Event number seq of the ledger as appended. False when there is none. */
bool bench_event(bench_t *self, const char *group_id, uint64_t seq, struct cccc_event *out);
/* group.yaml as last stored; nil when never. */
cccc_value_t bench_document(bench_t *self, const char *group_id);

/* What was last stored of a kind that has one file (registry, active) or one content (scope); nil when nothing was. */
cccc_value_t bench_stored(bench_t *self, enum cccc_store_kind kind);
/* What is found at any path from now on: the root ("" = the path itself) and the remote of its repository ("" = none). Borrowed. */
void bench_repository(bench_t *self, const char *root, const char *remote);
/* Its folder is gone as far as a scan can see. */
void bench_lose_folder(bench_t *self, const char *group_id);

/* ---- speaking ---- */

/* Who is at the other end of the requests from now on. */
void bench_as_operator(bench_t *self);
void bench_as_actor(bench_t *self, const char *group_id, const char *actor_id);
void bench_as_unknown(bench_t *self);
/* From now on there is a cccc-hold, so programs can be started. */
void bench_can_hold(bench_t *self);
/* The holder that was started last for the actor; a start that the core asked for is one as soon as the file work is finished. */
void bench_as_holder(bench_t *self, const char *group_id, const char *actor_id);
/* Its generation; 0: there is no record of one. */
uint64_t bench_generation(bench_t *self, const char *group_id, const char *actor_id);
/* It is killed: the core hears of it now, or when it is restarted. */
void bench_kill_holder(bench_t *self, const char *group_id, const char *actor_id);
/* What a group's own preamble says from now on. Borrowed. */
void bench_prompt(bench_t *self, const char *text);
/* Put a request to the core; effects are collected, nothing is carried out but replies, publications and log records. */
void bench_request(bench_t *self, uint64_t conn, const char *op, const char *args_format, ...) __attribute__((format(printf, 4, 5)));
void bench_request_value(bench_t *self, uint64_t conn, const char *op, cccc_value_t args);
void bench_gone(bench_t *self, uint64_t conn);
/* The oldest reply of `conn` not taken yet (the whole envelope), or NULL. */
const cccc_value_t *bench_reply(bench_t *self, uint64_t conn);
/* Request on a connection of its own, carry out everything, give the reply (never NULL). */
const cccc_value_t *bench_ask(bench_t *self, const char *op, const char *args_format, ...) __attribute__((format(printf, 3, 4)));
/* bench_ask that must succeed: gives the result. */
const cccc_value_t *bench_do(bench_t *self, const char *op, const char *args_format, ...) __attribute__((format(printf, 3, 4)));
/* The error code of a reply, or "ok". Static. */
const char *bench_code(const cccc_value_t *reply);

/* ---- carrying out ---- */

/* Make at most `max` appended events of the group durable (NULL group: of all). Returns how many. */
uint32_t bench_sync(bench_t *self, const char *group_id, uint32_t max);
/* Lose what is appended and not durable but its first `keep`, which only a refold will find; tells the core. A refold it asks for waits for bench_refold. */
void bench_fail(bench_t *self, const char *group_id, cccc_err_t err, bool outcome_unknown, uint32_t keep, bool refold);
/* Carry out the refolds asked for. */
void bench_refold(bench_t *self);
/* Finish the oldest open read, or file work; false when there is none. */
bool bench_finish_read(bench_t *self);
bool bench_finish_store(bench_t *self);
/* How many reads are open. */
uint32_t bench_open_reads(const bench_t *self);
/* Let the oldest open read fail, or find its events damaged: nothing but a gap. */
bool bench_fail_read(bench_t *self, cccc_err_t err);
bool bench_lose_read(bench_t *self);
/* Let the oldest open file work fail. */
bool bench_fail_store(bench_t *self, cccc_err_t err);
/* Everything, until nothing is left to do. */
void bench_settle(bench_t *self);
/* Let time pass and tick. */
void bench_pass(bench_t *self, uint32_t seconds);
/* Turn the wall clock; the monotonic one goes on. */
void bench_turn_clock(bench_t *self, int64_t seconds);
void bench_set_facts(bench_t *self, const struct cccc_daemon_facts *facts);

/* ---- watching ---- */

/* Everything narrated since the last take; lives until the next. */
const char *bench_trace(bench_t *self);
/* Leave out lines beginning with one of these words (NULL-terminated list, borrowed). */
void bench_quiet(bench_t *self, const char *const *words);

/* ---- values ---- */

/* JSON with single quotes to a value in the bench's arena; printf-like. */
cccc_value_t bench_json(bench_t *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A value as JSON text in the bench's arena. */
const char *bench_text(bench_t *self, const cccc_value_t *v);
/* The member at a path such as "result.event.data.to"; NULL when missing. */
const cccc_value_t *bench_at(const cccc_value_t *v, const char *path);
const char *bench_str_at(bench_t *self, const cccc_value_t *v, const char *path);
uint64_t bench_uint_at(const cccc_value_t *v, const char *path);
