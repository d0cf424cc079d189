/* caller.c - see caller.h. */
#include "broker/gateway/caller.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct cccc_gateway_caller cccc_caller_local(int fd)
{
    struct ucred credentials = {.uid = UINT32_MAX, .gid = UINT32_MAX};
    socklen_t len = sizeof credentials;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len);
    return (struct cccc_gateway_caller){.uid = credentials.uid, .gid = credentials.gid, .pid = credentials.pid};
}

/* ---- TCP ---- */

/* Does a field of /proc/net/tcp, ADDRESS:PORT in hex, name this end? */
static bool is_end(const char *field, const struct sockaddr_in *end)
{
    char *colon;
    unsigned long address = strtoul(field, &colon, 16);
    return *colon == ':' && address == end->sin_addr.s_addr && strtoul(colon + 1, NULL, 16) == ntohs(end->sin_port);
}

/* The columns of a line of /proc/net/tcp that matter (proc(5)): local_address, rem_address, uid, inode. */
enum { LOCAL = 1, REMOTE = 2, UID = 7, INODE = 9, COLUMNS = 10 };

static bool split(char *line, char *columns[COLUMNS])
{
    int count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word && count < COLUMNS; word = strtok_r(NULL, " ", &rest))
        columns[count++] = word;
    return count == COLUMNS;
}

/* The inode of the socket that is bound to `from` and connected to `to`, and whose it is. 0: the kernel lists none. */
static unsigned long tcp_inode(const struct sockaddr_in *from, const struct sockaddr_in *to, uint32_t *uid)
{
    FILE *table = fopen("/proc/net/tcp", "re");
    char line[256], *columns[COLUMNS];
    unsigned long found = 0;
    while (table && !found && fgets(line, sizeof line, table)) {
        if (!split(line, columns) || !is_end(columns[LOCAL], from) || !is_end(columns[REMOTE], to))
            continue;
        *uid = (uint32_t)strtoul(columns[UID], NULL, 10);
        found = strtoul(columns[INODE], NULL, 10);
    }
    if (table)
        fclose(table);
    return found;
}

static bool has_open(const char *pid, const char *socket_name)
{
    char path[300], target[64];
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *fds = opendir(path);
    bool found = false;
    for (struct dirent *entry; fds && !found && (entry = readdir(fds));) {
        ssize_t n = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        found = strcmp(target, socket_name) == 0;
    }
    if (fds)
        closedir(fds);
    return found;
}

static int32_t process_with(unsigned long inode)
{
    char name[64];
    snprintf(name, sizeof name, "socket:[%lu]", inode);
    DIR *processes = opendir("/proc");
    int32_t pid = 0;
    for (struct dirent *entry; processes && pid == 0 && (entry = readdir(processes));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && has_open(entry->d_name, name))
            pid = (int32_t)strtol(entry->d_name, NULL, 10);
    if (processes)
        closedir(processes);
    return pid;
}

struct cccc_gateway_caller cccc_caller_tcp(int fd)
{
    struct sockaddr_in ours = {0}, theirs = {0};
    socklen_t ours_len = sizeof ours, theirs_len = sizeof theirs;
    struct cccc_gateway_caller caller = {.uid = UINT32_MAX, .gid = UINT32_MAX};
    if (getsockname(fd, (struct sockaddr *)&ours, &ours_len) < 0 || getpeername(fd, (struct sockaddr *)&theirs, &theirs_len) < 0)
        return caller;
    unsigned long inode = tcp_inode(&theirs, &ours, &caller.uid);
    caller.pid = inode ? process_with(inode) : 0;
    return caller;
}
