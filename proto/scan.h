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

/* Copy 4 to 7 bytes as two words that overlap; true when all are plain. */
static inline bool scan_copy_few(char *dst, const char *src, size_t len)
{
    uint32_t head, tail;
    memcpy(&head, src, 4);
    memcpy(&tail, src + len - 4, 4);
    memcpy(dst, &head, 4);
    memcpy(dst + len - 4, &tail, 4);
    return scan_word_marks((uint64_t)head << 32 | tail) == 0;
}

/* Copy the last 8 bytes as one word, bytes already copied among them; true when all are plain. */
static inline bool scan_copy_last(char *dst, const char *src, size_t len)
{
    uint64_t w;
    memcpy(&w, src + len - 8, 8);
    memcpy(dst + len - 8, &w, 8);
    return scan_word_marks(w) == 0;
}

/* Copy the plain bytes `src` starts with, and return how many; `dst` has room for all `len` and may get bytes behind them too. */
static inline size_t scan_copy_plain(char *dst, const char *src, size_t len)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= len; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(src + i));
        _mm_storeu_si128((__m128i *)(void *)(dst + i), v);
        unsigned marks = scan_block_marks(v);
        if (marks != 0)
            return i + (size_t)__builtin_ctz(marks);
    }
#endif
    for (; i + 8 <= len; i += 8) {
        uint64_t w;
        memcpy(&w, src + i, 8);
        memcpy(dst + i, &w, 8);
        if (scan_word_marks(w) != 0)
            break;
    }
    if (i < len && i + 8 > len && len >= 8 && scan_copy_last(dst, src, len))
        return len;
    if (len >= 4 && len < 8 && scan_copy_few(dst, src, len))
        return len;
    for (; i < len && scan_is_plain((unsigned char)src[i]); i++)
        dst[i] = src[i];
    return i;
}
