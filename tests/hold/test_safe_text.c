/* What is typed into a terminal holds no key but letters, blanks, tabs and line feeds: a table over all bytes, and the sequences people try. */
#include "broker/hold/safe_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void is_typed(const char *text, size_t len, bool lines, const char *expected)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    safe_text(&out, (cccc_str_t){text, len}, lines);
    if (out.size != strlen(expected) || (out.size > 0 && memcmp(out.data, expected, out.size) != 0))
        fail_msg("%.*s became %.*s, not %s", (int)len, text, (int)out.size, out.data, expected);
    cccc_buf_fini(&out);
}

#define TYPED(text, expected) is_typed(text, sizeof(text) - 1, true, expected)

/* Of the 256 bytes, alone and between letters, only tab, line feed and what is printed survive. */
static void every_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[3] = {'a', (char)byte, 'b'}, expected[8] = "";
        if (byte == '\r')
            strcpy(expected, "a\nb");
        else if (byte >= 0x80)
            strcpy(expected, "a\xef\xbf\xbd"
                             "b");
        else if (byte == '\t' || byte == '\n' || (byte >= 0x20 && byte < 0x7f))
            memcpy(expected, text, 3);
        else
            strcpy(expected, "ab");
        is_typed(text, 3, true, expected);
    }
}

/* C1 controls are dropped in their two-byte form, all of them. */
static void encoded_c1(void **state)
{
    (void)state;
    for (unsigned byte = 0x80; byte < 0xa0; byte++) {
        char text[4] = {'a', (char)0xc2, (char)byte, 'b'};
        is_typed(text, 4, true, "ab");
    }
}

static void known_sequences(void **state)
{
    (void)state;
    TYPED("x\x1b[201~y", "x[201~y");
    TYPED("x\x1b[20\x1b[201~1~y", "x[20[201~1~y");
    TYPED("x\xc2\x9b"
          "201~y",
          "x201~y");
    TYPED("\x1b]52;c;aGVsbG8=\x07", "]52;c;aGVsbG8=");
    TYPED("\x1b]0;title\x1b\\", "]0;title\\");
    TYPED("a\x03\x04\x1a\x1c\x7f"
          "b",
          "ab");
    TYPED("right \xe2\x80\xae tfel", "right  tfel");
    TYPED("zero\xe2\x80\x8bwidth", "zerowidth");
    TYPED("\xf3\xa0\x81\x81tag", "tag");
}

static void lines_and_their_end(void **state)
{
    (void)state;
    TYPED("one\r\ntwo\rthree\n\n", "one\ntwo\nthree");
    is_typed("one\ntwo\n", 8, false, "one two");
    TYPED("\n\n", "");
    TYPED("gr\xc3\xbc\xc3\x9f dich \xe4\xbd\xa0\xe5\xa5\xbd", "gr\xc3\xbc\xc3\x9f dich \xe4\xbd\xa0\xe5\xa5\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte),
        cmocka_unit_test(encoded_c1),
        cmocka_unit_test(known_sequences),
        cmocka_unit_test(lines_and_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
