/* automation_ops.c - changing automation rules (reference 7.5), and running one by hand.
 *
 * A change is decided against what is already decided, so that of two changes with the same expected_version one is refused.
 * Thread: the core's. */
#include "broker/core/automation/automation_draft.h"

/* False: the rules are of another version than expected, and the call was failed. */
static bool is_expected(call_t *call, const struct cccc_group *group, enum cccc_arg_slot slot)
{
    uint64_t current = automation_version(group), expected = cccc_arg_uint(&call->request.args, slot, current);
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

/* ---- from a draft to the answer ---- */

static void manage_finish(call_t *call, cccc_builder_t *result)
{
    const struct change *change = call->state;
    const struct draft *d = change->own;
    automation_add_state(call, result);
    cccc_map_add(result, "applied_actions", d->applied.value);
    cccc_map_add(result, "changed", cccc_bool(true));
}

/* Nothing is different: no event. */
static void manage_unchanged(call_t *call, const struct draft *d)
{
    cccc_builder_t result = cccc_map_builder(call->arena, 12);
    automation_add_state(call, &result);
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
    cccc_str_t zone = err ? CCCC_STR("") : automation_zone_missing(call, d->rules, d->count, &why);
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
    struct cccc_group *ahead = automation_speaker(call, group_id, by, false);
    if (!ahead || permit_in(ahead, call->by, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), &m))
        return ahead;
    call_fail_cause(call, failed, CCCC_E_PERMISSION_DENIED, "%s", m.text);
    return NULL;
}

void op_group_automation_update(call_t *call)
{
    static const struct ending ending = {.failed = CCCC_E_GROUP_AUTOMATION_UPDATE_FAILED,
                                         .source = "",
                                         .finish = automation_add_ruleset,
                                         .again = op_group_automation_update};
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
                                         .finish = automation_add_state,
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
    cccc_err_t err = rule_members_check(action, actions[i].type, actions[i].members, m);
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
    struct cccc_group *ahead = automation_speaker(call, CCCC_A_group_automation_manage_group_id, CCCC_A_group_automation_manage_by, true);
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
    struct cccc_group *ahead = automation_speaker(call, CCCC_A_group_automation_run_group_id, CCCC_A_group_automation_run_by, true);
    if (!ahead)
        return;
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_group_automation_run_rule_id);
    const struct cccc_rule *rule = rule_find(ahead->config.rules, ahead->config.rule_count, id);
    if (!rule) {
        call_fail(call, CCCC_E_RULE_NOT_FOUND, "there is no rule %.*s in group %s; `cccc automation list` shows them", CCCC_STR_FMT(id),
                  ahead->id);
        return;
    }
    if (automation_may_handle(ahead, call->by, rule, &m) != CCCC_OK) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return;
    }
    if (call->group->read_only) { /* whoever it is for */
        call_fail(call, CCCC_E_GROUP_READ_ONLY, "rule %.*s did not run: group %s takes no events: %s", CCCC_STR_FMT(id), call->group->id,
                  call->group->read_only);
        return;
    }
    struct cccc_run *run = cccc_arena_alloc(call->arena, sizeof *run);
    *run = (struct cccc_run){.rule = rule, .view = ahead, .by = call->by, .done = run_done};
    call->state = run;
    cccc_err_t err = rule_run(call, run, &m);
    if (err)
        call_fail_cause(call, CCCC_E_GROUP_AUTOMATION_RUN_FAILED, err, "rule %.*s did not run: %s", CCCC_STR_FMT(id), m.text);
}
