/* bus.h - what the loop consists of. Internal to broker/bus.
 *
 * One thread, the loop's, owns everything here: the sockets, the core and the ledger objects. Other threads see only the work they were
 * handed (pool.h), the home's paths and the vfs, which do not change after start.
 * The order of a turn: finished work and its replies, requests, subscriptions, the second's tick, then batches to the disk and the replies that are left. The core's effects are carried out
 * after each of the first four, so that nothing it decided is older than what it is told next. */
#pragma once

#include "broker/bus/followers.h"
#include "broker/bus/gate.h"
#include "broker/bus/holders.h"
#include "broker/bus/ledgers.h"
#include "broker/bus/peers.h"
#include "broker/bus/pool.h"
#include "broker/bus/sockets.h"
#include "broker/bus/stats.h"
#include "broker/bus/subscriptions.h"
#include "broker/core/core.h"
#include "broker/store/store.h"

enum cccc_phase {
    CCCC_SERVING,
    CCCC_DRAINING, /* no new work; what was decided becomes durable and is answered */
    CCCC_MARKING,  /* the ledgers' marks and the groups' states are written */
    CCCC_STOPPED
};

/* Requests decided, and events told durable, before their effects are carried out: few, so that what was just touched is still in the
 * processor's cache. */
enum { CCCC_LOT_EVENTS = 16 };

/* The publication sent last, kept while the same bytes go out under more topics. */
struct cccc_publication {
    cccc_bytes_t *bytes; /* NULL: none */
    bool withheld;       /* there is no room: `msg` is not in use */
    zmq_msg_t msg;
};

/* Publications that leave together, as replies do (peers.h): a follower is woken for many at a time. */
enum { CCCC_OUTGOING_MAX = 256 };
struct cccc_outgoing {
    unsigned count;
    struct {
        zmq_msg_t topic, body;
    } frames[CCCC_OUTGOING_MAX];
};

struct cccc_bus {
    const struct cccc_vfs *vfs;
    struct cccc_home home;
    uint64_t epoch;
    int lock_fd, signal_fd;
    bool serve_only; /* nothing is appended, started or delivered */

    struct cccc_sockets sockets;
    struct cccc_gate gate;
    cccc_peers_t *peers;
    struct cccc_subscriptions subscriptions;
    struct cccc_followers followers;
    struct cccc_publication publication;
    struct cccc_outgoing outgoing;

    cccc_core_t *core;
    struct cccc_ledgers ledgers;
    struct cccc_holders holders;
    struct cccc_outbox outbox;
    cccc_pool_t *committers, *readers, *filer, *openers, *sealer;
    uint32_t stores_out;

    struct cccc_stats stats;
    struct cccc_moment now; /* of this turn */
    uint64_t next_tick_us, requests_at_tick;
    unsigned ticks_to_trim; /* until what a busy time took goes back to the system */
    enum cccc_phase phase;
    uint64_t phase_ends_us;
};

/* ---- startup.c ---- */

/* Prepare the home, take its lock, load everything, bind; with tcp_port >= 0 the gateway listens on loopback TCP, too (0: any port). `serve_only`: see
 * cccc_core_serve_only. On failure *m is one line that says what to do. */
cccc_err_t cccc_bus_start(struct cccc_bus *bus, const char *home, int tcp_port, bool serve_only, struct cccc_errmsg *m);

/* ---- load.c ---- */

/* Read the home's files and fold every group into the core. CCCC_E_STORAGE: which groups there are cannot be known. */
cccc_err_t cccc_bus_load(struct cccc_bus *bus, struct cccc_errmsg *m);
/* A group on its way from its files into the core: read and folded into a core of its own, which takes as long as its ledger is, then taken over. */
struct cccc_folding *cccc_folding_new(struct cccc_bus *bus, cccc_str_t group_id);
/* On any thread. */
void cccc_folding_run(struct cccc_folding *self);
/* On the loop's: its ledger goes to the shelf, the group to the core; or nothing of it is wanted any more. */
void cccc_folding_finish(struct cccc_bus *bus, struct cccc_folding **self);
void cccc_folding_drop(struct cccc_folding **self);

/* ---- loop.c ---- */

/* Serve until told to stop. */
void cccc_bus_serve(struct cccc_bus *bus);
/* The time of this turn, and chance for the next input of the core. */
void cccc_bus_new_turn(struct cccc_bus *bus);
const struct cccc_moment *cccc_bus_moment(struct cccc_bus *bus);

/* ---- requests.c ---- */

/* Decode the bytes of a request and pass it to the core; `input` says who asks, and gets the rest. `stranger` not CCCC_OK: its sender is refused, for that reason.
 * The answer when it was refused, else NULL. */
cccc_bytes_t *cccc_bus_request(struct cccc_bus *bus, struct cccc_call_input *input, const void *bytes, size_t len, cccc_err_t stranger,
                               const struct cccc_errmsg *why);
/* Take in at most REQUESTS_PER_TURN_MAX requests. */
void cccc_bus_take_requests(struct cccc_bus *bus);
/* Of those that wait for their turn, at most as many. */
void cccc_bus_take_turns(struct cccc_bus *bus);
void cccc_bus_take_subscriptions(struct cccc_bus *bus);

/* ---- effects.c ---- */

/* Carry out what the core wants until it wants nothing more. */
void cccc_bus_carry_out(struct cccc_bus *bus);

/* ---- publications.c ---- */

/* A PUBLISH: to the followers, if any asked for the topic and there is room for what it lends. Releases the effect's bytes. */
void cccc_bus_publish(struct cccc_bus *bus, struct cccc_effect *effect);
/* The effects of one lot are carried out: nothing is kept for the next topic. */
void cccc_bus_end_publication(struct cccc_bus *bus);
/* Send what cccc_bus_publish has collected. */
void cccc_bus_send_publications(struct cccc_bus *bus);

/* ---- holders.c ---- */

/* From now on the end of that holder is noticed, and its requests are its own. `record` has hold_pid and hold_started. */
void cccc_bus_watch_holder(struct cccc_bus *bus, cccc_slot_t slot, cccc_str_t group_id, cccc_str_t actor_id, uint64_t generation,
                           const cccc_value_t *record);

/* ---- stop.c ---- */

/* Begin to stop; again does nothing. */
void cccc_bus_stop(struct cccc_bus *bus);
/* Go to the next phase when this one is done or its time is over. */
void cccc_bus_advance_stop(struct cccc_bus *bus);
/* Close and free everything; the lock is last. */
void cccc_bus_end(struct cccc_bus *bus);
