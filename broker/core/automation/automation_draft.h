/* automation_draft.h - what the rules and snippets of a group are to be. Internal to broker/core.
 *
 * A change is worked out on a draft of all of them, begun from what is decided already, checked as a whole against who asks, and recorded as one
 * group.automation_update with what is new.
 * Thread: the core's. */
#pragma once

#include "broker/core/automation/automation.h"
#include "broker/core/change.h"

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

struct draft *draft_begin(call_t *call, struct cccc_group *ahead);
struct cccc_rule *draft_find(struct draft *d, cccc_str_t id);
cccc_err_t draft_add(struct draft *d, const struct cccc_rule *rule, struct cccc_errmsg *m);
/* Everything is replaced by {rules, snippets}. */
cccc_err_t draft_replace(struct draft *d, const cccc_value_t *ruleset, struct cccc_errmsg *m);
/* Refuse members that are not in the NULL-terminated list. */
cccc_err_t rule_members_check(const cccc_value_t *map, const char *where, const char *const *known, struct cccc_errmsg *m);
/* The data of the change; d->changed says whether it is one. */
cccc_value_t draft_data(struct draft *d, const char *source);
/* May who asks do that? */
cccc_err_t draft_permitted(const struct draft *d, struct cccc_errmsg *m);
/* Would the group's file take it? */
cccc_err_t draft_fits(const struct draft *d, struct cccc_errmsg *m);
