/* process.h - what /proc/PID/stat says of a process: the one reader of that line.
 *
 * Thread: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cccc_process {
    pid_t pid, parent, session;
    char name[16];    /* of the program, as far as the kernel keeps it */
    char state;       /* as proc(5): R, S, D, T, Z, ... */
    uint64_t ticks;   /* of processor time */
    uint64_t started; /* clock ticks since boot */
};

/* False: there is no such process; *out is then untouched or in parts. */
bool cccc_process_read(pid_t pid, struct cccc_process *out);
/* Has it ended, although its parent has not asked for it yet? */
bool cccc_process_is_over(const struct cccc_process *process);
