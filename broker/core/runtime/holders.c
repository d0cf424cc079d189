/* holders.c - the conversation with holders: hold_register, hold_wait, orders and their reports (HOLD.md, Conversation).
 *
 * A hold_wait is decided at once and then parked until there is an order: its connection's next request does not wait behind it. An order stays until it is reported;
 * those without a report are sent again after each registration, and the holder carries out an id once.
 * Thread: the core's. */
#include "broker/core/runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>

#define ORDER_WAIT_US (10 * 1000000ULL)

/* ---- orders ---- */

static void order_free(struct runtime_order *order)
{
    cccc_arena_destroy(&order->arena);
    free(order);
}

bool holder_order(struct cccc_core *core, struct cccc_runtime *runtime, const char *id, cccc_arena_t *arena, cccc_builder_t *map,
                  call_t *waiting)
{
    if (runtime->order_count >= CCCC_HOLD_ORDERS_MAX) {
        cccc_arena_destroy(&arena);
        return false;
    }
    struct runtime_order *order = calloc(1, sizeof *order), **end = &runtime->orders;
    CCCC_ASSERT(order, "(out of memory)");
    if (id)
        snprintf(order->id, sizeof order->id, "%s", id);
    else
        snprintf(order->id, sizeof order->id, "o%llu.%016llx", (unsigned long long)++runtime->orders_given,
                 (unsigned long long)core_random(core));
    cccc_map_add(map, "order_id", cccc_text(order->id));
    order->arena = arena;
    order->map = map->value;
    order->waiting = waiting;
    order->until_us = waiting ? core->now->mono_us + ORDER_WAIT_US : UINT64_MAX;
    while (*end)
        end = &(*end)->next;
    *end = order;
    runtime->order_count++;
    holder_answer(core, runtime);
    return true;
}

static struct runtime_order *take_order(struct cccc_runtime *runtime, cccc_str_t id)
{
    for (struct runtime_order **place = &runtime->orders; *place; place = &(*place)->next) {
        struct runtime_order *order = *place;
        if (!cccc_str_is(id, order->id))
            continue;
        *place = order->next;
        runtime->order_count--;
        return order;
    }
    return NULL;
}

static void not_running(call_t *call)
{
    call_fail(call, CCCC_E_ACTOR_NOT_RUNNING, "the actor's terminal went away before it answered");
}

void holder_forget_orders(struct cccc_runtime *runtime)
{
    while (runtime->orders) {
        struct runtime_order *order = runtime->orders;
        runtime->orders = order->next;
        if (order->waiting)
            not_running(order->waiting);
        order_free(order);
    }
    runtime->order_count = 0;
}

void holder_expire(struct cccc_core *core, struct cccc_runtime *runtime)
{
    for (struct runtime_order *order = runtime->orders; order; order = order->next)
        if (order->waiting && core->now->mono_us >= order->until_us) {
            call_t *call = order->waiting;
            order->waiting = NULL;
            call_fail(call, CCCC_E_TIMEOUT, "the actor's holder did not answer within 10 s; `cccc actor show` says what is known of it");
        }
    if (runtime->wait && core->now->mono_us >= runtime->wait_until_us)
        holder_answer(core, runtime);
}

/* The parked wait gets what was not sent yet; nothing to send, and not over yet: it stays. */
static void answer_with_orders(struct cccc_runtime *runtime)
{
    call_t *call = runtime->wait;
    cccc_builder_t orders = cccc_array_builder(call->arena, 2), result = cccc_map_builder(call->arena, 1);
    for (struct runtime_order *order = runtime->orders; order; order = order->next) {
        if (order->sent)
            continue;
        order->sent = true;
        cccc_array_add(&orders, order->map);
    }
    cccc_map_add(&result, "orders", orders.value);
    runtime->wait = NULL;
    runtime->wait_until_us = call->core->now->mono_us;
    call_unpark(call);
    call_reply(call, &result.value);
}

void holder_end(struct cccc_runtime *runtime)
{
    holder_forget_orders(runtime);
    if (runtime->wait)
        answer_with_orders(runtime);
}

static bool has_unsent(const struct cccc_runtime *runtime)
{
    for (const struct runtime_order *order = runtime->orders; order; order = order->next)
        if (!order->sent)
            return true;
    return false;
}

void holder_answer(struct cccc_core *core, struct cccc_runtime *runtime)
{
    bool over = core->now->mono_us >= runtime->wait_until_us || runtime->phase == RUNTIME_ABSENT || core->stopping;
    if (runtime->wait && (over || has_unsent(runtime)))
        answer_with_orders(runtime);
}

