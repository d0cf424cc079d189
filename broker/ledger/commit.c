/* commit.c - making a batch durable: the only code that writes to a ledger.
 *
 * Order: the place exists and is synced (new group), the file is the one we know and has the size we know, bytes, one sync. Only after all of
 * it is the batch CCCC_OK. A failed sync is never tried again: the kernel may have dropped the pages and call the next one a success.
 * Thread: any; the batch is the caller's. Nothing here touches the ledger object. */
#include "broker/ledger/ledger_private.h"
#include "broker/mutant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_full(int err)
{
    return err == -ENOSPC || err == -EDQUOT;
}

/* The batch failed at `what`. With `nothing_written` it is certain that none of it is in the file. */
static void fail(cccc_batch_t *batch, cccc_err_t code, bool nothing_written, int err, const char *what)
{
    batch->err = code;
    batch->outcome_unknown = !nothing_written;
    cccc_fail(&batch->message, code, "%s %s: %s; %s", what, batch->path, strerror(-err),
              nothing_written ? "nothing was stored" : "whether it was stored shows when the ledger is opened again");
}

static void fail_before_write(cccc_batch_t *batch, int err, const char *what)
{
    fail(batch, is_full(err) ? CCCC_E_NO_SPACE : CCCC_E_STORAGE, true, err, what);
}

int cccc_take_lock(const struct cccc_vfs *vfs, const char *lock_path)
{
    int fd = vfs->open(vfs->ctx, lock_path, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_CREATE);
    if (fd < 0)
        return fd;
    int rc = vfs->lock(vfs->ctx, fd);
    if (rc == 0)
        return fd;
    vfs->close(vfs->ctx, fd);
    return rc;
}

/* Checksum of a stretch of a file, to name its copy by. */
static int checksum(const struct cccc_vfs *vfs, int fd, uint64_t offset, uint64_t length, uint32_t *crc)
{
    enum { BLOCK = 64 * 1024 };
    char *block = cccc_room(BLOCK);
    ssize_t n = 1;
    *crc = 0;
    while (length > 0 && n > 0) {
        n = cccc_vfs_read_all(vfs, fd, block, length < BLOCK ? (size_t)length : BLOCK, offset);
        if (n > 0) {
            *crc = cccc_crc32c(*crc, block, (size_t)n);
            offset += (uint64_t)n;
            length -= (uint64_t)n;
        }
    }
    free(block);
    return n < 0 ? (int)n : 0;
}

int cccc_keep_aside(const struct cccc_vfs *vfs, const char *state_dir, int fd, const char *kind, uint64_t offset, uint64_t length,
                    char name[CCCC_ASIDE_NAME_ROOM])
{
    uint32_t crc;
    int rc = checksum(vfs, fd, offset, length, &crc);
    if (rc < 0)
        return rc;
    char *dir = cccc_path_join(state_dir, "torn"), own[CCCC_ASIDE_NAME_ROOM];
    snprintf(own, sizeof own, "%s.%llu.%08x", kind, (unsigned long long)offset, crc);
    char *path = cccc_path_join(dir, own);
    if (name)
        memcpy(name, own, sizeof own);
    if (CCCC_MUTANT_IS(NO_ASIDE))
        goto done;
    rc = cccc_vfs_make_dirs(vfs, dir);
    if (rc == 0)
        rc = cccc_vfs_copy_out(vfs, fd, offset, length, path);
    if (rc == 0)
        rc = cccc_vfs_sync_dir(vfs, dir);
    if (rc == 0)
        rc = cccc_vfs_sync_dir(vfs, state_dir);
done:
    free(path);
    free(dir);
    return rc;
}

static bool make_lock(cccc_batch_t *batch)
{
    int fd = cccc_take_lock(batch->vfs, batch->lock_path);
    if (fd >= 0)
        batch->lock_fd = fd;
    else if (fd == -EWOULDBLOCK)
        fail(batch, CCCC_E_LOCKED, true, fd, "another process writes");
    else
        fail_before_write(batch, fd, "cannot lock");
    return fd >= 0;
}

static bool make_file(cccc_batch_t *batch)
{
    struct cccc_stat st;
    batch->fd = batch->vfs->open(batch->vfs->ctx, batch->path, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE);
    int rc = batch->fd < 0 ? batch->fd : batch->vfs->fstat(batch->vfs->ctx, batch->fd, &st);
    if (rc < 0) {
        fail_before_write(batch, rc, "cannot create");
        return false;
    }
    batch->device = st.device;
    batch->inode = st.inode;
    batch->birth_ns = st.birth_ns;
    return true;
}

/* A new group: its folders, its lock, its empty file; what an earlier attempt has made is taken as it is. */
static bool make_place(cccc_batch_t *batch)
{
    int rc = cccc_vfs_make_dirs(batch->vfs, batch->state_dir);
    if (rc < 0) {
        fail_before_write(batch, rc, "cannot make the folders of");
        return false;
    }
    return (batch->lock_fd >= 0 || make_lock(batch)) && (batch->fd >= 0 || make_file(batch));
}

