/* A connection's way back: bounded, never waited for, never another's. */
#include "tests/bus/cmocka_all.h"

#include "broker/bus/log.h"
#include "broker/bus/peers.h"
#include "tests/bus/scratch_bus.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

struct fixture {
    struct scratch_bus bus;
    cccc_peers_t *peers;
    void *context, *client;
    char routing_id[256];
    size_t routing_id_len;
    struct cccc_peer_ref ref;
};

static cccc_bytes_t *bytes_of(size_t len)
{
    char *data = calloc(1, len ? len : 1);
    cccc_bytes_t *bytes = cccc_bytes_new(data, len);
    free(data);
    return bytes;
}

static void wait_readable(void *socket)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, 20000), 1);
}

static bool enters(struct fixture *f, uint64_t conn)
{
    zmq_msg_t body;
    zmq_msg_init(&body);
    enum cccc_admission admission = cccc_peers_admit(f->peers, conn, &body);
    assert_int_not_equal(admission, CCCC_KEPT);
    zmq_msg_close(&body);
    return admission == CCCC_ENTERS;
}

/* Take the client's next message off the ROUTER and look its connection up. */
static void take_request(struct fixture *f)
{
    wait_readable(f->bus.sockets.router);
    int n = zmq_recv(f->bus.sockets.router, f->routing_id, sizeof f->routing_id, 0);
    assert_true(n > 0);
    f->routing_id_len = (size_t)n;
    zmq_msg_t body;
    zmq_msg_init(&body);
    assert_true(zmq_msg_recv(&body, f->bus.sockets.router, 0) >= 0);
    struct cccc_errmsg m = {""};
    if (cccc_peers_find(f->peers, f->routing_id, f->routing_id_len, false, zmq_msg_gets(&body, "Peer-Address"), 1, &f->ref, &m) != CCCC_OK)
        fail_msg("%s", m.text);
    assert_true(f->ref.is_new);
    cccc_peers_set_fd(f->peers, f->ref.conn, zmq_msg_get(&body, ZMQ_SRCFD));
    zmq_msg_close(&body);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    scratch_bus_open(&f->bus);
    f->peers = cccc_peers_new(f->bus.sockets.router);
    f->client = scratch_client(&f->context, ZMQ_DEALER, f->bus.sockets.bus);
    zmq_send(f->client, "hello", 5, 0);
    take_request(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cccc_peers_destroy(&f->peers);
    if (f->client)
        scratch_client_close(&f->context, &f->client);
    scratch_bus_close(&f->bus);
    free(f);
    return 0;
}

/* The address of this process's connections, as libzmq writes it. */
static const char *own_address(void)
{
    static char text[CCCC_PEER_ADDRESS_MAX];
    snprintf(text, sizeof text, "localhost:%u:%u:%d", getuid(), getgid(), (int)getpid());
    return text;
}

/* A reply arrives in the shape of its request: with the delimiter for a REQ, without for a DEALER. */
static void replies_keep_the_manner_of_the_request(void **state)
{
    struct fixture *f = *state;
    struct cccc_peer_ref delimited;
    char got[16];
    int more = 0;
    size_t len = sizeof more;
    assert_int_equal(cccc_peers_find(f->peers, f->routing_id, f->routing_id_len, true, own_address(), 1, &delimited, NULL), CCCC_OK);
    assert_int_not_equal(delimited.conn, f->ref.conn);
    cccc_peers_reply(f->peers, f->ref.conn, bytes_of(7), true);
    assert_false(cccc_peers_flush(f->peers));
    wait_readable(f->client);
    assert_int_equal(zmq_recv(f->client, got, sizeof got, 0), 7);
    cccc_peers_reply(f->peers, delimited.conn, bytes_of(9), true);
    assert_false(cccc_peers_flush(f->peers));
    wait_readable(f->client);
    assert_int_equal(zmq_recv(f->client, got, sizeof got, 0), 0);
    assert_int_equal(zmq_getsockopt(f->client, ZMQ_RCVMORE, &more, &len), 0);
    assert_int_equal(more, 1);
    assert_int_equal(zmq_recv(f->client, got, sizeof got, 0), 9);
}

static void receive_all(int s, void *bytes, size_t len)
{
    assert_int_equal(recv(s, bytes, len, MSG_WAITALL), len);
}

/* A connection that speaks ZMTP 3.0 so far as to say "hello" and then never reads: a stuck client. */
static int stuck_client(const char *endpoint)
{
    static const char greeting[64] = {[0] = '\xff', [8] = 1, [9] = '\x7f', [10] = 3, [12] = 'N', 'U', 'L', 'L'};
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06"
                                "DEALER";
    static const char hello[] = "\x00\x05hello";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint + strlen("ipc://"));
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s >= 0);
    assert_int_equal(connect(s, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(s, greeting, sizeof greeting, 0), sizeof greeting);
    assert_int_equal(send(s, ready, sizeof ready - 1, 0), sizeof ready - 1);
    unsigned char theirs[256];
    receive_all(s, theirs, sizeof greeting);
    receive_all(s, theirs, 2); /* a short command frame: flags, length */
    receive_all(s, theirs + 2, theirs[1]);
    assert_int_equal(send(s, hello, sizeof hello - 1, 0), sizeof hello - 1);
    return s;
}

