/* test_guards.c - budgets of what agents cause to be typed, and pairs that are held: what is typed, announced, kept back and released.
 *
 * `test_core_guards --seed N [--histories N]` repeats or extends the random histories. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t first_seed = 1, histories = 40;

/* Four in terminals, one program of its own. */
#define ACTOR(id) "{'id':'" id "','enabled':true,'runner':'pty','runtime':'custom','command':['cat']}"
static const char document[] =
    "{'v':1,'group_id':'" TEAM "','title':'Crew','running':false,'state':'active','active_scope_key':'s_aaaaaaaaaaaa',"
    "'scopes':[{'scope_key':'s_aaaaaaaaaaaa','url':'/src/app','label':'app','git_remote':''}],"
    "'actors':[" ACTOR("ann") "," ACTOR("bob") "," ACTOR("cleo") "," ACTOR(
        "dave") ",{'id':'bus','enabled':true,'runner':'headless','runtime':'custom'}],'ledger_seq':0}";

static bench_t *begin(const char *settings)
{
    static const char *const quiet[] = {"append", "publish", "reply", "durable", "read", "store", "log", ">", NULL};
    bench_t *b = bench_new(1);
    bench_quiet(b, quiet);
    bench_group(b, TEAM, "A", document);
    bench_settle(b);
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{%s}}", settings);
    return b;
}

static void end(bench_t **b)
{
    bench_settle(*b);
    assert_fold_is_live(*b, TEAM);
    bench_free(b);
}

#define SMALL "'guard_pair_max':3,'guard_hold_after':2,'guard_window_seconds':60"

static const char *say(bench_t *b, const char *by, const char *to)
{
    return bench_str_at(b, bench_do(b, "send", "{'group_id':'" TEAM "','by':'%s','text':'t','to':['%s']}", by, to), "event.id");
}

/* What was decided for the messages between the two, in order: "typed typed inbox". */
static const char *verdicts(bench_t *b, const char *one, const char *other)
{
    cccc_str_t text = CCCC_STR("");
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++) {
        const cccc_value_t *guard = cccc_get(&event.data, "guard");
        cccc_str_t verdict = cccc_str_is(event.by, one)     ? cccc_get_str(guard, other)
                             : cccc_str_is(event.by, other) ? cccc_get_str(guard, one)
                                                            : CCCC_STR("");
        if (verdict.len > 0)
            text = cccc_arena_printf(bench_arena(b), "%.*s%s%.*s", CCCC_STR_FMT(text), text.len ? " " : "", CCCC_STR_FMT(verdict));
    }
    return text.len ? text.ptr : "-";
}

static uint32_t holds_announced(bench_t *b)
{
    struct cccc_event event;
    uint32_t count = 0;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++)
        count += cccc_str_is(event.kind, "system.notify") && cccc_get(cccc_get(&event.data, "context"), "hold") != NULL;
    return count;
}

static const cccc_value_t *holds(bench_t *b)
{
    return bench_at(bench_do(b, "holds_list", "{'group_id':'" TEAM "'}"), "holds");
}

/* ---- one story each ---- */

/* Two that answer each other for ever: typed, then in the inbox, then held, with one notice; another pair goes on, and so does who is no terminal. */
static void a_storm_is_held_and_told_once(void **state)
{
    (void)state;
    bench_t *b = begin(SMALL);
    for (int i = 0; i < 5; i++) {
        say(b, "ann", "bob");
        say(b, "bob", "ann");
    }
    assert_string_equal(verdicts(b, "ann", "bob"), "typed typed typed inbox inbox held held held held held");
    assert_int_equal(holds_announced(b), 1);
    say(b, "cleo", "dave");
    say(b, "dave", "cleo");
    assert_string_equal(verdicts(b, "cleo", "dave"), "typed typed");
    for (int i = 0; i < 10; i++)
        say(b, "ann", "bus");
    assert_string_equal(verdicts(b, "ann", "bus"), "-");
    assert_json(b, bench_at(holds(b), "0.between"), "['ann','bob']");
    assert_int_equal(bench_uint_at(holds(b), "0.messages"), 5);
    assert_string_equal(bench_str_at(b, holds(b), "0.state"), "held");
    assert_json(b, bench_at(bench_do(b, "status", "{'group_id':'" TEAM "'}"), "group.holds"), bench_text(b, holds(b)));
    end(&b);
}

