/* cli.h - what the parts of the `cccc` command share: the command table, the parsed command line, output, targets, the daemon's life.
 *
 * One table (commands.c) says what commands exist, what they take and who carries them out; parsing, help, completions and man pages are made
 * from it. A handler gets a `struct cli`, does its work through it and returns the exit status.
 * Rules for output: stdout carries data, stderr carries words. With --json stdout carries exactly one envelope, or JSON lines for streams.
 * Nothing another program or actor wrote reaches a terminal unescaped (escape.h).
 * Thread: one. */
#pragma once

#include "broker/store/store.h"
#include "clients/cli/escape.h"
#include "clients/lib/include/cccc.h"
#include "proto/err.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cli;

/* What commands about the daemon itself exit with when there is none, as systemctl and LSB do. */
#define CLI_EXIT_NOT_RUNNING 3
/* It was not done: the state of what was named forbids it. */
#define CLI_EXIT_CONFLICT 6
/* Some of it was done, and the answer says what was not. */
#define CLI_EXIT_PARTLY 8
/* The message is stored; no reply came within the time that was given. */
#define CLI_EXIT_NO_REPLY 10

/* ---- the command table (commands.c) ---- */

enum cli_type { CLI_TEXT, CLI_NUMBER, CLI_POSITIVE, CLI_LIST };
enum cli_place { CLI_NOWHERE, CLI_FILE, CLI_DIRECTORY };

/* The i-th word that may be meant, or NULL behind the last: what a shell completes where other words are possible, too. */
typedef const char *(*cli_suggest_fn)(size_t i);

struct cli_option {
    const char *name;  /* without dashes; NULL ends a list */
    const char *also;  /* "actor|by": other names it is understood by, without dashes; NULL: none */
    const char *arg;   /* what its value is called; NULL: a flag */
    const char *help;  /* a phrase without a full stop */
    const char *words; /* "auto|always|never": the only values; NULL: any */
    enum cli_type type;
    enum cli_place place; /* what a shell completes */
    cli_suggest_fn suggest;
    char letter; /* 0: no short form */
    bool repeat; /* may be given more than once */
    bool blank;  /* may be empty */
};

struct cli_argument {
    const char *name; /* NULL ends a list */
    const char *help;
    bool required;
    bool repeat; /* the last one only */
    bool blank;  /* may be empty */
    const char *words;
    enum cli_place place;
    cli_suggest_fn suggest;
};

struct cli_command {
    const char *noun; /* "group" for `group create`; NULL for a command of one word */
    const char *name;
    const char *summary;              /* a phrase without a full stop */
    const char *about;                /* whole sentences for help and manual; NULL: the summary says it all */
    const char *const *examples;      /* NULL-ended; the line as typed, then two spaces, #, and what it does */
    const struct cli_option *options; /* its own; the common ones are added everywhere */
    const struct cli_argument *args;
    int (*run)(struct cli *cli); /* NULL: a noun whose verbs follow */
};

/* The i-th row of the table, in the order help shows them; NULL behind the last. */
const struct cli_command *cli_command_at(size_t i);
/* Options every command takes. */
extern const struct cli_option cli_common_options[];

/* The row of `noun` (may be NULL) and `name`, or NULL. */
const struct cli_command *cli_command_find(const char *noun, const char *name);
/* "group create"; static until the next call. */
const char *cli_command_path(const struct cli_command *command);
/* Arrays that are never NULL. */
const struct cli_option *cli_command_options(const struct cli_command *command);
const struct cli_argument *cli_command_args(const struct cli_command *command);

/* ---- the parsed command line (parse.c) ---- */

struct cli_value {
    const struct cli_option *option;
    const char *text; /* NULL for a flag */
};

struct cli_line {
    const struct cli_command *command; /* NULL: bare `cccc` */
    struct cli_value *values;          /* options in the order given */
    size_t value_count;
    const char **args; /* positional, NULL-ended */
    size_t arg_count;
    bool help, version; /* --help, --version: nothing else was checked */
};

/* Understand argv. False: *problem and *hint say what is wrong and what to do; the line is filled as far as it was understood. Borrows argv. */
bool cli_parse(int argc, char **argv, struct cli_line *line, char *problem, size_t problem_size, char *hint, size_t hint_size);
void cli_line_fini(struct cli_line *line);
/* The nearest of `count` words to `word`, or NULL when none is near enough to be meant. */
const char *cli_nearest(const char *word, const char *const *words, size_t count);

