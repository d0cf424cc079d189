/* peers.c - connections and their replies, see peers.h. */
#include "broker/bus/peers.h"

#include "broker/bus/accept_guard.h"
#include "broker/bus/log.h"
#include "broker/bus/peers_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <zmq.h>

/* Replies from this size on are counted until libzmq has written them: the high-water mark counts messages, not bytes. */
enum { COUNTED_BYTES_MIN = 2048 };

/* ---- the table ---- */

static void *grow(void *old, size_t count, size_t item)
{
    void *p = realloc(old, count * item);
    CCCC_ASSERT(p, "out of memory");
    return p;
}

cccc_peers_t *cccc_peers_new(void *router)
{
    cccc_peers_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->router = router;
    return self;
}

static bool take_index(cccc_peers_t *self, uint32_t *index)
{
    if (self->unused_count > 0) {
        *index = self->unused[--self->unused_count];
        return true;
    }
    if (self->unused_from == CCCC_PEERS_MAX)
        return false;
    if (self->unused_from == self->capacity) {
        uint32_t capacity = self->capacity ? self->capacity * 2 : 16;
        self->table = grow(self->table, capacity, sizeof *self->table);
        self->generations = grow(self->generations, capacity, sizeof *self->generations);
        self->unused = grow(self->unused, capacity, sizeof *self->unused);
        memset(self->table + self->capacity, 0, (capacity - self->capacity) * sizeof *self->table);
        memset(self->generations + self->capacity, 0, (capacity - self->capacity) * sizeof *self->generations);
        self->capacity = capacity;
    }
    *index = self->unused_from++;
    return true;
}

static void flow_release(struct flow *flow)
{
    if (atomic_fetch_sub_explicit(&flow->refs, 1, memory_order_acq_rel) == 1)
        free(flow);
}

static void say_gone(cccc_peers_t *self, uint64_t conn)
{
    if (self->gone_count == self->gone_capacity) {
        self->gone_capacity = self->gone_capacity ? self->gone_capacity * 2 : 16;
        self->gone = grow(self->gone, self->gone_capacity, sizeof *self->gone);
    }
    self->gone[self->gone_count++] = conn;
}

static void drop_queue(cccc_peers_t *self, struct peer *p)
{
    for (struct cccc_link *link; (link = cccc_list_pop(&p->queue));) {
        struct queued_reply *q = CCCC_MEMBER(link, struct queued_reply, link);
        cccc_bytes_release(q->bytes);
        free(q);
    }
    self->counters.queued_replies -= p->queued;
    self->counters.lost_replies += p->queued;
    p->queued = 0;
    p->queued_bytes = 0;
    cccc_list_remove(&self->waiting, &p->waiting);
}

static void forget(cccc_peers_t *self, struct peer *p)
{
    say_gone(self, conn_of(p, false));
    say_gone(self, conn_of(p, true));
    drop_queue(self, p);
    cccc_turns_drop(self, p);
    HASH_DEL(self->by_routing_id, p);
    self->table[p->index] = NULL;
    self->unused[self->unused_count++] = p->index;
    self->counters.known--;
    flow_release(p->flow);
    free(p);
}

void cccc_peers_destroy(cccc_peers_t **self_p)
{
    cccc_peers_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    while (self->by_routing_id)
        forget(self, self->by_routing_id);
    free(self->table);
    free(self->generations);
    free(self->unused);
    free(self->gone);
    free(self);
}

/* The entry that has been silent longest and waits for nothing; NULL when all have something open. */
static struct peer *longest_silent(const cccc_peers_t *self)
{
    struct peer *best = NULL;
    for (struct peer *p = self->by_routing_id; p; p = p->hh.next)
        if (p->open == 0 && !p->queue.first && (!best || p->last_us < best->last_us))
            best = p;
    return best;
}

static struct peer *make_peer(cccc_peers_t *self, const void *routing_id, size_t len, const char *address)
{
    uint32_t index;
    if (!take_index(self, &index)) {
        struct peer *silent = longest_silent(self);
        if (!silent)
            return NULL;
        forget(self, silent);
        CCCC_ASSERT(take_index(self, &index), "a freed place is not free");
    }
    struct peer *p = calloc(1, sizeof *p + len);
    struct flow *flow = calloc(1, sizeof *flow);
    CCCC_ASSERT(p && flow, "out of memory");
    atomic_init(&flow->refs, 1);
    p->flow = flow;
    p->fd = -1;
    p->index = index;
    p->generation = ++self->generations[index] & 0x7fffffff;
    p->routing_id_len = (unsigned char)len;
    memcpy(p->routing_id, routing_id, len);
    strncpy(p->address, address ? address : "", sizeof p->address - 1);
    p->refusal = cccc_identify(address, &p->identity, NULL);
    cccc_turns_begin(self, p);
    HASH_ADD_KEYPTR(hh, self->by_routing_id, p->routing_id, len, p);
    self->table[index] = p;
    self->counters.known++;
    return p;
}

