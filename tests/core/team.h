/* team.h - a small group for tests of messaging: lead (the foreman), peer-1, peer-2 titled "Reviewer", and off, who is disabled.
 *
 * Thread: one. */
#pragma once

#include "tests/support/bench_core.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TEAM  "g_0000000000a1"
#define OTHER "g_0000000000b2"

/* group.yaml of the team; `policy` is foreman or broadcast, `state` active, idle or paused. */
const char *team_document(const char *group_id, const char *policy, const char *state);
/* A bench with TEAM as "A" and OTHER as "B", policy foreman, active. */
bench_t *team_new(uint64_t seed);
/* The same, which narrates decisions only. */
bench_t *team_new_quiet(void);
/* Let time pass in steps of at most five seconds, and carry out what comes of each. */
void team_pass(bench_t *b, uint32_t seconds);
/* Numbers given to a test program as `--name N`; others keep their value. `names` ends with NULL. */
void team_options(int argc, char **argv, const char *const *names, uint64_t *const *values);
/* End the bench, having checked that the fold of every group gives its live state (I11). */
void team_end(bench_t **b);
/* Fail unless the fold of the group's ledger, with and without the stored document, gives its live state. */
void assert_fold_is_live(bench_t *b, const char *group_id);
/* What of two dumps of a group is not the same, as text; NULL when nothing is. */
const char *dumps_differ(bench_t *b, const cccc_value_t *live, const cccc_value_t *folded);
/* Fail unless the state saved after any half of its lines, and the fold of the rest, with or without the stored document, gives its live state. */
void assert_saved_state_is_live(bench_t *b, const char *group_id, bool documents);
/* Fail unless the trace since the last look is exactly `expected`. */
void assert_trace(bench_t *b, const char *expected);
/* Fail unless the JSON (single quotes) is the value. NULL value: "(missing)". */
void assert_json(bench_t *b, const cccc_value_t *v, const char *expected);
/* Ids of the unread events of a reader as a string of seqs: "3 7"; "" when none. */
const char *inbox_seqs(bench_t *b, const char *group_id, const char *reader, const char *filter);
