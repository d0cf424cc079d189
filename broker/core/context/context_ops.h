/* context_ops.h - one change of a batch, applied in memory. Internal to broker/core.
 *
 * Thread: the core's. */
#pragma once

#include "broker/core/context/context.h"

/* A batch on its way: the documents as the changes so far leave them. */
struct sync {
    const struct cccc_group *group;
    cccc_arena_t *arena;
    cccc_str_t ts, today;
    cccc_value_t context, tasks, presence;
    cccc_value_t tasks_changed; /* of tasks, those that were */
    bool context_changed, presence_changed;
    cccc_str_t detail; /* what the last change did, in words */
    struct cccc_errmsg why;
};

/* Apply the op {op, ...}. False: it is not possible, as s->why says; the documents may be half changed then. */
bool context_change(struct sync *s, const cccc_value_t *op);
