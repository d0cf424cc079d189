/* read.c - reading: the owner plans (it knows offsets and what is durable), any thread runs.
 *
 * Sealed segments and ledger.jsonl are one stretch of bytes (source.h), and places are places in it. The ways into ledger.jsonl are planned, since its index is the owner's;
 * those into segments are found while running, from their tables.
 * A plan holds the file open by its own, so it outlives the ledger object and any rename. Every line is judged again when it is read: damage since the
 * ledger was opened shows as a gap, never as silence. One run looks at CCCC_READ_SCAN_BYTES_MAX at most and says where it got to.
 * Thread: planning and destroying in the owner's; running in any. */
#include "broker/ledger/ids.h"
#include "broker/ledger/judge.h"
#include "broker/ledger/ledger_private.h"
#include "broker/ledger/rows.h"
#include "broker/ledger/source.h"

#include <stdlib.h>
#include <string.h>

enum { READ_BLOCK = 64 * 1024, BACK_STEP_BYTES = 128 * 1024, READ_ARENA = 16 * 1024 };

struct cccc_read {
    const struct cccc_vfs *vfs;
    cccc_file_t *file; /* NULL: there is nothing to read */
    struct cccc_archive *archive;
    uint64_t sealed_last; /* seqs up to this one are in the archive */
    uint64_t begin;       /* of what is behind them in ledger.jsonl */
    struct cccc_read_query query;
    cccc_arena_t *arena;             /* of the query's values */
    uint64_t *seqs;                  /* SEQS: the query's; ID: what was found */
    uint64_t *firsts;                /* ID: the query's */
    struct cccc_id_filter **filters; /* ID: of ids made anew, not taken yet */
    uint32_t filter_count;
    uint64_t end_seq; /* what was durable when this was planned */
    uint64_t end_offset;
    uint64_t legacy_last;
    struct cccc_gap lost;             /* missing behind end_seq; reason NULL = nothing */
    struct cccc_index_entry *entries; /* AFTER: where to start; SEQS: one per seq; BEFORE: ways back, rising; seq 0: found while running */
    size_t entry_count;
    uint64_t stop_offset; /* BEFORE: no line to look at starts at or after it */
    /* while running */
    struct cccc_source source;
    struct cccc_rows rows;
    cccc_arena_t *line_arena;
    uint64_t scanned;
    struct cccc_read_result result;
};

/* ---- planning ---- */

/* Byte `offset` of ledger.jsonl as a place in the stretch. */
static uint64_t place(const cccc_read_t *read, uint64_t offset)
{
    return read->archive->raw + offset - read->begin;
}

/* The beginning of what is not sealed. */
static struct cccc_index_entry beginning(const cccc_read_t *read)
{
    return (struct cccc_index_entry){read->sealed_last + 1, read->archive->raw};
}

/* Where to begin in order to meet `seq`, or the gap it is in: an indexed line, or the beginning of the file. */
static struct cccc_index_entry way_to(const cccc_read_t *read, const struct cccc_index *index, uint64_t seq)
{
    if (seq <= read->sealed_last)
        return (struct cccc_index_entry){0};
    if (index->count == 0)
        return beginning(read);
    struct cccc_index_entry entry = index->entries[cccc_index_find(index, seq)];
    return entry.seq <= seq ? (struct cccc_index_entry){entry.seq, place(read, entry.offset)} : beginning(read);
}

static bool is_filtered(const struct cccc_read_query *q)
{
    return q->kinds || q->by.len > 0 || q->recipient.len > 0 || q->about.len > 0;
}

