/* runtime.c - which actors are to run, which do, and the way from one to the other.
 *
 * An op changes the configuration and waits; reconciling starts and stops. So a start that was wanted when the daemon died is made up for by the next one, and
 * nobody starts anything by another way.
 * Thread: the core's. */
#include "broker/core/runtime/runtime.h"

#include "broker/core/change.h"

#include <stdio.h>
#include <stdlib.h>

/* Microseconds. */
#define SECOND        1000000ULL
#define AWAIT_MAX     (15 * SECOND)
#define QUICK_EXIT    (10 * SECOND)
#define BACKOFF_FIRST SECOND

#define STORE_CHUNK_BYTES 4096

/* ---- what is wanted ---- */

bool runtime_is_wanted(const struct cccc_group *group, const struct cccc_runtime *runtime)
{
    const struct cccc_actor *actor = config_actor(group, cccc_str(runtime->id));
    return !group->deleted && !group->offline && group->config.running && actor && actor->enabled && !actor->left_stopped &&
           runtime_has_terminal(actor);
}

void runtime_set_phase(struct cccc_core *core, struct cccc_runtime *runtime, enum runtime_phase phase)
{
    runtime->phase = phase;
    runtime->phase_us = core->now->mono_us;
}

void runtime_encourage(struct cccc_runtime *runtime, enum runtime_why why)
{
    runtime->given_up = false;
    if (runtime_lives(runtime))
        runtime->failure[0] = '\0'; /* of a restart that was not begun */
    runtime->quick_exits = 0;
    runtime->next_start_us = 0;
    runtime->restart |= runtime->phase == RUNTIME_STOPPING; /* once that is over */
    runtime->why = why;
}

/* ---- waiting ---- */

bool runtime_is_overdue(const struct cccc_core *core, const struct cccc_runtime *runtime)
{
    return core->now->mono_us - runtime->phase_us >= AWAIT_MAX;
}

void runtime_await(call_t *call, struct cccc_runtime *runtime, bool to_stop, call_next_fn then)
{
    struct runtime_waiter *waiter = cccc_arena_alloc(call->arena, sizeof *waiter);
    *waiter = (struct runtime_waiter){.next = runtime->waiters,
                                      .call = call,
                                      .generation = runtime->current,
                                      .to_stop = to_stop,
                                      .then = then,
                                      .until_us = call->core->now->mono_us + AWAIT_MAX};
    runtime->waiters = waiter;
    runtime_tell(runtime);
}

static bool is_over(const struct cccc_runtime *runtime, const struct runtime_waiter *waiter)
{
    bool absent = runtime->phase == RUNTIME_ABSENT;
    if (waiter->to_stop && (absent || runtime->current != waiter->generation))
        return true;
    if (waiter->call->core->now->mono_us >= waiter->until_us || absent)
        return !(absent && runtime->restart);
    if (!waiter->to_stop && !runtime->restart && runtime->failure[0] && runtime_runs(runtime))
        return true; /* its restart was not begun */
    return runtime->phase == RUNTIME_RUNNING && !waiter->to_stop && !runtime->restart;
}

void runtime_tell(struct cccc_runtime *runtime)
{
    struct runtime_waiter **place = &runtime->waiters;
    while (*place) {
        struct runtime_waiter *waiter = *place;
        if (is_over(runtime, waiter)) {
            *place = waiter->next;
            waiter->then(waiter->call);
            place = &runtime->waiters; /* it may have changed the list */
        } else {
            place = &waiter->next;
        }
    }
}

/* ---- starting ---- */

static const char *const why_words[] = {
    [RUNTIME_ASKED] = "asked", [RUNTIME_ADDED] = "added", [RUNTIME_BOOT] = "boot", [RUNTIME_AGAIN] = "again", [RUNTIME_WOKEN] = "woken"};

const char *runtime_why_word(enum runtime_why why)
{
    return why_words[why];
}

