/* test_retire.c - retirement: at any stop and any disk error the ledger either has every event, or the base and a tombstone in place of the oldest ones; never less than one of the two.
 *
 * usage: test_ledger_retire [--seed N] [--histories N] */
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/retire.h"
#include "tests/ledger/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GROUP_ID "g_000000000001"
#define STATE    WORLD_GROUP "/state/ledger"
#define MANIFEST STATE "/manifest"

static struct world_arguments arguments;

/* ---- a ledger that is opened with its base ---- */

/* The state of these tests is the sum of all seqs: what a fold that lost or repeated an event gets wrong. */
struct folding {
    struct world *w;
    uint64_t sum, head, based; /* based: the base's seq; 0: everything was folded */
};

static void fold(void *arg, const struct cccc_event *event)
{
    struct folding *f = arg;
    WORLD_REQUIRE(f->w, event->seq == f->head + 1, ": %llu behind %llu", (unsigned long long)event->seq, (unsigned long long)f->head);
    f->head = event->seq;
    f->sum += event->seq;
}

static void fold_gap(void *arg, const struct cccc_gap *gap)
{
    struct folding *f = arg;
    WORLD_REQUIRE(f->w, false, ": the fold met a gap from %llu (%s)", (unsigned long long)gap->from_seq, gap->reason);
}

static bool fold_base(void *arg, const struct cccc_snapshot *of, cccc_str_t state)
{
    struct folding *f = arg;
    WORLD_REQUIRE(f->w, f->head == 0 && state.len == sizeof f->sum);
    memcpy(&f->sum, state.ptr, sizeof f->sum);
    f->head = f->based = of->seq;
    return true;
}

static cccc_err_t open_with_base(struct world *w, struct folding *f)
{
    *f = (struct folding){.w = w};
    return cccc_ledger_open(&(struct cccc_ledger_options){.vfs = w->vfs,
                                                          .group_dir = WORLD_GROUP,
                                                          .group_id = GROUP_ID,
                                                          .epoch = ++w->epoch,
                                                          .create = true,
                                                          .fold = fold,
                                                          .fold_gap = fold_gap,
                                                          .base = fold_base,
                                                          .arg = f},
                            &w->ledger, &w->report, &w->message);
}

static uint64_t sum_to(uint64_t n)
{
    return n * (n + 1) / 2;
}

static void write_events(struct world *w, unsigned lines)
{
    world_append(w, lines, 100);
    world_commit_all(w);
    world_mark(w);
}

static void seal(struct world *w)
{
    const struct cccc_seal_options options = {.keep_lines = 5, .segment_bytes = 9000, .frame_bytes = 2000};
    cccc_sealing_t *sealing = cccc_ledger_take_seal(w->ledger, &options);
    struct cccc_seal_result result;
    bool over;
    assert_non_null(sealing);
    cccc_seal_prepare(sealing);
    assert_true(cccc_ledger_seal_begin_switch(w->ledger, sealing, &over));
    cccc_seal_switch(sealing);
    world_seal_done(w, sealing, &result);
    cccc_seal_destroy(&sealing);
    assert_int_equal(result.err, CCCC_OK);
}

/* `events` events, all but a few of them in several segments; open. */
static void make_sealed(struct world *w, uint64_t seed, unsigned events)
{
    world_init(w, seed);
    assert_int_equal(world_open(w), CCCC_OK);
    write_events(w, events);
    seal(w);
    assert_true(w->ledger->archive->count >= 3);
}

/* The position of the head, as a base would have it, and the state there. */
static struct cccc_snapshot position(struct world *w, cccc_buf_t *state)
{
    struct cccc_snapshot of = {.group_id = GROUP_ID, .epoch = w->epoch};
    assert_true(cccc_ledger_position(w->ledger, &of.seq, &of.crc));
    uint64_t sum = sum_to(of.seq);
    cccc_buf_init(state);
    cccc_buf_put(state, (const char *)&sum, sizeof sum);
    return of;
}

