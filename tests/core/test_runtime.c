/* Actors as programs: starts, ends, back-off, waking, and what is typed into them when, with the holder's part played by the test. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a team in terminals, and what its holders say ---- */

/* `lead` and `dev` run in terminals, `off` would if it were not stopped, `bus` is a program of its own. */
static const char *crew(const char *running, const char *state)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "{'v':1,'group_id':'" TEAM "','title':'Crew','topic':'','created_at':'2026-01-01T00:00:00.000000Z',"
             "'updated_at':'2026-01-01T00:00:00.000000Z','running':%s,'state':'%s','active_scope_key':'s_aaaaaaaaaaaa',"
             "'scopes':[{'scope_key':'s_aaaaaaaaaaaa','url':'/src/app','label':'app','git_remote':''}],"
             "'actors':[{'id':'lead','enabled':true,'runner':'pty','runtime':'custom','command':['cat']},"
             "{'id':'dev','enabled':true,'runner':'pty','runtime':'claude','processes_max':50,'memory_mib_max':200},"
             "{'id':'off','enabled':false,'runner':'pty','runtime':'custom','command':['cat']},"
             "{'id':'bus','enabled':false,'runner':'headless','runtime':'custom'}],'ledger_seq':0}",
             running, state);
    return text;
}

static bench_t *crew_new(const char *running, const char *state)
{
    static const char *const quiet[] = {"publish", "log", "reply", "store group", "store registry", "read", NULL};
    bench_t *b = bench_new(1);
    bench_can_hold(b);
    bench_quiet(b, quiet);
    bench_group(b, TEAM, "A", crew(running, state));
    bench_settle(b);
    bench_trace(b);
    return b;
}

/* The fold of everything that happened gives the state everybody saw (I11). */
static void crew_end(bench_t **b)
{
    bench_settle(*b);
    assert_fold_is_live(*b, TEAM);
    bench_free(b);
}

static const char *id_of(bench_t *b, const char *actor, uint64_t generation)
{
    return cccc_arena_printf(bench_arena(b), "'group_id':'" TEAM "','actor_id':'%s','generation':%llu", actor,
                             (unsigned long long)generation)
        .ptr;
}

static void hello(bench_t *b, const char *actor)
{
    uint64_t generation = bench_generation(b, TEAM, actor);
    bench_as_holder(b, TEAM, actor);
    bench_do(b, "hold_register", "{%s,'pid':77,'socket':'/s'}", id_of(b, actor, generation));
    bench_as_operator(b);
}

/* A hold_wait of the actor's holder with these reports; NULL when it is parked, else the orders. Orders that its earlier, parked wait was answered with
 * meanwhile count too. */
static const cccc_value_t *wait_for_orders(bench_t *b, const char *actor, const char *reports, int typed)
{
    static uint64_t conn = 5000, parked[256];
    uint64_t *earlier = &parked[(unsigned char)actor[0]];
    bench_as_holder(b, TEAM, actor);
    bench_request(b, ++conn, "hold_wait", "{%s,'reports':[%s],'facts':{'ready':true,'idle_ms':5,'typed':%d}}",
                  id_of(b, actor, bench_generation(b, TEAM, actor)), reports, typed);
    bench_as_operator(b);
    bench_settle(b);
    const cccc_value_t *before = bench_at(bench_reply(b, *earlier), "result.orders"),
                       *now = bench_at(bench_reply(b, conn), "result.orders");
    *earlier = conn;
    return before && before->via.array.size > 0 ? before : now;
}

/* The same, which must bring one order to type; its id. */
static const char *typing_order(bench_t *b, const char *actor, const char *reports, int typed)
{
    const cccc_value_t *orders = wait_for_orders(b, actor, reports, typed);
    if (!orders || orders->via.array.size != 1 || strcmp(bench_str_at(b, orders, "0.order"), "type") != 0)
        fail_msg("expected one order to type: %s", bench_text(b, orders));
    return bench_str_at(b, orders, "0.order_id");
}

static const char *report(bench_t *b, const char *order_id, const char *outcome)
{
    return cccc_arena_printf(bench_arena(b), "{'order_id':'%s','outcome':'%s'}", order_id, outcome).ptr;
}

/* Started, registered, its preamble typed: ready for messages. */
static void ready(bench_t *b, const char *actor)
{
    hello(b, actor);
    wait_for_orders(b, actor, "", 1);
}

static void exits(bench_t *b, const char *actor, const char *how)
{
    bench_as_holder(b, TEAM, actor);
    bench_do(b, "hold_wait", "{%s,'exited':%s}", id_of(b, actor, bench_generation(b, TEAM, actor)), how);
    bench_as_operator(b);
    bench_settle(b);
}

static const cccc_value_t *actor_row(bench_t *b, const char *actor)
{
    const cccc_value_t *rows = bench_at(bench_do(b, "actor_list", "{'group_id':'" TEAM "'}"), "actors");
    for (uint32_t i = 0; i < rows->via.array.size; i++)
        if (cccc_str_is(cccc_get_str(&rows->via.array.ptr[i], "id"), actor))
            return &rows->via.array.ptr[i];
    fail_msg("no actor %s", actor);
    return NULL;
}

static const char *state_of(bench_t *b, const char *actor)
{
    return bench_str_at(b, actor_row(b, actor), "runtime_state");
}

static void send_to(bench_t *b, const char *who, const char *text)
{
    bench_do(b, "send", "{'group_id':'" TEAM "','to':['%s'],'text':'%s'}", who, text);
}

/* How many events of the kind have data.`key` equal to `value`. */
static int count_events(bench_t *b, const char *kind, const char *key, const char *value)
{
    int n = 0;
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++)
        n += cccc_str_is(event.kind, kind) && cccc_str_is(cccc_get_str(&event.data, key), value);
    return n;
}

/* ---- starts ---- */

/* A group that ran before the daemon stopped runs again, without anybody asking; what was stopped on purpose does not, and neither does a group that was stopped. */
static void what_ran_before_is_started_at_boot(void **state)
{
    (void)state;
    bench_t *b = bench_new(1);
    bench_can_hold(b);
    bench_group(b, TEAM, "A", crew("true", "active"));
    bench_settle(b);
    hello(b, "lead");
    hello(b, "dev");
    assert_int_equal(count_events(b, "runtime.started", "why", "boot"), 2);
    assert_string_equal(state_of(b, "lead"), "running");
    assert_string_equal(state_of(b, "off"), "never started");
    crew_end(&b);
    b = crew_new("false", "active");
    bench_pass(b, 3);
    assert_trace(b, "");
    crew_end(&b);
}

/* A start: the wish is durable first, then a holder is started, then its word that the program runs is durable, and only then the caller is answered. */
static void a_start_is_answered_when_the_program_runs(void **state)
{
    (void)state;
    bench_t *b = crew_new("false", "active");
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    assert_trace(b, "> 1 actor_start\nappend A #1 actor.start by user\n");
    bench_settle(b);
    assert_null(bench_reply(b, 1));
    /* the group runs from now on, so dev does too */
    assert_trace(b, "durable A #1\nstore holder_start lead\n");
    bench_as_holder(b, TEAM, "lead");
    bench_request(b, 2, "hold_register", "{%s,'pid':77,'socket':'/s'}", id_of(b, "lead", bench_generation(b, TEAM, "lead")));
    assert_null(bench_reply(b, 1));
    assert_trace(b, "> 2 hold_register\nappend A #2 runtime.started by system\n");
    bench_settle(b);
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    bench_as_operator(b);
    crew_end(&b);
}

/* A holder that does not register in time is ended, and the start has failed with a reason. */
static void a_holder_that_says_nothing_is_ended(void **state)
{
    (void)state;
    bench_t *b = crew_new("false", "active");
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    bench_trace(b);
    bench_pass(b, 16);
    assert_non_null(strstr(bench_trace(b), "store holder_kill lead"));
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_code(reply), "actor_start_failed");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "did not register"));
    crew_end(&b);
}

