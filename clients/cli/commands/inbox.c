/* inbox.c - `cccc inbox` and `cccc read`: what an actor has not read, and saying that it has.
 *
 * A message counts as shown once its line was flushed; only then is it marked as read. With --json and without --follow the answer has both.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const cccc_value_t *last_of(const cccc_value_t *messages)
{
    uint32_t count = cli_count(messages);
    return count ? cli_item(messages, count - 1) : NULL;
}

static int list_unread(struct cli *cli, const char *group, const char *actor, const cccc_value_t **result)
{
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "actor_id", actor);
    cccc_args_int(args, "limit", (int64_t)cli_number(cli, "limit", 50));
    cccc_args_str(args, "kind_filter", cli_option(cli, "kind-filter"));
    int status = cli_ask(cli, "inbox_list", &args, result);
    if (status == 0 && !cccc_is_array(cccc_get(*result, "messages")))
        return cli_fail(cli, CCCC_E_INTERNAL, NULL, "the daemon's answer has no list of messages");
    return status;
}

/* A reader whom only the environment names is who speaks, as for `cccc ack`; one whom an option names may be another's. Takes nothing. */
static cccc_args_t *marking(struct cli *cli, const char *group, const char *actor)
{
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "actor_id", actor);
    if (!cli_option(cli, "actor-id") && !cli_option(cli, "by"))
        cccc_args_str(args, "by", actor);
    return args;
}

/* `ack`: who names the message acknowledges it. */
static int mark_read(struct cli *cli, const char *group, const char *actor, const char *event_id, bool ack, cccc_reply_t **reply)
{
    cccc_args_t *args = marking(cli, group, actor);
    cccc_args_str(args, "event_id", event_id);
    if (!ack)
        cccc_args_bool(args, "ack", false);
    return cli_ask_once(cli, "inbox_mark_read", &args, reply);
}

/* Mark what was shown, up to `event`, as read: nobody named that one, so it is not acknowledged. */
static int mark_event(struct cli *cli, const char *group, const char *actor, const cccc_value_t *event, cccc_reply_t **reply)
{
    int status = cli_finish(cli, 0);
    char id[72];
    if (status)
        return status;
    snprintf(id, sizeof id, "%.*s", CCCC_STR_FMT(cccc_get_str(event, "id")));
    return mark_read(cli, group, actor, id, false, reply);
}

/* Print the gaps whose first event comes before `seq`, from the i-th on; returns the next i. */
static uint32_t print_gaps_before(struct cli *cli, const cccc_value_t *gaps, uint32_t i, uint64_t seq)
{
    for (; i < cli_count(gaps); i++) {
        const cccc_value_t *gap = cli_item(gaps, i);
        if (cccc_get_uint(gap, "from_seq", 0) >= seq)
            break;
        cli_print_gap(cli, cccc_get_uint(gap, "from_seq", 0), cccc_get_uint(gap, "to_seq", 0),
                      cccc_arena_str(cli->arena, cccc_get_str(gap, "reason")).ptr);
    }
    return i;
}

/* Messages and what is missing between them, in order. */
static void print_messages(struct cli *cli, const cccc_value_t *result)
{
    const cccc_value_t *messages = cccc_get(result, "messages"), *gaps = cccc_get(result, "gaps");
    uint32_t gap = 0;
    for (uint32_t i = 0; i < cli_count(messages); i++) {
        gap = print_gaps_before(cli, gaps, gap, cccc_get_uint(cli_item(messages, i), "seq", 0));
        cli_print_event(cli, cli_item(messages, i), false);
    }
    print_gaps_before(cli, gaps, gap, UINT64_MAX);
}

/* What of the messages shown wants an answer; in the name of the reader, where an option named it. */
static void say_owed(struct cli *cli, const cccc_value_t *result)
{
    const char *reader = cli_option(cli, "actor-id");
    const cccc_value_t *rows = cccc_get(result, "obligations");
    for (uint32_t i = 0; i < cli_count(rows); i++) {
        const cccc_value_t *row = cli_item(rows, i), *owes = cccc_get(row, "owes");
        cccc_str_t first = CCCC_STR(""), to = cccc_get_str(row, "to");
        if (cli_count(owes) > 0)
            cccc_as_str(cli_item(owes, 0), &first);
        bool reply = cccc_str_is(first, "reply");
        const char *name = reader ? cli_printf(cli, " %s %s", reply ? "--by" : "--actor-id", reader) : "";
        cli_say(cli, "next: cccc %s %" PRIu64 "%s%s  # %.*s asked for %s", reply ? "reply" : "ack", cccc_get_uint(row, "seq", 0),
                reply ? " TEXT" : "", name, CCCC_STR_FMT(to), reply ? "a reply" : "an acknowledgement");
    }
}

