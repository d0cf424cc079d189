/* parse.c - the command line, understood strictly by the command table.
 *
 * Written by hand rather than with getopt_long, which takes abbreviations of long options (a later option would change what scripts mean), depends on
 * POSIXLY_CORRECT and cannot say what was meant. The grammar is getopt_long's otherwise: --name VALUE, --name=VALUE, -x VALUE, -xVALUE,
 * clustered flags, options and arguments in any order, "--" ends options, "-" is an argument.
 * Thread: none; no state. */
#include "clients/cli/cli.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    int argc, next;
    char **argv;
    struct cli_line *line;
    char *problem, *hint;
    size_t problem_size, hint_size;
};

#define REFUSE(p, ...) (snprintf((p)->problem, (p)->problem_size, __VA_ARGS__), false)
#define HINT(p, ...)   snprintf((p)->hint, (p)->hint_size, __VA_ARGS__)

/* ---- did you mean ---- */

/* Damerau-Levenshtein distance (adjacent swaps count one) of short words. */
static size_t word_distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    size_t la = strlen(a), lb = strlen(b), d[LONGEST + 1][LONGEST + 1];
    if (la > LONGEST || lb > LONGEST)
        return LONGEST;
    for (size_t i = 0; i <= la; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= lb; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= la; i++)
        for (size_t j = 1; j <= lb; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
            best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[la][lb];
}

const char *cli_nearest(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 1 + strlen(word) / 3;
    for (size_t i = 0; i < count; i++) {
        size_t distance = word_distance(word, words[i]);
        bool begins = strlen(word) >= 3 && strncmp(word, words[i], strlen(word)) == 0;
        if (begins)
            distance = 1;
        if (distance < best_distance || (distance == best_distance && !best)) {
            best = words[i];
            best_distance = distance;
        }
    }
    return best;
}

static void hint_command(struct parser *p, const char *noun, const char *word)
{
    const char *names[128];
    size_t count = 0;
    for (size_t i = 0; cli_command_at(i) && count < 128; i++) {
        const char *of = cli_command_at(i)->noun;
        if (noun ? of && strcmp(of, noun) == 0 : of == NULL)
            names[count++] = cli_command_at(i)->name;
    }
    const char *near = cli_nearest(word, names, count);
    const char *space = noun ? " " : "";
    if (near)
        HINT(p, "did you mean `cccc %s%s%s`?", noun ? noun : "", space, near);
    else
        HINT(p, "`cccc help%s%s` lists what there is", space, noun ? noun : "");
}

/* ---- options ---- */

static bool is_called(const struct cli_option *option, const char *name, size_t len)
{
    bool found = strlen(option->name) == len && strncmp(option->name, name, len) == 0;
    for (const char *also = option->also, *end; !found && also; also = *end ? end + 1 : NULL) {
        end = also + strcspn(also, "|");
        found = (size_t)(end - also) == len && strncmp(also, name, len) == 0;
    }
    return found;
}

static const struct cli_option *option_in(const struct cli_option *options, const char *name, size_t len, char letter)
{
    for (; options->name; options++)
        if (name ? is_called(options, name, len) : options->letter == letter)
            return options;
    return NULL;
}

static const struct cli_option *option_find(const struct parser *p, const char *name, size_t len, char letter)
{
    const struct cli_option *found = option_in(cli_common_options, name, len, letter);
    if (!found && p->line->command)
        found = option_in(cli_command_options(p->line->command), name, len, letter);
    return found;
}

static bool refuse_option(struct parser *p, const char *name, size_t len)
{
    const char *names[64];
    char word[64];
    size_t count = 0;
    for (const struct cli_option *o = cli_common_options; o->name; o++)
        names[count++] = o->name;
    if (p->line->command)
        for (const struct cli_option *o = cli_command_options(p->line->command); o->name && count < 64; o++)
            names[count++] = o->name;
    snprintf(word, sizeof word, "%.*s", (int)(len < 60 ? len : 60), name);
    const char *near = cli_nearest(word, names, count);
    const char *path = p->line->command ? cli_command_path(p->line->command) : "";
    const char *space = *path ? " " : "";
    if (near)
        HINT(p, "did you mean --%s?", near);
    else if (p->line->command)
        HINT(p, "`cccc %s --help` lists the options; put -- before text that begins with a dash", path);
    else
        HINT(p, "options of a command come after it; `cccc help` lists the commands");
    return REFUSE(p, "cccc%s%s has no option --%s", space, path, word);
}

