/* guards.c - see guards.h: the fold, the verdicts, and holds.
 *
 * A pair's typed copies are a ring of times, so "at most so many in any stretch of the window" is exact; times are those of the events. A wall clock that jumps
 * makes a window begin anew, no more. Memory: GUARD_PAIRS_MAX pairs, of which the one quiet longest is forgotten, GUARD_TIMES_MAX times each.
 * Thread: the core's. */
#include "broker/core/guards.h"

#include "broker/core/change.h"
#include "broker/core/runtime.h"
#include "broker/core/snapshot.h"
#include "broker/mutant.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND 1000000LL

/* The newest times, oldest first from `begin` on. */
struct ring {
    int64_t *times; /* heap */
    uint32_t begin, count, capacity, max;
};

struct pair {
    char *a, *b; /* in one allocation with the key: "a\0b", a < b */
    uint32_t key_len;
    struct ring typed;
    uint32_t over;     /* copies in a row that were not typed */
    uint64_t last_seq; /* that concerned it */
    uint64_t hold_seq; /* of the notice that it is held; 0: it is not */
    char hold_id[33], hold_ts[28];
    uint64_t *held; /* heap; the messages, rising */
    uint32_t held_count;
    UT_hash_handle hh;
};

struct cccc_guards {
    struct pair *pairs;
    struct ring typed; /* of the whole group */
    uint64_t seq;      /* ahead: of the last event in it */
};

/* ---- rings ---- */

static void ring_push(struct ring *ring, int64_t us)
{
    if (ring->count == ring->capacity && ring->capacity < ring->max) {
        uint32_t wider = ring->capacity ? 2 * ring->capacity : 8;
        wider = wider < ring->max ? wider : ring->max;
        int64_t *times = calloc(wider, sizeof *times);
        CCCC_ASSERT(times, "(out of memory)");
        for (uint32_t i = 0; i < ring->count; i++)
            times[i] = ring->times[(ring->begin + i) % ring->capacity];
        free(ring->times);
        ring->times = times;
        ring->begin = 0;
        ring->capacity = wider;
    }
    if (ring->count == ring->capacity)
        ring->begin = (ring->begin + 1) % ring->capacity;
    else
        ring->count++;
    ring->times[(ring->begin + ring->count - 1) % ring->capacity] = us;
}

/* Have `most` fallen within the window that ends now? */
static bool ring_is_full(const struct ring *ring, uint64_t most, int64_t window_us, int64_t now_us)
{
    if (most == 0 || ring->count < most)
        return false;
    int64_t age = now_us - ring->times[(ring->begin + ring->count - (uint32_t)most) % ring->capacity];
    return age >= 0 && age < window_us;
}

static void ring_clear(struct ring *ring)
{
    free(ring->times);
    *ring = (struct ring){.max = ring->max};
}

static void ring_copy(struct ring *to, const struct ring *from)
{
    *to = (struct ring){.max = from->max};
    for (uint32_t i = 0; i < from->count; i++)
        ring_push(to, from->times[(from->begin + i) % from->capacity]);
}

/* ---- pairs ---- */

static struct pair *pair_new(cccc_str_t one, cccc_str_t other)
{
    size_t n = one.len < other.len ? one.len : other.len;
    int order = memcmp(one.ptr, other.ptr, n);
    bool first = order < 0 || (order == 0 && one.len <= other.len);
    cccc_str_t a = first ? one : other, b = first ? other : one;
    struct pair *pair = calloc(1, sizeof *pair + a.len + b.len + 2);
    CCCC_ASSERT(pair, "(out of memory)");
    pair->a = (char *)(pair + 1);
    pair->b = pair->a + a.len + 1;
    memcpy(pair->a, a.ptr, a.len);
    memcpy(pair->b, b.ptr, b.len);
    pair->key_len = (uint32_t)(a.len + 1 + b.len);
    pair->typed.max = CCCC_GUARD_TIMES_MAX;
    return pair;
}

static void pair_free(struct pair **self)
{
    if (!*self)
        return;
    ring_clear(&(*self)->typed);
    free((*self)->held);
    free(*self);
    *self = NULL;
}

