/* archive.c - the manifest: reading, judging, standing in for it, writing. See archive.h. */
#include "broker/ledger/archive.h"

#include "broker/ledger/ids.h"
#include "broker/ledger/join.h"
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/segment.h"
#include "broker/mutant.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAX = 512 };
#define TITLE      "cccc-manifest 1\n"
#define NAME_SCAN  "%13llu-%13llu.jsonl.zst%n"
#define BASE_ROW   "base seq=%llu crc=%08x"
#define ROW_VALUES "first=%llu last=%llu raw=%llu bytes=%llu prev=%08x crc=%08x legacy=%llu hash="

/* ---- the object ---- */

struct cccc_archive *cccc_archive_new(const struct cccc_vfs *vfs, const char *state_dir, const struct cccc_part *parts, uint32_t count)
{
    struct cccc_archive *self = cccc_room(sizeof *self);
    self->holders = 1;
    self->vfs = vfs;
    self->dir = cccc_path_join(state_dir, "");
    self->dir[strlen(self->dir) - 1] = '\0';
    self->parts = cccc_room((count + 1u) * sizeof *self->parts);
    self->count = count;
    if (count > 0)
        memcpy(self->parts, parts, count * sizeof *parts);
    for (uint32_t i = 0; i < count; i++) {
        self->parts[i].at = self->raw;
        self->raw += self->parts[i].there ? self->parts[i].raw : 0;
    }
    return self;
}

struct cccc_archive *cccc_archive_keep(struct cccc_archive *self)
{
    if (self)
        atomic_fetch_add_explicit(&self->holders, 1, memory_order_relaxed);
    return self;
}

void cccc_archive_release(struct cccc_archive **self)
{
    struct cccc_archive *archive = *self;
    *self = NULL;
    if (!archive || atomic_fetch_sub_explicit(&archive->holders, 1, memory_order_acq_rel) != 1)
        return;
    free(archive->parts);
    free(archive->dir);
    free(archive);
}

struct cccc_archive *cccc_archive_with(const struct cccc_archive *self, const struct cccc_part *parts, uint32_t count)
{
    struct cccc_archive *other = cccc_archive_new(self->vfs, self->dir, parts, count);
    other->base = self->base;
    other->unclaimed_base = self->unclaimed_base;
    return other;
}

struct cccc_archive *cccc_archive_trim(struct cccc_archive *self, uint64_t first_seq)
{
    uint32_t count = self->count;
    while (count > 0 && self->parts[count - 1].first >= first_seq)
        count--;
    if (count == self->count)
        return self;
    struct cccc_archive *trimmed = cccc_archive_with(self, self->parts, count);
    cccc_archive_release(&self);
    return trimmed;
}

uint64_t cccc_archive_last(const struct cccc_archive *self)
{
    return self && self->count > 0 ? self->parts[self->count - 1].last : 0;
}

uint64_t cccc_archive_first(const struct cccc_archive *self)
{
    for (uint32_t i = 0; self && i < self->count; i++)
        if (self->parts[i].there)
            return self->parts[i].first;
    return cccc_archive_last(self) + 1;
}

uint64_t cccc_archive_legacy_last(const struct cccc_archive *self)
{
    uint64_t most = 0;
    for (uint32_t i = 0; self && i < self->count; i++)
        if (self->parts[i].legacy_last > most)
            most = self->parts[i].legacy_last;
    return most;
}

