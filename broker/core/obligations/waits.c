/* waits.c - who waits for whose reply: ops waits and wait_renew, and what an ask is told that would close a circle.
 *
 * An edge goes from who asked for a reply to who owes it. It is blocked while the sender said to do nothing else (wait_seconds, and what wait_renew said since, which is of the moment), and does: who was interrupted
 * writes something else sooner or later, and then only what it asked last can block it. Only actors are in circles: a person can do two things at a time. An ask that would close a circle of blocked edges is refused, one that closes another circle is taken and told.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/guards/guards.h"
#include "broker/core/obligations/obligations.h"
#include "broker/mutant.h"

#define WORDS  ((CCCC_ACTORS_PER_GROUP_MAX + 63) / 64)
#define NOBODY UINT32_MAX

static uint32_t index_of(const struct cccc_group *group, cccc_str_t id)
{
    const struct cccc_actor *actor = config_actor(group, id);
    return actor && actor - group->config.actors < CCCC_ACTORS_PER_GROUP_MAX ? (uint32_t)(actor - group->config.actors) : NOBODY;
}

/* Has this principal decided anything from `p` on, at another time than this, when it asked? */
static bool writes_ahead(const struct cccc_pending *p, cccc_str_t by, int64_t asked_us)
{
    int64_t us;
    for (; p; p = p->next)
        if (cccc_str_eq(p->event.by, by) && cccc_ts_parse(p->event.ts, &us) && us != asked_us)
            return true;
    return false;
}

/* What was asked is the last that its sender wrote. */
static bool is_blocked(const struct cccc_group *group, const struct cccc_ask *ask, int64_t now_us)
{
    const struct cccc_reader *sender = reader_find(group, cccc_str(ask->by));
    int64_t us;
    return obligations_blocked_until(ask) > now_us && sender && cccc_ts_parse(cccc_str(sender->nudges.spoke.ts), &us) &&
           us == ask->since.us && !writes_ahead(group->pending, cccc_str(ask->by), us);
}

/* ---- an ask that would close a circle ---- */

/* A search from the sender to those who wait for it, and for them. */
struct search {
    const struct cccc_group *group, *view;
    int64_t now_us;
    bool blocked; /* only along edges that are */
    uint32_t queue[CCCC_ACTORS_PER_GROUP_MAX], count;
    uint32_t waits_for[CCCC_ACTORS_PER_GROUP_MAX]; /* of those found: one nearer to the sender; NOBODY: not found */
};

static void found(struct search *s, uint32_t who, uint32_t waits_for)
{
    if (who == NOBODY || s->waits_for[who] != NOBODY)
        return;
    s->waits_for[who] = waits_for;
    s->queue[s->count++] = who;
}

/* Is the end of this duty decided, and not durable yet? */
static bool ends_ahead(const struct cccc_group *group, const struct cccc_duty *duty)
{
    for (const struct cccc_pending *p = group->pending; p; p = p->next) {
        bool reply = p->kind == CCCC_KIND_CHAT_MESSAGE && cccc_str_is(p->event.by, duty->debtor->id);
        if (reply && cccc_str_is(cccc_get_str(&p->event.data, "reply_to"), duty->ask->id))
            return true;
        if (p->kind == CCCC_KIND_CHAT_CANCEL && cccc_str_is(cccc_get_str(&p->event.data, "event_id"), duty->ask->id))
            return true;
    }
    return false;
}

static void find_waiters(struct search *s, uint32_t who)
{
    const struct cccc_reader *reader = reader_find(s->group, s->view->config.actors[who].id);
    const char *last = "";
    for (const struct cccc_duty *duty = reader ? reader->owes.first : NULL; duty; duty = duty->after) {
        bool counts = (duty->owes & CCCC_OWED_REPLY) && (!s->blocked || is_blocked(s->group, duty->ask, s->now_us));
        if (!counts || strcmp(last, duty->ask->by) == 0 || ends_ahead(s->group, duty))
            continue;
        last = duty->ask->by;
        found(s, index_of(s->view, cccc_str(last)), who);
    }
}

