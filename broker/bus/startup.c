/* startup.c - from a folder to a serving daemon: lock first, then load, then bind.
 *
 * Nothing in the home is changed before its lock is held, but folders that were missing. Everything that fails here is one line that says what
 * to do. */
#include "broker/bus/accept_guard.h"
#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "broker/store/processes.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { COMMIT_THREADS_AT_START = 2, READ_THREADS = 2 };
/* With fewer than NEEDED there would be none left for connections, and CZMQ aborts where it gets none. */
enum { DESCRIPTORS_NEEDED = 128, DESCRIPTORS_ENOUGH = 4096 };

/* ---- the lock ---- */

/* cccc_home_lock waits a little for the owner's pid, which may not be written yet. Paths come last, because they may be longer than a message. */
static cccc_err_t take_lock(struct cccc_bus *bus, struct cccc_errmsg *m)
{
    int32_t pid = 0;
    cccc_err_t err = cccc_home_lock(bus->vfs, &bus->home, &bus->lock_fd, &pid, m);
    if (err != CCCC_E_LOCKED)
        return err;
    if (pid > 0)
        return cccc_fail(m, err, "served by pid %d; nothing to do, or stop that one first: cccc daemon stop (home %s)", pid,
                         bus->home.root);
    return cccc_fail(m, err, "served by another process that does not say its pid; find it with: fuser %s/daemon/ccccd.lock",
                     bus->home.root);
}

/* ---- serving ---- */

static cccc_err_t open_gate(struct cccc_bus *bus, int tcp_port, struct cccc_errmsg *m)
{
    char path[CCCC_SOCKET_PATH_BYTES_MAX + 1];
    if (snprintf(path, sizeof path, "%s/ccccd.sock", bus->home.sock_dir) >= (int)sizeof path)
        return cccc_fail(m, CCCC_E_STORAGE, "%s is too long for a socket; use a shorter home", bus->home.sock_dir);
    return cccc_gate_open(&bus->gate, path, tcp_port, m);
}

static cccc_err_t write_descriptor(struct cccc_bus *bus, struct cccc_errmsg *m)
{
    struct cccc_descriptor d = {.pid = getpid(), .epoch = bus->epoch};
    snprintf(d.version, sizeof d.version, "%s", CCCC_VERSION);
    snprintf(d.path, sizeof d.path, "%s", bus->gate.local.path);
    d.port = bus->gate.tcp.port;
    snprintf(d.bus, sizeof d.bus, "%s", bus->sockets.bus);
    snprintf(d.events, sizeof d.events, "%s", bus->sockets.events);
    char ts[28];
    cccc_ts_format(ts, bus->now.unix_us);
    /* The home is the daemon's working folder: removed, its inode number is nobody else's while the daemon lives. */
    cccc_folder_id(".", d.folder);
    cccc_process_started(d.pid, &d.pid_started);
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

/* Is it the topmost process of an actor of this home? The mark of its holder tells that it is some actor's; of the processes that have the same one, only the topmost surely has the home,
 * too, as the holder gave it: below it anybody may have set another. */
static bool is_actor_of(pid_t pid, pid_t parent, const char *home)
{
    char *mark = cccc_process_variable(pid, "CCCC_HOLD=");
    bool is_topmost = mark && !cccc_process_has(parent, mark);
    free(mark);
    return is_topmost && cccc_process_is_held(pid, home, NULL);
}

/* A daemon started from inside an actor's terminal would end with it. The environment tells, ours or an ancestor's, also when the holder has died; the holders' records tell of one that lives,
 * also when nothing of the environment is left. */
static bool is_below_holder(const struct cccc_bus *bus)
{
    uint64_t started;
    for (pid_t pid = getpid(), parent; pid > 1 && cccc_process_parent(pid, &started, &parent); pid = parent)
        if (is_actor_of(pid, parent, bus->home.root))
            return true;
    return cccc_holder_is_above(bus->vfs, &bus->home, getpid());
}

/* cccc-hold beside us (a build tree), or where an installation has it, wherever that was put. */
static void find_hold_program(char *out, size_t size)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    int folder = slash ? (int)(slash - self) : 0;
    snprintf(out, size, "%.*s/cccc-hold", folder, self);
    if (access(out, X_OK) < 0)
        snprintf(out, size, "%.*s/" CCCC_LIBEXEC_FROM_BIN "/cccc-hold", folder, self);
    if (access(out, X_OK) < 0)
        out[0] = '\0';
}

