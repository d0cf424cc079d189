/* loop.c - THE loop: wait, take in, decide, carry out.
 *
 * It never blocks but in wait_for_something, and does a bounded amount of each kind of work per turn, so that no socket starves another. */
#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "broker/bus/retention.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { TICK_US = 1000000, RETRY_MS = 5, TRIM_TICKS = 3 };
/* Arenas of requests, and twice as many bytes of events and replies, kept for the next ones: while there are many and otherwise. */
enum { SPARES_BUSY = 1024, SPARES_IDLE = 160 };

static uint64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void cccc_bus_new_turn(struct cccc_bus *bus)
{
    bus->now.mono_us = clock_us(CLOCK_MONOTONIC);
    bus->now.unix_us = (int64_t)clock_us(CLOCK_REALTIME);
    ssize_t n = getrandom(bus->now.random, sizeof bus->now.random, 0);
    CCCC_ASSERT(n == sizeof bus->now.random, "getrandom: %s", strerror(errno));
}

const struct cccc_moment *cccc_bus_moment(struct cccc_bus *bus)
{
    /* One draw from the system per turn; within it each input gets another number (a Weyl sequence: never the same twice). */
    bus->now.random[0] += 0x9e3779b97f4a7c15ull;
    return &bus->now;
}

/* How long there is nothing to do unless something comes in. */
static long timeout_ms(const struct cccc_bus *bus, bool retry)
{
    if (cccc_peers_turn_is_due(bus->peers))
        return 0;
    if (retry || bus->phase != CCCC_SERVING)
        return RETRY_MS;
    uint64_t due = bus->next_tick_us, mark = cccc_ledgers_next_mark_us(&bus->ledgers), now = clock_us(CLOCK_MONOTONIC);
    uint64_t look = cccc_followers_next_look_us(&bus->followers);
    if (mark < due)
        due = mark;
    if (look < due)
        due = look;
    return due <= now ? 0 : (long)((due - now + 999) / 1000);
}

enum { WAIT_ROUTER, WAIT_XPUB, WAIT_OUTBOX, WAIT_SIGNAL, WAIT_HOLDERS, WAIT_GATE, WAIT_COUNT };

static void wait_for_something(struct cccc_bus *bus, zmq_pollitem_t items[WAIT_COUNT], bool retry)
{
    int rc = zmq_poll(items, WAIT_COUNT, timeout_ms(bus, retry));
    CCCC_ASSERT(rc >= 0 || errno == EINTR, "zmq_poll: %s", zmq_strerror(errno));
    if (rc < 0)
        for (int i = 0; i < WAIT_COUNT; i++)
            items[i].revents = 0;
}

static void reopen_log(struct cccc_bus *bus)
{
    struct cccc_errmsg m;
    cccc_log_close();
    if (cccc_log_open(bus->vfs, &bus->home, &m) != CCCC_OK)
        cccc_log(LOG_ERR, "LOG-NOT-OPEN", "%s", m.text);
}

static void take_signals(struct cccc_bus *bus)
{
    struct signalfd_siginfo info;
    while (read(bus->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reopen_log(bus);
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            cccc_bus_stop(bus);
    }
}

static void take_finished(struct cccc_bus *bus)
{
    cccc_outbox_rest(&bus->outbox);
    for (struct cccc_work *work = cccc_outbox_take(&bus->outbox), *next; work; work = next) {
        next = work->next;
        work->finish(work, bus);
        cccc_bus_carry_out(bus);
    }
    cccc_peers_flush(bus->peers);
    cccc_bus_send_publications(bus);
}

static void take_ended_holders(struct cccc_bus *bus)
{
    for (struct cccc_holder *ended; (ended = cccc_holders_take_ended(&bus->holders)) != NULL; free(ended)) {
        cccc_peers_end_generation(bus->peers, ended->generation);
        cccc_gate_forget_identities(&bus->gate);
        cccc_core_holder_gone(bus->core, cccc_bus_moment(bus), ended->slot, cccc_str(ended->actor_id), ended->generation);
        cccc_bus_carry_out(bus);
    }
}

/* Memory that much work needed, when there is no longer much: what is kept to be used again first, and once ledgers have had time to come to rest, what the allocator keeps. */
static void give_back(struct cccc_bus *bus)
{
    bool busy = bus->stats.requests - bus->requests_at_tick > SPARES_BUSY;
    unsigned spares = busy ? SPARES_BUSY : SPARES_IDLE;
    bus->requests_at_tick = bus->stats.requests;
    cccc_arena_keep_spare(spares);
    cccc_bytes_keep_spare(2 * spares);
    bus->ticks_to_trim = busy ? TRIM_TICKS : bus->ticks_to_trim - (bus->ticks_to_trim > 0);
    if (!busy && bus->ticks_to_trim == 1)
        malloc_trim(0);
}

static void tick(struct cccc_bus *bus)
{
    if (bus->now.mono_us < bus->next_tick_us)
        return;
    bus->next_tick_us = bus->now.mono_us + TICK_US;
    cccc_peers_sweep(bus->peers, bus->now.mono_us);
    give_back(bus);
    cccc_followers_trim(&bus->followers);
    if (bus->phase == CCCC_SERVING) {
        cccc_ledgers_retry_offline(bus);
        cccc_ledgers_look_for_folders(bus);
        cccc_retention_tick(bus);
    }
    cccc_stats_gather(bus);
    cccc_core_tick(bus->core, cccc_bus_moment(bus), &bus->stats.facts);
    cccc_bus_carry_out(bus);
}

void cccc_bus_serve(struct cccc_bus *bus)
{
    zmq_pollitem_t items[WAIT_COUNT] = {
        [WAIT_ROUTER] = {.socket = bus->sockets.router, .events = ZMQ_POLLIN},
        [WAIT_XPUB] = {.socket = bus->sockets.xpub, .events = ZMQ_POLLIN},
        [WAIT_OUTBOX] = {.fd = bus->outbox.fd, .events = ZMQ_POLLIN},
        [WAIT_SIGNAL] = {.fd = bus->signal_fd, .events = ZMQ_POLLIN},
        [WAIT_HOLDERS] = {.fd = bus->holders.epoll, .events = ZMQ_POLLIN},
        [WAIT_GATE] = {.socket = bus->gate.ours, .events = ZMQ_POLLIN},
    };
    for (bool retry = false; bus->phase != CCCC_STOPPED;) {
        wait_for_something(bus, items, retry);
        cccc_bus_new_turn(bus);
        if (items[WAIT_SIGNAL].revents)
            take_signals(bus);
        if (items[WAIT_OUTBOX].revents)
            take_finished(bus);
        if (items[WAIT_HOLDERS].revents)
            take_ended_holders(bus);
        if (items[WAIT_XPUB].revents || items[WAIT_GATE].revents)
            cccc_bus_take_subscriptions(bus); /* the gateway subscribes before it asks where a group's ledger ends */
        if (items[WAIT_ROUTER].revents) {
            cccc_stats_count(bus);
            cccc_bus_take_requests(bus);
        }
        cccc_bus_take_turns(bus);
        if (items[WAIT_GATE].revents) {
            cccc_stats_count(bus);
            cccc_gate_take(bus);
        }
        cccc_bus_carry_out(bus);
        cccc_followers_tend(&bus->followers, bus->now.mono_us);
        tick(bus);
        cccc_ledgers_commit(bus);
        cccc_ledgers_write_marks(bus);
        retry = cccc_peers_flush(bus->peers);
        cccc_bus_send_publications(bus);
        cccc_bus_advance_stop(bus);
    }
}
