/* clients_private.h - what the files of the clients share: clients.c (who they are, and what they hear), asks.c (what they ask for), readings.c (reading everything).
 *
 * Thread: one. */
#pragma once

#include "tests/sim/clients.h"

enum { CLIENTS = 4, CALLS_MAX = 24, BATCH_MAX = 6, ACTORS = 4, TEXT_MAX = 30000, READ_ALL_CONN = 1 };

/* What is asked of a group besides messages; answered or not, its events are witnessed. */
enum subject { ABOUT_MESSAGES, ABOUT_CURSOR, ABOUT_DELETION, ABOUT_LEDGER, ABOUT_TITLE, ABOUT_DUTY, ABOUT_OTHER };

struct call {
    uint64_t id; /* 0: free */
    enum subject subject;
    int group;         /* index, -1: none */
    char reader[40];   /* of a duty: whose; "" everybody's */
    char event_id[33]; /* what a duty is for */
    unsigned lane;
    unsigned messages[BATCH_MAX], message_count;
    bool is_batch, names_other; /* asks of a second group too */
};

struct client {
    uint64_t conn;
    struct cccc_peer peer;
    char group_id[16], actor_id[40]; /* when it is an actor's */
    struct call calls[CALLS_MAX];
};

struct clients {
    struct sim *sim;
    oracle_t *oracle;
    broker_t *broker;
    struct client clients[CLIENTS];
    uint64_t last_conn, last_id;
    unsigned groups_asked, titles;
    cccc_buf_t args;
    /* of clients_read_all */
    cccc_arena_t *reading;
    cccc_value_t answer;
    bool answered;
};

/* The ids of actors that may be there. */
extern const char *const clients_actor_names[ACTORS];

/* Begin the arguments of the next request anew, or go on with them: JSON, with ' for ". asks.c */
void clients_say_anew(clients_t *self);
void clients_say(clients_t *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Put a request with what was said. asks.c */
void clients_put(clients_t *self, uint64_t conn, const struct cccc_peer *peer, uint64_t id, const char *op);
