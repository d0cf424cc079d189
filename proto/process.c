/* process.c - see process.h. */
#include "proto/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Fields of proc(5) behind the name, which may hold anything: the 3rd is a letter, the others are numbers. */
enum { FIELD_PARENT = 4, FIELD_SESSION = 6, FIELD_USER = 14, FIELD_SYSTEM = 15, FIELD_STARTED = 22 };

/* The line in `text`, of `size` bytes. False: there is none. */
static bool read_line(pid_t pid, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t len = 0;
    for (ssize_t n; len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0;)
        len += (size_t)n;
    close(fd);
    text[len] = '\0';
    return len > 0;
}

bool cccc_process_read(pid_t pid, struct cccc_process *out)
{
    char text[1024];
    uint64_t fields[FIELD_STARTED + 1] = {0};
    if (!read_line(pid, text, sizeof text))
        return false;
    char *name = strchr(text, '('), *at = strrchr(text, ')');
    if (!name || !at || strlen(at) < 4)
        return false;
    snprintf(out->name, sizeof out->name, "%.*s", (int)(at - name - 1), name + 1);
    out->state = at[2];
    at += 3;
    for (int field = FIELD_PARENT; field <= FIELD_STARTED; field++) {
        char *end;
        fields[field] = (uint64_t)strtoll(at, &end, 10);
        if (end == at)
            return false;
        at = end;
    }
    out->pid = pid;
    out->parent = (pid_t)fields[FIELD_PARENT];
    out->session = (pid_t)fields[FIELD_SESSION];
    out->ticks = fields[FIELD_USER] + fields[FIELD_SYSTEM];
    out->started = fields[FIELD_STARTED];
    return true;
}

bool cccc_process_is_over(const struct cccc_process *process)
{
    return process->state == 'Z' || process->state == 'X';
}
