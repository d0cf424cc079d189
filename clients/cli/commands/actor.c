/* actor.c - `cccc actor ...`: who takes part in a group.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- list ---- */

static void print_actors(struct cli *cli, const cccc_value_t *actors)
{
    static const char *const headings[] = {"ACTOR", "ROLE",     "STATE", "UNREAD", "OWES", "QUEUED",
                                           "IDLE",  "DELIVERY", "EXIT",  "ENDED",  "TITLE"};
    cli_table_t *table = cli_table_new(cli, headings, 11);
    for (uint32_t i = 0; i < cli_count(actors); i++) {
        const cccc_value_t *actor = cli_item(actors, i);
        cli_cell_of(table, actor, "id", cli_style_of(cccc_get_str(actor, "id")));
        cli_cell_of(table, actor, "role", STYLE_NONE);
        cli_actor_cells(cli, table, actor);
        cli_cell_of(table, actor, "title", STYLE_NONE);
    }
    cli_table_print(&table);
}

int cmd_actor_list(struct cli *cli)
{
    const char *group;
    const cccc_value_t *actors;
    int status = cli_group(cli, &group);
    if (status == 0)
        status = cli_actors(cli, group, &actors);
    if (status)
        return status;
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 1);
        cccc_map_add(&result, "actors", *actors);
        return cli_result(cli, &result.value);
    }
    if (cli_count(actors) > 0)
        print_actors(cli, actors);
    else
        cli_say(cli, "the group has no actors yet\nnext: cccc actor add NAME");
    return 0;
}

/* ---- show ---- */

static void show_value(struct cli *cli, const char *name, const cccc_value_t *value)
{
    cccc_str_t text;
    cccc_buf_t json;
    cccc_buf_init(&json);
    if (!cccc_as_str(value, &text)) {
        cccc_json_write(value, &json);
        text = (cccc_str_t){json.data, json.size};
    }
    cli_fact(cli, name, "%.*s", CCCC_STR_FMT(text));
    cccc_buf_fini(&json);
}

/* A line of the screen is a line here. */
static void show_screen(struct cli *cli, cccc_str_t screen)
{
    while (screen.len > 0) {
        const char *end = memchr(screen.ptr, '\n', screen.len);
        size_t len = end ? (size_t)(end - screen.ptr) : screen.len;
        cli_fact(cli, "last_screen", "%.*s", (int)len, screen.ptr);
        len += end != NULL;
        screen = (cccc_str_t){screen.ptr + len, screen.len - len};
    }
}

static void show_exit(struct cli *cli, const cccc_value_t *exit)
{
    cli_fact(cli, "last_exit", "%s, at %.*s", cli_actor_exit(cli, exit), CCCC_STR_FMT(cccc_get_str(exit, "ts")));
    show_screen(cli, cccc_get_str(exit, "screen"));
}

static void show_delivery(struct cli *cli, const cccc_value_t *delivery)
{
    const cccc_value_t *seqs = cccc_get(delivery, "seqs");
    cccc_str_t reason = cccc_get_str(delivery, "reason");
    const char *events = "";
    for (uint32_t i = 0; i < cli_count(seqs); i++) {
        uint64_t seq = 0;
        cccc_as_uint(cli_item(seqs, i), &seq);
        events = cli_printf(cli, "%s%s%" PRIu64, events, i > 0 ? "," : "", seq);
    }
    cli_fact(cli, "last_delivery", "%.*s: event %s at %.*s%s%.*s", CCCC_STR_FMT(cccc_get_str(delivery, "state")), events,
             CCCC_STR_FMT(cccc_get_str(delivery, "ts")), reason.len > 0 ? ": " : "", CCCC_STR_FMT(reason));
}

/* The members that are shown in words instead of as they are. */
static const struct {
    const char *key;
    void (*show)(struct cli *cli, const cccc_value_t *value);
} shown_in_words[] = {{"exit", show_exit}, {"delivery", show_delivery}};

static void show_member(struct cli *cli, cccc_str_t key, const cccc_value_t *value)
{
    for (size_t i = 0; i < sizeof shown_in_words / sizeof *shown_in_words; i++)
        if (cccc_str_is(key, shown_in_words[i].key) && cccc_is_map(value)) {
            shown_in_words[i].show(cli, value);
            return;
        }
    show_value(cli, cccc_arena_str(cli->arena, key).ptr, value);
}

