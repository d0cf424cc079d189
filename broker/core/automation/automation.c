/* automation.c - when rules run (reference 7.4): the fold of what is known of each, its next time, and the tick.
 *
 * Repeating rules do not make up for what they missed: a run that cannot begin within AUTOMATION_LATE_S is over, and the rule goes on with the next time. One-time rules
 * wait. Intervals count on the monotonic clock from when the rule was armed, and keep their rhythm; cron expressions and one-time rules go by the wall clock, and
 * what ran for a time does not run for it again when the clock is put back by up to CLOCK_BACK; farther back, the clock was wrong before.
 * A restart neither repeats a run nor skips one, because the runs there were are in the ledger. Nothing runs in a group that is stopped, paused or idle.
 * Thread: the core's. */
#include "broker/core/automation/automation.h"
#include "broker/core/snapshot.h"
#include "broker/mutant.h"

#include <stdlib.h>

#define SECOND     1000000LL
#define LATE       (CCCC_AUTOMATION_LATE_S * SECOND)
#define CLOCK_BACK (3 * 3600 * SECOND)
#define ADJUSTED   (SECOND / 2)
/* Until a run that was decided is durable; when it could not be decided; while a zone is being read. */
#define HOLD_DECIDED (60 * SECOND)
#define HOLD_FAILED  (5 * SECOND)
#define HOLD_ZONE    SECOND

/* ---- the fold ---- */

struct cccc_rule_state *automation_state(const struct cccc_group *group, cccc_str_t rule_id)
{
    struct cccc_rule_state *state = NULL;
    HASH_FIND(hh, group->rule_states, rule_id.ptr, rule_id.len, state);
    return state;
}

static struct cccc_rule_state *state_make(struct cccc_group *group, cccc_str_t id)
{
    struct cccc_rule_state *state = automation_state(group, id);
    if (state)
        return state;
    state = calloc(1, sizeof *state);
    char *text = state ? malloc(id.len + 1) : NULL;
    CCCC_ASSERT(text, "(out of memory)");
    memcpy(text, id.ptr, id.len);
    text[id.len] = '\0';
    state->id = text;
    HASH_ADD_KEYPTR(hh, group->rule_states, state->id, id.len, state);
    return state;
}

static void state_free(struct cccc_rule_state *state)
{
    free(state->error);
    free(state->id);
    free(state);
}

void automation_fini(struct cccc_group *group)
{
    struct cccc_rule_state *state = group->rule_states;
    HASH_CLEAR(hh, group->rule_states);
    while (state) {
        struct cccc_rule_state *next = state->hh.next;
        state_free(state);
        state = next;
    }
}

static void forget_error(struct cccc_rule_state *state)
{
    free(state->error);
    state->error = NULL;
    state->error_us = 0;
}

static void arm(const struct cccc_group *group, struct cccc_rule_state *state, const struct cccc_event *event)
{
    when_note(group, &state->armed, event->ts);
    state->next_us = state->hold_us = 0;
    forget_error(state);
}

/* The id that an item of a list is, or has. */
static cccc_str_t id_of(const cccc_value_t *item)
{
    cccc_str_t id = CCCC_STR("");
    return cccc_as_str(item, &id) ? id : cccc_get_str(item, "id");
}

static bool is_listed(const cccc_value_t *list, cccc_str_t id)
{
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size; i++)
        if (cccc_str_eq(id_of(&list->via.array.ptr[i]), id))
            return true;
    return false;
}

/* The group's rules are those of `all`, and those of `armed` count from now. */
static void states_become(struct cccc_group *group, const cccc_value_t *all, const cccc_value_t *armed, const struct cccc_event *event)
{
    struct cccc_rule_state *state, *next;
    HASH_ITER(hh, group->rule_states, state, next)
    {
        if (is_listed(all, cccc_str(state->id)))
            continue;
        HASH_DELETE(hh, group->rule_states, state); /* NOLINT(clang-analyzer-unix.Malloc): the table goes with its last entry only */
        state_free(state);
    }
    for (uint32_t i = 0; cccc_is_array(armed) && i < armed->via.array.size; i++) {
        cccc_str_t id = id_of(&armed->via.array.ptr[i]);
        if (id.len > 0 && (automation_state(group, id) || HASH_COUNT(group->rule_states) < CCCC_AUTOMATION_RULES_MAX))
            arm(group, state_make(group, id), event);
    }
}

