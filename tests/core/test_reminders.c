/* test_reminders.c - the nudge digest: who is reminded of what, how often, and what stays silent (reference 7.2, section 13: 46). */
#include "tests/core/team.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t asked_max = 5000;

static const char *ask(bench_t *b, const char *to, const char *more)
{
    return bench_str_at(b, bench_do(b, "send", "{'group_id':'%s','text':'Ready?','to':['%s']%s}", TEAM, to, more), "event.id");
}

static void set(bench_t *b, const char *settings)
{
    bench_do(b, "group_settings_update", "{'group_id':'%s','patch':{%s}}", TEAM, settings);
}

/* The reminders there are: "peer-1:reply_required=1 lead:peer-1 does not answer", by whom they are for, in order. */
static const char *reminders(bench_t *b)
{
    cccc_str_t text = CCCC_STR("");
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++) {
        if (!cccc_str_is(event.kind, "system.notify") || !cccc_str_is(cccc_get_str(&event.data, "kind"), "nudge"))
            continue;
        cccc_str_t title = cccc_get_str(&event.data, "title");
        text = cccc_arena_printf(bench_arena(b), "%.*s%s%.*s:%.*s", CCCC_STR_FMT(text), text.len ? " | " : "",
                                 CCCC_STR_FMT(cccc_get_str(&event.data, "target_actor_id")), CCCC_STR_FMT(title));
    }
    return text.len ? text.ptr : "-";
}

#define R1 "peer-1:Waiting for you (reply_required=1)"

/* A reply that is owed is reminded of after its delay, at most three times, the foreman hears of it from the second on, and then there is silence. */
static void owed_reply_is_reminded_of_and_then_there_is_silence(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, "'unread_nudge_after_seconds':100000");
    ask(b, "peer-1", ",'reply_required':true");
    team_pass(b, 295);
    assert_string_equal(reminders(b), "-");
    team_pass(b, 10);
    assert_string_equal(reminders(b), R1);
    team_pass(b, 125);
    assert_string_equal(reminders(b), R1 " | " R1 " | lead:peer-1 does not answer");
    team_pass(b, 10000);
    assert_string_equal(reminders(b), R1 " | " R1 " | lead:peer-1 does not answer | " R1 " | lead:peer-1 does not answer");
    team_end(&b);
}

/* 46: with delays 0 and a digest interval of 120 the first check counts 1, at +30 s still 1, at +130 s 2. */
static void digest_interval_holds_also_with_delays_of_zero(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, "'reply_required_nudge_after_seconds':0,'attention_ack_nudge_after_seconds':0,'unread_nudge_after_seconds':100000");
    ask(b, "peer-1", ",'reply_required':true");
    team_pass(b, 2);
    assert_string_equal(reminders(b), R1);
    team_pass(b, 30);
    assert_string_equal(reminders(b), R1);
    team_pass(b, 100);
    assert_string_equal(reminders(b), R1 " | " R1 " | lead:peer-1 does not answer");
    team_end(&b);
}

/* What was answered, acknowledged or cancelled in time is not reminded of. */
static void what_ended_in_time_is_not_reminded_of(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, "'unread_nudge_after_seconds':100000");
    const char *one = ask(b, "peer-1", ",'reply_required':true"), *two = ask(b, "peer-1", ",'priority':'attention'");
    const char *three = ask(b, "peer-2", ",'reply_required':true");
    team_pass(b, 100);
    bench_do(b, "reply", "{'group_id':'%s','by':'peer-1','reply_to':'%s','text':'yes'}", TEAM, one);
    bench_do(b, "chat_ack", "{'group_id':'%s','actor_id':'peer-1','event_id':'%s'}", TEAM, two);
    bench_do(b, "reply_cancel", "{'group_id':'%s','event_id':'%s'}", TEAM, three);
    team_pass(b, 3000);
    assert_string_equal(reminders(b), "-");
    team_end(&b);
}

