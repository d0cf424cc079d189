/* verify.c - judging a ledger without touching it: what the next start would find, in full.
 *
 * Findings are told at the end, because an event further on may say that the operator has given a stretch up; of a file with very many, the oldest are told
 * earlier. A line whose checksum holds counts as sound unread: whether it is an event only a start finds out, and only a program could have made one that
 * is none. Needs no lock: of a ledger that is being written it sees a prefix, and a tail in flight looks torn. Thread: the caller's. */
#include "broker/ledger/join.h"
#include "broker/ledger/judge.h"
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/snapshot.h"

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
    const char *path; /* of what is being judged */
    char **paths;     /* of segments; findings borrow them */
    uint32_t path_count;
    uint64_t base; /* where the first byte of it is in the source */
    struct cccc_source *source;
    uint64_t done, told, all;        /* bytes */
    uint64_t last_offset, last_size; /* of the last event's line, in `source` */
};

static void tell_all(struct verification *v)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct cccc_verify_finding *finding = &v->findings[i];
        v->report->damaged += finding->kind == CCCC_VERIFY_DAMAGED || finding->kind == CCCC_VERIFY_LOST ||
                              finding->kind == CCCC_VERIFY_STRAY || finding->kind == CCCC_VERIFY_FORKED ||
                              finding->kind == CCCC_VERIFY_BASE;
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
    struct cccc_verify_finding *finding = &v->findings[v->count++];
    *finding = (struct cccc_verify_finding){.kind = kind, .file = v->path, .line = number, .gap = *gap, .what = what};
    finding->gap.offset -= gap->offset >= v->base ? v->base : gap->offset;
}

/* When, with what, and where the copy is; older versions did not record the last two. */
static void describe_repair(const struct cccc_event *event, struct cccc_verify_finding *finding)
{
    cccc_str_t command = cccc_get_str(&event->data, "command"), copy = cccc_get_str(&event->data, "copy");
    bool here = copy.len > 0 && cccc_get_uint(&event->data, "from_seq", 0) == finding->gap.from_seq;
    snprintf(finding->more, sizeof finding->more, "at %.*s by %.*s with `%.*s`%s%.*s", CCCC_STR_FMT(event->ts), CCCC_STR_FMT(event->by),
             CCCC_STR_FMT(command.len ? command : CCCC_STR("cccc ledger repair")), here ? "; what was cut is kept as " : "",
             here ? (int)copy.len : 0, here ? copy.ptr : "");
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
                finding->what = "events were damaged or lost, and given up";
                describe_repair(&event, finding);
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

/* Judge [from, to) of the source. */
static int judge_stretch(struct verification *v, const struct cccc_judge_start *start, uint64_t from, uint64_t to)
{
    struct cccc_scan scan;
    struct cccc_judge judge;
    struct cccc_finding f;
    cccc_scan_init(&scan, v->source, from, to, VERIFY_BLOCK);
    cccc_judge_init(&judge, &scan, start);
    cccc_arena_t *arena = cccc_arena_new(16 * 1024);
    do {
        cccc_judge_next(&judge, &f);
        check_finding(v, &f, arena);
        if (v->progress && v->done + (scan.offset - from) - v->told >= PROGRESS_STEP)
            v->progress(v->arg, v->told = v->done + (scan.offset - from), v->all);
    } while (f.kind != CCCC_FOUND_END && f.kind != CCCC_FOUND_TORN && f.kind != CCCC_FOUND_ERROR);
    v->done += to - from;
    v->report->lines += judge.number;
    cccc_arena_destroy(&arena);
    cccc_scan_fini(&scan);
    return f.err;
}

/* ---- sealed segments ---- */

/* The file as a whole: is it there, and is it what the manifest says? */
static int check_file(struct verification *v, const struct cccc_part *part)
{
    unsigned char hash[CCCC_HASH_BYTES];
    struct cccc_gap all = {.from_seq = part->first, .to_seq = part->last, .length = part->bytes, .reason = "missing"};
    int rc = part->there ? cccc_hash_file(v->vfs, v->path, hash) : -ENOENT;
    if (rc == -ENOENT) {
        v->report->seq_breaks++;
        note(v, CCCC_VERIFY_DAMAGED, 0, &all, "the sealed segment is gone");
        return 1;
    }
    all.reason = "damaged";
    if (rc == 0 && memcmp(hash, part->hash, sizeof hash) != 0) {
        v->report->broken++;
        note(v, CCCC_VERIFY_DAMAGED, 0, &all, "the file is not the one that was sealed; what of it can be read is");
    }
    return rc;
}

static int verify_part(struct verification *v, const struct cccc_archive *archive, const struct cccc_part *part)
{
    char name[CCCC_PART_NAME_ROOM];
    cccc_part_name(part, name);
    v->path = v->paths[v->path_count++] = cccc_path_join(archive->dir, name);
    v->base = part->at;
    int rc = check_file(v, part);
    struct cccc_judge_start start = {
        .seq = part->first - 1, .crc = part->prev, .floor = part->last, .floor_final = true, .legacy_last = part->legacy_last};
    if (rc == 0)
        rc = judge_stretch(v, &start, part->at, part->at + part->raw);
    return rc < 0 ? rc : 0;
}

static int verify_parts(struct verification *v, const struct cccc_archive *archive)
{
    uint64_t next = 1;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < archive->count; i++) {
        const struct cccc_part *part = &archive->parts[i];
        if (part->first > next) {
            v->report->seq_breaks++;
            note(v, CCCC_VERIFY_DAMAGED, 0, &(struct cccc_gap){.from_seq = next, .to_seq = part->first - 1, .reason = "missing"},
                 "no sealed segment has them");
        }
        next = part->last + 1;
        if (part->retired)
            v->report->retired += part->last - part->first + 1;
        else
            rc = verify_part(v, archive, part);
    }
    return rc;
}

