/* gate.c - see gate.h. */
#include "broker/bus/gate.h"

#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "proto/hash.h"

#include <errno.h>
#include <stdlib.h>

/* What was found out about a process; good as long as that very process lives and no holder comes or goes. */
struct identity {
    UT_hash_handle hh;
    int32_t pid;
    uint64_t started;
    struct cccc_peer peer;
};
enum { IDENTITIES_MAX = 1024 };

/* ---- life ---- */

static zsock_t *pair(const char *how, const char *endpoint)
{
    zsock_t *sock = zsock_new(ZMQ_PAIR);
    if (!sock)
        return NULL;
    zsock_set_sndhwm(sock, 0);
    zsock_set_rcvhwm(sock, 0);
    zsock_set_linger(sock, 0);
    if ((*how == 'b' ? zsock_bind(sock, "%s", endpoint) : zsock_connect(sock, "%s", endpoint)) < 0)
        zsock_destroy(&sock);
    return sock;
}

/* What the gateway hears of events; it drops what it has no time for, and reads it from the ledger. */
static zsock_t *follower(void)
{
    zsock_t *sock = zsock_new(ZMQ_SUB);
    if (!sock)
        return NULL;
    zsock_set_rcvhwm(sock, CCCC_GATEWAY_EVENTS_HWM);
    zsock_set_linger(sock, 0);
    if (zsock_connect(sock, CCCC_EVENTS_INSIDE) < 0)
        zsock_destroy(&sock);
    return sock;
}

cccc_err_t cccc_gate_open(struct cccc_gate *self, const char *path, int tcp_port, struct cccc_errmsg *m)
{
    *self = (struct cccc_gate){.local.fd = -1, .tcp.fd = -1};
    self->ours_sock = pair("bind", CCCC_GATEWAY_ENDPOINT);
    self->theirs_sock = self->ours_sock ? pair("connect", CCCC_GATEWAY_ENDPOINT) : NULL;
    self->events_sock = self->theirs_sock ? follower() : NULL;
    cccc_err_t err = self->events_sock ? CCCC_OK : cccc_fail(m, CCCC_E_INTERNAL, "make sockets: %s", zmq_strerror(errno));
    if (err == CCCC_OK)
        err = cccc_listen_unix(&self->local, path, m);
    if (err == CCCC_OK && tcp_port >= 0)
        err = cccc_listen_tcp(&self->tcp, (uint16_t)tcp_port, m);
    if (err != CCCC_OK) {
        cccc_gate_close(self);
        return err;
    }
    self->ours = zsock_resolve(self->ours_sock);
    struct cccc_gateway_options options = {.local = &self->local,
                                           .tcp = &self->tcp,
                                           .pair = zsock_resolve(self->theirs_sock),
                                           .events = zsock_resolve(self->events_sock),
                                           .to_loop = &self->to_loop,
                                           .to_gateway = &self->to_gateway};
    self->gateway = cccc_gateway_start(&options);
    return CCCC_OK;
}

static void tell(struct cccc_gate *self, uint64_t conn, enum cccc_gateway_what what, int flags)
{
    struct cccc_gateway_envelope envelope = {.conn = conn, .what = what};
    cccc_gateway_before_send(&self->to_gateway);
    int rc = zmq_send(self->ours, &envelope, sizeof envelope, ZMQ_DONTWAIT | flags);
    CCCC_ASSERT(rc >= 0, "zmq_send: %s", zmq_strerror(errno)); /* the pair has no high-water mark: requests are bounded */
}

void cccc_gate_close(struct cccc_gate *self)
{
    if (self->gateway)
        tell(self, 0, CCCC_GATEWAY_FINISH, 0);
    cccc_gateway_end(&self->gateway);
    cccc_listener_close(&self->local);
    cccc_listener_close(&self->tcp);
    zsock_destroy(&self->events_sock);
    zsock_destroy(&self->theirs_sock);
    zsock_destroy(&self->ours_sock);
    cccc_gate_forget_identities(self);
}

/* ---- who calls ---- */

void cccc_gate_forget_identities(struct cccc_gate *self)
{
    struct identity *one = self->identities;
    HASH_CLEAR(hh, self->identities);
    for (struct identity *next; one; one = next) {
        next = one->hh.next;
        free(one);
    }
}

static struct identity *identity_at(struct cccc_gate *self, int32_t pid)
{
    struct identity *one = NULL;
    HASH_FIND(hh, self->identities, &pid, sizeof pid, one);
    if (one)
        return one;
    if (HASH_COUNT(self->identities) >= IDENTITIES_MAX)
        cccc_gate_forget_identities(self);
    one = calloc(1, sizeof *one);
    CCCC_ASSERT(one, "out of memory");
    one->pid = pid;
    HASH_ADD(hh, self->identities, pid, sizeof one->pid, one);
    return one;
}

