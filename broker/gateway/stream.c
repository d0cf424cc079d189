/* stream.c - see stream.h. */
#include "broker/gateway/stream.h"

#include "broker/gateway/jsonline.h"
#include "proto/event.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

enum { PAGE_EVENTS = 256, EVENTS_PER_ROUND = 256 };

struct stream {
    cccc_arena_t *arena; /* owns it and what was asked for */
    cccc_value_t kinds;
    cccc_str_t recipient; /* "": everything */
    struct connection *connection;
    struct followed *group;
    struct cccc_link in_group;
    uint64_t seq;                              /* every wanted event up to it is written */
    char id[65];                               /* of the event at seq; "": unknown */
    bool reading;                              /* a page is on its way */
    bool behind;                               /* there is something to read */
    uint64_t heartbeat_us, spoke_us, asked_us; /* asked_us: when it last asked for a page */
};

/* A group that streams follow: subscribed to once. */
struct followed {
    UT_hash_handle hh;
    char id[16];
    struct cccc_list streams;
};

/* ---- groups ---- */

static void subscribe(struct cccc_gateway *gateway, const char *group_id, int how)
{
    char topic[32];
    for (const char *kind = "eh"; *kind; kind++) {
        int len = snprintf(topic, sizeof topic, "%c/%s/", *kind, group_id);
        zmq_setsockopt(gateway->options.events, how, topic, (size_t)len);
    }
}

static struct followed *followed_at(struct cccc_gateway *gateway, cccc_str_t id)
{
    struct followed *group = NULL;
    HASH_FIND(hh, gateway->followed, id.ptr, id.len, group);
    return group;
}

static struct followed *follow(struct cccc_gateway *gateway, cccc_str_t id)
{
    struct followed *group = followed_at(gateway, id);
    if (group)
        return group;
    group = calloc(1, sizeof *group);
    CCCC_ASSERT(group && id.len < sizeof group->id, "out of memory");
    memcpy(group->id, id.ptr, id.len);
    HASH_ADD_KEYPTR(hh, gateway->followed, group->id, id.len, group);
    subscribe(gateway, group->id, ZMQ_SUBSCRIBE);
    return group;
}

static void unfollow(struct cccc_gateway *gateway, struct followed *group)
{
    if (group->streams.first)
        return;
    subscribe(gateway, group->id, ZMQ_UNSUBSCRIBE);
    HASH_DELETE(hh, gateway->followed, group); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    free(group);
}

/* ---- rows ---- */

static void write_row(struct cccc_gateway *gateway, struct stream *self, const cccc_value_t *row)
{
    cccc_buf_t line;
    cccc_buf_init(&line);
    cccc_jsonline_value(row, &line);
    connection_write(gateway, self->connection, line.data, line.size);
    cccc_buf_fini(&line);
    self->spoke_us = gateway->now_us;
}

static cccc_value_t row_of(cccc_arena_t *arena, const char *what, const char *name, cccc_value_t v)
{
    cccc_builder_t row = cccc_map_builder(arena, 2);
    cccc_map_add(&row, "t", cccc_text(what));
    cccc_map_add(&row, name, v);
    return row.value;
}

static void write_gap(struct cccc_gateway *gateway, struct stream *self, uint64_t from, uint64_t to, cccc_str_t reason, cccc_arena_t *arena)
{
    cccc_builder_t row = cccc_map_builder(arena, 5);
    cccc_map_add(&row, "t", cccc_text("gap"));
    cccc_map_add(&row, "group_id", cccc_text(self->group->id));
    cccc_map_add(&row, "from_seq", cccc_uint(from));
    cccc_map_add(&row, "to_seq", cccc_uint(to));
    cccc_map_add(&row, "reason", cccc_string(reason));
    write_row(gateway, self, &row.value);
}

static void write_heartbeat(struct cccc_gateway *gateway, struct stream *self)
{
    struct timespec now;
    char ts[28];
    clock_gettime(CLOCK_REALTIME, &now);
    cccc_ts_format(ts, now.tv_sec * 1000000 + now.tv_nsec / 1000);
    cccc_arena_t *arena = cccc_arena_new(256);
    cccc_value_t row = row_of(arena, "heartbeat", "ts", cccc_text(ts));
    write_row(gateway, self, &row);
    cccc_arena_destroy(&arena);
}

/* ---- reading ---- */

static void move_to(struct stream *self, uint64_t seq, cccc_str_t id)
{
    self->seq = seq;
    snprintf(self->id, sizeof self->id, "%.*s", id.len < sizeof self->id ? (int)id.len : 0, id.len ? id.ptr : "");
}

