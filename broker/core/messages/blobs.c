/* blobs.c - files of a group: stored in pieces, read in pieces, named by their content.
 *
 * An upload is known by its group and SHA-256 while it lasts; pieces arrive in order, a piece that is stored already is answered again. The hash is
 * verified, and the file synced, before the last piece is answered (store/). Names and paths of clients never reach the file system unchecked.
 * Thread: the core's. */
#include "broker/core/messages/message.h"

#include <sodium/crypto_hash_sha256.h>
#include <stdlib.h>
#include <strings.h>

#define BLOB_PREFIX    "state/blobs/"
#define FILE_NAME_MAX  120
#define SHA_CHARS      64
#define MIME_OTHERWISE "application/octet-stream"

struct cccc_upload {
    struct cccc_upload *next;
    cccc_slot_t slot;
    char sha256[SHA_CHARS + 1];
    uint64_t total, received;
    bool begun; /* the first piece is stored; an empty file has one too */
    uint64_t touched_mono_us;
    cccc_ticket_t ticket; /* of the call that stores a piece now; it may be gone */
};

/* ---- names ---- */

static bool is_name_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-';
}

static bool is_alphanumeric(char c)
{
    return is_name_char(c) && c != '.' && c != '_' && c != '-';
}

static bool has_alphanumeric(cccc_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (is_alphanumeric(s.ptr[i]))
            return true;
    }
    return false;
}

static cccc_str_t last_component(cccc_str_t name)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '/' || name.ptr[i - 1] == '\\')
            return (cccc_str_t){name.ptr + i, name.len - i};
    }
    return name;
}

/* The suffix with its dot: what follows the last dot that is not the first character. */
static cccc_str_t suffix_of(cccc_str_t name)
{
    for (size_t i = name.len; i > 1; i--) {
        if (name.ptr[i - 1] == '.')
            return (cccc_str_t){name.ptr + i - 1, name.len - i + 1};
    }
    return CCCC_STR("");
}

/* Reference 1.7: one underscore for every run of other characters; "file" where nothing is left to name it. */
cccc_str_t blob_clean_name(cccc_arena_t *arena, cccc_str_t name)
{
    name = last_component(name);
    char *out = cccc_arena_alloc(arena, name.len + 1);
    size_t n = 0;
    bool replaced = false;
    for (size_t i = 0; i < name.len; i++) {
        bool keep = is_name_char(name.ptr[i]);
        if (keep || !replaced)
            out[n++] = keep ? name.ptr[i] : '_';
        replaced = !keep;
    }
    cccc_str_t clean = {out, n}, suffix = suffix_of(clean);
    cccc_str_t stem = {clean.ptr, clean.len - suffix.len};
    if (!has_alphanumeric(clean))
        return CCCC_STR("file");
    if (suffix.len > 0 && !has_alphanumeric(stem))
        clean = cccc_arena_printf(arena, "file%.*s", CCCC_STR_FMT(suffix));
    if (clean.len > FILE_NAME_MAX)
        clean.len = FILE_NAME_MAX;
    return clean;
}

/* Flat names only: what state/blobs/ holds is <sha256>_<name>, so neither separators nor dot names can be meant. */
cccc_str_t blob_file(cccc_str_t path)
{
    size_t prefix = sizeof BLOB_PREFIX - 1;
    if (path.len <= prefix || path.len - prefix > SHA_CHARS + 1 + FILE_NAME_MAX || memcmp(path.ptr, BLOB_PREFIX, prefix) != 0)
        return CCCC_STR("");
    cccc_str_t file = {path.ptr + prefix, path.len - prefix};
    for (size_t i = 0; i < file.len; i++) {
        if (!is_name_char(file.ptr[i]))
            return CCCC_STR("");
    }
    return file.ptr[0] == '.' ? CCCC_STR("") : file;
}

static bool is_sha256(cccc_str_t s)
{
    if (s.len < SHA_CHARS)
        return false;
    for (size_t i = 0; i < SHA_CHARS; i++) {
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    }
    return true;
}

