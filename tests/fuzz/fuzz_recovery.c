/* fuzz_recovery.c - any bytes as a ledger with any mark: opening never crashes, never takes a line that breaks the rule, and never cuts what is known durable.
 *
 * Input: one byte of flags, one of the seq that the mark names, then ledger.jsonl. Checksums cannot be guessed, so with HEAL_CRC each line that ends as a
 * sealed one does gets the right one first, and with HEAL_CHAIN the `prev` of the line before it, too: damage is then what the fuzzer does to the rest.
 * What must hold is worked out here from FORMAT.md, line by line, without the judge. */
#include "broker/ledger/ledger_private.h"
#include "tests/support/simdisk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAL_CRC = 1, HEAL_CHAIN = 2, MARKED = 4, OTHER_FILE = 8, FILE_MAX = 64 * 1024 };

#define GROUP  "/home/groups/g_000000000001"
#define LEDGER GROUP "/ledger.jsonl"

struct world {
    simdisk_t *disk;
    const struct cccc_vfs *vfs;
    char before[FILE_MAX];
    size_t len;
    uint64_t floor; /* highest seq known durable: the mark's, and each sound line's `dur` */
    uint64_t folded, gaps, forged, last_seq;
};

/* ---- making the file ---- */

static void put_hex(char *at, uint32_t value)
{
    char hex[9];
    snprintf(hex, sizeof hex, "%08x", value);
    memcpy(at, hex, 8);
}

/* `line` ends with ,"prev":"xxxxxxxx","crc":"xxxxxxxx"} */
static void heal(char *line, size_t len, uint8_t flags, uint32_t *crc)
{
    static const char prev[] = ",\"prev\":\"", check[] = "\",\"crc\":\"";
    const size_t tail = sizeof check - 1 + 8 + 2, whole = sizeof prev - 1 + 8 + tail;
    if (len < whole || memcmp(line + len - whole, prev, sizeof prev - 1) != 0 || memcmp(line + len - tail, check, sizeof check - 1) != 0)
        return;
    if (flags & HEAL_CHAIN)
        put_hex(line + len - tail - 8, *crc);
    if (flags & HEAL_CRC) {
        *crc = cccc_crc32c(0, line, len - tail + 1);
        put_hex(line + len - 10, *crc);
    }
}

static void heal_all(struct world *w, uint8_t flags)
{
    uint32_t crc = 0;
    for (size_t at = 0; at < w->len;) {
        char *newline = memchr(w->before + at, '\n', w->len - at);
        size_t line = newline ? (size_t)(newline - (w->before + at)) : w->len - at;
        heal(w->before + at, line, flags, &crc);
        at += line + 1;
    }
}

static void put_mark(struct world *w, uint8_t flags, uint8_t seq)
{
    struct cccc_stat st;
    w->vfs->stat(w->vfs->ctx, LEDGER, &st);
    struct cccc_mark mark = {.vfs = w->vfs, .path = GROUP "/state/ledger/mark"};
    mark.value = (struct cccc_mark_value){.turn = 1,
                                          .device = st.device,
                                          .inode = st.inode + (flags & OTHER_FILE ? 1000 : 0),
                                          .birth_ns = st.birth_ns,
                                          .seq = seq,
                                          .offset = w->len};
    cccc_mark_write(&mark);
    if (!(flags & OTHER_FILE))
        w->floor = seq;
}

/* NUL ends a line that is whole up to there: the newline it began with was lost (judge.c). */
static void survey(struct world *w)
{
    for (size_t at = 0; at < w->len;) {
        uint64_t seq;
        struct cccc_seal seal;
        size_t line = 0;
        while (at + line < w->len && w->before[at + line] != '\n')
            line++;
        if (cccc_line_inspect(w->before + at, line, &seq, &seal) == CCCC_LINE_SOUND && seal.dur < seq && seal.dur > w->floor)
            w->floor = seal.dur;
        at += line + 1;
    }
}

/* ---- what must hold ---- */

static void fold(void *arg, const struct cccc_event *event)
{
    struct world *w = arg;
    CCCC_ASSERT(event->seq > w->last_seq, "seq %llu after %llu", (unsigned long long)event->seq, (unsigned long long)w->last_seq);
    w->last_seq = event->seq;
    w->folded++;
}

static void fold_gap(void *arg, const struct cccc_gap *gap)
{
    struct world *w = arg;
    CCCC_ASSERT(gap->from_seq > w->last_seq && gap->to_seq >= gap->from_seq, "gap %llu..%llu after %llu", (unsigned long long)gap->from_seq,
                (unsigned long long)gap->to_seq, (unsigned long long)w->last_seq);
    w->last_seq = gap->to_seq;
    w->gaps++;
    uint64_t seq;
    struct cccc_seal seal;
    const char *line = w->before + gap->offset;
    w->forged += gap->length > 1 && gap->from_seq == gap->to_seq &&
                 cccc_line_inspect(line, gap->length - (line[gap->length - 1] == '\n'), &seq, &seal) == CCCC_LINE_SOUND &&
                 seq == gap->from_seq;
}

static cccc_err_t open_ledger(struct world *w, uint64_t epoch, cccc_ledger_t **ledger, struct cccc_recovery *report)
{
    struct cccc_errmsg m = {""};
    w->folded = w->gaps = w->forged = w->last_seq = 0;
    return cccc_ledger_open(
        &(struct cccc_ledger_options){
            .vfs = w->vfs, .group_dir = GROUP, .group_id = "g_000000000001", .epoch = epoch, .fold = fold, .fold_gap = fold_gap, .arg = w},
        ledger, report, &m);
}

