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

/* Without the ASCII white space at both ends. */
static inline cccc_str_t cccc_str_trim(cccc_str_t s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r')))
        s = (cccc_str_t){s.ptr + 1, s.len - 1};
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || (s.ptr[s.len - 1] >= '\t' && s.ptr[s.len - 1] <= '\r')))
        s.len--;
    return s;
}

static inline bool cccc_str_is_blank(cccc_str_t s)
{
    return cccc_str_trim(s).len == 0;
}

/* The part of *rest before the first `end`, or all of it; *rest is what stands behind. */
static inline cccc_str_t cccc_str_next(cccc_str_t *rest, char end)
{
    const char *at = rest->len > 0 ? (const char *)memchr(rest->ptr, end, rest->len) : NULL;
    cccc_str_t part = {rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
    size_t used = part.len + (at != NULL);
    *rest = (cccc_str_t){rest->ptr + used, rest->len - used};
    return part;
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
