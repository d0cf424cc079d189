/* startup.c - from a folder to a serving daemon: lock first, then load, then bind.
 *
 * Nothing in the home is changed before its lock is held, but folders that were missing. A group that cannot be served does not stop the
 * others: it is offline and says so. Everything that fails here is one line that says what to do. */
#include "broker/bus/accept_guard.h"
#include "broker/bus/bus.h"
#include "broker/bus/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { COMMIT_THREADS_AT_START = 2, READ_THREADS = 2, DESCRIPTORS_ENOUGH = 4096 };

/* ---- the lock ---- */

/* cccc_home_lock waits a little for the owner's pid, which may not be written yet. */
static cccc_err_t take_lock(struct cccc_bus *bus, struct cccc_errmsg *m)
{
    int32_t pid = 0;
    cccc_err_t err = cccc_home_lock(bus->vfs, &bus->home, &bus->lock_fd, &pid, m);
    if (err != CCCC_E_LOCKED)
        return err;
    if (pid > 0)
        return cccc_fail(m, err, "%s is served by pid %d; nothing to do, or stop that one first: cccc daemon stop", bus->home.root, pid);
    return cccc_fail(m, err, "%s is served by another process that does not say its pid; find it with: fuser %s/daemon/ccccd.lock",
                     bus->home.root, bus->home.root);
}

/* ---- loading ---- */

struct folding {
    struct cccc_bus *bus;
    cccc_slot_t slot;
};

static void fold_event(void *arg, const struct cccc_event *event)
{
    struct folding *folding = arg;
    cccc_core_fold(folding->bus->core, folding->slot, event);
}

static void fold_gap(void *arg, const struct cccc_gap *gap)
{
    struct folding *folding = arg;
    cccc_core_fold_gap(folding->bus->core, folding->slot, gap);
}

static void log_recovery(const char *group_id, const struct cccc_recovery *report)
{
    if (report->note[0])
        cccc_log(LOG_WARNING, "LEDGER-RECOVERED", "%s group=%s head_seq=%" PRIu64 " torn_bytes=%" PRIu64 " gaps=%u", report->note, group_id,
                 report->head_seq, report->torn_bytes, report->gap_count);
}

void cccc_bus_fold_group(struct cccc_bus *bus, cccc_str_t id)
{
    char group_id[16], dir[sizeof bus->home.root + 64];
    snprintf(group_id, sizeof group_id, "%.*s", CCCC_STR_FMT(id));
    snprintf(dir, sizeof dir, "%s/groups/%s", bus->home.root, group_id);
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_group_files files = {0};
    cccc_group_files_read(bus->vfs, &bus->home, cccc_str(group_id), arena, &files);
    if (files.note[0])
        cccc_log(LOG_WARNING, "GROUP-FILE", "%s group=%s", files.note, group_id);

    struct folding folding = {bus, cccc_core_fold_begin(bus->core, cccc_str(group_id), &files.document, files.edited)};
    struct cccc_ledger_options options = {.vfs = bus->vfs,
                                          .group_dir = dir,
                                          .group_id = group_id,
                                          .epoch = bus->epoch,
                                          .fold = fold_event,
                                          .fold_gap = fold_gap,
                                          .arg = &folding};
    cccc_ledger_t *ledger = NULL;
    struct cccc_recovery report = {0};
    struct cccc_errmsg m = {""};
    cccc_err_t err = cccc_ledger_open(&options, &ledger, &report, &m);
    if (err != CCCC_OK)
        cccc_log(LOG_ERR, "GROUP-OFFLINE", "%s group=%s", m.text, group_id);
    else
        log_recovery(group_id, &report);
    cccc_ledgers_put(bus, folding.slot, group_id, ledger, err != CCCC_OK ? m.text : NULL);
    cccc_core_fold_end(bus->core, cccc_bus_moment(bus), folding.slot, err != CCCC_OK ? m.text : NULL,
                       err == CCCC_OK && report.read_only ? report.note : NULL);
    cccc_arena_destroy(&arena);
}

static cccc_value_t read_document(struct cccc_bus *bus, const char *name, cccc_arena_t *arena)
{
    char path[sizeof bus->home.root + 32];
    snprintf(path, sizeof path, "%s/%s", bus->home.root, name);
    struct cccc_errmsg m = {""};
    struct cccc_stat st;
    cccc_value_t document = cccc_json_file(bus->vfs, path, arena, &m);
    if (cccc_is_nil(&document) && bus->vfs->stat(bus->vfs->ctx, path, &st) == 0)
        cccc_log(LOG_WARNING, "DOCUMENT", "%s; it is made anew from the group folders", m.text);
    return document;
}

