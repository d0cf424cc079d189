/* terminal.c - see terminal.h. */
#include "broker/hold/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_BYTES = 5, GREETING_BYTES_MAX = 64, BACKLOG = 8 };

/* ---- the socket ---- */

cccc_err_t terminal_open(struct terminal *self, const char *path, const struct terminal_wants *wants, struct cccc_errmsg *m)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *self = (struct terminal){.listener = -1, .wants = *wants};
    for (size_t i = 0; i < CCCC_TERMINAL_CLIENTS_MAX; i++)
        self->clients[i].fd = -1;
    if (strlen(path) >= sizeof self->path)
        return cccc_fail(m, CCCC_E_STORAGE, "%s is too long for a socket", path);
    snprintf(self->path, sizeof self->path, "%s", path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    mode_t before = umask(0177);
    self->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = self->listener >= 0 && bind(self->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
                   listen(self->listener, BACKLOG) == 0;
    int error = errno;
    umask(before);
    return listens ? CCCC_OK : cccc_fail(m, CCCC_E_STORAGE, "%s: %s", path, strerror(error));
}

static void drop(struct terminal_client *client)
{
    close(client->fd);
    cccc_buf_fini(&client->in);
    cccc_buf_fini(&client->out);
    *client = (struct terminal_client){.fd = -1};
}

/* ---- tickets ---- */

void terminal_ticket(struct terminal *self, bool read_only, int64_t now_ms, char *hex)
{
    unsigned char bytes[TERMINAL_TICKET_BYTES];
    struct terminal_ticket *slot = self->tickets;
    for (struct terminal_ticket *t = self->tickets; t < self->tickets + TERMINAL_TICKETS_MAX; t++)
        if (t->until_ms < slot->until_ms)
            slot = t;
    CCCC_ASSERT(getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes, "(the kernel gives no random bytes)");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(slot->hex + 2 * i, 3, "%02x", bytes[i]);
    slot->read_only = read_only;
    slot->until_ms = now_ms + CCCC_TERMINAL_TICKET_S * 1000;
    memcpy(hex, slot->hex, sizeof slot->hex);
}

static bool same(const char *a, const char *b, size_t len)
{
    unsigned char difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

/* Takes the ticket out of use. */
static bool use_ticket(struct terminal *self, const char *hex, int64_t now_ms, bool *read_only)
{
    for (struct terminal_ticket *t = self->tickets; t < self->tickets + TERMINAL_TICKETS_MAX; t++)
        if (t->hex[0] && now_ms < t->until_ms && same(t->hex, hex, 2 * TERMINAL_TICKET_BYTES)) {
            *read_only = t->read_only;
            *t = (struct terminal_ticket){0};
            return true;
        }
    return false;
}

/* ---- what goes out ---- */

static void put_frame(cccc_buf_t *out, char type, const void *payload, size_t len)
{
    unsigned char head[HEAD_BYTES] = {(unsigned char)type, (unsigned char)(len >> 24), (unsigned char)(len >> 16),
                                      (unsigned char)(len >> 8), (unsigned char)len};
    cccc_buf_put(out, head, sizeof head);
    if (payload)
        cccc_buf_put(out, payload, len);
}

static void say_writer(struct terminal_client *client)
{
    put_frame(&client->out, 'w', client->writer ? "\1" : "\0", 1);
}

/* The one who came first among those who may, if nobody is. */
static void choose_writer(struct terminal *self)
{
    struct terminal_client *first = NULL;
    for (struct terminal_client *c = self->clients; c < self->clients + CCCC_TERMINAL_CLIENTS_MAX; c++) {
        if (c->fd >= 0 && c->writer)
            return;
        if (c->fd >= 0 && c->greeted && !c->read_only && (!first || c->serial < first->serial))
            first = c;
    }
    if (first) {
        first->writer = true;
        say_writer(first);
    }
}

static bool flush_out(struct terminal_client *client)
{
    if (client->out.size == 0)
        return true;
    ssize_t sent = send(client->fd, client->out.data, client->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    client->out.size -= (size_t)sent;
    memmove(client->out.data, client->out.data + sent, client->out.size);
    return true;
}

/* Of `bytes` those that were printed before the client came, without the questions in them; how many of `bytes` these were. */
static size_t put_past(struct terminal_client *client, const char *bytes, size_t len)
{
    cccc_buf_t shown;
    uint64_t past = client->live_from - client->position;
    len = past < len ? (size_t)past : len;
    cccc_buf_init(&shown);
    replay_put(&client->replay, &shown, bytes, len);
    if (len == past)
        replay_end(&client->replay, &shown);
    if (shown.size > 0)
        put_frame(&client->out, 'd', shown.data, shown.size);
    cccc_buf_fini(&shown);
    return len;
}

/* The next piece of the ring as a frame. Somebody who was overtaken is told so and goes on near the end: a terminal is for looking. */
static bool put_piece(struct terminal_client *client, const struct ring *ring)
{
    enum { PIECE_BYTES_MAX = 16 * 1024 };
    static const char skipped[] = "\x1b[0m\r\n[cccc: output skipped, this terminal was too slow]\r\n";
    const char *bytes;
    if (client->position < ring->start) {
        client->position = ring->end - ring->start > PIECE_BYTES_MAX ? ring->end - PIECE_BYTES_MAX : ring->start;
        client->replay = (struct replay){0};
        put_frame(&client->out, 'd', skipped, sizeof skipped - 1);
    }
    size_t len = ring_peek(ring, &client->position, &bytes);
    if (len == 0)
        return false;
    len = len < PIECE_BYTES_MAX ? len : PIECE_BYTES_MAX;
    if (client->position < client->live_from)
        len = put_past(client, bytes, len);
    else
        put_frame(&client->out, 'd', bytes, len);
    client->position += len;
    return true;
}

/* Send what the client can take: first what is queued, then the ring in pieces. False: it is to be dropped. */
static bool feed(struct terminal_client *client, const struct ring *ring)
{
    do {
        if (!flush_out(client))
            return false;
    } while (client->out.size == 0 && client->greeted && put_piece(client, ring));
    return true;
}

/* ---- what comes in ---- */

/* "ticket <hex>\n" */
static bool greet(struct terminal *self, struct terminal_client *client, const struct ring *ring, int64_t now_ms)
{
    static const char word[] = "ticket ";
    const size_t line_len = sizeof word - 1 + 2 * TERMINAL_TICKET_BYTES + 1;
    if (client->in.size < line_len)
        return client->in.size < GREETING_BYTES_MAX && !memchr(client->in.data, '\n', client->in.size);
    if (memcmp(client->in.data, word, sizeof word - 1) != 0 || client->in.data[line_len - 1] != '\n' ||
        !use_ticket(self, client->in.data + sizeof word - 1, now_ms, &client->read_only))
        return false;
    memmove(client->in.data, client->in.data + line_len, client->in.size - line_len);
    client->in.size -= line_len;
    client->greeted = true;
    client->position = ring->start;
    client->live_from = ring->end;
    choose_writer(self);
    if (!client->writer)
        say_writer(client);
    return true;
}

static uint16_t two_bytes(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

/* One whole frame. What somebody who only watches types is ignored. */
static bool take_frame(struct terminal *self, struct terminal_client *client, char type, const char *payload, size_t len)
{
    if (type == 'd') {
        if (client->writer)
            self->wants.input(self->wants.arg, payload, len);
        return true;
    }
    if (type != 'r' || len != 4)
        return false;
    if (client->writer)
        self->wants.resize(self->wants.arg, two_bytes(payload + 2), two_bytes(payload));
    return true;
}

static bool take_frames(struct terminal *self, struct terminal_client *client)
{
    size_t at = 0;
    while (client->in.size - at >= HEAD_BYTES) {
        const char *head = client->in.data + at;
        size_t len = (size_t)two_bytes(head + 1) << 16 | two_bytes(head + 3);
        if (len > CCCC_TERMINAL_FRAME_BYTES_MAX)
            return false;
        if (client->in.size - at < HEAD_BYTES + len)
            break;
        if (!take_frame(self, client, head[0], head + HEAD_BYTES, len))
            return false;
        at += HEAD_BYTES + len;
    }
    memmove(client->in.data, client->in.data + at, client->in.size - at);
    client->in.size -= at;
    return true;
}

static bool take_input(struct terminal *self, struct terminal_client *client, const struct ring *ring, int64_t now_ms)
{
    enum { READ_BYTES = 16 * 1024 };
    ssize_t n = recv(client->fd, cccc_buf_reserve(&client->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    client->in.size += (size_t)n;
    if (!client->greeted && !greet(self, client, ring, now_ms))
        return false;
    return !client->greeted || take_frames(self, client);
}

/* A place for a newcomer: a free one, else that of who has waited longest without a ticket; NULL when all have shown one. */
static struct terminal_client *free_place(struct terminal *self)
{
    struct terminal_client *silent = NULL;
    for (struct terminal_client *c = self->clients; c < self->clients + CCCC_TERMINAL_CLIENTS_MAX; c++) {
        if (c->fd < 0)
            return c;
        if (!c->greeted && (!silent || c->serial < silent->serial))
            silent = c;
    }
    if (silent)
        drop(silent);
    return silent;
}

static void take_client(struct terminal *self)
{
    int fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct terminal_client *place = fd >= 0 ? free_place(self) : NULL;
    if (place) {
        *place = (struct terminal_client){.fd = fd, .serial = ++self->serial};
        cccc_buf_init(&place->in);
        cccc_buf_init(&place->out);
    } else if (fd >= 0) {
        close(fd);
    }
}

/* ---- the owner's loop ---- */

uint32_t terminal_attached(const struct terminal *self, bool *writing)
{
    uint32_t count = 0;
    *writing = false;
    for (const struct terminal_client *c = self->clients; c < self->clients + CCCC_TERMINAL_CLIENTS_MAX; c++) {
        count += c->fd >= 0 && c->greeted;
        *writing |= c->fd >= 0 && c->writer;
    }
    return count;
}

static bool has_more(const struct terminal_client *client, const struct ring *ring)
{
    return client->out.size > 0 || (client->greeted && client->position < ring->end);
}

void terminal_poll(const struct terminal *self, const struct ring *ring, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = self->listener, .events = POLLIN};
    for (size_t i = 0; i < CCCC_TERMINAL_CLIENTS_MAX; i++) {
        const struct terminal_client *c = &self->clients[i];
        fds[1 + i] = (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | (c->fd >= 0 && has_more(c, ring) ? POLLOUT : 0))};
    }
}

void terminal_polled(struct terminal *self, const struct ring *ring, const struct pollfd *fds, int64_t now_ms)
{
    for (size_t i = 0; i < CCCC_TERMINAL_CLIENTS_MAX; i++) {
        struct terminal_client *c = &self->clients[i];
        if (c->fd < 0 || fds[1 + i].fd != c->fd)
            continue;
        bool keep = !(fds[1 + i].revents & (POLLIN | POLLHUP | POLLERR)) || take_input(self, c, ring, now_ms);
        if (!keep || !feed(c, ring))
            drop(c);
    }
    if (fds[0].revents & POLLIN)
        take_client(self);
    choose_writer(self);
}

void terminal_close(struct terminal *self, const struct ring *ring, const char *last_words)
{
    for (struct terminal_client *c = self->clients; c < self->clients + CCCC_TERMINAL_CLIENTS_MAX; c++) {
        if (c->fd < 0)
            continue;
        if (c->greeted && feed(c, ring)) {
            put_frame(&c->out, 'x', last_words, strlen(last_words));
            flush_out(c);
        }
        drop(c);
    }
    if (self->listener >= 0) {
        close(self->listener);
        unlink(self->path);
    }
    self->listener = -1;
}