/* Everything the rule wants gone; the last event that went. */
static uint64_t retire(struct world *w, const struct cccc_retire_rule *rule)
{
    cccc_buf_t state;
    struct cccc_retire_result result = {.err = CCCC_OK};
    struct cccc_snapshot of = position(w, &state);
    cccc_retiring_t *retiring = cccc_ledger_take_retirement(w->ledger, rule);
    if (retiring) {
        cccc_retire_choose(retiring);
        if (cccc_retire_through(retiring) > 0) {
            cccc_retire_write(retiring, &of, &state, 1767604500);
            cccc_ledger_retire_done(w->ledger, retiring, &result);
            if (cccc_retire_may_remove(retiring))
                cccc_retire_remove(retiring);
        }
        cccc_ledger_retire_end(w->ledger, &retiring);
    }
    cccc_buf_fini(&state);
    return result.last_seq;
}

/* Every seq up to the head once, as an event or in a gap; how far the gap at the beginning reaches. */
static uint64_t read_through(struct world *w)
{
    uint64_t next = 1, retired = 0, head = cccc_ledger_durable(w->ledger);
    for (bool more = true; more;) {
        cccc_read_t *read = cccc_ledger_plan_read(
            w->ledger, &(struct cccc_read_query){.mode = CCCC_READ_AFTER, .seq = next - 1, .limit = 50, .bytes_max = 1 << 20});
        cccc_read_run(read);
        const struct cccc_read_result *result = cccc_read_result(read);
        assert_int_equal(result->err, CCCC_OK);
        for (uint32_t g = 0; g < result->gap_count; g++) {
            WORLD_REQUIRE(w, result->gaps[g].from_seq == retired + 1 && strcmp(result->gaps[g].reason, "retired") == 0,
                          ": gap %llu-%llu %s", (unsigned long long)result->gaps[g].from_seq, (unsigned long long)result->gaps[g].to_seq,
                          result->gaps[g].reason);
            retired = result->gaps[g].to_seq;
            next = retired + 1;
        }
        for (uint32_t e = 0; e < result->event_count; e++, next++)
            WORLD_REQUIRE(w, result->event_seqs[e] == next, ": %llu instead of %llu", (unsigned long long)result->event_seqs[e],
                          (unsigned long long)next);
        more = result->more;
        cccc_read_destroy(&read);
    }
    assert_int_equal(next, head + 1);
    return retired;
}

struct census {
    unsigned segments, bases, ids;
};

static void count_file(void *arg, const char *name)
{
    struct census *census = arg;
    census->segments += strstr(name, ".jsonl.zst") != NULL;
    census->ids += strstr(name, ".ids") != NULL;
    census->bases += strstr(name, ".base") != NULL;
}

static struct census count_files(struct world *w)
{
    struct census census = {0};
    assert_int_equal(w->vfs->list(w->vfs->ctx, STATE, count_file, &census), 0);
    return census;
}

static void flip(struct world *w, const char *path, size_t at)
{
    const char *bytes;
    size_t len;
    assert_true(simdisk_peek(w->disk, path, &bytes, &len));
    char *copy = cccc_room(len);
    memcpy(copy, bytes, len);
    copy[at % len] ^= 4;
    simdisk_poke(w->disk, path, copy, len);
    free(copy);
}

/* Open without faults: the state is that of all events; what is not there any more is a tombstone, and exactly the files are there that are needed. How far events are retired. */
static uint64_t check(struct world *w)
{
    struct folding f;
    simdisk_arm(w->disk, NULL);
    WORLD_REQUIRE(w, open_with_base(w, &f) == CCCC_OK, ": %s", w->message.text);
    uint64_t head = cccc_ledger_durable(w->ledger);
    WORLD_REQUIRE(w, f.head == head && f.sum == sum_to(head), ": the state is another one");
    WORLD_REQUIRE(w, cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK && w->report.gap_count == 0, ": %s", w->report.note);
    uint64_t retired = read_through(w);
    WORLD_REQUIRE(w, (retired > 0) == (f.based > 0));
    unsigned there = 0;
    for (uint32_t i = 0; i < w->ledger->archive->count; i++)
        there += w->ledger->archive->parts[i].there;
    struct census census = count_files(w);
    if (retired > 0)
        WORLD_REQUIRE(w, census.segments == there && census.bases == 1, ": %u segments of %u, %u bases", census.segments, there,
                      census.bases);
    return retired;
}

