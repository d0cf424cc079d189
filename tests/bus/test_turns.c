/* Connections share the core: what one asks beyond its share waits for its turn, in order, and nobody else waits for it. */
#include "tests/bus/cmocka_all.h"

#include "broker/bus/peers.h"

#include <stdlib.h>
#include <unistd.h>

/* As turns.c has them. */
enum { SHARE_MIN = 128, SETTLE_US = 50000 };

struct fixture {
    cccc_peers_t *peers;
    uint64_t now_us;
    char address[64];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->peers = cccc_peers_new(NULL);
    f->now_us = 1;
    snprintf(f->address, sizeof f->address, "localhost:%u:%u:%d", getuid(), getgid(), getpid());
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cccc_peers_destroy(&f->peers);
    free(f);
    return 0;
}

/* A request of `size` bytes that begins with `number`, of the connection named `name`. */
static enum cccc_admission ask(struct fixture *f, char name, unsigned number, size_t size, uint64_t *conn)
{
    struct cccc_peer_ref ref;
    struct cccc_errmsg m;
    zmq_msg_t body;
    assert_int_equal(cccc_peers_find(f->peers, &name, 1, false, f->address, f->now_us, &ref, &m), CCCC_OK);
    if (conn)
        *conn = ref.conn;
    zmq_msg_init_size(&body, size);
    memset(zmq_msg_data(&body), 0, size);
    memcpy(zmq_msg_data(&body), &number, sizeof number);
    enum cccc_admission admission = cccc_peers_admit(f->peers, ref.conn, &body);
    zmq_msg_close(&body);
    return admission;
}

/* How many of `count` requests with the numbers from `first` enter at once. */
static unsigned entering(struct fixture *f, char name, unsigned first, unsigned count, uint64_t *conn)
{
    unsigned entered = 0;
    for (unsigned i = 0; i < count; i++)
        entered += ask(f, name, first + i, 100, conn) == CCCC_ENTERS;
    return entered;
}

static void answer(struct fixture *f, uint64_t conn)
{
    cccc_peers_reply(f->peers, conn, cccc_bytes_new("", 0), true);
}

/* The number of the next request whose turn it is; 0 when there is none. */
static unsigned next_turn(struct fixture *f, uint64_t *conn)
{
    struct cccc_peer_ref ref;
    zmq_msg_t body;
    unsigned number = 0;
    zmq_msg_init(&body);
    bool due = cccc_peers_turn_is_due(f->peers);
    assert_int_equal(cccc_peers_next_turn(f->peers, &ref, &body), due);
    if (due) {
        memcpy(&number, zmq_msg_data(&body), sizeof number);
        *conn = ref.conn;
    }
    zmq_msg_close(&body);
    return number;
}

/* Nobody else asks: nothing waits. */
static void alone_everything_enters(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(entering(f, 'a', 1, 2000, NULL), 2000);
    f->now_us += SETTLE_US;
    assert_int_equal(entering(f, 'a', 2001, 2000, NULL), 2000);
}

/* Beside others that have 100 open each, one that floods gets twice that, in order, and one more for each of its answers; they get what they ask for. */
static void one_that_floods_waits_for_its_turn_and_nobody_else_does(void **state)
{
    struct fixture *f = *state;
    uint64_t flood, conn;
    for (char name = 'a'; name <= 'g'; name++)
        assert_int_equal(entering(f, name, 1, 100, NULL), 100);
    assert_int_equal(entering(f, 'z', 1, SHARE_MIN, &flood), SHARE_MIN);
    f->now_us += SETTLE_US;
    assert_int_equal(entering(f, 'z', SHARE_MIN + 1, 1000, &flood), 200 - SHARE_MIN);
    assert_int_equal(next_turn(f, &conn), 0);
    assert_int_equal(entering(f, 'a', 1, 20, NULL), 20);
    for (unsigned number = 201; number <= SHARE_MIN + 1000; number++) {
        answer(f, flood);
        assert_int_equal(next_turn(f, &conn), number);
        assert_int_equal(conn, flood);
        assert_int_equal(next_turn(f, &conn), 0);
    }
    answer(f, flood);
    assert_int_equal(ask(f, 'z', 1, 100, NULL), CCCC_ENTERS);
}

