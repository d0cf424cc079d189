/* wait_reply.c - waiting for the replies to a message: what `cccc ask` and `cccc send --wait` do behind the send.
 *
 * Every recipient is waited for until it replied, or owes nothing any more (cancelled, withdrawn, left). The ledger is followed from the message on, so a reply
 * that came before this looked is seen too, and a restart of the daemon changes nothing.
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct wait {
    struct cli *cli;
    cccc_str_t event_id;
    cccc_str_t *open; /* who is waited for */
    uint32_t open_count;
    cccc_builder_t replies; /* for --json */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool close_one(struct wait *w, cccc_str_t id)
{
    for (uint32_t i = 0; i < w->open_count; i++) {
        if (!cccc_str_eq(w->open[i], id))
            continue;
        w->open[i] = w->open[--w->open_count];
        return true;
    }
    return false;
}

static void close_many(struct wait *w, const cccc_value_t *ids, const char *why)
{
    cccc_str_t id;
    for (uint32_t i = 0; i < cli_count(ids); i++)
        if (cccc_as_str(cli_item(ids, i), &id) && close_one(w, id))
            cli_say(w->cli, "%.*s %s", CCCC_STR_FMT(id), why);
}

static void take(struct wait *w, const cccc_value_t *event)
{
    const cccc_value_t *data = cccc_get(event, "data");
    cccc_str_t kind = cccc_get_str(event, "kind");
    bool about = cccc_str_eq(cccc_get_str(data, "event_id"), w->event_id);
    if (cccc_str_is(kind, "chat.message") && cccc_str_eq(cccc_get_str(data, "reply_to"), w->event_id)) {
        if (!close_one(w, cccc_get_str(event, "by")))
            return;
        if (w->cli->json)
            cccc_array_add(&w->replies, cccc_value_copy(w->cli->arena, event));
        else
            cli_print_event(w->cli, event, false);
    } else if (cccc_str_is(kind, "chat.cancel") && about) {
        close_many(w, cccc_get(data, "actor_ids"), "need not reply any more: it was cancelled");
    } else if (cccc_str_is(kind, "chat.recall") && about) {
        close_many(w, cccc_get(data, "actor_ids"), "will not reply: the message was withdrawn");
    } else if (cccc_str_is(kind, "actor.remove") && close_one(w, cccc_get_str(data, "actor_id"))) {
        cli_say(w->cli, "%.*s left the group", CCCC_STR_FMT(cccc_get_str(data, "actor_id")));
    }
}

/* Who is waited for: the audience, copied. */
static void begin(struct wait *w, const cccc_value_t *event)
{
    const cccc_value_t *audience = cccc_get(cccc_get(event, "data"), "audience");
    w->open = cccc_arena_alloc(w->cli->arena, (cli_count(audience) + 1) * sizeof *w->open);
    for (uint32_t i = 0; i < cli_count(audience); i++)
        if (cccc_as_str(cli_item(audience, i), &w->open[w->open_count]))
            w->open_count++;
}

static int follow(struct wait *w, cccc_follow_t *follow, uint64_t until_ms)
{
    struct cccc_error error;
    struct cccc_item item;
    while (w->open_count > 0) {
        uint64_t now = now_ms();
        if (now >= until_ms)
            return CLI_EXIT_NO_REPLY;
        int n = cccc_follow_next(follow, &item, (int)(until_ms - now < 1000000000 ? until_ms - now : 1000000000), &error);
        if (n < 0)
            return cli_fail_with(w->cli, &error);
        if (n > 0 && item.type == CCCC_ITEM_GAP)
            cli_print_gap(w->cli, item.from_seq, item.to_seq, item.reason);
        else if (n > 0 && cccc_item_event(&item))
            take(w, cccc_item_event(&item));
    }
    return 0;
}

static void say_who_is_missing(struct wait *w, uint64_t seq)
{
    for (uint32_t i = 0; i < w->open_count; i++)
        cli_say(w->cli, "no reply from %.*s in time; it may still come\nnext: cccc why %" PRIu64 " %.*s", CCCC_STR_FMT(w->open[i]), seq,
                CCCC_STR_FMT(w->open[i]));
}

int cli_wait_for_replies(struct cli *cli, const char *group, const cccc_value_t *result, int64_t seconds)
{
    const cccc_value_t *event = cccc_get(result, "event");
    uint64_t seq = cccc_get_uint(event, "seq", 0);
    struct wait w = {.cli = cli, .event_id = cccc_get_str(event, "id"), .replies = cccc_array_builder(cli->arena, 4)};
    struct cccc_filter filter = {
        .group_id = group, .from_seq = true, .after_seq = seq, .after_id = cccc_arena_str(cli->arena, w.event_id).ptr};
    struct cccc_error error;
    cccc_follow_t *followed;
    begin(&w, event);
    if (cccc_follow_open(cli->client, &filter, &followed, &error) != 0)
        return cli_fail_with(cli, &error);
    int status = follow(&w, followed, now_ms() + (uint64_t)seconds * 1000);
    cccc_follow_close(&followed);
    if (status == CLI_EXIT_NO_REPLY && !cli->json)
        say_who_is_missing(&w, seq);
    if (cli->json && (status == 0 || status == CLI_EXIT_NO_REPLY)) {
        cccc_value_t all = cccc_map_with(cli->arena, result, CCCC_STR("replies"), w.replies.value);
        cccc_builder_t missing = cccc_array_builder(cli->arena, w.open_count);
        for (uint32_t i = 0; i < w.open_count; i++)
            cccc_array_add(&missing, cccc_string(w.open[i]));
        all = cccc_map_with(cli->arena, &all, CCCC_STR("missing"), missing.value);
        cli_result(cli, &all);
    }
    return status;
}
