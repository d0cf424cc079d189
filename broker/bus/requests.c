/* requests.c - from frames to the core: take a message off the ROUTER, see who speaks, decode, hand over.
 *
 * A message is [routing id][body] or [routing id][empty delimiter][body]; its reply has the same shape. A refused message is answered here and
 * changes nothing. */
#include "broker/bus/bus.h"
#include "broker/bus/caller_path.h"
#include "broker/bus/log.h"

#include <errno.h>
#include <sys/socket.h>

/* A message as received. Frames beyond the ones allowed are counted and not kept. */
struct incoming {
    zmq_msg_t routing_id, first, body;
    unsigned frames; /* behind the routing id */
};

/* Room for what the core makes of a usual request, behind its bytes. */
enum { VALUES_BYTES = 4 * 1024 };

static void incoming_init(struct incoming *in)
{
    zmq_msg_init(&in->routing_id);
    zmq_msg_init(&in->first);
    zmq_msg_init(&in->body);
    in->frames = 0;
}

static void incoming_fini(struct incoming *in)
{
    zmq_msg_close(&in->routing_id);
    zmq_msg_close(&in->first);
    zmq_msg_close(&in->body);
}

/* False when nothing is there. All frames of a message arrive together, so only the first can be missing. */
static bool receive(void *router, struct incoming *in)
{
    if (zmq_msg_recv(&in->routing_id, router, ZMQ_DONTWAIT) < 0)
        return false;
    bool more = zmq_msg_more(&in->routing_id);
    while (more) {
        zmq_msg_t *frame = in->frames == 0 ? &in->first : &in->body;
        if (zmq_msg_recv(frame, router, ZMQ_DONTWAIT) < 0)
            break;
        in->frames++;
        more = zmq_msg_more(frame);
    }
    return true;
}

static cccc_bytes_t *error_reply(const struct cccc_request_id *id, const struct cccc_refusal *refusal)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_reply_error(&out, id, refusal->err, refusal->message.text, &refusal->details);
    cccc_bytes_t *bytes = cccc_bytes_new(out.data, out.size);
    cccc_buf_fini(&out);
    return bytes;
}

/* Decode the body into `input`, whose arena keeps the bytes. */
static cccc_err_t decode(const void *bytes, size_t len, struct cccc_call_input *input, struct cccc_refusal *refusal)
{
    if (len > CCCC_REQUEST_BYTES_MAX) {
        cccc_builder_t details = cccc_map_builder(input->arena, 1);
        cccc_map_add(&details, "limit", cccc_uint(CCCC_REQUEST_BYTES_MAX));
        refusal->details = details.value;
        return refusal->err =
                   cccc_fail(&refusal->message, CCCC_E_TOO_LARGE, "the request has %zu bytes, %d are allowed", len, CCCC_REQUEST_BYTES_MAX);
    }
    input->bytes = (uint32_t)len;
    char *copy = cccc_arena_alloc(input->arena, len ? len : 1);
    memcpy(copy, bytes, len);
    return cccc_request_read(copy, len, input->arena, &input->request, refusal);
}

cccc_bytes_t *cccc_bus_request(struct cccc_bus *bus, struct cccc_call_input *input, const void *bytes, size_t len, cccc_err_t stranger,
                               const struct cccc_errmsg *why)
{
    struct cccc_refusal refusal; /* half a kilobyte: filled when there is one */
    input->arena = cccc_arena_new(len + VALUES_BYTES);
    bus->stats.requests++;
    cccc_err_t err = decode(bytes, len, input, &refusal);
    if (stranger == CCCC_OK && err == CCCC_OK) {
        cccc_caller_path(input);
        cccc_core_request(bus->core, cccc_bus_moment(bus), input);
        return NULL;
    }
    if (stranger != CCCC_OK)
        refusal = (struct cccc_refusal){.err = stranger, .message = *why, .details = cccc_nil()};
    bus->stats.refused++;
    cccc_bytes_t *answer = error_reply(&input->request.id, &refusal);
    cccc_arena_destroy(&input->arena);
    return answer;
}

/* Who sent it; the first time its process is looked at. */
static cccc_err_t find_sender(struct cccc_bus *bus, struct incoming *in, zmq_msg_t *body, bool delimited, struct cccc_peer_ref *from,
                              struct cccc_errmsg *why)
{
    cccc_err_t err = cccc_peers_find(bus->peers, zmq_msg_data(&in->routing_id), zmq_msg_size(&in->routing_id), delimited,
                                     zmq_msg_gets(body, "Peer-Address"), bus->now.mono_us, from, why);
    if (from->is_new)
        cccc_peers_set_fd(bus->peers, from->conn, zmq_msg_get(body, ZMQ_SRCFD));
    if (from->is_new && err == CCCC_OK) {
        cccc_holders_place(&bus->holders, bus->home.root, &from->peer);
        cccc_peers_set_identity(bus->peers, from->conn, &from->peer);
    }
    return err;
}

