/* test_seal.c - sealing: at any stop and any disk error every acknowledged line stays in exactly one place that counts; damage to what is sealed costs its own
 * events only, and is named.
 *
 * usage: test_ledger_seal [--seed N] [--histories N] */
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/segment.h"
#include "tests/ledger/world.h"
#include "tests/support/ledger_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STATE    WORLD_GROUP "/state/ledger"
#define MANIFEST STATE "/manifest"

static struct world_arguments arguments;

/* ---- every n-th call ---- */

static bool is_well(const struct world *w)
{
    return w->ledger && w->maybe.size == 0 && cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK;
}

static void write_some(struct world *w, unsigned lines, unsigned bytes_max)
{
    struct cccc_commit result;
    world_append(w, lines, bytes_max);
    while (is_well(w) && world_commit(w, &result))
        ;
}

/* A life with two seals, and appends before, between and behind. */
static void live(struct world *w)
{
    if (!w->ledger && world_open(w) != CCCC_OK)
        return;
    if (is_well(w))
        write_some(w, 14, 300);
    if (is_well(w))
        world_seal(w, 3);
    if (is_well(w))
        write_some(w, 9, 300);
    if (is_well(w))
        world_mark(w);
    if (is_well(w))
        world_seal(w, 1);
    if (is_well(w))
        write_some(w, 2, 300);
}

/* The same from a ledger whose last seal was given up in the middle, behind its manifest. */
static void give_a_seal_up(struct world *w)
{
    live(w);
    write_some(w, 8, 200);
    const struct cccc_seal_options options = {.keep_lines = 2, .segment_bytes = 700, .frame_bytes = 300};
    cccc_sealing_t *seal = cccc_ledger_take_seal(w->ledger, &options);
    struct cccc_seal_result result;
    assert_non_null(seal);
    cccc_seal_prepare(seal);
    world_seal_done(w, seal, &result);
    cccc_seal_destroy(&seal);
}

static void leave_half_a_seal(struct world *w)
{
    give_a_seal_up(w);
    world_die(w, NULL);
}

static void open_and_live(struct world *w)
{
    if (world_open(w) == CCCC_OK)
        live(w);
}

/* Half a seal, given up, and another one right behind it. */
static void seal_again(struct world *w)
{
    if (is_well(w))
        world_seal(w, 1);
}

struct loop {
    void (*prepare)(struct world *w); /* without faults; may be NULL */
    void (*act)(struct world *w);     /* with them */
};

static const struct loop loops[] = {{NULL, live}, {leave_half_a_seal, open_and_live}, {give_a_seal_up, seal_again}};

static uint64_t salt; /* another one, other dice */

/* At every instant: what a manifest on the disk names can be read. */
static void check_named(struct world *w)
{
    char missing[256];
    WORLD_REQUIRE(w, ledger_named_are_there(w->disk, WORLD_GROUP, missing), ": %s", missing);
}

static void at_every_call(const struct loop *loop, const struct simdisk_fault *fault, const enum simdisk_loss *loss)
{
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        struct world w;
        world_init(&w, (arguments.seed + salt) * 1000003 + n);
        if (loop->prepare)
            loop->prepare(&w);
        struct simdisk_fault this = *fault;
        this.at = n;
        simdisk_arm(w.disk, &this);
        loop->act(&w);
        fired = simdisk_fired(w.disk);
        check_named(&w);
        if (loss || simdisk_is_down(w.disk))
            world_die(&w, loss);
        else
            world_close(&w);
        check_named(&w);
        world_recover(&w);
        world_fini(&w);
        assert_true(n < 2000);
    }
}

static const enum simdisk_loss lose_all = SIMDISK_LOSE_ALL, keep_all = SIMDISK_KEEP_ALL, dice = SIMDISK_DICE;

static void all_loops(const struct simdisk_fault *fault, const enum simdisk_loss *loss)
{
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++)
        at_every_call(&loops[i], fault, loss);
}

/* kill -9 and power cuts at any call of a seal, and of the seal that takes up an interrupted one. */
static void a_stop_at_any_call_of_a_seal_loses_nothing(void **state)
{
    (void)state;
    const struct simdisk_fault crash = {.kind = SIMDISK_CRASH};
    all_loops(&crash, NULL);
    all_loops(&crash, &lose_all);
    all_loops(&crash, &keep_all);
    for (int i = 0; i < 2; i++, salt += 17)
        all_loops(&crash, &dice);
}

