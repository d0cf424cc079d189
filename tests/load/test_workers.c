/* Worker processes: what is counted, what is measured, and that a failure is one. */
#include "clients/load/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STEP_US  1000
#define STALL_US 100000

/* One message each millisecond or so, acknowledged at once. */
static void steady(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    (void)arg;
    worker_ready(board);
    while (!board->stop) {
        uint64_t begun = worker_now_ns();
        worker_nap(STEP_US / 1e6);
        worker_answered(board, lane, begun, 1);
    }
}

/* Has everything the senders sent. */
static void attentive(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    (void)arg;
    worker_ready(board);
    while (board->sent_total == 0)
        worker_nap(0.001);
    lane->done = board->sent_total - 1;
}

/* Never has it. */
static void hopeless(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    (void)lane;
    (void)arg;
    worker_ready(board);
    while (!board->give_up)
        worker_nap(0.001);
}

static void dies(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    (void)lane;
    (void)arg;
    worker_ready(board);
    _exit(3);
}

static void refused(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    (void)arg;
    worker_ready(board);
    lane->failed++;
}

/* Twice: the first counts. */
static void says_why(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    (void)arg;
    worker_ready(board);
    worker_failed(board, lane, "busy", "the %s is full", "queue");
    worker_failed(board, lane, "internal", "and more of it");
}

static struct worker_plan plan_of(worker_fn sender, worker_fn follower)
{
    return (struct worker_plan){
        .sender = sender, .follower = follower, .senders = 2, .followers = 1, .warmup_s = 0.05, .seconds = 0.2, .drain_s = 0.1};
}

/* What was sent is what the senders acknowledged, the follower has it all, and latencies are at least as long as what was waited for. */
static void what_happened_is_counted(void **state)
{
    (void)state;
    struct worker_plan plan = plan_of(steady, attentive);
    struct worker_result result;
    plan.drain_s = 10;
    plan.disk_dir = "/tmp";
    assert_true(workers_run(&plan, &result));
    assert_true(result.sent > 0 && result.followed == result.sent);
    assert_true(result.per_second > 0 && result.per_second <= 2 * 1e6 / STEP_US);
    assert_true(result.ack.count > 0 && result.ack.count < result.sent);
    assert_true(result.ack.p50 >= STEP_US && result.ack.p99 >= result.ack.p50 && result.ack.p999 >= result.ack.p99);
    assert_true(result.ack.max * 129 / 128 >= result.ack.p999);
    assert_true(result.disk.count > 0 && result.disk.p50 > 0);
}

/* A request that was due before it could be sent counts from when it was due. */
static void stalled(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    (void)arg;
    worker_ready(board);
    while (worker_now_ns() < board->from_ns)
        worker_nap(0.001);
    uint64_t due = worker_now_ns();
    worker_nap(STALL_US / 1e6);
    worker_answered(board, lane, due, 1);
}

static void a_stall_shows_in_the_latency(void **state)
{
    (void)state;
    struct worker_plan plan = plan_of(stalled, attentive);
    struct worker_result result;
    plan.drain_s = 10;
    assert_true(workers_run(&plan, &result));
    assert_true(result.ack.max >= STALL_US);
}

/* A follower that does not get there is told to give up, and the result says what it lacks. */
static void a_follower_may_give_up(void **state)
{
    (void)state;
    struct worker_plan plan = plan_of(steady, hopeless);
    struct worker_result result;
    assert_true(workers_run(&plan, &result));
    assert_true(result.followed == 0 && result.sent > 0);
}

/* A worker that dies, or that was refused something, makes the run a failure. */
static void a_worker_that_fails_fails_the_run(void **state)
{
    (void)state;
    struct worker_result result;
    struct worker_plan plan = plan_of(dies, attentive);
    assert_false(workers_run(&plan, &result));
    plan = plan_of(refused, attentive);
    assert_false(workers_run(&plan, &result));
    assert_true(result.failed == 2);
}

/* The first reason is the run's, in the worker's words; that of a worker that just ends, and of a folder that is not there, is found out. It ends then,
 * however long it was to be. */
static void a_run_that_fails_says_why(void **state)
{
    (void)state;
    struct worker_result result;
    struct worker_plan plan = plan_of(says_why, attentive);
    plan.seconds = 3600;
    assert_false(workers_run(&plan, &result));
    assert_string_equal(result.failure.code, "busy");
    assert_string_equal(result.failure.text, "the queue is full");
    plan = plan_of(dies, attentive);
    assert_false(workers_run(&plan, &result));
    assert_string_equal(result.failure.text, "a process of the load ended with status 3");
    plan = plan_of(steady, attentive);
    plan.disk_dir = "/no/such/folder";
    assert_false(workers_run(&plan, &result));
    assert_string_equal(result.failure.code, "storage_failed");
    assert_non_null(strstr(result.failure.text, "/no/such/folder: No such file"));
    plan.disk_dir = NULL;
    plan.drain_s = 10;
    plan.message_bytes = 300;
    assert_true(workers_run(&plan, &result));
    assert_string_equal(result.failure.text, "");
    assert_true(result.bytes_per_second > 299 * result.per_second && result.bytes_per_second < 301 * result.per_second);
}

static bool at_once(void)
{
    return true;
}

/* A run that is cancelled ends its workers and is no result. */
static void a_cancelled_run_ends(void **state)
{
    (void)state;
    struct worker_plan plan = plan_of(steady, hopeless);
    struct worker_result result;
    plan.cancelled = at_once;
    plan.seconds = 3600;
    assert_false(workers_run(&plan, &result));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happened_is_counted),  cmocka_unit_test(a_stall_shows_in_the_latency),
        cmocka_unit_test(a_follower_may_give_up),    cmocka_unit_test(a_worker_that_fails_fails_the_run),
        cmocka_unit_test(a_run_that_fails_says_why), cmocka_unit_test(a_cancelled_run_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
