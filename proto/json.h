/* json.h - strict JSON text to values and back.
 *
 * Reading (RFC 8259, narrowed): UTF-8 only, no duplicate keys, no NaN or infinities, integers exact in int64/uint64 (others refused,
 * not rounded), fractions as doubles, depth and item limits from limits.def, no bytes after the value but white space.
 * Writing: compact, UTF-8 unescaped, control characters escaped, integers exact; bin is refused by assertion (never stored).
 * Thread: none; pure. */
#pragma once

#include "proto/err.h"
#include "proto/value.h"

/* Decode exactly one value. Everything lives in `arena` (strings without escapes may borrow `text`). CCCC_E_BAD_JSON: *m says what and
 * at which byte. */
cccc_err_t cccc_json_read(const char *text, size_t len, cccc_arena_t *arena, cccc_value_t *out, struct cccc_errmsg *m);
/* Append `v` as compact JSON. */
void cccc_json_write(const cccc_value_t *v, cccc_buf_t *out);
/* Append `v` with an indent of two spaces and a final newline, as the state files of reference 0.4. */
void cccc_json_write_pretty(const cccc_value_t *v, cccc_buf_t *out);
/* True when `s` is well-formed UTF-8 (no surrogates, no overlong forms, nothing above U+10FFFF). */
bool cccc_utf8_valid(cccc_str_t s);
