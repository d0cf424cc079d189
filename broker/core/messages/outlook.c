/* outlook.c - what will happen to a message that a recipient has not taken yet, and why not at once (ladder.h).
 *
 * The conditions are those of delivery.c's is_due, in the order in which somebody would have to mend them.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/messages/ladder.h"

#define SECOND 1000000ULL

/* What is said, being filled in. */
struct saying {
    call_t *call;
    const struct cccc_group *group;
    const struct cccc_actor *actor;
    const struct cccc_runtime *runtime;
    struct cccc_outlook *out;
};

static void waits(const struct saying *s, cccc_str_t why, cccc_str_t next)
{
    s->out->will = "waits";
    s->out->why = why;
    s->out->next = next;
}

/* Its program is on its way because a message named it. */
static void wakes(const struct saying *s)
{
    waits(s, CCCC_STR("it was stopped, and a message that names it starts its program"), CCCC_STR(""));
    s->out->will = "wakes";
}

static cccc_str_t start_it(const struct saying *s)
{
    return cccc_arena_printf(s->call->arena, "cccc actor start %.*s --group %s", CCCC_STR_FMT(s->actor->id), s->group->id);
}

/* Nothing is handed over in this group now. True: it was said. */
static bool group_waits(const struct saying *s, enum cccc_lane lane)
{
    cccc_arena_t *arena = s->call->arena;
    const struct cccc_group *group = s->group;
    if (group->config.state == CCCC_GROUP_PAUSED)
        waits(s, CCCC_STR("the group is paused"), cccc_arena_printf(arena, "cccc group set-state active --group %s", group->id));
    else if (!s->actor->enabled)
        waits(s, CCCC_STR("it is stopped"), start_it(s));
    else if (!group->config.running)
        waits(s, CCCC_STR("the group is stopped"), cccc_arena_printf(arena, "cccc group start %s", group->id));
    else if (s->actor->left_stopped)
        waits(s, CCCC_STR("its group did not run when another actor of it was started, and it was left stopped"), start_it(s));
    else if (group->read_only)
        waits(s, cccc_arena_printf(arena, "the group takes no events: %s", group->read_only), CCCC_STR("cccc doctor"));
    else if (lane == CCCC_LANE_NOTIFY && group->config.state == CCCC_GROUP_IDLE)
        waits(s, CCCC_STR("notices wait while the group is idle"),
              cccc_arena_printf(arena, "cccc group set-state active --group %s", group->id));
    else
        return false;
    return true;
}

/* Does its program start because it was woken? */
static bool is_waking(const struct cccc_runtime *runtime)
{
    bool starts = runtime->phase == RUNTIME_ABSENT || runtime->phase == RUNTIME_SPAWNING || runtime->phase == RUNTIME_STARTING ||
                  (runtime->phase == RUNTIME_STOPPING && runtime->restart);
    return starts && runtime->why == RUNTIME_WOKEN && !runtime->given_up;
}

/* Its program is not there to be typed to. True: it was said. */
static bool program_waits(const struct saying *s)
{
    const struct cccc_runtime *runtime = s->runtime;
    cccc_str_t attach = cccc_arena_printf(s->call->arena, "cccc actor attach %.*s --group %s", CCCC_STR_FMT(s->actor->id), s->group->id);
    if (is_waking(runtime)) {
        wakes(s);
        return true;
    }
    switch (runtime->phase) {
    case RUNTIME_ABSENT:
        if (runtime->failure[0])
            waits(s, cccc_arena_printf(s->call->arena, "its program does not start: %s", runtime->failure), start_it(s));
        else if (runtime->given_up)
            waits(s, CCCC_STR("its program exited at once again and again, and is not started any more"), start_it(s));
        else
            waits(s, CCCC_STR("its program does not run yet"), start_it(s));
        return true;
    case RUNTIME_SPAWNING:
    case RUNTIME_STARTING:
        waits(s, CCCC_STR("its program is starting"), CCCC_STR(""));
        return true;
    case RUNTIME_STOPPING:
        waits(s, CCCC_STR("its program is stopping"), CCCC_STR(""));
        return true;
    case RUNTIME_UNREGISTERED:
    case RUNTIME_RUNNING:
        break;
    }
    if (runtime_is_unreachable(s->call->core, runtime))
        waits(s, CCCC_STR("its terminal's holder lives and does not answer the daemon"),
              cccc_arena_printf(s->call->arena, "cccc actor restart %.*s --group %s", CCCC_STR_FMT(s->actor->id), s->group->id));
    else if (runtime->phase == RUNTIME_UNREGISTERED)
        waits(s, CCCC_STR("its program runs, and its terminal's holder is expected back after the restart of the daemon"), CCCC_STR(""));
    else if (runtime->stopped)
        waits(s, CCCC_STR("its program's process is stopped (SIGSTOP) and reads nothing until it is continued"),
              cccc_arena_printf(s->call->arena, "kill -CONT %d", runtime->pid));
    else if (!runtime->ready)
        waits(s, CCCC_STR("its program has not shown yet that it takes input"), attach);
    else
        return false;
    return true;
}

