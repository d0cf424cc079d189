/* losses.c - what lies in state/ledger/torn/ of a group: what was taken out of its ledger, or was found to be missing from it, until the operator removes it. For
 * `cccc doctor` and `cccc ledger stat`.
 *
 * Thread: the program's one. */
#include "broker/ledger/loss.h"
#include "clients/cli/offline.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct torn_walk {
    struct cli *cli;
    const char *state_dir;
    cccc_builder_t list;
};

/* "at <when> by <whom> (start N)", as far as the note knows. */
static const char *occasion(struct cli *cli, const struct cccc_loss *loss)
{
    char ts[28];
    cccc_ts_format(ts, (int64_t)loss->at * 1000000);
    const char *when = loss->at > 0 ? cli_printf(cli, "at %.19sZ ", ts) : "";
    return cli_printf(cli, "%sby %s (epoch %" PRIu64 ")", when, loss->by[0] ? loss->by : "a start", loss->epoch);
}

static const char *missing_text(struct cli *cli, const struct cccc_loss *loss, const char *state_dir, const char *path)
{
    const char *cut = loss->copy[0]
                          ? cli_printf(cli, " The %" PRIu64 " bytes at its end, which were no whole event, are kept as %s/torn/%s.",
                                       loss->bytes, state_dir, loss->copy)
                          : "";
    return cli_printf(
        cli,
        "events %" PRIu64 " to %" PRIu64 " were stored once and are missing: the ledger was a copy without them, and was gone "
        "on with %s, so their numbers are used again.%s Restore a newer backup if there is one; when that is settled, remove %s",
        loss->from_seq, loss->to_seq, occasion(cli, loss), cut, path);
}

/* The text about the file `name`, of `bytes` bytes, and what a note says of it (NULL: nothing); NULL: another file's text speaks of it. */
static const char *text_of(const struct torn_walk *walk, const char *name, const char *path, uint64_t bytes, const struct cccc_loss *noted)
{
    struct cli *cli = walk->cli;
    if (strncmp(name, "foreign.", 8) == 0)
        return cli_printf(cli,
                          "another program wrote %" PRIu64 " bytes into the ledger; they were taken out and are kept as %s. Find out whose "
                          "they are, then remove it",
                          bytes, path);
    if (strncmp(name, "damaged.", 8) == 0)
        return cli_printf(
            cli,
            "%" PRIu64
            " bytes of events that were given up with `cccc ledger repair` are kept as %s; remove it when nobody wants them any more",
            bytes, path);
    if (strncmp(name, "missing.", 8) == 0)
        return noted ? missing_text(cli, noted, walk->state_dir, path)
                     : cli_printf(cli, "%s notes that events are missing at the end of a copy, and cannot be read", path);
    if (strncmp(name, "torn.", 5) != 0 || strstr(name, ".note"))
        return NULL;
    const char *where = noted ? cli_printf(cli, " behind event %" PRIu64, noted->from_seq - 1) : "";
    return cli_printf(cli,
                      "%" PRIu64 " bytes%s, which were no whole event, were cut %s, and are kept as %s; nobody was told that they were "
                      "stored. Remove it%s when nobody wants them any more",
                      bytes, where, noted ? occasion(cli, noted) : "by a start", path, noted ? ", and its .note," : "");
}

static void add_members(cccc_builder_t *map, const struct cccc_loss *loss)
{
    cccc_map_add(map, "from_seq", cccc_uint(loss->from_seq));
    cccc_map_add(map, "to_seq", cccc_uint(loss->to_seq));
    cccc_map_add(map, "at", cccc_uint(loss->at));
    cccc_map_add(map, "epoch", cccc_uint(loss->epoch));
    cccc_map_add(map, "by", cccc_string(cccc_arena_str(map->arena, cccc_str(loss->by))));
    cccc_map_add(map, "copy", cccc_string(cccc_arena_str(map->arena, cccc_str(loss->copy))));
}

static void take_file(void *arg, const char *name)
{
    struct torn_walk *walk = arg;
    struct cli *cli = walk->cli;
    struct cccc_stat st;
    struct cccc_loss loss;
    const char *path = cli_printf(cli, "%s/torn/%s", walk->state_dir, name);
    if (cccc_vfs_posix.stat(NULL, path, &st) != 0)
        return;
    const char *note = strncmp(name, "torn.", 5) == 0 ? cli_printf(cli, "%s.note", name) : name;
    bool noted = cccc_loss_read(&cccc_vfs_posix, walk->state_dir, note, &loss);
    const char *text = text_of(walk, name, path, st.size, noted ? &loss : NULL);
    if (!text)
        return;
    cccc_builder_t map = cccc_map_builder(cli->arena, 10);
    cccc_map_add(&map, "what", cccc_string(cccc_arena_str(cli->arena, (cccc_str_t){name, strcspn(name, ".")})));
    cccc_map_add(&map, "path", cccc_text(path));
    cccc_map_add(&map, "bytes", cccc_uint(st.size));
    cccc_map_add(&map, "text", cccc_text(text));
    if (noted)
        add_members(&map, &loss);
    cccc_array_add(&walk->list, map.value);
}

cccc_value_t offline_losses(struct cli *cli, const char *group)
{
    struct torn_walk walk = {.cli = cli,
                             .state_dir = cli_printf(cli, "%s/groups/%s/state/ledger", cli->home.root, group),
                             .list = cccc_array_builder(cli->arena, 0)};
    cccc_vfs_posix.list(NULL, cli_printf(cli, "%s/torn", walk.state_dir), take_file, &walk);
    return walk.list.value;
}
