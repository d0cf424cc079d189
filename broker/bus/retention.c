/* retention.c - when the oldest sealed segments of a group are retired, and the stages of that between the loop and the sealing thread (ledger/retire.h).
 *
 * Looked at when something was sealed, when somebody asks for a compaction, and now and then, a few groups each second. What the rule is, and how far it may go, the core says
 * (core/retention.c). The state that stands for what goes is copied on the loop, as for a snapshot, once it is known that something does.
 * Thread: the loop's; the runs are pool.h work. */
#include "broker/bus/retention.h"

#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "broker/bus/snapshots.h"

#include <inttypes.h>
#include <stdlib.h>

/* A group is looked at once in LOOK_US; so many groups each second. */
enum { LOOK_US = 60 * 1000000, GROUPS_PER_SECOND = 256 };

static struct retiring *of_work(struct cccc_work *work)
{
    return (struct retiring *)work;
}

static bool may_go_on(const struct cccc_bus *bus, const struct cccc_shelf *shelf)
{
    return bus->phase == CCCC_SERVING && shelf->leaving == STAYS && shelf->ledger;
}

static void put(struct cccc_bus *bus, struct retiring *self, void (*run)(struct cccc_work *), void (*finish)(struct cccc_work *, void *))
{
    self->waits = false;
    self->work.run = run;
    self->work.finish = finish;
    cccc_pool_put(bus->sealer, &self->work);
}

static void end(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    struct retiring *self = &shelf->retiring;
    cccc_ledger_retire_end(shelf->ledger, &self->retirement);
    cccc_buf_fini(&self->state);
    self->waits = false;
    bus->ledgers.seals_out--;
}

/* ---- the last stage ---- */

static void run_remove(struct cccc_work *work)
{
    cccc_retire_remove(of_work(work)->retirement);
}

static void finish_remove(struct cccc_work *work, void *loop)
{
    struct cccc_shelf *shelf = of_work(work)->shelf;
    end(loop, shelf);
    cccc_shelf_settle(loop, shelf);
}

void cccc_retention_go_on(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    struct retiring *self = &shelf->retiring;
    if (!self->retirement || !self->waits)
        return;
    if (!may_go_on(bus, shelf))
        end(bus, shelf); /* the next start removes the files */
    else if (cccc_retire_may_remove(self->retirement))
        put(bus, self, run_remove, finish_remove);
}

/* ---- writing ---- */

static void run_write(struct cccc_work *work)
{
    struct retiring *self = of_work(work);
    cccc_retire_write(self->retirement, &self->of, &self->state, self->at);
}

static void tell(const struct cccc_shelf *shelf, const struct cccc_retire_result *result)
{
    if (result->err != CCCC_OK)
        cccc_log(LOG_ERR, "RETIRE-FAILED", "nothing was retired: %s group=%s", result->message.text, shelf->group_id);
    else
        cccc_log(LOG_NOTICE, "RETIRED",
                 "the retention rule removed the oldest sealed events group=%s from_seq=%" PRIu64 " to_seq=%" PRIu64 " bytes=%" PRIu64
                 " segments=%u",
                 shelf->group_id, result->first_seq, result->last_seq, result->bytes, result->segments);
}

static void finish_write(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct retiring *self = of_work(work);
    struct cccc_shelf *shelf = self->shelf;
    struct cccc_retire_result result;
    cccc_ledger_retire_done(shelf->ledger, self->retirement, &result);
    tell(shelf, &result);
    if (result.err == CCCC_OK) {
        cccc_core_retired(bus->core, shelf->slot, result.last_seq);
        self->waits = true;
    } else {
        end(bus, shelf);
    }
    cccc_shelf_settle(bus, shelf);
}

/* ---- choosing ---- */

static void run_choose(struct cccc_work *work)
{
    cccc_retire_choose(of_work(work)->retirement);
}

/* The rule waits for somebody to ask, because of the size of the state. Told once, until it goes on. */
static bool is_held(struct cccc_shelf *shelf)
{
    struct retiring *self = &shelf->retiring;
    bool held = cccc_snapshots_is_large(shelf) && !self->asked;
    if (held && !self->held)
        cccc_log(
            LOG_WARNING, "RETIRE-HELD",
            "nothing is retired: the state of the group, which would stand for what goes, is larger than SNAPSHOT_LIVE_BYTES_MAX; `cccc "
            "ledger compact --group %s` retires what is due, and holds the daemon up for that moment group=%s bytes=%" PRIu64,
            shelf->group_id, shelf->group_id, shelf->snapshot.bytes);
    self->held = held;
    return held;
}

/* Something is to go: copy the state that will stand for it. */
static void finish_choose(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct retiring *self = of_work(work);
    struct cccc_shelf *shelf = self->shelf;
    bool wanted = cccc_retire_through(self->retirement) > 0;
    if (wanted && may_go_on(bus, shelf) && !is_held(shelf) && cccc_snapshots_copy(bus, shelf, &self->of, &self->state)) {
        self->at = (uint64_t)cccc_bus_moment(bus)->unix_us / 1000000;
        put(bus, self, run_write, finish_write);
        return;
    }
    end(bus, shelf);
    cccc_shelf_settle(bus, shelf);
}

/* What the group's settings want. */
static struct cccc_retire_rule rule_of(struct cccc_bus *bus, const struct cccc_shelf *shelf)
{
    struct cccc_ledger_policy policy;
    cccc_core_ledger_policy(bus->core, shelf->slot, &policy);
    struct cccc_retire_rule rule = {.max_bytes = policy.retain_bytes};
    int64_t now_s = cccc_bus_moment(bus)->unix_us / 1000000;
    if (policy.retain_s > 0 && now_s > (int64_t)policy.retain_s)
        rule.before_unix_us = (now_s - (int64_t)policy.retain_s) * 1000000;
    if (rule.max_bytes > 0 || rule.before_unix_us > 0)
        rule.safe_seq = cccc_core_safe_seq(bus->core, shelf->slot);
    return rule;
}

void cccc_retention_look(struct cccc_bus *bus, struct cccc_shelf *shelf, bool asked)
{
    struct retiring *self = &shelf->retiring;
    if (self->retirement || shelf->unborn || !may_go_on(bus, shelf))
        return;
    struct cccc_retire_rule rule = rule_of(bus, shelf);
    self->retirement = cccc_ledger_take_retirement(shelf->ledger, &rule);
    if (!self->retirement)
        return;
    self->asked = asked;
    cccc_buf_init(&self->state);
    bus->ledgers.seals_out++;
    put(bus, self, run_choose, finish_choose);
}

void cccc_retention_tick(struct cccc_bus *bus)
{
    struct cccc_ledgers *ledgers = &bus->ledgers;
    for (uint32_t i = 0; i < ledgers->count && i < GROUPS_PER_SECOND; i++) {
        ledgers->retention_at = (ledgers->retention_at + 1) % ledgers->count;
        struct cccc_shelf *shelf = ledgers->shelves[ledgers->retention_at];
        if (shelf)
            cccc_retention_go_on(bus, shelf);
        if (!shelf || bus->now.mono_us < shelf->retiring.look_us)
            continue;
        shelf->retiring.look_us = bus->now.mono_us + LOOK_US;
        cccc_retention_look(bus, shelf, false);
    }
}