/* Unread messages are one item, after their own delay; reading begins it anew. */
static void unread_messages_are_one_item(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    const char *one = ask(b, "peer-1", "");
    ask(b, "peer-1", "");
    team_pass(b, 890);
    assert_string_equal(reminders(b), "-");
    team_pass(b, 15);
    assert_string_equal(reminders(b), "peer-1:Waiting for you (unread>0)");
    bench_do(b, "inbox_mark_read", "{'group_id':'%s','actor_id':'peer-1','event_id':'%s'}", TEAM, one);
    team_pass(b, 890);
    assert_string_equal(reminders(b), "peer-1:Waiting for you (unread>0)");
    team_pass(b, 15);
    assert_string_equal(reminders(b), "peer-1:Waiting for you (unread>0) | peer-1:Waiting for you (unread>0)");
    team_end(&b);
}

/* Paused, idle and stopped groups, and disabled actors, are left alone; when the group goes on, the delay begins anew. */
static void who_cannot_answer_is_left_alone(void **state)
{
    (void)state;
    static const char *const states[] = {"paused", "idle"};
    for (int i = 0; i < 2; i++) {
        bench_t *b = team_new_quiet();
        set(b, "'unread_nudge_after_seconds':100000");
        ask(b, "peer-1", ",'reply_required':true");
        bench_do(b, "group_set_state", "{'group_id':'%s','state':'%s'}", TEAM, states[i]);
        team_pass(b, 5000);
        assert_string_equal(reminders(b), "-");
        bench_do(b, "group_set_state", "{'group_id':'%s','state':'active'}", TEAM);
        team_pass(b, 290);
        assert_string_equal(reminders(b), "-");
        team_pass(b, 20);
        assert_string_equal(reminders(b), R1);
        team_end(&b);
    }
    bench_t *b = team_new_quiet();
    ask(b, "off", ",'reply_required':true");
    team_pass(b, 5000);
    assert_string_equal(reminders(b), "-");
    team_end(&b);
}

/* A restart in between neither repeats a reminder nor skips one. */
static void restart_neither_repeats_nor_skips(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, "'unread_nudge_after_seconds':100000");
    ask(b, "peer-1", ",'reply_required':true");
    for (int i = 0; i < 6; i++) {
        team_pass(b, 100);
        bench_restart(b);
        bench_settle(b);
    }
    assert_string_equal(reminders(b), R1 " | " R1 " | lead:peer-1 does not answer | " R1 " | lead:peer-1 does not answer");
    team_pass(b, 3000);
    assert_string_equal(reminders(b), R1 " | " R1 " | lead:peer-1 does not answer | " R1 " | lead:peer-1 does not answer");
    team_end(&b);
}

/* A digest has five lines and says how many more there are; every due item counts. */
static void digest_is_short(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    for (int i = 0; i < 8; i++)
        ask(b, "peer-1", ",'reply_required':true");
    team_pass(b, 310);
    struct cccc_event event;
    assert_true(bench_event(b, TEAM, 9, &event));
    cccc_str_t message = cccc_get_str(&event.data, "message");
    uint32_t lines = 1;
    for (size_t i = 0; i < message.len; i++)
        lines += message.ptr[i] == '\n';
    assert_int_equal(lines, 6);
    assert_non_null(strstr(cccc_arena_str(bench_arena(b), message).ptr, "and 3 more"));
    assert_int_equal(cccc_get(cccc_get(&event.data, "context"), "items")->via.array.size, 8);
    team_end(&b);
}

/* The next event behind `seq` that is a digest; its items. */
static const cccc_value_t *next_digest(bench_t *b, uint64_t *seq, struct cccc_event *event)
{
    const cccc_value_t *items = NULL;
    while (!items && bench_event(b, TEAM, ++*seq, event))
        items = cccc_get(cccc_get(&event->data, "context"), "items");
    return items;
}

/* The message of the last reminder there is for `target`, and its title. */
static const char *last_reminder(bench_t *b, const char *target, const char **title)
{
    struct cccc_event event;
    const char *text = "";
    *title = "";
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++)
        if (cccc_str_is(event.kind, "system.notify") && cccc_str_is(cccc_get_str(&event.data, "target_actor_id"), target)) {
            text = cccc_arena_str(bench_arena(b), cccc_get_str(&event.data, "message")).ptr;
            *title = cccc_arena_str(bench_arena(b), cccc_get_str(&event.data, "title")).ptr;
        }
    return text;
}