/* ---- one run ---- */

struct cli {
    struct cli_line line;
    bool tty;   /* stdout is a terminal */
    bool color; /* on stdout */
    bool json;
    bool streaming; /* JSON lines instead of an envelope: an error is a line too */
    int width;      /* columns of the terminal */
    int patience_s; /* how long to wait for answers unless --timeout says; 0: 30 */
    int64_t now_us; /* wall clock at the start */
    cccc_arena_t *arena;
    struct cccc_home home;
    bool home_known;
    const char *scratch_hint; /* the home is gone when an error is read: what helps instead of looking into it; NULL: it stays */
    cccc_t *client;
    const char *program; /* argv[0] */
};

/* Values of the command line. The option must be one the command takes (asserted). */
const char *cli_option(const struct cli *cli, const char *name); /* NULL: not given */
/* The same of any command; NULL also where it takes no such option. */
const char *cli_option_if_taken(const struct cli *cli, const char *name);
bool cli_flag(const struct cli *cli, const char *name);
uint64_t cli_number(const struct cli *cli, const char *name, uint64_t otherwise);
/* All values of a repeatable option, in order; the array lives in the arena. */
size_t cli_values(const struct cli *cli, const char *name, const char *const **items);
/* The same with comma lists split and blanks trimmed; the items live in the arena too. */
size_t cli_list(struct cli *cli, const char *name, const char *const **items);
/* The same for one text. */
size_t cli_list_of(struct cli *cli, const char *text, const char *const **items);
/* The i-th positional argument or NULL. */
const char *cli_arg(const struct cli *cli, size_t i);

/* ---- output (out.c) ---- */

enum cli_style { STYLE_NONE, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_BLUE, STYLE_MAGENTA, STYLE_CYAN };

