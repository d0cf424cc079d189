/* ladder.c - see ladder.h: reading the ledger from a message on for what became of it.
 *
 * The reader threads look for what says something about the event (the query's `about`), so the loop sees only that, however far back the message is.
 * Thread: the core's. */
#include "broker/core/messages/ladder.h"

/* ---- one event about it ---- */

/* NULL also for who left: what one of that name does later, another one does. */
static struct cccc_ladder *ladder_find(struct cccc_ladders *self, cccc_str_t id)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (self->of[i].left.seq == 0 && cccc_str_eq(self->of[i].actor_id, id))
            return &self->of[i];
    return NULL;
}

/* The event may be gone before the ladders are: of a pending one its call. */
static struct cccc_rung rung_of(const struct cccc_ladders *self, const struct cccc_event *event)
{
    return (struct cccc_rung){event->seq, cccc_arena_str(self->arena, event->id), cccc_arena_str(self->arena, event->ts),
                              cccc_arena_str(self->arena, event->by)};
}

static void reach(const struct cccc_ladders *self, struct cccc_rung *rung, const struct cccc_event *event)
{
    if (rung->seq == 0)
        *rung = rung_of(self, event);
}

static bool has_seq(const cccc_value_t *seqs, uint64_t seq)
{
    uint64_t n;
    for (uint32_t i = 0; cccc_is_array(seqs) && i < seqs->via.array.size; i++)
        if (cccc_as_uint(&seqs->via.array.ptr[i], &n) && n == seq)
            return true;
    return false;
}

static void take_delivery(struct cccc_ladders *self, struct cccc_ladder *ladder, const struct cccc_event *event)
{
    cccc_str_t state = cccc_get_str(&event->data, "state");
    if (cccc_str_is(state, "claimed")) {
        if (!has_seq(cccc_get(&event->data, "seqs"), self->event.seq))
            return;
        ladder->delivery = DELIVERY_CLAIMED;
        ladder->claimed = rung_of(self, event);
        ladder->delivery_id = ladder->claimed.event_id;
        ladder->outcome = (struct cccc_rung){0};
    } else if (ladder->delivery == DELIVERY_CLAIMED && cccc_str_eq(cccc_get_str(&event->data, "delivery_id"), ladder->delivery_id)) {
        ladder->delivery = cccc_str_is(state, "accepted") ? DELIVERY_ACCEPTED
                           : cccc_str_is(state, "failed") ? DELIVERY_FAILED
                                                          : DELIVERY_AMBIGUOUS;
        ladder->reason = cccc_arena_str(self->arena, cccc_get_str(&event->data, "reason"));
        reach(self, &ladder->outcome, event);
    }
}

/* A cursor that was moved to the message or past it. */
static void take_read(const struct cccc_group *group, struct cccc_ladders *self, struct cccc_ladder *ladder, const struct cccc_event *event)
{
    const cccc_value_t *lanes = cccc_get(&event->data, "lanes");
    const char *lane = lane_words[self->kind == CCCC_KIND_SYSTEM_NOTIFY ? CCCC_LANE_NOTIFY : CCCC_LANE_CHAT];
    uint64_t seq = cccc_get_uint(&event->data, "seq", 0);
    bool moved = !cccc_is_array(lanes);
    cccc_str_t word;
    for (uint32_t i = 0; !moved && i < lanes->via.array.size; i++)
        moved = cccc_as_str(&lanes->via.array.ptr[i], &word) && cccc_str_is(word, lane);
    if (seq == 0)
        seq = group_event_seq(group, cccc_get_str(&event->data, "event_id"));
    if (moved && seq >= self->event.seq)
        reach(self, &ladder->read, event);
}

static void take_ids(struct cccc_ladders *self, const struct cccc_event *event, bool recalled)
{
    const cccc_value_t *ids = cccc_get(&event->data, "actor_ids");
    for (uint32_t i = 0; cccc_is_array(ids) && i < ids->via.array.size; i++) {
        cccc_str_t id = CCCC_STR("");
        cccc_as_str(&ids->via.array.ptr[i], &id);
        struct cccc_ladder *ladder = ladder_find(self, id);
        if (!ladder)
            continue;
        reach(self, recalled ? &ladder->recalled : &ladder->cancelled, event);
        ladder->expired |= recalled && cccc_get_bool(&event->data, "expired", false);
    }
}

