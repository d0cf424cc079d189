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
    struct cccc_process process;
    if (!cccc_process_read(pid, &process))
        return false;
    *started = process.started;
    *parent = process.parent;
    return !cccc_process_is_over(&process);
}

bool cccc_process_started(pid_t pid, uint64_t *started)
{
    pid_t parent;
    return cccc_process_parent(pid, started, &parent);
}

/* The first variable that begins like this, malloc'd, or NULL. */
static char *find(pid_t pid, const char *wanted, size_t wanted_len)
{
    enum { ENVIRONMENT_MAX = 2 * 1024 * 1024 };
    char *text = malloc(ENVIRONMENT_MAX + 1);
    CCCC_ASSERT(text, "(out of memory)");
    ssize_t n = read_file(pid, "environ", text, ENVIRONMENT_MAX);
    char *found = NULL;
    text[n > 0 ? n : 0] = '\0';
    for (const char *p = text; n > 0 && p < text + n && !found; p += strlen(p) + 1)
        if (strncmp(p, wanted, wanted_len) == 0)
            found = strdup(p);
    free(text);
    return found;
}

static bool has(pid_t pid, const char *wanted, size_t wanted_len)
{
    char *found = find(pid, wanted, wanted_len);
    bool is_there = found != NULL;
    free(found);
    return is_there;
}

bool cccc_process_has(pid_t pid, const char *variable)
{
    return has(pid, variable, strlen(variable) + 1);
}

char *cccc_process_variable(pid_t pid, const char *beginning)
{
    return find(pid, beginning, strlen(beginning));
}

bool cccc_process_is_held(pid_t pid, const char *home, const char *mark)
{
    char at[4096 + 16];
    char *hold = cccc_process_variable(pid, "CCCC_HOLD=");
    if (!hold)
        return false;
    char *marked = hold + strlen("CCCC_HOLD="), *own = strchr(marked, ':');
    size_t len = own ? (size_t)(own - marked) : strlen(marked);
    bool is_that = !mark || (strlen(mark) == len && memcmp(marked, mark, len) == 0);
    snprintf(at, sizeof at, "CCCC_HOME=%s", home);
    bool held = is_that && (own ? strcmp(own + 1, home) == 0 : cccc_process_has(pid, at)); /* older holders left the home out */
    free(hold);
    return held;
}

void cccc_processes_end(const char *home, const char *mark)
{
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 1 && pid != getpid() && cccc_process_is_held(pid, home, mark))
            kill(pid, SIGKILL);
    }
    if (dir)
        closedir(dir);
}