/* ---- types ---- */

static cccc_str_t mime_of(cccc_str_t file)
{
    static const struct {
        const char *suffix, *mime;
    } types[] = {
        {".txt", "text/plain"},     {".log", "text/plain"},    {".md", "text/markdown"},    {".json", "application/json"},
        {".html", "text/html"},     {".csv", "text/csv"},      {".pdf", "application/pdf"}, {".png", "image/png"},
        {".jpg", "image/jpeg"},     {".jpeg", "image/jpeg"},   {".gif", "image/gif"},       {".webp", "image/webp"},
        {".svg", "image/svg+xml"},  {".yaml", "text/yaml"},    {".yml", "text/yaml"},       {".zip", "application/zip"},
        {".patch", "text/x-patch"}, {".diff", "text/x-patch"},
    };
    cccc_str_t suffix = suffix_of(file);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (suffix.len == strlen(types[i].suffix) && strncasecmp(suffix.ptr, types[i].suffix, suffix.len) == 0)
            return cccc_str(types[i].mime);
    }
    return CCCC_STR(MIME_OTHERWISE);
}

/* Bounded, and one line: it is shown to people. */
static cccc_str_t shown(cccc_arena_t *arena, cccc_str_t s, size_t max)
{
    if (s.len > max)
        return CCCC_STR("");
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return CCCC_STR("");
    }
    return cccc_arena_str(arena, s);
}

cccc_value_t blob_descriptor(cccc_arena_t *arena, const char *kind, cccc_str_t file, cccc_str_t title, cccc_str_t mime_type, uint64_t bytes)
{
    bool named = is_sha256(file) && file.len > SHA_CHARS + 1 && file.ptr[SHA_CHARS] == '_';
    cccc_str_t mime = shown(arena, mime_type, 128), name = shown(arena, title, CCCC_TITLE_BYTES_MAX);
    if (mime.len == 0)
        mime = mime_of(file);
    if (name.len == 0)
        name = named ? (cccc_str_t){file.ptr + SHA_CHARS + 1, file.len - SHA_CHARS - 1} : file;
    if (!kind)
        kind = mime.len > 6 && memcmp(mime.ptr, "image/", 6) == 0 ? "image" : "file";
    cccc_builder_t map = cccc_map_builder(arena, 6);
    cccc_map_add(&map, "kind", cccc_text(kind));
    cccc_map_add(&map, "path", cccc_string(cccc_arena_printf(arena, BLOB_PREFIX "%.*s", CCCC_STR_FMT(file))));
    cccc_map_add(&map, "title", cccc_string(cccc_arena_str(arena, name)));
    cccc_map_add(&map, "mime_type", cccc_string(mime));
    cccc_map_add(&map, "bytes", cccc_uint(bytes));
    cccc_map_add(&map, "sha256", named ? cccc_string(cccc_arena_str(arena, (cccc_str_t){file.ptr, SHA_CHARS})) : cccc_nil());
    return map.value;
}

/* ---- file work ---- */

static struct cccc_store store_new(enum cccc_store_kind kind, const struct cccc_group *group, cccc_str_t name, size_t room)
{
    struct cccc_store store = {.kind = kind, .arena = cccc_arena_new(room + 512), .document = cccc_nil()};
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.name = cccc_arena_str(store.arena, name);
    return store;
}

void blob_stat(call_t *call, const struct cccc_group *group, cccc_str_t file, call_next_fn next)
{
    struct cccc_store store = store_new(CCCC_STORE_BLOB_STAT, group, file, file.len);
    call_store(call, &store, next);
}

void blob_read(call_t *call, const struct cccc_group *group, cccc_str_t file, uint64_t limit, call_next_fn next)
{
    struct cccc_store store = store_new(CCCC_STORE_BLOB_READ, group, file, file.len);
    store.total = limit;
    call_store(call, &store, next);
}

