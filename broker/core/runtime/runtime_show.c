/* runtime_show.c - what is known of actors' programs, as values: for status and lists, and as a whole for the debug view.
 *
 * Changes nothing; all texts are copied, so that an answer outlives what it is about.
 * Thread: the core's. */
#include "broker/core/runtime/runtime.h"

/* ---- for people: status, lists of groups and of actors ---- */

/* Since when (monotonic) it is not heard of; 0: it is, or a holder of before a restart still has its time to come back, or one that is answered to ask again. */
static uint64_t silent_since(const struct cccc_core *core, const struct cccc_runtime *runtime)
{
    uint64_t heard = runtime->phase_us > runtime->wait_until_us ? runtime->phase_us : runtime->wait_until_us;
    bool awaited = runtime->phase == RUNTIME_UNREGISTERED || (runtime->phase == RUNTIME_RUNNING && !runtime->wait);
    return awaited && core->now->mono_us > heard + CCCC_HOLD_UNREACHABLE_MS * 1000ULL ? heard : 0;
}

bool runtime_is_unreachable(const struct cccc_core *core, const struct cccc_runtime *runtime)
{
    return silent_since(core, runtime) > 0;
}

static const char *phase_word(const struct cccc_core *core, const struct cccc_runtime *runtime)
{
    switch (runtime->phase) {
    case RUNTIME_SPAWNING:
    case RUNTIME_STARTING:
        return "starting";
    case RUNTIME_RUNNING:
        return runtime_is_unreachable(core, runtime) ? "unreachable" : "running";
    case RUNTIME_STOPPING:
        return "stopping";
    case RUNTIME_UNREGISTERED:
        return runtime_is_unreachable(core, runtime) ? "unreachable" : "reconnecting";
    case RUNTIME_ABSENT:
        break;
    }
    return runtime->exit.known ? "exited" : runtime->failure[0] ? "failed" : "never started";
}

const char *runtime_away(const struct cccc_core *core, const struct cccc_runtime *runtime, cccc_arena_t *arena)
{
    uint64_t since = silent_since(core, runtime);
    unsigned long long away_s = (core->now->mono_us - since) / 1000000;
    if (since > 0)
        return cccc_arena_printf(
                   arena,
                   "the program of %s runs, but its holder (pid %d) has not answered this daemon for %llu s; end it and start "
                   "it anew: cccc actor restart %s",
                   runtime->id, runtime->holder_pid, away_s, runtime->id)
            .ptr;
    if (runtime->phase == RUNTIME_UNREGISTERED)
        return cccc_arena_printf(arena,
                                 "the program of %s runs, and its holder is coming back to this daemon, for which it has %d s; try again",
                                 runtime->id, CCCC_HOLD_UNREACHABLE_MS / 1000)
            .ptr;
    return cccc_arena_printf(arena, "%s is %s; try again in a moment", runtime->id, phase_word(core, runtime)).ptr;
}

static cccc_value_t exit_value(cccc_arena_t *arena, const struct runtime_exit *e)
{
    cccc_builder_t map = cccc_map_builder(arena, 8);
    if (e->signal >= 0)
        cccc_map_add(&map, "signal", cccc_int(e->signal));
    else if (e->code >= 0)
        cccc_map_add(&map, "code", cccc_int(e->code));
    cccc_map_add(&map, "asked", cccc_bool(e->asked));
    if (e->limit[0])
        cccc_map_add(&map, "limit", cccc_string(cccc_arena_str(arena, cccc_str(e->limit))));
    if (e->terminal_closed)
        cccc_map_add(&map, "terminal_closed", cccc_bool(true));
    if (e->holder_lost)
        cccc_map_add(&map, "holder_lost", cccc_bool(true));
    cccc_map_add(&map, "ts", cccc_string(cccc_arena_str(arena, cccc_str(e->ts))));
    if (e->screen)
        cccc_map_add(&map, "screen", cccc_string(cccc_arena_str(arena, cccc_str(e->screen))));
    return map.value;
}

static cccc_value_t delivery_value(cccc_arena_t *arena, const struct cccc_delivery *d)
{
    static const char *const words[] = {
        [DELIVERY_CLAIMED] = "claimed", [DELIVERY_ACCEPTED] = "accepted", [DELIVERY_FAILED] = "failed", [DELIVERY_AMBIGUOUS] = "ambiguous"};
    cccc_builder_t map = cccc_map_builder(arena, 5), seqs = cccc_array_builder(arena, d->count);
    for (uint32_t i = 0; i < d->count; i++)
        cccc_array_add(&seqs, cccc_uint(d->seqs[i]));
    cccc_map_add(&map, "delivery_id", cccc_string(cccc_arena_str(arena, cccc_str(d->id))));
    cccc_map_add(&map, "state", cccc_text(words[d->state]));
    cccc_map_add(&map, "seqs", seqs.value);
    cccc_map_add(&map, "ts", cccc_string(cccc_arena_str(arena, cccc_str(d->ts))));
    if (d->reason[0])
        cccc_map_add(&map, "reason", cccc_string(cccc_arena_str(arena, cccc_str(d->reason))));
    return map.value;
}

/* With what failed, which is tried again. */
static uint64_t queued(const struct cccc_runtime *runtime)
{
    uint64_t again = runtime->delivery.state == DELIVERY_FAILED ? runtime->delivery.count : 0;
    return runtime->queue[CCCC_LANE_CHAT].count + runtime->queue[CCCC_LANE_NOTIFY].count + again;
}

