/* sync_times.h - how long the disk's syncs take: a histogram of this minute and the last.
 *
 * Log-linear buckets, 16 per power of two, so a percentile is at most a sixteenth too high. Percentiles are over both minutes, count and
 * maximum since the start.
 * Thread: the loop's; pure. */
#pragma once

#include <stdint.h>

enum { CCCC_SYNC_BUCKETS = 512 };

struct cccc_sync_minute {
    uint64_t count;
    uint32_t bucket[CCCC_SYNC_BUCKETS];
};

struct cccc_sync_times {
    uint64_t count, max_us;
    uint64_t minute_began_us;
    struct cccc_sync_minute minute[2]; /* this one and the last */
};

/* A sync took `us` and ended at `now_us`. */
void cccc_sync_times_add(struct cccc_sync_times *self, uint64_t us, uint64_t now_us);
/* The time that `permille` of the syncs of the two minutes did not exceed; 0 without any. */
uint64_t cccc_sync_times_percentile(struct cccc_sync_times *self, uint32_t permille, uint64_t now_us);

/* The bucket of `us`, and the largest value of a bucket. */
uint32_t cccc_sync_bucket(uint64_t us);
uint64_t cccc_sync_bucket_top(uint32_t bucket);
