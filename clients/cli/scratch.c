/* scratch.c - what a command makes for itself and takes away again: a folder of its own, or a group in a home that is used.
 *
 * Thread: the program's one. */
#include "clients/cli/offline.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A group of which events are on their way to the disk cannot be deleted: so often, and so long after each time, it is asked again. */
#define DELETE_TRIES    200
#define DELETE_PAUSE_MS 50

/* ---- folders ---- */

const char *cli_scratch_base(void)
{
    const char *base = getenv("TMPDIR");
    return base && *base == '/' ? base : "/tmp";
}

char *cli_scratch(struct cli *cli, const char *name)
{
    return mkdtemp(cli_printf(cli, "%s/%s-XXXXXX", cli_scratch_base(), name));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

bool cli_remove_tree(const char *path)
{
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

/* ---- a group ---- */

static bool problem(struct cccc_error *error, const char *text)
{
    snprintf(error->message, sizeof error->message, "%s", text);
    return false;
}

struct trash_walk {
    struct cli *cli;
    const char *dir, *group;
    bool gone;
};

static void remove_trashed(void *arg, const char *name)
{
    struct trash_walk *walk = arg;
    size_t len = strlen(walk->group);
    if (strncmp(name, walk->group, len) == 0 && name[len] == '.')
        walk->gone &= cli_remove_tree(cli_printf(walk->cli, "%s/%s", walk->dir, name));
}

/* The group is deleted: its folder in the trash is nobody's. */
static bool empty_trash(struct cli *cli, const char *group, struct cccc_error *error)
{
    struct trash_walk walk = {cli, cli_printf(cli, "%s/trash", cli->home.root), group, true};
    cccc_vfs_posix.list(NULL, walk.dir, remove_trashed, &walk);
    if (walk.gone)
        return true;
    *error = (struct cccc_error){.code = "storage_failed", .exit_status = cccc_err_exit_status(CCCC_E_STORAGE)};
    return problem(error, cli_printf(cli, "cannot remove %s/%s.*: %s", walk.dir, group, strerror(errno)));
}

static bool delete_group(struct cli *cli, const char *group, const cccc_value_t **result, struct cccc_error *error)
{
    for (int tries = 1;; tries++) {
        cccc_args_t *args = cli_group_args(group);
        cccc_args_str(args, "confirm", group);
        if (cli_try(cli, "group_delete", &args, result, error))
            return true;
        if (tries == DELETE_TRIES || strcmp(error->code, cccc_err_code(CCCC_E_BUSY)) != 0)
            return false;
        poll(NULL, 0, DELETE_PAUSE_MS);
    }
}

bool cli_remove_group(struct cli *cli, const char *group, struct cccc_error *error)
{
    const cccc_value_t *result;
    cccc_close(&cli->client);
    bool gone = cli_try_connect(cli, error);
    if (gone) {
        cccc_args_t *args = cli_group_args(group);
        cli_try(cli, "group_stop", &args, &result, error); /* where that is refused, what runs ends with the group */
        gone = delete_group(cli, group, &result, error);
    }
    if (gone)
        return cccc_get(result, "warning") || empty_trash(cli, group, error);
    return problem(error, cli_printf(cli, "%s; `cccc group delete %s --confirm %s` removes the group", error->message, group, group));
}
