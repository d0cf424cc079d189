/* status.c - the state of things at a glance: `cccc status`, `cccc groups`, and what bare `cccc` prints.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *cli_group_state(struct cli *cli, const cccc_value_t *health, const cccc_value_t *group)
{
    cccc_str_t state = cccc_get_str(group, "state");
    if (cccc_get(health, "offline"))
        return "offline";
    if (cccc_get(health, "read_only"))
        return "read-only";
    return !cccc_get_bool(group, "running", false) ? "stopped" : state.len > 0 ? cccc_arena_str(cli->arena, state).ptr : "-";
}

void cli_print_groups(struct cli *cli, const cccc_value_t *groups, cccc_str_t active)
{
    static const char *const headings[] = {"GROUP", "TITLE", "STATE", "UNREAD", "OPEN", "ACTIVE", "UPDATED"};
    cli_table_t *table = cli_table_new(cli, headings, 7);
    for (uint32_t i = 0; i < cli_count(groups); i++) {
        const cccc_value_t *group = cli_item(groups, i);
        cccc_str_t id = cccc_get_str(group, "group_id"), state = cccc_str(cli_group_state(cli, group, group));
        bool is_active = active.len > 0 && cccc_str_eq(id, active);
        cli_cell(table, id, STYLE_NONE);
        cli_cell_of(table, group, "title", STYLE_NONE);
        cli_cell(table, state, cccc_str_is(state, "active") ? STYLE_GREEN : STYLE_YELLOW);
        cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, cccc_get_uint(group, "unread_count", 0));
        cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, cccc_get_uint(group, "obligation_count", 0));
        cli_cell(table, is_active ? CCCC_STR("*") : CCCC_STR("-"), STYLE_NONE);
        cli_cell_time(table, cccc_get_str(group, "updated_at"));
    }
    cli_table_print(&table);
}

/* What every overview shows: the answer of `groups`, and the active group. 0, or the exit status of the failure reported. */
static int ask_groups(struct cli *cli, const cccc_value_t **listed, cccc_str_t *active)
{
    const cccc_value_t *set;
    int status = cli_ask(cli, "groups", NULL, listed);
    if (status == 0)
        status = cli_ask(cli, "active_get", NULL, &set);
    if (status)
        return status;
    *active = cccc_get_str(set, "active_group_id");
    return cccc_is_array(cccc_get(*listed, "groups")) ? 0
                                                      : cli_fail(cli, CCCC_E_INTERNAL, NULL, "the daemon's answer has no list of groups");
}

/* ---- actors ---- */

/* One row of each actor in the groups that run or are the active one, as actor_list has them and with their group; at most ACTORS_MAX, then *more. 0, or the exit status of the
 * failure reported. */
static int ask_actors(struct cli *cli, const cccc_value_t *groups, cccc_str_t active, cccc_builder_t *rows, bool *more)
{
    enum { ACTORS_MAX = 1000 };
    const cccc_value_t *actors;
    *more = false;
    for (uint32_t i = 0; i < cli_count(groups); i++) {
        const cccc_value_t *group = cli_item(groups, i);
        cccc_str_t id = cccc_get_str(group, "group_id");
        bool shown = cccc_get_bool(group, "running", false) || cccc_str_eq(id, active);
        if (!shown || cccc_get(group, "offline") || cccc_get_uint(group, "actor_count", 0) == 0)
            continue;
        int status = cli_actors(cli, cccc_arena_str(cli->arena, id).ptr, &actors);
        if (status)
            return status;
        for (uint32_t k = 0; k < cli_count(actors); k++) {
            *more = rows->value.via.array.size == ACTORS_MAX;
            if (*more)
                return 0;
            cccc_array_add(rows, cccc_map_with(cli->arena, cli_item(actors, k), CCCC_STR("group_id"), cccc_string(id)));
        }
    }
    return 0;
}

static void print_actors(struct cli *cli, const cccc_value_t *actors, bool more)
{
    static const char *const headings[] = {"GROUP", "ACTOR", "STATE", "UNREAD", "OWES", "QUEUED", "IDLE", "DELIVERY", "EXIT", "ENDED"};
    if (cli_count(actors) == 0)
        return;
    cli_table_t *table = cli_table_new(cli, headings, 10);
    for (uint32_t i = 0; i < cli_count(actors); i++) {
        const cccc_value_t *actor = cli_item(actors, i);
        cli_cell_of(table, actor, "group_id", STYLE_NONE);
        cli_cell_of(table, actor, "id", cli_style_of(cccc_get_str(actor, "id")));
        cli_actor_cells(cli, table, actor);
    }
    cli_table_print(&table);
    if (more)
        cli_say(cli, "there are more actors: cccc actor list --group GROUP");
}