/* The same of an ask that is not durable yet. */
static bool is_blocked_ahead(const struct cccc_pending *p, int64_t now_us)
{
    cccc_str_t ts;
    int64_t until, asked;
    return cccc_as_str(message_extra(&p->event.data, MESSAGE_WAITS_UNTIL), &ts) && cccc_ts_parse(ts, &until) && until > now_us &&
           cccc_ts_parse(p->event.ts, &asked) && !writes_ahead(p->next, p->event.by, asked);
}

/* Asks that are decided and not durable yet. */
static void find_waiters_ahead(struct search *s, uint32_t who)
{
    for (const struct cccc_pending *p = s->group->pending; p; p = p->next) {
        if (p->kind != CCCC_KIND_CHAT_MESSAGE || !(obligations_asked(&p->event, p->kind) & CCCC_OWED_REPLY))
            continue;
        if ((!s->blocked || is_blocked_ahead(p, s->now_us)) &&
            recipients_name(message_field(&p->event.data, MESSAGE_AUDIENCE), s->view->config.actors[who].id))
            found(s, index_of(s->view, p->event.by), who);
    }
}

/* The first of the audience who waits for the sender, and through whom: the circle; nil: there is none. */
static cccc_value_t circle(call_t *call, const struct cccc_message *m, const struct cccc_group *view, bool blocked)
{
    struct search *s = cccc_arena_alloc(call->arena, sizeof *s);
    uint32_t self = index_of(view, m->by);
    *s = (struct search){.group = m->group, .view = view, .now_us = call->core->now->unix_us, .blocked = blocked};
    for (uint32_t i = 0; i < CCCC_ACTORS_PER_GROUP_MAX; i++)
        s->waits_for[i] = NOBODY;
    found(s, self, self);
    for (uint32_t i = 0; i < s->count; i++) {
        find_waiters(s, s->queue[i]);
        find_waiters_ahead(s, s->queue[i]);
    }
    for (uint32_t i = 0; i < m->audience.via.array.size; i++) {
        cccc_str_t id = CCCC_STR("");
        cccc_as_str(&m->audience.via.array.ptr[i], &id);
        uint32_t at = index_of(view, id);
        if (at == NOBODY || at == self || s->waits_for[at] == NOBODY)
            continue;
        cccc_builder_t names = cccc_array_builder(call->arena, 4);
        for (cccc_array_add(&names, cccc_string(m->by)); at != self; at = s->waits_for[at])
            cccc_array_add(&names, cccc_string(cccc_arena_str(call->arena, view->config.actors[at].id)));
        cccc_array_add(&names, cccc_string(m->by));
        return names.value;
    }
    return cccc_nil();
}

static cccc_str_t names_said(cccc_arena_t *arena, const cccc_value_t *names)
{
    cccc_str_t said = CCCC_STR(""), name = CCCC_STR("");
    for (uint32_t i = 0; i < names->via.array.size; i++) {
        cccc_as_str(&names->via.array.ptr[i], &name);
        said = cccc_arena_printf(arena, "%.*s%s%.*s", CCCC_STR_FMT(said), i ? " -> " : "", CCCC_STR_FMT(name));
    }
    return said;
}

bool waits_check(call_t *call, struct cccc_message *m, const struct cccc_group *view)
{
    m->cycle = cccc_nil();
    if (!m->reply_required || index_of(view, m->by) == NOBODY)
        return true;
    cccc_value_t deadlock = m->wait_seconds > 0 && !CCCC_MUTANT_IS(DEADLOCK_TAKEN) ? circle(call, m, view, true) : cccc_nil();
    if (cccc_is_array(&deadlock)) {
        message_refuse(call, m, CCCC_E_WOULD_DEADLOCK,
                       "each would do nothing but wait for the next: %.*s; answer what you owe first (`cccc obligations --actor %.*s`), or "
                       "ask without waiting",
                       CCCC_STR_FMT(names_said(call->arena, &deadlock)), CCCC_STR_FMT(m->by));
        message_refuse_detail(call, m, "cycle", deadlock);
        return false;
    }
    m->cycle = circle(call, m, view, false);
    return true;
}

/* ---- op wait_renew ---- */

