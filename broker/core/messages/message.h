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
/* The call is over. Ops end by call_fail and call_reply, which do this; a call of the broker's own may have nothing to say. */
void call_finish(call_t *call);
/* Give a parked call its ticket. */
cccc_ticket_t call_park(call_t *call, call_next_fn next);
void call_unpark(call_t *call);
/* The call is decided or answered: its connection's next request may start. */
void call_release_conn(call_t *call);
/* Drop everything pending in the group; whoever waits is answered with `err`. */
void core_fail_pending(struct cccc_core *core, struct cccc_group *group, cccc_err_t err, bool unknown, const char *message);
/* The pending event with this seq, or NULL. */
struct cccc_pending *group_pending(const struct cccc_group *group, uint64_t seq);

/* A dry run of call_append: would the event be taken, with `more` others before it? */
cccc_err_t call_append_check(call_t *call, struct cccc_group *group, cccc_kind_t kind, cccc_str_t by, cccc_str_t scope_key,
                             cccc_value_t data, uint32_t more, struct cccc_errmsg *m);

/* ---- apply.c ---- */

/* True for kinds that change the document. */
bool kind_is_config(cccc_kind_t kind);

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

/* ---- registry.c ---- */

/* The group is about to be read again: should that find nothing, its entry of registry.json stays as it is now. */
void registry_remember(struct cccc_core *core, const struct cccc_group *group);

/* ---- legacy.c ---- */

/* While folding with cursors of CCCC 0.4.0: `event` is for `reader`. */
void legacy_event_for(struct cccc_group *group, cccc_str_t reader, const struct cccc_event *event);
/* Decide the chat.read events that bring those cursors, and forget them. */
void legacy_take_over(struct cccc_core *core, struct cccc_group *group);
void legacy_fini(struct cccc_group *group);

/* ---- recipients.c ---- */

/* Agents a message would reach, the sender left out. */
struct cccc_reach {
    uint32_t enabled;
    uint32_t disabled_by_id; /* named by their own id; also those left stopped */
    uint32_t disabled;       /* meant by @all, @peers or nobody named */
};

/* The audience of canonical tokens as of now: actors in their order, then user when listed, or meant by everyone and not the sender. Disabled actors are
 * in it: their copy waits in the inbox. Array in the call's arena. */
cccc_value_t recipients_reach(call_t *call, const struct cccc_group *group, const cccc_value_t *to, cccc_str_t sender,
                              struct cccc_reach *reach);
/* Whether tokens mean anybody but user; no tokens mean everyone. */
bool recipients_address_agents(const cccc_value_t *to);
/* Is the actor named by its own id? */
bool recipients_name(const cccc_value_t *to, cccc_str_t id);
/* Ids of actors and selectors the text mentions as @name: outside code, at the start of a word, not inside an address. */
cccc_value_t recipients_mentioned(call_t *call, const struct cccc_group *group, cccc_str_t text);

/* Every actor of the group: the audience of a notice without a target. */
cccc_value_t recipients_everyone(cccc_arena_t *arena, const struct cccc_group *group);
/* The audience of a line that has none (CCCC 0.4.0), by its recipients and the roles at this point of the fold. */
cccc_value_t recipients_legacy_audience(cccc_arena_t *arena, const struct cccc_group *group, const struct cccc_event *event);

/* ---- message.c: from what was asked to a decided chat.message ---- */

/* The members of a chat.message's data, in the order they are written. */
enum cccc_message_field {
    MESSAGE_TEXT,
    MESSAGE_FORMAT,
    MESSAGE_PRIORITY,
    MESSAGE_REPLY_REQUIRED,
    MESSAGE_TO,
    MESSAGE_REPLY_TO,
    MESSAGE_QUOTE_TEXT,
    MESSAGE_SRC_GROUP_ID,
    MESSAGE_SRC_EVENT_ID,
    MESSAGE_DST_GROUP_ID,
    MESSAGE_DST_TO,
    MESSAGE_REFS,
    MESSAGE_ATTACHMENTS,
    MESSAGE_THREAD,
    MESSAGE_CLIENT_ID,
    MESSAGE_AUDIENCE,
    MESSAGE_CLIENT_DIGEST,
    MESSAGE_RELAY,
    MESSAGE_DUE_TS,
    MESSAGE_EXPIRES_TS,
    MESSAGE_CAUSE,
    MESSAGE_HOPS,
    MESSAGE_GUARD,
    MESSAGE_WAITS_UNTIL,
    MESSAGE_RELEASED_FROM
};
/* A member of data by where it usually is; searched for when it is elsewhere. NULL when missing. */
const cccc_value_t *message_field(const cccc_value_t *data, enum cccc_message_field field);
/* The same for those behind the audience, which most messages do not have. */
const cccc_value_t *message_extra(const cccc_value_t *data, enum cccc_message_field field);

