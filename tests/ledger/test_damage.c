/* test_damage.c - what somebody or something did to the bytes of a ledger is found, named and never made worse.
 *
 * usage: test_ledger_damage [--seed N] [--histories N] */
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/loss.h"
#include "tests/ledger/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world_arguments arguments;

enum { EVENTS = 6 };

/* ---- a small known ledger ---- */

struct sample {
    struct world w;
    char *bytes;
    size_t len;
    size_t ends[EVENTS + 1]; /* ends[k]: offset behind line k */
};

static void find_ends(struct sample *s)
{
    unsigned line = 0;
    for (size_t i = 0; i < s->len && line < EVENTS; i++)
        if (s->bytes[i] == '\n')
            s->ends[++line] = i + 1;
}

/* EVENTS lines, each in a batch of its own so that `dur` follows one behind; a mark at the last one unless `marked` is false. Closed. */
static void sample_init(struct sample *s, bool marked)
{
    *s = (struct sample){0};
    world_init(&s->w, arguments.seed);
    assert_int_equal(world_open(&s->w), CCCC_OK);
    for (unsigned i = 0; i < EVENTS; i++) {
        world_append(&s->w, 1, 20);
        world_commit_all(&s->w);
    }
    if (marked)
        world_mark(&s->w);
    world_close(&s->w);
    const char *bytes;
    world_bytes(&s->w, &bytes, &s->len);
    s->bytes = cccc_room(s->len + 1);
    memcpy(s->bytes, bytes, s->len);
    find_ends(s);
}

static void sample_fini(struct sample *s)
{
    free(s->bytes);
    world_fini(&s->w);
}

/* The file of the sample becomes these bytes, in place. */
static void put_bytes(struct sample *s, const char *bytes, size_t len)
{
    simdisk_poke(s->w.disk, WORLD_LEDGER, bytes, len);
}

static bool file_is(struct world *w, const char *bytes, size_t len)
{
    const char *now;
    size_t now_len;
    world_bytes(w, &now, &now_len);
    return now_len == len && memcmp(now, bytes, len) == 0;
}

/* The seq whose line holds the byte at `offset`. */
static uint64_t seq_at(const struct sample *s, size_t offset)
{
    uint64_t seq = 1;
    while (s->ends[seq] <= offset)
        seq++;
    return seq;
}

static bool is_in_gap(const struct world *w, uint64_t seq)
{
    for (unsigned i = 0; i < w->gap_count; i++)
        if (w->gaps[i].from_seq <= seq && seq <= w->gaps[i].to_seq)
            return true;
    return false;
}

static uint64_t lost_in_gaps(const struct world *w)
{
    uint64_t lost = 0;
    for (unsigned i = 0; i < w->gap_count; i++)
        lost += w->gaps[i].to_seq - w->gaps[i].from_seq + 1;
    return lost;
}

struct findings {
    unsigned count;
    uint64_t line, offset, end;
    struct cccc_verify_report report;
};

static void count_finding(void *arg, const struct cccc_verify_finding *finding)
{
    struct findings *f = arg;
    assert_string_equal(finding->file, WORLD_LEDGER);
    assert_true(finding->what[0]);
    if (f->count++ == 0) {
        f->line = finding->line;
        f->offset = finding->gap.offset;
        f->end = finding->gap.offset + finding->gap.length;
    }
}

static struct findings verify(struct world *w)
{
    struct findings f = {0};
    assert_int_equal(cccc_ledger_verify(w->vfs, WORLD_GROUP, count_finding, NULL, &f, &f.report, &w->message), CCCC_OK);
    return f;
}

/* ---- damage at or below what is durable ---- */

static void flip_is_named(struct sample *s, size_t at, unsigned bit)
{
    struct world *w = &s->w;
    uint64_t seq = seq_at(s, at);
    s->bytes[at] = (char)(s->bytes[at] ^ (1 << bit));
    put_bytes(s, s->bytes, s->len);
    struct findings found = verify(w);
    WORLD_REQUIRE(w, found.count > 0 && found.offset <= at && at <= found.end, ": byte %zu bit %u is not named", at, bit);
    WORLD_REQUIRE(w, found.line == seq, ": line %llu for %llu", (unsigned long long)found.line, (unsigned long long)seq);
    WORLD_REQUIRE(w, world_open(w) == CCCC_OK, ": byte %zu bit %u", at, bit);
    WORLD_REQUIRE(w, file_is(w, s->bytes, s->len), ": byte %zu bit %u: the file was changed", at, bit);
    WORLD_REQUIRE(w, is_in_gap(w, seq), ": byte %zu bit %u: seq %llu is in no gap", at, bit, (unsigned long long)seq);
    WORLD_REQUIRE(w, w->folded + lost_in_gaps(w) == EVENTS && lost_in_gaps(w) <= 2, ": byte %zu bit %u", at, bit);
    WORLD_REQUIRE(w, w->report.read_only == is_in_gap(w, EVENTS), ": byte %zu bit %u", at, bit);
    WORLD_REQUIRE(w, w->report.note[0] != '\0');
    world_close(w);
    s->bytes[at] = (char)(s->bytes[at] ^ (1 << bit));
}

