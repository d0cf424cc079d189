/* zone.c - TZif data (RFC 8536) as a function from time to offset, and back.
 *
 * Versions 2 and later: 64-bit transitions, and behind them a rule in POSIX form (TZ of POSIX.1-2017 8.3, with the hours up to 167 of RFC 8536 3.3.1) for all times
 * after the last. Of version 1, which has neither, only zones that never change are left. Leap seconds ("right/" zones) are refused.
 * Thread: none. */
#include "broker/core/automation/zone.h"
#include "proto/event.h"

#include <stdlib.h>

#define DAY 86400

/* A day of the year on which a POSIX rule changes the clocks, and the local time of day. */
struct change {
    enum { JULIAN_WITHOUT_LEAP, JULIAN, WEEKDAY } form;
    int month, week, day;
    int64_t time;
};

/* What holds behind the last transition. */
struct tail {
    bool known, has_summer;
    int64_t standard, summer; /* offsets */
    struct change begin, end; /* of summer time */
};

struct cccc_zone {
    int64_t first; /* offset in front of all transitions */
    uint32_t count;
    struct tail tail;
    struct {
        int64_t at, offset;
    } transitions[]; /* rising */
};

/* ---- a rule in POSIX form ---- */

/* A number of at most three digits; -1: there is none. */
static int take_number(cccc_str_t *s)
{
    int n = -1;
    for (int digits = 0; digits < 3 && s->len > 0 && *s->ptr >= '0' && *s->ptr <= '9'; digits++, s->ptr++, s->len--)
        n = (n < 0 ? 0 : n) * 10 + (*s->ptr - '0');
    return n;
}

static bool take(cccc_str_t *s, char c)
{
    if (s->len == 0 || *s->ptr != c)
        return false;
    s->ptr++;
    s->len--;
    return true;
}

