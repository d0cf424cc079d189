/* client.c - the client: opening it, its open requests, and how each of them ends.
 *
 * A request is open from cccc_request* until it ended; it ends exactly once: by its answer, by its deadline, or because the link that
 * carried it is gone and it must not be sent twice. Its id is serial number and slot, so an answer finds it in one step and a late answer
 * to an earlier holder of the slot finds nothing. Requests share one time-out, so the list in order of opening is also the order of
 * deadlines. */
#include "clients/lib/internal.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define TIMEOUT_MS_DEFAULT 30000
#define FOLLOW_HWM_DEFAULT 10000

_Static_assert(CCCC_CLIENT_REQUESTS_MAX < REQUEST_SLOTS, "followers' reads need slots of their own");

/* ---- opening and closing ---- */

static void make_id_prefix(cccc_t *self)
{
    unsigned char random[16];
    CCCC_ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random, "the kernel gives no random bytes");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(self->id_prefix + 2 * i, 3, "%02x", random[i]);
}

static cccc_t *client_new(const struct cccc_options *options)
{
    cccc_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->timeout_ms = options && options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS_DEFAULT;
    self->follow_hwm = FOLLOW_HWM_DEFAULT;
    self->by = options && options->by ? strdup(options->by) : NULL;
    self->slots = calloc(REQUEST_SLOTS, sizeof *self->slots);
    self->free_slots = calloc(REQUEST_SLOTS, sizeof *self->free_slots);
    self->zmq = zmq_ctx_new();
    CCCC_ASSERT(self->slots && self->free_slots && self->zmq, "out of memory");
    while (self->free_count < REQUEST_SLOTS) {
        self->free_slots[self->free_count] = (uint16_t)(REQUEST_SLOTS - 1 - self->free_count);
        self->free_count++;
    }
    cccc_buf_init(&self->frame);
    make_id_prefix(self);
    return self;
}

int cccc_open(cccc_t **out, const struct cccc_options *options, struct cccc_error *err)
{
    char home[sizeof((cccc_t *)0)->home];
    if (home_find(options ? options->home : NULL, home, sizeof home, err) != 0)
        return -1;
    cccc_t *self = client_new(options);
    memcpy(self->home, home, sizeof home);
    if (connection_open(self, err) != 0) {
        cccc_close(&self);
        return -1;
    }
    *out = self;
    return 0;
}

void cccc_close(cccc_t **taken)
{
    if (!taken || !*taken)
        return;
    cccc_t *self = *taken;
    *taken = NULL;
    CCCC_ASSERT(self->followers == 0, "close a client's followers before the client");
    requests_drop(self);
    link_close(&self->link);
    zmq_ctx_term(self->zmq);
    cccc_reply_free(&self->spare);
    cccc_buf_fini(&self->frame);
    free(self->slots);
    free(self->free_slots);
    free(self->by);
    free(self);
}

const char *cccc_home(const cccc_t *self)
{
    return self->home;
}

void cccc_set_follow_hwm(cccc_t *self, int messages)
{
    self->follow_hwm = messages;
}

/* ---- what may be repeated ---- */

/* Asking again changes nothing. Beside these, every op that takes a client_id may be repeated, because it is given one. */
static const char *const harmless[] = {"ping",       "status",      "groups",          "active_get", "group_show", "actor_list",
                                       "inbox_list", "ledger_read", "inbox_mark_read", "blob_get",   "blob_stat"};

static bool op_takes(cccc_op_t op, const char *arg)
{
    const struct cccc_op_def *def = cccc_op_def(op);
    for (uint32_t i = 0; i < def->arg_count; i++)
        if (strcmp(def->args[i].name, arg) == 0)
            return true;
    return false;
}

static bool is_harmless(const char *op)
{
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strcmp(op, harmless[i]) == 0)
            return true;
    return false;
}

/* ---- completing arguments ---- */

/* "<128 random bits of this client>-<number>". */
static cccc_str_t next_client_id(cccc_t *self, char out[64])
{
    char digits[20];
    size_t n = sizeof digits;
    for (uint64_t u = ++self->id_count; u > 0; u /= 10)
        digits[--n] = (char)('0' + u % 10);
    size_t len = sizeof self->id_prefix - 1;
    memcpy(out, self->id_prefix, len);
    out[len++] = '-';
    memcpy(out + len, digits + n, sizeof digits - n);
    return (cccc_str_t){out, len + sizeof digits - n};
}

