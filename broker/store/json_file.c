/* json_file.c - the JSON documents of the home: registry.json, active.json, read_cursors.json.
 *
 * Owns those files. They can all be rebuilt from groups and ledgers, so one that cannot be read is reported and reads as missing.
 * Format: reference 0.4 (indent 2, raw UTF-8, a final newline). The first two end with a member `sum`: the BLAKE2b-256 of the bytes in front of it, so
 * that they tell by themselves whether they are as cccc last wrote them. (A file beside them would have to be written with them, in two steps.)
 * Invariant: a document that is not as cccc wrote it is never written over without a copy, <name>.edited.
 * Thread: the store thread; start-up before it runs. */
#include "broker/mutant.h"
#include "broker/store/files.h"
#include "proto/json.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* How a summed document ends: TAIL_HEAD, the sum in hex, TAIL_END. */
#define TAIL_HEAD ",\n  \"sum\": \""
#define TAIL_END  "\"\n}\n"
enum { SUM_BYTES = 32, SUM_HEX = 2 * SUM_BYTES, TAIL_BYTES = sizeof TAIL_HEAD - 1 + SUM_HEX + sizeof TAIL_END - 1 };

/* ---- reading ---- */

static void sum_of(const char *bytes, size_t len, char out[SUM_HEX + 1])
{
    unsigned char hash[SUM_BYTES];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)bytes, len, NULL, 0);
    sodium_bin2hex(out, SUM_HEX + 1, hash, sizeof hash);
}

static enum cccc_written written(const char *text, size_t len)
{
    char sum[SUM_HEX + 1];
    const char *tail = text + (len > TAIL_BYTES ? len - TAIL_BYTES : len);
    if (len <= TAIL_BYTES || memcmp(tail, TAIL_HEAD, sizeof TAIL_HEAD - 1) != 0 ||
        memcmp(text + len - (sizeof TAIL_END - 1), TAIL_END, sizeof TAIL_END - 1) != 0)
        return CCCC_WRITTEN_UNSUMMED;
    sum_of(text, (size_t)(tail - text), sum);
    return memcmp(tail + sizeof TAIL_HEAD - 1, sum, SUM_HEX) == 0 || CCCC_MUTANT_IS(DOCUMENT_TRUSTED) ? CCCC_WRITTEN_BY_US
                                                                                                      : CCCC_WRITTEN_CHANGED;
}

/* The text of the file in the arena; false and *m. */
static bool slurp(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena, cccc_str_t *out, struct cccc_errmsg *m)
{
    char *text;
    size_t len;
    int rc = cccc_vfs_slurp(vfs, path, CCCC_STATE_FILE_BYTES_MAX, &text, &len);
    if (rc == -EFBIG)
        cccc_fail(m, CCCC_E_TOO_LARGE, "%s is larger than %d bytes (STATE_FILE_BYTES_MAX)", path, CCCC_STATE_FILE_BYTES_MAX);
    else if (rc < 0)
        cccc_file_fail(m, rc, "read", path);
    if (rc < 0)
        return false;
    *out = cccc_arena_str(arena, (cccc_str_t){text, len});
    free(text);
    return true;
}

static cccc_value_t decode(cccc_str_t text, const char *path, cccc_arena_t *arena, struct cccc_errmsg *m)
{
    cccc_value_t value;
    if (cccc_json_read(text.ptr, text.len, arena, &value, m)) {
        cccc_wrap(m, CCCC_E_BAD_JSON, path);
        return cccc_nil();
    }
    if (!cccc_is_map(&value)) {
        cccc_fail(m, CCCC_E_BAD_JSON, "%s is not a JSON object", path);
        return cccc_nil();
    }
    return value;
}

cccc_value_t cccc_json_file(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena, struct cccc_errmsg *m)
{
    cccc_str_t text;
    return slurp(vfs, path, arena, &text, m) ? decode(text, path, arena, m) : cccc_nil();
}

cccc_value_t cccc_json_document(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena, enum cccc_written *by,
                                struct cccc_errmsg *m)
{
    cccc_str_t text;
    *by = CCCC_WRITTEN_UNREADABLE;
    if (!slurp(vfs, path, arena, &text, m))
        return cccc_nil();
    cccc_value_t value = decode(text, path, arena, m);
    if (cccc_is_nil(&value))
        return value;
    *by = written(text.ptr, text.len);
    return *by == CCCC_WRITTEN_UNSUMMED ? value : cccc_map_without(arena, &value, CCCC_STR("sum"));
}

/* ---- writing ---- */

/* Put the sum in: `text` ends with "\n}\n". An empty document has no room for one and needs none. */
static void add_sum(cccc_buf_t *text)
{
    static const char end[] = "\n}\n";
    char sum[SUM_HEX + 1];
    if (text->size < sizeof end - 1 || memcmp(text->data + text->size - (sizeof end - 1), end, sizeof end - 1) != 0)
        return;
    text->size -= sizeof end - 1;
    sum_of(text->data, text->size, sum);
    cccc_buf_str(text, TAIL_HEAD);
    cccc_buf_str(text, sum);
    cccc_buf_str(text, TAIL_END);
}

/* What somebody else made of the file is kept before it goes. 0 or -errno. */
static int keep_edit(const struct cccc_store_call *call, const char *path)
{
    struct cccc_stat st;
    enum cccc_written by;
    struct cccc_path copy;
    if (call->vfs->stat(call->vfs->ctx, path, &st) == -ENOENT)
        return 0;
    cccc_json_document(call->vfs, path, call->arena, &by, NULL);
    if (by == CCCC_WRITTEN_BY_US || CCCC_MUTANT_IS(DOCUMENT_NOT_KEPT))
        return 0;
    snprintf(copy.z, sizeof copy.z, "%s.edited", path);
    int fd = call->vfs->open(call->vfs->ctx, path, CCCC_O_READ);
    if (fd < 0)
        return fd == -ENOENT || fd == -ELOOP ? 0 : fd;
    int rc = cccc_vfs_copy_out(call->vfs, fd, 0, UINT64_MAX, copy.z);
    call->vfs->close(call->vfs->ctx, fd);
    return rc < 0 ? rc : cccc_vfs_sync_parent(call->vfs, copy.z);
}

static cccc_err_t write_json(const struct cccc_store_call *call, const char *path, bool summed)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write_pretty(&call->store->document, &text);
    int rc = 0;
    if (summed) {
        add_sum(&text);
        rc = keep_edit(call, path);
    }
    if (rc == 0)
        rc = cccc_vfs_replace(call->vfs, path, text.data, text.size, false);
    cccc_buf_fini(&text);
    return rc < 0 ? cccc_file_fail(call->m, rc, "write", path) : CCCC_OK;
}

cccc_err_t cccc_store_registry(const struct cccc_store_call *call)
{
    return write_json(call, cccc_path(call->home, "/registry.json").z, true);
}

cccc_err_t cccc_store_active(const struct cccc_store_call *call)
{
    return write_json(call, cccc_path(call->home, "/active.json").z, true);
}

/* An export: nothing reads it back, and its keys are actors, so a sum has no place in it. */
cccc_err_t cccc_store_cursors(const struct cccc_store_call *call)
{
    struct cccc_path state = cccc_group_path(call->home, call->store->group_id, "/state");
    int rc = cccc_vfs_make_dirs(call->vfs, state.z);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "create", state.z);
    return write_json(call, cccc_group_path(call->home, call->store->group_id, "/state/read_cursors.json").z, false);
}
