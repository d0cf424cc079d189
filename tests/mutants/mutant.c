/* mutant.c - which mistake a program built with CCCC_MUTANTS makes: the one named by CCCC_MUTANT in the environment. */
#include "broker/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum cccc_mutant cccc_mutant;

static const char *const names[] = {
    "NONE",
#define CCCC_MUTANT(name, suite, mistake) #name,
#include "broker/mutants.def"
#undef CCCC_MUTANT
};

/* A name nobody knows must not pass for a mutant that survives, or dies. */
__attribute__((constructor)) static void choose(void)
{
    const char *wanted = getenv("CCCC_MUTANT");
    size_t count = sizeof names / sizeof *names, i = 0;
    if (!wanted)
        wanted = names[0];
    while (i < count && strcmp(names[i], wanted) != 0)
        i++;
    if (i == count) {
        fprintf(stderr, "there is no mutant %s\n", wanted);
        _Exit(99);
    }
    cccc_mutant = (enum cccc_mutant)i;
}
