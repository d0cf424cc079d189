/* history.h - one history: a home, its clients, faults, deaths and recoveries, all from one seed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct history_counts {
    uint64_t crashes, recoveries, faults, requests, events, retired, holds, copies;
};

/* Run it. A broken promise ends the process (sim_broken). Adds to *counts. */
void history_run(uint64_t seed, bool traced, struct history_counts *counts);
