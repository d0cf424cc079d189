/* Actors as programs: starts, ends, back-off, and waking, with the holder's part played by the test. What is typed into them: test_deliveries.c. */
#include "tests/core/crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- starts ---- */

/* A group that ran before the daemon stopped runs again, without anybody asking; what was stopped on purpose does not, and neither does a group that was stopped. */
static void what_ran_before_is_started_at_boot(void **state)
{
    (void)state;
    bench_t *b = bench_new(1);
    bench_can_hold(b);
    bench_group(b, TEAM, "A", crew_document("true", "active"));
    bench_settle(b);
    crew_hello(b, "lead");
    crew_hello(b, "dev");
    assert_int_equal(crew_count(b, "runtime.started", "why", "boot"), 2);
    assert_string_equal(crew_state(b, "lead"), "running");
    assert_string_equal(crew_state(b, "off"), "never started");
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
    bench_request(b, 2, "hold_register", "{%s,'pid':77,'socket':'/s'}", crew_id(b, "lead", bench_generation(b, TEAM, "lead")));
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
    crew_ready(b, "lead");
    crew_ready(b, "dev");
    uint64_t generation = bench_generation(b, TEAM, "dev");
    char *alone = strdup(crew_document("true", "active"));
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
    assert_int_equal(crew_count(b, "runtime.exited", "actor_id", "dev"), 0);
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
    const char *words = crew_id(b, "lead", generation);
    assert_string_equal(bench_code(bench_ask(b, "hold_register", "{%s,'pid':1,'socket':'/x'}", words)), "permission_denied");
    bench_as_actor(b, TEAM, "lead");
    assert_string_equal(bench_code(bench_ask(b, "hold_register", "{%s,'pid':1,'socket':'/x'}", words)), "permission_denied");
    bench_as_holder(b, TEAM, "dev");
    assert_string_equal(bench_code(bench_ask(b, "hold_register", "{%s,'pid':1,'socket':'/x'}", words)), "permission_denied");
    bench_as_unknown(b);
    assert_string_equal(bench_code(bench_ask(b, "hold_wait", "{%s}", words)), "sender_unknown");
    bench_as_operator(b);
    assert_string_equal(crew_state(b, "lead"), "starting");
    crew_end(&b);
}

