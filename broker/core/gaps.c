/* gaps.c - the stretches of a group's ledger that its fold could not read, kept so that an inbox names them too (design I4), and what the operator has given up of them.
 *
 * A fold knows of a damaged line only that something was there, not for whom: so each reader hears of it, until its cursor is behind it. Kept by seq, at
 * most CCCC_GROUP_GAPS_MAX of them; a row then reaches over what lies between gaps, and says that it does.
 * Invariant: rows rise, and none touches what another one names: every seq is in one of them at most.
 * Thread: the core's. */
#include "broker/core/snapshot.h"

#include <stdlib.h>

static const char in_parts[] = "damaged in parts";

static uint64_t gap_end(const struct cccc_gap *gap)
{
    return gap->to_seq ? gap->to_seq : UINT64_MAX;
}

static void set_end(struct cccc_gap *gap, uint64_t end)
{
    gap->to_seq = end == UINT64_MAX ? 0 : end;
}

/* ---- a list of them ---- */

/* The first row that ends at or behind `seq`; `count` when none does. */
static uint32_t row_at(const struct group_gap *rows, uint32_t count, uint64_t seq)
{
    uint32_t at = count;
    while (at > 0 && gap_end(&rows[at - 1].gap) >= seq)
        at--;
    return at;
}

/* The next piece of `gap`, from *from on, that no row names. False: there is none. *from is moved behind it. */
static bool next_piece(const struct group_gap *rows, uint32_t count, const struct cccc_gap *gap, uint64_t *from, struct cccc_gap *piece)
{
    uint32_t at = row_at(rows, count, *from);
    while (at < count && rows[at].gap.from_seq <= *from && gap_end(&rows[at].gap) < UINT64_MAX)
        *from = gap_end(&rows[at++].gap) + 1;
    bool covered = at < count && rows[at].gap.from_seq <= *from; /* by a row without an end */
    if (covered || *from > gap_end(gap) || *from == 0)
        return false;
    uint64_t end = at < count && rows[at].gap.from_seq <= gap_end(gap) ? rows[at].gap.from_seq - 1 : gap_end(gap);
    *piece = *gap;
    piece->from_seq = *from;
    set_end(piece, end);
    *from = end == UINT64_MAX ? 0 : end + 1;
    return true;
}

static void insert(struct group_gap *rows, uint32_t *count, const struct cccc_gap *piece)
{
    uint32_t at = row_at(rows, *count, piece->from_seq);
    memmove(rows + at + 1, rows + at, (*count - at) * sizeof *rows);
    rows[at] = (struct group_gap){.gap = *piece};
    ++*count;
}

/* There is no room: the row behind `piece` begins with it, or the last one ends with it. */
static void reach_over(struct group_gap *rows, uint32_t count, const struct cccc_gap *piece)
{
    uint32_t at = row_at(rows, count, piece->from_seq);
    struct group_gap *row = &rows[at < count ? at : count - 1];
    if (at < count)
        row->gap.from_seq = piece->from_seq;
    else
        row->gap.to_seq = piece->to_seq;
    row->gap.reason = in_parts;
    row->given_up[0] = '\0';
}

/* ---- the group's ---- */

/* Opening a ledger tells of gaps that a saved state knows already, and of damage to events that were whole when it was saved: only what is new of one is added. */
void gaps_add(struct cccc_group *group, const struct cccc_gap *gap)
{
    struct cccc_gap piece;
    for (uint64_t from = gap->from_seq; next_piece(group->gaps, group->gap_count, gap, &from, &piece);) {
        if (group->gap_count == CCCC_GROUP_GAPS_MAX) {
            reach_over(group->gaps, group->gap_count, &piece);
            continue;
        }
        group->gaps = realloc(group->gaps, (group->gap_count + 1) * sizeof *group->gaps);
        CCCC_ASSERT(group->gaps, "(out of memory)");
        insert(group->gaps, &group->gap_count, &piece);
    }
}

void gaps_fini(struct cccc_group *group)
{
    free(group->gaps);
    group->gaps = NULL;
    group->gap_count = 0;
}

bool gaps_behind(const struct cccc_group *group, uint64_t seq)
{
    for (uint32_t i = 0; i < group->gap_count; i++)
        if (gap_end(&group->gaps[i].gap) > seq)
            return true;
    return false;
}

/* The words a gap's reason can be; they are compared as text and kept as these. */
static const char *reason_of(cccc_str_t word)
{
    static const char *const reasons[] = {"damaged", "missing", "truncated", "retired", in_parts};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (cccc_str_is(word, reasons[i]))
            return reasons[i];
    return NULL;
}

void gaps_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    (void)kind;
    uint64_t from = cccc_get_uint(&event->data, "from_seq", 0), to = cccc_get_uint(&event->data, "to_seq", 0);
    const char *why = reason_of(cccc_get_str(&event->data, "reason"));
    for (uint32_t i = 0; i < group->gap_count; i++) {
        struct group_gap *row = &group->gaps[i];
        if (row->gap.from_seq < from || gap_end(&row->gap) > to || row->given_up[0])
            continue;
        snprintf(row->given_up, sizeof row->given_up, "%.*s", CCCC_STR_FMT(event->ts));
        row->why = why ? why : row->gap.reason;
    }
}

