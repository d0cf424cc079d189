/* out.c - how results, words and errors leave the program.
 *
 * Invariant: a terminal never gets a byte that an actor chose and that it would obey (escape.h); this holds for JSON and for error texts too.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool wants_color(const char *when, bool tty)
{
    if (when && strcmp(when, "auto") != 0)
        return strcmp(when, "always") == 0;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM"), *force = getenv("CLICOLOR_FORCE");
    if (no_color && *no_color)
        return false;
    if (force && *force && strcmp(force, "0") != 0)
        return true;
    return tty && term && strcmp(term, "dumb") != 0;
}

void cli_look_at_width(struct cli *cli)
{
    struct winsize size = {0};
    if (cli->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        cli->width = size.ws_col;
}

void cli_out_init(struct cli *cli)
{
    cli->tty = isatty(STDOUT_FILENO);
    cli->json = cli_flag(cli, "json");
    cli->color = !cli->json && wants_color(cli_option(cli, "color"), cli->tty);
    cli->width = 80;
    cli_look_at_width(cli);
}

const char *cli_style(const struct cli *cli, enum cli_style style)
{
    static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[34m", "\033[35m", "\033[36m"};
    return cli->color ? codes[style] : "";
}

const char *cli_plain(const struct cli *cli)
{
    return cli->color ? "\033[0m" : "";
}

enum cli_style cli_style_of(cccc_str_t name)
{
    static const enum cli_style palette[] = {STYLE_CYAN, STYLE_GREEN, STYLE_MAGENTA, STYLE_BLUE, STYLE_YELLOW};
    unsigned sum = 0;
    for (size_t i = 0; i < name.len; i++)
        sum = sum * 31 + (unsigned char)name.ptr[i];
    return palette[sum % (sizeof palette / sizeof *palette)];
}

static void put_json(const struct cli *cli, const cccc_value_t *value, bool pretty)
{
    cccc_buf_t json, safe;
    cccc_buf_init(&json);
    cccc_buf_init(&safe);
    if (pretty)
        cccc_json_write_pretty(value, &json);
    else
        cccc_json_write(value, &json);
    cccc_str_t text = {json.data, json.size};
    if (cli->tty) {
        escape_json(&safe, text);
        text = (cccc_str_t){safe.data, safe.size};
    }
    fwrite(text.ptr, 1, text.len, stdout);
    if (!pretty)
        fputc('\n', stdout);
    cccc_buf_fini(&json);
    cccc_buf_fini(&safe);
}

int cli_result(struct cli *cli, const cccc_value_t *result)
{
    cccc_builder_t envelope = cccc_map_builder(cli->arena, 2);
    cccc_map_add(&envelope, "ok", cccc_bool(true));
    cccc_map_add(&envelope, "result", *result);
    put_json(cli, &envelope.value, cli->tty);
    return 0;
}

void cli_json_line(struct cli *cli, const cccc_value_t *value)
{
    put_json(cli, value, false);
    fflush(stdout);
}

void cli_say(const struct cli *cli, const char *fmt, ...)
{
    if (cli->json)
        return;
    va_list args;
    fflush(stdout); /* so that words stand behind the data they are about */
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

void cli_print_text(const struct cli *cli, cccc_str_t text, bool raw)
{
    cccc_buf_t safe;
    cccc_buf_init(&safe);
    if (!raw && cli->tty) {
        escape_text(&safe, text, ESCAPE_KEEP_LINES);
        text = (cccc_str_t){safe.data, safe.size};
    }
    fwrite(text.ptr, 1, text.len, stdout);
    if (!raw && text.len > 0 && text.ptr[text.len - 1] != '\n')
        putchar('\n');
    cccc_buf_fini(&safe);
}

void cli_fact(struct cli *cli, const char *name, const char *fmt, ...)
{
    char text[2048];
    cccc_buf_t safe;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cccc_buf_init(&safe);
    escape_text(&safe, cccc_str(text), ESCAPE_ONE_LINE);
    if (cli->tty) {
        printf("%s%-14s%s  ", cli_style(cli, STYLE_BOLD), name, cli_plain(cli));
        cli_print_folded(cli, (cccc_str_t){safe.data, safe.size}, strlen(name) < 14 ? 16 : strlen(name) + 2, 0, "", false);
        putchar('\n');
    } else {
        printf("%s\t%.*s\n", name, (int)safe.size, safe.data);
    }
    cccc_buf_fini(&safe);
}

