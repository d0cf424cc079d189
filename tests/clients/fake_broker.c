/* fake_broker.c - a daemon that misbehaves on request.
 *
 * Its thread owns the sockets and the model. The test's thread hands it one command at a time through a pipe and waits until it is done; what the test reads
 * directly is either atomic or stable by then. Each of its lives has a ZeroMQ context of its own, so that nothing of one reaches the next. */
#include "tests/clients/fake_broker.h"

#include "proto/event.h"
#include "proto/json.h"
#include "proto/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define EVENTS_MAX 400000
#define SENDS_MAX  20000
#define STALL_LEN  100
#define LOST       8 /* events stored and not published when it dies */
#define PATIENCE   500

static const char *const kinds[] = {"chat.message", "chat.message", "chat.read", "actor.update"};
static const char *const speakers[] = {"user", "foreman", "peer-1", "peer-2"};

struct fake_line {
    cccc_buf_t packed;
    char id[33];
    uint8_t kind, by;
    uint8_t audience; /* bits of speakers[] */
    bool damaged;
};

enum fake_command {
    COMMAND_STOP,
    COMMAND_RUN,
    COMMAND_APPEND,
    COMMAND_HEAD,
    COMMAND_RESTART,
    COMMAND_LEAVE,
    COMMAND_RETURN,
    COMMAND_RESTORE,
    COMMAND_IGNORE,
    COMMAND_DIE_AFTER_SEND,
    COMMAND_DELETE_GROUP
};

struct fake_broker {
    char home[512];
    struct fake_options options;
    pthread_t thread;
    int to_thread[2], to_test[2];
    /* arguments of the command under way */
    uint64_t number, other;
    bool flag;
    struct fake_faults faults;

    void *zmq, *router, *xpub; /* NULL while away */
    uint64_t epoch;
    uint64_t random;
    struct fake_line *lines; /* [seq] */
    uint64_t lineage;
    _Atomic uint64_t head;
    uint64_t run_left;
    uint64_t stall_left;
    uint32_t patience;                                         /* rounds a run waits for subscribers after a start */
    uint64_t published_to[sizeof speakers / sizeof *speakers]; /* last seq under each i/ topic in this life */
    char ignore[32];
    bool ignoring;
    uint64_t die_after_send;
    bool deleted;
    struct {
        char client_id[129];
        uint64_t seq;
    } * sends;
    size_t send_count;
    _Atomic uint64_t requests, invalid, drops, repeats, starts, duplicates;
};

/* ---- chance ---- */

/* xorshift64* (Vigna 2016): the same run for the same seed. */
static uint64_t next_random(fake_broker_t *self)
{
    self->random ^= self->random >> 12;
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    return self->random * 2685821657736338717ULL;
}

static bool chance(fake_broker_t *self, uint32_t per_10000)
{
    return next_random(self) >> 32 < ((uint64_t)per_10000 << 32) / 10000;
}

/* ---- the model ---- */

static void pack_line(fake_broker_t *self, uint64_t seq, struct fake_line *line, cccc_value_t data)
{
    char ts[28];
    cccc_ts_format(ts, 1700000000000000 + (int64_t)seq);
    cccc_event_id_make(line->id, 1700000000000 + self->lineage, seq, self->options.seed);
    struct cccc_event event = {
        .id = cccc_str(line->id),
        .ts = cccc_str(ts),
        .seq = seq,
        .kind = cccc_str(kinds[line->kind]),
        .group_id = CCCC_STR(FAKE_GROUP),
        .scope_key = CCCC_STR(""),
        .by = cccc_str(speakers[line->by]),
        .attest = cccc_nil(),
        .data = data,
        .extra = cccc_nil(),
    };
    cccc_buf_init(&line->packed);
    cccc_event_pack(&event, &line->packed);
}

