/* unpack.c - strict msgpack bytes to values: one pass that checks before it takes memory.
 *
 * Every length is compared with the bytes that are left, and every container's items with what the limits still allow, before anything is allocated for
 * it: what a frame can cost is bounded by its own size. Numbers that are whole become integers in their one canonical form, so that equal values are
 * equal objects. Invariant: recursion is at most as deep as the limit. */
#include "proto/unpack.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <math.h>

struct unpacker {
    const unsigned char *start, *at, *end;
    cccc_arena_t *arena;
    struct cccc_errmsg *message;
    struct cccc_msgpack_limits limits;
    uint32_t items;
    uint32_t depth;
};

static bool unpack(struct unpacker *u, cccc_value_t *out);

static bool refuse(struct unpacker *u, const unsigned char *at, const char *what)
{
    cccc_fail(u->message, CCCC_E_INVALID_REQUEST, "byte %td: %s", at - u->start, what);
    return false;
}

/* A big-endian number of 1, 2, 4 or 8 bytes. */
static bool take_number(struct unpacker *u, unsigned bytes, uint64_t *out)
{
    if ((size_t)(u->end - u->at) < bytes)
        return refuse(u, u->at, "the message ends in a number or a length");
    uint64_t n = 0;
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | u->at[i];
    u->at += bytes;
    *out = n;
    return true;
}

static bool take_bytes(struct unpacker *u, uint64_t len, const char **out)
{
    if ((uint64_t)(u->end - u->at) < len)
        return refuse(u, u->at, "a string or binary is longer than the message");
    *out = (const char *)u->at;
    u->at += len;
    return true;
}

static bool unpack_str(struct unpacker *u, uint64_t len, cccc_value_t *out)
{
    const unsigned char *at = u->at;
    const char *text;
    if (!take_bytes(u, len, &text))
        return false;
    if (!cccc_utf8_valid((cccc_str_t){text, len}))
        return refuse(u, at, "a string that is not UTF-8");
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)len, text}};
    return true;
}

static bool unpack_bin(struct unpacker *u, uint64_t len, cccc_value_t *out)
{
    const char *bytes;
    if (!take_bytes(u, len, &bytes))
        return false;
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)len, bytes}};
    return true;
}

/* Enter a container of `items` values: each needs at least one byte. */
static bool enter(struct unpacker *u, uint64_t items)
{
    if (items > (uint64_t)(u->end - u->at))
        return refuse(u, u->at, "a container has more items than the message has bytes");
    if (items > u->limits.items - u->items)
        return refuse(u, u->at, "too many items");
    if (u->depth == u->limits.depth)
        return refuse(u, u->at, "nested too deeply");
    u->items += (uint32_t)items;
    u->depth++;
    return true;
}

/* Containers and the rarer forms are kept out of unpack, so that the many values that are neither cost it little of a stack frame. */
__attribute__((noinline)) static bool unpack_array(struct unpacker *u, uint64_t count, cccc_value_t *out)
{
    if (!enter(u, count))
        return false;
    cccc_value_t *items = cccc_arena_alloc(u->arena, count * sizeof *items);
    for (uint64_t i = 0; i < count; i++)
        if (!unpack(u, &items[i]))
            return false;
    u->depth--;
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_ARRAY, .via.array = {(uint32_t)count, items}};
    return true;
}

__attribute__((noinline)) static bool unpack_map(struct unpacker *u, uint64_t count, cccc_value_t *out)
{
    const unsigned char *begin = u->at;
    if (!enter(u, count * 2))
        return false;
    msgpack_object_kv *pairs = cccc_arena_alloc(u->arena, count * sizeof *pairs);
    for (uint64_t i = 0; i < count; i++) {
        const unsigned char *at = u->at;
        if (!unpack(u, &pairs[i].key))
            return false;
        if (pairs[i].key.type != MSGPACK_OBJECT_STR)
            return refuse(u, at, "a map key that is not a string");
        if (pairs[i].key.via.str.size > u->limits.key_bytes)
            return refuse(u, at, "a map key that is too long");
        if (!unpack(u, &pairs[i].val))
            return false;
    }
    u->depth--;
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_MAP, .via.map = {(uint32_t)count, pairs}};
    return cccc_keys_unique(out) || refuse(u, begin, "a map with the same key twice");
}

static bool unpack_double(struct unpacker *u, double d, cccc_value_t *out)
{
    if (!isfinite(d))
        return refuse(u, u->at, "a number that is not finite");
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = d};
    return true;
}