/* Each single flipped bit at or below the mark is a gap that names its line; nothing is cut, and a lost head refuses appends. */
static void every_bit_flip_below_the_mark_is_named_and_nothing_is_cut(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, true);
    for (size_t at = 0; at < s.len; at++)
        for (unsigned bit = 0; bit < 8; bit++)
            flip_is_named(&s, at, bit);
    sample_fini(&s);
}

/* Without a mark the lines vouch for each other: damage in any line but the last is still never cut. */
static void dur_protects_what_the_mark_does_not(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, false);
    for (size_t at = 0; at < s.ends[EVENTS - 1] - 1; at++)
        flip_is_named(&s, at, (unsigned)(at % 8));
    sample_fini(&s);
}

/* The last line, vouched for by nothing, cannot be told from a torn write: it goes, but a copy stays. */
static void a_damaged_last_line_that_nothing_vouches_for_is_kept_aside(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, false);
    s.bytes[s.len - 10] ^= 1;
    put_bytes(&s, s.bytes, s.len);
    assert_int_equal(verify(&s.w).report.torn_bytes, s.len - s.ends[EVENTS - 1]);
    assert_int_equal(world_open(&s.w), CCCC_OK);
    assert_int_equal(s.w.report.torn_bytes, s.len - s.ends[EVENTS - 1]);
    assert_true(file_is(&s.w, s.bytes, s.ends[EVENTS - 1]));
    assert_int_equal(cccc_ledger_health(s.w.ledger), CCCC_LEDGER_OK);
    sample_fini(&s);
}

/* A file cut anywhere below the mark is served as far as it goes, with the missing range named, and takes no appends. Only a missing last newline
 * costs nothing. */
static void every_truncation_is_named_and_refuses_appends(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, true);
    struct world *w = &s.w;
    for (size_t len = 0; len < s.len - 1; len++) {
        put_bytes(&s, s.bytes, len);
        uint64_t whole = seq_at(&s, len) - 1;
        if (len == s.ends[whole + 1] - 1) /* all but its newline */
            whole++;
        WORLD_REQUIRE(w, world_open(w) == CCCC_OK, ": length %zu", len);
        WORLD_REQUIRE(w, w->report.read_only && cccc_ledger_health(w->ledger) == CCCC_LEDGER_READ_ONLY, ": length %zu", len);
        WORLD_REQUIRE(w, w->folded == whole && w->gap_count == 1, ": length %zu", len);
        WORLD_REQUIRE(w, w->gaps[0].from_seq == whole + 1 && w->gaps[0].to_seq == EVENTS, ": length %zu", len);
        WORLD_REQUIRE(w, strcmp(w->gaps[0].reason, "truncated") == 0, ": length %zu", len);
        WORLD_REQUIRE(w, file_is(w, s.bytes, len), ": length %zu", len);
        WORLD_REQUIRE(w, !cccc_ledger_take_mark(w->ledger), ": the mark would forget");
        world_close(w);
    }
    put_bytes(&s, s.bytes, s.len - 1);
    assert_int_equal(world_open(w), CCCC_OK);
    assert_int_equal(cccc_ledger_health(w->ledger), CCCC_LEDGER_OK);
    world_append(w, 1, 5);
    world_commit_all(w);
    world_close(w);
    assert_int_equal(world_open(w), CCCC_OK);
    assert_int_equal(w->folded, EVENTS + 1);
    sample_fini(&s);
}

/* An older copy under another inode is what a restore leaves: served, the missing range named, and it takes appends, also after the next start. */
static void a_restored_copy_is_served_and_goes_on(void **state)
{
    (void)state;
    for (unsigned kept = 0; kept <= EVENTS; kept++) {
        struct sample s;
        sample_init(&s, true);
        struct world *w = &s.w;
        simdisk_restore(w->disk, WORLD_LEDGER, s.bytes, s.ends[kept]);
        assert_int_equal(world_open(w), CCCC_OK);
        assert_true(w->report.restored);
        assert_int_equal(cccc_ledger_health(w->ledger), CCCC_LEDGER_OK);
        assert_int_equal(w->report.gap_count, kept < EVENTS);
        if (kept < EVENTS) {
            assert_int_equal(w->report.gaps[0].from_seq, kept + 1);
            assert_int_equal(w->report.gaps[0].to_seq, EVENTS);
        }
        world_append(w, 1, 10);
        world_commit_all(w);
        world_mark(w);
        world_close(w);
        assert_int_equal(world_open(w), CCCC_OK);
        assert_false(w->report.restored);
        assert_int_equal(w->report.events, kept + 1);
        sample_fini(&s);
    }
}

