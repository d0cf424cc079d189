/* automation_ops.c - reading and changing automation rules (reference 7.5), and running one by hand.
 *
 * A change is worked out on a draft of all rules and snippets, checked as a whole against who asks, and recorded as one group.automation_update with what is new. It is
 * decided against what is already decided, so that of two changes with the same expected_version one is refused.
 * Thread: the core's. */
#include "broker/core/automation.h"
#include "broker/core/message.h"

#include <stdio.h>

enum { NEXT_RUNS = 5 };

/* ---- who ---- */

static bool is_foreman(const struct cccc_group *group, cccc_str_t by)
{
    const struct cccc_actor *foreman = config_foreman(group);
    return foreman && cccc_str_eq(foreman->id, by);
}

/* Everybody but the foreman and who is no actor sees, and keeps, only rules of its own besides the group's. */
static bool is_peer(const struct cccc_group *group, cccc_str_t by)
{
    return config_actor(group, by) && !is_foreman(group, by);
}

static bool is_own(const struct cccc_rule *rule, cccc_str_t by)
{
    const cccc_value_t *to = cccc_get(&rule->entry, "to");
    return cccc_str_eq(rule->owner, by) && cccc_is_array(to) && to->via.array.size == 1 && recipients_name(to, by);
}

/* May `by` make, change, remove or run this rule? */
static cccc_err_t may_handle(const struct cccc_group *group, cccc_str_t by, const struct cccc_rule *rule, struct cccc_errmsg *m)
{
    if (cccc_str_is(by, "user"))
        return CCCC_OK;
    if (!config_actor(group, by))
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED, "permission denied: rules are for the user and actors of the group; %.*s may not",
                         CCCC_STR_FMT(by));
    if (rule->broken.len > 0 || rule->action != RULE_NOTIFY)
        return cccc_fail(m, CCCC_E_PERMISSION_DENIED, "permission denied: rule %.*s does more than notify; only the user may handle it",
                         CCCC_STR_FMT(rule->id));
    if (is_foreman(group, by) || is_own(rule, by))
        return CCCC_OK;
    return cccc_fail(m, CCCC_E_PERMISSION_DENIED,
                     "permission denied: a peer keeps rules with scope personal that it owns and that are to itself alone; %.*s is none",
                     CCCC_STR_FMT(rule->id));
}

/* Group and speaker; `strangers`: an unknown one is permission_denied here (reference 7.5). NULL: the call was failed. */
static struct cccc_group *begin(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot by, bool strangers)
{
    if (!call_group(call, group_id))
        return NULL;
    struct cccc_group *ahead = config_ahead(call, call->group);
    cccc_str_t claimed = cccc_arg_str(&call->request.args, by);
    bool actor = claimed.len > 0 && principal_is_actor(claimed);
    if (strangers && actor && call->peer.standing == CCCC_PEER_OPERATOR && !config_actor(ahead, claimed)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: unknown actor %.*s", CCCC_STR_FMT(claimed));
        return NULL;
    }
    return permit_by(call, ahead, claimed, "user") ? ahead : NULL;
}

static uint64_t version_of(const struct cccc_group *group)
{
    return cccc_get_uint(cccc_get(&group->document, "automation"), "version", 0);
}

/* False: the rules are of another version than expected, and the call was failed. */
static bool is_expected(call_t *call, const struct cccc_group *group, enum cccc_arg_slot slot)
{
    uint64_t current = version_of(group), expected = cccc_arg_uint(&call->request.args, slot, current);
    if (expected == current)
        return true;
    cccc_builder_t details = cccc_map_builder(call->arena, 2);
    cccc_map_add(&details, "expected_version", cccc_uint(expected));
    cccc_map_add(&details, "current_version", cccc_uint(current));
    call_fail_details(call, CCCC_E_VERSION_CONFLICT, details.value,
                      "the rules have version %llu now, not %llu; read them again (cccc automation list), nothing was changed",
                      (unsigned long long)current, (unsigned long long)expected);
    return false;
}

/* ---- what there is ---- */

