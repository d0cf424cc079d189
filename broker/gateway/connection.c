/* connection.c - see connection.h. */
#include "broker/gateway/connection.h"

#include "broker/gateway/jsonline.h"
#include "broker/gateway/private.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection with more than this to write is not read. */
enum { OUT_PAUSE_BYTES = 256 * 1024, ARENA_BYTES = 4096 };

/* ---- buffers: their sum is the gateway's to know ---- */

static size_t buffer_size(const struct buffer *b)
{
    return b->end - b->start;
}

static void buffer_resize(struct buffer *b, size_t *sum, size_t capacity)
{
    if (b->start > 0)
        memmove(b->data, b->data + b->start, buffer_size(b));
    b->end -= b->start;
    b->start = 0;
    *sum = *sum - b->capacity + capacity;
    b->capacity = capacity;
    if (capacity == 0) {
        free(b->data);
        b->data = NULL;
        return;
    }
    b->data = realloc(b->data, capacity);
    CCCC_ASSERT(b->data, "out of memory");
}

static void buffer_add(struct buffer *b, size_t *sum, const char *bytes, size_t len)
{
    if (b->end + len > b->capacity) {
        size_t wanted = buffer_size(b) + len;
        buffer_resize(b, sum, wanted > b->capacity ? wanted + wanted / 2 : b->capacity);
    }
    memcpy(b->data + b->end, bytes, len);
    b->end += len;
}

/* An idle connection has no memory of its own, one with half a line little more than that. */
static void buffer_trim(struct buffer *b, size_t *sum)
{
    size_t size = buffer_size(b);
    if (b->capacity > 2 * size + 1024 || (size == 0 && b->capacity > 0))
        buffer_resize(b, sum, size);
}

/* ---- life ---- */

static void connection_ready(struct cccc_gateway *gateway, struct watch *watch, uint32_t events);

static void connection_touch(struct cccc_gateway *gateway, struct connection *c)
{
    c->active_us = gateway->now_us;
    cccc_list_remove(&gateway->by_activity, &c->by_activity);
    cccc_list_append(&gateway->by_activity, &c->by_activity);
}

bool connection_is_idle(const struct connection *c)
{
    return c->open == 0 && buffer_size(&c->in) == 0 && buffer_size(&c->out) == 0;
}

struct connection *connection_new(struct cccc_gateway *gateway, int fd, const struct cccc_gateway_caller *caller)
{
    struct connection *c = calloc(1, sizeof *c);
    CCCC_ASSERT(c, "out of memory");
    c->watch = (struct watch){.ready = connection_ready, .fd = fd};
    c->id = 1ull << 63 | ++gateway->last_id;
    c->caller = *caller;
    connection_touch(gateway, c);
    HASH_ADD(hh, gateway->connections, id, sizeof c->id, c);
    return c;
}

void connection_end(struct cccc_gateway *gateway, struct connection *c)
{
    if (c->dead)
        return;
    c->dead = true;
    gateway_unwatch(gateway, &c->watch);
    close(c->watch.fd);
    if (c->open > 0)
        gateway_say_gone(gateway, c);
    gateway->open -= c->open;
    c->in.end = c->in.start;
    c->out.end = c->out.start;
    buffer_trim(&c->in, &gateway->in_bytes);
    buffer_trim(&c->out, &gateway->out_bytes);
    cccc_list_remove(&gateway->held, &c->held);
    cccc_list_remove(&gateway->by_activity, &c->by_activity);
    HASH_DELETE(hh, gateway->connections, c); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    gateway_forget(gateway, c);
    cccc_list_append(&gateway->graves, &c->grave);
}

/* ---- writing ---- */

static void put_line(struct cccc_gateway *gateway, struct connection *c, const cccc_buf_t *line)
{
    if (buffer_size(&c->out) == 0)
        c->stalled_us = gateway->now_us;
    buffer_add(&c->out, &gateway->out_bytes, line->data, line->size);
}

static void put_error(struct cccc_gateway *gateway, struct connection *c, cccc_err_t err, const char *message)
{
    cccc_buf_t line;
    cccc_buf_init(&line);
    cccc_jsonline_error(err, message, &line);
    put_line(gateway, c, &line);
    cccc_buf_fini(&line);
}

