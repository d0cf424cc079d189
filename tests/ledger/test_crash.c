/* test_crash.c - a ledger survives any stop at any call, and any disk error at any call, without losing or inventing a line.
 *
 * usage: test_ledger_crash [--seed N] [--histories N] */
#include "tests/ledger/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct world_arguments arguments;

/* ---- every n-th call ---- */

/* Commit all there is; a full disk is tried once more with another line. False when the ledger must be opened again. */
static bool commit_patiently(struct world *w)
{
    struct cccc_commit result;
    bool again = true;
    while (world_commit(w, &result)) {
        if (result.err != CCCC_OK && (result.err != CCCC_E_NO_SPACE || !again))
            return false;
        if (result.err != CCCC_OK) {
            again = false;
            world_append(w, 1, 100);
        }
    }
    return true;
}

/* A small life: a new group, batches of one line, of many and of large ones, marks. Ends early when anything fails. */
static void live(struct world *w)
{
    if (!w->ledger && world_open(w) != CCCC_OK)
        return;
    for (unsigned round = 0; round < 4; round++) {
        world_append(w, round == 1 ? 12 : 1, round == 2 ? 9000 : 300);
        if (!commit_patiently(w))
            return;
        if (round % 2 == 0)
            world_mark(w);
    }
}

typedef void (*scenario_fn)(struct world *w);

struct loop {
    const char *name;
    scenario_fn prepare; /* without faults; may be NULL */
    scenario_fn act;     /* with them */
};

/* Run `loop` with `fault` at its 1st, 2nd, 3rd, ... call until one run needs no fault. `loss` NULL: after the fault the process is killed. */
static void at_every_call(const struct loop *loop, const struct simdisk_fault *fault, const enum simdisk_loss *loss)
{
    for (uint64_t n = 1;; n++) {
        for (uint64_t variant = 0; variant < 3; variant++) {
            struct world w;
            world_init(&w, arguments.seed * 1000003 + n * 3 + variant);
            if (loop->prepare)
                loop->prepare(&w);
            struct simdisk_fault this = *fault;
            this.at = n;
            simdisk_arm(w.disk, &this);
            loop->act(&w);
            bool fired = simdisk_fired(w.disk);
            if (loss || simdisk_is_down(w.disk))
                world_die(&w, loss);
            else
                world_close(&w);
            world_recover(&w);
            world_fini(&w);
            if (!fired)
                return;
        }
        assert_true(n < 1000);
    }
}

static void open_only(struct world *w)
{
    if (world_open(w) == CCCC_OK)
        world_mark(w);
}

/* Acknowledged lines, a mark below them, and a torn tail behind them. */
static void leave_torn_tail(struct world *w)
{
    live(w);
    world_append(w, 30, 700);
    simdisk_arm(w->disk, &(struct simdisk_fault){.kind = SIMDISK_CRASH, .at = 2});
    struct cccc_commit result;
    world_commit(w, &result);
    world_die(w, &(enum simdisk_loss){SIMDISK_DICE});
}

static const struct loop loops[] = {
    {"create, append, commit, mark", NULL, live},
    {"recovery of a torn tail", leave_torn_tail, open_only},
};

static const enum simdisk_loss lose_all = SIMDISK_LOSE_ALL, keep_all = SIMDISK_KEEP_ALL, dice = SIMDISK_DICE;

static void all_loops(const struct simdisk_fault *fault, const enum simdisk_loss *loss)
{
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++)
        at_every_call(&loops[i], fault, loss);
}

/* kill -9 at any call: what was acknowledged is there, the rest is a prefix, and recovering again changes nothing. */
static void a_kill_at_any_call_loses_nothing(void **state)
{
    (void)state;
    all_loops(&(struct simdisk_fault){.kind = SIMDISK_CRASH}, NULL);
}

/* The same for the power going: with everything unsynced lost, kept, torn and reordered. */
static void a_power_cut_at_any_call_loses_nothing(void **state)
{
    (void)state;
    const struct simdisk_fault crash = {.kind = SIMDISK_CRASH};
    all_loops(&crash, &lose_all);
    all_loops(&crash, &keep_all);
    all_loops(&crash, &dice);
}

/* An error at any call, once or from then on: no false acknowledgement, and "not stored" means not stored. */
static void an_error_at_any_call_is_never_a_false_answer(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EDQUOT};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            struct simdisk_fault fail = {.kind = SIMDISK_FAIL, .error = errors[i], .for_ever = for_ever};
            all_loops(&fail, NULL);
            all_loops(&fail, &lose_all);
            all_loops(&fail, &dice);
        }
    }
}

