/* child.c - see child.h. The tree below us is read from /proc: a process is below us when following its parents leads here. */
#include "broker/hold/child.h"

#include "broker/store/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DESCENDANTS_MAX = 4096, END_ROUNDS = 100, ROUND_MS = 10 };

/* ---- starting ---- */

/* What the new process says before it becomes the agent: which step failed, and why. */
struct failure {
    const char *step; /* valid in both: the memory is a copy */
    int error;
};

static _Noreturn void report(int fd, const char *step)
{
    struct failure failure = {step, errno};
    ssize_t n = write(fd, &failure, sizeof failure);
    (void)n; /* the holder sees the end of the pipe in any case */
    _exit(127);
}

static void default_signals(void)
{
    sigset_t none;
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL); /* those that cannot be set stay */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become_agent(const struct child_options *options, const char *terminal, int words)
{
    default_signals();
    if (setsid() < 0)
        report(words, "setsid");
    int fd = open(terminal, O_RDWR); /* the first terminal a session leader opens is its controlling one */
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
        report(words, terminal);
    for (int i = 0; i < 3; i++)
        if (dup2(fd, i) < 0)
            report(words, "dup2");
    if (chdir(options->directory) < 0)
        report(words, options->directory);
    if (!limits_enter(options->limits))
        report(words, "limits");
    fcntl(words, F_SETFD, FD_CLOEXEC);
    for (int i = 3; i < words; i++)
        close(i);
    close_range((unsigned)words + 1, ~0u, 0);
    environ = (char **)(uintptr_t)options->environment; /* its PATH is the one to look in */
    execvp(options->argv[0], options->argv);
    report(words, options->argv[0]);
}

static cccc_err_t start_failed(const struct failure *failure, const struct child_options *options, struct cccc_errmsg *m)
{
    if (failure->step == options->argv[0] && failure->error == ENOENT)
        return cccc_fail(m, CCCC_E_NOT_FOUND, "there is no program %s%s", options->argv[0],
                         strchr(options->argv[0], '/') ? "" : " in the actor's PATH");
    if (failure->step == options->directory)
        return cccc_fail(m, CCCC_E_STORAGE, "its directory %s cannot be entered (%s); make it, or attach another one: cccc attach PATH",
                         options->directory, strerror(failure->error));
    return cccc_fail(m, CCCC_E_STORAGE, "%s: %s", failure->step, strerror(failure->error));
}

static int open_terminal(char *name, size_t size)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0)
        return -1;
    if (grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, name, size) == 0)
        return master;
    close(master);
    return -1;
}

cccc_err_t child_start(struct child *self, const struct child_options *options, struct cccc_errmsg *m)
{
    char name[64];
    int words[2];
    struct failure failure;
    *self = (struct child){.terminal = open_terminal(name, sizeof name)};
    if (self->terminal < 0)
        return cccc_fail(m, CCCC_E_STORAGE, "no pseudo terminal: %s", strerror(errno));
    child_resize(self, options->rows, options->cols);
    pid_t pid = pipe2(words, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid == 0)
        become_agent(options, name, words[1]);
    if (pid < 0) {
        int error = errno;
        child_close_terminal(self);
        return cccc_fail(m, CCCC_E_STORAGE, "cannot start a process: %s", strerror(error));
    }
    close(words[1]);
    ssize_t n = read(words[0], &failure, sizeof failure);
    close(words[0]);
    self->pid = self->session = pid;
    if (n != sizeof failure)
        return CCCC_OK;
    waitpid(pid, NULL, 0);
    child_close_terminal(self);
    self->pid = 0;
    return start_failed(&failure, options, m);
}

void child_resize(struct child *self, uint16_t rows, uint16_t cols)
{
    struct winsize size = {.ws_row = rows, .ws_col = cols};
    ioctl(self->terminal, TIOCSWINSZ, &size); /* the kernel tells the foreground group */
}

/* Only the other end tells how much waits there. It is open for a moment: as long as it were, the end of the last program there would not be noticed. */
size_t child_unread(int terminal)
{
    int unread = 0, other_end = ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (other_end < 0)
        return 0;
    if (ioctl(other_end, FIONREAD, &unread) < 0 || unread < 0)
        unread = 0;
    close(other_end);
    return (size_t)unread;
}

void child_close_terminal(struct child *self)
{
    if (self->terminal >= 0)
        close(self->terminal);
    self->terminal = -1;
}

/* ---- the processes below us ---- */

/* All processes that can be seen; *count of them, malloc'd. */
static struct cccc_process *read_processes(size_t *count)
{
    size_t capacity = 0;
    struct cccc_process *all = NULL, one;
    *count = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || !cccc_process_read(pid, &one))
            continue;
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            struct cccc_process *more = realloc(all, capacity * sizeof *all);
            CCCC_ASSERT(more, "(out of memory)");
            all = more;
        }
        all[(*count)++] = one;
    }
    if (dir)
        closedir(dir);
    return all;
}

/* Those below us that still run, in no order; how many. */
static size_t descendants(struct cccc_process *out, size_t max)
{
    size_t count, found = 0;
    struct cccc_process *all = read_processes(&count);
    pid_t below[DESCENDANTS_MAX + 1] = {getpid()};
    size_t known = 1;
    for (size_t i = 0; i < known && found < max; i++)
        for (size_t k = 0; k < count && found < max; k++)
            if (all[k].parent == below[i] && all[k].state != 'Z') {
                out[found++] = all[k];
                below[known++] = all[k].pid;
            }
    free(all);
    return found;
}

bool child_is_stopped(const struct child *self)
{
    struct cccc_process agent;
    return self->pid > 0 && cccc_process_read(self->pid, &agent) && agent.state == 'T';
}

bool child_is_at_rest(struct child *self)
{
    struct cccc_process below[DESCENDANTS_MAX];
    size_t count = descendants(below, DESCENDANTS_MAX);
    uint64_t ticks = 0;
    bool sleeps = count > 0;
    for (size_t i = 0; i < count; i++) {
        sleeps &= below[i].state == 'S';
        ticks += below[i].ticks + (uint64_t)below[i].pid; /* one that came or went has done something, too */
    }
    bool rests = sleeps && ticks == self->ticks;
    self->ticks = ticks;
    return rests;
}

void child_signal(const struct child *self, int signal)
{
    struct cccc_process below[DESCENDANTS_MAX];
    size_t count = descendants(below, DESCENDANTS_MAX);
    for (size_t i = 0; i < count; i++)
        if (below[i].session == self->session)
            kill(below[i].pid, signal);
}

bool child_end_all(struct child *self)
{
    struct cccc_process below[DESCENDANTS_MAX];
    for (int round = 0; round < END_ROUNDS; round++) {
        size_t count = descendants(below, DESCENDANTS_MAX);
        for (size_t i = 0; i < count; i++)
            kill(below[i].pid, SIGKILL);
        child_collect(self);
        if (count == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = ROUND_MS * 1000000L}, NULL);
    }
    return false;
}

bool child_collect(struct child *self)
{
    bool agent = false;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == self->pid) {
            agent = true;
            self->exited = true;
            self->status = status;
            self->pid = 0;
        }
    return agent;
}
