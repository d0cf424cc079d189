/* test_read.c - reads in every mode against a naive reading of the same file, over random ledgers with damage in them.
 *
 * usage: test_ledger_read [--seed N] [--histories N] */
#include "broker/ledger/ledger_private.h"
#include "proto/json.h"
#include "tests/ledger/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world_arguments arguments;

enum { SHELF_EVENTS_MAX = 600 };

/* A ledger, and what the test knows of each of its events without asking the ledger. */
struct shelf {
    struct world w;
    uint64_t head;
    bool damaged[SHELF_EVENTS_MAX + 1];
    cccc_buf_t packed[SHELF_EVENTS_MAX + 1];
    char kind[SHELF_EVENTS_MAX + 1][16], by[SHELF_EVENTS_MAX + 1][16], recipient[SHELF_EVENTS_MAX + 1][16];
};

static void note_event(struct shelf *shelf, const char *line, size_t len, uint64_t seq)
{
    struct cccc_event event;
    struct cccc_seal seal;
    msgpack_zone_clear(shelf->w.arena);
    assert_int_equal(cccc_line_read(line, len, shelf->w.arena, &event, &seal, NULL), CCCC_OK);
    event.seq = seq;
    cccc_buf_init(&shelf->packed[seq]);
    cccc_event_pack(&event, &shelf->packed[seq]);
    cccc_str_t recipient = {0};
    const cccc_value_t *audience = cccc_get(&event.data, "audience");
    assert_true(cccc_is_array(audience) && cccc_as_str(&audience->via.array.ptr[0], &recipient));
    snprintf(shelf->kind[seq], 16, "%.*s", CCCC_STR_FMT(event.kind));
    snprintf(shelf->by[seq], 16, "%.*s", CCCC_STR_FMT(event.by));
    snprintf(shelf->recipient[seq], 16, "%.*s", CCCC_STR_FMT(recipient));
}

/* Overwrite some lines (not their newlines) with rubbish; the last one stays. */
static void damage(struct shelf *shelf, unsigned one_in)
{
    struct world *w = &shelf->w;
    const char *bytes;
    size_t len;
    world_bytes(w, &bytes, &len);
    char *copy = cccc_room(len);
    memcpy(copy, bytes, len);
    uint64_t seq = 1;
    for (size_t at = 0; at < len; seq++) {
        size_t end = (size_t)((char *)memchr(copy + at, '\n', len - at) - copy);
        note_event(shelf, copy + at, end - at, seq);
        shelf->damaged[seq] = one_in && seq < shelf->head && simdisk_roll(w->disk, one_in) == 0;
        if (shelf->damaged[seq])
            memset(copy + at, '?', end - at);
        at = end + 1;
    }
    simdisk_poke(w->disk, WORLD_LEDGER, copy, len);
    free(copy);
}

/* Part of the ledger moves into sealed segments: reading must not know the difference. */
static void seal_shelf(struct world *w, uint64_t keep)
{
    const struct cccc_seal_options options = {.keep_lines = keep,
                                              .segment_bytes = 1000 + simdisk_roll(w->disk, 1u << (12 + simdisk_roll(w->disk, 8))),
                                              .frame_bytes = 100 + (uint32_t)simdisk_roll(w->disk, 1u << (8 + simdisk_roll(w->disk, 10)))};
    cccc_sealing_t *seal = cccc_ledger_take_seal(w->ledger, &options);
    bool over;
    struct cccc_seal_result result;
    if (!seal)
        return;
    cccc_seal_prepare(seal);
    if (cccc_ledger_seal_begin_switch(w->ledger, seal, &over))
        cccc_seal_switch(seal);
    world_seal_done(w, seal, &result);
    cccc_seal_destroy(&seal);
    assert_int_equal(result.err, CCCC_OK);
}

