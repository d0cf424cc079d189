/* terminal.h - people's way into an agent's terminal: a unix socket, single-use tickets, one writer, any number who watch.
 *
 * The protocol is in HOLD.md. Clients read the scrollback ring by position, so a slow one costs no memory and delays nobody; one that is overtaken by the ring is told
 * that something was skipped.
 * Thread: the holder's one. */
#pragma once

#include "broker/hold/replay.h"
#include "broker/hold/ring.h"
#include "proto/limits.h"
#include "proto/value.h"

#include <poll.h>

enum { TERMINAL_TICKETS_MAX = 16, TERMINAL_TICKET_BYTES = 16 };

struct terminal_ticket {
    char hex[2 * TERMINAL_TICKET_BYTES + 1]; /* "" = free */
    bool read_only;
    int64_t until_ms;
};

struct terminal_client {
    int fd; /* -1 = free */
    bool greeted, read_only, writer;
    uint64_t position;  /* in the ring */
    uint64_t live_from; /* what lies before was printed before it came */
    struct replay replay;
    cccc_buf_t in, out;
    uint64_t serial; /* order of coming */
};

/* What clients want of the owner. */
struct terminal_wants {
    void (*input)(void *arg, const char *bytes, size_t len);
    void (*resize)(void *arg, uint16_t rows, uint16_t cols);
    void *arg;
};

struct terminal {
    int listener;
    char path[108];
    struct terminal_ticket tickets[TERMINAL_TICKETS_MAX];
    struct terminal_client clients[CCCC_TERMINAL_CLIENTS_MAX];
    uint64_t serial;
    struct terminal_wants wants;
};

/* Listen at `path` (0600; a leftover of a dead holder is replaced). */
cccc_err_t terminal_open(struct terminal *self, const char *path, const struct terminal_wants *wants, struct cccc_errmsg *m);
/* Tell everybody that the agent is gone (`last_words`), close, remove the socket. */
void terminal_close(struct terminal *self, const struct ring *ring, const char *last_words);
/* A new ticket into `hex` (33 bytes). The oldest one gives way when there are too many. */
void terminal_ticket(struct terminal *self, bool read_only, int64_t now_ms, char *hex);
/* How many are attached; *writing when one of them may type. */
uint32_t terminal_attached(const struct terminal *self, bool *writing);
/* Places for poll(2): 1 + CCCC_TERMINAL_CLIENTS_MAX. */
void terminal_poll(const struct terminal *self, const struct ring *ring, struct pollfd *fds);
void terminal_polled(struct terminal *self, const struct ring *ring, const struct pollfd *fds, int64_t now_ms);
