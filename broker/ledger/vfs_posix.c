/* vfs_posix.c - the operating system behind struct cccc_vfs. The only file of the ledger that makes file system calls.
 *
 * Every call restarts after a signal and answers -errno. Links are never followed at the last component, descriptors never survive an exec.
 * Opening never waits (O_NONBLOCK): a named pipe in the home must not hold the daemon up. For regular files the flag means nothing.
 * Thread: any. */
#include "broker/ledger/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Evaluates `call` until no signal interrupts it; the value is the result or -errno. */
#define RESTARTED(call)                                                                                                                    \
    __extension__({                                                                                                                        \
        __typeof__(call) result_;                                                                                                          \
        do                                                                                                                                 \
            result_ = (call);                                                                                                              \
        while (result_ < 0 && errno == EINTR);                                                                                             \
        result_ < 0 ? -errno : result_;                                                                                                    \
    })

static int posix_open(void *ctx, const char *path, int flags)
{
    (void)ctx;
    bool reads = (flags & CCCC_O_READ) != 0, writes = (flags & CCCC_O_WRITE) != 0;
    int system = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | (writes ? (reads ? O_RDWR : O_WRONLY) : O_RDONLY);
    static const struct {
        int ours, theirs;
    } map[] = {
        {CCCC_O_APPEND, O_APPEND}, {CCCC_O_CREATE, O_CREAT},        {CCCC_O_EXCL, O_EXCL},
        {CCCC_O_TRUNC, O_TRUNC},   {CCCC_O_DIRECTORY, O_DIRECTORY},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (flags & map[i].ours)
            system |= map[i].theirs;
    return RESTARTED(open(path, system, 0600));
}

static int posix_close(void *ctx, int fd)
{
    (void)ctx;
    /* Linux releases the descriptor also when it reports EINTR: closing again could hit somebody else's. */
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t posix_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    (void)ctx;
    return RESTARTED(pread(fd, buf, len, (off_t)offset));
}

static ssize_t posix_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    (void)ctx;
    return RESTARTED(pwrite(fd, buf, len, (off_t)offset));
}

static ssize_t posix_append(void *ctx, int fd, const void *buf, size_t len)
{
    (void)ctx;
    return RESTARTED(write(fd, buf, len));
}

static int posix_sync(void *ctx, int fd)
{
    (void)ctx;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    /* A sync is never restarted: after any failure nobody knows which pages were dropped. */
    int rc = S_ISDIR(st.st_mode) ? fsync(fd) : fdatasync(fd);
    return rc < 0 ? -errno : 0;
}

static int posix_truncate(void *ctx, int fd, uint64_t size)
{
    (void)ctx;
    return RESTARTED(ftruncate(fd, (off_t)size));
}

static void fill_stat(const struct statx *st, struct cccc_stat *out)
{
    bool has_birth = st->stx_mask & STATX_BTIME;
    *out = (struct cccc_stat){
        .size = st->stx_size,
        .device = (uint64_t)makedev(st->stx_dev_major, st->stx_dev_minor),
        .inode = st->stx_ino,
        .mode = (uint32_t)(st->stx_mode & 07777),
        .uid = st->stx_uid,
        .mtime_us = st->stx_mtime.tv_sec * 1000000 + st->stx_mtime.tv_nsec / 1000,
        .birth_ns = has_birth ? (uint64_t)st->stx_btime.tv_sec * 1000000000 + st->stx_btime.tv_nsec : 0,
        .is_dir = S_ISDIR(st->stx_mode),
        .is_regular = S_ISREG(st->stx_mode),
    };
}

static int posix_stat(void *ctx, const char *path, struct cccc_stat *out)
{
    (void)ctx;
    struct statx st;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        return -errno;
    fill_stat(&st, out);
    return 0;
}

static int posix_fstat(void *ctx, int fd, struct cccc_stat *out)
{
    (void)ctx;
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        return -errno;
    fill_stat(&st, out);
    return 0;
}

static int posix_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) < 0 ? -errno : 0;
}

static int posix_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) < 0 ? -errno : 0;
}

static int posix_mkdir(void *ctx, const char *path)
{
    (void)ctx;
    return mkdir(path, 0700) < 0 ? -errno : 0;
}

static int posix_lock(void *ctx, int fd)
{
    (void)ctx;
    return RESTARTED(flock(fd, LOCK_EX | LOCK_NB));
}

static int posix_list(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
    int fd = posix_open(ctx, path, CCCC_O_READ | CCCC_O_DIRECTORY);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int err = -errno;
        close(fd);
        return err;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(arg, entry->d_name);
    int err = -errno;
    closedir(dir);
    return err;
}

static int posix_drop_cache(void *ctx, int fd)
{
    (void)ctx;
    return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

const struct cccc_vfs cccc_vfs_posix = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .append = posix_append,
    .sync = posix_sync,
    .truncate = posix_truncate,
    .stat = posix_stat,
    .fstat = posix_fstat,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .lock = posix_lock,
    .list = posix_list,
    .drop_cache = posix_drop_cache,
};
