/* holds.h - pairs that are held, as the lines of a ledger say it, and whether that is what was promised (PROTOCOL.md, "Loops and storms"). It shares nothing with
 * broker/core/guards/guards.c.
 *
 * While a pair is held nothing passes between the two, and the user hears of it once. What is held is handed on once, when the pair was released, as what it
 * was; never when it was dropped, recalled, or one of the two left.
 * Thread: one. */
#pragma once

#include "tests/sim/oracle.h"

struct holds;

struct holds *holds_new(oracle_t *oracle, struct known_group *group);
void holds_destroy(struct holds **self);
/* The next event of the ledger; what it points to lives as long as `self`. */
void holds_take(struct holds *self, const struct cccc_event *event);
/* That was all: the group knows what is held from now on. Long enough on a sound disk (`at_peace`), nothing that was released is still kept back. */
void holds_end(struct holds *self, bool at_peace);
/* What the daemon lists is what the ledger says. */
void holds_compare(const oracle_t *oracle, const struct known_group *group, const cccc_value_t *rows);
