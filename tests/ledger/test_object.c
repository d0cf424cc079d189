/* test_object.c - the ledger object: batches, the chain, full disks, marks, the older format, verification.
 *
 * usage: test_ledger_object [--seed N] */
#include "broker/ledger/ledger.h"
#include "broker/ledger/ledger_private.h"
#include "tests/ledger/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world_arguments arguments;

/* The seal of line `seq` of the file. */
static struct cccc_seal seal_of(struct world *w, uint64_t wanted)
{
    const char *bytes;
    size_t len;
    world_bytes(w, &bytes, &len);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(bytes + at, '\n', len - at);
        struct cccc_seal seal;
        uint64_t seq;
        assert_non_null(end);
        if (cccc_line_inspect(bytes + at, (size_t)(end - bytes) - at, &seq, &seal) == CCCC_LINE_SOUND && seq == wanted)
            return seal;
        at = (size_t)(end - bytes) + 1;
    }
    fail();
    return (struct cccc_seal){0};
}

/* ---- batches ---- */

/* A batch has at most the lines and bytes of the limits; what is more waits in order and loses nothing. */
static void batches_are_bounded_and_in_order(void **state)
{
    (void)state;
    struct world w;
    struct cccc_commit result;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 2 * CCCC_COMMIT_BATCH_LINES_MAX + 10, 0);
    assert_true(cccc_ledger_backlog(w.ledger) > 0);
    static const unsigned lines[] = {CCCC_COMMIT_BATCH_LINES_MAX, CCCC_COMMIT_BATCH_LINES_MAX, 10};
    for (unsigned i = 0; i < 3; i++) {
        cccc_batch_t *batch = cccc_ledger_take(w.ledger);
        assert_int_equal(cccc_batch_lines(batch), lines[i]);
        assert_null(cccc_ledger_take(w.ledger)); /* one at a time */
        cccc_buf_put(&w.acked, batch->bytes.data, batch->bytes.size);
        cccc_batch_commit(batch);
        assert_true(cccc_batch_sync_us(batch) < 1000000);
        cccc_ledger_done(w.ledger, &batch, &result);
        assert_int_equal(result.err, CCCC_OK);
    }
    assert_null(cccc_ledger_take(w.ledger));
    assert_int_equal(cccc_ledger_backlog(w.ledger), 0);
    world_append(&w, 40, 64 * 1024 - 1);
    size_t before = w.acked.size;
    unsigned batches = 0;
    for (; world_commit(&w, &result); batches++, before = w.acked.size)
        assert_true(result.err == CCCC_OK && w.acked.size - before <= CCCC_COMMIT_BATCH_BYTES_MAX);
    assert_true(batches >= 2);
    world_close(&w);
    world_recover(&w);
    world_fini(&w);
}

/* `dur` of a line is what was durable when it was sealed: it lags while a batch is out. */
static void dur_is_what_was_durable_when_the_line_was_sealed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 2, 10);
    cccc_batch_t *batch = cccc_ledger_take(w.ledger);
    world_append(&w, 1, 10); /* 3: nothing durable yet */
    cccc_batch_commit(batch);
    struct cccc_commit result;
    cccc_ledger_done(w.ledger, &batch, &result);
    world_append(&w, 1, 10); /* 4: two are */
    assert_non_null(batch = cccc_ledger_take(w.ledger));
    cccc_batch_commit(batch);
    cccc_ledger_done(w.ledger, &batch, &result);
    assert_int_equal(result.durable, 4);
    assert_int_equal(seal_of(&w, 1).dur, 0);
    assert_int_equal(seal_of(&w, 3).dur, 0);
    assert_int_equal(seal_of(&w, 4).dur, 2);
    assert_int_equal(seal_of(&w, 4).prev, seal_of(&w, 3).crc);
    assert_int_equal(seal_of(&w, 4).epoch, w.epoch);
    world_fini(&w);
}

static int full_disk; /* while not 0, appends fail with it after a few bytes */
static const struct cccc_vfs *below;

static ssize_t full_append(void *ctx, int fd, const void *buf, size_t len)
{
    if (!full_disk)
        return below->append(ctx, fd, buf, len);
    static bool partly;
    partly = !partly;
    return partly && len > 1 ? below->append(ctx, fd, buf, len / 2) : -full_disk;
}

/* A full disk stores nothing of the batch, forgets what waits behind it, and the next batch continues the chain at the durable head as soon as
 * there is room. */
