/* ledger.c - the ledger object: sealing lines into batches, handing batches out and taking their results in.
 *
 * Invariants: (1) `head` - `durable` lines are in `out`, `waiting` and `open`, in that order, and nowhere else. (2) one batch is out at a time.
 * (3) a line's `dur` is `durable` at the moment it is sealed, so it never promises too much.
 * Thread: the owner's. No function here does I/O but open and close. */
#include "broker/ledger/ids.h"
#include "broker/ledger/ledger_private.h"
#include "broker/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPARE_MAX = 2, BUFFER_KEPT_MAX = 64 * 1024 };

char *cccc_path_join(const char *dir, const char *name)
{
    size_t room = strlen(dir) + 1 + strlen(name) + 1;
    char *path = cccc_room(room);
    snprintf(path, room, "%s/%s", dir, name);
    return path;
}

/* ---- batches ---- */

static cccc_batch_t *batch_new(void)
{
    cccc_batch_t *batch = cccc_room(sizeof *batch);
    cccc_buf_init(&batch->bytes);
    return batch;
}

static void batch_destroy(cccc_batch_t **self)
{
    cccc_batch_t *batch = *self;
    *self = NULL;
    if (!batch)
        return;
    cccc_buf_fini(&batch->bytes);
    free(batch);
}

static void batch_list_destroy(cccc_batch_t **list)
{
    while (*list) {
        cccc_batch_t *batch = *list;
        *list = batch->next;
        batch_destroy(&batch);
    }
}

/* Empty `batch` and keep it for use again, unless there are enough. */
static void retire(cccc_ledger_t *self, cccc_batch_t **batch)
{
    unsigned kept = 0;
    for (cccc_batch_t *b = self->spare; b; b = b->next)
        kept++;
    if (kept >= SPARE_MAX) {
        batch_destroy(batch);
        return;
    }
    cccc_buf_t bytes = (*batch)->bytes;
    bytes.size = 0;
    **batch = (cccc_batch_t){.bytes = bytes, .next = self->spare};
    self->spare = *batch;
    *batch = NULL;
}

static cccc_batch_t *fresh_batch(cccc_ledger_t *self)
{
    cccc_batch_t *batch = self->spare;
    if (!batch)
        return batch_new();
    self->spare = batch->next;
    batch->next = NULL;
    return batch;
}

/* The open batch goes to the end of the waiting ones. */
static void close_open(cccc_ledger_t *self)
{
    *self->waiting_end = self->open;
    self->waiting_end = &self->open->next;
    self->open = NULL;
}

void cccc_ledger_rest(cccc_ledger_t *self)
{
    if (self->head == self->durable)
        batch_list_destroy(&self->spare);
}

/* ---- appending ---- */

/* The line just sealed at `start` made the open batch too large: it becomes the first of the next one. */
static void move_to_next(cccc_ledger_t *self, size_t start)
{
    cccc_batch_t *full = self->open;
    close_open(self);
    self->open = fresh_batch(self);
    cccc_buf_put(&self->open->bytes, full->bytes.data + start, full->bytes.size - start);
    full->bytes.size = start;
}

void cccc_ledger_append(cccc_ledger_t *self, const struct cccc_event *event)
{
    CCCC_ASSERT(event->seq == self->head + 1, ": append of seq %llu to a ledger whose head is %llu", (unsigned long long)event->seq,
                (unsigned long long)self->head);
    CCCC_ASSERT(self->health == CCCC_LEDGER_OK || self->health == CCCC_LEDGER_NO_SPACE, ": append to a ledger that takes none");
    if (!self->open)
        self->open = fresh_batch(self);
    cccc_buf_t *bytes = &self->open->bytes;
    if (self->unterminated && self->head == self->durable) {
        cccc_buf_put(bytes, "\n", 1);
        self->end++;
    }
    size_t start = bytes->size;
    struct cccc_seal seal = {.epoch = self->epoch, .dur = CCCC_MUTANT_IS(DUR_TOO_HIGH) ? self->head : self->durable, .prev = self->crc};
    cccc_line_write(event, &seal, bytes);
    size_t len = bytes->size - start;
    CCCC_ASSERT(len <= CCCC_LINE_BYTES_MAX, ": a line of %zu bytes would be taken for damage", len);
    if (bytes->size > CCCC_COMMIT_BATCH_BYTES_MAX && self->open->lines > 0)
        move_to_next(self, start);
    self->open->lines++;
    self->open->last_seq = event->seq;
    self->open->last_crc = seal.crc;
    if (self->open->lines == CCCC_COMMIT_BATCH_LINES_MAX)
        close_open(self);
    cccc_index_add(&self->active.index, event->seq, self->end);
    self->head = event->seq;
    self->crc = seal.crc;
    self->end += len;
}

cccc_batch_t *cccc_ledger_take(cccc_ledger_t *self)
{
    if (self->out || self->switching || self->head == self->durable)
        return NULL;
    if (!self->waiting)
        close_open(self);
    cccc_batch_t *batch = self->waiting;
    CCCC_ASSERT(batch); /* lines above `durable` and nothing out: they are in a batch */
    self->waiting = batch->next;
    if (!self->waiting)
        self->waiting_end = &self->waiting;
    batch->next = NULL;
    batch->vfs = self->vfs;
    batch->group_dir = self->group_dir;
    batch->path = self->path;
    batch->state_dir = self->state_dir;
    batch->lock_path = self->lock_path;
    batch->create = self->fresh;
    batch->fd = self->active.file ? self->active.file->fd : -1;
    batch->lock_fd = self->lock_fd;
    batch->device = self->device;
    batch->inode = self->inode;
    batch->birth_ns = self->birth_ns;
    batch->offset = self->size;
    self->out = batch;
    return batch;
}

