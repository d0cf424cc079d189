/* segment.c - frames, table, footer; see segment.h. */
#include "broker/ledger/segment.h"

#include "broker/ledger/file.h"
#include "broker/ledger/ledger_private.h"
#include "broker/mutant.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* A frame is at most FRAME_RAW_MAX bytes, whatever its lines are like. */
enum { LEVEL = 1, FRAME_RAW_MAX = CCCC_LINE_BYTES_MAX + 512 * 1024, HEAD_WORDS = 8, ROW_WORDS = 3, FOOTER_BYTES = 16, SKIP_BYTES = 8 };
enum { TABLE_FRAMES_MAX = 1024 * 1024, HASH_BLOCK = 256 * 1024 };
#define TABLE_MAGIC 0x184D2A5Eu
static const char footer_magic[8] = {'c', 'c', 'c', 'c', 't', 'a', 'b', '1'};

/* ---- numbers in a file ---- */

static void put_u32(cccc_buf_t *out, uint32_t n)
{
    unsigned char bytes[4] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16), (unsigned char)(n >> 24)};
    cccc_buf_put(out, (const char *)bytes, sizeof bytes);
}

static void put_u64(cccc_buf_t *out, uint64_t n)
{
    put_u32(out, (uint32_t)n);
    put_u32(out, (uint32_t)(n >> 32));
}

