/* blobs.c - files of a group, named by their content.
 *
 * Owns groups/<gid>/state/blobs/: blobs <sha256>_<name>, spilled texts <sha256>_chat.txt; under way .upload-<sha256> and .text-<name>.
 * Invariants: (1) a name without the leading point stands for whole, synced bytes; a <sha256>_ name for bytes with that hash. (2) no name
 * leaves the folder, and links are never followed.
 * Thread: the store thread. */
#include "broker/mutant.h"
#include "broker/store/files.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { HASH_BLOCK_BYTES = 64 * 1024 };

static struct cccc_path blobs_dir(const struct cccc_store_call *call)
{
    return cccc_group_path(call->home, call->store->group_id, "/state/blobs");
}

static struct cccc_path blob_path(const struct cccc_store_call *call, cccc_str_t name)
{
    return cccc_group_path(call->home, call->store->group_id, "/state/blobs/%.*s", CCCC_STR_FMT(name));
}

static struct cccc_path upload_path(const struct cccc_store_call *call)
{
    return cccc_group_path(call->home, call->store->group_id, "/state/blobs/.upload-%.*s", CCCC_STR_FMT(call->store->name));
}

static cccc_err_t check_upload_name(const struct cccc_store_call *call)
{
    if (cccc_is_sha256(call->store->name))
        return CCCC_OK;
    return cccc_fail(call->m, CCCC_E_INVALID_BLOB_PATH, "an upload is named by 64 lower-case hex digits, not \"%.*s\"",
                     CCCC_STR_FMT(call->store->name));
}

static cccc_err_t check_blob_name(const struct cccc_store_call *call, cccc_str_t name)
{
    if (cccc_is_safe_name(name))
        return CCCC_OK;
    return cccc_fail(call->m, CCCC_E_INVALID_BLOB_PATH, "not the name of a blob: \"%.*s\"", CCCC_STR_FMT(name));
}

static void yield_bytes(const struct cccc_store_call *call, uint64_t bytes)
{
    cccc_builder_t map = cccc_map_builder(call->arena, 1);
    cccc_map_add(&map, "bytes", cccc_uint(bytes));
    *call->value = map.value;
}

/* ---- uploads ---- */

static cccc_err_t check_piece(const struct cccc_store_call *call)
{
    const struct cccc_store *s = call->store;
    cccc_err_t err = check_upload_name(call);
    if (err)
        return err;
    if (s->data.len > CCCC_BLOB_PIECE_BYTES_MAX)
        return cccc_fail(call->m, CCCC_E_TOO_LARGE, "a piece of %zu bytes; at most %d (BLOB_PIECE_BYTES_MAX)", s->data.len,
                         CCCC_BLOB_PIECE_BYTES_MAX);
    if (s->total > CCCC_BLOB_BYTES_MAX)
        return cccc_fail(call->m, CCCC_E_TOO_LARGE, "a blob of %" PRIu64 " bytes; at most %d (BLOB_BYTES_MAX)", s->total,
                         CCCC_BLOB_BYTES_MAX);
    if (s->offset > s->total || s->data.len > s->total - s->offset)
        return cccc_fail(call->m, CCCC_E_BLOB_CONFLICT, "%zu bytes at %" PRIu64 " go beyond the total of %" PRIu64, s->data.len, s->offset,
                         s->total);
    return CCCC_OK;
}

