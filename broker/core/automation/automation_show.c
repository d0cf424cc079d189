/* automation_show.c - rules, snippets, what became of the rules and when they run next (reference 7.5).
 *
 * Thread: the core's. */
#include "broker/core/automation/automation.h"

enum { NEXT_RUNS = 5 };

uint64_t automation_version(const struct cccc_group *group)
{
    return cccc_get_uint(cccc_get(&group->document, "automation"), "version", 0);
}

static cccc_value_t local_text(cccc_arena_t *arena, const cccc_zone_t *zone, int64_t us)
{
    char ts[28];
    int64_t offset = zone_offset(zone, us / 1000000), minutes = (offset < 0 ? -offset : offset) / 60;
    cccc_ts_format(ts, us + offset * 1000000);
    return cccc_string(cccc_arena_printf(arena, "%.19s%c%02d:%02d", ts, offset < 0 ? '-' : '+', (int)(minutes / 60), (int)(minutes % 60)));
}

static cccc_value_t time_or_nothing(cccc_arena_t *arena, int64_t us)
{
    char ts[28] = "";
    if (us != 0)
        cccc_ts_format(ts, us);
    return cccc_string(cccc_arena_str(arena, cccc_str(ts)));
}

static cccc_value_t next_runs(call_t *call, const struct cccc_rule *rule, struct cccc_rule_state *state, int64_t *first)
{
    int64_t times[NEXT_RUNS];
    const char *why;
    cccc_builder_t runs = cccc_array_builder(call->arena, NEXT_RUNS);
    const cccc_zone_t *zone = rule->trigger == RULE_CRON ? zones_find(call->core, rule->zone, &why) : zone_utc();
    uint32_t count = rule_next_runs(call->core, rule, state, times, NEXT_RUNS);
    *first = count > 0 ? times[0] : 0;
    for (uint32_t i = 0; i < count; i++) {
        cccc_builder_t one = cccc_map_builder(call->arena, 2);
        cccc_map_add(&one, "at", time_or_nothing(call->arena, times[i]));
        cccc_map_add(&one, "local", local_text(call->arena, zone, times[i]));
        cccc_array_add(&runs, one.value);
    }
    return runs.value;
}

static cccc_value_t rule_status(call_t *call, const struct cccc_rule *rule)
{
    struct cccc_rule_state none = {.armed.us = call->core->now->unix_us}, *known = automation_state(call->group, rule->id);
    struct cccc_rule_state *state = known ? known : &none;
    bool over = rule_is_over(rule, state);
    int64_t first;
    cccc_value_t runs = next_runs(call, rule, state, &first);
    const char *error = rule->broken.len > 0 ? cccc_arena_str(call->arena, rule->broken).ptr : state->error;
    cccc_builder_t row = cccc_map_builder(call->arena, 7);
    cccc_map_add(&row, "last_fired_at", time_or_nothing(call->arena, state->last_us));
    cccc_map_add(&row, "last_error_at", time_or_nothing(call->arena, state->error_us));
    cccc_map_add(&row, "last_error", cccc_string(cccc_arena_str(call->arena, cccc_str(error ? error : ""))));
    cccc_map_add(&row, "next_fire_at", time_or_nothing(call->arena, first));
    cccc_map_add(&row, "completed", cccc_bool(over));
    cccc_map_add(&row, "completed_at", time_or_nothing(call->arena, over ? state->last_us : 0));
    cccc_map_add(&row, "next_runs", runs);
    return row.value;
}

/* The snippets: for a peer, those its rules use. */
static cccc_value_t shown_snippets(call_t *call, const struct cccc_group *group)
{
    const cccc_value_t *all = cccc_get(cccc_get(&group->document, "automation"), "snippets");
    cccc_builder_t some = cccc_map_builder(call->arena, 4);
    if (!cccc_is_map(all) || !automation_is_peer(group, call->by))
        return cccc_is_map(all) ? *all : some.value;
    for (uint32_t i = 0; i < group->config.rule_count; i++) {
        const struct cccc_rule *rule = &group->config.rules[i];
        cccc_str_t name = cccc_get_str(cccc_get(&rule->entry, "action"), "snippet_ref");
        const cccc_value_t *text = name.len > 0 ? cccc_get_key(all, name) : NULL;
        if (text && automation_may_see(group, call->by, rule) && !cccc_get_key(&some.value, name))
            cccc_map_add_key(&some, name, *text);
    }
    return some.value;
}

void automation_add_ruleset(call_t *call, cccc_builder_t *result)
{
    const struct cccc_group *group = call->group;
    cccc_builder_t rules = cccc_array_builder(call->arena, group->config.rule_count), ruleset = cccc_map_builder(call->arena, 2);
    for (uint32_t i = 0; i < group->config.rule_count; i++)
        if (automation_may_see(group, call->by, &group->config.rules[i]))
            cccc_array_add(&rules, group->config.rules[i].entry);
    cccc_map_add(&ruleset, "rules", rules.value);
    cccc_map_add(&ruleset, "snippets", shown_snippets(call, group));
    cccc_map_add(result, "group_id", cccc_text(group->id));
    cccc_map_add(result, "ruleset", ruleset.value);
    cccc_map_add(result, "version", cccc_uint(automation_version(group)));
}

void automation_add_state(call_t *call, cccc_builder_t *result)
{
    const struct cccc_group *group = call->group;
    cccc_builder_t status = cccc_map_builder(call->arena, group->config.rule_count), variables = cccc_array_builder(call->arena, 4);
    const char *home = call->core->facts ? call->core->facts->home : "";
    for (uint32_t i = 0; i < group->config.rule_count; i++)
        if (automation_may_see(group, call->by, &group->config.rules[i]))
            cccc_map_add_key(&status, group->config.rules[i].id, rule_status(call, &group->config.rules[i]));
    for (const char *const *name = rule_variables; *name; name++)
        cccc_array_add(&variables, cccc_text(*name));
    automation_add_ruleset(call, result);
    cccc_map_add(result, "status", status.value);
    cccc_map_add(result, "supported_vars", variables.value);
    cccc_map_add(result, "server_now", time_or_nothing(call->arena, call->core->now->unix_us));
    cccc_map_add(result, "config_path", cccc_string(cccc_arena_printf(call->arena, "%s/groups/%s/group.yaml", home, group->id)));
}

cccc_str_t automation_zone_missing(const call_t *call, const struct cccc_rule *rules, uint32_t count, const char **why)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *failed = NULL;
        if (rules[i].broken.len > 0 || rules[i].trigger != RULE_CRON || zones_find(call->core, rules[i].zone, &failed))
            continue;
        if (why)
            *why = failed;
        if (why || !failed)
            return rules[i].zone;
    }
    return CCCC_STR("");
}

void op_group_automation_state(call_t *call)
{
    if (!automation_speaker(call, CCCC_A_group_automation_state_group_id, CCCC_A_group_automation_state_by, true))
        return;
    cccc_str_t zone = automation_zone_missing(call, call->group->config.rules, call->group->config.rule_count, NULL);
    if (zone.len > 0) {
        zones_ask(call, zone, op_group_automation_state);
        return;
    }
    cccc_builder_t result = cccc_map_builder(call->arena, 9);
    automation_add_state(call, &result);
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}
