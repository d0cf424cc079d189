/* args.c - argument maps for requests, and reading values of replies. */
#include "clients/lib/internal.h"
#include "proto/json.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define ARGS_BYTES_FIRST 512

/* ---- building ---- */

cccc_args_t *cccc_args_new(void)
{
    cccc_args_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    /* Most requests are small; a buffer of msgpack-c's own making would begin with 8 KiB. */
    self->members = (msgpack_sbuffer){.data = malloc(ARGS_BYTES_FIRST), .alloc = ARGS_BYTES_FIRST};
    CCCC_ASSERT(self->members.data, "out of memory");
    return self;
}

void cccc_args_free(cccc_args_t **self)
{
    if (!self || !*self)
        return;
    cccc_buf_fini(&(*self)->members);
    free(*self);
    *self = NULL;
}

/* The wire takes well-formed UTF-8 only, and a frame that is not gets no answer with its id. So the first text that is not is remembered, and the
 * request refused when it is to be opened. */
static void check_text(cccc_args_t *self, const char *key, cccc_str_t text)
{
    if (!self->not_text[0] && !cccc_utf8_valid(text))
        snprintf(self->not_text, sizeof self->not_text, "%s", cccc_utf8_valid(cccc_str(key)) && *key ? key : "?");
}

/* All texts of a value, however deep. */
static void check_texts(cccc_args_t *self, const char *key, const msgpack_object *v)
{
    if (v->type == MSGPACK_OBJECT_STR)
        check_text(self, key, (cccc_str_t){v->via.str.ptr, v->via.str.size});
    for (uint32_t i = 0; v->type == MSGPACK_OBJECT_ARRAY && i < v->via.array.size; i++)
        check_texts(self, key, &v->via.array.ptr[i]);
    for (uint32_t i = 0; v->type == MSGPACK_OBJECT_MAP && i < v->via.map.size; i++) {
        check_texts(self, key, &v->via.map.ptr[i].key);
        check_texts(self, key, &v->via.map.ptr[i].val);
    }
}

static void add_key(cccc_args_t *self, const char *key)
{
    check_text(self, "?", cccc_str(key));
    self->has_client_id |= strcmp(key, "client_id") == 0;
    self->has_by |= strcmp(key, "by") == 0;
    cccc_pack_text(&self->members, key);
    self->count++;
}

void cccc_args_str(cccc_args_t *self, const char *key, const char *text)
{
    if (text)
        cccc_args_strn(self, key, text, strlen(text));
}

void cccc_args_strn(cccc_args_t *self, const char *key, const char *text, size_t len)
{
    add_key(self, key);
    check_text(self, key, (cccc_str_t){text, len});
    cccc_pack_str(&self->members, (cccc_str_t){text, len});
}

void cccc_args_strs(cccc_args_t *self, const char *key, const char *const *items, size_t count)
{
    add_key(self, key);
    cccc_pack_array(&self->members, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        check_text(self, key, cccc_str(items[i]));
        cccc_pack_text(&self->members, items[i]);
    }
}

void cccc_args_uint(cccc_args_t *self, const char *key, uint64_t u)
{
    add_key(self, key);
    cccc_pack_uint(&self->members, u);
}

void cccc_args_int(cccc_args_t *self, const char *key, int64_t i)
{
    cccc_value_t v = cccc_int(i);
    cccc_args_value(self, key, &v);
}

void cccc_args_bool(cccc_args_t *self, const char *key, bool b)
{
    add_key(self, key);
    cccc_pack_bool(&self->members, b);
}

void cccc_args_bin(cccc_args_t *self, const char *key, const void *bytes, size_t len)
{
    add_key(self, key);
    cccc_pack_bin(&self->members, bytes, len);
}

void cccc_args_value(cccc_args_t *self, const char *key, const msgpack_object *value)
{
    add_key(self, key);
    check_texts(self, key, value);
    cccc_pack_value(&self->members, value);
}

void args_pack(const cccc_args_t *self, cccc_buf_t *out)
{
    cccc_pack_map(out, self->count);
    cccc_buf_put(out, self->members.data, self->members.size);
}

/* ---- reading ---- */

const msgpack_object *cccc_field(const msgpack_object *map, const char *key)
{
    return cccc_get(map, key);
}

bool cccc_field_text(const msgpack_object *map, const char *key, const char **text, size_t *len)
{
    cccc_str_t s;
    if (!cccc_as_str(cccc_get(map, key), &s))
        return false;
    *text = s.ptr;
    *len = s.len;
    return true;
}

uint64_t cccc_field_uint(const msgpack_object *map, const char *key, uint64_t otherwise)
{
    return cccc_get_uint(map, key, otherwise);
}

bool cccc_field_bool(const msgpack_object *map, const char *key, bool otherwise)
{
    return cccc_get_bool(map, key, otherwise);
}

/* ---- as JSON ---- */

/* Bytes have no form in JSON; as on the JSON transport they become base64 text. */
static cccc_value_t base64_of(cccc_arena_t *arena, const msgpack_object_bin *bin)
{
    size_t size = sodium_base64_ENCODED_LEN(bin->size, sodium_base64_VARIANT_ORIGINAL);
    char *text = cccc_arena_alloc(arena, size);
    sodium_bin2base64(text, size, (const unsigned char *)bin->ptr, bin->size, sodium_base64_VARIANT_ORIGINAL);
    return cccc_string((cccc_str_t){text, size - 1});
}

/* A value like `v` without bytes in it. As deep as `v`, which msgpack-c bounds. */
static cccc_value_t without_bytes(cccc_arena_t *arena, const msgpack_object *v)
{
    if (v->type == MSGPACK_OBJECT_BIN)
        return base64_of(arena, &v->via.bin);
    if (v->type == MSGPACK_OBJECT_ARRAY) {
        cccc_builder_t array = cccc_array_builder(arena, v->via.array.size);
        for (uint32_t i = 0; i < v->via.array.size; i++)
            cccc_array_add(&array, without_bytes(arena, &v->via.array.ptr[i]));
        return array.value;
    }
    if (v->type == MSGPACK_OBJECT_MAP) {
        cccc_builder_t map = cccc_map_builder(arena, v->via.map.size);
        for (uint32_t i = 0; i < v->via.map.size; i++) {
            const msgpack_object_kv *kv = &v->via.map.ptr[i];
            cccc_map_add_key(&map, (cccc_str_t){kv->key.via.str.ptr, kv->key.via.str.size}, without_bytes(arena, &kv->val));
        }
        return map.value;
    }
    return *v;
}

char *cccc_to_json(const msgpack_object *value)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t plain = without_bytes(arena, value);
    cccc_buf_t buf;
    cccc_buf_init(&buf);
    cccc_json_write(&plain, &buf);
    cccc_buf_put(&buf, "", 1);
    cccc_arena_destroy(&arena);
    return msgpack_sbuffer_release(&buf);
}

const char *cccc_version(void)
{
    return CCCC_VERSION;
}
