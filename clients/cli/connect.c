/* connect.c - reaching the daemon: find the home, start a daemon where that is allowed, ask.
 *
 * A command that needs a daemon starts one, unless `cccc daemon stop` was the last word about this home (the file daemon/stopped).
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A day: nobody waits longer for an answer. */
#define TIMEOUT_S_MAX 86400

bool cli_home(struct cli *cli, int *status)
{
    struct cccc_errmsg m;
    if (cli->home_known)
        return true;
    cccc_err_t err = cccc_home_find(cli_option(cli, "home"), &cli->home, &m);
    if (err == CCCC_OK) {
        cli->home_known = true;
        return true;
    }
    *status = cli_fail(cli, err, "set CCCC_HOME, or give --home DIR", "%s", m.text);
    return false;
}

bool cli_daemon(struct cli *cli, int32_t *pid, cccc_str_t *version)
{
    struct cccc_errmsg m;
    cccc_value_t map = cccc_json_file(&cccc_vfs_posix, cli_printf(cli, "%s/daemon/ccccd.addr.json", cli->home.root), cli->arena, &m);
    bool ours = cccc_descriptor_is_of(&map, cli->home.root);
    *pid = ours ? (int32_t)cccc_get_uint(&map, "pid", 0) : 0;
    *version = cccc_get_str(cccc_get(&map, "implementation"), "version");
    return ours && cccc_is_daemon(*pid, cccc_get_uint(&map, "pid_started", 0));
}

/* Asked for again and again by who waits: nothing of it stays in the arena. */
struct stopped_path {
    char text[sizeof((struct cccc_home *)0)->root + 32];
};

static struct stopped_path stopped_path(const struct cli *cli)
{
    struct stopped_path path;
    snprintf(path.text, sizeof path.text, "%s/daemon/stopped", cli->home.root);
    return path;
}

bool cli_is_stopped(struct cli *cli)
{
    return access(stopped_path(cli).text, F_OK) == 0;
}

bool cli_mark_stopped(struct cli *cli, bool stopped)
{
    if (!stopped)
        return unlink(stopped_path(cli).text) == 0 || errno == ENOENT;
    int fd = open(stopped_path(cli).text, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 && close(fd) == 0;
}

static bool is_running(struct cli *cli)
{
    int32_t pid;
    cccc_str_t version;
    return cli_daemon(cli, &pid, &version);
}

int cli_timeout_ms(const struct cli *cli, int otherwise_s)
{
    uint64_t seconds = cli_number(cli, "timeout", (uint64_t)otherwise_s);
    return seconds == 0 ? 1 : seconds < TIMEOUT_S_MAX ? (int)seconds * 1000 : TIMEOUT_S_MAX * 1000;
}

static bool open_client(struct cli *cli, struct cccc_error *error)
{
    struct cccc_options options = {.home = cli->home.root, .timeout_ms = cli_timeout_ms(cli, cli->patience_s > 0 ? cli->patience_s : 30)};
    return cccc_open(&cli->client, &options, error) == 0;
}

bool cli_try_connect(struct cli *cli, struct cccc_error *error)
{
    if (cli->client)
        return true;
    if (is_running(cli))
        return open_client(cli, error);
    *error = (struct cccc_error){.exit_status = cccc_err_exit_status(CCCC_E_NOT_RUNNING)};
    snprintf(error->code, sizeof error->code, "%s", cccc_err_code(CCCC_E_NOT_RUNNING));
    snprintf(error->message, sizeof error->message, "no daemon serves %.900s", cli->home.root);
    return false;
}

int cli_connect(struct cli *cli, enum cli_reach reach)
{
    struct cccc_error error;
    bool started;
    int status = 0;
    if (cli->client)
        return 0;
    if (!cli_home(cli, &status))
        return status;
    if (cli_try_connect(cli, &error))
        return 0;
    bool absent = strcmp(error.code, cccc_err_code(CCCC_E_NOT_RUNNING)) == 0;
    if (!absent || reach == CLI_ONLY_RUNNING)
        return cli_fail_with(cli, &error);
    if (cli_is_stopped(cli))
        return cli_fail(cli, CCCC_E_NOT_RUNNING, "`cccc daemon start` starts it again",
                        "the daemon of %s was stopped with `cccc daemon stop`", cli->home.root);
    status = cli_daemon_start(cli, &started);
    if (status)
        return status;
    return open_client(cli, &error) ? 0 : cli_fail_with(cli, &error);
}

cccc_args_t *cli_group_args(const char *group)
{
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", group);
    return args;
}

cccc_args_t *cli_args(struct cli *cli, const char *group)
{
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "by", cli_option(cli, "by"));
    return args;
}

bool cli_try(struct cli *cli, const char *op, cccc_args_t **args, const cccc_value_t **result, struct cccc_error *error)
{
    cccc_reply_t *reply = NULL;
    if (cccc_request(cli->client, op, args, &reply, error) != 0)
        return false;
    cccc_value_t *copy = cccc_arena_alloc(cli->arena, sizeof *copy);
    *copy = cccc_value_copy(cli->arena, cccc_reply_result(reply));
    cccc_reply_free(&reply);
    *result = copy;
    return true;
}

int cli_ask_once(struct cli *cli, const char *op, cccc_args_t **args, cccc_reply_t **reply)
{
    struct cccc_error error;
    return cccc_request(cli->client, op, args, reply, &error) == 0 ? 0 : cli_fail_with(cli, &error);
}

int cli_ask(struct cli *cli, const char *op, cccc_args_t **args, const cccc_value_t **result)
{
    struct cccc_error error;
    return cli_try(cli, op, args, result, &error) ? 0 : cli_fail_with(cli, &error);
}
