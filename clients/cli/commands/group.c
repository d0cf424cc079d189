/* group.c - `cccc group ...`: make, show, change and remove groups.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <errno.h>
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
    bool active;
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
    status = cli_make_active(cli, group, cli_printf(cli, "made group %s", group), &active);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_fact(cli, "group", "%s", group);
    cli_say(cli, "made \"%.*s\"%s\nnext: cccc actor add NAME", CCCC_STR_FMT(cccc_get_str(result, "title")),
            active ? " and made it the active group" : "; " CLI_ACTIVE_STAYS);
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
    cccc_args_t *args = cli_group_args(id);
    status = cli_ask(cli, "group_show", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const cccc_value_t *group = cccc_get(result, "group"), *actors = cccc_get(group, "actors");
    cli_fact(cli, "group", "%s", id);
    cli_fact(cli, "title", "%.*s", CCCC_STR_FMT(cccc_get_str(group, "title")));
    cli_fact(cli, "topic", "%.*s", CCCC_STR_FMT(cccc_get_str(group, "topic")));
    cli_fact(cli, "state", "%s", cli_group_state(cli, result, group));
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

/* The scope that `word` means: its key, its directory, or its label if no other has it. NULL: none does. */
static const char *find_scope(struct cli *cli, const cccc_value_t *scopes, const char *word)
{
    const char *path = strchr(word, '/') || *word == '.' || *word == '~' ? realpath(word, NULL) : NULL;
    const char *key = NULL;
    uint32_t labels = 0;
    for (uint32_t i = 0; i < cli_count(scopes); i++) {
        const cccc_value_t *scope = cli_item(scopes, i);
        const char *its = cccc_arena_str(cli->arena, cccc_get_str(scope, "scope_key")).ptr;
        cccc_str_t url = cccc_get_str(scope, "url");
        if (strcmp(its, word) == 0 || cccc_str_is(url, word) || (path && cccc_str_is(url, path))) {
            key = its;
            labels = 0;
            break;
        }
        if (cccc_str_is(cccc_get_str(scope, "label"), word) && labels++ == 0)
            key = its;
    }
    free((void *)path);
    return labels > 1 ? NULL : key;
}

int cmd_group_detach_scope(struct cli *cli)
{
    const char *group, *word = cli_arg(cli, 0);
    const cccc_value_t *result;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(group);
    status = cli_ask(cli, "group_show", &args, &result);
    if (status)
        return status;
    const cccc_value_t *scopes = cccc_get(cccc_get(result, "group"), "scopes");
    const char *key = find_scope(cli, scopes, word);
    if (!key)
        return cli_fail(cli, CCCC_E_NOT_FOUND, cli_printf(cli, "`cccc group show %s` lists the scopes with their keys", group),
                        "group %s has no scope \"%s\" (%s)", group, word, cli_scopes_said(cli, scopes));
    args = cli_args(cli, group);
    cccc_args_str(args, "scope_key", key);
    return change(cli, "group_detach_scope", &args, group, cli_printf(cli, "lost scope %s", key));
}

/* ---- start and stop ---- */

/* Who runs, or does no more, and who should and does not: a line each. The exit status. */
static int report_actors(struct cli *cli, const char *group, const cccc_value_t *result, bool started)
{
    const cccc_value_t *actors, *failed = cccc_get(result, "failed");
    int status = cli_actors(cli, group, &actors);
    if (status)
        return status;
    for (uint32_t i = 0; i < cli_count(actors); i++) {
        const cccc_value_t *actor = cli_item(actors, i);
        cccc_str_t id = cccc_get_str(actor, "id"), state = cccc_get_str(actor, "runtime_state");
        bool running = cccc_get_bool(actor, "running", false);
        if (!cli_actor_has_terminal(actor) || !cccc_get_bool(actor, "enabled", false))
            continue;
        if (started && running)
            cli_fact(cli, "running", "%.*s, pid %" PRIu64, CCCC_STR_FMT(id), cccc_get_uint(actor, "pid", 0));
        else if (!started && (cccc_str_is(state, "exited") || cccc_str_is(state, "failed") || cccc_str_is(state, "never started")))
            cli_fact(cli, "stopped", "%.*s", CCCC_STR_FMT(id));
        else if (!started)
            cli_fact(cli, "failed", "%.*s is still %.*s", CCCC_STR_FMT(id), CCCC_STR_FMT(state));
    }
    for (uint32_t i = 0; i < cli_count(failed); i++)
        cli_fact(cli, "failed", "%.*s: %.*s", CCCC_STR_FMT(cccc_get_str(cli_item(failed, i), "actor_id")),
                 CCCC_STR_FMT(cccc_get_str(cli_item(failed, i), "reason")));
    if (cli_count(failed) > 0)
        cli_say(cli, "next: cccc actor show %.*s", CCCC_STR_FMT(cccc_get_str(cli_item(failed, 0), "actor_id")));
    return 0;
}

