/* recover.c - opening a ledger: carry out what the judge finds, so that the file is sound and durable before anybody is told of it.
 *
 * Order: lock; judge and fold; copy the torn tail aside; write the lines that nothing vouches for once more and sync; note what is gone on without; the mark; cut.
 * Invariants: (1) nothing at or below the mark or the largest `dur` of any sound line is cut. (2) nothing is cut without a durable copy.
 * (3) opening twice gives the same bytes. FORMAT.md has the proofs.
 * Thread: the owner's. */
#include "broker/ledger/join.h"
#include "broker/ledger/judge.h"
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/loss.h"
#include "broker/ledger/snapshot.h"
#include "broker/ledger/source.h"
#include "broker/mutant.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECOVER_BLOCK = 256 * 1024, RECOVER_ARENA = 64 * 1024 };

struct recovery {
    const struct cccc_ledger_options *options;
    cccc_ledger_t *ledger;
    struct cccc_recovery *report;
    struct cccc_errmsg *m;
    struct cccc_archive *stored; /* as it was loaded; the ledger's is without segments that ledger.jsonl still has */
    struct cccc_stat st;
    bool same_file; /* the mark is about this very file */
    bool disk_read_only;
    struct cccc_gap torn; /* the tail to cut; reason NULL = none */
    bool torn_is_foreign;
    char torn_copy[CCCC_ASIDE_NAME_ROOM]; /* its name in state/ledger/torn */
    uint64_t forks;
    uint64_t vouched;          /* lines up to this seq were durable before, or are of the older format */
    struct cccc_source source; /* ledger.jsonl alone */
    uint64_t known_seq;        /* events up to this one are in the caller's snapshot; 0 = none are */
    char note_before[256];     /* the report's note before anything was judged */
    bool known_met;            /* its line was there, and is the one the snapshot names */
    bool based;                /* what is known is the base: nothing can be folded instead */
};

