/* legacy.c - what CCCC 0.4.0 left is kept: before one of its files is first written over, a copy stays as <file>.0.4.0.
 *
 * Which files: registry.json and active.json of a home that no daemon of ours has served yet (there is no daemon/epoch; a restored home has none
 * either, but its documents have our checksum), group.yaml and
 * state/read_cursors.json of a group whose group.yaml has no ledger_seq. Ledgers are only appended to.
 * Thread: start-up's. */
#include "broker/store/files.h"

#include <errno.h>
#include <stdio.h>

/* A copy that is there already is the older one, and stays. */
static int keep(const struct cccc_vfs *vfs, const char *path)
{
    char copy[sizeof(struct cccc_path) + 16], draft[sizeof copy + 8];
    struct cccc_stat st;
    snprintf(copy, sizeof copy, "%s.0.4.0", path);
    snprintf(draft, sizeof draft, "%s.tmp", copy);
    int rc = vfs->stat(vfs->ctx, copy, &st);
    if (rc != -ENOENT)
        return rc;
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    rc = cccc_vfs_copy_out(vfs, fd, 0, UINT64_MAX, draft);
    vfs->close(vfs->ctx, fd);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, draft, copy);
    return rc < 0 ? rc : cccc_vfs_sync_parent(vfs, copy);
}

/* With our checksum, even one that is wrong by now, it is no document of CCCC 0.4.0. */
static bool is_ours(const struct cccc_vfs *vfs, const char *path)
{
    enum cccc_written by;
    struct cccc_errmsg m;
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_json_document(vfs, path, arena, &by, &m);
    cccc_arena_destroy(&arena);
    return by == CCCC_WRITTEN_BY_US || by == CCCC_WRITTEN_CHANGED;
}

cccc_err_t cccc_legacy_keep_home(const struct cccc_vfs *vfs, const struct cccc_home *home, struct cccc_errmsg *m)
{
    static const char *const names[] = {"/registry.json", "/active.json"};
    struct cccc_stat st;
    if (vfs->stat(vfs->ctx, cccc_path(home, "/daemon/epoch").z, &st) != -ENOENT)
        return CCCC_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct cccc_path path = cccc_path(home, "%s", names[i]);
        int rc = is_ours(vfs, path.z) ? 0 : keep(vfs, path.z);
        if (rc < 0)
            return cccc_file_fail(m, rc, "keep a copy of", path.z);
    }
    return CCCC_OK;
}

cccc_err_t cccc_legacy_keep_group(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, struct cccc_errmsg *m)
{
    static const char *const names[] = {"/group.yaml", "/state/read_cursors.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct cccc_path path = cccc_group_path(home, group_id, "%s", names[i]);
        int rc = keep(vfs, path.z);
        if (rc < 0)
            return cccc_file_fail(m, rc, "keep a copy of", path.z);
    }
    return CCCC_OK;
}

cccc_value_t cccc_legacy_cursors(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena)
{
    struct cccc_errmsg m;
    return cccc_json_file(vfs, cccc_group_path(home, group_id, "/state/read_cursors.json").z, arena, &m);
}
