/* repair.c - giving up what is damaged or lost, when the operator says so.
 *
 * Order: a ledger that is gone gets an empty file, which the mark is about before it has its name; the bytes of a lost head are copied aside; they are
 * cut; one ledger.repair per stretch is appended and synced the way every event is; the mark follows.
 * Invariants: (1) no byte goes without a durable copy. (2) the mark, which is the evidence of the loss, names the lost seqs until the event that gives them
 * up is durable, so that a stop anywhere leaves a ledger that still refuses appends. (3) no seq is used twice.
 * Thread: the caller's. */
#include "broker/ledger/ledger_private.h"
#include "broker/mutant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct repair {
    const struct cccc_ledger_options *options;
    cccc_repair_event_fn describe;
    void *arg;
    struct cccc_repair *out;
    struct cccc_errmsg *m;
    cccc_ledger_t *ledger;
    struct cccc_gap *gaps; /* found, and named by no ledger.repair yet */
    size_t count, room;
};

static cccc_err_t storage(struct repair *r, int err, const char *what, const char *path)
{
    return cccc_fail(r->m, err == -ENOSPC || err == -EDQUOT ? CCCC_E_NO_SPACE : CCCC_E_STORAGE, "cannot %s %s: %s", what, path,
                     strerror(-err));
}

/* ---- a ledger that is gone ---- */

struct absent {
    const struct cccc_vfs *vfs;
    char *path, *fresh, *state_dir, *mark_path;
    struct cccc_mark mark; /* what the one on disk becomes */
};

static int make_empty(struct absent *a, struct cccc_stat *st)
{
    int fd = a->vfs->open(a->vfs->ctx, a->fresh, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_CREATE | CCCC_O_TRUNC);
    if (fd < 0)
        return fd;
    int rc = a->vfs->sync(a->vfs->ctx, fd);
    if (rc == 0)
        rc = a->vfs->fstat(a->vfs->ctx, fd, st);
    a->vfs->close(a->vfs->ctx, fd);
    return rc;
}

/* An empty file under the ledger's name would be taken for a restored copy, which goes on at seq 1. So the mark is made to be about it first: then it
 * is a ledger that was cut to nothing. */
static int put_empty(struct absent *a)
{
    struct cccc_stat st;
    int rc = make_empty(a, &st);
    if (rc != 0)
        return rc;
    a->mark.value.turn++;
    a->mark.value.device = st.device;
    a->mark.value.inode = st.inode;
    a->mark.value.birth_ns = st.birth_ns;
    a->mark.slot = !a->mark.slot;
    if (!CCCC_MUTANT_IS(REPAIR_UNMARKED))
        cccc_mark_write(&a->mark);
    if (a->mark.err < 0)
        return a->mark.err;
    rc = a->vfs->rename(a->vfs->ctx, a->fresh, a->path);
    return rc < 0 ? rc : cccc_vfs_sync_parent(a->vfs, a->path);
}

/* Sealed segments remember the ledger too: it had at least one line more than they have. */
static int look_at_segments(struct absent *a)
{
    char ignored[256] = "";
    struct cccc_archive *archive;
    int rc = cccc_archive_load(a->vfs, a->state_dir, &archive, ignored, sizeof ignored);
    if (rc < 0)
        return rc;
    uint64_t last = cccc_archive_last(archive);
    last = last + 1 < archive->base.seq ? archive->base.seq - 1 : last;
    if (last > 0 && a->mark.value.seq <= last) {
        a->mark.value.seq = last + 1;
        a->mark.value.offset = 0;
    }
    cccc_archive_release(&archive);
    return 0;
}

static int find_absent(struct absent *a)
{
    struct cccc_stat st;
    bool damaged;
    int rc = a->vfs->stat(a->vfs->ctx, a->path, &st);
    if (rc != -ENOENT)
        return rc;
    rc = cccc_mark_read(a->vfs, a->mark_path, NULL, &a->mark.value, &a->mark.slot, &damaged);
    if (rc == 0)
        rc = look_at_segments(a);
    return rc < 0 || a->mark.value.seq == 0 ? rc : put_empty(a);
}

static cccc_err_t replace_absent(struct repair *r)
{
    const char *dir = r->options->group_dir;
    struct absent a = {.vfs = r->options->vfs,
                       .path = cccc_path_join(dir, "ledger.jsonl"),
                       .fresh = cccc_path_join(dir, "ledger.jsonl.new"),
                       .state_dir = cccc_path_join(dir, "state/ledger"),
                       .mark_path = cccc_path_join(dir, "state/ledger/mark")};
    a.mark.vfs = a.vfs;
    a.mark.path = a.mark_path;
    int rc = find_absent(&a);
    cccc_err_t err = rc < 0 ? storage(r, rc, "make", a.path) : CCCC_OK;
    free(a.path);
    free(a.fresh);
    free(a.state_dir);
    free(a.mark_path);
    return err;
}

/* ---- what there is to give up ---- */

