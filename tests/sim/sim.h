/* sim.h - what the parts of the simulation share: the disk, the dice, the trace, and how a broken promise ends a history.
 *
 * A history is a function of its seed: every choice, the clock, the threads' order and the disk's fate come from one dice (simdisk_roll).
 * Thread: one per process; histories run side by side in processes of their own. */
#pragma once

#include "tests/support/simdisk.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sim {
    uint64_t seed;
    bool traced; /* narrate to stdout */
    bool saves;  /* every daemon saves the states of its groups; else every second one */
    simdisk_t *disk;
    int64_t unix_us; /* the simulated clocks */
    uint64_t mono_us;
};

/* A number below `below` (0 when that is 0), and true once in `n`. */
uint64_t sim_roll(struct sim *sim, uint64_t below);
bool sim_once_in(struct sim *sim, uint64_t n);

/* Let `us` pass on both clocks. */
void sim_pass(struct sim *sim, uint64_t us);

/* A line of the story. */
void sim_tell(const struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The promise `invariant` ("I1") is broken: says which seed and how to see it again, and ends the process with SIM_BROKEN. */
_Noreturn void sim_broken(const struct sim *sim, const char *invariant, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

enum { SIM_BROKEN = 3 };

/* time(2) and clock_gettime(2) of everything in this program tell the time of this simulation (NULL: the system's). */
void sim_own_the_clock(const struct sim *sim);
