/* turns.c - connections share the core: one that asks for much more than the others waits for its turn, and they do not wait for it.
 *
 * A connection may have as many requests in the core as the others ask for on average, twice, or everything when it is alone; at least SHARE_MIN. What is over that is kept
 * here, in order, and enters when one of its own is answered. Shares are settled anew while somebody uses more than SHARE_MIN, not more often than every SETTLE_US.
 * Source of the rule: fair queueing; a ROUTER only takes turns between connections for what has not been taken in. */
#include "broker/bus/peers_private.h"

#include <stdlib.h>

enum { SHARE_MIN = 128, SETTLE_US = 50000 };

struct kept {
    struct cccc_link link;
    bool delimited;
    zmq_msg_t body;
};

/* ---- shares ---- */

static uint32_t share_of(uint64_t demand, uint64_t connections)
{
    uint64_t share = connections > 0 ? 2 * demand / connections : CCCC_OPEN_REQUESTS_MAX;
    return share < SHARE_MIN ? SHARE_MIN : share < CCCC_OPEN_REQUESTS_MAX ? (uint32_t)share : CCCC_OPEN_REQUESTS_MAX;
}

static void settle(cccc_peers_t *self, uint64_t now_us)
{
    uint64_t all = 0, asking = 0;
    self->shared_us = now_us;
    for (struct peer *p = self->by_routing_id; p; p = p->hh.next) {
        all += p->demand;
        asking += p->demand > 0;
    }
    for (struct peer *p = self->by_routing_id; p; p = p->hh.next) {
        p->share = share_of(all - p->demand, asking - (p->demand > 0));
        p->demand = p->open;
    }
    self->share = share_of(all, asking);
}

void cccc_turns_begin(const cccc_peers_t *self, struct peer *p)
{
    p->share = self->share ? self->share : CCCC_OPEN_REQUESTS_MAX;
}

/* ---- requests ---- */

static uint32_t in_core(const struct peer *p)
{
    return p->open - p->kept;
}

static bool keep(cccc_peers_t *self, struct peer *p, bool delimited, zmq_msg_t *body)
{
    size_t size = zmq_msg_size(body);
    if (p->kept_bytes + size > CCCC_KEPT_REQUEST_BYTES_MAX)
        return false;
    struct kept *kept = malloc(sizeof *kept);
    CCCC_ASSERT(kept, "out of memory");
    kept->delimited = delimited;
    zmq_msg_init(&kept->body);
    zmq_msg_move(&kept->body, body);
    cccc_list_append(&p->requests, &kept->link);
    p->kept++;
    p->kept_bytes += size;
    if (!p->turn.in_list)
        cccc_list_append(&self->turns, &p->turn);
    return true;
}

/* One that goes on and on although it is told that it has too much open. */
static enum cccc_admission refuse(cccc_peers_t *self, struct peer *p)
{
    if (++p->refused <= CCCC_OPEN_REQUESTS_MAX)
        return CCCC_REFUSED;
    cccc_peers_shed(self, p);
    return CCCC_SHED;
}

enum cccc_admission cccc_peers_admit(cccc_peers_t *self, uint64_t conn, zmq_msg_t *body)
{
    struct peer *p = peer_of(self, conn);
    if (!p)
        return CCCC_ENTERS;
    if (p->last_us < p->shed_until_us)
        return CCCC_SHED;
    if (p->open >= CCCC_OPEN_REQUESTS_MAX)
        return refuse(self, p);
    if (in_core(p) >= SHARE_MIN && p->last_us - self->shared_us >= SETTLE_US)
        settle(self, p->last_us);
    bool enters = p->kept == 0 && in_core(p) < p->share;
    if (!enters && !keep(self, p, conn & 1, body))
        return refuse(self, p);
    p->refused -= p->refused > 0;
    p->open++;
    if (p->demand < p->open)
        p->demand = p->open;
    return enters ? CCCC_ENTERS : CCCC_KEPT;
}

static void take_first(cccc_peers_t *self, struct peer *p, zmq_msg_t *body, bool *delimited)
{
    struct kept *kept = CCCC_MEMBER(cccc_list_pop(&p->requests), struct kept, link);
    p->kept--;
    p->kept_bytes -= zmq_msg_size(&kept->body);
    zmq_msg_move(body, &kept->body);
    zmq_msg_close(&kept->body);
    *delimited = kept->delimited;
    free(kept);
    cccc_list_remove(&self->turns, &p->turn);
    if (p->kept > 0)
        cccc_list_append(&self->turns, &p->turn);
}

static struct peer *next_of(const cccc_peers_t *self)
{
    for (struct cccc_link *link = self->turns.first; link; link = link->next) {
        struct peer *p = CCCC_MEMBER(link, struct peer, turn);
        if (in_core(p) < p->share)
            return p;
    }
    return NULL;
}

bool cccc_peers_turn_is_due(const cccc_peers_t *self)
{
    return next_of(self) != NULL;
}

bool cccc_peers_next_turn(cccc_peers_t *self, struct cccc_peer_ref *out, zmq_msg_t *body)
{
    bool delimited;
    struct peer *p = next_of(self);
    if (!p)
        return false;
    take_first(self, p, body, &delimited);
    *out = (struct cccc_peer_ref){.conn = conn_of(p, delimited), .peer = p->identity};
    return true;
}

void cccc_turns_drop(cccc_peers_t *self, struct peer *p)
{
    for (struct cccc_link *link; (link = cccc_list_pop(&p->requests));) {
        struct kept *kept = CCCC_MEMBER(link, struct kept, link);
        zmq_msg_close(&kept->body);
        free(kept);
    }
    p->kept = 0;
    p->kept_bytes = 0;
    cccc_list_remove(&self->turns, &p->turn);
}