static unsigned long long seconds_until(uint64_t now_us, uint64_t then_us)
{
    return then_us > now_us ? (then_us - now_us + SECOND - 1) / SECOND : 0;
}

/* The program is there, but not for this one now. True: it was said. */
static bool delivery_waits(const struct saying *s)
{
    const struct cccc_runtime *runtime = s->runtime;
    const struct cccc_delivery *d = &runtime->delivery;
    uint64_t now = s->call->core->now->mono_us;
    unsigned long long seconds = seconds_until(now, runtime->next_delivery_us),
                       throttled = seconds_until(now, delivery_throttled_until_us(s->group, runtime));
    cccc_str_t attach = cccc_arena_printf(s->call->arena, "cccc actor attach %.*s --group %s", CCCC_STR_FMT(s->actor->id), s->group->id);
    if (d->state == DELIVERY_CLAIMED)
        waits(s, CCCC_STR("what came before it is being typed"), attach);
    else if (runtime->obstacle[0])
        waits(s, cccc_arena_printf(s->call->arena, "nothing can be typed into its terminal now: %s", runtime->obstacle), attach);
    else if (d->state == DELIVERY_FAILED)
        waits(s, cccc_arena_printf(s->call->arena, "typing what came before it failed (%s); the next try is in %llu s", d->reason, seconds),
              attach);
    else if (runtime->refusal[0])
        waits(s,
              cccc_arena_printf(s->call->arena, "typing its first words failed (%s); the next try is in %llu s", runtime->refusal, seconds),
              attach);
    else if (throttled > seconds)
        waits(s,
              cccc_arena_printf(s->call->arena, "deliveries keep a distance (min_interval_seconds): the next one is in %llu s", throttled),
              cccc_arena_printf(s->call->arena, "cccc group settings min_interval_seconds=0 --group %s", s->group->id));
    else if (seconds > 0)
        waits(s, cccc_arena_printf(s->call->arena, "it was told something a moment ago: the next delivery is in %llu s", seconds),
              CCCC_STR(""));
    else
        return false;
    return true;
}

/* The words runtime_show has for it. */
static void presence(const struct saying *s)
{
    cccc_builder_t row = cccc_map_builder(s->call->arena, 12);
    runtime_show(s->call->core, &row, s->runtime);
    const cccc_value_t *idle = cccc_get(&row.value, "idle_seconds");
    s->out->state = s->actor->enabled ? cccc_get_str(&row.value, "runtime_state") : CCCC_STR("stopped");
    s->out->idle_known = cccc_as_uint(idle, &s->out->idle_seconds);
}

