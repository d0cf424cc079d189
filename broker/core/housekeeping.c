/* housekeeping.c - ledger_snapshot and ledger_compact: what the executor does by itself when it is time, at once because somebody asks (reference 1.8, 3.11).
 *
 * Thread: the core's. */
#include "broker/core/messages/message.h"

/* Who may, in `group`. False: the call was failed with `err`. */
static bool may_keep_house(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot by, cccc_err_t err)
{
    struct cccc_errmsg why;
    if (!call_group(call, group_id) || !permit_by(call, call->group, cccc_arg_str(&call->request.args, by), "user"))
        return false;
    if (permit_action(call, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), &why))
        return true;
    call_fail(call, err, "%s", why.text);
    return false;
}

/* True: the executor could not do it, and the call was failed. */
static bool keep_failed(call_t *call, cccc_err_t err)
{
    cccc_err_t met = call->stored.err;
    if (met != CCCC_OK)
        call_fail(call, met == CCCC_E_BUSY || met == CCCC_E_NO_SPACE ? met : err, "%s", call->stored.message);
    return met != CCCC_OK;
}

/* ---- ledger_snapshot ---- */

static void snapshot_read(call_t *call)
{
    const cccc_value_t *saved = call->state;
    struct cccc_event event;
    if (read_failed(call))
        return;
    cccc_builder_t last = cccc_map_builder(call->arena, 5);
    if (call_read_event(call, 0, &event)) {
        cccc_map_add(&last, "id", cccc_string(event.id));
        cccc_map_add(&last, "ts", cccc_string(event.ts));
        cccc_map_add(&last, "kind", cccc_string(event.kind));
        cccc_map_add(&last, "by", cccc_string(event.by));
    }
    cccc_map_add(&last, "seq", cccc_uint(cccc_get_uint(saved, "seq", 0)));
    cccc_builder_t snapshot = cccc_map_builder(call->arena, 4), result = cccc_map_builder(call->arena, 1);
    cccc_map_add(&snapshot, "snapshot_path", cccc_string(cccc_get_str(saved, "path")));
    cccc_map_add(&snapshot, "size_bytes", cccc_uint(cccc_get_uint(saved, "size_bytes", 0)));
    cccc_map_add(&snapshot, "last_event", last.value);
    cccc_map_add(&result, "snapshot", snapshot.value);
    call_reply(call, &result.value);
}

static void snapshot_saved(call_t *call)
{
    if (keep_failed(call, CCCC_E_LEDGER_SNAPSHOT_FAILED))
        return;
    cccc_value_t *saved = cccc_arena_alloc(call->arena, sizeof *saved);
    *saved = cccc_value_copy(call->arena, call->stored.value);
    call->state = saved;
    uint64_t *seq = cccc_arena_alloc(call->arena, sizeof *seq);
    *seq = cccc_get_uint(saved, "seq", 0);
    struct cccc_read_query query = {.mode = CCCC_READ_SEQS, .seqs = seq, .seq_count = 1, .limit = 1, .bytes_max = CCCC_EVENT_BYTES_MAX};
    call_read(call, call->group, &query, snapshot_read);
}

void op_ledger_snapshot(call_t *call)
{
    if (may_keep_house(call, CCCC_A_ledger_snapshot_group_id, CCCC_A_ledger_snapshot_by, CCCC_E_LEDGER_SNAPSHOT_FAILED))
        call_keep(call, call->group, CCCC_KEEP_SNAPSHOT, false, snapshot_saved);
}

/* ---- ledger_compact ---- */

static void sealed(call_t *call)
{
    if (keep_failed(call, CCCC_E_LEDGER_COMPACT_FAILED))
        return;
    const cccc_value_t *done = call->stored.value;
    cccc_builder_t result = cccc_map_builder(call->arena, 7);
    const cccc_value_t *skipped = cccc_get(done, "skipped");
    cccc_map_add(&result, "ok", cccc_bool(true));
    cccc_map_add(&result, "skipped", cccc_bool(skipped != NULL));
    if (skipped) {
        cccc_map_add(&result, "reason", *skipped);
        cccc_map_add(&result, "size_bytes", cccc_uint(cccc_get_uint(done, "size_bytes", 0)));
        cccc_map_add(&result, "total_lines", cccc_uint(cccc_get_uint(done, "total_lines", 0)));
    } else {
        cccc_str_t reason = cccc_arg_str(&call->request.args, CCCC_A_ledger_compact_reason);
        cccc_value_t facts = cccc_map_with(call->arena, done, CCCC_STR("reason"), reason.len ? cccc_string(reason) : cccc_text("auto"));
        cccc_map_add(&result, "result", facts);
    }
    group_add_safe(call->group, &result);
    call_reply(call, &result.value);
}

void op_ledger_compact(call_t *call)
{
    bool force = cccc_arg_bool(&call->request.args, CCCC_A_ledger_compact_force, false);
    if (may_keep_house(call, CCCC_A_ledger_compact_group_id, CCCC_A_ledger_compact_by, CCCC_E_LEDGER_COMPACT_FAILED))
        call_keep(call, call->group, CCCC_KEEP_SEAL, force, sealed);
}
