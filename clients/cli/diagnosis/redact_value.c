/* redact_value.c - values without secrets (redact.h): by the names of members.
 *
 * A string stays only where its member holds an id, a word of the protocol, a time or a place; names nobody thought of count as somebody's text.
 * Thread: one. */
#include "clients/cli/diagnosis/redact.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOB_DIR       "state/blobs/"
#define BLOB_DIR_BYTES (sizeof BLOB_DIR - 1)
#define BLOB_HEX_BYTES 64

/* Sorted. */
static const char *const kept[] = {"active_group_id",
                                   "active_scope_key",
                                   "actor_id",
                                   "actor_ids",
                                   "also_started",
                                   "armed",
                                   "as",
                                   "at",
                                   "audience",
                                   "between",
                                   "by",
                                   "cause",
                                   "check",
                                   "client_digest",
                                   "client_id",
                                   "code",
                                   "completed_at",
                                   "crc",
                                   "created_at",
                                   "cron",
                                   "daemon",
                                   "default_scope_key",
                                   "default_send_to",
                                   "degraded",
                                   "delivery_id",
                                   "dst_event_id",
                                   "dst_group_id",
                                   "dst_to",
                                   "due",
                                   "due_ts",
                                   "error",
                                   "event_id",
                                   "event_ids",
                                   "evidence",
                                   "expires_ts",
                                   "failure",
                                   "file",
                                   "forced_headless",
                                   "foreman",
                                   "format",
                                   "found",
                                   "git_remote",
                                   "group_id",
                                   "guard",
                                   "head_id",
                                   "home",
                                   "id",
                                   "kind",
                                   "kinds",
                                   "lanes",
                                   "last_error",
                                   "last_error_at",
                                   "last_fired_at",
                                   "last_id",
                                   "left_stopped",
                                   "level",
                                   "mime_type",
                                   "new_state",
                                   "next",
                                   "next_fire_at",
                                   "notify_event_id",
                                   "offline",
                                   "old_state",
                                   "on",
                                   "os",
                                   "owes",
                                   "owner_actor_id",
                                   "path",
                                   "prev",
                                   "priority",
                                   "read_only",
                                   "related_event_id",
                                   "released_from",
                                   "reply_to",
                                   "role",
                                   "rule_id",
                                   "runner",
                                   "runner_effective",
                                   "runtime",
                                   "runtime_state",
                                   "scope",
                                   "scope_key",
                                   "sentence",
                                   "settings",
                                   "sha256",
                                   "since",
                                   "snippet_ref",
                                   "src_event_id",
                                   "src_group_id",
                                   "start_error",
                                   "started",
                                   "started_at",
                                   "state",
                                   "step",
                                   "stopped",
                                   "submit",
                                   "system",
                                   "target_actor_id",
                                   "terminal_transcript_visibility",
                                   "timezone",
                                   "to",
                                   "ts",
                                   "updated_at",
                                   "url",
                                   "verdict",
                                   "version",
                                   "waits_until",
                                   "what",
                                   "why"};

static int compare(const void *key, const void *item)
{
    const cccc_str_t *name = key;
    const char *other = *(const char *const *)item;
    int order = strncmp(name->ptr, other, name->len);
    return order ? order : name->len == strlen(other) ? 0 : -1;
}

static bool is_blob_path(cccc_str_t path)
{
    return path.len > BLOB_DIR_BYTES && memcmp(path.ptr, BLOB_DIR, BLOB_DIR_BYTES) == 0;
}

/* A reason is the broker's word for what went wrong, but what somebody wrote where they recall or cancel, which names actors. A name is ours
 * where it is that of a check, with its verdict; tasks, steps and milestones are called what somebody wrote. */
static bool is_kept(cccc_str_t name, const cccc_value_t *map)
{
    if (cccc_str_is(name, "reason"))
        return !cccc_get(map, "actor_ids");
    if (cccc_str_is(name, "name"))
        return cccc_get(map, "verdict");
    if (cccc_str_is(name, "path") && cccc_get(map, "mime_type")) /* an attachment: of any other place nobody knows what it says */
        return is_blob_path(cccc_get_str(map, "path"));
    return name.len > 0 && bsearch(&name, kept, sizeof kept / sizeof *kept, sizeof *kept, compare) != NULL;
}

static cccc_value_t left_out(cccc_arena_t *arena, uint64_t bytes, const char *what)
{
    return cccc_string(cccc_arena_printf(arena, "[%" PRIu64 " %s left out]", bytes, what));
}

static cccc_str_t text(struct redactor *self, cccc_arena_t *arena, cccc_str_t given, bool id)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    if (id)
        redact_id(self, given, &out);
    else
        redact_text(self, given, &out);
    cccc_str_t safe = cccc_arena_str(arena, (cccc_str_t){out.data, out.size});
    cccc_buf_fini(&out);
    return safe;
}