static uint64_t append_line(fake_broker_t *self, cccc_str_t text)
{
    uint64_t seq = self->head + 1;
    CCCC_ASSERT(seq < EVENTS_MAX);
    struct fake_line *line = &self->lines[seq];
    uint64_t r = next_random(self);
    *line = (struct fake_line){.kind = (uint8_t)(r % 4), .by = (uint8_t)(r / 4 % 4), .audience = (uint8_t)(r / 16 % 16)};
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_builder_t data = cccc_map_builder(arena, 2);
    cccc_builder_t audience = cccc_array_builder(arena, 4);
    for (size_t i = 0; i < 4; i++)
        if (line->audience & 1 << i)
            cccc_array_add(&audience, cccc_text(speakers[i]));
    cccc_map_add(&data, "text", cccc_string(text));
    cccc_map_add(&data, "audience", audience.value);
    pack_line(self, seq, line, data.value);
    cccc_arena_destroy(&arena);
    self->head = seq;
    return seq;
}

static void make_history(fake_broker_t *self)
{
    for (uint64_t i = 0; i < self->options.history; i++) {
        uint64_t seq = append_line(self, CCCC_STR("history"));
        self->lines[seq].damaged = self->options.damage && seq % 97 >= 40 && seq % 97 < 43;
    }
}

static bool line_matches(const struct fake_line *line, cccc_str_t recipient, const cccc_value_t *words, cccc_str_t by)
{
    if (by.len && !cccc_str_is(by, speakers[line->by]))
        return false;
    bool kind_ok = !words || words->via.array.size == 0;
    for (uint32_t i = 0; words && i < words->via.array.size; i++) {
        cccc_str_t word;
        kind_ok |= cccc_as_str(&words->via.array.ptr[i], &word) && cccc_str_is(word, kinds[line->kind]);
    }
    bool for_them = recipient.len == 0;
    for (size_t i = 0; i < 4; i++)
        for_them |= (line->audience & 1 << i) && cccc_str_is(recipient, speakers[i]);
    return kind_ok && for_them;
}

/* ---- lives ---- */

static void write_descriptor(fake_broker_t *self)
{
    char path[600], part[640];
    snprintf(path, sizeof path, "%s/daemon/ccccd.addr.json", self->home);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *f = fopen(part, "w");
    CCCC_ASSERT(f, "%s", part);
    fprintf(f,
            "{\"v\":1,\"transport\":\"unix\",\"pid\":%d,\"bus\":\"ipc://%s/daemon/bus\",\"events\":\"ipc://%s/daemon/"
            "events\",\"epoch\":%llu}\n",
            (int)getpid(), self->home, self->home, (unsigned long long)self->epoch);
    fclose(f);
    CCCC_ASSERT(rename(part, path) == 0);
}

