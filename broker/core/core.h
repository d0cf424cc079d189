/* core.h - the broker's decisions, pure: inputs in, effects out, no file, socket, clock, thread or randomness of its own.
 *
 * Life of a request: step(REQUEST) decides it: an error REPLY at once, a READ or STORE it has to wait for, or APPENDs. step(DURABLE) then
 * applies the appended events, and only that yields their REPLY and PUBLISH effects. The same apply folds ledgers at start-up
 * (cccc_core_fold), live traffic and simulation.
 * Requests of one connection are decided in the order they came: while one waits for a READ or STORE before its decision, the later ones of that
 * connection wait behind it (bounded: PARKED_REQUESTS_MAX, PARKED_REQUEST_BYTES_MAX). Replies may overtake.
 * Invariants: I2, I3, I5, I9, I10, I11 of ARCHITECTURE.md.
 * Thread: one; the loop's. */
#pragma once

#include "broker/ledger/ledger.h"
#include "proto/event.h"
#include "proto/kinds.h"
#include "proto/limits.h"
#include "proto/wire.h"

typedef struct cccc_core cccc_core_t;

/* A group's place in the core and in the executor's tables: stable while the daemon runs, never used twice. */
typedef uint32_t cccc_slot_t;
/* Names a parked continuation; 0 = none. */
typedef uint64_t cccc_ticket_t;

/* Who is at the other end, as the kernel says (identity.c). */
struct cccc_peer {
    enum { CCCC_PEER_UNKNOWN, CCCC_PEER_OPERATOR, CCCC_PEER_ACTOR, CCCC_PEER_HOLDER } standing;
    uint32_t uid, gid;
    int32_t pid;
    cccc_str_t group_id, actor_id; /* ACTOR and HOLDER */
    uint64_t generation;           /* of that actor's program; ACTOR and HOLDER */
};

/* Time and chance of one input. */
struct cccc_moment {
    int64_t unix_us;  /* wall clock */
    uint64_t mono_us; /* monotonic */
    uint64_t random[2];
};

/* ---- inputs ---- */

/* A request that passed cccc_request_read. Takes `arena`, which holds the frame's bytes too, also on error. */
struct cccc_call_input {
    uint64_t conn; /* the executor's name for where the reply goes; not 0, never used twice */
    bool gateway;  /* the client speaks lines of JSON, and takes us for CCCC 0.4.0 */
    struct cccc_peer peer;
    struct cccc_request request;
    uint32_t bytes; /* of the request as it came */
    cccc_arena_t *arena;
};

/* Daemon facts for status and ping, filled by the executor before each tick and borrowed until the next. All counters since start. */
struct cccc_daemon_facts {
    const char *version;
    const char *home; /* absolute path of the home; "" unknown */
    int32_t pid;
    uint64_t started_mono_us;
    uint64_t epoch;
    uint64_t requests, durable, events_published, syncs, sync_p50_us, sync_p99_us, sync_max_us;
    uint64_t queued_replies, dropped_peers, shed_connections, subscriptions;
    uint64_t publication_bytes, withheld_publications, dropped_followers;
    uint64_t gateway_connections, gateway_streams, gateway_requests, gateway_shed;
    uint64_t fds, rss_bytes;
    cccc_str_t degraded; /* one sentence, or "" */
    /* The groups that are not served, or not written, at this moment: an array of {group_id, reason} in `arena`. Asked each time it is shown; NULL: none are. */
    cccc_value_t (*groups_degraded)(void *arg, cccc_arena_t *arena);
    void *groups_arg;
};

/* How a group's ledger is kept (settings ledger_* and retention_*). */
struct cccc_ledger_policy {
    uint64_t max_active_bytes; /* ledger.jsonl is sealed when it has so many */
    uint64_t keep_tail_lines;  /* so many of its newest lines stay in it */
    uint64_t retain_s;         /* sealed segments whose last event is older are retired; 0: none is */
    uint64_t retain_bytes;     /* and so are the oldest ones when all of their files take more; 0: any number */
};

/* The name of the i-th setting a group has (group_settings_update), or NULL behind the last. */
const char *cccc_core_setting_name(size_t i);

