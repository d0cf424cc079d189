/* runtime.h - actors as running programs: what is wanted of them, what is known of them, and what is to be typed into them. Internal to broker/core.
 *
 * What is wanted is configuration (the group runs, the actor is enabled, its runner is pty). What is known comes from holders. runtime_table.c keeps what is known, runtime.c brings the
 * second to the first; holders.c talks to holders; delivery.c hands messages over. HOLD.md is the contract with cccc-hold.
 * Of the ledger, and so of every fold: the last generation and exit, the queue, the last delivery. Of the moment: everything else.
 * Thread: the core's. */
#pragma once

#include "broker/core/messages/message.h"

enum runtime_phase {
    RUNTIME_ABSENT,
    RUNTIME_SPAWNING,     /* the store thread starts a holder */
    RUNTIME_STARTING,     /* it was started and has not registered */
    RUNTIME_RUNNING,      /* it registered; the agent runs */
    RUNTIME_STOPPING,     /* it was told to stop */
    RUNTIME_UNREGISTERED, /* a holder of before a restart of the daemon lives, and has not registered yet */
};

/* Why a start. Words of runtime.started. */
enum runtime_why { RUNTIME_ASKED, RUNTIME_ADDED, RUNTIME_BOOT, RUNTIME_AGAIN, RUNTIME_WOKEN };

enum runtime_preamble { PREAMBLE_OWED, PREAMBLE_ASKED, PREAMBLE_DONE };

struct runtime_order {
    struct runtime_order *next;
    char id[65];
    cccc_arena_t *arena; /* owns the map */
    cccc_value_t map;
    bool sent;       /* in an answer to this registration */
    call_t *waiting; /* who is answered with the report; NULL: nobody */
    uint64_t until_us;
};

enum delivery_state { DELIVERY_NONE, DELIVERY_CLAIMED, DELIVERY_ACCEPTED, DELIVERY_FAILED, DELIVERY_AMBIGUOUS };

/* The last delivery of an actor, as the ledger has it. */
struct cccc_delivery {
    enum delivery_state state;
    char id[33];
    uint64_t generation;
    uint64_t *seqs; /* heap */
    uint32_t count;
    char ts[28], reason[160];
    uint32_t failures; /* in a row */
};

struct runtime_exit {
    bool known, asked, holder_lost;
    bool terminal_closed; /* by the program and all of its own, which was ended for that */
    int32_t code, signal; /* -1: not that way */
    char limit[16];       /* of the actor's, that was reached: "memory", "processes"; "": none, as far as is known */
    char ts[28];
    char *screen; /* heap; may be NULL */
};

struct runtime_waiter {
    struct runtime_waiter *next;
    call_t *call;
    uint64_t generation; /* that ran when it began to wait */
    bool to_stop;        /* waits for the end, not for the start */
    call_next_fn then;
    uint64_t until_us;
};

struct cccc_runtime {
    char *id; /* of the actor; key; heap */
    /* of the ledger */
    uint64_t generation; /* of the last runtime.started; 0 = never */
    char started_ts[28];
    int32_t started_pid; /* of its program */
    struct runtime_exit exit;
    struct cccc_unread queue[CCCC_LANES];
    struct cccc_delivery delivery;
    /* of the moment */
    bool terminal; /* as the document has it */
    enum runtime_phase phase;
    uint64_t current; /* generation that is being started or runs */
    enum runtime_why why;
    int32_t pid, holder_pid;
    uint64_t holder_started;
    char socket[108];
    uint64_t phase_us; /* since when */
    uint64_t next_start_us;
    uint32_t quick_exits;
    bool given_up; /* it does not start, or exits at once again and again; somebody must start it */
    bool restart;  /* start again once it has ended; not ended before it is known that it can start */
    bool checking; /* ... which is being found out */
    bool orphan;   /* its actor is gone, or was added again: to be ended */
    bool lost;     /* found at start: its holder died while no daemon was there */
    bool ready;
    enum runtime_preamble preamble;
    uint32_t preamble_tries; /* that failed */
    bool attached;
    bool stopped;       /* its process is, by SIGSTOP or the like: it reads nothing until it is continued */
    uint64_t output_us; /* of its last output, monotonic */
    char failure[256];  /* why the last start failed, or a restart was not begun; "" */
    cccc_err_t cause;   /* the same as a code; CCCC_OK: the words say all that is known */
    char obstacle[96];  /* why the holder could type nothing when last heard: nothing is claimed meanwhile; "" */
    char refusal[96];   /* why it did not type what it was last ordered to; "" */
    struct runtime_order *orders;
    uint32_t order_count;
    uint64_t orders_given;
    call_t *wait;           /* the parked hold_wait */
    uint64_t wait_until_us; /* when it is answered; with none parked: when the last one was, since when the holder says nothing */
    struct runtime_waiter *waiters;
    uint64_t handover_us;           /* a handover was begun; not again before this */
    uint64_t claim_seq, settle_seq; /* of the last claim and of the last outcome decided here */
    uint64_t next_delivery_us;      /* not earlier: a back-off, or a pause after the preamble */
    uint64_t delivered_us;          /* when something was last typed; 0: nothing to this program */
    UT_hash_handle hh;
};