static bool unpack_float(struct unpacker *u, unsigned bytes, cccc_value_t *out)
{
    uint64_t bits;
    if (!take_number(u, bytes, &bits))
        return false;
    if (bytes == 4) {
        uint32_t bits32 = (uint32_t)bits;
        float f;
        memcpy(&f, &bits32, sizeof f);
        return unpack_double(u, (double)f, out);
    }
    double d;
    memcpy(&d, &bits, sizeof d);
    return unpack_double(u, d, out);
}

static bool unpack_uint(struct unpacker *u, unsigned bytes, cccc_value_t *out)
{
    uint64_t n;
    if (!take_number(u, bytes, &n))
        return false;
    *out = cccc_uint(n);
    return true;
}

static bool unpack_int(struct unpacker *u, unsigned bytes, cccc_value_t *out)
{
    uint64_t n;
    if (!take_number(u, bytes, &n))
        return false;
    unsigned unused = 64 - bytes * 8;
    *out = cccc_int((int64_t)(n << unused) >> unused);
    return true;
}

typedef bool (*unpack_counted_fn)(struct unpacker *u, uint64_t count, cccc_value_t *out);

static bool unpack_counted(struct unpacker *u, unsigned bytes, unpack_counted_fn unpack_rest, cccc_value_t *out)
{
    uint64_t count;
    return take_number(u, bytes, &count) && unpack_rest(u, count, out);
}

/* The forms with a type byte of their own: 0xc0..0xdf. */
__attribute__((noinline)) static bool unpack_typed(struct unpacker *u, unsigned char type, cccc_value_t *out)
{
    switch (type) {
    case 0xc0:
        *out = cccc_nil();
        return true;
    case 0xc2:
    case 0xc3:
        *out = cccc_bool(type == 0xc3);
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return unpack_counted(u, 1u << (type - 0xc4), unpack_bin, out);
    case 0xca:
    case 0xcb:
        return unpack_float(u, 4u << (type - 0xca), out);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return unpack_uint(u, 1u << (type - 0xcc), out);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return unpack_int(u, 1u << (type - 0xd0), out);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return unpack_counted(u, 1u << (type - 0xd9), unpack_str, out);
    case 0xdc:
    case 0xdd:
        return unpack_counted(u, 2u << (type - 0xdc), unpack_array, out);
    case 0xde:
    case 0xdf:
        return unpack_counted(u, 2u << (type - 0xde), unpack_map, out);
    case 0xc1:
        return refuse(u, u->at - 1, "the byte 0xc1, which msgpack never uses");
    default:
        return refuse(u, u->at - 1, "an extension type");
    }
}

static bool unpack(struct unpacker *u, cccc_value_t *out)
{
    if (u->at == u->end)
        return refuse(u, u->at, "the message ends where a value should be");
    unsigned char type = *u->at++;
    if (type < 0x80) {
        *out = cccc_uint(type);
        return true;
    }
    if (type >= 0xe0) {
        *out = cccc_int((int8_t)type);
        return true;
    }
    if (type >= 0xc0)
        return unpack_typed(u, type, out);
    if (type >= 0xa0)
        return unpack_str(u, type & 31, out);
    if (type >= 0x90)
        return unpack_array(u, type & 15, out);
    return unpack_map(u, type & 15, out);
}

cccc_err_t cccc_msgpack_read_limited(const char *bytes, size_t len, const struct cccc_msgpack_limits *limits, cccc_arena_t *arena,
                                     cccc_value_t *out, struct cccc_errmsg *m)
{
    if (len > limits->bytes)
        return cccc_fail(m, CCCC_E_TOO_LARGE, "the message has %zu bytes; at most %zu are allowed", len, limits->bytes);
    struct unpacker u = {.arena = arena, .message = m, .limits = *limits, .items = 1};
    u.start = u.at = (const unsigned char *)bytes;
    u.end = u.start + len;
    cccc_value_t value;
    if (!unpack(&u, &value))
        return CCCC_E_INVALID_REQUEST;
    if (u.at < u.end) {
        refuse(&u, u.at, "more bytes behind the value");
        return CCCC_E_INVALID_REQUEST;
    }
    *out = value;
    return CCCC_OK;
}

cccc_err_t cccc_msgpack_read(const char *bytes, size_t len, size_t max_bytes, cccc_arena_t *arena, cccc_value_t *out, struct cccc_errmsg *m)
{
    struct cccc_msgpack_limits limits = {max_bytes, CCCC_DECODE_DEPTH_MAX, CCCC_DECODE_ITEMS_MAX, UINT32_MAX};
    return cccc_msgpack_read_limited(bytes, len, &limits, arena, out, m);
}
