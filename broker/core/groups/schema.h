/* schema.h - what a group's configuration may hold: the one table that group.yaml, the entries of actors and the settings are checked against.
 *
 * Requests are refused by it before they become events; group.yaml, which anybody may edit, is refused by it before it is taken over. The core
 * still reads whatever stands in an older event: a value of the wrong type reads as its default.
 * Thread: any; pure. */
#pragma once

#include "proto/err.h"
#include "proto/value.h"

/* As deep as the table goes: actors, the place in the list, env, a name. */
enum { CCCC_SCHEMA_DEPTH_MAX = 4 };

/* One step from the document to a value in it: the key in a map, or (key.ptr NULL) the place in a list, from 0. */
struct cccc_schema_step {
    cccc_str_t key;
    uint32_t index;
};

enum cccc_schema_verdict {
    CCCC_SCHEMA_REFUSED, /* no group can be like that */
    CCCC_SCHEMA_DIFFERS, /* possible, but not what happens: lowered to a limit, or it names what is not there */
    CCCC_SCHEMA_UNKNOWN  /* cccc has no use for this entry; it is kept */
};

struct cccc_schema_finding {
    enum cccc_schema_verdict verdict;
    struct cccc_schema_step path[CCCC_SCHEMA_DEPTH_MAX]; /* borrowed from the document */
    uint32_t depth;
    char where[192]; /* the path as text: actors[1].env.LANG */
    char why[256];   /* "" for UNKNOWN */
};

typedef void (*cccc_schema_report_fn)(void *arg, const struct cccc_schema_finding *finding);

/* Check the document of group `group_id`, which must be a map, and report everything that is not as it should be, in the order of the document.
 * True when nothing was refused. */
bool cccc_schema_check(const cccc_value_t *document, cccc_str_t group_id, cccc_schema_report_fn report, void *arg);

/* Has the document, a map, the lists that cccc always writes, and `ledger_seq`, which ends what it writes? One that an editor or a disk has cut off has not, although what is
 * left of it may be good YAML, and would say that there are no actors. False: *m says what is missing. */
bool cccc_schema_is_whole(const cccc_value_t *document, struct cccc_errmsg *m);

/* Do two documents say the same, apart from when? */
bool cccc_schema_same(const cccc_value_t *a, const cccc_value_t *b);
/* The members of `ours` that are cccc's, and those of `theirs` that are not: other programs write them into group.yaml. A new map; members are shared. Both must be maps. */
cccc_value_t cccc_schema_carry(cccc_arena_t *arena, const cccc_value_t *ours, const cccc_value_t *theirs);

/* May the field `name` of an actor's entry be `v`? CCCC_E_INVALID_PATCH: of the wrong type. CCCC_E_ACTOR_UPDATE_FAILED: a value that is not allowed.
 * CCCC_E_TOO_LARGE: over a limit. The message names the field. */
cccc_err_t cccc_schema_actor_field(const char *name, const cccc_value_t *v, struct cccc_errmsg *m);

/* May an actor be given variables of these names (anything but a map: none)? `refused`: one is cccc's own, whose value for every actor no other would change. Asked of what
 * is given, not of what is kept. */
cccc_err_t cccc_schema_env_given(const cccc_value_t *env, cccc_err_t refused, struct cccc_errmsg *m);

/* An integer, or its decimal text. False: it is neither, or the largest or the smallest there is, which is what an overflow reads as. */
bool cccc_schema_integer(const cccc_value_t *v, int64_t *out);
/* True, false, or one of the words that stand for them (reference 0.2); false for everything else. */
bool cccc_schema_bool(const cccc_value_t *v, bool *out);
