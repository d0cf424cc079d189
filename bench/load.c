/* load.c - bench_load: a load on a daemon that is there, with libcccc (clients/load/), and questions that are asked again and again.
 *
 * usage: bench_load run  home=DIR groups=G[,G...] [clients= window= batch= rate= text= followers= sleep_us= warmup= seconds= drain= messages= disk=DIR pid=]
 *        bench_load send home=DIR groups=G[,G...] count=N [window= batch= text=]
 *        bench_load follow home=DIR groups=G [unpack=0|1]
 *        bench_load ask  home=DIR groups=G what=inbox_list|ledger_read|event [count=]
 *        bench_load sizes home=DIR groups=G bus=ENDPOINT events=ENDPOINT [text=]
 *        bench_load groups home=DIR [count= actors=]
 * Each prints one line of JSON. `run` measures; `send` sends so many and ends; `follow` reads everything from the first event to the last one of now, and
 * with unpack=1 unpacks each;
 * `ask` asks one at a time, at places spread over the ledger; `sizes` finds the sizes of the four frames of a send with plain libzmq; `groups` makes groups
 * with actors peer-1, peer-2, ... and says their ids. */
#include "clients/load/load.h"
#include "bench/words.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define RECIPIENT  "peer-1"
#define GROUPS_MAX 10000
/* More than a ledger's compressor looks at in one piece. */
#define TEXT_PLACES (256 * 1024)

static _Noreturn void die(const char *what, const struct cccc_error *err)
{
    fprintf(stderr, "%s: %s: %s\n", what, err->code, err->message);
    exit(1);
}

static void read_groups(struct load *load)
{
    static const char *groups[GROUPS_MAX];
    char *rest = strdup(word_text("groups", ""));
    for (char *group; rest && (group = strsep(&rest, ",")) && load->group_count < GROUPS_MAX;)
        groups[load->group_count++] = group;
    load->groups = groups;
}

static struct load read_load(void)
{
    struct load load = {.home = word_required("home"),
                        .recipient = RECIPIENT,
                        .text_bytes = (size_t)word_number("text", 300),
                        .text_places = TEXT_PLACES,
                        .window = (unsigned)word_number("window", 125),
                        .batch = (unsigned)word_number("batch", 1),
                        .rate = word_number("rate", 0),
                        .senders = 1,
                        .follower_sleep_us = (unsigned)word_number("sleep_us", 0)};
    load.text = words_filler(TEXT_PLACES + load.text_bytes);
    read_groups(&load);
    if (load.window < 1 || load.window > LOAD_WINDOW_MAX || load.batch < 1 || load.batch > LOAD_BATCH_MAX) {
        fprintf(stderr, "bench_load: window is 1 to %d, batch 1 to %d\n", LOAD_WINDOW_MAX, LOAD_BATCH_MAX);
        exit(2);
    }
    return load;
}

static cccc_t *connect_to(const struct load *load)
{
    cccc_t *client = NULL;
    struct cccc_error err;
    if (cccc_open(&client, &(struct cccc_options){.home = load->home}, &err) != 0)
        die("open", &err);
    return client;
}

/* ---- run, send ---- */

static int run(void)
{
    struct load load = read_load();
    struct worker_plan plan = {.sender = load_sender, .follower = load_follower, .arg = &load};
    words_plan(&plan);
    words_check();
    load.senders = plan.senders;
    return words_run("cccc", &plan);
}

static int send_some(void)
{
    struct load load = read_load();
    struct cccc_error err = {0};
    uint64_t count = (uint64_t)word_number("count", 1000);
    words_check();
    uint64_t begun = worker_now_ns();
    if (!load_send(&load, count, &err)) {
        fprintf(stderr, "send: %s\n", err.message);
        return 1;
    }
    double seconds = (double)(worker_now_ns() - begun) / 1e9;
    printf("{\"name\":\"send\",\"ok\":true,\"sent\":%" PRIu64 ",\"seconds\":%.3f,\"per_second\":%.1f}\n", count, seconds,
           (double)count / seconds);
    return 0;
}

/* ---- follow ---- */