/* The same when the manifest has been damaged meanwhile: manifest.prev knows no less. */
static void check_without_manifest(struct world *w, uint64_t retired)
{
    struct folding f;
    world_close(w);
    if (retired == 0)
        return;
    flip(w, MANIFEST, 40);
    assert_int_equal(open_with_base(w, &f), CCCC_OK);
    WORLD_REQUIRE(w, f.sum == sum_to(f.head) && read_through(w) == retired, ": without the manifest something else is retired");
    world_close(w);
    flip(w, MANIFEST, 40);
}

/* ---- every n-th call ---- */

static const struct cccc_retire_rule up_to_100 = {.max_bytes = 1, .safe_seq = 100}, up_to_160 = {.max_bytes = 1, .safe_seq = 160};

static uint64_t salt;

/* Two retirements, with a seal between them. */
static void live(struct world *w)
{
    retire(w, &up_to_100);
    if (!simdisk_is_down(w->disk) && cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK)
        retire(w, &up_to_160);
}

static void at_every_call(const struct simdisk_fault *fault, const enum simdisk_loss *loss)
{
    bool fired = true, whole = false, both = false;
    for (uint64_t n = 1; fired; n++) {
        struct world w;
        struct folding f;
        make_sealed(&w, (arguments.seed + salt) * 1000003 + n, 200);
        struct simdisk_fault this = *fault;
        this.at = n;
        simdisk_arm(w.disk, &this);
        live(&w);
        fired = simdisk_fired(w.disk);
        simdisk_arm(w.disk, NULL);
        world_die(&w, loss);
        uint64_t retired = check(&w);
        whole = whole || retired == 0;
        both = both || retired > 100;
        check_without_manifest(&w, retired);
        assert_int_equal(open_with_base(&w, &f), CCCC_OK);
        write_events(&w, 40);
        seal(&w);
        retire(&w, &(struct cccc_retire_rule){.max_bytes = 1, .safe_seq = 200});
        world_die(&w, &(enum simdisk_loss){SIMDISK_LOSE_ALL});
        assert_true(check(&w) > 150);
        world_fini(&w);
        assert_true(n < 400);
    }
    assert_true(both);
    assert_true(whole || fault->kind != SIMDISK_CRASH); /* an error once is made good by the second retirement */
}

static const enum simdisk_loss lose_all = SIMDISK_LOSE_ALL, keep_all = SIMDISK_KEEP_ALL, dice = SIMDISK_DICE;

/* kill -9 and power cuts at any call of a retirement: all events, or the base and the tombstone. */
static void a_stop_at_any_call_of_a_retirement_loses_nothing_else(void **state)
{
    (void)state;
    const struct simdisk_fault crash = {.kind = SIMDISK_CRASH};
    at_every_call(&crash, NULL);
    at_every_call(&crash, &lose_all);
    at_every_call(&crash, &keep_all);
    for (int i = 0; i < 3; i++, salt += 17)
        at_every_call(&crash, &dice);
}

/* An error at any call gives the retirement up, or leaves files for the next start to remove. */
static void an_error_at_any_call_of_a_retirement_loses_nothing_else(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        for (int for_ever = 0; for_ever < 2; for_ever++)
            at_every_call(&(struct simdisk_fault){.kind = SIMDISK_FAIL, .error = errors[i], .for_ever = for_ever}, &dice);
}