/* Pieces come in order; one may be repeated. The first empties what an abandoned upload left. */
cccc_err_t cccc_store_blob_piece(const struct cccc_store_call *call)
{
    const struct cccc_vfs *vfs = call->vfs;
    const struct cccc_store *s = call->store;
    struct cccc_stat st;
    cccc_err_t err = check_piece(call);
    if (err)
        return err;
    struct cccc_path path = upload_path(call);
    int rc = s->offset ? 0 : cccc_vfs_make_dirs(vfs, blobs_dir(call).z);
    int fd = rc < 0 ? rc : vfs->open(vfs->ctx, path.z, CCCC_O_WRITE | (s->offset ? 0 : CCCC_O_CREATE | CCCC_O_TRUNC));
    if (fd == -ENOENT)
        return cccc_fail(call->m, CCCC_E_BLOB_CONFLICT, "no such upload is under way; begin again at offset 0");
    if (fd < 0)
        return cccc_file_fail(call->m, fd, "write", path.z);
    rc = vfs->fstat(vfs->ctx, fd, &st);
    if (rc == 0 && st.size < s->offset)
        err = cccc_fail(call->m, CCCC_E_BLOB_CONFLICT, "the upload has %" PRIu64 " bytes; the next piece begins there, not at %" PRIu64,
                        st.size, s->offset);
    else if (rc == 0)
        rc = cccc_vfs_pwrite_all(vfs, fd, s->data.ptr, s->data.len, s->offset);
    vfs->close(vfs->ctx, fd);
    return rc < 0 ? cccc_file_fail(call->m, rc, "write", path.z) : err;
}

/* SHA-256 of the whole file in hex. 0 or -errno. */
static int hash_file(const struct cccc_vfs *vfs, int fd, char hex[65])
{
    unsigned char hash[crypto_hash_sha256_BYTES], *block = malloc(HASH_BLOCK_BYTES);
    crypto_hash_sha256_state state;
    ssize_t n;
    CCCC_ASSERT(block, "out of memory");
    crypto_hash_sha256_init(&state);
    for (uint64_t offset = 0; (n = cccc_vfs_read_all(vfs, fd, block, HASH_BLOCK_BYTES, offset)) > 0; offset += (uint64_t)n)
        crypto_hash_sha256_update(&state, block, (unsigned long long)n);
    free(block);
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(hex, 65, hash, sizeof hash);
    return (int)n;
}

/* Does the file behind `fd` have the size and hash that were announced? Then it is synced. */
static cccc_err_t verify_upload(const struct cccc_store_call *call, int fd, const char *path)
{
    struct cccc_stat st;
    char hex[65];
    int rc = call->vfs->fstat(call->vfs->ctx, fd, &st);
    if (rc == 0 && st.size != call->store->total)
        return cccc_fail(call->m, CCCC_E_BLOB_CONFLICT, "the pieces make %" PRIu64 " bytes, not %" PRIu64, st.size, call->store->total);
    if (rc == 0)
        rc = hash_file(call->vfs, fd, hex);
    if (rc == 0 && !cccc_str_is(call->store->name, hex))
        return cccc_fail(call->m, CCCC_E_BLOB_CONFLICT, "the bytes have the SHA-256 %s, not the announced one", hex);
    if (rc == 0 && !CCCC_MUTANT_IS(NO_BLOB_SYNC))
        rc = call->vfs->sync(call->vfs->ctx, fd);
    return rc < 0 ? cccc_file_fail(call->m, rc, "store", path) : CCCC_OK;
}

/* The name the finished upload gets: <sha256>_<name>. */
static cccc_err_t target_name(const struct cccc_store_call *call, cccc_str_t *file)
{
    *file = cccc_get_str(&call->store->document, "file");
    cccc_err_t err = check_blob_name(call, *file);
    if (!err && (file->len < 66 || file->ptr[64] != '_' || memcmp(file->ptr, call->store->name.ptr, 64) != 0))
        err = cccc_fail(call->m, CCCC_E_INVALID_BLOB_PATH, "the name of a blob begins with its SHA-256: \"%.*s\"", CCCC_STR_FMT(*file));
    return err;
}

/* A repeat after a lost reply finds the upload gone and the blob there, whole because only whole ones get the name. */
static cccc_err_t end_again(const struct cccc_store_call *call, const char *target)
{
    struct cccc_stat st;
    int rc = call->vfs->stat(call->vfs->ctx, target, &st);
    if (rc < 0 || !st.is_regular || st.size != call->store->total)
        return cccc_fail(call->m, CCCC_E_BLOB_CONFLICT, "no such upload is under way; begin again at offset 0");
    rc = cccc_vfs_sync_dir(call->vfs, blobs_dir(call).z);
    return rc < 0 ? cccc_file_fail(call->m, rc, "sync", target) : CCCC_OK;
}

