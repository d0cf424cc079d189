/* accept_guard.c - our accept4(), see accept_guard.h. */
#include "broker/bus/accept_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Kept free of connections: ledgers, their locks, files in work, the log. */
enum { DESCRIPTORS_RESERVED = 64, NAP_MS = 10 };

static _Atomic uint64_t taken, shed;
static atomic_int highest_fd = INT32_MAX; /* connections above it are shed */
static atomic_int spare_fd = -1;

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

uint64_t cccc_accept_guard_taken(void)
{
    return atomic_load_explicit(&taken, memory_order_relaxed);
}

uint64_t cccc_accept_guard_shed(void)
{
    return atomic_load_explicit(&shed, memory_order_relaxed);
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

/* Stands in for the C library's; libzmq finds this one because the executable exports it. */
int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict len, int flags)
{
    int s = (int)syscall(SYS_accept4, listener, address, len, flags);
    if (s < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS ? shed_newcomer(listener) : -1;
    if (s > atomic_load_explicit(&highest_fd, memory_order_relaxed)) {
        close(s);
        return aborted();
    }
    atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
    return s;
}
