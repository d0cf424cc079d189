/* daemon.h - a real ccccd in a scratch home, for tests. Link with CCCCD_PATH defined. */
#pragma once

#include "clients/lib/include/cccc.h"

#include <sys/types.h>

/* Fork and exec argv with CCCC_HOME set. Call it also while ZeroMQ is in use: the child does nothing before exec. */
pid_t daemon_spawn(const char *const *argv, const char *home);
/* Start ccccd, and wait until a client gets in. */
pid_t daemon_start(const char *home);
/* Signal it, wait, and compare how it ended (a wait status). */
void daemon_end(pid_t pid, int signal, int status_wanted);
/* A group with these headless actors. `group_id` gets 15 bytes. */
void daemon_make_group(cccc_t *client, const char *const *actors, size_t count, char *group_id);