static bool is_visible(const struct cccc_group *group, cccc_str_t by, const struct cccc_rule *rule)
{
    return !is_peer(group, by) || rule->owner.len == 0 || cccc_str_eq(rule->owner, by);
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
    if (!cccc_is_map(all) || !is_peer(group, call->by))
        return cccc_is_map(all) ? *all : some.value;
    for (uint32_t i = 0; i < group->config.rule_count; i++) {
        const struct cccc_rule *rule = &group->config.rules[i];
        cccc_str_t name = cccc_get_str(cccc_get(&rule->entry, "action"), "snippet_ref");
        const cccc_value_t *text = name.len > 0 ? cccc_get_key(all, name) : NULL;
        if (text && is_visible(group, call->by, rule) && !cccc_get_key(&some.value, name))
            cccc_map_add_key(&some, name, *text);
    }
    return some.value;
}

static void add_ruleset(call_t *call, cccc_builder_t *result)
{
    const struct cccc_group *group = call->group;
    cccc_builder_t rules = cccc_array_builder(call->arena, group->config.rule_count), ruleset = cccc_map_builder(call->arena, 2);
    for (uint32_t i = 0; i < group->config.rule_count; i++)
        if (is_visible(group, call->by, &group->config.rules[i]))
            cccc_array_add(&rules, group->config.rules[i].entry);
    cccc_map_add(&ruleset, "rules", rules.value);
    cccc_map_add(&ruleset, "snippets", shown_snippets(call, group));
    cccc_map_add(result, "group_id", cccc_text(group->id));
    cccc_map_add(result, "ruleset", ruleset.value);
    cccc_map_add(result, "version", cccc_uint(version_of(group)));
}

/* All that group_automation_state shows. */
static void add_state(call_t *call, cccc_builder_t *result)
{
    const struct cccc_group *group = call->group;
    cccc_builder_t status = cccc_map_builder(call->arena, group->config.rule_count), variables = cccc_array_builder(call->arena, 4);
    const char *home = call->core->facts ? call->core->facts->home : "";
    for (uint32_t i = 0; i < group->config.rule_count; i++)
        if (is_visible(group, call->by, &group->config.rules[i]))
            cccc_map_add_key(&status, group->config.rules[i].id, rule_status(call, &group->config.rules[i]));
    for (const char *const *name = rule_variables; *name; name++)
        cccc_array_add(&variables, cccc_text(*name));
    add_ruleset(call, result);
    cccc_map_add(result, "status", status.value);
    cccc_map_add(result, "supported_vars", variables.value);
    cccc_map_add(result, "server_now", time_or_nothing(call->arena, call->core->now->unix_us));
    cccc_map_add(result, "config_path", cccc_string(cccc_arena_printf(call->arena, "%s/groups/%s/group.yaml", home, group->id)));
}

/* A zone of the rules that has still to be read; "": there is none. With `why`, one that cannot be read is the answer, too, and *why says so. */
static cccc_str_t zone_missing(const call_t *call, const struct cccc_rule *rules, uint32_t count, const char **why)
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
    if (!begin(call, CCCC_A_group_automation_state_group_id, CCCC_A_group_automation_state_by, true))
        return;
    cccc_str_t zone = zone_missing(call, call->group->config.rules, call->group->config.rule_count, NULL);
    if (zone.len > 0) {
        zones_ask(call, zone, op_group_automation_state);
        return;
    }
    cccc_builder_t result = cccc_map_builder(call->arena, 9);
    add_state(call, &result);
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

/* ---- a draft ---- */

/* What the rules and snippets are to be; all in the call's arena. */
struct draft {
    call_t *call;
    struct cccc_group *ahead;
    struct cccc_rule *rules;
    uint32_t count;
    cccc_value_t snippets;
    cccc_builder_t applied;
    bool changed;
};

static struct draft *draft_begin(call_t *call, struct cccc_group *ahead)
{
    struct draft *d = cccc_arena_alloc(call->arena, sizeof *d);
    const cccc_value_t *snippets = cccc_get(cccc_get(&ahead->document, "automation"), "snippets");
    *d = (struct draft){.call = call, .ahead = ahead, .count = ahead->config.rule_count};
    d->rules = cccc_arena_alloc(call->arena, CCCC_AUTOMATION_RULES_MAX * sizeof *d->rules);
    if (d->count > 0)
        memcpy(d->rules, ahead->config.rules, d->count * sizeof *d->rules);
    d->snippets = cccc_is_map(snippets) ? *snippets : cccc_map_builder(call->arena, 0).value;
    d->applied = cccc_array_builder(call->arena, 4);
    return d;
}