/* False: the client is gone. */
static bool flush(struct cccc_gateway *gateway, struct connection *c)
{
    while (buffer_size(&c->out) > 0) {
        ssize_t n = send(c->watch.fd, c->out.data + c->out.start, buffer_size(&c->out), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->out.start += (size_t)n;
        c->stalled_us = gateway->now_us;
        connection_touch(gateway, c);
    }
    c->stalled_us = 0;
    buffer_trim(&c->out, &gateway->out_bytes);
    return true;
}

/* ---- lines ---- */

/* False: the end of the line is not there. At the end of all lines, what is there is one. */
static bool find_line(struct connection *c, cccc_str_t *line, size_t *taken)
{
    size_t size = buffer_size(&c->in);
    if (size == 0)
        return false;
    const char *start = c->in.data + c->in.start;
    const char *end = memchr(start + c->searched, '\n', size - c->searched);
    c->searched = end ? (size_t)(end - start) : size;
    if (!end && !c->ended)
        return false;
    *line = (cccc_str_t){start, c->searched};
    *taken = c->searched + (end ? 1 : 0);
    return true;
}

static void drop_line(struct cccc_gateway *gateway, struct connection *c, size_t taken)
{
    c->in.start += taken;
    c->searched = 0;
    c->line_us = buffer_size(&c->in) > 0 ? gateway->now_us : 0;
}

/* Nothing more is taken from it; what was answered is written. */
static void refuse_and_close(struct cccc_gateway *gateway, struct connection *c, cccc_err_t err, const char *message)
{
    atomic_fetch_add_explicit(&gateway->counters.shed, 1, memory_order_relaxed);
    put_error(gateway, c, err, message);
    c->in.start = c->in.end;
    c->line_us = 0;
    c->closing = true;
}

static void take_line(struct cccc_gateway *gateway, struct connection *c, cccc_str_t line)
{
    struct cccc_errmsg m;
    cccc_str_t op;
    cccc_buf_t frame;
    cccc_arena_t *arena = cccc_arena_new(ARENA_BYTES);
    cccc_buf_init(&frame);
    if (cccc_jsonline_request(line, arena, &frame, &op, &m) != CCCC_OK) {
        put_error(gateway, c, CCCC_E_INVALID_REQUEST, m.text);
        cccc_buf_fini(&frame);
    } else {
        c->open++;
        gateway->open++;
        gateway_send(gateway, c, &frame);
    }
    cccc_arena_destroy(&arena);
}

static bool may_take(struct cccc_gateway *gateway, struct connection *c)
{
    if (c->dead || c->closing || gateway->finishing || c->open >= CCCC_GATEWAY_OPEN_REQUESTS_MAX || buffer_size(&c->out) > OUT_PAUSE_BYTES)
        return false;
    if (gateway->open < CCCC_GATEWAY_REQUESTS_MAX)
        return true;
    if (!c->held.in_list)
        cccc_list_append(&gateway->held, &c->held);
    return false;
}

static void take_lines(struct cccc_gateway *gateway, struct connection *c)
{
    cccc_str_t line;
    size_t taken;
    while (find_line(c, &line, &taken) && line.len <= CCCC_GATEWAY_LINE_BYTES_MAX && may_take(gateway, c)) {
        take_line(gateway, c, line);
        drop_line(gateway, c, taken);
    }
    if (!c->closing && c->searched > CCCC_GATEWAY_LINE_BYTES_MAX)
        refuse_and_close(gateway, c, CCCC_E_TOO_LARGE,
                         "a line has at most GATEWAY_LINE_BYTES_MAX (2000000) bytes; put the bulk into an attachment");
    buffer_trim(&c->in, &gateway->in_bytes);
}

/* Its client reads what it asks for, and does not ask for more than it is answered. */
static bool wants_to_read(const struct connection *c)
{
    return !c->ended && !c->closing && c->open < CCCC_GATEWAY_OPEN_REQUESTS_MAX && !c->held.in_list &&
           buffer_size(&c->out) <= OUT_PAUSE_BYTES && buffer_size(&c->in) <= CCCC_GATEWAY_LINE_BYTES_MAX;
}

static bool is_over(const struct connection *c)
{
    return (c->closing || c->ended) && c->open == 0 && buffer_size(&c->out) == 0 && (c->closing || buffer_size(&c->in) == 0);
}

void connection_go_on(struct cccc_gateway *gateway, struct connection *c)
{
    if (c->dead)
        return;
    take_lines(gateway, c);
    if (!flush(gateway, c) || is_over(c)) {
        connection_end(gateway, c);
        return;
    }
    gateway_watch(gateway, &c->watch, (wants_to_read(c) ? EPOLLIN : 0u) | (buffer_size(&c->out) > 0 ? EPOLLOUT : 0u));
}

/* ---- what happens to it ---- */

/* False: nothing is there. */
static bool receive(struct cccc_gateway *gateway, struct connection *c)
{
    ssize_t n = recv(c->watch.fd, gateway->piece, sizeof gateway->piece, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    connection_touch(gateway, c);
    if (n <= 0) {
        c->ended = true;
        return true;
    }
    if (buffer_size(&c->in) == 0)
        c->line_us = gateway->now_us;
    buffer_add(&c->in, &gateway->in_bytes, gateway->piece, (size_t)n);
    return true;
}

static void connection_ready(struct cccc_gateway *gateway, struct watch *watch, uint32_t events)
{
    struct connection *c = (struct connection *)watch;
    if (c->dead)
        return;
    bool gone = events & (EPOLLHUP | EPOLLERR);
    /* What a client sent before it went is a request like any other, only that nobody hears the answer. */
    if ((events & EPOLLIN) && wants_to_read(c))
        receive(gateway, c);
    c->ended |= gone && !(events & EPOLLIN);
    connection_go_on(gateway, c);
    if (gone && !c->dead && (c->ended || !wants_to_read(c)))
        connection_end(gateway, c);
    if (gateway->in_bytes > CCCC_GATEWAY_INPUT_BYTES_MAX)
        gateway_shed_input(gateway);
}

void connection_reply(struct cccc_gateway *gateway, struct connection *c, const char *bytes, size_t len)
{
    cccc_arena_t *arena = cccc_arena_new(ARENA_BYTES);
    cccc_buf_t line;
    cccc_buf_init(&line);
    c->open--;
    gateway->open--;
    cccc_jsonline_reply(bytes, len, arena, &line);
    put_line(gateway, c, &line);
    cccc_buf_fini(&line);
    cccc_arena_destroy(&arena);
    if (buffer_size(&c->out) > CCCC_REPLY_QUEUE_BYTES_MAX && (!flush(gateway, c) || buffer_size(&c->out) > CCCC_REPLY_QUEUE_BYTES_MAX)) {
        atomic_fetch_add_explicit(&gateway->counters.shed, 1, memory_order_relaxed);
        connection_end(gateway, c);
    }
    if (gateway->out_bytes > CCCC_GATEWAY_OUTPUT_BYTES_MAX)
        gateway_shed_output(gateway);
    connection_go_on(gateway, c);
}

void connection_look(struct cccc_gateway *gateway, struct connection *c)
{
    uint64_t now = gateway->now_us;
    bool unfinished = c->line_us && c->searched == buffer_size(&c->in) && now - c->line_us > CCCC_GATEWAY_LINE_MS * 1000ull;
    bool stalled = c->stalled_us && now - c->stalled_us > CCCC_GATEWAY_STALLED_S * 1000000ull;
    bool idle = connection_is_idle(c) && now - c->active_us > CCCC_GATEWAY_IDLE_S * 1000000ull;
    if (unfinished)
        refuse_and_close(gateway, c, CCCC_E_INVALID_REQUEST,
                         "the line was not complete within GATEWAY_LINE_MS (5000 ms); nothing was done");
    if (stalled || idle)
        connection_end(gateway, c);
    else if (unfinished)
        connection_go_on(gateway, c);
    if (stalled)
        atomic_fetch_add_explicit(&gateway->counters.shed, 1, memory_order_relaxed);
}