static struct pair *pair_copy(const struct pair *from)
{
    struct pair *pair = pair_new(cccc_str(from->a), cccc_str(from->b));
    ring_copy(&pair->typed, &from->typed);
    pair->over = from->over;
    pair->last_seq = from->last_seq;
    pair->hold_seq = from->hold_seq;
    memcpy(pair->hold_id, from->hold_id, sizeof pair->hold_id);
    memcpy(pair->hold_ts, from->hold_ts, sizeof pair->hold_ts);
    pair->held = calloc(from->held_count + 1, sizeof *pair->held);
    CCCC_ASSERT(pair->held, "(out of memory)");
    if (from->held_count > 0)
        memcpy(pair->held, from->held, from->held_count * sizeof *pair->held);
    pair->held_count = from->held_count;
    return pair;
}

static struct pair *pair_in(const struct cccc_guards *guards, const struct pair *like)
{
    struct pair *pair = NULL;
    if (guards)
        HASH_FIND(hh, guards->pairs, like->a, like->key_len, pair);
    return pair;
}

static void pair_link(struct cccc_guards *guards, struct pair *pair)
{
    HASH_ADD_KEYPTR(hh, guards->pairs, pair->a, pair->key_len, pair);
}

static void pair_drop(struct cccc_guards *guards, struct pair *pair)
{
    HASH_DELETE(hh, guards->pairs, pair); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    pair_free(&pair);
}

/* It is as if the two had never met. */
static void pair_end(struct pair *pair)
{
    ring_clear(&pair->typed);
    pair->over = pair->held_count = 0;
    pair->hold_seq = 0;
}

static bool pair_is_open(const struct pair *pair)
{
    return pair->hold_seq > 0 || pair->held_count > 0;
}

static bool pair_names(const struct pair *pair, cccc_str_t id)
{
    return cccc_str_is(id, pair->a) || cccc_str_is(id, pair->b);
}

/* The pair as it will be once what is decided is durable; NULL: nothing is known of it. `key` has its names only. */
static const struct pair *pair_view(const struct cccc_group *group, const struct pair *key)
{
    const struct pair *pair = CCCC_MUTANT_IS(GUARD_BLIND) ? NULL : pair_in(group->guards_ahead, key);
    return pair ? pair : pair_in(group->guards, key);
}

/* Room for one more: the pair that was quiet longest goes, unless somebody waits for its release. */
static void make_room(struct cccc_guards *guards)
{
    struct pair *quietest = NULL;
    if (HASH_COUNT(guards->pairs) < CCCC_GUARD_PAIRS_MAX)
        return;
    for (struct pair *pair = guards->pairs; pair; pair = pair->hh.next)
        if (!pair_is_open(pair) && (!quietest || pair->last_seq < quietest->last_seq))
            quietest = pair;
    if (quietest)
        pair_drop(guards, quietest);
}

static struct cccc_guards *guards_new(void)
{
    struct cccc_guards *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    self->typed.max = CCCC_GUARD_GROUP_TIMES_MAX;
    return self;
}

static void guards_free(struct cccc_guards **self)
{
    struct pair *pair = *self ? (*self)->pairs : NULL;
    if (pair)
        HASH_CLEAR(hh, (*self)->pairs);
    while (pair) {
        struct pair *next = pair->hh.next;
        pair_free(&pair);
        pair = next;
    }
    if (*self)
        ring_clear(&(*self)->typed);
    free(*self);
    *self = NULL;
}

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

/* The pair in `guards`, made when it is new; ahead, it begins as the applied one is. */
static struct pair *pair_make(struct cccc_group *group, struct cccc_guards *guards, cccc_str_t one, cccc_str_t other, uint64_t seq)
{
    struct pair *key = pair_new(one, other), *pair = pair_in(guards, key);
    const struct pair *applied = guards == group->guards_ahead ? pair_in(group->guards, key) : NULL;
    if (pair) {
        pair_free(&key);
    } else {
        make_room(guards);
        pair = applied ? pair_copy(applied) : key;
        if (applied)
            pair_free(&key);
        pair_link(guards, pair);
    }
    pair->last_seq = seq;
    return pair;
}

static void hold_add(struct pair *pair, uint64_t seq)
{
    if (pair->held_count >= CCCC_GUARD_HELD_MAX)
        return; /* such a message was refused */
    uint64_t *wider = realloc(pair->held, (pair->held_count + 1) * sizeof *wider);
    CCCC_ASSERT(wider, "(out of memory)");
    pair->held = wider;
    pair->held[pair->held_count++] = seq;
}

static void hold_remove(struct pair *pair, uint64_t seq)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pair->held_count; i++)
        if (pair->held[i] != seq)
            pair->held[kept++] = pair->held[i];
    pair->held_count = kept;
}