static void forget_record(struct cccc_core *core, const struct cccc_group *group, const struct cccc_runtime *runtime)
{
    struct cccc_store store = {.kind = CCCC_STORE_HOLDER_FORGET, .arena = cccc_arena_new(512), .total = runtime->current};
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.name = cccc_arena_str(store.arena, cccc_str(runtime->id));
    store.document = cccc_nil();
    core_store(core, &store);
}

void runtime_start_failed(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, const char *why)
{
    runtime_copy_text(runtime->failure, sizeof runtime->failure, cccc_str(why));
    core_log(core, 4, "ACTOR-START-FAILED", "an actor did not start group=%s actor=%s why=%s", group->id, runtime->id, runtime->failure);
    runtime->given_up = true;
    runtime->restart = false;
    if (runtime->phase != RUNTIME_SPAWNING)
        forget_record(core, group, runtime);
    runtime_set_phase(core, runtime, RUNTIME_ABSENT);
    runtime_tell(runtime);
}

static const char no_directory[] = "the actor has no directory to work in; attach one: cccc attach PATH";

/* What a spawn brought. The call's state is nothing: it finds its runtime by name, because both may have gone meanwhile. */
struct spawn {
    cccc_str_t actor_id;
    uint64_t generation;
};

/* A program runs also without its scrollback on disk. */
static void tell_of_scrollback(const call_t *call, const struct cccc_runtime *runtime)
{
    cccc_str_t why = cccc_get_str(call->stored.value, "scrollback_lost");
    if (why.len > 0)
        core_log(call->core, 4, "SCROLLBACK-NOT-KEPT", "what an actor prints is kept in memory only group=%s actor=%s why=%.*s",
                 call->group->id, runtime->id, CCCC_STR_FMT(why));
}

static void spawned(call_t *call)
{
    struct spawn *spawn = call->state;
    struct cccc_group *group = call->group;
    struct cccc_runtime *runtime = group->deleted ? NULL : runtime_find(group, spawn->actor_id);
    if (runtime && runtime->phase == RUNTIME_SPAWNING && runtime->current == spawn->generation) {
        if (call->stored.err == CCCC_OK) {
            runtime->holder_pid = (int32_t)cccc_get_uint(call->stored.value, "hold_pid", 0);
            runtime->holder_started = cccc_get_uint(call->stored.value, "hold_started", 0);
            runtime_set_phase(call->core, runtime, RUNTIME_STARTING);
            tell_of_scrollback(call, runtime);
        } else {
            runtime->cause = call->stored.err;
            runtime_start_failed(call->core, group, runtime, call->stored.message);
        }
    }
    call_finish(call);
}

const struct cccc_scope *runtime_scope(const struct cccc_group *group, const struct cccc_actor *actor)
{
    cccc_str_t key = cccc_get_str(actor->entry, "default_scope_key");
    return config_scope(group, key.len > 0 ? key : group->config.active_scope_key);
}

/* The launch document without what the store thread adds: environment and home. */
static cccc_value_t launch_document(cccc_arena_t *arena, const struct cccc_core *core, const struct cccc_group *group,
                                    const struct cccc_actor *actor, uint64_t generation, const struct cccc_scope *scope)
{
    const cccc_value_t *env = cccc_get(actor->entry, "env");
    cccc_value_t observed = observability_effective(arena, core);
    const cccc_value_t *transcript = cccc_get(&observed, "terminal_transcript");
    uint64_t scrollback = cccc_get_uint(transcript, "per_actor_bytes", CCCC_SCROLLBACK_BYTES);
    cccc_builder_t map = cccc_map_builder(arena, 18);
    cccc_map_add(&map, "v", cccc_uint(1));
    cccc_map_add(&map, "group_id", cccc_text(group->id));
    cccc_map_add(&map, "actor_id", cccc_string(actor->id));
    cccc_map_add(&map, "generation", cccc_uint(generation));
    cccc_map_add(&map, "command", actor_command(arena, actor));
    cccc_map_add(&map, "env", cccc_is_map(env) ? *env : cccc_map_builder(arena, 0).value);
    cccc_map_add(&map, "directory", cccc_string(scope->url));
    actor_add_habits(&map, actor);
    cccc_map_add(&map, "scrollback_bytes", cccc_uint(scrollback < CCCC_SCROLLBACK_BYTES_MAX ? scrollback : CCCC_SCROLLBACK_BYTES_MAX));
    cccc_map_add(&map, "scrollback_file", cccc_bool(cccc_get_bool(transcript, "persist", false)));
    cccc_map_add(&map, "processes_max", cccc_uint(cccc_get_uint(actor->entry, "processes_max", 0)));
    cccc_map_add(&map, "memory_mib_max", cccc_uint(cccc_get_uint(actor->entry, "memory_mib_max", 0)));
    return map.value;
}

