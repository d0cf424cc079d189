/* bytes.c - immutable bytes shared by a reply, a publication and the pending list.
 *
 * Thread: any; the count is atomic because libzmq gives messages back from its own threads. */
#include "broker/core/core.h"

#include "proto/err.h"

#include <stdatomic.h>
#include <stdlib.h>

cccc_bytes_t *cccc_bytes_new(const void *data, size_t len)
{
    CCCC_ASSERT(len <= UINT32_MAX, "(%zu bytes)", len);
    cccc_bytes_t *self = malloc(sizeof *self + len);
    CCCC_ASSERT(self, "(out of memory: %zu bytes)", len);
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
    if (self && atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) == 1)
        free(self);
}
