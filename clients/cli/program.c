/* program.c - what another program says of itself: its first line, or nothing when it takes too long.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In a group of its own, so that all of it can be ended. 0 or errno. */
static int start(const char *path, const char *argument, int out, pid_t *pid)
{
    extern char **environ;
    char *argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)argument, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(pid, path, &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* What comes until the first line ends, there is no more, or it is too late. */
static void read_line(int fd, int timeout_ms, char *line, size_t size)
{
    int64_t end = monotonic_ms() + timeout_ms;
    size_t len = 0;
    while (len < size - 1 && !memchr(line, '\n', len)) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = end - monotonic_ms();
        if (left <= 0 || poll(&ready, 1, (int)left) <= 0)
            break;
        ssize_t n = read(fd, line + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    line[len] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
}

const char *cli_first_line(struct cli *cli, const char *path, const char *argument, int timeout_ms)
{
    char line[128] = "";
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return "";
    int error = start(path, argument, ends[1], &pid);
    close(ends[1]);
    if (error == 0) {
        read_line(ends[0], timeout_ms, line, sizeof line);
        kill(-pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close(ends[0]);
    return cli_printf(cli, "%s", line);
}
