/* runtime_table.c - what is known of the programs of a group's actors: an entry for each, what the ledger says of it, and what a snapshot keeps.
 *
 * What is done about it is in runtime.c. Thread: the core's. */
#include "broker/core/runtime/runtime.h"

#include "broker/core/snapshot.h"
#include "broker/mutant.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the table ---- */

struct cccc_runtime *runtime_entry(const struct cccc_group *group, cccc_str_t id)
{
    struct cccc_runtime *runtime = NULL;
    if (group->runtimes && id.ptr)
        HASH_FIND(hh, group->runtimes, id.ptr, id.len, runtime);
    return runtime;
}

struct cccc_runtime *runtime_find(const struct cccc_group *group, cccc_str_t id)
{
    struct cccc_runtime *runtime = runtime_entry(group, id);
    return runtime && (runtime->terminal || runtime_lives(runtime)) ? runtime : NULL;
}

bool runtime_has_terminal(const struct cccc_actor *actor)
{
    return cccc_str_is(actor->runner, "pty");
}

bool runtime_is_there(const struct cccc_group *group, const struct cccc_actor *actor)
{
    const struct cccc_runtime *runtime = runtime_has_terminal(actor) ? runtime_find(group, actor->id) : NULL;
    return actor->enabled && (!runtime_has_terminal(actor) || (runtime && runtime->phase == RUNTIME_RUNNING));
}

/* Its files cannot be read now: who its actors are, and what is wanted of them, is not known, and they are left alone. A group whose folder was removed is another matter. */
bool runtimes_are_out_of_sight(const struct cccc_group *group)
{
    return group->offline && !group->missing && !group->deleted;
}

static void link_runtime(struct cccc_group *group, struct cccc_runtime *runtime, size_t id_len)
{
    HASH_ADD_KEYPTR(hh, group->runtimes, runtime->id, id_len, runtime);
}

struct cccc_runtime *runtime_make(struct cccc_group *group, cccc_str_t id)
{
    struct cccc_runtime *runtime = calloc(1, sizeof *runtime);
    CCCC_ASSERT(runtime, "(out of memory)");
    runtime->id = strndup(id.ptr, id.len);
    CCCC_ASSERT(runtime->id, "(out of memory)");
    link_runtime(group, runtime, id.len);
    return runtime;
}

static void forget_ledger(struct cccc_runtime *runtime)
{
    for (int lane = 0; lane < CCCC_LANES; lane++) {
        unread_fini(&runtime->queue[lane]);
        runtime->queue[lane] = (struct cccc_unread){0};
    }
    free(runtime->delivery.seqs);
    free(runtime->exit.screen);
    runtime->delivery = (struct cccc_delivery){0};
    runtime->exit = (struct runtime_exit){0};
    runtime->generation = 0;
    runtime->started_pid = 0;
}

static void drop(struct cccc_group *group, struct cccc_runtime *runtime)
{
    struct cccc_reader *reader = reader_find(group, cccc_str(runtime->id));
    if (reader)
        reader->runtime = NULL;
    HASH_DELETE(hh, group->runtimes, runtime); /* NOLINT(clang-analyzer-*): it is in the table */
    forget_ledger(runtime);
    free(runtime->id);
    free(runtime);
}

bool runtime_lives(const struct cccc_runtime *runtime)
{
    return runtime->phase != RUNTIME_ABSENT;
}

bool runtime_runs(const struct cccc_runtime *runtime)
{
    return runtime->phase == RUNTIME_RUNNING || (runtime->phase == RUNTIME_UNREGISTERED && !runtime->lost);
}

void runtime_reset(struct cccc_group *group, cccc_str_t id)
{
    struct cccc_runtime *runtime = runtime_entry(group, id);
    if (!runtime)
        return;
    if (!CCCC_MUTANT_IS(QUEUE_INHERITED) || !runtime_lives(runtime))
        forget_ledger(runtime);
    runtime->orphan = runtime_lives(runtime);
}

void runtimes_sync(struct cccc_group *group)
{
    struct cccc_runtime *runtime, *next;
    if (runtimes_are_out_of_sight(group))
        return;
    for (uint32_t i = 0; i < group->config.actor_count; i++)
        if (!runtime_entry(group, group->config.actors[i].id))
            runtime_make(group, group->config.actors[i].id);
    HASH_ITER(hh, group->runtimes, runtime, next)
    {
        const struct cccc_actor *actor = config_actor(group, cccc_str(runtime->id));
        struct cccc_reader *reader = reader_find(group, cccc_str(runtime->id));
        runtime->terminal = actor && runtime_has_terminal(actor);
        if (reader)
            reader->runtime = actor ? runtime : NULL;
        if (!actor)
            runtime_reset(group, cccc_str(runtime->id));
        if (!actor && !runtime_lives(runtime) && !runtime->waiters) {
            holder_end(runtime);
            drop(group, runtime);
        }
    }
}

