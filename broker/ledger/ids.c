/* ids.c - see ids.h.
 *
 * Entries are 12 bytes, 56 bits of hash and 40 of seq, most significant byte first, so that comparing bytes compares numbers. */
#include "broker/ledger/ids.h"

#include "broker/ledger/judge.h"
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/source.h"
#include "broker/mutant.h"
#include "proto/hash.h"
#include "proto/kinds.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY = 12, HASH_PART = 7, BITS_PER_ID = 16, BLOCK_BITS = 8 * 4 * CCCC_ID_BLOCK_WORDS };
/* A page of entries and its checksum: what a search reads and checks at a time. */
enum { PAGE_ENTRIES = 340, PAGE_BYTES = PAGE_ENTRIES * ENTRY + 4 };
enum { HEAD_MAX = 256, BUILD_BLOCK = 256 * 1024, BUILD_ARENA = 64 * 1024 };

/* ---- entries ---- */

static void entry_make(unsigned char out[ENTRY], uint64_t hash, uint64_t seq)
{
    for (int i = 0; i < HASH_PART; i++)
        out[i] = (unsigned char)(hash >> (56 - 8 * i));
    for (int i = HASH_PART; i < ENTRY; i++)
        out[i] = (unsigned char)(seq >> (8 * (ENTRY - 1 - i)));
}

static uint64_t entry_hash(const unsigned char *entry)
{
    uint64_t hash = 0;
    for (int i = 0; i < HASH_PART; i++)
        hash |= (uint64_t)entry[i] << (56 - 8 * i);
    return hash;
}

static uint64_t entry_seq(const unsigned char *entry)
{
    uint64_t seq = 0;
    for (int i = HASH_PART; i < ENTRY; i++)
        seq = seq << 8 | entry[i];
    return seq;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, ENTRY);
}

static void take(struct cccc_ids *self, cccc_str_t kind, cccc_str_t by, cccc_str_t client_id, uint64_t seq)
{
    if (cccc_kind_find(kind) != CCCC_KIND_CHAT_MESSAGE || client_id.len == 0 || client_id.len > CCCC_CLIENT_ID_BYTES_MAX ||
        by.len > CCCC_PRINCIPAL_BYTES_MAX)
        return;
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 256;
        self->entries = cccc_room_again(self->entries, self->room, ENTRY);
    }
    entry_make(self->entries + (size_t)self->count++ * ENTRY, cccc_hash64_pair(by, client_id), seq);
}

/* The string behind `key`, which ends in its opening quote, where `text` has it first. False: there is none, or it has escapes. */
static bool plain_behind(cccc_str_t text, cccc_str_t key, cccc_str_t *out)
{
    const char *at = memmem(text.ptr, text.len, key.ptr, key.len), *end = text.ptr + text.len;
    const char *quote = at ? memchr(at + key.len, '"', (size_t)(end - at) - key.len) : NULL;
    if (!quote || memchr(at, '\\', (size_t)(quote - at)))
        return false;
    *out = (cccc_str_t){at + key.len, (size_t)(quote - at) - key.len};
    return true;
}

/* In a line that cccc wrote quotes inside strings are escaped, so a key with its quotes is one, and `kind` and `by` stand before all that a sender chose. A member of
 * that name elsewhere in the data makes an id too many, which costs a look and is not confirmed. True: that was all; false: the line has to be parsed. */
static bool take_plain(struct cccc_ids *self, cccc_str_t line, uint64_t seq)
{
    static const cccc_str_t key = {"\"client_id\":\"", 13};
    const char *at = memmem(line.ptr, line.len, key.ptr, key.len);
    if (!at)
        return true;
    cccc_str_t behind = {at + key.len, (size_t)(line.ptr + line.len - at) - key.len}, kind, by, client_id;
    if (memmem(behind.ptr, behind.len, key.ptr, key.len) || !plain_behind(line, CCCC_STR("\"kind\":\""), &kind) ||
        !plain_behind(line, CCCC_STR("\"by\":\""), &by) || !plain_behind(line, key, &client_id))
        return false;
    take(self, kind, by, client_id, seq);
    return true;
}

void cccc_ids_take(struct cccc_ids *self, const char *line, size_t len, bool legacy, uint64_t seq, cccc_arena_t *arena)
{
    struct cccc_event event;
    struct cccc_seal seal;
    if (!legacy && take_plain(self, (cccc_str_t){line, len}, seq))
        return;
    if (cccc_line_read(line, len, arena, &event, &seal, NULL) == CCCC_OK)
        take(self, event.kind, event.by, cccc_get_str(&event.data, "client_id"), seq);
    msgpack_zone_clear(arena);
}

void cccc_ids_fini(struct cccc_ids *self)
{
    free(self->entries);
    *self = (struct cccc_ids){0};
}

