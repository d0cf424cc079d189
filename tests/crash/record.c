/* record.c - a library to preload into ccccd: writes down everything the process does to the files of one home, and everything it sends.
 *
 * CCCC_RECORD_HOME (its real path) is the home, CCCC_RECORD_LOG the file, outside the home, that records are appended to. CCCC_RECORD_SYNC_US makes every
 * sync take that much longer, so that other work happens while it runs. tests/crash/recording.py reads the log.
 *
 * Invariants: (1) the order of the records is the order in which the calls took effect: each is made and recorded under one lock. A sync is two
 * records, because what is written while it runs may or may not be part of it. (2) a call that changes the home in a way that is not recorded
 * ends the process with a line that names it; what slips past this library (calls inside libc, mmap) is found by comparing the replayed log with
 * the home. (3) children do not inherit the library.
 * The system is called directly (syscall(2)), so nothing here depends on the order in which libraries are initialised.
 * Thread: any. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PATH_ROOM = 4400, FDS_MAX = 65536, FAILED_EXIT = 97 };

/* recording.py has the same list. */
enum op { START, OPEN, CLOSE, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR, RMDIR, BIND, SEND, CHMOD };

/* One record: this head, then `path`, `other` and the data, without padding. Little endian, as the machine is. */
struct head {
    uint32_t size; /* of the whole record */
    uint32_t op;
    int32_t fd;
    uint32_t thread;
    uint64_t a, b; /* by op */
    uint32_t path_len, other_len;
};

/* What a descriptor is. */
enum kind { UNKNOWN, HOME_FILE, SOCKET, OTHER };

static struct {
    pthread_mutex_t lock;
    pid_t pid; /* whose calls are recorded; 0: nobody's */
    int log_fd;
    long sync_us;
    char root[PATH_ROOM];
    size_t root_len;
    unsigned char kinds[FDS_MAX];
} recorder = {.lock = PTHREAD_MUTEX_INITIALIZER, .log_fd = -1};

__attribute__((format(printf, 1, 2), noreturn)) static void give_up(const char *fmt, ...)
{
    char text[PATH_ROOM + 200];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text - 1, fmt, args);
    va_end(args);
    text[len < (int)sizeof text - 1 ? len : (int)sizeof text - 2] = '\n';
    syscall(SYS_write, 2, "tests/crash/record.c: ", (size_t)22);
    syscall(SYS_write, 2, text, strlen(text));
    _exit(FAILED_EXIT);
}

/* ---- the log ---- */

static void put_parts(struct head head, const char *path, const char *other, const struct iovec *data, size_t len)
{
    head.thread = (uint32_t)syscall(SYS_gettid);
    head.path_len = (uint32_t)strlen(path);
    head.other_len = (uint32_t)strlen(other);
    head.size = (uint32_t)(sizeof head + head.path_len + head.other_len + len);
    int saved = errno;
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)(uintptr_t)path, head.path_len}, {(void *)(uintptr_t)other, head.other_len}, *data};
    if (syscall(SYS_writev, recorder.log_fd, parts, 4) != (long)head.size)
        give_up("the log cannot be written: %s", strerror(errno));
    errno = saved;
}

static void put(struct head head, const char *path, const char *other, const void *data, size_t len)
{
    put_parts(head, path, other, &(struct iovec){(void *)(uintptr_t)data, len}, len);
}

static void lock(void)
{
    pthread_mutex_lock(&recorder.lock);
}

static void unlock(void)
{
    int saved = errno;
    pthread_mutex_unlock(&recorder.lock);
    errno = saved;
}

__attribute__((constructor)) static void begin(void)
{
    const char *home = getenv("CCCC_RECORD_HOME"), *log = getenv("CCCC_RECORD_LOG"), *sync_us = getenv("CCCC_RECORD_SYNC_US");
    if (!home || !log || strlen(home) >= sizeof recorder.root)
        give_up("CCCC_RECORD_HOME and CCCC_RECORD_LOG must be set");
    long fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        give_up("%s: %s", log, strerror(errno));
    strcpy(recorder.root, home);
    recorder.root_len = strlen(home);
    recorder.log_fd = (int)fd;
    recorder.sync_us = sync_us ? atol(sync_us) : 0;
    recorder.pid = getpid();
    unsetenv("LD_PRELOAD");
    put((struct head){.op = START, .a = (uint64_t)recorder.pid}, "", "", NULL, 0);
}

