/* listen.h - the gateway's listening sockets: a Unix socket that is ours alone, and loopback TCP when it is asked for.
 *
 * Thread: start-up's. */
#pragma once

#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct cccc_listener {
    int fd; /* -1: none */
    char path[108];
    uint64_t inode; /* of the file */
    uint16_t port;  /* of TCP */
};

/* Listen on `path` (mode 0600); the caller holds the home's lock, so a file that lies there is a killed daemon's. */
cccc_err_t cccc_listen_unix(struct cccc_listener *self, const char *path, struct cccc_errmsg *m);
/* Listen on 127.0.0.1; port 0 lets the system choose. */
cccc_err_t cccc_listen_tcp(struct cccc_listener *self, uint16_t port, struct cccc_errmsg *m);
/* Is the file still there, and ours? */
bool cccc_listener_is_in_place(const struct cccc_listener *self);
/* Close it; the file goes, too. */
void cccc_listener_close(struct cccc_listener *self);
