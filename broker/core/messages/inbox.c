/* inbox.c - what a reader has not read, and the cursors that say so (reference 3.10, 5; design I9).
 *
 * A reader has two cursors, chat and notifications; both only move forward, by chat.read events. Listing costs what is listed: the unread seqs are in
 * memory (unread.c), the events are read by seq.
 * Thread: the core's. */
#include "broker/core/messages/message.h"
#include "broker/core/obligations/obligations.h"
#include "broker/mutant.h"

#define LIST_DEFAULT 50
/* read_cursors.json of one group is exported at most this often. */
#define CURSORS_EXPORT_S 5

/* ---- what all three ops begin with ---- */

struct inbox {
    cccc_str_t reader_id;
    bool lanes[CCCC_LANES];
    enum cccc_lane cursor_lane; /* whose cursor the answer shows */
    struct cccc_event event;
    struct cccc_pending *read, *ack;
    struct cccc_gap *passed; /* what cannot be read of what the cursors moved over */
    uint32_t passed_count;
};

static void use_lanes(struct inbox *inbox, cccc_str_t filter)
{
    bool notify_only = cccc_str_is(filter, "notify");
    inbox->lanes[CCCC_LANE_CHAT] = !notify_only;
    inbox->lanes[CCCC_LANE_NOTIFY] = !cccc_str_is(filter, "chat");
    inbox->cursor_lane = notify_only ? CCCC_LANE_NOTIFY : CCCC_LANE_CHAT;
}

static bool inbox_begin(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot actor_id, enum cccc_arg_slot by)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, group_id) || !permit_by(call, call->group, cccc_arg_str(args, by), "user"))
        return false;
    struct inbox *inbox = cccc_arena_alloc(call->arena, sizeof *inbox);
    memset(inbox, 0, sizeof *inbox);
    inbox->reader_id = cccc_arg_str(args, actor_id);
    use_lanes(inbox, CCCC_STR("all"));
    call->state = inbox;
    if (!cccc_str_is(inbox->reader_id, "user") && !config_actor(call->group, inbox->reader_id)) {
        call_fail(call, CCCC_E_UNKNOWN_ACTOR, "no actor %.*s in group %s; readers are its actors and user", CCCC_STR_FMT(inbox->reader_id),
                  call->group->id);
        return false;
    }
    struct cccc_errmsg why;
    if (!permit_action(call, CCCC_MAY_READ_INBOX, inbox->reader_id, &why)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "%s", why.text);
        return false;
    }
    return true;
}

/* CCCC 0.4.0 took a word it did not know for "all", which marked as read what nobody meant; here it is refused. */
static bool choose_lanes(call_t *call, enum cccc_arg_slot kind_filter)
{
    static const char expected[] = "all, chat or notify";
    cccc_str_t filter = cccc_arg_str(&call->request.args, kind_filter);
    if (filter.len == 0 || cccc_str_is(filter, "all") || cccc_str_is(filter, "chat") || cccc_str_is(filter, "notify")) {
        use_lanes(call->state, filter);
        return true;
    }
    cccc_builder_t details = cccc_map_builder(call->arena, 2);
    cccc_map_add(&details, "argument", cccc_text("kind_filter"));
    cccc_map_add(&details, "expected", cccc_text(expected));
    call_fail_details(call, CCCC_E_INVALID_REQUEST, details.value, "kind_filter must be %s, not \"%.*s\"", expected, CCCC_STR_FMT(filter));
    return false;
}

static const struct cccc_reader *inbox_reader(const call_t *call)
{
    /* An actor that is in the document but was never introduced by an event has read nothing and was sent nothing. */
    static const struct cccc_reader nobody;
    const struct inbox *inbox = call->state;
    const struct cccc_reader *reader = reader_find(call->group, inbox->reader_id);
    return reader ? reader : &nobody;
}

static void pack_cursor(const struct cccc_cursor *cursor, cccc_buf_t *out)
{
    cccc_pack_map(out, 4);
    cccc_pack_text(out, "event_id");
    cccc_pack_text(out, cursor->event_id);
    cccc_pack_text(out, "ts");
    cccc_pack_text(out, cursor->ts);
    cccc_pack_text(out, "updated_at");
    cccc_pack_text(out, cursor->updated_at);
    cccc_pack_text(out, "seq");
    cccc_pack_uint(out, cursor->seq);
}

