/* json_file.c - the JSON documents of the home: registry.json, active.json, read_cursors.json.
 *
 * Owns those files. They can all be rebuilt from groups and ledgers, so one that cannot be read is reported and reads as missing.
 * Format: reference 0.4 (indent 2, raw UTF-8, a final newline). Thread: the store thread. */
#include "broker/store/files.h"
#include "proto/json.h"

#include <errno.h>
#include <stdlib.h>

cccc_value_t cccc_json_file(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena, struct cccc_errmsg *m)
{
    char *text;
    size_t len;
    cccc_value_t value;
    int rc = cccc_vfs_slurp(vfs, path, CCCC_STATE_FILE_BYTES_MAX, &text, &len);
    if (rc == -EFBIG)
        cccc_fail(m, CCCC_E_TOO_LARGE, "%s is larger than %d bytes (STATE_FILE_BYTES_MAX)", path, CCCC_STATE_FILE_BYTES_MAX);
    else if (rc < 0)
        cccc_file_fail(m, rc, "read", path);
    if (rc < 0)
        return cccc_nil();
    /* Strings may borrow the text, so it moves to the arena. */
    cccc_str_t kept = cccc_arena_str(arena, (cccc_str_t){text, len});
    free(text);
    if (cccc_json_read(kept.ptr, kept.len, arena, &value, m)) {
        cccc_wrap(m, CCCC_E_BAD_JSON, path);
        return cccc_nil();
    }
    if (!cccc_is_map(&value)) {
        cccc_fail(m, CCCC_E_BAD_JSON, "%s is not a JSON object", path);
        return cccc_nil();
    }
    return value;
}

static cccc_err_t write_json(const struct cccc_store_call *call, const char *path)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write_pretty(&call->store->document, &text);
    int rc = cccc_vfs_replace(call->vfs, path, text.data, text.size, false);
    cccc_buf_fini(&text);
    return rc < 0 ? cccc_file_fail(call->m, rc, "write", path) : CCCC_OK;
}

cccc_err_t cccc_store_registry(const struct cccc_store_call *call)
{
    return write_json(call, cccc_path(call->home, "/registry.json").z);
}

cccc_err_t cccc_store_active(const struct cccc_store_call *call)
{
    return write_json(call, cccc_path(call->home, "/active.json").z);
}

cccc_err_t cccc_store_cursors(const struct cccc_store_call *call)
{
    struct cccc_path state = cccc_group_path(call->home, call->store->group_id, "/state");
    int rc = cccc_vfs_make_dirs(call->vfs, state.z);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "create", state.z);
    return write_json(call, cccc_group_path(call->home, call->store->group_id, "/state/read_cursors.json").z);
}
