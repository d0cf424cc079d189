/* world.c - the bench: a ledger, its disk, its model. */
#include "tests/ledger/world.h"

#include "broker/ledger/ledger_private.h"
#include "tests/support/ledger_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

_Noreturn void world_fail(const struct world *w, const char *file, int line, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "\n%s:%d: seed %llu: ", file, line, (unsigned long long)w->seed);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nlast opening: %llu events, head %llu, note '%s', error '%s'\n", (unsigned long long)w->report.events,
            (unsigned long long)w->report.head_seq, w->report.note, w->message.text);
    fail();
    abort();
}

void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed, .disk = simdisk_new(seed)};
    w->vfs = simdisk_vfs(w->disk);
    w->arena = cccc_arena_new(4096);
    cccc_buf_init(&w->acked);
    cccc_buf_init(&w->maybe);
    cccc_buf_init(&w->whole);
    if (cccc_vfs_make_dirs(w->vfs, "/home/groups") < 0)
        world_fail(w, __FILE__, __LINE__, "no /home/groups");
}

void world_fini(struct world *w)
{
    simdisk_arm(w->disk, NULL);
    cccc_ledger_close(&w->ledger);
    cccc_arena_destroy(&w->arena);
    cccc_buf_fini(&w->acked);
    cccc_buf_fini(&w->maybe);
    cccc_buf_fini(&w->whole);
    simdisk_destroy(&w->disk);
}

static void fold(void *arg, const struct cccc_event *event)
{
    struct world *w = arg;
    WORLD_REQUIRE(w, event->seq > w->last_seq, ": %llu after %llu", (unsigned long long)event->seq, (unsigned long long)w->last_seq);
    w->last_seq = event->seq;
    w->folded++;
}

static void fold_gap(void *arg, const struct cccc_gap *gap)
{
    struct world *w = arg;
    WORLD_REQUIRE(w, gap->from_seq == w->last_seq + 1, ": gap from %llu", (unsigned long long)gap->from_seq);
    w->last_seq = gap->to_seq;
    if (w->gap_count < WORLD_GAPS_MAX)
        w->gaps[w->gap_count] = *gap;
    w->gap_count++;
}

cccc_err_t world_open(struct world *w)
{
    w->folded = w->last_seq = 0;
    w->gap_count = 0;
    w->message.text[0] = '\0';
    return cccc_ledger_open(&(struct cccc_ledger_options){.vfs = w->vfs,
                                                          .group_dir = WORLD_GROUP,
                                                          .group_id = "g_000000000001",
                                                          .epoch = ++w->epoch,
                                                          .at = 1767604500 + w->epoch,
                                                          .by = "world",
                                                          .create = true,
                                                          .fold = fold,
                                                          .fold_gap = fold_gap,
                                                          .arg = w},
                            &w->ledger, &w->report, &w->message);
}

void world_close(struct world *w)
{
    cccc_ledger_close(&w->ledger);
    unsigned open = simdisk_open_files(w->disk);
    WORLD_REQUIRE(w, simdisk_is_down(w->disk) || open == 0, ": %u descriptors leaked", open);
}

void world_die(struct world *w, const enum simdisk_loss *loss)
{
    simdisk_halt(w->disk);
    cccc_ledger_close(&w->ledger);
    if (loss)
        simdisk_power_cut(w->disk, *loss);
    else
        simdisk_kill(w->disk);
}

void world_append(struct world *w, unsigned count, unsigned bytes_max)
{
    static char text[64 * 1024];
    if (!text[0])
        memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < count; i++) {
        msgpack_zone_clear(w->arena);
        uint64_t seq = cccc_ledger_head(w->ledger) + 1;
        char id[33];
        cccc_event_id_make(id, 1700000000000u + seq, seq, simdisk_roll(w->disk, 1u << 30));
        cccc_builder_t data = cccc_map_builder(w->arena, 2);
        cccc_builder_t audience = cccc_array_builder(w->arena, 1);
        cccc_array_add(&audience, cccc_text(seq % 3 ? "bob" : "carol"));
        cccc_map_add(&data, "text", cccc_string((cccc_str_t){text, simdisk_roll(w->disk, bytes_max + 1)}));
        cccc_map_add(&data, "audience", audience.value);
        struct cccc_event event = {
            .id = cccc_str(id),
            .ts = CCCC_STR("2026-01-01T00:00:00.000000Z"),
            .seq = seq,
            .kind = seq % 5 ? CCCC_STR("chat.message") : CCCC_STR("chat.ack"),
            .group_id = CCCC_STR("g_000000000001"),
            .by = seq % 2 ? CCCC_STR("alice") : CCCC_STR("dave"),
            .attest = cccc_nil(),
            .data = data.value,
            .extra = cccc_nil(),
        };
        cccc_ledger_append(w->ledger, &event);
    }
}

