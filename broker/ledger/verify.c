/* verify.c - judging a ledger without touching it: what the next start would find, in full.
 *
 * Needs no lock: of a ledger that is being written it sees a prefix, and a tail in flight looks torn. Thread: the caller's. */
#include "broker/ledger/judge.h"
#include "broker/ledger/ledger_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERIFY_BLOCK = 1024 * 1024, PROGRESS_STEP = 16 * 1024 * 1024 };

struct verification {
    const struct cccc_vfs *vfs;
    void (*each_gap)(void *arg, const char *file, uint64_t line, const struct cccc_gap *gap, const char *what);
    void (*progress)(void *arg, uint64_t done, uint64_t all);
    void *arg;
    struct cccc_verify_report *report;
    const char *path;
    int fd;
    uint64_t last_offset, last_size; /* of the last event's line */
};

static void tell(struct verification *v, uint64_t number, const struct cccc_gap *gap, const char *what)
{
    if (v->each_gap)
        v->each_gap(v->arg, v->path, number, gap, what);
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
        tell(v, f->number, &here, "the line is not an event");
    } else if (f->legacy) {
        report->legacy++;
    } else {
        report->sound++;
    }
    if (f->forked) {
        report->chain_breaks++;
        tell(v, f->number, &here, "the line does not continue the line before it");
    }
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
        tell(v, f->number, &f->gap,
             f->last            ? "the file ends, or cannot be read, below what was durable"
             : f->bad_lines > 0 ? "lines are damaged"
                                : "lines are missing");
        break;
    case CCCC_FOUND_STRAY:
        tell(v, f->number, &f->gap, "bytes that belong to no event");
        break;
    case CCCC_FOUND_TORN:
        v->report->torn_bytes = f->gap.length;
        tell(v, f->number, &f->gap, "the tail was never known durable; the next start moves it to state/ledger/torn");
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

static int verify_open(struct verification *v, const char *mark_path)
{
    struct cccc_stat st;
    struct cccc_mark_value mark;
    unsigned slot;
    bool damaged;
    int rc = v->vfs->fstat(v->vfs->ctx, v->fd, &st);
    if (rc == 0)
        rc = cccc_mark_read(v->vfs, mark_path, &mark, &slot, &damaged);
    if (rc < 0)
        return rc;
    v->report->bytes = st.size;
    rc = judge_all(v, st.size, cccc_mark_is_about(&mark, &st) ? mark.seq : 0);
    return rc < 0 ? rc : read_head_id(v);
}

cccc_err_t cccc_ledger_verify(const struct cccc_vfs *vfs, const char *group_dir,
                              void (*each_gap)(void *arg, const char *file, uint64_t line, const struct cccc_gap *gap, const char *what),
                              void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg, struct cccc_verify_report *report,
                              struct cccc_errmsg *m)
{
    *report = (struct cccc_verify_report){0};
    char *path = cccc_path_join(group_dir, "ledger.jsonl");
    char *mark_path = cccc_path_join(group_dir, "state/ledger/mark");
    struct verification v = {.vfs = vfs, .each_gap = each_gap, .progress = progress, .arg = arg, .report = report, .path = path};
    v.fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    int rc = v.fd < 0 ? v.fd : verify_open(&v, mark_path);
    if (v.fd >= 0)
        vfs->close(vfs->ctx, v.fd);
    cccc_err_t err = CCCC_OK;
    if (rc < 0)
        err = cccc_fail(m, rc == -ENOENT ? CCCC_E_NOT_FOUND : CCCC_E_STORAGE, "cannot verify %s: %s", path, strerror(-rc));
    free(path);
    free(mark_path);
    return err;
}