/* Read what was under way until the other side has closed. */
static bool is_disconnected(int s)
{
    char bytes[65536];
    struct pollfd p = {.fd = s, .events = POLLIN};
    while (poll(&p, 1, 20000) == 1)
        if (recv(s, bytes, sizeof bytes, 0) <= 0)
            return true;
    return false;
}

static void is_reported_gone(struct fixture *f, uint64_t conn)
{
    uint64_t one = 0, other = 0, more;
    assert_true(cccc_peers_next_gone(f->peers, &one));
    assert_true(cccc_peers_next_gone(f->peers, &other));
    assert_false(cccc_peers_next_gone(f->peers, &more));
    assert_int_equal(one & ~1ull, conn & ~1ull);
    assert_int_equal(one ^ other, 1);
}

/* A client that reads nothing fills the pipe, then its queue up to the named number, then it is disconnected and forgotten. No call waits. */
static void stuck_client_is_dropped_at_the_bound_of_messages(void **state)
{
    struct fixture *f = *state;
    int s = stuck_client(f->bus.sockets.bus);
    take_request(f);
    const struct cccc_peer_counters *c = cccc_peers_counters(f->peers);
    uint64_t replies = 0, queued_most = 0;
    while (c->dropped_peers == 0 && replies < 1000000) {
        cccc_peers_reply(f->peers, f->ref.conn, bytes_of(1000), true);
        replies++;
        if (c->queued_replies > queued_most)
            queued_most = c->queued_replies;
    }
    assert_int_equal(c->dropped_peers, 1);
    assert_int_equal(queued_most, CCCC_REPLY_QUEUE_MESSAGES_MAX);
    assert_true(replies > CCCC_ROUTER_SEND_HWM);
    assert_int_equal(c->queued_replies, 0);
    assert_int_equal(c->known, 1);
    is_reported_gone(f, f->ref.conn);
    assert_true(is_disconnected(s));
    close(s);
    cccc_peers_reply(f->peers, f->ref.conn, bytes_of(10), true);
    assert_int_equal(c->lost_replies, CCCC_REPLY_QUEUE_MESSAGES_MAX + 2);
}

/* The same for bytes: large replies are not hidden in libzmq's pipe, where no limit counts them. */
static void stuck_client_is_dropped_at_the_bound_of_bytes(void **state)
{
    struct fixture *f = *state;
    enum { BIG = 1024 * 1024 };
    int s = stuck_client(f->bus.sockets.bus);
    take_request(f);
    const struct cccc_peer_counters *c = cccc_peers_counters(f->peers);
    int replies = 0;
    while (c->dropped_peers == 0 && replies < 1000) {
        cccc_peers_reply(f->peers, f->ref.conn, bytes_of(BIG), true);
        replies++;
    }
    assert_int_equal(c->dropped_peers, 1);
    assert_in_range(replies, CCCC_REPLY_QUEUE_BYTES_MAX / BIG, 2 * CCCC_REPLY_QUEUE_BYTES_MAX / BIG + 4);
    is_reported_gone(f, f->ref.conn);
    assert_true(is_disconnected(s));
    close(s);
}

