/* stats.c - see stats.h. Buckets are log-linear: 16 per power of two. */
#include "broker/bus/stats.h"

#include "broker/bus/accept_guard.h"
#include "broker/bus/bus.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINEAR = 16, LINEAR_BITS = 4, MINUTE_US = 60000000 };

uint32_t cccc_histogram_bucket(uint64_t us)
{
    if (us < LINEAR)
        return (uint32_t)us;
    uint32_t power = 63u - (uint32_t)__builtin_clzll(us);
    uint32_t bucket = (power - LINEAR_BITS + 1) * LINEAR + (uint32_t)(us >> (power - LINEAR_BITS) & (LINEAR - 1));
    return bucket < CCCC_HISTOGRAM_BUCKETS ? bucket : CCCC_HISTOGRAM_BUCKETS - 1;
}

uint64_t cccc_histogram_value(uint32_t bucket)
{
    if (bucket < LINEAR)
        return bucket;
    uint32_t shift = bucket / LINEAR - 1;
    return ((uint64_t)(LINEAR + bucket % LINEAR + 1) << shift) - 1;
}

void cccc_stats_sync(struct cccc_stats *self, uint64_t us, uint32_t lines, uint64_t now_us)
{
    if (us == 0)
        return;
    if (now_us - self->minute_began_us >= MINUTE_US) {
        self->minute[1] = self->minute[0];
        self->minute[0] = (struct cccc_histogram){0};
        self->minute_began_us = now_us;
    }
    self->syncs++;
    self->acked += lines;
    self->minute[0].count++;
    self->minute[0].bucket[cccc_histogram_bucket(us)]++;
    if (us > self->sync_max_us)
        self->sync_max_us = us;
}

uint64_t cccc_stats_sync_percentile(const struct cccc_stats *self, uint32_t permille)
{
    uint64_t count = self->minute[0].count + self->minute[1].count;
    uint64_t rank = (count * permille + 999) / 1000, seen = 0;
    if (count == 0)
        return 0;
    for (uint32_t i = 0; i < CCCC_HISTOGRAM_BUCKETS; i++) {
        seen += self->minute[0].bucket[i] + self->minute[1].bucket[i];
        if (seen >= rank)
            return cccc_histogram_value(i) < self->sync_max_us ? cccc_histogram_value(i) : self->sync_max_us;
    }
    return self->sync_max_us;
}

static uint64_t resident_bytes(void)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    char *resident = n > 0 ? strchr(text, ' ') : NULL;
    return resident ? strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    uint64_t count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* less ., .. and the directory itself */
}

void cccc_stats_gather(struct cccc_bus *bus)
{
    struct cccc_stats *self = &bus->stats;
    const struct cccc_peer_counters *peers = cccc_peers_counters(bus->peers);
    cccc_arena_destroy(&self->arena);
    self->arena = cccc_arena_new(256);
    self->degraded = cccc_ledgers_degraded(&bus->ledgers, self->arena);
    self->facts = (struct cccc_daemon_facts){
        .version = CCCC_VERSION,
        .home = bus->home.root,
        .pid = getpid(),
        .started_unix_us = self->started_unix_us,
        .epoch = bus->epoch,
        .requests = self->requests,
        .acked = self->acked,
        .events_published = self->published,
        .syncs = self->syncs,
        .sync_p50_us = cccc_stats_sync_percentile(self, 500),
        .sync_p99_us = cccc_stats_sync_percentile(self, 990),
        .sync_max_us = self->sync_max_us,
        .queued_replies = peers->queued_replies,
        .dropped_peers = peers->dropped_peers + self->shed_subscribers,
        .shed_connections = cccc_accept_guard_shed(),
        .subscriptions = bus->subscriptions.count,
        .fds = open_descriptors(),
        .rss_bytes = resident_bytes(),
        .groups_degraded = cccc_is_nil(&self->degraded) ? NULL : &self->degraded,
        .degraded = bus->subscriptions.overflowed
                        ? CCCC_STR("more topic prefixes are subscribed than are kept; publications are no longer filtered")
                        : CCCC_STR(""),
    };
}

void cccc_stats_fini(struct cccc_stats *self)
{
    cccc_arena_destroy(&self->arena);
}