/* Actors that somebody should look at. */
static void print_troubles(struct cli *cli, const cccc_value_t *group)
{
    const cccc_value_t *troubled = cccc_get(group, "actors_troubled");
    for (uint32_t i = 0; i < cli_count(troubled); i++) {
        const cccc_value_t *one = cli_item(troubled, i);
        cccc_str_t id = cccc_get_str(one, "actor_id");
        cli_fact(cli, "actor", "%.*s of %.*s: %.*s", CCCC_STR_FMT(id), CCCC_STR_FMT(cccc_get_str(group, "group_id")),
                 CCCC_STR_FMT(cccc_get_str(one, "reason")));
        cli_say(cli, "next: cccc actor show %.*s --group %.*s", CCCC_STR_FMT(id), CCCC_STR_FMT(cccc_get_str(group, "group_id")));
    }
}

/* Registered groups that are not what they should be, and what to do about each. */
static void say_registry_health(struct cli *cli, const cccc_value_t *listed)
{
    const cccc_value_t *health = cccc_get(listed, "registry_health");
    const cccc_value_t *missing = cccc_get(health, "missing_group_ids"), *corrupt = cccc_get(health, "corrupt_group_ids");
    cccc_str_t id = {0};
    for (uint32_t i = 0; i < cli_count(missing); i++)
        if (cccc_as_str(cli_item(missing, i), &id))
            cli_fact(cli, "missing", "%.*s is registered, but %s", CCCC_STR_FMT(id),
                     cli_lost_what(cli, cccc_arena_str(cli->arena, id).ptr));
    for (uint32_t i = 0; i < cli_count(corrupt); i++)
        if (cccc_as_str(cli_item(corrupt, i), &id))
            cli_fact(cli, "corrupt", "%.*s cannot be read; `cccc doctor` says why", CCCC_STR_FMT(id));
    if (cli_count(missing) > 0)
        cli_say(cli, "next: put it back (cccc backup list), then cccc daemon restart; or cccc groups --forget-missing");
}

void cli_print_degraded(struct cli *cli, const cccc_value_t *status)
{
    const cccc_value_t *list = cccc_get(status, "groups_degraded");
    cccc_str_t degraded = cccc_get_str(status, "degraded");
    if (degraded.len > 0)
        cli_fact(cli, "degraded", "%.*s", CCCC_STR_FMT(degraded));
    for (uint32_t i = 0; i < cli_count(list); i++) {
        const cccc_value_t *item = cli_item(list, i);
        cli_fact(cli, "degraded", "%.*s: %.*s", CCCC_STR_FMT(cccc_get_str(item, "group_id")), CCCC_STR_FMT(cccc_get_str(item, "reason")));
    }
}

