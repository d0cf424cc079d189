/* load.c - sender and follower processes with libcccc. */
#include "clients/load/load.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct sender;

/* One request that may be open. */
struct ticket {
    struct sender *sender;
    uint64_t begun_ns;
    struct ticket *next;
};

struct sender {
    const struct load *load;
    struct worker_board *board;
    struct worker_lane *lane;
    cccc_t *client;
    struct ticket tickets[LOAD_WINDOW_MAX];
    struct ticket *free;
    uint64_t asked; /* requests so far */
};

/* "send: busy: ..." is why this run is none. */
static void fail(struct worker_board *board, struct worker_lane *lane, const char *what, const struct cccc_error *err)
{
    worker_failed(board, lane, *err->cause ? err->cause : err->code, "%s: %s: %s", what, err->code, err->message);
}

/* ---- requests ---- */

/* The text of the `i`-th message of the next request. Senders begin at different places, so that neighbours in the ledger are not alike. */
static msgpack_object text_of(const struct sender *self, unsigned i)
{
    const struct load *load = self->load;
    size_t len = load->text_bytes ? load->text_bytes : strlen(load->text), at = 0;
    if (load->text_places)
        at = ((self->asked * load->batch + i) * len + self->lane->index * (load->text_places / load->senders)) % load->text_places;
    return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)len, load->text + at}};
}

static void add_message(const struct sender *self, cccc_args_t *args)
{
    msgpack_object text = text_of(self, 0);
    cccc_args_strn(args, "text", text.via.str.ptr, text.via.str.size);
    cccc_args_strs(args, "to", &self->load->recipient, 1);
}

static void add_messages(const struct sender *self, cccc_args_t *args)
{
    static msgpack_object_kv fields[LOAD_BATCH_MAX][2];
    static msgpack_object items[LOAD_BATCH_MAX];
    const struct load *load = self->load;
    for (unsigned i = 0; i < load->batch; i++) {
        fields[i][0] = (msgpack_object_kv){{.type = MSGPACK_OBJECT_STR, .via.str = {4, "text"}}, text_of(self, i)};
        fields[i][1] = (msgpack_object_kv){{.type = MSGPACK_OBJECT_STR, .via.str = {2, "to"}},
                                           {.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(load->recipient), load->recipient}}};
        items[i] = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {2, fields[i]}};
    }
    cccc_args_value(args, "messages", &(msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {load->batch, items}});
}

/* Senders begin at different groups, so that at each moment all are written. */
static const char *next_group(const struct sender *self)
{
    const struct load *load = self->load;
    return load->groups[(self->asked + self->lane->index * load->group_count / load->senders) % load->group_count];
}

static void answered(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct ticket *ticket = arg;
    struct sender *self = ticket->sender;
    if (reply)
        worker_answered(self->board, self->lane, ticket->begun_ns, self->load->batch);
    else
        fail(self->board, self->lane, "send", err);
    ticket->next = self->free;
    self->free = ticket;
}

static void ask(struct sender *self, uint64_t begun_ns)
{
    const struct load *load = self->load;
    struct cccc_error err;
    struct ticket *ticket = self->free;
    self->free = ticket->next;
    ticket->begun_ns = begun_ns;
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", next_group(self));
    (load->batch > 1 ? add_messages : add_message)(self, args);
    self->asked++;
    if (cccc_request_async(self->client, load->batch > 1 ? "send_batch" : "send", &args, answered, ticket, &err) != 0)
        answered(ticket, NULL, &err);
}

/* ---- when to ask ---- */

static void closed_loop(struct sender *self)
{
    while (!self->board->stop && self->lane->failed == 0) {
        while (self->free && self->lane->failed == 0)
            ask(self, worker_now_ns());
        cccc_pump(self->client, 1000, NULL);
    }
}

