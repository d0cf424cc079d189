/* test_week.c - a week of a group with ten actors, rules and reminders, second by second, in simulated time: what happened is told line by line and compared with
 * cases/week.trace.
 *
 * The week has a night on which the clocks of Europe/Berlin change, a weekend on which the group is paused, a restart of the daemon, questions that are answered late or never.
 * Usage: test_core_week [--write]: the second writes the file anew; look at the difference. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ACTORS 10
#define HOUR   3600u
#define DAY    (24 * HOUR)
/* Sanitizers take their time: there the week ends after its first day. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define DAYS   1u
#define IS_CUT true
#else
#define DAYS   7u
#define IS_CUT false
#endif

/* ---- the group ---- */

static const char *document(void)
{
    static char text[4096];
    size_t at = (size_t)snprintf(text, sizeof text,
                                 "{'v':1,'group_id':'" TEAM "','title':'Week','topic':'','created_at':'2026-01-01T00:00:00.000000Z',"
                                 "'running':true,'state':'active','active_scope_key':'','scopes':[],'ledger_seq':0,'actors':[");
    for (int i = 0; i < ACTORS; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s{'id':'%s%d','enabled':true,'runner':'headless','runtime':'custom'}",
                               i ? "," : "", i ? "dev-" : "lead-", i);
    snprintf(text + at, sizeof text - at, "]}");
    return text;
}

static void make_rules(bench_t *b)
{
    bench_do(
        b, "group_automation_update",
        "{'group_id':'" TEAM "','ruleset':{'snippets':{'standup':'{{interval_minutes}} minutes of {{group_title}}'},'rules':["
        "{'id':'standup','trigger':{'kind':'interval','every_seconds':21600},'action':{'title':'Stand-up','snippet_ref':'standup'}},"
        "{'id':'morning','to':['@all'],'trigger':{'kind':'cron','cron':'0 9 * * "
        "1-5','timezone':'Europe/Berlin'},'action':{'title':'Morning',"
        "'message':'Plan'}},"
        "{'id':'night','to':['dev-1'],'trigger':{'kind':'cron','cron':'30 2 * * *','timezone':'Europe/Berlin'},'action':{'title':'Night',"
        "'message':'Back up'}},"
        "{'id':'close','to':['dev-2','dev-3'],'trigger':{'kind':'cron','cron':'0 17 * * 5','timezone':'America/New_York'},"
        "'action':{'title':'Close','message':'Commit'}},"
        "{'id':'lunch','to':['dev-3'],'trigger':{'kind':'cron','cron':'0,30 12 * * 3'},'action':{'title':'Lunch','message':'Eat',"
        "'requires_ack':true}},"
        "{'id':'weekend','trigger':{'kind':'at','at':'2026-03-27T20:00:00Z'},'action':{'kind':'group_state','state':'paused'}},"
        "{'id':'fresh','trigger':{'kind':'at','at':'2026-03-25T03:00:00Z'},'action':{'kind':'actor_control','targets':['dev-4']}},"
        "{'id':'talk','to':['dev-5'],'trigger':{'kind':'at','at':'2026-03-26T15:00:00+01:00'},'action':{'message':'Now'}},"
        "{'id':'off','enabled':false,'to':['@all'],'trigger':{'kind':'interval','every_seconds':60},'action':{'message':'no'}}]}}");
}

/* ---- the story ---- */

static const char *ask(bench_t *b, const char *to, const char *text, const char *more)
{
    return bench_str_at(b, bench_do(b, "send", "{'group_id':'" TEAM "','text':'%s','to':['%s']%s}", text, to, more), "event.id");
}

static void read_all(bench_t *b, const char *actor)
{
    bench_do(b, "inbox_mark_all_read", "{'group_id':'" TEAM "','actor_id':'%s'}", actor);
}

/* False: the week is over before. */
static bool until(bench_t *b, uint32_t *now, uint32_t then)
{
    for (; *now < then && *now < DAYS * DAY; *now += 5) {
        bench_pass(b, 5);
        bench_settle(b);
    }
    return *now == then;
}