/* An error at any call gives the seal up, and nothing else. */
static void an_error_at_any_call_of_a_seal_loses_nothing(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            struct simdisk_fault fail = {.kind = SIMDISK_FAIL, .error = errors[i], .for_ever = for_ever};
            all_loops(&fail, i == 0 ? NULL : &lose_all);
            all_loops(&fail, &dice);
        }
    }
    all_loops(&(struct simdisk_fault){.kind = SIMDISK_SHORT}, NULL);
}

/* A life in which something fails once; then the ledger is opened again, without a stop of the machine, and goes on. */
static void fail_and_go_on(struct world *w)
{
    live(w);
    if (is_well(w))
        return;
    if (w->ledger)
        world_close(w);
    if (world_open(w) == CCCC_OK && is_well(w))
        write_some(w, 4, 200);
}

/* What is acknowledged after an error of a seal, in a file whose name may not be durable, survives a power cut. */
static void what_is_acknowledged_after_a_failed_seal_stays(void **state)
{
    (void)state;
    const struct loop loop = {NULL, fail_and_go_on};
    const struct simdisk_fault fail = {.kind = SIMDISK_FAIL, .error = EIO};
    at_every_call(&loop, &fail, &lose_all);
    at_every_call(&loop, &fail, &dice);
}

/* Any history of appends, seals, faults, deaths and recoveries keeps every acknowledged line and invents none. */
static void random_histories_of_seals_keep_every_line(void **state)
{
    (void)state;
    printf("seed %llu, %llu histories\n", (unsigned long long)arguments.seed, (unsigned long long)arguments.histories);
    for (uint64_t i = 0; i < arguments.histories / 16; i++) {
        struct world w;
        world_init(&w, arguments.seed + i);
        for (unsigned life = 0; life < 3; life++) {
            struct simdisk_fault fault = {.kind = simdisk_roll(w.disk, 3) ? SIMDISK_CRASH : SIMDISK_FAIL,
                                          .at = 1 + simdisk_roll(w.disk, 120),
                                          .error = EIO,
                                          .for_ever = simdisk_roll(w.disk, 4) == 0};
            simdisk_arm(w.disk, &fault);
            if (world_open(&w) == CCCC_OK)
                for (unsigned steps = 0; steps < 6 && is_well(&w) && !simdisk_is_down(w.disk); steps++) {
                    write_some(&w, 1 + (unsigned)simdisk_roll(w.disk, 9), simdisk_roll(w.disk, 5) ? 200 : 4000);
                    if (is_well(&w) && simdisk_roll(w.disk, 2))
                        world_seal(&w, simdisk_roll(w.disk, 6));
                    if (is_well(&w) && simdisk_roll(w.disk, 4) == 0)
                        world_mark(&w);
                }
            world_die(&w, simdisk_roll(w.disk, 3) ? &dice : simdisk_roll(w.disk, 2) ? &lose_all : NULL);
            check_named(&w);
            world_recover(&w);
            world_close(&w);
        }
        world_fini(&w);
    }
}

/* ---- one sealed ledger ---- */

static void seal_with(struct world *w, uint64_t keep, uint64_t segment_bytes, uint32_t frame_bytes)
{
    const struct cccc_seal_options options = {.keep_lines = keep, .segment_bytes = segment_bytes, .frame_bytes = frame_bytes};
    cccc_sealing_t *seal = cccc_ledger_take_seal(w->ledger, &options);
    struct cccc_seal_result result;
    bool over;
    assert_non_null(seal);
    cccc_seal_prepare(seal);
    assert_true(cccc_ledger_seal_begin_switch(w->ledger, seal, &over));
    cccc_seal_switch(seal);
    world_seal_done(w, seal, &result);
    cccc_seal_destroy(&seal);
    assert_int_equal(result.err, CCCC_OK);
}

/* 200 events, all but 10 of them in segments of some 50; open. */
static void make_sealed(struct world *w)
{
    world_init(w, arguments.seed);
    assert_int_equal(world_open(w), CCCC_OK);
    for (int i = 0; i < 10; i++) {
        write_some(w, 20, 100);
        world_mark(w);
    }
    seal_with(w, 10, 18000, 2000);
    assert_int_equal(cccc_archive_last(w->ledger->archive), 190);
    assert_true(w->ledger->archive->count >= 3);
}

static char *segment_path(const struct world *w, uint32_t part, char out[128])
{
    char name[CCCC_PART_NAME_ROOM];
    cccc_part_name(&w->ledger->archive->parts[part], name);
    snprintf(out, 128, "%s/%s", STATE, name);
    return out;
}

