#include "clients/cli/escape.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* Code points beyond C0, DEL and C1 that are invisible or change the order of what is seen. Sources: Unicode's Bidi_Control, Default_Ignorable
 * (without variation selectors 1-16, which emoji use), line and paragraph separators, annotation and tag characters. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    {0x00AD, 0x00AD}, {0x034F, 0x034F},   {0x061C, 0x061C},   {0x115F, 0x1160},   {0x17B4, 0x17B5}, {0x180B, 0x180F},
    {0x200B, 0x200F}, {0x2028, 0x202E},   {0x2060, 0x206F},   {0x3164, 0x3164},   {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0},
    {0xFFF0, 0xFFFB}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

bool escape_is_unsafe(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7F && code <= 0x9F))
        return true;
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (code >= hidden[i].first && code <= hidden[i].last)
            return true;
    return false;
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

bool escape_decode(cccc_str_t text, uint32_t *code, size_t *length)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text.ptr;
    *length = 1;
    *code = p[0];
    if (p[0] < 0x80)
        return true;
    size_t need = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || need > text.len)
        return false;
    uint32_t c = p[0] & (0xFFu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if (!is_continuation(p[i]))
            return false;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    if (c < smallest[need] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return false;
    *code = c;
    *length = need;
    return true;
}

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
        bool valid = escape_decode(text, &code, &length);
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
        } else if (escape_is_unsafe(code)) {
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
        bool valid = escape_decode(json, &code, &length);
        char word[16];
        if (!valid) {
            cccc_buf_str(out, "\\ufffd");
        } else if (code == '\n' || !escape_is_unsafe(code)) {
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
        escape_decode(text, &code, &length);
        width += code < 0x7F ? 1 : (size_t)code_width(code);
        text.ptr += length;
        text.len -= length;
    }
    return width;
}
