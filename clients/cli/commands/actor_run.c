/* actor_run.c - `cccc actor start|stop|restart|secrets|tail|clear`: the program of an actor in a terminal.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* The most a daemon takes of a private value, and gives of a terminal. */
enum { SECRET_BYTES_MAX = 200000, TAIL_CHARS = 200000, TAIL_LINES = 40 };

/* Arguments of an op about the actor of the command line. */
static int actor_args(struct cli *cli, cccc_args_t **args)
{
    const char *group;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    *args = cccc_args_new();
    cccc_args_str(*args, "group_id", group);
    cccc_args_str(*args, "actor_id", cli_arg(cli, 0));
    return 0;
}

static int ask_about_actor(struct cli *cli, const char *op, const cccc_value_t **result)
{
    cccc_args_t *args;
    int status = actor_args(cli, &args);
    return status ? status : cli_ask(cli, op, &args, result);
}

/* ---- start, stop, restart ---- */

/* The protocol has one word for all that can keep a program from running; that there is no such actor is said as everywhere. */
static int ask_to_run(struct cli *cli, const char *op, const cccc_value_t **result)
{
    const char *group;
    struct cccc_error error;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "actor_id", cli_arg(cli, 0));
    if (cli_try(cli, op, &args, result, &error))
        return 0;
    bool absent = strcmp(error.cause, cccc_err_code(CCCC_E_ACTOR_NOT_FOUND)) == 0;
    status = absent ? cli_fail_unless_actor(cli, group, cli_arg(cli, 0)) : 0;
    return status ? status : cli_fail_with(cli, &error);
}

/* A group that did not run runs from now on with that actor alone, which is worth a word where there are others. */
static void report_others(struct cli *cli, const cccc_value_t *others)
{
    cccc_str_t other;
    if (cli_count(others) == 0)
        return;
    cli_fact(cli, "group", "did not run, and runs now with this actor alone");
    for (uint32_t i = 0; i < cli_count(others); i++)
        if (cccc_as_str(cli_item(others, i), &other))
            cli_fact(cli, "left", "%.*s stays as it is", CCCC_STR_FMT(other));
    cli_say(cli, "next: cccc group start  # starts the others, too");
}

static int report_running(struct cli *cli, const cccc_value_t *result, const char *done, const char *why_not)
{
    const char *id = cli_arg(cli, 0);
    if (cli->json)
        return cli_result(cli, result);
    if (!cccc_get_bool(result, "running", false)) {
        cli_fact(cli, "actor", "%s %s", id, why_not);
        return 0;
    }
    cli_fact(cli, "actor", "%s %s, pid %" PRIu64, id, done, cccc_get_uint(result, "pid", 0));
    report_others(cli, cccc_get(result, "left_stopped"));
    cli_say(cli, "next: cccc actor attach %s  # see it and type; cccc actor tail %s shows its screen", id, id);
    return 0;
}

int cmd_actor_start(struct cli *cli)
{
    const cccc_value_t *result;
    int status = ask_to_run(cli, "actor_start", &result);
    return status ? status : report_running(cli, result, "runs", "is enabled; cccc runs no program for it");
}

int cmd_actor_restart(struct cli *cli)
{
    const cccc_value_t *result;
    int status = ask_to_run(cli, "actor_restart", &result);
    return status
               ? status
               : report_running(cli, result, "runs anew", "is stopped: its group does not run (`cccc group start`), or it has no terminal");
}

