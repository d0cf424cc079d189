/* ops.c - the table of operations and the check of arguments against it.
 *
 * Each argument type has one function that turns what came into the canonical value, or says why not. A refusal names the argument, what was
 * expected and what came; nothing is guessed beyond the leniencies ops.h lists. */
#include "proto/ops.h"

#include "proto/limits.h"
#include "proto/wire.h"
#include "proto/words.h"

#include <ctype.h>
#include <stdio.h>

/* ---- the table ---- */

/* Rows of the flat argument table, in the order of enum cccc_arg_slot. */
static const struct cccc_arg_def arg_defs[CCCC_A_COUNT] = {
#define CCCC_OP(op, summary)
#define CCCC_ARG(op, name, type, need, max, missing, summary)                                                                              \
    {#name, summary, (max), sizeof(#name) - 1, CCCC_OP_##op, CCCC_ARG_##type, CCCC_##need, CCCC_E_##missing},
#include "proto/ops.def"
#undef CCCC_OP
#undef CCCC_ARG
};

/* FIRST_<op>: the slot of the op's first argument. An op takes a number and gives it back, so that only arguments count. */
enum first_slot {
#define CCCC_OP(op, summary)                                  FIRST_##op, FIRST_##op##_given_back = FIRST_##op - 1,
#define CCCC_ARG(op, name, type, need, max, missing, summary) SLOT_##op##_##name,
#include "proto/ops.def"
#undef CCCC_OP
#undef CCCC_ARG
};

/* Each argument's row sets its op's count to its own place, so that the last one stays: overriding is the point here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct cccc_op_def op_defs[CCCC_OP_COUNT] = {
#define CCCC_OP(op, summary)                                  [CCCC_OP_##op] = {#op, sizeof(#op) - 1, summary, arg_defs + FIRST_##op, 0, FIRST_##op},
#define CCCC_ARG(op, name, type, need, max, missing, summary) [CCCC_OP_##op].arg_count = CCCC_A_##op##_##name - FIRST_##op + 1,
#include "proto/ops.def"
#undef CCCC_OP
#undef CCCC_ARG
};
#pragma GCC diagnostic pop

/* Lengths side by side, so that a search by name touches few cache lines. */
static const unsigned char op_name_lens[CCCC_OP_COUNT] = {
#define CCCC_OP(op, summary) sizeof(#op) - 1,
#define CCCC_ARG(op, name, type, need, max, missing, summary)
#include "proto/ops.def"
#undef CCCC_OP
#undef CCCC_ARG
};

const struct cccc_op_def *cccc_op_def(cccc_op_t op)
{
    CCCC_ASSERT((unsigned)op < CCCC_OP_COUNT, "op %d", (int)op);
    return &op_defs[op];
}

bool cccc_op_find(cccc_str_t name, cccc_op_t *op)
{
    const unsigned char *at = op_name_lens, *end = op_name_lens + CCCC_OP_COUNT;
    for (; name.len <= UINT8_MAX && (at = memchr(at, (int)name.len, (size_t)(end - at))) != NULL; at++)
        if (memcmp(op_defs[at - op_name_lens].name, name.ptr, name.len) == 0) {
            *op = (cccc_op_t)(at - op_name_lens);
            return true;
        }
    return false;
}

const char *cccc_arg_type_name(cccc_arg_type_t type)
{
    static const char *const names[] = {
        [CCCC_ARG_STR] = "a string",
        [CCCC_ARG_TEXT] = "a string",
        [CCCC_ARG_GROUP_ID] = "a group id",
        [CCCC_ARG_ACTOR_ID] = "an actor id",
        [CCCC_ARG_EVENT_ID] = "an event id",
        [CCCC_ARG_PRIORITY] = "normal or attention",
        [CCCC_ARG_BOOL] = "a boolean",
        [CCCC_ARG_UINT] = "an integer >= 0",
        [CCCC_ARG_INT] = "an integer",
        [CCCC_ARG_STRS] = "a list of strings",
        [CCCC_ARG_WORDS] = "a list of strings, or a command line",
        [CCCC_ARG_MAP] = "a map",
        [CCCC_ARG_ANY] = "a value",
        [CCCC_ARG_MAPS] = "a list of maps",
        [CCCC_ARG_BIN] = "bytes",
    };
    return names[type];
}

/* ---- refusals ---- */

struct check {
    const struct cccc_op_def *op;
    const struct cccc_arg_def *arg;
    cccc_arena_t *arena;
    struct cccc_refusal *refusal;
};

static const char *kind_of(const cccc_value_t *v)
{
    switch (v->type) {
    case MSGPACK_OBJECT_NIL:
        return "null";
    case MSGPACK_OBJECT_BOOLEAN:
        return "a boolean";
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return "an integer";
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return "a negative integer";
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return "a fraction";
    case MSGPACK_OBJECT_STR:
        return "a string";
    case MSGPACK_OBJECT_ARRAY:
        return "a list";
    case MSGPACK_OBJECT_MAP:
        return "a map";
    default:
        return "bytes";
    }
}

/* Fill the refusal's error and details; the caller adds the message. */
static void refuse(struct check *c, cccc_err_t err, const char *expected, const uint64_t *limit)
{
    cccc_builder_t details = cccc_map_builder(c->arena, 3);
    cccc_map_add(&details, "argument", cccc_text(c->arg->name));
    cccc_map_add(&details, "expected", cccc_text(expected));
    if (limit != NULL)
        cccc_map_add(&details, "limit", cccc_uint(*limit));
    c->refusal->err = err;
    c->refusal->details = details.value;
}

static cccc_err_t err_of_type(cccc_arg_type_t type)
{
    switch (type) {
    case CCCC_ARG_GROUP_ID:
        return CCCC_E_INVALID_GROUP_ID;
    case CCCC_ARG_ACTOR_ID:
        return CCCC_E_INVALID_ACTOR_ID;
    case CCCC_ARG_PRIORITY:
        return CCCC_E_INVALID_PRIORITY;
    default:
        return CCCC_E_INVALID_REQUEST;
    }
}

static const cccc_value_t *refuse_type(struct check *c, const cccc_value_t *got)
{
    const char *expected = cccc_arg_type_name(c->arg->type);
    refuse(c, err_of_type(c->arg->type), expected, NULL);
    cccc_fail(&c->refusal->message, c->refusal->err, "%s: %s must be %s, not %s", c->op->name, c->arg->name, expected, kind_of(got));
    return NULL;
}

/* The value has the right type and a content that will not do; at most 40 bytes of it are shown. */
static const cccc_value_t *refuse_content(struct check *c, cccc_err_t err, const char *expected, cccc_str_t got)
{
    cccc_str_t shown = cccc_str_cut(got, 40);
    refuse(c, err, expected, NULL);
    cccc_fail(&c->refusal->message, err, "%s: %s must be %s, not \"%.*s%s\"", c->op->name, c->arg->name, expected, CCCC_STR_FMT(shown),
              shown.len < got.len ? "..." : "");
    return NULL;
}

static const cccc_value_t *refuse_size(struct check *c, uint64_t got, const char *unit)
{
    char expected[48];
    snprintf(expected, sizeof expected, "at most %llu %s", (unsigned long long)c->arg->max, unit);
    refuse(c, CCCC_E_TOO_LARGE, cccc_arena_str(c->arena, cccc_str(expected)).ptr, &c->arg->max);
    cccc_fail(&c->refusal->message, CCCC_E_TOO_LARGE, "%s: %s has %llu %s; %s are allowed", c->op->name, c->arg->name,
              (unsigned long long)got, unit, expected);
    return NULL;
}

/* ---- one function per type: the canonical value, NULL with c->refusal->err set, or NULL for "counts as absent" ---- */

static const cccc_value_t *keep(struct check *c, cccc_value_t v)
{
    cccc_value_t *kept = cccc_arena_alloc(c->arena, sizeof *kept);
    *kept = v;
    return kept;
}

/* The trimmed string, or an integer's decimal text; false for another type. *as is `v` itself when nothing had to change. */
static bool as_text(struct check *c, const cccc_value_t *v, cccc_str_t *text, const cccc_value_t **as)
{
    cccc_str_t s;
    if (cccc_as_str(v, &s)) {
        *text = cccc_str_trim(s);
        *as = text->len == s.len ? v : keep(c, cccc_string(*text));
        return true;
    }
    int64_t i;
    uint64_t u;
    if (cccc_as_int(v, &i))
        *text = cccc_arena_printf(c->arena, "%lld", (long long)i);
    else if (cccc_as_uint(v, &u))
        *text = cccc_arena_printf(c->arena, "%llu", (unsigned long long)u);
    else
        return false;
    *as = keep(c, cccc_string(*text));
    return true;
}

/* The value as text: NULL where that is refused, or where nothing is left of it, which counts as absent. */
static const cccc_value_t *some_text(struct check *c, const cccc_value_t *v, cccc_str_t *text)
{
    const cccc_value_t *as;
    if (!as_text(c, v, text, &as))
        return refuse_type(c, v);
    return text->len > 0 ? as : NULL;
}

/* The same of no more bytes than the argument may have. */
static const cccc_value_t *some_short_text(struct check *c, const cccc_value_t *v, cccc_str_t *text)
{
    const cccc_value_t *as = some_text(c, v, text);
    return !as || text->len <= c->arg->max ? as : refuse_size(c, text->len, "bytes");
}

static const cccc_value_t *check_str(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    const cccc_value_t *as;
    if (!as_text(c, v, &s, &as))
        return refuse_type(c, v);
    if (s.len == 0 && c->arg->need == CCCC_REQUIRED)
        return NULL;
    return s.len <= c->arg->max ? as : refuse_size(c, s.len, "bytes");
}

static const cccc_value_t *check_text(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    if (!cccc_as_str(v, &s))
        return refuse_type(c, v);
    return s.len <= c->arg->max ? v : refuse_size(c, s.len, "bytes");
}

static bool is_group_id(cccc_str_t s)
{
    if (s.len != 14 || s.ptr[0] != 'g' || s.ptr[1] != '_')
        return false;
    for (size_t i = 2; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return true;
}

static const cccc_value_t *check_group_id(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    const cccc_value_t *as = some_text(c, v, &s);
    return !as || is_group_id(s) ? as : refuse_content(c, CCCC_E_INVALID_GROUP_ID, "g_ and 12 lower-case hex digits", s);
}

static const cccc_value_t *check_priority(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    const cccc_value_t *as = some_text(c, v, &s);
    return !as || cccc_str_is(s, "normal") || cccc_str_is(s, "attention")
               ? as
               : refuse_content(c, CCCC_E_INVALID_PRIORITY, "normal or attention", s);
}

/* No path could be made of it, and nothing invisible is in it. */
static bool is_harmless_id(cccc_str_t s)
{
    if (s.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if (ch < 0x20 || ch == 0x7f || ch == '/' || ch == '\\')
            return false;
    }
    return true;
}

static const cccc_value_t *check_actor_id(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    const cccc_value_t *as = some_short_text(c, v, &s);
    return !as || is_harmless_id(s)
               ? as
               : refuse_content(c, CCCC_E_INVALID_ACTOR_ID, "an actor id (no slash, no control character, no leading dot)", s);
}

static const cccc_value_t *check_event_id(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    const cccc_value_t *as = some_short_text(c, v, &s);
    for (size_t i = 0; as && i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
            return refuse_content(c, CCCC_E_INVALID_REQUEST, "an event id (printable ASCII without spaces)", s);
    return as;
}

static const cccc_value_t *check_bool(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    if (v->type == MSGPACK_OBJECT_BOOLEAN)
        return v;
    if (v->type == MSGPACK_OBJECT_ARRAY || v->type == MSGPACK_OBJECT_MAP || v->type == MSGPACK_OBJECT_BIN)
        return refuse_type(c, v);
    bool is_text = cccc_as_str(v, &s);
    if (is_text && cccc_str_trim(s).len == 0)
        return NULL;
    bool known = cccc_coerce_bool(v, false) == cccc_coerce_bool(v, true);
    if (!known && is_text)
        return refuse_content(c, CCCC_E_INVALID_REQUEST, "a boolean (true, false, 1, 0, yes, no, on, off)", s);
    if (!known)
        return refuse_type(c, v);
    return keep(c, cccc_bool(cccc_coerce_bool(v, false)));
}

/* A decimal number of int64, or of uint64 when `negative_too` is false. */
static bool parse_decimal(cccc_str_t s, bool negative_too, cccc_value_t *out)
{
    bool negative = negative_too && s.len > 0 && s.ptr[0] == '-';
    uint64_t u = 0;
    if (s.len <= negative)
        return false;
    for (size_t i = negative; i < s.len; i++)
        if (!isdigit((unsigned char)s.ptr[i]) || __builtin_mul_overflow(u, 10, &u) ||
            __builtin_add_overflow(u, (uint64_t)(s.ptr[i] - '0'), &u))
            return false;
    if (negative && u > (uint64_t)INT64_MAX + 1)
        return false;
    *out = negative ? cccc_int((int64_t)(0 - u)) : cccc_uint(u);
    return true;
}

static const cccc_value_t *check_number(struct check *c, const cccc_value_t *v)
{
    bool negative_too = c->arg->type == CCCC_ARG_INT;
    cccc_str_t s;
    if (cccc_as_str(v, &s)) {
        cccc_value_t number;
        s = cccc_str_trim(s);
        if (s.len == 0)
            return NULL;
        if (!parse_decimal(s, negative_too, &number))
            return refuse_content(c, CCCC_E_INVALID_REQUEST, cccc_arg_type_name(c->arg->type), s);
        v = keep(c, number);
    }
    if (v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && negative_too)
        return v;
    if (v->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return refuse_type(c, v);
    if (v->via.u64 <= c->arg->max)
        return v;
    refuse(c, CCCC_E_TOO_LARGE, cccc_arg_type_name(c->arg->type), &c->arg->max);
    cccc_fail(&c->refusal->message, CCCC_E_TOO_LARGE, "%s: %s is %llu; at most %llu is allowed", c->op->name, c->arg->name,
              (unsigned long long)v->via.u64, (unsigned long long)c->arg->max);
    return NULL;
}

static const cccc_value_t *refuse_item(struct check *c, uint32_t index, const char *expected, const cccc_value_t *got)
{
    refuse(c, CCCC_E_INVALID_REQUEST, cccc_arg_type_name(c->arg->type), NULL);
    cccc_fail(&c->refusal->message, CCCC_E_INVALID_REQUEST, "%s: item %u of %s must be %s, not %s", c->op->name, index, c->arg->name,
              expected, kind_of(got));
    return NULL;
}

static const cccc_value_t *check_strs(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    const cccc_value_t *as = NULL;
    cccc_builder_t list = cccc_array_builder(c->arena, cccc_is_array(v) ? v->via.array.size : 1);
    if (cccc_as_str(v, &s)) {
        s = cccc_str_trim(s);
        if (s.len > 0)
            cccc_array_add(&list, cccc_string(s));
        return keep(c, list.value);
    }
    if (!cccc_is_array(v))
        return refuse_type(c, v);
    if (v->via.array.size > c->arg->max)
        return refuse_size(c, v->via.array.size, "items");
    for (uint32_t i = 0; i < v->via.array.size; i++) {
        if (!as_text(c, &v->via.array.ptr[i], &s, &as))
            return refuse_item(c, i, "a string", &v->via.array.ptr[i]);
        cccc_array_add(&list, *as);
    }
    return keep(c, list.value);
}

static const cccc_value_t *check_words(struct check *c, const cccc_value_t *v)
{
    cccc_str_t line;
    cccc_value_t words;
    if (!cccc_as_str(v, &line))
        return check_strs(c, v);
    if (!cccc_words_split(c->arena, line, &words))
        return refuse_content(c, CCCC_E_INVALID_REQUEST, "a command line whose quotes are closed", line);
    if (words.via.array.size > c->arg->max)
        return refuse_size(c, words.via.array.size, "words");
    return keep(c, words);
}

static const cccc_value_t *check_map(struct check *c, const cccc_value_t *v)
{
    return cccc_is_map(v) ? v : refuse_type(c, v);
}

static const cccc_value_t *check_maps(struct check *c, const cccc_value_t *v)
{
    if (!cccc_is_array(v))
        return refuse_type(c, v);
    if (v->via.array.size > c->arg->max)
        return refuse_size(c, v->via.array.size, "items");
    for (uint32_t i = 0; i < v->via.array.size; i++)
        if (!cccc_is_map(&v->via.array.ptr[i]))
            return refuse_item(c, i, "a map", &v->via.array.ptr[i]);
    return v;
}

static const cccc_value_t *check_any(struct check *c, const cccc_value_t *v)
{
    (void)c;
    return v;
}

static int base64_digit(char ch)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = ch != '\0' ? strchr(digits, ch) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* RFC 4648 section 4, padded, unused bits zero. False when it is not that. */
static bool base64_decode(cccc_str_t s, char *to, size_t *len)
{
    char *p = to;
    if (s.len % 4 != 0)
        return false;
    size_t digits = s.len;
    while (digits > 0 && s.len - digits < 2 && s.ptr[digits - 1] == '=')
        digits--;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = base64_digit(s.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *p++ = (char)(bits >> held & 0xff);
        }
    }
    *len = (size_t)(p - to);
    return held < 6 && (bits & ((1u << held) - 1)) == 0;
}

static const cccc_value_t *check_bin(struct check *c, const cccc_value_t *v)
{
    cccc_str_t s;
    if (cccc_as_str(v, &s)) {
        size_t len;
        char *bytes = cccc_arena_alloc(c->arena, s.len / 4 * 3 + 1);
        if (!base64_decode(s, bytes, &len))
            return refuse_content(c, CCCC_E_INVALID_REQUEST, "base64 text", s);
        v = keep(c, (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)len, bytes}});
    }
    if (v->type != MSGPACK_OBJECT_BIN)
        return refuse_type(c, v);
    return v->via.bin.size <= c->arg->max ? v : refuse_size(c, v->via.bin.size, "bytes");
}

typedef const cccc_value_t *(*check_fn)(struct check *c, const cccc_value_t *v);

static const check_fn checks[] = {
    [CCCC_ARG_STR] = check_str,           [CCCC_ARG_TEXT] = check_text,         [CCCC_ARG_GROUP_ID] = check_group_id,
    [CCCC_ARG_ACTOR_ID] = check_actor_id, [CCCC_ARG_EVENT_ID] = check_event_id, [CCCC_ARG_PRIORITY] = check_priority,
    [CCCC_ARG_BOOL] = check_bool,         [CCCC_ARG_UINT] = check_number,       [CCCC_ARG_INT] = check_number,
    [CCCC_ARG_STRS] = check_strs,         [CCCC_ARG_ANY] = check_any,           [CCCC_ARG_MAP] = check_map,
    [CCCC_ARG_MAPS] = check_maps,         [CCCC_ARG_BIN] = check_bin,           [CCCC_ARG_WORDS] = check_words,
};

/* ---- the whole map ---- */

/* The index of the argument called `name`, or arg_count. */
static uint32_t find_arg(const struct cccc_op_def *op, cccc_str_t name)
{
    uint32_t i = 0;
    while (i < op->arg_count && !(op->args[i].name_len == name.len && memcmp(op->args[i].name, name.ptr, name.len) == 0))
        i++;
    return i;
}

static cccc_err_t refuse_missing(struct check *c)
{
    refuse(c, c->arg->missing, cccc_arg_type_name(c->arg->type), NULL);
    return cccc_fail(&c->refusal->message, c->arg->missing, "%s: %s is missing; it must be %s", c->op->name, c->arg->name,
                     cccc_arg_type_name(c->arg->type));
}

/* Put the members of `map` at their places in `values`; names nobody knows go to *ignored. */
static void place_args(const struct cccc_op_def *op, const cccc_value_t *map, cccc_arena_t *arena, struct cccc_args *out)
{
    cccc_builder_t ignored = {0};
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        uint32_t at = find_arg(op, (cccc_str_t){kv->key.via.str.ptr, kv->key.via.str.size});
        if (at < op->arg_count) {
            out->values[at] = &kv->val;
            continue;
        }
        if (ignored.arena == NULL)
            ignored = cccc_array_builder(arena, 4);
        cccc_array_add(&ignored, kv->key);
    }
    if (ignored.arena != NULL)
        out->ignored = ignored.value;
}

