/* throughput.c - durable acknowledged sends per second through ccccd, as programs with libcccc see it.
 *
 * usage: bench_throughput sizes BUS EVENTS GROUP TEXT_BYTES
 *        bench_throughput run HOME GROUP TEXT_BYTES [SENDERS IN_FLIGHT WARMUP_S SECONDS]
 *        bench_throughput send HOME GROUP TEXT_BYTES COUNT [IN_FLIGHT]
 * `sizes` sends messages with plain libzmq to the endpoints until it has seen one published, and prints the sizes of the frames: request,
 * reply, topic, event. `run` measures. `send` sends so many messages, for who counts what they cost elsewhere. The daemon must be there. */
#include "bench/harness.h"
#include "clients/lib/include/cccc.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define RECIPIENT "peer-1"

struct load_plan {
    const char *home;
    const char *group_id;
    char *text;
    int in_flight;
};

static _Noreturn void die(const char *what, const struct cccc_error *err)
{
    fprintf(stderr, "%s: %s: %s\n", what, err->code, err->message);
    _Exit(1);
}

static cccc_t *connect_to(const struct load_plan *plan)
{
    cccc_t *client = NULL;
    struct cccc_error err;
    if (cccc_open(&client, &(struct cccc_options){.home = plan->home}, &err) != 0)
        die("open", &err);
    return client;
}

static cccc_args_t *message(const struct load_plan *plan)
{
    static const char *const to[] = {RECIPIENT};
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", plan->group_id);
    cccc_args_str(args, "text", plan->text);
    cccc_args_strs(args, "to", to, 1);
    return args;
}

static void acknowledged(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct bench_lane *lane = arg;
    if (reply) {
        lane->done++;
        return;
    }
    lane->failed++;
    fprintf(stderr, "send: %s: %s\n", err->code, err->message);
}

static void sender(struct bench_shared *shared, struct bench_lane *lane, const void *arg)
{
    const struct load_plan *plan = arg;
    cccc_t *client = connect_to(plan);
    struct cccc_error err;
    bench_ready(shared);
    while (!shared->stop || cccc_open_requests(client) > 0) {
        while (!shared->stop && cccc_open_requests(client) < (size_t)plan->in_flight) {
            cccc_args_t *args = message(plan);
            if (cccc_request_async(client, "send", &args, acknowledged, lane, &err) != 0)
                die("send", &err);
        }
        cccc_pump(client, -1, NULL);
    }
    cccc_close(&client);
}

static void follower(struct bench_shared *shared, struct bench_lane *lane, const void *arg)
{
    const struct load_plan *plan = arg;
    cccc_t *client = connect_to(plan);
    cccc_follow_t *follow = NULL;
    struct cccc_item item;
    struct cccc_error err;
    if (cccc_follow_open(client, &(struct cccc_filter){.group_id = plan->group_id}, &follow, &err) != 0)
        die("follow", &err);
    while (cccc_follow_next(follow, &item, -1, &err) != 1 || item.type != CCCC_ITEM_LIVE)
        continue;
    bench_ready(shared);
    while (!shared->sent_total || lane->done < shared->sent_total - 1) {
        int got = cccc_follow_next(follow, &item, 50, &err);
        if (got < 0)
            die("follow", &err);
        lane->done += got == 1 && item.type == CCCC_ITEM_EVENT;
    }
    struct cccc_follow_stats stats;
    cccc_follow_stats(follow, &stats);
    lane->losses = stats.losses;
    lane->repaired = stats.repaired;
    cccc_follow_close(&follow);
    cccc_close(&client);
}

static int run(const struct load_plan *plan, int argc, char **argv)
{
    struct bench_result result = {0};
    bool ok = bench_run(&(struct bench_plan){.sender = sender,
                                             .follower = follower,
                                             .senders = argc > 5 ? atoi(argv[5]) : 8,
                                             .warmup_s = argc > 7 ? atof(argv[7]) : 0.5,
                                             .seconds = argc > 8 ? atof(argv[8]) : 3,
                                             .arg = plan},
                        &result);
    bench_print("cccc", &result);
    return ok ? 0 : 1;
}

static int send_some(const struct load_plan *plan, uint64_t count)
{
    struct bench_lane lane = {0};
    struct cccc_error err;
    cccc_t *client = connect_to(plan);
    for (uint64_t sent = 0; lane.done + lane.failed < count; cccc_pump(client, -1, NULL)) {
        for (; sent < count && cccc_open_requests(client) < (size_t)plan->in_flight; sent++) {
            cccc_args_t *args = message(plan);
            if (cccc_request_async(client, "send", &args, acknowledged, &lane, &err) != 0)
                die("send", &err);
        }
    }
    cccc_close(&client);
    return lane.failed == 0 ? 0 : 1;
}

