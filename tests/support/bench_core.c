/* bench_core.c - see bench_core.h.
 *
 * A ledger is an array of wire forms with a durable count. Reads and file work wait in queues until the test finishes them.
 * Thread: one. */
#include "tests/support/bench_private.h"

#include "proto/hash.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- ledgers ---- */

struct ledger *bench_ledger_find(bench_t *self, cccc_str_t id)
{
    for (uint32_t i = 0; i < self->ledger_count; i++) {
        if (cccc_str_is(id, self->ledgers[i]->id) && !self->ledgers[i]->trashed)
            return self->ledgers[i];
    }
    return NULL;
}

struct ledger *bench_ledger_need(bench_t *self, const char *id)
{
    struct ledger *ledger = bench_ledger_find(self, cccc_str(id));
    if (!ledger)
        fail_msg("no ledger %s on the bench", id);
    return ledger;
}

static struct ledger *ledger_new(bench_t *self, cccc_str_t id, const char *alias)
{
    assert_true(self->ledger_count < 64 && id.len < 16);
    struct ledger *ledger = calloc(1, sizeof *ledger);
    assert_non_null(ledger);
    memcpy(ledger->id, id.ptr, id.len);
    if (alias)
        snprintf(ledger->alias, sizeof ledger->alias, "%s", alias);
    else
        snprintf(ledger->alias, sizeof ledger->alias, "G%u", self->ledger_count + 1);
    ledger->document = ledger->first = cccc_nil();
    self->ledgers[self->ledger_count++] = ledger;
    return ledger;
}

static void ledger_put(struct ledger *ledger, const struct cccc_event *event)
{
    if (ledger->count == ledger->capacity) {
        ledger->capacity = ledger->capacity ? ledger->capacity * 2 : 64;
        ledger->lines = realloc(ledger->lines, ledger->capacity * sizeof *ledger->lines);
        assert_non_null(ledger->lines);
    }
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_event_pack(event, &out);
    struct line *line = &ledger->lines[ledger->count++];
    line->len = out.size;
    line->bytes = malloc(out.size);
    assert_non_null(line->bytes);
    memcpy(line->bytes, out.data, out.size);
    cccc_buf_fini(&out);
}

static void ledger_cut(struct ledger *ledger, uint32_t count)
{
    while (ledger->count > count)
        free(ledger->lines[--ledger->count].bytes);
}

void bench_line_event(const struct line *line, cccc_arena_t *arena, struct cccc_event *event)
{
    struct cccc_errmsg m = {""};
    if (cccc_event_unpack(line->bytes, line->len, arena, event, &m) != CCCC_OK)
        fail_msg("an event of the ledger does not unpack: %s", m.text);
}

static void fold_lines(cccc_core_t *core, cccc_slot_t slot, const struct ledger *ledger, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        cccc_arena_t *arena = cccc_arena_new(4096);
        struct cccc_event event;
        bench_line_event(&ledger->lines[i], arena, &event);
        cccc_core_fold(core, slot, &event);
        cccc_arena_destroy(&arena);
    }
}

static void ledger_fold(cccc_core_t *core, cccc_slot_t slot, const struct ledger *ledger)
{
    fold_lines(core, slot, ledger, 0, ledger->durable);
}

/* ---- time ---- */

