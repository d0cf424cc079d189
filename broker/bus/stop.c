/* stop.c - an orderly end within two seconds: nothing new, what was decided becomes durable and is answered, marks, states, files, sockets, lock.
 *
 * Each phase has a time; when it is over the next one begins with whatever is left undone, which is then as safe as after a kill. A second
 * signal, or an alarm two seconds after the first, ends the process at once. */
#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "broker/bus/snapshots.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Together with what the gateway (FINISH_US) and the sockets (ROUTER_LINGER_MS) wait at most, 1.7 seconds: the rest is for closing files. */
enum { DRAIN_US = 500000, MARK_US = 500000, ALARM_S = 2 };

static void give_up(int signal_number)
{
    (void)signal_number;
    _exit(1);
}

static void watch_the_end(void)
{
    static const int signals[] = {SIGALRM, SIGTERM, SIGINT};
    struct sigaction action = {.sa_handler = give_up};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
        sigaddset(&set, signals[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    alarm(ALARM_S);
}

void cccc_bus_stop(struct cccc_bus *bus)
{
    if (bus->phase != CCCC_SERVING)
        return;
    cccc_log(LOG_INFO, "STOPPING", "stopping");
    watch_the_end();
    bus->phase = CCCC_DRAINING;
    bus->phase_ends_us = bus->now.mono_us + DRAIN_US;
    cccc_core_stop(bus->core);
    cccc_ledgers_cancel_seals(bus);
}

static bool is_drained(const struct cccc_bus *bus)
{
    return cccc_core_is_quiet(bus->core) && cccc_ledgers_are_settled(&bus->ledgers) && bus->stores_out == 0 &&
           cccc_peers_counters(bus->peers)->queued_replies == 0;
}

void cccc_bus_advance_stop(struct cccc_bus *bus)
{
    bool late = bus->now.mono_us >= bus->phase_ends_us;
    if (bus->phase == CCCC_DRAINING && (late || is_drained(bus))) {
        if (late)
            cccc_log(LOG_WARNING, "STOP-LATE", "stopping with work undone commits=%u stores=%u replies=%" PRIu64, bus->ledgers.commits_out,
                     bus->stores_out, cccc_peers_counters(bus->peers)->queued_replies);
        bus->phase = CCCC_MARKING;
        bus->phase_ends_us = bus->now.mono_us + MARK_US;
        cccc_ledgers_write_all_marks(bus);
        late = false;
    }
    if (bus->phase == CCCC_MARKING && ((!cccc_snapshots_save_all(bus) && bus->ledgers.marks_out == 0) || late))
        bus->phase = CCCC_STOPPED;
}

void cccc_bus_end(struct cccc_bus *bus)
{
    bool settled = cccc_ledgers_are_settled(&bus->ledgers) && bus->stores_out == 0;
    cccc_descriptor_remove(bus->vfs, &bus->home);
    cccc_gate_close(&bus->gate);
    cccc_sockets_close(&bus->sockets);
    cccc_zmq_end();
    cccc_home_leave(&bus->home);
    cccc_log(LOG_INFO, "STOPPED", "stopped durable=%" PRIu64, bus->stats.durable);
    if (!settled) {
        /* A thread is in a system call that does not return; joining it would take its time. */
        cccc_log_close();
        _exit(0);
    }
    cccc_pool_destroy(&bus->committers);
    cccc_pool_destroy(&bus->readers);
    cccc_pool_destroy(&bus->filer);
    cccc_pool_destroy(&bus->openers);
    cccc_pool_destroy(&bus->sealer);
    cccc_ledgers_close_all(&bus->ledgers);
    cccc_peers_destroy(&bus->peers);
    cccc_core_destroy(&bus->core);
    cccc_arena_keep_spare(0);
    cccc_bytes_keep_spare(0);
    cccc_subscriptions_fini(&bus->subscriptions);
    cccc_followers_fini(&bus->followers);
    cccc_holders_fini(&bus->holders);
    cccc_outbox_fini(&bus->outbox);
    cccc_log_close();
    close(bus->signal_fd);
    close(bus->lock_fd);
    alarm(0); /* nothing of ours is left that could hang; what instruments the program may still report */
}