/* Sockets and marks of holders are named by their generation: actors that start at the same instant have different ones, */
static void no_two_holders_have_the_same_generation(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    assert_int_not_equal(bench_generation(b, TEAM, "lead"), bench_generation(b, TEAM, "dev"));
    crew_end(&b);
}

/* An actor that was removed by hand while no daemon was there: its program is ended, and until it is no other gets its generation, whatever the clock says. */
static void a_holder_whose_actor_left_unseen_is_ended(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    ready(b, "dev");
    uint64_t generation = bench_generation(b, TEAM, "dev");
    char *alone = strdup(crew("true", "active"));
    char *dev = strstr(alone, "{'id':'dev'"), *off = strstr(alone, "{'id':'off'");
    memmove(dev, off, strlen(off) + 1);
    bench_hand(b, TEAM, alone);
    free(alone);
    bench_turn_clock(b, -1000);
    bench_restart(b);
    bench_settle(b);
    assert_non_null(strstr(bench_trace(b), "holder_kill"));
    bench_request(b, 9, "actor_add", "{'group_id':'" TEAM "','actor_id':'new','runtime':'custom','command':['cat']}");
    bench_settle(b);
    assert_true(bench_generation(b, TEAM, "new") > generation);
    bench_kill_holder(b, TEAM, "dev");
    bench_settle(b);
    assert_non_null(strstr(bench_trace(b), "holder_forget"));
    assert_int_equal(count_events(b, "runtime.exited", "actor_id", "dev"), 0);
    crew_end(&b);
}

/* The launch document says what the table of runtimes and the actor's entry say. */
static void a_launch_document_has_the_habits_of_the_runtime(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    cccc_value_t dev = bench_stored(b, CCCC_STORE_HOLDER_START);
    assert_string_equal(bench_str_at(b, &dev, "actor_id"), "dev");
    assert_true(bench_uint_at(&dev, "ready_ms") > 0);
    assert_true(bench_at(&dev, "dialogs")->via.array.size > 0);
    assert_true(bench_at(&dev, "questions")->via.array.size > 0);
    assert_int_equal(bench_uint_at(&dev, "scrollback_bytes"), CCCC_SCROLLBACK_BYTES);
    assert_int_equal(bench_uint_at(&dev, "processes_max"), 50);
    assert_int_equal(bench_uint_at(&dev, "memory_mib_max"), 200);
    crew_end(&b);
}

/* ---- only the holder speaks for it ---- */

static void nobody_else_may_say_what_a_holder_says(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    uint64_t generation = bench_generation(b, TEAM, "lead");
    const char *words = id_of(b, "lead", generation);
    assert_string_equal(bench_code(bench_ask(b, "hold_register", "{%s,'pid':1,'socket':'/x'}", words)), "permission_denied");
    bench_as_actor(b, TEAM, "lead");
    assert_string_equal(bench_code(bench_ask(b, "hold_register", "{%s,'pid':1,'socket':'/x'}", words)), "permission_denied");
    bench_as_holder(b, TEAM, "dev");
    assert_string_equal(bench_code(bench_ask(b, "hold_register", "{%s,'pid':1,'socket':'/x'}", words)), "permission_denied");
    bench_as_unknown(b);
    assert_string_equal(bench_code(bench_ask(b, "hold_wait", "{%s}", words)), "sender_unknown");
    bench_as_operator(b);
    assert_string_equal(state_of(b, "lead"), "starting");
    crew_end(&b);
}

