/* task.c - `cccc task ...`: a group's tasks and their steps.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- changes ---- */

/* "write :: tests pass": its name, and when it counts as done. */
static cccc_value_t step_of(struct cli *cli, const char *text)
{
    const char *parted = strstr(text, "::");
    cccc_builder_t step = cccc_map_builder(cli->arena, 2);
    size_t len = parted ? (size_t)(parted - text) : strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        len--;
    cccc_map_add(&step, "name", cccc_string((cccc_str_t){text, len}));
    cccc_map_add(&step, "acceptance", cccc_text(parted ? parted + 2 + strspn(parted + 2, " ") : ""));
    return step.value;
}

int cmd_task_add(struct cli *cli)
{
    const char *const *steps;
    size_t count = cli_values(cli, "step", &steps);
    cccc_builder_t op = cli_context_op(cli, "task.create"), list = cccc_array_builder(cli->arena, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        cccc_array_add(&list, step_of(cli, steps[i]));
    cccc_map_add(&op, "name", cccc_text(cli_arg(cli, 0)));
    cccc_map_add(&op, "steps", list.value);
    cli_context_field(cli, &op, "goal", "goal");
    cli_context_field(cli, &op, "milestone_id", "milestone");
    cli_context_field(cli, &op, "assignee", "assignee");
    return cli_context_change(cli, &op);
}

int cmd_task_update(struct cli *cli)
{
    static const char *const fields[] = {"name", "goal", "status", "assignee"};
    cccc_builder_t op = cli_context_op(cli, cli_flag(cli, "restore") ? "task.restore" : "task.update");
    cccc_map_add(&op, "task_id", cccc_text(cli_arg(cli, 0)));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        cli_context_field(cli, &op, fields[i], fields[i]);
    cli_context_field(cli, &op, "milestone_id", "milestone");
    if (op.value.via.map.size == 2 && !cli_flag(cli, "restore"))
        return cli_fail(cli, CCCC_E_USAGE, "for example --status done; `cccc task update --help` lists them", "nothing was said to change");
    return cli_context_change(cli, &op);
}

int cmd_task_step(struct cli *cli)
{
    cccc_builder_t op = cli_context_op(cli, "task.update");
    cccc_map_add(&op, "task_id", cccc_text(cli_arg(cli, 0)));
    cccc_map_add(&op, "step_id", cccc_text(cli_arg(cli, 1)));
    cccc_map_add(&op, "step_status", cccc_text(cli_arg(cli, 2)));
    return cli_context_change(cli, &op);
}

/* ---- showing ---- */

static int ask_tasks(struct cli *cli, const char *id, const cccc_value_t **result)
{
    const char *group;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_str(args, "task_id", id);
    return cli_ask(cli, "task_list", &args, result);
}

static bool is_wanted(const struct cli *cli, const cccc_value_t *task, const char *field)
{
    const char *wanted = cli_option(cli, field);
    return !wanted || cccc_str_is(cccc_get_str(task, field), wanted);
}

static cccc_value_t chosen(struct cli *cli, const cccc_value_t *tasks)
{
    cccc_builder_t rows = cccc_array_builder(cli->arena, 8);
    for (uint32_t i = 0; i < cli_count(tasks); i++)
        if (is_wanted(cli, cli_item(tasks, i), "status") && is_wanted(cli, cli_item(tasks, i), "assignee"))
            cccc_array_add(&rows, *cli_item(tasks, i));
    return rows.value;
}

static void print_rows(struct cli *cli, const cccc_value_t *tasks)
{
    static const char *const headings[] = {"TASK", "STATUS", "STEPS", "ASSIGNEE", "MILESTONE", "NAME"};
    cli_table_t *table = cli_table_new(cli, headings, 6);
    for (uint32_t i = 0; i < cli_count(tasks); i++) {
        const cccc_value_t *task = cli_item(tasks, i), *steps = cccc_get(task, "steps");
        uint32_t done = 0;
        for (uint32_t s = 0; s < cli_count(steps); s++)
            done += cccc_str_is(cccc_get_str(cli_item(steps, s), "status"), "done");
        cli_cell_of(table, task, "id", STYLE_BOLD);
        cli_cell_of(table, task, "status", cccc_str_is(cccc_get_str(task, "status"), "active") ? STYLE_GREEN : STYLE_NONE);
        cli_cell_fmt(table, STYLE_NONE, "%" PRIu32 "/%" PRIu32, done, cli_count(steps));
        cli_cell_of(table, task, "assignee", cli_style_of(cccc_get_str(task, "assignee")));
        cli_cell_of(table, task, "milestone", STYLE_NONE);
        cli_cell_of(table, task, "name", STYLE_NONE);
    }
    cli_table_print(&table);
}

int cmd_task_list(struct cli *cli)
{
    const cccc_value_t *result;
    int status = ask_tasks(cli, NULL, &result);
    if (status)
        return status;
    cccc_value_t rows = chosen(cli, cccc_get(result, "tasks"));
    if (cli->json) {
        cccc_value_t shown = cccc_map_with(cli->arena, result, CCCC_STR("tasks"), rows);
        return cli_result(cli, &shown);
    }
    if (cli_count(&rows) > 0)
        print_rows(cli, &rows);
    else
        cli_say(cli, "no tasks; cccc task add \"...\" makes one");
    return 0;
}

int cmd_task_show(struct cli *cli)
{
    static const char *const fields[] = {"name", "status", "goal", "assignee", "milestone", "created_at", "updated_at"};
    const cccc_value_t *result;
    int status = ask_tasks(cli, cli_arg(cli, 0), &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const cccc_value_t *task = cccc_get(result, "task"), *steps = cccc_get(task, "steps");
    cli_fact(cli, "task", "%.*s", CCCC_STR_FMT(cccc_get_str(task, "id")));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (cccc_get_str(task, fields[i]).len > 0)
            cli_fact(cli, fields[i], "%.*s", CCCC_STR_FMT(cccc_get_str(task, fields[i])));
    for (uint32_t i = 0; i < cli_count(steps); i++) {
        const cccc_value_t *step = cli_item(steps, i);
        cccc_str_t acceptance = cccc_get_str(step, "acceptance");
        cli_fact(cli, "step", "%.*s  %.*s  %.*s%s%.*s", CCCC_STR_FMT(cccc_get_str(step, "id")), CCCC_STR_FMT(cccc_get_str(step, "status")),
                 CCCC_STR_FMT(cccc_get_str(step, "name")), acceptance.len > 0 ? " :: " : "", CCCC_STR_FMT(acceptance));
    }
    return 0;
}