cccc_err_t cccc_peers_find(cccc_peers_t *self, const void *routing_id, size_t len, bool delimited, const char *address, uint64_t now_us,
                           struct cccc_peer_ref *out, struct cccc_errmsg *m)
{
    struct peer *p;
    HASH_FIND(hh, self->by_routing_id, routing_id, len, p);
    /* A routing id may be chosen by the client: whoever comes back under one is another connection. */
    if (p && strncmp(p->address, address ? address : "", sizeof p->address) != 0) {
        forget(self, p);
        p = NULL;
    }
    *out = (struct cccc_peer_ref){.is_new = !p};
    if (!p)
        p = make_peer(self, routing_id, len, address);
    if (!p)
        return cccc_fail(m, CCCC_E_BUSY, "%d connections have requests open; try again when some have ended", CCCC_PEERS_MAX);
    p->last_us = now_us;
    out->conn = conn_of(p, delimited);
    out->peer = p->identity;
    return p->refusal == CCCC_OK ? CCCC_OK : cccc_identify(address, &out->peer, m);
}

void cccc_peers_set_identity(cccc_peers_t *self, uint64_t conn, const struct cccc_peer *identity)
{
    struct peer *p = peer_of(self, conn);
    if (p)
        p->identity = *identity;
}

void cccc_peers_end_generation(cccc_peers_t *self, uint64_t generation)
{
    struct peer *p, *next;
    HASH_ITER(hh, self->by_routing_id, p, next)
    {
        if (p->identity.generation == generation)
            p->identity =
                (struct cccc_peer){.standing = CCCC_PEER_UNKNOWN, .uid = p->identity.uid, .gid = p->identity.gid, .pid = p->identity.pid};
    }
}

void cccc_peers_set_fd(cccc_peers_t *self, uint64_t conn, int fd)
{
    struct peer *p = peer_of(self, conn);
    if (p)
        p->fd = fd;
}

/* ---- replies ---- */

/* What libzmq holds of ours until it has written a lent reply. */
struct loan {
    cccc_bytes_t *bytes;
    struct flow *flow;
};

/* On libzmq's I/O thread. */
static void release_lent(void *data, void *bytes)
{
    (void)data;
    cccc_bytes_release(bytes);
}

static void give_back(void *data, void *hint)
{
    (void)data;
    struct loan *loan = hint;
    atomic_fetch_sub_explicit(&loan->flow->bytes, loan->bytes->len, memory_order_relaxed);
    flow_release(loan->flow);
    cccc_bytes_release(loan->bytes);
    free(loan);
}

static void lend_counted(zmq_msg_t *msg, cccc_bytes_t *bytes, struct flow *flow)
{
    struct loan *loan = malloc(sizeof *loan);
    CCCC_ASSERT(loan, "out of memory");
    *loan = (struct loan){bytes, flow};
    atomic_fetch_add_explicit(&flow->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&flow->bytes, bytes->len, memory_order_relaxed);
    int rc = zmq_msg_init_data(msg, bytes->data, bytes->len, give_back, loan);
    CCCC_ASSERT(rc == 0, "zmq_msg_init_data: %s", zmq_strerror(errno));
}

static void lend(zmq_msg_t *msg, cccc_bytes_t *bytes)
{
    int rc = zmq_msg_init_data(msg, bytes->data, bytes->len, release_lent, bytes);
    CCCC_ASSERT(rc == 0, "zmq_msg_init_data: %s", zmq_strerror(errno));
}

enum sent { SENT, FULL, GONE };