/* A holder of a generation nobody wants any more is told to end what it holds. */
static void a_holder_of_a_removed_actor_is_superseded(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    hello(b, "lead");
    uint64_t generation = bench_generation(b, TEAM, "lead");
    bench_request(b, 1, "actor_remove", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    bench_as_holder(b, TEAM, "lead");
    bench_do(b, "hold_wait", "{%s,'exited':{'code':0,'asked':true}}", id_of(b, "lead", generation));
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    const cccc_value_t *again = bench_ask(b, "hold_register", "{%s,'pid':1,'socket':'/x'}", id_of(b, "lead", generation));
    assert_string_equal(bench_code(again), "superseded");
    bench_as_operator(b);
    crew_end(&b);
}

/* An actor that is removed and added again under the same id, while its program still lives, begins anew: nothing of the first one is typed into the second, and the
 * first one's program ends. */
static void an_actor_added_again_begins_anew(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    send_to(b, "lead", "to the first");
    const char *order = typing_order(b, "lead", "", 1);
    uint64_t first = bench_generation(b, TEAM, "lead");
    bench_request(b, 1, "actor_remove", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_sync(b, NULL, 100);
    bench_request(b, 2, "actor_add", "{'group_id':'" TEAM "','actor_id':'lead','runtime':'custom','command':['cat']}");
    bench_settle(b);
    assert_fold_is_live(b, TEAM);
    const cccc_value_t *orders = wait_for_orders(b, "lead", report(b, order, "accepted"), 2);
    assert_string_equal(bench_str_at(b, orders, "0.order"), "stop");
    exits(b, "lead", "{'signal':15,'asked':true}");
    assert_int_not_equal(bench_generation(b, TEAM, "lead"), first);
    hello(b, "lead");
    assert_null(wait_for_orders(b, "lead", "", 0));
    assert_int_equal(bench_uint_at(actor_row(b, "lead"), "queued"), 0);
    crew_end(&b);
}

/* ---- delivery ---- */

/* The claim is durable before the holder hears of it; the report is durable before it counts; the preamble goes first. */
static void a_claim_is_durable_before_it_is_told(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    hello(b, "lead");
    bench_trace(b);
    send_to(b, "lead", "hello");
    const char *preamble = typing_order(b, "lead", "", 0);
    assert_int_equal(preamble[0], 'p');
    assert_int_not_equal(typing_order(b, "lead", report(b, preamble, "accepted"), 1)[0], 'p');
    bench_trace(b);
    bench_free(&b);

    b = crew_new("true", "active");
    ready(b, "lead");
    bench_as_holder(b, TEAM, "lead");
    bench_request(b, 6000, "hold_wait", "{%s,'facts':{'ready':true,'typed':1}}", id_of(b, "lead", bench_generation(b, TEAM, "lead")));
    bench_as_operator(b);
    bench_settle(b);
    send_to(b, "lead", "hello");
    bench_trace(b);
    bench_pass(b, 1);
    assert_true(bench_finish_read(b));
    assert_trace(b, "append A #3 runtime.delivery by system\n");
    assert_null(bench_reply(b, 6000));
    bench_settle(b);
    const cccc_value_t *told = bench_reply(b, 6000);
    assert_non_null(told);
    struct cccc_event claim;
    assert_true(bench_event(b, TEAM, 3, &claim));
    assert_true(cccc_str_is(claim.id, bench_str_at(b, told, "result.orders.0.order_id")));
    assert_string_equal(bench_str_at(b, actor_row(b, "lead"), "delivery.state"), "claimed");
    wait_for_orders(b, "lead", report(b, bench_str_at(b, told, "result.orders.0.order_id"), "accepted"), 2);
    assert_string_equal(bench_str_at(b, actor_row(b, "lead"), "delivery.state"), "accepted");
    assert_int_equal(bench_uint_at(actor_row(b, "lead"), "queued"), 0);
    crew_end(&b);
}

/* What a report says decides what comes next: accepted and ambiguous are never typed again by themselves, failed is after a while, longer each time. */
static void outcomes_decide_what_comes_next(void **state)
{
    (void)state;
    static const struct {
        const char *outcome;
        int again_after; /* seconds; 0: never */
    } cases[] = {{"accepted", 0}, {"ambiguous", 0}, {"what is this", 0}, {"failed", 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_t *b = crew_new("true", "active");
        ready(b, "lead");
        send_to(b, "lead", "hello");
        const char *first = typing_order(b, "lead", "", 1);
        assert_null(wait_for_orders(b, "lead", report(b, first, cases[i].outcome), 1));
        for (int second = 1; second <= 200; second++) {
            bench_pass(b, 1);
            bench_settle(b);
            if (count_events(b, "runtime.delivery", "state", "claimed") == 2) {
                assert_in_range(second, cases[i].again_after, cases[i].again_after + 2);
                break;
            }
        }
        assert_int_equal(count_events(b, "runtime.delivery", "state", "claimed"), cases[i].again_after ? 2 : 1);
        crew_end(&b);
    }
}

/* An outcome that came while the ledger took no events is asked for again, by the same order, which the holder does not carry out twice. */
static void an_outcome_that_could_not_be_recorded_is_asked_for_again(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    send_to(b, "lead", "hello");
    const char *first = typing_order(b, "lead", "", 1);
    bench_reopen(b, TEAM, NULL, "the disk is full");
    wait_for_orders(b, "lead", report(b, first, "accepted"), 2);
    assert_string_equal(bench_str_at(b, actor_row(b, "lead"), "delivery.state"), "claimed");
    bench_reopen(b, TEAM, NULL, NULL);
    bench_pass(b, 6);
    bench_settle(b);
    assert_string_equal(typing_order(b, "lead", "", 2), first);
    wait_for_orders(b, "lead", report(b, first, "accepted"), 2);
    assert_string_equal(bench_str_at(b, actor_row(b, "lead"), "delivery.state"), "accepted");
    assert_int_equal(count_events(b, "runtime.delivery", "state", "claimed"), 1);
    crew_end(&b);
}

/* What keeps a holder from typing is shown as long as something waits for it, also when it is the preamble that it did not type. */
static void what_keeps_a_holder_from_typing_is_shown(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    hello(b, "lead");
    send_to(b, "lead", "hello");
    const char *preamble = typing_order(b, "lead", "", 0);
    const char *failed =
        cccc_arena_printf(bench_arena(b), "{'order_id':'%s','outcome':'failed','reason':'a person is typing'}", preamble).ptr;
    assert_null(wait_for_orders(b, "lead", failed, 0));
    assert_string_equal(bench_str_at(b, actor_row(b, "lead"), "obstacle"), "a person is typing");
    const cccc_value_t *groups = bench_do(b, "groups", "{}");
    assert_non_null(strstr(bench_str_at(b, groups, "groups.0.actors_troubled.0.reason"), "a person is typing"));
    bench_pass(b, 6);
    bench_settle(b);
    const char *message = typing_order(b, "lead", report(b, typing_order(b, "lead", "", 0), "accepted"), 1);
    wait_for_orders(b, "lead", report(b, message, "accepted"), 2);
    assert_null(bench_at(actor_row(b, "lead"), "obstacle"));
    crew_end(&b);
}

static void says_of_its_terminal(bench_t *b, const char *actor, const char *obstacle)
{
    static uint64_t conn = 7000;
    bench_as_holder(b, TEAM, actor);
    bench_request(b, ++conn, "hold_wait", "{%s,'facts':{'ready':true,'obstacle':'%s','typed':1}}",
                  id_of(b, actor, bench_generation(b, TEAM, actor)), obstacle);
    bench_as_operator(b);
    bench_settle(b);
}

/* A holder that says it could type nothing now is told nothing to type, however long that lasts, and nothing is tried and failed; senders are told why. Once it says
 * that it can, what waited goes at once. */
static void nothing_is_claimed_while_an_obstacle_stands(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    says_of_its_terminal(b, "lead", "a dialog is open in the terminal");
    assert_null(cccc_get(actor_row(b, "lead"), "obstacle")); /* nothing waits for it */
    const char *asked = "{'group_id':'" TEAM "','to':['lead'],'text':'hello','outlook':true}";
    const cccc_value_t *row = bench_at(bench_do(b, "send", "%s", asked), "recipients.0");
    assert_string_equal(bench_str_at(b, row, "will"), "waits");
    assert_non_null(strstr(bench_str_at(b, row, "why"), "a dialog is open"));
    for (int second = 0; second < 100; second++) {
        bench_pass(b, 1);
        says_of_its_terminal(b, "lead", "a dialog is open in the terminal");
    }
    assert_int_equal(count_events(b, "runtime.delivery", "actor_id", "lead"), 0);
    assert_string_equal(bench_str_at(b, actor_row(b, "lead"), "obstacle"), "a dialog is open in the terminal");
    says_of_its_terminal(b, "lead", "");
    assert_int_equal(count_events(b, "runtime.delivery", "state", "claimed"), 1);
    assert_null(cccc_get(actor_row(b, "lead"), "obstacle"));
    crew_end(&b);
}

/* A program whose process is stopped reads nothing: lists say so, and a sender is told that its message waits, for what, and what helps. */
static void a_stopped_process_is_no_outlook(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    const char *asked = "{'group_id':'" TEAM "','to':['lead'],'text':'hello','outlook':true}";
    assert_string_equal(bench_str_at(b, bench_do(b, "send", "%s", asked), "recipients.0.will"), "typed");
    bench_as_holder(b, TEAM, "lead");
    bench_request(b, 7, "hold_wait", "{%s,'facts':{'ready':true,'stopped':true,'typed':1}}",
                  id_of(b, "lead", bench_generation(b, TEAM, "lead")));
    bench_as_operator(b);
    bench_settle(b);
    assert_true(cccc_get_bool(actor_row(b, "lead"), "stopped", false));
    const cccc_value_t *row = bench_at(bench_do(b, "send", "%s", asked), "recipients.0");
    assert_string_equal(bench_str_at(b, row, "will"), "waits");
    assert_non_null(strstr(bench_str_at(b, row, "why"), "process is stopped"));
    assert_string_equal(bench_str_at(b, row, "next"), "kill -CONT 77");
    ready(b, "lead");
    assert_null(cccc_get(actor_row(b, "lead"), "stopped"));
    crew_end(&b);
}

/* A failed delivery waits 5 s, 10 s, 20 s, ... and never longer than a minute. */
static void failures_are_tried_again_less_and_less_often(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    send_to(b, "lead", "hello");
    const char *order = typing_order(b, "lead", "", 1);
    static const int waits[] = {5, 10, 20, 40, 60, 60};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        const cccc_value_t *orders = wait_for_orders(b, "lead", report(b, order, "failed"), 1);
        int second = 0;
        for (; !orders && second < 70; second++) {
            bench_pass(b, 1);
            bench_settle(b);
            orders = wait_for_orders(b, "lead", "", 1);
        }
        assert_in_range(second, waits[i] - 1, waits[i] + 2);
        assert_non_null(orders);
        assert_string_not_equal(bench_str_at(b, orders, "0.order_id"), order);
        order = bench_str_at(b, orders, "0.order_id");
    }
    crew_end(&b);
}

/* What was waiting together is typed together: 32 in one piece, the rest next, each once and in order. */
static void what_waits_together_is_typed_together(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    for (int i = 0; i < 40; i++)
        send_to(b, "lead", "one of many");
    const char *first = typing_order(b, "lead", "", 1);
    const char *second = typing_order(b, "lead", report(b, first, "accepted"), 2);
    assert_null(wait_for_orders(b, "lead", report(b, second, "accepted"), 3));
    uint64_t expected = 2; /* after runtime.started */
    struct cccc_event event;
    for (uint64_t seq = 1, pieces = 0; bench_event(b, TEAM, seq, &event); seq++) {
        const cccc_value_t *seqs = cccc_get(&event.data, "seqs");
        if (!cccc_is_array(seqs))
            continue;
        assert_int_equal(seqs->via.array.size, pieces++ == 0 ? 32 : 8);
        for (uint32_t i = 0; i < seqs->via.array.size; i++)
            assert_int_equal(seqs->via.array.ptr[i].via.u64, expected++);
    }
    assert_int_equal(expected, 42);
    crew_end(&b);
}

/* min_interval_seconds: that long between two deliveries; what comes meanwhile goes together. */
static void deliveries_keep_their_distance(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'min_interval_seconds':30}}");
    ready(b, "lead");
    send_to(b, "lead", "one");
    const char *first = typing_order(b, "lead", "", 1);
    send_to(b, "lead", "two");
    send_to(b, "lead", "three");
    assert_null(wait_for_orders(b, "lead", report(b, first, "accepted"), 2));
    bench_pass(b, 28);
    bench_settle(b);
    assert_null(wait_for_orders(b, "lead", "", 2));
    assert_int_equal(bench_uint_at(actor_row(b, "lead"), "queued"), 2);
    bench_pass(b, 4);
    bench_settle(b);
    const cccc_value_t *orders = wait_for_orders(b, "lead", "", 2);
    assert_non_null(strstr(bench_str_at(b, orders, "0.text"), "2 new messages"));
    crew_end(&b);
}

