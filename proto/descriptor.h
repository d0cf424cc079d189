/* descriptor.h - does a daemon serve this home? What daemon/ccccd.addr.json says of the folder it is of, and of the process that wrote it.
 *
 * A copy of a home has a copy of the descriptor, and the pid of a dead daemon may be another process's by now: neither may be believed.
 * Thread: any. */
#pragma once

#include "proto/value.h"

#include <stdbool.h>
#include <stdint.h>

#define CCCC_FOLDER_ID_BYTES 48

/* What tells the folder `path` from every other one, its copies among them: "<device>:<inode>". False: there is none. */
bool cccc_folder_id(const char *path, char out[CCCC_FOLDER_ID_BYTES]);
/* Is this the descriptor of `home`? False for one that was copied here; one of a version that did not say is believed. */
bool cccc_descriptor_is_of(const cccc_value_t *descriptor, const char *home);
/* Is `pid` a living daemon, and the one that began at `started` (clock ticks since boot; 0: any)? */
bool cccc_is_daemon(int64_t pid, uint64_t started);
