/* cron.c - see cron.h.
 *
 * Finds the next time by days: a day that matches is searched from where `after` lies in it, so the costs are those of the days in between.
 * Thread: none. */
#include "broker/core/automation/cron.h"
#include "broker/mutant.h"
#include "proto/event.h"

#define DAY 86400
/* Leap days are at most eight years apart. */
#define DAYS_AHEAD (8 * 366)

/* ---- parsing ---- */

struct field {
    const char *name;
    unsigned min, max;
};

static const struct field fields[] = {
    {"minute", 0, 59}, {"hour", 0, 23}, {"day of the month", 1, 31}, {"month", 1, 12}, {"day of the week", 0, 7}};
enum { MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, FIELDS };

static bool number(cccc_str_t s, unsigned *out)
{
    *out = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(s.ptr[i] - '0');
    }
    return s.len > 0 && s.len <= 4;
}

/* One item of a list: *, n or a-b, maybe with /step; of n/step only n is meant. */
static bool item_parse(const struct field *field, cccc_str_t item, uint64_t *set)
{
    unsigned first = field->min, last = field->max, step = 1;
    cccc_str_t rest = item, span = cccc_str_next(&rest, '/');
    if (span.len < item.len && (!number(rest, &step) || step == 0))
        return false;
    if (!cccc_str_is(span, "*")) {
        cccc_str_t high = span, low = cccc_str_next(&high, '-');
        if (!number(low, &first))
            return false;
        last = first;
        if (low.len < span.len && !number(high, &last))
            return false;
    }
    if (first < field->min || last > field->max || first > last)
        return false;
    for (unsigned n = first; n <= last; n += step)
        *set |= UINT64_C(1) << n;
    return true;
}

static cccc_err_t field_parse(const struct field *field, cccc_str_t text, uint64_t *set, struct cccc_errmsg *m)
{
    *set = 0;
    for (cccc_str_t rest = text; rest.len > 0;) {
        bool more = memchr(rest.ptr, ',', rest.len) != NULL;
        cccc_str_t item = cccc_str_next(&rest, ',');
        if (!item_parse(field, item, set) || (more && rest.len == 0))
            return cccc_fail(m, CCCC_E_INVALID_RULE, "%s: \"%.*s\" is not *, a number or a range from %u to %u, with a step or without",
                             field->name, CCCC_STR_FMT(more && rest.len == 0 ? text : item), field->min, field->max);
    }
    return CCCC_OK;
}

/* The next word of a line. */
static cccc_str_t word(cccc_str_t *rest)
{
    while (rest->len > 0 && (*rest->ptr == ' ' || *rest->ptr == '\t')) {
        rest->ptr++;
        rest->len--;
    }
    size_t len = 0;
    while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != '\t')
        len++;
    cccc_str_t found = {rest->ptr, len};
    rest->ptr += len;
    rest->len -= len;
    return found;
}

