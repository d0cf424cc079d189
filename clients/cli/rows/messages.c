/* messages.c - rows of the table of commands: send, ask, read, follow: what is done with messages every day. See rows.h.
 *
 * Thread: none; constant. */
#include "clients/cli/rows/rows.h"
#include "proto/kinds.h"

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
#define ARG_TEXT                                                                                                                           \
    {                                                                                                                                      \
        .name = "TEXT", .help = "the message; - reads it from standard input", .blank = true                                               \
    }

static const char *kind_word(size_t i)
{
    size_t kind = CCCC_KIND_UNKNOWN + 1 + i;
    return kind < CCCC_KIND_COUNT ? cccc_kind_word((cccc_kind_t)kind) : NULL;
}

static const struct cli_command rows[] = {
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
         "come), cancelled, withdrawn, expired, held, nobody else was asked, or the daemon was stopped for good. When the group is deleted "
         "it exits 3. "
         "Interrupted, it tells the broker that nobody waits any more; killed, that is known after 10 s at most: others may then ask back "
         "and wait.",
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
     .about =
         "Everything up to the event counts as read. An attention message that is named by its own recipient is acknowledged by this: by "
         "CCCC_ACTOR_ID, or by --by with the same name as --actor-id. Whoever marks it for somebody else acknowledges nothing, and is told "
         "so.",
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
              "acknowledged, replied, and cancelled or recalled; left is who left the group before any of them, and who came later "
              "under that name is another one.",
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
     .about = "Doing it again does nothing. It does not mark anything as read. Exits 6 when nothing is owed any more for another reason "
              "(cancelled, withdrawn, expired, replied, left): then nothing is written, and nothing is acknowledged.",
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
     .summary = "who waits for whose reply, and a circle of each knot of actors that wait for each other",
     .about =
         "An ask, or a send with --wait, says that its sender does nothing else until then. A circle in which nobody does anything else "
         "cannot come about: the ask that "
         "would close it is refused (would_deadlock). Other circles are told to whoever closes them. Where actors all wait for each other, "
         "in a knot, "
         "one circle of the knot is shown; it is said when the knot has others.",
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
};

const struct cli_rows cli_rows_messages = {rows, sizeof rows / sizeof *rows};