/* A retirement up to event 160 at most that was stopped before its files were gone. */
static void retire_and_leave_files(struct world *w)
{
    cccc_buf_t bytes;
    struct cccc_snapshot of = position(w, &bytes);
    struct cccc_retire_result result;
    cccc_retiring_t *retiring = cccc_ledger_take_retirement(w->ledger, &up_to_160);
    assert_non_null(retiring);
    cccc_retire_choose(retiring);
    cccc_retire_write(retiring, &of, &bytes, 1767604500);
    cccc_ledger_retire_done(w->ledger, retiring, &result);
    cccc_ledger_retire_end(w->ledger, &retiring);
    cccc_buf_fini(&bytes);
}

/* A start that is stopped at any call while it removes what a retirement has left finds the same afterwards. */
static void a_stop_while_leftovers_are_removed_loses_nothing(void **state)
{
    (void)state;
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        struct world w;
        struct folding f;
        make_sealed(&w, arguments.seed + n, 200);
        retire_and_leave_files(&w);
        world_die(&w, NULL);
        simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_CRASH, .at = n});
        open_with_base(&w, &f);
        fired = simdisk_fired(w.disk);
        world_die(&w, &dice);
        uint64_t retired = check(&w);
        assert_true(retired > 100);
        check_without_manifest(&w, retired);
        world_fini(&w);
        assert_true(n < 400);
    }
}

static void count_retired(void *arg, const char *name)
{
    struct cccc_part part;
    unsigned *count = arg;
    *count += cccc_part_parse_name(name, &part) && part.last <= up_to_160.safe_seq;
}

/* A seal behind it that was stopped, too, so that ledger.jsonl still has the newest segment's events, keeps nothing that is retired. */
static void leftovers_go_although_a_seal_was_stopped(void **state)
{
    (void)state;
    struct world w;
    struct folding f;
    unsigned left = 0;
    make_sealed(&w, arguments.seed, 200);
    retire(&w, &up_to_100);
    retire_and_leave_files(&w);
    write_events(&w, 40);
    const struct cccc_seal_options options = {.keep_lines = 5, .segment_bytes = 9000, .frame_bytes = 2000};
    cccc_sealing_t *sealing = cccc_ledger_take_seal(w.ledger, &options);
    struct cccc_seal_result result;
    assert_non_null(sealing);
    cccc_seal_prepare(sealing);
    world_seal_done(&w, sealing, &result);
    cccc_seal_destroy(&sealing);
    world_die(&w, NULL);
    assert_int_equal(open_with_base(&w, &f), CCCC_OK);
    assert_int_equal(w.vfs->list(w.vfs->ctx, STATE, count_retired, &left), 0);
    assert_int_equal(left, 0);
    assert_int_equal(count_files(&w).bases, 1);
    world_fini(&w);
}

/* ---- what goes ---- */

/* Only whole segments in front of the safe event go, oldest first, and no more than the rule wants. */
static void only_what_the_rule_wants_goes(void **state)
{
    (void)state;
    struct world w;
    const int64_t events_at = 1767225600000000; /* 2026-01-01, as the world's events have it */
    make_sealed(&w, arguments.seed, 200);
    const struct cccc_archive *archive = w.ledger->archive;
    uint64_t first = archive->parts[0].last, bytes = 0;
    for (uint32_t i = 0; i < archive->count; i++)
        bytes += archive->parts[i].bytes;
    uint64_t but_one = bytes - archive->parts[0].bytes;
    assert_int_equal(retire(&w, &(struct cccc_retire_rule){.safe_seq = 201}), 0);
    assert_int_equal(retire(&w, &(struct cccc_retire_rule){.max_bytes = bytes, .safe_seq = 201}), 0);
    assert_int_equal(retire(&w, &(struct cccc_retire_rule){.max_bytes = 1, .safe_seq = first}), 0);
    assert_int_equal(retire(&w, &(struct cccc_retire_rule){.before_unix_us = events_at, .safe_seq = 201}), 0);
    assert_int_equal(retire(&w, &(struct cccc_retire_rule){.max_bytes = but_one, .safe_seq = 201}), first);
    assert_int_equal(read_through(&w), first);
    assert_int_equal(retire(&w, &(struct cccc_retire_rule){.before_unix_us = events_at + 1, .safe_seq = 201}), 195);
    assert_int_equal(read_through(&w), 195);
    world_close(&w);
    assert_int_equal(check(&w), 195);
    assert_int_equal(count_files(&w).ids, 0);
    world_fini(&w);
}