uint32_t cccc_archive_find(const struct cccc_archive *self, uint64_t seq)
{
    uint32_t low = 0, high = self->count; /* parts below `low` end before seq */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (self->parts[middle].last < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *cccc_archive_why_missing(const struct cccc_archive *self, uint64_t from, uint64_t *to, const char *otherwise)
{
    uint32_t at = self ? cccc_archive_find(self, from) : 0;
    if (!self || at == self->count)
        return otherwise;
    const struct cccc_part *part = &self->parts[at];
    uint64_t until = part->first <= from ? part->last : part->first - 1;
    if (until < *to)
        *to = until;
    return part->first > from ? "missing" : part->retired ? "retired" : part->there ? otherwise : "missing";
}

/* ---- names ---- */

void cccc_part_name(const struct cccc_part *part, char out[CCCC_PART_NAME_ROOM])
{
    snprintf(out, CCCC_PART_NAME_ROOM, "%013llu-%013llu.jsonl.zst", (unsigned long long)part->first, (unsigned long long)part->last);
}

bool cccc_part_parse_name(const char *name, struct cccc_part *out)
{
    unsigned long long first, last;
    char again[CCCC_PART_NAME_ROOM];
    /* NOLINTNEXTLINE(cert-err34-c): what it makes of a number that is too large is not what the text says, which is compared below. */
    if (sscanf(name, "%13llu-%13llu", &first, &last) != 2 || first == 0 || last < first)
        return false;
    *out = (struct cccc_part){.first = first, .last = last};
    cccc_part_name(out, again);
    return strcmp(name, again) == 0;
}

void cccc_base_name(uint64_t seq, char out[CCCC_PART_NAME_ROOM])
{
    snprintf(out, CCCC_PART_NAME_ROOM, "%013llu.base", (unsigned long long)seq);
}

/* Of any base, or of a draft of one. */
static bool is_base_name(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits == 13 && strncmp(name + digits, ".base", 5) == 0;
}

/* The event of the base that is called so; 0: that is no base. */
static uint64_t base_of_name(const char *name)
{
    char again[CCCC_PART_NAME_ROOM];
    uint64_t seq = is_base_name(name) ? strtoull(name, NULL, 10) : 0;
    cccc_base_name(seq, again);
    return strcmp(name, again) == 0 ? seq : 0;
}

/* ---- the text ---- */

static void print_row(cccc_buf_t *out, const struct cccc_part *part)
{
    char row[ROW_MAX], hash[2 * CCCC_HASH_BYTES + 1], at[40] = "";
    sodium_bin2hex(hash, sizeof hash, part->hash, sizeof part->hash);
    if (part->retired)
        snprintf(at, sizeof at, " at=%llu", (unsigned long long)part->retired_at);
    int len = snprintf(row, sizeof row, "%s " ROW_VALUES "%s%s\n", part->retired ? "retired" : "segment", (unsigned long long)part->first,
                       (unsigned long long)part->last, (unsigned long long)part->raw, (unsigned long long)part->bytes, part->prev,
                       part->crc, (unsigned long long)part->legacy_last, hash, at);
    cccc_buf_put(out, row, (size_t)len);
}

static void print(cccc_buf_t *out, const struct cccc_base *base, const struct cccc_part *parts, uint32_t count)
{
    char end[32], row[64];
    cccc_buf_put(out, TITLE, sizeof TITLE - 1);
    if (base->seq > 0)
        cccc_buf_put(out, row, (size_t)snprintf(row, sizeof row, BASE_ROW "\n", (unsigned long long)base->seq, base->crc));
    for (uint32_t i = 0; i < count; i++)
        print_row(out, &parts[i]);
    int len = snprintf(end, sizeof end, "end crc=%08x\n", cccc_crc32c(0, out->data, out->size));
    cccc_buf_put(out, end, (size_t)len);
}

static bool parse_row(const char *row, struct cccc_part *out)
{
    unsigned long long first, last, raw, bytes, legacy, at = 0;
    unsigned prev, crc;
    char word[8], hash[2 * CCCC_HASH_BYTES + 1];
    /* NOLINTNEXTLINE(cert-err34-c): what it makes of a number that is too large is not what the text says, which is compared by parse. */
    if (sscanf(row, "%7s " ROW_VALUES "%64[0-9a-f] at=%llu", word, &first, &last, &raw, &bytes, &prev, &crc, &legacy, hash, &at) < 9)
        return false;
    *out = (struct cccc_part){.first = first,
                              .last = last,
                              .raw = raw,
                              .bytes = bytes,
                              .prev = prev,
                              .crc = crc,
                              .legacy_last = legacy,
                              .retired = strcmp(word, "retired") == 0,
                              .retired_at = at};
    size_t len;
    return sodium_hex2bin(out->hash, sizeof out->hash, hash, strlen(hash), NULL, &len, NULL) == 0 && len == sizeof out->hash;
}

struct list {
    struct cccc_part *parts;
    uint32_t count, room;
    struct cccc_base base;
    uint64_t newest_base; /* of the files, where these are listed */
};

static void add(struct list *list, const struct cccc_part *part)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->parts = cccc_room_again(list->parts, list->room, sizeof *list->parts);
    }
    list->parts[list->count++] = *part;
}

/* The row in front of the others, if there is one; where they begin. */
static const char *parse_base(const char *rows, struct cccc_base *out)
{
    unsigned long long seq;
    unsigned crc;
    const char *end = strchr(rows, '\n');
    /* NOLINTNEXTLINE(cert-err34-c): what it makes of a number that is too large is not what the text says, which is compared by parse. */
    if (!end || sscanf(rows, BASE_ROW, &seq, &crc) != 2)
        return rows;
    *out = (struct cccc_base){.seq = seq, .crc = crc};
    return end + 1;
}