/* Queued replies go out in order as soon as the client reads again. */
static void queued_replies_follow_in_order(void **state)
{
    struct fixture *f = *state;
    enum { BIG = 1024 * 1024, COUNT = 14 };
    int s = stuck_client(f->bus.sockets.bus);
    take_request(f);
    const struct cccc_peer_counters *c = cccc_peers_counters(f->peers);
    for (int i = 0; i < COUNT; i++) {
        cccc_bytes_t *bytes = bytes_of(BIG);
        memset(bytes->data, 'a' + i, BIG);
        cccc_peers_reply(f->peers, f->ref.conn, bytes, true);
    }
    assert_true(c->queued_replies > 0);
    assert_true(cccc_peers_flush(f->peers));
    size_t seen = 0;
    char last = 'a', bytes[65536];
    while (seen < (size_t)COUNT * BIG) {
        struct pollfd p = {.fd = s, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1);
        ssize_t n = recv(s, bytes, sizeof bytes, 0);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] < 'a' || bytes[i] > 'a' + COUNT - 1)
                continue; /* framing */
            assert_in_range(bytes[i], last, last + 1);
            last = bytes[i];
            seen++;
        }
        cccc_peers_flush(f->peers);
    }
    assert_int_equal(last, 'a' + COUNT - 1);
    assert_int_equal(c->queued_replies, 0);
    assert_false(cccc_peers_flush(f->peers));
    assert_int_equal(c->dropped_peers, 0);
    close(s);
}

/* A client that left is noticed by the first reply it cannot get. */
static void client_that_left_is_forgotten(void **state)
{
    struct fixture *f = *state;
    scratch_client_close(&f->context, &f->client);
    const struct cccc_peer_counters *c = cccc_peers_counters(f->peers);
    /* Fewer than the bound of its queue, or it would be dropped for that instead; libzmq hears of the end while it waits. */
    for (int i = 0; i < CCCC_REPLY_QUEUE_MESSAGES_MAX / 2 && c->lost_replies == 0; i++) {
        zmq_pollitem_t router = {.socket = f->bus.sockets.router, .events = ZMQ_POLLIN};
        zmq_poll(&router, 1, 20);
        cccc_peers_reply(f->peers, f->ref.conn, bytes_of(10), true);
        cccc_peers_flush(f->peers);
    }
    assert_int_equal(c->lost_replies, 1);
    assert_int_equal(c->known, 0);
    is_reported_gone(f, f->ref.conn);
}

static cccc_err_t find(struct fixture *f, unsigned number, const char *address, uint64_t now_us, struct cccc_peer_ref *ref)
{
    char routing_id[16];
    int len = snprintf(routing_id, sizeof routing_id, "peer %u", number);
    return cccc_peers_find(f->peers, routing_id, (size_t)len, false, address, now_us, ref, NULL);
}

/* The same routing id with other credentials is another connection: neither the identity nor the replies of the first pass on to it. */
static void routing_id_does_not_carry_an_identity(void **state)
{
    struct fixture *f = *state;
    struct cccc_peer_ref first, second;
    char other[64];
    snprintf(other, sizeof other, "localhost:%u:%u:1", getuid(), getgid());
    assert_int_equal(find(f, 1, own_address(), 1, &first), CCCC_OK);
    assert_int_equal(first.peer.pid, getpid());
    assert_int_equal(find(f, 1, other, 1, &second), CCCC_OK);
    assert_int_equal(second.peer.pid, 1);
    assert_int_not_equal(first.conn, second.conn);
    is_reported_gone(f, first.conn);
    assert_int_equal(find(f, 1, NULL, 1, &second), CCCC_E_PERMISSION_DENIED);
    assert_int_equal(second.peer.standing, CCCC_PEER_UNKNOWN);
    assert_int_not_equal(second.conn, 0);
}

