/* usage.h - what another process has used so far. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Seconds of processor time: all of it; of ccccd's loop, libzmq's thread, the threads that write, and the one that seals. */
struct usage {
    double all_s, loop_s, io_s, commit_s, seal_s;
    uint64_t rss; /* bytes */
};

/* All zero for a process that is not there. */
void usage_of(pid_t pid, struct usage *out);