/* A holder of a generation nobody wants any more is told to end what it holds. */
static void a_holder_of_a_removed_actor_is_superseded(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_hello(b, "lead");
    uint64_t generation = bench_generation(b, TEAM, "lead");
    bench_request(b, 1, "actor_remove", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    bench_as_holder(b, TEAM, "lead");
    bench_do(b, "hold_wait", "{%s,'exited':{'code':0,'asked':true}}", crew_id(b, "lead", generation));
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    const cccc_value_t *again = bench_ask(b, "hold_register", "{%s,'pid':1,'socket':'/x'}", crew_id(b, "lead", generation));
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
    crew_ready(b, "lead");
    crew_send(b, "lead", "to the first");
    const char *order = crew_order(b, "lead", "", 1);
    uint64_t first = bench_generation(b, TEAM, "lead");
    bench_request(b, 1, "actor_remove", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_sync(b, NULL, 100);
    bench_request(b, 2, "actor_add", "{'group_id':'" TEAM "','actor_id':'lead','runtime':'custom','command':['cat']}");
    bench_settle(b);
    assert_fold_is_live(b, TEAM);
    const cccc_value_t *orders = crew_wait(b, "lead", crew_report(b, order, "accepted"), 2);
    assert_string_equal(bench_str_at(b, orders, "0.order"), "stop");
    crew_exits(b, "lead", "{'signal':15,'asked':true}");
    assert_int_not_equal(bench_generation(b, TEAM, "lead"), first);
    crew_hello(b, "lead");
    assert_null(crew_wait(b, "lead", "", 0));
    assert_int_equal(bench_uint_at(crew_row(b, "lead"), "queued"), 0);
    crew_end(&b);
}

/* ---- the daemon and the holder die ---- */

/* A daemon that comes back starts nothing a holder still holds, and repeats what was claimed to it under the same id, once. */
static void a_new_daemon_goes_on_with_living_holders(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    crew_hello(b, "dev");
    crew_send(b, "lead", "hello");
    const char *order = crew_order(b, "lead", "", 1);
    bench_restart(b);
    bench_settle(b);
    assert_null(strstr(bench_trace(b), "holder_start"));
    assert_string_equal(crew_state(b, "lead"), "reconnecting");
    bench_pass(b, 12);
    assert_string_equal(crew_state(b, "lead"), "unreachable");
    crew_hello(b, "lead");
    assert_string_equal(crew_state(b, "lead"), "running");
    assert_string_equal(crew_order(b, "lead", "", 1), order);
    crew_wait(b, "lead", crew_report(b, order, "accepted"), 2);
    bench_pass(b, 70);
    bench_settle(b);
    assert_int_equal(crew_count(b, "runtime.delivery", "state", "claimed"), 1);
    assert_int_equal(crew_count(b, "runtime.delivery", "state", "accepted"), 1);
    assert_int_equal(crew_count(b, "runtime.started", "actor_id", "lead"), 1);
    crew_end(&b);
}

/* A group whose files cannot be read for a while, found so at the start of a daemon or later, ends nobody's program: holders are told to try again, and go on when it is back. */
static void a_group_out_of_sight_keeps_its_programs(void **state)
{
    (void)state;
    for (int restarted = 0; restarted < 2; restarted++) {
        bench_t *b = crew_new("true", "active");
        crew_ready(b, "lead");
        crew_ready(b, "dev");
        uint64_t generation = bench_generation(b, TEAM, "lead");
        if (restarted)
            bench_restart(b);
        bench_trace(b);
        bench_reopen(b, TEAM, "the disk would not give its ledger", NULL);
        bench_pass(b, 20);
        bench_settle(b);
        assert_null(strstr(bench_trace(b), "store holder"));
        bench_as_holder(b, TEAM, "lead");
        assert_string_equal(bench_code(bench_ask(b, "hold_register", "{%s,'pid':77,'socket':'/s'}", crew_id(b, "lead", generation))),
                            "busy");
        bench_as_operator(b);
        bench_reopen(b, TEAM, NULL, NULL);
        crew_ready(b, "lead");
        crew_ready(b, "dev");
        assert_null(strstr(bench_trace(b), "store holder"));
        assert_string_equal(crew_state(b, "lead"), "running");
        assert_int_equal(bench_generation(b, TEAM, "lead"), generation);
        crew_end(&b);
    }
}

/* The holder of a running program that has had its time to ask for orders and did not is not called running, and what waits for it says what helps; it is running again once it asks. */
static void a_holder_that_is_silent_is_said_to_be(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    bench_pass(b, 4);
    assert_string_equal(crew_state(b, "lead"), "running");
    bench_pass(b, 9);
    assert_string_equal(crew_state(b, "lead"), "running");
    bench_pass(b, 4);
    assert_string_equal(crew_state(b, "lead"), "unreachable");
    assert_null(bench_at(crew_row(b, "lead"), "idle_seconds"));
    const cccc_value_t *sent = bench_do(b, "send", "{'group_id':'" TEAM "','to':['lead'],'text':'x','outlook':true}");
    assert_string_equal(bench_str_at(b, sent, "recipients.0.will"), "waits");
    assert_non_null(strstr(bench_str_at(b, sent, "recipients.0.next"), "cccc actor restart lead"));
    crew_wait(b, "lead", "", 1);
    assert_string_equal(crew_state(b, "lead"), "running");
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
    crew_ready(b, "lead");
    crew_ready(b, "dev");
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
    crew_ready(b, "lead");
    crew_hello(b, "dev");
    bench_restart(b);
    bench_settle(b);
    assert_true(cccc_get_bool(crew_row(b, "lead"), "running", false));
    assert_int_equal(bench_uint_at(crew_row(b, "lead"), "pid"), 77);
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
    assert_true(cccc_get_bool(crew_row(b, "lead"), "running", false));
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
    assert_false(cccc_get_bool(crew_row(b, "lead"), "running", true));
    expect_refusal(b, "term_attach", "", "actor_not_running", "cccc actor start lead");
    crew_end(&b);
}

/* The group's setting says who may see a terminal, and so who may change its size. */
static void a_terminal_is_sized_by_who_may_see_it(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    bench_do(b, "group_settings_update", "{'group_id':'" TEAM "','patch':{'terminal_transcript_visibility':'off'}}");
    bench_as_actor(b, TEAM, "dev");
    expect_refusal(b, "term_resize", ",'cols':100,'rows':30", "permission_denied", "terminal_transcript_visibility is off");
    assert_null(crew_wait(b, "lead", "", 1));
    bench_as_operator(b);
    bench_request(b, 1, "term_resize", "{'group_id':'" TEAM "','actor_id':'lead','cols':100,'rows':30}");
    assert_string_equal(bench_str_at(b, crew_wait(b, "lead", "", 1), "0.order"), "resize");
    crew_end(&b);
}

/* A claim that was not durable when the daemon died was told to nobody: the message is claimed anew. */
static void a_claim_that_was_lost_is_made_again(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_ready(b, "lead");
    crew_send(b, "lead", "hello");
    bench_as_holder(b, TEAM, "lead");
    bench_request(b, 6000, "hold_wait", "{%s,'facts':{'ready':true,'typed':1}}", crew_id(b, "lead", bench_generation(b, TEAM, "lead")));
    bench_as_operator(b);
    while (bench_finish_read(b))
        continue;
    bench_restart(b);
    bench_settle(b);
    assert_int_equal(crew_count(b, "runtime.delivery", "state", "claimed"), 0);
    crew_hello(b, "lead");
    crew_order(b, "lead", "", 1);
    assert_int_equal(crew_count(b, "runtime.delivery", "state", "claimed"), 1);
    crew_end(&b);
}

/* A holder that dies takes its program along: that is known at once, what was being typed is ambiguous and stays so, and a new program starts. */
static void a_holder_that_dies_leaves_what_was_claimed_ambiguous(void **state)
{
    (void)state;
    for (int while_down = 0; while_down < 2; while_down++) {
        bench_t *b = crew_new("true", "active");
        crew_ready(b, "lead");
        crew_send(b, "lead", "hello");
        crew_order(b, "lead", "", 1);
        crew_send(b, "lead", "still waiting");
        bench_kill_holder(b, TEAM, "lead");
        if (while_down)
            bench_restart(b);
        bench_settle(b);
        assert_int_equal(crew_count(b, "runtime.delivery", "state", "ambiguous"), 1);
        assert_int_equal(crew_count(b, "runtime.exited", "actor_id", "lead"), 1);
        bench_pass(b, 3);
        bench_settle(b);
        crew_hello(b, "lead");
        const cccc_value_t *orders = crew_wait(b, "lead", "", 1);
        for (int second = 0; !orders && second < 6; second++) {
            bench_pass(b, 1);
            orders = crew_wait(b, "lead", "", 1);
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
        crew_hello(b, "lead");
        crew_exits(b, "lead", "{'code':7,'asked':false,'limit':'memory','screen':'last words'}");
        assert_string_equal(crew_state(b, "lead"), "exited");
        int seconds = 0;
        while (round < 4 && strcmp(crew_state(b, "lead"), "exited") == 0 && seconds < 60) {
            bench_pass(b, 1);
            bench_settle(b);
            seconds++;
        }
        if (round < 4)
            assert_in_range(seconds, 1 << round, (1 << round) + 1); /* 1 s, doubling; looked at once a second */
    }
    assert_int_equal(bench_uint_at(crew_row(b, "lead"), "exit.code"), 7);
    assert_string_equal(bench_str_at(b, crew_row(b, "lead"), "exit.screen"), "last words");
    assert_string_equal(bench_str_at(b, crew_row(b, "lead"), "exit.limit"), "memory");
    assert_non_null(strstr(bench_str_at(b, crew_row(b, "lead"), "start_error"), "exited 5 times"));
    bench_pass(b, 200);
    bench_settle(b);
    assert_string_equal(crew_state(b, "lead"), "exited");
    const cccc_value_t *group = bench_at(bench_do(b, "status", "{'group_id':'" TEAM "'}"), "group");
    assert_int_equal(bench_uint_at(group, "actors_running"), 0);
    assert_string_equal(bench_str_at(b, group, "actors_troubled.0.actor_id"), "lead");
    assert_non_null(strstr(bench_str_at(b, group, "actors_troubled.0.reason"), "exited 5 times"));
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    crew_hello(b, "lead");
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    crew_end(&b);
}

/* ---- stopped on purpose, and woken ---- */

/* A group's stop leaves `enabled` alone, so its start brings back what ran and not what was stopped on purpose. */
static void a_group_comes_back_as_it_was(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_hello(b, "lead");
    crew_hello(b, "dev");
    bench_request(b, 1, "group_stop", "{'group_id':'" TEAM "'}");
    bench_settle(b);
    crew_exits(b, "lead", "{'signal':15,'asked':true}");
    crew_exits(b, "dev", "{'signal':15,'asked':true}");
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    crew_send(b, "lead", "a stopped group wakes nobody");
    crew_send(b, "off", "nor whoever is named");
    bench_pass(b, 5);
    bench_settle(b);
    assert_string_equal(crew_state(b, "lead"), "exited");
    bench_request(b, 2, "group_start", "{'group_id':'" TEAM "'}");
    bench_settle(b);
    crew_hello(b, "lead");
    crew_hello(b, "dev");
    assert_string_equal(bench_code(bench_reply(b, 2)), "ok");
    assert_string_equal(crew_state(b, "off"), "never started");
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
    crew_hello(b, "off");
    const cccc_value_t *result = bench_at(bench_reply(b, 1), "result");
    assert_true(cccc_get_bool(result, "group_started", false));
    assert_string_equal(bench_text(b, bench_at(result, "left_stopped")), "[\"lead\",\"dev\"]");
    crew_send(b, "@all", "hello");
    bench_restart(b);
    bench_pass(b, 3);
    bench_settle(b);
    assert_int_equal(bench_generation(b, TEAM, "lead") + bench_generation(b, TEAM, "dev"), 0);
    assert_true(cccc_get_bool(crew_row(b, "lead"), "left_stopped", false));
    const char *asked = "{'group_id':'" TEAM "','to':['@foreman'],'text':'hello','outlook':true}";
    assert_non_null(strstr(bench_str_at(b, bench_do(b, "send", "%s", asked), "recipients.0.why"), "left stopped"));
    crew_send(b, "dev", "hello");
    bench_settle(b);
    assert_true(bench_generation(b, TEAM, "dev") > 0);
    assert_int_equal(bench_generation(b, TEAM, "lead"), 0);
    bench_request(b, 2, "group_start", "{'group_id':'" TEAM "'}");
    bench_settle(b);
    assert_true(bench_generation(b, TEAM, "lead") > 0);
    assert_null(cccc_get(crew_row(b, "lead"), "left_stopped"));
    bench_request(b, 3, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    crew_hello(b, "lead");
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
        crew_send(b, cases[i].to, "hello");
        bench_settle(b);
        bool woken = bench_generation(b, TEAM, "off") > 0;
        if (woken != cases[i].wakes)
            fail_msg("case %zu: %s", i, bench_trace(b));
        if (woken) {
            crew_hello(b, "off");
            assert_int_equal(crew_count(b, "runtime.started", "why", "woken"), 1);
            assert_json(b, bench_at(crew_row(b, "off"), "enabled"), "true");
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
    crew_hello(b, "off");
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
    assert_int_equal(crew_count(b, "actor.start", "actor_id", "off"), 1);
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
    assert_json(b, bench_at(crew_row(b, "new"), "enabled"), "true");
    const cccc_value_t *sent = bench_do(b, "send", "{'group_id':'" TEAM "','to':['new'],'text':'hello'}");
    assert_non_null(strstr(bench_str_at(b, sent, "recipients.0.why"), "its program does not start: the actor has no directory"));
    bench_do(b, "attach", "{'group_id':'" TEAM "','path':'/src/other'}");
    bench_request(b, 1, "actor_start", "{'group_id':'" TEAM "','actor_id':'new'}");
    bench_settle(b);
    crew_hello(b, "new");
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    assert_string_equal(crew_state(b, "new"), "running");
    crew_end(&b);
}

/* ---- configuration ---- */

/* An actor's own patch of `enabled` starts and stops it, and waits. */
static void enabling_starts_and_disabling_stops(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    bench_request(b, 1, "actor_update", "{'group_id':'" TEAM "','actor_id':'off','patch':{'enabled':true}}");
    bench_settle(b);
    assert_null(bench_reply(b, 1));
    crew_hello(b, "off");
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_json(b, bench_at(reply, "result.running"), "true");
    bench_request(b, 2, "actor_update", "{'group_id':'" TEAM "','actor_id':'off','patch':{'enabled':false}}");
    bench_settle(b);
    assert_null(bench_reply(b, 2));
    crew_exits(b, "off", "{'signal':15,'asked':true}");
    assert_json(b, bench_at(bench_reply(b, 2), "result.running"), "false");
    crew_end(&b);
}

/* A start that is asked for while the program is being stopped waits for its end and starts it again. */
static void a_start_while_stopping_starts_again(void **state)
{
    (void)state;
    bench_t *b = crew_new("true", "active");
    crew_hello(b, "lead");
    bench_request(b, 1, "actor_stop", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    bench_request(b, 2, "actor_start", "{'group_id':'" TEAM "','actor_id':'lead'}");
    bench_settle(b);
    uint64_t first = bench_generation(b, TEAM, "lead");
    crew_exits(b, "lead", "{'signal':15,'asked':true}");
    assert_int_not_equal(bench_generation(b, TEAM, "lead"), first);
    assert_null(bench_reply(b, 2));
    crew_hello(b, "lead");
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    assert_string_equal(bench_code(bench_reply(b, 2)), "ok");
    assert_string_equal(crew_state(b, "lead"), "running");
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
             crew_id(b, "lead", bench_generation(b, TEAM, "lead")));
    bench_as_operator(b);
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_code(reply), "actor_start_failed");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "has exited"));
    assert_int_equal(bench_uint_at(crew_row(b, "lead"), "exit.code"), 7);
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
            crew_hello(b, "new");
        assert_json(b, bench_at(bench_reply(b, 1), "result.running"), running ? "true" : "false");
        assert_int_equal(crew_count(b, "runtime.started", "why", "added"), running);
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
    assert_json(b, bench_at(crew_row(b, "lead"), "processes_max"), "20");
    bench_do(b, "actor_update", "{'group_id':'" TEAM "','actor_id':'lead','patch':{'processes_max':0}}");
    assert_null(bench_at(crew_row(b, "lead"), "processes_max"));
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