/* Error texts may quote what actors wrote. */
static void say_escaped(const char *before, const char *text)
{
    cccc_buf_t safe;
    cccc_buf_init(&safe);
    escape_text(&safe, cccc_str(text), ESCAPE_ONE_LINE);
    fprintf(stderr, "%s%.*s\n", before, (int)safe.size, safe.data ? safe.data : "");
    cccc_buf_fini(&safe);
}

void cli_warn(const struct cli *cli, const char *next, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    if (cli->json)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fflush(stdout);
    say_escaped("", text);
    say_escaped("next: ", next);
}

static void report(struct cli *cli, const struct cccc_error *what, const char *hint)
{
    const char *code = what->code, *message = what->message;
    if (!cli->json) {
        fflush(stdout);
        say_escaped("cccc: ", message);
        if (hint && *hint)
            say_escaped("  next: ", hint);
        return;
    }
    cccc_builder_t details = cccc_map_builder(cli->arena, 2), error = cccc_map_builder(cli->arena, 4),
                   envelope = cccc_map_builder(cli->arena, 2);
    if (*what->outcome)
        cccc_map_add(&details, "outcome", cccc_text(what->outcome));
    if (*what->cause)
        cccc_map_add(&details, "cause", cccc_text(what->cause));
    cccc_map_add(&error, "code", cccc_text(code));
    cccc_map_add(&error, "message", cccc_text(message));
    cccc_map_add(&error, "details", details.value);
    cccc_map_add(&error, "hint", cccc_text(hint ? hint : ""));
    cccc_map_add(&envelope, "ok", cccc_bool(false));
    cccc_map_add(&envelope, "error", error.value);
    put_json(cli, &envelope.value, cli->tty && !cli->streaming);
}

