/* help.c - what --help prints, made from the command table: examples first, then arguments and options.
 *
 * Thread: none; only stdout. */
#include "clients/cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH_MAX = 100, NARROW = 60 };

/* The columns there are, and from which on is said what arguments and options mean. */
static size_t width = WIDTH_MAX, indent_of_help = 28;

static void look_at(const struct cli *cli)
{
    if (cli->tty && cli->width < WIDTH_MAX)
        width = (size_t)cli->width;
    if (width < NARROW)
        indent_of_help = 8;
}

/* Print text from column `indent` on, folded at the last blank before the edge; later lines start at `indent` too. */
static void print_folded(const char *text, size_t indent)
{
    size_t column = indent;
    for (bool first = true; *text; first = false) {
        size_t len = strcspn(text, " ");
        if (!first && column + 1 + len > width) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)len, text);
        column += len;
        text += len + (text[len] == ' ');
    }
    putchar('\n');
}

static void heading(const struct cli *cli, const char *text)
{
    printf("%s%s%s\n", cli_style(cli, STYLE_BOLD), text, cli_plain(cli));
}

/* A name, then as many blanks as lead to where its help begins, or the next line when it is too long. */
static void print_left(const char *left, size_t len)
{
    fputs(left, stdout);
    if (len + 2 > indent_of_help)
        printf("\n%*s", (int)indent_of_help, "");
    else
        printf("%*s", (int)(indent_of_help - len), "");
}

static void print_option(const struct cli_option *option)
{
    char left[64];
    char letter[4] = {'-', option->letter, ',', '\0'};
    int n = snprintf(left, sizeof left, "  %3s --%s%s%s", option->letter ? letter : "", option->name, option->arg ? " " : "",
                     option->arg ? option->arg : "");
    print_left(left, (size_t)n);
    print_folded(option->help, indent_of_help);
}

static void print_usage(const struct cli_command *command)
{
    printf("  cccc %s", cli_command_path(command));
    if (!command->run)
        printf(" VERB");
    if (cli_command_options(command)->name)
        printf(" [options]");
    for (const struct cli_argument *arg = cli_command_args(command); arg->name; arg++)
        printf(arg->required ? " %s%s" : " [%s]%s", arg->name, arg->repeat ? "..." : "");
    putchar('\n');
}

static void print_command(const struct cli_command *command)
{
    char left[64];
    print_left(left, (size_t)snprintf(left, sizeof left, "  %s", cli_command_path(command)));
    print_folded(command->summary, indent_of_help);
}

static void print_verbs(const struct cli *cli, const char *noun)
{
    heading(cli, "\nCommands");
    for (size_t i = 0; cli_command_at(i); i++)
        if (cli_command_at(i)->noun && strcmp(cli_command_at(i)->noun, noun) == 0)
            print_command(cli_command_at(i));
}

void cli_help_print(struct cli *cli, const struct cli_command *command)
{
    look_at(cli);
    for (const char *const *line = command->examples; *line; line++) {
        const char *note = strstr(*line, "  # ");
        printf("  %.*s", note ? (int)(note - *line) : (int)strlen(*line), *line);
        printf("%s%s%s\n", cli_style(cli, STYLE_DIM), note ? note : "", cli_plain(cli));
    }
    printf("\ncccc %s: ", cli_command_path(command));
    print_folded(command->summary, 0);
    if (command->about)
        print_folded(command->about, 0);
    heading(cli, "\nUsage");
    print_usage(command);
    if (!command->run)
        print_verbs(cli, command->name);
    if (cli_command_args(command)->name)
        heading(cli, "\nArguments");
    for (const struct cli_argument *arg = cli_command_args(command); arg->name; arg++) {
        char left[64];
        print_left(left, (size_t)snprintf(left, sizeof left, "  %s", arg->name));
        print_folded(arg->help, indent_of_help);
    }
    if (cli_command_options(command)->name)
        heading(cli, "\nOptions");
    for (const struct cli_option *option = cli_command_options(command); option->name; option++)
        print_option(option);
    heading(cli, "\nOptions of every command");
    for (const struct cli_option *option = cli_common_options; option->name; option++)
        print_option(option);
    printf("\nManual: man cccc-%s\n", command->noun ? command->noun : command->name);
}

void cli_help_overview(struct cli *cli)
{
    look_at(cli);
    printf("  cccc                                   %s# make the daemon run, see what there is%s\n", cli_style(cli, STYLE_DIM),
           cli_plain(cli));
    printf("  cccc send \"Review src/api\" --to peer-1  %s# stored when it returns%s\n", cli_style(cli, STYLE_DIM), cli_plain(cli));
    printf("  cccc tail -n 100 -f                    %s# watch the group live%s\n", cli_style(cli, STYLE_DIM), cli_plain(cli));
    printf("\ncccc: messages between AI coding agents and the people who run them\n");
    heading(cli, "\nCommands");
    for (size_t i = 0; cli_command_at(i); i++)
        if (!cli_command_at(i)->noun)
            printf("  %-12s  %s\n", cli_command_at(i)->name, cli_command_at(i)->summary);
    heading(cli, "\nOptions of every command");
    for (const struct cli_option *option = cli_common_options; option->name; option++)
        print_option(option);
    printf("\n`cccc help COMMAND` or `cccc COMMAND --help` has examples and options; `cccc help topics` lists topics. Manual: man cccc\n");
}
