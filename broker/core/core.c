/* core.c - inputs: which call runs next, and what becomes of pending events.
 *
 * Owns the connections (who waits behind whom), the tickets of parked calls, the groups' pending lists and the collected effects. Decisions are in
 * the verb files, state changes in apply.c, how groups come from their ledgers in fold.c.
 * Invariants: requests of one connection are decided in the order they came. A call is answered once. An event leaves the pending list
 * by being applied or by being answered as failed, never both.
 * Thread: the loop's. */
#include "broker/core/automation/automation.h"
#include "broker/core/call.h"
#include "broker/core/context/context.h"
#include "broker/core/guards/guards.h"
#include "broker/core/runtime/runtime.h"
#include "broker/mutant.h"
#include "proto/prefetch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A connection with an undecided call that waits, and the requests behind it. Exists only then. */
struct cccc_conn {
    uint64_t conn;
    struct cccc_call *waiting; /* NULL: runnable */
    struct cccc_call *first, *last;
    uint32_t queued, queued_bytes;
    bool listed; /* in core->runnable */
    struct cccc_conn *next_runnable;
    UT_hash_handle hh;
};

typedef void (*op_fn)(call_t *call);

static const op_fn ops[CCCC_OP_COUNT] = {
#define CCCC_OP(op, summary) [CCCC_OP_##op] = op_##op,
#define CCCC_ARG(op, name, type, need, max, missing, summary)
#include "proto/ops.def"
#undef CCCC_OP
#undef CCCC_ARG
};

/* Scratch memory above this is given back after use. */
#define SCRATCH_KEEP_BYTES (1024u * 1024u)

cccc_core_t *cccc_core_new(void)
{
    cccc_core_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    cccc_buf_init(&self->scratch);
    self->now = &self->moment;
    cccc_core_followed(self, true, true);
    return self;
}

void cccc_core_followed(cccc_core_t *self, bool events, bool inboxes)
{
    self->events_followed = events;
    self->inboxes_followed = inboxes;
}

void cccc_core_serve_only(cccc_core_t *self)
{
    self->serve_only = true;
}

/* ---- effects ---- */

struct cccc_effect *core_effect(struct cccc_core *core, enum cccc_effect_kind kind)
{
    if (core->effect_count == core->effect_capacity) {
        core->effect_capacity = core->effect_capacity ? core->effect_capacity * 2 : 64;
        core->effects = realloc(core->effects, core->effect_capacity * sizeof *core->effects);
        CCCC_ASSERT(core->effects, "(out of memory)");
    }
    /* Not cleared: the topic and text buffers make an effect large, and each kind sets what it uses. */
    struct cccc_effect *effect = &core->effects[core->effect_count++];
    effect->kind = kind;
    effect->slot = 0;
    effect->ticket = 0;
    return effect;
}

struct cccc_effect *cccc_core_take(cccc_core_t *self, size_t *count)
{
    struct cccc_effect *taken = self->effects;
    size_t capacity = self->effect_capacity;
    *count = self->effect_count;
    self->effects = self->taken;
    self->effect_capacity = self->taken_capacity;
    self->effect_count = 0;
    self->taken = taken;
    self->taken_capacity = capacity;
    return taken;
}

/* What nobody took is given back. */
static void effect_drop(struct cccc_effect *effect)
{
    switch (effect->kind) {
    case CCCC_DO_REPLY:
        cccc_bytes_release(effect->reply.bytes);
        break;
    case CCCC_DO_PUBLISH:
        cccc_bytes_release(effect->publish.bytes);
        break;
    case CCCC_DO_READ:
        cccc_arena_destroy(&effect->read.arena);
        break;
    case CCCC_DO_STORE:
        cccc_arena_destroy(&effect->store.arena);
        break;
    case CCCC_DO_APPEND:
    case CCCC_DO_KEEP:
    case CCCC_DO_REFOLD:
    case CCCC_DO_LOG:
    case CCCC_DO_SHUTDOWN:
        break;
    }
}

void core_log(struct cccc_core *core, int level, const char *id, const char *fmt, ...)
{
    struct cccc_effect *effect = core_effect(core, CCCC_DO_LOG);
    effect->log.level = level;
    effect->log.id = id;
    effect->log.fmt = fmt;
    va_list args;
    va_start(args, fmt);
    vsnprintf(effect->log.text, sizeof effect->log.text, fmt, args);
    va_end(args);
}

