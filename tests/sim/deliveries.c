/* deliveries.c - see deliveries.h. */
#include "tests/sim/deliveries.h"

#include "tests/sim/holds.h"

#include <stdlib.h>
#include <string.h>

struct claim {
    cccc_str_t id, actor_id, outcome; /* outcome: "" while it is open; "recalled": it is none, and there may be none any more */
    const cccc_value_t *seqs;
    bool left; /* its actor left while it was open: how it ends is nobody's business any more, and not recorded */
};

struct reading {
    oracle_t *oracle;
    const agents_t *agents;
    struct known_group *group;
    struct holds *holds; /* NULL: a line of the ledger is damaged, and what it said is not known */
    cccc_arena_t *arena;
    struct claim *claims;
    size_t count;
};

#define BROKEN(r, ...) sim_broken((r)->oracle->sim, "delivery", __VA_ARGS__)

static bool share_an_event(const cccc_value_t *a, const cccc_value_t *b)
{
    for (uint32_t i = 0; cccc_is_array(a) && i < a->via.array.size; i++)
        for (uint32_t k = 0; cccc_is_array(b) && k < b->via.array.size; k++)
            if (cccc_value_eq(&a->via.array.ptr[i], &b->via.array.ptr[k]))
                return true;
    return false;
}

static void add_claim(struct reading *r, const struct cccc_event *event, const struct claim *claim)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct claim *before = &r->claims[i];
        bool same = cccc_str_eq(before->actor_id, claim->actor_id) && share_an_event(before->seqs, claim->seqs);
        if (same && !cccc_str_is(before->outcome, "failed"))
            BROKEN(r, "%s: event %llu claims, or recalls, for %.*s what %.*s has claimed, which is %.*s", r->group->id,
                   (unsigned long long)event->seq, CCCC_STR_FMT(claim->actor_id), CCCC_STR_FMT(before->id), CCCC_STR_FMT(before->outcome));
    }
    r->claims = reallocarray(r->claims, r->count + 1, sizeof *r->claims);
    CCCC_ASSERT(r->claims, "out of memory");
    r->claims[r->count++] = *claim;
}

static void take_claim(struct reading *r, const struct cccc_event *event)
{
    struct claim claim = {.id = event->id, .actor_id = cccc_get_str(&event->data, "actor_id"), .seqs = cccc_get(&event->data, "seqs")};
    add_claim(r, event, &claim);
}

/* Of a recall and a claim the first one in the ledger wins: what was recalled is claimed no more, and what was claimed only when that claim failed. */
static void take_recall(struct reading *r, const struct cccc_event *event)
{
    const cccc_value_t *actors = cccc_get(&event->data, "actor_ids");
    cccc_value_t *seqs = cccc_arena_alloc(r->arena, sizeof *seqs);
    cccc_builder_t one = cccc_array_builder(r->arena, 1);
    cccc_array_add(&one, cccc_uint(cccc_get_uint(&event->data, "seq", 0)));
    *seqs = one.value;
    for (uint32_t i = 0; cccc_is_array(actors) && i < actors->via.array.size; i++) {
        struct claim recall = {.id = event->id, .outcome = CCCC_STR("recalled"), .seqs = seqs};
        if (cccc_as_str(&actors->via.array.ptr[i], &recall.actor_id))
            add_claim(r, event, &recall);
    }
}

static void settle(struct reading *r, const struct cccc_event *event, cccc_str_t state)
{
    cccc_str_t id = cccc_get_str(&event->data, "delivery_id");
    for (size_t i = 0; i < r->count; i++) {
        struct claim *claim = &r->claims[i];
        if (!cccc_str_eq(claim->id, id))
            continue;
        if (claim->outcome.len > 0)
            BROKEN(r, "%s: event %llu settles %.*s again", r->group->id, (unsigned long long)event->seq, CCCC_STR_FMT(id));
        claim->outcome = state;
        return;
    }
    if (r->group->flip_count == 0)
        BROKEN(r, "%s: event %llu settles %.*s, which nobody claimed", r->group->id, (unsigned long long)event->seq, CCCC_STR_FMT(id));
}

static void take_removal(struct reading *r, const struct cccc_event *event)
{
    cccc_str_t id = cccc_get_str(&event->data, "actor_id");
    for (size_t i = 0; i < r->count; i++)
        r->claims[i].left |= r->claims[i].outcome.len == 0 && cccc_str_eq(r->claims[i].actor_id, id);
}

static void take_line(struct reading *r, const char *line, size_t len)
{
    struct cccc_event event;
    struct cccc_seal seal;
    struct cccc_errmsg m;
    if (cccc_line_read(line, len, r->arena, &event, &seal, &m) != CCCC_OK)
        return;
    if (r->holds)
        holds_take(r->holds, &event);
    if (cccc_str_is(event.kind, "chat.recall"))
        take_recall(r, &event);
    if (cccc_str_is(event.kind, "actor.remove"))
        take_removal(r, &event);
    if (!cccc_str_is(event.kind, "runtime.delivery"))
        return;
    cccc_str_t state = cccc_get_str(&event.data, "state");
    if (cccc_str_is(state, "claimed"))
        take_claim(r, &event);
    else
        settle(r, &event, state);
}

/* What the holder was sure that the daemon knows, the ledger says too. */
static void compare(struct reading *r, const struct claim *claim)
{
    bool heard;
    const char *outcome = agents_outcome(r->agents, claim->id, &heard);
    if (heard && !cccc_str_is(claim->outcome, outcome) && !(claim->left && claim->outcome.len == 0))
        BROKEN(r, "%s: %.*s was %s, as its holder was told that it is known, and the ledger says \"%.*s\"", r->group->id,
               CCCC_STR_FMT(claim->id), outcome, CCCC_STR_FMT(claim->outcome));
    if (!heard && outcome[0] == '\0' && cccc_str_is(claim->outcome, "accepted"))
        BROKEN(r, "%s: %.*s counts as accepted, and nobody has typed it", r->group->id, CCCC_STR_FMT(claim->id));
}

static void read_group(struct reading *r, bool at_peace)
{
    const char *bytes;
    size_t len;
    bool in_trash;
    if (!oracle_ledger(r->oracle, r->group, &bytes, &len, &in_trash))
        return;
    r->holds = r->group->flip_count == 0 ? holds_new(r->oracle, r->group) : NULL;
    for (size_t at = 0; at < len;) {
        const char *newline = memchr(bytes + at, '\n', len - at);
        size_t line_len = newline ? (size_t)(newline - (bytes + at)) : len - at;
        take_line(r, bytes + at, line_len);
        at += line_len + 1;
    }
    for (size_t i = 0; i < r->count && r->group->flip_count == 0; i++)
        if (!cccc_str_is(r->claims[i].outcome, "recalled"))
            compare(r, &r->claims[i]);
    if (!r->holds)
        return;
    holds_end(r->holds, at_peace && !in_trash);
    holds_destroy(&r->holds);
}

void deliveries_audit(oracle_t *oracle, const agents_t *agents, bool at_peace)
{
    for (unsigned i = 0; i < oracle->group_count; i++) {
        struct reading r = {.oracle = oracle, .agents = agents, .group = &oracle->groups[i], .arena = cccc_arena_new(64 * 1024)};
        read_group(&r, at_peace);
        free(r.claims);
        cccc_arena_destroy(&r.arena);
    }
}
