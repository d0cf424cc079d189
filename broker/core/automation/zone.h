/* zone.h - local time of a place, from the system's time zone data. Internal to broker/core.
 *
 * The data comes in as bytes (TZif, RFC 8536): the core reads no file, and libc's zone is one per process and not for threads. All times are whole seconds
 * since 1970, universal or, where it says so, as a clock on the wall of that place would count them.
 * Thread: none; a zone does not change. */
#pragma once

#include "proto/err.h"

#include <stdint.h>

typedef struct cccc_zone cccc_zone_t;

#define CCCC_NEVER INT64_MAX

/* NULL: *m says what is wrong with the bytes. */
cccc_zone_t *zone_new(const char *bytes, size_t len, struct cccc_errmsg *m);
void zone_destroy(cccc_zone_t **self);
/* Universal time, which needs no file. Static. */
const cccc_zone_t *zone_utc(void);
/* Seconds that local time is ahead at the universal time `t`. */
int64_t zone_offset(const cccc_zone_t *self, int64_t t);
/* The first time behind `t` at which the offset may change; CCCC_NEVER when there is none. */
int64_t zone_next_change(const cccc_zone_t *self, int64_t t);
/* The universal times at which clocks show `local`: 0 (they skip it; times[0] is when they do), 1, or 2 (they show it twice), in order. */
unsigned zone_times(const cccc_zone_t *self, int64_t local, int64_t times[2]);
