/* scratch_bus.h - the broker's two sockets in a scratch directory, for tests. */
#pragma once

#include "broker/bus/sockets.h"

struct scratch_bus {
    struct cccc_home home;
    struct cccc_sockets sockets;
};

/* Makes the directory (mode 0700) and binds. */
void scratch_bus_open(struct scratch_bus *self);
/* Closes, ends the ZeroMQ context, removes the directory. */
void scratch_bus_close(struct scratch_bus *self);
/* A client of `type` connected to `endpoint` with no limit on what it holds, in a context of its own (*context). */
void *scratch_client(void **context, int type, const char *endpoint);
void scratch_client_close(void **context, void **socket);
