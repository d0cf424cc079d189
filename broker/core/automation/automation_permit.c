/* automation_permit.c - who may see, and who may handle, which rules (reference 7.5).
 *
 * Thread: the core's. */
#include "broker/core/automation/automation.h"
#include "broker/core/messages/message.h"

static bool is_foreman(const struct cccc_group *group, cccc_str_t by)
{
    const struct cccc_actor *foreman = config_foreman(group);
    return foreman && cccc_str_eq(foreman->id, by);
}

bool automation_is_peer(const struct cccc_group *group, cccc_str_t by)
{
    return config_actor(group, by) && !is_foreman(group, by);
}

static bool is_own(const struct cccc_rule *rule, cccc_str_t by)
{
    const cccc_value_t *to = cccc_get(&rule->entry, "to");
    return cccc_str_eq(rule->owner, by) && cccc_is_array(to) && to->via.array.size == 1 && recipients_name(to, by);
}

cccc_err_t automation_may_handle(const struct cccc_group *group, cccc_str_t by, const struct cccc_rule *rule, struct cccc_errmsg *m)
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

struct cccc_group *automation_speaker(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot by, bool strangers)
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

bool automation_may_see(const struct cccc_group *group, cccc_str_t by, const struct cccc_rule *rule)
{
    return !automation_is_peer(group, by) || rule->owner.len == 0 || cccc_str_eq(rule->owner, by);
}
