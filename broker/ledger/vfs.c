/* vfs.c - what can be said with the calls of a vfs alone: whole transfers, whole files, durable directories.
 *
 * Owns nothing. Thread: any. */
#include "broker/ledger/vfs.h"

#include "broker/mutant.h"
#include "proto/limits.h"
#include "proto/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = CCCC_PATH_BYTES_MAX + 64, COPY_BLOCK = 64 * 1024 };

int cccc_vfs_write_all(const struct cccc_vfs *vfs, int fd, const void *buf, size_t len)
{
    const char *at = buf;
    while (len > 0) {
        ssize_t n = vfs->append(vfs->ctx, fd, at, len);
        if (n < 0)
            return (int)n;
        if (n == 0) /* POSIX leaves it open for regular files; a loop that cannot end is worse than an error. */
            return -EIO;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int cccc_vfs_pwrite_all(const struct cccc_vfs *vfs, int fd, const void *buf, size_t len, uint64_t offset)
{
    const char *at = buf;
    while (len > 0) {
        ssize_t n = vfs->pwrite(vfs->ctx, fd, at, len, offset);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

ssize_t cccc_vfs_read_all(const struct cccc_vfs *vfs, int fd, void *buf, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = vfs->pread(vfs->ctx, fd, (char *)buf + done, len - done, offset + done);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int cccc_vfs_sync_dir(const struct cccc_vfs *vfs, const char *path)
{
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ | CCCC_O_DIRECTORY);
    if (fd < 0)
        return fd;
    int rc = vfs->sync(vfs->ctx, fd);
    vfs->close(vfs->ctx, fd);
    return rc;
}

/* `out` gets the directory of `path`: "/" for a name in the root. */
static int parent_of(const char *path, char out[PATH_ROOM])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!slash || len >= PATH_ROOM)
        return slash ? -ENAMETOOLONG : -EINVAL;
    if (len == 0)
        len = 1;
    memcpy(out, path, len);
    out[len] = '\0';
    return 0;
}

int cccc_vfs_sync_parent(const struct cccc_vfs *vfs, const char *path)
{
    char dir[PATH_ROOM];
    int rc = parent_of(path, dir);
    return rc < 0 ? rc : cccc_vfs_sync_dir(vfs, dir);
}

int cccc_vfs_make_dirs(const struct cccc_vfs *vfs, const char *path)
{
    int rc = vfs->mkdir(vfs->ctx, path);
    if (rc == -ENOENT) {
        char dir[PATH_ROOM];
        rc = parent_of(path, dir);
        if (rc == 0)
            rc = cccc_vfs_make_dirs(vfs, dir);
        if (rc == 0)
            rc = vfs->mkdir(vfs->ctx, path);
    }
    if (rc == 0)
        return cccc_vfs_sync_parent(vfs, path);
    if (rc != -EEXIST)
        return rc;
    struct cccc_stat st;
    rc = vfs->stat(vfs->ctx, path, &st);
    return rc < 0 ? rc : st.is_dir ? 0 : -ENOTDIR;
}

/* Copy up to `len` bytes between open files, block by block; fewer only at the end of `from`. */
static int copy_bytes(const struct cccc_vfs *vfs, int from, uint64_t offset, uint64_t len, int to)
{
    char *block = malloc(COPY_BLOCK);
    if (!block)
        return -ENOMEM;
    int rc = 0;
    while (len > 0 && rc == 0) {
        ssize_t n = cccc_vfs_read_all(vfs, from, block, len < COPY_BLOCK ? (size_t)len : COPY_BLOCK, offset);
        if (n <= 0) {
            rc = (int)n;
            break;
        }
        rc = cccc_vfs_write_all(vfs, to, block, (size_t)n);
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    free(block);
    return rc;
}

/* A new file `path` (an old one of that name is emptied first), open for writing. */
static int open_fresh(const struct cccc_vfs *vfs, const char *path)
{
    return vfs->open(vfs->ctx, path, CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE | CCCC_O_TRUNC);
}

int cccc_vfs_copy_out(const struct cccc_vfs *vfs, int fd, uint64_t offset, uint64_t len, const char *path)
{
    int to = open_fresh(vfs, path);
    if (to < 0)
        return to;
    int rc = copy_bytes(vfs, fd, offset, len, to);
    if (rc == 0)
        rc = vfs->sync(vfs->ctx, to);
    vfs->close(vfs->ctx, to);
    return rc;
}

/* `path`.prev becomes a synced copy of `path`, by rename. Nothing to do when there is no `path`. */
static int keep_previous(const struct cccc_vfs *vfs, const char *path)
{
    char prev[PATH_ROOM], draft[PATH_ROOM];
    if (snprintf(prev, sizeof prev, "%s.prev", path) >= (int)sizeof prev)
        return -ENAMETOOLONG;
    if (snprintf(draft, sizeof draft, "%s.prev.tmp", path) >= (int)sizeof draft)
        return -ENAMETOOLONG;
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int rc = cccc_vfs_copy_out(vfs, fd, 0, UINT64_MAX, draft);
    vfs->close(vfs->ctx, fd);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, draft, prev);
    if (rc < 0)
        vfs->unlink(vfs->ctx, draft);
    return rc;
}

static int write_synced(const struct cccc_vfs *vfs, const char *path, const void *buf, size_t len)
{
    int fd = open_fresh(vfs, path);
    if (fd < 0)
        return fd;
    int rc = cccc_vfs_write_all(vfs, fd, buf, len);
    if (rc == 0 && !CCCC_MUTANT_IS(NO_REPLACE_SYNC))
        rc = vfs->sync(vfs->ctx, fd);
    vfs->close(vfs->ctx, fd);
    return rc;
}

int cccc_vfs_replace(const struct cccc_vfs *vfs, const char *path, const void *buf, size_t len, bool keep_prev)
{
    char draft[PATH_ROOM];
    if (snprintf(draft, sizeof draft, "%s.tmp", path) >= (int)sizeof draft)
        return -ENAMETOOLONG;
    int rc = write_synced(vfs, draft, buf, len);
    if (rc == 0 && keep_prev)
        rc = keep_previous(vfs, path);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, draft, path);
    if (rc < 0) {
        vfs->unlink(vfs->ctx, draft);
        return rc;
    }
    return CCCC_MUTANT_IS(NO_REPLACE_DIR_SYNC) ? 0 : cccc_vfs_sync_parent(vfs, path);
}

static int slurp_fd(const struct cccc_vfs *vfs, int fd, size_t max, char **out, size_t *len)
{
    struct cccc_stat st;
    int rc = vfs->fstat(vfs->ctx, fd, &st);
    if (rc < 0)
        return rc;
    if (!st.is_regular)
        return -EINVAL;
    if (st.size > max)
        return -EFBIG;
    char *bytes = malloc((size_t)st.size + 1);
    if (!bytes)
        return -ENOMEM;
    ssize_t n = cccc_vfs_read_all(vfs, fd, bytes, (size_t)st.size, 0);
    if (n < 0) {
        free(bytes);
        return (int)n;
    }
    bytes[n] = '\0';
    *out = bytes;
    *len = (size_t)n;
    return 0;
}

int cccc_vfs_slurp(const struct cccc_vfs *vfs, const char *path, size_t max, char **out, size_t *len)
{
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    if (fd < 0)
        return fd;
    int rc = slurp_fd(vfs, fd, max, out, len);
    vfs->close(vfs->ctx, fd);
    return rc;
}

/* Names, one behind the other with their NULs. */
struct names {
    cccc_name_test_t is_wanted;
    const void *arg;
    cccc_buf_t text;
};

static void note_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (names->is_wanted(names->arg, name))
        cccc_buf_put(&names->text, name, strlen(name) + 1);
}

int cccc_vfs_sweep(const struct cccc_vfs *vfs, const char *dir, cccc_name_test_t is_needless, const void *arg)
{
    struct names names = {.is_wanted = is_needless, .arg = arg};
    cccc_buf_init(&names.text);
    int rc = vfs->list(vfs->ctx, dir, note_name, &names);
    const char *end = names.text.data + names.text.size;
    for (const char *name = names.text.data; rc == 0 && name < end; name += strlen(name) + 1) {
        char path[PATH_ROOM];
        int len = snprintf(path, sizeof path, "%s/%s", dir, name);
        rc = len < (int)sizeof path ? vfs->unlink(vfs->ctx, path) : -ENAMETOOLONG;
        rc = rc == -ENOENT ? 0 : rc;
    }
    cccc_buf_fini(&names.text);
    return rc;
}
