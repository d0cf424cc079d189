/* raw.c - the yardstick: DEALERs, a ROUTER and an XPUB exchanging frames of given sizes, and nothing else.
 *
 * usage: bench_raw DIR REQUEST REPLY TOPIC EVENT [SENDERS IN_FLIGHT WARMUP_S SECONDS [wait|drop]]
 * Every request is answered with a frame of the reply's size, and a topic and an event frame are published for it. Nothing is decoded or
 * stored; the processes are those of a run with ccccd. With `wait` (the default) the broker waits for a follower that is behind, so every
 * publication arrives, as it does through ccccd; with `drop` it is dropped, as an XPUB does by default, which saves the work of delivering
 * it. */
#include "bench/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define FRAME_MAX 65536
#define ID_MAX    256
#define HWM       10000 /* of publications, as with ccccd and libcccc */

struct raw_plan {
    char bus[256], events[256];
    size_t request, reply, topic, event;
    int in_flight;
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

static void broker(struct bench_shared *shared, struct bench_lane *lane, const void *arg)
{
    const struct raw_plan *plan = arg;
    void *zmq = zmq_ctx_new();
    void *router = open_socket(zmq, ZMQ_ROUTER, plan->bus, true, 0);
    void *xpub = open_socket(zmq, ZMQ_XPUB, plan->events, true, HWM);
    int wait_for_follower = !plan->drop;
    zmq_setsockopt(xpub, ZMQ_XPUB_NODROP, &wait_for_follower, sizeof wait_for_follower);
    (void)lane;
    bench_ready(shared);
    while (!shared->sent_total) {
        zmq_pollitem_t items[] = {{.socket = router, .events = ZMQ_POLLIN}, {.socket = xpub, .events = ZMQ_POLLIN}};
        zmq_poll(items, 2, 10);
        char subscription[16];
        while (zmq_recv(xpub, subscription, sizeof subscription, ZMQ_DONTWAIT) >= 0)
            continue;
        for (int i = 0; i < 1000 && serve_one(plan, router, xpub); i++)
            continue;
    }
    /* The follower ends when it has heard nothing for a while; leave it the time. */
    zmq_poll(NULL, 0, 500);
    zmq_close(router);
    zmq_close(xpub);
    zmq_ctx_term(zmq);
}

static void sender(struct bench_shared *shared, struct bench_lane *lane, const void *arg)
{
    const struct raw_plan *plan = arg;
    void *zmq = zmq_ctx_new();
    void *dealer = open_socket(zmq, ZMQ_DEALER, plan->bus, false, 0);
    int open = 0;
    bench_ready(shared);
    while (!shared->stop || open > 0) {
        for (; !shared->stop && open < plan->in_flight; open++)
            zmq_send(dealer, filler, plan->request, 0);
        zmq_msg_t reply;
        zmq_msg_init(&reply);
        int flags = 0;
        while (open > 0 && zmq_msg_recv(&reply, dealer, flags) >= 0) {
            open--;
            lane->done++;
            flags = ZMQ_DONTWAIT;
        }
        zmq_msg_close(&reply);
    }
    zmq_close(dealer);
    zmq_ctx_term(zmq);
}

static void follower(struct bench_shared *shared, struct bench_lane *lane, const void *arg)
{
    const struct raw_plan *plan = arg;
    void *zmq = zmq_ctx_new();
    void *sub = open_socket(zmq, ZMQ_SUB, plan->events, false, HWM);
    int patience_ms = 200;
    zmq_setsockopt(sub, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    bench_ready(shared);
    for (;;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        int got = zmq_msg_recv(&frame, sub, 0);
        bool last = got >= 0 && !zmq_msg_more(&frame);
        zmq_msg_close(&frame);
        lane->done += last;
        uint64_t total = shared->sent_total;
        if (total && (lane->done >= total - 1 || got < 0))
            break;
    }
    zmq_close(sub);
    zmq_ctx_term(zmq);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: bench_raw DIR REQUEST REPLY TOPIC EVENT [SENDERS IN_FLIGHT WARMUP_S SECONDS [wait|drop]]\n");
        return 2;
    }
    struct raw_plan plan = {.request = strtoul(argv[2], NULL, 10),
                            .reply = strtoul(argv[3], NULL, 10),
                            .topic = strtoul(argv[4], NULL, 10),
                            .event = strtoul(argv[5], NULL, 10),
                            .in_flight = argc > 7 ? atoi(argv[7]) : 125,
                            .drop = argc > 10 && strcmp(argv[10], "drop") == 0};
    if (plan.request > FRAME_MAX || plan.reply > FRAME_MAX || plan.topic > FRAME_MAX || plan.event > FRAME_MAX) {
        fprintf(stderr, "bench_raw: frames have at most %d bytes\n", FRAME_MAX);
        return 2;
    }
    memset(filler, 'e', sizeof filler);
    snprintf(plan.bus, sizeof plan.bus, "ipc://%s/raw-bus", argv[1]);
    snprintf(plan.events, sizeof plan.events, "ipc://%s/raw-events", argv[1]);
    struct bench_result result = {0};
    bool ok = bench_run(&(struct bench_plan){.broker = broker,
                                             .sender = sender,
                                             .follower = follower,
                                             .senders = argc > 6 ? atoi(argv[6]) : 8,
                                             .warmup_s = argc > 8 ? atof(argv[8]) : 0.5,
                                             .seconds = argc > 9 ? atof(argv[9]) : 3,
                                             .arg = &plan},
                        &result);
    bench_print("raw", &result);
    return ok ? 0 : 1;
}
