/* text.h - writing JSON text piece by piece into a buffer. Internal to proto/: json.c and event.c share it.
 *
 * Thread: none; pure. */
#pragma once

#include "proto/scan.h"
#include "proto/value.h"

/* The slow half of text_string: `done` bytes of `s` are written; escapes the rest. Does not write the closing quote. */
void cccc_text_escape(cccc_buf_t *out, const char *s, size_t len, size_t done);
/* Append the decimal digits of `u`. */
void cccc_text_uint(cccc_buf_t *out, uint64_t u);

static inline void text_bytes(cccc_buf_t *out, const char *bytes, size_t len)
{
    memcpy(cccc_buf_reserve(out, len), bytes, len);
    out->size += len;
}

/* Append a literal. */
#define TEXT_LITERAL(out, literal) text_bytes((out), "" literal, sizeof(literal) - 1)

/* Append `s` as a JSON string, quotes included. */
static inline void text_string(cccc_buf_t *out, const char *s, size_t len)
{
    char *p = cccc_buf_reserve(out, len + 2);
    p[0] = '"';
    size_t plain = scan_copy_plain(p + 1, s, len);
    out->size += plain + 1;
    if (__builtin_expect(plain < len, 0)) {
        cccc_text_escape(out, s, len, plain);
        cccc_buf_reserve(out, 1);
    }
    out->data[out->size++] = '"';
}