static void bind_socket(fake_broker_t *self, void **socket, int type, const char *name)
{
    char endpoint[600];
    int linger = 0;
    int hwm = type == ZMQ_XPUB && self->options.send_hwm ? self->options.send_hwm : 1000;
    if (type == ZMQ_ROUTER)
        hwm = 0;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/daemon/%s", self->home, name);
    *socket = zmq_socket(self->zmq, type);
    zmq_setsockopt(*socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(*socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    CCCC_ASSERT(zmq_bind(*socket, endpoint) == 0, "%s: %s", endpoint, zmq_strerror(zmq_errno()));
}

static void come_up(fake_broker_t *self)
{
    self->epoch++;
    self->starts++;
    self->patience = PATIENCE;
    self->zmq = zmq_ctx_new();
    bind_socket(self, &self->router, ZMQ_ROUTER, "bus");
    bind_socket(self, &self->xpub, ZMQ_XPUB, "events");
    memset(self->published_to, 0, sizeof self->published_to);
    write_descriptor(self);
}

static void go_down(fake_broker_t *self)
{
    if (!self->zmq)
        return;
    zmq_close(self->router);
    zmq_close(self->xpub);
    zmq_ctx_term(self->zmq);
    self->zmq = self->router = self->xpub = NULL;
}

/* ---- publishing ---- */

static void send_two(fake_broker_t *self, const char *topic, const char *body, size_t len)
{
    zmq_send(self->xpub, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(self->xpub, body, len, ZMQ_DONTWAIT);
}

static void publish_frame(fake_broker_t *self, const char *topic, const struct fake_line *line, const struct fake_faults *faults)
{
    if (self->stall_left == 0 && faults && chance(self, faults->stall))
        self->stall_left = STALL_LEN;
    if (self->stall_left > 0 || (faults && chance(self, faults->drop))) {
        self->stall_left -= self->stall_left > 0;
        self->drops++;
        return;
    }
    send_two(self, topic, line->packed.data, line->packed.size);
}

static void publish(fake_broker_t *self, uint64_t seq, const struct fake_faults *faults)
{
    const struct fake_line *line = &self->lines[seq];
    char topic[200];
    snprintf(topic, sizeof topic, "e/%s/%s/%llu/%llu", FAKE_GROUP, kinds[line->kind], (unsigned long long)seq, (unsigned long long)seq - 1);
    publish_frame(self, topic, line, faults);
    for (size_t i = 0; i < 4; i++) {
        if (!(line->audience & 1 << i))
            continue;
        snprintf(topic, sizeof topic, "i/%s/%s/%llu/%llu", FAKE_GROUP, speakers[i], (unsigned long long)seq,
                 (unsigned long long)self->published_to[i]);
        if (seq > self->published_to[i])
            self->published_to[i] = seq;
        publish_frame(self, topic, line, faults);
    }
}

/* An earlier event, as it was published then. */
static void repeat_one(fake_broker_t *self)
{
    uint64_t seq = 1 + next_random(self) % self->head;
    char topic[200];
    snprintf(topic, sizeof topic, "e/%s/%s/%llu/%llu", FAKE_GROUP, kinds[self->lines[seq].kind], (unsigned long long)seq,
             (unsigned long long)seq - 1);
    send_two(self, topic, self->lines[seq].packed.data, self->lines[seq].packed.size);
    self->repeats++;
}

static void send_head(fake_broker_t *self)
{
    cccc_buf_t body;
    char topic[64];
    cccc_buf_init(&body);
    cccc_pack_map(&body, 4);
    cccc_pack_text(&body, "group_id");
    cccc_pack_text(&body, FAKE_GROUP);
    cccc_pack_text(&body, "head_seq");
    cccc_pack_uint(&body, self->head);
    cccc_pack_text(&body, "head_id");
    cccc_pack_text(&body, self->head ? self->lines[self->head].id : "");
    cccc_pack_text(&body, "epoch");
    cccc_pack_uint(&body, self->epoch);
    snprintf(topic, sizeof topic, "h/%s/", FAKE_GROUP);
    send_two(self, topic, body.data, body.size);
    cccc_buf_fini(&body);
}

/* ---- answering ---- */

struct fake_peer {
    unsigned char id[64];
    int len;
};

static void answer(fake_broker_t *self, const struct fake_peer *peer, const cccc_buf_t *body)
{
    if (!self->router)
        return;
    zmq_send(self->router, peer->id, (size_t)peer->len, ZMQ_SNDMORE);
    zmq_send(self->router, body->data, body->size, 0);
}

static void answer_error(fake_broker_t *self, const struct fake_peer *peer, const struct cccc_request *req, cccc_err_t err,
                         const cccc_value_t *details)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_reply_error(&out, &req->id, err, "the fake broker says so", details);
    answer(self, peer, &out);
    cccc_buf_fini(&out);
}

struct fake_read {
    uint64_t after, before;
    uint64_t limit;
    cccc_str_t recipient, by;
    const cccc_value_t *kinds;
    uint64_t seqs[1024];
    uint32_t count;
    uint64_t checked;
    bool more;
};

static void read_forward(const fake_broker_t *self, struct fake_read *r)
{
    uint64_t seq = r->after;
    while (seq < self->head && r->count < r->limit) {
        seq++;
        if (!self->lines[seq].damaged && line_matches(&self->lines[seq], r->recipient, r->kinds, r->by))
            r->seqs[r->count++] = seq;
    }
    r->checked = seq > r->after ? seq : r->after;
    r->more = seq < self->head;
}

static void read_backward(const fake_broker_t *self, struct fake_read *r)
{
    uint64_t seq = r->before ? r->before : self->head + 1;
    while (seq > 1 && r->count < r->limit) {
        seq--;
        if (!self->lines[seq].damaged && line_matches(&self->lines[seq], r->recipient, r->kinds, r->by))
            r->seqs[r->count++] = seq;
    }
    for (uint32_t i = 0; i < r->count / 2; i++) {
        uint64_t other = r->seqs[i];
        r->seqs[i] = r->seqs[r->count - 1 - i];
        r->seqs[r->count - 1 - i] = other;
    }
    r->checked = seq;
    r->more = seq > 1;
}

/* The damaged stretches among (from, to]. */
static void pack_gaps(const fake_broker_t *self, cccc_buf_t *out, uint64_t from, uint64_t to)
{
    uint64_t starts[1024];
    uint32_t count = 0;
    for (uint64_t seq = from + 1; seq <= to && count < 1024; seq++)
        if (self->lines[seq].damaged && (seq == from + 1 || !self->lines[seq - 1].damaged))
            starts[count++] = seq;
    cccc_pack_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t last = starts[i];
        while (last < to && self->lines[last + 1].damaged)
            last++;
        cccc_pack_map(out, 3);
        cccc_pack_text(out, "from_seq");
        cccc_pack_uint(out, starts[i]);
        cccc_pack_text(out, "to_seq");
        cccc_pack_uint(out, last);
        cccc_pack_text(out, "reason");
        cccc_pack_text(out, "damaged");
    }
}

static void answer_read(fake_broker_t *self, const struct fake_peer *peer, const struct cccc_request *req, const struct fake_read *r,
                        bool forward)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_reply_begin(&out, &req->id);
    cccc_pack_map(&out, 6);
    cccc_pack_text(&out, "events");
    cccc_pack_array(&out, r->count);
    for (uint32_t i = 0; i < r->count; i++)
        cccc_buf_put(&out, self->lines[r->seqs[i]].packed.data, self->lines[r->seqs[i]].packed.size);
    cccc_pack_text(&out, "gaps");
    pack_gaps(self, &out, forward ? r->after : r->checked - 1, forward ? r->checked : r->checked - 1);
    cccc_pack_text(&out, "checked_seq");
    cccc_pack_uint(&out, r->checked);
    cccc_pack_text(&out, "first_seq");
    cccc_pack_uint(&out, 1);
    cccc_pack_text(&out, "head_seq");
    cccc_pack_uint(&out, self->head);
    cccc_pack_text(&out, "more");
    cccc_pack_bool(&out, r->more);
    answer(self, peer, &out);
    cccc_buf_fini(&out);
}

