/* deliveries.h - what the ledgers say was typed, against what the holders typed; and what was held (holds.h). Thread: one. */
#pragma once

#include "tests/sim/agents.h"

/* For each actor of each group: an event is claimed again only after a claim that failed; a claim is settled at most once; and an outcome whose report was answered is
 * the one in the ledger. */
void deliveries_audit(oracle_t *oracle, const agents_t *agents, bool at_peace);
