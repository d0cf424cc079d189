/* value.c - arenas, makers, readers, builders, buffers and packing of the one generic value.
 *
 * Packing goes through msgpack-c's inline packer with a write function the compiler can see (text.h), so that each call becomes a few stores. */
#include "proto/value.h"

#include "proto/err.h"
#include "proto/keys.h"
#include "proto/prefetch.h"
#include "proto/text.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- arenas ---- */

/* Empty arenas this thread keeps, each with one chunk of CCCC_ARENA_SPARE_BYTES. */
static _Thread_local struct {
    cccc_arena_t **arenas;
    unsigned count, max;
} spare;

void cccc_arena_keep_spare(unsigned max)
{
#ifdef __SANITIZE_ADDRESS__
    max = 0; /* what is used again is not seen to be used after its end */
#endif
    while (spare.count > max)
        msgpack_zone_free(spare.arenas[--spare.count]);
    if (max == 0) {
        free(spare.arenas);
        spare.arenas = NULL;
    } else if (max > spare.max) {
        spare.arenas = realloc(spare.arenas, max * sizeof(cccc_arena_t *));
        CCCC_ASSERT(spare.arenas != NULL, "out of memory for %u arenas", max);
    }
    spare.max = max;
}

/* The spare arena on top, whose place is known by now, and the place of the one below. */
static void prefetch_spare(void)
{
    enum { USED_BYTES = 3072 }; /* of a usual request's arena */
    if (spare.count > 0)
        cccc_prefetch(spare.arenas[spare.count - 1]->chunk_list.ptr, USED_BYTES);
    if (spare.count > 1)
        cccc_prefetch(spare.arenas[spare.count - 2], sizeof(cccc_arena_t));
}

cccc_arena_t *cccc_arena_new(size_t chunk_bytes)
{
    bool usual = spare.max > 0 && chunk_bytes <= CCCC_ARENA_SPARE_BYTES;
    if (usual && spare.count > 0) {
        cccc_arena_t *self = spare.arenas[--spare.count];
        prefetch_spare();
        return self;
    }
    cccc_arena_t *self = msgpack_zone_new(usual ? CCCC_ARENA_SPARE_BYTES : chunk_bytes);
    CCCC_ASSERT(self != NULL, "out of memory for an arena of %zu bytes", chunk_bytes);
    return self;
}

void cccc_arena_destroy(cccc_arena_t **self)
{
    if (*self == NULL)
        return;
    if (spare.count < spare.max && (*self)->chunk_size == CCCC_ARENA_SPARE_BYTES) {
        msgpack_zone_clear(*self);
        spare.arenas[spare.count++] = *self;
    } else {
        msgpack_zone_free(*self);
    }
    *self = NULL;
}

void *cccc_arena_alloc(cccc_arena_t *self, size_t bytes)
{
    void *p = msgpack_zone_malloc(self, bytes);
    CCCC_ASSERT(p != NULL, "out of memory for %zu bytes", bytes);
    return p;
}

