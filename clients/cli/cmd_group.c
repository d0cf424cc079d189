/* cmd_group.c - `cccc group ...`: make, show, change and remove groups.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The group named by the first argument, else as everywhere. */
static int named_group(struct cli *cli, const char **group)
{
    const char *word = cli_arg(cli, 0), *option = cli_option(cli, "group");
    *group = "";
    if (word && option)
        return cli_fail(cli, CCCC_E_USAGE, "give one of them", "the group is named twice: %s and --group %s", word, option);
    return cli_group_named(cli, word ? word : option, group);
}

/* Ask, then say in one line what was done. */
static int change(struct cli *cli, const char *op, cccc_args_t **args, const char *group, const char *done)
{
    const cccc_value_t *result;
    int status = cli_ask(cli, op, args, &result);
    if (status)
        return status;
    if (cli->json)
        return cli_result(cli, result);
    cli_fact(cli, "group", "%s %s", group, done);
    return 0;
}

int cmd_group_create(struct cli *cli)
{
    const char *word = cli_arg(cli, 0), *option = cli_option(cli, "title");
    const cccc_value_t *result;
    if (word && option)
        return cli_fail(cli, CCCC_E_USAGE, "give one of them", "the title is given twice: \"%s\" and --title \"%s\"", word, option);
    int status = cli_connect(cli, CLI_START_IT);
    if (status)
        return status;
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "title", word ? word : option ? option : "working-group");
    cccc_args_str(args, "topic", cli_option(cli, "topic"));
    cccc_args_str(args, "by", cli_option(cli, "by"));
    status = cli_ask(cli, "group_create", &args, &result);
    if (status)
        return status;
    const char *group = cccc_arena_str(cli->arena, cccc_get_str(result, "group_id")).ptr;
    status = cli_make_active(cli, group, cli_printf(cli, "made group %s", group));
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_fact(cli, "group", "%s", group);
    cli_say(cli, "made \"%.*s\" and made it the active group\nnext: cccc actor add NAME", CCCC_STR_FMT(cccc_get_str(result, "title")));
    return 0;
}

/* ---- show ---- */

static void show_scopes(struct cli *cli, const cccc_value_t *group)
{
    static const char *const headings[] = {"SCOPE", "LABEL", "ACTIVE", "PATH"};
    const cccc_value_t *scopes = cccc_get(group, "scopes");
    cccc_str_t active = cccc_get_str(group, "active_scope_key");
    if (cli_count(scopes) == 0)
        return;
    cli_table_t *table = cli_table_new(cli, headings, 4);
    for (uint32_t i = 0; i < cli_count(scopes); i++) {
        const cccc_value_t *scope = cli_item(scopes, i);
        cli_cell_of(table, scope, "scope_key", STYLE_NONE);
        cli_cell_of(table, scope, "label", STYLE_NONE);
        cli_cell(table, cccc_str_eq(cccc_get_str(scope, "scope_key"), active) ? CCCC_STR("*") : CCCC_STR("-"), STYLE_NONE);
        cli_cell_of(table, scope, "url", STYLE_NONE);
    }
    cli_table_print(&table);
}

int cmd_group_show(struct cli *cli)
{
    const char *id;
    const cccc_value_t *result;
    int status = named_group(cli, &id);
    if (status)
        return status;
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", id);
    status = cli_ask(cli, "group_show", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const cccc_value_t *group = cccc_get(result, "group"), *actors = cccc_get(group, "actors");
    cli_fact(cli, "group", "%s", id);
    cli_fact(cli, "title", "%.*s", CCCC_STR_FMT(cccc_get_str(group, "title")));
    cli_fact(cli, "topic", "%.*s", CCCC_STR_FMT(cccc_get_str(group, "topic")));
    cli_fact(cli, "state", "%.*s%s", CCCC_STR_FMT(cccc_get_str(group, "state")), cccc_get_bool(group, "running", false) ? ", running" : "");
    cli_fact(cli, "actors", "%" PRIu32, cli_count(actors));
    show_scopes(cli, group);
    return 0;
}

/* ---- change ---- */

int cmd_group_update(struct cli *cli)
{
    const char *group, *title = cli_option(cli, "title"), *topic = cli_option(cli, "topic");
    if (!title && !topic)
        return cli_fail(cli, CCCC_E_USAGE, "--title TEXT or --topic TEXT", "nothing to change was given");
    int status = named_group(cli, &group);
    if (status)
        return status;
    cccc_builder_t patch = cccc_map_builder(cli->arena, 2);
    if (title)
        cccc_map_add(&patch, "title", cccc_text(title));
    if (topic)
        cccc_map_add(&patch, "topic", cccc_text(topic));
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_value(args, "patch", &patch.value);
    return change(cli, "group_update", &args, group, "updated");
}

int cmd_group_use(struct cli *cli)
{
    const char *group, *path = cli_arg(cli, 1);
    int status = cli_path(cli, path ? path : ".", &path);
    if (status == 0)
        status = cli_group_named(cli, cli_arg(cli, 0), &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "path", path);
    return change(cli, "group_use", &args, group, cli_printf(cli, "works in the scope of %s", path));
}

int cmd_group_detach_scope(struct cli *cli)
{
    const char *group;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "scope_key", cli_arg(cli, 0));
    return change(cli, "group_detach_scope", &args, group, cli_printf(cli, "lost scope %s", cli_arg(cli, 0)));
}

