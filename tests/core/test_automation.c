/* test_automation.c - automation rules: who may change them and how, when they run and when they do not, and what they do (reference 7.4, 7.5, section 13: 47 to 52). */
#include "tests/core/team.h"
#include "tests/core/ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cccc_value_t *state(bench_t *b)
{
    return bench_do(b, "group_automation_state", "{'group_id':'%s'}", TEAM);
}

static int64_t wall(bench_t *b)
{
    int64_t us = 0;
    assert_true(cccc_ts_parse(cccc_str(bench_str_at(b, state(b), "server_now")), &us));
    return us;
}

/* Turn the wall clock to that time, or less than a second behind it. */
static void set_clock(bench_t *b, const char *ts)
{
    int64_t us = 0;
    assert_true(cccc_ts_parse(cccc_str(ts), &us));
    int64_t behind = us - wall(b);
    bench_turn_clock(b, behind / 1000000 + (behind % 1000000 > 0 ? 1 : 0));
}

/* Make a rule that notifies: `trigger` and `more` members as JSON. */
static void rule(bench_t *b, const char *id, const char *trigger, const char *more)
{
    bench_do(b, "group_automation_manage",
             "{'group_id':'%s','actions':[{'type':'create_rule','rule':{'id':'%s','to':['peer-1'],'trigger':%s,"
             "'action':{'kind':'notify','title':'%s','message':'now'}%s}}]}",
             TEAM, id, trigger, id, more);
}

#define EVERY(seconds)     "{'kind':'interval','every_seconds':" #seconds "}"
#define CRON(cron_, zone_) "{'kind':'cron','cron':'" cron_ "','timezone':'" zone_ "'}"
#define AT(ts)             "{'kind':'at','at':'" ts "'}"

/* The runs there are, as "HH:MM:SS target:title", in order; since event `after`. */
static const char *runs_after(bench_t *b, uint64_t after)
{
    cccc_str_t text = CCCC_STR("");
    struct cccc_event event;
    for (uint64_t seq = after + 1; bench_event(b, TEAM, seq, &event); seq++) {
        if (!cccc_str_is(cccc_get_str(&event.data, "kind"), "automation"))
            continue;
        text =
            cccc_arena_printf(bench_arena(b), "%.*s%s%.8s %.*s:%.*s", CCCC_STR_FMT(text), text.len ? " | " : "", event.ts.ptr + 11,
                              CCCC_STR_FMT(cccc_get_str(&event.data, "target_actor_id")), CCCC_STR_FMT(cccc_get_str(&event.data, "title")));
    }
    return text.len ? text.ptr : "-";
}

static const char *runs(bench_t *b)
{
    return runs_after(b, 0);
}

static uint32_t count_runs(bench_t *b)
{
    uint32_t n = 0;
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++)
        n += cccc_str_is(cccc_get_str(&event.data, "kind"), "automation");
    return n;
}

static const char *status(bench_t *b, const char *id, const char *member)
{
    return bench_str_at(b, state(b), cccc_arena_printf(bench_arena(b), "status.%s.%s", id, member).ptr);
}

static void expect(bench_t *b, const char *code, const char *cause, const cccc_value_t *reply)
{
    const char *found = bench_str_at(b, reply, "error.details.cause");
    if (strcmp(bench_code(reply), code) != 0 || (cause && (!found || strcmp(found, cause) != 0)))
        fail_msg("expected %s (%s): %s", code, cause ? cause : "-", bench_text(b, reply));
}

#define REFUSED(b, code, cause, op, ...) expect(b, code, cause, bench_ask(b, op, __VA_ARGS__))

/* ---- when ---- */

/* An interval begins when the rule is made, keeps its rhythm, and does not run at once. */
static void interval_keeps_its_rhythm(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-11-28T12:00:00Z");
    rule(b, "r", EVERY(600), "");
    team_pass(b, 599);
    assert_string_equal(runs(b), "-");
    team_pass(b, 3);
    assert_string_equal(runs(b), "12:10:00 peer-1:r");
    team_pass(b, 1800);
    assert_string_equal(runs(b), "12:10:00 peer-1:r | 12:20:00 peer-1:r | 12:30:00 peer-1:r | 12:40:00 peer-1:r");
    team_end(&b);
}

/* The `due` marks of the runs, in order, as distances in microseconds from when the rule was armed. */
static void expect_dues(bench_t *b, const char *rule_id, int64_t every_us, uint32_t count)
{
    int64_t armed = 0, due = 0;
    uint32_t n = 0;
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++) {
        const cccc_value_t *context = cccc_get(&event.data, "context");
        if (cccc_str_is(event.kind, "group.automation_update"))
            assert_true(cccc_ts_parse(event.ts, &armed));
        if (!cccc_str_is(cccc_get_str(context, "rule_id"), rule_id))
            continue;
        assert_true(cccc_ts_parse(cccc_get_str(context, "due"), &due));
        assert_int_equal(due, armed + ++n * every_us);
    }
    assert_int_equal(n, count);
}

/* The times an interval runs for are exact to the microsecond, however late the event that armed it became durable, each run begins, and in restarts between. */
static void interval_does_not_drift(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    rule(b, "r", EVERY(7), "");
    for (int i = 0; i < 20; i++) {
        team_pass(b, 7);
        if (i % 3 == 2) {
            bench_restart(b);
            bench_settle(b);
        }
    }
    expect_dues(b, "r", 7000000, count_runs(b));
    assert_in_range(count_runs(b), 19, 20);
    team_end(&b);
}