cccc_str_t cccc_arena_str(cccc_arena_t *self, cccc_str_t s)
{
    char *copy = cccc_arena_alloc(self, s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return (cccc_str_t){copy, s.len};
}

cccc_str_t cccc_arena_printf(cccc_arena_t *self, const char *fmt, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    CCCC_ASSERT(len >= 0, "not a format: %s", fmt);
    cccc_str_t out;
    if ((size_t)len < sizeof small) {
        out = cccc_arena_str(self, (cccc_str_t){small, (size_t)len});
    } else {
        char *big = cccc_arena_alloc(self, (size_t)len + 1);
        vsnprintf(big, (size_t)len + 1, fmt, again);
        out = (cccc_str_t){big, (size_t)len};
    }
    va_end(again);
    return out;
}

/* ---- readers ---- */

/* The index of `key` in a map, or its size. */
static uint32_t find_key(const cccc_value_t *map, cccc_str_t key)
{
    uint32_t i = 0;
    for (; i < map->via.map.size; i++) {
        const msgpack_object_str *k = &map->via.map.ptr[i].key.via.str;
        if (k->size == key.len && memcmp(k->ptr, key.ptr, key.len) == 0)
            break;
    }
    return i;
}

const cccc_value_t *cccc_get_key(const cccc_value_t *map, cccc_str_t key)
{
    if (!cccc_is_map(map))
        return NULL;
    uint32_t i = find_key(map, key);
    return i < map->via.map.size ? &map->via.map.ptr[i].val : NULL;
}

const cccc_value_t *cccc_get(const cccc_value_t *map, const char *key)
{
    return cccc_get_key(map, cccc_str(key));
}

cccc_str_t cccc_get_str(const cccc_value_t *map, const char *key)
{
    cccc_str_t s = CCCC_STR("");
    cccc_as_str(cccc_get(map, key), &s);
    return s;
}

uint64_t cccc_get_uint(const cccc_value_t *map, const char *key, uint64_t otherwise)
{
    cccc_as_uint(cccc_get(map, key), &otherwise);
    return otherwise;
}

bool cccc_get_bool(const cccc_value_t *map, const char *key, bool otherwise)
{
    cccc_as_bool(cccc_get(map, key), &otherwise);
    return otherwise;
}

/* ---- builders ---- */

/* Room for one more item of `item_bytes`: the possibly moved array. The old one stays in the arena, so doubling bounds the waste to the final size. */
static void *grow(cccc_builder_t *b, void *items, uint32_t size, size_t item_bytes)
{
    if (size < b->capacity)
        return items;
    b->capacity = b->capacity < 4 ? 8 : b->capacity * 2;
    void *bigger = cccc_arena_alloc(b->arena, (size_t)b->capacity * item_bytes);
    if (size > 0)
        memcpy(bigger, items, (size_t)size * item_bytes);
    return bigger;
}

cccc_builder_t cccc_map_builder(cccc_arena_t *arena, uint32_t capacity_hint)
{
    cccc_builder_t b = {.arena = arena, .value = {.type = MSGPACK_OBJECT_MAP}, .capacity = capacity_hint};
    if (capacity_hint > 0)
        b.value.via.map.ptr = cccc_arena_alloc(arena, (size_t)capacity_hint * sizeof(msgpack_object_kv));
    return b;
}

cccc_builder_t cccc_array_builder(cccc_arena_t *arena, uint32_t capacity_hint)
{
    cccc_builder_t b = {.arena = arena, .value = {.type = MSGPACK_OBJECT_ARRAY}, .capacity = capacity_hint};
    if (capacity_hint > 0)
        b.value.via.array.ptr = cccc_arena_alloc(arena, (size_t)capacity_hint * sizeof(cccc_value_t));
    return b;
}

void cccc_map_add(cccc_builder_t *b, const char *key, cccc_value_t v)
{
    cccc_map_add_key(b, cccc_str(key), v);
}

void cccc_map_add_key(cccc_builder_t *b, cccc_str_t key, cccc_value_t v)
{
    msgpack_object_map *map = &b->value.via.map;
#ifndef NDEBUG
    CCCC_ASSERT(b->value.type == MSGPACK_OBJECT_MAP && (map->size > 32 || find_key(&b->value, key) == map->size), "twice the key %.*s",
                CCCC_STR_FMT(key));
#endif
    map->ptr = grow(b, map->ptr, map->size, sizeof *map->ptr);
    map->ptr[map->size++] = (msgpack_object_kv){cccc_string(key), v};
}

void cccc_array_add(cccc_builder_t *b, cccc_value_t v)
{
    msgpack_object_array *array = &b->value.via.array;
    array->ptr = grow(b, array->ptr, array->size, sizeof *array->ptr);
    array->ptr[array->size++] = v;
}

cccc_value_t cccc_map_with(cccc_arena_t *arena, const cccc_value_t *map, cccc_str_t key, cccc_value_t v)
{
    uint32_t size = cccc_is_map(map) ? map->via.map.size : 0;
    uint32_t at = size > 0 ? find_key(map, key) : 0;
    cccc_value_t out = {.type = MSGPACK_OBJECT_MAP};
    out.via.map.size = at < size ? size : size + 1;
    out.via.map.ptr = cccc_arena_alloc(arena, out.via.map.size * sizeof(msgpack_object_kv));
    if (size > 0)
        memcpy(out.via.map.ptr, map->via.map.ptr, size * sizeof(msgpack_object_kv));
    out.via.map.ptr[at] = (msgpack_object_kv){at < size ? map->via.map.ptr[at].key : cccc_string(key), v};
    return out;
}

cccc_value_t cccc_map_without(cccc_arena_t *arena, const cccc_value_t *map, cccc_str_t key)
{
    cccc_builder_t b = cccc_map_builder(arena, cccc_is_map(map) ? map->via.map.size : 0);
    for (uint32_t i = 0; cccc_is_map(map) && i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        cccc_str_t k = {kv->key.via.str.ptr, kv->key.via.str.size};
        if (!cccc_str_eq(k, key))
            cccc_map_add_key(&b, k, kv->val);
    }
    return b.value;
}

cccc_value_t cccc_value_copy(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_value_t out = *v;
    switch (v->type) {
    case MSGPACK_OBJECT_STR:
        out.via.str.ptr = cccc_arena_str(arena, (cccc_str_t){v->via.str.ptr, v->via.str.size}).ptr;
        break;
    case MSGPACK_OBJECT_BIN:
        out.via.bin.ptr = cccc_arena_str(arena, (cccc_str_t){v->via.bin.ptr, v->via.bin.size}).ptr;
        break;
    case MSGPACK_OBJECT_ARRAY:
        out.via.array.ptr = cccc_arena_alloc(arena, v->via.array.size * sizeof *out.via.array.ptr);
        for (uint32_t i = 0; i < v->via.array.size; i++)
            out.via.array.ptr[i] = cccc_value_copy(arena, &v->via.array.ptr[i]);
        break;
    case MSGPACK_OBJECT_MAP:
        out.via.map.ptr = cccc_arena_alloc(arena, v->via.map.size * sizeof *out.via.map.ptr);
        for (uint32_t i = 0; i < v->via.map.size; i++) {
            out.via.map.ptr[i].key = cccc_value_copy(arena, &v->via.map.ptr[i].key);
            out.via.map.ptr[i].val = cccc_value_copy(arena, &v->via.map.ptr[i].val);
        }
        break;
    default:
        break;
    }
    return out;
}

static int compare_keys(const void *a, const void *b)
{
    const msgpack_object_str *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return memcmp(x->ptr, y->ptr, x->size);
}

/* Many keys: sorted, so that a hostile map costs n log n and no more. */
static bool many_keys_unique(const msgpack_object_map *map)
{
    msgpack_object_str *keys = malloc(map->size * sizeof *keys);
    CCCC_ASSERT(keys != NULL, "out of memory for %u keys", map->size);
    for (uint32_t i = 0; i < map->size; i++)
        keys[i] = map->ptr[i].key.via.str;
    qsort(keys, map->size, sizeof *keys, compare_keys);
    bool unique = true;
    for (uint32_t i = 1; unique && i < map->size; i++)
        unique = compare_keys(&keys[i - 1], &keys[i]) != 0;
    free(keys);
    return unique;
}

/* Few keys: a 64-bit set of their fingerprints says "new" for most, and only the others are compared. */
static bool few_keys_unique(const msgpack_object_map *map)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object_str *key = &map->ptr[i].key.via.str;
        unsigned print =
            key->size == 0 ? 0 : key->size * 5u + (unsigned char)key->ptr[0] * 3u + (unsigned char)key->ptr[key->size - 1] * 7u;
        uint64_t bit = UINT64_C(1) << (print & 63);
        if (seen & bit)
            for (uint32_t j = 0; j < i; j++)
                if (map->ptr[j].key.via.str.size == key->size && memcmp(map->ptr[j].key.via.str.ptr, key->ptr, key->size) == 0)
                    return false;
        seen |= bit;
    }
    return true;
}

