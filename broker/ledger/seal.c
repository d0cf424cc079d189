/* seal.c - see seal.h.
 *
 * Invariants: (1) ledger.jsonl is touched only by one rename, after the manifest that has its first lines is durable. (2) the file that takes its place is whole and
 * synced, and has a mark of its own, before that rename. (3) nothing is appended to either file during the switch. (4) a segment that manifest or manifest.prev names is
 * there, as it is named: it goes, or is written anew, only when neither does. */
#include "broker/ledger/seal.h"

#include "broker/ledger/ids.h"
#include "broker/ledger/judge.h"
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/segment.h"
#include "broker/mutant.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEAL_BLOCK = 256 * 1024, SEAL_ARENA = 64 * 1024 };

struct cccc_sealing {
    const struct cccc_vfs *vfs;
    const char *group_dir, *path, *state_dir, *mark_path; /* the ledger's */
    struct cccc_seal_options options;
    cccc_file_t *file;
    struct cccc_archive *archive; /* as it was; then as it is */
    struct cccc_judge_start start;
    uint64_t begin, end; /* of the lines to judge, in the file */
    uint64_t wanted;     /* last seq to seal, if it can be one */
    /* what prepare has done */
    struct cccc_part *parts;
    uint32_t part_count;
    struct cccc_sealed_ids *ids; /* of the parts */
    bool ids_taken;
    uint64_t cut; /* bytes of the old file that the new one does not have; 0 = no switch */
    uint64_t lines;
    /* the new file */
    char *new_path;
    int new_fd;
    uint64_t copied; /* of the old file, up to here */
    uint64_t size;   /* of the old file: durable bytes */
    uint64_t seq;    /* at `size` */
    struct cccc_stat st;
    struct cccc_mark_value mark; /* in the file's current slot */
    unsigned mark_slot;
    bool mark_is_ours; /* it is about the old file */
    uint64_t device, inode, birth_ns;
    bool switched;
    int err;
    const char *what;
    bool unknown;
    _Atomic bool cancelled;
};

static void fail(cccc_sealing_t *self, int err, const char *what)
{
    if (self->err < 0)
        return;
    self->err = err;
    self->what = what;
}

/* ---- taking ---- */

uint64_t cccc_ledger_unsealed(const cccc_ledger_t *self)
{
    return self->size - self->begin;
}

/* The last indexed seq that has more than `bytes` behind it; 0 when there is none. */
static uint64_t before_last_bytes(const cccc_ledger_t *self, uint64_t bytes)
{
    const struct cccc_index *index = &self->active.index;
    for (size_t i = index->count; i-- > 0 && self->size > bytes;)
        if (index->entries[i].seq <= self->durable && index->entries[i].offset < self->size - bytes)
            return index->entries[i].seq - 1;
    return 0;
}

cccc_sealing_t *cccc_ledger_take_seal(cccc_ledger_t *self, const struct cccc_seal_options *options)
{
    uint64_t keep = options->keep_lines > 0 ? options->keep_lines : 1, last = cccc_archive_last(self->archive);
    bool overlap = self->begin > 0; /* a seal was interrupted before its switch */
    if (self->seal_out || self->health != CCCC_LEDGER_OK || self->fresh || !self->active.file || self->durable == 0)
        return NULL;
    uint64_t wanted = self->durable > keep ? self->durable - keep : 0;
    uint64_t large = options->keep_bytes > 0 ? before_last_bytes(self, options->keep_bytes) : 0;
    if (wanted < large)
        wanted = large;
    if (wanted <= last && !overlap)
        return NULL;
    cccc_sealing_t *seal = cccc_room(sizeof *seal);
    *seal = (cccc_sealing_t){.vfs = self->vfs,
                             .group_dir = self->group_dir,
                             .path = self->path,
                             .state_dir = self->state_dir,
                             .mark_path = self->mark_path,
                             .options = *options,
                             .file = cccc_file_keep(self->active.file),
                             .archive = cccc_archive_keep(self->archive),
                             .begin = self->begin,
                             .end = self->size,
                             .wanted = wanted,
                             .new_fd = -1};
    seal->start = (struct cccc_judge_start){.seq = last,
                                            .crc = last > 0 ? self->archive->parts[self->archive->count - 1].crc : 0,
                                            .floor = self->durable,
                                            .floor_final = true,
                                            .legacy_last = self->active.legacy_last};
    if (seal->options.segment_bytes == 0)
        seal->options.segment_bytes = CCCC_SEGMENT_BYTES;
    if (seal->options.frame_bytes == 0)
        seal->options.frame_bytes = CCCC_SEGMENT_FRAME_BYTES;
    seal->new_path = cccc_path_join(self->group_dir, "ledger.jsonl.tmp");
    self->seal_out = true;
    return seal;
}

