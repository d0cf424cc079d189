/* prefetch.h - telling the processor early what will be read or written soon, so that it need not wait for memory then.
 *
 * Hints: nothing depends on them. Thread: any. */
#pragma once

#include <stddef.h>

#define CCCC_CACHE_LINE_BYTES 64

/* `bytes` from `p` on will be used soon. */
static inline void cccc_prefetch(const void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += CCCC_CACHE_LINE_BYTES)
        __builtin_prefetch((const char *)p + i, 1);
}
