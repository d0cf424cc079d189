/* test_repair.c - what an operator gives up is named for ever, nothing else goes, and nothing goes without a copy, wherever the repair is stopped.
 *
 * usage: test_ledger_repair [--seed N] */
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

enum { EVENTS = 6, FILE_MAX = 16 * 1024 };

/* ---- ledgers to repair ---- */

/* One way a ledger can be hurt. */
struct hurt {
    const char *name;
    int keep_lines;   /* whole lines kept, and a piece of the next; EVENTS: all; -1: not a byte */
    bool gone;        /* no file at all */
    unsigned flipped; /* bit k: line k + 1 is damaged */
    unsigned gaps;    /* stretches to give up */
    bool at_head;     /* appends are refused before */
};

static const struct hurt hurts[] = {
    {"the last line is damaged", EVENTS, false, 1 << 5, 1, true},
    {"the last three lines are damaged", EVENTS, false, 7 << 3, 1, true},
    {"every line is damaged", EVENTS, false, 63, 1, true},
    {"the file ends early, in a line", 3, false, 0, 1, true},
    {"the file ends early and its last lines are damaged", 4, false, 1 << 3, 1, true},
    {"the file is empty", -1, false, 0, 1, true},
    {"the file is gone", 0, true, 0, 1, true},
    {"a line in the middle is damaged", EVENTS, false, 1 << 2, 1, false},
    {"the first line and one in the middle are damaged", EVENTS, false, 1 | 1 << 3, 2, false},
    {"middle and head are damaged", EVENTS, false, 1 << 1 | 1 << 5, 2, true},
};
enum { HURTS = sizeof hurts / sizeof *hurts };

struct patient {
    struct world w;
    char bytes[FILE_MAX]; /* as hurt */
    size_t len;
};

static size_t line_end(const char *bytes, size_t len, int line)
{
    size_t at = 0;
    for (; line > 0 && at < len; at++)
        line -= bytes[at] == '\n';
    return at;
}

static void patient_init(struct patient *p, const struct hurt *hurt, uint64_t seed)
{
    *p = (struct patient){0};
    world_init(&p->w, seed);
    assert_int_equal(world_open(&p->w), CCCC_OK);
    for (unsigned i = 0; i < EVENTS; i++) {
        world_append(&p->w, 1, 20);
        world_commit_all(&p->w);
    }
    world_mark(&p->w);
    world_close(&p->w);
    const char *bytes;
    world_bytes(&p->w, &bytes, &p->len);
    assert_true(p->len < sizeof p->bytes);
    memcpy(p->bytes, bytes, p->len);
    for (int line = 0; line < EVENTS; line++)
        if (hurt->flipped & 1u << line)
            p->bytes[line_end(p->bytes, p->len, line) + 40] ^= 4;
    if (hurt->keep_lines < EVENTS)
        p->len = hurt->keep_lines < 0 ? 0 : line_end(p->bytes, p->len, hurt->keep_lines) + 30;
    if (hurt->gone) {
        p->w.vfs->unlink(p->w.vfs->ctx, WORLD_LEDGER);
        assert_int_equal(cccc_vfs_sync_dir(p->w.vfs, WORLD_GROUP), 0);
        p->len = 0;
    } else {
        simdisk_poke(p->w.disk, WORLD_LEDGER, p->bytes, p->len);
    }
}

/* ---- repairing ---- */

struct described {
    cccc_arena_t *arena;
    char id[33];
};

static void describe(void *arg, uint64_t seq, const struct cccc_gap *gap, struct cccc_event *out)
{
    struct described *d = arg;
    cccc_builder_t data = cccc_map_builder(d->arena, 3);
    cccc_map_add(&data, "from_seq", cccc_uint(gap->from_seq));
    cccc_map_add(&data, "to_seq", cccc_uint(gap->to_seq));
    cccc_event_id_make(d->id, 1700000000000u, seq, 7);
    *out = (struct cccc_event){.id = cccc_str(d->id),
                               .ts = CCCC_STR("2026-01-01T00:00:00.000000Z"),
                               .kind = CCCC_STR("ledger.repair"),
                               .group_id = CCCC_STR("g_000000000001"),
                               .by = CCCC_STR("user"),
                               .attest = cccc_nil(),
                               .data = data.value,
                               .extra = cccc_nil()};
}

static cccc_err_t repair(struct patient *p, struct cccc_repair *out)
{
    struct described described = {.arena = cccc_arena_new(1024)};
    p->w.message.text[0] = '\0';
    cccc_err_t err = cccc_ledger_repair(
        &(struct cccc_ledger_options){.vfs = p->w.vfs, .group_dir = WORLD_GROUP, .group_id = "g_000000000001", .epoch = ++p->w.epoch},
        describe, &described, out, &p->w.message);
    cccc_arena_destroy(&described.arena);
    return err;
}

/* ---- what must be true ---- */

struct judged {
    uint64_t damaged, lost, given_up, other;
    uint64_t seqs_given_up;
};