static void a_full_disk_stores_nothing_and_resumes(void **state)
{
    (void)state;
    struct world w;
    struct cccc_commit result;
    world_init(&w, arguments.seed);
    struct cccc_vfs full = *w.vfs;
    below = w.vfs;
    full.append = full_append;
    w.vfs = &full;
    static const int errors[] = {ENOSPC, EDQUOT};
    assert_int_equal(world_open(&w), CCCC_OK);
    for (unsigned i = 0; i < 4; i++) {
        full_disk = errors[i % 2];
        world_append(&w, CCCC_COMMIT_BATCH_LINES_MAX + 5, 10);
        assert_true(world_commit(&w, &result));
        assert_int_equal(result.err, CCCC_E_NO_SPACE);
        assert_false(result.outcome_unknown);
        assert_int_equal(cccc_ledger_health(w.ledger), CCCC_LEDGER_NO_SPACE);
        assert_true(cccc_ledger_note(w.ledger)[0]);
        assert_int_equal(cccc_ledger_head(w.ledger), i);
        assert_null(cccc_ledger_take(w.ledger));
        world_check_file(&w);
        full_disk = 0;
        world_append(&w, 1, 10);
        assert_true(world_commit(&w, &result));
        assert_int_equal(result.err, CCCC_OK);
        assert_int_equal(cccc_ledger_health(w.ledger), CCCC_LEDGER_OK);
        assert_string_equal(cccc_ledger_note(w.ledger), "");
        assert_int_equal(seal_of(&w, i + 1).dur, i);
    }
    world_close(&w);
    w.vfs = below;
    world_recover(&w);
    world_fini(&w);
}

/* A failed sync is tried once: the outcome is unknown, the ledger takes nothing more, and opening it again finds out. */
static void a_failed_sync_is_not_tried_again(void **state)
{
    (void)state;
    struct world w;
    struct cccc_commit result;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 1, 10);
    world_commit_all(&w);
    world_append(&w, 3, 10);
    simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_FAIL, .at = 4, .error = EIO}); /* stat, write, fstat, sync */
    uint64_t syncs = simdisk_syncs(w.disk);
    assert_true(world_commit(&w, &result));
    assert_int_equal(result.err, CCCC_E_STORAGE);
    assert_true(result.outcome_unknown);
    assert_int_equal(result.durable, 1);
    assert_int_equal(simdisk_syncs(w.disk), syncs);
    assert_int_equal(simdisk_calls(w.disk), 4);
    assert_int_equal(cccc_ledger_health(w.ledger), CCCC_LEDGER_FAILED);
    assert_int_equal(cccc_ledger_head(w.ledger), 1);
    assert_null(cccc_ledger_take(w.ledger));
    world_close(&w);
    world_recover(&w);
    world_fini(&w);
}

/* Of two owners of a new group the second is refused before it writes anything. */
static void a_new_group_has_one_writer(void **state)
{
    (void)state;
    struct world first, second;
    struct cccc_commit result;
    world_init(&first, arguments.seed);
    second = first;
    assert_int_equal(world_open(&first), CCCC_OK);
    assert_int_equal(world_open(&second), CCCC_OK);
    world_append(&first, 1, 10);
    world_append(&second, 1, 10);
    world_commit_all(&first);
    cccc_batch_t *batch = cccc_ledger_take(second.ledger);
    cccc_batch_commit(batch);
    cccc_ledger_done(second.ledger, &batch, &result);
    assert_int_equal(result.err, CCCC_E_LOCKED);
    assert_false(result.outcome_unknown);
    cccc_ledger_close(&second.ledger);
    world_check_file(&first);
    world_fini(&first);
}

/* ---- marks ---- */

/* There is a mark to write when something new is durable, one at a time; a failed one is offered again and leaves the other slot alone. */
static void a_mark_is_offered_until_it_is_written(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    assert_null(cccc_ledger_take_mark(w.ledger));
    world_append(&w, 1, 10);
    assert_null(cccc_ledger_take_mark(w.ledger));
    world_commit_all(&w);
    world_mark(&w);
    assert_null(cccc_ledger_take_mark(w.ledger));
    world_append(&w, 1, 10);
    world_commit_all(&w);
    cccc_mark_t *mark = cccc_ledger_take_mark(w.ledger);
    assert_null(cccc_ledger_take_mark(w.ledger));
    simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_FAIL, .at = 2, .error = EIO});
    cccc_mark_write(mark);
    cccc_ledger_mark_done(w.ledger, &mark);
    assert_null(mark);
    struct cccc_mark_value value;
    unsigned slot;
    bool damaged;
    assert_int_equal(cccc_mark_read(w.vfs, WORLD_MARK, NULL, &value, &slot, &damaged), 0);
    assert_int_equal(value.seq, 1);
    world_mark(&w);
    assert_int_equal(cccc_mark_read(w.vfs, WORLD_MARK, NULL, &value, &slot, &damaged), 0);
    assert_int_equal(value.seq, 2);
    assert_int_equal(value.offset, cccc_ledger_size(w.ledger));
    world_fini(&w);
}

