/* call.h - a request on its way through the core, and what its handler may do with it. Internal to broker/core.
 *
 * A handler is a function named op_<name>. It checks, then does exactly one of: fail, reply, or go on later: append (then the continuation runs when
 * the event is durable and applied), read, or store. Continuations have the same choice. A continuation after a read or store must check
 * again whatever may have changed meanwhile. Once call_append was called the request counts as decided: the connection's next one may start.
 * Thread: the core's. */
#pragma once

#include "broker/core/state.h"

typedef struct cccc_call call_t;
typedef void (*call_next_fn)(call_t *call);

struct cccc_call {
    struct cccc_core *core;
    uint64_t conn;
    bool gateway; /* as in struct cccc_call_input */
    struct cccc_peer peer;
    struct cccc_request request;
    uint32_t bytes;                      /* of the request as it came */
    cccc_arena_t *arena;                 /* owns the frame, the arguments and all that handlers make */
    cccc_str_t by;                       /* set by permit_by(): the attested principal */
    struct cccc_group *group;            /* set by call_group() */
    call_next_fn next;                   /* continuation */
    const struct cccc_read_result *read; /* in a continuation after a read */
    struct {
        cccc_err_t err;
        const char *message;
        const cccc_value_t *value;
    } stored; /* after a store */
    struct cccc_pending
        *appended; /* the event the last call_append decided; in the continuation it is applied. Valid as long as the call */
    struct cccc_pending *decided_events; /* all its appends, newest first, by sibling */
    uint32_t appends_open;               /* appends not yet durable; the continuation runs when the last one is */
    bool partly_stored;                  /* some of its events, or of those it waits for or repeats, are durable */
    call_next_fn after_store;            /* config_store's: what runs after both files */
    cccc_str_t store_warning;            /* config_store's: why a file could not be written; "" */
    call_next_fn ended;                  /* runs when the call is finished, however; it starts nothing */
    void *state;                         /* what an op keeps between its steps; in the arena */
    cccc_ticket_t ticket;                /* 0 = not parked */
    bool decided;                        /* the connection's next request may start */
    bool committed;                      /* its file work changes what others see, so it goes on without its connection */
    bool gone;                           /* its connection went before it was decided: dropped when what it waits for is done */
    bool finished;                       /* answered; kept only while appends are open */
    struct cccc_call *behind;            /* the next one in its connection's queue */
    UT_hash_handle hh;                   /* by ticket, while parked */
};

/* One function per op of ops.def; a missing one does not link. */
#define CCCC_OP(op, summary) void op_##op(call_t *call);
#define CCCC_ARG(op, name, type, need, max, missing, summary)
#include "proto/ops.def"
#undef CCCC_OP
#undef CCCC_ARG

/* ---- ending a call (each consumes it: return right after) ---- */