static struct cccc_rule *draft_find(struct draft *d, cccc_str_t id)
{
    uint32_t i = 0;
    while (i < d->count && !cccc_str_eq(d->rules[i].id, id))
        i++;
    return i < d->count ? &d->rules[i] : NULL;
}

static cccc_err_t draft_add(struct draft *d, const struct cccc_rule *rule, struct cccc_errmsg *m)
{
    if (draft_find(d, rule->id))
        return cccc_fail(m, CCCC_E_EXISTS, "there is a rule %.*s already", CCCC_STR_FMT(rule->id));
    if (d->count == CCCC_AUTOMATION_RULES_MAX)
        return cccc_fail(m, CCCC_E_TOO_LARGE, "a group keeps at most %d rules", CCCC_AUTOMATION_RULES_MAX);
    d->rules[d->count++] = *rule;
    return CCCC_OK;
}

/* Refuse members that are not in the NULL-terminated list. */
static cccc_err_t check_members(const cccc_value_t *map, const char *where, const char *const *known, struct cccc_errmsg *m)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        cccc_str_t name = CCCC_STR("");
        cccc_as_str(&map->via.map.ptr[i].key, &name);
        const char *const *one = known;
        while (*one && !cccc_str_is(name, *one))
            one++;
        if (!*one)
            return cccc_fail(m, CCCC_E_INVALID_RULE, "%s.%.*s is not known", where, CCCC_STR_FMT(name));
    }
    return CCCC_OK;
}

/* Everything is replaced by {rules, snippets}. */
static cccc_err_t draft_replace(struct draft *d, const cccc_value_t *ruleset, struct cccc_errmsg *m)
{
    static const char *const known[] = {"rules", "snippets", NULL};
    const cccc_value_t *rules = cccc_get(ruleset, "rules"), *snippets = cccc_get(ruleset, "snippets");
    cccc_err_t err = cccc_is_map(ruleset) ? check_members(ruleset, "ruleset", known, m)
                                          : cccc_fail(m, CCCC_E_INVALID_RULE, "ruleset must be a map of rules and snippets");
    if (!err && rules && !cccc_is_array(rules))
        err = cccc_fail(m, CCCC_E_INVALID_RULE, "rules must be a list");
    err = err || !snippets ? err : snippets_check(snippets, m);
    d->count = 0;
    d->snippets = snippets ? *snippets : cccc_map_builder(d->call->arena, 0).value;
    for (uint32_t i = 0; !err && rules && i < rules->via.array.size; i++) {
        struct cccc_rule rule = {0};
        const char *where = cccc_arena_printf(d->call->arena, "rules[%u]", i).ptr;
        err = rule_read(d->call->arena, &rules->via.array.ptr[i], where, &rule, m);
        err = err ? err : draft_add(d, &rule, m);
    }
    return err;
}

/* ---- the event ---- */

static bool counts_anew(const struct cccc_rule *before, const struct cccc_rule *after)
{
    if (!before || before->broken.len > 0 || (after->enabled && !before->enabled))
        return true;
    return !cccc_value_eq(cccc_get(&before->entry, "trigger"), cccc_get(&after->entry, "trigger"));
}

/* What `snippets` has that the group has not, or has otherwise. */
static cccc_value_t snippets_new(const struct draft *d)
{
    const cccc_value_t *before = cccc_get(cccc_get(&d->ahead->document, "automation"), "snippets");
    cccc_builder_t put = cccc_map_builder(d->call->arena, 4);
    for (uint32_t i = 0; i < d->snippets.via.map.size; i++) {
        const msgpack_object_kv *kv = &d->snippets.via.map.ptr[i];
        cccc_str_t name = {kv->key.via.str.ptr, kv->key.via.str.size};
        const cccc_value_t *old = cccc_get_key(before, name);
        if (!old || !cccc_value_eq(old, &kv->val))
            cccc_map_add_key(&put, name, kv->val);
    }
    return put.value;
}

static cccc_value_t snippet_names(const struct draft *d)
{
    cccc_builder_t names = cccc_array_builder(d->call->arena, d->snippets.via.map.size);
    for (uint32_t i = 0; i < d->snippets.via.map.size; i++)
        cccc_array_add(&names, d->snippets.via.map.ptr[i].key);
    return names.value;
}

