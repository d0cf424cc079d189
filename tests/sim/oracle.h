/* oracle.h - what the world outside the daemon knows: what was asked, what was answered, what was heard; and whether the daemon's word holds.
 *
 * A message is what a client wants to say once, however often it asks: its text begins with its number ("m17 "), so it is recognised wherever it
 * turns up. An event that was acknowledged, published or listed is witnessed: from then on its wire form must be in its group's ledger,
 * byte for byte. The ledgers are read from the disk, not through the daemon.
 * Thread: one. */
#pragma once

#include "broker/core/core.h"
#include "proto/event.h"
#include "tests/sim/sim.h"

enum { READERS_MAX = 12, GROUPS_MAX = 24, FLIPS_MAX = 8, HOLDS_MAX = 128 };

/* A wire form somebody was given. `bytes` NULL: not witnessed. */
struct witnessed {
    char *bytes;
    size_t len;
    char id[33];
    bool is_message; /* can be replied to, and read by its audience */
};

/* The furthest each cursor of a reader was seen. */
struct seen_reader {
    char id[40];
    uint64_t cursor[2]; /* chat, notify */
};

/* A publication under i/: `seq` came to `reader`, who was told that `prev` was the one before it. */
struct delivery {
    char reader[40];
    uint64_t seq, prev;
};

/* An acknowledgement that `actor` has given; `actor` "": everything that was owed for the event was called off. */
struct closed {
    char event_id[33], actor[40];
};

/* Two who are held, and how many messages of theirs. */
struct known_hold {
    char a[40], b[40];
    size_t messages;
};

struct known_group {
    char id[16];
    struct witnessed *lines;  /* by seq */
    uint64_t line_room, head; /* the highest seq witnessed */
    struct seen_reader readers[READERS_MAX];
    unsigned reader_count;
    struct delivery *deliveries; /* since the last audit */
    size_t delivery_count;
    unsigned deletes_open;           /* requests to delete it on their way */
    bool delete_maybe, delete_acked; /* one of them ended in the unknown; was acknowledged */
    uint64_t flips[FLIPS_MAX];       /* seqs of lines that were damaged on purpose */
    unsigned flip_count;
    char edited[40];    /* the title an edit by hand has given it and nothing has changed since; "" none */
    size_t settled_len; /* of the ledger at the last audit: these bytes never change again */
    uint32_t settled_crc;
    uint64_t published;    /* last seq under e/ in this run; 0: none yet */
    bool may_retire;       /* the operator asked for a retention rule */
    struct closed *closed; /* what nobody owes any more */
    size_t closed_count;
    struct known_hold holds[HOLDS_MAX]; /* at the last audit */
    unsigned hold_count;
    struct known_hold heard; /* the last hold that anybody was told of; "": none */
};

enum verb { VERB_SEND, VERB_REPLY, VERB_CROSS };

struct message {
    enum verb verb;
    unsigned group, dst;                      /* indices */
    char by[40], client_id[24];               /* "" none */
    char *args;                               /* what is asked, JSON */
    unsigned open;                            /* requests on their way */
    bool ok, maybe;                           /* was acknowledged; one of its requests ended in the unknown */
    char id[33];                              /* of its event, when ok */
    unsigned in_source, in_destination;       /* times it was found, of one audit; those that were retired count as one */
    bool source_retired, destination_retired; /* the one found last was */
    bool relay_over;                          /* the source says how the second step ended */
    char source_id[33];                       /* of the event in the source */
};

typedef struct oracle {
    struct sim *sim;
    struct known_group groups[GROUPS_MAX];
    unsigned group_count;
    struct message *messages;
    unsigned message_count;
    uint64_t epoch; /* of the last start */
    uint64_t events_audited, events_retired, holds_audited, copies_audited;
} oracle_t;

oracle_t *oracle_new(struct sim *sim);
void oracle_destroy(oracle_t **self);

/* The group's place; made when it is new and there is room, else NULL. */
struct known_group *oracle_group(oracle_t *self, cccc_str_t id);
struct known_group *oracle_find(oracle_t *self, cccc_str_t id);
unsigned oracle_index(const oracle_t *self, const struct known_group *group);
/* Nobody may be surprised if it is gone. */
bool oracle_may_be_deleted(const struct known_group *group);
bool oracle_was_flipped(const struct known_group *group, uint64_t seq);

/* Somebody was given `event`: by reply or list (`how`). Every event anywhere inside `v` is witnessed. */
void oracle_witness_all(oracle_t *self, const cccc_value_t *v, const char *how);
/* Somebody was told the cursor of `reader` in `lane`. */
void oracle_cursor(oracle_t *self, struct known_group *group, const char *reader, unsigned lane, uint64_t seq);
/* A publication was heard. */
void oracle_published(oracle_t *self, const char *topic, size_t topic_len, const char *bytes, size_t len);
/* A daemon has started: its epoch, and followers begin anew. */
void oracle_started(oracle_t *self, uint64_t epoch);

/* The folder of a group, in groups/ or in trash/; false: it has no ledger in either. */
bool oracle_folder(const oracle_t *self, const struct known_group *group, char path[96], bool *in_trash);
/* The last seq that was retired; 0: none was. */
uint64_t oracle_retired(const oracle_t *self, const struct known_group *group);
/* The event it was acknowledged with has been damaged on purpose, or retired: a repeat makes another one. */
bool oracle_lost(const oracle_t *self, const struct message *message);
/* What is owed for an event is closed: the acknowledgement of `actor`, or with "" all of it. */
void oracle_closed(struct known_group *group, cccc_str_t event_id, const char *actor);
/* Somebody was told that `actor` owes something for it, an acknowledgement among it. */
void oracle_owed(const oracle_t *self, const struct known_group *group, cccc_str_t event_id, cccc_str_t actor, bool ack);
/* A new message; its number. */
unsigned oracle_message(oracle_t *self, const struct message *draft);
/* It was acknowledged with this event. */
void oracle_acknowledged(oracle_t *self, unsigned message, const cccc_value_t *event);
void oracle_acknowledged_as(oracle_t *self, unsigned message, cccc_str_t id);

/* ---- audit.c ---- */

/* What is on the disk against all that is known. With `live` (everything has come to rest) also I11; when long enough has passed on a sound disk
 * (`at_peace`), every cross-group send has come to its end. */
void oracle_audit(oracle_t *self, cccc_core_t *live, bool at_peace);
/* Every line of a group's ledger, also the retired ones, and whether it lies in groups/ or in trash/. False: nowhere. */
bool oracle_ledger(const oracle_t *self, const struct known_group *group, const char **bytes, size_t *len, bool *in_trash);
