/* measure_rules.c - what 1,000 automation rules cost the core each second: when none is due, when all are due in the same minute, and when they are planned.
 *
 * Prints microseconds of processor time per tick: the middle and the most of them. Effects are collected, not carried out.
 * Usage: measure_rules */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { GROUPS = 4, RULES = 250, TICKS = 300 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bench_t *with_rules(const char *cron, bool intervals)
{
    static const char *const quiet[] = {"append", "publish", "reply", "durable", "read", "store", "log", ">", NULL};
    bench_t *b = bench_new(1);
    bench_quiet(b, quiet);
    for (int g = 0; g < GROUPS; g++) {
        const char *id = cccc_arena_printf(bench_arena(b), "g_00000000000%d", g + 1).ptr;
        cccc_str_t rules = CCCC_STR("");
        bench_group(b, id, id, team_document(id, "foreman", "active"));
        for (int i = 0; i < RULES; i++)
            rules = cccc_arena_printf(
                bench_arena(b),
                intervals && i % 2
                    ? "%.*s%s{'id':'r%d','trigger':{'kind':'interval','every_seconds':864000%.0s},'action':{'message':'x'}}"
                    : "%.*s%s{'id':'r%d','trigger':{'kind':'cron','cron':'%s','timezone':'Europe/Berlin'},'action':{'message':'x'}}",
                CCCC_STR_FMT(rules), i ? "," : "", i, cron);
        bench_do(b, "group_automation_update", "{'group_id':'%s','ruleset':{'rules':[%.*s]}}", id, CCCC_STR_FMT(rules));
    }
    return b;
}

static void measure(const char *what, const char *cron, bool intervals, bool settle)
{
    static double took[TICKS];
    bench_t *b = with_rules(cron, intervals);
    for (int i = 0; i < TICKS; i++) {
        double began = now_us();
        bench_pass(b, 1);
        took[i] = now_us() - began;
        if (settle)
            bench_settle(b);
    }
    double first = took[0];
    qsort(took, TICKS, sizeof *took, by_size);
    printf("%-44s first %6.0f us, middle %6.0f us, most %6.0f us\n", what, first, took[TICKS / 2], took[TICKS - 1]);
    bench_free(&b);
}

int main(void)
{
    measure("none is due (once in four years, intervals)", "30 2 29 2 *", true, false);
    measure("all are due each minute", "* * * * *", false, true);
    measure("all are due on the hour", "0 * * * *", false, true);
    return 0;
}
