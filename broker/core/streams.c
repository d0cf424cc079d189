/* streams.c - events_stream: who may follow what, and where to begin (reference 3.14).
 *
 * The answer is a position in the ledger and a filter; following is reading from there, as everybody does. Over the gateway the connection's own thread
 * does so, on the bus the client.
 * Thread: the core's. */
#include "broker/core/messages/message.h"

static const char *const usual[] = {"chat.ack", "chat.message", "system.notify", "system.notify_ack"};
static const char *const of_actors[] = {"chat.message", "system.notify"};

/* What the request asks for, and the search for where it begins. */
struct stream {
    cccc_value_t kinds;
    cccc_str_t recipient; /* "": everything */
    int64_t since_us;
    uint64_t low, high; /* the last event that is not to be sent is at or behind `low`, and before `high` */
    const char *lost;   /* why events may be missing at the beginning; NULL: none are */
};

static bool is_of_actors(cccc_str_t kind)
{
    return cccc_str_is(kind, of_actors[0]) || cccc_str_is(kind, of_actors[1]);
}

/* Any kind there is may be followed by name; these four are what 0.4.0 knows. */
static bool is_known(cccc_str_t kind)
{
    return cccc_kind_find(kind) != CCCC_KIND_UNKNOWN || cccc_str_is(kind, "system.notify_ack");
}

static cccc_value_t words(cccc_arena_t *arena, const char *const *list, size_t count)
{
    cccc_builder_t out = cccc_array_builder(arena, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        cccc_array_add(&out, cccc_text(list[i]));
    return out.value;
}

/* False: the call was failed. */
static bool choose_kinds(call_t *call, struct stream *self)
{
    const cccc_value_t *asked = cccc_arg(&call->request.args, CCCC_A_events_stream_kinds);
    self->kinds = words(call->arena, usual, sizeof usual / sizeof *usual);
    if (!asked || asked->via.array.size == 0)
        return true;
    cccc_builder_t list = cccc_array_builder(call->arena, asked->via.array.size), details = cccc_map_builder(call->arena, 1);
    for (uint32_t i = 0; i < asked->via.array.size; i++) {
        cccc_str_t kind = {asked->via.array.ptr[i].via.str.ptr, asked->via.array.ptr[i].via.str.size};
        if (is_known(kind))
            cccc_array_add(&list, cccc_string(kind));
    }
    cccc_map_add(&details, "supported", self->kinds);
    self->kinds = list.value;
    if (list.value.via.array.size > 0)
        return true;
    call_fail_details(call, CCCC_E_INVALID_KINDS, details.value,
                      "none of these kinds is one of events; leave kinds out for all messages and notices");
    return false;
}

/* An actor sees what is for it: messages and notices. */
static void restrict_kinds(call_t *call, struct stream *self)
{
    cccc_builder_t list = cccc_array_builder(call->arena, 2);
    for (uint32_t i = 0; i < self->kinds.via.array.size; i++) {
        const cccc_value_t *kind = &self->kinds.via.array.ptr[i];
        if (is_of_actors((cccc_str_t){kind->via.str.ptr, kind->via.str.size}))
            cccc_array_add(&list, *kind);
    }
    self->kinds = list.value;
    self->recipient = call->by;
}

static void begin_after(call_t *call, uint64_t seq, cccc_str_t id)
{
    const struct stream *self = call->state;
    cccc_builder_t result = cccc_map_builder(call->arena, 10);
    cccc_map_add(&result, "group_id", cccc_text(call->group->id));
    cccc_map_add(&result, "by", cccc_string(call->by));
    cccc_map_add(&result, "kinds", self->kinds);
    cccc_map_add(&result, "recipient", cccc_string(self->recipient));
    cccc_map_add(&result, "after_seq", cccc_uint(seq));
    cccc_map_add(&result, "after_id", cccc_string(id));
    cccc_map_add(&result, "heartbeat_s",
                 cccc_uint(cccc_arg_uint(&call->request.args, CCCC_A_events_stream_heartbeat_s, CCCC_GATEWAY_HEARTBEAT_S)));
    if (self->lost)
        cccc_map_add(&result, "lost", cccc_text(self->lost));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

static void begin_at_end(call_t *call)
{
    begin_after(call, call->group->head_seq, call->group->head_seq ? cccc_str(call->group->head_id) : CCCC_STR(""));
}

/* ---- since a time ---- */

static void narrowed(call_t *call);

/* Look at the middle of what is in question: the first event there is from it on. */
static void search(call_t *call)
{
    struct stream *self = call->state;
    if (self->low + 1 >= self->high) {
        begin_after(call, self->low, CCCC_STR(""));
        return;
    }
    struct cccc_read_query query = {
        .mode = CCCC_READ_AFTER, .seq = self->low + (self->high - self->low) / 2 - 1, .limit = 1, .bytes_max = CCCC_EVENT_BYTES_MAX};
    call_read(call, call->group, &query, narrowed);
}

static void narrowed(call_t *call)
{
    struct stream *self = call->state;
    uint64_t middle = self->low + (self->high - self->low) / 2;
    struct cccc_event event;
    int64_t ts;
    if (read_failed(call))
        return;
    bool early = call_read_event(call, 0, &event) && event.seq < self->high && cccc_ts_parse(event.ts, &ts) && ts <= self->since_us;
    if (early)
        self->low = event.seq;
    else
        self->high = middle;
    search(call);
}

static void begin_since(call_t *call)
{
    struct stream *self = call->state;
    cccc_str_t ts = cccc_arg_str(&call->request.args, CCCC_A_events_stream_since_ts);
    if (!cccc_ts_parse(ts, &self->since_us)) {
        begin_at_end(call);
        return;
    }
    self->lost = NULL;
    self->low = call->group->first_seq > 0 ? call->group->first_seq - 1 : 0;
    self->high = call->group->head_seq + 1;
    search(call);
}

/* ---- since an event ---- */

static void unknown_event(call_t *call)
{
    struct stream *self = call->state;
    self->lost = "unknown_event";
    begin_since(call);
}

static void event_looked_up(call_t *call)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_events_stream_since_event_id);
    struct cccc_event event;
    if (read_failed(call))
        return;
    if (call_read_event(call, 0, &event) && cccc_str_eq(event.id, id))
        begin_after(call, event.seq, id);
    else
        unknown_event(call);
}

void op_events_stream(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct stream *self = cccc_arena_alloc(call->arena, sizeof *self);
    *self = (struct stream){.recipient = CCCC_STR("")};
    call->state = self;
    if (!choose_kinds(call, self) || !call_group(call, CCCC_A_events_stream_group_id) ||
        !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_events_stream_by), "user"))
        return;
    if (config_actor(call->group, call->by))
        restrict_kinds(call, self);
    cccc_str_t id = cccc_arg_str(args, CCCC_A_events_stream_since_event_id);
    uint64_t seq = id.len > 0 ? group_event_seq(call->group, id) : 0;
    if (seq > 0 && seq <= call->group->head_seq)
        event_find(call, id, event_looked_up);
    else if (id.len > 0)
        unknown_event(call);
    else
        begin_since(call);
}