/* Restarts in between neither repeat a run nor skip one; what was due while the daemon was away for long is not made up for, and the rhythm stays. */
static void restart_neither_repeats_nor_skips(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-11-28T12:00:00Z");
    rule(b, "every", EVERY(600), "");
    rule(b, "cron", CRON("*/10 * * * *", "UTC"), "");
    for (int i = 0; i < 13; i++) {
        team_pass(b, 100);
        bench_restart(b);
        bench_settle(b);
    }
    assert_string_equal(runs(b), "12:10:00 peer-1:every | 12:10:00 peer-1:cron | 12:20:00 peer-1:every | 12:20:00 peer-1:cron");
    bench_restart(b);
    bench_turn_clock(b, 3 * 3600); /* away until 15:21:40 */
    bench_settle(b);
    team_pass(b, 600);
    assert_string_equal(runs(b), "12:10:00 peer-1:every | 12:10:00 peer-1:cron | 12:20:00 peer-1:every | 12:20:00 peer-1:cron | "
                                 "15:30:00 peer-1:every | 15:30:00 peer-1:cron");
    team_end(&b);
}

/* A daemon that comes back within a minute of the time still runs what was due; later it does not. */
static void what_is_late_by_less_than_a_minute_still_runs(void **state_)
{
    (void)state_;
    static const struct {
        int64_t away;
        const char *runs;
    } cases[] = {{50, "12:09:55 peer-1:every | 12:09:55 peer-1:cron"}, {90, "-"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_t *b = team_new_quiet();
        set_clock(b, "2026-11-28T11:59:00Z");
        rule(b, "every", EVERY(600), "");
        rule(b, "cron", CRON("9 * * * *", "UTC"), "");
        team_pass(b, 594);
        bench_restart(b);
        bench_turn_clock(b, cases[i].away + 10);
        bench_settle(b);
        team_pass(b, 1);
        char *found = strdup(runs(b));
        if (i == 0)
            assert_true(strstr(found, "peer-1:every") && strstr(found, "peer-1:cron"));
        else
            assert_string_equal(found, cases[i].runs);
        free(found);
        team_end(&b);
    }
}

/* Paused, idle and stopped groups are left alone, and nothing of what was due meanwhile is made up for. */
static void groups_that_do_not_run_are_left_alone(void **state_)
{
    (void)state_;
    static const char *const states[] = {"paused", "idle"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        bench_t *b = team_new_quiet();
        set_clock(b, "2026-11-28T12:00:00Z");
        rule(b, "every", EVERY(600), "");
        rule(b, "cron", CRON("*/10 * * * *", "UTC"), "");
        rule(b, "once", AT("2026-11-28T12:05:00Z"), "");
        bench_do(b, "group_set_state", "{'group_id':'%s','state':'%s'}", TEAM, states[i]);
        team_pass(b, 3000);
        assert_string_equal(runs(b), "-");
        bench_do(b, "group_set_state", "{'group_id':'%s','state':'active'}", TEAM); /* 12:50:00 */
        team_pass(b, 700);
        assert_string_equal(runs(b), "12:50:04 peer-1:once | 13:00:00 peer-1:cron | 13:00:03 peer-1:every");
        team_end(&b);
    }
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-11-28T12:00:00Z");
    rule(b, "cron", CRON("*/10 * * * *", "UTC"), "");
    bench_do(b, "group_stop", "{'group_id':'%s'}", TEAM);
    team_pass(b, 3000);
    assert_string_equal(runs(b), "-");
    team_end(&b);
}

/* Wherever the wall clock jumps, intervals take their time. */
static void jumps_of_the_wall_clock_do_not_move_intervals(void **state_)
{
    (void)state_;
    static const int64_t jumps[] = {3600, -3600, 10 * 365 * 86400LL, -365 * 86400LL};
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        bench_t *b = team_new_quiet();
        rule(b, "r", EVERY(600), "");
        team_pass(b, 300);
        bench_turn_clock(b, jumps[i]);
        team_pass(b, 298);
        assert_int_equal(count_runs(b), 0);
        team_pass(b, 4);
        assert_int_equal(count_runs(b), 1);
        bench_turn_clock(b, -jumps[i]);
        team_pass(b, 590);
        assert_int_equal(count_runs(b), 1);
        team_pass(b, 10);
        assert_int_equal(count_runs(b), 2);
        team_end(&b);
    }
}

/* A clock that is put forward skips times, one that is put back repeats none that had their run; put back by years it counts as corrected. */
static void jumps_of_the_wall_clock_and_cron(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-11-28T12:00:30Z");
    rule(b, "r", CRON("0,30 * * * *", "UTC"), "");
    team_pass(b, 1800);
    assert_string_equal(runs(b), "12:30:00 peer-1:r");
    bench_turn_clock(b, 3600); /* 13:30:30: 13:00 is missed, 13:30 is not yet */
    team_pass(b, 5);
    assert_string_equal(runs(b), "12:30:00 peer-1:r | 13:30:32 peer-1:r");
    bench_turn_clock(b, -2 * 3600); /* 11:30:35 */
    team_pass(b, 2 * 3600);         /* until 13:30:35 */
    assert_string_equal(runs(b), "12:30:00 peer-1:r | 13:30:32 peer-1:r");
    team_pass(b, 1800);
    assert_string_equal(runs(b), "12:30:00 peer-1:r | 13:30:32 peer-1:r | 14:00:00 peer-1:r");
    bench_turn_clock(b, -10 * 365 * 86400LL); /* 14:00:35 */
    team_pass(b, 1800);
    assert_string_equal(runs(b), "12:30:00 peer-1:r | 13:30:32 peer-1:r | 14:00:00 peer-1:r | 14:30:00 peer-1:r");
    team_end(&b);
}

