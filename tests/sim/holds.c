/* holds.c - see holds.h. */
#include "tests/sim/holds.h"

#include <stdlib.h>
#include <string.h>

/* A message that is kept back from one of the two. */
struct kept {
    uint64_t seq;
    cccc_str_t id, by, text;
};

struct two {
    char a[40], b[40]; /* a < b */
    bool held;
    struct kept *kept;
    size_t kept_count;
};

struct holds {
    oracle_t *oracle;
    struct known_group *group;
    struct two pairs[HOLDS_MAX];
    size_t pair_count;
};

#define BROKEN(h, ...) sim_broken((h)->oracle->sim, "holds", __VA_ARGS__)

struct holds *holds_new(oracle_t *oracle, struct known_group *group)
{
    struct holds *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->oracle = oracle;
    self->group = group;
    return self;
}

void holds_destroy(struct holds **self)
{
    for (size_t i = 0; i < (*self)->pair_count; i++)
        free((*self)->pairs[i].kept);
    free(*self);
    *self = NULL;
}

/* ---- pairs ---- */

static struct two *pair_of(struct holds *self, cccc_str_t one, cccc_str_t other)
{
    char a[40], b[40];
    snprintf(a, sizeof a, "%.*s", CCCC_STR_FMT(one));
    snprintf(b, sizeof b, "%.*s", CCCC_STR_FMT(other));
    bool sorted = strcmp(a, b) < 0;
    for (size_t i = 0; i < self->pair_count; i++)
        if (strcmp(self->pairs[i].a, sorted ? a : b) == 0 && strcmp(self->pairs[i].b, sorted ? b : a) == 0)
            return &self->pairs[i];
    CCCC_ASSERT(self->pair_count < HOLDS_MAX, "(more pairs than the simulation has names for)");
    struct two *pair = &self->pairs[self->pair_count++];
    *pair = (struct two){.held = false};
    memcpy(pair->a, sorted ? a : b, sizeof a);
    memcpy(pair->b, sorted ? b : a, sizeof b);
    return pair;
}

/* The pair a notice, or a release, is about; NULL: it is about none. */
static struct two *pair_named(struct holds *self, const cccc_value_t *names)
{
    cccc_str_t one, other;
    bool two = cccc_is_array(names) && names->via.array.size == 2 && cccc_as_str(&names->via.array.ptr[0], &one) &&
               cccc_as_str(&names->via.array.ptr[1], &other);
    return two ? pair_of(self, one, other) : NULL;
}

static void let_go(struct two *pair)
{
    pair->held = false;
    pair->kept_count = 0;
}

static void keep_back(struct two *pair, const struct cccc_event *event)
{
    pair->kept = reallocarray(pair->kept, pair->kept_count + 1, sizeof *pair->kept);
    CCCC_ASSERT(pair->kept, "out of memory");
    pair->kept[pair->kept_count++] = (struct kept){event->seq, event->id, event->by, cccc_get_str(&event->data, "text")};
}

/* Take it out; false: it is not among them. */
static bool take_out(struct two *pair, uint64_t seq, struct kept *out)
{
    for (size_t i = 0; i < pair->kept_count; i++) {
        if (pair->kept[i].seq != seq)
            continue;
        *out = pair->kept[i];
        memmove(&pair->kept[i], &pair->kept[i + 1], (pair->kept_count - i - 1) * sizeof *pair->kept);
        pair->kept_count--;
        return true;
    }
    return false;
}

/* ---- events ---- */

static bool names(const cccc_value_t *list, cccc_str_t name)
{
    cccc_str_t id;
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size; i++)
        if (cccc_as_str(&list->via.array.ptr[i], &id) && cccc_str_eq(id, name))
            return true;
    return false;
}

