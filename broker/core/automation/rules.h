/* rules.h - what an automation rule may look like. Internal to broker/core.
 *
 * The form is CCCC 0.4.0's, in requests and in group.yaml alike (PROTOCOL.md, "Automation"): unknown members are refused at every level, members of older forms
 * with the name they have now.
 * Thread: the core's. */
#pragma once

#include "broker/core/automation/cron.h"
#include "broker/core/state.h"

enum rule_trigger { RULE_INTERVAL, RULE_CRON, RULE_AT };
enum rule_action { RULE_NOTIFY, RULE_GROUP_STATE, RULE_ACTOR_CONTROL };

/* Lives in an arena, as all its texts do. */
struct cccc_rule {
    cccc_str_t id;
    cccc_str_t broken;  /* why it is none, and is not run; only of a group.yaml that somebody else wrote */
    cccc_value_t entry; /* the whole rule, defaults filled in; as it was written when it is broken */
    bool enabled;
    cccc_str_t owner; /* of a personal rule; "": it is the group's */
    enum rule_trigger trigger;
    int64_t every_us;
    struct cccc_cron cron;
    cccc_str_t zone;
    int64_t at_us;
    enum rule_action action;
};

/* Understand a rule; `where` names it in messages ("rules[0]"). CCCC_E_INVALID_RULE. Borrows `v`. */
cccc_err_t rule_read(cccc_arena_t *arena, const cccc_value_t *v, const char *where, struct cccc_rule *out, struct cccc_errmsg *m);
/* The rules of a document, in order, as far as there is room and no id comes twice; array in the arena. Those that cannot be understood are broken. */
struct cccc_rule *rules_read(cccc_arena_t *arena, const cccc_value_t *document, uint32_t *count);
const struct cccc_rule *rule_find(const struct cccc_rule *rules, uint32_t count, cccc_str_t id);
/* May a snippet be like that? */
cccc_err_t snippets_check(const cccc_value_t *v, struct cccc_errmsg *m);
/* {version, rules, snippets} of a new group. */
cccc_value_t rules_baseline(cccc_arena_t *arena);