static void sha256_hex(char out[SHA_CHARS + 1], cccc_str_t data)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)data.ptr, data.len);
    for (size_t i = 0; i < sizeof hash; i++) {
        out[2 * i] = "0123456789abcdef"[hash[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
    }
    out[SHA_CHARS] = '\0';
}

cccc_str_t blob_store_text(call_t *call, const struct cccc_group *group, cccc_str_t text, call_next_fn next)
{
    char sha256[SHA_CHARS + 1];
    sha256_hex(sha256, text);
    cccc_str_t file = cccc_arena_printf(call->arena, "%s_chat.txt", sha256);
    struct cccc_store store = store_new(CCCC_STORE_BLOB_TEXT, group, file, file.len + text.len);
    store.data = cccc_arena_str(store.arena, text);
    store.total = text.len;
    call_store(call, &store, next);
    return file;
}

/* ---- uploads ---- */

static struct cccc_upload **upload_find(struct cccc_core *core, const struct cccc_group *group, cccc_str_t sha256)
{
    struct cccc_upload **at = &core->uploads;
    while (*at && !((*at)->slot == group->slot && cccc_str_is(sha256, (*at)->sha256)))
        at = &(*at)->next;
    return at;
}

static void upload_remove(struct cccc_upload **at)
{
    struct cccc_upload *upload = *at;
    *at = upload->next;
    free(upload);
}

static void upload_drop(struct cccc_core *core, struct cccc_upload **at)
{
    struct cccc_group *group = core->groups[(*at)->slot];
    if (!group->deleted) {
        struct cccc_store store = store_new(CCCC_STORE_BLOB_DROP, group, cccc_str((*at)->sha256), SHA_CHARS);
        core_store(core, &store);
    }
    upload_remove(at);
}

static bool upload_is_busy(struct cccc_core *core, const struct cccc_upload *upload)
{
    struct cccc_call *call = NULL;
    if (upload->ticket)
        HASH_FIND(hh, core->parked, &upload->ticket, sizeof upload->ticket, call);
    return call != NULL;
}

void uploads_tick(struct cccc_core *core)
{
    uint64_t idle_us = (uint64_t)CCCC_BLOB_UPLOAD_IDLE_S * 1000000;
    for (struct cccc_upload **at = &core->uploads; *at;) {
        const struct cccc_upload *upload = *at;
        if (core->now->mono_us - upload->touched_mono_us < idle_us || upload_is_busy(core, upload)) {
            at = &(*at)->next;
            continue;
        }
        core_log(core, 6, "UPLOAD-DROPPED",
                 "nobody continued an upload: it is dropped group=%s sha256=%s received=%llu total=%llu idle_s=%d",
                 core->groups[upload->slot]->id, upload->sha256, (unsigned long long)upload->received, (unsigned long long)upload->total,
                 CCCC_BLOB_UPLOAD_IDLE_S);
        upload_drop(core, at);
    }
}

void uploads_drop_all(struct cccc_core *core)
{
    while (core->uploads)
        upload_remove(&core->uploads);
}

/* Uploads under way: of all groups, and of this one. */
static uint32_t upload_count(const struct cccc_core *core, const struct cccc_group *group, uint32_t *of_group)
{
    uint32_t count = 0;
    *of_group = 0;
    for (const struct cccc_upload *upload = core->uploads; upload; upload = upload->next) {
        count++;
        *of_group += upload->slot == group->slot;
    }
    return count;
}

/* ---- blob_put ---- */

struct put {
    cccc_str_t sha256, file, title, mime_type, data;
    uint64_t offset, total;
};

static struct cccc_upload **put_upload(call_t *call)
{
    const struct put *put = call->state;
    return upload_find(call->core, call->group, put->sha256);
}

static void put_answer(call_t *call, uint64_t received, bool done)
{
    const struct put *put = call->state;
    cccc_builder_t result = cccc_map_builder(call->arena, 5);
    cccc_map_add(&result, "received", cccc_uint(received));
    cccc_map_add(&result, "total", cccc_uint(put->total));
    cccc_map_add(&result, "done", cccc_bool(done));
    if (done) {
        cccc_value_t attachment = blob_descriptor(call->arena, NULL, put->file, put->title, put->mime_type, put->total);
        cccc_map_add(&result, "path", *cccc_get(&attachment, "path"));
        cccc_map_add(&result, "attachment", attachment);
    }
    call_reply(call, &result.value);
}

static void put_failed(call_t *call, const char *what)
{
    cccc_builder_t details = cccc_map_builder(call->arena, 1);
    cccc_map_add(&details, "outcome", cccc_text("not_stored"));
    call_fail_details(call, call->stored.err, details.value, "%s: %s", what, call->stored.message);
}

static void put_conflict(call_t *call, uint64_t received, const char *why)
{
    cccc_builder_t details = cccc_map_builder(call->arena, 1);
    cccc_map_add(&details, "received", cccc_uint(received));
    call_fail_details(call, CCCC_E_BLOB_CONFLICT, details.value, "%s; %llu bytes are stored: go on from there", why,
                      (unsigned long long)received);
}

static void put_ended(call_t *call)
{
    const struct put *put = call->state;
    struct cccc_upload **at = put_upload(call);
    if (call->stored.err) {
        /* What is stored is not what was announced, or the disk failed: either way it begins anew. */
        if (*at)
            upload_drop(call->core, at);
        put_failed(call, "the file could not be completed; send it again from the start");
        return;
    }
    if (*at)
        upload_remove(at);
    put_answer(call, put->total, true);
}

static void put_end(call_t *call, struct cccc_upload *upload)
{
    const struct put *put = call->state;
    struct cccc_store store = store_new(CCCC_STORE_BLOB_END, call->group, put->sha256, put->file.len);
    cccc_builder_t document = cccc_map_builder(store.arena, 1);
    cccc_map_add(&document, "file", cccc_string(cccc_arena_str(store.arena, put->file)));
    store.document = document.value;
    store.total = put->total;
    call_store(call, &store, put_ended);
    upload->ticket = call->ticket;
}

static void put_stored(call_t *call)
{
    const struct put *put = call->state;
    struct cccc_upload **at = put_upload(call), *upload = *at;
    if (call->stored.err) {
        if (upload && !upload->begun)
            upload_drop(call->core, at);
        put_failed(call, "the piece could not be stored");
        return;
    }
    if (!upload) {
        put_conflict(call, 0, "the upload was dropped meanwhile");
        return;
    }
    upload->begun = true;
    upload->received = put->offset + put->data.len;
    upload->touched_mono_us = call->core->now->mono_us;
    if (upload->received == upload->total)
        put_end(call, upload);
    else
        put_answer(call, upload->received, false);
}

/* A new upload for the first piece; NULL: there are too many, and the call was failed. */
static struct cccc_upload *put_open(call_t *call)
{
    const struct put *put = call->state;
    uint32_t of_group, of_all = upload_count(call->core, call->group, &of_group);
    bool group_full = of_group >= CCCC_BLOB_UPLOADS_PER_GROUP_MAX;
    if (group_full || of_all >= CCCC_BLOB_UPLOADS_MAX) {
        call_fail(call, CCCC_E_BUSY,
                  "%d uploads%s are under way; try again when one has ended. One that nobody continues is dropped after %d seconds",
                  group_full ? CCCC_BLOB_UPLOADS_PER_GROUP_MAX : CCCC_BLOB_UPLOADS_MAX, group_full ? " of this group" : "",
                  CCCC_BLOB_UPLOAD_IDLE_S);
        return NULL;
    }
    struct cccc_upload *upload = calloc(1, sizeof *upload);
    CCCC_ASSERT(upload, "(out of memory)");
    upload->slot = call->group->slot;
    memcpy(upload->sha256, put->sha256.ptr, SHA_CHARS);
    upload->total = put->total;
    upload->next = call->core->uploads;
    call->core->uploads = upload;
    return upload;
}

static void put_store(call_t *call, struct cccc_upload *upload)
{
    const struct put *put = call->state;
    if (!upload)
        upload = put_open(call);
    if (!upload)
        return;
    struct cccc_store store = store_new(CCCC_STORE_BLOB_PIECE, call->group, put->sha256, put->data.len);
    store.data = cccc_arena_str(store.arena, put->data);
    store.offset = put->offset;
    store.total = upload->total = put->total;
    call_store(call, &store, put_stored);
    upload->ticket = call->ticket;
    upload->touched_mono_us = call->core->now->mono_us;
}

/* An upload of which nothing was stored yet may be announced anew, with another size. */
static void put_piece(call_t *call)
{
    const struct put *put = call->state;
    struct cccc_upload *upload = *put_upload(call);
    uint64_t received = upload ? upload->received : 0, end = put->offset + put->data.len;
    bool announced = upload && (upload->begun || upload_is_busy(call->core, upload));
    if (end > put->total || (announced && put->total != upload->total)) {
        put_conflict(call, received, "the piece does not fit the announced size");
    } else if (upload && upload_is_busy(call->core, upload)) {
        call_fail(call, CCCC_E_BUSY, "another piece of this file is being stored; send pieces one after the other");
    } else if (upload && upload->begun && received == upload->total) {
        put_end(call, upload);
    } else if (end <= received && put->total > 0) {
        put_answer(call, received, false);
    } else if (put->offset != received) {
        put_conflict(call, received, "the piece does not begin where the last one ended");
    } else {
        put_store(call, upload);
    }
}

/* Is the whole file there already? Then there is nothing to send. */
static void put_looked_up(call_t *call)
{
    const struct put *put = call->state;
    if (call->stored.err && call->stored.err != CCCC_E_BLOB_NOT_FOUND) {
        put_failed(call, "the blobs of the group could not be looked at");
    } else if (!call->stored.err && cccc_get_uint(call->stored.value, "bytes", UINT64_MAX) == put->total) {
        /* An upload whose connection went while it was completed is still on the list. */
        if (*put_upload(call))
            upload_remove(put_upload(call));
        put_answer(call, put->total, true);
    } else {
        put_piece(call);
    }
}

static struct put *put_of(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct put *put = cccc_arena_alloc(call->arena, sizeof *put);
    *put = (struct put){.sha256 = cccc_arg_str(args, CCCC_A_blob_put_sha256),
                        .mime_type = cccc_arg_str(args, CCCC_A_blob_put_mime_type),
                        .offset = cccc_arg_uint(args, CCCC_A_blob_put_offset, 0),
                        .total = cccc_arg_uint(args, CCCC_A_blob_put_total_bytes, 0)};
    const cccc_value_t *data = cccc_arg(args, CCCC_A_blob_put_data);
    put->data = data ? (cccc_str_t){data->via.bin.ptr, data->via.bin.size} : CCCC_STR("");
    put->title = blob_clean_name(call->arena, cccc_arg_str(args, CCCC_A_blob_put_name));
    put->file = cccc_arena_printf(call->arena, "%.*s_%.*s", CCCC_STR_FMT(put->sha256), CCCC_STR_FMT(put->title));
    return put;
}

void op_blob_put(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_blob_put_group_id) || !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_blob_put_by), "user"))
        return;
    cccc_str_t sha256 = cccc_arg_str(args, CCCC_A_blob_put_sha256);
    if (sha256.len != SHA_CHARS || !is_sha256(sha256)) {
        call_fail(call, CCCC_E_INVALID_REQUEST, "sha256 is 64 lower-case hex digits");
        return;
    }
    struct put *put = put_of(call);
    call->state = put;
    const struct cccc_upload *upload = *put_upload(call);
    if (upload && !(upload->begun && upload->received == upload->total))
        put_piece(call);
    else if (!upload && put->offset > 0)
        put_conflict(call, 0, "there is no such upload");
    else
        blob_stat(call, call->group, put->file, put_looked_up);
}