static uint64_t next_random(bench_t *self)
{
    /* Steele, Lea and Flood, splitmix64 (2014). */
    uint64_t z = (self->seed += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* Every input comes a millisecond after the one before. */
struct cccc_moment *bench_moment(bench_t *self)
{
    static struct cccc_moment now;
    self->unix_us += 1000;
    self->mono_us += 1000;
    now = (struct cccc_moment){.unix_us = self->unix_us, .mono_us = self->mono_us, .random = {next_random(self), next_random(self)}};
    return &now;
}

/* ---- effects ---- */

static void queue_put(struct queue *queue, const struct cccc_effect *effect)
{
    struct job *job = calloc(1, sizeof *job);
    assert_non_null(job);
    job->effect = *effect;
    *queue->end = job;
    queue->end = &job->next;
}

struct job *bench_queue_take(struct queue *queue)
{
    struct job *job = queue->first;
    if (job) {
        queue->first = job->next;
        if (!queue->first)
            queue->end = &queue->first;
    }
    return job;
}

static void take_append(bench_t *self, const struct cccc_effect *effect)
{
    const struct cccc_event *event = effect->append.event;
    struct ledger *ledger = bench_ledger_find(self, effect->append.group_id);
    if (!ledger)
        ledger = ledger_new(self, effect->append.group_id, NULL);
    if (effect->append.create)
        assert_int_equal(ledger->count, 0);
    ledger->slot = effect->slot;
    ledger->has_slot = true;
    assert_int_equal(event->seq, ledger->count + 1);
    ledger_put(ledger, event);
    bench_narrate(self, "append %s #%llu %.*s by %.*s", ledger->id, (unsigned long long)event->seq, CCCC_STR_FMT(event->kind),
                  CCCC_STR_FMT(event->by));
}

static void take_reply(bench_t *self, const struct cccc_effect *effect)
{
    struct answer *answer = cccc_arena_alloc(self->arena, sizeof *answer);
    answer->next = NULL;
    answer->conn = effect->reply.conn;
    cccc_bytes_t *bytes = effect->reply.bytes;
    cccc_str_t copy = cccc_arena_str(self->arena, (cccc_str_t){bytes->data, bytes->len});
    struct cccc_errmsg m = {""};
    if (cccc_msgpack_read(copy.ptr, copy.len, CCCC_REPLY_BYTES_MAX, self->arena, &answer->value, &m) != CCCC_OK)
        fail_msg("a reply is not well-formed: %s", m.text);
    *self->answers_end = answer;
    self->answers_end = &answer->next;
    const char *code = bench_code(&answer->value);
    if (strcmp(code, "ok") == 0)
        bench_narrate(self, "reply %llu ok", (unsigned long long)answer->conn);
    else
        bench_narrate(self, "reply %llu %s %s", (unsigned long long)answer->conn, code,
                      bench_str_at(self, &answer->value, "error.message"));
    cccc_bytes_release(bytes);
}

static const char *const store_words[] = {
    [CCCC_STORE_GROUP] = "group",
    [CCCC_STORE_SCOPE] = "scope",
    [CCCC_STORE_REGISTRY] = "registry",
    [CCCC_STORE_ACTIVE] = "active",
    [CCCC_STORE_CURSORS] = "cursors",
    [CCCC_STORE_TRASH] = "trash",
    [CCCC_STORE_SCAN] = "scan",
    [CCCC_STORE_GIT] = "git",
    [CCCC_STORE_BLOB_PIECE] = "blob_piece",
    [CCCC_STORE_BLOB_END] = "blob_end",
    [CCCC_STORE_BLOB_DROP] = "blob_drop",
    [CCCC_STORE_BLOB_STAT] = "blob_stat",
    [CCCC_STORE_BLOB_READ] = "blob_read",
    [CCCC_STORE_BLOB_TEXT] = "blob_text",
    [CCCC_STORE_HOLDER_START] = "holder_start",
    [CCCC_STORE_HOLDER_CHECK] = "holder_check",
    [CCCC_STORE_HOLDER_FORGET] = "holder_forget",
    [CCCC_STORE_HOLDER_KILL] = "holder_kill",
    [CCCC_STORE_PROMPT] = "prompt",
    [CCCC_STORE_PROMPTS] = "prompts",
    [CCCC_STORE_TEMPLATE] = "template",
    [CCCC_STORE_CONTEXT] = "context",
    [CCCC_STORE_LOG_TAIL] = "log_tail",
    [CCCC_STORE_SETTINGS] = "settings",
    [CCCC_STORE_SECRETS] = "secrets",
    [CCCC_STORE_ZONE] = "zone",
};

static void take_read(bench_t *self, const struct cccc_effect *effect)
{
    const struct cccc_read_query *query = &effect->read.query;
    if (query->mode == CCCC_READ_SEQS)
        bench_narrate(self, "read %u seqs from #%llu", query->seq_count, (unsigned long long)query->seqs[0]);
    else if (query->mode == CCCC_READ_ID)
        bench_narrate(self, "read a client id in %u segments", query->seq_count);
    else
        bench_narrate(self, "read %s #%llu limit %u", query->mode == CCCC_READ_AFTER ? "after" : "before", (unsigned long long)query->seq,
                      query->limit);
    queue_put(&self->reads, effect);
}

static void take_effect(bench_t *self, const struct cccc_effect *effect)
{
    switch (effect->kind) {
    case CCCC_DO_APPEND:
        take_append(self, effect);
        break;
    case CCCC_DO_READ:
        take_read(self, effect);
        break;
    case CCCC_DO_REPLY:
        take_reply(self, effect);
        break;
    case CCCC_DO_PUBLISH:
        bench_narrate(self, "publish %.*s", (int)effect->publish.topic_len, effect->publish.topic);
        cccc_bytes_release(effect->publish.bytes);
        break;
    case CCCC_DO_STORE:
        bench_narrate(self, "store %s%s%.*s", store_words[effect->store.kind], effect->store.name.len ? " " : "",
                      CCCC_STR_FMT(effect->store.name));
        queue_put(&self->stores, effect);
        break;
    case CCCC_DO_KEEP:
        bench_narrate(self, "%s%s", effect->keep.what == CCCC_KEEP_SEAL ? "seal" : "snapshot", effect->keep.force ? " by force" : "");
        self->kept = effect->ticket;
        break;
    case CCCC_DO_REFOLD:
        bench_narrate(self, "refold");
        assert_true(self->refold_count < 64);
        self->refolds[self->refold_count++] = effect->slot;
        break;
    case CCCC_DO_LOG:
        bench_narrate(self, "log %s %s", effect->log.id, effect->log.text);
        break;
    case CCCC_DO_SHUTDOWN:
        bench_narrate(self, "shutdown");
        break;
    }
}

void bench_take_effects(bench_t *self)
{
    size_t count;
    struct cccc_effect *effects = cccc_core_take(self->core, &count);
    for (size_t i = 0; i < count; i++)
        take_effect(self, &effects[i]);
}

/* ---- life ---- */

bench_t *bench_new(uint64_t seed)
{
    bench_t *self = calloc(1, sizeof *self);
    assert_non_null(self);
    self->core = cccc_core_new();
    self->arena = cccc_arena_new(64 * 1024);
    self->seed = seed;
    self->unix_us = 1700000000000000;
    self->mono_us = 5000000;
    self->reads.end = &self->reads.first;
    self->stores.end = &self->stores.first;
    self->answers_end = &self->answers;
    self->next_conn = 1000;
    self->root = self->remote = self->prompt = "";
    for (size_t i = 0; i < sizeof self->stored / sizeof *self->stored; i++)
        self->stored[i] = cccc_nil();
    self->facts = (struct cccc_daemon_facts){.version = "0.1.0", .pid = 1, .started_mono_us = self->mono_us, .epoch = 7};
    cccc_buf_init(&self->trace);
    cccc_buf_init(&self->shown);
    bench_as_operator(self);
    return self;
}

static void drop_jobs(struct queue *queue)
{
    for (struct job *job; (job = bench_queue_take(queue));) {
        if (job->effect.kind == CCCC_DO_READ)
            cccc_arena_destroy(&job->effect.read.arena);
        else
            cccc_arena_destroy(&job->effect.store.arena);
        free(job);
    }
}

void bench_free(bench_t **self)
{
    bench_t *b = *self;
    *self = NULL;
    drop_jobs(&b->reads);
    drop_jobs(&b->stores);
    cccc_core_destroy(&b->core);
    for (uint32_t i = 0; i < b->ledger_count; i++) {
        ledger_cut(b->ledgers[i], 0);
        free(b->ledgers[i]->lines);
        free(b->ledgers[i]);
    }
    for (struct blob *blob = b->blobs, *next; blob; blob = next) {
        next = blob->next;
        free(blob->key);
        free(blob->bytes);
        free(blob);
    }
    while (b->holders)
        bench_holder_drop(&b->holders);
    cccc_arena_destroy(&b->arena);
    cccc_buf_fini(&b->trace);
    cccc_buf_fini(&b->shown);
    free(b);
}

cccc_core_t *bench_core(bench_t *self)
{
    return self->core;
}

cccc_arena_t *bench_arena(bench_t *self)
{
    return self->arena;
}

static void fold_ledger_as(bench_t *self, struct ledger *ledger, const char *offline, const char *read_only)
{
    ledger->slot = cccc_core_fold_begin(self->core, cccc_str(ledger->id), &ledger->document, ledger->edited);
    ledger->edited = false;
    ledger->has_slot = true;
    ledger_fold(self->core, ledger->slot, ledger);
    bench_fold_holders(self, ledger, offline != NULL);
    cccc_core_fold_end(self->core, bench_moment(self), ledger->slot, offline, read_only);
    bench_take_effects(self);
}

static void fold_ledger(bench_t *self, struct ledger *ledger)
{
    fold_ledger_as(self, ledger, NULL, NULL);
}

void bench_reopen(bench_t *self, const char *group_id, const char *offline, const char *read_only)
{
    fold_ledger_as(self, bench_ledger_need(self, group_id), offline, read_only);
}

void bench_group(bench_t *self, const char *group_id, const char *alias, const char *document)
{
    struct ledger *ledger = ledger_new(self, cccc_str(group_id), alias);
    if (document)
        ledger->document = ledger->first = bench_json(self, "%s", document);
    fold_ledger(self, ledger);
}

void bench_line(bench_t *self, const char *group_id, const char *text)
{
    struct ledger *ledger = bench_ledger_need(self, group_id);
    cccc_value_t v = bench_json(self, "%s", text);
    struct cccc_event event = {.id = cccc_get_str(&v, "id"),
                               .ts = cccc_get_str(&v, "ts"),
                               .seq = ledger->count + 1,
                               .kind = cccc_get_str(&v, "kind"),
                               .group_id = cccc_str(ledger->id),
                               .scope_key = CCCC_STR(""),
                               .by = cccc_get_str(&v, "by"),
                               .attest = cccc_nil(),
                               .extra = cccc_nil()};
    const cccc_value_t *data = cccc_get(&v, "data");
    event.data = data ? *data : cccc_map_builder(self->arena, 0).value;
    ledger_put(ledger, &event);
    ledger->durable = ledger->count;
}

void bench_restart(bench_t *self)
{
    drop_jobs(&self->reads);
    drop_jobs(&self->stores);
    self->refold_count = 0;
    cccc_core_destroy(&self->core);
    self->core = cccc_core_new();
    bench_narrate(self, "restart");
    cccc_core_load_home(self->core, &self->stored[CCCC_STORE_REGISTRY], &self->stored[CCCC_STORE_ACTIVE]);
    for (uint32_t i = 0; i < self->ledger_count; i++) {
        struct ledger *ledger = self->ledgers[i];
        ledger_cut(ledger, ledger->durable);
        if (!ledger->trashed && (ledger->count > 0 || !cccc_is_nil(&ledger->document)))
            fold_ledger(self, ledger);
    }
    cccc_core_loaded(self->core, bench_moment(self));
    bench_take_effects(self);
}

cccc_value_t bench_refolded(bench_t *self, const char *group_id, bool documents)
{
    struct ledger *ledger = bench_ledger_need(self, group_id);
    cccc_core_t *core = cccc_core_new();
    cccc_value_t none = cccc_nil();
    cccc_slot_t slot = cccc_core_fold_begin(core, cccc_str(ledger->id), documents ? &ledger->document : &none, false);
    cccc_core_fold_sealed(core, slot, cccc_core_sealed_last(self->core, ledger->slot));
    ledger_fold(core, slot, ledger);
    cccc_core_fold_end(core, bench_moment(self), slot, NULL, NULL);
    cccc_value_t dump = cccc_core_dump_group(core, slot, self->arena);
    cccc_core_destroy(&core);
    return dump;
}

/* The state after the first `lines` lines, as it is saved. */
static void state_after(const struct ledger *ledger, uint32_t lines, cccc_buf_t *out)
{
    cccc_core_t *core = cccc_core_new();
    cccc_slot_t slot = cccc_core_fold_begin(core, cccc_str(ledger->id), &ledger->first, false);
    fold_lines(core, slot, ledger, 0, lines);
    cccc_core_snapshot(core, slot, out);
    cccc_core_destroy(&core);
}

cccc_value_t bench_reloaded(bench_t *self, const char *group_id, uint32_t lines, bool documents)
{
    struct ledger *ledger = bench_ledger_need(self, group_id);
    cccc_core_t *core = cccc_core_new();
    cccc_value_t none = cccc_nil();
    cccc_buf_t saved;
    cccc_buf_init(&saved);
    state_after(ledger, lines, &saved);
    cccc_slot_t slot = cccc_core_fold_begin(core, cccc_str(ledger->id), documents ? &ledger->document : &none, false);
    assert_true(cccc_core_fold_snapshot(core, slot, lines, saved.data, saved.size));
    assert_true(cccc_core_fold_sealed(core, slot, cccc_core_sealed_last(self->core, ledger->slot)));
    fold_lines(core, slot, ledger, lines, ledger->durable);
    cccc_core_fold_end(core, bench_moment(self), slot, NULL, NULL);
    cccc_value_t dump = cccc_core_dump_group(core, slot, self->arena);
    cccc_core_destroy(&core);
    cccc_buf_fini(&saved);
    return dump;
}

cccc_value_t bench_dump(bench_t *self, const char *group_id)
{
    return cccc_core_dump_group(self->core, bench_ledger_need(self, group_id)->slot, self->arena);
}

uint64_t bench_durable(bench_t *self, const char *group_id)
{
    return bench_ledger_need(self, group_id)->durable;
}

void bench_hand(bench_t *self, const char *group_id, const char *document)
{
    struct ledger *ledger = bench_ledger_need(self, group_id);
    ledger->document = bench_json(self, "%s", document);
    ledger->edited = true;
}

void bench_home(bench_t *self, const char *registry, const char *active)
{
    self->stored[CCCC_STORE_REGISTRY] = registry ? bench_json(self, "%s", registry) : cccc_nil();
    self->stored[CCCC_STORE_ACTIVE] = active ? bench_json(self, "%s", active) : cccc_nil();
    cccc_core_load_home(self->core, &self->stored[CCCC_STORE_REGISTRY], &self->stored[CCCC_STORE_ACTIVE]);
    cccc_core_loaded(self->core, bench_moment(self));
}

cccc_value_t bench_stored(bench_t *self, enum cccc_store_kind kind)
{
    return self->stored[kind];
}

void bench_repository(bench_t *self, const char *root, const char *remote)
{
    self->root = root;
    self->remote = remote;
}

void bench_lose_folder(bench_t *self, const char *group_id)
{
    bench_ledger_need(self, group_id)->lost = true;
}

bool bench_event(bench_t *self, const char *group_id, uint64_t seq, struct cccc_event *out)
{
    struct ledger *ledger = bench_ledger_need(self, group_id);
    if (seq == 0 || seq > ledger->count)
        return false;
    bench_line_event(&ledger->lines[seq - 1], self->arena, out);
    return true;
}

cccc_value_t bench_document(bench_t *self, const char *group_id)
{
    return bench_ledger_need(self, group_id)->document;
}

/* ---- speaking ---- */

void bench_as_operator(bench_t *self)
{
    self->peer = (struct cccc_peer){.standing = CCCC_PEER_OPERATOR, .uid = 1000, .gid = 1000, .pid = 42};
}

void bench_as_actor(bench_t *self, const char *group_id, const char *actor_id)
{
    self->peer = (struct cccc_peer){.standing = CCCC_PEER_ACTOR,
                                    .uid = 1000,
                                    .gid = 1000,
                                    .pid = 43,
                                    .group_id = cccc_arena_str(self->arena, cccc_str(group_id)),
                                    .actor_id = cccc_arena_str(self->arena, cccc_str(actor_id))};
}

void bench_can_hold(bench_t *self)
{
    self->holds = true;
}

uint64_t bench_generation(bench_t *self, const char *group_id, const char *actor_id)
{
    const struct holder *holder = *bench_holder_find(self, cccc_str(group_id), cccc_str(actor_id));
    return holder ? holder->generation : 0;
}

void bench_as_holder(bench_t *self, const char *group_id, const char *actor_id)
{
    bench_as_actor(self, group_id, actor_id);
    self->peer.standing = CCCC_PEER_HOLDER;
    self->peer.generation = bench_generation(self, group_id, actor_id);
}

void bench_kill_holder(bench_t *self, const char *group_id, const char *actor_id)
{
    struct holder *holder = *bench_holder_find(self, cccc_str(group_id), cccc_str(actor_id));
    assert_non_null(holder);
    holder->alive = false;
    bench_narrate(self, "holder of %s killed", actor_id);
    cccc_core_holder_gone(self->core, bench_moment(self), bench_ledger_need(self, group_id)->slot, cccc_str(actor_id), holder->generation);
    bench_take_effects(self);
}

void bench_prompt(bench_t *self, const char *text)
{
    self->prompt = text;
}

void bench_as_unknown(bench_t *self)
{
    self->peer = (struct cccc_peer){.standing = CCCC_PEER_UNKNOWN, .uid = 1000, .gid = 1000, .pid = 44};
}

/* A refused request never reaches the core; its answer is the decoder's. */
static void refuse(bench_t *self, uint64_t conn, const struct cccc_request *request, const struct cccc_refusal *refusal)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_reply_error(&out, &request->id, refusal->err, refusal->message.text, &refusal->details);
    struct cccc_effect effect = {.kind = CCCC_DO_REPLY};
    effect.reply.conn = conn;
    effect.reply.bytes = cccc_bytes_new(out.data, out.size);
    cccc_buf_fini(&out);
    take_reply(self, &effect);
}

static uint32_t packed_size(const cccc_value_t *v)
{
    cccc_buf_t buf;
    cccc_buf_init(&buf);
    cccc_pack_value(&buf, v);
    uint32_t size = (uint32_t)buf.size;
    cccc_buf_fini(&buf);
    return size;
}

void bench_request_value(bench_t *self, uint64_t conn, const char *op, cccc_value_t args)
{
    bench_narrate(self, "> %llu %s", (unsigned long long)conn, op);
    cccc_arena_t *arena = cccc_arena_new(8192);
    cccc_builder_t envelope = cccc_map_builder(arena, 3);
    cccc_map_add(&envelope, "v", cccc_uint(1));
    cccc_map_add(&envelope, "op", cccc_string(cccc_arena_str(arena, cccc_str(op))));
    cccc_map_add(&envelope, "args", cccc_value_copy(arena, &args));
    struct cccc_call_input input = {.conn = conn, .peer = self->peer, .bytes = packed_size(&envelope.value), .arena = arena};
    struct cccc_refusal refusal = {.details = cccc_nil()};
    if (cccc_request_from_value(&envelope.value, arena, &input.request, &refusal) != CCCC_OK) {
        refuse(self, conn, &input.request, &refusal);
        cccc_arena_destroy(&arena);
        return;
    }
    cccc_core_request(self->core, bench_moment(self), &input);
    bench_take_effects(self);
}

void bench_request(bench_t *self, uint64_t conn, const char *op, const char *args_format, ...)
{
    va_list args;
    va_start(args, args_format);
    cccc_value_t v = bench_json_of(self, args_format, args);
    va_end(args);
    bench_request_value(self, conn, op, v);
}

void bench_gone(bench_t *self, uint64_t conn)
{
    cccc_core_gone(self->core, conn);
    bench_take_effects(self);
}

const cccc_value_t *bench_reply(bench_t *self, uint64_t conn)
{
    for (struct answer **at = &self->answers; *at; at = &(*at)->next) {
        struct answer *answer = *at;
        if (answer->conn != conn)
            continue;
        *at = answer->next;
        if (self->answers_end == &answer->next)
            self->answers_end = at;
        return &answer->value;
    }
    return NULL;
}

static const cccc_value_t *ask(bench_t *self, const char *op, cccc_value_t args)
{
    uint64_t conn = self->next_conn++;
    bench_request_value(self, conn, op, args);
    bench_settle(self);
    const cccc_value_t *reply = bench_reply(self, conn);
    if (!reply)
        fail_msg("%s was not answered", op);
    return reply;
}

const cccc_value_t *bench_ask(bench_t *self, const char *op, const char *args_format, ...)
{
    va_list args;
    va_start(args, args_format);
    cccc_value_t v = bench_json_of(self, args_format, args);
    va_end(args);
    return ask(self, op, v);
}

const cccc_value_t *bench_do(bench_t *self, const char *op, const char *args_format, ...)
{
    va_list args;
    va_start(args, args_format);
    cccc_value_t v = bench_json_of(self, args_format, args);
    va_end(args);
    const cccc_value_t *reply = ask(self, op, v);
    if (strcmp(bench_code(reply), "ok") != 0)
        fail_msg("%s was refused: %s", op, bench_text(self, reply));
    return cccc_get(reply, "result");
}

/* ---- durability ---- */

static uint32_t sync_ledger(bench_t *self, struct ledger *ledger, uint32_t max)
{
    uint32_t open = ledger->count - ledger->durable;
    uint32_t n = open < max ? open : max;
    if (n == 0)
        return 0;
    ledger->durable += n;
    bench_narrate(self, "durable %s #%u", ledger->id, ledger->durable);
    cccc_core_durable(self->core, bench_moment(self), ledger->slot, ledger->durable);
    bench_take_effects(self);
    return n;
}

uint32_t bench_sync(bench_t *self, const char *group_id, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < self->ledger_count; i++) {
        if ((!group_id || strcmp(self->ledgers[i]->id, group_id) == 0) && !self->ledgers[i]->trashed)
            n += sync_ledger(self, self->ledgers[i], max);
    }
    return n;
}

