/* bench_core.c - see bench_core.h.
 *
 * A ledger is an array of wire forms with a durable count. Reads and file work wait in queues until the test finishes them.
 * Thread: one. */
#include "tests/support/bench_core.h"

#include "proto/hash.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct line {
    char *bytes;
    size_t len;
};

struct ledger {
    char id[16];
    char alias[16];
    cccc_slot_t slot;
    bool has_slot;
    struct line *lines;
    uint32_t count, durable, capacity;
    cccc_value_t document; /* as last stored; in the bench's arena */
    cccc_value_t first;    /* group.yaml as it was before any line */
    bool trashed;
    bool edited; /* by hand */
    bool lost;   /* a scan does not find its folder */
};

struct job {
    struct job *next;
    struct cccc_effect effect;
};

struct queue {
    struct job *first, **end;
};

struct answer {
    struct answer *next;
    uint64_t conn;
    cccc_value_t value;
};

struct blob {
    struct blob *next;
    char *key; /* <gid>/<name>, or <gid>/upload/<sha256> */
    char *bytes;
    size_t len;
};

/* state/runners/pty/<actor>.json of a group, and whether its process lives. */
struct holder {
    struct holder *next;
    char group_id[16];
    char actor_id[64];
    uint64_t generation;
    bool alive;
};

struct bench {
    cccc_core_t *core;
    cccc_arena_t *arena;
    uint64_t seed;
    int64_t unix_us;
    uint64_t mono_us;
    struct cccc_peer peer;
    struct ledger *ledgers[64];
    uint32_t ledger_count;
    cccc_ticket_t kept; /* of the last KEEP */
    struct queue reads, stores;
    cccc_slot_t refolds[64];
    uint32_t refold_count;
    struct answer *answers, **answers_end;
    struct blob *blobs;
    struct holder *holders;
    bool holds;
    const char *prompt;
    uint64_t next_conn;
    struct cccc_daemon_facts facts;
    cccc_value_t stored[CCCC_STORE_SECRETS + 1]; /* of one-file kinds; in the arena */
    const char *root, *remote;                   /* what CCCC_STORE_GIT finds */
    cccc_buf_t trace, shown;
    const char *const *quiet;
};

/* ---- values ---- */

