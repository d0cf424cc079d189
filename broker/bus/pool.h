/* pool.h - work that blocks: run by a small pool of threads, finished on the loop.
 *
 * A piece of work is an owned message: whoever puts it gives it away until its `finish` runs on the loop's thread. Nothing else is shared.
 * Order: a pool starts work in the order it was put; a pool of one thread also ends it in that order.
 * Threads: pool_put and outbox_take belong to the loop's thread; outbox_post to any. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded as the first member of what it belongs to. */
struct cccc_work {
    struct cccc_work *next;
    void (*run)(struct cccc_work *self);                /* on a pool's thread */
    void (*finish)(struct cccc_work *self, void *loop); /* on the loop's thread */
};

/* Finished work on its way back, and the descriptor that wakes the loop for it. */
struct cccc_outbox {
    _Atomic(struct cccc_work *) head; /* newest first */
    int fd;                           /* eventfd; readable while there may be something to take */
};

/* False when the system gives no eventfd (errno says why). */
bool cccc_outbox_init(struct cccc_outbox *self);
void cccc_outbox_fini(struct cccc_outbox *self);
void cccc_outbox_post(struct cccc_outbox *self, struct cccc_work *work);
/* Everything posted since the last take, oldest first; NULL when nothing. Leaves the descriptor alone. */
struct cccc_work *cccc_outbox_take(struct cccc_outbox *self);
/* Makes the descriptor quiet. Call before outbox_take, or a wake is lost. */
void cccc_outbox_rest(struct cccc_outbox *self);

enum { CCCC_POOL_THREADS_MAX = 16 };

typedef struct cccc_pool cccc_pool_t;

/* A pool named `name` (at most 15 characters, seen in ps) that starts with `start` threads and grows to `max` when work waits. */
cccc_pool_t *cccc_pool_new(const char *name, unsigned start, unsigned max, struct cccc_outbox *outbox);
/* Hand over work; it is posted to the outbox once it has run. */
void cccc_pool_put(cccc_pool_t *self, struct cccc_work *work);
/* Let running and queued work end and join the threads. Takes and nulls. Results are left in the outbox. */
void cccc_pool_destroy(cccc_pool_t **self);
