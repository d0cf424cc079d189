/* turn_clock.c - preloaded into a real process: the wall clock is off by as much as the test says, from one call to the next. The monotonic clock, by
 * which a process has to measure time that passes, is left alone.
 *
 * FAULT_CLOCK names a file that holds one struct turned. Thread: any. */
#include "tests/faults/shared_page.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

struct turned {
    _Atomic int64_t seconds;
    _Atomic uint64_t asked; /* how often anybody wanted to know */
};

static struct turned *turned;

__attribute__((constructor)) static void attach(void)
{
    turned = shared_page("FAULT_CLOCK", sizeof *turned);
}

int clock_gettime(clockid_t id, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, id, out);
    if (rc == 0 && turned && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        out->tv_sec += atomic_load(&turned->seconds);
        atomic_fetch_add(&turned->asked, 1);
    }
    return rc;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}
