/* cccc.h - libcccc: talk to a cccc daemon from C.
 *
 * A client finds the daemon by the descriptor in its home and starts nothing. Requests are answered once what they ask for is durable; a
 * follower gets every event once and in order, or a gap item that says what is missing and why.
 * Threads: a client and its followers belong to one thread at a time; different clients are independent.
 * Signals: none are touched. Memory: functions named *_new or *_open give what *_free or *_close takes; a T** argument is taken and nulled.
 * Errors: functions return 0 or -1 with *err filled (err may be NULL). A code is the word of the protocol (PROTOCOL.md). */
#pragma once

#include <msgpack.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cccc cccc_t;
typedef struct cccc_arg_map cccc_args_t;
typedef struct cccc_reply cccc_reply_t;
typedef struct cccc_follow cccc_follow_t;

struct cccc_error {
    char code[64];      /* "group_not_found", ...; ours: "daemon_not_running", "daemon_unreachable", "timeout" */
    char message[1024]; /* what, why, what next */
    char outcome[16];   /* "not_stored", "unknown", or "" */
    int exit_status;    /* what the command line would exit with */
    char cause[64];     /* where `code` stands for several things ("actor_add_failed"): the code of the one it was; else "" */
};

struct cccc_options {
    const char *home; /* NULL: CCCC_HOME, else ~/.cccc */
    const char *by;   /* the speaker named in requests that have none; NULL: leave it to the broker */
    int timeout_ms;   /* of requests; 0: 30,000 */
};

/* ---- client ---- */

/* Find the daemon of the home and connect. "daemon_not_running" when there is none now; one that goes away later is waited for. */
int cccc_open(cccc_t **out, const struct cccc_options *options, struct cccc_error *err);
/* Close the client's followers first. Open requests are forgotten: what they asked for may or may not happen. */
void cccc_close(cccc_t **self);
/* The home in use; lives as long as the client. */
const char *cccc_home(const cccc_t *self);

/* ---- arguments: a map built member by member ---- */

/* Empty; a request takes it. What no request took is freed by cccc_args_free, which nulls. Keys and texts are copied. */
cccc_args_t *cccc_args_new(void);
void cccc_args_free(cccc_args_t **self);
void cccc_args_str(cccc_args_t *self, const char *key, const char *text); /* NULL text: nothing is added */
void cccc_args_strn(cccc_args_t *self, const char *key, const char *text, size_t len);
void cccc_args_strs(cccc_args_t *self, const char *key, const char *const *items, size_t count);
void cccc_args_uint(cccc_args_t *self, const char *key, uint64_t u);
void cccc_args_int(cccc_args_t *self, const char *key, int64_t i);
void cccc_args_bool(cccc_args_t *self, const char *key, bool b);
void cccc_args_bin(cccc_args_t *self, const char *key, const void *bytes, size_t len);
/* Any value, copied. */
void cccc_args_value(cccc_args_t *self, const char *key, const msgpack_object *value);

/* ---- requests ---- */

/* Ask and wait. Takes *args (NULL for none). Requests that may be repeated safely (reads, and sends, which get a client_id when they have
 * none) are repeated when the daemon comes back within the time-out; others fail with outcome "unknown" when the daemon went away
 * meanwhile. On success *reply (may be NULL) is the caller's. */
int cccc_request(cccc_t *self, const char *op, cccc_args_t **args, cccc_reply_t **reply, struct cccc_error *err);
/* The reply's result map; lives as long as the reply. */
const msgpack_object *cccc_reply_result(const cccc_reply_t *self);
void cccc_reply_free(cccc_reply_t **self);

/* Called when a pipelined request ended: reply (borrowed) or error (borrowed), the other NULL. */
typedef void (*cccc_done_fn)(void *arg, const cccc_reply_t *reply, const struct cccc_error *err);
/* Send without waiting; at most 10,000 may be open (-1 "busy" beyond). `done` runs inside any call of this client that
 * waits or takes in answers (cccc_pump, cccc_request and what is made of it, cccc_follow_next); it may ask further, but not close the
 * client. */
int cccc_request_async(cccc_t *self, const char *op, cccc_args_t **args, cccc_done_fn done, void *arg, struct cccc_error *err);
/* Take in what has arrived, waiting at most timeout_ms (0: not at all, -1: until something ends) while requests are open. Returns how many
 * ended. A signal handler that ran ends the waiting early. */
