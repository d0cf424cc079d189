/* nats.c - bench_nats: the same work through NATS JetStream, with libnats.
 *
 * usage: bench_nats stream url=URL
 *        bench_nats run url=URL text= [clients= window= followers= warmup= seconds= drain= disk=DIR pid=]
 * Each sender publishes asynchronously to one file-backed stream, `window` without an acknowledgement at any time; followers are ordered push consumers. */
#include "bench/words.h"

#include <nats/nats.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_MAX 8192
#define SUBJECT    "bench.message"
#define STREAM     "BENCH"

struct nats_plan {
    const char *url, *text;
    unsigned window;
};

struct nats_sender {
    struct worker_board *board;
    struct worker_lane *lane;
    uint64_t begun[WINDOW_MAX];
    uint64_t got;
    sem_t room;
};

static void must(natsStatus status, const char *what)
{
    if (status == NATS_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, natsStatus_GetText(status), nats_GetLastError(NULL));
    _exit(1);
}

/* On a thread of libnats. Acknowledgements of one stream come in the order of its messages. */
static void acknowledged(jsCtx *js, natsMsg *msg, jsPubAck *ack, jsPubAckErr *error, void *arg)
{
    struct nats_sender *self = arg;
    (void)js;
    (void)ack;
    if (error && self->lane->failed++ == 0)
        fprintf(stderr, "publish: %s\n", error->ErrText ? error->ErrText : natsStatus_GetText(error->Err));
    else
        worker_answered(self->board, self->lane, self->begun[self->got++ % WINDOW_MAX], 1);
    natsMsg_Destroy(msg);
    sem_post(&self->room);
}

static natsConnection *connect_to(const struct nats_plan *plan)
{
    natsConnection *connection = NULL;
    must(natsConnection_ConnectTo(&connection, plan->url), plan->url);
    return connection;
}

static void sender(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    const struct nats_plan *plan = arg;
    struct nats_sender *self = calloc(1, sizeof *self);
    jsOptions options;
    jsCtx *js = NULL;
    if (!self)
        _exit(1);
    self->board = board;
    self->lane = lane;
    sem_init(&self->room, 0, plan->window);
    natsConnection *connection = connect_to(plan);
    jsOptions_Init(&options);
    options.PublishAsync.AckHandler = acknowledged;
    options.PublishAsync.AckHandlerClosure = self;
    must(natsConnection_JetStream(&js, connection, &options), "jetstream");
    worker_ready(board);
    int len = (int)strlen(plan->text);
    for (uint64_t asked = 0; !board->stop; asked++) {
        sem_wait(&self->room);
        self->begun[asked % WINDOW_MAX] = worker_now_ns();
        must(js_PublishAsync(js, SUBJECT, plan->text, len, NULL), "publish");
    }
    must(js_PublishAsyncComplete(js, NULL), "last acknowledgements");
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}

static natsSubscription *subscribe(natsConnection *connection)
{
    natsSubscription *subscription = NULL;
    jsSubOptions options;
    jsCtx *js = NULL;
    must(natsConnection_JetStream(&js, connection, NULL), "jetstream");
    jsSubOptions_Init(&options);
    options.Ordered = true;
    options.Config.DeliverPolicy = js_DeliverNew;
    must(js_SubscribeSync(&subscription, js, SUBJECT, NULL, &options, NULL), "subscribe");
    must(natsSubscription_SetPendingLimits(subscription, -1, -1), "pending limits");
    return subscription;
}

static void follower(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    natsConnection *connection = connect_to(arg);
    natsSubscription *subscription = subscribe(connection);
    worker_ready(board);
    for (uint64_t total; !board->give_up && ((total = board->sent_total) == 0 || lane->done < total - 1);) {
        natsMsg *msg = NULL;
        if (natsSubscription_NextMsg(&msg, subscription, 50) == NATS_OK)
            lane->done++;
        natsMsg_Destroy(msg);
    }
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(connection);
}

/* In a process of its own: libnats has threads, and workers are forked from this one. */
static void make_stream(const struct nats_plan *plan)
{
    static const char *subjects[] = {SUBJECT};
    natsConnection *connection = connect_to(plan);
    jsStreamConfig config;
    jsErrCode code;
    jsCtx *js = NULL;
    jsStreamConfig_Init(&config);
    config.Name = STREAM;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    must(natsConnection_JetStream(&js, connection, NULL), "jetstream");
    natsStatus status = js_AddStream(NULL, js, &config, NULL, &code);
    if (status != NATS_OK && code != JSStreamNameExistErr)
        must(status, "stream");
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}

int main(int argc, char **argv)
{
    words_take(argc, argv, 2);
    struct nats_plan nats = {
        .url = word_text("url", "nats://127.0.0.1:4222"), .text = word_filler("text", 300), .window = (unsigned)word_number("window", 125)};
    struct worker_plan plan = {.sender = sender, .follower = follower, .arg = &nats};
    words_plan(&plan);
    words_check();
    if (nats.window > WINDOW_MAX || argc < 2)
        return 2;
    if (strcmp(argv[1], "stream") == 0) {
        make_stream(&nats);
        return 0;
    }
    return words_run("nats", &plan);
}