/* The entries that a run may walk back over, newest last. */
static void plan_back(cccc_read_t *read, const struct cccc_index *index)
{
    struct cccc_read_query *q = &read->query;
    if (q->seq == 0 || q->seq > read->end_seq + 1)
        q->seq = read->end_seq + 1;
    if (q->seq <= read->sealed_last + 1)
        return;
    size_t behind = index->count && q->seq > 1 ? cccc_index_find(index, q->seq - 1) : 0; /* entries before `behind` are below q->seq */
    behind += behind < index->count && index->entries[behind].seq < q->seq;
    size_t first = behind;
    read->stop_offset = behind < index->count ? place(read, index->entries[behind].offset) : read->end_offset;
    while (first > 0 && (first == behind || (read->stop_offset - place(read, index->entries[first].offset) < CCCC_READ_SCAN_BYTES_MAX &&
                                             (is_filtered(q) || q->seq - index->entries[first].seq < q->limit))))
        first--;
    bool from_beginning = first == 0 && (behind == 0 || index->entries[0].seq > read->sealed_last + 1);
    read->entries = cccc_room((behind - first + 1) * sizeof *read->entries);
    if (from_beginning)
        read->entries[read->entry_count++] = beginning(read);
    for (size_t i = first; i < behind; i++)
        read->entries[read->entry_count++] = (struct cccc_index_entry){index->entries[i].seq, place(read, index->entries[i].offset)};
}

static void plan_seqs(cccc_read_t *read, const struct cccc_index *index)
{
    struct cccc_read_query *q = &read->query;
    read->entry_count = q->seq_count;
    read->entries = cccc_room((q->seq_count + 1u) * sizeof *read->entries);
    read->seqs = cccc_room((q->seq_count + 1u) * sizeof *read->seqs);
    for (uint32_t i = 0; i < q->seq_count; i++) {
        read->seqs[i] = q->seqs[i];
        read->entries[i] = way_to(read, index, q->seqs[i]);
    }
    q->seqs = read->seqs;
}

static void plan_id(cccc_read_t *read)
{
    struct cccc_read_query *q = &read->query;
    read->firsts = cccc_room((q->seq_count + 1u) * sizeof *read->firsts);
    if (q->seq_count > 0)
        memcpy(read->firsts, q->seqs, q->seq_count * sizeof *q->seqs);
    q->seqs = read->firsts;
}

static void plan_after(cccc_read_t *read, const struct cccc_index *index)
{
    read->entry_count = 1;
    read->entries = cccc_room(sizeof *read->entries);
    read->entries[0] = way_to(read, index, read->query.seq + 1);
}

/* The plan's own copy of everything the query borrows. */
static void own_query(cccc_read_t *read, const struct cccc_read_query *query)
{
    read->query = *query;
    read->arena = cccc_arena_new(1024);
    read->query.by = cccc_arena_str(read->arena, query->by);
    read->query.recipient = cccc_arena_str(read->arena, query->recipient);
    read->query.about = cccc_arena_str(read->arena, query->about);
    read->query.kinds = NULL;
    if (query->kinds) {
        cccc_value_t *kinds = cccc_arena_alloc(read->arena, sizeof *kinds);
        *kinds = cccc_value_copy(read->arena, query->kinds);
        read->query.kinds = kinds;
    }
}

cccc_read_t *cccc_ledger_plan_read(cccc_ledger_t *self, const struct cccc_read_query *query)
{
    cccc_read_t *read = cccc_room(sizeof *read);
    const struct cccc_segment *segment = &self->active;
    own_query(read, query);
    read->vfs = self->vfs;
    read->archive = cccc_archive_keep(self->archive);
    read->sealed_last = cccc_archive_last(self->archive);
    read->begin = self->begin;
    read->end_seq = self->durable;
    read->end_offset = place(read, self->size);
    read->legacy_last = segment->legacy_last;
    read->lost = self->lost;
    if (self->durable > 0)
        read->file = cccc_file_keep(segment->file);
    if (query->mode == CCCC_READ_BEFORE)
        plan_back(read, &segment->index);
    else if (query->mode == CCCC_READ_SEQS)
        plan_seqs(read, &segment->index);
    else if (query->mode == CCCC_READ_ID)
        plan_id(read);
    else
        plan_after(read, &segment->index);
    return read;
}

void cccc_read_destroy(cccc_read_t **self)
{
    cccc_read_t *read = *self;
    *self = NULL;
    if (!read)
        return;
    while (read->filter_count > 0)
        free(read->filters[--read->filter_count]);
    free(read->filters);
    free(read->firsts);
    cccc_rows_fini(&read->rows);
    cccc_arena_destroy(&read->line_arena);
    cccc_arena_destroy(&read->arena);
    cccc_file_release(&read->file);
    cccc_archive_release(&read->archive);
    free(read->entries);
    free(read->seqs);
    free(read);
}

