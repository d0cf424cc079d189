/* call.c - what a handler may do with its call: fail, reply, append, wait, read, store.
 *
 * Owns the life of a call: it lives in its arena, from the request until it is answered and none of its appends is open.
 * Invariants: each call is answered exactly once; an event gets its seq when it is decided, in the order of decisions.
 * Thread: the core's. */
#include "broker/core/guards/guards.h"
#include "broker/mutant.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- ending ---- */

void call_drop(call_t *call)
{
    cccc_arena_t *arena = call->arena;
    for (struct cccc_pending *p = call->decided_events; p; p = p->sibling)
        cccc_bytes_release(p->wire);
    cccc_arena_destroy(&arena);
}

void call_finish(call_t *call)
{
    CCCC_ASSERT(!call->finished && call->ticket == 0, "(a call is answered once)");
    call->finished = true;
    call->next = NULL;
    if (call->ended)
        call->ended(call);
    call_release_conn(call);
    /* Appends that are still open hold values of the arena; the last of them frees the call. */
    if (call->appends_open == 0)
        call_drop(call);
}

static void reply_send(call_t *call, const cccc_buf_t *bytes)
{
    if (call->conn == 0)
        return;
    struct cccc_effect *effect = core_effect(call->core, CCCC_DO_REPLY);
    effect->reply.conn = call->conn;
    effect->reply.bytes = cccc_bytes_new(bytes->data, bytes->size);
    if (CCCC_MUTANT_IS(REPLY_TWICE)) {
        struct cccc_effect *again = core_effect(call->core, CCCC_DO_REPLY);
        again->reply.conn = call->conn;
        again->reply.bytes = cccc_bytes_new(bytes->data, bytes->size);
    }
}

static cccc_buf_t *scratch(struct cccc_core *core)
{
    core->scratch.size = 0;
    return &core->scratch;
}

__attribute__((format(printf, 4, 0))) static void fail(call_t *call, cccc_err_t err, const cccc_value_t *details, const char *fmt,
                                                       va_list args)
{
    char message[1024];
    vsnprintf(message, sizeof message, fmt, args);
    cccc_buf_t *out = scratch(call->core);
    cccc_reply_error(out, &call->request.id, err, message, details);
    reply_send(call, out);
    call_finish(call);
}

void call_fail(call_t *call, cccc_err_t err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail(call, err, NULL, fmt, args);
    va_end(args);
}

void call_fail_cause(call_t *call, cccc_err_t err, cccc_err_t cause, const char *fmt, ...)
{
    cccc_builder_t details = cccc_map_builder(call->arena, 1);
    cccc_map_add(&details, "cause", cccc_text(cccc_err_code(cause)));
    va_list args;
    va_start(args, fmt);
    fail(call, err, &details.value, fmt, args);
    va_end(args);
}

void call_fail_details(call_t *call, cccc_err_t err, cccc_value_t details, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail(call, err, &details, fmt, args);
    va_end(args);
}

cccc_buf_t *call_reply_begin(call_t *call, uint32_t pairs)
{
    const cccc_value_t *ignored = &call->request.args.ignored;
    bool some = cccc_is_array(ignored) && ignored->via.array.size > 0;
    cccc_buf_t *out = scratch(call->core);
    cccc_reply_begin(out, &call->request.id);
    cccc_pack_map(out, pairs + (some ? 1 : 0));
    if (some) {
        cccc_pack_text(out, "ignored");
        cccc_pack_value(out, ignored);
    }
    return out;
}

void call_reply_end(call_t *call, cccc_buf_t *out)
{
    reply_send(call, out);
    call_finish(call);
}

void call_reply_event(call_t *call)
{
    cccc_buf_t *out = call_reply_begin(call, 2);
    cccc_pack_text(out, "event");
    cccc_buf_put(out, call->appended->wire->data, call->appended->wire->len);
    cccc_pack_text(out, "as_of_seq");
    cccc_pack_uint(out, call->group->head_seq);
    call_reply_end(call, out);
}

void call_reply(call_t *call, const cccc_value_t *result)
{
    CCCC_ASSERT(cccc_is_map(result), "(a result is a map)");
    cccc_buf_t *out = call_reply_begin(call, result->via.map.size);
    for (uint32_t i = 0; i < result->via.map.size; i++) {
        cccc_pack_value(out, &result->via.map.ptr[i].key);
        cccc_pack_value(out, &result->via.map.ptr[i].val);
    }
    call_reply_end(call, out);
}

/* ---- appending ---- */