void holder_kill(struct cccc_core *core, const struct cccc_group *group, const struct cccc_runtime *runtime, bool hard)
{
    struct cccc_store store = {.kind = CCCC_STORE_HOLDER_KILL,
                               .arena = cccc_arena_new(512),
                               .offset = runtime->holder_started,
                               .total = (uint64_t)runtime->holder_pid};
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.name = cccc_arena_str(store.arena, cccc_str(runtime->id));
    cccc_builder_t how = cccc_map_builder(store.arena, 1);
    cccc_map_add(&how, "hard", cccc_bool(hard));
    store.document = how.value;
    core_store(core, &store);
}

/* ---- who asks ---- */

static void superseded(call_t *call)
{
    call_fail(call, CCCC_E_SUPERSEDED, "this generation of the actor is not wanted any more; the holder is to end it");
}

/* The runtime whose holder sent this: the process the daemon started for this generation. NULL: the call was failed. */
static struct cccc_runtime *runtime_of(call_t *call, cccc_str_t group_id, cccc_str_t actor_id, uint64_t generation)
{
    const struct cccc_peer *peer = &call->peer;
    call->group = core_group(call->core, group_id);
    if (!call->group) {
        call_fail(call, CCCC_E_GROUP_NOT_FOUND, "no group %.*s in this home", CCCC_STR_FMT(group_id));
        return NULL;
    }
    if (call->group->folding || (call->group->offline && !call->group->missing)) {
        call_fail(call, CCCC_E_BUSY, "the group %s; try again", call->group->folding ? "is being read" : "is offline");
        return NULL;
    }
    if (peer->standing != CCCC_PEER_HOLDER || !cccc_str_eq(peer->group_id, group_id) || !cccc_str_eq(peer->actor_id, actor_id) ||
        peer->generation != generation) {
        call_fail(call, CCCC_E_PERMISSION_DENIED,
                  "permission denied: only the holder this daemon started for that actor and generation may say this");
        return NULL;
    }
    struct cccc_runtime *runtime = !call->group->offline ? runtime_find(call->group, actor_id) : NULL;
    if (!runtime || runtime->current != generation || !runtime_lives(runtime)) {
        superseded(call);
        return NULL;
    }
    return runtime;
}

/* The same after a park. */
static struct cccc_runtime *runtime_still(call_t *call, cccc_str_t actor_id, uint64_t generation)
{
    struct cccc_runtime *runtime = call->group->deleted ? NULL : runtime_find(call->group, actor_id);
    if (runtime && runtime->current == generation && runtime_lives(runtime))
        return runtime;
    superseded(call);
    return NULL;
}

/* ---- what a holder says ---- */

/* What both ops carry. In the call's arena. */
struct said {
    cccc_str_t actor_id;
    uint64_t generation;
    const cccc_value_t *reports, *exited;
    bool registers;
};

static void answered(call_t *waiting, const struct cccc_runtime *runtime, const cccc_value_t *report)
{
    cccc_str_t reason = cccc_get_str(report, "reason");
    if (!cccc_str_is(cccc_get_str(report, "outcome"), "done")) {
        call_fail(waiting, CCCC_E_ACTOR_NOT_RUNNING, "the actor's holder could not: %.*s", CCCC_STR_FMT(reason));
        return;
    }
    terminal_answer(waiting, runtime, cccc_get(report, "result"));
}

/* Decide what the reports mean. Those of deliveries become events of this call. */
static void take_reports(call_t *call, struct cccc_runtime *runtime, const struct said *said, call_next_fn next)
{
    for (uint32_t i = 0; cccc_is_array(said->reports) && i < said->reports->via.array.size; i++) {
        const cccc_value_t *report = &said->reports->via.array.ptr[i];
        struct runtime_order *order = take_order(runtime, cccc_get_str(report, "order_id"));
        if (order && order->waiting)
            answered(order->waiting, runtime, report);
        if (order && order->id[0] == 'p')
            delivery_preamble(call->core, call->group, runtime, report);
        if (order)
            order_free(order);
        delivery_report(call, runtime, report, next);
    }
}

