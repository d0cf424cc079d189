/* sim.c - see sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <time.h>

uint64_t sim_roll(struct sim *sim, uint64_t below)
{
    return simdisk_roll(sim->disk, below);
}

bool sim_once_in(struct sim *sim, uint64_t n)
{
    return sim_roll(sim, n) == 0;
}

void sim_pass(struct sim *sim, uint64_t us)
{
    sim->mono_us += us;
    sim->unix_us += (int64_t)us;
}

void sim_tell(const struct sim *sim, const char *fmt, ...)
{
    if (!sim->traced)
        return;
    va_list args;
    va_start(args, fmt);
    printf("%10.6f  ", (double)sim->mono_us / 1e6);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
}

void sim_broken(const struct sim *sim, const char *invariant, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("%s is broken: ", invariant);
    vprintf(fmt, args);
    printf("\n  again, with its story: test_sim --seed %llu --trace\n", (unsigned long long)sim->seed);
    va_end(args);
    fflush(stdout);
    _Exit(SIM_BROKEN);
}

/* ---- the clock (linked with --wrap=time --wrap=clock_gettime) ---- */

static const struct sim *clock_owner;

void sim_own_the_clock(const struct sim *sim)
{
    clock_owner = sim;
}

time_t __real_time(time_t *out);
int __real_clock_gettime(clockid_t id, struct timespec *out);
time_t __wrap_time(time_t *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out);

time_t __wrap_time(time_t *out)
{
    if (!clock_owner)
        return __real_time(out);
    time_t now = (time_t)(clock_owner->unix_us / 1000000);
    if (out)
        *out = now;
    return now;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    if (!clock_owner)
        return __real_clock_gettime(id, out);
    uint64_t us = id == CLOCK_REALTIME ? (uint64_t)clock_owner->unix_us : clock_owner->mono_us;
    *out = (struct timespec){.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    return 0;
}