static void flip(struct world *w, const char *path, size_t at)
{
    const char *bytes;
    size_t len;
    assert_true(simdisk_peek(w->disk, path, &bytes, &len));
    assert_true(at < len);
    char *copy = cccc_room(len);
    memcpy(copy, bytes, len);
    copy[at] ^= 4;
    simdisk_poke(w->disk, path, copy, len);
    free(copy);
}

/* A seal that is given up behind its manifest leaves segments that count should the first line of ledger.jsonl be damaged: when the next one comes to nothing, too, they are
 * there still, or no manifest names them. */
static void what_a_seal_given_up_left_is_there_until_no_manifest_names_it(void **state)
{
    (void)state;
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        struct world w;
        world_init(&w, arguments.seed);
        give_a_seal_up(&w);
        simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_FAIL, .error = ENOSPC, .at = n});
        bool sealed = world_seal(&w, 1);
        fired = simdisk_fired(w.disk);
        simdisk_arm(w.disk, NULL);
        uint64_t head = cccc_ledger_durable(w.ledger);
        world_close(&w);
        if (!sealed) {
            flip(&w, WORLD_LEDGER, 40);
            assert_int_equal(world_open(&w), CCCC_OK);
            assert_true(w.gap_count == 0 || (w.gap_count == 1 && w.gaps[0].to_seq == w.gaps[0].from_seq));
            assert_true(cccc_ledger_durable(w.ledger) >= head);
        }
        world_fini(&w);
    }
}

/* Every seq once, as an event or in a gap; the number of events. */
static uint64_t read_through(struct world *w, struct cccc_gap *gap)
{
    uint64_t next = 1, events = 0;
    for (bool more = true; more;) {
        cccc_read_t *read = cccc_ledger_plan_read(
            w->ledger, &(struct cccc_read_query){.mode = CCCC_READ_AFTER, .seq = next - 1, .limit = 50, .bytes_max = 1 << 20});
        cccc_read_run(read);
        const struct cccc_read_result *result = cccc_read_result(read);
        assert_int_equal(result->err, CCCC_OK);
        uint32_t e = 0, g = 0;
        while (e < result->event_count || g < result->gap_count) {
            if (g < result->gap_count && result->gaps[g].from_seq == next) {
                *gap = result->gaps[g];
                next = result->gaps[g++].to_seq + 1;
            } else {
                assert_true(e < result->event_count);
                assert_int_equal(result->event_seqs[e++], next);
                next++;
                events++;
            }
        }
        assert_int_equal(result->checked_seq, next - 1);
        more = result->more;
        cccc_read_destroy(&read);
    }
    assert_int_equal(next, 201);
    return events;
}

static void note_finding(void *arg, const struct cccc_verify_finding *finding)
{
    char *found = arg;
    size_t used = strlen(found);
    snprintf(found + used, 1024 - used, "%s %llu-%llu %s\n", strrchr(finding->file, '/') + 1, (unsigned long long)finding->gap.from_seq,
             (unsigned long long)finding->gap.to_seq, finding->gap.reason);
}

static struct cccc_verify_report verify(struct world *w, char found[1024])
{
    struct cccc_verify_report report;
    struct cccc_errmsg m;
    found[0] = '\0';
    assert_int_equal(cccc_ledger_verify(w->vfs, WORLD_GROUP, note_finding, NULL, found, &report, &m), CCCC_OK);
    return report;
}

/* A sealed ledger is whole: verify says so, and counts each event once. */
static void a_sealed_ledger_verifies(void **state)
{
    (void)state;
    struct world w;
    char found[1024];
    make_sealed(&w);
    struct cccc_verify_report report = verify(&w, found);
    assert_string_equal(found, "");
    assert_int_equal(report.sound, 200);
    assert_int_equal(report.first_seq, 1);
    assert_int_equal(report.head_seq, 200);
    assert_int_equal(report.bytes, w.acked.size);
    world_fini(&w);
}