/* Three zones in the nights on which their clocks change, minute by minute, with a restart in the middle: the times are those that users are told. */
static void nights_on_which_clocks_change(void **state_)
{
    (void)state_;
    static const struct {
        const char *zone, *from, *runs;
        uint32_t hours;
    } cases[] = {
        /* 30 2: skipped in March, shown twice in October; and each hour */
        {"Europe/Berlin", "2026-03-28T23:50:00Z", "00:00:00 hourly | 01:00:00 fixed | 01:00:00 hourly | 02:00:00 hourly", 3},
        {"Europe/Berlin", "2026-10-24T23:50:00Z", "00:00:00 hourly | 00:30:00 fixed | 01:00:00 hourly | 02:00:00 hourly", 3},
        {"America/New_York", "2026-03-08T05:50:00Z", "06:00:00 hourly | 07:00:00 fixed | 07:00:00 hourly | 08:00:00 hourly", 3},
        {"America/New_York", "2026-11-01T04:50:00Z", "05:00:00 hourly | 06:00:00 hourly | 07:00:00 hourly | 07:30:00 fixed", 3},
        {"Australia/Lord_Howe", "2026-10-03T14:20:00Z", "14:30:00 hourly | 15:30:00 fixed | 16:00:00 hourly | 17:00:00 hourly", 3},
        {"Australia/Lord_Howe", "2026-04-04T13:50:00Z", "14:00:00 hourly | 15:30:00 hourly | 16:00:00 fixed | 16:30:00 hourly", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_t *b = team_new_quiet();
        char trigger[160];
        cccc_str_t found = CCCC_STR("");
        struct cccc_event event;
        set_clock(b, cases[i].from);
        snprintf(trigger, sizeof trigger, "{'kind':'cron','cron':'30 2 * * *','timezone':'%s'}", cases[i].zone);
        if (i == 4)
            snprintf(trigger, sizeof trigger, "{'kind':'cron','cron':'15 2 * * *','timezone':'%s'}", cases[i].zone);
        rule(b, "fixed", trigger, "");
        snprintf(trigger, sizeof trigger, "{'kind':'cron','cron':'0 * * * *','timezone':'%s'}", cases[i].zone);
        rule(b, "hourly", trigger, "");
        team_pass(b, cases[i].hours * 1800);
        bench_restart(b);
        bench_settle(b);
        team_pass(b, cases[i].hours * 1800);
        for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++)
            if (cccc_str_is(cccc_get_str(&event.data, "kind"), "automation"))
                found = cccc_arena_printf(bench_arena(b), "%.*s%s%.8s %.*s", CCCC_STR_FMT(found), found.len ? " | " : "", event.ts.ptr + 11,
                                          CCCC_STR_FMT(cccc_get_str(&event.data, "title")));
        if (!cccc_str_is(found, cases[i].runs))
            fail_msg("%s: expected %s\nhave %.*s", cases[i].zone, cases[i].runs, CCCC_STR_FMT(found));
        team_end(&b);
    }
}

/* The next five runs are told with the local time of the rule's zone; an unknown zone is refused when the rule is made. */
static void next_runs_are_told(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-03-27T12:00:00Z");
    rule(b, "r", CRON("30 2 * * *", "Europe/Berlin"), "");
    rule(b, "i", EVERY(90), "");
    assert_json(b, bench_at(state(b), "status.r.next_runs"),
                "[{'at':'2026-03-28T01:30:00.000000Z','local':'2026-03-28T02:30:00+01:00'},"
                "{'at':'2026-03-29T01:00:00.000000Z','local':'2026-03-29T03:00:00+02:00'},"
                "{'at':'2026-03-30T00:30:00.000000Z','local':'2026-03-30T02:30:00+02:00'},"
                "{'at':'2026-03-31T00:30:00.000000Z','local':'2026-03-31T02:30:00+02:00'},"
                "{'at':'2026-04-01T00:30:00.000000Z','local':'2026-04-01T02:30:00+02:00'}]");
    assert_string_equal(status(b, "r", "next_fire_at"), "2026-03-28T01:30:00.000000Z");
    assert_memory_equal(status(b, "i", "next_runs.4.at"), "2026-03-27T12:07:30.", 20);
    REFUSED(b, "group_automation_manage_failed", "invalid_rule", "group_automation_manage",
            "{'group_id':'%s','actions':[{'type':'create_rule','rule':{'id':'z','trigger':" CRON("* * * * *", "Mars/Base") "}}]}", TEAM);
    bench_do(b, "group_automation_manage", "{'group_id':'%s','actions':[{'type':'set_rule_enabled','rule_id':'r','enabled':false}]}", TEAM);
    assert_string_equal(status(b, "r", "next_fire_at"), "");
    team_end(&b);
}

/* ---- once ---- */

/* A one-time rule runs once, also long after its time, waits for somebody to tell, and is disabled then; its version rises (50). With another time it runs again (48). */
static void one_time_rule_runs_once(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-11-28T12:00:00Z");
    bench_do(b, "actor_update", "{'group_id':'%s','actor_id':'peer-1','patch':{'enabled':false}}", TEAM);
    rule(b, "once", AT("2026-11-20T08:00:00+01:00"), "");
    team_pass(b, 100);
    assert_string_equal(runs(b), "-");
    assert_string_equal(status(b, "once", "last_error"), "nobody of peer-1 is enabled and runs");
    assert_string_equal(status(b, "once", "completed_at"), "");
    bench_do(b, "actor_update", "{'group_id':'%s','actor_id':'peer-1','patch':{'enabled':true}}", TEAM);
    team_pass(b, 20);
    assert_string_equal(runs(b), "12:01:41 peer-1:once");
    cccc_value_t document = bench_document(b, TEAM);
    assert_json(b, bench_at(&document, "automation.rules.0.enabled"), "false");
    assert_json(b, bench_at(&document, "automation.version"), "2");
    assert_json(b, bench_at(state(b), "status.once.completed"), "true");
    team_pass(b, 1000);
    bench_restart(b);
    bench_do(b, "group_automation_manage", "{'group_id':'%s','actions':[{'type':'set_rule_enabled','rule_id':'once','enabled':true}]}",
             TEAM);
    team_pass(b, 100);
    assert_string_equal(runs(b), "12:01:41 peer-1:once");
    bench_do(b, "group_automation_manage",
             "{'group_id':'%s','actions':[{'type':'update_rule','rule':{'id':'once','to':['peer-1'],'trigger':" AT(
                 "2026-11-28T12:30:00Z") ",'action':{'kind':'notify','message':'again'}}}]}",
             TEAM);
    team_pass(b, 1000);
    assert_string_equal(runs(b), "12:01:41 peer-1:once | 12:30:00 peer-1:Reminder");
    team_end(&b);
}

