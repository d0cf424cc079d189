/* trash.c - a deleted group is moved, never erased.
 *
 * Owns trash/: groups/<gid> becomes trash/<gid>.<stamp>, and "-2", "-3" ... is added when the same group is deleted again within a second.
 * Thread: the store thread; cccc_trash_scan before it runs. */
#include "broker/mutant.h"
#include "broker/store/files.h"

#include <errno.h>

enum { SAME_SECOND_MAX = 1000 };

static bool exists(const struct cccc_vfs *vfs, const char *path)
{
    struct cccc_stat st;
    return vfs->stat(vfs->ctx, path, &st) == 0;
}

static struct cccc_path free_name(const struct cccc_store_call *call)
{
    char stamp[24];
    cccc_stamp(stamp);
    struct cccc_path path = cccc_path(call->home, "/trash/%.*s.%s", CCCC_STR_FMT(call->store->group_id), stamp);
    for (int i = 2; i < SAME_SECOND_MAX && exists(call->vfs, path.z); i++)
        path = cccc_path(call->home, "/trash/%.*s.%s-%d", CCCC_STR_FMT(call->store->group_id), stamp, i);
    return path;
}

/* A folder that is not there has been moved before (the effect is repeated after a crash); both directories are synced all the same, because
 * that crash may have come before their sync. */
cccc_err_t cccc_store_trash(const struct cccc_store_call *call)
{
    const struct cccc_vfs *vfs = call->vfs;
    struct cccc_path from = cccc_group_path(call->home, call->store->group_id, "%s", ""), to = free_name(call);
    struct cccc_path groups = cccc_path(call->home, "/groups"), trash = cccc_path(call->home, "/trash");
    int rc = cccc_vfs_make_dirs(vfs, trash.z);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, from.z, to.z);
    if (rc < 0 && rc != -ENOENT)
        return cccc_file_fail(call->m, rc, "move to trash/", from.z);
    cccc_builder_t result = cccc_map_builder(call->arena, 1);
    cccc_map_add(&result, "moved", cccc_bool(true));
    *call->value = result.value;
    if (CCCC_MUTANT_IS(NO_TRASH_SYNC))
        return CCCC_OK;
    rc = cccc_vfs_sync_dir(vfs, trash.z);
    if (rc == 0)
        rc = cccc_vfs_sync_dir(vfs, groups.z);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "sync", trash.z);
    cccc_holders_forget_group(call, to.z); /* not before it is certain that the group does not come back */
    return CCCC_OK;
}

/* ---- what was deleted ---- */

struct deleted {
    const struct cccc_vfs *vfs;
    const struct cccc_home *home;
    void (*each)(void *arg, cccc_str_t group_id);
    void *arg;
};

static void report_deleted(void *arg, const char *name)
{
    const struct deleted *deleted = arg;
    cccc_str_t id = {name, strcspn(name, ".")};
    struct cccc_stat st;
    if (cccc_is_group_id(id) && deleted->vfs->stat(deleted->vfs->ctx, cccc_group_path(deleted->home, id, "%s", "").z, &st) == -ENOENT)
        deleted->each(deleted->arg, id);
}

void cccc_trash_scan(const struct cccc_vfs *vfs, const struct cccc_home *home, void (*each)(void *arg, cccc_str_t group_id), void *arg)
{
    struct deleted deleted = {vfs, home, each, arg};
    vfs->list(vfs->ctx, cccc_path(home, "/trash").z, report_deleted, &deleted);
}