int cccc_sync_place(const struct cccc_vfs *vfs, const char *group_dir, const char *state_dir)
{
    if (CCCC_MUTANT_IS(NO_DIR_SYNC))
        return 0;
    int rc = cccc_vfs_sync_dir(vfs, state_dir);
    if (rc == 0)
        rc = cccc_vfs_sync_parent(vfs, state_dir);
    if (rc == 0)
        rc = cccc_vfs_sync_dir(vfs, group_dir);
    if (rc == 0)
        rc = cccc_vfs_sync_parent(vfs, group_dir);
    return rc;
}

/* Somebody else wrote to the file: keep a copy of what they added behind our bytes, and write nothing. */
static void refuse_foreign(cccc_batch_t *batch, uint64_t size)
{
    int rc = cccc_keep_aside(batch->vfs, batch->state_dir, batch->fd, "foreign", batch->offset, size - batch->offset, NULL);
    batch->err = CCCC_E_DAMAGED;
    cccc_fail(
        &batch->message, CCCC_E_DAMAGED,
        "another program wrote %llu bytes into %s at offset %llu (%s); nothing was stored. The group is read anew and goes on: repeat it",
        (unsigned long long)(size - batch->offset), batch->path, (unsigned long long)batch->offset,
        rc < 0 ? "they could not be copied" : "a copy is in state/ledger/torn");
}

/* False when the file at our path is not the one we know, or not as long as we left it. */
static bool file_is_ours(cccc_batch_t *batch)
{
    struct cccc_stat st;
    int rc = batch->vfs->stat(batch->vfs->ctx, batch->path, &st);
    if (rc < 0 && rc != -ENOENT) {
        fail_before_write(batch, rc, "cannot look at");
        return false;
    }
    if (rc < 0 || st.device != batch->device || st.inode != batch->inode) {
        fail(batch, CCCC_E_DAMAGED, true, rc < 0 ? rc : -ESTALE, "somebody removed or replaced");
        return false;
    }
    if (CCCC_MUTANT_IS(NO_SIZE_CHECK) || st.size == batch->offset)
        return true;
    if (st.size > batch->offset) {
        refuse_foreign(batch, st.size);
        return false;
    }
    batch->err = CCCC_E_DAMAGED;
    cccc_fail(&batch->message, CCCC_E_DAMAGED, "%s was cut from %llu to %llu bytes by somebody else; nothing was stored", batch->path,
              (unsigned long long)batch->offset, (unsigned long long)st.size);
    return false;
}

/* The disk is full: back to the last good size, durably, so that "nothing was stored" is true. */
static void cut_back(cccc_batch_t *batch, int full)
{
    int rc = CCCC_MUTANT_IS(NO_CUT_BACK) ? 0 : batch->vfs->truncate(batch->vfs->ctx, batch->fd, batch->offset);
    if (rc == 0)
        rc = batch->vfs->sync(batch->vfs->ctx, batch->fd);
    if (rc == 0)
        fail(batch, CCCC_E_NO_SPACE, true, full, "no space left for");
    else
        fail(batch, CCCC_E_STORAGE, false, rc, "the disk is full, and cutting a half-written batch off failed for");
}

static bool write_bytes(cccc_batch_t *batch)
{
    int rc = cccc_vfs_write_all(batch->vfs, batch->fd, batch->bytes.data, batch->bytes.size);
    if (is_full(rc)) {
        cut_back(batch, rc);
        return false;
    }
    struct cccc_stat st;
    if (rc == 0)
        rc = batch->vfs->fstat(batch->vfs->ctx, batch->fd, &st);
    if (rc != 0) {
        fail(batch, CCCC_E_STORAGE, false, rc, "cannot write");
        return false;
    }
    /* Bytes that slipped in between the comparison and our write would stand in the middle of acknowledged lines. */
    if (st.size != batch->offset + batch->bytes.size && !CCCC_MUTANT_IS(NO_SIZE_CHECK)) {
        fail(batch, CCCC_E_STORAGE, false, -ESTALE, "somebody else wrote while we did to");
        return false;
    }
    return true;
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int sync_once(cccc_batch_t *batch)
{
    if (CCCC_MUTANT_IS(NO_SYNC))
        return 0;
    uint64_t before = now_us();
    int rc = batch->vfs->sync(batch->vfs->ctx, batch->fd);
    if (rc < 0 && CCCC_MUTANT_IS(RETRY_SYNC))
        rc = batch->vfs->sync(batch->vfs->ctx, batch->fd);
    batch->sync_us = now_us() - before;
    return rc;
}

void cccc_batch_commit(cccc_batch_t *batch)
{
    if (batch->create && !make_place(batch))
        return;
    if (!file_is_ours(batch) || !write_bytes(batch))
        return;
    int rc = sync_once(batch);
    if (rc == 0 && batch->create)
        rc = cccc_sync_place(batch->vfs, batch->group_dir, batch->state_dir);
    if (rc < 0)
        fail(batch, CCCC_E_STORAGE, false, rc, "cannot sync");
}
