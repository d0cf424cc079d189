/* codec.c - what the codec costs per message: `bench_codec [milliseconds per figure]`.
 *
 * One thread, a 300-byte text, everything warm: the floor under any figure of the broker. */
#include "proto/event.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GROUP_ID "g_0123456789ab"

static char text[301];
static cccc_buf_t request, packed, line;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add_str(const char *key, const char *value)
{
    cccc_pack_text(&packed, key);
    cccc_pack_text(&packed, value);
}

static void make_request(void)
{
    cccc_pack_map(&packed, 5);
    add_str("group_id", GROUP_ID);
    add_str("text", text);
    cccc_pack_text(&packed, "to");
    cccc_pack_array(&packed, 1);
    cccc_pack_text(&packed, "peer-1");
    add_str("by", "user");
    add_str("client_id", "4a1f5f6e2c7b49d0a5a9f1c2d3e4f506");
    cccc_request_write(&request, 123456, "send", packed.data, packed.size);
    packed.size = 0;
}

static cccc_value_t strings(cccc_arena_t *arena, const char *one)
{
    cccc_builder_t b = cccc_array_builder(arena, 1);
    cccc_array_add(&b, cccc_text(one));
    return b.value;
}

static cccc_value_t message_data(cccc_arena_t *arena)
{
    cccc_builder_t b = cccc_map_builder(arena, 16);
    cccc_map_add(&b, "text", cccc_text(text));
    cccc_map_add(&b, "format", cccc_text("plain"));
    cccc_map_add(&b, "priority", cccc_text("normal"));
    cccc_map_add(&b, "reply_required", cccc_bool(false));
    cccc_map_add(&b, "to", strings(arena, "peer-1"));
    cccc_map_add(&b, "reply_to", cccc_nil());
    cccc_map_add(&b, "quote_text", cccc_nil());
    cccc_map_add(&b, "src_group_id", cccc_nil());
    cccc_map_add(&b, "src_event_id", cccc_nil());
    cccc_map_add(&b, "dst_group_id", cccc_nil());
    cccc_map_add(&b, "dst_to", cccc_nil());
    cccc_map_add(&b, "refs", cccc_array_builder(arena, 0).value);
    cccc_map_add(&b, "attachments", cccc_array_builder(arena, 0).value);
    cccc_map_add(&b, "thread", cccc_text(""));
    cccc_map_add(&b, "client_id", cccc_text("4a1f5f6e2c7b49d0a5a9f1c2d3e4f506"));
    cccc_map_add(&b, "audience", strings(arena, "peer-1"));
    return b.value;
}

static struct cccc_event make_event(cccc_arena_t *arena)
{
    cccc_builder_t attest = cccc_map_builder(arena, 2);
    cccc_map_add(&attest, "as", cccc_text("operator"));
    cccc_map_add(&attest, "pid", cccc_uint(12345));
    return (struct cccc_event){
        .id = CCCC_STR("0198f2a4b1c2000000000fabcdef0123"),
        .ts = CCCC_STR("2026-01-01T12:34:56.123456Z"),
        .seq = 4711,
        .kind = CCCC_STR("chat.message"),
        .group_id = CCCC_STR(GROUP_ID),
        .scope_key = CCCC_STR("s_c3b177f21e90"),
        .by = CCCC_STR("user"),
        .attest = attest.value,
        .data = message_data(arena),
        .extra = cccc_nil(),
    };
}

/* One round of each figure. */

static void read_request(const struct cccc_event *event)
{
    (void)event;
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_request req;
    struct cccc_refusal refusal;
    CCCC_ASSERT(cccc_request_read(request.data, request.size, arena, &req, &refusal) == CCCC_OK, "%s", refusal.message.text);
    cccc_arena_destroy(&arena);
}

static void pack_event(const struct cccc_event *event)
{
    packed.size = 0;
    cccc_event_pack(event, &packed);
}

static void write_line(const struct cccc_event *event)
{
    struct cccc_seal seal = {.epoch = 7, .dur = 4700, .prev = 0xdeadbeef};
    line.size = 0;
    cccc_line_write(event, &seal, &line);
}

static void inspect_line(const struct cccc_event *event)
{
    uint64_t seq;
    struct cccc_seal seal;
    (void)event;
    CCCC_ASSERT(cccc_line_inspect(line.data, line.size - 1, &seq, &seal) == CCCC_LINE_SOUND);
}

static void read_line(const struct cccc_event *event)
{
    (void)event;
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_event read;
    struct cccc_seal seal;
    struct cccc_errmsg m;
    CCCC_ASSERT(cccc_line_read(line.data, line.size - 1, arena, &read, &seal, &m) == CCCC_OK, "%s", m.text);
    cccc_arena_destroy(&arena);
}

static void unpack_event(const struct cccc_event *event)
{
    (void)event;
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_event read;
    CCCC_ASSERT(cccc_event_unpack(packed.data, packed.size, arena, &read, NULL) == CCCC_OK);
    cccc_arena_destroy(&arena);
}

/* The best of many short runs: what the code costs, not what the machine was busy with. */
static void measure(const char *name, void (*round)(const struct cccc_event *), const struct cccc_event *event, const cccc_buf_t *subject,
                    uint64_t budget_ns)
{
    enum { ROUNDS = 2000 };
    uint64_t best = UINT64_MAX, until = now_ns() + budget_ns;
    do {
        uint64_t start = now_ns();
        for (int i = 0; i < ROUNDS; i++)
            round(event);
        uint64_t took = now_ns() - start;
        best = took < best ? took : best;
    } while (now_ns() < until);
    double ns = (double)best / ROUNDS;
    printf("%-14s %7.0f ns  %5zu bytes  %6.0f MB/s\n", name, ns, subject->size, (double)subject->size * 1000 / ns);
}

int main(int argc, char **argv)
{
    uint64_t budget_ns = (argc > 1 ? strtoull(argv[1], NULL, 10) : 300) * 1000000u;
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 5; i < sizeof text - 1; i += 6)
        text[i] = ' ';
    cccc_arena_t *arena = cccc_arena_new(65536);
    make_request();
    struct cccc_event event = make_event(arena);
    measure("request_read", read_request, &event, &request, budget_ns);
    measure("event_pack", pack_event, &event, &packed, budget_ns);
    measure("event_unpack", unpack_event, &event, &packed, budget_ns);
    measure("line_write", write_line, &event, &line, budget_ns);
    measure("line_inspect", inspect_line, &event, &line, budget_ns);
    measure("line_read", read_line, &event, &line, budget_ns);
    cccc_buf_fini(&request);
    cccc_buf_fini(&packed);
    cccc_buf_fini(&line);
    cccc_arena_destroy(&arena);
    return 0;
}