static cccc_err_t append_allowed(const struct cccc_core *core, const struct cccc_group *group, struct cccc_errmsg *m)
{
    if (group->deleted)
        return cccc_fail(m, CCCC_E_GROUP_NOT_FOUND, "group %s was deleted", group->id);
    if (group->offline)
        return cccc_fail(m, CCCC_E_GROUP_OFFLINE, "group %s is offline: %s", group->id, group->offline);
    if (group->read_only)
        return cccc_fail(m, CCCC_E_GROUP_READ_ONLY, "group %s takes no events: %s", group->id, group->read_only);
    if (core->serve_only) /* a new group; those that were there are read-only */
        return cccc_fail(m, CCCC_E_GROUP_READ_ONLY, "group %s is not made: %s", group->id, SERVE_ONLY_WHY);
    if (group->folding)
        return cccc_fail(m, CCCC_E_BUSY, "group %s is being read again after a failed write; try again in a moment", group->id);
    if (group->pending_count >= CCCC_PENDING_EVENTS_MAX)
        return cccc_fail(m, CCCC_E_BUSY, "%d events of group %s wait for the disk already; try again when some are answered",
                         CCCC_PENDING_EVENTS_MAX, group->id);
    if (core->pending_bytes >= CCCC_PENDING_BYTES_MAX)
        return cccc_fail(m, CCCC_E_BUSY, "%d bytes of events wait for the disk already; try again when some are answered",
                         CCCC_PENDING_BYTES_MAX);
    return CCCC_OK;
}

/* The limit holds for the line, whose escapes may take six bytes where the wire form takes one; only a form that could come near is measured. */
static bool line_fits(const struct cccc_event *event, size_t wire_len)
{
    if (wire_len <= CCCC_EVENT_BYTES_MAX / 8)
        return true;
    struct cccc_seal seal = {0};
    cccc_buf_t line;
    cccc_buf_init(&line);
    cccc_line_write(event, &seal, &line);
    bool fits = line.size <= CCCC_EVENT_BYTES_MAX;
    cccc_buf_fini(&line);
    return fits;
}

/* Where an event's own texts live. */
struct event_texts {
    char id[33], ts[28];
};

/* Give `event` its id, ts and seq, and encode it into the scratch buffer. */
static cccc_err_t encode(struct cccc_core *core, struct cccc_group *group, struct cccc_event *event, struct event_texts *texts,
                         struct cccc_errmsg *m)
{
    cccc_err_t err = append_allowed(core, group, m);
    if (err)
        return err;
    cccc_event_id_make(texts->id, (uint64_t)core->now->unix_us / 1000, group->next_seq, core_random(core));
    core_ts(core, texts->ts);
    event->id = (cccc_str_t){texts->id, sizeof texts->id - 1};
    event->ts = (cccc_str_t){texts->ts, sizeof texts->ts - 1};
    event->seq = group->next_seq;
    event->group_id = cccc_str(group->id);
    event->extra = cccc_nil();
    cccc_buf_t *wire = scratch(core);
    cccc_event_pack(event, wire);
    if (wire->size > CCCC_EVENT_BYTES_MAX || !line_fits(event, wire->size))
        return cccc_fail(m, CCCC_E_TOO_LARGE, "the event would be larger than EVENT_BYTES_MAX (%d bytes); put the bulk into an attachment",
                         CCCC_EVENT_BYTES_MAX);
    return CCCC_OK;
}

static cccc_err_t decide(struct cccc_core *core, cccc_arena_t *arena, struct cccc_group *group, const struct cccc_event *draft,
                         struct cccc_pending **out, struct cccc_errmsg *m)
{
    struct cccc_pending *p = cccc_arena_alloc(arena, sizeof *p + sizeof(struct event_texts));
    memset(p, 0, sizeof *p);
    p->event = *draft;
    cccc_err_t err = encode(core, group, &p->event, (struct event_texts *)(p + 1), m);
    if (err)
        return err;
    p->wire = cccc_bytes_new(core->scratch.data, core->scratch.size);
    *out = p;
    return CCCC_OK;
}

static void pend(struct cccc_core *core, struct cccc_group *group, struct cccc_pending *p, cccc_kind_t kind)
{
    p->kind = kind;
    group->pending_config += kind_is_config(kind);
    group->pending_expiries += expiry_is_in(&p->event, kind);
    group->next_seq++;
    *group->pending_end = p;
    group->pending_end = &p->next;
    group->pending_count++;
    group->pending_bytes += p->wire->len;
    core->pending_count++;
    core->pending_bytes += p->wire->len;
    struct cccc_effect *effect = core_effect(core, CCCC_DO_APPEND);
    effect->slot = group->slot;
    effect->append.event = &p->event;
    effect->append.create = !group->created;
    effect->append.group_id = cccc_str(group->id);
    group->created = true;
    if (kind == CCCC_KIND_ACTOR_REMOVE)
        guards_leaves(group, cccc_get_str(&p->event.data, "actor_id"), p->event.seq);
    if (CCCC_MUTANT_IS(PUBLISH_BEFORE_COMMIT))
        publish_event(core, group, p);
}

cccc_err_t call_append(call_t *call, struct cccc_group *group, cccc_kind_t kind, cccc_str_t by, cccc_str_t scope_key, cccc_value_t data,
                       call_next_fn next, struct cccc_errmsg *m)
{
    struct cccc_event draft = {
        .kind = cccc_str(cccc_kind_word(kind)), .scope_key = scope_key, .by = by, .attest = permit_attest(call), .data = data};
    struct cccc_pending *p;
    cccc_err_t err = decide(call->core, call->arena, group, &draft, &p, m);
    if (err)
        return err;
    p->call = call;
    p->sibling = call->decided_events;
    call->decided_events = p;
    call->appended = p;
    call->appends_open++;
    call->decided = true;
    if (next)
        call->next = next;
    pend(call->core, group, p, kind);
    call_release_conn(call);
    return CCCC_OK;
}

