/* escape.h - text written by others, made safe to show.
 *
 * A terminal obeys what it is sent: control sequences can retitle it, fill the clipboard, hide or reorder what is read. So every code point that
 * is not meant to be seen becomes a visible word: C0 and DEL `\x1b`, C1 `\x9b`, bidirectional controls, zero-width and tag characters
 * `<U+202E>`, bytes that are not UTF-8 `\xff`. What is left is plain text.
 * Thread: none; pure. */
#pragma once

#include "proto/value.h"

enum escape_lines {
    ESCAPE_ONE_LINE,  /* a line feed becomes \n and a tab \t: the result is one line and one column */
    ESCAPE_KEEP_LINES /* line feeds stay; tabs become blanks up to the next multiple of eight from the text's own left edge */
};

/* Append `text`, escaped. */
void escape_text(cccc_buf_t *out, cccc_str_t text, enum escape_lines lines);
/* Append JSON text with every code point a terminal must not see written as \uXXXX: still the same JSON value. */
void escape_json(cccc_buf_t *out, cccc_str_t json);
/* Columns that already escaped text of one line takes on a terminal: wide characters count two, combining ones none. */
size_t escape_width(cccc_str_t text);