/* ---- names ---- */

void cccc_ids_name(const struct cccc_part *part, char out[CCCC_PART_NAME_ROOM])
{
    snprintf(out, CCCC_PART_NAME_ROOM, "%013llu-%013llu.ids", (unsigned long long)part->first, (unsigned long long)part->last);
}

bool cccc_ids_parse_name(const char *name, struct cccc_part *out)
{
    char segment[CCCC_PART_NAME_ROOM], again[CCCC_PART_NAME_ROOM];
    const char *end = strchr(name, '.');
    if (!end || end - name > 40)
        return false;
    snprintf(segment, sizeof segment, "%.*s.jsonl.zst", (int)(end - name), name);
    if (!cccc_part_parse_name(segment, out))
        return false;
    cccc_ids_name(out, again);
    return strcmp(name, again) == 0;
}

static char *path_of(const char *dir, const struct cccc_part *part)
{
    char name[CCCC_PART_NAME_ROOM];
    cccc_ids_name(part, name);
    return cccc_path_join(dir, name);
}

/* ---- the filter ---- */

static struct cccc_id_filter *filter_room(const struct cccc_part *part, uint32_t ids)
{
    uint32_t blocks = (uint32_t)(((uint64_t)ids * BITS_PER_ID + BLOCK_BITS - 1) / BLOCK_BITS);
    struct cccc_id_filter *filter = cccc_room(sizeof *filter + (size_t)(blocks + !blocks) * CCCC_ID_BLOCK_WORDS * sizeof filter->words[0]);
    filter->first = part->first;
    filter->last = part->last;
    filter->blocks = blocks + !blocks;
    return filter;
}

static struct cccc_id_filter *filter_make(const struct cccc_part *part, const struct cccc_ids *ids)
{
    struct cccc_id_filter *filter = filter_room(part, ids->count);
    for (uint32_t i = 0; i < ids->count; i++) {
        uint32_t low;
        size_t at = (size_t)(cccc_id_filter_block(filter, entry_hash(ids->entries + (size_t)i * ENTRY), &low) - filter->words);
        for (unsigned word = 0; word < CCCC_ID_BLOCK_WORDS; word++)
            filter->words[at + word] |= cccc_id_filter_bit(low, word);
    }
    return filter;
}

/* ---- the file: a line of text, the filter, pages of entries ---- */

static void put_u32(unsigned char *at, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(n >> 8 * i);
}

static uint32_t get_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static size_t format_head(const struct cccc_part *part, uint32_t ids, uint32_t filter_crc, char out[HEAD_MAX])
{
    char hash[2 * CCCC_HASH_BYTES + 1];
    sodium_bin2hex(hash, sizeof hash, part->hash, sizeof part->hash);
    int len = snprintf(out, HEAD_MAX, "cccc-ids 1 first=%llu last=%llu segment=%s ids=%u filter=%08x", (unsigned long long)part->first,
                       (unsigned long long)part->last, hash, ids, filter_crc);
    len += snprintf(out + len, HEAD_MAX - (size_t)len, " crc=%08x\n", cccc_crc32c(0, out, (size_t)len));
    return (size_t)len;
}

static size_t filter_bytes(const struct cccc_id_filter *filter)
{
    return (size_t)filter->blocks * CCCC_ID_BLOCK_WORDS * 4;
}

static void put_filter(cccc_buf_t *out, const struct cccc_id_filter *filter)
{
    size_t len = filter_bytes(filter);
    unsigned char *at = (unsigned char *)cccc_buf_reserve(out, len);
    for (size_t i = 0; i < len / 4; i++)
        put_u32(at + 4 * i, filter->words[i]);
    out->size += len;
}

static void put_pages(cccc_buf_t *out, const struct cccc_ids *ids)
{
    for (uint32_t from = 0; from < ids->count; from += PAGE_ENTRIES) {
        uint32_t n = ids->count - from < PAGE_ENTRIES ? ids->count - from : PAGE_ENTRIES;
        const char *bytes = (const char *)ids->entries + (size_t)from * ENTRY;
        unsigned char crc[4];
        put_u32(crc, cccc_crc32c(0, bytes, (size_t)n * ENTRY));
        cccc_buf_put(out, bytes, (size_t)n * ENTRY);
        cccc_buf_put(out, crc, sizeof crc);
    }
}

/* Unsynced: what a power cut leaves of it is told by its checksums. */
static int replace(const struct cccc_vfs *vfs, const char *path, const cccc_buf_t *bytes)
{
    char *draft = cccc_room(strlen(path) + sizeof ".tmp");
    snprintf(draft, strlen(path) + sizeof ".tmp", "%s.tmp", path);
    int fd = vfs->open(vfs->ctx, draft, CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE | CCCC_O_TRUNC);
    int rc = fd < 0 ? fd : cccc_vfs_write_all(vfs, fd, bytes->data, bytes->size);
    if (fd >= 0)
        vfs->close(vfs->ctx, fd);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, draft, path);
    if (rc < 0)
        vfs->unlink(vfs->ctx, draft);
    free(draft);
    return rc;
}