/* The messages of send_batch, each with a client_id. */
static cccc_value_t with_client_ids(cccc_t *self, cccc_arena_t *arena, const cccc_value_t *messages)
{
    cccc_builder_t out = cccc_array_builder(arena, messages->via.array.size);
    for (uint32_t i = 0; i < messages->via.array.size; i++) {
        const cccc_value_t *item = &messages->via.array.ptr[i];
        char id[64];
        bool lacks = cccc_is_map(item) && !cccc_get(item, "client_id");
        cccc_value_t made = lacks ? cccc_string(cccc_arena_str(arena, next_client_id(self, id))) : cccc_nil();
        cccc_array_add(&out, lacks ? cccc_map_with(arena, item, CCCC_STR("client_id"), made) : *item);
    }
    return out.value;
}

/* The same map of arguments, with what send_batch lacks. */
static void complete_batch(cccc_t *self, cccc_args_t *args)
{
    cccc_buf_t packed;
    cccc_buf_init(&packed);
    args_pack(args, &packed);
    cccc_arena_t *arena = cccc_arena_new(packed.size + 1024);
    cccc_value_t map;
    size_t offset = 0;
    if (msgpack_unpack(packed.data, packed.size, &offset, arena, &map) == MSGPACK_UNPACK_SUCCESS &&
        cccc_is_array(cccc_get(&map, "messages"))) {
        cccc_value_t messages = with_client_ids(self, arena, cccc_get(&map, "messages"));
        map = cccc_map_with(arena, &map, CCCC_STR("messages"), messages);
        msgpack_sbuffer_clear(&args->members);
        args->count = 0;
        for (uint32_t i = 0; i < map.via.map.size; i++) {
            cccc_pack_value(&args->members, &map.via.map.ptr[i].key);
            cccc_pack_value(&args->members, &map.via.map.ptr[i].val);
            args->count++;
        }
    }
    cccc_arena_destroy(&arena);
    cccc_buf_fini(&packed);
}

/* Add the speaker and the client_id where the op takes them and the caller gave none. Returns whether the request may be repeated. */
static bool complete(cccc_t *self, const char *op_name, cccc_args_t *args)
{
    cccc_op_t op;
    if (!cccc_op_find(cccc_str(op_name), &op))
        return false;
    /* In ledger_read `by` is a filter, not the speaker. */
    if (self->by && !args->has_by && op != CCCC_OP_ledger_read && op_takes(op, "by"))
        cccc_args_str(args, "by", self->by);
    if (op == CCCC_OP_send_batch) {
        complete_batch(self, args);
        return true;
    }
    if (!op_takes(op, "client_id"))
        return is_harmless(op_name);
    if (!args->has_client_id) {
        char id[64];
        cccc_str_t made = next_client_id(self, id);
        cccc_args_strn(args, "client_id", made.ptr, made.len);
    }
    return true;
}

/* ---- the table of open requests ---- */

static uint32_t slot_of(uint64_t id)
{
    return (uint32_t)(id % REQUEST_SLOTS);
}

static void list_add(cccc_t *self, struct request *r)
{
    r->prev = self->last;
    r->next = NULL;
    *(self->last ? &self->last->next : &self->first) = r;
    self->last = r;
}

static void list_remove(cccc_t *self, struct request *r)
{
    *(r->prev ? &r->prev->next : &self->first) = r->next;
    *(r->next ? &r->next->prev : &self->last) = r->prev;
}

/* Out of the table; what it holds stays. */
static void close_request(cccc_t *self, struct request *r)
{
    uint32_t slot = slot_of(r->id);
    self->slots[slot] = NULL;
    self->free_slots[self->free_count++] = (uint16_t)slot;
    list_remove(self, r);
    self->open_bytes -= r->len;
    self->user_open -= !r->internal;
}