/* ---- runtime_table.c ---- */

/* Of an actor that has a terminal, or a program still; NULL: it has neither, or there is no such actor. */
struct cccc_runtime *runtime_find(const struct cccc_group *group, cccc_str_t id);
/* Of any actor. What the ledger says is folded for all of them: whether one has a terminal may change, and a fold must not depend on when. */
struct cccc_runtime *runtime_entry(const struct cccc_group *group, cccc_str_t id);
/* A new entry, in the group's table. */
struct cccc_runtime *runtime_make(struct cccc_group *group, cccc_str_t id);
/* As much of `s` as fits, as a C string. */
void runtime_copy_text(char *out, size_t size, cccc_str_t s);
/* After a change of the document: an entry for every actor, and readers' shortcut to it. */
void runtimes_sync(struct cccc_group *group);
/* The actor is gone, or comes as a new one: nothing of the ledger before concerns it, and a program that still lives is to be ended. */
void runtime_reset(struct cccc_group *group, cccc_str_t id);
/* The fold of runtime.* events. */
void runtime_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind);
/* After a fold: what this daemon has not started yet is started because it ran before. */
void runtimes_boot(struct cccc_group *group);
/* Forget what is of the ledger: a fold begins anew. What runs goes on running. */
void runtimes_forget_ledger(struct cccc_group *group);
/* `folded` was folded anew and is about to take the place of `group`: what runs goes along, with the ledger's part as folded. */
void runtimes_carry(struct cccc_group *group, struct cccc_group *folded);
void runtimes_fini(struct cccc_group *group);
/* The oldest event that is to be handed to an actor of now, or may have to be again; UINT64_MAX when there is none. */
uint64_t runtimes_oldest(const struct cccc_group *group);
bool runtime_has_terminal(const struct cccc_actor *actor);
/* Is it there to be told something by itself: enabled, and its program runs; a program of its own counts as running. */
bool runtime_is_there(const struct cccc_group *group, const struct cccc_actor *actor);
/* The group's files cannot be read now: who its actors are, and what is wanted of them, is not known. */
bool runtimes_are_out_of_sight(const struct cccc_group *group);
/* Is anything of it alive? */
bool runtime_lives(const struct cccc_runtime *runtime);
/* Its program runs as far as is known: also that of a holder of before a restart of the daemon, which lives and has not registered yet. */
bool runtime_runs(const struct cccc_runtime *runtime);

/* ---- runtime.c ---- */

/* The scope it works in; NULL: there is none. */
const struct cccc_scope *runtime_scope(const struct cccc_group *group, const struct cccc_actor *actor);
/* Start and stop what the configuration wants started and stopped. */
void runtimes_reconcile(struct cccc_core *core, struct cccc_group *group);
/* Do so at the end of this input. */
void runtimes_changed(struct cccc_core *core, struct cccc_group *group);
/* Once a second, and at stop. */
void runtimes_tick(struct cccc_core *core);
void runtimes_stop(struct cccc_core *core);
/* The group is deleted: end everything. */
void runtimes_end(struct cccc_core *core, struct cccc_group *group);
/* `then` runs when the actor runs, or does not (look at the phase and `failure`), at the latest after 15 s. The call counts as decided. */
void runtime_await(call_t *call, struct cccc_runtime *runtime, bool to_stop, call_next_fn then);
/* It has been on its way longer than anybody should wait. */
bool runtime_is_overdue(const struct cccc_core *core, const struct cccc_runtime *runtime);
/* Somebody wants it started: forget that it was given up. */
void runtime_encourage(struct cccc_runtime *runtime, enum runtime_why why);
/* It is gone, however: phase, waiters, back-off. `screen` etc. are in the event. */
void runtime_ended(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, bool asked);
void runtime_set_phase(struct cccc_core *core, struct cccc_runtime *runtime, enum runtime_phase phase);
void runtime_start_failed(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, const char *why);
/* Tell those who wait for this phase. */
void runtime_tell(struct cccc_runtime *runtime);
/* The configuration wants it to run. */
bool runtime_is_wanted(const struct cccc_group *group, const struct cccc_runtime *runtime);
const char *runtime_why_word(enum runtime_why why);