static uint64_t unread_total(const struct inbox *inbox, const struct cccc_reader *reader)
{
    uint64_t total = 0;
    for (int lane = 0; lane < CCCC_LANES; lane++)
        total += inbox->lanes[lane] ? reader->unread[lane].count : 0;
    return total;
}

/* Nobody knows for which lane a lost event was: it counts as read when no lane that was asked for has anything unread from before its cursor. */
static uint64_t read_through(const struct inbox *inbox, const struct cccc_reader *reader)
{
    uint64_t highest = 0, lowest = UINT64_MAX;
    for (int lane = 0; lane < CCCC_LANES; lane++) {
        if (!inbox->lanes[lane])
            continue;
        uint64_t seq = reader->cursor[lane].seq;
        highest = seq > highest ? seq : highest;
        if (reader->unread[lane].count > 0 && seq < lowest)
            lowest = seq;
    }
    return lowest < highest ? lowest : highest;
}

static void pack_gaps_member(const struct cccc_gap *gaps, uint32_t count, cccc_buf_t *out)
{
    if (count == 0)
        return;
    cccc_pack_text(out, "gaps");
    pack_gaps(gaps, count, out);
}

/* ---- inbox_list ---- */

/* What the reader still owes for the messages listed. */
static cccc_value_t listed_duties(call_t *call, const struct cccc_reader *reader)
{
    cccc_builder_t rows = cccc_array_builder(call->arena, 0);
    uint32_t count = call->read ? call->read->event_count : 0;
    const struct cccc_duty *duty = reader->owes.first;
    struct cccc_patience patience = {0};
    if (count > 0 && duty)
        patience = obligations_patience(call->arena, call->group);
    for (uint32_t i = 0; i < count && duty;) {
        uint64_t seq = call->read->event_seqs[i];
        if (duty->ask->seq == seq)
            cccc_array_add(&rows, obligation_row(call->arena, duty, obligation_is_overdue(duty, &patience, call->core->now->unix_us)));
        if (duty->ask->seq <= seq)
            duty = duty->after;
        else
            i++;
    }
    return rows.value;
}

static void list_answer(call_t *call, uint32_t count, const char *events, size_t len)
{
    const struct inbox *inbox = call->state;
    const struct cccc_reader *reader = inbox_reader(call);
    uint64_t total = unread_total(inbox, reader);
    cccc_value_t duties = listed_duties(call, reader);
    bool more = total > count;
    uint32_t gap_count;
    uint64_t before = more && count > 0 ? call->read->event_seqs[count - 1] : UINT64_MAX;
    const struct cccc_gap *gaps = gaps_between(call, read_through(inbox, reader), before, &gap_count);
    cccc_buf_t *out = call_reply_begin(call, gap_count > 0 ? 8 : 7);
    cccc_pack_text(out, "messages");
    cccc_pack_array(out, count);
    cccc_buf_put(out, events, len);
    cccc_pack_text(out, "cursor");
    pack_cursor(&reader->cursor[inbox->cursor_lane], out);
    cccc_pack_text(out, "unread_total");
    cccc_pack_uint(out, total);
    cccc_pack_text(out, "obligations");
    cccc_pack_value(out, &duties);
    cccc_pack_text(out, "owes");
    cccc_pack_uint(out, reader->owes.count);
    cccc_pack_text(out, "more");
    cccc_pack_bool(out, more);
    pack_gaps_member(gaps, gap_count, out);
    cccc_pack_text(out, "as_of_seq");
    cccc_pack_uint(out, call->group->head_seq);
    call_reply_end(call, out);
}

static void list_read(call_t *call)
{
    if (!read_failed(call))
        list_answer(call, call->read->event_count, call->read->events, call->read->events_len);
}