/* The interval as it is now counts from the last delivery, also for what waits already; `why` names the setting and the command that ends it. */
static void a_shorter_distance_counts_at_once(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'min_interval_seconds':3600}}");
    ready(b, "lead");
    send_to(b, "lead", "one");
    const char *first = typing_order(b, "lead", "", 1);
    assert_null(wait_for_orders(b, "lead", report(b, first, "accepted"), 2));
    const cccc_value_t *sent = bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'two'}");
    assert_string_equal(bench_str_at(b, sent, "recipients.0.will"), "waits");
    assert_non_null(strstr(bench_str_at(b, sent, "recipients.0.why"), "(min_interval_seconds): the next one is in 3600 s"));
    const cccc_value_t *why = bench_do(b, "why", "{'group_id':'" TEAM "','event_id':'%s'}", bench_str_at(b, sent, "event.id"));
    assert_string_equal(bench_str_at(b, why, "recipients.0.next"), "cccc group settings min_interval_seconds=0 --group " TEAM);
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'min_interval_seconds':20}}");
    bench_pass(b, 18);
    bench_settle(b);
    assert_null(wait_for_orders(b, "lead", "", 2));
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'min_interval_seconds':30}}"); /* a longer one, too */
    bench_pass(b, 10);
    bench_settle(b);
    assert_null(wait_for_orders(b, "lead", "", 2));
    bench_pass(b, 3);
    bench_settle(b);
    typing_order(b, "lead", "", 2);
    crew_end(&b);
}

/* A restart of the daemon, which the program outlives, neither shortens the distance between two deliveries nor begins it anew; the same of the pause after one that failed. */
static void distance_is_kept_across_a_restart(void **state)
{
    (void)state;
    static const char *const outcomes[] = {"accepted", "failed"};
    for (int i = 0; i < 2; i++) {
        uint32_t some = i == 0 ? 12 : 1; /* a fifth of the distance */
        bench_t *b = crew_new("true", "active");
        bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'min_interval_seconds':60}}");
        ready(b, "lead");
        send_to(b, "lead", "one");
        const char *first = typing_order(b, "lead", "", 1);
        assert_null(wait_for_orders(b, "lead", report(b, first, outcomes[i]), 2));
        send_to(b, "lead", "two");
        bench_pass(b, 2 * some);
        bench_restart(b);
        bench_settle(b);
        hello(b, "lead");
        assert_null(wait_for_orders(b, "lead", "", 2));
        bench_pass(b, 2 * some);
        bench_settle(b);
        assert_null(wait_for_orders(b, "lead", "", 2));
        bench_pass(b, 2 * some);
        bench_settle(b);
        typing_order(b, "lead", "", 2);
        crew_end(&b);
    }
}

/* Paused and stopped groups type nothing; an idle one what people and actors write, but no notifications. */
static void states_hold_back(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "paused");
    ready(b, "lead");
    send_to(b, "lead", "hello");
    bench_pass(b, 5);
    bench_settle(b);
    assert_null(wait_for_orders(b, "lead", "", 1));
    assert_int_equal(bench_uint_at(actor_row(b, "lead"), "queued"), 1);
    bench_do(b, "group_set_state", "{'group_id':'" TEAM "','state':'idle'}");
    const char *order = typing_order(b, "lead", "", 1);
    wait_for_orders(b, "lead", report(b, order, "accepted"), 2);
    assert_int_equal(bench_uint_at(actor_row(b, "lead"), "queued"), 0);
    crew_end(&b);
}

/* The preamble is typed once per start, before the first message, in the group's own words if it has some; a try that failed is made again as another order. */
static void the_preamble_is_typed_once_per_start(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_prompt(b, "Words of our own.");
    hello(b, "lead");
    assert_null(wait_for_orders(b, "lead", "", 0)); /* nothing is typed into a program nobody writes to */
    send_to(b, "lead", "hello");
    const cccc_value_t *orders = wait_for_orders(b, "lead", "", 0);
    const char *first = bench_str_at(b, orders, "0.order_id"), *text = bench_str_at(b, orders, "0.text");
    assert_non_null(strstr(text, "You are lead"));
    assert_non_null(strstr(text, "Words of our own."));
    assert_null(strstr(text, "cccc inbox"));
    assert_null(wait_for_orders(b, "lead", report(b, first, "failed"), 0));
    bench_pass(b, 6);
    bench_settle(b);
    const char *second = typing_order(b, "lead", "", 0);
    assert_int_equal(second[0], 'p');
    assert_string_not_equal(first, second);
    const char *message = typing_order(b, "lead", report(b, second, "accepted"), 1);
    assert_int_not_equal(message[0], 'p');
    wait_for_orders(b, "lead", report(b, message, "accepted"), 2);
    bench_restart(b);
    bench_settle(b);
    hello(b, "lead");
    wait_for_orders(b, "lead", "", 2);
    send_to(b, "lead", "again");
    assert_int_not_equal(typing_order(b, "lead", "", 2)[0], 'p');
    crew_end(&b);
}

/* What a shell would do something with: run, write, wait for the end of. */
static void expect_nothing_for_a_shell(const char *words)
{
    const char *found = strpbrk(words, "`$;&|<>\"'\\");
    if (found)
        fail_msg("%c in %s", *found, words);
    for (const char *line = words; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, "cccc ", 5) == 0)
            fail_msg("a line that is a command: %s", line);
}

/* A shell as an actor executes what is typed into it: of our own words it is left nothing to execute. What others write is theirs. */
static void our_own_words_are_no_commands(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    hello(b, "lead");
    bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'hello','priority':'attention','reply_required':true}");
    send_to(b, "lead", "and more");
    const cccc_value_t *orders = wait_for_orders(b, "lead", "", 0);
    assert_non_null(strstr(bench_str_at(b, orders, "0.text"), "You are lead"));
    expect_nothing_for_a_shell(bench_str_at(b, orders, "0.text"));
    orders = wait_for_orders(b, "lead", report(b, bench_str_at(b, orders, "0.order_id"), "accepted"), 1);
    assert_non_null(strstr(bench_str_at(b, orders, "0.text"), "REPLY REQUIRED"));
    expect_nothing_for_a_shell(bench_str_at(b, orders, "0.text"));
    expect_nothing_for_a_shell(bench_str_at(b, orders, "0.brief"));
    crew_end(&b);
}

