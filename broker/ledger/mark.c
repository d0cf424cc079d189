/* mark.c - reading and writing the mark.
 *
 * Thread: cccc_mark_write in any, the rest in the ledger's owner's. */
#include "broker/ledger/mark.h"

#include "broker/ledger/ledger_private.h"
#include "broker/mutant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARK_TEXT_MAX = 256 };

/* The text of a slot, with its checksum and newline; its length. */
static size_t format_slot(const struct cccc_mark_value *mark, char out[MARK_TEXT_MAX])
{
    int len = snprintf(out, MARK_TEXT_MAX, "cccc-mark 1 turn=%llu device=%llu inode=%llu seq=%llu offset=%llu",
                       (unsigned long long)mark->turn, (unsigned long long)mark->device, (unsigned long long)mark->inode,
                       (unsigned long long)mark->seq, (unsigned long long)mark->offset);
    if (mark->birth_ns != 0)
        len += snprintf(out + len, MARK_TEXT_MAX - (size_t)len, " birth=%llu", (unsigned long long)mark->birth_ns);
    uint32_t crc = cccc_crc32c(0, out, (size_t)len);
    len += snprintf(out + len, MARK_TEXT_MAX - (size_t)len, " crc=%08x\n", crc);
    return (size_t)len;
}

/* False unless `text` is exactly what format_slot would have written for some value. */
static bool parse_slot(const char *text, struct cccc_mark_value *out)
{
    unsigned long long turn, device, inode, seq, offset, birth = 0;
    /* NOLINTNEXTLINE(cert-err34-c): what it makes of a number that is too large is not what the text says, which is compared below. */
    if (sscanf(text, "cccc-mark 1 turn=%llu device=%llu inode=%llu seq=%llu offset=%llu birth=%llu", &turn, &device, &inode, &seq, &offset,
               &birth) < 5)
        return false;
    struct cccc_mark_value mark = {.turn = turn, .device = device, .inode = inode, .seq = seq, .offset = offset, .birth_ns = birth};
    char again[MARK_TEXT_MAX];
    size_t len = format_slot(&mark, again);
    if (turn == 0 || strncmp(text, again, len) != 0)
        return false;
    *out = mark;
    return true;
}

bool cccc_mark_is_about(const struct cccc_mark_value *mark, const struct cccc_stat *st)
{
    return mark->turn > 0 && mark->inode == st->inode && (mark->birth_ns == 0 || st->birth_ns == 0 || mark->birth_ns == st->birth_ns);
}

/* A slot about the file that is there counts for more than a newer one: while a seal puts a shorter file in its place, each file has its own. */
static bool counts_more(const struct cccc_mark_value *mark, const struct cccc_mark_value *than, const struct cccc_stat *st)
{
    bool ours = st && cccc_mark_is_about(mark, st), theirs = st && cccc_mark_is_about(than, st);
    return ours != theirs ? ours : mark->turn > than->turn;
}

int cccc_mark_read(const struct cccc_vfs *vfs, const char *path, const struct cccc_stat *st, struct cccc_mark_value *out, unsigned *slot,
                   bool *damaged)
{
    *out = (struct cccc_mark_value){0};
    *slot = 0;
    *damaged = false;
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    ssize_t got = 0;
    for (unsigned i = 0; i < CCCC_MARK_SLOTS && got >= 0; i++) {
        char text[MARK_TEXT_MAX] = "";
        struct cccc_mark_value mark;
        got = cccc_vfs_read_all(vfs, fd, text, sizeof text - 1, (uint64_t)i * CCCC_MARK_SLOT_BYTES);
        if (got > 0 && parse_slot(text, &mark) && (out->turn == 0 || counts_more(&mark, out, st))) {
            *out = mark;
            *slot = i;
        } else if (got > 0) {
            *damaged = true;
        }
    }
    vfs->close(vfs->ctx, fd);
    *damaged = *damaged && out->turn == 0;
    return got < 0 ? (int)got : 0;
}

bool cccc_mark_names_two(const struct cccc_vfs *vfs, const char *path)
{
    struct cccc_mark_value marks[CCCC_MARK_SLOTS];
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    bool both = fd >= 0;
    for (unsigned i = 0; i < CCCC_MARK_SLOTS && both; i++) {
        char text[MARK_TEXT_MAX] = "";
        both = cccc_vfs_read_all(vfs, fd, text, sizeof text - 1, (uint64_t)i * CCCC_MARK_SLOT_BYTES) > 0 && parse_slot(text, &marks[i]);
    }
    if (fd >= 0)
        vfs->close(vfs->ctx, fd);
    return both && (marks[0].inode != marks[1].inode || marks[0].birth_ns != marks[1].birth_ns);
}

cccc_mark_t *cccc_ledger_take_mark(cccc_ledger_t *self)
{
    cccc_ledger_rest(self);
    bool newest = self->mark.seq == self->durable && self->mark.offset == self->size && self->mark.inode == self->inode &&
                  self->mark.device == self->device && self->mark.birth_ns == self->birth_ns;
    if (self->mark_out || self->switching || newest || self->durable == 0 || self->health == CCCC_LEDGER_READ_ONLY)
        return NULL;
    cccc_mark_t *mark = cccc_room(sizeof *mark);
    self->mark_turn++;
    mark->vfs = self->vfs;
    mark->path = self->mark_path;
    mark->slot = self->mark.turn ? !self->mark_slot : 0;
    mark->value = (struct cccc_mark_value){.turn = self->mark_turn,
                                           .device = self->device,
                                           .inode = self->inode,
                                           .birth_ns = self->birth_ns,
                                           .seq = self->durable,
                                           .offset = self->size};
    if (CCCC_MUTANT_IS(MARK_TOO_HIGH)) {
        mark->value.seq = self->head;
        mark->value.offset = self->end;
    }
    self->mark_out = true;
    return mark;
}

static int write_slot(const cccc_mark_t *mark, int fd)
{
    char slot[CCCC_MARK_SLOT_BYTES];
    char text[MARK_TEXT_MAX];
    size_t len = format_slot(&mark->value, text);
    memset(slot, ' ', sizeof slot);
    memcpy(slot, text, len);
    slot[sizeof slot - 1] = '\n';
    int rc = cccc_vfs_pwrite_all(mark->vfs, fd, slot, sizeof slot, (uint64_t)mark->slot * sizeof slot);
    if (rc < 0)
        return rc;
    return mark->vfs->sync(mark->vfs->ctx, fd);
}

void cccc_mark_write(cccc_mark_t *mark)
{
    int fd = mark->vfs->open(mark->vfs->ctx, mark->path, CCCC_O_WRITE | CCCC_O_CREATE);
    mark->err = fd < 0 ? fd : write_slot(mark, fd);
    if (fd >= 0)
        mark->vfs->close(mark->vfs->ctx, fd);
    if (mark->err == 0)
        mark->err = cccc_vfs_sync_parent(mark->vfs, mark->path);
}

void cccc_ledger_mark_done(cccc_ledger_t *self, cccc_mark_t **mark)
{
    cccc_mark_t *done = *mark;
    *mark = NULL;
    self->mark_out = false;
    if (done->err == 0) {
        self->mark = done->value;
        self->mark_slot = done->slot;
    }
    free(done);
}
