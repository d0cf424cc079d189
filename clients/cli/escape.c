#include "clients/cli/escape.h"

#include "proto/utf8.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

static void put_escaped(cccc_buf_t *out, uint32_t code)
{
    char word[16];
    int n = snprintf(word, sizeof word, code < 0x100 && code != 0xAD ? "\\x%02x" : "<U+%04X>", (unsigned)code);
    cccc_buf_put(out, word, (size_t)n);
}

/* The control characters of C that have a familiar word, kept on one line. */
static const char *line_word(uint32_t code)
{
    return code == '\n' ? "\\n" : code == '\t' ? "\\t" : code == '\r' ? "\\r" : NULL;
}

void escape_text(cccc_buf_t *out, cccc_str_t text, enum escape_lines lines)
{
    size_t column = 0;
    while (text.len > 0) {
        uint32_t code;
        size_t length;
        bool valid = cccc_utf8_decode(text, &code, &length);
        if (!valid) {
            put_escaped(out, code);
        } else if (lines == ESCAPE_KEEP_LINES && code == '\n') {
            cccc_buf_put(out, "\n", 1);
            column = (size_t)-1;
        } else if (lines == ESCAPE_KEEP_LINES && code == '\t') {
            cccc_buf_put(out, "        ", 8 - column % 8);
            column += 7 - column % 8;
        } else if (line_word(code)) {
            cccc_buf_str(out, line_word(code));
        } else if (cccc_is_unsafe_to_show(code)) {
            put_escaped(out, code);
        } else {
            cccc_buf_put(out, text.ptr, length);
        }
        column++;
        text.ptr += length;
        text.len -= length;
    }
}

void escape_json(cccc_buf_t *out, cccc_str_t json)
{
    while (json.len > 0) {
        uint32_t code;
        size_t length;
        bool valid = cccc_utf8_decode(json, &code, &length);
        char word[16];
        if (!valid) {
            cccc_buf_str(out, "\\ufffd");
        } else if (code == '\n' || !cccc_is_unsafe_to_show(code)) {
            cccc_buf_put(out, json.ptr, length);
        } else if (code < 0x10000) {
            cccc_buf_put(out, word, (size_t)snprintf(word, sizeof word, "\\u%04x", (unsigned)code));
        } else {
            uint32_t rest = code - 0x10000;
            cccc_buf_put(out, word, (size_t)snprintf(word, sizeof word, "\\u%04x\\u%04x", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF)));
        }
        json.ptr += length;
        json.len -= length;
    }
}

/* Widths come from the C library's UTF-8 locale, whatever the user's is, because that is what the bytes are. */
static int code_width(uint32_t code)
{
    static locale_t utf8;
    if (!utf8)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!utf8)
        return 1;
    locale_t before = uselocale(utf8);
    int width = wcwidth((wchar_t)code);
    uselocale(before);
    return width < 0 ? 1 : width;
}

size_t escape_width(cccc_str_t text)
{
    size_t width = 0;
    while (text.len > 0) {
        uint32_t code;
        size_t length;
        cccc_utf8_decode(text, &code, &length);
        width += code < 0x7F ? 1 : (size_t)code_width(code);
        text.ptr += length;
        text.len -= length;
    }
    return width;
}
