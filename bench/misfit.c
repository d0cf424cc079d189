/* misfit.c - bench_misfit: clients that do not behave, or do nothing, until a signal ends them. Prints {"ready":true} when all are there.
 *
 * usage: bench_misfit deaf|flood bus=ENDPOINT groups=G [text=]  never reads an answer; sends without ever waiting for one
 *        bench_misfit half|idle bus=ENDPOINT [count=]           connections that say nothing at all; that shook hands and say nothing more
 * Connections are spread over processes, since the daemon lets one process have only so many. */
#include "bench/words.h"
#include "proto/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#define CONNECTIONS_EACH 400

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void say_ready(void)
{
    printf("{\"ready\":true}\n");
    fflush(stdout);
}

static void *dealer(void *zmq, const char *bus)
{
    void *socket = zmq_socket(zmq, ZMQ_DEALER);
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if (!socket || zmq_connect(socket, bus) != 0)
        die(bus);
    return socket;
}

/* ---- one that sends ---- */

static void pack_send(uint64_t number, const char *group, const char *text, cccc_buf_t *frame)
{
    cccc_buf_t args;
    cccc_buf_init(&args);
    cccc_pack_map(&args, 3);
    cccc_pack_text(&args, "group_id");
    cccc_pack_text(&args, group);
    cccc_pack_text(&args, "text");
    cccc_pack_text(&args, text);
    cccc_pack_text(&args, "to");
    cccc_pack_array(&args, 1);
    cccc_pack_text(&args, "peer-1");
    cccc_request_write(frame, number, "send", args.data, args.size);
    cccc_buf_fini(&args);
}

static void drain(void *socket)
{
    char byte;
    while (zmq_recv(socket, &byte, 1, ZMQ_DONTWAIT) >= 0)
        continue;
}

static _Noreturn void send_for_ever(const char *bus, bool deaf)
{
    const char *group = word_text("groups", ""), *text = word_filler("text", 300);
    cccc_buf_t frame;
    words_check();
    void *socket = dealer(zmq_ctx_new(), bus);
    cccc_buf_init(&frame);
    say_ready();
    for (uint64_t number = 1;; number++) {
        frame.size = 0;
        pack_send(number, group, text, &frame);
        zmq_pollitem_t item = {.socket = socket, .events = (short)(deaf ? ZMQ_POLLOUT : ZMQ_POLLOUT | ZMQ_POLLIN)};
        zmq_poll(&item, 1, -1);
        if (item.revents & ZMQ_POLLOUT)
            zmq_send(socket, frame.data, frame.size, ZMQ_DONTWAIT);
        if (!deaf)
            drain(socket);
    }
}

/* ---- many that say nothing ---- */

static void connect_half(const char *bus)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", bus + strlen("ipc://"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die(bus);
}

/* Asks once, so that the connection is one the daemon knows. */
static void connect_idle(void *zmq, const char *bus)
{
    cccc_buf_t frame;
    char byte;
    void *socket = dealer(zmq, bus);
    cccc_buf_init(&frame);
    cccc_request_write(&frame, 1, "ping", "\x80", 1);
    if (zmq_send(socket, frame.data, frame.size, 0) < 0 || zmq_recv(socket, &byte, 1, 0) < 0)
        die("ping");
    cccc_buf_fini(&frame);
}

/* One process and its share; tells through the pipe that it is there. */
static void some(const char *bus, bool half, unsigned count, int done)
{
    void *zmq = half ? NULL : zmq_ctx_new();
    if (zmq)
        zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, CONNECTIONS_EACH + 1);
    for (unsigned i = 0; i < count; i++)
        half ? connect_half(bus) : connect_idle(zmq, bus);
    if (write(done, "", 1) != 1)
        exit(1);
    for (;;)
        pause();
}

static _Noreturn void many(const char *bus, bool half)
{
    unsigned left = (unsigned)word_number("count", 1000), processes = 0;
    int ends[2];
    char bytes;
    words_check();
    if (pipe(ends) != 0)
        die("pipe");
    for (; left > 0; processes++) {
        unsigned count = left < CONNECTIONS_EACH ? left : CONNECTIONS_EACH;
        left -= count;
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(ends[0]);
            some(bus, half, count, ends[1]);
        }
    }
    close(ends[1]);
    for (; processes > 0; processes--)
        if (read(ends[0], &bytes, 1) != 1) {
            fprintf(stderr, "bench_misfit: a process ended early\n");
            exit(1);
        }
    say_ready();
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    words_take(argc, argv, 2);
    const char *bus = word_text("bus", "");
    bool deaf = strcmp(kind, "deaf") == 0, half = strcmp(kind, "half") == 0;
    if (strncmp(bus, "ipc://", 6) == 0 && (deaf || strcmp(kind, "flood") == 0))
        send_for_ever(bus, deaf);
    if (strncmp(bus, "ipc://", 6) == 0 && (half || strcmp(kind, "idle") == 0))
        many(bus, half);
    fprintf(stderr, "usage: bench_misfit deaf|flood|half|idle bus=ipc://... NAME=VALUE...; the beginning of misfit.c says which\n");
    return 2;
}