/* `one_in` 0: no damage; the ledger is opened again after it. */
static void shelf_init(struct shelf *shelf, uint64_t seed, unsigned one_in)
{
    *shelf = (struct shelf){0};
    struct world *w = &shelf->w;
    world_init(w, seed);
    assert_int_equal(world_open(w), CCCC_OK);
    unsigned batches = 1 + (unsigned)simdisk_roll(w->disk, 6);
    for (unsigned i = 0; i < batches; i++) {
        world_append(w, 1 + (unsigned)simdisk_roll(w->disk, SHELF_EVENTS_MAX / 8), simdisk_roll(w->disk, 4) ? 200 : 20000);
        world_commit_all(w);
    }
    world_mark(w);
    shelf->head = cccc_ledger_head(w->ledger);
    world_close(w);
    damage(shelf, one_in);
    assert_int_equal(world_open(w), CCCC_OK);
    for (uint64_t seals = simdisk_roll(w->disk, 4), keep = shelf->head; seals > 0 && keep > 1; seals--) {
        keep = 1 + simdisk_roll(w->disk, keep);
        seal_shelf(w, keep);
    }
}

static void shelf_fini(struct shelf *shelf)
{
    for (uint64_t seq = 1; seq <= shelf->head; seq++)
        cccc_buf_fini(&shelf->packed[seq]);
    world_fini(&shelf->w);
}

/* The query's mode by number, so that tests can loop over them. */
static void set_mode(struct cccc_read_query *q, uint64_t mode)
{
    q->mode = CCCC_READ_AFTER;
    if (mode == CCCC_READ_BEFORE)
        q->mode = CCCC_READ_BEFORE;
    else if (mode == CCCC_READ_SEQS)
        q->mode = CCCC_READ_SEQS;
}

/* ---- the naive reading ---- */

static bool is_match(const struct shelf *shelf, const struct cccc_read_query *q, uint64_t seq)
{
    if (shelf->damaged[seq])
        return false;
    if (q->by.len && !cccc_str_is(q->by, shelf->by[seq]))
        return false;
    if (q->recipient.len && !cccc_str_is(q->recipient, shelf->recipient[seq]))
        return false;
    bool wanted = q->kinds == NULL;
    for (uint32_t i = 0; q->kinds && i < q->kinds->via.array.size; i++) {
        cccc_str_t kind = {0};
        wanted = wanted || (cccc_as_str(&q->kinds->via.array.ptr[i], &kind) && cccc_str_is(kind, shelf->kind[seq]));
    }
    return wanted;
}

struct expected {
    uint64_t seqs[SHELF_EVENTS_MAX];
    uint32_t count;
    size_t bytes;
    uint64_t checked;
};

/* False when `seq` does not fit any more. */
static bool expect_event(const struct shelf *shelf, const struct cccc_read_query *q, struct expected *e, uint64_t seq)
{
    if (e->count == q->limit || (e->count > 0 && e->bytes + shelf->packed[seq].size > q->bytes_max))
        return false;
    e->bytes += shelf->packed[seq].size;
    e->seqs[e->count++] = seq;
    return true;
}

static void expect_after(const struct shelf *shelf, const struct cccc_read_query *q, struct expected *e)
{
    e->checked = q->seq < shelf->head ? q->seq : shelf->head;
    for (uint64_t seq = q->seq + 1; seq <= shelf->head && e->count < q->limit; seq++) {
        if (is_match(shelf, q, seq) && !expect_event(shelf, q, e, seq))
            return;
        e->checked = seq;
    }
}

/* Newest first. */
static void expect_before(const struct shelf *shelf, const struct cccc_read_query *q, struct expected *e)
{
    uint64_t below = q->seq && q->seq <= shelf->head ? q->seq : shelf->head + 1;
    for (uint64_t seq = below - 1; seq > 0; seq--)
        if (is_match(shelf, q, seq) && !expect_event(shelf, q, e, seq))
            return;
}

/* ---- comparing ---- */

static uint64_t gap_seqs(const struct shelf *shelf, const struct cccc_read_result *r)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < r->gap_count; i++)
        for (uint64_t seq = r->gaps[i].from_seq; seq <= r->gaps[i].to_seq; seq++, count++)
            WORLD_REQUIRE(&shelf->w, seq > shelf->head || shelf->damaged[seq], ": seq %llu is not damaged", (unsigned long long)seq);
    return count;
}

static uint64_t damaged_between(const struct shelf *shelf, uint64_t from, uint64_t to)
{
    uint64_t count = 0;
    for (uint64_t seq = from; seq <= to && seq <= shelf->head; seq++)
        count += shelf->damaged[seq];
    return count;
}