static void say_what_next(struct cli *cli, const char *actor, const cccc_value_t *result, bool marked)
{
    const cccc_value_t *messages = cccc_get(result, "messages"), *last = last_of(messages);
    uint64_t total = cccc_get_uint(result, "unread_total", 0);
    if (!last) {
        cli_say(cli, "%s has no unread messages%s", actor, cccc_get(result, "gaps") ? " that can be read" : "");
        return;
    }
    say_owed(cli, result);
    if (total > cli_count(messages))
        cli_say(cli, "%" PRIu32 " of %" PRIu64 " shown; --limit 0 shows as many as fit", cli_count(messages), total);
    if (marked)
        cli_say(cli, "marked as read up to %" PRIu64, cccc_get_uint(last, "seq", 0));
    else
        cli_say(cli, "next: cccc reply SEQ TEXT --by %s; cccc read %" PRIu64 " --actor-id %s", actor, cccc_get_uint(last, "seq", 0), actor);
}

/* The list, with what was marked when anything was. */
static int print_json(struct cli *cli, const cccc_value_t *result, const cccc_reply_t *marked)
{
    cccc_value_t both = marked ? cccc_map_with(cli->arena, result, CCCC_STR("marked"), *cccc_reply_result(marked)) : *result;
    return cli_result(cli, &both);
}

static int show_once(struct cli *cli, const char *group, const char *actor)
{
    const cccc_value_t *result;
    cccc_reply_t *marked = NULL;
    int status = list_unread(cli, group, actor, &result);
    if (status)
        return status;
    const cccc_value_t *last = last_of(cccc_get(result, "messages"));
    if (!cli->json)
        print_messages(cli, result);
    if (last && cli_flag(cli, "mark-read"))
        status = mark_event(cli, group, actor, last, &marked);
    if (status == 0 && cli->json)
        status = print_json(cli, result, marked);
    else if (status == 0)
        say_what_next(cli, actor, result, marked != NULL);
    cccc_reply_free(&marked);
    return status;
}

/* ---- follow ---- */

static bool is_wanted(const struct cli *cli, const cccc_value_t *event)
{
    const char *filter = cli_option(cli, "kind-filter");
    cccc_kind_t kind = cccc_kind_find(cccc_get_str(event, "kind"));
    bool chat = kind == CCCC_KIND_CHAT_MESSAGE, notify = kind == CCCC_KIND_SYSTEM_NOTIFY;
    return filter && strcmp(filter, "chat") == 0 ? chat : filter && strcmp(filter, "notify") == 0 ? notify : chat || notify;
}

static int follow_item(struct cli *cli, const char *group, const char *actor, const struct cccc_item *item)
{
    if (item->type == CCCC_ITEM_GAP)
        cli_print_gap(cli, item->from_seq, item->to_seq, item->reason);
    if (item->type == CCCC_ITEM_RESET)
        cli_say(cli, "--- the ledger is another than before (restored?); following goes on from its end ---");
    const msgpack_object *event = cccc_item_event(item);
    if (!event || !is_wanted(cli, event) || cccc_str_is(cccc_get_str(event, "by"), actor))
        return 0;
    cli_print_event(cli, event, false);
    return cli_flag(cli, "mark-read") ? mark_event(cli, group, actor, event, NULL) : 0;
}

/* First what is unread, then whatever arrives behind the seq that list was true for. */
static int show_and_follow(struct cli *cli, const char *group, const char *actor)
{
    struct cccc_error error;
    struct cccc_item item;
    struct cccc_filter filter = {.group_id = group, .recipient = actor, .from_seq = true};
    cccc_follow_t *follow;
    const cccc_value_t *result;
    cli->streaming = true;
    int status = list_unread(cli, group, actor, &result);
    if (status)
        return status;
    const cccc_value_t *last = last_of(cccc_get(result, "messages"));
    bool cut = last && cccc_get_bool(result, "more", false);
    filter.after_seq = cut ? cccc_get_uint(last, "seq", 0) : cccc_get_uint(result, "as_of_seq", 0);
    print_messages(cli, result);
    if (last && cli_flag(cli, "mark-read"))
        status = mark_event(cli, group, actor, last, NULL);
    if (status == 0 && cccc_follow_open(cli->client, &filter, &follow, &error) != 0)
        status = cli_fail_with(cli, &error);
    if (status)
        return status;
    int n = 1;
    while (status == 0 && (n = cli_follow_next(follow, &item, &error)) > 0)
        status = follow_item(cli, group, actor, &item);
    cccc_follow_close(&follow);
    return n < 0 ? cli_fail_with(cli, &error) : status;
}

