/* active.c - active.json: the group that commands mean when they name none (reference 1.2).
 *
 * A convenience of whoever sits at the keyboard: nothing in the broker depends on it.
 * Thread: the core's. */
#include "broker/core/change.h"

#include <stdio.h>

static void active_become(struct cccc_core *core, cccc_str_t group_id, const char *ts)
{
    snprintf(core->active_group_id, sizeof core->active_group_id, "%.*s", CCCC_STR_FMT(group_id));
    snprintf(core->active_updated_at, sizeof core->active_updated_at, "%s", ts);
}

void active_load(struct cccc_core *core, const cccc_value_t *active)
{
    cccc_str_t id = cccc_get_str(active, "active_group_id"), at = cccc_get_str(active, "updated_at");
    char ts[28] = "";
    if (at.len < sizeof ts)
        snprintf(ts, sizeof ts, "%.*s", CCCC_STR_FMT(at));
    active_become(core, group_id_valid(id) ? id : CCCC_STR(""), ts);
}

static struct cccc_store active_file(cccc_str_t group_id, const char *ts)
{
    struct cccc_store store = {.kind = CCCC_STORE_ACTIVE, .arena = cccc_arena_new(512)};
    cccc_builder_t b = cccc_map_builder(store.arena, 3);
    cccc_map_add(&b, "v", cccc_uint(1));
    cccc_map_add(&b, "active_group_id", cccc_string(cccc_arena_str(store.arena, group_id)));
    cccc_map_add(&b, "updated_at", cccc_string(cccc_arena_str(store.arena, cccc_str(ts))));
    store.document = b.value;
    return store;
}

void active_forget(struct cccc_core *core, cccc_str_t group_id)
{
    char ts[28];
    if (!cccc_str_is(group_id, core->active_group_id))
        return;
    core_ts(core, ts);
    active_become(core, CCCC_STR(""), ts);
    struct cccc_store store = active_file(CCCC_STR(""), ts);
    core_store(core, &store);
}

static void active_reply(call_t *call)
{
    const struct cccc_core *core = call->core;
    cccc_builder_t result = cccc_map_builder(call->arena, 2);
    cccc_map_add(&result, "active_group_id", cccc_text(core->active_group_id));
    cccc_map_add(&result, "updated_at", cccc_text(core->active_updated_at));
    call_reply(call, &result.value);
}

void op_active_get(call_t *call)
{
    active_reply(call);
}

static void active_stored(call_t *call)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_active_set_group_id);
    if (call->stored.err != CCCC_OK) {
        cccc_builder_t details = cccc_map_builder(call->arena, 1);
        cccc_map_add(&details, "outcome", cccc_text("not_stored"));
        call_fail_details(call, call->stored.err, details.value, "active.json could not be written: %s; the active group is as it was",
                          call->stored.message);
        return;
    }
    if (id.len > 0 && core_group(call->core, id) == NULL) {
        call_fail(call, CCCC_E_GROUP_NOT_FOUND, "group %.*s was deleted meanwhile", CCCC_STR_FMT(id));
        return;
    }
    active_become(call->core, id, call->state);
    active_reply(call);
}

void op_active_set(call_t *call)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_active_set_group_id);
    if (!permit_by(call, NULL, cccc_arg_str(&call->request.args, CCCC_A_active_set_by), "user"))
        return;
    if (call->peer.standing == CCCC_PEER_ACTOR) {
        call_fail(call, CCCC_E_PERMISSION_DENIED,
                  "permission denied: the active group is the user's, and an actor does not change it; name the group instead: --group ID");
        return;
    }
    if (id.len > 0 && !group_id_valid(id)) {
        call_fail(call, CCCC_E_INVALID_GROUP_ID, "%.*s is no group id; one is g_ and 12 lower-case hex digits", CCCC_STR_FMT(id));
        return;
    }
    if (id.len > 0 && core_group(call->core, id) == NULL) {
        call_fail(call, CCCC_E_GROUP_NOT_FOUND, "no group %.*s in this home; `cccc groups` lists them", CCCC_STR_FMT(id));
        return;
    }
    char *ts = cccc_arena_alloc(call->arena, 28);
    core_ts(call->core, ts);
    call->state = ts;
    struct cccc_store store = active_file(id, ts);
    call->committed = true;
    call_store(call, &store, active_stored);
}
