/* pool.c - threads that run what would block the loop.
 *
 * Work goes in through a queue under a mutex and comes out through a lock-free stack: posting is one compare-and-swap, and only the post that
 * finds the stack empty has to wake the loop, so a busy loop is not woken once per batch. */
#include "broker/bus/pool.h"

#include "proto/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Commits and reads use paths and small buffers on the stack, not more; idle threads then cost a few pages each. */
enum { STACK_BYTES = 512 * 1024 };

bool cccc_outbox_init(struct cccc_outbox *self)
{
    atomic_init(&self->head, NULL);
    self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return self->fd >= 0;
}

void cccc_outbox_fini(struct cccc_outbox *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

void cccc_outbox_post(struct cccc_outbox *self, struct cccc_work *work)
{
    struct cccc_work *head = atomic_load_explicit(&self->head, memory_order_relaxed);
    do
        work->next = head;
    while (!atomic_compare_exchange_weak_explicit(&self->head, &head, work, memory_order_release, memory_order_relaxed));
    if (head)
        return;
    uint64_t one = 1;
    ssize_t n = write(self->fd, &one, sizeof one);
    CCCC_ASSERT(n == sizeof one || errno == EAGAIN, "eventfd: %s", strerror(errno));
}

struct cccc_work *cccc_outbox_take(struct cccc_outbox *self)
{
    struct cccc_work *newest = atomic_exchange_explicit(&self->head, NULL, memory_order_acquire);
    struct cccc_work *oldest = NULL;
    while (newest) {
        struct cccc_work *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void cccc_outbox_rest(struct cccc_outbox *self)
{
    uint64_t wakes;
    ssize_t n = read(self->fd, &wakes, sizeof wakes);
    (void)n; /* EAGAIN: it was quiet already */
}

struct cccc_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct cccc_work *first, **end; /* under lock, as all below */
    unsigned queued, idle, started, max;
    bool closing;
    char name[16];
    struct cccc_outbox *outbox;
    pthread_t threads[CCCC_POOL_THREADS_MAX];
};

/* Called with the lock held; the next piece of work, or NULL when the pool closes and nothing is left. */
static struct cccc_work *next_work(cccc_pool_t *self)
{
    while (!self->first && !self->closing) {
        self->idle++;
        pthread_cond_wait(&self->wake, &self->lock);
        self->idle--;
    }
    struct cccc_work *work = self->first;
    if (!work)
        return NULL;
    self->first = work->next;
    if (!self->first)
        self->end = &self->first;
    self->queued--;
    return work;
}

static void *run_pool_thread(void *arg)
{
    cccc_pool_t *self = arg;
    pthread_setname_np(pthread_self(), self->name);
    pthread_mutex_lock(&self->lock);
    for (struct cccc_work *work; (work = next_work(self));) {
        pthread_mutex_unlock(&self->lock);
        work->run(work);
        cccc_outbox_post(self->outbox, work);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* False when the system gives no thread now; with one running that only costs speed. */
static bool start_thread(cccc_pool_t *self)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int rc = pthread_create(&self->threads[self->started], &attr, run_pool_thread, self);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        self->started++;
    return rc == 0;
}

cccc_pool_t *cccc_pool_new(const char *name, unsigned start, unsigned max, struct cccc_outbox *outbox)
{
    CCCC_ASSERT(start >= 1 && start <= max && max <= CCCC_POOL_THREADS_MAX, "pool %s: %u..%u threads", name, start, max);
    cccc_pool_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    self->end = &self->first;
    self->max = max;
    self->outbox = outbox;
    strncpy(self->name, name, sizeof self->name - 1);
    while (self->started < start && start_thread(self))
        ;
    CCCC_ASSERT(self->started > 0, "pool %s: the system gives no thread", name);
    return self;
}

void cccc_pool_put(cccc_pool_t *self, struct cccc_work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&self->lock);
    *self->end = work;
    self->end = &work->next;
    self->queued++;
    bool grow = self->queued > self->idle && self->started < self->max;
    pthread_mutex_unlock(&self->lock);
    /* `started` is the putting thread's alone. */
    if (grow)
        start_thread(self);
    pthread_cond_signal(&self->wake);
}

void cccc_pool_destroy(cccc_pool_t **self_p)
{
    cccc_pool_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    pthread_mutex_lock(&self->lock);
    self->closing = true;
    pthread_mutex_unlock(&self->lock);
    pthread_cond_broadcast(&self->wake);
    for (unsigned i = 0; i < self->started; i++)
        pthread_join(self->threads[i], NULL);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
