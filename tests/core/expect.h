/* expect.h - what the tests of configuration share: a bench per test, a small team, expectations that show the whole value when they fail. */
#pragma once

#include "tests/support/bench_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define G "g_000000000001"

static inline int start(void **state)
{
    *state = bench_new(1);
    return 0;
}

static inline int stop(void **state)
{
    bench_t *b = *state;
    bench_free(&b);
    return 0;
}

/* A group with the foreman `lead` and the peer `dev`, attached to /src/proj. Its id lives in the bench. */
static inline const char *team(bench_t *b)
{
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': 'Team'}"), "group_id");
    bench_do(b, "attach", "{'path': '/src/proj', 'group_id': '%s'}", id);
    bench_do(b, "actor_add", "{'group_id': '%s', 'actor_id': 'lead', 'runtime': 'claude'}", id);
    bench_do(b, "actor_add", "{'group_id': '%s', 'actor_id': 'dev', 'runtime': 'claude'}", id);
    return id;
}

static inline void expect_code(bench_t *b, const cccc_value_t *reply, const char *code)
{
    if (strcmp(bench_code(reply), code) != 0)
        fail_msg("expected %s: %s", code, bench_text(b, reply));
}

#define EXPECT(b, code, op, ...) expect_code(b, bench_ask(b, op, __VA_ARGS__), code)

static inline void expect_text(bench_t *b, const cccc_value_t *v, const char *path, const char *text)
{
    const char *found = bench_str_at(b, v, path);
    if (found == NULL || strcmp(found, text) != 0)
        fail_msg("%s: expected %s: %s", path, text, bench_text(b, v));
}

static inline void expect_json(bench_t *b, const cccc_value_t *v, const char *path, const char *json)
{
    cccc_value_t wanted = bench_json(b, "%s", json);
    const cccc_value_t *found = bench_at(v, path);
    if (found == NULL || !cccc_value_eq(found, &wanted))
        fail_msg("%s: expected %s: %s", path, json, bench_text(b, v));
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