static const char *const verdict_words[] = {[GUARD_TYPED] = "typed", [GUARD_INBOX] = "inbox", [GUARD_HELD] = "held"};

static enum guard_verdict verdict_of_word(const cccc_value_t *v)
{
    cccc_str_t word = CCCC_STR("");
    enum guard_verdict verdict = GUARD_HELD;
    cccc_as_str(v, &word);
    while (verdict > GUARD_NONE && !cccc_str_is(word, verdict_words[verdict]))
        verdict--;
    return verdict;
}

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
        enum guard_verdict verdict = verdict_of_word(&map->via.map.ptr[i].val);
        if (verdict != GUARD_NONE && cccc_as_str(&map->via.map.ptr[i].key, &id) && id.len > 0 && id.len <= CCCC_PRINCIPAL_BYTES_MAX)
            take_copy(group, guards, event, id, verdict);
    }
}

/* The two names of a hold or a release; false: it is none. */
static bool names_of(const cccc_value_t *list, cccc_str_t *one, cccc_str_t *other)
{
    return cccc_is_array(list) && list->via.array.size == 2 && cccc_as_str(&list->via.array.ptr[0], one) &&
           cccc_as_str(&list->via.array.ptr[1], other) && one->len > 0 && other->len > 0;
}

static void take_hold(struct cccc_group *group, struct cccc_guards *guards, const struct cccc_event *event)
{
    cccc_str_t one, other;
    if (!names_of(cccc_get(cccc_get(&event->data, "context"), "hold"), &one, &other))
        return;
    struct pair *pair = pair_make(group, guards, one, other, event->seq);
    pair->hold_seq = CCCC_MUTANT_IS(HOLD_FORGOTTEN) && group->folding ? 0 : event->seq;
    snprintf(pair->hold_id, sizeof pair->hold_id, "%.*s", CCCC_STR_FMT(event->id));
    snprintf(pair->hold_ts, sizeof pair->hold_ts, "%.*s", CCCC_STR_FMT(event->ts));
}

