/* words.h - what the programs here share: `name=value` words on the command line, and one line of JSON as their answer. */
#pragma once

#include "clients/load/workers.h"

/* Values of the words given behind the command's name; `otherwise` when a name was not given. A value that is no number ends the program. */
const char *word_text(const char *name, const char *otherwise);
double word_number(const char *name, double otherwise);
/* A text of so many bytes, blanks among them; never freed. */
const char *word_filler(const char *name, double otherwise);

/* Keep argv; words begin at argv[first]. */
void words_take(int argc, char **argv, int first);
/* Ends the program when a word was given that nobody asked for. */
void words_check(void);

/* senders, followers, warmup, seconds, drain, disk and pid of a plan. */
void words_plan(struct worker_plan *plan);
/* Run it and print {"name":...}; the exit status. */
int words_run(const char *name, const struct worker_plan *plan);