static uint32_t get_u32(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint64_t get_u64(const char *at)
{
    return (uint64_t)get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

/* ---- writing ---- */

struct cccc_segment_writer {
    const struct cccc_vfs *vfs;
    char *dir, *path; /* of the temporary file */
    int fd;
    size_t frame_bytes;
    ZSTD_CCtx *zstd;
    crypto_generichash_state hash;
    cccc_buf_t raw, packed;
    uint64_t raw_done, written; /* in frames: uncompressed, in the file */
    uint64_t frame_seq;
    struct cccc_frame *frames;
    uint32_t count, room;
};

struct cccc_segment_writer *cccc_segment_begin(const struct cccc_vfs *vfs, const char *dir, size_t frame_bytes, int *err)
{
    struct cccc_segment_writer *self = cccc_room(sizeof *self);
    *self = (struct cccc_segment_writer){.vfs = vfs, .frame_bytes = frame_bytes};
    self->dir = cccc_path_join(dir, "");
    self->path = cccc_path_join(dir, "segment.tmp");
    cccc_buf_init(&self->raw);
    cccc_buf_init(&self->packed);
    crypto_generichash_init(&self->hash, NULL, 0, CCCC_HASH_BYTES);
    self->fd = vfs->open(vfs->ctx, self->path, CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE | CCCC_O_TRUNC);
    self->zstd = ZSTD_createCCtx();
    CCCC_ASSERT(self->zstd, "out of memory");
    ZSTD_CCtx_setParameter(self->zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(self->zstd, ZSTD_c_checksumFlag, 1);
    *err = self->fd < 0 ? self->fd : 0;
    if (self->fd < 0)
        cccc_segment_drop(&self);
    return self;
}

static void writer_free(struct cccc_segment_writer *self)
{
    if (self->fd >= 0)
        self->vfs->close(self->vfs->ctx, self->fd);
    ZSTD_freeCCtx(self->zstd);
    cccc_buf_fini(&self->raw);
    cccc_buf_fini(&self->packed);
    free(self->frames);
    free(self->path);
    free(self->dir);
    free(self);
}

void cccc_segment_drop(struct cccc_segment_writer **self)
{
    struct cccc_segment_writer *writer = *self;
    *self = NULL;
    if (!writer)
        return;
    if (writer->fd >= 0)
        writer->vfs->unlink(writer->vfs->ctx, writer->path);
    writer_free(writer);
}

static int write_out(struct cccc_segment_writer *self, const cccc_buf_t *bytes)
{
    crypto_generichash_update(&self->hash, (const unsigned char *)bytes->data, bytes->size);
    self->written += bytes->size;
    return cccc_vfs_write_all(self->vfs, self->fd, bytes->data, bytes->size);
}

static int end_frame(struct cccc_segment_writer *self)
{
    if (self->raw.size == 0)
        return 0;
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 64;
        self->frames = cccc_room_again(self->frames, self->room, sizeof *self->frames);
    }
    self->frames[self->count++] = (struct cccc_frame){self->frame_seq, self->raw_done, self->written};
    size_t most = ZSTD_compressBound(self->raw.size);
    self->packed.size = 0;
    char *out = cccc_buf_reserve(&self->packed, most);
    size_t size = ZSTD_compress2(self->zstd, out, most, self->raw.data, self->raw.size);
    CCCC_ASSERT(!ZSTD_isError(size), "zstd: %s", ZSTD_getErrorName(size));
    self->packed.size = size;
    self->raw_done += self->raw.size;
    self->raw.size = 0;
    self->frame_seq = 0;
    return write_out(self, &self->packed);
}

int cccc_segment_put(struct cccc_segment_writer *self, const char *bytes, size_t len, uint64_t seq)
{
    int rc = 0;
    if (seq > 0 && self->raw.size >= self->frame_bytes)
        rc = end_frame(self);
    while (rc == 0 && len > 0) {
        size_t some = len < FRAME_RAW_MAX - self->raw.size ? len : FRAME_RAW_MAX - self->raw.size;
        if (self->frame_seq == 0)
            self->frame_seq = seq;
        cccc_buf_put(&self->raw, bytes, some);
        bytes += some;
        len -= some;
        if (self->raw.size == FRAME_RAW_MAX)
            rc = end_frame(self);
    }
    return rc;
}

uint64_t cccc_segment_raw(const struct cccc_segment_writer *self)
{
    return self->raw_done + self->raw.size;
}

static int write_table(struct cccc_segment_writer *self, const struct cccc_part *part, uint64_t events)
{
    cccc_buf_t *out = &self->packed;
    const uint64_t head[HEAD_WORDS] = {part->first, part->last,        self->raw_done, part->prev,
                                       part->crc,   part->legacy_last, events,         self->count};
    out->size = 0;
    size_t table_bytes = (HEAD_WORDS + (size_t)self->count * ROW_WORDS) * 8;
    put_u32(out, TABLE_MAGIC);
    put_u32(out, (uint32_t)(table_bytes + FOOTER_BYTES));
    for (size_t i = 0; i < HEAD_WORDS; i++)
        put_u64(out, head[i]);
    for (uint32_t i = 0; i < self->count; i++) {
        put_u64(out, self->frames[i].seq);
        put_u64(out, self->frames[i].raw_offset);
        put_u64(out, self->frames[i].file_offset);
    }
    uint32_t crc = cccc_crc32c(0, out->data + SKIP_BYTES, table_bytes);
    put_u32(out, (uint32_t)table_bytes);
    put_u32(out, crc);
    cccc_buf_put(out, footer_magic, sizeof footer_magic);
    return write_out(self, out);
}

int cccc_segment_end(struct cccc_segment_writer **self, struct cccc_part *part, uint64_t events)
{
    struct cccc_segment_writer *writer = *self;
    const struct cccc_vfs *vfs = writer->vfs;
    int rc = end_frame(writer);
    if (rc == 0)
        rc = write_table(writer, part, events);
    if (rc == 0 && !CCCC_MUTANT_IS(SEGMENT_NO_SYNC))
        rc = vfs->sync(vfs->ctx, writer->fd);
    char name[CCCC_PART_NAME_ROOM];
    cccc_part_name(part, name);
    char *path = cccc_path_join(writer->dir, name);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, writer->path, path);
    free(path);
    if (rc < 0) {
        cccc_segment_drop(self);
        return rc;
    }
    part->raw = writer->raw_done;
    part->bytes = writer->written;
    part->there = true;
    crypto_generichash_final(&writer->hash, part->hash, CCCC_HASH_BYTES);
    *self = NULL;
    writer_free(writer);
    return 0;
}

/* ---- reading: the table ---- */

/* Take the table in if every number of it can be true. */
static bool parse_table(struct cccc_segment_reader *self, const char *table, size_t len, uint64_t frames_end)
{
    if (len < HEAD_WORDS * 8)
        return false;
    uint64_t count = get_u64(table + 56);
    if (count == 0 || count > TABLE_FRAMES_MAX || len != (HEAD_WORDS + count * ROW_WORDS) * 8)
        return false;
    self->says = (struct cccc_part){.first = get_u64(table),
                                    .last = get_u64(table + 8),
                                    .raw = get_u64(table + 16),
                                    .prev = (uint32_t)get_u64(table + 24),
                                    .crc = (uint32_t)get_u64(table + 32),
                                    .legacy_last = get_u64(table + 40)};
    self->frames = cccc_room((size_t)count * sizeof *self->frames);
    self->count = (uint32_t)count;
    self->raw = self->says.raw;
    self->frames_end = frames_end;
    uint64_t raw = 0, file = 0, seq = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        const char *row = table + (HEAD_WORDS + (size_t)i * ROW_WORDS) * 8;
        struct cccc_frame frame = {get_u64(row), get_u64(row + 8), get_u64(row + 16)};
        bool rises = i == 0 ? frame.raw_offset == 0 && frame.file_offset == 0 : frame.raw_offset > raw && frame.file_offset > file;
        if (!rises || frame.raw_offset >= self->raw || frame.file_offset >= frames_end || frame.raw_offset - raw > FRAME_RAW_MAX ||
            (frame.seq > 0 && frame.seq <= seq))
            return false;
        raw = frame.raw_offset;
        file = frame.file_offset;
        seq = frame.seq > 0 ? frame.seq : seq;
        self->frames[i] = frame;
    }
    return self->raw - raw <= FRAME_RAW_MAX;
}

