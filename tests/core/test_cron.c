/* test_cron.c - cron expressions and time zones: tables, nights on which clocks change, and a walk minute by minute as judge.
 *
 * The walk asks libc for local time, so it also holds our reading of the system's zone data against libc's.
 * Usage: test_core_cron [--seed N] */
#include "broker/core/automation/cron.h"
#include "proto/event.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static uint64_t seed = 20260329;

static cccc_zone_t *zone_file(const char *name)
{
    char path[128], bytes[CCCC_TIME_ZONE_BYTES_MAX];
    struct cccc_errmsg m;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("no %s: install tzdata", path);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    cccc_zone_t *zone = zone_new(bytes, len, &m);
    if (!zone)
        fail_msg("%s: %s", path, m.text);
    return zone;
}

static int64_t seconds(const char *ts)
{
    int64_t us = 0;
    assert_true(cccc_ts_parse(cccc_str(ts), &us));
    return us / 1000000;
}

static struct cccc_cron cron(const char *text)
{
    struct cccc_cron out;
    struct cccc_errmsg m;
    if (cron_parse(cccc_str(text), &out, &m) != CCCC_OK)
        fail_msg("%s: %s", text, m.text);
    return out;
}

/* ---- parsing ---- */

/* Everything of reference 7.4 is understood, everything else is refused with a message that names the field. */
static void expressions_are_understood_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *refusal; /* NULL: it is understood */
    } cases[] = {
        {"* * * * *", NULL},
        {"*/15 * * * *", NULL},
        {"0 9 * * 1-5", NULL},
        {"0,30 8-18/2 1,15 1-12 0", NULL},
        {"\t5  4 *\t* 7 ", NULL},
        {"59 23 31 12 6", NULL},
        {"0-59/1 0-23 1-31 1-12 0-7", NULL},
        {"5/10 * * * *", NULL},
        {"0 0 29 2 *", NULL},
        {"0 0 30 2 1", NULL}, /* any Monday of February */
        {"0 0 30 2 *", "no month it names has such a day"},
        {"0 0 31 4,6,9,11 *", "no month it names has such a day"},
        {"", "five fields"},
        {"* * * *", "five fields"},
        {"* * * * * *", "no more"},
        {"60 * * * *", "minute: \"60\""},
        {"* 24 * * *", "hour: \"24\""},
        {"* * 0 * *", "day of the month: \"0\""},
        {"* * 32 * *", "day of the month: \"32\""},
        {"* * * 13 *", "month: \"13\""},
        {"* * * * 8", "day of the week: \"8\""},
        {"* * * * mon", "day of the week: \"mon\""},
        {"@daily", "minute: \"@daily\""},
        {"5-1 * * * *", "minute: \"5-1\""},
        {"1- * * * *", "minute: \"1-\""},
        {"-1 * * * *", "minute: \"-1\""},
        {"*/0 * * * *", "minute: \"*/0\""},
        {"*/ * * * *", "minute: \"*/\""},
        {"*/x * * * *", "minute: \"*/x\""},
        {"1,,2 * * * *", "minute: \"\""},
        {"1, * * * *", "minute: \"1,\""},
        {",1 * * * *", "minute: \"\""},
        {"1.5 * * * *", "minute: \"1.5\""},
        {"99999999999 * * * *", "minute: \"99999999999\""},
        {"** * * * *", "minute: \"**\""},
        {"*-5 * * * *", "minute: \"*-5\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cccc_cron out;
        struct cccc_errmsg m = {{0}};
        cccc_err_t err = cron_parse(cccc_str(cases[i].text), &out, &m);
        if (cases[i].refusal ? err != CCCC_E_INVALID_RULE || !strstr(m.text, cases[i].refusal) : err != CCCC_OK)
            fail_msg("\"%s\": expected %s, have %s", cases[i].text, cases[i].refusal ? cases[i].refusal : "no refusal",
                     err ? m.text : "none");
    }
}