/* Takes `bytes` when SENT or GONE. Once a ROUTER has taken the routing id, it takes the rest of the message too. */
static enum sent try_send(cccc_peers_t *self, struct peer *p, bool delimited, cccc_bytes_t *bytes)
{
    bool counted = bytes->len >= COUNTED_BYTES_MIN;
    uint64_t under_way = counted ? atomic_load_explicit(&p->flow->bytes, memory_order_relaxed) : 0;
    if (under_way > 0 && under_way + bytes->len > CCCC_REPLY_QUEUE_BYTES_MAX)
        return FULL;
    if (zmq_send(self->router, p->routing_id, p->routing_id_len, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        if (errno == EAGAIN)
            return FULL;
        cccc_bytes_release(bytes);
        return GONE;
    }
    if (delimited)
        zmq_send(self->router, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE);
    zmq_msg_t msg;
    cccc_bytes_hand_over(bytes); /* to libzmq's I/O thread */
    if (counted)
        lend_counted(&msg, bytes, p->flow);
    else
        lend(&msg, bytes);
    if (zmq_msg_send(&msg, self->router, ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&msg);
    return SENT;
}

/* 4.3.4 cannot disconnect a peer; shutting its descriptor down makes libzmq do so. The number may have passed on to another connection meanwhile:
 * only one of the same process is touched. */
static void disconnect(const struct peer *p)
{
    struct ucred credentials;
    socklen_t len = sizeof credentials;
    if (p->fd >= 0 && getsockopt(p->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) == 0 && credentials.pid == p->identity.pid)
        shutdown(p->fd, SHUT_RDWR);
}

static void drop_peer(cccc_peers_t *self, struct peer *p)
{
    cccc_log(LOG_WARNING, "PEER-DROPPED", "a client does not read its replies and was disconnected pid=%d queued=%u bytes=%" PRIu64,
             p->identity.pid, p->queued, p->queued_bytes);
    self->counters.dropped_peers++;
    disconnect(p);
    forget(self, p);
}

void cccc_peers_shed(cccc_peers_t *self, struct peer *p)
{
    cccc_log(LOG_WARNING, "FLOOD", "a client goes on asking although it is refused and was disconnected pid=%d open=%u kept_out_s=%d",
             p->identity.pid, p->open, CCCC_FLOOD_KEPT_OUT_S);
    self->counters.dropped_peers++;
    cccc_accept_guard_keep_out(p->identity.pid, CCCC_FLOOD_KEPT_OUT_S);
    disconnect(p);
    say_gone(self, conn_of(p, false));
    say_gone(self, conn_of(p, true));
    drop_queue(self, p);
    cccc_turns_drop(self, p);
    p->generation = ++self->generations[p->index] & 0x7fffffff;
    p->open = p->refused = 0;
    p->shed_until_us = p->last_us + CCCC_FLOOD_KEPT_OUT_S * 1000000ull;
}

static void queue_reply(cccc_peers_t *self, struct peer *p, bool delimited, cccc_bytes_t *bytes)
{
    struct queued_reply *q = malloc(sizeof *q);
    CCCC_ASSERT(q, "out of memory");
    *q = (struct queued_reply){.bytes = bytes, .delimited = delimited};
    cccc_list_append(&p->queue, &q->link);
    p->queued++;
    p->queued_bytes += bytes->len;
    self->counters.queued_replies++;
    if (!p->waiting.in_list)
        cccc_list_append(&self->waiting, &p->waiting);
}

static bool is_over(const struct peer *p)
{
    return p->queued > CCCC_REPLY_QUEUE_MESSAGES_MAX || p->queued_bytes > CCCC_REPLY_QUEUE_BYTES_MAX;
}

void cccc_peers_turn_away(cccc_peers_t *self, const void *routing_id, size_t len, bool delimited, cccc_bytes_t *bytes)
{
    self->counters.turned_away++;
    if (zmq_send(self->router, routing_id, len, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0) {
        if (delimited)
            zmq_send(self->router, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE);
        zmq_send(self->router, bytes->data, bytes->len, ZMQ_DONTWAIT);
    }
    cccc_bytes_release(bytes);
}

/* Send what goes; ends with `p` still waiting, with its queue empty, or with it gone. */
static void flush_peer(cccc_peers_t *self, struct peer *p)
{
    for (struct queued_reply *q; (q = CCCC_FIRST(&p->queue, struct queued_reply, link));) {
        uint32_t len = q->bytes->len;
        enum sent sent = try_send(self, p, q->delimited, q->bytes);
        if (sent == FULL)
            return;
        cccc_list_remove(&p->queue, &q->link);
        free(q);
        p->queued--;
        p->queued_bytes -= len;
        self->counters.queued_replies--;
        if (sent == GONE) {
            self->counters.lost_replies++;
            forget(self, p);
            return;
        }
    }
    cccc_list_remove(&self->waiting, &p->waiting);
}

void cccc_peers_reply(cccc_peers_t *self, uint64_t conn, cccc_bytes_t *bytes, bool answers)
{
    struct peer *p = peer_of(self, conn);
    if (!p) {
        self->counters.lost_replies++;
        cccc_bytes_release(bytes);
        return;
    }
    if (answers && p->open > 0)
        p->open--;
    queue_reply(self, p, conn & 1, bytes);
    if (!is_over(p))
        return;
    flush_peer(self, p);
    p = peer_of(self, conn); /* it may turn out to be gone */
    if (p && is_over(p))
        drop_peer(self, p);
}

bool cccc_peers_flush(cccc_peers_t *self)
{
    for (struct cccc_link *link = self->waiting.first, *next; link; link = next) {
        next = link->next;
        flush_peer(self, CCCC_MEMBER(link, struct peer, waiting));
    }
    return self->waiting.first != NULL;
}

void cccc_peers_sweep(cccc_peers_t *self, uint64_t now_us)
{
    for (struct peer *p = self->by_routing_id, *next; p; p = next) {
        next = p->hh.next;
        if (p->open == 0 && !p->queue.first && now_us - p->last_us > CCCC_PEER_IDLE_S * 1000000ull)
            forget(self, p);
    }
}

bool cccc_peers_next_gone(cccc_peers_t *self, uint64_t *conn)
{
    if (self->gone_count == 0)
        return false;
    *conn = self->gone[--self->gone_count];
    return true;
}

const struct cccc_peer_counters *cccc_peers_counters(const cccc_peers_t *self)
{
    return &self->counters;
}