/* ---- runtime_show.c ---- */

/* Its holder lives, and is not heard of although it should have been. */
bool runtime_is_unreachable(const struct cccc_core *core, const struct cccc_runtime *runtime);
/* Why its terminal cannot be used now, and what to do: a sentence in the arena. Not of one in phase RUNNING that is heard of. */
const char *runtime_away(const struct cccc_core *core, const struct cccc_runtime *runtime, cccc_arena_t *arena);
/* What lists and status say of it; added to `row`. */
void runtime_show(const struct cccc_core *core, cccc_builder_t *row, const struct cccc_runtime *runtime);
/* What a list of groups and status say of all of them: how many run, and who needs somebody to look. */
void runtimes_show(const struct cccc_core *core, cccc_builder_t *row, const struct cccc_group *group);
/* All that a fold must come to again, as a value. */
cccc_value_t runtimes_dump(const struct cccc_group *group, cccc_arena_t *arena);

/* ---- holders.c ---- */

/* Give an order. Takes `arena`, which owns `map` (without order_id). NULL id: one is made. False: there are too many. */
bool holder_order(struct cccc_core *core, struct cccc_runtime *runtime, const char *id, cccc_arena_t *arena, cccc_builder_t *map,
                  call_t *waiting);
/* Forget all orders; who waits is told that the actor does not run. */
void holder_forget_orders(struct cccc_runtime *runtime);
/* The same, and a holder that waits for orders gets none: the entry is about to go. */
void holder_end(struct cccc_runtime *runtime);
/* Answer the parked wait now, with or without orders. */
void holder_answer(struct cccc_core *core, struct cccc_runtime *runtime);
/* Ask the executor to end the holder's process. */
void holder_kill(struct cccc_core *core, const struct cccc_group *group, const struct cccc_runtime *runtime, bool hard);
void holder_expire(struct cccc_core *core, struct cccc_runtime *runtime);

/* ---- terminals.c ---- */

/* Answer the question an order was about with what the holder said (a map, or nothing). */
void terminal_answer(call_t *call, const struct cccc_runtime *runtime, const cccc_value_t *given);

/* ---- delivery.c ---- */

/* Begin to hand over what is due. */
void delivery_step(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime);
/* The holder of `generation` registered: deliveries keep their distance from those before this daemon's start, and what was claimed for it is ordered again. */
void delivery_keep_pace(const struct cccc_core *core, struct cccc_runtime *runtime);
void delivery_resume(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime);
/* Decide the event for a report, as part of `call`. False: it is not about the open delivery. */
bool delivery_report(call_t *call, struct cccc_runtime *runtime, const cccc_value_t *report, call_next_fn next);
/* What became of an order to type the preamble. */
void delivery_preamble(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, const cccc_value_t *report);
/* What is claimed can no longer be known. */
void delivery_lost(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, const char *why);
/* The group's settings let nothing more be typed before this (monotonic), as they are now. */
uint64_t delivery_throttled_until_us(const struct cccc_group *group, const struct cccc_runtime *runtime);
void delivery_apply(struct cccc_group *group, struct cccc_runtime *runtime, const struct cccc_event *event);

/* ---- render.c ---- */

/* What is typed for these events (reference 6.4). In the arena. */
cccc_str_t render_delivery(cccc_arena_t *arena, const struct cccc_event *events, uint32_t count);
/* One line that says where they can be read, for a terminal that takes no longer ones. */
cccc_str_t render_brief(cccc_arena_t *arena, const struct cccc_event *events, uint32_t count);
/* What a new session is told first (reference 6.3). `words` are the group's own; blank: the built-in ones. */
cccc_str_t render_preamble(cccc_arena_t *arena, const struct cccc_group *group, const struct cccc_actor *actor, cccc_str_t words);