bool cccc_keys_unique(const cccc_value_t *map)
{
    return map->via.map.size <= 32 ? few_keys_unique(&map->via.map) : many_keys_unique(&map->via.map);
}

static bool maps_eq(const msgpack_object_map *a, const msgpack_object_map *b)
{
    if (a->size != b->size)
        return false;
    for (uint32_t i = 0; i < a->size; i++)
        if (!cccc_value_eq(&a->ptr[i].key, &b->ptr[i].key) || !cccc_value_eq(&a->ptr[i].val, &b->ptr[i].val))
            return false;
    return true;
}

static bool arrays_eq(const msgpack_object_array *a, const msgpack_object_array *b)
{
    if (a->size != b->size)
        return false;
    for (uint32_t i = 0; i < a->size; i++)
        if (!cccc_value_eq(&a->ptr[i], &b->ptr[i]))
            return false;
    return true;
}

bool cccc_value_eq(const cccc_value_t *a, const cccc_value_t *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case MSGPACK_OBJECT_NIL:
        return true;
    case MSGPACK_OBJECT_BOOLEAN:
        return a->via.boolean == b->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return a->via.u64 == b->via.u64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return a->via.u64 == b->via.u64; /* the bits of the doubles: zeros of different sign differ */
    case MSGPACK_OBJECT_STR:
        return cccc_str_eq((cccc_str_t){a->via.str.ptr, a->via.str.size}, (cccc_str_t){b->via.str.ptr, b->via.str.size});
    case MSGPACK_OBJECT_BIN:
        return cccc_str_eq((cccc_str_t){a->via.bin.ptr, a->via.bin.size}, (cccc_str_t){b->via.bin.ptr, b->via.bin.size});
    case MSGPACK_OBJECT_ARRAY:
        return arrays_eq(&a->via.array, &b->via.array);
    case MSGPACK_OBJECT_MAP:
        return maps_eq(&a->via.map, &b->via.map);
    default:
        return false;
    }
}

