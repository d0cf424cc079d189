/* smoke.c - `cccc smoke`: prove that this home works, end to end, in a scratch group that is removed again.
 *
 * The active group is left as it is. Each check is one function; the first that fails ends the test, and the group is removed all the same: what
 * runs in it is stopped, it is deleted, and its folder is taken out of the trash, which would otherwise grow with every test.
 * Thread: the program's one. */
#include "clients/cli/offline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So long a terminal may take until a message is typed into it. */
#define TYPED_MS_MAX 20000
#define TERMINAL     "smoke-t"

struct smoke {
    struct cli *cli;
    const char *folder; /* the directory attached */
    const char *group;  /* NULL until it is made */
    char first[72];     /* event id of the message a -> b */
    cccc_builder_t checks;
    char why[1200]; /* what is wrong with the check that fails */
};

#define WRONG(self, ...) (snprintf((self)->why, sizeof(self)->why, __VA_ARGS__), false)

static bool ask(struct smoke *self, const char *op, cccc_args_t **args, const cccc_value_t **result)
{
    struct cccc_error error;
    return cli_try(self->cli, op, args, result, &error) || WRONG(self, "%s: %s", error.code, error.message);
}

static cccc_args_t *group_args(struct smoke *self)
{
    cccc_args_t *args = cli_group_args(self->group);
    return args;
}

static void keep_id(char out[72], const cccc_value_t *event)
{
    snprintf(out, 72, "%.*s", CCCC_STR_FMT(cccc_get_str(event, "id")));
}

/* ---- the checks ---- */

static bool make_group(struct smoke *self)
{
    const cccc_value_t *result;
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "title", "cccc smoke test");
    if (!ask(self, "group_create", &args, &result))
        return false;
    self->group = cccc_arena_str(self->cli->arena, cccc_get_str(result, "group_id")).ptr;
    return *self->group || WRONG(self, "the answer names no group");
}

static bool attach_folder(struct smoke *self)
{
    const cccc_value_t *result;
    cccc_args_t *args = group_args(self);
    cccc_args_str(args, "path", self->folder);
    return ask(self, "attach", &args, &result);
}

static bool add_actors(struct smoke *self)
{
    static const char *const names[] = {"smoke-a", "smoke-b"};
    for (size_t i = 0; i < 2; i++) {
        const cccc_value_t *result;
        cccc_args_t *args = group_args(self);
        cccc_args_str(args, "actor_id", names[i]);
        cccc_args_str(args, "runtime", "custom");
        cccc_args_str(args, "runner", "headless");
        if (!ask(self, "actor_add", &args, &result))
            return false;
    }
    return true;
}

static cccc_args_t *first_message(struct smoke *self, const char *to)
{
    cccc_args_t *args = group_args(self);
    cccc_args_str(args, "text", "are you there?");
    cccc_args_strs(args, "to", &to, 1);
    cccc_args_str(args, "by", "smoke-a");
    cccc_args_bool(args, "reply_required", true);
    cccc_args_str(args, "client_id", "smoke-1");
    return args;
}

static bool send_message(struct smoke *self)
{
    const cccc_value_t *result;
    cccc_args_t *args = first_message(self, "smoke-b");
    if (!ask(self, "send", &args, &result))
        return false;
    keep_id(self->first, cccc_get(result, "event"));
    return *self->first || WRONG(self, "the answer names no event");
}

static bool send_again(struct smoke *self)
{
    const cccc_value_t *result;
    cccc_args_t *args = first_message(self, "smoke-b");
    if (!ask(self, "send", &args, &result))
        return false;
    if (!cccc_str_is(cccc_get_str(cccc_get(result, "event"), "id"), self->first) || !cccc_get_bool(result, "duplicate", false))
        return WRONG(self, "the same client_id stored the message twice");
    return true;
}

/* The inbox of `actor` holds exactly one event, replying to `reply_to` ("" = to nothing); its id goes to `id`. */
static bool one_in_inbox(struct smoke *self, const char *actor, const char *reply_to, char id[72])
{
    const cccc_value_t *result;
    cccc_args_t *args = group_args(self);
    cccc_args_str(args, "actor_id", actor);
    cccc_args_str(args, "kind_filter", "chat");
    if (!ask(self, "inbox_list", &args, &result))
        return false;
    const cccc_value_t *messages = cccc_get(result, "messages");
    uint32_t count = cli_count(messages);
    if (count != 1)
        return WRONG(self, "the inbox of %s holds %" PRIu32 " messages instead of 1", actor, count);
    const cccc_value_t *event = messages->via.array.ptr;
    keep_id(id, event);
    return cccc_str_is(cccc_get_str(cccc_get(event, "data"), "reply_to"), reply_to) ||
           WRONG(self, "the message in the inbox of %s is another", actor);
}