/* False in a forked child. */
static bool is_recorded(void)
{
    return recorder.pid != 0 && getpid() == recorder.pid;
}

/* ---- what a call is about ---- */

/* The path inside the home ("" is the home itself) that `path`, seen from directory `dir_fd`, names; NULL when it is elsewhere. */
static const char *inside(int dir_fd, const char *path, char room[PATH_ROOM])
{
    char link[32];
    ssize_t len = 0;
    if (!is_recorded() || !path)
        return NULL;
    if (path[0] != '/') {
        if (dir_fd == AT_FDCWD)
            strcpy(link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", dir_fd);
        len = readlink(link, room, PATH_ROOM - 1);
        if (len < 0)
            return NULL;
        room[len++] = '/';
    }
    if ((size_t)len + strlen(path) >= PATH_ROOM)
        give_up("a path is too long: %s", path);
    strcpy(room + len, path);
    if (strncmp(room, recorder.root, recorder.root_len) != 0 || (room[recorder.root_len] != '/' && room[recorder.root_len] != '\0'))
        return NULL;
    char *rest = room + recorder.root_len;
    for (char *twice; (twice = strstr(rest, "//"));)
        memmove(twice, twice + 1, strlen(twice));
    if (strstr(rest, "/./") || strstr(rest, "/../"))
        give_up("a path that is not in its plain form: %s", room);
    return *rest == '/' ? rest + 1 : rest;
}

static void set_kind(int fd, enum kind kind)
{
    if (fd < 0 || fd >= FDS_MAX)
        give_up("descriptor %d is out of range", fd);
    recorder.kinds[fd] = (unsigned char)kind;
}

/* What `fd` is. A file of the home must have been opened before our eyes. */
static enum kind kind_of(int fd)
{
    struct stat st;
    char link[32], path[PATH_ROOM], room[PATH_ROOM];
    if (!is_recorded() || fd < 0 || fd >= FDS_MAX)
        return OTHER;
    if (recorder.kinds[fd] != UNKNOWN || fstat(fd, &st) < 0)
        return recorder.kinds[fd] == UNKNOWN ? OTHER : recorder.kinds[fd];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = S_ISREG(st.st_mode) ? readlink(link, path, sizeof path - 1) : 0;
    path[len < 0 ? 0 : len] = '\0';
    if (len > 0 && inside(AT_FDCWD, path, room))
        give_up("descriptor %d of %s was not opened by open()", fd, path);
    set_kind(fd, S_ISSOCK(st.st_mode) ? SOCKET : OTHER);
    return recorder.kinds[fd];
}

static void refuse(const char *call, int fd)
{
    if (kind_of(fd) == HOME_FILE)
        give_up("%s on a file of the home: teach the recorder about it", call);
}

/* ---- opening and closing ---- */

static int do_open(int dir_fd, const char *path, int flags, mode_t mode)
{
    char room[PATH_ROOM];
    struct stat st = {0};
    const char *in = inside(dir_fd, path, room);
    if (!in) {
        int other = (int)syscall(SYS_openat, dir_fd, path, flags, mode);
        if (other >= 0 && is_recorded())
            set_kind(other, OTHER);
        return other;
    }
    if ((flags & O_TMPFILE) == O_TMPFILE)
        give_up("O_TMPFILE in the home: teach the recorder about it");
    lock();
    int fd = (int)syscall(SYS_openat, dir_fd, path, flags, mode);
    if (fd >= 0) {
        set_kind(fd, HOME_FILE);
        fstat(fd, &st);
        put((struct head){.op = OPEN, .fd = fd, .a = (uint64_t)flags, .b = st.st_ino}, in, "", NULL, 0);
    }
    unlock();
    return fd;
}

#define MODE_OF(flags)                                                                                                                     \
    __extension__({                                                                                                                        \
        mode_t mode_ = 0;                                                                                                                  \
        if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                                           \
            va_list args_;                                                                                                                 \
            va_start(args_, flags);                                                                                                        \
            mode_ = va_arg(args_, mode_t);                                                                                                 \
            va_end(args_);                                                                                                                 \
        }                                                                                                                                  \
        mode_;                                                                                                                             \
    })

int open(const char *path, int flags, ...)
{
    return do_open(AT_FDCWD, path, flags, MODE_OF(flags));
}

int open64(const char *path, int flags, ...)
{
    return do_open(AT_FDCWD, path, flags, MODE_OF(flags));
}