/* Higher than any of this actor and of any that lives: about the time, in microseconds. */
static uint64_t next_generation(struct cccc_core *core, const struct cccc_runtime *runtime)
{
    uint64_t last = runtime->current > runtime->generation ? runtime->current : runtime->generation;
    last = last > core->last_generation ? last : core->last_generation;
    uint64_t now = (uint64_t)core->now->unix_us;
    core->last_generation = now > last ? now : last + 1;
    return core->last_generation;
}

/* Of an actor that has a scope. */
static void ask_store(struct cccc_core *core, struct cccc_group *group, const struct cccc_runtime *runtime, enum cccc_store_kind kind,
                      call_next_fn next)
{
    const struct cccc_actor *actor = config_actor(group, cccc_str(runtime->id));
    call_t *call = core_call(core);
    struct spawn *spawn = cccc_arena_alloc(call->arena, sizeof *spawn);
    *spawn = (struct spawn){cccc_arena_str(call->arena, cccc_str(runtime->id)), runtime->current};
    call->group = group;
    call->state = spawn;
    struct cccc_store store = {.kind = kind, .arena = cccc_arena_new(STORE_CHUNK_BYTES)};
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.name = cccc_arena_str(store.arena, actor->id);
    cccc_value_t document = launch_document(store.arena, core, group, actor, runtime->current, runtime_scope(group, actor));
    store.document = cccc_value_copy(store.arena, &document);
    call_store(call, &store, next);
}

static void start(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime)
{
    const struct cccc_actor *actor = config_actor(group, cccc_str(runtime->id));
    const struct cccc_scope *scope = runtime_scope(group, actor);
    runtime->cause = CCCC_OK;
    if (!scope) {
        runtime_start_failed(core, group, runtime, no_directory);
        return;
    }
    runtime->current = next_generation(core, runtime);
    runtime->failure[0] = runtime->obstacle[0] = runtime->refusal[0] = '\0';
    runtime->ready = runtime->attached = runtime->stopped = false;
    runtime->preamble = PREAMBLE_OWED;
    runtime->preamble_tries = 0;
    runtime->restart = false;
    runtime->pid = 0;
    runtime->next_delivery_us = runtime->delivered_us = 0; /* how long to wait was about the program before */
    runtime_set_phase(core, runtime, RUNTIME_SPAWNING);
    ask_store(core, group, runtime, CCCC_STORE_HOLDER_START, spawned);
}

/* ---- stopping ---- */

static void order_stop(struct cccc_core *core, struct cccc_runtime *runtime)
{
    cccc_arena_t *arena = cccc_arena_new(512);
    cccc_builder_t map = cccc_map_builder(arena, 4);
    cccc_map_add(&map, "order", cccc_text("stop"));
    cccc_map_add(&map, "grace_ms", cccc_uint(CCCC_HOLD_STOP_GRACE_MS));
    holder_order(core, runtime, NULL, arena, &map, NULL);
    runtime_set_phase(core, runtime, RUNTIME_STOPPING);
}

