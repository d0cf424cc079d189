/* The command table: every command has a handler or verbs, help with examples, a manual page and completions, and every option is in each. */
#include "clients/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What `print` writes to a stream, as text. */
static char *written(void (*print)(FILE *out, const char *arg), const char *arg)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(out, arg);
    fclose(out);
    return text;
}

static void print_man(FILE *out, const char *noun)
{
    cli_man_print(noun, out);
}

static void print_completion(FILE *out, const char *shell)
{
    assert_true(cli_complete_print(shell, out));
}

/* Help goes to stdout: lend it a file. */
static char *help_of(const struct cli_command *command)
{
    static char text[32768];
    struct cli cli = {0};
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    cli_help_print(&cli, command);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static bool has_verbs(const char *noun)
{
    for (size_t i = 0; cli_command_at(i); i++)
        if (cli_command_at(i)->noun && strcmp(cli_command_at(i)->noun, noun) == 0)
            return true;
    return false;
}

static void every_command_can_be_run_or_has_verbs(void **state)
{
    (void)state;
    for (size_t i = 0; cli_command_at(i); i++) {
        const struct cli_command *row = cli_command_at(i);
        assert_true(row->run ? !(row->noun == NULL && has_verbs(row->name)) : row->noun == NULL && has_verbs(row->name));
        assert_ptr_equal(cli_command_find(row->noun, row->name), row);
        assert_true(!row->noun || cli_command_find(NULL, row->noun));
    }
}

/* Examples begin with the command itself, so that they can be pasted; each parses without a complaint. */
static void every_command_has_examples_that_parse(void **state)
{
    (void)state;
    for (size_t i = 0; cli_command_at(i); i++) {
        assert_non_null(cli_command_at(i)->examples);
        assert_non_null(cli_command_at(i)->examples[0]);
        for (const char *const *at = cli_command_at(i)->examples; *at; at++) {
            struct cli cli = {.arena = cccc_arena_new(1024)};
            char problem[512], hint[512], text[256];
            const char *const *words;
            size_t count = 0;
            const char *note = strstr(*at, "  # ");
            snprintf(text, sizeof text, "%.*s", note ? (int)(note - *at) : 255, *at);
            text[strcspn(text, "<>|")] = '\0'; /* what belongs to the shell */
            assert_true(cli_split(&cli, text, &words, &count));
            struct cli_line line;
            bool good = cli_parse((int)count, (char **)(uintptr_t)words, &line, problem, sizeof problem, hint, sizeof hint);
            if (!good)
                fail_msg("%s: %s", *at, problem);
            const char *noun = cli_command_at(i)->noun ? cli_command_at(i)->noun : cli_command_at(i)->name;
            assert_true(line.command == cli_command_at(i) || (line.command->noun && strcmp(line.command->noun, noun) == 0));
            cli_line_fini(&line);
            cccc_arena_destroy(&cli.arena);
        }
    }
}

static void every_command_and_option_is_in_its_help(void **state)
{
    (void)state;
    for (size_t i = 0; cli_command_at(i); i++) {
        const struct cli_command *row = cli_command_at(i);
        char *text = help_of(row), wanted[64];
        assert_non_null(strstr(text, row->examples[0]));
        assert_non_null(strstr(text, row->summary));
        for (const struct cli_option *option = cli_command_options(row); option->name; option++) {
            snprintf(wanted, sizeof wanted, "--%s", option->name);
            assert_non_null(strstr(text, wanted));
        }
        for (const struct cli_argument *arg = cli_command_args(row); arg->name; arg++)
            assert_non_null(strstr(text, arg->name));
        for (const struct cli_option *option = cli_common_options; option->name; option++) {
            snprintf(wanted, sizeof wanted, "--%s", option->name);
            assert_non_null(strstr(text, wanted));
        }
    }
}

static void every_command_and_option_is_in_its_manual_page(void **state)
{
    (void)state;
    char *all = written(print_man, NULL);
    for (size_t i = 0; cli_command_at(i); i++) {
        const struct cli_command *row = cli_command_at(i);
        char *text = written(print_man, row->noun ? row->noun : row->name), wanted[80];
        snprintf(wanted, sizeof wanted, ".It Cm %s\n", cli_command_path(row));
        assert_non_null(strstr(all, wanted));
        if (row->run) {
            snprintf(wanted, sizeof wanted, ".Cm %s\n", cli_command_path(row));
            assert_non_null(strstr(text, wanted));
        }
        for (const struct cli_option *option = cli_command_options(row); option->name; option++) {
            snprintf(wanted, sizeof wanted, "Fl Fl %s", option->name);
            assert_non_null(strstr(text, wanted));
        }
        free(text);
    }
    free(all);
}

static void every_command_and_option_is_completed(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    (void)state;
    for (size_t s = 0; s < 3; s++) {
        char *text = written(print_completion, shells[s]), wanted[64];
        for (size_t i = 0; cli_command_at(i); i++) {
            const struct cli_command *row = cli_command_at(i);
            assert_non_null(strstr(text, row->name));
            for (const struct cli_option *option = cli_command_options(row); option->name; option++) {
                snprintf(wanted, sizeof wanted, s == 2 ? "-l %s " : "--%s", option->name);
                assert_non_null(strstr(text, wanted));
            }
        }
        free(text);
    }
}

/* A letter means one thing per command, a name too, and none hides a common one. */
static void options_do_not_collide(void **state)
{
    (void)state;
    for (size_t i = 0; cli_command_at(i); i++)
        for (const struct cli_option *a = cli_command_options(cli_command_at(i)); a->name; a++) {
            for (const struct cli_option *b = a + 1; b->name; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(!a->letter || a->letter != b->letter);
            }
            for (const struct cli_option *b = cli_common_options; b->name; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(!a->letter || a->letter != b->letter);
            }
        }
}

/* What does not exist, or is in the way, is no question of the daemon's health: each such error has its own hint. One is only for holders. */
static void what_is_not_there_has_a_hint_of_its_own(void **state)
{
    (void)state;
    for (cccc_err_t err = CCCC_OK; err < CCCC_E_COUNT; err++) {
        int status = cccc_err_exit_status(err);
        if ((status == cccc_err_exit_status(CCCC_E_NOT_FOUND) || status == cccc_err_exit_status(CCCC_E_EXISTS)) &&
            err != CCCC_E_SUPERSEDED && !cli_hint(err))
            fail_msg("%s has no hint", cccc_err_code(err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_can_be_run_or_has_verbs),   cmocka_unit_test(every_command_has_examples_that_parse),
        cmocka_unit_test(every_command_and_option_is_in_its_help), cmocka_unit_test(every_command_and_option_is_in_its_manual_page),
        cmocka_unit_test(every_command_and_option_is_completed),   cmocka_unit_test(options_do_not_collide),
        cmocka_unit_test(what_is_not_there_has_a_hint_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