/* ---- blob_get, blob_stat ---- */

static cccc_str_t asked_file(call_t *call, enum cccc_arg_slot slot)
{
    cccc_str_t path = cccc_arg_str(&call->request.args, slot), file = blob_file(path);
    if (file.len == 0)
        call_fail(call, CCCC_E_INVALID_BLOB_PATH, "\"%.*s\" is not a blob path; it is state/blobs/<name>",
                  (int)(path.len < 200 ? path.len : 200), path.ptr);
    return file;
}

static bool blob_missing(call_t *call, enum cccc_arg_slot slot)
{
    if (call->stored.err == CCCC_OK)
        return false;
    cccc_str_t path = cccc_arg_str(&call->request.args, slot);
    if (call->stored.err == CCCC_E_BLOB_NOT_FOUND)
        call_fail(call, call->stored.err, "no blob %.*s in group %s", CCCC_STR_FMT(path), call->group->id);
    else
        call_fail(call, call->stored.err, "%.*s could not be read: %s", CCCC_STR_FMT(path), call->stored.message);
    return true;
}

static void get_answer(call_t *call)
{
    if (blob_missing(call, CCCC_A_blob_get_path))
        return;
    const struct cccc_args *args = &call->request.args;
    uint64_t offset = cccc_arg_uint(args, CCCC_A_blob_get_offset, 0), bytes = cccc_get_uint(call->stored.value, "bytes", 0);
    const cccc_value_t *data = cccc_get(call->stored.value, "data");
    uint32_t len = data && data->type == MSGPACK_OBJECT_BIN ? data->via.bin.size : 0;
    cccc_buf_t *out = call_reply_begin(call, 5);
    cccc_pack_text(out, "path");
    cccc_pack_str(out, cccc_arg_str(args, CCCC_A_blob_get_path));
    cccc_pack_text(out, "offset");
    cccc_pack_uint(out, offset);
    cccc_pack_text(out, "bytes");
    cccc_pack_uint(out, bytes);
    cccc_pack_text(out, "data");
    cccc_pack_bin(out, len ? data->via.bin.ptr : "", len);
    cccc_pack_text(out, "more");
    cccc_pack_bool(out, offset + len < bytes);
    call_reply_end(call, out);
}