enum cccc_message_wait { CCCC_AWAITS_NOTHING, CCCC_AWAITS_REPEAT, CCCC_AWAITS_ORIGINAL, CCCC_AWAITS_FILE, CCCC_AWAITS_TEXT };

/* One message on its way. In the call's arena. */
struct cccc_message {
    /* What was asked; set by the op. */
    struct cccc_group *group;
    const char *verb; /* what a client_id stands for: "send", "reply", "send_cross_group" */
    cccc_str_t by, text, priority, path, client_id, reply_to;
    cccc_str_t cause; /* of what is no reply */
    cccc_str_t src_group_id, src_event_id, dst_group_id;
    const cccc_value_t *to, *dst_to, *attachments;
    cccc_value_t ignored; /* names of arguments nobody knows, of an item of a batch; nil when there are none */
    bool reply_required;
    uint64_t due_seconds;     /* 0: no deadline */
    uint64_t expires_seconds; /* 0: never */
    uint64_t wait_seconds;    /* the sender does nothing but wait for replies, so long; 0: it goes on */
    bool relays;              /* the source record of send_cross_group */

    /* What was found; message.c's. */
    bool text_stored;     /* the long text is a blob, the last of `files` */
    uint32_t files_known; /* attachments whose blob was found */
    cccc_value_t files;   /* their descriptors */
    cccc_value_t tokens, audience;
    cccc_str_t scope_key, stored_text;
    struct cccc_event *followed; /* what it replies to, or follows from; NULL: not known yet, or nothing. In the arena, as is `repeated` */
    struct cccc_event *original; /* the same, of a reply */
    uint64_t hops;               /* guard_hops of it */
    cccc_value_t guard;          /* what becomes of the copies for terminals; nil: nothing had to be decided */
    cccc_value_t new_holds;      /* pairs that are held from this message on */
    cccc_value_t cycle;          /* who would wait for each other, beginning and ending with the sender; nil: nobody */
    uint64_t client_hash;        /* 0: no client_id */
    uint64_t repeats_read_through; /* candidates for the client_id up to this seq were read and are others */
    uint64_t repeats_read_head;    /* the group's head when they were asked for */
    uint64_t sealed_read_through;  /* sealed events up to this one have been asked */
    struct cccc_reach reach;
    enum cccc_message_wait awaits;

    /* How it ended: refused, or a repeat of `repeated` (which still is `pending` when that is set), or decided. */
    struct cccc_refusal *refusal;
    struct cccc_pending *pending; /* decided by this message, or by the one it repeats */
    struct cccc_pending *ack;     /* a reply's implicit acknowledgement */
    struct cccc_event *repeated;
    cccc_str_t repeated_wire;
    cccc_str_t repeated_ack; /* the wire form of the acknowledgement that the repeated reply implied; "" = none */
    bool duplicate;
    bool parked;     /* once: what was checked before may have changed */
    bool woke;       /* the group, or actors of it */
    char digest[17]; /* of what was asked */
};

enum cccc_message_step {
    CCCC_MESSAGE_READY,  /* message_decide may follow, in the same input */
    CCCC_MESSAGE_PARKED, /* `next` runs later: prepare again there */
    CCCC_MESSAGE_ENDED   /* refusal or duplicate is set */
};
/* Check everything, and look up what has to be read first. To be called again after each park, and again when time has passed: nothing checked
 * before counts then. */
