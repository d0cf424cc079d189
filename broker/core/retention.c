/* retention.c - how far a group's ledger may be retired: what anybody still has to see, or the daemon still has to do, stays.
 *
 * Thread: the core's. */
#include "broker/core/guards.h"
#include "broker/core/obligations.h"
#include "broker/core/runtime.h"
#include "broker/mutant.h"

static uint64_t lower(uint64_t a, uint64_t b)
{
    return b < a ? b : a;
}

/* The oldest event that a present reader has not read, or owes something for. An actor that was removed has no say; one that is disabled has. */
static uint64_t oldest_for_readers(const struct cccc_group *group)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        if (strcmp(reader->id, "user") != 0 && !config_actor(group, cccc_str(reader->id)))
            continue;
        if (reader->owes.first)
            oldest = lower(oldest, reader->owes.first->ask->seq);
        for (int lane = 0; lane < CCCC_LANES; lane++)
            if (reader->unread[lane].count > 0 && !CCCC_MUTANT_IS(RETIRE_UNREAD))
                oldest = lower(oldest, reader->unread[lane].first);
    }
    return oldest;
}

uint64_t group_safe_seq(const struct cccc_group *group)
{
    uint64_t safe = oldest_for_readers(group);
    safe = lower(safe, expiries_oldest(group));
    safe = lower(safe, guards_oldest(group));
    safe = lower(safe, relays_oldest(group));
    safe = lower(safe, runtimes_oldest(group));
    return lower(safe, group->head_seq + 1);
}

uint64_t cccc_core_safe_seq(const cccc_core_t *self, cccc_slot_t slot)
{
    return group_safe_seq(self->groups[slot]);
}
