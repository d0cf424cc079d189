/* runtime.c - `cccc runtime list`: the agent programs cccc knows (proto/runtimes.def), and which of them are here.
 *
 * PATH is ours; a daemon started elsewhere may have another.
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <stdio.h>

static const struct runtime {
    const char *name, *title, *executable, *command;
    bool primary;
} runtimes[] = {
#define CCCC_RUNTIME(name, title, executable, command, primary, ready_ms, draws, shows, questions, dialogs)                                \
    {#name, title, executable, command, primary},
#include "proto/runtimes.def"
#undef CCCC_RUNTIME
};
static const size_t runtime_count = sizeof runtimes / sizeof *runtimes;

static const char *find(struct cli *cli, const struct runtime *runtime)
{
    return *runtime->executable ? cli_in_path(cli, runtime->executable) : NULL;
}

const char *cli_runtimes_found(struct cli *cli)
{
    enum { VERSION_MS_MAX = 2000 };
    const char *list = "", *path;
    for (const struct runtime *r = runtimes; r < runtimes + runtime_count; r++) {
        if (!(path = find(cli, r)))
            continue;
        const char *version = cli_first_line(cli, path, "--version", VERSION_MS_MAX);
        list = cli_printf(cli, "%s%s%s%s%s%s", list, *list ? ", " : "", r->name, *version ? " (" : "", version, *version ? ")" : "");
    }
    return list;
}

static cccc_value_t runtime_value(struct cli *cli, const struct runtime *runtime)
{
    const char *path = find(cli, runtime);
    cccc_builder_t map = cccc_map_builder(cli->arena, 6);
    cccc_map_add(&map, "name", cccc_text(runtime->name));
    cccc_map_add(&map, "display_name", cccc_text(runtime->title));
    cccc_map_add(&map, "executable", cccc_text(runtime->executable));
    cccc_map_add(&map, "available", cccc_bool(path != NULL));
    cccc_map_add(&map, "path", path ? cccc_text(path) : cccc_nil());
    cccc_map_add(&map, "command", cccc_text(runtime->command));
    return map.value;
}

static bool is_shown(const struct cli *cli, const struct runtime *runtime)
{
    return runtime->primary || cli_flag(cli, "all");
}

static int print_json(struct cli *cli)
{
    cccc_builder_t result = cccc_map_builder(cli->arena, 1), list = cccc_array_builder(cli->arena, (uint32_t)runtime_count);
    for (const struct runtime *r = runtimes; r < runtimes + runtime_count; r++)
        if (is_shown(cli, r))
            cccc_array_add(&list, runtime_value(cli, r));
    cccc_map_add(&result, "runtimes", list.value);
    return cli_result(cli, &result.value);
}

static const char *or_dash(const char *text)
{
    return *text ? text : "-";
}

int cmd_runtime_list(struct cli *cli)
{
    static const char *const headings[] = {"RUNTIME", "NAME", "EXECUTABLE", "FOUND", "COMMAND"};
    if (cli->json)
        return print_json(cli);
    cli_table_t *table = cli_table_new(cli, headings, 5);
    for (const struct runtime *r = runtimes; r < runtimes + runtime_count; r++) {
        if (!is_shown(cli, r))
            continue;
        const char *path = find(cli, r);
        cli_cell(table, cccc_str(r->name), path ? STYLE_BOLD : STYLE_NONE);
        cli_cell(table, cccc_str(r->title), STYLE_NONE);
        cli_cell(table, cccc_str(or_dash(r->executable)), STYLE_NONE);
        cli_cell(table, cccc_str(path ? path : "no"), path ? STYLE_GREEN : STYLE_DIM);
        cli_cell(table, cccc_str(or_dash(r->command)), STYLE_NONE);
    }
    cli_table_print(&table);
    return 0;
}