uint64_t cccc_batch_sync_us(const cccc_batch_t *batch)
{
    return batch->sync_us;
}

uint32_t cccc_batch_lines(const cccc_batch_t *batch)
{
    return batch->lines;
}

/* ---- results ---- */

/* What the commit thread opened for a new group is ours now, whether or not the write went well. */
static void adopt_place(cccc_ledger_t *self, const cccc_batch_t *batch)
{
    self->lock_fd = batch->lock_fd;
    if (!self->active.file && batch->fd >= 0)
        self->active.file = cccc_file_new(self->vfs, batch->fd);
    self->device = batch->device;
    self->inode = batch->inode;
    self->birth_ns = batch->birth_ns;
}

static void became_durable(cccc_ledger_t *self, const cccc_batch_t *batch)
{
    self->durable = batch->last_seq;
    self->durable_crc = batch->last_crc;
    self->size += batch->bytes.size;
    self->unterminated = false;
    self->fresh = false;
    self->health = CCCC_LEDGER_OK;
    self->note[0] = '\0';
    if (self->active.first_seq == 0)
        self->active.first_seq = batch->last_seq - batch->lines + 1;
}

/* Every line that is not durable is forgotten; the chain goes on from the durable head. */
static void forget_pending(cccc_ledger_t *self)
{
    batch_list_destroy(&self->waiting);
    self->waiting_end = &self->waiting;
    batch_destroy(&self->open);
    self->head = self->durable;
    if (!CCCC_MUTANT_IS(CHAIN_RESUMED))
        self->crc = self->durable_crc;
    if (CCCC_MUTANT_IS(STALE_INDEX))
        return;
    self->end = self->size;
    cccc_index_cut(&self->active.index, self->durable);
}

void cccc_ledger_done(cccc_ledger_t *self, cccc_batch_t **batch, struct cccc_commit *result)
{
    cccc_batch_t *done = *batch;
    CCCC_ASSERT(done == self->out, ": a batch came back that is not out");
    self->out = NULL;
    adopt_place(self, done);
    if (done->err == CCCC_OK) {
        became_durable(self, done);
    } else {
        forget_pending(self);
        self->health = done->err == CCCC_E_NO_SPACE ? CCCC_LEDGER_NO_SPACE : CCCC_LEDGER_FAILED;
        snprintf(self->note, sizeof self->note, "%.*s", (int)sizeof self->note - 1, done->message.text);
    }
    *result = (struct cccc_commit){
        .err = done->err, .outcome_unknown = done->outcome_unknown, .durable = self->durable, .message = done->message};
    retire(self, batch);
}

/* ---- facts ---- */

uint64_t cccc_ledger_head(const cccc_ledger_t *self)
{
    return self->head;
}

uint64_t cccc_ledger_durable(const cccc_ledger_t *self)
{
    return self->durable;
}

bool cccc_ledger_position(const cccc_ledger_t *self, uint64_t *seq, uint32_t *crc)
{
    *seq = self->durable;
    *crc = self->durable_crc;
    return self->durable > self->active.legacy_last;
}

uint32_t cccc_ledger_sealed_ids(const cccc_ledger_t *self, struct cccc_sealed_ids **out)
{
    const struct cccc_archive *archive = self->archive;
    uint32_t count = 0;
    struct cccc_sealed_ids *rows = cccc_room((archive->count + 1u) * sizeof *rows);
    for (uint32_t i = 0; i < archive->count; i++) {
        const struct cccc_part *part = &archive->parts[i];
        if (part->there)
            rows[count++] = (struct cccc_sealed_ids){part->first, part->last, cccc_ids_filter(self->vfs, archive->dir, part)};
    }
    *out = rows;
    return count;
}

uint64_t cccc_ledger_size(const cccc_ledger_t *self)
{
    return self->size;
}

cccc_ledger_health_t cccc_ledger_health(const cccc_ledger_t *self)
{
    return self->health;
}

const char *cccc_ledger_note(const cccc_ledger_t *self)
{
    return self->note;
}

uint64_t cccc_ledger_backlog(const cccc_ledger_t *self)
{
    return self->end - self->size;
}

/* ---- closing ---- */

void cccc_ledger_close(cccc_ledger_t **self)
{
    cccc_ledger_t *ledger = *self;
    *self = NULL;
    if (!ledger)
        return;
    CCCC_ASSERT(!ledger->out && !ledger->mark_out && !ledger->seal_out, ": closing a ledger while its batch, mark or seal is out");
    batch_list_destroy(&ledger->waiting);
    batch_list_destroy(&ledger->spare);
    batch_destroy(&ledger->open);
    cccc_index_fini(&ledger->active.index);
    cccc_file_release(&ledger->active.file);
    cccc_archive_release(&ledger->archive);
    if (ledger->lock_fd >= 0)
        ledger->vfs->close(ledger->vfs->ctx, ledger->lock_fd);
    free(ledger->group_dir);
    free(ledger->path);
    free(ledger->state_dir);
    free(ledger->lock_path);
    free(ledger->mark_path);
    free(ledger);
}