/* Is there a day that matches, in any year? */
static bool is_possible(const struct cccc_cron *cron)
{
    static const unsigned lengths[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (unsigned month = 1; month <= 12; month++)
        if ((cron->months >> month & 1) && (cron->any_day || (cron->days & ((UINT64_C(2) << lengths[month]) - 1))))
            return true;
    return false;
}

cccc_err_t cron_parse(cccc_str_t text, struct cccc_cron *out, struct cccc_errmsg *m)
{
    uint64_t sets[FIELDS];
    bool free_day[FIELDS] = {false};
    cccc_str_t rest = text;
    for (int i = 0; i < FIELDS; i++) {
        cccc_str_t w = word(&rest);
        if (w.len == 0)
            return cccc_fail(m, CCCC_E_INVALID_RULE, "a cron expression has five fields: minute hour day-of-month month day-of-week");
        free_day[i] = cccc_str_is(w, "*");
        cccc_err_t err = field_parse(&fields[i], w, &sets[i], m);
        if (err)
            return err;
    }
    if (word(&rest).len > 0)
        return cccc_fail(m, CCCC_E_INVALID_RULE, "a cron expression has five fields and no more");
    struct cccc_cron cron = {.minutes = sets[MINUTE],
                             .hours = (uint32_t)sets[HOUR],
                             .days = (uint32_t)sets[DAY_OF_MONTH],
                             .months = (uint16_t)sets[MONTH],
                             .weekdays = (uint8_t)((sets[DAY_OF_WEEK] | sets[DAY_OF_WEEK] >> 7) & 0x7f),
                             .any_day = !free_day[DAY_OF_MONTH] && !free_day[DAY_OF_WEEK],
                             .every_hour = sets[HOUR] == 0xffffff};
    if (!is_possible(&cron))
        return cccc_fail(m, CCCC_E_INVALID_RULE, "no month it names has such a day");
    *out = cron;
    return CCCC_OK;
}

/* ---- the next time ---- */

/* The first day from `day` on that matches, or `end`. */
static int64_t next_day(const struct cccc_cron *self, int64_t day, int64_t end)
{
    while (day < end) {
        int year, month, of_month;
        cccc_civil_from_days(day, &year, &month, &of_month);
        bool by_date = self->days >> of_month & 1, by_week = self->weekdays >> (((day + 4) % 7 + 7) % 7) & 1;
        if (!(self->months >> month & 1))
            day = month == 12 ? cccc_days_from_civil(year + 1, 1, 1) : cccc_days_from_civil(year, month + 1, 1);
        else if (self->any_day ? by_date || by_week : by_date && by_week)
            return day;
        else
            day++;
    }
    return end;
}

/* When clocks show `local`, if that is behind `after`. */
static int64_t time_behind(const struct cccc_cron *self, const cccc_zone_t *zone, int64_t local, int64_t after)
{
    int64_t times[2];
    unsigned count = zone_times(zone, local, times);
    if (times[0] > after && (count > 0 || !self->every_hour))
        return times[0];
    return count == 2 && (self->every_hour || CCCC_MUTANT_IS(REPEATED_HOUR)) && times[1] > after ? times[1] : CCCC_NEVER;
}

static int64_t next_in_day(const struct cccc_cron *self, const cccc_zone_t *zone, int64_t day, int64_t after)
{
    int64_t a = zone_offset(zone, (day - 1) * DAY), b = zone_offset(zone, (day + 2) * DAY), best = CCCC_NEVER;
    int64_t least = a < b ? a : b, most = a < b ? b : a;
    for (int64_t hour = 0; hour < 24; hour++) {
        int64_t begin = day * DAY + hour * 3600;
        if (!(self->hours >> hour & 1) || begin + 3600 <= after + least)
            continue;
        for (int64_t minute = 0; minute < 60; minute++) {
            int64_t local = begin + minute * 60;
            if (best <= local - most)
                return best; /* whatever follows is later */
            if ((self->minutes >> minute & 1) && local > after + least) {
                int64_t t = time_behind(self, zone, local, after);
                best = t < best ? t : best;
            }
        }
    }
    return best;
}

int64_t cron_next(const struct cccc_cron *self, const cccc_zone_t *zone, int64_t after)
{
    int64_t local = after + zone_offset(zone, after), first = (local >= 0 ? local / DAY : -((DAY - 1 - local) / DAY)) - 1;
    int64_t end = first + DAYS_AHEAD, t = CCCC_NEVER, other = CCCC_NEVER;
    int64_t day = next_day(self, first, end);
    for (; day < end && (t = next_in_day(self, zone, day, after)) == CCCC_NEVER;)
        day = next_day(self, day + 1, end);
    /* Clocks that are put back over midnight show the next day first. */
    if (day < end && next_day(self, day + 1, day + 2) == day + 1)
        other = next_in_day(self, zone, day + 1, after);
    return t < other ? t : other;
}