static void take_release(struct cccc_group *group, struct cccc_guards *guards, const struct cccc_event *event)
{
    cccc_str_t one, other;
    if (!names_of(cccc_get(&event->data, "between"), &one, &other))
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

/* ---- verdicts ---- */

struct budget {
    uint64_t pair, group, chain, hold_after;
    int64_t window_us, now_us;
};

static struct budget budget_of(const struct cccc_core *core, const struct cccc_group *group)
{
    return (struct budget){.pair = setting_number("guard_pair_max", &group->document),
                           .group = setting_number("guard_group_max", &group->document),
                           .chain = setting_number("guard_chain_max", &group->document),
                           .hold_after = setting_number("guard_hold_after", &group->document),
                           .window_us = (int64_t)setting_number("guard_window_seconds", &group->document) * SECOND,
                           .now_us = core->now->unix_us};
}

uint64_t guard_hops(const struct cccc_event *event)
{
    uint64_t hops = 0;
    if (!cccc_str_is(event->kind, "chat.message") || cccc_str_is(event->by, "user"))
        return 0;
    return cccc_as_uint(message_extra(&event->data, MESSAGE_HOPS), &hops) ? hops : 1;
}

/* Was the group's budget used up by `more` copies of this message and what came before? */
static bool group_is_full(const struct cccc_group *group, const struct budget *budget, uint32_t more)
{
    const struct cccc_guards *guards = group->guards_ahead ? group->guards_ahead : group->guards;
    if (budget->group == 0 || more >= budget->group)
        return budget->group > 0;
    return guards && ring_is_full(&guards->typed, budget->group - more, budget->window_us, budget->now_us);
}

static enum guard_verdict judge(const struct cccc_group *group, const struct pair *pair, const struct budget *budget, uint64_t hops,
                                uint32_t more, bool *new_hold)
{
    bool runaway = (pair && ring_is_full(&pair->typed, budget->pair, budget->window_us, budget->now_us)) ||
                   (budget->chain > 0 && hops > budget->chain);
    if (pair && pair->hold_seq > 0)
        return GUARD_HELD;
    if (!runaway)
        return group_is_full(group, budget, more) ? GUARD_INBOX : GUARD_TYPED;
    *new_hold = budget->hold_after > 0 && pair && pair->over >= budget->hold_after;
    return *new_hold ? GUARD_HELD : GUARD_INBOX;
}

static bool is_guarded(const struct cccc_group *view, const struct cccc_message *m, cccc_str_t id)
{
    const struct cccc_actor *actor = config_actor(view, id);
    return actor && runtime_has_terminal(actor) && !cccc_str_eq(id, m->by);
}

static cccc_value_t two_names(cccc_arena_t *arena, const struct pair *pair)
{
    cccc_builder_t list = cccc_array_builder(arena, 2);
    cccc_array_add(&list, cccc_string(cccc_arena_str(arena, cccc_str(pair->a))));
    cccc_array_add(&list, cccc_string(cccc_arena_str(arena, cccc_str(pair->b))));
    return list.value;
}

/* Verdicts in the making. */
struct judging {
    call_t *call;
    struct cccc_message *m;
    const struct cccc_group *view;
    struct budget budget;
    cccc_builder_t map, holds, audience;
    uint32_t typed; /* copies so far */
    bool full;      /* more would be held than may be */
};

static void judge_copy(struct judging *j, const cccc_value_t *name)
{
    cccc_str_t id = CCCC_STR("");
    cccc_as_str(name, &id);
    enum guard_verdict verdict = GUARD_NONE;
    if (is_guarded(j->view, j->m, id)) {
        bool new_hold = false;
        struct pair *key = pair_new(j->m->by, id);
        const struct pair *pair = pair_view(j->m->group, key);
        verdict = judge(j->m->group, pair, &j->budget, j->m->hops, j->typed, &new_hold);
        j->typed += verdict == GUARD_TYPED;
        j->full |= verdict == GUARD_HELD && pair && pair->held_count >= CCCC_GUARD_HELD_MAX;
        cccc_map_add_key(&j->map, id, cccc_text(verdict_words[verdict]));
        if (new_hold)
            cccc_array_add(&j->holds, two_names(j->call->arena, key));
        pair_free(&key);
    }
    if (verdict != GUARD_HELD)
        cccc_array_add(&j->audience, *name);
}

bool guards_judge(call_t *call, struct cccc_message *m)
{
    const struct cccc_group *view = group_view(call, m->group);
    m->guard = m->new_holds = cccc_nil();
    if (!view->config.terminals || cccc_str_is(m->by, "user"))
        return true;
    struct judging j = {.call = call, .m = m, .view = view, .budget = budget_of(call->core, view)};
    j.map = cccc_map_builder(call->arena, 4);
    j.holds = cccc_array_builder(call->arena, 1);
    j.audience = cccc_array_builder(call->arena, m->audience.via.array.size);
    for (uint32_t i = 0; i < m->audience.via.array.size; i++)
        judge_copy(&j, &m->audience.via.array.ptr[i]);
    if (j.full) {
        message_refuse(call, m, CCCC_E_STORM_HELD,
                       "messages between %.*s and a recipient are held, and %d wait already; stop writing: the user releases them (`cccc "
                       "release`)",
                       CCCC_STR_FMT(m->by), CCCC_GUARD_HELD_MAX);
        return false;
    }
    m->audience = j.audience.value;
    m->new_holds = j.holds.value;
    if (j.map.value.via.map.size > 0)
        m->guard = j.map.value;
    return true;
}

cccc_err_t guards_announce(call_t *call, const struct cccc_message *m, struct cccc_errmsg *why)
{
    cccc_err_t err = CCCC_OK;
    for (uint32_t i = 0; err == CCCC_OK && cccc_is_array(&m->new_holds) && i < m->new_holds.via.array.size; i++) {
        cccc_str_t one = CCCC_STR(""), other = CCCC_STR("");
        names_of(&m->new_holds.via.array.ptr[i], &one, &other);
        cccc_builder_t context = cccc_map_builder(call->arena, 2);
        cccc_map_add(&context, "hold", m->new_holds.via.array.ptr[i]);
        cccc_map_add(&context, "hops", cccc_uint(m->hops));
        struct cccc_notice notice = {
            .kind = CCCC_STR("error"),
            .priority = CCCC_STR("high"),
            .title = cccc_arena_printf(call->arena, "%.*s and %.*s are held", CCCC_STR_FMT(one), CCCC_STR_FMT(other)),
            .message = cccc_arena_printf(call->arena,
                                         "they wrote to each other without end; what they write now is kept back\nnext: cccc holds; cccc "
                                         "release %.*s %.*s",
                                         CCCC_STR_FMT(one), CCCC_STR_FMT(other)),
            .target = CCCC_STR("user"),
            .context = &context.value};
        cccc_value_t data = notice_data(call->arena, m->group, &notice);
        err = call_append(call, m->group, CCCC_KIND_SYSTEM_NOTIFY, CCCC_STR("system"), CCCC_STR(""), data, NULL, why);
        if (err == CCCC_OK)
            guards_decided(m->group, call->appended);
    }
    return err;
}

/* ---- what was decided, in words ---- */

enum guard_verdict guard_verdict_in(const cccc_value_t *guard, cccc_str_t id)
{
    return verdict_of_word(cccc_is_map(guard) ? cccc_get_key(guard, id) : NULL);
}

enum guard_verdict guard_verdict_of(const struct cccc_event *event, cccc_str_t id)
{
    return guard_verdict_in(message_extra(&event->data, MESSAGE_GUARD), id);
}

cccc_str_t guard_reason(call_t *call, const struct cccc_group *group, cccc_str_t by, cccc_str_t id, enum guard_verdict verdict)
{
    if (verdict == GUARD_HELD)
        return cccc_arena_printf(call->arena, "what %.*s and %.*s write to each other is held until the user releases it", CCCC_STR_FMT(by),
                                 CCCC_STR_FMT(id));
    return cccc_arena_printf(call->arena, "it was not typed: what agents may cause to be typed was used up (guard_* settings of %s)",
                             group->id);
}

cccc_str_t guard_next(call_t *call, const struct cccc_group *group, cccc_str_t by, cccc_str_t id)
{
    return cccc_arena_printf(call->arena, "cccc release %.*s %.*s --group %s", CCCC_STR_FMT(by), CCCC_STR_FMT(id), group->id);
}

cccc_value_t guards_holds(cccc_arena_t *arena, const struct cccc_group *group)
{
    cccc_builder_t rows = cccc_array_builder(arena, 0);
    for (const struct pair *pair = group->guards ? group->guards->pairs : NULL; pair; pair = pair->hh.next) {
        if (!pair_is_open(pair))
            continue;
        cccc_builder_t row = cccc_map_builder(arena, 6);
        cccc_map_add(&row, "between", two_names(arena, pair));
        cccc_map_add(&row, "state", cccc_text(pair->hold_seq > 0 ? "held" : "releasing"));
        cccc_map_add(&row, "since", cccc_string(cccc_arena_str(arena, cccc_str(pair->hold_ts))));
        cccc_map_add(&row, "event_id", cccc_string(cccc_arena_str(arena, cccc_str(pair->hold_id))));
        cccc_map_add(&row, "seq", cccc_uint(pair->hold_seq));
        cccc_map_add(&row, "messages", cccc_uint(pair->held_count));
        cccc_array_add(&rows, row.value);
    }
    return rows.value;
}

/* ---- what holds.c asks ---- */

bool guards_is_held(const struct cccc_group *group, cccc_str_t one, cccc_str_t other)
{
    struct pair *key = pair_new(one, other);
    const struct pair *pair = pair_view(group, key);
    pair_free(&key);
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
    *out = (struct guard_release){.between = two_names(arena, pair), .count = pair->held_count};
    out->seqs = cccc_arena_alloc(arena, (pair->held_count + 1) * sizeof *out->seqs);
    memcpy(out->seqs, pair->held, pair->held_count * sizeof *out->seqs);
}

bool guards_is_to_release(const struct cccc_group *group, cccc_str_t one, cccc_str_t other, uint64_t seq)
{
    struct pair *key = pair_new(one, other);
    const struct pair *pair = pair_view(group, key);
    pair_free(&key);
    bool found = false;
    for (uint32_t i = 0; pair && pair->hold_seq == 0 && i < pair->held_count; i++)
        found |= pair->held[i] == seq;
    return found;
}

enum guard_verdict guards_judge_released(const struct cccc_core *core, const struct cccc_group *group, cccc_str_t by, cccc_str_t id)
{
    struct budget budget = budget_of(core, group);
    struct pair *key = pair_new(by, id);
    const struct pair *pair = pair_view(group, key);
    pair_free(&key);
    bool full = pair && ring_is_full(&pair->typed, budget.pair, budget.window_us, budget.now_us);
    return full || group_is_full(group, &budget, 0) ? GUARD_INBOX : GUARD_TYPED;
}

const char *guard_word(enum guard_verdict verdict)
{
    return verdict_words[verdict];
}

/* ---- the whole as a value, which is what a snapshot keeps ---- */

#define PAIR_MEMBERS 9

static cccc_value_t ring_value(cccc_arena_t *arena, const struct ring *ring)
{
    cccc_builder_t list = cccc_array_builder(arena, ring->count);
    for (uint32_t i = 0; i < ring->count; i++)
        cccc_array_add(&list, cccc_int(ring->times[(ring->begin + i) % ring->capacity]));
    return list.value;
}

static cccc_value_t pair_value(cccc_arena_t *arena, const struct pair *pair)
{
    cccc_builder_t row = cccc_array_builder(arena, PAIR_MEMBERS), held = cccc_array_builder(arena, pair->held_count);
    for (uint32_t i = 0; i < pair->held_count; i++)
        cccc_array_add(&held, cccc_uint(pair->held[i]));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(pair->a))));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(pair->b))));
    cccc_array_add(&row, cccc_uint(pair->over));
    cccc_array_add(&row, cccc_uint(pair->last_seq));
    cccc_array_add(&row, cccc_uint(pair->hold_seq));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(pair->hold_id))));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(pair->hold_ts))));
    cccc_array_add(&row, ring_value(arena, &pair->typed));
    cccc_array_add(&row, held.value);
    return row.value;
}