struct cccc_id_filter *cccc_ids_write(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part, struct cccc_ids *ids)
{
    cccc_buf_t filter_text, out;
    char head[HEAD_MAX];
    if (ids->count > 1)
        qsort(ids->entries, ids->count, ENTRY, compare);
    struct cccc_id_filter *filter = filter_make(part, ids);
    cccc_buf_init(&filter_text);
    cccc_buf_init(&out);
    put_filter(&filter_text, filter);
    cccc_buf_put(&out, head, format_head(part, ids->count, cccc_crc32c(0, filter_text.data, filter_text.size), head));
    cccc_buf_put(&out, filter_text.data, filter_text.size);
    put_pages(&out, ids);
    char *path = path_of(dir, part);
    replace(vfs, path, &out);
    free(path);
    cccc_buf_fini(&filter_text);
    cccc_buf_fini(&out);
    return filter;
}

/* An open file that is about this segment. */
struct open_ids {
    const struct cccc_vfs *vfs;
    int fd;
    uint32_t ids, filter_crc;
    size_t head; /* bytes of the first line */
};

/* 0; -EBADMSG: not what cccc would have written for this segment; or -errno. */
static int open_ids(struct open_ids *self, const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part)
{
    char *path = path_of(dir, part), head[HEAD_MAX] = "", again[HEAD_MAX];
    *self = (struct open_ids){.vfs = vfs, .fd = vfs->open(vfs->ctx, path, CCCC_O_READ)};
    free(path);
    if (self->fd < 0)
        return self->fd;
    ssize_t n = cccc_vfs_read_all(vfs, self->fd, head, sizeof head - 1, 0);
    const char *counts = n > 0 ? strstr(head, " ids=") : NULL;
    /* NOLINTNEXTLINE(cert-err34-c): what it makes of a number that is too large is not what the text says, which is compared. */
    bool good = counts && sscanf(counts, " ids=%u filter=%8x", &self->ids, &self->filter_crc) == 2;
    if (good) {
        self->head = format_head(part, self->ids, self->filter_crc, again);
        good = (size_t)n >= self->head && memcmp(head, again, self->head) == 0;
    }
    if (good)
        return 0;
    vfs->close(vfs->ctx, self->fd);
    return n < 0 ? (int)n : -EBADMSG;
}

static void close_ids(struct open_ids *self)
{
    self->vfs->close(self->vfs->ctx, self->fd);
}

struct cccc_id_filter *cccc_ids_filter(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part)
{
    struct open_ids file;
    if (open_ids(&file, vfs, dir, part) < 0)
        return NULL;
    struct cccc_stat st;
    uint64_t pages = (file.ids + PAGE_ENTRIES - 1u) / PAGE_ENTRIES;
    struct cccc_id_filter *filter = NULL;
    if (vfs->fstat(vfs->ctx, file.fd, &st) == 0 && st.size > file.head + (uint64_t)file.ids * ENTRY + 4 * pages)
        filter = filter_room(part, file.ids);
    size_t len = filter ? filter_bytes(filter) : 0;
    unsigned char *bytes = (unsigned char *)(filter ? filter->words : NULL);
    if (filter && (cccc_vfs_read_all(vfs, file.fd, bytes, len, file.head) != (ssize_t)len ||
                   st.size != file.head + len + (uint64_t)file.ids * ENTRY + 4 * pages ||
                   (cccc_crc32c(0, bytes, len) != file.filter_crc && !CCCC_MUTANT_IS(IDS_UNCHECKED)))) {
        free(filter);
        filter = NULL;
    }
    close_ids(&file);
    for (size_t i = 0; filter && i < len / 4; i++)
        filter->words[i] = get_u32(bytes + 4 * i);
    return filter;
}

/* ---- looking for a hash ---- */

/* A page of the file, checked. Entries in it, or -EBADMSG, or -errno. */
static int read_page(const struct open_ids *file, uint32_t page, unsigned char out[PAGE_BYTES])
{
    uint32_t left = file->ids - page * PAGE_ENTRIES, n = left < PAGE_ENTRIES ? left : PAGE_ENTRIES;
    uint32_t blocks = (uint32_t)(((uint64_t)file->ids * BITS_PER_ID + BLOCK_BITS - 1) / BLOCK_BITS);
    uint64_t pages_at = file->head + (uint64_t)(blocks + !blocks) * CCCC_ID_BLOCK_WORDS * 4;
    size_t len = (size_t)n * ENTRY + 4;
    ssize_t got = cccc_vfs_read_all(file->vfs, file->fd, out, len, pages_at + (uint64_t)page * PAGE_BYTES);
    if (got < 0)
        return (int)got;
    if ((size_t)got < len || (get_u32(out + len - 4) != cccc_crc32c(0, out, len - 4) && !CCCC_MUTANT_IS(IDS_UNCHECKED)))
        return -EBADMSG;
    return (int)n;
}