static int start_or_stop(struct cli *cli, const char *op, const char *group, const char *done)
{
    const cccc_value_t *result;
    cccc_args_t *args = cli_args(cli, group);
    int status = cli_ask(cli, op, &args, &result);
    if (status)
        return status;
    bool partly = cli_count(cccc_get(result, "failed")) > 0;
    if (cli->json)
        cli_result(cli, result);
    else {
        cli_fact(cli, "group", "%s %s", group, done);
        status = report_actors(cli, group, result, strcmp(op, "group_start") == 0);
    }
    return status ? status : partly ? CLI_EXIT_PARTLY : 0;
}

/* A state says what is done with programs that run, and starts none: how many do, and what starts the others. */
static int report_who_runs(struct cli *cli, const char *group)
{
    const cccc_value_t *actors, *shown;
    uint32_t terminals = 0, running = 0;
    cccc_args_t *args = cli_group_args(group);
    int status = cli_ask(cli, "group_show", &args, &shown);
    if (status == 0)
        status = cli_actors(cli, group, &actors);
    if (status)
        return status;
    for (uint32_t i = 0; i < cli_count(actors); i++) {
        terminals += cli_actor_has_terminal(cli_item(actors, i));
        running += cccc_get_bool(cli_item(actors, i), "running", false);
    }
    if (terminals == 0)
        return 0;
    bool stopped = !cccc_get_bool(cccc_get(shown, "group"), "running", false);
    cli_fact(cli, "actors", "%" PRIu32 " of %" PRIu32 " in terminals run%s", running, terminals,
             stopped ? "; the group is stopped, and this starts none" : "");
    if (stopped)
        cli_say(cli, "next: cccc group start %s", group);
    else if (running == 0)
        cli_say(cli, "next: cccc actor start ACTOR --group %s  # cccc actor list says why each does not run", group);
    return 0;
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
    status = change(cli, "group_set_state", &args, group, cli_printf(cli, "is %s", state));
    return status || cli->json ? status : report_who_runs(cli, group);
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

/* true, false, whole numbers and words, as the settings' types are. A number that is too large for any stays a word. */
static cccc_value_t setting_value(const char *text)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*text && *end == '\0' && errno == 0)
        return cccc_int(number);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return cccc_bool(*text == 't');
    return cccc_text(text);
}

static bool is_listed(const cccc_value_t *names, cccc_str_t name)
{
    cccc_str_t item;
    for (uint32_t i = 0; i < cli_count(names); i++)
        if (cccc_as_str(cli_item(names, i), &item) && cccc_str_eq(item, name))
            return true;
    return false;
}

/* Every setting as it is in effect: the answer of group_show. */
static int ask_settings(struct cli *cli, const char *group, const cccc_value_t **shown)
{
    cccc_args_t *args = cli_group_args(group);
    int status = cli_ask(cli, "group_show", &args, shown);
    if (status == 0 && !cccc_is_map(cccc_get(*shown, "settings")))
        return cli_fail(cli, CCCC_E_INTERNAL, "`cccc daemon restart` starts this version",
                        "the daemon is older and does not show settings");
    return status;
}

static int show_settings(struct cli *cli, const char *group)
{
    static const char *const headings[] = {"SETTING", "VALUE", "FROM"};
    const cccc_value_t *shown;
    int status = ask_settings(cli, group, &shown);
    if (status)
        return status;
    const cccc_value_t *settings = cccc_get(shown, "settings"), *set = cccc_get(shown, "settings_set");
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 3);
        cccc_map_add(&result, "group_id", cccc_text(group));
        cccc_map_add(&result, "settings", *settings);
        cccc_map_add(&result, "settings_set", set ? *set : cccc_nil());
        return cli_result(cli, &result.value);
    }
    cli_table_t *table = cli_table_new(cli, headings, 3);
    for (uint32_t i = 0; i < settings->via.map.size; i++) {
        cccc_str_t name = {0};
        cccc_as_str(&settings->via.map.ptr[i].key, &name);
        bool is_set = is_listed(set, name);
        cli_cell(table, name, STYLE_NONE);
        cli_cell(table, cccc_str(cli_value_text(cli, &settings->via.map.ptr[i].val)), is_set ? STYLE_BOLD : STYLE_NONE);
        cli_cell(table, is_set ? CCCC_STR("set") : CCCC_STR("default"), is_set ? STYLE_GREEN : STYLE_DIM);
    }
    cli_table_print(&table);
    return 0;
}