/* Of a blob's path, what names the content; the file's name behind that is what somebody called it: state/blobs/<sha256>_<name>. */
static cccc_value_t blob_path(struct redactor *self, cccc_arena_t *arena, cccc_str_t path)
{
    const char *end = path.ptr + path.len, *name = memchr(path.ptr, '_', path.len);
    bool named = name && (size_t)(name - path.ptr) == BLOB_DIR_BYTES + BLOB_HEX_BYTES;
    name = named ? name + 1 : path.ptr + BLOB_DIR_BYTES;
    redact_note(self, REDACT_BODY);
    return cccc_string(cccc_arena_printf(arena, "%.*s[%zu bytes left out]", (int)(name - path.ptr), path.ptr, (size_t)(end - name)));
}

static cccc_value_t string(struct redactor *self, cccc_arena_t *arena, const cccc_value_t *value, bool id)
{
    cccc_str_t given = {0};
    cccc_as_str(value, &given);
    if (id && is_blob_path(given) && !redact_keeps_bodies(self))
        return blob_path(self, arena, given);
    if (given.len == 0 || id || redact_keeps_bodies(self))
        return cccc_string(text(self, arena, given, id));
    redact_note(self, REDACT_BODY);
    return left_out(arena, given.len, "bytes");
}

static cccc_value_t walk(struct redactor *self, cccc_arena_t *arena, const cccc_value_t *value, bool id);

/* The values of environment variables; their names stay. */
static cccc_value_t environment(struct redactor *self, cccc_arena_t *arena, const cccc_value_t *map)
{
    cccc_builder_t out = cccc_map_builder(arena, map->via.map.size);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        cccc_str_t name = {0};
        cccc_as_str(&map->via.map.ptr[i].key, &name);
        redact_note(self, REDACT_ENVIRONMENT);
        cccc_map_add_key(&out, cccc_arena_str(arena, name), cccc_text("[redacted:environment]"));
    }
    return out.value;
}

/* The program; what follows it may be a secret by itself. */
static cccc_value_t command(struct redactor *self, cccc_arena_t *arena, const cccc_value_t *list)
{
    uint32_t size = list->via.array.size;
    cccc_builder_t out = cccc_array_builder(arena, 2);
    if (size > 0)
        cccc_array_add(&out, walk(self, arena, list->via.array.ptr, true));
    if (size > 1) {
        redact_note(self, REDACT_ARGUMENTS);
        cccc_array_add(&out, left_out(arena, size - 1, "arguments"));
    }
    return out.value;
}

static bool is_empty(const cccc_value_t *value)
{
    cccc_str_t string_value = {0};
    return value->type == MSGPACK_OBJECT_NIL || value->type == MSGPACK_OBJECT_BOOLEAN ||
           (cccc_as_str(value, &string_value) && string_value.len == 0);
}

/* `id`: the map itself is what a kept member holds, as words by actor. */
static cccc_value_t member(struct redactor *self, cccc_arena_t *arena, const cccc_value_t *map, cccc_str_t name, const cccc_value_t *value,
                           bool id)
{
    if (cccc_str_is(name, "env") && cccc_is_map(value))
        return environment(self, arena, value);
    if (cccc_str_is(name, "command") && cccc_is_array(value))
        return command(self, arena, value);
    if (cccc_str_is(name, "screen") && value->type == MSGPACK_OBJECT_STR) { /* a terminal shows whatever was typed */
        redact_note(self, REDACT_SCREEN);
        return left_out(arena, value->via.str.size, "bytes of a terminal");
    }
    if (redact_is_secret_name(name) && !is_empty(value)) {
        redact_note(self, REDACT_NAMED);
        return cccc_text("[redacted:named]");
    }
    return walk(self, arena, value, id || is_kept(name, map));
}

/* A name may be somebody's text, too: one that was cut gets a number, as names are unique. */
static cccc_str_t member_name(struct redactor *self, cccc_arena_t *arena, cccc_str_t name, uint32_t i)
{
    cccc_str_t safe = text(self, arena, name, true);
    return cccc_str_eq(safe, name) ? safe : cccc_arena_printf(arena, "%.*s %" PRIu32, CCCC_STR_FMT(safe), i);
}

static cccc_value_t walk(struct redactor *self, cccc_arena_t *arena, const cccc_value_t *value, bool id)
{
    if (value->type == MSGPACK_OBJECT_STR)
        return string(self, arena, value, id);
    if (value->type == MSGPACK_OBJECT_BIN || value->type == MSGPACK_OBJECT_EXT)
        return left_out(arena, value->type == MSGPACK_OBJECT_BIN ? value->via.bin.size : value->via.ext.size, "bytes");
    if (cccc_is_array(value)) {
        cccc_builder_t list = cccc_array_builder(arena, value->via.array.size);
        for (uint32_t i = 0; i < value->via.array.size; i++)
            cccc_array_add(&list, walk(self, arena, &value->via.array.ptr[i], id));
        return list.value;
    }
    if (!cccc_is_map(value))
        return *value;
    cccc_builder_t map = cccc_map_builder(arena, value->via.map.size);
    for (uint32_t i = 0; i < value->via.map.size; i++) {
        cccc_str_t name = {0};
        cccc_as_str(&value->via.map.ptr[i].key, &name);
        cccc_map_add_key(&map, member_name(self, arena, name, i), member(self, arena, value, name, &value->via.map.ptr[i].val, id));
    }
    return map.value;
}

cccc_value_t redact_value(struct redactor *self, cccc_arena_t *arena, const cccc_value_t *value)
{
    return walk(self, arena, value, false);
}