/* Held is neither unread nor owed; the answer and why say so, and name the command that helps. */
static void what_is_held_is_kept_back(void **state)
{
    (void)state;
    bench_t *b = begin(SMALL);
    for (int i = 0; i < 5; i++)
        say(b, "ann", "bob");
    const cccc_value_t *result =
        bench_do(b, "send", "{'group_id':'" TEAM "','by':'ann','text':'t','to':['bob','cleo'],'reply_required':true}");
    const char *event = bench_str_at(b, result, "event.id");
    assert_json(b, bench_at(result, "event.data.audience"), "['cleo']");
    assert_string_equal(bench_str_at(b, result, "recipients.1.will"), "held");
    assert_string_equal(inbox_seqs(b, TEAM, "bob", "chat"), "2 3 4 5 6");
    assert_json(b, bench_at(bench_do(b, "obligations_list", "{'group_id':'" TEAM "'}"), "obligations.0.actor_id"), "'cleo'");
    result = bench_do(b, "why", "{'group_id':'" TEAM "','event_id':'%s','actor_id':'bob'}", event);
    assert_string_equal(bench_str_at(b, result, "recipients.0.state"), "held");
    assert_string_equal(bench_str_at(b, result, "recipients.0.next"), "cccc release ann bob --group " TEAM);
    end(&b);
}

static void release(bench_t *b, const char *one, const char *other, const char *more)
{
    bench_do(b, "hold_release", "{'group_id':'" TEAM "','between':['%s','%s']%s}", one, other, more);
    for (int i = 0; i < 3; i++) {
        bench_pass(b, 1);
        bench_settle(b);
    }
}

/* A release hands on what was held, oldest first, as copies that name their original; the budget begins anew, and a reply to a copy begins a new chain. */
static void release_hands_on_what_was_held(void **state)
{
    (void)state;
    bench_t *b = begin(SMALL);
    for (int i = 0; i < 7; i++)
        say(b, "ann", "bob");
    const char *asked = bench_str_at(
        b, bench_do(b, "send", "{'group_id':'" TEAM "','by':'ann','text':'Ready?','to':['bob'],'reply_required':true}"), "event.id");
    release(b, "bob", "ann", "");
    assert_string_equal(verdicts(b, "ann", "bob"), "typed typed typed inbox inbox held held held typed typed typed");
    assert_string_equal(inbox_seqs(b, TEAM, "bob", "chat"), "2 3 4 5 6 12 13 14");
    struct cccc_event copy;
    assert_true(bench_event(b, TEAM, 14, &copy));
    assert_true(cccc_str_is(cccc_get_str(&copy.data, "released_from"), asked));
    assert_true(cccc_str_is(copy.by, "ann"));
    assert_int_equal(bench_uint_at(bench_do(b, "obligations_list", "{'group_id':'" TEAM "'}"), "obligations.0.seq"), 14);
    assert_int_equal(holds(b)->via.array.size, 0);
    const cccc_value_t *why = bench_do(b, "why", "{'group_id':'" TEAM "','event_id':'%s'}", asked);
    assert_string_equal(bench_str_at(b, why, "recipients.0.state"), "released");
    assert_string_equal(bench_code(bench_ask(b, "hold_release", "{'group_id':'" TEAM "','between':['ann','bob']}")), "not_found");
    end(&b);
}

