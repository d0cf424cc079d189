/* What is typed into the terminals of actors, and when: claims, outcomes, distances, obstacles, first words; and a recall meanwhile. */
#include "tests/core/crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- delivery ---- */

/* The claim is durable before the holder hears of it; the report is durable before it counts; the preamble goes first. */
static void a_claim_is_durable_before_it_is_told(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_hello(b, "lead");
    bench_trace(b);
    crew_send(b, "lead", "hello");
    const char *preamble = crew_order(b, "lead", "", 0);
    assert_int_equal(preamble[0], 'p');
    assert_int_not_equal(crew_order(b, "lead", crew_report(b, preamble, "accepted"), 1)[0], 'p');
    bench_trace(b);
    bench_free(&b);

    b = crew_new("true", "active");
    crew_ready(b, "lead");
    bench_as_holder(b, TEAM, "lead");
    bench_request(b, 6000, "hold_wait", "{%s,'facts':{'ready':true,'typed':1}}", crew_id(b, "lead", bench_generation(b, TEAM, "lead")));
    bench_as_operator(b);
    bench_settle(b);
    crew_send(b, "lead", "hello");
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
    assert_string_equal(bench_str_at(b, crew_row(b, "lead"), "delivery.state"), "claimed");
    crew_wait(b, "lead", crew_report(b, bench_str_at(b, told, "result.orders.0.order_id"), "accepted"), 2);
    assert_string_equal(bench_str_at(b, crew_row(b, "lead"), "delivery.state"), "accepted");
    assert_int_equal(bench_uint_at(crew_row(b, "lead"), "queued"), 0);
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
        crew_ready(b, "lead");
        crew_send(b, "lead", "hello");
        const char *first = crew_order(b, "lead", "", 1);
        assert_null(crew_wait(b, "lead", crew_report(b, first, cases[i].outcome), 1));
        for (int second = 1; second <= 200; second++) {
            bench_pass(b, 1);
            bench_settle(b);
            if (crew_count(b, "runtime.delivery", "state", "claimed") == 2) {
                assert_in_range(second, cases[i].again_after, cases[i].again_after + 2);
                break;
            }
        }
        assert_int_equal(crew_count(b, "runtime.delivery", "state", "claimed"), cases[i].again_after ? 2 : 1);
        crew_end(&b);
    }
}

/* An outcome that came while the ledger took no events is asked for again, by the same order, which the holder does not carry out twice. */
static void an_outcome_that_could_not_be_recorded_is_asked_for_again(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    crew_send(b, "lead", "hello");
    const char *first = crew_order(b, "lead", "", 1);
    bench_reopen(b, TEAM, NULL, "the disk is full");
    crew_wait(b, "lead", crew_report(b, first, "accepted"), 2);
    assert_string_equal(bench_str_at(b, crew_row(b, "lead"), "delivery.state"), "claimed");
    bench_reopen(b, TEAM, NULL, NULL);
    bench_pass(b, 6);
    bench_settle(b);
    assert_string_equal(crew_order(b, "lead", "", 2), first);
    crew_wait(b, "lead", crew_report(b, first, "accepted"), 2);
    assert_string_equal(bench_str_at(b, crew_row(b, "lead"), "delivery.state"), "accepted");
    assert_int_equal(crew_count(b, "runtime.delivery", "state", "claimed"), 1);
    crew_end(&b);
}

/* What keeps a holder from typing is shown as long as something waits for it, also when it is the preamble that it did not type. */
static void what_keeps_a_holder_from_typing_is_shown(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_hello(b, "lead");
    crew_send(b, "lead", "hello");
    const char *preamble = crew_order(b, "lead", "", 0);
    const char *failed =
        cccc_arena_printf(bench_arena(b), "{'order_id':'%s','outcome':'failed','reason':'a person is typing'}", preamble).ptr;
    assert_null(crew_wait(b, "lead", failed, 0));
    assert_string_equal(bench_str_at(b, crew_row(b, "lead"), "obstacle"), "a person is typing");
    const cccc_value_t *groups = bench_do(b, "groups", "{}");
    assert_non_null(strstr(bench_str_at(b, groups, "groups.0.actors_troubled.0.reason"), "a person is typing"));
    bench_pass(b, 6);
    bench_settle(b);
    const char *message = crew_order(b, "lead", crew_report(b, crew_order(b, "lead", "", 0), "accepted"), 1);
    crew_wait(b, "lead", crew_report(b, message, "accepted"), 2);
    assert_null(bench_at(crew_row(b, "lead"), "obstacle"));
    crew_end(&b);
}

