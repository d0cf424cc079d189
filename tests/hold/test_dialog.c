/* Questions of an agent's own, on screens like those agents draw; and what looks like one and is none. */
#include "broker/hold/dialog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool asks(const char *shown)
{
    cccc_arena_t *arena = cccc_arena_new(512);
    cccc_builder_t questions = cccc_array_builder(arena, 2), dialogs = cccc_array_builder(arena, 2);
    screen_t *screen = screen_new(40, 100);
    cccc_array_add(&questions, cccc_text("Do you want to"));
    cccc_array_add(&dialogs, cccc_text("Enter to confirm"));
    screen_feed(screen, shown, strlen(shown));
    bool open = dialog_is_open(screen, &questions.value, &dialogs.value);
    screen_destroy(&screen);
    cccc_arena_destroy(&arena);
    return open;
}

/* A question with a marked choice below it, in whatever frame, and words that need none. */
static void a_question_with_its_choice_is_a_dialog(void **state)
{
    (void)state;
    assert_true(asks("Do you want to go on?\r\n\xe2\x9d\xaf 1. Yes\r\n  2. No\r\n"));
    assert_true(asks("\xe2\x94\x82 Do you want to go on?  \xe2\x94\x82\r\n\xe2\x94\x82   1. Yes  \xe2\x94\x82\r\n\xe2\x94\x82 \xe2\x97\x8f "
                     "2. No   \xe2\x94\x82\r\n"));
    assert_true(asks("some text\r\n Enter to confirm, Esc to leave\r\n"));
}

/* What an agent says in the same words waits for an answer, but none of ours would be a choice: its messages are not to wait for ever. */
static void words_alone_are_none(void **state)
{
    (void)state;
    assert_false(asks("\xe2\x97\x8f Do you want to see the tests?\r\n\r\n\xe2\x9d\xaf \r\n"));
    assert_false(asks("Do you want to:\r\n 1. test\r\n 2. stop\r\n\r\n> \r\n"));
    assert_false(asks("a line that says: Do you want to go on?\r\n\xe2\x9d\xaf 1. Yes\r\n"));
    assert_false(asks("\xe2\x9d\xaf 1. Yes\r\nDo you want to\r\n"));
}

/* What was answered stays on the screen, with what followed below it. */
static void an_answered_one_is_none(void **state)
{
    char shown[1024] = "Do you want to go on?\r\n> 1. Yes\r\n  2. No\r\n";
    (void)state;
    assert_true(asks(shown));
    for (int i = 0; i < 12; i++)
        strcat(shown, "what was done then\r\n");
    assert_false(asks(shown));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_with_its_choice_is_a_dialog),
        cmocka_unit_test(words_alone_are_none),
        cmocka_unit_test(an_answered_one_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