/* Take the seqs of entries with the hash of `wanted`; true when entries behind these could have it, too. */
static bool take_matches(const unsigned char *entries, uint32_t n, const unsigned char *wanted, uint64_t *seqs, uint32_t *count,
                         uint32_t max)
{
    int order = -1;
    for (uint32_t i = 0; i < n && order <= 0 && *count < max; i++) {
        order = memcmp(entries + (size_t)i * ENTRY, wanted, HASH_PART);
        if (order == 0)
            seqs[(*count)++] = entry_seq(entries + (size_t)i * ENTRY);
    }
    return order <= 0 && *count < max;
}

/* The last page that begins below `wanted`, or the first one. */
static int first_page(const struct open_ids *file, const unsigned char *wanted, unsigned char page[PAGE_BYTES])
{
    uint32_t low = 0, high = (file->ids + PAGE_ENTRIES - 1) / PAGE_ENTRIES; /* pages from `high` on begin at or above it */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        int n = read_page(file, middle, page);
        if (n < 0)
            return n;
        if (memcmp(page, wanted, HASH_PART) < 0)
            low = middle;
        else
            high = middle;
    }
    return (int)low;
}

static int find_in_file(const struct open_ids *file, uint64_t hash, uint64_t *seqs, uint32_t *count, uint32_t max)
{
    unsigned char wanted[ENTRY], page[PAGE_BYTES];
    uint32_t pages = (file->ids + PAGE_ENTRIES - 1) / PAGE_ENTRIES;
    entry_make(wanted, hash, 0);
    int at = first_page(file, wanted, page);
    for (bool more = true; at >= 0 && more && (uint32_t)at < pages; at++) {
        int n = read_page(file, (uint32_t)at, page);
        if (n < 0)
            return n;
        more = take_matches(page, (uint32_t)n, wanted, seqs, count, max);
    }
    return at < 0 ? at : 0;
}

/* ---- making them anew ---- */

static int collect(struct cccc_source *source, const struct cccc_part *part, struct cccc_ids *ids)
{
    struct cccc_scan scan;
    struct cccc_judge judge;
    struct cccc_finding f;
    cccc_arena_t *arena = cccc_arena_new(BUILD_ARENA);
    cccc_scan_init(&scan, source, 0, part->raw, BUILD_BLOCK);
    cccc_judge_init(
        &judge, &scan,
        &(struct cccc_judge_start){
            .seq = part->first - 1, .crc = part->prev, .floor = part->last, .floor_final = true, .legacy_last = part->legacy_last});
    do {
        cccc_judge_next(&judge, &f);
        if (f.kind == CCCC_FOUND_EVENT)
            cccc_ids_take(ids, f.line.ptr, f.line.len, f.legacy, f.seq, arena);
    } while (f.kind != CCCC_FOUND_END && f.kind != CCCC_FOUND_TORN && f.kind != CCCC_FOUND_ERROR);
    cccc_scan_fini(&scan);
    cccc_arena_destroy(&arena);
    return f.kind == CCCC_FOUND_ERROR ? f.err : 0;
}

static int make_anew(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part, struct cccc_ids *ids)
{
    struct cccc_part alone = *part;
    struct cccc_source source;
    struct cccc_archive *archive = cccc_archive_new(vfs, dir, &alone, 1);
    cccc_source_init(&source, vfs, -1, archive, 0);
    int rc = collect(&source, part, ids);
    cccc_source_fini(&source);
    cccc_archive_release(&archive);
    return rc;
}

int cccc_ids_find(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part, uint64_t hash, uint64_t *seqs, uint32_t *count,
                  uint32_t max, struct cccc_id_filter **made)
{
    struct open_ids file;
    struct cccc_ids ids = {0};
    unsigned char wanted[ENTRY];
    uint32_t before = *count;
    *made = NULL;
    int rc = open_ids(&file, vfs, dir, part);
    if (rc == 0) {
        rc = find_in_file(&file, hash, seqs, count, max);
        close_ids(&file);
    }
    if (rc == 0)
        return 0;
    *count = before;
    rc = make_anew(vfs, dir, part, &ids);
    if (rc == 0) {
        *made = cccc_ids_write(vfs, dir, part, &ids);
        entry_make(wanted, hash, 0);
        take_matches(ids.entries, ids.count, wanted, seqs, count, max);
    }
    cccc_ids_fini(&ids);
    return rc;
}
