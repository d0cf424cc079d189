/* guards.c - see guards.h: the fold, what is decided and not durable, and what is asked of it.
 *
 * Thread: the core's. */
#include "broker/core/guards/guard_pairs.h"

#include "broker/mutant.h"

#include <stdio.h>
#include <stdlib.h>

void guards_drop_ahead(struct cccc_group *group)
{
    guards_free(&group->guards_ahead);
}

void guards_fini(struct cccc_group *group)
{
    guards_free(&group->guards_ahead);
    guards_free(&group->guards);
}

/* ---- the fold ---- */

static void take_copy(struct cccc_group *group, struct cccc_guards *guards, const struct cccc_event *event, cccc_str_t id,
                      enum guard_verdict verdict)
{
    struct pair *pair = pair_make(group, guards, event->by, id, event->seq);
    cccc_str_t released = CCCC_STR("");
    int64_t us = 0;
    cccc_ts_parse(event->ts, &us);
    if (verdict == GUARD_TYPED) {
        ring_push(&pair->typed, us);
        ring_push(&guards->typed, us);
    }
    if (cccc_as_str(message_extra(&event->data, MESSAGE_RELEASED_FROM), &released) && released.len > 0)
        hold_remove(pair, group_event_seq(group, released));
    else if (verdict == GUARD_HELD)
        hold_add(pair, event->seq);
    else
        pair->over = verdict == GUARD_TYPED ? 0 : pair->over + 1;
}

static void take_message(struct cccc_group *group, struct cccc_guards *guards, const struct cccc_event *event)
{
    const cccc_value_t *map = message_extra(&event->data, MESSAGE_GUARD);
    for (uint32_t i = 0; cccc_is_map(map) && i < map->via.map.size; i++) {
        cccc_str_t id;
        enum guard_verdict verdict = guard_verdict_said(&map->via.map.ptr[i].val);
        if (verdict != GUARD_NONE && cccc_as_str(&map->via.map.ptr[i].key, &id) && id.len > 0 && id.len <= CCCC_PRINCIPAL_BYTES_MAX)
            take_copy(group, guards, event, id, verdict);
    }
}

static void take_hold(struct cccc_group *group, struct cccc_guards *guards, const struct cccc_event *event)
{
    cccc_str_t one, other;
    if (!pair_names_said(cccc_get(cccc_get(&event->data, "context"), "hold"), &one, &other))
        return;
    struct pair *pair = pair_make(group, guards, one, other, event->seq);
    pair->hold_seq = CCCC_MUTANT_IS(HOLD_FORGOTTEN) && group->folding ? 0 : event->seq;
    snprintf(pair->hold_id, sizeof pair->hold_id, "%.*s", CCCC_STR_FMT(event->id));
    snprintf(pair->hold_ts, sizeof pair->hold_ts, "%.*s", CCCC_STR_FMT(event->ts));
}

static void take_release(struct cccc_group *group, struct cccc_guards *guards, const struct cccc_event *event)
{
    cccc_str_t one, other;
    if (!pair_names_said(cccc_get(&event->data, "between"), &one, &other))
        return;
    struct pair *pair = pair_make(group, guards, one, other, event->seq);
    pair->hold_seq = 0;
    pair->over = 0;
    ring_clear(&pair->typed);
    if (cccc_get_bool(&event->data, "drop", false))
        pair->held_count = 0;
}

static void take(struct cccc_group *group, struct cccc_guards *guards, const struct cccc_event *event, cccc_kind_t kind)
{
    if (kind == CCCC_KIND_CHAT_MESSAGE)
        take_message(group, guards, event);
    else if (kind == CCCC_KIND_SYSTEM_NOTIFY)
        take_hold(group, guards, event);
    else
        take_release(group, guards, event);
}

void guards_apply(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    if (!group->guards)
        group->guards = guards_new();
    take(group, group->guards, event, kind);
    if (group->guards_ahead && group->guards_ahead->seq <= event->seq)
        guards_free(&group->guards_ahead);
}

static struct cccc_guards *guards_begin_ahead(struct cccc_group *group, uint64_t seq)
{
    if (!group->guards_ahead) {
        group->guards_ahead = guards_new();
        if (group->guards)
            ring_copy(&group->guards_ahead->typed, &group->guards->typed);
    }
    group->guards_ahead->seq = seq;
    return group->guards_ahead;
}

void guards_decided(struct cccc_group *group, const struct cccc_pending *p)
{
    take(group, guards_begin_ahead(group, p->event.seq), &p->event, p->kind);
}

