/* man.c - manual pages in mdoc(7), made from the command table: cccc(1), and one page per noun or command of one word.
 *
 * Thread: none; only the stream given. */
#include "clients/cli/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The date manual pages carry: that of the last change to what they say. */
#define MAN_DATE "November 23, 2026"

/* ---- words ---- */

/* What roff would take for its own, and what a terminal would show as another character. */
static const struct {
    char c;
    const char *roff;
} escapes[] = {{'\\', "\\e"}, {'-', "\\-"}, {'"', "\\(dq"}, {'\'', "\\(aq"}, {'`', "\\(ga"}, {'~', "\\(ti"}, {'^', "\\(ha"}};

/* Returns how many columns of the source it took. */
static size_t put_char(FILE *out, char c)
{
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
        if (escapes[i].c == c)
            return (size_t)fprintf(out, "%s", escapes[i].roff);
    return (size_t)fprintf(out, "%c", c);
}

static size_t put_word(FILE *out, const char *word, size_t len, bool capital)
{
    size_t columns = *word == '.' ? (size_t)fprintf(out, "\\&") : 0;
    for (size_t i = 0; i < len; i++)
        columns += put_char(out, capital && i == 0 ? (char)toupper((unsigned char)word[i]) : word[i]);
    return columns;
}

static void put(FILE *out, const char *text)
{
    put_word(out, text, strlen(text), false);
}

/* Text in lines that are easy on a reader of the source; each sentence starts one, as mdoc wants. A phrase gets its capital and its full stop. */
static void sentences(FILE *out, const char *text, bool phrase)
{
    size_t column = 0;
    bool begins = phrase;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + len > 64) {
            fputc('\n', out);
            column = 0;
        }
        if (column > 0)
            column += (size_t)fprintf(out, " ");
        column += put_word(out, text, len, begins);
        begins = false;
        bool ends = text[len - 1] == '.' && text[len] && isupper((unsigned char)text[len + 1]);
        text += len + (text[len] == ' ');
        if (ends) {
            fputc('\n', out);
            column = 0;
        }
    }
    fputs(phrase ? ".\n" : "\n", out);
}

static void upper(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc(toupper((unsigned char)*text), out);
}

/* ---- parts of a page ---- */

