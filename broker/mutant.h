/* mutant.h - deliberate mistakes, for testing the tests. The product is built with none of them: the macro is 0 there, and costs nothing.
 *
 * tests/mutants builds the files that can be mistaken once more, with CCCC_MUTANTS, and runs the suites with one mistake after another. A new mutant is
 * a row in mutants.def and a CCCC_MUTANT_IS at the place of the mistake. */
#pragma once

#ifdef CCCC_MUTANTS
enum cccc_mutant {
    CCCC_MUTANT_NONE,
#define CCCC_MUTANT(name, suite, mistake) CCCC_MUTANT_##name,
#include "broker/mutants.def"
#undef CCCC_MUTANT
};
/* The mistake this program makes: the one the environment names in CCCC_MUTANT (tests/mutants/mutant.c). */
extern enum cccc_mutant cccc_mutant;
#define CCCC_MUTANT_IS(name) (cccc_mutant == CCCC_MUTANT_##name)
#else
#define CCCC_MUTANT_IS(name) 0
#endif
