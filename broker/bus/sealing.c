/* sealing.c - when a ledger is sealed, and the stages of a seal between the loop and the threads.
 *
 * Segments are written and lines copied by a thread of their own, one ledger after the other, so that no read and no commit waits for them; only the switch goes to a
 * commit thread, as a batch would, and like a batch when no other one of that ledger is out.
 * Thread: the loop's; the runs are pool.h work. */
#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "broker/bus/retention.h"
#include "broker/bus/shelf.h"
#include "broker/bus/snapshots.h"

#include <inttypes.h>
#include <stdlib.h>

/* A switch begins when at most BEHIND_MAX bytes are still to be copied, or after ROUNDS_MAX attempts to get there. */
enum { LOOK_STEP = 1024 * 1024, BEHIND_MAX = 1024 * 1024, ROUNDS_MAX = 8 };
/* A ledger that grows by a LOOK_STEP in less than FAST_US is left to grow to CCCC_SEAL_FAST_TIMES its bytes: sealing then takes processors from who sends, and what is appended
 * meanwhile has to be copied. */
enum { FAST_US = 1000000 };

static struct sealing *of_work(struct cccc_work *work)
{
    return (struct sealing *)work;
}

/* ---- the end of a seal ---- */

/* A finished seal's files are closed by a thread: the last one to close a file that has no name any more pays for its blocks. */
struct sweeping {
    struct cccc_work work;
    cccc_sealing_t *seal;
};

static void run_sweep(struct cccc_work *work)
{
    cccc_seal_destroy(&((struct sweeping *)work)->seal);
}

static void finish_sweep(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    bus->ledgers.seals_out--;
    free(work);
}

static void sweep(struct cccc_bus *bus, cccc_sealing_t *seal)
{
    struct sweeping *sweeping = calloc(1, sizeof *sweeping);
    CCCC_ASSERT(sweeping, "out of memory");
    sweeping->work = (struct cccc_work){.run = run_sweep, .finish = finish_sweep};
    sweeping->seal = seal;
    cccc_pool_put(bus->sealer, &sweeping->work);
}

static void tell(struct cccc_bus *bus, const struct cccc_shelf *shelf, const struct cccc_seal_result *result)
{
    if (result->err != CCCC_OK)
        cccc_log(LOG_ERR, "SEAL-FAILED", "%s group=%s", result->message.text, shelf->group_id);
    else if (result->last_seq > 0)
        cccc_log(LOG_INFO, "SEALED",
                 "older events were sealed group=%s from_seq=%" PRIu64 " to_seq=%" PRIu64 " bytes=%" PRIu64 " sealed_bytes=%" PRIu64,
                 shelf->group_id, result->first_seq, result->last_seq, result->raw_bytes, result->file_bytes);
    (void)bus;
}

/* ---- who asked ---- */

static void answer_skipped(struct cccc_bus *bus, struct cccc_shelf *shelf, cccc_ticket_t ticket, const char *why)
{
    cccc_arena_t *arena = cccc_arena_new(512);
    cccc_builder_t map = cccc_map_builder(arena, 3);
    cccc_map_add(&map, "skipped", cccc_text(why));
    cccc_map_add(&map, "size_bytes", cccc_uint(cccc_ledger_unsealed(shelf->ledger)));
    cccc_map_add(&map, "total_lines", cccc_uint(cccc_ledger_durable(shelf->ledger) - cccc_core_sealed_last(bus->core, shelf->slot)));
    cccc_core_store_done(bus->core, cccc_bus_moment(bus), ticket, CCCC_OK, NULL, &map.value);
    cccc_arena_destroy(&arena);
}

