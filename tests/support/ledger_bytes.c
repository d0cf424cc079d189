/* ledger_bytes.c - see ledger_bytes.h. */
#include "tests/support/ledger_bytes.h"

#include "proto/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

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

/* What an interrupted seal, and damage, have left of lines up to `last` at the beginning of ledger.jsonl. */
static size_t length_of_sealed(const char *bytes, size_t len, unsigned long long last)
{
    size_t sealed = 0, end = 0;
    for (size_t offset = 0;; offset = end) {
        unsigned long long seq = whole_line(bytes, len, &offset, &end);
        if (seq == 0 || seq > last + 1)
            return sealed;
        if (seq > last)
            return offset;
        sealed = end;
    }
}

static void add_segment(simdisk_t *disk, const char *path, unsigned long long raw, cccc_buf_t *out)
{
    const char *packed;
    size_t len;
    if (!simdisk_peek(disk, path, &packed, &len)) {
        fprintf(stderr, "%s is named by a manifest and not there\n", path);
        abort();
    }
    char *room = cccc_buf_reserve(out, raw);
    size_t got = ZSTD_decompress(room, raw, packed, len);
    if (ZSTD_isError(got) || got != raw) {
        fprintf(stderr, "%s does not hold %llu bytes\n", path, raw);
        abort();
    }
    out->size += raw;
}

/* The last seq of the segments that count. */
static unsigned long long add_segments(simdisk_t *disk, const char *dir, const char *manifest, unsigned long long before, cccc_buf_t *out)
{
    char path[256];
    unsigned long long end = 0;
    for (const char *row = strchr(manifest, '\n'); row; row = strchr(row + 1, '\n')) {
        unsigned long long first, last, raw;
        if (sscanf(row, "\nsegment first=%llu last=%llu raw=%llu", &first, &last, &raw) != 3 || (before > 0 && first >= before))
            continue;
        snprintf(path, sizeof path, "%s/state/ledger/%013llu-%013llu.jsonl.zst", dir, first, last);
        add_segment(disk, path, raw, out);
        end = last;
    }
    return end;
}

bool ledger_bytes(simdisk_t *disk, const char *group_dir, cccc_buf_t *out, size_t *sealed)
{
    char path[256];
    const char *bytes, *manifest;
    size_t len, manifest_len, before = out->size;
    snprintf(path, sizeof path, "%s/ledger.jsonl", group_dir);
    if (!simdisk_peek(disk, path, &bytes, &len))
        return false;
    char *active = malloc(len + 1);
    if (!active)
        abort();
    if (len > 0)
        memcpy(active, bytes, len);
    size_t skip = 0;
    snprintf(path, sizeof path, "%s/state/ledger/manifest", group_dir);
    if (simdisk_peek(disk, path, &manifest, &manifest_len)) {
        char *text = strndup(manifest, manifest_len);
        if (!text)
            abort();
        unsigned long long last = add_segments(disk, group_dir, text, ledger_first_seq(active, len), out);
        if (last > 0)
            skip = length_of_sealed(active, len, last);
        free(text);
    }
    if (sealed)
        *sealed = out->size - before;
    cccc_buf_put(out, active + skip, len - skip);
    free(active);
    return true;
}