/* What was retired is not lost: it has its tombstone. */
static void add_gap(void *arg, const struct cccc_gap *gap)
{
    struct repair *r = arg;
    if (strcmp(gap->reason, "retired") == 0)
        return;
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 16;
        r->gaps = cccc_room_again(r->gaps, r->room, sizeof *r->gaps);
    }
    r->gaps[r->count++] = *gap;
}

/* Stretches that an earlier repair has given up are done with. */
static void drop_given_up(void *arg, const struct cccc_event *event)
{
    struct repair *r = arg;
    if (r->count == 0 || !cccc_str_is(event->kind, "ledger.repair"))
        return;
    uint64_t from = cccc_get_uint(&event->data, "from_seq", 0), to = cccc_get_uint(&event->data, "to_seq", 0);
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++)
        if (r->gaps[i].from_seq < from || r->gaps[i].to_seq > to)
            r->gaps[kept++] = r->gaps[i];
    r->count = kept;
}

/* ---- the head ---- */

/* Go on behind what is lost: copy what is left of it, cut it, and count the lost seqs as used. */
static cccc_err_t give_up_head(struct repair *r)
{
    cccc_ledger_t *l = r->ledger;
    uint64_t from = l->lost.offset, bytes = l->size - from;
    int rc = bytes > 0 && !CCCC_MUTANT_IS(REPAIR_CUTS_FIRST)
                 ? cccc_keep_aside(l->vfs, l->state_dir, l->active.file->fd, "damaged", from, bytes, r->out->copy)
                 : 0;
    if (rc < 0)
        return storage(r, rc, "keep a copy of the damaged end of", l->path);
    if (bytes > 0) {
        rc = l->vfs->truncate(l->vfs->ctx, l->active.file->fd, from);
        if (rc == 0)
            rc = l->vfs->sync(l->vfs->ctx, l->active.file->fd);
        if (rc < 0)
            return storage(r, rc, "cut", l->path);
    }
    char last = '\n';
    ssize_t n = from > 0 ? cccc_vfs_read_all(l->vfs, l->active.file->fd, &last, 1, from - 1) : 0;
    if (n < 0)
        return storage(r, (int)n, "read", l->path);
    l->unterminated = last != '\n';
    r->out->bytes_aside = bytes;
    r->out->head = l->lost;
    l->size = l->end = from;
    if (!CCCC_MUTANT_IS(REPAIR_REUSES_SEQS))
        l->head = l->durable = l->lost.to_seq;
    l->lost = (struct cccc_gap){0};
    l->health = CCCC_LEDGER_OK;
    l->note[0] = '\0';
    return CCCC_OK;
}

/* ---- the events ---- */

static cccc_err_t commit_all(struct repair *r)
{
    cccc_batch_t *batch;
    while ((batch = cccc_ledger_take(r->ledger)) != NULL) {
        struct cccc_commit result;
        cccc_batch_commit(batch);
        cccc_ledger_done(r->ledger, &batch, &result);
        if (result.err != CCCC_OK)
            return cccc_fail(r->m, result.err, "%s", result.message.text);
    }
    return CCCC_OK;
}

static cccc_err_t record(struct repair *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct cccc_event event = {0};
        uint64_t seq = cccc_ledger_head(r->ledger) + 1;
        r->describe(r->arg, seq, &r->gaps[i], &event);
        event.seq = seq;
        cccc_ledger_append(r->ledger, &event);
    }
    cccc_err_t err = commit_all(r);
    cccc_mark_t *mark = err == CCCC_OK ? cccc_ledger_take_mark(r->ledger) : NULL;
    if (mark) { /* its failure costs nothing: `dur` of the events just written says the same */
        cccc_mark_write(mark);
        cccc_ledger_mark_done(r->ledger, &mark);
    }
    return err;
}

static cccc_err_t repair(struct repair *r)
{
    cccc_ledger_t *l = r->ledger;
    cccc_err_t err = l->lost.reason ? give_up_head(r) : CCCC_OK;
    if (err != CCCC_OK)
        return err;
    if (l->health != CCCC_LEDGER_OK && r->count > 0)
        return cccc_fail(r->m, CCCC_E_STORAGE, "%s: %s", l->path, l->note);
    err = record(r);
    if (err != CCCC_OK)
        return err;
    r->out->given_up = r->count;
    r->out->head_seq = cccc_ledger_durable(l);
    return CCCC_OK;
}

cccc_err_t cccc_ledger_repair(const struct cccc_ledger_options *options, cccc_repair_event_fn describe, void *arg, struct cccc_repair *out,
                              struct cccc_errmsg *m)
{
    *out = (struct cccc_repair){0};
    struct repair r = {.options = options, .describe = describe, .arg = arg, .out = out, .m = m};
    struct cccc_ledger_options folding = *options;
    struct cccc_recovery report;
    folding.create = false;
    folding.fold = drop_given_up;
    folding.fold_gap = add_gap;
    folding.arg = &r;
    cccc_err_t err = replace_absent(&r);
    if (err == CCCC_OK)
        err = cccc_ledger_open(&folding, &r.ledger, &report, m);
    if (err == CCCC_OK) {
        err = repair(&r);
        cccc_ledger_close(&r.ledger);
    }
    free(r.gaps);
    return err;
}
