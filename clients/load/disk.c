/* disk.c - how long the disk itself takes: append 4 KiB, fdatasync, a hundred times a second, as a ledger in light use would. */
#include "clients/load/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BETWEEN_S    0.01
#define APPEND_BYTES 4096

/* Unlinked at once, so that nothing stays behind however this ends. */
static int open_file(const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/disk-XXXXXX", dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

void disk_worker(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    static char bytes[APPEND_BYTES];
    int fd = open_file(arg);
    if (fd < 0)
        worker_failed(board, lane, "storage_failed", "cannot make a file in %s: %s", (const char *)arg, strerror(errno));
    worker_ready(board);
    while (fd >= 0 && !board->stop) {
        uint64_t begun = worker_now_ns();
        if (write(fd, bytes, sizeof bytes) != sizeof bytes || fdatasync(fd) != 0) {
            worker_failed(board, lane, "storage_failed", "cannot write to %s: %s", (const char *)arg, strerror(errno));
            break;
        }
        worker_answered(board, lane, begun, 1);
        worker_nap(BETWEEN_S);
    }
    if (fd >= 0)
        close(fd);
}