static void pack_read(const struct stream *self, cccc_buf_t *frame)
{
    cccc_buf_t args;
    cccc_buf_init(&args);
    cccc_pack_map(&args, 6);
    cccc_pack_text(&args, "group_id");
    cccc_pack_text(&args, self->group->id);
    cccc_pack_text(&args, "after_seq");
    cccc_pack_uint(&args, self->seq);
    cccc_pack_text(&args, "after_id");
    cccc_pack_text(&args, self->id);
    cccc_pack_text(&args, "limit");
    cccc_pack_uint(&args, PAGE_EVENTS);
    cccc_pack_text(&args, "kinds");
    cccc_pack_value(&args, &self->kinds);
    cccc_pack_text(&args, "recipient");
    cccc_pack_str(&args, self->recipient);
    cccc_request_write(frame, 0, "ledger_read", args.data, args.size);
    cccc_buf_fini(&args);
}

void stream_go_on(struct cccc_gateway *gateway, struct connection *c)
{
    struct stream *self = c->stream;
    bool wants_any = self->kinds.via.array.size > 0; /* to ledger_read no kinds are all */
    if (!wants_any || self->reading || !self->behind || c->closing || gateway->finishing ||
        connection_waiting(c) > CCCC_GATEWAY_STREAM_BYTES)
        return;
    cccc_buf_t frame;
    cccc_buf_init(&frame);
    pack_read(self, &frame);
    self->reading = true;
    self->behind = false;
    self->asked_us = gateway->now_us;
    connection_ask(gateway, c, &frame);
    cccc_buf_fini(&frame);
}

/* What an actor said itself is not news to it: lines of CCCC 0.4.0 name no audience, so the ledger cannot know. */
static bool is_own(const struct stream *self, const cccc_value_t *event)
{
    return self->recipient.len > 0 && cccc_str_eq(cccc_get_str(event, "by"), self->recipient);
}

/* The gaps from *next on that lie before `seq`. */
static void write_gaps(struct cccc_gateway *gateway, struct stream *self, const cccc_value_t *gaps, uint32_t *next, uint64_t seq,
                       cccc_arena_t *arena)
{
    for (; cccc_is_array(gaps) && *next < gaps->via.array.size; ++*next) {
        const cccc_value_t *gap = &gaps->via.array.ptr[*next];
        uint64_t from = cccc_get_uint(gap, "from_seq", 0);
        if (from > seq)
            return;
        write_gap(gateway, self, from, cccc_get_uint(gap, "to_seq", 0), cccc_get_str(gap, "reason"), arena);
    }
}

static void take_page(struct cccc_gateway *gateway, struct stream *self, const cccc_value_t *result, cccc_arena_t *arena)
{
    const cccc_value_t *events = cccc_get(result, "events"), *gaps = cccc_get(result, "gaps");
    uint64_t checked = cccc_get_uint(result, "checked_seq", self->seq), last = 0;
    cccc_str_t id = CCCC_STR("");
    uint32_t next_gap = 0;
    for (uint32_t i = 0; cccc_is_array(events) && i < events->via.array.size; i++) {
        const cccc_value_t *event = &events->via.array.ptr[i];
        last = cccc_get_uint(event, "seq", 0);
        id = cccc_get_str(event, "id");
        write_gaps(gateway, self, gaps, &next_gap, last, arena);
        cccc_value_t row = row_of(arena, "event", "event", *event);
        if (!is_own(self, event))
            write_row(gateway, self, &row);
    }
    write_gaps(gateway, self, gaps, &next_gap, UINT64_MAX, arena);
    if (checked > self->seq)
        move_to(self, checked, last == checked ? id : CCCC_STR(""));
    self->behind |= cccc_get_bool(result, "more", false);
}

static void write_end(struct cccc_gateway *gateway, struct stream *self, cccc_value_t error, cccc_arena_t *arena)
{
    cccc_value_t row = row_of(arena, "error", "error", error);
    write_row(gateway, self, &row);
    self->connection->closing = true;
}

static void take_refusal(struct cccc_gateway *gateway, struct stream *self, const cccc_value_t *error, cccc_arena_t *arena)
{
    cccc_str_t code = cccc_get_str(error, "code");
    if (cccc_str_is(code, "lineage_changed")) {
        uint64_t head = cccc_get_uint(cccc_get(error, "details"), "head_seq", 0);
        write_gap(gateway, self, head < self->seq ? head + 1 : self->seq, self->seq, code, arena);
        move_to(self, head, CCCC_STR(""));
    } else if (cccc_str_is(code, "busy") || cccc_str_is(code, "group_offline") || cccc_str_is(code, "storage_failed")) {
        self->behind = true; /* tried again when the group speaks, or with the next look */
    } else {
        write_end(gateway, self, *error, arena);
    }
}

