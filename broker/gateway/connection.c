/* connection.c - see connection.h. */
#include "broker/gateway/connection.h"

#include "broker/gateway/jsonline.h"
#include "broker/gateway/private.h"
#include "broker/gateway/stream.h"
#include "broker/gateway/terminal.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ARENA_BYTES = 4096 };

/* ---- life ---- */

static void connection_ready(struct cccc_gateway *gateway, struct watch *watch, uint32_t events);

static void touch(struct cccc_gateway *gateway, struct connection *c)
{
    c->active_us = gateway->now_us;
    cccc_list_remove(&gateway->by_activity, &c->by_activity);
    cccc_list_append(&gateway->by_activity, &c->by_activity);
}

bool connection_is_idle(const struct connection *c)
{
    return !c->stream && !c->terminal && c->open == 0 && buffer_size(&c->in) == 0 && buffer_size(&c->out) == 0;
}

struct connection *connection_new(struct cccc_gateway *gateway, int fd, const struct cccc_gateway_caller *caller, bool over_tcp)
{
    struct connection *c = calloc(1, sizeof *c);
    CCCC_ASSERT(c, "out of memory");
    c->watch = (struct watch){.ready = connection_ready, .fd = fd};
    c->id = 1ull << 63 | ++gateway->last_id;
    c->caller = *caller;
    c->over_tcp = over_tcp;
    touch(gateway, c);
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
    stream_end(gateway, c);
    terminal_end(gateway, c);
    buffer_clear(&c->in, &gateway->in_bytes);
    buffer_clear(&c->out, &gateway->out_bytes);
    cccc_list_remove(&gateway->held, &c->held);
    cccc_list_remove(&gateway->due, &c->due);
    cccc_list_remove(&gateway->by_activity, &c->by_activity);
    HASH_DELETE(hh, gateway->connections, c); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    gateway_forget(gateway, c);
    cccc_list_append(&gateway->graves, &c->grave);
}

/* ---- writing ---- */

/* What follows from this turn is done at its end. */
static void make_due(struct cccc_gateway *gateway, struct connection *c)
{
    if (!c->due.in_list)
        cccc_list_append(&gateway->due, &c->due);
}

void connection_write(struct cccc_gateway *gateway, struct connection *c, const void *bytes, size_t len)
{
    if (buffer_size(&c->out) == 0)
        c->stalled_us = gateway->now_us;
    buffer_add(&c->out, &gateway->out_bytes, bytes, len);
    make_due(gateway, c);
}

size_t connection_waiting(const struct connection *c)
{
    return buffer_size(&c->out);
}