/* Dropped, it stays in the ledger only. Nobody but the user releases. */
static void release_may_drop(void **state)
{
    (void)state;
    bench_t *b = begin(SMALL);
    for (int i = 0; i < 7; i++)
        say(b, "ann", "bob");
    assert_string_equal(bench_code(bench_ask(b, "hold_release", "{'group_id':'" TEAM "','between':['ann','bob'],'by':'cleo'}")),
                        "permission_denied");
    release(b, "ann", "bob", ",'drop':true");
    assert_string_equal(inbox_seqs(b, TEAM, "bob", "chat"), "2 3 4 5 6");
    say(b, "bob", "ann");
    assert_string_equal(verdicts(b, "ann", "bob"), "typed typed typed inbox inbox held held typed");
    end(&b);
}

/* A restart between a release and the copies, or within a storm, changes nothing: nothing is handed on twice, and the hold is announced once. */
static void restarts_change_nothing(void **state)
{
    (void)state;
    bench_t *b = begin(SMALL);
    for (int i = 0; i < 9; i++) {
        say(b, "ann", "bob");
        bench_restart(b);
        bench_settle(b);
    }
    assert_string_equal(verdicts(b, "ann", "bob"), "typed typed typed inbox inbox held held held held");
    assert_int_equal(holds_announced(b), 1);
    bench_do(b, "hold_release", "{'group_id':'" TEAM "','between':['ann','bob']}");
    bench_restart(b);
    bench_settle(b);
    bench_pass(b, 1);
    while (bench_finish_read(b))
        ;
    bench_sync(b, TEAM, 2); /* two of the copies become durable, the others are lost */
    bench_restart(b);
    bench_settle(b);
    for (int i = 0; i < 9; i++) {
        bench_pass(b, 1);
        bench_settle(b);
    }
    assert_string_equal(verdicts(b, "ann", "bob"), "typed typed typed inbox inbox held held held held typed typed typed inbox");
    end(&b);
}

/* When the window has passed, messages are typed again, one for each that left it. */
static void budget_comes_back_with_time(void **state)
{
    (void)state;
    bench_t *b = begin(SMALL);
    for (int i = 0; i < 4; i++)
        say(b, "ann", "bob");
    bench_pass(b, 70);
    bench_settle(b);
    say(b, "bob", "ann");
    assert_string_equal(verdicts(b, "ann", "bob"), "typed typed typed inbox typed");
    end(&b);
}

/* A chain without a person in it is over its budget at the same depth, whoever is in it; the user's word begins a new one. */
static void long_chain_is_not_typed(void **state)
{
    (void)state;
    bench_t *b = begin("'guard_chain_max':3,'guard_hold_after':0");
    const char *last = say(b, "user", "ann");
    static const char *const turns[] = {"ann", "bob", "cleo", "dave", "ann"};
    for (int i = 0; i < 5; i++)
        last = bench_str_at(b,
                            bench_do(b, "send", "{'group_id':'" TEAM "','by':'%s','text':'t','to':['%s'],'cause':'%s'}", turns[i],
                                     turns[(i + 1) % 4], last),
                            "event.id");
    assert_string_equal(verdicts(b, "ann", "bob"), "typed inbox");
    assert_string_equal(verdicts(b, "dave", "ann"), "inbox");
    last = bench_str_at(b, bench_do(b, "send", "{'group_id':'" TEAM "','text':'t','to':['bob'],'cause':'%s'}", last), "event.id");
    bench_do(b, "send", "{'group_id':'" TEAM "','by':'bob','text':'t','to':['ann'],'cause':'%s'}", last);
    assert_string_equal(verdicts(b, "ann", "bob"), "typed inbox typed");
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'" TEAM "','text':'t','cause':'nope'}")), "event_not_found");
    end(&b);
}

/* So many are held of a pair, then its messages are refused; others are not. */
static void held_messages_are_bounded(void **state)
{
    (void)state;
    bench_t *b = begin("'guard_pair_max':1,'guard_hold_after':1");
    for (int i = 0; i < 2 + CCCC_GUARD_HELD_MAX; i++)
        say(b, "ann", "bob");
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'" TEAM "','by':'bob','text':'t','to':['ann','cleo']}")),
                        "storm_held");
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'" TEAM "','by':'bob','text':'t','to':['cleo']}")), "ok");
    end(&b);
}