static void answer_late(bench_t *b, uint32_t *now)
{
    const char *answered = ask(b, "dev-1", "Ready?", ",'reply_required':true");
    until(b, now, *now + 20 * 60);
    bench_do(b, "reply", "{'group_id':'" TEAM "','by':'dev-1','reply_to':'%s','text':'Yes'}", answered);
    read_all(b, "dev-1");
}

static void answer_never(bench_t *b, uint32_t *now)
{
    ask(b, "dev-6", "Is it merged?", ",'reply_required':true");
    read_all(b, "dev-6");
    const char *attention = ask(b, "dev-7", "Read this", ",'priority':'attention'");
    read_all(b, "dev-7");
    until(b, now, *now + 900);
    bench_do(b, "chat_ack", "{'group_id':'" TEAM "','actor_id':'dev-7','event_id':'%s'}", attention);
}

/* Who says what comes next is asked about it; who was told much is reminded of how to work here. */
static void announce(bench_t *b, uint32_t *now)
{
    (void)now;
    bench_do(b, "send", "{'group_id':'" TEAM "','by':'dev-2','text':'Half of it is done\\nNext: the other half','to':['user']}");
    for (int i = 0; i < 12; i++)
        ask(b, "dev-4", "One more thing", "");
    read_all(b, "dev-4");
}

static void restart(bench_t *b, uint32_t *now)
{
    (void)now;
    bench_restart(b);
    bench_settle(b);
    ask(b, "dev-8", "For later", "");
}

static void ask_while_paused(bench_t *b, uint32_t *now)
{
    (void)now;
    ask(b, "dev-9", "On Monday, please", ",'reply_required':true");
}

static void resume(bench_t *b, uint32_t *now)
{
    (void)now;
    bench_do(b, "group_set_state", "{'group_id':'" TEAM "','state':'active'}");
}

static void live_the_week(bench_t *b)
{
    static const struct {
        uint32_t at;
        void (*happens)(bench_t *b, uint32_t *now);
    } story[] = {{10 * HOUR, answer_late},       {DAY + 9 * HOUR, answer_never},          {2 * DAY + 14 * HOUR, announce},
                 {3 * DAY + 11 * HOUR, restart}, {4 * DAY + 21 * HOUR, ask_while_paused}, {5 * DAY + 22 * HOUR, resume}};
    uint32_t now = 0;
    for (size_t i = 0; i < sizeof story / sizeof *story && until(b, &now, story[i].at); i++)
        story[i].happens(b, &now);
    until(b, &now, DAYS * DAY);
}

/* ---- the trace ---- */

/* What an event says, in a few words. */
static cccc_str_t told(bench_t *b, const struct cccc_event *event)
{
    const cccc_value_t *data = &event->data;
    cccc_str_t title = cccc_get_str(data, "title"), kind = cccc_get_str(data, "kind"), target = cccc_get_str(data, "target_actor_id");
    cccc_str_t text = cccc_get_str(data, "text"), actor = cccc_get_str(data, "actor_id"), source = cccc_get_str(data, "source");
    cccc_str_t rule = cccc_get_str(cccc_get(data, "rule"), "rule_id"), state = cccc_get_str(data, "new_state");
    if (cccc_str_is(event->kind, "system.notify"))
        return cccc_arena_printf(bench_arena(b), "%.*s \"%.*s\" to %.*s", CCCC_STR_FMT(kind), CCCC_STR_FMT(title), CCCC_STR_FMT(target));
    return cccc_arena_printf(bench_arena(b), "%.*s by %.*s%s%.*s%s%.*s%s%.*s%s%.*s%s%.*s", CCCC_STR_FMT(event->kind),
                             CCCC_STR_FMT(event->by), text.len ? ": " : "", CCCC_STR_FMT(text), actor.len ? " " : "", CCCC_STR_FMT(actor),
                             state.len ? " " : "", CCCC_STR_FMT(state), source.len ? " " : "", CCCC_STR_FMT(source),
                             rule.len ? " rule " : "", CCCC_STR_FMT(rule));
}