struct wanted {
    struct world *w;
    const char *prefix, *bytes;
    size_t len;
    bool found;
};

static void look_for(void *arg, const char *name)
{
    struct wanted *wanted = arg;
    char path[256];
    const char *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", WORLD_TORN, name);
    if (strncmp(name, wanted->prefix, strlen(wanted->prefix)) == 0 && simdisk_peek(wanted->w->disk, path, &bytes, &len))
        wanted->found = wanted->found || (len == wanted->len && memcmp(bytes, wanted->bytes, len) == 0);
}

/* Is there a file state/ledger/torn/<kind>... with these bytes? */
static bool kept_aside(struct world *w, const char *kind, const char *bytes, size_t len)
{
    struct wanted wanted = {.w = w, .prefix = kind, .bytes = bytes, .len = len};
    w->vfs->list(w->vfs->ctx, WORLD_TORN, look_for, &wanted);
    return wanted.found;
}

/* The turn of the mark that is there. */
static uint64_t mark_turn(struct world *w)
{
    struct cccc_mark_value mark;
    unsigned slot;
    bool damaged;
    assert_int_equal(cccc_mark_read(w->vfs, WORLD_MARK, NULL, &mark, &slot, &damaged), 0);
    return mark.turn;
}

struct tails {
    struct world *w;
    size_t len;
    unsigned count;
};

static void look_for_note(void *arg, const char *name)
{
    struct tails *tails = arg;
    struct cccc_loss loss;
    bool good = strstr(name, ".note") && cccc_loss_read(tails->w->vfs, WORLD_GROUP "/state/ledger", name, &loss);
    tails->count += good && loss.bytes == tails->len && loss.to_seq == 0 && strncmp(name, loss.copy, strlen(loss.copy)) == 0;
}

/* How many notes there are about a tail of so many bytes that was cut. */
static unsigned noted_tails(struct world *w, size_t len)
{
    struct tails tails = {w, len, 0};
    w->vfs->list(w->vfs->ctx, WORLD_TORN, look_for_note, &tails);
    return tails.count;
}

/* The note a start has left about [from, to], if it has. */
static bool noted(struct world *w, const char *name, struct cccc_loss *loss)
{
    return cccc_loss_read(w->vfs, WORLD_GROUP "/state/ledger", name, loss);
}

/* What a copy lacks stays noted: what, since when and by whom, through every later start, until somebody removes the note. */
static void what_a_copy_lacks_is_noted_for_good(void **state)
{
    (void)state;
    struct sample s;
    struct cccc_loss loss;
    char name[64];
    sample_init(&s, true);
    struct world *w = &s.w;
    uint64_t turn = mark_turn(w);
    snprintf(name, sizeof name, "missing.4.%llu", (unsigned long long)turn);
    simdisk_restore(w->disk, WORLD_LEDGER, s.bytes, s.ends[3] + 20);
    assert_int_equal(world_open(w), CCCC_OK);
    uint64_t opened = w->epoch;
    for (int i = 0; i < 3; i++) {
        assert_true(noted(w, name, &loss));
        assert_int_equal(loss.from_seq, 4);
        assert_int_equal(loss.to_seq, EVENTS);
        assert_int_equal(loss.bytes, 20);
        assert_int_equal(loss.at, 1767604500 + opened);
        assert_int_equal(loss.epoch, opened);
        assert_string_equal(loss.by, "world");
        assert_true(strncmp(loss.copy, "torn.", 5) == 0 && kept_aside(w, loss.copy, s.bytes + s.ends[3], 20));
        world_append(w, 1, 10);
        world_commit_all(w);
        world_mark(w);
        world_close(w);
        assert_int_equal(world_open(w), CCCC_OK);
        assert_false(w->report.restored);
    }
    w->vfs->unlink(w->vfs->ctx, cccc_arena_printf(w->arena, "%s/%s", WORLD_TORN, name).ptr);
    world_close(w);
    assert_int_equal(world_open(w), CCCC_OK);
    assert_false(noted(w, name, &loss));
    sample_fini(&s);
}

