/* limits.h - bounds on what an agent, and all it starts, may use of the machine.
 *
 * Where the kernel lets us, the agent gets a control group of its own: below ours in hierarchies of version 1, beside ours in version 2 (where a group with
 * processes in it can give nothing to groups below it). Else what setrlimit(2) has: RLIMIT_NPROC counts all processes of the user and does not bind root,
 * RLIMIT_AS holds for each process by itself.
 * Thread: the holder's one. Source: cgroups(7), setrlimit(2). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum limited { LIMITED_PROCESSES, LIMITED_MEMORY, LIMITED_COUNT };

struct limits {
    uint64_t most[LIMITED_COUNT];    /* processes, bytes; 0: as many as the system has */
    char group[LIMITED_COUNT][4200]; /* folder of the control group; "": there is none, setrlimit it is */
};

/* Where control groups are, and what says which we are in. */
struct limits_places {
    const char *root, *own;
};
extern const struct limits_places limits_of_this_machine;

/* Make what groups can be made. Those that holders before us have left behind go. */
void limits_init(struct limits *self, const struct limits_places *places, uint64_t processes_max, uint64_t memory_bytes);
/* In the new process, before it becomes the agent. False: errno says why, and nothing may be started. */
bool limits_enter(const struct limits *self);
/* Which limit its control group says was reached: "memory" (a process was killed for it), "processes" (a start was refused); "": none, as far as can be known. Static. Asked before the door is
 * closed, which refuses starts too. */
const char *limits_reached(const struct limits *self);
/* Nothing more may be started: what is there is about to be ended. */
void limits_close_door(const struct limits *self);
void limits_fini(struct limits *self);