/* 1: there is a table and it is sound; 0: not; or -errno. */
static int read_table(struct cccc_segment_reader *self, uint64_t size)
{
    char footer[FOOTER_BYTES];
    if (size < FOOTER_BYTES + SKIP_BYTES)
        return 0;
    ssize_t n = cccc_vfs_read_all(self->vfs, self->fd, footer, sizeof footer, size - sizeof footer);
    if (n < 0)
        return (int)n;
    uint32_t len = get_u32(footer);
    uint64_t most = size - FOOTER_BYTES - SKIP_BYTES;
    if (n < FOOTER_BYTES || memcmp(footer + 8, footer_magic, sizeof footer_magic) != 0 || len > most ||
        len > (HEAD_WORDS + (uint64_t)TABLE_FRAMES_MAX * ROW_WORDS) * 8)
        return 0;
    uint64_t at = size - FOOTER_BYTES - len;
    char *table = cccc_room((size_t)len + 1);
    n = cccc_vfs_read_all(self->vfs, self->fd, table, len, at);
    bool good = n == (ssize_t)len && (cccc_crc32c(0, table, len) == get_u32(footer + 4) || CCCC_MUTANT_IS(INDEX_UNCHECKED)) &&
                parse_table(self, table, len, at - SKIP_BYTES);
    free(table);
    return n < 0 ? (int)n : good;
}

/* ---- reading: without a table ---- */

static int add_frame(struct cccc_segment_reader *self, uint64_t seq, uint64_t file_offset)
{
    if (self->count == TABLE_FRAMES_MAX)
        return -EBADMSG;
    self->frames = cccc_room_again(self->frames, self->count + 1u, sizeof *self->frames);
    self->frames[self->count++] = (struct cccc_frame){seq, self->raw, file_offset};
    return 0;
}

/* The seq of the sound line that the frame at hand begins with, or 0. */
static uint64_t first_seq(const struct cccc_segment_reader *self)
{
    size_t size = (size_t)(self->raw - self->frames[self->count - 1].raw_offset);
    const char *newline = memchr(self->bytes, '\n', size);
    uint64_t seq = 0;
    struct cccc_seal seal;
    bool sound = newline && cccc_line_inspect(self->bytes, (size_t)(newline - self->bytes), &seq, &seal) == CCCC_LINE_SOUND;
    return sound ? seq : 0;
}

static void room_for(struct cccc_segment_reader *self, size_t bytes)
{
    if (self->bytes_room >= bytes)
        return;
    self->bytes = cccc_room_again(self->bytes, bytes, 1);
    self->bytes_room = bytes;
}

/* Look through the frames from the beginning of the file. Ends at the table, or at the first frame that cannot be understood. */
static int find_frames(struct cccc_segment_reader *self, uint64_t size)
{
    enum { FILE_FRAME_MAX = FRAME_RAW_MAX + FRAME_RAW_MAX / 128 + 1024 };
    char *packed = cccc_room(FILE_FRAME_MAX);
    uint64_t at = 0;
    int rc = 0;
    free(self->frames);
    self->frames = NULL;
    self->count = 0;
    self->raw = 0;
    self->says = (struct cccc_part){0};
    while (rc == 0 && at < size) {
        ssize_t n = cccc_vfs_read_all(self->vfs, self->fd, packed, FILE_FRAME_MAX, at);
        if (n < 0)
            rc = (int)n;
        if (n < 8 || get_u32(packed) == TABLE_MAGIC)
            break;
        size_t len = ZSTD_findFrameCompressedSize(packed, (size_t)n);
        unsigned long long raw = ZSTD_isError(len) ? ZSTD_CONTENTSIZE_ERROR : ZSTD_getFrameContentSize(packed, (size_t)n);
        if (raw == 0 || raw > FRAME_RAW_MAX)
            break;
        rc = add_frame(self, 0, at);
        self->raw += raw;
        room_for(self, (size_t)raw);
        if (rc == 0 && !ZSTD_isError(ZSTD_decompress(self->bytes, (size_t)raw, packed, len)))
            self->frames[self->count - 1].seq = first_seq(self);
        at += len;
    }
    self->frames_end = at;
    self->table_damaged = true;
    free(packed);
    return rc == 0 && self->count == 0 ? -EBADMSG : rc;
}

