/* str.h - a borrowed run of bytes: the string type of every decoded field.
 *
 * Owns nothing: the bytes belong to an arena, a buffer or the program text, and are not NUL-terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct cccc_str {
    const char *ptr;
    size_t len;
} cccc_str_t;

/* A string literal as a cccc_str_t. */
#define CCCC_STR(literal) ((cccc_str_t){(literal), sizeof(literal) - 1})

/* Arguments for a printf "%.*s". Evaluates `s` twice. */
#define CCCC_STR_FMT(s) (int)(s).len, ((s).ptr ? (s).ptr : "")

static inline cccc_str_t cccc_str(const char *z)
{
    return (cccc_str_t){z, z ? strlen(z) : 0};
}

static inline bool cccc_str_eq(cccc_str_t a, cccc_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool cccc_str_is(cccc_str_t a, const char *z)
{
    return cccc_str_eq(a, cccc_str(z));
}

/* At most the first `max` bytes, ending between two characters of UTF-8. */
static inline cccc_str_t cccc_str_cut(cccc_str_t s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
        max--;
    return (cccc_str_t){s.ptr, max};
}