/* [typed in the group, pair, ...]; nil: nothing happened yet. */
cccc_value_t guards_dump(const struct cccc_group *group, cccc_arena_t *arena)
{
    if (!group->guards)
        return cccc_nil();
    cccc_builder_t list = cccc_array_builder(arena, 1 + HASH_COUNT(group->guards->pairs));
    cccc_array_add(&list, ring_value(arena, &group->guards->typed));
    for (const struct pair *pair = group->guards->pairs; pair; pair = pair->hh.next)
        cccc_array_add(&list, pair_value(arena, pair));
    return list.value;
}

void guards_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t value = guards_dump(group, arena);
    cccc_pack_value(out, &value);
    cccc_arena_destroy(&arena);
}

static bool ring_load(struct ring *ring, const cccc_value_t *v)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++) {
        int64_t us;
        if (!cccc_as_int(&v->via.array.ptr[i], &us) || ring->count >= ring->max)
            return false;
        ring_push(ring, us);
    }
    return cccc_is_array(v);
}

static bool held_load(struct pair *pair, const cccc_value_t *v, uint64_t head)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++) {
        uint64_t seq;
        if (!cccc_as_uint(&v->via.array.ptr[i], &seq) || seq == 0 || seq > head || pair->held_count >= CCCC_GUARD_HELD_MAX)
            return false;
        hold_add(pair, seq);
    }
    return cccc_is_array(v);
}