/* Add to the report's one sentence. */
__attribute__((format(printf, 2, 3))) static void note(struct cccc_recovery *report, const char *fmt, ...)
{
    size_t used = strlen(report->note);
    if (used > 0 && used + 2 < sizeof report->note) {
        memcpy(report->note + used, "; ", 3);
        used += 2;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(report->note + used, sizeof report->note - used, fmt, args);
    va_end(args);
}

static cccc_err_t storage(struct recovery *r, int err, const char *what)
{
    return cccc_fail(r->m, CCCC_E_STORAGE, "%s %s: %s", what, r->ledger->path, strerror(-err));
}

static void report_gap(struct recovery *r, const struct cccc_gap *gap)
{
    if (r->report->gap_count < sizeof r->report->gaps / sizeof r->report->gaps[0])
        r->report->gaps[r->report->gap_count] = *gap;
    r->report->gap_count++;
}

/* ---- getting at the file ---- */

/* Without the lock nobody else may write; on a read-only disk nobody can. */
static cccc_err_t take_lock(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    int rc = cccc_vfs_make_dirs(l->vfs, l->state_dir);
    if (rc == 0)
        rc = cccc_take_lock(l->vfs, l->lock_path);
    if (rc >= 0) {
        l->lock_fd = rc;
        return CCCC_OK;
    }
    if (rc == -EROFS) {
        r->disk_read_only = true;
        return CCCC_OK;
    }
    if (rc == -EWOULDBLOCK)
        return cccc_fail(r->m, CCCC_E_LOCKED, "another process has %s", l->lock_path);
    return storage(r, rc, "cannot lock");
}

static cccc_err_t open_file(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    int fd = r->disk_read_only ? -EROFS : l->vfs->open(l->vfs->ctx, l->path, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_APPEND);
    if (fd == -EROFS) {
        r->disk_read_only = true;
        fd = l->vfs->open(l->vfs->ctx, l->path, CCCC_O_READ);
    }
    if (fd < 0)
        return storage(r, fd, "cannot open");
    l->active.file = cccc_file_new(l->vfs, fd);
    int rc = l->vfs->fstat(l->vfs->ctx, fd, &r->st);
    if (rc < 0)
        return storage(r, rc, "cannot look at");
    if (!r->st.is_regular)
        return cccc_fail(r->m, CCCC_E_STORAGE, "%s is not a regular file", l->path);
    cccc_source_init(&r->source, l->vfs, fd, NULL, 0);
    l->device = r->st.device;
    l->inode = r->st.inode;
    l->birth_ns = r->st.birth_ns;
    return CCCC_OK;
}

static cccc_err_t read_mark(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    bool damaged;
    int rc = CCCC_MUTANT_IS(IGNORE_MARK) ? 0 : cccc_mark_read(l->vfs, l->mark_path, &r->st, &l->mark, &l->mark_slot, &damaged);
    if (rc < 0)
        return cccc_fail(r->m, CCCC_E_STORAGE, "cannot read %s: %s", l->mark_path, strerror(-rc));
    if (!CCCC_MUTANT_IS(IGNORE_MARK) && damaged)
        note(r->report, "state/ledger/mark is unreadable and was ignored");
    l->mark_turn = l->mark.turn;
    r->same_file = cccc_mark_is_about(&l->mark, &r->st);
    r->report->restored = l->mark.turn > 0 && !r->same_file;
    return CCCC_OK;
}

/* A file we have no mark for was made by somebody else's copy, or by a process that did not live long: what its lines say of themselves need not be
 * true of this file. Sync it and forget the cache, so that what is judged is what the disk has. */
static cccc_err_t meet_unknown_file(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    if (r->same_file || r->disk_read_only || CCCC_MUTANT_IS(NO_RECOVERY_SYNC))
        return CCCC_OK;
    int rc = l->vfs->sync(l->vfs->ctx, l->active.file->fd);
    if (rc < 0)
        return storage(r, rc, "cannot sync");
    l->vfs->drop_cache(l->vfs->ctx, l->active.file->fd); /* advice: where it is not taken, the sync is all there is */
    return CCCC_OK;
}

/* ---- sealed segments ---- */

static cccc_err_t load_archive(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    int rc = cccc_archive_load(l->vfs, l->state_dir, &l->archive, r->report->note, sizeof r->report->note);
    if (rc < 0)
        return cccc_fail(r->m, CCCC_E_STORAGE, "cannot read %s/manifest: %s", l->state_dir, strerror(-rc));
    r->stored = cccc_archive_keep(l->archive);
    return CCCC_OK;
}

/* ---- judging ---- */

static void fold_gap(struct recovery *r, const struct cccc_gap *gap)
{
    report_gap(r, gap);
    if (r->options->fold_gap)
        r->options->fold_gap(r->options->arg, gap);
}

/* A stretch that is not there, with the reason for each of its parts. */
static void fold_hole(struct recovery *r, const struct cccc_gap *gap)
{
    struct cccc_gap piece = *gap;
    for (uint64_t from = gap->from_seq; from <= gap->to_seq; from = piece.to_seq + 1) {
        piece.from_seq = from;
        piece.to_seq = gap->to_seq;
        piece.reason = cccc_archive_why_missing(r->ledger->archive, from, &piece.to_seq, gap->reason);
        if (strcmp(piece.reason, "retired") != 0)
            fold_gap(r, &piece);
        else if (r->options->fold_gap)
            r->options->fold_gap(r->options->arg, &piece);
    }
}

/* Is this the line that the caller's snapshot names? */
static void meet_known(struct recovery *r, const struct cccc_finding *f)
{
    if (f->seq == r->known_seq)
        r->known_met = CCCC_MUTANT_IS(SNAPSHOT_ANYWHERE) || (!f->legacy && f->seal.crc == r->options->known_crc);
}

static void fold_line(struct recovery *r, const struct cccc_finding *f, cccc_arena_t *arena)
{
    struct cccc_event event;
    struct cccc_seal seal;
    r->report->events++;
    r->report->legacy += f->legacy;
    r->forks += f->forked;
    if (f->seal.epoch > r->report->epoch)
        r->report->epoch = f->seal.epoch;
    meet_known(r, f);
    if (!r->options->fold || f->seq <= r->known_seq)
        return;
    if (cccc_line_read(f->line.ptr, f->line.len, arena, &event, &seal, NULL) == CCCC_OK) {
        event.seq = f->seq;
        r->options->fold(r->options->arg, &event);
    } else {
        fold_gap(r, &(struct cccc_gap){f->seq, f->seq, f->line.offset, f->line.size, "damaged"});
    }
    msgpack_zone_clear(arena);
}

static void fold_event(struct recovery *r, const struct cccc_finding *f, cccc_arena_t *arena)
{
    cccc_ledger_t *l = r->ledger;
    if (l->active.first_seq == 0)
        l->active.first_seq = f->seq;
    cccc_index_add(&l->active.index, f->seq, f->line.offset);
    fold_line(r, f, arena);
}

/* Fold the sealed events above the snapshot's. */
static cccc_err_t fold_sealed(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    uint64_t last = cccc_archive_last(l->archive);
    if (last == 0 || r->known_seq > last)
        return CCCC_OK;
    struct cccc_source source;
    struct cccc_scan scan;
    struct cccc_judge judge;
    struct cccc_finding f;
    cccc_source_init(&source, l->vfs, -1, l->archive, 0);
    struct cccc_index_entry from = cccc_source_way(&source, r->known_seq > 0 ? r->known_seq : 1);
    cccc_scan_init(&scan, &source, from.offset, l->archive->raw, RECOVER_BLOCK);
    cccc_judge_init(&judge, &scan,
                    &(struct cccc_judge_start){.seq = from.seq - 1,
                                               .inside = from.seq > 1,
                                               .floor = last,
                                               .floor_final = true,
                                               .legacy_last = cccc_archive_legacy_last(l->archive)});
    cccc_arena_t *arena = cccc_arena_new(RECOVER_ARENA);
    do {
        cccc_judge_next(&judge, &f);
        if (f.kind == CCCC_FOUND_EVENT)
            fold_line(r, &f, arena);
        else if (f.kind == CCCC_FOUND_GAP)
            fold_hole(r, &f.gap);
        else if (f.kind == CCCC_FOUND_STRAY)
            r->report->foreign_bytes += f.gap.length;
    } while (f.kind != CCCC_FOUND_END && f.kind != CCCC_FOUND_TORN && f.kind != CCCC_FOUND_ERROR);
    cccc_arena_destroy(&arena);
    cccc_scan_fini(&scan);
    cccc_source_fini(&source);
    return f.kind == CCCC_FOUND_ERROR ? storage(r, f.err, "cannot read the sealed segments of") : CCCC_OK;
}

/* The file ends, or is beyond understanding, below what is known durable. */
static void lose_head(struct recovery *r, const struct cccc_gap *gap)
{
    cccc_ledger_t *l = r->ledger;
    l->lost = *gap;
    if (r->st.size < l->mark.offset)
        l->lost.reason = "truncated";
    l->health = CCCC_LEDGER_READ_ONLY;
    note(r->report,
         "ledger.jsonl is %s at byte %llu: events %llu to %llu are lost, so nothing is appended; restore a backup, or give them "
         "up: cccc ledger repair",
         l->lost.reason, (unsigned long long)gap->offset, (unsigned long long)gap->from_seq, (unsigned long long)gap->to_seq);
    fold_gap(r, &l->lost);
}

/* A whole line of the older format behind sealed ones was written by another program, not torn by a crash. */
static bool is_foreign(const struct cccc_raw_line *line)
{
    uint64_t seq;
    struct cccc_seal seal;
    return line->ptr && line->terminated && cccc_line_inspect(line->ptr, line->len, &seq, &seal) == CCCC_LINE_LEGACY;
}

static void take_finding(struct recovery *r, const struct cccc_finding *f, cccc_arena_t *arena)
{
    switch (f->kind) {
    case CCCC_FOUND_EVENT:
        fold_event(r, f, arena);
        break;
    case CCCC_FOUND_GAP:
        if (f->last)
            lose_head(r, &f->gap);
        else
            fold_gap(r, &f->gap);
        break;
    case CCCC_FOUND_STRAY:
        r->report->foreign_bytes += f->gap.length;
        break;
    case CCCC_FOUND_TORN:
        r->torn = f->gap;
        r->torn_is_foreign = is_foreign(&f->line);
        break;
    default:
        break;
    }
}

static cccc_err_t judge_active(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    uint64_t sealed = cccc_archive_last(l->archive);
    struct cccc_scan scan;
    struct cccc_judge judge;
    struct cccc_finding f;
    cccc_scan_init(&scan, &r->source, l->begin, r->st.size, RECOVER_BLOCK);
    struct cccc_judge_start start = {.seq = sealed, .floor = r->same_file && l->mark.seq > sealed ? l->mark.seq : sealed};
    if (start.floor < l->archive->base.seq)
        start.floor = l->archive->base.seq;
    start.crc = sealed > 0 ? l->archive->parts[l->archive->count - 1].crc : 0;
    cccc_judge_init(&judge, &scan, &start);
    cccc_arena_t *arena = cccc_arena_new(RECOVER_ARENA);
    do {
        cccc_judge_next(&judge, &f);
        take_finding(r, &f, arena);
    } while (f.kind != CCCC_FOUND_END && f.kind != CCCC_FOUND_TORN && f.kind != CCCC_FOUND_ERROR);
    cccc_arena_destroy(&arena);
    cccc_scan_fini(&scan);
    if (f.kind == CCCC_FOUND_ERROR)
        return storage(r, f.err, "cannot read");
    l->head = l->durable = judge.head;
    l->crc = l->durable_crc = judge.crc;
    l->active.legacy_last = sealed > 0 ? cccc_archive_legacy_last(l->archive) : judge.legacy_last;
    r->vouched = judge.floor;
    return CCCC_OK;
}

/* The snapshot is not about this ledger: everything is folded from the beginning. */
static void fold_anew(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    r->known_seq = 0;
    r->forks = 0;
    r->torn = l->lost = (struct cccc_gap){0};
    r->torn_is_foreign = false;
    l->health = CCCC_LEDGER_OK;
    l->active.first_seq = 0;
    cccc_index_fini(&l->active.index);
    *r->report = (struct cccc_recovery){.restored = r->report->restored};
    memcpy(r->report->note, r->note_before, sizeof r->note_before);
    r->options->forget(r->options->arg);
}

/* Events were retired, and the caller knows less than the state that was saved for it: that takes the place of the fold. */
static cccc_err_t load_base(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    const struct cccc_base *base = &l->archive->base;
    struct cccc_snapshot of;
    char *file, name[CCCC_PART_NAME_ROOM];
    cccc_str_t state;
    if (r->options->base && l->archive->unclaimed_base > 0) {
        cccc_base_name(l->archive->unclaimed_base, name);
        return cccc_fail(
            r->m, CCCC_E_DAMAGED,
            "%s/%s stands for events that were retired, and neither manifest nor manifest.prev says for which; restore a backup",
            l->state_dir, name);
    }
    if (!r->options->base || base->seq <= r->known_seq || CCCC_MUTANT_IS(BASE_FORGOTTEN))
        return CCCC_OK;
    if (r->known_seq > 0)
        fold_anew(r);
    cccc_base_name(base->seq, name);
    int rc = cccc_base_read(l->vfs, l->state_dir, base, r->options->group_id, &of, &file, &state);
    if (rc < 0)
        return cccc_fail(r->m, rc == -EBADMSG || rc == -ENOENT ? CCCC_E_DAMAGED : CCCC_E_STORAGE,
                         "%s/%s, which stands for the events that were retired, %s; restore a backup", l->state_dir, name,
                         rc == -ENOENT    ? "is gone"
                         : rc == -EBADMSG ? "is damaged"
                                          : strerror(-rc));
    bool usable = r->options->base(r->options->arg, &of, state);
    free(file);
    if (!usable)
        return cccc_fail(r->m, CCCC_E_DAMAGED, "%s/%s, which stands for the events that were retired, is of another version of cccc",
                         l->state_dir, name);
    r->known_seq = of.seq;
    r->based = true;
    return CCCC_OK;
}

/* What the caller knows is not what the ledger is about. */
static cccc_err_t unknow(struct recovery *r)
{
    if (r->based)
        return cccc_fail(r->m, CCCC_E_DAMAGED,
                         "%s is older than %s/manifest: a copy made while events were retired; copy it again, or restore a backup",
                         r->ledger->path, r->ledger->state_dir);
    fold_anew(r);
    return CCCC_OK;
}

static cccc_err_t judge_file(struct recovery *r)
{
    int rc = cccc_join(&r->ledger->archive, &r->source, r->st.size, &r->ledger->begin);
    if (rc < 0)
        return storage(r, rc, "cannot read");
    cccc_archive_describe(r->ledger->archive, r->report->note, sizeof r->report->note);
    memcpy(r->note_before, r->report->note, sizeof r->note_before);
    r->known_seq = r->options->known_seq;
    for (;;) {
        cccc_err_t err = load_base(r);
        if (err == CCCC_OK && r->options->sealed && !r->options->sealed(r->options->arg, cccc_archive_last(r->ledger->archive))) {
            if ((err = unknow(r)) != CCCC_OK)
                return err;
            continue;
        }
        if (err == CCCC_OK)
            err = fold_sealed(r);
        if (err == CCCC_OK)
            err = judge_active(r);
        if (err != CCCC_OK || r->known_seq == 0 || r->known_met || r->based)
            return err;
        fold_anew(r);
    }
}

/* ---- acting ---- */

static void refuse_appends(struct recovery *r, const char *why)
{
    r->report->may_pass = r->ledger->health == CCCC_LEDGER_OK;
    r->ledger->health = CCCC_LEDGER_READ_ONLY;
    note(r->report, "%s, so nothing is appended", why);
}

static bool is_full(int err)
{
    return err == -ENOSPC || err == -EDQUOT;
}

/* A copy of the torn tail. Where there is no room for one, the tail stays and the ledger is served without appends. */
static cccc_err_t keep_torn(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    int rc = cccc_keep_aside(l->vfs, l->state_dir, l->active.file->fd, r->torn_is_foreign ? "foreign" : "torn", r->torn.offset,
                             r->torn.length, r->torn_copy);
    if (is_full(rc)) {
        refuse_appends(r, "the disk is too full to keep the torn tail aside");
        return CCCC_OK;
    }
    return rc < 0 ? storage(r, rc, "cannot keep the torn tail aside of") : CCCC_OK;
}

/* The `dur` of lines about to be cut may be all that tells damage from a torn tail further up: the mark must know it before they go. */
static cccc_err_t mark_before_cut(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    cccc_mark_t *mark = CCCC_MUTANT_IS(NO_MARK_BEFORE_CUT) ? NULL : cccc_ledger_take_mark(l);
    if (!mark)
        return CCCC_OK;
    cccc_mark_write(mark);
    int rc = mark->err;
    cccc_ledger_mark_done(l, &mark);
    if (is_full(rc))
        refuse_appends(r, "the disk is too full to write state/ledger/mark");
    else if (rc < 0)
        return cccc_fail(r->m, CCCC_E_STORAGE, "cannot write %s: %s", l->mark_path, strerror(-rc));
    return CCCC_OK;
}

/* Cut the torn tail, which is kept, behind lines that are durable. */
static cccc_err_t cut_torn(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    cccc_err_t err = mark_before_cut(r);
    if (err != CCCC_OK || l->health != CCCC_LEDGER_OK)
        return err;
    int rc = l->vfs->truncate(l->vfs->ctx, l->active.file->fd, r->torn.offset);
    if (rc == 0)
        rc = l->vfs->sync(l->vfs->ctx, l->active.file->fd);
    if (rc < 0)
        return storage(r, rc, "cannot cut the torn tail of");
    *(r->torn_is_foreign ? &r->report->foreign_bytes : &r->report->torn_bytes) += r->torn.length;
    note(r->report, "%llu %s bytes behind event %llu were moved to state/ledger/torn", (unsigned long long)r->torn.length,
         r->torn_is_foreign ? "foreign" : "torn", (unsigned long long)l->head);
    return CCCC_OK;
}

/* Write [from, to) of the file onto itself through `fd`, so that its pages are dirty. */
static int write_again(struct recovery *r, int fd, uint64_t from, uint64_t to)
{
    cccc_ledger_t *l = r->ledger;
    char *block = cccc_room(RECOVER_BLOCK);
    int rc = 0;
    while (from < to && rc == 0) {
        size_t len = to - from < RECOVER_BLOCK ? (size_t)(to - from) : RECOVER_BLOCK;
        ssize_t n = cccc_vfs_read_all(l->vfs, l->active.file->fd, block, len, from);
        rc = n < 0 ? (int)n : (size_t)n < len ? -EIO : cccc_vfs_pwrite_all(l->vfs, fd, block, len, from);
        from += len;
    }
    free(block);
    return rc;
}

/* Lines that nothing vouches for may be in memory only, in pages that look clean although a sync of theirs has failed (fsyncgate): a sync alone
 * would skip them. Written once more, the same bytes in the same place, it cannot. They are what one batch or two held, never more. */
static int sync_lines(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    int fd = l->vfs->open(l->vfs->ctx, l->path, CCCC_O_WRITE); /* not the one that appends: Linux appends whatever the offset */
    if (fd < 0)
        return fd;
    int rc = 0;
    if (r->vouched < l->head)
        rc = write_again(r, fd, l->active.index.entries[cccc_index_find(&l->active.index, r->vouched + 1)].offset, l->size);
    if (rc == 0)
        rc = l->vfs->sync(l->vfs->ctx, fd);
    l->vfs->close(l->vfs->ctx, fd);
    return rc;
}

/* The lines, and the file's name: that is durable unless we have not seen the file before, or it took another's place and the daemon, or the sync of the folder, ended
 * there. */
static cccc_err_t make_durable(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    bool known = r->same_file && l->mark.seq >= l->head;
    int rc = known || CCCC_MUTANT_IS(NO_RECOVERY_SYNC) ? 0 : sync_lines(r);
    if (rc == 0 && !r->same_file && !CCCC_MUTANT_IS(NO_RECOVERY_SYNC))
        rc = cccc_sync_place(l->vfs, l->group_dir, l->state_dir);
    else if (rc == 0 && r->same_file && !CCCC_MUTANT_IS(NAME_NOT_SYNCED) && cccc_mark_names_two(l->vfs, l->mark_path))
        rc = cccc_vfs_sync_dir(l->vfs, l->group_dir);
    return rc < 0 ? storage(r, rc, "cannot make durable") : CCCC_OK;
}

/* The file's size, which may be more than its events', and whether the next line must begin with the newline the last one lacks. */
static cccc_err_t settle_size(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    l->size = l->end = r->torn.reason ? r->torn.offset : r->st.size;
    if (l->size == 0)
        return CCCC_OK;
    char last = 0;
    ssize_t n = cccc_vfs_read_all(l->vfs, l->active.file->fd, &last, 1, l->size - 1);
    if (n < 0)
        return storage(r, (int)n, "cannot read");
    l->unterminated = last != '\n';
    return CCCC_OK;
}

static void compare_with_mark(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    if (!r->report->restored)
        return;
    if (l->mark.seq <= l->head) {
        note(r->report, "ledger.jsonl is a copy");
        return;
    }
    struct cccc_gap missing = {.from_seq = l->head + 1, .to_seq = l->mark.seq, .offset = l->size, .reason = "missing"};
    report_gap(r, &missing);
    note(r->report, "ledger.jsonl is a restored copy: events %llu to %llu were stored once and are not in it",
         (unsigned long long)missing.from_seq, (unsigned long long)missing.to_seq);
}

/* What this start goes on without has a note, durable before the mark is written that knows nothing of it any more. Foreign bytes have none: they were nobody's events. */
static cccc_err_t leave_note(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    bool missing = r->report->restored && l->mark.seq > l->head, torn = r->torn.reason && !r->torn_is_foreign;
    if (l->health != CCCC_LEDGER_OK || (!missing && !torn) || CCCC_MUTANT_IS(LOSS_UNNOTED))
        return CCCC_OK;
    struct cccc_loss loss = {.from_seq = l->head + 1,
                             .to_seq = missing ? l->mark.seq : 0,
                             .bytes = torn ? r->torn.length : 0,
                             .at = r->options->at,
                             .epoch = l->epoch,
                             .turn = l->mark.turn};
    snprintf(loss.copy, sizeof loss.copy, "%s", torn ? r->torn_copy : "");
    snprintf(loss.by, sizeof loss.by, "%s", r->options->by ? r->options->by : "");
    int rc = cccc_loss_leave(l->vfs, l->state_dir, &loss);
    if (is_full(rc))
        refuse_appends(r, "the disk is too full to note what is missing");
    return rc < 0 && !is_full(rc) ? storage(r, rc, "cannot note what is missing of") : CCCC_OK;
}

/* A retirement may have been stopped before its files were gone, and before both manifests said that they may go. What cannot be removed now, a later start removes. */
static void sweep_retired(struct recovery *r)
{
    const struct cccc_archive *archive = r->stored;
    if (archive->as_stored && archive->base.seq > 0 && cccc_archive_has_needless(archive) && cccc_archive_write(archive) == 0)
        cccc_archive_sweep(archive);
}

static void describe(struct recovery *r)
{
    struct cccc_recovery *report = r->report;
    cccc_ledger_t *l = r->ledger;
    bool head_lost = l->lost.reason != NULL;
    if (report->gap_count > head_lost)
        note(report, "%u damaged or missing stretches; cccc ledger verify names them", report->gap_count - head_lost);
    if (report->foreign_bytes > 0 && !r->torn_is_foreign)
        note(report, "%llu foreign bytes between events", (unsigned long long)report->foreign_bytes);
    if (r->forks > 0)
        note(report, "%llu events do not continue the event before them", (unsigned long long)r->forks);
    report->head_seq = l->head;
    report->read_only = l->health == CCCC_LEDGER_READ_ONLY;
    if (l->health != CCCC_LEDGER_OK)
        snprintf(l->note, sizeof l->note, "%s", report->note);
}

static cccc_err_t recover(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    cccc_err_t err = take_lock(r);
    if (err == CCCC_OK)
        err = load_archive(r);
    if (err == CCCC_OK)
        err = open_file(r);
    if (err == CCCC_OK)
        err = read_mark(r);
    if (err == CCCC_OK)
        err = meet_unknown_file(r);
    if (err == CCCC_OK)
        err = judge_file(r);
    if (err != CCCC_OK)
        return err;
    if (r->disk_read_only)
        refuse_appends(r, "the file system is read-only");
    else if (r->torn.reason)
        err = keep_torn(r);
    if (err == CCCC_OK)
        err = settle_size(r);
    if (err == CCCC_OK && !r->disk_read_only)
        err = make_durable(r);
    compare_with_mark(r);
    if (err == CCCC_OK)
        err = leave_note(r);
    if (err == CCCC_OK && r->torn.reason && l->health == CCCC_LEDGER_OK)
        err = cut_torn(r);
    if (err != CCCC_OK)
        return err;
    if (!r->disk_read_only)
        sweep_retired(r);
    describe(r);
    return CCCC_OK;
}

/* ---- a ledger that is not there yet ---- */

/* No file: a new group, or one that lost its ledger. The mark knows. */
static cccc_err_t prepare_new(struct recovery *r)
{
    cccc_ledger_t *l = r->ledger;
    bool damaged;
    int rc = cccc_mark_read(l->vfs, l->mark_path, NULL, &l->mark, &l->mark_slot, &damaged);
    if (rc < 0 && rc != -ENOTDIR)
        return cccc_fail(r->m, CCCC_E_STORAGE, "cannot read %s: %s", l->mark_path, strerror(-rc));
    cccc_err_t err = load_archive(r);
    if (err != CCCC_OK)
        return err;
    uint64_t sealed = cccc_archive_last(l->archive), last = l->mark.seq > sealed ? l->mark.seq : sealed + (sealed > 0);
    last = last > l->archive->base.seq ? last : l->archive->base.seq;
    if (last > 0) {
        unsigned long long from = sealed, to = last;
        from++;
        report_gap(r, &(struct cccc_gap){.from_seq = from, .to_seq = to, .reason = "missing"});
        note(r->report, "ledger.jsonl is gone, with events %llu to %llu; restore a backup, or give them up: cccc ledger repair", from, to);
        return cccc_fail(r->m, CCCC_E_DAMAGED,
                         "%s is gone, with events %llu to %llu; restore a backup, or give them up: cccc ledger repair", l->path, from, to);
    }
    l->fresh = true;
    return CCCC_OK;
}

static cccc_ledger_t *ledger_new(const struct cccc_ledger_options *options)
{
    cccc_ledger_t *l = cccc_room(sizeof *l);
    l->vfs = options->vfs;
    l->group_dir = cccc_path_join(options->group_dir, "");
    l->group_dir[strlen(l->group_dir) - 1] = '\0';
    l->path = cccc_path_join(l->group_dir, "ledger.jsonl");
    l->state_dir = cccc_path_join(l->group_dir, "state/ledger");
    l->lock_path = cccc_path_join(l->state_dir, "ledger.lock");
    l->mark_path = cccc_path_join(l->state_dir, "mark");
    l->epoch = options->epoch;
    l->lock_fd = -1;
    l->waiting_end = &l->waiting;
    return l;
}

cccc_err_t cccc_ledger_open(const struct cccc_ledger_options *options, cccc_ledger_t **out, struct cccc_recovery *report,
                            struct cccc_errmsg *m)
{
    *report = (struct cccc_recovery){0};
    cccc_ledger_t *ledger = ledger_new(options);
    struct recovery r = {.options = options, .ledger = ledger, .report = report, .m = m};
    struct cccc_stat st;
    int rc = options->vfs->stat(options->vfs->ctx, ledger->group_dir, &st);
    cccc_err_t err = CCCC_OK;
    if (rc == -ENOENT && !options->create)
        err = cccc_fail(m, CCCC_E_NOT_FOUND, "there is no %s", ledger->group_dir);
    else if (rc < 0 && rc != -ENOENT)
        err = storage(&r, rc, "cannot reach");
    if (err == CCCC_OK) {
        rc = options->vfs->stat(options->vfs->ctx, ledger->path, &st);
        err = rc == 0 ? recover(&r) : rc == -ENOENT ? prepare_new(&r) : storage(&r, rc, "cannot reach");
    }
    cccc_archive_release(&r.stored);
    if (err != CCCC_OK) {
        cccc_ledger_close(&ledger);
        return err;
    }
    *out = ledger;
    return CCCC_OK;
}