static void check_event(const struct shelf *shelf, const struct cccc_read_result *r, uint32_t i, uint64_t seq)
{
    const struct world *w = &shelf->w;
    uint32_t start = i ? r->event_ends[i - 1] : 0;
    WORLD_REQUIRE(w, r->event_seqs[i] == seq, ": event %u is %llu, not %llu", i, (unsigned long long)r->event_seqs[i],
                  (unsigned long long)seq);
    WORLD_REQUIRE(w, r->event_ends[i] - start == shelf->packed[seq].size);
    WORLD_REQUIRE(w, memcmp(r->events + start, shelf->packed[seq].data, shelf->packed[seq].size) == 0);
}

static void check_after(struct shelf *shelf, const struct cccc_read_query *q)
{
    struct world *w = &shelf->w;
    struct expected e = {0};
    expect_after(shelf, q, &e);
    cccc_read_t *read = cccc_ledger_plan_read(w->ledger, q);
    cccc_read_run(read);
    const struct cccc_read_result *r = cccc_read_result(read);
    WORLD_REQUIRE(w, r->err == CCCC_OK && r->event_count == e.count, ": after %llu: %u events, not %u", (unsigned long long)q->seq,
                  r->event_count, e.count);
    for (uint32_t i = 0; i < e.count; i++)
        check_event(shelf, r, i, e.seqs[i]);
    WORLD_REQUIRE(w, r->events_len == e.bytes);
    /* Where the naive reading stops at a damaged line, the gap as a whole comes with the next read. */
    WORLD_REQUIRE(w, r->checked_seq <= e.checked && damaged_between(shelf, r->checked_seq + 1, e.checked) == e.checked - r->checked_seq);
    WORLD_REQUIRE(w, gap_seqs(shelf, r) == damaged_between(shelf, q->seq + 1, r->checked_seq));
    WORLD_REQUIRE(w, r->more == (r->checked_seq < shelf->head));
    cccc_read_destroy(&read);
}

static void check_before(struct shelf *shelf, const struct cccc_read_query *q)
{
    struct world *w = &shelf->w;
    struct expected e = {0};
    expect_before(shelf, q, &e);
    uint64_t below = q->seq && q->seq <= shelf->head ? q->seq : shelf->head + 1;
    cccc_read_t *read = cccc_ledger_plan_read(w->ledger, q);
    cccc_read_run(read);
    const struct cccc_read_result *r = cccc_read_result(read);
    WORLD_REQUIRE(w, r->err == CCCC_OK && r->event_count <= e.count, ": before %llu: %u events, not %u", (unsigned long long)q->seq,
                  r->event_count, e.count);
    for (uint32_t i = 0; i < r->event_count; i++)
        check_event(shelf, r, i, e.seqs[r->event_count - 1 - i]);
    /* A bounded look back may find fewer than there are, but says how far it looked and skips none. */
    for (uint32_t i = r->event_count; i < e.count; i++)
        WORLD_REQUIRE(w, e.seqs[i] < r->checked_seq, ": %llu was passed over", (unsigned long long)e.seqs[i]);
    WORLD_REQUIRE(w, gap_seqs(shelf, r) == damaged_between(shelf, r->checked_seq, below - 1));
    WORLD_REQUIRE(w, r->more == (r->checked_seq > 1) && (r->checked_seq < below || below == 1));
    cccc_read_destroy(&read);
}

static void check_seqs(struct shelf *shelf, const struct cccc_read_query *q)
{
    struct world *w = &shelf->w;
    cccc_read_t *read = cccc_ledger_plan_read(w->ledger, q);
    cccc_read_run(read);
    const struct cccc_read_result *r = cccc_read_result(read);
    struct expected e = {0};
    uint64_t absent = 0;
    uint32_t i = 0;
    for (; i < q->seq_count && e.count < q->limit; i++) {
        uint64_t seq = q->seqs[i];
        if (seq == 0 || seq > shelf->head || shelf->damaged[seq])
            absent++;
        else if (is_match(shelf, q, seq) && !expect_event(shelf, q, &e, seq))
            break;
    }
    WORLD_REQUIRE(w, r->err == CCCC_OK && r->event_count == e.count, ": %u of %u", r->event_count, e.count);
    for (uint32_t k = 0; k < e.count; k++)
        check_event(shelf, r, k, e.seqs[k]);
    WORLD_REQUIRE(w, r->gap_count == absent && r->more == (i < q->seq_count));
    cccc_read_destroy(&read);
}

/* ---- random queries ---- */

