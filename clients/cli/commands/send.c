/* send.c - `cccc send`, `cccc ask` and `cccc reply`.
 *
 * Every send carries a client_id, so that libcccc may repeat it when the answer is lost; the one in use is told when the outcome is unknown.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/event.h"
#include "proto/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const char *client_id(struct cli *cli)
{
    unsigned char bytes[16];
    char *text = cccc_arena_alloc(cli->arena, 2 * sizeof bytes + 5);
    if (cli_option(cli, "client-id"))
        return cli_option(cli, "client-id");
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return NULL; /* libcccc then makes one */
    memcpy(text, "cli-", 5);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(text + 4 + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

/* The text argument; "-" is standard input. Empty is allowed when files go along. */
static int message_text(struct cli *cli, const char *word, bool has_files, cccc_str_t *text)
{
    const char *name = cli->line.command->name;
    const char *form = strcmp(name, "reply") == 0 ? "reply EVENT \"text\""
                       : strcmp(name, "ask") == 0 ? "ask WHO \"text\""
                                                  : "send \"text\" --to WHO";
    *text = cccc_str(word ? word : "");
    if (!word && !has_files)
        return cli_fail(cli, CCCC_E_USAGE, cli_printf(cli, "cccc %s; - reads the text from standard input", form),
                        "there is nothing to send: no text and no --file");
    if (word && strcmp(word, "-") == 0)
        return cli_read_stdin(cli, CCCC_TEXT_BYTES_MAX, text);
    return 0;
}

/* Store the files as blobs of the group, then name them in the message. */
static int add_attachments(struct cli *cli, const char *group, cccc_args_t *args)
{
    const char *const *files;
    size_t count = cli_values(cli, "file", &files);
    cccc_builder_t list = cccc_array_builder(cli->arena, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct cccc_error error;
        char path[512];
        if (strcmp(files[i], "-") == 0)
            return cli_fail(cli, CCCC_E_USAGE, "`cccc send -` reads the text from there; --file ./- is a file of that name",
                            "standard input cannot be attached");
        if (cccc_blob_put_file(cli->client, group, files[i], path, &error) != 0)
            return cli_fail_with(cli, &error);
        const char *slash = strrchr(files[i], '/');
        cccc_builder_t item = cccc_map_builder(cli->arena, 2);
        cccc_map_add(&item, "path", cccc_string(cccc_arena_str(cli->arena, cccc_str(path))));
        cccc_map_add(&item, "title", cccc_text(slash ? slash + 1 : files[i]));
        cccc_array_add(&list, item.value);
    }
    if (count > 0)
        cccc_args_value(args, "attachments", &list.value);
    return 0;
}

/* A length of time as an option, as seconds. */
static int add_seconds(struct cli *cli, const char *option, const char *argument, cccc_args_t *args)
{
    int64_t seconds;
    const char *text = cli_option(cli, option);
    if (!text)
        return 0;
    if (!cli_duration(text, &seconds) || seconds <= 0)
        return cli_fail(cli, CCCC_E_USAGE, "write it as 90s, 10m, 2h, 3d", "--%s %s is no length of time", option, text);
    cccc_args_int(args, argument, seconds);
    return 0;
}

/* What is sent, and how. */
struct outgoing {
    const char *op, *group, *path, *word;
    const char *const *to;
    size_t to_count;
    bool reply_required;
    int64_t wait_seconds; /* for replies; 0: not */
};

static int add_cause(struct cli *cli, const char *group, cccc_args_t *args)
{
    const char *event_id = NULL, *named = cli_option(cli, "cause");
    int status = named ? cli_event(cli, group, named, &event_id) : 0;
    if (status == 0)
        cccc_args_str(args, "cause", event_id);
    return status;
}

/* What all of them have in common. */
static int add_message(struct cli *cli, const struct outgoing *out, const char *id, cccc_args_t *args)
{
    const char *const *files;
    cccc_str_t text;
    int status = message_text(cli, out->word, cli_values(cli, "file", &files) > 0, &text);
    if (status == 0)
        status = add_attachments(cli, out->group, args);
    if (status == 0)
        status = add_seconds(cli, "due", "due_seconds", args);
    if (status == 0)
        status = add_seconds(cli, "expires", "expires_seconds", args);
    if (status == 0 && strcmp(out->op, "reply") != 0) /* which follows from what it replies to */
        status = add_cause(cli, out->group, args);
    if (status)
        return status;
    cccc_args_strn(args, "text", text.ptr, text.len);
    if (out->to_count > 0)
        cccc_args_strs(args, "to", out->to, out->to_count);
    cccc_args_str(args, "priority", cli_option(cli, "priority"));
    if (out->reply_required)
        cccc_args_bool(args, "reply_required", true);
    if (out->wait_seconds > 0)
        cccc_args_int(args, "wait_seconds", cli_wait_lease(out->wait_seconds));
    if (strcmp(out->op, "send_cross_group") != 0)
        cccc_args_bool(args, "outlook", true);
    cccc_args_str(args, "client_id", id);
    return 0;
}

/* What will happen to each copy that is not simply there; that there is none. */
static void print_outlook(struct cli *cli, const cccc_value_t *result)
{
    const cccc_value_t *rows = cccc_get(result, "recipients");
    const cccc_value_t *data = cccc_get(cccc_get(result, "event"), "data");
    bool asks = cccc_get_bool(data, "reply_required", false) || cccc_str_is(cccc_get_str(data, "priority"), "attention");
    if (cccc_is_array(rows) && cli_count(rows) == 0)
        cli_say(cli, "recipients: none; it is a note in the ledger%s",
                asks ? ", and nobody owes a reply or an acknowledgement for it" : ", since a message is never for its sender");
    for (uint32_t i = 0; i < cli_count(rows); i++) {
        const cccc_value_t *row = cli_item(rows, i);
        cccc_str_t id = cccc_get_str(row, "id"), next = cccc_get_str(row, "next");
        cccc_str_t will = cccc_get_str(row, "will");
        bool waits = cccc_str_is(will, "waits"), held = cccc_str_is(will, "held");
        cli_say(cli, "%.*s (%.*s): %s%.*s", CCCC_STR_FMT(id), CCCC_STR_FMT(cccc_get_str(row, "state")),
                waits                        ? "it waits: "
                : held                       ? "it is held: "
                : cccc_str_is(will, "wakes") ? "it is woken: "
                                             : "",
                CCCC_STR_FMT(cccc_get_str(row, "why")));
        if ((waits || held) && next.len > 0)
            cli_say(cli, "next: %.*s", CCCC_STR_FMT(next));
    }
}

static void print_sent(struct cli *cli, const cccc_value_t *result)
{
    const cccc_value_t *event = cccc_get(result, "event");
    cccc_buf_t to;
    if (!event)
        event = cccc_get(result, "src_event");
    cccc_buf_init(&to);
    cli_event_to(event, &to);
    uint64_t seq = cccc_get_uint(event, "seq", 0);
    cccc_str_t id = cccc_get_str(event, "id"), names = {to.data, to.size};
    if (cli->tty)
        cli_fact(cli, "stored", "%" PRIu64 " to %.*s (%.*s)", seq, CCCC_STR_FMT(names), CCCC_STR_FMT(id));
    else
        printf("stored\t%" PRIu64 "\t%.*s\t%.*s\n", seq, CCCC_STR_FMT(id), CCCC_STR_FMT(names));
    if (cccc_get_bool(result, "duplicate", false))
        cli_say(cli, "it was there already: the same client id stored it before");
    print_outlook(cli, result);
    cli_print_cycle(cli, cccc_get(result, "cycle"));
    cccc_buf_fini(&to);
}

/* The outcome of a failed send may be unknown; then the same client id is what makes a repeat safe. */
static int send_failed(struct cli *cli, const char *group, const char *path, const struct cccc_error *error, const char *id)
{
    if (path && strcmp(error->code, cccc_err_code(CCCC_E_SCOPE_NOT_ATTACHED)) == 0)
        return cli_fail(cli, CCCC_E_SCOPE_NOT_ATTACHED,
                        cli_printf(cli, "name a path in one of them, or attach it: cccc attach %s --group %s", path, group), "%s",
                        error->message);
    int status = cli_fail_with(cli, error);
    if (id && strcmp(error->outcome, "unknown") == 0)
        cli_say(cli, "  nobody knows whether it was stored; the same command with --client-id %s cannot store it twice", id);
    return status;
}

/* Takes args. */
static int finish_message(struct cli *cli, const struct outgoing *out, cccc_args_t *args)
{
    struct cccc_error error;
    const cccc_value_t *result;
    const char *id = client_id(cli);
    int status = add_message(cli, out, id, args);
    if (status) {
        cccc_args_free(&args);
        return status;
    }
    if (out->wait_seconds > 0)
        cli_defer_signals(); /* once it is stored, the broker has to hear that nobody waits */
    if (!cli_try(cli, out->op, &args, &result, &error))
        return send_failed(cli, out->group, out->path, &error, id);
    if (!cli->json)
        print_sent(cli, result);
    if (out->wait_seconds > 0)
        return cli_wait_for_replies(cli, out->group, result, out->wait_seconds);
    return cli->json ? cli_result(cli, result) : 0;
}

/* --wait, or `otherwise` without it; NULL: not at all. False: the failure was reported and *status says how to exit. */
static bool wait_time(struct cli *cli, const char *otherwise, int64_t *seconds, int *status)
{
    const char *text = cli_option(cli, "wait");
    text = text ? text : otherwise;
    *seconds = 0;
    if (!text || (cli_duration(text, seconds) && *seconds > 0))
        return true;
    *status = cli_fail(cli, CCCC_E_USAGE, "write it as 90s, 10m, 2h", "--wait %s is no length of time", text);
    return false;
}

/* Options that mean nothing to a message for another group. */
static int refuse_across(struct cli *cli)
{
    static const char *const options[] = {"wait", "due", "expires", "cause"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (cli_option(cli, options[i]))
            return cli_fail(cli, CCCC_E_USAGE, "leave it out, or send in the other group itself: --group GROUP",
                            "--%s and --dst-group exclude each other", options[i]);
    return 0;
}

int cmd_send(struct cli *cli)
{
    const char *destination = NULL;
    struct outgoing out = {.op = "send", .path = cli_option(cli, "path"), .word = cli_arg(cli, 0)};
    int status = 0;
    if (!wait_time(cli, NULL, &out.wait_seconds, &status))
        return status;
    if (cli_option(cli, "dst-group"))
        status = refuse_across(cli);
    if (status == 0 && out.path)
        status = cli_path(cli, out.path, &out.path);
    if (status == 0)
        status = cli_group(cli, &out.group);
    if (status == 0 && cli_option(cli, "dst-group"))
        status = cli_group_named(cli, cli_option(cli, "dst-group"), &destination);
    if (status)
        return status;
    if (destination)
        out.op = "send_cross_group";
    out.to_count = cli_list(cli, "to", &out.to);
    out.reply_required = cli_flag(cli, "reply-required") || out.wait_seconds > 0;
    cccc_args_t *args = cli_args(cli, out.group);
    cccc_args_str(args, "dst_group_id", destination);
    cccc_args_str(args, "path", out.path);
    return finish_message(cli, &out, args);
}

/* One question to some: each owes a reply, and is waited for. */
int cmd_ask(struct cli *cli)
{
    struct outgoing out = {.op = "send", .word = cli_arg(cli, 1), .reply_required = true};
    int status = 0;
    if (!wait_time(cli, "10m", &out.wait_seconds, &status))
        return status;
    if ((status = cli_group(cli, &out.group)))
        return status;
    out.to_count = cli_list_of(cli, cli_arg(cli, 0), &out.to);
    return finish_message(cli, &out, cli_args(cli, out.group));
}

int cmd_reply(struct cli *cli)
{
    const char *event_id;
    struct outgoing out = {.op = "reply", .word = cli_arg(cli, 1), .reply_required = cli_flag(cli, "reply-required")};
    int status = cli_group(cli, &out.group);
    if (status == 0)
        status = cli_event(cli, out.group, cli_arg(cli, 0), &event_id);
    if (status)
        return status;
    out.to_count = cli_list(cli, "to", &out.to);
    cccc_args_t *args = cli_args(cli, out.group);
    cccc_args_str(args, "reply_to", event_id);
    return finish_message(cli, &out, args);
}