/* Typing marks nothing read; only where the group wants it so, what was typed counts as read up to there. */
static void typed_is_read_only_where_that_is_wanted(void **state)
{
    (void)state;
    for (int wanted = 0; wanted < 2; wanted++) {
        bench_t *b = crew_new("true", "active");
        if (wanted)
            bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'auto_mark_on_delivery':true}}");
        ready(b, "lead");
        send_to(b, "lead", "one");
        send_to(b, "lead", "two");
        const char *order = typing_order(b, "lead", "", 1);
        send_to(b, "lead", "three");
        wait_for_orders(b, "lead", report(b, order, "accepted"), 2);
        bench_settle(b);
        const cccc_value_t *inbox = bench_do(b, "inbox_list", "{'group_id':'" TEAM "','actor_id':'lead'}");
        assert_int_equal(bench_uint_at(inbox, "unread_total"), wanted ? 1 : 3);
        assert_int_equal(count_events(b, "chat.read", "actor_id", "lead"), wanted);
        crew_end(&b);
    }
}

/* ---- the daemon and the holder die ---- */

/* A daemon that comes back starts nothing a holder still holds, and repeats what was claimed to it under the same id, once. */
static void a_new_daemon_goes_on_with_living_holders(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    hello(b, "dev");
    send_to(b, "lead", "hello");
    const char *order = typing_order(b, "lead", "", 1);
    bench_restart(b);
    bench_settle(b);
    assert_null(strstr(bench_trace(b), "holder_start"));
    assert_string_equal(state_of(b, "lead"), "reconnecting");
    bench_pass(b, 12);
    assert_string_equal(state_of(b, "lead"), "unreachable");
    hello(b, "lead");
    assert_string_equal(state_of(b, "lead"), "running");
    assert_string_equal(typing_order(b, "lead", "", 1), order);
    wait_for_orders(b, "lead", report(b, order, "accepted"), 2);
    bench_pass(b, 70);
    bench_settle(b);
    assert_int_equal(count_events(b, "runtime.delivery", "state", "claimed"), 1);
    assert_int_equal(count_events(b, "runtime.delivery", "state", "accepted"), 1);
    assert_int_equal(count_events(b, "runtime.started", "actor_id", "lead"), 1);
    crew_end(&b);
}

/* A group whose files cannot be read for a while, found so at the start of a daemon or later, ends nobody's program: holders are told to try again, and go on when it is back. */
static void a_group_out_of_sight_keeps_its_programs(void **state)
{
    (void)state;
    for (int restarted = 0; restarted < 2; restarted++) {
        bench_t *b = crew_new("true", "active");
        ready(b, "lead");
        ready(b, "dev");
        uint64_t generation = bench_generation(b, TEAM, "lead");
        if (restarted)
            bench_restart(b);
        bench_trace(b);
        bench_reopen(b, TEAM, "the disk would not give its ledger", NULL);
        bench_pass(b, 20);
        bench_settle(b);
        assert_null(strstr(bench_trace(b), "store holder"));
        bench_as_holder(b, TEAM, "lead");
        assert_string_equal(bench_code(bench_ask(b, "hold_register", "{%s,'pid':77,'socket':'/s'}", id_of(b, "lead", generation))), "busy");
        bench_as_operator(b);
        bench_reopen(b, TEAM, NULL, NULL);
        ready(b, "lead");
        ready(b, "dev");
        assert_null(strstr(bench_trace(b), "store holder"));
        assert_string_equal(state_of(b, "lead"), "running");
        assert_int_equal(bench_generation(b, TEAM, "lead"), generation);
        crew_end(&b);
    }
}

/* The holder of a running program that has had its time to ask for orders and did not is not called running, and what waits for it says what helps; it is running again once it asks. */
static void a_holder_that_is_silent_is_said_to_be(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    bench_pass(b, 4);
    assert_string_equal(state_of(b, "lead"), "running");
    bench_pass(b, 9);
    assert_string_equal(state_of(b, "lead"), "running");
    bench_pass(b, 4);
    assert_string_equal(state_of(b, "lead"), "unreachable");
    assert_null(bench_at(actor_row(b, "lead"), "idle_seconds"));
    const cccc_value_t *sent = bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'x','outlook':true}");
    assert_string_equal(bench_str_at(b, sent, "recipients.0.will"), "waits");
    assert_non_null(strstr(bench_str_at(b, sent, "recipients.0.next"), "cccc actor restart lead"));
    wait_for_orders(b, "lead", "", 1);
    assert_string_equal(state_of(b, "lead"), "running");
    crew_end(&b);
}

static void expect_refusal(bench_t *b, const char *op, const char *more, const char *code, const char *words)
{
    const cccc_value_t *reply = bench_ask(b, op, "{'group_id':'" TEAM "','actor_id':'lead'%s}", more);
    assert_string_equal(bench_code(reply), code);
    if (!strstr(bench_str_at(b, reply, "error.message"), words))
        fail_msg("%s says: %s", op, bench_str_at(b, reply, "error.message"));
}

/* A terminal that is shown in itself never ends: an actor may see others' as far as the group says, and its own screen as text. */
static void a_terminal_is_not_shown_in_itself(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    ready(b, "dev");
    bench_as_actor(b, TEAM, "lead");
    expect_refusal(b, "term_attach", "", "invalid_request", "the terminal of lead itself");
    bench_request(b, 8, "term_attach", "{'group_id':'" TEAM "','actor_id':'dev'}");
    bench_settle(b);
    assert_null(bench_reply(b, 8)); /* dev's holder is asked */
    bench_as_operator(b);
    crew_end(&b);
}

/* Until the holder of a program that outlived the daemon is back, the program counts as running, wherever it is shown, and nobody is told to start it: a start would be a second one. Once
 * it had its time, what helps is named. */
static void what_outlived_the_daemon_counts_as_running(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    hello(b, "dev");
    bench_restart(b);
    bench_settle(b);
    assert_true(cccc_get_bool(actor_row(b, "lead"), "running", false));
    assert_int_equal(bench_uint_at(actor_row(b, "lead"), "pid"), 77);
    assert_int_equal(bench_uint_at(bench_do(b, "status", "{'group_id':'" TEAM "'}"), "group.actors_running"), 2);
    expect_refusal(b, "term_attach", "", "busy", "is coming back to this daemon, for which it has 10 s");
    expect_refusal(b, "terminal_tail", "", "busy", "is coming back to this daemon");
    const char *asked = "{'group_id':'" TEAM "','to':['lead'],'text':'hello','outlook':true}";
    const cccc_value_t *row = bench_at(bench_do(b, "send", "%s", asked), "recipients.0");
    assert_non_null(strstr(bench_str_at(b, row, "why"), "is expected back"));
    assert_string_equal(bench_str_at(b, row, "next"), "");
    bench_pass(b, 12);
    row = bench_at(bench_do(b, "send", "%s", asked), "recipients.0");
    assert_string_equal(bench_str_at(b, row, "next"), "cccc actor restart lead --group " TEAM);
    assert_true(cccc_get_bool(actor_row(b, "lead"), "running", false));
    expect_refusal(b, "term_attach", "", "busy", "cccc actor restart lead");
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    for (int second = 0; second < 16; second++)
        bench_pass(b, 1);
    bench_settle(b);
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_code(reply), "actor_start_failed");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "the program of lead runs"));
    bench_kill_holder(b, TEAM, "lead");
    bench_settle(b);
    assert_false(cccc_get_bool(actor_row(b, "lead"), "running", true));
    expect_refusal(b, "term_attach", "", "actor_not_running", "cccc actor start lead");
    crew_end(&b);
}

/* The group's setting says who may see a terminal, and so who may change its size. */
static void a_terminal_is_sized_by_who_may_see_it(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'terminal_transcript_visibility':'off'}}");
    bench_as_actor(b, TEAM, "dev");
    expect_refusal(b, "term_resize", ",'cols':100,'rows':30", "permission_denied", "terminal_transcript_visibility is off");
    assert_null(wait_for_orders(b, "lead", "", 1));
    bench_as_operator(b);
    bench_request(b, 1, "term_resize", "{'group_id':'" TEAM "','actor_id':'lead','cols':100,'rows':30}");
    assert_string_equal(bench_str_at(b, wait_for_orders(b, "lead", "", 1), "0.order"), "resize");
    crew_end(&b);
}

