/* gateway.c - bench_gateway: durable acknowledged sends through the gateway, from clients that connect, send one message, wait for its answer and close.
 *
 * usage: bench_gateway socket=PATH group=G [connections= text=] and the words of a plan (words.h)
 * So many `connections` (64) are at it at any time, spread over the sender processes. A follower on events_stream has to see each event once, in the order of
 * seq; what it does not is `missed`. */
#include "bench/words.h"

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
static void finish(int fd, struct worker_lane *lane)
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

static void sender(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    const struct plan *plan = arg;
    int epoll = epoll_create1(EPOLL_CLOEXEC), open = 0;
    worker_ready(board);
    while (!board->stop || open > 0) {
        struct epoll_event events[64];
        for (; !board->stop && open < plan->clients; open++)
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

static void follower(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    FILE *stream = follow(arg);
    char *line = NULL;
    size_t size = 0, got = 0;
    unsigned long last = 0;
    bool answered = false;
    while (!board->sent_total || lane->done < board->sent_total - 1) {
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
            worker_ready(board);
        } else if (strncmp(line, "{\"t\":\"event\"", 12) == 0) {
            unsigned long seq = seq_of(line);
            if (last && seq != last + 1)
                lane->missed++;
            last = seq;
            lane->done++;
        }
    }
    free(line);
    fclose(stream);
}

int main(int argc, char **argv)
{
    static struct plan plan;
    struct worker_plan work = {.sender = sender, .follower = follower, .arg = &plan};
    words_take(argc, argv, 1);
    words_plan(&work);
    plan.path = word_text("socket", NULL);
    plan.group = word_text("group", NULL);
    plan.clients = (int)(word_number("connections", 64) / work.senders);
    plan.request_len =
        (size_t)snprintf(plan.request, sizeof plan.request,
                         "{\"v\":1,\"op\":\"send\",\"args\":{\"group_id\":\"%s\",\"text\":\"%s\",\"by\":\"user\",\"to\":[\"peer-1\"]}}\n",
                         plan.group, word_filler("text", 300));
    words_check();
    if (plan.request_len >= sizeof plan.request || plan.clients < 1) {
        fputs("bench_gateway: the text is too long, or there are fewer connections than senders\n", stderr);
        return 2;
    }
    return words_run("gateway", &work);
}
