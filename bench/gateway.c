/* gateway.c - durable acknowledged sends per second through the gateway, from clients that connect, send one message, wait for its answer and close.
 *
 * usage: bench_gateway SOCKET GROUP TEXT_BYTES [CLIENTS PROCESSES WARMUP_S SECONDS]
 * CLIENTS (64) are at it at any time, in PROCESSES (4). A follower on events_stream has to see each event once, in the order of seq; when it does not, the run
 * fails. Prints one line of JSON. */
#include "bench/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct plan {
    const char *path, *group;
    char request[8192];
    size_t request_len;
    int clients; /* of each process */
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_gateway: %s: %s\n", what, strerror(errno));
    _Exit(1);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    return fd;
}

/* ---- senders ---- */

static void begin(const struct plan *plan, int epoll)
{
    int fd = connect_to(plan->path);
    if (send(fd, plan->request, plan->request_len, MSG_NOSIGNAL) != (ssize_t)plan->request_len)
        die("send");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The whole answer is one small line: it comes in one piece. */
static void finish(int fd, struct bench_lane *lane)
{
    char line[16384];
    ssize_t n = recv(fd, line, sizeof line - 1, 0);
    line[n > 0 ? n : 0] = '\0';
    if (n > 0 && line[n - 1] == '\n' && strstr(line, "\"ok\":true"))
        lane->done++;
    else
        lane->failed++;
    close(fd);
}

static void sender(struct bench_shared *shared, struct bench_lane *lane, const void *arg)
{
    const struct plan *plan = arg;
    int epoll = epoll_create1(EPOLL_CLOEXEC), open = 0;
    bench_ready(shared);
    while (!shared->stop || open > 0) {
        struct epoll_event events[64];
        for (; !shared->stop && open < plan->clients; open++)
            begin(plan, epoll);
        int n = epoll_wait(epoll, events, 64, 1000);
        for (int i = 0; i < n; i++, open--)
            finish(events[i].data.fd, lane);
    }
    close(epoll);
}

/* ---- the follower ---- */

static unsigned long seq_of(const char *line)
{
    const char *at = strstr(line, "\"seq\":");
    return at ? strtoul(at + 6, NULL, 10) : 0;
}

static FILE *follow(const struct plan *plan)
{
    int fd = connect_to(plan->path);
    char request[256];
    int len = snprintf(request, sizeof request, "{\"op\":\"events_stream\",\"args\":{\"group_id\":\"%s\"}}\n", plan->group);
    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        die("send");
    struct timeval patience = {.tv_usec = 50000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fdopen(fd, "r");
}

static void follower(struct bench_shared *shared, struct bench_lane *lane, const void *arg)
{
    FILE *stream = follow(arg);
    char *line = NULL;
    size_t size = 0, got = 0;
    unsigned long last = 0;
    bool answered = false;
    while (!shared->sent_total || lane->done < shared->sent_total - 1) {
        errno = 0;
        ssize_t n = getdelim(&line, &size, '\n', stream);
        if (n <= 0 && errno != EAGAIN)
            die("the stream ended");
        got = n > 0 ? (size_t)n : 0;
        clearerr(stream);
        if (got == 0)
            continue;
        if (!answered) {
            answered = true;
            bench_ready(shared);
        } else if (strncmp(line, "{\"t\":\"event\"", 12) == 0) {
            unsigned long seq = seq_of(line);
            if (last && seq != last + 1)
                lane->losses++;
            last = seq;
            lane->done++;
        }
    }
    free(line);
    fclose(stream);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: bench_gateway SOCKET GROUP TEXT_BYTES [CLIENTS PROCESSES WARMUP_S SECONDS]\n", stderr);
        return 2;
    }
    static struct plan plan;
    static char text[4096];
    int processes = argc > 5 ? atoi(argv[5]) : 4;
    memset(text, 'x', (size_t)atoi(argv[3]) < sizeof text ? (size_t)atoi(argv[3]) : sizeof text - 1);
    plan.path = argv[1];
    plan.group = argv[2];
    plan.clients = (argc > 4 ? atoi(argv[4]) : 64) / processes;
    plan.request_len = (size_t)snprintf(
        plan.request, sizeof plan.request,
        "{\"v\":1,\"op\":\"send\",\"args\":{\"group_id\":\"%s\",\"text\":\"%s\",\"by\":\"user\",\"to\":[\"peer-1\"]}}\n", plan.group, text);
    struct bench_result result = {0};
    bool ok = bench_run(&(struct bench_plan){.sender = sender,
                                             .follower = follower,
                                             .senders = processes,
                                             .warmup_s = argc > 6 ? atof(argv[6]) : 0.5,
                                             .seconds = argc > 7 ? atof(argv[7]) : 3,
                                             .arg = &plan},
                        &result);
    bench_print("gateway", &result);
    return ok && result.losses == 0 && result.failed == 0 && result.followed == result.sent ? 0 : 1;
}
