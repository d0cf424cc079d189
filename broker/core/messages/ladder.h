/* ladder.h - what became of a message for each of its recipients, and what will. Internal to broker/core.
 *
 * The rungs are events of the ledger, found by reading it from the message on; what has not happened yet is said by outlook_of, from what is known now.
 * Thread: the core's. */
#pragma once

#include "broker/core/guards/guards.h"
#include "broker/core/obligations/obligations.h"
#include "broker/core/runtime/runtime.h"

/* One step of a ladder: the event that is its evidence; seq 0: not reached. */
struct cccc_rung {
    uint64_t seq;
    cccc_str_t event_id, ts, by;
};

struct cccc_ladder {
    cccc_str_t actor_id;
    struct cccc_rung claimed, outcome; /* of the last delivery with this event in it */
    enum delivery_state delivery;
    cccc_str_t delivery_id, reason;
    struct cccc_rung read, acked, replied, cancelled, recalled, released;
    struct cccc_rung left;    /* it left the group; an actor of that name that came later climbs nothing here */
    bool expired;             /* the broker recalled it */
    enum guard_verdict guard; /* what was decided for this copy */
};

/* What is looked for. */
struct cccc_climb {
    cccc_str_t event_id;
    cccc_str_t only;       /* one recipient; "": all */
    uint32_t reads_max;    /* pieces of the ledger; 0: to its end */
    bool until_it_is_over; /* what comes after the event by which nothing is owed any more is of no interest */
    call_next_fn then;
};

/* An event and what became of it. In the call's arena, at call->state. */
struct cccc_ladders {
    cccc_arena_t *arena;
    struct cccc_event event;
    cccc_kind_t kind; /* chat.message or system.notify */
    struct cccc_ladder *of;
    uint32_t count;
    uint64_t checked_seq; /* the ledger was looked at up to here */
    bool partial;         /* there is more of it, or a part cannot be read */
    bool gaps;            /* a part cannot be read */
    struct cccc_climb climb;
    uint32_t reads_left; /* and one; 0: as many as it takes */
    void *own;
};

/* Find the event and climb. `then` has call->state = the ladders, with `own` in them; or the call was failed (event_not_found, invalid_event_kind,
 * event_not_for_actor). */
void ladders_begin(call_t *call, struct cccc_climb climb, void *own);
/* And what is decided and not durable yet. */
void ladders_take_pending(call_t *call, struct cccc_ladders *ladders);

/* What will happen to a copy that nobody took yet. */
struct cccc_outlook {
    /* Of the recipient: running, starting, stopped, exited, failed, "never started", ..., enabled or disabled without a terminal, user. */
    cccc_str_t state;
    /* "typed": now; "waits": for what `why` says; "wakes": the recipient, and waits until its program is there; "inbox": until it is read there;
     * "held": until the user releases it. */
    const char *will;
    cccc_str_t why;  /* a clause */
    cccc_str_t next; /* a command that helps; "" */
    uint64_t idle_seconds;
    bool idle_known;
};
void outlook_of(call_t *call, const struct cccc_group *group, cccc_str_t id, enum cccc_lane lane, bool typed, struct cccc_outlook *out);
/* What a guard's verdict makes of it. */
void outlook_guarded(call_t *call, const struct cccc_group *group, cccc_str_t by, cccc_str_t id, enum guard_verdict verdict,
                     struct cccc_outlook *out);
/* [{id, enabled, state, will, why, next, idle_seconds?}] of a message that was just stored; *some_wait: somebody's copy waits. */
cccc_value_t outlook_rows(call_t *call, const struct cccc_group *group, const struct cccc_message *m, bool *some_wait);