/* A core without groups, followed by everybody (cccc_core_followed). */
cccc_core_t *cccc_core_new(void);
/* From now on its groups take no events, and no program is started or told to stop: for a daemon that only shows what is there. Before anything is folded. */
void cccc_core_serve_only(cccc_core_t *self);
/* Answers nobody. Takes and nulls. */
void cccc_core_destroy(cccc_core_t **self);

/* Effects are collected inside the core until taken. Every call below may add some. */
void cccc_core_request(cccc_core_t *self, const struct cccc_moment *now, struct cccc_call_input *input);
/* Group `slot` is durable up to `seq`. */
void cccc_core_durable(cccc_core_t *self, const struct cccc_moment *now, cccc_slot_t slot, uint64_t seq);
/* Nothing pending in `slot` was stored, or nobody knows: all pending are answered with `err` and that outcome, and dropped. With `refold` the
 * group takes no writes until cccc_core_fold_begin..end have run again. */
void cccc_core_append_failed(cccc_core_t *self, const struct cccc_moment *now, cccc_slot_t slot, cccc_err_t err, bool outcome_unknown,
                             const char *message, bool refold);
/* A READ is done; `result` is borrowed during the call. */
void cccc_core_read_done(cccc_core_t *self, const struct cccc_moment *now, cccc_ticket_t ticket, const struct cccc_read_result *result);
/* A STORE is done. `value` (may be NULL) is what it yields, borrowed. */
void cccc_core_store_done(cccc_core_t *self, const struct cccc_moment *now, cccc_ticket_t ticket, cccc_err_t err, const char *message,
                          const cccc_value_t *value);
/* A connection is gone: its undecided requests are dropped, those that are decided or change files go on without a reply. */
void cccc_core_gone(cccc_core_t *self, uint64_t conn);
/* The holder process of that generation is no more, whatever it last said. */
void cccc_core_holder_gone(cccc_core_t *self, const struct cccc_moment *now, cccc_slot_t slot, cccc_str_t actor_id, uint64_t generation);
/* Once a second, or when cccc_core_next_us says. */
void cccc_core_tick(cccc_core_t *self, const struct cccc_moment *now, const struct cccc_daemon_facts *facts);
/* Does anybody follow something under e/, under i/? Until told otherwise, yes. From then on nothing is published where nobody does. */
void cccc_core_followed(cccc_core_t *self, bool events, bool inboxes);
/* From now on requests are answered shutting_down. */
void cccc_core_stop(cccc_core_t *self);
/* True when nothing is pending or parked. */
bool cccc_core_is_quiet(const cccc_core_t *self);

/* Sealed segments have come behind those known: their client ids are looked for in the filters, which are taken, and in segments; no longer in a table. */
void cccc_core_sealed(cccc_core_t *self, cccc_slot_t slot, const struct cccc_sealed_ids *rows, uint32_t count);
/* The filter of a segment that had none. Takes it. */
void cccc_core_id_filter(cccc_core_t *self, cccc_slot_t slot, struct cccc_id_filter *filter);
/* First seqs of the segments that have none: array in the arena; how many. */
uint32_t cccc_core_unfiltered(const cccc_core_t *self, cccc_slot_t slot, cccc_arena_t *arena, uint64_t **firsts);
/* The events up to `last` were retired: their client ids are forgotten. */
void cccc_core_retired(cccc_core_t *self, cccc_slot_t slot, uint64_t last);
/* For tests: do the gaps that the group's inboxes name rise, and none overlap another? */
bool cccc_core_gaps_are_sound(const cccc_core_t *self, cccc_slot_t slot);
/* The group's event of that seq, and all behind it, may not be retired. */
uint64_t cccc_core_safe_seq(const cccc_core_t *self, cccc_slot_t slot);
uint64_t cccc_core_sealed_last(const cccc_core_t *self, cccc_slot_t slot);

/* Is the group's state such that it may be saved now: the fold of its ledger up to its head (*seq), and nothing else? */
bool cccc_core_snapshot_due(const cccc_core_t *self, cccc_slot_t slot, uint64_t *seq);
/* Append that state to `out`, for cccc_core_fold_snapshot. Takes about as long as copying it. */
void cccc_core_snapshot(const cccc_core_t *self, cccc_slot_t slot, cccc_buf_t *out);

