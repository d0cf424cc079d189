/* obligations.h - who owes whom what, since when, by which event. Internal to broker/core.
 *
 * Opened by a message that requires a reply or asks for attention, and by a notice that requires an acknowledgement: one for each principal of its
 * audience as it was when sent. Closed by events alone (I9): a reply closes what its sender owes for the message; an acknowledgement closes that; a cancel closes
 * what it names. Whoever leaves the group owes nothing, and nothing is owed to them. Never closed by a cursor, never opened again.
 * Thread: the core's. */
#pragma once

#include "broker/core/state.h"

/* What can be owed for one event, as bits. */
enum cccc_owed {
    CCCC_OWED_REPLY = 1,  /* reply_required: until the reply */
    CCCC_OWED_ACK = 2,    /* priority attention: until the acknowledgement, or the reply */
    CCCC_OWED_NOTICE = 4, /* a notice with requires_ack: until its acknowledgement */
};

/* What one principal owes for one event; closed when `owes` is 0. */
struct cccc_duty {
    struct cccc_ask *ask;
    struct cccc_reader *debtor;
    struct cccc_duty *before, *after; /* of its debtor, by seq */
    struct cccc_duty *prev, *next;    /* of its debtor, by turns: utlist's */
    uint64_t turn;                    /* rises by turns; 0: a base of before did not know it */
    bool is_spent;                    /* in the list of those */
    unsigned owes;                    /* bits of enum cccc_owed */
    uint32_t reminded;                /* how often, since the group was last started or resumed */
};

/* An event that somebody still owes something for. */
struct cccc_ask {
    uint64_t seq;
    struct cccc_when since;
    int64_t due_us;           /* 0: no deadline */
    int64_t blocked_until_us; /* its sender does nothing but wait for the replies; 0: it goes on */
    int64_t renewed_until_us; /* of the moment: what the sender said about that last; 0: nothing */
    const char *id, *by;
    const char *subject; /* the beginning of its text */
    uint32_t open;       /* of the duties, those that owe something */
    uint32_t count;
    UT_hash_handle hh; /* by seq; in the order of seqs */
    struct cccc_duty duties[];
};

struct cccc_obligations {
    struct cccc_ask *asks; /* those with something open */
    uint64_t open;         /* duties */
    uint64_t turns;        /* the last one given */
};

struct cccc_obligations *obligations_new(void);
void obligations_destroy(struct cccc_obligations **self);

/* ---- the fold (apply.c) ---- */

/* What the event asks of each of its audience; 0: nothing. */
unsigned obligations_asked(const struct cccc_event *event, cccc_kind_t kind);
/* Is `id`, who is of its audience, asked, too? user only when named: what everybody is told asks nothing of a person (reference 5.3). */
bool obligations_asks(const struct cccc_event *event, cccc_str_t id);
/* Open: begin, then once per debtor, then end. */
struct cccc_ask *obligations_begin(const struct cccc_event *event, uint32_t debtors_max);
void obligations_owe(struct cccc_group *group, struct cccc_ask *ask, struct cccc_reader *debtor, unsigned owes);
void obligations_end(struct cccc_group *group, struct cccc_ask *ask);
/* `debtor` answered the event: nothing of it is owed any more. */
void obligations_replied(struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id);
void obligations_acked(struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id, enum cccc_owed what);
/* A chat.cancel. */
void obligations_cancelled(struct cccc_group *group, const cccc_value_t *data);
/* The reader is dropped: it owes nothing any more. */
void obligations_forget_debtor(struct cccc_group *group, struct cccc_reader *reader);
/* The actor left: nothing is owed to it any more. */
void obligations_forget_asker(struct cccc_group *group, cccc_str_t id);
/* The same for every actor that is not in this list; other principals stay. */
void obligations_keep_askers(struct cccc_group *group, const cccc_value_t *actors);

/* A reminder of what the debtor owes for the event; the counts begin anew. */
void obligations_reminded(struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id);
void obligations_forget_reminders(struct cccc_group *group);
/* Whose turn it is to be reminded of behind `duty` (NULL: from the first on); NULL: nobody's. What was named `repeats` times (0: without end) is met once, and
 * then no more until that number changes; each takes one of *left, and with none left nobody's turn comes. */
struct cccc_duty *obligations_turn(struct cccc_duties *list, const struct cccc_duty *duty, uint64_t repeats, uint32_t *left);

/* ---- asking ---- */

/* What the principal owes for the event: bits; 0 when nothing is open. */
unsigned obligations_owed(const struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id);
/* The event, while anything is owed for it. */
struct cccc_ask *obligations_find(const struct cccc_group *group, cccc_str_t event_id);
/* ["reply", "ack"] */
cccc_value_t obligations_words(cccc_arena_t *arena, unsigned owes);
/* Until when the sender of what was asked does nothing but wait, as far as it said; 0: it goes on. */
int64_t obligations_blocked_until(const struct cccc_ask *ask);
/* One duty as lists show it; borrows its texts. */
cccc_value_t obligation_row(cccc_arena_t *arena, const struct cccc_duty *duty, bool overdue);
/* How long the kinds of duties may wait before they count as overdue, when they have no deadline (group settings). */
struct cccc_patience {
    int64_t reply_us, ack_us;
};
struct cccc_patience obligations_patience(cccc_arena_t *arena, const struct cccc_group *group);
bool obligation_is_overdue(const struct cccc_duty *duty, const struct cccc_patience *patience, int64_t now_us);
cccc_value_t obligations_dump(const struct cccc_group *group, cccc_arena_t *arena);
/* The seqs of what the reader is reminded of, by turns. */
cccc_value_t obligations_dump_turns(const struct cccc_reader *reader, cccc_arena_t *arena);
