/* sockets.h - the broker's two sockets: made and configured with CZMQ, used as plain libzmq sockets.
 *
 * ROUTER "bus" answers requests, XPUB "events" publishes. Both are ipc files of mode 0600 in a directory of mode 0700. The options are those of a
 * broker that must not wait for anybody: MANDATORY and DONTWAIT, high-water marks and a frame limit on every socket, LINGER so that replies
 * survive the end by a second and publications do not.
 * Thread: the loop's. */
#pragma once

#include "broker/store/store.h"

#include <czmq.h>

/* Where threads of this process follow events. */
#define CCCC_EVENTS_INSIDE "inproc://events"

struct cccc_sockets {
    zsock_t *router_sock, *xpub_sock;
    void *router, *xpub; /* the libzmq sockets in them */
    char bus[128], events[128];
    uint64_t bus_inode, events_inode; /* of the files */
};

/* Start the one ZeroMQ context of the process: no signal handlers, one I/O thread. Every signal must be blocked already. */
void cccc_zmq_start(void);
/* End it; waits at most the sockets' LINGER. */
void cccc_zmq_end(void);

/* Bind both in home->sock_dir, whose lock the caller holds: a file left there by a daemon that was killed is removed.
 * CCCC_E_STORAGE: nothing is bound; *m says why. */
cccc_err_t cccc_sockets_open(struct cccc_sockets *self, const struct cccc_home *home, struct cccc_errmsg *m);
/* False when a file is gone or is another's: clients then cannot find us. */
bool cccc_sockets_are_in_place(const struct cccc_sockets *self);
/* Also removes the files. */
void cccc_sockets_close(struct cccc_sockets *self);
