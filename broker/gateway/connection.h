/* connection.h - one connection of a client that speaks lines: its buffers, its requests on their way, its deadlines.
 *
 * Life: lines come in, at most GATEWAY_OPEN_REQUESTS_MAX of them are with the loop, replies go out as they come. A connection that has anything to
 * write is not read beyond a bound, so its own client waits. It may become a stream (stream.h) or a terminal (terminal.h). It ends when the client has gone,
 * or all is answered behind its last line.
 * Thread: the gateway's. */
#pragma once

#include "broker/bus/list.h"
#include "broker/gateway/buffer.h"
#include "broker/gateway/envelope.h"
#include "proto/hash.h"
#include "proto/value.h"

struct cccc_gateway;

/* What epoll's answer leads to. First member of whatever is waited for. */
struct watch {
    void (*ready)(struct cccc_gateway *gateway, struct watch *watch, uint32_t events);
    int fd;
    bool known;      /* to epoll */
    uint32_t wanted; /* events it was asked for */
};

struct process;

/* What a connection is about to become: that request is with the loop, alone. */
enum upgrade { NO_UPGRADE, TO_STREAM, TO_TERMINAL };

struct connection {
    struct watch watch;
    UT_hash_handle hh; /* by id */
    uint64_t id;
    struct cccc_gateway_caller caller;
    struct process *process;
    struct buffer in, out;
    size_t searched; /* bytes of `in` that hold no end of a line */
    uint32_t open;   /* requests with the loop */
    bool ended;      /* the client sends no more */
    bool spoke;      /* it has sent a line, or was answered that it has not */
    bool over_tcp;   /* any program may have been talked into sending, even a web browser: one line that is no request ends it */
    bool closing;    /* once all is written */
    bool dead;
    enum upgrade upgrade;
    struct stream *stream;        /* NULL: it is none */
    struct terminal *terminal;    /* the same */
    uint64_t active_us;           /* when anything last came or went */
    uint64_t line_us;             /* since when an unfinished line lies here; 0: none does */
    uint64_t stalled_us;          /* since when nothing of `out` went; 0: nothing waits */
    struct cccc_link by_activity; /* the one that has been silent longest is first */
    struct cccc_link held;        /* has lines and waits for room among the requests of all */
    struct cccc_link due;         /* something happened to it in this turn: what follows from that is done at its end */
    struct cccc_link grave;
};

struct connection *connection_new(struct cccc_gateway *gateway, int fd, const struct cccc_gateway_caller *caller, bool over_tcp);
/* A reply of the loop to one of its requests. */
void connection_reply(struct cccc_gateway *gateway, struct connection *c, const char *bytes, size_t len);
/* Append to what is written to it. */
void connection_write(struct cccc_gateway *gateway, struct connection *c, const void *bytes, size_t len);
/* Bytes its client has not taken. */
size_t connection_waiting(const struct connection *c);
/* Pass a request of its own to the loop; takes the buffer's bytes. */
void connection_ask(struct cccc_gateway *gateway, struct connection *c, cccc_buf_t *frame);
/* Take what lines there are, write what can be written, and see whether it is over. */
void connection_go_on(struct cccc_gateway *gateway, struct connection *c);
/* Close it now. It is freed at the end of the turn, because epoll may have more to say of it. */
void connection_end(struct cccc_gateway *gateway, struct connection *c);
/* The deadlines: an unfinished line, answers that are not taken, idleness. */
void connection_look(struct cccc_gateway *gateway, struct connection *c);
/* Nothing of it is under way: ending it takes nothing from its client but the wait for a new one. */
bool connection_is_idle(const struct connection *c);
