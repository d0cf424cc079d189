/* retention.c - how far a group's ledger may be retired, and what holds it: what anybody still has to see, or the daemon still has to do, stays.
 *
 * Thread: the core's. */
#include "broker/core/guards/guards.h"
#include "broker/core/obligations/obligations.h"
#include "broker/core/runtime/runtime.h"
#include "broker/mutant.h"

/* The oldest event that is needed, and what for. */
struct hold {
    uint64_t seq;
    const char *who; /* NULL: nobody in particular; the group's */
    const char *why; /* static; behind the name, if there is one */
};

static void hold_at(struct hold *hold, uint64_t seq, const char *who, const char *why)
{
    if (seq < hold->seq)
        *hold = (struct hold){seq, who, why};
}

/* What a present reader has not read, or owes something for. An actor that was removed has no say; one that is disabled has. */
static void hold_for_readers(const struct cccc_group *group, struct hold *hold)
{
    for (const struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        if (strcmp(reader->id, "user") != 0 && !config_actor(group, cccc_str(reader->id)))
            continue;
        if (reader->owes.first)
            hold_at(hold, reader->owes.first->ask->seq, reader->id, "owes a reply or an acknowledgement for it");
        for (int lane = 0; lane < CCCC_LANES; lane++)
            if (reader->unread[lane].count > 0 && !CCCC_MUTANT_IS(RETIRE_UNREAD))
                hold_at(hold, reader->unread[lane].first, reader->id, "has not read it");
    }
}

static struct hold find_hold(const struct cccc_group *group)
{
    struct hold hold = {.seq = group->head_seq + 1};
    hold_for_readers(group, &hold);
    hold_at(&hold, expiries_oldest(group), NULL, "it is still to expire");
    hold_at(&hold, guards_oldest(group), NULL, "it is held between two actors, and may be handed on");
    hold_at(&hold, relays_oldest(group), NULL, "it is on its way to another group");
    hold_at(&hold, runtimes_oldest(group), NULL, "it is still to be delivered into a terminal");
    return hold;
}

uint64_t group_safe_seq(const struct cccc_group *group)
{
    return find_hold(group).seq;
}

void group_add_safe(const struct cccc_group *group, cccc_builder_t *out)
{
    struct hold hold = find_hold(group);
    const char *space = hold.who ? " " : "";
    cccc_map_add(out, "safe_seq", cccc_uint(hold.seq));
    cccc_map_add(out, "safe_why",
                 cccc_string(cccc_arena_printf(out->arena, "%s%s%s", hold.who ? hold.who : "", space, hold.why ? hold.why : "")));
}

uint64_t cccc_core_safe_seq(const cccc_core_t *self, cccc_slot_t slot)
{
    return group_safe_seq(self->groups[slot]);
}
