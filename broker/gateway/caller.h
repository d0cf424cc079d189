/* caller.h - which process is at the other end of a connection, as the kernel says.
 *
 * Thread: any. */
#pragma once

#include "broker/gateway/envelope.h"

/* Of a Unix socket, by SO_PEERCRED: the process that connected. Without its start, which cccc_process_started knows. */
struct cccc_gateway_caller cccc_caller_local(int fd);
/* Of a TCP connection over loopback: the owner of the other end's socket by /proc/net/tcp, and the process that has it open. pid 0: there is none, or it
 * is another user's. */
struct cccc_gateway_caller cccc_caller_tcp(int fd);