static void load(struct cccc_bus *bus)
{
    cccc_arena_t *arena = cccc_arena_new(16 * 1024);
    cccc_value_t registry = read_document(bus, "registry.json", arena);
    cccc_value_t active = read_document(bus, "active.json", arena);
    cccc_core_load_home(bus->core, &registry, &active);
    cccc_value_t groups = cccc_groups_scan(bus->vfs, &bus->home, arena);
    for (uint32_t i = 0; cccc_is_array(&groups) && i < groups.via.array.size; i++) {
        cccc_str_t id;
        if (cccc_as_str(&groups.via.array.ptr[i], &id))
            cccc_bus_fold_group(bus, id);
    }
    cccc_arena_destroy(&arena);
}

/* ---- serving ---- */

static cccc_err_t write_descriptor(struct cccc_bus *bus, struct cccc_errmsg *m)
{
    struct cccc_descriptor d = {.pid = getpid(), .epoch = bus->epoch};
    snprintf(d.version, sizeof d.version, "%s", CCCC_VERSION);
    if (snprintf(d.path, sizeof d.path, "%s/ccccd.sock", bus->home.sock_dir) >= (int)sizeof d.path)
        return cccc_fail(m, CCCC_E_STORAGE, "%s is too long for a socket; use a shorter home", bus->home.sock_dir);
    snprintf(d.bus, sizeof d.bus, "%s", bus->sockets.bus);
    snprintf(d.events, sizeof d.events, "%s", bus->sockets.events);
    char ts[28];
    cccc_ts_format(ts, bus->now.unix_us);
    return cccc_descriptor_write(bus->vfs, &bus->home, &d, ts, m);
}

static cccc_err_t open_signals(struct cccc_bus *bus, struct cccc_errmsg *m)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    bus->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return bus->signal_fd >= 0 ? CCCC_OK : cccc_fail(m, CCCC_E_INTERNAL, "signalfd: %s", strerror(errno));
}

static cccc_err_t take_home(struct cccc_bus *bus, const char *home, struct cccc_errmsg *m)
{
    cccc_err_t err = cccc_home_find(home, &bus->home, m);
    if (err == CCCC_OK)
        err = cccc_home_prepare(bus->vfs, &bus->home, m);
    if (err == CCCC_OK)
        err = take_lock(bus, m);
    if (err == CCCC_OK)
        err = cccc_log_open(bus->vfs, &bus->home, m);
    if (err == CCCC_OK)
        err = cccc_home_next_epoch(bus->vfs, &bus->home, &bus->epoch, m);
    if (err == CCCC_OK && chdir(bus->home.root) < 0)
        err = cccc_fail(m, CCCC_E_STORAGE, "%s: %s", bus->home.root, strerror(errno));
    return err;
}

cccc_err_t cccc_bus_start(struct cccc_bus *bus, const char *home, struct cccc_errmsg *m)
{
    *bus = (struct cccc_bus){.vfs = &cccc_vfs_posix, .lock_fd = -1, .signal_fd = -1};
    uint64_t descriptors = cccc_accept_guard_init();
    cccc_bus_new_turn(bus);
    bus->stats.started_unix_us = bus->now.unix_us;
    cccc_err_t err = take_home(bus, home, m);
    if (err == CCCC_OK)
        err = open_signals(bus, m);
    if (err == CCCC_OK && !cccc_outbox_init(&bus->outbox))
        err = cccc_fail(m, CCCC_E_INTERNAL, "eventfd: %s", strerror(errno));
    if (err != CCCC_OK)
        return err;
    if (descriptors < DESCRIPTORS_ENOUGH)
        cccc_log(LOG_WARNING, "FEW-DESCRIPTORS",
                 "connections beyond the limit of descriptors are refused; raise it: ulimit -Hn limit=%" PRIu64, descriptors);
    cccc_zmq_start();
    bus->core = cccc_core_new();
    bus->committers = cccc_pool_new("ccccd-commit", COMMIT_THREADS_AT_START, CCCC_POOL_THREADS_MAX, &bus->outbox);
    bus->readers = cccc_pool_new("ccccd-read", 1, READ_THREADS, &bus->outbox);
    bus->filer = cccc_pool_new("ccccd-store", 1, 1, &bus->outbox);
    load(bus);
    err = cccc_sockets_open(&bus->sockets, &bus->home, m);
    if (err != CCCC_OK)
        return err;
    bus->peers = cccc_peers_new(bus->sockets.router);
    cccc_stats_gather(bus);
    cccc_core_tick(bus->core, cccc_bus_moment(bus), &bus->stats.facts);
    cccc_bus_carry_out(bus);
    cccc_ledgers_commit(bus);
    return write_descriptor(bus, m);
}
