/* commands.c - the one table of commands: parsing, help, completions and man pages are made from it.
 *
 * A row with `run` NULL is a noun; its verbs follow it. Rows are in the order help shows them.
 * Thread: none; constant. */
#include "broker/core/core.h"
#include "clients/cli/cli.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <string.h>

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
#define OPT_DUE                                                                                                                            \
    {                                                                                                                                      \
        .name = "due", .arg = "TIME", .help = "deadline of the reply or acknowledgement asked for, from now: 90s, 10m, 2h"                 \
    }
#define OPT_EXPIRES                                                                                                                        \
    {                                                                                                                                      \
        .name = "expires", .arg = "TIME", .help = "withdraw it by itself after this time from whoever has not taken it: 10m, 2h, 3d"       \
    }
#define OPT_CAUSE                                                                                                                          \
    {                                                                                                                                      \
        .name = "cause", .arg = "EVENT", .help = "the event it follows from: number, event id, or unique prefix of one"                    \
    }
#define OPT_TO                                                                                                                             \
    {                                                                                                                                      \
        .name = "to", .letter = 't', .arg = "WHO", .help = "recipients: actor ids, @all, @peers, @foreman, user; lists with commas",       \
        .type = CLI_LIST, .repeat = true                                                                                                   \
    }
#define OPT_PRIORITY                                                                                                                       \
    {                                                                                                                                      \
        .name = "priority", .arg = "LEVEL", .help = "normal, or attention: recipients must acknowledge it", .words = "normal|attention"    \
    }
#define OPT_REPLY_REQUIRED                                                                                                                 \
    {                                                                                                                                      \
        .name = "reply-required", .letter = 'r', .help = "each recipient owes a reply"                                                     \
    }
#define OPT_FILE                                                                                                                           \
    {                                                                                                                                      \
        .name = "file", .letter = 'f', .arg = "FILE", .help = "attach a file", .repeat = true, .place = CLI_FILE                           \
    }
#define OPT_CLIENT_ID                                                                                                                      \
    {                                                                                                                                      \
        .name = "client-id", .arg = "ID", .help = "name this message yourself: repeating the command cannot send it twice"                 \
    }
#define OPT_KIND_FILTER                                                                                                                    \
    {                                                                                                                                      \
        .name = "kind-filter", .arg = "KIND", .help = "chat, notify or all (default: all)", .words = "all|chat|notify"                     \
    }
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

#define OPT_FORGET_MISSING                                                                                                                 \
    {                                                                                                                                      \
        .name = "forget-missing", .help = "remove groups whose folder is gone from the registry"                                           \
    }

#define ARG_GROUP                                                                                                                          \
    {                                                                                                                                      \
        .name = "GROUP", .help = "id, unique prefix or unique title"                                                                       \
    }
#define ARG_ACTOR                                                                                                                          \
    {                                                                                                                                      \
        .name = "ACTOR", .help = "id of an actor of the group", .required = true                                                           \
    }
#define ARG_TEXT                                                                                                                           \
    {                                                                                                                                      \
        .name = "TEXT", .help = "the message; - reads it from standard input", .blank = true                                               \
    }
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
#define ARG_BLOB                                                                                                                           \
    {                                                                                                                                      \
        .name = "BLOB", .help = "path of the blob: state/blobs/...", .required = true                                                      \
    }

#define ARG_RULE                                                                                                                           \
    {                                                                                                                                      \
        .name = "RULE", .help = "name of the rule", .required = true                                                                       \
    }
#define ARG_RULE_TEXT                                                                                                                      \
    {                                                                                                                                      \
        .name = "TEXT", .help = "what it says"                                                                                             \
    }
#define OPT_RULE                                                                                                                           \
    {.name = "every", .arg = "TIME", .help = "run every so often: 90s, 15m, 1h30m, 1d"},                                                   \
        {.name = "cron", .arg = "FIELDS", .help = "run at these times: minute hour day-of-month month day-of-week"},                       \
        {.name = "timezone", .arg = "ZONE", .help = "zone of --cron, such as Europe/Berlin (default: UTC)"},                               \
        {.name = "at", .arg = "TIME", .help = "run once: a time (2026-12-01T09:00:00+01:00), or so long from now (2h)"}, OPT_RULE_TO,      \
        {.name = "title", .arg = "TEXT", .help = "title of the notice (default: Reminder)"},                                               \
        {.name = "snippet", .arg = "NAME", .help = "say what this snippet says"},                                                          \
        {.name = "priority", .arg = "LEVEL", .help = "of the notice (default: normal)", .words = "low|normal|high|urgent"},                \
        {.name = "requires-ack", .help = "each recipient owes an acknowledgement"},                                                        \
        {.name = "personal", .arg = "ID", .help = "the rule is this actor's, and to it alone"},                                            \
        {.name = "set-state", .arg = "STATE", .help = "set the group to this state", .words = "active|idle|paused|stopped"},               \
    {                                                                                                                                      \
        .name = "control", .arg = "WHAT", .help = "do this with the actors of --to", .words = "start|stop|restart"                         \
    }
