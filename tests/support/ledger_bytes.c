/* ledger_bytes.c - see ledger_bytes.h. */
#include "tests/support/ledger_bytes.h"

#include "proto/event.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { HASH_BYTES = 32 };

/* The first whole line at or behind *offset: its seq, 1 for one of the older format, 0 when there is none; and where it is. */
static unsigned long long whole_line(const char *bytes, size_t len, size_t *offset, size_t *end)
{
    for (; *offset < len; *offset = *end) {
        const char *newline = memchr(bytes + *offset, '\n', len - *offset);
        size_t line_len = newline ? (size_t)(newline - (bytes + *offset)) : len - *offset;
        uint64_t seq;
        struct cccc_seal seal;
        *end = *offset + line_len + (newline != NULL);
        enum cccc_line_state state = cccc_line_inspect(bytes + *offset, line_len, &seq, &seal);
        if (state != CCCC_LINE_BROKEN)
            return state == CCCC_LINE_SOUND ? seq : 1;
    }
    return 0;
}

unsigned long long ledger_first_seq(const char *bytes, size_t len)
{
    size_t offset = 0, end;
    return whole_line(bytes, len, &offset, &end);
}

/* Damaged lines lie in [from, to), and behind them the event `seq`: those that are too many for the seqs behind `last` are of sealed events. Where they end. */
static size_t end_of_surplus(const char *bytes, size_t from, size_t to, unsigned long long last, unsigned long long seq)
{
    unsigned long long lines = 0;
    for (size_t i = from; i < to; i++)
        lines += bytes[i] == '\n';
    for (; lines > seq - last - 1; lines--)
        from = (size_t)((const char *)memchr(bytes + from, '\n', to - from) - bytes) + 1;
    return from;
}

/* What an interrupted seal, and damage, have left of lines up to `last` at the beginning of ledger.jsonl. */
static size_t length_of_sealed(const char *bytes, size_t len, unsigned long long last)
{
    size_t sealed = 0, end = 0;
    for (size_t offset = 0;; offset = end) {
        unsigned long long seq = whole_line(bytes, len, &offset, &end);
        if (seq == 0 || seq > last + 1)
            return seq == 0 ? sealed : end_of_surplus(bytes, sealed, offset, last, seq);
        if (seq > last)
            return offset;
        sealed = end;
    }
}

/* A row of the manifest. */
struct row {
    bool retired;
    unsigned long long first, last, raw, bytes;
    char hash[2 * HASH_BYTES + 1];
};

static bool read_row(const char *text, struct row *out)
{
    char word[8];
    if (sscanf(text, "\n%7s first=%llu last=%llu raw=%llu bytes=%llu prev=%*x crc=%*x legacy=%*u hash=%64[0-9a-f]", word, &out->first,
               &out->last, &out->raw, &out->bytes, out->hash) != 6)
        return false;
    out->retired = strcmp(word, "retired") == 0;
    return true;
}

static bool has_hash(void *arg, const char *bytes, size_t len)
{
    const struct row *row = arg;
    unsigned char hash[HASH_BYTES];
    char hex[2 * HASH_BYTES + 1];
    if (len != row->bytes)
        return false;
    crypto_generichash(hash, sizeof hash, (const unsigned char *)bytes, len, NULL, 0);
    return strcmp(sodium_bin2hex(hex, sizeof hex, hash, sizeof hash), row->hash) == 0;
}

static void path_of(const char *dir, const struct row *row, char path[256])
{
    snprintf(path, 256, "%s/state/ledger/%013llu-%013llu.jsonl.zst", dir, row->first, row->last);
}

static void add_segment(simdisk_t *disk, const char *dir, struct row *row, cccc_buf_t *out)
{
    char path[256];
    const char *packed;
    size_t len;
    path_of(dir, row, path);
    if (row->retired ? !simdisk_dig(disk, has_hash, row, &packed, &len) : !simdisk_peek(disk, path, &packed, &len)) {
        fprintf(stderr, "%s is named by a manifest and %s\n", path, row->retired ? "never was there" : "not there");
        abort();
    }
    char *room = cccc_buf_reserve(out, row->raw);
    size_t got = ZSTD_decompress(room, row->raw, packed, len);
    if (ZSTD_isError(got) || got != row->raw) {
        fprintf(stderr, "%s does not hold %llu bytes\n", path, row->raw);
        abort();
    }
    out->size += row->raw;
}

/* The last seq of the segments that count. */
static unsigned long long add_segments(simdisk_t *disk, const char *dir, const char *manifest, unsigned long long before, cccc_buf_t *out)
{
    unsigned long long end = 0;
    for (const char *text = strchr(manifest, '\n'); text; text = strchr(text + 1, '\n')) {
        struct row row;
        if (!read_row(text, &row) || (before > 0 && row.first >= before))
            continue;
        add_segment(disk, dir, &row, out);
        end = row.last;
    }
    return end;
}

/* To be freed; NULL: there is none. */
static char *text_of(simdisk_t *disk, const char *group_dir, const char *name)
{
    char path[256];
    const char *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/state/ledger/%s", group_dir, name);
    if (!simdisk_peek(disk, path, &bytes, &len))
        return NULL;
    char *text = strndup(bytes, len);
    if (!text)
        abort();
    return text;
}

bool ledger_named_are_there(simdisk_t *disk, const char *group_dir, char missing[256])
{
    static const char *const names[] = {"manifest", "manifest.prev"};
    bool there = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *manifest = text_of(disk, group_dir, names[i]);
        for (const char *text = manifest ? strchr(manifest, '\n') : NULL; there && text; text = strchr(text + 1, '\n')) {
            struct row row;
            const char *bytes;
            size_t len;
            if (!read_row(text, &row) || row.retired)
                continue;
            path_of(group_dir, &row, missing);
            there = simdisk_peek(disk, missing, &bytes, &len) && has_hash(&row, bytes, len);
        }
        free(manifest);
    }
    return there;
}

unsigned long long ledger_retired(simdisk_t *disk, const char *group_dir)
{
    unsigned long long end = 0;
    char *manifest = text_of(disk, group_dir, "manifest");
    for (const char *text = manifest ? strchr(manifest, '\n') : NULL; text; text = strchr(text + 1, '\n')) {
        struct row row;
        if (read_row(text, &row) && row.retired)
            end = row.last;
    }
    free(manifest);
    return end;
}

bool ledger_bytes(simdisk_t *disk, const char *group_dir, cccc_buf_t *out, size_t *sealed)
{
    char path[256];
    const char *bytes;
    size_t len, before = out->size;
    snprintf(path, sizeof path, "%s/ledger.jsonl", group_dir);
    if (!simdisk_peek(disk, path, &bytes, &len))
        return false;
    char *active = malloc(len + 1);
    if (!active)
        abort();
    if (len > 0)
        memcpy(active, bytes, len);
    size_t skip = 0;
    char *manifest = text_of(disk, group_dir, "manifest");
    unsigned long long last = manifest ? add_segments(disk, group_dir, manifest, ledger_first_seq(active, len), out) : 0;
    if (last > 0)
        skip = length_of_sealed(active, len, last);
    free(manifest);
    if (sealed)
        *sealed = out->size - before;
    cccc_buf_put(out, active + skip, len - skip);
    free(active);
    return true;
}
