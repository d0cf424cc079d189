/* attach.c - `cccc attach`, `cccc use`, `cccc active`: directories and the active group.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int set_active(struct cli *cli, const char *group, const cccc_value_t **result)
{
    cccc_args_t *args = cli_args(cli, group);
    return cli_ask(cli, "active_set", &args, result);
}

int cli_make_active(struct cli *cli, const char *group, const char *done, bool *active)
{
    struct cccc_error error;
    const cccc_value_t *result;
    cccc_args_t *args = cli_args(cli, group);
    *active = cli_try(cli, "active_set", &args, &result, &error);
    if (*active || strcmp(error.code, cccc_err_code(CCCC_E_PERMISSION_DENIED)) == 0)
        return 0;
    return cli_fail(cli, cccc_err_from_code(error.code, strlen(error.code)), cli_printf(cli, "when that is mended: cccc use %s", group),
                    "%s, and that is recorded; but it is not the active group: %s", done, error.message);
}

int cmd_attach(struct cli *cli)
{
    const char *word = cli_arg(cli, 0), *named = cli_option(cli, "group"), *group = NULL;
    const char *path;
    const cccc_value_t *result;
    bool active;
    struct stat found;
    int status = cli_path(cli, word ? word : ".", &path);
    if (status)
        return status;
    int error = stat(path, &found) != 0 ? errno : S_ISDIR(found.st_mode) ? 0 : ENOTDIR;
    if (error)
        return cli_fail(cli, CCCC_E_INVALID_PATH, "give a directory that is there", "cannot attach %s: %s", path, strerror(error));
    status = named ? cli_group_named(cli, named, &group) : cli_connect(cli, CLI_START_IT);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "path", path);
    status = cli_ask(cli, "attach", &args, &result);
    if (status)
        return status;
    group = cccc_arena_str(cli->arena, cccc_get_str(result, "group_id")).ptr;
    status = cli_make_active(cli, group, cli_printf(cli, "%s is attached to group %s", path, group), &active);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_fact(cli, "group", "%s", group);
    cli_fact(cli, "title", "%.*s", CCCC_STR_FMT(cccc_get_str(result, "title")));
    cccc_str_t url = cccc_get_str(cccc_get(cccc_get(result, "event"), "data"), "url"); /* of a directory in a git work tree: its top */
    cli_fact(cli, "scope", "%.*s %.*s", CCCC_STR_FMT(cccc_get_str(result, "scope_key")), CCCC_STR_FMT(url));
    cli_say(cli, "attached; %s\nnext: cccc actor add NAME", active ? "the group is the active one now" : CLI_ACTIVE_STAYS);
    return 0;
}

int cmd_use(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    int status = cli_group_named(cli, cli_arg(cli, 0), &group);
    if (status == 0)
        status = set_active(cli, group, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_fact(cli, "active", "%s", group);
    return 0;
}

int cmd_active(struct cli *cli)
{
    const cccc_value_t *result;
    int status = cli_connect(cli, CLI_START_IT);
    if (status == 0)
        status = cli_ask(cli, "active_get", NULL, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cccc_str_t id = cccc_get_str(result, "active_group_id");
    cli_fact(cli, "active", "%.*s", CCCC_STR_FMT(id.len ? id : CCCC_STR("-")));
    if (id.len == 0)
        cli_say(cli, "no group is active\nnext: cccc use GROUP; cccc groups lists them");
    return 0;
}