#define OPT_RULE_TO                                                                                                                        \
    {                                                                                                                                      \
        .name = "to", .letter = 't', .arg = "WHO", .help = "actor ids, @all, @peers, @foreman; lists with commas (default: @foreman)",     \
        .type = CLI_LIST, .repeat = true                                                                                                   \
    }

static const char *kind_word(size_t i)
{
    size_t kind = CCCC_KIND_UNKNOWN + 1 + i;
    return kind < CCCC_KIND_COUNT ? cccc_kind_word((cccc_kind_t)kind) : NULL;
}

static const char *command_word(size_t i)
{
    for (size_t at = 0; at < cli_command_count; at++)
        if (!cli_commands[at].noun && i-- == 0)
            return cli_commands[at].name;
    return NULL;
}

const struct cli_option cli_common_options[] = {
    {.name = "help", .letter = 'h', .help = "show help and leave"},
    {.name = "version", .help = "show the version and leave"},
    {.name = "json", .help = "one JSON document on standard output; JSON lines where output goes on"},
    {.name = "color", .arg = "WHEN", .help = "auto, always or never (default: auto)", .words = "auto|always|never"},
    {.name = "home", .arg = "DIR", .help = "the home (default: CCCC_HOME, else ~/.cccc)", .place = CLI_DIRECTORY},
    {.name = "timeout", .arg = "SECONDS", .help = "how long to wait for an answer (default: 30)", .type = CLI_POSITIVE},
    {0},
};