static bool take_exit(call_t *call, struct cccc_runtime *runtime, const struct said *said, call_next_fn next)
{
    struct cccc_errmsg m;
    int64_t n;
    if (!cccc_is_map(said->exited) || runtime->generation != said->generation)
        return false;
    cccc_builder_t data = cccc_map_builder(call->arena, 8);
    cccc_map_add(&data, "actor_id", cccc_string(said->actor_id));
    cccc_map_add(&data, "generation", cccc_uint(said->generation));
    if (cccc_as_int(cccc_get(said->exited, "signal"), &n))
        cccc_map_add(&data, "signal", cccc_int(n));
    else if (cccc_as_int(cccc_get(said->exited, "code"), &n))
        cccc_map_add(&data, "code", cccc_int(n));
    bool asked = cccc_get_bool(said->exited, "asked", false);
    cccc_str_t screen = cccc_get_str(said->exited, "screen"), limit = cccc_get_str(said->exited, "limit");
    cccc_map_add(&data, "asked", cccc_bool(asked));
    if (cccc_get_bool(said->exited, "terminal_closed", false))
        cccc_map_add(&data, "terminal_closed", cccc_bool(true));
    if (cccc_str_is(limit, "memory") || cccc_str_is(limit, "processes"))
        cccc_map_add(&data, "limit", cccc_string(limit));
    if (!asked && screen.len > 0 && screen.len <= CCCC_EXIT_SCREEN_BYTES_MAX)
        cccc_map_add(&data, "screen", cccc_string(screen));
    if (call_append(call, call->group, CCCC_KIND_RUNTIME_EXITED, CCCC_STR("system"), CCCC_STR(""), data.value, next, &m) == CCCC_OK)
        return true;
    core_log(call->core, 4, "EXIT-NOT-RECORDED", "the end of an actor's program could not be recorded group=%s actor=%s why=%s",
             call->group->id, runtime->id, m.text);
    return false;
}

/* The exit is known: end the runtime, answer, and the holder goes. */
static void finish_exit(call_t *call, struct cccc_runtime *runtime, const struct said *said)
{
    bool asked = cccc_get_bool(said->exited, "asked", false) || runtime->phase == RUNTIME_STOPPING;
    cccc_builder_t result = cccc_map_builder(call->arena, 1);
    cccc_map_add(&result, "orders", cccc_array_builder(call->arena, 0).value);
    delivery_lost(call->core, call->group, runtime, "the program exited meanwhile");
    runtime_ended(call->core, call->group, runtime, asked);
    call_reply(call, &result.value);
}

/* ---- hold_register ---- */

static void registered(call_t *call)
{
    struct said *said = call->state;
    struct cccc_runtime *runtime = runtime_still(call, said->actor_id, said->generation);
    if (!runtime)
        return;
    if (cccc_is_map(said->exited)) {
        finish_exit(call, runtime, said);
        return;
    }
    if (runtime->phase == RUNTIME_STARTING || runtime->phase == RUNTIME_UNREGISTERED)
        runtime_set_phase(call->core, runtime, RUNTIME_RUNNING);
    cccc_builder_t result = cccc_map_builder(call->arena, 1);
    cccc_map_add(&result, "wait_ms", cccc_uint(CCCC_HOLD_WAIT_MS));
    delivery_keep_pace(call->core, runtime);
    delivery_resume(call->core, call->group, runtime);
    runtime_tell(runtime);
    runtimes_changed(call->core, call->group);
    call_reply(call, &result.value);
}

/* The reports of a registration come after runtime.started, which makes the generation known. */
static void take_hello(call_t *call)
{
    struct said *said = call->state;
    struct cccc_runtime *runtime = runtime_still(call, said->actor_id, said->generation);
    if (!runtime)
        return;
    take_reports(call, runtime, said, registered);
    take_exit(call, runtime, said, registered);
    if (call->appends_open == 0)
        registered(call);
}

static bool record_start(call_t *call, const struct cccc_runtime *runtime, const struct said *said)
{
    struct cccc_errmsg m;
    cccc_builder_t data = cccc_map_builder(call->arena, 4);
    cccc_map_add(&data, "actor_id", cccc_string(said->actor_id));
    cccc_map_add(&data, "generation", cccc_uint(said->generation));
    cccc_map_add(&data, "pid", cccc_int(runtime->pid));
    cccc_map_add(&data, "why", cccc_text(runtime_why_word(runtime->why)));
    cccc_err_t err =
        call_append(call, call->group, CCCC_KIND_RUNTIME_STARTED, CCCC_STR("system"), CCCC_STR(""), data.value, take_hello, &m);
    if (err != CCCC_OK)
        call_fail(call, err, "%s", m.text);
    return err == CCCC_OK;
}

