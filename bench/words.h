/* words.h - what the programs here share: `name=value` words on the command line, and one line of JSON as their answer. */
#pragma once

#include "clients/load/workers.h"

/* Values of the words given behind the command's name; `otherwise` when a name was not given. A value that is no number ends the program. */
const char *word_text(const char *name, const char *otherwise);
double word_number(const char *name, double otherwise);
/* Ends the program when it was not given. */
const char *word_required(const char *name);
/* A text of `len` bytes made of words, the same each time: frequent ones are short, as in a language. Never freed. */
char *words_filler(size_t len);
/* The same of as many bytes as the word says. */
const char *word_filler(const char *name, double otherwise);

/* Keep argv; words begin at argv[first]. */
void words_take(int argc, char **argv, int first);
/* Ends the program when a word was given that nobody asked for. */
void words_check(void);

/* clients, followers, warmup, seconds, drain, messages (at most), disk and pid of a plan. */
void words_plan(struct worker_plan *plan);
/* Run it and print {"name":...}, with all numbers that were asked for as `parameters`; the exit status. */
int words_run(const char *name, const struct worker_plan *plan);