/* A title counts what its lines name: what was named as often as may be is in neither, though it is still owed. */
static void title_and_lines_agree(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    const char *title;
    set(b, "'nudge_max_repeats_per_obligation':1");
    ask(b, "peer-1", ",'reply_required':true");
    ask(b, "peer-1", ",'reply_required':true");
    ask(b, "peer-1", ",'priority':'attention'");
    team_pass(b, 310);
    assert_non_null(strstr(last_reminder(b, "peer-1", &title), "- reply owed to user"));
    assert_null(strstr(last_reminder(b, "peer-1", &title), "unread"));
    assert_string_equal(title, "Waiting for you (reply_required=2)");
    team_pass(b, 310);
    assert_null(strstr(last_reminder(b, "peer-1", &title), "- reply"));
    assert_string_equal(title, "Waiting for you (attention_ack=1)");
    team_pass(b, 610);
    assert_string_equal(last_reminder(b, "peer-1", &title), "- 3 unread messages, see cccc inbox --actor-id peer-1");
    assert_string_equal(title, "Waiting for you (unread>0)");
    team_end(&b);
}

/* The foreman hears what it can do: write, and who may end what is owed, by which command. With a terminal to look at: e2e/test_cli_duties.py. */
static void foreman_hears_what_it_can_do(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"user", "only user"}, {"lead", "you"}, {"peer-2", "only peer-2 or user"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_t *b = team_new_quiet();
        const char *title;
        set(b, "'unread_nudge_after_seconds':100000,'nudge_escalate_after_repeats':1");
        ask(b, "peer-1", cccc_arena_printf(bench_arena(b), ",'reply_required':true,'by':'%s'", cases[i][0]).ptr);
        uint64_t seq = bench_durable(b, TEAM);
        team_pass(b, 310);
        const char *text = last_reminder(b, "lead", &title);
        assert_string_equal(title, "peer-1 does not answer");
        const char *end =
            cccc_arena_printf(bench_arena(b),
                              "\nnext: cccc send TEXT --to peer-1\n%s may end what is owed: cccc cancel-reply %llu --actor peer-1",
                              cases[i][1], (unsigned long long)seq)
                .ptr;
        assert_true(strlen(text) > strlen(end));
        assert_string_equal(text + strlen(text) - strlen(end), end);
        team_end(&b);
    }
}

/* However much is due, a digest is short and comes: it names the oldest, and the next one comes, too. */
static void digest_of_very_much_is_short_too(void **state)
{
    (void)state;
    enum { ASKED = 6000 };
    bench_t *b = team_new_quiet();
    struct cccc_event event;
    for (int i = 0; i < ASKED; i++)
        ask(b, "peer-1", ",'reply_required':true");
    uint64_t seq = bench_durable(b, TEAM);
    team_pass(b, 310);
    const cccc_value_t *items = next_digest(b, &seq, &event);
    assert_non_null(items);
    assert_int_equal(items->via.array.size, CCCC_DIGEST_ITEMS_MAX);
    assert_non_null(strstr(cccc_arena_str(bench_arena(b), cccc_get_str(&event.data, "message")).ptr, "and at least 45 more"));
    team_pass(b, 310);
    assert_non_null(next_digest(b, &seq, &event));
    team_end(&b);
}

/* What was asked, by number. */
struct asked {
    const char *ids[128];
    uint64_t count;
};

static void ask_more(bench_t *b, struct asked *asked, uint64_t count)
{
    while (count-- > 0)
        asked->ids[asked->count++] = ask(b, "peer-1", ",'reply_required':true");
}

static uint64_t number_of(bench_t *b, const struct asked *asked, const cccc_value_t *item)
{
    cccc_str_t text = CCCC_STR("");
    cccc_as_str(item, &text);
    for (uint64_t i = 0; i < asked->count; i++)
        if (cccc_str_eq(text, cccc_arena_printf(bench_arena(b), "reply_required:%s", asked->ids[i])))
            return i + 1;
    fail_msg("%.*s was not asked", CCCC_STR_FMT(text));
    return 0;
}

