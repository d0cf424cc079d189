/* daemonize.c - see daemonize.h. The pipe carries "ready" or the reason; its end without a word means that the child is dead. */
#include "broker/bus/daemonize.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char ready[] = "ready";

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The starter's part. */
static _Noreturn void wait_for_word(int fd)
{
    char text[1024];
    size_t len = 0;
    for (ssize_t n; len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    if (strcmp(text, ready) == 0)
        exit(0);
    fprintf(stderr, "ccccd: %s\n", len ? text : "ended while starting; daemon/ccccd.log in its home may say why");
    exit(1);
}

int cccc_daemonize(void)
{
    enum { PIPE_FD = 3 };
    int fds[2];
    if (pipe(fds) < 0)
        die("ccccd: pipe");
    pid_t child = fork();
    if (child < 0)
        die("ccccd: fork");
    if (child > 0) {
        close(fds[1]);
        wait_for_word(fds[0]);
    }
    setsid();
    if (fds[1] != PIPE_FD)
        dup2(fds[1], PIPE_FD);
    fcntl(PIPE_FD, F_SETFD, FD_CLOEXEC);
    close_range(PIPE_FD + 1, ~0u, 0);
    return PIPE_FD;
}

static void say(int pipe_fd, const char *word)
{
    ssize_t n = write(pipe_fd, word, strlen(word));
    (void)n; /* the starter may be gone; nobody else wants to know */
    close(pipe_fd);
}

/* Make `fd` another name for the file. */
static void put_in_place(int fd, const char *path, int flags)
{
    int file = open(path, flags | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    dup2(file, fd);
    close(file);
}

void cccc_daemonize_ready(int pipe_fd, const char *log)
{
    put_in_place(STDIN_FILENO, "/dev/null", O_RDONLY);
    put_in_place(STDOUT_FILENO, log, O_WRONLY | O_APPEND | O_CREAT);
    put_in_place(STDERR_FILENO, log, O_WRONLY | O_APPEND | O_CREAT);
    say(pipe_fd, ready);
}

void cccc_daemonize_failed(int pipe_fd, const char *why)
{
    say(pipe_fd, why);
}