/* Answer with an error. printf-like message: what, why, what next. */
void call_fail(call_t *call, cccc_err_t err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same where CCCC 0.4.0 has one code for several causes: details say which one it was. */
void call_fail_cause(call_t *call, cccc_err_t err, cccc_err_t cause, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same with details (a map in the arena). */
void call_fail_details(call_t *call, cccc_err_t err, cccc_value_t details, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Answer with `result`, a map. Adds `ignored` when arguments were, and nothing else. */
void call_reply(call_t *call, const cccc_value_t *result);
/* The hot way: begin packs up to `result` and the head of a map of `pairs` members; the caller packs these and ends. `ignored` is added by the way.
 * Returns the core's scratch buffer: nothing else of the core may be called in between. */
cccc_buf_t *call_reply_begin(call_t *call, uint32_t pairs);
void call_reply_end(call_t *call, cccc_buf_t *out);
/* Answer with the event that was appended last: `event`, `as_of_seq`. */
void call_reply_event(call_t *call);

/* ---- going on later ---- */

/* Decide an event: gives it id, ts and seq, encodes it, puts it in the group's pending list and asks for its append. `kind` static; `data` a map in
 * the call's arena (or borrowed for the group's life). `next` runs when this and every other append of the call are durable and applied; NULL
 * for appends nobody answers to. CCCC_E_BUSY, CCCC_E_GROUP_READ_ONLY, CCCC_E_TOO_LARGE (with *m set): nothing was decided.
 * `call` may be NULL for events the core itself decides (then `arena` owns data and passes to the pending event). */
cccc_err_t call_append(call_t *call, struct cccc_group *group, cccc_kind_t kind, cccc_str_t by, cccc_str_t scope_key, cccc_value_t data,
                       call_next_fn next, struct cccc_errmsg *m);
cccc_err_t core_append(struct cccc_core *core, struct cccc_group *group, cccc_kind_t kind, cccc_str_t by, cccc_str_t scope_key,
                       cccc_value_t data, cccc_arena_t **arena, struct cccc_errmsg *m);
/* Wait for an event another call decided, as if this call had decided it too: counted in appends_open. `call` counts as decided. */
void call_wait(call_t *call, struct cccc_pending *pending, call_next_fn next);
/* Park until the read is done; `query`'s pointers must live in the call's arena. */
void call_read(call_t *call, struct cccc_group *group, const struct cccc_read_query *query, call_next_fn next);
/* Park until the file work is done. Takes store->arena (make one with cccc_arena_new; deep-copy into it). next NULL: nobody waits; call goes on. */
void call_store(call_t *call, struct cccc_store *store, call_next_fn next);
/* Park until the executor has done that with the group's ledger; `stored` says how it went. */
void call_keep(call_t *call, struct cccc_group *group, enum cccc_keep what, bool force, call_next_fn next);
/* File work nobody waits for. Takes store->arena. */
void core_store(struct cccc_core *core, struct cccc_store *store);

/* ---- common checks ---- */

/* Find the group by the op's group_id argument (slot of the table) and set call->group. False: the call was failed (group_not_found,
 * group_offline, busy while folding). */
bool call_group(call_t *call, enum cccc_arg_slot group_id_slot);
/* Find a loadable group by id (one that has a document, or is offline: call_group tells them apart); NULL when there is none. */
struct cccc_group *core_group(struct cccc_core *core, cccc_str_t group_id);
/* The same, but also groups whose creation is still pending. */
struct cccc_group *core_group_any(struct cccc_core *core, cccc_str_t group_id);
/* May the broker write into the group now of its own accord? Is it also at work: does it run, is it active, and is no change of its configuration decided? Only then have
 * reminders and rules their time. */
bool core_may_write(const struct cccc_core *core, const struct cccc_group *group);
bool core_is_at_work(const struct cccc_core *core, const struct cccc_group *group);
/* core_group_any, made (next free slot, no document) when there is none. Whoever creates groups on request checks GROUPS_MAX. */
struct cccc_group *core_group_make(struct cccc_core *core, cccc_str_t group_id);
/* Forget a group (its folder goes to the trash): whoever waits for it is answered group_not_found. */
void core_group_drop(struct cccc_core *core, struct cccc_group *group);
/* Read one event of the event lane out of a read result; the event lives in the call's arena. False when index is out of range. */
bool call_read_event(call_t *call, uint32_t index, struct cccc_event *out);

/* ---- effects and helpers ---- */

/* One more effect, of zeros but for its kind, at the end of those collected; valid until the next one. */
struct cccc_effect *core_effect(struct cccc_core *core, enum cccc_effect_kind kind);
/* What every input of the core begins and ends with. */
void core_begin_input(struct cccc_core *core, const struct cccc_moment *now);
void core_end_input(struct cccc_core *core);
/* One record of the log: a sentence, then ` key=` fields, as cccc_log has them. `id` and `fmt` are static. */
void core_log(struct cccc_core *core, int level, const char *id, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
uint64_t core_random(struct cccc_core *core);
/* Wall time of the input being worked on. */
void core_ts(struct cccc_core *core, char out[28]);

/* ---- what core.c asks of core B's files ---- */

/* After a fold (group.yaml may be older than the ledger, or edited by hand): ask for group.yaml to be written, append group.edit. config.c */
void config_resume(struct cccc_core *core, struct cccc_group *group);
/* Another program changed group.yaml meanwhile: its members that are not cccc's become the group's, and are recorded like an edit found at a start. */
void config_take_foreign(struct cccc_group *group, const cccc_value_t *theirs);
/* True when the document is not what the ledger says, and config_resume will record it: changed by hand, CCCC 0.4.0's, or newer than the ledger. */
bool config_is_unrecorded(const struct cccc_group *group);
/* Once a second, with core->facts set: publish d/ counters. daemon.c */
void daemon_tick(struct cccc_core *core);

/* ---- publish.c ---- */

/* Ask for `bytes` to be published under `topic`; keeps its own reference. */
void publish_bytes(struct cccc_core *core, const char *topic, cccc_bytes_t *bytes);

/* ---- apply.c: the only way visible state changes ---- */

/* Apply one durable event to its group: document, readers, cursors, dedupe, head. Total: unknown kinds only move the head. `kind` is the event's. */
void apply_event(struct cccc_core *core, struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind);

/* ---- config.c ---- */

/* Recompute group->config from group->document. Tolerates whatever a hand wrote (reference 13: 2, 54). */
void config_derive(struct cccc_group *group);
/* Replace the document (deep-copied into a fresh arena) and derive. Sets document_seq from its ledger_seq; without one (a home of CCCC 0.4.0) all
 * that is folded counts as being in it: UINT64_MAX until the first change. nil: no document, document_seq 0. */
void config_set_document(struct cccc_group *group, const cccc_value_t *document);
/* Apply a configuration event to the document and derive; while the group is folding, only if it is newer than document_seq. False when the kind is
 * not one of configuration. */
bool config_apply(struct cccc_group *group, const struct cccc_event *event);
/* Is the group.edit event what the hand made of group.yaml? False while folding a ledger whose file was edited again since. Ask before applying. */
bool config_edit_is_recorded(const struct cccc_group *group, const struct cccc_event *event);
/* Ask for group.yaml and registry.json to be written as they are now; `next` after both. */
void config_store(call_t *call, struct cccc_group *group, call_next_fn next);
/* The same when nobody waits (the wake of an idle group, a document behind its ledger after a fold): the next tick writes it. */
void config_store_later(struct cccc_core *core, struct cccc_group *group);
const struct cccc_actor *config_actor(const struct cccc_group *group, cccc_str_t id);
const struct cccc_actor *config_foreman(const struct cccc_group *group);
const struct cccc_scope *config_scope(const struct cccc_group *group, cccc_str_t key);

/* ---- permit.c: the decision table of reference 3.3 ---- */

enum cccc_action {
    CCCC_MAY_ACTOR_START,
    CCCC_MAY_ACTOR_STOP,
    CCCC_MAY_KEEP_SECRETS,
    CCCC_MAY_RETIRE,
    CCCC_MAY_SEE_TERMINAL,
    CCCC_MAY_ACTOR_ADD,
    CCCC_MAY_ACTOR_UPDATE,
    CCCC_MAY_ACTOR_REMOVE,
    CCCC_MAY_MANAGE_GROUP,
    CCCC_MAY_READ_INBOX
};
/* Who speaks: checks the claimed `by` ("" = default, `otherwise`) against the peer and the group, sets call->by. An operator may name user, an actor of the
 * group or svc:<name>; an actor only itself; an unknown peer nothing. False: the call was failed (permission_denied, sender_unknown, unknown_actor). */
bool permit_by(call_t *call, struct cccc_group *group, cccc_str_t claimed, const char *otherwise);
/* Can this only be an actor: is it neither user nor a service, nor one of the broker's own names? */
bool principal_is_actor(cccc_str_t name);
/* May call->by do it (to actor `target`, "" = none)? On false *why is a sentence; the caller fails with the op's own code. */
bool permit_action(const call_t *call, enum cccc_action action, cccc_str_t target, struct cccc_errmsg *why);
/* `attest` of the events this call decides. */
cccc_value_t permit_attest(const call_t *call);

/* ---- recipients.c (reference 4) ---- */

/* Canonical tokens of `to`, in order, without duplicates: array in the call's arena. CCCC_E_INVALID_RECIPIENT with a message. */
cccc_err_t recipients_resolve(call_t *call, struct cccc_group *group, const cccc_value_t *to, cccc_value_t *out, struct cccc_errmsg *m);
/* ---- unread.c ---- */
void unread_push(struct cccc_unread *u, uint64_t seq);                           /* seq > u->last */
void unread_drop_through(struct cccc_unread *u, uint64_t seq);                   /* forget all <= seq */
uint32_t unread_peek(const struct cccc_unread *u, uint64_t *seqs, uint32_t max); /* the oldest, in order; how many */
bool unread_has(const struct cccc_unread *u, uint64_t seq);
/* Forget one of them, wherever it is. Costs the length of the list. */
void unread_remove(struct cccc_unread *u, uint64_t seq);
void unread_fini(struct cccc_unread *u);

/* ---- dedupe.c: (group, by, client_id) -> seq, for as long as the event is in the ledger ---- */
struct cccc_dedupe *dedupe_new(void);
void dedupe_destroy(struct cccc_dedupe **self);
uint64_t dedupe_hash(cccc_str_t by, cccc_str_t client_id); /* never 0 */
/* Adding the same pair again changes nothing. */
void dedupe_add(struct cccc_dedupe *self, uint64_t hash, uint64_t seq);
/* Forget the pair; a missing one is fine. */
void dedupe_remove(struct cccc_dedupe *self, uint64_t hash, uint64_t seq);
uint64_t dedupe_count(const struct cccc_dedupe *self);
/* `hash` will be asked for soon: begins to load where it is. The table of a large ledger is in no cache. */
void dedupe_prepare(const struct cccc_dedupe *self, uint64_t hash);
/* Candidates for `hash` (a hit must be confirmed on the line); returns how many were written to `seqs`. */
uint32_t dedupe_find(const struct cccc_dedupe *self, uint64_t hash, uint64_t *seqs, uint32_t max);

/* Forget pairs with seqs of at most `seq`. */
void dedupe_drop_through(struct cccc_dedupe *self, uint64_t seq);

/* ---- retention.c ---- */
/* This event and all behind it are needed: unread by a present reader, or owed something for by one, still to expire, on their way to another group or into a terminal. Whoever adds something that
 * stays open until somebody has acted adds it here. */
uint64_t group_safe_seq(const struct cccc_group *group);
/* Add that as `safe_seq`, and as `safe_why` what needs the event: a phrase, "" when none is needed. */
void group_add_safe(const struct cccc_group *group, cccc_builder_t *out);

/* ---- sealed.c ---- */
/* Segments behind event `through` that may hold the hash: their first seqs, in the arena; how many. */
uint32_t sealed_may_have(const struct cccc_sealed *self, uint64_t hash, uint64_t through, cccc_arena_t *arena, uint64_t **firsts);
/* See that all filters together stay within CLIENT_ID_FILTER_BYTES_MAX: the oldest ones of this group go. */
void sealed_fit(struct cccc_core *core, struct cccc_group *group);
void sealed_fini(struct cccc_sealed *self);

/* ---- ids.c ---- */
/* Reference 1.3, in its order of checks; *why says which failed. */
bool actor_id_valid(cccc_str_t id, struct cccc_errmsg *why);
bool group_id_valid(cccc_str_t id);
/* "g_" or "s_" and 12 hex of SHA-256(seed). `out` gets a NUL. */
void scope_hash_id(char out[15], char prefix, cccc_str_t seed);
/* Reference 1.3: scp-style and ssh URLs to https, ".git" off. In the arena. */
cccc_str_t git_remote_normalise(cccc_arena_t *arena, cccc_str_t url);

/* ---- registry.c, active.c ---- */
/* Take over the documents as read at start-up (cccc_core_load_home); whatever has a wrong shape reads as empty. */
void registry_load(struct cccc_core *core, const cccc_value_t *registry);
void active_load(struct cccc_core *core, const cccc_value_t *active);
/* From cccc_core_tick and cccc_core_stop: write group.yaml files and registry.json that are behind. `all`: now, whatever the pace. */
void registry_tick(struct cccc_core *core, bool all);