static void says_of_its_terminal(bench_t *b, const char *actor, const char *obstacle)
{
    static uint64_t conn = 7000;
    bench_as_holder(b, TEAM, actor);
    bench_request(b, ++conn, "hold_wait", "{%s,'facts':{'ready':true,'obstacle':'%s','typed':1}}",
                  crew_id(b, actor, bench_generation(b, TEAM, actor)), obstacle);
    bench_as_operator(b);
    bench_settle(b);
}

/* A holder that says it could type nothing now is told nothing to type, however long that lasts, and nothing is tried and failed; senders are told why. Once it says
 * that it can, what waited goes at once. */
static void nothing_is_claimed_while_an_obstacle_stands(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    says_of_its_terminal(b, "lead", "a dialog is open in the terminal");
    assert_null(cccc_get(crew_row(b, "lead"), "obstacle")); /* nothing waits for it */
    const char *asked = "{'group_id':'" TEAM "','to':['lead'],'text':'hello','outlook':true}";
    const cccc_value_t *row = bench_at(bench_do(b, "send", "%s", asked), "recipients.0");
    assert_string_equal(bench_str_at(b, row, "will"), "waits");
    assert_non_null(strstr(bench_str_at(b, row, "why"), "a dialog is open"));
    for (int second = 0; second < 100; second++) {
        bench_pass(b, 1);
        says_of_its_terminal(b, "lead", "a dialog is open in the terminal");
    }
    assert_int_equal(crew_count(b, "runtime.delivery", "actor_id", "lead"), 0);
    assert_string_equal(bench_str_at(b, crew_row(b, "lead"), "obstacle"), "a dialog is open in the terminal");
    says_of_its_terminal(b, "lead", "");
    assert_int_equal(crew_count(b, "runtime.delivery", "state", "claimed"), 1);
    assert_null(cccc_get(crew_row(b, "lead"), "obstacle"));
    crew_end(&b);
}

/* A program whose process is stopped reads nothing: lists say so, and a sender is told that its message waits, for what, and what helps. */
static void a_stopped_process_is_no_outlook(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    const char *asked = "{'group_id':'" TEAM "','to':['lead'],'text':'hello','outlook':true}";
    assert_string_equal(bench_str_at(b, bench_do(b, "send", "%s", asked), "recipients.0.will"), "typed");
    bench_as_holder(b, TEAM, "lead");
    bench_request(b, 7, "hold_wait", "{%s,'facts':{'ready':true,'stopped':true,'typed':1}}",
                  crew_id(b, "lead", bench_generation(b, TEAM, "lead")));
    bench_as_operator(b);
    bench_settle(b);
    assert_true(cccc_get_bool(crew_row(b, "lead"), "stopped", false));
    const cccc_value_t *row = bench_at(bench_do(b, "send", "%s", asked), "recipients.0");
    assert_string_equal(bench_str_at(b, row, "will"), "waits");
    assert_non_null(strstr(bench_str_at(b, row, "why"), "process is stopped"));
    assert_string_equal(bench_str_at(b, row, "next"), "kill -CONT 77");
    crew_ready(b, "lead");
    assert_null(cccc_get(crew_row(b, "lead"), "stopped"));
    crew_end(&b);
}

