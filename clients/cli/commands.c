/* commands.c - the one table of commands: parsing, help, completions and man pages are made from it. Its rows are in rows/, by subject.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"

#include <stdio.h>
#include <string.h>

const struct cli_option cli_common_options[] = {
    {.name = "help", .letter = 'h', .help = "show help and leave"},
    {.name = "version", .help = "show the version and leave"},
    {.name = "json", .help = "one JSON document on standard output; JSON lines where output goes on"},
    {.name = "color", .arg = "WHEN", .help = "auto, always or never (default: auto)", .words = "auto|always|never"},
    {.name = "home", .arg = "DIR", .help = "the home (default: CCCC_HOME, else ~/.cccc)", .place = CLI_DIRECTORY},
    {.name = "timeout", .arg = "SECONDS", .help = "how long to wait for an answer (default: 30)", .type = CLI_POSITIVE},
    {0},
};

/* In the order help shows them. */
static const struct cli_rows *const subjects[] = {&cli_rows_messages,   &cli_rows_state, &cli_rows_groups,  &cli_rows_actors,
                                                  &cli_rows_automation, &cli_rows_work,  &cli_rows_storage, &cli_rows_program};

const struct cli_command *cli_command_at(size_t i)
{
    for (size_t at = 0; at < sizeof subjects / sizeof *subjects; at++) {
        if (i < subjects[at]->count)
            return &subjects[at]->rows[i];
        i -= subjects[at]->count;
    }
    return NULL;
}

const struct cli_command *cli_command_find(const char *noun, const char *name)
{
    const struct cli_command *row;
    for (size_t i = 0; (row = cli_command_at(i)) != NULL; i++) {
        bool same_noun = noun ? row->noun && strcmp(row->noun, noun) == 0 : row->noun == NULL;
        if (same_noun && strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

const char *cli_command_path(const struct cli_command *command)
{
    static char path[64];
    snprintf(path, sizeof path, "%s%s%s", command->noun ? command->noun : "", command->noun ? " " : "", command->name);
    return path;
}

const struct cli_option *cli_command_options(const struct cli_command *command)
{
    static const struct cli_option none[] = {{0}};
    return command->options ? command->options : none;
}

const struct cli_argument *cli_command_args(const struct cli_command *command)
{
    static const struct cli_argument none[] = {{0}};
    return command->args ? command->args : none;
}