static int follow_all(void)
{
    struct load load = read_load();
    struct cccc_error err;
    struct cccc_item item;
    uint64_t events = 0, bytes = 0;
    int got;
    bool unpack = word_number("unpack", 0) > 0;
    words_check();
    cccc_t *client = connect_to(&load);
    cccc_follow_t *follow = NULL;
    uint64_t begun = worker_now_ns();
    if (cccc_follow_open(client, &(struct cccc_filter){.group_id = load.groups[0], .from_seq = true}, &follow, &err) != 0)
        die("follow", &err);
    while ((got = cccc_follow_next(follow, &item, 60000, &err)) == 1 && item.type == CCCC_ITEM_EVENT && item.seq == events + 1) {
        if (unpack && !cccc_item_event(&item))
            break;
        events++;
        bytes += item.len;
    }
    double seconds = (double)(worker_now_ns() - begun) / 1e9;
    bool good = got == 1 && item.type == CCCC_ITEM_LIVE;
    printf("{\"name\":\"follow\",\"ok\":%s,\"events\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f,\"per_second\":%.1f}\n",
           good ? "true" : "false", events, bytes, seconds, (double)events / seconds);
    cccc_follow_close(&follow);
    cccc_close(&client);
    return good ? 0 : 1;
}

/* ---- ask ---- */

static cccc_args_t *group_args(const struct load *load)
{
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", load->groups[0]);
    return args;
}

static cccc_reply_t *must_ask(cccc_t *client, const char *op, cccc_args_t **args)
{
    cccc_reply_t *reply = NULL;
    struct cccc_error err;
    if (cccc_request(client, op, args, &reply, &err) != 0)
        die(op, &err);
    return reply;
}

static uint64_t head_of(cccc_t *client, const struct load *load)
{
    cccc_args_t *args = group_args(load);
    cccc_args_uint(args, "limit", 1);
    cccc_reply_t *reply = must_ask(client, "ledger_read", &args);
    uint64_t head = cccc_field_uint(cccc_reply_result(reply), "head_seq", 0);
    cccc_reply_free(&reply);
    return head;
}

/* The id of the first event behind `seq`, for the question that names it. */
static void id_behind(cccc_t *client, const struct load *load, uint64_t seq, char id[64])
{
    cccc_args_t *args = group_args(load);
    cccc_args_uint(args, "after_seq", seq);
    cccc_args_uint(args, "limit", 1);
    cccc_reply_t *reply = must_ask(client, "ledger_read", &args);
    const msgpack_object *events = cccc_field(cccc_reply_result(reply), "events");
    const char *text = "";
    size_t len = 0;
    if (events && events->type == MSGPACK_OBJECT_ARRAY && events->via.array.size > 0)
        cccc_field_text(&events->via.array.ptr[0], "id", &text, &len);
    snprintf(id, 64, "%.*s", (int)len, text);
    cccc_reply_free(&reply);
}

/* The arguments of a question; `seq` is where in the ledger it looks. */
static cccc_args_t *question(cccc_t *client, const struct load *load, const char *what, uint64_t seq, const char **op)
{
    char id[64];
    cccc_args_t *args = group_args(load);
    *op = "ledger_read";
    if (strcmp(what, "inbox_list") == 0) {
        *op = what;
        cccc_args_str(args, "actor_id", RECIPIENT);
        cccc_args_uint(args, "limit", 50);
    } else if (strcmp(what, "event") == 0) {
        id_behind(client, load, seq, id);
        cccc_args_str(args, "event_id", id);
    } else {
        cccc_args_uint(args, "after_seq", seq);
        cccc_args_uint(args, "limit", 100);
    }
    return args;
}

static int ask(void)
{
    static struct histogram times;
    struct load load = read_load();
    const char *what = word_text("what", "ledger_read"), *op;
    uint64_t count = (uint64_t)word_number("count", 300);
    words_check();
    cccc_t *client = connect_to(&load);
    uint64_t head = head_of(client, &load);
    for (uint64_t i = 0; i < count; i++) {
        /* Places in an order that goes back and forth, all over the ledger. */
        uint64_t seq = head > 101 ? (i * UINT64_C(2654435761)) % (head - 101) : 0;
        cccc_args_t *args = question(client, &load, what, seq, &op);
        uint64_t begun = worker_now_ns();
        cccc_reply_t *reply = must_ask(client, op, &args);
        histogram_add(&times, worker_now_ns() - begun);
        cccc_reply_free(&reply);
    }
    printf("{\"name\":\"%s\",\"ok\":true,\"head\":%" PRIu64 ",\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", what, head,
           (double)histogram_quantile(&times, 0.5) / 1e3, (double)histogram_quantile(&times, 0.99) / 1e3, (double)times.max / 1e3);
    cccc_close(&client);
    return 0;
}

/* ---- groups ---- */

#define OPEN_MAX 64

struct made {
    char id[64];
};

static void note_group(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct made *made = arg;
    const char *id;
    size_t len;
    if (!reply)
        die("group_create", err);
    if (cccc_field_text(cccc_reply_result(reply), "group_id", &id, &len))
        snprintf(made->id, sizeof made->id, "%.*s", (int)len, id);
}

static void must_be_good(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    (void)arg;
    if (!reply)
        die("actor_add", err);
}

