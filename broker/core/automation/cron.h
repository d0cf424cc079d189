/* cron.h - when a cron expression matches. Internal to broker/core.
 *
 * Five fields: minute, hour, day of the month, month, day of the week. Each is a comma list of *, n, a-b, with an optional /step; numbers only. Sunday is 0 and 7. When both
 * days are restricted (not literally *), one of them is enough.
 * Nights on which clocks change: with a fixed hour, a time that clocks skip is moved to the first one they show again, and a time they show twice counts once, the first
 * time. With every hour (*), each minute counts as clocks show it: skipped ones are none, repeated ones are two.
 * Thread: none; pure. */
#pragma once

#include "broker/core/automation/zone.h"
#include "proto/str.h"

/* Sets of numbers, as bits. */
struct cccc_cron {
    uint64_t minutes;
    uint32_t hours, days;
    uint16_t months;
    uint8_t weekdays;
    bool any_day;    /* a day of either set is enough */
    bool every_hour; /* the hour is not fixed */
};

/* CCCC_E_INVALID_RULE: *m names the field and what is wrong with it, or says that no day matches. */
cccc_err_t cron_parse(cccc_str_t text, struct cccc_cron *out, struct cccc_errmsg *m);
/* The first time behind `after` (seconds since 1970); CCCC_NEVER when there is none. */
int64_t cron_next(const struct cccc_cron *self, const cccc_zone_t *zone, int64_t after);
