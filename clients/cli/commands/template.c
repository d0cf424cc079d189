/* template.c - `cccc template ...`: carry a group's actors, settings, rules and words to another project.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- export ---- */

static int write_template(struct cli *cli, const char *path, cccc_str_t text)
{
    int rc = cccc_vfs_replace(&cccc_vfs_posix, path, text.ptr, text.len, false);
    if (rc < 0)
        return cli_fail(cli, CCCC_E_STORAGE, "name a file that can be written", "cannot write %s: %s", path, strerror(-rc));
    cli_fact(cli, "template", "%s", path);
    return 0;
}

int cmd_template_export(struct cli *cli)
{
    const char *group, *output = cli_option(cli, "output"), *path;
    const cccc_value_t *result;
    int status = cli_ask_group(cli, "group_template_export", &group, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cccc_str_t text = cccc_get_str(result, "template");
    if (!output || strcmp(output, "-") == 0) {
        cli_print_text(cli, text, !cli->tty);
        return 0;
    }
    status = cli_path(cli, output, &path);
    return status ? status : write_template(cli, path, text);
}

/* ---- preview ---- */

static void print_names(struct cli *cli, const char *what, const cccc_value_t *names)
{
    cccc_str_t name = {0};
    for (uint32_t i = 0; i < cli_count(names); i++)
        if (cccc_as_str(cli_item(names, i), &name))
            cli_fact(cli, what, "%.*s", CCCC_STR_FMT(name));
}

static void print_settings(struct cli *cli, const cccc_value_t *changed)
{
    for (uint32_t i = 0; cccc_is_map(changed) && i < changed->via.map.size; i++) {
        const msgpack_object_kv *kv = &changed->via.map.ptr[i];
        cccc_str_t name = {0};
        cccc_as_str(&kv->key, &name);
        cli_fact(cli, "setting", "%.*s: %s to %s", CCCC_STR_FMT(name), cli_value_text(cli, cccc_get(&kv->val, "from")),
                 cli_value_text(cli, cccc_get(&kv->val, "to")));
    }
}

static void print_prompts(struct cli *cli, const cccc_value_t *changed)
{
    static const char *const names[] = {"preamble", "help"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cccc_value_t *one = cccc_get(changed, names[i]);
        bool own = cccc_str_is(cccc_get_str(one, "new_source"), "home");
        if (cccc_get_bool(one, "changed", false))
            cli_fact(cli, "words", "%s: %s", names[i], own ? "the template's" : "the built-in ones");
    }
}

static void print_diff(struct cli *cli, const cccc_value_t *result)
{
    const cccc_value_t *diff = cccc_get(result, "diff"), *automation = cccc_get(cccc_get(result, "template"), "automation");
    print_names(cli, "add", cccc_get(diff, "actors_add"));
    print_names(cli, "change", cccc_get(diff, "actors_update"));
    print_names(cli, "remove", cccc_get(diff, "actors_remove"));
    print_settings(cli, cccc_get(diff, "settings_changed"));
    print_prompts(cli, cccc_get(diff, "prompts_changed"));
    cli_fact(cli, "rules", "%" PRIu64 " rules and %" PRIu64 " snippets take the place of those there are",
             cccc_get_uint(automation, "rules", 0), cccc_get_uint(automation, "snippets", 0));
}

/* The template that FILE names, put into `args`. */
static int add_template(struct cli *cli, cccc_args_t *args)
{
    cccc_str_t text = {0};
    int status = cli_read_file(cli, cli_arg(cli, 0), CCCC_CONFIG_BYTES_MAX, &text);
    if (status)
        return status;
    if (text.len == 0)
        return cli_fail(cli, CCCC_E_USAGE, "`cccc template export -o FILE` writes one", "the template is empty");
    cccc_args_str(args, "template", text.ptr);
    return 0;
}

/* Ask an op about the group and the template; `confirm`, or NULL, is the group again. */
static int ask_about(struct cli *cli, const char *op, const char *group, const char *confirm, const cccc_value_t **result)
{
    cccc_args_t *args = cli_args(cli, group);
    int status = add_template(cli, args);
    cccc_args_str(args, "confirm", confirm);
    if (status)
        cccc_args_free(&args);
    return status ? status : cli_ask(cli, op, &args, result);
}

int cmd_template_preview(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    int status = cli_group(cli, &group);
    if (status == 0)
        status = ask_about(cli, "group_template_preview", group, NULL, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    print_diff(cli, result);
    return 0;
}

/* ---- import ---- */

int cmd_template_import(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    if (!cli_flag(cli, "yes")) {
        int shown = cmd_template_preview(cli);
        if (shown == 0 && !cli->json)
            cli_say(cli, "nothing was changed; with --yes it is done, and a running group is stopped");
        return shown;
    }
    int status = cli_group(cli, &group);
    if (status == 0)
        status = ask_about(cli, "group_template_import_replace", group, group, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    print_names(cli, "removed", cccc_get(result, "removed"));
    print_names(cli, "added", cccc_get(result, "added"));
    print_names(cli, "updated", cccc_get(result, "updated"));
    cli_say(cli, "next: cccc group start %s", group);
    return 0;
}

/* ---- create ---- */

int cmd_template_create(struct cli *cli)
{
    const char *path, *where = cli_arg(cli, 1);
    const cccc_value_t *result;
    int status = cli_path(cli, where ? where : ".", &path);
    if (status == 0)
        status = cli_connect(cli, CLI_START_IT);
    if (status)
        return status;
    bool active;
    cccc_args_t *args = cli_args(cli, NULL);
    cccc_args_str(args, "path", path);
    cccc_args_str(args, "title", cli_option(cli, "title"));
    cccc_args_str(args, "topic", cli_option(cli, "topic"));
    status = add_template(cli, args);
    if (status)
        cccc_args_free(&args);
    if (status == 0)
        status = cli_ask(cli, "group_create_from_template", &args, &result);
    if (status)
        return status;
    const char *group = cccc_arena_str(cli->arena, cccc_get_str(result, "group_id")).ptr;
    status = cli_make_active(cli, group, cli_printf(cli, "made group %s", group), &active);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_fact(cli, "group", "%s", group);
    if (!active)
        cli_say(cli, CLI_ACTIVE_STAYS);
    cli_say(cli, "next: cccc group start%s%s", active ? "" : " ", active ? "" : group);
    return 0;
}