/* The items of the next digest, as ranges of numbers in their order: "101-120 1-30"; "-": there is none. */
static const char *next_turn(bench_t *b, const struct asked *asked, uint64_t *seq)
{
    struct cccc_event event;
    const cccc_value_t *items = next_digest(b, seq, &event);
    cccc_str_t text = CCCC_STR("");
    uint64_t last = 0;
    uint32_t count = items ? items->via.array.size : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t n = number_of(b, asked, &items->via.array.ptr[i]);
        if (i == 0 || n != last + 1)
            text = cccc_arena_printf(bench_arena(b), "%.*s%s%llu-", CCCC_STR_FMT(text), i ? " " : "", (unsigned long long)n);
        last = n;
        if (i + 1 == count || number_of(b, asked, &items->via.array.ptr[i + 1]) != n + 1)
            text = cccc_arena_printf(bench_arena(b), "%.*s%llu", CCCC_STR_FMT(text), (unsigned long long)n);
    }
    return text.len ? text.ptr : "-";
}

/* More than a digest lists comes in turns, also when repeats have no end: next is what was named longest ago, or never; a newcomer waits for its turn; a
 * restart changes no turn. */
static void everything_due_has_its_turn(void **state)
{
    (void)state;
    static const char *const turns[] = {"1-50", "51-100", "101-120 1-30", "31-80", "81-120 1-10", "11-30 121-121 31-59"};
    for (int restarts = 0; restarts < 2; restarts++) {
        bench_t *b = team_new_quiet();
        struct asked asked = {0};
        uint64_t seq = 0;
        set(b, "'unread_nudge_after_seconds':100000,'nudge_max_repeats_per_obligation':0,'reply_required_nudge_after_seconds':0");
        ask_more(b, &asked, 120);
        team_pass(b, 2);
        for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
            assert_string_equal(next_turn(b, &asked, &seq), turns[i]);
            if (restarts) {
                bench_restart(b);
                bench_settle(b);
            }
            if (i == 2)
                ask_more(b, &asked, 1);
            team_pass(b, 125);
        }
        team_end(&b);
    }
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* What a tick costs that looks at peer-1: the least of some, each after something came for it. */
static double look_us(bench_t *b)
{
    double least = 1e9;
    for (int i = 0; i < 20; i++) {
        const char *id = ask(b, "peer-1", ",'reply_required':true");
        double begin = cpu_us();
        bench_pass(b, 1);
        double took = cpu_us() - begin;
        least = took < least ? took : least;
        bench_do(b, "reply_cancel", "{'group_id':'%s','event_id':'%s'}", TEAM, id);
    }
    return least;
}

/* What was named as often as may be costs nothing any more, however much of it there is (`--asked 100000`), until it may be named again. */
static void what_is_named_no_more_costs_nothing(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    uint64_t seq = 0, named = 0;
    struct cccc_event event;
    set(b, "'unread_nudge_after_seconds':100000,'reply_required_nudge_after_seconds':30,'nudge_max_repeats_per_obligation':1,"
           "'nudge_digest_min_interval_seconds':0");
    double before = look_us(b);
    for (uint64_t i = 0; i < asked_max; i++)
        ask(b, "peer-1", ",'reply_required':true");
    team_pass(b, 40 + (uint32_t)asked_max / CCCC_DIGEST_ITEMS_MAX * 5);
    for (const cccc_value_t *items = next_digest(b, &seq, &event); items; items = next_digest(b, &seq, &event))
        named += items->via.array.size;
    assert_int_equal(named, asked_max);
    team_pass(b, 2 + (uint32_t)asked_max / 1000); /* each is met once more */
    double after = look_us(b);
    print_message("a look costs %.1f us, with %llu items that are named no more %.1f us\n", before, (unsigned long long)asked_max, after);
    assert_true(after < 5 * before);
    bench_restart(b);
    bench_settle(b);
    double longest = 0;
    for (uint64_t i = 0; i < 2 + asked_max / 1000; i++) {
        double begin = cpu_us();
        bench_pass(b, 1);
        longest = cpu_us() - begin > longest ? cpu_us() - begin : longest;
    }
    print_message("behind a restart the longest tick takes %.1f us\n", longest);
    assert_null(next_digest(b, &seq, &event));
    seq = bench_durable(b, TEAM);
    set(b, "'nudge_max_repeats_per_obligation':2");
    team_pass(b, 2);
    assert_non_null(next_digest(b, &seq, &event));
    team_end(&b);
}