/* Replacing a blob of the same name is fine: the bytes are the same, or were damaged. */
cccc_err_t cccc_store_blob_end(const struct cccc_store_call *call)
{
    const struct cccc_vfs *vfs = call->vfs;
    cccc_str_t file;
    cccc_err_t err = check_upload_name(call);
    if (!err)
        err = target_name(call, &file);
    if (err)
        return err;
    struct cccc_path from = upload_path(call), to = blob_path(call, file);
    /* A blob of no bytes needs no piece. */
    bool empty = call->store->total == 0;
    int made = empty ? cccc_vfs_make_dirs(vfs, blobs_dir(call).z) : 0;
    int fd = made < 0 ? made : vfs->open(vfs->ctx, from.z, CCCC_O_READ | CCCC_O_WRITE | (empty ? CCCC_O_CREATE : 0));
    if (fd < 0 && (fd != -ENOENT || empty))
        return cccc_file_fail(call->m, fd, "open", from.z);
    if (fd < 0) {
        err = end_again(call, to.z);
    } else {
        err = verify_upload(call, fd, to.z);
        vfs->close(vfs->ctx, fd);
        int rc = err ? 0 : vfs->rename(vfs->ctx, from.z, to.z);
        if (!err && rc == 0)
            rc = cccc_vfs_sync_dir(vfs, blobs_dir(call).z);
        if (err == CCCC_E_BLOB_CONFLICT)
            vfs->unlink(vfs->ctx, from.z);
        if (rc < 0)
            err = cccc_file_fail(call->m, rc, "store", to.z);
    }
    if (!err)
        yield_bytes(call, call->store->total);
    return err;
}

cccc_err_t cccc_store_blob_drop(const struct cccc_store_call *call)
{
    cccc_err_t err = check_upload_name(call);
    if (err)
        return err;
    struct cccc_path path = upload_path(call);
    int rc = call->vfs->unlink(call->vfs->ctx, path.z);
    return rc < 0 && rc != -ENOENT ? cccc_file_fail(call->m, rc, "remove", path.z) : CCCC_OK;
}

/* ---- blobs ---- */

static cccc_err_t not_found(const struct cccc_store_call *call)
{
    return cccc_fail(call->m, CCCC_E_BLOB_NOT_FOUND, "group %.*s has no blob %.*s", CCCC_STR_FMT(call->store->group_id),
                     CCCC_STR_FMT(call->store->name));
}

cccc_err_t cccc_store_blob_stat(const struct cccc_store_call *call)
{
    struct cccc_stat st;
    cccc_err_t err = check_blob_name(call, call->store->name);
    if (err)
        return err;
    struct cccc_path path = blob_path(call, call->store->name);
    int rc = call->vfs->stat(call->vfs->ctx, path.z, &st);
    if (rc == -ENOENT || (rc == 0 && !st.is_regular))
        return not_found(call);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "read", path.z);
    yield_bytes(call, st.size);
    return CCCC_OK;
}

