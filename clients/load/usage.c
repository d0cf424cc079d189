/* usage.c - what another process has used so far: /proc/PID/task/TID/{comm,schedstat,stat} and /proc/PID/statm. */
#include "clients/load/usage.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first line of /proc/PID/`name`; empty when there is none. */
static void read_line(char *out, int size, pid_t pid, const char *name)
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    *out = '\0';
    if (!file)
        return;
    if (!fgets(out, size, file))
        *out = '\0';
    fclose(file);
}

/* The number in the n-th field (from 0) of a line of fields with blanks between them; 0 when there is none. */
static uint64_t field(const char *line, unsigned n)
{
    for (; n > 0 && line; n--) {
        line = strchr(line, ' ');
        line = line ? line + 1 : NULL;
    }
    return line ? strtoull(line, NULL, 10) : 0;
}

/* In nanoseconds where the kernel counts them for each thread, else in ticks. */
static double thread_seconds(pid_t pid, const char *tid)
{
    char name[300], line[512];
    snprintf(name, sizeof name, "task/%s/schedstat", tid);
    read_line(line, sizeof line, pid, name);
    if (field(line, 0) > 0)
        return (double)field(line, 0) / 1e9;
    snprintf(name, sizeof name, "task/%s/stat", tid);
    read_line(line, sizeof line, pid, name);
    /* Behind the name, which may hold anything: ") S ppid ..."; utime and stime are 12 and 13 fields further. */
    const char *rest = strrchr(line, ')');
    return rest ? (double)(field(rest, 12) + field(rest, 13)) / (double)sysconf(_SC_CLK_TCK) : 0;
}

/* The loop's thread is the process's first one; the others are known by their names (startup.c). NULL: none of those that are told apart. */
static double *part_of(struct usage *out, pid_t pid, const char *tid)
{
    char name[300], comm[64];
    if (strtol(tid, NULL, 10) == pid)
        return &out->loop_s;
    snprintf(name, sizeof name, "task/%s/comm", tid);
    read_line(comm, sizeof comm, pid, name);
    return strstr(comm, "IO") ? &out->io_s : strstr(comm, "commit") ? &out->commit_s : strstr(comm, "seal") ? &out->seal_s : NULL;
}

void usage_of(pid_t pid, struct usage *out)
{
    char path[64], line[128];
    *out = (struct usage){0};
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return;
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.')
            continue;
        double seconds = thread_seconds(pid, task->d_name);
        double *part = part_of(out, pid, task->d_name);
        if (part)
            *part += seconds;
        out->all_s += seconds;
    }
    closedir(tasks);
    read_line(line, sizeof line, pid, "statm");
    out->rss = field(line, 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}