/* A stop, an error or a full disk at any call of the start that meets the copy: as long as there is no note, the next start finds what is missing. */
static void no_stop_comes_between_a_loss_and_its_note(void **state)
{
    (void)state;
    static const struct simdisk_fault faults[] = {
        {.kind = SIMDISK_CRASH}, {.kind = SIMDISK_FAIL, .error = EIO}, {.kind = SIMDISK_FAIL, .error = ENOSPC, .for_ever = true}};
    static const enum simdisk_loss lose_all = SIMDISK_LOSE_ALL, dice = SIMDISK_DICE;
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        fired = false;
        for (size_t f = 0; f < 2 * sizeof faults / sizeof *faults; f++) {
            struct sample s;
            struct cccc_loss loss;
            char name[64];
            sample_init(&s, true);
            struct world *w = &s.w;
            snprintf(name, sizeof name, "missing.4.%llu", (unsigned long long)mark_turn(w));
            simdisk_restore(w->disk, WORLD_LEDGER, s.bytes, s.ends[3] + 20);
            struct simdisk_fault fault = faults[f / 2];
            fault.at = n;
            simdisk_arm(w->disk, &fault);
            if (world_open(w) == CCCC_OK && cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK) {
                struct cccc_commit result;
                world_append(w, 1, 10);
                world_commit(w, &result);
                world_mark(w);
            }
            fired = fired || simdisk_fired(w->disk);
            world_die(w, f % 2 ? &dice : &lose_all);
            simdisk_arm(w->disk, NULL);
            assert_int_equal(world_open(w), CCCC_OK);
            assert_true(noted(w, name, &loss) && loss.from_seq == 4 && loss.to_seq == EVENTS);
            sample_fini(&s);
        }
    }
}

/* ---- damage in the middle ---- */

/* Build a file out of pieces of the sample: "1 2 3" are its lines, other words are themselves and a newline. Space-separated. */
static size_t compose(const struct sample *s, const char *recipe, char *out)
{
    size_t len = 0;
    while (*recipe) {
        size_t word = strcspn(recipe, " ");
        if (word == 1 && *recipe >= '1' && *recipe <= '0' + EVENTS) {
            unsigned line = (unsigned)(*recipe - '0');
            memcpy(out + len, s->bytes + s->ends[line - 1], s->ends[line] - s->ends[line - 1]);
            len += s->ends[line] - s->ends[line - 1];
        } else {
            memcpy(out + len, recipe, word);
            len += word;
            out[len++] = '\n';
        }
        recipe += word;
        recipe += *recipe == ' ';
    }
    return len;
}

/* What opening a composed file below the mark must find: gaps as "from-to reason", in order. */
static const struct {
    const char *recipe;
    uint64_t folded;
    const char *gaps;
    bool stray;
} middles[] = {
    {"1 2 3 4 5 6", 6, "", false},
    {"1 2 xx 4 5 6", 5, "3-3 damaged;", false},
    {"1 xx yy 4 5 6", 4, "2-3 damaged;", false},
    {"xx 2 3 4 5 6", 5, "1-1 damaged;", false},
    {"1 2 4 5 6", 5, "3-3 missing;", false},
    {"3 4 5 6", 4, "1-2 missing;", false},
    {"1 3 xx 5 6", 4, "2-2 missing;4-4 damaged;", false},
    {"1 2 xx 3 4 5 6", 6, "", true},
    {"1 2  3 4 5 6", 6, "", true},
    {"1 2 1 2 3 4 5 6", 6, "", true},
    {"1 2 {} 3 4 5 6", 6, "", true},
    {"1 2 {\"v\":1} 4 5 6", 5, "3-3 damaged;", false},
    {"1 2 3 4 5 xx", 5, "6-6 truncated;", false},
    {"xx", 0, "1-6 truncated;", false},
    {"1 6", 2, "2-5 missing;", false},
};

static void describe_gaps(const struct world *w, char *out, size_t room)
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < w->gap_count; i++)
        len += (size_t)snprintf(out + len, room - len, "%llu-%llu %s;", (unsigned long long)w->gaps[i].from_seq,
                                (unsigned long long)w->gaps[i].to_seq, w->gaps[i].reason);
}

/* Lines that are replaced, missing, doubled or strange below the mark: exactly the seqs that are not there are named, all others are served. */
static void the_middle_of_a_ledger_is_judged_line_by_line(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, true);
    struct world *w = &s.w;
    for (size_t i = 0; i < sizeof middles / sizeof middles[0]; i++) {
        char file[64 * 1024], gaps[256];
        size_t len = compose(&s, middles[i].recipe, file);
        put_bytes(&s, file, len);
        WORLD_REQUIRE(w, world_open(w) == CCCC_OK, ": '%s'", middles[i].recipe);
        describe_gaps(w, gaps, sizeof gaps);
        WORLD_REQUIRE(w, strcmp(gaps, middles[i].gaps) == 0, ": '%s': %s", middles[i].recipe, gaps);
        WORLD_REQUIRE(w, w->folded == middles[i].folded, ": '%s'", middles[i].recipe);
        WORLD_REQUIRE(w, (w->report.foreign_bytes > 0) == middles[i].stray, ": '%s'", middles[i].recipe);
        WORLD_REQUIRE(w, file_is(w, file, len), ": '%s'", middles[i].recipe);
        WORLD_REQUIRE(w, (verify(w).count > 0) == (middles[i].gaps[0] || middles[i].stray), ": '%s'", middles[i].recipe);
        world_close(w);
    }
    sample_fini(&s);
}

