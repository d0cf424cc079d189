/* ledger.c - what the ledger costs by itself: `bench_ledger [megabytes]`.
 *
 * One thread, lines of about 500 bytes, on a real disk in a folder of its own under $TMPDIR, removed afterwards. Appending is sealing only; committing is write and
 * fdatasync, one batch after the other, as a lone commit thread would; opening folds every event; reads are from the cache. */
#include "broker/ledger/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static cccc_ledger_t *ledger;
static cccc_arena_t *arena;
static cccc_value_t data;
static char dir[128];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(cccc_err_t err, const struct cccc_errmsg *m)
{
    if (err == CCCC_OK)
        return;
    fprintf(stderr, "bench_ledger: %s\n", m->text);
    exit(1);
}

static void make_data(void)
{
    static char text[280];
    memset(text, 'a', sizeof text - 1);
    arena = cccc_arena_new(4096);
    cccc_builder_t to = cccc_array_builder(arena, 1), map = cccc_map_builder(arena, 2);
    cccc_array_add(&to, cccc_text("bob"));
    cccc_map_add(&map, "text", cccc_text(text));
    cccc_map_add(&map, "audience", to.value);
    data = map.value;
}

static void append(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t seq = cccc_ledger_head(ledger) + 1;
        char id[33];
        cccc_event_id_make(id, 1767225600000u, seq, seq);
        struct cccc_event event = {.id = cccc_str(id),
                                   .ts = CCCC_STR("2026-01-01T00:00:00.000000Z"),
                                   .seq = seq,
                                   .kind = CCCC_STR("chat.message"),
                                   .group_id = CCCC_STR("g_000000000001"),
                                   .by = CCCC_STR("alice"),
                                   .attest = cccc_nil(),
                                   .data = data,
                                   .extra = cccc_nil()};
        cccc_ledger_append(ledger, &event);
    }
}

static void commit(void)
{
    cccc_batch_t *batch;
    while ((batch = cccc_ledger_take(ledger))) {
        struct cccc_commit result;
        cccc_batch_commit(batch);
        cccc_ledger_done(ledger, &batch, &result);
        must(result.err, &result.message);
    }
}

static void mark(void)
{
    cccc_mark_t *m = cccc_ledger_take_mark(ledger);
    if (!m)
        return;
    cccc_mark_write(m);
    cccc_ledger_mark_done(ledger, &m);
}

static void fold(void *arg, const struct cccc_event *event)
{
    *(uint64_t *)arg += event->data.via.map.size;
}

static void open_ledger(bool folding)
{
    uint64_t sum = 0;
    struct cccc_recovery report;
    struct cccc_errmsg m;
    char group[160];
    snprintf(group, sizeof group, "%s/g_000000000001", dir);
    struct cccc_ledger_options options = {
        .vfs = &cccc_vfs_posix, .group_dir = group, .epoch = 1, .create = true, .fold = folding ? fold : NULL, .arg = &sum};
    must(cccc_ledger_open(&options, &ledger, &report, &m), &m);
}

static void bench_append(uint64_t bytes)
{
    double sealing = 0;
    uint64_t events = 0;
    while (cccc_ledger_size(ledger) < bytes) {
        double start = now();
        append(512);
        sealing += now() - start;
        events += 512;
        commit();
    }
    printf("append      %8.0f ns per event\n", sealing / (double)events * 1e9);
}

static void bench_commit(unsigned lines)
{
    double start = now(), took = 0;
    unsigned batches = 0;
    for (; took < 0.5; took = now() - start, batches++) {
        append(lines);
        commit();
    }
    printf("commit %4u  %8.0f us per batch, %8.0f events/s\n", lines, took / batches * 1e6, lines * batches / took);
}

static void bench_open(bool folding)
{
    double start = now();
    double bytes = (double)cccc_ledger_size(ledger);
    cccc_ledger_close(&ledger);
    open_ledger(folding);
    printf("open        %8.0f MB/s%s\n", bytes / (now() - start) / 1e6, folding ? ", every event decoded and folded" : ", judged only");
}

static void bench_verify(void)
{
    struct cccc_verify_report report;
    struct cccc_errmsg m;
    char group[160];
    snprintf(group, sizeof group, "%s/g_000000000001", dir);
    double start = now();
    must(cccc_ledger_verify(&cccc_vfs_posix, group, NULL, NULL, NULL, &report, &m), &m);
    printf("verify      %8.0f MB/s\n", (double)report.bytes / (now() - start) / 1e6);
}

static void bench_read(const char *name, const struct cccc_read_query *query)
{
    double start = now(), took = 0;
    unsigned runs = 0;
    uint32_t events = 0;
    for (; took < 0.3; took = now() - start, runs++) {
        cccc_read_t *read = cccc_ledger_plan_read(ledger, query);
        cccc_read_run(read);
        events = cccc_read_result(read)->event_count;
        cccc_read_destroy(&read);
    }
    printf("read %-6s %8.1f us per read of %u events\n", name, took / runs * 1e6, events);
}

static void bench_reads(void)
{
    uint64_t head = cccc_ledger_head(ledger), one = head / 3;
    bench_read("before", &(struct cccc_read_query){.mode = CCCC_READ_BEFORE, .limit = 50, .bytes_max = 1 << 20});
    bench_read("after", &(struct cccc_read_query){.mode = CCCC_READ_AFTER, .seq = head / 2, .limit = 1000, .bytes_max = 1 << 20});
    bench_read("seqs", &(struct cccc_read_query){.mode = CCCC_READ_SEQS, .seqs = &one, .seq_count = 1, .limit = 1, .bytes_max = 1 << 20});
    bench_read("none", &(struct cccc_read_query){.mode = CCCC_READ_BEFORE, .limit = 50, .bytes_max = 1 << 20, .by = CCCC_STR("nobody")});
}

static void clean_up(void)
{
    static const char *const parts[] = {"state/ledger/mark", "state/ledger/ledger.lock", "state/ledger", "state", "ledger.jsonl", ""};
    char path[200];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(path, sizeof path, "%s/g_000000000001/%s", dir, parts[i]);
        remove(path);
    }
    remove(dir);
}

int main(int argc, char **argv)
{
    uint64_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 200) * 1000000;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.90s/cccc-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir)) {
        perror("bench_ledger: mkdtemp");
        return 1;
    }
    atexit(clean_up);
    make_data();
    open_ledger(false);
    bench_append(bytes);
    static const unsigned lines[] = {1, 16, 64, 256, 512, 1024};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        bench_commit(lines[i]);
    mark();
    bench_open(false);
    bench_open(true);
    bench_verify();
    bench_reads();
    cccc_ledger_close(&ledger);
    cccc_arena_destroy(&arena);
    return 0;
}
