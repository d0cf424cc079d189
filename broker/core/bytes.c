/* bytes.c - immutable bytes shared by a reply, a publication and the pending list.
 *
 * Blocks of the usual size are used again: the loop's thread makes nearly all of them, libzmq's thread gives nearly all of them back, and the system's
 * allocator makes the two wait for each other. What is given back goes to one stack that any thread may push to; whoever needs a block
 * takes the whole stack for itself.
 * Thread: any; the count is atomic because libzmq gives messages back from its own threads. */
#include "broker/core/core.h"

#include "proto/err.h"
#include "proto/prefetch.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Replies and events of a message of a few hundred bytes fit in a block; what is longer, or would waste most of one, comes from the system. */
enum { BLOCK_BYTES = 1024, BLOCK_DATA_BYTES_MIN = 256, BLOCK_DATA_BYTES_MAX = BLOCK_BYTES - (int)sizeof(cccc_bytes_t) };

/* A block nobody uses. */
struct block {
    struct block *next;
};

static struct {
    _Atomic(struct block *) returned;
    _Atomic uint32_t kept; /* blocks in `returned` and in the threads' own lists */
    _Atomic uint32_t max;
} spare;

static _Thread_local struct block *own;

static bool is_usual(size_t len)
{
#ifdef __SANITIZE_ADDRESS__
    return len > UINT32_MAX; /* what is used again is not seen to be used after its end */
#else
    return len >= BLOCK_DATA_BYTES_MIN && len <= BLOCK_DATA_BYTES_MAX;
#endif
}

static struct block *take_block(void)
{
    if (!own)
        own = atomic_exchange_explicit(&spare.returned, NULL, memory_order_acquire);
    struct block *block = own;
    if (!block)
        return NULL;
    own = block->next;
    if (own)
        cccc_prefetch(own, BLOCK_BYTES); /* libzmq's thread had it last */
    atomic_fetch_sub_explicit(&spare.kept, 1, memory_order_relaxed);
    return block;
}

/* False: there are enough already. */
static bool keep_block(struct block *block)
{
    if (atomic_load_explicit(&spare.kept, memory_order_relaxed) >= atomic_load_explicit(&spare.max, memory_order_relaxed))
        return false;
    atomic_fetch_add_explicit(&spare.kept, 1, memory_order_relaxed);
    block->next = atomic_load_explicit(&spare.returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&spare.returned, &block->next, block, memory_order_release, memory_order_relaxed))
        continue;
    return true;
}

void cccc_bytes_keep_spare(unsigned max)
{
    atomic_store_explicit(&spare.max, max, memory_order_relaxed);
    while (atomic_load_explicit(&spare.kept, memory_order_relaxed) > max) {
        struct block *block = take_block();
        if (!block)
            return;
        free(block);
    }
}

cccc_bytes_t *cccc_bytes_new(const void *data, size_t len)
{
    CCCC_ASSERT(len <= UINT32_MAX, "(%zu bytes)", len);
    cccc_bytes_t *self = is_usual(len) ? (void *)take_block() : NULL;
    if (!self)
        self = malloc(is_usual(len) ? BLOCK_BYTES : sizeof *self + len);
    CCCC_ASSERT(self, "(out of memory: %zu bytes)", len);
    atomic_init(&self->refs, 1);
    self->len = (uint32_t)len;
    memcpy(self->data, data, len);
    return self;
}

cccc_bytes_t *cccc_bytes_keep(cccc_bytes_t *self)
{
    atomic_fetch_add_explicit(&self->refs, 1, memory_order_release); /* with it, it may go to another thread */
    return self;
}

void cccc_bytes_hand_over(cccc_bytes_t *self)
{
    atomic_fetch_add_explicit(&self->refs, 0, memory_order_release);
}

void cccc_bytes_release(cccc_bytes_t *self)
{
    if (!self || atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!is_usual(self->len) || !keep_block((struct block *)self))
        free(self);
}