enum cccc_message_step message_prepare(call_t *call, struct cccc_message *m, call_next_fn next);
/* The message will be prepared soon: ask for the memory its client_id is looked up in. */
void message_expect(struct cccc_message *m);
/* A message that was prepared in this input and READY: has it become a repeat of one decided meanwhile? Then duplicate or refusal is set. */
bool message_is_repeat(call_t *call, struct cccc_message *m);
/* Decide the event (and the wake, and the acknowledgement). False: refusal is set, nothing was decided. `next` as in call_append. */
bool message_decide(call_t *call, struct cccc_message *m, call_next_fn next);
void message_refuse(call_t *call, struct cccc_message *m, cccc_err_t err, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Answer with the message's refusal. */
void message_fail(call_t *call, const struct cccc_message *m);
/* One more member of the refusal's details. */
void message_refuse_detail(call_t *call, struct cccc_message *m, const char *key, cccc_value_t value);
/* Pack the event of a message that is stored: its own, or the one it repeats. */
void message_pack_event(const struct cccc_message *m, cccc_buf_t *out);
/* Acknowledge an attention message that asked `reader` for it and is still open; NULL when it did not, or no event can be taken now. */
struct cccc_pending *ack_decide(call_t *call, struct cccc_group *group, cccc_str_t reader, cccc_str_t event_id, call_next_fn next);
/* The acknowledgement of the event by `reader` that is decided and not durable yet, or NULL. */
struct cccc_pending *ack_pending(const struct cccc_group *group, cccc_str_t reader, cccc_str_t event_id);
/* After durability: what a wake leaves to do. */
void message_settle(call_t *call, struct cccc_message *m);

/* ---- message_repeat.c ---- */

/* Look for the client_id among what is decided. A candidate that is durable has to be read to be sure. */
enum cccc_message_step message_find_repeat(call_t *call, struct cccc_message *m, call_next_fn next);
/* Those were read. */
void message_take_repeat(call_t *call, struct cccc_message *m);

/* ---- message_data.c ---- */

/* The data of its event, in the arena. */
cccc_value_t message_data(call_t *call, const struct cccc_message *m);

/* Of an array, or of none. */
static inline uint32_t list_count(const cccc_value_t *list)
{
    return cccc_is_array(list) ? list->via.array.size : 0;
}

/* ---- message_check.c: each of these sets refusal when it says false ---- */

bool message_check_priority(call_t *call, struct cccc_message *m);
/* Speaker, recipients, what is asked, scope, attachments, text. */
bool message_check(call_t *call, struct cccc_message *m);
/* Resolve `tokens`, `audience` and `reach` as of now. */
bool message_check_recipients(call_t *call, struct cccc_message *m);
/* The group as it will be when what is decided is durable: what recipients and speakers are checked against. */
struct cccc_group *group_view(call_t *call, struct cccc_group *group);

/* ---- waits.c ---- */

/* Sets m->cycle. False: everybody would wait for ever, and refusal is set. */
bool waits_check(call_t *call, struct cccc_message *m, const struct cccc_group *view);

/* ---- recall.c ---- */

void recall_apply(struct cccc_group *group, const struct cccc_event *event);
/* Must a claim of these events wait? One of them was read or recalled meanwhile, has expired, or a recall is on its way to the disk. */
bool recall_holds(const struct cccc_core *core, const struct cccc_group *group, const struct cccc_unread *queue, const uint64_t *seqs,
                  uint32_t count);

/* ---- expiries.c; what the fold tells it is in expiries.h ---- */

/* Is it a message that expires? */
bool expiry_is_in(const struct cccc_event *event, cccc_kind_t kind);
void expiries_fini(struct cccc_group *group);
/* The oldest message that is still to expire; UINT64_MAX when there is none. */
uint64_t expiries_oldest(const struct cccc_group *group);
/* Their seqs, the soonest first; and of each who has not taken it, as far as the cursors do not say so. */
cccc_value_t expiries_dump(const struct cccc_group *group, cccc_arena_t *arena);
cccc_value_t expiries_dump_open(const struct cccc_group *group, cccc_arena_t *arena);
/* Once a second, and when one is done (core->to_expire): withdraw what has expired, EXPIRING_AT_A_TIME of a group. */
void expiries_go_on(struct cccc_core *core);

/* ---- reminders.c ---- */

/* It was at `ts`: now, unless this is a fold. And when that was on the monotonic clock. */
void when_note(const struct cccc_group *group, struct cccc_when *when, cccc_str_t ts);
int64_t when_mono(const struct cccc_core *core, struct cccc_when *when);
/* Is the reader there to be reminded: enabled, and its program runs; a program of its own counts as running. */
bool reminder_is_there(const struct cccc_group *group, const struct cccc_reader *reader);
/* A reminder; the group runs again. */
void reminder_apply(struct cccc_group *group, const struct cccc_event *event);
void reminders_resume(struct cccc_group *group, const struct cccc_event *event);
/* Messages are unread since `ts`: the first one came, or a cursor moved. */
void reminders_unread(const struct cccc_group *group, struct cccc_reader *reader, cccc_str_t ts);
/* Once a second. */
void reminders_tick(struct cccc_core *core);
cccc_value_t reminder_dump(const struct cccc_reader *reader, cccc_arena_t *arena);

/* ---- nudges.c ---- */

/* Somebody but the broker wrote an event; `reader`: the actor it was, or NULL. */
void nudges_heard_from(struct cccc_group *group, struct cccc_reader *reader, const struct cccc_event *event, cccc_kind_t kind);
/* A notice of one of these kinds, by system. */
void nudge_apply(struct cccc_group *group, const struct cccc_event *event);
/* The reader joined; its program has just been told how things are done here. */
void nudges_joined(const struct cccc_group *group, struct cccc_reader *reader, cccc_str_t ts);
void nudges_helped(const struct cccc_group *group, struct cccc_reader *reader, cccc_str_t ts);
/* The group runs again; its settings changed. */
void nudges_resume(struct cccc_group *group);
void nudges_look(struct cccc_group *group);
/* Once a second. */
void nudges_tick(struct cccc_core *core);
cccc_value_t nudges_dump(const struct cccc_reader *reader, cccc_arena_t *arena);
cccc_value_t silence_dump(const struct cccc_group *group, cccc_arena_t *arena);

/* ---- notify.c ---- */

/* Texts borrowed; "" where there is none. */
struct cccc_notice {
    cccc_str_t kind, priority, title, message;
    cccc_str_t target;           /* "": every actor */
    cccc_str_t related;          /* the event it is about */
    const cccc_value_t *context; /* a map, or NULL */
    bool requires_ack;
};
/* The data of its system.notify, in the arena. */
cccc_value_t notice_data(cccc_arena_t *arena, const struct cccc_group *group, const struct cccc_notice *notice);
/* Decide it as the broker's own, as part of `call`; one that cannot be written is logged. reminders.c */
void reminder_send(call_t *call, struct cccc_group *group, const struct cccc_notice *notice);

/* ---- sessions.c ---- */

/* Does a message to this actor start it? It is stopped and has a terminal, and its group runs and is not paused. */
bool session_may_wake(const struct cccc_group *view, const struct cccc_actor *actor);
/* Decide so, as part of `call`: an actor.start by system. */
cccc_err_t session_wake(call_t *call, struct cccc_group *group, const struct cccc_actor *actor, struct cccc_errmsg *m);

/* Decide an actor.start, .stop or .restart by system, because of an automation rule: `rule` is its mark. */
cccc_err_t session_decide(call_t *call, const struct cccc_group *view, const struct cccc_actor *actor, cccc_kind_t kind,
                          const cccc_value_t *rule, call_next_fn next, struct cccc_errmsg *m);

/* ---- blobs.c ---- */

/* The file's name in state/blobs/ when `path` is one a client may use; "" otherwise. */
cccc_str_t blob_file(cccc_str_t path);
/* {kind, path, title, mime_type, bytes, sha256} of a stored blob; `title` and `mime_type` may be "". */
cccc_value_t blob_descriptor(cccc_arena_t *arena, const char *kind, cccc_str_t file, cccc_str_t title, cccc_str_t mime_type,
                             uint64_t bytes);
/* Look a blob up: continues with stored.value {bytes}. */
void blob_stat(call_t *call, const struct cccc_group *group, cccc_str_t file, call_next_fn next);
/* Read a blob's first `limit` bytes: continues with stored.value {data, bytes}. */
void blob_read(call_t *call, const struct cccc_group *group, cccc_str_t file, uint64_t limit, call_next_fn next);
/* A file's name made safe (reference 1.7); in the arena. */
cccc_str_t blob_clean_name(cccc_arena_t *arena, cccc_str_t name);
/* Keep a long text: continues when state/blobs/<returned name> is on the disk. */
cccc_str_t blob_store_text(call_t *call, const struct cccc_group *group, cccc_str_t text, call_next_fn next);

/* ---- publish.c ---- */

/* Publish a durable event under e/, and under i/ for each reader it is for. */
void publish_event(struct cccc_core *core, struct cccc_group *group, const struct cccc_pending *pending);
/* Once a second: the heads that are due. */
void publish_heads(struct cccc_core *core);
/* The last head of a group that is no more: who follows it need not wait. */
void publish_deleted(struct cccc_core *core, const struct cccc_group *group);

/* ---- gaps.c ---- */

/* The fold met a gap; what others name of it already stays theirs. */
void gaps_add(struct cccc_group *group, const struct cccc_gap *gap);
/* A ledger.repair: the gaps in its range are given up. */
void gaps_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind);
/* What became of the event `seq`, which a gap names for that reason: the reason, or more if it was given up. A phrase behind "is"; in the arena, or borrowed from `reason`. */
cccc_str_t gap_text(cccc_arena_t *arena, const struct cccc_group *group, uint64_t seq, const char *reason);
void gaps_fini(struct cccc_group *group);
/* Is there a part behind that event that the fold could not read? */
bool gaps_behind(const struct cccc_group *group, uint64_t seq);
/* The gaps of call->group behind the event `after` and in front of the event `before`, with those that the call's own read met; by seq, in the call's arena. */
struct cccc_gap *gaps_between(const call_t *call, uint64_t after, uint64_t before, uint32_t *count);
/* [{from_seq, to_seq, reason}] */
void pack_gaps(const struct cccc_gap *gaps, uint32_t count, cccc_buf_t *out);

