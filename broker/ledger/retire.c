/* retire.c - see retire.h.
 *
 * Order: the base, durable; the manifest that names it and has the segments as retired; the same once more, so that manifest.prev says it too; then the files go.
 * Invariants: (1) at every instant the manifest that counts names a base, or no event is retired. (2) a file goes only when both manifests say that it is not needed.
 * Thread: see retire.h. */
#include "broker/ledger/retire.h"

#include "broker/ledger/ledger_private.h"
#include "broker/ledger/scan.h"
#include "broker/ledger/source.h"
#include "broker/mutant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RETIRE_BLOCK = 256 * 1024, RETIRE_ARENA = 64 * 1024 };

struct cccc_retiring {
    struct cccc_retire_rule rule;
    struct cccc_archive *archive; /* before */
    struct cccc_archive *next;    /* after; NULL: not written */
    uint64_t legacy_last;
    uint32_t end; /* parts in front of it go, as far as they are there */
    int err;
    const char *what;
};

/* ---- taking ---- */

cccc_retiring_t *cccc_ledger_take_retirement(cccc_ledger_t *self, const struct cccc_retire_rule *rule)
{
    if ((rule->max_bytes == 0 && rule->before_unix_us == 0) || self->seal_out || self->health != CCCC_LEDGER_OK || self->begin > 0 ||
        cccc_archive_first(self->archive) > cccc_archive_last(self->archive))
        return NULL;
    cccc_retiring_t *retiring = cccc_room(sizeof *retiring);
    *retiring = (cccc_retiring_t){
        .rule = *rule, .archive = cccc_archive_keep(self->archive), .legacy_last = cccc_archive_legacy_last(self->archive)};
    self->seal_out = true;
    return retiring;
}

/* ---- choosing ---- */

/* When the last event of the part that can be read was decided; INT64_MAX: none can be. */
static int64_t age_of(struct cccc_source *source, const struct cccc_part *part)
{
    struct cccc_scan scan;
    struct cccc_raw_line line;
    struct cccc_event event;
    struct cccc_seal seal;
    int64_t us = INT64_MAX;
    cccc_arena_t *arena = cccc_arena_new(RETIRE_ARENA);
    cccc_scan_init(&scan, source, cccc_source_way(source, part->last).offset, part->at + part->raw, RETIRE_BLOCK);
    while (cccc_scan_next(&scan, &line)) {
        if (line.ptr && cccc_line_read(line.ptr, line.len, arena, &event, &seal, NULL) == CCCC_OK)
            cccc_ts_parse(event.ts, &us);
        msgpack_zone_clear(arena);
    }
    cccc_scan_fini(&scan);
    cccc_arena_destroy(&arena);
    return us;
}

void cccc_retire_choose(cccc_retiring_t *self)
{
    const struct cccc_archive *archive = self->archive;
    struct cccc_source source;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < archive->count; i++)
        bytes += archive->parts[i].there ? archive->parts[i].bytes : 0;
    cccc_source_init(&source, archive->vfs, -1, archive, 0);
    for (uint32_t i = 0; i < archive->count && archive->parts[i].last < self->rule.safe_seq; i++) {
        const struct cccc_part *part = &archive->parts[i];
        if (!part->there)
            continue;
        bool large = self->rule.max_bytes > 0 && bytes > self->rule.max_bytes;
        if (!large && (self->rule.before_unix_us == 0 || age_of(&source, part) >= self->rule.before_unix_us))
            break;
        bytes -= part->bytes;
        if (part->last >= self->legacy_last) /* seqs of older lines are counted from the first one: all of them go, or none */
            self->end = i + 1;
    }
    cccc_source_fini(&source);
}

uint64_t cccc_retire_through(const cccc_retiring_t *self)
{
    return self->end > 0 ? self->archive->parts[self->end - 1].last : 0;
}

/* ---- writing ---- */

/* The parts as they will be. One that is not there stays what it is: it was lost, nobody removed it. */
static struct cccc_archive *after(const cccc_retiring_t *self, const struct cccc_snapshot *of, uint64_t at)
{
    const struct cccc_archive *archive = self->archive;
    struct cccc_part *parts = cccc_room(archive->count * sizeof *parts);
    memcpy(parts, archive->parts, archive->count * sizeof *parts);
    for (uint32_t i = 0; i < self->end; i++) {
        if (!parts[i].there)
            continue;
        parts[i].there = parts[i].resized = false;
        parts[i].retired = true;
        parts[i].retired_at = at;
    }
    struct cccc_archive *next = cccc_archive_with(archive, parts, archive->count);
    next->base = (struct cccc_base){.seq = of->seq, .crc = of->crc};
    free(parts);
    return next;
}

void cccc_retire_write(cccc_retiring_t *self, const struct cccc_snapshot *of, const cccc_buf_t *state, uint64_t at)
{
    const struct cccc_archive *archive = self->archive;
    CCCC_ASSERT(self->end > 0 && of->seq >= cccc_retire_through(self), ": a base of event %llu for what is retired up to %llu",
                (unsigned long long)of->seq, (unsigned long long)cccc_retire_through(self));
    struct cccc_archive *next = after(self, of, at);
    self->what = "cannot write the base of";
    if (CCCC_MUTANT_IS(RETIRE_FILES_FIRST))
        cccc_archive_sweep(next);
    self->err = cccc_base_write(archive->vfs, archive->dir, of, state);
    for (int i = 0; self->err == 0 && i < (CCCC_MUTANT_IS(RETIRE_PREV_LATE) ? 1 : 2); i++) {
        self->what = "cannot write the manifest of";
        self->err = cccc_archive_write(next);
    }
    if (self->err == 0)
        self->next = next;
    else
        cccc_archive_release(&next);
}

/* ---- done ---- */

static void describe(const cccc_retiring_t *self, struct cccc_retire_result *result)
{
    for (uint32_t i = 0; i < self->end; i++) {
        const struct cccc_part *part = &self->archive->parts[i];
        if (!part->there)
            continue;
        if (result->segments++ == 0)
            result->first_seq = part->first;
        result->last_seq = part->last;
        result->bytes += part->bytes;
    }
}

void cccc_ledger_retire_done(cccc_ledger_t *self, cccc_retiring_t *done, struct cccc_retire_result *result)
{
    *result = (struct cccc_retire_result){.err = CCCC_OK};
    if (done->err < 0)
        result->err = cccc_fail(&result->message, done->err == -ENOSPC || done->err == -EDQUOT ? CCCC_E_NO_SPACE : CCCC_E_STORAGE,
                                "%s %s: %s", done->what, self->path, strerror(-done->err));
    if (!done->next)
        return;
    describe(done, result);
    cccc_archive_release(&self->archive);
    self->archive = cccc_archive_keep(done->next);
}

bool cccc_retire_may_remove(const cccc_retiring_t *self)
{
    return self->next && atomic_load_explicit(&self->archive->holders, memory_order_acquire) == 1;
}

void cccc_retire_remove(cccc_retiring_t *self)
{
    self->err = cccc_archive_sweep(self->next);
}

void cccc_ledger_retire_end(cccc_ledger_t *self, cccc_retiring_t **done)
{
    cccc_retiring_t *retiring = *done;
    *done = NULL;
    self->seal_out = false;
    cccc_archive_release(&retiring->archive);
    cccc_archive_release(&retiring->next);
    free(retiring);
}