/* A line for each event; the recipients of one notice stand on one line. */
static cccc_str_t trace(bench_t *b)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon"};
    struct cccc_event event;
    cccc_str_t before = CCCC_STR("");
    cccc_buf_t out;
    int64_t us;
    cccc_buf_init(&out);
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++) {
        assert_true(cccc_ts_parse(event.ts, &us));
        int64_t day = us / 1000000 / 86400 - cccc_days_from_civil(2026, 3, 23);
        cccc_str_t line = cccc_arena_printf(bench_arena(b), "%s %.8s %.*s", days[day], event.ts.ptr + 11, CCCC_STR_FMT(told(b, &event)));
        const char *target = strstr(line.ptr, "\" to ");
        size_t common = target ? (size_t)(target - line.ptr) + 5 : line.len;
        bool same = target && before.len > common && memcmp(before.ptr, line.ptr, common) == 0;
        cccc_buf_str(&out, same ? " " : seq > 1 ? "\n" : "");
        cccc_buf_put(&out, same ? line.ptr + common : line.ptr, same ? line.len - common : line.len);
        before = line;
    }
    cccc_buf_str(&out, "\n");
    cccc_str_t all = cccc_arena_str(bench_arena(b), (cccc_str_t){out.data, out.size});
    cccc_buf_fini(&out);
    return all;
}

static cccc_str_t golden(bench_t *b)
{
    static char text[65536];
    FILE *file = fopen(CASES_DIR "/week.trace", "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    return cccc_arena_str(bench_arena(b), (cccc_str_t){text, len});
}

static void compare(cccc_str_t expected, cccc_str_t found)
{
    size_t same = 0, line = 0;
    for (; same < expected.len && same < found.len && expected.ptr[same] == found.ptr[same]; same++)
        line = expected.ptr[same] == '\n' ? same + 1 : line;
    if (same == found.len && (same == expected.len || IS_CUT))
        return;
    fail_msg("cases/week.trace says\n%.*s\nbut it went\n%.*s\n(--write writes it anew)", (int)strcspn(expected.ptr + line, "\n"),
             expected.ptr + line, (int)strcspn(found.ptr + line, "\n"), found.ptr + line);
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bench_t *week(void)
{
    static const char *const quiet[] = {"append", "publish", "reply", "durable", "read", "store", "log", ">", NULL};
    bench_t *b = bench_new(1);
    int64_t us, begin = cccc_days_from_civil(2026, 3, 23) * 86400 * INT64_C(1000000);
    bench_quiet(b, quiet);
    bench_group(b, TEAM, "A", document());
    assert_true(
        cccc_ts_parse(cccc_str(bench_str_at(b, bench_do(b, "group_automation_state", "{'group_id':'" TEAM "'}"), "server_now")), &us));
    bench_turn_clock(b, (begin - us) / 1000000 + 1);
    make_rules(b);
    live_the_week(b);
    return b;
}

/* A week goes as it went before, in less than two seconds of processor time. */
static void week_goes_as_it_is_told(void **state)
{
    (void)state;
    double began = cpu_s();
    bench_t *b = week();
    double took = cpu_s() - began;
    compare(golden(b), trace(b));
    assert_fold_is_live(b, TEAM);
    printf("a week of seconds: %.2f s\n", took);
    assert_true(took < 2 || IS_CUT);
    bench_free(&b);
}

static int write_anew(void)
{
    bench_t *b = week();
    cccc_str_t found = trace(b);
    FILE *file = fopen(CASES_DIR "/week.trace", "w");
    assert_non_null(file);
    fwrite(found.ptr, 1, found.len, file);
    bench_free(&b);
    return fclose(file);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(week_goes_as_it_is_told)};
    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_anew();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
