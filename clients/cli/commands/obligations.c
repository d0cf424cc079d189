/* obligations.c - `cccc obligations`, `cccc ack` and `cccc cancel-reply`: who owes whom an answer, and what ends it.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- obligations ---- */

static const char *owes_text(struct cli *cli, const cccc_value_t *row)
{
    const cccc_value_t *owes = cccc_get(row, "owes");
    cccc_str_t word = {0};
    const char *text = "";
    for (uint32_t i = 0; i < cli_count(owes); i++)
        if (cccc_as_str(cli_item(owes, i), &word))
            text = cli_printf(cli, "%s%s%.*s", text, i > 0 ? "," : "", CCCC_STR_FMT(word));
    return text;
}

static void print_rows(struct cli *cli, const cccc_value_t *rows)
{
    static const char *const headings[] = {"EVENT", "ACTOR", "OWES", "TO", "SINCE", "DUE", "SUBJECT"};
    cli_table_t *table = cli_table_new(cli, headings, 7);
    for (uint32_t i = 0; i < cli_count(rows); i++) {
        const cccc_value_t *row = cli_item(rows, i);
        bool overdue = cccc_get_bool(row, "overdue", false);
        cli_cell_fmt(table, STYLE_BOLD, "%" PRIu64, cccc_get_uint(row, "seq", 0));
        cli_cell_of(table, row, "actor_id", cli_style_of(cccc_get_str(row, "actor_id")));
        cli_cell(table, cccc_str(owes_text(cli, row)), STYLE_NONE);
        cli_cell_of(table, row, "to", cli_style_of(cccc_get_str(row, "to")));
        cli_cell_time(table, cccc_get_str(row, "since"));
        if (cccc_get_str(row, "due").len > 0)
            cli_cell_time(table, cccc_get_str(row, "due"));
        else
            cli_cell(table, overdue ? CCCC_STR("overdue") : CCCC_STR("-"), overdue ? STYLE_RED : STYLE_NONE);
        cli_cell_of(table, row, "subject", STYLE_NONE);
    }
    cli_table_print(&table);
}

static void say_next(struct cli *cli, const cccc_value_t *result)
{
    const cccc_value_t *rows = cccc_get(result, "obligations");
    if (cli_count(rows) == 0) {
        cli_say(cli, cli_flag(cli, "overdue") ? "nothing is late" : "nothing is owed");
        return;
    }
    if (cccc_get_bool(result, "more", false))
        cli_say(cli, "%" PRIu32 " of %" PRIu64 " shown; --limit shows more", cli_count(rows), cccc_get_uint(result, "open", 0));
    cli_say(cli, "next: cccc why %" PRIu64 "; cccc cancel-reply %" PRIu64, cccc_get_uint(cli_item(rows, 0), "seq", 0),
            cccc_get_uint(cli_item(rows, 0), "seq", 0));
}

int cmd_obligations(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "actor_id", cli_option(cli, "actor"));
    cccc_args_str(args, "to", cli_option(cli, "to"));
    if (cli_flag(cli, "overdue"))
        cccc_args_bool(args, "overdue", true);
    cccc_args_int(args, "limit", (int64_t)cli_number(cli, "limit", 100));
    status = cli_ask(cli, "obligations_list", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    if (cli_count(cccc_get(result, "obligations")) > 0)
        print_rows(cli, cccc_get(result, "obligations"));
    say_next(cli, result);
    return 0;
}

/* ---- ack ---- */

/* Is the event a notice? They are acknowledged by another operation. */
static int is_notice(struct cli *cli, const char *group, const char *event_id, bool *notice)
{
    const cccc_value_t *result;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "event_id", event_id);
    int status = cli_ask(cli, "ledger_read", &args, &result);
    const cccc_value_t *events = status ? NULL : cccc_get(result, "events");
    *notice = cli_count(events) > 0 && cccc_str_is(cccc_get_str(cli_item(events, 0), "kind"), "system.notify");
    return status;
}

/* Nothing is owed any more, for another reason than an acknowledgement. */
static int say_ended(struct cli *cli, const cccc_value_t *result, const char *event_id, const char *actor)
{
    static const struct {
        const char *why, *clause;
    } clauses[] = {{"replied", "it replied"},
                   {"recalled", "the message was withdrawn"},
                   {"expired", "the message expired"},
                   {"cancelled", "it was cancelled"},
                   {"left", "it left the group; an actor that came later under that name was not asked"},
                   {"sender_left", "who asked left the group"},
                   {"unknown", "a part of the ledger cannot be read, so nobody knows by what it ended"}};
    cccc_str_t why = cccc_get_str(result, "why");
    uint64_t seq = cccc_get_uint(result, "ended_seq", 0);
    const char *clause = "";
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
        if (cccc_str_is(why, clauses[i].why))
            clause = clauses[i].clause;
    cli_say(cli, "not acknowledged: %s owes nothing for %s any more: %s%s; nothing was written", actor, event_id, clause,
            seq ? cli_printf(cli, " (event %" PRIu64 ")", seq) : "");
    return CLI_EXIT_CONFLICT;
}

int cmd_ack(struct cli *cli)
{
    const char *group, *actor, *event_id;
    const cccc_value_t *result;
    bool notice = false;
    int status = cli_actor(cli, cli_option(cli, "actor-id"), &actor);
    if (status == 0)
        status = cli_group(cli, &group);
    if (status == 0)
        status = cli_event(cli, group, cli_arg(cli, 0), &event_id);
    if (status == 0)
        status = is_notice(cli, group, event_id, &notice);
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "actor_id", actor);
    cccc_args_str(args, notice ? "notify_event_id" : "event_id", event_id);
    status = cli_ask(cli, notice ? "notify_ack" : "chat_ack", &args, &result);
    if (status)
        return status;
    bool acked = cccc_get_bool(result, "acked", false);
    if (cli->json) {
        status = cli_result(cli, result);
        return status || acked ? status : CLI_EXIT_CONFLICT;
    }
    if (!acked)
        return say_ended(cli, result, event_id, actor);
    cli_fact(cli, "acknowledged", "%s by %s%s", event_id, actor, cccc_get_bool(result, "already", false) ? " (it was already)" : "");
    return 0;
}

/* ---- cancel-reply ---- */

int cmd_cancel_reply(struct cli *cli)
{
    const char *group, *event_id;
    const char *const *actors;
    const cccc_value_t *result;
    cccc_str_t id = {0};
    int status = cli_group(cli, &group);
    if (status == 0)
        status = cli_event(cli, group, cli_arg(cli, 0), &event_id);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    size_t count = cli_list(cli, "actor", &actors);
    cccc_args_str(args, "event_id", event_id);
    cccc_args_str(args, "reason", cli_option(cli, "reason"));
    if (count > 0)
        cccc_args_strs(args, "actor_ids", actors, count);
    status = cli_ask(cli, "reply_cancel", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const cccc_value_t *cancelled = cccc_get(result, "cancelled");
    for (uint32_t i = 0; i < cli_count(cancelled); i++)
        if (cccc_as_str(cli_item(cancelled, i), &id))
            cli_fact(cli, "cancelled", "%.*s owes nothing for %s any more", CCCC_STR_FMT(id), event_id);
    if (cli_count(cancelled) == 0)
        cli_say(cli, "nothing was owed for it; nothing was written");
    return 0;
}