/* Ended; whoever waits is told by requests_dispatch. */
static void end_request(cccc_t *self, struct request *r, cccc_reply_t *reply, cccc_err_t failure, const char *outcome)
{
    close_request(self, r);
    r->reply = reply;
    r->failure = failure;
    r->outcome = outcome;
    r->next = NULL;
    *(self->ended_last ? &self->ended_last->next : &self->ended_first) = r;
    self->ended_last = r;
}

static int refuse_open(cccc_t *self, const char *op, size_t len, struct cccc_error *err)
{
    if (len > CCCC_REQUEST_BYTES_MAX)
        return client_fail(err, CCCC_E_TOO_LARGE, "not_stored",
                           "%s: the request has %zu bytes, the limit is %d; send large content with blob_put", op, len,
                           CCCC_REQUEST_BYTES_MAX);
    if (self->user_open >= CCCC_CLIENT_REQUESTS_MAX || self->free_count == 0)
        return client_fail(err, CCCC_E_BUSY, "not_stored",
                           "%s: %zu requests are open, the limit is %d; take in answers with cccc_pump first", op, self->user_open,
                           CCCC_CLIENT_REQUESTS_MAX);
    if (self->open_bytes + len > CCCC_CLIENT_REQUEST_BYTES_MAX)
        return client_fail(err, CCCC_E_BUSY, "not_stored",
                           "%s: open requests hold %zu bytes, the limit is %d; take in answers with cccc_pump first", op, self->open_bytes,
                           CCCC_CLIENT_REQUEST_BYTES_MAX);
    return 0;
}

static int refuse_text(const char *op, const cccc_args_t *args, struct cccc_error *err)
{
    if (!cccc_utf8_valid(cccc_str(op)))
        return client_fail(err, CCCC_E_UNKNOWN_OP, "not_stored", "the name of the operation is not UTF-8");
    if (args->not_text[0])
        return client_fail(err, CCCC_E_INVALID_REQUEST, "not_stored",
                           "%s: the argument %s is not well-formed UTF-8; convert the text, or send the bytes as a blob", op,
                           args->not_text);
    return 0;
}

static void release_request(struct request *r)
{
    if (atomic_fetch_sub_explicit(&r->holders, 1, memory_order_acq_rel) == 1)
        free(r);
}

/* On libzmq's thread. */
static void give_back(void *frame, void *request)
{
    (void)frame;
    release_request(request);
}

/* A request with its frame. */
static struct request *make_request(cccc_t *self, uint64_t id, const char *op, const cccc_args_t *args)
{
    msgpack_sbuffer_clear(&self->frame);
    cccc_request_write(&self->frame, id, op, "", 0);
    args_pack(args, &self->frame);
    struct request *r = malloc(sizeof *r + self->frame.size);
    CCCC_ASSERT(r, "out of memory");
    *r = (struct request){.holders = 1, .id = id, .len = self->frame.size};
    memcpy(r->frame, self->frame.data, self->frame.size);
    size_t op_len = strnlen(op, sizeof r->op - 1);
    memcpy(r->op, op, op_len);
    return r;
}

int request_open(cccc_t *self, const char *op, cccc_args_t **taken, struct waiter *waiter, cccc_done_fn done, void *arg,
                 struct cccc_error *err)
{
    cccc_args_t *args = taken && *taken ? *taken : cccc_args_new();
    if (taken)
        *taken = NULL;
    bool repeatable = complete(self, op, args);
    int refused = refuse_text(op, args, err);
    if (refused == 0)
        refused = refuse_open(self, op, args->members.size, err);
    if (refused == 0) {
        uint64_t id = ++self->serial * REQUEST_SLOTS + self->free_slots[self->free_count - 1];
        struct request *r = make_request(self, id, op, args);
        self->slots[self->free_slots[--self->free_count]] = r;
        r->deadline_ms = now_ms() + self->timeout_ms;
        r->repeatable = repeatable;
        r->internal = waiter != NULL;
        r->waiter = waiter;
        r->done = done;
        r->arg = arg;
        list_add(self, r);
        self->open_bytes += r->len;
        self->user_open += !r->internal;
        requests_flush(self);
    }
    cccc_args_free(&args);
    return refused;
}