static struct cccc_read_query random_query(struct shelf *shelf, cccc_arena_t *arena, cccc_value_t *kinds, uint64_t *seqs)
{
    simdisk_t *dice = shelf->w.disk;
    struct cccc_read_query q = {
        .seq = simdisk_roll(dice, shelf->head + 3),
        .limit = 1 + (uint32_t)simdisk_roll(dice, simdisk_roll(dice, 2) ? 10 : 500),
        .bytes_max = simdisk_roll(dice, 3) ? 1u << 20 : (uint32_t)simdisk_roll(dice, 4000),
        .seqs = seqs,
    };
    set_mode(&q, simdisk_roll(dice, 3));
    if (simdisk_roll(dice, 4) == 0)
        q.by = CCCC_STR("alice");
    if (simdisk_roll(dice, 4) == 0)
        q.recipient = simdisk_roll(dice, 2) ? CCCC_STR("carol") : CCCC_STR("bob");
    if (simdisk_roll(dice, 4) == 0) {
        cccc_builder_t b = cccc_array_builder(arena, 2);
        cccc_array_add(&b, cccc_text("chat.ack"));
        cccc_array_add(&b, cccc_text("no.such"));
        *kinds = b.value;
        q.kinds = kinds;
    }
    for (uint64_t seq = simdisk_roll(dice, 3); seq <= shelf->head + 2 && q.seq_count < 64; seq += 1 + simdisk_roll(dice, 20))
        seqs[q.seq_count++] = seq;
    return q;
}

/* Every mode, filter and limit gives what a naive reading gives, damage included, byte for byte. */
static void all_modes_agree_with_a_naive_reading(void **state)
{
    (void)state;
    static struct shelf shelf;
    cccc_arena_t *arena = cccc_arena_new(1024);
    uint64_t histories = arguments.histories / 40;
    printf("seed %llu, %llu ledgers\n", (unsigned long long)arguments.seed, (unsigned long long)histories);
    for (uint64_t i = 0; i < histories; i++) {
        shelf_init(&shelf, arguments.seed + i, i % 3 == 0 ? 0 : i % 3 == 1 ? 30 : 3);
        for (unsigned k = 0; k < 30; k++) {
            cccc_value_t kinds;
            uint64_t seqs[64];
            struct cccc_read_query q = random_query(&shelf, arena, &kinds, seqs);
            if (q.mode == CCCC_READ_AFTER)
                check_after(&shelf, &q);
            else if (q.mode == CCCC_READ_BEFORE)
                check_before(&shelf, &q);
            else
                check_seqs(&shelf, &q);
            msgpack_zone_clear(arena);
        }
        shelf_fini(&shelf);
    }
    cccc_arena_destroy(&arena);
}

/* ---- a large ledger ---- */

enum { LARGE_EVENTS = 700, LARGE_BYTES = 40000 }; /* about 14 MiB */

static void large(struct world *w)
{
    world_init(w, arguments.seed);
    assert_int_equal(world_open(w), CCCC_OK);
    for (unsigned i = 0; i < LARGE_EVENTS; i++)
        world_append(w, 1, LARGE_BYTES);
    world_commit_all(w);
}

/* Runs `q` to its end, page by page; returns the runs it took and adds up what it found. */
static unsigned page_through(struct world *w, struct cccc_read_query *q, uint32_t *events)
{
    unsigned runs = 0;
    bool more = true;
    *events = 0;
    while (more) {
        cccc_read_t *read = cccc_ledger_plan_read(w->ledger, q);
        cccc_read_run(read);
        const struct cccc_read_result *r = cccc_read_result(read);
        assert_int_equal(r->err, CCCC_OK);
        assert_true(r->checked_seq != q->seq || !r->more);
        *events += r->event_count;
        more = r->more;
        q->seq = r->checked_seq;
        runs++;
        cccc_read_destroy(&read);
    }
    return runs;
}