int cmd_actor_stop(struct cli *cli)
{
    const cccc_value_t *result;
    int status = ask_to_run(cli, "actor_stop", &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_fact(cli, "actor", "%s is stopped", cli_arg(cli, 0));
    cli_say(cli, "next: while its group runs, a message to %s by its id starts it again; cccc actor start %s does at any time",
            cli_arg(cli, 0), cli_arg(cli, 0));
    return 0;
}

/* ---- secrets ---- */

/* All of `fd` into `out`, at most SECRET_BYTES_MAX bytes and one more. errno, or 0. */
static int read_all(int fd, cccc_buf_t *out)
{
    enum { PIECE = 4096 };
    while (out->size <= SECRET_BYTES_MAX) {
        ssize_t n = read(fd, cccc_buf_reserve(out, PIECE), PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : 0;
        out->size += (size_t)n;
        if (isatty(fd) && memchr(out->data, '\n', out->size))
            return 0;
    }
    return 0;
}

/* The same from the person at the terminal, unseen. Interrupts wait until it shows again what is typed. */
static int read_unseen(struct cli *cli, const char *name, cccc_buf_t *out)
{
    struct termios before, unseen;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return errno;
    unseen = before;
    unseen.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    fprintf(stderr, "value of %s (not shown): ", name);
    int error = read_all(STDIN_FILENO, out);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    cli_say(cli, "%s", "");
    return error;
}

static int fail_value(struct cli *cli, const char *from, const cccc_buf_t *value, int error)
{
    cccc_str_t text = {value->data, value->size};
    if (error)
        return cli_fail(cli, CCCC_E_USAGE, "give the value in a file with --from-file FILE, or on standard input", "cannot read %s: %s",
                        from, strerror(error));
    if (text.len == 0)
        return cli_fail(cli, CCCC_E_USAGE, "--unset forgets a name", "%s is empty, nothing was changed", from);
    if (text.len > SECRET_BYTES_MAX)
        return cli_fail(cli, CCCC_E_TOO_LARGE, NULL, "%s has more than %d bytes", from, SECRET_BYTES_MAX);
    if (!cccc_utf8_valid(text) || memchr(text.ptr, '\0', text.len))
        return cli_fail(cli, CCCC_E_USAGE, "environment variables are text", "%s is no UTF-8 text", from);
    return 0;
}

/* The value of `name`, from the file of --from-file or standard input, without the newline at its end. It is never an argument: every process may read those. */
static int secret_value(struct cli *cli, const char *name, cccc_buf_t *value)
{
    const char *path = cli_option(cli, "from-file");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    int error = fd < 0 ? errno : fd == STDIN_FILENO && isatty(fd) ? read_unseen(cli, name, value) : read_all(fd, value);
    if (path && fd >= 0)
        close(fd);
    if (value->size > 0 && value->data[value->size - 1] == '\n')
        value->size--;
    return fail_value(cli, path ? path : "standard input", value, error);
}

static int print_keys(struct cli *cli, const cccc_value_t *result)
{
    const cccc_value_t *keys = cccc_get(result, "keys");
    cccc_str_t name;
    if (cli->json)
        return cli_result(cli, result);
    for (uint32_t i = 0; i < cli_count(keys); i++)
        if (cccc_as_str(cli_item(keys, i), &name))
            cli_fact(cli, "secret", "%.*s", CCCC_STR_FMT(name));
    if (cli_count(keys) == 0)
        cli_say(cli, "%s has no secrets", cli_arg(cli, 0));
    return 0;
}

static int change_secrets(struct cli *cli, const cccc_value_t *set)
{
    const char *const *names;
    const cccc_value_t *result;
    cccc_args_t *args;
    size_t count = cli_list(cli, "unset", &names);
    int status = actor_args(cli, &args);
    if (status)
        return status;
    cccc_args_bool(args, "clear", cli_flag(cli, "clear"));
    if (count > 0) {
        cccc_builder_t unset = cccc_array_builder(cli->arena, (uint32_t)count);
        for (size_t i = 0; i < count; i++)
            cccc_array_add(&unset, cccc_text(names[i]));
        cccc_args_value(args, "unset", &unset.value);
    }
    if (set)
        cccc_args_value(args, "set", set);
    status = cli_ask(cli, "actor_env_private_update", &args, &result);
    if (status == 0)
        status = print_keys(cli, result);
    if (status == 0)
        cli_say(cli, "in its environment from its next start on: cccc actor restart %s", cli_arg(cli, 0));
    return status;
}

static int set_secret(struct cli *cli, const char *name)
{
    cccc_buf_t value;
    cccc_buf_init(&value);
    int status = secret_value(cli, name, &value);
    if (status == 0) {
        cccc_builder_t set = cccc_map_builder(cli->arena, 1);
        cccc_map_add_key(&set, cccc_str(name), cccc_string((cccc_str_t){value.data, value.size}));
        status = change_secrets(cli, &set.value);
    }
    if (value.data)
        explicit_bzero(value.data, value.size);
    cccc_buf_fini(&value);
    return status;
}

int cmd_actor_secrets(struct cli *cli)
{
    const char *name = cli_option(cli, "set");
    const cccc_value_t *result;
    bool changes = name || cli_option(cli, "unset") || cli_flag(cli, "clear");
    if (name && strchr(name, '='))
        return cli_fail(cli, CCCC_E_USAGE, "give the name only; the value comes from standard input or --from-file FILE",
                        "a secret's value is no argument, where every process may read it; nothing was changed, and this one is known now");
    if (cli_option(cli, "from-file") && !name)
        return cli_fail(cli, CCCC_E_USAGE, "--set NAME --from-file FILE", "--from-file needs the name it is for");
    if (changes && cli_flag(cli, "keys"))
        return cli_fail(cli, CCCC_E_USAGE, "give one of them; a change lists the names too",
                        "--keys changes nothing and the other options do");
    if (changes)
        return name ? set_secret(cli, name) : change_secrets(cli, NULL);
    int status = ask_about_actor(cli, "actor_env_private_keys", &result);
    return status ? status : print_keys(cli, result);
}

/* ---- the terminal's text ---- */

/* The last `lines` lines of `text`. */
static cccc_str_t last_lines(cccc_str_t text, uint64_t lines)
{
    size_t at = text.len;
    while (at > 0 && (text.ptr[at - 1] != '\n' || at == text.len || lines-- > 1))
        at--;
    return (cccc_str_t){text.ptr + at, text.len - at};
}

int cmd_actor_tail(struct cli *cli)
{
    bool raw = cli_flag(cli, "raw");
    uint64_t lines = cli_number(cli, "lines", raw ? UINT64_MAX : TAIL_LINES);
    const cccc_value_t *result;
    cccc_str_t text = {0};
    cccc_args_t *args;
    if (raw && (cli->tty || cli->json))
        return cli_fail(cli, CCCC_E_USAGE, cli->json ? "leave one of them out" : "`cccc actor attach` shows it; or redirect the output",
                        cli->json ? "raw bytes are no JSON" : "raw output could control this terminal");
    int status = actor_args(cli, &args);
    if (status)
        return status;
    cccc_args_uint(args, "max_chars", TAIL_CHARS);
    cccc_args_bool(args, "strip_ansi", !raw);
    status = cli_ask(cli, "terminal_tail", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const cccc_value_t *value = cccc_get(result, "text");
    if (value && value->type == MSGPACK_OBJECT_BIN)
        text = (cccc_str_t){value->via.bin.ptr, value->via.bin.size};
    else if (value)
        cccc_as_str(value, &text);
    if (lines > 0)
        cli_print_text(cli, last_lines(text, lines), raw);
    return 0;
}

int cmd_actor_clear(struct cli *cli)
{
    const cccc_value_t *result;
    int status = ask_about_actor(cli, "terminal_clear", &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_fact(cli, "actor", "%s has forgotten what its terminal showed", cli_arg(cli, 0));
    return 0;
}