/* How the group's ledger is to be kept, from its settings as they are now. */
void cccc_core_ledger_policy(const cccc_core_t *self, cccc_slot_t slot, struct cccc_ledger_policy *out);
/* The same from a group's configuration. */
void cccc_ledger_policy_of(const cccc_value_t *document, struct cccc_ledger_policy *out);

/* ---- start-up: registry, then each group's configuration and ledger ---- */

/* `registry` and `active` as read from disk (maps, or nil when missing or unreadable). No program is started until cccc_core_loaded. */
void cccc_core_load_home(cccc_core_t *self, const cccc_value_t *registry, const cccc_value_t *active);
/* settings.yaml as read from disk (a map, or nil), before the first request. */
void cccc_core_load_settings(cccc_core_t *self, const cccc_value_t *settings);
/* The level of the log that they ask for, as syslog. */
int cccc_core_log_level(const cccc_core_t *self);
/* The folder of this group is in the trash and no longer in groups/, so what the registry still says of it is forgotten: a stop came between the two.
 * Behind load_home. */
void cccc_core_load_deleted(cccc_core_t *self, cccc_str_t group_id);
/* Begin a group: returns its slot. `document` is group.yaml's map as found, or nil; `edited` when it differs from what cccc last wrote there:
 * it is then taken over by a group.edit event once the fold has ended. Folding again (after a failed append) uses the same slot. */
cccc_slot_t cccc_core_fold_begin(cccc_core_t *self, cccc_str_t group_id, const cccc_value_t *document, bool edited);
/* Of a group as CCCC 0.4.0 left it (a document without ledger_seq): the map of its state/read_cursors.json, or nil. Between begin and the first event. */
void cccc_core_fold_cursors(cccc_core_t *self, cccc_slot_t slot, const cccc_value_t *cursors);
/* Its files under context/ (cccc_context_read). Between begin and the first event. */
void cccc_core_fold_context(cccc_core_t *self, cccc_slot_t slot, const cccc_value_t *files);
/* What the disk has as group.yaml is not `document`: write it anew once the fold has ended. Between begin and end. */
void cccc_core_fold_rewrite(cccc_core_t *self, cccc_slot_t slot);
/* A record of state/runners/pty/ (HOLD.md): its holder lives, or has died while no daemon was there; that of an actor which left meanwhile is ended. No start gets its generation.
 * `offline`: the group could not be read, and nothing else is made of the record. Before fold_end. False: it is about nothing new, as in every fold but the first. */
bool cccc_core_fold_holder(cccc_core_t *self, cccc_slot_t slot, const cccc_value_t *record, bool alive, bool offline);
/* Its folder is gone, so the group is offline: the registry keeps its entry and names it as missing. Between begin and end. */
void cccc_core_fold_missing(cccc_core_t *self, cccc_slot_t slot);
/* What cccc_core_snapshot saved when the group's head was `seq`: the fold goes on behind it. Right behind begin, and before fold_cursors. False: it is not usable here (of
 * another version, damaged, or group.yaml was edited before it): begin again. */
bool cccc_core_fold_snapshot(cccc_core_t *self, cccc_slot_t slot, uint64_t seq, const char *bytes, size_t len);
/* The same with a base (ledger.h): nothing can be folded instead, so an edit of group.yaml that is older than it does not count, and group.yaml is written anew (*edit_lost). False: of
 * another version. */
bool cccc_core_fold_base(cccc_core_t *self, cccc_slot_t slot, uint64_t seq, const char *bytes, size_t len, bool *edit_lost);
/* Events up to `last` are in sealed segments, so that their client ids are not kept here. Before the first event, or behind fold_snapshot: false when the snapshot is of a
 * ledger of which more was sealed, begin again then. */
bool cccc_core_fold_sealed(cccc_core_t *self, cccc_slot_t slot, uint64_t last);
/* The next event of its ledger; or that the ones in between cannot be read, which inboxes name from then on. */
void cccc_core_fold(cccc_core_t *self, cccc_slot_t slot, const struct cccc_event *event);
void cccc_core_fold_gap(cccc_core_t *self, cccc_slot_t slot, const struct cccc_gap *gap);
/* Take over a group that was begun and folded in a core of its own (`from`, which is destroyed): its slot here, to be ended here. That core may have
 * been used by another thread, so that reading a large ledger keeps nobody waiting. */