/* ---- time and chance ---- */

void core_begin_input(struct cccc_core *core, const struct cccc_moment *now)
{
    core->moment = *now;
    core->random_state[0] ^= now->random[0];
    core->random_state[1] ^= now->random[1];
}

/* Blackman and Vigna, xoroshiro128+ (2018); the input's seed is what makes it unpredictable. */
uint64_t core_random(struct cccc_core *core)
{
    uint64_t a = core->random_state[0], b = core->random_state[1];
    uint64_t result = a + b;
    b ^= a;
    core->random_state[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
    core->random_state[1] = (b << 37) | (b >> 27);
    return result;
}

void core_ts(struct cccc_core *core, char out[28])
{
    if (core->ts_us != core->now->unix_us || core->ts[0] == '\0') {
        cccc_ts_format(core->ts, core->now->unix_us);
        core->ts_us = core->now->unix_us;
    }
    memcpy(out, core->ts, sizeof core->ts);
}

/* ---- connections ---- */

static struct cccc_conn *conn_find(struct cccc_core *core, uint64_t id)
{
    struct cccc_conn *conn = NULL;
    if (core->conns)
        HASH_FIND(hh, core->conns, &id, sizeof id, conn);
    return conn;
}

static void conn_link(struct cccc_core *core, struct cccc_conn *conn)
{
    HASH_ADD(hh, core->conns, conn, sizeof conn->conn, conn);
}

static void conn_drop(struct cccc_core *core, struct cccc_conn *conn)
{
    HASH_DELETE(hh, core->conns, conn); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    free(conn);
}

/* `call` is undecided and parked: what its connection sends next waits behind it. */
static void conn_hold(call_t *call)
{
    struct cccc_core *core = call->core;
    if (call->conn == 0 || call->decided)
        return;
    struct cccc_conn *conn = conn_find(core, call->conn);
    if (!conn) {
        conn = calloc(1, sizeof *conn);
        CCCC_ASSERT(conn, "(out of memory)");
        conn->conn = call->conn;
        conn_link(core, conn);
    }
    conn->waiting = call;
}

void call_release_conn(call_t *call)
{
    struct cccc_core *core = call->core;
    struct cccc_conn *conn = conn_find(core, call->conn);
    if (!conn || conn->waiting != call)
        return;
    conn->waiting = NULL;
    if (!conn->listed) {
        conn->listed = true;
        conn->next_runnable = core->runnable;
        core->runnable = conn;
    }
}

static bool conn_enqueue(struct cccc_conn *conn, call_t *call)
{
    if (conn->queued >= CCCC_PARKED_REQUESTS_MAX || conn->queued_bytes + call->bytes > CCCC_PARKED_REQUEST_BYTES_MAX)
        return false;
    call->behind = NULL;
    if (conn->last)
        conn->last->behind = call;
    else
        conn->first = call;
    conn->last = call;
    conn->queued++;
    conn->queued_bytes += call->bytes;
    return true;
}

static call_t *conn_dequeue(struct cccc_conn *conn)
{
    call_t *call = conn->first;
    if (call) {
        conn->first = call->behind;
        conn->queued--;
        conn->queued_bytes -= call->bytes;
        if (!conn->first)
            conn->last = NULL;
    }
    return call;
}

/* Does it change files of the home without recording an event? What records one is refused by its group, which is read-only then. */
static bool changes_files(const struct cccc_request *request)
{
    switch (request->op) {
    case CCCC_OP_active_set:
    case CCCC_OP_observability_update:
    case CCCC_OP_actor_env_private_update:
    case CCCC_OP_blob_put:
    case CCCC_OP_ledger_snapshot:
    case CCCC_OP_ledger_compact:
    case CCCC_OP_debug_clear_logs:
        return true;
    case CCCC_OP_registry_reconcile:
        return cccc_arg_bool(&request->args, CCCC_A_registry_reconcile_remove_missing, false);
    default:
        return false;
    }
}

static void call_start(call_t *call)
{
    if (call->core->stopping) {
        call_fail(call, CCCC_E_SHUTTING_DOWN, "the daemon is stopping; repeat the request when it is back");
        return;
    }
    if (call->peer.standing == CCCC_PEER_UNKNOWN && call->request.op != CCCC_OP_ping) {
        call_fail(call, CCCC_E_SENDER_UNKNOWN,
                  "the broker could not tell who is calling (the process is gone, or its parents are); only ping is answered");
        return;
    }
    if (call->core->serve_only && changes_files(&call->request)) {
        call_fail(call, CCCC_E_GROUP_READ_ONLY, "nothing is changed here: %s, to show what is there", SERVE_ONLY_WHY);
        return;
    }
    ops[call->request.op](call);
}

/* Start what was waiting behind calls that are decided by now. */
static void run_connections(struct cccc_core *core)
{
    while (core->runnable) {
        struct cccc_conn *conn = core->runnable;
        core->runnable = conn->next_runnable;
        while (!conn->waiting && conn->first) {
            /* `listed` stays set meanwhile: a call that parks and goes on within its own start must not list the connection again. */
            call_start(conn_dequeue(conn));
        }
        conn->listed = false;
        if (!conn->waiting)
            conn_drop(core, conn);
    }
}

/* ---- requests ---- */

static call_t *call_new(struct cccc_core *core, const struct cccc_call_input *input)
{
    call_t *call = cccc_arena_alloc(input->arena, sizeof *call);
    memset(call, 0, sizeof *call);
    call->core = core;
    call->conn = input->conn;
    call->gateway = input->gateway;
    call->peer = input->peer;
    call->request = input->request;
    call->bytes = input->bytes;
    call->arena = input->arena;
    if (input->peer.standing == CCCC_PEER_ACTOR || input->peer.standing == CCCC_PEER_HOLDER) {
        /* The executor's cache of identities may change while the call is parked. */
        call->peer.group_id = cccc_arena_str(call->arena, input->peer.group_id);
        call->peer.actor_id = cccc_arena_str(call->arena, input->peer.actor_id);
    }
    return call;
}

call_t *core_call(struct cccc_core *core)
{
    struct cccc_call_input input = {.peer = {.standing = CCCC_PEER_UNKNOWN}, .arena = cccc_arena_new(2048)};
    return call_new(core, &input);
}

/* Every input ends with what it made possible: programs to start or stop, and requests that waited. */
void core_end_input(struct cccc_core *core)
{
    while (core->to_reconcile && !core->loading) {
        core->to_reconcile = false;
        for (uint32_t i = 0; i < core->group_count; i++)
            if (core->groups[i]->reconcile)
                runtimes_reconcile(core, core->groups[i]);
    }
    if (core->to_expire)
        expiries_go_on(core);
    run_connections(core);
}

void cccc_core_request(cccc_core_t *self, const struct cccc_moment *now, struct cccc_call_input *input)
{
    core_begin_input(self, now);
    call_t *call = call_new(self, input);
    struct cccc_conn *conn = conn_find(self, call->conn);
    if (!conn)
        call_start(call);
    else if (!conn_enqueue(conn, call))
        call_fail(call, CCCC_E_BUSY,
                  "%d requests, or %d bytes, of this connection wait behind one already; wait for answers before sending more",
                  CCCC_PARKED_REQUESTS_MAX, CCCC_PARKED_REQUEST_BYTES_MAX);
    core_end_input(self);
}

void cccc_core_gone(cccc_core_t *self, uint64_t id)
{
    struct cccc_conn *conn = conn_find(self, id);
    if (!conn)
        return;
    while (conn->first)
        call_drop(conn_dequeue(conn));
    /* The executor still works for this one, with what it borrowed from it. */
    if (conn->waiting)
        conn->waiting->gone = !conn->waiting->committed;
    conn_drop(self, conn);
}

/* ---- parking ---- */

static void parked_link(struct cccc_core *core, call_t *call)
{
    HASH_ADD(hh, core->parked, ticket, sizeof call->ticket, call);
}

cccc_ticket_t call_park(call_t *call, call_next_fn next)
{
    struct cccc_core *core = call->core;
    CCCC_ASSERT(call->ticket == 0 && next, "(a call waits for one thing at a time)");
    call->next = next;
    call->ticket = ++core->last_ticket;
    parked_link(core, call);
    conn_hold(call);
    return call->ticket;
}

void call_unpark(call_t *call)
{
    if (call->ticket) {
        HASH_DELETE(hh, call->core->parked, call);
        call->ticket = 0;
    }
}

static call_t *parked_take(struct cccc_core *core, cccc_ticket_t ticket)
{
    call_t *call = NULL;
    HASH_FIND(hh, core->parked, &ticket, sizeof ticket, call);
    if (call)
        call_unpark(call);
    return call;
}

static void call_continue(call_t *call)
{
    if (call->gone) {
        call_drop(call);
        return;
    }
    call_next_fn next = call->next;
    call->next = NULL;
    next(call);
}

void cccc_core_read_done(cccc_core_t *self, const struct cccc_moment *now, cccc_ticket_t ticket, const struct cccc_read_result *result)
{
    core_begin_input(self, now);
    call_t *call = parked_take(self, ticket);
    if (!call)
        return;
    call->read = result;
    call_continue(call);
    core_end_input(self);
}

void cccc_core_store_done(cccc_core_t *self, const struct cccc_moment *now, cccc_ticket_t ticket, cccc_err_t err, const char *message,
                          const cccc_value_t *value)
{
    core_begin_input(self, now);
    call_t *call = parked_take(self, ticket);
    if (!call)
        return;
    call->stored.err = err;
    call->stored.message = message ? message : "";
    call->stored.value = value;
    call_continue(call);
    core_end_input(self);
}

/* ---- pending events ---- */

static struct cccc_pending *pending_pop(struct cccc_core *core, struct cccc_group *group)
{
    struct cccc_pending *p = group->pending;
    group->pending = p->next;
    if (!group->pending)
        group->pending_end = &group->pending;
    group->pending_count--;
    group->pending_config -= kind_is_config(p->kind);
    group->pending_expiries -= expiry_is_in(&p->event, p->kind);
    group->pending_bytes -= p->wire->len;
    core->pending_count--;
    core->pending_bytes -= p->wire->len;
    return p;
}

/* One append of `call` is over, well or not. */
static void call_append_over(call_t *call)
{
    CCCC_ASSERT(call->appends_open > 0, "(an append ended twice)");
    if (--call->appends_open > 0)
        return;
    if (call->finished)
        call_drop(call);
    else if (call->next)
        call_continue(call);
}

static void pending_free(struct cccc_pending *p)
{
    cccc_arena_t *arena = p->arena;
    cccc_bytes_release(p->wire);
    cccc_arena_destroy(&arena);
}

static void call_stored(call_t *call)
{
    call->partly_stored = true;
    call_append_over(call);
}

static void pending_done(struct cccc_pending *p)
{
    struct cccc_waiter *waiter = p->waiters;
    call_t *call = p->call;
    while (waiter) {
        struct cccc_waiter *next = waiter->next;
        call_stored(waiter->call);
        waiter = next;
    }
    if (call)
        call_stored(call);
    else
        pending_free(p);
}

/* Hundreds of events may lie between what is decided and what is durable, so that those that are next are in no near cache any more. */
static void prefetch_after(const struct cccc_pending *p)
{
    const struct cccc_pending *next = p->next;
    if (!next)
        return;
    cccc_prefetch(next->wire, sizeof *next->wire + CCCC_CACHE_LINE_BYTES);
    if (next->call)
        cccc_prefetch(next->call, sizeof *next->call);
    if (next->kind == CCCC_KIND_CHAT_MESSAGE)
        cccc_prefetch(&next->event.data.via.map.ptr[MESSAGE_AUDIENCE], 1);
    if (next->next)
        cccc_prefetch(next->next, sizeof *next->next);
}

void cccc_core_durable(cccc_core_t *self, const struct cccc_moment *now, cccc_slot_t slot, uint64_t seq)
{
    CCCC_ASSERT(slot < self->group_count, "(slot %u)", slot);
    core_begin_input(self, now);
    struct cccc_group *group = self->groups[slot];
    while (group->pending && group->pending->event.seq <= seq) {
        struct cccc_pending *p = pending_pop(self, group);
        prefetch_after(p);
        self->acked_count += p->call && p->call->conn != 0;
        apply_event(self, group, &p->event, p->kind);
        if (!CCCC_MUTANT_IS(PUBLISH_BEFORE_COMMIT))
            publish_event(self, group, p);
        pending_done(p);
    }
    core_end_input(self);
}

static void call_lost(call_t *call, cccc_err_t err, bool unknown, const char *message)
{
    if (call->finished)
        return;
    bool partly = call->partly_stored && !CCCC_MUTANT_IS(NEVER_PARTLY);
    unknown = (unknown && !CCCC_MUTANT_IS(NEVER_UNKNOWN)) || partly;
    cccc_builder_t details = cccc_map_builder(call->arena, 1);
    cccc_map_add(&details, "outcome", cccc_text(unknown ? "unknown" : "not_stored"));
    call_fail_details(call, err, details.value, "%s%s", partly ? "a part of the request is stored; of the rest: " : "", message);
}

static void pending_lost(struct cccc_pending *p, cccc_err_t err, bool unknown, const char *message)
{
    struct cccc_waiter *waiter = p->waiters;
    call_t *call = p->call;
    while (waiter) {
        struct cccc_waiter *next = waiter->next;
        call_lost(waiter->call, err, unknown, message);
        call_append_over(waiter->call);
        waiter = next;
    }
    if (call) {
        call_lost(call, err, unknown, message);
        call_append_over(call);
    } else {
        pending_free(p);
    }
}

void core_fail_pending(struct cccc_core *core, struct cccc_group *group, cccc_err_t err, bool unknown, const char *message)
{
    while (group->pending) {
        struct cccc_pending *p = pending_pop(core, group);
        if (p->client_hash)
            dedupe_remove(group->dedupe, p->client_hash, p->event.seq);
        pending_lost(p, err, unknown, message);
    }
    group->next_seq = group->head_seq + 1;
}

void cccc_core_append_failed(cccc_core_t *self, const struct cccc_moment *now, cccc_slot_t slot, cccc_err_t err, bool outcome_unknown,
                             const char *message, bool refold)
{
    CCCC_ASSERT(slot < self->group_count, "(slot %u)", slot);
    core_begin_input(self, now);
    struct cccc_group *group = self->groups[slot];
    if (refold)
        group->folding = true;
    core_fail_pending(self, group, err, outcome_unknown, message);
    context_drop_ahead(group);
    guards_drop_ahead(group);
    if (group->head_seq == 0)
        group->created = false;
    if (refold && !group->deleted)
        core_effect(self, CCCC_DO_REFOLD)->slot = slot;
    core_end_input(self);
}

/* ---- groups ---- */

bool core_may_write(const struct cccc_core *core, const struct cccc_group *group)
{
    return !group->deleted && !group->folding && !group->offline && !group->read_only && !core->stopping;
}

bool core_is_at_work(const struct cccc_core *core, const struct cccc_group *group)
{
    return core_may_write(core, group) && group->config.running && group->config.state == CCCC_GROUP_ACTIVE && group->pending_config == 0;
}

struct cccc_group *core_group_any(struct cccc_core *core, cccc_str_t group_id)
{
    struct cccc_group *group = NULL;
    HASH_FIND(hh, core->groups_by_id, group_id.ptr, group_id.len, group);
    return group;
}

struct cccc_group *core_group(struct cccc_core *core, cccc_str_t group_id)
{
    struct cccc_group *group = core_group_any(core, group_id);
    return group && (group->offline || group->folding || cccc_is_map(&group->document)) ? group : NULL;
}

bool cccc_core_slot(const cccc_core_t *self, cccc_str_t group_id, cccc_slot_t *slot)
{
    struct cccc_group *group = NULL;
    HASH_FIND(hh, self->groups_by_id, group_id.ptr, group_id.len, group);
    if (group)
        *slot = group->slot;
    return group != NULL;
}

static void group_link(struct cccc_core *core, struct cccc_group *group)
{
    HASH_ADD_KEYPTR(hh, core->groups_by_id, group->id, strlen(group->id), group);
}

struct cccc_group *core_group_make(struct cccc_core *core, cccc_str_t group_id)
{
    struct cccc_group *group = core_group_any(core, group_id);
    if (group)
        return group;
    group = calloc(1, sizeof *group);
    CCCC_ASSERT(group && group_id.len < sizeof group->id, "(out of memory, or a group id of %zu bytes)", group_id.len);
    memcpy(group->id, group_id.ptr, group_id.len);
    if (core->group_count == core->group_capacity) {
        core->group_capacity = core->group_capacity ? core->group_capacity * 2 : 16;
        core->groups = realloc(core->groups, core->group_capacity * sizeof(void *));
        CCCC_ASSERT(core->groups, "(out of memory)");
    }
    group->slot = core->group_count;
    core->groups[core->group_count++] = group;
    group_link(core, group);
    group->pending_end = &group->pending;
    group->next_seq = 1;
    group_reset(group);
    return group;
}

void core_group_drop(struct cccc_core *core, struct cccc_group *group)
{
    if (group->deleted)
        return;
    group->deleted = true;
    HASH_DELETE(hh, core->groups_by_id, group);
    runtimes_end(core, group);
    core_fail_pending(core, group, CCCC_E_GROUP_NOT_FOUND, true, "the group was deleted meanwhile");
    group_reset(group);
}

/* ---- time passes ---- */

void cccc_core_tick(cccc_core_t *self, const struct cccc_moment *now, const struct cccc_daemon_facts *facts)
{
    core_begin_input(self, now);
    self->facts = facts;
    uint64_t second = now->mono_us / 1000000;
    if (second == self->last_second)
        return;
    self->last_second = second;
    publish_heads(self);
    cursors_tick(self);
    uploads_tick(self);
    relays_tick(self);
    expiries_go_on(self);
    reminders_tick(self);
    nudges_tick(self);
    automation_tick(self);
    holds_tick(self);
    runtimes_tick(self);
    registry_tick(self, false);
    daemon_tick(self);
    if (self->scratch.alloc > SCRATCH_KEEP_BYTES) {
        cccc_buf_fini(&self->scratch);
        cccc_buf_init(&self->scratch);
    }
    core_end_input(self);
}

void cccc_core_stop(cccc_core_t *self)
{
    self->stopping = true;
    runtimes_stop(self);
    cursors_flush(self);
    registry_tick(self, true);
}

bool cccc_core_is_quiet(const cccc_core_t *self)
{
    return self->pending_count == 0 && !self->parked && !self->conns;
}

/* ---- the end ---- */

static void drop_pending(struct cccc_core *core, struct cccc_group *group)
{
    while (group->pending) {
        struct cccc_pending *p = pending_pop(core, group);
        for (struct cccc_waiter *waiter = p->waiters, *next; waiter; waiter = next) {
            next = waiter->next;
            waiter->call->finished = true;
            call_append_over(waiter->call);
        }
        if (p->call) {
            p->call->finished = true;
            call_append_over(p->call);
        } else {
            pending_free(p);
        }
    }
}

void cccc_core_destroy(cccc_core_t **self)
{
    cccc_core_t *core = *self;
    if (!core)
        return;
    *self = NULL;
    while (core->conns)
        cccc_core_gone(core, core->conns->conn);
    call_t *call, *next_call;
    HASH_ITER(hh, core->parked, call, next_call)
    {
        call_unpark(call);
        call->finished = true;
        if (call->appends_open == 0)
            call_drop(call);
    }
    for (uint32_t i = 0; i < core->group_count; i++)
        drop_pending(core, core->groups[i]);
    HASH_CLEAR(hh, core->groups_by_id);
    for (uint32_t i = 0; i < core->group_count; i++) {
        group_fini(core->groups[i]);
        runtimes_fini(core->groups[i]);
        free(core->groups[i]);
    }
    uploads_drop_all(core);
    zones_fini(core);
    for (size_t i = 0; i < core->effect_count; i++)
        effect_drop(&core->effects[i]);
    cccc_arena_destroy(&core->registry_arena);
    cccc_arena_destroy(&core->settings_arena);
    cccc_buf_fini(&core->scratch);
    free(core->groups);
    free(core->effects);
    free(core->taken);
    free(core);
}