void bench_fail(bench_t *self, const char *group_id, cccc_err_t err, bool outcome_unknown, uint32_t keep, bool refold)
{
    struct ledger *ledger = bench_ledger_need(self, group_id);
    uint32_t stored = ledger->durable + keep;
    ledger_cut(ledger, stored < ledger->count ? stored : ledger->count);
    ledger->durable = ledger->count;
    bench_narrate(self, "fail %s %s", ledger->id, cccc_err_code(err));
    cccc_core_append_failed(self->core, bench_moment(self), ledger->slot, err, outcome_unknown, cccc_err_meaning(err), refold);
    bench_take_effects(self);
}

void bench_refold(bench_t *self)
{
    while (self->refold_count > 0) {
        cccc_slot_t slot = self->refolds[--self->refold_count];
        for (uint32_t i = 0; i < self->ledger_count; i++) {
            if (self->ledgers[i]->has_slot && self->ledgers[i]->slot == slot)
                fold_ledger(self, self->ledgers[i]);
        }
    }
}

/* ---- all of it ---- */

void bench_settle(bench_t *self)
{
    bool busy = true;
    bench_take_effects(self);
    while (busy) {
        bench_refold(self);
        busy = bench_sync(self, NULL, UINT32_MAX) > 0;
        busy = bench_finish_read(self) || busy;
        busy = bench_finish_store(self) || busy;
    }
}

void bench_turn_clock(bench_t *self, int64_t seconds)
{
    self->unix_us += seconds * 1000000;
}

void bench_set_facts(bench_t *self, const struct cccc_daemon_facts *facts)
{
    self->facts = *facts;
}

void bench_pass(bench_t *self, uint32_t seconds)
{
    for (uint32_t i = 0; i < seconds; i++) {
        self->unix_us += 1000000;
        self->mono_us += 1000000;
        cccc_core_tick(self->core, bench_moment(self), &self->facts);
        bench_take_effects(self);
    }
}