const struct cli_command cli_commands[] = {
    /* ---- daily ---- */
    {.name = "send",
     .summary = "send a message",
     .about = "Prints once the message is on disk. Without --to the group's policy decides who gets it: the foreman, or everybody. If the "
              "answer is lost, repeat the "
              "command with the same --client-id: it cannot be stored twice.",
     .examples = EXAMPLES("cccc send \"Review src/api\" --to peer-1,peer-2 --reply-required  # each of them owes a reply",
                          "cccc send --to @all - <notes.md  # the text comes from a file",
                          "cccc send \"The trace\" --to lead --file trace.log  # with an attachment"),
     .options =
         OPTIONS(OPT_GROUP, OPT_TO, OPT_REPLY_REQUIRED, OPT_PRIORITY, OPT_DUE, OPT_EXPIRES, OPT_CAUSE, OPT_FILE, OPT_CLIENT_ID, OPT_BY,
                 {.name = "wait",
                  .arg = "TIME",
                  .help = "wait so long for every recipient's reply, and print it: 90s, 10m; implies --reply-required"},
                 {.name = "path", .arg = "PATH", .help = "the attached directory the message is about", .place = CLI_DIRECTORY},
                 {.name = "dst-group", .arg = "GROUP", .help = "send to actors of another group; recorded in both"}),
     .args = ARGS(ARG_TEXT),
     .run = cmd_send},
    {.name = "ask",
     .summary = "send a question and wait for the replies",
     .about =
         "Each one asked owes a reply, which is printed when it comes; the user only when WHO names it. Ends when all have replied, or "
         "need not any more. Exits 0 when all have, else 10, and says why: not in time (the question stays, and the reply may still "
         "come), cancelled, withdrawn, expired, held, or nobody else was asked.",
     .examples = EXAMPLES("cccc ask peer-1 \"Is the schema frozen?\"", "cccc ask peer-1,peer-2 \"Ready?\" --wait 90s --json"),
     .options = OPTIONS(OPT_GROUP, {.name = "wait", .arg = "TIME", .help = "how long: 90s, 10m, 2h (default: 10m)"}, OPT_PRIORITY, OPT_DUE,
                        OPT_EXPIRES, OPT_CAUSE, OPT_FILE, OPT_CLIENT_ID, OPT_BY),
     .args = ARGS({.name = "WHO", .help = "recipients: actor ids, @all, @peers, @foreman, user; a list with commas", .required = true},
                  ARG_TEXT),
     .run = cmd_ask},
    {.name = "reply",
     .summary = "reply to a message",
     .about = "Without --to it goes to whoever sent the message. A reply by a recipient is what closes a reply-required message.",
     .examples = EXAMPLES("cccc reply 1042 \"Yes, it is frozen\"  # 1042 is the number tail and inbox show",
                          "cccc reply 1042 - --by peer-1 <answer.md"),
     .options = OPTIONS(OPT_GROUP, OPT_TO, OPT_REPLY_REQUIRED, OPT_PRIORITY, OPT_DUE, OPT_EXPIRES, OPT_FILE, OPT_CLIENT_ID, OPT_BY),
     .args = ARGS({.name = "EVENT", .help = "number (seq), event id, or unique prefix of one", .required = true}, ARG_TEXT),
     .run = cmd_reply},
    {.name = "inbox",
     .summary = "show an actor's unread messages, oldest first",
     .about = "Reading does not mark anything as read unless --mark-read says so, and that acknowledges nothing (cccc ack does). With "
              "--follow it goes on with what arrives, across "
              "restarts of the daemon.",
     .examples = EXAMPLES("cccc inbox --actor-id peer-1  # what peer-1 has not read",
                          "cccc inbox --actor-id peer-1 --mark-read  # and mark it read",
                          "cccc inbox --actor-id user --follow  # wait for messages to you"),
     .options = OPTIONS(
         OPT_GROUP, OPT_ACTOR,
         {.name = "limit", .letter = 'n', .arg = "COUNT", .help = "at most this many (default: 50; 0: as many as fit)", .type = CLI_NUMBER},
         OPT_KIND_FILTER, {.name = "mark-read", .letter = 'm', .help = "mark what was shown as read"},
         {.name = "follow", .letter = 'f', .help = "go on with what arrives"}, OPT_BY),
     .run = cmd_inbox},
    {.name = "read",
     .summary = "mark an actor's messages as read, up to an event",
     .about = "Everything up to the event counts as read. An attention message that is named by its own recipient is acknowledged by this.",
     .examples = EXAMPLES("cccc read 1042 --actor-id peer-1  # peer-1 has read everything up to 1042",
                          "cccc read --all --actor-id peer-1  # everything there is"),
     .options = OPTIONS(OPT_GROUP, OPT_ACTOR, {.name = "all", .help = "up to the newest; acknowledges nothing"}, OPT_KIND_FILTER, OPT_BY),
     .args = ARGS({.name = "EVENT", .help = "number (seq), event id, or unique prefix of one"}),
     .run = cmd_read},
    {.name = "why",
     .summary = "what became of a message, for each recipient, and what to do next",
     .about = "One sentence per recipient: what is known of it and by which event, what it waits for, what is still owed. Typed into a "
              "terminal is not read, and "
              "marked as read is not understood; it says no more than it knows. The steps are stored, queued, claimed, handed (or failed, "
              "ambiguous), read, "
              "acknowledged, replied, and cancelled or recalled.",
     .examples = EXAMPLES("cccc why 1042", "cccc why 1042 peer-2  # only what became of peer-2's copy"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS({.name = "EVENT", .help = "number (seq), event id, or unique prefix of one", .required = true},
                  {.name = "ACTOR", .help = "only this recipient"}),
     .run = cmd_why},
    {.name = "recall",
     .summary = "withdraw a message from those who have not taken it",
     .about = "It wins over a recipient if and only if no delivery to its terminal was claimed, and it has not read, acknowledged or "
              "answered the message, before. For "
              "those it is unread no more, is not typed, and asks for nothing. The sender may, and the user. Exits 8 when it came too late "
              "for somebody.",
     .examples = EXAMPLES("cccc recall 1042", "cccc recall 1042 --reason \"superseded by 1050\""),
     .options = OPTIONS(OPT_GROUP, {.name = "reason", .arg = "TEXT", .help = "why"}, OPT_BY),
     .args = ARGS({.name = "EVENT", .help = "number (seq), event id, or unique prefix of one", .required = true}),
     .run = cmd_recall},
    {.name = "obligations",
     .summary = "who owes whom a reply or an acknowledgement, oldest first",
     .about = "A message with --reply-required is owed a reply by each of its recipients, one with --priority attention an "
              "acknowledgement. Reading closes "
              "neither. Without a deadline it is overdue after the group's reminder delay (cccc group settings).",
     .examples = EXAMPLES("cccc obligations", "cccc obligations --actor peer-1  # what peer-1 owes", "cccc obligations --overdue --json"),
     .options = OPTIONS(
         OPT_GROUP, {.name = "actor", .also = "actor-id", .letter = 'a', .arg = "ID", .help = "only what this one owes; user owes too"},
         {.name = "to", .arg = "WHO", .help = "only what is owed to this one"}, {.name = "overdue", .help = "only what is late"},
         {.name = "limit", .letter = 'n', .arg = "COUNT", .help = "at most this many (default: 100)", .type = CLI_NUMBER}),
     .run = cmd_obligations},
    {.name = "ack",
     .summary = "acknowledge an attention message or a notice, for oneself",
     .about = "Doing it again does nothing. It does not mark anything as read.",
     .examples = EXAMPLES("cccc ack 1042 --actor-id peer-1  # peer-1 has taken note of 1042"),
     .options =
         OPTIONS(OPT_GROUP,
                 {.name = "actor-id", .also = "actor|by", .letter = 'a', .arg = "ID", .help = "who acknowledges (default: CCCC_ACTOR_ID)"}),
     .args = ARGS({.name = "EVENT", .help = "number (seq), event id, or unique prefix of one", .required = true}),
     .run = cmd_ack},
    {.name = "cancel-reply",
     .summary = "what is still owed for a message is not owed any more",
     .about = "The sender of the message may, and the user. Whoever answered already is not concerned.",
     .examples = EXAMPLES("cccc cancel-reply 1042", "cccc cancel-reply 1042 --actor peer-2 --reason \"peer-1 answered for both\""),
     .options = OPTIONS(OPT_GROUP, {.name = "actor", .arg = "ID", .help = "only what these owe; lists with commas", .repeat = true},
                        {.name = "reason", .arg = "TEXT", .help = "why"}, OPT_BY),
     .args = ARGS({.name = "EVENT", .help = "number (seq), event id, or unique prefix of one", .required = true}),
     .run = cmd_cancel_reply},
    {.name = "waits",
     .summary = "who waits for whose reply, and circles of actors that wait for each other",
     .about =
         "An ask, or a send with --wait, says that its sender does nothing else until then. A circle in which nobody does anything else "
         "cannot come about: the ask that "
         "would close it is refused (would_deadlock). Other circles are told to whoever closes them.",
     .examples = EXAMPLES("cccc waits", "cccc waits --json"),
     .options = OPTIONS(OPT_GROUP),
     .run = cmd_waits},
    {.name = "holds",
     .summary = "pairs whose messages are held because they wrote to each other without end",
     .about =
         "What agents may cause to be typed into terminals has budgets (settings guard_*, cccc group settings). Beyond them messages wait "
         "in the inbox; when that goes on, "
         "what the two write to each other is held, and the user is told once. Nobody else is concerned.",
     .examples = EXAMPLES("cccc holds"),
     .options = OPTIONS(OPT_GROUP),
     .run = cmd_holds},
    {.name = "release",
     .summary = "let a pair that is held go on",
     .about =
         "Its budget begins anew, and what was held is handed on as copies, oldest first; with --drop it stays in the ledger only. For "
         "the user.",
     .examples = EXAMPLES("cccc release peer-1 peer-2", "cccc release peer-1 peer-2 --drop"),
     .options = OPTIONS(OPT_GROUP, {.name = "drop", .help = "do not hand on what was held"}, OPT_BY),
     .args = ARGS({.name = "ONE", .help = "an actor, or who else wrote to one", .required = true},
                  {.name = "OTHER", .help = "the other one", .required = true}),
     .run = cmd_release},
    {.name = "tail",
     .summary = "show the ledger's last events, and follow it",
     .about = "Every event comes once and in order. What cannot be had is a row that says what is missing and why. With -f it waits out "
              "restarts of the daemon. -n counts "
              "what the other options select. Columns in a pipe: time, seq, kind, by, to, text; text is escaped to one line. With --json "
              "each line is one event; a "
              "gap is {\"gap\":{\"from_seq\",\"to_seq\",\"reason\"}}.",
     .examples = EXAMPLES("cccc tail -n 100 -f  # the last 100 events, then live",
                          "cccc tail --since 1h --kind chat.message --actor peer-1  # what peer-1 said and was told",
                          "cccc tail --from 1000 --json  # events 1000 and later as JSON lines"),
     .options = OPTIONS(OPT_GROUP,
                        {.name = "lines",
                         .letter = 'n',
                         .arg = "COUNT",
                         .help = "the last COUNT events (default: 50; all with --since or --from)",
                         .type = CLI_NUMBER},
                        {.name = "follow", .letter = 'f', .help = "go on with what is appended"},
                        {.name = "since", .arg = "TIME", .help = "not older than: 90s, 10m, 2h, 3d, today, a date, or RFC 3339"},
                        {.name = "from", .arg = "SEQ", .help = "from this number on"},
                        {.name = "kind",
                         .letter = 'k',
                         .arg = "KIND",
                         .help = "only these kinds; lists with commas",
                         .suggest = kind_word,
                         .type = CLI_LIST,
                         .repeat = true},
                        {.name = "actor", .letter = 'a', .arg = "ID", .help = "only what this actor sent or was sent"},
                        {.name = "raw", .help = "text as it is, control characters included; never to a terminal"}),
     .run = cmd_tail},
    /* ---- state ---- */
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
         "from it says so. Verdicts are ok, note, unknown (only a daemon knows), follows, wrong, damaged. Reads only, starts nothing, "
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
         "of variables, arguments of commands, tokens and passwords are never in it; texts that people and agents wrote only with "
         "--bodies. Starts nothing; without a daemon it takes what the files have, says what is missing, and exits 8.",
     .examples = EXAMPLES("cccc evidence  # of the active group", "cccc evidence --group ops --actor rev --event 1042",
                          "cccc evidence --bodies --output /tmp/evidence.tar.zst  # with the messages' texts"),
     .options = OPTIONS(
         OPT_GROUP, {.name = "actor", .letter = 'a', .arg = "ID", .help = "only what concerns this actor"},
         {.name = "event", .letter = 'e', .arg = "EVENT", .help = "also this event, and what became of it: number, id, or its beginning"},
         {.name = "bodies", .help = "with the texts of messages and notices, but for the secrets found in them"},
         {.name = "output", .letter = 'o', .arg = "FILE", .help = "write it there; the file must not exist", .place = CLI_FILE}),
     .run = cmd_evidence},
    /* ---- daemon ---- */
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
    /* ---- groups ---- */
    {.name = "group",
     .summary = "make, change and remove groups",
     .examples = EXAMPLES("cccc group create \"Demo\"", "cccc group show", "cccc group set-state idle")},
    {.noun = "group",
     .name = "create",
     .summary = "make a group and make it the active one",
     .examples = EXAMPLES("cccc group create \"Release 2\"", "cccc group create --title Demo --topic \"Try things out\""),
     .options = OPTIONS({.name = "title", .arg = "TEXT", .help = "its title (default: working-group)"},
                        {.name = "topic", .arg = "TEXT", .help = "what it is about", .blank = true}, OPT_BY),
     .args = ARGS({.name = "TITLE", .help = "its title, instead of --title"}),
     .run = cmd_group_create},
    {.noun = "group",
     .name = "list",
     .summary = "list the groups, newest activity first",
     .examples = EXAMPLES("cccc group list"),
     .options = OPTIONS(OPT_FORGET_MISSING),
     .run = cmd_groups},
    {.noun = "group",
     .name = "show",
     .summary = "one group's configuration, secrets left out",
     .examples = EXAMPLES("cccc group show  # the active group", "cccc group show Demo --json"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_show},
    {.noun = "group",
     .name = "update",
     .summary = "change a group's title or topic",
     .examples = EXAMPLES("cccc group update --title \"Release 3\"", "cccc group update Demo --topic \"API review\""),
     .options = OPTIONS(OPT_GROUP, {.name = "title", .arg = "TEXT", .help = "the new title"},
                        {.name = "topic", .arg = "TEXT", .help = "the new topic", .blank = true}, OPT_BY),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_update},
    {.noun = "group",
     .name = "use",
     .summary = "make another attached directory the group's active scope",
     .about = "This is about the directory messages and actors work in. `cccc use` is what makes a group the active one.",
     .examples = EXAMPLES("cccc group use Demo ~/src/widget", "cccc group use Demo  # the current directory"),
     .options = OPTIONS(OPT_BY),
     .args = ARGS({.name = "GROUP", .help = "id, unique prefix or unique title", .required = true},
                  {.name = "PATH", .help = "a directory inside the scope (default: the current one)", .place = CLI_DIRECTORY}),
     .run = cmd_group_use},
    {.noun = "group",
     .name = "detach-scope",
     .summary = "detach a directory from a group",
     .examples =
         EXAMPLES("cccc group detach-scope ~/src/widget", "cccc group detach-scope s_c3b177f21e90  # `cccc group show` names the scopes"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "SCOPE", .help = "the scope's key, its directory, or its label", .required = true}),
     .run = cmd_group_detach_scope},
    {.noun = "group",
     .name = "set-state",
     .summary = "set a group to active, idle, paused or stopped",
     .about = "Active: messages and notices are typed. Idle: only what people and actors write. Paused: nothing. None of them starts a "
              "program; how many run is "
              "said, and what starts the others. Stopped is `cccc group stop`.",
     .examples = EXAMPLES("cccc group set-state paused", "cccc group set-state active --group Demo"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "STATE", .help = "active, idle, paused or stopped", .required = true, .words = "active|idle|paused|stopped"}),
     .run = cmd_group_set_state},
    {.noun = "group",
     .name = "start",
     .summary = "start a group's enabled actors",
     .about = "Needs an attached directory. Every enabled actor with a terminal is started, and from then on kept running; disabled ones "
              "stay as they "
              "are. Prints who runs and who failed and why. Exits 8 when one of them did not start.",
     .examples = EXAMPLES("cccc group start", "cccc group start Demo"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_start},
    {.noun = "group",
     .name = "stop",
     .summary = "stop a group's actors",
     .about = "Ends the program of every actor in a terminal. None is disabled: `cccc group start` starts the same ones again. Messages "
              "are still taken "
              "and wait in inboxes and queues.",
     .examples = EXAMPLES("cccc group stop", "cccc group stop Demo"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_stop},
    {.noun = "group",
     .name = "settings",
     .summary = "show or change a group's settings",
     .about = "Without NAME=VALUE it shows every setting as it is in effect, and which have their default. "
              "Everything is kept unless retention_max_age_s or retention_max_bytes is set (0: off): then the oldest sealed segments are "
              "removed, those whose events are all older than so many seconds, or that make the segments' files larger than so many bytes; "
              "never one with an "
              "event that is unread, or still owed an acknowledgement or a delivery. `cccc ledger stat` counts what is left.",
     .examples = EXAMPLES("cccc group settings  # all of them",
                          "cccc group settings default_send_to=broadcast  # messages without --to go to everybody",
                          "cccc group settings retention_max_age_s=7776000  # remove what is older than 90 days and done with"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "NAME=VALUE", .help = "a setting and its new value", .repeat = true, .suggest = cccc_core_setting_name}),
     .run = cmd_group_settings},
    {.noun = "group",
     .name = "delete",
     .summary = "move a group's folder to the trash",
     .about = "The folder goes to trash/ in the home; erased are only its actors' secrets and what their programs printed. The group's "
              "whole id has to "
              "be repeated with --confirm.",
     .examples = EXAMPLES("cccc group delete g_a3610964d661 --confirm g_a3610964d661"),
     .options = OPTIONS(OPT_GROUP, {.name = "confirm", .arg = "ID", .help = "the group's whole id, again"}, OPT_BY),
     .args = ARGS(ARG_GROUP),
     .run = cmd_group_delete},
    {.name = "attach",
     .summary = "attach a directory to a group as a scope",
     .about =
         "Without --group it finds or makes the directory's own group, named by its git remote or path. The group becomes the active one.",
     .examples = EXAMPLES("cccc attach  # the current directory, its own group", "cccc attach ~/src/widget --group Demo"),
     .options = OPTIONS({.name = "group", .letter = 'g', .arg = "GROUP", .help = "attach it to this group (default: the directory's own)"},
                        OPT_BY),
     .args = ARGS({.name = "PATH", .help = "the directory (default: the current one)", .place = CLI_DIRECTORY}),
     .run = cmd_attach},
    {.name = "use",
     .summary = "make a group the active one",
     .about = "Commands without --group are about the active group.",
     .examples = EXAMPLES("cccc use Demo", "cccc use g_a361"),
     .options = OPTIONS(OPT_BY),
     .args = ARGS({.name = "GROUP", .help = "id, unique prefix or unique title", .required = true}),
     .run = cmd_use},
    {.name = "active", .summary = "show the active group", .examples = EXAMPLES("cccc active", "cccc active --json"), .run = cmd_active},
    /* ---- actors ---- */
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
    {.name = "automation",
     .summary = "rules: what is done at certain times",
     .about = "A rule has a trigger (every so often, a cron expression in a time zone, or once at a time) and does one thing: notify "
              "actors, set the group's "
              "state, or start, stop or restart actors (the last two only once). Rules run in groups that run and are active. What is "
              "missed is not made up "
              "for; a rule for once waits. PROTOCOL.md, \"Automation\", has all of it, with the nights on which clocks change.",
     .examples = EXAMPLES("cccc automation list", "cccc automation add sync --every 30m --to @peers \"Commit what you have\"")},
    {.noun = "automation",
     .name = "list",
     .summary = "the rules, what became of them, and when they run next",
     .examples = EXAMPLES("cccc automation list", "cccc automation list --json  # with texts, snippets and the next five runs"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .run = cmd_automation_list},
    {.noun = "automation",
     .name = "show",
     .summary = "one rule, with its next five runs",
     .examples = EXAMPLES("cccc automation show standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_show},
    {.noun = "automation",
     .name = "add",
     .summary = "make a rule",
     .about = "Without --set-state and --control it notifies. In texts, {{interval_minutes}}, {{group_title}}, {{actor_names}} and "
              "{{scheduled_at}} are "
              "filled in.",
     .examples = EXAMPLES("cccc automation add sync --every 30m --to @peers \"Commit what you have\"",
                          "cccc automation add morning --cron \"0 9 * * 1-5\" --timezone Europe/Berlin --snippet standup",
                          "cccc automation add night --at 2026-12-01T22:00:00+01:00 --set-state paused",
                          "cccc automation add fresh --at 2h --control restart --to dev  # two hours from now"),
     .options = OPTIONS(OPT_GROUP, OPT_RULE, {.name = "disabled", .help = "it does not run until it is enabled"}, OPT_BY),
     .args = ARGS({.name = "RULE", .help = "name of the new rule", .required = true}, ARG_RULE_TEXT),
     .run = cmd_automation_add},
    {.noun = "automation",
     .name = "update",
     .summary = "change a rule; what is not named stays",
     .about = "Refused (exit 6) when somebody else changed the rules between the reading and the writing. Another trigger begins anew.",
     .examples = EXAMPLES("cccc automation update sync --every 1h", "cccc automation update sync \"Commit, then say so\""),
     .options = OPTIONS(OPT_GROUP, OPT_RULE, OPT_BY),
     .args = ARGS(ARG_RULE, ARG_RULE_TEXT),
     .run = cmd_automation_update},
    {.noun = "automation",
     .name = "enable",
     .summary = "let a rule run again, from now on",
     .examples = EXAMPLES("cccc automation enable standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_enable},
    {.noun = "automation",
     .name = "disable",
     .summary = "keep a rule, and do not run it",
     .examples = EXAMPLES("cccc automation disable standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_disable},
    {.noun = "automation",
     .name = "remove",
     .summary = "remove a rule",
     .examples = EXAMPLES("cccc automation remove standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_remove},
    {.noun = "automation",
     .name = "run",
     .summary = "run a rule now, beside its schedule",
     .about = "Also one that is disabled, and in a group that is paused or stopped.",
     .examples = EXAMPLES("cccc automation run standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS(ARG_RULE),
     .run = cmd_automation_run},
    {.noun = "automation",
     .name = "next",
     .summary = "when rules run next, five times ahead",
     .about = "Local time of the rule's zone first.",
     .examples = EXAMPLES("cccc automation next", "cccc automation next standup"),
     .options = OPTIONS(OPT_GROUP, OPT_BY),
     .args = ARGS({.name = "RULE", .help = "only this one"}),
     .run = cmd_automation_next},
    {.noun = "automation",
     .name = "snippet",
     .summary = "show, set or remove a text that rules share",
     .examples =
         EXAMPLES("cccc automation snippet standup", "cccc automation snippet standup \"{{actor_names}}: what is done, what is next?\"",
                  "cccc automation snippet standup --remove"),
     .options = OPTIONS(OPT_GROUP, {.name = "remove", .help = "remove it"}, OPT_BY),
     .args = ARGS({.name = "SNIPPET", .help = "its name", .required = true}, {.name = "TEXT", .help = "what it says from now on"}),
     .run = cmd_automation_snippet},
    {.noun = "actor",
     .name = "prompt",
     .summary = "what an actor is told first when its program starts",
     .about = "The group's own words (prompts/CCCC_PREAMBLE.md of its folder), or the built-in ones.",
     .examples = EXAMPLES("cccc actor prompt peer-1"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_ACTOR),
     .run = cmd_actor_prompt},
    /* ---- what a group works on ---- */
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
    /* ---- files and ledgers ---- */
    {.name = "blob",
     .summary = "store and fetch files of a group",
     .examples = EXAMPLES("cccc blob put trace.log", "cccc blob get state/blobs/3f0c_trace.log -o trace.log")},
    {.noun = "blob",
     .name = "put",
     .summary = "store a file and print its blob path",
     .examples = EXAMPLES("cccc blob put trace.log"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS({.name = "FILE", .help = "the file; at most 20 MiB", .required = true, .place = CLI_FILE}),
     .run = cmd_blob_put},
    {.noun = "blob",
     .name = "get",
     .summary = "fetch a blob",
     .examples = EXAMPLES("cccc blob get state/blobs/3f0c_trace.log -o trace.log", "cccc blob get state/blobs/3f0c_trace.log | less"),
     .options = OPTIONS(
         OPT_GROUP,
         {.name = "output",
          .letter = 'o',
          .arg = "FILE",
          .help = "write it there (default: standard output, if that is no terminal); a link is followed, a device or pipe written through",
          .place = CLI_FILE}),
     .args = ARGS(ARG_BLOB),
     .run = cmd_blob_get},
    {.noun = "blob",
     .name = "stat",
     .summary = "size and type of a blob",
     .examples = EXAMPLES("cccc blob stat state/blobs/3f0c_trace.log"),
     .options = OPTIONS(OPT_GROUP),
     .args = ARGS(ARG_BLOB),
     .run = cmd_blob_stat},
    {.name = "ledger",
     .summary = "check, repair and compact ledgers",
     .examples = EXAMPLES("cccc ledger verify", "cccc ledger stat", "cccc ledger compact --force", "cccc ledger repair --group ops")},
    {.noun = "ledger",
     .name = "verify",
     .summary = "check every line, checksum and link of a ledger",
     .about = "Reads only and needs no daemon. Exits 9 when anything is damaged or missing.",
     .examples = EXAMPLES("cccc ledger verify  # the active group's", "cccc ledger verify --all"),
     .options = OPTIONS(OPT_GROUP, {.name = "all", .help = "the ledgers of all groups"}),
     .run = cmd_ledger_verify},
    {.noun = "ledger",
     .name = "stat",
     .summary = "figures of a ledger: events, bytes, first and last",
     .examples = EXAMPLES("cccc ledger stat", "cccc ledger stat --all --json"),
     .options = OPTIONS(OPT_GROUP, {.name = "all", .help = "the ledgers of all groups"}),
     .run = cmd_ledger_stat},
    {.noun = "ledger",
     .name = "snapshot",
     .summary = "save a group's state now, for a quick start",
     .about =
         "The daemon does so by itself: after a seal, every 100,000 events, when a busy group becomes quiet, and when it stops. The file "
         "is a cache in state/ledger/ of the group; nothing is lost without it.",
     .examples = EXAMPLES("cccc ledger snapshot", "cccc ledger snapshot --group ops --json"),
     .options = OPTIONS(OPT_GROUP, {.name = "reason", .arg = "TEXT", .help = "why, for the log"}, OPT_BY),
     .run = cmd_ledger_snapshot},
    {.noun = "ledger",
     .name = "compact",
     .summary = "seal a group's older events now",
     .about =
         "Older events move into compressed segments under state/ledger/ of the group; everything reads them as before. The daemon does so "
         "by itself when ledger.jsonl reaches ledger_max_active_bytes; before that only --force does. The newest "
         "ledger_keep_tail_lines events stay where they are. Then the group's retention rule is applied, if it has one: "
         "`cccc group settings --help`.",
     .examples = EXAMPLES("cccc ledger compact", "cccc ledger compact --group ops --force"),
     .options = OPTIONS(OPT_GROUP, {.name = "reason", .arg = "TEXT", .help = "why, repeated in the result"}, OPT_BY,
                        {.name = "force", .help = "although ledger.jsonl is small"}),
     .run = cmd_ledger_compact},
    {.noun = "ledger",
     .name = "repair",
     .summary = "give up damaged events, so that a group goes on without them",
     .about = "For a ledger whose end is damaged or lost: such a group is served and takes no messages. Restore a backup if there is one. "
              "Without "
              "--accept-loss nothing is changed and what would be done is shown. With it the damaged bytes at the end are copied to "
              "state/ledger/torn/ of the group before they are cut, and a ledger.repair event names the events given up, also those in the "
              "middle of the "
              "ledger; readers go on to be told of the gap, and doctor takes it as known. Refuses while a daemon serves the home. Exits 0 "
              "when there is "
              "nothing to give up or it is done, 9 when there is and --accept-loss was not given, 6 when a daemon serves.",
     .examples = EXAMPLES("cccc ledger repair --group ops  # what it would do",
                          "cccc ledger repair --group ops --accept-loss  # behind `cccc daemon stop`"),
     .options = OPTIONS(OPT_GROUP, {.name = "accept-loss", .help = "do it: the events named are given up"}),
     .run = cmd_ledger_repair},
    {.name = "backup",
     .summary = "make, check and list backups of the home",
     .about = "A backup is a folder shaped like a home, with a manifest.json of checksums. It holds the registry, settings, secrets (mode "
              "0600) and "
              "all groups; not the daemon's own files, the trash, and other backups. A plain copy of the home (cp -a) is a backup too, "
              "without a manifest.",
     .examples = EXAMPLES("cccc backup create", "cccc backup verify ~/.cccc/backups/20260314T091500Z --drill", "cccc backup list")},
    {.noun = "backup",
     .name = "create",
     .summary = "back up the home, also while the daemon serves",
     .about = "Each group is copied as it was at one moment: its ledger up to the last whole event, with everything that belongs to those "
              "events. "
              "The folder gets its name once all of it is on disk. Exits 9 when something was damaged in the home; the backup is made all "
              "the same.",
     .examples = EXAMPLES("cccc backup create  # in backups/ of the home", "cccc backup create /mnt/disk/cccc-monday"),
     .args = ARGS({.name = "DIR", .help = "the folder to make (default: backups/ of the home, named by the time)", .place = CLI_DIRECTORY}),
     .run = cmd_backup_create},
    {.noun = "backup",
     .name = "verify",
     .summary = "check every file and every ledger line of a backup",
     .about = "Reads only. --drill then serves a copy of it with a scratch daemon and compares last events, read cursors, unread "
              "messages and who owes what with the "
              "manifest. That daemon only serves (ccccd --serve-only): it starts no actor, delivers nothing and runs no automation. What "
              "could not be compared makes the result \"partial\" instead of \"sound\", and a note says what it is. "
              "Exits 9 when anything is damaged or missing.",
     .examples = EXAMPLES("cccc backup verify ~/.cccc/backups/20260314T091500Z", "cccc backup verify /mnt/disk/cccc-monday --drill"),
     .options = OPTIONS({.name = "drill", .help = "serve a copy of it and compare what the daemon says"}),
     .args = ARGS({.name = "DIR", .help = "the backup", .required = true, .place = CLI_DIRECTORY}),
     .run = cmd_backup_verify},
    {.noun = "backup",
     .name = "list",
     .summary = "list the backups in a folder",
     .examples = EXAMPLES("cccc backup list", "cccc backup list /mnt/disk --json"),
     .args = ARGS({.name = "DIR", .help = "the folder they are in (default: backups/ of the home)", .place = CLI_DIRECTORY}),
     .run = cmd_backup_list},
    {.name = "restore",
     .summary = "put a backup in the place of the home",
     .about = "Refuses while a daemon serves the home, but for --dry-run. The backup is verified first; the home as it was is kept beside "
              "the new one, and "
              "nothing is deleted. The daemon "
              "stays stopped. Actors that still run belong to the home as it was: they are named, and end within seconds. Followers of a "
              "ledger that is older now are told so (lineage_changed). Exits 6 when a daemon serves, 9 when "
              "the backup is damaged.",
     .examples = EXAMPLES("cccc restore ~/.cccc/backups/20260314T091500Z --dry-run  # what would change",
                          "cccc restore /mnt/disk/cccc-monday  # behind `cccc daemon stop`"),
     .options = OPTIONS({.name = "dry-run", .help = "say what would be done, and change nothing"},
                        {.name = "accept-damage", .help = "restore a damaged backup all the same"}),
     .args = ARGS({.name = "DIR", .help = "the backup, or a plain copy of a home", .required = true, .place = CLI_DIRECTORY}),
     .run = cmd_restore},
    /* ---- proofs and words ---- */
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

const size_t cli_command_count = sizeof cli_commands / sizeof *cli_commands;

const struct cli_command *cli_command_find(const char *noun, const char *name)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *row = &cli_commands[i];
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