static bool check_inbox(struct smoke *self)
{
    char id[72];
    if (!one_in_inbox(self, "smoke-b", "", id))
        return false;
    return strcmp(id, self->first) == 0 || WRONG(self, "the inbox of smoke-b holds another event");
}

static bool reply(struct smoke *self)
{
    const cccc_value_t *result;
    cccc_args_t *args = group_args(self);
    cccc_args_str(args, "reply_to", self->first);
    cccc_args_str(args, "text", "yes");
    cccc_args_str(args, "by", "smoke-b");
    return ask(self, "reply", &args, &result);
}

static bool read_reply(struct smoke *self)
{
    const cccc_value_t *result;
    char id[72];
    if (!one_in_inbox(self, "smoke-a", self->first, id))
        return false;
    cccc_args_t *args = group_args(self);
    cccc_args_str(args, "actor_id", "smoke-a");
    cccc_args_str(args, "event_id", id);
    if (!ask(self, "inbox_mark_read", &args, &result))
        return false;
    args = group_args(self);
    cccc_args_str(args, "actor_id", "smoke-a");
    if (!ask(self, "inbox_list", &args, &result))
        return false;
    const cccc_value_t *messages = cccc_get(result, "messages");
    return (cccc_is_array(messages) && cli_count(messages) == 0) || WRONG(self, "what was read is still unread");
}

/* `cat` is an agent that everybody has: it shows what is typed to it. */
static bool start_terminal(struct smoke *self)
{
    static const char *const command[] = {"cat"};
    const cccc_value_t *result;
    cccc_args_t *args = group_args(self);
    cccc_args_str(args, "actor_id", TERMINAL);
    cccc_args_str(args, "runtime", "custom");
    cccc_args_strs(args, "command", command, 1);
    if (!ask(self, "actor_add", &args, &result))
        return false;
    args = group_args(self);
    cccc_args_str(args, "actor_id", TERMINAL);
    return ask(self, "actor_start", &args, &result);
}

/* Follow the terminal's deliveries until one of them has an outcome. */
static bool wait_until_typed(struct smoke *self, cccc_follow_t *follow)
{
    struct cccc_error error = {.message = "nothing was typed in time"};
    struct cccc_item item;
    while (cccc_follow_next(follow, &item, TYPED_MS_MAX, &error) > 0) {
        const cccc_value_t *event = cccc_item_event(&item), *data = cccc_get(event, "data");
        cccc_str_t state = cccc_get_str(data, "state");
        if (!cccc_str_is(cccc_get_str(event, "kind"), "runtime.delivery") || cccc_str_is(state, "claimed"))
            continue;
        return cccc_str_is(state, "accepted") ||
               WRONG(self, "typing it was %.*s: %.*s", CCCC_STR_FMT(state), CCCC_STR_FMT(cccc_get_str(data, "reason")));
    }
    return WRONG(self, "%s", error.message);
}

static bool type_message(struct smoke *self)
{
    static const char *const to[] = {TERMINAL};
    const cccc_value_t *result;
    cccc_follow_t *follow;
    struct cccc_error error;
    struct cccc_filter filter = {.group_id = self->group, .from_seq = true};
    cccc_args_t *args = group_args(self);
    cccc_args_str(args, "text", "type this");
    cccc_args_strs(args, "to", to, 1);
    if (!ask(self, "send", &args, &result))
        return false;
    if (cccc_follow_open(self->cli->client, &filter, &follow, &error) != 0)
        return WRONG(self, "%s", error.message);
    bool typed = wait_until_typed(self, follow);
    cccc_follow_close(&follow);
    return typed;
}

static bool stop_terminal(struct smoke *self)
{
    const cccc_value_t *result;
    cccc_args_t *args = group_args(self);
    cccc_args_str(args, "actor_id", TERMINAL);
    return ask(self, "actor_stop", &args, &result);
}

/* What was done so far are at least twelve events, numbered without a hole. */
static bool follow_all(struct smoke *self)
{
    struct cccc_filter filter = {.group_id = self->group, .from_seq = true};
    struct cccc_error error;
    struct cccc_item item;
    cccc_follow_t *follow;
    uint64_t expected = 1;
    int n;
    if (cccc_follow_open(self->cli->client, &filter, &follow, &error) != 0)
        return WRONG(self, "%s", error.message);
    while ((n = cccc_follow_next(follow, &item, 10000, &error)) > 0 && item.type == CCCC_ITEM_EVENT && item.seq == expected)
        expected++;
    cccc_follow_close(&follow);
    if (n < 0)
        return WRONG(self, "%s", error.message);
    if (n == 0 || item.type != CCCC_ITEM_LIVE)
        return WRONG(self, "the follower did not get event %" PRIu64 " in its turn", expected);
    return expected - 1 >= 12 || WRONG(self, "the ledger has %" PRIu64 " events, at least 12 were stored", expected - 1);
}