/* Killed between the run and its end, it does not run again, and is disabled later. */
static void one_time_rule_survives_a_kill_in_the_middle(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-11-28T12:00:00Z");
    rule(b, "once", AT("2026-11-28T12:00:10Z"), "");
    bench_pass(b, 10);
    bench_sync(b, TEAM, 1); /* the notice is durable; the end is not even decided */
    assert_int_equal(count_runs(b), 1);
    bench_restart(b);
    bench_settle(b);
    team_pass(b, 100);
    assert_int_equal(count_runs(b), 1);
    cccc_value_t document = bench_document(b, TEAM);
    assert_json(b, bench_at(&document, "automation.rules.0.enabled"), "false");
    team_end(&b);
}

/* A run that the disk loses is made again as long as it is in time; nothing counts that is not durable. */
static void run_that_was_not_stored_is_made_again(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-11-28T12:00:00Z");
    rule(b, "once", AT("2026-11-28T12:00:10Z"), "");
    bench_pass(b, 10);
    bench_fail(b, TEAM, CCCC_E_STORAGE, true, 0, true);
    bench_refold(b);
    team_pass(b, 5);
    assert_int_equal(count_runs(b), 1);
    assert_string_equal(runs(b), "12:00:11 peer-1:once");
    team_end(&b);
}

/* A state of the group and actors that start or stop: only at a time; by system; marked with the rule. Stopped stops, and what is paused stays so. */
static void groups_and_actors_are_controlled_once(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    struct cccc_event event;
    set_clock(b, "2026-11-28T12:00:00Z");
    REFUSED(
        b, "group_automation_manage_failed", "invalid_rule", "group_automation_manage",
        "{'group_id':'%s','actions':[{'type':'create_rule','rule':{'id':'x','trigger':" EVERY(60) ",'action':{'kind':'group_state'}}}]}",
        TEAM);
    bench_do(
        b, "group_automation_update",
        "{'group_id':'%s','ruleset':{'rules':["
        "{'id':'stop','trigger':" AT(
            "2026-11-28T12:00:10Z") ",'action':{'kind':'actor_control','operation':'stop','targets':['@peers']}},"
                                    "{'id':'start','trigger':" AT(
                                        "2026-11-28T12:00:20Z") ",'action':{'kind':'actor_control','operation':'start','targets':['off','"
                                                                "nobody']}},"
                                                                "{'id':'nobody','trigger':" AT(
                                                                    "2026-11-28T12:00:20Z") ",'action':{'kind':'actor_control','targets':['"
                                                                                            "nobody']}},"
                                                                                            "{'id':'pause','trigger':" AT(
                                                                                                "2026-11-28T12:00:30Z") ",'action':{'kind':"
                                                                                                                        "'group_state'}},"
                                                                                                                        "{'id':'wake','"
                                                                                                                        "trigger':" AT(
                                                                                                                            "2026-11-28T12:"
                                                                                                                            "00:40Z") ",'"
                                                                                                                                      "acti"
                                                                                                                                      "on':"
                                                                                                                                      "{'"
                                                                                                                                      "kind"
                                                                                                                                      "':'"
                                                                                                                                      "grou"
                                                                                                                                      "p_"
                                                                                                                                      "stat"
                                                                                                                                      "e','"
                                                                                                                                      "stat"
                                                                                                                                      "e':'"
                                                                                                                                      "acti"
                                                                                                                                      "ve'}"
                                                                                                                                      "}]}"
                                                                                                                                      "}",
        TEAM);
    team_pass(b, 100);
    cccc_value_t document = bench_document(b, TEAM);
    assert_json(b, bench_at(&document, "actors.1.enabled"), "false");
    assert_json(b, bench_at(&document, "actors.3.enabled"), "true");
    assert_json(b, bench_at(&document, "state"), "'paused'");
    assert_json(b, bench_at(&document, "automation.rules.4.enabled"), "true"); /* a rule does not run in a paused group */
    assert_string_equal(status(b, "nobody", "last_error"), "nobody is nobody of this group");
    bool marked = false;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++)
        if (cccc_str_is(event.kind, "group.set_state")) {
            marked = cccc_str_is(cccc_get_str(cccc_get(&event.data, "rule"), "rule_id"), "pause");
            assert_true(cccc_str_is(event.by, "system"));
        }
    assert_true(marked);
    team_end(&b);
}

/* By hand a rule starts a stopped group before it makes it active (49), and what is asked of it counts beside its schedule. */
static void rule_runs_by_hand(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    struct cccc_event event;
    set_clock(b, "2026-11-28T12:00:00Z");
    rule(b, "r", EVERY(600), ",'enabled':false");
    bench_do(b, "group_automation_manage",
             "{'group_id':'%s','actions':[{'type':'create_rule','rule':{'id':'wake','trigger':" AT(
                 "2036-01-01T00:00:00Z") ",'action':{'kind':'group_state','state':'active'}}}]}",
             TEAM);
    team_pass(b, 100);
    assert_json(b, bench_at(bench_do(b, "group_automation_run", "{'group_id':'%s','rule_id':'r'}", TEAM), "actor_ids"), "['peer-1']");
    assert_string_equal(runs(b), "12:01:40 peer-1:r");
    assert_memory_equal(status(b, "r", "last_fired_at"), "2026-11-28T12:01:40.", 20);
    REFUSED(b, "rule_not_found", NULL, "group_automation_run", "{'group_id':'%s','rule_id':'nope'}", TEAM);
    REFUSED(b, "permission_denied", NULL, "group_automation_run", "{'group_id':'%s','rule_id':'wake','by':'lead'}", TEAM);
    bench_do(b, "group_set_state", "{'group_id':'%s','state':'idle'}", TEAM);
    bench_do(b, "group_stop", "{'group_id':'%s'}", TEAM);
    uint64_t head = bench_durable(b, TEAM);
    bench_do(b, "group_automation_run", "{'group_id':'%s','rule_id':'wake'}", TEAM);
    assert_true(bench_event(b, TEAM, head + 1, &event) && cccc_str_is(event.kind, "group.start"));
    assert_true(bench_event(b, TEAM, head + 2, &event) && cccc_str_is(event.kind, "group.set_state"));
    assert_json(b, bench_at(state(b), "status.wake.completed"), "false");
    team_end(&b);
}

