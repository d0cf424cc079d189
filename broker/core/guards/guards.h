/* guards.h - what agents may cause to be typed: budgets per pair, per group and per chain of messages, and pairs that are held. Internal to broker/core.
 *
 * A message by anybody but user, for an actor with a terminal, is typed while its budgets last, then left in the inbox, then held: kept back until the user
 * releases the pair. What was decided stands in the message (data.guard), so the state is a fold over messages, the notice that is a hold, and guard.release;
 * settings and clocks are asked for once, when a message is taken. What is decided and not durable yet counts (the part ahead).
 * Thread: the core's. */
#pragma once

#include "broker/core/messages/message.h"

/* What becomes of a copy. Words of data.guard. */
enum guard_verdict { GUARD_NONE, GUARD_TYPED, GUARD_INBOX, GUARD_HELD };

/* ---- deciding a message (guard_verdicts.c) ---- */

/* Decide for each of m->audience: sets m->guard (nil: nothing had to be decided) and m->new_holds, and takes who does not get it out of m->audience. False:
 * refusal is set. */
bool guards_judge(call_t *call, struct cccc_message *m);
/* Decide the notices that are the new holds, as part of `call`. */
cccc_err_t guards_announce(call_t *call, const struct cccc_message *m, struct cccc_errmsg *why);
/* The event that was just appended to the group is one that the fold will take: count it from now on. */
void guards_decided(struct cccc_group *group, const struct cccc_pending *p);
/* It was decided, by the event `seq`, that the actor leaves: what is known of it is over. */
void guards_leaves(struct cccc_group *group, cccc_str_t id, uint64_t seq);
/* It was decided, by the event `by_seq`, that a message of `by` is withdrawn from `id`: it is not held for it any more. */
void guards_recalls(struct cccc_group *group, cccc_str_t by, cccc_str_t id, uint64_t seq, uint64_t by_seq);
/* What was decided is lost. */
void guards_drop_ahead(struct cccc_group *group);

/* ---- the fold (apply.c) ---- */

void guards_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind);
/* The actor left, or came anew. The message was recalled from it. */
void guards_forget(struct cccc_group *group, cccc_str_t id);
void guards_recalled(struct cccc_group *group, cccc_str_t id, uint64_t seq);
void guards_fini(struct cccc_group *group);
/* The oldest message that is held; UINT64_MAX when none is. */
uint64_t guards_oldest(const struct cccc_group *group);
cccc_value_t guards_dump(const struct cccc_group *group, cccc_arena_t *arena);

/* ---- asking ---- */

/* What was decided for this copy of a message; and in data.guard itself. */
enum guard_verdict guard_verdict_of(const struct cccc_event *event, cccc_str_t id);
enum guard_verdict guard_verdict_said(const cccc_value_t *word);
enum guard_verdict guard_verdict_in(const cccc_value_t *guard, cccc_str_t id);
/* Why it is not typed: a clause; and the command that helps. */
cccc_str_t guard_reason(call_t *call, const struct cccc_group *group, cccc_str_t by, cccc_str_t id, enum guard_verdict verdict);
cccc_str_t guard_next(call_t *call, const struct cccc_group *group, cccc_str_t by, cccc_str_t id);
/* [{between, state, since, event_id, seq, messages}] of the pairs that are held or being released. */
cccc_value_t guards_holds(cccc_arena_t *arena, const struct cccc_group *group);

const char *guard_word(enum guard_verdict verdict);

/* ---- releasing (holds.c) ---- */

/* A pair that was released and of which messages are still to be handed on. In an arena. */
struct guard_release {
    cccc_value_t between;
    uint64_t *seqs; /* rising */
    uint32_t count;
};
/* Is there one? The first of them. */
bool guards_release_waits(const struct cccc_group *group);
void guards_to_release(const struct cccc_group *group, cccc_arena_t *arena, struct guard_release *out);
bool guards_is_held(const struct cccc_group *group, cccc_str_t one, cccc_str_t other);
/* Is that message of a released pair still to be handed on? And is it typed then? */
bool guards_is_to_release(const struct cccc_group *group, cccc_str_t one, cccc_str_t other, uint64_t seq);
enum guard_verdict guards_judge_released(const struct cccc_core *core, const struct cccc_group *group, cccc_str_t by, cccc_str_t id);
/* Once a second: hand on what was released. */
void holds_tick(struct cccc_core *core);

/* How many messages of actors, each caused by the one before, led to this event, itself included. */
uint64_t guard_hops(const struct cccc_event *event);