/* Who leaves takes its holds along; a recall takes a message out of one. */
static void leaving_and_recalling_end_what_is_held(void **state)
{
    (void)state;
    bench_t *b = begin("'guard_pair_max':1,'guard_hold_after':1");
    const char *last = NULL;
    for (int i = 0; i < 4; i++)
        last = say(b, "ann", "bob");
    bench_do(b, "recall", "{'group_id':'" TEAM "','event_id':'%s'}", last);
    assert_int_equal(bench_uint_at(holds(b), "0.messages"), 1);
    bench_do(b, "actor_remove", "{'group_id':'" TEAM "','actor_id':'bob'}");
    assert_int_equal(holds(b)->via.array.size, 0);
    end(&b);
}

/* What is decided to be withdrawn is not handed on, also when that is not durable yet. */
static void what_is_about_to_be_recalled_is_not_handed_on(void **state)
{
    (void)state;
    bench_t *b = begin("'guard_pair_max':1,'guard_hold_after':1");
    const char *last = NULL;
    for (int i = 0; i < 4; i++)
        last = say(b, "ann", "bob");
    bench_do(b, "hold_release", "{'group_id':'" TEAM "','between':['ann','bob']}");
    bench_request(b, 1, "recall", "{'group_id':'" TEAM "','event_id':'%s'}", last);
    while (bench_finish_read(b))
        ;
    assert_null(bench_reply(b, 1));
    bench_pass(b, 1); /* now the others are handed on */
    while (bench_finish_read(b))
        ;
    bench_settle(b);
    assert_json(b, bench_at(bench_reply(b, 1), "result.recalled"), "['bob']");
    assert_string_equal(verdicts(b, "ann", "bob"), "typed inbox held held typed");
    assert_int_equal(holds(b)->via.array.size, 0);
    end(&b);
}

/* Who is decided to leave is held no more, also before that is durable: there is nothing to release, and who comes in its place begins anew. */
static void who_is_about_to_leave_is_not_held(void **state)
{
    (void)state;
    bench_t *b = begin("'guard_pair_max':1,'guard_hold_after':1");
    for (int i = 0; i < 3; i++)
        say(b, "ann", "bob");
    bench_request(b, 1, "actor_remove", "{'group_id':'" TEAM "','actor_id':'bob'}");
    bench_request(b, 2, "hold_release", "{'group_id':'" TEAM "','between':['ann','bob']}");
    assert_string_equal(bench_code(bench_reply(b, 2)), "not_found");
    bench_request(b, 3, "actor_add", "{'group_id':'" TEAM "','actor_id':'bob','runtime':'custom','runner':'pty','command':['cat']}");
    for (uint64_t i = 0; i < 2; i++)
        bench_request(b, 4 + i, "send", "{'group_id':'" TEAM "','by':'ann','text':'t','to':['bob']}");
    bench_sync(b, TEAM, 1); /* it has left */
    for (uint64_t i = 2; i < 4; i++)
        bench_request(b, 4 + i, "send", "{'group_id':'" TEAM "','by':'ann','text':'t','to':['bob']}");
    bench_settle(b);
    assert_string_equal(verdicts(b, "ann", "bob"), "typed inbox held typed inbox held held");
    assert_int_equal(holds_announced(b), 2);
    assert_int_equal(bench_uint_at(holds(b), "0.messages"), 2);
    end(&b);
}

/* A batch is judged item by item, with what is decided before it and not durable. */
static void what_is_pending_counts(void **state)
{
    (void)state;
    bench_t *b = begin(SMALL);
    static const char item[] = "{'text':'t','to':['bob']}";
    bench_do(b, "send_batch", "{'group_id':'" TEAM "','by':'ann','messages':[%s,%s,%s,%s,%s,%s,%s]}", item, item, item, item, item, item,
             item);
    assert_string_equal(verdicts(b, "ann", "bob"), "typed typed typed inbox inbox held held");
    assert_int_equal(holds_announced(b), 1);
    end(&b);
}

