/* hex.h - numbers as hex digits, for what is written with every message. Thread: none; pure. */
#pragma once

#include "proto/scan.h"

#include <endian.h>
#include <string.h>

/* The 8 lower-case hex digits of `u`, highest first: its nibbles spread over the bytes of a word, all turned into digits at once. Returns what is behind
 * them. */
static inline char *cccc_put_hex8(char *p, uint32_t u)
{
    uint64_t w = u;
    w = (w << 16 | w) & UINT64_C(0x0000ffff0000ffff);
    w = (w << 8 | w) & UINT64_C(0x00ff00ff00ff00ff);
    w = (w << 4 | w) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = ((w + SCAN_ONES * 6) >> 4) & SCAN_ONES;
    w += SCAN_ONES * '0' + letters * ('a' - '0' - 10);
    w = htobe64(w);
    memcpy(p, &w, 8);
    return p + 8;
}
