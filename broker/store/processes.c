/* processes.c - see processes.h. */
#include "broker/store/processes.h"

#include "proto/err.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t read_file(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = 0;
    for (ssize_t n; len < size && (n = read(fd, out + len, size - len)) > 0;)
        len += (size_t)n;
    close(fd);
    return (ssize_t)len;
}

bool cccc_process_parent(pid_t pid, uint64_t *started, pid_t *parent)
{
    char text[1024];
    ssize_t n = read_file(pid, "stat", text, sizeof text - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *behind_name = strrchr(text, ')'); /* the name may hold anything */
    unsigned long long ticks;
    char state;
    int ppid;
    /* Fields 3, 4 and 22 of proc(5). */
    if (!behind_name || sscanf(behind_name + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
                               &ppid, &ticks) != 3)
        return false;
    *started = ticks;
    *parent = ppid;
    return state != 'Z' && state != 'X';
}

bool cccc_process_started(pid_t pid, uint64_t *started)
{
    pid_t parent;
    return cccc_process_parent(pid, started, &parent);
}

static bool has(pid_t pid, const char *wanted, size_t wanted_len)
{
    enum { ENVIRONMENT_MAX = 2 * 1024 * 1024 };
    char *text = malloc(ENVIRONMENT_MAX + 1);
    CCCC_ASSERT(text, "(out of memory)");
    ssize_t n = read_file(pid, "environ", text, ENVIRONMENT_MAX);
    bool found = false;
    text[n > 0 ? n : 0] = '\0';
    for (const char *p = text; n > 0 && p < text + n && !found; p += strlen(p) + 1)
        found = strncmp(p, wanted, wanted_len) == 0;
    free(text);
    return found;
}

bool cccc_process_has(pid_t pid, const char *variable)
{
    return has(pid, variable, strlen(variable) + 1);
}

bool cccc_process_has_name(pid_t pid, const char *beginning)
{
    return has(pid, beginning, strlen(beginning));
}

void cccc_processes_end(const char *variable)
{
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 1 && pid != getpid() && cccc_process_has(pid, variable))
            kill(pid, SIGKILL);
    }
    if (dir)
        closedir(dir);
}