static void title(FILE *out, const char *name, const char *summary)
{
    fprintf(out, ".\\\" Made from the command table of cccc; changes belong there.\n.Dd " MAN_DATE "\n.Dt ");
    upper(out, name);
    fprintf(out, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", name);
    put(out, summary);
    fputs("\n.Sh SYNOPSIS\n", out);
}

static void synopsis(FILE *out, const struct cli_command *command)
{
    fprintf(out, ".Nm cccc\n.Cm %s\n", cli_command_path(command));
    for (const struct cli_option *option = cli_command_options(command); option->name; option++)
        if (option->arg)
            fprintf(out, ".Op Fl Fl %s Ar %s\n", option->name, option->arg);
        else
            fprintf(out, ".Op Fl Fl %s\n", option->name);
    for (const struct cli_argument *arg = cli_command_args(command); arg->name; arg++)
        fprintf(out, arg->required ? ".Ar %s%s\n" : ".Op Ar %s%s\n", arg->name, arg->repeat ? " ..." : "");
}

static void option_item(FILE *out, const struct cli_option *option)
{
    fputs(".It ", out);
    if (option->letter)
        fprintf(out, "Fl %c%s%s , ", option->letter, option->arg ? " Ar " : "", option->arg ? option->arg : "");
    fprintf(out, "Fl Fl %s%s%s\n", option->name, option->arg ? " Ar " : "", option->arg ? option->arg : "");
    sentences(out, option->help, true);
    if (option->repeat)
        fputs("May be given more than once.\n", out);
}

static void options_and_arguments(FILE *out, const struct cli_command *command)
{
    const struct cli_argument *arg = cli_command_args(command);
    const struct cli_option *option = cli_command_options(command);
    if (!arg->name && !option->name)
        return;
    fputs(".Bl -tag -width Ds\n", out);
    for (; arg->name; arg++) {
        fprintf(out, ".It Ar %s\n", arg->name);
        sentences(out, arg->help, true);
    }
    for (; option->name; option++)
        option_item(out, option);
    fputs(".El\n", out);
}

static void describe(FILE *out, const struct cli_command *command)
{
    sentences(out, command->summary, true);
    if (command->about)
        sentences(out, command->about, false);
    options_and_arguments(out, command);
}

static void put_line(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put_char(out, text[i]);
    fputc('\n', out);
}

/* As typed, what it does in a shell's comment before it. */
static void examples(FILE *out, const struct cli_command *command)
{
    fputs(".Bd -literal -offset indent\n", out);
    for (const char *const *line = command->examples; *line; line++) {
        const char *note = strstr(*line, "  # ");
        if (note)
            put_line(out, note + 2, strlen(note + 2));
        put_line(out, *line, note ? (size_t)(note - *line) : strlen(*line));
    }
    fputs(".Ed\n", out);
}

static void exit_status(FILE *out)
{
    fputs(".Sh EXIT STATUS\n.Bl -tag -width Ds\n", out);
    for (const struct cli_exit *exit = cli_exits; exit->code; exit++) {
        fprintf(out, ".It %s\n", exit->code);
        sentences(out, exit->meaning, true);
    }
    fputs(".El\n", out);
}

/* ---- pages ---- */

static void noun_page(FILE *out, const struct cli_command *noun)
{
    char name[64];
    snprintf(name, sizeof name, "cccc-%s", noun->name);
    title(out, name, noun->summary);
    for (size_t i = 0; cli_command_at(i); i++)
        if (cli_command_at(i)->noun && strcmp(cli_command_at(i)->noun, noun->name) == 0)
            synopsis(out, cli_command_at(i));
    fputs(".Sh DESCRIPTION\n", out);
    sentences(out, noun->summary, true);
    for (size_t i = 0; cli_command_at(i); i++) {
        if (!cli_command_at(i)->noun || strcmp(cli_command_at(i)->noun, noun->name) != 0)
            continue;
        fprintf(out, ".Ss cccc %s\n", cli_command_path(cli_command_at(i)));
        describe(out, cli_command_at(i));
    }
    fputs(".Sh EXAMPLES\n", out);
    for (size_t i = 0; cli_command_at(i); i++)
        if (cli_command_at(i)->noun && strcmp(cli_command_at(i)->noun, noun->name) == 0)
            examples(out, cli_command_at(i));
    fputs(".Sh SEE ALSO\n.Xr cccc 1\n", out);
}

static void word_page(FILE *out, const struct cli_command *command)
{
    char name[64];
    snprintf(name, sizeof name, "cccc-%s", command->name);
    title(out, name, command->summary);
    synopsis(out, command);
    fputs(".Sh DESCRIPTION\n", out);
    describe(out, command);
    fputs(".Pp\nExit statuses and the options of every command are in\n.Xr cccc 1 .\n.Sh EXAMPLES\n", out);
    examples(out, command);
    fputs(".Sh SEE ALSO\n.Xr cccc 1\n", out);
}

static void environment(FILE *out)
{
    fputs(".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
          ".It Ev CCCC_HOME\nThe home; by default\n.Pa \\(ti/.cccc .\n"
          ".It Ev CCCC_GROUP_ID\nThe group, where no\n.Fl Fl group\nis given.\n"
          ".It Ev CCCC_ACTOR_ID\nThe actor, where no\n.Fl Fl actor\\-id\nis given.\n"
          "In an actor's terminal both are of its home,\nand do not count where another one is asked.\n"
          ".It Ev NO_COLOR , TERM , CLICOLOR_FORCE\nWhether colours are used.\n.El\n"
          ".Sh FILES\n.Bl -tag -width Ds\n"
          ".It Pa daemon/ccccd.log\nThe daemon's log, JSON lines.\n"
          ".It Pa daemon/stopped\nLeft by\n.Cm daemon stop :\nno command starts a daemon while it is there.\n"
          ".It Pa groups/ID/ledger.jsonl\nA group's events, one JSON line each.\n.El\n",
          out);
}

/* The page whose name follows `after` in the alphabet, or NULL. */
static const struct cli_command *next_page(const char *after)
{
    const struct cli_command *next = NULL;
    for (size_t i = 0; cli_command_at(i); i++) {
        const struct cli_command *row = cli_command_at(i);
        if (!row->noun && strcmp(row->name, after) > 0 && (!next || strcmp(row->name, next->name) < 0))
            next = row;
    }
    return next;
}

static void see_also(FILE *out)
{
    fputs(".Sh SEE ALSO\n", out);
    for (const struct cli_command *page = next_page(""); page; page = next_page(page->name))
        fprintf(out, ".Xr cccc\\-%s 1%s\n", page->name, next_page(page->name) ? " ," : "");
}

static const char introduction[] = ".Nm\n.Nm\n.Ar command\n.Op Ar options\n.Op Ar arguments\n.Sh DESCRIPTION\n"
                                   "Actors of a group send each other messages through a daemon.\n"
                                   "A message is on disk before its sender is told so,\nand everybody may follow the ledger live.\n"
                                   "Alone,\n.Nm\nmakes the daemon run and prints what there is.\n"
                                   ".Pp\nOn a terminal output is aligned, with relative times.\n"
                                   "Elsewhere columns are separated by tabs, times are RFC 3339,\nand there are no headings.\n"
                                   "Text that others wrote is escaped, so that it cannot control the terminal.\n"
                                   "With\n.Fl Fl json\na command prints one document:\n"
                                   ".Bd -literal -offset indent\n{\"ok\":true,\"result\":{...}}\n"
                                   "{\"ok\":false,\"error\":{\"code\":\"...\",\"message\":\"...\",\"details\":{},\"hint\":\"...\"}}\n.Ed\n"
                                   ".Pp\nCommands that go on print one JSON document per line.\n.Ss Commands\n.Bl -tag -width Ds\n";

static void main_page(FILE *out)
{
    title(out, "cccc", "messages between AI coding agents and the people who run them");
    fputs(introduction, out);
    for (size_t i = 0; cli_command_at(i); i++) {
        fprintf(out, ".It Cm %s\n", cli_command_path(cli_command_at(i)));
        sentences(out, cli_command_at(i)->summary, true);
    }
    fputs(".El\n.Ss Options of every command\n.Bl -tag -width Ds\n", out);
    for (const struct cli_option *option = cli_common_options; option->name; option++)
        option_item(out, option);
    fputs(".El\n", out);
    environment(out);
    exit_status(out);
    see_also(out);
}

void cli_man_print(const char *noun, FILE *out)
{
    const struct cli_command *command = noun ? cli_command_find(NULL, noun) : NULL;
    if (!command)
        main_page(out);
    else if (command->run)
        word_page(out, command);
    else
        noun_page(out, command);
}