static bool send_frame(cccc_t *self, struct request *r)
{
    zmq_msg_t frame;
    atomic_fetch_add_explicit(&r->holders, 1, memory_order_relaxed);
    CCCC_ASSERT(zmq_msg_init_data(&frame, r->frame, r->len, give_back, r) == 0, "out of memory");
    r->sent = zmq_msg_send(&frame, self->link.socket, ZMQ_DONTWAIT) >= 0;
    if (!r->sent)
        zmq_msg_close(&frame);
    r->maybe_seen |= r->sent;
    return r->sent;
}

void requests_flush(cccc_t *self)
{
    if (self->link.state != LINK_UP)
        return;
    /* Unsent ones are always the youngest: sending stops at the first that fails, and a lost link makes all unsent. */
    struct request *r = self->last;
    while (r && !r->sent && r->prev && !r->prev->sent)
        r = r->prev;
    for (; r && !r->sent; r = r->next)
        if (!send_frame(self, r))
            return;
}

bool requests_take_reply(cccc_t *self)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, self->link.socket, ZMQ_DONTWAIT) < 0)
        return false;
    /* An empty delimiter before the body is allowed; it is no reply and is skipped like anything else that is not one. */
    cccc_reply_t *reply = reply_parse(self, &frame);
    zmq_msg_close(&frame);
    if (!reply)
        return true;
    struct request *r = self->slots[slot_of(reply->id)];
    /* Only a user's function that is told of success may be content with the head. */
    bool known = r && r->id == reply->id && ((!r->internal && reply->ok) || reply_unpack(reply));
    if (known)
        end_request(self, r, reply, CCCC_OK, "");
    else
        reply_recycle(self, &reply);
    return true;
}

void requests_link_lost(cccc_t *self)
{
    for (struct request *r = self->first, *next; r; r = next) {
        next = r->next;
        if (r->sent && !r->repeatable)
            end_request(self, r, NULL, CCCC_E_UNREACHABLE, "unknown");
        r->sent = false;
    }
}

/* How a request ends for which no answer came in time. */
static void give_up(cccc_t *self, struct request *r)
{
    cccc_err_t failure = self->link.state == LINK_UP ? CCCC_E_TIMEOUT : CCCC_E_UNREACHABLE;
    end_request(self, r, NULL, failure, r->maybe_seen ? "unknown" : "not_stored");
}

void requests_expire(cccc_t *self, int64_t now)
{
    while (self->first && self->first->deadline_ms <= now)
        give_up(self, self->first);
}

void requests_drop(cccc_t *self)
{
    while (self->first)
        end_request(self, self->first, NULL, CCCC_E_UNREACHABLE, "unknown");
    while (self->ended_first) {
        struct request *r = self->ended_first;
        self->ended_first = r->next;
        cccc_reply_free(&r->reply);
        release_request(r);
    }
    self->ended_last = NULL;
}

void request_forget(cccc_t *self, const struct waiter *waiter)
{
    for (struct request *r = self->first, *next; r; r = next) {
        next = r->next;
        if (r->waiter == waiter) {
            close_request(self, r);
            release_request(r);
        }
    }
    for (struct request *r = self->ended_first; r; r = r->next)
        if (r->waiter == waiter)
            r->waiter = NULL;
}

/* ---- telling ---- */

static void local_error(const cccc_t *self, const struct request *r, struct cccc_error *err)
{
    *err = (struct cccc_error){0};
    if (r->failure == CCCC_E_TIMEOUT)
        client_fail(err, r->failure, r->outcome, "%s: no answer within %d ms; what it asked for may still happen%s", r->op,
                    self->timeout_ms, r->repeatable ? ", and repeating it with the same client_id is safe" : "; look before repeating it");
    else if (strcmp(r->outcome, "not_stored") == 0)
        client_fail(err, r->failure, r->outcome, "%s: the daemon of %s did not come back within %d ms; run `cccc daemon start`", r->op,
                    self->home, self->timeout_ms);
    else
        client_fail(err, r->failure, r->outcome,
                    "%s: the daemon went away before it answered; look whether it was done before repeating it", r->op);
}

static void tell_waiter(struct waiter *waiter, struct request *r, const struct cccc_error *err)
{
    waiter->ended = true;
    waiter->failed = err != NULL;
    if (err)
        waiter->error = *err;
    waiter->reply = r->reply;
    r->reply = NULL;
}