/* A filter that matches nothing still comes back after a bounded look, in both directions, and paging on finds the end. */
static void a_run_looks_at_a_bounded_stretch(void **state)
{
    (void)state;
    struct world w;
    uint32_t events;
    large(&w);
    uint64_t runs_needed = cccc_ledger_size(w.ledger) / CCCC_READ_SCAN_BYTES_MAX;
    struct cccc_read_query q = {.mode = CCCC_READ_AFTER, .limit = 10, .bytes_max = 1 << 20, .by = CCCC_STR("nobody")};
    unsigned runs = page_through(&w, &q, &events);
    assert_true(runs > runs_needed && runs <= runs_needed + 2);
    assert_int_equal(events, 0);
    q = (struct cccc_read_query){.mode = CCCC_READ_BEFORE, .limit = 10, .bytes_max = 1 << 20, .by = CCCC_STR("nobody")};
    runs = page_through(&w, &q, &events);
    assert_true(runs > runs_needed && runs <= runs_needed + 2);
    assert_int_equal(events, 0);
    q = (struct cccc_read_query){.mode = CCCC_READ_BEFORE, .limit = 50, .bytes_max = 1 << 20};
    page_through(&w, &q, &events);
    assert_int_equal(events, LARGE_EVENTS);
    q = (struct cccc_read_query){.mode = CCCC_READ_AFTER, .limit = 50, .bytes_max = 1 << 20};
    page_through(&w, &q, &events);
    assert_int_equal(events, LARGE_EVENTS);
    world_fini(&w);
}

/* Bytes read by the disk below. */
static const struct cccc_vfs *below;
static uint64_t bytes_read;

static ssize_t counting_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    ssize_t n = below->pread(ctx, fd, buf, len, offset);
    bytes_read += n > 0 ? (uint64_t)n : 0;
    return n;
}

/* The last events of a large ledger cost about their own size to read, not the ledger's; so do single ones. */
static void the_tail_costs_the_tail(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    struct cccc_vfs counting = *w.vfs;
    below = w.vfs;
    counting.pread = counting_pread;
    w.vfs = &counting;
    assert_int_equal(world_open(&w), CCCC_OK);
    for (unsigned i = 0; i < 200; i++)
        world_append(&w, 100, 300);
    world_commit_all(&w);
    uint64_t middle = 9999;
    const struct cccc_read_query queries[] = {
        {.mode = CCCC_READ_BEFORE, .limit = 50, .bytes_max = 1 << 20},
        {.mode = CCCC_READ_AFTER, .seq = 19950, .limit = 50, .bytes_max = 1 << 20},
        {.mode = CCCC_READ_SEQS, .seqs = &middle, .seq_count = 1, .limit = 1, .bytes_max = 1 << 20},
    };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        bytes_read = 0;
        cccc_read_t *read = cccc_ledger_plan_read(w.ledger, &queries[i]);
        cccc_read_run(read);
        assert_int_equal(cccc_read_result(read)->event_count, queries[i].limit);
        assert_true(bytes_read <= 128 * 1024);
        cccc_read_destroy(&read);
    }
    world_fini(&w);
}

/* ---- plans and the ledger's life ---- */

/* A plan holds what it needs: it can run after the ledger was closed and its file renamed, and shows what was durable when it was made. */
static void a_plan_outlives_the_ledger(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 5, 100);
    world_commit_all(&w);
    world_append(&w, 5, 100); /* not durable: not to be seen */
    cccc_read_t *read =
        cccc_ledger_plan_read(w.ledger, &(struct cccc_read_query){.mode = CCCC_READ_AFTER, .limit = 100, .bytes_max = 1 << 20});
    cccc_ledger_close(&w.ledger);
    w.vfs->rename(w.vfs->ctx, WORLD_LEDGER, WORLD_GROUP "/elsewhere");
    cccc_read_run(read);
    assert_int_equal(cccc_read_result(read)->event_count, 5);
    assert_int_equal(cccc_read_result(read)->checked_seq, 5);
    assert_false(cccc_read_result(read)->more);
    cccc_read_run(read); /* again: the same */
    assert_int_equal(cccc_read_result(read)->event_count, 5);
    cccc_read_destroy(&read);
    assert_null(read);
    assert_int_equal(simdisk_open_files(w.disk), 0);
    world_fini(&w);
}

/* A new group has nothing to read, in any mode, and says so. */
static void an_empty_ledger_reads_as_empty(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq = 1;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 1, 10);
    for (unsigned mode = CCCC_READ_AFTER; mode <= CCCC_READ_SEQS; mode++) {
        struct cccc_read_query q = {.limit = 10, .bytes_max = 1000, .seqs = &seq, .seq_count = 1};
        set_mode(&q, mode);
        cccc_read_t *read = cccc_ledger_plan_read(w.ledger, &q);
        cccc_read_run(read);
        assert_int_equal(cccc_read_result(read)->err, CCCC_OK);
        assert_int_equal(cccc_read_result(read)->event_count, 0);
        assert_int_equal(cccc_read_result(read)->gap_count, mode == CCCC_READ_SEQS);
        assert_false(cccc_read_result(read)->more);
        cccc_read_destroy(&read);
    }
    world_fini(&w);
}