/* ---- settings: change ---- */

/* NAME=VALUE ... as a map. */
static int settings_patch(struct cli *cli, cccc_value_t *out)
{
    cccc_builder_t patch = cccc_map_builder(cli->arena, 8);
    const char *word;
    for (size_t i = 0; (word = cli_arg(cli, i)); i++) {
        const char *equals = strchr(word, '=');
        if (!equals || equals == word)
            return cli_fail(cli, CCCC_E_USAGE, "for example default_send_to=broadcast; `cccc group settings` lists them",
                            "\"%s\" is not NAME=VALUE", word);
        cccc_str_t name = cccc_arena_str(cli->arena, (cccc_str_t){word, (size_t)(equals - word)});
        if (cccc_get(&patch.value, name.ptr))
            return cli_fail(cli, CCCC_E_USAGE, "give it once", "the setting %s is given twice", name.ptr);
        cccc_map_add_key(&patch, name, setting_value(equals + 1));
    }
    *out = patch.value;
    return 0;
}

/* The names of the settings there are. */
static const char *const *setting_names(struct cli *cli, const cccc_value_t *settings)
{
    const char **names = cccc_arena_alloc(cli->arena, (settings->via.map.size + 1) * sizeof *names);
    for (uint32_t i = 0; i < settings->via.map.size; i++) {
        cccc_str_t name = {0};
        cccc_as_str(&settings->via.map.ptr[i].key, &name);
        names[i] = cccc_arena_str(cli->arena, name).ptr;
    }
    return names;
}

/* A patch that was refused: a name that is no setting, or text for a number, is a mistake of the command line whatever the protocol's word for it. */
static int explain_settings(struct cli *cli, const char *group, const cccc_value_t *patch, const struct cccc_error *error)
{
    const cccc_value_t *shown;
    const char *invalid = cccc_err_code(CCCC_E_INVALID_PATCH);
    bool misused = strcmp(error->code, invalid) == 0 || strcmp(error->cause, invalid) == 0;
    int status = misused ? ask_settings(cli, group, &shown) : 0;
    if (status || !misused)
        return status ? status : cli_fail_with(cli, error);
    const cccc_value_t *settings = cccc_get(shown, "settings");
    const char *const *names = setting_names(cli, settings);
    for (uint32_t i = 0; i < patch->via.map.size; i++) {
        cccc_str_t given = {0};
        cccc_as_str(&patch->via.map.ptr[i].key, &given);
        const cccc_value_t *now = cccc_get(settings, given.ptr);
        if (!now)
            return cli_fail(cli, CCCC_E_INVALID_PATCH,
                            cli_did_you_mean(cli, given.ptr, names, settings->via.map.size, "`cccc group settings` lists them"),
                            "there is no setting %s; nothing was changed", given.ptr);
        if (cccc_as_int(now, &(int64_t){0}) && !cccc_as_int(&patch->via.map.ptr[i].val, &(int64_t){0}))
            return cli_fail(cli, CCCC_E_INVALID_PATCH,
                            cli_printf(cli, "it is %s now; `cccc group settings` lists all", cli_value_text(cli, now)), "%s",
                            error->message);
    }
    return cli_fail_with(cli, error);
}

/* What the settings of the patch are now. */
static int report_settings(struct cli *cli, const cccc_value_t *patch, const cccc_value_t *result)
{
    if (cli->json)
        return cli_result(cli, result);
    for (uint32_t i = 0; i < patch->via.map.size; i++) {
        cccc_str_t name = {0};
        cccc_as_str(&patch->via.map.ptr[i].key, &name);
        const cccc_value_t *now = cccc_get(cccc_get(result, "settings"), name.ptr);
        if (now)
            cli_fact(cli, name.ptr, "%s", cli_value_text(cli, now));
    }
    return 0;
}

int cmd_group_settings(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    struct cccc_error error;
    cccc_value_t patch = cccc_map_builder(cli->arena, 0).value;
    int status = cli_arg(cli, 0) ? settings_patch(cli, &patch) : 0;
    if (status == 0)
        status = cli_group(cli, &group);
    if (status)
        return status;
    if (!cli_arg(cli, 0))
        return show_settings(cli, group);
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_value(args, "patch", &patch);
    if (!cli_try(cli, "group_settings_update", &args, &result, &error))
        return explain_settings(cli, group, &patch, &error);
    return report_settings(cli, &patch, result);
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