static int show_actor(struct cli *cli, const cccc_value_t *actor)
{
    if (cli->json) {
        cccc_builder_t shown = cccc_map_builder(cli->arena, 1);
        cccc_map_add(&shown, "actor", *actor);
        return cli_result(cli, &shown.value);
    }
    for (uint32_t k = 0; k < actor->via.map.size; k++) {
        cccc_str_t key = {0};
        cccc_as_str(&actor->via.map.ptr[k].key, &key);
        show_member(cli, key, &actor->via.map.ptr[k].val);
    }
    return 0;
}

int cmd_actor_show(struct cli *cli)
{
    const char *group, *id = cli_arg(cli, 0);
    const cccc_value_t *actors;
    int status = cli_group(cli, &group);
    if (status == 0)
        status = cli_actors(cli, group, &actors);
    if (status)
        return status;
    const cccc_value_t *actor = cli_actor_row(actors, cccc_str(id));
    return actor ? show_actor(cli, actor) : cli_fail_unless_actor(cli, group, id);
}

/* ---- the fields of an actor, as options ---- */

static int command_value(struct cli *cli, cccc_value_t *out)
{
    const char *const *words;
    size_t count;
    if (!cli_split(cli, cli_option(cli, "command"), &words, &count))
        return cli_fail(cli, CCCC_E_USAGE, "close it, or put a backslash before it", "--command has a quote that is not closed");
    cccc_builder_t list = cccc_array_builder(cli->arena, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        cccc_array_add(&list, cccc_text(words[i]));
    *out = list.value;
    return 0;
}

static int env_value(struct cli *cli, const char *const *pairs, size_t count, cccc_value_t *out)
{
    cccc_builder_t map = cccc_map_builder(cli->arena, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(pairs[i], '=');
        if (!equals || equals == pairs[i])
            return cli_fail(cli, CCCC_E_USAGE, "for example --env LANG=C", "--env \"%s\" is not NAME=VALUE", pairs[i]);
        cccc_str_t name = cccc_arena_str(cli->arena, (cccc_str_t){pairs[i], (size_t)(equals - pairs[i])});
        if (cccc_get(&map.value, name.ptr))
            return cli_fail(cli, CCCC_E_USAGE, "give it once", "--env %s is given twice", name.ptr);
        cccc_map_add_key(&map, name, cccc_text(equals + 1));
    }
    *out = map.value;
    return 0;
}

/* The key of the attached scope that holds `path`: the longest one that is a parent of it. */
static int scope_value(struct cli *cli, const char *group, const char *path, cccc_value_t *out)
{
    const cccc_value_t *result;
    cccc_args_t *args = cccc_args_new();
    size_t best = 0;
    cccc_args_str(args, "group_id", group);
    int status = cli_ask(cli, "group_show", &args, &result);
    if (status == 0)
        status = cli_path(cli, path, &path);
    if (status)
        return status;
    const cccc_value_t *scopes = cccc_get(cccc_get(result, "group"), "scopes");
    for (uint32_t i = 0; i < cli_count(scopes); i++) {
        cccc_str_t url = cccc_get_str(cli_item(scopes, i), "url");
        bool inside = url.len > best && strncmp(path, url.ptr, url.len) == 0 && (path[url.len] == '\0' || path[url.len] == '/');
        if (!inside)
            continue;
        best = url.len;
        *out = cccc_string(cccc_get_str(cli_item(scopes, i), "scope_key"));
    }
    if (best > 0)
        return 0;
    return cli_fail(cli, CCCC_E_SCOPE_NOT_ATTACHED, cli_printf(cli, "cccc attach %s --group %s", path, group),
                    "%s is in no scope of group %s (%s)", path, group, cli_scopes_said(cli, scopes));
}

/* The options given, as a map of the actor's fields. */
static int actor_fields(struct cli *cli, const char *group, cccc_builder_t *fields)
{
    static const char *const plain[] = {"title", "runtime", "runner", "submit"};
    const char *const *pairs;
    size_t count = cli_values(cli, "env", &pairs);
    cccc_value_t value;
    int status = 0;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (cli_option(cli, plain[i]))
            cccc_map_add(fields, plain[i], cccc_text(cli_option(cli, plain[i])));
    if (cli_option(cli, "command")) {
        status = command_value(cli, &value);
        if (status)
            return status;
        cccc_map_add(fields, "command", value);
    }
    if (count > 0) {
        status = env_value(cli, pairs, count, &value);
        if (status)
            return status;
        cccc_map_add(fields, "env", value);
    }
    if (cli_option(cli, "processes-max"))
        cccc_map_add(fields, "processes_max", cccc_uint(cli_number(cli, "processes-max", 0)));
    if (cli_option(cli, "memory-max"))
        cccc_map_add(fields, "memory_mib_max", cccc_uint(cli_number(cli, "memory-max", 0)));
    if (cli_option(cli, "scope")) {
        status = scope_value(cli, group, cli_option(cli, "scope"), &value);
        if (status)
            return status;
        cccc_map_add(fields, "default_scope_key", value);
    }
    return 0;
}

static int report_change(struct cli *cli, const cccc_value_t *result, const char *id, const char *done)
{
    if (cli->json)
        return cli_result(cli, result);
    cccc_str_t name = cccc_get_str(cccc_get(result, "actor"), "id");
    if (name.len == 0)
        name = cccc_str(id);
    cli_fact(cli, "actor", "%.*s %s", CCCC_STR_FMT(name), done);
    return 0;
}

/* Change an actor that has to be there: the protocol has one word for all that can be wrong, an operator wants to know which. */
static int actor_change(struct cli *cli, const char *op, cccc_args_t **args, const char *group, const char *id, const char *done)
{
    const cccc_value_t *result;
    struct cccc_error error;
    if (!cli_try(cli, op, args, &result, &error)) {
        bool absent = strcmp(error.cause, cccc_err_code(CCCC_E_ACTOR_NOT_FOUND)) == 0;
        int status = absent ? cli_fail_unless_actor(cli, group, id) : 0;
        return status ? status : cli_fail_with(cli, &error);
    }
    return report_change(cli, result, id, done);
}

int cmd_actor_add(struct cli *cli)
{
    const char *group;
    cccc_builder_t fields = cccc_map_builder(cli->arena, 10);
    int status = cli_group(cli, &group);
    if (status == 0)
        status = actor_fields(cli, group, &fields);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "actor_id", cli_arg(cli, 0));
    for (uint32_t i = 0; i < fields.value.via.map.size; i++) {
        cccc_str_t key = {0};
        cccc_as_str(&fields.value.via.map.ptr[i].key, &key);
        cccc_args_value(args, key.ptr, &fields.value.via.map.ptr[i].val);
    }
    const cccc_value_t *result;
    status = cli_ask(cli, "actor_add", &args, &result);
    return status ? status : report_change(cli, result, cli_arg(cli, 0), "added");
}

