/* file.h - an open file with several holders: the ledger that appends to it and the reads that are under way. It closes with the last one.
 *
 * Thread: holders are added by the ledger's owner; any thread may let go. */
#pragma once

#include "broker/ledger/vfs.h"

#include <stdatomic.h>

typedef struct cccc_file {
    const struct cccc_vfs *vfs;
    int fd;
    _Atomic uint32_t holders;
} cccc_file_t;

/* Owns `fd` from now on. Never NULL. */
cccc_file_t *cccc_file_new(const struct cccc_vfs *vfs, int fd);
/* One holder more; NULL stays NULL. */
cccc_file_t *cccc_file_keep(cccc_file_t *self);
/* One holder less; takes and nulls. NULL is fine. */
void cccc_file_release(cccc_file_t **self);

/* Zeroed memory; aborts when there is none, like every allocation of ours. */
void *cccc_room(size_t bytes);
/* `old` grown (or shrunk) to `items` of `item_bytes`; aborts when memory is gone. */
void *cccc_room_again(void *old, size_t items, size_t item_bytes);