cccc_str_t gap_text(cccc_arena_t *arena, const struct cccc_group *group, uint64_t seq, const char *reason)
{
    uint32_t at = row_at(group->gaps, group->gap_count, seq);
    const struct group_gap *row = at < group->gap_count && group->gaps[at].gap.from_seq <= seq ? &group->gaps[at] : NULL;
    if (!row || !row->given_up[0])
        return cccc_str(reason);
    return cccc_arena_printf(arena, "lost: it was %s, and the user gave it up at %s with `cccc ledger repair`", row->why, row->given_up);
}

struct cccc_gap *gaps_between(const call_t *call, uint64_t after, uint64_t before, uint32_t *count)
{
    const struct cccc_group *group = call->group;
    const struct cccc_read_result *read = call->read;
    uint32_t met = read ? read->gap_count : 0, rows = 0;
    struct group_gap *all = cccc_arena_alloc(call->arena, (2 * (group->gap_count + met) + 1) * sizeof *all);
    for (uint32_t i = 0; i < group->gap_count; i++)
        if (gap_end(&group->gaps[i].gap) > after && group->gaps[i].gap.from_seq < before)
            all[rows++] = group->gaps[i];
    for (uint32_t i = 0; i < met; i++) {
        struct cccc_gap piece;
        for (uint64_t from = read->gaps[i].from_seq; next_piece(all, rows, &read->gaps[i], &from, &piece);)
            insert(all, &rows, &piece);
    }
    struct cccc_gap *out = cccc_arena_alloc(call->arena, (rows + 1) * sizeof *out);
    for (uint32_t i = 0; i < rows; i++)
        out[i] = all[i].gap;
    *count = rows;
    return out;
}

bool cccc_core_gaps_are_sound(const cccc_core_t *self, cccc_slot_t slot)
{
    const struct cccc_group *group = self->groups[slot];
    for (uint32_t i = 0; i < group->gap_count; i++) {
        const struct cccc_gap *gap = &group->gaps[i].gap;
        uint64_t before = i > 0 ? gap_end(&group->gaps[i - 1].gap) : 0;
        if (gap->from_seq <= before || gap_end(gap) < gap->from_seq)
            return false;
    }
    return true;
}

void pack_gaps(const struct cccc_gap *gaps, uint32_t count, cccc_buf_t *out)
{
    cccc_pack_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        cccc_pack_map(out, 3);
        cccc_pack_text(out, "from_seq");
        cccc_pack_uint(out, gaps[i].from_seq);
        cccc_pack_text(out, "to_seq");
        cccc_pack_uint(out, gaps[i].to_seq);
        cccc_pack_text(out, "reason");
        cccc_pack_text(out, gaps[i].reason);
    }
}

/* ---- the snapshot ---- */

/* A row of what was given up has when, and why, too; the first versions did not keep that. */
enum { ROW_LEAST = 3, ROW_MOST = 5 };

static bool is_settled(const struct cccc_group *group, const struct cccc_gap *gap)
{
    return gap_end(gap) <= group->head_seq;
}

static void save_row(const struct group_gap *row, cccc_buf_t *out)
{
    cccc_pack_array(out, row->given_up[0] ? ROW_MOST : ROW_LEAST);
    cccc_pack_uint(out, row->gap.from_seq);
    cccc_pack_uint(out, row->gap.to_seq);
    cccc_pack_text(out, row->gap.reason);
    if (row->given_up[0]) {
        cccc_pack_text(out, row->given_up);
        cccc_pack_text(out, row->why);
    }
}

void gaps_save(const struct cccc_group *group, cccc_buf_t *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->gap_count; i++)
        count += is_settled(group, &group->gaps[i].gap);
    cccc_pack_array(out, count);
    for (uint32_t i = 0; i < group->gap_count; i++)
        if (is_settled(group, &group->gaps[i].gap))
            save_row(&group->gaps[i], out);
}

static const char *word_of(const cccc_value_t *v)
{
    cccc_str_t word;
    return cccc_as_str(v, &word) ? reason_of(word) : NULL;
}

static bool load_row(struct cccc_group *group, const cccc_value_t *v)
{
    const cccc_value_t *row = snapshot_row_grown(v, ROW_LEAST, ROW_MOST);
    struct cccc_gap gap = {.reason = row ? word_of(&row[2]) : NULL};
    if (!gap.reason || !cccc_as_uint(&row[0], &gap.from_seq) || !cccc_as_uint(&row[1], &gap.to_seq) || !is_settled(group, &gap))
        return false;
    gaps_add(group, &gap);
    if (v->via.array.size < ROW_MOST)
        return v->via.array.size == ROW_LEAST;
    uint32_t at = row_at(group->gaps, group->gap_count, gap.from_seq);
    struct group_gap *there = at < group->gap_count ? &group->gaps[at] : NULL;
    if (!there || there->gap.from_seq != gap.from_seq)
        return false;
    there->why = word_of(&row[4]);
    return there->why && snapshot_text(&row[3], there->given_up, sizeof there->given_up);
}

bool gaps_load(struct cccc_group *group, const cccc_value_t *v)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++)
        if (!load_row(group, &v->via.array.ptr[i]))
            return false;
    return cccc_is_array(v);
}
