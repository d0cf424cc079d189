/* effects.c - carrying out what the core decided: one function per effect kind.
 *
 * What a function tells the core while effects are being carried out must not end what later ones of the same lot borrow; so news of that sort
 * (connections gone, ledgers that would not open) waits until the lot is done. */
#include "broker/bus/bus.h"
#include "broker/bus/log.h"

#include <stdlib.h>

/* ---- file work ---- */

struct store_job {
    struct cccc_work work;
    const struct cccc_vfs *vfs;
    const struct cccc_home *home;
    struct cccc_store store;
    cccc_ticket_t ticket;
    cccc_arena_t *arena; /* of the result */
    cccc_value_t value;
    cccc_err_t err;
    struct cccc_errmsg message;
};

static void run_store(struct cccc_work *work)
{
    struct store_job *job = (struct store_job *)work;
    job->err = cccc_store_run(job->vfs, job->home, &job->store, job->arena, &job->value, &job->message);
}

static void run_launch(struct cccc_work *work)
{
    struct store_job *job = (struct store_job *)work;
    job->err = cccc_holder_launch((int)cccc_get_uint(&job->value, "launch_fd", 0), cccc_get(&job->value, "launch"), &job->message);
}

/* A holder was started and waits for its document. From now on its end is noticed and its requests are its own; only then may it start anything. */
static void launch_holder(struct cccc_bus *bus, struct store_job *job)
{
    cccc_slot_t slot;
    if (cccc_core_slot(bus->core, job->store.group_id, &slot))
        cccc_bus_watch_holder(bus, slot, job->store.group_id, job->store.name, cccc_get_uint(&job->store.document, "generation", 0),
                              &job->value);
    job->work.run = run_launch;
    cccc_pool_put(bus->filer, &job->work);
}

static void finish_store(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct store_job *job = (struct store_job *)work;
    bool started = job->store.kind == CCCC_STORE_HOLDER_START && job->err == CCCC_OK && work->run == run_store;
    if (started) {
        launch_holder(bus, job);
        return;
    }
    bus->stores_out--;
    if (job->store.kind == CCCC_STORE_SETTINGS)
        cccc_log_set_level((int)job->store.total);
    if (job->ticket)
        cccc_core_store_done(bus->core, cccc_bus_moment(bus), job->ticket, job->err, job->err == CCCC_OK ? "" : job->message.text,
                             &job->value);
    else if (job->err != CCCC_OK)
        cccc_log(LOG_ERR, "STORE-FAILED", "%s", job->message.text);
    cccc_arena_destroy(&job->store.arena);
    cccc_arena_destroy(&job->arena);
    free(job);
}

static void do_store(struct cccc_bus *bus, struct cccc_effect *effect)
{
    struct store_job *job = calloc(1, sizeof *job);
    CCCC_ASSERT(job, "out of memory");
    job->work.run = run_store;
    job->work.finish = finish_store;
    job->vfs = bus->vfs;
    job->home = &bus->home;
    job->store = effect->store;
    job->ticket = effect->ticket;
    job->arena = cccc_arena_new(1024);
    job->value = cccc_nil();
    bus->stores_out++;
    if (job->store.kind == CCCC_STORE_TRASH)
        cccc_ledgers_close_group(bus, job->store.group_id, &job->work);
    else
        cccc_pool_put(bus->filer, &job->work);
}

/* ---- the others ---- */

static void do_append(struct cccc_bus *bus, struct cccc_effect *effect)
{
    cccc_ledgers_append(bus, effect->slot, effect->append.event, effect->append.group_id, effect->append.create);
}

static void do_read(struct cccc_bus *bus, struct cccc_effect *effect)
{
    cccc_ledgers_read(bus, effect->slot, effect->ticket, &effect->read.query, effect->read.arena);
}

static void do_reply(struct cccc_bus *bus, struct cccc_effect *effect)
{
    if (cccc_gateway_owns(effect->reply.conn))
        cccc_gate_reply(&bus->gate, effect->reply.conn, effect->reply.bytes);
    else
        cccc_peers_reply(bus->peers, effect->reply.conn, effect->reply.bytes, true);
}

static void do_keep(struct cccc_bus *bus, struct cccc_effect *effect)
{
    if (effect->keep.what == CCCC_KEEP_SNAPSHOT)
        cccc_ledgers_snapshot(bus, effect->slot, effect->ticket);
    else
        cccc_ledgers_seal(bus, effect->slot, effect->ticket, effect->keep.force);
}

static void do_refold(struct cccc_bus *bus, struct cccc_effect *effect)
{
    cccc_ledgers_refold(bus, effect->slot);
}

static void do_log(struct cccc_bus *bus, struct cccc_effect *effect)
{
    (void)bus;
    cccc_log_rendered(effect->log.level, effect->log.id, effect->log.fmt, effect->log.text);
}

static void do_shutdown(struct cccc_bus *bus, struct cccc_effect *effect)
{
    (void)effect;
    cccc_bus_stop(bus);
}

static void (*const carry_out[])(struct cccc_bus *bus, struct cccc_effect *effect) = {
    [CCCC_DO_APPEND] = do_append,         [CCCC_DO_READ] = do_read,   [CCCC_DO_REPLY] = do_reply,
    [CCCC_DO_PUBLISH] = cccc_bus_publish, [CCCC_DO_STORE] = do_store, [CCCC_DO_KEEP] = do_keep,
    [CCCC_DO_REFOLD] = do_refold,         [CCCC_DO_LOG] = do_log,     [CCCC_DO_SHUTDOWN] = do_shutdown,
};

static void tell_late_news(struct cccc_bus *bus)
{
    cccc_ledgers_report_broken(bus);
    for (uint64_t conn; cccc_peers_next_gone(bus->peers, &conn);)
        cccc_core_gone(bus->core, conn);
}

void cccc_bus_carry_out(struct cccc_bus *bus)
{
    struct cccc_effect *effects;
    for (size_t count; (effects = cccc_core_take(bus->core, &count)), count > 0;) {
        for (size_t i = 0; i < count; i++)
            carry_out[effects[i].kind](bus, &effects[i]);
        cccc_bus_end_publication(bus);
        tell_late_news(bus);
    }
    tell_late_news(bus);
}