/* Damage that happens while the ledger is open is met by the next read as a gap. */
static void damage_since_opening_is_a_gap(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 9, 100);
    world_commit_all(&w);
    const char *bytes;
    size_t len;
    world_bytes(&w, &bytes, &len);
    char *copy = cccc_room(len);
    memcpy(copy, bytes, len);
    copy[len - 30] ^= 1;
    copy[len / 2] ^= 1;
    simdisk_poke(w.disk, WORLD_LEDGER, copy, len);
    free(copy);
    cccc_read_t *read =
        cccc_ledger_plan_read(w.ledger, &(struct cccc_read_query){.mode = CCCC_READ_AFTER, .limit = 100, .bytes_max = 1 << 20});
    cccc_read_run(read);
    const struct cccc_read_result *r = cccc_read_result(read);
    assert_int_equal(r->event_count, 7);
    assert_int_equal(r->gap_count, 2);
    assert_int_equal(r->gaps[1].from_seq, 9);
    assert_int_equal(r->gaps[1].to_seq, 9);
    assert_int_equal(r->checked_seq, 9);
    assert_false(r->more);
    cccc_read_destroy(&read);
    world_fini(&w);
}

/* What a read-only ledger has lost at its head is told to whoever reads that far, in each mode. */
static void a_lost_head_is_told_to_readers(void **state)
{
    (void)state;
    struct world w;
    uint64_t seqs[] = {2, 7, 99};
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 9, 0);
    world_commit_all(&w);
    world_mark(&w);
    world_close(&w);
    size_t end = 0;
    for (unsigned lines = 0; lines < 4; end++)
        lines += w.acked.data[end] == '\n';
    simdisk_poke(w.disk, WORLD_LEDGER, w.acked.data, end);
    assert_int_equal(world_open(&w), CCCC_OK);
    static const uint32_t events[] = {4, 4, 1};
    for (unsigned mode = CCCC_READ_AFTER; mode <= CCCC_READ_SEQS; mode++) {
        struct cccc_read_query q = {.limit = 10, .bytes_max = 1 << 20, .seqs = seqs, .seq_count = 3};
        set_mode(&q, mode);
        cccc_read_t *read = cccc_ledger_plan_read(w.ledger, &q);
        cccc_read_run(read);
        const struct cccc_read_result *r = cccc_read_result(read);
        assert_int_equal(r->event_count, events[mode]);
        assert_int_equal(r->gap_count, mode == CCCC_READ_SEQS ? 2 : 1);
        assert_string_equal(r->gaps[0].reason, "truncated");
        assert_int_equal(r->gaps[0].from_seq, mode == CCCC_READ_SEQS ? 7 : 5);
        assert_int_equal(r->gaps[0].to_seq, mode == CCCC_READ_SEQS ? 7 : 9);
        if (mode == CCCC_READ_AFTER)
            assert_int_equal(r->checked_seq, 9);
        cccc_read_destroy(&read);
    }
    world_fini(&w);
}

/* A disk that fails while reading is an error, never a short answer. */
static void a_failing_disk_is_an_error_of_the_read(void **state)
{
    (void)state;
    struct world w;
    uint64_t seqs[] = {1, 5};
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 9, 100);
    world_commit_all(&w);
    for (unsigned mode = CCCC_READ_AFTER; mode <= CCCC_READ_SEQS; mode++) {
        struct cccc_read_query q = {.limit = 10, .bytes_max = 1 << 20, .seqs = seqs, .seq_count = 2};
        set_mode(&q, mode);
        cccc_read_t *read = cccc_ledger_plan_read(w.ledger, &q);
        simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_FAIL, .at = 1, .error = 5});
        cccc_read_run(read);
        assert_int_equal(cccc_read_result(read)->err, CCCC_E_STORAGE);
        assert_true(cccc_read_result(read)->message.text[0]);
        cccc_read_destroy(&read);
    }
    world_fini(&w);
}

