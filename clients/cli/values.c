/* values.c - what the command line said, by name. */
#include "clients/cli/cli.h"

#include <stdlib.h>
#include <string.h>

static bool takes(const struct cli_option *options, const char *name)
{
    for (; options->name; options++)
        if (strcmp(options->name, name) == 0)
            return true;
    return false;
}

/* The last value of the option, or NULL. Asking for an option the command does not take is a bug in its handler. */
static const struct cli_value *last_value(const struct cli *cli, const char *name)
{
    const struct cli_line *line = &cli->line;
    CCCC_ASSERT(takes(cli_common_options, name) || (line->command && takes(cli_command_options(line->command), name)), "option %s", name);
    for (size_t i = line->value_count; i-- > 0;)
        if (strcmp(line->values[i].option->name, name) == 0)
            return &line->values[i];
    return NULL;
}

const char *cli_option_if_taken(const struct cli *cli, const char *name)
{
    const struct cli_command *command = cli->line.command;
    return command && takes(cli_command_options(command), name) ? cli_option(cli, name) : NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    const struct cli_value *value = last_value(cli, name);
    return value ? value->text : NULL;
}

bool cli_flag(const struct cli *cli, const char *name)
{
    return last_value(cli, name) != NULL;
}

uint64_t cli_number(const struct cli *cli, const char *name, uint64_t otherwise)
{
    const char *text = cli_option(cli, name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

size_t cli_values(const struct cli *cli, const char *name, const char *const **items)
{
    const struct cli_line *line = &cli->line;
    const char **list = cccc_arena_alloc(cli->arena, (line->value_count + 1) * sizeof *list);
    size_t count = 0;
    last_value(cli, name);
    for (size_t i = 0; i < line->value_count; i++)
        if (strcmp(line->values[i].option->name, name) == 0)
            list[count++] = line->values[i].text;
    *items = list;
    return count;
}

static size_t count_commas(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == ',';
    return count;
}

/* Append the items of one comma list to `list`, blanks around them taken off, empty ones left out. */
static size_t split_commas(struct cli *cli, const char *text, const char **list, size_t count)
{
    while (*text) {
        text += strspn(text, " ,");
        cccc_str_t item = {text, strcspn(text, ",")};
        text += item.len;
        while (item.len > 0 && item.ptr[item.len - 1] == ' ')
            item.len--;
        if (item.len > 0)
            list[count++] = cccc_arena_str(cli->arena, item).ptr;
    }
    return count;
}

size_t cli_list(struct cli *cli, const char *name, const char *const **items)
{
    const char *const *given;
    size_t texts = cli_values(cli, name, &given), room = texts, count = 0;
    for (size_t i = 0; i < texts; i++)
        room += count_commas(given[i]);
    const char **list = cccc_arena_alloc(cli->arena, (room + 1) * sizeof *list);
    for (size_t i = 0; i < texts; i++)
        count = split_commas(cli, given[i], list, count);
    *items = list;
    return count;
}

size_t cli_list_of(struct cli *cli, const char *text, const char *const **items)
{
    const char **list = cccc_arena_alloc(cli->arena, (count_commas(text) + 2) * sizeof *list);
    *items = list;
    return split_commas(cli, text, list, 0);
}

const char *cli_arg(const struct cli *cli, size_t i)
{
    return i < cli->line.arg_count ? cli->line.args[i] : NULL;
}