/* The data of the change; d->changed says whether it is one. */
static cccc_value_t draft_data(struct draft *d, const char *source)
{
    cccc_arena_t *arena = d->call->arena;
    const struct cccc_config *old = &d->ahead->config;
    cccc_builder_t ids = cccc_array_builder(arena, d->count), put = cccc_array_builder(arena, 4), armed = cccc_array_builder(arena, 4);
    d->changed = d->count != old->rule_count;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct cccc_rule *rule = &d->rules[i], *before = rule_find(old->rules, old->rule_count, rule->id);
        cccc_array_add(&ids, cccc_string(rule->id));
        d->changed = d->changed || !cccc_str_eq(old->rules[i].id, rule->id);
        if (before && cccc_value_eq(&before->entry, &rule->entry))
            continue;
        cccc_array_add(&put, rule->entry);
        if (counts_anew(before, rule))
            cccc_array_add(&armed, cccc_string(rule->id));
    }
    const cccc_value_t *snippets = cccc_get(cccc_get(&d->ahead->document, "automation"), "snippets");
    cccc_value_t put_snippets = snippets_new(d);
    uint32_t snippets_before = cccc_is_map(snippets) ? snippets->via.map.size : 0;
    d->changed = d->changed || put.value.via.array.size > 0 || put_snippets.via.map.size > 0 || d->snippets.via.map.size != snippets_before;
    cccc_builder_t data = cccc_map_builder(arena, 8);
    cccc_map_add(&data, "rules", ids.value);
    cccc_map_add(&data, "snippets", snippet_names(d));
    cccc_map_add(&data, "version", cccc_uint(version_of(d->ahead) + 1));
    cccc_map_add(&data, "actions", d->applied.value);
    cccc_map_add(&data, "source", cccc_text(source));
    cccc_map_add(&data, "put", put.value);
    cccc_map_add(&data, "put_snippets", put_snippets);
    cccc_map_add(&data, "armed", armed.value);
    return cccc_value_copy(arena, &data.value); /* nothing may be borrowed from the document, which may be gone when the event is applied */
}

cccc_value_t automation_over_data(call_t *call, struct cccc_group *group, const struct cccc_rule *rule)
{
    struct draft *d = draft_begin(call, group);
    struct cccc_rule *mine = draft_find(d, rule->id);
    cccc_builder_t action = cccc_map_builder(call->arena, 3);
    mine->enabled = false;
    mine->entry = cccc_map_with(call->arena, &mine->entry, CCCC_STR("enabled"), cccc_bool(false));
    cccc_map_add(&action, "type", cccc_text("set_rule_enabled"));
    cccc_map_add(&action, "rule_id", cccc_string(rule->id));
    cccc_map_add(&action, "enabled", cccc_bool(false));
    cccc_array_add(&d->applied, action.value);
    return draft_data(d, "completed");
}

/* ---- from a draft to the answer ---- */

static cccc_err_t draft_permitted(const struct draft *d, struct cccc_errmsg *m)
{
    const struct cccc_config *old = &d->ahead->config;
    cccc_err_t err = CCCC_OK;
    for (uint32_t i = 0; !err && i < d->count; i++) {
        const struct cccc_rule *before = rule_find(old->rules, old->rule_count, d->rules[i].id);
        if (before && cccc_value_eq(&before->entry, &d->rules[i].entry))
            continue;
        err = before ? may_handle(d->ahead, d->call->by, before, m) : CCCC_OK;
        err = err ? err : may_handle(d->ahead, d->call->by, &d->rules[i], m);
    }
    for (uint32_t i = 0; !err && i < old->rule_count; i++)
        if (!rule_find(d->rules, d->count, old->rules[i].id))
            err = may_handle(d->ahead, d->call->by, &old->rules[i], m);
    return err;
}

/* What the group's file would be with it. */
static cccc_err_t draft_fits(const struct draft *d, struct cccc_errmsg *m)
{
    cccc_arena_t *arena = d->call->arena;
    cccc_builder_t automation = cccc_map_builder(arena, 2), rules = cccc_array_builder(arena, d->count);
    for (uint32_t i = 0; i < d->count; i++)
        cccc_array_add(&rules, d->rules[i].entry);
    cccc_map_add(&automation, "rules", rules.value);
    cccc_map_add(&automation, "snippets", d->snippets);
    struct cccc_group after = {.document = cccc_map_with(arena, &d->ahead->document, CCCC_STR("automation"), automation.value)};
    const cccc_value_t nothing = cccc_nil();
    return change_fits(&after, &nothing, m);
}

