/* stats.h - what the daemon knows of itself: counters, and how long syncs take.
 *
 * Sync times are kept in a histogram of about 6 % resolution for this minute and the last; percentiles are over both, the maximum is since start.
 * Thread: the loop's. */
#pragma once

#include "broker/core/core.h"

struct cccc_bus;

enum { CCCC_HISTOGRAM_BUCKETS = 512 };

struct cccc_histogram {
    uint64_t count;
    uint32_t bucket[CCCC_HISTOGRAM_BUCKETS];
};

struct cccc_stats {
    uint64_t requests, refused, acked, published, filtered, commits_failed, syncs, sync_max_us, shed_subscribers;
    struct cccc_histogram minute[2]; /* this one and the last */
    uint64_t minute_began_us;
    int64_t started_unix_us;
    struct cccc_daemon_facts facts;
    cccc_arena_t *arena;   /* of facts */
    cccc_value_t degraded; /* facts.groups_degraded */
};

/* A sync of `lines` lines took `us` (0: it did not come to a sync). */
void cccc_stats_sync(struct cccc_stats *self, uint64_t us, uint32_t lines, uint64_t now_us);
/* The duration that `permille` of all syncs of the two minutes did not exceed; 0 without any. */
uint64_t cccc_stats_sync_percentile(const struct cccc_stats *self, uint32_t permille);
/* Bring stats.facts up to date. */
void cccc_stats_gather(struct cccc_bus *bus);

void cccc_stats_fini(struct cccc_stats *self);

/* A histogram's bucket for `us`, and the largest value of a bucket. */
uint32_t cccc_histogram_bucket(uint64_t us);
uint64_t cccc_histogram_value(uint32_t bucket);
