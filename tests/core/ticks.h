/* ticks.h - what a tick costs of a processor.
 *
 * Thread: one. */
#pragma once

#include "tests/support/bench_core.h"

#include <stdlib.h>
#include <time.h>

static inline double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline int ticks_order(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median of 51 ticks, a second apart: what most cost, and no interrupt's share. */
static inline double median_tick_ms(bench_t *b)
{
    double ms[51];
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
        double began = cpu_ms();
        bench_pass(b, 1);
        ms[i] = cpu_ms() - began;
    }
    qsort(ms, sizeof ms / sizeof *ms, sizeof *ms, ticks_order);
    return ms[25];
}