/* False unless `text` is exactly what print would have written for some base and parts. */
static bool parse(const char *text, size_t len, struct list *list)
{
    cccc_buf_t again;
    uint64_t last = 0;
    if (len < sizeof TITLE - 1 || memcmp(text, TITLE, sizeof TITLE - 1) != 0)
        return false;
    bool good = true;
    for (const char *row = parse_base(text + sizeof TITLE - 1, &list->base), *next; good && (next = strchr(row, '\n')); row = next + 1) {
        struct cccc_part part;
        if (strncmp(row, "end ", 4) == 0)
            break;
        good = parse_row(row, &part) && part.first > last && part.last >= part.first;
        if (!good)
            break;
        add(list, &part);
        last = part.last;
    }
    cccc_buf_init(&again);
    print(&again, &list->base, list->parts, list->count);
    good = good && again.size == len && memcmp(again.data, text, len) == 0;
    cccc_buf_fini(&again);
    return good;
}

/* 1: read; 0: there is none; -EBADMSG: damaged; or -errno. */
static int read_text(const struct cccc_vfs *vfs, const char *dir, const char *name, struct list *list)
{
    char *path = cccc_path_join(dir, name), *text = NULL;
    size_t len;
    *list = (struct list){0};
    int rc = cccc_vfs_slurp(vfs, path, CCCC_MANIFEST_BYTES_MAX, &text, &len);
    if (rc == 0)
        rc = parse(text, len, list) ? 1 : -EBADMSG;
    else if (rc == -ENOENT || rc == -ENOTDIR)
        rc = 0;
    if (rc <= 0) {
        free(list->parts);
        *list = (struct list){0};
    }
    free(text);
    free(path);
    return rc;
}

/* ---- standing in for a manifest that is damaged or gone ---- */

static void note_name(void *arg, const char *name)
{
    struct cccc_part part;
    struct list *files = arg;
    if (cccc_part_parse_name(name, &part))
        add(files, &part);
    uint64_t base = base_of_name(name);
    files->newest_base = base > files->newest_base ? base : files->newest_base;
}

static int by_first(const void *a, const void *b)
{
    const struct cccc_part *x = a, *y = b;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first) : (x->last < y->last) - (x->last > y->last);
}

/* Is every byte of the file of `part` what it should be? Fills in what its table says. No manifest vouches for it, so it is also synced. */
static bool is_sound(const struct cccc_vfs *vfs, const char *dir, struct cccc_part *part)
{
    char name[CCCC_PART_NAME_ROOM];
    cccc_part_name(part, name);
    char *path = cccc_path_join(dir, name);
    struct cccc_part found = *part;
    struct cccc_segment_reader reader;
    struct cccc_stat st;
    bool sound = cccc_segment_open(&reader, vfs, dir, part) == 0;
    if (sound) {
        sound = !reader.table_damaged && vfs->sync(vfs->ctx, reader.fd) == 0 && vfs->stat(vfs->ctx, path, &st) == 0;
        vfs->drop_cache(vfs->ctx, reader.fd);
        found = reader.says;
        cccc_segment_close(&reader);
        sound = sound && cccc_segment_check(vfs, dir, &found) == 0 && cccc_hash_file(vfs, path, found.hash) == 0;
    }
    if (sound) {
        *part = found;
        part->bytes = st.size;
    }
    free(path);
    return sound;
}

