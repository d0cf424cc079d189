/* tail.c - `cccc tail`: the ledger's last events, and what is appended.
 *
 * Nothing private: a libcccc follower from a seq. Where that seq is (-n, --since) is found by reading pages backwards, with the same selection as
 * what is printed, so that -n counts selected events only.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/event.h"
#include "proto/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct selection {
    struct cli *cli;
    const char *group;
    const char *const *kinds;
    size_t kind_count;
    cccc_str_t actor;  /* "" = anybody */
    int64_t since_us;  /* 0 = any time */
    uint64_t from_seq; /* 0 = any */
    uint64_t lines;    /* 0 = none */
    bool all;          /* no count */
    bool raw;
};

static bool is_selected(const struct selection *self, const cccc_value_t *event)
{
    int64_t us;
    if (cccc_get_uint(event, "seq", 0) < self->from_seq)
        return false;
    if (self->actor.len > 0 && !cli_event_concerns(event, self->actor))
        return false;
    return self->since_us == 0 || !cccc_ts_parse(cccc_get_str(event, "ts"), &us) || us >= self->since_us;
}

/* ---- where to begin ---- */

static int read_page(const struct selection *self, uint64_t before, uint32_t limit, cccc_reply_t **reply)
{
    cccc_args_t *args = cli_group_args(self->group);
    cccc_args_uint(args, "before_seq", before);
    cccc_args_uint(args, "limit", limit);
    if (self->kind_count > 0)
        cccc_args_strs(args, "kinds", self->kinds, self->kind_count);
    return cli_ask_once(self->cli, "ledger_read", &args, reply);
}

struct search {
    uint64_t found;  /* selected events seen */
    uint64_t start;  /* the first of those to print */
    uint64_t before; /* the next page ends before this one */
    uint64_t head;
    bool done;
};

/* One page, newest first. */
static void search_events(const struct selection *self, const cccc_value_t *events, struct search *search)
{
    for (uint32_t i = cli_count(events); i-- > 0 && !search->done;) {
        const cccc_value_t *event = cli_item(events, i);
        uint64_t seq = cccc_get_uint(event, "seq", 0);
        int64_t us;
        bool too_old = self->since_us && cccc_ts_parse(cccc_get_str(event, "ts"), &us) && us < self->since_us;
        if (seq < self->from_seq || too_old) {
            search->done = true;
        } else if (is_selected(self, event)) {
            search->start = seq;
            search->found++;
            search->done = !self->all && search->found >= self->lines;
        }
    }
}

static void search_page(const struct selection *self, const cccc_value_t *result, struct search *search)
{
    const cccc_value_t *events = cccc_get(result, "events");
    uint64_t checked = cccc_get_uint(result, "checked_seq", 0);
    if (search->before == 0)
        search->head = cccc_get_uint(result, "head_seq", 0);
    if (cccc_is_array(events))
        search_events(self, events, search);
    if (!cccc_get_bool(result, "more", false) || checked <= 1 || checked == search->before)
        search->done = true;
    search->before = checked;
}

/* The seq behind which to follow. */
static int find_start(const struct selection *self, uint64_t *after_seq)
{
    struct search search = {.done = false};
    bool none = self->lines == 0 && !self->all;
    do {
        cccc_reply_t *reply;
        int status = read_page(self, search.before, none ? 1 : 1000, &reply);
        if (status)
            return status;
        if (none)
            search.head = cccc_get_uint(cccc_reply_result(reply), "head_seq", 0);
        else
            search_page(self, cccc_reply_result(reply), &search);
        cccc_reply_free(&reply);
    } while (!none && !search.done);
    *after_seq = search.found ? search.start - 1 : search.head;
    return 0;
}

/* The seq before --from, or the last one when the ledger is not that long yet. */
static int start_from(const struct selection *self, uint64_t *after_seq)
{
    cccc_reply_t *reply;
    int status = read_page(self, 0, 1, &reply);
    if (status)
        return status;
    uint64_t head = cccc_get_uint(cccc_reply_result(reply), "head_seq", 0);
    *after_seq = self->from_seq > 0 && self->from_seq - 1 < head ? self->from_seq - 1 : head;
    cccc_reply_free(&reply);
    return 0;
}

/* ---- print ---- */

/* Where history ends, and where a restart was got over: words, for people who watch. */
static void say_live(struct cli *cli, const cccc_follow_t *follower)
{
    struct cccc_follow_stats stats;
    cccc_follow_stats(follower, &stats);
    if (cli->tty)
        cli_say(cli, "%s--- %s ---%s", cli_style(cli, STYLE_DIM), stats.restarts ? "the daemon is back; nothing was missed" : "live",
                cli_plain(cli));
    fflush(stdout); /* who follows through a pipe is told now, not with the next event */
}

static void print_item(const struct selection *self, const struct cccc_item *item)
{
    struct cli *cli = self->cli;
    const msgpack_object *event = cccc_item_event(item);
    if (event && is_selected(self, event))
        cli_print_event(cli, event, self->raw);
    else if (item->type == CCCC_ITEM_GAP)
        cli_print_gap(cli, item->from_seq, item->to_seq, item->reason);
    else if (item->type == CCCC_ITEM_RESET && cli->json)
        printf("{\"reset\":{\"seq\":%" PRIu64 "}}\n", item->seq);
    else if (item->type == CCCC_ITEM_RESET && cli->tty)
        cli_say_loud(cli, "the ledger is another than before (restored from a backup?); going on from its end");
    else if (item->type == CCCC_ITEM_RESET)
        printf("--- the ledger is another than before (restored?); going on from its end ---\n");
}

