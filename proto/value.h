/* value.h - the one generic value: what a msgpack frame, a JSON line and a YAML file all decode to.
 *
 * A value is msgpack-c's `msgpack_object`; an arena is msgpack-c's `msgpack_zone`. Values are immutable trees whose strings and
 * children live in an arena (or in bytes that live at least as long). "Changing" a map makes a new one that shares its children.
 * Strings are UTF-8; map keys are strings and unique: the decoders guarantee it, and the builders assert it.
 * Thread: none; a value may be read from any thread while its arena lives. */
#pragma once

#include "proto/err.h"
#include "proto/str.h"

#include <msgpack.h>
#include <stdint.h>

typedef msgpack_object cccc_value_t;
typedef msgpack_zone cccc_arena_t;
typedef msgpack_sbuffer cccc_buf_t;

/* An arena whose first chunk holds `chunk_bytes`. Aborts when memory is gone, like every allocation of ours. */
cccc_arena_t *cccc_arena_new(size_t chunk_bytes);
/* A thread that makes and destroys arenas all the time may keep up to `max` destroyed ones of the usual size for its next ones; 0, as at first: none. Fewer than
 * before gives the surplus back. Call with 0 before the thread ends. */
#define CCCC_ARENA_SPARE_BYTES 5120
void cccc_arena_keep_spare(unsigned max);
/* Frees everything in it; takes and nulls. NULL is fine. */
void cccc_arena_destroy(cccc_arena_t **self);
/* Uninitialised bytes, aligned for pointers, 64-bit integers and doubles. Never NULL. */
void *cccc_arena_alloc(cccc_arena_t *self, size_t bytes);
/* A copy of `s` in the arena, with a NUL behind it. */
cccc_str_t cccc_arena_str(cccc_arena_t *self, cccc_str_t s);
/* printf into the arena. */
cccc_str_t cccc_arena_printf(cccc_arena_t *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makers. Strings are borrowed: copy first what does not live as long as the value. */
static inline cccc_value_t cccc_nil(void)
{
    return (cccc_value_t){.type = MSGPACK_OBJECT_NIL};
}

static inline cccc_value_t cccc_bool(bool b)
{
    return (cccc_value_t){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = b};
}

static inline cccc_value_t cccc_uint(uint64_t u)
{
    return (cccc_value_t){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = u};
}

static inline cccc_value_t cccc_int(int64_t i)
{
    if (i >= 0)
        return cccc_uint((uint64_t)i);
    return (cccc_value_t){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = i};
}

static inline cccc_value_t cccc_string(cccc_str_t s)
{
    CCCC_ASSERT(s.len <= UINT32_MAX, "a string of %zu bytes", s.len);
    return (cccc_value_t){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)s.len, s.len ? s.ptr : ""}};
}

/* For a literal or another NUL-terminated text. */
static inline cccc_value_t cccc_text(const char *z)
{
    return cccc_string(cccc_str(z));
}

/* Readers. Each returns false and leaves *out untouched when `v` is NULL or of another type. */
static inline bool cccc_as_str(const cccc_value_t *v, cccc_str_t *out)
{
    if (v == NULL || v->type != MSGPACK_OBJECT_STR)
        return false;
    *out = (cccc_str_t){v->via.str.ptr, v->via.str.size};
    return true;
}

static inline bool cccc_as_int(const cccc_value_t *v, int64_t *out)
{
    if (v == NULL)
        return false;
    if (v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER || (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER && v->via.u64 <= INT64_MAX)) {
        *out = v->via.i64;
        return true;
    }
    return false;
}

