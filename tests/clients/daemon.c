/* daemon.c - a real ccccd in a scratch home, for tests. */
#include "tests/clients/daemon.h"

#include "proto/err.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t daemon_spawn(const char *const *argv, const char *home)
{
    pid_t pid = fork();
    CCCC_ASSERT(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing running */
        setenv("CCCC_HOME", home, 1);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    return pid;
}

pid_t daemon_start(const char *home)
{
    const char *const argv[] = {CCCCD_PATH, NULL};
    pid_t pid = daemon_spawn(argv, home);
    struct cccc_error err;
    cccc_t *probe = NULL;
    for (int i = 0; cccc_open(&probe, &(struct cccc_options){.home = home}, &err) != 0; i++) {
        CCCC_ASSERT(waitpid(pid, NULL, WNOHANG) == 0 && i < 2000, "the daemon does not come up: %s", err.message);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* the descriptor is a file: looked at again, not waited for */
    }
    cccc_close(&probe);
    return pid;
}

void daemon_end(pid_t pid, int signal, int status_wanted)
{
    int status = 0;
    CCCC_ASSERT(kill(pid, signal) == 0);
    CCCC_ASSERT(waitpid(pid, &status, 0) == pid);
    CCCC_ASSERT(status == status_wanted, "the daemon ended with status %x, not %x", (unsigned)status, (unsigned)status_wanted);
}

static void ask(cccc_t *client, const char *op, cccc_args_t *args, cccc_reply_t **reply)
{
    struct cccc_error err = {0};
    int rc = cccc_request(client, op, &args, reply, &err);
    CCCC_ASSERT(rc == 0, "%s: %s: %s", op, err.code, err.message);
}

void daemon_make_group(cccc_t *client, const char *const *actors, size_t count, char *group_id)
{
    cccc_reply_t *reply = NULL;
    const char *text = "";
    size_t len = 0;
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "title", "test");
    ask(client, "group_create", args, &reply);
    CCCC_ASSERT(cccc_field_text(cccc_reply_result(reply), "group_id", &text, &len) && len == 14);
    snprintf(group_id, 15, "%.*s", (int)len, text);
    cccc_reply_free(&reply);
    for (size_t i = 0; i < count; i++) {
        args = cccc_args_new();
        cccc_args_str(args, "group_id", group_id);
        cccc_args_str(args, "actor_id", actors[i]);
        cccc_args_str(args, "runner", "headless");
        ask(client, "actor_add", args, NULL);
    }
}
