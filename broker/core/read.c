/* read.c - ledger_read: stretches of the ledger as they are, gaps named.
 *
 * Events are copied from the ledger's answer into the reply without being decoded. A reader that says which event it had last (after_id) learns when
 * the ledger is another one.
 * Thread: the core's. */
#include "broker/core/messages/message.h"

#define READ_DEFAULT 100

bool read_failed(call_t *call)
{
    if (call->group->deleted) {
        call_fail(call, CCCC_E_GROUP_NOT_FOUND, "group %s was deleted meanwhile", call->group->id);
        return true;
    }
    if (call->read->err == CCCC_OK)
        return false;
    call_fail(call, call->read->err, "the ledger of group %s could not be read: %s", call->group->id, call->read->message.text);
    return true;
}

static void read_answer(call_t *call)
{
    if (read_failed(call))
        return;
    const struct cccc_read_result *read = call->read;
    cccc_buf_t *out = call_reply_begin(call, 7);
    cccc_pack_text(out, "events");
    cccc_pack_array(out, read->event_count);
    cccc_buf_put(out, read->events, read->events_len);
    cccc_pack_text(out, "gaps");
    pack_gaps(read->gaps, read->gap_count, out);
    cccc_pack_text(out, "checked_seq");
    cccc_pack_uint(out, read->checked_seq);
    cccc_pack_text(out, "first_seq");
    cccc_pack_uint(out, call->group->first_seq);
    cccc_pack_text(out, "head_seq");
    cccc_pack_uint(out, call->group->head_seq);
    cccc_pack_text(out, "more");
    cccc_pack_bool(out, read->more);
    cccc_pack_text(out, "as_of_seq");
    cccc_pack_uint(out, call->group->head_seq);
    call_reply_end(call, out);
}

static void read_range(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    bool after = cccc_arg_given(args, CCCC_A_ledger_read_after_seq);
    uint64_t limit = cccc_arg_uint(args, CCCC_A_ledger_read_limit, READ_DEFAULT);
    if (limit == 0 || limit > CCCC_LEDGER_READ_EVENTS_MAX)
        limit = CCCC_LEDGER_READ_EVENTS_MAX;
    struct cccc_read_query query = {.mode = after ? CCCC_READ_AFTER : CCCC_READ_BEFORE,
                                    .seq = after ? cccc_arg_uint(args, CCCC_A_ledger_read_after_seq, 0)
                                                 : cccc_arg_uint(args, CCCC_A_ledger_read_before_seq, 0),
                                    .limit = (uint32_t)limit,
                                    .bytes_max = CCCC_LEDGER_READ_BYTES_MAX,
                                    .kinds = cccc_arg(args, CCCC_A_ledger_read_kinds),
                                    .by = cccc_arg_str(args, CCCC_A_ledger_read_by),
                                    .recipient = cccc_arg_str(args, CCCC_A_ledger_read_recipient)};
    if (query.kinds && query.kinds->via.array.size == 0)
        query.kinds = NULL;
    call_read(call, call->group, &query, read_answer);
}

static void read_one(call_t *call, uint64_t seq, call_next_fn next)
{
    uint64_t *seqs = cccc_arena_alloc(call->arena, sizeof *seqs);
    *seqs = seq;
    struct cccc_read_query query = {.mode = CCCC_READ_SEQS, .seqs = seqs, .seq_count = 1, .limit = 1, .bytes_max = CCCC_EVENT_BYTES_MAX};
    call_read(call, call->group, &query, next);
}

/* ---- after_id ---- */

static void lineage_changed(call_t *call, uint64_t after, cccc_str_t id)
{
    cccc_builder_t details = cccc_map_builder(call->arena, 1);
    cccc_map_add(&details, "head_seq", cccc_uint(call->group->head_seq));
    call_fail_details(call, CCCC_E_LINEAGE_CHANGED, details.value,
                      "event %llu of group %s is not %.*s: the ledger was restored or replaced; read it anew from where you want to go on",
                      (unsigned long long)after, call->group->id, CCCC_STR_FMT(id));
}

static void lineage_read(call_t *call)
{
    if (read_failed(call))
        return;
    const struct cccc_args *args = &call->request.args;
    cccc_str_t id = cccc_arg_str(args, CCCC_A_ledger_read_after_id);
    struct cccc_event event;
    /* A line that is damaged says nothing against the reader's lineage; the gap is named where it is read. */
    if (call_read_event(call, 0, &event) && !cccc_str_eq(event.id, id))
        lineage_changed(call, event.seq, id);
    else
        read_range(call);
}

static void lineage_check(call_t *call, uint64_t after, cccc_str_t id)
{
    const struct cccc_group *group = call->group;
    if (after > group->head_seq || (after == group->head_seq && !cccc_str_is(id, group->head_id)))
        lineage_changed(call, after, id);
    else if (after == group->head_seq)
        read_range(call);
    else
        read_one(call, after, lineage_read);
}

/* ---- one event ---- */

cccc_str_t event_absence(const call_t *call, const struct cccc_group *group, cccc_str_t id)
{
    uint64_t seq = group_event_seq(group, id);
    const struct cccc_read_result *read = seq <= group->head_seq ? call->read : NULL;
    for (uint32_t i = 0; read && i < read->gap_count; i++)
        if (read->gaps[i].from_seq <= seq && (seq <= read->gaps[i].to_seq || read->gaps[i].to_seq == 0))
            return cccc_arena_printf(call->arena, "event %llu of group %s, which would be %.*s, is %.*s", (unsigned long long)seq,
                                     group->id, CCCC_STR_FMT(id), CCCC_STR_FMT(gap_text(call->arena, group, seq, read->gaps[i].reason)));
    return cccc_arena_printf(call->arena, "no event %.*s in group %s", CCCC_STR_FMT(id), group->id);
}

void event_refuse(call_t *call, cccc_str_t id)
{
    call_fail(call, CCCC_E_EVENT_NOT_FOUND, "%.*s", CCCC_STR_FMT(event_absence(call, call->group, id)));
}

static void event_read(call_t *call)
{
    if (read_failed(call))
        return;
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_ledger_read_event_id);
    struct cccc_event event;
    if (call_read_event(call, 0, &event) && cccc_str_eq(event.id, id))
        read_answer(call);
    else
        event_refuse(call, id);
}

void event_find(call_t *call, cccc_str_t id, call_next_fn next)
{
    uint64_t seq = group_event_seq(call->group, id);
    if (seq == 0 || seq > call->group->head_seq)
        event_refuse(call, id);
    else
        read_one(call, seq, next);
}

void op_ledger_read(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_ledger_read_group_id))
        return;
    if (cccc_arg_given(args, CCCC_A_ledger_read_event_id)) {
        event_find(call, cccc_arg_str(args, CCCC_A_ledger_read_event_id), event_read);
        return;
    }
    bool after = cccc_arg_given(args, CCCC_A_ledger_read_after_seq);
    if (after && cccc_arg_given(args, CCCC_A_ledger_read_before_seq)) {
        call_fail(call, CCCC_E_INVALID_REQUEST, "after_seq and before_seq exclude each other; give one");
        return;
    }
    uint64_t seq = cccc_arg_uint(args, CCCC_A_ledger_read_after_seq, 0);
    cccc_str_t id = cccc_arg_str(args, CCCC_A_ledger_read_after_id);
    if (id.len > 0 && !after) {
        call_fail(call, CCCC_E_INVALID_REQUEST, "after_id is the id of the event at after_seq; give after_seq, too");
        return;
    }
    if (id.len > 0 && seq > 0)
        lineage_check(call, seq, id);
    else
        read_range(call);
}