/* ---- the lenient boolean ---- */

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* Decimal digits with an optional sign: true, and whether they are not all zero. */
static bool is_integer_text(const char *s, bool *non_zero)
{
    if (*s == '+' || *s == '-')
        s++;
    if (*s == '\0' || s[strspn(s, "0123456789")] != '\0')
        return false;
    *non_zero = s[strspn(s, "0")] != '\0';
    return true;
}

static bool coerce_text(cccc_str_t s, bool otherwise)
{
    static const char *const yes[] = {"1", "true", "yes", "y", "on", NULL};
    static const char *const no[] = {"0", "false", "no", "n", "off", NULL};
    char word[40];
    while (s.len > 0 && isspace((unsigned char)s.ptr[0]))
        s = (cccc_str_t){s.ptr + 1, s.len - 1};
    while (s.len > 0 && isspace((unsigned char)s.ptr[s.len - 1]))
        s.len--;
    if (s.len >= sizeof word || memchr(s.ptr, '\0', s.len) != NULL)
        return otherwise;
    for (size_t i = 0; i < s.len; i++)
        word[i] = (char)tolower((unsigned char)s.ptr[i]);
    word[s.len] = '\0';
    if (is_one_of(word, yes))
        return true;
    if (is_one_of(word, no))
        return false;
    is_integer_text(word, &otherwise);
    return otherwise;
}

bool cccc_coerce_bool(const cccc_value_t *v, bool otherwise)
{
    if (v == NULL)
        return otherwise;
    switch (v->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return v->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return v->via.u64 != 0;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return isnan(v->via.f64) ? otherwise : fpclassify(v->via.f64) != FP_ZERO;
    case MSGPACK_OBJECT_STR:
        return coerce_text((cccc_str_t){v->via.str.ptr, v->via.str.size}, otherwise);
    case MSGPACK_OBJECT_ARRAY:
        return v->via.array.size > 0;
    case MSGPACK_OBJECT_MAP:
        return v->via.map.size > 0;
    default:
        return otherwise;
    }
}

/* ---- buffers ---- */

void cccc_buf_init(cccc_buf_t *b)
{
    msgpack_sbuffer_init(b);
}

void cccc_buf_fini(cccc_buf_t *b)
{
    msgpack_sbuffer_destroy(b);
    msgpack_sbuffer_init(b);
}

__attribute__((noinline, cold)) void cccc_buf_expand(cccc_buf_t *b, size_t len)
{
    size_t wanted = b->alloc < 256 ? 512 : b->alloc * 2;
    if (wanted <= b->size + len)
        wanted = b->size + len + 1;
    char *bigger = realloc(b->data, wanted);
    CCCC_ASSERT(bigger != NULL, "out of memory for a buffer of %zu bytes", wanted);
    b->data = bigger;
    b->alloc = wanted;
}

void cccc_buf_put(cccc_buf_t *b, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(cccc_buf_reserve(b, len), bytes, len);
    b->size += len;
}

void cccc_buf_str(cccc_buf_t *b, const char *z)
{
    cccc_buf_put(b, z, strlen(z));
}

/* ---- packing ---- */

/* One item whose head is all there is, or whose bytes follow. */
#define PACK_ITEM(b, call)                                                                                                                 \
    do {                                                                                                                                   \
        char *p = cccc_buf_reserve((b), PACK_HEAD_BYTES);                                                                                  \
        PACK_WITH(p, call);                                                                                                                \
        cursor_end((b), p);                                                                                                                \
    } while (0)

void cccc_pack_map(cccc_buf_t *b, uint32_t pairs)
{
    PACK_ITEM(b, msgpack_pack_map(&pk, pairs));
}

void cccc_pack_array(cccc_buf_t *b, uint32_t items)
{
    PACK_ITEM(b, msgpack_pack_array(&pk, items));
}