/* "CET" or "<+1030>". */
static bool take_name(cccc_str_t *s)
{
    bool quoted = take(s, '<');
    size_t len = 0;
    while (len < s->len && (quoted ? s->ptr[len] != '>' : (s->ptr[len] | 32) >= 'a' && (s->ptr[len] | 32) <= 'z'))
        len++;
    s->ptr += len;
    s->len -= len;
    return len >= 3 && (!quoted || take(s, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(cccc_str_t *s, int64_t *out)
{
    int64_t sign = take(s, '-') ? -1 : 1;
    if (sign == 1)
        take(s, '+');
    int h = take_number(s), m = take(s, ':') ? take_number(s) : 0, sec = take(s, ':') ? take_number(s) : 0;
    *out = sign * ((int64_t)h * 3600 + m * 60 + sec);
    return h >= 0 && h <= 167 && m >= 0 && m <= 59 && sec >= 0 && sec <= 59;
}

/* ,M10.5.0/3 or ,J60 or ,59 */
static bool take_change(cccc_str_t *s, struct change *out)
{
    *out = (struct change){.form = JULIAN, .time = 2 * 3600};
    if (!take(s, ','))
        return false;
    bool good;
    if (take(s, 'M')) {
        out->form = WEEKDAY;
        out->month = take_number(s);
        out->week = take(s, '.') ? take_number(s) : -1;
        out->day = take(s, '.') ? take_number(s) : -1;
        good = out->month >= 1 && out->month <= 12 && out->week >= 1 && out->week <= 5 && out->day >= 0 && out->day <= 6;
    } else {
        out->form = take(s, 'J') ? JULIAN_WITHOUT_LEAP : JULIAN;
        out->day = take_number(s);
        good = out->form == JULIAN ? out->day >= 0 && out->day <= 365 : out->day >= 1 && out->day <= 365;
    }
    return good && (!take(s, '/') || take_time(s, &out->time));
}

static bool tail_parse(cccc_str_t s, struct tail *out)
{
    *out = (struct tail){.known = true};
    if (!take_name(&s) || !take_time(&s, &out->standard))
        return false;
    out->standard = -out->standard; /* POSIX counts westward */
    out->summer = out->standard + 3600;
    if (s.len == 0)
        return true;
    out->has_summer = true;
    if (!take_name(&s))
        return false;
    if (s.len > 0 && *s.ptr != ',') {
        if (!take_time(&s, &out->summer))
            return false;
        out->summer = -out->summer;
    }
    return take_change(&s, &out->begin) && take_change(&s, &out->end) && s.len == 0;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The local time of a change in a year. */
static int64_t change_local(const struct change *c, int year)
{
    int64_t day;
    if (c->form == WEEKDAY) {
        int64_t first = cccc_days_from_civil(year, c->month, 1);
        int64_t next = c->month == 12 ? cccc_days_from_civil(year + 1, 1, 1) : cccc_days_from_civil(year, c->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970 began on a Thursday */
        day = first + (c->day - weekday + 7) % 7 + (int64_t)(c->week - 1) * 7;
        day -= day >= next ? 7 : 0; /* the fifth is the last */
    } else {
        day = cccc_days_from_civil(year, 1, 1) + c->day;
        day -= c->form == JULIAN_WITHOUT_LEAP && !(is_leap(year) && c->day >= 60) ? 1 : 0;
    }
    return day * DAY + c->time;
}

static int year_of(int64_t local)
{
    int year, month, day;
    cccc_civil_from_days(local >= 0 ? local / DAY : -((DAY - 1 - local) / DAY), &year, &month, &day);
    return year;
}

static int64_t tail_begin(const struct tail *tail, int year)
{
    return change_local(&tail->begin, year) - tail->standard;
}

static int64_t tail_end(const struct tail *tail, int year)
{
    return change_local(&tail->end, year) - tail->summer;
}

static int64_t tail_offset(const struct tail *tail, int64_t t)
{
    if (!tail->has_summer)
        return tail->standard;
    int year = year_of(t + tail->standard);
    int64_t begin = tail_begin(tail, year), end = tail_end(tail, year);
    bool summer = begin < end ? t >= begin && t < end : t >= begin || t < end;
    return summer ? tail->summer : tail->standard;
}

static int64_t tail_next_change(const struct tail *tail, int64_t t)
{
    int64_t next = CCCC_NEVER;
    if (!tail->known || !tail->has_summer)
        return next;
    for (int year = year_of(t) - 1, last = year + 3; year <= last; year++) {
        int64_t begin = tail_begin(tail, year), end = tail_end(tail, year);
        next = begin > t && begin < next ? begin : next;
        next = end > t && end < next ? end : next;
    }
    return next;
}

/* ---- the file ---- */

static int64_t big_endian(const char *bytes, unsigned len)
{
    uint64_t n = (unsigned char)*bytes & 0x80 ? UINT64_MAX : 0;
    for (unsigned i = 0; i < len; i++)
        n = n << 8 | (unsigned char)bytes[i];
    return (int64_t)n;
}

/* Where the parts of a block are. */
struct block {
    const char *times, *indices, *types, *end;
    uint32_t time_count, type_count, leap_count;
};

enum { HEADER_BYTES = 44, TYPE_BYTES = 6 };

/* The block of numbers with `size` bytes whose header is at `bytes`. False: it does not fit into `len`. */
static bool block_find(const char *bytes, size_t len, unsigned size, struct block *out)
{
    uint32_t counts[6];
    if (len < HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0)
        return false;
    for (int i = 0; i < 6; i++)
        counts[i] = (uint32_t)big_endian(bytes + 20 + 4 * (ptrdiff_t)i, 4);
    uint64_t uts = counts[0], stds = counts[1], leaps = counts[2], times = counts[3], types = counts[4], chars = counts[5];
    uint64_t need = HEADER_BYTES + times * (size + 1) + types * TYPE_BYTES + chars + leaps * (size + 4) + stds + uts;
    if (need > len || types == 0)
        return false;
    out->times = bytes + HEADER_BYTES;
    out->indices = out->times + times * size;
    out->types = out->indices + times;
    out->end = bytes + need;
    out->time_count = (uint32_t)times;
    out->type_count = (uint32_t)types;
    out->leap_count = (uint32_t)leaps;
    return true;
}

static int64_t type_offset(const struct block *block, unsigned type)
{
    return big_endian(block->types + (size_t)type * TYPE_BYTES, 4);
}

static bool transitions_read(cccc_zone_t *self, const struct block *block)
{
    for (uint32_t i = 0; i < block->time_count; i++) {
        unsigned type = (unsigned char)block->indices[i];
        int64_t at = big_endian(block->times + (size_t)i * 8, 8);
        if (type >= block->type_count || (i > 0 && at <= self->transitions[i - 1].at))
            return false;
        self->transitions[i].at = at;
        self->transitions[i].offset = type_offset(block, type);
    }
    self->count = block->time_count;
    self->first = type_offset(block, 0);
    return true;
}

/* Behind the block: a line with the rule, maybe empty. */
static bool footer_read(cccc_zone_t *self, const char *p, const char *end)
{
    if (end - p < 2 || *p != '\n')
        return false;
    const char *close = memchr(p + 1, '\n', (size_t)(end - p - 1));
    if (close == NULL)
        return false;
    cccc_str_t rule = {p + 1, (size_t)(close - p - 1)};
    return rule.len == 0 || tail_parse(rule, &self->tail);
}

cccc_zone_t *zone_new(const char *bytes, size_t len, struct cccc_errmsg *m)
{
    struct block old, block;
    if (!block_find(bytes, len, 4, &old) || bytes[4] < '2' || !block_find(old.end, len - (size_t)(old.end - bytes), 8, &block)) {
        cccc_fail(m, CCCC_E_DAMAGED, "not time zone data of version 2 or later (RFC 8536)");
        return NULL;
    }
    cccc_zone_t *self = calloc(1, sizeof *self + block.time_count * sizeof self->transitions[0]);
    CCCC_ASSERT(self, "(out of memory)");
    if (block.leap_count == 0 && transitions_read(self, &block) && footer_read(self, block.end, bytes + len))
        return self;
    free(self);
    cccc_fail(m, CCCC_E_DAMAGED, "its time zone data are damaged, or count leap seconds");
    return NULL;
}

void zone_destroy(cccc_zone_t **self)
{
    free(*self);
    *self = NULL;
}

const cccc_zone_t *zone_utc(void)
{
    static const cccc_zone_t utc = {.tail = {.known = true}};
    return &utc;
}

/* ---- asking ---- */

/* How many transitions there are up to `t`. */
static uint32_t transitions_through(const cccc_zone_t *self, int64_t t)
{
    uint32_t low = 0, high = self->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (self->transitions[middle].at <= t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t zone_offset(const cccc_zone_t *self, int64_t t)
{
    uint32_t n = transitions_through(self, t);
    if (n == self->count && self->tail.known)
        return tail_offset(&self->tail, t);
    return n > 0 ? self->transitions[n - 1].offset : self->first;
}

int64_t zone_next_change(const cccc_zone_t *self, int64_t t)
{
    uint32_t n = transitions_through(self, t);
    return n < self->count ? self->transitions[n].at : tail_next_change(&self->tail, t);
}

/* The change behind `t` that moves the clocks forward. */
static int64_t skip_behind(const cccc_zone_t *self, int64_t t, int64_t until)
{
    int64_t at = zone_next_change(self, t);
    while (at < until && zone_offset(self, at) <= zone_offset(self, at - 1))
        at = zone_next_change(self, at);
    return at < until ? at : until;
}

unsigned zone_times(const cccc_zone_t *self, int64_t local, int64_t times[2])
{
    int64_t a = zone_offset(self, local - DAY), b = zone_offset(self, local + DAY);
    int64_t early = local - (a > b ? a : b), late = local - (a > b ? b : a);
    bool at_early = early + zone_offset(self, early) == local, at_late = late + zone_offset(self, late) == local;
    times[0] = at_early ? early : late;
    times[1] = late;
    if (at_early || at_late)
        return at_early && at_late && early != late ? 2 : 1;
    times[0] = skip_behind(self, early, late);
    return 0;
}
