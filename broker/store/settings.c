/* settings.c - settings.yaml: the daemon's own settings (reference 1.10), which people may edit while it is stopped.
 *
 * Replaced whole; keys we do not know are kept, because the document they are in is.
 * Thread: start-up's, then the store thread. */
#include "broker/store/files.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>

cccc_value_t cccc_settings_read(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_arena_t *arena, struct cccc_errmsg *m)
{
    struct cccc_path path = cccc_path(home, "/settings.yaml");
    cccc_value_t document = cccc_nil();
    char *text;
    size_t len;
    m->text[0] = '\0';
    int rc = cccc_vfs_slurp(vfs, path.z, CCCC_CONFIG_BYTES_MAX, &text, &len);
    if (rc < 0) {
        if (rc != -ENOENT)
            cccc_file_fail(m, rc, "read", path.z);
        return cccc_nil();
    }
    char *copy = cccc_arena_alloc(arena, len + 1);
    memcpy(copy, text, len);
    free(text);
    if (cccc_yaml_read(copy, len, arena, &document, m) != CCCC_OK)
        return cccc_nil();
    return cccc_is_map(&document) ? document : cccc_nil();
}

cccc_err_t cccc_store_settings(const struct cccc_store_call *call)
{
    struct cccc_path path = cccc_path(call->home, "/settings.yaml");
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_yaml_write(&call->store->document, &text);
    int rc = cccc_vfs_replace(call->vfs, path.z, text.data, text.size, false);
    cccc_buf_fini(&text);
    return rc < 0 ? cccc_file_fail(call->m, rc, "write", path.z) : CCCC_OK;
}