/* ---- what ---- */

/* Texts: a snippet before the message, variables in both and in the title, nothing for names nobody knows; who is addressed and disabled hears nothing. */
static void texts_are_filled(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    struct cccc_event event = {0};
    set_clock(b, "2026-11-28T12:00:00Z");
    bench_do(b, "group_automation_update",
             "{'group_id':'%s','ruleset':{'snippets':{'s':'{{ group_title }}: {{actor_names}}, {{interval_minutes}} min, {{nope}}at "
             "{{scheduled_at}} {{'},"
             "'rules':[{'id':'r','to':['@peers','off'],'trigger':" EVERY(
                 150) ",'action':{'kind':'notify','title':' {{group_title}} "
                      "','snippet_ref':'s','message':'no','priority':'high','requires_ack':true}},"
                      "{'id':'blank','trigger':" EVERY(150) ",'action':{'kind':'notify','snippet_ref':'gone','message':'  {{nope}} '}}]}}",
             TEAM);
    team_pass(b, 151);
    assert_string_equal(runs(b), "12:02:30 peer-1:Team | 12:02:30 peer-2:Team");
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event) && !cccc_str_is(event.kind, "system.notify");)
        seq++;
    assert_json(b, cccc_get(&event.data, "message"), "'Team: Chief, peer-1, Reviewer, 2 min, at 2026-11-28T12:02:30.004000Z {{'");
    assert_json(b, cccc_get(&event.data, "context"), "{'rule_id':'r','due':'2026-11-28T12:02:30.004000Z'}");
    assert_json(b, cccc_get(&event.data, "priority"), "'high'");
    assert_json(b, cccc_get(&event.data, "requires_ack"), "true");
    assert_true(cccc_str_is(event.by, "system"));
    assert_non_null(strstr(status(b, "blank", "last_error"), "nothing to say"));
    team_end(&b);
}

/* ---- who, and how ---- */

#define PERSONAL(id_, owner_, to_)                                                                                                         \
    "{'id':'" id_ "','scope':'personal','owner_actor_id':'" owner_ "','to':[" to_ "],'trigger':" EVERY(60) ",'action':{'message':'x'}}"
#define NOTIFIES "{'id':'n','trigger':" EVERY(60) ",'action':{'kind':'notify','message':'x'}}"
#define PAUSES   "{'id':'p','trigger':" AT("2036-01-01T00:00:00Z") ",'action':{'kind':'group_state'}}"

/* The user may do anything, the foreman what notifies, a peer what is its own, services nothing. */
static void permissions(void **state_)
{
    (void)state_;
    static const struct {
        const char *by, *actions, *cause; /* NULL: allowed */
    } cases[] = {
        {"user", "{'type':'create_rule','rule':" PAUSES "}", NULL},
        {"lead", "{'type':'create_rule','rule':" NOTIFIES "}", NULL},
        {"lead", "{'type':'delete_rule','rule_id':'p'}", "permission_denied"},
        {"lead", "{'type':'set_rule_enabled','rule_id':'p','enabled':false}", "permission_denied"},
        {"lead", "{'type':'update_rule','rule':{'id':'p','trigger':" EVERY(60) "}}", "permission_denied"},
        {"lead", "{'type':'update_rule','rule':{'id':'n','trigger':" AT("2036-01-01T00:00:00Z") ",'action':{'kind':'actor_control'}}}",
         "permission_denied"},
        {"lead", "{'type':'set_rule_enabled','rule_id':'n','enabled':'no'}", NULL},
        {"lead", "{'type':'replace_all_rules','ruleset':{'rules':[]}}", "permission_denied"}, /* it would remove p */
        {"lead", "{'type':'replace_all_rules','ruleset':{'rules':[" PAUSES "," NOTIFIES "],'snippets':{'a':'b'}}}", NULL},
        {"peer-1", "{'type':'create_rule','rule':{'id':'m','trigger':" EVERY(60) "}}", "permission_denied"},
        {"peer-1", "{'type':'create_rule','rule':" PERSONAL("m", "peer-1", "'peer-1'") "}", NULL},
        {"peer-1", "{'type':'create_rule','rule':" PERSONAL("m2", "peer-2", "'peer-2'") "}", "permission_denied"},
        {"peer-1", "{'type':'create_rule','rule':" PERSONAL("m2", "peer-1", "'peer-1','lead'") "}", "permission_denied"},
        {"peer-1", "{'type':'create_rule','rule':" PERSONAL("m2", "peer-1", "'@all'") "}", "permission_denied"},
        {"peer-1", "{'type':'delete_rule','rule_id':'n'}", "permission_denied"},
        {"peer-1", "{'type':'replace_all_rules','ruleset':{'rules':[]}}", "permission_denied"},
        {"peer-2", "{'type':'delete_rule','rule_id':'m'}", "permission_denied"},
        {"peer-1", "{'type':'delete_rule','rule_id':'m'}", NULL},
        {"svc:web", "{'type':'delete_rule','rule_id':'n'}", "permission_denied"},
    };
    bench_t *b = team_new_quiet();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *reply =
            bench_ask(b, "group_automation_manage", "{'group_id':'%s','by':'%s','actions':[%s]}", TEAM, cases[i].by, cases[i].actions);
        expect(b, cases[i].cause ? "group_automation_manage_failed" : "ok", cases[i].cause, reply);
    }
    REFUSED(b, "permission_denied", NULL, "group_automation_manage", "{'group_id':'%s','by':'ghost','actions':[{'type':'x'}]}", TEAM);
    REFUSED(b, "permission_denied", NULL, "group_automation_state", "{'group_id':'%s','by':'ghost'}", TEAM);
    REFUSED(b, "group_automation_update_failed", "permission_denied", "group_automation_update",
            "{'group_id':'%s','by':'peer-1','ruleset':{}}", TEAM);
    REFUSED(b, "group_automation_update_failed", "permission_denied", "group_automation_update",
            "{'group_id':'%s','by':'lead','ruleset':{}}", TEAM);
    REFUSED(b, "group_automation_reset_baseline_failed", "permission_denied", "group_automation_reset_baseline",
            "{'group_id':'%s','by':'peer-1'}", TEAM);
    team_end(&b);
}