cccc_err_t cccc_args_check(cccc_op_t op, const cccc_value_t *map, cccc_arena_t *arena, struct cccc_args *out, struct cccc_refusal *refusal)
{
    const struct cccc_op_def *def = cccc_op_def(op);
    struct check c = {.op = def, .arena = arena, .refusal = refusal};
    refusal->err = CCCC_OK;
    *out = (struct cccc_args){.def = def, .ignored = cccc_nil()};
    if (map != NULL) {
        CCCC_ASSERT(cccc_is_map(map), "arguments are a map");
        place_args(def, map, arena, out);
    }
    for (uint32_t i = 0; i < def->arg_count; i++) {
        c.arg = &def->args[i];
        const cccc_value_t *v = out->values[i];
        if (v == NULL && c.arg->need != CCCC_REQUIRED)
            continue; /* most of them, in most requests */
        out->values[i] = v == NULL || cccc_is_nil(v) ? NULL : checks[c.arg->type](&c, v);
        if (refusal->err != CCCC_OK)
            return refusal->err;
        if (out->values[i] == NULL && c.arg->need == CCCC_REQUIRED)
            return refuse_missing(&c);
    }
    return CCCC_OK;
}

/* ---- typed access ---- */

const cccc_value_t *cccc_arg(const struct cccc_args *args, enum cccc_arg_slot slot)
{
    uint32_t at = (uint32_t)slot - args->def->first_slot;
    CCCC_ASSERT(at < args->def->arg_count, "slot %d is not an argument of %s", (int)slot, args->def->name);
    return args->values[at];
}

