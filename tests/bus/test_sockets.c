/* The sockets are ours alone and configured for a broker that waits for nobody. */
#include "tests/bus/cmocka_all.h"

#include "tests/bus/scratch_bus.h"

#include <sys/stat.h>

static int option(void *socket, int name)
{
    int value = -1;
    size_t len = sizeof value;
    assert_int_equal(zmq_getsockopt(socket, name, &value, &len), 0);
    return value;
}

/* Every option that keeps a client from stopping or growing the broker is in force. */
static void options_are_those_of_a_broker(void **state)
{
    (void)state;
    struct scratch_bus bus;
    scratch_bus_open(&bus);
    int64_t max = 0;
    size_t len = sizeof max;
    assert_int_equal(zmq_getsockopt(bus.sockets.router, ZMQ_MAXMSGSIZE, &max, &len), 0);
    assert_int_equal(max, CCCC_FRAME_BYTES_MAX);
    assert_int_equal(option(bus.sockets.router, ZMQ_RCVHWM), CCCC_ROUTER_RECEIVE_HWM);
    assert_int_equal(option(bus.sockets.router, ZMQ_SNDHWM), CCCC_ROUTER_SEND_HWM);
    assert_int_equal(option(bus.sockets.router, ZMQ_SNDTIMEO), 0);
    assert_int_equal(option(bus.sockets.router, ZMQ_LINGER), 400);
    assert_int_equal(option(bus.sockets.router, ZMQ_HANDSHAKE_IVL), 3000);
    assert_int_equal(option(bus.sockets.router, ZMQ_BACKLOG), 1024);
    assert_int_equal(option(bus.sockets.xpub, ZMQ_SNDHWM), CCCC_XPUB_SEND_HWM);
    assert_int_equal(option(bus.sockets.xpub, ZMQ_LINGER), 0);
    /* MANDATORY cannot be read back; its effect can: nobody is there. */
    assert_int_equal(zmq_send(bus.sockets.router, "nobody", 6, ZMQ_DONTWAIT | ZMQ_SNDMORE), -1);
    assert_int_equal(errno, EHOSTUNREACH);
    scratch_bus_close(&bus);
}

/* The files are 0600 whatever the umask was. */
static void socket_files_are_private(void **state)
{
    (void)state;
    struct scratch_bus bus;
    mode_t mask = umask(0);
    scratch_bus_open(&bus);
    umask(mask);
    struct stat st;
    assert_int_equal(stat(bus.sockets.bus + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(bus.sockets.events + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    scratch_bus_close(&bus);
}

/* A directory of ours that others may enter, as CCCC 0.4.0 leaves it, is closed to them. */
static void open_directory_is_closed(void **state)
{
    (void)state;
    struct scratch_bus bus = {0};
    struct cccc_errmsg m = {""};
    struct stat st;
    snprintf(bus.home.sock_dir, sizeof bus.home.sock_dir, "/tmp/cccc-bus-XXXXXX");
    assert_non_null(mkdtemp(bus.home.sock_dir));
    assert_int_equal(chmod(bus.home.sock_dir, 0755), 0);
    cccc_zmq_start();
    assert_int_equal(cccc_sockets_open(&bus.sockets, &bus.home, &m), CCCC_OK);
    assert_int_equal(stat(bus.home.sock_dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    scratch_bus_close(&bus);
}

/* A frame over the limit closes its connection and reaches nobody; others go on. */
static void oversized_frame_closes_its_connection(void **state)
{
    (void)state;
    struct scratch_bus bus;
    scratch_bus_open(&bus);
    void *context, *other_context;
    void *client = scratch_client(&context, ZMQ_DEALER, bus.sockets.bus);
    void *other = scratch_client(&other_context, ZMQ_DEALER, bus.sockets.bus);
    char *big = calloc(1, CCCC_FRAME_BYTES_MAX + 1);
    assert_non_null(big);
    zmq_send(client, big, CCCC_FRAME_BYTES_MAX + 1, 0);
    zmq_send(other, "small", 5, 0);
    zmq_pollitem_t item = {.socket = bus.sockets.router, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, 10000), 1);
    char routing_id[256], body[16];
    assert_true(zmq_recv(bus.sockets.router, routing_id, sizeof routing_id, 0) > 0);
    assert_int_equal(zmq_recv(bus.sockets.router, body, sizeof body, 0), 5);
    free(big);
    scratch_client_close(&context, &client);
    scratch_client_close(&other_context, &other);
    scratch_bus_close(&bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_those_of_a_broker),
        cmocka_unit_test(socket_files_are_private),
        cmocka_unit_test(open_directory_is_closed),
        cmocka_unit_test(oversized_frame_closes_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
