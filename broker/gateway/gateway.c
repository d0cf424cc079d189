/* gateway.c - the gateway's thread: wait, take connections in, pass requests and replies on, look at the deadlines. See gateway.h. */
#include "broker/gateway/private.h"

#include "broker/bus/accept_guard.h"
#include "broker/bus/log.h"
#include "broker/gateway/caller.h"
#include "broker/gateway/stream.h"
#include "broker/gateway/terminal.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

/* Of each kind of work in one turn, so that none starves another. */
enum { EVENTS_PER_TURN = 256, ACCEPTS_PER_TURN = 64, REPLIES_PER_TURN = 256, ROUNDS_PER_TURN = 8 };
enum { LOOK_US = 1000000, FINISH_US = 300000, ARENAS_KEPT = 16 };

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---- epoll ---- */

void gateway_watch(struct cccc_gateway *self, struct watch *watch, uint32_t wanted)
{
    struct epoll_event event = {.events = wanted, .data.ptr = watch};
    if (watch->known && watch->wanted == wanted)
        return;
    int rc = epoll_ctl(self->epoll, watch->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event);
    CCCC_ASSERT(rc == 0, "epoll_ctl: %s", strerror(errno));
    watch->known = true;
    watch->wanted = wanted;
}

void gateway_unwatch(struct cccc_gateway *self, struct watch *watch)
{
    if (watch->known)
        epoll_ctl(self->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->known = false;
}

/* ---- to and from the loop ---- */

static void send_envelope(struct cccc_gateway *self, const struct connection *c, enum cccc_gateway_what what, int flags)
{
    struct cccc_gateway_envelope envelope = {.conn = c->id, .what = what, .caller = c->caller};
    cccc_gateway_before_send(self->options.to_loop);
    int rc = zmq_send(self->options.pair, &envelope, sizeof envelope, ZMQ_DONTWAIT | flags);
    CCCC_ASSERT(rc >= 0, "zmq_send: %s", zmq_strerror(errno)); /* the pair has no high-water mark: GATEWAY_REQUESTS_MAX bounds it */
}

static void free_bytes(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

void gateway_send(struct cccc_gateway *self, const struct connection *c, cccc_buf_t *frame)
{
    zmq_msg_t body;
    size_t size = frame->size;
    zmq_msg_init_data(&body, msgpack_sbuffer_release(frame), size, free_bytes, NULL);
    send_envelope(self, c, CCCC_GATEWAY_REQUEST, ZMQ_SNDMORE);
    int rc = zmq_msg_send(&body, self->options.pair, ZMQ_DONTWAIT);
    CCCC_ASSERT(rc >= 0, "zmq_msg_send: %s", zmq_strerror(errno));
    atomic_fetch_add_explicit(&self->counters.requests, 1, memory_order_relaxed);
}

void gateway_say_gone(struct cccc_gateway *self, const struct connection *c)
{
    send_envelope(self, c, CCCC_GATEWAY_GONE, 0);
}

static void take_message(struct cccc_gateway *self, const struct cccc_gateway_envelope *envelope, zmq_msg_t *body)
{
    struct connection *c = NULL;
    if (envelope->what == CCCC_GATEWAY_FINISH) {
        self->finishing = true;
        return;
    }
    HASH_FIND(hh, self->connections, &envelope->conn, sizeof envelope->conn, c);
    if (!c)
        return;
    if (envelope->what == CCCC_GATEWAY_REPLY)
        connection_reply(self, c, zmq_msg_data(body), zmq_msg_size(body));
    else
        connection_end(self, c);
}

/* How many there were. */
static int take_messages(struct cccc_gateway *self)
{
    struct cccc_gateway_envelope envelope;
    int taken = 0;
    for (; taken < REPLIES_PER_TURN && zmq_recv(self->options.pair, &envelope, sizeof envelope, ZMQ_DONTWAIT) == sizeof envelope; taken++) {
        zmq_msg_t body;
        zmq_msg_init(&body);
        if (envelope.what == CCCC_GATEWAY_REPLY)
            zmq_msg_recv(&body, self->options.pair, ZMQ_DONTWAIT);
        cccc_gateway_after_receive(self->options.to_gateway);
        take_message(self, &envelope, &body);
        zmq_msg_close(&body);
    }
    return taken;
}

static void socket_ready(struct cccc_gateway *self, struct watch *watch, uint32_t events)
{
    (void)self;
    (void)watch;
    (void)events; /* every turn ends with taking what is there */
}

/* What was written in this turn goes out together, connection by connection; lines that waited for that are taken. */
static bool run_due(struct cccc_gateway *self)
{
    bool any = false;
    for (struct connection *c; (c = CCCC_FIRST(&self->due, struct connection, due)); any = true) {
        cccc_list_remove(&self->due, &c->due);
        connection_go_on(self, c);
    }
    return any;
}

/* Connections that had to wait because so many requests are with the loop go on, longest waiting first. */
static bool run_held(struct cccc_gateway *self)
{
    bool any = false;
    while (self->open < CCCC_GATEWAY_REQUESTS_MAX && self->held.first) {
        struct connection *c = CCCC_FIRST(&self->held, struct connection, held);
        cccc_list_remove(&self->held, &c->held);
        connection_go_on(self, c);
        any = true;
    }
    return any;
}

/* ---- connections come ---- */

void gateway_upgraded(struct cccc_gateway *self, int more)
{
    self->upgraded += (uint32_t)more;
    atomic_store_explicit(&self->counters.streams, self->upgraded, memory_order_relaxed);
}

void gateway_forget(struct cccc_gateway *self, struct connection *c)
{
    self->count--;
    atomic_store_explicit(&self->counters.connections, self->count, memory_order_relaxed);
    process_release(&self->processes, c->process);
}

void gateway_note_shed(struct cccc_gateway *self)
{
    atomic_fetch_add_explicit(&self->counters.shed, 1, memory_order_relaxed);
}

/* All places are taken: the connection that has been silent longest loses its own. False: each has something under way. */
static bool make_room(struct cccc_gateway *self)
{
    for (struct cccc_link *link = self->by_activity.first; link; link = link->next) {
        struct connection *c = CCCC_MEMBER(link, struct connection, by_activity);
        if (!connection_is_idle(c))
            continue;
        gateway_note_shed(self);
        connection_end(self, c);
        return true;
    }
    return false;
}

static void take_in(struct cccc_gateway *self, int fd, struct cccc_gateway_caller *caller, bool over_tcp)
{
    struct process *process = process_keep(&self->processes, caller->pid);
    if (process->connections > CCCC_CONNECTIONS_PER_PROCESS_MAX || (self->count >= CCCC_GATEWAY_CONNECTIONS_MAX && !make_room(self))) {
        process_release(&self->processes, process);
        gateway_note_shed(self);
        close(fd);
        return;
    }
    caller->started = process->started;
    struct connection *c = connection_new(self, fd, caller, over_tcp);
    c->process = process;
    self->count++;
    atomic_store_explicit(&self->counters.connections, self->count, memory_order_relaxed);
    /* What a client has to say is usually there already. */
    c->watch.ready(self, &c->watch, EPOLLIN);
}

static void accept_ready(struct cccc_gateway *self, struct watch *watch, uint32_t events)
{
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !self->finishing; i++) {
        int fd = cccc_accept(watch->fd);
        if (fd < 0)
            return;
        struct cccc_gateway_caller caller = watch == &self->local ? cccc_caller_local(fd) : cccc_caller_tcp(fd);
        atomic_fetch_add_explicit(&self->counters.taken, 1, memory_order_relaxed);
        take_in(self, fd, &caller, watch == &self->tcp);
    }
}

/* ---- too much is held ---- */

void gateway_shed_input(struct cccc_gateway *self)
{
    while (self->in_bytes > CCCC_GATEWAY_INPUT_BYTES_MAX) {
        struct connection *oldest = NULL;
        for (struct connection *c = self->connections; c; c = c->hh.next)
            if (c->line_us && (!oldest || c->line_us < oldest->line_us))
                oldest = c;
        if (!oldest)
            return;
        gateway_note_shed(self);
        connection_end(self, oldest);
    }
}

void gateway_shed_output(struct cccc_gateway *self)
{
    while (self->out_bytes > CCCC_GATEWAY_OUTPUT_BYTES_MAX) {
        struct connection *largest = self->connections;
        for (struct connection *c = self->connections; c; c = c->hh.next)
            if (c->out.capacity > largest->out.capacity)
                largest = c;
        CCCC_ASSERT(largest, "%zu bytes lie in no connection", self->out_bytes);
        gateway_note_shed(self);
        connection_end(self, largest);
    }
}

/* ---- the thread ---- */

static void look_at_all(struct cccc_gateway *self)
{
    struct connection *c, *next;
    if (self->now_us < self->next_look_us)
        return;
    self->next_look_us = self->now_us + LOOK_US;
    HASH_ITER(hh, self->connections, c, next)
    {
        connection_look(self, c);
    }
    processes_sweep(&self->processes);
}

static void bury(struct cccc_gateway *self)
{
    struct cccc_link *link = self->graves.first;
    self->graves = (struct cccc_list){0};
    for (struct cccc_link *next; link; link = next) {
        next = link->next;
        free(CCCC_MEMBER(link, struct connection, grave));
    }
    terminals_bury(self);
}

/* To and fro with the loop until there is no more for now. A send may swallow the sign that something came, so sleeping is safe only behind a look
 * that found nothing (zmq_getsockopt(3), ZMQ_FD). True: there is more than one turn takes. */
static bool exchange(struct cccc_gateway *self)
{
    for (int i = 0; i < ROUNDS_PER_TURN; i++) {
        bool any = take_messages(self) > 0;
        any |= streams_take_events(self);
        any |= run_due(self);
        any |= run_held(self);
        if (!any)
            return false;
    }
    return true;
}

static void one_turn(struct cccc_gateway *self, int timeout_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n = epoll_wait(self->epoll, events, EVENTS_PER_TURN, timeout_ms);
    self->now_us = clock_us();
    for (int i = 0; i < n; i++) {
        struct watch *watch = events[i].data.ptr;
        watch->ready(self, watch, events[i].events);
    }
    look_at_all(self);
}

static bool has_output(const struct cccc_gateway *self)
{
    return self->out_bytes > 0;
}

static void serve(struct cccc_gateway *self)
{
    /* Behind no look yet, the first turn does not sleep: what comes before somebody has looked for it is announced to nobody. */
    for (bool more = true; !self->finishing;) {
        one_turn(self, more ? 0 : LOOK_US / 1000);
        more = exchange(self);
        bury(self);
    }
    for (uint64_t end = clock_us() + FINISH_US; has_output(self) && self->now_us < end; bury(self))
        one_turn(self, 10);
}

static void *run(void *arg)
{
    struct cccc_gateway *self = arg;
    pthread_setname_np(pthread_self(), "ccccd-gateway");
    cccc_arena_keep_spare(ARENAS_KEPT);
    serve(self);
    while (self->connections)
        connection_end(self, self->connections);
    bury(self);
    processes_fini(&self->processes);
    cccc_arena_keep_spare(0);
    return NULL;
}

static void watch_socket(struct cccc_gateway *self, struct watch *watch, void *socket)
{
    size_t size = sizeof watch->fd;
    watch->ready = socket_ready;
    zmq_getsockopt(socket, ZMQ_FD, &watch->fd, &size);
    gateway_watch(self, watch, EPOLLIN);
}

cccc_gateway_t *cccc_gateway_start(const struct cccc_gateway_options *options)
{
    struct cccc_gateway *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->options = *options;
    self->now_us = clock_us();
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    CCCC_ASSERT(self->epoll >= 0, "epoll_create1: %s", strerror(errno));
    watch_socket(self, &self->pair_watch, options->pair);
    watch_socket(self, &self->events_watch, options->events);
    self->local = (struct watch){.ready = accept_ready, .fd = options->local->fd};
    gateway_watch(self, &self->local, EPOLLIN);
    if (options->tcp->fd >= 0) {
        self->tcp = (struct watch){.ready = accept_ready, .fd = options->tcp->fd};
        gateway_watch(self, &self->tcp, EPOLLIN);
    }
    int rc = pthread_create(&self->thread, NULL, run, self);
    CCCC_ASSERT(rc == 0, "pthread_create: %s", strerror(rc));
    return self;
}

void cccc_gateway_end(cccc_gateway_t **self_p)
{
    struct cccc_gateway *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    pthread_join(self->thread, NULL);
    close(self->epoll);
    free(self);
}

void cccc_gateway_count(const cccc_gateway_t *self, struct cccc_gateway_counters *out)
{
    out->connections = atomic_load_explicit(&self->counters.connections, memory_order_relaxed);
    out->taken = atomic_load_explicit(&self->counters.taken, memory_order_relaxed);
    out->shed = atomic_load_explicit(&self->counters.shed, memory_order_relaxed);
    out->streams = atomic_load_explicit(&self->counters.streams, memory_order_relaxed);
    out->requests = atomic_load_explicit(&self->counters.requests, memory_order_relaxed);
}
