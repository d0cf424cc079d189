/* wait_reply.c - waiting for the replies to a message: what `cccc ask` and `cccc send --wait` do behind the send.
 *
 * Who owes a reply is waited for until it replied, or owes nothing any more (cancelled, withdrawn, left). The ledger is followed from the message on, so a reply
 * that came before this looked is seen too, and a restart of the daemon changes nothing. Meanwhile the broker is told from time to time that this program still waits,
 * and when it is interrupted that it does not: others may then ask who asked. A daemon that was stopped for good ends the waiting. Success is a reply of everybody who was asked, and of one at least;
 * anything else says why there is none.
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* How long one word that this program waits counts, and after how long it is said again; how often is looked whether the daemon was stopped, and how often it must have been. */
#define LEASE_S        10
#define RENEW_EVERY_MS 3000
#define LOOK_EVERY_MS  500
#define LOOKS          3

struct asked {
    cccc_str_t id;
    const char *why; /* no reply is to be expected any more; NULL: it is */
    bool replied;
};

struct wait {
    struct cli *cli;
    const char *group;
    cccc_str_t event_id, by;
    uint64_t renew_ms, look_ms; /* when next */
    uint32_t stopped;           /* so many looks in a row found the daemon stopped */
    bool renewing;
    struct cccc_error refused; /* that a renewal was; code "": none was */
    struct asked *asked;
    uint32_t asked_count, open_count, reply_count; /* open: those still waited for */
    cccc_builder_t replies;                        /* for --json */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The one of them that is still waited for; NULL: none. */
static struct asked *find_open(struct wait *w, cccc_str_t id)
{
    for (uint32_t i = 0; i < w->asked_count; i++)
        if (cccc_str_eq(w->asked[i].id, id))
            return w->asked[i].replied || w->asked[i].why ? NULL : &w->asked[i];
    return NULL;
}

static void give_up(struct wait *w, cccc_str_t id, const char *why)
{
    struct asked *one = find_open(w, id);
    if (!one)
        return;
    one->why = why;
    w->open_count--;
    cli_say(w->cli, "%.*s %s", CCCC_STR_FMT(id), why);
}

static void give_up_many(struct wait *w, const cccc_value_t *ids, const char *why)
{
    cccc_str_t id;
    for (uint32_t i = 0; i < cli_count(ids); i++)
        if (cccc_as_str(cli_item(ids, i), &id))
            give_up(w, id, why);
}

static void take_reply(struct wait *w, const cccc_value_t *event)
{
    struct asked *one = find_open(w, cccc_get_str(event, "by"));
    if (!one)
        return;
    one->replied = true;
    w->open_count--;
    w->reply_count++;
    if (w->cli->json)
        cccc_array_add(&w->replies, cccc_value_copy(w->cli->arena, event));
    else
        cli_print_event(w->cli, event, false);
}

/* Nothing is owed to who left either. */
static void take_removal(struct wait *w, cccc_str_t id)
{
    give_up(w, id, "left the group");
    for (uint32_t i = 0; cccc_str_eq(id, w->by) && i < w->asked_count; i++)
        give_up(w, w->asked[i].id, "need not reply any more: who asked left the group");
}

static void take(struct wait *w, const cccc_value_t *event)
{
    const cccc_value_t *data = cccc_get(event, "data"), *ids = cccc_get(data, "actor_ids");
    cccc_str_t kind = cccc_get_str(event, "kind");
    bool about = cccc_str_eq(cccc_get_str(data, "event_id"), w->event_id);
    if (cccc_str_is(kind, "chat.message") && cccc_str_eq(cccc_get_str(data, "reply_to"), w->event_id))
        take_reply(w, event);
    else if (cccc_str_is(kind, "chat.cancel") && about)
        give_up_many(w, ids, "need not reply any more: it was cancelled");
    else if (cccc_str_is(kind, "chat.recall") && about)
        give_up_many(w, ids,
                     cccc_get_bool(data, "expired", false) ? "will not reply: the message expired"
                                                           : "will not reply: the message was withdrawn");
    else if (cccc_str_is(kind, "actor.remove"))
        take_removal(w, cccc_get_str(data, "actor_id"));
}

static void add_asked(struct wait *w, cccc_str_t id)
{
    w->asked[w->asked_count++] = (struct asked){.id = id};
    w->open_count++;
}

static bool has(const cccc_value_t *list, const char *word)
{
    cccc_str_t one;
    for (uint32_t i = 0; i < cli_count(list); i++)
        if (cccc_as_str(cli_item(list, i), &one) && cccc_str_is(one, word))
            return true;
    return false;
}

/* Of the audience owes who is an agent, and the user when `to` names it (PROTOCOL.md, "Who owes what"). Whose copy is held was asked as well, and will not know. */
static void begin(struct wait *w, const cccc_value_t *event)
{
    const cccc_value_t *data = cccc_get(event, "data"), *audience = cccc_get(data, "audience"), *guard = cccc_get(data, "guard");
    uint32_t judged = cccc_is_map(guard) ? guard->via.map.size : 0;
    cccc_str_t id, verdict;
    w->asked = cccc_arena_alloc(w->cli->arena, (cli_count(audience) + judged + 1) * sizeof *w->asked);
    for (uint32_t i = 0; i < cli_count(audience); i++)
        if (cccc_as_str(cli_item(audience, i), &id) && (!cccc_str_is(id, "user") || has(cccc_get(data, "to"), "user")))
            add_asked(w, id);
    for (uint32_t i = 0; i < judged; i++) {
        const msgpack_object_kv *row = &guard->via.map.ptr[i];
        if (!cccc_as_str(&row->key, &id) || !cccc_as_str(&row->val, &verdict) || !cccc_str_is(verdict, "held"))
            continue;
        add_asked(w, id);
        give_up(w, id, "will not reply: the message is held");
    }
    if (w->asked_count == 0)
        cli_say(w->cli, "there is no reply to wait for: nobody but its sender got the message");
}

static void renewed(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct wait *w = arg;
    (void)reply;
    w->renewing = false;
    if (err && strcmp(err->code, cccc_err_code(CCCC_E_GROUP_NOT_FOUND)) == 0)
        w->refused = *err;
}

/* Tell the broker that this program waits for so long, at most; 0: no more. */
static void renew(struct wait *w, int64_t seconds)
{
    cccc_args_t *args = cli_group_args(w->group);
    struct cccc_error error;
    cccc_args_strn(args, "event_id", w->event_id.ptr, w->event_id.len);
    cccc_args_strn(args, "by", w->by.ptr, w->by.len);
    cccc_args_int(args, "seconds", seconds);
    w->renewing = cccc_request_async(w->cli->client, "wait_renew", &args, renewed, w, &error) == 0;
    cccc_args_free(&args);
}

/* `cccc daemon stop`, and no daemon: it is not about to come back. */
static bool is_stopped(struct wait *w)
{
    int32_t pid;
    cccc_str_t version;
    w->stopped = cli_is_stopped(w->cli) && !cli_daemon(w->cli, &pid, &version) ? w->stopped + 1 : 0;
    return w->stopped >= LOOKS;
}

static void give_up_all(struct wait *w, const char *why)
{
    for (uint32_t i = 0; i < w->asked_count; i++)
        give_up(w, w->asked[i].id, why);
}

/* Ctrl-C, or the like. */
static int interrupted(struct wait *w)
{
    struct cccc_error error;
    uint64_t until = now_ms() + 2000;
    bool said = false;
    while ((w->renewing || !said) && now_ms() < until) {
        if (!w->renewing) {
            renew(w, 0);
            said = true;
        }
        if (cccc_pump(w->cli->client, 100, &error) < 0)
            break;
    }
    cli_say(w->cli, "interrupted; what was asked stays, and replies may still come");
    return 128 + cli_signal();
}

/* What has to be done now and then. */
static void look_around(struct wait *w, uint64_t now, uint64_t until_ms)
{
    if (now >= w->renew_ms && !w->renewing) {
        renew(w, cli_wait_lease((int64_t)(until_ms - now + 999) / 1000));
        w->renew_ms = now + RENEW_EVERY_MS;
    }
    if (now >= w->look_ms && is_stopped(w))
        give_up_all(w,
                    "cannot reply: the daemon was stopped (`cccc daemon stop`); what was asked stays, `cccc daemon start` lets it go on");
    w->look_ms = now >= w->look_ms ? now + LOOK_EVERY_MS : w->look_ms;
}

/* Until nobody is waited for any more, or it is too late. 0, or the exit status of the failure reported. */
static int follow(struct wait *w, cccc_follow_t *follow, uint64_t until_ms)
{
    struct cccc_error error;
    struct cccc_item item;
    for (uint64_t now = now_ms(); w->open_count > 0 && now < until_ms; now = now_ms()) {
        look_around(w, now, until_ms);
        int n = w->open_count > 0
                    ? cccc_follow_next(follow, &item, until_ms - now < LOOK_EVERY_MS ? (int)(until_ms - now) : LOOK_EVERY_MS, &error)
                    : 0;
        if (cli_signal())
            return interrupted(w);
        if (n < 0 || w->refused.code[0])
            return cli_fail_with(w->cli, n < 0 ? &error : &w->refused);
        if (n > 0 && item.type == CCCC_ITEM_GAP)
            cli_print_gap(w->cli, item.from_seq, item.to_seq, item.reason);
        else if (n > 0 && cccc_item_event(&item))
            take(w, cccc_item_event(&item));
    }
    return 0;
}

static void say_who_is_late(struct wait *w, uint64_t seq)
{
    for (uint32_t i = 0; i < w->asked_count; i++)
        if (find_open(w, w->asked[i].id))
            cli_say(w->cli, "no reply from %.*s in time; it may still come\nnext: cccc why %" PRIu64 " %.*s", CCCC_STR_FMT(w->asked[i].id),
                    seq, CCCC_STR_FMT(w->asked[i].id));
}

/* The send's answer, with the replies, who did not reply, and why not. */
static void print_json(struct wait *w, const cccc_value_t *result)
{
    cccc_arena_t *arena = w->cli->arena;
    cccc_builder_t missing = cccc_array_builder(arena, w->asked_count), reasons = cccc_map_builder(arena, w->asked_count);
    for (uint32_t i = 0; i < w->asked_count; i++) {
        const struct asked *one = &w->asked[i];
        if (one->replied)
            continue;
        cccc_array_add(&missing, cccc_string(one->id));
        cccc_map_add_key(&reasons, one->id, cccc_text(one->why ? one->why : "has not replied in time"));
    }
    cccc_value_t all = cccc_map_with(arena, result, CCCC_STR("replies"), w->replies.value);
    all = cccc_map_with(arena, &all, CCCC_STR("missing"), missing.value);
    all = cccc_map_with(arena, &all, CCCC_STR("reasons"), reasons.value);
    cli_result(w->cli, &all);
}

int64_t cli_wait_lease(int64_t seconds)
{
    return seconds < LEASE_S ? seconds : LEASE_S;
}

int cli_wait_for_replies(struct cli *cli, const char *group, const cccc_value_t *result, int64_t seconds)
{
    const cccc_value_t *event = cccc_get(result, "event");
    uint64_t seq = cccc_get_uint(event, "seq", 0);
    struct wait *w = cccc_arena_alloc(cli->arena, sizeof *w); /* a renewal that is never answered outlives this function */
    *w = (struct wait){.cli = cli,
                       .group = group,
                       .event_id = cccc_get_str(event, "id"),
                       .by = cccc_get_str(event, "by"),
                       .replies = cccc_array_builder(cli->arena, 4)};
    struct cccc_filter filter = {
        .group_id = group, .from_seq = true, .after_seq = seq, .after_id = cccc_arena_str(cli->arena, w->event_id).ptr};
    struct cccc_error error;
    cccc_follow_t *followed;
    begin(w, event);
    w->renew_ms = now_ms() + RENEW_EVERY_MS;
    if (cccc_follow_open(cli->client, &filter, &followed, &error) != 0)
        return cli_fail_with(cli, &error);
    int status = follow(w, followed, now_ms() + (uint64_t)seconds * 1000);
    cccc_follow_close(&followed);
    if (status)
        return status;
    if (cli->json)
        print_json(w, result);
    else
        say_who_is_late(w, seq);
    return w->reply_count > 0 && w->reply_count == w->asked_count ? 0 : CLI_EXIT_NO_REPLY;
}
