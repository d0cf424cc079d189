/* actors.c - actors as the daemon shows them, in words: what runs, how it ended. Shared by the commands about actors and groups.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int cli_actors(struct cli *cli, const char *group, const cccc_value_t **actors)
{
    const cccc_value_t *result;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_bool(args, "include_unread", true);
    int status = cli_ask(cli, "actor_list", &args, &result);
    if (status)
        return status;
    *actors = cccc_get(result, "actors");
    return cccc_is_array(*actors) ? 0 : cli_fail(cli, CCCC_E_INTERNAL, NULL, "the daemon's answer has no list of actors");
}

const cccc_value_t *cli_actor_row(const cccc_value_t *actors, cccc_str_t id)
{
    for (uint32_t i = 0; i < cli_count(actors); i++)
        if (cccc_str_eq(cccc_get_str(cli_item(actors, i), "id"), id))
            return cli_item(actors, i);
    return NULL;
}

int cli_fail_unless_actor(struct cli *cli, const char *group, const char *id)
{
    const char *const *ids;
    size_t count;
    int status = cli_actor_ids(cli, group, &ids, &count);
    for (size_t i = 0; status == 0 && i < count; i++)
        if (strcmp(ids[i], id) == 0)
            return 0;
    return status ? status : cli_fail_no_actor(cli, group, id, ids, count);
}

bool cli_actor_has_terminal(const cccc_value_t *actor)
{
    return cccc_str_is(cccc_get_str(actor, "runner"), "pty");
}

static const char *exit_words(struct cli *cli, const cccc_value_t *exit)
{
    if (cccc_get_bool(exit, "holder_lost", false))
        return "lost with its holder";
    if (cccc_get_bool(exit, "terminal_closed", false))
        return "closed its terminal";
    cccc_str_t limit = cccc_get_str(exit, "limit");
    const char *reached = limit.len > 0 ? cli_printf(cli, " (its limit of %.*s was reached)", CCCC_STR_FMT(limit)) : "";
    if (cccc_get(exit, "signal"))
        return cli_printf(cli, "signal %" PRIu64 "%s", cccc_get_uint(exit, "signal", 0), reached);
    return cccc_get(exit, "code") ? cli_printf(cli, "code %" PRIu64 "%s", cccc_get_uint(exit, "code", 0), reached) : "no status known";
}

const char *cli_actor_exit(struct cli *cli, const cccc_value_t *exit)
{
    return cli_printf(cli, "%s, %s", exit_words(cli, exit), cccc_get_bool(exit, "asked", false) ? "asked for" : "by itself");
}

static void exit_cells(struct cli *cli, cli_table_t *table, const cccc_value_t *actor)
{
    const cccc_value_t *exit = cccc_get(actor, "exit");
    cli_cell(table, exit ? cccc_str(exit_words(cli, exit)) : CCCC_STR("-"), exit ? STYLE_NONE : STYLE_DIM);
    cli_cell_time(table, cccc_get_str(exit, "ts"));
}

static void count_cell(cli_table_t *table, const cccc_value_t *actor, const char *key)
{
    uint64_t count = cccc_get_uint(actor, key, 0);
    if (cccc_get(actor, key))
        cli_cell_fmt(table, count ? STYLE_BOLD : STYLE_DIM, "%" PRIu64, count);
    else
        cli_cell(table, CCCC_STR("-"), STYLE_NONE);
}

static void delivery_cell(cli_table_t *table, const cccc_value_t *actor)
{
    const cccc_value_t *delivery = cccc_get(actor, "delivery");
    cccc_str_t state = cccc_get_str(delivery, "state"), reason = cccc_get_str(delivery, "reason"),
               obstacle = cccc_get_str(actor, "obstacle");
    if (obstacle.len > 0)
        cli_cell_fmt(table, STYLE_RED, "waits: %.*s", CCCC_STR_FMT(obstacle));
    else if (state.len == 0)
        cli_cell(table, CCCC_STR("-"), STYLE_NONE);
    else
        cli_cell_fmt(table, cccc_str_is(state, "claimed") || cccc_str_is(state, "accepted") ? STYLE_NONE : STYLE_RED, "%.*s%s%.*s",
                     CCCC_STR_FMT(state), reason.len > 0 ? ": " : "", CCCC_STR_FMT(reason));
}

static void idle_cell(cli_table_t *table, const cccc_value_t *actor)
{
    uint64_t seconds = cccc_get_uint(actor, "idle_seconds", 0);
    if (!cccc_get(actor, "idle_seconds"))
        cli_cell(table, CCCC_STR("-"), STYLE_NONE);
    else if (seconds < 60)
        cli_cell_fmt(table, STYLE_NONE, "%" PRIu64 "s", seconds);
    else if (seconds < 3600)
        cli_cell_fmt(table, STYLE_NONE, "%" PRIu64 "m", seconds / 60);
    else
        cli_cell_fmt(table, STYLE_NONE, "%" PRIu64 "h", seconds / 3600);
}

/* Why its program does not run: said in a list, too, because whoever sees it there asks. */
static const char *ended_words(struct cli *cli, const cccc_value_t *actor)
{
    const cccc_value_t *exit = cccc_get(actor, "exit");
    cccc_str_t state = cccc_get_str(actor, "runtime_state"), failure = cccc_get_str(actor, "start_error");
    const char *words =
        cccc_str_is(state, "exited") ? cli_printf(cli, "exited: %s", exit_words(cli, exit)) : cccc_arena_str(cli->arena, state).ptr;
    if (!cccc_get_bool(actor, "enabled", false))
        return cccc_get_bool(exit, "asked", false) ? "stopped on purpose" : cli_printf(cli, "%s; stopped on purpose", words);
    if (cccc_get_bool(actor, "left_stopped", false))
        return "left stopped";
    if (failure.len > 0)
        return cli_printf(cli, "%s: %.*s", words, CCCC_STR_FMT(failure));
    return cccc_get_bool(exit, "asked", false) ? "stopped" : words;
}

