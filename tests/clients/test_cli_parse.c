/* The command line is understood strictly, and what is wrong with it is said. */
#include "clients/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LINE(...) parsed((char *[]){(char *)"cccc", __VA_ARGS__, NULL})

static struct cli_line line;
static char problem[512], hint[512];

static bool parsed(char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    cli_line_fini(&line);
    return cli_parse(argc, argv, &line, problem, sizeof problem, hint, sizeof hint);
}

static const char *value_of(const char *name)
{
    for (size_t i = 0; i < line.value_count; i++)
        if (strcmp(line.values[i].option->name, name) == 0)
            return line.values[i].text ? line.values[i].text : "(given)";
    return NULL;
}

static void nothing_is_bare_cccc(void **state)
{
    (void)state;
    assert_true(parsed((char *[]){(char *)"cccc", NULL}));
    assert_null(line.command);
}

static void options_take_all_forms(void **state)
{
    (void)state;
    assert_true(LINE("tail", "-n", "5"));
    assert_string_equal(value_of("lines"), "5");
    assert_true(LINE("tail", "-n5"));
    assert_string_equal(value_of("lines"), "5");
    assert_true(LINE("tail", "--lines", "5"));
    assert_string_equal(value_of("lines"), "5");
    assert_true(LINE("tail", "--lines=5"));
    assert_string_equal(value_of("lines"), "5");
    assert_true(LINE("tail", "-fn", "5"));
    assert_string_equal(value_of("lines"), "5");
    assert_string_equal(value_of("follow"), "(given)");
    assert_true(LINE("tail", "-fn5"));
    assert_string_equal(value_of("lines"), "5");
}

static void options_and_arguments_come_in_any_order(void **state)
{
    (void)state;
    assert_true(LINE("--json", "send", "hello", "--to", "a", "--home", "/h"));
    assert_string_equal(line.command->name, "send");
    assert_string_equal(line.args[0], "hello");
    assert_string_equal(value_of("to"), "a");
    assert_string_equal(value_of("home"), "/h");
    assert_true(LINE("group", "--json", "create", "Demo"));
    assert_string_equal(line.command->noun, "group");
}

static void a_double_dash_ends_options(void **state)
{
    (void)state;
    assert_true(LINE("send", "--to", "a", "--", "--not-an-option"));
    assert_string_equal(line.args[0], "--not-an-option");
    assert_true(LINE("send", "-"));
    assert_string_equal(line.args[0], "-");
}

static void abbreviations_are_refused_and_named(void **state)
{
    (void)state;
    assert_false(LINE("send", "x", "--reply"));
    assert_string_equal(problem, "cccc send has no option --reply");
    assert_string_equal(hint, "did you mean --reply-required?");
    assert_false(LINE("doct"));
    assert_string_equal(hint, "did you mean `cccc doctor`?");
}

static void unknown_words_are_refused_with_the_nearest(void **state)
{
    (void)state;
    assert_false(LINE("sned", "x"));
    assert_string_equal(problem, "there is no command \"sned\"");
    assert_string_equal(hint, "did you mean `cccc send`?");
    assert_false(LINE("actor", "lst"));
    assert_string_equal(hint, "did you mean `cccc actor list`?");
    assert_false(LINE("xyzzy"));
    assert_string_equal(hint, "`cccc help` lists what there is");
    assert_false(LINE("send", "-x"));
    assert_string_equal(problem, "cccc send has no option -x");
}

static void wrong_values_are_refused(void **state)
{
    (void)state;
    assert_false(LINE("tail", "-n", "many"));
    assert_false(LINE("tail", "-n", "-1"));
    assert_false(LINE("tail", "-n", "99999999999999999999"));
    assert_false(LINE("tail", "-n"));
    assert_string_equal(problem, "--lines needs a value");
    assert_false(LINE("send", "x", "--priority", "urgent"));
    assert_string_equal(hint, "one of: normal, attention");
    assert_false(LINE("send", "x", "--reply-required=yes"));
    assert_false(LINE("send", "x", "--by", "a", "--by", "b"));
    assert_string_equal(problem, "--by was given twice");
    assert_false(LINE("group", "set-state", "asleep"));
    assert_false(LINE("completion", "tcsh"));
    assert_string_equal(hint, "one of: bash, zsh, fish");
}