void op_hold_register(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct said *said = cccc_arena_alloc(call->arena, sizeof *said);
    *said = (struct said){.actor_id = cccc_arg_str(args, CCCC_A_hold_register_actor_id),
                          .generation = cccc_arg_uint(args, CCCC_A_hold_register_generation, 0),
                          .reports = cccc_arg(args, CCCC_A_hold_register_reports),
                          .exited = cccc_arg(args, CCCC_A_hold_register_exited),
                          .registers = true};
    struct cccc_runtime *runtime = runtime_of(call, cccc_arg_str(args, CCCC_A_hold_register_group_id), said->actor_id, said->generation);
    if (!runtime)
        return;
    call->state = said;
    cccc_str_t failed = cccc_arg_str(args, CCCC_A_hold_register_failed), socket = cccc_arg_str(args, CCCC_A_hold_register_socket);
    if (failed.len > 0) {
        cccc_str_t why = cccc_arena_str(call->arena, failed);
        runtime_start_failed(call->core, call->group, runtime, why.ptr);
        cccc_builder_t result = cccc_map_builder(call->arena, 0);
        call_reply(call, &result.value);
        return;
    }
    if (runtime->wait)
        answer_with_orders(runtime); /* its answer goes to a connection that is no more */
    for (struct runtime_order *order = runtime->orders; order; order = order->next)
        order->sent = false;
    snprintf(runtime->socket, sizeof runtime->socket, "%.*s", CCCC_STR_FMT(socket));
    runtime->pid = (int32_t)cccc_arg_int(args, CCCC_A_hold_register_pid, 0);
    if (runtime->generation == said->generation)
        take_hello(call);
    else
        record_start(call, runtime, said);
}

/* ---- hold_wait ---- */

static void take_facts(struct cccc_core *core, struct cccc_runtime *runtime, const cccc_value_t *facts)
{
    if (!cccc_is_map(facts))
        return;
    runtime->ready = cccc_get_bool(facts, "ready", false);
    runtime->attached = cccc_get_uint(facts, "attached", 0) > 0;
    runtime->stopped = cccc_get_bool(facts, "stopped", false);
    snprintf(runtime->obstacle, sizeof runtime->obstacle, "%.*s", CCCC_STR_FMT(cccc_get_str(facts, "obstacle")));
    if (cccc_get_uint(facts, "typed", 0) > 0) /* the first text is the preamble */
        runtime->preamble = PREAMBLE_DONE;
    uint64_t idle_us = cccc_get_uint(facts, "idle_ms", 0) * 1000;
    runtime->output_us = idle_us < core->now->mono_us ? core->now->mono_us - idle_us : 0;
}

static void never_continues(call_t *call)
{
    CCCC_ASSERT(false, "(a parked hold_wait of %s is answered, not continued)", call->group->id);
}

static void wait_for_orders(call_t *call)
{
    struct said *said = call->state;
    struct cccc_runtime *runtime = runtime_still(call, said->actor_id, said->generation);
    if (!runtime)
        return;
    if (cccc_is_map(said->exited)) {
        finish_exit(call, runtime, said);
        return;
    }
    if (runtime->wait)
        answer_with_orders(runtime);
    call->decided = true; /* the connection's next request does not wait behind it */
    call_park(call, never_continues);
    call_release_conn(call);
    runtime->wait = call;
    runtime->wait_until_us = call->core->now->mono_us + CCCC_HOLD_WAIT_MS * 1000ULL;
    struct cccc_core *core = call->core;
    delivery_step(core, call->group, runtime); /* may answer the call, which is then gone */
    holder_answer(core, runtime);
}

void op_hold_wait(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct said *said = cccc_arena_alloc(call->arena, sizeof *said);
    *said = (struct said){.actor_id = cccc_arg_str(args, CCCC_A_hold_wait_actor_id),
                          .generation = cccc_arg_uint(args, CCCC_A_hold_wait_generation, 0),
                          .reports = cccc_arg(args, CCCC_A_hold_wait_reports),
                          .exited = cccc_arg(args, CCCC_A_hold_wait_exited)};
    struct cccc_runtime *runtime = runtime_of(call, cccc_arg_str(args, CCCC_A_hold_wait_group_id), said->actor_id, said->generation);
    if (!runtime)
        return;
    if (runtime->phase != RUNTIME_RUNNING && runtime->phase != RUNTIME_STOPPING) {
        call_fail(call, CCCC_E_BUSY, "this daemon does not know the holder yet; register first");
        return;
    }
    call->state = said;
    take_facts(call->core, runtime, cccc_arg(args, CCCC_A_hold_wait_facts));
    take_reports(call, runtime, said, wait_for_orders);
    take_exit(call, runtime, said, wait_for_orders);
    if (call->appends_open == 0)
        wait_for_orders(call);
}