/* A read that was planned before goes on reading what was there; the files go when it is over. */
static void files_stay_as_long_as_a_read_needs_them(void **state)
{
    (void)state;
    struct world w;
    cccc_buf_t bytes;
    struct cccc_retire_result result;
    make_sealed(&w, arguments.seed, 200);
    cccc_read_t *read =
        cccc_ledger_plan_read(w.ledger, &(struct cccc_read_query){.mode = CCCC_READ_AFTER, .limit = 10, .bytes_max = 1 << 20});
    struct cccc_snapshot of = position(&w, &bytes);
    cccc_retiring_t *retiring = cccc_ledger_take_retirement(w.ledger, &up_to_160);
    cccc_retire_choose(retiring);
    cccc_retire_write(retiring, &of, &bytes, 1767604500);
    cccc_ledger_retire_done(w.ledger, retiring, &result);
    assert_true(result.last_seq > 100);
    assert_false(cccc_retire_may_remove(retiring));
    cccc_read_run(read);
    assert_int_equal(cccc_read_result(read)->event_count, 10);
    assert_int_equal(cccc_read_result(read)->gap_count, 0);
    cccc_read_destroy(&read);
    assert_true(cccc_retire_may_remove(retiring));
    cccc_retire_remove(retiring);
    cccc_ledger_retire_end(w.ledger, &retiring);
    cccc_buf_fini(&bytes);
    assert_int_equal(read_through(&w), result.last_seq);
    world_fini(&w);
}

/* Backwards, and by seq, the tombstone is met as it is forwards. */
static void every_way_of_reading_names_what_was_retired(void **state)
{
    (void)state;
    struct world w;
    make_sealed(&w, arguments.seed, 200);
    uint64_t retired = retire(&w, &up_to_160), wanted[] = {3, retired, retired + 1};
    const struct cccc_read_query queries[] = {
        {.mode = CCCC_READ_BEFORE, .seq = retired + 3, .limit = 10, .bytes_max = 1 << 20},
        {.mode = CCCC_READ_SEQS, .seqs = wanted, .seq_count = 3, .limit = 10, .bytes_max = 1 << 20},
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        cccc_read_t *read = cccc_ledger_plan_read(w.ledger, &queries[i]);
        cccc_read_run(read);
        const struct cccc_read_result *result = cccc_read_result(read);
        assert_int_equal(result->err, CCCC_OK);
        assert_int_equal(result->event_seqs[0], retired + 1);
        assert_true(result->gap_count >= 1);
        for (uint32_t g = 0; g < result->gap_count; g++) {
            assert_string_equal(result->gaps[g].reason, "retired");
            assert_true(result->gaps[g].to_seq <= retired);
        }
        cccc_read_destroy(&read);
    }
    world_fini(&w);
}

/* How many of the seqs from `result->checked_seq` to `to` a page has, as events or in gaps. */
static uint64_t named_by(const struct cccc_read_result *result, uint64_t to)
{
    uint64_t named = result->event_count;
    for (uint32_t g = 0; g < result->gap_count; g++)
        named += result->gaps[g].to_seq - result->gaps[g].from_seq + 1;
    return to < result->checked_seq ? 0 : named;
}

