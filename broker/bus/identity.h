/* identity.h - who is at the other end of a connection, as the kernel says.
 *
 * libzmq puts SO_PEERCRED of an ipc peer into each message's metadata as `Peer-Address` = "localhost:UID:GID:PID". It is read on a body frame
 * only: 4.3.4 loses it on a routing-id frame that was prefetched by a poll (fixed upstream in 74529d97).
 * Thread: any; pure but for getuid(). */
#pragma once

#include "broker/core/core.h"

/* "localhost:" and three numbers of ten digits. */
enum { CCCC_PEER_ADDRESS_MAX = 64 };

/* What `address` (NULL = the message carried none) says. CCCC_E_PERMISSION_DENIED with a sentence in *m, and *out of unknown standing: no kernel
 * metadata, or another user's process. */
cccc_err_t cccc_identify(const char *address, struct cccc_peer *out, struct cccc_errmsg *m);
/* The same of credentials in numbers (the gateway's). pid 0: the kernel does not say. */
cccc_err_t cccc_identify_process(uint32_t uid, uint32_t gid, int32_t pid, struct cccc_peer *out, struct cccc_errmsg *m);