/* ---- read.c ---- */

/* True: the read failed and the call with it. */
bool read_failed(call_t *call);
/* Is the event addressed to the reader? Lines of CCCC 0.4.0 by the roles there are now. */
bool event_is_for(call_t *call, const struct cccc_event *event, cccc_str_t reader);
/* In words that begin with "no event", or with what became of it: why the event `id` of `group` is not there. The call's read, if there was one, was for it. In the
 * call's arena. */
cccc_str_t event_absence(const call_t *call, const struct cccc_group *group, cccc_str_t id);
/* Fail the call with that: event_not_found. */
void event_refuse(call_t *call, cccc_str_t id);
/* Read the event with this id out of call->group: `next` has it as its only event, to be confirmed there. Fails the call when there is none. */
void event_find(call_t *call, cccc_str_t id, call_next_fn next);

/* ---- inbox.c ---- */

/* Once a second: ask for exports of read cursors that are due. */
void cursors_tick(struct cccc_core *core);
/* Ask for every export that is due, now. */
void cursors_flush(struct cccc_core *core);

/* ---- blobs.c, time ---- */

/* Once a second: drop uploads nobody continues. */
void uploads_tick(struct cccc_core *core);
void uploads_drop_all(struct cccc_core *core);

/* ---- cross.c ---- */

/* Apply a source record, or the record that its second step is over, to group->relays. */
void relay_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind);
/* Once a second: repeat the second step of what a crash, or a full disk, has left open. */
void relays_tick(struct cccc_core *core);
cccc_value_t relays_dump(const struct cccc_group *group, cccc_arena_t *arena);
/* The source event of the oldest open one; UINT64_MAX when there is none. */
uint64_t relays_oldest(const struct cccc_group *group);
void relays_fini(struct cccc_group *group);
