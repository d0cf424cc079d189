/* automation.h - automation rules at work: since when each counts, when it runs next, and what it does then. Internal to broker/core.
 *
 * What a rule says is configuration (rules.h). Since when it counts and what it last ran for is a fold over events: a run is marked in the events it causes, as
 * {rule_id, due}, in the context of notices and as `rule` in the data of others. Everything else is of the moment.
 * Thread: the core's. */
#pragma once

#include "broker/core/automation/rules.h"
#include "broker/core/change.h"

struct cccc_rule_state {
    char *id; /* key; heap */
    /* of the ledger */
    struct cccc_when armed; /* it counts from then: it was made, enabled or given another trigger, or the group went on */
    struct cccc_when due;   /* the time it last ran for */
    int64_t last_us;        /* when it last ran; 0: never */
    /* of the moment; monotonic unless said */
    int64_t running_for_us; /* of `due`, once what was decided is durable */
    int64_t hold_us;        /* not looked at before */
    int64_t next_us;        /* planned; of an interval monotonic, else wall time; 0: not planned */
    int64_t planned_us;     /* when, wall time */
    int64_t error_us;       /* wall time; 0: none */
    char *error;            /* heap */
    UT_hash_handle hh;
};

/* ---- automation.c: the fold ---- */

/* group.automation_update. */
void automation_apply(struct cccc_group *group, const struct cccc_event *event);
/* The rules of a document, all of them new: group.create, group.edit. */
void automation_begin(struct cccc_group *group, const cccc_value_t *document, const struct cccc_event *event);
/* The group goes on: nothing of what was due meanwhile is. */
void automation_resumed(struct cccc_group *group, const struct cccc_event *event);
/* A run's mark; NULL: the event has none. */
void automation_ran(struct cccc_group *group, const cccc_value_t *mark, const struct cccc_event *event);
void automation_fini(struct cccc_group *group);
cccc_value_t automation_dump(const struct cccc_group *group, cccc_arena_t *arena);

/* ---- automation.c: time ---- */

/* Once a second. */
void automation_tick(struct cccc_core *core);
struct cccc_rule_state *automation_state(const struct cccc_group *group, cccc_str_t rule_id);
/* One-time, and has run. */
bool rule_is_over(const struct cccc_rule *rule, const struct cccc_rule_state *state);
/* The next `max` times it will run, wall time; how many there are. Fewer when its zone is not known. */
uint32_t rule_next_runs(struct cccc_core *core, const struct cccc_rule *rule, struct cccc_rule_state *state, int64_t *times, uint32_t max);

/* ---- automation_run.c ---- */

/* {rule_id, due?, by?}; `due_us` 0: by hand, because `by` asked. In the arena. */
struct cccc_run {
    const struct cccc_rule *rule;
    const struct cccc_group *view; /* the configuration that counts */
    int64_t due_us;
    cccc_str_t by;
    cccc_builder_t told; /* actors that were notified or controlled */
    call_next_fn done;   /* when all of it is durable */
};
/* Decide what the rule does, as part of `call`. An error (*m says why): nothing was decided. */
cccc_err_t rule_run(call_t *call, struct cccc_run *run, struct cccc_errmsg *m);
/* Names that {{...}} stands for in texts. NULL-terminated. */
extern const char *const rule_variables[];

/* ---- automation_permit.c ---- */

/* Group and speaker; `strangers`: an unknown one is permission_denied here (reference 7.5). NULL: the call was failed. */
struct cccc_group *automation_speaker(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot by, bool strangers);
/* Everybody but the foreman and who is no actor sees, and keeps, only rules of its own besides the group's. */
bool automation_is_peer(const struct cccc_group *group, cccc_str_t by);
bool automation_may_see(const struct cccc_group *group, cccc_str_t by, const struct cccc_rule *rule);
/* May `by` make, change, remove or run this rule? */
cccc_err_t automation_may_handle(const struct cccc_group *group, cccc_str_t by, const struct cccc_rule *rule, struct cccc_errmsg *m);

/* ---- automation_show.c ---- */

uint64_t automation_version(const struct cccc_group *group);
/* What may be seen of the rules and snippets; and with it all else that group_automation_state shows. */
void automation_add_ruleset(call_t *call, cccc_builder_t *result);
void automation_add_state(call_t *call, cccc_builder_t *result);
/* A zone of the rules that has still to be read; "": there is none. With `why`, one that cannot be read is the answer, too, and *why says so. */
cccc_str_t automation_zone_missing(const call_t *call, const struct cccc_rule *rules, uint32_t count, const char **why);

/* ---- automation_draft.c ---- */

/* The data of the group.automation_update after which the one-time rule is not enabled any more. */
cccc_value_t automation_over_data(call_t *call, struct cccc_group *group, const struct cccc_rule *rule);

/* ---- zones.c ---- */

/* A zone that was read before. NULL: it was not, or (*why not NULL) it could not be lately. */
const cccc_zone_t *zones_find(const struct cccc_core *core, cccc_str_t name, const char **why);
/* Read it; `next` then finds it. */
void zones_ask(call_t *call, cccc_str_t name, call_next_fn next);
void zones_fini(struct cccc_core *core);
