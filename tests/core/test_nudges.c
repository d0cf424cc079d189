/* test_nudges.c - the notices about what goes on, or does not: idle actors, announced steps, silence, how things are done here (reference 7.2). */
#include "tests/core/team.h"

#include <stdio.h>
#include <string.h>

static void set(bench_t *b, const char *settings)
{
    bench_do(b, "group_settings_update", "{'group_id':'%s','patch':{%s}}", TEAM, settings);
}

/* Only one kind at a time, so that each story is one line. */
#define NO_IDLE      "'actor_idle_timeout_seconds':0"
#define NO_KEEPALIVE "'keepalive_delay_seconds':0"
#define NO_SILENCE   "'silence_timeout_seconds':0"
#define NO_HELP      "'help_nudge_interval_seconds':0"

static void say(bench_t *b, const char *by, const char *text)
{
    bench_do(b, "send", "{'group_id':'%s','by':'%s','text':'%s','to':['user']}", TEAM, by, text);
}

/* The notices of a kind: "lead:peer-1 1 | lead:peer-1 2": for whom, about whom if somebody else, and the how-manieth in a row. */
static const char *notices(bench_t *b, const char *kind)
{
    cccc_str_t text = CCCC_STR("");
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++) {
        if (!cccc_str_is(event.kind, "system.notify") || !cccc_str_is(cccc_get_str(&event.data, "kind"), kind))
            continue;
        const cccc_value_t *context = cccc_get(&event.data, "context");
        text =
            cccc_arena_printf(bench_arena(b), "%.*s%s%.*s:%.*s %llu", CCCC_STR_FMT(text), text.len ? " | " : "",
                              CCCC_STR_FMT(cccc_get_str(&event.data, "target_actor_id")), CCCC_STR_FMT(cccc_get_str(context, "actor_id")),
                              (unsigned long long)cccc_get_uint(context, "in_a_row", cccc_get_uint(context, "messages", 0)));
    }
    return text.len ? text.ptr : "-";
}

/* ---- idle ---- */

#define I(n) "lead:peer-1 " n

/* An actor that shows nothing is named to the foreman after the time-out, three times in all, and then there is silence until it shows something again. The
 * foreman itself, and who never showed anything, are not named. */
static void idle_actor_is_named_to_the_foreman_three_times(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, NO_SILENCE "," NO_HELP);
    say(b, "peer-1", "hello");
    say(b, "lead", "hello");
    team_pass(b, 595);
    assert_string_equal(notices(b, "actor_idle"), "-");
    team_pass(b, 10);
    assert_string_equal(notices(b, "actor_idle"), I("1"));
    team_pass(b, 10000);
    assert_string_equal(notices(b, "actor_idle"), I("1") " | " I("2") " | " I("3"));
    say(b, "peer-1", "again");
    team_pass(b, 605);
    assert_string_equal(notices(b, "actor_idle"), I("1") " | " I("2") " | " I("3") " | " I("1"));
    team_end(&b);
}

/* ---- keepalive ---- */

#define K(n) "peer-1: " n

/* Who announced a next step is reminded of it, a few times; another step begins anew, the same one does not, and a message without one ends it. */
static void announced_step_is_reminded_of(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, NO_IDLE "," NO_SILENCE "," NO_HELP);
    say(b, "peer-1", "done with a\\n  NEXT: write b");
    team_pass(b, 115);
    assert_string_equal(notices(b, "keepalive"), "-");
    team_pass(b, 10);
    assert_string_equal(notices(b, "keepalive"), K("1"));
    team_pass(b, 1000);
    assert_string_equal(notices(b, "keepalive"), K("1") " | " K("2") " | " K("3"));
    say(b, "peer-1", "still at it\\nNext: write c");
    team_pass(b, 125);
    say(b, "peer-1", "really\\nNext: write c");
    team_pass(b, 125);
    assert_string_equal(notices(b, "keepalive"), K("1") " | " K("2") " | " K("3") " | " K("1") " | " K("2"));
    say(b, "peer-1", "that was it");
    team_pass(b, 1000);
    assert_string_equal(notices(b, "keepalive"), K("1") " | " K("2") " | " K("3") " | " K("1") " | " K("2"));
    team_end(&b);
}

/* Both settings turn it off; "next:" inside a line announces nothing. */
static void announcements_can_be_left_alone(void **state)
{
    static const char *const off[] = {NO_KEEPALIVE, "'keepalive_max_per_actor':0", "'keepalive_max_per_actor':3"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        bench_t *b = team_new_quiet();
        set(b, NO_IDLE "," NO_SILENCE "," NO_HELP);
        set(b, off[i]);
        say(b, "peer-1", i < 2 ? "Next: write b" : "what comes next: nothing");
        team_pass(b, 1000);
        assert_string_equal(notices(b, "keepalive"), "-");
        team_end(&b);
    }
}

/* ---- silence ---- */

#define S(n) "lead: " n