void outlook_of(call_t *call, const struct cccc_group *group, cccc_str_t id, enum cccc_lane lane, bool typed, struct cccc_outlook *out)
{
    struct saying s = {.call = call, .group = group, .actor = config_actor(group, id), .runtime = runtime_find(group, id), .out = out};
    *out = (struct cccc_outlook){.state = CCCC_STR("user"), .will = "inbox", .why = CCCC_STR("a person reads it when they look")};
    out->next = cccc_arena_printf(call->arena, "cccc inbox --actor-id %.*s --group %s", CCCC_STR_FMT(id), group->id);
    if (cccc_str_is(id, "user"))
        return;
    if (!s.actor) {
        *out = (struct cccc_outlook){.state = CCCC_STR("gone"), .will = "inbox", .why = CCCC_STR("it left the group")};
        return;
    }
    out->state = s.actor->enabled ? CCCC_STR("enabled") : CCCC_STR("disabled");
    out->why = s.actor->enabled ? CCCC_STR("it is a program of its own that reads its inbox") : CCCC_STR("it is disabled");
    if (!s.runtime || !runtime_has_terminal(s.actor))
        return;
    presence(&s);
    out->why = CCCC_STR("notices of this priority are not typed");
    if (!typed || group_waits(&s, lane) || program_waits(&s) || delivery_waits(&s))
        return;
    out->will = "typed";
    out->why = CCCC_STR("it is typed into its terminal now");
}

void outlook_guarded(call_t *call, const struct cccc_group *group, cccc_str_t by, cccc_str_t id, enum guard_verdict verdict,
                     struct cccc_outlook *out)
{
    if (verdict != GUARD_INBOX && verdict != GUARD_HELD)
        return;
    out->will = verdict == GUARD_HELD ? "held" : "inbox";
    out->why = guard_reason(call, group, by, id, verdict);
    if (verdict == GUARD_HELD)
        out->next = guard_next(call, group, by, id);
}

static cccc_value_t outlook_row(call_t *call, const struct cccc_group *group, const struct cccc_event *event, cccc_str_t id, bool *waits)
{
    struct cccc_outlook out;
    const struct cccc_actor *actor = config_actor(group, id);
    enum guard_verdict verdict = guard_verdict_of(event, id);
    outlook_of(call, group, id, CCCC_LANE_CHAT, true, &out);
    outlook_guarded(call, group, event->by, id, verdict, &out);
    cccc_builder_t row = cccc_map_builder(call->arena, 7);
    cccc_map_add(&row, "id", cccc_string(id));
    cccc_map_add(&row, "enabled", cccc_bool(actor ? actor->enabled : cccc_str_is(id, "user")));
    cccc_map_add(&row, "state", cccc_string(out.state));
    cccc_map_add(&row, "will", cccc_text(out.will));
    cccc_map_add(&row, "why", cccc_string(out.why));
    cccc_map_add(&row, "next", cccc_string(out.next));
    if (out.idle_known)
        cccc_map_add(&row, "idle_seconds", cccc_uint(out.idle_seconds));
    *waits = cccc_str_is(cccc_str(out.will), "waits") || cccc_str_is(cccc_str(out.will), "wakes") || cccc_str_is(out.state, "disabled") ||
             verdict == GUARD_INBOX || verdict == GUARD_HELD;
    return row.value;
}

cccc_value_t outlook_rows(call_t *call, const struct cccc_group *group, const struct cccc_message *m, bool *some_wait)
{
    const struct cccc_event *event = &m->pending->event;
    cccc_builder_t rows = cccc_array_builder(call->arena, m->audience.via.array.size);
    cccc_str_t id = CCCC_STR("");
    bool waits;
    *some_wait = false;
    for (uint32_t i = 0; i < m->audience.via.array.size; i++) {
        cccc_as_str(&m->audience.via.array.ptr[i], &id);
        cccc_array_add(&rows, outlook_row(call, group, event, id, &waits));
        *some_wait |= waits;
    }
    for (uint32_t i = 0; cccc_is_map(&m->guard) && i < m->guard.via.map.size; i++) {
        cccc_as_str(&m->guard.via.map.ptr[i].key, &id);
        if (guard_verdict_of(event, id) != GUARD_HELD)
            continue;
        cccc_array_add(&rows, outlook_row(call, group, event, id, &waits));
        *some_wait = true;
    }
    return rows.value;
}