void stream_page(struct cccc_gateway *gateway, struct connection *c, const char *bytes, size_t len, cccc_arena_t *arena)
{
    struct cccc_errmsg m;
    cccc_value_t reply;
    struct stream *self = c->stream;
    cccc_err_t err = cccc_msgpack_read(bytes, len, CCCC_FRAME_BYTES_MAX, arena, &reply, &m);
    CCCC_ASSERT(err == CCCC_OK, "a reply of the loop does not decode: %s", m.text);
    self->reading = false;
    if (c->closing)
        return;
    if (cccc_get_bool(&reply, "ok", false)) {
        take_page(gateway, self, cccc_get(&reply, "result"), arena);
        stream_go_on(gateway, c);
    } else {
        take_refusal(gateway, self, cccc_get(&reply, "error"), arena);
    }
}

/* ---- what is published ---- */

/* An event or head as published: `e/<group>/<kind>/<seq>/<prev>` or `h/<group>/`. Decoded, and written as a row, when the first stream wants that. */
struct published {
    bool is_head;
    cccc_str_t group_id, kind;
    uint64_t seq;
    const char *bytes;
    size_t len;
    cccc_arena_t *arena;
    cccc_value_t value;
    cccc_buf_t row;
};

static bool read_topic(const char *topic, size_t len, struct published *out)
{
    const char *end = topic + len, *group = topic + 2, *slash = len > 2 ? memchr(group, '/', len - 2) : NULL;
    if (!slash)
        return false;
    out->group_id = (cccc_str_t){group, (size_t)(slash - group)};
    out->is_head = topic[0] == 'h';
    if (out->is_head)
        return true;
    const char *kind = slash + 1, *kind_end = memchr(kind, '/', (size_t)(end - kind));
    if (!kind_end)
        return false;
    out->kind = (cccc_str_t){kind, (size_t)(kind_end - kind)};
    for (const char *p = kind_end + 1; p < end && *p >= '0' && *p <= '9'; p++)
        out->seq = out->seq * 10 + (uint64_t)(*p - '0');
    return true;
}

static const cccc_value_t *decoded(struct published *news)
{
    struct cccc_errmsg m;
    if (!cccc_is_nil(&news->value))
        return &news->value;
    cccc_err_t err = cccc_msgpack_read(news->bytes, news->len, CCCC_FRAME_BYTES_MAX, news->arena, &news->value, &m);
    CCCC_ASSERT(err == CCCC_OK, "a publication of the loop does not decode: %s", m.text);
    return &news->value;
}

static void write_event(struct cccc_gateway *gateway, struct stream *self, struct published *news)
{
    if (news->row.size == 0) {
        cccc_value_t row = row_of(news->arena, "event", "event", news->value);
        cccc_jsonline_value(&row, &news->row);
    }
    connection_write(gateway, self->connection, news->row.data, news->row.size);
    self->spoke_us = gateway->now_us;
}

static bool has_word(const cccc_value_t *list, cccc_str_t word)
{
    cccc_str_t one;
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size; i++)
        if (cccc_as_str(&list->via.array.ptr[i], &one) && cccc_str_eq(one, word))
            return true;
    return false;
}

static bool is_for(const struct stream *self, const cccc_value_t *event)
{
    return self->recipient.len == 0 || has_word(cccc_get(cccc_get(event, "data"), "audience"), self->recipient);
}

/* It comes right behind what was written, and its client takes it. */
static bool is_next(const struct stream *self, const struct published *news)
{
    return news->seq == self->seq + 1 && !self->reading && !self->behind && !self->connection->closing &&
           connection_waiting(self->connection) <= CCCC_GATEWAY_STREAM_BYTES;
}

/* The group was deleted: no read would give more. */
static void hear_deletion(struct cccc_gateway *gateway, struct stream *self, cccc_arena_t *arena)
{
    cccc_builder_t error = cccc_map_builder(arena, 3);
    cccc_map_add(&error, "code", cccc_text(cccc_err_code(CCCC_E_GROUP_NOT_FOUND)));
    cccc_map_add(&error, "message", cccc_string(cccc_arena_printf(arena, "group %s was deleted", self->group->id)));
    cccc_map_add(&error, "details", cccc_map_builder(arena, 0).value);
    write_end(gateway, self, error.value, arena);
}

