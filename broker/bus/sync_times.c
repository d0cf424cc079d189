/* sync_times.c - see sync_times.h. */
#include "broker/bus/sync_times.h"

enum { LINEAR = 16, LINEAR_BITS = 4, MINUTE_US = 60000000 };

uint32_t cccc_sync_bucket(uint64_t us)
{
    if (us < LINEAR)
        return (uint32_t)us;
    uint32_t power = 63u - (uint32_t)__builtin_clzll(us);
    uint32_t bucket = (power - LINEAR_BITS + 1) * LINEAR + (uint32_t)(us >> (power - LINEAR_BITS) & (LINEAR - 1));
    return bucket < CCCC_SYNC_BUCKETS ? bucket : CCCC_SYNC_BUCKETS - 1;
}

uint64_t cccc_sync_bucket_top(uint32_t bucket)
{
    if (bucket < LINEAR)
        return bucket;
    uint32_t shift = bucket / LINEAR - 1;
    return ((uint64_t)(LINEAR + bucket % LINEAR + 1) << shift) - 1;
}

static void turn_minutes(struct cccc_sync_times *self, uint64_t now_us)
{
    uint64_t passed = now_us - self->minute_began_us;
    if (passed < MINUTE_US)
        return;
    self->minute[1] = passed < 2 * (uint64_t)MINUTE_US ? self->minute[0] : (struct cccc_sync_minute){0};
    self->minute[0] = (struct cccc_sync_minute){0};
    self->minute_began_us = now_us;
}

void cccc_sync_times_add(struct cccc_sync_times *self, uint64_t us, uint64_t now_us)
{
    turn_minutes(self, now_us);
    self->count++;
    self->minute[0].count++;
    self->minute[0].bucket[cccc_sync_bucket(us)]++;
    if (us > self->max_us)
        self->max_us = us;
}

uint64_t cccc_sync_times_percentile(struct cccc_sync_times *self, uint32_t permille, uint64_t now_us)
{
    turn_minutes(self, now_us);
    uint64_t count = self->minute[0].count + self->minute[1].count;
    uint64_t rank = (count * permille + 999) / 1000, seen = 0;
    for (uint32_t i = 0; i < CCCC_SYNC_BUCKETS && count > 0; i++) {
        seen += self->minute[0].bucket[i] + self->minute[1].bucket[i];
        if (seen >= rank)
            return cccc_sync_bucket_top(i) < self->max_us ? cccc_sync_bucket_top(i) : self->max_us;
    }
    return 0;
}