struct cccc_id_filter *cccc_read_take_filter(cccc_read_t *self)
{
    return self->filter_count > 0 ? self->filters[--self->filter_count] : NULL;
}

const struct cccc_read_result *cccc_read_result(const cccc_read_t *self)
{
    return &self->result;
}

/* ---- filtering ---- */

static bool contains(const cccc_value_t *array, cccc_str_t word)
{
    for (uint32_t i = 0; i < array->via.array.size; i++) {
        cccc_str_t item;
        if (cccc_as_str(&array->via.array.ptr[i], &item) && cccc_str_eq(item, word))
            return true;
    }
    return false;
}

/* `audience` is who it was for when it was sent; lines of the older format have only whom it named. */
static bool is_for(const cccc_value_t *data, cccc_str_t recipient)
{
    const cccc_value_t *audience = cccc_get(data, "audience");
    if (cccc_is_array(audience))
        return contains(audience, recipient);
    cccc_str_t target;
    if (cccc_as_str(cccc_get(data, "target_actor_id"), &target) && cccc_str_eq(target, recipient))
        return true;
    const cccc_value_t *to = cccc_get(data, "to");
    return cccc_is_array(to) && (to->via.array.size == 0 || contains(to, CCCC_STR("@all")) || contains(to, recipient));
}

static bool is_about(const struct cccc_event *event, const struct cccc_read_query *q)
{
    const cccc_value_t *data = &event->data;
    static const char *const names[] = {"reply_to", "event_id", "notify_event_id", "released_from"};
    cccc_str_t id;
    uint64_t seq;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (cccc_as_str(cccc_get(data, names[i]), &id) && cccc_str_eq(id, q->about))
            return true;
    const cccc_value_t *seqs = cccc_get(data, "seqs");
    for (uint32_t i = 0; cccc_is_array(seqs) && i < seqs->via.array.size; i++)
        if (cccc_as_uint(&seqs->via.array.ptr[i], &seq) && seq == q->about_seq)
            return true;
    if (cccc_str_is(event->kind, "chat.read")) /* in lines of the older format without a seq */
        return cccc_get_uint(data, "seq", UINT64_MAX) >= q->about_seq;
    if (cccc_str_is(event->kind, "actor.remove") || cccc_str_is(event->kind, "group.edit"))
        return true;
    return cccc_get(data, "delivery_id") != NULL;
}

static bool matches(const struct cccc_read_query *q, const struct cccc_event *event)
{
    if (q->about.len > 0 && !is_about(event, q))
        return false;
    return (!q->kinds || contains(q->kinds, event->kind)) && (q->by.len == 0 || cccc_str_eq(q->by, event->by)) &&
           (q->recipient.len == 0 || is_for(&event->data, q->recipient));
}

/* ---- running ---- */

/* What of `gap` is in from_seq..to_seq, with the reason for each of its parts. */
static void add_gap(const cccc_read_t *read, struct cccc_rows *rows, const struct cccc_gap *gap, uint64_t from_seq, uint64_t to_seq)
{
    struct cccc_gap piece = *gap;
    uint64_t last = gap->to_seq < to_seq ? gap->to_seq : to_seq;
    for (uint64_t from = gap->from_seq > from_seq ? gap->from_seq : from_seq; from <= last; from = piece.to_seq + 1) {
        piece.from_seq = from;
        piece.to_seq = last;
        piece.reason = cccc_archive_why_missing(read->archive, from, &piece.to_seq, gap->reason);
        cccc_rows_add_gap(rows, &piece);
    }
}

/* Add the event of `f` to `rows` if it passes the filters; a sound line that cannot be decoded becomes a gap. False when it would exceed `bytes_max`
 * and is not the first. */
