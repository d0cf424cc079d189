/* What a person's keys mean: when a line is half typed, and what comes from a terminal without being typed. */
#include "broker/hold/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct keys after(const char *bytes)
{
    struct keys keys = {0};
    keys_take(&keys, bytes, strlen(bytes), 1000);
    return keys;
}

static void is_open(const char *bytes, bool expected)
{
    struct keys keys = after(bytes);
    if (keys_line_is_open(&keys) != expected)
        fail_msg("after %s the line is %s", bytes, expected ? "not open" : "open");
}

/* Letters of any script open a line; return, an interrupt, and deleting all of them end it. */
static void letters_open_a_line(void **state)
{
    (void)state;
    is_open("ls", true);
    is_open("\xc3\xa9", true);
    is_open("ls\r", false);
    is_open("ls\rx", true);
    is_open("ls\x03", false);
    is_open("ls\x15", false);
    is_open("ls\x7f", true);
    is_open("ls\x7f\x7f", false);
    is_open("\xc3\xa9\x7f", false);
    is_open("ls\x1b[13u", false);
    is_open("ls\x1b[99;5u", false);
    is_open("\x1b[200~two\rlines\x1b[201~", true);
    is_open("\x1b[200~two\rlines\x1b[201~\r", false);
}

/* Keys that fetch earlier lines, search for them, complete or put back what was deleted open a line that no deletion is known to have emptied. */
static void keys_that_fetch_open_a_line(void **state)
{
    static const char *const keys[] = {"\x1b[A", "\x1bOB", "\x1b[1;2B", "\x1b[5~", "\x1b.",       "\x1b\x1b[A", "\t", "\x10",
                                       "\x12",   "\x19",   "\x18",      "\x0f",    "\x1b[114;5u", "\x1b[9u",    NULL};
    (void)state;
    for (const char *const *k = keys; *k; k++) {
        char emptied[32], ended[32];
        snprintf(emptied, sizeof emptied, "%s\x7f\x7f\x15\x17", *k);
        snprintf(ended, sizeof ended, "%s\r", *k);
        is_open(*k, true);
        is_open(emptied, true);
        is_open(ended, false);
    }
    is_open("\022ec\003", false);
    is_open("touch abc\t\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", true);
}

/* Escape, moves in the line and deletions leave an empty line empty; of one with letters in it they make the number of letters uncertain. */
static void moves_and_deletions_open_none(void **state)
{
    static const char *const keys[] = {"\x1b[C", "\x1bOD", "\x1b[1;5C", "\x1b[3~",  "\x1b", "\033b",
                                       "\x17",   "\x0b",   "\x1b[Z",    "\x1b[27u", NULL};
    (void)state;
    for (const char *const *k = keys; *k; k++) {
        struct keys pressed = after(*k);
        char within[32];
        is_open(*k, false);
        assert_int_equal(pressed.typed_ms, 1000);
        snprintf(within, sizeof within, "abc%s\x7f\x7f\x7f\x15", *k);
        if (strcmp(*k, "\x1b") != 0) /* which would be one with the next */
            is_open(within, true);
    }
    is_open("\x1b[Cabc\x7f\x7f\x7f", false);
}

/* A letter behind the escape key may be part of a command that fetches something. */
static void a_letter_behind_escape_cannot_be_counted(void **state)
{
    struct keys keys = after("\x1b");
    (void)state;
    keys_take(&keys, ".", 1, 1100);
    keys_take(&keys, "\x7f", 1, 1200);
    assert_true(keys_line_is_open(&keys) && keys.moved);
    keys_take(&keys, "\r", 1, 1300);
    assert_false(keys_line_is_open(&keys) || keys.moved);
}

/* A terminal's answers, and its reports of focus and mouse, are nothing that somebody typed. */
static void answers_are_not_typed(void **state)
{
    static const char *const answers[] = {"\x1b[?1;2c",
                                          "\x1b[12;40R",
                                          "\x1b[>41;330;0c",
                                          "\x1bP>|a terminal 3.3\x1b\\",
                                          "\x1b]11;rgb:0000/0000/0000\x07",
                                          "\x1b[?2026;2$y",
                                          "\x1b[?0u",
                                          "\x1b[I\x1b[O",
                                          "\x1b[<35;10;20M\x1b[<0;1;1m",
                                          "\x1b[M abc",
                                          "\x1b[4;480;960t",
                                          "\x1b_Gi=1;OK\x1b\\",
                                          NULL};
    (void)state;
    for (const char *const *a = answers; *a; a++) {
        struct keys keys = {0};
        size_t len = strncmp(*a, "\x1b[M", 3) == 0 ? 6 : strlen(*a);
        keys_take(&keys, *a, len, 1000);
        if (keys_line_is_open(&keys) || keys.typed_ms)
            fail_msg("%s was taken for something typed", *a + 1);
    }
}

/* The letter typed last is known, also of several bytes, until another key comes. */
static void the_last_letter_is_known(void **state)
{
    (void)state;
    assert_int_equal(after("ab").last, 'b');
    assert_int_equal(after("a\xe4\xbd\xa0").last, 0x4f60);
    assert_int_equal(after("ab\x1b[D").last, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_open_a_line),           cmocka_unit_test(keys_that_fetch_open_a_line),
        cmocka_unit_test(moves_and_deletions_open_none), cmocka_unit_test(a_letter_behind_escape_cannot_be_counted),
        cmocka_unit_test(answers_are_not_typed),         cmocka_unit_test(the_last_letter_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