/* ---- preparing: segments ---- */

/* What a seal that was interrupted, or given up, has left: segments above all that count. Their lines are in ledger.jsonl. */
static bool is_leftover(const void *arg, const char *name)
{
    const cccc_sealing_t *seal = arg;
    struct cccc_part part;
    return (cccc_part_parse_name(name, &part) || cccc_ids_parse_name(name, &part)) && part.first > cccc_archive_last(seal->archive);
}

struct search {
    const cccc_sealing_t *seal;
    bool found;
};

static void look(void *arg, const char *name)
{
    struct search *search = arg;
    search->found = search->found || is_leftover(search->seal, name);
}

/* A manifest may name the leftovers: that seal ended behind its manifest. It is replaced first, and once more, so that manifest.prev does not name them either. */
static int drop_leftovers(cccc_sealing_t *self)
{
    struct search search = {.seal = self};
    int rc = self->vfs->list(self->vfs->ctx, self->state_dir, look, &search);
    for (int i = 0; rc == 0 && search.found && i < 2 && !CCCC_MUTANT_IS(LEFTOVERS_FIRST); i++)
        rc = cccc_archive_write(self->archive);
    return rc < 0 || !search.found ? rc : cccc_vfs_sweep(self->vfs, self->state_dir, is_leftover, self);
}

struct cutting {
    cccc_sealing_t *seal;
    struct cccc_segment_writer *writer;
    struct cccc_part part;
    struct cccc_ids ids; /* of the segment being written */
    cccc_arena_t *arena; /* of one line */
    uint64_t events;
    uint64_t fed; /* bytes of the file up to here are in a segment, or in the writer */
    bool follows; /* the finding before was the event before, whole and sealed */
    uint64_t seq; /* of that event */
    uint32_t crc; /* and its checksum */
    bool over;
};

static int begin_segment(struct cutting *c, uint64_t first, uint32_t prev)
{
    int rc;
    c->writer = cccc_segment_begin(c->seal->vfs, c->seal->state_dir, c->seal->options.frame_bytes, &rc);
    c->part = (struct cccc_part){.first = first, .prev = prev};
    c->events = 0;
    return rc;
}

/* The lines up to the event before `f` are a segment. */
static int end_segment(struct cutting *c, const struct cccc_finding *f)
{
    cccc_sealing_t *seal = c->seal;
    c->part.last = f->seq - 1;
    c->part.crc = c->crc;
    c->part.legacy_last = seal->start.legacy_last < c->part.first ? 0 : seal->start.legacy_last;
    int rc = cccc_segment_end(&c->writer, &c->part, c->events);
    if (rc < 0)
        return rc;
    seal->parts = cccc_room_again(seal->parts, seal->part_count + 1u, sizeof *seal->parts);
    seal->ids = cccc_room_again(seal->ids, seal->part_count + 1u, sizeof *seal->ids);
    seal->ids[seal->part_count] =
        (struct cccc_sealed_ids){c->part.first, c->part.last, cccc_ids_write(seal->vfs, seal->state_dir, &c->part, &c->ids)};
    c->ids.count = 0;
    seal->parts[seal->part_count++] = c->part;
    seal->lines += c->events;
    seal->cut = f->line.offset;
    c->over = f->seq > seal->wanted;
    return c->over ? 0 : begin_segment(c, f->seq, c->crc);
}

/* Bytes of the file up to `to` that are no line by themselves. */
static int feed_bytes(struct cutting *c, uint64_t to)
{
    enum { PIECE = 64 * 1024 };
    char *piece = c->fed < to ? cccc_room(PIECE) : NULL;
    int rc = 0;
    while (rc == 0 && c->fed < to) {
        size_t len = to - c->fed < PIECE ? (size_t)(to - c->fed) : PIECE;
        ssize_t n = cccc_vfs_read_all(c->seal->vfs, c->seal->file->fd, piece, len, c->fed);
        rc = n < 0 ? (int)n : (size_t)n < len ? -EIO : cccc_segment_put(c->writer, piece, len, 0);
        c->fed += len;
    }
    free(piece);
    return rc;
}

