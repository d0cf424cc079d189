/* broker.c - see broker.h. The second half of the file is the world: what broker/bus calls and this program does not take from it. */
#include "tests/sim/broker.h"

#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "broker/bus/snapshots.h"
#include "broker/store/files.h"

#include <stdlib.h>

enum { TICK_US = 1000000, IDLE_WORK_MAX = 100000 };

/* A pool's work that no thread has begun. As many threads as it is wide may be at it at once, so any of the first `width` may be done next. */
struct cccc_pool {
    struct broker *broker;
    struct cccc_work *first, **end;
    unsigned width;
};

struct cccc_peers {
    struct broker *broker;
};

struct broker {
    struct cccc_bus bus;
    struct sim *sim;
    struct broker_ears ears;
    struct cccc_pool committers, readers, filer, openers, sealer;
    struct cccc_work *finished, **finished_end;
    struct cccc_peers peers;
    struct cccc_daemon_facts facts;
    bool silent; /* being killed: nobody hears anything */
};

/* The one that runs, for calls that do not say who calls: log records. */
static struct broker *running;

static struct broker *of_bus(struct cccc_bus *bus)
{
    return (struct broker *)bus;
}

static void pool_init(struct cccc_pool *pool, struct broker *broker, unsigned width)
{
    *pool = (struct cccc_pool){.broker = broker, .width = width};
    pool->end = &pool->first;
}

static void draw(struct broker *self)
{
    self->bus.now = (struct cccc_moment){.unix_us = self->sim->unix_us,
                                         .mono_us = self->sim->mono_us,
                                         .random = {sim_roll(self->sim, UINT64_MAX), sim_roll(self->sim, UINT64_MAX)}};
}

/* ---- start ---- */

static struct broker *broker_new(struct sim *sim, const struct broker_ears *ears)
{
    struct broker *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->sim = sim;
    self->ears = *ears;
    self->finished_end = &self->finished;
    self->peers.broker = self;
    pool_init(&self->committers, self, CCCC_POOL_THREADS_MAX);
    pool_init(&self->readers, self, 2);
    pool_init(&self->filer, self, 1);
    pool_init(&self->openers, self, 1);
    pool_init(&self->sealer, self, 1);
    struct cccc_bus *bus = &self->bus;
    bus->vfs = simdisk_vfs(sim->disk);
    snprintf(bus->home.root, sizeof bus->home.root, "/home");
    bus->peers = &self->peers;
    bus->committers = &self->committers;
    bus->readers = &self->readers;
    bus->filer = &self->filer;
    bus->openers = &self->openers;
    bus->sealer = &self->sealer;
    if (sim_once_in(sim, 2)) {
        bus->ledgers.seal_at = 300 + sim_roll(sim, 5000);
        bus->ledgers.seal_options = (struct cccc_seal_options){.keep_lines = 1 + sim_roll(sim, 6),
                                                               .segment_bytes = 400 + sim_roll(sim, 6000),
                                                               .frame_bytes = 100 + (uint32_t)sim_roll(sim, 2000)};
    }
    if (sim_once_in(sim, 2) || sim->saves)
        bus->ledgers.snapshot_at = 1 + sim_roll(sim, 12);
    self->facts = (struct cccc_daemon_facts){.version = "sim", .home = "/home", .pid = 1, .started_mono_us = sim->mono_us};
    return self;
}

broker_t *broker_start(struct sim *sim, const struct broker_ears *ears)
{
    struct broker *self = broker_new(sim, ears);
    struct cccc_bus *bus = &self->bus;
    struct cccc_errmsg m = {""};
    running = self;
    draw(self);
    cccc_err_t err = cccc_home_prepare(bus->vfs, &bus->home, &m);
    if (err == CCCC_OK)
        err = cccc_home_next_epoch(bus->vfs, &bus->home, &bus->epoch, &m);
    if (err == CCCC_OK) {
        bus->core = cccc_core_new();
        err = cccc_bus_load(bus, &m);
    }
    if (err != CCCC_OK) {
        sim_tell(sim, "  does not start: %s", m.text);
        broker_kill(&self);
        return NULL;
    }
    self->facts.epoch = bus->epoch;
    sim_tell(sim, "  started, epoch %llu", (unsigned long long)bus->epoch);
    cccc_core_tick(bus->core, cccc_bus_moment(bus), &self->facts);
    cccc_bus_carry_out(bus);
    cccc_ledgers_commit(bus);
    return self;
}

uint64_t broker_epoch(const broker_t *self)
{
    return self->bus.epoch;
}

cccc_core_t *broker_core(broker_t *self)
{
    return self->bus.core;
}

/* ---- requests ---- */