/* A client that waits says so from time to time, so that one that was killed is known not to. Nothing of it is written: a daemon that starts anew hears it again. */
void op_wait_renew(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    int64_t now_us = call->core->now->unix_us, seconds = (int64_t)cccc_arg_uint(args, CCCC_A_wait_renew_seconds, 0);
    if (!call_group(call, CCCC_A_wait_renew_group_id) || !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_wait_renew_by), "user"))
        return;
    struct cccc_ask *ask = obligations_find(call->group, cccc_arg_str(args, CCCC_A_wait_renew_event_id));
    bool waits = ask && ask->blocked_until_us;
    if (waits && !cccc_str_is(call->by, "user") && !cccc_str_is(call->by, ask->by)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: only %s, who asked, or the user says whether %s still waits", ask->by,
                  ask->by);
        return;
    }
    if (waits)
        ask->renewed_until_us = seconds ? now_us + seconds * 1000000 : 1;
    cccc_builder_t result = cccc_map_builder(call->arena, 2);
    cccc_map_add(&result, "waits", cccc_bool(waits && is_blocked(call->group, ask, now_us)));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

/* ---- op waits ---- */

typedef uint64_t row_t[WORDS];

struct graph {
    uint32_t count;
    row_t *edge, *reach; /* reach: by at least one edge */
};

static bool has(const row_t *rows, uint32_t from, uint32_t to)
{
    return rows[from][to / 64] >> (to % 64) & 1;
}

static struct graph graph_new(cccc_arena_t *arena, uint32_t count)
{
    struct graph g = {.count = count};
    g.edge = cccc_arena_alloc(arena, (count + 1) * sizeof *g.edge);
    g.reach = cccc_arena_alloc(arena, (count + 1) * sizeof *g.reach);
    memset(g.edge, 0, (count + 1) * sizeof *g.edge);
    return g;
}

static void graph_add(struct graph *g, uint32_t from, uint32_t to)
{
    g->edge[from][to / 64] |= (uint64_t)1 << (to % 64);
}

/* Warshall, a row of bits at a time. */
static void graph_close(struct graph *g)
{
    memcpy(g->reach, g->edge, g->count * sizeof *g->reach);
    for (uint32_t through = 0; through < g->count; through++)
        for (uint32_t from = 0; from < g->count; from++)
            for (uint32_t word = 0; has((const row_t *)g->reach, from, through) && word < WORDS; word++)
                g->reach[from][word] |= g->reach[through][word];
}

/* A shortest circle through `self`, which reaches itself: indices, self first and last. Returns how many. */
static uint32_t shortest_circle(const struct graph *g, uint32_t self, uint32_t path[CCCC_ACTORS_PER_GROUP_MAX + 1])
{
    uint32_t queue[CCCC_ACTORS_PER_GROUP_MAX], from[CCCC_ACTORS_PER_GROUP_MAX], count = 1, n = 0, at = self;
    for (uint32_t i = 0; i < g->count; i++)
        from[i] = NOBODY;
    queue[0] = self;
    for (uint32_t i = 0; i < count; i++) {
        at = queue[i];
        if (has((const row_t *)g->edge, at, self))
            break;
        for (uint32_t to = 0; to < g->count; to++) {
            if (to == self || from[to] != NOBODY || !has((const row_t *)g->edge, at, to))
                continue;
            from[to] = at;
            queue[count++] = to;
        }
    }
    path[n++] = self;
    for (; at != self; at = from[at])
        path[n++] = at;
    path[n++] = self;
    for (uint32_t i = 0; i < n / 2; i++) {
        uint32_t swap = path[i];
        path[i] = path[n - 1 - i];
        path[n - 1 - i] = swap;
    }
    return n;
}

/* Does the knot have another circle than any one of it? Not when each of it waits for one of it only. */
static bool has_others(const struct graph *g, const bool knot[CCCC_ACTORS_PER_GROUP_MAX])
{
    uint32_t actors = 0, edges = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        actors += knot[i];
        for (uint32_t j = 0; knot[i] && j < g->count; j++)
            edges += knot[j] && has((const row_t *)g->edge, i, j);
    }
    return edges > actors;
}

static void add_circle(call_t *call, cccc_builder_t *circles, const struct graph *g, uint32_t self, bool blocked, bool others)
{
    uint32_t path[CCCC_ACTORS_PER_GROUP_MAX + 1], n = shortest_circle(g, self, path);
    cccc_builder_t row = cccc_map_builder(call->arena, 3), names = cccc_array_builder(call->arena, n);
    for (uint32_t i = 0; i < n; i++)
        cccc_array_add(&names, cccc_string(cccc_arena_str(call->arena, call->group->config.actors[path[i]].id)));
    cccc_map_add(&row, "actors", names.value);
    cccc_map_add(&row, "blocked", cccc_bool(blocked));
    cccc_map_add(&row, "others", cccc_bool(others));
    cccc_array_add(circles, row.value);
}