static int feed_line(struct cutting *c, const struct cccc_finding *f)
{
    const struct cccc_raw_line *line = &f->line;
    int rc = feed_bytes(c, line->offset);
    if (rc == 0)
        rc = cccc_segment_put(c->writer, line->ptr, line->len, f->seq);
    c->fed = line->offset + line->len;
    if (rc == 0 && line->size == line->len + 1) {
        rc = cccc_segment_put(c->writer, "\n", 1, 0);
        c->fed++;
    }
    cccc_ids_take(&c->ids, line->ptr, line->len, f->legacy, f->seq, c->arena);
    c->events++;
    return rc;
}

static int take_finding(struct cutting *c, const struct cccc_finding *f)
{
    const cccc_sealing_t *seal = c->seal;
    if (f->kind != CCCC_FOUND_EVENT) {
        c->follows = false;
        return f->kind == CCCC_FOUND_ERROR ? f->err : 0;
    }
    bool boundary = c->follows && c->events > 0 && !f->legacy && !f->forked && f->seq == c->seq + 1;
    bool enough = f->seq > seal->wanted || cccc_segment_raw(c->writer) >= seal->options.segment_bytes;
    int rc = 0;
    if (boundary && enough) {
        rc = feed_bytes(c, f->line.offset);
        if (rc == 0)
            rc = end_segment(c, f);
    }
    if (rc == 0 && !c->over)
        rc = feed_line(c, f);
    c->follows = !f->legacy;
    c->seq = f->seq;
    c->crc = f->seal.crc;
    return rc;
}

/* Judge the lines and write them into segments, up to a boundary at or behind `wanted`. */
static int write_segments(cccc_sealing_t *self)
{
    struct cccc_source source;
    struct cccc_scan scan;
    struct cccc_judge judge;
    struct cccc_finding f = {0};
    struct cutting c = {.seal = self, .fed = self->begin, .arena = cccc_arena_new(SEAL_ARENA)};
    cccc_source_init(&source, self->vfs, self->file->fd, NULL, 0);
    cccc_scan_init(&scan, &source, self->begin, self->end, SEAL_BLOCK);
    cccc_judge_init(&judge, &scan, &self->start);
    int rc = begin_segment(&c, self->start.seq + 1, self->start.crc);
    while (rc == 0 && !c.over && !atomic_load_explicit(&self->cancelled, memory_order_relaxed)) {
        cccc_judge_next(&judge, &f);
        rc = take_finding(&c, &f);
        if (f.kind == CCCC_FOUND_END || f.kind == CCCC_FOUND_TORN || f.kind == CCCC_FOUND_ERROR)
            break;
    }
    cccc_segment_drop(&c.writer);
    cccc_ids_fini(&c.ids);
    cccc_arena_destroy(&c.arena);
    cccc_scan_fini(&scan);
    cccc_source_fini(&source);
    return rc;
}

/* The manifest with the new segments, whose bytes and names are durable before it names them. */
static int write_manifest(cccc_sealing_t *self)
{
    uint32_t old = self->archive->count, count = old + self->part_count;
    struct cccc_part *all = cccc_room((count + 1u) * sizeof *all);
    if (old > 0)
        memcpy(all, self->archive->parts, old * sizeof *all);
    memcpy(all + old, self->parts, self->part_count * sizeof *all);
    struct cccc_archive *archive = cccc_archive_with(self->archive, all, count);
    free(all);
    int rc = cccc_vfs_sync_dir(self->vfs, self->state_dir);
    if (rc == 0 && !CCCC_MUTANT_IS(NO_MANIFEST))
        rc = cccc_archive_write(archive);
    if (rc == 0) {
        cccc_archive_release(&self->archive);
        self->archive = archive;
    } else {
        cccc_archive_release(&archive);
    }
    return rc;
}