/* A line replaced by another sound one is seen by the next line's `prev`. */
static void a_forged_line_breaks_the_chain(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, true);
    struct world *w = &s.w;
    struct cccc_event event;
    struct cccc_seal seal;
    cccc_buf_t file;
    cccc_buf_init(&file);
    assert_int_equal(cccc_line_read(s.bytes + s.ends[2], s.ends[3] - s.ends[2] - 1, w->arena, &event, &seal, NULL), CCCC_OK);
    event.by = CCCC_STR("mallory");
    cccc_buf_put(&file, s.bytes, s.ends[2]);
    cccc_line_write(&event, &seal, &file);
    cccc_buf_put(&file, s.bytes + s.ends[3], s.len - s.ends[3]);
    put_bytes(&s, file.data, file.size);
    assert_int_equal(verify(w).report.chain_breaks, 1);
    assert_int_equal(world_open(w), CCCC_OK);
    assert_non_null(strstr(w->report.note, "do not continue"));
    assert_int_equal(w->folded, EVENTS);
    cccc_buf_fini(&file);
    sample_fini(&s);
}

/* ---- behind the durable end ---- */

static void tail_is_cut_and_kept(const char *tail, size_t tail_len, const char *kind)
{
    struct sample s;
    sample_init(&s, true);
    struct world *w = &s.w;
    char *file = cccc_room(s.len + tail_len);
    memcpy(file, s.bytes, s.len);
    memcpy(file + s.len, tail, tail_len);
    put_bytes(&s, file, s.len + tail_len);
    assert_true(verify(w).count > 0);
    assert_int_equal(world_open(w), CCCC_OK);
    assert_true(file_is(w, s.bytes, s.len));
    assert_true(kept_aside(w, kind, tail, tail_len));
    assert_int_equal(noted_tails(w, tail_len), strcmp(kind, "torn.") == 0);
    assert_int_equal(w->report.torn_bytes + w->report.foreign_bytes, tail_len);
    assert_int_equal(w->folded, EVENTS);
    world_close(w);
    assert_int_equal(verify(w).count, 0);
    assert_int_equal(world_open(w), CCCC_OK);
    assert_string_equal(w->report.note, "");
    free(file);
    sample_fini(&s);
}

/* Anything behind the last durable line that does not continue it is moved aside: garbage, half lines, zeros, stray newlines, old lines. */
static void a_strange_tail_is_cut_and_kept(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, true);
    static const char zeros[9000];
    tail_is_cut_and_kept("garbage", 7, "torn.");
    tail_is_cut_and_kept("\n", 1, "torn.");
    tail_is_cut_and_kept(zeros, sizeof zeros, "torn.");
    tail_is_cut_and_kept(s.bytes, 40, "torn.");
    tail_is_cut_and_kept(s.bytes, s.len, "torn.");
    tail_is_cut_and_kept("{\"v\": 1, \"kind\": \"chat.message\"}\n", 33, "foreign.");
    size_t huge = CCCC_LINE_BYTES_MAX * 3;
    char *overlong = cccc_room(huge);
    memset(overlong, 'z', huge);
    tail_is_cut_and_kept(overlong, huge, "torn.");
    overlong[huge - 5] = '\n';
    tail_is_cut_and_kept(overlong, huge, "torn.");
    free(overlong);
    sample_fini(&s);
}

/* Nine acknowledged lines of one batch (`dur` 0), the third of them damaged, and a torn batch whose `dur` is all that vouches for the nine. */
static void damage_and_torn_tail(struct world *w)
{
    assert_int_equal(world_open(w), CCCC_OK);
    world_append(w, 9, 200);
    world_commit_all(w);
    world_append(w, 3, 200);
    world_commit_all(w);
    world_close(w);
    const char *bytes;
    size_t len;
    world_bytes(w, &bytes, &len);
    char *copy = cccc_room(len);
    memcpy(copy, bytes, len);
    for (size_t at = 0, line = 1; at < len; line++, at = (size_t)((char *)memchr(copy + at, '\n', len - at) - copy) + 1)
        if (line == 3 || line == 10)
            copy[at + 5] ^= 1;
    simdisk_poke(w->disk, WORLD_LEDGER, copy, len);
    free(copy);
}

static void check_damage_is_still_damage(struct world *w)
{
    WORLD_REQUIRE(w, world_open(w) == CCCC_OK);
    WORLD_REQUIRE(w, w->folded == 8 && w->gap_count == 1 && w->gaps[0].from_seq == 3 && w->gaps[0].to_seq == 3);
    WORLD_REQUIRE(w, cccc_ledger_head(w->ledger) == 9 && cccc_ledger_health(w->ledger) == CCCC_LEDGER_OK);
}