/* Is there another event than `id` at `seq`? */
static bool lineage_differs(const fake_broker_t *self, uint64_t seq, cccc_str_t id)
{
    return id.len && seq && (seq > self->head || !cccc_str_is(id, self->lines[seq].id));
}

static void op_ledger_read(fake_broker_t *self, const struct fake_peer *peer, const struct cccc_request *req, cccc_arena_t *arena)
{
    const struct cccc_args *args = &req->args;
    struct fake_read r = {
        .after = cccc_arg_uint(args, CCCC_A_ledger_read_after_seq, 0),
        .before = cccc_arg_uint(args, CCCC_A_ledger_read_before_seq, 0),
        .limit = cccc_arg_uint(args, CCCC_A_ledger_read_limit, 100),
        .recipient = cccc_arg_str(args, CCCC_A_ledger_read_recipient),
        .by = cccc_arg_str(args, CCCC_A_ledger_read_by),
        .kinds = cccc_arg(args, CCCC_A_ledger_read_kinds),
    };
    if (self->deleted) {
        answer_error(self, peer, req, CCCC_E_GROUP_NOT_FOUND, NULL);
        return;
    }
    if (lineage_differs(self, r.after, cccc_arg_str(args, CCCC_A_ledger_read_after_id))) {
        cccc_builder_t details = cccc_map_builder(arena, 1);
        cccc_map_add(&details, "head_seq", cccc_uint(self->head));
        answer_error(self, peer, req, CCCC_E_LINEAGE_CHANGED, &details.value);
        return;
    }
    uint64_t most = self->options.page_max ? 1 + next_random(self) % self->options.page_max : UINT64_MAX;
    r.limit = r.limit < most ? r.limit : most;
    bool forward = !cccc_arg_given(args, CCCC_A_ledger_read_before_seq);
    (forward ? read_forward : read_backward)(self, &r);
    answer_read(self, peer, req, &r, forward);
}