int cccc_segment_open(struct cccc_segment_reader *self, const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part)
{
    char name[CCCC_PART_NAME_ROOM];
    struct cccc_stat st;
    *self = (struct cccc_segment_reader){.vfs = vfs};
    cccc_buf_init(&self->packed);
    cccc_part_name(part, name);
    char *path = cccc_path_join(dir, name);
    self->fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    free(path);
    int rc = self->fd < 0 ? self->fd : vfs->fstat(vfs->ctx, self->fd, &st);
    if (rc == 0)
        rc = read_table(self, st.size);
    bool right = rc == 1 && self->says.first == part->first && self->says.last == part->last && (part->raw == 0 || self->raw == part->raw);
    if (rc >= 0 && !right && !CCCC_MUTANT_IS(INDEX_UNCHECKED))
        rc = find_frames(self, st.size);
    if (rc < 0)
        cccc_segment_close(self);
    return rc < 0 ? rc : 0;
}

void cccc_segment_close(struct cccc_segment_reader *self)
{
    if (self->fd >= 0)
        self->vfs->close(self->vfs->ctx, self->fd);
    free(self->frames);
    free(self->bytes);
    cccc_buf_fini(&self->packed);
    *self = (struct cccc_segment_reader){.fd = -1};
    cccc_buf_init(&self->packed);
}

/* ---- reading: bytes ---- */

static uint64_t raw_end(const struct cccc_segment_reader *self, uint32_t frame)
{
    return frame + 1 < self->count ? self->frames[frame + 1].raw_offset : self->raw;
}

/* Get `frame` at hand, or what stands for it. */
static int load(struct cccc_segment_reader *self, uint32_t frame)
{
    uint64_t from = self->frames[frame].file_offset;
    size_t len = (size_t)((frame + 1 < self->count ? self->frames[frame + 1].file_offset : self->frames_end) - from);
    size_t raw = (size_t)(raw_end(self, frame) - self->frames[frame].raw_offset);
    if (self->have && self->at == frame)
        return 0;
    room_for(self, raw);
    self->have = false;
    bool good = len <= ZSTD_compressBound(FRAME_RAW_MAX);
    if (good) {
        self->packed.size = 0;
        char *packed = cccc_buf_reserve(&self->packed, len);
        ssize_t n = cccc_vfs_read_all(self->vfs, self->fd, packed, len, from);
        if (n < 0)
            return (int)n;
        good = n == (ssize_t)len && ZSTD_decompress(self->bytes, raw, packed, len) == raw;
    }
    if (!good) {
        memset(self->bytes, 0, raw);
        self->bytes[raw - 1] = '\n';
        self->bad_frames++;
    }
    self->at = frame;
    self->have = true;
    return 0;
}

ssize_t cccc_segment_read(struct cccc_segment_reader *self, char *buf, size_t len, uint64_t offset)
{
    if (offset >= self->raw)
        return 0;
    uint32_t low = 0, high = self->count; /* the last frame that begins at or before offset */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (self->frames[middle].raw_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    int rc = load(self, low);
    if (rc < 0)
        return rc;
    uint64_t left = raw_end(self, low) - offset;
    size_t some = len < left ? len : (size_t)left;
    memcpy(buf, self->bytes + (offset - self->frames[low].raw_offset), some);
    return (ssize_t)some;
}

uint32_t cccc_segment_frame(const struct cccc_segment_reader *self, uint64_t seq)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < self->count; i++)
        if (self->frames[i].seq > 0 && self->frames[i].seq <= seq)
            best = i;
    return best;
}

int cccc_hash_file(const struct cccc_vfs *vfs, const char *path, unsigned char out[CCCC_HASH_BYTES])
{
    crypto_generichash_state state;
    int fd = vfs->open(vfs->ctx, path, CCCC_O_READ);
    if (fd < 0)
        return fd;
    crypto_generichash_init(&state, NULL, 0, CCCC_HASH_BYTES);
    char *block = cccc_room(HASH_BLOCK);
    ssize_t n = 1;
    for (uint64_t at = 0; n > 0; at += (uint64_t)n) {
        n = cccc_vfs_read_all(vfs, fd, block, HASH_BLOCK, at);
        if (n > 0)
            crypto_generichash_update(&state, (const unsigned char *)block, (size_t)n);
        else
            break;
    }
    crypto_generichash_final(&state, out, CCCC_HASH_BYTES);
    free(block);
    vfs->close(vfs->ctx, fd);
    return n < 0 ? (int)n : 0;
}
