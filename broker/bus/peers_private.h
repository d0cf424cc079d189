/* peers_private.h - a connection of the ROUTER and the table of them: for peers.c (who they are, replies) and turns.c (requests that wait).
 *
 * Thread: the loop's, but for what libzmq gives back. */
#pragma once

#include "broker/bus/list.h"
#include "broker/bus/peers.h"
#include "proto/hash.h"

#include <stdatomic.h>

/* Bytes lent to libzmq for one connection. Outlives the entry until libzmq has given all back. */
struct flow {
    _Atomic uint32_t refs;
    _Atomic uint64_t bytes;
};

struct queued_reply {
    struct cccc_link link;
    cccc_bytes_t *bytes;
    bool delimited;
};

struct peer {
    UT_hash_handle hh; /* by routing id */
    uint32_t index, generation;
    uint32_t open;             /* requests that are not answered */
    struct cccc_list requests; /* of them those that wait for their turn (turns.c) */
    uint32_t kept;
    uint64_t kept_bytes;
    uint32_t share, demand; /* so many may be in the core at a time; most that were open since that was settled */
    struct cccc_link turn;  /* among those with such */
    uint32_t refused;       /* so many more than were admitted */
    uint64_t shed_until_us; /* what comes till then is left over from a connection that was shed */
    int fd;                 /* of the connection, as libzmq said; -1 unknown */
    uint64_t last_us;
    struct cccc_peer identity;
    cccc_err_t refusal; /* CCCC_OK, or why its requests are refused */
    char address[CCCC_PEER_ADDRESS_MAX];
    struct flow *flow;
    struct cccc_list queue; /* of queued_reply */
    uint32_t queued;
    uint64_t queued_bytes;
    struct cccc_link waiting; /* among those with a queue */
    unsigned char routing_id_len;
    unsigned char routing_id[];
};

struct cccc_peers {
    void *router;
    struct peer *by_routing_id;
    struct peer **table; /* by index; PEERS_MAX entries at most */
    uint32_t *generations;
    uint32_t capacity, unused_from, *unused, unused_count;
    struct cccc_list waiting; /* of peers with replies */
    struct cccc_list turns;   /* of peers with requests, the next one first */
    uint64_t shared_us;       /* when shares were settled */
    uint32_t share;           /* of a new connection */
    uint64_t *gone;           /* conns to report */
    uint32_t gone_count, gone_capacity;
    struct cccc_peer_counters counters;
};

/* ---- conns: generation, index, manner of speaking ---- */

static inline uint64_t conn_of(const struct peer *p, bool delimited)
{
    return (uint64_t)p->generation << 33 | (uint64_t)p->index << 1 | (delimited ? 1 : 0);
}

static inline struct peer *peer_of(const cccc_peers_t *self, uint64_t conn)
{
    uint32_t index = (uint32_t)(conn >> 1), generation = (uint32_t)(conn >> 33);
    struct peer *p = index < self->capacity ? self->table[index] : NULL;
    return p && p->generation == generation ? p : NULL;
}

/* ---- peers.c ---- */

/* Disconnect one that floods, keep its process out for a while, and drop what it asked for; its conns are gone. */
void cccc_peers_shed(cccc_peers_t *self, struct peer *p);

/* ---- turns.c ---- */

/* A new connection's share. */
void cccc_turns_begin(const cccc_peers_t *self, struct peer *p);
/* Drop what of it waits. */
void cccc_turns_drop(cccc_peers_t *self, struct peer *p);