/* ---- the older format ---- */

static const char old_1[] =
    "{\"v\": 1, \"id\": \"9d8214ae30f64e0891c5a6789a0658c7\", \"ts\": \"2026-11-23T16:15:06.893379Z\", \"kind\": \"chat.ack\", "
    "\"group_id\": \"g_a3610964d661\", \"scope_key\": \"\", \"by\": \"user\", \"data\": {\"actor_id\": \"user\"}}";
static const char old_2[] =
    "{\"v\": 1, \"id\": \"104327ad63ac43128186d6f6c7501ac9\", \"ts\": \"2026-11-23T16:15:07Z\", \"kind\": \"chat.message\", "
    "\"group_id\": \"g_a3610964d661\", \"scope_key\": \"\", \"by\": \"user\", \"data\": {\"text\": \"hi\", \"to\": [\"@all\"]}}";

/* A ledger as CCCC 0.4.0 leaves it, made of old_1, old_2 and what else the recipe says: "1", "2", anything else as it is; newline after each but a
 * last one that ends in '$'. */
static void old_ledger(struct world *w, const char *const *lines)
{
    char file[8192];
    size_t len = 0;
    for (; *lines; lines++) {
        const char *text = strcmp(*lines, "1") == 0 ? old_1 : strcmp(*lines, "2") == 0 ? old_2 : *lines;
        bool open_end = strcmp(*lines, "2$") == 0;
        len += (size_t)snprintf(file + len, sizeof file - len, "%s%s", open_end ? old_2 : text, open_end ? "" : "\n");
    }
    if (file[len - 2] == '$')
        len -= 2;
    cccc_vfs_make_dirs(w->vfs, WORLD_GROUP);
    simdisk_poke(w->disk, WORLD_LEDGER, file, len);
}

static const struct {
    const char *lines[10];
    uint64_t events, legacy, head, gaps, torn;
} old_ledgers[] = {
    {{"1", "2"}, 2, 2, 2, 0, 0},
    {{"1", "2$"}, 2, 2, 2, 0, 0},          /* complete, only its newline is missing: ours comes first */
    {{"1", "", "  ", "2"}, 2, 2, 2, 0, 0}, /* blank lines are nothing */
    {{"1", "2", ""}, 2, 2, 2, 0, 0},
    {{"1", "{\"v\": 1, \"ha$"}, 1, 1, 1, 0, 12},              /* torn */
    {{"1", "{\"v\": 1, \"ha{\"v\": 1}", "2"}, 2, 2, 3, 1, 0}, /* two lines glued by a torn write: one place, named */
    {{"glued", "1", "[1]", "7", "2"}, 2, 2, 5, 2, 0},
    {{"1", "garbage", "rubbish"}, 1, 1, 1, 0, 16},
};

/* A ledger of CCCC 0.4.0 opens with seqs in order, and appends continue it: sealed, chained over all old bytes, readable again. */
static void an_old_ledger_is_numbered_and_continued(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof old_ledgers / sizeof old_ledgers[0]; i++) {
        struct world w;
        world_init(&w, arguments.seed + i);
        old_ledger(&w, old_ledgers[i].lines);
        WORLD_REQUIRE(&w, world_open(&w) == CCCC_OK, ": case %zu", i);
        WORLD_REQUIRE(&w, w.report.events == old_ledgers[i].events && w.report.legacy == old_ledgers[i].legacy, ": case %zu", i);
        WORLD_REQUIRE(&w, w.report.head_seq == old_ledgers[i].head && w.gap_count == old_ledgers[i].gaps, ": case %zu", i);
        WORLD_REQUIRE(&w, w.report.torn_bytes == old_ledgers[i].torn, ": case %zu: %llu", i, (unsigned long long)w.report.torn_bytes);
        uint64_t size = cccc_ledger_size(w.ledger);
        world_append(&w, 3, 20);
        world_commit_all(&w);
        const char *bytes;
        size_t len;
        world_bytes(&w, &bytes, &len);
        uint64_t old_end = bytes[size - 1] == '\n' ? size : size + 1;
        struct cccc_seal first = seal_of(&w, old_ledgers[i].head + 1);
        WORLD_REQUIRE(&w, first.prev == cccc_crc32c(0, bytes, old_end) && first.dur == old_ledgers[i].head, ": case %zu", i);
        world_mark(&w);
        world_close(&w);
        WORLD_REQUIRE(&w, world_open(&w) == CCCC_OK, ": case %zu", i);
        WORLD_REQUIRE(&w, w.report.events == old_ledgers[i].events + 3 && w.gap_count == old_ledgers[i].gaps, ": case %zu", i);
        WORLD_REQUIRE(&w, strstr(w.report.note, "continue") == NULL, ": case %zu", i);
        world_fini(&w);
    }
}

