/* actors.c - rows of the table of commands: actors: their configuration, starts, stops and terminals. See rows.h.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"

#define OPT_RUNTIME                                                                                                                        \
    {                                                                                                                                      \
        .name = "runtime", .arg = "NAME", .help = "the agent program: claude, codex, custom, ... (default: codex)"                         \
    }
#define OPT_RUNNER                                                                                                                         \
    {                                                                                                                                      \
        .name = "runner", .arg = "HOW", .help = "pty or headless (default: pty)", .words = "pty|headless"                                  \
    }
#define OPT_COMMAND                                                                                                                        \
    {                                                                                                                                      \
        .name = "command", .arg = "COMMAND", .help = "command line it is started with; quotes as in a shell", .blank = true                \
    }
#define OPT_ENV                                                                                                                            \
    {                                                                                                                                      \
        .name = "env", .arg = "NAME=VALUE",                                                                                                \
        .help = "public environment variable (no secrets: the ledger shows it; CCCC_HOME, CCCC_GROUP_ID, CCCC_ACTOR_ID and CCCC_HOLD are " \
                "cccc's own)",                                                                                                             \
        .repeat = true                                                                                                                     \
    }
#define OPT_SCOPE                                                                                                                          \
    {                                                                                                                                      \
        .name = "scope", .arg = "PATH", .help = "attached directory it starts in", .place = CLI_DIRECTORY                                  \
    }
#define OPT_SUBMIT                                                                                                                         \
    {                                                                                                                                      \
        .name = "submit", .arg = "KEY", .help = "what ends a typed message: enter, newline or none", .words = "enter|newline|none"         \
    }
#define OPT_LIMITS                                                                                                                         \
    {.name = "processes-max",                                                                                                              \
     .arg = "COUNT",                                                                                                                       \
     .help = "processes its program and all it starts may have at a time (default: 0, no limit)",                                          \
     .type = CLI_NUMBER},                                                                                                                  \
    {                                                                                                                                      \
        .name = "memory-max", .arg = "MIB", .help = "memory they may have, in MiB (default: 0, no limit)", .type = CLI_NUMBER              \
    }
#define OPT_ACTOR_TITLE                                                                                                                    \
    {                                                                                                                                      \
        .name = "title", .arg = "TEXT", .help = "display name; may be used as a recipient", .blank = true                                  \
    }

static const struct cli_command rows[] = {
    {.name = "actor",
     .summary = "the actors of a group: add, change, start, stop, watch",
     .examples = EXAMPLES("cccc actor add peer-1 --runtime claude", "cccc actor start peer-1",
                          "cccc actor attach peer-1  # ctrl-] leaves it running")},
    {.noun = "actor",
     .name = "list",
     .summary = "list a group's actors, what they do and what waits for them",
     .about = "STATE is running, starting, stopping, stopped (asked for), exited (by itself, with its status), failed (could not be "
              "started), never started, "
              "reconnecting or unreachable (its holder does not speak with the daemon) for programs in a terminal, else enabled or "
              "disabled. UNREAD is what "
              "it has not read, OWES the replies and acknowledgements asked of it (cccc obligations), QUEUED what is still to be typed "
              "into its terminal, IDLE how long that has shown nothing new. DELIVERY is "
              "there when the "
              "last messages were not simply typed: claimed (under way), failed (nothing was typed; tried again) or ambiguous (some of it "
              "may have been "
              "typed; not tried again). EXIT and ENDED say how and when its last program ended, while none runs.",
     .examples = EXAMPLES("cccc actor list", "cccc actor list --group Demo --json"),
     .options = OPTIONS(OPT_GROUP),
     .run = cmd_actor_list},
    {.noun = "actor",
     .name = "add",
     .summary = "add an actor to a group",
     .about = "The first enabled actor is the foreman, the others are peers. Without ACTOR a name is made from the runtime.",
     .examples = EXAMPLES("cccc actor add lead --runner headless --runtime custom  # a program on the bus",
                          "cccc actor add peer-1 --title \"Reviewer\" --runtime claude"),
     .options =
         OPTIONS(OPT_GROUP, OPT_ACTOR_TITLE, OPT_RUNTIME, OPT_RUNNER, OPT_COMMAND, OPT_ENV, OPT_SCOPE, OPT_SUBMIT, OPT_LIMITS, OPT_BY),
     .args = ARGS({.name = "ACTOR", .help = "its id: at most 32 letters, digits, _ and -"}),
     .run = cmd_actor_add},
    {.noun = "actor",
     .name = "show",
     .summary = "one actor: configuration, what runs, its last exit and screen",
     .examples = EXAMPLES("cccc actor show peer-1", "cccc actor show peer-1 --json"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_show},
    {.noun = "actor",
     .name = "update",
     .summary = "change an actor",
     .about = "--env replaces all public variables.",
     .examples = EXAMPLES("cccc actor update peer-1 --title \"Tester\"", "cccc actor update peer-1 --enabled 0"),
     .options = OPTIONS(OPT_GROUP, OPT_ACTOR_TITLE, OPT_RUNTIME, OPT_RUNNER, OPT_COMMAND, OPT_ENV, OPT_SCOPE, OPT_SUBMIT, OPT_LIMITS,
                        {.name = "enabled", .arg = "0|1", .help = "whether it takes part", .words = "0|1"}, OPT_BY),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_update},
    {.noun = "actor",
     .name = "remove",
     .summary = "remove an actor from a group",
     .examples = EXAMPLES("cccc actor remove peer-1"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_remove},
    {.noun = "actor",
     .name = "start",
     .summary = "start an actor's program in a terminal of its own",
     .about = "Prints once it runs, or says why it does not. It runs in its scope's directory, or the group's active one, is started again "
              "when it exits by "
              "itself, and outlives the daemon. A group that did not run does from then on, with this actor alone: `cccc group start` "
              "starts the others.",
     .examples = EXAMPLES("cccc actor start peer-1"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_start},
    {.noun = "actor",
     .name = "stop",
     .summary = "stop an actor's program",
     .about = "It gets HUP and TERM, and KILL three seconds later, with everything it started. It stays stopped until somebody starts it, "
              "or sends it a "
              "message by its id.",
     .examples = EXAMPLES("cccc actor stop peer-1"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_stop},
    {.noun = "actor",
     .name = "restart",
     .summary = "stop an actor's program and start it again",
     .about = "It is started only if its group runs, and stopped only once its directory and its program were found: what would not start "
              "again runs on.",
     .examples = EXAMPLES("cccc actor restart peer-1  # with what was changed since its start"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_restart},
    {.noun = "actor",
     .name = "attach",
     .summary = "see an actor's terminal and type into it",
     .about = "Shows what its terminal has shown, then goes on live; keys go to the program, the terminal gets your window's size. The "
              "detach key leaves it "
              "running. The first to attach types, others watch until that one leaves. While you type, messages for the actor wait. Exits "
              "0 also when the "
              "program exits.",
     .examples = EXAMPLES("cccc actor attach peer-1  # ctrl-] leaves it running", "cccc actor attach peer-1 --read-only",
                          "cccc actor attach peer-1 --detach-key ^A"),
     .options = OPTIONS(OPT_GROUP, {.name = "read-only", .help = "only watch"},
                        {.name = "detach-key", .arg = "KEY", .help = "a control key, as ^A (default: ^])"}),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_attach},
    {.noun = "actor",
     .name = "tail",
     .summary = "the last lines of an actor's terminal, as text",
     .examples = EXAMPLES("cccc actor tail peer-1", "cccc actor tail peer-1 -n 200",
                          "cccc actor tail peer-1 --raw >screen.log  # the bytes as they were"),
     .options = OPTIONS(
         OPT_GROUP,
         {.name = "lines", .letter = 'n', .arg = "COUNT", .help = "the last COUNT lines (default: 40; all with --raw)", .type = CLI_NUMBER},
         {.name = "raw", .help = "the bytes the program wrote; never to a terminal"}),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_tail},
    {.noun = "actor",
     .name = "clear",
     .summary = "forget what an actor's terminal has shown",
     .about = "The program does not notice; whoever attaches later sees only what it shows from now on.",
     .examples = EXAMPLES("cccc actor clear peer-1"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_clear},
    {.noun = "actor",
     .name = "secrets",
     .summary = "an actor's private environment variables",
     .about = "Lists names; values are never shown. A value comes from standard input (asked for unseen on a terminal) or a file, without "
              "the newline at its "
              "end, and never from the command line, where every process may read it. No event holds it. --clear comes first, then "
              "--unset, then --set. "
              "Changes reach the program at its next start.",
     .examples = EXAMPLES("cccc actor secrets peer-1 --set API_TOKEN  # asks for the value",
                          "cccc actor secrets peer-1 --set API_TOKEN --from-file token", "cccc actor secrets peer-1 --unset API_TOKEN",
                          "cccc actor secrets peer-1  # the names"),
     .options =
         OPTIONS(OPT_GROUP, {.name = "set", .arg = "NAME", .help = "set this variable"},
                 {.name = "from-file", .arg = "FILE", .help = "the file that holds the value (default: standard input)", .place = CLI_FILE},
                 {.name = "unset", .arg = "NAME", .help = "forget it; lists with commas", .type = CLI_LIST, .repeat = true},
                 {.name = "clear", .help = "forget all"}, {.name = "keys", .help = "list the names (what happens without options)"}),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_secrets},
};

const struct cli_rows cli_rows_actors = {rows, sizeof rows / sizeof *rows};
