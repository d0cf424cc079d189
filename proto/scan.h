/* scan.h - finding, many bytes at a time, the first byte JSON text cannot hold as it is: a quote, a backslash or a control character.
 *
 * Internal to proto/: the JSON reader and the two writers (values, ledger lines) share it. SSE2 where there is any, else 8 bytes in a word.
 * Thread: none; pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SCAN_ONES  UINT64_C(0x0101010101010101)
#define SCAN_HIGHS UINT64_C(0x8080808080808080)

static inline bool scan_is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* The high bit of each byte that is not plain. Borrows between bytes may mark a byte above a marked one too, never a plain word: good for "any?" only.
 * Mycroft's zero-byte test, as in Hacker's Delight 6-1. */
static inline uint64_t scan_word_marks(uint64_t w)
{
    uint64_t quote = w ^ (SCAN_ONES * '"'), slash = w ^ (SCAN_ONES * '\\');
    return ((quote - SCAN_ONES) & ~quote & SCAN_HIGHS) | ((slash - SCAN_ONES) & ~slash & SCAN_HIGHS) |
           ((w - SCAN_ONES * 0x20) & ~w & SCAN_HIGHS);
}

#ifdef __SSE2__
/* One bit per byte that is not plain. */
static inline unsigned scan_block_marks(__m128i v)
{
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, slash)));
}
#endif

/* How many plain bytes `p` starts with. *high becomes true when one of the bytes looked at is not ASCII (it may lie behind the plain ones). */
static inline size_t scan_plain(const char *p, size_t len, bool *high)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= len; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        *high |= _mm_movemask_epi8(v) != 0;
        unsigned marks = scan_block_marks(v);
        if (marks != 0)
            return i + (size_t)__builtin_ctz(marks);
    }
#endif
    for (; i + 8 <= len; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        *high |= (w & SCAN_HIGHS) != 0;
        if (scan_word_marks(w) != 0)
            break;
    }
    for (; i < len && scan_is_plain((unsigned char)p[i]); i++)
        *high |= (unsigned char)p[i] >= 0x80;
    return i;
}

/* Are all 16 bytes plain? */
static inline bool scan_is_plain_block(uint64_t a, uint64_t b)
{
#ifdef __SSE2__
    return scan_block_marks(_mm_set_epi64x((long long)b, (long long)a)) == 0;
#else
    return (scan_word_marks(a) | scan_word_marks(b)) == 0;
#endif
}

/* Copy 16 bytes; true when all are plain. */
static inline bool scan_copy_block(char *dst, const char *src)
{
#ifdef __SSE2__
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)src);
    _mm_storeu_si128((__m128i *)(void *)dst, v);
    return scan_block_marks(v) == 0;
#else
    uint64_t a, b;
    memcpy(&a, src, 8);
    memcpy(&b, src + 8, 8);
    memcpy(dst, &a, 8);
    memcpy(dst + 8, &b, 8);
    return scan_is_plain_block(a, b);
#endif
}

/* Copy 8 to 15 bytes, or 4 to 7, as two words that overlap; true when all are plain. */
static inline bool scan_copy_few(char *dst, const char *src, size_t len)
{
    uint64_t a, b;
    if (len >= 8) {
        memcpy(&a, src, 8);
        memcpy(&b, src + len - 8, 8);
        memcpy(dst, &a, 8);
        memcpy(dst + len - 8, &b, 8);
        return scan_is_plain_block(a, b);
    }
    uint32_t head, tail;
    memcpy(&head, src, 4);
    memcpy(&tail, src + len - 4, 4);
    memcpy(dst, &head, 4);
    memcpy(dst + len - 4, &tail, 4);
    a = (uint64_t)head << 32 | tail;
    return scan_is_plain_block(a, a);
}

/* The plain bytes at the start of a run that is long, or not all plain. */
__attribute__((noinline)) static size_t scan_copy_long(char *dst, const char *src, size_t len)
{
    size_t i = 0;
    while (i + 16 <= len && scan_copy_block(dst + i, src + i))
        i += 16;
    if (i == len || (len >= 16 && i + 16 > len && scan_copy_block(dst + len - 16, src + len - 16)))
        return len;
    for (; i < len && scan_is_plain((unsigned char)src[i]); i++)
        dst[i] = src[i];
    return i;
}

/* Copy the plain bytes `src` starts with, and return how many; `dst` has room for all `len` and may get bytes behind them too. */
static inline size_t scan_copy_plain(char *dst, const char *src, size_t len)
{
    return len >= 4 && len < 16 && scan_copy_few(dst, src, len) ? len : scan_copy_long(dst, src, len);
}

/* The bits of 16 bytes that ASCII does not have, put together. */
static inline uint64_t scan_high_bits(const char *p)
{
    uint64_t a, b;
    memcpy(&a, p, 8);
    memcpy(&b, p + 8, 8);
    return (a | b) & SCAN_HIGHS;
}

/* Is every byte ASCII? The last block overlaps the one before it. */
static inline bool scan_is_ascii(const char *p, size_t len)
{
    uint64_t high = 0;
    if (len >= 16) {
        for (size_t i = 0; i + 16 <= len; i += 16)
            high |= scan_high_bits(p + i);
        high |= scan_high_bits(p + len - 16);
    } else if (len >= 8) {
        uint64_t a, b;
        memcpy(&a, p, 8);
        memcpy(&b, p + len - 8, 8);
        high = (a | b) & SCAN_HIGHS;
    } else if (len >= 4) {
        uint32_t a, b;
        memcpy(&a, p, 4);
        memcpy(&b, p + len - 4, 4);
        high = (a | b) & SCAN_HIGHS;
    } else {
        for (size_t i = 0; i < len; i++)
            high |= (unsigned char)p[i] & 0x80;
    }
    return high == 0;
}