static void answer(struct cccc_bus *bus, struct cccc_shelf *shelf, const struct cccc_seal_result *result)
{
    cccc_ticket_t ticket = shelf->sealing.ticket;
    shelf->sealing.ticket = 0;
    if (ticket == 0)
        return;
    if (result->err != CCCC_OK) {
        cccc_core_store_done(bus->core, cccc_bus_moment(bus), ticket, result->err, result->message.text, NULL);
        return;
    }
    if (result->last_seq == 0) {
        answer_skipped(bus, shelf, ticket, bus->phase == CCCC_SERVING && shelf->leaving == STAYS ? "nothing_to_archive" : "given_up");
        return;
    }
    cccc_arena_t *arena = cccc_arena_new(512);
    cccc_builder_t map = cccc_map_builder(arena, 7);
    cccc_map_add(&map, "from_seq", cccc_uint(result->first_seq));
    cccc_map_add(&map, "to_seq", cccc_uint(result->last_seq));
    cccc_map_add(&map, "archived_lines", cccc_uint(result->lines));
    cccc_map_add(&map, "kept_lines", cccc_uint(cccc_ledger_durable(shelf->ledger) - result->last_seq));
    cccc_map_add(&map, "bytes", cccc_uint(result->raw_bytes));
    cccc_map_add(&map, "sealed_bytes", cccc_uint(result->file_bytes));
    cccc_map_add(&map, "segments", cccc_uint(result->segments));
    cccc_core_store_done(bus->core, cccc_bus_moment(bus), ticket, CCCC_OK, NULL, &map.value);
    cccc_arena_destroy(&arena);
}

static void end_seal(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    struct sealing *self = &shelf->sealing;
    cccc_sealing_t *seal = self->seal;
    struct cccc_seal_result result;
    bool asked = self->ticket != 0;
    self->seal = NULL;
    self->waits = false;
    cccc_ledger_seal_done(shelf->ledger, seal, &result);
    self->look_at = cccc_ledger_unsealed(shelf->ledger) + LOOK_STEP;
    tell(bus, shelf, &result);
    if (result.segments > 0)
        cccc_core_sealed(bus->core, shelf->slot, result.ids, result.segments);
    /* Before anybody is answered: an answer lets the next request of its connection in, which must not be decided for a ledger that takes none. */
    bool failed = cccc_ledger_health(shelf->ledger) == CCCC_LEDGER_FAILED;
    if (failed && shelf->leaving == STAYS)
        cccc_core_append_failed(bus->core, cccc_bus_moment(bus), shelf->slot, CCCC_E_STORAGE, true, result.message.text, true);
    answer(bus, shelf, &result);
    sweep(bus, seal);
    if (result.last_seq > 0 && !failed)
        cccc_snapshots_rest(bus, shelf);
    if (!failed && cccc_ledger_backlog(shelf->ledger) > 0)
        cccc_shelf_become_dirty(bus, shelf);
    cccc_retention_look(bus, shelf, asked);
}

/* ---- stages ---- */

static void run_prepare(struct cccc_work *work)
{
    cccc_seal_prepare(of_work(work)->seal);
}

static void run_catch_up(struct cccc_work *work)
{
    cccc_seal_catch_up(of_work(work)->seal);
}

static void run_switch(struct cccc_work *work)
{
    cccc_seal_switch(of_work(work)->seal);
}

static void finish_switch(struct cccc_work *work, void *loop)
{
    struct cccc_shelf *shelf = of_work(work)->shelf;
    end_seal(loop, shelf);
    cccc_shelf_settle(loop, shelf);
}

static void finish_copy(struct cccc_work *work, void *loop);

static void next_stage(struct cccc_bus *bus, struct sealing *self)
{
    uint64_t behind = cccc_ledger_seal_behind(self->shelf->ledger, self->seal);
    if (behind > BEHIND_MAX && self->rounds < ROUNDS_MAX) {
        self->rounds++;
        self->work.run = run_catch_up;
        self->work.finish = finish_copy;
        cccc_pool_put(bus->sealer, &self->work);
        return;
    }
    self->waits = true;
}

static void finish_copy(struct cccc_work *work, void *loop)
{
    struct sealing *self = of_work(work);
    next_stage(loop, self);
    cccc_shelf_settle(loop, self->shelf);
}