static void hear(struct cccc_gateway *gateway, struct stream *self, struct published *news)
{
    uint64_t seq = news->is_head ? cccc_get_uint(decoded(news), "head_seq", 0) : news->seq;
    if (self->connection->closing)
        return;
    if (news->is_head && cccc_get_bool(&news->value, "deleted", false)) {
        hear_deletion(gateway, self, news->arena);
        return;
    }
    if (seq <= self->seq)
        return;
    if (news->is_head || !is_next(self, news)) {
        self->behind = true;
        stream_go_on(gateway, self->connection);
        return;
    }
    cccc_str_t id = CCCC_STR("");
    if (has_word(&self->kinds, news->kind)) {
        id = cccc_get_str(decoded(news), "id");
        if (is_for(self, &news->value))
            write_event(gateway, self, news);
    }
    move_to(self, seq, id);
}

static void take_publication(struct cccc_gateway *gateway, const zmq_msg_t *topic, const zmq_msg_t *body)
{
    struct published news = {.bytes = zmq_msg_data((zmq_msg_t *)body), .len = zmq_msg_size(body), .value = cccc_nil()};
    if (!read_topic(zmq_msg_data((zmq_msg_t *)topic), zmq_msg_size(topic), &news))
        return;
    struct followed *group = followed_at(gateway, news.group_id);
    if (!group)
        return;
    news.arena = cccc_arena_new(4096);
    cccc_buf_init(&news.row);
    for (struct cccc_link *link = group->streams.first; link; link = link->next)
        hear(gateway, CCCC_MEMBER(link, struct stream, in_group), &news);
    cccc_buf_fini(&news.row);
    cccc_arena_destroy(&news.arena);
}

bool streams_take_events(struct cccc_gateway *gateway)
{
    bool any = false;
    zmq_msg_t topic, body;
    zmq_msg_init(&topic);
    zmq_msg_init(&body);
    for (int i = 0; i < EVENTS_PER_ROUND && zmq_msg_recv(&topic, gateway->options.events, ZMQ_DONTWAIT) >= 0; i++, any = true)
        if (zmq_msg_recv(&body, gateway->options.events, ZMQ_DONTWAIT) >= 0) {
            cccc_gateway_after_receive(gateway->options.to_gateway);
            take_publication(gateway, &topic, &body);
        }
    zmq_msg_close(&topic);
    zmq_msg_close(&body);
    return any;
}

/* ---- life ---- */

void stream_begin(struct cccc_gateway *gateway, struct connection *c, const cccc_value_t *result)
{
    cccc_arena_t *arena = cccc_arena_new(1024);
    struct stream *self = cccc_arena_alloc(arena, sizeof *self);
    *self = (struct stream){.arena = arena, .connection = c, .behind = true, .spoke_us = gateway->now_us};
    self->kinds = cccc_value_copy(arena, cccc_get(result, "kinds"));
    self->recipient = cccc_arena_str(arena, cccc_get_str(result, "recipient"));
    self->heartbeat_us = cccc_get_uint(result, "heartbeat_s", CCCC_GATEWAY_HEARTBEAT_S) * 1000000;
    move_to(self, cccc_get_uint(result, "after_seq", 0), cccc_get_str(result, "after_id"));
    /* First the subscription, then the first page: what is published meanwhile is heard. */
    self->group = follow(gateway, cccc_get_str(result, "group_id"));
    cccc_list_append(&self->group->streams, &self->in_group);
    c->stream = self;
    gateway_upgraded(gateway, 1);
    cccc_str_t lost = cccc_get_str(result, "lost");
    if (lost.len > 0)
        write_gap(gateway, self, 0, self->seq, lost, arena);
}

void stream_look(struct cccc_gateway *gateway, struct connection *c)
{
    struct stream *self = c->stream;
    /* What was published last may have been dropped: after some silence the ledger is asked. */
    uint64_t heard_us = self->spoke_us > self->asked_us ? self->spoke_us : self->asked_us;
    self->behind |= gateway->now_us - heard_us >= CCCC_GATEWAY_HEARTBEAT_S * 1000000ull;
    stream_go_on(gateway, c);
    if (self->heartbeat_us && connection_waiting(c) == 0 && gateway->now_us - self->spoke_us >= self->heartbeat_us)
        write_heartbeat(gateway, self);
}

void stream_end(struct cccc_gateway *gateway, struct connection *c)
{
    struct stream *self = c->stream;
    if (!self)
        return;
    c->stream = NULL;
    cccc_list_remove(&self->group->streams, &self->in_group);
    unfollow(gateway, self->group);
    gateway_upgraded(gateway, -1);
    cccc_arena_t *arena = self->arena;
    cccc_arena_destroy(&arena);
}
