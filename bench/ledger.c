/* ledger.c - what the ledger costs by itself: `bench_ledger [megabytes]`; or only whether it is verified fast enough: `bench_ledger --verify megabytes least`.
 *
 * One thread, lines of about 500 bytes of made-up words, on a real disk in a folder of its own under $TMPDIR, removed afterwards. Appending is making lines only;
 * committing is write and fdatasync, one batch after the other, as a lone commit thread would; opening folds every event; reads are from the cache.
 * With --verify it exits 1 when a ledger of that size, as it was written or in sealed segments, is verified at less than `least` megabytes of lines in a second of
 * processor time, the best of three: what else runs on the machine changes little about that. */
#include "broker/ledger/ledger.h"
#include "broker/ledger/seal.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXTS = 1024, TEXT_BYTES = 280, ROUNDS = 3 };

static cccc_ledger_t *ledger;
static cccc_arena_t *arena;
static cccc_value_t data[TEXTS]; /* no frame of a segment has two of the same */
static char dir[128], group[160];

static double seconds(clockid_t of)
{
    struct timespec t;
    clock_gettime(of, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

static void must(cccc_err_t err, const struct cccc_errmsg *m)
{
    if (err == CCCC_OK)
        return;
    fprintf(stderr, "bench_ledger: %s\n", m->text);
    exit(1);
}

/* Of one to eight letters, out of a few thousand words: sealed lines are neither all the same nor noise. */
static void write_words(char *text, uint64_t *dice)
{
    for (size_t at = 0; at < TEXT_BYTES; text[at++] = ' ') {
        *dice = *dice * 6364136223846793005u + 1442695040888963407u;
        uint64_t word = (*dice >> 33) % 4096 * 0x9e3779b97f4a7c15u;
        for (unsigned letters = 1 + word % 8; letters > 0 && at < TEXT_BYTES - 1; letters--, word >>= 5)
            text[at++] = (char)('a' + word % 26);
    }
    text[TEXT_BYTES] = '\0';
}

static void make_data(void)
{
    uint64_t dice = 1;
    arena = cccc_arena_new(4096);
    cccc_builder_t to = cccc_array_builder(arena, 1);
    cccc_array_add(&to, cccc_text("bob"));
    for (size_t i = 0; i < TEXTS; i++) {
        char *text = cccc_arena_alloc(arena, TEXT_BYTES + 1);
        write_words(text, &dice);
        cccc_builder_t map = cccc_map_builder(arena, 2);
        cccc_map_add(&map, "text", cccc_text(text));
        cccc_map_add(&map, "audience", to.value);
        data[i] = map.value;
    }
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
                                   .data = data[seq % TEXTS],
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

/* Megabytes of lines in a second of processor time, the best of some rounds. */
static double bench_verify(const char *what)
{
    struct cccc_verify_report report;
    struct cccc_errmsg m;
    double wall = 0, cpu = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double started = now(), used = seconds(CLOCK_PROCESS_CPUTIME_ID);
        must(cccc_ledger_verify(&cccc_vfs_posix, group, NULL, NULL, NULL, &report, &m), &m);
        double megabytes = (double)report.bytes / 1e6;
        double by_wall = megabytes / (now() - started), by_cpu = megabytes / (seconds(CLOCK_PROCESS_CPUTIME_ID) - used);
        wall = by_wall > wall ? by_wall : wall;
        cpu = by_cpu > cpu ? by_cpu : cpu;
    }
    printf("verify %-6s %6.0f MB/s, %6.0f MB per second of processor time\n", what, wall, cpu);
    return cpu;
}

/* All lines but the last go into segments. */
static void seal(void)
{
    struct cccc_seal_result result;
    bool over = false;
    cccc_sealing_t *sealing = cccc_ledger_take_seal(ledger, &(struct cccc_seal_options){.keep_lines = 1});
    cccc_seal_prepare(sealing);
    cccc_seal_catch_up(sealing);
    if (cccc_ledger_seal_begin_switch(ledger, sealing, &over))
        cccc_seal_switch(sealing);
    cccc_ledger_seal_done(ledger, sealing, &result);
    must(result.err, &result.message);
    for (uint32_t i = 0; i < result.segments; i++)
        free(result.ids[i].filter);
    cccc_seal_destroy(&sealing);
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

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(path);
}

static void clean_up(void)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_fast(double least)
{
    double written = bench_verify("active");
    seal();
    double sealed = bench_verify("sealed");
    if (written < least || sealed < least)
        fprintf(stderr, "bench_ledger: %.0f MB per second of processor time were wanted\n", least);
    return written >= least && sealed >= least;
}

int main(int argc, char **argv)
{
    bool gate = argc == 4 && strcmp(argv[1], "--verify") == 0;
    const char *megabytes = gate ? argv[2] : argc > 1 ? argv[1] : "200";
    uint64_t bytes = strtoull(megabytes, NULL, 10) * 1000000;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.90s/cccc-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir)) {
        perror("bench_ledger: mkdtemp");
        return 1;
    }
    atexit(clean_up);
    snprintf(group, sizeof group, "%s/g_000000000001", dir);
    make_data();
    open_ledger(false);
    bench_append(bytes);
    if (gate)
        return is_fast(strtod(argv[3], NULL)) ? 0 : 1;
    static const unsigned lines[] = {1, 16, 64, 256, 512, 1024};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        bench_commit(lines[i]);
    mark();
    bench_open(false);
    bench_open(true);
    bench_verify("active");
    bench_reads();
    seal();
    bench_verify("sealed");
    cccc_ledger_close(&ledger);
    cccc_arena_destroy(&arena);
    return 0;
}
