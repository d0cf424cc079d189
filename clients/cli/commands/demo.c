/* demo.c - `cccc demo`: a real daemon in a scratch home and real commands in processes of their own, shown and checked.
 *
 * Leaves nothing behind, whatever happens: the daemon is stopped and the scratch home removed also when a step fails or a signal comes.
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define WORDS_MAX 12

struct step {
    const char *title;            /* a line before it; NULL: none */
    const char *words[WORDS_MAX]; /* behind `cccc`, NULL-ended */
    const char *expected[4];      /* what its output must contain, NULL-ended */
    const char *unexpected;       /* what it must not contain; NULL: anything goes */
};

#define ACTOR_ADD(name) "actor", "add", name, "--runtime", "custom", "--runner", "headless"
#define FIRST_MESSAGE   "Please review src/api before noon"
#define BROADCAST       "Stand-up in five minutes"
#define ANSWER          "Reviewed: two remarks, nothing that blocks"

/* The first message is event 5: the group and the three actors come before it. */
static const struct step steps[] = {
    {"A daemon in a home of its own", {"daemon", "start"}, {"started"}, NULL},
    {"A group with three actors", {"group", "create", "Demo"}, {"g_"}, NULL},
    {NULL, {ACTOR_ADD("lead")}, {"lead added"}, NULL},
    {NULL, {ACTOR_ADD("peer-1")}, {"peer-1 added"}, NULL},
    {NULL, {ACTOR_ADD("peer-2")}, {"peer-2 added"}, NULL},
    {NULL, {"actor", "list"}, {"lead", "foreman", "peer-2"}, NULL},
    {"lead asks peer-1, and nobody else",
     {"send", FIRST_MESSAGE, "--to", "peer-1", "--reply-required", "--by", "lead"},
     {"stored", "peer-1"},
     NULL},
    {"lead tells everybody", {"send", BROADCAST, "--to", "@all", "--by", "lead"}, {"stored", "@all"}, NULL},
    {"What each of them has not read", {"inbox", "--actor-id", "peer-1"}, {FIRST_MESSAGE, BROADCAST, "reply required"}, NULL},
    {NULL, {"inbox", "--actor-id", "peer-2"}, {BROADCAST}, FIRST_MESSAGE},
    {"peer-1 replies, which closes what it owed", {"reply", "5", ANSWER, "--by", "peer-1"}, {"stored", "lead"}, NULL},
    {"lead reads its inbox", {"inbox", "--actor-id", "lead", "--mark-read", "--by", "lead"}, {ANSWER}, FIRST_MESSAGE},
    {NULL, {"inbox", "--actor-id", "lead"}, {NULL}, ANSWER},
    {"All of it, as anybody may follow it", {"tail", "-n", "20"}, {FIRST_MESSAGE, BROADCAST, ANSWER}, "missing"},
    {"What is on disk, checked line by line", {"ledger", "verify"}, {"sound"}, "damaged"},
    {"The end", {"daemon", "stop"}, {"stopped"}, NULL},
};

/* ---- one command in a process of its own ---- */

/* Where a child writes and we read: a terminal when we have one, so that people see what people see, else a pipe. */
static bool open_output(struct cli *cli, int *ours, int *theirs)
{
    struct termios raw;
    int ends[2];
    if (!cli->tty) {
        if (pipe2(ends, O_CLOEXEC) != 0)
            return false;
        *ours = ends[0];
        *theirs = ends[1];
        return true;
    }
    struct winsize size = {.ws_row = 50, .ws_col = (unsigned short)cli->width};
    if (openpty(ours, theirs, NULL, NULL, &size) != 0)
        return false;
    fcntl(*ours, F_SETFD, FD_CLOEXEC);
    fcntl(*theirs, F_SETFD, FD_CLOEXEC);
    tcgetattr(*theirs, &raw);
    cfmakeraw(&raw);
    tcsetattr(*theirs, TCSANOW, &raw);
    return true;
}

static int spawn_cccc(struct cli *cli, const char *const *words, int output, pid_t *pid)
{
    const char *argv[WORDS_MAX + 4] = {"cccc"};
    size_t count = 1;
    posix_spawn_file_actions_t files;
    while (words[count - 1]) {
        argv[count] = words[count - 1];
        count++;
    }
    argv[count++] = "--color";
    argv[count++] = cli->color ? "always" : "never";
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
    int error = posix_spawn(pid, "/proc/self/exe", &files, NULL, (char *const *)(uintptr_t)argv, cli_clean_environment(cli, NULL));
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* Show what it says while it says it, and keep it. */
static void show_output(int fd, cccc_buf_t *said)
{
    char piece[4096];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* a terminal whose last writer is gone */
        fwrite(piece, 1, (size_t)n, stdout);
        cccc_buf_put(said, piece, (size_t)n);
    }
    fflush(stdout);
}