int cmd_actor_update(struct cli *cli)
{
    const char *group, *enabled = cli_option(cli, "enabled");
    cccc_builder_t patch = cccc_map_builder(cli->arena, 10);
    int status = cli_group(cli, &group);
    if (status == 0)
        status = actor_fields(cli, group, &patch);
    if (status)
        return status;
    if (enabled)
        cccc_map_add(&patch, "enabled", cccc_bool(*enabled == '1'));
    if (patch.value.via.map.size == 0)
        return cli_fail(cli, CCCC_E_USAGE, "`cccc actor update --help` lists what can be changed", "nothing to change was given");
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "actor_id", cli_arg(cli, 0));
    cccc_args_value(args, "patch", &patch.value);
    return actor_change(cli, "actor_update", &args, group, cli_arg(cli, 0), "updated");
}

int cmd_actor_remove(struct cli *cli)
{
    const char *group;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "actor_id", cli_arg(cli, 0));
    return actor_change(cli, "actor_remove", &args, group, cli_arg(cli, 0), "removed");
}

int cmd_actor_prompt(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    int status = cli_group(cli, &group);
    if (status == 0)
        status = cli_fail_unless_actor(cli, group, cli_arg(cli, 0));
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "actor_id", cli_arg(cli, 0));
    status = cli_ask(cli, "actor_prompt", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    cli_print_text(cli, cccc_get_str(result, "prompt"), false);
    return 0;
}