static void refuse(broker_t *self, uint64_t conn, const struct cccc_request_id *id, const struct cccc_refusal *refusal)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_reply_error(&out, id, refusal->err, refusal->message.text, &refusal->details);
    self->ears.reply(self->ears.arg, conn, out.data, out.size);
    cccc_buf_fini(&out);
}

void broker_request(broker_t *self, uint64_t conn, const struct cccc_peer *peer, const char *bytes, size_t len)
{
    struct cccc_call_input input = {.conn = conn, .peer = *peer, .arena = cccc_arena_new(len + 7 * 1024)};
    struct cccc_refusal refusal = {.details = cccc_nil()};
    char *kept = cccc_arena_alloc(input.arena, len);
    memcpy(kept, bytes, len);
    if (cccc_request_read(kept, len, input.arena, &input.request, &refusal) == CCCC_OK) {
        cccc_core_request(self->bus.core, cccc_bus_moment(&self->bus), &input);
        cccc_bus_carry_out(&self->bus);
        return;
    }
    refuse(self, conn, &input.request.id, &refusal);
    cccc_arena_destroy(&input.arena);
}

void broker_gone(broker_t *self, uint64_t conn)
{
    cccc_core_gone(self->bus.core, conn);
    cccc_bus_carry_out(&self->bus);
}

void broker_holder_gone(broker_t *self, cccc_slot_t slot, cccc_str_t actor_id, uint64_t generation)
{
    cccc_core_holder_gone(self->bus.core, cccc_bus_moment(&self->bus), slot, actor_id, generation);
    cccc_bus_carry_out(&self->bus);
}

/* ---- threads and turns ---- */

static unsigned choices(const struct cccc_pool *pool)
{
    unsigned n = 0;
    for (const struct cccc_work *work = pool->first; work && n < pool->width; work = work->next)
        n++;
    return n;
}

static struct cccc_work *take(struct cccc_pool *pool, unsigned index)
{
    struct cccc_work **at = &pool->first;
    while (index-- > 0)
        at = &(*at)->next;
    struct cccc_work *work = *at;
    *at = work->next;
    if (!work->next)
        pool->end = at;
    return work;
}

bool broker_work(broker_t *self)
{
    struct cccc_pool *pools[] = {&self->committers, &self->readers, &self->filer, &self->openers, &self->sealer};
    unsigned in_all = 0;
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++)
        in_all += choices(pools[i]);
    if (in_all == 0)
        return false;
    unsigned pick = (unsigned)sim_roll(self->sim, in_all), pool = 0;
    for (unsigned n; pick >= (n = choices(pools[pool])); pool++)
        pick -= n;
    struct cccc_work *work = take(pools[pool], pick);
    work->run(work);
    work->next = NULL;
    *self->finished_end = work;
    self->finished_end = &work->next;
    return true;
}

static void finish_one(broker_t *self)
{
    struct cccc_work *work = self->finished;
    self->finished = work->next;
    if (!self->finished)
        self->finished_end = &self->finished;
    work->finish(work, &self->bus);
    cccc_bus_carry_out(&self->bus);
}

static void tick(broker_t *self)
{
    struct cccc_bus *bus = &self->bus;
    if (bus->now.mono_us < bus->next_tick_us)
        return;
    bus->next_tick_us = bus->now.mono_us + TICK_US;
    if (bus->phase == CCCC_SERVING)
        cccc_ledgers_retry_offline(bus);
    cccc_core_tick(bus->core, cccc_bus_moment(bus), &self->facts);
    cccc_bus_carry_out(bus);
}

/* A turn that finishes at most `max` pieces of work. */
static void turn(broker_t *self, uint64_t max)
{
    draw(self);
    for (uint64_t i = 0; i < max && self->finished; i++)
        finish_one(self);
    tick(self);
    cccc_ledgers_commit(&self->bus);
    cccc_ledgers_write_marks(&self->bus);
}

void broker_turn(broker_t *self)
{
    turn(self, sim_roll(self->sim, 4));
}

void broker_settle(broker_t *self)
{
    for (int i = 0; i < IDLE_WORK_MAX; i++) {
        bool worked = broker_work(self);
        bool finished = self->finished != NULL;
        turn(self, UINT64_MAX);
        if (!worked && !finished && !choices(&self->committers) && !choices(&self->readers) && !choices(&self->filer) &&
            !choices(&self->openers) && !choices(&self->sealer))
            return;
    }
    sim_broken(self->sim, "liveness", "the daemon has not come to rest after %d pieces of work", IDLE_WORK_MAX);
}

void broker_idle(broker_t *self, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        sim_pass(self->sim, TICK_US);
        broker_settle(self);
    }
}

