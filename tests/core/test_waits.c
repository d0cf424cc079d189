/* test_waits.c - who waits for whom, and asks that would close a circle: stories, and random graphs against a search by brute force.
 *
 * `test_core_waits --seed N [--histories N]` repeats or extends the random graphs. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t first_seed = 1, histories = 200;

#define ACTORS 6
static const char *const ids[ACTORS] = {"a0", "a1", "a2", "a3", "a4", "a5"};

static bench_t *begin(void)
{
    static const char *const quiet[] = {"append", "publish", "reply", "durable", "read", "store", "log", ">", NULL};
    bench_t *b = bench_new(1);
    cccc_str_t list = CCCC_STR("");
    bench_quiet(b, quiet);
    for (int i = 0; i < ACTORS; i++)
        list = cccc_arena_printf(bench_arena(b), "%.*s%s{'id':'%s','enabled':true,'runner':'headless','runtime':'custom'}",
                                 CCCC_STR_FMT(list), i ? "," : "", ids[i]);
    bench_group(b, TEAM, "A",
                cccc_arena_printf(bench_arena(b),
                                  "{'v':1,'group_id':'" TEAM "','running':true,'state':'active','actors':[%.*s],'ledger_seq':0}",
                                  CCCC_STR_FMT(list))
                    .ptr);
    bench_settle(b);
    return b;
}

static void end(bench_t **b)
{
    bench_settle(*b);
    assert_fold_is_live(*b, TEAM);
    bench_free(b);
}

/* The reply to a question; `wait` seconds are spent waiting, 0: none. */
static const cccc_value_t *ask(bench_t *b, const char *by, const char *to, int wait)
{
    const char *more = wait ? cccc_arena_printf(bench_arena(b), ",'wait_seconds':%d", wait).ptr : "";
    return bench_ask(b, "send", "{'group_id':'" TEAM "','by':'%s','to':['%s'],'text':'Ready?','reply_required':true%s}", by, to, more);
}

static const cccc_value_t *waits(bench_t *b)
{
    return bench_do(b, "waits", "{'group_id':'" TEAM "'}");
}

static bool renew(bench_t *b, const char *by, const char *id, int seconds)
{
    const cccc_value_t *result =
        bench_do(b, "wait_renew", "{'group_id':'" TEAM "','by':'%s','event_id':'%s','seconds':%d}", by, id, seconds);
    return cccc_get_bool(result, "waits", false);
}

/* Who says that it waits no more, or has not said so for as long as it meant to, may be asked by who waits; who says it again, may not. After a restart counts what is written. */
static void waiting_lasts_as_long_as_it_is_said(void **state)
{
    (void)state;
    bench_t *b = begin();
    const char *id = bench_str_at(b, ask(b, "a0", "a1", 20), "result.event.id");
    bench_pass(b, 15);
    assert_true(renew(b, "a0", id, 20));
    bench_pass(b, 15);
    assert_string_equal(bench_code(ask(b, "a1", "a0", 20)), "would_deadlock");
    bench_pass(b, 6); /* killed: nobody renews it */
    assert_string_equal(bench_code(ask(b, "a1", "a0", 20)), "ok");
    assert_true(renew(b, "a0", id, 20));
    assert_false(renew(b, "a0", id, 0)); /* interrupted */
    const char *other = bench_str_at(b, ask(b, "a2", "a3", 0), "result.event.id");
    assert_false(renew(b, "user", other, 20)); /* which is not waited for */
    id = bench_str_at(b, ask(b, "a4", "a5", 600), "result.event.id");
    assert_false(renew(b, "user", id, 0));
    bench_restart(b);
    bench_settle(b);
    assert_string_equal(bench_code(ask(b, "a5", "a4", 20)), "would_deadlock");
    assert_string_equal(bench_code(bench_ask(b, "wait_renew", "{'group_id':'" TEAM "','by':'a5','event_id':'%s','seconds':0}", id)),
                        "permission_denied");
    assert_false(renew(b, "a4", id, 0));
    assert_string_equal(bench_code(ask(b, "a5", "a4", 20)), "ok");
    end(&b);
}

/* Three that each do nothing but wait for the next: the one that would close the circle is refused, and nothing is stored. */
static void deadlock_is_refused(void **state)
{
    (void)state;
    bench_t *b = begin();
    assert_string_equal(bench_code(ask(b, "a0", "a1", 600)), "ok");
    assert_string_equal(bench_code(ask(b, "a1", "a2", 600)), "ok");
    uint64_t before = bench_durable(b, TEAM);
    const cccc_value_t *refused = ask(b, "a2", "a0", 600);
    assert_string_equal(bench_code(refused), "would_deadlock");
    assert_json(b, bench_at(refused, "error.details.cycle"), "['a2','a0','a1','a2']");
    assert_int_equal(bench_durable(b, TEAM), before);
    assert_json(b, bench_at(waits(b), "cycles"), "[]");
    end(&b);
}