const char *cli_actor_state(struct cli *cli, const cccc_value_t *actor)
{
    bool enabled = cccc_get_bool(actor, "enabled", false);
    cccc_str_t state = cccc_get_str(actor, "runtime_state");
    if (!cli_actor_has_terminal(actor) || state.len == 0)
        return enabled ? "enabled" : "disabled";
    if (cccc_get_bool(actor, "stopped", false))
        return "running, its process is stopped";
    bool left = cccc_str_is(state, "never started") && cccc_get_bool(actor, "left_stopped", false);
    if (cccc_str_is(state, "exited") || cccc_str_is(state, "failed") || left)
        return ended_words(cli, actor);
    return cli_printf(cli, "%.*s%s", CCCC_STR_FMT(state), enabled ? "" : ", disabled");
}

enum cli_style cli_actor_state_style(const cccc_value_t *actor)
{
    cccc_str_t state = cccc_get_str(actor, "runtime_state");
    if (!cli_actor_has_terminal(actor))
        return cccc_get_bool(actor, "enabled", false) ? STYLE_GREEN : STYLE_YELLOW;
    if (cccc_str_is(state, "running"))
        return cccc_get_bool(actor, "stopped", false) ? STYLE_YELLOW : STYLE_GREEN;
    bool wrong = cccc_str_is(state, "failed") || cccc_str_is(state, "unreachable") ||
                 (cccc_str_is(state, "exited") && !cccc_get_bool(cccc_get(actor, "exit"), "asked", false));
    return wrong ? STYLE_RED : STYLE_YELLOW;
}

void cli_actor_cells(struct cli *cli, cli_table_t *table, const cccc_value_t *actor)
{
    cli_cell(table, cccc_str(cli_actor_state(cli, actor)), cli_actor_state_style(actor));
    count_cell(table, actor, "unread_count");
    count_cell(table, actor, "owes");
    count_cell(table, actor, "queued");
    idle_cell(table, actor);
    delivery_cell(table, actor);
    exit_cells(cli, table, actor);
}
