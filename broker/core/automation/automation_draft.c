/* automation_draft.c - see automation_draft.h.
 *
 * Thread: the core's. */
#include "broker/core/automation/automation_draft.h"

struct draft *draft_begin(call_t *call, struct cccc_group *ahead)
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

struct cccc_rule *draft_find(struct draft *d, cccc_str_t id)
{
    uint32_t i = 0;
    while (i < d->count && !cccc_str_eq(d->rules[i].id, id))
        i++;
    return i < d->count ? &d->rules[i] : NULL;
}

cccc_err_t draft_add(struct draft *d, const struct cccc_rule *rule, struct cccc_errmsg *m)
{
    if (draft_find(d, rule->id))
        return cccc_fail(m, CCCC_E_EXISTS, "there is a rule %.*s already", CCCC_STR_FMT(rule->id));
    if (d->count == CCCC_AUTOMATION_RULES_MAX)
        return cccc_fail(m, CCCC_E_TOO_LARGE, "a group keeps at most %d rules", CCCC_AUTOMATION_RULES_MAX);
    d->rules[d->count++] = *rule;
    return CCCC_OK;
}

cccc_err_t rule_members_check(const cccc_value_t *map, const char *where, const char *const *known, struct cccc_errmsg *m)
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

cccc_err_t draft_replace(struct draft *d, const cccc_value_t *ruleset, struct cccc_errmsg *m)
{
    static const char *const known[] = {"rules", "snippets", NULL};
    const cccc_value_t *rules = cccc_get(ruleset, "rules"), *snippets = cccc_get(ruleset, "snippets");
    cccc_err_t err = cccc_is_map(ruleset) ? rule_members_check(ruleset, "ruleset", known, m)
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

cccc_value_t draft_data(struct draft *d, const char *source)
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
    cccc_map_add(&data, "version", cccc_uint(automation_version(d->ahead) + 1));
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

/* ---- may it be ---- */

cccc_err_t draft_permitted(const struct draft *d, struct cccc_errmsg *m)
{
    const struct cccc_config *old = &d->ahead->config;
    cccc_err_t err = CCCC_OK;
    for (uint32_t i = 0; !err && i < d->count; i++) {
        const struct cccc_rule *before = rule_find(old->rules, old->rule_count, d->rules[i].id);
        if (before && cccc_value_eq(&before->entry, &d->rules[i].entry))
            continue;
        err = before ? automation_may_handle(d->ahead, d->call->by, before, m) : CCCC_OK;
        err = err ? err : automation_may_handle(d->ahead, d->call->by, &d->rules[i], m);
    }
    for (uint32_t i = 0; !err && i < old->rule_count; i++)
        if (!rule_find(d->rules, d->count, old->rules[i].id))
            err = automation_may_handle(d->ahead, d->call->by, &old->rules[i], m);
    return err;
}

cccc_err_t draft_fits(const struct draft *d, struct cccc_errmsg *m)
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
