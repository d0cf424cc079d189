/* complete.c - completion scripts for bash, zsh and fish, made from the command table.
 *
 * They know commands, options, fixed words and file names; they never run cccc, so that a press of Tab starts no daemon.
 * Thread: none; only the stream given. */
#include "clients/cli/cli.h"

#include <stdio.h>
#include <string.h>

/* Text between single quotes of a shell. */
static void put_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
}

/* The words there are: all, or those that are suggested. */
static void put_words(FILE *out, const char *words, cli_suggest_fn suggest)
{
    for (; words && *words; words++)
        fputc(*words == '|' ? ' ' : *words, out);
    for (size_t i = 0; suggest && suggest(i); i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", suggest(i));
}

static bool is_verb_of(const struct cli_command *row, const char *noun)
{
    return noun ? row->noun && strcmp(row->noun, noun) == 0 : row->noun == NULL;
}

/* ---- bash ---- */

static void bash_names(FILE *out, const char *noun)
{
    const char *space = "";
    for (size_t i = 0; cli_command_at(i); i++)
        if (is_verb_of(cli_command_at(i), noun)) {
            fprintf(out, "%s%s", space, cli_command_at(i)->name);
            space = " ";
        }
}

static void bash_options(FILE *out, const struct cli_option *options)
{
    for (; options->name; options++) {
        fprintf(out, " --%s", options->name);
        if (options->letter)
            fprintf(out, " -%c", options->letter);
    }
}

/* What the word behind an option completes to. */
static void bash_value(FILE *out, const struct cli_option *option)
{
    if (!option->arg)
        return;
    fprintf(out, "        --%s", option->name);
    if (option->letter)
        fprintf(out, " | -%c", option->letter);
    fputs(") ", out);
    if (option->words || option->suggest) {
        fputs("COMPREPLY=($(compgen -W \"", out);
        put_words(out, option->words, option->suggest);
        fputs("\" -- \"$current\")); ", out);
    } else if (option->place != CLI_NOWHERE) {
        fprintf(out, "compopt -o filenames; COMPREPLY=($(compgen -%c -- \"$current\")); ", option->place == CLI_FILE ? 'f' : 'd');
    }
    fputs("return ;;\n", out);
}

static void bash_values(FILE *out, const struct cli_option *options)
{
    bool any = false;
    for (; options->name; options++) {
        if (options->arg && !any)
            fputs("        case \"$previous\" in\n", out);
        any = any || options->arg;
        bash_value(out, options);
    }
    if (any)
        fputs("        esac\n", out);
}

static void bash_command(FILE *out, const struct cli_command *command)
{
    fprintf(out, "    '%s')\n", cli_command_path(command));
    bash_values(out, cli_command_options(command));
    fputs("        options=\"", out);
    bash_options(out, cli_common_options);
    bash_options(out, cli_command_options(command));
    fputs("\"\n", out);
    if (!command->run) {
        fputs("        words=\"", out);
        bash_names(out, command->name);
        fputs("\"\n", out);
    }
    for (const struct cli_argument *arg = cli_command_args(command); arg->name; arg++) {
        if (arg->words || arg->suggest) {
            fputs("        words=\"", out);
            put_words(out, arg->words, arg->suggest);
            fputs("\"\n", out);
        }
        if (arg->place != CLI_NOWHERE)
            fprintf(out, "        place=%s\n", arg->place == CLI_FILE ? "-f" : "-d");
    }
    fputs("        ;;\n", out);
}

static void bash_nouns(FILE *out)
{
    const char *bar = "";
    for (size_t i = 0; cli_command_at(i); i++)
        if (!cli_command_at(i)->run) {
            fprintf(out, "%s%s", bar, cli_command_at(i)->name);
            bar = " | ";
        }
}

static void bash_script(FILE *out)
{
    fputs("# bash completion for cccc; made from its command table\n"
          "_cccc() {\n"
          "    local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
          "    local command='' options='' words='' place='' word='' i\n",
          out);
    bash_values(out, cli_common_options);
    fputs("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        word=\"${COMP_WORDS[i]}\"\n"
          "        case \"$word\" in\n"
          "        --home | --color | --timeout) ((i++)); continue ;;\n"
          "        -*) continue ;;\n"
          "        esac\n"
          "        command=\"${command:+$command }$word\"\n"
          "        case \"$command\" in\n"
          "        ",
          out);
    bash_nouns(out);
    fputs(") ;;\n"
          "        *) break ;;\n"
          "        esac\n"
          "    done\n"
          "    case \"$command\" in\n"
          "    '')\n"
          "        options=\"",
          out);
    bash_options(out, cli_common_options);
    fputs("\"\n        words=\"", out);
    bash_names(out, NULL);
    fputs("\"\n        ;;\n", out);
    for (size_t i = 0; cli_command_at(i); i++)
        bash_command(out, cli_command_at(i));
    fputs("    esac\n"
          "    [[ $current == -* ]] && words=$options place=''\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
          "    [[ -n $place ]] || return\n"
          "    compopt -o filenames\n"
          "    COMPREPLY+=($(compgen \"$place\" -- \"$current\"))\n"
          "}\n"
          "complete -F _cccc cccc\n",
          out);
}

/* ---- zsh ---- */

/* A description inside an _arguments spec: brackets and colons are its syntax. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
}

static void zsh_action(FILE *out, const char *words, cli_suggest_fn suggest, enum cli_place place)
{
    if (words || suggest) {
        fputs(":(", out);
        put_words(out, words, suggest);
        fputc(')', out);
    } else {
        fputs(place == CLI_FILE ? ":_files" : place == CLI_DIRECTORY ? ":_files -/" : ": ", out);
    }
}

static void zsh_option(FILE *out, const struct cli_option *option)
{
    const char *many = option->repeat ? "*" : "";
    for (int form = 0; form < (option->letter ? 2 : 1); form++) {
        if (form == 0)
            fprintf(out, " \\\n            '%s--%s[", many, option->name);
        else
            fprintf(out, " \\\n            '%s-%c[", many, option->letter);
        zsh_text(out, option->help);
        fputc(']', out);
        if (option->arg) {
            fputc(':', out);
            zsh_text(out, option->arg);
            zsh_action(out, option->words, option->suggest, option->place);
        }
        fputc('\'', out);
    }
}

static void zsh_options(FILE *out, const struct cli_command *command)
{
    for (const struct cli_option *option = cli_common_options; option->name; option++)
        zsh_option(out, option);
    for (const struct cli_option *option = cli_command_options(command); option->name; option++)
        zsh_option(out, option);
    for (const struct cli_argument *arg = cli_command_args(command); arg->name; arg++) {
        fprintf(out, " \\\n            '%s:", arg->repeat ? "*" : arg->required ? "" : ":");
        zsh_text(out, arg->name);
        zsh_action(out, arg->words, arg->suggest, arg->place);
        fputc('\'', out);
    }
}

static void zsh_names(FILE *out, const char *noun, const char *indent)
{
    for (size_t i = 0; cli_command_at(i); i++)
        if (is_verb_of(cli_command_at(i), noun)) {
            fprintf(out, "%s'%s:", indent, cli_command_at(i)->name);
            zsh_text(out, cli_command_at(i)->summary);
            fputs("'\n", out);
        }
}

static void zsh_noun(FILE *out, const struct cli_command *noun)
{
    fputs("        if (( CURRENT == 3 )); then\n            names=(\n", out);
    zsh_names(out, noun->name, "                ");
    fputs("            )\n            _describe verb names\n            return\n        fi\n        case $words[3] in\n", out);
    for (size_t i = 0; cli_command_at(i); i++) {
        if (!is_verb_of(cli_command_at(i), noun->name))
            continue;
        fprintf(out, "        %s)\n            shift 2 words; (( CURRENT -= 2 ))\n            _arguments -s", cli_command_at(i)->name);
        zsh_options(out, cli_command_at(i));
        fputs("\n            ;;\n", out);
    }
    fputs("        esac\n", out);
}

static void zsh_script(FILE *out)
{
    fputs("#compdef cccc\n# zsh completion for cccc; made from its command table\n_cccc() {\n    local -a names\n    if (( CURRENT == 2 "
          ")); then\n        names=(\n",
          out);
    zsh_names(out, NULL, "            ");
    fputs("        )\n        _describe command names\n        return\n    fi\n    case $words[2] in\n", out);
    for (size_t i = 0; cli_command_at(i); i++) {
        if (cli_command_at(i)->noun)
            continue;
        fprintf(out, "    %s)\n", cli_command_at(i)->name);
        if (cli_command_at(i)->run) {
            fputs("        shift words; (( CURRENT-- ))\n        _arguments -s", out);
            zsh_options(out, cli_command_at(i));
            fputc('\n', out);
        } else {
            zsh_noun(out, cli_command_at(i));
        }
        fputs("        ;;\n", out);
    }
    fputs("    esac\n}\n_cccc \"$@\"\n", out);
}

/* ---- fish ---- */

static void fish_condition(FILE *out, const struct cli_command *command)
{
    if (command->noun)
        fprintf(out, "complete -c cccc -n '__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s'", command->noun,
                command->name);
    else
        fprintf(out, "complete -c cccc -n '__fish_seen_subcommand_from %s'", command->name);
}

static void fish_option(FILE *out, const struct cli_option *option)
{
    fprintf(out, " -l %s", option->name);
    if (option->letter)
        fprintf(out, " -s %c", option->letter);
    if (option->arg)
        fputs(option->place == CLI_NOWHERE ? " -x" : " -r -F", out);
    if (option->words || option->suggest) {
        fputs(" -a '", out);
        put_words(out, option->words, option->suggest);
        fputc('\'', out);
    }
    fputs(" -d ", out);
    put_quoted(out, option->help);
    fputc('\n', out);
}

static void fish_command(FILE *out, const struct cli_command *command)
{
    if (command->noun)
        fprintf(out, "complete -c cccc -n '__fish_seen_subcommand_from %s' -a %s -d ", command->noun, command->name);
    else
        fprintf(out, "complete -c cccc -n __fish_use_subcommand -a %s -d ", command->name);
    put_quoted(out, command->summary);
    fputc('\n', out);
    for (const struct cli_option *option = cli_command_options(command); option->name; option++) {
        fish_condition(out, command);
        fish_option(out, option);
    }
    for (const struct cli_argument *arg = cli_command_args(command); arg->name; arg++) {
        if (!arg->words && !arg->suggest && arg->place == CLI_NOWHERE)
            continue;
        fish_condition(out, command);
        if (arg->words || arg->suggest) {
            fputs(" -a '", out);
            put_words(out, arg->words, arg->suggest);
            fputs("'\n", out);
        } else {
            fputs(" -F\n", out);
        }
    }
}

static void fish_script(FILE *out)
{
    fputs("# fish completion for cccc; made from its command table\ncomplete -c cccc -f\n", out);
    for (const struct cli_option *option = cli_common_options; option->name; option++) {
        fputs("complete -c cccc", out);
        fish_option(out, option);
    }
    for (size_t i = 0; cli_command_at(i); i++)
        fish_command(out, cli_command_at(i));
}

bool cli_complete_print(const char *shell, FILE *out)
{
    static const struct {
        const char *shell;
        void (*print)(FILE *out);
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (strcmp(scripts[i].shell, shell) == 0) {
            scripts[i].print(out);
            return true;
        }
    return false;
}