void cccc_seal_prepare(cccc_sealing_t *self)
{
    self->cut = self->begin;
    int rc = drop_leftovers(self);
    if (rc == 0 && self->wanted > self->start.seq)
        rc = write_segments(self);
    if (rc < 0)
        fail(self, rc, "cannot write a sealed segment of");
    else if (self->part_count > 0 && (rc = write_manifest(self)) < 0)
        fail(self, rc, "cannot write the manifest of");
    if (rc == 0 && self->cut > 0) {
        self->new_fd =
            self->vfs->open(self->vfs->ctx, self->new_path, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE | CCCC_O_TRUNC);
        if (self->new_fd < 0)
            fail(self, self->new_fd, "cannot make a shorter");
        self->copied = self->cut;
    }
}

/* ---- catching up ---- */

static bool is_over(const cccc_sealing_t *self)
{
    return self->err < 0 || self->cut == 0 || atomic_load_explicit(&self->cancelled, memory_order_relaxed);
}

uint64_t cccc_ledger_seal_behind(cccc_ledger_t *self, cccc_sealing_t *seal)
{
    if (is_over(seal))
        return 0;
    seal->size = self->size;
    return seal->size - seal->copied;
}

static int copy_on(cccc_sealing_t *self, bool in_switch)
{
    char *block = cccc_room(SEAL_BLOCK);
    int rc = 0;
    while (rc == 0 && self->copied < self->size && (in_switch || !atomic_load_explicit(&self->cancelled, memory_order_relaxed))) {
        size_t len = self->size - self->copied < SEAL_BLOCK ? (size_t)(self->size - self->copied) : SEAL_BLOCK;
        ssize_t n = cccc_vfs_read_all(self->vfs, self->file->fd, block, len, self->copied);
        rc = n < 0 ? (int)n : (size_t)n < len ? -EIO : cccc_vfs_write_all(self->vfs, self->new_fd, block, len);
        self->copied += len;
    }
    free(block);
    return rc;
}

void cccc_seal_catch_up(cccc_sealing_t *self)
{
    int rc = copy_on(self, false);
    if (rc == 0)
        rc = self->vfs->sync(self->vfs->ctx, self->new_fd);
    if (rc < 0)
        fail(self, rc, "cannot copy what stays in");
}

/* ---- the switch ---- */

bool cccc_ledger_seal_begin_switch(cccc_ledger_t *self, cccc_sealing_t *seal, bool *over)
{
    if (self->health != CCCC_LEDGER_OK && self->health != CCCC_LEDGER_NO_SPACE)
        fail(seal, -EIO, "the ledger takes nothing any more:");
    *over = is_over(seal);
    if (*over || self->out || self->mark_out)
        return false;
    self->switching = true;
    seal->size = self->size;
    seal->seq = self->durable;
    seal->device = self->device;
    seal->inode = self->inode;
    seal->birth_ns = self->birth_ns;
    seal->mark = self->mark;
    seal->mark_slot = self->mark_slot;
    struct cccc_stat st = {.inode = self->inode, .birth_ns = self->birth_ns};
    seal->mark_is_ours = cccc_mark_is_about(&self->mark, &st);
    return true;
}

/* Somebody else's file, or one that somebody else wrote to, is left alone. */
static int check_old(const cccc_sealing_t *self)
{
    struct cccc_stat st;
    int rc = self->vfs->stat(self->vfs->ctx, self->path, &st);
    if (rc < 0)
        return rc;
    return st.device == self->device && st.inode == self->inode && st.size == self->size ? 0 : -ESTALE;
}

static int write_mark(cccc_sealing_t *self, uint64_t device, uint64_t inode, uint64_t birth_ns, uint64_t offset)
{
    struct cccc_mark mark = {.vfs = self->vfs, .path = self->mark_path, .slot = self->mark.turn ? !self->mark_slot : 0};
    mark.value = (struct cccc_mark_value){
        .turn = self->mark.turn + 1, .device = device, .inode = inode, .birth_ns = birth_ns, .seq = self->seq, .offset = offset};
    cccc_mark_write(&mark);
    if (mark.err < 0)
        return mark.err;
    self->mark = mark.value;
    self->mark_slot = mark.slot;
    return 0;
}