void cccc_pack_str(cccc_buf_t *b, cccc_str_t s)
{
    cursor_end(b, pack_str_at(cccc_buf_reserve(b, s.len + PACK_HEAD_BYTES), s.ptr, s.len));
}

void cccc_pack_text(cccc_buf_t *b, const char *z)
{
    cccc_pack_str(b, cccc_str(z));
}

void cccc_pack_uint(cccc_buf_t *b, uint64_t u)
{
    PACK_ITEM(b, msgpack_pack_uint64(&pk, u));
}

void cccc_pack_bool(cccc_buf_t *b, bool v)
{
    PACK_ITEM(b, v ? msgpack_pack_true(&pk) : msgpack_pack_false(&pk));
}

void cccc_pack_nil(cccc_buf_t *b)
{
    PACK_ITEM(b, msgpack_pack_nil(&pk));
}

void cccc_pack_bin_head(cccc_buf_t *b, size_t len)
{
    PACK_ITEM(b, msgpack_pack_bin(&pk, len));
}

void cccc_pack_bin(cccc_buf_t *b, const void *bytes, size_t len)
{
    cccc_pack_bin_head(b, len);
    cccc_buf_put(b, bytes, len);
}

/* There is room for 64 bytes. */
static char *pack_key(cccc_buf_t *b, char *p, const msgpack_object_str *key)
{
    if (!cccc_key_is_dressed(key->ptr))
        return pack_string(b, p, (cccc_str_t){key->ptr, key->size});
    *p++ = (char)(0xa0 | key->size);
    memcpy(p, key->ptr, CCCC_KEY_BYTES_MAX);
    return p + key->size;
}

/* Maps and arrays are kept out of cccc_pack_value_at, so that the many values that are neither cost it no stack frame. */
__attribute__((noinline)) static char *pack_map_at(cccc_buf_t *b, char *p, const msgpack_object_map *map)
{
    PACK_WITH(p, msgpack_pack_map(&pk, map->size));
    for (uint32_t i = 0; i < map->size; i++) {
        p = pack_key(b, p, &map->ptr[i].key.via.str);
        p = cccc_pack_value_at(b, p, &map->ptr[i].val);
    }
    return room(b, p, 64);
}

__attribute__((noinline)) static char *pack_array_at(cccc_buf_t *b, char *p, const msgpack_object_array *array)
{
    PACK_WITH(p, msgpack_pack_array(&pk, array->size));
    for (uint32_t i = 0; i < array->size; i++)
        p = cccc_pack_value_at(b, p, &array->ptr[i]);
    return room(b, p, 64);
}

__attribute__((noinline)) static char *pack_bin_at(cccc_buf_t *b, char *p, const msgpack_object_bin *bin)
{
    p = room(b, p, bin->size + PACK_HEAD_BYTES + 64);
    PACK_WITH(p, msgpack_pack_bin(&pk, bin->size));
    return put_bytes(p, bin->ptr, bin->size);
}

char *cccc_pack_value_at(cccc_buf_t *b, char *p, const cccc_value_t *v)
{
    p = room(b, p, PACK_HEAD_BYTES + 64);
    switch (v->type) {
    case MSGPACK_OBJECT_NIL:
        PACK_WITH(p, msgpack_pack_nil(&pk));
        return p;
    case MSGPACK_OBJECT_BOOLEAN:
        PACK_WITH(p, v->via.boolean ? msgpack_pack_true(&pk) : msgpack_pack_false(&pk));
        return p;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        PACK_WITH(p, msgpack_pack_uint64(&pk, v->via.u64));
        return p;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        PACK_WITH(p, msgpack_pack_int64(&pk, v->via.i64));
        return p;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        PACK_WITH(p, msgpack_pack_double(&pk, v->via.f64));
        return p;
    case MSGPACK_OBJECT_STR:
        return pack_string(b, p, (cccc_str_t){v->via.str.ptr, v->via.str.size});
    case MSGPACK_OBJECT_BIN:
        return pack_bin_at(b, p, &v->via.bin);
    case MSGPACK_OBJECT_ARRAY:
        return pack_array_at(b, p, &v->via.array);
    case MSGPACK_OBJECT_MAP:
        return pack_map_at(b, p, &v->via.map);
    default:
        cccc_assert_failed(__FILE__, __LINE__, "a value our decoders or builders make", " type %d", (int)v->type);
    }
}

void cccc_pack_value(cccc_buf_t *b, const cccc_value_t *v)
{
    cursor_end(b, cccc_pack_value_at(b, cursor_begin(b), v));
}
