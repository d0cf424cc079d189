/* Text written by others, made safe for a terminal: the table over all bytes, the hidden code points, and what must stay as it is. */
#include "clients/cli/escape.h"
#include "proto/utf8.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char *escaped(cccc_str_t text, enum escape_lines lines)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    escape_text(&out, text, lines);
    cccc_buf_put(&out, "", 1);
    char *result = strdup(out.data);
    cccc_buf_fini(&out);
    return result;
}

static void shows(const char *text, size_t len, enum escape_lines lines, const char *expected)
{
    char *got = escaped((cccc_str_t){text, len}, lines);
    assert_string_equal(got, expected);
    free(got);
}

/* Every byte from 0x00 to 0x9F, alone: printable ASCII stays, everything else becomes a visible word. */
static void every_byte_to_9f_is_shown_or_escaped(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte <= 0x9F; byte++) {
        char text = (char)byte, expected[8];
        if (byte >= 0x20 && byte < 0x7F)
            snprintf(expected, sizeof expected, "%c", byte);
        else
            snprintf(expected, sizeof expected, "\\x%02x", byte);
        const char *word = byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : byte == '\r' ? "\\r" : expected;
        shows(&text, 1, ESCAPE_ONE_LINE, word);
        if (byte != '\n' && byte != '\t')
            shows(&text, 1, ESCAPE_KEEP_LINES, word);
    }
}

/* C1 controls are obeyed by some terminals also in their UTF-8 form, C2 80 to C2 9F. */
static void c1_controls_in_utf8_are_escaped(void **state)
{
    (void)state;
    for (unsigned code = 0x80; code <= 0x9F; code++) {
        char text[2] = {(char)0xC2, (char)code}, expected[8];
        snprintf(expected, sizeof expected, "\\x%02x", code);
        shows(text, 2, ESCAPE_ONE_LINE, expected);
    }
}

static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80)
        return out[0] = (char)code, 1;
    if (code < 0x800)
        return out[0] = (char)(0xC0 | code >> 6), out[1] = (char)(0x80 | (code & 63)), 2;
    if (code < 0x10000)
        return out[0] = (char)(0xE0 | code >> 12), out[1] = (char)(0x80 | (code >> 6 & 63)), out[2] = (char)(0x80 | (code & 63)), 3;
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 63));
    out[2] = (char)(0x80 | (code >> 6 & 63));
    out[3] = (char)(0x80 | (code & 63));
    return 4;
}

/* Bidirectional controls, zero-width characters, separators and tags never reach a terminal. */
static void hidden_characters_are_named(void **state)
{
    static const uint32_t hidden[] = {0x00AD, 0x061C, 0x200B, 0x200C, 0x200D,  0x200E,  0x200F, 0x2028, 0x2029,
                                      0x202A, 0x202B, 0x202C, 0x202D, 0x202E,  0x2060,  0x2066, 0x2067, 0x2068,
                                      0x2069, 0xFEFF, 0xFFF9, 0xFFFB, 0xE0001, 0xE0020, 0xE007F};
    (void)state;
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        char text[4], expected[16];
        size_t len = encode(hidden[i], text);
        snprintf(expected, sizeof expected, "<U+%04X>", (unsigned)hidden[i]);
        shows(text, len, ESCAPE_ONE_LINE, expected);
        shows(text, len, ESCAPE_KEEP_LINES, expected);
    }
}

static void ordinary_text_of_all_scripts_stays(void **state)
{
    static const char text[] =
        "a\\b ~ \xC3\xA4 \xE2\x82\xAC \xE6\xBC\xA2\xE5\xAD\x97 \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D \xF0\x9F\x98\x80 \xE2\x9D\xA4\xEF\xB8\x8F";
    (void)state;
    shows(text, sizeof text - 1, ESCAPE_ONE_LINE, text);
}