/* A failed delivery waits 5 s, 10 s, 20 s, ... and never longer than a minute. */
static void failures_are_tried_again_less_and_less_often(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    crew_send(b, "lead", "hello");
    const char *order = crew_order(b, "lead", "", 1);
    static const int waits[] = {5, 10, 20, 40, 60, 60};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        const cccc_value_t *orders = crew_wait(b, "lead", crew_report(b, order, "failed"), 1);
        int second = 0;
        for (; !orders && second < 70; second++) {
            bench_pass(b, 1);
            bench_settle(b);
            orders = crew_wait(b, "lead", "", 1);
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
    crew_ready(b, "lead");
    for (int i = 0; i < 40; i++)
        crew_send(b, "lead", "one of many");
    const char *first = crew_order(b, "lead", "", 1);
    const char *second = crew_order(b, "lead", crew_report(b, first, "accepted"), 2);
    assert_null(crew_wait(b, "lead", crew_report(b, second, "accepted"), 3));
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
    crew_ready(b, "lead");
    crew_send(b, "lead", "one");
    const char *first = crew_order(b, "lead", "", 1);
    crew_send(b, "lead", "two");
    crew_send(b, "lead", "three");
    assert_null(crew_wait(b, "lead", crew_report(b, first, "accepted"), 2));
    bench_pass(b, 28);
    bench_settle(b);
    assert_null(crew_wait(b, "lead", "", 2));
    assert_int_equal(bench_uint_at(crew_row(b, "lead"), "queued"), 2);
    bench_pass(b, 4);
    bench_settle(b);
    const cccc_value_t *orders = crew_wait(b, "lead", "", 2);
    assert_non_null(strstr(bench_str_at(b, orders, "0.text"), "2 new messages"));
    crew_end(&b);
}

/* The interval as it is now counts from the last delivery, also for what waits already; `why` names the setting and the command that ends it. */
static void a_shorter_distance_counts_at_once(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'min_interval_seconds':3600}}");
    crew_ready(b, "lead");
    crew_send(b, "lead", "one");
    const char *first = crew_order(b, "lead", "", 1);
    assert_null(crew_wait(b, "lead", crew_report(b, first, "accepted"), 2));
    const cccc_value_t *sent = bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'two'}");
    assert_string_equal(bench_str_at(b, sent, "recipients.0.will"), "waits");
    assert_non_null(strstr(bench_str_at(b, sent, "recipients.0.why"), "(min_interval_seconds): the next one is in 3600 s"));
    const cccc_value_t *why = bench_do(b, "why", "{'group_id':'" TEAM "','event_id':'%s'}", bench_str_at(b, sent, "event.id"));
    assert_string_equal(bench_str_at(b, why, "recipients.0.next"), "cccc group settings min_interval_seconds=0 --group " TEAM);
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'min_interval_seconds':20}}");
    bench_pass(b, 18);
    bench_settle(b);
    assert_null(crew_wait(b, "lead", "", 2));
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'min_interval_seconds':30}}"); /* a longer one, too */
    bench_pass(b, 10);
    bench_settle(b);
    assert_null(crew_wait(b, "lead", "", 2));
    bench_pass(b, 3);
    bench_settle(b);
    crew_order(b, "lead", "", 2);
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
        crew_ready(b, "lead");
        crew_send(b, "lead", "one");
        const char *first = crew_order(b, "lead", "", 1);
        assert_null(crew_wait(b, "lead", crew_report(b, first, outcomes[i]), 2));
        crew_send(b, "lead", "two");
        bench_pass(b, 2 * some);
        bench_restart(b);
        bench_settle(b);
        crew_hello(b, "lead");
        assert_null(crew_wait(b, "lead", "", 2));
        bench_pass(b, 2 * some);
        bench_settle(b);
        assert_null(crew_wait(b, "lead", "", 2));
        bench_pass(b, 2 * some);
        bench_settle(b);
        crew_order(b, "lead", "", 2);
        crew_end(&b);
    }
}

/* Paused and stopped groups type nothing; an idle one what people and actors write, but no notifications. */
static void states_hold_back(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "paused");
    crew_ready(b, "lead");
    crew_send(b, "lead", "hello");
    bench_pass(b, 5);
    bench_settle(b);
    assert_null(crew_wait(b, "lead", "", 1));
    assert_int_equal(bench_uint_at(crew_row(b, "lead"), "queued"), 1);
    bench_do(b, "group_set_state", "{'group_id':'" TEAM "','state':'idle'}");
    const char *order = crew_order(b, "lead", "", 1);
    crew_wait(b, "lead", crew_report(b, order, "accepted"), 2);
    assert_int_equal(bench_uint_at(crew_row(b, "lead"), "queued"), 0);
    crew_end(&b);
}

