/* What a person's keys mean: when a line is half typed, and what comes from a terminal without being typed. */
#include "broker/hold/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

/* Cursor keys, escape, alt and control alone make no line. */
static void keys_without_letters_open_none(void **state)
{
    static const char *const keys[] = {"\x1b[A", "\x1bOB", "\x1b[1;5C", "\x1b[3~", "\x1b", "\x1bx", "\x10", "\x1b[Z", NULL};
    (void)state;
    for (const char *const *k = keys; *k; k++) {
        struct keys pressed = after(*k);
        is_open(*k, false);
        assert_int_equal(pressed.typed_ms, 1000);
    }
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
        cmocka_unit_test(letters_open_a_line),
        cmocka_unit_test(keys_without_letters_open_none),
        cmocka_unit_test(answers_are_not_typed),
        cmocka_unit_test(the_last_letter_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
