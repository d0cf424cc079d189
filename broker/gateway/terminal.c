/* terminal.c - see terminal.h. */
#include "broker/gateway/terminal.h"

#include "broker/gateway/jsonline.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_BYTES = 5 };

struct terminal {
    struct watch watch; /* the holder's socket */
    struct connection *connection;
    struct buffer from, to; /* frames of the holder, and to it */
    bool over;              /* the holder has gone */
    struct cccc_link grave;
};

/* ---- to the holder ---- */

bool terminal_wants_input(const struct terminal *self)
{
    return buffer_size(&self->to) <= CCCC_GATEWAY_STREAM_BYTES;
}

static void put_frame(struct cccc_gateway *gateway, struct terminal *self, char type, const char *bytes, size_t len)
{
    const unsigned char head[HEAD_BYTES] = {(unsigned char)type, (unsigned char)(len >> 24), (unsigned char)(len >> 16),
                                            (unsigned char)(len >> 8), (unsigned char)len};
    buffer_add(&self->to, &gateway->terminal_bytes, head, sizeof head);
    buffer_add(&self->to, &gateway->terminal_bytes, bytes, len);
}

void terminal_type(struct cccc_gateway *gateway, struct terminal *self, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t piece = len < CCCC_TERMINAL_FRAME_BYTES_MAX ? len : CCCC_TERMINAL_FRAME_BYTES_MAX;
        put_frame(gateway, self, 'd', bytes, piece);
        bytes += piece;
        len -= piece;
    }
}

static void flush(struct cccc_gateway *gateway, struct terminal *self)
{
    while (buffer_size(&self->to) > 0) {
        ssize_t n = send(self->watch.fd, self->to.data + self->to.start, buffer_size(&self->to), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            self->over |= errno != EAGAIN && errno != EINTR;
            return;
        }
        self->to.start += (size_t)n;
    }
    buffer_trim(&self->to, &gateway->terminal_bytes);
}

/* ---- from the holder ---- */

/* One whole frame, if there is one. */
static bool take_frame(struct cccc_gateway *gateway, struct terminal *self)
{
    size_t size = buffer_size(&self->from);
    if (self->over || size < HEAD_BYTES)
        return false;
    const unsigned char *p = (const unsigned char *)self->from.data + self->from.start;
    size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    self->over = len > CCCC_TERMINAL_FRAME_BYTES_MAX || p[0] == 'x';
    if (self->over || size < HEAD_BYTES + len)
        return false;
    if (p[0] == 'd')
        connection_write(gateway, self->connection, p + HEAD_BYTES, len);
    self->from.start += HEAD_BYTES + len;
    return true;
}

static void receive(struct cccc_gateway *gateway, struct terminal *self)
{
    ssize_t n = recv(self->watch.fd, gateway->piece, sizeof gateway->piece, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buffer_add(&self->from, &gateway->terminal_bytes, gateway->piece, (size_t)n);
    while (take_frame(gateway, self))
        continue;
    buffer_trim(&self->from, &gateway->terminal_bytes);
    self->over |= n <= 0;
}

static void holder_ready(struct cccc_gateway *gateway, struct watch *watch, uint32_t events)
{
    struct terminal *self = (struct terminal *)watch;
    if (!self->connection)
        return;
    if (events & EPOLLIN)
        receive(gateway, self);
    else
        self->over |= (events & (EPOLLHUP | EPOLLERR)) != 0;
    connection_go_on(gateway, self->connection);
}

void terminal_go_on(struct cccc_gateway *gateway, struct terminal *self)
{
    struct connection *c = self->connection;
    flush(gateway, self);
    if (self->over) {
        c->closing = true;
        gateway_unwatch(gateway, &self->watch);
        if (connection_waiting(c) == 0)
            connection_end(gateway, c);
        return;
    }
    bool room = connection_waiting(c) <= CCCC_GATEWAY_STREAM_BYTES;
    gateway_watch(gateway, &self->watch, (room ? EPOLLIN : 0u) | (buffer_size(&self->to) > 0 ? EPOLLOUT : 0u));
}

/* ---- life ---- */

static int connect_holder(cccc_str_t path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path.len == 0 || path.len >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path.ptr, path.len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void answer(struct cccc_gateway *gateway, struct connection *c, const cccc_value_t *result)
{
    cccc_buf_t line;
    cccc_arena_t *arena = cccc_arena_new(512);
    cccc_builder_t shown = cccc_map_builder(arena, 2), reply = cccc_map_builder(arena, 4);
    cccc_map_add(&shown, "group_id", cccc_string(cccc_get_str(result, "group_id")));
    cccc_map_add(&shown, "actor_id", cccc_string(cccc_get_str(result, "actor_id")));
    cccc_map_add(&reply, "v", cccc_uint(CCCC_WIRE_VERSION));
    cccc_map_add(&reply, "ok", cccc_bool(true));
    cccc_map_add(&reply, "result", shown.value);
    cccc_map_add(&reply, "error", cccc_nil());
    cccc_buf_init(&line);
    cccc_jsonline_value(&reply.value, &line);
    connection_write(gateway, c, line.data, line.size);
    cccc_buf_fini(&line);
    cccc_arena_destroy(&arena);
}

static void answer_absent(struct cccc_gateway *gateway, struct connection *c)
{
    cccc_buf_t line;
    cccc_buf_init(&line);
    cccc_jsonline_error(CCCC_E_ACTOR_NOT_RUNNING, "the terminal of the actor does not answer; is it still running?", 0, &line);
    connection_write(gateway, c, line.data, line.size);
    cccc_buf_fini(&line);
}

void terminal_begin(struct cccc_gateway *gateway, struct connection *c, const cccc_value_t *result)
{
    char ticket[256];
    cccc_str_t secret = cccc_get_str(result, "ticket");
    int fd = connect_holder(cccc_get_str(result, "socket"));
    if (fd < 0) {
        answer_absent(gateway, c);
        return;
    }
    struct terminal *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->watch = (struct watch){.ready = holder_ready, .fd = fd};
    self->connection = c;
    c->terminal = self;
    gateway_upgraded(gateway, 1);
    answer(gateway, c, result);
    int len = snprintf(ticket, sizeof ticket, "ticket %.*s\n", CCCC_STR_FMT(secret));
    buffer_add(&self->to, &gateway->terminal_bytes, ticket, (size_t)len);
}

void terminal_end(struct cccc_gateway *gateway, struct connection *c)
{
    struct terminal *self = c->terminal;
    if (!self)
        return;
    c->terminal = NULL;
    self->connection = NULL;
    gateway_upgraded(gateway, -1);
    gateway_unwatch(gateway, &self->watch);
    close(self->watch.fd);
    buffer_clear(&self->from, &gateway->terminal_bytes);
    buffer_clear(&self->to, &gateway->terminal_bytes);
    cccc_list_append(&gateway->terminal_graves, &self->grave);
}

void terminals_bury(struct cccc_gateway *gateway)
{
    struct cccc_link *link = gateway->terminal_graves.first;
    gateway->terminal_graves = (struct cccc_list){0};
    for (struct cccc_link *next; link; link = next) {
        next = link->next;
        free(CCCC_MEMBER(link, struct terminal, grave));
    }
}