/* Cutting a tail must not take away what protects the lines before it: stopped at any call and opened again, the nine are still there. */
static void cutting_a_tail_leaves_its_evidence(void **state)
{
    (void)state;
    static const enum simdisk_loss losses[] = {SIMDISK_LOSE_ALL, SIMDISK_KEEP_ALL, SIMDISK_DICE};
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        for (size_t i = 0; i < 3; i++) {
            struct world w;
            world_init(&w, arguments.seed + n);
            damage_and_torn_tail(&w);
            simdisk_arm(w.disk, &(struct simdisk_fault){.kind = SIMDISK_CRASH, .at = n});
            world_open(&w);
            fired = simdisk_fired(w.disk);
            world_die(&w, &losses[i]);
            check_damage_is_still_damage(&w);
            world_die(&w, NULL);
            check_damage_is_still_damage(&w);
            world_fini(&w);
        }
    }
}

/* Overwrite some bytes at or below the mark, whose line ends at `end`, in cache and on disk alike. */
static void spoil(struct world *w, size_t end)
{
    const char *bytes;
    size_t len;
    world_bytes(w, &bytes, &len);
    char *copy = cccc_room(len);
    memcpy(copy, bytes, len);
    unsigned spots = 1 + (unsigned)simdisk_roll(w->disk, 3);
    for (unsigned i = 0; i < spots; i++) {
        size_t at = (size_t)simdisk_roll(w->disk, end), run = 1 + (size_t)simdisk_roll(w->disk, simdisk_roll(w->disk, 4) ? 3 : 400);
        for (size_t k = at; k < at + run && k < end; k++)
            copy[k] = (char)(copy[k] ^ (int)(1 + simdisk_roll(w->disk, 255)));
    }
    simdisk_poke(w->disk, WORLD_LEDGER, copy, len);
    memcpy(w->acked.data, copy, w->acked.size);
    free(copy);
}

static void acknowledged_bytes_are_as_they_were(struct world *w)
{
    const char *bytes;
    size_t len;
    world_bytes(w, &bytes, &len);
    WORLD_REQUIRE(w, len >= w->acked.size && memcmp(bytes, w->acked.data, w->acked.size) == 0, ": %zu of %zu bytes", len, w->acked.size);
}

static void damaged_history(struct world *w)
{
    struct cccc_commit result;
    assert_int_equal(world_open(w), CCCC_OK);
    size_t marked = 0;
    unsigned batches = 1 + (unsigned)simdisk_roll(w->disk, 5);
    for (unsigned i = 0; i < batches; i++) {
        world_append(w, 1 + (unsigned)simdisk_roll(w->disk, 5), simdisk_roll(w->disk, 5) ? 200 : 5000);
        world_commit_all(w);
        if (i == 0 || simdisk_roll(w->disk, 3) == 0) {
            world_mark(w);
            marked = w->acked.size;
        }
    }
    world_append(w, 4, 3000);
    simdisk_arm(w->disk, &(struct simdisk_fault){.kind = SIMDISK_CRASH, .at = 1 + simdisk_roll(w->disk, 5)});
    world_commit(w, &result);
    world_die(w, &(enum simdisk_loss){SIMDISK_DICE});
    spoil(w, marked);
    for (unsigned i = 0; i < 3; i++) {
        simdisk_arm(w->disk, &(struct simdisk_fault){.kind = SIMDISK_CRASH, .at = 1 + simdisk_roll(w->disk, 40)});
        world_open(w);
        world_die(w, &(enum simdisk_loss){SIMDISK_DICE});
        acknowledged_bytes_are_as_they_were(w);
    }
    WORLD_REQUIRE(w, world_open(w) == CCCC_OK);
    acknowledged_bytes_are_as_they_were(w);
    WORLD_REQUIRE(w, w->report.gap_count > 0 || w->report.foreign_bytes > 0 || w->report.note[0]);
}

/* Damage below the mark, then a torn batch, then recoveries that crash: no acknowledged byte, good or bad, is cut or changed, and the damage is told. */
static void damage_and_crashes_together_cut_nothing_acknowledged(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < arguments.histories; i++) {
        struct world w;
        world_init(&w, arguments.seed + i);
        damaged_history(&w);
        world_fini(&w);
    }
}

/* ---- other programs at work while we are ---- */