static void judge_finding(void *arg, const struct cccc_verify_finding *finding)
{
    struct judged *judged = arg;
    judged->damaged += finding->kind == CCCC_VERIFY_DAMAGED;
    judged->lost += finding->kind == CCCC_VERIFY_LOST;
    judged->given_up += finding->kind == CCCC_VERIFY_GIVEN_UP;
    judged->other += finding->kind > CCCC_VERIFY_GIVEN_UP;
    if (finding->kind == CCCC_VERIFY_GIVEN_UP)
        judged->seqs_given_up += finding->gap.to_seq - finding->gap.from_seq + 1;
}

static struct judged verify(struct patient *p)
{
    struct judged judged = {0};
    struct cccc_verify_report report;
    WORLD_REQUIRE(&p->w, cccc_ledger_verify(p->w.vfs, WORLD_GROUP, judge_finding, NULL, &judged, &report, &p->w.message) == CCCC_OK);
    WORLD_REQUIRE(&p->w, report.damaged == judged.damaged + judged.lost);
    return judged;
}

struct search {
    struct patient *p;
    const char *bytes;
    size_t len;
    bool found;
};

static void compare_aside(void *arg, const char *name)
{
    struct search *search = arg;
    char path[256];
    const char *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", WORLD_TORN, name);
    if (strncmp(name, "damaged.", 8) == 0 && simdisk_peek(search->p->w.disk, path, &bytes, &len))
        search->found = search->found || (len == search->len && memcmp(bytes, search->bytes, len) == 0);
}

/* Each byte of the hurt file is where it was, or the file was cut there and the rest is in one copy. */
static void check_no_byte_lost(struct patient *p)
{
    const char *now;
    size_t len, same = 0;
    world_bytes(&p->w, &now, &len);
    while (same < len && same < p->len && now[same] == p->bytes[same])
        same++;
    for (size_t cut = same;; cut--) { /* the first bytes of what was cut may equal what was appended in their place */
        struct search search = {.p = p, .bytes = p->bytes + cut, .len = p->len - cut};
        if (search.len > 0)
            p->w.vfs->list(p->w.vfs->ctx, WORLD_TORN, compare_aside, &search);
        if (search.len == 0 || search.found)
            return;
        WORLD_REQUIRE(&p->w, cut > 0, ": %zu bytes went without a copy", p->len - same);
    }
}

/* Repaired: sound but for what was given up, open for appends, and a second repair has nothing to do. */
static void check_repaired(struct patient *p, const struct hurt *hurt)
{
    struct world *w = &p->w;
    struct cccc_repair again;
    struct judged judged = verify(p);
    WORLD_REQUIRE(w, judged.damaged + judged.lost + judged.other == 0, ": %s", hurt->name);
    WORLD_REQUIRE(w, judged.given_up >= 1 && judged.given_up <= hurt->gaps, ": %s: %llu stretches", hurt->name,
                  (unsigned long long)judged.given_up);
    check_no_byte_lost(p);
    char before[FILE_MAX];
    const char *bytes;
    size_t len, len_before;
    world_bytes(w, &bytes, &len_before);
    memcpy(before, bytes, len_before);
    WORLD_REQUIRE(w, repair(p, &again) == CCCC_OK && again.given_up == 0 && again.bytes_aside == 0, ": %s: again: %s", hurt->name,
                  w->message.text);
    world_bytes(w, &bytes, &len);
    WORLD_REQUIRE(w, len == len_before && memcmp(bytes, before, len) == 0, ": %s: the second repair changed the file", hurt->name);
    WORLD_REQUIRE(w, world_open(w) == CCCC_OK && cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK, ": %s: %s", hurt->name, w->message.text);
    WORLD_REQUIRE(w, cccc_ledger_head(w->ledger) > EVENTS && w->folded + judged.seqs_given_up == cccc_ledger_head(w->ledger), ": %s",
                  hurt->name);
    world_append(w, 2, 10);
    w->maybe.size = 0;
    world_commit_all(w);
    world_close(w);
    WORLD_REQUIRE(w, verify(p).damaged == 0);
}

/* Each kind of damage, given up, leaves a ledger that goes on behind all seqs that were ever used, and names what is gone. */
static void what_is_given_up_is_named_and_the_ledger_goes_on(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HURTS; i++) {
        struct patient p;
        struct cccc_repair out;
        patient_init(&p, &hurts[i], arguments.seed);
        struct judged before = verify(&p);
        WORLD_REQUIRE(&p.w, before.damaged + before.lost == hurts[i].gaps, ": %s", hurts[i].name);
        WORLD_REQUIRE(&p.w, (before.lost == 1) == hurts[i].at_head, ": %s", hurts[i].name);
        WORLD_REQUIRE(&p.w, repair(&p, &out) == CCCC_OK, ": %s: %s", hurts[i].name, p.w.message.text);
        WORLD_REQUIRE(&p.w, out.given_up == hurts[i].gaps && out.head_seq == EVENTS + hurts[i].gaps, ": %s", hurts[i].name);
        WORLD_REQUIRE(&p.w, (out.head.reason != NULL) == hurts[i].at_head && (!out.head.reason || out.head.to_seq == EVENTS), ": %s",
                      hurts[i].name);
        check_repaired(&p, &hurts[i]);
        world_fini(&p.w);
    }
}