/* ---- the end ---- */

static void broker_free(broker_t **self)
{
    struct cccc_bus *bus = &(*self)->bus;
    if (bus->core) {
        cccc_ledgers_close_all(&bus->ledgers);
        cccc_core_destroy(&bus->core);
    }
    running = NULL;
    free(*self);
    *self = NULL;
}

void broker_stop(broker_t **self)
{
    struct cccc_bus *bus = &(*self)->bus;
    bus->phase = CCCC_DRAINING;
    cccc_core_stop(bus->core);
    cccc_ledgers_cancel_seals(bus);
    cccc_bus_carry_out(bus);
    broker_settle(*self);
    if (!cccc_core_is_quiet(bus->core) || !cccc_ledgers_are_settled(&bus->ledgers))
        sim_broken((*self)->sim, "liveness", "the daemon does not come to an end");
    bus->phase = CCCC_MARKING;
    cccc_ledgers_write_all_marks(bus);
    while (cccc_snapshots_save_all(bus))
        broker_settle(*self);
    broker_settle(*self);
    broker_free(self);
}

/* The disk answers nothing any more, so work that is still out can be taken in to free it, and changes nothing. */
void broker_kill(broker_t **self)
{
    simdisk_halt((*self)->sim->disk);
    (*self)->silent = true;
    if ((*self)->bus.core)
        broker_settle(*self);
    broker_free(self);
}

/* ---- the world: threads ---- */

void cccc_pool_put(cccc_pool_t *self, struct cccc_work *work)
{
    work->next = NULL;
    *self->end = work;
    self->end = &work->next;
}

/* ---- the world: time and chance ---- */

const struct cccc_moment *cccc_bus_moment(struct cccc_bus *bus)
{
    bus->now.random[0] += 0x9e3779b97f4a7c15ull;
    return &bus->now;
}

void cccc_sync_times_add(struct cccc_sync_times *self, uint64_t us, uint64_t now_us)
{
    (void)self;
    (void)us;
    (void)now_us;
}

/* ---- the world: sockets ---- */

/* When the power is gone nothing leaves the machine any more, although the simulation takes a moment to notice. */
static bool is_heard(const struct broker *self)
{
    return !self->silent && !simdisk_is_down(self->sim->disk);
}

void cccc_peers_reply(cccc_peers_t *peers, uint64_t conn, cccc_bytes_t *bytes, bool answers)
{
    struct broker *self = peers->broker;
    (void)answers;
    if (is_heard(self))
        self->ears.reply(self->ears.arg, conn, bytes->data, bytes->len);
    cccc_bytes_release(bytes);
}

/* No client of the simulation speaks lines. */
void cccc_gate_reply(struct cccc_gate *self, uint64_t conn, cccc_bytes_t *bytes)
{
    (void)self;
    CCCC_ASSERT(false, "a reply for the gateway's connection %llu", (unsigned long long)conn);
    cccc_bytes_release(bytes);
}

bool cccc_peers_next_gone(cccc_peers_t *self, uint64_t *conn)
{
    (void)self;
    (void)conn;
    return false;
}

void cccc_bus_publish(struct cccc_bus *bus, struct cccc_effect *effect)
{
    struct broker *self = of_bus(bus);
    if (is_heard(self))
        self->ears.publication(self->ears.arg, effect->publish.topic, effect->publish.topic_len, effect->publish.bytes->data,
                               effect->publish.bytes->len);
    cccc_bytes_release(effect->publish.bytes);
}

void cccc_bus_end_publication(struct cccc_bus *bus)
{
    (void)bus;
}

void cccc_bus_stop(struct cccc_bus *bus)
{
    bus->phase = CCCC_DRAINING;
}

/* ---- the world: log and git ---- */

void cccc_log(int level, const char *id, const char *fmt, ...)
{
    char text[1024];
    (void)level;
    if (!running || running->silent || !running->sim->traced)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sim_tell(running->sim, "  log %s %s", id, text);
}

void cccc_log_set_level(int level)
{
    (void)level;
}

void cccc_log_rendered(int level, const char *id, const char *fmt, const char *text)
{
    (void)fmt;
    cccc_log(level, id, "%s", text);
}

/* No repositories here: a directory is its own root. */
cccc_err_t cccc_store_git(const struct cccc_store_call *call)
{
    cccc_builder_t found = cccc_map_builder(call->arena, 2);
    cccc_map_add(&found, "root", cccc_string(cccc_arena_str(call->arena, call->store->name)));
    cccc_map_add(&found, "git_remote", cccc_text(""));
    *call->value = found.value;
    return CCCC_OK;
}