int openat(int dir_fd, const char *path, int flags, ...)
{
    return do_open(dir_fd, path, flags, MODE_OF(flags));
}

int openat64(int dir_fd, const char *path, int flags, ...)
{
    return do_open(dir_fd, path, flags, MODE_OF(flags));
}

int creat(const char *path, mode_t mode)
{
    return do_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int __open_2(const char *path, int flags); /* what open() is with _FORTIFY_SOURCE */
int __open_2(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}

/* Under the lock, before the number is free for somebody else. */
static void note_close(int fd)
{
    if (fd < 0 || fd >= FDS_MAX)
        return;
    if (recorder.kinds[fd] == HOME_FILE || recorder.kinds[fd] == SOCKET)
        put((struct head){.op = CLOSE, .fd = fd}, "", "", NULL, 0);
    recorder.kinds[fd] = UNKNOWN;
}

int close(int fd)
{
    if (!is_recorded())
        return (int)syscall(SYS_close, fd);
    lock();
    note_close(fd);
    int rc = (int)syscall(SYS_close, fd);
    unlock();
    return rc;
}

int closedir(DIR *dir)
{
    int (*real)(DIR *) = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
    if (!is_recorded())
        return real(dir);
    lock();
    note_close(dirfd(dir));
    int rc = real(dir);
    unlock();
    return rc;
}

/* ---- bytes ---- */

/* After `written` bytes went to `fd`: from the first of `parts`, into the home at `offset`, or to a peer. */
static void note_bytes(enum kind kind, int fd, uint64_t offset, const struct iovec *parts, size_t count, ssize_t written)
{
    size_t left = written > 0 ? (size_t)written : 0;
    for (size_t i = 0; i < count && left > 0; i++) {
        size_t len = parts[i].iov_len < left ? parts[i].iov_len : left;
        put((struct head){.op = kind == SOCKET ? SEND : WRITE, .fd = fd, .a = offset}, "", "", parts[i].iov_base, len);
        offset += len;
        left -= len;
    }
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    enum kind kind = kind_of(fd);
    if (kind == OTHER)
        return syscall(SYS_writev, fd, parts, count);
    lock();
    ssize_t written = syscall(SYS_writev, fd, parts, count);
    /* Where an appending write went shows in the position behind it. */
    off_t end = written > 0 && kind == HOME_FILE ? lseek(fd, 0, SEEK_CUR) : written;
    note_bytes(kind, fd, (uint64_t)(end - written), parts, (size_t)count, written);
    unlock();
    return written;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (kind_of(fd) == OTHER)
        return syscall(SYS_write, fd, bytes, len);
    return writev(fd, &(struct iovec){(void *)(uintptr_t)bytes, len}, 1);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (kind_of(fd) == OTHER)
        return syscall(SYS_pwrite64, fd, bytes, len, offset);
    lock();
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, len, offset);
    note_bytes(HOME_FILE, fd, (uint64_t)offset, &(struct iovec){(void *)(uintptr_t)bytes, len}, 1, written);
    unlock();
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
    return pwrite(fd, bytes, len, offset);
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *address, socklen_t address_len)
{
    if (kind_of(fd) == OTHER)
        return syscall(SYS_sendto, fd, bytes, len, flags, address, address_len);
    lock();
    ssize_t written = syscall(SYS_sendto, fd, bytes, len, flags, address, address_len);
    note_bytes(SOCKET, fd, 0, &(struct iovec){(void *)(uintptr_t)bytes, len}, 1, written);
    unlock();
    return written;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    return sendto(fd, bytes, len, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (kind_of(fd) == OTHER)
        return syscall(SYS_sendmsg, fd, message, flags);
    lock();
    ssize_t written = syscall(SYS_sendmsg, fd, message, flags);
    note_bytes(SOCKET, fd, 0, message->msg_iov, message->msg_iovlen, written);
    unlock();
    return written;
}

int ftruncate(int fd, off_t size)
{
    if (kind_of(fd) == OTHER)
        return (int)syscall(SYS_ftruncate, fd, size);
    lock();
    int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (rc == 0)
        put((struct head){.op = TRUNCATE, .fd = fd, .a = (uint64_t)size}, "", "", NULL, 0);
    unlock();
    return rc;
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

/* ---- syncs ---- */

static int do_sync(long call, int fd)
{
    if (kind_of(fd) == OTHER)
        return (int)syscall(call, fd);
    lock();
    put((struct head){.op = SYNC_BEGIN, .fd = fd}, "", "", NULL, 0);
    unlock();
    nanosleep(&(struct timespec){.tv_sec = recorder.sync_us / 1000000, .tv_nsec = recorder.sync_us % 1000000 * 1000}, NULL);
    int rc = (int)syscall(call, fd);
    lock();
    put((struct head){.op = SYNC_END, .fd = fd, .a = rc == 0}, "", "", NULL, 0);
    unlock();
    return rc;
}

int fsync(int fd)
{
    return do_sync(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return do_sync(SYS_fdatasync, fd);
}

/* ---- names ---- */

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    char from_room[PATH_ROOM], to_room[PATH_ROOM];
    const char *in_from = inside(from_fd, from, from_room), *in_to = inside(to_fd, to, to_room);
    if (!in_from && !in_to)
        return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
    if (!in_from || !in_to || (flags & ~(unsigned)RENAME_NOREPLACE))
        give_up("a rename of %s to %s with flags %u: teach the recorder about it", from, to, flags);
    lock();
    int rc = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
    if (rc == 0)
        put((struct head){.op = RENAME}, in_from, in_to, NULL, 0);
    unlock();
    return rc;
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat2(from_fd, from, to_fd, to, 0);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
    char room[PATH_ROOM];
    const char *in = inside(dir_fd, path, room);
    if (!in)
        return (int)syscall(SYS_unlinkat, dir_fd, path, flags);
    lock();
    int rc = (int)syscall(SYS_unlinkat, dir_fd, path, flags);
    if (rc == 0)
        put((struct head){.op = flags & AT_REMOVEDIR ? RMDIR : UNLINK}, in, "", NULL, 0);
    unlock();
    return rc;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char *path)
{
    int rc = unlink(path);
    return rc < 0 && errno == EISDIR ? rmdir(path) : rc;
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    char room[PATH_ROOM];
    const char *in = inside(dir_fd, path, room);
    if (!in)
        return (int)syscall(SYS_mkdirat, dir_fd, path, mode);
    lock();
    int rc = (int)syscall(SYS_mkdirat, dir_fd, path, mode);
    if (rc == 0)
        put((struct head){.op = MKDIR}, in, "", NULL, 0);
    unlock();
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

/* A socket's name in the home. */
int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    char room[PATH_ROOM];
    const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)address;
    const char *in = address->sa_family == AF_UNIX && local->sun_path[0] ? inside(AT_FDCWD, local->sun_path, room) : NULL;
    if (!in)
        return (int)syscall(SYS_bind, fd, address, len);
    lock();
    int rc = (int)syscall(SYS_bind, fd, address, len);
    if (rc == 0)
        put((struct head){.op = BIND}, in, "", NULL, 0);
    unlock();
    return rc;
}

int chmod(const char *path, mode_t mode)
{
    char room[PATH_ROOM];
    const char *in = inside(AT_FDCWD, path, room);
    if (!in)
        return (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
    lock();
    int rc = (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
    if (rc == 0)
        put((struct head){.op = CHMOD, .a = mode}, in, "", NULL, 0);
    unlock();
    return rc;
}

/* ---- what ccccd does not use today ---- */

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    refuse("pwritev", fd);
    return syscall(SYS_pwritev, fd, parts, count, (long)offset, 0L);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    refuse("fallocate", fd);
    return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
    return fallocate(fd, 0, offset, len) < 0 ? errno : 0;
}

ssize_t copy_file_range(int from_fd, off_t *from_offset, int to_fd, off_t *to_offset, size_t len, unsigned flags)
{
    refuse("copy_file_range", to_fd);
    return syscall(SYS_copy_file_range, from_fd, from_offset, to_fd, to_offset, len, flags);
}

ssize_t sendfile(int to_fd, int from_fd, off_t *offset, size_t len)
{
    refuse("sendfile", to_fd);
    return syscall(SYS_sendfile, to_fd, from_fd, offset, len);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    char room[PATH_ROOM];
    if (inside(to_fd, to, room))
        give_up("a link in the home: teach the recorder about it");
    return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int symlink(const char *target, const char *path)
{
    char room[PATH_ROOM];
    if (inside(AT_FDCWD, path, room))
        give_up("a symbolic link in the home: teach the recorder about it");
    return (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}

int truncate(const char *path, off_t size)
{
    char room[PATH_ROOM];
    if (inside(AT_FDCWD, path, room))
        give_up("truncate() in the home: teach the recorder about it");
    return (int)syscall(SYS_truncate, path, size);
}