static bool add_event(cccc_read_t *read, struct cccc_rows *rows, const struct cccc_finding *f, size_t bytes_max)
{
    struct cccc_event event;
    struct cccc_seal seal;
    bool fits = true;
    msgpack_zone_clear(read->line_arena);
    if (cccc_line_read(f->line.ptr, f->line.len, read->line_arena, &event, &seal, NULL) != CCCC_OK) {
        add_gap(read, rows, &(struct cccc_gap){f->seq, f->seq, f->line.offset, f->line.size, "damaged"}, f->seq, f->seq);
        return true;
    }
    event.seq = f->seq;
    if (!matches(&read->query, &event))
        return true;
    cccc_rows_add_event(rows, &event);
    fits = rows->events.size <= bytes_max || rows->event_count == 1;
    if (!fits)
        cccc_rows_drop_last(rows);
    return fits;
}

/* The way to sealed event `seq`, which planning could not know. */
static void find_ways(cccc_read_t *read, uint64_t seq, size_t entry)
{
    if (read->entries[entry].seq == 0)
        read->entries[entry] = cccc_source_way(&read->source, seq);
}

/* A walk over lines of the stretch. */
struct walk {
    struct cccc_scan scan;
    struct cccc_judge judge;
    struct cccc_finding f; /* where it stands */
};

static void walk_begin(cccc_read_t *read, struct walk *walk, const struct cccc_index_entry *from, uint64_t end_offset)
{
    cccc_scan_init(&walk->scan, &read->source, from->offset, end_offset, READ_BLOCK);
    cccc_judge_init(&walk->judge, &walk->scan,
                    &(struct cccc_judge_start){.seq = from->seq - 1,
                                               .inside = from->offset > 0,
                                               .floor = read->end_seq,
                                               .floor_final = true,
                                               .legacy_last = read->legacy_last});
    cccc_judge_next(&walk->judge, &walk->f);
}

static bool walk_is_over(const struct walk *walk)
{
    return walk->f.kind == CCCC_FOUND_END || walk->f.kind == CCCC_FOUND_TORN || walk->f.kind == CCCC_FOUND_ERROR;
}

static void walk_end(cccc_read_t *read, struct walk *walk)
{
    if (walk->f.kind == CCCC_FOUND_ERROR)
        read->result.err = cccc_fail(&read->result.message, CCCC_E_STORAGE, "cannot read the ledger: %s", strerror(-walk->f.err));
    cccc_scan_fini(&walk->scan);
}

/* What is lost behind the last event, if the query reaches it. */
static void add_lost(cccc_read_t *read, uint64_t from_seq, uint64_t to_seq)
{
    if (!read->lost.reason)
        return;
    add_gap(read, &read->rows, &read->lost, from_seq, to_seq);
    if (read->result.checked_seq < read->lost.to_seq)
        read->result.checked_seq = read->lost.to_seq;
}

static void run_after(cccc_read_t *read)
{
    const struct cccc_read_query *q = &read->query;
    struct cccc_read_result *result = &read->result;
    struct walk walk;
    result->checked_seq = q->seq < read->end_seq ? q->seq : read->end_seq;
    if (read->file && q->seq < read->end_seq) {
        find_ways(read, q->seq + 1, 0);
        uint64_t begin = read->entries[0].offset;
        for (walk_begin(read, &walk, &read->entries[0], read->end_offset); !walk_is_over(&walk); cccc_judge_next(&walk.judge, &walk.f)) {
            if (read->rows.event_count >= q->limit || walk.scan.offset - begin > CCCC_READ_SCAN_BYTES_MAX)
                break;
            uint64_t last = walk.f.kind == CCCC_FOUND_EVENT ? walk.f.seq : walk.f.gap.to_seq;
            if (last <= q->seq)
                continue;
            if (walk.f.kind == CCCC_FOUND_GAP)
                add_gap(read, &read->rows, &walk.f.gap, q->seq + 1, read->end_seq);
            else if (!add_event(read, &read->rows, &walk.f, q->bytes_max))
                break;
            result->checked_seq = last;
        }
        walk_end(read, &walk);
    }
    if (result->err == CCCC_OK && result->checked_seq >= read->end_seq)
        add_lost(read, q->seq + 1, UINT64_MAX);
    result->more = result->checked_seq < read->end_seq;
}