void automation_apply(struct cccc_group *group, const struct cccc_event *event)
{
    states_become(group, cccc_get(&event->data, "rules"), cccc_get(&event->data, "armed"), event);
}

void automation_begin(struct cccc_group *group, const cccc_value_t *document, const struct cccc_event *event)
{
    const cccc_value_t *rules = cccc_get(cccc_get(document, "automation"), "rules");
    states_become(group, rules, rules, event);
}

void automation_resumed(struct cccc_group *group, const struct cccc_event *event)
{
    for (struct cccc_rule_state *state = group->rule_states; state; state = state->hh.next)
        arm(group, state, event);
}

void automation_ran(struct cccc_group *group, const cccc_value_t *mark, const struct cccc_event *event)
{
    struct cccc_rule_state *state = mark ? automation_state(group, cccc_get_str(mark, "rule_id")) : NULL;
    if (!state || (group->folding && CCCC_MUTANT_IS(RUNS_FORGOTTEN)))
        return;
    cccc_ts_parse(event->ts, &state->last_us);
    if (!cccc_ts_parse(cccc_get_str(mark, "due"), &state->due.us))
        return; /* by hand: beside the schedule */
    state->due.mono_us = group->folding ? 0 : state->running_for_us;
    state->next_us = state->hold_us = 0;
}

/* ---- the next time ---- */

/* The rhythm goes on from the last time there was a run for, or from the beginning. */
static int64_t interval_next(const struct cccc_core *core, const struct cccc_rule *rule, struct cccc_rule_state *state)
{
    int64_t now = (int64_t)core->now->mono_us, base = when_mono(core, &state->armed);
    int64_t due = state->due.us ? when_mono(core, &state->due) : base;
    base = due > base ? due : base;
    int64_t last = base + (now - base) / rule->every_us * rule->every_us;
    bool in_time = now - last <= LATE || CCCC_MUTANT_IS(MISSED_MADE_UP);
    return last > base && in_time ? last : last + rule->every_us;
}

/* The last second that is not to be looked at any more. */
static int64_t cron_from(const struct cccc_core *core, const struct cccc_rule_state *state)
{
    int64_t now = core->now->unix_us, from = now - LATE;
    int64_t armed = state->armed.us < now ? state->armed.us : now;
    from = armed > from ? armed : from;
    from = state->due.us > from && state->due.us <= now + CLOCK_BACK && !CCCC_MUTANT_IS(CLOCK_BACK_REPEATS) ? state->due.us : from;
    return from / SECOND;
}

static int64_t cron_us(int64_t seconds)
{
    return seconds == CCCC_NEVER ? CCCC_NEVER : seconds * SECOND;
}

bool rule_is_over(const struct cccc_rule *rule, const struct cccc_rule_state *state)
{
    return rule->trigger == RULE_AT && state->due.us == rule->at_us;
}

/* Plan the rule's next run. False: its zone is not known. */
static bool plan(struct cccc_core *core, const struct cccc_rule *rule, struct cccc_rule_state *state, const char **why)
{
    const cccc_zone_t *zone;
    state->planned_us = core->now->unix_us;
    switch (rule->trigger) {
    case RULE_INTERVAL:
        state->next_us = interval_next(core, rule, state);
        return true;
    case RULE_CRON:
        zone = zones_find(core, rule->zone, why);
        if (zone)
            state->next_us = cron_us(cron_next(&rule->cron, zone, cron_from(core, state)));
        return zone != NULL;
    case RULE_AT:
        state->next_us = rule_is_over(rule, state) ? CCCC_NEVER : rule->at_us;
        return true;
    }
    return false;
}

static int64_t now_of(const struct cccc_core *core, const struct cccc_rule *rule)
{
    return rule->trigger == RULE_INTERVAL ? (int64_t)core->now->mono_us : core->now->unix_us;
}