static void manage_finish(call_t *call, cccc_builder_t *result)
{
    const struct change *change = call->state;
    const struct draft *d = change->own;
    add_state(call, result);
    cccc_map_add(result, "applied_actions", d->applied.value);
    cccc_map_add(result, "changed", cccc_bool(true));
}

/* Nothing is different: no event. */
static void manage_unchanged(call_t *call, const struct draft *d)
{
    cccc_builder_t result = cccc_map_builder(call->arena, 12);
    add_state(call, &result);
    cccc_map_add(&result, "applied_actions", d->applied.value);
    cccc_map_add(&result, "changed", cccc_bool(false));
    cccc_map_add(&result, "event", cccc_nil());
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

/* How the three operations differ. */
struct ending {
    cccc_err_t failed;
    const char *source;
    change_finish_fn finish;
    call_next_fn again; /* the operation, once a zone was read */
    bool only_changes;  /* nothing different is no change */
};

/* Record the draft and answer. Consumes the call. */
static void draft_end(struct draft *d, const struct ending *ending)
{
    call_t *call = d->call;
    struct cccc_errmsg m;
    const char *why = NULL;
    cccc_err_t err = draft_permitted(d, &m);
    cccc_str_t zone = err ? CCCC_STR("") : zone_missing(call, d->rules, d->count, &why);
    if (!err && zone.len > 0 && !why) {
        zones_ask(call, zone, ending->again);
        return;
    }
    if (!err && why)
        err = cccc_fail(&m, CCCC_E_INVALID_RULE, "%s", why);
    err = err ? err : draft_fits(d, &m);
    if (err) {
        call_fail_cause(call, ending->failed, err, "%s; nothing was changed", m.text);
        return;
    }
    cccc_value_t data = draft_data(d, ending->source);
    if (!d->changed && ending->only_changes) {
        manage_unchanged(call, d);
        return;
    }
    change_new(call, ending->finish, d);
    err = call_append(call, call->group, CCCC_KIND_GROUP_AUTOMATION_UPDATE, call->by, CCCC_STR(""), data, change_applied, &m);
    if (err)
        call_fail(call, err, "%s", m.text);
}

/* ---- group_automation_update, group_automation_reset_baseline ---- */

/* Speaker and right to replace everything. NULL: the call was failed. */
static struct cccc_group *begin_replacing(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot by, cccc_err_t failed)
{
    struct cccc_errmsg m;
    struct cccc_group *ahead = begin(call, group_id, by, false);
    if (!ahead || permit_in(ahead, call->by, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), &m))
        return ahead;
    call_fail_cause(call, failed, CCCC_E_PERMISSION_DENIED, "%s", m.text);
    return NULL;
}

void op_group_automation_update(call_t *call)
{
    static const struct ending ending = {
        .failed = CCCC_E_GROUP_AUTOMATION_UPDATE_FAILED, .source = "", .finish = add_ruleset, .again = op_group_automation_update};
    struct cccc_errmsg m;
    struct cccc_group *ahead =
        begin_replacing(call, CCCC_A_group_automation_update_group_id, CCCC_A_group_automation_update_by, ending.failed);
    if (!ahead)
        return;
    struct draft *d = draft_begin(call, ahead);
    cccc_err_t err = draft_replace(d, cccc_arg(&call->request.args, CCCC_A_group_automation_update_ruleset), &m);
    if (err)
        call_fail_cause(call, ending.failed, err, "%s; nothing was changed", m.text);
    else if (is_expected(call, ahead, CCCC_A_group_automation_update_expected_version))
        draft_end(d, &ending);
}