static void tell_failure(cccc_t *self, struct request *r)
{
    struct cccc_error err = {0};
    if (r->reply)
        reply_error(r->reply, &err);
    else
        local_error(self, r, &err);
    if (r->waiter)
        tell_waiter(r->waiter, r, &err);
    else if (r->done)
        r->done(r->arg, NULL, &err);
}

static void tell(cccc_t *self, struct request *r)
{
    if (!r->reply || !r->reply->ok)
        tell_failure(self, r);
    else if (r->waiter)
        tell_waiter(r->waiter, r, NULL);
    else if (r->done)
        r->done(r->arg, r->reply, NULL);
    self->told += !r->internal;
    reply_recycle(self, &r->reply);
    release_request(r);
}

void requests_dispatch(cccc_t *self)
{
    struct request *r;
    while ((r = self->ended_first) != NULL) {
        self->ended_first = r->next;
        if (!self->ended_first)
            self->ended_last = NULL;
        tell(self, r);
    }
}

/* ---- asking ---- */

int cccc_request(cccc_t *self, const char *op, cccc_args_t **args, cccc_reply_t **reply, struct cccc_error *err)
{
    struct waiter waiter = {0};
    if (request_open(self, op, args, &waiter, NULL, NULL, err) != 0)
        return -1;
    while (!waiter.ended)
        connection_turn(self, INT64_MAX, NULL);
    if (waiter.failed && err)
        *err = waiter.error;
    if (waiter.failed || !reply)
        reply_recycle(self, &waiter.reply);
    else
        *reply = waiter.reply;
    return waiter.failed ? -1 : 0;
}

int cccc_request_async(cccc_t *self, const char *op, cccc_args_t **args, cccc_done_fn done, void *arg, struct cccc_error *err)
{
    return request_open(self, op, args, NULL, done, arg, err);
}

int cccc_pump(cccc_t *self, int timeout_ms, struct cccc_error *err)
{
    (void)err;
    uint64_t told_before = self->told;
    int64_t until = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    bool undisturbed = true;
    do
        undisturbed = connection_turn(self, self->user_open > 0 ? until : 0, NULL);
    while (undisturbed && self->told == told_before && self->user_open > 0 && now_ms() < until);
    return (int)(self->told - told_before);
}

static bool any_ready(const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i].revents != 0)
            return true;
    return false;
}

int cccc_poll(cccc_t *self, struct pollfd *fds, size_t count, int timeout_ms, struct cccc_error *err)
{
    if (count > CCCC_POLL_FDS_MAX)
        return client_fail(err, CCCC_E_TOO_LARGE, "not_stored", "cccc_poll takes at most %d descriptors, not %zu", CCCC_POLL_FDS_MAX,
                           count);
    for (size_t i = 0; i < count; i++)
        fds[i].revents = 0;
    uint64_t told_before = self->told;
    int64_t until = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    struct also also = {.fds = fds, .count = count};
    while (connection_turn(self, until, &also) && self->told == told_before && !any_ready(fds, count) && now_ms() < until)
        continue;
    if (!any_ready(fds, count))
        poll(fds, count, 0); /* a turn that had answers to take in did not look */
    return (int)(self->told - told_before);
}

size_t cccc_open_requests(const cccc_t *self)
{
    return self->user_open;
}

int cccc_send(cccc_t *self, const char *group_id, const char *text, const char *const *to, size_t to_count, char *event_id, uint64_t *seq,
              struct cccc_error *err)
{
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", group_id);
    cccc_args_str(args, "text", text);
    if (to && to_count)
        cccc_args_strs(args, "to", to, to_count);
    cccc_reply_t *reply = NULL;
    if (cccc_request(self, "send", &args, &reply, err) != 0)
        return -1;
    CCCC_ASSERT(reply);
    const msgpack_object *event = cccc_field(reply->result, "event");
    cccc_str_t id = cccc_get_str(event, "id");
    if (event_id)
        snprintf(event_id, 33, "%.*s", CCCC_STR_FMT(id));
    if (seq)
        *seq = cccc_get_uint(event, "seq", 0);
    cccc_reply_free(&reply);
    return 0;
}
