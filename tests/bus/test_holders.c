/* Who is above a process: living holders by pid and start time, and nothing else. With real processes. */
#include "broker/bus/holders.h"

#include "broker/store/processes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A chain of processes that wait: each the child of the one before, the first a child of ours. */
struct chain {
    pid_t pids[3];
    int hold; /* they end when this is closed */
};

/* Each process of the chain makes the next one, says who it is, and waits. */
static _Noreturn void be_chain(int report, int hold)
{
    char c;
    for (int left = 2; left > 0 && fork() == 0; left--)
        continue;
    pid_t self = getpid();
    ssize_t written = write(report, &self, sizeof self);
    while (written == sizeof self && read(hold, &c, 1) > 0)
        continue;
    _exit(0);
}

static void chain_start(struct chain *chain)
{
    int report[2], hold[2];
    assert_int_equal(pipe(report), 0);
    assert_int_equal(pipe(hold), 0);
    if (fork() == 0) {
        close(hold[1]);
        be_chain(report[1], hold[0]);
    }
    for (int i = 0; i < 3; i++) {
        pid_t pid, parent;
        uint64_t started;
        assert_int_equal(read(report[0], &pid, sizeof pid), sizeof pid);
        int depth = 0; /* they say so in any order */
        for (pid_t at = pid; cccc_process_parent(at, &started, &parent) && parent != getpid(); at = parent)
            depth++;
        chain->pids[depth] = pid;
    }
    close(report[0]);
    close(report[1]);
    close(hold[0]);
    chain->hold = hold[1];
}

static void chain_end(struct chain *chain)
{
    close(chain->hold);
    while (waitpid(chain->pids[0], NULL, 0) < 0)
        continue;
}

static struct cccc_peer placed(struct cccc_holders *holders, pid_t pid)
{
    struct cccc_peer peer = {.standing = CCCC_PEER_OPERATOR, .uid = getuid(), .pid = pid};
    cccc_holders_place(holders, "/no/such/home", &peer);
    return peer;
}

static void hold_from(struct cccc_holders *holders, pid_t pid, uint64_t later)
{
    uint64_t started;
    assert_true(cccc_process_started(pid, &started));
    cccc_holders_add(holders, (cccc_slot_t){0}, CCCC_STR("g_1"), CCCC_STR("lead"), 7, pid, started + later);
}

/* The holder's own process is the holder, whatever is below it the actor, whatever is not the operator. */
static void what_is_below_a_holder_is_its_actor(void **state)
{
    (void)state;
    struct cccc_holders holders = {0};
    struct chain chain = {0};
    assert_true(cccc_holders_init(&holders));
    chain_start(&chain);
    hold_from(&holders, chain.pids[1], 0);
    assert_int_equal(placed(&holders, chain.pids[0]).standing, CCCC_PEER_OPERATOR);
    assert_int_equal(placed(&holders, chain.pids[1]).standing, CCCC_PEER_HOLDER);
    struct cccc_peer below = placed(&holders, chain.pids[2]);
    assert_int_equal(below.standing, CCCC_PEER_ACTOR);
    assert_true(cccc_str_is(below.actor_id, "lead"));
    assert_int_equal(below.generation, 7);
    assert_int_equal(placed(&holders, getpid()).standing, CCCC_PEER_OPERATOR);
    chain_end(&chain);
    cccc_holders_fini(&holders);
}

/* A process id of a holder that is now another's: the start time differs, so what is below that one is no actor. */
static void a_stale_process_id_makes_nobody_an_actor(void **state)
{
    (void)state;
    struct cccc_holders holders = {0};
    struct chain chain = {0};
    assert_true(cccc_holders_init(&holders));
    chain_start(&chain);
    hold_from(&holders, chain.pids[1], 1);
    assert_int_equal(placed(&holders, chain.pids[1]).standing, CCCC_PEER_OPERATOR);
    assert_int_equal(placed(&holders, chain.pids[2]).standing, CCCC_PEER_OPERATOR);
    struct cccc_holder *ended = cccc_holders_take_ended(&holders);
    assert_non_null(ended);
    assert_int_equal(ended->generation, 7);
    free(ended);
    chain_end(&chain);
    cccc_holders_fini(&holders);
}

/* A process that is gone, or has ended and waits to be collected, is nobody, with holders or without. */
static void a_process_that_is_gone_is_nobody(void **state)
{
    (void)state;
    struct cccc_holders holders = {0};
    assert_true(cccc_holders_init(&holders));
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)gone, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(placed(&holders, gone).standing, CCCC_PEER_UNKNOWN);
    assert_int_equal(waitpid(gone, NULL, 0), gone);
    assert_int_equal(placed(&holders, gone).standing, CCCC_PEER_UNKNOWN);
    cccc_holders_fini(&holders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_below_a_holder_is_its_actor),
        cmocka_unit_test(a_stale_process_id_makes_nobody_an_actor),
        cmocka_unit_test(a_process_that_is_gone_is_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