static bool is_one_of(const char *words, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = words; *at;) {
        size_t n = strcspn(at, "|");
        if (n == len && strncmp(at, text, n) == 0)
            return true;
        at += n + (at[n] == '|');
    }
    return false;
}

enum { DIGITS_MAX = 18 };

static bool is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '\0';
}

/* Nothing but blanks; of a list, nothing between its commas: a lone @ names nobody. */
static bool is_empty(const char *text, enum cli_type type)
{
    return text[strspn(text, type == CLI_LIST ? " \t,@" : " \t")] == '\0';
}

/* "auto|always|never" as "auto, always, never". */
static void hint_words(struct parser *p, const char *words)
{
    size_t at = (size_t)HINT(p, "one of: ");
    for (; *words && at + 2 < p->hint_size; words++) {
        p->hint[at++] = *words == '|' ? ',' : *words;
        if (*words == '|')
            p->hint[at++] = ' ';
    }
    p->hint[at] = '\0';
}

/* May `text` be the value of `option`? */
static bool check_value(struct parser *p, const struct cli_option *option, const char *text)
{
    if (is_empty(text, option->type) && !option->blank) {
        HINT(p, "--%s %s: %s. Leave it out, or check the variable it came from", option->name, option->arg, option->help);
        return REFUSE(p, "--%s is empty", option->name);
    }
    bool number = option->type == CLI_NUMBER || option->type == CLI_POSITIVE;
    if (number && !is_number(text)) {
        HINT(p, "for example --%s 100; %s", option->name, option->help);
        return REFUSE(p, "--%s takes a whole number, not \"%s\"", option->name, text);
    }
    if (number && strlen(text) > DIGITS_MAX) {
        HINT(p, "it has at most %d digits; %s", DIGITS_MAX, option->help);
        return REFUSE(p, "--%s: %s is too large", option->name, text);
    }
    if (option->type == CLI_POSITIVE && text[strspn(text, "0")] == '\0') {
        HINT(p, "for example --%s 5; %s", option->name, option->help);
        return REFUSE(p, "--%s takes a whole number from 1, not \"%s\"", option->name, text);
    }
    if (option->words && !is_one_of(option->words, text)) {
        hint_words(p, option->words);
        return REFUSE(p, "--%s cannot be \"%s\"", option->name, text);
    }
    return true;
}

static bool add_value(struct parser *p, const struct cli_option *option, const char *text)
{
    struct cli_line *line = p->line;
    if (text && !check_value(p, option, text))
        return false;
    for (size_t i = 0; i < line->value_count && !option->repeat && option->arg; i++)
        if (line->values[i].option == option) {
            HINT(p, "give it once");
            return REFUSE(p, "--%s was given twice", option->name);
        }
    line->values[line->value_count++] = (struct cli_value){option, text};
    line->help |= strcmp(option->name, "help") == 0;
    line->version |= strcmp(option->name, "version") == 0;
    return true;
}

/* The value of an option that wants one: behind it in the same word, or the next word. */
static bool take_value(struct parser *p, const struct cli_option *option, const char *attached)
{
    if (attached)
        return add_value(p, option, attached);
    if (p->next >= p->argc) {
        HINT(p, "--%s %s: %s", option->name, option->arg, option->help);
        return REFUSE(p, "--%s needs a value", option->name);
    }
    return add_value(p, option, p->argv[p->next++]);
}

static bool parse_long(struct parser *p, const char *word)
{
    size_t len = strcspn(word, "=");
    const struct cli_option *option = option_find(p, word, len, 0);
    if (!option)
        return refuse_option(p, word, len);
    if (option->arg)
        return take_value(p, option, word[len] == '=' ? word + len + 1 : NULL);
    if (word[len] == '=') {
        HINT(p, "just --%s", option->name);
        return REFUSE(p, "--%s takes no value", option->name);
    }
    return add_value(p, option, NULL);
}