void op_blob_get(call_t *call)
{
    if (!call_group(call, CCCC_A_blob_get_group_id))
        return;
    cccc_str_t file = asked_file(call, CCCC_A_blob_get_path);
    if (file.len == 0)
        return;
    const struct cccc_args *args = &call->request.args;
    struct cccc_store store = store_new(CCCC_STORE_BLOB_READ, call->group, file, file.len);
    store.offset = cccc_arg_uint(args, CCCC_A_blob_get_offset, 0);
    store.total = cccc_arg_uint(args, CCCC_A_blob_get_limit, CCCC_BLOB_PIECE_BYTES_MAX);
    if (store.total == 0 || store.total > CCCC_BLOB_PIECE_BYTES_MAX)
        store.total = CCCC_BLOB_PIECE_BYTES_MAX;
    call_store(call, &store, get_answer);
}

static void stat_answer(call_t *call)
{
    if (blob_missing(call, CCCC_A_blob_stat_path))
        return;
    cccc_str_t file = blob_file(cccc_arg_str(&call->request.args, CCCC_A_blob_stat_path));
    cccc_value_t result =
        blob_descriptor(call->arena, NULL, file, CCCC_STR(""), CCCC_STR(""), cccc_get_uint(call->stored.value, "bytes", 0));
    call_reply(call, &result);
}

void op_blob_stat(call_t *call)
{
    if (!call_group(call, CCCC_A_blob_stat_group_id))
        return;
    cccc_str_t file = asked_file(call, CCCC_A_blob_stat_path);
    if (file.len > 0)
        blob_stat(call, call->group, file, stat_answer);
}