/* The oldest `max` unread seqs of the lanes asked for, in order. */
static uint32_t list_seqs(call_t *call, uint64_t *seqs, uint32_t max)
{
    const struct inbox *inbox = call->state;
    const struct cccc_reader *reader = inbox_reader(call);
    uint64_t *lanes[CCCC_LANES];
    uint32_t counts[CCCC_LANES], at[CCCC_LANES] = {0}, n = 0;
    for (int lane = 0; lane < CCCC_LANES; lane++) {
        lanes[lane] = cccc_arena_alloc(call->arena, max * sizeof **lanes);
        counts[lane] = inbox->lanes[lane] ? unread_peek(&reader->unread[lane], lanes[lane], max) : 0;
    }
    while (n < max) {
        bool chat = at[CCCC_LANE_CHAT] < counts[CCCC_LANE_CHAT], notify = at[CCCC_LANE_NOTIFY] < counts[CCCC_LANE_NOTIFY];
        if (!chat && !notify)
            break;
        bool chat_first = chat && (!notify || lanes[CCCC_LANE_CHAT][at[CCCC_LANE_CHAT]] < lanes[CCCC_LANE_NOTIFY][at[CCCC_LANE_NOTIFY]]);
        enum cccc_lane lane = chat_first ? CCCC_LANE_CHAT : CCCC_LANE_NOTIFY;
        seqs[n++] = lanes[lane][at[lane]++];
    }
    return n;
}

void op_inbox_list(call_t *call)
{
    if (!inbox_begin(call, CCCC_A_inbox_list_group_id, CCCC_A_inbox_list_actor_id, CCCC_A_inbox_list_by) ||
        !choose_lanes(call, CCCC_A_inbox_list_kind_filter))
        return;
    int64_t limit = cccc_arg_int(&call->request.args, CCCC_A_inbox_list_limit, LIST_DEFAULT);
    if (limit <= 0 || limit > CCCC_INBOX_LIST_MAX)
        limit = CCCC_INBOX_LIST_MAX;
    uint64_t *seqs = cccc_arena_alloc(call->arena, (size_t)limit * sizeof *seqs);
    uint32_t count = list_seqs(call, seqs, (uint32_t)limit);
    if (count == 0) {
        list_answer(call, 0, "", 0);
        return;
    }
    struct cccc_read_query query = {
        .mode = CCCC_READ_SEQS, .seqs = seqs, .seq_count = count, .limit = count, .bytes_max = CCCC_LEDGER_READ_BYTES_MAX};
    call_read(call, call->group, &query, list_read);
}

/* ---- moving cursors ---- */

static void pack_pending(const char *key, const struct cccc_pending *pending, cccc_buf_t *out)
{
    cccc_pack_text(out, key);
    if (pending)
        cccc_buf_put(out, pending->wire->data, pending->wire->len);
    else
        cccc_pack_nil(out);
}

static void mark_answer(call_t *call)
{
    const struct inbox *inbox = call->state;
    bool names_event = call->request.op == CCCC_OP_inbox_mark_read;
    cccc_buf_t *out = call_reply_begin(call, (names_event ? 4u : 3u) + (inbox->passed_count > 0));
    cccc_pack_text(out, "cursor");
    pack_cursor(&inbox_reader(call)->cursor[inbox->cursor_lane], out);
    pack_pending("event", inbox->read, out);
    if (names_event)
        pack_pending("ack_event", inbox->ack, out);
    pack_gaps_member(inbox->passed, inbox->passed_count, out);
    cccc_pack_text(out, "as_of_seq");
    cccc_pack_uint(out, call->group->head_seq);
    call_reply_end(call, out);
}