static bool parse_letters(struct parser *p, const char *letters)
{
    for (; *letters; letters++) {
        const struct cli_option *option = option_find(p, NULL, 0, *letters);
        if (!option) {
            char word[2] = {*letters, '\0'};
            refuse_option(p, word, 1);
            return REFUSE(p, "cccc%s%s has no option -%c", p->line->command ? " " : "",
                          p->line->command ? cli_command_path(p->line->command) : "", *letters);
        }
        if (option->arg)
            return take_value(p, option, letters[1] ? letters + 1 : NULL);
        if (!add_value(p, option, NULL))
            return false;
    }
    return true;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

static bool parse_option(struct parser *p)
{
    const char *word = p->argv[p->next++];
    return word[1] == '-' ? parse_long(p, word + 2) : parse_letters(p, word + 1);
}

/* Common options may stand before the command's words. */
static bool parse_leading(struct parser *p)
{
    while (p->next < p->argc && is_option(p->argv[p->next]) && strcmp(p->argv[p->next], "--") != 0)
        if (!parse_option(p))
            return false;
    return true;
}

/* ---- commands and arguments ---- */

static bool parse_command(struct parser *p)
{
    if (!parse_leading(p))
        return false;
    if (p->next >= p->argc)
        return true;
    const char *word = p->argv[p->next++];
    p->line->command = cli_command_find(NULL, word);
    if (!p->line->command) {
        hint_command(p, NULL, word);
        return REFUSE(p, "there is no command \"%s\"", word);
    }
    if (p->line->command->run)
        return true;
    const char *noun = p->line->command->name;
    if (!parse_leading(p))
        return false;
    if (p->next >= p->argc) {
        HINT(p, "`cccc %s --help` lists them", noun);
        return p->line->help || p->line->version ? true : REFUSE(p, "cccc %s needs a verb", noun);
    }
    word = p->argv[p->next++];
    const struct cli_command *verb = cli_command_find(noun, word);
    if (!verb) {
        hint_command(p, noun, word);
        return REFUSE(p, "there is no command \"%s %s\"", noun, word);
    }
    p->line->command = verb;
    return true;
}

static bool parse_rest(struct parser *p)
{
    bool options = true;
    while (p->next < p->argc) {
        const char *word = p->argv[p->next];
        if (options && strcmp(word, "--") == 0) {
            options = false;
            p->next++;
        } else if (options && is_option(word)) {
            if (!parse_option(p))
                return false;
        } else {
            p->line->args[p->line->arg_count++] = word;
            p->next++;
        }
    }
    return true;
}

static bool check_args(struct parser *p)
{
    struct cli_line *line = p->line;
    const struct cli_argument *args = line->command ? cli_command_args(line->command) : (const struct cli_argument[]){{0}};
    const char *path = line->command ? cli_command_path(line->command) : "";
    size_t i = 0;
    bool takes_text = false;
    for (; args->name; args++) {
        if (i >= line->arg_count && args->required) {
            HINT(p, "%s: %s; `cccc %s --help` has examples", args->name, args->help, path);
            return REFUSE(p, "cccc %s needs %s", path, args->name);
        }
        for (bool first = true; i < line->arg_count && (first || args->repeat); i++, first = false) {
            const char *word = line->args[i];
            CCCC_ASSERT(word);
            if (is_empty(word, CLI_TEXT) && !args->blank) {
                HINT(p, "%s: %s", args->name, args->help);
                return REFUSE(p, "cccc %s: %s is empty", path, args->name);
            }
            if (args->words && !is_one_of(args->words, word)) {
                hint_words(p, args->words);
                return REFUSE(p, "cccc %s: %s cannot be \"%s\"", path, args->name, word);
            }
            takes_text |= args->blank;
        }
    }
    if (i < line->arg_count) {
        HINT(p, "%s`cccc %s --help` shows what it takes", takes_text ? "quote text that has blanks; " : "", path);
        return REFUSE(p, "cccc %s does not take \"%s\"", path, line->args[i]);
    }
    return true;
}

bool cli_parse(int argc, char **argv, struct cli_line *line, char *problem, size_t problem_size, char *hint, size_t hint_size)
{
    memset(line, 0, sizeof *line);
    problem[0] = hint[0] = '\0';
    size_t room = 1;
    for (int i = 1; i < argc; i++)
        room += strlen(argv[i]) + 1; /* a word of clustered letters holds as many options */
    line->values = calloc(room, sizeof *line->values);
    line->args = calloc((size_t)argc + 1, sizeof *line->args);
    if (!line->values || !line->args)
        abort();
    struct parser p = {argc, 1, argv, line, problem, hint, problem_size, hint_size};
    for (int i = 1; i < argc; i++)
        if (!cccc_utf8_valid(cccc_str(argv[i])))
            return HINT(&p, "texts are UTF-8; send other bytes as a file: cccc send TEXT --file FILE"),
                   REFUSE(&p, "word %d of the command line is not UTF-8", i);
    if (!parse_command(&p) || !parse_rest(&p))
        return false;
    return line->help || line->version || check_args(&p);
}

void cli_line_fini(struct cli_line *line)
{
    free(line->values);
    free((void *)line->args);
    memset(line, 0, sizeof *line);
}