static void put_error(struct cccc_gateway *gateway, struct connection *c, cccc_err_t err, uint64_t limit, const char *message)
{
    cccc_buf_t line;
    cccc_buf_init(&line);
    cccc_jsonline_error(err, message, limit, &line);
    connection_write(gateway, c, line.data, line.size);
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
        touch(gateway, c);
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
static void refuse_and_close(struct cccc_gateway *gateway, struct connection *c, cccc_err_t err, uint64_t limit, const char *message)
{
    gateway_note_shed(gateway);
    put_error(gateway, c, err, limit, message);
    c->in.start = c->in.end;
    c->line_us = 0;
    c->closing = true;
}

static enum upgrade upgrade_of(cccc_str_t op)
{
    return cccc_str_is(op, "events_stream") ? TO_STREAM : cccc_str_is(op, "term_attach") ? TO_TERMINAL : NO_UPGRADE;
}

void connection_ask(struct cccc_gateway *gateway, struct connection *c, cccc_buf_t *frame)
{
    c->open++;
    gateway->open++;
    gateway_send(gateway, c, frame);
}

/* False: it stays where it is, until what was asked before is answered. */
static bool take_request(struct cccc_gateway *gateway, struct connection *c, cccc_str_t op, cccc_buf_t *frame)
{
    enum upgrade upgrade = upgrade_of(op);
    if (upgrade != NO_UPGRADE && c->open > 0)
        return false;
    if (upgrade != NO_UPGRADE && gateway->upgraded >= CCCC_GATEWAY_STREAMS_MAX) {
        put_error(gateway, c, CCCC_E_BUSY, CCCC_GATEWAY_STREAMS_MAX,
                  "there are GATEWAY_STREAMS_MAX (1024) streams and terminals already; end some");
        return true;
    }
    c->upgrade = upgrade;
    connection_ask(gateway, c, frame);
    return true;
}

/* False: nothing more is taken. A web page can have its reader's browser send lines to a TCP port, but none without lines of HTTP before them. */
static bool refuse_line(struct cccc_gateway *gateway, struct connection *c, const char *message)
{
    if (c->over_tcp)
        refuse_and_close(gateway, c, CCCC_E_INVALID_REQUEST, 0, message);
    else
        put_error(gateway, c, CCCC_E_INVALID_REQUEST, 0, message);
    return !c->closing;
}

static bool take_line(struct cccc_gateway *gateway, struct connection *c, cccc_str_t line)
{
    struct cccc_errmsg m;
    cccc_str_t op;
    cccc_buf_t frame;
    cccc_arena_t *arena = cccc_arena_new(ARENA_BYTES);
    cccc_buf_init(&frame);
    bool taken = true;
    c->spoke = true;
    if (cccc_jsonline_request(line, arena, &frame, &op, &m) != CCCC_OK)
        taken = refuse_line(gateway, c, m.text);
    else
        taken = take_request(gateway, c, op, &frame);
    cccc_buf_fini(&frame);
    cccc_arena_destroy(&arena);
    return taken;
}

static bool may_take(struct cccc_gateway *gateway, struct connection *c)
{
    if (c->dead || c->closing || c->upgrade != NO_UPGRADE || gateway->finishing || c->open >= CCCC_GATEWAY_OPEN_REQUESTS_MAX ||
        buffer_size(&c->out) > CCCC_GATEWAY_STREAM_BYTES)
        return false;
    if (gateway->open < CCCC_GATEWAY_REQUESTS_MAX)
        return true;
    if (!c->held.in_list)
        cccc_list_append(&gateway->held, &c->held);
    return false;
}

/* As CCCC 0.4.0 answers a client that only closes its side: it is told what was missing. */
static void answer_silence(struct cccc_gateway *gateway, struct connection *c)
{
    if (!c->ended || c->spoke || buffer_size(&c->in) > 0)
        return;
    c->spoke = true;
    put_error(gateway, c, CCCC_E_INVALID_REQUEST, 0, "the connection ended without a request; a request is a line with one JSON object");
}

static void take_lines(struct cccc_gateway *gateway, struct connection *c)
{
    cccc_str_t line;
    size_t taken;
    while (find_line(c, &line, &taken) && line.len <= CCCC_GATEWAY_LINE_BYTES_MAX && may_take(gateway, c) && take_line(gateway, c, line))
        drop_line(gateway, c, taken);
    if (!c->closing && c->searched > CCCC_GATEWAY_LINE_BYTES_MAX)
        refuse_and_close(gateway, c, CCCC_E_TOO_LARGE, CCCC_GATEWAY_LINE_BYTES_MAX,
                         "a line has at most GATEWAY_LINE_BYTES_MAX (2000000) bytes; put the bulk into an attachment");
    answer_silence(gateway, c);
    buffer_trim(&c->in, &gateway->in_bytes);
}

/* ---- going on ---- */

/* Its client reads what it asks for, and does not ask for more than it is answered. */
static bool wants_to_read(const struct connection *c)
{
    if (c->ended || c->closing)
        return false;
    if (c->terminal)
        return terminal_wants_input(c->terminal);
    return c->stream || (c->open < CCCC_GATEWAY_OPEN_REQUESTS_MAX && c->upgrade == NO_UPGRADE && !c->held.in_list &&
                         buffer_size(&c->out) <= CCCC_GATEWAY_STREAM_BYTES && buffer_size(&c->in) <= CCCC_GATEWAY_LINE_BYTES_MAX);
}

static bool is_over(const struct connection *c)
{
    bool asks_no_more = c->closing || (c->ended && !c->stream && !c->terminal && buffer_size(&c->in) == 0);
    return asks_no_more && c->open == 0 && buffer_size(&c->out) == 0;
}

/* What came in is a stream's to ignore, a terminal's to type, or lines. */
static void take_input(struct cccc_gateway *gateway, struct connection *c)
{
    if (!c->stream && !c->terminal) {
        take_lines(gateway, c);
        return;
    }
    if (c->terminal && buffer_size(&c->in) > 0)
        terminal_type(gateway, c->terminal, c->in.data + c->in.start, buffer_size(&c->in));
    buffer_clear(&c->in, &gateway->in_bytes);
    c->searched = 0;
    c->line_us = 0;
}

void connection_go_on(struct cccc_gateway *gateway, struct connection *c)
{
    if (c->dead)
        return;
    take_input(gateway, c);
    if (!flush(gateway, c) || is_over(c)) {
        connection_end(gateway, c);
        return;
    }
    if (c->stream)
        stream_go_on(gateway, c);
    if (c->terminal)
        terminal_go_on(gateway, c->terminal);
    if (!c->dead)
        gateway_watch(gateway, &c->watch, (wants_to_read(c) ? EPOLLIN : 0u) | (buffer_size(&c->out) > 0 ? EPOLLOUT : 0u));
}

/* ---- what happens to it ---- */

static void receive(struct cccc_gateway *gateway, struct connection *c)
{
    ssize_t n = recv(c->watch.fd, gateway->piece, sizeof gateway->piece, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    touch(gateway, c);
    if (n <= 0) {
        c->ended = true;
        return;
    }
    if (buffer_size(&c->in) == 0)
        c->line_us = gateway->now_us;
    buffer_add(&c->in, &gateway->in_bytes, gateway->piece, (size_t)n);
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

/* The reply to the request that was to make something else of the connection. */
static void upgrade(struct cccc_gateway *gateway, struct connection *c, const cccc_value_t *result)
{
    enum upgrade to = c->upgrade;
    c->upgrade = NO_UPGRADE;
    if (result && to == TO_STREAM)
        stream_begin(gateway, c, result);
    if (result && to == TO_TERMINAL)
        terminal_begin(gateway, c, result);
}

static void shed_if_slow(struct cccc_gateway *gateway, struct connection *c)
{
    if (buffer_size(&c->out) > CCCC_REPLY_QUEUE_BYTES_MAX && (!flush(gateway, c) || buffer_size(&c->out) > CCCC_REPLY_QUEUE_BYTES_MAX)) {
        gateway_note_shed(gateway);
        connection_end(gateway, c);
    }
    if (gateway->out_bytes > CCCC_GATEWAY_OUTPUT_BYTES_MAX)
        gateway_shed_output(gateway);
}

void connection_reply(struct cccc_gateway *gateway, struct connection *c, const char *bytes, size_t len)
{
    cccc_arena_t *arena = cccc_arena_new(ARENA_BYTES);
    c->open--;
    gateway->open--;
    if (c->stream) {
        stream_page(gateway, c, bytes, len, arena);
        make_due(gateway, c); /* it may have been the last that its end waited for */
    } else {
        cccc_buf_t line;
        cccc_buf_init(&line);
        const cccc_value_t *result = cccc_jsonline_reply(bytes, len, arena, &line);
        if (c->upgrade != TO_TERMINAL || !result) /* a terminal's ticket is not for the client */
            connection_write(gateway, c, line.data, line.size);
        upgrade(gateway, c, result);
        cccc_buf_fini(&line);
    }
    cccc_arena_destroy(&arena);
    shed_if_slow(gateway, c);
}

void connection_look(struct cccc_gateway *gateway, struct connection *c)
{
    uint64_t now = gateway->now_us;
    bool unfinished = c->line_us && c->searched == buffer_size(&c->in) && now - c->line_us > CCCC_GATEWAY_LINE_MS * 1000ull;
    bool stalled = c->stalled_us && now - c->stalled_us > CCCC_GATEWAY_STALLED_S * 1000000ull;
    bool idle = connection_is_idle(c) && now - c->active_us > CCCC_GATEWAY_IDLE_S * 1000000ull;
    if (stalled)
        gateway_note_shed(gateway);
    if (stalled || idle)
        connection_end(gateway, c);
    else if (unfinished)
        refuse_and_close(gateway, c, CCCC_E_INVALID_REQUEST, 0,
                         "the line was not complete within GATEWAY_LINE_MS (5000 ms); nothing was done");
    else if (c->stream)
        stream_look(gateway, c);
}