/* The state that stands for retired events. */
static int verify_base(struct verification *v, const struct cccc_archive *archive)
{
    struct cccc_snapshot of;
    char *file, name[CCCC_PART_NAME_ROOM];
    cccc_str_t state;
    if (archive->unclaimed_base > 0) {
        cccc_base_name(archive->unclaimed_base, name);
        v->path = v->paths[v->path_count++] = cccc_path_join(archive->dir, name);
        note(v, CCCC_VERIFY_BASE, 0, &(struct cccc_gap){.reason = "damaged"},
             "neither manifest nor manifest.prev says which retired events this state stands for; restore a backup");
    }
    if (archive->base.seq == 0)
        return 0;
    int rc = cccc_base_read(v->vfs, archive->dir, &archive->base, NULL, &of, &file, &state);
    if (rc == 0)
        free(file);
    if (rc != -EBADMSG && rc != -ENOENT)
        return rc;
    cccc_base_name(archive->base.seq, name);
    v->path = v->paths[v->path_count++] = cccc_path_join(archive->dir, name);
    note(v, CCCC_VERIFY_BASE, 0, &(struct cccc_gap){.reason = rc == -ENOENT ? "missing" : "damaged"},
         "the state that stands for retired events cannot be read; restore a backup");
    return 0;
}

/* What stands in for a manifest that cannot be read is judged like any other; what it hides would show as a gap. */
static void note_manifest(struct verification *v, const struct cccc_archive *archive)
{
    if (!archive->unlisted)
        return;
    v->path = v->paths[v->path_count++] = cccc_path_join(archive->dir, "manifest");
    note(v, CCCC_VERIFY_MANIFEST, 0, &(struct cccc_gap){.reason = "damaged"},
         "the manifest cannot be read, or is gone; manifest.prev and the segments stand in for it, and the next seal writes it anew");
}

/* ---- all of it ---- */