/* Transfers that move only a part are finished by the caller. */
static void short_transfers_change_nothing(void **state)
{
    (void)state;
    all_loops(&(struct simdisk_fault){.kind = SIMDISK_SHORT}, NULL);
    struct world w;
    world_init(&w, arguments.seed);
    simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_SHORT, .at = 1, .for_ever = true});
    live(&w);
    assert_int_equal(cccc_ledger_durable(w.ledger), 15);
    world_close(&w);
    world_recover(&w);
    world_fini(&w);
}

/* ---- random histories ---- */

static void random_fault(struct world *w)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT, EROFS};
    struct simdisk_fault fault = {
        .kind = (enum simdisk_fault_kind)simdisk_roll(w->disk, 3),
        .at = 1 + simdisk_roll(w->disk, 24),
        .error = errors[simdisk_roll(w->disk, 4)],
        .for_ever = simdisk_roll(w->disk, 8) == 0,
    };
    simdisk_arm(w->disk, &fault);
}

static void random_death(struct world *w)
{
    static const enum simdisk_loss losses[] = {SIMDISK_LOSE_ALL, SIMDISK_KEEP_ALL, SIMDISK_DICE, SIMDISK_DICE};
    uint64_t how = simdisk_roll(w->disk, 6);
    world_die(w, how < 4 ? &losses[how] : NULL);
}

/* Some work; false when the ledger must be opened again. */
static bool random_work(struct world *w)
{
    struct cccc_commit result;
    switch (simdisk_roll(w->disk, 8)) {
    case 0:
        world_mark(w);
        return true;
    case 1:
        world_close(w);
        return false;
    case 2:
        world_seal(w, simdisk_roll(w->disk, 8));
        return w->maybe.size == 0 && cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK;
    default:
        world_append(w, 1 + (unsigned)simdisk_roll(w->disk, 6), simdisk_roll(w->disk, 6) ? 250 : 5000);
        world_commit(w, &result);
        return result.err == CCCC_OK || result.err == CCCC_E_NO_SPACE;
    }
}

/* One life: work under a fault until it strikes or luck runs out, then die or fail, then open, perhaps again under a fault. */
static void random_life(struct world *w)
{
    if (simdisk_roll(w->disk, 4))
        random_fault(w);
    if (!w->ledger && world_open(w) != CCCC_OK) {
        if (simdisk_is_down(w->disk))
            random_death(w);
        return;
    }
    unsigned steps = 1 + (unsigned)simdisk_roll(w->disk, 8);
    bool going = cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK;
    if (going)
        world_check_file(w);
    while (going && steps-- > 0 && !simdisk_is_down(w->disk))
        going = random_work(w);
    if (simdisk_is_down(w->disk) || simdisk_roll(w->disk, 2))
        random_death(w);
    else
        world_close(w);
}

/* Some groups begin with a ledger of CCCC 0.4.0 whose last line lacks its newline. */
static void begin_old(struct world *w)
{
    static const char old[] =
        "{\"v\": 1, \"id\": \"a\", \"ts\": \"2026-11-23T16:15:06Z\", \"kind\": \"chat.ack\", \"by\": \"user\", \"data\": {}}\n"
        "{\"v\": 1, \"id\": \"b\", \"ts\": \"2026-11-23T16:15:07Z\", \"kind\": \"chat.ack\", \"by\": \"user\", \"data\": {}}";
    if (cccc_vfs_make_dirs(w->vfs, WORLD_GROUP) < 0)
        fail();
    simdisk_poke(w->disk, WORLD_LEDGER, old, sizeof old - 1);
    cccc_buf_put(&w->acked, old, sizeof old - 1);
}

/* Any history of work, faults, deaths and recoveries keeps every acknowledged line and invents none. */
static void random_histories_keep_every_acknowledged_line(void **state)
{
    (void)state;
    printf("seed %llu, %llu histories\n", (unsigned long long)arguments.seed, (unsigned long long)arguments.histories);
    for (uint64_t i = 0; i < arguments.histories; i++) {
        struct world w;
        world_init(&w, arguments.seed + i);
        if (simdisk_roll(w.disk, 8) == 0)
            begin_old(&w);
        unsigned lives = 1 + (unsigned)simdisk_roll(w.disk, 4);
        for (unsigned life = 0; life < lives; life++) {
            random_life(&w);
            if (simdisk_roll(w.disk, 2))
                world_recover(&w);
        }
        if (w.ledger)
            world_close(&w);
        world_recover(&w);
        world_fini(&w);
    }
}

int main(int argc, char **argv)
{
    arguments = world_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_at_any_call_loses_nothing),
        cmocka_unit_test(a_power_cut_at_any_call_loses_nothing),
        cmocka_unit_test(an_error_at_any_call_is_never_a_false_answer),
        cmocka_unit_test(short_transfers_change_nothing),
        cmocka_unit_test(random_histories_keep_every_acknowledged_line),
    };
    return cmocka_run_group_tests_name("ledger crash", tests, NULL, NULL);
}
