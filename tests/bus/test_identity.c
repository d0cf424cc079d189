/* Who is calling is what the kernel says, and only that. */
#include "tests/bus/cmocka_all.h"

#include "broker/bus/identity.h"
#include "tests/bus/scratch_bus.h"

/* What the kernel wrote is taken over; anything that is not exactly that is nobody. */
static void only_kernel_credentials_are_accepted(void **state)
{
    (void)state;
    char good[64];
    snprintf(good, sizeof good, "localhost:%u:%u:4711", getuid(), getgid());
    struct cccc_peer peer;
    struct cccc_errmsg m = {""};
    assert_int_equal(cccc_identify(good, &peer, &m), CCCC_OK);
    assert_int_equal(peer.standing, CCCC_PEER_OPERATOR);
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.gid, getgid());
    assert_int_equal(peer.pid, 4711);

    static const char *const bad[] = {"",
                                      "localhost",
                                      "127.0.0.1",
                                      "localhost:0",
                                      "localhost:0:0",
                                      "localhost:0:0:",
                                      "localhost:0:0:1x",
                                      "localhost:0:0:1:2",
                                      "localhost:-1:0:1",
                                      "localhost: 0:0:1",
                                      "localhost:4294967296:0:1",
                                      "localhost:0:0:4294967295",
                                      "localhost:00000000000:0:1",
                                      "10.0.0.1:0:0:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cccc_identify(bad[i], &peer, &m), CCCC_E_PERMISSION_DENIED);
        assert_int_equal(peer.standing, CCCC_PEER_UNKNOWN);
    }
    assert_int_equal(cccc_identify(NULL, &peer, &m), CCCC_E_PERMISSION_DENIED);
}

/* Another user is refused with a sentence that names both. */
static void another_uid_is_refused(void **state)
{
    (void)state;
    char other[64], wanted[64];
    snprintf(other, sizeof other, "localhost:%u:0:1", getuid() + 1);
    snprintf(wanted, sizeof wanted, "uid %u", getuid() + 1);
    struct cccc_peer peer;
    struct cccc_errmsg m = {""};
    assert_int_equal(cccc_identify(other, &peer, &m), CCCC_E_PERMISSION_DENIED);
    assert_int_equal(peer.standing, CCCC_PEER_UNKNOWN);
    assert_non_null(strstr(m.text, wanted));
}

/* A process that cannot be seen from here (another pid namespace) has pid 0: same user, but nobody. */
static void process_without_pid_is_nobody(void **state)
{
    (void)state;
    char address[64];
    snprintf(address, sizeof address, "localhost:%u:0:0", getuid());
    struct cccc_peer peer;
    assert_int_equal(cccc_identify(address, &peer, NULL), CCCC_OK);
    assert_int_equal(peer.standing, CCCC_PEER_UNKNOWN);
}

/* libzmq delivers the credentials on the body frame of an ipc message, also when a poll has prefetched the routing id (libzmq 4.3.4 loses
 * them on that one). */
static void body_frame_carries_the_credentials(void **state)
{
    (void)state;
    struct scratch_bus bus;
    scratch_bus_open(&bus);
    void *context, *client = scratch_client(&context, ZMQ_DEALER, bus.sockets.bus);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(zmq_send(client, "hello", 5, 0), 5);
        zmq_pollitem_t item = {.socket = bus.sockets.router, .events = ZMQ_POLLIN};
        assert_int_equal(zmq_poll(&item, 1, 10000), 1);
        zmq_msg_t routing_id, body;
        zmq_msg_init(&routing_id);
        zmq_msg_init(&body);
        assert_true(zmq_msg_recv(&routing_id, bus.sockets.router, 0) >= 0);
        assert_true(zmq_msg_recv(&body, bus.sockets.router, 0) >= 0);
        struct cccc_peer peer;
        struct cccc_errmsg m = {""};
        if (cccc_identify(zmq_msg_gets(&body, "Peer-Address"), &peer, &m) != CCCC_OK)
            fail_msg("%s", m.text);
        assert_int_equal(peer.standing, CCCC_PEER_OPERATOR);
        assert_int_equal(peer.pid, getpid());
        assert_true(zmq_msg_get(&body, ZMQ_SRCFD) > 2);
        zmq_msg_close(&routing_id);
        zmq_msg_close(&body);
    }
    scratch_client_close(&context, &client);
    scratch_bus_close(&bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_kernel_credentials_are_accepted),
        cmocka_unit_test(another_uid_is_refused),
        cmocka_unit_test(process_without_pid_is_nobody),
        cmocka_unit_test(body_frame_carries_the_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
