/* headless.c - what an actor without a terminal says of itself: idle, working, waiting, stopped; the task it is at, the message it took (reference 3.11).
 *
 * Of the moment, as in 0.4.0: nothing of it is an event, and a restart of the daemon forgets it. An actor has such a state while it is enabled and headless.
 * Thread: the core's. */
#include "broker/core/context/headless.h"

#include <stdio.h>
#include <stdlib.h>

struct cccc_headless {
    UT_hash_handle hh;
    char *id; /* of the actor; key; heap */
    char status[16], task_id[65], message_id[65];
    char started_at[28], updated_at[28];
};

void headless_fini(struct cccc_group *group)
{
    struct cccc_headless *one = group->headless;
    HASH_CLEAR(hh, group->headless);
    while (one) {
        struct cccc_headless *next = one->hh.next;
        free(one->id);
        free(one);
        one = next;
    }
}

static struct cccc_headless *make(call_t *call, cccc_str_t id)
{
    struct cccc_headless *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    self->id = strndup(id.ptr, id.len);
    CCCC_ASSERT(self->id, "(out of memory)");
    snprintf(self->status, sizeof self->status, "idle");
    core_ts(call->core, self->started_at);
    core_ts(call->core, self->updated_at);
    HASH_ADD_KEYPTR(hh, call->group->headless, self->id, id.len, self);
    return self;
}

/* The state of the actor, which the caller may ask for. NULL: the call was failed. */
static struct cccc_headless *session(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot actor_id)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, actor_id);
    struct cccc_headless *self = NULL;
    if (!call_group(call, group_id) || !permit_by(call, call->group, CCCC_STR(""), "user"))
        return NULL;
    if (call->peer.standing == CCCC_PEER_ACTOR && !cccc_str_eq(call->by, id)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: an actor speaks for itself only");
        return NULL;
    }
    const struct cccc_actor *actor = config_actor(call->group, id);
    if (!actor || !actor->enabled || !cccc_str_is(actor->runner, "headless")) {
        call_fail(call, CCCC_E_SESSION_NOT_FOUND, "%.*s is no enabled headless actor of group %s", CCCC_STR_FMT(id), call->group->id);
        return NULL;
    }
    HASH_FIND(hh, call->group->headless, id.ptr, id.len, self);
    return self ? self : make(call, id);
}

static cccc_value_t or_nil(const char *text)
{
    return *text ? cccc_text(text) : cccc_nil();
}

static void answer(call_t *call, const struct cccc_headless *self)
{
    cccc_builder_t state = cccc_map_builder(call->arena, 8), result = cccc_map_builder(call->arena, 1);
    cccc_map_add(&state, "v", cccc_uint(1));
    cccc_map_add(&state, "group_id", cccc_text(call->group->id));
    cccc_map_add(&state, "actor_id", cccc_text(self->id));
    cccc_map_add(&state, "status", cccc_text(self->status));
    cccc_map_add(&state, "current_task_id", or_nil(self->task_id));
    cccc_map_add(&state, "last_message_id", or_nil(self->message_id));
    cccc_map_add(&state, "started_at", cccc_text(self->started_at));
    cccc_map_add(&state, "updated_at", cccc_text(self->updated_at));
    cccc_map_add(&result, "state", state.value);
    call_reply(call, &result.value);
}

void op_headless_status(call_t *call)
{
    const struct cccc_headless *self = session(call, CCCC_A_headless_status_group_id, CCCC_A_headless_status_actor_id);
    if (self)
        answer(call, self);
}

static bool is_status(cccc_str_t word)
{
    static const char *const words[] = {"idle", "working", "waiting", "stopped"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (cccc_str_is(word, words[i]))
            return true;
    return false;
}

void op_headless_set_status(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    cccc_str_t status = cccc_arg_str(args, CCCC_A_headless_set_status_status),
               task = cccc_arg_str(args, CCCC_A_headless_set_status_task_id);
    if (!is_status(status)) {
        call_fail(call, CCCC_E_INVALID_STATUS, "status is idle, working, waiting or stopped, not \"%.*s\"",
                  CCCC_STR_FMT(cccc_str_cut(status, 32)));
        return;
    }
    struct cccc_headless *self = session(call, CCCC_A_headless_set_status_group_id, CCCC_A_headless_set_status_actor_id);
    if (!self)
        return;
    snprintf(self->status, sizeof self->status, "%.*s", CCCC_STR_FMT(status));
    if (cccc_arg_given(args, CCCC_A_headless_set_status_task_id))
        snprintf(self->task_id, sizeof self->task_id, "%.*s", CCCC_STR_FMT(task));
    core_ts(call->core, self->updated_at);
    answer(call, self);
}

void op_headless_ack_message(call_t *call)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_headless_ack_message_message_id);
    struct cccc_headless *self = session(call, CCCC_A_headless_ack_message_group_id, CCCC_A_headless_ack_message_actor_id);
    if (!self)
        return;
    snprintf(self->message_id, sizeof self->message_id, "%.*s", CCCC_STR_FMT(id));
    core_ts(call->core, self->updated_at);
    cccc_builder_t result = cccc_map_builder(call->arena, 2);
    cccc_map_add(&result, "message_id", cccc_text(self->message_id));
    cccc_map_add(&result, "acked_at", cccc_text(self->updated_at));
    call_reply(call, &result.value);
}
