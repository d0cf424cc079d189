/* state.h - what the core knows, as data. Internal to broker/core.
 *
 * A group's configuration is one document (the map that is group.yaml); everything typed about it (struct cccc_config) is derived from the
 * document after each change and thrown away whole. Reading state (cursors, unread) is kept per principal, apart from the document.
 * Visible state changes in apply.c only, by applying durable events in order. */
#pragma once

#include "broker/core/core.h"
#include "proto/hash.h"

/* ---- derived configuration (config.c) ---- */

enum cccc_group_state { CCCC_GROUP_ACTIVE, CCCC_GROUP_IDLE, CCCC_GROUP_PAUSED };

struct cccc_actor {
    cccc_str_t id, title, runner, runtime;
    bool enabled;
    bool foreman; /* first enabled one */
    bool
        left_stopped; /* enabled, but its group, which did not run, was made to by another one's start: runs once the group or it is started */
    const cccc_value_t *entry; /* its map in the document */
};

struct cccc_scope {
    cccc_str_t key, url, label, git_remote;
};

/* Everything here lives in `arena` or in the group's document. */
struct cccc_config {
    cccc_str_t title, topic, created_at, updated_at;
    enum cccc_group_state state;
    bool running;
    bool terminals;            /* some actor has one */
    bool broadcast_by_default; /* messaging.default_send_to */
    cccc_str_t active_scope_key;
    struct cccc_actor *actors;
    uint32_t actor_count;
    struct cccc_scope *scopes;
    uint32_t scope_count;
    struct cccc_rule *rules; /* of automation; rules.h */
    uint32_t rule_count;
};

/* ---- reading state (inbox.c, unread.c) ---- */

enum cccc_lane { CCCC_LANE_CHAT, CCCC_LANE_NOTIFY, CCCC_LANES };

/* The unread seqs of one lane, oldest first, as varint differences: about one byte each. */
struct cccc_unread {
    unsigned char *bytes;
    uint32_t start, end, capacity;
    uint64_t count;
    uint64_t first, last; /* seqs; 0 when empty */
};

struct cccc_cursor {
    uint64_t seq; /* 0 = none */
    char event_id[33];
    char ts[28];
    char updated_at[28];
};

/* What a reader owes, oldest first (obligations.h). */
struct cccc_duties {
    struct cccc_duty *first, *last;
    uint32_t count;
    uint32_t replies,
        acks; /* of them, those that owe a reply, and those that owe only the acknowledgement of a message: what is reminded of. */
    struct cccc_duty *waiting; /* the same by turns: what was named longest ago, or came, first; */
    struct cccc_duty *spent;   /* without those that were named as often as may be, */
    uint64_t spent_at;         /* which is so often; 0: without end */
};

/* When something was. Wall time is of the fold (0: never), monotonic time of the moment (0: not known yet). */
struct cccc_when {
    int64_t us, mono_us;
};

/* What a reader was reminded of (reminders.c). */
struct cccc_reminders {
    struct cccc_when last;   /* the last reminder */
    struct cccc_when unread; /* since when messages are unread: since the first of them came, or the cursor last moved */
    uint32_t unread_count;   /* reminders of them */
    int64_t look_us;         /* not before, monotonic */
};

/* Notices of one kind without anything else in between. */
struct cccc_row {
    uint32_t count;
    struct cccc_when last;
};

/* A sign of life: the ts of an event ("" = none), as it stands there, for there are many of them; mono_us as in struct cccc_when. */
struct cccc_sign {
    char ts[28];
    int64_t mono_us;
};

/* What a reader does, and was told about it (nudges.c). */
struct cccc_nudges {
    struct cccc_sign spoke; /* its last event */
    struct cccc_row idle;
    struct cccc_sign announced;              /* its last message, */
    char next[CCCC_NEXT_LINE_BYTES_MAX + 1]; /* the line of it that begins with "next:", "" = none, */
    uint64_t next_seq;                       /* and its seq */
    struct cccc_row keepalive;
    struct cccc_when helped; /* when it last learned how things are done here, */
    uint64_t heard;          /* and the messages since, its own included */
    int64_t look_us;         /* not before, monotonic */
};

