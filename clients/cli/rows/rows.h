/* rows.h - what the files of rows share: each has the rows of one subject, which commands.c puts one behind the other into the one table of commands.
 *
 * A row with `run` NULL is a noun; its verbs follow it in the same file. Rows are in the order help shows them.
 * Thread: none; constant. */
#pragma once

#include "clients/cli/cli.h"

struct cli_rows {
    const struct cli_command *rows;
    size_t count;
};

extern const struct cli_rows cli_rows_messages;
extern const struct cli_rows cli_rows_state;
extern const struct cli_rows cli_rows_groups;
extern const struct cli_rows cli_rows_actors;
extern const struct cli_rows cli_rows_automation;
extern const struct cli_rows cli_rows_work;
extern const struct cli_rows cli_rows_storage;
extern const struct cli_rows cli_rows_program;

#define OPTIONS(...)                                                                                                                       \
    (const struct cli_option[])                                                                                                            \
    {                                                                                                                                      \
        __VA_ARGS__,                                                                                                                       \
        {                                                                                                                                  \
            0                                                                                                                              \
        }                                                                                                                                  \
    }
#define ARGS(...)                                                                                                                          \
    (const struct cli_argument[])                                                                                                          \
    {                                                                                                                                      \
        __VA_ARGS__,                                                                                                                       \
        {                                                                                                                                  \
            0                                                                                                                              \
        }                                                                                                                                  \
    }
#define EXAMPLES(...)                                                                                                                      \
    (const char *const[])                                                                                                                  \
    {                                                                                                                                      \
        __VA_ARGS__, NULL                                                                                                                  \
    }

#define OPT_GROUP                                                                                                                          \
    {                                                                                                                                      \
        .name = "group", .letter = 'g', .arg = "GROUP",                                                                                    \
        .help = "the group: id, unique prefix or unique title (default: CCCC_GROUP_ID, else the active group)"                             \
    }
#define OPT_BY                                                                                                                             \
    {                                                                                                                                      \
        .name = "by", .arg = "WHO", .help = "who does it, where you may name somebody (default: you, as the daemon knows you)"             \
    }
#define OPT_ACTOR                                                                                                                          \
    {                                                                                                                                      \
        .name = "actor-id", .also = "actor", .letter = 'a', .arg = "ID", .help = "whose inbox; user has one too (default: CCCC_ACTOR_ID)"  \
    }
#define OPT_FORGET_MISSING                                                                                                                 \
    {                                                                                                                                      \
        .name = "forget-missing", .help = "remove groups whose folder is gone from the registry"                                           \
    }
#define ARG_ACTOR                                                                                                                          \
    {                                                                                                                                      \
        .name = "ACTOR", .help = "id of an actor of the group", .required = true                                                           \
    }
