/* bench_files.c - the file work of the bench: what the store thread would do, when the test lets it. Documents, blobs, zones, records of holders; see bench_core.h. */
#include "tests/support/bench_private.h"

#include "proto/hash.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- holders ---- */

struct holder **bench_holder_find(bench_t *self, cccc_str_t group_id, cccc_str_t actor_id)
{
    struct holder **at = &self->holders;
    while (*at && !(cccc_str_is(group_id, (*at)->group_id) && cccc_str_is(actor_id, (*at)->actor_id)))
        at = &(*at)->next;
    return at;
}

void bench_holder_drop(struct holder **at)
{
    struct holder *holder = *at;
    *at = holder->next;
    free(holder);
}

static cccc_value_t holder_record(cccc_arena_t *arena, const struct holder *holder)
{
    cccc_builder_t map = cccc_map_builder(arena, 6);
    cccc_map_add(&map, "actor_id", cccc_text(holder->actor_id));
    cccc_map_add(&map, "generation", cccc_uint(holder->generation));
    cccc_map_add(&map, "hold_pid", cccc_uint(holder->generation % 100000 + 1));
    cccc_map_add(&map, "hold_started", cccc_uint(holder->generation));
    return map.value;
}

static cccc_err_t holder_start(bench_t *self, const struct cccc_store *store, cccc_value_t *value)
{
    struct holder **known = bench_holder_find(self, store->group_id, store->name);
    if (!self->holds)
        return CCCC_E_NOT_FOUND;
    if (*known && (*known)->alive)
        return CCCC_E_LOCKED;
    if (*known)
        bench_holder_drop(known);
    struct holder *holder = calloc(1, sizeof *holder);
    assert_non_null(holder);
    *holder = (struct holder){.next = self->holders, .generation = cccc_get_uint(&store->document, "generation", 0), .alive = true};
    snprintf(holder->group_id, sizeof holder->group_id, "%.*s", CCCC_STR_FMT(store->group_id));
    snprintf(holder->actor_id, sizeof holder->actor_id, "%.*s", CCCC_STR_FMT(store->name));
    self->holders = holder;
    self->stored[store->kind] = cccc_value_copy(self->arena, &store->document);
    *value = holder_record(self->arena, holder);
    return CCCC_OK;
}

static cccc_err_t holder_forget(bench_t *self, const struct cccc_store *store)
{
    struct holder **known = bench_holder_find(self, store->group_id, store->name);
    if (*known && (*known)->generation == store->total)
        bench_holder_drop(known);
    return CCCC_OK;
}

void bench_fold_holders(bench_t *self, const struct ledger *ledger, bool offline)
{
    for (const struct holder *holder = self->holders; holder; holder = holder->next) {
        cccc_value_t record = holder_record(self->arena, holder);
        if (strcmp(holder->group_id, ledger->id) == 0)
            cccc_core_fold_holder(self->core, ledger->slot, &record, holder->alive, offline);
    }
}

/* ---- file work ---- */

static struct blob **blob_find(bench_t *self, const char *key)
{
    struct blob **at = &self->blobs;
    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

static struct blob *blob_make(bench_t *self, const char *key)
{
    struct blob **at = blob_find(self, key);
    if (!*at) {
        *at = calloc(1, sizeof **at);
        assert_non_null(*at);
        (*at)->key = strdup(key);
    }
    return *at;
}

static void blob_drop(struct blob **at)
{
    struct blob *blob = *at;
    if (!blob)
        return;
    *at = blob->next;
    free(blob->key);
    free(blob->bytes);
    free(blob);
}

static void blob_write(struct blob *blob, uint64_t offset, cccc_str_t data)
{
    if (offset + data.len > blob->len) {
        blob->len = offset + data.len;
        blob->bytes = realloc(blob->bytes, blob->len + 1);
        assert_non_null(blob->bytes);
    }
    if (data.len)
        memcpy(blob->bytes + offset, data.ptr, data.len);
}

static cccc_value_t bytes_value(cccc_arena_t *arena, uint64_t bytes)
{
    cccc_builder_t map = cccc_map_builder(arena, 1);
    cccc_map_add(&map, "bytes", cccc_uint(bytes));
    return map.value;
}

static cccc_err_t blob_read(bench_t *self, const struct cccc_store *store, const struct blob *blob, cccc_value_t *value)
{
    if (!blob)
        return CCCC_E_BLOB_NOT_FOUND;
    *value = bytes_value(self->arena, blob->len);
    if (store->kind == CCCC_STORE_BLOB_STAT)
        return CCCC_OK;
    uint64_t left = store->offset < blob->len ? blob->len - store->offset : 0;
    uint64_t n = left < store->total ? left : store->total;
    cccc_value_t data = {.type = MSGPACK_OBJECT_BIN};
    data.via.bin.size = (uint32_t)n;
    data.via.bin.ptr = cccc_arena_alloc(self->arena, n + 1);
    if (n > 0)
        memcpy((char *)data.via.bin.ptr, blob->bytes + store->offset, n);
    *value = cccc_map_with(self->arena, value, CCCC_STR("data"), data);
    return CCCC_OK;
}

/* The hash is taken at its word: a test that wants another one lets the file work fail. */
static cccc_err_t end_blob(bench_t *self, const struct cccc_store *store, const char *upload, cccc_value_t *value)
{
    char file[512];
    struct blob *blob = *blob_find(self, upload);
    cccc_str_t name = cccc_get_str(&store->document, "file");
    if (!blob || blob->len != store->total)
        return CCCC_E_BLOB_CONFLICT;
    snprintf(file, sizeof file, "%.*s/%.*s", CCCC_STR_FMT(store->group_id), CCCC_STR_FMT(name));
    blob_write(blob_make(self, file), 0, (cccc_str_t){blob->bytes, blob->len});
    *value = bytes_value(self->arena, blob->len);
    blob_drop(blob_find(self, upload));
    return CCCC_OK;
}

static cccc_err_t run_blob(bench_t *self, const struct cccc_store *store, cccc_value_t *value)
{
    char file[512], upload[512];
    snprintf(file, sizeof file, "%.*s/%.*s", CCCC_STR_FMT(store->group_id), CCCC_STR_FMT(store->name));
    snprintf(upload, sizeof upload, "%.*s/upload/%.*s", CCCC_STR_FMT(store->group_id), CCCC_STR_FMT(store->name));
    switch (store->kind) {
    case CCCC_STORE_BLOB_TEXT:
        blob_write(blob_make(self, file), 0, store->data);
        return CCCC_OK;
    case CCCC_STORE_BLOB_PIECE:
        blob_write(blob_make(self, upload), store->offset, store->data);
        return CCCC_OK;
    case CCCC_STORE_BLOB_DROP:
        blob_drop(blob_find(self, upload));
        return CCCC_OK;
    case CCCC_STORE_BLOB_END:
        return end_blob(self, store, upload, value);
    default:
        return blob_read(self, store, *blob_find(self, file), value);
    }
}

/* The system's own time zones. */
static cccc_err_t read_zone(bench_t *self, const struct cccc_store *store, cccc_value_t *value)
{
    char path[128], *bytes = cccc_arena_alloc(self->arena, CCCC_TIME_ZONE_BYTES_MAX);
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", CCCC_STR_FMT(store->name));
    FILE *file = fopen(path, "rb");
    if (!file)
        return CCCC_E_NOT_FOUND;
    size_t len = fread(bytes, 1, CCCC_TIME_ZONE_BYTES_MAX, file);
    fclose(file);
    cccc_builder_t map = cccc_map_builder(self->arena, 1);
    cccc_map_add(&map, "data", (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)len, bytes}});
    *value = map.value;
    return CCCC_OK;
}

