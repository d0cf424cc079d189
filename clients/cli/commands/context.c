/* context.c - `cccc context ...`: what a group works on, besides its messages: vision, sketch, milestones, notes, references, presence.
 *
 * Each verb that changes something is one op of context_sync.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one change ---- */

cccc_builder_t cli_context_op(struct cli *cli, const char *name)
{
    cccc_builder_t op = cccc_map_builder(cli->arena, 8);
    cccc_map_add(&op, "op", cccc_text(name));
    return op;
}

void cli_context_field(struct cli *cli, cccc_builder_t *op, const char *field, const char *option)
{
    const char *given = cli_option(cli, option);
    if (given)
        cccc_map_add(op, field, cccc_text(given));
}

static void print_changes(struct cli *cli, const cccc_value_t *result)
{
    const cccc_value_t *changes = cccc_get(result, "changes");
    for (uint32_t i = 0; i < cli_count(changes); i++)
        cli_fact(cli, cccc_get_bool(result, "dry_run", false) ? "would be" : "done", "%.*s",
                 CCCC_STR_FMT(cccc_get_str(cli_item(changes, i), "detail")));
    if (cli_count(changes) == 0)
        cli_say(cli, "nothing was asked for; nothing was changed");
}

static int sync_all(struct cli *cli, const cccc_value_t *ops, bool dry_run)
{
    const char *group;
    const cccc_value_t *result;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_value(args, "ops", ops);
    cccc_args_bool(args, "dry_run", dry_run);
    status = cli_ask(cli, "context_sync", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    print_changes(cli, result);
    return 0;
}

int cli_context_change(struct cli *cli, const cccc_builder_t *op)
{
    cccc_builder_t ops = cccc_array_builder(cli->arena, 1);
    cccc_array_add(&ops, op->value);
    return sync_all(cli, &ops.value, false);
}

/* The text of the command line, or standard input for "-". An empty one there is a command before that failed, or a wrong file: what was written stays,
 * and `remove` says how it goes on purpose. */
static int text_given(struct cli *cli, const char *remove, const char **out)
{
    cccc_str_t all = {0};
    *out = cli_arg(cli, 0);
    if (strcmp(*out, "-") != 0)
        return 0;
    int status = cli_read_stdin(cli, CCCC_TEXT_BYTES_MAX, &all);
    if (status)
        return status;
    *out = all.ptr;
    if (strspn(all.ptr, " \t\r\n") == all.len)
        return cli_fail(cli, CCCC_E_USAGE, remove, "standard input is empty; nothing was changed");
    return 0;
}

static int change_text(struct cli *cli, const char *name, const char *field)
{
    const char *text;
    int status = text_given(cli, cli_printf(cli, "to clear it: cccc context %s \"\"", field), &text);
    if (status)
        return status;
    cccc_builder_t op = cli_context_op(cli, name);
    cccc_map_add(&op, field, cccc_text(text));
    return cli_context_change(cli, &op);
}

int cmd_context_vision(struct cli *cli)
{
    return change_text(cli, "vision.update", "vision");
}

int cmd_context_sketch(struct cli *cli)
{
    return change_text(cli, "sketch.update", "sketch");
}

int cmd_context_note(struct cli *cli)
{
    const char *text;
    int status = text_given(cli, "to remove a note: cccc context forget N001", &text);
    if (status)
        return status;
    cccc_builder_t op = cli_context_op(cli, cli_option(cli, "id") ? "note.update" : "note.add");
    cli_context_field(cli, &op, "note_id", "id");
    cccc_map_add(&op, "content", cccc_text(text));
    return cli_context_change(cli, &op);
}

int cmd_context_reference(struct cli *cli)
{
    cccc_builder_t op = cli_context_op(cli, cli_option(cli, "id") ? "reference.update" : "reference.add");
    cli_context_field(cli, &op, "reference_id", "id");
    cccc_map_add(&op, "url", cccc_text(cli_arg(cli, 0)));
    cli_context_field(cli, &op, "note", "note");
    return cli_context_change(cli, &op);
}

int cmd_context_forget(struct cli *cli)
{
    const char *id = cli_arg(cli, 0);
    bool reference = id[0] == 'R';
    if (!reference && id[0] != 'N')
        return cli_fail(cli, CCCC_E_USAGE, "`cccc context show` shows their ids", "\"%s\" is no note (N001) and no reference (R001)", id);
    cccc_builder_t op = cli_context_op(cli, reference ? "reference.remove" : "note.remove");
    cccc_map_add(&op, reference ? "reference_id" : "note_id", cccc_text(id));
    return cli_context_change(cli, &op);
}

/* Which op of milestone.* the options ask for. */
static const char *milestone_op(const struct cli *cli)
{
    if (!cli_option(cli, "id"))
        return "milestone.create";
    if (cli_flag(cli, "restore"))
        return "milestone.restore";
    return cli_option(cli, "outcomes") ? "milestone.complete" : "milestone.update";
}

int cmd_context_milestone(struct cli *cli)
{
    const char *name = cli_arg(cli, 0), *id = cli_option(cli, "id");
    if (!name && !id)
        return cli_fail(cli, CCCC_E_USAGE, "cccc context milestone \"First release\"", "a new milestone needs a name");
    if (!id && (cli_option(cli, "outcomes") || cli_flag(cli, "restore")))
        return cli_fail(cli, CCCC_E_USAGE, "name one with --id; `cccc context show` shows their ids",
                        "only a milestone that is there can be completed or restored");
    cccc_builder_t op = cli_context_op(cli, milestone_op(cli));
    cli_context_field(cli, &op, "milestone_id", "id");
    if (name)
        cccc_map_add(&op, "name", cccc_text(name));
    cli_context_field(cli, &op, "description", "description");
    cli_context_field(cli, &op, "status", "status");
    cli_context_field(cli, &op, "outcomes", "outcomes");
    return cli_context_change(cli, &op);
}

int cmd_context_presence(struct cli *cli)
{
    const char *actor, *status_text = cli_arg(cli, 0);
    int status = cli_actor(cli, cli_option(cli, "actor-id"), &actor);
    if (status)
        return status;
    cccc_builder_t op = cli_context_op(cli, status_text ? "presence.update" : "presence.clear");
    cccc_map_add(&op, "agent_id", cccc_text(actor));
    if (status_text)
        cccc_map_add(&op, "status", cccc_text(status_text));
    return cli_context_change(cli, &op);
}

/* ---- sync ---- */

int cli_read_file(struct cli *cli, const char *path, size_t max, cccc_str_t *out)
{
    char *bytes;
    size_t len;
    if (strcmp(path, "-") == 0)
        return cli_read_stdin(cli, max, out);
    int rc = cccc_vfs_slurp(&cccc_vfs_posix, path, max, &bytes, &len);
    if (rc == -EFBIG)
        return cli_fail(cli, CCCC_E_TOO_LARGE, NULL, "%s has more than %zu bytes", path, max);
    if (rc < 0)
        return cli_fail(cli, CCCC_E_USAGE, "name a file that can be read, or - for standard input", "cannot read %s: %s", path,
                        strerror(-rc));
    *out = cccc_arena_str(cli->arena, (cccc_str_t){bytes, len});
    free(bytes);
    return 0;
}

int cmd_context_sync(struct cli *cli)
{
    const char *path = cli_arg(cli, 0);
    cccc_str_t text = {0};
    cccc_value_t ops;
    struct cccc_errmsg m;
    int status = cli_read_file(cli, path ? path : "-", CCCC_REQUEST_BYTES_MAX, &text);
    if (status)
        return status;
    if (cccc_json_read(text.ptr, text.len, cli->arena, &ops, &m) != CCCC_OK)
        return cli_fail(cli, CCCC_E_USAGE, "a list such as [{\"op\":\"note.add\",\"content\":\"...\"}]", "not JSON: %s", m.text);
    return sync_all(cli, &ops, cli_flag(cli, "dry-run"));
}

/* ---- show ---- */

static void fact_of(struct cli *cli, const char *name, const cccc_value_t *map, const char *key)
{
    cccc_str_t text = cccc_get_str(map, key);
    if (text.len > 0)
        cli_fact(cli, name, "%.*s", CCCC_STR_FMT(text));
}

/* Rows as "what  id  text (more)". */
static void print_list(struct cli *cli, const char *what, const cccc_value_t *rows, const char *text, const char *more)
{
    for (uint32_t i = 0; i < cli_count(rows); i++) {
        const cccc_value_t *row = cli_item(rows, i);
        cccc_str_t behind = cccc_get_str(row, more);
        cli_fact(cli, what, "%.*s  %.*s%s%.*s%s", CCCC_STR_FMT(cccc_get_str(row, "id")), CCCC_STR_FMT(cccc_get_str(row, text)),
                 behind.len > 0 ? " (" : "", CCCC_STR_FMT(behind), behind.len > 0 ? ")" : "");
    }
}

static void print_tasks(struct cli *cli, const cccc_value_t *summary, const cccc_value_t *active)
{
    cli_fact(cli, "tasks", "%" PRIu64 ": %" PRIu64 " active, %" PRIu64 " planned, %" PRIu64 " done", cccc_get_uint(summary, "total", 0),
             cccc_get_uint(summary, "active", 0), cccc_get_uint(summary, "planned", 0), cccc_get_uint(summary, "done", 0));
    if (cccc_is_map(active))
        cli_fact(cli, "active", "%.*s  %.*s", CCCC_STR_FMT(cccc_get_str(active, "id")), CCCC_STR_FMT(cccc_get_str(active, "name")));
}

int cmd_context_show(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    int status = cli_ask_group(cli, "context_get", &group, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    fact_of(cli, "vision", result, "vision");
    fact_of(cli, "sketch", result, "sketch");
    print_list(cli, "milestone", cccc_get(result, "milestones"), "name", "status");
    print_tasks(cli, cccc_get(result, "tasks_summary"), cccc_get(result, "active_task"));
    print_list(cli, "note", cccc_get(result, "notes"), "content", "");
    print_list(cli, "reference", cccc_get(result, "references"), "url", "note");
    print_list(cli, "presence", cccc_get(cccc_get(result, "presence"), "agents"), "status", "");
    cli_fact(cli, "version", "%.*s", CCCC_STR_FMT(cccc_get_str(result, "version")));
    return 0;
}