/* A peer sees the group's rules, its own, and the snippets of both. */
static void peers_see_what_is_theirs(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    bench_do(
        b, "group_automation_update",
        "{'group_id':'%s','ruleset':{'snippets':{'one':'1','two':'2','three':'3'},'rules':["
        "{'id':'g','trigger':" EVERY(60) ",'action':{'snippet_ref':'one'}},"
                                         "{'id':'a','scope':'personal','owner_actor_id':'peer-1','to':['peer-1'],'trigger':" EVERY(
                                             60) ",'action':{'snippet_ref':'two'}},"
                                                 "{'id':'b','scope':'personal','owner_actor_id':'peer-2','to':['peer-2'],'trigger':" EVERY(
                                                     60) ",'action':{'snippet_ref':'three'}}]}}",
        TEAM);
    const cccc_value_t *seen = bench_do(b, "group_automation_state", "{'group_id':'%s','by':'peer-1'}", TEAM);
    assert_json(b, bench_at(seen, "ruleset.snippets"), "{'one':'1','two':'2'}");
    assert_int_equal(bench_at(seen, "ruleset.rules")->via.array.size, 2);
    assert_null(bench_at(seen, "status.b"));
    assert_int_equal(
        bench_at(bench_do(b, "group_automation_state", "{'group_id':'%s','by':'lead'}", TEAM), "ruleset.rules")->via.array.size, 3);
    assert_json(
        b, bench_at(seen, "ruleset.rules.0"),
        "{'id':'g','enabled':true,'scope':'group','owner_actor_id':null,'to':['@foreman'],'trigger':{'kind':'interval','every_seconds':60},"
        "'action':{'kind':'notify','title':'','snippet_ref':'one','message':'','priority':'normal','requires_ack':false}}");
    team_end(&b);
}

/* Rules that are none are refused with the place and, for older forms, the name of today (51); nothing is changed then. */
static void what_is_no_rule_is_refused(void **state_)
{
    (void)state_;
    static const struct {
        const char *rule, *message;
    } cases[] = {
        {"{'trigger':" EVERY(60) "}", "rule.id is missing"},
        {"{'id':'','trigger':" EVERY(60) "}", "rule.id must not be empty"},
        {"{'id':'x'}", "rule.trigger is missing"},
        {"{'id':'x','trigger':{}}", "rule.trigger.kind must be one of: interval cron at"},
        {"{'id':'x','trigger':{'kind':'daily'}}", "rule.trigger.kind must be one of"},
        {"{'id':'x','trigger':{'kind':'interval'}}", "rule.trigger.every_seconds is missing"},
        {"{'id':'x','trigger':" EVERY(0) "}", "rule.trigger.every_seconds must be a whole number from 1"},
        {"{'id':'x','trigger':{'kind':'interval','every_seconds':60,'at':'x'}}", "rule.trigger.at is not known"},
        {"{'id':'x','trigger':{'kind':'cron','cron':'* * * *'}}", "rule.trigger.cron a cron expression has five fields"},
        {"{'id':'x','trigger':{'kind':'at','at':'tomorrow'}}", "rule.trigger.at must be a time such as"},
        {"{'id':'x','trigger':" EVERY(60) ",'action':{'kind':'shell'}}",
         "rule.action.kind must be one of: notify group_state actor_control"},
        {"{'id':'x','trigger':" EVERY(60) ",'action':{'priority':'loud'}}", "rule.action.priority must be one of"},
        {"{'id':'x','trigger':" AT("2036-01-01T00:00:00Z") ",'action':{'kind':'group_state','state':'asleep'}}",
         "rule.action.state must be one of"},
        {"{'id':'x','to':'lead','trigger':" EVERY(60) "}", "rule.to must be a list"},
        {"{'id':'x','enabled':'perhaps','trigger':" EVERY(60) "}", "rule.enabled must be true or false"},
        {"{'id':'x','scope':'personal','trigger':" EVERY(60) "}", "rule.owner_actor_id is missing"},
        {"{'id':'x','scope':'world','trigger':" EVERY(60) "}", "rule.scope must be one of"},
        {"{'id':'x','colour':1,'trigger':" EVERY(60) "}", "rule.colour is not known"},
        {"{'name':'x','trigger':" EVERY(60) "}", "rule.name is of an older form; it is id now"},
        {"{'id':'x','actions':[],'trigger':" EVERY(60) "}", "rule.actions is of an older form; it is action now"},
        {"{'id':'x','schedule':'* * * * *'}", "rule.schedule is of an older form; it is trigger now"},
        {"{'id':'x','every_minutes':5}", "rule.every_minutes is of an older form; it is trigger.every_seconds now"},
        {"{'id':'x','trigger':{'every_minutes':5}}", "rule.trigger.every_minutes is of an older form; it is every_seconds now"},
        {"{'id':'x','trigger':" EVERY(60) ",'action':{'type':'notify'}}", "rule.action.type is of an older form; it is kind now"},
        {"{'id':'x','trigger':" EVERY(60) ",'action':{'message_template':'m'}}",
         "rule.action.message_template is of an older form; it is message now"},
        {"[]", "rule must be a map"},
    };
    bench_t *b = team_new_quiet();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int form = 0; form < 2; form++) {
            const char *action =
                cccc_arena_printf(bench_arena(b), "{'type':'%s':%s%s%s}", form ? "replace_all_rules','ruleset" : "create_rule','rule",
                                  form ? "{'rules':[" : "", cases[i].rule, form ? "]}" : "")
                    .ptr;
            const cccc_value_t *reply = bench_ask(b, "group_automation_manage", "{'group_id':'%s','actions':[%s]}", TEAM, action);
            const char *message = bench_str_at(b, reply, "error.message");
            expect(b, "group_automation_manage_failed", "invalid_rule", reply);
            if (!strstr(message, cases[i].message + 4)) /* behind "rule", or "rules[0]" */
                fail_msg("%s: expected %s, have %s", cases[i].rule, cases[i].message, message);
        }
        REFUSED(b, "group_automation_update_failed", "invalid_rule", "group_automation_update",
                "{'group_id':'%s','ruleset':{'rules':[%s]}}", TEAM, cases[i].rule);
    }
    assert_json(b, bench_at(state(b), "version"), "0");
    assert_json(b, bench_at(state(b), "ruleset.rules"), "[]");
    team_end(&b);
}