cccc_slot_t cccc_core_fold_adopt(cccc_core_t *self, cccc_core_t **from);
/* Ends the fold. `offline` (NULL = none) says why the group cannot be served; `read_only` why it takes no appends. Resumes what a crash
 * interrupted (second step of send_cross_group, group.yaml older than the ledger). */
void cccc_core_fold_end(cccc_core_t *self, const struct cccc_moment *now, cccc_slot_t slot, const char *offline, const char *read_only);
/* Every group of the home has been folded, so every holder that lives is known: from now on programs are started. */
void cccc_core_loaded(cccc_core_t *self, const struct cccc_moment *now);

/* ---- effects ---- */

enum cccc_effect_kind {
    CCCC_DO_APPEND,  /* seal `event` into the ledger of `slot` (a new slot: its ledger is opened with create) */
    CCCC_DO_READ,    /* run the query on the ledger of `slot`; then cccc_core_read_done(ticket) */
    CCCC_DO_REPLY,   /* send `bytes` to `conn`; takes them */
    CCCC_DO_PUBLISH, /* publish `bytes` under `topic`; shares them (cccc_bytes) */
    CCCC_DO_STORE,   /* do the file work `store`; then cccc_core_store_done(ticket) when ticket != 0 */
    CCCC_DO_KEEP,    /* do `keep` with the ledger of `slot`; then cccc_core_store_done(ticket) */
    CCCC_DO_REFOLD,  /* close the ledger of `slot`, open it again, fold it */
    CCCC_DO_LOG,     /* write a log record */
    CCCC_DO_SHUTDOWN /* stop once replies are out */
};

/* Bytes shared by a reply, a publication and the pending list; immutable; counted. Any thread may keep and release them. */
typedef struct cccc_bytes {
    _Atomic uint32_t refs;
    uint32_t len;
    char data[];
} cccc_bytes_t;
cccc_bytes_t *cccc_bytes_new(const void *data, size_t len);
cccc_bytes_t *cccc_bytes_keep(cccc_bytes_t *self);
void cccc_bytes_release(cccc_bytes_t *self);
/* Call before another thread gets `self` to release it: what this thread did with it happens before its end, whatever way it takes there. */
void cccc_bytes_hand_over(cccc_bytes_t *self);
/* Keep up to `max` released ones of the usual size for the next ones, of all threads; 0, as at first: none. Fewer than before gives the surplus back.
 * Call with 0 at the end. */
void cccc_bytes_keep_spare(unsigned max);

