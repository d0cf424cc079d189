/* keys.c - the table of keys.h. */
#include "proto/keys.h"

const struct cccc_dressed_key cccc_keys[CCCC_KEY_COUNT] = {
#define CCCC_KEY(name) {"\"" #name "\":"},
#include "proto/keys.def"
#undef CCCC_KEY
};

#define CCCC_KEY(name) _Static_assert(sizeof(#name) - 1 <= CCCC_KEY_BYTES_MAX, "a key too long for its place: " #name);
#include "proto/keys.def"
#undef CCCC_KEY
