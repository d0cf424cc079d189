/* verify.c - judging a ledger without touching it: what the next start would find, in full.
 *
 * Findings are told at the end, because an event further on may say that the operator has given a stretch up; of a file with very many, the oldest are told
 * earlier. A line whose checksum holds counts as sound unread: whether it is an event only a start finds out, and only a program could have made one that
 * is none. Needs no lock: of a ledger that is being written it sees a prefix, and a tail in flight looks torn. Thread: the caller's. */
#include "broker/ledger/judge.h"
#include "broker/ledger/ledger_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERIFY_BLOCK = 1024 * 1024, PROGRESS_STEP = 16 * 1024 * 1024, FINDINGS_MAX = 4096 };

struct verification {
    const struct cccc_vfs *vfs;
    cccc_verify_fn each;
    struct cccc_verify_finding *findings; /* not told yet */
    size_t count, room;
    void (*progress)(void *arg, uint64_t done, uint64_t all);
    void *arg;
    struct cccc_verify_report *report;
    const char *path;
    int fd;
    uint64_t last_offset, last_size; /* of the last event's line */
};

static void tell_all(struct verification *v)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct cccc_verify_finding *finding = &v->findings[i];
        v->report->damaged += finding->kind == CCCC_VERIFY_DAMAGED || finding->kind == CCCC_VERIFY_LOST ||
                              finding->kind == CCCC_VERIFY_STRAY || finding->kind == CCCC_VERIFY_FORKED;
        if (v->each)
            v->each(v->arg, finding);
    }
    v->count = 0;
}

static void note(struct verification *v, enum cccc_verify_kind kind, uint64_t number, const struct cccc_gap *gap, const char *what)
{
    if (v->count == FINDINGS_MAX)
        tell_all(v);
    if (v->count == v->room) {
        v->room = v->room ? v->room * 2 : 16;
        v->findings = cccc_room_again(v->findings, v->room, sizeof *v->findings);
    }
    v->findings[v->count++] = (struct cccc_verify_finding){kind, v->path, number, *gap, what};
}

/* What a ledger.repair gives up is no damage any more. Lines are read only where there is something to give up. */
static void take_repair(struct verification *v, const struct cccc_finding *f, cccc_arena_t *arena)
{
    static const char member[] = "\"kind\":\"ledger.repair\"";
    struct cccc_event event;
    struct cccc_seal seal;
    if (v->count == 0 || f->legacy || !memmem(f->line.ptr, f->line.len, member, sizeof member - 1))
        return;
    if (cccc_line_read(f->line.ptr, f->line.len, arena, &event, &seal, NULL) == CCCC_OK && cccc_str_is(event.kind, "ledger.repair")) {
        uint64_t from = cccc_get_uint(&event.data, "from_seq", 0), to = cccc_get_uint(&event.data, "to_seq", 0);
        for (size_t i = 0; i < v->count; i++) {
            struct cccc_verify_finding *finding = &v->findings[i];
            if (finding->kind == CCCC_VERIFY_DAMAGED && finding->gap.from_seq >= from && finding->gap.to_seq <= to) {
                finding->kind = CCCC_VERIFY_GIVEN_UP;
                finding->what = "events were damaged or lost, and given up with `cccc ledger repair`";
            }
        }
    }
    msgpack_zone_clear(arena);
}

static void check_event(struct verification *v, const struct cccc_finding *f, cccc_arena_t *arena)
{
    struct cccc_verify_report *report = v->report;
    struct cccc_gap here = {f->seq, f->seq, f->line.offset, f->line.size, "damaged"};
    struct cccc_event event;
    struct cccc_seal seal;
    bool readable = true;
    if (f->legacy) { /* nothing but reading it tells whether it is whole */
        readable = cccc_line_read(f->line.ptr, f->line.len, arena, &event, &seal, NULL) == CCCC_OK;
        msgpack_zone_clear(arena);
    }
    if (!readable) {
        report->broken++;
        note(v, CCCC_VERIFY_DAMAGED, f->number, &here, "the line is not an event");
    } else if (f->legacy) {
        report->legacy++;
    } else {
        report->sound++;
    }
    if (f->forked) {
        report->chain_breaks++;
        note(v, CCCC_VERIFY_FORKED, f->number, &here, "the line does not continue the line before it");
    }
    take_repair(v, f, arena);
    if (report->first_seq == 0)
        report->first_seq = f->seq;
    report->head_seq = f->seq;
    report->head_crc = f->legacy ? 0 : f->seal.crc;
    v->last_offset = f->line.offset;
    v->last_size = f->line.size;
}