/* Actions are applied all or none, in order; what changes nothing is no change; a version that is not the expected one is a conflict, also when the other change is still on its way to
 * the disk. */
static void changes_are_whole_and_have_versions(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    rule(b, "r", EVERY(60), "");
    REFUSED(b, "group_automation_manage_failed", "rule_not_found", "group_automation_manage",
            "{'group_id':'%s','actions':[{'type':'delete_rule','rule_id':'r'},{'type':'delete_rule','rule_id':'r'}]}", TEAM);
    REFUSED(b, "group_automation_manage_failed", "exists", "group_automation_manage",
            "{'group_id':'%s','actions':[{'type':'create_rule','rule':{'id':'r','trigger':" EVERY(60) "}}]}", TEAM);
    REFUSED(b, "group_automation_manage_failed", "invalid_rule", "group_automation_manage",
            "{'group_id':'%s','actions':[{'type':'explode'}]}", TEAM);
    REFUSED(b, "group_automation_manage_failed", "invalid_rule", "group_automation_manage",
            "{'group_id':'%s','actions':[{'type':'delete_rule','rule_id':'r','really':true}]}", TEAM);
    REFUSED(b, "invalid_request", NULL, "group_automation_manage", "{'group_id':'%s','actions':[]}", TEAM);
    const cccc_value_t *same = bench_do(b, "group_automation_manage",
                                        "{'group_id':'%s','actions':[{'type':'set_rule_enabled','rule_id':'r','enabled':true}]}", TEAM);
    assert_json(b, bench_at(same, "changed"), "false");
    assert_json(b, bench_at(same, "event"), "null");
    assert_json(b, bench_at(same, "version"), "1");
    const cccc_value_t *conflict = bench_ask(b, "group_automation_update", "{'group_id':'%s','expected_version':7,'ruleset':{}}", TEAM);
    expect(b, "version_conflict", NULL, conflict);
    assert_json(b, bench_at(conflict, "error.details"), "{'expected_version':7,'current_version':1}");
    for (uint64_t conn = 1; conn <= 2; conn++)
        bench_request(
            b, conn, "group_automation_manage",
            "{'group_id':'%s','expected_version':1,'actions':[{'type':'create_rule','rule':{'id':'c%u','trigger':" EVERY(60) "}}]}", TEAM,
            (unsigned)conn);
    bench_settle(b);
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    assert_string_equal(bench_code(bench_reply(b, 2)), "version_conflict");
    const cccc_value_t *done = bench_do(b, "group_automation_manage",
                                        "{'group_id':'%s','expected_version':'2','actions':[{'type':'delete_rule','rule_id':'r'},"
                                        "{'type':'set_rule_enabled','rule_id':'c1','enabled':false}]}",
                                        TEAM);
    assert_json(b, bench_at(done, "applied_actions"),
                "[{'type':'delete_rule','rule_id':'r'},{'type':'set_rule_enabled','rule_id':'c1','enabled':false}]");
    assert_json(b, bench_at(done, "event.data.rules"), "['c1']");
    assert_json(b, bench_at(done, "version"), "3");
    team_end(&b);
}

/* A new group has the stand-up rule; cleared it stays cleared (52), until the baseline is asked for. */
static void baseline(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title':'New'}"), "group_id");
    assert_json(b, bench_at(bench_do(b, "group_automation_state", "{'group_id':'%s'}", id), "ruleset.rules.0.id"), "'standup'");
    bench_do(b, "group_automation_update", "{'group_id':'%s','ruleset':{}}", id);
    bench_restart(b);
    const cccc_value_t *cleared = bench_do(b, "group_automation_state", "{'group_id':'%s'}", id);
    assert_json(b, bench_at(cleared, "ruleset"), "{'rules':[],'snippets':{}}");
    assert_json(b, bench_at(cleared, "version"), "2");
    const cccc_value_t *reset = bench_do(b, "group_automation_reset_baseline", "{'group_id':'%s','expected_version':2}", id);
    assert_json(b, bench_at(reset, "event.data.source"), "'baseline_reset'");
    assert_json(b, bench_at(reset, "ruleset.rules.0.trigger.every_seconds"), "900");
    assert_json(b, bench_at(reset, "version"), "3");
    assert_non_null(bench_at(reset, "status.standup.next_runs.4"));
    bench_settle(b);
    assert_fold_is_live(b, id);
    team_end(&b);
}

/* As many rules as are kept, and no more; the file would be refused otherwise. */
static void rules_are_bounded(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    cccc_str_t rules = CCCC_STR("");
    for (int i = 0; i < CCCC_AUTOMATION_RULES_MAX; i++)
        rules = cccc_arena_printf(bench_arena(b), "%.*s%s{'id':'r%d','trigger':" EVERY(60) "}", CCCC_STR_FMT(rules), i ? "," : "", i);
    bench_do(b, "group_automation_update", "{'group_id':'%s','ruleset':{'rules':[%.*s]}}", TEAM, CCCC_STR_FMT(rules));
    REFUSED(b, "group_automation_manage_failed", "too_large", "group_automation_manage",
            "{'group_id':'%s','actions':[{'type':'create_rule','rule':{'id':'more','trigger':" EVERY(60) "}}]}", TEAM);
    bench_do(b, "group_automation_manage", "{'group_id':'%s','actions':[{'type':'set_rule_enabled','rule_id':'r7','enabled':false}]}",
             TEAM);
    bench_free(&b);
}

