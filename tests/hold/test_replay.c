/* What was printed before, for somebody who comes to see it: all but the questions. */
#include "broker/hold/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* In pieces of `piece` bytes. */
static void gives(const char *printed, const char *expected, size_t piece)
{
    struct replay replay = {0};
    cccc_buf_t out;
    cccc_buf_init(&out);
    for (size_t at = 0, len = strlen(printed); at < len; at += piece)
        replay_put(&replay, &out, printed + at, len - at < piece ? len - at : piece);
    replay_end(&replay, &out);
    cccc_buf_put(&out, "", 1);
    assert_string_equal(out.data, expected);
    cccc_buf_fini(&out);
}

/* Each question that a terminal answers is left out, wherever it is cut in two; what stands around it stays. */
static void questions_are_left_out(void **state)
{
    static const char *const questions[] = {"\x1b[6n",
                                            "\x1b[?6n",
                                            "\x1b[5n",
                                            "\x1b[c",
                                            "\x1b[>c",
                                            "\x1b[=0c",
                                            "\x1b[>0q",
                                            "\x1b[?u",
                                            "\x1b[?2026$p",
                                            "\x1b[4$p",
                                            "\x1b[14t",
                                            "\x1b[18t",
                                            "\x1b[x",
                                            "\x1b[?4m",
                                            "\x1b]10;?\x07",
                                            "\x1b]11;?\x1b\\",
                                            "\x1b]4;0;?\x07",
                                            "\x1bP+q4d73\x1b\\",
                                            "\x1bP$qm\x1b\\",
                                            "\x1b_Gi=1,a=q;AAAA\x1b\\",
                                            "\x05",
                                            "\x1b]52;c;?\x07",
                                            "\x1b[?1;1;0S",
                                            "\x1b]1337;Capabilities\x07",
                                            NULL};
    (void)state;
    for (const char *const *q = questions; *q; q++)
        for (size_t piece = 1; piece < 8; piece++) {
            char printed[128];
            snprintf(printed, sizeof printed, "before\x1b[31m%sbehind", *q);
            gives(printed, "before\x1b[31mbehind", piece);
        }
}

/* What only draws, sets modes or names things is shown as it was printed, also what looks like a question and is none. */
static void all_else_is_shown(void **state)
{
    static const char *const shown[] = {"plain \xe2\x94\x80 text\r\n",
                                        "\x1b[?2004h\x1b[?25l\x1b[2J\x1b[1;1H",
                                        "\x1b[31;1mred\x1b[m",
                                        "\x1b]0;a title?\x07",
                                        "\x1b]8;;https://x/?a=b\x1b\\link",
                                        "\x1b[>7u\x1b[<u\x1b[u\x1b[s",
                                        "\x1b[>4;1m\x1b[4 q",
                                        "\x1b[8;40;120t",
                                        "\x1b]52;c;aGk=\x07",
                                        "\x1bPtmux;x\x1b\\",
                                        "\x1b(0lqk\x1b(B\x1b"
                                        "7",
                                        "an unfinished \x1b[3",
                                        NULL};
    (void)state;
    for (const char *const *s = shown; *s; s++)
        for (size_t piece = 1; piece < 8; piece++)
            gives(*s, *s, piece);
}

/* A sequence longer than any question is passed on. */
static void long_sequences_are_passed_on(void **state)
{
    char printed[4 * REPLAY_HELD_BYTES_MAX];
    (void)state;
    memset(printed, 'x', sizeof printed);
    memcpy(printed, "\x1b]1337;File=", 12);
    memcpy(printed + sizeof printed - 6,
           "\x07"
           "end\0",
           5);
    gives(printed, printed, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_left_out),
        cmocka_unit_test(all_else_is_shown),
        cmocka_unit_test(long_sequences_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
