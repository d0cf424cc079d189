/* lock.c - one daemon per home.
 *
 * Owns daemon/ccccd.lock and daemon/ccccd.pid. The flock decides; the pid in the files only tells people (and `daemon stop`) who won.
 * Invariant: the winner's lock is on the file that stands at the path, so two locks on an old and a new file cannot both win.
 * Thread: start-up's. */
#include "broker/store/files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PID_WAIT_MS = 500, PID_POLL_MS = 5, RELINK_TRIES_MAX = 10 };

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The pid of a living process in the lock file, or 0. What a dead owner left behind does not count: the winner may not have written yet. */
static int32_t read_pid(const struct cccc_vfs *vfs, int fd)
{
    char text[24] = "";
    ssize_t n = cccc_vfs_read_all(vfs, fd, text, sizeof text - 1, 0);
    if (n <= 0 || !strchr(text, '\n'))
        return 0;
    long pid = strtol(text, NULL, 10);
    if (pid <= 0 || pid > INT32_MAX || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
        return 0;
    return (int32_t)pid;
}

static int32_t wait_for_pid(const struct cccc_vfs *vfs, int fd)
{
    uint64_t deadline = now_ms() + PID_WAIT_MS;
    for (;;) {
        int32_t pid = read_pid(vfs, fd);
        if (pid || now_ms() >= deadline)
            return pid;
        nanosleep(&(struct timespec){.tv_nsec = PID_POLL_MS * 1000000L}, NULL);
    }
}

/* ccccd.pid first: a loser who reads our pid in the lock file leaves at once, and whoever started it then looks for us in ccccd.pid. */
static cccc_err_t write_pid(const struct cccc_vfs *vfs, const struct cccc_home *home, int fd, struct cccc_errmsg *m)
{
    char text[24];
    struct cccc_path path = cccc_path(home, "/daemon/ccccd.pid");
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    int rc = cccc_vfs_replace(vfs, path.z, text, (size_t)len, false);
    if (rc < 0)
        return cccc_file_fail(m, rc, "write", path.z);
    rc = vfs->truncate(vfs->ctx, fd, 0);
    if (rc == 0)
        rc = cccc_vfs_pwrite_all(vfs, fd, text, (size_t)len, 0);
    return rc < 0 ? cccc_file_fail(m, rc, "write the pid into", cccc_path(home, "/daemon/ccccd.lock").z) : CCCC_OK;
}

/* Is the file behind `fd` still the one at `path`? */
static bool is_linked(const struct cccc_vfs *vfs, int fd, const char *path)
{
    struct cccc_stat ours, there;
    return vfs->fstat(vfs->ctx, fd, &ours) == 0 && vfs->stat(vfs->ctx, path, &there) == 0 && ours.inode == there.inode &&
           ours.device == there.device;
}

/* A locked descriptor of the file at `path`, or -EWOULDBLOCK with *loser open, or another -errno. */
static int open_locked(const struct cccc_vfs *vfs, const char *path, int *loser)
{
    for (int i = 0; i < RELINK_TRIES_MAX; i++) {
        int fd = vfs->open(vfs->ctx, path, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_CREATE);
        if (fd < 0)
            return fd;
        int rc = vfs->lock(vfs->ctx, fd);
        if (rc == 0 && is_linked(vfs, fd, path))
            return fd;
        if (rc == -EWOULDBLOCK) {
            *loser = fd;
            return rc;
        }
        vfs->close(vfs->ctx, fd);
        if (rc < 0)
            return rc;
    }
    return -EBUSY;
}

cccc_err_t cccc_home_lock(const struct cccc_vfs *vfs, const struct cccc_home *home, int *fd, int32_t *pid, struct cccc_errmsg *m)
{
    struct cccc_path path = cccc_path(home, "/daemon/ccccd.lock");
    int loser = -1;
    int locked = open_locked(vfs, path.z, &loser);
    if (locked == -EWOULDBLOCK) {
        *pid = wait_for_pid(vfs, loser);
        vfs->close(vfs->ctx, loser);
        if (*pid)
            return cccc_fail(m, CCCC_E_LOCKED, "served by pid %d", (int)*pid);
        return cccc_fail(m, CCCC_E_LOCKED, "%s is held by a process that has not written its pid; try again", path.z);
    }
    if (locked < 0)
        return cccc_file_fail(m, locked, "lock", path.z);
    cccc_err_t err = write_pid(vfs, home, locked, m);
    if (err) {
        vfs->close(vfs->ctx, locked);
        return err;
    }
    *fd = locked;
    *pid = (int32_t)getpid();
    return CCCC_OK;
}
