/* peers.h - the connections of the ROUTER: who they are, and the way back to them.
 *
 * Owns the table routing id <-> conn and each connection's queues: of requests that wait for their turn (turns.c), and of replies. These are sent by cccc_peers_flush, those of a connection together: a client is woken
 * for many at a time, and that is dearer than all we do for them.
 * A conn names a connection in one of its two manners of speaking: with the empty delimiter frame of a REQ, or without. Conns are never used
 * twice. libzmq does not say when a peer leaves: an entry goes when a reply finds nobody (EHOSTUNREACH), when its queue is over
 * REPLY_QUEUE_*, when the routing id turns up with other credentials, or after PEER_IDLE_S without anything open.
 * Replies are sent with ZMQ_DONTWAIT on a MANDATORY socket: a peer that does not read costs its queue, never a wait.
 * Thread: the loop's; the counts of bytes on their way are also lowered by libzmq's I/O thread. */
#pragma once

#include "broker/bus/identity.h"
#include "broker/core/core.h"

#include <zmq.h>

struct cccc_peers;
typedef struct cccc_peers cccc_peers_t;

/* A connection as a request finds it. */
struct cccc_peer_ref {
    uint64_t conn;
    struct cccc_peer peer;
    bool is_new;
};

struct cccc_peer_counters {
    uint64_t known;          /* connections in the table now */
    uint64_t queued_replies; /* waiting now */
    uint64_t dropped_peers;  /* over their queue's bound, since start */
    uint64_t lost_replies;   /* for connections that were gone, since start */
    uint64_t turned_away;    /* requests for which the table had no room, since start */
};

/* `router` is a ROUTER with MANDATORY; borrowed. */
cccc_peers_t *cccc_peers_new(void *router);
void cccc_peers_destroy(cccc_peers_t **self);

/* The connection with this routing id, made when it is new. `address` is the Peer-Address of the message's body frame (NULL = none). CCCC_E_PERMISSION_DENIED: out->conn is good for an answer only. CCCC_E_BUSY: PEERS_MAX connections have something
 * open; out->conn is 0. */
cccc_err_t cccc_peers_find(cccc_peers_t *self, const void *routing_id, size_t len, bool delimited, const char *address, uint64_t now_us,
                           struct cccc_peer_ref *out, struct cccc_errmsg *m);
/* The descriptor of a new connection, as libzmq says (ZMQ_SRCFD): it is shut down when the connection is dropped. */
void cccc_peers_set_fd(cccc_peers_t *self, uint64_t conn, int fd);
/* What was found out about a new connection's process; what it points to lives until cccc_peers_end_generation. */
void cccc_peers_set_identity(cccc_peers_t *self, uint64_t conn, const struct cccc_peer *identity);
/* A holder has ended: nobody is its actor any more. */
void cccc_peers_end_generation(cccc_peers_t *self, uint64_t generation);
/* What becomes of a request: into the core at once; kept until it is its connection's turn; refused, because OPEN_REQUESTS_MAX of the connection are unanswered, or
 * KEPT_REQUEST_BYTES_MAX of it are kept; dropped with its connection, which had OPEN_REQUESTS_MAX more refused than admitted. */
enum cccc_admission { CCCC_ENTERS, CCCC_KEPT, CCCC_REFUSED, CCCC_SHED };
/* A request of `conn` has come; one that floods cannot use up what all share. Takes `body` when KEPT. ENTERS and KEPT: the entry stays until the reply. */
enum cccc_admission cccc_peers_admit(cccc_peers_t *self, uint64_t conn, zmq_msg_t *body);
/* The next kept request that may enter: connections take turns. False: none. On true `body` is the caller's. */
bool cccc_peers_next_turn(cccc_peers_t *self, struct cccc_peer_ref *out, zmq_msg_t *body);
/* Whether there is one. */
bool cccc_peers_turn_is_due(const cccc_peers_t *self);
/* Queue `bytes` (takes them) for `conn`; `answers` when they end a request that was admitted. A queue that would go over its bound is sent at once. */
void cccc_peers_reply(cccc_peers_t *self, uint64_t conn, cccc_bytes_t *bytes, bool answers);
/* Answer a request that found no room in the table, if that goes at once. Takes `bytes`. */
void cccc_peers_turn_away(cccc_peers_t *self, const void *routing_id, size_t len, bool delimited, cccc_bytes_t *bytes);
/* Send what is queued. True when some are still waiting for a client that does not read. */
bool cccc_peers_flush(cccc_peers_t *self);
/* Forget connections that have been silent. */
void cccc_peers_sweep(cccc_peers_t *self, uint64_t now_us);
/* The next conn the core must be told is gone; false when there is none. */
bool cccc_peers_next_gone(cccc_peers_t *self, uint64_t *conn);
const struct cccc_peer_counters *cccc_peers_counters(const cccc_peers_t *self);