static void ask_soon(cccc_t *client, const char *op, cccc_args_t **args, cccc_done_fn done, void *arg)
{
    struct cccc_error err;
    while (cccc_open_requests(client) >= OPEN_MAX)
        cccc_pump(client, -1, NULL);
    if (cccc_request_async(client, op, args, done, arg, &err) != 0)
        die(op, &err);
}

static void finish_all(cccc_t *client)
{
    while (cccc_open_requests(client) > 0)
        cccc_pump(client, -1, NULL);
}

static void add_actor(cccc_t *client, const char *group, unsigned number)
{
    char name[32];
    cccc_args_t *args = cccc_args_new();
    snprintf(name, sizeof name, "peer-%u", number);
    cccc_args_str(args, "group_id", group);
    cccc_args_str(args, "actor_id", name);
    cccc_args_str(args, "runtime", "custom");
    cccc_args_str(args, "runner", "headless");
    ask_soon(client, "actor_add", &args, must_be_good, NULL);
}

static int make_groups(void)
{
    static struct made made[GROUPS_MAX];
    struct load load = {.home = word_required("home")};
    unsigned count = (unsigned)word_number("count", 1), actors = (unsigned)word_number("actors", 1);
    words_check();
    cccc_t *client = connect_to(&load);
    for (unsigned i = 0; i < count && i < GROUPS_MAX; i++) {
        char title[32];
        cccc_args_t *args = cccc_args_new();
        snprintf(title, sizeof title, "bench %u", i);
        cccc_args_str(args, "title", title);
        ask_soon(client, "group_create", &args, note_group, &made[i]);
    }
    finish_all(client);
    /* Actor by actor, so that neighbours in the pipeline are of different groups. */
    for (unsigned a = 1; a <= actors; a++)
        for (unsigned i = 0; i < count && i < GROUPS_MAX; i++)
            add_actor(client, made[i].id, a);
    finish_all(client);
    printf("{\"name\":\"groups\",\"ok\":true,\"ids\":[");
    for (unsigned i = 0; i < count && i < GROUPS_MAX; i++)
        printf("%s\"%s\"", i ? "," : "", made[i].id);
    printf("]}\n");
    cccc_close(&client);
    return 0;
}

/* ---- sizes ---- */

/* The frame libcccc makes for the same message. */
static void pack_request(const struct load *load, uint64_t number, cccc_buf_t *frame)
{
    char client_id[64];
    snprintf(client_id, sizeof client_id, "%032llx-100000", (unsigned long long)number * 1000003 + (unsigned long long)getpid());
    cccc_buf_t args;
    cccc_buf_init(&args);
    cccc_pack_map(&args, 4);
    cccc_pack_text(&args, "group_id");
    cccc_pack_text(&args, load->groups[0]);
    cccc_pack_text(&args, "text");
    cccc_pack_str(&args, (cccc_str_t){load->text, (uint32_t)load->text_bytes});
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
        exit(1);
    }
    return socket;
}

static int sizes(void)
{
    struct load load = read_load();
    char topic[80], byte;
    const char *bus = word_text("bus", ""), *events = word_text("events", "");
    words_check();
    snprintf(topic, sizeof topic, "e/%.60s/", load.groups[0]);
    void *zmq = zmq_ctx_new();
    void *dealer = connect_socket(zmq, ZMQ_DEALER, bus, NULL), *sub = connect_socket(zmq, ZMQ_SUB, events, topic);
    int reply = -1, topic_len = -1, event = -1;
    size_t request = 0;
    for (uint64_t i = 1; i <= 20 && event < 0; i++) {
        cccc_buf_t frame;
        cccc_buf_init(&frame);
        pack_request(&load, i, &frame);
        request = frame.size;
        zmq_send(dealer, frame.data, frame.size, 0);
        cccc_buf_fini(&frame);
        reply = zmq_recv(dealer, &byte, 1, 0);
        topic_len = zmq_recv(sub, &byte, 1, 0);
        if (topic_len >= 0)
            event = zmq_recv(sub, &byte, 1, 0);
    }
    printf("{\"name\":\"sizes\",\"ok\":%s,\"request\":%zu,\"reply\":%d,\"topic\":%d,\"event\":%d}\n", event > 0 ? "true" : "false", request,
           reply, topic_len, event);
    zmq_close(dealer);
    zmq_close(sub);
    zmq_ctx_term(zmq);
    return event > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } commands[] = {{"run", run}, {"send", send_some}, {"follow", follow_all}, {"ask", ask}, {"sizes", sizes}, {"groups", make_groups}};
    words_take(argc, argv, 2);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run();
    fprintf(stderr, "usage: bench_load run|send|follow|ask|groups|sizes NAME=VALUE...; the beginning of load.c says which\n");
    return 2;
}
