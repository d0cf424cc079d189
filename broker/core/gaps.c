/* gaps.c - the stretches of a group's ledger that its fold could not read, kept so that an inbox names them too (design I4).
 *
 * A fold knows of a damaged line only that something was there, not for whom: so each reader hears of it, until its cursor is behind it. Kept by seq, at
 * most CCCC_GROUP_GAPS_MAX of them; the last row then reaches over all later ones and says that it does.
 * Thread: the core's. */
#include "broker/core/snapshot.h"

#include <stdlib.h>

static const char in_parts[] = "damaged in parts";

static uint64_t gap_end(const struct cccc_gap *gap)
{
    return gap->to_seq ? gap->to_seq : UINT64_MAX;
}

/* Opening a ledger tells of gaps that a saved state knows already, and of damage to events that were whole when it was saved. */
static bool is_known(const struct cccc_group *group, const struct cccc_gap *gap)
{
    for (uint32_t i = 0; i < group->gap_count; i++)
        if (group->gaps[i].from_seq <= gap->from_seq && gap_end(gap) <= gap_end(&group->gaps[i]))
            return true;
    return false;
}

void gaps_add(struct cccc_group *group, const struct cccc_gap *gap)
{
    if (is_known(group, gap))
        return;
    if (group->gap_count == CCCC_GROUP_GAPS_MAX) {
        struct cccc_gap *last = &group->gaps[group->gap_count - 1];
        if (gap_end(gap) > gap_end(last))
            last->to_seq = gap->to_seq;
        last->reason = in_parts;
        return;
    }
    group->gaps = realloc(group->gaps, (group->gap_count + 1) * sizeof *group->gaps);
    CCCC_ASSERT(group->gaps, "(out of memory)");
    uint32_t at = group->gap_count++;
    for (; at > 0 && group->gaps[at - 1].from_seq > gap->from_seq; at--)
        group->gaps[at] = group->gaps[at - 1];
    group->gaps[at] = *gap;
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
        if (gap_end(&group->gaps[i]) > seq)
            return true;
    return false;
}

struct cccc_gap *gaps_between(const call_t *call, uint64_t after, uint64_t before, uint32_t *count)
{
    const struct cccc_group *group = call->group;
    const struct cccc_read_result *read = call->read;
    uint32_t known = 0, met = 0, met_count = read ? read->gap_count : 0;
    struct cccc_gap *out = cccc_arena_alloc(call->arena, (group->gap_count + met_count + 1) * sizeof *out);
    *count = 0;
    for (; known < group->gap_count; known++) {
        const struct cccc_gap *gap = &group->gaps[known];
        if (gap_end(gap) <= after || gap->from_seq >= before)
            continue;
        while (met < met_count && read->gaps[met].from_seq < gap->from_seq)
            out[(*count)++] = read->gaps[met++];
        out[(*count)++] = *gap;
    }
    while (met < met_count)
        out[(*count)++] = read->gaps[met++];
    return out;
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

static bool is_settled(const struct cccc_group *group, const struct cccc_gap *gap)
{
    return gap->to_seq <= group->head_seq;
}

void gaps_save(const struct cccc_group *group, cccc_buf_t *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->gap_count; i++)
        count += is_settled(group, &group->gaps[i]);
    cccc_pack_array(out, count);
    for (uint32_t i = 0; i < group->gap_count; i++) {
        const struct cccc_gap *gap = &group->gaps[i];
        if (!is_settled(group, gap))
            continue;
        cccc_pack_array(out, 3);
        cccc_pack_uint(out, gap->from_seq);
        cccc_pack_uint(out, gap->to_seq);
        cccc_pack_text(out, gap->reason);
    }
}

/* The words a gap's reason can be; they are compared as text and kept as these. */
static const char *reason_of(const cccc_value_t *v)
{
    static const char *const reasons[] = {"damaged", "missing", "truncated", "retired", in_parts};
    cccc_str_t word;
    for (size_t i = 0; cccc_as_str(v, &word) && i < sizeof reasons / sizeof *reasons; i++)
        if (cccc_str_is(word, reasons[i]))
            return reasons[i];
    return NULL;
}

bool gaps_load(struct cccc_group *group, const cccc_value_t *v)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++) {
        const cccc_value_t *row = snapshot_row(&v->via.array.ptr[i], 3);
        struct cccc_gap gap = {.reason = row ? reason_of(&row[2]) : NULL};
        if (!gap.reason || !cccc_as_uint(&row[0], &gap.from_seq) || !cccc_as_uint(&row[1], &gap.to_seq) || !is_settled(group, &gap))
            return false;
        gaps_add(group, &gap);
    }
    return cccc_is_array(v);
}
