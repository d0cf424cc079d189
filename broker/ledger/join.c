/* join.c - see join.h. */
#include "broker/ledger/join.h"

#include "broker/ledger/judge.h"

#include <errno.h>

enum { JOIN_BLOCK = 256 * 1024 };

/* The seq of the first sound line of ledger.jsonl; UINT64_MAX when there is none. Lines of the older format are the first of all. 0 or -errno. */
static int first_sound(const struct cccc_archive *archive, struct cccc_source *active, uint64_t size, uint64_t *first)
{
    bool older = archive->parts[0].first == 1 && archive->parts[0].legacy_last > 0;
    struct cccc_scan scan;
    struct cccc_raw_line line;
    *first = UINT64_MAX;
    cccc_scan_init(&scan, active, 0, size, JOIN_BLOCK);
    while (*first == UINT64_MAX && cccc_scan_next(&scan, &line)) {
        uint64_t seq;
        struct cccc_seal seal;
        enum cccc_line_state state = line.ptr ? cccc_line_inspect(line.ptr, line.len, &seq, &seal) : CCCC_LINE_BROKEN;
        if (state == CCCC_LINE_SOUND)
            *first = seq;
        else if (state == CCCC_LINE_LEGACY && older)
            *first = 1;
    }
    cccc_scan_fini(&scan);
    return scan.err;
}

/* Where the first line behind the sealed ones begins: whatever is in front of it is a copy of what is sealed, or of nothing. Without that very line, the end of the
 * last line of a sealed seq. 0 or -errno. */
static int end_of_sealed(struct cccc_source *active, uint64_t size, uint64_t last, uint64_t *end)
{
    struct cccc_scan scan;
    struct cccc_raw_line line;
    *end = 0;
    cccc_scan_init(&scan, active, 0, size, JOIN_BLOCK);
    while (cccc_scan_next(&scan, &line)) {
        uint64_t seq;
        struct cccc_seal seal;
        if (!line.ptr || cccc_line_inspect(line.ptr, line.len, &seq, &seal) != CCCC_LINE_SOUND)
            continue;
        if (seq > last + 1)
            break;
        *end = seq > last ? line.offset : line.offset + line.size;
        if (seq > last)
            break;
    }
    cccc_scan_fini(&scan);
    return scan.err;
}

int cccc_join(struct cccc_archive **archive, struct cccc_source *active, uint64_t size, uint64_t *begin)
{
    uint64_t first;
    *begin = 0;
    if ((*archive)->count == 0)
        return 0;
    int rc = first_sound(*archive, active, size, &first);
    if (rc < 0)
        return rc;
    *archive = cccc_archive_trim(*archive, first);
    return first <= cccc_archive_last(*archive) + 1 ? end_of_sealed(active, size, cccc_archive_last(*archive), begin) : 0;
}

static int judge_part(struct cccc_source *source, const struct cccc_part *part)
{
    struct cccc_scan scan;
    struct cccc_judge judge;
    struct cccc_finding f;
    cccc_scan_init(&scan, source, 0, part->raw, JOIN_BLOCK);
    cccc_judge_init(
        &judge, &scan,
        &(struct cccc_judge_start){
            .seq = part->first - 1, .crc = part->prev, .floor = part->last, .floor_final = true, .legacy_last = part->legacy_last});
    do
        cccc_judge_next(&judge, &f);
    while (f.kind != CCCC_FOUND_END && f.kind != CCCC_FOUND_TORN && f.kind != CCCC_FOUND_ERROR);
    cccc_scan_fini(&scan);
    if (f.kind == CCCC_FOUND_ERROR)
        return f.err;
    bool whole = judge.head == part->last && judge.crc == part->crc && source->reading && source->reader.bad_frames == 0;
    return whole ? 0 : -EBADMSG;
}

int cccc_segment_check(const struct cccc_vfs *vfs, const char *dir, const struct cccc_part *part)
{
    struct cccc_part alone = *part;
    struct cccc_source source;
    alone.there = true;
    struct cccc_archive *archive = cccc_archive_new(vfs, dir, &alone, 1);
    cccc_source_init(&source, vfs, -1, archive, 0);
    int rc = judge_part(&source, &alone);
    cccc_source_fini(&source);
    cccc_archive_release(&archive);
    return rc;
}