static int64_t wall_of(const struct cccc_core *core, const struct cccc_rule *rule, int64_t t)
{
    return rule->trigger == RULE_INTERVAL ? t - (int64_t)core->now->mono_us + core->now->unix_us : t;
}

/* The wall time that a run is for. Of an interval it is reckoned from the one before, or from when the rule was armed, so that no rounding and no slow adjustment of the clock adds
 * up; when the clock was set meanwhile, it is what the clock says then. */
static int64_t due_of(const struct cccc_core *core, const struct cccc_rule *rule, const struct cccc_rule_state *state)
{
    int64_t wall = wall_of(core, rule, state->next_us), base = state->due.us > state->armed.us ? state->due.us : state->armed.us;
    if (rule->trigger != RULE_INTERVAL || wall <= base)
        return wall;
    int64_t exact = base + (wall - base + rule->every_us / 2) / rule->every_us * rule->every_us;
    return exact > base && exact - wall < ADJUSTED && wall - exact < ADJUSTED ? exact : wall;
}

uint32_t rule_next_runs(struct cccc_core *core, const struct cccc_rule *rule, struct cccc_rule_state *state, int64_t *times, uint32_t max)
{
    struct cccc_rule_state copy = *state;
    const char *why;
    uint32_t n = 0;
    if (!rule->enabled || rule->broken.len > 0 || !plan(core, rule, &copy, &why))
        return 0;
    const cccc_zone_t *zone = rule->trigger == RULE_CRON ? zones_find(core, rule->zone, &why) : NULL;
    for (int64_t t = due_of(core, rule, &copy); n < max && t != CCCC_NEVER;) {
        times[n++] = t;
        if (rule->trigger == RULE_INTERVAL)
            t += rule->every_us;
        else
            t = rule->trigger == RULE_CRON ? cron_us(cron_next(&rule->cron, zone, t / SECOND)) : CCCC_NEVER;
    }
    return n;
}

/* ---- the tick ---- */

static void not_run(struct cccc_core *core, struct cccc_rule_state *state, const char *why, int64_t hold_us)
{
    cccc_str_t text = cccc_str_cut(cccc_str(why), CCCC_AUTOMATION_ERROR_BYTES_MAX);
    forget_error(state);
    state->error = strndup(text.ptr, text.len);
    CCCC_ASSERT(state->error, "(out of memory)");
    state->error_us = core->now->unix_us;
    state->hold_us = (int64_t)core->now->mono_us + hold_us;
}

static void begin_run(struct cccc_core *core, struct cccc_group *group, const struct cccc_rule *rule, struct cccc_rule_state *state)
{
    struct cccc_errmsg m;
    call_t *call = core_call(core);
    call->group = group;
    struct cccc_run *run = cccc_arena_alloc(call->arena, sizeof *run);
    *run = (struct cccc_run){.rule = rule, .view = group, .due_us = due_of(core, rule, state), .done = call_finish};
    if (rule_run(call, run, &m) != CCCC_OK) {
        not_run(core, state, m.text, HOLD_FAILED);
        call_finish(call);
        return;
    }
    state->running_for_us = state->next_us;
    state->hold_us = (int64_t)core->now->mono_us + HOLD_DECIDED;
    forget_error(state);
}

/* A one-time rule that has run is not enabled any more. Until that is durable it is not run again either. */
static void end_once(struct cccc_core *core, struct cccc_group *group, const struct cccc_rule *rule, struct cccc_rule_state *state)
{
    struct cccc_errmsg m;
    call_t *call = core_call(core);
    cccc_value_t data = automation_over_data(call, group, rule);
    state->hold_us = (int64_t)core->now->mono_us + HOLD_DECIDED;
    if (call_append(call, group, CCCC_KIND_GROUP_AUTOMATION_UPDATE, CCCC_STR("system"), CCCC_STR(""), data, call_finish, &m) == CCCC_OK)
        return;
    not_run(core, state, m.text, HOLD_FAILED);
    call_finish(call);
}

