/* internal.h - what the files of libcccc share: the client, its link to the daemon, its open requests.
 *
 * client.c owns requests, connection.c the link to the daemon and the turns, link.c one socket's life, discover.c the home, follow.c
 * followers.
 * Thread: all of a client and its followers belong to one thread at a time. */
#pragma once

#include "clients/lib/include/cccc.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/ops.h"
#include "proto/value.h"
#include "proto/wire.h"

#include <poll.h>
#include <stdatomic.h>
#include <zmq.h>

/* ---- errors (error.c) ---- */

/* Fills *err (NULL is fine) with the word and exit status of `code`; `outcome` is "", "unknown" or "not_stored". Always -1. */
int client_fail(struct cccc_error *err, cccc_err_t code, const char *outcome, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- time and chance ---- */

int64_t now_ms(void);
/* A number below `bound`, for jitter. */
uint32_t random_below(uint32_t bound);

/* ---- discover.c: where the daemon says it is ---- */

struct daemon_address {
    char bus[256];
    char events[256];
    uint64_t epoch;
    int64_t pid;
    uint64_t pid_started; /* 0: not said */
};

/* The home: `override`, else CCCC_HOME, else ~/.cccc; made absolute. */
int home_find(const char *override, char *out, size_t size, struct cccc_error *err);
/* Read the descriptor. daemon_not_running when there is none, or only another home's, daemon_unreachable when it cannot be used. */
int daemon_find(const char *home, struct daemon_address *out, struct cccc_error *err);
/* Is the process it names a daemon, whether or not it listens? */
bool daemon_lives(const struct daemon_address *address);

/* ---- link.c: one socket to one instance of the daemon ---- */

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP };

/* A socket that connects once and never again by itself. Whatever arrives on it therefore comes from one instance of the daemon, in the
 * order it was sent, and what was written to it can never reach a later instance. Start with all zero. */
struct link {
    void *socket;
    void *monitor;
    int socket_fd, monitor_fd; /* ZMQ_FD of either */
    bool monitor_ready;        /* the monitor has something to say */
    enum link_state state;
};

/* Open towards `endpoint`; `topics` are subscribed to first (SUB). False when libzmq refuses. */
bool link_open(struct link *self, void *zmq, int type, const char *endpoint, int hwm, const char *const *topics, size_t topic_count);
/* Two places in a poll(2): the monitor, and the socket if it is wanted. The socket's may be slept on only when nothing was sent or received
 * on it since receiving said EAGAIN, because any other call may take the signal away (zmq_getsockopt(3), ZMQ_FD). */
void link_poll(const struct link *self, bool wanted, struct pollfd fds[2]);
void link_polled(struct link *self, const struct pollfd fds[2]);
/* Take in what the monitor says, if poll said that it does; returns the state. DOWN: the socket may still hold messages that came before
 * the end. */
enum link_state link_watch(struct link *self);
void link_close(struct link *self);

/* ---- replies ---- */

/* Who only wants to know that it went well need not have the rest unpacked: that is done when it is asked for. */
struct cccc_reply {
    zmq_msg_t frame;
    uint64_t id;
    bool ok;
    bool unpacked;
    msgpack_zone zone;
    msgpack_object root;
    const msgpack_object *result; /* a map when ok */
};

/* ---- requests (client.c) ---- */

/* Somebody of ours who waits for one answer. */
struct waiter {
    bool ended;
    cccc_reply_t *reply; /* the daemon's answer, good or bad; NULL when there was none; the waiter's */
    struct cccc_error error;
    bool failed;
};

/* Its bytes are lent to libzmq, whose thread may give them back after the answer came: whoever is last frees it. */
struct request {
    _Atomic unsigned holders; /* the table or the list of ended ones, and libzmq for each time it was sent */
    uint64_t id;
    struct request *prev, *next; /* in the order of opening, which is that of their deadlines */
    int64_t deadline_ms;
    bool repeatable;
    bool sent;             /* handed to the link there is now */
    bool maybe_seen;       /* handed to some link: a daemon may have seen it */
    bool internal;         /* ours: a follower's read, or cccc_request */
    struct waiter *waiter; /* ours, or NULL */
    cccc_done_fn done;     /* the user's, may be NULL */
    void *arg;
    char op[32];
    /* how it ended: an answer, or an error of ours */
    cccc_reply_t *reply;
    cccc_err_t failure;
    const char *outcome;
    size_t len;
    char frame[]; /* kept to be sent again */
};