cccc_str_t cccc_arg_str(const struct cccc_args *args, enum cccc_arg_slot slot)
{
    cccc_str_t s = CCCC_STR("");
    cccc_as_str(cccc_arg(args, slot), &s);
    return s;
}

bool cccc_arg_bool(const struct cccc_args *args, enum cccc_arg_slot slot, bool otherwise)
{
    cccc_as_bool(cccc_arg(args, slot), &otherwise);
    return otherwise;
}

uint64_t cccc_arg_uint(const struct cccc_args *args, enum cccc_arg_slot slot, uint64_t otherwise)
{
    cccc_as_uint(cccc_arg(args, slot), &otherwise);
    return otherwise;
}

int64_t cccc_arg_int(const struct cccc_args *args, enum cccc_arg_slot slot, int64_t otherwise)
{
    cccc_as_int(cccc_arg(args, slot), &otherwise);
    return otherwise;
}

bool cccc_arg_given(const struct cccc_args *args, enum cccc_arg_slot slot)
{
    return cccc_arg(args, slot) != NULL;
}

void cccc_arg_replace(struct cccc_args *args, enum cccc_arg_slot slot, const cccc_value_t *value)
{
    CCCC_ASSERT(cccc_arg(args, slot), "slot %d has no value to replace", (int)slot);
    args->values[(uint32_t)slot - args->def->first_slot] = value;
}