/* Sets, steps and the two days, in universal time. */
static void next_times_in_universal_time(void **state)
{
    (void)state;
    static const struct {
        const char *text, *after, *next;
    } cases[] = {
        {"* * * * *", "2026-11-28T12:00:00Z", "2026-11-28T12:01:00Z"},
        {"* * * * *", "2026-11-28T12:00:59Z", "2026-11-28T12:01:00Z"},
        {"*/15 * * * *", "2026-11-28T12:45:00Z", "2026-11-28T13:00:00Z"},
        {"0 9 * * 1-5", "2026-11-28T12:00:00Z", "2026-11-30T09:00:00Z"}, /* a Saturday */
        {"0 0 * * 7", "2026-11-28T12:00:00Z", "2026-11-29T00:00:00Z"},
        {"0 0 * * 0", "2026-11-28T12:00:00Z", "2026-11-29T00:00:00Z"},
        {"5/10 * * * *", "2026-11-28T12:05:00Z", "2026-11-28T13:05:00Z"}, /* n/step is n */
        {"0 0 13 * 5", "2026-11-28T12:00:00Z", "2026-12-04T00:00:00Z"},   /* the 13th, or a Friday */
        {"0 0 */2 * 1", "2026-11-28T12:00:00Z", "2026-11-29T00:00:00Z"},  /* every other day is a restriction, too */
        {"0 0 31 * *", "2026-11-28T12:00:00Z", "2026-12-31T00:00:00Z"},
        {"0 0 29 2 *", "2026-11-28T12:00:00Z", "2028-02-29T00:00:00Z"},
        {"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
        {"0 0 1 1 *", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
        {"59 23 31 12 *", "2026-12-31T23:58:59Z", "2026-12-31T23:59:00Z"},
        {"0 0 1 1 *", "1969-06-01T00:00:00Z", "1970-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cccc_cron c = cron(cases[i].text);
        int64_t next = cron_next(&c, zone_utc(), seconds(cases[i].after));
        if (next != seconds(cases[i].next))
            fail_msg("%s after %s: expected %s, have %lld", cases[i].text, cases[i].after, cases[i].next, (long long)next);
    }
}

/* ---- nights on which clocks change ---- */

/* The runs of a night, one after the other, as local minutes with their offset. */
static const char *night(const char *zone_name, const char *text, const char *from, const char *to)
{
    static char out[4096];
    cccc_zone_t *zone = zone_file(zone_name);
    struct cccc_cron c = cron(text);
    size_t at = 0;
    out[0] = '\0';
    for (int64_t t = cron_next(&c, zone, seconds(from)); t < seconds(to); t = cron_next(&c, zone, t)) {
        char ts[28];
        int64_t offset = zone_offset(zone, t);
        cccc_ts_format(ts, (t + offset) * 1000000);
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%.5s%+lld", at ? " " : "", ts + 11, (long long)offset / 60);
    }
    zone_destroy(&zone);
    return out;
}

/* With a fixed hour each day has its run: moved out of what is skipped, once in what is repeated. With every hour the clock is followed. */
static void nights_on_which_clocks_change(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *text, *from, *to, *runs;
    } cases[] = {
        /* forward 02:00 to 03:00 */
        {"Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00+01:00", "2026-03-30T12:00:00+02:00", "03:00+120 02:30+120"},
        {"Europe/Berlin", "0 2 * * *", "2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00", "03:00+120"},
        {"Europe/Berlin", "15,45 1-3 * * *", "2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00",
         "01:15+60 01:45+60 03:00+120 03:15+120 03:45+120"},
        {"Europe/Berlin", "0 3 * * *", "2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00", "03:00+120"},
        {"Europe/Berlin", "30 * * * *", "2026-03-29T00:00:00+01:00", "2026-03-29T04:00:00+02:00", "00:30+60 01:30+60 03:30+120"},
        /* back 03:00 to 02:00 */
        {"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00+02:00", "2026-10-26T12:00:00+01:00", "02:30+120 02:30+60"},
        {"Europe/Berlin", "0 3 * * *", "2026-10-24T12:00:00+02:00", "2026-10-25T12:00:00+01:00", "03:00+60"},
        {"Europe/Berlin", "30 * * * *", "2026-10-25T01:00:00+02:00", "2026-10-25T04:00:00+01:00", "01:30+120 02:30+120 02:30+60 03:30+60"},
        /* forward 02:00 to 03:00 */
        {"America/New_York", "30 2 * * *", "2026-03-07T12:00:00-05:00", "2026-03-09T12:00:00-04:00", "03:00-240 02:30-240"},
        {"America/New_York", "*/20 * * * *", "2026-03-08T01:10:00-05:00", "2026-03-08T03:30:00-04:00",
         "01:20-300 01:40-300 03:00-240 03:20-240"},
        /* back 02:00 to 01:00 */
        {"America/New_York", "30 1 * * *", "2026-10-31T12:00:00-04:00", "2026-11-02T12:00:00-05:00", "01:30-240 01:30-300"},
        {"America/New_York", "30 1 * * 0", "2026-10-31T12:00:00-04:00", "2026-11-07T12:00:00-05:00", "01:30-240"},
        /* half an hour: forward 02:00 to 02:30 on 4 October, back 02:00 to 01:30 on 5 April */
        {"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00+10:30", "2026-10-05T12:00:00+11:00", "02:30+660 02:15+660"},
        {"Australia/Lord_Howe", "15,30 2 * * *", "2026-10-03T12:00:00+10:30", "2026-10-04T12:00:00+11:00", "02:30+660"},
        {"Australia/Lord_Howe", "*/15 * * * *", "2026-10-04T01:40:00+10:30", "2026-10-04T02:50:00+11:00", "01:45+630 02:30+660 02:45+660"},
        {"Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00:00+11:00", "2026-04-06T12:00:00+10:30", "01:45+660 01:45+630"},
        {"Australia/Lord_Howe", "*/15 * * * *", "2026-04-05T01:20:00+11:00", "2026-04-05T02:10:00+10:30",
         "01:30+660 01:45+660 01:30+630 01:45+630 02:00+630"},
        /* behind the last transition the file names, by the rule at its end */
        {"Europe/Berlin", "30 2 * * *", "2045-03-25T12:00:00+01:00", "2045-03-27T12:00:00+02:00", "03:00+120 02:30+120"},
        {"America/New_York", "30 1 * * *", "2050-11-05T12:00:00-04:00", "2050-11-07T12:00:00-05:00", "01:30-240 01:30-300"},
        {"Australia/Lord_Howe", "15 2 * * *", "2050-10-01T12:00:00+10:30", "2050-10-03T12:00:00+11:00", "02:30+660 02:15+660"},
        /* over midnight: forward 00:00 to 01:00, back 00:00 to 23:00 the day before */
        {"Africa/Cairo", "30 0 * * *", "2026-04-23T12:00:00+02:00", "2026-04-24T12:00:00+03:00", "01:00+180"},
        {"Africa/Cairo", "30 23 * * *", "2026-10-29T12:00:00+03:00", "2026-10-30T12:00:00+02:00", "23:30+180"},
        {"Africa/Cairo", "30 * * * *", "2026-10-29T22:45:00+03:00", "2026-10-30T01:00:00+02:00", "23:30+180 23:30+120 00:30+120"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *runs = night(cases[i].zone, cases[i].text, cases[i].from, cases[i].to);
        if (strcmp(runs, cases[i].runs) != 0)
            fail_msg("%s %s: expected %s, have %s", cases[i].zone, cases[i].text, cases[i].runs, runs);
    }
}

/* ---- against a walk ---- */

static uint64_t chance(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int64_t libc_local(int64_t t)
{
    time_t when = (time_t)t;
    struct tm tm;
    assert_non_null(localtime_r(&when, &tm));
    return t + tm.tm_gmtoff;
}

static bool shows(const struct cccc_cron *c, int64_t local)
{
    time_t when = (time_t)local;
    struct tm tm;
    assert_non_null(gmtime_r(&when, &tm));
    bool date = c->days >> tm.tm_mday & 1, week = c->weekdays >> tm.tm_wday & 1;
    return (c->minutes >> tm.tm_min & 1) && (c->hours >> tm.tm_hour & 1) && (c->months >> (tm.tm_mon + 1) & 1) &&
           (c->any_day ? date || week : date && week);
}

/* Did clocks show it before, within the last hours? */
static bool was_shown(int64_t t, int64_t local)
{
    for (int64_t before = t - 60; before > t - 3 * 3600; before -= 60)
        if (libc_local(before) == local)
            return true;
    return false;
}

/* Is there a run in the minute that begins at `t`, by the rule as it is told to users? */
static bool runs_at(const struct cccc_cron *c, int64_t t)
{
    int64_t local = libc_local(t), before = libc_local(t - 60);
    if (shows(c, local) && (c->every_hour || !was_shown(t, local)))
        return true;
    for (int64_t skipped = before + 60; !c->every_hour && skipped < local; skipped += 60)
        if (shows(c, skipped))
            return true;
    return false;
}

static void add_field(char *out, size_t size, unsigned min, unsigned max)
{
    size_t at = strlen(out);
    unsigned a = min + (unsigned)(chance() % (max - min + 1)), b = a + (unsigned)(chance() % (max - a + 1));
    switch (chance() % 6) {
    case 0:
    case 1:
        snprintf(out + at, size - at, "* ");
        break;
    case 2:
        snprintf(out + at, size - at, "*/%u ", 1 + (unsigned)(chance() % (max - min + 1)));
        break;
    case 3:
        snprintf(out + at, size - at, "%u-%u ", a, b);
        break;
    case 4:
        snprintf(out + at, size - at, "%u,%u ", a, b);
        break;
    default:
        snprintf(out + at, size - at, "%u ", a);
    }
}

static void random_expression(char *out, size_t size)
{
    out[0] = '\0';
    add_field(out, size, 0, 59);
    if (chance() % 2) /* hours at which clocks change */
        snprintf(out + strlen(out), size - strlen(out), "%u ", (unsigned)(chance() % 4));
    else
        add_field(out, size, 0, 23);
    add_field(out, size, 1, 31);
    snprintf(out + strlen(out), size - strlen(out), "* ");
    add_field(out, size, 0, 7);
}

/* Random expressions, zones and times, most of them near a change of clocks: the next time is behind `after`, and it is the first one a walk minute by minute finds. */
static void next_time_is_the_first_a_walk_finds(void **state)
{
    (void)state;
    static const char *const zones[] = {"Europe/Berlin",    "America/New_York",  "Australia/Lord_Howe", "Africa/Cairo",
                                        "America/St_Johns", "Asia/Kolkata",      "America/Havana",      "Pacific/Chatham",
                                        "Etc/UTC",          "Africa/Casablanca", "America/Asuncion"};
    enum { WALK = 3 * 1440 };
    uint64_t first_seed = seed;
    for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
        cccc_zone_t *zone = zone_file(zones[z]);
        setenv("TZ", zones[z], 1);
        tzset();
        for (int i = 0; i < 25; i++) {
            char text[128];
            struct cccc_cron c;
            struct cccc_errmsg m;
            random_expression(text, sizeof text);
            if (cron_parse(cccc_str(text), &c, &m) != CCCC_OK)
                continue;
            int64_t after = seconds("1995-01-01T00:00:00Z") + (int64_t)(chance() % (60ull * 365 * 86400));
            int64_t change = zone_next_change(zone, after);
            if (change != CCCC_NEVER && chance() % 4)
                after = change - (int64_t)(chance() % (2 * 86400));
            int64_t next = cron_next(&c, zone, after), walk = after - after % 60 + 60;
            for (int n = 0; n < WALK && !runs_at(&c, walk); n++)
                walk += 60;
            bool found = runs_at(&c, walk);
            if (next <= after || (found ? next != walk : next <= walk))
                fail_msg("seed %llu: %s in %s after %lld: have %lld, a walk finds %lld", (unsigned long long)first_seed, text, zones[z],
                         (long long)after, (long long)next, (long long)walk);
        }
        zone_destroy(&zone);
    }
}

/* The offset of our reading and of libc's are the same from 1970 to 2090, whatever the zone. */
static void offsets_are_those_of_libc(void **state)
{
    (void)state;
    static const char *const zones[] = {"Europe/Berlin",     "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Gaza",
                                        "Europe/Dublin",     "Asia/Tehran",      "America/Sao_Paulo",   "Pacific/Apia", "Antarctica/Troll",
                                        "Africa/Casablanca", "America/Nuuk",     "Asia/Kathmandu",      "Etc/GMT+12",   "America/Godthab"};
    for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
        cccc_zone_t *zone = zone_file(zones[z]);
        setenv("TZ", zones[z], 1);
        tzset();
        for (int i = 0; i < 4000; i++) {
            int64_t t = (int64_t)(chance() % (120ull * 365 * 86400));
            int64_t change = zone_next_change(zone, t);
            if (i % 2 && change != CCCC_NEVER)
                t = change - (int64_t)(chance() % 2);
            if (zone_offset(zone, t) != libc_local(t) - t)
                fail_msg("%s at %lld: %lld, libc says %lld", zones[z], (long long)t, (long long)zone_offset(zone, t),
                         (long long)(libc_local(t) - t));
        }
        zone_destroy(&zone);
    }
}

/* Zone data cut short, or with bytes changed, are refused or read as some zone; nothing is read outside of them. */
static void damaged_zone_data_do_no_harm(void **state)
{
    (void)state;
    static char bytes[CCCC_TIME_ZONE_BYTES_MAX];
    struct cccc_errmsg m;
    FILE *file = fopen("/usr/share/zoneinfo/Australia/Lord_Howe", "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t cut = 0; cut < len; cut++) {
        char *exact = malloc(cut + 1);
        memcpy(exact, bytes, cut);
        assert_null(zone_new(exact, cut, &m));
        free(exact);
    }
    for (int i = 0; i < 20000; i++) {
        char *copy = malloc(len);
        memcpy(copy, bytes, len);
        for (int n = 0; n < 3; n++)
            copy[chance() % len] = (char)chance();
        cccc_zone_t *zone = zone_new(copy, len, &m);
        free(copy);
        if (zone) {
            int64_t t = (int64_t)(chance() % (1ull << 33));
            zone_next_change(zone, t + zone_offset(zone, t));
        }
        zone_destroy(&zone);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        seed = strtoull(argv[2], NULL, 10);
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_are_understood_or_refused),
        cmocka_unit_test(next_times_in_universal_time),
        cmocka_unit_test(nights_on_which_clocks_change),
        cmocka_unit_test(next_time_is_the_first_a_walk_finds),
        cmocka_unit_test(offsets_are_those_of_libc),
        cmocka_unit_test(damaged_zone_data_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