/* One piece of a walk back: all matches in [from, below), oldest first. */
static void run_piece(cccc_read_t *read, struct cccc_rows *piece, const struct cccc_index_entry *from, uint64_t below, uint64_t stop_offset)
{
    struct walk walk;
    for (walk_begin(read, &walk, from, stop_offset); !walk_is_over(&walk); cccc_judge_next(&walk.judge, &walk.f)) {
        if (walk.f.kind == CCCC_FOUND_GAP)
            add_gap(read, piece, &walk.f.gap, from->seq, below - 1);
        if (walk.f.kind != CCCC_FOUND_EVENT)
            continue;
        if (walk.f.seq >= below)
            break;
        add_event(read, piece, &walk.f, SIZE_MAX);
    }
    walk_end(read, &walk);
}

/* How many of the piece's oldest events must go so that what is kept fits with `have` events and `bytes` already found. */
static uint32_t surplus(const struct cccc_read_query *q, const struct cccc_rows *piece, uint32_t have, size_t bytes)
{
    uint32_t skip = 0;
    if (piece->event_count > q->limit - have)
        skip = piece->event_count - (q->limit - have);
    while (skip < piece->event_count) {
        size_t kept = piece->events.size - (skip ? piece->ends[skip - 1] : 0);
        bool only_one = have == 0 && skip + 1 == piece->event_count;
        if (bytes + kept <= q->bytes_max || only_one)
            break;
        skip++;
    }
    return skip;
}

struct back {
    struct {
        struct cccc_rows rows;
        uint32_t skip;
    } * pieces;
    size_t piece_count;
    uint32_t have; /* events found */
    size_t bytes;  /* and their size */
    size_t at;     /* entries[at..] have been looked at */
    uint64_t below, stop_offset;
    bool full;
};

static struct cccc_rows *new_piece(struct back *back)
{
    back->pieces = cccc_room_again(back->pieces, back->piece_count + 1, sizeof *back->pieces);
    struct cccc_rows *rows = &back->pieces[back->piece_count].rows;
    cccc_rows_init(rows);
    back->pieces[back->piece_count++].skip = 0;
    return rows;
}

/* Look at one more piece, older than all before. */
static void step_back(cccc_read_t *read, struct back *back)
{
    const struct cccc_read_query *q = &read->query;
    size_t from = back->at - 1;
    while (from > 0 && back->stop_offset - read->entries[from].offset < BACK_STEP_BYTES &&
           (is_filtered(q) || back->below - read->entries[from].seq < q->limit - back->have))
        from--;
    struct cccc_rows *rows = new_piece(back);
    run_piece(read, rows, &read->entries[from], back->below, back->stop_offset);
    uint32_t skip = surplus(q, rows, back->have, back->bytes);
    back->pieces[back->piece_count - 1].skip = skip;
    back->have += rows->event_count - skip;
    back->bytes += rows->events.size - (skip ? rows->ends[skip - 1] : 0);
    read->scanned += back->stop_offset - read->entries[from].offset;
    read->result.checked_seq = skip ? rows->seqs[skip - 1] + 1 : read->entries[from].seq;
    back->full = skip > 0 || back->have >= q->limit;
    back->at = from;
    back->below = read->entries[from].seq;
    back->stop_offset = read->entries[from].offset;
}

