/* link.c - one ZeroMQ socket to one instance of the daemon, and what its monitor says of it.
 *
 * libzmq would reconnect by itself and go on as if nothing had happened; then nobody could say which instance a message went to or came
 * from. So a link connects once: when it ends, its owner closes it and opens another after reading the descriptor again. */
#include "clients/lib/internal.h"

#include <stdio.h>

/* As good as never: a link is closed long before. Not -1, which means never too: libzmq then ends the endpoint by itself, and when that comes between
 * the two frames of a publication being received, it aborts (fq.cpp: !_more). */
enum { RECONNECT_NEVER_MS = 24 * 60 * 60 * 1000 };

#define WATCHED                                                                                                                            \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |                          \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED)

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static int fd_of(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

static bool open_monitor(struct link *self, void *zmq)
{
    char name[64];
    snprintf(name, sizeof name, "inproc://cccc-link-%p", self->socket);
    if (zmq_socket_monitor(self->socket, name, WATCHED) != 0)
        return false;
    self->monitor = zmq_socket(zmq, ZMQ_PAIR);
    return self->monitor && set_int(self->monitor, ZMQ_LINGER, 0) && zmq_connect(self->monitor, name) == 0;
}

static bool subscribe(void *socket, const char *const *topics, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topics[i], strlen(topics[i])) != 0)
            return false;
    return true;
}

bool link_open(struct link *self, void *zmq, int type, const char *endpoint, int hwm, const char *const *topics, size_t topic_count)
{
    CCCC_ASSERT(!self->socket);
    int64_t frame_max = CCCC_FRAME_BYTES_MAX;
    self->socket = zmq_socket(zmq, type);
    /* Sending is bounded by the open requests, so the socket itself need not refuse: SNDHWM 0. */
    bool ok = self->socket && set_int(self->socket, ZMQ_LINGER, 0) && set_int(self->socket, ZMQ_RECONNECT_IVL, RECONNECT_NEVER_MS) &&
              set_int(self->socket, ZMQ_SNDHWM, 0) && set_int(self->socket, ZMQ_RCVHWM, hwm) &&
              zmq_setsockopt(self->socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0 && open_monitor(self, zmq) &&
              subscribe(self->socket, topics, topic_count) && zmq_connect(self->socket, endpoint) == 0;
    if (!ok) {
        link_close(self);
        return false;
    }
    self->socket_fd = fd_of(self->socket);
    self->monitor_fd = fd_of(self->monitor);
    self->monitor_ready = true; /* connecting may have taken the first signal away */
    self->state = LINK_CONNECTING;
    return true;
}

void link_poll(const struct link *self, bool wanted, struct pollfd fds[2])
{
    fds[0] = (struct pollfd){.fd = self->socket ? self->monitor_fd : -1, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = self->socket && wanted ? self->socket_fd : -1, .events = POLLIN};
}

void link_polled(struct link *self, const struct pollfd fds[2])
{
    self->monitor_ready |= fds[0].fd >= 0 && fds[0].revents != 0;
}

/* The next event of the monitor, or 0. */
static int monitor_event(void *monitor)
{
    unsigned char event[6];
    int len = zmq_recv(monitor, event, sizeof event, ZMQ_DONTWAIT);
    if (len != (int)sizeof event)
        return 0;
    char endpoint[1];
    zmq_recv(monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    uint16_t word;
    memcpy(&word, event, sizeof word);
    return word;
}

enum link_state link_watch(struct link *self)
{
    int event;
    if (!self->monitor_ready)
        return self->state;
    self->monitor_ready = false;
    while (self->state != LINK_DOWN && (event = monitor_event(self->monitor)) != 0)
        self->state = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? LINK_UP : LINK_DOWN;
    return self->state;
}

void link_close(struct link *self)
{
    if (self->monitor)
        zmq_close(self->monitor);
    if (self->socket)
        zmq_close(self->socket);
    *self = (struct link){0};
}
