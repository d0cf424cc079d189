/* waits.c - `cccc waits`: who waits for whom; `cccc holds` and `cccc release`: pairs that wrote to each other without end.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void cli_print_cycle(struct cli *cli, const cccc_value_t *names)
{
    cccc_str_t self = {0};
    if (cli_count(names) == 0 || !cccc_as_str(cli_item(names, 0), &self))
        return;
    cli_say(cli, "a circle: %s each wait for the next\nnext: cccc obligations --actor %.*s", cli_joined(cli, names, " -> "),
            CCCC_STR_FMT(self));
}

/* ---- waits ---- */

static void print_edges(struct cli *cli, const cccc_value_t *edges)
{
    static const char *const headings[] = {"ACTOR", "WAITS FOR", "EVENT", "SINCE", "NOTHING ELSE UNTIL", "SUBJECT"};
    cli_table_t *table = cli_table_new(cli, headings, 6);
    for (uint32_t i = 0; i < cli_count(edges); i++) {
        const cccc_value_t *row = cli_item(edges, i);
        cli_cell_of(table, row, "actor_id", cli_style_of(cccc_get_str(row, "actor_id")));
        cli_cell_of(table, row, "on", cli_style_of(cccc_get_str(row, "on")));
        cli_cell_fmt(table, STYLE_BOLD, "%" PRIu64, cccc_get_uint(row, "seq", 0));
        cli_cell_time(table, cccc_get_str(row, "since"));
        if (cccc_get_str(row, "waits_until").len > 0)
            cli_cell_time(table, cccc_get_str(row, "waits_until"));
        else
            cli_cell(table, CCCC_STR("-"), STYLE_NONE);
        cli_cell_of(table, row, "subject", STYLE_NONE);
    }
    cli_table_print(&table);
}

static void print_cycles(struct cli *cli, const cccc_value_t *cycles)
{
    bool others = false;
    for (uint32_t i = 0; i < cli_count(cycles); i++) {
        const cccc_value_t *row = cli_item(cycles, i);
        cli_fact(cli, "circle", "%s%s%s", cli_joined(cli, cccc_get(row, "actors"), " -> "),
                 cccc_get_bool(row, "blocked", false) ? ": none of them does anything else" : "",
                 cccc_get_bool(row, "others", false) ? " (one of several in this knot)" : "");
        others |= cccc_get_bool(row, "others", false);
    }
    if (others)
        cli_say(cli, "one of each knot of actors that wait for each other is shown; when it is broken, another may show");
    if (cli_count(cycles) > 0)
        cli_say(cli, "next: answer one of these questions, or cccc cancel-reply EVENT");
}

int cmd_waits(struct cli *cli)
{
    const cccc_value_t *result;
    const char *group;
    int status = cli_ask_group(cli, "waits", &group, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    if (cli_count(cccc_get(result, "edges")) > 0)
        print_edges(cli, cccc_get(result, "edges"));
    else
        cli_say(cli, "nobody waits for a reply");
    print_cycles(cli, cccc_get(result, "cycles"));
    if (cccc_get_bool(result, "more", false))
        cli_say(cli, "there are more that wait; circles are looked for among all of them");
    return 0;
}

/* ---- holds ---- */

void cli_print_holds(struct cli *cli, const cccc_value_t *holds, const char *group)
{
    for (uint32_t i = 0; i < cli_count(holds); i++) {
        const cccc_value_t *row = cli_item(holds, i);
        const cccc_value_t *between = cccc_get(row, "between");
        bool held = cccc_str_is(cccc_get_str(row, "state"), "held");
        cli_fact(cli, "held", "%s: %" PRIu64 " messages%s%.*s", cli_joined(cli, between, " and "), cccc_get_uint(row, "messages", 0),
                 held ? ", since " : ", being handed on; held since ", CCCC_STR_FMT(cccc_get_str(row, "since")));
        if (held)
            cli_say(cli, "next: cccc release %s --group %s", cli_joined(cli, between, " "), group);
    }
}

int cmd_holds(struct cli *cli)
{
    const cccc_value_t *result;
    const char *group;
    int status = cli_ask_group(cli, "holds_list", &group, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_print_holds(cli, cccc_get(result, "holds"), group);
    if (cli_count(cccc_get(result, "holds")) == 0)
        cli_say(cli, "nothing is held");
    return 0;
}

/* ---- release ---- */

int cmd_release(struct cli *cli)
{
    const char *group, *between[] = {cli_arg(cli, 0), cli_arg(cli, 1)};
    const cccc_value_t *result;
    bool drop = cli_flag(cli, "drop");
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_strs(args, "between", between, 2);
    if (drop)
        cccc_args_bool(args, "drop", true);
    status = cli_ask(cli, "hold_release", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_fact(cli, "released", "%s and %s%s", between[0], between[1],
             drop ? ": what was held stays in the ledger only" : ": what was held is handed on within seconds");
    return 0;
}