void op_group_automation_reset_baseline(call_t *call)
{
    static const struct ending ending = {.failed = CCCC_E_GROUP_AUTOMATION_RESET_BASELINE_FAILED,
                                         .source = "baseline_reset",
                                         .finish = add_state,
                                         .again = op_group_automation_reset_baseline};
    struct cccc_errmsg m;
    struct cccc_group *ahead =
        begin_replacing(call, CCCC_A_group_automation_reset_baseline_group_id, CCCC_A_group_automation_reset_baseline_by, ending.failed);
    if (!ahead || !is_expected(call, ahead, CCCC_A_group_automation_reset_baseline_expected_version))
        return;
    struct draft *d = draft_begin(call, ahead);
    cccc_value_t baseline = rules_baseline(call->arena), ruleset = cccc_map_without(call->arena, &baseline, CCCC_STR("version"));
    CCCC_ASSERT(draft_replace(d, &ruleset, &m) == CCCC_OK, "(our own rules: %s)", m.text);
    draft_end(d, &ending);
}

/* ---- group_automation_manage ---- */

static cccc_err_t action_rule(struct draft *d, const cccc_value_t *action, struct cccc_rule *out, struct cccc_errmsg *m)
{
    const cccc_value_t *rule = cccc_get(action, "rule");
    return rule ? rule_read(d->call->arena, rule, "rule", out, m) : cccc_fail(m, CCCC_E_INVALID_RULE, "rule is missing");
}

static cccc_err_t not_found(cccc_str_t id, struct cccc_errmsg *m)
{
    return cccc_fail(m, CCCC_E_RULE_NOT_FOUND, "there is no rule %.*s", CCCC_STR_FMT(id));
}

static cccc_err_t create_rule(struct draft *d, const cccc_value_t *action, cccc_str_t *id, struct cccc_errmsg *m)
{
    struct cccc_rule rule = {0};
    cccc_err_t err = action_rule(d, action, &rule, m);
    *id = err ? *id : rule.id;
    return err ? err : draft_add(d, &rule, m);
}

static cccc_err_t update_rule(struct draft *d, const cccc_value_t *action, cccc_str_t *id, struct cccc_errmsg *m)
{
    struct cccc_rule rule = {0};
    cccc_err_t err = action_rule(d, action, &rule, m);
    if (err)
        return err;
    struct cccc_rule *old = draft_find(d, rule.id);
    *id = rule.id;
    if (!old)
        return not_found(rule.id, m);
    *old = rule;
    return CCCC_OK;
}

static cccc_err_t set_rule_enabled(struct draft *d, const cccc_value_t *action, cccc_str_t *id, struct cccc_errmsg *m)
{
    const cccc_value_t *given = cccc_get(action, "enabled");
    struct cccc_rule *rule = draft_find(d, *id);
    bool on = cccc_coerce_bool(given, false);
    if (!given || on != cccc_coerce_bool(given, true))
        return cccc_fail(m, CCCC_E_INVALID_RULE, "enabled must be true or false");
    if (!rule)
        return not_found(*id, m);
    if (rule->broken.len > 0)
        return cccc_fail(m, CCCC_E_INVALID_RULE, "%.*s; update or delete it", CCCC_STR_FMT(rule->broken));
    rule->enabled = on;
    rule->entry = cccc_map_with(d->call->arena, &rule->entry, CCCC_STR("enabled"), cccc_bool(on));
    return CCCC_OK;
}

static cccc_err_t delete_rule(struct draft *d, const cccc_value_t *action, cccc_str_t *id, struct cccc_errmsg *m)
{
    (void)action;
    struct cccc_rule *rule = draft_find(d, *id);
    if (!rule)
        return not_found(*id, m);
    memmove(rule, rule + 1, (size_t)(d->rules + d->count - (rule + 1)) * sizeof *rule);
    d->count--;
    return CCCC_OK;
}

static cccc_err_t replace_all_rules(struct draft *d, const cccc_value_t *action, cccc_str_t *id, struct cccc_errmsg *m)
{
    (void)id;
    if (!permit_in(d->ahead, d->call->by, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), m))
        return CCCC_E_PERMISSION_DENIED;
    return draft_replace(d, cccc_get(action, "ruleset"), m);
}

static const struct {
    const char *type;
    const char *members[4];
    cccc_err_t (*apply)(struct draft *d, const cccc_value_t *action, cccc_str_t *id, struct cccc_errmsg *m);
} actions[] = {
    {"create_rule", {"type", "rule"}, create_rule},
    {"update_rule", {"type", "rule"}, update_rule},
    {"set_rule_enabled", {"type", "rule_id", "enabled"}, set_rule_enabled},
    {"delete_rule", {"type", "rule_id"}, delete_rule},
    {"replace_all_rules", {"type", "ruleset"}, replace_all_rules},
};
enum { ACTION_TYPES = sizeof actions / sizeof *actions };

