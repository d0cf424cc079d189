/* prompt.c - words of a group's own: prompts/<name> in its folder, written by people or taken from a template. Thread: the store's. */
#include "broker/store/files.h"

#include "proto/json.h"

#include <errno.h>
#include <stdlib.h>

static struct cccc_path prompt_path(const struct cccc_store_call *call, cccc_str_t name)
{
    return cccc_group_path(call->home, call->store->group_id, "/prompts/%.*s", CCCC_STR_FMT(name));
}

cccc_err_t cccc_prompt_read(const struct cccc_store_call *call, const char *name, cccc_str_t *out)
{
    char *bytes = NULL;
    size_t len = 0;
    struct cccc_path path = prompt_path(call, cccc_str(name));
    int rc = cccc_vfs_slurp(call->vfs, path.z, CCCC_PROMPT_BYTES_MAX, &bytes, &len);
    if (rc < 0 && rc != -ENOENT)
        return cccc_file_fail(call->m, rc, "read", path.z);
    *out = cccc_arena_str(call->arena, (cccc_str_t){rc == 0 ? bytes : "", rc == 0 ? len : 0});
    free(bytes);
    return CCCC_OK;
}

static cccc_err_t name_check(const struct cccc_store_call *call, cccc_str_t name)
{
    return cccc_is_safe_name(name) ? CCCC_OK
                                   : cccc_fail(call->m, CCCC_E_INVALID_REQUEST, "not a prompt's name: \"%.*s\"", CCCC_STR_FMT(name));
}

cccc_err_t cccc_store_prompt(const struct cccc_store_call *call)
{
    cccc_str_t text = {0}, name = call->store->name;
    cccc_err_t err = name_check(call, name);
    if (err == CCCC_OK)
        err = cccc_prompt_read(call, cccc_arena_str(call->arena, name).ptr, &text);
    if (err != CCCC_OK)
        return err;
    cccc_builder_t map = cccc_map_builder(call->arena, 1);
    cccc_map_add(&map, "text", cccc_string(text));
    *call->value = map.value;
    return CCCC_OK;
}

/* 1: changed, 0: it was so already, -errno. */
static int put_prompt(const struct cccc_store_call *call, const char *path, const cccc_value_t *v)
{
    cccc_str_t text = {0};
    struct cccc_stat st;
    bool there = call->vfs->stat(call->vfs->ctx, path, &st) == 0;
    int rc = 0;
    if (cccc_as_str(v, &text))
        rc = cccc_vfs_replace(call->vfs, path, text.ptr, text.len, false);
    else if (there)
        rc = call->vfs->unlink(call->vfs->ctx, path);
    return rc < 0 ? rc : there || text.ptr;
}

cccc_err_t cccc_store_prompts(const struct cccc_store_call *call)
{
    const cccc_value_t *document = &call->store->document;
    cccc_builder_t paths = cccc_array_builder(call->arena, 2), map = cccc_map_builder(call->arena, 1);
    struct cccc_path folder = prompt_path(call, CCCC_STR(""));
    int rc = cccc_vfs_make_dirs(call->vfs, folder.z);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "create", folder.z);
    for (uint32_t i = 0; i < document->via.map.size; i++) {
        cccc_str_t name = {0};
        cccc_as_str(&document->via.map.ptr[i].key, &name);
        cccc_err_t err = name_check(call, name);
        if (err != CCCC_OK)
            return err;
        struct cccc_path path = prompt_path(call, name);
        rc = put_prompt(call, path.z, &document->via.map.ptr[i].val);
        if (rc < 0)
            return cccc_file_fail(call->m, rc, "write", path.z);
        if (rc > 0)
            cccc_array_add(&paths, cccc_string(cccc_arena_str(call->arena, cccc_str(path.z))));
    }
    cccc_map_add(&map, "paths", paths.value);
    *call->value = map.value;
    return CCCC_OK;
}
