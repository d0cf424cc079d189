/* raw.c - bench_raw: the yardstick. DEALERs, a ROUTER and an XPUB exchanging frames of given sizes, and nothing else.
 *
 * usage: bench_raw dir=DIR request= reply= topic= event= [clients= window= followers= drop=0|1 warmup= seconds= drain= disk=DIR]
 * Every request is answered with a frame of the reply's size, and a topic and an event frame are published for it. Nothing is decoded or
 * stored; the processes are those of a run with ccccd. The broker waits for a follower that is behind, so every publication arrives, as it does
 * through ccccd; with drop=1 it is dropped, as an XPUB does by default, which saves the work of delivering it. */
#include "bench/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define FRAME_MAX  65536
#define ID_MAX     256
#define WINDOW_MAX 8192
#define HWM        10000 /* of publications, as with ccccd and libcccc */

struct raw_plan {
    char bus[256], events[256];
    size_t request, reply, topic, event;
    unsigned window;
    bool drop;
};

static char filler[FRAME_MAX];

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
    _Exit(1);
}

static void *open_socket(void *zmq, int type, const char *endpoint, bool bind, int hwm)
{
    void *socket = zmq_socket(zmq, type);
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    if (type == ZMQ_SUB)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "e", 1);
    check((bind ? zmq_bind : zmq_connect)(socket, endpoint) == 0, endpoint);
    return socket;
}

/* Answer and publish for one request; false when there is none. */
static bool serve_one(const struct raw_plan *plan, void *router, void *xpub)
{
    char id[ID_MAX];
    int id_len = zmq_recv(router, id, sizeof id, ZMQ_DONTWAIT);
    if (id_len < 0)
        return false;
    zmq_msg_t body;
    zmq_msg_init(&body);
    zmq_msg_recv(&body, router, 0);
    zmq_msg_close(&body);
    zmq_send(router, id, (size_t)id_len, ZMQ_SNDMORE);
    zmq_send(router, filler, plan->reply, 0);
    zmq_send(xpub, filler, plan->topic, ZMQ_SNDMORE);
    zmq_send(xpub, filler, plan->event, 0);
    return true;
}

/* Followers are there once they have heard this, which is shorter than any event. */
static void greet(struct worker_board *board, void *xpub)
{
    board->ready++;
    while (!board->go) {
        zmq_send(xpub, "e", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT);
        zmq_send(xpub, "", 0, ZMQ_DONTWAIT);
        worker_nap(0.002);
    }
}

static void broker(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    const struct raw_plan *plan = arg;
    void *zmq = zmq_ctx_new();
    void *router = open_socket(zmq, ZMQ_ROUTER, plan->bus, true, 0);
    void *xpub = open_socket(zmq, ZMQ_XPUB, plan->events, true, HWM);
    int wait_for_follower = !plan->drop, until_sent = -1;
    zmq_setsockopt(xpub, ZMQ_XPUB_NODROP, &wait_for_follower, sizeof wait_for_follower);
    zmq_setsockopt(xpub, ZMQ_LINGER, &until_sent, sizeof until_sent);
    (void)lane;
    greet(board, xpub);
    while (!board->sent_total) {
        zmq_pollitem_t items[] = {{.socket = router, .events = ZMQ_POLLIN}, {.socket = xpub, .events = ZMQ_POLLIN}};
        zmq_poll(items, 2, 10);
        char subscription[16];
        while (zmq_recv(xpub, subscription, sizeof subscription, ZMQ_DONTWAIT) >= 0)
            continue;
        for (int i = 0; i < 1000 && serve_one(plan, router, xpub); i++)
            continue;
    }
    zmq_close(router);
    zmq_close(xpub);
    zmq_ctx_term(zmq);
}

/* Answers come in the order of the requests, so a ring of the times they began is enough. */
static void sender(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    static uint64_t begun[WINDOW_MAX];
    const struct raw_plan *plan = arg;
    void *zmq = zmq_ctx_new();
    void *dealer = open_socket(zmq, ZMQ_DEALER, plan->bus, false, 0);
    uint64_t asked = 0, got = 0;
    worker_ready(board);
    while (!board->stop || asked > got) {
        for (; !board->stop && asked - got < plan->window; asked++) {
            begun[asked % WINDOW_MAX] = worker_now_ns();
            zmq_send(dealer, filler, plan->request, 0);
        }
        zmq_msg_t reply;
        zmq_msg_init(&reply);
        for (int flags = 0; asked > got && zmq_msg_recv(&reply, dealer, flags) >= 0; flags = ZMQ_DONTWAIT)
            worker_answered(board, lane, begun[got++ % WINDOW_MAX], 1);
        zmq_msg_close(&reply);
    }
    zmq_close(dealer);
    zmq_ctx_term(zmq);
}

/* The size of the next publication's event, or -1 when none came in time. */
static int next_event(void *sub)
{
    for (;;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        int got = zmq_msg_recv(&frame, sub, 0);
        bool more = got >= 0 && zmq_msg_more(&frame);
        zmq_msg_close(&frame);
        if (!more)
            return got;
    }
}

static void follower(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    const struct raw_plan *plan = arg;
    void *zmq = zmq_ctx_new();
    void *sub = open_socket(zmq, ZMQ_SUB, plan->events, false, HWM);
    int patience_ms = 200;
    zmq_setsockopt(sub, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    while (next_event(sub) < 0)
        continue;
    worker_ready(board);
    for (;;) {
        int got = next_event(sub);
        lane->done += got > 0;
        uint64_t total = board->sent_total;
        if (board->give_up || (total && (lane->done >= total - 1 || got < 0)))
            break;
    }
    zmq_close(sub);
    zmq_ctx_term(zmq);
}

static size_t frame_size(const char *name)
{
    double size = word_number(name, 0);
    if (size >= 1 && size <= FRAME_MAX)
        return (size_t)size;
    fprintf(stderr, "bench_raw: %s is 1 to %d bytes\n", name, FRAME_MAX);
    exit(2);
}

int main(int argc, char **argv)
{
    words_take(argc, argv, 1);
    const char *dir = word_text("dir", ".");
    struct raw_plan raw = {.request = frame_size("request"),
                           .reply = frame_size("reply"),
                           .topic = frame_size("topic"),
                           .event = frame_size("event"),
                           .window = (unsigned)word_number("window", 125),
                           .drop = word_number("drop", 0) > 0};
    struct worker_plan plan = {.server = broker, .sender = sender, .follower = follower, .arg = &raw};
    words_plan(&plan);
    words_check();
    check(raw.window <= WINDOW_MAX, "window");
    memset(filler, 'e', sizeof filler);
    snprintf(raw.bus, sizeof raw.bus, "ipc://%.200s/raw-bus", dir);
    snprintf(raw.events, sizeof raw.events, "ipc://%.200s/raw-events", dir);
    return words_run("raw", &plan);
}
