/* Work goes to other threads and comes back once, in order where order is promised. */
#include "tests/bus/cmocka_all.h"

#include "broker/bus/pool.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ITEMS = 2000 };

struct item {
    struct cccc_work work;
    unsigned number;
    pthread_barrier_t *meet; /* NULL: do not wait for others */
    atomic_uint ran;
    unsigned finished;
};

struct finished {
    unsigned count;
    unsigned numbers[ITEMS];
};

static void run_item(struct cccc_work *work)
{
    struct item *item = (struct item *)work;
    if (item->meet)
        pthread_barrier_wait(item->meet);
    atomic_fetch_add(&item->ran, 1);
}

static void finish_item(struct cccc_work *work, void *loop)
{
    struct item *item = (struct item *)work;
    struct finished *all = loop;
    item->finished++;
    all->numbers[all->count++] = item->number;
}

static void take_until(struct cccc_outbox *outbox, struct finished *all, unsigned count)
{
    while (all->count < count) {
        struct pollfd p = {.fd = outbox->fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1);
        cccc_outbox_rest(outbox);
        for (struct cccc_work *work = cccc_outbox_take(outbox), *next; work; work = next) {
            next = work->next;
            work->finish(work, all);
        }
    }
}

static struct item *make_items(unsigned count)
{
    struct item *items = calloc(count, sizeof *items);
    assert_non_null(items);
    for (unsigned i = 0; i < count; i++) {
        items[i].number = i;
        items[i].work.run = run_item;
        items[i].work.finish = finish_item;
    }
    return items;
}

/* A pool of one thread ends work in the order it was put: file operations of one group rely on it. */
static void one_thread_keeps_order(void **state)
{
    (void)state;
    struct cccc_outbox outbox;
    struct finished all = {0};
    assert_true(cccc_outbox_init(&outbox));
    cccc_pool_t *pool = cccc_pool_new("one", 1, 1, &outbox);
    struct item *items = make_items(ITEMS);
    for (unsigned i = 0; i < ITEMS; i++)
        cccc_pool_put(pool, &items[i].work);
    take_until(&outbox, &all, ITEMS);
    for (unsigned i = 0; i < ITEMS; i++)
        assert_int_equal(all.numbers[i], i);
    cccc_pool_destroy(&pool);
    assert_null(pool);
    free(items);
    cccc_outbox_fini(&outbox);
}

/* With many threads every piece of work runs and comes back exactly once. */
static void many_threads_finish_each_item_once(void **state)
{
    (void)state;
    struct cccc_outbox outbox;
    struct finished all = {0};
    assert_true(cccc_outbox_init(&outbox));
    cccc_pool_t *pool = cccc_pool_new("many", 2, 8, &outbox);
    struct item *items = make_items(ITEMS);
    for (unsigned i = 0; i < ITEMS; i++)
        cccc_pool_put(pool, &items[i].work);
    take_until(&outbox, &all, ITEMS);
    for (unsigned i = 0; i < ITEMS; i++) {
        assert_int_equal(atomic_load(&items[i].ran), 1);
        assert_int_equal(items[i].finished, 1);
    }
    assert_null(cccc_outbox_take(&outbox));
    cccc_pool_destroy(&pool);
    free(items);
    cccc_outbox_fini(&outbox);
}

/* A pool grows while work waits: four items that wait for each other end only if four threads run them. */
static void pool_grows_when_work_waits(void **state)
{
    (void)state;
    enum { TOGETHER = 4 };
    struct cccc_outbox outbox;
    struct finished all = {0};
    pthread_barrier_t meet;
    pthread_barrier_init(&meet, NULL, TOGETHER);
    assert_true(cccc_outbox_init(&outbox));
    cccc_pool_t *pool = cccc_pool_new("grow", 1, TOGETHER, &outbox);
    struct item *items = make_items(TOGETHER);
    for (unsigned i = 0; i < TOGETHER; i++) {
        items[i].meet = &meet;
        cccc_pool_put(pool, &items[i].work);
    }
    take_until(&outbox, &all, TOGETHER);
    cccc_pool_destroy(&pool);
    pthread_barrier_destroy(&meet);
    free(items);
    cccc_outbox_fini(&outbox);
}

/* Destroying a pool runs what is queued first: a commit that was handed over is not dropped at the end. */
static void destroy_runs_what_is_queued(void **state)
{
    (void)state;
    struct cccc_outbox outbox;
    assert_true(cccc_outbox_init(&outbox));
    cccc_pool_t *pool = cccc_pool_new("end", 1, 1, &outbox);
    struct item *items = make_items(100);
    for (unsigned i = 0; i < 100; i++)
        cccc_pool_put(pool, &items[i].work);
    cccc_pool_destroy(&pool);
    unsigned count = 0;
    for (struct cccc_work *work = cccc_outbox_take(&outbox); work; work = work->next)
        count++;
    assert_int_equal(count, 100);
    free(items);
    cccc_outbox_fini(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_keeps_order),
        cmocka_unit_test(many_threads_finish_each_item_once),
        cmocka_unit_test(pool_grows_when_work_waits),
        cmocka_unit_test(destroy_runs_what_is_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
