/* stats.c - see stats.h. */
#include "broker/bus/stats.h"

#include "broker/bus/accept_guard.h"
#include "broker/bus/bus.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The size of the folder is their number since Linux 6.2; reading it costs most of what ten thousand idle clients cost. Older kernels say 0. */
static uint64_t open_descriptors(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return (uint64_t)st.st_size;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    uint64_t count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* less ., .. and the directory itself */
}

static void count_gateway(struct cccc_bus *bus)
{
    struct cccc_gateway_counters counters = {0};
    if (bus->gate.gateway)
        cccc_gateway_count(bus->gate.gateway, &counters);
    bus->stats.facts.gateway_connections = counters.connections;
    bus->stats.facts.gateway_streams = counters.streams;
    bus->stats.facts.gateway_requests = counters.requests;
    bus->stats.facts.gateway_shed = counters.shed + bus->gate.dropped;
}

void cccc_stats_count(struct cccc_bus *bus)
{
    struct cccc_stats *self = &bus->stats;
    const struct cccc_peer_counters *peers = cccc_peers_counters(bus->peers);
    self->facts.requests = self->requests;
    self->facts.durable = self->durable;
    self->facts.events_published = self->published;
    self->facts.syncs = self->syncs.count;
    self->facts.sync_max_us = self->syncs.max_us;
    self->facts.queued_replies = peers->queued_replies;
    self->facts.dropped_peers = peers->dropped_peers + self->shed_subscribers;
    self->facts.shed_connections = cccc_accept_guard_shed();
    self->facts.subscriptions = bus->subscriptions.count;
    self->facts.publication_bytes = cccc_followers_lent(&bus->followers);
    self->facts.withheld_publications = bus->followers.withheld_since_start;
    self->facts.dropped_followers = bus->followers.dropped;
    count_gateway(bus);
}

void cccc_stats_gather(struct cccc_bus *bus)
{
    struct cccc_stats *self = &bus->stats;
    self->facts = (struct cccc_daemon_facts){
        .version = CCCC_VERSION,
        .home = bus->home.root,
        .pid = getpid(),
        .started_mono_us = self->started_mono_us,
        .epoch = bus->epoch,
        .sync_p50_us = cccc_sync_times_percentile(&self->syncs, 500, bus->now.mono_us),
        .sync_p99_us = cccc_sync_times_percentile(&self->syncs, 990, bus->now.mono_us),
        .fds = open_descriptors(),
        .rss_bytes = resident_bytes(),
        .groups_degraded = cccc_ledgers_degraded,
        .groups_arg = bus,
    };
    if (!cccc_sockets_are_in_place(&bus->sockets) || !cccc_listener_is_in_place(&bus->gate.local))
        self->facts.degraded = CCCC_STR("a socket file was removed or replaced, so new clients cannot connect; restart the daemon");
    else if (bus->subscriptions.overflowed)
        self->facts.degraded = CCCC_STR("more topic prefixes are subscribed than are kept; publications are no longer filtered");
    else if (bus->followers.withholding)
        self->facts.degraded = CCCC_STR("followers are behind, so only heads are published; they read what they miss from the ledger");
    cccc_stats_count(bus);
}
