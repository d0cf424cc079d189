/* measure_send.c - what one send costs in the core: decide, apply, reply and publish, without sealing, disk and sockets.
 *
 * Prints nanoseconds of processor time per message for decoding alone and for decoding with the core, 125 in flight as a pipelining client has them.
 * Usage: measure_send [messages] */
#include "broker/core/core.h"
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t pack_send(cccc_buf_t *out, uint64_t n, bool with_client_id)
{
    static const char text[] =
        "The quick brown fox jumps over the lazy dog and keeps running through the forest until the night falls, when it "
        "stops to rest under an old oak tree, listens to the wind in the leaves, and thinks about the long way that is "
        "still ahead before the hills come into view again at dawn. ok.";
    char client_id[32];
    snprintf(client_id, sizeof client_id, "c-%016llx", (unsigned long long)n);
    out->size = 0;
    cccc_pack_map(out, 4);
    cccc_pack_text(out, "v");
    cccc_pack_uint(out, 1);
    cccc_pack_text(out, "id");
    cccc_pack_uint(out, n);
    cccc_pack_text(out, "op");
    cccc_pack_text(out, "send");
    cccc_pack_text(out, "args");
    cccc_pack_map(out, with_client_id ? 4 : 3);
    cccc_pack_text(out, "group_id");
    cccc_pack_text(out, TEAM);
    cccc_pack_text(out, "text");
    cccc_pack_text(out, text);
    cccc_pack_text(out, "to");
    cccc_pack_array(out, 1);
    cccc_pack_text(out, "peer-1");
    if (with_client_id) {
        cccc_pack_text(out, "client_id");
        cccc_pack_text(out, client_id);
    }
    return out->size;
}

static void drain(cccc_core_t *core)
{
    size_t count;
    struct cccc_effect *effects = cccc_core_take(core, &count);
    for (size_t i = 0; i < count; i++) {
        if (effects[i].kind == CCCC_DO_REPLY)
            cccc_bytes_release(effects[i].reply.bytes);
        else if (effects[i].kind == CCCC_DO_PUBLISH)
            cccc_bytes_release(effects[i].publish.bytes);
    }
}

static double run(uint64_t messages, bool with_core, bool with_client_id)
{
    bench_t *b = bench_new(1);
    bench_group(b, TEAM, "A", team_document(TEAM, "foreman", "active"));
    bench_settle(b);
    cccc_core_t *core = bench_core(b);
    cccc_slot_t slot = 0;
    cccc_core_slot(core, CCCC_STR(TEAM), &slot);
    uint64_t before = bench_durable(b, TEAM);
    cccc_buf_t frame;
    cccc_buf_init(&frame);
    double begin = now_ns();
    for (uint64_t n = 1; n <= messages; n++) {
        pack_send(&frame, n, with_client_id);
        cccc_arena_t *arena = cccc_arena_new(8192);
        char *bytes = cccc_arena_alloc(arena, frame.size);
        memcpy(bytes, frame.data, frame.size);
        struct cccc_call_input input = {.conn = 1 + n % 8, .peer = {.standing = CCCC_PEER_OPERATOR, .uid = 1000, .pid = 1}, .arena = arena};
        struct cccc_refusal refusal;
        if (cccc_request_read(bytes, frame.size, arena, &input.request, &refusal) != CCCC_OK)
            abort();
        if (!with_core) {
            cccc_arena_destroy(&arena);
            continue;
        }
        struct cccc_moment now = {.unix_us = 1700000000000000 + (int64_t)n * 3, .mono_us = n * 3, .random = {n, ~n}};
        cccc_core_request(core, &now, &input);
        drain(core);
        if (n % 125 == 0) {
            cccc_core_durable(core, &now, slot, before + n);
            drain(core);
        }
    }
    double ns = (now_ns() - begin) / (double)messages;
    cccc_buf_fini(&frame);
    bench_free(&b);
    return ns;
}

int main(int argc, char **argv)
{
    cccc_arena_keep_spare(1024); /* as the loop does */
    uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    messages -= messages % 125;
    for (int with_client_id = 0; with_client_id < 2; with_client_id++) {
        double decode = run(messages, false, with_client_id), all = run(messages, true, with_client_id);
        printf("%s client_id: decode %.0f ns, decode and core %.0f ns, core %.0f ns\n", with_client_id ? "with" : "without", decode, all,
               all - decode);
    }
    return 0;
}
