/* keeping.c - what of a ledger is kept, and why: its sealed segments, what was retired, the rule for that, what holds it, and what lies in torn/. For `cccc ledger stat`.
 *
 * Segments and rule are read from the disk. How far the rule may go is the broker's state: a daemon that serves is asked, none is started.
 * Thread: the program's one. */
#include "broker/core/core.h"
#include "broker/ledger/archive.h"
#include "broker/store/store.h"
#include "clients/cli/offline.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- finding out ---- */

static cccc_value_t segment_value(cccc_arena_t *arena, const struct cccc_part *part)
{
    cccc_builder_t map = cccc_map_builder(arena, 6);
    cccc_map_add(&map, "state", cccc_text(part->retired ? "retired" : !part->there ? "missing" : part->resized ? "damaged" : "sealed"));
    cccc_map_add(&map, "first_seq", cccc_uint(part->first));
    cccc_map_add(&map, "last_seq", cccc_uint(part->last));
    cccc_map_add(&map, "bytes", cccc_uint(part->bytes));
    cccc_map_add(&map, "raw_bytes", cccc_uint(part->raw));
    if (part->retired)
        cccc_map_add(&map, "retired_at", cccc_uint(part->retired_at));
    return map.value;
}

static cccc_value_t segments_of(struct cli *cli, const char *dir)
{
    char note[256] = "";
    struct cccc_archive *archive;
    cccc_builder_t list = cccc_array_builder(cli->arena, 4);
    if (cccc_archive_load(&cccc_vfs_posix, cli_printf(cli, "%s/state/ledger", dir), &archive, note, sizeof note) < 0)
        return list.value;
    for (uint32_t i = 0; i < archive->count; i++)
        cccc_array_add(&list, segment_value(cli->arena, &archive->parts[i]));
    cccc_archive_release(&archive);
    return list.value;
}

static cccc_value_t rule_of(struct cli *cli, const char *group)
{
    struct cccc_group_files files;
    struct cccc_ledger_policy policy;
    cccc_builder_t map = cccc_map_builder(cli->arena, 2);
    cccc_group_files_read(&cccc_vfs_posix, &cli->home, cccc_str(group), cli->arena, &files);
    cccc_ledger_policy_of(&files.document, &policy);
    cccc_map_add(&map, "max_age_s", cccc_uint(policy.retain_s));
    cccc_map_add(&map, "max_bytes", cccc_uint(policy.retain_bytes));
    return map.value;
}

/* The group as a daemon shows it; NULL: none serves, or it does not say. */
static const cccc_value_t *ask_daemon(struct cli *cli, const char *group)
{
    struct cccc_error error;
    const cccc_value_t *result;
    int32_t pid;
    cccc_str_t version;
    if (!cli->client && (!cli_daemon(cli, &pid, &version) || !cli_try_connect(cli, &error)))
        return NULL;
    cccc_args_t *args = cli_group_args(group);
    return cli_try(cli, "status", &args, &result, &error) ? cccc_get(result, "group") : NULL;
}

cccc_value_t offline_keeping(struct cli *cli, const char *group)
{
    static const char *const names[] = {"safe_seq", "safe_why"};
    cccc_builder_t map = cccc_map_builder(cli->arena, 5);
    cccc_map_add(&map, "segments", segments_of(cli, cli_printf(cli, "%s/groups/%s", cli->home.root, group)));
    cccc_map_add(&map, "retention", rule_of(cli, group));
    cccc_map_add(&map, "losses", offline_losses(cli, group));
    const cccc_value_t *row = ask_daemon(cli, group);
    for (size_t i = 0; row && i < sizeof names / sizeof *names; i++)
        if (cccc_get(row, names[i]))
            cccc_map_add(&map, names[i], cccc_value_copy(cli->arena, cccc_get(row, names[i])));
    return map.value;
}

/* ---- saying it ---- */