/* Find out what stdout is: terminal, colours, width, JSON. Behind cli_parse, before anything is printed. */
void cli_out_init(struct cli *cli);
/* Escape sequences, or "" where colours are off. */
const char *cli_style(const struct cli *cli, enum cli_style style);
const char *cli_plain(const struct cli *cli);
/* A colour that stays with a name. */
enum cli_style cli_style_of(cccc_str_t name);
/* {"ok":true,"result":...} on stdout. Returns 0. */
int cli_result(struct cli *cli, const cccc_value_t *result);
/* One value on a line of its own, compact, then a flush (streams). */
void cli_json_line(struct cli *cli, const cccc_value_t *value);
/* Words for the reader, on stderr; nothing with --json. */
void cli_say(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As words about what was done: it will not do what was meant, and what to do then. Neither line can do anything to a terminal. */
void cli_warn(const struct cli *cli, const char *next, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* An error: words on stderr, or the envelope on stdout with --json. `hint` (may be NULL) is what to do next. Returns the exit status of `err`. */
int cli_fail(struct cli *cli, cccc_err_t err, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same for what libcccc reported. */
int cli_fail_with(struct cli *cli, const struct cccc_error *error);
/* What to do next after an error of this kind; NULL: it depends on the command. */
const char *cli_hint(cccc_err_t err);
/* "did you mean X?" for the nearest of `words`, else `otherwise`; in the arena. */
const char *cli_did_you_mean(struct cli *cli, const char *word, const char *const *words, size_t count, const char *otherwise);
/* Flush stdout; an output that cannot be written turns success into failure. */
int cli_finish(struct cli *cli, int status);

/* Text of many lines, which ends with one; on a terminal escaped. `raw`: as it is, to the byte. */
void cli_print_text(const struct cli *cli, cccc_str_t text, bool raw);
/* A named fact on a line of its own: "name    value", or the two with a tab between them. Escaped. */
void cli_fact(struct cli *cli, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- columns (fold.c) ---- */

/* Print escaped text in the column that begins at `column`, folded at blanks to the width of the terminal. The cursor is `used` columns into it. Later
 * lines begin at `column`, those behind a line feed with `gutter` before it. `hard`: words that are wider are cut. Nothing follows the last line. */
void cli_print_folded(struct cli *cli, cccc_str_t text, size_t column, size_t used, const char *gutter, bool hard);
/* Ask the terminal for its width again: it may have been resized. */
void cli_look_at_width(struct cli *cli);

/* ---- tables (table.c): columns aligned on a terminal, tab-separated and without headings elsewhere ---- */

typedef struct cli_table cli_table_t;
/* Without rows; `headings`, `columns` of them, are borrowed. Ended by cli_table_print or cli_table_free. */
cli_table_t *cli_table_new(struct cli *cli, const char *const *headings, size_t columns);
/* The next cell, row by row. Text is copied and escaped; `style` applies on a terminal with colours. */
void cli_cell(cli_table_t *self, cccc_str_t text, enum cli_style style);
void cli_cell_fmt(cli_table_t *self, enum cli_style style, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A time: relative on a terminal, RFC 3339 elsewhere; "-" when empty. */
void cli_cell_time(cli_table_t *self, cccc_str_t ts);
/* The cells of one text member of a map, or "-" when it is missing or empty. */
void cli_cell_of(cli_table_t *self, const cccc_value_t *map, const char *key, enum cli_style style);
/* Print and free; takes and nulls. */
void cli_table_print(cli_table_t **self);
void cli_table_free(cli_table_t **self);

/* ---- lists in answers ---- */

/* How many items an array has; none when it is missing or no array. */
static inline uint32_t cli_count(const cccc_value_t *array)
{
    return array != NULL && array->type == MSGPACK_OBJECT_ARRAY ? array->via.array.size : 0;
}

/* The i-th of them. */
static inline const cccc_value_t *cli_item(const cccc_value_t *array, uint32_t i)
{
    return &array->via.array.ptr[i];
}

/* ---- the daemon (daemon.c, connect.c) ---- */

/* Resolve the home once; true when known, else the failure was reported and *status is what to exit with. */
bool cli_home(struct cli *cli, int *status);
/* The daemon of this home, by its descriptor; false when none lives: *pid is then the one that died, or 0. */
bool cli_daemon(struct cli *cli, int32_t *pid, cccc_str_t *version);
/* True when `cccc daemon stop` was the last word about this home's daemon. */
bool cli_is_stopped(struct cli *cli);
bool cli_mark_stopped(struct cli *cli, bool stopped);
/* Take the lock of `home`, so that no daemon serves it and none starts, for as long as this process lives. Makes what is missing of it. 0, or the exit
 * status of the failure reported. */
int cli_lock_home(struct cli *cli, struct cccc_home *home);
/* Report that daemon `pid` serves the home; the exit status. */
int cli_refuse_served(struct cli *cli, int32_t pid);
/* The daemon's program: beside this one, where the package puts it, or in PATH. NULL: nowhere. In the arena. */
const char *cli_daemon_program(struct cli *cli);
/* Our environment without CCCC_* but CCCC_HOME, which is cli->home, and what begins with `kept` (NULL: nothing more). In the arena. */
char **cli_clean_environment(struct cli *cli, const char *kept);
/* Make the daemon run: 0 and *started, or an error was reported and the exit status is returned. */
int cli_daemon_start(struct cli *cli, bool *started);
/* The same with one that only serves what is there (ccccd --serve-only). */
int cli_daemon_start_serve_only(struct cli *cli, bool *started);
/* Wait until process `pid` is gone; 0 is nobody. False after timeout_ms. */
bool cli_wait_gone(int32_t pid, int timeout_ms);
/* The daemon that holds the home's lock: it starts, serves or ends. Its pid, or 0. */
int32_t cli_locking_daemon(struct cli *cli);
/* The daemon that is ending: it has taken back its descriptor and ccccd.pid, and holds the home's lock until it is gone. Its pid, or 0. */
int32_t cli_ending_daemon(struct cli *cli);
/* The daemon promises to be gone within 2 s of a stop. */
#define CLI_STOP_MS_MAX 10000
/* --timeout, else `otherwise_s`, in milliseconds; at least 1. */
int cli_timeout_ms(const struct cli *cli, int otherwise_s);

enum cli_reach { CLI_START_IT, CLI_ONLY_RUNNING };
/* Connect cli->client. 0, or the exit status of the failure reported. */
int cli_connect(struct cli *cli, enum cli_reach reach);
/* Connect without reporting: false and *error. */
bool cli_try_connect(struct cli *cli, struct cccc_error *error);
/* Arguments that name the group; and, when --by was given, who does it. */
cccc_args_t *cli_group_args(const char *group);
cccc_args_t *cli_args(struct cli *cli, const char *group);
/* Ask, waiting; *result lives in the arena. 0, or the exit status of the failure reported. Takes *args. */
int cli_ask(struct cli *cli, const char *op, cccc_args_t **args, const cccc_value_t **result);
/* The same for commands that ask again and again: the answer is not kept, free the reply (which may be NULL when it is not wanted). */
int cli_ask_once(struct cli *cli, const char *op, cccc_args_t **args, cccc_reply_t **reply);
/* The second step of commands that have just done `done` ("made group g_1"): make the group the active one. When that fails, the report says that the
 * first step stays done; an actor, which may not, does without it: *active is false. 0, or the exit status. */
int cli_make_active(struct cli *cli, const char *group, const char *done, bool *active);
#define CLI_ACTIVE_STAYS "the active group stays what it is, because an actor does not change it: name this one with --group"
/* cli_ask without reporting: false and *error. */
bool cli_try(struct cli *cli, const char *op, cccc_args_t **args, const cccc_value_t **result, struct cccc_error *error);

/* ---- who and what is meant (target.c) ---- */

/* What the environment says of the home that is asked; NULL: nothing. What it says of another one, in whose actor's terminal we are, is said not to count. */
const char *cli_environment(struct cli *cli, const char *variable);
/* The group: --group, else CCCC_GROUP_ID, else the active one; ids, unique prefixes of ids and unique titles. Connects. *group lives in the arena. 0 or
 * the exit status of the failure reported. */
int cli_group(struct cli *cli, const char **group);
/* cli_group, and a question about it that needs nothing more. */
int cli_ask_group(struct cli *cli, const char *op, const char **group, const cccc_value_t **result);
/* The same for a name that was given as `word` (NULL: as above). */
int cli_group_named(struct cli *cli, const char *word, const char **group);
/* Without a daemon: from the files of the home. */
int cli_group_offline(struct cli *cli, const char *word, const char **group);
/* The actor: `given` (may be NULL), else CCCC_ACTOR_ID. 0 or the exit status of the failure reported. */
int cli_actor(struct cli *cli, const char *given, const char **actor);
/* The directories of a group's scopes in words, for errors about paths in none of them; in the arena. */
const char *cli_scopes_said(struct cli *cli, const cccc_value_t *scopes);
/* The ids of a group's actors, NULL-ended; in the arena. 0 or the exit status of the failure reported. */
int cli_actor_ids(struct cli *cli, const char *group, const char *const **ids, size_t *count);
/* Report that the group has no such actor, and who may have been meant. Returns the exit status. */
int cli_fail_no_actor(struct cli *cli, const char *group, const char *actor, const char *const *ids, size_t count);
/* An event id from a whole id, a unique prefix of one, a seq, or #seq. */
int cli_event(struct cli *cli, const char *group, const char *word, const char **event_id);
/* The caller's path made absolute, links resolved; in the arena. 0 or the exit status of the failure reported. */
int cli_path(struct cli *cli, const char *path, const char **out);
/* "12" or "#12" as a seq. */
bool cli_seq(const char *word, uint64_t *seq);

/* ---- actors as they are (actors.c) ---- */

/* The rows of a group's actors, with unread messages and what runs. 0 or the exit status of the failure reported. */
int cli_actors(struct cli *cli, const char *group, const cccc_value_t **actors);
/* The row of one of them, or NULL. */
const cccc_value_t *cli_actor_row(const cccc_value_t *actors, cccc_str_t id);
/* Is there no such actor? Then that is what is wrong, and its exit status. 0: there is. */
int cli_fail_unless_actor(struct cli *cli, const char *group, const char *id);
/* What it is doing, in a word or a few: "running", "stopped", "exited 7", "enabled" (a program of its own on the bus). Static or in the arena. */
const char *cli_actor_state(struct cli *cli, const cccc_value_t *actor);
enum cli_style cli_actor_state_style(const cccc_value_t *actor);
/* True when cccc runs it in a terminal. */
bool cli_actor_has_terminal(const cccc_value_t *actor);
/* How its last run ended: "code 7, by itself", "signal 9, asked for". In the arena. */
const char *cli_actor_exit(struct cli *cli, const cccc_value_t *exit);
/* The cells STATE, UNREAD, OWES, QUEUED, IDLE, DELIVERY, EXIT and ENDED of a list of actors. */
void cli_actor_cells(struct cli *cli, cli_table_t *table, const cccc_value_t *actor);

/* ---- times (times.c) ---- */

/* "12s ago", "3m ago", "2h ago", "5d ago"; "now" within a second. */
void cli_relative_time(char *out, size_t size, int64_t then_us, int64_t now_us);
/* "90s", "10m", "2h", "3d", "1w", "today", "yesterday", a date, or RFC 3339, as microseconds since 1970. */
bool cli_since(const char *text, int64_t now_us, int64_t *out_us);
/* "90s", "10m", "1h30m": a length of time. */
bool cli_duration(const char *text, int64_t *seconds);
/* "4.2 MiB". */
void cli_size(char *out, size_t size, uint64_t bytes);

/* ---- events (show.c) ---- */

/* What an event says in one piece of text, unescaped: the message of chat and notices, a phrase for the others. */
void cli_event_text(const cccc_value_t *event, cccc_buf_t *out);
/* Recipients as "lead,peer-1" or "@all"; nothing for kinds without recipients. */
void cli_event_to(const cccc_value_t *event, cccc_buf_t *out);
/* True when `actor` sent the event, or it is addressed to it, or about it. */
bool cli_event_concerns(const cccc_value_t *event, cccc_str_t actor);
/* One event of a stream, as `tail` and `inbox --follow` print it. `raw`: text as it is (never on a terminal). */
void cli_print_event(struct cli *cli, const cccc_value_t *event, bool raw);
/* On a terminal: what must not be overlooked, on a line of its own. */
void cli_say_loud(struct cli *cli, const char *text);
/* A stretch of the ledger that cannot be had; to_seq 0: nobody knows how far. `reason` is a word of the protocol. */
void cli_print_gap(struct cli *cli, uint64_t from_seq, uint64_t to_seq, const char *reason);

/* The next item of a stream that is written to stdout: as cccc_follow_next without a time-out, but 0 also when nobody reads stdout any more (cli_is_unread). */
int cli_follow_next(cccc_follow_t *follow, struct cccc_item *item, struct cccc_error *error);
/* stdout is a pipe or socket whose reader has gone: what is written there reaches nobody. */
bool cli_is_unread(void);

/* What a daemon's `status` answer says is not well, one fact each. */
void cli_print_degraded(struct cli *cli, const cccc_value_t *status);
/* What a group is: offline, read-only, stopped, or its state. `health` has offline and read_only, `group` state and running (a row of `groups` has all four). */
const char *cli_group_state(struct cli *cli, const cccc_value_t *health, const cccc_value_t *group);
/* What is gone of a registered group that is not there: "PATH is gone", "PATH holds neither ...". */
const char *cli_lost_what(struct cli *cli, const char *group);
/* The groups table of `status` and `groups`; `active` (may be "") is marked. */
void cli_print_groups(struct cli *cli, const cccc_value_t *groups, cccc_str_t active);

/* ---- runtimes (commands/runtime.c) ---- */

/* "claude (2.1.0), codex": the known agent programs found in PATH, with what they say of their version; "" when there is none. In the arena. */
const char *cli_runtimes_found(struct cli *cli);

/* ---- help made from the table (help.c, man.c, complete.c), and what is said for all commands together (topics.c) ---- */

struct cli_exit {
    const char *code, *meaning;
};
extern const struct cli_exit cli_exits[]; /* ends with a NULL code */
/* A topic's text, or with "topics" their list. False: there is none of that name. */
bool cli_topic_print(const char *name);

/* --help of a command; and of cccc itself. To stdout. */
void cli_help_print(struct cli *cli, const struct cli_command *command);
void cli_help_overview(struct cli *cli);
/* The manual page of a noun or one-word command, or of cccc itself (NULL), as mdoc(7). */
void cli_man_print(const char *noun, FILE *out);
/* The completion script for "bash", "zsh" or "fish". False: no such shell. */
bool cli_complete_print(const char *shell, FILE *out);

/* ---- other small things (util.c) ---- */

/* All of stdin or a file up to `max` bytes, in the arena. 0 or the exit status of the failure reported. */
int cli_read_stdin(struct cli *cli, size_t max, cccc_str_t *out);
/* A file up to `max` bytes, or standard input for "-", in the arena. 0 or the exit status of the failure reported. */
int cli_read_file(struct cli *cli, const char *path, size_t max, cccc_str_t *out);
/* A text as it is, anything else as JSON; in the arena. */
const char *cli_value_text(struct cli *cli, const cccc_value_t *value);
/* The last `max` bytes of a file, from the beginning of a line on (of all of it when it is shorter), in the arena; *before: how many bytes come before them. 0 or
 * -errno. */
int cli_file_end(struct cli *cli, const char *path, uint64_t max, cccc_str_t *out, uint64_t *before);
/* Split a command line as a shell would: blanks, quotes, backslashes; no expansion. False: an unclosed quote. */
bool cli_split(struct cli *cli, const char *text, const char *const **words, size_t *count);
/* The file a shell would run for `program`: the first executable one of that name in PATH. NULL: none. In the arena. */
const char *cli_in_path(struct cli *cli, const char *program);
/* The first line `path argument` prints; "" when there is none within `timeout_ms`. It is ended then. program.c */
const char *cli_first_line(struct cli *cli, const char *path, const char *argument, int timeout_ms);
/* Remove a scratch directory of ours and all in it; true when it is gone. scratch.c */
bool cli_remove_tree(const char *path);
/* Where scratch directories are made: TMPDIR, else /tmp. */
const char *cli_scratch_base(void);
/* Make a scratch directory, 0700, in it; in the arena. NULL: errno says why. */
char *cli_scratch(struct cli *cli, const char *name);
/* Delete a group that this command made, also out of the trash, by whichever daemon serves cli->home now; it is asked for some seconds while it is busy.
 * False: *error, which says how to remove what stayed. */
bool cli_remove_group(struct cli *cli, const char *group, struct cccc_error *error);
/* From now on the first SIGINT, SIGTERM or SIGHUP that is not ignored is only remembered, so that a command can clean up; the second one ends the program at once. */
void cli_defer_signals(void);
/* The signal remembered, or 0. */
int cli_signal(void);
char *cli_printf(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As a word of a shell: in quotes where it needs them; in the arena. */
const char *cli_quoted(struct cli *cli, const char *word);

/* ---- waiting for replies (wait_reply.c) ---- */

/* Wait until everybody who owes a reply to the message in `result` (an answer of send) has replied, or need not any more, printing replies as they come; signals were deferred before; with
 * --json the whole at the end. At most `seconds`. 0: everybody asked replied; CLI_EXIT_NO_REPLY: not everybody, and it was said why; 128 and a signal's number: it was interrupted, and
 * the broker knows; or the exit status of the failure reported. */
int cli_wait_for_replies(struct cli *cli, const char *group, const cccc_value_t *result, int64_t seconds);
/* Of a wait of so many seconds, how many the send tells the broker of: the rest is said while waiting, because a program may be killed. */
int64_t cli_wait_lease(int64_t seconds);
/* The texts of a list, one behind the other with `between` between them; in the arena. */
const char *cli_joined(struct cli *cli, const cccc_value_t *list, const char *between);
/* What a send says of a circle it closed (`cycle` of its answer; NULL: nothing), and what is held in a group. commands/waits.c */
void cli_print_cycle(struct cli *cli, const cccc_value_t *names);
void cli_print_holds(struct cli *cli, const cccc_value_t *holds, const char *group);

/* ---- changes of the context (commands/context.c) ---- */

/* An op of context_sync, with its name in it so far. */
cccc_builder_t cli_context_op(struct cli *cli, const char *name);
/* Add what `option` was given, if it was. */
void cli_context_field(struct cli *cli, cccc_builder_t *op, const char *field, const char *option);
/* Carry it out and say what was done; the exit status. */
int cli_context_change(struct cli *cli, const cccc_builder_t *op);

/* ---- the commands (cmd_*.c) ---- */

/* Each carries out one row of the table, named like it (cmd_home: `cccc` alone), and returns the exit status; what went wrong has been said. */
int cmd_home(struct cli *cli);
int cmd_daemon_start(struct cli *cli);
int cmd_daemon_stop(struct cli *cli);
int cmd_daemon_restart(struct cli *cli);
int cmd_daemon_status(struct cli *cli);
int cmd_daemon_logs(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_triage(struct cli *cli);
int cmd_evidence(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_groups(struct cli *cli);
int cmd_group_create(struct cli *cli);
int cmd_group_show(struct cli *cli);
int cmd_group_update(struct cli *cli);
int cmd_group_use(struct cli *cli);
int cmd_group_detach_scope(struct cli *cli);
int cmd_group_set_state(struct cli *cli);
int cmd_group_start(struct cli *cli);
int cmd_group_stop(struct cli *cli);
int cmd_group_settings(struct cli *cli);
int cmd_group_delete(struct cli *cli);
int cmd_attach(struct cli *cli);
int cmd_use(struct cli *cli);
int cmd_active(struct cli *cli);
int cmd_actor_list(struct cli *cli);
int cmd_actor_add(struct cli *cli);
int cmd_actor_show(struct cli *cli);
int cmd_actor_update(struct cli *cli);
int cmd_actor_remove(struct cli *cli);
int cmd_actor_start(struct cli *cli);
int cmd_actor_stop(struct cli *cli);
int cmd_actor_restart(struct cli *cli);
int cmd_actor_secrets(struct cli *cli);
int cmd_actor_tail(struct cli *cli);
int cmd_actor_clear(struct cli *cli);
int cmd_actor_attach(struct cli *cli);
int cmd_template_export(struct cli *cli);
int cmd_template_preview(struct cli *cli);
int cmd_template_import(struct cli *cli);
int cmd_template_create(struct cli *cli);
int cmd_context_show(struct cli *cli);
int cmd_context_vision(struct cli *cli);
int cmd_context_sketch(struct cli *cli);
int cmd_context_milestone(struct cli *cli);
int cmd_context_note(struct cli *cli);
int cmd_context_reference(struct cli *cli);
int cmd_context_forget(struct cli *cli);
int cmd_context_presence(struct cli *cli);
int cmd_context_sync(struct cli *cli);
int cmd_task_list(struct cli *cli);
int cmd_task_show(struct cli *cli);
int cmd_task_add(struct cli *cli);
int cmd_task_update(struct cli *cli);
int cmd_task_step(struct cli *cli);
int cmd_actor_prompt(struct cli *cli);
int cmd_runtime_list(struct cli *cli);
int cmd_send(struct cli *cli);
int cmd_reply(struct cli *cli);
int cmd_inbox(struct cli *cli);
int cmd_read(struct cli *cli);
int cmd_ask(struct cli *cli);
int cmd_waits(struct cli *cli);
int cmd_holds(struct cli *cli);
int cmd_release(struct cli *cli);
int cmd_why(struct cli *cli);
int cmd_recall(struct cli *cli);
int cmd_obligations(struct cli *cli);
int cmd_ack(struct cli *cli);
int cmd_cancel_reply(struct cli *cli);
int cmd_automation_list(struct cli *cli);
int cmd_automation_show(struct cli *cli);
int cmd_automation_next(struct cli *cli);
int cmd_automation_add(struct cli *cli);
int cmd_automation_update(struct cli *cli);
int cmd_automation_enable(struct cli *cli);
int cmd_automation_disable(struct cli *cli);
int cmd_automation_remove(struct cli *cli);
int cmd_automation_run(struct cli *cli);
int cmd_automation_snippet(struct cli *cli);
int cmd_tail(struct cli *cli);
int cmd_blob_put(struct cli *cli);
int cmd_blob_get(struct cli *cli);
int cmd_blob_stat(struct cli *cli);
int cmd_ledger_verify(struct cli *cli);
int cmd_ledger_stat(struct cli *cli);
int cmd_ledger_snapshot(struct cli *cli);
int cmd_ledger_compact(struct cli *cli);
int cmd_ledger_repair(struct cli *cli);
int cmd_backup_create(struct cli *cli);
int cmd_backup_verify(struct cli *cli);
int cmd_backup_list(struct cli *cli);
int cmd_restore(struct cli *cli);
int cmd_demo(struct cli *cli);
int cmd_smoke(struct cli *cli);
int cmd_bench(struct cli *cli);
int cmd_version(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_completion(struct cli *cli);