static uint64_t find_send(const fake_broker_t *self, cccc_str_t client_id)
{
    for (size_t i = 0; i < self->send_count; i++)
        if (cccc_str_is(client_id, self->sends[i].client_id))
            return self->sends[i].seq;
    return 0;
}

static uint64_t store_send(fake_broker_t *self, const struct cccc_request *req)
{
    cccc_str_t client_id = cccc_arg_str(&req->args, CCCC_A_send_client_id);
    uint64_t seq = find_send(self, client_id);
    if (seq) {
        self->duplicates++;
        return seq;
    }
    seq = append_line(self, cccc_arg_str(&req->args, CCCC_A_send_text));
    CCCC_ASSERT(self->send_count < SENDS_MAX);
    snprintf(self->sends[self->send_count].client_id, 129, "%.*s", CCCC_STR_FMT(client_id));
    self->sends[self->send_count++].seq = seq;
    publish(self, seq, NULL);
    return seq;
}

static void op_send(fake_broker_t *self, const struct fake_peer *peer, const struct cccc_request *req)
{
    uint64_t seq = store_send(self, req);
    if (self->die_after_send && --self->die_after_send == 0) {
        go_down(self);
        come_up(self);
        return;
    }
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_reply_begin(&out, &req->id);
    cccc_pack_map(&out, 1);
    cccc_pack_text(&out, "event");
    cccc_buf_put(&out, self->lines[seq].packed.data, self->lines[seq].packed.size);
    answer(self, peer, &out);
    cccc_buf_fini(&out);
}

/* Any other op: its arguments come back, so that tests see what was sent. */
static void op_echo(fake_broker_t *self, const struct fake_peer *peer, const struct cccc_request *req)
{
    const struct cccc_args *args = &req->args;
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_reply_begin(&out, &req->id);
    uint32_t given = 0;
    for (uint32_t i = 0; i < args->def->arg_count; i++)
        given += args->values[i] != NULL;
    cccc_pack_map(&out, given);
    for (uint32_t i = 0; i < args->def->arg_count; i++) {
        if (!args->values[i])
            continue;
        cccc_pack_text(&out, args->def->args[i].name);
        cccc_pack_value(&out, args->values[i]);
    }
    answer(self, peer, &out);
    cccc_buf_fini(&out);
}

static void handle_request(fake_broker_t *self, const struct fake_peer *peer, const struct cccc_request *req, cccc_arena_t *arena)
{
    if (self->ignoring && (!*self->ignore || cccc_str_is(req->op_name, self->ignore)))
        return;
    if (self->run_left && chance(self, self->faults.lose_reply)) {
        go_down(self);
        come_up(self);
        return;
    }
    if (req->op == CCCC_OP_ledger_read)
        op_ledger_read(self, peer, req, arena);
    else if (req->op == CCCC_OP_send)
        op_send(self, peer, req);
    else
        op_echo(self, peer, req);
}

static bool take_request(fake_broker_t *self)
{
    struct fake_peer peer;
    peer.len = zmq_recv(self->router, peer.id, sizeof peer.id, ZMQ_DONTWAIT);
    if (peer.len < 0)
        return false;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    zmq_msg_recv(&frame, self->router, 0);
    self->requests++;
    cccc_arena_t *arena = cccc_arena_new(8192);
    struct cccc_request req;
    struct cccc_refusal refusal = {0};
    if (cccc_request_read(zmq_msg_data(&frame), zmq_msg_size(&frame), arena, &req, &refusal) == CCCC_OK)
        handle_request(self, &peer, &req, arena);
    else
        self->invalid++;
    cccc_arena_destroy(&arena);
    zmq_msg_close(&frame);
    return true;
}

/* ---- the thread ---- */

