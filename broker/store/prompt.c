/* prompt.c - words of a group's own: prompts/<name> in its folder, written by people. Thread: the store's. */
#include "broker/store/files.h"

#include "proto/json.h"

#include <errno.h>
#include <stdlib.h>

cccc_err_t cccc_store_prompt(const struct cccc_store_call *call)
{
    const struct cccc_store *store = call->store;
    char *bytes = NULL;
    size_t len = 0;
    if (!cccc_is_safe_name(store->name))
        return cccc_fail(call->m, CCCC_E_INVALID_REQUEST, "not a prompt's name: \"%.*s\"", CCCC_STR_FMT(store->name));
    struct cccc_path path = cccc_group_path(call->home, store->group_id, "/prompts/%.*s", CCCC_STR_FMT(store->name));
    int rc = cccc_vfs_slurp(call->vfs, path.z, CCCC_PROMPT_BYTES_MAX, &bytes, &len);
    if (rc < 0 && rc != -ENOENT)
        return cccc_file_fail(call->m, rc, "read", path.z);
    cccc_str_t text = {rc == 0 ? bytes : "", rc == 0 ? len : 0};
    cccc_builder_t map = cccc_map_builder(call->arena, 1);
    cccc_map_add(&map, "text", cccc_string(cccc_arena_str(call->arena, text)));
    *call->value = map.value;
    free(bytes);
    return CCCC_OK;
}
