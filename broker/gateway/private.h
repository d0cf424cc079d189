/* private.h - the gateway from the inside. Internal to broker/gateway.
 *
 * Thread: the gateway's; `counters` alone is read by others. */
#pragma once

#include "broker/gateway/connection.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/process.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PIECE_BYTES = 64 * 1024 };

struct cccc_gateway {
    pthread_t thread;
    struct cccc_gateway_options options;
    int epoll;
    struct watch local, tcp, pair_watch, events_watch;
    struct connection *connections; /* by id */
    struct cccc_processes processes;
    struct followed *followed; /* groups that streams follow, by id */
    uint64_t last_id;
    uint32_t count, open, upgraded; /* connections; requests with the loop; streams and terminals */
    size_t in_bytes, out_bytes;     /* allocated for both directions, of all connections */
    size_t terminal_bytes;          /* the same between terminals and their holders: bounded by their number */
    struct cccc_list by_activity, held, due, graves, terminal_graves;
    uint64_t now_us, next_look_us;
    bool finishing;
    char piece[PIECE_BYTES]; /* what is being received */
    struct {
        atomic_uint_fast64_t connections, taken, shed, requests, streams;
    } counters;
};

/* Ask epoll for `wanted` of a watch; 0: only for its end. */
void gateway_watch(struct cccc_gateway *self, struct watch *watch, uint32_t wanted);
/* Before it is closed: a child of ours may have a copy of the descriptor for a moment, and epoll would go on with that. */
void gateway_unwatch(struct cccc_gateway *self, struct watch *watch);
/* Pass a request to the loop; takes the buffer's bytes. */
void gateway_send(struct cccc_gateway *self, const struct connection *c, cccc_buf_t *frame);
/* The loop need not work for it any more. */
void gateway_say_gone(struct cccc_gateway *self, const struct connection *c);
/* A connection has become a stream or terminal (1), or was one (-1). */
void gateway_upgraded(struct cccc_gateway *self, int more);
/* It has ended: its process has one less. */
void gateway_forget(struct cccc_gateway *self, struct connection *c);
/* One more was closed by us. */
void gateway_note_shed(struct cccc_gateway *self);
/* More is held for clients than may be: end the connections that hold most, or longest, until it is not so. */
void gateway_shed_input(struct cccc_gateway *self);
void gateway_shed_output(struct cccc_gateway *self);
