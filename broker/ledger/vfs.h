/* vfs.h - every file operation the ledger and the home's files are made of, behind one table, so that tests can fail, tear, delay or forget any.
 *
 * Calls follow POSIX: a negative return is -errno (never the global errno), short transfers are possible and the caller loops.
 * Paths are absolute. Implementations: vfs_posix.c (the only file that calls the system), tests' faulty and simulated disks.
 * Thread: an implementation may be called from any thread; one descriptor is used by one thread at a time, except pread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cccc_stat {
    uint64_t size;
    uint64_t device;
    uint64_t inode;
    uint32_t mode;
    uint32_t uid;
    int64_t mtime_us;
    uint64_t birth_ns; /* when the file was made, since 1970; 0: the file system does not say */
    bool is_dir;
    bool is_regular;
};

enum cccc_open_flags {
    CCCC_O_READ = 1,
    CCCC_O_WRITE = 2,
    CCCC_O_APPEND = 4, /* with WRITE */
    CCCC_O_CREATE = 8, /* mode 0600 */
    CCCC_O_EXCL = 16,
    CCCC_O_TRUNC = 32,
    CCCC_O_DIRECTORY = 64
};

struct cccc_vfs {
    void *ctx;
    int (*open)(void *ctx, const char *path, int flags); /* descriptor or -errno; O_CLOEXEC, O_NOFOLLOW */
    int (*close)(void *ctx, int fd);
    ssize_t (*pread)(void *ctx, int fd, void *buf, size_t len, uint64_t offset);
    ssize_t (*pwrite)(void *ctx, int fd, const void *buf, size_t len, uint64_t offset); /* not on an APPEND descriptor: Linux appends */
    ssize_t (*append)(void *ctx, int fd, const void *buf, size_t len);                  /* write(2) on an O_APPEND descriptor */
    int (*sync)(void *ctx, int fd);                                                     /* fdatasync; fsync for a directory */
    int (*truncate)(void *ctx, int fd, uint64_t size);
    int (*stat)(void *ctx, const char *path, struct cccc_stat *out); /* does not follow a link */
    int (*fstat)(void *ctx, int fd, struct cccc_stat *out);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*mkdir)(void *ctx, const char *path); /* mode 0700; -EEXIST is an answer */
    int (*lock)(void *ctx, int fd);            /* flock LOCK_EX|LOCK_NB; -EWOULDBLOCK when held */
    /* Names in a directory, one call each, without . and .. ; order unspecified. 0 or -errno. */
    int (*list)(void *ctx, const char *path, void (*each)(void *arg, const char *name), void *arg);
    int (*drop_cache)(void *ctx, int fd); /* posix_fadvise DONTNEED; advisory */
};

/* The operating system's. */
extern const struct cccc_vfs cccc_vfs_posix;

/* Helpers over any vfs: loop over short transfers. 0 or -errno. read_all gives fewer bytes only at end of file. */
int cccc_vfs_write_all(const struct cccc_vfs *vfs, int fd, const void *buf, size_t len);
int cccc_vfs_pwrite_all(const struct cccc_vfs *vfs, int fd, const void *buf, size_t len, uint64_t offset);
ssize_t cccc_vfs_read_all(const struct cccc_vfs *vfs, int fd, void *buf, size_t len, uint64_t offset);
/* fsync of the directory `path`. */
int cccc_vfs_sync_dir(const struct cccc_vfs *vfs, const char *path);
/* The same for the directory that holds `path`. */
int cccc_vfs_sync_parent(const struct cccc_vfs *vfs, const char *path);
/* Copy `len` bytes of `fd` from `offset` (fewer at the end of the file) into the file `path`, emptied first, and sync it. The directory entry
 * is the caller's to sync. */
int cccc_vfs_copy_out(const struct cccc_vfs *vfs, int fd, uint64_t offset, uint64_t len, const char *path);
/* Replace `path` by `len` bytes so that a crash leaves the old or the new file, never a mix: temporary file in the same directory, sync,
 * rename, sync of the directory. With `keep_prev` a copy of the old file stays as `path`.prev; `path` itself is there at every instant. */
int cccc_vfs_replace(const struct cccc_vfs *vfs, const char *path, const void *buf, size_t len, bool keep_prev);
/* A whole file of at most `max` bytes into malloc'd memory (caller frees; NUL added behind *len). -EFBIG over max. */
int cccc_vfs_slurp(const struct cccc_vfs *vfs, const char *path, size_t max, char **out, size_t *len);
/* mkdir -p with directory syncs; 0 or -errno. */
int cccc_vfs_make_dirs(const struct cccc_vfs *vfs, const char *path);
/* Remove the files of the directory `dir` whose names `is_needless` is true for. The names are collected first: a directory is not changed while it is being listed. 0 or the first
 * -errno; a file that is gone already is none. */
typedef bool (*cccc_name_test_t)(const void *arg, const char *name);
int cccc_vfs_sweep(const struct cccc_vfs *vfs, const char *dir, cccc_name_test_t is_needless, const void *arg);