/* Nothing is left of what was planned, down to the segments: go on with the one in front, or name the one that is not there. False when there is none. */
static bool next_part(cccc_read_t *read, struct back *back)
{
    if (back->below <= 1 || back->below > read->sealed_last + 1)
        return false;
    uint32_t at = cccc_archive_find(read->archive, back->below - 1);
    bool there = at < read->archive->count && read->archive->parts[at].there && read->archive->parts[at].first < back->below;
    struct cccc_segment_reader *reader = NULL;
    int rc = there ? cccc_source_part(&read->source, at, &reader) : 0;
    if (rc < 0) {
        read->result.err = cccc_fail(&read->result.message, CCCC_E_STORAGE, "cannot read a sealed segment: %s", strerror(-rc));
        return false;
    }
    const struct cccc_part *part = &read->archive->parts[at];
    if (!there) { /* seqs that no segment has, down to the last one of the segment in front */
        uint64_t first = at < read->archive->count && part->first < back->below ? part->first : at > 0 ? part[-1].last + 1 : 1;
        struct cccc_gap gap = {.from_seq = first, .to_seq = back->below - 1, .reason = "missing"};
        add_gap(read, new_piece(back), &gap, 1, back->below - 1);
        back->below = read->result.checked_seq = first;
        return back->below > 1;
    }
    free(read->entries);
    read->entries = cccc_room(((reader ? reader->count : 0) + 1) * sizeof *read->entries);
    size_t count = 0;
    read->entries[count++] = (struct cccc_index_entry){part->first, part->at};
    back->stop_offset = part->at + part->raw;
    for (uint32_t i = 1; reader && i < reader->count; i++) {
        const struct cccc_frame *frame = &reader->frames[i];
        if (frame->seq > 0 && frame->seq >= back->below) {
            back->stop_offset = part->at + frame->raw_offset;
            break;
        }
        if (frame->seq > part->first)
            read->entries[count++] = (struct cccc_index_entry){frame->seq, part->at + frame->raw_offset};
    }
    back->at = read->entry_count = count;
    return true;
}

static void run_before(cccc_read_t *read)
{
    const struct cccc_read_query *q = &read->query;
    struct cccc_read_result *result = &read->result;
    struct back back = {.at = read->entry_count, .below = q->seq, .stop_offset = read->stop_offset};
    result->checked_seq = q->seq;
    if (read->file && q->limit > 0 && q->seq > 1)
        while (!back.full && result->err == CCCC_OK && read->scanned < CCCC_READ_SCAN_BYTES_MAX && (back.at > 0 || next_part(read, &back)))
            if (back.at > 0)
                step_back(read, &back);
    for (size_t i = back.piece_count; i-- > 0;) {
        cccc_rows_append(&read->rows, &back.pieces[i].rows, back.pieces[i].skip, result->checked_seq - 1);
        cccc_rows_fini(&back.pieces[i].rows);
    }
    free(back.pieces);
    if (q->seq == read->end_seq + 1 && read->lost.reason)
        cccc_rows_add_gap(&read->rows, &read->lost);
    result->more = result->checked_seq > 1;
}

/* True when `f` is at `seq` or has passed it. */
static bool reaches(const struct cccc_finding *f, uint64_t seq)
{
    return (f->kind == CCCC_FOUND_EVENT && f->seq >= seq) || (f->kind == CCCC_FOUND_GAP && f->gap.to_seq >= seq);
}

static bool add_wanted(cccc_read_t *read, struct walk *walk, uint64_t seq)
{
    while (!walk_is_over(walk) && !reaches(&walk->f, seq))
        cccc_judge_next(&walk->judge, &walk->f);
    if (walk->f.kind == CCCC_FOUND_EVENT && walk->f.seq == seq)
        return add_event(read, &read->rows, &walk->f, read->query.bytes_max);
    struct cccc_gap missing = {.from_seq = seq, .to_seq = seq, .offset = walk->scan.offset, .reason = "missing"};
    add_gap(read, &read->rows, walk->f.kind == CCCC_FOUND_GAP && walk->f.gap.from_seq <= seq ? &walk->f.gap : &missing, seq, seq);
    return true;
}

/* A seq that is not in the file: lost at the head, or never there. */
static void add_absent(cccc_read_t *read, uint64_t seq)
{
    bool lost = read->lost.reason && seq >= read->lost.from_seq && seq <= read->lost.to_seq;
    struct cccc_gap missing = {.from_seq = seq, .to_seq = seq, .offset = read->end_offset, .reason = lost ? read->lost.reason : "missing"};
    cccc_rows_add_gap(&read->rows, &missing);
}

