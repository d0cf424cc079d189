/* text.h - writing text and msgpack through a cursor that stays in a register.
 *
 * Internal to proto/. A buffer's size in memory, read and written for every few bytes, is what makes writers slow; here functions take the place to
 * write at and return the place behind. `room` sees to the space; the caller stores the end with cursor_end when it is done.
 * Thread: none; pure. */
#pragma once

#include "proto/scan.h"
#include "proto/value.h"

/* Where the next byte goes. */
static inline char *cursor_begin(cccc_buf_t *b)
{
    return cccc_buf_reserve(b, 0);
}

static inline void cursor_end(cccc_buf_t *b, const char *p)
{
    b->size = (size_t)(p - b->data);
}

/* `p`, or where it is after the buffer moved: with at least `len` bytes behind it. */
static inline char *room(cccc_buf_t *b, char *p, size_t len)
{
    if (__builtin_expect((size_t)(b->data + b->alloc - p) >= len, 1))
        return p;
    cursor_end(b, p);
    return cccc_buf_reserve(b, len);
}

/* memcpy without the call for the short strings most messages are made of. */
static inline char *put_bytes(char *p, const char *s, size_t len)
{
    if (len > 32) {
        memcpy(p, s, len);
    } else if (len >= 16) {
        memcpy(p, s, 16);
        memcpy(p + len - 16, s + len - 16, 16);
    } else if (len >= 8) {
        memcpy(p, s, 8);
        memcpy(p + len - 8, s + len - 8, 8);
    } else if (len >= 4) {
        memcpy(p, s, 4);
        memcpy(p + len - 4, s + len - 4, 4);
    } else {
        for (size_t i = 0; i < len; i++)
            p[i] = s[i];
    }
    return p + len;
}

/* A literal; there must be room for it. */
#define PUT_LITERAL(p, literal) ((char *)memcpy((p), "" literal, sizeof(literal) - 1) + sizeof(literal) - 1)

/* The slow half of text_string: escapes what is left of `s`. Does not write the closing quote. */
char *cccc_text_escape(cccc_buf_t *b, char *p, const char *s, size_t len);
/* The decimal digits of `u`; makes room for them and 12 bytes more. */
char *cccc_text_uint(cccc_buf_t *b, char *p, uint64_t u);
/* `v` as compact JSON; makes room for it and 8 bytes more. */
char *cccc_text_value(cccc_buf_t *b, char *p, const cccc_value_t *v);

/* `s` as a JSON string, quotes included; makes room for it and 32 bytes more. */
static inline char *text_string(cccc_buf_t *b, char *p, const char *s, size_t len)
{
    p = room(b, p, len + 34);
    *p++ = '"';
    size_t plain = scan_copy_plain(p, s, len);
    p += plain;
    if (__builtin_expect(plain < len, 0))
        p = room(b, cccc_text_escape(b, p, s + plain, len - plain), 33);
    *p++ = '"';
    return p;
}

/* ---- msgpack: msgpack-c's packer with a write function that inlines away ---- */

static inline int cursor_write(void *cursor, const char *bytes, size_t len)
{
    char **p = cursor;
    memcpy(*p, bytes, len);
    *p += len;
    return 0;
}

/* Most bytes of a msgpack head: a type and a length or a number. */
#define PACK_HEAD_BYTES 9

#define PACK_WITH(p, call)                                                                                                                 \
    do {                                                                                                                                   \
        msgpack_packer pk = {&(p), cursor_write};                                                                                          \
        call;                                                                                                                              \
    } while (0)

/* A string; there must be room for PACK_HEAD_BYTES and its bytes. */
static inline char *pack_str_at(char *p, const char *s, size_t len)
{
    if (len < 32)
        *p++ = (char)(0xa0 | len); /* nearly all are this short */
    else
        PACK_WITH(p, msgpack_pack_str(&pk, len));
    return put_bytes(p, s, len);
}

/* The same with room made, and 64 bytes more. */
static inline char *pack_string(cccc_buf_t *b, char *p, cccc_str_t s)
{
    return pack_str_at(room(b, p, s.len + PACK_HEAD_BYTES + 64), s.ptr, s.len);
}

/* A literal of at most 31 bytes; there must be room for one byte more. */
#define PACK_LITERAL(p, literal) ((p)[0] = (char)(0xa0 | (sizeof(literal) - 1)), PUT_LITERAL((p) + 1, literal))

/* `v` packed; makes room for it and 64 bytes more. */
char *cccc_pack_value_at(cccc_buf_t *b, char *p, const cccc_value_t *v);