/* Why what waits for its terminal is not typed, as its holder says; NULL: nothing waits, or nothing was said. */
static const char *held_up_by(const struct cccc_runtime *runtime)
{
    const char *why = runtime->obstacle[0] ? runtime->obstacle : runtime->refusal;
    return queued(runtime) > 0 && runtime->phase == RUNTIME_RUNNING && why[0] ? why : NULL;
}

void runtime_show(const struct cccc_core *core, cccc_builder_t *row, const struct cccc_runtime *runtime)
{
    cccc_arena_t *arena = row->arena;
    bool running = runtime->phase == RUNTIME_RUNNING && !runtime_is_unreachable(core, runtime);
    cccc_map_add(row, "runtime_state", cccc_text(phase_word(core, runtime)));
    if (runtime_runs(runtime) && runtime->pid)
        cccc_map_add(row, "pid", cccc_int(runtime->pid));
    if (running && runtime->output_us)
        cccc_map_add(row, "idle_seconds", cccc_uint((core->now->mono_us - runtime->output_us) / 1000000));
    if (running)
        cccc_map_add(row, "ready", cccc_bool(runtime->ready));
    if (running && runtime->stopped)
        cccc_map_add(row, "stopped", cccc_bool(true));
    if (runtime->started_ts[0])
        cccc_map_add(row, "started_at", cccc_string(cccc_arena_str(arena, cccc_str(runtime->started_ts))));
    if (!runtime_runs(runtime) && runtime->exit.known)
        cccc_map_add(row, "exit", exit_value(arena, &runtime->exit));
    if (runtime->failure[0])
        cccc_map_add(row, "start_error", cccc_string(cccc_arena_str(arena, cccc_str(runtime->failure))));
    cccc_map_add(row, "queued", cccc_uint(queued(runtime)));
    if (held_up_by(runtime))
        cccc_map_add(row, "obstacle", cccc_string(cccc_arena_str(arena, cccc_str(held_up_by(runtime)))));
    if (runtime->delivery.state != DELIVERY_NONE)
        cccc_map_add(row, "delivery", delivery_value(arena, &runtime->delivery));
}

/* Why somebody should look at it; NULL: nobody needs to. */
static const char *trouble(const struct cccc_core *core, const struct cccc_group *group, const struct cccc_runtime *runtime,
                           cccc_arena_t *arena)
{
    if (runtime_is_unreachable(core, runtime))
        return "its holder lives and does not answer";
    if (runtime->phase == RUNTIME_ABSENT && runtime->given_up && runtime_is_wanted(group, runtime))
        return runtime->failure;
    if (runtime_runs(runtime) && runtime->failure[0])
        return cccc_arena_printf(arena, "it was not restarted: %s", runtime->failure).ptr;
    if (held_up_by(runtime))
        return cccc_arena_printf(arena, "messages wait for its terminal: %s", held_up_by(runtime)).ptr;
    return runtime->delivery.state == DELIVERY_AMBIGUOUS ? "its last delivery may not have arrived, and is not repeated" : NULL;
}

void runtimes_show(const struct cccc_core *core, cccc_builder_t *row, const struct cccc_group *group)
{
    cccc_builder_t troubles = cccc_array_builder(row->arena, 0);
    uint64_t running = 0;
    for (uint32_t i = 0; i < group->config.actor_count; i++) {
        const struct cccc_runtime *runtime = runtime_find(group, group->config.actors[i].id);
        const char *why = runtime ? trouble(core, group, runtime, row->arena) : NULL;
        running += runtime && runtime_runs(runtime);
        if (!why)
            continue;
        cccc_builder_t one = cccc_map_builder(row->arena, 2);
        cccc_map_add(&one, "actor_id", cccc_string(cccc_arena_str(row->arena, cccc_str(runtime->id))));
        cccc_map_add(&one, "reason", cccc_string(cccc_arena_str(row->arena, cccc_str(why))));
        cccc_array_add(&troubles, one.value);
    }
    cccc_map_add(row, "actors_running", cccc_uint(running));
    if (troubles.value.via.array.size > 0)
        cccc_map_add(row, "actors_troubled", troubles.value);
}

/* ---- the whole as a value ---- */

static cccc_value_t queue_value(cccc_arena_t *arena, const struct cccc_unread *queue)
{
    uint64_t *seqs = cccc_arena_alloc(arena, (queue->count + 1) * sizeof *seqs);
    uint32_t n = unread_peek(queue, seqs, (uint32_t)queue->count);
    cccc_builder_t list = cccc_array_builder(arena, n);
    for (uint32_t i = 0; i < n; i++)
        cccc_array_add(&list, cccc_uint(seqs[i]));
    return list.value;
}

cccc_value_t runtimes_dump(const struct cccc_group *group, cccc_arena_t *arena)
{
    cccc_builder_t map = cccc_map_builder(arena, HASH_COUNT(group->runtimes) + 1);
    for (uint32_t i = 0; i < group->config.actor_count; i++) {
        const struct cccc_runtime *runtime = runtime_entry(group, group->config.actors[i].id);
        if (!runtime)
            continue;
        cccc_builder_t one = cccc_map_builder(arena, 6);
        cccc_map_add(&one, "generation", cccc_uint(runtime->generation));
        for (int lane = 0; lane < CCCC_LANES; lane++)
            cccc_map_add(&one, lane_words[lane], queue_value(arena, &runtime->queue[lane]));
        if (runtime->exit.known)
            cccc_map_add(&one, "exit", exit_value(arena, &runtime->exit));
        if (runtime->delivery.state != DELIVERY_NONE)
            cccc_map_add(&one, "delivery", delivery_value(arena, &runtime->delivery));
        cccc_map_add_key(&map, cccc_arena_str(arena, cccc_str(runtime->id)), one.value);
    }
    return map.value;
}