/* A circle in which somebody goes on meanwhile is told, and taken. */
static void other_circles_are_told(void **state)
{
    (void)state;
    bench_t *b = begin();
    ask(b, "a0", "a1", 600);
    const cccc_value_t *reply = ask(b, "a1", "a0", 0);
    assert_string_equal(bench_code(reply), "ok");
    assert_json(b, bench_at(reply, "result.cycle"), "['a1','a0','a1']");
    assert_json(b, bench_at(waits(b), "cycles"), "[{'actors':['a0','a1','a0'],'blocked':false,'others':false}]");
    assert_int_equal(cccc_get(waits(b), "edges")->via.array.size, 2);
    end(&b);
}

/* Who gave up waiting is not waiting any more; who was answered neither, even before the answer is durable. */
static void waiting_ends(void **state)
{
    (void)state;
    bench_t *b = begin();
    ask(b, "a0", "a1", 60);
    bench_pass(b, 70);
    bench_settle(b);
    assert_string_equal(bench_code(ask(b, "a1", "a0", 60)), "ok");
    const char *asked = bench_str_at(b, ask(b, "a2", "a3", 60), "result.event.id");
    bench_request(b, 7, "reply", "{'group_id':'" TEAM "','by':'a3','reply_to':'%s','text':'yes'}", asked);
    while (bench_finish_read(b))
        ;
    bench_request(b, 8, "send", "{'group_id':'" TEAM "','by':'a3','to':['a2'],'text':'And?','reply_required':true,'wait_seconds':60}");
    bench_settle(b);
    const cccc_value_t *reply = bench_reply(b, 8);
    assert_string_equal(bench_code(reply), "ok");
    assert_null(bench_at(reply, "result.cycle"));
    end(&b);
}

/* Who was interrupted while it waited, and goes on, blocks nobody any more, whatever it is that it writes, durable or not; the reply is still owed. */
static void who_goes_on_does_not_wait(void **state)
{
    (void)state;
    static const char *const ops[][2] = {
        {"send", "{'group_id':'" TEAM "','by':'a0','to':['a2'],'text':'On with it'}"},
        {"send", "{'group_id':'" TEAM "','by':'a0','to':['a2'],'text':'You, then','reply_required':true,'wait_seconds':600}"},
        {"inbox_mark_all_read", "{'group_id':'" TEAM "','actor_id':'a0','by':'a0'}"},
    };
    for (size_t i = 0; i < 2 * (sizeof ops / sizeof *ops); i++) {
        bench_t *b = begin();
        bench_do(b, "send", "{'group_id':'" TEAM "','by':'a1','to':['a0'],'text':'Hello'}");
        ask(b, "a0", "a1", 600);
        assert_string_equal(bench_code(ask(b, "a1", "a0", 600)), "would_deadlock");
        bench_request(b, 1, ops[i / 2][0], "%s", ops[i / 2][1]);
        while (bench_finish_read(b))
            ;
        if (i % 2)
            bench_settle(b);
        const cccc_value_t *reply = ask(b, "a1", "a0", 600);
        assert_string_equal(bench_code(reply), "ok");
        assert_json(b, bench_at(reply, "result.cycle"), "['a1','a0','a1']");
        assert_json(b, bench_at(waits(b), "edges.0.waits_until"), "null");
        assert_json(b, bench_at(waits(b), "cycles"), "[{'actors':['a0','a1','a0'],'blocked':false,'others':false}]");
        end(&b);
    }
}

/* Two asks on their way to the disk at once: the second one sees the first. */
static void pending_asks_count(void **state)
{
    (void)state;
    bench_t *b = begin();
    static const char asks[] = "{'group_id':'" TEAM "','by':'%s','to':['%s'],'text':'?','reply_required':true,'wait_seconds':60}";
    const char *one = cccc_arena_printf(bench_arena(b), asks, "a0", "a1").ptr,
               *two = cccc_arena_printf(bench_arena(b), asks, "a1", "a0").ptr;
    bench_request(b, 1, "send", "%s", one);
    bench_request(b, 2, "send", "%s", two);
    bench_settle(b);
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    assert_string_equal(bench_code(bench_reply(b, 2)), "would_deadlock");
    end(&b);
}

/* A person is in no circle. Waiting without asking for a reply is a mistake. */
static void user_can_do_two_things(void **state)
{
    (void)state;
    bench_t *b = begin();
    ask(b, "user", "a0", 600);
    const cccc_value_t *reply = ask(b, "a0", "user", 600);
    assert_string_equal(bench_code(reply), "ok");
    assert_null(bench_at(reply, "result.cycle"));
    assert_json(b, bench_at(waits(b), "cycles"), "[]");
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'" TEAM "','text':'t','to':['a0'],'wait_seconds':5}")),
                        "invalid_request");
    end(&b);
}

/* ---- random graphs ---- */

static uint64_t random_state;

static uint64_t roll(uint64_t sides)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % sides;
}

/* Who asked whom something that is open; blocked: and does nothing else. */
struct graph {
    bool edge[ACTORS][ACTORS], blocked[ACTORS][ACTORS];
};

static bool reaches(bool edge[ACTORS][ACTORS], int from, int to, unsigned seen)
{
    for (int i = 0; i < ACTORS; i++)
        if (edge[from][i] && (i == to || (!(seen >> i & 1) && reaches(edge, i, to, seen | 1u << i))))
            return true;
    return false;
}