/* A claim that was not durable when the daemon died was told to nobody: the message is claimed anew. */
static void a_claim_that_was_lost_is_made_again(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    send_to(b, "lead", "hello");
    bench_as_holder(b, TEAM, "lead");
    bench_request(b, 6000, "hold_wait", "{%s,'facts':{'ready':true,'typed':1}}", id_of(b, "lead", bench_generation(b, TEAM, "lead")));
    bench_as_operator(b);
    while (bench_finish_read(b))
        continue;
    bench_restart(b);
    bench_settle(b);
    assert_int_equal(count_events(b, "runtime.delivery", "state", "claimed"), 0);
    hello(b, "lead");
    typing_order(b, "lead", "", 1);
    assert_int_equal(count_events(b, "runtime.delivery", "state", "claimed"), 1);
    crew_end(&b);
}

/* A holder that dies takes its program along: that is known at once, what was being typed is ambiguous and stays so, and a new program starts. */
static void a_holder_that_dies_leaves_what_was_claimed_ambiguous(void **state)
{
    (void)state;
    for (int while_down = 0; while_down < 2; while_down++) {
        bench_t *b = crew_new("true", "active");
        ready(b, "lead");
        send_to(b, "lead", "hello");
        typing_order(b, "lead", "", 1);
        send_to(b, "lead", "still waiting");
        bench_kill_holder(b, TEAM, "lead");
        if (while_down)
            bench_restart(b);
        bench_settle(b);
        assert_int_equal(count_events(b, "runtime.delivery", "state", "ambiguous"), 1);
        assert_int_equal(count_events(b, "runtime.exited", "actor_id", "lead"), 1);
        bench_pass(b, 3);
        bench_settle(b);
        hello(b, "lead");
        const cccc_value_t *orders = wait_for_orders(b, "lead", "", 1);
        for (int second = 0; !orders && second < 6; second++) {
            bench_pass(b, 1);
            orders = wait_for_orders(b, "lead", "", 1);
        }
        assert_non_null(strstr(bench_str_at(b, orders, "0.text"), "still waiting"));
        assert_null(strstr(bench_str_at(b, orders, "0.text"), "hello"));
        crew_end(&b);
    }
}

/* An exit nobody asked for is told with its code and the last screen; the program is started again, later each time, until it is given up; a person's start begins
 * anew. */
static void exits_are_made_good_with_measure(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    for (int round = 0; round < 5; round++) {
        hello(b, "lead");
        exits(b, "lead", "{'code':7,'asked':false,'limit':'memory','screen':'last words'}");
        assert_string_equal(state_of(b, "lead"), "exited");
        int seconds = 0;
        while (round < 4 && strcmp(state_of(b, "lead"), "exited") == 0 && seconds < 60) {
            bench_pass(b, 1);
            bench_settle(b);
            seconds++;
        }
        if (round < 4)
            assert_in_range(seconds, 1 << round, (1 << round) + 1); /* 1 s, doubling; looked at once a second */
    }
    assert_int_equal(bench_uint_at(actor_row(b, "lead"), "exit.code"), 7);
    assert_string_equal(bench_str_at(b, actor_row(b, "lead"), "exit.screen"), "last words");
    assert_string_equal(bench_str_at(b, actor_row(b, "lead"), "exit.limit"), "memory");
    assert_non_null(strstr(bench_str_at(b, actor_row(b, "lead"), "start_error"), "exited 5 times"));
    bench_pass(b, 200);
    bench_settle(b);
    assert_string_equal(state_of(b, "lead"), "exited");
    const cccc_value_t *group = bench_at(bench_do(b, "status", "{'group_id':'" TEAM "'}"), "group");
    assert_int_equal(bench_uint_at(group, "actors_running"), 0);
    assert_string_equal(bench_str_at(b, group, "actors_troubled.0.actor_id"), "lead");
    assert_non_null(strstr(bench_str_at(b, group, "actors_troubled.0.reason"), "exited 5 times"));
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    hello(b, "lead");
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    crew_end(&b);
}

/* ---- stopped on purpose, and woken ---- */

/* A group's stop leaves `enabled` alone, so its start brings back what ran and not what was stopped on purpose. */
static void a_group_comes_back_as_it_was(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    hello(b, "lead");
    hello(b, "dev");
    bench_request(b, 1, "group_stop", "{'group_id':'" TEAM "'}");
    bench_settle(b);
    exits(b, "lead", "{'signal':15,'asked':true}");
    exits(b, "dev", "{'signal':15,'asked':true}");
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    send_to(b, "lead", "a stopped group wakes nobody");
    send_to(b, "off", "nor whoever is named");
    bench_pass(b, 5);
    bench_settle(b);
    assert_string_equal(state_of(b, "lead"), "exited");
    bench_request(b, 2, "group_start", "{'group_id':'" TEAM "'}");
    bench_settle(b);
    hello(b, "lead");
    hello(b, "dev");
    assert_string_equal(bench_code(bench_reply(b, 2)), "ok");
    assert_string_equal(state_of(b, "off"), "never started");
    crew_end(&b);
}

/* In a group that does not run one actor is started, and no other: not by that, by a restart of the daemon, or by a message to all. It is said which were left; their own id, a start of
 * theirs or of the group brings them back. */
static void a_start_in_a_stopped_group_starts_one(void **state)
{
    (void)state;
    bench_t *b = crew_new("false", "active");
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'off'}");
    bench_settle(b);
    hello(b, "off");
    const cccc_value_t *result = bench_at(bench_reply(b, 1), "result");
    assert_true(cccc_get_bool(result, "group_started", false));
    assert_string_equal(bench_text(b, bench_at(result, "left_stopped")), "[\"lead\",\"dev\"]");
    send_to(b, "@all", "hello");
    bench_restart(b);
    bench_pass(b, 3);
    bench_settle(b);
    assert_int_equal(bench_generation(b, TEAM, "lead") + bench_generation(b, TEAM, "dev"), 0);
    assert_true(cccc_get_bool(actor_row(b, "lead"), "left_stopped", false));
    const char *asked = "{'group_id':'" TEAM "','to':['@foreman'],'text':'hello','outlook':true}";
    assert_non_null(strstr(bench_str_at(b, bench_do(b, "send", "%s", asked), "recipients.0.why"), "left stopped"));
    send_to(b, "dev", "hello");
    bench_settle(b);
    assert_true(bench_generation(b, TEAM, "dev") > 0);
    assert_int_equal(bench_generation(b, TEAM, "lead"), 0);
    bench_request(b, 2, "group_start", "{'group_id':'" TEAM "'}");
    bench_settle(b);
    assert_true(bench_generation(b, TEAM, "lead") > 0);
    assert_null(cccc_get(actor_row(b, "lead"), "left_stopped"));
    bench_request(b, 3, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    hello(b, "lead");
    assert_null(bench_at(bench_reply(b, 3), "result.group_started"));
    crew_end(&b);
}