/* Decide the chat.read that moves the cursors of `lanes` to the event. False: the call was failed. */
static bool read_decide(call_t *call, const bool lanes[CCCC_LANES])
{
    struct inbox *inbox = call->state;
    cccc_builder_t names = cccc_array_builder(call->arena, CCCC_LANES), data = cccc_map_builder(call->arena, 5);
    for (int lane = 0; lane < CCCC_LANES; lane++) {
        if (lanes[lane])
            cccc_array_add(&names, cccc_text(lane_words[lane]));
    }
    cccc_map_add(&data, "actor_id", cccc_string(inbox->reader_id));
    cccc_map_add(&data, "event_id", cccc_string(inbox->event.id));
    cccc_map_add(&data, "seq", cccc_uint(inbox->event.seq));
    cccc_map_add(&data, "ts", cccc_string(inbox->event.ts));
    cccc_map_add(&data, "lanes", names.value);
    struct cccc_errmsg why;
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_CHAT_READ, call->by, CCCC_STR(""), data.value, mark_answer, &why);
    if (err) {
        call_fail(call, err, "%s", why.text);
        return false;
    }
    inbox->read = call->appended;
    inbox->passed = gaps_between(call, read_through(inbox, inbox_reader(call)), inbox->event.seq, &inbox->passed_count);
    struct cccc_reader *reader = CCCC_MUTANT_IS(CURSOR_BEFORE_COMMIT) ? reader_find(call->group, inbox->reader_id) : NULL;
    for (int lane = 0; reader && lane < CCCC_LANES; lane++) {
        if (lanes[lane])
            reader->cursor[lane].seq = inbox->event.seq;
    }
    return true;
}

/* ---- inbox_mark_read ---- */

/* The event is read: may its reader mark it? False: the call was failed. */
static bool mark_allowed(call_t *call, cccc_str_t id)
{
    struct inbox *inbox = call->state;
    if (!call_read_event(call, 0, &inbox->event) || !cccc_str_eq(inbox->event.id, id)) {
        event_refuse(call, id);
        return false;
    }
    cccc_kind_t kind = cccc_kind_find(inbox->event.kind);
    if (kind != CCCC_KIND_CHAT_MESSAGE && kind != CCCC_KIND_SYSTEM_NOTIFY) {
        call_fail(call, CCCC_E_INVALID_EVENT_KIND, "event %.*s is of kind %.*s; only messages and notices can be marked read",
                  CCCC_STR_FMT(id), CCCC_STR_FMT(inbox->event.kind));
        return false;
    }
    if (!event_is_for(call, &inbox->event, inbox->reader_id)) {
        call_fail(call, CCCC_E_EVENT_NOT_FOR_ACTOR, "event %.*s is not addressed to %.*s", CCCC_STR_FMT(id),
                  CCCC_STR_FMT(inbox->reader_id));
        return false;
    }
    inbox->cursor_lane = kind == CCCC_KIND_CHAT_MESSAGE ? CCCC_LANE_CHAT : CCCC_LANE_NOTIFY;
    return true;
}

static void mark_read(call_t *call)
{
    struct inbox *inbox = call->state;
    if (read_failed(call) || !mark_allowed(call, cccc_arg_str(&call->request.args, CCCC_A_inbox_mark_read_event_id)))
        return;
    const struct cccc_reader *reader = inbox_reader(call);
    bool moves[CCCC_LANES], any = false;
    for (int lane = 0; lane < CCCC_LANES; lane++) {
        moves[lane] = inbox->event.seq > reader->cursor[lane].seq;
        any |= moves[lane];
    }
    if (any && !read_decide(call, moves))
        return;
    /* Only the reader itself acknowledges by reading, and only the event it names. */
    if (cccc_arg_bool(&call->request.args, CCCC_A_inbox_mark_read_ack, true) && cccc_str_eq(call->by, inbox->reader_id))
        inbox->ack = ack_decide(call, call->group, inbox->reader_id, inbox->event.id, mark_answer);
    if (call->appends_open == 0)
        mark_answer(call);
}

void op_inbox_mark_read(call_t *call)
{
    if (inbox_begin(call, CCCC_A_inbox_mark_read_group_id, CCCC_A_inbox_mark_read_actor_id, CCCC_A_inbox_mark_read_by))
        event_find(call, cccc_arg_str(&call->request.args, CCCC_A_inbox_mark_read_event_id), mark_read);
}

/* ---- inbox_mark_all_read ---- */