void cccc_sealing_go_on(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    struct sealing *self = &shelf->sealing;
    bool over;
    if (self->seal && (shelf->leaving != STAYS || bus->phase != CCCC_SERVING))
        cccc_seal_cancel(self->seal);
    if (!self->seal || !self->waits)
        return;
    if (cccc_ledger_seal_begin_switch(shelf->ledger, self->seal, &over)) {
        self->waits = false;
        self->work.run = run_switch;
        self->work.finish = finish_switch;
        cccc_pool_put(bus->committers, &self->work);
    } else if (over) {
        end_seal(bus, shelf);
    }
}

/* ---- the beginning of a seal ---- */

/* As the group's settings want it. */
static struct cccc_seal_options options_of(const struct cccc_bus *bus, const struct cccc_ledger_policy *policy)
{
    if (bus->ledgers.seal_at)
        return bus->ledgers.seal_options;
    return (struct cccc_seal_options){.keep_lines = policy->keep_tail_lines, .keep_bytes = policy->max_active_bytes / 4};
}

static void begin_seal(struct cccc_bus *bus, struct cccc_shelf *shelf, const struct cccc_seal_options *options)
{
    struct sealing *self = &shelf->sealing;
    self->seal = cccc_ledger_take_seal(shelf->ledger, options);
    if (!self->seal)
        return;
    self->rounds = 0;
    self->waits = false;
    self->work.run = run_prepare;
    self->work.finish = finish_copy;
    bus->ledgers.seals_out++;
    cccc_pool_put(bus->sealer, &self->work);
}

void cccc_sealing_now(struct cccc_bus *bus, struct cccc_shelf *shelf, cccc_ticket_t ticket, bool force)
{
    struct cccc_ledger_policy policy;
    cccc_core_ledger_policy(bus->core, shelf->slot, &policy);
    if (!force && cccc_ledger_unsealed(shelf->ledger) < policy.max_active_bytes) {
        answer_skipped(bus, shelf, ticket, "below_threshold");
        cccc_retention_look(bus, shelf, true);
        return;
    }
    struct cccc_seal_options options = options_of(bus, &policy);
    begin_seal(bus, shelf, &options);
    if (shelf->sealing.seal) {
        shelf->sealing.ticket = ticket;
        return;
    }
    answer_skipped(bus, shelf, ticket, "nothing_to_archive");
    cccc_retention_look(bus, shelf, true);
}

static void seal_from(struct cccc_bus *bus, struct cccc_shelf *shelf, unsigned times)
{
    const struct cccc_ledgers *ledgers = &bus->ledgers;
    struct cccc_ledger_policy policy;
    cccc_core_ledger_policy(bus->core, shelf->slot, &policy);
    if (!ledgers->seal_at && cccc_ledger_unsealed(shelf->ledger) < policy.max_active_bytes * times)
        return;
    struct cccc_seal_options options = options_of(bus, &policy);
    begin_seal(bus, shelf, &options);
}

static bool may_seal(const struct cccc_bus *bus, const struct cccc_shelf *shelf)
{
    return !shelf->sealing.seal && shelf->leaving == STAYS && bus->phase == CCCC_SERVING;
}

void cccc_sealing_look(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    struct sealing *self = &shelf->sealing;
    uint64_t unsealed = cccc_ledger_unsealed(shelf->ledger), now = bus->now.mono_us;
    if (!may_seal(bus, shelf) || unsealed < (bus->ledgers.seal_at ? bus->ledgers.seal_at : self->look_at))
        return;
    bool fast = now - self->looked_us < FAST_US;
    self->looked_us = now;
    self->look_at = unsealed + LOOK_STEP;
    seal_from(bus, shelf, fast ? CCCC_SEAL_FAST_TIMES : 1);
}

void cccc_sealing_rest(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    if (shelf->ledger && may_seal(bus, shelf))
        seal_from(bus, shelf, 1);
}