cccc_err_t call_append_check(call_t *call, struct cccc_group *group, cccc_kind_t kind, cccc_str_t by, cccc_str_t scope_key,
                             cccc_value_t data, uint32_t more, struct cccc_errmsg *m)
{
    struct cccc_event draft = {
        .kind = cccc_str(cccc_kind_word(kind)), .scope_key = scope_key, .by = by, .attest = permit_attest(call), .data = data};
    struct event_texts texts;
    if (group->pending_count + more >= CCCC_PENDING_EVENTS_MAX)
        return cccc_fail(m, CCCC_E_BUSY, "%d events of group %s wait for the disk already; try again when some are answered",
                         CCCC_PENDING_EVENTS_MAX, group->id);
    return encode(call->core, group, &draft, &texts, m);
}

cccc_err_t core_append(struct cccc_core *core, struct cccc_group *group, cccc_kind_t kind, cccc_str_t by, cccc_str_t scope_key,
                       cccc_value_t data, cccc_arena_t **arena, struct cccc_errmsg *m)
{
    struct cccc_event draft = {
        .kind = cccc_str(cccc_kind_word(kind)), .scope_key = scope_key, .by = by, .attest = cccc_nil(), .data = data};
    struct cccc_pending *p;
    cccc_err_t err = decide(core, *arena, group, &draft, &p, m);
    if (err) {
        cccc_arena_destroy(arena);
        return err;
    }
    p->arena = *arena;
    *arena = NULL;
    pend(core, group, p, kind);
    return CCCC_OK;
}

struct cccc_pending *group_pending(const struct cccc_group *group, uint64_t seq)
{
    struct cccc_pending *p = group->pending;
    while (p && p->event.seq < seq)
        p = p->next;
    return p && p->event.seq == seq ? p : NULL;
}

/* ---- waiting ---- */

void call_wait(call_t *call, struct cccc_pending *pending, call_next_fn next)
{
    struct cccc_waiter *waiter = cccc_arena_alloc(call->arena, sizeof *waiter);
    waiter->call = call;
    waiter->next = pending->waiters;
    pending->waiters = waiter;
    call->appends_open++;
    call->decided = true;
    call->next = next;
    call_release_conn(call);
}

void call_read(call_t *call, struct cccc_group *group, const struct cccc_read_query *query, call_next_fn next)
{
    cccc_ticket_t ticket = call_park(call, next);
    struct cccc_effect *effect = core_effect(call->core, CCCC_DO_READ);
    effect->slot = group->slot;
    effect->ticket = ticket;
    effect->read.query = *query;
    effect->read.arena = NULL;
}

static void store_effect(struct cccc_core *core, struct cccc_store *store, cccc_ticket_t ticket)
{
    struct cccc_effect *effect = core_effect(core, CCCC_DO_STORE);
    effect->ticket = ticket;
    effect->store = *store;
    store->arena = NULL;
}

void call_store(call_t *call, struct cccc_store *store, call_next_fn next)
{
    store_effect(call->core, store, next ? call_park(call, next) : 0);
}

void call_keep(call_t *call, struct cccc_group *group, enum cccc_keep what, bool force, call_next_fn next)
{
    cccc_ticket_t ticket = call_park(call, next);
    struct cccc_effect *effect = core_effect(call->core, CCCC_DO_KEEP);
    effect->slot = group->slot;
    effect->ticket = ticket;
    effect->keep.what = what;
    effect->keep.force = force;
}

void core_store(struct cccc_core *core, struct cccc_store *store)
{
    store_effect(core, store, 0);
}

/* ---- common checks ---- */

bool call_group(call_t *call, enum cccc_arg_slot group_id_slot)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, group_id_slot);
    struct cccc_group *group = core_group(call->core, id);
    if (!group) {
        call_fail(call, CCCC_E_GROUP_NOT_FOUND, "no group %.*s in this home; `cccc groups` lists them", CCCC_STR_FMT(id));
        return false;
    }
    if (group->offline) {
        call_fail(call, CCCC_E_GROUP_OFFLINE, "group %s is offline: %s; `cccc doctor` says more", group->id, group->offline);
        return false;
    }
    if (group->folding) {
        call_fail(call, CCCC_E_BUSY, "group %s is being read from its ledger; try again in a moment", group->id);
        return false;
    }
    call->group = group;
    return true;
}

bool call_read_event(call_t *call, uint32_t index, struct cccc_event *out)
{
    const struct cccc_read_result *read = call->read;
    if (!read || index >= read->event_count)
        return false;
    uint32_t start = index ? read->event_ends[index - 1] : 0;
    uint32_t len = read->event_ends[index] - start;
    /* The result is borrowed for this input only; the call may live longer. */
    char *bytes = cccc_arena_alloc(call->arena, len);
    memcpy(bytes, read->events + start, len);
    struct cccc_errmsg m;
    return cccc_event_unpack(bytes, len, call->arena, out, &m) == CCCC_OK;
}