/* The command that helps, by error; the message itself has said what and why. */
static const struct {
    cccc_err_t err;
    const char *hint;
} hints[] = {
    {CCCC_E_GROUP_NOT_FOUND, "`cccc groups` lists the groups"},
    {CCCC_E_NO_ACTIVE_GROUP, "`cccc use GROUP` makes one active; `cccc groups` lists them"},
    {CCCC_E_ACTOR_NOT_FOUND, "`cccc actor list` lists the actors"},
    {CCCC_E_UNKNOWN_ACTOR, "`cccc actor list` lists the actors"},
    {CCCC_E_INVALID_RECIPIENT, "`cccc actor list` lists the actors; @all, @peers, @foreman and user are recipients too"},
    {CCCC_E_NO_ENABLED_RECIPIENTS, "`cccc actor list` shows who is enabled; `cccc actor update ID --enabled 1` enables one"},
    {CCCC_E_EVENT_NOT_FOUND, "`cccc tail` shows the events with their numbers"},
    {CCCC_E_MISSING_PROJECT_ROOT, "`cccc attach PATH --group GROUP` attaches a directory"},
    {CCCC_E_SCOPE_NOT_ATTACHED, "`cccc attach PATH --group GROUP` attaches it; `cccc group show` lists the scopes"},
    {CCCC_E_GROUP_OFFLINE, "`cccc doctor` says what is wrong with its files"},
    {CCCC_E_GROUP_READ_ONLY,
     "`cccc doctor` says what is wrong; `cccc ledger repair --group GROUP` shows what could be given up to mend it"},
    {CCCC_E_STORAGE, "`cccc doctor` checks the disk; repeat with the same --client-id"},
    {CCCC_E_NO_SPACE, "free some space, then repeat"},
    {CCCC_E_NOT_RUNNING, "`cccc daemon start`"},
    {CCCC_E_UNREACHABLE, "`cccc daemon restart`; `cccc daemon logs` may say why"},
    {CCCC_E_SHUTTING_DOWN, "try again in a moment, or `cccc daemon start`"},
    {CCCC_E_TIMEOUT, "a send is safe to repeat with the same --client-id; when nothing is answered at all: `cccc daemon restart`"},
    {CCCC_E_BLOB_NOT_FOUND, "messages name their blobs: `cccc tail --json`"},
    {CCCC_E_BUSY, "try again in a moment; `cccc status` shows the queues"},
    {CCCC_E_EMPTY_MESSAGE, "give the text in quotes, - for standard input, or --file FILE"},
    {CCCC_E_INVALID_PATH, "give a path that is there and can be read"},
    {CCCC_E_INVALID_EVENT_KIND, "`cccc tail --kind chat.message,system.notify` shows the events that can be meant"},
    {CCCC_E_EVENT_NOT_FOR_ACTOR, "`cccc inbox --actor-id ID` shows what is for an actor"},
    {CCCC_E_INVALID_BLOB_PATH, "`cccc blob put` prints the path of a blob, and `cccc tail --json` shows those of messages"},
    {CCCC_E_CLIENT_ID_CONFLICT, "leave --client-id out, or choose another; `cccc tail` shows what was sent with it"},
    {CCCC_E_PERMISSION_DENIED, "`cccc actor list` shows who is foreman; --by names another speaker where you may"},
    {CCCC_E_SENDER_UNKNOWN, "run it from a shell outside of every actor, or from inside a living one"},
    {CCCC_E_NOT_FOUND, "check the name, and whether it can be read"},
    {CCCC_E_DAMAGED, "`cccc doctor` says what is damaged, and what to do"},
    {CCCC_E_INTERNAL, "`cccc daemon logs` has more; `cccc doctor` checks the home"},
    {CCCC_E_ACTOR_START_FAILED,
     "`cccc actor show ID` has its last exit and screen; `cccc actor update ID --command ...` mends its command"},
    {CCCC_E_ACTOR_STOP_FAILED, "`cccc actor show ID` shows what runs"},
    {CCCC_E_ACTOR_RESTART_FAILED,
     "`cccc actor show ID` has its last exit and screen; `cccc actor update ID --command ...` mends its command"},
    {CCCC_E_NOT_PTY_ACTOR, "`cccc inbox --actor-id ID` shows what it was sent; `cccc tail --actor ID` what it said, too"},
    {CCCC_E_ACTOR_NOT_RUNNING, "`cccc actor start ID` starts it; `cccc actor show ID` has its last exit and screen"},
    {CCCC_E_MISSING_COMMAND, "give one with --command 'PROGRAM ARGUMENT ...'; `cccc runtime list` shows which runtimes have their own"},
    {CCCC_E_WOULD_DEADLOCK, "`cccc waits` shows who waits for whom: answer what you were asked first, or send without waiting"},
    {CCCC_E_STORM_HELD, "`cccc holds` shows the pairs; `cccc release ONE OTHER` lets them go on"},
    {CCCC_E_EXISTS, "choose another name; `cccc actor list` and `cccc automation list` show those that are taken"},
    {CCCC_E_RULE_NOT_FOUND, "`cccc automation list` shows the rules"},
    {CCCC_E_VERSION_CONFLICT, "`cccc automation list` shows the rules as they are now; repeat what is still to be changed"},
    {CCCC_E_TASK_NOT_FOUND, "`cccc task list` shows the tasks"},
    {CCCC_E_CONTEXT_SYNC, "`cccc context show` and `cccc task list` show what is there, with ids"},
    {CCCC_E_SESSION_NOT_FOUND, "`cccc actor list` shows who is headless; `cccc actor update ID --enabled 1` enables one"},
    {CCCC_E_SCOPE_ALREADY_ATTACHED, "`cccc use GROUP` makes that group the active one; choose another directory for a new one"},
    {CCCC_E_INVALID_PROJECT_ROOT, "`cccc group show` lists the scopes; make the directory, or `cccc attach PATH --group GROUP` another"},
    {CCCC_E_INVALID_TEMPLATE, "`cccc template export` shows what one looks like"},
    {CCCC_E_TEMPLATE_EXPORT_FAILED, "look at the files in prompts/ of the group's folder"},
    {CCCC_E_LINEAGE_CHANGED, "`cccc tail` shows the ledger as it is now"},
    {CCCC_E_BLOB_CONFLICT, "the file changed while it was read, or another upload of it is under way: repeat it"},
    {CCCC_E_LOCKED, "wait until the other process has ended; `cccc daemon status` shows who serves the home"},
    {CCCC_E_DEVELOPER_MODE_REQUIRED, "the user switches it on with the operation observability_update {patch: {developer_mode: true}}"},
    {CCCC_E_GROUP_DELETE_FAILED, "`cccc doctor` checks the home; `cccc daemon logs` has more"},
};

