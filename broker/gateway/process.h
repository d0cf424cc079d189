/* process.h - the processes that call: when each was started, and how many connections it has.
 *
 * A process is held by a pidfd, and looked at only when it is new: as long as its pidfd says that it lives, nobody else has its pid. Of those without a
 * connection the last few hundred are remembered, since clients come back for every request.
 * Thread: the gateway's. */
#pragma once

#include "broker/bus/list.h"
#include "proto/hash.h"

struct process {
    UT_hash_handle hh;
    int32_t pid;
    int pidfd;        /* -1: there is no such process */
    uint64_t started; /* clock ticks since boot; 0 the same */
    uint32_t connections;
    struct cccc_link unused; /* in the list of those without connections, longest ago first */
};

struct cccc_processes {
    struct process *by_pid;
    struct cccc_list unused;
    uint32_t unused_count;
};

/* The process with this pid (0: one the kernel does not name), for one more connection. */
struct process *process_keep(struct cccc_processes *self, int32_t pid);
/* One connection less. */
void process_release(struct cccc_processes *self, struct process *p);
/* Now and then: forget those that have ended. */
void processes_sweep(struct cccc_processes *self);
void processes_fini(struct cccc_processes *self);
