/* times.c - times and sizes as people write and read them. Pure but for the local time zone. */
#include "clients/cli/cli.h"
#include "proto/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)

static const struct {
    char letter;
    int64_t seconds;
} units[] = {{'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
#define UNITS (sizeof units / sizeof *units)

void cli_relative_time(char *out, size_t size, int64_t then_us, int64_t now_us)
{
    int64_t seconds = (now_us - then_us) / SECOND_US;
    const char *ago = seconds < 0 ? "ahead" : "ago";
    if (seconds < 0)
        seconds = -seconds;
    if (seconds < 1) {
        snprintf(out, size, "now");
        return;
    }
    for (size_t i = 1; i < UNITS; i++)
        if (seconds >= units[i].seconds) {
            snprintf(out, size, "%" PRId64 "%c %s", seconds / units[i].seconds, units[i].letter, ago);
            return;
        }
}

bool cli_duration(const char *text, int64_t *seconds)
{
    int64_t sum = 0;
    if (!*text)
        return false;
    while (*text) {
        char *end;
        if (*text < '0' || *text > '9')
            return false;
        unsigned long long count = strtoull(text, &end, 10);
        size_t i = 0;
        while (i < UNITS && units[i].letter != *end)
            i++;
        if (i == UNITS || count > 100000000)
            return false;
        sum += (int64_t)count * units[i].seconds;
        text = end + 1;
    }
    *seconds = sum;
    return true;
}

/* Local midnight `days` before today, or of a given date. */
static bool local_midnight(int64_t now_us, int days, const char *date, int64_t *out_us)
{
    struct tm tm;
    time_t now = (time_t)(now_us / SECOND_US);
    localtime_r(&now, &tm);
    if (date) {
        const char *end = strlen(date) == strlen("2026-01-31") ? strptime(date, "%Y-%m-%d", &tm) : NULL;
        if (!end || *end)
            return false;
    }
    tm.tm_mday -= days;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    time_t midnight = mktime(&tm);
    if (midnight == (time_t)-1)
        return false;
    *out_us = (int64_t)midnight * SECOND_US;
    return true;
}

bool cli_since(const char *text, int64_t now_us, int64_t *out_us)
{
    int64_t seconds;
    if (strcmp(text, "today") == 0)
        return local_midnight(now_us, 0, NULL, out_us);
    if (strcmp(text, "yesterday") == 0)
        return local_midnight(now_us, 1, NULL, out_us);
    if (cli_duration(text, &seconds)) {
        *out_us = now_us - seconds * SECOND_US;
        return true;
    }
    return local_midnight(now_us, 0, text, out_us) || cccc_ts_parse(cccc_str(text), out_us);
}

void cli_size(char *out, size_t size, uint64_t bytes)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t i = 0;
    while (value >= 1024 && i + 1 < sizeof names / sizeof *names) {
        value /= 1024;
        i++;
    }
    snprintf(out, size, i ? "%.1f %s" : "%.0f %s", value, names[i]);
}