/* What a script's unset variable leaves is a mistake, but for texts that may be empty. */
static void empty_values_are_refused(void **state)
{
    (void)state;
    assert_false(LINE("send", "x", "--to", ""));
    assert_string_equal(problem, "--to is empty");
    assert_false(LINE("inbox", "--actor-id="));
    assert_false(LINE("reply", "", "x"));
    assert_string_equal(problem, "cccc reply: EVENT is empty");
    assert_false(LINE("--timeout", "0", "status"));
    assert_true(LINE("send", ""));
    assert_true(LINE("group", "update", "--topic", ""));
    assert_true(LINE("actor", "update", "a", "--title="));
}

static void missing_and_superfluous_arguments_are_refused(void **state)
{
    (void)state;
    assert_false(LINE("reply"));
    assert_string_equal(problem, "cccc reply needs EVENT");
    assert_false(LINE("send", "two", "words"));
    assert_string_equal(problem, "cccc send does not take \"words\"");
    assert_false(LINE("status", "now"));
    assert_false(LINE("group"));
    assert_string_equal(problem, "cccc group needs a verb");
}

static void help_needs_no_arguments(void **state)
{
    (void)state;
    assert_true(LINE("reply", "--help"));
    assert_true(line.help);
    assert_true(LINE("group", "-h"));
    assert_true(line.help);
    assert_true(LINE("--help"));
    assert_true(line.help && !line.command);
}

static void repeatable_options_keep_all_values(void **state)
{
    struct cli cli = {.arena = cccc_arena_new(1024)};
    const char *const *items;
    (void)state;
    assert_true(LINE("send", "x", "--to", "a, b", "--to", "c,,", "--file", "one,two", "--file", "three"));
    cli.line = line;
    assert_int_equal(cli_list(&cli, "to", &items), 3);
    assert_string_equal(items[0], "a");
    assert_string_equal(items[1], "b");
    assert_string_equal(items[2], "c");
    assert_int_equal(cli_values(&cli, "file", &items), 2);
    assert_string_equal(items[0], "one,two");
    cccc_arena_destroy(&cli.arena);
}

static void command_lines_are_split_as_by_a_shell(void **state)
{
    struct cli cli = {.arena = cccc_arena_new(1024)};
    const char *const *words;
    size_t count;
    (void)state;
    assert_true(cli_split(&cli, " run  --a 'b c' \"d \\\"e\\\"\" f\\ g ''", &words, &count));
    assert_int_equal(count, 6);
    assert_string_equal(words[2], "b c");
    assert_string_equal(words[3], "d \"e\"");
    assert_string_equal(words[4], "f g");
    assert_string_equal(words[5], "");
    assert_false(cli_split(&cli, "'open", &words, &count));
    cccc_arena_destroy(&cli.arena);
}

static int forget(void **state)
{
    (void)state;
    cli_line_fini(&line);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_bare_cccc),
        cmocka_unit_test(options_take_all_forms),
        cmocka_unit_test(options_and_arguments_come_in_any_order),
        cmocka_unit_test(a_double_dash_ends_options),
        cmocka_unit_test(abbreviations_are_refused_and_named),
        cmocka_unit_test(unknown_words_are_refused_with_the_nearest),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(empty_values_are_refused),
        cmocka_unit_test(missing_and_superfluous_arguments_are_refused),
        cmocka_unit_test(help_needs_no_arguments),
        cmocka_unit_test(repeatable_options_keep_all_values),
        cmocka_unit_test(command_lines_are_split_as_by_a_shell),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