static cccc_err_t take_home(struct cccc_bus *bus, const char *home, struct cccc_errmsg *m)
{
    cccc_err_t err = cccc_home_find(home, &bus->home, m);
    if (err == CCCC_OK && is_below_holder(bus))
        err = cccc_fail(m, CCCC_E_PERMISSION_DENIED, "this is the terminal of an actor of %s; run ccccd outside of it", bus->home.root);
    if (err == CCCC_OK)
        err = cccc_home_prepare(bus->vfs, &bus->home, m);
    find_hold_program(bus->home.hold_program, sizeof bus->home.hold_program);
    if (err == CCCC_OK)
        err = take_lock(bus, m);
    if (err == CCCC_OK) /* the daemon that held the lock until now has taken its socket directory with it */
        err = cccc_home_prepare(bus->vfs, &bus->home, m);
    if (err == CCCC_OK)
        err = cccc_log_open(bus->vfs, &bus->home, m);
    if (err == CCCC_OK)
        err = cccc_legacy_keep_home(bus->vfs, &bus->home, m);
    if (err == CCCC_OK)
        err = cccc_home_next_epoch(bus->vfs, &bus->home, &bus->epoch, m);
    if (err == CCCC_OK && chdir(bus->home.root) < 0)
        err = cccc_fail(m, CCCC_E_STORAGE, "%s: %s", bus->home.root, strerror(errno));
    return err;
}

cccc_err_t cccc_bus_start(struct cccc_bus *bus, const char *home, int tcp_port, bool serve_only, struct cccc_errmsg *m)
{
    *bus = (struct cccc_bus){.vfs = &cccc_vfs_posix, .lock_fd = -1, .signal_fd = -1, .serve_only = serve_only};
    uint64_t descriptors = cccc_accept_guard_init();
    if (descriptors < DESCRIPTORS_NEEDED)
        return cccc_fail(m, CCCC_E_INTERNAL,
                         "only %" PRIu64 " descriptors are allowed, and serving takes %d; raise the limit: ulimit -n %d", descriptors,
                         DESCRIPTORS_NEEDED, DESCRIPTORS_ENOUGH);
    cccc_bus_new_turn(bus);
    bus->stats.started_mono_us = bus->now.mono_us;
    cccc_err_t err = take_home(bus, home, m);
    if (err == CCCC_OK)
        err = open_signals(bus, m);
    if (err == CCCC_OK && !cccc_holders_init(&bus->holders))
        err = cccc_fail(m, CCCC_E_INTERNAL, "epoll: %s", strerror(errno));
    if (err == CCCC_OK && !cccc_outbox_init(&bus->outbox))
        err = cccc_fail(m, CCCC_E_INTERNAL, "eventfd: %s", strerror(errno));
    if (err != CCCC_OK)
        return err;
    if (descriptors < DESCRIPTORS_ENOUGH)
        cccc_log(LOG_WARNING, "FEW-DESCRIPTORS",
                 "connections beyond the limit of descriptors are refused; raise it: ulimit -Hn limit=%" PRIu64, descriptors);
    cccc_zmq_start();
    bus->core = cccc_core_new();
    if (serve_only)
        cccc_core_serve_only(bus->core);
    cccc_core_followed(bus->core, false, false); /* the XPUB says when somebody comes */
    bus->committers = cccc_pool_new("ccccd-commit", COMMIT_THREADS_AT_START, CCCC_POOL_THREADS_MAX, &bus->outbox);
    bus->readers = cccc_pool_new("ccccd-read", 1, READ_THREADS, &bus->outbox);
    bus->filer = cccc_pool_new("ccccd-store", 1, 1, &bus->outbox);
    bus->openers = cccc_pool_new("ccccd-open", 1, 1, &bus->outbox);
    bus->sealer = cccc_pool_new("ccccd-seal", 1, 1, &bus->outbox);
    err = cccc_bus_load(bus, m);
    if (err == CCCC_OK)
        err = cccc_sockets_open(&bus->sockets, &bus->home, m);
    if (err == CCCC_OK)
        err = open_gate(bus, tcp_port, m);
    if (err != CCCC_OK)
        return err;
    bus->peers = cccc_peers_new(bus->sockets.router);
    cccc_followers_init(&bus->followers, bus->sockets.events);
    cccc_stats_gather(bus);
    cccc_core_tick(bus->core, cccc_bus_moment(bus), &bus->stats.facts);
    cccc_bus_carry_out(bus);
    cccc_ledgers_commit(bus);
    return write_descriptor(bus, m);
}