/* ---- random histories ---- */

struct world {
    bench_t *b;
    uint64_t random;
    uint64_t conn;
    uint32_t pair_max, group_max, window;
};

static uint64_t roll(struct world *w, uint64_t sides)
{
    uint64_t z = (w->random += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % sides;
}

static const char *const ids[] = {"ann", "bob", "cleo", "dave", "bus", "user"};

static void step(struct world *w)
{
    bench_t *b = w->b;
    const char *by = ids[roll(w, 6)], *to = ids[roll(w, 4)];
    switch (roll(w, 12)) {
    case 0:
        bench_pass(b, 1 + (uint32_t)roll(w, 20));
        break;
    case 1:
        bench_request(b, ++w->conn, "hold_release", "{'group_id':'" TEAM "','between':['%s','%s'],'drop':%s}", by, to,
                      roll(w, 3) ? "false" : "true");
        break;
    case 2:
        bench_restart(b);
        break;
    case 3:
        bench_fail(b, TEAM, CCCC_E_STORAGE, true, (uint32_t)roll(w, 3), true);
        bench_refold(b);
        break;
    case 4:
        bench_settle(b);
        break;
    case 5:
        bench_request(b, ++w->conn, "send", "{'group_id':'" TEAM "','by':'%s','text':'t','to':['@all']}", by);
        break;
    default:
        bench_request(b, ++w->conn, "send", "{'group_id':'" TEAM "','by':'%s','text':'t','to':['%s']}", by, to);
    }
}

static cccc_str_t text_of(const cccc_value_t *v)
{
    cccc_str_t s = CCCC_STR("");
    cccc_as_str(v, &s);
    return s;
}

struct two {
    cccc_str_t one, other;
};

static struct two two_of(const cccc_value_t *list)
{
    return (struct two){text_of(&list->via.array.ptr[0]), text_of(&list->via.array.ptr[1])};
}

static bool is_same(struct two a, struct two b)
{
    return (cccc_str_eq(a.one, b.one) && cccc_str_eq(a.other, b.other)) || (cccc_str_eq(a.one, b.other) && cccc_str_eq(a.other, b.one));
}

static struct typed {
    struct two pair;
    int64_t us;
} typed[4096];
static uint32_t typed_count;

/* One more copy was typed: no window that ends here holds more than its budget. */
static void check_typed(const struct world *w, struct typed now)
{
    uint32_t pair = 1, group = 1;
    for (uint32_t i = 0; i < typed_count; i++) {
        bool recent = now.us - typed[i].us < (int64_t)w->window * 1000000;
        pair += recent && is_same(typed[i].pair, now.pair);
        group += recent;
    }
    assert_true(pair <= w->pair_max);
    assert_true(group <= w->group_max);
    assert_true(typed_count < sizeof typed / sizeof *typed);
    typed[typed_count++] = now;
}

/* A pair that was released begins anew; the group still counts what it had typed. */
static void forget_pair(struct two pair)
{
    for (uint32_t i = 0; i < typed_count; i++)
        if (is_same(typed[i].pair, pair))
            typed[i].pair = (struct two){CCCC_STR(""), CCCC_STR("")};
}

static void check_budgets(struct world *w)
{
    struct cccc_event event;
    typed_count = 0;
    for (uint64_t seq = 1; bench_event(w->b, TEAM, seq, &event); seq++) {
        const cccc_value_t *guard = cccc_get(&event.data, "guard");
        int64_t us = 0;
        cccc_ts_parse(event.ts, &us);
        if (cccc_str_is(event.kind, "guard.release"))
            forget_pair(two_of(cccc_get(&event.data, "between")));
        for (uint32_t i = 0; cccc_is_map(guard) && i < guard->via.map.size; i++)
            if (cccc_str_is(text_of(&guard->via.map.ptr[i].val), "typed"))
                check_typed(w, (struct typed){{event.by, text_of(&guard->via.map.ptr[i].key)}, us});
    }
}

/* Between two holds of a pair there is a release: each hold is announced exactly once. */
static void check_hold(struct world *w, uint64_t seq, struct two pair)
{
    struct cccc_event later;
    while (bench_event(w->b, TEAM, ++seq, &later)) {
        const cccc_value_t *again = cccc_get(cccc_get(&later.data, "context"), "hold"), *between = cccc_get(&later.data, "between");
        if (cccc_is_array(again) && is_same(two_of(again), pair))
            fail_msg("event %llu announces a hold that was announced", (unsigned long long)seq);
        if (cccc_is_array(between) && is_same(two_of(between), pair))
            return;
    }
}

/* What is held is handed on to each at most once. */
static void check_copy(struct world *w, uint64_t seq, const struct cccc_event *copy)
{
    struct cccc_event later;
    cccc_str_t from = cccc_get_str(&copy->data, "released_from");
    while (from.len > 0 && bench_event(w->b, TEAM, ++seq, &later))
        if (cccc_str_eq(from, cccc_get_str(&later.data, "released_from")))
            assert_false(cccc_value_eq(cccc_get(&copy->data, "audience"), cccc_get(&later.data, "audience")));
}

static void check_holds(struct world *w)
{
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(w->b, TEAM, seq, &event); seq++) {
        const cccc_value_t *hold = cccc_get(cccc_get(&event.data, "context"), "hold");
        if (cccc_is_array(hold))
            check_hold(w, seq, two_of(hold));
        check_copy(w, seq, &event);
    }
}

