/* daemon.c - the life of the daemon process, seen from outside: find its program, start it, see it end.
 *
 * The daemon gets a clean environment: of all CCCC_* variables only CCCC_HOME, so that nothing of an actor's terminal leaks into it.
 * Thread: the program's one. */
#include "broker/store/store.h"
#include "clients/cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A daemon that has not said it serves after this has failed; it folds its ledgers first. */
#define START_MS_MAX 60000

/* The pid in the file at `path`, or 0. */
static int32_t written_pid(const char *path)
{
    char text[16] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    long pid = fgets(text, sizeof text, file) ? strtol(text, NULL, 10) : 0;
    fclose(file);
    return pid > 0 && pid <= INT32_MAX ? (int32_t)pid : 0;
}

static const char *pid_path(struct cli *cli)
{
    return cli_printf(cli, "%s/daemon/ccccd.pid", cli->home.root);
}

static const char *lock_path(struct cli *cli)
{
    return cli_printf(cli, "%s/daemon/ccccd.lock", cli->home.root);
}

/* Has process `pid` the file open that `st` is of? */
static bool has_open(int32_t pid, const struct stat *st)
{
    char folder[64];
    struct dirent *entry;
    struct stat other;
    bool found = false;
    snprintf(folder, sizeof folder, "/proc/%d/fd", pid);
    DIR *fds = opendir(folder);
    while (fds && !found && (entry = readdir(fds)))
        found = fstatat(dirfd(fds), entry->d_name, &other, 0) == 0 && other.st_ino == st->st_ino && other.st_dev == st->st_dev;
    if (fds)
        closedir(fds);
    return found;
}

/* Is `pid` a daemon that holds the lock of this home? */
static bool holds_lock(struct cli *cli, int32_t pid)
{
    struct stat st;
    return cccc_is_daemon(pid, 0) && stat(lock_path(cli), &st) == 0 && has_open(pid, &st);
}

int32_t cli_locking_daemon(struct cli *cli)
{
    int32_t pid = written_pid(lock_path(cli));
    return holds_lock(cli, pid) ? pid : 0;
}

int32_t cli_ending_daemon(struct cli *cli)
{
    int32_t pid = cli_locking_daemon(cli);
    return written_pid(pid_path(cli)) != pid ? pid : 0;
}

bool cli_wait_gone(int32_t pid, int timeout_ms)
{
    int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pid <= 0)
        return true;
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd gone = {.fd = fd, .events = POLLIN};
    int n;
    while ((n = poll(&gone, 1, timeout_ms)) < 0 && errno == EINTR) /* by a signal that is remembered, which happens once each */
        continue;
    close(fd);
    return n == 1;
}

const char *cli_daemon_program(struct cli *cli)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        const char *beside = cli_printf(cli, "%.*s/ccccd", (int)(slash - self), self);
        if (access(beside, X_OK) == 0)
            return beside;
    }
    return cli_in_path(cli, "ccccd");
}

char **cli_clean_environment(struct cli *cli, const char *kept)
{
    extern char **environ;
    size_t count = 0, n = 0;
    while (environ[count])
        count++;
    char **clean = cccc_arena_alloc(cli->arena, (count + 2) * sizeof *clean);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "CCCC_", 5) != 0 || (kept && strncmp(environ[i], kept, strlen(kept)) == 0))
            clean[n++] = environ[i];
    clean[n++] = cli_printf(cli, "CCCC_HOME=%s", cli->home.root);
    clean[n] = NULL;
    return clean;
}

