/* expiries.h - messages that expire: until when, and who has not taken them. Internal to broker/core.
 *
 * Thread: the core's. */
#pragma once

#include "broker/core/messages/ladder.h"

/* ---- the fold (apply.c) ---- */

/* A message that expires. */
void expiry_apply(struct cccc_group *group, const struct cccc_event *event);
/* These say that the actor has taken copies: an acknowledgement, a message (a reply to one, or a held copy handed on), a claimed delivery. */
void expiries_acked(struct cccc_group *group, const struct cccc_event *event);
void expiries_answered(struct cccc_group *group, const struct cccc_event *event);
void expiries_claimed(struct cccc_group *group, const struct cccc_event *event);
/* The actor left, or came anew: nothing is withdrawn from it. */
void expiries_left(struct cccc_group *group, cccc_str_t id);
/* It was recalled, by whomever. */
void expiry_recalled(struct cccc_group *group, uint64_t seq);

/* ---- deciding (recall.c) ---- */

/* A recall of the message was decided, by whomever, and is on its way to the disk. */
void expiry_decided(struct cccc_group *group, uint64_t seq);
/* That recall ended, however: there is room for the next one, and what is not withdrawn by it is tried again. */
void expiry_ended(struct cccc_core *core, struct cccc_group *group, uint64_t seq);
/* Is its time over? */
bool expiry_is_due(const struct cccc_core *core, const struct cccc_group *group, uint64_t seq);
/* Recall what expired: `all` are its ladders, one for each who has not taken it as far as what is durable says. Consumes the call. CCCC_OK: decided. */
cccc_err_t recall_expired(call_t *call, struct cccc_ladders *all);