/* Who was stopped on purpose is woken by its own id in a group that runs, and by nothing else. */
static void only_its_own_id_wakes_a_stopped_actor(void **state)
{
    (void)state;
    static const struct {
        const char *running, *state, *to;
        bool wakes;
    } cases[] = {
        {"true", "active", "off", true},     {"true", "idle", "off", true},         {"true", "active", "@all", false},
        {"true", "active", "@peers", false}, {"true", "active", "@foreman", false}, {"true", "paused", "off", false},
        {"false", "active", "off", false},   {"true", "active", "bus", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_t *b = crew_new(cases[i].running, cases[i].state);
        bench_trace(b);
        send_to(b, cases[i].to, "hello");
        bench_settle(b);
        bool woken = bench_generation(b, TEAM, "off") > 0;
        if (woken != cases[i].wakes)
            fail_msg("case %zu: %s", i, bench_trace(b));
        if (woken) {
            hello(b, "off");
            assert_int_equal(count_events(b, "runtime.started", "why", "woken"), 1);
            assert_json(b, bench_at(actor_row(b, "off"), "enabled"), "true");
        }
        crew_end(&b);
    }
}

static const char *why_said(bench_t *b, const char *event)
{
    const cccc_value_t *why = bench_do(b, "why", "{'group_id':'" TEAM "','event_id':'%s','actor_id':'off'}", event);
    return bench_str_at(b, why, "recipients.0.sentence");
}

/* Whom a message wakes, its answer says so, and `why` does until the program is there. */
static void the_outlook_says_who_is_woken(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    const cccc_value_t *sent = bench_do(b, "send", "{'group_id':'" TEAM "','to':['off','lead'],'text':'hello'}");
    assert_string_equal(bench_str_at(b, sent, "recipients.0.id"), "lead");
    assert_string_equal(bench_str_at(b, sent, "recipients.0.will"), "waits");
    assert_string_equal(bench_str_at(b, sent, "recipients.1.will"), "wakes");
    const char *event = bench_str_at(b, sent, "event.id");
    assert_non_null(strstr(why_said(b, event), "a message that names it starts its program"));
    hello(b, "off");
    assert_null(strstr(why_said(b, event), "a message that names it starts its program"));
    crew_end(&b);
}

/* The start is decided before the message that asks for it, so a message that is stored has woken whom it names; a batch and a repeat wake once. */
static void the_wake_is_decided_before_the_message(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_trace(b);
    for (int i = 0; i < 2; i++) {
        bench_request(b, 1, "send", "{'group_id':'" TEAM "','to':['off'],'text':'hello','client_id':'c1'}");
        assert_trace(b, i == 0 ? "> 1 send\nappend A #1 actor.start by system\nappend A #2 chat.message by user\n" : "> 1 send\n");
        bench_settle(b);
        assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
        bench_trace(b);
    }
    bench_do(b, "send_batch", "{'group_id':'" TEAM "','messages':[{'to':['off'],'text':'a'},{'to':['off'],'text':'b'}]}");
    assert_int_equal(count_events(b, "actor.start", "actor_id", "off"), 1);
    crew_end(&b);
}

/* 6: in a group without a directory an actor is added all the same, and the answer says why it does not run; once there is one, it is started as any other. */
static void a_start_that_fails_is_no_failure_to_add(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_do(b, "group_detach_scope", "{'group_id':'" TEAM "','scope_key':'s_aaaaaaaaaaaa'}");
    const cccc_value_t *added =
        bench_do(b, "actor_add", "{'group_id':'" TEAM "','actor_id':'new','runtime':'custom','runner':'pty','command':['cat']}");
    assert_json(b, bench_at(added, "running"), "false");
    assert_non_null(strstr(bench_str_at(b, added, "start_error"), "has no directory to work in"));
    assert_json(b, bench_at(actor_row(b, "new"), "enabled"), "true");
    const cccc_value_t *sent = bench_do(b, "send", "{'group_id':'" TEAM "','to':['new'],'text':'hello'}");
    assert_non_null(strstr(bench_str_at(b, sent, "recipients.0.why"), "its program does not start: the actor has no directory"));
    bench_do(b, "attach", "{'group_id':'" TEAM "','path':'/src/other'}");
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'new'}");
    bench_settle(b);
    hello(b, "new");
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    assert_string_equal(state_of(b, "new"), "running");
    crew_end(&b);
}

/* ---- a recall and a claim at the same time ---- */

/* lead, who is ready, has one message in its queue; its id. */
static const char *one_for_lead(bench_t *b)
{
    ready(b, "lead");
    bench_do(b, "group_set_state", "{'group_id':'" TEAM "','state':'paused'}");
    const char *id = bench_str_at(b, bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'hello'}"), "event.id");
    bench_do(b, "group_set_state", "{'group_id':'" TEAM "','state':'active'}");
    return id;
}

static void finish_reads(bench_t *b)
{
    while (bench_finish_read(b))
        ;
}

/* A recall that comes while a claim is on its way to the disk is told that the message is being typed, once that is durable, and changes nothing; what the disk refused
 * was no claim, and nobody is told of one. */
static void a_claim_that_is_first_wins(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        bench_t *b = crew_new("true", "active");
        const char *id = one_for_lead(b);
        bench_pass(b, 1);
        finish_reads(b);
        bench_request(b, 1, "recall", "{'group_id':'" TEAM "','event_id':'%s'}", id);
        finish_reads(b);
        assert_null(bench_reply(b, 1));
        if (lost) {
            bench_fail(b, TEAM, CCCC_E_NO_SPACE, false, 0, false);
            assert_string_equal(bench_code(bench_reply(b, 1)), "no_space");
            crew_end(&b);
            continue;
        }
        bench_sync(b, TEAM, 1);
        const cccc_value_t *reply = bench_reply(b, 1);
        assert_json(b, bench_at(reply, "result.recalled"), "[]");
        assert_string_equal(bench_str_at(b, reply, "result.lost.0.step"), "claimed");
        assert_json(b, bench_at(reply, "result.event"), "null");
        const char *order = typing_order(b, "lead", "", 1);
        assert_string_equal(bench_str_at(b, reply, "result.lost.0.event_id"), order);
        wait_for_orders(b, "lead", report(b, order, "accepted"), 2);
        reply = bench_ask(b, "recall", "{'group_id':'" TEAM "','event_id':'%s'}", id);
        assert_string_equal(bench_str_at(b, reply, "result.lost.0.step"), "handed");
        crew_end(&b);
    }
}

/* A recall that is decided while the claim's text is being read wins: nothing is claimed, then or later, whether or not it is durable when the read is done. */
static void a_recall_that_is_first_wins(void **state)
{
    (void)state;
    for (int durable = 0; durable < 2; durable++) {
        bench_t *b = crew_new("true", "active");
        const char *id = one_for_lead(b);
        bench_request(b, 1, "recall", "{'group_id':'" TEAM "','event_id':'%s'}", id);
        bench_finish_read(b); /* where the message is */
        bench_pass(b, 1);     /* and now the delivery begins to read it */
        bench_finish_read(b); /* what is about the message: the recall is decided */
        if (durable)
            bench_sync(b, TEAM, 1);
        finish_reads(b);
        bench_settle(b);
        assert_json(b, bench_at(bench_reply(b, 1), "result.recalled"), "['lead']");
        bench_pass(b, 10);
        bench_settle(b);
        assert_null(wait_for_orders(b, "lead", "", 1));
        assert_int_equal(count_events(b, "runtime.delivery", "state", "claimed"), 0);
        crew_end(&b);
    }
}

