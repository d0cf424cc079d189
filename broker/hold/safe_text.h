/* safe_text.h - a message made safe to be typed into a terminal.
 *
 * What is typed is obeyed: a control character is a key, ESC begins a sequence, and the end mark of a paste inside a paste would let the rest be typed as commands. So
 * nothing below a blank survives but line feed and tab, no DEL, no C1 control in either encoding; without ESC and 0x9b there is no sequence and no
 * paste mark, whatever is left of one. Bidirectional and invisible format characters go too: they hide text from the person who watches.
 * Thread: none; pure. Source: reference/reliability-and-limits.md 4.6. */
#pragma once

#include "proto/value.h"

/* Append `text`, made safe. Bytes that are not UTF-8 become U+FFFD. CR LF and CR count as line feeds; those at the end go. `lines` false: line feeds become
 * blanks, for programs that would take each as the end of the input. */
void safe_text(cccc_buf_t *out, cccc_str_t text, bool lines);