/* One circle of each knot: of actors that all wait for each other. One in which nobody does anything else comes first. */
static cccc_value_t circles_of(call_t *call, const struct graph *all, const struct graph *blocked)
{
    bool told[CCCC_ACTORS_PER_GROUP_MAX] = {false};
    cccc_builder_t circles = cccc_array_builder(call->arena, 0);
    for (uint32_t i = 0; i < all->count; i++) {
        if (told[i] || !has((const row_t *)all->reach, i, i))
            continue;
        uint32_t dead = NOBODY;
        bool knot[CCCC_ACTORS_PER_GROUP_MAX] = {false};
        for (uint32_t j = 0; j < all->count; j++) {
            knot[j] = has((const row_t *)all->reach, i, j) && has((const row_t *)all->reach, j, i);
            told[j] |= knot[j];
            if (knot[j] && dead == NOBODY && has((const row_t *)blocked->reach, j, j))
                dead = j;
        }
        add_circle(call, &circles, dead == NOBODY ? all : blocked, dead == NOBODY ? i : dead, dead != NOBODY, has_others(all, knot));
    }
    return circles.value;
}

static cccc_value_t edge_row(cccc_arena_t *arena, const struct cccc_duty *duty, bool blocked)
{
    const struct cccc_ask *ask = duty->ask;
    cccc_builder_t row = cccc_map_builder(arena, 7);
    char ts[28];
    cccc_map_add(&row, "actor_id", cccc_text(ask->by));
    cccc_map_add(&row, "on", cccc_text(duty->debtor->id));
    cccc_map_add(&row, "event_id", cccc_text(ask->id));
    cccc_map_add(&row, "seq", cccc_uint(ask->seq));
    cccc_ts_format(ts, ask->since.us);
    cccc_map_add(&row, "since", cccc_string(cccc_arena_str(arena, cccc_str(ts))));
    cccc_ts_format(ts, obligations_blocked_until(ask));
    cccc_map_add(&row, "waits_until", blocked ? cccc_string(cccc_arena_str(arena, cccc_str(ts))) : cccc_nil());
    cccc_map_add(&row, "subject", cccc_text(ask->subject));
    return row.value;
}

void op_waits(call_t *call)
{
    if (!call_group(call, CCCC_A_waits_group_id))
        return;
    const struct cccc_group *group = call->group;
    uint32_t count = group->config.actor_count < CCCC_ACTORS_PER_GROUP_MAX ? group->config.actor_count : CCCC_ACTORS_PER_GROUP_MAX;
    struct graph all = graph_new(call->arena, count), blocked = graph_new(call->arena, count);
    cccc_builder_t edges = cccc_array_builder(call->arena, 16), result = cccc_map_builder(call->arena, 4);
    bool more = false;
    for (const struct cccc_ask *ask = group->obligations->asks; ask; ask = ask->hh.next) {
        uint32_t from = index_of(group, cccc_str(ask->by));
        bool waits = is_blocked(group, ask, call->core->now->unix_us);
        for (uint32_t i = 0; i < ask->count; i++) {
            if (!(ask->duties[i].owes & CCCC_OWED_REPLY))
                continue;
            uint32_t to = from == NOBODY ? NOBODY : index_of(group, cccc_str(ask->duties[i].debtor->id));
            if (to != NOBODY)
                graph_add(&all, from, to);
            if (to != NOBODY && waits)
                graph_add(&blocked, from, to);
            more = edges.value.via.array.size >= CCCC_WAITS_LIST_MAX;
            if (!more)
                cccc_array_add(&edges, edge_row(call->arena, &ask->duties[i], waits));
        }
    }
    graph_close(&all);
    graph_close(&blocked);
    cccc_map_add(&result, "edges", edges.value);
    cccc_map_add(&result, "cycles", circles_of(call, &all, &blocked));
    cccc_map_add(&result, "more", cccc_bool(more));
    cccc_map_add(&result, "as_of_seq", cccc_uint(group->head_seq));
    call_reply(call, &result.value);
}