static void check_finding(struct verification *v, const struct cccc_finding *f, cccc_arena_t *arena)
{
    v->report->broken += f->bad_lines;
    switch (f->kind) {
    case CCCC_FOUND_EVENT:
        check_event(v, f, arena);
        break;
    case CCCC_FOUND_GAP:
        v->report->seq_breaks += f->bad_lines == 0;
        note(v, f->last ? CCCC_VERIFY_LOST : CCCC_VERIFY_DAMAGED, f->number, &f->gap,
             f->last            ? "the file ends, or cannot be read, below what was durable"
             : f->bad_lines > 0 ? "lines are damaged"
                                : "lines are missing");
        break;
    case CCCC_FOUND_STRAY:
        note(v, CCCC_VERIFY_STRAY, f->number, &f->gap, "bytes that belong to no event");
        break;
    case CCCC_FOUND_TORN:
        v->report->torn_bytes = f->gap.length;
        note(v, CCCC_VERIFY_TORN, f->number, &f->gap, "the tail was never known durable; the next start moves it to state/ledger/torn");
        break;
    default:
        break;
    }
}

static int judge_all(struct verification *v, uint64_t size, uint64_t floor)
{
    struct cccc_scan scan;
    struct cccc_judge judge;
    struct cccc_finding f;
    uint64_t told = 0;
    cccc_scan_init(&scan, v->vfs, v->fd, 0, size, VERIFY_BLOCK);
    cccc_judge_init(&judge, &scan, &(struct cccc_judge_start){.floor = floor});
    cccc_arena_t *arena = cccc_arena_new(16 * 1024);
    do {
        cccc_judge_next(&judge, &f);
        check_finding(v, &f, arena);
        if (v->progress && scan.offset - told >= PROGRESS_STEP)
            v->progress(v->arg, told = scan.offset, size);
    } while (f.kind != CCCC_FOUND_END && f.kind != CCCC_FOUND_TORN && f.kind != CCCC_FOUND_ERROR);
    if (v->progress)
        v->progress(v->arg, size, size);
    v->report->lines = judge.number;
    cccc_arena_destroy(&arena);
    cccc_scan_fini(&scan);
    return f.err;
}

static int read_head_id(struct verification *v)
{
    if (v->last_size == 0)
        return 0;
    char *line = cccc_room(v->last_size);
    ssize_t n = cccc_vfs_read_all(v->vfs, v->fd, line, v->last_size, v->last_offset);
    cccc_arena_t *arena = cccc_arena_new(16 * 1024);
    struct cccc_event event;
    struct cccc_seal seal;
    size_t len = n > 0 && line[n - 1] == '\n' ? (size_t)n - 1 : (size_t)(n > 0 ? n : 0);
    if (n > 0 && cccc_line_read(line, len, arena, &event, &seal, NULL) == CCCC_OK)
        snprintf(v->report->head_id, sizeof v->report->head_id, "%.*s", CCCC_STR_FMT(event.id));
    cccc_arena_destroy(&arena);
    free(line);
    return n < 0 ? (int)n : 0;
}

static int verify_file(struct verification *v, const struct cccc_mark_value *mark)
{
    struct cccc_stat st;
    int rc = v->vfs->fstat(v->vfs->ctx, v->fd, &st);
    if (rc < 0)
        return rc;
    v->report->bytes = st.size;
    rc = judge_all(v, st.size, cccc_mark_is_about(mark, &st) ? mark->seq : 0);
    return rc < 0 ? rc : read_head_id(v);
}

/* The mark remembers a ledger that is gone. */
static int miss_file(struct verification *v, const struct cccc_mark_value *mark)
{
    if (mark->seq == 0)
        return -ENOENT;
    struct cccc_gap all = {.from_seq = 1, .to_seq = mark->seq, .reason = "missing"};
    note(v, CCCC_VERIFY_LOST, 0, &all, "the file is gone");
    return 0;
}

static int verify_with_mark(struct verification *v, const char *mark_path)
{
    struct cccc_mark_value mark;
    unsigned slot;
    bool damaged;
    int rc = cccc_mark_read(v->vfs, mark_path, &mark, &slot, &damaged);
    if (rc == 0)
        rc = v->fd >= 0 ? verify_file(v, &mark) : v->fd == -ENOENT ? miss_file(v, &mark) : v->fd;
    tell_all(v);
    if (rc == 0 && damaged && v->each)
        v->each(v->arg, &(struct cccc_verify_finding){CCCC_VERIFY_MARK, mark_path, 1, {.reason = "damaged"}, "the mark is unreadable"});
    return rc;
}

cccc_err_t cccc_ledger_verify(const struct cccc_vfs *vfs, const char *group_dir, cccc_verify_fn each,
                              void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg, struct cccc_verify_report *report,
                              struct cccc_errmsg *m)
{
    *report = (struct cccc_verify_report){0};
    char *path = cccc_path_join(group_dir, "ledger.jsonl");
    char *mark_path = cccc_path_join(group_dir, "state/ledger/mark");
    struct verification v = {.vfs = vfs, .each = each, .progress = progress, .arg = arg, .report = report, .path = path};
    v.fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    int rc = verify_with_mark(&v, mark_path);
    if (v.fd >= 0)
        vfs->close(vfs->ctx, v.fd);
    cccc_err_t err = CCCC_OK;
    if (rc < 0)
        err = cccc_fail(m, rc == -ENOENT ? CCCC_E_NOT_FOUND : CCCC_E_STORAGE, "cannot verify %s: %s", path, strerror(-rc));
    free(v.findings);
    free(path);
    free(mark_path);
    return err;
}
