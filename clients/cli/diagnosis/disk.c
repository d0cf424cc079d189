/* disk.c - the disk that a home is on: whether it has room, and what it is.
 *
 * Thread: the program's one. */
#include "clients/cli/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Below these the disk is reported: a ledger that cannot grow refuses messages. */
#define LOW_BYTES  (512ull * 1024 * 1024)
#define NONE_BYTES (32ull * 1024 * 1024)

enum offline_room offline_disk(struct cli *cli, const char **text)
{
    struct statvfs fs;
    char size[32];
    if (statvfs(cli->home.root, &fs) != 0) {
        *text = cli_printf(cli, "cannot ask for free space: %s", strerror(errno));
        return OFFLINE_ROOM_UNKNOWN;
    }
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool inodes = fs.f_files == 0 || fs.f_favail >= OFFLINE_INODES_MIN;
    cli_size(size, sizeof size, bytes);
    if (fs.f_flag & ST_RDONLY)
        *text = "the file system is mounted read-only";
    else if (!inodes)
        *text = cli_printf(cli, "only %" PRIu64 " inodes free; make room before messages are refused", (uint64_t)fs.f_favail);
    else
        *text = cli_printf(cli, "%s free%s", size, bytes < LOW_BYTES ? "; make room before messages are refused" : "");
    if ((fs.f_flag & ST_RDONLY) || !inodes || bytes < NONE_BYTES)
        return OFFLINE_ROOM_NONE;
    return bytes < LOW_BYTES ? OFFLINE_ROOM_LOW : OFFLINE_ROOM_ENOUGH;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": the word behind the dash. */
static const char *type_in(struct cli *cli, const char *line)
{
    const char *dash = strstr(line, " - ");
    return dash ? cli_printf(cli, "%.*s", (int)strcspn(dash + 3, " "), dash + 3) : "unknown";
}

/* The fifth word: a blank in it is written as \040, which a shell does not take for one. */
static const char *target_in(struct cli *cli, const char *line)
{
    for (int word = 1; word < 5 && *line; word++)
        line += strcspn(line, " ") + (line[strcspn(line, " ")] == ' ');
    return memchr(line, '\\', strcspn(line, " ")) ? NULL : cli_printf(cli, "%.*s", (int)strcspn(line, " "), line);
}

/* The line of mountinfo about what `path` is on. False: there is none. */
static bool mount_line(const char *path, char *line, int size)
{
    struct statx st;
    bool found = false;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    if (!mounts)
        return false;
    if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) == 0 && (st.stx_mask & STATX_MNT_ID))
        while (!found && fgets(line, size, mounts))
            found = strtoull(line, NULL, 10) == st.stx_mnt_id;
    fclose(mounts);
    return found;
}

const char *offline_filesystem(struct cli *cli, const char *path)
{
    char line[8192];
    return mount_line(path, line, sizeof line) ? type_in(cli, line) : "unknown";
}

const char *offline_mount(struct cli *cli, const char *path)
{
    char line[8192];
    const char *target = mount_line(path, line, sizeof line) ? target_in(cli, line) : NULL;
    return target ? target : path;
}