__attribute__((format(printf, 2, 0))) static cccc_value_t json_value(bench_t *self, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert_true(n >= 0);
    char *text = cccc_arena_alloc(self->arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, args);
    for (char *c = text; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    cccc_value_t v = cccc_nil();
    struct cccc_errmsg m = {""};
    if (cccc_json_read(text, (size_t)n, self->arena, &v, &m) != CCCC_OK)
        fail_msg("bad JSON in a test: %s: %s", m.text, text);
    return v;
}

cccc_value_t bench_json(bench_t *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cccc_value_t v = json_value(self, format, args);
    va_end(args);
    return v;
}

const char *bench_text(bench_t *self, const cccc_value_t *v)
{
    if (!v)
        return "(missing)";
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_json_write(v, &out);
    cccc_str_t text = cccc_arena_str(self->arena, (cccc_str_t){out.data, out.size});
    cccc_buf_fini(&out);
    return text.ptr;
}

const cccc_value_t *bench_at(const cccc_value_t *v, const char *path)
{
    char key[64];
    while (v && *path) {
        size_t n = strcspn(path, ".");
        assert_true(n < sizeof key);
        memcpy(key, path, n);
        key[n] = '\0';
        path += n + (path[n] == '.');
        if (cccc_is_array(v)) {
            uint32_t i = (uint32_t)atoi(key);
            v = i < v->via.array.size ? &v->via.array.ptr[i] : NULL;
        } else {
            v = cccc_get(v, key);
        }
    }
    return v;
}

const char *bench_str_at(bench_t *self, const cccc_value_t *v, const char *path)
{
    cccc_str_t s;
    if (!cccc_as_str(bench_at(v, path), &s))
        return "(missing)";
    return cccc_arena_str(self->arena, s).ptr;
}

uint64_t bench_uint_at(const cccc_value_t *v, const char *path)
{
    uint64_t u = UINT64_MAX;
    cccc_as_uint(bench_at(v, path), &u);
    return u;
}

const char *bench_code(const cccc_value_t *reply)
{
    cccc_str_t code = cccc_get_str(cccc_get(reply, "error"), "code");
    return code.len ? cccc_err_code(cccc_err_from_code(code.ptr, code.len)) : "ok";
}

/* ---- the trace ---- */

static void narrate(bench_t *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void narrate(bench_t *self, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (const char *const *word = self->quiet; word && *word; word++) {
        if (strncmp(text, *word, strlen(*word)) == 0)
            return;
    }
    /* Group ids are shown as their aliases. */
    for (const char *c = text; *c;) {
        const struct ledger *found = NULL;
        for (uint32_t i = 0; i < self->ledger_count && !found; i++) {
            if (strncmp(c, self->ledgers[i]->id, strlen(self->ledgers[i]->id)) == 0)
                found = self->ledgers[i];
        }
        if (found)
            cccc_buf_str(&self->trace, found->alias);
        else
            cccc_buf_put(&self->trace, c, 1);
        c += found ? strlen(found->id) : 1;
    }
    cccc_buf_str(&self->trace, "\n");
}

const char *bench_trace(bench_t *self)
{
    self->shown.size = 0;
    cccc_buf_put(&self->shown, self->trace.data, self->trace.size);
    cccc_buf_put(&self->shown, "", 1);
    self->trace.size = 0;
    return self->shown.data;
}

void bench_quiet(bench_t *self, const char *const *words)
{
    self->quiet = words;
}

/* ---- ledgers ---- */

static struct ledger *ledger_find(bench_t *self, cccc_str_t id)
{
    for (uint32_t i = 0; i < self->ledger_count; i++) {
        if (cccc_str_is(id, self->ledgers[i]->id) && !self->ledgers[i]->trashed)
            return self->ledgers[i];
    }
    return NULL;
}

static struct ledger *ledger_need(bench_t *self, const char *id)
{
    struct ledger *ledger = ledger_find(self, cccc_str(id));
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

static void line_event(const struct line *line, cccc_arena_t *arena, struct cccc_event *event)
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
        line_event(&ledger->lines[i], arena, &event);
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
static struct cccc_moment *moment(bench_t *self)
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

static struct job *queue_take(struct queue *queue)
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
    struct ledger *ledger = ledger_find(self, effect->append.group_id);
    if (!ledger)
        ledger = ledger_new(self, effect->append.group_id, NULL);
    if (effect->append.create)
        assert_int_equal(ledger->count, 0);
    ledger->slot = effect->slot;
    ledger->has_slot = true;
    assert_int_equal(event->seq, ledger->count + 1);
    ledger_put(ledger, event);
    narrate(self, "append %s #%llu %.*s by %.*s", ledger->id, (unsigned long long)event->seq, CCCC_STR_FMT(event->kind),
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
        narrate(self, "reply %llu ok", (unsigned long long)answer->conn);
    else
        narrate(self, "reply %llu %s %s", (unsigned long long)answer->conn, code, bench_str_at(self, &answer->value, "error.message"));
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
        narrate(self, "read %u seqs from #%llu", query->seq_count, (unsigned long long)query->seqs[0]);
    else if (query->mode == CCCC_READ_ID)
        narrate(self, "read a client id in %u segments", query->seq_count);
    else
        narrate(self, "read %s #%llu limit %u", query->mode == CCCC_READ_AFTER ? "after" : "before", (unsigned long long)query->seq,
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
        narrate(self, "publish %.*s", (int)effect->publish.topic_len, effect->publish.topic);
        cccc_bytes_release(effect->publish.bytes);
        break;
    case CCCC_DO_STORE:
        narrate(self, "store %s%s%.*s", store_words[effect->store.kind], effect->store.name.len ? " " : "",
                CCCC_STR_FMT(effect->store.name));
        queue_put(&self->stores, effect);
        break;
    case CCCC_DO_KEEP:
        narrate(self, "%s%s", effect->keep.what == CCCC_KEEP_SEAL ? "seal" : "snapshot", effect->keep.force ? " by force" : "");
        self->kept = effect->ticket;
        break;
    case CCCC_DO_REFOLD:
        narrate(self, "refold");
        assert_true(self->refold_count < 64);
        self->refolds[self->refold_count++] = effect->slot;
        break;
    case CCCC_DO_LOG:
        narrate(self, "log %s %s", effect->log.id, effect->log.text);
        break;
    case CCCC_DO_SHUTDOWN:
        narrate(self, "shutdown");
        break;
    }
}

static void take_effects(bench_t *self)
{
    size_t count;
    struct cccc_effect *effects = cccc_core_take(self->core, &count);
    for (size_t i = 0; i < count; i++)
        take_effect(self, &effects[i]);
}

/* ---- holders ---- */

static struct holder **holder_find(bench_t *self, cccc_str_t group_id, cccc_str_t actor_id)
{
    struct holder **at = &self->holders;
    while (*at && !(cccc_str_is(group_id, (*at)->group_id) && cccc_str_is(actor_id, (*at)->actor_id)))
        at = &(*at)->next;
    return at;
}

static void holder_drop(struct holder **at)
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
    struct holder **known = holder_find(self, store->group_id, store->name);
    if (!self->holds)
        return CCCC_E_NOT_FOUND;
    if (*known && (*known)->alive)
        return CCCC_E_LOCKED;
    if (*known)
        holder_drop(known);
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
    struct holder **known = holder_find(self, store->group_id, store->name);
    if (*known && (*known)->generation == store->total)
        holder_drop(known);
    return CCCC_OK;
}

static void fold_holders(bench_t *self, const struct ledger *ledger, bool offline)
{
    for (const struct holder *holder = self->holders; holder; holder = holder->next) {
        cccc_value_t record = holder_record(self->arena, holder);
        if (strcmp(holder->group_id, ledger->id) == 0)
            cccc_core_fold_holder(self->core, ledger->slot, &record, holder->alive, offline);
    }
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
    for (struct job *job; (job = queue_take(queue));) {
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
        holder_drop(&b->holders);
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
    fold_holders(self, ledger, offline != NULL);
    cccc_core_fold_end(self->core, moment(self), ledger->slot, offline, read_only);
    take_effects(self);
}

static void fold_ledger(bench_t *self, struct ledger *ledger)
{
    fold_ledger_as(self, ledger, NULL, NULL);
}

void bench_reopen(bench_t *self, const char *group_id, const char *offline, const char *read_only)
{
    fold_ledger_as(self, ledger_need(self, group_id), offline, read_only);
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
    struct ledger *ledger = ledger_need(self, group_id);
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
    narrate(self, "restart");
    cccc_core_load_home(self->core, &self->stored[CCCC_STORE_REGISTRY], &self->stored[CCCC_STORE_ACTIVE]);
    for (uint32_t i = 0; i < self->ledger_count; i++) {
        struct ledger *ledger = self->ledgers[i];
        ledger_cut(ledger, ledger->durable);
        if (!ledger->trashed && (ledger->count > 0 || !cccc_is_nil(&ledger->document)))
            fold_ledger(self, ledger);
    }
    cccc_core_loaded(self->core, moment(self));
    take_effects(self);
}

cccc_value_t bench_refolded(bench_t *self, const char *group_id, bool documents)
{
    struct ledger *ledger = ledger_need(self, group_id);
    cccc_core_t *core = cccc_core_new();
    cccc_value_t none = cccc_nil();
    cccc_slot_t slot = cccc_core_fold_begin(core, cccc_str(ledger->id), documents ? &ledger->document : &none, false);
    cccc_core_fold_sealed(core, slot, cccc_core_sealed_last(self->core, ledger->slot));
    ledger_fold(core, slot, ledger);
    cccc_core_fold_end(core, moment(self), slot, NULL, NULL);
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
    struct ledger *ledger = ledger_need(self, group_id);
    cccc_core_t *core = cccc_core_new();
    cccc_value_t none = cccc_nil();
    cccc_buf_t saved;
    cccc_buf_init(&saved);
    state_after(ledger, lines, &saved);
    cccc_slot_t slot = cccc_core_fold_begin(core, cccc_str(ledger->id), documents ? &ledger->document : &none, false);
    assert_true(cccc_core_fold_snapshot(core, slot, lines, saved.data, saved.size));
    assert_true(cccc_core_fold_sealed(core, slot, cccc_core_sealed_last(self->core, ledger->slot)));
    fold_lines(core, slot, ledger, lines, ledger->durable);
    cccc_core_fold_end(core, moment(self), slot, NULL, NULL);
    cccc_value_t dump = cccc_core_dump_group(core, slot, self->arena);
    cccc_core_destroy(&core);
    cccc_buf_fini(&saved);
    return dump;
}

cccc_value_t bench_dump(bench_t *self, const char *group_id)
{
    return cccc_core_dump_group(self->core, ledger_need(self, group_id)->slot, self->arena);
}

uint64_t bench_durable(bench_t *self, const char *group_id)
{
    return ledger_need(self, group_id)->durable;
}

void bench_hand(bench_t *self, const char *group_id, const char *document)
{
    struct ledger *ledger = ledger_need(self, group_id);
    ledger->document = bench_json(self, "%s", document);
    ledger->edited = true;
}

void bench_home(bench_t *self, const char *registry, const char *active)
{
    self->stored[CCCC_STORE_REGISTRY] = registry ? bench_json(self, "%s", registry) : cccc_nil();
    self->stored[CCCC_STORE_ACTIVE] = active ? bench_json(self, "%s", active) : cccc_nil();
    cccc_core_load_home(self->core, &self->stored[CCCC_STORE_REGISTRY], &self->stored[CCCC_STORE_ACTIVE]);
    cccc_core_loaded(self->core, moment(self));
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
    ledger_need(self, group_id)->lost = true;
}

bool bench_event(bench_t *self, const char *group_id, uint64_t seq, struct cccc_event *out)
{
    struct ledger *ledger = ledger_need(self, group_id);
    if (seq == 0 || seq > ledger->count)
        return false;
    line_event(&ledger->lines[seq - 1], self->arena, out);
    return true;
}

cccc_value_t bench_document(bench_t *self, const char *group_id)
{
    return ledger_need(self, group_id)->document;
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
    const struct holder *holder = *holder_find(self, cccc_str(group_id), cccc_str(actor_id));
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
    struct holder *holder = *holder_find(self, cccc_str(group_id), cccc_str(actor_id));
    assert_non_null(holder);
    holder->alive = false;
    narrate(self, "holder of %s killed", actor_id);
    cccc_core_holder_gone(self->core, moment(self), ledger_need(self, group_id)->slot, cccc_str(actor_id), holder->generation);
    take_effects(self);
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

void bench_request_value(bench_t *self, uint64_t conn, const char *op, cccc_value_t args)
{
    narrate(self, "> %llu %s", (unsigned long long)conn, op);
    cccc_arena_t *arena = cccc_arena_new(8192);
    cccc_builder_t envelope = cccc_map_builder(arena, 3);
    cccc_map_add(&envelope, "v", cccc_uint(1));
    cccc_map_add(&envelope, "op", cccc_string(cccc_arena_str(arena, cccc_str(op))));
    cccc_map_add(&envelope, "args", cccc_value_copy(arena, &args));
    struct cccc_call_input input = {.conn = conn, .peer = self->peer, .arena = arena};
    struct cccc_refusal refusal = {.details = cccc_nil()};
    if (cccc_request_from_value(&envelope.value, arena, &input.request, &refusal) != CCCC_OK) {
        refuse(self, conn, &input.request, &refusal);
        cccc_arena_destroy(&arena);
        return;
    }
    cccc_core_request(self->core, moment(self), &input);
    take_effects(self);
}

void bench_request(bench_t *self, uint64_t conn, const char *op, const char *args_format, ...)
{
    va_list args;
    va_start(args, args_format);
    cccc_value_t v = json_value(self, args_format, args);
    va_end(args);
    bench_request_value(self, conn, op, v);
}

void bench_gone(bench_t *self, uint64_t conn)
{
    cccc_core_gone(self->core, conn);
    take_effects(self);
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
    cccc_value_t v = json_value(self, args_format, args);
    va_end(args);
    return ask(self, op, v);
}

const cccc_value_t *bench_do(bench_t *self, const char *op, const char *args_format, ...)
{
    va_list args;
    va_start(args, args_format);
    cccc_value_t v = json_value(self, args_format, args);
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
    narrate(self, "durable %s #%u", ledger->id, ledger->durable);
    cccc_core_durable(self->core, moment(self), ledger->slot, ledger->durable);
    take_effects(self);
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
    struct ledger *ledger = ledger_need(self, group_id);
    uint32_t stored = ledger->durable + keep;
    ledger_cut(ledger, stored < ledger->count ? stored : ledger->count);
    ledger->durable = ledger->count;
    narrate(self, "fail %s %s", ledger->id, cccc_err_code(err));
    cccc_core_append_failed(self->core, moment(self), ledger->slot, err, outcome_unknown, cccc_err_meaning(err), refold);
    take_effects(self);
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

/* ---- reads ---- */

static bool array_has(const cccc_value_t *array, cccc_str_t s)
{
    for (uint32_t i = 0; cccc_is_array(array) && i < array->via.array.size; i++) {
        cccc_str_t item;
        if (cccc_as_str(&array->via.array.ptr[i], &item) && cccc_str_eq(item, s))
            return true;
    }
    return false;
}

static bool query_wants(const struct cccc_read_query *query, const struct cccc_event *event)
{
    if (query->kinds && query->kinds->via.array.size && !array_has(query->kinds, event->kind))
        return false;
    if (query->by.len && !cccc_str_eq(query->by, event->by))
        return false;
    return query->recipient.len == 0 || array_has(cccc_get(&event->data, "audience"), query->recipient);
}

struct reading {
    cccc_buf_t events;
    uint64_t *seqs;
    uint32_t *ends;
    uint32_t count;
};

static void reading_add(struct reading *reading, const struct line *line, uint64_t seq)
{
    cccc_buf_put(&reading->events, line->bytes, line->len);
    reading->seqs[reading->count] = seq;
    reading->ends[reading->count++] = (uint32_t)reading->events.size;
}

/* Line `seq` into the reading if the query wants it; false when the reading is full. */
static bool reading_try(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t seq)
{
    const struct line *line = &ledger->lines[seq - 1];
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_event event;
    line_event(line, arena, &event);
    bool wanted = query_wants(query, &event);
    cccc_arena_destroy(&arena);
    if (!wanted)
        return true;
    bool full =
        reading->count >= query->limit || (query->bytes_max && reading->count > 0 && reading->events.size + line->len > query->bytes_max);
    if (!full)
        reading_add(reading, line, seq);
    return !full;
}

static bool read_after(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t *checked)
{
    if (*checked > ledger->durable)
        *checked = ledger->durable;
    for (uint64_t seq = query->seq + 1; seq <= ledger->durable; seq++) {
        if (!reading_try(reading, ledger, query, seq))
            return true;
        *checked = seq;
    }
    return false;
}

/* The last ones before: find where they start, then read forward. */
static bool read_before(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t *checked)
{
    uint64_t end = query->seq ? query->seq : ledger->durable + 1ull;
    if (end > ledger->durable + 1ull)
        end = ledger->durable + 1ull;
    uint64_t start = end;
    struct reading probe = {.seqs = reading->seqs, .ends = reading->ends};
    cccc_buf_init(&probe.events);
    while (start > 1 && reading_try(&probe, ledger, query, start - 1))
        start--;
    cccc_buf_fini(&probe.events);
    for (uint64_t seq = start; seq < end; seq++)
        reading_try(reading, ledger, query, seq);
    *checked = start;
    return start > 1;
}

static bool read_seqs(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t *checked)
{
    for (uint32_t i = 0; i < query->seq_count; i++) {
        uint64_t seq = query->seqs[i];
        if (seq == 0 || seq > ledger->durable)
            continue;
        if (query->bytes_max && reading->count && reading->events.size + ledger->lines[seq - 1].len > query->bytes_max)
            return true;
        reading_add(reading, &ledger->lines[seq - 1], seq);
        *checked = seq;
    }
    return false;
}

/* The events with that client id in the segments that begin with query->seqs; of bench_seal's there is one, from event 1. */
static bool read_id(struct reading *reading, const struct ledger *ledger, const struct cccc_read_query *query, uint64_t *checked)
{
    for (uint64_t seq = 1; seq <= ledger->durable; seq++) {
        cccc_arena_t *arena = cccc_arena_new(4096);
        struct cccc_event event;
        line_event(&ledger->lines[seq - 1], arena, &event);
        cccc_str_t client_id = cccc_get_str(&event.data, "client_id");
        bool hit = client_id.len > 0 && cccc_hash64_pair(event.by, client_id) == query->hash;
        if (hit)
            reading_add(reading, &ledger->lines[seq - 1], seq);
        if (hit && query->behind && seq < ledger->durable)
            reading_add(reading, &ledger->lines[seq], seq + 1);
        cccc_arena_destroy(&arena);
    }
    *checked = ledger->durable;
    return false;
}

void bench_seal(bench_t *self, const char *group_id, uint64_t through, struct cccc_id_filter *filter)
{
    cccc_core_sealed(self->core, ledger_need(self, group_id)->slot, &(struct cccc_sealed_ids){1, through, filter}, 1);
}

void bench_keep(bench_t *self, cccc_err_t err, const char *value)
{
    cccc_value_t v = value ? bench_json(self, "%s", value) : cccc_nil();
    narrate(self, "kept");
    cccc_core_store_done(self->core, moment(self), self->kept, err, err ? "the disk refused" : NULL, &v);
    take_effects(self);
}

static void end_read(bench_t *self, struct job *job, const struct cccc_read_result *result)
{
    cccc_core_read_done(self->core, moment(self), job->effect.ticket, result);
    cccc_arena_destroy(&job->effect.read.arena);
    free(job);
    take_effects(self);
}

bool bench_fail_read(bench_t *self, cccc_err_t err)
{
    struct job *job = queue_take(&self->reads);
    if (!job)
        return false;
    struct cccc_read_result result = {.err = err};
    snprintf(result.message.text, sizeof result.message.text, "%s", cccc_err_meaning(err));
    narrate(self, "read failed");
    end_read(self, job, &result);
    return true;
}

bool bench_lose_read(bench_t *self)
{
    struct job *job = queue_take(&self->reads);
    if (!job)
        return false;
    const struct cccc_read_query *query = &job->effect.read.query;
    uint64_t seq = query->mode == CCCC_READ_SEQS ? query->seqs[0] : query->seq + 1;
    struct cccc_gap gap = {.from_seq = seq, .to_seq = seq, .reason = "damaged"};
    struct cccc_read_result result = {.events = "", .gaps = &gap, .gap_count = 1, .checked_seq = seq};
    narrate(self, "read done: a gap");
    end_read(self, job, &result);
    return true;
}

uint32_t bench_open_reads(const bench_t *self)
{
    uint32_t count = 0;
    for (const struct job *job = self->reads.first; job; job = job->next)
        count++;
    return count;
}

bool bench_finish_read(bench_t *self)
{
    struct job *job = queue_take(&self->reads);
    if (!job)
        return false;
    const struct cccc_read_query *query = &job->effect.read.query;
    struct ledger *ledger = NULL;
    for (uint32_t i = 0; i < self->ledger_count; i++) {
        if (self->ledgers[i]->has_slot && self->ledgers[i]->slot == job->effect.slot)
            ledger = self->ledgers[i];
    }
    assert_non_null(ledger);
    struct reading reading = {.seqs = calloc(ledger->count + 1, sizeof(uint64_t)), .ends = calloc(ledger->count + 1, sizeof(uint32_t))};
    assert_true(reading.seqs && reading.ends);
    cccc_buf_init(&reading.events);
    uint64_t checked = query->seq;
    bool more = query->mode == CCCC_READ_AFTER    ? read_after(&reading, ledger, query, &checked)
                : query->mode == CCCC_READ_BEFORE ? read_before(&reading, ledger, query, &checked)
                : query->mode == CCCC_READ_ID     ? read_id(&reading, ledger, query, &checked)
                                                  : read_seqs(&reading, ledger, query, &checked);
    struct cccc_read_result result = {.events = reading.events.data,
                                      .events_len = reading.events.size,
                                      .event_count = reading.count,
                                      .event_seqs = reading.seqs,
                                      .event_ends = reading.ends,
                                      .checked_seq = checked,
                                      .more = more};
    narrate(self, "read done: %u events", result.event_count);
    end_read(self, job, &result);
    cccc_buf_fini(&reading.events);
    free(reading.seqs);
    free(reading.ends);
    return true;
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
    struct ledger *ledger = ledger_find(self, store->group_id);
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
    struct job *job = queue_take(&self->stores);
    if (!job)
        return false;
    cccc_value_t value = cccc_nil();
    cccc_err_t err = failure ? failure : run_store(self, &job->effect.store, &value);
    if (job->effect.ticket)
        cccc_core_store_done(self->core, moment(self), job->effect.ticket, err, err ? cccc_err_meaning(err) : NULL, &value);
    cccc_arena_destroy(&job->effect.store.arena);
    free(job);
    take_effects(self);
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

/* ---- all of it ---- */

void bench_settle(bench_t *self)
{
    bool busy = true;
    take_effects(self);
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
        cccc_core_tick(self->core, moment(self), &self->facts);
        take_effects(self);
    }
}