/* What says something about event 1, and what does not. */
static const struct {
    const char *kind, *data;
    bool about;
} remarks[] = {
    {"chat.message", "{}", false},
    {"chat.message", "{\"reply_to\":\"id-1\"}", true},
    {"chat.message", "{\"reply_to\":\"id-2\"}", false},
    {"chat.ack", "{\"actor_id\":\"a\",\"event_id\":\"id-1\"}", true},
    {"chat.ack", "{\"actor_id\":\"a\",\"event_id\":\"id-2\"}", false},
    {"system.notify_ack", "{\"actor_id\":\"a\",\"notify_event_id\":\"id-1\"}", true},
    {"chat.read", "{\"actor_id\":\"a\",\"event_id\":\"id-5\",\"seq\":5,\"lanes\":[\"chat\"]}", true},
    {"chat.read", "{\"actor_id\":\"a\",\"event_id\":\"id-5\"}", true},
    {"runtime.delivery", "{\"actor_id\":\"a\",\"state\":\"claimed\",\"seqs\":[1,4]}", true},
    {"runtime.delivery", "{\"actor_id\":\"a\",\"state\":\"claimed\",\"seqs\":[4]}", false},
    {"runtime.delivery", "{\"actor_id\":\"a\",\"state\":\"accepted\",\"delivery_id\":\"x\"}", true},
    {"actor.add", "{\"actor\":{\"id\":\"a\"}}", false},
    {"actor.remove", "{\"actor_id\":\"a\"}", true},
    {"group.edit", "{\"document\":{\"actors\":[]}}", true},
};

/* A query about an event finds what names it, reaches it or holds it, and nothing else. */
static void a_query_about_an_event_finds_what_is_about_it(void **state)
{
    (void)state;
    struct world w;
    char id[16];
    uint64_t expected[sizeof remarks / sizeof *remarks + 1];
    uint32_t count = 0;
    world_init(&w, 1);
    assert_int_equal(world_open(&w), CCCC_OK);
    for (uint64_t i = 0; i < sizeof remarks / sizeof *remarks; i++) {
        struct cccc_event event = {
            .ts = CCCC_STR("2026-01-01T00:00:00.000000Z"), .group_id = CCCC_STR("g_000000000001"), .by = CCCC_STR("user")};
        snprintf(id, sizeof id, "id-%u", (unsigned)i + 1);
        event.id = cccc_str(id);
        event.seq = i + 1;
        event.kind = cccc_str(remarks[i].kind);
        event.attest = event.extra = cccc_nil();
        assert_int_equal(cccc_json_read(remarks[i].data, strlen(remarks[i].data), w.arena, &event.data, NULL), CCCC_OK);
        cccc_ledger_append(w.ledger, &event);
        if (remarks[i].about)
            expected[count++] = i + 1;
    }
    cccc_batch_t *batch = cccc_ledger_take(w.ledger);
    struct cccc_commit result;
    cccc_batch_commit(batch);
    cccc_ledger_done(w.ledger, &batch, &result);
    assert_int_equal(result.err, CCCC_OK);
    struct cccc_read_query q = {.mode = CCCC_READ_AFTER, .limit = 100, .bytes_max = 1 << 20, .about = CCCC_STR("id-1"), .about_seq = 1};
    cccc_read_t *read = cccc_ledger_plan_read(w.ledger, &q);
    cccc_read_run(read);
    const struct cccc_read_result *found = cccc_read_result(read);
    assert_int_equal(found->event_count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(found->event_seqs[i], expected[i]);
    cccc_read_destroy(&read);
    world_fini(&w);
}

int main(int argc, char **argv)
{
    arguments = world_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_modes_agree_with_a_naive_reading),
        cmocka_unit_test(a_run_looks_at_a_bounded_stretch),
        cmocka_unit_test(the_tail_costs_the_tail),
        cmocka_unit_test(a_plan_outlives_the_ledger),
        cmocka_unit_test(an_empty_ledger_reads_as_empty),
        cmocka_unit_test(damage_since_opening_is_a_gap),
        cmocka_unit_test(a_lost_head_is_told_to_readers),
        cmocka_unit_test(a_failing_disk_is_an_error_of_the_read),
        cmocka_unit_test(a_query_about_an_event_finds_what_is_about_it),
    };
    return cmocka_run_group_tests_name("ledger read", tests, NULL, NULL);
}
