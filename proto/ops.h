/* ops.h - the one table of operations (ops.def): names, arguments with types and limits, who may call, what is said about them.
 *
 * The table drives decoding on every transport, the core's dispatch, the protocol document, the command line's help and the fuzzers.
 * Thread: none; pure. */
#pragma once

#include "proto/err.h"
#include "proto/value.h"

/* What an argument may be; null always counts as absent, any type not named here is refused. Values arrive in handlers already in the canonical type named here. */
typedef enum cccc_arg_type {
    CCCC_ARG_STR,      /* string, trimmed of white space; an integer becomes its decimal text (reference 0.3) */
    CCCC_ARG_TEXT,     /* string, verbatim */
    CCCC_ARG_GROUP_ID, /* STR that is `^g_[0-9a-f]{12}$`, else invalid_group_id; blank counts as absent */
    CCCC_ARG_ACTOR_ID, /* STR that could be an actor id or a principal, else invalid_actor_id: no slash, no control character, no leading dot; blank
                          counts as absent */
    CCCC_ARG_EVENT_ID, /* STR of printable ASCII without spaces; blank counts as absent */
    CCCC_ARG_PRIORITY, /* STR that is normal or attention, else invalid_priority; blank counts as absent */
    CCCC_ARG_BOOL,     /* lenient boolean (reference 0.2): a number, or one of its words; another word is refused; blank counts as absent */
    CCCC_ARG_UINT,     /* integer >= 0, or its decimal text; blank counts as absent */
    CCCC_ARG_INT,      /* integer, or its decimal text; blank counts as absent */
    CCCC_ARG_STRS,     /* array of STR, blank items kept; one string counts as a list of one, a blank one as an empty list */
    CCCC_ARG_WORDS,    /* STRS, or one string that is split into words as a shell would (words.h) */
    CCCC_ARG_MAP,      /* map */
    CCCC_ARG_MAPS,     /* array of maps */
    CCCC_ARG_ANY,      /* any value: the operation checks it */
    CCCC_ARG_BIN       /* bytes; base64 text on JSON transports */
} cccc_arg_type_t;

enum cccc_arg_need { CCCC_OPTIONAL, CCCC_REQUIRED };

typedef enum cccc_op {
#define CCCC_OP(op, summary) CCCC_OP_##op,
#define CCCC_ARG(op, name, type, need, max, missing, summary)
#include "proto/ops.def"
#undef CCCC_OP
#undef CCCC_ARG
    CCCC_OP_COUNT
} cccc_op_t;

/* CCCC_A_send_text and the like: an argument's place in the flat table. Handlers read arguments by it. */
enum cccc_arg_slot {
#define CCCC_OP(op, summary)
#define CCCC_ARG(op, name, type, need, max, missing, summary) CCCC_A_##op##_##name,
#include "proto/ops.def"
#undef CCCC_OP
#undef CCCC_ARG
    CCCC_A_COUNT
};

struct cccc_arg_def {
    const char *name;
    const char *summary;
    uint64_t max; /* STR, TEXT, BIN: bytes; UINT, INT: value; STRS, WORDS, MAPS: items */
    uint32_t name_len;
    cccc_op_t op;
    cccc_arg_type_t type;
    enum cccc_arg_need need;
    cccc_err_t missing; /* the error when a required one is missing or blank */
};

struct cccc_op_def {
    const char *name;
    uint32_t name_len;
    const char *summary;
    const struct cccc_arg_def *args; /* consecutive */
    uint32_t arg_count;
    uint32_t first_slot;
};

/* Most arguments any op has; checked against the table at start-up by a test. */
#define CCCC_OP_ARGS_MAX 24

/* Checked arguments: values[i] belongs to the op's i-th argument; NULL = absent. Unknown ones are named in `ignored`. */
struct cccc_args {
    const struct cccc_op_def *def;
    const cccc_value_t *values[CCCC_OP_ARGS_MAX];
    cccc_value_t ignored; /* array of names, or nil */
};

struct cccc_refusal;

/* "string", "boolean", ...: the word for documents and refusals. Static. */
const char *cccc_arg_type_name(cccc_arg_type_t type);
const struct cccc_op_def *cccc_op_def(cccc_op_t op);
/* False when there is no such op. */
bool cccc_op_find(cccc_str_t name, cccc_op_t *op);
/* Check and normalise a map (NULL = {}) of arguments for `op`. On failure fills *refusal, whose details name the argument. */
cccc_err_t cccc_args_check(cccc_op_t op, const cccc_value_t *map, cccc_arena_t *arena, struct cccc_args *out, struct cccc_refusal *refusal);

/* Typed access by slot, e.g. cccc_arg_str(&args, CCCC_A_send_text). The slot must belong to the op (asserted). */
const cccc_value_t *cccc_arg(const struct cccc_args *args, enum cccc_arg_slot slot);
cccc_str_t cccc_arg_str(const struct cccc_args *args, enum cccc_arg_slot slot); /* "" when absent */
bool cccc_arg_bool(const struct cccc_args *args, enum cccc_arg_slot slot, bool otherwise);
uint64_t cccc_arg_uint(const struct cccc_args *args, enum cccc_arg_slot slot, uint64_t otherwise);
int64_t cccc_arg_int(const struct cccc_args *args, enum cccc_arg_slot slot, int64_t otherwise);
/* Put another value, which lives as long, in the place of one. */
void cccc_arg_replace(struct cccc_args *args, enum cccc_arg_slot slot, const cccc_value_t *value);
bool cccc_arg_given(const struct cccc_args *args, enum cccc_arg_slot slot);
