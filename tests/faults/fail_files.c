/* fail_files.c - preloaded into a real process: chosen file calls on chosen paths fail, move only a part, or take their time.
 *
 * FAULT_RULES names a file that holds one struct sheet; the test switches its rules on and off while the process runs, and reads what they
 * did. A rule counts the calls it is about and strikes those from the `first`, `count` of them (0: all). The first rule that strikes decides.
 * Calls on descriptors are matched by the path the descriptor has now; sockets and pipes have none that a rule means.
 * Thread: any. */
#include "tests/faults/shared_page.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* Bits of struct rule's `calls`, in the order of CALLS in faults.py. */
enum call {
    OPEN_TO_READ = 1,
    OPEN_TO_WRITE = 2,
    READ = 4,
    WRITE = 8,
    SYNC = 16,           /* fdatasync: a file */
    SYNC_DIRECTORY = 32, /* fsync */
    TRUNCATE = 64,
    LOOK = 128,
    RENAME = 256,
    UNLINK = 512,
    MKDIR = 1024,
    LOCK = 2048,
    CLOSE = 4096
};

enum { RULES = 16, DESCRIPTORS = 4096 };

struct rule {
    _Atomic int32_t active; /* written last, cleared first */
    int32_t calls;
    int32_t error;       /* 0: none */
    int32_t short_bytes; /* a read or write moves at most this many; negative: all */
    uint64_t first, count, delay_us;
    _Atomic uint64_t seen, struck;
    char pattern[200]; /* fnmatch(3) over the whole path */
};

struct sheet {
    _Atomic uint64_t failed_syncs;
    _Atomic uint64_t repeated_syncs; /* on a descriptor whose sync had failed */
    struct rule rules[RULES];
};

static struct sheet *sheet;
static _Atomic char sync_failed[DESCRIPTORS];

__attribute__((constructor)) static void attach(void)
{
    sheet = shared_page("FAULT_RULES", sizeof *sheet);
}

/* What one call meets. */
struct blow {
    int error;
    size_t most;
};

static bool is_anything_on(void)
{
    for (int i = 0; sheet && i < RULES; i++)
        if (atomic_load_explicit(&sheet->rules[i].active, memory_order_acquire))
            return true;
    return false;
}

static bool strikes(struct rule *rule, enum call call, const char *path)
{
    if (!atomic_load_explicit(&rule->active, memory_order_acquire) || !(rule->calls & (int32_t)call) ||
        fnmatch(rule->pattern, path, 0) != 0)
        return false;
    uint64_t number = atomic_fetch_add(&rule->seen, 1) + 1;
    if (number < rule->first || (rule->count > 0 && number >= rule->first + rule->count))
        return false;
    atomic_fetch_add(&rule->struck, 1);
    return true;
}

static struct blow strike(enum call call, const char *path)
{
    struct blow blow = {0, SIZE_MAX};
    for (int i = 0; i < RULES; i++) {
        struct rule *rule = &sheet->rules[i];
        if (!strikes(rule, call, path))
            continue;
        if (rule->delay_us)
            nanosleep(&(struct timespec){(time_t)(rule->delay_us / 1000000), (long)(rule->delay_us % 1000000) * 1000}, NULL);
        blow.error = rule->error;
        if (rule->short_bytes >= 0)
            blow.most = (size_t)rule->short_bytes;
        break;
    }
    return blow;
}

static struct blow strike_path(enum call call, const char *path)
{
    return is_anything_on() ? strike(call, path) : (struct blow){0, SIZE_MAX};
}

static struct blow strike_fd(enum call call, int fd)
{
    char name[40], path[4096];
    if (!is_anything_on())
        return (struct blow){0, SIZE_MAX};
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, name, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return strike(call, path);
}

/* The call fails with `error` if there is one, else it is made. */
#define ANSWER(error, ...)                                                                                                                 \
    do {                                                                                                                                   \
        if (error) {                                                                                                                       \
            errno = (error);                                                                                                               \
            return -1;                                                                                                                     \
        }                                                                                                                                  \
        return __VA_ARGS__;                                                                                                                \
    } while (0)

static int open_at(const char *path, int flags, va_list args)
{
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    struct blow blow = strike_path(writes ? OPEN_TO_WRITE : OPEN_TO_READ, path);
    ANSWER(blow.error, (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int fd = open_at(path, flags, args);
    va_end(args);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int fd = open_at(path, flags, args);
    va_end(args);
    return fd;
}

int close(int fd)
{
    struct blow blow = strike_fd(CLOSE, fd);
    if (fd >= 0 && fd < DESCRIPTORS)
        sync_failed[fd] = 0;
    int rc = (int)syscall(SYS_close, fd); /* Linux closes also when it reports an error */
    ANSWER(blow.error, rc);
}

static size_t at_most(size_t len, struct blow blow)
{
    return len < blow.most ? len : blow.most;
}

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
    struct blow blow = strike_fd(READ, fd);
    ANSWER(blow.error, syscall(SYS_pread64, fd, buf, at_most(len, blow), offset));
}

ssize_t write(int fd, const void *buf, size_t len)
{
    struct blow blow = strike_fd(WRITE, fd);
    ANSWER(blow.error, syscall(SYS_write, fd, buf, at_most(len, blow)));
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    struct blow blow = strike_fd(WRITE, fd);
    ANSWER(blow.error, syscall(SYS_pwrite64, fd, buf, at_most(len, blow), offset));
}

static int sync_with(enum call call, int fd, long number)
{
    struct blow blow = strike_fd(call, fd);
    bool known = sheet && fd >= 0 && fd < DESCRIPTORS;
    if (known && sync_failed[fd])
        atomic_fetch_add(&sheet->repeated_syncs, 1);
    if (known && blow.error) {
        sync_failed[fd] = 1;
        atomic_fetch_add(&sheet->failed_syncs, 1);
    }
    ANSWER(blow.error, (int)syscall(number, fd));
}

int fsync(int fd)
{
    return sync_with(SYNC_DIRECTORY, fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_with(SYNC, fd, SYS_fdatasync);
}

int ftruncate(int fd, off_t size)
{
    struct blow blow = strike_fd(TRUNCATE, fd);
    ANSWER(blow.error, (int)syscall(SYS_ftruncate, fd, size));
}

int statx(int fd, const char *restrict path, int flags, unsigned mask, struct statx *restrict out)
{
    struct blow blow = path[0] ? strike_path(LOOK, path) : strike_fd(LOOK, fd);
    ANSWER(blow.error, (int)syscall(SYS_statx, fd, path, flags, mask, out));
}

int rename(const char *from, const char *to)
{
    struct blow blow = strike_path(RENAME, to);
    ANSWER(blow.error, (int)syscall(SYS_rename, from, to));
}

int unlink(const char *path)
{
    struct blow blow = strike_path(UNLINK, path);
    ANSWER(blow.error, (int)syscall(SYS_unlink, path));
}

int mkdir(const char *path, mode_t mode)
{
    struct blow blow = strike_path(MKDIR, path);
    ANSWER(blow.error, (int)syscall(SYS_mkdir, path, mode));
}

int flock(int fd, int operation)
{
    struct blow blow = strike_fd(LOCK, fd);
    ANSWER(blow.error, (int)syscall(SYS_flock, fd, operation));
}
