/* guard_pairs.h - who writes to whose terminal: what guards.c folds, and guard_verdicts.c judges by. Internal to the two.
 *
 * A pair's typed copies are a ring of times, so "at most so many in any stretch of the window" is exact; times are those of the events. A wall clock that jumps
 * makes a window begin anew, no more. Memory: GUARD_PAIRS_MAX pairs, of which the one quiet longest is forgotten, GUARD_TIMES_MAX times each.
 * Thread: the core's. */
#pragma once

#include "broker/core/guards/guards.h"

/* The newest times, oldest first from `begin` on. */
struct ring {
    int64_t *times; /* heap */
    uint32_t begin, count, capacity, max;
};

struct pair {
    char *a, *b; /* in one allocation with the key: "a\0b", a < b */
    uint32_t key_len;
    struct ring typed;
    uint32_t over;     /* copies in a row that were not typed */
    uint64_t last_seq; /* that concerned it */
    uint64_t hold_seq; /* of the notice that it is held; 0: it is not */
    char hold_id[33], hold_ts[28];
    uint64_t *held; /* heap; the messages, rising */
    uint32_t held_count;
    UT_hash_handle hh;
};

struct cccc_guards {
    struct pair *pairs;
    struct ring typed; /* of the whole group */
    uint64_t seq;      /* ahead: of the last event in it */
};

/* Have `most` fallen within the window that ends now? */
bool ring_is_full(const struct ring *ring, uint64_t most, int64_t window_us, int64_t now_us);
void ring_push(struct ring *ring, int64_t us);
void ring_clear(struct ring *ring);
void ring_copy(struct ring *to, const struct ring *from);

struct cccc_guards *guards_new(void);
void guards_free(struct cccc_guards **self);

/* The pair in `guards`, made when it is new; ahead, it begins as the applied one is. */
struct pair *pair_make(struct cccc_group *group, struct cccc_guards *guards, cccc_str_t one, cccc_str_t other, uint64_t seq);
void pair_drop(struct cccc_guards *guards, struct pair *pair);
/* It is as if the two had never met. */
void pair_end(struct pair *pair);
/* It is held, or is being released. */
bool pair_is_open(const struct pair *pair);
bool pair_names(const struct pair *pair, cccc_str_t id);
/* The pair as it will be once what is decided is durable; NULL: nothing is known of it. */
const struct pair *pair_find(const struct cccc_group *group, cccc_str_t one, cccc_str_t other);
/* The two names, and the names that a hold or a release has; false: it is none. */
cccc_value_t pair_both(cccc_arena_t *arena, const struct pair *pair);
bool pair_names_said(const cccc_value_t *list, cccc_str_t *one, cccc_str_t *other);
/* A message that is held; it is not any more. */
void hold_add(struct pair *pair, uint64_t seq);
void hold_remove(struct pair *pair, uint64_t seq);