/* Silence is told to the foreman three times; the broker's own notices do not break it, anybody else's event does. */
static void silence_is_told_to_the_foreman(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, NO_IDLE "," NO_HELP);
    say(b, "peer-1", "Next: nothing much");
    team_pass(b, 595);
    assert_string_equal(notices(b, "silence_check"), "-");
    team_pass(b, 10);
    assert_string_equal(notices(b, "silence_check"), S("1"));
    team_pass(b, 10000);
    assert_string_equal(notices(b, "silence_check"), S("1") " | " S("2") " | " S("3"));
    say(b, "peer-2", "hello");
    team_pass(b, 605);
    assert_string_equal(notices(b, "silence_check"), S("1") " | " S("2") " | " S("3") " | " S("1"));
    team_end(&b);
}

/* ---- help ---- */

/* After so many messages and so long, an actor is told again how things are done here; its own messages count, too. */
static void help_comes_with_messages_and_time(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, NO_IDLE "," NO_SILENCE ",'help_nudge_min_messages':4");
    bench_do(b, "group_start", "{'group_id':'%s'}", TEAM);
    for (int i = 0; i < 2; i++) {
        bench_do(b, "send", "{'group_id':'%s','text':'one','to':['peer-1']}", TEAM);
        say(b, "peer-1", "two");
    }
    team_pass(b, 590);
    assert_string_equal(notices(b, "help_nudge"), "-");
    team_pass(b, 20);
    assert_string_equal(notices(b, "help_nudge"), "peer-1: 4");
    team_pass(b, 2000);
    assert_string_equal(notices(b, "help_nudge"), "peer-1: 4");
    for (int i = 0; i < 5; i++)
        say(b, "peer-1", "more");
    team_pass(b, 30);
    assert_string_equal(notices(b, "help_nudge"), "peer-1: 4 | peer-1: 5");
    team_end(&b);
}

/* ---- all of them ---- */

static const char *all(bench_t *b)
{
    return cccc_arena_printf(bench_arena(b), "%s; %s; %s", notices(b, "actor_idle"), notices(b, "keepalive"), notices(b, "silence_check"))
        .ptr;
}

/* Paused, idle and stopped groups are left alone; when the group goes on, all begins anew from then. */
static void groups_that_rest_are_left_alone(void **state)
{
    static const char *const rest[] = {"'state':'paused'", "'state':'idle'"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        bench_t *b = team_new_quiet();
        set(b, NO_HELP);
        say(b, "peer-1", "Next: write b");
        team_pass(b, 100);
        if (i < 2)
            bench_do(b, "group_set_state", "{'group_id':'%s',%s}", TEAM, rest[i]);
        else
            bench_do(b, "group_stop", "{'group_id':'%s'}", TEAM);
        team_pass(b, 5000);
        assert_string_equal(all(b), "-; -; -");
        if (i < 2)
            bench_do(b, "group_set_state", "{'group_id':'%s','state':'active'}", TEAM);
        else
            bench_do(b, "group_start", "{'group_id':'%s'}", TEAM);
        team_pass(b, 110);
        assert_string_equal(all(b), "-; -; -");
        team_pass(b, 505);
        assert_string_equal(all(b), I("1") "; " K("1") " | " K("2") " | " K("3") "; " S("1"));
        team_end(&b);
    }
}

/* A restart in between neither repeats a notice nor skips one, and the wall clock may jump. */
static void restarts_and_clocks_change_nothing(void **state)
{
    static const int64_t jumps[] = {0, 3600, -3600, 10 * 365 * 86400LL};
    const char *expected = I("1") " | " I("2") " | " I("3") "; " K("1") " | " K("2") " | " K("3") "; " S("1") " | " S("2") " | " S("3");
    (void)state;
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        bench_t *b = team_new_quiet();
        set(b, NO_HELP);
        say(b, "peer-1", "Next: write b");
        for (int pieces = 0; pieces < 19; pieces++) {
            team_pass(b, 100);
            if (jumps[i] == 0) {
                bench_restart(b);
                bench_settle(b);
            } else if (pieces == 4) {
                bench_turn_clock(b, jumps[i]);
            }
        }
        assert_string_equal(all(b), expected);
        team_pass(b, 3000);
        assert_string_equal(all(b), expected);
        team_end(&b);
    }
}

/* A time-out that is set shorter holds from then on, not after the longer one. */
static void a_new_setting_holds_at_once(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, NO_HELP "," NO_SILENCE);
    say(b, "peer-1", "hello");
    team_pass(b, 20);
    set(b, "'actor_idle_timeout_seconds':30");
    team_pass(b, 15);
    assert_string_equal(notices(b, "actor_idle"), I("1"));
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_actor_is_named_to_the_foreman_three_times),
        cmocka_unit_test(announced_step_is_reminded_of),
        cmocka_unit_test(announcements_can_be_left_alone),
        cmocka_unit_test(silence_is_told_to_the_foreman),
        cmocka_unit_test(help_comes_with_messages_and_time),
        cmocka_unit_test(groups_that_rest_are_left_alone),
        cmocka_unit_test(restarts_and_clocks_change_nothing),
        cmocka_unit_test(a_new_setting_holds_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
