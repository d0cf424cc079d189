/* template.h - a group's template: what of a group may be carried to another project (reference 3.7). Internal to broker/core.
 *
 * A template holds actors, settings, automation rules and the group's own words, and neither environments nor secrets. All that is in it was checked when
 * it was read; importing it is then a matter of events (template_ops.c).
 * Thread: the core's. */
#pragma once

#include "broker/core/change.h"

/* Everything lives in the call's arena. */
struct template
{
    cccc_value_t document; /* as parsed */
    cccc_value_t actors;   /* rows of id, title, runtime, runner, command (a list), submit, enabled */
    cccc_value_t settings; /* settings_of_template */
    cccc_value_t rules, snippets;
    cccc_str_t preamble, help; /* the group's own words; "" = the built-in ones */
};

/* Read a parsed document. CCCC_E_INVALID_TEMPLATE: it is none; the message says where and why. */
cccc_err_t template_read(cccc_arena_t *arena, const cccc_value_t *document, struct template *out, struct cccc_errmsg *m);
/* The group as a template, without its prompts. */
cccc_value_t template_of(call_t *call, const struct cccc_group *group);
/* What is in a template, as a preview shows it. */
cccc_value_t template_shown(cccc_arena_t *arena, const struct template *t);
/* What importing it into `ahead`, whose own words are given, would change. */
cccc_value_t template_diff(cccc_arena_t *arena, const struct cccc_group *ahead, const struct template *t, cccc_str_t preamble,
                           cccc_str_t help);
bool template_has_actor(const struct template *t, cccc_str_t id);
