/* accept_guard.c - our accept4(), see accept_guard.h. */
#include "broker/bus/accept_guard.h"

#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Kept free of connections: ledgers, their locks, files in work, the log. */
enum { DESCRIPTORS_RESERVED = 64, NAP_MS = 10 };

/* Not pids: no connection, and a process of a namespace that cannot be seen from here. */
enum { NOBODY = 0, UNSEEN = -1 };

static _Atomic uint64_t shed;
static atomic_int highest_fd = INT32_MAX; /* connections above it are shed */
static atomic_int spare_fd = -1;
static atomic_int highest_taken = -1;

/* The process behind each descriptor that was accepted last under that number. Used by the accepting thread alone. An entry may be
 * stale, because closing is libzmq's: it is checked before anybody is turned away for it. */
static pid_t *owners;
static int owner_count;

/* Processes kept out, and until when; under the lock. */
static pthread_mutex_t kept_out_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    pid_t pid;
    time_t until; /* seconds of the monotonic clock */
} kept_out[16];
enum { KEPT_OUT_ROOM = sizeof kept_out / sizeof *kept_out };
static atomic_bool any_kept_out;

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

uint64_t cccc_accept_guard_init(void)
{
    struct rlimit limit = {0, 0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur > 2 * DESCRIPTORS_RESERVED && limit.rlim_cur < INT32_MAX)
        atomic_store(&highest_fd, (int)limit.rlim_cur - DESCRIPTORS_RESERVED);
    if (atomic_load(&spare_fd) < 0)
        atomic_store(&spare_fd, open_spare());
    return limit.rlim_cur;
}

uint64_t cccc_accept_guard_shed(void)
{
    return atomic_load_explicit(&shed, memory_order_relaxed);
}

int cccc_accept_guard_highest(void)
{
    return atomic_load_explicit(&highest_taken, memory_order_relaxed);
}

/* Tell libzmq that the newcomer gave up. */
static int aborted(void)
{
    atomic_fetch_add_explicit(&shed, 1, memory_order_relaxed);
    errno = ECONNABORTED;
    return -1;
}

/* No descriptor is left: use the spare one to take the newcomer out of the backlog, or the listener would report it for ever. */
static int shed_newcomer(int listener)
{
    int spare = atomic_exchange(&spare_fd, -1);
    if (spare >= 0)
        close(spare);
    int s = (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);
    if (s >= 0)
        close(s);
    else
        poll(NULL, 0, NAP_MS); /* kernel memory is gone, or somebody took the spare: do not spin on the readable listener */
    atomic_store(&spare_fd, open_spare());
    return aborted();
}

static pid_t owner_of(int s)
{
    struct ucred credentials = {0};
    socklen_t len = sizeof credentials;
    if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
        return NOBODY;
    return credentials.pid > 0 ? credentials.pid : UNSEEN;
}

static int connections_of(pid_t pid)
{
    int count = 0;
    for (int i = 0; i < owner_count; i++)
        count += owners[i] == pid;
    return count;
}

/* Clear the entries of `pid` whose descriptor is another's by now. */
static void forget_closed(pid_t pid)
{
    for (int i = 0; i < owner_count; i++)
        if (owners[i] == pid && owner_of(i) != pid)
            owners[i] = NOBODY;
}

static void note_owner(int s, pid_t pid)
{
    if (s >= owner_count) {
        int count = s + 256;
        pid_t *more = realloc(owners, (size_t)count * sizeof *owners);
        if (!more)
            return; /* uncounted, that is all */
        memset(more + owner_count, 0, (size_t)(count - owner_count) * sizeof *owners);
        owners = more;
        owner_count = count;
    }
    owners[s] = pid;
}

/* ---- keeping out ---- */

static time_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

void cccc_accept_guard_keep_out(int pid, unsigned seconds)
{
    int place = 0;
    if (pid <= 0)
        return;
    pthread_mutex_lock(&kept_out_lock);
    for (int i = 0; i < KEPT_OUT_ROOM; i++)
        if (kept_out[i].until < kept_out[place].until)
            place = i;
    kept_out[place].pid = pid;
    kept_out[place].until = seconds_now() + (time_t)seconds + 1;
    atomic_store(&any_kept_out, true);
    pthread_mutex_unlock(&kept_out_lock);
}

static bool is_kept_out(int s)
{
    if (!atomic_load(&any_kept_out))
        return false;
    pid_t pid = owner_of(s);
    time_t now = seconds_now();
    bool found = false, any = false;
    pthread_mutex_lock(&kept_out_lock);
    for (int i = 0; i < KEPT_OUT_ROOM; i++) {
        any |= kept_out[i].until > now;
        found |= kept_out[i].until > now && kept_out[i].pid == pid;
    }
    atomic_store(&any_kept_out, any);
    pthread_mutex_unlock(&kept_out_lock);
    return found;
}

/* Is there room for one more connection of the process behind `s`? Unseen processes count as one. */
static bool is_within_share(int s)
{
    if (s < owner_count)
        owners[s] = NOBODY;
    pid_t pid = owner_of(s);
    if (connections_of(pid) >= CCCC_CONNECTIONS_PER_PROCESS_MAX)
        forget_closed(pid);
    if (connections_of(pid) >= CCCC_CONNECTIONS_PER_PROCESS_MAX)
        return false;
    note_owner(s, pid);
    return true;
}

/* -1: there was none, or it was shed. */
static int take(int listener, struct sockaddr *restrict address, socklen_t *restrict len, int flags)
{
    int s = (int)syscall(SYS_accept4, listener, address, len, flags);
    if (s < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS ? shed_newcomer(listener) : -1;
    if (s <= atomic_load_explicit(&highest_fd, memory_order_relaxed))
        return s;
    close(s);
    return aborted();
}

int cccc_accept(int listener)
{
    return take(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Stands in for the C library's; libzmq finds this one because the executable exports it. */
int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict len, int flags)
{
    int s = take(listener, address, len, flags);
    if (s < 0)
        return -1;
    if (is_kept_out(s) || !is_within_share(s)) {
        close(s);
        return aborted();
    }
    if (s > atomic_load_explicit(&highest_taken, memory_order_relaxed))
        atomic_store_explicit(&highest_taken, s, memory_order_relaxed);
    return s;
}
