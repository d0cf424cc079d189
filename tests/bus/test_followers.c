/* The bytes lent to followers: bounded, given back, and not held by one that stands still. */
#include "broker/bus/accept_guard.h"
#include "broker/bus/followers.h"
#include "broker/bus/log.h"
#include "tests/bus/cmocka_all.h"
#include "tests/bus/scratch_bus.h"

/* The followers' clock is the test's: it stands still until the reader has everything, so that no load on the machine makes it look stuck. */
enum { EVENT_BYTES = 32 * 1024, LOOK_US = 20000, TURNS_MAX = 10000000 };

struct stage {
    struct scratch_bus bus;
    struct cccc_followers followers;
    void *context, *reader;      /* takes what comes */
    void *still_context, *still; /* takes nothing */
    uint64_t sent, read, now_us;
};

/* A SUB that stands still once its own queue is full, like a stopped process. */
static void *subscriber(void **context, const char *endpoint, int receive_hwm)
{
    int none = 0;
    *context = zmq_ctx_new();
    void *socket = zmq_socket(*context, ZMQ_SUB);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &receive_hwm, sizeof receive_hwm);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "e/", 2);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

static void wait_for_subscription(struct stage *s)
{
    zmq_pollitem_t item = {.socket = s->bus.sockets.xpub, .events = ZMQ_POLLIN};
    char bytes[64];
    assert_int_equal(zmq_poll(&item, 1, 20000), 1);
    assert_true(zmq_recv(s->bus.sockets.xpub, bytes, sizeof bytes, 0) > 0);
}

static void open_stage(struct stage *s)
{
    *s = (struct stage){.now_us = LOOK_US};
    cccc_accept_guard_init();
    cccc_log_set_level(LOG_ERR);
    scratch_bus_open(&s->bus);
    int verbose = 1;
    zmq_setsockopt(s->bus.sockets.xpub, ZMQ_XPUB_VERBOSE, &verbose, sizeof verbose);
    cccc_followers_init(&s->followers, s->bus.sockets.events);
    s->reader = subscriber(&s->context, s->bus.sockets.events, 0);
    wait_for_subscription(s);
}

static void close_stage(struct stage *s)
{
    scratch_client_close(&s->context, &s->reader);
    if (s->still)
        scratch_client_close(&s->still_context, &s->still);
    scratch_bus_close(&s->bus);
    assert_int_equal(cccc_followers_lent(&s->followers), 0);
    cccc_followers_fini(&s->followers);
}

/* One turn of a loop that publishes without pause: what is lent never exceeds the bound. */
static void publish(struct stage *s)
{
    static const char zeros[EVENT_BYTES];
    zmq_msg_t body;
    cccc_bytes_t *bytes = cccc_bytes_new(zeros, sizeof zeros);
    cccc_followers_tend(&s->followers, s->now_us);
    if (cccc_followers_lend(&s->followers, bytes, &body)) {
        zmq_send(s->bus.sockets.xpub, "e/", 2, ZMQ_SNDMORE | ZMQ_DONTWAIT);
        assert_true(zmq_msg_send(&body, s->bus.sockets.xpub, ZMQ_DONTWAIT) >= 0);
        s->sent++;
    }
    cccc_bytes_release(bytes);
    assert_in_range(cccc_followers_lent(&s->followers), 0, CCCC_PUBLICATION_BYTES_MAX);
    zmq_pollitem_t item = {.socket = s->bus.sockets.xpub, .events = ZMQ_POLLIN};
    zmq_poll(&item, 1, 0); /* libzmq ends connections while its sockets are used */
}

/* Read what is there; with the last of it, time goes on. */
static void read_all(struct stage *s)
{
    char topic[8];
    while (zmq_recv(s->reader, topic, sizeof topic, ZMQ_DONTWAIT) >= 0) {
        assert_int_equal(zmq_recv(s->reader, NULL, 0, 0), EVENT_BYTES);
        s->read++;
    }
    if (s->read == s->sent)
        s->now_us += LOOK_US;
}

/* A follower that stands still is disconnected, one that reads is not: it goes on hearing what is published. */
static void who_stands_still_is_disconnected_and_nobody_else(void **state)
{
    (void)state;
    struct stage s;
    open_stage(&s);
    s.still = subscriber(&s.still_context, s.bus.sockets.events, 1);
    wait_for_subscription(&s);
    /* It would connect again, and stand still again; the test looks at one life. */
    for (int turn = 0; s.followers.dropped == 0 && turn < TURNS_MAX; turn++) {
        publish(&s);
        read_all(&s);
    }
    assert_int_equal(s.followers.dropped, 1);
    scratch_client_close(&s.still_context, &s.still);
    uint64_t before = s.sent;
    for (int turn = 0; s.sent < before + 100 && turn < TURNS_MAX; turn++) {
        publish(&s);
        read_all(&s);
    }
    assert_int_equal(s.sent, before + 100);
    for (zmq_pollitem_t item = {.socket = s.reader, .events = ZMQ_POLLIN}; s.read < s.sent && zmq_poll(&item, 1, 20000) == 1;)
        read_all(&s);
    assert_int_equal(s.read, s.sent);
    assert_int_equal(s.followers.dropped, 1);
    close_stage(&s);
}

/* While too much is lent nothing more is taken, and publishing begins again once it has come back. */
static void events_are_withheld_until_what_is_lent_comes_back(void **state)
{
    (void)state;
    struct stage s;
    open_stage(&s);
    zmq_msg_t held[CCCC_PUBLICATION_BYTES_MAX / EVENT_BYTES], refused;
    static const char zeros[EVENT_BYTES];
    cccc_bytes_t *bytes = cccc_bytes_new(zeros, sizeof zeros);
    size_t count = 0;
    while (cccc_followers_lend(&s.followers, bytes, &held[count]))
        count++;
    assert_in_range(count, 100, sizeof held / sizeof *held);
    cccc_followers_tend(&s.followers, s.now_us);
    assert_false(cccc_followers_lend(&s.followers, bytes, &refused));
    assert_true(cccc_followers_next_look_us(&s.followers) < UINT64_MAX);
    while (count > 0)
        zmq_msg_close(&held[--count]);
    cccc_followers_tend(&s.followers, s.now_us);
    assert_true(cccc_followers_lend(&s.followers, bytes, &held[0]));
    zmq_msg_close(&held[0]);
    cccc_bytes_release(bytes);
    assert_int_equal(s.followers.dropped, 0);
    close_stage(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_stands_still_is_disconnected_and_nobody_else),
        cmocka_unit_test(events_are_withheld_until_what_is_lent_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
