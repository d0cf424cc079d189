/* words.c - see words.h */
#include "proto/words.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* A backslash takes the next character as it is; between double quotes only where a shell's would. */
static bool escapes(char quote, char next)
{
    return quote == 0 || (quote == '"' && (next == '\\' || next == '"' || next == '$' || next == '`'));
}

/* One word from *p on, its quotes taken off. False: a quote is not closed. */
static bool split_word(const char **p, const char *end, cccc_buf_t *word)
{
    char quote = 0;
    const char *at = *p;
    for (; at < end && (quote || !is_blank(*at)); at++) {
        if (quote && *at == quote)
            quote = 0;
        else if (!quote && (*at == '\'' || *at == '"'))
            quote = *at;
        else if (*at == '\\' && at + 1 < end && escapes(quote, at[1]))
            cccc_buf_put(word, ++at, 1);
        else
            cccc_buf_put(word, at, 1);
    }
    *p = at;
    return quote == 0;
}

bool cccc_words_split(cccc_arena_t *arena, cccc_str_t text, cccc_value_t *out)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    cccc_builder_t words = cccc_array_builder(arena, 6);
    cccc_buf_t word;
    bool closed = true;
    cccc_buf_init(&word);
    while (closed) {
        while (p < end && is_blank(*p))
            p++;
        if (p == end)
            break;
        word.size = 0;
        closed = split_word(&p, end, &word);
        cccc_array_add(&words, cccc_string(cccc_arena_str(arena, (cccc_str_t){word.data, word.size})));
    }
    cccc_buf_fini(&word);
    *out = words.value;
    return closed;
}
