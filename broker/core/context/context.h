/* context.h - what a group works on: vision, sketch, milestones, tasks, notes, references, and who is at what (reference 12). Internal to broker/core.
 *
 * The state is one value {context, tasks, presence}: the documents of context/context.yaml, of each context/tasks/T001.yaml by id, and of
 * context/presence.yaml. A context.sync event carries each document it changed as it is afterwards, so the fold needs nothing else. As with group.yaml,
 * context.yaml names the last event in it (ledger_seq), and only newer ones are folded over what the files say.
 * Thread: the core's. */
#pragma once

#include "broker/core/call.h"

struct cccc_context {
    cccc_arena_t *arena;
    cccc_value_t state;
    uint64_t seq;  /* the last event in it; UINT64_MAX: files of CCCC 0.4.0, which hold all that was recorded */
    bool unstored; /* the files are older: written at the end of the fold */
};

/* As decided, which is as it will be applied: what the next change begins from. */
const cccc_value_t *context_ahead(const struct cccc_group *group);
/* The fold of context.sync. */
void context_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind);
/* What was decided and not stored is forgotten. */
void context_drop_ahead(struct cccc_group *group);
void context_fini(struct cccc_group *group);
/* After a fold: write the files when they are behind. */
void context_resume(struct cccc_core *core, struct cccc_group *group);
/* Remember what `call` decided with its last append. */
void context_decided(call_t *call, const cccc_value_t *state);
/* The files of documents `changed` {context?, tasks?, presence?} as of event `seq`. */
struct cccc_store context_files(const struct cccc_group *group, const cccc_value_t *changed, uint64_t seq);

/* Parts of a state; an empty map when there is none. */
cccc_value_t context_part(cccc_arena_t *arena, const cccc_value_t *state, const char *name);
/* 12 hex digits that change when context.yaml or a task does (reference 12.1). In the arena. */
cccc_value_t context_version(cccc_arena_t *arena, const cccc_value_t *state);
/* The item with that id in a list of maps; its place, or -1. */
int64_t context_find(const cccc_value_t *list, cccc_str_t id);