/* Every message that was held and neither dropped nor is held still was handed on. */
static void check_released(struct world *w)
{
    for (int i = 0; i < 4; i++)
        for (int j = i + 1; j < 6; j++)
            bench_ask(w->b, "hold_release", "{'group_id':'" TEAM "','between':['%s','%s']}", ids[i], ids[j]);
    for (int i = 0; i < 60 && holds(w->b)->via.array.size > 0; i++) {
        bench_pass(w->b, 1);
        bench_settle(w->b);
    }
    assert_int_equal(holds(w->b)->via.array.size, 0);
}

static void histories_keep_budgets_and_announce_once(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + histories; seed++) {
        struct world w = {.random = seed, .conn = 100};
        w.pair_max = 1 + (uint32_t)roll(&w, 6);
        w.group_max = 4 + (uint32_t)roll(&w, 12);
        w.window = 10 + (uint32_t)roll(&w, 60);
        char settings[200];
        snprintf(settings, sizeof settings, "'guard_pair_max':%u,'guard_group_max':%u,'guard_window_seconds':%u,'guard_hold_after':%u",
                 w.pair_max, w.group_max, w.window, (unsigned)roll(&w, 4));
        printf("seed %llu\n", (unsigned long long)seed);
        w.b = begin(settings);
        for (int i = 0; i < 120; i++)
            step(&w);
        bench_settle(w.b);
        check_released(&w);
        check_budgets(&w);
        check_holds(&w);
        end(&w.b);
    }
}

int main(int argc, char **argv)
{
    team_options(argc, argv, (const char *const[]){"seed", "histories", NULL}, (uint64_t *const[]){&first_seed, &histories});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_storm_is_held_and_told_once),
        cmocka_unit_test(what_is_held_is_kept_back),
        cmocka_unit_test(release_hands_on_what_was_held),
        cmocka_unit_test(release_may_drop),
        cmocka_unit_test(restarts_change_nothing),
        cmocka_unit_test(budget_comes_back_with_time),
        cmocka_unit_test(long_chain_is_not_typed),
        cmocka_unit_test(held_messages_are_bounded),
        cmocka_unit_test(leaving_and_recalling_end_what_is_held),
        cmocka_unit_test(who_is_about_to_leave_is_not_held),
        cmocka_unit_test(what_is_about_to_be_recalled_is_not_handed_on),
        cmocka_unit_test(what_is_pending_counts),
        cmocka_unit_test(histories_keep_budgets_and_announce_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
