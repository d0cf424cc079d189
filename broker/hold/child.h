/* child.h - the agent: its terminal, its process, and everything it started.
 *
 * The holder is a child subreaper, so whatever the agent starts, double-forked daemons included, stays below the holder and can be found and ended.
 * Thread: the holder's one. */
#pragma once

#include "broker/hold/limits.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    int terminal;   /* PTY master, non-blocking; -1 once closed */
    pid_t pid;      /* of the agent; 0 after it was collected */
    pid_t session;  /* its session's id */
    uint64_t ticks; /* of processor time, when last asked */
    bool exited;
    int status; /* as waitpid(2) gives it */
};

struct child_options {
    char *const *argv;        /* NULL-terminated */
    char *const *environment; /* NULL-terminated "NAME=value": all of it */
    const char *directory;
    uint16_t rows, cols;
    const struct limits *limits;
};

/* Start it in a new session with a new terminal. CCCC_E_NOT_FOUND, CCCC_E_STORAGE with the reason (no such program, no such directory, no terminal). */
cccc_err_t child_start(struct child *self, const struct child_options *options, struct cccc_errmsg *m);
/* Collect what has ended below us, strangers too. True when the agent itself was among it. */
bool child_collect(struct child *self);
void child_resize(struct child *self, uint16_t rows, uint16_t cols);
/* Bytes that were typed and that nobody has read from the terminal yet. */
size_t child_unread(int terminal);
/* Is it stopped (SIGSTOP, SIGTSTP), so that nothing typed is read? */
bool child_is_stopped(const struct child *self);
/* Do the agent, and all below it, wait for something, and have since the last call used no processor time? A program that is still starting does. */
bool child_is_at_rest(struct child *self);
/* Send `signal` to the agent's session: every process below us that is in it. */
void child_signal(const struct child *self, int signal);
/* SIGKILL to every process below us until none is left; at most a second. False when some could not be ended (they are in the kernel). */
bool child_end_all(struct child *self);
void child_close_terminal(struct child *self);
