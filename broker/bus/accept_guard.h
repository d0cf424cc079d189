/* accept_guard.h - running out of descriptors must cost a newcomer its connection, not the daemon its life.
 *
 * libzmq 4.3.4 aborts the process when accept() on an ipc socket fails with EMFILE, ENOMEM or ENOBUFS (ipc_listener.cpp). The executable
 * therefore defines accept4() itself, which libzmq then calls: a connection that cannot be kept is accepted into a spare descriptor and closed, and
 * libzmq is told ECONNABORTED, which it takes calmly. Connections are also shed before the last descriptors are gone, so that ledgers and
 * the log can still be opened, when their process has CONNECTIONS_PER_PROCESS_MAX already, so that one
 * cannot use up what all need, and while it is kept out.
 * Thread: accept4 runs on libzmq's I/O thread, cccc_accept on the gateway's; the counters may be read from any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Raise the soft limit of descriptors to the hard one and open the spare one. Call before any socket is made. Returns the limit. */
uint64_t cccc_accept_guard_init(void);
/* Take a connection with the same care for descriptors, but not counted per process: the gateway does that for its own. -1: nothing to take, or it was shed. Any thread. */
int cccc_accept(int listener);
/* Close further connections of that process at once, for so long. Any thread; of more than a few at a time the one that has least left is forgotten. */
void cccc_accept_guard_keep_out(int pid, unsigned seconds);
/* Connections shed since the start. */
uint64_t cccc_accept_guard_shed(void);
/* The highest descriptor a connection ever had; -1: there was none. */
int cccc_accept_guard_highest(void);