/* ---- sizes ---- */

/* The frame libcccc makes for the same message. */
static void pack_request(const struct load_plan *plan, uint64_t number, cccc_buf_t *frame)
{
    char client_id[64];
    snprintf(client_id, sizeof client_id, "%032llx-100000", (unsigned long long)number * 1000003 + (unsigned long long)getpid());
    cccc_buf_t args;
    cccc_buf_init(&args);
    cccc_pack_map(&args, 4);
    cccc_pack_text(&args, "group_id");
    cccc_pack_text(&args, plan->group_id);
    cccc_pack_text(&args, "text");
    cccc_pack_text(&args, plan->text);
    cccc_pack_text(&args, "to");
    cccc_pack_array(&args, 1);
    cccc_pack_text(&args, RECIPIENT);
    cccc_pack_text(&args, "client_id");
    cccc_pack_text(&args, client_id);
    cccc_request_write(frame, (100000 + number) * 16384, "send", args.data, args.size);
    cccc_buf_fini(&args);
}

static void *connect_socket(void *zmq, int type, const char *endpoint, const char *topic)
{
    void *socket = zmq_socket(zmq, type);
    int linger = 0, patience_ms = 300;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    if (topic)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, strlen(topic));
    if (zmq_connect(socket, endpoint) != 0) {
        fprintf(stderr, "%s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        _Exit(1);
    }
    return socket;
}

static int sizes(const struct load_plan *plan, const char *bus, const char *events)
{
    char topic[64], byte;
    snprintf(topic, sizeof topic, "e/%s/", plan->group_id);
    void *zmq = zmq_ctx_new();
    void *dealer = connect_socket(zmq, ZMQ_DEALER, bus, NULL), *sub = connect_socket(zmq, ZMQ_SUB, events, topic);
    int reply = -1, topic_len = -1, event = -1;
    size_t request = 0;
    for (uint64_t i = 1; i <= 20 && event < 0; i++) {
        cccc_buf_t frame;
        cccc_buf_init(&frame);
        pack_request(plan, i, &frame);
        request = frame.size;
        zmq_send(dealer, frame.data, frame.size, 0);
        cccc_buf_fini(&frame);
        reply = zmq_recv(dealer, &byte, 1, 0);
        topic_len = zmq_recv(sub, &byte, 1, 0);
        if (topic_len >= 0)
            event = zmq_recv(sub, &byte, 1, 0);
    }
    printf("%zu %d %d %d\n", request, reply, topic_len, event);
    zmq_close(dealer);
    zmq_close(sub);
    zmq_ctx_term(zmq);
    return reply > 0 && event > 0 ? 0 : 1;
}

static char *text_of(const char *bytes)
{
    size_t len = strtoul(bytes, NULL, 10);
    char *text = calloc(1, len + 1);
    if (!text)
        _Exit(1);
    memset(text, 'x', len);
    return text;
}

int main(int argc, char **argv)
{
    struct load_plan plan = {.in_flight = argc > 6 ? atoi(argv[6]) : 125};
    int status = 2;
    if (argc == 6 && strcmp(argv[1], "sizes") == 0) {
        plan.group_id = argv[4];
        plan.text = text_of(argv[5]);
        status = sizes(&plan, argv[2], argv[3]);
    } else if (argc >= 5 && strcmp(argv[1], "run") == 0) {
        plan.home = argv[2];
        plan.group_id = argv[3];
        plan.text = text_of(argv[4]);
        status = run(&plan, argc, argv);
    } else if ((argc == 6 || argc == 7) && strcmp(argv[1], "send") == 0) {
        plan.home = argv[2];
        plan.group_id = argv[3];
        plan.text = text_of(argv[4]);
        status = send_some(&plan, strtoull(argv[5], NULL, 10));
    } else {
        fprintf(stderr, "usage: bench_throughput sizes BUS EVENTS GROUP TEXT_BYTES\n"
                        "       bench_throughput run HOME GROUP TEXT_BYTES [SENDERS IN_FLIGHT WARMUP_S SECONDS]\n"
                        "       bench_throughput send HOME GROUP TEXT_BYTES COUNT [IN_FLIGHT]\n");
    }
    free(plan.text);
    return status;
}
