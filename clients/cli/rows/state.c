/* state.c - rows of the table of commands: how the daemon and its groups are: status, doctor, triage, evidence; and the daemon itself. See rows.h.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"

static const struct cli_command rows[] = {
    {.name = "status",
     .summary = "the daemon and the groups at a glance",
     .about = "UNREAD is what you (user) have not read, OPEN the replies and acknowledgements owed in the group. Below the groups stand "
              "the actors of those that run and of the "
              "active one, as `cccc actor list` has them. Starts nothing. Exits 3 "
              "when no daemon runs, 5 when there is one that cannot be reached.",
     .examples = EXAMPLES("cccc status", "cccc status --json  # for programs"),
     .run = cmd_status},
    {.name = "groups",
     .summary = "list the groups, newest activity first",
     .about = "A registered group whose folder is gone is named too.",
     .examples = EXAMPLES("cccc groups", "cccc groups --json", "cccc groups --forget-missing  # of groups whose folder is gone for good"),
     .options = OPTIONS(OPT_FORGET_MISSING),
     .run = cmd_groups},
    {.name = "doctor",
     .summary = "check home, daemon, disk, sockets, groups and ledgers",
     .about = "Reads only, starts nothing, works with and without a daemon. Exits 0 when all is well, 9 when stored data is damaged, 1 for "
              "other failures.",
     .examples = EXAMPLES("cccc doctor", "cccc doctor --json  # each check as {name, state, text}"),
     .run = cmd_doctor},
    {.name = "triage",
     .summary = "find what is wrong, in the runbook's order: daemon, group, actors, obligations, delivery",
     .about =
         "Five checks, each with a verdict, its evidence, and the smallest command that would help. The cause comes first; what only "
         "follows "
         "from it says so. Verdicts are ok, note, unknown (only a daemon knows, or who asks may not see it), follows, wrong, damaged. "
         "Reads only, starts nothing, "
         "works "
         "without a daemon as far as possible; reads every line of the group's ledger. Exits 0 when nothing is wrong, 9 when stored data "
         "is damaged, else 1.",
     .examples = EXAMPLES("cccc triage  # the active group", "cccc triage --group ops --json  # for programs"),
     .options = OPTIONS(OPT_GROUP),
     .run = cmd_triage},
    {.name = "evidence",
     .summary = "gather what somebody else needs to see into one file, secrets left out",
     .about =
         "Writes cccc-evidence-GROUP-TIME.tar.zst: versions, triage, status, the group and its actors, who owes what, the last 100 events, "
         "what became of each message, the daemon's log, and manifest.json, which lists what was left out. Private environments, values "
         "of variables, arguments of commands, tokens and passwords are never in it; texts that people and agents wrote, and the names of "
         "files they attached, only "
         "with --bodies. Starts nothing; without a daemon it takes what the files have, says what is missing, and exits 8.",
     .examples = EXAMPLES("cccc evidence  # of the active group", "cccc evidence --group ops --actor rev --event 1042",
                          "cccc evidence --bodies --output /tmp/evidence.tar.zst  # with the messages' texts"),
     .options = OPTIONS(
         OPT_GROUP, {.name = "actor", .letter = 'a', .arg = "ID", .help = "only what concerns this actor"},
         {.name = "event", .letter = 'e', .arg = "EVENT", .help = "also this event, and what became of it: number, id, or its beginning"},
         {.name = "bodies", .help = "with the texts of messages and notices, but for the secrets found in them"},
         {.name = "output", .letter = 'o', .arg = "FILE", .help = "write it there; the file must not exist", .place = CLI_FILE}),
     .run = cmd_evidence},
    {.name = "daemon",
     .summary = "start, stop and watch the daemon",
     .examples = EXAMPLES("cccc daemon start", "cccc daemon status", "cccc daemon logs -f")},
    {.noun = "daemon",
     .name = "start",
     .summary = "make the daemon run",
     .about = "Succeeds also when one serves this home already. Undoes what `cccc daemon stop` said.",
     .examples = EXAMPLES("cccc daemon start", "cccc daemon start --home /srv/cccc"),
     .run = cmd_daemon_start},
    {.noun = "daemon",
     .name = "stop",
     .summary = "stop the daemon, and keep it stopped",
     .about = "Other commands start a daemon when they need one, but not after this: only `cccc` alone or `cccc daemon start` do then.",
     .examples = EXAMPLES("cccc daemon stop"),
     .run = cmd_daemon_stop},
    {.noun = "daemon",
     .name = "restart",
     .summary = "stop the daemon if it runs, then start it",
     .examples = EXAMPLES("cccc daemon restart"),
     .run = cmd_daemon_restart},
    {.noun = "daemon",
     .name = "status",
     .summary = "say whether the daemon runs",
     .about = "Exits 0 when it does, 3 when not, 5 when there is one that cannot be reached.",
     .examples = EXAMPLES("cccc daemon status", "cccc daemon status --json  # all figures"),
     .run = cmd_daemon_status},
    {.noun = "daemon",
     .name = "logs",
     .summary = "show the daemon's log",
     .examples = EXAMPLES("cccc daemon logs -n 100", "cccc daemon logs -f  # go on with what is written"),
     .options =
         OPTIONS({.name = "lines", .letter = 'n', .arg = "COUNT", .help = "the last COUNT records (default: 50)", .type = CLI_NUMBER},
                 {.name = "follow", .letter = 'f', .help = "go on with what is written"}),
     .run = cmd_daemon_logs},
};

const struct cli_rows cli_rows_state = {rows, sizeof rows / sizeof *rows};