bool world_commit(struct world *w, struct cccc_commit *result)
{
    cccc_batch_t *batch = cccc_ledger_take(w->ledger);
    if (!batch)
        return false;
    WORLD_REQUIRE(w, w->maybe.size == 0, ": an unknown outcome is open");
    cccc_buf_put(&w->maybe, batch->bytes.data, batch->bytes.size);
    cccc_batch_commit(batch);
    cccc_ledger_done(w->ledger, &batch, result);
    if (result->err == CCCC_OK)
        cccc_buf_put(&w->acked, w->maybe.data, w->maybe.size);
    if (result->err == CCCC_OK || !result->outcome_unknown)
        w->maybe.size = 0;
    WORLD_REQUIRE(w, cccc_ledger_durable(w->ledger) == result->durable);
    return true;
}

void world_commit_all(struct world *w)
{
    struct cccc_commit result;
    while (world_commit(w, &result))
        WORLD_REQUIRE(w, result.err == CCCC_OK, ": %s", result.message.text);
}

/* Some appends and a commit in the middle of a seal. */
static void append_meanwhile(struct world *w)
{
    struct cccc_commit result;
    if (cccc_ledger_health(w->ledger) != CCCC_LEDGER_OK || simdisk_roll(w->disk, 3) == 0)
        return;
    world_append(w, 1 + (unsigned)simdisk_roll(w->disk, 3), 200);
    world_commit(w, &result);
}

bool world_seal(struct world *w, uint64_t keep)
{
    const struct cccc_seal_options options = {
        .keep_lines = keep, .segment_bytes = 500 + simdisk_roll(w->disk, 3000), .frame_bytes = 100 + (uint32_t)simdisk_roll(w->disk, 900)};
    cccc_sealing_t *seal = cccc_ledger_take_seal(w->ledger, &options);
    if (!seal)
        return false;
    bool over = false;
    struct cccc_seal_result result;
    append_meanwhile(w);
    cccc_seal_prepare(seal);
    append_meanwhile(w);
    if (simdisk_roll(w->disk, 2) && cccc_ledger_seal_behind(w->ledger, seal) > 0)
        cccc_seal_catch_up(seal);
    append_meanwhile(w);
    if (cccc_ledger_seal_begin_switch(w->ledger, seal, &over))
        cccc_seal_switch(seal);
    else
        WORLD_REQUIRE(w, over, ": nothing is out, and the switch may not begin");
    world_seal_done(w, seal, &result);
    cccc_seal_destroy(&seal);
    return result.err == CCCC_OK && result.last_seq > 0;
}

void world_seal_done(struct world *w, cccc_sealing_t *seal, struct cccc_seal_result *result)
{
    cccc_ledger_seal_done(w->ledger, seal, result);
    for (uint32_t i = 0; i < result->segments; i++)
        free(result->ids[i].filter);
}

void world_mark(struct world *w)
{
    cccc_mark_t *mark = cccc_ledger_take_mark(w->ledger);
    if (!mark)
        return;
    cccc_mark_write(mark);
    cccc_ledger_mark_done(w->ledger, &mark);
}

void world_bytes(struct world *w, const char **bytes, size_t *len)
{
    w->whole.size = 0;
    ledger_bytes(w->disk, WORLD_GROUP, &w->whole, NULL);
    *bytes = w->whole.size ? w->whole.data : "";
    *len = w->whole.size;
}

