/* snapshots.c - see snapshots.h. */
#include "broker/bus/snapshots.h"

#include "broker/bus/bus.h"
#include "broker/bus/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* At a stop no more than OUT_MAX wait to be written, so that all states are not in memory at once. Otherwise a state is saved when the events behind the last
 * snapshot are worth BYTES_PER_EVENT of it each: their fold would cost about as much as the write. */
enum { OUT_MAX = 4, BYTES_PER_EVENT = 512 };

struct snapshot_job {
    struct cccc_work work;
    struct cccc_shelf *shelf;
    const struct cccc_vfs *vfs;
    const char *home;
    struct cccc_snapshot of;
    cccc_buf_t payload;
    bool sync;
    cccc_ticket_t ticket; /* of who asked for it; 0 = nobody did */
    uint64_t bytes;
    int err;
};

static void run(struct cccc_work *work)
{
    struct snapshot_job *job = (struct snapshot_job *)work;
    char dir[sizeof(((struct cccc_home *)0)->root) + 64];
    snprintf(dir, sizeof dir, "%s/groups/%s", job->home, job->of.group_id);
    job->err = cccc_snapshot_write(job->vfs, dir, &job->of, &job->payload, job->sync, &job->bytes);
}

static void answer(struct cccc_bus *bus, const struct snapshot_job *job)
{
    if (job->err < 0) {
        cccc_core_store_done(bus->core, cccc_bus_moment(bus), job->ticket, job->err == -ENOSPC ? CCCC_E_NO_SPACE : CCCC_E_STORAGE,
                             strerror(-job->err), NULL);
        return;
    }
    cccc_arena_t *arena = cccc_arena_new(8192);
    cccc_builder_t map = cccc_map_builder(arena, 3);
    cccc_map_add(&map, "path", cccc_string(cccc_arena_printf(arena, "%s/groups/%s/state/ledger/snapshot", job->home, job->of.group_id)));
    cccc_map_add(&map, "size_bytes", cccc_uint(job->bytes));
    cccc_map_add(&map, "seq", cccc_uint(job->of.seq));
    cccc_core_store_done(bus->core, cccc_bus_moment(bus), job->ticket, CCCC_OK, NULL, &map.value);
    cccc_arena_destroy(&arena);
}

static void finish(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct snapshot_job *job = (struct snapshot_job *)work;
    struct cccc_shelf *shelf = job->shelf;
    bus->ledgers.snapshots_out--;
    shelf->snapshot.out = false;
    if (job->err == 0)
        shelf->snapshot.bytes = job->bytes;
    else if (!shelf->snapshot.failed)
        cccc_log(LOG_WARNING, "SNAPSHOT-FAILED",
                 "the state of a group could not be saved, so that its next start takes longer: %s group=%s", strerror(-job->err),
                 shelf->group_id);
    shelf->snapshot.failed = job->err < 0;
    if (job->ticket)
        answer(bus, job);
    cccc_buf_fini(&job->payload);
    free(job);
    cccc_shelf_settle(bus, shelf);
}

/* Of which event the state is, if it is such that it can be saved now. */
static bool position(const struct cccc_bus *bus, const struct cccc_shelf *shelf, struct cccc_snapshot *of)
{
    uint64_t durable;
    *of = (struct cccc_snapshot){.epoch = bus->epoch};
    memcpy(of->group_id, shelf->group_id, sizeof of->group_id);
    return shelf->ledger && shelf->leaving == STAYS && !shelf->unborn && cccc_core_snapshot_due(bus->core, shelf->slot, &of->seq) &&
           cccc_ledger_position(shelf->ledger, &durable, &of->crc) && durable == of->seq;
}

/* Save the state as it is now, if it is such that it can be. */
static bool save(struct cccc_bus *bus, struct cccc_shelf *shelf, bool sync, cccc_ticket_t ticket)
{
    struct cccc_snapshot of;
    if (shelf->snapshot.out || !position(bus, shelf, &of))
        return false;
    struct snapshot_job *job = calloc(1, sizeof *job);
    CCCC_ASSERT(job, "out of memory");
    *job = (struct snapshot_job){.work = {.run = run, .finish = finish},
                                 .shelf = shelf,
                                 .vfs = bus->vfs,
                                 .home = bus->home.root,
                                 .of = of,
                                 .sync = sync,
                                 .ticket = ticket};
    cccc_buf_init(&job->payload);
    cccc_buf_reserve(&job->payload, shelf->snapshot.bytes + shelf->snapshot.bytes / 8);
    cccc_core_snapshot(bus->core, shelf->slot, &job->payload);
    shelf->snapshot.out = true;
    shelf->snapshot.seq = of.seq;
    bus->ledgers.snapshots_out++;
    cccc_pool_put(bus->sealer, &job->work);
    return true;
}

/* Events behind the last snapshot. */
static uint64_t behind(const struct cccc_shelf *shelf)
{
    return shelf->ledger ? cccc_ledger_durable(shelf->ledger) - shelf->snapshot.seq : 0;
}

bool cccc_snapshots_is_large(const struct cccc_shelf *shelf)
{
    return shelf->snapshot.bytes > CCCC_SNAPSHOT_LIVE_BYTES_MAX;
}

/* While it serves, the loop may not be held up by a large one unless somebody asks for it. */
static bool may_be_copied(const struct cccc_bus *bus, const struct cccc_shelf *shelf)
{
    return bus->phase == CCCC_SERVING && !cccc_snapshots_is_large(shelf);
}

bool cccc_snapshots_copy(struct cccc_bus *bus, struct cccc_shelf *shelf, struct cccc_snapshot *of, cccc_buf_t *out)
{
    if (bus->phase != CCCC_SERVING || !position(bus, shelf, of))
        return false;
    cccc_core_snapshot(bus->core, shelf->slot, out);
    return true;
}

void cccc_snapshots_look(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    uint64_t events = bus->ledgers.snapshot_at ? bus->ledgers.snapshot_at : CCCC_SNAPSHOT_EVENTS;
    if (behind(shelf) >= events && may_be_copied(bus, shelf))
        save(bus, shelf, true, 0);
}

void cccc_snapshots_rest(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    uint64_t events = behind(shelf);
    bool enough = bus->ledgers.snapshot_at || (events >= CCCC_SNAPSHOT_EVENTS_MIN && events >= shelf->snapshot.bytes / BYTES_PER_EVENT);
    if (enough && may_be_copied(bus, shelf))
        save(bus, shelf, true, 0);
}

bool cccc_snapshots_save_now(struct cccc_bus *bus, struct cccc_shelf *shelf, cccc_ticket_t ticket)
{
    return save(bus, shelf, true, ticket);
}

bool cccc_snapshots_save_all(struct cccc_bus *bus)
{
    struct cccc_ledgers *self = &bus->ledgers;
    uint64_t events = self->snapshot_at ? 1 : CCCC_SNAPSHOT_EVENTS_MIN;
    for (; self->snapshots_out < OUT_MAX && self->saved_at_stop < self->count; self->saved_at_stop++) {
        struct cccc_shelf *shelf = self->shelves[self->saved_at_stop];
        if (shelf && (behind(shelf) >= events || shelf->snapshot.failed))
            save(bus, shelf, false, 0);
    }
    return self->snapshots_out > 0;
}

void cccc_snapshots_loaded(struct cccc_shelf *shelf, uint64_t seq, uint64_t bytes)
{
    shelf->snapshot.seq = seq;
    shelf->snapshot.bytes = bytes;
}