static void take_verdict(struct holds *self, const struct cccc_event *event, cccc_str_t id, cccc_str_t verdict)
{
    struct two *pair = pair_of(self, event->by, id);
    bool held = cccc_str_is(verdict, "held");
    if (pair->held != held)
        BROKEN(self, "%s: event %llu by %.*s is %.*s for %.*s, and the two are %s", self->group->id, (unsigned long long)event->seq,
               CCCC_STR_FMT(event->by), CCCC_STR_FMT(verdict), CCCC_STR_FMT(id), pair->held ? "held" : "not held");
    if (held == names(cccc_get(&event->data, "audience"), id))
        BROKEN(self, "%s: event %llu is %.*s for %.*s, who is %s its audience", self->group->id, (unsigned long long)event->seq,
               CCCC_STR_FMT(verdict), CCCC_STR_FMT(id), held ? "in" : "not in");
    if (held)
        keep_back(pair, event);
}

/* A copy of what was held. */
static void take_copy(struct holds *self, const struct cccc_event *event, cccc_str_t released_from)
{
    const cccc_value_t *audience = cccc_get(&event->data, "audience");
    cccc_str_t id = CCCC_STR("");
    struct kept kept;
    if (!cccc_is_array(audience) || audience->via.array.size != 1 || !cccc_as_str(&audience->via.array.ptr[0], &id))
        BROKEN(self, "%s: event %llu hands on a message to more than one", self->group->id, (unsigned long long)event->seq);
    struct two *pair = pair_of(self, event->by, id);
    if (pair->held)
        BROKEN(self, "%s: event %llu hands on a message, and %s and %s are held", self->group->id, (unsigned long long)event->seq, pair->a,
               pair->b);
    if (!take_out(pair, cccc_event_id_seq(released_from), &kept) || !cccc_str_eq(kept.id, released_from))
        BROKEN(self, "%s: event %llu hands on %.*s to %.*s, which was not to be, or was already", self->group->id,
               (unsigned long long)event->seq, CCCC_STR_FMT(released_from), CCCC_STR_FMT(id));
    if (!cccc_str_eq(kept.by, event->by) || !cccc_str_eq(kept.text, cccc_get_str(&event->data, "text")))
        BROKEN(self, "%s: event %llu hands on %.*s as another message", self->group->id, (unsigned long long)event->seq,
               CCCC_STR_FMT(released_from));
    self->oracle->copies_audited++;
}

static void take_message(struct holds *self, const struct cccc_event *event)
{
    const cccc_value_t *guard = cccc_get(&event->data, "guard");
    cccc_str_t from = cccc_get_str(&event->data, "released_from"), id, verdict;
    if (from.len > 0) {
        take_copy(self, event, from);
        return;
    }
    for (uint32_t i = 0; cccc_is_map(guard) && i < guard->via.map.size; i++)
        if (cccc_as_str(&guard->via.map.ptr[i].key, &id) && cccc_as_str(&guard->via.map.ptr[i].val, &verdict))
            take_verdict(self, event, id, verdict);
}

static void take_notice(struct holds *self, const struct cccc_event *event)
{
    struct two *pair = pair_named(self, cccc_get(cccc_get(&event->data, "context"), "hold"));
    if (pair && pair->held)
        BROKEN(self, "%s: event %llu says again that %s and %s are held", self->group->id, (unsigned long long)event->seq, pair->a,
               pair->b);
    if (!pair)
        return;
    pair->held = true;
    self->oracle->holds_audited++;
}

static void take_release(struct holds *self, const struct cccc_event *event)
{
    struct two *pair = pair_named(self, cccc_get(&event->data, "between"));
    if (!pair || (!pair->held && cccc_str_is(event->by, "user")))
        BROKEN(self, "%s: event %llu releases what is not held", self->group->id, (unsigned long long)event->seq);
    pair->held = false;
    if (cccc_get_bool(&event->data, "drop", false))
        pair->kept_count = 0;
}

static void take_recall(struct holds *self, const struct cccc_event *event)
{
    const cccc_value_t *ids = cccc_get(&event->data, "actor_ids");
    struct kept kept;
    for (size_t i = 0; i < self->pair_count; i++)
        if (names(ids, cccc_str(self->pairs[i].a)) || names(ids, cccc_str(self->pairs[i].b)))
            take_out(&self->pairs[i], cccc_get_uint(&event->data, "seq", 0), &kept);
}