/* Run it (with `option`, NULL: none) with its words on `words`; everything else of ours stays ours. 0 or errno. */
static int spawn(struct cli *cli, const char *program, const char *option, int words, pid_t *pid)
{
    char *argv[] = {(char *)(uintptr_t) "ccccd",  (char *)(uintptr_t) "--daemon",
                    (char *)(uintptr_t) "--home", cli->home.root,
                    (char *)(uintptr_t)option,    NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, words, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, words, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int err = posix_spawn(pid, program, &files, &attributes, argv, cli_clean_environment(cli, "CCCC_DAEMON_"));
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return err;
}

/* The last line it said, for the error. */
static void read_words(int fd, char *out, size_t size)
{
    char text[4096];
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = '\0';
    const char *line = strrchr(text, '\n');
    snprintf(out, size, "%.500s", line ? line + 1 : text);
}

static int start_failed(struct cli *cli, int status, const char *words)
{
    const char *log = cli->scratch_hint ? cli->scratch_hint : cli_printf(cli, "%s/daemon/ccccd.log says more", cli->home.root);
    if (*words)
        return cli_fail(cli, CCCC_E_UNREACHABLE, cli->scratch_hint ? log : "`cccc doctor` checks the home; `cccc daemon logs` has more",
                        "the daemon did not start: %s", words);
    if (WIFSIGNALED(status))
        return cli_fail(cli, CCCC_E_UNREACHABLE, log, "the daemon did not start: it was ended by signal %d", WTERMSIG(status));
    return cli_fail(cli, CCCC_E_UNREACHABLE, log, "the daemon did not start: exit status %d", WEXITSTATUS(status));
}

/* Somebody else's daemon was faster; it may still be reading its ledgers before it says where it listens. */
static bool await_other(struct cli *cli)
{
    int32_t served_by;
    cccc_str_t version;
    for (int waited_ms = 0; waited_ms < START_MS_MAX; waited_ms += 10) {
        if (cli_daemon(cli, &served_by, &version))
            return true;
        int32_t other = written_pid(pid_path(cli));
        if (!holds_lock(cli, other) || cli_wait_gone(other, 10))
            return false;
    }
    return false;
}

/* The starter process leaves with 0 once the daemon serves, and with another status when it does not. */
static int await_start(struct cli *cli, pid_t pid, int words_fd, bool *started)
{
    char words[512];
    int status = 0;
    if (!cli_wait_gone(pid, START_MS_MAX)) {
        kill(pid, SIGTERM);
        waitpid(pid, &status, 0);
        return cli_fail(cli, CCCC_E_TIMEOUT, cli->scratch_hint ? cli->scratch_hint : "`cccc daemon logs`, `cccc doctor`",
                        "the daemon did not serve within %d s", START_MS_MAX / 1000);
    }
    waitpid(pid, &status, 0);
    *started = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (*started)
        return 0;
    read_words(words_fd, words, sizeof words);
    if (await_other(cli))
        return 0;
    return start_failed(cli, status, words);
}

static int start_with(struct cli *cli, const char *option, bool *started)
{
    int words[2];
    pid_t pid;
    const char *program = cli_daemon_program(cli);
    *started = false;
    if (!program)
        return cli_fail(cli, CCCC_E_NOT_FOUND, "install it, or put its folder into PATH",
                        "the program ccccd was found neither beside cccc nor in PATH");
    cli_wait_gone(cli_ending_daemon(cli), CLI_STOP_MS_MAX);
    if (pipe2(words, O_CLOEXEC | O_NONBLOCK) != 0)
        return cli_fail(cli, CCCC_E_INTERNAL, NULL, "cannot make a pipe: %s", strerror(errno));
    int err = spawn(cli, program, option, words[1], &pid);
    close(words[1]);
    int status =
        err ? cli_fail(cli, CCCC_E_INTERNAL, NULL, "cannot run %s: %s", program, strerror(err)) : await_start(cli, pid, words[0], started);
    close(words[0]);
    return status;
}

int cli_daemon_start(struct cli *cli, bool *started)
{
    return start_with(cli, NULL, started);
}

int cli_daemon_start_serve_only(struct cli *cli, bool *started)
{
    return start_with(cli, "--serve-only", started);
}

/* ---- keeping every daemon out ---- */

int cli_refuse_served(struct cli *cli, int32_t pid)
{
    return cli_fail(cli, CCCC_E_LOCKED, "`cccc daemon stop`, then try again", "%s is served by pid %d; nothing was changed", cli->home.root,
                    pid);
}

int cli_lock_home(struct cli *cli, struct cccc_home *home)
{
    struct cccc_errmsg m;
    int fd;
    int32_t pid = 0;
    cccc_err_t err = cccc_home_prepare(&cccc_vfs_posix, home, &m);
    if (err == CCCC_OK)
        err = cccc_home_lock(&cccc_vfs_posix, home, &fd, &pid, &m);
    if (err == CCCC_E_LOCKED)
        return cli_refuse_served(cli, pid);
    return err ? cli_fail(cli, err, "`cccc doctor` checks the home", "%s", m.text) : 0;
}