/* Clients come with each request anew: a process that is known is not looked at again. */
static void place(struct cccc_bus *bus, const struct cccc_gateway_caller *caller, struct cccc_peer *peer)
{
    if (peer->standing != CCCC_PEER_OPERATOR)
        return;
    if (caller->started == 0) {
        peer->standing = CCCC_PEER_UNKNOWN;
        return;
    }
    struct identity *known = identity_at(&bus->gate, caller->pid);
    if (known->started != caller->started) {
        known->started = caller->started;
        known->peer = *peer;
        cccc_holders_place(&bus->holders, bus->home.root, &known->peer);
    }
    *peer = known->peer;
}

/* ---- requests ---- */

static void take_request(struct cccc_bus *bus, const struct cccc_gateway_envelope *envelope, zmq_msg_t *body)
{
    struct cccc_call_input input = {.conn = envelope->conn, .gateway = true};
    cccc_gateway_after_receive(&bus->gate.to_loop);
    struct cccc_errmsg stranger;
    cccc_err_t err = cccc_identify_process(envelope->caller.uid, envelope->caller.gid, envelope->caller.pid, &input.peer, &stranger);
    if (err == CCCC_OK)
        place(bus, &envelope->caller, &input.peer);
    cccc_bytes_t *refusal = cccc_bus_request(bus, &input, zmq_msg_data(body), zmq_msg_size(body), err, &stranger);
    if (refusal)
        cccc_gate_reply(&bus->gate, envelope->conn, refusal);
}

void cccc_gate_take(struct cccc_bus *bus)
{
    struct cccc_gateway_envelope envelope;
    zmq_msg_t body;
    zmq_msg_init(&body);
    for (int i = 0; i < CCCC_GATEWAY_REQUESTS_PER_TURN_MAX && zmq_recv(bus->gate.ours, &envelope, sizeof envelope, ZMQ_DONTWAIT) >= 0;
         i++) {
        if (envelope.what == CCCC_GATEWAY_GONE) {
            cccc_bus_carry_out(bus); /* its effects may borrow from its requests */
            cccc_core_gone(bus->core, envelope.conn);
        } else if (zmq_msg_recv(&body, bus->gate.ours, ZMQ_DONTWAIT) >= 0) {
            take_request(bus, &envelope, &body);
        }
        if (i % CCCC_LOT_EVENTS == CCCC_LOT_EVENTS - 1)
            cccc_bus_carry_out(bus);
    }
    zmq_msg_close(&body);
}

/* ---- replies ---- */

/* What the gateway holds of ours until it has read a reply. */
struct loan {
    struct cccc_gate *gate;
    cccc_bytes_t *bytes;
};

/* On the gateway's thread. */
static void give_back(void *data, void *hint)
{
    (void)data;
    struct loan *loan = hint;
    atomic_fetch_sub_explicit(&loan->gate->lent, loan->bytes->len, memory_order_relaxed);
    cccc_bytes_release(loan->bytes);
    free(loan);
}

/* The gateway takes replies as fast as it can; should it be far behind all the same, the connection that asked for so much is given up. */
void cccc_gate_reply(struct cccc_gate *self, uint64_t conn, cccc_bytes_t *bytes)
{
    if (atomic_load_explicit(&self->lent, memory_order_relaxed) + bytes->len > CCCC_GATEWAY_OUTPUT_BYTES_MAX) {
        self->dropped++;
        cccc_bytes_release(bytes);
        tell(self, conn, CCCC_GATEWAY_DROP, 0);
        return;
    }
    struct loan *loan = malloc(sizeof *loan);
    CCCC_ASSERT(loan, "out of memory");
    *loan = (struct loan){self, bytes};
    atomic_fetch_add_explicit(&self->lent, bytes->len, memory_order_relaxed);
    zmq_msg_t body;
    int rc = zmq_msg_init_data(&body, bytes->data, bytes->len, give_back, loan);
    CCCC_ASSERT(rc == 0, "zmq_msg_init_data: %s", zmq_strerror(errno));
    tell(self, conn, CCCC_GATEWAY_REPLY, ZMQ_SNDMORE);
    rc = zmq_msg_send(&body, self->ours, ZMQ_DONTWAIT);
    CCCC_ASSERT(rc >= 0, "zmq_msg_send: %s", zmq_strerror(errno));
}