/* As much as a digest may list is all of it: it does not speak of more. */
static void digest_that_is_just_full_lists_all(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    struct cccc_event event;
    for (int i = 0; i < CCCC_DIGEST_ITEMS_MAX; i++)
        ask(b, "peer-1", ",'reply_required':true");
    uint64_t seq = bench_durable(b, TEAM);
    team_pass(b, 310);
    const cccc_value_t *items = next_digest(b, &seq, &event);
    assert_non_null(items);
    assert_int_equal(items->via.array.size, CCCC_DIGEST_ITEMS_MAX);
    const char *message = cccc_arena_str(bench_arena(b), cccc_get_str(&event.data, "message")).ptr;
    assert_non_null(strstr(message, "and 45 more"));
    assert_null(strstr(cccc_arena_str(bench_arena(b), cccc_get_str(&event.data, "title")).ptr, "and more"));
    team_end(&b);
}

/* All delays 0: nobody is reminded of anything. */
static void all_delays_of_zero_turn_it_off(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    set(b, "'nudge_after_seconds':0,'reply_required_nudge_after_seconds':0,'attention_ack_nudge_after_seconds':0,'unread_nudge_after_"
           "seconds':0");
    ask(b, "peer-1", ",'reply_required':true,'priority':'attention'");
    team_pass(b, 5000);
    assert_string_equal(reminders(b), "-");
    team_end(&b);
}

/* A deadline that comes before the delay counts. */
static void deadline_is_reminded_of(void **state)
{
    (void)state;
    bench_t *b = team_new_quiet();
    ask(b, "peer-1", ",'reply_required':true,'due_seconds':60");
    team_pass(b, 55);
    assert_string_equal(reminders(b), "-");
    team_pass(b, 10);
    assert_string_equal(reminders(b), R1);
    team_end(&b);
}

/* Wherever the wall clock jumps, reminders come when their time has passed. */
static void jumps_of_the_wall_clock_change_nothing(void **state)
{
    (void)state;
    static const int64_t jumps[] = {3600, -3600, 10 * 365 * 86400LL, -365 * 86400LL};
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        bench_t *b = team_new_quiet();
        set(b, "'unread_nudge_after_seconds':100000");
        ask(b, "peer-1", ",'reply_required':true");
        team_pass(b, 100);
        bench_turn_clock(b, jumps[i]);
        team_pass(b, 190);
        assert_string_equal(reminders(b), "-");
        team_pass(b, 20);
        assert_string_equal(reminders(b), R1);
        bench_turn_clock(b, -jumps[i]);
        team_pass(b, 90);
        assert_string_equal(reminders(b), R1);
        team_pass(b, 40);
        assert_string_equal(reminders(b), R1 " | " R1 " | lead:peer-1 does not answer");
        team_end(&b);
    }
}

int main(int argc, char **argv)
{
    team_options(argc, argv, (const char *const[]){"asked", NULL}, (uint64_t *const[]){&asked_max});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owed_reply_is_reminded_of_and_then_there_is_silence),
        cmocka_unit_test(digest_interval_holds_also_with_delays_of_zero),
        cmocka_unit_test(what_ended_in_time_is_not_reminded_of),
        cmocka_unit_test(unread_messages_are_one_item),
        cmocka_unit_test(who_cannot_answer_is_left_alone),
        cmocka_unit_test(restart_neither_repeats_nor_skips),
        cmocka_unit_test(digest_is_short),
        cmocka_unit_test(title_and_lines_agree),
        cmocka_unit_test(foreman_hears_what_it_can_do),
        cmocka_unit_test(digest_of_very_much_is_short_too),
        cmocka_unit_test(everything_due_has_its_turn),
        cmocka_unit_test(what_is_named_no_more_costs_nothing),
        cmocka_unit_test(digest_that_is_just_full_lists_all),
        cmocka_unit_test(all_delays_of_zero_turn_it_off),
        cmocka_unit_test(deadline_is_reminded_of),
        cmocka_unit_test(jumps_of_the_wall_clock_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