/* Is there a run to begin? */
static bool is_due(struct cccc_core *core, const struct cccc_rule *rule, struct cccc_rule_state *state)
{
    int64_t now = now_of(core, rule);
    const char *why = NULL;
    bool turned_back = core->now->unix_us < state->planned_us;
    bool missed = rule->trigger != RULE_AT && now - LATE > state->next_us;
    if ((state->next_us == 0 || turned_back || missed) && !plan(core, rule, state, &why)) {
        if (why) {
            not_run(core, state, why, HOLD_ZONE);
        } else {
            zones_ask(core_call(core), rule->zone, call_finish);
            state->hold_us = (int64_t)core->now->mono_us + HOLD_ZONE;
        }
        return false;
    }
    return now >= state->next_us;
}

static void tick_group(struct cccc_core *core, struct cccc_group *group, uint32_t *left)
{
    for (uint32_t i = 0; i<group->config.rule_count && * left> 0 && group->pending_config == 0; i++) {
        const struct cccc_rule *rule = &group->config.rules[i];
        struct cccc_rule_state *state = rule->enabled && rule->broken.len == 0 ? automation_state(group, rule->id) : NULL;
        if (!state || (int64_t)core->now->mono_us < state->hold_us)
            continue;
        bool over = rule_is_over(rule, state);
        if (!over && !is_due(core, rule, state))
            continue;
        (*left)--;
        if (over)
            end_once(core, group, rule, state);
        else
            begin_run(core, group, rule, state);
    }
}

void automation_tick(struct cccc_core *core)
{
    uint32_t left = CCCC_AUTOMATION_RUNS_PER_TICK;
    for (uint32_t i = 0; i < core->group_count && left > 0; i++) {
        struct cccc_group *group = core->groups[(i + core->last_second) % core->group_count];
        if (core_is_at_work(core, group))
            tick_group(core, group, &left);
    }
}

/* ---- the snapshot, and the whole as a value ---- */

void automation_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, HASH_COUNT(group->rule_states));
    for (const struct cccc_rule_state *state = group->rule_states; state; state = state->hh.next) {
        cccc_pack_array(out, 4);
        cccc_pack_text(out, state->id);
        cccc_pack_uint(out, (uint64_t)state->armed.us);
        cccc_pack_uint(out, (uint64_t)state->last_us);
        cccc_pack_uint(out, (uint64_t)state->due.us);
    }
}

static bool state_load(struct cccc_group *group, const cccc_value_t *row)
{
    cccc_str_t id;
    if (!row || !cccc_as_str(&row[0], &id) || id.len == 0 || HASH_COUNT(group->rule_states) >= CCCC_AUTOMATION_RULES_MAX)
        return false;
    struct cccc_rule_state *state = state_make(group, id);
    return cccc_as_int(&row[1], &state->armed.us) && cccc_as_int(&row[2], &state->last_us) && cccc_as_int(&row[3], &state->due.us);
}

bool automation_load(struct cccc_group *group, const cccc_value_t *v)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++)
        if (!state_load(group, snapshot_row(&v->via.array.ptr[i], 4)))
            return false;
    return cccc_is_array(v);
}

static int by_id(const struct cccc_rule_state *a, const struct cccc_rule_state *b)
{
    return strcmp(a->id, b->id);
}

cccc_value_t automation_dump(const struct cccc_group *group, cccc_arena_t *arena)
{
    uint32_t count = HASH_COUNT(group->rule_states), n = 0;
    const struct cccc_rule_state **sorted = cccc_arena_alloc(arena, (count + 1) * sizeof(void *));
    for (const struct cccc_rule_state *state = group->rule_states; state; state = state->hh.next) {
        uint32_t at = n++;
        for (; at > 0 && by_id(sorted[at - 1], state) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = state;
    }
    cccc_builder_t map = cccc_map_builder(arena, n);
    for (uint32_t i = 0; i < n; i++) {
        cccc_builder_t row = cccc_array_builder(arena, 3);
        cccc_array_add(&row, cccc_int(sorted[i]->armed.us));
        cccc_array_add(&row, cccc_int(sorted[i]->last_us));
        cccc_array_add(&row, cccc_int(sorted[i]->due.us));
        cccc_map_add_key(&map, cccc_arena_str(arena, cccc_str(sorted[i]->id)), row.value);
    }
    return map.value;
}
