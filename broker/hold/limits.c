/* limits.c - see limits.h. */
#include "broker/hold/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define OURS "cccc-hold-"

/* What bounds what: the controller, its file in either version, the resource of setrlimit; and what tells that it was reached. */
static const struct {
    const char *controller, *file_v1, *file_v2;
    int resource;
    const char *events_v1, *events_v2, *reached; /* the files that count, and the word for the limit in them */
} kinds[LIMITED_COUNT] = {
    [LIMITED_PROCESSES] = {"pids", "pids.max", "pids.max", RLIMIT_NPROC, "pids.events", "pids.events", "max"},
    [LIMITED_MEMORY] = {"memory", "memory.limit_in_bytes", "memory.max", RLIMIT_AS, "memory.oom_control", "memory.events", "oom_kill"},
};

const struct limits_places limits_of_this_machine = {"/sys/fs/cgroup", "/proc/self/cgroup"};

/* ---- files ---- */

static bool write_file(const char *folder, const char *name, const char *text)
{
    char path[4300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t len = strlen(text);
    bool written = write(fd, text, len) == (ssize_t)len;
    int error = errno;
    close(fd);
    errno = error;
    return written;
}

static bool has_word(const char *folder, const char *name, const char *word)
{
    char path[4300], text[512] = "";
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    bool found = false;
    if (file && fgets(text, sizeof text, file))
        for (char *rest = text, *w; (w = strtok_r(rest, " \n", &rest)) != NULL;)
            found |= strcmp(w, word) == 0;
    if (file)
        fclose(file);
    return found;
}

/* The number behind `word` in a file of such lines; 0: there is none. */
static unsigned long long count_in(const char *folder, const char *name, const char *word)
{
    char path[4300], line[128];
    unsigned long long count = 0;
    size_t len = strlen(word);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, word, len) == 0 && line[len] == ' ')
            count = strtoull(line + len, NULL, 10);
    if (file)
        fclose(file);
    return count;
}

/* ---- where ---- */

static bool lists(char *controllers, const char *word)
{
    for (char *rest = controllers, *w; (w = strtok_r(rest, ",", &rest)) != NULL;)
        if (strcmp(w, word) == 0)
            return true;
    return false;
}

/* A line of the file that says where we are, number:controllers:path, as the folder a group for `controller` may be made in. False: not here. */
static bool folder_of(char *line, const char *root, const char *controller, char *out, size_t size)
{
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return false;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    if (controllers[1] != '\0') {
        snprintf(out, size, "%s/%s%s", root, controller, strcmp(path, "/") == 0 ? "" : path);
        return lists(controllers + 1, controller);
    }
    char *end = strrchr(path, '/'); /* version 2: the folder we are in, not our own */
    snprintf(out, size, "%s%.*s", root, end ? (int)(end - path) : 0, path);
    return has_word(out, "cgroup.subtree_control", controller);
}

static bool find_folder(const struct limits_places *places, const char *controller, char *out, size_t size)
{
    char line[4200];
    bool found = false;
    FILE *file = fopen(places->own, "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = folder_of(line, places->root, controller, out, size);
    if (file)
        fclose(file);
    return found;
}

/* Groups of holders that were killed: empty, or rmdir(2) leaves them alone. */
static void remove_leftovers(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[4500];
        pid_t holder = (pid_t)strtol(entry->d_name + (strncmp(entry->d_name, OURS, sizeof OURS - 1) == 0 ? sizeof OURS - 1 : 0), NULL, 10);
        if (strncmp(entry->d_name, OURS, sizeof OURS - 1) != 0 || holder <= 0 || kill(holder, 0) == 0 || errno != ESRCH)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        rmdir(path);
    }
    if (dir)
        closedir(dir);
}

/* ---- the group ---- */

static void make_group(struct limits *self, const struct limits_places *places, enum limited kind)
{
    char folder[4096], most[32];
    char *group = self->group[kind];
    if (!find_folder(places, kinds[kind].controller, folder, sizeof folder))
        return;
    remove_leftovers(folder);
    snprintf(group, sizeof self->group[kind], "%s/" OURS "%d", folder, (int)getpid());
    snprintf(most, sizeof most, "%llu", (unsigned long long)self->most[kind]);
    if (mkdir(group, 0755) < 0 && errno != EEXIST) {
        group[0] = '\0';
        return;
    }
    if (write_file(group, kinds[kind].file_v2, most) || write_file(group, kinds[kind].file_v1, most))
        return;
    rmdir(group);
    group[0] = '\0';
}

void limits_init(struct limits *self, const struct limits_places *places, uint64_t processes_max, uint64_t memory_bytes)
{
    *self = (struct limits){.most = {[LIMITED_PROCESSES] = processes_max, [LIMITED_MEMORY] = memory_bytes}};
    for (int kind = 0; kind < LIMITED_COUNT; kind++)
        if (self->most[kind] > 0)
            make_group(self, places, (enum limited)kind);
}

static bool lower(int resource, uint64_t most)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)resource, &r) < 0)
        return false;
    r.rlim_cur = r.rlim_max = r.rlim_max < most ? r.rlim_max : most;
    return setrlimit((__rlimit_resource_t)resource, &r) == 0;
}

bool limits_enter(const struct limits *self)
{
    for (int kind = 0; kind < LIMITED_COUNT; kind++) {
        if (self->most[kind] == 0)
            continue;
        bool entered = self->group[kind][0] && write_file(self->group[kind], "cgroup.procs", "0");
        if (!entered && !lower(kinds[kind].resource, self->most[kind]))
            return false;
    }
    return true;
}

static bool was_reached(const struct limits *self, enum limited kind)
{
    const char *group = self->group[kind];
    return group[0] && (count_in(group, kinds[kind].events_v2, kinds[kind].reached) > 0 ||
                        count_in(group, kinds[kind].events_v1, kinds[kind].reached) > 0);
}

const char *limits_reached(const struct limits *self)
{
    return was_reached(self, LIMITED_MEMORY) ? "memory" : was_reached(self, LIMITED_PROCESSES) ? "processes" : "";
}

void limits_close_door(const struct limits *self)
{
    if (self->group[LIMITED_PROCESSES][0])
        write_file(self->group[LIMITED_PROCESSES], kinds[LIMITED_PROCESSES].file_v2, "0");
}

void limits_fini(struct limits *self)
{
    for (int kind = 0; kind < LIMITED_COUNT; kind++)
        if (self->group[kind][0])
            rmdir(self->group[kind]);
    *self = (struct limits){0};
}
