/* fake_broker.h - a daemon that misbehaves on request, to prove that libcccc does not.
 *
 * One group, its ledger a model in memory. It answers the requests followers and senders make, publishes as ccccd does, and beside that drops, repeats and
 * stalls publications, loses answers, dies and comes back, is replaced by a backup. Frames it receives are checked with the daemon's own decoder.
 * Thread: it has its own; every function here may be called from the test's thread. A command has been carried out when its function returns. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_GROUP "g_0123456789ab"

typedef struct fake_broker fake_broker_t;

/* Chances per 10,000. */
struct fake_faults {
    uint32_t drop;       /* a publication is lost */
    uint32_t repeat;     /* an earlier one is published again */
    uint32_t stall;      /* the next hundred are lost in a row */
    uint32_t die;        /* stop and start again, some events stored but never published */
    uint32_t lose_reply; /* an answer is lost, and then it dies */
    bool no_heads;
};

struct fake_options {
    uint64_t seed;
    uint64_t history;  /* events there are at the start */
    bool damage;       /* some of them cannot be read */
    uint32_t page_max; /* most events in an answer; 0: as asked */
    int send_hwm;      /* of the XPUB; 0: 1,000 */
};

/* Starts serving `home` (an existing directory) and returns when it listens. */
fake_broker_t *fake_start(const char *home, const struct fake_options *options);
void fake_stop(fake_broker_t **self);

/* Make and publish `events` more events with faults; returns at once. `fake_head` tells how far it is. */
void fake_run(fake_broker_t *self, uint64_t events, const struct fake_faults *faults);
/* The same, without faults and finished when it returns. `publish` false: stored, but nobody is told. */
void fake_append(fake_broker_t *self, uint64_t events, bool publish);
/* A head frame now. */
void fake_send_head(fake_broker_t *self);
/* Die and come back. */
void fake_restart(fake_broker_t *self);
/* Stop listening and take the descriptor away; come back. */
void fake_leave(fake_broker_t *self);
void fake_return(fake_broker_t *self);
/* While the daemon is away, put a backup in its place: events above `seq` are others now, `events` of them. Then come back. */
void fake_restore(fake_broker_t *self, uint64_t seq, uint64_t events);
/* From now on take requests and answer none (of the given op; NULL: all); "" answers again. */
void fake_ignore(fake_broker_t *self, const char *op);
/* Answer the n-th send from now on by storing it and dying before the answer goes out. */
void fake_die_after_send(fake_broker_t *self, uint64_t nth);
/* From now on there is no such group. */
void fake_delete_group(fake_broker_t *self);

/* ---- what it knows; stable while nothing is running ---- */

uint64_t fake_head(const fake_broker_t *self);
/* Would a follower of this filter get event `seq`? NULL: any. */
bool fake_matches(const fake_broker_t *self, uint64_t seq, const char *recipient, const char *kind, const char *by);
bool fake_is_damaged(const fake_broker_t *self, uint64_t seq);
/* The event's packed form. */
const char *fake_event(const fake_broker_t *self, uint64_t seq, size_t *len);

struct fake_counts {
    uint64_t requests; /* that came in, by any op */
    uint64_t invalid;  /* the daemon's decoder would have refused */
    uint64_t drops;    /* publications lost on purpose */
    uint64_t repeats;
    uint64_t starts;
    uint64_t duplicates; /* sends answered from an earlier one */
};
void fake_counts(const fake_broker_t *self, struct fake_counts *out);
