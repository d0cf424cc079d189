/* processes.h - what else /proc says of processes: who they descend from, and their environment. Internal to the broker.
 *
 * Thread: any. */
#pragma once

#include "proto/process.h"

/* Start time in clock ticks since boot: with the pid, the name of one process for ever. False: there is none. */
bool cccc_process_started(pid_t pid, uint64_t *started);
/* The parent as well. */
bool cccc_process_parent(pid_t pid, uint64_t *started, pid_t *parent);
/* Does the process's environment, as it was at its start, hold this "NAME=value"? False also when it may not be looked at. */
bool cccc_process_has(pid_t pid, const char *variable);
/* The whole variable that begins with "NAME=", malloc'd; NULL: there is none, or it may not be looked at. */
char *cccc_process_variable(pid_t pid, const char *beginning);
/* Did a holder of this home (its path with links resolved) start it, as its environment says (CCCC_HOLD, "group/actor/generation:home")? `mark`: what is in front of the colon; NULL: any. The
 * mark alone names nobody: in a copy of the home the same names are other programs. CCCC_HOME says nothing: a program may well ask another home. */
bool cccc_process_is_held(pid_t pid, const char *home, const char *mark);
/* SIGKILL to every process of that home and mark. */
void cccc_processes_end(const char *home, const char *mark);