/* `more` of the answer: it was cut. */
static void add_groups(cccc_builder_t *result, const cccc_value_t *listed)
{
    static const char *const keys[] = {"groups", "registry_health", "more"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (cccc_get(listed, keys[i]))
            cccc_map_add(result, keys[i], *cccc_get(listed, keys[i]));
}

static int print_json(struct cli *cli, const cccc_value_t *status, const cccc_value_t *listed, cccc_str_t active,
                      const cccc_value_t *actors, bool more_actors)
{
    cccc_builder_t result = cccc_map_builder(cli->arena, 8);
    cccc_map_add(&result, "home", cccc_text(cli->home.root));
    cccc_map_add(&result, "daemon", *status);
    cccc_map_add(&result, "active_group_id", cccc_string(active));
    add_groups(&result, listed);
    cccc_map_add(&result, "actors", *actors);
    if (more_actors)
        cccc_map_add(&result, "more_actors", cccc_bool(true));
    return cli_result(cli, &result.value);
}

static int overview(struct cli *cli)
{
    const cccc_value_t *daemon, *listed;
    cccc_str_t active;
    int status = cli_ask(cli, "status", NULL, &daemon);
    if (status == 0)
        status = ask_groups(cli, &listed, &active);
    if (status)
        return status;
    const cccc_value_t *groups = cccc_get(listed, "groups");
    cccc_builder_t actors = cccc_array_builder(cli->arena, 16);
    bool more;
    status = ask_actors(cli, groups, active, &actors, &more);
    if (status)
        return status;
    if (cli->json)
        return print_json(cli, daemon, listed, active, &actors.value, more);
    cli_fact(cli, "home", "%s", cli->home.root);
    cli_fact(cli, "daemon", "running, pid %" PRIu64 ", version %.*s", cccc_get_uint(daemon, "pid", 0),
             CCCC_STR_FMT(cccc_get_str(daemon, "version")));
    cli_print_degraded(cli, daemon);
    cli_fact(cli, "groups", "%" PRIu32, cli_count(groups));
    if (cli_count(groups) > 0)
        cli_print_groups(cli, groups, active);
    print_actors(cli, &actors.value, more);
    for (uint32_t i = 0; i < cli_count(groups); i++)
        print_troubles(cli, cli_item(groups, i));
    for (uint32_t i = 0; i < cli_count(groups); i++)
        cli_print_holds(cli, cccc_get(cli_item(groups, i), "holds"),
                        cccc_arena_str(cli->arena, cccc_get_str(cli_item(groups, i), "group_id")).ptr);
    say_registry_health(cli, listed);
    return 0;
}

static int not_running(struct cli *cli, const struct cccc_error *error)
{
    if (cli->json) {
        cli_fail_with(cli, error);
    } else {
        cli_fact(cli, "home", "%s", cli->home.root);
        cli_fact(cli, "daemon", "%s", cli_is_stopped(cli) ? "stopped (by `cccc daemon stop`)" : "not running");
        cli_say(cli, "next: cccc daemon start");
    }
    return CLI_EXIT_NOT_RUNNING;
}

int cmd_status(struct cli *cli)
{
    struct cccc_error error;
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    if (cli_try_connect(cli, &error))
        return overview(cli);
    return strcmp(error.code, cccc_err_code(CCCC_E_NOT_RUNNING)) == 0 ? not_running(cli, &error) : cli_fail_with(cli, &error);
}

/* Remove from the registry what has no folder any more. */
static int forget_missing(struct cli *cli)
{
    const cccc_value_t *result;
    cccc_args_t *args = cccc_args_new();
    cccc_str_t id = {0};
    cccc_args_bool(args, "remove_missing", true);
    int status = cli_ask(cli, "registry_reconcile", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const cccc_value_t *removed = cccc_get(result, "removed_group_ids");
    for (uint32_t i = 0; i < cli_count(removed); i++)
        if (cccc_as_str(cli_item(removed, i), &id))
            cli_fact(cli, "forgotten", "%.*s", CCCC_STR_FMT(id));
    if (cli_count(removed) == 0)
        cli_say(cli, "every registered group has its folder; nothing was changed");
    return 0;
}

int cmd_groups(struct cli *cli)
{
    const cccc_value_t *listed;
    cccc_str_t active;
    int status = cli_connect(cli, CLI_START_IT);
    if (status == 0 && cli_flag(cli, "forget-missing"))
        return forget_missing(cli);
    if (status == 0)
        status = ask_groups(cli, &listed, &active);
    if (status)
        return status;
    const cccc_value_t *groups = cccc_get(listed, "groups");
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 4);
        add_groups(&result, listed);
        cccc_map_add(&result, "active_group_id", cccc_string(active));
        return cli_result(cli, &result.value);
    }
    if (cli_count(groups) > 0)
        cli_print_groups(cli, groups, active);
    else
        cli_say(cli, "no groups yet\nnext: cccc group create TITLE, or cccc attach PATH");
    say_registry_health(cli, listed);
    return 0;
}

/* Bare `cccc`: the daemon runs when this is done, and the reader knows what to type next. */
int cmd_home(struct cli *cli)
{
    bool started = false;
    struct cccc_error error;
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    if (!cli_mark_stopped(cli, false))
        cli_say(cli, "cccc: cannot remove %s/daemon/stopped", cli->home.root);
    if (!cli_try_connect(cli, &error))
        status = cli_daemon_start(cli, &started);
    if (status == 0)
        status = cli_connect(cli, CLI_ONLY_RUNNING);
    if (status == 0)
        status = overview(cli);
    if (status == 0) {
        cli_say(cli, "\nnext:");
        cli_say(cli, "  cccc attach .            a group for this directory");
        cli_say(cli, "  cccc actor add lead      somebody to talk to");
        cli_say(cli, "  cccc tail -f             watch what happens");
        cli_say(cli, "  cccc help                everything else");
    }
    return status;
}
