/* hash.c - multiply and fold: each step multiplies two words into 128 bits and keeps the exclusive or of both halves.
 *
 * The last step reads what is left as two words that may overlap; the length went in first, so no two strings read alike. The constants are
 * digits of pi and of e, for want of a pattern. */
#include "proto/hash.h"

#include <endian.h>

#define PI_BITS UINT64_C(0x243f6a8885a308d3)
#define E_BITS  UINT64_C(0xb7e151628aed2a6b)

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t eight_at(const char *p)
{
    uint64_t w;
    memcpy(&w, p, 8);
    return le64toh(w);
}

static uint64_t four_at(const char *p)
{
    uint32_t w;
    memcpy(&w, p, 4);
    return le32toh(w);
}

uint64_t cccc_hash64(uint64_t seed, cccc_str_t bytes)
{
    const char *p = bytes.ptr;
    size_t left = bytes.len;
    uint64_t hash = fold(seed ^ PI_BITS, bytes.len ^ E_BITS), a = 0, b = 0;
    for (; left > 16; p += 16, left -= 16)
        hash = fold(eight_at(p) ^ E_BITS, eight_at(p + 8) ^ hash);
    if (left >= 8) {
        a = eight_at(p);
        b = eight_at(p + left - 8);
    } else if (left >= 4) {
        a = four_at(p);
        b = four_at(p + left - 4);
    } else if (left > 0) {
        a = (unsigned char)p[0];
        b = (uint64_t)(unsigned char)p[left / 2] << 8 | (unsigned char)p[left - 1];
    }
    return fold(fold(a ^ E_BITS, b ^ hash) ^ PI_BITS, E_BITS);
}
