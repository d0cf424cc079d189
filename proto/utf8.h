/* utf8.h - code points of texts that strangers wrote, and which of them must not reach a terminal.
 *
 * Thread: none; pure. */
#pragma once

#include "proto/str.h"

#include <stdint.h>

/* Decode one code point at `text` (not empty); *length bytes were used. False: not UTF-8 (RFC 3629); *length is 1 and *code the byte. */
bool cccc_utf8_decode(cccc_str_t text, uint32_t *code, size_t *length);
/* True when a terminal would obey `code` (C0 with line feed and tab, DEL, C1), or it hides or reorders what a person sees: bidirectional controls, invisible
 * and tag characters. Sources: Unicode's Bidi_Control, Default_Ignorable (without variation selectors 1-16, which emoji use), line and paragraph
 * separators, annotation characters. */
bool cccc_is_unsafe_to_show(uint32_t code);