int cmd_inbox(struct cli *cli)
{
    const char *group, *actor;
    int status = cli_actor(cli, cli_option(cli, "actor-id"), &actor);
    if (status == 0)
        status = cli_group(cli, &group);
    if (status)
        return status;
    return cli_flag(cli, "follow") ? show_and_follow(cli, group, actor) : show_once(cli, group, actor);
}

/* ---- read ---- */

static int read_all(struct cli *cli, const char *group, const char *actor, cccc_reply_t **reply)
{
    cccc_args_t *args = marking(cli, group, actor);
    cccc_args_str(args, "kind_filter", cli_option(cli, "kind-filter"));
    return cli_ask_once(cli, "inbox_mark_all_read", &args, reply);
}

/* Does it still owe the acknowledgement of this event? *seq: the event's. */
static bool owes_ack(struct cli *cli, const char *group, const char *actor, const char *event_id, uint64_t *seq)
{
    const cccc_value_t *result;
    struct cccc_error error;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "event_id", event_id);
    cccc_args_str(args, "actor_id", actor);
    if (!cli_try(cli, "why", &args, &result, &error) || cli_count(cccc_get(result, "recipients")) == 0)
        return false;
    *seq = cccc_get_uint(result, "seq", 0);
    const cccc_value_t *owes = cccc_get(cli_item(cccc_get(result, "recipients"), 0), "owes");
    for (uint32_t i = 0; i < cli_count(owes); i++) {
        cccc_str_t word = {0};
        if (cccc_as_str(cli_item(owes, i), &word) && cccc_str_is(word, "ack"))
            return true;
    }
    return false;
}

/* Whoever marks for somebody else acknowledges nothing for them, and is told so. */
static void say_unacknowledged(struct cli *cli, const char *group, const char *actor, const char *event_id, const cccc_value_t *marked)
{
    cccc_str_t by = cccc_get_str(cccc_get(marked, "event"), "by"); /* "": nothing moved */
    uint64_t seq = 0;
    if (cccc_is_map(cccc_get(marked, "ack_event")) || !owes_ack(cli, group, actor, event_id, &seq))
        return;
    const char *who = by.len > 0 ? cli_printf(cli, "marked by %.*s for %s", CCCC_STR_FMT(by), actor)
                                 : cli_printf(cli, "%s acknowledges for itself", actor);
    cli_fact(cli, "not acknowledged", "%s; next: cccc ack %" PRIu64 " --actor-id %s", who, seq, actor);
}

/* *event_id: which one was named. */
static int read_event(struct cli *cli, const char *group, const char *actor, const char **event_id, cccc_reply_t **reply)
{
    int status = cli_event(cli, group, cli_arg(cli, 0), event_id);
    return status ? status : mark_read(cli, group, actor, *event_id, true, reply);
}

int cmd_read(struct cli *cli)
{
    const char *group, *actor, *named = NULL;
    cccc_reply_t *reply = NULL;
    bool all = cli_flag(cli, "all");
    if (all == (cli_arg(cli, 0) != NULL))
        return cli_fail(cli, CCCC_E_USAGE, "cccc read 1042 --actor-id peer-1, or cccc read --all --actor-id peer-1",
                        all ? "an event and --all were given" : "neither an event nor --all was given");
    if (!all && cli_option(cli, "kind-filter"))
        return cli_fail(cli, CCCC_E_USAGE, "leave it out", "--kind-filter goes with --all only");
    int status = cli_actor(cli, cli_option(cli, "actor-id"), &actor);
    if (status == 0)
        status = cli_group(cli, &group);
    if (status == 0)
        status = all ? read_all(cli, group, actor, &reply) : read_event(cli, group, actor, &named, &reply);
    if (status)
        return status;
    cccc_str_t event_id = cccc_get_str(cccc_get(cccc_reply_result(reply), "cursor"), "event_id");
    if (!cli->json)
        print_gaps_before(cli, cccc_get(cccc_reply_result(reply), "gaps"), 0, UINT64_MAX);
    if (cli->json)
        cli_result(cli, cccc_reply_result(reply));
    else if (event_id.len > 0)
        cli_fact(cli, "read", "%s up to %.*s", actor, CCCC_STR_FMT(event_id));
    else
        cli_fact(cli, "read", "%s has had nothing to read", actor);
    if (named && !cli->json)
        say_unacknowledged(cli, group, actor, named, cccc_reply_result(reply));
    cccc_reply_free(&reply);
    return 0;
}