static void run_seqs(cccc_read_t *read, uint32_t seq_count)
{
    const struct cccc_read_query *q = &read->query;
    struct walk walk;
    bool walking = false;
    uint32_t i = 0;
    for (; i < seq_count && read->rows.event_count < q->limit && read->scanned < CCCC_READ_SCAN_BYTES_MAX; i++) {
        uint64_t seq = read->seqs[i];
        if (seq == 0 || seq > read->end_seq) {
            add_absent(read, seq);
        } else {
            find_ways(read, seq, i);
            bool ahead = walking && !walk_is_over(&walk) && read->entries[i].offset <= walk.scan.offset;
            if (walking && !ahead)
                walk_end(read, &walk);
            if (!ahead)
                walk_begin(read, &walk, &read->entries[i], read->end_offset);
            walking = true;
            uint64_t before = walk.scan.offset;
            bool fits = add_wanted(read, &walk, seq);
            read->scanned += walk.scan.offset - before;
            if (!fits || walk.f.kind == CCCC_FOUND_ERROR)
                break;
        }
        read->result.checked_seq = seq;
    }
    if (walking)
        walk_end(read, &walk);
    read->result.more = i < seq_count;
}

/* The seqs that the segment which begins with `first` has under the query's hash. */
static int find_id(cccc_read_t *read, uint64_t first, uint64_t *seqs, uint32_t *count)
{
    struct cccc_archive *archive = read->archive;
    uint32_t at = cccc_archive_find(archive, first);
    if (at == archive->count || !archive->parts[at].there || archive->parts[at].first != first)
        return 0;
    struct cccc_id_filter *made;
    int rc = cccc_ids_find(read->vfs, archive->dir, &archive->parts[at], read->query.hash, seqs, count, CCCC_READ_ID_MATCHES_MAX, &made);
    if (made) {
        read->filters = cccc_room_again(read->filters, read->filter_count + 1u, sizeof *read->filters);
        read->filters[read->filter_count++] = made;
    }
    return rc;
}

static void run_id(cccc_read_t *read)
{
    const struct cccc_read_query *q = &read->query;
    uint64_t found[CCCC_READ_ID_MATCHES_MAX];
    uint32_t count = 0, n = 0;
    for (uint32_t i = 0; i < q->seq_count; i++) {
        int rc = find_id(read, q->seqs[i], found, &count);
        if (rc == 0)
            continue;
        read->result.err = cccc_fail(&read->result.message, CCCC_E_STORAGE, "cannot read a sealed segment: %s", strerror(-rc));
        return;
    }
    read->seqs = cccc_room_again(read->seqs, (size_t)2 * CCCC_READ_ID_MATCHES_MAX, sizeof *read->seqs);
    for (uint32_t i = 0; i < count; i++)
        for (uint64_t seq = found[i]; seq <= found[i] + q->behind; seq++)
            if (n == 0 || seq > read->seqs[n - 1])
                read->seqs[n++] = seq;
    read->entries = cccc_room_again(read->entries, (size_t)2 * CCCC_READ_ID_MATCHES_MAX, sizeof *read->entries);
    for (uint32_t i = 0; i < n; i++)
        read->entries[i] = read->seqs[i] > read->sealed_last ? beginning(read) : (struct cccc_index_entry){0};
    run_seqs(read, n);
}

void cccc_read_run(cccc_read_t *self)
{
    struct cccc_read_result *result = &self->result;
    cccc_rows_fini(&self->rows);
    cccc_rows_init(&self->rows);
    *result = (struct cccc_read_result){0};
    self->scanned = 0;
    if (!self->line_arena)
        self->line_arena = cccc_arena_new(READ_ARENA);
    cccc_source_init(&self->source, self->vfs, self->file ? self->file->fd : -1, self->archive, self->begin);
    if (self->query.mode == CCCC_READ_BEFORE)
        run_before(self);
    else if (self->query.mode == CCCC_READ_SEQS)
        run_seqs(self, self->query.seq_count);
    else if (self->query.mode == CCCC_READ_ID)
        run_id(self);
    else
        run_after(self);
    cccc_source_fini(&self->source);
    result->events = self->rows.events.data;
    result->events_len = self->rows.events.size;
    result->event_count = self->rows.event_count;
    result->event_seqs = self->rows.seqs;
    result->event_ends = self->rows.ends;
    result->gaps = self->rows.gaps;
    result->gap_count = self->rows.gap_count;
}