static void stop(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime)
{
    if (runtime->phase == RUNTIME_RUNNING) {
        order_stop(core, runtime);
    } else if (runtime->phase == RUNTIME_STARTING || runtime->phase == RUNTIME_UNREGISTERED) {
        holder_kill(core, group, runtime, false);
        runtime_set_phase(core, runtime, RUNTIME_STOPPING);
    }
}

/* ---- restarting ---- */

/* What runs goes on running. */
static void restart_refused(struct cccc_core *core, const struct cccc_group *group, struct cccc_runtime *runtime, cccc_err_t cause,
                            const char *why)
{
    runtime->restart = false;
    runtime->cause = cause;
    runtime_copy_text(runtime->failure, sizeof runtime->failure, cccc_str(why));
    core_log(core, 4, "ACTOR-NOT-RESTARTED", "an actor would not start again, so it was not stopped group=%s actor=%s why=%s", group->id,
             runtime->id, why);
    runtime_tell(runtime);
}

static void checked(call_t *call)
{
    const struct spawn *spawn = call->state;
    struct cccc_group *group = call->group;
    struct cccc_runtime *runtime = group->deleted ? NULL : runtime_find(group, spawn->actor_id);
    if (runtime && runtime->checking) {
        runtime->checking = false;
        bool wanted = runtime->restart && runtime_lives(runtime) && runtime->current == spawn->generation;
        if (wanted && call->stored.err == CCCC_OK)
            stop(call->core, group, runtime);
        else if (wanted)
            restart_refused(call->core, group, runtime, call->stored.err, call->stored.message);
    }
    call_finish(call);
}

/* A program is not ended for one that cannot be started. */
static void restart(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime)
{
    const struct cccc_actor *actor = config_actor(group, cccc_str(runtime->id));
    if (runtime->checking || runtime->phase == RUNTIME_STOPPING || runtime->phase == RUNTIME_SPAWNING)
        return;
    if (!runtime_scope(group, actor)) {
        restart_refused(core, group, runtime, CCCC_E_MISSING_PROJECT_ROOT, no_directory);
        return;
    }
    runtime->failure[0] = '\0';
    runtime->checking = true;
    ask_store(core, group, runtime, CCCC_STORE_HOLDER_CHECK, checked);
}

/* ---- the end of a program ---- */

/* Exits nobody asked for: again after a while, longer each time it was quick, until it is given up. */
static void back_off(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime)
{
    bool quick = core->now->mono_us - runtime->phase_us < QUICK_EXIT;
    runtime->quick_exits = quick ? runtime->quick_exits + 1 : 0;
    uint64_t wait = BACKOFF_FIRST << (runtime->quick_exits > 1 ? runtime->quick_exits - 1 : 0); /* they end at CCCC_QUICK_EXITS_MAX */
    uint64_t most = CCCC_RESTART_BACKOFF_S_MAX * SECOND;
    runtime->next_start_us = core->now->mono_us + (wait < most ? wait : most);
    runtime->why = RUNTIME_AGAIN;
    if (runtime->quick_exits < CCCC_QUICK_EXITS_MAX)
        return;
    runtime->given_up = true;
    snprintf(runtime->failure, sizeof runtime->failure, "it exited %u times within 10 s of its start; see `cccc actor show %s`",
             runtime->quick_exits, runtime->id);
    core_log(core, 4, "ACTOR-GIVEN-UP", "an actor keeps exiting and is not started again by itself group=%s actor=%s exits=%u", group->id,
             runtime->id, runtime->quick_exits);
}

