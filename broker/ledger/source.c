/* source.c - see source.h. */
#include "broker/ledger/source.h"

#include <errno.h>
#include <string.h>

void cccc_source_init(struct cccc_source *self, const struct cccc_vfs *vfs, int fd, const struct cccc_archive *archive, uint64_t begin)
{
    *self = (struct cccc_source){.vfs = vfs, .fd = fd, .archive = archive, .begin = begin};
}

void cccc_source_fini(struct cccc_source *self)
{
    if (self->reading)
        cccc_segment_close(&self->reader);
    self->reading = false;
}

int cccc_source_part(struct cccc_source *self, uint32_t part, struct cccc_segment_reader **out)
{
    int rc = -ENOENT;
    *out = &self->reader;
    if (self->reading && self->part == part)
        return 0;
    cccc_source_fini(self);
    self->part = part;
    if (self->archive->parts[part].there)
        rc = cccc_segment_open(&self->reader, self->vfs, self->archive->dir, &self->archive->parts[part]);
    self->reading = rc == 0;
    *out = self->reading ? &self->reader : NULL;
    return rc == -ENOENT || rc == -EBADMSG ? 0 : rc;
}

/* The part whose bytes `offset` is among. */
static uint32_t part_at(const struct cccc_archive *archive, uint64_t offset)
{
    uint32_t low = 0, high = archive->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (archive->parts[middle].at <= offset)
            low = middle;
        else
            high = middle;
    }
    while (!archive->parts[low].there || archive->parts[low].at + archive->parts[low].raw <= offset)
        low++; /* parts that are not there take no room: several may begin at the same place */
    return low;
}

/* What stands for bytes that cannot be had. */
static ssize_t read_nothing(char *buf, size_t len, uint64_t left)
{
    size_t some = len < left ? len : (size_t)left;
    memset(buf, 0, some);
    if (some == left && some > 0)
        buf[some - 1] = '\n';
    return (ssize_t)some;
}

ssize_t cccc_source_read(struct cccc_source *self, char *buf, size_t len, uint64_t offset)
{
    if (!self->archive || offset >= self->archive->raw) {
        uint64_t at = self->archive ? offset - self->archive->raw + self->begin : offset;
        return self->fd < 0 ? 0 : cccc_vfs_read_all(self->vfs, self->fd, buf, len, at);
    }
    uint32_t at = part_at(self->archive, offset);
    const struct cccc_part *part = &self->archive->parts[at];
    uint64_t inside = offset - part->at;
    struct cccc_segment_reader *reader;
    int rc = cccc_source_part(self, at, &reader);
    if (rc < 0)
        return rc;
    if (!reader || inside >= reader->raw)
        return read_nothing(buf, len, part->raw - inside);
    if (len > part->raw - inside)
        len = (size_t)(part->raw - inside);
    return cccc_segment_read(reader, buf, len, inside);
}

struct cccc_index_entry cccc_source_way(struct cccc_source *self, uint64_t seq)
{
    struct cccc_index_entry beginning = {1, 0};
    uint32_t at = cccc_archive_find(self->archive, seq);
    while (at > 0 && (at == self->archive->count || !self->archive->parts[at].there || self->archive->parts[at].first > seq))
        at--; /* what is not there is a gap behind the part in front of it */
    if (at >= self->archive->count || !self->archive->parts[at].there || self->archive->parts[at].first > seq)
        return beginning;
    const struct cccc_part *part = &self->archive->parts[at];
    struct cccc_segment_reader *reader;
    cccc_source_part(self, at, &reader);
    const struct cccc_frame *frame = reader ? &reader->frames[cccc_segment_frame(reader, seq)] : NULL;
    if (!frame || frame->seq == 0 || frame->seq > seq || frame->seq < part->first || frame->seq > part->last)
        return (struct cccc_index_entry){part->first, part->at};
    return (struct cccc_index_entry){frame->seq, part->at + frame->raw_offset};
}