int cccc_pump(cccc_t *self, int timeout_ms, struct cccc_error *err);
/* poll(2) for a program that has descriptors of its own: waits until one of `fds` (at most CCCC_POLL_FDS_MAX; revents as poll fills them) is ready, a
 * request ended, timeout_ms passed (-1: never) or a signal handler ran, and takes in answers meanwhile. Returns how many requests ended; "too_large". */
int cccc_poll(cccc_t *self, struct pollfd *fds, size_t count, int timeout_ms, struct cccc_error *err);
#define CCCC_POLL_FDS_MAX 64
/* Requests not ended yet. */
size_t cccc_open_requests(const cccc_t *self);

/* Shorthand for op send. `to` NULL or count 0: the group's policy. event_id (33 bytes) and seq may be NULL. */
int cccc_send(cccc_t *self, const char *group_id, const char *text, const char *const *to, size_t to_count, char *event_id, uint64_t *seq,
              struct cccc_error *err);

/* ---- following ---- */

struct cccc_filter {
    const char *group_id;
    const char *recipient;    /* NULL: the whole group; else only what is addressed to it */
    const char *const *kinds; /* NULL: all */
    size_t kind_count;
    const char *by; /* NULL: anybody */
    bool from_seq;  /* true: start behind after_seq; false: with the last `last` events, then live */
    uint64_t after_seq;
    const char *after_id; /* id of the event at after_seq, when known: notices a restored ledger */
    uint32_t last;
};

enum cccc_item_type {
    CCCC_ITEM_EVENT, /* an event, in order, once */
    CCCC_ITEM_GAP,   /* from_seq..to_seq cannot be had: reason says why */
    CCCC_ITEM_LIVE,  /* history is done: what follows is live (once, and again after each repair of a restart) */
    CCCC_ITEM_RESET  /* the ledger is another than before (restored); following goes on from its head */
};

struct cccc_item {
    enum cccc_item_type type;
    uint64_t seq;
    const char *bytes; /* the event, packed; borrowed until the next call */
    size_t len;
    uint64_t from_seq, to_seq;
    const char *reason;      /* "damaged", "missing", ...; borrowed likewise */
    cccc_follow_t *follower; /* for cccc_item_event */
};

struct cccc_follow_stats {
    uint64_t events, live, repaired, gaps; /* delivered; of them straight from the stream; of them by ledger_read after a loss; gap items */
    uint64_t losses;                       /* times the stream had lost something */
    uint64_t restarts;                     /* times the daemon was found anew */
};

/* Begin to follow. `filter` is copied. The follower belongs to the client, whose thread it shares, and is closed before it. */
int cccc_follow_open(cccc_t *self, const struct cccc_filter *filter, cccc_follow_t **out, struct cccc_error *err);
/* The next item: 1 and *item, 0 after timeout_ms without one (-1: wait for ever), -1 on an error that ends the follower (the group was
 * deleted, ...). A daemon that is away is waited for. A signal handler that ran ends the waiting early: 0. */
int cccc_follow_next(cccc_follow_t *self, struct cccc_item *item, int timeout_ms, struct cccc_error *err);
/* The event of an item, a map, unpacked when this is first called; borrowed until the next cccc_follow_next. NULL when the item is not an event. */
const msgpack_object *cccc_item_event(const struct cccc_item *item);
void cccc_follow_stats(const cccc_follow_t *self, struct cccc_follow_stats *out);
void cccc_follow_close(cccc_follow_t **self);
/* Tests and measurements: the receive high-water mark of followers opened from now on (default 10,000). */
void cccc_set_follow_hwm(cccc_t *self, int messages);

/* ---- blobs ---- */

/* Store a file of the group; path_out (512 bytes) gets state/blobs/... */
int cccc_blob_put_file(cccc_t *self, const char *group_id, const char *file, char *path_out, struct cccc_error *err);
/* Fetch it into `file`, which appears whole or not at all, with the mode of the one it replaces. A link is followed; a device or a pipe is written through. */
int cccc_blob_get_file(cccc_t *self, const char *group_id, const char *path, const char *file, struct cccc_error *err);

/* ---- reading values ---- */

const msgpack_object *cccc_field(const msgpack_object *map, const char *key); /* NULL when missing */
bool cccc_field_text(const msgpack_object *map, const char *key, const char **text, size_t *len);
uint64_t cccc_field_uint(const msgpack_object *map, const char *key, uint64_t otherwise);
bool cccc_field_bool(const msgpack_object *map, const char *key, bool otherwise);
/* A value as compact JSON, malloc'd; caller frees. */
char *cccc_to_json(const msgpack_object *value);

/* "0.1.0" */
const char *cccc_version(void);

#ifdef __cplusplus
}
#endif