/* A copy of it, for those it was held from. */
static void take_released(struct cccc_ladders *self, const struct cccc_event *event)
{
    const cccc_value_t *audience = message_field(&event->data, MESSAGE_AUDIENCE);
    for (uint32_t i = 0; cccc_is_array(audience) && i < audience->via.array.size; i++) {
        cccc_str_t id = CCCC_STR("");
        cccc_as_str(&audience->via.array.ptr[i], &id);
        struct cccc_ladder *ladder = ladder_find(self, id);
        if (ladder)
            reach(self, &ladder->released, event);
    }
}

/* A document without them: whoever is not in it left. */
static void take_edit(struct cccc_ladders *self, const struct cccc_event *event)
{
    const cccc_value_t *actors = cccc_get(cccc_get(&event->data, "document"), "actors");
    for (uint32_t i = 0; i < self->count; i++) {
        bool stays = cccc_str_is(self->of[i].actor_id, "user");
        for (uint32_t j = 0; !stays && cccc_is_array(actors) && j < actors->via.array.size; j++)
            stays = cccc_str_eq(cccc_get_str(&actors->via.array.ptr[j], "id"), self->of[i].actor_id);
        if (!stays)
            reach(self, &self->of[i].left, event);
    }
}

/* Keeps nothing of `event` but copies. */
static void take(const struct cccc_group *group, struct cccc_ladders *self, const struct cccc_event *event, cccc_kind_t kind)
{
    cccc_str_t from = CCCC_STR("");
    bool names_it = cccc_str_eq(cccc_get_str(&event->data, "event_id"), self->event.id);
    bool message = kind == CCCC_KIND_CHAT_MESSAGE;
    struct cccc_ladder *ladder = ladder_find(self, message ? event->by : cccc_get_str(&event->data, "actor_id"));
    if (message && cccc_as_str(message_extra(&event->data, MESSAGE_RELEASED_FROM), &from) && cccc_str_eq(from, self->event.id))
        take_released(self, event);
    if (kind == CCCC_KIND_CHAT_CANCEL && names_it)
        take_ids(self, event, false);
    else if (kind == CCCC_KIND_CHAT_RECALL && names_it)
        take_ids(self, event, true);
    else if (kind == CCCC_KIND_GROUP_EDIT)
        take_edit(self, event);
    else if (!ladder)
        return;
    else if (message && cccc_str_eq(cccc_get_str(&event->data, "reply_to"), self->event.id))
        reach(self, &ladder->replied, event);
    else if (kind == CCCC_KIND_CHAT_ACK && names_it)
        reach(self, &ladder->acked, event);
    else if (kind == CCCC_KIND_SYSTEM_NOTIFY_ACK && cccc_str_eq(cccc_get_str(&event->data, "notify_event_id"), self->event.id))
        reach(self, &ladder->acked, event);
    else if (kind == CCCC_KIND_CHAT_READ)
        take_read(group, self, ladder, event);
    else if (kind == CCCC_KIND_RUNTIME_DELIVERY)
        take_delivery(self, ladder, event);
    else if (kind == CCCC_KIND_ACTOR_REMOVE)
        reach(self, &ladder->left, event);
}

void ladders_take_pending(call_t *call, struct cccc_ladders *self)
{
    for (const struct cccc_pending *p = call->group->pending; p; p = p->next)
        take(call->group, self, &p->event, p->kind);
}

/* ---- climbing ---- */

static bool is_at_the_top(const struct cccc_ladders *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const struct cccc_ladder *l = &self->of[i];
        bool over = l->replied.seq || l->recalled.seq || l->released.seq || l->left.seq;
        if (!over && !(self->climb.until_it_is_over && (l->acked.seq || l->cancelled.seq)))
            return false;
    }
    return self->count > 0;
}

static void climbed(call_t *call);

static void climb(call_t *call)
{
    static const char *const kinds[] = {"chat.message",      "chat.read",        "chat.ack",     "chat.cancel", "chat.recall",
                                        "system.notify_ack", "runtime.delivery", "actor.remove", "group.edit"};
    struct cccc_ladders *self = call->state;
    bool every = self->reads_left == 0, done = self->checked_seq >= call->group->head_seq || is_at_the_top(self);
    if (done || self->reads_left == 1) {
        self->partial |= !done;
        self->climb.then(call);
        return;
    }
    cccc_builder_t list = cccc_array_builder(call->arena, sizeof kinds / sizeof *kinds);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        cccc_array_add(&list, cccc_text(kinds[i]));
    cccc_value_t *kept = cccc_arena_alloc(call->arena, sizeof *kept);
    *kept = list.value;
    struct cccc_read_query query = {.mode = CCCC_READ_AFTER,
                                    .seq = self->checked_seq,
                                    .limit = CCCC_LEDGER_READ_EVENTS_MAX,
                                    .bytes_max = CCCC_LEDGER_READ_BYTES_MAX,
                                    .kinds = kept,
                                    .about = self->event.id,
                                    .about_seq = self->event.seq};
    self->reads_left -= !every;
    call_read(call, call->group, &query, climbed);
}