/* I4: pages backwards, of any size, name every seq they have passed: a page that is full at a tombstone does not go on to it over events it has no room for. */
static void pages_backwards_leave_nothing_out(void **state)
{
    (void)state;
    struct world w;
    make_sealed(&w, arguments.seed, 200);
    uint64_t retired = retire(&w, &up_to_100);
    assert_true(retired > 0);
    for (uint32_t limit = 1; limit <= 200; limit++)
        for (uint64_t before = 201; before > 1;) {
            cccc_read_t *read = cccc_ledger_plan_read(
                w.ledger, &(struct cccc_read_query){.mode = CCCC_READ_BEFORE, .seq = before, .limit = limit, .bytes_max = 1 << 20});
            cccc_read_run(read);
            const struct cccc_read_result *result = cccc_read_result(read);
            WORLD_REQUIRE(&w, result->checked_seq < before && named_by(result, before - 1) == before - result->checked_seq,
                          ": %u events before %llu: down to %llu", limit, (unsigned long long)before,
                          (unsigned long long)result->checked_seq);
            before = result->checked_seq;
            cccc_read_destroy(&read);
        }
    world_fini(&w);
}

static void describe(void *arg, uint64_t seq, const struct cccc_gap *gap, struct cccc_event *out)
{
    (void)out;
    WORLD_REQUIRE((struct world *)arg, false, ": %llu gives up what was retired (%s)", (unsigned long long)seq, gap->reason);
}

/* A repair has nothing to give up: what was retired has its tombstone. */
static void a_repair_leaves_tombstones_alone(void **state)
{
    (void)state;
    struct world w;
    struct cccc_repair done;
    make_sealed(&w, arguments.seed, 200);
    retire(&w, &up_to_160);
    world_close(&w);
    struct cccc_ledger_options options = {.vfs = w.vfs, .group_dir = WORLD_GROUP, .group_id = GROUP_ID, .epoch = ++w.epoch};
    assert_int_equal(cccc_ledger_repair(&options, describe, &w, &done, &w.message), CCCC_OK);
    assert_int_equal(done.given_up, 0);
    check(&w);
    world_fini(&w);
}

/* ---- damage ---- */

static void note_finding(void *arg, const struct cccc_verify_finding *finding)
{
    snprintf(arg, 128, "%s", strrchr(finding->file, '/') + 1);
}

static struct cccc_verify_report verify(struct world *w, char found[128])
{
    struct cccc_verify_report report;
    struct cccc_errmsg m;
    found[0] = '\0';
    assert_int_equal(cccc_ledger_verify(w->vfs, WORLD_GROUP, note_finding, NULL, found, &report, &m), CCCC_OK);
    return report;
}

/* verify counts retired events, and calls nothing damaged. */
static void verify_counts_retired_events(void **state)
{
    (void)state;
    struct world w;
    char found[128];
    make_sealed(&w, arguments.seed, 200);
    uint64_t retired = retire(&w, &up_to_160);
    struct cccc_verify_report report = verify(&w, found);
    assert_string_equal(found, "");
    assert_int_equal(report.retired, retired);
    assert_int_equal(report.sound, 200 - retired);
    assert_int_equal(report.first_seq, retired + 1);
    assert_int_equal(report.damaged, 0);
    world_fini(&w);
}

/* A base that is damaged anywhere, or gone: verify names it, and the ledger is not served with less than the state it had. */
static void a_damaged_base_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct folding f;
    char found[128];
    const char *path = STATE "/0000000000200.base", *bytes;
    size_t len;
    make_sealed(&w, arguments.seed, 200);
    retire(&w, &up_to_160);
    world_close(&w);
    assert_true(simdisk_peek(w.disk, path, &bytes, &len));
    for (size_t at = 0; at <= len; at++) {
        if (at < len)
            flip(&w, path, at);
        else
            assert_int_equal(w.vfs->unlink(w.vfs->ctx, path), 0);
        assert_int_equal(open_with_base(&w, &f), CCCC_E_DAMAGED);
        assert_non_null(strstr(w.message.text, "0000000000200.base"));
        assert_int_equal(verify(&w, found).damaged, 1);
        assert_string_equal(found, "0000000000200.base");
        if (at < len)
            flip(&w, path, at);
    }
    world_fini(&w);
}