void world_check_file(struct world *w)
{
    const char *bytes;
    size_t len;
    world_bytes(w, &bytes, &len);
    WORLD_REQUIRE(w, len >= w->acked.size, ": %zu acknowledged bytes, %zu in the file", w->acked.size, len);
    WORLD_REQUIRE(w, w->acked.size == 0 || memcmp(bytes, w->acked.data, w->acked.size) == 0, ": an acknowledged byte has changed");
    size_t rest = len - w->acked.size;
    WORLD_REQUIRE(w, rest <= w->maybe.size, ": %zu bytes nobody wrote", rest);
    if (rest > 0) {
        WORLD_REQUIRE(w, memcmp(bytes + w->acked.size, w->maybe.data, rest) == 0, ": the unacknowledged lines are not a prefix");
        /* A line that lost nothing but its newline counts; the next batch begins with it. */
        bool whole = rest == w->maybe.size || w->maybe.data[rest - 1] == '\n' || w->maybe.data[rest] == '\n';
        WORLD_REQUIRE(w, whole, ": a line is cut in two");
        cccc_buf_put(&w->acked, w->maybe.data, rest);
    }
    w->maybe.size = 0;
}

/* ---- recovery's promises ---- */

struct aside {
    struct world *w;
    uint64_t bytes; /* in files named for where they were cut */
    char prefix[64];
};

static void look_aside(void *arg, const char *name)
{
    struct aside *aside = arg;
    struct world *w = aside->w;
    if (strncmp(name, aside->prefix, strlen(aside->prefix)) != 0)
        return;
    char path[256];
    const char *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", WORLD_TORN, name);
    WORLD_REQUIRE(w, simdisk_peek(w->disk, path, &bytes, &len));
    unsigned long crc = strtoul(strrchr(name, '.') + 1, NULL, 16);
    if (crc == cccc_crc32c(0, bytes, len) && len > aside->bytes)
        aside->bytes = len;
}

static void check_kept_aside(struct world *w)
{
    uint64_t len = cccc_ledger_size(w->ledger);
    struct aside aside = {.w = w};
    snprintf(aside.prefix, sizeof aside.prefix, "torn.%llu.", (unsigned long long)len);
    w->vfs->list(w->vfs->ctx, WORLD_TORN, look_aside, &aside);
    WORLD_REQUIRE(w, aside.bytes >= w->report.torn_bytes, ": %llu bytes were cut and not kept", (unsigned long long)w->report.torn_bytes);
}

static uint64_t count_lines(const char *bytes, size_t len)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += bytes[i] == '\n';
    return lines + (len > 0 && bytes[len - 1] != '\n');
}

static void open_well(struct world *w)
{
    cccc_err_t err = world_open(w);
    WORLD_REQUIRE(w, err == CCCC_OK, ": cannot open: %s", w->message.text);
    WORLD_REQUIRE(w, cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK, ": %s", cccc_ledger_note(w->ledger));
}

/* Open again: the same bytes, the same events, nothing left to do. */
static void open_again(struct world *w, uint64_t events)
{
    open_well(w);
    world_check_file(w);
    WORLD_REQUIRE(w, w->report.events == events && w->report.torn_bytes == 0);
}

void world_recover(struct world *w)
{
    const char *bytes;
    size_t len;
    simdisk_arm(w->disk, NULL);
    open_well(w);
    world_check_file(w);
    if (w->report.torn_bytes > 0)
        check_kept_aside(w);
    world_bytes(w, &bytes, &len);
    uint64_t events = count_lines(bytes, len);
    WORLD_REQUIRE(w, w->report.events == events && w->folded == events && w->gap_count == 0);
    WORLD_REQUIRE(w, cccc_ledger_head(w->ledger) == events && cccc_ledger_durable(w->ledger) == events &&
                         w->ledger->archive->raw + cccc_ledger_size(w->ledger) - w->ledger->begin == len);
    world_close(w);
    open_again(w, events);
    world_die(w, &(enum simdisk_loss){SIMDISK_LOSE_ALL});
    open_again(w, events);
}

struct world_arguments world_arguments(int argc, char **argv)
{
    struct world_arguments out = {.seed = 1, .histories = 4000};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            out.seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--histories") == 0)
            out.histories = strtoull(argv[i + 1], NULL, 10);
    }
    return out;
}
