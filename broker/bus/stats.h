/* stats.h - what the daemon knows of itself, for the core to show (ping, status, the d/ topic).
 *
 * Thread: the loop's. */
#pragma once

#include "broker/bus/sync_times.h"
#include "broker/core/core.h"

struct cccc_bus;

struct cccc_stats {
    uint64_t requests, refused, durable, published, filtered, commits_failed, shed_subscribers;
    struct cccc_sync_times syncs;
    uint64_t started_mono_us;
    struct cccc_daemon_facts facts;
};

/* Bring stats.facts up to date: all of it, or only the counters, which cost nothing. */
void cccc_stats_gather(struct cccc_bus *bus);
void cccc_stats_count(struct cccc_bus *bus);