/* With no manifest that can be read nothing says what the base stands for: the ledger is not opened as if nothing had been retired, and verify names the base. */
static void a_base_without_any_manifest_is_refused(void **state)
{
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        struct world w;
        struct folding f;
        char found[128];
        make_sealed(&w, arguments.seed, 200);
        retire(&w, &up_to_160);
        world_close(&w);
        for (int i = 0; i < 2; i++) {
            const char *path = i ? MANIFEST ".prev" : MANIFEST;
            if (gone)
                assert_int_equal(w.vfs->unlink(w.vfs->ctx, path), 0);
            else
                flip(&w, path, 40);
        }
        assert_int_equal(open_with_base(&w, &f), CCCC_E_DAMAGED);
        assert_non_null(strstr(w.message.text, "0000000000200.base"));
        assert_int_equal(f.head, 0);
        assert_int_not_equal(verify(&w, found).damaged, 0);
        assert_string_equal(found, "0000000000200.base");
        assert_int_equal(count_files(&w).bases, 1);
        world_fini(&w);
    }
}

/* A ledger.jsonl that ends before the base, as a copy made meanwhile can: the events between are named, and nothing is appended over them. */
static void a_ledger_that_ends_before_its_base_takes_nothing(void **state)
{
    (void)state;
    struct world w;
    struct folding f;
    const char *bytes;
    size_t len;
    make_sealed(&w, arguments.seed, 200);
    retire(&w, &up_to_160);
    world_close(&w);
    assert_true(simdisk_peek(w.disk, WORLD_LEDGER, &bytes, &len));
    char *copy = cccc_room(len);
    memcpy(copy, bytes, len);
    for (len--; copy[len - 1] != '\n';)
        len--;
    assert_int_equal(w.vfs->unlink(w.vfs->ctx, WORLD_MARK), 0);
    simdisk_poke(w.disk, WORLD_LEDGER, copy, len);
    free(copy);
    f = (struct folding){.w = &w};
    assert_int_equal(cccc_ledger_open(&(struct cccc_ledger_options){.vfs = w.vfs,
                                                                    .group_dir = WORLD_GROUP,
                                                                    .group_id = GROUP_ID,
                                                                    .epoch = ++w.epoch,
                                                                    .fold = fold,
                                                                    .base = fold_base,
                                                                    .arg = &f},
                                      &w.ledger, &w.report, &w.message),
                     CCCC_OK);
    assert_int_equal(f.based, 200);
    assert_true(w.report.read_only);
    assert_int_equal(w.report.gap_count, 1);
    assert_int_equal(w.report.gaps[0].from_seq, 200);
    assert_int_equal(w.report.gaps[0].to_seq, 200);
    world_fini(&w);
}

int main(int argc, char **argv)
{
    arguments = world_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_at_any_call_of_a_retirement_loses_nothing_else),
        cmocka_unit_test(an_error_at_any_call_of_a_retirement_loses_nothing_else),
        cmocka_unit_test(a_stop_while_leftovers_are_removed_loses_nothing),
        cmocka_unit_test(leftovers_go_although_a_seal_was_stopped),
        cmocka_unit_test(only_what_the_rule_wants_goes),
        cmocka_unit_test(files_stay_as_long_as_a_read_needs_them),
        cmocka_unit_test(every_way_of_reading_names_what_was_retired),
        cmocka_unit_test(pages_backwards_leave_nothing_out),
        cmocka_unit_test(a_repair_leaves_tombstones_alone),
        cmocka_unit_test(verify_counts_retired_events),
        cmocka_unit_test(a_damaged_base_is_refused),
        cmocka_unit_test(a_base_without_any_manifest_is_refused),
        cmocka_unit_test(a_ledger_that_ends_before_its_base_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