static int print_from(const struct selection *self, uint64_t after_seq, bool follow)
{
    struct cccc_error error;
    struct cccc_item item = {0};
    struct cccc_filter filter = {
        .group_id = self->group, .kinds = self->kinds, .kind_count = self->kind_count, .from_seq = true, .after_seq = after_seq};
    cccc_follow_t *follower;
    int n = 0;
    if (cccc_follow_open(self->cli->client, &filter, &follower, &error) != 0)
        return cli_fail_with(self->cli, &error);
    while ((n = cli_follow_next(follower, &item, &error)) > 0) {
        if (item.type == CCCC_ITEM_LIVE && !follow)
            break;
        if (item.type == CCCC_ITEM_LIVE)
            say_live(self->cli, follower);
        else
            print_item(self, &item);
        if (ferror(stdout))
            break;
    }
    cccc_follow_close(&follower);
    return n < 0 ? cli_fail_with(self->cli, &error) : 0;
}

/* ---- the command ---- */

/* Kinds that this version does not write, but ledgers of CCCC 0.4.0 hold. */
static const char *const older_kinds[] = {"actor.set_role", "chat.reaction"};
#define OLDER_KINDS (sizeof older_kinds / sizeof *older_kinds)

/* All words there are for a kind; the first *ours are those of this version. */
static size_t kind_words(const char *words[CCCC_KIND_COUNT + OLDER_KINDS], size_t *ours)
{
    size_t count = 0;
    for (unsigned kind = CCCC_KIND_UNKNOWN + 1; kind < CCCC_KIND_COUNT; kind++)
        words[count++] = cccc_kind_word((cccc_kind_t)kind);
    *ours = count;
    for (size_t i = 0; i < OLDER_KINDS; i++)
        words[count++] = older_kinds[i];
    return count;
}

static bool is_word_of(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

/* A kind that is in no table will never come: following it would wait for ever. */
static int check_kinds(struct cli *cli, const struct selection *self)
{
    const char *words[CCCC_KIND_COUNT + OLDER_KINDS], *all = "there are ";
    size_t ours, count = kind_words(words, &ours), i = 0;
    while (i < self->kind_count && is_word_of(words, count, self->kinds[i]))
        i++;
    if (i == self->kind_count)
        return 0;
    for (size_t k = 0; k < ours; k++)
        all = cli_printf(cli, "%s%s%s", all, k > 0 ? ", " : "", words[k]);
    return cli_fail(cli, CCCC_E_USAGE, cli_did_you_mean(cli, self->kinds[i], words, count, all), "there is no kind of event \"%s\"",
                    self->kinds[i]);
}

/* Somebody who is no actor now may have been one, or be one soon: so it is only said. */
static int check_actor(struct cli *cli, const struct selection *self)
{
    static const char *const others[] = {"user", "system", "cli"}; /* who may stand in `by` without being an actor */
    const char *const *ids;
    size_t count;
    const char *actor = cli_option(cli, "actor");
    if (!actor || strncmp(actor, "svc:", 4) == 0 || is_word_of(others, sizeof others / sizeof *others, actor))
        return 0;
    int status = cli_actor_ids(cli, self->group, &ids, &count);
    if (status == 0 && !is_word_of(ids, count, actor))
        cli_say(cli, "cccc: group %s has no actor \"%s\" now; what it has of one is shown\n  next: %s", self->group, actor,
                cli_did_you_mean(cli, actor, ids, count, "`cccc actor list` lists the actors"));
    return status;
}

static int read_selection(struct cli *cli, struct selection *self)
{
    const char *since = cli_option(cli, "since"), *from = cli_option(cli, "from"), *actor = cli_option(cli, "actor");
    *self = (struct selection){.cli = cli, .raw = cli_flag(cli, "raw")};
    if (self->raw && cli->tty)
        return cli_fail(cli, CCCC_E_USAGE, "leave --raw out, or send the output to a file",
                        "--raw would let messages control this terminal");
    if (self->raw && cli->json)
        return cli_fail(cli, CCCC_E_USAGE, "give one of them; JSON is exact anyway", "--raw and --json were both given");
    if (since && !cli_since(since, cli->now_us, &self->since_us))
        return cli_fail(cli, CCCC_E_USAGE, "for example 90s, 10m, 2h, 3d, today, 2026-01-31, 2026-01-31T10:00:00Z",
                        "--since does not know \"%s\"", since);
    if (from && !cli_seq(from, &self->from_seq))
        return cli_fail(cli, CCCC_E_USAGE, "the number tail shows, for example --from 1000", "--from takes a number, not \"%s\"", from);
    self->kind_count = cli_list(cli, "kind", &self->kinds);
    self->actor = cccc_str(actor ? actor : "");
    self->all = (since || from) && !cli_option(cli, "lines");
    self->lines = cli_number(cli, "lines", 50);
    return 0;
}

int cmd_tail(struct cli *cli)
{
    struct selection selection;
    uint64_t after_seq;
    bool follow = cli_flag(cli, "follow");
    int status = read_selection(cli, &selection);
    cli->streaming = true;
    if (status == 0)
        status = check_kinds(cli, &selection);
    if (status == 0)
        status = cli_group(cli, &selection.group);
    if (status == 0)
        status = check_actor(cli, &selection);
    if (status)
        return status;
    bool from_only = selection.from_seq > 0 && selection.all && selection.since_us == 0;
    status = from_only ? start_from(&selection, &after_seq) : find_start(&selection, &after_seq);
    return status ? status : print_from(&selection, after_seq, follow);
}
