/* message.h - what the files of messaging and of the core's machinery share with each other, and with no other file of broker/core.
 *
 * call.h is what a verb family needs; this is what core.c, call.c, apply.c, publish.c, send.c, cross.c, inbox.c and blobs.c need of each other.
 * Thread: the core's. */
#pragma once

#include "broker/core/call.h"

/* ---- call.c ---- */

/* A call nobody asked for, by the broker itself: it has no connection and its reply goes nowhere. */
call_t *core_call(struct cccc_core *core);
/* Free a call that is answered, or never will be. */
void call_drop(call_t *call);
/* Give a parked call its ticket. */
cccc_ticket_t call_park(call_t *call, call_next_fn next);
void call_unpark(call_t *call);
/* The call is decided or answered: its connection's next request may start. */
void call_release_conn(call_t *call);
/* Drop everything pending in the group; whoever waits is answered with `err`. */
void core_fail_pending(struct cccc_core *core, struct cccc_group *group, cccc_err_t err, bool unknown, const char *message);
/* The pending event with this seq, or NULL. */
struct cccc_pending *group_pending(const struct cccc_group *group, uint64_t seq);

/* ---- apply.c ---- */

/* "chat", "notify". */
extern const char *const lane_words[CCCC_LANES];

/* Forget all that a fold yields, and the document. */
void group_reset(struct cccc_group *group);
/* group_reset, and give back what is left. */
void group_fini(struct cccc_group *group);
/* Readers are the document's actors and user: drop others, add missing ones. */
void readers_sync(struct cccc_group *group);
struct cccc_reader *reader_find(const struct cccc_group *group, cccc_str_t id);
/* The seq an event id of this group names; 0 when it cannot be known without reading. Compare the event's id. */
uint64_t group_event_seq(const struct cccc_group *group, cccc_str_t event_id);
/* The hash under which `reader` owes an acknowledgement of the event. */
uint64_t ack_hash(cccc_str_t reader, cccc_str_t event_id);
/* True when `reader` was asked to acknowledge the event and has not. */
bool ack_is_open(const struct cccc_group *group, cccc_str_t reader, cccc_str_t event_id);

/* ---- recipients.c ---- */

/* The audience of a line that has none (CCCC 0.4.0), by its recipients and the roles at this point of the fold. */
cccc_value_t recipients_legacy_audience(cccc_arena_t *arena, const struct cccc_group *group, const struct cccc_event *event);

/* ---- publish.c ---- */

/* Publish a durable event under e/, and under i/ for each reader it is for. */
void publish_event(struct cccc_core *core, struct cccc_group *group, const struct cccc_pending *pending);
/* Once a second: the heads that are due. */
void publish_heads(struct cccc_core *core);

/* ---- inbox.c ---- */

/* Once a second: ask for exports of read cursors that are due. */
void cursors_tick(struct cccc_core *core);
/* Ask for every export that is due, now. */
void cursors_flush(struct cccc_core *core);

/* ---- blobs.c ---- */

/* Once a second: drop uploads nobody continues. */
void uploads_tick(struct cccc_core *core);
void uploads_drop_all(struct cccc_core *core);

/* ---- cross.c ---- */

/* Apply a source record, or the record that its second step is over, to group->relays. */
void relay_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind);
/* After a fold: repeat the second step of what is still open. */
void relay_resume(struct cccc_core *core, struct cccc_group *group);
/* Appends of this group were lost: what was under way for its relays is repeated later. */
void relay_append_failed(struct cccc_core *core, struct cccc_group *group);
cccc_value_t relays_dump(const struct cccc_group *group, cccc_arena_t *arena);
void relays_fini(struct cccc_group *group);
