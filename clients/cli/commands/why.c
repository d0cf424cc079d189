/* why.c - `cccc why`: what became of a message for each recipient; and `cccc recall`, which withdraws one.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- why ---- */

/* "stored 12, claimed 13, handed 14": the evidence, by number. */
static const char *steps_text(struct cli *cli, const cccc_value_t *steps)
{
    const char *text = "";
    for (uint32_t i = 0; i < cli_count(steps); i++) {
        const cccc_value_t *step = cli_item(steps, i);
        uint64_t seq = cccc_get_uint(step, "seq", 0);
        text = cli_printf(cli, "%s%s%.*s", text, i > 0 ? ", " : "", CCCC_STR_FMT(cccc_get_str(step, "step")));
        if (seq > 0)
            text = cli_printf(cli, "%s %" PRIu64, text, seq);
    }
    return text;
}

static void print_recipient(struct cli *cli, const cccc_value_t *row)
{
    const char *id = cccc_arena_str(cli->arena, cccc_get_str(row, "actor_id")).ptr;
    cccc_str_t next = cccc_get_str(row, "next");
    cli_fact(cli, id, "%.*s [%s]", CCCC_STR_FMT(cccc_get_str(row, "sentence")), steps_text(cli, cccc_get(row, "steps")));
    if (next.len > 0)
        cli_say(cli, "next: %.*s", CCCC_STR_FMT(next));
}

int cmd_why(struct cli *cli)
{
    const char *group, *event_id;
    const cccc_value_t *result;
    int status = cli_group(cli, &group);
    if (status == 0)
        status = cli_event(cli, group, cli_arg(cli, 0), &event_id);
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "event_id", event_id);
    cccc_args_str(args, "actor_id", cli_arg(cli, 1));
    status = cli_ask(cli, "why", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const cccc_value_t *rows = cccc_get(result, "recipients");
    for (uint32_t i = 0; i < cli_count(rows); i++)
        print_recipient(cli, cli_item(rows, i));
    if (cli_count(rows) == 0)
        cli_say(cli, "it was for nobody: a note in the ledger");
    if (cccc_get_bool(result, "partial", false))
        cli_say(cli, "this is true up to event %" PRIu64 "; what is behind it was not looked at, or cannot be read",
                cccc_get_uint(result, "checked_seq", 0));
    return 0;
}

/* ---- recall ---- */

static void print_lost(struct cli *cli, const cccc_value_t *row, const char *event)
{
    cccc_str_t id = cccc_get_str(row, "actor_id"), step = cccc_get_str(row, "step"), ts = cccc_get_str(row, "ts");
    if (cccc_str_is(step, "recalled"))
        cli_fact(cli, "recalled", "%.*s: at %.*s already", CCCC_STR_FMT(id), CCCC_STR_FMT(ts));
    else
        cli_fact(cli, "too late", "%.*s: %.*s at %.*s; cccc why %s %.*s", CCCC_STR_FMT(id), CCCC_STR_FMT(step), CCCC_STR_FMT(ts), event,
                 CCCC_STR_FMT(id));
}

int cmd_recall(struct cli *cli)
{
    const char *group, *event_id;
    const cccc_value_t *result;
    cccc_str_t id = {0};
    int status = cli_group(cli, &group);
    if (status == 0)
        status = cli_event(cli, group, cli_arg(cli, 0), &event_id);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "event_id", event_id);
    cccc_args_str(args, "reason", cli_option(cli, "reason"));
    status = cli_ask(cli, "recall", &args, &result);
    if (status)
        return status;
    const cccc_value_t *recalled = cccc_get(result, "recalled"), *lost = cccc_get(result, "lost");
    bool partly = false;
    for (uint32_t i = 0; i < cli_count(lost); i++)
        partly |= !cccc_str_is(cccc_get_str(cli_item(lost, i), "step"), "recalled");
    if (cli->json) {
        cli_result(cli, result);
        return partly ? CLI_EXIT_PARTLY : 0;
    }
    for (uint32_t i = 0; i < cli_count(recalled); i++)
        if (cccc_as_str(cli_item(recalled, i), &id))
            cli_fact(cli, "recalled", "%.*s: not handed, not marked read", CCCC_STR_FMT(id));
    for (uint32_t i = 0; i < cli_count(lost); i++)
        print_lost(cli, cli_item(lost, i), cli_arg(cli, 0));
    if (cli_count(recalled) + cli_count(lost) == 0)
        cli_say(cli, "nobody has it to be withdrawn from; nothing was written");
    return partly ? CLI_EXIT_PARTLY : 0;
}