/* A request that was admitted goes to the core. */
static void enter(struct cccc_bus *bus, const struct cccc_peer_ref *from, zmq_msg_t *body)
{
    struct cccc_call_input input = {.conn = from->conn, .peer = from->peer};
    cccc_bytes_t *refusal = cccc_bus_request(bus, &input, zmq_msg_data(body), zmq_msg_size(body), CCCC_OK, NULL);
    if (refusal)
        cccc_peers_reply(bus->peers, from->conn, refusal, true);
}

/* A request that was not: it is decoded for its id. */
static void refuse(struct cccc_bus *bus, struct incoming *in, const struct cccc_peer_ref *from, bool delimited, zmq_msg_t *body,
                   cccc_err_t err, const struct cccc_errmsg *why)
{
    struct cccc_call_input input = {.conn = from->conn, .peer = from->peer};
    cccc_bytes_t *refusal = cccc_bus_request(bus, &input, zmq_msg_data(body), zmq_msg_size(body), err, why);
    if (from->conn)
        cccc_peers_reply(bus->peers, from->conn, refusal, false);
    else
        cccc_peers_turn_away(bus->peers, zmq_msg_data(&in->routing_id), zmq_msg_size(&in->routing_id), delimited, refusal);
}

static void take_in(struct cccc_bus *bus, struct incoming *in)
{
    bool delimited = in->frames > 1 && zmq_msg_size(&in->first) == 0;
    unsigned allowed = delimited ? 2 : 1;
    zmq_msg_t *body = in->frames > 1 ? &in->body : &in->first;
    struct cccc_peer_ref from;
    struct cccc_errmsg why;
    enum cccc_admission admission = CCCC_REFUSED;
    cccc_err_t err = find_sender(bus, in, body, delimited, &from, &why);
    if (err == CCCC_OK && in->frames != allowed)
        err = cccc_fail(&why, CCCC_E_INVALID_REQUEST, "a request is one optional empty frame and one body, this one has %u frames",
                        in->frames);
    if (err == CCCC_OK)
        admission = cccc_peers_admit(bus->peers, from.conn, body);
    if (err == CCCC_OK && admission == CCCC_REFUSED)
        err = cccc_fail(&why, CCCC_E_BUSY,
                        "%d requests, or %d bytes, of this connection wait for their answers already; take some in before asking more",
                        CCCC_OPEN_REQUESTS_MAX, CCCC_KEPT_REQUEST_BYTES_MAX);
    if (admission == CCCC_ENTERS)
        enter(bus, &from, body);
    else if (admission == CCCC_REFUSED)
        refuse(bus, in, &from, delimited, body, err, &why);
}

void cccc_bus_take_requests(struct cccc_bus *bus)
{
    struct incoming in;
    incoming_init(&in);
    for (int i = 0; i < CCCC_REQUESTS_PER_TURN_MAX && receive(bus->sockets.router, &in); i++) {
        take_in(bus, &in);
        in.frames = 0;
        if (i % CCCC_LOT_EVENTS == CCCC_LOT_EVENTS - 1)
            cccc_bus_carry_out(bus);
    }
    incoming_fini(&in);
}

void cccc_bus_take_turns(struct cccc_bus *bus)
{
    struct cccc_peer_ref from;
    zmq_msg_t body;
    zmq_msg_init(&body);
    for (int i = 0; i < CCCC_REQUESTS_PER_TURN_MAX && cccc_peers_next_turn(bus->peers, &from, &body); i++) {
        enter(bus, &from, &body);
        if (i % CCCC_LOT_EVENTS == CCCC_LOT_EVENTS - 1)
            cccc_bus_carry_out(bus);
    }
    zmq_msg_close(&body);
}

/* A follower that subscribes to more than is kept loses its connection. */
static void shed_subscriber(struct cccc_bus *bus, zmq_msg_t *subscription)
{
    int fd = zmq_msg_get(subscription, ZMQ_SRCFD);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    if (bus->stats.shed_subscribers++ == 0)
        cccc_log(LOG_WARNING, "SUBSCRIPTIONS-FULL", "a follower was disconnected and publications are no longer filtered limit=%d",
                 CCCC_SUBSCRIPTIONS_MAX);
}

void cccc_bus_take_subscriptions(struct cccc_bus *bus)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    for (int i = 0; i < CCCC_REQUESTS_PER_TURN_MAX && zmq_msg_recv(&msg, bus->sockets.xpub, ZMQ_DONTWAIT) >= 0; i++)
        if (!cccc_subscriptions_take(&bus->subscriptions, zmq_msg_data(&msg), zmq_msg_size(&msg)))
            shed_subscriber(bus, &msg);
    zmq_msg_close(&msg);
    cccc_core_followed(bus->core, cccc_subscriptions_any(&bus->subscriptions, 'e'), cccc_subscriptions_any(&bus->subscriptions, 'i'));
}