/* The table is bounded: silent connections make room, and when all have requests open a newcomer is told so. */
static void full_table_makes_room_or_says_so(void **state)
{
    struct fixture *f = *state;
    struct cccc_peer_ref ref, oldest = {0};
    uint64_t conn;
    for (unsigned i = 1; i < CCCC_PEERS_MAX; i++) {
        assert_int_equal(find(f, i, own_address(), 10 + i, &ref), CCCC_OK);
        if (i > 1)
            assert_true(enters(f, ref.conn));
        else
            oldest = ref;
    }
    assert_true(enters(f, f->ref.conn));
    assert_int_equal(cccc_peers_counters(f->peers)->known, CCCC_PEERS_MAX);
    assert_int_equal(find(f, CCCC_PEERS_MAX, own_address(), 9, &ref), CCCC_OK);
    is_reported_gone(f, oldest.conn);
    assert_true(enters(f, ref.conn));
    assert_int_equal(find(f, CCCC_PEERS_MAX + 1, own_address(), 9, &ref), CCCC_E_BUSY);
    assert_int_equal(ref.conn, 0);
    assert_false(cccc_peers_next_gone(f->peers, &conn));
    cccc_peers_turn_away(f->peers, f->routing_id, f->routing_id_len, false, bytes_of(11));
    char got[16];
    wait_readable(f->client);
    assert_int_equal(zmq_recv(f->client, got, sizeof got, 0), 11);
    assert_int_equal(cccc_peers_counters(f->peers)->turned_away, 1);
}

/* Silent connections are forgotten after a while, ones with something open are not. */
static void sweep_forgets_the_silent(void **state)
{
    struct fixture *f = *state;
    struct cccc_peer_ref silent, busy;
    assert_int_equal(find(f, 1, own_address(), 1, &silent), CCCC_OK);
    assert_int_equal(find(f, 2, own_address(), 1, &busy), CCCC_OK);
    assert_true(enters(f, f->ref.conn));
    assert_true(enters(f, busy.conn));
    cccc_peers_sweep(f->peers, CCCC_PEER_IDLE_S * 1000000ull);
    assert_int_equal(cccc_peers_counters(f->peers)->known, 3);
    cccc_peers_sweep(f->peers, CCCC_PEER_IDLE_S * 1000000ull + 2);
    assert_int_equal(cccc_peers_counters(f->peers)->known, 2);
    is_reported_gone(f, silent.conn);
}

/* What one connection may leave open is bounded, so that it cannot use up what all share; each answer makes room for one more, and others are as free as before. */
static void open_requests_of_one_connection_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct cccc_peer_ref other;
    for (unsigned i = 0; i < CCCC_OPEN_REQUESTS_MAX; i++)
        assert_true(enters(f, f->ref.conn));
    assert_false(enters(f, f->ref.conn));
    assert_int_equal(find(f, 1, own_address(), 1, &other), CCCC_OK);
    assert_true(enters(f, other.conn));
    cccc_peers_reply(f->peers, f->ref.conn, bytes_of(1), false);
    assert_false(enters(f, f->ref.conn));
    cccc_peers_reply(f->peers, f->ref.conn, bytes_of(1), true);
    assert_true(enters(f, f->ref.conn));
    assert_false(enters(f, f->ref.conn));
}

int main(void)
{
    cccc_log_set_level(LOG_EMERG); /* dropped peers are the point here */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replies_keep_the_manner_of_the_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stuck_client_is_dropped_at_the_bound_of_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stuck_client_is_dropped_at_the_bound_of_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(queued_replies_follow_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(client_that_left_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(routing_id_does_not_carry_an_identity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_table_makes_room_or_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sweep_forgets_the_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_requests_of_one_connection_are_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