static void add_row(cli_table_t *table, const char *group, const char *what, enum cli_style style, const char *text)
{
    cli_cell(table, cccc_str(group), STYLE_NONE);
    cli_cell(table, cccc_str(what), style);
    cli_cell(table, cccc_str(text), STYLE_NONE);
}

static bool is_in(const cccc_value_t *segment, const char *state)
{
    return cccc_str_is(cccc_get_str(segment, "state"), state);
}

static void add_segment(struct cli *cli, cli_table_t *table, const char *group, const cccc_value_t *segment)
{
    char bytes[32], raw[32];
    uint64_t at = cccc_get_uint(segment, "retired_at", 0);
    const char *when = "";
    cli_size(bytes, sizeof bytes, cccc_get_uint(segment, "bytes", 0));
    cli_size(raw, sizeof raw, cccc_get_uint(segment, "raw_bytes", 0));
    if (is_in(segment, "retired")) {
        char ts[28];
        cccc_ts_format(ts, (int64_t)at * 1000000);
        when = cli_printf(cli, "; removed at %.19sZ by the retention rule", ts);
    }
    bool lost = is_in(segment, "missing") || is_in(segment, "damaged");
    add_row(table, group, cccc_arena_str(cli->arena, cccc_get_str(segment, "state")).ptr, lost ? STYLE_RED : STYLE_NONE,
            cli_printf(cli, "events %" PRIu64 " to %" PRIu64 ": %s, compressed from %s%s", cccc_get_uint(segment, "first_seq", 0),
                       cccc_get_uint(segment, "last_seq", 0), bytes, raw, when));
}

static const char *rule_text(struct cli *cli, const cccc_value_t *rule)
{
    uint64_t age = cccc_get_uint(rule, "max_age_s", 0), bytes = cccc_get_uint(rule, "max_bytes", 0);
    char size[32];
    cli_size(size, sizeof size, bytes);
    const char *old = age ? cli_printf(cli, "whose newest event is older than %" PRIu64 " s", age) : "";
    const char *large = bytes ? cli_printf(cli, "%swhile all of them take more than %s", age ? ", and those " : "", size) : "";
    return age || bytes ? cli_printf(cli, "the oldest sealed segments go %s%s", old, large) : "everything is kept";
}

static const char *hold_text(struct cli *cli, const cccc_value_t *keeping)
{
    cccc_str_t why = cccc_get_str(keeping, "safe_why");
    if (!cccc_get(keeping, "safe_seq"))
        return "no daemon serves, and only one knows what somebody still needs: `cccc daemon start`";
    if (why.len == 0)
        return "nothing: nobody needs any event of it";
    return cli_printf(cli, "event %" PRIu64 " and all behind it stay: %.*s", cccc_get_uint(keeping, "safe_seq", 0), CCCC_STR_FMT(why));
}

void offline_add_keeping(struct cli *cli, cli_table_t *table, const char *group, const cccc_value_t *keeping)
{
    const cccc_value_t *segments = cccc_get(keeping, "segments"), *losses = cccc_get(keeping, "losses");
    for (uint32_t i = 0; i < cli_count(segments); i++)
        add_segment(cli, table, group, cli_item(segments, i));
    if (cli_count(segments) == 0)
        add_row(table, group, "sealed", STYLE_NONE, "no segment: all events are in ledger.jsonl");
    add_row(table, group, "rule", STYLE_NONE, rule_text(cli, cccc_get(keeping, "retention")));
    add_row(table, group, "holds", STYLE_NONE, hold_text(cli, keeping));
    for (uint32_t i = 0; i < cli_count(losses); i++) {
        const cccc_value_t *loss = cli_item(losses, i);
        add_row(table, group, cccc_arena_str(cli->arena, cccc_get_str(loss, "what")).ptr, STYLE_YELLOW,
                cccc_arena_str(cli->arena, cccc_get_str(loss, "text")).ptr);
    }
}