/* A flipped bit anywhere in a segment: verify names the file; the events of one frame at most are gaps, and every other one is served. In the table it costs nothing. */
static void a_flipped_bit_in_a_segment_costs_one_frame(void **state)
{
    (void)state;
    struct world w;
    char path[128], found[1024];
    make_sealed(&w);
    const char *bytes;
    size_t len;
    segment_path(&w, 1, path);
    assert_true(simdisk_peek(w.disk, path, &bytes, &len));
    uint64_t part_events = w.ledger->archive->parts[1].last - w.ledger->archive->parts[1].first + 1;
    for (size_t at = 0; at < len; at += 1 + at / 64) {
        struct cccc_gap gap = {0};
        flip(&w, path, at);
        uint64_t events = read_through(&w, &gap);
        verify(&w, found);
        assert_non_null(strstr(found, strrchr(path, '/') + 1));
        assert_true(events >= 200 - part_events);
        if (events < 200)
            assert_string_equal(gap.reason, "damaged");
        flip(&w, path, at);
        assert_int_equal(read_through(&w, &gap), 200);
    }
    world_fini(&w);
}

/* Is event `seq` found by itself, as replies and repeats look for it? */
static bool is_found(struct world *w, uint64_t seq)
{
    cccc_read_t *read = cccc_ledger_plan_read(
        w->ledger, &(struct cccc_read_query){.mode = CCCC_READ_SEQS, .seqs = &seq, .seq_count = 1, .limit = 1, .bytes_max = 1 << 20});
    cccc_read_run(read);
    bool found = cccc_read_result(read)->event_count == 1 && cccc_read_result(read)->event_seqs[0] == seq;
    cccc_read_destroy(&read);
    return found;
}

/* A flipped bit anywhere in a segment's table: it is not believed, and every event is found all the same. */
static void a_damaged_table_costs_nothing(void **state)
{
    (void)state;
    struct world w;
    char path[128];
    make_sealed(&w);
    const struct cccc_part *part = &w.ledger->archive->parts[1];
    struct cccc_segment_reader reader;
    assert_int_equal(cccc_segment_open(&reader, w.vfs, STATE, part), 0);
    uint64_t table = reader.frames_end;
    cccc_segment_close(&reader);
    segment_path(&w, 1, path);
    for (uint64_t at = table + 8; at < part->bytes; at += 1 + at % 3) {
        flip(&w, path, (size_t)at);
        for (uint64_t seq = part->first; seq <= part->last; seq += 7)
            assert_true(is_found(&w, seq));
        flip(&w, path, (size_t)at);
    }
    world_fini(&w);
}

/* A frame whose content is damaged loses its own lines only. */
static void a_damaged_frame_spares_its_neighbours(void **state)
{
    (void)state;
    struct world w;
    char path[128];
    make_sealed(&w);
    struct cccc_segment_reader reader;
    assert_int_equal(cccc_segment_open(&reader, w.vfs, STATE, &w.ledger->archive->parts[1]), 0);
    assert_true(reader.count > 3);
    uint64_t first = reader.frames[1].seq, behind = reader.frames[2].seq;
    size_t at = (size_t)(reader.frames[1].file_offset + reader.frames[2].file_offset) / 2;
    cccc_segment_close(&reader);
    flip(&w, segment_path(&w, 1, path), at);
    struct cccc_gap gap = {0};
    assert_int_equal(read_through(&w, &gap), 200 - (behind - first));
    assert_int_equal(gap.from_seq, first);
    assert_int_equal(gap.to_seq, behind - 1);
    assert_string_equal(gap.reason, "damaged");
    world_fini(&w);
}

/* A segment that is gone is named with its seqs at the start, by reads and by verify; the rest is served and appended to. */
static void a_missing_segment_is_named(void **state)
{
    (void)state;
    struct world w;
    char path[128], found[1024];
    make_sealed(&w);
    struct cccc_part part = w.ledger->archive->parts[1];
    segment_path(&w, 1, path);
    world_close(&w);
    assert_int_equal(w.vfs->unlink(w.vfs->ctx, path), 0);
    assert_int_equal(world_open(&w), CCCC_OK);
    assert_non_null(strstr(w.report.note, strrchr(path, '/') + 1));
    assert_int_equal(w.gap_count, 1);
    assert_int_equal(w.gaps[0].from_seq, part.first);
    assert_int_equal(w.gaps[0].to_seq, part.last);
    struct cccc_gap gap = {0};
    assert_int_equal(read_through(&w, &gap), 200 - (part.last - part.first + 1));
    assert_string_equal(gap.reason, "missing");
    verify(&w, found);
    assert_non_null(strstr(found, strrchr(path, '/') + 1));
    write_some(&w, 1, 100);
    assert_int_equal(cccc_ledger_durable(w.ledger), 201);
    world_fini(&w);
}