/* A mark for each of the two files, in a slot of its own: whichever is there after a crash is known. */
static int write_marks(cccc_sealing_t *self)
{
    int rc = self->mark_is_ours ? 0 : write_mark(self, self->device, self->inode, self->birth_ns, self->size);
    if (rc == 0)
        rc = self->vfs->fstat(self->vfs->ctx, self->new_fd, &self->st);
    if (rc == 0 && self->st.size != self->size - self->cut)
        rc = -EIO;
    return rc < 0 ? rc : write_mark(self, self->st.device, self->st.inode, self->st.birth_ns, self->st.size);
}

void cccc_seal_switch(cccc_sealing_t *self)
{
    int rc = check_old(self);
    if (rc == 0)
        rc = copy_on(self, true);
    if (rc == 0 && !CCCC_MUTANT_IS(SWITCH_NO_SYNC))
        rc = self->vfs->sync(self->vfs->ctx, self->new_fd);
    if (rc == 0)
        rc = write_marks(self);
    if (rc == 0)
        rc = self->vfs->rename(self->vfs->ctx, self->new_path, self->path);
    if (rc < 0) {
        fail(self, rc, "cannot put a shorter file in the place of");
        return;
    }
    self->switched = true;
    rc = CCCC_MUTANT_IS(SWITCH_NO_DIR_SYNC) ? 0 : cccc_vfs_sync_dir(self->vfs, self->group_dir);
    if (rc < 0) {
        fail(self, rc, "cannot sync the folder of");
        self->unknown = true;
    }
}

/* ---- done ---- */

/* The new file is the ledger's. */
static void adopt_file(cccc_ledger_t *self, cccc_sealing_t *seal)
{
    cccc_file_release(&self->active.file);
    self->active.file = cccc_file_new(seal->vfs, seal->new_fd);
    seal->new_fd = -1;
    self->device = seal->st.device;
    self->inode = seal->st.inode;
    self->birth_ns = seal->st.birth_ns;
    self->size -= seal->cut;
    self->end -= seal->cut;
    self->begin = 0;
    self->mark = seal->mark;
    self->mark_slot = seal->mark_slot;
    if (self->mark_turn < seal->mark.turn)
        self->mark_turn = seal->mark.turn;
    cccc_index_move(&self->active.index, seal->cut);
    self->active.first_seq = cccc_archive_last(seal->archive) + 1;
    cccc_archive_release(&self->archive);
    self->archive = cccc_archive_keep(seal->archive);
}

void cccc_seal_cancel(cccc_sealing_t *self)
{
    atomic_store_explicit(&self->cancelled, true, memory_order_relaxed);
}

void cccc_seal_destroy(cccc_sealing_t **self)
{
    cccc_sealing_t *seal = *self;
    *self = NULL;
    if (!seal)
        return;
    if (seal->new_fd >= 0) {
        seal->vfs->unlink(seal->vfs->ctx, seal->new_path);
        seal->vfs->close(seal->vfs->ctx, seal->new_fd);
    }
    cccc_file_release(&seal->file);
    cccc_archive_release(&seal->archive);
    for (uint32_t i = 0; i < seal->part_count && !seal->ids_taken; i++)
        free(seal->ids[i].filter);
    free(seal->ids);
    free(seal->new_path);
    free(seal->parts);
    free(seal);
}

void cccc_ledger_seal_done(cccc_ledger_t *self, cccc_sealing_t *done, struct cccc_seal_result *result)
{
    *result = (struct cccc_seal_result){.err = CCCC_OK};
    self->seal_out = false;
    self->switching = false;
    if (done->switched)
        adopt_file(self, done);
    if (done->err < 0)
        result->err = cccc_fail(&result->message, done->err == -ENOSPC || done->err == -EDQUOT ? CCCC_E_NO_SPACE : CCCC_E_STORAGE,
                                "%s %s: %s", done->what, self->path, strerror(-done->err));
    if (done->unknown) {
        self->health = CCCC_LEDGER_FAILED;
        snprintf(self->note, sizeof self->note, "%.*s", (int)sizeof self->note - 1, result->message.text);
    }
    for (uint32_t i = 0; done->switched && i < done->part_count; i++) {
        result->raw_bytes += done->parts[i].raw;
        result->file_bytes += done->parts[i].bytes;
    }
    if (done->switched && done->part_count > 0) {
        result->first_seq = done->parts[0].first;
        result->last_seq = done->parts[done->part_count - 1].last;
        result->segments = done->part_count;
        result->lines = done->lines;
        result->ids = done->ids;
        done->ids_taken = true;
    }
}
