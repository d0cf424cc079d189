/* context.c - the files under a group's context/: context.yaml, presence.yaml, tasks/T001.yaml (reference 12).
 *
 * Read once, when the group is opened; a file that cannot be read is as if it was not there. context.yaml is written last, because its ledger_seq vouches for the others.
 * Thread: start-up's and the opening thread; then the store thread. */
#include "broker/store/files.h"
#include "proto/limits.h"

#include <stdlib.h>

static cccc_value_t read_file(const struct cccc_vfs *vfs, const char *path, cccc_arena_t *arena)
{
    char *text;
    size_t len;
    cccc_value_t document;
    if (cccc_vfs_slurp(vfs, path, CCCC_CONFIG_BYTES_MAX, &text, &len) < 0)
        return cccc_nil();
    cccc_str_t kept = cccc_arena_str(arena, (cccc_str_t){text, len});
    free(text);
    bool good = cccc_yaml_read(kept.ptr, kept.len, arena, &document, NULL) == CCCC_OK && cccc_is_map(&document);
    return good ? document : cccc_nil();
}

/* ---- reading ---- */

struct tasks {
    const struct cccc_vfs *vfs;
    struct cccc_path folder;
    cccc_arena_t *arena;
    cccc_builder_t map;
};

/* T and digits, .yaml; the id in the arena, "" when it is another file. */
static cccc_str_t task_id(const char *name, cccc_arena_t *arena)
{
    size_t digits = name[0] == 'T' ? strspn(name + 1, "0123456789") : 0;
    if (digits == 0 || digits > 9 || strcmp(name + 1 + digits, ".yaml") != 0)
        return CCCC_STR("");
    return cccc_arena_str(arena, (cccc_str_t){name, 1 + digits});
}

/* A task that cannot be read is an empty one, so that no other gets its id, and with that its file. */
static cccc_value_t unreadable(cccc_arena_t *arena, cccc_str_t id)
{
    cccc_builder_t task = cccc_map_builder(arena, 3);
    cccc_map_add(&task, "id", cccc_string(id));
    cccc_map_add(&task, "name", cccc_text(""));
    cccc_map_add(&task, "status", cccc_text("planned"));
    return task.value;
}

static void add_task(void *arg, const char *name)
{
    struct tasks *self = arg;
    cccc_str_t id = task_id(name, self->arena);
    if (id.len == 0 || self->map.value.via.map.size >= CCCC_CONTEXT_TASKS_MAX)
        return;
    struct cccc_path path;
    snprintf(path.z, sizeof path.z, "%.4000s/%.32s", self->folder.z, name);
    cccc_value_t task = read_file(self->vfs, path.z, self->arena);
    if (!cccc_is_map(&task))
        task = unreadable(self->arena, id);
    cccc_map_add_key(&self->map, id, task);
}

cccc_value_t cccc_context_read(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena)
{
    cccc_builder_t files = cccc_map_builder(arena, 3);
    cccc_value_t context = read_file(vfs, cccc_group_path(home, group_id, "/context/context.yaml").z, arena);
    cccc_value_t presence = read_file(vfs, cccc_group_path(home, group_id, "/context/presence.yaml").z, arena);
    struct tasks tasks = {vfs, cccc_group_path(home, group_id, "/context/tasks"), arena, cccc_map_builder(arena, 16)};
    vfs->list(vfs->ctx, tasks.folder.z, add_task, &tasks);
    if (cccc_is_map(&context))
        cccc_map_add(&files, "context", context);
    if (tasks.map.value.via.map.size > 0)
        cccc_map_add(&files, "tasks", tasks.map.value);
    if (cccc_is_map(&presence))
        cccc_map_add(&files, "presence", presence);
    return files.value;
}

/* ---- writing ---- */

static cccc_err_t write_file(const struct cccc_store_call *call, const char *path, const cccc_value_t *document)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_yaml_write(document, &text);
    int rc = cccc_vfs_replace(call->vfs, path, text.data, text.size, false);
    cccc_buf_fini(&text);
    return rc < 0 ? cccc_file_fail(call->m, rc, "write", path) : CCCC_OK;
}

static cccc_err_t write_tasks(const struct cccc_store_call *call, const cccc_value_t *tasks)
{
    cccc_err_t err = CCCC_OK;
    for (uint32_t i = 0; err == CCCC_OK && cccc_is_map(tasks) && i < tasks->via.map.size; i++) {
        const msgpack_object_kv *kv = &tasks->via.map.ptr[i];
        cccc_str_t id = {kv->key.via.str.ptr, kv->key.via.str.size};
        if (cccc_is_safe_name(id))
            err = write_file(call, cccc_group_path(call->home, call->store->group_id, "/context/tasks/%.*s.yaml", CCCC_STR_FMT(id)).z,
                             &kv->val);
    }
    return err;
}

cccc_err_t cccc_store_context(const struct cccc_store_call *call)
{
    const cccc_value_t *document = &call->store->document, *presence = cccc_get(document, "presence");
    struct cccc_path folder = cccc_group_path(call->home, call->store->group_id, "/context/tasks");
    int rc = cccc_vfs_make_dirs(call->vfs, folder.z);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "create", folder.z);
    cccc_err_t err = write_tasks(call, cccc_get(document, "tasks"));
    if (err == CCCC_OK && cccc_is_map(presence))
        err = write_file(call, cccc_group_path(call->home, call->store->group_id, "/context/presence.yaml").z, presence);
    if (err == CCCC_OK)
        err =
            write_file(call, cccc_group_path(call->home, call->store->group_id, "/context/context.yaml").z, cccc_get(document, "context"));
    return err;
}