/* A sound ledger, and one whose tail is only torn, have nothing to give up. */
static void a_sound_ledger_is_left_alone(void **state)
{
    (void)state;
    static const struct hurt none = {"nothing", EVENTS, false, 0, 0, false};
    struct patient p;
    struct cccc_repair out;
    patient_init(&p, &none, arguments.seed);
    assert_int_equal(repair(&p, &out), CCCC_OK);
    assert_int_equal(out.given_up, 0);
    assert_int_equal(out.head_seq, EVENTS);
    const char *bytes;
    size_t len;
    world_bytes(&p.w, &bytes, &len);
    assert_int_equal(len, p.len);
    assert_memory_equal(bytes, p.bytes, len);
    world_fini(&p.w);
}

/* ---- stopped, and failed ---- */

/* Between a repair that was stopped and the next one the daemon may start: it must not write where seqs would be used again. */
static void check_start_in_between(struct patient *p, const struct hurt *hurt)
{
    struct world *w = &p->w;
    cccc_err_t err = world_open(w);
    WORLD_REQUIRE(w, err == CCCC_OK || err == CCCC_E_DAMAGED, ": %s: %s", hurt->name, w->message.text);
    if (err != CCCC_OK)
        return;
    bool appends = cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK;
    WORLD_REQUIRE(w, !appends || cccc_ledger_head(w->ledger) >= EVENTS, ": %s: goes on at %llu", hurt->name,
                  (unsigned long long)cccc_ledger_head(w->ledger) + 1);
    world_close(w);
}

/* Run a repair into `fault` at its n-th call. False when it came to its end without meeting it. */
static bool faulty_repair(const struct hurt *hurt, struct simdisk_fault fault, enum simdisk_loss loss, bool start_between, uint64_t seed)
{
    struct patient p;
    struct cccc_repair out;
    patient_init(&p, hurt, seed);
    simdisk_arm(p.w.disk, &fault);
    cccc_err_t err = repair(&p, &out);
    bool fired = simdisk_fired(p.w.disk);
    WORLD_REQUIRE(&p.w, fired || err == CCCC_OK, ": %s: %s", hurt->name, p.w.message.text);
    if (fault.kind == SIMDISK_CRASH)
        simdisk_halt(p.w.disk);
    simdisk_arm(p.w.disk, NULL);
    if (fault.kind == SIMDISK_CRASH)
        simdisk_power_cut(p.w.disk, loss);
    check_no_byte_lost(&p);
    if (start_between)
        check_start_in_between(&p, hurt);
    struct cccc_repair second;
    WORLD_REQUIRE(&p.w, repair(&p, &second) == CCCC_OK, ": %s, call %llu: %s", hurt->name, (unsigned long long)fault.at, p.w.message.text);
    check_repaired(&p, hurt);
    world_fini(&p.w);
    return fired;
}

/* A power cut at every call of a repair: no byte is lost, no seq is used again, and doing it once more ends it. */
static void a_repair_may_be_stopped_anywhere(void **state)
{
    (void)state;
    static const enum simdisk_loss losses[] = {SIMDISK_LOSE_ALL, SIMDISK_KEEP_ALL, SIMDISK_DICE, SIMDISK_DICE};
    for (unsigned i = 0; i < HURTS; i++)
        for (unsigned k = 0; k < sizeof losses / sizeof *losses; k++)
            for (uint64_t at = 1; faulty_repair(&hurts[i], (struct simdisk_fault){.kind = SIMDISK_CRASH, .at = at}, losses[k],
                                                at % 2 == k % 2, arguments.seed + at);
                 at++)
                assert_true(at < 1000);
}

/* A call that fails, once, at every place: an error, and doing it again on a disk that works ends it. */
static void a_repair_that_meets_errors_can_be_repeated(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    for (unsigned i = 0; i < HURTS; i++)
        for (unsigned k = 0; k < 2; k++)
            for (uint64_t at = 1; faulty_repair(&hurts[i], (struct simdisk_fault){.kind = SIMDISK_FAIL, .at = at, .error = errors[k]},
                                                SIMDISK_LOSE_ALL, at % 2, arguments.seed + at);
                 at++)
                assert_true(at < 1000);
}

int main(int argc, char **argv)
{
    arguments = world_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_up_is_named_and_the_ledger_goes_on),
        cmocka_unit_test(a_sound_ledger_is_left_alone),
        cmocka_unit_test(a_repair_may_be_stopped_anywhere),
        cmocka_unit_test(a_repair_that_meets_errors_can_be_repeated),
    };
    return cmocka_run_group_tests_name("ledger repair", tests, NULL, NULL);
}