static uint64_t newest_unread(const struct inbox *inbox, const struct cccc_reader *reader)
{
    uint64_t newest = 0;
    for (int lane = 0; lane < CCCC_LANES; lane++) {
        if (inbox->lanes[lane] && reader->unread[lane].count > 0 && reader->unread[lane].last > newest)
            newest = reader->unread[lane].last;
    }
    return newest;
}

static void mark_all(call_t *call)
{
    struct inbox *inbox = call->state;
    if (read_failed(call))
        return;
    if (!call_read_event(call, 0, &inbox->event)) {
        call_fail(call, CCCC_E_DAMAGED, "the newest unread event of %.*s cannot be read; mark an event after it with inbox_mark_read",
                  CCCC_STR_FMT(inbox->reader_id));
        return;
    }
    const struct cccc_reader *reader = inbox_reader(call);
    bool moves[CCCC_LANES], any = false;
    for (int lane = 0; lane < CCCC_LANES; lane++) {
        const struct cccc_unread *unread = &reader->unread[lane];
        moves[lane] = inbox->lanes[lane] && unread->count > 0 && unread->first <= inbox->event.seq;
        any |= moves[lane];
    }
    if (!any)
        mark_answer(call);
    else
        read_decide(call, moves);
}

void op_inbox_mark_all_read(call_t *call)
{
    if (!inbox_begin(call, CCCC_A_inbox_mark_all_read_group_id, CCCC_A_inbox_mark_all_read_actor_id, CCCC_A_inbox_mark_all_read_by) ||
        !choose_lanes(call, CCCC_A_inbox_mark_all_read_kind_filter))
        return;
    uint64_t *newest = cccc_arena_alloc(call->arena, sizeof *newest);
    *newest = newest_unread(call->state, inbox_reader(call));
    if (*newest == 0) {
        mark_answer(call);
        return;
    }
    struct cccc_read_query query = {.mode = CCCC_READ_SEQS, .seqs = newest, .seq_count = 1, .limit = 1, .bytes_max = CCCC_EVENT_BYTES_MAX};
    call_read(call, call->group, &query, mark_all);
}

/* ---- read_cursors.json ---- */

static cccc_value_t cursor_value(cccc_arena_t *arena, const struct cccc_cursor *cursor)
{
    cccc_builder_t map = cccc_map_builder(arena, 4);
    cccc_map_add(&map, "event_id", cccc_string(cccc_arena_str(arena, cccc_str(cursor->event_id))));
    cccc_map_add(&map, "ts", cccc_string(cccc_arena_str(arena, cccc_str(cursor->ts))));
    cccc_map_add(&map, "updated_at", cccc_string(cccc_arena_str(arena, cccc_str(cursor->updated_at))));
    return map.value;
}

/* As CCCC 0.4.0 has it, which knows one cursor: the chat lane's. Ours for notifications is beside it under a key of its own. */
static void cursors_export(struct cccc_core *core, struct cccc_group *group)
{
    struct cccc_store store = {.kind = CCCC_STORE_CURSORS, .arena = cccc_arena_new(4096)};
    cccc_builder_t map = cccc_map_builder(store.arena, HASH_COUNT(group->readers));
    for (const struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        cccc_value_t chat = cursor_value(store.arena, &reader->cursor[CCCC_LANE_CHAT]);
        cccc_value_t notify = cursor_value(store.arena, &reader->cursor[CCCC_LANE_NOTIFY]);
        cccc_value_t both = cccc_map_with(store.arena, &chat, CCCC_STR("notify"), notify);
        cccc_map_add_key(&map, cccc_arena_str(store.arena, cccc_str(reader->id)), both);
    }
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.document = map.value;
    group->cursors_dirty = false;
    core_store(core, &store);
}

static bool is_exportable(const struct cccc_group *group)
{
    return group->cursors_dirty && !group->deleted && !group->folding && !group->offline;
}

void cursors_tick(struct cccc_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++) {
        struct cccc_group *group = core->groups[i];
        if (is_exportable(group) && (core->last_second + group->slot) % CURSORS_EXPORT_S == 0)
            cursors_export(core, group);
    }
}

void cursors_flush(struct cccc_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++) {
        if (is_exportable(core->groups[i]))
            cursors_export(core, core->groups[i]);
    }
}