/* Old lines have no checksum of their own, but the first sealed line covers them all: a change shows as a broken chain, and numbering holds. */
static void a_change_in_old_lines_breaks_the_chain(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    old_ledger(&w, (const char *const[]){"1", "2", NULL});
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 2, 20);
    world_commit_all(&w);
    world_mark(&w);
    world_close(&w);
    const char *bytes;
    size_t len;
    world_bytes(&w, &bytes, &len);
    char copy[8192];
    memcpy(copy, bytes, len);
    *strstr(copy, "user") = 'U';
    simdisk_poke(w.disk, WORLD_LEDGER, copy, len);
    assert_int_equal(world_open(&w), CCCC_OK);
    assert_non_null(strstr(w.report.note, "do not continue"));
    assert_int_equal(w.report.events, 4);
    world_close(&w);
    struct cccc_verify_report report;
    assert_int_equal(cccc_ledger_verify(w.vfs, WORLD_GROUP, NULL, NULL, NULL, &report, NULL), CCCC_OK);
    assert_int_equal(report.chain_breaks, 1);
    assert_int_equal(report.legacy, 2);
    assert_int_equal(report.sound, 2);
    world_fini(&w);
}

/* A first batch behind old lines that was torn is cut like any other: the old lines stay. */
static void a_torn_first_batch_behind_old_lines_is_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct world w;
        struct cccc_commit result;
        world_init(&w, arguments.seed + seed);
        old_ledger(&w, (const char *const[]){"1", "2$", NULL});
        assert_int_equal(world_open(&w), CCCC_OK);
        uint64_t size = cccc_ledger_size(w.ledger);
        world_append(&w, 8, 3000);
        simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_CRASH, .at = 2 + seed % 4});
        world_commit(&w, &result);
        world_die(&w, &(enum simdisk_loss){SIMDISK_DICE});
        WORLD_REQUIRE(&w, world_open(&w) == CCCC_OK);
        WORLD_REQUIRE(&w, w.report.legacy == 2 && w.gap_count == 0 && w.report.events == w.report.head_seq);
        const char *bytes;
        size_t len;
        world_bytes(&w, &bytes, &len);
        const cccc_buf_t *sent = w.maybe.size ? &w.maybe : &w.acked;
        WORLD_REQUIRE(&w, len >= size && len - size <= sent->size && memcmp(bytes + size, sent->data, len - size) == 0);
        world_fini(&w);
    }
}

/* Old lines are read like new ones, with the seq of their place; whom they name decides whom they are for. */
static void old_lines_are_read_with_their_implied_seq(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    old_ledger(&w, (const char *const[]){"1", "oops", "2", "{\"v\": 1, \"data\": 5}", "2$", NULL});
    assert_int_equal(world_open(&w), CCCC_OK);
    struct cccc_read_query q = {.mode = CCCC_READ_AFTER, .limit = 100, .bytes_max = 1 << 20};
    cccc_read_t *read = cccc_ledger_plan_read(w.ledger, &q);
    cccc_read_run(read);
    const struct cccc_read_result *r = cccc_read_result(read);
    uint64_t lost = 0;
    for (uint32_t i = 0; i < r->gap_count; i++)
        lost += r->gaps[i].to_seq - r->gaps[i].from_seq + 1;
    assert_int_equal(r->event_count + lost, 5);
    assert_int_equal(r->event_seqs[0], 1);
    assert_int_equal(r->event_seqs[1], 3);
    assert_int_equal(r->event_seqs[r->event_count - 1], 5);
    cccc_read_destroy(&read);
    q.recipient = CCCC_STR("anybody");
    read = cccc_ledger_plan_read(w.ledger, &q);
    cccc_read_run(read);
    assert_int_equal(cccc_read_result(read)->event_count, 2);
    cccc_read_destroy(&read);
    world_fini(&w);
}