/* Of an actor that is removed while it is typed to, also when it is added again, `why` says that it may have got the message; what waited is not typed to its successor. */
static void who_is_removed_while_typed_to_may_have_got_it(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    ready(b, "lead");
    const char *id = bench_str_at(b, bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'one'}"), "event.id");
    const char *order = typing_order(b, "lead", "", 1);
    send_to(b, "lead", "two");
    bench_request(b, 2, "actor_remove", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    exits(b, "lead", "{'signal':15,'asked':true}");
    assert_string_equal(bench_code(bench_reply(b, 2)), "ok");
    for (int added = 0; added < 2; added++) {
        const cccc_value_t *told =
            bench_at(bench_do(b, "why", "{'group_id':'" TEAM "','event_id':'%s','actor_id':'lead'}", id), "recipients.0");
        assert_string_equal(bench_str_at(b, told, "state"), "claimed");
        assert_non_null(strstr(bench_str_at(b, told, "sentence"), "left the group while it was being typed, and may have got it"));
        assert_string_equal(bench_str_at(b, told, "steps.1.event_id"), order);
        bench_request(b, 1, "actor_add", "{'group_id':'" TEAM "','actor_id':'lead','runtime':'custom','runner':'pty','command':['cat']}");
        bench_settle(b);
    }
    ready(b, "lead");
    assert_null(wait_for_orders(b, "lead", "", 1));
    crew_end(&b);
}

/* An actor's own patch of `enabled` starts and stops it, and waits. */
static void enabling_starts_and_disabling_stops(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_request(b, 1, "actor_update", "{'group_id':'" TEAM "','actor_id':'off','patch':{'enabled':true}}");
    bench_settle(b);
    assert_null(bench_reply(b, 1));
    hello(b, "off");
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_json(b, bench_at(reply, "result.running"), "true");
    bench_request(b, 2, "actor_update", "{'group_id':'" TEAM "','actor_id':'off','patch':{'enabled':false}}");
    bench_settle(b);
    assert_null(bench_reply(b, 2));
    exits(b, "off", "{'signal':15,'asked':true}");
    assert_json(b, bench_at(bench_reply(b, 2), "result.running"), "false");
    crew_end(&b);
}

/* A start that is asked for while the program is being stopped waits for its end and starts it again. */
static void a_start_while_stopping_starts_again(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    hello(b, "lead");
    bench_request(b, 1, "actor_stop", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    bench_request(b, 2, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    uint64_t first = bench_generation(b, TEAM, "lead");
    exits(b, "lead", "{'signal':15,'asked':true}");
    assert_int_not_equal(bench_generation(b, TEAM, "lead"), first);
    assert_null(bench_reply(b, 2));
    hello(b, "lead");
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    assert_string_equal(bench_code(bench_reply(b, 2)), "ok");
    assert_string_equal(state_of(b, "lead"), "running");
    crew_end(&b);
}

/* A program that exits before its start was answered is no start; the answer says that it exited. */
static void a_program_that_exits_at_once_did_not_start(void **state)
{
    (void)state;
    bench_t *b = crew_new("false", "active");
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    bench_as_holder(b, TEAM, "lead");
    bench_do(b, "hold_register", "{%s,'pid':77,'socket':'/s','exited':{'code':7,'asked':false}}",
             id_of(b, "lead", bench_generation(b, TEAM, "lead")));
    bench_as_operator(b);
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_code(reply), "actor_start_failed");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "has exited"));
    assert_int_equal(bench_uint_at(actor_row(b, "lead"), "exit.code"), 7);
    crew_end(&b);
}

/* A newcomer starts in a running group and only there. */
static void a_newcomer_starts_where_its_group_runs(void **state)
{
    (void)state;
    for (int running = 0; running < 2; running++) {
        bench_t *b = crew_new(running ? "true" : "false", "active");
        bench_request(b, 1, "actor_add", "{'group_id':'" TEAM "','actor_id':'new','runtime':'custom','command':['cat']}");
        bench_settle(b);
        assert_int_equal(bench_generation(b, TEAM, "new") > 0, running);
        if (running)
            hello(b, "new");
        assert_json(b, bench_at(bench_reply(b, 1), "result.running"), running ? "true" : "false");
        assert_int_equal(count_events(b, "runtime.started", "why", "added"), running);
        crew_end(&b);
    }
}

/* Limits are numbers, and 0 forgets one. */
static void limits_are_checked_and_kept_where_they_say_something(void **state)
{
    (void)state;
    bench_t *b = crew_new("false", "active");
    static const char *const wrong[] = {"'processes_max':-1", "'processes_max':'many'", "'memory_mib_max':2000000000",
                                        "'memory_mib_max':1.5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_string_equal(bench_code(bench_ask(b, "actor_update", "{'group_id':'" TEAM "','actor_id':'lead','patch':{%s}}", wrong[i])),
                            "invalid_patch");
    bench_do(b, "actor_update", "{'group_id':'" TEAM "','actor_id':'lead','patch':{'processes_max':20}}");
    assert_json(b, bench_at(actor_row(b, "lead"), "processes_max"), "20");
    bench_do(b, "actor_update", "{'group_id':'" TEAM "','actor_id':'lead','patch':{'processes_max':0}}");
    assert_null(bench_at(actor_row(b, "lead"), "processes_max"));
    crew_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ran_before_is_started_at_boot),
        cmocka_unit_test(a_start_is_answered_when_the_program_runs),
        cmocka_unit_test(a_holder_that_says_nothing_is_ended),
        cmocka_unit_test(no_two_holders_have_the_same_generation),
        cmocka_unit_test(a_holder_whose_actor_left_unseen_is_ended),
        cmocka_unit_test(a_launch_document_has_the_habits_of_the_runtime),
        cmocka_unit_test(nobody_else_may_say_what_a_holder_says),
        cmocka_unit_test(a_holder_of_a_removed_actor_is_superseded),
        cmocka_unit_test(an_actor_added_again_begins_anew),
        cmocka_unit_test(a_claim_is_durable_before_it_is_told),
        cmocka_unit_test(outcomes_decide_what_comes_next),
        cmocka_unit_test(an_outcome_that_could_not_be_recorded_is_asked_for_again),
        cmocka_unit_test(what_keeps_a_holder_from_typing_is_shown),
        cmocka_unit_test(nothing_is_claimed_while_an_obstacle_stands),
        cmocka_unit_test(a_stopped_process_is_no_outlook),
        cmocka_unit_test(failures_are_tried_again_less_and_less_often),
        cmocka_unit_test(what_waits_together_is_typed_together),
        cmocka_unit_test(deliveries_keep_their_distance),
        cmocka_unit_test(a_shorter_distance_counts_at_once),
        cmocka_unit_test(distance_is_kept_across_a_restart),
        cmocka_unit_test(states_hold_back),
        cmocka_unit_test(the_preamble_is_typed_once_per_start),
        cmocka_unit_test(our_own_words_are_no_commands),
        cmocka_unit_test(typed_is_read_only_where_that_is_wanted),
        cmocka_unit_test(a_new_daemon_goes_on_with_living_holders),
        cmocka_unit_test(a_terminal_is_not_shown_in_itself),
        cmocka_unit_test(a_group_out_of_sight_keeps_its_programs),
        cmocka_unit_test(a_holder_that_is_silent_is_said_to_be),
        cmocka_unit_test(what_outlived_the_daemon_counts_as_running),
        cmocka_unit_test(a_terminal_is_sized_by_who_may_see_it),
        cmocka_unit_test(a_claim_that_was_lost_is_made_again),
        cmocka_unit_test(a_holder_that_dies_leaves_what_was_claimed_ambiguous),
        cmocka_unit_test(exits_are_made_good_with_measure),
        cmocka_unit_test(a_group_comes_back_as_it_was),
        cmocka_unit_test(a_start_in_a_stopped_group_starts_one),
        cmocka_unit_test(a_claim_that_is_first_wins),
        cmocka_unit_test(a_recall_that_is_first_wins),
        cmocka_unit_test(who_is_removed_while_typed_to_may_have_got_it),
        cmocka_unit_test(a_start_that_fails_is_no_failure_to_add),
        cmocka_unit_test(only_its_own_id_wakes_a_stopped_actor),
        cmocka_unit_test(the_outlook_says_who_is_woken),
        cmocka_unit_test(the_wake_is_decided_before_the_message),
        cmocka_unit_test(enabling_starts_and_disabling_stops),
        cmocka_unit_test(a_start_while_stopping_starts_again),
        cmocka_unit_test(a_program_that_exits_at_once_did_not_start),
        cmocka_unit_test(a_newcomer_starts_where_its_group_runs),
        cmocka_unit_test(limits_are_checked_and_kept_where_they_say_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
