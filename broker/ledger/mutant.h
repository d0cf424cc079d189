/* mutant.h - deliberate mistakes, for testing the tests. The product is built with none of them.
 *
 * tests/ledger builds the ledger once per mutant (-DCCCC_MUTANT=CCCC_MUTANT_NO_SYNC, ...) and expects its crash tests to fail. A new mutant is
 * a row here, a CCCC_MUTANT_IS at the place of the mistake and a row in tests/ledger/CMakeLists.txt. */
#pragma once

#define CCCC_MUTANT_NONE               0
#define CCCC_MUTANT_NO_SYNC            1 /* a batch is acknowledged without its sync */
#define CCCC_MUTANT_NO_DIR_SYNC        2 /* a new ledger's directory entries are not synced */
#define CCCC_MUTANT_IGNORE_DUR         3 /* recovery does not believe the `dur` of lines */
#define CCCC_MUTANT_IGNORE_MARK        4 /* recovery does not believe the mark */
#define CCCC_MUTANT_NO_RECOVERY_SYNC   5 /* what recovery accepts is served without a sync */
#define CCCC_MUTANT_NO_ASIDE           6 /* torn bytes are cut without a copy */
#define CCCC_MUTANT_NO_SIZE_CHECK      7 /* foreign bytes in the file go unnoticed */
#define CCCC_MUTANT_RETRY_SYNC         8 /* a failed sync is tried again and believed */
#define CCCC_MUTANT_NO_MARK_BEFORE_CUT 9 /* lines whose `dur` tells damage from a torn tail are cut without a mark */

#ifndef CCCC_MUTANT
#define CCCC_MUTANT CCCC_MUTANT_NONE
#endif

#define CCCC_MUTANT_IS(name) (CCCC_MUTANT == CCCC_MUTANT_##name)
