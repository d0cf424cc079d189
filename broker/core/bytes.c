/* bytes.c - immutable bytes shared by a reply, a publication and the pending list.
 *
 * Nearly all are of about a kilobyte, live for one turn of the loop and are made hundreds at a time, more than malloc keeps at hand: so those up to
 * ROOMY_BYTES get the same room, and the thread that asks for it keeps some for use again.
 * Thread: any; the count is atomic because libzmq gives messages back from its own threads, the spare ones are each thread's own. */
#include "broker/core/core.h"

#include "proto/err.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { ROOMY_BYTES = 1520 };

static _Thread_local struct {
    cccc_bytes_t **items;
    unsigned count, max;
} spare;

void cccc_bytes_keep_spare(unsigned max)
{
#ifdef __SANITIZE_ADDRESS__
    max = 0; /* what is used again is not seen to be used after its end */
#endif
    while (spare.count > max)
        free(spare.items[--spare.count]);
    if (max == 0) {
        free(spare.items);
        spare.items = NULL;
    } else if (max > spare.max) {
        spare.items = realloc(spare.items, max * sizeof *spare.items);
        CCCC_ASSERT(spare.items, "(out of memory for %u spares)", max);
    }
    spare.max = max;
}

static cccc_bytes_t *room_for(size_t len)
{
    bool usual = len <= ROOMY_BYTES && spare.max > 0;
    if (usual && spare.count > 0)
        return spare.items[--spare.count];
    cccc_bytes_t *self = malloc(sizeof *self + (usual ? ROOMY_BYTES : len));
    CCCC_ASSERT(self, "(out of memory: %zu bytes)", len);
    self->roomy = usual;
    return self;
}

cccc_bytes_t *cccc_bytes_new(const void *data, size_t len)
{
    CCCC_ASSERT(len <= UINT32_MAX, "(%zu bytes)", len);
    cccc_bytes_t *self = room_for(len);
    atomic_init(&self->refs, 1);
    self->len = (uint32_t)len;
    memcpy(self->data, data, len);
    return self;
}

cccc_bytes_t *cccc_bytes_keep(cccc_bytes_t *self)
{
    atomic_fetch_add_explicit(&self->refs, 1, memory_order_relaxed);
    return self;
}

void cccc_bytes_release(cccc_bytes_t *self)
{
    if (!self || atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (self->roomy && spare.count < spare.max)
        spare.items[spare.count++] = self;
    else
        free(self);
}