/* A principal that reads: an actor, or user. Kept by id. */
struct cccc_reader {
    char *id; /* key; heap */
    struct cccc_cursor cursor[CCCC_LANES];
    struct cccc_unread unread[CCCC_LANES];
    struct cccc_duties owes;
    struct cccc_reminders reminders;
    struct cccc_nudges nudges;
    uint64_t published;           /* last seq published under i/<gid>/<id>/ */
    struct cccc_runtime *runtime; /* of an actor: what is for it is to be typed, if it has a terminal */
    UT_hash_handle hh;
};

/* ---- pending ---- */

struct cccc_call;

/* A repeat of a client_id that waits for the first one's durability. Lives in its call's arena. */
struct cccc_waiter {
    struct cccc_waiter *next;
    struct cccc_call *call;
};

/* A decided event on its way to the disk, and as long as its call lives. Owns `wire`; lives, like all `event` borrows, in the call's arena
 * or in `arena`. */
struct cccc_pending {
    struct cccc_pending *next;    /* of its group, by seq */
    struct cccc_pending *sibling; /* of its call, newest first */
    struct cccc_event event;
    cccc_bytes_t *wire;          /* the wire form, encoded once: reply, publication and pending share it */
    cccc_arena_t *arena;         /* what the event's values live in, when no call owns it; may be NULL */
    struct cccc_call *call;      /* who waits for it; NULL when nobody does */
    struct cccc_waiter *waiters; /* repeats of the same client_id that wait for the same durability */
    uint64_t client_hash;        /* 0 = no client_id */
    cccc_kind_t kind;            /* of `event` */
};

/* ---- sealed client ids (sealed.c) ---- */

struct cccc_sealed {
    uint64_t last; /* events up to this one are in sealed segments; 0 = none */
    uint32_t count;
    struct cccc_sealed_ids *rows; /* rising; heap, as are the filters */
};

/* ---- a group ---- */

/* What the fold could not read, and whether the operator has given it up. gaps.c */
struct group_gap {
    struct cccc_gap gap;
    char given_up[28]; /* the ts of the ledger.repair that says so; "" when none does */
    const char *why;   /* what it was then: a reason as of a gap, static; with given_up */
};

struct cccc_group {
    char id[16];
    cccc_slot_t slot;
    cccc_arena_t *document_arena;
    cccc_value_t document;
    uint64_t document_seq; /* ledger_seq of the document: the last config event in it */
    char created_ts[28];   /* when its first configuration event was; "" = none seen */
    cccc_arena_t *config_arena;
    struct cccc_config config;
    struct cccc_reader *readers; /* uthash by id */

    uint64_t first_seq; /* of the first event applied; 0 = none */
    uint64_t head_seq;  /* last applied (durable) seq */
    char head_id[33];
    char head_ts[28];
    uint64_t next_seq; /* what the next decided event gets */
    struct cccc_pending *pending, **pending_end;
    uint32_t pending_count;
    uint32_t pending_config;   /* of them, events that change the document */
    uint32_t pending_expiries; /* of them, messages that expire */
    uint64_t pending_bytes;
    struct cccc_dedupe *dedupe; /* (by, client_id) -> seq, of events that are not sealed */
    struct cccc_sealed sealed;  /* where to look for those of events that are */
    struct cccc_obligations *obligations;
    struct cccc_guards *guards, *guards_ahead; /* NULL: nothing was ever decided; nothing decided is pending. guards.c */
    uint64_t release_us;                       /* what was released is being handed on: not again before this */
    struct cccc_expiry *expiries, *expiring;   /* messages that expire: uthash by seq; the same soonest first, utlist's. expiries.c */
    uint32_t expiry_count, expiries_asked;     /* asked: the broker is recalling them */
    struct cccc_when resumed;                  /* when it was last started, or became active again */
    struct cccc_sign alive;                    /* when somebody but the broker wrote anything */
    struct cccc_row silence;
    int64_t silence_look_us;             /* as look_us of a reader */
    struct cccc_rule_state *rule_states; /* uthash by rule id; automation.c */
    struct cccc_dedupe *foreign_ids;     /* event id -> seq, for ids that do not carry their seq (CCCC 0.4.0) */
    struct cccc_runtime *runtimes;       /* of every actor; runtime.c */
    struct cccc_context *context;        /* what it works on; NULL: nothing yet; context_state.c */
    struct cccc_context *context_ahead;  /* the same with what is decided and not durable; NULL: nothing is */
    struct cccc_headless *headless;      /* uthash by actor id; headless.c */
    struct cccc_relay *relays;           /* cross-group sends whose second step is not recorded yet; cross.c */
    struct group_gap *gaps;              /* what the fold could not read, by seq; gaps.c */
    uint32_t gap_count;
    struct cccc_legacy *legacy; /* cursors of CCCC 0.4.0 to be taken over at the end of this fold, or NULL; legacy.c */
    bool cursors_dirty;         /* read_cursors.json is older than the cursors */
    uint64_t changed_mono_us;   /* for heads */