static int read_head_id(struct verification *v)
{
    if (v->last_size == 0)
        return 0;
    char *line = cccc_room(v->last_size);
    ssize_t n = cccc_source_read(v->source, line, v->last_size, v->last_offset);
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

static int verify_active(struct verification *v, const struct cccc_archive *archive, const struct cccc_stat *st, uint64_t begin,
                         uint64_t marked)
{
    uint64_t sealed = cccc_archive_last(archive);
    struct cccc_judge_start start = {.seq = sealed, .floor = marked > sealed ? marked : sealed};
    start.floor = start.floor > archive->base.seq ? start.floor : archive->base.seq;
    start.crc = sealed > 0 ? archive->parts[archive->count - 1].crc : 0;
    v->base = 0;
    int rc = judge_stretch(v, &start, begin, st->size);
    return rc < 0 ? rc : read_head_id(v);
}

/* ledger.jsonl is gone: segments and mark remember it. A sealed ledger always has a line more than its segments. */
static int miss_file(struct verification *v, uint64_t sealed, uint64_t marked)
{
    if (sealed == 0 && marked == 0)
        return -ENOENT;
    struct cccc_gap all = {.from_seq = sealed + 1, .to_seq = marked > sealed ? marked : sealed + 1, .reason = "missing"};
    note(v, CCCC_VERIFY_LOST, 0, &all, "the file is gone");
    return 0;
}

/* A copy, with a mark of the file it was made from: what that one had and this one lacks. The next start says the same, and goes on behind it (FORMAT.md). */
static void miss_in_copy(struct verification *v, const struct cccc_stat *st, const struct cccc_mark_value *mark)
{
    uint64_t head = v->report->head_seq;
    struct cccc_stat now;
    bool moved = v->vfs->stat(v->vfs->ctx, v->path, &now) < 0 || now.inode != st->inode; /* a seal has put another in its place meanwhile */
    struct cccc_gap missing = {.from_seq = head + 1, .to_seq = mark->seq, .offset = st->size, .reason = "missing"};
    if (mark->seq > head && !cccc_mark_is_about(mark, st) && !moved)
        note(v, CCCC_VERIFY_DAMAGED, 0, &missing, "events that were stored once are not in this copy");
}

/* All of it: `fd` is ledger.jsonl, or -1 when it is gone. */
static int verify_files(struct verification *v, const char *path, int fd, const struct cccc_stat *st, const char *state_dir,
                        const struct cccc_mark_value *mark)
{
    char ignored[256] = "";
    struct cccc_archive *archive;
    uint64_t begin = 0, marked = fd >= 0 && !cccc_mark_is_about(mark, st) ? 0 : mark->seq;
    int rc = cccc_archive_load(v->vfs, state_dir, &archive, ignored, sizeof ignored);
    if (rc < 0)
        return rc;
    struct cccc_source active, sealed;
    v->paths = cccc_room((archive->count + 2u) * sizeof *v->paths); /* each segment's, the base's, and the manifest's */
    note_manifest(v, archive);
    cccc_source_init(&active, v->vfs, fd, NULL, 0);
    if (fd >= 0)
        rc = cccc_join(&archive, &active, st->size, &begin);
    cccc_source_init(&sealed, v->vfs, -1, archive, 0);
    v->report->segments = archive->count;
    v->report->sealed_bytes = archive->raw;
    v->report->bytes = v->all = archive->raw + (fd >= 0 ? st->size - begin : 0);
    v->source = &sealed;
    if (rc == 0)
        rc = verify_base(v, archive);
    if (rc == 0)
        rc = verify_parts(v, archive);
    v->source = &active;
    v->path = path;
    if (rc == 0)
        rc = fd >= 0 ? verify_active(v, archive, st, begin, marked) : miss_file(v, cccc_archive_last(archive), marked);
    if (rc == 0 && fd >= 0)
        miss_in_copy(v, st, mark);
    v->source = NULL;
    cccc_source_fini(&sealed);
    cccc_source_fini(&active);
    cccc_archive_release(&archive);
    return rc;
}

static int verify_all(struct verification *v, const char *path, const char *state_dir, const char *mark_path)
{
    struct cccc_stat st = {0};
    struct cccc_mark_value mark;
    unsigned slot;
    bool damaged;
    int fd = v->vfs->open(v->vfs->ctx, path, CCCC_O_READ);
    int rc = fd >= 0 ? v->vfs->fstat(v->vfs->ctx, fd, &st) : fd == -ENOENT ? 0 : fd;
    if (rc == 0)
        rc = cccc_mark_read(v->vfs, mark_path, fd >= 0 ? &st : NULL, &mark, &slot, &damaged);
    if (rc == 0)
        rc = verify_files(v, path, fd, &st, state_dir, &mark);
    tell_all(v);
    if (rc == 0 && v->progress)
        v->progress(v->arg, v->all, v->all);
    if (rc == 0 && damaged && v->each)
        v->each(
            v->arg,
            &(struct cccc_verify_finding){
                .kind = CCCC_VERIFY_MARK, .file = mark_path, .line = 1, .gap = {.reason = "damaged"}, .what = "the mark is unreadable"});
    if (fd >= 0)
        v->vfs->close(v->vfs->ctx, fd);
    return rc;
}

cccc_err_t cccc_ledger_verify(const struct cccc_vfs *vfs, const char *group_dir, cccc_verify_fn each,
                              void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg, struct cccc_verify_report *report,
                              struct cccc_errmsg *m)
{
    *report = (struct cccc_verify_report){0};
    char *path = cccc_path_join(group_dir, "ledger.jsonl");
    char *state_dir = cccc_path_join(group_dir, "state/ledger");
    char *mark_path = cccc_path_join(state_dir, "mark");
    struct verification v = {.vfs = vfs, .each = each, .progress = progress, .arg = arg, .report = report, .path = path};
    int rc = verify_all(&v, path, state_dir, mark_path);
    cccc_err_t err = CCCC_OK;
    if (rc < 0)
        err = cccc_fail(m, rc == -ENOENT ? CCCC_E_NOT_FOUND : CCCC_E_STORAGE, "cannot verify %s: %s", path, strerror(-rc));
    for (uint32_t i = 0; i < v.path_count; i++)
        free(v.paths[i]);
    free(v.paths);
    free(v.findings);
    free(mark_path);
    free(state_dir);
    free(path);
    return err;
}