static void run_some(fake_broker_t *self)
{
    const struct fake_faults *faults = &self->faults;
    if (self->patience > 0) {
        self->patience--;
        return;
    }
    for (uint64_t burst = 1 + next_random(self) % 8; burst > 0 && self->run_left > 0; burst--) {
        uint64_t seq = append_line(self, CCCC_STR("run"));
        self->run_left--;
        publish(self, seq, faults);
        if (chance(self, faults->repeat))
            repeat_one(self);
    }
    if (chance(self, faults->die)) {
        for (int i = 0; i < LOST && self->run_left > 0; i++, self->run_left--)
            append_line(self, CCCC_STR("lost"));
        go_down(self);
        come_up(self);
    }
    if (!faults->no_heads && chance(self, 300))
        send_head(self);
}

static void restore(fake_broker_t *self, uint64_t seq, uint64_t events)
{
    for (uint64_t i = seq + 1; i <= self->head; i++)
        cccc_buf_fini(&self->lines[i].packed);
    self->head = seq;
    self->lineage++;
    for (uint64_t i = 0; i < events; i++)
        append_line(self, CCCC_STR("restored"));
}

static void append_all(fake_broker_t *self, uint64_t events, bool tell)
{
    for (uint64_t i = 0; i < events; i++) {
        uint64_t seq = append_line(self, CCCC_STR("append"));
        if (tell)
            publish(self, seq, NULL);
    }
}

/* False: stop. */
static bool carry_out(fake_broker_t *self, enum fake_command command)
{
    switch (command) {
    case COMMAND_STOP:
        return false;
    case COMMAND_RUN:
        self->run_left = self->number;
        break;
    case COMMAND_APPEND:
        append_all(self, self->number, self->flag);
        break;
    case COMMAND_HEAD:
        send_head(self);
        break;
    case COMMAND_RESTART:
        go_down(self);
        come_up(self);
        break;
    case COMMAND_LEAVE: {
        char path[600];
        snprintf(path, sizeof path, "%s/daemon/ccccd.addr.json", self->home);
        unlink(path);
        go_down(self);
        break;
    }
    case COMMAND_RETURN:
        come_up(self);
        break;
    case COMMAND_RESTORE:
        go_down(self);
        restore(self, self->number, self->other);
        come_up(self);
        break;
    case COMMAND_IGNORE:
        self->ignoring = self->flag;
        break;
    case COMMAND_DIE_AFTER_SEND:
        self->die_after_send = self->number;
        break;
    case COMMAND_DELETE_GROUP:
        self->deleted = true;
        break;
    }
    return true;
}

static bool take_command(fake_broker_t *self)
{
    unsigned char command;
    CCCC_ASSERT(read(self->to_thread[0], &command, 1) == 1);
    bool go_on = carry_out(self, (enum fake_command)command);
    CCCC_ASSERT(write(self->to_test[1], &command, 1) == 1);
    return go_on;
}

static void *fake_main(void *arg)
{
    fake_broker_t *self = arg;
    bool go_on = true;
    while (go_on) {
        zmq_pollitem_t items[] = {{.fd = self->to_thread[0], .events = ZMQ_POLLIN},
                                  {.socket = self->router, .events = ZMQ_POLLIN},
                                  {.socket = self->xpub, .events = ZMQ_POLLIN}};
        /* A run publishes in bursts with a little time between them, so that followers are live some of the time. */
        int count = zmq_poll(items, self->router ? 3 : 1, self->run_left ? (long)(next_random(self) % 2) : -1);
        CCCC_ASSERT(count >= 0);
        if (items[0].revents)
            go_on = take_command(self);
        char subscription[256];
        while (self->xpub && zmq_recv(self->xpub, subscription, sizeof subscription, ZMQ_DONTWAIT) >= 0)
            self->patience = self->patience < 20 ? self->patience : 20;
        for (int i = 0; i < 64 && self->router && take_request(self); i++)
            continue;
        if (self->run_left && self->xpub)
            run_some(self);
    }
    go_down(self);
    return NULL;
}

/* ---- the test's side ---- */

static void command(fake_broker_t *self, enum fake_command c)
{
    unsigned char byte = (unsigned char)c;
    CCCC_ASSERT(write(self->to_thread[1], &byte, 1) == 1);
    CCCC_ASSERT(read(self->to_test[0], &byte, 1) == 1);
}