/* Slots outnumber CCCC_CLIENT_REQUESTS_MAX so that followers' own reads always find one. */
#define REQUEST_SLOTS 16384

struct cccc {
    char home[4096];
    char *by;
    int timeout_ms;
    int follow_hwm;
    void *zmq;

    /* the link to the daemon (connection.c) */
    struct link link;
    struct daemon_address daemon;
    uint64_t generation;      /* how often a link came up */
    int64_t next_try_ms;      /* when down: when to try again */
    int64_t connect_until_ms; /* when connecting: when to give up */
    int64_t heard_ms;         /* last sign of life, or of a look at the descriptor */
    uint32_t backoff_ms;

    /* open requests */
    struct request **slots;
    uint16_t *free_slots;
    uint32_t free_count;
    struct request *first, *last;
    struct request *ended_first, *ended_last; /* not told yet */
    size_t user_open;
    size_t open_bytes;
    uint64_t serial;
    uint64_t told;       /* requests of the user's that ended */
    cccc_reply_t *spare; /* one reply kept for the next */
    cccc_buf_t frame;    /* for making requests, reused */

    char id_prefix[33]; /* of client ids: 128 random bits */
    uint64_t id_count;
    size_t followers;
};

/* Open a request; takes *args. Exactly one of waiter and done is used. */
int request_open(cccc_t *self, const char *op, cccc_args_t **args, struct waiter *waiter, cccc_done_fn done, void *arg,
                 struct cccc_error *err);
/* Send what was not sent yet, oldest first. */
void requests_flush(cccc_t *self);
/* Take in one reply if there is one; its request ends. */
bool requests_take_reply(cccc_t *self);
/* The link is gone: fail what must not be repeated, mark the rest unsent. */
void requests_link_lost(cccc_t *self);
/* End what is over its time. */
void requests_expire(cccc_t *self, int64_t now);
/* Tell those who wait for requests that ended. Runs the user's functions, which may do anything but close the client; so call it only where
 * the client's state is whole. */
void requests_dispatch(cccc_t *self);
/* Drop a waiter's request: its answer will be ignored. */
void request_forget(cccc_t *self, const struct waiter *waiter);
/* Drop all without a word. */
void requests_drop(cccc_t *self);

/* ---- connection.c ---- */

/* Connect for the first time and wait until the link is up. */
int connection_open(cccc_t *self, struct cccc_error *err);
/* What a turn waits for beside the client's own link. */
struct also {
    struct link *link; /* may be NULL; its socket only when `link_wanted` */
    bool link_wanted;
    struct pollfd
        *fds; /* as poll(2) takes and fills them, at most CCCC_POLL_FDS_MAX; revents is left alone when there was no need to wait */
    size_t count;
};

/* One turn: wait until `until_ms` (monotonic; INT64_MAX: for ever) at most for anything on the client's link or on `also` (may be NULL), and take in
 * what came for the client. Returns at once when something is there. False when a signal handler ran. */
bool connection_turn(cccc_t *self, int64_t until_ms, const struct also *also);

/* ---- replies (reply.c) ---- */

/* A reply from a received frame, which is taken. NULL when it is not one. */
cccc_reply_t *reply_parse(cccc_t *self, zmq_msg_t *frame);
/* Unpack it now. False when it is not a reply after all. */
bool reply_unpack(cccc_reply_t *reply);
/* Give a reply back for reuse. Takes and nulls. */
void reply_recycle(cccc_t *self, cccc_reply_t **reply);
/* The error of a reply that is not ok. */
void reply_error(const cccc_reply_t *reply, struct cccc_error *err);

/* ---- args.c ---- */

/* A map under construction: members packed one behind the other. */
struct cccc_arg_map {
    msgpack_sbuffer members;
    uint32_t count;
    bool has_client_id;
    bool has_by;
    char not_text[64]; /* "" or the first argument whose text is not UTF-8 */
};

/* Append the map's packed form to `out`. */
void args_pack(const cccc_args_t *self, cccc_buf_t *out);