void runtime_ended(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, bool asked)
{
    if (runtime->phase == RUNTIME_ABSENT)
        return;
    bool started_here = runtime->phase != RUNTIME_SPAWNING;
    if (runtime->phase == RUNTIME_STARTING && runtime->generation != runtime->current)
        runtime_copy_text(runtime->failure, sizeof runtime->failure,
                          cccc_str("its holder ended before it could say anything; the daemon's log may say why"));
    if (!asked && started_here)
        back_off(core, group, runtime);
    holder_forget_orders(runtime);
    holder_answer(core, runtime);
    runtime->ready = runtime->orphan = false;
    runtime->pid = runtime->holder_pid = 0;
    runtime_set_phase(core, runtime, RUNTIME_ABSENT);
    forget_record(core, group, runtime);
    if (runtime->restart)
        runtime_encourage(runtime, RUNTIME_ASKED);
    runtime_tell(runtime);
    runtimes_changed(core, group);
}

/* Decide runtime.exited for a holder that can say nothing any more. */
static void record_loss(struct cccc_core *core, struct cccc_group *group, const struct cccc_runtime *runtime)
{
    struct cccc_errmsg m;
    cccc_arena_t *arena = cccc_arena_new(512);
    cccc_builder_t data = cccc_map_builder(arena, 4);
    cccc_map_add(&data, "actor_id", cccc_string(cccc_arena_str(arena, cccc_str(runtime->id))));
    cccc_map_add(&data, "generation", cccc_uint(runtime->current));
    cccc_map_add(&data, "asked", cccc_bool(runtime->phase == RUNTIME_STOPPING));
    cccc_map_add(&data, "holder_lost", cccc_bool(true));
    if (core_append(core, group, CCCC_KIND_RUNTIME_EXITED, CCCC_STR("system"), CCCC_STR(""), data.value, &arena, &m) != CCCC_OK)
        core_log(core, 4, "EXIT-NOT-RECORDED", "the end of an actor's program could not be recorded group=%s actor=%s why=%s", group->id,
                 runtime->id, m.text);
    cccc_arena_destroy(&arena);
}

/* Its holder is dead: what can be known is recorded. */
static void lose(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, bool asked)
{
    bool registered = runtime->phase == RUNTIME_RUNNING || runtime->phase == RUNTIME_STOPPING || runtime->phase == RUNTIME_UNREGISTERED;
    if (registered && runtime->generation == runtime->current && !group->deleted) {
        record_loss(core, group, runtime);
        delivery_lost(core, group, runtime, "the holder died meanwhile");
    }
    runtime->lost = false;
    runtime_ended(core, group, runtime, asked);
}

void cccc_core_holder_gone(cccc_core_t *self, const struct cccc_moment *now, cccc_slot_t slot, cccc_str_t actor_id, uint64_t generation)
{
    core_begin_input(self, now);
    struct cccc_group *group = self->groups[slot];
    struct cccc_runtime *runtime = runtime_find(group, actor_id);
    if (runtime && runtime_lives(runtime) && runtime->current == generation)
        lose(self, group, runtime, runtime->phase == RUNTIME_STOPPING);
    core_end_input(self);
}

/* ---- reconciling ---- */

void runtimes_changed(struct cccc_core *core, struct cccc_group *group)
{
    group->reconcile = true;
    core->to_reconcile = true;
}

void runtimes_reconcile(struct cccc_core *core, struct cccc_group *group)
{
    struct cccc_runtime *runtime, *next;
    group->reconcile = false;
    if (group->folding || runtimes_are_out_of_sight(group) || core->stopping || core->serve_only)
        return;
    HASH_ITER(hh, group->runtimes, runtime, next)
    {
        bool wanted = runtime_is_wanted(group, runtime);
        if (runtime->phase_us == 0)
            runtime->phase_us = core->now->mono_us; /* found by a fold, which has no time */
        if (runtime->lost)
            lose(core, group, runtime, true);
        if (runtime->phase == RUNTIME_ABSENT) {
            if (wanted && !runtime->given_up && core->now->mono_us >= runtime->next_start_us)
                start(core, group, runtime);
            else if (!wanted || runtime->given_up)
                runtime->restart = false;
            runtime_tell(runtime);
        } else if (!wanted || runtime->orphan) {
            stop(core, group, runtime);
        } else if (runtime->restart) {
            restart(core, group, runtime);
        }
    }
}

