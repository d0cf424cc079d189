/* work.c - rows of the table of commands: what a group works on: context, tasks, templates, agent programs. See rows.h.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"

#define OPT_ID(example)                                                                                                                    \
    {                                                                                                                                      \
        .name = "id", .arg = "ID", .help = "change this one: " example                                                                     \
    }
#define OPT_STATUS                                                                                                                         \
    {                                                                                                                                      \
        .name = "status", .arg = "STATUS", .help = "planned, active, done or archived", .words = "planned|active|done|archived"            \
    }
#define OPT_GOAL                                                                                                                           \
    {                                                                                                                                      \
        .name = "goal", .arg = "TEXT", .help = "when it is reached", .blank = true                                                         \
    }
#define OPT_MILESTONE                                                                                                                      \
    {                                                                                                                                      \
        .name = "milestone", .arg = "ID", .help = "the milestone it belongs to", .blank = true                                             \
    }
#define OPT_ASSIGNEE                                                                                                                       \
    {                                                                                                                                      \
        .name = "assignee", .arg = "ID", .help = "whose it is", .blank = true                                                              \
    }
#define ARG_TASK                                                                                                                           \
    {                                                                                                                                      \
        .name = "TASK", .help = "its id: T001", .required = true                                                                           \
    }
#define ARG_TEMPLATE                                                                                                                       \
    {                                                                                                                                      \
        .name = "FILE", .help = "the template; - reads standard input", .required = true, .place = CLI_FILE                                \
    }
#define ARG_WORDS                                                                                                                          \
    {                                                                                                                                      \
        .name = "TEXT", .help = "the text; - reads standard input", .required = true, .blank = true                                        \
    }

static const struct cli_command rows[] = {
    {.name = "context",
     .summary = "what a group works on: vision, milestones, notes, references",
     .about = "Kept in context/ of the group as CCCC 0.4.0 has it, and in the ledger. Every actor may change it.",
     .examples = EXAMPLES("cccc context show", "cccc context vision \"A parser nobody has to debug\"",
                          "cccc context note \"Errors are in English\"")},
    {.noun = "context",
     .name = "show",
     .summary = "show it",
     .examples = EXAMPLES("cccc context show", "cccc context show --json"),
     .options = OPTIONS(OPT_GROUP),
     .run = cmd_context_show},
    {.noun = "context",
     .name = "vision",
     .summary = "say what all of it is for",
     .about = "An empty text clears it; empty standard input is refused.",
     .examples = EXAMPLES("cccc context vision \"A parser nobody has to debug\"", "cccc context vision \"\"  # clears it"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_WORDS),
     .run = cmd_context_vision},
    {.noun = "context",
     .name = "sketch",
     .summary = "say how it is to be done",
     .about = "An empty text clears it; empty standard input is refused.",
     .examples = EXAMPLES("cccc context sketch - <sketch.md"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_WORDS),
     .run = cmd_context_sketch},
    {.noun = "context",
     .name = "milestone",
     .summary = "add a milestone, or change one",
     .about = "With --outcomes it is done as of today. An archived one comes back with --restore.",
     .examples = EXAMPLES("cccc context milestone \"First release\" --status active",
                          "cccc context milestone --id M1 --outcomes \"Released on Monday\""),
     .options = OPTIONS(OPT_GROUP, OPT_BY, OPT_ID("M1"), {.name = "description", .arg = "TEXT", .help = "what it is", .blank = true},
                        OPT_STATUS, {.name = "outcomes", .arg = "TEXT", .help = "it is done: what came of it"},
                        {.name = "restore", .help = "take it out of the archive"}),
     .args = ARGS({.name = "NAME", .help = "its name"}),
     .run = cmd_context_milestone},
    {.noun = "context",
     .name = "note",
     .summary = "add a note, or change one",
     .examples = EXAMPLES("cccc context note \"Errors are in English\"", "cccc context note --id N001 \"Errors name file and line\""),
     .options = OPTIONS(OPT_GROUP, OPT_BY, OPT_ID("N001")),
     .args = ARGS(ARG_WORDS),
     .run = cmd_context_note},
    {.noun = "context",
     .name = "reference",
     .summary = "add a reference, or change one",
     .examples = EXAMPLES("cccc context reference docs/grammar.md --note \"the grammar\""),
     .options = OPTIONS(OPT_GROUP, OPT_BY, OPT_ID("R001"), {.name = "note", .arg = "TEXT", .help = "what is there", .blank = true}),
     .args = ARGS({.name = "URL", .help = "where it is", .required = true}),
     .run = cmd_context_reference},
    {.noun = "context",
     .name = "forget",
     .summary = "remove a note or a reference",
     .examples = EXAMPLES("cccc context forget N001"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "ID", .help = "of the note (N001) or reference (R001)", .required = true}),
     .run = cmd_context_forget},
    {.noun = "context",
     .name = "presence",
     .summary = "say what an actor is doing",
     .about = "Without STATUS it says nothing any more.",
     .examples = EXAMPLES("cccc context presence \"Reviewing src/api\" --actor-id peer-1", "cccc context presence --actor-id peer-1"),
     .options = OPTIONS(OPT_GROUP, OPT_ACTOR, OPT_BY),
     .args = ARGS({.name = "STATUS", .help = "one line"}),
     .run = cmd_context_presence},
    {.noun = "context",
     .name = "sync",
     .summary = "carry out a list of changes, all or none",
     .about = "The list is JSON: the ops of context_sync in PROTOCOL.md.",
     .examples = EXAMPLES("cccc context sync ops.json --dry-run", "cccc context sync - <ops.json"),
     .options = OPTIONS(OPT_GROUP, OPT_BY, {.name = "dry-run", .help = "say what would be done, and change nothing"}),
     .args = ARGS({.name = "FILE", .help = "the list (default: standard input)", .place = CLI_FILE}),
     .run = cmd_context_sync},
    {.name = "task",
     .summary = "the tasks of a group",
     .examples =
         EXAMPLES("cccc task add \"Parser\" --step \"write :: tests pass\"", "cccc task list", "cccc task update T001 --status done")},
    {.noun = "task",
     .name = "list",
     .summary = "list the tasks",
     .about = "STEPS are those done, of all.",
     .examples = EXAMPLES("cccc task list", "cccc task list --status active --json"),
     .options = OPTIONS(OPT_GROUP, OPT_STATUS, {.name = "assignee", .arg = "ID", .help = "whose it is"}),
     .run = cmd_task_list},
    {.noun = "task",
     .name = "show",
     .summary = "show a task and its steps",
     .examples = EXAMPLES("cccc task show T001"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_TASK),
     .run = cmd_task_show},
    {.noun = "task",
     .name = "add",
     .summary = "add a task",
     .examples = EXAMPLES("cccc task add \"Parser\" --goal \"reads all of the corpus\" --assignee peer-1",
                          "cccc task add \"Parser\" --step \"write :: tests pass\" --step review"),
     .options = OPTIONS(OPT_GROUP, OPT_BY, OPT_GOAL, OPT_MILESTONE, OPT_ASSIGNEE,
                        {.name = "step", .arg = "TEXT", .help = "a step; behind :: when it counts as done", .repeat = true}),
     .args = ARGS({.name = "NAME", .help = "what is to be done", .required = true}),
     .run = cmd_task_add},
    {.noun = "task",
     .name = "update",
     .summary = "change a task",
     .examples =
         EXAMPLES("cccc task update T001 --status active --assignee peer-1", "cccc task update T001 --restore  # out of the archive"),
     .options = OPTIONS(OPT_GROUP, OPT_BY, {.name = "name", .arg = "TEXT", .help = "what is to be done"}, OPT_GOAL, OPT_STATUS,
                        OPT_MILESTONE, OPT_ASSIGNEE, {.name = "restore", .help = "take it out of the archive"}),
     .args = ARGS(ARG_TASK),
     .run = cmd_task_update},
    {.noun = "task",
     .name = "step",
     .summary = "say how far a step is",
     .examples = EXAMPLES("cccc task step T001 S1 done"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_TASK, {.name = "STEP", .help = "S1, S2, ...", .required = true},
                  {.name = "STATUS", .help = "pending, in_progress or done", .required = true, .words = "pending|in_progress|done"}),
     .run = cmd_task_step},
    {.name = "template",
     .summary = "carry a group's actors, settings and rules to another project",
     .about = "A template is a YAML file that CCCC 0.4.0 reads and writes, too. It holds no environment and no secret.",
     .examples =
         EXAMPLES("cccc template export -o team.yaml", "cccc template preview team.yaml", "cccc template create team.yaml ~/src/widget")},
    {.noun = "template",
     .name = "export",
     .summary = "write a group's template",
     .examples = EXAMPLES("cccc template export -o team.yaml", "cccc template export --group Demo"),
     .options =
         OPTIONS(OPT_GROUP,
                 {.name = "output", .letter = 'o', .arg = "FILE", .help = "write it there (default: standard output)", .place = CLI_FILE}),
     .run = cmd_template_export},
    {.noun = "template",
     .name = "preview",
     .summary = "say what importing a template would change, and change nothing",
     .examples = EXAMPLES("cccc template preview team.yaml", "cccc template preview - <team.yaml"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_TEMPLATE),
     .run = cmd_template_preview},
    {.noun = "template",
     .name = "import",
     .summary = "make a group what a template says",
     .about = "Without --yes it only says what would change. Actors that are not in the template are removed, its rules and words take the "
              "place of "
              "those there are, and a running group is stopped. A template that cannot be is refused whole.",
     .examples = EXAMPLES("cccc template import team.yaml  # what it would change", "cccc template import team.yaml --yes"),
     .options = OPTIONS(OPT_GROUP, {.name = "yes", .help = "do it"}, OPT_BY),
     .args = ARGS(ARG_TEMPLATE),
     .run = cmd_template_import},
    {.noun = "template",
     .name = "create",
     .summary = "make a group for a directory from a template, and make it the active one",
     .examples = EXAMPLES("cccc template create team.yaml ~/src/widget --title Widget"),
     .options = OPTIONS({.name = "title", .arg = "TEXT", .help = "its title (default: working-group)"},
                        {.name = "topic", .arg = "TEXT", .help = "what it is about", .blank = true}, OPT_BY),
     .args = ARGS(ARG_TEMPLATE, {.name = "PATH", .help = "the directory (default: the current one)", .place = CLI_DIRECTORY}),
     .run = cmd_template_create},
    {.name = "runtime", .summary = "the agent programs cccc knows", .examples = EXAMPLES("cccc runtime list")},
    {.noun = "runtime",
     .name = "list",
     .summary = "list known agent programs, and whether they are here",
     .about = "FOUND is the file in your PATH, or no. COMMAND starts it unless an actor has its own.",
     .examples = EXAMPLES("cccc runtime list", "cccc runtime list --all --json"),
     .options = OPTIONS({.name = "all", .help = "the less usual ones too"}),
     .run = cmd_runtime_list},
};

const struct cli_rows cli_rows_work = {rows, sizeof rows / sizeof *rows};