/* What was known of the pairs of `from` that name the actor is over, ahead. */
static void end_ahead(struct cccc_group *group, const struct cccc_guards *from, cccc_str_t id, uint64_t seq)
{
    for (const struct pair *pair = from ? from->pairs : NULL; pair; pair = pair->hh.next)
        if (pair_names(pair, id))
            pair_end(pair_make(group, group->guards_ahead, cccc_str(pair->a), cccc_str(pair->b), seq));
}

void guards_leaves(struct cccc_group *group, cccc_str_t id, uint64_t seq)
{
    if (!group->guards && !group->guards_ahead)
        return;
    guards_begin_ahead(group, seq);
    end_ahead(group, group->guards_ahead, id, seq);
    end_ahead(group, group->guards, id, seq);
}

void guards_recalls(struct cccc_group *group, cccc_str_t by, cccc_str_t id, uint64_t seq, uint64_t by_seq)
{
    const struct pair *pair = pair_find(group, by, id);
    if (pair && pair->held_count > 0)
        hold_remove(pair_make(group, guards_begin_ahead(group, by_seq), by, id, by_seq), seq);
}

/* What concerned a pair behind `seq` stays: its event is still to be applied. */
static void forget_in(struct cccc_guards *guards, cccc_str_t id, uint64_t seq)
{
    struct pair *pair, *next;
    HASH_ITER(hh, guards->pairs, pair, next)
    {
        if (pair_names(pair, id) && pair->last_seq <= seq)
            pair_drop(guards, pair);
    }
}

void guards_forget(struct cccc_group *group, cccc_str_t id)
{
    if (group->guards)
        forget_in(group->guards, id, UINT64_MAX);
    if (group->guards_ahead)
        forget_in(group->guards_ahead, id, group->head_seq);
}

void guards_recalled(struct cccc_group *group, cccc_str_t id, uint64_t seq)
{
    for (struct pair *pair = group->guards ? group->guards->pairs : NULL; pair; pair = pair->hh.next)
        if (pair_names(pair, id))
            hold_remove(pair, seq);
}

uint64_t guards_oldest(const struct cccc_group *group)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct pair *pair = group->guards ? group->guards->pairs : NULL; pair; pair = pair->hh.next)
        if (pair->held_count > 0 && pair->held[0] < oldest)
            oldest = pair->held[0];
    return oldest;
}

/* ---- asking ---- */

bool guards_is_held(const struct cccc_group *group, cccc_str_t one, cccc_str_t other)
{
    const struct pair *pair = pair_find(group, one, other);
    return pair && pair->hold_seq > 0;
}

static const struct pair *first_to_release(const struct cccc_group *group)
{
    const struct pair *pair = group->guards ? group->guards->pairs : NULL;
    while (pair && (pair->hold_seq > 0 || pair->held_count == 0))
        pair = pair->hh.next;
    return pair;
}

bool guards_release_waits(const struct cccc_group *group)
{
    return first_to_release(group) != NULL;
}

void guards_to_release(const struct cccc_group *group, cccc_arena_t *arena, struct guard_release *out)
{
    const struct pair *pair = first_to_release(group);
    CCCC_ASSERT(pair, "(%s has nothing to release)", group->id);
    *out = (struct guard_release){.between = pair_both(arena, pair), .count = pair->held_count};
    out->seqs = cccc_arena_alloc(arena, (pair->held_count + 1) * sizeof *out->seqs);
    memcpy(out->seqs, pair->held, pair->held_count * sizeof *out->seqs);
}

bool guards_is_to_release(const struct cccc_group *group, cccc_str_t one, cccc_str_t other, uint64_t seq)
{
    const struct pair *pair = pair_find(group, one, other);
    bool found = false;
    for (uint32_t i = 0; pair && pair->hold_seq == 0 && i < pair->held_count; i++)
        found |= pair->held[i] == seq;
    return found;
}

cccc_value_t guards_holds(cccc_arena_t *arena, const struct cccc_group *group)
{
    cccc_builder_t rows = cccc_array_builder(arena, 0);
    for (const struct pair *pair = group->guards ? group->guards->pairs : NULL; pair; pair = pair->hh.next) {
        if (!pair_is_open(pair))
            continue;
        cccc_builder_t row = cccc_map_builder(arena, 6);
        cccc_map_add(&row, "between", pair_both(arena, pair));
        cccc_map_add(&row, "state", cccc_text(pair->hold_seq > 0 ? "held" : "releasing"));
        cccc_map_add(&row, "since", cccc_string(cccc_arena_str(arena, cccc_str(pair->hold_ts))));
        cccc_map_add(&row, "event_id", cccc_string(cccc_arena_str(arena, cccc_str(pair->hold_id))));
        cccc_map_add(&row, "seq", cccc_uint(pair->hold_seq));
        cccc_map_add(&row, "messages", cccc_uint(pair->held_count));
        cccc_array_add(&rows, row.value);
    }
    return rows.value;
}