/* What comes later never overtakes what waits. */
static void a_later_request_does_not_overtake(void **state)
{
    struct fixture *f = *state;
    uint64_t flood, conn;
    assert_int_equal(entering(f, 'a', 1, 1, NULL), 1);
    assert_int_equal(entering(f, 'z', 1, SHARE_MIN, &flood), SHARE_MIN);
    f->now_us += SETTLE_US;
    assert_int_equal(ask(f, 'z', 7, 100, NULL), CCCC_KEPT);
    answer(f, flood);
    assert_int_equal(ask(f, 'z', 8, 100, NULL), CCCC_KEPT);
    assert_int_equal(next_turn(f, &conn), 7);
    assert_int_equal(next_turn(f, &conn), 0);
    answer(f, flood);
    assert_int_equal(next_turn(f, &conn), 8);
}

/* Two that flood get as much as each other. */
static void those_that_wait_take_turns(void **state)
{
    struct fixture *f = *state;
    uint64_t conns[2], conn;
    entering(f, 'a', 1, 10, NULL);
    for (int i = 0; i < 2; i++)
        entering(f, (char)('y' + i), 1, SHARE_MIN, &conns[i]);
    f->now_us += SETTLE_US;
    for (int i = 0; i < 2; i++)
        entering(f, (char)('y' + i), 1, 500, &conns[i]);
    for (int i = 0; i < SHARE_MIN; i++)
        for (int k = 0; k < 2; k++)
            answer(f, conns[k]);
    unsigned taken[2] = {0};
    for (unsigned i = 0; i < 100; i++) {
        assert_int_not_equal(next_turn(f, &conn), 0);
        taken[conn == conns[1]]++;
    }
    assert_int_equal(taken[0], 50);
    assert_int_equal(taken[1], 50);
}

/* What is kept is bounded in number and in bytes; beyond, a request is refused and not kept. */
static void what_is_kept_is_bounded(void **state)
{
    struct fixture *f = *state;
    entering(f, 'a', 1, 1, NULL);
    entering(f, 'z', 1, SHARE_MIN, NULL);
    f->now_us += SETTLE_US;
    for (size_t bytes = 0; bytes + 1000000 <= CCCC_KEPT_REQUEST_BYTES_MAX; bytes += 1000000)
        assert_int_equal(ask(f, 'z', 1, 1000000, NULL), CCCC_KEPT);
    assert_int_equal(ask(f, 'z', 1, 1000000, NULL), CCCC_REFUSED);
    unsigned open = SHARE_MIN + CCCC_KEPT_REQUEST_BYTES_MAX / 1000000;
    for (; open < CCCC_OPEN_REQUESTS_MAX; open++)
        assert_int_equal(ask(f, 'z', 1, 8, NULL), CCCC_KEPT);
    assert_int_equal(ask(f, 'z', 1, 8, NULL), CCCC_REFUSED);
    assert_int_equal(ask(f, 'a', 1, 100, NULL), CCCC_ENTERS);
}

/* One that goes on although it is refused is disconnected: what it asked for is dropped, its conn is gone, what it still says is not taken for a while, and then it may come
 * back. The others do not notice. */
static void one_that_goes_on_is_shed(void **state)
{
    struct fixture *f = *state;
    uint64_t flood, again, gone;
    entering(f, 'a', 1, 1, NULL);
    for (unsigned i = 0; i < CCCC_OPEN_REQUESTS_MAX; i++)
        assert_int_not_equal(ask(f, 'z', i, 8, &flood), CCCC_REFUSED);
    for (unsigned i = 0; i < CCCC_OPEN_REQUESTS_MAX; i++)
        assert_int_equal(ask(f, 'z', i, 8, NULL), CCCC_REFUSED);
    assert_int_equal(ask(f, 'z', 1, 8, NULL), CCCC_SHED);
    bool reported = false;
    while (cccc_peers_next_gone(f->peers, &gone))
        reported |= gone == flood;
    assert_true(reported);
    assert_false(cccc_peers_turn_is_due(f->peers));
    answer(f, flood);
    assert_int_equal(cccc_peers_counters(f->peers)->lost_replies, 1);
    assert_int_equal(ask(f, 'z', 1, 8, NULL), CCCC_SHED);
    assert_int_equal(ask(f, 'a', 2, 8, NULL), CCCC_ENTERS);
    f->now_us += CCCC_FLOOD_KEPT_OUT_S * 1000000;
    assert_int_equal(ask(f, 'z', 1, 8, &again), CCCC_ENTERS);
    assert_int_not_equal(again, flood);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(alone_everything_enters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_floods_waits_for_its_turn_and_nobody_else_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_later_request_does_not_overtake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_that_wait_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_kept_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_goes_on_is_shed, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