static int index_of(cccc_str_t id)
{
    int i = 0;
    while (i < ACTORS && !cccc_str_is(id, ids[i]))
        i++;
    assert_true(i < ACTORS);
    return i;
}

static int nth(const cccc_value_t *names, uint32_t i)
{
    cccc_str_t id = CCCC_STR("");
    cccc_as_str(&names->via.array.ptr[i], &id);
    return index_of(id);
}

/* Is it a way along these edges that ends where it began? */
static void check_circle(const cccc_value_t *names, bool edge[ACTORS][ACTORS])
{
    uint32_t n = names->via.array.size;
    assert_true(n >= 3 && nth(names, 0) == nth(names, n - 1));
    for (uint32_t i = 0; i + 1 < n; i++)
        assert_true(edge[nth(names, i)][nth(names, i + 1)]);
}

/* Is there an edge on some circle of this one's knot that is none of its own? */
static bool has_others(const cccc_value_t *names, struct graph *g)
{
    int first = nth(names, 0);
    for (int from = 0; from < ACTORS; from++)
        for (int to = 0; to < ACTORS; to++) {
            bool listed = false;
            for (uint32_t i = 0; i + 1 < names->via.array.size; i++)
                listed |= nth(names, i) == from && nth(names, i + 1) == to;
            if (g->edge[from][to] && !listed && reaches(g->edge, to, from, 0) && reaches(g->edge, first, from, 0) &&
                reaches(g->edge, from, first, 0))
                return true;
        }
    return false;
}

/* One circle of each knot, a blocked one where there is one, and no other; whether the knot has others is told. */
static void check_circles(bench_t *b, struct graph *g)
{
    const cccc_value_t *cycles = cccc_get(waits(b), "cycles");
    bool told[ACTORS] = {false};
    for (uint32_t i = 0; i < cycles->via.array.size; i++) {
        const cccc_value_t *names = cccc_get(&cycles->via.array.ptr[i], "actors");
        bool blocked = cccc_get_bool(&cycles->via.array.ptr[i], "blocked", false);
        check_circle(names, blocked ? g->blocked : g->edge);
        assert_int_equal(cccc_get_bool(&cycles->via.array.ptr[i], "others", false), has_others(names, g));
        int first = nth(names, 0);
        for (int j = 0; j < ACTORS; j++) {
            bool knot = reaches(g->edge, first, j, 0) && reaches(g->edge, j, first, 0);
            assert_false(knot && told[j]);
            told[j] |= knot;
            assert_false(knot && !blocked && reaches(g->blocked, j, j, 0));
        }
    }
    for (int i = 0; i < ACTORS; i++)
        assert_int_equal(told[i], reaches(g->edge, i, i, 0));
}

/* A question: what it is told is what a search by brute force says. */
static void ask_and_check(bench_t *b, struct graph *g, int by, int to, bool wait)
{
    const cccc_value_t *reply = ask(b, ids[by], ids[to], wait ? 100000 : 0);
    bool deadlock = wait && reaches(g->blocked, to, by, 0), circle = reaches(g->edge, to, by, 0);
    if (strcmp(bench_code(reply), "ok") != 0) {
        assert_string_equal(bench_code(reply), "would_deadlock");
        assert_true(deadlock);
        g->blocked[by][to] = true; /* as it would be */
        check_circle(bench_at(reply, "error.details.cycle"), g->blocked);
        g->blocked[by][to] = false;
        return;
    }
    assert_false(deadlock);
    g->edge[by][to] = true;
    memset(g->blocked[by], 0, sizeof g->blocked[by]); /* what it asked before does not block it any more */
    g->blocked[by][to] = wait;
    assert_int_equal(bench_at(reply, "result.cycle") != NULL, circle);
    if (circle)
        check_circle(bench_at(reply, "result.cycle"), g->edge);
}

static void circles_are_found_as_by_brute_force(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + histories; seed++) {
        struct graph g = {0};
        random_state = seed;
        bench_t *b = begin();
        for (uint64_t n = 3 + roll(15); n > 0; n--) {
            int by = (int)roll(ACTORS), to = (int)roll(ACTORS);
            if (by != to && !g.edge[by][to])
                ask_and_check(b, &g, by, to, roll(2));
        }
        check_circles(b, &g);
        end(&b);
    }
    printf("graphs from seed %llu on: %llu\n", (unsigned long long)first_seed, (unsigned long long)histories);
}

int main(int argc, char **argv)
{
    team_options(argc, argv, (const char *const[]){"seed", "histories", NULL}, (uint64_t *const[]){&first_seed, &histories});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlock_is_refused),       cmocka_unit_test(waiting_lasts_as_long_as_it_is_said),
        cmocka_unit_test(other_circles_are_told),    cmocka_unit_test(waiting_ends),
        cmocka_unit_test(pending_asks_count),        cmocka_unit_test(user_can_do_two_things),
        cmocka_unit_test(who_goes_on_does_not_wait), cmocka_unit_test(circles_are_found_as_by_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