/* Its exit status, or -1 when it could not be run. */
static int run_cccc(struct cli *cli, const char *const *words, cccc_buf_t *said)
{
    int ours, theirs, status = 0;
    pid_t pid;
    if (!open_output(cli, &ours, &theirs))
        return -1;
    int error = spawn_cccc(cli, words, theirs, &pid);
    close(theirs);
    if (error == 0) {
        show_output(ours, said);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(ours);
    return error || !WIFEXITED(status) ? -1 : WEXITSTATUS(status);
}

/* ---- steps ---- */

static void show_command(struct cli *cli, const struct step *step)
{
    if (step->title)
        printf("%s# %s%s\n", cli_style(cli, STYLE_DIM), step->title, cli_plain(cli));
    printf("%s$ cccc", cli_style(cli, STYLE_BOLD));
    for (size_t i = 0; step->words[i]; i++)
        printf(strchr(step->words[i], ' ') ? " \"%s\"" : " %s", step->words[i]);
    printf("%s\n", cli_plain(cli));
    fflush(stdout);
}

/* NULL when the output is what it should be, else what is wrong with it. */
static const char *judge(struct cli *cli, const struct step *step, const cccc_buf_t *said)
{
    for (size_t i = 0; i < sizeof step->expected / sizeof *step->expected && step->expected[i]; i++)
        if (!memmem(said->data, said->size, step->expected[i], strlen(step->expected[i])))
            return cli_printf(cli, "its output lacks \"%s\"", step->expected[i]);
    if (step->unexpected && said->size > 0 && memmem(said->data, said->size, step->unexpected, strlen(step->unexpected)))
        return cli_printf(cli, "its output should not have \"%s\"", step->unexpected);
    return NULL;
}

static int run_step(struct cli *cli, const struct step *step)
{
    cccc_buf_t said;
    cccc_buf_init(&said);
    show_command(cli, step);
    int status = run_cccc(cli, step->words, &said);
    const char *wrong = status ? cli_printf(cli, "its exit status is %d", status) : judge(cli, step, &said);
    cccc_buf_fini(&said);
    putchar('\n');
    if (cli_signal())
        return 128 + cli_signal();
    return wrong ? cli_fail(cli, CCCC_E_INTERNAL, "`cccc doctor`; please report this", "the demo failed at `cccc %s`: %s", step->words[0],
                            wrong)
                 : 0;
}

/* ---- clean up ---- */

/* Stop the daemon if it still runs, and remove the home. */
static int clean_up(struct cli *cli, int status)
{
    int32_t pid;
    cccc_str_t version;
    if (cli_daemon(cli, &pid, &version)) {
        kill(pid, SIGTERM);
        if (!cli_wait_gone(pid, 10000))
            kill(pid, SIGKILL);
    }
    if (cli_remove_tree(cli->home.root))
        return status;
    int failed =
        cli_fail(cli, CCCC_E_STORAGE, "remove it by hand", "the scratch home %s could not be removed: %s", cli->home.root, strerror(errno));
    return status ? status : failed;
}

int cmd_demo(struct cli *cli)
{
    int status = 0;
    if (cli->json)
        return cli_fail(cli, CCCC_E_USAGE, "`cccc smoke --json` is for programs", "the demo is for people: it has no --json");
    const char *home = cli_scratch(cli, "cccc-demo");
    if (!home)
        return cli_fail(cli, CCCC_E_STORAGE, "set TMPDIR to a folder that can be written", "cannot make a scratch home in %s: %s",
                        cli_scratch_base(), strerror(errno));
    snprintf(cli->home.root, sizeof cli->home.root, "%s", home);
    cli->home_known = true;
    cli_defer_signals();
    for (size_t i = 0; status == 0 && i < sizeof steps / sizeof *steps; i++)
        status = run_step(cli, &steps[i]);
    status = clean_up(cli, status);
    if (status == 0)
        cli_say(cli, "the demo is done: every step was checked, and nothing is left behind");
    return status;
}