/* A manifest that is damaged, or gone, hides no event, and is named by verify, as no loss, as long as anything tells that there was one; the next seal writes it
 * anew. */
static void a_damaged_manifest_hides_nothing(void **state)
{
    (void)state;
    for (int gone = 0; gone < 4; gone++) {
        struct world w;
        struct cccc_gap gap = {0};
        char found[1024];
        make_sealed(&w);
        world_close(&w);
        if (gone < 2)
            flip(&w, MANIFEST, 30);
        else if (gone == 2)
            assert_int_equal(w.vfs->rename(w.vfs->ctx, MANIFEST, MANIFEST ".prev"), 0);
        else
            assert_int_equal(w.vfs->unlink(w.vfs->ctx, MANIFEST), 0);
        if (gone == 1)
            w.vfs->unlink(w.vfs->ctx, MANIFEST ".prev");
        assert_int_equal(verify(&w, found).damaged, 0);
        assert_string_equal(found, gone < 3 ? "manifest 0-0 damaged\n" : "");
        assert_int_equal(world_open(&w), CCCC_OK);
        if (gone < 3)
            assert_non_null(strstr(w.report.note, gone < 2 ? "manifest is damaged" : "manifest is gone"));
        assert_int_equal(w.folded, 200);
        assert_int_equal(read_through(&w, &gap), 200);
        seal_with(&w, 2, 18000, 2000);
        world_close(&w);
        verify(&w, found);
        assert_string_equal(found, "");
        assert_int_equal(world_open(&w), CCCC_OK);
        assert_string_equal(w.report.note, "");
        assert_int_equal(read_through(&w, &gap), 200);
        world_fini(&w);
    }
}

/* A plain copy that caught the manifest before a seal and ledger.jsonl after it: the seqs between are named, nothing is cut, and appends go on. */
static void a_copy_that_straddled_a_seal_names_what_it_lacks(void **state)
{
    (void)state;
    for (int with_manifest = 0; with_manifest < 2; with_manifest++) {
        struct world w;
        const char *bytes;
        size_t len;
        make_sealed(&w);
        assert_true(simdisk_peek(w.disk, MANIFEST, &bytes, &len));
        char *older = cccc_room(len);
        size_t older_len = len;
        memcpy(older, bytes, len);
        write_some(&w, 40, 100);
        seal_with(&w, 1, 18000, 2000);
        assert_int_equal(cccc_archive_last(w.ledger->archive), 239);
        char path[128];
        for (uint32_t i = 0; i < w.ledger->archive->count; i++)
            if (!with_manifest || w.ledger->archive->parts[i].first > 190)
                w.vfs->unlink(w.vfs->ctx, segment_path(&w, i, path));
        world_close(&w);
        assert_true(simdisk_peek(w.disk, WORLD_LEDGER, &bytes, &len));
        char *active = cccc_room(len);
        memcpy(active, bytes, len);
        simdisk_restore(w.disk, WORLD_LEDGER, active, len);
        if (with_manifest)
            simdisk_restore(w.disk, MANIFEST, older, older_len);
        else
            w.vfs->unlink(w.vfs->ctx, MANIFEST);
        w.vfs->unlink(w.vfs->ctx, MANIFEST ".prev");
        w.vfs->unlink(w.vfs->ctx, WORLD_MARK);
        assert_int_equal(world_open(&w), CCCC_OK);
        assert_int_equal(w.report.torn_bytes, 0);
        assert_int_equal(w.gap_count, 1);
        assert_int_equal(w.gaps[0].from_seq, with_manifest ? 191 : 1);
        assert_int_equal(w.gaps[0].to_seq, 239);
        assert_int_equal(w.folded, with_manifest ? 191 : 1);
        world_append(&w, 1, 100);
        struct cccc_commit result;
        assert_true(world_commit(&w, &result) && result.err == CCCC_OK);
        assert_int_equal(cccc_ledger_durable(w.ledger), 241);
        free(older);
        free(active);
        world_fini(&w);
    }
}

/* A reader that began before a seal ends well after it. */
static void a_read_survives_the_seal_of_what_it_reads(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    write_some(&w, 100, 100);
    cccc_read_t *read =
        cccc_ledger_plan_read(w.ledger, &(struct cccc_read_query){.mode = CCCC_READ_AFTER, .limit = 1000, .bytes_max = 1 << 20});
    seal_with(&w, 1, 5000, 1000);
    cccc_read_run(read);
    assert_int_equal(cccc_read_result(read)->event_count, 100);
    assert_int_equal(cccc_read_result(read)->gap_count, 0);
    cccc_read_destroy(&read);
    world_fini(&w);
}