/* The preamble is typed once per start, before the first message, in the group's own words if it has some; a try that failed is made again as another order. */
static void the_preamble_is_typed_once_per_start(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_prompt(b, "Words of our own.");
    crew_hello(b, "lead");
    assert_null(crew_wait(b, "lead", "", 0)); /* nothing is typed into a program nobody writes to */
    crew_send(b, "lead", "hello");
    const cccc_value_t *orders = crew_wait(b, "lead", "", 0);
    const char *first = bench_str_at(b, orders, "0.order_id"), *text = bench_str_at(b, orders, "0.text");
    assert_non_null(strstr(text, "You are lead"));
    assert_non_null(strstr(text, "Words of our own."));
    assert_null(strstr(text, "cccc inbox"));
    assert_null(crew_wait(b, "lead", crew_report(b, first, "failed"), 0));
    bench_pass(b, 6);
    bench_settle(b);
    const char *second = crew_order(b, "lead", "", 0);
    assert_int_equal(second[0], 'p');
    assert_string_not_equal(first, second);
    const char *message = crew_order(b, "lead", crew_report(b, second, "accepted"), 1);
    assert_int_not_equal(message[0], 'p');
    crew_wait(b, "lead", crew_report(b, message, "accepted"), 2);
    bench_restart(b);
    bench_settle(b);
    crew_hello(b, "lead");
    crew_wait(b, "lead", "", 2);
    crew_send(b, "lead", "again");
    assert_int_not_equal(crew_order(b, "lead", "", 2)[0], 'p');
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
    crew_hello(b, "lead");
    bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'hello','priority':'attention','reply_required':true}");
    crew_send(b, "lead", "and more");
    const cccc_value_t *orders = crew_wait(b, "lead", "", 0);
    assert_non_null(strstr(bench_str_at(b, orders, "0.text"), "You are lead"));
    expect_nothing_for_a_shell(bench_str_at(b, orders, "0.text"));
    orders = crew_wait(b, "lead", crew_report(b, bench_str_at(b, orders, "0.order_id"), "accepted"), 1);
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
        crew_ready(b, "lead");
        crew_send(b, "lead", "one");
        crew_send(b, "lead", "two");
        const char *order = crew_order(b, "lead", "", 1);
        crew_send(b, "lead", "three");
        crew_wait(b, "lead", crew_report(b, order, "accepted"), 2);
        bench_settle(b);
        const cccc_value_t *inbox = bench_do(b, "inbox_list", "{'group_id':'" TEAM "','actor_id':'lead'}");
        assert_int_equal(bench_uint_at(inbox, "unread_total"), wanted ? 1 : 3);
        assert_int_equal(crew_count(b, "chat.read", "actor_id", "lead"), wanted);
        crew_end(&b);
    }
}

/* ---- a recall and a claim at the same time ---- */

/* lead, who is ready, has one message in its queue; its id. */
static const char *one_for_lead(bench_t *b)
{
    crew_ready(b, "lead");
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
        const char *order = crew_order(b, "lead", "", 1);
        assert_string_equal(bench_str_at(b, reply, "result.lost.0.event_id"), order);
        crew_wait(b, "lead", crew_report(b, order, "accepted"), 2);
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
        assert_null(crew_wait(b, "lead", "", 1));
        assert_int_equal(crew_count(b, "runtime.delivery", "state", "claimed"), 0);
        crew_end(&b);
    }
}

/* Of an actor that is removed while it is typed to, also when it is added again, `why` says that it may have got the message; what waited is not typed to its successor. */
static void who_is_removed_while_typed_to_may_have_got_it(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    const char *id = bench_str_at(b, bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'one'}"), "event.id");
    const char *order = crew_order(b, "lead", "", 1);
    crew_send(b, "lead", "two");
    bench_request(b, 2, "actor_remove", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    crew_exits(b, "lead", "{'signal':15,'asked':true}");
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
    crew_ready(b, "lead");
    assert_null(crew_wait(b, "lead", "", 1));
    crew_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(a_claim_that_is_first_wins),
        cmocka_unit_test(a_recall_that_is_first_wins),
        cmocka_unit_test(who_is_removed_while_typed_to_may_have_got_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