    bool reconcile;            /* what runs may not be what is wanted: look after this input */
    bool created;              /* its ledger exists or an append with create was issued */
    bool deleted;              /* moved to trash; slot never used again */
    bool from_base;            /* it is being loaded from a base: nothing can be folded instead */
    bool folding;              /* takes no requests but is about to */
    bool unstored;             /* group.yaml is older than the document: a write failed, or nobody asked yet; the tick does */
    bool store_failed;         /* the last write of it failed, and the log has been told */
    bool edited;               /* the document was changed by hand: group.edit follows the fold */
    bool missing;              /* offline, because its folder is gone */
    char *offline, *read_only; /* heap; NULL = no */
    UT_hash_handle hh;         /* by id */
};

/* ---- the home ---- */

struct cccc_conn;   /* core.c: what a connection waits for, and who waits behind it */
struct cccc_upload; /* blobs.c */

#define SERVE_ONLY_WHY "the daemon was started with --serve-only"

struct cccc_core {
    bool serve_only;                 /* nothing is appended, started or stopped */
    struct cccc_group *groups_by_id; /* uthash */
    struct cccc_group **groups;      /* by slot */
    uint32_t group_count, group_capacity;
    cccc_arena_t *registry_arena;
    cccc_value_t registry;                      /* the document; groups and defaults as reference 1.1 */
    const msgpack_object_kv **registry_entries; /* of its groups, by id; in the arena */
    uint32_t registry_entry_count;
    bool registry_failed;             /* as store_failed of a group */
    bool registry_dirty;              /* newer than the file */
    uint64_t registry_stored_mono_us; /* when it was last handed over to be written; 0 = never */
    cccc_arena_t *settings_arena;
    cccc_value_t settings; /* settings.yaml */
    char active_group_id[16];
    char active_updated_at[28];
    struct cccc_conn *conns;    /* uthash by conn */
    struct cccc_conn *runnable; /* of them, those whose next request may start */
    struct cccc_call *parked;   /* uthash by ticket */
    cccc_ticket_t last_ticket;
    struct cccc_upload *uploads;
    struct cccc_known_zone *zones; /* uthash by name; zones.c */
    const struct cccc_daemon_facts *facts;
    struct cccc_moment moment;     /* of the last input */
    const struct cccc_moment *now; /* &moment */
    uint64_t random_state[2];      /* refilled from each input's moment */
    uint64_t last_second;
    bool stopping;
    uint64_t last_generation;               /* of any actor: sockets and marks are named by it, so no two have the same */
    bool to_reconcile;                      /* a group's `reconcile` is set */
    bool to_expire;                         /* a recall is over: there is room for the next message that expired */
    uint32_t expire_next;                   /* slot of the group whose messages are looked at first then */
    bool loading;                           /* groups are still to come, and with them holders that live */
    uint64_t pending_count, pending_bytes;  /* of all groups */
    uint64_t acked_count;                   /* events that became durable and were answered to who had asked for them */
    bool events_followed, inboxes_followed; /* cccc_core_followed */
    cccc_buf_t scratch;                     /* for one encoding at a time */
    char ts[28];                            /* ts_us as text */
    int64_t ts_us;
    struct cccc_effect *effects; /* collected */
    size_t effect_count, effect_capacity;
    struct cccc_effect *taken; /* out with the executor */
    size_t taken_capacity;
};