static bool pair_load(struct cccc_group *group, const cccc_value_t *row)
{
    cccc_str_t a, b;
    uint64_t over;
    if (!row || !cccc_as_str(&row[0], &a) || !cccc_as_str(&row[1], &b) || a.len == 0 || b.len == 0 || a.len > CCCC_PRINCIPAL_BYTES_MAX ||
        b.len > CCCC_PRINCIPAL_BYTES_MAX || HASH_COUNT(group->guards->pairs) >= CCCC_GUARD_PAIRS_MAX)
        return false;
    struct pair *pair = pair_make(group, group->guards, a, b, 0);
    if (!cccc_as_uint(&row[2], &over) || over > UINT32_MAX || !cccc_as_uint(&row[3], &pair->last_seq) ||
        !cccc_as_uint(&row[4], &pair->hold_seq) || !snapshot_text(&row[5], pair->hold_id, sizeof pair->hold_id) ||
        !snapshot_text(&row[6], pair->hold_ts, sizeof pair->hold_ts))
        return false;
    pair->over = (uint32_t)over;
    return ring_load(&pair->typed, &row[7]) && held_load(pair, &row[8], group->head_seq);
}

bool guards_load(struct cccc_group *group, const cccc_value_t *v)
{
    if (cccc_is_nil(v))
        return true;
    group->guards = guards_new();
    if (!cccc_is_array(v) || v->via.array.size == 0 || !ring_load(&group->guards->typed, &v->via.array.ptr[0]))
        return false;
    for (uint32_t i = 1; i < v->via.array.size; i++)
        if (!pair_load(group, snapshot_row(&v->via.array.ptr[i], PAIR_MEMBERS)))
            return false;
    return true;
}