/* A group.yaml that somebody edited: its rules count from then, and one that is none stays as it is, does not run, and says why. */
static void rules_edited_by_hand(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    set_clock(b, "2026-11-28T12:00:00Z");
    rule(b, "r", EVERY(600), "");
    team_pass(b, 100);
    cccc_value_t document = bench_document(b, TEAM);
    cccc_value_t automation = bench_json(b, "{'version':9,'snippets':{},'rules':[{'id':'mine','to':['peer-1'],'trigger':" EVERY(
                                                300) ",'action':{'message':'x'}},{'id':'odd','every_minutes':5},7]}");
    document = cccc_map_with(bench_arena(b), &document, CCCC_STR("automation"), automation);
    bench_hand(b, TEAM, bench_text(b, &document));
    bench_restart(b);
    bench_settle(b);
    team_pass(b, 301);
    assert_string_equal(runs(b), "12:06:40 peer-1:Reminder");
    assert_non_null(strstr(status(b, "odd", "last_error"), "every_minutes is of an older form"));
    assert_json(b, bench_at(state(b), "ruleset.rules.1"), "{'id':'odd','every_minutes':5}");
    bench_do(b, "group_automation_manage", "{'group_id':'%s','actions':[{'type':'delete_rule','rule_id':'odd'}]}", TEAM);
    assert_int_equal(bench_at(state(b), "ruleset.rules")->via.array.size, 1);
    team_end(&b);
}

/* ---- many ---- */

/* However many are due at the same time, a second carries out at most AUTOMATION_RUNS_PER_TICK, and within a minute all of them had their turn. */
static void many_that_are_due_take_turns(void **state_)
{
    (void)state_;
    bench_t *b = team_new_quiet();
    cccc_str_t rules = CCCC_STR("");
    set_clock(b, "2026-11-28T12:00:30Z");
    for (int i = 0; i < 250; i++)
        rules = cccc_arena_printf(bench_arena(b), "%.*s%s{'id':'r%d','trigger':" CRON("1 12 * * *", "UTC") ",'action':{'message':'x'}}",
                                  CCCC_STR_FMT(rules), i ? "," : "", i);
    bench_do(b, "group_automation_update", "{'group_id':'%s','ruleset':{'rules':[%.*s]}}", TEAM, CCCC_STR_FMT(rules));
    team_pass(b, 31);
    uint32_t most = 0, before = count_runs(b);
    for (int i = 0; i < 30; i++) {
        bench_pass(b, 1);
        bench_settle(b);
        most = count_runs(b) - before > most ? count_runs(b) - before : most;
        before = count_runs(b);
    }
    assert_int_equal(most, CCCC_AUTOMATION_RUNS_PER_TICK);
    assert_int_equal(count_runs(b), 250);
    team_pass(b, 300);
    assert_int_equal(count_runs(b), 250);
    bench_free(&b);
}

/* With 1,000 rules of which none is due, a tick takes less than a millisecond (measure_rules has the figure). */
static void tick_over_many_rules_is_cheap(void **state_)
{
    (void)state_;
    bench_t *b = bench_new(1);
    static const char *const quiet[] = {"append", "publish", "reply", "durable", "read", "store", "log", ">", NULL};
    bench_quiet(b, quiet);
    for (int g = 0; g < 4; g++) {
        const char *id = cccc_arena_printf(bench_arena(b), "g_00000000000%d", g + 1).ptr;
        cccc_str_t rules = CCCC_STR("");
        bench_group(b, id, id, team_document(id, "foreman", "active"));
        for (int i = 0; i < 250; i++)
            rules = cccc_arena_printf(bench_arena(b), "%.*s%s{'id':'r%d','trigger':%s,'action':{'message':'x'}}", CCCC_STR_FMT(rules),
                                      i ? "," : "", i, i % 2 ? EVERY(864000) : CRON("30 2 29 2 *", "UTC"));
        bench_do(b, "group_automation_update", "{'group_id':'%s','ruleset':{'rules':[%.*s]}}", id, CCCC_STR_FMT(rules));
    }
    bench_pass(b, 2); /* plans */
    double tick = median_tick_ms(b);
    printf("a tick over 1,000 rules: %.3f ms\n", tick);
    assert_true(tick < 1);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interval_keeps_its_rhythm),
        cmocka_unit_test(interval_does_not_drift),
        cmocka_unit_test(restart_neither_repeats_nor_skips),
        cmocka_unit_test(what_is_late_by_less_than_a_minute_still_runs),
        cmocka_unit_test(groups_that_do_not_run_are_left_alone),
        cmocka_unit_test(jumps_of_the_wall_clock_do_not_move_intervals),
        cmocka_unit_test(jumps_of_the_wall_clock_and_cron),
        cmocka_unit_test(nights_on_which_clocks_change),
        cmocka_unit_test(next_runs_are_told),
        cmocka_unit_test(one_time_rule_runs_once),
        cmocka_unit_test(one_time_rule_survives_a_kill_in_the_middle),
        cmocka_unit_test(run_that_was_not_stored_is_made_again),
        cmocka_unit_test(groups_and_actors_are_controlled_once),
        cmocka_unit_test(rule_runs_by_hand),
        cmocka_unit_test(texts_are_filled),
        cmocka_unit_test(permissions),
        cmocka_unit_test(peers_see_what_is_theirs),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(changes_are_whole_and_have_versions),
        cmocka_unit_test(baseline),
        cmocka_unit_test(rules_are_bounded),
        cmocka_unit_test(rules_edited_by_hand),
        cmocka_unit_test(many_that_are_due_take_turns),
        cmocka_unit_test(tick_over_many_rules_is_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