static cccc_value_t run_scan(bench_t *self)
{
    cccc_builder_t present = cccc_array_builder(self->arena, 8), map = cccc_map_builder(self->arena, 2);
    for (uint32_t i = 0; i < self->ledger_count; i++) {
        if (!self->ledgers[i]->trashed && !self->ledgers[i]->lost)
            cccc_array_add(&present, cccc_text(self->ledgers[i]->id));
    }
    cccc_map_add(&map, "present", present.value);
    cccc_map_add(&map, "corrupt", cccc_array_builder(self->arena, 0).value);
    return map.value;
}

static cccc_value_t text_value(cccc_arena_t *arena, const char *text)
{
    cccc_builder_t map = cccc_map_builder(arena, 1);
    cccc_map_add(&map, "text", cccc_text(text));
    return map.value;
}

static cccc_err_t run_store(bench_t *self, const struct cccc_store *store, cccc_value_t *value)
{
    struct ledger *ledger = bench_ledger_find(self, store->group_id);
    *value = cccc_nil();
    switch (store->kind) {
    case CCCC_STORE_GROUP:
        assert_non_null(ledger);
        ledger->document = cccc_value_copy(self->arena, &store->document);
        return CCCC_OK;
    case CCCC_STORE_TRASH:
        assert_non_null(ledger);
        ledger->trashed = true;
        return CCCC_OK;
    case CCCC_STORE_SCAN:
        *value = run_scan(self);
        return CCCC_OK;
    case CCCC_STORE_GIT: {
        cccc_builder_t map = cccc_map_builder(self->arena, 2);
        cccc_map_add(&map, "root", cccc_string(cccc_arena_str(self->arena, self->root[0] ? cccc_str(self->root) : store->name)));
        cccc_map_add(&map, "git_remote", cccc_text(self->remote));
        *value = map.value;
        return CCCC_OK;
    }
    case CCCC_STORE_SCOPE:
    case CCCC_STORE_REGISTRY:
    case CCCC_STORE_ACTIVE:
    case CCCC_STORE_CURSORS:
    case CCCC_STORE_CONTEXT:
    case CCCC_STORE_SETTINGS:
        self->stored[store->kind] = cccc_value_copy(self->arena, &store->document);
        return CCCC_OK;
    case CCCC_STORE_HOLDER_START:
        return holder_start(self, store, value);
    case CCCC_STORE_HOLDER_FORGET:
        return holder_forget(self, store);
    case CCCC_STORE_HOLDER_CHECK:
    case CCCC_STORE_HOLDER_KILL:
        return CCCC_OK;
    case CCCC_STORE_ZONE:
        return read_zone(self, store, value);
    case CCCC_STORE_PROMPT:
        *value = text_value(self->arena, self->prompt);
        return CCCC_OK;
    default:
        return run_blob(self, store, value);
    }
}

static bool finish_store(bench_t *self, cccc_err_t failure)
{
    struct job *job = bench_queue_take(&self->stores);
    if (!job)
        return false;
    cccc_value_t value = cccc_nil();
    cccc_err_t err = failure ? failure : run_store(self, &job->effect.store, &value);
    if (job->effect.ticket)
        cccc_core_store_done(self->core, bench_moment(self), job->effect.ticket, err, err ? cccc_err_meaning(err) : NULL, &value);
    cccc_arena_destroy(&job->effect.store.arena);
    free(job);
    bench_take_effects(self);
    return true;
}

bool bench_finish_store(bench_t *self)
{
    return finish_store(self, CCCC_OK);
}

bool bench_fail_store(bench_t *self, cccc_err_t err)
{
    return finish_store(self, err);
}
