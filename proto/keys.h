/* keys.h - member names kept in the dress they wear in a line, `"name":`, so that writing one is a copy of fixed size.
 *
 * They are ordinary strings to everybody else; the two encoders know them by their address. A map built with other pointers to the same names encodes
 * to the same bytes, only slower. Thread: none; constant. */
#pragma once

#include "proto/value.h"

#define CCCC_KEY_BYTES_MAX 28

enum cccc_key {
#define CCCC_KEY(name) CCCC_KEY_##name,
#include "proto/keys.def"
#undef CCCC_KEY
    CCCC_KEY_COUNT
};

struct cccc_dressed_key {
    char line[CCCC_KEY_BYTES_MAX + 4]; /* a quote, the name, a quote and a colon, zeros */
};
extern const struct cccc_dressed_key cccc_keys[CCCC_KEY_COUNT];

/* The key as an initialiser of a cccc_value_t. */
#define CCCC_KEY_VALUE(name)                                                                                                               \
    {                                                                                                                                      \
        .type = MSGPACK_OBJECT_STR, .via.str = { sizeof(#name) - 1, cccc_keys[CCCC_KEY_##name].line + 1 }                                  \
    }

/* The key as a cccc_str_t. */
#define CCCC_KEY_STR(name) ((cccc_str_t){cccc_keys[CCCC_KEY_##name].line + 1, sizeof(#name) - 1})

/* Is `name` one of these, whole? Then the bytes of its cccc_dressed_key may be copied from name - 1. */
static inline bool cccc_key_is_dressed(const char *name)
{
    return (uintptr_t)name - (uintptr_t)cccc_keys < sizeof cccc_keys;
}