static bool verify_ledger(struct smoke *self)
{
    struct offline_ledger ledger;
    int status;
    if (!cli_home(self->cli, &status))
        return WRONG(self, "the home is unknown");
    offline_judge(self->cli, self->group, &ledger);
    if (ledger.err != CCCC_OK)
        return WRONG(self, "%s", ledger.message.text);
    return !offline_is_damaged(&ledger) ||
           WRONG(self, "%" PRIu64 " of %" PRIu64 " lines are damaged", ledger.report.broken, ledger.report.lines);
}

static bool remove_group(struct smoke *self)
{
    struct cccc_error error;
    return cli_remove_group(self->cli, self->group, &error) || WRONG(self, "%s", error.message);
}

static const struct {
    const char *name;
    bool (*run)(struct smoke *self);
} checks[] = {
    {"make a group", make_group},
    {"attach a directory", attach_folder},
    {"add two actors", add_actors},
    {"send a message", send_message},
    {"send it again with the same client_id: stored once", send_again},
    {"it is in the recipient's inbox, once", check_inbox},
    {"reply", reply},
    {"the reply is in the sender's inbox; mark it read", read_reply},
    {"start an actor in a terminal", start_terminal},
    {"a message is typed into it", type_message},
    {"stop it", stop_terminal},
    {"follow the ledger from its start: every event, in order", follow_all},
    {"the ledger on disk is sound", verify_ledger},
};

/* ---- reporting ---- */

static void report(struct smoke *self, const char *name, bool good)
{
    struct cli *cli = self->cli;
    cccc_builder_t check = cccc_map_builder(cli->arena, 3);
    cccc_map_add(&check, "name", cccc_text(name));
    cccc_map_add(&check, "ok", cccc_bool(good));
    cccc_map_add(&check, "why", cccc_string(cccc_arena_str(cli->arena, cccc_str(good ? "" : self->why))));
    cccc_array_add(&self->checks, check.value);
    if (cli->json)
        return;
    const char *style = cli_style(cli, good ? STYLE_GREEN : STYLE_RED);
    printf("%s%s%s%s%s\n", style, good ? "ok" : "failed", cli_plain(cli), cli->tty ? "  " : "\t", name);
    fflush(stdout);
}

static bool run_checks(struct smoke *self)
{
    bool good = true;
    for (size_t i = 0; good && i < sizeof checks / sizeof *checks && !cli_signal(); i++) {
        good = checks[i].run(self);
        report(self, checks[i].name, good);
    }
    if (!self->group)
        return good;
    char why[sizeof self->why];
    memcpy(why, self->why, sizeof why);
    bool removed = remove_group(self);
    report(self, "remove the group", removed);
    if (!good)
        memcpy(self->why, why, sizeof why);
    return good && removed;
}

static int finish(struct smoke *self, bool good)
{
    struct cli *cli = self->cli;
    if (cli_signal())
        return 128 + cli_signal();
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 2);
        cccc_map_add(&result, "passed", cccc_bool(good));
        cccc_map_add(&result, "checks", self->checks.value);
        cli_result(cli, &result.value);
        return !good;
    }
    if (good)
        cli_say(cli, "this home works");
    else
        cli_fail(cli, CCCC_E_INTERNAL, "`cccc doctor`, then `cccc daemon logs`", "the smoke test failed: %s", self->why);
    return !good;
}

int cmd_smoke(struct cli *cli)
{
    int status = cli_connect(cli, CLI_START_IT);
    if (status)
        return status;
    if (cccc_holder_is_above(&cccc_vfs_posix, &cli->home, getpid()))
        return cli_fail(cli, CCCC_E_PERMISSION_DENIED, "run it in a terminal of the user's",
                        "this is an actor's terminal, and an actor may not remove the group that the smoke test makes; nothing was made");
    struct smoke self = {.cli = cli, .folder = cli_scratch(cli, "cccc-smoke"), .checks = cccc_array_builder(cli->arena, 16)};
    if (!self.folder)
        return cli_fail(cli, CCCC_E_STORAGE, "set TMPDIR to a folder that can be written", "cannot make a scratch directory in %s: %s",
                        cli_scratch_base(), strerror(errno));
    cli_defer_signals();
    bool good = run_checks(&self);
    cli_remove_tree(self.folder);
    return finish(&self, good);
}