fake_broker_t *fake_start(const char *home, const struct fake_options *options)
{
    fake_broker_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self);
    self->options = *options;
    self->random = options->seed * 2 + 1;
    self->lines = calloc(EVENTS_MAX, sizeof *self->lines);
    self->sends = calloc(SENDS_MAX, sizeof *self->sends);
    CCCC_ASSERT(self->lines && self->sends && pipe(self->to_thread) == 0 && pipe(self->to_test) == 0);
    snprintf(self->home, sizeof self->home, "%s", home);
    char dir[600];
    snprintf(dir, sizeof dir, "%s/daemon", home);
    mkdir(dir, 0700);
    make_history(self);
    come_up(self);
    CCCC_ASSERT(pthread_create(&self->thread, NULL, fake_main, self) == 0);
    return self;
}

void fake_stop(fake_broker_t **taken)
{
    fake_broker_t *self = *taken;
    *taken = NULL;
    command(self, COMMAND_STOP);
    pthread_join(self->thread, NULL);
    for (uint64_t seq = 1; seq <= self->head; seq++)
        cccc_buf_fini(&self->lines[seq].packed);
    for (int i = 0; i < 2; i++) {
        close(self->to_thread[i]);
        close(self->to_test[i]);
    }
    free(self->lines);
    free(self->sends);
    free(self);
}

void fake_run(fake_broker_t *self, uint64_t events, const struct fake_faults *faults)
{
    self->number = events;
    self->faults = *faults;
    command(self, COMMAND_RUN);
}

void fake_append(fake_broker_t *self, uint64_t events, bool tell)
{
    self->number = events;
    self->flag = tell;
    command(self, COMMAND_APPEND);
}

void fake_send_head(fake_broker_t *self)
{
    command(self, COMMAND_HEAD);
}

void fake_restart(fake_broker_t *self)
{
    command(self, COMMAND_RESTART);
}

void fake_leave(fake_broker_t *self)
{
    command(self, COMMAND_LEAVE);
}

void fake_return(fake_broker_t *self)
{
    command(self, COMMAND_RETURN);
}

void fake_restore(fake_broker_t *self, uint64_t seq, uint64_t events)
{
    self->number = seq;
    self->other = events;
    command(self, COMMAND_RESTORE);
}

void fake_ignore(fake_broker_t *self, const char *op)
{
    self->flag = !op || *op;
    snprintf(self->ignore, sizeof self->ignore, "%s", op ? op : "");
    command(self, COMMAND_IGNORE);
}

void fake_die_after_send(fake_broker_t *self, uint64_t nth)
{
    self->number = nth;
    command(self, COMMAND_DIE_AFTER_SEND);
}

void fake_delete_group(fake_broker_t *self)
{
    command(self, COMMAND_DELETE_GROUP);
}

uint64_t fake_head(const fake_broker_t *self)
{
    return self->head;
}

/* A line that was stored. The test has heard of it through libzmq, whose order ThreadSanitizer does not see; that of `head`, which follows the line, it does. */
static const struct fake_line *stored_line(const fake_broker_t *self, uint64_t seq)
{
    CCCC_ASSERT(seq > 0 && seq <= self->head);
    return &self->lines[seq];
}

bool fake_matches(const fake_broker_t *self, uint64_t seq, const char *recipient, const char *kind, const char *by)
{
    cccc_value_t word = cccc_text(kind);
    cccc_value_t words = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = kind ? 1 : 0, .ptr = &word}};
    return line_matches(stored_line(self, seq), cccc_str(recipient), &words, cccc_str(by));
}

bool fake_is_damaged(const fake_broker_t *self, uint64_t seq)
{
    return stored_line(self, seq)->damaged;
}

const char *fake_event(const fake_broker_t *self, uint64_t seq, size_t *len)
{
    const struct fake_line *line = stored_line(self, seq);
    *len = line->packed.size;
    return line->packed.data;
}

void fake_counts(const fake_broker_t *self, struct fake_counts *out)
{
    *out = (struct fake_counts){
        .requests = self->requests,
        .invalid = self->invalid,
        .drops = self->drops,
        .repeats = self->repeats,
        .starts = self->starts,
        .duplicates = self->duplicates,
    };
}