static void tick_one(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime)
{
    uint64_t in_phase = core->now->mono_us - runtime->phase_us;
    if (runtime->phase == RUNTIME_STARTING && in_phase > CCCC_HOLD_START_MS_MAX * 1000ULL) {
        holder_kill(core, group, runtime, in_phase > 2 * CCCC_HOLD_START_MS_MAX * 1000ULL);
        runtime_copy_text(runtime->failure, sizeof runtime->failure, cccc_str("its holder did not register in time and was ended"));
    }
    if (runtime->phase == RUNTIME_STOPPING && in_phase > (CCCC_HOLD_STOP_GRACE_MS + 7000) * 1000ULL)
        holder_kill(core, group, runtime, true);
    holder_expire(core, runtime);
    delivery_step(core, group, runtime);
    runtime_tell(runtime);
}

void runtimes_tick(struct cccc_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++) {
        struct cccc_group *group = core->groups[i];
        struct cccc_runtime *runtime, *next;
        if (!group->runtimes || group->folding)
            continue;
        runtimes_reconcile(core, group);
        HASH_ITER(hh, group->runtimes, runtime, next) tick_one(core, group, runtime);
        runtimes_sync(group);
    }
}

/* The daemon stops; agents do not. */
void runtimes_stop(struct cccc_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++)
        for (struct cccc_runtime *runtime = core->groups[i]->runtimes; runtime; runtime = runtime->hh.next) {
            holder_forget_orders(runtime);
            holder_answer(core, runtime);
            while (runtime->waiters) {
                struct runtime_waiter *waiter = runtime->waiters;
                runtime->waiters = waiter->next;
                call_fail(waiter->call, CCCC_E_SHUTTING_DOWN,
                          "the daemon is stopping; the change is recorded, and made good when it is back");
            }
        }
}

void runtimes_end(struct cccc_core *core, struct cccc_group *group)
{
    for (struct cccc_runtime *runtime = group->runtimes; runtime; runtime = runtime->hh.next)
        if (runtime_lives(runtime))
            stop(core, group, runtime);
}

/* ---- start-up ---- */

/* The entry that the record of a holder is about. Its actor may have left while no daemon was there to end its program: then one is made, for that. */
static struct cccc_runtime *of_record(struct cccc_group *group, cccc_str_t actor_id)
{
    struct cccc_runtime *runtime = runtime_entry(group, actor_id);
    if (!runtime && actor_id_valid(actor_id, NULL)) {
        runtime = runtime_make(group, actor_id);
        runtime->orphan = true;
    }
    return runtime;
}

bool cccc_core_fold_holder(cccc_core_t *self, cccc_slot_t slot, const cccc_value_t *record, bool alive, bool offline)
{
    struct cccc_group *group = self->groups[slot];
    struct cccc_runtime *runtime = offline ? NULL : of_record(group, cccc_get_str(record, "actor_id"));
    uint64_t generation = cccc_get_uint(record, "generation", 0);
    self->last_generation = self->last_generation > generation ? self->last_generation : generation; /* whoever it is, it lives */
    if (!runtime || runtime_lives(runtime) || runtime->current >= generation)
        return false;
    runtime->current = generation;
    runtime->holder_pid = (int32_t)cccc_get_uint(record, "hold_pid", 0);
    runtime->holder_started = cccc_get_uint(record, "hold_started", 0);
    runtime->pid = runtime->generation == generation ? runtime->started_pid : 0; /* the record is older than the program */
    runtime->why = RUNTIME_BOOT;
    runtime_set_phase(self, runtime, RUNTIME_UNREGISTERED);
    runtime->lost = !alive;
    return true;
}
