/* kinds.h - the event kinds we know, from one table (kinds.def). Unknown kinds are stored and shown unchanged. */
#pragma once

#include "proto/str.h"

typedef enum cccc_kind {
    CCCC_KIND_UNKNOWN = 0,
#define CCCC_KIND(name, word, meaning) CCCC_KIND_##name,
#include "proto/kinds.def"
#undef CCCC_KIND
    CCCC_KIND_COUNT
} cccc_kind_t;

/* CCCC_KIND_UNKNOWN for a word of no table; a kind's word, and what it is about. Texts are static. */
cccc_kind_t cccc_kind_find(cccc_str_t word);
const char *cccc_kind_word(cccc_kind_t kind);
const char *cccc_kind_meaning(cccc_kind_t kind);
