/* words.h - a command line as text, split into words as a shell would.
 *
 * Thread: none; pure. */
#pragma once

#include "proto/value.h"

/* Blanks separate; quotes and backslashes keep; nothing is expanded. *out is an array of strings in the arena. False: a quote is not closed. */
bool cccc_words_split(cccc_arena_t *arena, cccc_str_t text, cccc_value_t *out);