void runtimes_boot(struct cccc_group *group)
{
    for (struct cccc_runtime *runtime = group->runtimes; runtime; runtime = runtime->hh.next)
        if (runtime->current == 0)
            runtime->why = RUNTIME_BOOT;
}

void runtimes_forget_ledger(struct cccc_group *group)
{
    for (struct cccc_runtime *runtime = group->runtimes; runtime; runtime = runtime->hh.next)
        forget_ledger(runtime);
}

static void exchange_ledger(struct cccc_runtime *a, struct cccc_runtime *b)
{
    struct cccc_runtime was = *a;
    a->generation = b->generation;
    a->exit = b->exit;
    a->delivery = b->delivery;
    a->started_pid = b->started_pid;
    memcpy(a->started_ts, b->started_ts, sizeof a->started_ts);
    memcpy(a->queue, b->queue, sizeof a->queue);
    b->generation = was.generation;
    b->exit = was.exit;
    b->delivery = was.delivery;
    b->started_pid = was.started_pid;
    memcpy(b->started_ts, was.started_ts, sizeof b->started_ts);
    memcpy(b->queue, was.queue, sizeof b->queue);
}

void runtimes_carry(struct cccc_group *group, struct cccc_group *folded)
{
    struct cccc_runtime *fresh, *next;
    HASH_ITER(hh, folded->runtimes, fresh, next)
    {
        struct cccc_runtime *known = runtime_entry(group, cccc_str(fresh->id));
        if (known) {
            exchange_ledger(known, fresh);
            continue;
        }
        HASH_DELETE(hh, folded->runtimes, fresh);
        link_runtime(group, fresh, strlen(fresh->id));
    }
    struct cccc_runtime *kept = group->runtimes;
    group->runtimes = folded->runtimes;
    folded->runtimes = kept;
}

void runtimes_fini(struct cccc_group *group)
{
    struct cccc_runtime *runtime, *next;
    HASH_ITER(hh, group->runtimes, runtime, next)
    {
        holder_forget_orders(runtime);
        for (struct runtime_waiter *waiter = runtime->waiters, *after; waiter; waiter = after) {
            after = waiter->next;
            call_drop(waiter->call);
        }
        drop(group, runtime);
    }
}

/* ---- the fold ---- */

void runtime_copy_text(char *out, size_t size, cccc_str_t s)
{
    snprintf(out, size, "%.*s", CCCC_STR_FMT(s));
}

static void apply_started(struct cccc_runtime *runtime, const struct cccc_event *event)
{
    runtime->generation = cccc_get_uint(&event->data, "generation", 0);
    runtime->started_pid = (int32_t)cccc_get_uint(&event->data, "pid", 0);
    runtime_copy_text(runtime->started_ts, sizeof runtime->started_ts, event->ts);
}

static int32_t small_or(const cccc_value_t *map, const char *key, int32_t otherwise)
{
    int64_t n;
    return cccc_as_int(cccc_get(map, key), &n) && n >= 0 && n <= 255 ? (int32_t)n : otherwise;
}

static void apply_exited(struct cccc_runtime *runtime, const struct cccc_event *event)
{
    struct runtime_exit *e = &runtime->exit;
    cccc_str_t screen = cccc_get_str(&event->data, "screen");
    if (cccc_get_uint(&event->data, "generation", 0) != runtime->generation)
        return;
    free(e->screen);
    *e = (struct runtime_exit){.known = true,
                               .asked = cccc_get_bool(&event->data, "asked", false),
                               .holder_lost = cccc_get_bool(&event->data, "holder_lost", false),
                               .terminal_closed = cccc_get_bool(&event->data, "terminal_closed", false),
                               .code = small_or(&event->data, "code", -1),
                               .signal = small_or(&event->data, "signal", -1)};
    runtime_copy_text(e->limit, sizeof e->limit, cccc_get_str(&event->data, "limit"));
    runtime_copy_text(e->ts, sizeof e->ts, event->ts);
    e->screen =
        screen.len > 0 ? strndup(screen.ptr, screen.len < CCCC_EXIT_SCREEN_BYTES_MAX ? screen.len : CCCC_EXIT_SCREEN_BYTES_MAX) : NULL;
}

void runtime_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    cccc_str_t id = cccc_get_str(&event->data, "actor_id");
    struct cccc_runtime *runtime = config_actor(group, id) ? runtime_entry(group, id) : NULL;
    if (!runtime)
        return;
    if (kind == CCCC_KIND_RUNTIME_STARTED)
        apply_started(runtime, event);
    else if (kind == CCCC_KIND_RUNTIME_EXITED)
        apply_exited(runtime, event);
    else
        delivery_apply(group, runtime, event);
}

/* ---- the snapshot ---- */