static int start_or_stop(struct cli *cli, const char *op, const char *group, const char *done)
{
    cccc_args_t *args = cli_args(cli, group);
    return change(cli, op, &args, group, done);
}

int cmd_group_set_state(struct cli *cli)
{
    const char *group, *state = cli_arg(cli, 0);
    int status = cli_group(cli, &group);
    if (status)
        return status;
    if (strcmp(state, "stopped") == 0)
        return start_or_stop(cli, "group_stop", group, "is stopped");
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "state", state);
    return change(cli, "group_set_state", &args, group, cli_printf(cli, "is %s", state));
}

int cmd_group_start(struct cli *cli)
{
    const char *group;
    int status = named_group(cli, &group);
    return status ? status : start_or_stop(cli, "group_start", group, "is started");
}

int cmd_group_stop(struct cli *cli)
{
    const char *group;
    int status = named_group(cli, &group);
    return status ? status : start_or_stop(cli, "group_stop", group, "is stopped");
}

/* ---- settings ---- */

/* true, false, whole numbers and words, as the settings' types are. */
static cccc_value_t setting_value(const char *text)
{
    char *end;
    long long number = strtoll(text, &end, 10);
    if (*text && *end == '\0')
        return cccc_int(number);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return cccc_bool(*text == 't');
    return cccc_text(text);
}

static void show_setting_map(struct cli *cli, const cccc_value_t *map)
{
    for (uint32_t i = 0; map && map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        char *json;
        cccc_str_t key = {0};
        cccc_as_str(&pair->key, &key);
        if (cccc_is_map(&pair->val) || cccc_is_array(&pair->val) || cccc_str_is(key, "version"))
            continue;
        json = cccc_to_json(&pair->val);
        cli_fact(cli, cccc_arena_str(cli->arena, key).ptr, "%s", json);
        free(json);
    }
}

/* Settings live in these members of the group's configuration; what is not set there has its default. */
static const char *const setting_maps[] = {"messaging", "delivery", "automation", "terminal_transcript"};

static int show_settings(struct cli *cli, const char *group)
{
    const cccc_value_t *result, *shown;
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", group);
    int status = cli_ask(cli, "group_show", &args, &result);
    if (status)
        return status;
    shown = cccc_get(result, "group");
    cccc_builder_t settings = cccc_map_builder(cli->arena, 4);
    for (size_t i = 0; i < sizeof setting_maps / sizeof *setting_maps; i++) {
        const cccc_value_t *map = cccc_get(shown, setting_maps[i]);
        if (map && cli->json)
            cccc_map_add(&settings, setting_maps[i], *map);
        else
            show_setting_map(cli, map);
    }
    if (!cli->json)
        cli_say(cli, "what is not listed has its default; change: cccc group settings NAME=VALUE");
    return cli->json ? cli_result(cli, &settings.value) : 0;
}

int cmd_group_settings(struct cli *cli)
{
    const char *group, *word;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    if (!cli_arg(cli, 0))
        return show_settings(cli, group);
    cccc_builder_t patch = cccc_map_builder(cli->arena, 8);
    for (size_t i = 0; (word = cli_arg(cli, i)); i++) {
        const char *equals = strchr(word, '=');
        if (!equals || equals == word)
            return cli_fail(cli, CCCC_E_USAGE, "for example default_send_to=broadcast", "\"%s\" is not NAME=VALUE", word);
        cccc_str_t name = cccc_arena_str(cli->arena, (cccc_str_t){word, (size_t)(equals - word)});
        if (cccc_get(&patch.value, name.ptr))
            return cli_fail(cli, CCCC_E_USAGE, "give it once", "the setting %s is given twice", name.ptr);
        cccc_map_add_key(&patch, name, setting_value(equals + 1));
    }
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_value(args, "patch", &patch.value);
    return change(cli, "group_settings_update", &args, group, "has new settings");
}

int cmd_group_delete(struct cli *cli)
{
    const char *group, *confirm = cli_option(cli, "confirm");
    int status = named_group(cli, &group);
    if (status)
        return status;
    if (!confirm || strcmp(confirm, group) != 0)
        return cli_fail(cli, CCCC_E_CONFIRMATION_REQUIRED, cli_printf(cli, "cccc group delete %s --confirm %s", group, group),
                        "deleting %s needs its whole id again, with --confirm; nothing was done", group);
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "confirm", confirm);
    return change(cli, "group_delete", &args, group, "was moved to the trash");
}