/* ---- the rest ---- */

static void count_progress(void *arg, uint64_t done, uint64_t all)
{
    unsigned *calls = arg;
    assert_true(done <= all);
    ++*calls;
}

/* Verification names the head, counts what it saw and tells how far it is. */
static void verification_names_the_head(void **state)
{
    (void)state;
    struct world w;
    struct cccc_verify_report report;
    unsigned calls = 0;
    world_init(&w, arguments.seed);
    assert_int_equal(cccc_ledger_verify(w.vfs, WORLD_GROUP, NULL, NULL, NULL, &report, &w.message), CCCC_E_NOT_FOUND);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 600, 64 * 1024 - 1);
    world_commit_all(&w);
    assert_int_equal(cccc_ledger_verify(w.vfs, WORLD_GROUP, NULL, count_progress, &calls, &report, &w.message), CCCC_OK);
    assert_true(calls >= 2);
    assert_int_equal(report.lines, 600);
    assert_int_equal(report.sound, 600);
    assert_int_equal(report.head_seq, 600);
    assert_int_equal(report.first_seq, 1);
    assert_int_equal(report.bytes, cccc_ledger_size(w.ledger));
    assert_int_equal(cccc_event_id_seq(cccc_str(report.head_id)), 600);
    world_close(&w);
    simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_FAIL, .at = 6, .error = EIO});
    assert_int_equal(cccc_ledger_verify(w.vfs, WORLD_GROUP, NULL, NULL, NULL, &report, &w.message), CCCC_E_STORAGE);
    world_fini(&w);
}

/* The highest epoch of any line is reported, so that the next one can be above it. */
static void recovery_reports_the_highest_epoch(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    w.epoch = 41;
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 1, 10);
    world_commit_all(&w);
    world_close(&w);
    assert_int_equal(world_open(&w), CCCC_OK);
    assert_int_equal(w.report.epoch, 42);
    world_fini(&w);
}

/* The index finds the entry at or below any seq, and forgets what is cut. */
static void the_index_finds_and_forgets(void **state)
{
    (void)state;
    struct cccc_index index = {0};
    for (uint64_t seq = 1; seq <= 1000; seq++)
        if (seq < 300 || seq > 400)
            cccc_index_add(&index, seq, seq * 10);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        struct cccc_index_entry entry = index.entries[cccc_index_find(&index, seq)];
        assert_true(entry.seq <= seq && entry.offset == entry.seq * 10);
        assert_true(seq - entry.seq < CCCC_INDEX_STRIDE || (seq >= 300 && seq <= 400));
    }
    assert_int_equal(index.entries[cccc_index_find(&index, 401)].seq, 401);
    cccc_index_cut(&index, 100);
    assert_int_equal(index.entries[cccc_index_find(&index, 5000)].seq, 97);
    cccc_index_add(&index, 101, 1010);
    assert_int_equal(index.entries[cccc_index_find(&index, 5000)].seq, 97);
    cccc_index_cut(&index, 0);
    assert_int_equal(index.count, 0);
    cccc_index_fini(&index);
}

int main(int argc, char **argv)
{
    arguments = world_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_bounded_and_in_order),
        cmocka_unit_test(dur_is_what_was_durable_when_the_line_was_sealed),
        cmocka_unit_test(a_full_disk_stores_nothing_and_resumes),
        cmocka_unit_test(a_failed_sync_is_not_tried_again),
        cmocka_unit_test(a_new_group_has_one_writer),
        cmocka_unit_test(a_mark_is_offered_until_it_is_written),
        cmocka_unit_test(an_old_ledger_is_numbered_and_continued),
        cmocka_unit_test(a_change_in_old_lines_breaks_the_chain),
        cmocka_unit_test(a_torn_first_batch_behind_old_lines_is_cut),
        cmocka_unit_test(old_lines_are_read_with_their_implied_seq),
        cmocka_unit_test(verification_names_the_head),
        cmocka_unit_test(recovery_reports_the_highest_epoch),
        cmocka_unit_test(the_index_finds_and_forgets),
    };
    return cmocka_run_group_tests_name("ledger object", tests, NULL, NULL);
}
