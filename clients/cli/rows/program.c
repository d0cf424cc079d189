/* program.c - rows of the table of commands: cccc about itself: demo, smoke, bench, version, help, completion. See rows.h.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"

static const char *command_word(size_t i)
{
    const struct cli_command *row;
    for (size_t at = 0; (row = cli_command_at(at)) != NULL; at++)
        if (!row->noun && i-- == 0)
            return row->name;
    return NULL;
}

static const struct cli_command rows[] = {
    {.name = "demo",
     .summary = "see it work: a scratch daemon, three actors, real commands",
     .about = "Starts a real daemon in a scratch home, runs real commands in processes of their own, shows each with its output, and "
              "checks it. Leaves nothing behind.",
     .examples = EXAMPLES("cccc demo"),
     .run = cmd_demo},
    {.name = "smoke",
     .summary = "prove this home works, end to end",
     .about =
         "Makes a scratch group, attaches a directory, adds actors, sends, replies, reads, starts an actor in a terminal and has a message "
         "typed into it, checks inbox and ledger, and removes the group, also when a check fails. Prints each check. Exits 0 or 1.",
     .examples = EXAMPLES("cccc smoke", "cccc smoke --json"),
     .run = cmd_smoke},
    {.name = "bench",
     .summary = "measure how fast messages are stored and followed here",
     .about =
         "Starts a scratch daemon in a scratch home, sends from several processes, and prints the rate, how long acknowledgements took, "
         "and what the disk itself took for a sync in the same seconds: an acknowledgement waits for one. Each figure is the median of the "
         "runs, with the smallest and the largest. Clients keep --window requests open; with --rate messages are due at fixed times, and "
         "a latency counts from when its message was due. A run that fails says why, and is no figure. Leaves nothing behind. With "
         "--this-home the "
         "daemon has to serve already; the group is removed from the trash, too.",
     .examples = EXAMPLES("cccc bench", "cccc bench --dir /srv --clients 1 --window 1  # what one sender waits, on another disk",
                          "cccc bench --rate 10000 --runs 3 --json"),
     .options = OPTIONS(
         {.name = "clients", .arg = "N", .help = "sender processes (default: 8)", .type = CLI_NUMBER},
         {.name = "window", .arg = "N", .help = "requests each keeps open (default: 125, or what fits)", .type = CLI_NUMBER},
         {.name = "batch", .arg = "N", .help = "messages of a request (default: 1)", .type = CLI_NUMBER},
         {.name = "rate", .arg = "N", .help = "messages per second of all together (default: as fast as it goes)", .type = CLI_NUMBER},
         {.name = "followers", .arg = "N", .help = "processes that read every event (default: 1)", .type = CLI_NUMBER},
         {.name = "text", .arg = "BYTES", .help = "length of a message (default: 300)", .type = CLI_NUMBER},
         {.name = "seconds", .arg = "N", .help = "length of a run (default: 2)", .type = CLI_NUMBER},
         {.name = "runs", .arg = "N", .help = "how many (default: 5)", .type = CLI_NUMBER},
         {.name = "messages", .arg = "N", .help = "a run ends early after so many (default: 1000000)", .type = CLI_NUMBER},
         {.name = "dir", .arg = "DIR", .help = "where the scratch home is made (default: TMPDIR, else /tmp)", .place = CLI_DIRECTORY},
         {.name = "this-home", .help = "measure the daemon of this home instead, in a scratch group that is deleted again"}),
     .run = cmd_bench},
    {.name = "version",
     .summary = "print the version",
     .examples = EXAMPLES("cccc version", "cccc version --json  # with the daemon's"),
     .run = cmd_version},
    {.name = "help",
     .summary = "help for a command or a topic",
     .examples = EXAMPLES("cccc help topics", "cccc help group create", "cccc help --man tail | man -l -  # the manual page"),
     .options = OPTIONS({.name = "man", .help = "print the manual page instead"}),
     .args = ARGS({.name = "COMMAND", .help = "the command's words, or a topic", .repeat = true, .suggest = command_word}),
     .run = cmd_help},
    {.name = "completion",
     .summary = "print a shell's completion script",
     .examples = EXAMPLES("cccc completion bash >~/.local/share/bash-completion/completions/cccc",
                          "cccc completion fish >~/.config/fish/completions/cccc.fish"),
     .args = ARGS({.name = "SHELL", .help = "bash, zsh or fish", .required = true, .words = "bash|zsh|fish"}),
     .run = cmd_completion},
};

const struct cli_rows cli_rows_program = {rows, sizeof rows / sizeof *rows};