/* ---- what the caller knows ---- */

static unsigned forgotten;

static void forget(void *arg)
{
    struct world *w = arg;
    forgotten++;
    w->folded = w->last_seq = 0;
}

static uint64_t folded_from;

static void fold(void *arg, const struct cccc_event *event)
{
    struct world *w = arg;
    if (w->folded++ == 0)
        folded_from = event->seq;
}

static void open_knowing(struct world *w, uint64_t seq, uint32_t crc)
{
    forgotten = 0;
    folded_from = 0;
    w->folded = 0;
    assert_int_equal(cccc_ledger_open(&(struct cccc_ledger_options){.vfs = w->vfs,
                                                                    .group_dir = WORLD_GROUP,
                                                                    .group_id = "g_000000000001",
                                                                    .epoch = ++w->epoch,
                                                                    .fold = fold,
                                                                    .arg = w,
                                                                    .known_seq = seq,
                                                                    .known_crc = crc,
                                                                    .forget = forget},
                                      &w->ledger, &w->report, &w->message),
                     CCCC_OK);
    assert_int_equal(cccc_ledger_durable(w->ledger), 200);
}

static uint32_t crc_of(struct world *w, uint64_t seq)
{
    const char *bytes, *at;
    size_t len;
    world_bytes(w, &bytes, &len);
    at = bytes;
    for (uint64_t n = 1; n < seq; n++)
        at = (const char *)memchr(at, '\n', len - (size_t)(at - bytes)) + 1;
    uint64_t found;
    struct cccc_seal seal;
    const char *end = memchr(at, '\n', len - (size_t)(at - bytes));
    assert_int_equal(cccc_line_inspect(at, (size_t)(end - at), &found, &seal), CCCC_LINE_SOUND);
    assert_int_equal(found, seq);
    return seal.crc;
}

/* Only what is behind the caller's snapshot is folded; a snapshot of another line, or of one that is not there, is not believed. */
static void only_what_follows_a_snapshot_is_folded(void **state)
{
    (void)state;
    static const uint64_t seqs[] = {1, 50, 51, 189, 190, 191, 195, 199, 200};
    struct world w;
    make_sealed(&w);
    for (size_t i = 0; i < sizeof seqs / sizeof seqs[0]; i++) {
        uint32_t crc = crc_of(&w, seqs[i]);
        world_close(&w);
        open_knowing(&w, seqs[i], crc);
        assert_int_equal(forgotten, 0);
        assert_int_equal(w.folded, 200 - seqs[i]);
        assert_int_equal(folded_from, seqs[i] < 200 ? seqs[i] + 1 : 0);
        world_close(&w);
        open_knowing(&w, seqs[i], crc ^ 1);
        assert_int_equal(forgotten, 1);
        assert_int_equal(w.folded, 200);
        assert_int_equal(folded_from, 1);
    }
    world_close(&w);
    open_knowing(&w, 500, 7);
    assert_int_equal(forgotten, 1);
    assert_int_equal(w.folded, 200);
    world_fini(&w);
}

int main(int argc, char **argv)
{
    arguments = world_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_ledger_verifies),
        cmocka_unit_test(a_read_survives_the_seal_of_what_it_reads),
        cmocka_unit_test(a_damaged_table_costs_nothing),
        cmocka_unit_test(a_damaged_frame_spares_its_neighbours),
        cmocka_unit_test(a_flipped_bit_in_a_segment_costs_one_frame),
        cmocka_unit_test(a_missing_segment_is_named),
        cmocka_unit_test(a_damaged_manifest_hides_nothing),
        cmocka_unit_test(a_copy_that_straddled_a_seal_names_what_it_lacks),
        cmocka_unit_test(only_what_follows_a_snapshot_is_folded),
        cmocka_unit_test(a_stop_at_any_call_of_a_seal_loses_nothing),
        cmocka_unit_test(an_error_at_any_call_of_a_seal_loses_nothing),
        cmocka_unit_test(what_is_acknowledged_after_a_failed_seal_stays),
        cmocka_unit_test(what_a_seal_given_up_left_is_there_until_no_manifest_names_it),
        cmocka_unit_test(random_histories_of_seals_keep_every_line),
    };
    return cmocka_run_group_tests_name("ledger seal", tests, NULL, NULL);
}
