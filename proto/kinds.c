/* kinds.c - lookups in the table of event kinds. */
#include "proto/kinds.h"

struct kind_row {
    const char *word;
    size_t len;
    const char *meaning;
};

static const struct kind_row rows[CCCC_KIND_COUNT] = {
    [CCCC_KIND_UNKNOWN] = {"", 0, "a kind this version does not know; kept unchanged"},
#define CCCC_KIND(name, word, meaning) [CCCC_KIND_##name] = {word, sizeof(word) - 1, meaning},
#include "proto/kinds.def"
#undef CCCC_KIND
};

cccc_kind_t cccc_kind_find(cccc_str_t word)
{
    for (unsigned i = CCCC_KIND_UNKNOWN + 1; i < CCCC_KIND_COUNT; i++)
        if (rows[i].len == word.len && memcmp(rows[i].word, word.ptr, word.len) == 0)
            return (cccc_kind_t)i;
    return CCCC_KIND_UNKNOWN;
}

const char *cccc_kind_word(cccc_kind_t kind)
{
    return rows[(unsigned)kind < CCCC_KIND_COUNT ? kind : CCCC_KIND_UNKNOWN].word;
}

const char *cccc_kind_meaning(cccc_kind_t kind)
{
    return rows[(unsigned)kind < CCCC_KIND_COUNT ? kind : CCCC_KIND_UNKNOWN].meaning;
}