static void bytes_that_are_not_utf8_are_shown_one_by_one(void **state)
{
    (void)state;
    shows("\xFF\xC3(\xE2\x82", 5, ESCAPE_ONE_LINE, "\\xff\\xc3(\\xe2\\x82");
    shows("\xC0\x80", 2, ESCAPE_ONE_LINE, "\\xc0\\x80");                   /* overlong */
    shows("\xED\xA0\x80", 3, ESCAPE_ONE_LINE, "\\xed\\xa0\\x80");          /* a surrogate */
    shows("\xF4\x90\x80\x80", 4, ESCAPE_ONE_LINE, "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
}

static void sequences_that_control_terminals_become_text(void **state)
{
    (void)state;
    shows("\033]52;c;ZXZpbA==\a", 16, ESCAPE_ONE_LINE, "\\x1b]52;c;ZXZpbA==\\x07");
    shows("\033[2J\033[31mred", 12, ESCAPE_KEEP_LINES, "\\x1b[2J\\x1b[31mred");
    shows("a\r\nb", 4, ESCAPE_KEEP_LINES, "a\\r\nb");
}

static void tabs_reach_the_next_stop(void **state)
{
    (void)state;
    shows("ab\tc\n\td", 7, ESCAPE_KEEP_LINES, "ab      c\n        d");
}

/* Whatever bytes come in, nothing a terminal obeys goes out, and the JSON form is still the same value. */
static void random_bytes_never_yield_a_control_character(void **state)
{
    const char *given = getenv("CCCC_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL) ^ (unsigned)getpid();
    (void)state;
    print_message("seed %u (repeat with CCCC_SEED)\n", seed);
    srand(seed);
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t len = (size_t)rand() % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(rand() % 4 ? "\xE2\x80\xAE\xC2\x9B\x1B\xF3\xA0\x81\x81[a"[rand() % 13] : rand());
        char *safe = escaped((cccc_str_t){text, len}, ESCAPE_ONE_LINE);
        for (cccc_str_t rest = cccc_str(safe); rest.len > 0;) {
            uint32_t code;
            size_t used;
            assert_true(cccc_utf8_decode(rest, &code, &used));
            assert_false(cccc_is_unsafe_to_show(code));
            rest.ptr += used;
            rest.len -= used;
        }
        free(safe);
    }
}

static void json_keeps_its_value_and_loses_its_controls(void **state)
{
    static const char text[] = "\xE2\x80\xAE \xC2\x9B \xF3\xA0\x81\x81 \x7F ok";
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_value_t value = cccc_text(text), back;
    cccc_buf_t json, safe;
    (void)state;
    cccc_buf_init(&json);
    cccc_buf_init(&safe);
    cccc_json_write(&value, &json);
    escape_json(&safe, (cccc_str_t){json.data, json.size});
    assert_non_null(memmem(safe.data, safe.size, "\\u202e", 6));
    for (size_t i = 0; i < safe.size; i++)
        assert_true((unsigned char)safe.data[i] < 0x7F);
    assert_int_equal(cccc_json_read(safe.data, safe.size, arena, &back, NULL), CCCC_OK);
    assert_true(cccc_value_eq(&value, &back));
    cccc_buf_fini(&json);
    cccc_buf_fini(&safe);
    cccc_arena_destroy(&arena);
}

static void widths_are_columns(void **state)
{
    (void)state;
    assert_int_equal(escape_width(CCCC_STR("abc")), 3);
    assert_int_equal(escape_width(CCCC_STR("\xE6\xBC\xA2\xE5\xAD\x97")), 4); /* two wide characters */
    assert_int_equal(escape_width(CCCC_STR("e\xCC\x81")), 1);                /* e and a combining accent */
    assert_int_equal(escape_width(CCCC_STR("\xC3\xA4")), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_to_9f_is_shown_or_escaped),
        cmocka_unit_test(c1_controls_in_utf8_are_escaped),
        cmocka_unit_test(hidden_characters_are_named),
        cmocka_unit_test(ordinary_text_of_all_scripts_stays),
        cmocka_unit_test(bytes_that_are_not_utf8_are_shown_one_by_one),
        cmocka_unit_test(sequences_that_control_terminals_become_text),
        cmocka_unit_test(tabs_reach_the_next_stop),
        cmocka_unit_test(random_bytes_never_yield_a_control_character),
        cmocka_unit_test(json_keeps_its_value_and_loses_its_controls),
        cmocka_unit_test(widths_are_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