static void exit_save(const struct runtime_exit *e, cccc_buf_t *out)
{
    cccc_pack_array(out, 9);
    cccc_pack_bool(out, e->known);
    cccc_pack_bool(out, e->asked);
    cccc_pack_bool(out, e->holder_lost);
    cccc_pack_uint(out, (uint64_t)e->code + 1);
    cccc_pack_uint(out, (uint64_t)e->signal + 1);
    cccc_pack_text(out, e->ts);
    cccc_pack_text(out, e->screen ? e->screen : "");
    cccc_pack_text(out, e->limit);
    cccc_pack_bool(out, e->terminal_closed);
}

static bool exit_load(struct runtime_exit *e, const cccc_value_t *v)
{
    const cccc_value_t *row = snapshot_row_grown(v, 7, 9);
    uint64_t code, signal;
    char screen[CCCC_EXIT_SCREEN_BYTES_MAX + 1];
    if (!row || !cccc_as_bool(&row[0], &e->known) || !cccc_as_bool(&row[1], &e->asked) || !cccc_as_bool(&row[2], &e->holder_lost) ||
        !cccc_as_uint(&row[3], &code) || code > 256 || !cccc_as_uint(&row[4], &signal) || signal > 256 ||
        !snapshot_text(&row[5], e->ts, sizeof e->ts) || !snapshot_text(&row[6], screen, sizeof screen) ||
        (v->via.array.size > 7 && !snapshot_text(&row[7], e->limit, sizeof e->limit)) ||
        (v->via.array.size > 8 && !cccc_as_bool(&row[8], &e->terminal_closed)))
        return false;
    e->code = (int32_t)code - 1;
    e->signal = (int32_t)signal - 1;
    e->screen = screen[0] ? strdup(screen) : NULL;
    CCCC_ASSERT(e->screen || !screen[0], "(out of memory)");
    return true;
}

/* Of what is queued, and of a delivery that is under way or was refused. */
static uint64_t runtime_oldest(const struct cccc_runtime *runtime)
{
    const struct cccc_delivery *d = &runtime->delivery;
    uint64_t oldest = UINT64_MAX;
    for (int lane = 0; lane < CCCC_LANES; lane++)
        if (runtime->queue[lane].count > 0 && runtime->queue[lane].first < oldest)
            oldest = runtime->queue[lane].first;
    for (uint32_t i = 0; i < d->count && (d->state == DELIVERY_CLAIMED || d->state == DELIVERY_FAILED); i++)
        oldest = d->seqs[i] < oldest ? d->seqs[i] : oldest;
    return oldest;
}

uint64_t runtimes_oldest(const struct cccc_group *group)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct cccc_runtime *runtime = group->runtimes; runtime; runtime = runtime->hh.next) {
        uint64_t seq = config_actor(group, cccc_str(runtime->id)) ? runtime_oldest(runtime) : UINT64_MAX;
        oldest = seq < oldest ? seq : oldest;
    }
    return oldest;
}

#define ROW_MEMBERS_OLD (5 + CCCC_LANES) /* without the process id */
#define ROW_MEMBERS     (ROW_MEMBERS_OLD + 1)

void runtimes_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, HASH_COUNT(group->runtimes));
    for (const struct cccc_runtime *runtime = group->runtimes; runtime; runtime = runtime->hh.next) {
        cccc_pack_array(out, ROW_MEMBERS);
        cccc_pack_text(out, runtime->id);
        cccc_pack_uint(out, runtime->generation);
        cccc_pack_text(out, runtime->started_ts);
        exit_save(&runtime->exit, out);
        delivery_save(&runtime->delivery, out);
        for (int lane = 0; lane < CCCC_LANES; lane++)
            unread_save(&runtime->queue[lane], out);
        cccc_pack_uint(out, (uint64_t)runtime->started_pid);
    }
}

static bool runtime_load(struct cccc_group *group, const cccc_value_t *v)
{
    const cccc_value_t *row = snapshot_row_grown(v, ROW_MEMBERS_OLD, ROW_MEMBERS);
    cccc_str_t id;
    if (!row || !cccc_as_str(&row[0], &id) || !actor_id_valid(id, NULL))
        return false;
    struct cccc_runtime *runtime = runtime_entry(group, id);
    if (!runtime)
        runtime = runtime_make(group, id);
    forget_ledger(runtime);
    uint64_t pid = 0;
    bool good = cccc_as_uint(&row[1], &runtime->generation) && snapshot_text(&row[2], runtime->started_ts, sizeof runtime->started_ts) &&
                exit_load(&runtime->exit, &row[3]) && delivery_load(&runtime->delivery, &row[4]);
    for (int lane = 0; good && lane < CCCC_LANES; lane++)
        good = unread_load(&runtime->queue[lane], &row[5 + lane], group->head_seq);
    if (good && v->via.array.size == ROW_MEMBERS)
        good = cccc_as_uint(&row[ROW_MEMBERS_OLD], &pid) && pid <= INT32_MAX;
    runtime->started_pid = (int32_t)pid;
    return good;
}

bool runtimes_load(struct cccc_group *group, const cccc_value_t *v)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++)
        if (!runtime_load(group, &v->via.array.ptr[i]))
            return false;
    runtimes_sync(group);
    return cccc_is_array(v);
}