/* Bytes that appeared since our last batch: nothing is stored, they stay where they are until the ledger is opened again, and a copy is kept. */
static void foreign_bytes_stop_the_next_batch(void **state)
{
    (void)state;
    struct world w;
    struct cccc_commit result;
    world_init(&w, arguments.seed);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 2, 50);
    world_commit_all(&w);
    int fd = w.vfs->open(w.vfs->ctx, WORLD_LEDGER, CCCC_O_WRITE | CCCC_O_APPEND);
    w.vfs->append(w.vfs->ctx, fd, "{\"v\": 1}\n", 9);
    w.vfs->close(w.vfs->ctx, fd);
    world_append(&w, 1, 50);
    assert_true(world_commit(&w, &result));
    assert_int_equal(result.err, CCCC_E_DAMAGED);
    assert_false(result.outcome_unknown);
    assert_int_equal(cccc_ledger_health(w.ledger), CCCC_LEDGER_FAILED);
    assert_non_null(strstr(cccc_ledger_note(w.ledger), "wrote 9 bytes"));
    assert_true(kept_aside(&w, "foreign.", "{\"v\": 1}\n", 9));
    assert_null(cccc_ledger_take(w.ledger));
    world_close(&w);
    assert_int_equal(world_open(&w), CCCC_OK);
    world_check_file(&w);
    world_append(&w, 1, 50);
    world_commit_all(&w);
    world_close(&w);
    world_recover(&w);
    world_fini(&w);
}

/* A file that was cut, removed or replaced under us takes no batch: a line in a file nobody will find is not stored. */
static void a_file_that_is_not_ours_any_more_stops_the_next_batch(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct world w;
        struct cccc_commit result;
        world_init(&w, arguments.seed);
        assert_int_equal(world_open(&w), CCCC_OK);
        world_append(&w, 2, 50);
        world_commit_all(&w);
        if (how == 0)
            simdisk_poke(w.disk, WORLD_LEDGER, w.acked.data, 10);
        else if (how == 1)
            simdisk_restore(w.disk, WORLD_LEDGER, w.acked.data, w.acked.size);
        else
            w.vfs->unlink(w.vfs->ctx, WORLD_LEDGER);
        world_append(&w, 1, 50);
        assert_true(world_commit(&w, &result));
        assert_int_equal(result.err, CCCC_E_DAMAGED);
        assert_false(result.outcome_unknown);
        /* What we know to have been durable can still be marked, so that the next opening sees what is missing. */
        world_mark(&w);
        world_close(&w);
        assert_int_equal(world_open(&w), how == 2 ? CCCC_E_DAMAGED : CCCC_OK);
        assert_int_equal(w.report.read_only, how == 0);
        assert_int_equal(w.report.restored, how == 1);
        world_fini(&w);
    }
}

static const struct cccc_vfs *below; /* what the meddling vfs stands on */

static ssize_t meddling_append(void *ctx, int fd, const void *buf, size_t len)
{
    below->append(ctx, fd, "intruder\n", 9);
    return below->append(ctx, fd, buf, len);
}

/* Bytes that slip in between the comparison and our write are seen before the sync: the batch is not acknowledged. */
static void bytes_that_slip_in_during_a_write_are_seen(void **state)
{
    (void)state;
    struct world w;
    struct cccc_commit result;
    world_init(&w, arguments.seed);
    struct cccc_vfs meddling = *w.vfs;
    below = w.vfs;
    meddling.append = meddling_append;
    w.vfs = &meddling;
    assert_int_equal(world_open(&w), CCCC_OK);
    world_append(&w, 1, 50);
    assert_true(world_commit(&w, &result));
    assert_int_equal(result.err, CCCC_E_STORAGE);
    assert_true(result.outcome_unknown);
    world_close(&w);
    w.vfs = below;
    w.maybe.size = 0; /* it is behind the intruder, so recovery must not take it */
    world_recover(&w);
    world_fini(&w);
}

/* ---- disks that do not take writes ---- */

static int refuse_with; /* errno */

static int refusing_open(void *ctx, const char *path, int flags)
{
    bool writes = flags & (CCCC_O_WRITE | CCCC_O_CREATE);
    if (writes && (refuse_with == EROFS || strstr(path, "/torn/")))
        return -refuse_with;
    return below->open(ctx, path, flags);
}

static void opened_with_refusals(int err, bool *read_only)
{
    struct sample s;
    sample_init(&s, true);
    struct world *w = &s.w;
    char file[64 * 1024];
    memcpy(file, s.bytes, s.len);
    memcpy(file + s.len, "torn", 4);
    put_bytes(&s, file, s.len + 4);
    struct cccc_vfs refusing = *w->vfs;
    below = w->vfs;
    refusing.open = refusing_open;
    refuse_with = err;
    w->vfs = &refusing;
    cccc_err_t opened = world_open(w);
    assert_true(file_is(w, file, s.len + 4));
    *read_only = opened == CCCC_OK && w->report.read_only && w->folded == EVENTS;
    if (opened == CCCC_OK)
        assert_null(cccc_ledger_take(w->ledger));
    w->vfs = below;
    sample_fini(&s);
}