static cccc_err_t draft_act(struct draft *d, const cccc_value_t *action, struct cccc_errmsg *m)
{
    cccc_str_t type = cccc_get_str(action, "type"), id = cccc_get_str(action, "rule_id");
    size_t i = 0;
    while (i < ACTION_TYPES && !cccc_str_is(type, actions[i].type))
        i++;
    if (i == ACTION_TYPES)
        return cccc_fail(m, CCCC_E_INVALID_RULE,
                         "type must be one of: create_rule update_rule set_rule_enabled delete_rule replace_all_rules");
    cccc_err_t err = check_members(action, actions[i].type, actions[i].members, m);
    err = err ? err : actions[i].apply(d, action, &id, m);
    if (err)
        return err;
    cccc_builder_t row = cccc_map_builder(d->call->arena, 3);
    cccc_map_add(&row, "type", cccc_text(actions[i].type));
    if (id.len > 0)
        cccc_map_add(&row, "rule_id", cccc_string(id));
    if (cccc_get(action, "enabled"))
        cccc_map_add(&row, "enabled", cccc_bool(cccc_coerce_bool(cccc_get(action, "enabled"), false)));
    cccc_array_add(&d->applied, row.value);
    return CCCC_OK;
}

void op_group_automation_manage(call_t *call)
{
    static const struct ending ending = {.failed = CCCC_E_GROUP_AUTOMATION_MANAGE_FAILED,
                                         .source = "",
                                         .finish = manage_finish,
                                         .again = op_group_automation_manage,
                                         .only_changes = true};
    const cccc_value_t *list = cccc_arg(&call->request.args, CCCC_A_group_automation_manage_actions);
    struct cccc_errmsg m;
    if (list->via.array.size == 0) {
        call_fail(call, CCCC_E_INVALID_REQUEST, "actions is empty; name at least one thing to change");
        return;
    }
    struct cccc_group *ahead = begin(call, CCCC_A_group_automation_manage_group_id, CCCC_A_group_automation_manage_by, true);
    if (!ahead || !is_expected(call, ahead, CCCC_A_group_automation_manage_expected_version))
        return;
    struct draft *d = draft_begin(call, ahead);
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        cccc_err_t err = draft_act(d, &list->via.array.ptr[i], &m);
        if (err) {
            call_fail_cause(call, ending.failed, err, "actions[%u]: %s; nothing was changed", i, m.text);
            return;
        }
    }
    draft_end(d, &ending);
}

/* ---- group_automation_run ---- */

static void run_done(call_t *call)
{
    const struct cccc_run *run = call->state;
    cccc_builder_t result = cccc_map_builder(call->arena, 5);
    cccc_map_add(&result, "group_id", cccc_text(call->group->id));
    cccc_map_add(&result, "rule_id", cccc_string(cccc_arg_str(&call->request.args, CCCC_A_group_automation_run_rule_id)));
    cccc_map_add(&result, "actor_ids", run->told.value);
    cccc_map_add(&result, "event_id", cccc_string(call->appended->event.id));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

void op_group_automation_run(call_t *call)
{
    struct cccc_errmsg m;
    struct cccc_group *ahead = begin(call, CCCC_A_group_automation_run_group_id, CCCC_A_group_automation_run_by, true);
    if (!ahead)
        return;
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_group_automation_run_rule_id);
    const struct cccc_rule *rule = rule_find(ahead->config.rules, ahead->config.rule_count, id);
    if (!rule) {
        call_fail(call, CCCC_E_RULE_NOT_FOUND, "there is no rule %.*s in group %s; `cccc automation list` shows them", CCCC_STR_FMT(id),
                  ahead->id);
        return;
    }
    if (may_handle(ahead, call->by, rule, &m) != CCCC_OK) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return;
    }
    struct cccc_run *run = cccc_arena_alloc(call->arena, sizeof *run);
    *run = (struct cccc_run){.rule = rule, .view = ahead, .by = call->by, .done = run_done};
    call->state = run;
    cccc_err_t err = rule_run(call, run, &m);
    if (err)
        call_fail_cause(call, CCCC_E_GROUP_AUTOMATION_RUN_FAILED, err, "rule %.*s did not run: %s", CCCC_STR_FMT(id), m.text);
}