static void check_cut(struct world *w, const cccc_ledger_t *ledger, const struct cccc_recovery *report)
{
    const char *now = "";
    size_t len = 0;
    simdisk_peek(w->disk, LEDGER, &now, &len);
    CCCC_ASSERT(len <= w->len && (len == 0 || memcmp(now, w->before, len) == 0), /* an empty file has no bytes to point to */
                "bytes were changed");
    if (len == w->len)
        return;
    CCCC_ASSERT(cccc_ledger_durable(ledger) >= w->floor, "cut at head %llu, and %llu was durable",
                (unsigned long long)cccc_ledger_durable(ledger), (unsigned long long)w->floor);
    char aside[128];
    const char *kept = "";
    size_t kept_len = 0;
    uint32_t crc = cccc_crc32c(0, w->before + len, w->len - len);
    snprintf(aside, sizeof aside, GROUP "/state/ledger/torn/%s.%zu.%08x", report->torn_bytes > 0 ? "torn" : "foreign", len, crc);
    CCCC_ASSERT(simdisk_peek(w->disk, aside, &kept, &kept_len) && kept_len == w->len - len, "%zu bytes were cut without a copy",
                w->len - len);
}

/* Everything the fold was told is read again, and verify counts the same. */
static void check_reading(struct world *w, cccc_ledger_t *ledger, const struct cccc_recovery *report)
{
    struct cccc_verify_report verified;
    struct cccc_errmsg m = {""};
    uint64_t events = 0, after = 0;
    bool more = true;
    while (more) {
        cccc_read_t *read = cccc_ledger_plan_read(
            ledger, &(struct cccc_read_query){.mode = CCCC_READ_AFTER, .seq = after, .limit = 1000, .bytes_max = 1 << 20});
        cccc_read_run(read);
        const struct cccc_read_result *result = cccc_read_result(read);
        CCCC_ASSERT(result->err == CCCC_OK, "%s", result->message.text);
        events += result->event_count;
        CCCC_ASSERT(!result->more || result->checked_seq > after, "a read does not get on");
        after = result->checked_seq;
        more = result->more;
        cccc_read_destroy(&read);
    }
    CCCC_ASSERT(events == w->folded, "%llu events are read, %llu were folded", (unsigned long long)events, (unsigned long long)w->folded);
    CCCC_ASSERT(cccc_ledger_verify(w->vfs, GROUP, NULL, NULL, NULL, &verified, &m) == CCCC_OK, "%s", m.text);
    /* verify trusts checksums; a forged line that is no event and has one is a gap of one seq to the fold */
    CCCC_ASSERT(verified.sound + verified.legacy == w->folded + w->forged, "verify counts %llu, %llu were folded",
                (unsigned long long)(verified.sound + verified.legacy), (unsigned long long)w->folded);
    CCCC_ASSERT(verified.torn_bytes == 0 && (verified.damaged > 0 || w->gaps == w->forged), "%u gaps", report->gap_count);
}

static void open_twice(struct world *w)
{
    cccc_ledger_t *ledger = NULL;
    struct cccc_recovery report, again;
    const char *bytes = "";
    size_t len = 0;
    cccc_err_t err = open_ledger(w, 5, &ledger, &report);
    CCCC_ASSERT(err == CCCC_OK, "a sound disk is refused: %s", cccc_err_code(err));
    check_cut(w, ledger, &report);
    check_reading(w, ledger, &report);
    uint64_t folded = w->folded, head = cccc_ledger_head(ledger);
    bool read_only = report.read_only;
    cccc_ledger_close(&ledger);
    simdisk_peek(w->disk, LEDGER, &bytes, &len);
    size_t len_once = len;
    CCCC_ASSERT(open_ledger(w, 6, &ledger, &again) == CCCC_OK);
    simdisk_peek(w->disk, LEDGER, &bytes, &len);
    CCCC_ASSERT(len == len_once && w->folded == folded && again.torn_bytes == 0 &&
                    again.foreign_bytes == report.foreign_bytes - (w->len - len) * (report.torn_bytes == 0),
                "opening twice is not opening once");
    /* How far the older format's lines go is told by the first sealed line. When that is cut, unreadable ones at their end count as a lost head: the second start
     * may refuse what the first one took, never the other way round. */
    bool older = report.legacy > 0 || folded == 0;
    CCCC_ASSERT(again.read_only || cccc_ledger_head(ledger) == head, "another head");
    CCCC_ASSERT(older || again.read_only == read_only, "refusing is not what it was");
    CCCC_ASSERT(again.read_only || !read_only, "what took no appends takes them");
    cccc_ledger_close(&ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    if (size < 2 || size - 2 > sizeof w.before)
        return -1;
    w = (struct world){.disk = simdisk_new(1), .len = size - 2};
    w.vfs = simdisk_vfs(w.disk);
    memcpy(w.before, data + 2, w.len);
    heal_all(&w, data[0]);
    cccc_vfs_make_dirs(w.vfs, GROUP "/state/ledger");
    simdisk_poke(w.disk, LEDGER, w.before, w.len);
    if (data[0] & MARKED)
        put_mark(&w, data[0], data[1]);
    survey(&w);
    open_twice(&w);
    simdisk_destroy(&w.disk);
    return 0;
}