/* On a read-only or full disk a ledger is served without appends; nothing is cut that cannot be kept. A failing disk is not opened. */
static void a_disk_that_takes_no_writes_is_served(void **state)
{
    (void)state;
    bool read_only;
    opened_with_refusals(EROFS, &read_only);
    assert_true(read_only);
    opened_with_refusals(ENOSPC, &read_only);
    assert_true(read_only);
    opened_with_refusals(EIO, &read_only);
    assert_false(read_only);
}

/* ---- the mark ---- */

/* One torn slot leaves the other; two leave a note and the lines' own `dur`. */
static void a_torn_mark_slot_leaves_the_other(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, true);
    struct world *w = &s.w;
    assert_int_equal(world_open(w), CCCC_OK);
    world_append(w, 1, 10);
    world_commit_all(w);
    world_mark(w);
    world_close(w);
    const char *bytes;
    size_t len;
    assert_true(simdisk_peek(w->disk, WORLD_MARK, &bytes, &len));
    assert_int_equal(len, 2 * CCCC_MARK_SLOT_BYTES);
    char mark[2 * CCCC_MARK_SLOT_BYTES];
    memcpy(mark, bytes, len);
    struct cccc_mark_value value;
    unsigned slot;
    bool damaged;
    mark[CCCC_MARK_SLOT_BYTES + 30] ^= 4;
    simdisk_poke(w->disk, WORLD_MARK, mark, len);
    assert_int_equal(cccc_mark_read(w->vfs, WORLD_MARK, NULL, &value, &slot, &damaged), 0);
    assert_int_equal(value.seq, EVENTS);
    assert_int_equal(slot, 0);
    assert_false(damaged);
    mark[30] ^= 4;
    simdisk_poke(w->disk, WORLD_MARK, mark, len);
    assert_int_equal(world_open(w), CCCC_OK);
    assert_non_null(strstr(w->report.note, "mark"));
    assert_int_equal(w->folded, EVENTS + 1);
    sample_fini(&s);
}

/* ---- what cannot be opened ---- */

/* Each refusal says which and why. */
static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    struct sample s;
    sample_init(&s, true);
    struct world *w = &s.w;
    cccc_ledger_t *other = NULL;
    struct cccc_recovery report;
    struct cccc_ledger_options options = {.vfs = w->vfs, .group_dir = "/home/groups/g_ffffffffffff", .epoch = 1};
    assert_int_equal(cccc_ledger_open(&options, &other, &report, &w->message), CCCC_E_NOT_FOUND);
    assert_int_equal(world_open(w), CCCC_OK);
    options.group_dir = WORLD_GROUP;
    assert_int_equal(cccc_ledger_open(&options, &other, &report, &w->message), CCCC_E_LOCKED);
    assert_non_null(strstr(w->message.text, "ledger.lock"));
    world_close(w);
    w->vfs->unlink(w->vfs->ctx, WORLD_LEDGER);
    assert_int_equal(cccc_ledger_open(&options, &other, &report, &w->message), CCCC_E_DAMAGED);
    assert_int_equal(report.gaps[0].to_seq, EVENTS);
    w->vfs->mkdir(w->vfs->ctx, WORLD_LEDGER);
    assert_int_equal(cccc_ledger_open(&options, &other, &report, &w->message), CCCC_E_STORAGE);
    assert_null(other);
    sample_fini(&s);
}

int main(int argc, char **argv)
{
    arguments = world_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_flip_below_the_mark_is_named_and_nothing_is_cut),
        cmocka_unit_test(dur_protects_what_the_mark_does_not),
        cmocka_unit_test(a_damaged_last_line_that_nothing_vouches_for_is_kept_aside),
        cmocka_unit_test(every_truncation_is_named_and_refuses_appends),
        cmocka_unit_test(a_restored_copy_is_served_and_goes_on),
        cmocka_unit_test(what_a_copy_lacks_is_noted_for_good),
        cmocka_unit_test(no_stop_comes_between_a_loss_and_its_note),
        cmocka_unit_test(the_middle_of_a_ledger_is_judged_line_by_line),
        cmocka_unit_test(a_forged_line_breaks_the_chain),
        cmocka_unit_test(a_strange_tail_is_cut_and_kept),
        cmocka_unit_test(cutting_a_tail_leaves_its_evidence),
        cmocka_unit_test(damage_and_crashes_together_cut_nothing_acknowledged),
        cmocka_unit_test(foreign_bytes_stop_the_next_batch),
        cmocka_unit_test(a_file_that_is_not_ours_any_more_stops_the_next_batch),
        cmocka_unit_test(bytes_that_slip_in_during_a_write_are_seen),
        cmocka_unit_test(a_disk_that_takes_no_writes_is_served),
        cmocka_unit_test(a_torn_mark_slot_leaves_the_other),
        cmocka_unit_test(what_cannot_be_opened_says_why),
    };
    return cmocka_run_group_tests_name("ledger damage", tests, NULL, NULL);
}