static inline bool cccc_as_uint(const cccc_value_t *v, uint64_t *out)
{
    if (v == NULL || v->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    *out = v->via.u64;
    return true;
}

static inline bool cccc_as_bool(const cccc_value_t *v, bool *out)
{
    if (v == NULL || v->type != MSGPACK_OBJECT_BOOLEAN)
        return false;
    *out = v->via.boolean;
    return true;
}

static inline bool cccc_is_map(const cccc_value_t *v)
{
    return v != NULL && v->type == MSGPACK_OBJECT_MAP;
}

static inline bool cccc_is_array(const cccc_value_t *v)
{
    return v != NULL && v->type == MSGPACK_OBJECT_ARRAY;
}

static inline bool cccc_is_nil(const cccc_value_t *v)
{
    return v != NULL && v->type == MSGPACK_OBJECT_NIL;
}

/* The value under `key`, or NULL when `map` is NULL, not a map, or lacks it. */
const cccc_value_t *cccc_get(const cccc_value_t *map, const char *key);
const cccc_value_t *cccc_get_key(const cccc_value_t *map, cccc_str_t key);
/* Shorthands with a default for a missing or mistyped member. */
cccc_str_t cccc_get_str(const cccc_value_t *map, const char *key);
uint64_t cccc_get_uint(const cccc_value_t *map, const char *key, uint64_t otherwise);
bool cccc_get_bool(const cccc_value_t *map, const char *key, bool otherwise);

/* Builders: maps and arrays that grow inside `arena` while they are built. `value` may be read at any time. */
typedef struct cccc_builder {
    cccc_arena_t *arena;
    cccc_value_t value;
    uint32_t capacity;
} cccc_builder_t;

/* Empty ones, with room for so many members at first. */
cccc_builder_t cccc_map_builder(cccc_arena_t *arena, uint32_t capacity_hint);
cccc_builder_t cccc_array_builder(cccc_arena_t *arena, uint32_t capacity_hint);
/* `key` is borrowed and must not be in the map yet (asserted in debug builds for small maps). */
void cccc_map_add(cccc_builder_t *b, const char *key, cccc_value_t v);
void cccc_map_add_key(cccc_builder_t *b, cccc_str_t key, cccc_value_t v);
void cccc_array_add(cccc_builder_t *b, cccc_value_t v);

/* A map like `map` with `key` set to `v` (in place if it was there, else last) or without `key`. Shares children; borrows all. */
cccc_value_t cccc_map_with(cccc_arena_t *arena, const cccc_value_t *map, cccc_str_t key, cccc_value_t v);
cccc_value_t cccc_map_without(cccc_arena_t *arena, const cccc_value_t *map, cccc_str_t key);
/* A deep copy that borrows nothing. */
cccc_value_t cccc_value_copy(cccc_arena_t *arena, const cccc_value_t *v);
/* False when a map has a key twice: for decoders, whose maps come from strangers. O(n log n). */
bool cccc_keys_unique(const cccc_value_t *map);
/* Same type and content; maps compare in order. */
bool cccc_value_eq(const cccc_value_t *a, const cccc_value_t *b);
/* The lenient boolean of CCCC 0.4.0 (reference 0.2): "yes", "off", 0, "2", ...; `otherwise` where the table says default. */
bool cccc_coerce_bool(const cccc_value_t *v, bool otherwise);

/* Buffers: msgpack_sbuffer with an abort on lost memory. */
void cccc_buf_init(cccc_buf_t *b);
void cccc_buf_fini(cccc_buf_t *b);
void cccc_buf_put(cccc_buf_t *b, const void *bytes, size_t len);
void cccc_buf_str(cccc_buf_t *b, const char *z);
/* The slow half of cccc_buf_reserve: at least doubles. */
void cccc_buf_expand(cccc_buf_t *b, size_t len);
/* Room for `len` more bytes: returns where they go; after writing n of them, add n to b->size. */
static inline char *cccc_buf_reserve(cccc_buf_t *b, size_t len)
{
    if (b->alloc - b->size <= len) /* never NULL, even for nothing */
        cccc_buf_expand(b, len);
    return b->data + b->size;
}
/* Pack helpers over the buffer; canonical (shortest) msgpack forms. */
void cccc_pack_value(cccc_buf_t *b, const cccc_value_t *v);
void cccc_pack_map(cccc_buf_t *b, uint32_t pairs);
void cccc_pack_array(cccc_buf_t *b, uint32_t items);
void cccc_pack_str(cccc_buf_t *b, cccc_str_t s);
void cccc_pack_text(cccc_buf_t *b, const char *z);
void cccc_pack_uint(cccc_buf_t *b, uint64_t u);
void cccc_pack_bool(cccc_buf_t *b, bool v);
void cccc_pack_nil(cccc_buf_t *b);
void cccc_pack_bin(cccc_buf_t *b, const void *bytes, size_t len);
/* The head of a binary, whose `len` bytes the caller puts behind it. */
void cccc_pack_bin_head(cccc_buf_t *b, size_t len);
