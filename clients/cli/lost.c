/* lost.c - groups that are registered and not there: what doctor, verify and status compare, and how they say it.
 *
 * Reads only. A folder without group.yaml and ledger.jsonl is no group to the daemon, so it is as lost as one that is gone.
 * Thread: the program's one. */
#include "clients/cli/offline.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *cli_lost_what(struct cli *cli, const char *group)
{
    const char *folder = cli_printf(cli, "%s/groups/%s", cli->home.root, group);
    if (access(folder, F_OK) == 0)
        return cli_printf(cli, "%s holds neither group.yaml nor ledger.jsonl", folder);
    return errno == ENOENT ? cli_printf(cli, "%s is gone", folder) : cli_printf(cli, "%s: %s", folder, strerror(errno));
}

struct search {
    cccc_str_t wanted;
    bool found;
};

static void compare(void *arg, cccc_str_t group_id)
{
    struct search *search = arg;
    search->found = search->found || cccc_str_eq(group_id, search->wanted);
}

static bool is_in_trash(struct cli *cli, cccc_str_t id)
{
    struct search search = {.wanted = id};
    cccc_trash_scan(&cccc_vfs_posix, &cli->home, compare, &search);
    return search.found;
}

static bool is_there(const cccc_value_t *ids, cccc_str_t id)
{
    struct search search = {.wanted = id};
    for (uint32_t i = 0; i < cli_count(ids); i++) {
        cccc_str_t one = {0};
        cccc_as_str(cli_item(ids, i), &one);
        compare(&search, one);
    }
    return search.found;
}

uint32_t offline_lost_groups(struct cli *cli, const cccc_value_t *registry, struct offline_lost **out)
{
    const cccc_value_t *groups = cccc_get(registry, "groups");
    uint32_t size = groups && cccc_is_map(groups) ? groups->via.map.size : 0, count = 0;
    cccc_value_t ids;
    struct cccc_errmsg m;
    *out = cccc_arena_alloc(cli->arena, (size + 1) * sizeof **out);
    if (cccc_groups_scan(&cccc_vfs_posix, &cli->home, cli->arena, &ids, &m))
        return 0; /* whoever asked scans, too, and says so */
    for (uint32_t i = 0; i < size; i++) {
        cccc_str_t id = {0}, title = cccc_get_str(&groups->via.map.ptr[i].val, "title");
        cccc_as_str(&groups->via.map.ptr[i].key, &id);
        if (id.len == 0 || is_there(&ids, id))
            continue;
        const char *group = cccc_arena_str(cli->arena, id).ptr;
        (*out)[count++] =
            (struct offline_lost){group, cccc_arena_str(cli->arena, title).ptr, cli_lost_what(cli, group), is_in_trash(cli, id)};
    }
    return count;
}