const char *cli_hint(cccc_err_t err)
{
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (hints[i].err == err)
            return hints[i].hint;
    return NULL;
}

/* A word that a shell takes as it is. */
static bool is_plain(const char *word)
{
    return word && *word && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

static const char *replaced(struct cli *cli, const char *hint, const char *word, const char *by)
{
    const char *at = strstr(hint, word), *behind = at ? at + strlen(word) : NULL;
    if (!at || (*behind != ' ' && *behind != '`'))
        return hint;
    return cli_printf(cli, "%.*s%s%s", (int)(at - hint), hint, by, replaced(cli, behind, word, by));
}

/* The hint for the actor and the group that were named, so that it can be typed as it stands. */
static const char *about_those_named(struct cli *cli, const char *hint)
{
    const struct cli_command *command = cli->line.command;
    const char *group = cli_option_if_taken(cli, "group");
    bool of_actor = command && command->noun && strcmp(command->noun, "actor") == 0 && is_plain(cli_arg(cli, 0));
    if (is_plain(group))
        hint = replaced(cli, hint, "GROUP", group);
    if (!of_actor)
        return hint;
    return replaced(cli, hint, "ID", is_plain(group) ? cli_printf(cli, "%s --group %s", cli_arg(cli, 0), group) : cli_arg(cli, 0));
}

/* What helps by the error alone, or by the command that was misunderstood. */
static const char *hint_for(struct cli *cli, cccc_err_t err)
{
    if (cli->scratch_hint)
        return cli->scratch_hint;
    const char *own = cli_hint(err);
    if (own)
        return about_those_named(cli, own);
    if (cli->line.command && cccc_err_exit_status(err) == cccc_err_exit_status(CCCC_E_USAGE))
        return cli_printf(cli, "`cccc %s --help` has examples", cli_command_path(cli->line.command));
    return "`cccc doctor` checks the home and the daemon";
}

const char *cli_did_you_mean(struct cli *cli, const char *word, const char *const *words, size_t count, const char *otherwise)
{
    const char *near = cli_nearest(word, words, count);
    return near ? cli_printf(cli, "did you mean %s?", near) : otherwise;
}

int cli_fail(struct cli *cli, cccc_err_t err, const char *hint, const char *fmt, ...)
{
    struct cccc_error error = {.exit_status = cccc_err_exit_status(err)};
    va_list args;
    va_start(args, fmt);
    vsnprintf(error.message, sizeof error.message, fmt, args);
    va_end(args);
    snprintf(error.code, sizeof error.code, "%s", cccc_err_code(err));
    report(cli, &error, hint && *hint ? hint : hint_for(cli, err));
    return error.exit_status;
}

int cli_fail_with(struct cli *cli, const struct cccc_error *error)
{
    cccc_err_t err = cccc_err_from_code(error->code, strlen(error->code)), cause = cccc_err_from_code(error->cause, strlen(error->cause));
    bool cause_helps =
        *error->cause && !(cause == CCCC_E_NOT_FOUND && cli_hint(err)); /* a program that is not there is no name to be checked */
    report(cli, error, hint_for(cli, cause_helps ? cause : err));
    return error->exit_status ? error->exit_status : 1;
}

int cli_finish(struct cli *cli, int status)
{
    (void)cli;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE)
        fprintf(stderr, "cccc: cannot write the output: %s\n", strerror(errno));
    return status ? status : 1;
}
