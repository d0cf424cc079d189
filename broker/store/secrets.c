/* secrets.c - private environments: state/secrets/actors/<group_id>/<slug>.<h>.json of the home (reference 1.11).
 *
 * A flat object of texts, 0600 in folders of 0700; an empty one is no file. Values go from the request into the file and from the file into a launch document, and nowhere
 * else. A change that breaks a rule changes nothing.
 * Thread: the store's. */
#include "broker/store/files.h"

#include "broker/core/groups/schema.h"
#include "proto/json.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_CHARS_MAX = 200000, SLUG_MAX = 24 };

static bool is_slug(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool is_edge(char c)
{
    return c == '.' || c == '_' || c == '-';
}

/* Reference 1.11: characters count, not bytes; what does not fit becomes _ once per character. */
static void slug_of(cccc_str_t id, char out[SLUG_MAX + 1])
{
    char all[CCCC_PRINCIPAL_BYTES_MAX + 1];
    size_t n = 0, start = 0;
    for (size_t i = 0; i < id.len && n < sizeof all - 1; i++)
        if (((unsigned char)id.ptr[i] & 0xC0) != 0x80)
            all[n++] = is_slug(id.ptr[i]) ? id.ptr[i] : '_';
    while (n > start && is_edge(all[n - 1]))
        n--;
    while (start < n && is_edge(all[start]))
        start++;
    n = n - start < SLUG_MAX ? n - start : SLUG_MAX;
    snprintf(out, SLUG_MAX + 1, "%.*s", n > 0 ? (int)n : 5, n > 0 ? all + start : "actor");
}

static struct cccc_path folder(const struct cccc_home *home, cccc_str_t group_id)
{
    return cccc_path(home, "/state/secrets/actors/%.*s", CCCC_STR_FMT(group_id));
}

static struct cccc_path file_of(const struct cccc_home *home, cccc_str_t group_id, cccc_str_t actor_id)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char slug[SLUG_MAX + 1], hex[17];
    crypto_hash_sha256(hash, (const unsigned char *)actor_id.ptr, actor_id.len);
    for (size_t i = 0; i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    slug_of(actor_id, slug);
    return cccc_path(home, "/state/secrets/actors/%.*s/%s.%s.json", CCCC_STR_FMT(group_id), slug, hex);
}

cccc_value_t cccc_secrets_read(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_str_t actor_id,
                               cccc_arena_t *arena)
{
    struct cccc_errmsg m;
    cccc_value_t map = cccc_json_file(vfs, file_of(home, group_id, actor_id).z, arena, &m);
    return cccc_is_map(&map) ? map : cccc_map_builder(arena, 0).value;
}

/* ---- changing ---- */

static bool is_name(cccc_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.len > 0;
}

static cccc_err_t check_set(const cccc_value_t *set, struct cccc_errmsg *m)
{
    cccc_err_t err = cccc_schema_env_given(set, CCCC_E_INVALID_REQUEST, m);
    if (err != CCCC_OK)
        return err;
    for (uint32_t i = 0; cccc_is_map(set) && i < set->via.map.size; i++) {
        cccc_str_t name = {0}, value = {0};
        cccc_as_str(&set->via.map.ptr[i].key, &name);
        if (!is_name(name))
            return cccc_fail(m, CCCC_E_INVALID_REQUEST, "%.*s is no name of an environment variable; nothing was changed",
                             CCCC_STR_FMT(name));
        if (!cccc_as_str(&set->via.map.ptr[i].val, &value) || memchr(value.ptr, '\0', value.len))
            return cccc_fail(m, CCCC_E_INVALID_REQUEST, "the value of %.*s must be text without NUL; nothing was changed",
                             CCCC_STR_FMT(name));
        if (value.len > VALUE_CHARS_MAX)
            return cccc_fail(m, CCCC_E_TOO_LARGE, "the value of %.*s has %zu bytes; at most %d are kept; nothing was changed",
                             CCCC_STR_FMT(name), value.len, VALUE_CHARS_MAX);
    }
    return CCCC_OK;
}

static cccc_value_t changed(cccc_arena_t *arena, cccc_value_t map, const cccc_value_t *document)
{
    const cccc_value_t *unset = cccc_get(document, "unset"), *set = cccc_get(document, "set");
    cccc_str_t name;
    if (cccc_get_bool(document, "clear", false) || cccc_get_bool(document, "drop", false))
        map = cccc_map_builder(arena, 0).value;
    for (uint32_t i = 0; cccc_is_array(unset) && i < unset->via.array.size; i++)
        if (cccc_as_str(&unset->via.array.ptr[i], &name))
            map = cccc_map_without(arena, &map, name);
    for (uint32_t i = 0; cccc_is_map(set) && i < set->via.map.size; i++)
        if (cccc_as_str(&set->via.map.ptr[i].key, &name))
            map = cccc_map_with(arena, &map, name, set->via.map.ptr[i].val);
    return map;
}

static cccc_err_t write_map(const struct cccc_store_call *call, const cccc_value_t *map)
{
    struct cccc_path path = file_of(call->home, call->store->group_id, call->store->name);
    if (map->via.map.size == 0) {
        int rc = call->vfs->unlink(call->vfs->ctx, path.z);
        if (rc == 0)
            rc = cccc_vfs_sync_parent(call->vfs, path.z);
        return rc == 0 || rc == -ENOENT ? CCCC_OK : cccc_file_fail(call->m, rc, "remove", path.z);
    }
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write(map, &text);
    cccc_buf_str(&text, "\n");
    int rc = cccc_vfs_make_dirs(call->vfs, folder(call->home, call->store->group_id).z);
    if (rc == 0)
        rc = cccc_vfs_replace(call->vfs, path.z, text.data, text.size, false);
    sodium_memzero(text.data, text.size);
    cccc_buf_fini(&text);
    return rc == 0 ? CCCC_OK : cccc_file_fail(call->m, rc, "write", path.z);
}

static bool is_any(const void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return true;
}

void cccc_secrets_forget_group(const struct cccc_store_call *call)
{
    cccc_vfs_sweep(call->vfs, folder(call->home, call->store->group_id).z, is_any, NULL);
}

static int by_text(const void *a, const void *b)
{
    cccc_str_t x = {0}, y = {0};
    cccc_as_str(a, &x);
    cccc_as_str(b, &y);
    size_t common = x.len < y.len ? x.len : y.len;
    int order = common > 0 ? memcmp(x.ptr, y.ptr, common) : 0;
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

cccc_err_t cccc_store_secrets(const struct cccc_store_call *call)
{
    const cccc_value_t *document = &call->store->document;
    cccc_value_t map = cccc_secrets_read(call->vfs, call->home, call->store->group_id, call->store->name, call->arena);
    cccc_err_t err = CCCC_OK;
    if (cccc_is_map(document)) {
        err = check_set(cccc_get(document, "set"), call->m);
        cccc_value_t next = changed(call->arena, map, document);
        if (err == CCCC_OK && next.via.map.size > CCCC_ENV_KEYS_MAX)
            err = cccc_fail(call->m, CCCC_E_TOO_MANY_KEYS, "that would be %u names; at most %d are kept; nothing was changed",
                            next.via.map.size, CCCC_ENV_KEYS_MAX);
        if (err == CCCC_OK)
            err = write_map(call, &next);
        map = next;
    }
    if (err != CCCC_OK)
        return err;
    if (cccc_get_bool(document, "drop", false))
        cccc_holder_forget_files(call);
    cccc_builder_t keys = cccc_array_builder(call->arena, map.via.map.size), result = cccc_map_builder(call->arena, 1);
    for (uint32_t i = 0; i < map.via.map.size; i++)
        cccc_array_add(&keys, map.via.map.ptr[i].key);
    if (keys.value.via.array.size > 1)
        qsort(keys.value.via.array.ptr, keys.value.via.array.size, sizeof *keys.value.via.array.ptr, by_text);
    cccc_map_add(&result, "keys", keys.value);
    *call->value = result.value;
    return CCCC_OK;
}