static void climbed(call_t *call)
{
    struct cccc_ladders *self = call->state;
    if (read_failed(call))
        return;
    const struct cccc_read_result *read = call->read;
    struct cccc_event event;
    for (uint32_t i = 0; call_read_event(call, i, &event); i++)
        take(call->group, self, &event, cccc_kind_find(event.kind));
    self->gaps |= read->gap_count > 0;
    bool stuck = read->checked_seq <= self->checked_seq;
    self->checked_seq = stuck ? call->group->head_seq : read->checked_seq;
    self->partial |= stuck;
    climb(call);
}

static void add_ladder(call_t *call, struct cccc_ladders *self, const cccc_value_t *name)
{
    cccc_str_t id;
    if (!cccc_as_str(name, &id) || (self->climb.only.len > 0 && !cccc_str_eq(id, self->climb.only)) || ladder_find(self, id))
        return;
    struct cccc_ladder *ladder = &self->of[self->count++];
    ladder->actor_id = cccc_arena_str(call->arena, id);
    ladder->guard = guard_verdict_of(&self->event, id);
}

/* A ladder for each of its audience and each it is held from, or for the one asked for. False: the call was failed. */
static bool begin_ladders(call_t *call, struct cccc_ladders *self)
{
    const cccc_value_t *audience = cccc_get(&self->event.data, "audience");
    const cccc_value_t *guard = message_extra(&self->event.data, MESSAGE_GUARD);
    uint32_t guarded = cccc_is_map(guard) ? guard->via.map.size : 0;
    cccc_value_t made;
    if (!cccc_is_array(audience)) {
        made = recipients_legacy_audience(call->arena, call->group, &self->event);
        audience = &made;
    }
    self->of = cccc_arena_alloc(call->arena, (audience->via.array.size + guarded + 1) * sizeof *self->of);
    memset(self->of, 0, (audience->via.array.size + guarded + 1) * sizeof *self->of);
    for (uint32_t i = 0; i < audience->via.array.size; i++)
        add_ladder(call, self, &audience->via.array.ptr[i]);
    for (uint32_t i = 0; i < guarded; i++)
        add_ladder(call, self, &guard->via.map.ptr[i].key);
    if (self->climb.only.len == 0 || self->count > 0)
        return true;
    call_fail(call, CCCC_E_EVENT_NOT_FOR_ACTOR, "event %.*s is not addressed to %.*s", CCCC_STR_FMT(self->climb.event_id),
              CCCC_STR_FMT(self->climb.only));
    return false;
}

static void event_found(call_t *call)
{
    struct cccc_ladders *self = call->state;
    if (read_failed(call))
        return;
    if (!call_read_event(call, 0, &self->event) || !cccc_str_eq(self->event.id, self->climb.event_id)) {
        event_refuse(call, self->climb.event_id);
        return;
    }
    self->kind = cccc_kind_find(self->event.kind);
    if (self->kind != CCCC_KIND_CHAT_MESSAGE && self->kind != CCCC_KIND_SYSTEM_NOTIFY) {
        call_fail(call, CCCC_E_INVALID_EVENT_KIND, "event %.*s is of kind %.*s; only messages and notices have recipients",
                  CCCC_STR_FMT(self->climb.event_id), CCCC_STR_FMT(self->event.kind));
        return;
    }
    self->checked_seq = self->event.seq;
    if (begin_ladders(call, self))
        climb(call);
}

void ladders_begin(call_t *call, struct cccc_climb climb, void *own)
{
    struct cccc_ladders *self = cccc_arena_alloc(call->arena, sizeof *self);
    *self =
        (struct cccc_ladders){.arena = call->arena, .climb = climb, .reads_left = climb.reads_max ? climb.reads_max + 1 : 0, .own = own};
    call->state = self;
    event_find(call, climb.event_id, event_found);
}
