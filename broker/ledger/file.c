/* file.c - shared open files, and memory that is there or the process is not. */
#include "broker/ledger/file.h"

#include "proto/err.h"

#include <stdlib.h>

void *cccc_room(size_t bytes)
{
    void *p = calloc(1, bytes);
    CCCC_ASSERT(p != NULL, "out of memory for %zu bytes", bytes);
    return p;
}

void *cccc_room_again(void *old, size_t items, size_t item_bytes)
{
    void *p = reallocarray(old, items, item_bytes);
    CCCC_ASSERT(p != NULL, "out of memory for %zu items", items);
    return p;
}

cccc_file_t *cccc_file_new(const struct cccc_vfs *vfs, int fd)
{
    cccc_file_t *self = cccc_room(sizeof *self);
    self->vfs = vfs;
    self->fd = fd;
    self->holders = 1;
    return self;
}

cccc_file_t *cccc_file_keep(cccc_file_t *self)
{
    if (self)
        atomic_fetch_add_explicit(&self->holders, 1, memory_order_relaxed);
    return self;
}

void cccc_file_release(cccc_file_t **self)
{
    cccc_file_t *file = *self;
    *self = NULL;
    if (!file || atomic_fetch_sub_explicit(&file->holders, 1, memory_order_acq_rel) != 1)
        return;
    file->vfs->close(file->vfs->ctx, file->fd);
    free(file);
}
