/* redis.c - bench_redis: the same work through Redis Streams, with hiredis.
 *
 * usage: bench_redis socket=PATH text= [clients= window= followers= warmup= seconds= drain= disk=DIR pid=]
 * Each sender pipelines XADDs to one stream, `window` without an answer at any time; followers read it with a blocking XREAD, at most 1,000 entries at a time. The
 * entry holds what an event holds of a message: text, recipient, client id. How durable an answer is, is the server's appendfsync. */
#include "bench/words.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_MAX 8192

struct redis_plan {
    const char *socket, *text;
    unsigned window;
};

static redisContext *connect_to(const struct redis_plan *plan)
{
    redisContext *redis = redisConnectUnix(plan->socket);
    if (redis && !redis->err)
        return redis;
    fprintf(stderr, "%s: %s\n", plan->socket, redis ? redis->errstr : "out of memory");
    _exit(1);
}

static redisReply *next_reply(redisContext *redis)
{
    void *reply = NULL;
    if (redisGetReply(redis, &reply) != REDIS_OK || ((redisReply *)reply)->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "redis: %s\n", reply ? ((redisReply *)reply)->str : redis->errstr);
        _exit(1);
    }
    return reply;
}

static void add(redisContext *redis, const struct redis_plan *plan, unsigned sender, uint64_t number)
{
    char id[64];
    snprintf(id, sizeof id, "%032x-%llu", sender + 1, (unsigned long long)number);
    const char *words[] = {"XADD", "bench", "*", "text", plan->text, "to", "peer-1", "client_id", id};
    redisAppendCommandArgv(redis, sizeof words / sizeof *words, words, NULL);
}

/* What has come, without waiting for more than the first. */
static uint64_t take_replies(redisContext *redis, struct worker_board *board, struct worker_lane *lane, const uint64_t *begun, uint64_t got)
{
    void *reply = next_reply(redis);
    while (reply) {
        freeReplyObject(reply);
        worker_answered(board, lane, begun[got++ % WINDOW_MAX], 1);
        if (redisGetReplyFromReader(redis, &reply) != REDIS_OK)
            _exit(1);
    }
    return got;
}

static void sender(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    static uint64_t begun[WINDOW_MAX];
    const struct redis_plan *plan = arg;
    redisContext *redis = connect_to(plan);
    uint64_t asked = 0, got = 0;
    worker_ready(board);
    while (!board->stop || asked > got) {
        for (; !board->stop && asked - got < plan->window; asked++) {
            begun[asked % WINDOW_MAX] = worker_now_ns();
            add(redis, plan, lane->index, asked);
        }
        got = take_replies(redis, board, lane, begun, got);
    }
    redisFree(redis);
}

/* The entries of an XREAD's answer: [[stream, [[id, fields]...]]]; the last id goes to `id`. */
static size_t entries_of(const redisReply *reply, char id[64])
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return 0;
    const redisReply *entries = reply->element[0]->element[1];
    if (entries->elements > 0)
        snprintf(id, 64, "%s", entries->element[entries->elements - 1]->element[0]->str);
    return entries->elements;
}

static void last_id(redisContext *redis, char id[64])
{
    redisReply *reply;
    redisAppendCommand(redis, "XREVRANGE bench + - COUNT 1");
    reply = next_reply(redis);
    snprintf(id, 64, "%s", reply->elements == 1 ? reply->element[0]->element[0]->str : "0");
    freeReplyObject(reply);
}

static void follower(struct worker_board *board, struct worker_lane *lane, const void *arg)
{
    const struct redis_plan *plan = arg;
    redisContext *redis = connect_to(plan);
    char id[64];
    last_id(redis, id);
    worker_ready(board);
    for (uint64_t total; !board->give_up && ((total = board->sent_total) == 0 || lane->done < total - 1);) {
        redisAppendCommand(redis, "XREAD COUNT 1000 BLOCK 50 STREAMS bench %s", id);
        redisReply *reply = next_reply(redis);
        lane->done += entries_of(reply, id);
        freeReplyObject(reply);
    }
    redisFree(redis);
}

int main(int argc, char **argv)
{
    words_take(argc, argv, 1);
    struct redis_plan redis = {
        .socket = word_text("socket", "redis.sock"), .text = word_filler("text", 300), .window = (unsigned)word_number("window", 125)};
    struct worker_plan plan = {.sender = sender, .follower = follower, .arg = &redis};
    words_plan(&plan);
    words_check();
    if (redis.window > WINDOW_MAX)
        return 2;
    return words_run("redis", &plan);
}