/* What manifest.prev knows, and the segments in the folder behind that. *has_prev: there is such a file. */
static int stand_in(const struct cccc_vfs *vfs, const char *dir, struct list *list, bool *has_prev)
{
    struct list files = {0};
    int rc = read_text(vfs, dir, "manifest.prev", list);
    bool known = rc == 1;
    *has_prev = rc != 0;
    if (rc < 0 && rc != -EBADMSG)
        return rc;
    rc = vfs->list(vfs->ctx, dir, note_name, &files);
    if (files.count > 1)
        qsort(files.parts, files.count, sizeof *files.parts, by_first);
    for (uint32_t i = 0; i < files.count; i++) {
        uint64_t last = list->count > 0 ? list->parts[list->count - 1].last : 0;
        if (files.parts[i].first > last && is_sound(vfs, dir, &files.parts[i]))
            add(list, &files.parts[i]);
    }
    list->newest_base = known ? 0 : files.newest_base;
    free(files.parts);
    return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

/* ---- loading and writing ---- */

__attribute__((format(printf, 3, 4))) static void add_note(char *note, size_t note_room, const char *fmt, ...)
{
    size_t used = strlen(note);
    if (used > 0 && used + 2 < note_room) {
        memcpy(note + used, "; ", 3);
        used += 2;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(note + used, note_room - used, fmt, args);
    va_end(args);
}

static int look_for(const struct cccc_vfs *vfs, const char *dir, struct cccc_part *part)
{
    char name[CCCC_PART_NAME_ROOM];
    struct cccc_stat st;
    if (part->retired)
        return 0;
    cccc_part_name(part, name);
    char *path = cccc_path_join(dir, name);
    int rc = vfs->stat(vfs->ctx, path, &st);
    free(path);
    part->there = rc == 0 && st.is_regular;
    part->resized = part->there && st.size != part->bytes;
    return rc == -ENOENT ? 0 : rc;
}

void cccc_archive_describe(const struct cccc_archive *self, char *note, size_t note_room)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const struct cccc_part *part = &self->parts[i];
        char name[CCCC_PART_NAME_ROOM];
        cccc_part_name(part, name);
        if (!part->there && !part->retired)
            add_note(note, note_room, "state/ledger/%s is gone, with events %llu to %llu; restore a backup", name,
                     (unsigned long long)part->first, (unsigned long long)part->last);
        else if (part->resized)
            add_note(note, note_room, "state/ledger/%s is damaged; cccc ledger verify names the events", name);
    }
}

int cccc_archive_load(const struct cccc_vfs *vfs, const char *state_dir, struct cccc_archive **out, char *note, size_t note_room)
{
    struct list list;
    int rc = read_text(vfs, state_dir, "manifest", &list);
    bool damaged = rc == -EBADMSG, as_stored = rc == 1, has_prev = false;
    if (rc == 0 || damaged)
        rc = stand_in(vfs, state_dir, &list, &has_prev);
    bool gone = !as_stored && !damaged && has_prev;
    uint32_t there = 0;
    for (uint32_t i = 0; rc >= 0 && i < list.count; i++) {
        rc = look_for(vfs, state_dir, &list.parts[i]);
        there += list.parts[i].there;
    }
    if (rc >= 0 && (damaged || gone))
        add_note(note, note_room, "state/ledger/manifest is %s; %u sealed segments were found without it", damaged ? "damaged" : "gone",
                 there);
    if (rc >= 0) {
        *out = cccc_archive_new(vfs, state_dir, list.parts, list.count);
        (*out)->base = list.base;
        (*out)->as_stored = as_stored;
        (*out)->unlisted = damaged || gone;
        (*out)->unclaimed_base = list.newest_base;
    }
    free(list.parts);
    return rc < 0 ? rc : 0;
}

int cccc_archive_write(const struct cccc_archive *self)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    print(&text, &self->base, self->parts, self->count);
    char *path = cccc_path_join(self->dir, "manifest");
    int rc = text.size > CCCC_MANIFEST_BYTES_MAX ? -EFBIG : cccc_vfs_replace(self->vfs, path, text.data, text.size, true);
    free(path);
    cccc_buf_fini(&text);
    return rc;
}

/* ---- what is needed no more ---- */

static bool is_retired(const struct cccc_archive *self, const struct cccc_part *named)
{
    uint32_t at = cccc_archive_find(self, named->first);
    return at < self->count && self->parts[at].retired && self->parts[at].first == named->first && self->parts[at].last == named->last;
}

static bool is_needless(const void *arg, const char *name)
{
    const struct cccc_archive *self = arg;
    char base[CCCC_PART_NAME_ROOM];
    struct cccc_part part;
    if (cccc_part_parse_name(name, &part) || cccc_ids_parse_name(name, &part))
        return is_retired(self, &part);
    cccc_base_name(self->base.seq, base);
    return is_base_name(name) && strcmp(name, base) != 0;
}

struct search {
    const struct cccc_archive *archive;
    bool found;
};

static void look(void *arg, const char *name)
{
    struct search *search = arg;
    search->found = search->found || is_needless(search->archive, name);
}

bool cccc_archive_has_needless(const struct cccc_archive *self)
{
    struct search search = {.archive = self};
    return self->vfs->list(self->vfs->ctx, self->dir, look, &search) == 0 && search.found;
}

int cccc_archive_sweep(const struct cccc_archive *self)
{
    return cccc_vfs_sweep(self->vfs, self->dir, is_needless, self);
}