static void arm(int timer, uint64_t at_ns)
{
    struct itimerspec when = {.it_value = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Requests are due every `step`; senders take turns. What cannot be sent because the window is full is sent later, and was due all the same. */
static void open_loop(struct sender *self)
{
    const struct load *load = self->load;
    double step_ns = 1e9 * load->senders * load->batch / load->rate,
           begin = (double)worker_now_ns() + step_ns * self->lane->index / load->senders;
    struct pollfd timer = {.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), .events = POLLIN};
    uint64_t due = (uint64_t)begin,
             end = UINT64_MAX; /* what was due before the end is sent, however late: a stall at the end counts, too */
    while (due < end && self->lane->failed == 0) {
        uint64_t now = worker_now_ns();
        if (self->board->stop && end == UINT64_MAX)
            end = now;
        for (; self->free && self->lane->failed == 0 && due <= now && due < end; due = (uint64_t)(begin + step_ns * (double)self->asked))
            ask(self, due);
        arm(timer.fd, due);
        if (self->free)
            cccc_poll(self->client, &timer, 1, 1000, NULL);
        else
            cccc_pump(self->client, 1000, NULL);
    }
    close(timer.fd);
}

static void sender_free(struct sender *self)
{
    cccc_close(&self->client);
    free(self);
}

/* NULL: it failed, and has said why. */
static struct sender *sender_new(const struct load *load, struct worker_board *board, struct worker_lane *lane)
{
    struct cccc_error err;
    struct sender *self = calloc(1, sizeof *self);
    if (!self) {
        worker_failed(board, lane, "internal", "out of memory");
        return NULL;
    }
    self->load = load;
    self->board = board;
    self->lane = lane;
    for (unsigned i = 0; i < load->window; i++) {
        self->tickets[i] = (struct ticket){.sender = self, .next = self->free};
        self->free = &self->tickets[i];
    }
    if (cccc_open(&self->client, &(struct cccc_options){.home = load->home}, &err) == 0)
        return self;
    fail(board, lane, "open", &err);
    sender_free(self);
    return NULL;
}

void load_sender(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    struct sender *self = sender_new(arg, board, lane);
    if (!self)
        return;
    worker_ready(board);
    (self->load->rate > 0 ? open_loop : closed_loop)(self);
    while (cccc_open_requests(self->client) > 0)
        cccc_pump(self->client, 1000, NULL);
    sender_free(self);
}

static void send_all(struct sender *self, uint64_t count)
{
    const struct load *load = self->load;
    struct cccc_error err;
    while (self->lane->failed == 0 && (self->asked * load->batch < count || cccc_open_requests(self->client) > 0)) {
        while (self->free && self->asked * load->batch < count && self->lane->failed == 0)
            ask(self, worker_now_ns());
        if (cccc_pump(self->client, 1000, &err) < 0)
            fail(self->board, self->lane, "send", &err);
    }
}

bool load_send(const struct load *load, uint64_t count, struct cccc_error *err)
{
    static struct worker_board board;
    struct worker_lane *lane = &board.lanes[0];
    struct sender *self = sender_new(load, &board, lane);
    if (self) {
        send_all(self, count);
        sender_free(self);
    }
    snprintf(err->message, sizeof err->message, "%s", board.failure.text);
    return lane->failed == 0 && lane->done >= count;
}

/* ---- followers ---- */

static bool goes_on(const struct worker_board *board, const struct worker_lane *lane)
{
    uint64_t total = board->sent_total;
    return !board->give_up && (total == 0 || lane->done < total - 1);
}

static void take_item(struct worker_board *board, struct worker_lane *lane, const struct cccc_item *item, uint64_t *expected)
{
    if (item->type == CCCC_ITEM_GAP)
        lane->missed += item->to_seq - item->from_seq + 1;
    if (item->type != CCCC_ITEM_EVENT)
        return;
    lane->done++;
    if (*expected > 0 && item->seq != *expected)
        worker_failed(board, lane, "internal", "follow: event %" PRIu64 " came where %" PRIu64 " was due", item->seq, *expected);
    *expected = item->seq + 1;
}

/* From now on. False: *err. */
static bool follow(cccc_t *client, const struct load *load, cccc_follow_t **out, struct cccc_error *err)
{
    struct cccc_item item = {.type = CCCC_ITEM_EVENT};
    int got = cccc_follow_open(client, &(struct cccc_filter){.group_id = load->groups[0]}, out, err);
    while (got >= 0 && item.type != CCCC_ITEM_LIVE)
        got = cccc_follow_next(*out, &item, -1, err);
    return got >= 0;
}

/* Until all that was sent is there. False: *err. */
static bool follow_on(cccc_follow_t *following, const struct load *load, struct worker_board *board, struct worker_lane *lane,
                      struct cccc_error *err)
{
    struct cccc_item item;
    uint64_t expected = 0;
    int got = 0;
    while (got >= 0 && goes_on(board, lane)) {
        got = cccc_follow_next(following, &item, 50, err);
        if (got <= 0)
            continue;
        take_item(board, lane, &item, &expected);
        if (load->follower_sleep_us > 0)
            worker_nap(load->follower_sleep_us / 1e6);
    }
    return got >= 0;
}

void load_follower(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    const struct load *load = arg;
    cccc_t *client = NULL;
    cccc_follow_t *following = NULL;
    struct cccc_follow_stats stats;
    struct cccc_error err;
    if (cccc_open(&client, &(struct cccc_options){.home = load->home}, &err) != 0 || !follow(client, load, &following, &err)) {
        fail(board, lane, "follow", &err);
        return;
    }
    worker_ready(board);
    if (!follow_on(following, load, board, lane, &err))
        fail(board, lane, "follow", &err);
    cccc_follow_stats(following, &stats);
    lane->losses = stats.losses;
    lane->repaired = stats.repaired;
    cccc_follow_close(&following);
    cccc_close(&client);
}

/* ---- groups ---- */

static bool add_actor(cccc_t *client, const char *group_id, const char *actor, struct cccc_error *err)
{
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", group_id);
    cccc_args_str(args, "actor_id", actor);
    cccc_args_str(args, "runtime", "custom");
    cccc_args_str(args, "runner", "headless");
    return cccc_request(client, "actor_add", &args, NULL, err) == 0;
}

bool load_make_group(cccc_t *client, const char *title, const char *actor, char *group_id, struct cccc_error *err)
{
    cccc_args_t *args = cccc_args_new();
    cccc_reply_t *reply = NULL;
    const char *id;
    size_t len;
    cccc_args_str(args, "title", title);
    if (cccc_request(client, "group_create", &args, &reply, err) != 0)
        return false;
    bool named = cccc_field_text(cccc_reply_result(reply), "group_id", &id, &len) && len < 64;
    if (named)
        snprintf(group_id, 64, "%.*s", (int)len, id);
    cccc_reply_free(&reply);
    return named && add_actor(client, group_id, actor, err);
}