cccc_err_t cccc_store_blob_read(const struct cccc_store_call *call)
{
    const struct cccc_vfs *vfs = call->vfs;
    cccc_value_t stat_value;
    struct cccc_store_call stat_call = *call;
    stat_call.value = &stat_value;
    cccc_err_t err = cccc_store_blob_stat(&stat_call);
    if (err)
        return err;
    uint64_t size = cccc_get_uint(&stat_value, "bytes", 0), offset = call->store->offset;
    uint64_t len = offset < size ? size - offset : 0;
    len = len < call->store->total ? len : call->store->total;
    len = len < CCCC_BLOB_PIECE_BYTES_MAX ? len : CCCC_BLOB_PIECE_BYTES_MAX;
    struct cccc_path path = blob_path(call, call->store->name);
    int fd = vfs->open(vfs->ctx, path.z, CCCC_O_READ);
    if (fd < 0)
        return fd == -ENOENT || fd == -ELOOP ? not_found(call) : cccc_file_fail(call->m, fd, "read", path.z);
    char *data = cccc_arena_alloc(call->arena, (size_t)len + 1);
    ssize_t n = cccc_vfs_read_all(vfs, fd, data, (size_t)len, offset);
    vfs->close(vfs->ctx, fd);
    if (n < 0)
        return cccc_file_fail(call->m, (int)n, "read", path.z);
    cccc_builder_t map = cccc_map_builder(call->arena, 2);
    cccc_map_add(&map, "data", (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)n, data}});
    cccc_map_add(&map, "bytes", cccc_uint(size));
    *call->value = map.value;
    return CCCC_OK;
}

static int write_synced(const struct cccc_vfs *vfs, const char *path, cccc_str_t data)
{
    int fd = vfs->open(vfs->ctx, path, CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE | CCCC_O_TRUNC);
    if (fd < 0)
        return fd;
    int rc = cccc_vfs_write_all(vfs, fd, data.ptr, data.len);
    if (rc == 0 && !CCCC_MUTANT_IS(NO_TEXT_SYNC))
        rc = vfs->sync(vfs->ctx, fd);
    vfs->close(vfs->ctx, fd);
    return rc;
}

/* The draft's name begins with a point: with another suffix, what a crash leaves of it would be a blob with wrong bytes. */
cccc_err_t cccc_store_blob_text(const struct cccc_store_call *call)
{
    const struct cccc_vfs *vfs = call->vfs;
    cccc_err_t err = check_blob_name(call, call->store->name);
    if (err)
        return err;
    struct cccc_path path = blob_path(call, call->store->name);
    struct cccc_path draft = cccc_group_path(call->home, call->store->group_id, "/state/blobs/.text-%.*s", CCCC_STR_FMT(call->store->name));
    int rc = cccc_vfs_make_dirs(vfs, blobs_dir(call).z);
    if (rc == 0)
        rc = write_synced(vfs, draft.z, call->store->data);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, draft.z, path.z);
    if (rc < 0)
        vfs->unlink(vfs->ctx, draft.z);
    else
        rc = cccc_vfs_sync_dir(vfs, blobs_dir(call).z);
    return rc < 0 ? cccc_file_fail(call->m, rc, "write", path.z) : CCCC_OK;
}

/* ---- checking ---- */

struct blobs_check {
    const struct cccc_vfs *vfs;
    const char *dir;
    cccc_blob_fn each;
    void *arg;
    uint64_t *count;
};

static void check_blob(void *arg, const char *name)
{
    struct blobs_check *check = arg;
    struct cccc_path path;
    char hex[65], why[160] = "";
    if (strlen(name) < 66 || name[64] != '_' || !cccc_is_sha256((cccc_str_t){name, 64}))
        return;
    ++*check->count;
    snprintf(path.z, sizeof path.z, "%s/%s", check->dir, name);
    int fd = check->vfs->open(check->vfs->ctx, path.z, CCCC_O_READ);
    int rc = fd < 0 ? fd : hash_file(check->vfs, fd, hex);
    if (fd >= 0)
        check->vfs->close(check->vfs->ctx, fd);
    if (rc < 0)
        snprintf(why, sizeof why, "%s", strerror(-rc));
    else if (memcmp(hex, name, 64) != 0)
        snprintf(why, sizeof why, "its bytes have the SHA-256 %s", hex);
    if (why[0])
        check->each(check->arg, path.z, why);
}

void cccc_blobs_check(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_blob_fn each, void *arg,
                      uint64_t *count)
{
    struct cccc_path dir = cccc_group_path(home, group_id, "/state/blobs");
    struct blobs_check check = {vfs, dir.z, each, arg, count};
    *count = 0;
    vfs->list(vfs->ctx, dir.z, check_blob, &check);
}
