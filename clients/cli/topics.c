/* topics.c - help that belongs to no single command: exit statuses, output, names of things. `cccc help TOPIC`, and parts of cccc(1).
 *
 * Thread: none; constant. */
#include "clients/cli/cli.h"

#include <stdio.h>
#include <string.h>

const struct cli_exit cli_exits[] = {
    {"0", "done"},
    {"1", "it failed, for a reason that is none of these"},
    {"2", "the command line or an argument is wrong; nothing was done"},
    {"3", "what was named does not exist, or the daemon does not run (status, daemon status)"},
    {"4", "not allowed"},
    {"5", "the daemon cannot be reached, or was stopped on purpose"},
    {"6", "conflict: it exists already, or its state forbids this"},
    {"7", "time-out: the outcome is unknown"},
    {"8", "partly done"},
    {"9", "stored data is damaged"},
    {"10",
     "the message is stored, but not everybody asked has replied: not in time, it was cancelled, withdrawn, expired or held, or nobody was "
     "asked (ask, send --wait)"},
    {"130", "interrupted (as a shell says it)"},
    {"143", "terminated (likewise)"},
    {NULL, NULL},
};

static void print_exits(void)
{
    for (const struct cli_exit *exit = cli_exits; exit->code; exit++)
        printf("%5s  %s\n", exit->code, exit->meaning);
}

static void print_names(void)
{
    puts("A group is its id (g_a3610964d661), a unique beginning of it (g_a36), or its title when only one group has it.\n"
         "Without --group it is CCCC_GROUP_ID, else the active group (`cccc use`).\n"
         "An event is its number (1042 or '#1042', as tail and inbox show it), its id, or a unique beginning of the id.\n"
         "Recipients are actor ids, unique titles of actors, @all, @peers, @foreman, and user. Lists have commas.\n"
         "An actor without --actor-id is CCCC_ACTOR_ID.\n"
         "Times are 90s, 10m, 2h, 3d, 1w, today, yesterday, a date (2026-01-31), or RFC 3339.");
}

static void print_output(void)
{
    puts("On a terminal: aligned columns with headings, relative times, colours unless NO_COLOR is set or TERM is dumb.\n"
         "Elsewhere: the same columns with tabs between them, no headings, RFC 3339 times, one line per row.\n"
         "Control characters and hidden characters in texts are shown as \\x1b or <U+202E>; only `tail --raw` does not, and never to a "
         "terminal.\n"
         "--json: {\"ok\":true,\"result\":{...}} or {\"ok\":false,\"error\":{\"code\",\"message\",\"details\",\"hint\"}}.\n"
         "tail and inbox --follow: one JSON document per line, an event or {\"gap\":{\"from_seq\",\"to_seq\",\"reason\"}}.\n"
         "Data goes to standard output, words to standard error.");
}

static const struct {
    const char *name, *summary;
    void (*print)(void);
} topics[] = {
    {"exit-codes", "what the exit statuses mean", print_exits},
    {"names", "how groups, events, recipients and times are written", print_names},
    {"output", "what goes where: terminals, pipes, JSON", print_output},
};

bool cli_topic_print(const char *name)
{
    bool list = strcmp(name, "topics") == 0;
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        if (list)
            printf("  cccc help %-12s  %s\n", topics[i].name, topics[i].summary);
        if (strcmp(topics[i].name, name) != 0)
            continue;
        topics[i].print();
        return true;
    }
    return list;
}