static void take_change(struct holds *self, cccc_str_t id)
{
    for (size_t i = 0; i < self->pair_count; i++)
        if (cccc_str_is(id, self->pairs[i].a) || cccc_str_is(id, self->pairs[i].b))
            let_go(&self->pairs[i]);
}

/* Is it an actor whom the document leaves out? */
static bool is_left_out(const cccc_value_t *document, const char *id)
{
    const cccc_value_t *actors = cccc_get(document, "actors");
    for (uint32_t i = 0; cccc_is_array(actors) && i < actors->via.array.size; i++)
        if (cccc_str_is(cccc_get_str(&actors->via.array.ptr[i], "id"), id))
            return false;
    return strncmp(id, "svc:", 4) != 0;
}

static void take_edit(struct holds *self, const cccc_value_t *document)
{
    for (size_t i = 0; i < self->pair_count; i++)
        if (is_left_out(document, self->pairs[i].a) || is_left_out(document, self->pairs[i].b))
            let_go(&self->pairs[i]);
}

void holds_take(struct holds *self, const struct cccc_event *event)
{
    if (cccc_str_is(event->kind, "chat.message"))
        take_message(self, event);
    else if (cccc_str_is(event->kind, "system.notify"))
        take_notice(self, event);
    else if (cccc_str_is(event->kind, "guard.release"))
        take_release(self, event);
    else if (cccc_str_is(event->kind, "chat.recall"))
        take_recall(self, event);
    else if (cccc_str_is(event->kind, "actor.remove"))
        take_change(self, cccc_get_str(&event->data, "actor_id"));
    else if (cccc_str_is(event->kind, "actor.add"))
        take_change(self, cccc_get_str(cccc_get(&event->data, "actor"), "id"));
    else if (cccc_str_is(event->kind, "group.edit"))
        take_edit(self, cccc_get(&event->data, "document"));
}

/* ---- at the end ---- */

void holds_end(struct holds *self, bool at_peace)
{
    struct known_group *group = self->group;
    group->hold_count = 0;
    for (size_t i = 0; i < self->pair_count; i++) {
        const struct two *pair = &self->pairs[i];
        if (at_peace && !pair->held && pair->kept_count > 0)
            BROKEN(self, "%s: %zu messages of %s and %s were released, and are never handed on", group->id, pair->kept_count, pair->a,
                   pair->b);
        if (!pair->held)
            continue;
        struct known_hold *hold = &group->holds[group->hold_count++];
        memcpy(hold->a, pair->a, sizeof hold->a);
        memcpy(hold->b, pair->b, sizeof hold->b);
        hold->messages = pair->kept_count;
    }
}

void holds_compare(const oracle_t *oracle, const struct known_group *group, const cccc_value_t *rows)
{
    unsigned listed = 0;
    for (uint32_t i = 0; cccc_is_array(rows) && i < rows->via.array.size && group->flip_count == 0; i++) {
        const cccc_value_t *row = &rows->via.array.ptr[i], *between = cccc_get(row, "between");
        if (!cccc_str_is(cccc_get_str(row, "state"), "held"))
            continue;
        listed++;
        bool known = false;
        for (unsigned k = 0; k < group->hold_count; k++)
            known |= names(between, cccc_str(group->holds[k].a)) && names(between, cccc_str(group->holds[k].b)) &&
                     cccc_get_uint(row, "messages", 0) == group->holds[k].messages;
        if (!known)
            sim_broken(oracle->sim, "holds", "%s lists a hold that is not in its ledger, or with other messages", group->id);
    }
    if (listed != group->hold_count && group->flip_count == 0)
        sim_broken(oracle->sim, "holds", "%s lists %u holds, and its ledger has %u", group->id, listed, group->hold_count);
}
