/* main.c - cccc-hold: holds one actor's terminal. Started by ccccd, which hands it a launch document (fd 3) and the actor's lock (fd 4). */
#include "broker/hold/hold.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LAUNCH_FD = 3, LOCK_FD = 4, SCROLLBACK_FD = 5 /* not always */ };

static const char usage[] = "usage: cccc-hold\n"
                            "Holds the terminal of one actor. It is started by ccccd and of no use by itself; see cccc-hold(8).\n";

int main(int argc, char **argv)
{
    struct launch launch;
    struct cccc_errmsg m = {0};
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("cccc-hold %s\n", CCCC_VERSION);
        return 0;
    }
    if (argc > 1 || fcntl(LAUNCH_FD, F_GETFD) < 0 || fcntl(LOCK_FD, F_GETFD) < 0) {
        fputs(usage, argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    fcntl(LAUNCH_FD, F_SETFD, FD_CLOEXEC);
    fcntl(LOCK_FD, F_SETFD, FD_CLOEXEC);
    fcntl(SCROLLBACK_FD, F_SETFD, FD_CLOEXEC);
    setsid(); /* fails when ccccd has seen to it already */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_DUMPABLE, 0); /* the environment of the agent passes through here */
    if (launch_read(LAUNCH_FD, &launch, &m) != CCCC_OK) {
        fprintf(stderr, "cccc-hold: %s\n", m.text);
        return 1;
    }
    close(LAUNCH_FD);
    if (chdir("/") < 0)
        return 1;
    return hold_run(&launch);
}