enum cccc_store_kind {
    CCCC_STORE_GROUP, /* group.yaml of `group_id` <- `document` (its ledger_seq inside); yields {edited}, the map that stood there, when another program wrote it: of
                          * that, what is not cccc's is written, too */
    CCCC_STORE_SCOPE, /* scopes/<name>/scope.yaml <- document; nil removes it */
    CCCC_STORE_REGISTRY, /* registry.json <- document */
    CCCC_STORE_ACTIVE,   /* active.json <- document */
    CCCC_STORE_CURSORS,  /* state/read_cursors.json <- document (an export) */
    CCCC_STORE_TRASH, /* groups/<id> -> trash/<id>.<stamp>; the executor closes the ledger first; yields {moved: true}, also with an error when
                             only the sync failed */
    CCCC_STORE_SCAN, /* yields {present:[ids], corrupt:[ids]} of groups/ */
    CCCC_STORE_GIT, /* yields {root, git_remote, directory: is it one} for the directory `name` (reference 1.3); the remote as git has it, without credentials */
    CCCC_STORE_BLOB_PIECE,   /* `data` at `offset` of upload `name` (a sha256), total `total` */
    CCCC_STORE_BLOB_END,     /* verify, sync, rename to state/blobs/<document.file>; yields {bytes} */
    CCCC_STORE_BLOB_DROP,    /* forget upload `name` */
    CCCC_STORE_BLOB_STAT,    /* yields {bytes} of state/blobs/`name`; BLOB_NOT_FOUND */
    CCCC_STORE_BLOB_READ,    /* yields {data: bin, bytes: whole size} from `offset`, at most `total` */
    CCCC_STORE_BLOB_TEXT,    /* a whole blob in one go: `data` -> state/blobs/`name`, synced */
    CCCC_STORE_HOLDER_START, /* start a holder for actor `name` with the launch document `document`; yields {hold_pid, hold_started}; the executor gets launch_fd and launch
                               * with it, and hands these over once it knows the holder (cccc_holder_launch) */
    CCCC_STORE_HOLDER_CHECK, /* would a start of `name` with the launch document `document` find its directory and its program? INVALID_PROJECT_ROOT, NOT_FOUND */
    CCCC_STORE_HOLDER_FORGET, /* the program of generation `total` of actor `name` is gone: end what it left, remove the record */
    CCCC_STORE_HOLDER_KILL,   /* SIGTERM, and SIGKILL when sent before, to the holder with pid `total` and start time `offset` */
    CCCC_STORE_PROMPT,        /* yields {text} of prompts/`name`; "" when there is none */
    CCCC_STORE_PROMPTS,       /* prompts/<name> <- each text of `document`, nil removes it; yields {paths} of those that were changed */
    CCCC_STORE_TEMPLATE, /* `data` is YAML: yields {template}. Else `document`, with the prompts of the group in it, as YAML: yields {text}. With a group both
                               * yield {preamble, help}, its prompts */
    CCCC_STORE_CONTEXT,  /* files under context/ <- document {context, tasks?, presence?} */
    CCCC_STORE_LOG_TAIL, /* yields {path, lines} of the log `name` (daemon, web, or im of the group), the last `total`; with a document {clear: true} it is emptied instead */
    CCCC_STORE_ZONE,     /* yields {data: bin} of the system's time zone `name` */
    CCCC_STORE_SETTINGS, /* settings.yaml <- document; the executor's log level <- total (as syslog) */
    CCCC_STORE_SECRETS /* private environment of actor `name`: document {clear, unset, set}, or nil to read; a document {drop: true} removes it;
                               * yields {keys} */
};

struct cccc_store {
    enum cccc_store_kind kind;
    cccc_str_t group_id;
    cccc_str_t name;
    cccc_value_t document;
    cccc_str_t data;
    uint64_t offset, total;
    cccc_arena_t *arena; /* owns all of the above; goes with the effect */
};

/* SNAPSHOT yields {path, size_bytes, seq}; busy: not now. SEAL yields {from_seq, to_seq, archived_lines, kept_lines, bytes, sealed_bytes, segments}, or {skipped: why, size_bytes,
 * total_lines}. */
enum cccc_keep { CCCC_KEEP_SNAPSHOT, CCCC_KEEP_SEAL };

struct cccc_effect {
    enum cccc_effect_kind kind;
    cccc_slot_t slot;
    cccc_ticket_t ticket;
    union {
        struct {
            const struct cccc_event *event;
            bool create;
            cccc_str_t group_id;
        } append; /* borrowed until effects are taken again */
        struct {
            struct cccc_read_query query;
            cccc_arena_t *arena;
        } read; /* arena (may be NULL) owns the query's pointers; without one they are
                                                                               borrowed until the read is done */
        struct {
            uint64_t conn;
            cccc_bytes_t *bytes;
        } reply;
        struct {
            char topic[200];
            uint32_t topic_len;
            cccc_bytes_t *bytes;
        } publish;
        struct cccc_store store;
        struct {
            enum cccc_keep what;
            bool force; /* SEAL: although ledger.jsonl is small */
        } keep;
        struct {
            int level;
            const char *id, *fmt;
            char text[400];
        } log; /* level as syslog; id and fmt static ("GROUP-EDITED"); text is fmt with its values in place (broker/bus/log.h) */
    };
};

/* The effects since the last take, in order; the array is the core's and valid until the next call that may add effects has been followed by
 * another take. What an effect owns passes to the caller. */
struct cccc_effect *cccc_core_take(cccc_core_t *self, size_t *count);

/* Everything visible of one group as one value (tests: I11, the fold equals the live state). */
cccc_value_t cccc_core_dump_group(const cccc_core_t *self, cccc_slot_t slot, cccc_arena_t *arena);
/* The slot of a group, false when unknown. */
bool cccc_core_slot(const cccc_core_t *self, cccc_str_t group_id, cccc_slot_t *slot);
